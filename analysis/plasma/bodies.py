"""Frames that a body's way around the Sun makes: MSO, VSO, KSO, JSO, KSM, MSM, and RTN of a spacecraft."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import in_units, unit_of
from analysis.plasma.earth import times_of
from analysis.plasma.ephemeris import SOLAR_AXIS
from analysis.plasma.frame_table import FRAMES, frame_named
from analysis.plasma.frames import to_frame
from analysis.plasma.inputs import is_number, not_negative, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.rotations import crossed, in_order, matrices_of, normalised, relabelled
from analysis.plasma.vectors import component_labels, frame_of, same_frame

SOLAR_RADIUS = 695_700.0  # km, IAU 2015 resolution B3
INERTIAL = ("J2000", "ECLIPJ2000")
SOLAR_EQUATOR = ("HEEQ", "HCI", "HGI")  # their z axis is the Sun's
MERCURY_OFFSET = 479.0  # km, ± 6: Anderson et al., J. Geophys. Res. 117, E00L12 (2012), doi:10.1029/2012JE004159


def orbital_frame(
    position: xr.DataArray,
    velocity: xr.DataArray,
    *,
    name: str = "MSO",
    wind_speed: float | xr.DataArray | None = None,
) -> xr.DataArray:
    r"""Return the matrices to a body's solar orbital frame: MSO, VSO, KSO, JSO, and GSE by its definition.

    x points from the body to the Sun, z along :math:`r \times v`, the northern pole of its orbit, and
    :math:`y = z \times x`, against its motion. With a wind speed V, x points against the solar wind that meets the
    body, whose velocity relative to it is :math:`V \hat r - v`: the aberrated frame, turned about z by about
    atan(v/V) towards the motion (-y).

    Parameters
    ----------
    position : xarray.DataArray
        From the Sun to the body, in J2000 or ECLIPJ2000; dims ``component`` and any others; any length.
    velocity : xarray.DataArray
        Of the body relative to the Sun, same frame and axes; any speed.
    name : str, optional
        What the frame is called: ``"MSO"``, ``"VSO"``, ``"KSO"``, ``"JSO"`` …
    wind_speed : float or xarray.DataArray, optional
        Radial speed of the solar wind in the Sun's frame: km/s, or an array with units on the same axes.

    Returns
    -------
    xarray.DataArray
        Rotation matrices for :func:`rotated`, which turns vectors of the frame of ``position`` (bring others there
        with :func:`to_frame`). Attr ``frame`` is the name, with ``_ABERRATED`` behind it if so. NaN where
        an input is, or position and velocity are parallel.

    Raises
    ------
    WrongFrame
        If the two are not in one inertial frame.
    WrongData
        If one is no vector, they are on different axes, or the position is inside the Sun (then it is that of
        a spacecraft from its planet, or in the wrong unit), or a wind speed is not above zero.
    WrongUnits, MissingUnits
        If the units are not of a length and a speed.
    BadOption
        If the name or the wind speed is none.

    References
    ----------
    Fränz & Harper, Planet. Space Sci. 50, 217 (2002), doi:10.1016/S0032-0633(01)00119-2 (GSE of date by its orbit).
    Winslow et al., J. Geophys. Res. 118, 2213 (2013), doi:10.1002/jgra.50237 (aberration at Mercury).

    Examples
    --------
    >>> says = {"frame": "ECLIPJ2000"}
    >>> mars = xr.DataArray([2.2e8, 0.0, 0.0], dims="component", attrs={"units": "km", **says})
    >>> speed = xr.DataArray([0.0, 24.0, 0.0], dims="component", attrs={"units": "km s-1", **says})
    >>> orbital_frame(mars, speed).values + 0.0
    array([[-1.,  0.,  0.], [ 0., -1.,  0.], [ 0.,  0.,  1.]])
    """
    if not isinstance(name, str) or not name.strip():
        raise BadOption(f"name={name!r} is no name of a frame; give one, for example 'MSO'")
    r, v = in_order(position, "position"), in_order(velocity, "velocity")
    source = _inertial(r, v)
    on_same_axes(position=r, velocity=v)
    distance, speed = _from_the_sun(r), in_units(v, "km s-1").drop_vars("component")
    outward = normalised(distance)
    north = normalised(crossed(distance, speed))
    toward, target, others = -outward, name.strip(), [position, velocity]
    if wind_speed is not None:
        wind = _wind(wind_speed, r)
        toward, target = normalised(speed - wind * outward), f"{target}_ABERRATED"
        others += [wind_speed] if isinstance(wind_speed, xr.DataArray) else []
    return matrices_of([toward, crossed(north, toward), north], source, target, *others)


def solar_magnetospheric_frame(position: xr.DataArray, axis: xr.DataArray, *, name: str = "KSM") -> xr.DataArray:
    r"""Return the matrices to a planet's solar magnetospheric frame: KSM, JSM, and GSM by its definition.

    x points from the planet to the Sun, y along axis × x, and :math:`z = x \times y`, so that the magnetic axis lies in
    the half plane of x and +z.

    Parameters
    ----------
    position : xarray.DataArray
        From the Sun to the planet; dims ``component`` and any others; any length.
    axis : xarray.DataArray
        The planet's magnetic axis on the northern side, in the same frame: one vector, or on the same axes. For
        Saturn the axis of rotation does (within 0.007°, Cao et al. 2020): right ascension 40.589°, declination
        83.537° in J2000 (Archinal et al. 2011).
    name : str, optional
        What the frame is called.

    Returns
    -------
    xarray.DataArray
        Rotation matrices for :func:`rotated`. NaN where an input is, or the axis points to the Sun.

    Raises
    ------
    WrongFrame, WrongData, WrongUnits, MissingUnits, BadOption
        As for :func:`orbital_frame`; the frame may be any.

    References
    ----------
    Archinal et al., Celest. Mech. Dyn. Astr. 109, 101 (2011), doi:10.1007/s10569-010-9320-4.
    Cao et al., Icarus 344, 113541 (2020), doi:10.1016/j.icarus.2019.113541.

    Examples
    --------
    >>> saturn = xr.DataArray([1.4e9, 0.0, 0.0], dims="component", attrs={"units": "km", "frame": "J2000"})
    >>> spin = xr.DataArray([0.1, 0.0, 1.0], dims="component", attrs={"units": "1", "frame": "J2000"})
    >>> solar_magnetospheric_frame(saturn, spin).sel(row="z").values + 0.0
    array([0., 0., 1.])
    """
    if not isinstance(name, str) or not name.strip():
        raise BadOption(f"name={name!r} is no name of a frame; give one, for example 'KSM'")
    r, magnetic = in_order(position, "position"), in_order(axis, "axis")
    source = _canonical(same_frame(position=r, axis=magnetic))
    on_same_axes(position=r, axis=magnetic)
    toward = -normalised(_from_the_sun(r))
    across = normalised(crossed(magnetic.drop_vars("component"), toward))
    return matrices_of([toward, across, crossed(toward, across)], source, name.strip(), position, axis)


def rtn_frame(position: xr.DataArray) -> xr.DataArray:
    r"""Return the matrices to RTN at a spacecraft: radial from the Sun, tangential, normal.

    R points from the Sun to the spacecraft, :math:`T = \Omega \times R` along the Sun's rotation and
    :math:`N = R \times T`: RTN of the solar equator, as STEREO, Parker Solar Probe and Solar Orbiter use it.

    Parameters
    ----------
    position : xarray.DataArray
        From the Sun to the spacecraft, in J2000, ECLIPJ2000, HEEQ, HCI or HGI, or HEE with times; dims
        ``component`` and any others; any length.

    Returns
    -------
    xarray.DataArray
        Rotation matrices for :func:`rotated`, from the frame of ``position`` to RTN; rows ``r``, ``t``, ``n``. NaN
        where the position is, or on the Sun's axis.

    Raises
    ------
    WrongFrame
        If the position is in another frame: one from the Earth's centre is not one from the Sun's.
    WrongData, WrongUnits, MissingUnits
        As for :func:`orbital_frame`.

    References
    ----------
    Fränz & Harper, Planet. Space Sci. 50, 217 (2002), doi:10.1016/S0032-0633(01)00119-2.
    Archinal et al., Celest. Mech. Dyn. Astr. 109, 101 (2011), doi:10.1007/s10569-010-9320-4 (the Sun's axis).

    Examples
    --------
    >>> r = xr.DataArray([1.0, 0.0, 0.0], dims="component", attrs={"units": "AU", "frame": "HEEQ"})
    >>> rtn_frame(r).values.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    given = in_order(position, "position")
    source = _canonical(frame_of(given, "position"))
    radial = normalised(_from_the_sun(given))
    tangential = normalised(crossed(_solar_axis(given, source), radial))
    normal = crossed(radial, tangential)
    return matrices_of([radial, tangential, normal], source, "RTN", position, labels=("r", "t", "n"))


def msm_position(position: xr.DataArray, *, offset: float = MERCURY_OFFSET) -> xr.DataArray:
    """Return a position at Mercury from the dipole's centre, MSM, of one from the planet's, MSO.

    The axes stay (spin and dipole axis and the pole of the orbit are one within 0.8°): a field in MSO is also in MSM,
    and so are the aberrated ones.

    Parameters
    ----------
    position : xarray.DataArray
        In MSO or MSO_ABERRATED, dim ``component``; any length (Mercury radii as km: 2,440 each).
    offset : float, optional
        How far north of the planet's centre the dipole is, in km.

    Returns
    -------
    xarray.DataArray
        In the unit of ``position``, frame MSM or MSM_ABERRATED.

    Raises
    ------
    WrongFrame
        If it is not in MSO.
    WrongData, WrongUnits, MissingUnits
        If it is no vector, or no length.
    BadOption
        If the offset is no number.

    References
    ----------
    Anderson et al., J. Geophys. Res. 117, E00L12 (2012), doi:10.1029/2012JE004159: 479 ± 6 km.

    Examples
    --------
    >>> r = xr.DataArray([2440.0, 0.0, 479.0], dims="component", attrs={"units": "km", "frame": "MSO"})
    >>> msm_position(r).values
    array([2440., 0., 0.])
    """
    if not is_number(offset) or not np.isfinite(offset):
        raise BadOption(f"offset={offset!r} is no number of km")
    given = in_order(position, "position")
    has = frame_of(given, "position")
    if has not in ("MSO", "MSO_ABERRATED"):
        raise WrongFrame(f"{given.name} is in {has}; it is needed in MSO here (plasma.orbital_frame leads there)")
    shift = xr.DataArray([0.0, 0.0, float(offset)], coords={"component": component_labels()}, dims="component")
    moved = in_units(given, "km") - shift
    back = in_units(moved.assign_attrs(units="km"), str(given.attrs["units"]))
    return relabelled(back, given, has, has.replace("MSO", "MSM"), ["x", "y", "z"])


def _canonical(frame: str) -> str:
    try:
        return frame_named(frame)
    except BadOption:
        return frame


def _inertial(position: xr.DataArray, velocity: xr.DataArray) -> str:
    frames = {_canonical(frame_of(position, "position")), _canonical(frame_of(velocity, "velocity"))}
    if len(frames) > 1:
        same_frame(position=position, velocity=velocity)
    frame = frames.pop()
    if frame not in INERTIAL:
        raise WrongFrame(
            f"{position.name} and {velocity.name} are in {frame}; they are needed in {' or '.join(INERTIAL)} here: "
            "in a frame that turns, a velocity is another one"
        )
    return frame


def _from_the_sun(position: xr.DataArray) -> xr.DataArray:
    """Return a position in km, without labels; refused where it is inside the Sun."""
    if not unit_of(position).is_equivalent("km"):
        in_units(position, "km")  # says what is wrong
    r = in_units(position, "km").drop_vars("component")
    if r.chunks is None:
        squared = (r**2).sum("component", skipna=False)
        if bool((squared < SOLAR_RADIUS**2).any()):
            lowest = float(np.sqrt(squared.min()))
            raise WrongData(
                f"{position.name} comes within {lowest:.6g} km of the Sun's centre, which is inside the Sun; give the "
                "position from the Sun, not from a planet, in its true unit"
            )
    return r


def _wind(speed: float | xr.DataArray, position: xr.DataArray) -> float | xr.DataArray:
    if isinstance(speed, xr.DataArray):
        on_same_axes(wind_speed=speed, position=position)
        refuse_vectors(wind_speed=speed)
        return not_negative(in_units(speed, "km s-1"), "wind_speed", zero=False)
    if not is_number(speed) or not 0 < speed < np.inf:
        raise BadOption(f"wind_speed={speed!r} is no speed above zero in km/s; give a number or an array with units")
    return float(speed)


def _solar_axis(position: xr.DataArray, frame: str) -> xr.DataArray:
    """Return the Sun's axis in the frame of a position."""
    if frame in SOLAR_EQUATOR:
        return xr.DataArray([0.0, 0.0, 1.0], dims="component")
    if frame not in (*INERTIAL, "HEE"):
        why = " from the Earth's centre" if frame in FRAMES and FRAMES[frame].origin == "Earth" else ""
        raise WrongFrame(
            f"{position.name} is in {frame}{why}; a position from the Sun is needed here, in "
            f"{', '.join((*INERTIAL, *SOLAR_EQUATOR))} or HEE"
        )
    longitude, latitude = SOLAR_AXIS
    axis = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)
    says = {"units": "1", "frame": "J2000", **synthetic_attrs(position)}
    vector = xr.DataArray(np.array(axis), dims="component", name="axis", attrs=says)
    if frame == "HEE":
        times = times_of(position, "position")
        vector = vector * xr.ones_like(times, dtype=float)
        vector = vector.assign_attrs(says).assign_coords(time=times).rename("axis")
    return to_frame(vector, frame).drop_vars("component")

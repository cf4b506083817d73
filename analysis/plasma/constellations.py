"""Constellations that fly through synthetic fields: paths, formations of four and seven, what they would measure."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units, labelled, stamp, utc
from analysis.plasma.inputs import finite, is_number
from analysis.plasma.orbits import GRAVITY, keplerian_positions, times_of_path
from analysis.plasma.synthetic_fields import SyntheticField, Triple, field_at, places, seeded, triple
from analysis.plasma.vectors import component_labels, frame_of, refuse_unknown

RETINO_2022 = "Retinò et al., Exp. Astron. 54, 427 (2022), doi:10.1007/s10686-021-09797-7"
EARTH_RADIUS = 6378.137  # km, equatorial, WGS 84
# A regular tetrahedron of side 1 with one corner at the origin, the others above it around +z.
CORNERS = np.array(
    [
        [0.0, 0.0, 0.0],
        [1 / np.sqrt(3), 0.0, np.sqrt(2 / 3)],
        [-1 / np.sqrt(12), 0.5, np.sqrt(2 / 3)],
        [-1 / np.sqrt(12), -0.5, np.sqrt(2 / 3)],
    ]
)


def sampling_times(start: str, *, cadence: float, count: int) -> xr.DataArray:
    """Return evenly spaced times.

    Parameters
    ----------
    start : time
        Of the first one, UTC.
    cadence : float
        Seconds between two.
    count : int
        How many.

    Returns
    -------
    xarray.DataArray
        Dim ``time``, ``datetime64[ns]``.

    Raises
    ------
    BadOption, BadTime
        If a number cannot be used, or the start is no time.

    Examples
    --------
    >>> sampling_times("2030-01-01", cadence=0.5, count=3).values[-1]
    np.datetime64('2030-01-01T00:00:01.000000000')
    """
    step = finite(cadence, "cadence", positive=True)
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise BadOption(f"count={count!r} is not a whole number above zero")
    if not 1e-9 <= step <= 1e9 / count:
        raise BadOption(f"cadence={cadence} s makes no {count} times: at least a nanosecond, and some decades in all")
    times = utc(start) + np.round(np.arange(count) * step * 1e9).astype("int64").astype("timedelta64[ns]")
    return xr.DataArray(times, dims="time", coords={"time": times}, name="time", attrs={"long_name": "Time (UTC)"})


def straight_path(
    time: xr.DataArray, *, velocity: Triple, through: Triple = (0, 0, 0), at: str | None = None, frame: str = "GSE"
) -> xr.DataArray:
    """Return positions along a straight line, as one flies through a structure.

    Parameters
    ----------
    time : xarray.DataArray
        Dim ``time``, ``datetime64[ns]``, as :func:`sampling_times` gives.
    velocity : three numbers
        km/s.
    through : three numbers, optional
        A point of the path, km.
    at : time, optional
        When it is passed, UTC; by default in the middle of ``time``.
    frame : str, optional
        The frame of coordinates to be named.

    Returns
    -------
    xarray.DataArray
        Dims ``time, component``; km; synthetic.

    Raises
    ------
    BadTime, BadOption
        If times are missing, or an option is not three numbers.

    Examples
    --------
    >>> time = sampling_times("2030-01-01", cadence=1, count=3)
    >>> straight_path(time, velocity=(0, 0, 10)).values[:, 2].tolist()
    [-10.0, 0.0, 10.0]
    """
    times = times_of_path(time)
    middle = times[0] + (times[-1] - times[0]) // 2 if at is None else utc(at)
    seconds = (times - middle).astype("int64") / 1e9
    return _path(times, triple(through, "through") + seconds[:, None] * triple(velocity, "velocity"), frame, "a line")


def kepler_path(
    time: xr.DataArray,
    *,
    perigee: float,
    apogee: float,
    inclination: float = 0.0,
    apogee_direction: float = 180.0,
    at_apogee: str | None = None,
    frame: str = "GSE",
) -> xr.DataArray:
    """Return positions on a Kepler ellipse around the Earth, whose plane and apsides are at rest in the frame.

    Parameters
    ----------
    time : xarray.DataArray
        Dim ``time``, ``datetime64[ns]``.
    perigee, apogee : float
        Geocentric, in Earth's equatorial radii (6378.137 km).
    inclination : float, optional
        Of the plane to the x-y plane, turned about the line of apsides, degrees.
    apogee_direction : float, optional
        Of the apogee in the x-y plane, degrees from +x towards +y; 180 is the tail in GSE.
    at_apogee : time, optional
        When the apogee is passed, UTC; by default in the middle of ``time``.
    frame : str, optional
        The frame of coordinates to be named. GSE turns by a degree a day against the stars, which is left out here.

    Returns
    -------
    xarray.DataArray
        Dims ``time, component``; km; synthetic.

    Raises
    ------
    BadTime, BadOption
        If times are missing, or the apsides are not in order.

    References
    ----------
    Park et al., Astron. J. 161, 105 (2021), doi:10.3847/1538-3881/abd414 (GM of the Earth).

    Examples
    --------
    >>> time = sampling_times("2030-01-01", cadence=60, count=3)
    >>> (kepler_path(time, perigee=8, apogee=17).values[1] / 6378.137).round(6).tolist()
    [-17.0, 0.0, 0.0]
    """
    low, high = finite(perigee, "perigee", positive=True), finite(apogee, "apogee", positive=True)
    if not 1 <= low <= high:
        raise BadOption(f"perigee={low:g}, apogee={high:g}: they are in Earth radii, 1 <= perigee <= apogee")
    times = times_of_path(time)
    middle = times[0] + (times[-1] - times[0]) // 2 if at_apogee is None else utc(at_apogee)
    period = 2 * np.pi / np.sqrt(GRAVITY["Earth"] / ((low + high) / 2 * EARTH_RADIUS) ** 3)
    return keplerian_positions(
        time,
        body="Earth",
        periapsis=low * EARTH_RADIUS,
        apoapsis=high * EARTH_RADIUS,
        inclination=inclination,
        ascending_node=finite(apogee_direction, "apogee_direction") + 180,
        at_periapsis=middle - np.timedelta64(round(period / 2 * 1e9), "ns"),
        frame=frame,
    )


def constellation(
    path: xr.DataArray,
    *,
    kind: str = "tetrahedron",
    scale: float | xr.DataArray = 100.0,
    outer_scale: float | xr.DataArray | None = None,
    twist: float = 0.0,
    stretch: Triple = (1, 1, 1),
) -> xr.DataArray:
    """Return the positions of a rigid formation of spacecraft along a path.

    Parameters
    ----------
    path : xarray.DataArray
        Dims ``component`` and usually ``time``, any length, its frame said: :func:`straight_path`,
        :func:`kepler_path` or a real orbit. It is that of the centre of a tetrahedron, or of the mother.
    kind : {"tetrahedron", "plasma_observatory"}, optional
        Four spacecraft on a regular tetrahedron, as Cluster and MMS aim at near apogee; or seven: a mother on
        the corner that two nested tetrahedra share, three daughters on the inner and three on the outer one.
    scale : float or xarray.DataArray, optional
        Side of the tetrahedron, or of the inner one: km, or with units. Dims of its own give a formation for each.
    outer_scale : float or xarray.DataArray, optional
        Side of the outer one; seven spacecraft need it.
    twist : float, optional
        Turns the outer tetrahedron about its axis through the mother (+z), degrees; at 0 mother, inner and outer
        daughters lie on three lines.
    stretch : three numbers, optional
        Factors along x, y, z that make the formation elongated or flat.

    Returns
    -------
    xarray.DataArray
        Dims ``spacecraft``, those of the path, ``component``; km; synthetic.

    Raises
    ------
    BadOption
        If the kind is not known or a scale cannot be used.
    WrongData, WrongFrame, WrongUnits, MissingUnits
        If the path is no position in a named frame.

    References
    ----------
    Retinò et al., Exp. Astron. 54, 427 (2022), doi:10.1007/s10686-021-09797-7 (the concept: at least seven points on
    two scales at once). The formation here is an idealization of it, not the mission's orbits.

    Examples
    --------
    >>> path = straight_path(sampling_times("2030-01-01", cadence=1, count=2), velocity=(1, 0, 0))
    >>> seven = constellation(path, kind="plasma_observatory", scale=50, outer_scale=500)
    >>> seven.sizes["spacecraft"], seven.spacecraft.values[[0, 1, -1]].tolist()
    (7, ['mother', 'inner_1', 'outer_3'])
    """
    refuse_unknown(kind, ["tetrahedron", "plasma_observatory"], "kind of constellation")
    centre, inner = places(path), _length(scale, "scale")
    if "spacecraft" in centre.dims:
        raise WrongData("path has a dim 'spacecraft'; give that of one spacecraft or of the centre")
    if kind == "tetrahedron":
        if outer_scale is not None:
            raise BadOption("outer_scale= belongs to kind='plasma_observatory'; a tetrahedron has one scale")
        spread = inner * _offsets(CORNERS - CORNERS.mean(axis=0), [f"sc{n}" for n in range(1, 5)])
    else:
        if outer_scale is None:
            raise BadOption("seven spacecraft need outer_scale=, the side of the outer tetrahedron in km")
        outer, angle = _length(outer_scale, "outer_scale"), np.radians(finite(twist, "twist"))
        if not bool((outer > inner).all()):
            raise BadOption(f"outer_scale (from {outer.min():g} km) is not above scale (to {inner.max():g} km)")
        turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        near = inner * _offsets(CORNERS, ["mother", "inner_1", "inner_2", "inner_3"])
        far = outer * _offsets(CORNERS[1:] @ turn, ["outer_1", "outer_2", "outer_3"])
        spread = xr.concat(xr.broadcast(near, far, exclude=["spacecraft"]), "spacecraft")
    factors = triple(stretch, "stretch")
    if not (factors >= 0).all():
        raise BadOption(f"stretch={stretch!r} has a factor below zero")
    spread = spread.assign_coords(component=centre.component) * xr.DataArray(factors, dims="component")
    whole = (centre + spread).transpose("spacecraft", ..., "component")
    whole["spacecraft"].attrs["long_name"] = "Spacecraft"
    says = {"frame": frame_of(path, "path"), "synthetic": "true", "source": f"an ideal {kind.replace('_', ' ')}"}
    return labelled(whole, "position", units="km", long_name="Position", attrs=says)


def _offsets(corners: np.ndarray, names: list[str]) -> xr.DataArray:
    return xr.DataArray(corners, dims=("spacecraft", "component"), coords={"spacecraft": names})


def _length(value: float | xr.DataArray, what: str) -> xr.DataArray:
    """Return lengths in km, above zero; bare numbers are in km."""
    if not isinstance(value, xr.DataArray):
        return xr.DataArray(finite(value, what, positive=True))
    length = in_units(value.rename(what), "km")
    if taken := {"spacecraft", "component"} & set(map(str, length.dims)):
        raise WrongData(f"{what} has the dim {min(taken)!r}, which means something else here; rename it")
    if not bool((length > 0).all()):
        raise BadOption(f"{what} holds lengths that are not above zero (lowest {float(length.min()):g} km)")
    return length.drop_attrs(deep=False)


def sampled(
    source: SyntheticField, position: xr.DataArray, *, noise: float = 0.0, seed: int = 0, name: str = "b"
) -> xr.Dataset:
    """Return what magnetometers at these places would measure of a synthetic field.

    Parameters
    ----------
    source : SyntheticField
        The field.
    position : xarray.DataArray
        Dims ``spacecraft, time, component`` (or others), any length, in a named frame: :func:`constellation`.
    noise : float, optional
        Standard deviation of white noise, the same in each component and independent, nT.
    seed : int, optional
        Of the noise.
    name : str, optional
        Of the field's variable.

    Returns
    -------
    xarray.Dataset
        ``b`` (nT) and ``position`` (km), synthetic; ``attrs["truth"]`` holds the field's parameters as JSON (km, nT,
        s). The true current at any place is :func:`current_at`.

    Raises
    ------
    BadOption
        If the noise is below zero, or there is no synthetic field.
    WrongData, WrongFrame, WrongUnits, MissingUnits, BadTime
        If the position cannot be used.

    Examples
    --------
    >>> from analysis.plasma import harris_sheet
    >>> path = straight_path(sampling_times("2030-01-01", cadence=1, count=60), velocity=(0, 0, 50))
    >>> data = sampled(harris_sheet(), constellation(path, scale=30), noise=0.01)
    >>> dict(data.b.sizes), data.attrs["synthetic"], json.loads(data.attrs["truth"])["peak_current"] > 31
    ({'spacecraft': 4, 'time': 60, 'component': 3}, 'true', True)
    """
    if not is_number(noise) or not 0 <= noise < np.inf:
        raise BadOption(f"noise={noise!r} is not a standard deviation in nT of zero or more")
    if not isinstance(name, str) or not name or name in ("position", *position.dims):
        raise BadOption(f"name={name!r} cannot name the field; for example 'b'")
    random, measured = seeded(seed), field_at(source, position)
    if noise:
        errors = random.normal(0, noise, measured.shape)
        measured = (measured + errors).assign_attrs(measured.attrs)
    place = places(position)
    says = {"frame": frame_of(position, "position"), "synthetic": "true"}
    place = labelled(place, "position", units="km", long_name="Position", attrs=says)
    result = xr.Dataset({name: measured.rename(name), "position": place})
    result = result.assign_attrs(synthetic="true", truth=json.dumps(source.truth), noise=float(noise))
    cited = [*source.references, *([RETINO_2022] if place.sizes.get("spacecraft") == 7 else [])]
    return stamp(
        result,
        title=f"Synthetic: {source.title}",
        institution="Sankō",
        source=f"{source.title}, computed from its formula",
        references=cited or ["none: a field that was made up"],
        license="CC0",
        history=[f"plasma.sampled({source.name}, noise={noise:g}, seed={seed})"],
        provenance={"synthetic": source.name, "truth": source.truth, "noise_nT": float(noise), "seed": seed},
    )


def _path(times: np.ndarray, values: np.ndarray, frame: str, source: str) -> xr.DataArray:
    if not isinstance(frame, str) or not frame.strip():
        raise BadOption(f"frame={frame!r} names no frame; for example 'GSE'")
    array = xr.DataArray(
        values,
        dims=("time", "component"),
        coords={"time": ("time", times, {"long_name": "Time (UTC)"}), "component": component_labels()},
    )
    says = {"frame": frame.upper(), "synthetic": "true", "source": source}
    return labelled(array, "position", units="km", long_name="Position", attrs=says)

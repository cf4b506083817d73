"""Field lines of the Earth's dipole: L-shells, latitudes of their feet, points along them; magnetic local time."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units, labelled, unit_of
from analysis.plasma.dipole import ALONG_DIPOLE, REFERENCE_RADIUS, WALT_1994, length, placed
from analysis.plasma.inputs import is_number, named, not_negative
from analysis.plasma.vectors import made


def l_shell(position: xr.DataArray) -> xr.DataArray:
    r"""Return the L-shell of positions in a dipole, :math:`L = r / \cos^2 \lambda`.

    Parameters
    ----------
    position : xarray.DataArray
        Vectors in SM or MAG; any unit of length.

    Returns
    -------
    xarray.DataArray
        In Earth radii (unit ``R_earth``, astropy's 6378.1 km): where the field line through the position crosses the
        magnetic equator. It is McIlwain's L of a dipole; real field lines differ from it, most beyond L = 5.
        Infinite on the axis becomes NaN.

    Raises
    ------
    WrongFrame, WrongData, WrongUnits, MissingUnits
        If it is no position in SM or MAG.

    References
    ----------
    McIlwain, J. Geophys. Res. 66, 3681 (1961), doi:10.1029/JZ066i011p03681.

    Examples
    --------
    >>> place = xr.DataArray([1.0, 1.0, 1.0], dims="component", attrs={"units": "R_earth", "frame": "SM"})
    >>> round(l_shell(place).item(), 4)
    2.5981
    """
    where = placed(position, ALONG_DIPOLE)
    place = in_units(where, "R_earth")
    across = (place.sel(component=["x", "y"]) ** 2).sum("component", skipna=False)
    shell = length(place) ** 3 / across.where(across > 0)
    return made(shell, "l_shell", where, units="R_earth", long_name="L-shell (dipole)")


def invariant_latitude(l_shell: xr.DataArray) -> xr.DataArray:
    r"""Return the latitude at which a dipole's field line meets the ground, :math:`\arccos \sqrt{1/L}`.

    Parameters
    ----------
    l_shell : xarray.DataArray
        L in Earth radii (``R_earth``, or ``1`` for L as a number), as :func:`l_shell` gives it.

    Returns
    -------
    xarray.DataArray
        Degrees; NaN where L is below 1.

    Raises
    ------
    WrongUnits, MissingUnits
        If L is no length or number.
    WrongData
        If it is negative.

    Examples
    --------
    >>> invariant_latitude(xr.DataArray([1.0, 4.0], attrs={"units": "R_earth"})).values.round(6)
    array([ 0., 60.])
    """
    shell = shell_number(l_shell)
    inverse = 1 / shell.where(shell >= 1)
    latitude = xr.ufuncs.degrees(xr.ufuncs.arccos(xr.ufuncs.sqrt(inverse)))
    return made(latitude, "invariant_latitude", l_shell, units="deg", long_name="Invariant latitude (dipole)")


def magnetic_local_time(position: xr.DataArray) -> xr.DataArray:
    """Return magnetic local time of positions in SM: 12 towards the Sun, 18 at dusk (+y), 0 behind the Earth.

    Parameters
    ----------
    position : xarray.DataArray
        Vectors in SM; any unit.

    Returns
    -------
    xarray.DataArray
        Hours, 0 to 24; NaN on the axis.

    Raises
    ------
    WrongFrame, WrongData, MissingUnits
        If it is no vector in SM.

    Examples
    --------
    >>> place = xr.DataArray([[5, 0, 0], [0, 5, 1], [-5, 0, 0.0]], dims=["time", "component"],
    ...                      attrs={"units": "R_earth", "frame": "SM"})
    >>> magnetic_local_time(place).values
    array([12., 18.,  0.])
    """
    where = placed(position, ("SM",))
    x, y = (where.sel(component=letter, drop=True) for letter in "xy")
    hours = (12 + xr.ufuncs.arctan2(y, x) * 12 / np.pi) % 24
    hours = hours.where((x != 0) | (y != 0))
    return made(hours, "magnetic_local_time", where, units="h", long_name="Magnetic local time")


def dipole_field_line(position: xr.DataArray, *, altitude: float = 0.0, points: int = 101) -> xr.DataArray:
    r"""Return the dipole's field line through positions, :math:`r = L \cos^2 \lambda`, from foot to foot.

    Parameters
    ----------
    position : xarray.DataArray
        Vectors in SM or MAG; any unit of length.
    altitude : float, optional
        Of the feet in km above 6371.2 km.
    points : int, optional
        How many points, evenly spaced in magnetic latitude; an odd number has one at the equator.

    Returns
    -------
    xarray.DataArray
        R_earth, in the frame of the position; one more dim ``point``, from the southern foot (first) to the northern
        (last): the way the field points. NaN where the line does not reach the altitude.

    Raises
    ------
    BadOption
        If the altitude is below zero or there are fewer than two points.
    WrongFrame, WrongData, WrongUnits, MissingUnits
        As for :func:`l_shell`.

    Examples
    --------
    >>> place = xr.DataArray([4.0, 0.0, 0.0], dims="component", attrs={"units": "R_earth", "frame": "SM"})
    >>> line = dipole_field_line(place, points=3)
    >>> line.values.round(3) + 0.0
    array([[ 0.499,  0.   , -0.865],
           [ 4.   ,  0.   ,  0.   ],
           [ 0.499,  0.   ,  0.865]])
    """
    if not is_number(altitude) or not 0 <= altitude < np.inf:
        raise BadOption(f"altitude={altitude!r} is no number of km, zero or more")
    if not isinstance(points, int | np.integer) or isinstance(points, bool) or points < 2:
        raise BadOption(f"points={points!r} is no whole number of at least two")
    where = placed(position, ALONG_DIPOLE)
    if "point" in where.dims:
        raise WrongData(
            f"{where.name} has a dim 'point', which is that of the line here; rename it: .rename(point='place')"
        )
    shell = l_shell(where).reset_coords(drop=True)
    radius = xr.DataArray(REFERENCE_RADIUS + altitude, attrs={"units": "km"})
    foot = in_units(radius, "R_earth").item()
    ratio = (foot / shell).where(shell >= foot)
    highest = xr.ufuncs.arccos(xr.ufuncs.sqrt(ratio))
    latitude = highest * xr.DataArray(np.linspace(-1, 1, points), dims="point")
    x, y = (where.sel(component=letter, drop=True) for letter in "xy")
    longitude = xr.ufuncs.arctan2(y, x)
    r = shell * xr.ufuncs.cos(latitude) ** 2
    across = r * xr.ufuncs.cos(latitude)
    parts = [across * xr.ufuncs.cos(longitude), across * xr.ufuncs.sin(longitude), r * xr.ufuncs.sin(latitude)]
    line = xr.concat(parts, "component").assign_coords(component=where["component"])
    rest = [dim for dim in where.dims if dim != "component"]
    attrs = {"frame": where.attrs["frame"]}
    line = line.transpose(*rest, "point", "component")
    return made(line, "field_line", where, units="R_earth", long_name="Field line (dipole)", attrs=attrs)


def dipole_footpoints(position: xr.DataArray, *, altitude: float = 110.0) -> xr.Dataset:
    """Return where the dipole's field line through positions comes down in the north and in the south.

    Parameters
    ----------
    position, altitude
        As for :func:`dipole_field_line`; 110 km is where auroras end.

    Returns
    -------
    xarray.Dataset
        ``north`` and ``south``, vectors in R_earth in the frame of the position, ``latitude`` (deg, of the northern
        foot; the southern is its negative), and ``l_shell``. NaN where the line does not reach the altitude.

    Raises
    ------
    BadOption, WrongFrame, WrongData, WrongUnits, MissingUnits
        As for :func:`dipole_field_line`.

    Examples
    --------
    >>> place = xr.DataArray([0.0, -6.6, 0.0], dims="component", attrs={"units": "R_earth", "frame": "SM"})
    >>> round(dipole_footpoints(place).latitude.item(), 2)
    66.9
    """
    ends = dipole_field_line(position, altitude=altitude, points=2)
    frame = {"frame": ends.attrs["frame"]}
    south, north = (
        labelled(
            ends.isel(point=end), name, units="R_earth", long_name=f"{name.capitalize()}ern footpoint", attrs=frame
        )
        for end, name in enumerate(("south", "north"))
    )
    sine = north.sel(component="z", drop=True) / length(north)
    latitude = labelled(
        xr.ufuncs.degrees(xr.ufuncs.arcsin(sine)),
        "latitude",
        units="deg",
        long_name="Magnetic latitude of the northern foot",
    )
    return derived(
        xr.Dataset({"north": north, "south": south, "latitude": latitude, "l_shell": l_shell(position)}),
        position,
        title="Footpoints of the dipole's field lines",
        step=f"plasma.dipole_footpoints(altitude={altitude:g})",
        references=[WALT_1994],
    )


def shell_number(array: xr.DataArray) -> xr.DataArray:
    """Return L as a number of Earth radii.

    Examples
    --------
    >>> shell_number(xr.DataArray(12756.2, attrs={"units": "km"})).item()
    2.0
    """
    given = named(array, "l_shell")
    shell = given if unit_of(given).is_equivalent("1") else in_units(given, "R_earth")
    return not_negative(shell.astype(np.float64), "l_shell")

"""The Earth's dipole: its strength by date and its field."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import in_units, labelled
from analysis.plasma.earth import times_of
from analysis.plasma.ephemeris import IGRF_DIPOLE, IGRF_YEARS, angles
from analysis.plasma.inputs import on_same_axes
from analysis.plasma.parameters import MU0
from analysis.plasma.rotations import in_order
from analysis.plasma.vectors import component_labels, made, vector

REFERENCE_RADIUS = 6371.2  # km, to which the coefficients of IGRF refer
ALONG_DIPOLE = ("SM", "MAG")  # frames whose z axis is the dipole's
WALT_1994 = "Walt, Introduction to Geomagnetically Trapped Radiation (1994), chapter 3"
IGRF = "IGRF-14, doi:10.5281/zenodo.14012302"


def dipole_moment(time: object) -> xr.DataArray:
    r"""Return the strength of the Earth's centred dipole, :math:`4 \pi a^3 B_0 / \mu_0`.

    Parameters
    ----------
    time : xarray.DataArray, numpy.ndarray, str
        Times in UTC, or an array with a coordinate ``time``; ISO 8601 text and astropy times also.

    Returns
    -------
    xarray.DataArray
        A m2, above zero; the moment itself points south. Coordinate ``equatorial_field`` (nT): :math:`B_0` at
        the magnetic equator, a = 6371.2 km from the centre.

    Raises
    ------
    WrongData, BadTime
        If these are no times.
    OutsideCoverage
        If a time is outside IGRF-14, 1900-2030.

    References
    ----------
    IGRF-14, doi:10.5281/zenodo.14012302; linear between its epochs.

    Examples
    --------
    >>> moment = dipole_moment("2020-01-01")
    >>> print(f"{moment.item():.4g} A m2, {moment.equatorial_field.item():.1f} nT")
    7.708e+22 A m2, 29804.7 nT
    """
    times = times_of(time)
    field = times.copy(data=equatorial_field(times.values))
    strength = 4 * np.pi * (REFERENCE_RADIUS * 1e3) ** 3 * field * 1e-9 / MU0
    result = labelled(
        strength, "dipole_moment", units="A m2", long_name="Strength of the Earth's dipole", attrs={"references": IGRF}
    )
    beside = labelled(
        field.reset_coords(drop=True), "equatorial_field", units="nT", long_name="Dipole field at a, equator"
    )
    return result.assign_coords(equatorial_field=beside)


def dipole_field(position: xr.DataArray, time: object = None) -> xr.DataArray:
    r"""Return the field of the Earth's centred dipole at positions.

    .. math:: B_0 (a/r)^3 \left(\hat z - 3 (\hat z \cdot \hat r) \hat r\right)

    Parameters
    ----------
    position : xarray.DataArray
        Vectors in SM or MAG, whose z axis is the dipole's; any unit of length.
    time : optional
        When, as for :func:`dipole_moment`, one time or the position's own axis; by default its coordinate ``time``.

    Returns
    -------
    xarray.DataArray
        nT, in the frame of the position: northward at the equator, downward above the northern pole. NaN where
        the position is, and inside the Earth (below 6371.2 km), where no dipole holds.

    Raises
    ------
    WrongFrame
        If the position is in another frame.
    WrongData, BadTime, OutsideCoverage
        If it is no vector or there is no time.
    WrongUnits, MissingUnits
        If it is no length.

    References
    ----------
    Walt, Introduction to Geomagnetically Trapped Radiation (1994), chapter 3.

    Examples
    --------
    >>> place = xr.DataArray([4.0, 0.0, 0.0], dims="component", attrs={"units": "R_earth", "frame": "SM"})
    >>> dipole_field(place, "2020-01-01").values.round(1)
    array([  0. ,   0. , 464.2])
    """
    where = placed(position, ALONG_DIPOLE)
    place = in_units(where, "km")
    if time is None and "time" not in where.coords:
        raise WrongData(f"{where.name} has no coordinate time; say when: dipole_field(position, '2020-01-01')")
    times = times_of(where["time"] if time is None else time)
    if times.ndim and not set(times.dims) <= set(where.dims):
        raise WrongData(f"the times have dims {times.dims}, the positions {where.dims}; give one time, or one for each")
    field = xr.DataArray(equatorial_field(times.values), times.coords if times.ndim else None, times.dims)
    on_same_axes(position=where, time=field.assign_attrs(units="nT"))
    r = length(place)
    along = place.sel(component="z", drop=True) / r
    axis = xr.DataArray([0.0, 0.0, 1.0], dims="component", coords={"component": where["component"]})
    b = field * (REFERENCE_RADIUS / r) ** 3 * (axis - 3 * along * place / r)
    b = b.where(r >= REFERENCE_RADIUS * (1 - 1e-9)).transpose(*where.dims)
    attrs = {"frame": where.attrs["frame"], "references": f"{WALT_1994}\n{IGRF}"}
    return made(b, "dipole_field", where, units="nT", long_name="Field of the Earth's dipole", attrs=attrs)


def equatorial_field(times: np.ndarray) -> np.ndarray:
    """Return the length of the dipole's coefficients, nT; times outside IGRF are refused.

    Examples
    --------
    >>> equatorial_field(np.array("2000-01-01", dtype="datetime64[ns]")).round(1)
    np.float64(30119.6)
    """
    angles(times, {"pole"})
    epochs = np.array([f"{year}-01-01" for year in IGRF_YEARS], dtype="datetime64[ns]").astype(np.int64)
    parts = [np.interp(np.asarray(times).astype(np.int64), epochs, column) for column in IGRF_DIPOLE.T]
    return np.sqrt(sum(part**2 for part in parts))


def placed(position: xr.DataArray, frames: tuple[str, ...]) -> xr.DataArray:
    """Return positions in one of these frames, components in order and called x, y, z.

    Examples
    --------
    >>> place = xr.DataArray([1.0, 0.0, 0.0], dims="component", attrs={"units": "km", "frame": "SM"})
    >>> placed(place, ALONG_DIPOLE).component.values.tolist()
    ['x', 'y', 'z']
    """
    return in_order(vector(position, "position", frame=frames), "position").assign_coords(component=component_labels())


def length(place: xr.DataArray) -> xr.DataArray:
    """Return the length of a vector as a bare number.

    Examples
    --------
    >>> length(xr.DataArray([3.0, 0.0, 4.0], dims="component")).item()
    5.0
    """
    return xr.ufuncs.sqrt((place**2).sum("component", skipna=False))

"""Pitch-angle distributions: means over the sphere, anisotropy, cuts at one energy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import in_units, labelled, span, unit_of, utc
from analysis.plasma.inputs import is_number, named, refuse_empty, synthetic_attrs

if TYPE_CHECKING:
    from astropy.units import Quantity

    from analysis.model.clocks import Instant

    Energy: TypeAlias = float | str | Quantity | xr.DataArray

DIM = "pitch_angle"
Data = TypeVar("Data", xr.Dataset, xr.DataArray)


def omnidirectional(flux: xr.DataArray, *, coverage: float = 1.0) -> xr.DataArray:
    r"""Return the mean of a flux over all directions, :math:`\frac{1}{2} \int_0^\pi j \sin\alpha \, d\alpha`.

    This is what the files of the Van Allen Probes call omnidirectional, per steradian as the flux itself. The
    flux through a small sphere is :math:`4\pi` sr times that.

    Parameters
    ----------
    flux : xarray.DataArray
        Directional flux with the dim and coordinate ``pitch_angle`` (0 to 180°), piecewise constant in its
        bins: those that tile 0 to 180° around the pitch angles, if there are such, else bins that end midway
        between them.
    coverage : float, optional
        Fraction of the sphere, above 0 to 1, that must be measured. With the default a single NaN makes the
        mean NaN; below, the mean is over the bins that were measured, where they cover that fraction.

    Returns
    -------
    xarray.DataArray
        Without ``pitch_angle``, in the unit of the flux.

    Raises
    ------
    WrongData
        If there is no pitch angle, or it does not increase inside 0 to 180°.
    WrongUnits, MissingUnits
        If the pitch angle is no angle, or the flux has no units.
    BadOption
        If ``coverage`` is not above 0 and up to 1.

    References
    ----------
    Walt, Introduction to Geomagnetically Trapped Radiation (1994), section 4.2.

    Examples
    --------
    >>> angle = ("pitch_angle", [30.0, 90.0, 150.0], {"units": "deg"})
    >>> flux = xr.DataArray([7.0, 7.0, 7.0], coords={"pitch_angle": angle}, dims="pitch_angle",
    ...                     attrs={"units": "cm-2 s-1 sr-1 keV-1"})
    >>> round(omnidirectional(flux).item(), 12)
    7.0
    """
    mean = _moment(flux, coverage, lambda mu: mu)
    return _made(mean, flux, "omnidirectional", str(flux.attrs["units"]), "mean over all directions")


def anisotropy(flux: xr.DataArray, *, coverage: float = 1.0) -> xr.DataArray:
    r"""Return the anisotropy of a flux: perpendicular over parallel second moment, less one.

    .. math:: A = \frac{\int j \sin^3\alpha \, d\alpha}{2 \int j \cos^2\alpha \sin\alpha \, d\alpha} - 1

    At one energy this is :math:`p_\perp / p_\parallel - 1` of the particles of that energy: 0 for an
    isotropic flux, above 0 for one that is largest at 90°, down to -1 for a beam along the field.

    Parameters
    ----------
    flux : xarray.DataArray
        As for :func:`omnidirectional`.
    coverage : float, optional
        As for :func:`omnidirectional`; each moment is then taken over the measured bins and divided by that
        of an isotropic flux in the same bins.

    Returns
    -------
    xarray.DataArray
        Dimensionless, without ``pitch_angle``. NaN also where nothing moves along the field.

    Raises
    ------
    WrongData, WrongUnits, MissingUnits, BadOption
        As :func:`omnidirectional`.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), chapter 6.

    Examples
    --------
    >>> angle = ("pitch_angle", [30.0, 90.0, 150.0], {"units": "deg"})
    >>> flux = xr.DataArray([1.0, 4.0, 1.0], coords={"pitch_angle": angle}, dims="pitch_angle",
    ...                     attrs={"units": "cm-2 s-1 sr-1 keV-1"})
    >>> round(anisotropy(flux).item(), 2)
    1.23
    """
    across = _moment(flux, coverage, lambda mu: mu - mu**3 / 3)
    along = _moment(flux, coverage, lambda mu: mu**3 / 3)
    return _made(across / along.where(along != 0) - 1, flux, "anisotropy", "1", "pitch-angle anisotropy")


def pitch_angle_distribution(
    flux: xr.DataArray, *, energy: Energy, start: Instant | None = None, stop: Instant | None = None
) -> xr.DataArray:
    """Return the mean flux against pitch angle in the energy bin nearest to an energy.

    Parameters
    ----------
    flux : xarray.DataArray
        Directional flux with the dims and coordinates ``time, energy, pitch_angle``.
    energy : float, str, astropy.units.Quantity or xarray.DataArray
        A number in the unit of the coordinate ``energy``, or one that brings its unit (``"5 keV"``). The bin
        that holds it is taken (coordinates ``energy_low`` and ``energy_high``), else the nearest on a
        logarithmic scale.
    start, stop : time, optional
        Half-open interval in UTC; the whole of it by default.

    Returns
    -------
    xarray.DataArray
        Dim ``pitch_angle``, in the unit of the flux: the mean of the records that were measured, NaN where
        none was. The energy of the bin is a scalar coordinate.

    Raises
    ------
    WrongData
        If an axis is missing.
    OutsideCoverage
        If no bin or no record is there.
    BadTime
        If the interval cannot be read.
    BadOption, WrongUnits
        If the energy is no number above zero, or its unit is none of energy.

    Examples
    --------
    >>> axes = {"time": np.array(["2012-12-01"], "datetime64[ns]"),
    ...         "energy": ("energy", [10.0, 100.0], {"units": "eV"}),
    ...         "pitch_angle": ("pitch_angle", [45.0, 135.0], {"units": "deg"})}
    >>> flux = xr.DataArray(np.ones((1, 2, 2)), axes, list(axes), attrs={"units": "cm-2 s-1 sr-1 keV-1"})
    >>> pitch_angle_distribution(flux, energy=90).energy.item()
    100.0
    """
    _angles(flux)
    refuse_empty(flux)
    chosen = at_energy(flux, energy)
    mean_energy = float(chosen["energy"].mean())
    if "time" in chosen.dims:
        first, last = span(start, stop)
        times = chosen["time"].values
        inside = np.ones(times.size, bool) if first is None else times >= first
        inside = inside if last is None else inside & (times < last)
        if not inside.any():
            raise OutsideCoverage(
                f"no record in [{start or '…'}, {stop or '…'}); "
                f"the flux covers {times[0]!s:.19} to {times[-1]!s:.19} (UTC)"
            )
        chosen = chosen.isel(time=inside).mean("time", skipna=True)
    unit = with_energies(flux)["energy"].attrs.get("units", "")
    what = f"mean over time at {mean_energy:.4g} {unit}".rstrip()
    return _made(chosen, flux, "distribution", str(flux.attrs["units"]), what)


def at_energy(flux: xr.DataArray, energy: Energy) -> xr.DataArray:
    """Return the flux in the bin that holds an energy, else in the nearest on a logarithmic scale.

    Raises
    ------
    WrongData
        If the flux has no axis of energy.
    OutsideCoverage
        If the energy lies more than one bin beyond the ends, or there is no record.
    BadOption, WrongUnits
        If it is no number above zero, or has a unit that is none of energy.

    Examples
    --------
    >>> flux = xr.DataArray([1.0, 2.0], {"energy": ("energy", [10.0, 100.0], {"units": "eV"})}, ["energy"])
    >>> at_energy(flux, 20.0).item()
    1.0
    """
    refuse_empty(flux)
    flux = with_energies(flux)
    if "energy" not in flux.dims or "energy" not in flux.coords:
        raise WrongData(
            f"{flux.name or 'the flux'} has no axis of energy; its dims are {', '.join(map(str, flux.dims))}"
        )
    bins, unit = flux["energy"], flux["energy"].attrs.get("units", "")
    wanted = _number_of(energy, str(unit))
    away = abs(xr.ufuncs.log(bins / wanted))
    widest = float(abs(xr.ufuncs.log(bins).diff("energy")).max()) if bins.sizes["energy"] > 1 else np.inf
    if float(away.min("energy").max()) > widest:
        low, high = float(bins.min()), float(bins.max())
        raise OutsideCoverage(f"energy={wanted:g} {unit} is outside the bins, {low:g} to {high:g} {unit}")
    if "energy_low" in flux.coords and "energy_high" in flux.coords:
        holding = (flux["energy_low"] <= wanted) & (wanted < flux["energy_high"])
        away = away.where(holding | ~holding.any("energy"))  # where passbands overlap, the nearer of those that do
    # bins that change with time (2-D) give another index at each time
    return flux.isel(energy=away.fillna(np.inf).argmin("energy").reset_coords(drop=True))


def _number_of(energy: Energy, unit: str) -> float:
    """Return an energy as a number in the unit of the axis."""
    wanted: Any = energy
    said = (
        re.fullmatch(r"\s*(\d+\.?\d*(?:[eE][-+]?\d+)?)\s*([A-Za-z]\w*)\s*", energy) if isinstance(energy, str) else None
    )
    if said is not None:
        wanted = xr.DataArray(float(said[1]), name="energy", attrs={"units": said[2]})
    elif hasattr(wanted, "unit") and hasattr(wanted, "value") and not np.shape(wanted):  # an astropy Quantity
        wanted = xr.DataArray(wanted.value, name="energy", attrs={"units": str(wanted.unit)})
    if isinstance(wanted, xr.DataArray) and wanted.ndim == 0:
        if not unit:
            raise BadOption(f"energy={energy!r} has a unit but the flux's energies have none; give a number")
        wanted = in_units(wanted, unit).item()
    if not is_number(wanted) or not 0 < wanted < np.inf:
        raise BadOption(f"energy={energy!r} is not a number above zero, in the unit of the flux's energy, or '5 keV'")
    return float(wanted)


def with_energies(data: Data) -> Data:
    """Return an array or dataset with the coordinate ``energy`` also where energies change in time.

    Readers keep those as ``energy_table`` (time, energy), because in netCDF a coordinate that has a dim's
    name stands on that dim alone.

    Examples
    --------
    >>> sweep = xr.DataArray([[1.0]], {"energy_table": (("time", "energy"), [[25.0]])}, ["time", "energy"])
    >>> with_energies(sweep).energy.item()
    25.0
    """
    if "energy" in data.coords or "energy" not in data.dims or "energy_table" not in data.coords:
        return data
    table = data.coords["energy_table"].variable
    return data.drop_vars("energy_table").assign_coords(energy=table)


def at_time(flux: xr.DataArray, time: Instant) -> xr.DataArray:
    """Return the record of a flux nearest to a time.

    Raises
    ------
    WrongData
        If the flux has no axis of time.
    BadTime
        If the time cannot be read.
    OutsideCoverage
        If it is before the first record or after the last, or there is none.

    Examples
    --------
    >>> times = np.array(["2012-12-01T00", "2012-12-01T01"], "datetime64[ns]")
    >>> at_time(xr.DataArray([1.0, 2.0], coords={"time": times}), "2012-12-01T00:40").item()
    2.0
    """
    if "time" not in flux.indexes:
        raise WrongData(f"{flux.name or 'the flux'} has no axis of time; its dims are {', '.join(map(str, flux.dims))}")
    refuse_empty(flux)
    instant, times = utc(time), flux["time"].values
    if not times[0] <= instant <= times[-1]:
        raise OutsideCoverage(f"time={time} is outside {times[0]!s:.19} to {times[-1]!s:.19} (UTC)")
    return flux.isel(time=int(np.abs(times - instant).argmin()))


def _angles(flux: xr.DataArray) -> np.ndarray:
    """Return the pitch angles in degrees."""
    unit_of(named(flux, "flux"))
    if DIM not in flux.dims or DIM not in flux.coords:
        dims = ", ".join(map(str, flux.dims))
        raise WrongData(f"{flux.name or 'flux'} has no pitch angle with coordinates; its dims are {dims}")
    angles = np.asarray(in_units(flux[DIM], "deg").values, float)
    if not (np.all(np.diff(angles) > 0) and angles[0] >= 0 and angles[-1] <= 180):
        raise WrongData(f"pitch_angle does not increase inside 0 to 180°: {angles.tolist()}")
    return angles


def bin_edges(centres: np.ndarray) -> np.ndarray:
    """Return the edges, in degrees, of bins around these pitch angles from 0 to 180.

    Examples
    --------
    >>> bin_edges(np.array([4.5, 18.0, 90.0, 162.0, 175.5])).tolist()
    [0.0, 9.0, 27.0, 153.0, 171.0, 180.0]
    """
    tiles = [0.0]
    for centre in centres:
        tiles.append(2 * centre - tiles[-1])
    edges = np.array(tiles)
    if np.all(np.diff(edges) > 0) and abs(edges[-1] - 180) < 0.1:
        return np.append(edges[:-1], 180.0)
    return np.concatenate([[0.0], (centres[1:] + centres[:-1]) / 2, [180.0]])


def _moment(flux: xr.DataArray, coverage: float, primitive: Callable[[np.ndarray], np.ndarray]) -> xr.DataArray:
    """Return a moment of the flux over that of an isotropic unit flux in the bins that were measured.

    ``primitive`` is the integral of the moment's weight over the cosine of the pitch angle.
    """
    if not is_number(coverage) or not 0 < coverage <= 1:
        raise BadOption(f"coverage={coverage!r} is not above 0 and up to 1 (fraction of the sphere)")
    cosines = np.cos(np.radians(bin_edges(_angles(flux))))
    solid_angle = xr.DataArray(-np.diff(cosines) / 2, dims=DIM)
    weight = xr.DataArray(-np.diff(primitive(cosines)), dims=DIM)
    bare = flux.drop_vars(DIM)
    seen = bare.notnull()
    total = (bare.fillna(0.0) * weight).sum(DIM) / (seen * weight).sum(DIM)
    return total.where((seen * solid_angle).sum(DIM) > float(coverage) - 1e-9)


def _made(values: xr.DataArray, flux: xr.DataArray, suffix: str, units: str, what: str) -> xr.DataArray:
    name = f"{flux.name or 'flux'}_{suffix}"
    label = f"{flux.attrs.get('long_name', flux.name or 'Flux')}, {what}"
    return labelled(values, name, units=units, long_name=label, attrs=synthetic_attrs(flux))

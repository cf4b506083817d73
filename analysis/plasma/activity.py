"""Geomagnetic activity: quiet and active times by an index, three-hourly indices as series."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units, unit_of
from analysis.plasma.inputs import is_number, named, refuse_vectors
from analysis.plasma.quality import quality_of
from analysis.plasma.series_inputs import HOUR, hours_of, in_nanoseconds
from analysis.plasma.vectors import made


def quiet_times(
    index: xr.DataArray, *, at_most: float | None = None, at_least: float | None = None, window: float = 24.0
) -> xr.DataArray:
    """Return when an index has been quiet: at the level now and for the hours before.

    Parameters
    ----------
    index : xarray.DataArray
        Kp, ap, AE, Dst … along ``time``.
    at_most, at_least : float, optional
        The level, in the index's own unit: ``at_most=2`` for Kp, ``at_least=-20`` for Dst. One of them.
    window : float, optional
        Hours before a sample in which the index must have been quiet too.

    Returns
    -------
    xarray.DataArray
        Booleans along ``time``. False where a sample of the window is missing, before the series has filled one, and
        after a step of more than 1.5 times the usual one until a window has passed.

    Raises
    ------
    BadOption
        If not exactly one level is given, or level or window are no numbers.
    WrongData, OutsideCoverage, MissingUnits
        If it is no series along increasing times, or empty, or has no units.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(3, "h")
    >>> kp = xr.DataArray([5.0, 1, 1, 2, 1, 4], {"time": time}, ["time"], name="kp", attrs={"units": "1"})
    >>> quiet_times(kp, at_most=2, window=6).values
    array([False, False, False,  True,  True, False])
    """
    calm, hours, text = _on_this_side(index, at_most, at_least, window, "quiet_times")
    begins = calm & ~np.concatenate([[False], calm[1:] & calm[:-1] & ~broken(hours)])
    since = hours[np.maximum.accumulate(np.where(begins, np.arange(calm.size), 0))]
    quiet = calm & (hours - since >= window - 1e-9)
    label = f"{text} for {window:g} h"
    return made(_like(index, quiet), "quiet", named(index, "index"), units="1", long_name=label)


def active_times(
    index: xr.DataArray, *, at_least: float | None = None, at_most: float | None = None, window: float = 0.0
) -> xr.DataArray:
    """Return when an index is active: at the level now or within the hours before.

    Parameters
    ----------
    index : xarray.DataArray
        Kp, ap, AE, Dst … along ``time``.
    at_least, at_most : float, optional
        The level, in the index's own unit: ``at_least=5`` for Kp, ``at_most=-50`` for Dst. One of them.
    window : float, optional
        Hours after a sample at the level that count as active too.

    Returns
    -------
    xarray.DataArray
        Booleans along ``time``; false where the index is missing, unless it was active within the window.

    Raises
    ------
    BadOption, WrongData, OutsideCoverage, MissingUnits
        As for :func:`quiet_times`.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(3, "h")
    >>> kp = xr.DataArray([1.0, 6, 1, 2, 1], {"time": time}, ["time"], name="kp", attrs={"units": "1"})
    >>> active_times(kp, at_least=5, window=3).values
    array([False,  True,  True, False, False])
    """
    there, hours, text = _on_this_side(index, at_most, at_least, window, "active_times")
    last = np.maximum.accumulate(np.where(there, hours, -np.inf))
    label = f"{text} within {window:g} h" if window else text
    return made(
        _like(index, hours - last <= window + 1e-9), "active", named(index, "index"), units="1", long_name=label
    )


def three_hourly(index: xr.DataArray) -> xr.DataArray:
    """Return Kp or ap that came by day and interval as one series of three-hour values.

    Parameters
    ----------
    index : xarray.DataArray
        Dims ``time`` (days) and ``interval`` (hours of the day, coordinate in ``h``), as ``space_weather_daily`` has
        them.

    Returns
    -------
    xarray.DataArray
        Along ``time``, the start of each interval; the day's flag stands beside each of its values. Rows that are
        no days but months, as predictions are, hold no three-hour values and give NaN.

    Raises
    ------
    WrongData
        If it has other dims or no such coordinates.

    Examples
    --------
    >>> from analysis import plasma
    >>> kp = three_hourly(plasma.fetch("space_weather_daily", "2024-05-10", "2024-05-12").kp)
    >>> kp.sizes["time"], kp.max().item(), kp.time.values[1]
    (16, 9.0, np.datetime64('2024-05-10T03:00:00.000000000'))
    """
    array = named(index, "index")
    if not isinstance(array, xr.DataArray) or set(array.dims) != {"time", "interval"} or "interval" not in array.coords:
        dims = array.dims if isinstance(array, xr.DataArray) else f"a {type(array).__name__}"
        raise WrongData(f"three_hourly takes an index by day and interval (dims time, interval), not {dims}")
    hours = in_units(array["interval"], "h").values
    table = array.transpose("time", "interval")
    hours_of(table.isel(interval=0, drop=True), "three_hourly")
    stamps = table["time"].values.astype("datetime64[ns]")[:, None] + (hours * HOUR)[None, :]
    flag = quality_of(table)
    time = ("time", stamps.ravel(), {"long_name": "Start of the three-hour interval (UTC)"})
    attrs = {key: value for key, value in table.attrs.items() if key != "units"}
    series = xr.DataArray(table.values.ravel(), {"time": time}, ["time"], name=table.name)
    hours_of(series, "three_hourly")
    series = series.assign_attrs(units=table.attrs.get("units", "1"), **attrs)
    if flag is None:
        return series
    spread = np.broadcast_to(flag.values if flag.ndim == 2 else flag.values[:, None], table.shape).ravel()
    return series.assign_coords({f"{table.name}_quality": ("time", spread, flag.attrs)})


def _on_this_side(
    index: xr.DataArray, at_most: float | None, at_least: float | None, window: float, function: str
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return where the index is at the level, the hours, and the condition in words."""
    level = at_most if at_least is None else at_least
    if (at_most is None) == (at_least is None) or not is_number(level) or not np.isfinite(level):
        raise BadOption(f"{function} takes one level, at_most= or at_least=, a number in the index's own unit")
    if not is_number(window) or not 0 <= window < np.inf:
        raise BadOption(f"window={window!r} is no number of hours, zero or more")
    array = named(index, "index")
    refuse_vectors(index=array)
    unit_of(array)
    hours = hours_of(array, function)
    values = array.values
    where = values <= level if at_least is None else values >= level
    return where, hours, f"{array.name} {'≤' if at_least is None else '≥'} {level:g}"


def _like(index: xr.DataArray, values: np.ndarray) -> xr.DataArray:
    return in_nanoseconds(named(index, "index")).copy(data=values)


def broken(hours: np.ndarray) -> np.ndarray:
    """Return after which samples a gap follows: a step of more than 1.5 times the usual one.

    Examples
    --------
    >>> broken(np.array([0.0, 1.0, 2.0, 5.0]))
    array([False, False,  True])
    """
    step = np.diff(hours)
    return step > 1.5 * np.median(step) if step.size else np.zeros(0, dtype=bool)

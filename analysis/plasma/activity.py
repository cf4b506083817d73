"""Geomagnetic activity: storms and substorms in an index, quiet and active times, three-hourly indices as series."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units
from analysis.plasma.dst_models import HOUR, hours_of, in_nanoseconds, series_of
from analysis.plasma.inputs import is_number, named, refuse_vectors
from analysis.plasma.quality import quality_of
from analysis.plasma.vectors import made

GONZALEZ_1994 = "Gonzalez et al., J. Geophys. Res. 99, 5771 (1994), doi:10.1029/93JA02867"
NEWELL_2011 = "Newell & Gjerloev, J. Geophys. Res. 116, A12211 (2011), doi:10.1029/2011JA016779"


def storms(
    dst: xr.DataArray | xr.Dataset, *, variable: str | None = None, threshold: float = -50.0, quiet: float = -30.0
) -> xr.Dataset:
    """Return the storms in Dst or an index like it, with their times and depths.

    A storm is a stretch below ``quiet`` in which the index reaches ``threshold``: two dips belong to one storm unless
    the index recovers to ``quiet`` in between. Classes are those of Gonzalez et al.: intense at -100 nT or
    less, moderate at -50, weak above. That paper does not say how to part storms; ``quiet`` is a choice.

    Parameters
    ----------
    dst : xarray.DataArray or xarray.Dataset
        Dst, SYM-H, RC … along ``time``; any unit of magnetic field. Of a Dataset, whose source the result then
        names, ``variable`` says which.
    variable : str, optional
        The index in a Dataset.
    threshold : float, optional
        nT that a storm must reach: -50 takes moderate ones, -100 intense ones.
    quiet : float, optional
        nT at which it begins and ends, above the threshold.

    Returns
    -------
    xarray.Dataset
        Dim ``storm``: ``onset`` and ``end`` (first and last sample below ``quiet``), ``minimum`` (nT) at
        ``time_of_minimum``, ``main_phase`` and ``recovery_phase`` (h, onset to minimum and minimum to end),
        ``category``, and ``complete``: false where data are missing just before the onset or just after the end, or
        the series ends there, so that times or depth may be wrong. Samples that are missing (NaN) or a step
        of more than 1.5 times the usual one end a storm. No storm gives a dataset of size zero.

    Raises
    ------
    BadOption, UnknownVariable
        If the levels are no numbers, ``quiet`` is not above the threshold, or the variable is not said or not there.
    WrongData, OutsideCoverage
        If it is no series along increasing times, or empty.
    WrongUnits, MissingUnits
        If it is no magnetic field.

    References
    ----------
    Gonzalez et al., J. Geophys. Res. 99, 5771 (1994), doi:10.1029/93JA02867.

    Examples
    --------
    >>> from analysis import plasma
    >>> found = storms(plasma.fetch("qin_denton_hourly", "2001-03-25", "2001-04-08").dst, threshold=-100)
    >>> found.minimum.item(), found.time_of_minimum.values[0], found.category.item()
    (-387.0, np.datetime64('2001-03-31T08:00:00.000000000'), 'intense')
    """
    if not (is_number(threshold) and is_number(quiet) and threshold < quiet):
        raise BadOption(f"threshold={threshold!r} and quiet={quiet!r} must be numbers of nT, quiet above the threshold")
    series, origin = series_of(dst, variable, "storms")
    index = in_nanoseconds(in_units(named(series, "dst"), "nT"))
    hours = hours_of(index, "storms")
    values = index.values.astype(np.float64)
    broken = _broken(hours)
    first, last = _stretches(values < quiet, broken)
    reached = np.array([], dtype=bool)
    if first.size:
        bounds = np.column_stack([first, last + 1]).ravel()
        lowest = np.minimum.reduceat(np.append(values, np.inf), bounds)[::2]
        reached = lowest <= threshold
    first, last = first[reached], last[reached]
    at = np.array([a + int(values[a : b + 1].argmin()) for a, b in zip(first, last, strict=True)], dtype=np.int64)
    times, missing = index["time"].values, np.isnan(values)
    before, after = np.maximum(first - 1, 0), np.minimum(last + 1, values.size - 1)
    cut = (first == 0) | (last == values.size - 1) | missing[before] | missing[after]
    cut |= np.append(broken, True)[np.maximum(first, 1) - 1] | np.append(broken, True)[last]
    depth = values[at]
    category = np.select([depth <= -100, depth <= -50], ["intense", "moderate"], "weak")
    says = {
        "onset": (times[first], {"long_name": f"First time below {quiet:g} nT (UTC)"}),
        "time_of_minimum": (times[at], {"long_name": "Time of the minimum (UTC)"}),
        "end": (times[last], {"long_name": f"Last time below {quiet:g} nT (UTC)"}),
        "minimum": (depth, {"long_name": f"Minimum of {index.attrs.get('long_name', index.name)}", "units": "nT"}),
        "main_phase": (hours[at] - hours[first], {"long_name": "Main phase, onset to minimum", "units": "h"}),
        "recovery_phase": (hours[last] - hours[at], {"long_name": "Recovery, minimum to end", "units": "h"}),
        "category": (category.astype(str), {"long_name": "Class by Gonzalez et al. 1994"}),
        "complete": (~cut, {"long_name": "No data missing around the storm", "units": "1"}),
    }
    result = xr.Dataset({name: ("storm", value, attrs) for name, (value, attrs) in says.items()})
    return derived(
        result,
        origin,
        title=f"Storms with {index.name} at {threshold:g} nT or less",
        step=f"plasma.storms(threshold={threshold:g}, quiet={quiet:g})",
        references=[GONZALEZ_1994],
    )


def substorm_onsets(sml: xr.DataArray) -> xr.Dataset:
    r"""Return substorm onsets in SML (or AL) by the criterion of Newell and Gjerloev.

    A minute :math:`t_0` qualifies if SML falls by more than 15, 30 and 45 nT one, two and three minutes later, and
    its mean from the 4th to the 30th minute lies more than 100 nT below :math:`SML(t_0)`. The first minute that
    qualifies is an onset, and no other follows within 20 minutes.

    Parameters
    ----------
    sml : xarray.DataArray
        SML of SuperMAG, or AL, in steps of one minute along ``time``; any unit of magnetic field.

    Returns
    -------
    xarray.Dataset
        Dim ``onset``: ``time_of_onset``, ``level`` (SML then, nT) and ``fall`` (how far the mean of minutes 4 to 30
        lies below, nT). Where any of the 30 minutes is missing there is no onset. No onset gives size zero.

    Notes
    -----
    The mean here is over the 27 values from :math:`t_0 + 4` to :math:`t_0 + 30`; where the criterion is printed, their
    sum is divided by 26. AL comes from a dozen stations, SML from a hundred, so onsets in AL are fewer and later.
    The pause of 20 minutes keeps one onset from being counted several times.

    Raises
    ------
    WrongData, OutsideCoverage
        If it is no series along increasing times in steps of a minute, or empty.
    WrongUnits, MissingUnits
        If it is no magnetic field.

    References
    ----------
    Newell & Gjerloev, J. Geophys. Res. 116, A12211 (2011), doi:10.1029/2011JA016779.

    Examples
    --------
    >>> time = np.datetime64("2015-03-17", "ns") + np.arange(90) * np.timedelta64(60, "s")
    >>> bay = np.where(np.arange(90) > 20, -20.0 - 25 * np.minimum(np.arange(90) - 20, 15), -20.0)
    >>> sml = xr.DataArray(bay, {"time": time}, ["time"], name="sml", attrs={"units": "nT", "synthetic": "true"})
    >>> substorm_onsets(sml).time_of_onset.values
    array(['2015-03-17T00:20:00.000000000'], dtype='datetime64[ns]')
    """
    index = in_nanoseconds(in_units(named(sml, "sml"), "nT"))
    hours = hours_of(index, "substorm_onsets")
    step = np.diff(hours) * 60
    if step.size and abs(float(np.median(step)) - 1) > 1e-3:
        raise WrongData(
            f"{index.name} comes in steps of {float(np.median(step)):g} min; the criterion is for one-minute values"
        )
    values = index.values.astype(np.float64)
    n = values.size - 30
    at, fall = np.array([], dtype=np.int64), np.array([])
    if n > 0:
        windows = np.lib.stride_tricks.sliding_window_view(values, 31)
        start = windows[:, 0]
        whole = np.abs((hours[30:] - hours[:-30]) * 60 - 30) < 0.5
        drop = start - windows[:, 4:].mean(axis=1)
        met = whole & (drop > 100)
        for minutes, limit in ((1, 15), (2, 30), (3, 45)):
            met &= start - windows[:, minutes] > limit
        at = _apart(np.flatnonzero(met), hours * 60, 20.0)
        fall = drop[at]
    says = {
        "time_of_onset": (index["time"].values[at], {"long_name": "Substorm onset (UTC)"}),
        "level": (values[at], {"long_name": f"{index.name} at onset", "units": "nT"}),
        "fall": (fall, {"long_name": "Fall of the mean of minutes 4 to 30", "units": "nT"}),
    }
    return derived(
        xr.Dataset({name: ("onset", value, attrs) for name, (value, attrs) in says.items()}),
        sml,
        title=f"Substorm onsets in {index.name}",
        step="plasma.substorm_onsets()",
        references=[NEWELL_2011],
    )


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
    begins = calm & ~np.concatenate([[False], calm[1:] & calm[:-1] & ~_broken(hours)])
    since = hours[np.maximum.accumulate(np.where(begins, np.arange(calm.size), 0))]
    quiet = calm & (hours - since >= window)
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
    return made(_like(index, hours - last <= window), "active", named(index, "index"), units="1", long_name=label)


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
    hours = hours_of(in_units(array, str(array.attrs.get("units", "1"))), function)
    values = array.values
    where = values <= level if at_least is None else values >= level
    return where, hours, f"{array.name} {'≤' if at_least is None else '≥'} {level:g}"


def _like(index: xr.DataArray, values: np.ndarray) -> xr.DataArray:
    return in_nanoseconds(named(index, "index")).copy(data=values)


def _broken(hours: np.ndarray) -> np.ndarray:
    """Return after which samples a gap follows: a step of more than 1.5 times the usual one."""
    step = np.diff(hours)
    return step > 1.5 * np.median(step) if step.size else np.zeros(0, dtype=bool)


def _stretches(inside: np.ndarray, broken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last sample of each stretch that lies inside and is not broken by a gap."""
    joined = inside[1:] & inside[:-1] & ~broken
    begins = inside & ~np.concatenate([[False], joined])
    ends = inside & ~np.concatenate([joined, [False]])
    return np.flatnonzero(begins), np.flatnonzero(ends)


def _apart(found: np.ndarray, minutes: np.ndarray, pause: float) -> np.ndarray:
    """Return the candidates that are left when each one kept silences those that follow within the pause."""
    kept, free = [], -np.inf
    for candidate in found.tolist():
        if minutes[candidate] >= free:
            kept.append(candidate)
            free = minutes[candidate] + pause
    return np.array(kept, dtype=np.int64)

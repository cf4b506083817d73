"""Storms and substorms found in indices."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units
from analysis.plasma.activity import broken
from analysis.plasma.inputs import is_number, named
from analysis.plasma.series_inputs import hours_of, in_nanoseconds, series_of

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
    gaps = broken(hours)
    first, last = _stretches(values < quiet, gaps)
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
    cut |= np.append(gaps, True)[np.maximum(first, 1) - 1] | np.append(gaps, True)[last]
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


def _stretches(inside: np.ndarray, gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last sample of each stretch that lies inside and is not broken by a gap."""
    joined = inside[1:] & inside[:-1] & ~gaps
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

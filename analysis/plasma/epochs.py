"""Superposed epochs: what a quantity does on average around the times of many events."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import derived, labelled, unit_of
from analysis.plasma.earth import times_of
from analysis.plasma.inputs import is_number, named, synthetic_attrs
from analysis.plasma.series_inputs import HOUR, hours_of, series_of

MOST_BINS = 100_000


def epoch_windows(
    series: xr.DataArray, epochs: object, *, before: float, after: float, step: float | None = None
) -> xr.DataArray:
    """Return a series cut around epochs, one row an epoch, on one axis of epoch time.

    Each value is the mean of the samples inside a bin of the width ``step``, from half a step before its epoch time up
    to half a step after it: with the series' own step it is the one sample there.

    Parameters
    ----------
    series : xarray.DataArray
        Along ``time``, with units; NaN where missing.
    epochs : xarray.DataArray, numpy.ndarray or sequence
        Times in UTC; in any order, each once.
    before, after : float
        Hours before and after an epoch, in whole steps.
    step : float, optional
        Hours from one bin to the next; by default the usual step of the series.

    Returns
    -------
    xarray.DataArray
        Dims ``epoch`` (times, increasing) and ``epoch_time`` (h). NaN where no sample lies in a bin, in gaps and beyond
        the ends of the series.

    Raises
    ------
    WrongData, BadTime, OutsideCoverage
        If the series or the epochs are no times, the series is empty, an epoch stands twice, or there is none.
    BadOption
        If ``before``, ``after`` or ``step`` are no numbers of hours, or make no window or too many bins.
    MissingUnits, UnknownUnits
        If the series has no units.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(48) * np.timedelta64(1, "h")
    >>> ap = xr.DataArray(np.arange(48.0), {"time": time}, ["time"], name="ap", attrs={"units": "1"})
    >>> epoch_windows(ap, ["2020-01-01T05:00", "2020-01-02T23:00"], before=1, after=1).values
    array([[ 4.,  5.,  6.],
           [46., 47., nan]])
    """
    array = named(series, "series")
    unit_of(array)
    hours = hours_of(array, "epoch_windows")
    times = np.sort(np.atleast_1d(times_of(epochs, "epochs").values))
    if not times.size:
        raise WrongData("there is no epoch; give at least one time")
    if (times[1:] == times[:-1]).any():
        twice = times[1:][times[1:] == times[:-1]]
        raise WrongData(f"the epoch {twice[0]} is given twice and would count twice; give each once: np.unique(epochs)")
    width = _width(hours, step)
    lags = _lags(before, after, width)
    at = (times - array["time"].values.astype("datetime64[ns]")[0]) / HOUR
    edges = at[:, None] + (np.append(lags, lags[-1] + width) - width / 2)[None, :]
    bounds = np.searchsorted(np.round(hours, 9), np.round(edges, 9), side="left")
    values = array.values.astype(np.float64)
    total, number = _sums(np.nan_to_num(values), bounds), _sums(np.isfinite(values).astype(np.float64), bounds)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.where(number > 0, total / number, np.nan)
    coords = {
        "epoch": ("epoch", times, {"long_name": "Epoch (UTC)"}),
        "epoch_time": ("epoch_time", lags, {"units": "h", "long_name": "Epoch time"}),
    }
    label = str(array.attrs.get("long_name", array.name))
    attrs = synthetic_attrs(array)
    made = xr.DataArray(table, coords, ["epoch", "epoch_time"])
    return labelled(made, str(array.name), units=str(array.attrs["units"]), long_name=label, attrs=attrs)


def superposed_epoch(
    series: xr.DataArray | xr.Dataset,
    epochs: object,
    *,
    variable: str | None = None,
    before: float,
    after: float,
    step: float | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    least_coverage: float = 0.5,
    seed: int = 0,
) -> xr.Dataset:
    """Return what a series does around epochs: median, mean, quartiles and count by epoch time, with bands.

    The bands are percentiles of the mean and the median of epochs drawn with replacement: they hold if the epochs are
    independent, which those closer together than the window are not, and at each epoch time for itself, not for all
    together. Below about ten epochs they are too narrow.

    Parameters
    ----------
    series, epochs, before, after, step
        As for :func:`epoch_windows`; ``series`` may be a Dataset, whose source the result then names.
    variable : str, optional
        The series in a Dataset.
    confidence : float, optional
        Of the bands, between 0 and 1.
    resamples : int, optional
        How many times the epochs are drawn, 0 for no bands.
    least_coverage : float, optional
        An epoch is left out if fewer than this part of its bins hold a value: near the ends of the series and in
        gaps. ``used`` says which were taken.
    seed : int, optional
        Of the drawing; the same seed gives the same bands.

    Returns
    -------
    xarray.Dataset
        By ``epoch_time`` (h): ``median``, ``mean``, ``lower_quartile``, ``upper_quartile``, ``count`` (epochs with a
        value there; NaN are left out), ``mean_low``, ``mean_high``, ``median_low``, ``median_high``. By ``epoch``:
        ``coverage`` and ``used``. Predicted or interpolated values count like measured ones: take them out first with
        :func:`measured`.

    Raises
    ------
    OutsideCoverage
        If no epoch has enough values.
    BadOption, UnknownVariable, WrongData, BadTime, MissingUnits
        As for :func:`epoch_windows`; also if an option is out of its range, or the variable not said or not there.

    References
    ----------
    Chree, Phil. Trans. R. Soc. A 212, 75 (1913), doi:10.1098/rsta.1913.0003.
    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(480) * np.timedelta64(1, "h")
    >>> pulse = np.where(np.arange(480) % 48 == 24, 7.0, 1.0)
    >>> ap = xr.DataArray(pulse, {"time": time}, ["time"], name="ap", attrs={"units": "1", "synthetic": "true"})
    >>> around = superposed_epoch(ap, time[24::48], before=2, after=2)
    >>> around["median"].values, around.attrs["epochs_used"]
    (array([1., 1., 7., 1., 1.]), 10)
    """
    _refuse_options(confidence, resamples, least_coverage, seed)
    array, origin = series_of(series, variable, "superposed_epoch")
    windows = epoch_windows(array, epochs, before=before, after=after, step=step)
    table = windows.values
    coverage = np.isfinite(table).mean(axis=1)
    used = (coverage >= least_coverage) & (coverage > 0)
    if not used.any():
        raise OutsideCoverage(
            f"none of the {used.size} epochs has values in {least_coverage:.0%} of its bins; the best has "
            f"{coverage.max():.0%}. The series covers {np.datetime_as_string(array.time.values[0], 'm')} to "
            f"{np.datetime_as_string(array.time.values[-1], 'm')}"
        )
    table = table[used]
    level = (1 - confidence) / 2
    found = _summary(table)
    if resamples:
        found |= _bands(table, resamples, (level, 1 - level), seed)
    units, name = str(windows.attrs["units"]), windows.attrs["long_name"]
    band = f"{confidence:.0%} band of the"
    labels = {
        "median": "Median of",
        "mean": "Mean of",
        "lower_quartile": "Lower quartile of",
        "upper_quartile": "Upper quartile of",
        "mean_low": f"Lower end of the {band} mean of",
        "mean_high": f"Upper end of the {band} mean of",
        "median_low": f"Lower end of the {band} median of",
        "median_high": f"Upper end of the {band} median of",
    }
    data = {
        key: ("epoch_time", value, {"units": units, "long_name": f"{labels[key]} {name}"})
        for key, value in found.items()
        if key in labels
    }
    data["count"] = ("epoch_time", found["count"], {"units": "1", "long_name": "Epochs with a value"})
    data["coverage"] = ("epoch", coverage, {"units": "1", "long_name": "Part of the bins with a value"})
    data["used"] = ("epoch", used, {"units": "1", "long_name": "Whether the epoch was used"})
    coords = {key: windows[key] for key in ("epoch_time", "epoch")}
    facts = {"epochs_given": int(used.size), "epochs_used": int(used.sum()), "confidence": confidence}
    return derived(
        xr.Dataset(data, coords, facts),
        origin,
        title=f"Superposed epochs of {windows.name}",
        also=[array],
        step=f"plasma.superposed_epoch(before={before:g}, after={after:g}, step={step!r}, confidence={confidence:g}, "
        f"resamples={resamples}, least_coverage={least_coverage:g}, seed={seed}): {used.sum()} of {used.size} epochs",
    )


def _summary(table: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics by bin, NaN left out; NaN where no epoch has a value."""
    number = np.isfinite(table).sum(axis=0)
    known = np.where(number > 0, table, 0.0)  # a bin without any value: no warning, then NaN
    lower, median, upper = np.nanpercentile(known, [25, 50, 75], axis=0)
    found = {"median": median, "mean": np.nanmean(known, axis=0), "lower_quartile": lower, "upper_quartile": upper}
    return {key: np.where(number > 0, value, np.nan) for key, value in found.items()} | {"count": number}


def _bands(table: np.ndarray, resamples: int, levels: tuple[float, float], seed: int) -> dict[str, np.ndarray]:
    """Return the percentiles of mean and median over epochs drawn with replacement, the same draws for every bin."""
    epochs = table.shape[0]
    draws = np.random.default_rng(seed).multinomial(epochs, np.full(epochs, 1 / epochs), size=resamples)
    weights = draws.astype(np.float64)
    known = np.isfinite(table)
    number = weights @ known
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(number > 0, weights @ np.where(known, table, 0.0) / number, np.nan)
    medians = np.stack([_medians(column, draws) for column in table.T], axis=1)
    made: dict[str, np.ndarray] = {}
    for name, values in (("mean", means), ("median", medians)):
        hollow = np.isnan(values).all(axis=0)
        low, high = np.nanquantile(np.where(hollow, 0.0, values), levels, axis=0)
        made |= {f"{name}_low": np.where(hollow, np.nan, low), f"{name}_high": np.where(hollow, np.nan, high)}
    return made


def _medians(column: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the median of one bin for each drawing: of sorted values that stand there several times or never."""
    known = np.flatnonzero(np.isfinite(column))
    order = known[np.argsort(column[known], kind="stable")]
    if not order.size:
        return np.full(draws.shape[0], np.nan)
    values, reached = column[order], np.cumsum(draws[:, order], axis=1)
    number = reached[:, -1:]
    lower = np.argmax(2 * reached >= number, axis=1)
    upper = np.argmax(2 * reached > number, axis=1)
    return np.where(number[:, 0] > 0, (values[lower] + values[upper]) / 2, np.nan)


def _sums(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return the sums between neighbouring bounds of each row, zero where they enclose nothing."""
    rows = np.stack([bounds[:, :-1], bounds[:, 1:]], axis=-1)
    sums = np.add.reduceat(np.append(values, 0.0), rows.ravel())[::2].reshape(rows.shape[:2])
    return np.where(rows[..., 0] < rows[..., 1], sums, 0.0)


def _width(hours: np.ndarray, step: float | None) -> float:
    if step is None:
        if hours.size < 2:
            raise BadOption("one sample has no step; give step= in hours")
        return float(np.median(np.diff(hours)))
    if not is_number(step) or not 0 < step < np.inf:
        raise BadOption(f"step={step!r} is no number of hours above zero")
    return float(step)


def _lags(before: float, after: float, width: float) -> np.ndarray:
    for name, value in (("before", before), ("after", after)):
        if not is_number(value) or not 0 <= value < np.inf:
            raise BadOption(f"{name}={value!r} is no number of hours, zero or more")
    first, last = (int(np.floor(value / width + 1e-9)) for value in (before, after))
    if first + last + 1 > MOST_BINS:
        raise BadOption(f"before={before:g} and after={after:g} h in steps of {width:g} h make {first + last + 1} bins")
    return np.arange(-first, last + 1) * width


def _refuse_options(confidence: float, resamples: int, least_coverage: float, seed: int) -> None:
    if not is_number(confidence) or not 0 < confidence < 1:
        raise BadOption(f"confidence={confidence!r} is not between 0 and 1")
    if not is_number(least_coverage) or not 0 <= least_coverage <= 1:
        raise BadOption(f"least_coverage={least_coverage!r} is no part, 0 to 1")
    for name, value in (("resamples", resamples), ("seed", seed)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise BadOption(f"{name}={value!r} is no whole number, zero or more")

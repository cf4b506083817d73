"""Lags between spacecraft: how much later one sees what another saw."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, unit_of
from analysis.plasma.formations import Span, nanoseconds, refuse_disorder
from analysis.plasma.inputs import named, refuse_vectors, synthetic_attrs
from analysis.plasma.vectors import made

VOGT_2011 = "Vogt, Haaland & Paschmann, Ann. Geophys. 29, 2239 (2011), doi:10.5194/angeo-29-2239-2011"


def time_lags(series: xr.DataArray, *, max_lag: Span, reference: object = None) -> xr.Dataset:
    r"""Return how much later each spacecraft sees what one of them sees, where their series correlate best.

    The correlation is Pearson's over the samples in common at each shift; a parabola through the best and its
    neighbours gives fractions of a sample.

    Parameters
    ----------
    series : xarray.DataArray
        A number at equal steps of time; dims ``spacecraft`` and ``time``, no NaN; any unit.
    max_lag : str, float, numpy.timedelta64 or scalar xarray.DataArray
        Longest shift to look at, to either side (``"5s"``, seconds, or with units), at most half of the series.
    reference : optional
        Name of the spacecraft whose lag is zero; the first by default.

    Returns
    -------
    xarray.Dataset
        Along ``spacecraft``: ``lag`` (s, positive if it sees it later), to be given to :func:`timing`, and
        ``correlation`` (1 is the same shape). NaN where the best shift is at the edge of what was looked at, or a
        series is constant.

    Raises
    ------
    WrongData
        If the axes are others, the steps are not equal, or a value is missing.
    BadOption
        If ``max_lag`` is no time above zero or too long, or the reference unknown.
    WrongUnits, MissingUnits
        If an input has no units.

    References
    ----------
    Vogt, Haaland & Paschmann, Ann. Geophys. 29, 2239 (2011), doi:10.5194/angeo-29-2239-2011.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(200) * np.timedelta64(100, "ms")
    >>> steps = np.arange(200) * 0.1
    >>> bz = xr.DataArray([np.tanh(steps - 10), np.tanh(steps - 11.3)], {"time": time}, ["spacecraft", "time"], "bz")
    >>> time_lags(bz.assign_attrs(units="nT"), max_lag=5.0).lag.round(2).values
    array([0. , 1.3])
    """
    values, step = _regular(series)
    longest = nanoseconds(max_lag, "max_lag") / 1e9
    width = int(longest / step + 1e-9)
    if not 1 <= width <= values.shape[1] // 2:
        whole = step * (values.shape[1] // 2)
        raise BadOption(f"max_lag={longest:g} s: it is from one step, {step:g} s, to half of the series, {whole:g} s")
    names = list(series.spacecraft.values) if "spacecraft" in series.coords else list(range(len(values)))
    if reference is not None and reference not in names:
        raise BadOption(f"reference {reference!r} is none of the spacecraft: {', '.join(map(str, names))}")
    base = values[0 if reference is None else names.index(reference)]
    found = np.array([_best_shift(one, base, width) for one in values])
    along = {"spacecraft": series.spacecraft} if "spacecraft" in series.coords else {}
    result = {}
    for name, column, units, label in (
        ("lag", found[:, 0] * step, "s", "Lag behind the reference"),
        ("correlation", found[:, 1], "1", "Correlation at that lag"),
    ):
        array = xr.DataArray(column, along, ["spacecraft"])
        result[name] = made(array, name, units=units, long_name=label, attrs=synthetic_attrs(series))
    return derived(
        xr.Dataset(result),
        series,
        title="Lags between spacecraft by cross-correlation",
        step=f"plasma.time_lags(max_lag={longest:g} s, reference={reference!r})",
        references=[VOGT_2011],
    )


def _regular(series: xr.DataArray) -> tuple[np.ndarray, float]:
    """Return series by spacecraft and time, and the step in seconds."""
    unit_of(named(series, "series"))
    refuse_vectors(series=series)
    if set(series.dims) != {"spacecraft", "time"} or "time" not in series.coords:
        raise WrongData(f"series has dims {dict(series.sizes)}; it needs spacecraft and time, with times")
    refuse_disorder(series, str(series.name or "series"))
    steps = np.diff(series.time.values.astype("datetime64[ns]").astype("int64"))
    if steps.size < 2 or np.ptp(steps) > 0.01 * steps.mean():
        raise WrongData("series needs three or more times at equal steps; plasma.aligned brings it to such a time line")
    values = series.transpose("spacecraft", "time").values.astype(float)
    if missing := np.count_nonzero(~np.isfinite(values)):
        raise WrongData(f"{series.name or 'series'} holds {missing} missing values; cut or fill them first")
    return values, float(steps.mean()) / 1e9


def _best_shift(later: np.ndarray, base: np.ndarray, width: int) -> tuple[float, float]:
    """Return by how many samples the first lags the second where they correlate best, and how well."""
    count = base.size
    size = 1 << int(2 * count - 1).bit_length()

    def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the sums of products over the samples in common, for shifts of -width to width."""
        whole = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
        return np.concatenate([whole[-width:], whole[: width + 1]])

    x, y = later - later.mean(), base - base.mean()
    rounding = 1e-9 * (x @ x) * (y @ y)  # what is left of the spread where one of the two does not change
    if np.abs(x).max() <= 1e-12 * np.abs(later).max() or np.abs(y).max() <= 1e-12 * np.abs(base).max():
        return np.nan, np.nan
    ones = np.ones(count)
    number = count - np.abs(np.arange(-width, width + 1))
    sum_x, sum_y = overlap(x, ones), overlap(ones, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (overlap(x**2, ones) - sum_x**2 / number) * (overlap(ones, y**2) - sum_y**2 / number)
        quality = np.where(spread > rounding, (overlap(x, y) - sum_x * sum_y / number) / np.sqrt(spread), np.nan)
    if np.isnan(quality).all():
        return np.nan, np.nan
    best = int(np.nanargmax(quality))
    if best in (0, 2 * width):
        return np.nan, np.nan
    left, top, right = quality[best - 1 : best + 2]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return best - width + shift, min(float(top - 0.25 * (left - right) * shift), 1.0)

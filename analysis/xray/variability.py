"""Variability of light curves: excess variance, and blocks in which the rate is constant."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived, in_units, utc_of_clock
from analysis.xray.inputs import Amount, amount, as_dataset, band_of, datasets, events_and_gti, in_band, titled
from analysis.xray.intervals import Clock, clock_of, inside, merged, poisson_error
from analysis.xray.segmenting import clock_of_curve, event_times

VAUGHAN = "Vaughan, Edelson, Warwick & Uttley (2003), MNRAS 345, 1271, doi:10.1046/j.1365-2966.2003.07042.x"
SCARGLE = "Scargle et al. (2013), ApJ 764, 167, doi:10.1088/0004-637X/764/2/167"
MOST_TIMES = 50_000  # Bayesian blocks take time that grows with the square
DARK = 0.9  # part of the bins without counts above which the same holds
FEW = 20  # points below which an excess variance says little


def excess_variance(light_curve: xr.Dataset, *, least_exposure: float = 0.5) -> xr.Dataset:
    r"""Return how much a light curve varies beyond its errors: :math:`\sigma^2_{XS} = S^2 - \overline{\sigma^2_{err}}`.

    Parameters
    ----------
    light_curve : xarray.Dataset
        On ``time``: ``rate`` and, where there are, ``counts`` and ``exposure`` (s), as ``xray.light_curve`` gives
        them; else ``rate_error``.
    least_exposure : float
        Bins exposed for less than this part of the best exposed one are left out.

    Returns
    -------
    xarray.Dataset
        ``excess_variance`` (ct² s⁻²), ``normalized_excess_variance`` (over the mean squared) and its error,
        ``fractional_variability`` (its root; NaN where negative) and its error, ``mean_rate``, ``points``.

    Raises
    ------
    WrongData
        If there is neither an error nor counts with exposure.
    OutsideCoverage
        If fewer than two bins are left, or the mean rate is not positive.

    Warns
    -----
    AnalysisWarning
        For fewer than 20 bins, or bins so short that nine of ten hold no counts.

    Notes
    -----
    S² is the sample variance (over N - 1). The error of a bin with counts is √N, 0 for none, over its exposure: its
    square is without bias, which the upper limit that ``rate_error`` has for no counts is not. The errors
    are those of counting alone; red noise scatters from one light curve of a source to the next by much more.

    References
    ----------
    Vaughan et al. (2003), MNRAS 345, 1271, eq. 6-9, 11 and B2.

    Examples
    --------
    >>> from analysis import xray
    >>> steady = xray.pulsed_events("50 ct/s", "0.7 Hz", gti=[(0, 2000)], pulsed_fraction=0, seed=1)
    >>> found = xray.excess_variance(xray.light_curve(steady, "10 s"))
    >>> bool(abs(found.normalized_excess_variance) < 3 * found.normalized_excess_variance_error)
    True
    """
    held = as_dataset(light_curve, "excess_variance")
    if "rate" not in held.variables or held["rate"].dims != ("time",):
        raise WrongData("excess_variance needs a light curve: 'rate' on 'time', as xray.light_curve gives it")
    share = amount(least_exposure, "1", "least_exposure", bare=True)
    if not 0 <= share <= 1:
        raise BadOption(f"least_exposure={least_exposure!r} is not from 0 to 1")
    rate = in_units(held["rate"], "ct s-1").values.astype(float)
    square, exposure = _squared_errors(held)
    kept = np.isfinite(rate) & np.isfinite(square) & (exposure >= share * np.nanmax(exposure, initial=0.0))
    n, mean = int(kept.sum()), float(rate[kept].mean()) if kept.any() else 0.0
    if n < 2 or mean <= 0:
        raise OutsideCoverage(f"excess_variance: {n} bins are left, with a mean rate of {mean:g} ct/s")
    noise = float(square[kept].mean())
    _warn_of_little(n, rate[kept])
    excess = float(rate[kept].var(ddof=1)) - noise
    normalized = excess / mean**2
    fraction = np.sqrt(max(normalized, 0.0))
    # eq. 11; B2 is the same divided by twice the root
    error = float(np.hypot(np.sqrt(2 / n) * noise / mean**2, np.sqrt(noise / n) * 2 * fraction / mean))
    numbers = {
        "excess_variance": (excess, "ct2 s-2", "Excess variance"),
        "excess_variance_error": (error * mean**2, "ct2 s-2", "1σ error of the excess variance"),
        "normalized_excess_variance": (normalized, "1", "Normalized excess variance"),
        "normalized_excess_variance_error": (error, "1", "1σ error of the normalized excess variance"),
        "fractional_variability": (fraction if normalized > 0 else np.nan, "1", "Fractional variability"),
        "fractional_variability_error": (
            error / (2 * fraction) if normalized > 0 else np.nan,
            "1",
            "1σ error of the fractional variability",
        ),
        "mean_rate": (mean, "ct s-1", "Mean count rate"),
        "points": (n, "1", "Bins used"),
    }
    made = xr.Dataset(
        {name: ((), value, {"units": u, "long_name": label}) for name, (value, u, label) in numbers.items()}
    )
    made.attrs = {key: held.attrs[key] for key in ("band", "bin_size", "bin_size_units") if key in held.attrs}
    step = f"xray.excess_variance: {n} of {rate.size} bins"
    title = titled("Excess variance", held)
    return check(derived(made, held, title=title, step=step, references=[VAUGHAN]))


def bayesian_blocks(
    data: xr.DataTree | xr.Dataset,
    *,
    false_alarm_probability: float = 0.01,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    """Return the blocks of constant rate that describe events or a light curve best; gaps are cut out first.

    Parameters
    ----------
    data : xarray.DataTree or xarray.Dataset
        Events with good times (each arrival counts), or a light curve with ``rate``, ``rate_error`` and
        ``seconds``.
    false_alarm_probability : float
        p0: about the chance of a false change in a constant source.
    band : (low, high), optional
        Of events, in keV.

    Returns
    -------
    xarray.Dataset
        On ``block``: ``start`` and ``stop`` (mission seconds), ``start_time`` and ``stop_time`` (UTC), ``rate`` and
        ``rate_error``; of events ``counts`` and ``exposure`` too.

    Raises
    ------
    BadOption
        If the probability is not between 0 and 1, or there are more than 50,000 times: bin them first.
    OutsideCoverage
        If fewer than two events or bins are left.

    Notes
    -----
    Good intervals are put end to end, so that a gap is no faint block; a block may reach over a gap. astropy's
    ``bayesian_blocks`` does the work, with the fitness "events" or "measures".

    References
    ----------
    Scargle et al. (2013), ApJ 764, 167.

    Examples
    --------
    >>> from analysis import xray
    >>> steady = xray.pulsed_events("5 ct/s", "0.7 Hz", gti=[(0, 100), (500, 600)], pulsed_fraction=0, seed=1)
    >>> xray.bayesian_blocks(steady).sizes["block"]
    1
    """
    chance = amount(false_alarm_probability, "1", "false_alarm_probability", bare=True)
    if not 0 < chance < 1:
        raise BadOption(f"false_alarm_probability={false_alarm_probability!r} is not between 0 and 1")
    if isinstance(data, xr.DataTree):
        made, origin, also, told = _event_blocks(data, chance, band)
    else:
        if band is not None:
            raise BadOption("bayesian_blocks: band= is for events; make the light curve in the band")
        made, origin, also, told = _rate_blocks(as_dataset(data, "bayesian_blocks"), chance)
    made.attrs["false_alarm_probability"] = chance
    step = f"xray.bayesian_blocks: {made.sizes['block']} blocks, p0 = {chance:g}, {told}"
    title = titled("Bayesian blocks", origin)
    return check(derived(made, origin, title=title, step=step, references=[SCARGLE], also=also))


def _event_blocks(
    tree: xr.DataTree, chance: float, band: tuple[Amount, Amount] | None
) -> tuple[xr.Dataset, xr.Dataset, list, str]:
    from astropy.stats import bayesian_blocks as blocks_of

    what = "bayesian_blocks"
    listed, gti = events_and_gti(tree, what)
    times = event_times(listed, what)
    times = np.sort(times[inside(gti, times) & in_band(listed, band, what)])
    _refuse_size(times.size)
    start, stop = merged(gti)
    elapsed = np.concatenate([[0.0], np.cumsum(stop - start)])
    index = np.searchsorted(start, times, side="right") - 1
    joined = elapsed[index] + times - start[index]
    found = blocks_of(joined, fitness="events", p0=chance)
    # astropy's first and last edges are the first and last event; blocks fill the good time
    edges = np.concatenate([[0.0], found[1:-1], [elapsed[-1]]])
    counts = np.histogram(joined, bins=edges)[0]
    exposure = np.diff(edges)
    after = np.clip(np.searchsorted(elapsed, edges[:-1], side="right") - 1, 0, start.size - 1)
    before = np.clip(np.searchsorted(elapsed, edges[1:], side="left") - 1, 0, start.size - 1)
    begins, ends = start[after] + edges[:-1] - elapsed[after], start[before] + edges[1:] - elapsed[before]
    made = _blocks(begins, ends, counts / exposure, poisson_error(counts) / exposure, clock_of(listed))
    made["counts"] = ("block", counts, {"units": "ct", "long_name": "Counts"})
    made["exposure"] = ("block", exposure, {"units": "s", "long_name": "Good time in the block"})
    made.attrs["band"] = band_of(listed, band)
    return made, listed, datasets(gti), f"{times.size} events, {made.attrs['band']}"


def _rate_blocks(curve: xr.Dataset, chance: float) -> tuple[xr.Dataset, xr.Dataset, list, str]:
    from astropy.stats import bayesian_blocks as blocks_of

    if not {"rate", "rate_error", "seconds"} <= set(map(str, curve.variables)):
        raise WrongData("bayesian_blocks needs events, or a light curve with rate, rate_error and seconds")
    rate, error = (in_units(curve[name], "ct s-1").values.astype(float) for name in ("rate", "rate_error"))
    middle = in_units(curve["seconds"], "s").values.astype(float)
    kept = np.isfinite(rate) & (error > 0)
    _refuse_size(int(kept.sum()))
    rate, error, middle = rate[kept], error[kept], middle[kept]
    order = np.arange(rate.size, dtype=float)  # bins by number: gaps between them are no blocks
    edges = blocks_of(order, x=rate, sigma=error, fitness="measures", p0=chance)
    # an edge lies midway between two bins; the first and last are on them
    first = np.ceil(np.concatenate([[0.0], edges[1:-1]])).astype(int)
    last = np.append(first[1:], rate.size)
    half = float(curve.attrs.get("bin_size", np.median(np.diff(middle)))) / 2
    weight = 1 / error**2
    summed = np.add.reduceat(weight, first)
    mean = np.add.reduceat(rate * weight, first) / summed
    made = _blocks(middle[first] - half, middle[last - 1] + half, mean, 1 / np.sqrt(summed), clock_of_curve(curve))
    return made, curve, [], f"{rate.size} bins"


def _blocks(begins: np.ndarray, ends: np.ndarray, rate: np.ndarray, error: np.ndarray, clock: Clock) -> xr.Dataset:
    return xr.Dataset(
        {
            "rate": ("block", rate, {"units": "ct s-1", "long_name": "Count rate"}),
            "rate_error": ("block", error, {"units": "ct s-1", "long_name": "1σ error of the count rate"}),
            "start": ("block", begins, {"units": "s", "long_name": "Mission time, start of the block", **clock}),
            "stop": ("block", ends, {"units": "s", "long_name": "Mission time, stop of the block", **clock}),
            "start_time": ("block", utc_of_clock(begins, **clock), {"long_name": "Start of the block (UTC)"}),
            "stop_time": ("block", utc_of_clock(ends, **clock), {"long_name": "Stop of the block (UTC)"}),
        },
        coords={"block": ("block", np.arange(1, rate.size + 1), {"units": "1", "long_name": "Block"})},
    )


def _refuse_size(size: int) -> None:
    if size < 2:
        raise OutsideCoverage(f"bayesian_blocks: {size} events or bins in good time are too few")
    if size > MOST_TIMES:
        raise BadOption(
            f"bayesian_blocks: {size} times would take long (at most {MOST_TIMES:,}); give a light curve instead: "
            "xray.bayesian_blocks(xray.light_curve(events, bin_size))"
        )


def _squared_errors(curve: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    if {"counts", "exposure"} <= set(map(str, curve.variables)):
        counts = in_units(curve["counts"], "ct").values.astype(float)
        exposure = in_units(curve["exposure"], "s").values.astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(exposure > 0, counts / exposure**2, np.nan), exposure
    if "rate_error" not in curve.variables:
        raise WrongData("excess_variance needs rate_error, or counts and exposure, on 'time'")
    error = in_units(curve["rate_error"], "ct s-1").values.astype(float)
    return error**2, np.ones_like(error)


def _warn_of_little(n: int, rate: np.ndarray) -> None:
    dark = float(np.mean(rate == 0))
    why = f"{n} bins" if n < FEW else f"bins of which {100 * dark:.0f} % hold no counts" if dark > DARK else ""
    if why:
        warnings.warn(f"excess_variance: {why} say little; take other bins", AnalysisWarning, stacklevel=3)

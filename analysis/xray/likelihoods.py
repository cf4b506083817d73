"""What a fit minimizes: spectra made ready, the statistic of each bin, its slope and its curvature.

Each statistic is −2 ln L up to a constant (χ² likewise), so that errors are where it has grown by 1. Slopes and
curvatures are by the counts μ that the model expects from the source. The background of W is profiled out; by the
envelope theorem its slope is that at the profiled background.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import in_units, near
from analysis.xray.exposures import exposure_of, paired, per_channel, same_channels
from analysis.xray.folders import Folder, compiled
from analysis.xray.grouping import Grouping, channel_bins, channel_energies, summed
from analysis.xray.inputs import Amount, as_dataset
from analysis.xray.models import Array
from analysis.xray.statistics import profiled_background, w_terms, x_log_ratio

Statistic = Literal["wstat", "cstat", "cash", "chi2"]
STATISTICS = ("wstat", "cstat", "cash", "chi2")
Variance = Literal["data", "gehrels", "churazov", "model", "file"]
VARIANCES = ("data", "gehrels", "churazov", "model", "file")
TINY = 1e-25  # counts: less is expected nowhere that a response reaches
SMOOTHED = 5  # bins over which "churazov" averages counts


@dataclass(frozen=True)
class Prepared:
    """A spectrum in the bins of a fit.

    ``source`` and ``background`` are counts (χ² of rates: rate × time), ``ratio`` is t_b / t_s, ``time`` the exposure ×
    AREASCAL of each bin, ``variance`` of χ² that of source minus scaled background, ``errors`` how it is made,
    ``systematic`` the variance that the file adds, ``counted`` whether it holds counts. ``low`` and ``high`` are the
    nominal energies of the bins in keV.
    """

    name: str
    statistic: Statistic
    folder: Folder
    source: Array
    background: Array
    ratio: Array
    time: Array
    variance: Array | None
    by_model: bool
    low: Array
    high: Array
    grouping: str
    band: str
    channels: int
    errors: Variance = "data"
    systematic: float | Array = 0.0
    counted: bool = True


def prepared(
    name: str,
    tree: xr.DataTree,
    whole: xr.Dataset,
    *,
    statistic: Statistic | None,
    errors: Variance,
    grouping: Grouping,
    min_counts: int | None,
    band: tuple[Amount, Amount] | None,
) -> Prepared:
    """Return a spectrum made ready to be fitted.

    Parameters
    ----------
    tree : xarray.DataTree
        With ``spectrum`` and perhaps ``background``.
    whole : xarray.Dataset
        The response with its area, as ``xray.response`` gives it.

    Raises
    ------
    WrongData, BadOption, OutsideCoverage
        If data and statistic do not fit together, or no channel is left.
    """
    data = as_dataset(tree.children["spectrum"], f"{name}: spectrum")
    behind = as_dataset(tree.children["background"], f"{name}: background") if "background" in tree.children else None
    chosen = statistic_for(name, data, behind, statistic)
    if errors not in VARIANCES:
        raise BadOption(f"errors={errors!r} is unknown{near(str(errors), VARIANCES)}; known are {', '.join(VARIANCES)}")
    if errors != "data" and chosen != "chi2":
        raise BadOption(
            f"errors={errors!r} chooses the variances of χ², and {name} is fitted with {chosen}, which needs none; "
            "leave it out, or take statistic='chi2'"
        )
    same_channels(data, whole)
    bins = channel_bins(data, grouping=grouping, min_counts=min_counts, band=band, rmf=whole)
    used = bins.values >= 0
    if not used.any():
        raise BadOption(
            f"{name}: no channel is left by band {bins.attrs['band']}, grouping and quality; there is nothing to fit"
        )
    if "counts" in data.variables:
        pair = paired(data, behind, used)
        time = pair.source_time
        source, background = summed(pair.source_counts, bins), summed(pair.background_counts, bins)
        ratio = summed(pair.background_time, bins) / summed(time, bins)
        variance = None
        if chosen == "chi2" and errors == "file":
            variance = _told_variance(name, data, behind, bins, ratio)
        elif chosen == "chi2":
            variance = variance_of(source, background, ratio, errors)
        systematic = _systematic(name, data, behind, bins, ratio, chosen)
    else:
        time = (
            exposure_of(data, name) * per_channel(data, "areascal", used)
            if "exposure" in _held(data)
            else (per_channel(data, "areascal", used))
        )
        source, variance = _of_rates(name, data, behind, bins, time)
        background = np.zeros_like(source)
        ratio = np.zeros_like(source)
        systematic = _systematic(name, data, None, bins, ratio, chosen)
        if errors == "model":
            raise BadOption(f"{name} holds rates with errors of their own; errors='model' needs counts")
    if variance is not None and errors != "model" and not (variance > 0).all():
        raise BadOption(
            f"{name}: {int((variance <= 0).sum())} bins have no error, so χ² has no weight for them; group "
            "(min_counts=20), take errors='gehrels', or statistic='wstat'/'cstat'"
        )
    energies = channel_energies(whole)
    low, high = _spans(energies["energy_low"].values, energies["energy_high"].values, bins.values)
    folder = compiled(whole, bins.values, time)
    by_model = chosen == "chi2" and errors == "model"
    if by_model and (unseen := int(((folder.fold(np.ones(folder.low.size)) <= 0) & (background == 0)).sum())):
        raise BadOption(
            f"{name}: no model reaches {unseen} bins, so errors='model' gives them none; choose a narrower band="
        )
    if chosen == "cash" or chosen == "cstat":
        ratio = np.zeros_like(source)
    return Prepared(
        name,
        chosen,
        folder,
        source,
        background,
        ratio,
        summed(time, bins) / np.bincount(bins.values[used]),
        None if variance is None else variance + systematic,
        by_model,
        low,
        high,
        str(bins.attrs["grouping"]),
        str(bins.attrs["band"]),
        int(used.sum()),
        errors,
        systematic,
        "counts" in data.variables,
    )


def statistic_for(name: str, data: xr.Dataset, behind: xr.Dataset | None, asked: Statistic | None) -> Statistic:
    """Return the statistic that fits the data, or the one asked for if it can be used.

    Raises
    ------
    BadOption
        Saying what the data need.
    """
    if asked is not None and asked not in STATISTICS:
        raise BadOption(
            f"statistic={asked!r} is unknown{near(str(asked), STATISTICS)}; known are {', '.join(STATISTICS)}"
        )
    counted = "counts" in data.variables
    if asked is None:
        return "chi2" if not counted else "cstat" if behind is None else "wstat"
    if not counted and asked != "chi2":
        raise BadOption(f"{name} holds rates, and {asked} needs counts; take statistic='chi2'")
    if asked == "wstat" and behind is None:
        raise BadOption(f"{name} has no background, which wstat needs; take statistic='cstat'")
    if asked in ("cstat", "cash") and behind is not None:
        raise BadOption(
            f"{name} has a background, which {asked} would leave out; take statistic='wstat', or leave it out on "
            "purpose: data.drop_nodes('background')"
        )
    return asked


def value(spectrum: Prepared, expected: Array) -> float:
    """Return the statistic of a spectrum for the source counts expected in its bins."""
    return float(terms(spectrum, expected).sum())


def terms(spectrum: Prepared, expected: Array) -> Array:
    """Return each bin's part of the statistic."""
    if spectrum.statistic == "chi2":
        return (_net(spectrum) - expected) ** 2 / variance_at(spectrum, expected)
    mu = np.maximum(expected, TINY)
    if spectrum.statistic == "wstat":
        return w_terms(spectrum.source, spectrum.background, mu, spectrum.ratio)
    if spectrum.statistic == "cash":
        with np.errstate(divide="ignore"):
            return 2 * (mu - spectrum.source * np.log(mu))
    return 2 * (mu - spectrum.source + x_log_ratio(spectrum.source, spectrum.source, mu))


def slopes_and_weights(spectrum: Prepared, expected: Array) -> tuple[Array, Array]:
    """Return the slope of each bin's part by the expected counts, and the curvature expected of it (Fisher)."""
    if spectrum.statistic == "chi2":
        variance, off = variance_at(spectrum, expected), _net(spectrum) - expected
        # a variance that the model makes grows with it, so that it has a slope of its own
        return -2 * off / variance - spectrum.by_model * (off / variance) ** 2, 2 / variance
    mu = np.maximum(expected, TINY)
    total = spread = mu
    if spectrum.statistic == "wstat":
        behind = profiled_background(spectrum.source, spectrum.background, mu, spectrum.ratio)
        total = mu + behind
        # seen in source and background region: 1/(λ + b/r) is what is left once b is profiled out
        spread = total + behind / spectrum.ratio
    # a bin without counts of which the model expects less than none is held at none: it does not change
    held = (expected < 0) & (spectrum.source == 0)
    return np.where(held, 0.0, 2 * (1 - spectrum.source / total)), np.where(held, 0.0, 2 / spread)


def variance_of(source: Array, background: Array, ratio: Array, errors: Variance) -> Array:
    """Return the variance of source minus scaled background, by one of the usual choices ("file" needs none of them).

    "data": N (Neyman); "gehrels": (1 + √(N + 0.75))², Gehrels (1986) eq. 7; "churazov": N averaged over neighbouring
    bins, Churazov et al. (1996), here a running mean of five. "model" is what the model expects in source and
    background region, so it is N only until there is one.
    """
    scale = np.where(ratio > 0, 1 / np.where(ratio > 0, ratio, 1), 0.0)
    if errors == "gehrels":
        return (1 + np.sqrt(source + 0.75)) ** 2 + scale**2 * (1 + np.sqrt(background + 0.75)) ** 2 * (ratio > 0)
    if errors == "churazov":
        source, background = (_running_mean(counts) for counts in (source, background))
    return source + scale**2 * background


def variance_at(spectrum: Prepared, expected: Array) -> Array:
    """Return the variance that χ² has of source minus scaled background, where the model expects these counts."""
    assert spectrum.variance is not None
    if not spectrum.by_model:
        return spectrum.variance
    scale = np.where(spectrum.ratio > 0, 1 / np.where(spectrum.ratio > 0, spectrum.ratio, 1), 0.0)
    return np.maximum(expected, TINY) + (scale + scale**2) * spectrum.background + spectrum.systematic


def _net(spectrum: Prepared) -> Array:
    scale = np.where(spectrum.ratio > 0, 1 / np.where(spectrum.ratio > 0, spectrum.ratio, 1), 0.0)
    return spectrum.source - scale * spectrum.background


def _running_mean(counts: Array) -> Array:
    window = np.ones(SMOOTHED)
    return np.convolve(counts, window, "same") / np.convolve(np.ones_like(counts), window, "same")


def _held(data: xr.Dataset) -> set[str]:
    return {*map(str, data.variables), *map(str, data.attrs)}


def _of_rates(
    name: str, data: xr.Dataset, behind: xr.Dataset | None, bins: xr.DataArray, time: Array
) -> tuple[Array, Array]:
    """Rate × time in bins and its variance, of a spectrum that holds rates with errors."""
    if behind is not None:
        raise WrongData(f"{name} holds rates and has a background; subtract it first, or take spectra that hold counts")
    if "rate" not in data.variables or "stat_error" not in data.variables:
        raise WrongData(f"{name} needs counts, or rate with stat_error; it has {list(map(str, data.data_vars))}")
    rate, error = (in_units(data[key], "ct s-1").values.astype(float) for key in ("rate", "stat_error"))
    area = time / per_channel(data, "areascal", bins.values >= 0)
    used = bins.values >= 0
    if not (np.isfinite(rate[used]).all() and np.isfinite(error[used]).all()):
        raise WrongData(f"{name}: a rate or its error is no finite number in a channel that is fitted")
    return summed(rate * area, bins), summed((error * area) ** 2, bins)


def _told_variance(name: str, data: xr.Dataset, behind: xr.Dataset | None, bins: xr.DataArray, ratio: Array) -> Array:
    """Variance from the errors that the files of counts hold."""
    found = np.zeros_like(ratio)
    for what, part, scale in (("spectrum", data, 1.0), ("background", behind, 1 / np.where(ratio > 0, ratio, np.inf))):
        if part is None:
            continue
        if "stat_error" not in part.variables:
            raise BadOption(f"the {what} of {name} holds no errors (STAT_ERR), so errors='file' has none to take")
        found = found + scale**2 * summed(in_units(part["stat_error"], "ct").values.astype(float) ** 2, bins)
    return found


def _systematic(
    name: str,
    data: xr.Dataset,
    behind: xr.Dataset | None,
    bins: xr.DataArray,
    ratio: Array,
    chosen: Statistic,
) -> Array:
    """Variance of counts by the file's SYS_ERR, a fraction of each channel; χ² adds it, Poisson statistics cannot."""
    found = np.zeros_like(ratio)
    for part, scale in ((data, 1.0), (behind, 1 / np.where(ratio > 0, ratio, np.inf))):
        if part is None or "systematic" not in part.variables:
            continue
        fraction = np.broadcast_to(in_units(part["systematic"], "1").values.astype(float), bins.shape)
        if not (fraction[bins.values >= 0] > 0).any():
            continue
        if chosen != "chi2":
            warnings.warn(
                f"{name} holds systematic errors (SYS_ERR), which {chosen} has no place for: they are left out; χ² "
                "adds them",
                AnalysisWarning,
                stacklevel=5,
            )
            break
        if "counts" in part.variables:
            counts = part["counts"].values.astype(float)
        else:
            seconds = exposure_of(part, name) if "exposure" in _held(part) else 1.0
            counts = in_units(part["rate"], "ct s-1").values.astype(float) * seconds
        found = found + scale**2 * summed((fraction * counts) ** 2, bins)
    return found


def _spans(low: Array, high: Array, bins: Array) -> tuple[Array, Array]:
    """Lowest and highest nominal energy of each bin's channels; EBOUNDS may run either way."""
    n = int(bins.max()) + 1
    below, above = np.full(n, np.inf), np.full(n, -np.inf)
    used = bins >= 0
    np.minimum.at(below, bins[used], low[used])
    np.maximum.at(above, bins[used], high[used])
    return below, above

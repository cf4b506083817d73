"""Statistics of Poisson counts: how far a model is from a spectrum.

Both are twice the logarithm of a likelihood ratio, zero for a model that hits every count.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import labelled
from analysis.xray.exposures import model_rates, paired
from analysis.xray.grouping import Grouping, channel_bins, summed
from analysis.xray.inputs import Amount, as_dataset, synthetic_of

REFERENCES = {
    "wstat": "Arnaud, Dorman & Gordon, XSPEC User's Guide (HEASARC), Appendix B: Statistics in XSPEC; "
    "Wachter, Leach & Kellogg (1979), ApJ 230, 274, doi:10.1086/157084",
    "cstat": "Cash (1979), ApJ 228, 939, doi:10.1086/156922",
}


def w_statistic(
    spectrum: xr.Dataset | xr.DataTree,
    model_rate: xr.DataArray,
    *,
    background: xr.Dataset | xr.DataTree,
    grouping: Grouping = "file",
    min_counts: int | None = None,
    band: tuple[Amount, Amount] | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
) -> xr.DataArray:
    r"""Return the W statistic: Poisson source and Poisson background, the background's rate profiled out.

    With S and B counts, m the model's rate, :math:`t_s` exposure times AREASCAL, :math:`t_b` that of the
    background times the ratio of the BACKSCALs, and f the background rate that fits best,

    .. math:: W = 2 \sum t_s m + (t_s + t_b) f - S \ln(t_s m + t_s f) - B \ln(t_b f)
              - S(1 - \ln S) - B(1 - \ln B)

    .. math:: f = \frac{S + B - (t_s + t_b) m + d}{2 (t_s + t_b)}, \quad
              d^2 = [(t_s + t_b) m - S - B]^2 + 4 (t_s + t_b) B m

    and terms with S = 0 or B = 0 take their limits.

    Parameters
    ----------
    spectrum, background : xarray.Dataset
        Counts per ``channel`` with exposure (and BACKSCAL, AREASCAL), as ``formats.read`` gives a PHA file.
    model_rate : xarray.DataArray
        Expected source count rate per ``channel``, ``ct s-1`` (see :func:`analysis.xray.folded`).
    grouping : {"file", None}, optional
        "file" obeys GROUPING and QUALITY; None takes every channel and ignores both.
    min_counts : int, optional
        Group to so many counts instead of as the file says.
    band : (low, high), optional
        Energies in keV; channels that overlap it are used. Needs ``rmf``.
    rmf : xarray.Dataset, optional
        Response with the channels' energies (``e_min``, ``e_max``).

    Returns
    -------
    xarray.DataArray
        One number; attrs ``statistic`` ("wstat"), ``bins``, ``channels``, ``grouping``, ``band``.

    Raises
    ------
    WrongData
        If a spectrum holds rates instead of counts, channels differ, or the model's rate is negative or NaN.

    References
    ----------
    Arnaud, Dorman & Gordon, *XSPEC User's Guide* (HEASARC), Appendix B; Wachter, Leach & Kellogg (1979),
    ApJ 230, 274, doi:10.1086/157084.
    """
    data, behind = as_dataset(spectrum, "w_statistic"), as_dataset(background, "w_statistic: background")
    rate = model_rates(data, model_rate)
    bins = channel_bins(data, grouping=grouping, min_counts=min_counts, band=band, rmf=rmf)
    pair = paired(data, behind, bins.values >= 0)
    terms = w_terms(
        summed(pair.source_counts, bins),
        summed(pair.background_counts, bins),
        summed(rate * pair.source_time, bins),
        summed(pair.background_time, bins) / summed(pair.source_time, bins),
    )
    return _labelled(terms, "wstat", "W statistic", bins, synthetic_of(data, behind, model_rate, rmf))


def c_statistic(
    spectrum: xr.Dataset | xr.DataTree,
    model_rate: xr.DataArray,
    *,
    grouping: Grouping = "file",
    min_counts: int | None = None,
    band: tuple[Amount, Amount] | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
) -> xr.DataArray:
    r"""Return the C statistic, for counts without background or with a background inside the model.

    .. math:: C = 2 \sum t m - S + S \ln\frac{S}{t m}

    Parameters
    ----------
    spectrum, model_rate, grouping, min_counts, band, rmf
        As for :func:`w_statistic`.

    Returns
    -------
    xarray.DataArray
        One number; attrs ``statistic`` ("cstat"), ``bins``, ``channels``, ``grouping``, ``band``.

    Raises
    ------
    WrongData
        As :func:`w_statistic`; and if the model expects nothing in a bin with counts, which no model does
        that could have made them.

    References
    ----------
    Cash (1979), ApJ 228, 939, doi:10.1086/156922.
    """
    data = as_dataset(spectrum, "c_statistic")
    rate = model_rates(data, model_rate)
    bins = channel_bins(data, grouping=grouping, min_counts=min_counts, band=band, rmf=rmf)
    pair = paired(data, None, bins.values >= 0)
    counts, expected = summed(pair.source_counts, bins), summed(rate * pair.source_time, bins)
    if impossible := int(np.count_nonzero((expected == 0) & (counts > 0))):
        raise WrongData(f"the model expects no counts in {impossible} bins that hold some; C is infinite there")
    terms = 2 * (expected - counts + x_log_ratio(counts, counts, expected))
    return _labelled(terms, "cstat", "C statistic", bins, synthetic_of(data, model_rate, rmf))


def w_terms(source: np.ndarray, background: np.ndarray, expected: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Return each bin's part of W.

    Parameters
    ----------
    source, background : numpy.ndarray
        Counts S and B.
    expected : numpy.ndarray
        Counts that the model expects from the source, :math:`t_s m`.
    ratio : numpy.ndarray
        :math:`t_b / t_s`.
    """
    behind = profiled_background(source, background, expected, ratio)
    total = expected + behind
    deviance = total - source + x_log_ratio(source, source, total)
    deviance += ratio * behind - background + x_log_ratio(background, background, ratio * behind)
    return 2 * deviance


def profiled_background(
    source: np.ndarray, background: np.ndarray, expected: np.ndarray, ratio: np.ndarray
) -> np.ndarray:
    """Return the background counts in the source region, t_s f, that fit best beside an expected source: see W."""
    whole = 1 + ratio
    excess = whole * expected - source - background
    root = np.hypot(excess, 2 * np.sqrt(whole * background * expected))
    with np.errstate(divide="ignore", invalid="ignore"):
        # where the excess is positive, root - excess loses digits; the other form of the root does not
        above = np.where(excess + root > 0, 2 * background * expected / (excess + root), 0.0)
    return np.where(excess > 0, above, (root - excess) / (2 * whole))


def x_log_ratio(x: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return x ln(above / below), which is 0 for x = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x > 0, x * np.log(above / below), 0.0)


def _labelled(
    terms: np.ndarray, short: str, long_name: str, bins: xr.DataArray, synthetic: dict[str, str]
) -> xr.DataArray:
    if not terms.size:
        raise BadOption("no channel is left by band, grouping and quality; there is nothing to compare")
    told = {
        "statistic": short,
        "bins": int(terms.size),
        "channels": int(np.count_nonzero(bins.values >= 0)),
        **{key: bins.attrs[key] for key in ("grouping", "band")},
        "references": REFERENCES[short],
        **synthetic,
    }
    return labelled(xr.DataArray(float(terms.sum())), short, units="1", long_name=long_name, attrs=told)

"""Energy resolution: the width of the peak that a response makes of a line."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import check, derived, in_units
from analysis.xray.folding import CAL_GEN, response
from analysis.xray.inputs import as_dataset


def resolution(rmf: xr.Dataset | xr.DataTree) -> xr.Dataset:
    """Return the energy resolution of a response: the full width at half maximum of the main peak, for each energy.

    Parameters
    ----------
    rmf : xarray.Dataset
        Response as read, or what :func:`response` gave.

    Returns
    -------
    xarray.Dataset
        On ``energy``: ``fwhm`` in keV, ``peak`` (the middle of the channel that holds most of the line per
        keV), ``energy_low`` and ``energy_high``, all in keV. NaN where no channel responds, and where the peak
        is cut off at both ends of the channels.

    Raises
    ------
    WrongData
        If no energy has a response.

    Notes
    -----
    Half the maximum is looked for on both sides of the highest channel, and interpolated between channels. A
    width below that of a channel cannot be seen: one channel is the least that is found. Where the channels end before
    the peak has fallen to its half, the other side is taken twice, as HEASoft's ``heasp`` does
    (``rmf::estimatedFWHM``). Where a second peak (escape, fluorescence, noise) is higher than the line's own,
    as at the lowest energies of some CCDs, the width is that of the second.

    References
    ----------
    Kaastra & Bleeker (2016), A&A 587, A151, doi:10.1051/0004-6361/201527395, appendix B.

    Examples
    --------
    >>> from analysis import xray
    >>> found = xray.resolution(xray.fetch("ngc7793_ulx4_pn")["rmf"])
    >>> at_iron = found.isel(energy=int(abs(found.energy_low.values - 6.4).argmin()))
    >>> round(float(at_iron.fwhm), 3)
    0.202
    """
    data = as_dataset(rmf, "resolution")
    whole = data if "channel_index" in data.variables else response(data)
    fwhm, peak = widths(whole)
    if not np.isfinite(fwhm).any():
        raise WrongData("the response has no peak at any energy; it is empty, or covers less than a peak's width")
    made = xr.Dataset(
        {
            "energy_low": whole["energy_low"],
            "energy_high": whole["energy_high"],
            "fwhm": ("energy", fwhm, {"units": "keV", "long_name": "Energy resolution, FWHM"}),
            "peak": ("energy", peak, {"units": "keV", "long_name": "Energy of the highest channel"}),
        }
    )
    return check(derived(made, data, title="Energy resolution", step="xray.resolution", references=[CAL_GEN]))


def widths(whole: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the width at half maximum and the peak's channel energy for each energy bin, in keV.

    Parameters
    ----------
    whole : xarray.Dataset
        What :func:`analysis.xray.response` gave.
    """
    n = whole.sizes["energy"]
    fwhm, peak = np.full(n, np.nan), np.full(n, np.nan)
    channel = whole["channel_index"].values.astype(np.int64)
    first = whole["first_element"].values.astype(np.int64)
    sizes = np.diff(first, append=channel.size)
    energy = np.repeat(np.arange(n), sizes)
    low, high = (in_units(whole[name], "keV").values.astype(float) for name in ("e_min", "e_max"))
    middle, width = (low + high) / 2, np.abs(high - low)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.where(width > 0, 1 / width, 0.0)[channel] * whole["matrix"].values
    if (np.diff(channel) < 1)[np.diff(energy) == 0].any():  # groups of a bin need not be in order
        order = np.lexsort((channel, energy))
        channel, density = channel[order], density[order]
    there = np.flatnonzero(sizes > 0)
    highest = np.maximum.reduceat(density, first[there]) if there.size else np.zeros(0)
    there, highest = there[highest > 0], highest[highest > 0]
    if not there.size:
        return fwhm, peak
    bar = np.zeros(n)
    bar[there] = highest
    at_peak = np.flatnonzero(density >= np.where(bar > 0, bar, np.inf)[energy])
    top = at_peak[np.searchsorted(at_peak, first[there])]
    right = _half_way(density, energy, channel, top, highest / 2, middle)
    turned = density.size - 1 - top
    left = _half_way(density[::-1], energy[::-1], middle.size - 1 - channel[::-1], turned, highest / 2, middle[::-1])
    left, right = np.where(np.isnan(left), right, left), np.where(np.isnan(right), left, right)
    fwhm[there], peak[there] = left + right, middle[channel[top]]
    return fwhm, peak


def _half_way(
    density: np.ndarray,
    energy: np.ndarray,
    channel: np.ndarray,
    top: np.ndarray,
    half: np.ndarray,
    middle: np.ndarray,
) -> np.ndarray:
    """How far in keV behind the peak the response falls to half; NaN where the channels end before."""
    bar = np.full(int(energy.max()) + 1, np.inf)
    bar[energy[top]] = half
    # a run ends where the next element is of another energy or not of the next channel: there is a zero between
    run_ends = np.append(np.flatnonzero((np.diff(energy) != 0) | (np.diff(channel) != 1)), energy.size - 1)
    end = run_ends[np.searchsorted(run_ends, top)]
    below = np.append(np.flatnonzero(density < bar[energy]), density.size)
    after = below[np.searchsorted(below, top)]
    last = np.minimum(after - 1, end)  # the last element that is not below half
    beyond = np.where(after <= end, density[np.minimum(after, end)], 0.0)
    at = channel[last]
    following = np.minimum(at + 1, middle.size - 1)
    crossing = middle[at] + (density[last] - half) / (density[last] - beyond) * (middle[following] - middle[at])
    return np.where(at + 1 < middle.size, np.abs(crossing - middle[channel[top]]), np.nan)

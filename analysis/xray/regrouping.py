"""New groupings of a spectrum: counts, signal to noise, channels, resolution, and the optimum of Kaastra & Bleeker.

The outcome is the spectrum itself with new GROUPING and QUALITY columns, so that ``grouping="file"`` means it
everywhere: in statistics, fits, pictures and written files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units
from analysis.xray.exposures import counts_of, paired
from analysis.xray.folding import response
from analysis.xray.grouping import OGIP, channel_energies, flags, is_whole, overlapping
from analysis.xray.inputs import Amount, as_dataset, datasets, named_band
from analysis.xray.resolutions import widths

KAASTRA_BLEEKER = "Kaastra & Bleeker (2016), A&A 587, A151, doi:10.1051/0004-6361/201527395"
IN_FWHM = 0.7610  # part of a Gaussian within its full width at half maximum, erf(sqrt(ln 2))
DUBIOUS = 2  # OGIP's QUALITY of a channel that software found dubious, as grppha gives to what fills no bin


@dataclass(frozen=True)
class _Needs:
    """What a bin must hold before it is closed, and running sums to tell it, from the first channel used."""

    counts: float
    snr: float
    counts_to: np.ndarray
    net_to: np.ndarray
    variance_to: np.ndarray


def regrouped(
    spectrum: xr.Dataset | xr.DataTree,
    *,
    min_counts: int | None = None,
    min_snr: float | None = None,
    channels: int | None = None,
    oversample: float | None = None,
    optimal: bool = False,
    background: xr.Dataset | xr.DataTree | None = None,
    band: tuple[Amount, Amount] | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
) -> xr.Dataset:
    r"""Return a spectrum with a new grouping; of several conditions each bin fulfils all.

    With R the number of resolution elements (channel widths over FWHM, summed over the channels used) and
    :math:`N_r` the counts in the resolution element around a channel (those within its FWHM over 0.761), the optimal
    bin of Kaastra & Bleeker is

    .. math:: \frac{\Delta}{\mathrm{FWHM}} = \frac{0.08 + 7.0/x + 1.8/x^2}{1 + 5.9/x}, \quad
              x = \ln[N_r (1 + 0.20 \ln R)]

    and one FWHM for :math:`x \le 2.119`. A bin holds as many whole channels as fit, at least one, and ends no
    further from any of its channels than is allowed there.

    Parameters
    ----------
    spectrum : xarray.Dataset
        Counts per ``channel``. Channels that QUALITY calls bad stay so and are in no bin; a bin may reach across.
    min_counts : int, optional
        Least counts in a bin, background included.
    min_snr : float, optional
        Least signal to noise :math:`(S - \sum rB) / \sqrt{S + \sum r^2 B}`, S and B being the counts of source and
        background and r the ratio of exposure × AREASCAL × BACKSCAL; :math:`\sqrt S` without a background.
    channels : int, optional
        Least channels in a bin; alone, the number of them.
    oversample : float, optional
        Bins of a FWHM over this number, rounded down to whole channels. Needs ``rmf``.
    optimal : bool, optional
        Bins of the optimal width. Needs ``rmf``.
    background : xarray.Dataset, optional
        For ``min_snr``; its own grouping is not looked at.
    band : (low, high), optional
        Energies in keV; bins start at its low end, and channels outside are left as bins of their own. Take the
        same band in the fit. Needs ``rmf``.
    rmf : xarray.Dataset, optional
        Response, as read or from :func:`response`.

    Returns
    -------
    xarray.Dataset
        The spectrum with ``grouping`` (1 starts a bin, -1 continues it) and ``quality``: channels at the end that
        do not reach ``min_counts`` or ``min_snr`` get quality 2, dubious, which ``grouping="file"`` leaves out.

    Raises
    ------
    BadOption
        If no condition is given, one makes no sense or lacks ``rmf``, or no bin fulfils them.
    WrongData
        If the spectrum holds rates where counts are needed, or spectrum and response do not belong together.
    OutsideCoverage
        If no channel overlaps the band.

    Notes
    -----
    :math:`N_r` counts everything that was registered, background included. The optimum thins out nothing that a
    fit could see; where :math:`\chi^2` needs counts, add ``min_counts``, as ``ftgrouppha`` calls ``optmin``
    (``optsnmin`` with ``min_snr``). For C and W statistics ``optimal=True`` alone is right.

    References
    ----------
    Kaastra & Bleeker (2016), A&A 587, A151, doi:10.1051/0004-6361/201527395, equations 36, 37, appendix B;
    OGIP/92-007, Arnaud, George & Tennant (1992).

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn")
    >>> best = xray.regrouped(ulx["spectrum"], optimal=True, band=(0.5, 8), rmf=ulx["rmf"])
    >>> xray.grouped(best, band=(0.5, 8), rmf=ulx["rmf"]).sizes["bin"] < 104
    True
    """
    data = as_dataset(spectrum, "regrouped")
    how = _named(min_counts, min_snr, channels, oversample, optimal, background)
    if "channel" not in data.dims:
        raise WrongData(f"regrouped needs a spectrum on the dim 'channel', not {dict(data.sizes)}")
    if (optimal or oversample is not None) and rmf is None:
        raise BadOption("bins by resolution need rmf=, which knows it")
    n = data.sizes["channel"]
    quality = flags(data, "quality").astype(np.int16)
    inside = overlapping(data, band, rmf)
    used = np.flatnonzero(inside & (quality == 0))
    if not used.size:
        raise BadOption(f"no channel is left in {named_band(band)} after QUALITY")
    length = np.full(n, 1 if channels is None else int(channels))
    if rmf is not None and (optimal or oversample is not None):
        length = np.maximum(length, _lengths(data, rmf, used, oversample, optimal=optimal))
    needs = _needed(data, background, used, min_counts, min_snr)
    starts, filled = _bins(used, length, needs, fixed=channels is not None and not optimal and oversample is None)
    if not filled:
        raise BadOption(f"{how}: no bin of {named_band(band)} gets there; all {used.size} channels together do not")
    grouping = np.ones(n, dtype=np.int16)
    for begin, end in zip(used[starts[:-1]], used[np.array(starts[1:]) - 1], strict=True):
        grouping[begin + 1 : end + 1] = -1
    left = used[starts[-1] :]
    quality[left] = DUBIOUS
    plain = {"units": "1"}
    made = data.assign(
        grouping=("channel", grouping, plain | {"long_name": "OGIP grouping: 1 starts a bin, -1 continues it"}),
        quality=("channel", quality, plain | {"long_name": "OGIP quality: 0 is good"}),
    )
    step = f"xray.regrouped: {how}; {named_band(band)}; {filled} bins, {left.size} channels at the end left out"
    references = [KAASTRA_BLEEKER, OGIP] if optimal else [OGIP]
    title = str(data.attrs.get("title", "Spectrum"))
    return check(derived(made, data, title=title, step=step, references=references, also=datasets(background, rmf)))


def _named(
    min_counts: int | None,
    min_snr: float | None,
    channels: int | None,
    oversample: float | None,
    optimal: bool,
    background: object,
) -> str:
    """The conditions as text, each checked."""
    for name, whole in (("min_counts", min_counts), ("channels", channels)):
        if whole is not None and not is_whole(whole, least=1):
            raise BadOption(f"{name}={whole!r} must be a whole number of at least 1")
    for name, value in (("min_snr", min_snr), ("oversample", oversample)):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
        if value is not None and not (number and 0 < float(value) < np.inf):
            raise BadOption(f"{name}={value!r} must be a number above 0")
    if not isinstance(optimal, bool | np.bool_):
        raise BadOption(f"optimal={optimal!r} is True or False")
    if optimal and oversample is not None:
        raise BadOption("optimal=True and oversample= both say how wide a bin is; give one of them")
    if background is not None and min_snr is None:
        raise BadOption("background= only matters for min_snr=, which was not given")
    said = {
        "optimal (Kaastra & Bleeker 2016)": optimal,
        f"FWHM / {oversample}": oversample is not None,
        f"{channels} channels": channels is not None,
        f"at least {min_counts} counts": min_counts is not None,
        f"signal to noise of at least {min_snr}": min_snr is not None,
    }
    if not any(said.values()):
        raise BadOption("regrouped needs min_counts=, min_snr=, channels=, oversample= or optimal=True")
    return ", ".join(text for text, asked in said.items() if asked)


def _needed(
    data: xr.Dataset,
    background: xr.Dataset | xr.DataTree | None,
    used: np.ndarray,
    min_counts: int | None,
    min_snr: float | None,
) -> _Needs | None:
    if min_counts is None and min_snr is None:
        return None
    counts = net = variance = counts_of(data, "regrouped")
    if background is not None:
        mask = np.isin(np.arange(counts.size), used)
        pair = paired(data, as_dataset(background, "regrouped: background"), mask)
        ratio = pair.source_time / pair.background_time
        net, variance = counts - ratio * pair.background_counts, counts + ratio**2 * pair.background_counts
    sums = (np.append(0.0, np.cumsum(values[used])) for values in (counts, net, variance))
    return _Needs(float(min_counts or 0), float(min_snr or 0), *sums)


def _lengths(
    data: xr.Dataset, rmf: xr.Dataset | xr.DataTree, used: np.ndarray, oversample: float | None, *, optimal: bool
) -> np.ndarray:
    """How many channels a bin may have at most at each channel, by the resolution there."""
    given = as_dataset(rmf, "regrouped: rmf")
    whole = given if "channel_index" in given.variables else response(given)
    energies = channel_energies(given)
    fwhm, _ = widths(whole)
    known = np.isfinite(fwhm)
    if not known.any():
        raise WrongData("the response has no peak at any energy, so that nothing is known of its resolution")
    edges = [in_units(whole[name], "keV").values for name in ("energy_low", "energy_high")]
    at = ((edges[0] + edges[1]) / 2)[known]
    order = np.argsort(at)
    width = np.abs(energies["energy_high"].values - energies["energy_low"].values)
    in_kev = np.interp(energies["energy"].values, at[order], fwhm[known][order])
    in_channels = np.divide(in_kev, width, out=np.ones_like(in_kev), where=width > 0)
    if not optimal:
        return np.maximum(1, (in_channels / float(oversample or 1)).astype(np.int64))
    counts = np.where(flags(data, "quality") == 0, counts_of(data, "optimal binning"), 0.0)
    return np.maximum(1, (in_channels * _optimum(counts, in_channels, used)).astype(np.int64))


def _optimum(counts: np.ndarray, fwhm: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Optimal width of a bin in units of the FWHM at each channel, equations 36 and 37; fwhm in channels."""
    resolution_elements = max(1.0, float((1 / fwhm[used]).sum()))
    running = np.append(0.0, np.cumsum(counts))
    edges, middle = np.arange(running.size), np.arange(counts.size) + 0.5
    within = np.interp(middle + fwhm / 2, edges, running) - np.interp(middle - fwhm / 2, edges, running)
    a_resolution_element = within / IN_FWHM
    with np.errstate(divide="ignore"):
        x = np.log(a_resolution_element * (1 + 0.20 * np.log(resolution_elements)))
    x = np.maximum(x, 2.119)
    return np.minimum(1.0, (0.08 + 7.0 / x + 1.8 / x**2) / (1 + 5.9 / x))


def _bins(used: np.ndarray, length: np.ndarray, needs: _Needs | None, *, fixed: bool) -> tuple[list[int], int]:
    """Positions in ``used`` where bins start and the last one ends, and how many bins there are."""
    starts = [0]
    while (start := starts[-1]) < used.size:
        if fixed:  # so many channels that are used
            end = start + int(length[used[start]])
        else:
            here = used[start]
            reach = np.arange(here, min(here + length[here], length.size))
            end = int(np.searchsorted(used, (reach + length[reach]).min()))
        if needs is not None:
            found = _enough(start, min(end, used.size), needs)
            if found is None:
                break
            end = found
        starts.append(min(end, used.size))
    return starts, len(starts) - 1


def _enough(start: int, end: int, needs: _Needs) -> int | None:
    """The first end, not before that given, at which a bin holds enough; None if it never does."""
    if needs.counts:
        end = max(end, int(np.searchsorted(needs.counts_to, needs.counts_to[start] + needs.counts)))
    step = 64
    while end < needs.counts_to.size:
        ends = np.arange(end, min(end + step, needs.counts_to.size))
        net = needs.net_to[ends] - needs.net_to[start]
        noise = np.sqrt(np.maximum(needs.variance_to[ends] - needs.variance_to[start], 0))
        good = (net >= needs.snr * noise) & ((net > 0) | (needs.snr == 0))
        if good.any():
            return int(ends[np.argmax(good)])
        end, step = int(ends[-1]) + 1, 2 * step
    return None

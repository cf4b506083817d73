"""Cross spectra of two bands or two detectors: lags and coherence; and their rebinning."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived
from analysis.xray.inputs import Amount, as_dataset, datasets, limits, titled
from analysis.xray.lagging import lags_of
from analysis.xray.normalizing import (
    CITED,
    NORMS,
    STINGRAY,
    Normalization,
    attrs_of,
    described,
    normalization_word,
    warn_of_empty,
)
from analysis.xray.segmenting import MOST_BINS, Pieces, good_times, pieces, quiet, rows

VAUGHAN_NOWAK = "Vaughan & Nowak (1997), ApJ 474, L43, doi:10.1086/310430"
NOWAK = "Nowak et al. (1999), ApJ 510, 874, doi:10.1086/306610"
INGRAM = "Ingram (2019), MNRAS 489, 3927, doi:10.1093/mnras/stz2409"


def cross_spectrum(
    data: xr.DataTree | xr.Dataset,
    bin_size: Amount | None = None,
    *,
    segment: Amount | None = None,
    band: tuple[Amount, Amount] | None = None,
    reference: xr.DataTree | xr.Dataset | None = None,
    reference_band: tuple[Amount, Amount] | None = None,
    normalization: Normalization = "fractional",
) -> xr.Dataset:
    """Return the cross spectrum of two bands or detectors, with lags and coherence and their errors.

    Parameters
    ----------
    data : xarray.DataTree or xarray.Dataset
        Events with good times, or a light curve.
    bin_size, segment, normalization
        As for :func:`analysis.xray.power_spectrum`. The cross spectrum has the geometric mean of both rates.
    band, reference_band : (low, high), optional
        In keV. Of one event list they must not overlap: shared photons would be noise that is coherent.
    reference : xarray.DataTree or xarray.Dataset, optional
        Events of another detector, or another light curve on the same bins; its good times and those of
        ``data`` are both obeyed. Left out, ``reference_band`` is taken from ``data``.

    Returns
    -------
    xarray.Dataset
        On ``frequency``: ``cospectrum`` and ``quadrature`` (real and imaginary part); ``power`` and
        ``reference_power``; ``phase_lag`` (rad) and ``time_lag`` (s), **positive where the band comes after the
        reference** (a hard band with a soft reference: hard lags); ``coherence``, free of noise and at most about 1,
        and ``raw_coherence``; each with ``…_error``; ``powers_averaged``, ``frequency_width``. Numbers:
        ``noise_level``, ``reference_noise_level`` (not taken off the powers), ``rate``, ``reference_rate``.

    Raises
    ------
    BadOption
        If the bands overlap or no reference is given; and as for ``power_spectrum``.
    OutsideCoverage
        If the two share no good time as long as a segment.
    WrongData
        If one is a light curve and the other is not, or their bins differ.

    Warns
    -----
    AnalysisWarning
        If fewer than 30 powers are averaged: errors, and coherence even more, are unsound (rebin, or take shorter
        segments).

    Notes
    -----
    A time lag is known up to a whole period only: |phase lag| ≤ π. Coherence has its bias taken off for up to 500
    averaged powers; it is NaN where a power is not 3 σ above its noise. ``coherence_error`` is larger than Vaughan &
    Nowak's eq. 8, by the terms that simulations ask for (:func:`analysis.xray.lagging.coherence_error`).

    References
    ----------
    Vaughan & Nowak (1997), ApJ 474, L43; Nowak et al. (1999), ApJ 510, 874; Ingram (2019), MNRAS 489, 3927.

    Examples
    --------
    >>> from analysis import xray
    >>> shape = xray.lorentzian_power(centroid="2 Hz", width="1 Hz", rms=0.3)
    >>> both = xray.variable_events("800 ct/s", shape, gti=[(0, 512)], hard_lag="20 ms", seed=3)
    >>> lags = xray.cross_spectrum(both, "0.05 s", segment="8 s", band=(2, 10), reference_band=(0.5, 2))
    >>> lag = xray.log_rebinned(lags, 0.5).time_lag.sel(frequency=2, method="nearest")
    >>> bool(abs(lag - 0.02) < 0.005)
    True
    """
    word = normalization_word(normalization, "cross_spectrum")
    first, second = _pair(data, reference, bin_size, segment, band, reference_band)
    found = crossed(first, second, word)
    used = int(found["segments"])
    warn_of_empty(len(first.starts), used, "cross_spectrum")
    size = found["frequency"].size
    made = lags_of(
        found["cross"],
        found["power"],
        found["reference_power"],
        np.full(size, float(used)),
        rates=(float(found["rate"]), float(found["reference_rate"])),
        word=word,
        frequency=found["frequency"],
        width=np.full(size, 1 / first.length),
    )
    made.attrs |= attrs_of(first, used) | {"reference_band": second.band}
    step = f"xray.cross_spectrum: {word}, {described(first, used)}; reference {second.band}; "
    step += "positive lags: the band comes after the reference"
    also = datasets(first.intervals, second.listed, second.intervals)
    references = [VAUGHAN_NOWAK, NOWAK, INGRAM, *CITED[word], STINGRAY]
    title = titled("Cross spectrum", first.listed)
    return check(derived(made, first.listed, title=title, step=step, references=references, also=also))


def log_rebinned(spectrum: xr.Dataset, factor: float = 0.05) -> xr.Dataset:
    """Return a power or cross spectrum in bins of frequency that grow by a factor.

    Parameters
    ----------
    spectrum : xarray.Dataset
        As ``xray.power_spectrum`` or ``xray.cross_spectrum`` gives it, not yet rebinned.
    factor : float
        Each bin is wider than the one before by this part of it.

    Returns
    -------
    xarray.Dataset
        The same variables on fewer ``frequency`` values (means of those in the bin). Lags and coherence are
        computed anew from the averaged powers.

    Raises
    ------
    BadOption
        If the factor is not positive.
    WrongData
        If the dataset is no such spectrum, or was rebinned.

    References
    ----------
    Huppenkothen et al. (2019), ApJ 881, 39 (stingray's ``rebin_data_log``).

    Examples
    --------
    >>> from analysis import xray
    >>> steady = xray.pulsed_events("100 ct/s", "5 Hz", gti=[(0, 512)], pulsed_fraction=0, seed=1)
    >>> found = xray.log_rebinned(xray.power_spectrum(steady, "10 ms", segment="8 s"), 0.1)
    >>> int(found.powers_averaged.sum()) == 64 * 399
    True
    """
    held = as_dataset(spectrum, "log_rebinned")
    if held.attrs.get("normalization") not in NORMS or "frequency" not in held.dims or "time" in held.dims:
        raise WrongData("log_rebinned needs a spectrum as xray.power_spectrum or xray.cross_spectrum gives it")
    if isinstance(factor, bool | str) or not 0 < float(factor) < 100:
        raise BadOption(f"log_rebinned: factor={factor!r} is not a number above 0, such as 0.05")
    width = held["frequency_width"].values
    if not np.allclose(width, width[0]):
        raise WrongData("log_rebinned: this spectrum was rebinned already; rebin the one that it was made of")
    frequency = held["frequency"].values

    def mean(values: np.ndarray) -> np.ndarray:
        return _log_means(frequency, values, float(factor), float(width[0]))[0]

    middle, powers = _log_means(frequency, frequency, float(factor), float(width[0]))
    averaged, widths = powers * held["powers_averaged"].values[0], powers * width[0]
    if "cospectrum" in held.variables:
        made = lags_of(
            mean(held["cospectrum"].values) + 1j * mean(held["quadrature"].values),
            mean(held["power"].values),
            mean(held["reference_power"].values),
            averaged,
            rates=(float(held["rate"]), float(held["reference_rate"])),
            word=held.attrs["normalization"],
            frequency=middle,
            width=widths,
        )
    else:
        power = mean(held["power"].values)
        made = xr.Dataset(
            {
                "power": ("frequency", power, held["power"].attrs),
                "power_error": ("frequency", power / np.sqrt(averaged), held["power_error"].attrs),
                "powers_averaged": ("frequency", averaged, held["powers_averaged"].attrs),
                "frequency_width": ("frequency", widths, held["frequency_width"].attrs),
                **{str(name): array for name, array in held.data_vars.items() if not array.dims},
            },
            coords={"frequency": ("frequency", middle, held["frequency"].attrs)},
        )
    made.attrs = {
        **{k: v for k, v in held.attrs.items() if k in KEPT},
        **made.attrs,
        "log_factor": float(factor),
    }
    step = f"xray.log_rebinned: bins that grow by {float(factor):g}, {frequency.size} to {middle.size}"
    title = str(held.attrs.get("title", "Power spectrum"))
    return check(derived(made, held, title=title, step=step, references=[STINGRAY]))


KEPT = (
    "normalization", "segments", "segment", "segment_units", "bin_size", "bin_size_units", "band", "reference_band",
)  # fmt: skip


def crossed(first: Pieces, second: Pieces, word: str) -> dict[str, np.ndarray]:
    """Return the averaged cross spectrum of two cut the same way, and both power spectra.

    stingray multiplies the conjugate of the first transform by the second, so that the phase is positive where
    the first comes later.
    """
    from stingray.fourier import avg_cs_from_iterables

    with quiet():
        table = avg_cs_from_iterables(
            rows(first), rows(second), first.bin_size, norm=NORMS[word], silent=True, return_auxil=True
        )
    if table is None:
        raise OutsideCoverage("no segment holds two events in both bands; take longer segments")
    return {
        "frequency": np.asarray(table["freq"], float),
        "cross": np.asarray(table["power"]),
        "power": np.asarray(table["pds1"]).real,
        "reference_power": np.asarray(table["pds2"]).real,
        "rate": np.asarray(table.meta["mean1"] / first.bin_size),
        "reference_rate": np.asarray(table.meta["mean2"] / first.bin_size),
        "segments": np.asarray(table.meta["m"]),
    }


def _pair(
    data: xr.DataTree | xr.Dataset,
    reference: xr.DataTree | xr.Dataset | None,
    bin_size: Amount | None,
    segment: Amount | None,
    band: tuple[Amount, Amount] | None,
    reference_band: tuple[Amount, Amount] | None,
) -> tuple[Pieces, Pieces]:
    """Both cut into the same pieces of their common good time."""
    what = "cross_spectrum"
    if reference is None or reference is data:
        if band is None or reference_band is None:
            raise BadOption(
                "cross_spectrum of one event list needs band= and reference_band=; of two detectors, reference="
            )
        low, high = limits(band)
        other_low, other_high = limits(reference_band)
        if max(low, other_low) < min(high, other_high):
            raise BadOption(
                f"cross_spectrum: the bands {low:g}-{high:g} and {other_low:g}-{other_high:g} keV overlap; the photons "
                "that they share would be coherent noise"
            )
        first, second = (pieces(data, what, bin_size=bin_size, segment=segment, band=b) for b in (band, reference_band))
        return first, second
    if isinstance(data, xr.DataTree) is not isinstance(reference, xr.DataTree):
        raise WrongData("cross_spectrum needs two event trees or two light curves, not one of each")
    if isinstance(data, xr.DataTree) and isinstance(reference, xr.DataTree):
        shared = good_times(reference, what)
        first = pieces(data, what, bin_size=bin_size, segment=segment, band=band, common=shared)
        second = pieces(reference, what, bin_size=bin_size, segment=segment, band=reference_band, common=first.gti)
        _refuse_other_clock(first, second)
    else:
        alone = pieces(reference, what, bin_size=bin_size, segment=None if segment is None else segment)
        first = pieces(data, what, bin_size=bin_size, segment=segment, common=alone.gti)
        second = pieces(reference, what, bin_size=bin_size, segment=segment, common=first.gti)
    if first.bins != second.bins or not np.allclose(first.starts, second.starts, rtol=0, atol=1e-3 * first.bin_size):
        raise WrongData("cross_spectrum: the two light curves are not on the same bins of time")
    if first.times.size == second.times.size and first.counts is None and np.array_equal(first.times, second.times):
        warnings.warn("cross_spectrum: both event lists are the same", AnalysisWarning, stacklevel=3)
    if first.bins * len(first.starts) > MOST_BINS:
        raise BadOption("cross_spectrum: too many bins; take longer ones")
    return first, second


def _refuse_other_clock(first: Pieces, second: Pieces) -> None:
    ours, theirs = (
        tuple({**cut.listed.attrs, **cut.listed["time"].attrs}.get(name) for name in ("mjdref", "timesys"))
        for cut in (first, second)
    )
    if ours != theirs:
        raise WrongData(f"cross_spectrum: the clocks differ: (mjdref, timesys) are {ours} and {theirs}")


def _log_means(frequency: np.ndarray, values: np.ndarray, factor: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Means in bins that grow, and how many values each holds; bins without any are left out."""
    from stingray.utils import rebin_data_log

    if np.array_equal(values, frequency):
        means, _, _, held = rebin_data_log(frequency, frequency, factor, dx=width)
    else:
        _, means, _, held = rebin_data_log(frequency, values, factor, dx=width)
    full = np.flatnonzero(held > 0)
    return means[full], held[full].astype(float)

"""Power spectra of event lists and light curves, and what is read from them; the transforms are stingray's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived, utc_of_clock
from analysis.xray.inputs import Amount, amount, as_dataset, datasets, titled, variable
from analysis.xray.intervals import clock_of
from analysis.xray.normalizing import (
    CITED,
    NORMS,
    STINGRAY,
    UNITS,
    UTTLEY,
    VAN_DER_KLIS,
    Normalization,
    attrs_of,
    described,
    frequency_range,
    noise_of,
    normalization_word,
    warn_of_empty,
)
from analysis.xray.segmenting import Pieces, clock_of_curve, pieces, quiet, rows

LOW = 5.0  # standard errors by which the noise at high frequencies may lie below what counts alone would make


def power_spectrum(
    data: xr.DataTree | xr.Dataset,
    bin_size: Amount | None = None,
    *,
    segment: Amount | None = None,
    normalization: Normalization = "leahy",
    band: tuple[Amount, Amount] | None = None,
    background_rate: Amount = 0.0,
) -> xr.Dataset:
    r"""Return the power spectrum, averaged over pieces of the good time intervals.

    Parameters
    ----------
    data : xarray.DataTree or xarray.Dataset
        Events with the nodes ``events`` and ``gti``, or a light curve as ``xray.light_curve`` gives it, of
        which the bins exposed from end to end are used.
    bin_size : float or value with units
        Of the bins that events are counted in; a bare number is in seconds. Frequencies go to half its inverse.
        A light curve brings its own.
    segment : float or value with units, optional
        Length of the pieces; a bare number is in seconds. No piece reaches across a gap; what is left of an
        interval is not used. Left out, the one interval is one piece.
    normalization : {"leahy", "fractional", "absolute"}
        Power of Poisson noise is 2; or power is (rms/mean)² per Hz; or (ct/s)² per Hz. One mean for all pieces.
    band : (low, high), optional
        Events with low ≤ energy < high, in keV.
    background_rate : float or value with units, optional
        Mean rate of the background in ct/s, in which nothing varies: "fractional" is then of the source alone.

    Returns
    -------
    xarray.Dataset
        On ``frequency`` (Hz, middles; zero and Nyquist frequency left out): ``power``; ``power_error``,
        power/√m; ``powers_averaged`` (m); ``frequency_width``. Also ``noise_level``, the power that Poisson
        counts without dead time make, **not** taken off, and ``rate`` (ct s-1) in the pieces.

    Raises
    ------
    BadOption
        If bins are finer than the file's TIMEDEL, several intervals come without a segment, a word is unknown.
    OutsideCoverage
        If no interval is as long as a segment, or no event is left.

    Warns
    -----
    AnalysisWarning
        If the power at high frequencies lies below the noise level, as dead time makes it; if pieces with fewer
        than two events were left out; if a bin holds no whole number of frames.

    Notes
    -----
    ``power_error`` is a standard deviation; for few averaged powers their distribution is far from normal
    (χ² of 2m degrees of freedom, over 2m).

    References
    ----------
    Leahy et al. (1983), ApJ 266, 160; Belloni & Hasinger (1990), A&A 230, 103; van der Klis (1989).

    Examples
    --------
    >>> from analysis import xray
    >>> steady = xray.pulsed_events("100 ct/s", "5 Hz", gti=[(0, 512)], pulsed_fraction=0, seed=1)
    >>> found = xray.power_spectrum(steady, "10 ms", segment="8 s")
    >>> found.attrs["segments"], bool(abs(found.power.mean() - 2) < 0.05)
    (64, True)
    """
    word = normalization_word(normalization, "power_spectrum")
    cut = pieces(data, "power_spectrum", bin_size=bin_size, segment=segment, band=band)
    table, used = _averaged(cut, word)
    rate = float(table.meta["mean"]) / cut.bin_size
    behind = _background(background_rate, rate, word)
    scale = 1.0 if word != "fractional" else (rate / (rate - behind)) ** 2
    averaged = np.full(len(table), float(used))
    power = np.asarray(table["power"], float) * scale
    made = _spectrum(np.asarray(table["freq"], float), np.full(len(table), 1 / cut.length), averaged, word)
    made["power"] = ("frequency", power, {"units": UNITS[word], "long_name": f"Power, {word}"})
    made["power_error"] = (
        "frequency",
        power / np.sqrt(averaged),
        {"units": UNITS[word], "long_name": "1σ error of the power"},
    )
    made["noise_level"] = ((), noise_of(word, rate) * scale, _noise_attrs(word))
    made["rate"] = ((), rate, {"units": "ct s-1", "long_name": f"Count rate, {cut.band}"})
    if word == "fractional" and behind:
        made["background_rate"] = ((), behind, {"units": "ct s-1", "long_name": "Count rate of the background"})
    _warn_of_dead_time(np.asarray(table["unnorm_power"]) * 2 / float(table.meta["nphots"]), used)
    made.attrs |= attrs_of(cut, used)
    step = f"xray.power_spectrum: {word}, {described(cut, used)}"
    also = datasets(cut.intervals)
    title = titled("Power spectrum", cut.listed)
    return check(derived(made, cut.listed, title=title, step=step, references=[*CITED[word], STINGRAY], also=also))


def dynamical_power_spectrum(
    data: xr.DataTree | xr.Dataset,
    bin_size: Amount | None = None,
    *,
    segment: Amount,
    normalization: Normalization = "leahy",
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    """Return the power spectrum of each piece of the good time intervals: power in time and frequency.

    Parameters
    ----------
    data, bin_size, segment, band
        As for :func:`power_spectrum`.
    normalization : {"leahy", "fractional", "absolute"}
        By the counts of each piece, not of all of them.

    Returns
    -------
    xarray.Dataset
        On ``time`` (UTC, middles of the pieces) and ``frequency`` (Hz): ``power``, NaN in a piece with fewer
        than two events; on ``time`` ``rate`` and ``noise_level``, and the coordinate ``seconds`` (mission
        clock). One power has a standard deviation as large as its mean.

    Raises
    ------
    BadOption, OutsideCoverage, WrongData
        As for :func:`power_spectrum`.

    References
    ----------
    van der Klis (1989), in *Timing Neutron Stars*; stingray: Huppenkothen et al. (2019), ApJ 881, 39.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("100 ct/s", "5 Hz", gti=[(0, 64)], pulsed_fraction=0.8, seed=1)
    >>> found = xray.dynamical_power_spectrum(pulsar, "20 ms", segment="8 s")
    >>> set(found.power.idxmax("frequency").values.tolist())
    {5.0}
    """
    from stingray.fourier import avg_pds_from_iterable

    word = normalization_word(normalization, "dynamical_power_spectrum")
    cut = pieces(data, "dynamical_power_spectrum", bin_size=bin_size, segment=segment, band=band)
    middles = cut.starts + cut.length / 2
    power = np.full((middles.size, (cut.bins - 1) // 2), np.nan)
    rate = np.full(middles.size, np.nan)
    frequency = np.arange(1, power.shape[1] + 1) / cut.length
    with quiet():
        for index, row in enumerate(rows(cut)):
            if row is not None and row.any():
                table = avg_pds_from_iterable([row], cut.bin_size, norm=NORMS[word], silent=True)
                power[index], rate[index] = table["power"], row.sum() / cut.length
    used = int(np.isfinite(rate).sum())
    if not used:
        raise OutsideCoverage("dynamical_power_spectrum: no piece holds two events; take a longer segment")
    clock = clock_of(cut.listed) if cut.counts is None else clock_of_curve(cut.listed)
    made = xr.Dataset(
        {
            "power": (("time", "frequency"), power, {"units": UNITS[word], "long_name": f"Power, {word}"}),
            "rate": ("time", rate, {"units": "ct s-1", "long_name": f"Count rate, {cut.band}"}),
            "noise_level": ("time", noise_of(word, rate) * np.ones_like(rate), _noise_attrs(word)),
        },
        coords={
            "time": ("time", utc_of_clock(middles, **clock), {"long_name": "Time, middle of the piece (UTC)"}),
            "seconds": ("time", middles, {"units": "s", "long_name": "Mission time, middle of the piece", **clock}),
            "frequency": ("frequency", frequency, {"units": "Hz", "long_name": "Frequency"}),
        },
        attrs={"normalization": word} | attrs_of(cut, used),
    )
    step = f"xray.dynamical_power_spectrum: {word}, {described(cut, used)}"
    title = titled("Power in time and frequency", cut.listed)
    references = [*CITED[word], STINGRAY]
    return check(derived(made, cut.listed, title=title, step=step, references=references, also=datasets(cut.intervals)))


def integrated_rms(
    spectrum: xr.Dataset, frequencies: tuple[Amount, Amount], *, noise_level: float | None = None
) -> xr.Dataset:
    r"""Return the variability in a range of frequencies, :math:`\sqrt{\sum (P - P_{noise}) \Delta f}`.

    Parameters
    ----------
    spectrum : xarray.Dataset
        As :func:`power_spectrum` gives it, rebinned or not.
    frequencies : (low, high)
        Powers with low ≤ middle of the bin < high; bare numbers are in Hz. ``attrs`` say which range the bins
        taken cover.
    noise_level : float, optional
        Power of the noise, in the spectrum's own normalization; left out, that of Poisson counts without dead
        time.

    Returns
    -------
    xarray.Dataset
        ``rms`` and ``rms_error`` (fraction of the mean, or ct s-1 for "absolute"), ``variance`` and
        ``variance_error``, their squares' sum, which may be negative where noise prevails: ``rms`` is NaN then.
        "leahy" is turned into "fractional".

    Raises
    ------
    BadOption, OutsideCoverage
        If the range cannot be read, or no power lies in it.
    WrongData
        If the dataset is no power spectrum.

    Notes
    -----
    The error is that of averaged powers, :math:`\sqrt{\sum (P \Delta f)^2 / m}`, over 2 rms; it is unsound for few
    averaged powers (below about 30) and where rms is not well above its error.

    References
    ----------
    van der Klis (1989), in *Timing Neutron Stars*; Uttley et al. (2014), A&A Rev. 22, 72.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("200 ct/s", "5 Hz", gti=[(0, 640)], pulsed_fraction=0.5, seed=1)
    >>> found = xray.integrated_rms(xray.power_spectrum(pulsar, "20 ms", segment="10 s"), ("4.8 Hz", "5.2 Hz"))
    >>> bool(abs(found.rms - 0.5 / 2**0.5) < 0.03)  # a sine of 50 % has an rms of 35 %; bins smear 2 % of it
    True
    """
    held = as_dataset(spectrum, "integrated_rms")
    word = held.attrs.get("normalization")
    if word not in NORMS or "frequency" not in held.dims:
        raise WrongData("integrated_rms needs a spectrum as xray.power_spectrum gives it (attrs['normalization'])")
    low, high = frequency_range(frequencies, "integrated_rms")
    middle, width = (variable(held, name, "integrated_rms").values for name in ("frequency", "frequency_width"))
    taken = (middle >= low) & (middle < high)
    if not taken.any():
        raise OutsideCoverage(
            f"integrated_rms: no power lies in {low:g} to {high:g} Hz; they go from {middle[0]:g} to {middle[-1]:g} Hz"
        )
    # Leahy power over the rate is power of the fraction (van der Klis 1989)
    scale = 1 / float(variable(held, "rate", "integrated_rms")) if word == "leahy" else 1.0
    noise = float(held["noise_level"]) if noise_level is None else amount(noise_level, "1", "noise_level", bare=True)
    power, m = held["power"].values[taken], held["powers_averaged"].values[taken]
    variance = float(((power - noise) * width[taken]).sum() * scale)
    error = float(np.sqrt((power**2 * width[taken] ** 2 / m).sum()) * scale)
    rms = np.sqrt(variance) if variance > 0 else np.nan
    units, square = ("ct s-1", "ct2 s-2") if word == "absolute" else ("1", "1")
    first, last = middle[taken][0] - width[taken][0] / 2, middle[taken][-1] + width[taken][-1] / 2
    made = xr.Dataset(
        {
            "rms": ((), rms, {"units": units, "long_name": "rms of the variability"}),
            "rms_error": ((), error / (2 * rms), {"units": units, "long_name": "1σ error of the rms"}),
            "variance": ((), variance, {"units": square, "long_name": "Variance above the noise"}),
            "variance_error": ((), error, {"units": square, "long_name": "1σ error of the variance"}),
        },
        attrs={"frequency_low": float(first), "frequency_high": float(last), "frequency_units": "Hz"},
    )
    step = f"xray.integrated_rms: {first:g} to {last:g} Hz, {int(taken.sum())} powers, noise {noise:g} taken off"
    references = [VAN_DER_KLIS, UTTLEY]
    return check(derived(made, held, title=f"rms, {first:g}-{last:g} Hz", step=step, references=references))


def _averaged(cut: Pieces, word: str) -> tuple[Any, int]:  # an astropy Table
    from stingray.fourier import avg_pds_from_iterable

    with quiet():
        table = avg_pds_from_iterable(rows(cut), cut.bin_size, norm=NORMS[word], silent=True)
    if table is None:
        raise OutsideCoverage("power_spectrum: no segment holds two events; take longer segments")
    used = int(table.meta["m"])
    warn_of_empty(len(cut.starts), used, "power_spectrum")
    return table, used


def _spectrum(frequency: np.ndarray, width: np.ndarray, averaged: np.ndarray, word: str) -> xr.Dataset:
    return xr.Dataset(
        {
            "powers_averaged": ("frequency", averaged, {"units": "1", "long_name": "Powers averaged in the bin"}),
            "frequency_width": ("frequency", width, {"units": "Hz", "long_name": "Width of the frequency bin"}),
        },
        coords={"frequency": ("frequency", frequency, {"units": "Hz", "long_name": "Frequency"})},
        attrs={"normalization": word},
    )


def _background(background_rate: Amount, rate: float, word: str) -> float:
    behind = amount(background_rate, "ct s-1", "background_rate", bare=True)
    if behind and word != "fractional":
        raise BadOption("power_spectrum: background_rate= is for normalization='fractional'")
    if not 0 <= behind < rate:
        raise BadOption(f"background_rate={behind:g} ct/s is not from 0 to the rate of all events, {rate:g} ct/s")
    return behind


def _warn_of_dead_time(leahy: np.ndarray, used: int) -> None:
    """Warn if the upper half of the frequencies is quieter than counting alone would be."""
    upper = leahy[leahy.size // 2 :]
    mean, error = float(upper.mean()), 2 / np.sqrt(used * upper.size)
    if mean < 2 - LOW * error:
        warnings.warn(
            f"power_spectrum: at high frequencies the Leahy power is {mean:.4f} ± {error:.4f}, not the 2 of Poisson "
            "counts: dead time (or pile-up) makes the noise depend on frequency; take the noise off as measured "
            "(xray.integrated_rms(noise_level=…)), or use the cross spectrum of two detectors",
            AnalysisWarning,
            stacklevel=3,
        )


def _noise_attrs(word: str) -> dict[str, str]:
    return {"units": UNITS[word], "long_name": "Power of Poisson noise without dead time"}

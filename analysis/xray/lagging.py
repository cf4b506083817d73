"""Lags and coherence with their errors, from averaged cross and power spectra."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning
from analysis.xray.normalizing import UNITS, noise_of
from analysis.xray.segmenting import quiet

MANY = 500  # powers averaged above which the bias of the noise is left, as stingray does
FEW = 30  # powers averaged below which errors of lags and coherence are not to be relied on


def lags_of(
    cross: np.ndarray,
    power: np.ndarray,
    reference_power: np.ndarray,
    averaged: np.ndarray,
    *,
    rates: tuple[float, float],
    word: str,
    frequency: np.ndarray,
    width: np.ndarray,
) -> xr.Dataset:
    """Lags and coherence of averaged powers, by stingray's formulae."""
    from stingray.fourier import error_on_averaged_cross_spectrum, raw_coherence

    if averaged.min() < FEW:
        warnings.warn(
            f"cross_spectrum: down to {averaged.min():.0f} powers are averaged; errors of lags and coherence are sound "
            f"for {FEW} or more: take shorter segments, or xray.log_rebinned",
            AnalysisWarning,
            stacklevel=3,
        )
    noise, reference_noise = (float(noise_of(word, rate)) for rate in rates)
    with quiet():
        real_error, imaginary_error, phase_error, _ = error_on_averaged_cross_spectrum(
            cross, power, reference_power, averaged, noise, reference_noise
        )
        raw, raw_error = _raw(raw_coherence, cross, power, reference_power, noise, reference_noise, averaged)
        intrinsic = _intrinsic(np.abs(cross) ** 2, power, reference_power, noise, reference_noise, averaged)
        intrinsic_error = coherence_error(intrinsic, power, reference_power, noise, reference_noise, averaged)
    phase = np.angle(cross)
    to_time = 1 / (2 * np.pi * frequency)
    units = UNITS[word]
    table = {
        "cospectrum": (cross.real, units, "Cospectrum"),
        "cospectrum_error": (real_error, units, "1σ error of the cospectrum"),
        "quadrature": (cross.imag, units, "Quadrature spectrum"),
        "quadrature_error": (imaginary_error, units, "1σ error of the quadrature spectrum"),
        "power": (power, units, f"Power of the band, {word}"),
        "reference_power": (reference_power, units, f"Power of the reference, {word}"),
        "phase_lag": (phase, "rad", "Phase lag, positive: the band comes after the reference"),
        "phase_lag_error": (phase_error, "rad", "1σ error of the phase lag"),
        "time_lag": (phase * to_time, "s", "Time lag, positive: the band comes after the reference"),
        "time_lag_error": (phase_error * to_time, "s", "1σ error of the time lag"),
        "coherence": (intrinsic, "1", "Coherence, noise taken off"),
        "coherence_error": (intrinsic_error, "1", "1σ error of the coherence"),
        "raw_coherence": (raw, "1", "Coherence, noise included"),
        "raw_coherence_error": (raw_error, "1", "1σ error of the raw coherence"),
        "powers_averaged": (averaged, "1", "Powers averaged in the bin"),
        "frequency_width": (width, "Hz", "Width of the frequency bin"),
    }
    made = xr.Dataset(
        {
            name: ("frequency", np.where(np.isfinite(values), values, np.nan), {"units": unit, "long_name": label})
            for name, (values, unit, label) in table.items()
        },
        coords={"frequency": ("frequency", frequency, {"units": "Hz", "long_name": "Frequency"})},
        attrs={"normalization": word},
    )
    numbers = {
        "noise_level": (noise, units, "Power of the band's Poisson noise without dead time"),
        "reference_noise_level": (reference_noise, units, "Power of the reference's Poisson noise without dead time"),
        "rate": (rates[0], "ct s-1", "Count rate of the band"),
        "reference_rate": (rates[1], "ct s-1", "Count rate of the reference"),
    }
    for name, (value, unit, label) in numbers.items():
        made[name] = ((), value, {"units": unit, "long_name": label})
    return made


def _raw(coherence, cross, power, reference_power, noise, reference_noise, averaged):
    """Raw coherence and the error of Bendat & Piersol, √(2/m) (1 - γ²) |γ|; stingray's wants numbers one by one."""
    raw = coherence(cross, power, reference_power, noise, reference_noise, averaged)
    return raw, np.sqrt(2 * raw / averaged) * np.abs(1 - raw)


def _intrinsic(
    squared: np.ndarray,
    power: np.ndarray,
    reference_power: np.ndarray,
    noise: float,
    reference_noise: float,
    averaged: np.ndarray,
) -> np.ndarray:
    """Vaughan & Nowak (1997): bias and noise taken off; NaN where a power is not 3 σ above its noise.

    As stingray's ``intrinsic_coherence``, which takes seconds to compile at its first call.
    """
    source, other = power - noise, reference_power - reference_noise
    bias = np.where(averaged > MANY, 0.0, _bias(source, other, noise, reference_noise, averaged))
    loud = (source > 3 * noise / np.sqrt(averaged)) & (other > 3 * reference_noise / np.sqrt(averaged))
    return np.where(loud, np.maximum(squared - bias, 0.0) / (source * other), np.nan)


def _bias(
    source: np.ndarray, other: np.ndarray, noise: float, reference_noise: float, averaged: np.ndarray
) -> np.ndarray:
    """What noise adds to the squared modulus of a cross spectrum of coherent signals."""
    return (source * reference_noise + other * noise + noise * reference_noise) / averaged


def coherence_error(
    coherence: np.ndarray,
    power: np.ndarray,
    reference_power: np.ndarray,
    noise: float,
    reference_noise: float,
    averaged: np.ndarray,
) -> np.ndarray:
    r"""Return the 1σ error of a coherence that is free of noise.

    To first order in 1/m, for normal signals and noise, with r = N/S of each band and γ² the coherence:
    :math:`m\,(\delta\gamma^2/\gamma^2)^2 = (r_1 + r_2)^2 + 2 (1 - \gamma^2)^2/\gamma^2
    + 2 (1 - \gamma^2)/\gamma^2\,(r_1 + r_2 + r_1 r_2)`. Vaughan & Nowak (1997), eq. 8, have :math:`r_1^2 + r_2^2` and
    no last term: 30 % less than simulations scatter. Without coherence there remains the mean of what is random.

    Examples
    --------
    >>> coherence_error(np.array([1.0]), np.array([1.1]), np.array([1.1]), 0.1, 0.1, np.array([400.0])).round(6)
    array([0.01])
    """
    ours, theirs = noise / (power - noise), reference_noise / (reference_power - reference_noise)
    held = np.clip(coherence, 1e-6, 1.0)
    relative = (ours + theirs) ** 2 + 2 * (1 - held) ** 2 / held
    relative += 2 * (1 - held) / held * (ours + theirs + ours * theirs)
    random = (1 - held) ** 2 * (1 + ours) * (1 + theirs) / averaged
    return np.sqrt(coherence**2 * relative / averaged + random**2)

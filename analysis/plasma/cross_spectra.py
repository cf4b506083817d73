"""Cross-spectral matrices of several spacecraft, by Welch's method."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, BadTime, OutsideCoverage, WrongData
from analysis.plasma.inputs import is_number


def cross_spectra(
    field: xr.DataArray, segment: int, overlap: float, step: float, band: tuple[float, float] | None
) -> tuple[int, np.ndarray, np.ndarray, int]:
    """Return how many segments there are, M (frequency, 3N, 3N) per Hz, the frequencies, and how many were used."""
    length = field.sizes["time"]
    if not isinstance(segment, int | np.integer) or isinstance(segment, bool) or not segment >= 8:
        raise BadOption(f"segment={segment!r} is not a whole number of samples, 8 or more")
    if length < segment:
        raise BadTime(f"{length} samples are less than a segment of {segment}; give a shorter segment=")
    if not is_number(overlap) or not 0 <= overlap < 1:
        raise BadOption(f"overlap={overlap!r} is not a part of a segment, 0 to below 1")
    frequency = np.fft.rfftfreq(segment, step)
    wanted = (frequency > 0) & (np.arange(frequency.size) * 2 < segment)
    if band is not None:
        low, high = _band(band)
        wanted &= (frequency >= low) & (frequency <= high)
        if not wanted.any():
            raise OutsideCoverage(
                f"no frequency lies between {low:g} and {high:g} Hz: they go from {frequency[1]:.4g} to "
                f"{frequency[-1]:.4g} Hz in steps of {frequency[1]:.4g} Hz"
            )
    hop = max(1, round(segment * (1 - overlap)))
    starts = np.arange(0, length - segment + 1, hop)
    series = np.asarray(field.values, float).transpose(1, 0, 2).reshape(length, -1)
    pieces = np.lib.stride_tricks.sliding_window_view(series, segment, axis=0)[starts]  # (segment, 3N, sample)
    whole = np.isfinite(pieces).all(axis=(1, 2))
    if not whole.any():
        raise WrongData(f"every one of {starts.size} segments of {segment} samples holds a NaN")
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(segment) / segment))
    pieces = pieces[whole]
    lines = np.fft.rfft((pieces - pieces.mean(axis=-1, keepdims=True)) * window, axis=-1)[..., wanted]
    lines = np.conj(lines).transpose(2, 1, 0)  # conjugate: waves go as exp(-i omega t) here, numpy's as exp(+)
    scale = 2 * step / np.sum(window**2) / lines.shape[2]
    return starts.size, scale * (lines @ np.conj(lines).transpose(0, 2, 1)), frequency[wanted], lines.shape[2]


def even_step(times: np.ndarray) -> float:
    """Return the step of even times in seconds, or refuse uneven ones.

    Examples
    --------
    >>> even_step(np.array(["2030-01-01T00:00:00", "2030-01-01T00:00:02"], "datetime64[ns]"))
    2.0
    """
    if times.size < 2 or np.isnat(times).any():
        raise BadTime(f"{times.size} times (or NaT among them) have no step")
    seconds = (times - times[0]).astype("timedelta64[ns]").astype("int64") / 1e9
    step = float(seconds[-1] / (times.size - 1))
    off = float(np.abs(seconds - step * np.arange(times.size)).max())
    if not step > 0 or off > step / 10:
        raise BadTime(
            f"times are not even: one is {off:.4g} s off a step of {step:.4g} s; bring b to even times, for "
            "example b.interp(time=...), and leave gaps NaN"
        )
    return step


def _band(band: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in band)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not 0 <= low <= high:
        raise BadOption(f"band={band!r} is not a lowest and a highest frequency in Hz")
    return low, high

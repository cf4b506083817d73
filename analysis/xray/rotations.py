"""What functions of pulsations share: good events since an epoch, their phases, and the good time in each phase.

The phase is f t + ḟ t²/2 with t since an epoch: 0 at the epoch. Times must be barycentred first (and freed of a
binary orbit): nothing here moves a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage
from analysis.xray.inputs import Amount, amount, band_of, events_and_gti, in_band
from analysis.xray.intervals import clock_of, inside, merged
from analysis.xray.segmenting import event_times, positive, time_resolution


@dataclass(frozen=True)
class Pulses:
    """Good events since an epoch, and the good times since it."""

    times: np.ndarray
    gti: np.ndarray
    epoch: float
    listed: xr.Dataset
    intervals: xr.Dataset
    band: str
    note: str


def pulses(
    events: xr.DataTree,
    what: str,
    *,
    epoch: Amount | None,
    band: tuple[Amount, Amount] | None,
) -> Pulses:
    """Return the events in good time and in a band, and the good times, both since an epoch.

    Raises
    ------
    OutsideCoverage
        If there is none.
    """
    listed, gti = events_and_gti(events, what)
    times = event_times(listed, what)
    good = inside(gti, times)
    kept = np.sort(times[good & in_band(listed, band, what)])
    if not kept.size:
        raise OutsideCoverage(f"{what}: no event in good time in {band_of(listed, band)}")
    start, stop = merged(gti)
    zero = epoch_of(epoch, listed, float(start[0]))
    note = f"{int(np.count_nonzero(~good))} events outside the good times left out"
    return Pulses(kept - zero, np.column_stack((start, stop)) - zero, zero, listed, gti, band_of(listed, band), note)


def epoch_of(epoch: Amount | None, listed: xr.Dataset, start: float) -> float:
    """Return an epoch in seconds of the mission's clock; the start for None.

    Raises
    ------
    BadOption
        If it is neither seconds nor ``"MJD …"``.
    """
    if epoch is None:
        return float(start)
    if isinstance(epoch, str) and (found := re.fullmatch(r"\s*MJD\s*(\d+)(\.\d*)?\s*", epoch, re.IGNORECASE)):
        clock = clock_of(listed)
        whole = int(found[1]) - clock["mjdref"]  # whole days first: 55000.1 as one float is good to 0.6 µs only
        return float(whole * 86400 + (float(found[2] or 0) - clock["mjdref_fraction"]) * 86400)
    try:
        return amount(epoch, "s", "epoch", bare=True)
    except BadOption as error:
        raise error.and_more(
            "(an epoch is seconds of the mission's clock, or 'MJD 55000.25' in its time system)"
        ) from error


def rotation_of(frequency: Amount, derivative: Amount, what: str) -> tuple[float, float]:
    """Return frequency in Hz and its derivative in Hz/s.

    Raises
    ------
    BadOption
        If the frequency is not positive.
    """
    spin = positive(frequency, "Hz", what, "frequency")
    return spin, amount(derivative, "Hz s-1", "frequency_derivative", bare=True)


def harmonic_sums(phase: np.ndarray, harmonics: int) -> np.ndarray:
    """Return Σ exp(2πi k φ) over the events, for k from 1.

    Examples
    --------
    >>> harmonic_sums(np.array([0.0, 0.5]), 2).real.round(9).tolist()
    [0.0, 2.0]
    """
    first = np.exp(2j * np.pi * phase)
    term, found = np.ones_like(first), np.empty(harmonics, dtype=complex)
    for k in range(harmonics):
        term = term * first
        found[k] = term.sum()
    return found


def phase_exposure(gti: np.ndarray, spin: float, slowing: float, bins: int) -> np.ndarray:
    """Return the good seconds in each bin of phase, exact for a constant frequency in each interval.

    Examples
    --------
    >>> phase_exposure(np.array([[0.0, 0.75]]), 1.0, 0.0, 4).round(12).tolist()
    [0.25, 0.25, 0.25, 0.0]
    """
    turns = gti * (spin + 0.5 * slowing * gti)
    edges = np.arange(bins) / bins
    whole = np.floor(turns)
    # turns spent in each bin from turn 0 to the ends: one bin's width a whole turn, and what is left of the last
    spent = whole[..., None] / bins + np.clip((turns - whole)[..., None] - edges, 0, 1 / bins)
    passed = np.abs(turns[:, 1] - turns[:, 0])
    seconds = np.divide(gti[:, 1] - gti[:, 0], passed, out=np.zeros(len(gti)), where=passed > 0)
    return (np.abs(spent[:, 1] - spent[:, 0]) * seconds[:, None]).sum(axis=0)


def refuse_beyond_frames(listed: xr.Dataset, spin: float, what: str) -> None:
    """Refuse a frequency beyond half the inverse of the time resolution: it would be an alias.

    Raises
    ------
    BadOption
        Naming both.
    """
    frame = time_resolution(listed)
    if frame is not None and spin > 0.5 / frame:
        raise BadOption(
            f"{what}: {spin:g} Hz is beyond {0.5 / frame:g} Hz, half the inverse of the time resolution TIMEDEL = "
            f"{frame:g} s; what is found there is an alias"
        )


def rotation_attrs(spin: float, slowing: float, held: Pulses) -> dict[str, float | str]:
    """Return the attributes that say how phases were computed."""
    return {
        "frequency": spin,
        "frequency_units": "Hz",
        "frequency_derivative": slowing,
        "frequency_derivative_units": "Hz s-1",
        "epoch": held.epoch,
        "epoch_units": "s",
        "band": held.band,
    }


def rotation_told(spin: float, slowing: float, held: Pulses) -> str:
    """Return how phases were computed as a part of a line of history."""
    return f"f = {spin:.12g} Hz, fdot = {slowing:g} Hz/s at {held.epoch:.6f} s, {held.band}; {held.note}"


def whole_number(value: int, name: str, least: int, most: int) -> int:
    """Return a whole number within limits.

    Raises
    ------
    BadOption
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise BadOption(f"{name}={value!r} is not a whole number from {least} to {most}")
    return int(value)


def phase_of(since: np.ndarray, spin: float, slowing: float) -> np.ndarray:
    """Return phases in [0, 1) of times since the epoch.

    Examples
    --------
    >>> phase_of(np.array([0.0, 0.75, -0.25]), 1.0, 0.0).tolist()
    [0.0, 0.75, 0.75]
    """
    turns = since * (spin + 0.5 * slowing * since)
    phase = turns - np.floor(turns)
    return np.where(phase < 1, phase, 0.0)


def on(dim: str, values: np.ndarray, units: str, long_name: str) -> tuple[str, np.ndarray, dict[str, str]]:
    """Return values along a dim with their labels, as xr.Dataset takes them."""
    return dim, values, {"units": units, "long_name": long_name}

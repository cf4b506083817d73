"""Pulsations at a known frequency: phases, folded profiles and phaseograms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage
from analysis.model import check, derived, labelled, utc_of_clock
from analysis.xray.chances import log_chi_squared
from analysis.xray.inputs import Amount, datasets, events_and_gti, synthetic_of, titled
from analysis.xray.intervals import clock_of, merged, poisson_error
from analysis.xray.rotations import (
    epoch_of,
    on,
    phase_exposure,
    phase_of,
    pulses,
    refuse_beyond_frames,
    rotation_attrs,
    rotation_of,
    rotation_told,
    whole_number,
)
from analysis.xray.segmenting import event_times, positive

LEAHY = "Leahy et al. (1983), ApJ 266, 160, doi:10.1086/160766"


def pulse_phases(
    events: xr.DataTree,
    frequency: Amount,
    *,
    frequency_derivative: Amount = 0.0,
    epoch: Amount | None = None,
) -> xr.DataArray:
    """Return the rotational phase of each event, in [0, 1), row by row beside time, energy and pi.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` and ``gti``; barycentred.
    frequency, frequency_derivative : float or value with units
        At the epoch; bare numbers are in Hz and Hz/s.
    epoch : float, value with units, or text, optional
        Where the phase is 0: seconds of the mission's clock, or ``"MJD 55000.25"`` in the list's own time
        system. Left out, the start of the first good time interval.

    Returns
    -------
    xarray.DataArray
        ``phase`` on ``event``, of every event, in good time or not: ``tree["events"].assign(phase=…)``.

    Raises
    ------
    BadOption
        If the frequency is not positive, or the epoch cannot be read.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("20 ct/s", "2 Hz", gti=[(0, 100)], seed=1)
    >>> phase = xray.pulse_phases(pulsar, "2 Hz")
    >>> phase.dims, bool(abs(phase[0] - (2 * pulsar["events"].time[0]) % 1) < 1e-9)
    (('event',), True)
    """
    what = "pulse_phases"
    listed, gti = events_and_gti(events, what)
    spin, slowing = rotation_of(frequency, frequency_derivative, what)
    zero = epoch_of(epoch, listed, merged(gti)[0][0])
    phase = phase_of(event_times(listed, what) - zero, spin, slowing)
    attrs = {"epoch": zero, "frequency": spin, "frequency_derivative": slowing, **synthetic_of(listed)}
    made = xr.DataArray(phase, dims="event")
    return labelled(made, "phase", units="1", long_name="Rotational phase", attrs=attrs)


def pulse_profile(
    events: xr.DataTree,
    frequency: Amount,
    *,
    frequency_derivative: Amount = 0.0,
    epoch: Amount | None = None,
    bins: int = 16,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    r"""Return the folded pulse profile: counts and rate in bins of phase, each divided by the good time in it.

    Parameters
    ----------
    events, frequency, frequency_derivative, epoch
        As for :func:`pulse_phases`.
    bins : int
        From 3 to 1,000.
    band : (low, high), optional
        Events with low ≤ energy < high, in keV.

    Returns
    -------
    xarray.Dataset
        On ``phase`` (middles): ``counts``, ``exposure`` (good seconds in the bin, exactly from the intervals),
        ``rate`` and ``rate_error`` (√N; NaN without exposure). Numbers: ``pulsed_fraction``, the semi-amplitude of
        the first harmonic over the mean, which for a sine is (max - min)/(max + min); its error √(2/N); and
        ``peak_phase``, where the first harmonic is brightest. ``chi_squared`` of a constant rate, and its
        ``log_probability`` (natural, one trial, bins - 1 degrees of freedom).

    Raises
    ------
    BadOption, OutsideCoverage
        If an option cannot be, or no event is left.

    Notes
    -----
    Background is not taken off: it lowers the pulsed fraction. Amplitudes are freed of the smearing by bins. Where
    nothing pulses, the pulsed fraction is about its error, not 0.

    References
    ----------
    Leahy et al. (1983), ApJ 266, 160.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("100 ct/s", "2 Hz", gti=[(0, 400)], pulsed_fraction=0.3, phase=0.25, seed=1)
    >>> found = xray.pulse_profile(pulsar, "2 Hz")
    >>> bool(abs(found.pulsed_fraction - 0.3) < 0.03), bool(abs(found.peak_phase - 0.25) < 0.02)
    (True, True)
    """
    what = "pulse_profile"
    number = whole_number(bins, "bins", 3, 1000)
    spin, slowing = rotation_of(frequency, frequency_derivative, what)
    held = pulses(events, what, epoch=epoch, band=band)
    refuse_beyond_frames(held.listed, spin, what)
    if held.times.size < 2:
        raise OutsideCoverage(f"{what}: one event has no profile")
    phase = phase_of(held.times, spin, slowing)
    counts = np.bincount(np.minimum((phase * number).astype(np.int64), number - 1), minlength=number)
    middle = (np.arange(number) + 0.5) / number
    exposure = phase_exposure(held.gti, spin, slowing, number)
    seen = np.where(exposure > 0, exposure, np.nan)
    rate, error = counts / seen, poisson_error(counts) / seen
    expected = held.times.size * exposure / exposure.sum()
    used = exposure > 0
    chi = float(((counts - expected)[used] ** 2 / expected[used]).sum())
    chance = float(log_chi_squared(np.array(chi), max(int(used.sum()) - 1, 1)))
    fraction, peak = _first_harmonic(rate, middle)
    numbers = {
        "pulsed_fraction": (fraction, "1", "Pulsed fraction, semi-amplitude of the first harmonic over the mean"),
        "pulsed_fraction_error": (float(np.sqrt(2 / held.times.size)), "1", "1σ error of the pulsed fraction"),
        "peak_phase": (peak, "1", "Phase of the first harmonic's maximum"),
        "chi_squared": (chi, "1", "χ² of a constant rate"),
        "log_probability": (chance, "1", "ln P of as large a χ² by chance"),
    }
    made = xr.Dataset(
        {
            "rate": on("phase", rate, "ct s-1", f"Count rate, {held.band}"),
            "rate_error": on("phase", error, "ct s-1", "1σ error of the count rate"),
            "counts": on("phase", counts, "ct", "Counts"),
            "exposure": on("phase", exposure, "s", "Good time in the bin"),
            **{
                name: ((), value, {"units": unit, "long_name": label}) for name, (value, unit, label) in numbers.items()
            },
        },
        coords={"phase": on("phase", middle, "1", "Rotational phase")},
        attrs=rotation_attrs(spin, slowing, held),
    )
    step = f"xray.pulse_profile: {number} bins, {rotation_told(spin, slowing, held)}"
    title = titled("Pulse profile", held.listed)
    return check(derived(made, held.listed, title=title, step=step, references=[LEAHY], also=datasets(held.intervals)))


def phaseogram(
    events: xr.DataTree,
    frequency: Amount,
    *,
    frequency_derivative: Amount = 0.0,
    epoch: Amount | None = None,
    bins: int = 16,
    time_step: Amount,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    """Return the pulse profile in steps of time: where a wrong frequency or a glitch makes the pulses drift.

    Parameters
    ----------
    events, frequency, frequency_derivative, epoch, bins, band
        As for :func:`pulse_profile`.
    time_step : float or value with units
        Length of the steps; a bare number is in seconds. Steps without any good time are left out.

    Returns
    -------
    xarray.Dataset
        On ``time`` (UTC, middles of the steps) and ``phase``: ``counts``, ``exposure`` and ``rate``, NaN where
        there is no good time. Pulses that move to later phases rotate more slowly than the frequency given.

    Raises
    ------
    BadOption, OutsideCoverage
        If an option cannot be, or no event is left.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("50 ct/s", "2 Hz", gti=[(0, 400)], seed=1)
    >>> xray.phaseogram(pulsar, "2 Hz", time_step="50 s").counts.shape
    (8, 16)
    """
    what = "phaseogram"
    number = whole_number(bins, "bins", 3, 1000)
    length = positive(time_step, "s", what, "time_step")
    spin, slowing = rotation_of(frequency, frequency_derivative, what)
    held = pulses(events, what, epoch=epoch, band=band)
    refuse_beyond_frames(held.listed, spin, what)
    begin, end = held.gti[0, 0], held.gti[-1, 1]
    steps = max(1, int(np.ceil((end - begin) / length * (1 - 1e-12))))
    if steps * number > 10_000_000:
        raise BadOption(f"{what}: time_step={time_step!r} makes {steps} steps; take longer ones")
    edges = begin + length * np.arange(steps + 1)
    row = np.clip(((held.times - begin) / length).astype(np.int64), 0, steps - 1)
    column = np.minimum((phase_of(held.times, spin, slowing) * number).astype(np.int64), number - 1)
    counts = np.bincount(row * number + column, minlength=steps * number).reshape(steps, number)
    exposure = np.stack(
        [
            phase_exposure(part, spin, slowing, number) if len(part) else np.zeros(number)
            for part in (_within(held.gti, low, high) for low, high in pairwise(edges))
        ]
    )
    lit = exposure.sum(axis=1) > 0
    counts, exposure, middles = counts[lit], exposure[lit], ((edges[:-1] + edges[1:]) / 2)[lit] + held.epoch
    rate = counts / np.where(exposure > 0, exposure, np.nan)
    clock, both = clock_of(held.listed), ("time", "phase")
    made = xr.Dataset(
        {
            "rate": (both, rate, {"units": "ct s-1", "long_name": f"Count rate, {held.band}"}),
            "counts": (both, counts, {"units": "ct", "long_name": "Counts"}),
            "exposure": (both, exposure, {"units": "s", "long_name": "Good time in the bin"}),
        },
        coords={
            "time": ("time", utc_of_clock(middles, **clock), {"long_name": "Time, middle of the step (UTC)"}),
            "seconds": ("time", middles, {"units": "s", "long_name": "Mission time, middle of the step", **clock}),
            "phase": on("phase", (np.arange(number) + 0.5) / number, "1", "Rotational phase"),
        },
        attrs=rotation_attrs(spin, slowing, held) | {"time_step": length, "time_step_units": "s"},
    )
    step = f"xray.phaseogram: {number} bins, steps of {length:g} s, {rotation_told(spin, slowing, held)}"
    title = titled("Phaseogram", held.listed)
    return check(derived(made, held.listed, title=title, step=step, also=datasets(held.intervals)))


def _within(gti: np.ndarray, low: float, high: float) -> np.ndarray:
    cut = np.clip(gti, low, high)
    return cut[cut[:, 1] > cut[:, 0]]


def _first_harmonic(rate: np.ndarray, middle: np.ndarray) -> tuple[float, float]:
    """Semi-amplitude over the mean and phase of the maximum, the bins' smearing undone."""
    if not np.isfinite(rate).all() or not rate.sum() > 0 or rate.size < 3:
        return np.nan, np.nan
    smeared = np.sin(np.pi / rate.size) / (np.pi / rate.size)
    term = (rate * np.exp(2j * np.pi * middle)).sum() / rate.sum()
    return float(2 * np.abs(term) / smeared), float(np.angle(term) / (2 * np.pi) % 1)

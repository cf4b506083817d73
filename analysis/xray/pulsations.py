"""Pulsations at a known frequency: phases, folded profiles, Z² and H statistics, phaseograms.

The phase is f t + ḟ t²/2 with t since an epoch: 0 at the epoch. Times must be barycentred first (and freed of a
binary orbit): none of these functions moves a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage
from analysis.model import check, derived, labelled, utc_of_clock
from analysis.xray.inputs import Amount, amount, band_of, datasets, events_and_gti, in_band, synthetic_of, titled
from analysis.xray.intervals import clock_of, inside, merged, poisson_error
from analysis.xray.segmenting import event_times, positive, time_resolution

BUCCHERI = "Buccheri et al. (1983), A&A 128, 245"
DE_JAGER = "de Jager, Raubenheimer & Swanepoel (1989), A&A 221, 180"
BUSCHING = "de Jager & Büsching (2010), A&A 517, L9, doi:10.1051/0004-6361/201014362"
LEAHY = "Leahy et al. (1983), ApJ 266, 160, doi:10.1086/160766"
H_SLOPE = 0.4  # P(> H) = exp(-0.4 H), de Jager & Büsching 2010
MOST_HARMONICS = 100


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
    spin, slowing = _rotation(frequency, frequency_derivative, what)
    zero = epoch_of(epoch, listed, merged(gti)[0][0])
    phase = _phase(event_times(listed, what) - zero, spin, slowing)
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
    from stingray.pulse.pulsar import fold_events
    from stingray.stats import chi2_logp

    what = "pulse_profile"
    number = whole_number(bins, "bins", 3, 1000)
    spin, slowing = _rotation(frequency, frequency_derivative, what)
    held = pulses(events, what, epoch=epoch, band=band)
    refuse_beyond_frames(held.listed, spin, what)
    if held.times.size < 2:
        raise OutsideCoverage(f"{what}: one event has no profile")
    middle, counts, _ = fold_events(held.times, spin, slowing, nbin=number)
    exposure = phase_exposure(held.gti, spin, slowing, number)
    seen = np.where(exposure > 0, exposure, np.nan)
    rate, error = counts / seen, poisson_error(counts) / seen
    expected = held.times.size * exposure / exposure.sum()
    used = exposure > 0
    chi = float(((counts - expected)[used] ** 2 / expected[used]).sum())
    fraction, peak = _first_harmonic(rate, middle)
    numbers = {
        "pulsed_fraction": (fraction, "1", "Pulsed fraction, semi-amplitude of the first harmonic over the mean"),
        "pulsed_fraction_error": (float(np.sqrt(2 / held.times.size)), "1", "1σ error of the pulsed fraction"),
        "peak_phase": (peak, "1", "Phase of the first harmonic's maximum"),
        "chi_squared": (chi, "1", "χ² of a constant rate"),
        "log_probability": (_log_chance(chi2_logp, chi, int(used.sum()) - 1), "1", "ln P of as large a χ² by chance"),
    }
    made = xr.Dataset(
        {
            "rate": _on("phase", rate, "ct s-1", f"Count rate, {held.band}"),
            "rate_error": _on("phase", error, "ct s-1", "1σ error of the count rate"),
            "counts": _on("phase", counts.astype(np.int64), "ct", "Counts"),
            "exposure": _on("phase", exposure, "s", "Good time in the bin"),
            **{
                name: ((), value, {"units": unit, "long_name": label}) for name, (value, unit, label) in numbers.items()
            },
        },
        coords={"phase": _on("phase", middle, "1", "Rotational phase")},
        attrs=rotation_attrs(spin, slowing, held),
    )
    step = f"xray.pulse_profile: {number} bins, {_described(spin, slowing, held)}"
    title = titled("Pulse profile", held.listed)
    return check(derived(made, held.listed, title=title, step=step, references=[LEAHY], also=datasets(held.intervals)))


def z_squared(
    events: xr.DataTree,
    frequency: Amount,
    *,
    frequency_derivative: Amount = 0.0,
    epoch: Amount | None = None,
    harmonics: int = 2,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    r"""Return the Rayleigh statistics :math:`Z^2_n` of the unbinned phases at one frequency, for n harmonics.

    Parameters
    ----------
    events, frequency, frequency_derivative, epoch
        As for :func:`pulse_phases`.
    harmonics : int
        The most harmonics, 1 to 100.
    band : (low, high), optional
        Events with low ≤ energy < high, in keV.

    Returns
    -------
    xarray.Dataset
        On ``harmonic`` (1 … n): ``z_squared``, summed up to this harmonic; ``log_probability``, natural
        logarithm of the chance of so much without pulsations, one trial (χ² of 2n degrees of freedom); and
        ``amplitude`` and ``peak_phase`` of this harmonic alone: :math:`1 + a_k \cos 2\pi k (\varphi - \varphi_k)`.

    Raises
    ------
    BadOption, OutsideCoverage
        If an option cannot be, or no event is left.

    Notes
    -----
    The chance holds if good time is spread evenly over phases; ``xray.pulse_search`` says how far it is.

    References
    ----------
    Buccheri et al. (1983), A&A 128, 245, eq. 2.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("20 ct/s", "2 Hz", gti=[(0, 500)], pulsed_fraction=0.3, seed=1)
    >>> bool(xray.z_squared(pulsar, "2 Hz").z_squared[0] > 300)  # about N p²/2 + 2 = 452
    True
    """
    from stingray.pulse.pulsar import z_n_events_all
    from stingray.stats import z2_n_logprobability

    what = "z_squared"
    number = whole_number(harmonics, "harmonics", 1, MOST_HARMONICS)
    spin, slowing = _rotation(frequency, frequency_derivative, what)
    held = pulses(events, what, epoch=epoch, band=band)
    refuse_beyond_frames(held.listed, spin, what)
    phase = _phase(held.times, spin, slowing)
    order, summed = z_n_events_all(phase, nmax=number)
    sums = np.array([np.exp(2j * np.pi * k * phase).mean() for k in order])
    chances = [_log_chance(z2_n_logprobability, float(z), int(n)) for n, z in zip(order, summed, strict=True)]
    made = xr.Dataset(
        {
            "z_squared": _on("harmonic", summed, "1", "Z², summed up to the harmonic"),
            "log_probability": _on("harmonic", np.array(chances), "1", "ln P of as large a Z² by chance, one trial"),
            "amplitude": _on("harmonic", 2 * np.abs(sums), "1", "Semi-amplitude of the harmonic over the mean"),
            "peak_phase": _on(
                "harmonic", np.angle(sums) / (2 * np.pi * order) % (1 / order), "1", "Phase of the harmonic's maximum"
            ),
        },
        coords={"harmonic": _on("harmonic", order, "1", "Harmonic")},
        attrs=rotation_attrs(spin, slowing, held),
    )
    step = f"xray.z_squared: {number} harmonics, {_described(spin, slowing, held)}"
    title = titled("Z²", held.listed)
    return check(
        derived(made, held.listed, title=title, step=step, references=[BUCCHERI], also=datasets(held.intervals))
    )


def h_test(
    events: xr.DataTree,
    frequency: Amount,
    *,
    frequency_derivative: Amount = 0.0,
    epoch: Amount | None = None,
    harmonics: int = 20,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    r"""Return the H statistic of the unbinned phases at one frequency, :math:`\max_n (Z^2_n - 4n + 4)`.

    Parameters
    ----------
    events, frequency, frequency_derivative, epoch, band
        As for :func:`z_squared`.
    harmonics : int
        The most harmonics; 20 in the definition.

    Returns
    -------
    xarray.Dataset
        ``h``, ``harmonics`` (the number that gave it), ``log_probability``, natural logarithm of the chance of so
        much without pulsations, one trial: -0.4 H (simulated up to H = 70).

    Raises
    ------
    BadOption, OutsideCoverage
        If an option cannot be, or no event is left.

    References
    ----------
    de Jager, Raubenheimer & Swanepoel (1989), A&A 221, 180; de Jager & Büsching (2010), A&A 517, L9.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("20 ct/s", "2 Hz", gti=[(0, 500)], pulsed_fraction=0.3, seed=1)
    >>> bool(xray.h_test(pulsar, "2 Hz").h > 300)
    True
    """
    from stingray.pulse.pulsar import htest

    what = "h_test"
    number = whole_number(harmonics, "harmonics", 1, MOST_HARMONICS)
    spin, slowing = _rotation(frequency, frequency_derivative, what)
    held = pulses(events, what, epoch=epoch, band=band)
    refuse_beyond_frames(held.listed, spin, what)
    best, statistic = htest(_phase(held.times, spin, slowing), nmax=number, datatype="events")
    made = xr.Dataset(
        {
            "h": ((), float(statistic), {"units": "1", "long_name": "H"}),
            "harmonics": ((), int(best), {"units": "1", "long_name": "Harmonics that gave it"}),
            "log_probability": (
                (),
                min(0.0, -H_SLOPE * float(statistic)),
                {"units": "1", "long_name": "ln P of as large an H by chance, one trial"},
            ),
        },
        attrs=rotation_attrs(spin, slowing, held),
    )
    step = f"xray.h_test: up to {number} harmonics, {_described(spin, slowing, held)}"
    references = [DE_JAGER, BUSCHING]
    title = titled("H test", held.listed)
    return check(
        derived(made, held.listed, title=title, step=step, references=references, also=datasets(held.intervals))
    )


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
    spin, slowing = _rotation(frequency, frequency_derivative, what)
    held = pulses(events, what, epoch=epoch, band=band)
    refuse_beyond_frames(held.listed, spin, what)
    begin, end = held.gti[0, 0], held.gti[-1, 1]
    steps = max(1, int(np.ceil((end - begin) / length * (1 - 1e-12))))
    if steps * number > 10_000_000:
        raise BadOption(f"{what}: time_step={time_step!r} makes {steps} steps; take longer ones")
    edges = begin + length * np.arange(steps + 1)
    row = np.clip(((held.times - begin) / length).astype(np.int64), 0, steps - 1)
    column = np.minimum((_phase(held.times, spin, slowing) * number).astype(np.int64), number - 1)
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
            "phase": _on("phase", (np.arange(number) + 0.5) / number, "1", "Rotational phase"),
        },
        attrs=rotation_attrs(spin, slowing, held) | {"time_step": length, "time_step_units": "s"},
    )
    step = f"xray.phaseogram: {number} bins, steps of {length:g} s, {_described(spin, slowing, held)}"
    title = titled("Phaseogram", held.listed)
    return check(derived(made, held.listed, title=title, step=step, also=datasets(held.intervals)))


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
            "An epoch is seconds of the mission's clock, or 'MJD 55000.25' in its time system"
        ) from error


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


def _rotation(frequency: Amount, derivative: Amount, what: str) -> tuple[float, float]:
    spin = positive(frequency, "Hz", what, "frequency")
    return spin, amount(derivative, "Hz s-1", "frequency_derivative", bare=True)


def _phase(since: np.ndarray, spin: float, slowing: float) -> np.ndarray:
    turns = since * (spin + 0.5 * slowing * since)
    phase = turns - np.floor(turns)
    return np.where(phase < 1, phase, 0.0)


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


def _log_chance(log_probability, statistic: float, number: int) -> float:  # type: ignore[no-untyped-def]
    """Natural logarithm of a chance by stingray's function, at most 0."""
    if not number > 0:
        return np.nan
    return min(0.0, float(log_probability(statistic, number)))


def _described(spin: float, slowing: float, held: Pulses) -> str:
    return f"f = {spin:.12g} Hz, fdot = {slowing:g} Hz/s at {held.epoch:.6f} s, {held.band}; {held.note}"


def _on(dim: str, values: np.ndarray, units: str, long_name: str) -> tuple[str, np.ndarray, dict[str, str]]:
    return dim, values, {"units": units, "long_name": long_name}

"""The search for pulsations over ranges of frequency and its derivative, with chances corrected for trials."""

from __future__ import annotations

import warnings
from typing import Literal, TypeAlias

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage
from analysis.model import check, derived
from analysis.xray.chances import H_SLOPE, after_trials, log_chi_squared
from analysis.xray.inputs import Amount, amount, datasets, titled
from analysis.xray.normalizing import LEAHY, frequency_range
from analysis.xray.periodicity import BUCCHERI, BUSCHING, DE_JAGER
from analysis.xray.refining import errors_of, peaks_of, refined, unbinned
from analysis.xray.rotations import (
    Pulses,
    pulses,
    refuse_beyond_frames,
    rotation_attrs,
    whole_number,
)

Statistic: TypeAlias = Literal["z_squared", "h", "epoch_folding"]

STATISTICS = {"z_squared": [BUCCHERI], "h": [DE_JAGER, BUSCHING], "epoch_folding": [LEAHY]}
BACHETTI = "Bachetti et al. (2021), ApJ 909, 33, doi:10.3847/1538-4357/abda4a"
RANSOM = "Ransom, Eikenberry & Middleditch (2002), AJ 124, 1788, doi:10.1086/342285"
MOST_TRIALS = 20_000_000
AT_ONCE = 4096  # trials whose profiles are held at one time
H_HARMONICS = 20
DOPPLER = 1e-4  # the Earth's orbital velocity over that of light
NEARLY, CANDIDATES = 0.8, 20  # peaks this high, and as many of them, may be the highest between trials
NEGLIGIBLE = 0.01
UNEVEN = 1.0  # what gaps alone may add to the statistic before it is said


def pulse_search(
    events: xr.DataTree,
    frequencies: tuple[Amount, Amount],
    *,
    frequency_derivatives: tuple[Amount, Amount] | None = None,
    statistic: Statistic = "z_squared",
    harmonics: int = 2,
    bins: int = 64,
    oversampling: float = 4.0,
    epoch: Amount | None = None,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    r"""Return a statistic of pulsations at trial frequencies, and the best one with its chance after all trials.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` and ``gti``; times barycentred.
    frequencies : (low, high)
        Bare numbers are in Hz. The step is 1/(T × oversampling), T from the first to the last good second.
    frequency_derivatives : (low, high), optional
        Bare numbers are in Hz/s; steps of 2/(T² × oversampling). Left out, only 0 is tried.
    statistic : {"z_squared", "h", "epoch_folding"}
        Z² for the given number of harmonics, the H test (up to 20 of them), or χ² of the folded profile.
    harmonics : int
        For "z_squared": 1 to a quarter of the bins.
    bins : int
        Of the folded profile, which the statistics are computed from (Bachetti et al. 2021): a harmonic k keeps
        the part sinc²(k/bins) of its power. For "h" at least 80.
    oversampling : float
        Trials for each independent frequency, 1 or more.
    epoch
        As for :func:`analysis.xray.pulse_phases`: the frequencies are those at the epoch. With derivatives, the
        middle of the observation makes frequency and derivative independent.
    band : (low, high), optional
        Events with low ≤ energy < high, in keV.

    Returns
    -------
    xarray.Dataset
        On ``frequency`` (after ``frequency_derivative``, where asked for): ``statistic``; ``log_probability``,
        natural logarithm of the chance that noise makes as much in **any** of all trials; ``window``, what a
        source without pulsations adds only because good times are spread unevenly over phases (0 for less than 0.01).
        Numbers:
        ``best_frequency`` with ``best_frequency_error`` (and ``best_frequency_derivative`` with its error),
        refined between the trials around the highest peaks (errors: not for "epoch_folding");
        ``best_log_probability``, of the trial next to it; ``trials``.

    Raises
    ------
    BadOption
        If a range cannot be, frequencies are beyond half the inverse of TIMEDEL, or there are over 20 million
        trials.
    OutsideCoverage
        If fewer than two events are left.

    Warns
    -----
    AnalysisWarning
        If the list says that its times are not barycentred and Doppler shifts within 1e-4 of the frequency matter;
        if gaps alone make as much as a pulsation at the best frequency.

    Notes
    -----
    Every trial counts in :math:`1 - (1 - p)^{trials}`, though those between independent frequencies are not
    independent: the chance is on the safe side. p is χ² of 2n degrees of freedom for Z², exp(-0.4 H), and χ² of
    bins - 1 degrees of freedom. It supposes noise of counts alone: red noise makes false pulsations. Errors of the
    frequencies are 1σ from the curvature of the likelihood, and suppose that the peak is the right one, not an alias
    of gaps (1/92 min beside it on low orbits).

    References
    ----------
    Buccheri et al. (1983), A&A 128, 245; de Jager & Büsching (2010), A&A 517, L9; Leahy et al. (1983), ApJ 266, 160;
    Bachetti et al. (2021), ApJ 909, 33; Ransom, Eikenberry & Middleditch (2002), AJ 124, 1788.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("20 ct/s", "2.5 Hz", gti=[(0, 300), (5500, 5800)], pulsed_fraction=0.4, seed=1)
    >>> found = xray.pulse_search(pulsar, ("2.49 Hz", "2.51 Hz"))
    >>> bool(abs(found.best_frequency - 2.5) < 4 * found.best_frequency_error), bool(found.best_log_probability < -100)
    (True, True)
    """
    what = "pulse_search"
    if statistic not in STATISTICS:
        raise BadOption(f"{what}: statistic={statistic!r} is none of {', '.join(map(repr, STATISTICS))}")
    number = whole_number(bins, "bins", 3, 1000)
    number = max(number, 4 * H_HARMONICS) if statistic == "h" else number
    order = H_HARMONICS if statistic == "h" else whole_number(harmonics, "harmonics", 1, max(1, number // 4))
    held = pulses(events, what, epoch=epoch, band=band)
    if held.times.size < 2:
        raise OutsideCoverage(f"{what}: one event pulses at every frequency")
    frequency, derivative = _grid(held, frequencies, frequency_derivatives, oversampling)
    refuse_beyond_frames(held.listed, float(frequency[-1]), what)
    _warn_of_local_times(held, float(frequency[-1]))
    spins, slowings = (grid.ravel() for grid in np.meshgrid(frequency, derivative))
    value, window = np.empty(spins.size), np.empty(spins.size)
    for begin in range(0, spins.size, AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        value[part] = _statistics(held.times, spins[part], slowings[part], number, order, statistic)
        window[part] = _window(
            held, spins[part], slowings[part], order if statistic != "epoch_folding" else number // 2
        )
    single = _log_chances(value, statistic, order, number)
    chance = after_trials(single, spins.size)
    best, found = _best(held, (spins, slowings), value, (frequency, derivative), number, order, statistic)
    shape: tuple[int, ...] = (derivative.size, frequency.size)
    dims: tuple[str, ...] = ("frequency_derivative", "frequency")
    coords = {
        "frequency": ("frequency", frequency, {"units": "Hz", "long_name": "Trial frequency"}),
        "frequency_derivative": (
            "frequency_derivative",
            derivative,
            {"units": "Hz s-1", "long_name": "Trial frequency derivative"},
        ),
    }
    if frequency_derivatives is None:
        dims, shape = dims[1:], shape[1:]
        coords = {"frequency": coords["frequency"]}
    label = {"z_squared": f"Z² of {order} harmonics", "h": "H", "epoch_folding": f"χ² of {number} bins"}[statistic]
    table = {
        "statistic": (value, label),
        "log_probability": (chance, "ln P of as much by chance in any trial"),
        "window": (window, "What uneven good time alone adds to the statistic"),
    }
    made = xr.Dataset(
        {
            name: (dims, values.reshape(shape), {"units": "1", "long_name": long_name})
            for name, (values, long_name) in table.items()
        },
        coords=coords,
        attrs={"statistic": statistic, "harmonics": order, "bins": number}
        | {k: v for k, v in rotation_attrs(0.0, 0.0, held).items() if not k.startswith("frequency")},
    )
    for name, (number_found, units, long_name) in found.items():
        made[name] = ((), number_found, {"units": units, "long_name": long_name})
    made["best_log_probability"] = (
        (),
        float(chance[best]),
        {"units": "1", "long_name": "ln P of the best by chance, all trials counted"},
    )
    made["trials"] = ((), spins.size, {"units": "1", "long_name": "Trials"})
    _warn_of_window(float(value[best]), float(window[best]), float(spins[best]))
    step = f"xray.pulse_search: {label}, {frequency[0]:g} to {frequency[-1]:g} Hz, {spins.size} trials, {held.band}; "
    step += held.note
    title = titled("Search for pulsations", held.listed)
    references = [*STATISTICS[statistic], BACHETTI, RANSOM]
    return check(
        derived(made, held.listed, title=title, step=step, references=references, also=datasets(held.intervals))
    )


def _grid(
    held: Pulses,
    frequencies: tuple[Amount, Amount],
    derivatives: tuple[Amount, Amount] | None,
    oversampling: float,
) -> tuple[np.ndarray, np.ndarray]:
    what = "pulse_search"
    low, high = frequency_range(frequencies, what)
    fine = amount(oversampling, "1", "oversampling", bare=True)
    if low <= 0:
        raise BadOption(f"{what}: frequencies={frequencies!r} must begin above 0 Hz")
    if not 1 <= fine <= 1000:
        raise BadOption(f"{what}: oversampling={oversampling!r} is not from 1 to 1000")
    length = float(held.gti[-1, 1] - held.gti[0, 0])
    number = int(np.floor((high - low) * length * fine)) + 1
    slow = np.zeros(1)
    if derivatives is not None:
        if isinstance(derivatives, str) or not hasattr(derivatives, "__len__") or len(derivatives) != 2:
            raise BadOption(f"{what}: frequency_derivatives={derivatives!r} is no pair (low, high) in Hz/s")
        ends = [amount(end, "Hz s-1", "frequency_derivatives", bare=True) for end in derivatives]
        if not ends[0] < ends[1]:
            raise BadOption(f"{what}: frequency_derivatives={derivatives!r} must be (low, high) with low < high")
        slow = ends[0] + np.arange(_steps(ends[1] - ends[0], 2 / (length**2 * fine))) * 2 / (length**2 * fine)
    if number * slow.size > MOST_TRIALS:
        raise BadOption(
            f"{what}: {number} frequencies × {slow.size} derivatives are more than {MOST_TRIALS:,} trials; "
            "take narrower ranges or a smaller oversampling="
        )
    return low + np.arange(number) / (length * fine), slow


def _steps(length: float, step: float) -> int:
    return int(min(np.floor(length / step), MOST_TRIALS)) + 1


def _statistics(
    times: np.ndarray, spins: np.ndarray, slowings: np.ndarray, bins: int, order: int, statistic: str
) -> np.ndarray:
    from analysis.xray._kernels_phases import profiles

    counts = profiles(times, spins, slowings, bins)
    if statistic == "epoch_folding":
        mean = times.size / bins
        return ((counts - mean) ** 2).sum(axis=1) / mean
    terms = np.abs(np.fft.rfft(counts, axis=1)[:, 1 : order + 1]) ** 2
    summed = 2 / times.size * np.cumsum(terms, axis=1)
    return summed[:, -1] if statistic == "z_squared" else (summed - 4 * np.arange(order)).max(axis=1)


def _window(held: Pulses, spins: np.ndarray, slowings: np.ndarray, order: int) -> np.ndarray:
    r"""What a constant source adds: 2N Σ |W_k|², W_k the mean of exp(2πi k φ) over good time; 0 for below 0.01."""
    start, stop = held.gti[:, 0], held.gti[:, 1]
    turned = np.pi * float((spins + np.minimum(slowings * start.min(), slowings * stop.max())).min())
    most = start.size / (turned * float((stop - start).sum())) if turned > 0 else 1.0  # |W_k| < this / k
    if 2 * held.times.size * (np.pi**2 / 6) * most**2 < NEGLIGIBLE:
        return np.zeros(spins.size)
    middle, length = (start + stop) / 2, stop - start
    total = np.zeros(spins.size)
    for k in range(1, order + 1):
        term = np.zeros(spins.size, dtype=complex)
        for at, seconds in zip(middle, length, strict=True):
            here = spins + slowings * at
            term += seconds * np.sinc(k * here * seconds) * np.exp(2j * np.pi * k * (spins + 0.5 * slowings * at) * at)
        total += np.abs(term / length.sum()) ** 2
    return 2 * held.times.size * total


def _log_chances(value: np.ndarray, statistic: str, order: int, bins: int) -> np.ndarray:
    if statistic == "h":
        return -H_SLOPE * np.maximum(value, 0.0)
    return log_chi_squared(value, 2 * order if statistic == "z_squared" else bins - 1)


def _best(
    held: Pulses,
    trials: tuple[np.ndarray, np.ndarray],
    value: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray],
    bins: int,
    order: int,
    statistic: str,
) -> tuple[int, dict[str, tuple[float, str, str]]]:
    """The best trial once the highest peaks are refined between trials, and errors from the likelihood's curvature.

    A peak that falls between two trials loses up to a few per cent, more than what tells it from its aliases.
    """
    steps = np.array([axis[1] - axis[0] if axis.size > 1 else 0.0 for axis in grid])
    shaped = value.reshape(grid[1].size, grid[0].size)
    peaks = [p for p in peaks_of(shaped) if value[p] >= NEARLY * value.max()][:CANDIDATES]

    def folded(spin: float, slowing: float) -> float:
        return float(_statistics(held.times, np.array([spin]), np.array([slowing]), bins, order, statistic)[0])

    candidates = [(p, *refined(folded, float(trials[0][p]), float(trials[1][p]), steps)) for p in peaks]
    best, spin, slowing, _ = max(candidates, key=lambda found: found[3])
    if statistic != "epoch_folding":
        spin, slowing, _ = refined(
            lambda f, slow: unbinned(held.times, f, slow, order, statistic), spin, slowing, steps / 2
        )
    two = grid[1].size > 1
    errors = (np.nan, np.nan)
    if statistic != "epoch_folding":
        errors = errors_of(held.times, spin, slowing, order, statistic, two)
    found = {
        "best_frequency": (spin, "Hz", "Best frequency, at the epoch"),
        "best_frequency_error": (errors[0], "Hz", "1σ error of the best frequency"),
    }
    if two:
        found |= {
            "best_frequency_derivative": (slowing, "Hz s-1", "Best frequency derivative"),
            "best_frequency_derivative_error": (errors[1], "Hz s-1", "1σ error of the frequency derivative"),
        }
    return best, found


def _warn_of_local_times(held: Pulses, highest: float) -> None:
    known = {str(key).lower(): str(value).strip().upper() for key, value in held.listed.attrs.items()}
    said = known.get("timeref", "")
    length = float(held.gti[-1, 1] - held.gti[0, 0])
    if said in ("LOCAL", "GEOCENTRIC") and DOPPLER * highest * length > 1:
        warnings.warn(
            f"pulse_search: TIMEREF = {said}: times are not barycentred, and over {length:.0f} s the search tells "
            f"frequencies apart that Doppler shifts of up to {DOPPLER:g} confuse; barycentre the events first",
            AnalysisWarning,
            stacklevel=3,
        )


def _warn_of_window(value: float, window: float, spin: float) -> None:
    if window > UNEVEN and window > 0.1 * value:
        warnings.warn(
            f"pulse_search: at the best frequency, {spin:g} Hz, gaps alone make {window:.3g} of the statistic's "
            f"{value:.3g}: it is no sign of pulsations; see the variable 'window'",
            AnalysisWarning,
            stacklevel=3,
        )

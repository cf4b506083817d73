"""Event lists with known answers: pulsars, and sources that vary as a power spectrum says."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption
from analysis.model import check, stamp
from analysis.xray.inputs import Amount, amount, limits
from analysis.xray.intervals import merged
from analysis.xray.power_shapes import checked_power, random_fractions
from analysis.xray.segmenting import positive

CLOCK = {"mjdref": 60000.0, "mjdref_int": 60000, "mjdref_frac": 0.0, "timesys": "TDB", "timeref": "SOLARSYSTEM"}
TIMMER = "Timmer & König (1995), A&A 300, 707"
MOST_EVENTS = 200_000_000
CLIPPED = 1e-3  # part of the bins that may be darker than nothing


def pulsed_events(
    rate: Amount,
    frequency: Amount,
    *,
    gti: xr.Dataset | Sequence[tuple[float, float]],
    pulsed_fraction: float = 0.5,
    phase: float = 0.0,
    frequency_derivative: Amount = 0.0,
    epoch: float | None = None,
    band: tuple[Amount, Amount] = (0.5, 10.0),
    photon_index: float = 2.0,
    seed: int,
) -> xr.DataTree:
    r"""Return simulated events of a source whose rate is :math:`R [1 + p \cos 2\pi(\varphi - \varphi_0)]`.

    Parameters
    ----------
    rate : float or value with units
        Mean rate R; a bare number is in ct/s.
    frequency, frequency_derivative : float or value with units
        At the epoch; bare numbers are in Hz and Hz/s.
    gti : xarray.Dataset or pairs (start, stop)
        Good time intervals, in seconds of the mission's clock.
    pulsed_fraction : float
        p, from 0 to 1: (maximum - minimum)/(maximum + minimum).
    phase : float
        φ0, where the pulse is brightest, in cycles.
    epoch : float, optional
        Where φ is 0, in seconds of the mission's clock; left out, the start of the first interval.
    band, photon_index
        Energies are drawn from a power law, :math:`E^{-\Gamma}`, in this band in keV: what a detector of even
        area would count.
    seed : int
        The same seed gives the same events.

    Returns
    -------
    xarray.DataTree
        Nodes ``events`` (``time``, ``energy``, ``pi`` of 10 eV) and ``gti``, labelled ``synthetic``; times count
        as barycentred (TDB, MJDREF 60000). ``history`` holds the truth.

    Raises
    ------
    BadOption
        If a number is out of its range.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("50 ct/s", "2 Hz", gti=[(0, 100), (5500, 5600)], seed=1)
    >>> pulsar["events"].attrs["synthetic"], bool(abs(pulsar["events"].sizes["event"] - 10_000) < 400)
    ('true', True)
    """
    what = "pulsed_events"
    mean, spin = positive(rate, "ct s-1", what, "rate"), positive(frequency, "Hz", what, "frequency")
    slowing = amount(frequency_derivative, "Hz s-1", "frequency_derivative", bare=True)
    share, peak = (
        amount(value, "1", name, bare=True) for name, value in (("pulsed_fraction", pulsed_fraction), ("phase", phase))
    )
    if not 0 <= share <= 1:
        raise BadOption(f"pulsed_fraction={pulsed_fraction!r} is not from 0 to 1")
    intervals = _intervals(gti, what)
    zero = float(intervals[0, 0]) if epoch is None else amount(epoch, "s", "epoch", bare=True)
    random = _random(seed)
    # thinning: as many as the brightest phase would give, each kept with the rate at its time over that
    times = _uniform(random, mean * (1 + share), intervals, what)
    since = times - zero
    turns = since * spin + slowing * since**2 / 2
    chance = (1 + share * np.cos(2 * np.pi * (turns - peak))) / (1 + share)
    times = times[random.random(times.size) < chance]
    truth = {
        "rate_ct_per_s": mean, "frequency_hz": spin, "frequency_derivative_hz_per_s": slowing,
        "pulsed_fraction": share, "phase": peak, "epoch_s": zero, "photon_index": float(photon_index), "seed": seed,
    }  # fmt: skip
    energies = _energies(random, times.size, band, photon_index)
    return _tree(times, energies, intervals, "a pulsar", "xray.pulsed_events", truth, [])


def variable_events(
    rate: Amount,
    power: xr.DataArray,
    *,
    gti: xr.Dataset | Sequence[tuple[float, float]],
    bin_size: Amount | None = None,
    hard_lag: Amount = 0.0,
    split: Amount = 2.0,
    band: tuple[Amount, Amount] = (0.5, 10.0),
    photon_index: float = 1.5,
    seed: int,
) -> xr.DataTree:
    r"""Return simulated events of a source that varies at random with a given power spectrum.

    Parameters
    ----------
    rate : float or value with units
        Mean rate; a bare number is in ct/s.
    power : xarray.DataArray
        On ``frequency`` (Hz), in (rms/mean)² per Hz ("Hz-1"), as :func:`lorentzian_power` gives it. Interpolated
        linearly; nothing varies outside its frequencies.
    gti, band, photon_index, seed
        As for :func:`pulsed_events`.
    bin_size : float or value with units, optional
        Steps in which the rate is constant, in seconds. Left out, a quarter of the period of the highest frequency.
    hard_lag : float or value with units, optional
        How much later the same variations reach photons above ``split``; a bare number is in seconds.
    split : float or value with units, optional
        In keV.

    Returns
    -------
    xarray.DataTree
        As :func:`pulsed_events`. Bands on one side of ``split`` are coherent and without lag.

    Raises
    ------
    WrongData
        If the power is no such array, or not finite and ≥ 0.
    BadOption
        If a number is out of its range, or the light curve would have more than fifty million steps.

    Warns
    -----
    AnalysisWarning
        If the variations are so strong that more than a thousandth of the steps would have a rate below 0; these
        are set to 0, and the power is no longer the one given.

    Notes
    -----
    Real and imaginary parts of the transform are drawn from normal distributions (Timmer & König). The mean and rms
    of a realization are left as they come, as those of a real source; stingray's simulator sets both to the
    number asked for.

    References
    ----------
    Timmer & König (1995), A&A 300, 707.

    Examples
    --------
    >>> from analysis import xray
    >>> shape = xray.lorentzian_power(centroid="2 Hz", width="0.5 Hz", rms=0.2)
    >>> qpo = xray.variable_events("200 ct/s", shape, gti=[(0, 400)], seed=1)
    >>> found = xray.power_spectrum(qpo, "0.05 s", segment="20 s", normalization="fractional")
    >>> bool(abs(xray.integrated_rms(found, (0.05, 8)).rms - 0.2) < 0.02)
    True
    """
    what = "variable_events"
    mean = positive(rate, "ct s-1", what, "rate")
    frequency, density = checked_power(power)
    step = 1 / (4 * frequency[-1]) if bin_size is None else positive(bin_size, "s", what, "bin_size")
    lag, border = amount(hard_lag, "s", "hard_lag", bare=True), amount(split, "keV", "split", bare=True)
    intervals = _intervals(gti, what)
    random = _random(seed)
    begin = intervals[0, 0] - abs(lag)
    curve = random_fractions(random, frequency, density, step, intervals[-1, 1] + abs(lag) - begin)
    dark = float(np.mean(curve < -1))
    if dark > CLIPPED:
        warnings.warn(
            f"variable_events: {100 * dark:.2g} % of the steps would have a negative rate and are set to 0; the "
            "power is no longer the one given: take a smaller rms",
            AnalysisWarning,
            stacklevel=2,
        )
    level = np.maximum(1 + curve, 0.0)
    highest = float(level.max())
    times = _uniform(random, mean * highest, intervals, what)
    energies = _energies(random, times.size, band, photon_index)
    felt = times - np.where(energies >= border, lag, 0.0) - begin
    kept = random.random(times.size) * highest < level[np.clip((felt / step).astype(np.int64), 0, level.size - 1)]
    truth = {
        "rate_ct_per_s": mean, "rms": float(np.sqrt(np.trapezoid(density, frequency))), "hard_lag_s": lag,
        "split_keV": border, "step_s": step, "photon_index": float(photon_index), "seed": seed,
    }  # fmt: skip
    return _tree(times[kept], energies[kept], intervals, "a variable source", "xray.variable_events", truth, [TIMMER])


def _intervals(gti: xr.Dataset | Sequence[tuple[float, float]], what: str) -> np.ndarray:
    if isinstance(gti, xr.Dataset):
        return np.column_stack(merged(gti))
    pairs = np.asarray(gti, dtype=float)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise BadOption(f"{what}: gti= is a Dataset or pairs (start, stop) in s, not of shape {pairs.shape}")
    pairs = pairs[np.argsort(pairs[:, 0])]
    if not (np.isfinite(pairs).all() and (pairs[:, 1] > pairs[:, 0]).all() and (pairs[1:, 0] >= pairs[:-1, 1]).all()):
        raise BadOption(f"{what}: good time intervals must be finite, end after they start, and not overlap")
    return pairs


def _random(seed: int) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise BadOption(f"seed={seed!r} is not a whole number ≥ 0")
    return np.random.default_rng(int(seed))


def _uniform(random: np.random.Generator, rate: float, intervals: np.ndarray, what: str) -> np.ndarray:
    """Times of a steady source in the intervals, in order."""
    lengths = intervals[:, 1] - intervals[:, 0]
    expected = rate * lengths.sum()
    if expected > MOST_EVENTS:
        raise BadOption(f"{what}: about {expected:.3g} events are too many (at most {MOST_EVENTS:.0e})")
    elapsed = np.sort(random.uniform(0, lengths.sum(), random.poisson(expected)))
    before = np.cumsum(lengths) - lengths
    index = np.searchsorted(before, elapsed, side="right") - 1
    return np.minimum(intervals[index, 0] + elapsed - before[index], intervals[index, 1])


def _energies(random: np.random.Generator, size: int, band: tuple[Amount, Amount], photon_index: float) -> np.ndarray:
    low, high = limits(band)
    steep = 1 - amount(photon_index, "1", "photon_index", bare=True)
    if not 0 < low < high < np.inf:
        raise BadOption(f"band={band!r} needs two energies above 0 for photons to be drawn in it")
    part = random.random(size)
    if abs(steep) < 1e-9:
        return low * (high / low) ** part
    return (low**steep + part * (high**steep - low**steep)) ** (1 / steep)


def _tree(
    times: np.ndarray,
    energies: np.ndarray,
    intervals: np.ndarray,
    what: str,
    step: str,
    truth: dict[str, float],
    references: list[str],
) -> xr.DataTree:
    seconds = {"units": "s", "long_name": "Time since mjdref"}
    events = xr.Dataset(
        {
            "time": ("event", times, seconds),
            "energy": ("event", energies, {"units": "keV", "long_name": "Energy"}),
            "pi": ("event", (energies * 100).astype(np.int32), {"units": "chan", "long_name": "PI channel"}),
        },
        attrs=CLOCK,
    )
    good = xr.Dataset(
        {
            "start": ("interval", intervals[:, 0], seconds | {"long_name": "Start of the good time interval"}),
            "stop": ("interval", intervals[:, 1], seconds | {"long_name": "Stop of the good time interval"}),
        },
        attrs=CLOCK,
    )
    said = ", ".join(f"{name}={value:.12g}" for name, value in truth.items())
    nodes = {
        name: check(
            stamp(
                data.assign_attrs(synthetic="true"),
                title=f"SYNTHETIC: {what}",
                institution="Sankō",
                source="random numbers, by a formula",
                references=references or ["none: a cosine"],
                license="CC0",
                history=[f"{step}({said})"],
                provenance={"synthetic": step, "truth": truth},
            )
        )
        for name, data in (("events", events), ("gti", good))
    }
    return xr.DataTree.from_dict(nodes)

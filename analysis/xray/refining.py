"""Peaks of a search for pulsations: found on the grid of trials, refined between them, and their errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.xray.rotations import harmonic_sums, phase_of


def peaks_of(value: np.ndarray) -> list[int]:
    """Trials that are no lower than their neighbours, the highest first."""
    padded = np.pad(value, 1, constant_values=-np.inf)
    around = [
        padded[1 + i : padded.shape[0] - 1 + i, 1 + j : padded.shape[1] - 1 + j]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        if i or j
    ]
    top = np.flatnonzero((value >= np.max(around, axis=0)).ravel())
    return [int(p) for p in top[np.argsort(-value.ravel()[top], kind="stable")]]


def refined(
    measure: Callable[[float, float], float], spin: float, slowing: float, steps: np.ndarray
) -> tuple[float, float, float]:
    """The maximum within one step of a trial: frequency, derivative and statistic."""
    from scipy.optimize import minimize, minimize_scalar

    free = np.flatnonzero(steps)
    start = np.array([spin, slowing])
    if not free.size:
        return spin, slowing, measure(spin, slowing)

    def place(move: np.ndarray) -> np.ndarray:
        there = start.copy()
        there[free] += move * steps[free]
        return there

    if free.size == 1:
        one = minimize_scalar(
            lambda move: -measure(*place(np.array([move]))), bounds=(-1, 1), method="bounded", options={"xatol": 3e-3}
        )
        there = place(np.array([one.x]))
        return float(there[0]), float(there[1]), -float(one.fun)
    simplex = np.vstack([np.zeros(free.size), 0.5 * np.eye(free.size)])
    found = minimize(
        lambda move: -measure(*place(move)), np.zeros(free.size), method="Nelder-Mead", bounds=[(-1, 1)] * free.size,
        options={"initial_simplex": simplex, "xatol": 3e-3, "fatol": 1e-6, "maxfev": 80},
    )  # fmt: skip
    there = place(found.x)
    return float(there[0]), float(there[1]), -float(found.fun)


def unbinned(times: np.ndarray, spin: float, slowing: float, order: int, statistic: str) -> float:
    """Z² or H of the phases themselves: the folded profile's jumps as events cross the edges of bins."""
    powers = 2 / times.size * np.abs(harmonic_sums(phase_of(times, spin, slowing), order)) ** 2
    summed = np.cumsum(powers)
    return float(summed[-1] if statistic == "z_squared" else (summed - 4 * np.arange(order)).max())


def errors_of(
    times: np.ndarray, spin: float, slowing: float, order: int, statistic: str, two: bool
) -> tuple[float, float]:
    """From the Fisher matrix of phase, frequency (and derivative): Σ k² (z_k - 2) is what pulses know of phase."""
    powers = 2 / times.size * np.abs(harmonic_sums(phase_of(times, spin, slowing), order)) ** 2
    if statistic == "h":  # of the harmonics that make H
        powers = powers[: int(np.argmax(np.cumsum(powers) - 4 * np.arange(order))) + 1]
        order = powers.size
    known = float((np.arange(1, order + 1) ** 2 * np.maximum(powers - 2, 0.0)).sum())
    if not known > 0:
        return np.nan, np.nan
    scale = float(np.abs(times).max()) or 1.0
    shape = np.stack([np.ones_like(times), times / scale, (times / scale) ** 2 / 2][: 3 if two else 2])
    matrix = (2 * np.pi) ** 2 * known / times.size * (shape @ shape.T)
    if np.linalg.cond(matrix) > 1e12:
        return np.nan, np.nan
    spread = np.sqrt(np.diag(np.linalg.inv(matrix)))
    return float(spread[1] / scale), float(spread[2] / scale**2) if two else np.nan

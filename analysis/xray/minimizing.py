"""The least statistic: Fisher scoring with damping and bounds, from a given start and from others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.errors import WrongData
from analysis.xray.models import Array
from analysis.xray.problems import Problem

DONE = 1e-9  # what a further step would still take off the statistic
NEARLY = 1e-5  # the same where no smaller statistic is found any more: a 300th of the σ of a parameter
MOST = 200
WEAKEST = 1e-10  # eigenvalues of the scaled curvature below this part of the largest say that nothing is known


@dataclass(frozen=True)
class Minimum:
    """Where the statistic is least."""

    vector: Array
    value: float
    covariance: Array
    converged: bool
    at_bound: tuple[str, ...]
    degenerate: tuple[str, ...]
    evaluations: int


def least(problem: Problem, *, starts: int, seed: int) -> Minimum:
    """Return the least statistic found from the given start and the best of further ones.

    Raises
    ------
    WrongData
        If the statistic is finite nowhere.
    """
    given = scaled(problem, problem.start)
    candidates = [given]
    if starts:
        points = [scaled(problem, point) for point in spread(problem, starts, seed)]
        candidates += sorted(points, key=problem.statistic)[:1]
    tried = 1 + starts
    best: tuple[float, Array, bool] | None = None
    for start in candidates:
        found = descended(problem, start)
        tried += found[3]
        if best is None or found[0] < best[0] - 1e-6:
            best = found[:3]
    assert best is not None
    if not np.isfinite(best[0]):
        raise WrongData(f"{problem.source} has no finite statistic at its values or elsewhere; set other values")
    return described(problem, best[1], best[2], tried)


def descended(problem: Problem, start: Array) -> tuple[float, Array, bool, int]:
    """Return the statistic, the vector, whether it converged, and how many evaluations it took.

    It has converged where the undamped step would take less than ``DONE`` off the statistic, or, where rounding or
    differences allow no more, less than ``NEARLY``.
    """
    low, high = problem.low, problem.high
    x = np.clip(start, low, high)
    if not x.size:
        return problem.statistic(x), x, True, 1
    value, slope, curvature = problem.derivatives(x)
    damping, tried = 1e-3, 1
    if not (np.isfinite(value) and np.isfinite(slope).all() and np.isfinite(curvature).all()):
        return np.inf, x, False, tried
    for _ in range(MOST):
        moving = ~(((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0)))
        left = promised(slope, curvature, moving)
        if left < DONE:
            return value, x, True, tried
        trial = np.clip(x + _step(slope, curvature, moving, damping), low, high)
        there = problem.derivatives(trial)  # most steps are taken, so that slopes are wanted anyway
        tried += 1
        if there[0] < value and np.isfinite(there[1]).all() and np.isfinite(there[2]).all():
            x, (value, slope, curvature) = trial, there
            damping = max(damping / 10, 1e-12)
            continue
        damping = max(10 * damping, 1e-6)
        if damping > 1e12 or np.array_equal(trial, x):
            return value, x, left < NEARLY * max(1.0, abs(value) * 1e-4), tried
    return value, x, False, tried


def promised(slope: Array, curvature: Array, moving: Array) -> float:
    """Return what an undamped step of Fisher scoring would take off the statistic, were there no bounds ahead."""
    if not moving.any():
        return 0.0
    return float(-(slope @ _step(slope, curvature, moving, 1e-10)) / 2)


def scaled(problem: Problem, start: Array) -> Array:
    """Return a start with all norms multiplied by what makes the sum of the model that of the data."""
    norms = np.array([name.split("[")[0].endswith(".norm") for name in problem.free])
    if not norms.any():
        return start
    with np.errstate(all="ignore"):
        expected = sum(float(counts.sum()) for counts in problem.expected(start))
    wanted = sum(
        float((s.source - s.background / np.where(s.ratio > 0, s.ratio, np.inf)).sum()) for s in problem.spectra
    )
    floor = sum(float(np.sqrt(max(s.source.sum(), 0.0) + 1)) for s in problem.spectra)
    if not (np.isfinite(expected) and expected > 0):
        return start
    factor = max(wanted, floor) / expected
    return np.clip(np.where(norms, start * factor, start), problem.low, problem.high)


def described(problem: Problem, x: Array, converged: bool, tried: int) -> Minimum:
    """Return the minimum with its covariance from the Fisher matrix, and what is not determined."""
    value, _, curvature = problem.derivatives(x)
    return explained(problem, x, value, curvature, converged, tried)


def explained(problem: Problem, x: Array, value: float, curvature: Array, converged: bool, tried: int) -> Minimum:
    """Return the same from the curvature at the minimum."""
    bound = (x <= problem.low) | (x >= problem.high)
    scale = np.sqrt(np.diag(curvature))
    seen = ~bound & (scale > 0)
    covariance = np.full((x.size, x.size), np.nan)
    weak = [name for name, s, b in zip(problem.free, scale, bound, strict=True) if s == 0 and not b]
    if seen.any():
        part = curvature[np.ix_(seen, seen)] / np.outer(scale[seen], scale[seen])
        size, axes = np.linalg.eigh(part)
        lost = size < WEAKEST * size[-1]
        if lost.any():
            mixed = np.abs(axes[:, lost]).max(axis=1) > 0.1
            weak += list(np.array(problem.free)[seen][mixed])
        inverse = (axes[:, ~lost] / size[~lost]) @ axes[:, ~lost].T
        # the statistic is -2 ln L: its curvature is twice the information
        found = 2 * inverse / np.outer(scale[seen], scale[seen])
        unknown = np.isin(np.array(problem.free)[seen], weak)
        found[unknown, :] = np.nan
        found[:, unknown] = np.nan
        covariance[np.ix_(seen, seen)] = found
    return Minimum(
        x,
        value,
        covariance,
        converged,
        tuple(np.array(problem.free)[bound].tolist()),
        tuple(weak),
        tried,
    )


def _step(slope: Array, curvature: Array, moving: Array, damping: float) -> Array:
    """The damped step of Fisher scoring among the parameters that may move."""
    step = np.zeros_like(slope)
    scale = np.sqrt(np.diag(curvature))[moving]
    scale = np.where(scale > 0, scale, 1.0)
    part = curvature[np.ix_(moving, moving)] / np.outer(scale, scale)
    part = part + damping * np.eye(scale.size)
    step[moving] = -np.linalg.lstsq(part, slope[moving] / scale, rcond=1e-14)[0] / scale
    return step


def spread(problem: Problem, number: int, seed: int) -> Array:
    """Points spread over the ranges in which parameters are searched; norms stay, for they are scaled."""
    from scipy.stats import qmc

    points = qmc.Halton(d=len(problem.free), rng=seed).random(number)
    start = problem.start
    made = np.tile(start, (number, 1))
    for i, name in enumerate(problem.free):
        search = problem.parameters[name].search
        if search is None or name.split("[")[0].endswith(".norm"):
            # norms of several components are mixed over two decades
            made[:, i] = start[i] * 10 ** (2 * points[:, i] - 1) if start[i] > 0 else start[i]
        elif search[0] > 0 and search[1] / search[0] > 20:
            made[:, i] = search[0] * (search[1] / search[0]) ** points[:, i]
        else:
            made[:, i] = search[0] + (search[1] - search[0]) * points[:, i]
    return np.clip(made, problem.low, problem.high)

"""Fits of many spectra side by side: damped steps of Fisher scoring, taken for all at once.

Starts are folded once for all of them; the sum of the spectra gives one more.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import numpy as np

from analysis.errors import WrongData
from analysis.xray.evaluation import Evaluator
from analysis.xray.likelihoods import Prepared, slopes_and_weights, terms
from analysis.xray.minimizing import DONE, MOST, NEARLY, Minimum, explained, least, scaled, spread
from analysis.xray.models import Array
from analysis.xray.problems import Problem


@dataclass(frozen=True)
class Batch:
    """Spectra in the same bins of the same response, one row each.

    ``problem`` is that of the first; ``scale`` is exposure × AREASCAL over that of the first.
    """

    problem: Problem
    names: tuple[str, ...]
    source: Array
    background: Array
    ratio: Array
    variance: Array | None
    scale: Array


def cut(batch: Batch, size: int) -> list[Batch]:
    parts = [slice(i, i + size) for i in range(0, len(batch.names), size)]
    return [
        Batch(
            batch.problem,
            batch.names[part],
            batch.source[part],
            batch.background[part],
            batch.ratio[part],
            None if batch.variance is None else batch.variance[part],
            batch.scale[part],
        )
        for part in parts
    ]


def common_starts(batch: Batch, starts: int, seed: int) -> Array:
    """Vectors that all spectra of a batch try: the given one, some spread, and the best of their mean."""
    problem = batch.problem
    points = [problem.start, *(spread(problem, starts, seed) if starts else [])]
    whole = batch.scale.sum()
    mean = replace(
        problem.spectra[0],
        source=batch.source.sum(axis=0) / whole,
        background=batch.background.sum(axis=0) / whole,
        ratio=(batch.ratio * batch.scale[:, None]).sum(axis=0) / whole,
        variance=None if batch.variance is None else batch.variance.sum(axis=0) / whole,
    )
    with contextlib.suppress(WrongData):  # of no finite statistic each spectrum tells itself
        points.append(least(replace(problem, spectra=(mean,)), starts=starts, seed=seed).vector)
    return np.array([scaled(problem, point) for point in points])


def fitted(batch: Batch, beginnings: Array) -> list[Minimum]:
    """The minima of a block of spectra."""
    shared = batch.problem.spectra[0]
    # a worker's own: what an evaluator keeps is not for two threads
    evaluator = Evaluator(batch.problem.source, shared.folder.low, shared.folder.high)
    problem = replace(batch.problem, evaluators=(evaluator,))
    ranked = _ranked(batch, problem, beginnings)
    value, x, curvature, done = _descended(batch, problem, ranked[0])
    for further in ranked[1:3]:
        left = np.flatnonzero(~done)
        if not left.size:
            break
        again = _descended(_of(batch, left), problem, further[left])
        better = again[0] < value[left]
        for old, new in zip((value, x, curvature), again[:3], strict=True):
            old[left[better]] = new[better]
        done[left[better]] = again[3][better]
    return [
        explained(problem, x[i], float(value[i]), curvature[i], bool(done[i]), 0)
        if np.isfinite(value[i])
        else Minimum(np.full(x.shape[1], np.nan), np.nan, np.full(curvature.shape[1:], np.nan), False, (), (), 0)
        for i in range(len(value))
    ]


def _of(batch: Batch, rows: Array) -> Batch:
    return replace(
        batch,
        names=tuple(batch.names[i] for i in rows),
        source=batch.source[rows],
        background=batch.background[rows],
        ratio=batch.ratio[rows],
        variance=None if batch.variance is None else batch.variance[rows],
        scale=batch.scale[rows],
    )


def side_by_side(batch: Batch) -> Prepared:
    """The spectra of a batch as one whose arrays have a row a spectrum."""
    return replace(
        batch.problem.spectra[0],
        source=batch.source,
        background=batch.background,
        ratio=batch.ratio,
        variance=batch.variance,
    )


def _ranked(batch: Batch, problem: Problem, beginnings: Array) -> Array:
    """Starts of each spectrum, best first: start × spectrum × parameter, norms scaled to the spectrum's counts."""
    spectrum, n = side_by_side(batch), len(batch.names)
    net = batch.source - batch.background / np.where(batch.ratio > 0, batch.ratio, np.inf)
    wanted = np.maximum(net.sum(axis=1), np.sqrt(np.maximum(batch.source.sum(axis=1), 0) + 1))
    norms = np.array([name.endswith(".norm") for name in problem.free])
    values, vectors = [], []
    for start in beginnings:
        counts = problem.expected(start)[0]
        total = counts.sum()
        factor = wanted / (total * batch.scale) if total > 0 and norms.any() else np.ones(n)
        made = np.clip(np.where(norms, start * factor[:, None], start), problem.low, problem.high)
        # exact where all norms are free and none meets its bound; else good enough to choose a start by
        expected = counts * (factor * batch.scale)[:, None]
        found = terms(spectrum, expected).sum(axis=1)
        values.append(np.where(np.isfinite(found), found, np.inf))
        vectors.append(made)
    order = np.argsort(np.array(values), axis=0)
    return np.take_along_axis(np.array(vectors), order[:, :, None], axis=0)


def _derivatives(batch: Batch, problem: Problem, x: Array) -> tuple[Array, Array, Array]:
    """Statistics, gradients and curvatures, one a spectrum."""
    evaluator, name = problem.evaluators[0], problem.spectra[0].name
    n, p = x.shape
    stacked = np.empty((n * (1 + p), evaluator.low.size))
    for i, row in enumerate(x):
        flux, slopes = evaluator.flux_and_slopes(problem.of(name, problem.values(row)), problem.free)
        stacked[i * (1 + p)] = flux
        stacked[i * (1 + p) + 1 : (i + 1) * (1 + p)] = slopes
    folded = problem.spectra[0].folder.fold_many(stacked).reshape(n, 1 + p, -1) * batch.scale[:, None, None]
    spectrum, counts, rows = side_by_side(batch), folded[:, 0], folded[:, 1:]
    first, weight = slopes_and_weights(spectrum, counts)
    total = terms(spectrum, counts).sum(axis=1)
    gradient = np.einsum("npb,nb->np", rows, first)
    curvature = (rows * weight[:, None]) @ rows.transpose(0, 2, 1)
    bad = ~(np.isfinite(total) & np.isfinite(gradient).all(axis=1) & np.isfinite(curvature).all(axis=(1, 2)))
    return np.where(bad, np.inf, total), gradient, curvature


def _descended(batch: Batch, problem: Problem, start: Array) -> tuple[Array, Array, Array, Array]:
    """Statistics, vectors, curvatures and whether they converged: :func:`minimizing.descended` for many at once."""
    low, high = problem.low, problem.high
    x = np.clip(start, low, high)
    value, slope, curvature = _derivatives(batch, problem, x)
    n = len(x)
    damping, done, active = np.full(n, 1e-3), np.zeros(n, bool), np.isfinite(value)
    for _ in range(MOST):
        at = np.flatnonzero(active)
        if not at.size:
            break
        moving = ~(((x[at] <= low) & (slope[at] > 0)) | ((x[at] >= high) & (slope[at] < 0)))
        whole = _steps(slope[at], curvature[at], moving, np.full(at.size, 1e-10))
        left = -(slope[at] * np.where(moving, whole, 0)).sum(axis=1) / 2
        ready = left < DONE
        done[at[ready]], active[at[ready]] = True, False
        at, moving, left = at[~ready], moving[~ready], left[~ready]
        if not at.size:
            continue
        trial = np.clip(x[at] + _steps(slope[at], curvature[at], moving, damping[at]), low, high)
        found = _derivatives(_of(batch, at), problem, trial)
        good = found[0] < value[at]
        kept = at[good]
        x[kept] = trial[good]
        value[kept], slope[kept], curvature[kept] = (part[good] for part in found)
        damping[kept] = np.maximum(damping[kept] / 10, 1e-12)
        bad = at[~good]
        damping[bad] = np.maximum(10 * damping[bad], 1e-6)
        stuck = (damping[bad] > 1e12) | (trial[~good] == x[bad]).all(axis=1)
        done[bad[stuck]] = left[~good][stuck] < NEARLY * np.maximum(1.0, np.abs(value[bad[stuck]]) * 1e-4)
        active[bad[stuck]] = False
    return value, x, curvature, done


def _steps(slope: Array, curvature: Array, moving: Array, damping: Array) -> Array:
    """Damped steps, one a spectrum, among the parameters that may move."""
    scale = np.sqrt(np.einsum("npp->np", curvature))
    scale = np.where(scale > 0, scale, 1.0)
    both = moving[:, :, None] & moving[:, None, :]
    part = np.where(both, curvature / (scale[:, :, None] * scale[:, None, :]), 0.0)
    size = slope.shape[1]
    part[:, range(size), range(size)] += np.where(moving, damping[:, None], 1.0)
    inverse = np.linalg.pinv(part, rcond=1e-14, hermitian=True)
    return -np.where(moving, (inverse @ np.where(moving, slope / scale, 0.0)[:, :, None])[:, :, 0] / scale, 0.0)

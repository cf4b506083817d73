r"""The spectral likelihood of Stompor et al. (2009), from band × band sums alone.

With amplitudes maximized over, :math:`\ln L(\beta) = \frac12 \sum_p d_p^T N^{-1} A (A^T N^{-1} A)^{-1} A^T N^{-1} d_p`
depends on the data through :math:`S = \sum_p d_p d_p^T` only, one small matrix a patch: an evaluation costs
the same for a hundred cells and a hundred million. Everything here is plain arrays, all patches at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.cmb.emission import LIMITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # indices (patches, parameters) -> mixing (patches, bands, components), its derivatives, one a parameter
    Mixing = Callable[[NDArray], tuple[NDArray, list[NDArray]]]

STEPS = {"beta_dust": 1e-4, "temperature_dust": 1e-3, "beta_synchrotron": 1e-4}  # of the derivative of the gradient
STRIDES = {"beta_dust": 0.3, "temperature_dust": 5.0, "beta_synchrotron": 0.5}  # a Newton step may not be longer
GAIN = 1e-13  # of ln L still expected: then it has converged; a shift by 1 standard error gains 0.5
ROUNDS = 200


@dataclass(frozen=True, eq=False)
class Statistic:
    """``sums`` (patches, stokes, bands, bands) of data over noise, ``count`` of cells a patch."""

    sums: NDArray
    sigma: NDArray  # (stokes, bands)
    count: NDArray


@dataclass(frozen=True, eq=False)
class Solution:
    """Indices (patches, parameters), their covariance, ln L and whether a maximum was found."""

    indices: NDArray
    covariance: NDArray
    log_likelihood: NDArray
    converged: NDArray


def weights_of(mixing: NDArray, sigma: NDArray) -> tuple[NDArray, NDArray]:
    r"""Return :math:`(A^T N^{-1} A)^{-1} A^T N^{-1}`, (…, stokes, components, bands), and :math:`(A^T N^{-1} A)^{-1}`.

    Examples
    --------
    >>> weights, covariance = weights_of(np.ones((2, 1)), np.array([[1.0, 1.0]]))
    >>> weights.tolist(), covariance.tolist()
    ([[[0.5, 0.5]]], [[[0.5]]])
    """
    whitened = mixing[..., None, :, :] / sigma[:, :, None]
    transposed = np.swapaxes(whitened, -1, -2)
    covariance = np.linalg.inv(transposed @ whitened)
    covariance = (covariance + np.swapaxes(covariance, -1, -2)) / 2
    return covariance @ transposed / sigma[:, None, :], covariance


def log_likelihood(statistic: Statistic, mixing: NDArray, by: list[NDArray]) -> tuple[NDArray, NDArray]:
    r"""Return ln L of each patch and its gradient, :math:`\mathrm{tr}(W S (1 - P) \partial A)`, (patches, parameters).

    Examples
    --------
    >>> one = Statistic(np.eye(2)[None, None], np.ones((1, 2)), np.array([1]))
    >>> log_likelihood(one, np.ones((1, 2, 1)), [])[0].tolist()
    [0.5]
    """
    scale = statistic.sigma[:, :, None]
    whitened = mixing[:, None] / scale
    transposed = np.swapaxes(whitened, -1, -2)
    solved = np.linalg.solve(transposed @ whitened, transposed)  # (patches, stokes, components, bands)
    projected = whitened @ solved
    log = 0.5 * np.einsum("psij,psji->p", projected, statistic.sums)
    seen = solved @ statistic.sums
    rest = seen - seen @ projected
    slopes = [np.einsum("pscf,psfc->p", rest, slope[:, None] / scale) for slope in by]
    return log, np.stack(slopes, axis=-1) if slopes else np.zeros((len(log), 0))


def maximum(statistic: Statistic, mixing: Mixing, start: NDArray, names: list[str]) -> Solution:
    """Return the indices at which the likelihood of each patch is largest, by damped Newton steps from ``start``.

    The covariance is the inverse of the curvature there. A patch that leaves the limits of the indices, or does not
    come to rest, has not converged.

    Examples
    --------
    >>> still = maximum(Statistic(np.eye(2)[None, None], np.ones((1, 2)), np.array([1])),
    ...                 lambda p: (np.ones((1, 2, 1)), []), np.zeros((1, 0)), [])
    >>> still.converged.tolist()
    [True]
    """
    at = np.array(start, dtype=float)
    log, slope = log_likelihood(statistic, *mixing(at))
    if not names:
        return Solution(at, np.zeros((len(at), 0, 0)), log, np.ones(len(at), dtype=bool))
    damping, done = np.full(len(at), 1e-3), np.zeros(len(at), dtype=bool)
    low, high = np.array([LIMITS[name] for name in names]).T
    stride = np.array([STRIDES[name] for name in names])
    curvature = _curvature(statistic, mixing, at, names)
    for _ in range(ROUNDS):
        value, vector = np.linalg.eigh(curvature)
        size = np.abs(value)
        along = np.einsum("pij,pi->pj", vector, slope)
        bent = np.maximum(size, 1e-14 * size.max(axis=-1, keepdims=True)) + 1e-300
        gain = 0.5 * (along**2 / bent).sum(axis=-1)
        done |= (gain < GAIN * np.maximum(1, np.abs(log) * 1e-3)) & (value > 0).all(axis=-1)
        if done.all():
            break
        step = np.einsum("pij,pj->pi", vector, along / (bent * (1 + damping[:, None])))
        step /= np.maximum(1, np.abs(step / stride).max(axis=-1, keepdims=True))
        tried = np.where(done[:, None], at, np.clip(at + step, low, high))
        new_log, new_slope = log_likelihood(statistic, *mixing(tried))
        better = (new_log >= log - 1e-12 * np.abs(log)) & ~done
        damping = np.where(better, damping * 0.1, np.maximum(damping, 1e-2) * 10)
        done |= ~better & (damping > 1e12)  # rounding: nothing better nearby
        at, slope = np.where(better[:, None], tried, at), np.where(better[:, None], new_slope, slope)
        log = np.where(better, new_log, log)
        curvature = _curvature(statistic, mixing, at, names)
    inside = (at > low + 1e-6).all(axis=-1) & (at < high - 1e-6).all(axis=-1)
    peaked = (np.linalg.eigvalsh(curvature) > 0).all(axis=-1)
    good = done & inside & peaked
    covariance = np.full(curvature.shape, np.nan)
    covariance[good] = np.linalg.inv(curvature[good])
    return Solution(np.where(good[:, None], at, np.nan), covariance, log, good)


def _curvature(statistic: Statistic, mixing: Mixing, at: NDArray, names: list[str]) -> NDArray[np.float64]:
    """Return minus the second derivatives of ln L, from central differences of the gradient."""
    made = np.empty((len(at), len(names), len(names)))
    for row, name in enumerate(names):
        step = np.zeros(len(names))
        step[row] = STEPS[name]
        up, down = (log_likelihood(statistic, *mixing(at + sign * step))[1] for sign in (1, -1))
        made[:, row] = -(up - down) / (2 * STEPS[name])
    return (made + np.swapaxes(made, -1, -2)) / 2

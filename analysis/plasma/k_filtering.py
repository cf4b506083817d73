"""The arithmetic of k-filtering: P(omega, k) for many frequencies and wave vectors at once.

All P are ratios of the six numbers of the Hermitian 3 x 3 matrix G = H+ M^-1 H, which for a block of frequencies come
from one product of matrices.
"""

from __future__ import annotations

import numpy as np

from analysis.errors import WrongData

MOST = 2**21  # complex numbers in one table of a block of frequencies


def loaded_inverse(matrices: np.ndarray, loading: float) -> np.ndarray:
    """Return the inverses of M with white noise added; NaN where M is zero."""
    size = matrices.shape[-1]
    mean = np.trace(matrices, axis1=1, axis2=2).real / size
    silent = ~(mean > 0)
    scaled = matrices / np.where(silent, 1.0, mean)[:, None, None] + loading * np.eye(size)
    scaled[silent] = np.eye(size)
    try:
        inverse = np.linalg.inv(scaled)
    except np.linalg.LinAlgError as error:
        raise WrongData(
            "M has no inverse: the series depend on each other; give loading=, for example 0.001"
        ) from error
    inverse[silent] = np.nan
    return inverse / np.where(silent, 1.0, mean)[:, None, None]


def filtered(inverse: np.ndarray, k: np.ndarray, r: np.ndarray, *, divergence_free: bool) -> np.ndarray:
    """Return P (frequency, k) for inverses of M (frequency, 3N, 3N), wave vectors (k, 3) and places (N, 3)."""
    pairs, unit, across = _phases(k, r)
    blocks = _upper(inverse, len(r))
    result = np.empty((len(k), len(inverse)))
    at_once = max(1, MOST // (6 * len(k)))
    for first in range(0, len(inverse), at_once):
        part = slice(first, first + at_once)
        g = pairs @ blocks[:, part].transpose(0, 2, 1)  # (6, k, frequency)
        result[:, part] = _trace_of_inverse(g, unit[..., None], across[:, None] & divergence_free)
    return result.T


def peaks(
    inverse: np.ndarray, k: np.ndarray, step: float, r: np.ndarray, *, divergence_free: bool, largest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return k (frequency, 3) of most power near some guesses (frequency, guess, 3), P there and its half-widths.

    The best of 27 points around each guess becomes the next one, three times; then the points move together by half,
    down to 1/128 of a step, and never beyond the largest wave number. Where fields along k are left out, k = 0 is no
    candidate: all fields pass there.
    """
    blocks = _upper(inverse, len(r)).transpose(1, 2, 0)  # (frequency, pair, 6)

    def power(at: np.ndarray) -> np.ndarray:
        pairs, unit, across = _phases(at, r)
        values = _trace_of_inverse(np.moveaxis(pairs @ blocks, -1, 0), unit, across & divergence_free)
        return np.where(across, values, np.nan) if divergence_free else values

    def within(at: np.ndarray, values: np.ndarray) -> np.ndarray:
        short = np.linalg.norm(at, axis=-1) <= largest * (1 + 1e-9)
        return np.where(short, np.nan_to_num(values, nan=-1.0), -2.0)

    cube = np.stack(np.meshgrid(*[(0.0, -1.0, 1.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    count = k.shape[1]
    for move in range(3, 24):
        step_now = step / 2 ** (move // 3)
        trials = k[:, :, None] + step_now * cube
        values = power(trials.reshape(len(k), -1, 3)).reshape(len(k), count, len(cube))
        best = within(trials, values).argmax(axis=2)
        k = np.take_along_axis(trials, best[:, :, None, None], axis=2)[:, :, 0]
    k = k[np.arange(len(k)), within(k, power(k)).argmax(axis=1)]
    sides = np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    with np.errstate(invalid="ignore", divide="ignore"):
        low = 1 / power(k[:, None] + step_now * (sides + 1e-9))  # beside k = 0, if a side is there
        curvature = (low[:, 1:4] + low[:, 4:]) / 2 - low[:, :1]
        width = np.where(curvature > 0, step_now * np.sqrt(low[:, :1] / curvature), np.inf)
    return k, 1 / low[:, 0], width


def _phases(k: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return exp(i k.(r_n - r_m)) for all pairs m, n (last dim), unit vectors of k (first dim), and whether k > 0."""
    phase = np.exp(1j * k @ r.T)
    pairs = np.conj(phase)[..., :, None] * phase[..., None, :]
    length = np.linalg.norm(k, axis=-1)
    unit = k / np.where(length > 0, length, 1.0)[..., None]
    return pairs.reshape(*k.shape[:-1], -1), np.moveaxis(unit, -1, 0), length > 0


def _upper(inverse: np.ndarray, count: int) -> np.ndarray:
    """Return the inverses as (component, frequency, pair), component xx, yy, zz, xy, xz, yz: G is Hermitian."""
    blocks = inverse.reshape(-1, count, 3, count, 3).transpose(2, 4, 0, 1, 3).reshape(9, len(inverse), count**2)
    return blocks[[0, 4, 8, 1, 2, 5]]


def _trace_of_inverse(g: np.ndarray, n: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return tr[(V^T G V)^-1] with V normal to unit vectors n, where ``across`` is true, else tr[G^-1].

    G is given by xx, yy, zz, xy, xz, yz. In the plane normal to n the trace is tr G - n.G.n and the determinant
    n.adj(G).n, and the trace of a 2 x 2 inverse is their ratio.
    """
    xx, yy, zz = g[0].real, g[1].real, g[2].real
    (xy, xyi), (xz, xzi), (yz, yzi) = ((part.real, part.imag) for part in g[3:])
    minors = (yy * zz - yz**2 - yzi**2, xx * zz - xz**2 - xzi**2, xx * yy - xy**2 - xyi**2)
    cross = (xz * yz + xzi * yzi - xy * zz, xy * yz - xyi * yzi - xz * yy, xy * xz + xyi * xzi - xx * yz)
    inside = n[0] ** 2 * xx + n[1] ** 2 * yy + n[2] ** 2 * zz
    inside += 2 * (n[0] * n[1] * xy + n[0] * n[2] * xz + n[1] * n[2] * yz)
    area = n[0] ** 2 * minors[0] + n[1] ** 2 * minors[1] + n[2] ** 2 * minors[2]
    area += 2 * (n[0] * n[1] * cross[0] + n[0] * n[2] * cross[1] + n[1] * n[2] * cross[2])
    with np.errstate(invalid="ignore", divide="ignore"):
        result = (xx + yy + zz - inside) / area
    free = np.broadcast_to(~across, result.shape)
    if free.any():
        x, y, z, u, v, w = (part[free] for part in g)
        whole = np.array([[x, u, v], [np.conj(u), y, w], [np.conj(v), np.conj(w), z]])
        result[free] = np.trace(np.linalg.inv(np.moveaxis(whole, -1, 0)), axis1=1, axis2=2).real
    return result

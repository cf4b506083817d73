r"""Wigner's d functions, and sums of products of 3j symbols as integrals over them: plain arrays.

A sum :math:`\sum_{\ell_1} (2\ell_1+1) A_{\ell_1}` over products of two 3j symbols is half the integral of three
d functions, which Gauss–Legendre quadrature gives exactly: a matrix of such sums costs one matrix product.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def wigner_d(lmax: int, m: int, n: int, mu: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return :math:`d^\ell_{mn}(\beta)` for ℓ from 0 to ``lmax`` at :math:`\mu = \cos\beta`, shape (ℓ, μ).

    By the recurrence in ℓ, upwards from :math:`\ell = \max(|m|, |n|)`; each step is one operation on all angles.

    References
    ----------
    Varshalovich, Moskalev & Khersonskii, Quantum Theory of Angular Momentum (1988), section 4.8.

    Examples
    --------
    >>> wigner_d(2, 0, 0, np.array([0.5])).ravel().tolist()
    [1.0, 0.5, -0.125]
    """
    table = np.zeros((lmax + 1, mu.size))
    start = max(abs(m), abs(n))
    if start > lmax:
        return table
    table[start] = _lowest(start, m, n, mu)
    if start == 0 and lmax > 0:
        table[1] = mu
    ell = np.arange(lmax + 1.0)
    root = np.sqrt(np.maximum((ell**2 - m**2) * (ell**2 - n**2), 0))
    for step in range(max(start, 1), lmax):  # a recurrence: the next needs the last two
        table[step + 1] = (2 * step + 1) * (step * (step + 1) * mu - m * n) * table[step]
        table[step + 1] -= (step + 1) * root[step] * table[step - 1]
        table[step + 1] /= step * root[step + 1]
    return table


def _lowest(ell: int, m: int, n: int, mu: NDArray) -> NDArray:
    """The function of the smallest ℓ, one of whose indices is ±ℓ, from its closed form."""
    sign = 1
    if abs(m) < abs(n):
        m, n, sign = n, m, (-1) ** (m - n)
    if m < 0:
        m, n, sign = -m, -n, sign * (-1) ** (m - n)
    half_cos, half_sin = np.sqrt((1 + mu) / 2), np.sqrt((1 - mu) / 2)
    return sign * np.sqrt(comb(2 * ell, ell - n)) * half_cos ** (ell + n) * (-half_sin) ** (ell - n)


def nodes(degree: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points and weights of Gauss and Legendre that integrate polynomials up to a degree over -1 … 1.

    Examples
    --------
    >>> mu, weights = nodes(4)
    >>> round(float((weights * mu**4).sum()), 12)
    0.4
    """
    from scipy.special import roots_legendre

    mu, weights = roots_legendre(degree // 2 + 1)
    return mu, weights

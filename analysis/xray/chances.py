"""Chances so small that only their logarithms fit into a float, one trial and many."""

from __future__ import annotations

import numpy as np

H_SLOPE = 0.4  # P(> H) = exp(-0.4 H): de Jager & Büsching (2010), A&A 517, L9


def after_trials(log_probability: np.ndarray, trials: int) -> np.ndarray:
    """Return ln of the chance in any of so many trials, 1 - (1 - p)^trials, from ln p.

    Examples
    --------
    >>> after_trials(np.array([-1000.0, np.log(0.5)]), 2).round(6).tolist()
    [-999.306853, -0.287682]
    """
    single = np.minimum(np.asarray(log_probability, dtype=float), 0.0)
    with np.errstate(divide="ignore"):  # ln(1 - p) of p = 1 is -∞, and the chance 1
        none = trials * np.log1p(-np.exp(single))  # ln of the chance of none
        # of a chance below 1e-10 the product is as good, and it does not run out of floats
        return np.where(single + np.log(trials) < -23, single + np.log(trials), np.log(-np.expm1(none)))


def log_chi_squared(value: np.ndarray, dof: int) -> np.ndarray:
    """Return ln of the chance that χ² is larger, also where it is too small for a float.

    Examples
    --------
    >>> log_chi_squared(np.array([2.0, 2000.0]), 2).round(9).tolist()
    [-1.0, -1000.0]
    """
    from scipy.special import gammaincc, gammaln

    half, half_dof = np.asarray(value, dtype=float) / 2, dof / 2
    with np.errstate(divide="ignore"):
        plain = np.log(gammaincc(half_dof, half))
    # far out: Γ(a, x) = x^(a-1) e^-x (1 + (a-1)/x + (a-1)(a-2)/x² …), a series that ends for even dof
    x = np.maximum(half, 300.0)
    series, term = np.ones_like(x), np.ones_like(x)
    for k in range(1, 40):
        term = term * (half_dof - k) / x
        series = series + term
    far = (half_dof - 1) * np.log(x) - x - gammaln(half_dof) + np.log(series)
    return np.where((half > 300) & (half > 2 * half_dof), far, plain)

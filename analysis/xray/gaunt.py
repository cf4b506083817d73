"""Free-free Gaunt factors: the Born approximation with the corrections of Kellogg, Baldwin & Koch (1975).

Below 13.6 eV Z² / kT = 0.1 Karzas & Latter's (1961) numbers by polynomials in u = E/kT, above it Kurucz's (1970)
table with L. Molnar's two corrections. Both tables are those that XSPEC and XSPEC's ancestors print.
"""

from __future__ import annotations

import numpy as np

from analysis.xray.models import Array

RYDBERG = 0.01358  # keV, as the fits have it

# factor = a + b u + c u²; rows: 1000 γ² = GAMMA, columns: u up to U
GAMMA = np.array([1.0, 1.7783, 3.0, 5.6234, 10.0, 30.0, 100.0])
U = np.array([0.03, 0.30, 1.0, 5.0, 15.0])
A = np.array(
    [
        [1.001, 1.004, 1.017, 1.036, 1.056, 1.121],
        [1.001, 1.005, 1.017, 1.046, 1.073, 1.115],
        [0.9991, 1.005, 1.03, 1.055, 1.102, 1.176],
        [0.997, 1.005, 1.035, 1.069, 1.134, 1.186],
        [0.9962, 1.004, 1.042, 1.1, 1.193, 1.306],
        [0.9874, 0.9962, 1.047, 1.156, 1.327, 1.485],
        [0.9681, 0.9755, 1.020, 1.208, 1.525, 1.965],
    ]
)
B = np.array(
    [
        [0.3029, 0.1616, 0.04757, 0.013, 0.0049, -0.0032],
        [0.4905, 0.2155, 0.08357, 0.02041, 0.00739, 0.00029],
        [0.654, 0.2833, 0.08057, 0.03257, 0.00759, -0.00151],
        [1.029, 0.391, 0.1266, 0.05149, 0.01274, 0.00324],
        [0.9569, 0.4891, 0.1764, 0.05914, 0.01407, -0.00024],
        [1.236, 0.7579, 0.326, 0.1077, 0.028, 0.00548],
        [1.327, 1.017, 0.6017, 0.205, 0.0605, 0.00187],
    ]
)
C = np.array(
    [
        [-1.323, -0.254, -0.01571, -0.001, -0.000184, 0.00008],
        [-4.762, -0.3386, -0.03571, -0.001786, -0.0003, 0.00001],
        [-6.349, -0.4206, -0.02571, -0.003429, -0.000234, 0.00005],
        [-13.231, -0.59, -0.04571, -0.005714, -0.000445, -0.00004],
        [-7.672, -0.6852, -0.0643, -0.005857, -0.00042, 0.00004],
        [-7.143, -0.9947, -0.12, -0.01007, -0.000851, -0.00004],
        [-3.175, -1.116, -0.2270, -0.01821, -0.001729, 0.00023],
    ]
)
# rows: log10 γ² = -1 … 2, columns: log10 u = -4 … 1.5, both in steps of 0.5
KURUCZ = np.array(
    [
        [5.40, 4.77, 4.15, 3.54, 2.94, 2.41, 1.95, 1.55, 1.17, 0.86, 0.59, 0.38],
        [5.25, 4.63, 4.02, 3.41, 2.81, 2.32, 1.90, 1.56, 1.30, 1.00, 0.76, 0.53],
        [5.00, 4.40, 3.80, 3.22, 2.65, 2.19, 1.80, 1.51, 1.32, 1.15, 0.97, 0.76],
        [4.69, 4.13, 3.57, 2.97, 2.44, 2.02, 1.68, 1.42, 1.30, 1.18, 1.09, 0.96],
        [4.48, 3.87, 3.27, 2.70, 2.21, 1.84, 1.52, 1.33, 1.20, 1.15, 1.13, 1.08],
        [4.16, 3.52, 2.98, 2.45, 2.01, 1.67, 1.41, 1.25, 1.15, 1.11, 1.10, 1.09],
        [3.85, 3.27, 2.70, 2.20, 1.81, 1.50, 1.30, 1.17, 1.11, 1.08, 1.08, 1.09],
    ]
)


def gaunt_factor(energy: Array, kt: float, charge: int) -> Array:
    """Return the free-free Gaunt factor at photon energies for a temperature (both keV) and the ion's charge.

    Beyond u = 50 it is 0, as in XSPEC: there e^-u leaves nothing.
    """
    u = energy / kt
    gamma = charge**2 * RYDBERG / kt
    found = _of_cold_gas(u, gamma) if gamma > 0.1 else _of_hot_gas(u, 1000 * gamma)
    return np.where(u <= 50, found, 0.0)


def _of_hot_gas(u: Array, gamma: float) -> Array:
    from scipy.special import k0e

    born = np.sqrt(3) / np.pi * k0e(u / 2)
    if gamma < 1:
        return born
    m = min(int(np.searchsorted(GAMMA, gamma)) - 1, 5) if gamma > 1 else 0
    n = np.searchsorted(U, u)
    at = np.maximum(u, 0.003)
    below, above = (A[row, n] + at * (B[row, n] + at * C[row, n]) for row in (m, m + 1))
    share = (gamma - GAMMA[m]) / (GAMMA[m + 1] - GAMMA[m])
    return born * ((1 - share) * below + share * above)


def _of_cold_gas(u: Array, gamma: float) -> Array:
    row = np.clip(2 * (np.log10(gamma) + 1), 0, 6)
    column = np.clip(2 * (np.log10(u) + 4), 0, 11)
    j, k = min(int(row), 5), np.minimum(column.astype(int), 10)
    t, s = row - j, column - k
    return (1 - t) * ((1 - s) * KURUCZ[j, k] + s * KURUCZ[j, k + 1]) + t * (
        (1 - s) * KURUCZ[j + 1, k] + s * KURUCZ[j + 1, k + 1]
    )

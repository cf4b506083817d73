"""Compiled loops of the folding engine: products of a matrix in runs with one or several vectors.

A matrix is stored row by row in runs: stretches of energy bins next to one another without a zero between
them. Within a run nothing but the values themselves is read, so that a product is as quick as memory gives
them. Signatures are fixed: both kernels are compiled (or taken from the cache) once, when this is imported.
"""

import numba
from numba import types

_F1, _F2, _I1 = (
    types.Array(dtype, ndim, "C", readonly=True)
    for dtype, ndim in ((types.float64, 1), (types.float64, 2), (types.int64, 1))
)
_OUT1, _OUT2 = types.float64[::1], types.float64[:, ::1]
# sums may be taken in any order; NaN and infinities stay what they are
_FAST = {"reassoc", "contract"}


@numba.njit(types.void(_F1, _I1, _I1, _I1, _F2, _OUT2), cache=True, fastmath=_FAST)
def fold(values, run_values, run_energies, row_runs, fluxes, made):
    """Write each row's product with each flux, (n, energy) to (n, row)."""
    for row in range(made.shape[1]):
        for run in range(row_runs[row], row_runs[row + 1]):
            stretch = values[run_values[run] : run_values[run + 1]]
            first = run_energies[run]
            for which in range(made.shape[0]):
                flux = fluxes[which][first : first + stretch.size]
                total = 0.0
                for j in range(stretch.size):
                    total += stretch[j] * flux[j]
                made[which, row] += total


@numba.njit(types.void(_F1, _I1, _I1, _I1, _F1, _OUT1), cache=True, fastmath=_FAST)
def unfold(values, run_values, run_energies, row_runs, of_rows, made):
    """Write the transposed product, from rows to energies."""
    for row in range(of_rows.size):
        factor = of_rows[row]
        for run in range(row_runs[row], row_runs[row + 1]):
            stretch = values[run_values[run] : run_values[run + 1]]
            first = run_energies[run]
            onto = made[first : first + stretch.size]
            for j in range(stretch.size):
                onto[j] += factor * stretch[j]

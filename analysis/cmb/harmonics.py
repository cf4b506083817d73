r"""Spherical harmonic transforms of HEALPix maps: plain arrays in RING order, ducc0 does the work.

Coefficients are complex arrays of shape ``(components, (lmax+1)(lmax+2)/2)``, m-major: m = 0 with
ℓ = 0 … lmax, then m = 1 with ℓ = 1 … lmax, and so on. Spin 0 has one component, spin 2 has E and B made of Q
and U in the COSMO convention, :math:`Q \pm iU = \sum a^{\pm 2}_{\ell m}\, {}_{\pm 2}Y_{\ell m}`, :math:`a^E =
-(a^{+2} + a^{-2})/2`, :math:`a^B = i (a^{+2} - a^{-2})/2` (the signs of HEALPix).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import BadOption

if TYPE_CHECKING:
    from numpy.typing import NDArray


def thread_count() -> int:
    """Return how many threads a transform may use: ``SANKO_THREADS``, else the cores open to this process.

    Raises
    ------
    BadOption
        If ``SANKO_THREADS`` is not a positive whole number.

    Examples
    --------
    >>> thread_count() >= 1
    True
    """
    given = os.environ.get("SANKO_THREADS", "").strip()
    if not given:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not given.isdecimal() or int(given) < 1:
        raise BadOption(f"SANKO_THREADS={given!r} is not a positive whole number, for example 4")
    return int(given)


def checked_lmax(lmax: int | None, nside: int) -> int:
    """Return the largest multipole to use: ``2 nside`` unless one is given.

    Beyond 2 nside the quadrature on HEALPix pixels gets poor and iterations amplify its error, so larger ones
    up to ``3 nside - 1`` must be asked for.

    Raises
    ------
    BadOption
        If it is not a whole number from 2 to ``3 nside - 1``.

    Examples
    --------
    >>> checked_lmax(None, 32), checked_lmax(95, 32)
    (64, 95)
    """
    largest = 3 * nside - 1
    if lmax is None:
        return min(2 * nside, largest)
    if not isinstance(lmax, int | np.integer) or isinstance(lmax, bool) or not 2 <= lmax <= largest:
        raise BadOption(f"lmax={lmax!r} is not a whole number from 2 to {largest}, what pixels of nside {nside} hold")
    return int(lmax)


def checked_iterations(iterations: int) -> int:
    """Return the number of Jacobi iterations.

    Raises
    ------
    BadOption
        If it is not a whole number, or negative.

    Examples
    --------
    >>> checked_iterations(3)
    3
    """
    if not isinstance(iterations, int | np.integer) or isinstance(iterations, bool) or iterations < 0:
        raise BadOption(f"iterations={iterations!r} is not a whole number from 0 on; 3 is what HEALPix users take")
    return int(iterations)


def multipoles(lmax: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ℓ and m of each coefficient.

    Examples
    --------
    >>> multipoles(1)
    (array([0, 1, 1]), array([0, 0, 1]))
    """
    ell = np.concatenate([np.arange(m, lmax + 1) for m in range(lmax + 1)])
    return ell, np.repeat(np.arange(lmax + 1), np.arange(lmax + 1, 0, -1))


def map_from_alm(alm: NDArray, *, nside: int, lmax: int, spin: int | None = None) -> NDArray:
    """Return the map of coefficients: one component is spin 0, two are E and B and give Q and U.

    ``spin`` says another than 2 for two components.

    Examples
    --------
    >>> monopole = np.array([[np.sqrt(4 * np.pi), 0, 0]], dtype=complex)
    >>> map_from_alm(monopole, nside=1, lmax=1).round(12).tolist() == [[1.0] * 12]
    True
    """
    import ducc0

    alm = np.ascontiguousarray(alm, dtype=complex)
    return ducc0.sht.synthesis(alm=alm, **_grid(nside, lmax, spin=_spin(alm, spin)))


def alm_from_map(values: NDArray, *, nside: int, lmax: int, iterations: int, spin: int | None = None) -> NDArray:
    """Return the coefficients of a map in RING order: of one component spin 0, of Q and U those of E and B.

    The first estimate is the sum over pixels of equal weight; each Jacobi iteration adds the same of what is
    left (2 more transforms). No ring or pixel weights. ``spin`` says another than 2 for two components.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976; Reinecke & Seljebotn 2013, A&A 554, A112,
    doi:10.1051/0004-6361/201321494 (the transform).

    Examples
    --------
    >>> alm_from_map(np.ones((1, 12)), nside=1, lmax=1, iterations=0).round(12).tolist()[0][0].real
    3.544907701811
    """
    import ducc0

    values = np.ascontiguousarray(values, dtype=float)
    grid = _grid(nside, lmax, spin=_spin(values, spin))
    area = np.pi / (3 * nside**2)
    alm = ducc0.sht.adjoint_synthesis(map=values, **grid) * area
    for _ in range(iterations):
        rest = values - ducc0.sht.synthesis(alm=alm, **grid)
        alm += ducc0.sht.adjoint_synthesis(map=rest, **grid) * area
    return alm


def alm_to_tolerance(
    values: NDArray, *, nside: int, lmax: int, tolerance: float, spin: int | None = None, most: int = 100
) -> tuple[NDArray, int, float]:
    """Return the coefficients that fit a map best, how many steps that took, and what they leave of the map.

    Least squares by LSMR, until a step changes less than the tolerance. What is left is the norm of the map minus
    that of its coefficients, relative to the norm of the map: noise and multipoles above ``lmax`` stay in it.

    Raises
    ------
    BadOption
        If the tolerance is not reached within ``most`` steps.

    References
    ----------
    Fong & Saunders 2011, SIAM J. Sci. Comput. 33, 2950, doi:10.1137/10079687X (LSMR).

    Examples
    --------
    >>> alm, steps, left = alm_to_tolerance(np.ones((1, 48)), nside=2, lmax=2, tolerance=1e-12)
    >>> bool(left < 1e-12)
    True
    """
    import ducc0

    values = np.ascontiguousarray(values, dtype=float)
    grid = _grid(nside, lmax, spin=_spin(values, spin))
    alm, reason, steps, left, _ = ducc0.sht.pseudo_analysis(map=values, maxiter=most, epsilon=tolerance, **grid)
    if reason not in (1, 2):
        raise BadOption(
            f"tolerance={tolerance:g} was not reached in {most} steps (lmax={lmax}, nside={nside}); "
            "give a larger one, for example 1e-6, or an lmax of at most 2 nside"
        )
    return alm, int(steps), float(left)


def _spin(components: NDArray, spin: int | None) -> int:
    return 2 * (len(components) - 1) if spin is None else spin


def _grid(nside: int, lmax: int, *, spin: int) -> dict:
    import ducc0

    info = ducc0.healpix.Healpix_Base(nside, "RING").sht_info()
    return {**info, "spin": spin, "lmax": lmax, "nthreads": thread_count()}


def spectrum_of(first: NDArray, second: NDArray, *, lmax: int) -> NDArray[np.float64]:
    r"""Return :math:`C_\ell = \frac{1}{2\ell+1}\sum_m \mathrm{Re}(a_{\ell m} b^*_{\ell m})`, m from -ℓ to ℓ.

    Examples
    --------
    >>> spectrum_of(np.array([1, 1, 1j]), np.array([1, 1, 1j]), lmax=1)
    array([1., 1.])
    """
    ell, m = multipoles(lmax)
    power = (first.real * second.real + first.imag * second.imag) * np.where(m > 0, 2, 1)
    return np.bincount(ell, power, minlength=lmax + 1) / (2 * np.arange(lmax + 1) + 1)

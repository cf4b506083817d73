r"""Spherical harmonic transforms of HEALPix maps: plain arrays in RING order, ducc0 does the work.

Coefficients are complex arrays of shape ``(components, (lmax+1)(lmax+2)/2)``, m-major: m = 0 with
ℓ = 0 … lmax, then m = 1 with ℓ = 1 … lmax, and so on. Spin 0 has one component, spin 2 has E and B made of Q
and U in the COSMO convention, :math:`Q \pm iU = \sum a^{\pm 2}_{\ell m}\, {}_{\pm 2}Y_{\ell m}`, :math:`a^E =
-(a^{+2} + a^{-2})/2`, :math:`a^B = i (a^{+2} - a^{-2})/2` (the signs of HEALPix).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from analysis.cmb.maps import ring_order
from analysis.errors import BadOption

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_KEPT = 2048  # lmax up to which ℓ and m of the coefficients are kept in memory: 34 MB


@dataclass(frozen=True)
class Fingerprinted:
    """An array that is equal to another of the same bytes, so that what follows from it can be remembered."""

    digest: str
    values: NDArray = field(compare=False, repr=False)


def fingerprinted(values: NDArray) -> Fingerprinted:
    """Return a read-only copy of an array, with the checksum of its shape, type and bytes.

    Examples
    --------
    >>> fingerprinted(np.ones(3)) == fingerprinted(np.ones(3)), fingerprinted(np.ones(3)) == fingerprinted(np.ones(2))
    (True, False)
    """
    copied = np.array(values, order="C")
    copied.setflags(write=False)
    told = f"{copied.dtype.str}{copied.shape}".encode()
    return Fingerprinted(hashlib.sha256(told + copied.tobytes()).hexdigest(), copied)


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
    """Return ℓ and m of each coefficient, not to be written to.

    Examples
    --------
    >>> multipoles(1)
    (array([0, 1, 1]), array([0, 0, 1]))
    """
    return _kept_multipoles(lmax) if lmax <= LARGEST_KEPT else _multipoles(lmax)


@lru_cache(maxsize=2)
def _kept_multipoles(lmax: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ell, m = _multipoles(lmax)
    ell.setflags(write=False)
    m.setflags(write=False)
    return ell, m


def _multipoles(lmax: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ell = np.concatenate([np.arange(m, lmax + 1) for m in range(lmax + 1)])
    return ell, np.repeat(np.arange(lmax + 1), np.arange(lmax + 1, 0, -1))


def in_ring_order(values: NDArray) -> NDArray:
    """Return planes of a map, shape (planes, cells) in NESTED order, in RING order.

    Examples
    --------
    >>> nested = np.arange(48.0)[None]
    >>> in_ring_order(nested)[0, :4], bool((in_nested_order(in_ring_order(nested)) == nested).all())
    (array([ 3.,  7., 11., 15.]), True)
    """
    order = ring_order(_nside(values))
    ring = np.empty(values.shape, dtype=values.dtype)
    for row, plane in zip(ring, values, strict=True):  # row by row and unbuffered is three times faster than at once
        np.take(plane, order, out=row, mode="clip")
    return ring


def in_nested_order(values: NDArray) -> NDArray:
    """Return planes of a map, shape (planes, cells) in RING order, in NESTED order.

    Examples
    --------
    >>> in_nested_order(np.arange(48.0)[None])[0, :4]
    array([13.,  5.,  4.,  0.])
    """
    order = ring_order(_nside(values))
    nested = np.empty(values.shape, dtype=values.dtype)
    for row, plane in zip(nested, values, strict=True):
        row[order] = plane
    return nested


def _nside(values: NDArray) -> int:
    return int(np.sqrt(values.shape[-1] // 12))


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


def alm_from_map(
    values: NDArray, *, nside: int, lmax: int, iterations: int, spin: int | None = None, ring_weights: bool = False
) -> NDArray:
    """Return the coefficients of a map in RING order: of one component spin 0, of Q and U those of E and B.

    The first estimate is the sum over pixels of equal weight; each Jacobi iteration adds the same of what is
    left (2 more transforms). ``ring_weights`` weighs each ring as :func:`ring_weights_of` does, in all of them: of maps
    without power above ``lmax`` 2 iterations are then about as exact as 3 of equal weight (several times more so up to
    1.5 nside; at 2 nside within a factor of 2.5, better where spectra fall with ℓ). No pixel weights. ``spin`` says
    another than 2 for two components.

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
    area = np.pi / (3 * nside**2) * (ring_weights_of(nside) if ring_weights else np.ones(4 * nside - 1))
    alm = ducc0.sht.adjoint_synthesis(map=values, ringfactor=area, **grid)
    rest = np.empty_like(values) if iterations else values
    for _ in range(iterations):
        ducc0.sht.synthesis(alm=alm, map=rest, **grid)
        np.subtract(values, rest, out=rest)
        alm += ducc0.sht.adjoint_synthesis(map=rest, ringfactor=area, **grid)
    return alm


@lru_cache(maxsize=8)
def ring_weights_of(nside: int) -> NDArray[np.float64]:
    r"""Return a factor for each ring, near 1, with which sums over pixels integrate all :math:`Y_{\ell 0}` exactly.

    Of all factors that do so for ℓ up to ``3 nside - 1`` those that differ least from 1, over pixels. They are found by
    conjugate gradients, in a few steps.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976 (what weights of rings are for).

    Examples
    --------
    >>> ring_weights_of(2).round(4)
    array([1.1537, 0.9143, 0.9804, 1.0569, 0.9804, 0.9143, 1.1537])
    """
    import ducc0

    grid = ducc0.healpix.Healpix_Base(nside, "RING").sht_info()
    lmax, cells = 3 * nside - 1, grid["nphi"].astype(float)
    first = np.zeros(1, dtype=np.uintp)
    options = {"lmax": lmax, "spin": 0, "theta": grid["theta"], "mval": first, "mstart": first, "nthreads": 1}
    area, even = np.pi / (3 * nside**2), np.arange(lmax + 1) % 2 == 0

    def on_rings(alm: NDArray) -> NDArray:
        return ducc0.sht.alm2leg(alm=alm[None].astype(complex), **options)[0, :, 0].real

    def summed(rings: NDArray) -> NDArray:
        leg = (rings * cells * area)[None, :, None].astype(complex)
        return ducc0.sht.leg2alm(leg=leg, **options)[0].real * even

    left = -summed(np.ones(cells.size))
    left[0] += np.sqrt(4 * np.pi)
    found, step, size = np.zeros(lmax + 1), left.copy(), left @ left
    for _ in range(50):
        if size < 1e-30:
            break
        image = summed(on_rings(step))
        length = size / (step @ image)
        found += length * step
        left -= length * image
        size, before = left @ left, size
        step = left + size / before * step
    weights = 1 + on_rings(found)
    weights.setflags(write=False)
    return weights


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

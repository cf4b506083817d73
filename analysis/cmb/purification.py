r"""Pure E and B modes of a part of the sky: what a mask cannot mix.

With the mask :math:`w` inside the derivatives, :math:`a_{\ell m} = \int P\, \overline{\eth\eth(w Y_{\ell m})}`
keeps no ambiguous mode. The product rule gives three ordinary transforms, of :math:`Pw`, :math:`P\overline{\eth w}`
and :math:`P\overline{\eth\eth w}` with spin 2, 1 and 0. It holds only where :math:`w` and its slope go to zero
at the edge.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from analysis.cmb.harmonics import Fingerprinted, alm_from_map, fingerprinted, map_from_alm, multipoles
from analysis.errors import WrongData

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_KEPT = 512  # nside up to which the derivatives of the last mask are remembered: 100 MB
STEEPEST = 0.5  # weight beside a cell of weight 0


def pure_alms(
    values: NDArray,
    weights: NDArray,
    *,
    nside: int,
    lmax: int,
    iterations: int,
    purify: str,
    ring_weights: bool = False,
) -> NDArray[np.complex128]:
    r"""Return the coefficients E and B of Q and U (COSMO, RING, not yet masked) with those named pure.

    The terms with derivatives of the mask fall as :math:`1/\ell` and :math:`1/\ell^2`, so one iteration serves
    them (NaMaster's pure bandpowers with three are met to 2e-8). Values where the mask is 0 take part too: the slope
    of a mask cut at ``lmax`` is not 0 there.

    Raises
    ------
    WrongData
        If the mask jumps at its edge.

    References
    ----------
    Smith 2006, PRD 74, 083002, doi:10.1103/PhysRevD.74.083002; Alonso et al. 2019, MNRAS 484, 4127,
    doi:10.1093/mnras/stz093, section 2.4.

    Examples
    --------
    >>> flat = np.zeros((2, 192))
    >>> bool((pure_alms(flat, np.ones(192), nside=4, lmax=8, iterations=0, purify="B") == 0).all())
    True
    """
    refuse_steep(weights, nside)
    options: dict = {"nside": nside, "lmax": lmax, "ring_weights": ring_weights}
    alm = alm_from_map(values * weights, iterations=iterations, **options)
    few = min(iterations, 1)
    if nside <= LARGEST_KEPT:
        slope, bend = _kept_derivatives(fingerprinted(weights), nside, lmax, iterations, ring_weights)
    else:
        slope, bend = _derivatives(weights, nside, lmax, iterations, ring_weights)
    polarization = values[0] + 1j * values[1]
    first = polarization * np.conj(slope)
    once = alm_from_map(np.stack([first.real, first.imag]), iterations=few, spin=1, **options)
    second = polarization * np.conj(bend)
    parts = {"E": second.real, "B": second.imag}
    ell = multipoles(lmax)[0].astype(float)
    inside = ell >= 2
    ell[~inside] = 2
    of_slope, of_bend = (1 / np.sqrt((ell + 2) * (ell - 1) * rest) for rest in (1, (ell + 1) * ell))
    for row, letter in enumerate("EB"):
        if letter in purify:
            twice = alm_from_map(parts[letter][None], iterations=few, **options)[0]
            alm[row] += np.where(inside, 2 * of_slope * once[row] - of_bend * twice, 0)
    return alm


@lru_cache(maxsize=1)
def _kept_derivatives(
    weights: Fingerprinted, nside: int, lmax: int, iterations: int, ring_weights: bool
) -> tuple[NDArray, NDArray]:
    return _derivatives(weights.values, nside, lmax, iterations, ring_weights)


def _derivatives(
    weights: NDArray, nside: int, lmax: int, iterations: int, ring_weights: bool
) -> tuple[NDArray, NDArray]:
    """The first and second spin-raised derivatives of a mask, complex maps of spin 1 and 2."""
    ell = multipoles(lmax)[0].astype(float)
    options: dict = {"nside": nside, "lmax": lmax, "iterations": iterations, "ring_weights": ring_weights}
    alm = alm_from_map(weights[None], **options)[0]
    nothing = np.zeros_like(alm)
    once = -np.sqrt(ell * (ell + 1)) * alm
    twice = -np.sqrt(np.maximum((ell + 2) * (ell + 1) * ell * (ell - 1), 0)) * alm
    slope = map_from_alm(np.stack([once, nothing]), nside=nside, lmax=lmax, spin=1)
    bend = map_from_alm(np.stack([twice, nothing]), nside=nside, lmax=lmax)
    return slope[0] + 1j * slope[1], bend[0] + 1j * bend[1]


def refuse_steep(weights: NDArray, nside: int) -> None:
    """Refuse a mask (RING order) that jumps at its edge: it has no derivatives there.

    Raises
    ------
    WrongData
        If a kept cell beside one that is left out has a weight above 0.5.

    Examples
    --------
    >>> refuse_steep(np.ones(192), 4)  # nothing is left out, so there is no edge
    """
    import ducc0

    left_out = np.flatnonzero(np.asarray(weights) == 0)
    if not left_out.size:
        return
    beside = ducc0.healpix.Healpix_Base(nside, "RING").neighbors(left_out)
    largest = float(np.asarray(weights, dtype=float)[beside[beside >= 0]].max(initial=0))
    if largest > STEEPEST:
        raise WrongData(
            f"the mask jumps from 0 to {largest:.2g} between neighbouring cells, and purification needs its slope; "
            "apodize it: cmb.apodized_mask(mask, scale='5 deg', kind='C2')"
        )

"""Needlets: windows in multipoles, maps of each scale, and weights of least variance from place to place."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.cmb.harmonics import map_from_alm, multipoles
from analysis.cmb.maps import ring_order
from analysis.errors import BadOption, WrongData

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST_PEAK = 4
RATIO = 1.4
COARSEST = 8  # nside of the cells within which weights are constant, at most
WHOLE = 0.5  # radian² of σ: a Gaussian as wide as this is the whole sky


@dataclass(frozen=True, eq=False)
class Scale:
    """One needlet scale: its window at ℓ = 0 … lmax of the sky, its last multipole and the nside that holds it."""

    window: NDArray
    lmax: int
    nside: int


def needlet_scales(peaks: Sequence[int] | None, *, lmax: int, nside: int, modes: float = 200.0) -> list[Scale]:
    r"""Return cosine needlets whose squares add to 1 at every multipole.

    Without peaks the first is at :math:`\sqrt{modes}`, and each next one 1.4 times higher, or as far as it takes to
    have this many modes in between: foregrounds are steep, so that weights must follow the multipole closely.

    Raises
    ------
    BadOption
        If the peaks do not increase or are not within the multipoles.

    Examples
    --------
    >>> scales = needlet_scales([15, 30, 60, 120], lmax=128, nside=64)
    >>> bool(np.allclose(sum(s.window**2 for s in scales), 1)), [s.nside for s in scales]
    (True, [16, 32, 64, 64])
    """
    if peaks is None:
        tops = [int(min(max(np.ceil(np.sqrt(modes)), LOWEST_PEAK), lmax))]
        while (top := int(np.ceil(max(RATIO * tops[-1], np.sqrt(tops[-1] ** 2 + modes))))) <= lmax:
            tops.append(top)
    else:
        tops = [int(peak) for peak in peaks]
        if not tops or tops[0] < 2 or tops[-1] > lmax or any(a >= b for a, b in itertools.pairwise(tops)):
            raise BadOption(
                f"peaks={list(peaks)!r} must increase from 2 or more to {lmax} at most, for example [15, 60]"
            )
    ell = np.arange(lmax + 1)
    made = []
    for n, top in enumerate(tops):
        window = np.zeros(lmax + 1)
        window[ell == top] = 1
        window[(ell < top) & (n == 0)] = 1
        window[(ell > top) & (n == len(tops) - 1)] = 1
        if n > 0:
            rise = (ell > tops[n - 1]) & (ell < top)
            window[rise] = np.cos(np.pi / 2 * (top - ell[rise]) / (top - tops[n - 1]))
        if n < len(tops) - 1:
            fall = (ell > top) & (ell < tops[n + 1])
            window[fall] = np.cos(np.pi / 2 * (ell[fall] - top) / (tops[n + 1] - top))
        last = int(np.flatnonzero(window).max())
        own = min(nside, 2 ** int(np.ceil(np.log2(max(last, 4) / 2))))
        made.append(Scale(window, last, own))
    return made


def needlet_maps(alms: NDArray, scale: Scale) -> NDArray[np.float64]:
    """Return the map of each band in one scale, NESTED, (bands, cells).

    Examples
    --------
    >>> scale = needlet_scales([4], lmax=8, nside=4)[0]
    >>> needlet_maps(np.zeros((2, 45), dtype=complex), scale).shape
    (2, 192)
    """
    lmax = len(scale.window) - 1
    ell, m = multipoles(scale.lmax)
    place = m * (2 * lmax + 1 - m) // 2 + ell
    made = np.empty((len(alms), 12 * scale.nside**2))
    order = ring_order(scale.nside)
    for band, alm in enumerate(alms):
        made[band, order] = map_from_alm((alm[place] * scale.window[ell])[None], nside=scale.nside, lmax=scale.lmax)[0]
    return made


def needlet_weights(
    alms: NDArray, scale: Scale, mask: NDArray, spectra: NDArray, target: float
) -> tuple[NDArray, float, float]:
    """Return weights (coarse cells, bands) of one scale, the expected loss of power, and the FWHM of the average.

    Parameters
    ----------
    alms : array
        (bands, coefficients).
    scale : Scale
    mask : array
        Weights of the cells of the sky, NESTED.
    spectra : array
        (bands, constraints), see ``constrained_weights``.
    target : float
        Number of modes wanted in each average.

    Raises
    ------
    WrongData
        If even the whole sky has fewer modes than bands.

    Examples
    --------
    >>> alms = np.random.default_rng(1).normal(size=(2, 153)) + 0j
    >>> weights, loss, width = needlet_weights(alms, needlet_scales([8], lmax=16, nside=8)[0], np.ones(768),
    ...                                        np.ones((2, 1)), 20)
    >>> weights.shape, bool(np.allclose(weights.sum(axis=1), 1))
    ((768, 2), True)
    """
    bands, constraints = spectra.shape
    coarse = min(scale.nside, COARSEST, int(np.sqrt(mask.size // 12)))
    cells = 12 * coarse**2
    maps = needlet_maps(alms, scale).reshape(bands, cells, -1)
    own = mask.reshape(12 * scale.nside**2, -1).mean(axis=1).reshape(cells, -1) > 0.5
    maps = maps * own
    share = own.mean(axis=1)
    sums = np.einsum("apn,bpn->pab", maps, maps, optimize=True) / own.shape[1]
    ell = np.arange(scale.window.size)
    power = (2 * ell + 1) * scale.window**2
    modes = power[2:].sum() ** 2 / ((2 * ell + 1) * scale.window**4)[2:].sum()
    variance = max(target / max(modes * max(share.mean(), 1e-3), 1e-9), (1.5 / coarse) ** 2)
    kernel, count = _averages(coarse, variance, share, modes)
    while variance < WHOLE and count[share > 0].min(initial=np.inf) < target:
        variance *= 1.5
        kernel, count = _averages(coarse, variance, share, modes)
    least = float(count[share > 0].min(initial=np.inf))
    if not np.isfinite(least) or least < bands + 1:
        raise WrongData(
            f"a needlet scale up to ℓ = {scale.lmax} has {0 if not np.isfinite(least) else least:.0f} modes for "
            f"{bands} bands: use fewer bands, a larger sky or higher peaks"
        )
    norm = np.maximum(kernel @ share, 1e-30)
    covariance = (kernel @ sums.reshape(cells, -1)).reshape(cells, bands, bands) / norm[:, None, None]
    near = count >= least  # needlets of the kept cells reach beyond the mask: no weight there would take CMB away
    whole = sums.sum(axis=0) / max(float(share.sum()), 1e-30)
    weights = np.broadcast_to(constrained_weights(whole, spectra), (cells, bands)).copy()
    weights[near] = constrained_weights(covariance[near], spectra)
    width = 360.0 if variance >= WHOLE else float(np.degrees(np.sqrt(8 * np.log(2) * variance)))
    return weights, (bands - constraints) / least, width


def constrained_weights(covariance: NDArray, spectra: NDArray) -> NDArray[np.float64]:
    r"""Return :math:`C^{-1}F(F^TC^{-1}F)^{-1}e_1` for covariances (…, bands, bands) and spectra (bands, constraints).

    Raises
    ------
    WrongData
        If a covariance is singular: too few modes, or bands that are copies of each other.

    Examples
    --------
    >>> constrained_weights(np.diag([1.0, 3.0]), np.ones((2, 1))).tolist()
    [0.75, 0.25]
    """
    size = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = covariance / (size[..., :, None] * size[..., None, :])
    if not np.isfinite(scaled).all() or (np.linalg.eigvalsh(scaled)[..., 0] < 1e-13).any():
        raise WrongData(
            "the covariance of the bands is singular: fewer modes than bands, bands that are copies of each other, or "
            "maps without noise; use fewer bands, a larger sky or a smaller tolerance"
        )
    solved = np.linalg.solve(scaled, spectra / size[..., :, None])
    left = np.swapaxes(solved, -1, -2) @ (spectra / size[..., :, None])
    first = np.zeros(left.shape[-1])
    first[0] = 1
    mixed = np.linalg.solve(left, np.broadcast_to(first[:, None], (*left.shape[:-1], 1)))
    return (solved @ mixed)[..., 0] / size


def _averages(coarse: int, variance: float, share: NDArray, modes: float) -> tuple[NDArray, NDArray]:
    """Return a Gaussian kernel between coarse cells (NESTED), and how many modes each average holds."""
    import ducc0

    cells = 12 * coarse**2
    if variance >= WHOLE:
        kernel = np.ones((cells, cells))
    else:
        place = ducc0.healpix.Healpix_Base(coarse, "NEST").pix2vec(np.arange(cells))
        kernel = np.exp(-(np.arccos(np.clip(place @ place.T, -1, 1)) ** 2) / (2 * variance))
    inside, square = kernel @ share, (kernel**2) @ share
    return kernel, modes * inside**2 / np.maximum(square, 1e-30) / cells

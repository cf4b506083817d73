"""Gaussian realizations of power spectra: coefficients of T, E and B, and their maps in RING order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.harmonics import map_from_alm, multipoles
from analysis.errors import BadOption, WrongData
from analysis.model import in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACES = {"TT": (0, 0), "EE": (1, 1), "BB": (2, 2), "TE": (0, 1), "ET": (0, 1), "EB": (1, 2), "TB": (0, 2)}
SLACK = 1e-9  # relative: a negative eigenvalue of this size is rounding


def covariances(spectra: xr.Dataset, lmax: int) -> NDArray[np.float64]:
    """Return the covariance of T, E and B at each multipole, shape (lmax+1, 3, 3), µK².

    Spectra that are not there count as zero; ℓ = 0 and 1 too.

    Raises
    ------
    WrongData
        If they are no C_ℓ, do not start at ℓ = 2 or below, end before ``lmax``, or are no covariance.

    Examples
    --------
    >>> from analysis import cmb
    >>> covariances(cmb.fetch("planck2018_lcdm"), 10)[10].shape
    (3, 3)
    """
    if (
        not isinstance(spectra, xr.Dataset)
        or "cl" not in spectra.data_vars
        or set(spectra["cl"].dims)
        != {
            "spectrum",
            "ell",
        }
    ):
        raise WrongData("spectra must be a Dataset with 'cl' on the dims spectrum, ell: cmb.fetch('planck2018_lcdm')")
    cl = in_units(spectra["cl"], "uK2")
    if "D_ℓ" in str(cl.attrs.get("long_name", "")):
        raise WrongData("the spectra say that they are D_ℓ; give C_ℓ")
    ell = np.asarray(cl["ell"].values)
    if ell[0] > 2 or not np.array_equal(ell, np.arange(ell[0], ell[0] + ell.size)) or ell[-1] < lmax:
        raise WrongData(f"the spectra are at ℓ = {ell[0]} … {ell[-1]}; they must hold every ℓ from 2 to {lmax}")
    made = np.zeros((lmax + 1, 3, 3))
    for label in map(str, cl["spectrum"].values):
        if label not in PLACES:
            raise WrongData(f"the spectra hold {label!r}; they may hold {', '.join(PLACES)}")
        row, column = PLACES[label]
        values = np.asarray(cl.sel(spectrum=label).values, dtype=float)[2 - ell[0] : lmax + 1 - ell[0]]
        made[2:, row, column] = made[2:, column, row] = values
    if not np.isfinite(made).all():
        raise WrongData("the spectra hold NaN or infinities")
    return made


def square_roots(covariance: NDArray) -> NDArray[np.float64]:
    r"""Return the lower triangular L with :math:`L L^T` the covariance, shape (…, 3, 3); rows of no power are zero.

    It changes smoothly with the spectra, so that one seed gives nearly one sky for nearly the same spectra.

    Raises
    ------
    WrongData
        If one has a negative eigenvalue: |TE| above √(TT·EE), or negative power.

    Examples
    --------
    >>> square_roots(np.array([[4.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])).tolist()
    [[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    size = np.sqrt(np.maximum(np.diagonal(covariance, axis1=-2, axis2=-1), 0))
    safe = np.where(size > 0, size, 1)
    scaled = covariance / (safe[..., :, None] * safe[..., None, :])
    wrong = (np.linalg.eigvalsh(scaled) < -SLACK).any(axis=-1)
    if wrong.any():
        at = int(np.argwhere(wrong).ravel()[0])
        raise WrongData(f"the spectra are no covariance at ℓ = {at}: negative power, or TE, EB, TB above their limit")
    root = np.zeros_like(scaled)
    for row in range(3):
        for column in range(row + 1):
            rest = scaled[..., row, column] - (root[..., row, :column] * root[..., column, :column]).sum(axis=-1)
            if row == column:
                root[..., row, row] = np.sqrt(np.where(rest > SLACK, rest, 0))
            else:
                pivot = root[..., column, column]
                root[..., row, column] = np.where(pivot > 0, rest / np.where(pivot > 0, pivot, 1), 0)
    return safe[..., :, None] * root


def gaussian_alms(roots: NDArray, random: np.random.Generator) -> NDArray[np.complex128]:
    """Return coefficients of T, E and B with the covariance of which these are the square roots.

    Examples
    --------
    >>> gaussian_alms(np.zeros((5, 3, 3)), np.random.default_rng(1)).shape
    (3, 15)
    """
    ell, m = multipoles(len(roots) - 1)
    parts = random.standard_normal((3, 2, ell.size))
    alm = (parts[:, 0] + 1j * parts[:, 1]) / np.sqrt(2)
    alm[:, m == 0] = parts[:, 0, m == 0]
    return np.einsum("nij,jn->in", roots[ell], alm)


def stokes_maps(alm: NDArray, *, nside: int, lmax: int, stokes: str) -> NDArray[np.float64]:
    """Return the Stokes maps (COSMO, RING) of coefficients of T, E and B.

    Examples
    --------
    >>> stokes_maps(np.zeros((3, 6), dtype=complex), nside=1, lmax=2, stokes="QU").shape
    (2, 12)
    """
    parts = []
    if "I" in stokes:
        parts.append(map_from_alm(alm[:1], nside=nside, lmax=lmax))
    if "Q" in stokes:
        parts.append(map_from_alm(alm[1:], nside=nside, lmax=lmax))
    return np.concatenate(parts)


def beam_factors(width: float, lmax: int) -> NDArray[np.float64]:
    """Return the Gaussian beam of this FWHM in degrees for T, E and B at each multipole, shape (3, lmax+1).

    Examples
    --------
    >>> beam_factors(0.0, 2).tolist() == [[1.0] * 3] * 3
    True
    """
    sigma = np.radians(width) / np.sqrt(8 * np.log(2))
    ell = np.arange(lmax + 1)
    scalar = np.exp(-ell * (ell + 1) * sigma**2 / 2)
    return np.stack([scalar, *[scalar * np.exp(2 * sigma**2)] * 2])


def generator(seed: int, *path: int) -> np.random.Generator:
    """Return a stream of random numbers of its own for each seed and path.

    Raises
    ------
    BadOption
        If the seed is not a whole number from 0 on.

    Examples
    --------
    >>> generator(1, 0).integers(9) == generator(1, 0).integers(9)
    np.True_
    """
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise BadOption(f"seed={seed!r} is not a whole number from 0 on, for example seed=1")
    return np.random.default_rng(np.random.SeedSequence([int(seed), *path]))

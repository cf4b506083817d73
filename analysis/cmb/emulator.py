"""Spectra at once: polynomials through a few CAMB models, for sliders and samplers."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from analysis.cmb.theory import (
    PLANCK_2018,
    SCALAR_LMAX,
    TENSOR_LMAX,
    _scalars,
    _tensors,
    assembled,
    checked_multipole,
    checked_number,
    finished,
)
from analysis.errors import BadOption

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

RANGES = {"tau": (0.03, 0.09), "log_as": (2.94, 3.14), "nt": (-0.5, 0.5)}
NODES = {"tau": 7, "log_as": 3, "nt": 5}
LARGEST = 600


def emulated_spectra(
    *,
    r: float = 0.0,
    nt: float = 0.0,
    tau: float = PLANCK_2018["tau"],
    log_as: float = PLANCK_2018["log_as"],
    a_lens: float = 1.0,
    lmax: int = 600,
) -> xr.Dataset:
    r"""Return the spectra of :func:`theory_spectra`, interpolated: in milliseconds, after half a minute once.

    Spectra over :math:`A_s e^{-2\tau}` (BB of lensing over :math:`A_s^2`) are polynomials in :math:`\tau` and
    :math:`\ln A_s` through 7 and 3 CAMB models, tensors (logarithms of TT, EE and BB) in :math:`n_t` and
    :math:`\tau` through 5 × 7; ``r`` and ``a_lens`` are exact. The other parameters are Planck's.

    **Error**, largest against CAMB at two corners of the grid and six random points: EE of scalars 0.6 % (in its
    trough, ℓ = 10), of tensors 0.5 % (ℓ = 8); BB of tensors 0.25 % (ℓ = 8); TT 0.01 %, BB of lensing 0.003 %,
    TE 0.12 % of :math:`\sqrt{TT\,EE}`.

    Parameters
    ----------
    r, nt, tau, log_as, a_lens : float, optional
        As for :func:`theory_spectra`; ``tau`` 0.03 to 0.09, ``log_as`` 2.94 to 3.14, ``nt`` -0.5 to 0.5.
    lmax : int, optional
        Largest multipole, 2 to 600.

    Returns
    -------
    xarray.Dataset
        ``cl``, ``lensed`` and ``tensor`` (at r = 1) as from :func:`theory_spectra`.

    Raises
    ------
    BadOption
        If a parameter is outside the grid: use :func:`theory_spectra` there.

    References
    ----------
    Lewis, Challinor & Lasenby 2000, ApJ 538, 473, doi:10.1086/309179.

    Examples
    --------
    >>> emulated_spectra(tau=0.2)
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: tau=0.2 is outside the grid, 0.03 to 0.09; use theory_spectra
    """
    told = locals().copy()
    lmax = checked_multipole(told.pop("lmax"), "lmax", 2, LARGEST)
    given = {name: checked_number(value, name) for name, value in told.items()}
    for name, (low, high) in RANGES.items():
        if not low <= given[name] <= high:
            raise BadOption(f"{name}={given[name]:g} is outside the grid, {low:g} to {high:g}; use theory_spectra")
    lensed = _scalar_grid(given["tau"], given["log_as"])
    tensor = _tensor_grid(given["tau"], given["nt"]) * math.exp(given["log_as"] - PLANCK_2018["log_as"])
    made = assembled(lensed, None, tensor, r=given["r"], a_lens=given["a_lens"], lmax=lmax)
    stated = ", ".join(f"{name}={value:g}" for name, value in given.items())
    step = f"cmb.emulated_spectra({stated}): interpolated between CAMB models"
    return finished(made, title=f"ΛCDM power spectra, r = {given['r']:g} (interpolated)", step=step, **given)


def nodes(name: str) -> NDArray[np.float64]:
    """Return the Chebyshev nodes of a parameter, where the error of a polynomial through them is least.

    Examples
    --------
    >>> nodes("log_as").round(3)
    array([2.953, 3.04 , 3.127])
    """
    low, high = RANGES[name]
    count = NODES[name]
    unit = -np.cos((np.arange(count) + 0.5) * np.pi / count)
    return (low + high) / 2 + unit * (high - low) / 2


def weights(name: str, value: float) -> NDArray[np.float64]:
    """Return the Lagrange weights of the nodes of a parameter at a value; they add up to 1.

    Examples
    --------
    >>> np.abs(weights("nt", 0.0)).round(12)
    array([0., 0., 1., 0., 0.])
    """
    at = nodes(name)
    others = ~np.eye(at.size, dtype=bool)
    return np.prod(np.where(others, (value - at) / np.where(others, at[:, None] - at, 1), 1), axis=1)


def _cosmology(tau: float, log_as: float) -> tuple[float, ...]:
    planck = PLANCK_2018
    return (planck["ombh2"], planck["omch2"], planck["theta_mc"], tau, log_as, planck["ns"], planck["mnu"])


def _scale(tau: float, log_as: float) -> NDArray:
    amplitude = log_as - PLANCK_2018["log_as"]
    return np.exp(np.array([1, 1, 2, 1]) * amplitude - 2 * tau)[:, None]


@lru_cache(maxsize=1)
def _scalar_models() -> tuple[NDArray, NDArray]:
    """Scaled spectra at the nodes in τ (middle A_s), and at those in A_s (middle τ)."""
    middle = {name: float(np.mean(RANGES[name])) for name in RANGES}

    def scaled(tau: float, log_as: float) -> NDArray:
        return _scalars(_cosmology(tau, log_as), SCALAR_LMAX)[0][:, : LARGEST + 1] / _scale(tau, log_as)

    along_tau = np.stack([scaled(float(tau), middle["log_as"]) for tau in nodes("tau")])
    along_as = np.stack([scaled(middle["tau"], float(a)) for a in nodes("log_as")])
    return along_tau, along_as - along_as[NODES["log_as"] // 2]  # the middle node is the middle of the range


def _scalar_grid(tau: float, log_as: float) -> NDArray:
    along_tau, change = _scalar_models()
    found = np.tensordot(weights("tau", tau), along_tau, 1) + np.tensordot(weights("log_as", log_as), change, 1)
    return found * _scale(tau, log_as)


@lru_cache(maxsize=1)
def _tensor_models() -> NDArray:
    """Tensors at the nodes (τ, n_t): logarithms of TT, EE, BB, and TE over the root of TT EE."""
    found = []
    for tau in nodes("tau"):
        cosmology = _cosmology(float(tau), PLANCK_2018["log_as"])
        found.append([_tensors(cosmology, float(nt), TENSOR_LMAX)[:, 2 : LARGEST + 1] for nt in nodes("nt")])
    values = np.array(found)
    logs = np.log(values[:, :, :3])
    te = values[:, :, 3] * np.exp(-(logs[:, :, 0] + logs[:, :, 1]) / 2)
    return np.concatenate([logs, te[:, :, None]], axis=2)


def _tensor_grid(tau: float, nt: float) -> NDArray:
    found = np.einsum("t,n,tnsl->sl", weights("tau", tau), weights("nt", nt), _tensor_models())
    tensor = np.zeros((4, LARGEST + 1))
    tensor[:3, 2:] = np.exp(found[:3])
    tensor[3, 2:] = found[3] * np.exp((found[0] + found[1]) / 2)
    return tensor

"""The BICEP2/Keck + Planck likelihood of 2015, and the posterior of r under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bicep_keck_files import PAPER
from analysis.cmb.bicep_keck_theory import Foregrounds, foreground_bandpowers, foreground_scaling, theory_bandpowers
from analysis.cmb.estimates import checked_grid, posterior_of
from analysis.cmb.likelihoods import hamimeche_lewis_matrix
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.sampling import posterior_samples
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

HL = "Hamimeche & Lewis 2008, PRD 77, 103013, doi:10.1103/PhysRevD.77.103013"


def _log_like(data: xr.Dataset) -> Callable[[NDArray], NDArray]:
    """The log-likelihood of models of shape (…, bin, pair), noise not in them."""
    first, second = _places(data)
    size = data.sizes["map"]

    def matrices(pairs: NDArray) -> NDArray:
        whole = np.zeros((*pairs.shape[:-1], size, size))
        whole[..., first, second] = whole[..., second, first] = pairs
        return whole

    noise = data["noise"].values
    measured, fiducial = (matrices(data[name].values + noise) for name in ("bandpower", "fiducial"))
    covariance = data["covariance"].values
    points = covariance.shape[0] * covariance.shape[1]
    root = np.linalg.inv(np.linalg.cholesky(covariance.reshape(points, points)))

    def likelihood(model: NDArray) -> NDArray:
        x = hamimeche_lewis_matrix(measured, matrices(model + noise), fiducial)[..., first, second]
        return -0.5 * ((x.reshape(*x.shape[:-2], points) @ root.T) ** 2).sum(axis=-1)

    return likelihood


def _places(data: xr.Dataset) -> tuple[list[int], list[int]]:
    """Which maps, by their number, each pair is of."""
    names = data["map"].values.tolist()
    first, second = ([names.index(name) for name in data[end].values.tolist()] for end in ("first", "second"))
    return first, second


def bicep_keck_log_likelihood(
    theory: xr.Dataset | xr.DataArray, data: xr.Dataset, *, foregrounds: Foregrounds | None = None
) -> xr.DataArray:
    """Return the log-likelihood of a CMB theory and foregrounds under BICEP/Keck bandpowers (Hamimeche & Lewis).

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray
        ``cl``: EE and BB with tensors and lensing, as from ``theory_spectra(r=0.05)``.
    data : xarray.Dataset
        What :func:`bicep_keck_bandpowers` returns.
    foregrounds : Foregrounds, optional
        None are counted if left out.

    Returns
    -------
    xarray.DataArray
        Log-likelihood, without priors.

    Raises
    ------
    WrongData
        If theory or data lack what is needed, or a matrix is not positive definite.
    WrongUnits, MissingUnits
        If the units of the theory do not convert to uK2.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301; Hamimeche & Lewis 2008, PRD 77, 103013.

    Examples
    --------
    >>> bicep_keck_log_likelihood(xr.DataArray(0.0), xr.Dataset())
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: data must be what cmb.bicep_keck_bandpowers returns
    """
    power = bicep_keck_model(theory, data, foregrounds=foregrounds).values
    value = xr.DataArray(float(_log_like(data)(power)))
    marks = synthetic_attrs(theory, data)
    return labelled(value, "log_likelihood", units="1", long_name="Log-likelihood, BICEP/Keck", attrs=marks)


def _checked(theory: xr.Dataset | xr.DataArray, data: xr.Dataset, name: str) -> xr.DataArray:
    if not isinstance(data, xr.Dataset) or not {"bandpower", "window", "response"} <= set(data.data_vars):
        raise WrongData("data must be what cmb.bicep_keck_bandpowers returns")
    array = theory[name] if isinstance(theory, xr.Dataset) and name in theory.data_vars else theory
    if not isinstance(array, xr.DataArray) or "ell" not in array.coords:
        raise WrongData(f"theory must hold C_ℓ as {name!r}, as theory_spectra returns it")
    return array


def bicep_keck_model(
    theory: xr.Dataset | xr.DataArray, data: xr.Dataset, *, foregrounds: Foregrounds | None = None
) -> xr.DataArray:
    """Return what a CMB theory and foregrounds expect for BICEP/Keck's bandpowers, noise taken off.

    Parameters
    ----------
    theory, data, foregrounds
        As for :func:`bicep_keck_log_likelihood`.

    Returns
    -------
    xarray.DataArray
        D_ℓ (bin, pair) in uK2.

    Raises
    ------
    WrongData
        If theory or data lack what is needed.
    WrongUnits, MissingUnits
        If the units of the theory do not convert to uK2.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301, sect. III.

    Examples
    --------
    >>> from analysis import cmb
    >>> theory = cmb.theory_spectra(lmax=200)
    >>> data = cmb.simulated_bicep_keck(theory, r=0, dust=3.6, seed=None)  # no chance: the model itself
    >>> expected = bicep_keck_model(theory.lensed, data, foregrounds=cmb.Foregrounds(dust=3.6))
    >>> bool(abs(expected / data.bandpower - 1).max() < 1e-9)
    True
    """
    cl = _checked(theory, data, "cl")
    model = foregrounds or Foregrounds()
    dust = foreground_scaling(data, model.dust_index, temperature=model.dust_temperature)
    sync = foreground_scaling(data, model.synchrotron_index, temperature=None)
    power = theory_bandpowers(cl, data) + foreground_bandpowers(data, model, dust, sync)
    coords = {name: c for name, c in data.coords.items() if set(c.dims) <= {"bin", "pair"}}
    made = xr.DataArray(power, dims=("bin", "pair"), coords=coords)
    return labelled(made, "model", units="uK2", long_name="D_ℓ expected", attrs=synthetic_attrs(theory))


def _of_parameters(theory: xr.Dataset, data: xr.Dataset) -> Callable[[NDArray, NDArray, NDArray], NDArray]:
    """The log-likelihood of r, dust amplitude and dust index, of arrays that broadcast; no synchrotron."""
    lensed, tensor = (theory_bandpowers(_checked(theory, data, name), data) for name in ("lensed", "tensor"))
    model = Foregrounds(dust=1.0)
    as_bright = np.ones(data.sizes["map"])
    unit = foreground_bandpowers(
        data, model, as_bright, np.zeros_like(as_bright)
    )  # as bright in each map as at 353 GHz
    first, second = _places(data)
    log_like = _log_like(data)

    def likelihood(r: NDArray, dust: NDArray, index: NDArray) -> NDArray:
        scaling = foreground_scaling(data, index, temperature=model.dust_temperature)
        one = unit * (scaling[..., first] * scaling[..., second])[..., None, :]
        return log_like(lensed + r[..., None, None] * tensor + dust[..., None, None] * one)

    return likelihood


def bicep_keck_samples(
    theory: xr.Dataset,
    data: xr.Dataset,
    *,
    r: tuple[float, float] = (0.0, 1.0),
    dust: tuple[float, float] = (0.0, 15.0),
    dust_index: tuple[float, float] = (1.59, 0.11),
    steps: int = 2000,
    seed: int = 0,
    too_short: str = "warn",
) -> xr.Dataset:
    """Return draws of r, dust amplitude and dust index from their posterior under BICEP/Keck bandpowers.

    The model and priors of :func:`bicep_keck_posterior`, by emcee instead of on a grid.

    Parameters
    ----------
    theory, data : xarray.Dataset
        As for :func:`bicep_keck_posterior`.
    r, dust : (float, float), optional
        Bounds of the flat priors; dust is D_80^BB at 353 GHz in uK2.
    dust_index : (float, float), optional
        Mean and width of the Gaussian prior of β, cut at 5 widths.
    steps, seed, too_short : optional
        As for :func:`posterior_samples`.

    Returns
    -------
    xarray.Dataset
        As from :func:`posterior_samples`, parameters ``r``, ``dust`` and ``dust_index``.

    Raises
    ------
    BadOption
        If bounds or numbers make no sense.
    WrongData
        As for :func:`bicep_keck_log_likelihood` and :func:`posterior_samples`.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301; Foreman-Mackey et al. 2013, PASP 125, 306.

    Examples
    --------
    >>> bicep_keck_samples(xr.Dataset(), xr.Dataset())
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: data must be what cmb.bicep_keck_bandpowers returns
    """
    likelihood = _of_parameters(theory, data)
    mean, width = map(float, dust_index)
    if not width > 0 or min(dust) < 0:
        raise BadOption(f"dust_index={dust_index!r} needs a positive width, and dust amplitudes must not be negative")
    return posterior_samples(
        lambda r, dust, dust_index: likelihood(r, dust, dust_index),
        {"r": r, "dust": dust, "dust_index": (mean - 5 * width, mean + 5 * width)},
        priors={"dust_index": (mean, width)},
        units={"dust": "uK2"},
        data=data.assign_attrs(synthetic_attrs(data, theory)),
        steps=steps,
        burn=steps // 5,  # the walkers begin at likely places
        seed=seed,
        vectorized=True,
        too_short=too_short,
    )


def bicep_keck_posterior(
    theory: xr.Dataset,
    data: xr.Dataset,
    r: NDArray | xr.DataArray,
    *,
    dust: NDArray | None = None,
    dust_index: tuple[float, float] = (1.59, 0.11),
) -> xr.Dataset:
    """Return the posterior of r under BICEP/Keck bandpowers, dust amplitude and index marginalised.

    Flat priors of r over the grid and of the dust amplitude over its own, a Gaussian one of the index, no
    synchrotron: the paper's fiducial analysis.

    Parameters
    ----------
    theory : xarray.Dataset
        ``lensed`` and ``tensor`` (r = 1), as from :func:`theory_spectra`; its own r does not matter.
    data : xarray.Dataset
        What :func:`bicep_keck_bandpowers` returns.
    r : array
        Increasing, for example ``np.linspace(0, 0.5, 101)``.
    dust : array, optional
        Amplitudes D_80^BB at 353 GHz, uK2; 0 to 15 as in the paper if left out.
    dust_index : (float, float), optional
        Mean and width of the prior of β; taken at eleven points within 3 widths.

    Returns
    -------
    xarray.Dataset
        ``posterior`` (r), ``upper_limit`` (95 %), ``dust_posterior`` (dust), and ``best_r``, where the
        posterior peaks.

    Raises
    ------
    BadOption
        If a grid is not increasing or the prior has no width.
    WrongData
        As for :func:`bicep_keck_log_likelihood`.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301, fig. 6: r = 0.048 +0.035 -0.032, r < 0.12 at 95 %.

    Examples
    --------
    >>> bicep_keck_posterior(xr.Dataset(), xr.Dataset(), [0, 1, 2])
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: data must be what cmb.bicep_keck_bandpowers returns
    """
    grid = checked_grid(r)
    amount = checked_grid(np.linspace(0, 15, 76) if dust is None else dust)
    mean, width = map(float, dust_index)
    if not width > 0 or amount[0] < 0:
        raise BadOption(f"dust_index={dust_index!r} needs a positive width, and dust amplitudes must not be negative")
    likelihood = _of_parameters(theory, data)
    offsets = np.linspace(-3, 3, 11)
    logs = np.empty((grid.size, amount.size, offsets.size))
    for k, offset in enumerate(offsets):  # each is a whole plane at once
        logs[:, :, k] = likelihood(grid[:, None], amount, np.array(mean + offset * width)) - offset**2 / 2
    peak = logs.max()
    weight = np.exp(logs - peak).sum(axis=-1)
    at = xr.DataArray(grid, dims="r")
    over_dust = np.log(np.trapezoid(weight, amount, axis=1))
    made = posterior_of(xr.DataArray(over_dust, dims="r", coords={"r": at}))
    of_dust = np.trapezoid(weight, grid, axis=0)
    made = made.assign_coords(dust=("dust", amount, {"units": "uK2", "long_name": "Dust D_80^BB at 353 GHz"}))
    density = of_dust / np.trapezoid(of_dust, amount)
    made["dust_posterior"] = labelled(
        xr.DataArray(density, dims="dust"),
        "dust_posterior",
        units="uK-2",
        long_name="Posterior density of the dust amplitude",
    )
    best = xr.DataArray(float(grid[over_dust.argmax()]))
    made["best_r"] = labelled(best, "best_r", units="1", long_name="r where the posterior peaks")
    stated = f"r {grid[0]:g} to {grid[-1]:g}, dust {amount[0]:g} to {amount[-1]:g} uK2, index {mean:g} ± {width:g}"
    result = derived(
        made,
        data,
        title="Posterior of r, BICEP2/Keck and Planck",
        step=f"cmb.bicep_keck_posterior: {stated}",
        references=[PAPER, HL],
        also=[theory],
    )
    return check(result)

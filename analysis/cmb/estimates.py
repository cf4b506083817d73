"""Bandpowers that a forecast makes likely, and what a likelihood makes of measured ones: r and its posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

HL = "Hamimeche & Lewis 2008, PRD 77, 103013, doi:10.1103/PhysRevD.77.103013"
NEEDED = {"tensor", "lensing", "noise", "residual", "total"}
STEPS = 200  # of bisection; it ends long before


def simulated_bandpowers(
    prediction: xr.Dataset, *, realizations: int = 1000, seed: int = 0, chunks: int | None = None
) -> xr.Dataset:
    r"""Return measured B-mode spectra as chance would make them, if a forecast were true.

    :math:`(2\ell+1) f_{sky}\,\hat C_\ell / C_\ell` follows :math:`\chi^2` of that many degrees of freedom, noise
    included. Realization ``n`` of a seed is the same whatever the number of realizations or chunks.

    Parameters
    ----------
    prediction : xarray.Dataset
        What :func:`forecast` returns.
    realizations, seed : int, optional
        How many, and where chance begins.
    chunks : int, optional
        Realizations in a chunk: the result is Dask-backed and drawn when computed.

    Returns
    -------
    xarray.Dataset
        ``cl``, dims ``realization, ell``, uK2, total power; ``synthetic``.

    Raises
    ------
    BadOption
        If a number is not whole and positive.
    WrongData
        If it is no forecast.

    References
    ----------
    Knox 1995, PRD 52, 4307; Hamimeche & Lewis 2008, PRD 77, 103013, eq. 3.

    Examples
    --------
    >>> from analysis.cmb.forecasts import forecast
    >>> drawn = simulated_bandpowers(forecast("litebird"), realizations=50)
    >>> dict(drawn.cl.sizes)
    {'realization': 50, 'ell': 199}
    """
    for name, value in (("realizations", realizations), ("chunks", 1 if chunks is None else chunks)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise BadOption(f"{name}={value!r} is not a positive whole number, for example 1000")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise BadOption(f"seed={seed!r} is not a whole number from 0")
    checked = _checked(prediction)
    total = checked["total"]
    freedom = _freedom(checked)
    number = xr.DataArray(np.arange(realizations), dims="realization")
    number = number.assign_coords(realization=number.assign_attrs(units="1", long_name="Realization"))

    def drawn(numbers: NDArray) -> NDArray:
        spread = [np.random.default_rng([seed, int(n)]).gamma(freedom / 2) * 2 / freedom for n in numbers]
        return np.stack(spread) * total.values if spread else np.empty((0, total.size))

    made = xr.apply_ufunc(
        lambda numbers: drawn(numbers.reshape(-1)).reshape(*numbers.shape, total.size),
        number if chunks is None else number.chunk(realization=chunks),
        output_core_dims=[["ell"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"ell": total.sizes["ell"]}},
    ).assign_coords(ell=total["ell"])
    cl = labelled(made, "cl", units="uK2", long_name="C_ℓ^BB, simulated", attrs={"synthetic": "true"})
    result = derived(
        cl.to_dataset(),
        prediction,
        title=f"Simulated B-mode spectra: {prediction.attrs.get('title', 'a forecast')}",
        step=f"cmb.simulated_bandpowers(realizations={realizations}, seed={seed})",
        references=[HL],
    )
    return check(result.assign_attrs(synthetic="true", sky_fraction=checked.attrs["sky_fraction"]))


def _checked(prediction: xr.Dataset) -> xr.Dataset:
    if not isinstance(prediction, xr.Dataset) or not set(prediction.data_vars) >= NEEDED:
        raise WrongData("this needs what cmb.forecast returns")
    if "sky_fraction" not in prediction.attrs:
        raise WrongData("the forecast lost attrs['sky_fraction']; make it anew")
    return prediction


def _freedom(prediction: xr.Dataset) -> NDArray:
    return (2 * prediction["ell"].values + 1) * float(prediction.attrs["sky_fraction"])


def estimated_r(bandpowers: xr.Dataset | xr.DataArray, prediction: xr.Dataset) -> xr.Dataset:
    r"""Return the r of greatest likelihood for measured B-mode spectra, negative ones too.

    The likelihood is the exact one of Gaussian fields, :math:`-2\ln L = \sum (2\ell+1) f_{sky} [\hat C/C + \ln C]`
    with :math:`C = rT + L + N + F` of the forecast; r moves freely as long as C is positive. Its maximum is
    unbiased to first order in 1/ν since C is linear in r; where estimates meet the r at which C vanishes
    (LiteBIRD at r = 0: -1.5e-4) their mean is high, there by 0.05 of the error in 20,000 simulations.

    Parameters
    ----------
    bandpowers : xarray.Dataset or xarray.DataArray
        ``cl``: total C_ℓ^BB, noise included, dims ``[realization,] ell``; Dask-backed too.
    prediction : xarray.Dataset
        What :func:`forecast` returns: says what lensing, noise and residual are; its own ``r`` does not matter.

    Returns
    -------
    xarray.Dataset
        ``r`` (realization) and ``sigma_r``, the Fisher error at that r.

    Raises
    ------
    WrongData
        If it is no forecast, multipoles are missing, or a spectrum is not positive.
    WrongUnits, MissingUnits
        If the units do not convert to uK2.

    References
    ----------
    Hamimeche & Lewis 2008, PRD 77, 103013, doi:10.1103/PhysRevD.77.103013, eq. 3.

    Examples
    --------
    >>> from analysis.cmb.forecasts import forecast
    >>> made = forecast("litebird", r=0.01)
    >>> found = estimated_r(simulated_bandpowers(made, realizations=100), made)
    >>> bool(abs(found.r.mean() - 0.01) < 3 * found.r.std() / 10)
    True
    """
    cl, held = _measured(bandpowers, prediction)
    tensor = held["tensor"].values
    rest = (held["lensing"] + held["noise"] + held["residual"]).values
    freedom = _freedom(held)
    found = xr.apply_ufunc(
        lambda measured: _maximum(measured, tensor, rest, freedom),
        cl,
        input_core_dims=[["ell"]],
        output_core_dims=[["estimate"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"estimate": 2}},
    )
    names = (("r", "Tensor-to-scalar ratio r"), ("sigma_r", "Error of r"))
    made = xr.Dataset(
        {
            key: labelled(found.isel(estimate=i), key, units="1", long_name=long_name)
            for i, (key, long_name) in enumerate(names)
        }
    )
    result = derived(
        made,
        bandpowers,
        title="Most likely r",
        step="cmb.estimated_r: maximum of the exact likelihood, r may be negative",
        references=[HL],
        also=[prediction],
    )
    return check(result.assign_attrs(synthetic_attrs(bandpowers)))


def _measured(bandpowers: xr.Dataset | xr.DataArray, prediction: xr.Dataset) -> tuple[xr.DataArray, xr.Dataset]:
    held = _checked(prediction)
    cl = bandpowers["cl"] if isinstance(bandpowers, xr.Dataset) and "cl" in bandpowers.data_vars else bandpowers
    if not isinstance(cl, xr.DataArray) or "ell" not in cl.coords:
        raise WrongData("bandpowers must hold C_ℓ^BB as 'cl', dims [realization,] ell")
    if "C_ℓ" not in str(cl.attrs.get("long_name", "C_ℓ")):
        raise WrongData(f"the bandpowers are {cl.attrs['long_name']!r}; this needs C_ℓ")
    if "spectrum" in cl.dims:
        if "BB" not in cl["spectrum"].values:
            raise WrongData("the bandpowers hold no BB")
        cl = cl.sel(spectrum="BB", drop=True)
    missing = np.setdiff1d(held["ell"].values, cl["ell"].values)
    if missing.size:
        raise WrongData(f"the bandpowers lack {missing.size} multipoles of the forecast, first ℓ = {missing[0]}")
    cl = in_units(cl, "uK2")
    if not np.array_equal(cl["ell"].values, held["ell"].values):  # choosing none keeps Dask's tasks in one piece
        cl = cl.sel(ell=held["ell"].values)
    if cl.chunks is None and not (cl.values > 0).all():
        raise WrongData("bandpowers must be positive: total power, noise included, of every multipole of the forecast")
    return cl.chunk(ell=-1) if cl.chunks is not None and len(cl.chunksizes["ell"]) > 1 else cl, held


def _maximum(measured: NDArray, tensor: NDArray, rest: NDArray, freedom: NDArray) -> NDArray:
    """The root of the score by bisection, between the pole where C vanishes and far above any estimate."""
    lowest = -(rest / tensor).min()
    low = np.full(measured.shape[:-1], lowest)
    high = np.maximum((measured / tensor).max(axis=-1), 0.0) + 1e-12  # there every Ĉ < C
    for _ in range(STEPS):
        middle = (low + high) / 2
        total = middle[..., None] * tensor + rest
        score = (freedom * tensor * (measured - total) / total**2).sum(axis=-1)
        low, high = np.where(score > 0, middle, low), np.where(score > 0, high, middle)
        if ((high - low) <= 1e-14 + 1e-12 * np.abs(high)).all():
            break
    r = (low + high) / 2
    total = r[..., None] * tensor + rest
    sigma = (freedom / 2 * (tensor / total) ** 2).sum(axis=-1) ** -0.5
    return np.stack([r, sigma], axis=-1)


def r_posterior(bandpowers: xr.Dataset | xr.DataArray, prediction: xr.Dataset, r: NDArray | xr.DataArray) -> xr.Dataset:
    r"""Return the posterior of r on a grid for measured B-mode spectra, under a flat prior over the grid.

    Parameters
    ----------
    bandpowers : xarray.Dataset or xarray.DataArray
        As for :func:`estimated_r`.
    prediction : xarray.Dataset
        What :func:`forecast` returns.
    r : array
        Increasing values; begin at 0 for the physical prior. Wide enough that the posterior ends inside.

    Returns
    -------
    xarray.Dataset
        ``posterior`` (…, r), whose integral is 1, and ``upper_limit``, the r below which 95 % of it is.

    Raises
    ------
    BadOption
        If the grid is not increasing, or C is not positive on it.
    WrongData
        As for :func:`estimated_r`.

    References
    ----------
    Hamimeche & Lewis 2008, PRD 77, 103013, doi:10.1103/PhysRevD.77.103013, eq. 3.

    Examples
    --------
    >>> from analysis.cmb.forecasts import forecast
    >>> made = forecast("litebird", r=0.0)
    >>> found = r_posterior(made.total.rename("cl"), made, np.linspace(0, 0.001, 200))  # no chance in it
    >>> bool(found.upper_limit > 1.96 * made.sigma_r)  # few modes: a longer tail than a Gaussian's
    True
    """
    cl, held = _measured(bandpowers, prediction)
    grid = checked_grid(r)
    tensor, rest = held["tensor"], held["lensing"] + held["noise"] + held["residual"]
    at = xr.DataArray(grid, dims="r", coords={"r": grid})
    total = at * tensor + rest
    if not bool((total > 0).all()):
        raise BadOption(f"at r={grid[0]:g} the total power is not positive; begin the grid higher")
    freedom = xr.DataArray(_freedom(held), dims="ell", coords={"ell": held["ell"]})
    logs = -0.5 * (freedom * (cl / total + np.log(total))).sum("ell")
    result = posterior_of(logs)
    made = derived(
        result,
        bandpowers,
        title="Posterior of r",
        step=f"cmb.r_posterior: flat prior, r from {grid[0]:g} to {grid[-1]:g}",
        references=[HL],
        also=[prediction],
    )
    return check(made.assign_attrs(synthetic_attrs(bandpowers)))


def checked_grid(r: NDArray | xr.DataArray) -> NDArray[np.float64]:
    """Return a grid of r as floats.

    Raises
    ------
    BadOption
        If it is not finite and increasing, or has fewer than three values.

    Examples
    --------
    >>> checked_grid([0, 1, 2])
    array([0., 1., 2.])
    """
    grid = np.asarray(r, dtype=float)
    if grid.ndim != 1 or grid.size < 3 or not np.isfinite(grid).all() or not (np.diff(grid) > 0).all():
        raise BadOption("r must be at least three finite, increasing values, for example np.linspace(0, 0.5, 201)")
    return grid


def posterior_of(logs: xr.DataArray) -> xr.Dataset:
    """Return the normalised posterior of log-likelihoods on a grid ``r``, and its 95 % upper limit.

    Examples
    --------
    >>> grid = np.linspace(0, 10, 2001)
    >>> half_normal = xr.DataArray(-(grid**2) / 2, dims="r", coords={"r": grid})
    >>> round(float(posterior_of(half_normal).upper_limit), 2)
    1.96
    """
    grid = logs["r"].values.astype(float)
    relative = xr.apply_ufunc(np.exp, logs - logs.max("r"), dask="allowed")
    density = relative / relative.integrate("r")
    steps = (density.isel(r=slice(1, None)).values + density.isel(r=slice(None, -1)).values) / 2
    axis = density.get_axis_num("r")
    shape = [1] * density.ndim
    shape[axis] = grid.size - 1
    below = np.cumsum(steps * np.diff(grid).reshape(shape), axis=axis)
    flat = np.moveaxis(below, axis, -1).reshape(-1, grid.size - 1)
    limits = np.array([np.interp(0.95, np.concatenate([[0.0], row]), grid) for row in flat])
    rest = [dim for dim in density.dims if dim != "r"]
    coords = {name: c for name, c in density.coords.items() if "r" not in c.dims}
    limit = xr.DataArray(limits.reshape([density.sizes[dim] for dim in rest]), dims=rest, coords=coords)
    density = density.assign_coords(r=density["r"].assign_attrs(units="1", long_name="Tensor-to-scalar ratio r"))
    return xr.Dataset(
        {
            "posterior": labelled(density, "posterior", units="1", long_name="Posterior density of r"),
            "upper_limit": labelled(limit, "upper_limit", units="1", long_name="95 % upper limit of r"),
        }
    )

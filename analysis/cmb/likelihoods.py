"""Likelihoods of power spectra: Gaussian, exact (Wishart) and Hamimeche & Lewis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, WrongData, WrongUnits
from analysis.model import in_units, labelled, unit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIELDS = "TEB"
PAIR_DIMS = ("spectrum", "bin", "spectrum_2", "bin_2")


def gaussian_log_likelihood(bandpowers: xr.DataArray, model: xr.DataArray, covariance: xr.DataArray) -> xr.DataArray:
    r"""Return the Gaussian log-likelihood of bandpowers, :math:`-\frac12 (d - m)^T C^{-1} (d - m)`.

    The covariance is fixed, so its determinant is left out: 0 is a perfect fit.

    Parameters
    ----------
    bandpowers, model : xarray.DataArray
        Dims ``spectrum, bin``; further dims (``realization``) are kept. The model in the units of the data.
    covariance : xarray.DataArray
        Dims ``spectrum, bin, spectrum_2, bin_2``, in the square of the units.

    Returns
    -------
    xarray.DataArray
        Log-likelihood; a scalar without further dims.

    Raises
    ------
    WrongData
        If dims, labels or bins differ, values are not finite, or the covariance is not positive definite.
    WrongUnits, MissingUnits
        If units do not go together.

    References
    ----------
    Planck Collaboration V 2020, A&A 641, A5, doi:10.1051/0004-6361/201936386, sect. 3.

    Examples
    --------
    >>> coords = {"spectrum": ["EE", "BB"], "bin": [0]}
    >>> d = xr.DataArray([[2.0], [1.0]], dims=("spectrum", "bin"), coords=coords, attrs={"units": "uK2"})
    >>> c = xr.DataArray(np.eye(2).reshape(2, 1, 2, 1), dims=("spectrum", "bin", "spectrum_2", "bin_2"),
    ...                  coords=coords | {"spectrum_2": ["EE", "BB"], "bin_2": [0]}, attrs={"units": "uK4"})
    >>> float(gaussian_log_likelihood(d, d * 0 + 1.0, c.assign_attrs(units="uK4")))
    -0.5
    """
    data = _finite(bandpowers, "bandpowers", ("spectrum", "bin"))
    units = str(data.attrs.get("units", ""))
    theory = _same_points(_with_units(model, data, "model"), data)
    difference = (data - theory).stack(point=("spectrum", "bin")).transpose(..., "point")
    inverse = _inverse(_matrix(covariance, data, units))
    values = -0.5 * np.einsum("...i,ij,...j", difference.values, inverse, difference.values)
    return _log_likelihood(values, difference.isel(point=0, drop=True), bandpowers, model)


def _with_units(array: xr.DataArray, like: xr.DataArray, what: str) -> xr.DataArray:
    """In the units of the data; arithmetic may have lost the attributes of a model, not its meaning."""
    if not isinstance(array, xr.DataArray):
        raise WrongData(f"the {what} is a {type(array).__name__}, not a DataArray")
    return in_units(array, str(unit_of(like)))


def _finite(array: xr.DataArray, what: str, dims: tuple[str, ...]) -> xr.DataArray:
    if not isinstance(array, xr.DataArray) or not set(dims) <= set(array.dims):
        raise WrongData(f"{what} must be a DataArray with dims {', '.join(dims)}")
    unit_of(array)
    if array.chunks is None and not np.isfinite(array.values).all():
        raise WrongData(f"{what} has values that are not finite; leave those bins out")
    return array


def _same_points(array: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    for name in ("spectrum", "bin"):
        if name not in array.dims:
            raise WrongData(f"the model has dims {tuple(map(str, array.dims))}; it needs {name}")
        ours, theirs = like[name].values, array[name].values
        if sorted(ours.tolist()) != sorted(theirs.tolist()):
            raise WrongData(f"the model has {name} {theirs.tolist()[:6]}, the data {ours.tolist()[:6]}")
    return array.sel(spectrum=like["spectrum"].values, bin=like["bin"].values)


def _matrix(covariance: xr.DataArray, data: xr.DataArray, units: str) -> NDArray[np.float64]:
    held = _finite(covariance, "covariance", PAIR_DIMS)
    held = in_units(held, str(unit_of(xr.DataArray(0.0, attrs={"units": units})) ** 2))
    spectra, bins = data["spectrum"].values, data["bin"].values
    try:
        chosen = held.sel(spectrum=spectra, bin=bins, spectrum_2=spectra, bin_2=bins)
    except KeyError as error:
        raise WrongData(f"the covariance lacks {error} of the bandpowers") from error
    size = spectra.size * bins.size
    return np.asarray(chosen.transpose(*PAIR_DIMS).values, dtype=float).reshape(size, size)


def _inverse(matrix: NDArray) -> NDArray[np.float64]:
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12 * np.abs(matrix).max()):
        raise WrongData("the covariance is not symmetric")
    try:
        root = np.linalg.inv(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError as error:
        raise WrongData("the covariance is not positive definite; are there bins that nothing constrains?") from error
    return root.T @ root


def _log_likelihood(values: NDArray, like: xr.DataArray, *inputs: xr.DataArray) -> xr.DataArray:
    made = xr.DataArray(values, dims=like.dims, coords={k: c for k, c in like.coords.items() if set(c.dims) and k})
    marks = synthetic_attrs(*inputs)
    return labelled(made, "log_likelihood", units="1", long_name="Log-likelihood", attrs=marks)


def spectra_matrix(cl: xr.DataArray, fields: str) -> NDArray[np.float64]:
    """Return labelled spectra as symmetric matrices of the fields, shape (…, ell, fields, fields).

    Spectra that parity forbids, EB and TB, are zero where they are missing.

    Raises
    ------
    WrongData
        If another spectrum of these fields is missing.

    Examples
    --------
    >>> cl = xr.DataArray([[2.0], [1.0]], dims=("spectrum", "ell"), coords={"spectrum": ["EE", "BB"], "ell": [2]})
    >>> spectra_matrix(cl, "EB").tolist()
    [[[2.0, 0.0], [0.0, 1.0]]]
    """
    held = {str(label) for label in cl["spectrum"].values} if "spectrum" in cl.coords else set()
    point = "ell" if "ell" in cl.dims else "bin"
    rows = []
    for first in fields:
        row = []
        for second in fields:
            label = next((pair for pair in (first + second, second + first) if pair in held), None)
            if label is None and first + second not in ("EB", "BE", "TB", "BT"):
                raise WrongData(
                    f"the spectra hold {', '.join(sorted(held)) or 'no labels'}; {first + second} is missing"
                )
            one = cl.isel(spectrum=0, drop=True) * 0.0 if label is None else cl.sel(spectrum=label, drop=True)
            row.append(np.asarray(one.transpose(..., point).values, dtype=float))
        rows.append(np.stack(row, axis=-1))
    return np.stack(rows, axis=-2)


def wishart_log_likelihood(
    spectra: xr.Dataset | xr.DataArray,
    model: xr.Dataset | xr.DataArray,
    *,
    sky_fraction: float = 1.0,
    fields: str = "TEB",
    lmin: int = 2,
    lmax: int | None = None,
) -> xr.DataArray:
    r"""Return the exact log-likelihood of full-sky spectra of Gaussian fields, scaled to a share of the sky.

    :math:`-2\ln L = \sum_\ell (2\ell+1) f_{sky} [\mathrm{Tr}(\hat C C^{-1}) - \ln\det(\hat C C^{-1}) - n]`: exact
    on the full sky, an approximation on part of it. 0 is a perfect fit. Both spectra hold noise too.

    Parameters
    ----------
    spectra, model : xarray.Dataset or xarray.DataArray
        ``cl`` (C_ℓ), dims ``spectrum, ell``; further dims of ``spectra`` are kept. EB and TB may be missing.
    sky_fraction : float, optional
    fields : {"TEB", "TE", "EB", "T", "E", "B"}, optional
    lmin, lmax : int, optional
        Multipoles used; all of the data from 2 if left out.

    Returns
    -------
    xarray.DataArray
        Log-likelihood.

    Raises
    ------
    BadOption
        For unknown fields or a share that is none.
    WrongData
        If spectra are missing, multipoles differ, or a matrix is not positive definite.
    WrongUnits, MissingUnits
        If units do not go together.

    References
    ----------
    Hamimeche & Lewis 2008, PRD 77, 103013, doi:10.1103/PhysRevD.77.103013, eq. 3.

    Examples
    --------
    >>> cl = xr.DataArray([[2.0]], dims=("spectrum", "ell"), coords={"spectrum": ["BB"], "ell": [2]},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> round(float(wishart_log_likelihood(cl, cl * 2, fields="B")), 4)  # -5/2 (1/2 + ln 2 - 1)
    -0.4829
    """
    chosen = checked_fields(fields)
    number = isinstance(sky_fraction, int | float | np.number) and not isinstance(sky_fraction, bool)
    if not number or not 0 < sky_fraction <= 1:
        raise BadOption(f"sky_fraction={sky_fraction!r} is no share of the sky, 0 to 1")
    data, theory, ell = _pair(spectra, model, lmin, lmax)
    measured, expected = spectra_matrix(data, chosen), spectra_matrix(theory, chosen)
    ratio = _relative(measured, expected)
    roots = np.linalg.eigvalsh(ratio)
    if not (roots > 0).all():
        raise WrongData("a measured matrix is not positive definite: noise bias must be in the spectra, none taken off")
    per_ell = (roots - np.log(roots) - 1).sum(axis=-1)
    values = -0.5 * float(sky_fraction) * ((2 * ell + 1) * per_ell).sum(axis=-1)
    like = data.isel(spectrum=0, ell=0, drop=True)
    return _log_likelihood(values, like, data, theory)


def checked_fields(fields: str) -> str:
    """Return fields in the order T, E, B.

    Raises
    ------
    BadOption
        If there is none, one twice or another letter.

    Examples
    --------
    >>> checked_fields("BE")
    'EB'
    """
    if not isinstance(fields, str) or not fields or len(set(fields)) != len(fields) or not set(fields) <= set(FIELDS):
        raise BadOption(f"fields={fields!r} must be some of T, E and B, for example 'TEB'")
    return "".join(letter for letter in FIELDS if letter in fields)


def _pair(
    spectra: xr.Dataset | xr.DataArray, model: xr.Dataset | xr.DataArray, lmin: int, lmax: int | None
) -> tuple[xr.DataArray, xr.DataArray, NDArray]:
    found = []
    for what, given in (("spectra", spectra), ("model", model)):
        array = given["cl"] if isinstance(given, xr.Dataset) and "cl" in given.data_vars else given
        if not isinstance(array, xr.DataArray) or not {"spectrum", "ell"} <= set(array.dims):
            raise WrongData(f"{what} must hold C_ℓ as 'cl', dims spectrum, ell")
        if "C_ℓ" not in str(array.attrs.get("long_name", "C_ℓ")):
            raise WrongData(f"{what} is {array.attrs['long_name']!r}; this needs C_ℓ")
        found.append(array)
    data, theory = found
    for name, value in (("lmin", lmin), ("lmax", 2 if lmax is None else lmax)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise BadOption(f"{name}={value!r} is not a whole number")
    ell = data["ell"].values
    if lmax is not None and lmax > ell.max():
        raise BadOption(f"lmax={lmax} is beyond the spectra, which end at ℓ = {ell.max()}")
    ell = ell[(ell >= max(lmin, 2)) & (ell <= (ell.max() if lmax is None else lmax))]
    if not ell.size:
        held = data["ell"].values
        raise WrongData(f"no multipoles from {lmin} to {lmax}; the spectra have {held.min()} to {held.max()}")
    if np.setdiff1d(ell, theory["ell"].values).size:
        raise WrongData(f"the model ends at ℓ = {theory['ell'].values.max()}, the spectra at {ell[-1]}: give lmax=")
    for what, array in (("spectra", data.sel(ell=ell)), ("model", theory.sel(ell=ell))):
        if array.chunks is None and not np.isfinite(array.values).all():
            raise WrongData(f"the {what} are not finite at some of the multipoles {ell[0]} to {ell[-1]}")
    for name in ("polconv", "temperature_scale"):
        ours, theirs = data.attrs.get(name), theory.attrs.get(name)
        if ours is not None and theirs is not None and ours != theirs:
            raise WrongUnits(f"the spectra say {name}={ours}, the model {theirs}")
    theory = in_units(theory, str(unit_of(data)))
    return data.sel(ell=ell), theory.sel(ell=ell), ell


def _relative(measured: NDArray, expected: NDArray) -> NDArray:
    """Return :math:`L^{-1} \\hat C L^{-T}` with the Cholesky root L of the model."""
    try:
        root = np.linalg.cholesky(expected)
    except np.linalg.LinAlgError as error:
        raise WrongData("the model is not positive definite at some ℓ: add the noise, and lensing B modes") from error
    half = np.linalg.solve(root, measured)
    ratio = np.linalg.solve(root, np.swapaxes(half, -1, -2))
    return (ratio + np.swapaxes(ratio, -1, -2)) / 2


def hamimeche_lewis_matrix(measured: NDArray, model: NDArray, fiducial: NDArray) -> NDArray[np.float64]:
    r"""Return the matrices :math:`C_f^{1/2} U g(D) U^T C_f^{1/2}` of Hamimeche & Lewis, shape (…, n, n).

    :math:`C^{-1/2} \hat C C^{-1/2} = U D U^T`, :math:`g(x) = \mathrm{sign}(x - 1)\sqrt{2(x - \ln x - 1)}`.

    Raises
    ------
    WrongData
        If model or fiducial is not positive definite, or the measured matrix is negative in some direction.

    References
    ----------
    Hamimeche & Lewis 2008, PRD 77, 103013, doi:10.1103/PhysRevD.77.103013, eqs 28 and 47.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> hamimeche_lewis_matrix(one, one, one).tolist()
    [[0.0]]
    """
    half = _powered(model, -0.5, "model")
    relative = half @ measured @ half
    roots, turns = np.linalg.eigh((relative + np.swapaxes(relative, -1, -2)) / 2)
    if not (roots > 0).all():
        raise WrongData("the measured matrix is not positive definite: noise bias must be in the bandpowers")
    g = np.sign(roots - 1) * np.sqrt(2 * np.maximum(roots - np.log(roots) - 1, 0))
    around = _powered(fiducial, 0.5, "fiducial") @ turns
    return (around * g[..., None, :]) @ np.swapaxes(around, -1, -2)


def _powered(matrix: NDArray, power: float, what: str) -> NDArray:
    roots, turns = np.linalg.eigh(matrix)
    if not (roots > 0).all():
        raise WrongData(f"the {what} is not positive definite; it must hold the noise")
    return (turns * roots[..., None, :] ** power) @ np.swapaxes(turns, -1, -2)


def hamimeche_lewis_log_likelihood(
    bandpowers: xr.DataArray,
    model: xr.DataArray,
    fiducial: xr.DataArray,
    covariance: xr.DataArray,
    *,
    fields: str = "TEB",
) -> xr.DataArray:
    r"""Return the log-likelihood of Hamimeche & Lewis: nearly exact on a cut sky, with correlated bins.

    :math:`-2\ln L = X^T M_f^{-1} X` with X the elements of :func:`hamimeche_lewis_matrix` and the covariance
    of the bandpowers in the fiducial model. All hold the noise.

    Parameters
    ----------
    bandpowers, model, fiducial : xarray.DataArray
        Dims ``spectrum, bin``; further dims of ``bandpowers`` are kept.
    covariance : xarray.DataArray
        Dims ``spectrum, bin, spectrum_2, bin_2``, of the fiducial model.
    fields : str, optional
        Some of T, E, B. EB and TB are used only if the bandpowers hold them.

    Returns
    -------
    xarray.DataArray
        Log-likelihood; 0 is a perfect fit.

    Raises
    ------
    WrongData
        If dims, labels or bins differ, or a matrix is not positive definite.
    WrongUnits, MissingUnits
        If units do not go together.

    References
    ----------
    Hamimeche & Lewis 2008, PRD 77, 103013, doi:10.1103/PhysRevD.77.103013, eq. 47.

    Examples
    --------
    >>> coords = {"spectrum": ["BB"], "bin": [0]}
    >>> d = xr.DataArray([[1.0]], dims=("spectrum", "bin"), coords=coords, attrs={"units": "uK2"})
    >>> c = xr.DataArray(np.ones((1, 1, 1, 1)), dims=("spectrum", "bin", "spectrum_2", "bin_2"),
    ...                  coords=coords | {"spectrum_2": ["BB"], "bin_2": [0]}, attrs={"units": "uK4"})
    >>> round(float(hamimeche_lewis_log_likelihood(d, d * 2, d, c, fields="B")), 4)
    -0.1931
    """
    chosen = checked_fields(fields)
    labels = [pair for pair in ("TT", "EE", "BB", "TE", "EB", "TB") if set(pair) <= set(chosen)]
    data = _finite(bandpowers, "bandpowers", ("spectrum", "bin"))
    labels = [pair for pair in labels if pair in data["spectrum"].values or pair not in ("EB", "TB")]
    if missing := set(labels) - set(data["spectrum"].values.tolist()):
        raise WrongData(f"the bandpowers lack {', '.join(sorted(missing))} of fields {chosen}")
    data = data.sel(spectrum=labels)
    matrices = [spectra_matrix(data, chosen)]
    for what, given in (("model", model), ("fiducial", fiducial)):
        both = _with_units(given, data, what)
        kept = [pair for pair in labels if pair in both["spectrum"].values]
        matrices.append(spectra_matrix(both.sel(spectrum=kept, bin=data["bin"].values), chosen))
    x = hamimeche_lewis_matrix(*matrices)
    places = [(chosen.index(pair[0]), chosen.index(pair[1])) for pair in labels]
    vector = np.concatenate([x[..., i, j] for i, j in places], axis=-1)
    inverse = _inverse(_matrix(covariance, data, str(data.attrs["units"])))
    values = -0.5 * np.einsum("...i,ij,...j", vector, inverse, vector)
    return _log_likelihood(values, data.isel(spectrum=0, bin=0, drop=True), bandpowers, model)

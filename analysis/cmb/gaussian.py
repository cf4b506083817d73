"""Gaussian skies with given spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.coefficients import alm_dataset
from analysis.cmb.decoupling import spectra_array
from analysis.cmb.harmonics import multipoles
from analysis.cmb.maps import POLCONVS
from analysis.cmb.rotation import FRAMES
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check, derived, unit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def random_coefficients(
    spectra: xr.Dataset | xr.DataArray,
    *,
    lmax: int,
    seed: int,
    realizations: int | None = None,
    frame: str = "galactic",
    polconv: str = "COSMO",
) -> xr.Dataset:
    r"""Return Gaussian coefficients T, E, B with given spectra, correlations among them included.

    Parameters
    ----------
    spectra : xarray.Dataset or xarray.DataArray
        :math:`C_\ell`, dims ``spectrum, ell``, in squared units of a temperature; those that are missing are zero.
    lmax : int
        Largest multipole.
    seed : int
        The same seed gives the same coefficients.
    realizations : int, optional
        How many, on the dim ``realization``; one without that dim if left out.
    frame, polconv : str
        What the coefficients are said to refer to. The signs of EB and TB are taken to be of that convention.

    Returns
    -------
    xarray.Dataset
        ``coefficients``, dims ``[realization,] field, alm``; marked ``synthetic``.

    Raises
    ------
    BadOption
        If an option is out of range or a word unknown.
    WrongData
        If the spectra are no C_ℓ, end before ``lmax``, or no fields can have them (:math:`C_{TE}^2 > C_{TT} C_{EE}`).
    WrongFrame
        If spectra with EB or TB state another ``polconv``.

    Examples
    --------
    >>> from analysis.cmb import fetch
    >>> many = random_coefficients(fetch("planck2018_lcdm"), lmax=8, seed=1, realizations=3)
    >>> many.coefficients.sizes["realization"], many.coefficients.attrs["units"]
    (3, 'uK')
    """
    for name, value, least in (("lmax", lmax, 2), ("seed", seed, 0), ("realizations", realizations, 1)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not (value is None and name == "realizations") and (not whole or value is None or value < least):
            raise BadOption(f"{name}={value!r} is not a whole number from {least} on")
    if frame not in FRAMES or polconv not in POLCONVS:
        raise BadOption(f"frame={frame!r}, polconv={polconv!r}: give one of {', '.join(FRAMES)}, and COSMO or IAU")
    array = spectra_array(spectra, "the spectra", lmax=lmax)
    said = spectra.attrs.get("polconv", array.attrs.get("polconv", polconv))
    if said != polconv and {"EB", "TB"} & set(map(str, array["spectrum"].values)):
        raise WrongFrame(
            f"the spectra are in {said}, in {polconv} EB and TB have the other sign; give polconv={said!r}"
        )
    roots = _roots(array)
    ell, m = multipoles(lmax)
    rng = np.random.default_rng(seed)
    shape = (1 if realizations is None else realizations, 3, ell.size)
    white = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)
    white[..., m == 0] = white[..., m == 0].real * np.sqrt(2)
    alm = np.einsum("aij,raj->rai", roots[ell], white.transpose(0, 2, 1)).transpose(0, 2, 1)
    units = (unit_of(array) ** 0.5).to_string()
    scale = str(array.attrs.get("temperature_scale", spectra.attrs.get("temperature_scale", "K_CMB")))
    facts = {"frame": frame, "polconv": polconv, "temperature_scale": scale, "synthetic": "true"}
    made = alm_dataset(alm[0] if realizations is None else alm, "TEB", lmax, units, facts)
    step = f"cmb.random_coefficients(lmax={lmax}, seed={seed}, realizations={realizations})"
    return check(derived(made, spectra, title=f"Gaussian sky of {spectra.attrs.get('title', 'a theory')}", step=step))


def _roots(array: xr.DataArray) -> NDArray[np.float64]:
    """A square root of the covariance of T, E, B at each ℓ, shape (ℓ, 3, 3)."""
    known = {str(label): array.sel(spectrum=label).values for label in array["spectrum"].values}
    matrix = np.zeros((array.sizes["ell"], 3, 3))
    for label, values in known.items():
        i, j = "TEB".index(label[0]), "TEB".index(label[1])
        matrix[:, i, j] = matrix[:, j, i] = values
    matrix[:2, 1:, :] = matrix[:2, :, 1:] = 0  # polarization starts at ℓ = 2
    values, vectors = np.linalg.eigh(matrix)
    if (values < -1e-10 * np.abs(values).max(axis=1, keepdims=True)).any():
        worst = int(np.argmin(values.min(axis=1)))
        raise WrongData(f"no fields have these spectra: at ell={worst} their covariance is not positive")
    return vectors * np.sqrt(np.maximum(values, 0))[:, None, :]

"""What many realizations say together."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.stokes import units_of
from analysis.errors import WrongData
from analysis.model import check, derived, labelled

NAMES = ("cl", "dl")


def realization_mean(spectra: xr.Dataset) -> xr.Dataset:
    r"""Return the mean of spectra over realizations, its error, and the scatter of one realization.

    Parameters
    ----------
    spectra : xarray.Dataset
        ``cl`` or ``dl`` (or both) with the dim ``realization`` and others, for example ``spectrum, bin``.

    Returns
    -------
    xarray.Dataset
        Of each, without ``realization``: the mean by its own name, ``…_error`` (scatter over :math:`\sqrt n`) and
        ``…_scatter`` (standard deviation, :math:`n-1`); attrs ``realizations``.

    Raises
    ------
    WrongData
        If there are no spectra with that dim, fewer than two realizations, or a value that is not finite.

    Examples
    --------
    >>> ell = xr.DataArray([2], dims="ell", attrs={"units": "1", "long_name": "Multipole ℓ"})
    >>> cl = xr.DataArray([[1.0], [3.0]], dims=("realization", "ell"), coords={"ell": ell},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> made = realization_mean(cl.to_dataset(name="cl"))
    >>> float(made.cl[0]), float(made.cl_error[0]), round(float(made.cl_scatter[0]), 3)
    (2.0, 1.0, 1.414)
    """
    held = [name for name in NAMES if isinstance(spectra, xr.Dataset) and name in spectra.data_vars]
    held = [name for name in held if "realization" in spectra[name].dims]
    if not held:
        raise WrongData(
            "there is no 'cl' or 'dl' with the dim realization; join spectra by xr.concat(list, 'realization')"
        )
    number = spectra.sizes["realization"]
    if number < 2:
        raise WrongData(f"a scatter needs at least two realizations; there is {number}")
    made = xr.Dataset()
    for name in held:
        array = spectra[name]
        if not np.isfinite(array.values).all():
            raise WrongData(f"{name} of some realization is not finite")
        scatter = array.std("realization", ddof=1)
        told = str(array.attrs.get("long_name", name))
        kept = {k: v for k, v in array.attrs.items() if k not in ("units", "long_name")}
        for suffix, values, words in (
            ("", array.mean("realization"), told),
            ("_error", scatter / np.sqrt(number), f"Error of the mean of {told}"),
            ("_scatter", scatter, f"Scatter of {told}"),
        ):
            made[name + suffix] = labelled(values, name + suffix, units=units_of(array), long_name=words, attrs=kept)
    attrs = {**spectra.attrs, **synthetic_attrs(spectra), "realizations": number}
    title = f"{spectra.attrs.get('title', 'Power spectra')}, mean of {number} realizations"
    step = f"cmb.realization_mean: {number} realizations"
    return check(derived(made.assign_attrs(attrs), spectra, title=title, step=step))

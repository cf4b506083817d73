"""What noise adds to spectra, and how well they can be known."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.cmb.harmonics import checked_lmax
from analysis.cmb.maps import FACTS, nside_of, sky_array
from analysis.cmb.masks import Mask, mask_told, weights_for
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.stokes import units_of
from analysis.errors import WrongData
from analysis.model import check, derived, labelled


def noise_spectra(variance: xr.Dataset | xr.DataArray, *, mask: Mask, lmax: int | None = None) -> xr.Dataset:
    r"""Return the pseudo-spectra of noise without correlations between cells, :math:`\Omega\,\overline{w^2\sigma^2}`.

    Parameters
    ----------
    variance : xarray.Dataset or xarray.DataArray
        :math:`\sigma^2` of each cell, dims ``stokes, cells``, variable ``sky``, in squared units; Q and U without
        correlation. ``polconv`` as for a map.
    mask : xarray.DataArray or xarray.Dataset
        Weights from 0 to 1.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1``; ``2 nside`` if left out.

    Returns
    -------
    xarray.Dataset
        ``cl``, dims ``spectrum, ell``: pseudo-C_ℓ to take off with ``power_spectra(…, noise=)``; not for purified ones,
        whose noise is not white.

    Raises
    ------
    WrongData
        If a kept cell has no positive variance, or the mask does not fit.

    References
    ----------
    Alonso et al. 2019, MNRAS 484, 4127, doi:10.1093/mnras/stz093, section 2.

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> from analysis.cmb.masks import galactic_mask
    >>> one = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"), attrs={"units": "uK2", "frame": "galactic"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> round(float(noise_spectra(one, mask=galactic_mask(2, latitude=0)).cl[0, 4]), 4)  # 4 pi / 48, 5/6 kept
    0.2182
    """
    array = sky_array(variance, what="the variance")
    nside = nside_of(array)
    lmax = checked_lmax(lmax, nside)
    weights = weights_for(array, mask)
    units_of(array)
    values = np.where(weights > 0, np.asarray(array.values, dtype=float), 0)
    if (values[:, weights > 0] <= 0).any():
        raise WrongData("the variance is not positive in some kept cells; leave them out with the mask")
    held = [str(label) for label in array["stokes"].values]
    if len({"Q", "U"} & set(held)) == 1:
        raise WrongData(f"the variance is of Stokes {', '.join(held)}; E and B need Q and U together")
    level = dict(zip(held, (values * weights**2).mean(axis=1) * np.pi / (3 * nside**2), strict=True))
    flat: dict[str, float] = {"TT": level["I"]} if "I" in level else {}
    if "Q" in level:
        flat |= dict.fromkeys(("EE", "BB"), (level["Q"] + level["U"]) / 2)
    cl = np.repeat(np.array(list(flat.values()))[:, None], lmax + 1, axis=1)
    for row, label in enumerate(flat):
        cl[row, :2] *= label == "TT"
    coords = {
        "spectrum": xr.DataArray(list(flat), dims="spectrum", attrs={"long_name": "Spectrum"}),
        "ell": ("ell", np.arange(lmax + 1), {"units": "1", "long_name": "Multipole ℓ"}),
    }
    facts = {k: array.attrs[k] for k in FACTS[1:] if k in array.attrs} | synthetic_attrs(variance, mask)
    made = labelled(
        xr.DataArray(cl, dims=("spectrum", "ell"), coords=coords),
        "cl",
        units=str(array.attrs["units"]),
        long_name="Pseudo-C_ℓ of white noise",
        attrs=facts,
    ).to_dataset()
    title = f"Noise spectra of {variance.attrs.get('title', 'a variance')}"
    step = f"cmb.noise_spectra(lmax={lmax}): {mask_told(mask, weights)}"
    attrs = facts | {"purified": "none"}
    return check(derived(made.assign_attrs(attrs), variance, title=title, step=step, also=[mask]))

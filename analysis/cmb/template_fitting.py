"""Cleaning one band with maps of others as templates of the foregrounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.cmb.bands import cell_arcmin, hits_of
from analysis.cmb.maps import FACTS, nside_of, seen, sky_array
from analysis.cmb.masks import Mask, mask_told, weights_for
from analysis.cmb.origins import synthetic_attrs, with_inputs
from analysis.cmb.temperatures import kelvin_cmb
from analysis.errors import BadOption, WrongData, WrongFrame, WrongUnits
from analysis.model import check, in_units, labelled, unit_of

SINGULAR = 1e10


def template_fit(
    sky: xr.Dataset,
    *templates: xr.Dataset,
    noise: xr.DataArray,
    template_noises: Sequence[xr.DataArray] | None = None,
    mask: Mask | None = None,
    hits: xr.DataArray | None = None,
    cmb_in_templates: bool = True,
) -> xr.Dataset:
    r"""Return a band cleaned of foregrounds by a fit of template maps to it.

    The coefficients minimize :math:`\sum (d - \sum_i \alpha_i t_i)^2` over Q and U (or I) of the kept cells; the
    cleaned map is :math:`(d - \sum\alpha_i t_i) / (1 - \sum\alpha_i)` where the templates are maps of the sky that hold
    the CMB too (Planck), with no division where they do not. Bias: noise in a template lowers its coefficient by about
    its share of the template's variance, and CMB in the maps pulls :math:`\alpha` towards what minimizes the variance
    of the CMB too; neither is corrected.

    Parameters
    ----------
    sky : xarray.Dataset
        Map of the band to be cleaned, in K_CMB, with Q and U or I; a single resolution for all maps.
    *templates : xarray.Dataset
        Maps of other bands, or foregrounds alone: same cells, frame, convention, K_CMB.
    noise : xarray.DataArray
        Of the band: depth (uK arcmin) or standard deviation of a cell (uK), a scalar.
    template_noises : sequence of xarray.DataArray, optional
        Of each template, for the noise of the cleaned map.
    mask : xarray.DataArray or xarray.Dataset, optional
        Cells to fit, True or False; all that were observed if left out.
    hits : xarray.DataArray, optional
        Relative inverse variance of the noise of each cell.
    cmb_in_templates : bool, optional

    Returns
    -------
    xarray.Dataset
        ``sky`` cleaned, dims ``stokes, cells``, in uK; ``coefficient``, ``coefficient_error`` (from the noise of the
        band alone) and ``coefficient_covariance`` on ``template``; ``noise_level``, the standard deviation in uK of a
        cell of mean hits, with ``template_noises``.

    Raises
    ------
    BadOption
        If there is no template, or noises do not match.
    WrongData, WrongFrame, WrongUnits
        If maps do not fit together, templates are alike, or take all of the CMB away.

    References
    ----------
    Planck Collaboration V 2020, A&A 641, A5, doi:10.1051/0004-6361/201936386 (cleaning of 70 and 100 × 143 GHz).

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("planck", 16, seed=1, noise=False, beams=None)
    >>> low, cmb_band, high = (sky.isel(frequency=[n]) for n in (0, 4, 6))
    >>> level = xr.DataArray(1.0, attrs={"units": "uK"})
    >>> template_fit(cmb_band, low, high, noise=level).coefficient.sizes["template"]
    2
    """
    if not templates:
        raise BadOption("give one or more template maps after the map to be cleaned")
    if template_noises is not None and len(template_noises) != len(templates):
        raise BadOption(f"there are {len(templates)} templates and {len(template_noises)} template_noises")
    arrays = [
        kelvin_cmb(sky_array(m, what=w), w) for m, w in zip((sky, *templates), _names(len(templates)), strict=True)
    ]
    _refuse_beams(sky, *templates)
    labels = _fitted(arrays)
    arrays = [array.sel(stokes=labels).transpose("stokes", "cells") for array in arrays]
    values = np.stack([np.asarray(array.values, dtype=float) for array in arrays])
    kept = _kept(arrays, values, mask)
    weights = hits_of(arrays[0], hits)
    if weights is not None:
        kept &= weights > 0
    if not kept.any():
        raise WrongData("no cell is left to fit")
    sigma = [_level(n, nside_of(arrays[0])) for n in (noise, *(template_noises or ()))]
    root = np.ones(kept.sum()) if weights is None else np.sqrt(weights[kept])
    data, design = (values[0][:, kept] * root).ravel(), (values[1:][..., kept] * root).reshape(len(templates), -1)
    normal = design @ design.T
    size = np.sqrt(np.diagonal(normal))
    if not (size > 0).all() or np.linalg.cond(normal / np.outer(size, size)) > SINGULAR:
        raise WrongData("the templates are alike, or one is zero; leave one out")
    alpha = np.linalg.solve(normal, design @ data)
    covariance = sigma[0] ** 2 * np.linalg.inv(normal)
    left = 1 - alpha.sum() if cmb_in_templates else 1.0
    if abs(left) < 1e-3:
        raise WrongData(f"the coefficients {alpha.tolist()} add to 1: the templates take all of the CMB away")
    cleaned = (values[0] - np.tensordot(alpha, values[1:], axes=1)) / left
    cleaned[:, ~kept] = np.nan
    made = _dataset(arrays[0], cleaned, alpha, covariance, synthetic_attrs(sky, *templates))
    if template_noises is not None:
        level = np.sqrt(sigma[0] ** 2 + (alpha**2 * np.square(sigma[1:])).sum()) / abs(left)
        said = "Noise of a cell of the cleaned map"
        about = synthetic_attrs(sky, *templates)
        made["noise_level"] = labelled(xr.DataArray(level), "noise_level", units="uK", long_name=said, attrs=about)
    told = "cells observed in every map" if mask is None else mask_told(mask, kept.astype(float))
    step = f"cmb.template_fit(cmb_in_templates={cmb_in_templates}): coefficients {alpha.round(6).tolist()}; {told}"
    papers = ["Planck Collaboration V 2020, A&A 641, A5, doi:10.1051/0004-6361/201936386"]
    title = f"{sky.attrs.get('title', 'A map')}, cleaned with {len(templates)} templates"
    also = [data for data in (mask, hits) if data is not None]
    inputs = [sky, *templates]
    return check(with_inputs(made, inputs=inputs, title=title, step=step, references=papers, also=also))


def _names(templates: int) -> list[str]:
    return ["the map", *(f"template {n}" for n in range(1, templates + 1))]


def _refuse_beams(*maps: xr.Dataset) -> None:
    stated = [in_units(m["beam"], "arcmin").values.max() for m in maps if "beam" in getattr(m, "variables", {})]
    if stated and not max(stated) - min(stated) <= 0.01 * max(stated):
        widths = ", ".join(f"{width:g}" for width in stated)
        raise WrongData(
            f"the maps have beams of {widths} arcmin, so a template is not what the map holds; bring all bands to one "
            "first: cmb.common_resolution(sky)"
        )


def _fitted(arrays: list[xr.DataArray]) -> list[str]:
    """Return the Stokes parameters to fit: Q and U if the map has them; refuse maps that do not fit together."""
    first = arrays[0]
    labels = ["Q", "U"] if "Q" in first["stokes"].values else ["I"]
    for array, what in zip(arrays, _names(len(arrays) - 1), strict=True):
        if missing := [label for label in labels if label not in array["stokes"].values]:
            raise WrongData(f"{what} lacks Stokes {', '.join(missing)}")
        if nside_of(array) != nside_of(first):
            raise WrongData(f"{what} has nside {nside_of(array)}, the map {nside_of(first)}; bring them to one")
        for fact in FACTS:
            if array.attrs.get(fact) != first.attrs.get(fact):
                raise WrongFrame(f"{what} says {fact}={array.attrs.get(fact)!r}, the map {first.attrs.get(fact)!r}")
    return labels


def _kept(arrays: list[xr.DataArray], values: np.ndarray, mask: Mask | None) -> np.ndarray:
    known = np.asarray(seen(values).all(axis=(0, 1)))
    if mask is None:
        return known
    weights = weights_for(arrays[0].copy(data=np.where(known, values[0], np.nan)), mask)
    if not np.isin(weights, (0, 1)).all():
        raise WrongData("the mask has weights between 0 and 1; give True and False, for example mask > 0.5")
    return weights > 0


def _level(noise: xr.DataArray, nside: int) -> float:
    if not isinstance(noise, xr.DataArray) or noise.size != 1:
        raise BadOption("noise must be a DataArray with one number and the units 'uK arcmin' or 'uK'")
    if (scale := noise.attrs.get("temperature_scale")) in ("K_RJ", "intensity"):
        raise WrongUnits(f"noise says temperature_scale={scale!r}; give it in K_CMB, as the maps are")
    is_depth = unit_of(noise).is_equivalent("K arcmin")
    level = float(in_units(noise, "uK arcmin" if is_depth else "uK").values.item())
    if not np.isfinite(level) or level <= 0:
        raise WrongData(f"noise {level!r} must be positive and finite")
    return level / cell_arcmin(nside) if is_depth else level


def _dataset(
    like: xr.DataArray, cleaned: np.ndarray, alpha: np.ndarray, covariance: np.ndarray, about: dict[str, str]
) -> xr.Dataset:
    label = {"long_name": "Template", "units": "1"}
    made = xr.Dataset(coords={"stokes": like["stokes"], "cell_ids": like["cell_ids"]})
    made = made.drop_vars([name for name in made.coords if name not in ("stokes", "cell_ids")])
    made = made.assign_coords(template=("template", np.arange(1, alpha.size + 1), label))
    made = made.assign_coords(template_other=("template_other", np.arange(1, alpha.size + 1), label))

    def put(name: str, dims: tuple[str, ...], values: np.ndarray, units: str, long_name: str) -> None:
        made[name] = labelled(xr.DataArray(values, dims=dims), name, units=units, long_name=long_name, attrs=about)

    put("sky", ("stokes", "cells"), cleaned, "uK", "Stokes parameters, foreground templates taken off")
    put("coefficient", ("template",), alpha, "1", "Coefficient of the template")
    put("coefficient_error", ("template",), np.sqrt(np.diagonal(covariance)), "1", "Its error from noise")
    put("coefficient_covariance", ("template", "template_other"), covariance, "1", "Covariance of coefficients")
    made.attrs = {k: like.attrs[k] for k in FACTS if k in like.attrs}
    return made

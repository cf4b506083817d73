"""Maps of one sky in several bands: put together, checked, and how noisy each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.channels import gigahertz
from analysis.cmb.maps import FACTS, POLCONVS, cell_ids, map_dataset, nside_of, seen, sky_array, whole_sky
from analysis.cmb.masks import Mask, weights_for
from analysis.cmb.origins import synthetic_attrs, with_inputs
from analysis.cmb.temperatures import kelvin_cmb
from analysis.errors import BadOption, WrongData, WrongFrame, WrongUnits
from analysis.model import check, in_units, unit_of

if TYPE_CHECKING:
    from astropy.units import Quantity
    from numpy.typing import NDArray


def stacked_bands(*maps: xr.Dataset, frequencies: Sequence[float | str | Quantity] | None = None) -> xr.Dataset:
    """Return maps of single bands as one map on the dim ``frequency``, refusing those that do not fit together.

    Parameters
    ----------
    *maps : xarray.Dataset
        Two or more maps with the same cells, Stokes parameters, frame, ``polconv`` and ``temperature_scale``; units
        that convert are converted to those of the first.
    frequencies : sequence, optional
        One a map, a number is GHz; what the maps state if left out.

    Returns
    -------
    xarray.Dataset
        ``sky``, dims ``frequency, stokes, cells``, in the order given.

    Raises
    ------
    BadOption
        If there are fewer than two maps, or a frequency is missing.
    WrongData, WrongFrame
        If nside, Stokes parameters, frame, convention or temperature scale differ.

    Examples
    --------
    >>> from analysis import cmb
    >>> v, w = cmb.fetch("wmap7_v_iqu"), cmb.fetch("wmap7_w_iqu")
    >>> stacked_bands(v, w, frequencies=[61, 94]).sky.sizes["frequency"]
    2
    """
    if len(maps) < 2:
        raise BadOption("give two or more maps, for example stacked_bands(low, high, frequencies=[30, 353])")
    if frequencies is not None and len(frequencies) != len(maps):
        raise BadOption(f"there are {len(maps)} maps and {len(frequencies)} frequencies; give one a map")
    arrays = [whole_sky(sky_array(sky, what=f"map {n}"), what=f"map {n}") for n, sky in enumerate(maps, 1)]
    first = arrays[0]
    labels = [str(label) for label in first["stokes"].values]
    values, centres = [], []
    for number, (array, sky) in enumerate(zip(arrays, maps, strict=True), 1):
        what = f"map {number}"
        if nside_of(array) != nside_of(first):
            raise WrongData(f"{what} has nside {nside_of(array)}, map 1 {nside_of(first)}; degrade the finer: degraded")
        if [str(label) for label in array["stokes"].values] != labels:
            raise WrongData(f"{what} holds Stokes {array['stokes'].values.tolist()}, map 1 {labels}")
        for fact in FACTS:
            if array.attrs.get(fact) != first.attrs.get(fact):
                raise WrongFrame(
                    f"{what} says {fact}={array.attrs.get(fact)!r}, map 1 {first.attrs.get(fact)!r}; bring them to one "
                    "first (to_polconv, in_temperature_scale)"
                )
        values.append(in_units(array, str(unit_of(first))).values)
        stated = frequencies[number - 1] if frequencies is not None else _frequency_of(array, sky)
        if stated is None:
            raise BadOption(f"{what} does not state its frequency; give frequencies=[…] in GHz, one a map")
        centres.append(gigahertz(stated))
    nu = xr.DataArray(centres, dims="frequency", attrs={"units": "GHz", "long_name": "Band centre"})
    coords = {"frequency": nu, "stokes": first["stokes"].variable, "cell_ids": first["cell_ids"]}
    attrs = {k: v for k, v in first.attrs.items() if k != "frequency"} | synthetic_attrs(*maps)
    array = xr.DataArray(np.stack(values), dims=("frequency", "stokes", "cells"), coords=coords, attrs=attrs)
    listed = ", ".join(f"{nu:g}" for nu in centres)
    made = map_dataset(array.rename("sky")) if np.isfinite(array.values).all() else _with_mask(array)
    step = f"cmb.stacked_bands: maps at {listed} GHz"
    return check(with_inputs(made, inputs=list(maps), title=f"Sky at {listed} GHz", step=step, references=[]))


def _with_mask(array: xr.DataArray) -> xr.Dataset:
    """Return bands as a Dataset with the mask of the cells seen in all of them."""
    made = map_dataset(array.isel(frequency=0).rename("sky")).drop_vars(["sky", "mask", "frequency"], errors="ignore")
    held = ~np.isnan(array.values).any(axis=(0, 1))
    made["sky"] = array.assign_attrs({k: v for k, v in array.attrs.items() if k not in FACTS})
    made["mask"] = ("cells", held, {"units": "1", "long_name": "Observed in every band (True) or not"})
    made.attrs = {k: array.attrs[k] for k in FACTS if k in array.attrs}
    return made


def _frequency_of(array: xr.DataArray, sky: xr.Dataset) -> object:
    if "frequency" in array.coords:
        return array["frequency"]
    return array.attrs.get("frequency", sky.attrs.get("frequency"))


def band_array(sky: xr.Dataset, *, stokes: str, least: int = 2) -> xr.DataArray:
    """Return maps of several bands in uK of K_CMB, dims ``frequency, stokes, cells``, whole sky, checked.

    Raises
    ------
    WrongData
        If it is no map of several bands, lacks a Stokes parameter, or has fewer bands than needed.
    WrongFrame
        If it does not say its polarization convention.
    WrongUnits
        If it is not in K_CMB.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("litebird", 4, seed=1)
    >>> band_array(sky, stokes="QU").shape
    (22, 2, 192)
    """
    if not isinstance(sky, xr.Dataset) or "sky" not in sky.data_vars:
        raise WrongData("give a Dataset with 'sky' on the dims frequency, stokes, cells: cmb.stacked_bands(…)")
    array = sky["sky"]
    if extra := {"frequency", "stokes", "cells"} ^ set(map(str, array.dims)):
        word = "lacks or has besides" if len(extra) > 1 else ("has besides" if extra <= set(array.dims) else "lacks")
        raise WrongData(
            f"the map {word} {', '.join(sorted(extra))}; it needs the dims frequency, stokes, cells "
            "(isel(realization=0) chooses one realization, cmb.stacked_bands puts bands together)"
        )
    facts = {k: sky.attrs[k] for k in FACTS if k in sky.attrs} | array.attrs
    array = array.assign_attrs(facts | synthetic_attrs(sky, array))
    if array.sizes["frequency"] < least:
        raise WrongData(f"the map has {array.sizes['frequency']} bands; this needs {least} or more")
    held = [str(label) for label in array["stokes"].values] if "stokes" in array.coords else []
    if missing := [label for label in stokes if label not in held]:
        raise WrongData(f"the map lacks Stokes {', '.join(missing)}; it has {', '.join(held) or 'none'}")
    if {"Q", "U"} & set(stokes) and array.attrs.get("polconv") not in POLCONVS:
        raise WrongFrame(f"the map says polconv={array.attrs.get('polconv')!r}; it must be 'COSMO' or 'IAU'")
    array = kelvin_cmb(array).transpose("frequency", "stokes", "cells")
    if held != list(stokes):
        array = array.sel(stokes=list(stokes))
    return whole_sky(array)


def checked_stokes(stokes: str | Sequence[str]) -> str:
    """Return Stokes parameters as text: I, QU or IQU.

    Raises
    ------
    BadOption
        If they are anything else.

    Examples
    --------
    >>> checked_stokes(["Q", "U"])
    'QU'
    """
    text = "".join(map(str, stokes)) if isinstance(stokes, str | list | tuple) else repr(stokes)
    if text not in ("I", "QU", "IQU"):
        raise BadOption(f"stokes={stokes!r}: give 'I', 'QU' or 'IQU'")
    return text


def kept_cells(array: xr.DataArray, mask: Mask | None, *, whole: bool = False) -> NDArray[np.bool_] | None:
    """Return which cells to use, None for all: those of the mask, or those seen in every band without one.

    Parameters
    ----------
    array : xarray.DataArray
        dims ``frequency, stokes, cells``.
    mask : xarray.DataArray or xarray.Dataset, optional
        True or False; weights in between are refused, since a taper is no noise level.
    whole : bool
        Give an array of True instead of None.

    Raises
    ------
    WrongData
        If the mask has weights between 0 and 1, does not fit, or keeps cells that were not observed.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("litebird", 4, seed=1)
    >>> kept_cells(band_array(sky, stokes="QU"), None) is None
    True
    """
    values = array.values
    clean = bool(np.isfinite(values.min()) and np.isfinite(values.max()) and max(-values.min(), values.max()) < 1e30)
    if mask is not None:
        flat = array.isel(frequency=0).copy(data=values[0])
        if not clean:  # a cell counts as seen if every band saw it
            flat = flat.copy(data=np.where(seen(values).all(axis=0), values[0], np.nan))
        weights = weights_for(flat, mask)
        if not np.isin(weights, (0, 1)).all():
            raise WrongData("the mask has weights between 0 and 1; give True and False, for example mask > 0.5")
        return weights > 0
    if clean:
        return np.ones(array.sizes["cells"], dtype=bool) if whole else None
    kept = np.asarray(seen(values).all(axis=(0, 1)))
    if not kept.any():
        raise WrongData("no cell was observed in every band")
    return kept


def noise_levels(array: xr.DataArray, noise: xr.DataArray | None, sky: xr.Dataset) -> NDArray[np.float64]:
    """Return the standard deviation of the noise of one cell, shape (stokes, bands), in uK.

    Parameters
    ----------
    array : xarray.DataArray
        dims ``frequency, stokes, cells``.
    noise : xarray.DataArray, optional
        In uK arcmin (a depth) or uK (of a cell), dims ``frequency[, stokes]``; ``depth`` of the map if left out.
    sky : xarray.Dataset
        The map.

    Raises
    ------
    BadOption
        If there is none.
    WrongData, WrongUnits, MissingUnits
        If it does not fit the map, or is not positive and finite.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("litebird", 4, seed=1)
    >>> noise_levels(band_array(sky, stokes="QU"), None, sky).shape
    (2, 22)
    """
    if noise is None and "depth" not in sky.data_vars:
        raise BadOption("how noisy is each band? give noise=, a DataArray on frequency in 'uK arcmin' or 'uK'")
    given = sky["depth"] if noise is None else noise
    if not isinstance(given, xr.DataArray):
        raise BadOption("noise must be a DataArray on the dim frequency with units 'uK arcmin' or 'uK'")
    if given.dims == ("channel_name",):  # of an instrument's table
        held = {"frequency": given["frequency"]} if "frequency" in given.coords else {}
        nu = {name: ("frequency", coord.values, coord.attrs) for name, coord in held.items()}
        given = xr.DataArray(given.values, dims="frequency", coords=nu, attrs=given.attrs)
    if (scale := given.attrs.get("temperature_scale")) in ("K_RJ", "intensity"):
        raise WrongUnits(f"noise says temperature_scale={scale!r}; give it in K_CMB, as the maps are")
    is_depth = unit_of(given).is_equivalent("K arcmin")
    given = in_units(given, "uK arcmin" if is_depth else "uK")
    if "frequency" not in given.dims or set(given.dims) - {"frequency", "stokes"}:
        raise WrongData(f"noise has the dims {given.dims}; it needs frequency, and may have stokes")
    bands, labels = array.sizes["frequency"], [str(label) for label in array["stokes"].values]
    if given.sizes["frequency"] != bands:
        raise WrongData(f"noise has {given.sizes['frequency']} bands, the map {bands}")
    if "frequency" in given.coords:
        centres = in_units(given["frequency"], "GHz").values
        if not np.allclose(centres, in_units(array["frequency"], "GHz").values, rtol=1e-6):
            raise WrongData(f"noise is for {centres.tolist()} GHz, which is not the order or the bands of the map")
    if "stokes" in given.dims:
        if missing := [label for label in labels if label not in given["stokes"].values]:
            raise WrongData(f"noise lacks Stokes {', '.join(missing)}")
        values = given.sel(stokes=labels).transpose("stokes", "frequency").values
    else:
        values = np.broadcast_to(given.values, (len(labels), bands))
    values = np.asarray(values, dtype=float)
    if not (np.isfinite(values) & (values > 0)).all():
        raise WrongData("noise must be positive and finite in every band")
    return values / cell_arcmin(nside_of(array)) if is_depth else values


def cell_arcmin(nside: int) -> float:
    """Return the side of a square with the area of a cell, in arcmin.

    Examples
    --------
    >>> round(cell_arcmin(64), 2)
    54.97
    """
    return float(np.degrees(np.sqrt(np.pi / 3) / nside) * 60)


def hits_of(array: xr.DataArray, hits: xr.DataArray | None) -> NDArray[np.float64] | None:
    """Return inverse noise variances of cells, mean 1 over those above zero; None for even noise.

    Raises
    ------
    WrongData
        If they do not fit the map, or are negative or not finite.

    Examples
    --------
    >>> hits_of(xr.DataArray(), None) is None
    True
    """
    if hits is None:
        return None
    if not isinstance(hits, xr.DataArray) or hits.dims != ("cells",):
        raise WrongData("hits must be a DataArray on the one dim cells")
    if nside_of(hits, "hits") != nside_of(array):
        raise WrongData(f"hits have nside {nside_of(hits, 'hits')}, the map {nside_of(array)}")
    frame, own = hits.attrs.get("frame"), array.attrs.get("frame")
    if frame is not None and own is not None and frame != own:
        raise WrongFrame(f"hits are in the frame {frame!r}, the map in {own!r}")
    values = np.asarray(whole_sky(hits, fill=0, what="hits").values, dtype=float)
    if not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise WrongData("hits must be finite and not negative, above zero somewhere; zero where nothing was seen")
    return values / values[values > 0].mean()


def bands_dataset(values: NDArray, coords: dict, attrs: dict) -> xr.Dataset:
    """Return maps of bands, NESTED, in uK of K_CMB, as a Dataset with its facts as global attributes.

    Examples
    --------
    >>> nu = xr.DataArray([100.0], dims="frequency", attrs={"units": "GHz"})
    >>> stokes = xr.DataArray(["I"], dims="stokes")
    >>> bands_dataset(np.zeros((1, 1, 12)), {"frequency": nu, "stokes": stokes}, {"frame": "galactic"}).sky.shape
    (1, 1, 12)
    """
    nside = int(np.sqrt(values.shape[-1] // 12))
    dims = ("realization", "frequency", "stokes", "cells")[-values.ndim :]
    held = {"units": "uK", "long_name": "Stokes parameters"} | synthetic_attrs(xr.Dataset(attrs=attrs))
    array = xr.DataArray(values, dims=dims, coords={**coords, "cell_ids": cell_ids(nside)}, attrs=held)
    return xr.Dataset({"sky": array}, attrs=attrs)

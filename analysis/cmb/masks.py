"""Masks: which cells of the sky count, as weights from 0 (left out) to 1 (kept)."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.maps import (
    FACTS,
    cell_ids,
    checked_nside,
    degraded,
    labelled_map,
    nside_of,
    seen,
    sky_array,
    whole_sky,
)
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import AnalysisWarning, BadOption, WrongData, WrongFrame
from analysis.model import derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

Mask = xr.DataArray | xr.Dataset
ON_THE_EDGE = 1e-9  # degrees: rounding must not keep a ring in the north and leave out its mirror image
NAMED = "long_name_of_weights"  # attribute: checksum of the weights that long_name is about


def galactic_mask(nside: int, *, latitude: Angle = 15) -> xr.DataArray:
    """Return the mask that leaves out a band on both sides of the Galactic plane.

    Parameters
    ----------
    nside : int
        Power of two.
    latitude : float, str, astropy.units.Quantity or xarray.DataArray
        Half width of the band, from 0° to below 90°; a number is degrees, text has a unit (``"15 deg"``).
        Cells whose centre lies on it are left out.

    Returns
    -------
    xarray.DataArray
        ``mask``, bool, dim ``cells``: True where :math:`|b|` is larger. Its ``frame`` is galactic.

    Raises
    ------
    BadOption
        If ``nside`` is not a power of two or ``latitude`` is out of range.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976.

    Examples
    --------
    >>> round(float(galactic_mask(64, latitude=30).mean()), 1)
    0.5
    """
    import ducc0

    width, nside = degrees(latitude, "latitude"), checked_nside(nside)
    if not 0 <= width < 90:
        raise BadOption(
            f"latitude={latitude!r} must be at least 0 and below 90 degrees; 15 or '15 deg' is a common choice"
        )
    ids = cell_ids(nside)
    colatitude = ducc0.healpix.Healpix_Base(nside, "NEST").pix2ang(ids.values)[:, 0]
    keep = np.abs(90 - np.degrees(colatitude)) > width + ON_THE_EDGE
    galactic = xr.DataArray(keep, dims="cells", coords={"cell_ids": ids}, attrs={"frame": "galactic"})
    return named_mask(keep, galactic, f"Kept: |b| > {width:g}°")


def observed_mask(sky: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return the mask of the cells in which every Stokes parameter of a map was observed.

    NaN, infinities and the number that HEALPix calls UNSEEN are no observations.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``stokes, cells``.

    Returns
    -------
    xarray.DataArray
        ``mask``, bool, dim ``cells``, in the frame of the map.

    Examples
    --------
    >>> sky = xr.DataArray([[1.0] * 11 + [np.nan]], dims=("stokes", "cells"),
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(1)})
    >>> int(observed_mask(sky).sum())
    11
    """
    array = sky_array(sky)
    return named_mask(np.asarray(seen(array.values).all(axis=0)), array, "Kept: observed")


def combined_mask(*masks: Mask) -> xr.DataArray:
    """Return the product of masks: a cell is kept as far as each of them keeps it.

    Parameters
    ----------
    *masks : xarray.DataArray or xarray.Dataset
        One or more masks of one nside and frame: bool, or weights from 0 to 1.

    Returns
    -------
    xarray.DataArray
        ``mask``, dim ``cells``; bool if all are, else weights.

    Raises
    ------
    BadOption
        If none is given.
    WrongData, WrongFrame
        If one is no mask, or they differ in nside or frame.

    Examples
    --------
    >>> plane, all_sky = galactic_mask(4, latitude=20), galactic_mask(4, latitude=0)
    >>> bool((combined_mask(plane, all_sky) == plane).all())
    True
    """
    if not masks:
        raise BadOption("combined_mask needs at least one mask, for example galactic_mask(32)")
    arrays, like = alike(masks)
    values = arrays[0].values
    for array in arrays[1:]:
        values = values & array.values if values.dtype == array.dtype == bool else values * array.values
    names = [mask_name(mask) for mask in masks]
    together = "Kept: " + " and ".join(name.removeprefix("Kept: ") for name in names)
    combined = named_mask(values, like, _unnamed(values) if set(names) & set(UNNAMED) else together)
    return combined.assign_attrs(synthetic_attrs(*arrays))


UNNAMED = ("Mask, kept where 1", "Mask, kept as far as its weight")


def mask_name(mask: Mask) -> str:
    """Return what a mask keeps, in words that are true of its weights.

    xarray keeps attributes through arithmetic: ``~galactic_mask(32)`` still says which half it was. So the masks
    made here also carry a checksum of the weights that their ``long_name`` is about, and one that no longer fits
    is not believed. A mask from an archive is called by the title of its Dataset.

    Examples
    --------
    >>> mask_name(galactic_mask(8, latitude=20)), mask_name(~galactic_mask(8, latitude=20))
    ('Kept: |b| > 20°', 'Mask, kept where 1')
    """
    array = mask_array(mask)
    name = str(array.attrs.get("long_name", ""))
    if NAMED in array.attrs:
        return name if array.attrs[NAMED] == _checksum(array.values) else _unnamed(array.values)
    title = str(mask.attrs.get("title", "")) if isinstance(mask, xr.Dataset) else ""
    return title or (name if name.startswith("Kept: ") else _unnamed(array.values))


def _unnamed(values: NDArray) -> str:
    return UNNAMED[0] if np.isin(values, (0, 1)).all() else UNNAMED[1]


def _checksum(values: NDArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()[:16]


def named_mask(values: NDArray, like: xr.DataArray, long_name: str) -> xr.DataArray:
    """Return weights as a mask on the cells of another array, with a checksum of what its name is about.

    Examples
    --------
    >>> mask_name(named_mask(np.ones(12), galactic_mask(1), "Kept: all"))
    'Kept: all'
    """
    mask = labelled_map(values, like, "mask", units="1", long_name=long_name)
    return mask.assign_attrs({NAMED: _checksum(values)})


def mask_told(mask: Mask | None, weights: NDArray) -> str:
    """Return what a line of history says about a mask: its name, and what is true of the weights used.

    Examples
    --------
    >>> mask_told(galactic_mask(8, latitude=30) * 0.5, np.full(768, 0.5))
    "mask 'Mask, kept as far as its weight', f_sky 0.5000, weights between 0 and 1 multiply the map, not divided out"
    """
    if mask is None:
        return "no mask"
    partial = bool(((weights > 0) & (weights < 1)).any())
    told = ", weights between 0 and 1 multiply the map, not divided out" if partial else ""
    return f"mask {mask_name(mask)!r}, f_sky {weights.mean():.4f}{told}"


def sky_fraction(mask: Mask) -> xr.DataArray:
    """Return the fraction of the sky that a mask keeps, the mean of its weights.

    Parameters
    ----------
    mask : xarray.DataArray or xarray.Dataset
        bool, or weights from 0 to 1; dim ``cells``. Cells that it does not have count as left out.

    Returns
    -------
    xarray.DataArray
        Dimensionless scalar.

    Examples
    --------
    >>> round(float(sky_fraction(galactic_mask(64, latitude=30))), 1)
    0.5
    """
    array = mask_array(mask)
    fraction = xr.DataArray(float(array.values.mean()))
    name = "Fraction of the sky kept"
    return labelled(fraction, "sky_fraction", units="1", long_name=name, attrs=synthetic_attrs(array))


def mask_array(mask: Mask) -> xr.DataArray:
    """Return a mask as one array over the whole sky, checked.

    A Dataset gives its variable ``mask``; a mask with one plane for each Stokes parameter must have equal
    planes.

    Raises
    ------
    WrongData
        If it is no mask, has weights outside 0 … 1, NaN, or planes that differ.

    Examples
    --------
    >>> mask_array(galactic_mask(2)).dtype
    dtype('bool')
    """
    if isinstance(mask, xr.Dataset):
        if "mask" not in mask.data_vars:
            raise WrongData(f"the mask has no variable 'mask'; it has {', '.join(map(str, mask.data_vars)) or 'none'}")
        facts = {k: mask.attrs[k] for k in FACTS if k in mask.attrs} | mask["mask"].attrs
        mask = mask["mask"].assign_attrs(facts | synthetic_attrs(mask))
    if not isinstance(mask, xr.DataArray):
        raise WrongData(f"the mask is a {type(mask).__name__}; give a DataArray, for example galactic_mask(32)")
    if "stokes" in mask.dims:
        first = mask.isel(stokes=0)
        if not bool((mask == first).all()):
            raise WrongData(
                "the mask has a different plane for each Stokes parameter; choose one: mask.sel(stokes='I')"
            )
        mask = first
    nside_of(mask, "the mask")
    if set(mask.dims) != {"cells"}:
        raise WrongData(f"the mask has dims {tuple(map(str, mask.dims))}; it needs cells alone")
    if mask.dtype.kind not in "biuf":
        raise WrongData(f"the mask holds {mask.dtype}; give True and False, or weights from 0 to 1")
    if not bool(((mask >= 0) & (mask <= 1)).all()):
        raise WrongData("the mask holds NaN or values outside 0 to 1; give True and False, or weights from 0 to 1")
    whole = whole_sky(mask, fill=0, what="the mask")
    if mask.dtype.kind in "biu" and whole.dtype.kind != "b":
        whole = whole.astype(bool)
    return whole.drop_vars([name for name in whole.coords if name != "cell_ids"])


def weights_for(array: xr.DataArray, mask: Mask | None) -> NDArray:
    """Return the weights of a mask for a map, all ones for None; refuse kept cells that were not observed.

    Raises
    ------
    WrongData
        If nsides differ, nothing is kept, or a kept cell holds NaN, an infinity or UNSEEN.
    WrongFrame
        If frames differ.

    Examples
    --------
    >>> sky = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"), attrs={"frame": "galactic"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> int(weights_for(sky, galactic_mask(2, latitude=30)).sum())
    24
    """
    if mask is None:
        weights = np.ones(array.sizes["cells"])
    else:
        checked = mask_array(mask)
        _refuse_mismatch(checked, nside_of(array), array.attrs.get("frame"), "the map")
        weights = checked.values.astype(float)
    if not weights.any():
        raise WrongData("the mask keeps no cell at all; widen it")
    unknown = int(((~seen(array.values)).any(axis=0) & (weights > 0)).sum())
    if unknown:
        raise WrongData(
            f"{unknown} of {int((weights > 0).sum())} kept cells were not observed (NaN, infinite or UNSEEN); "
            "leave them out with mask=combined_mask(mask, observed_mask(sky)), or observed_mask(sky) alone"
        )
    return weights


def alike(masks: Sequence[Mask]) -> tuple[list[xr.DataArray], xr.DataArray]:
    """Return masks as arrays of one nside and frame, and one of them that states the frame, if any does.

    Raises
    ------
    WrongData, WrongFrame
        If one is no mask, or they differ.

    Examples
    --------
    >>> bare = galactic_mask(2).copy()
    >>> bare.attrs = {}
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     alike([bare, galactic_mask(2)])[1].attrs["frame"]
    'galactic'
    """
    arrays = [mask_array(mask) for mask in masks]
    like = next((array for array in arrays if "frame" in array.attrs), arrays[0])
    for array in arrays:
        if array is not like:
            _refuse_mismatch(array, nside_of(like, "the mask"), like.attrs.get("frame"), "the other mask")
    return arrays, like


def _refuse_mismatch(mask: xr.DataArray, nside: int, frame: object, other: str) -> None:
    own = nside_of(mask, "the mask")
    if own != nside:
        raise WrongData(
            f"the mask has nside {own}, {other} {nside}; make both alike, for example with nside={nside}, or with "
            "degraded_mask"
        )
    if "frame" not in mask.attrs:
        message = f"the mask says no frame; taken to be that of {other}, {frame}"
        warnings.warn(message + " (set attrs['frame'])", AnalysisWarning, stacklevel=4)
    elif str(mask.attrs["frame"]).lower() != str(frame).lower():
        raise WrongFrame(
            f"the mask is in the frame {mask.attrs['frame']!r}, {other} in {frame!r}; they must be one: "
            "rotated_mask(mask, frame)"
        )


def degraded_mask(mask: Mask, nside: int) -> xr.DataArray:
    """Return a mask on larger HEALPix cells: a cell is kept as far as the least kept cell inside it.

    Parameters
    ----------
    mask : xarray.DataArray or xarray.Dataset
        bool, or weights from 0 to 1; dim ``cells``.
    nside : int
        Power of two, not larger than the mask's.

    Returns
    -------
    xarray.DataArray
        ``mask``, dim ``cells``; bool for bool. A mean would let cells count that hold what was to be left
        out.

    Raises
    ------
    BadOption
        If ``nside`` is not a power of two or larger than the mask's.
    WrongData
        If it is no mask.

    Examples
    --------
    >>> coarse = degraded_mask(galactic_mask(128, latitude=20), 16)
    >>> bool(coarse.mean() < galactic_mask(16, latitude=20).mean())
    True
    """
    array = mask_array(mask)
    fine, nside = nside_of(array), checked_nside(nside)
    if nside > fine:
        raise BadOption(f"nside={nside} is finer than the mask's {fine}; give {fine} or a smaller power of two")
    least = xr.DataArray(
        array.values.reshape(12 * nside**2, -1).min(axis=1),
        dims="cells",
        coords={"cell_ids": cell_ids(nside)},
        attrs=array.attrs,
    )
    return named_mask(least.values, least, mask_name(mask))


def _coarse(data: xr.Dataset, name: str, nside: int) -> xr.DataArray:
    """Return one of the masks of a product on larger cells."""
    if name == "mask":
        return degraded_mask(data, nside)
    return degraded_mask(data[name], nside).rename(name)


def regridded(data: xr.Dataset, nside: int, product: str) -> xr.Dataset:
    """Return a product, a map or a mask, on larger HEALPix cells.

    Raises
    ------
    BadOption
        If the product is neither, or ``nside`` is larger than its own.

    Examples
    --------
    >>> regridded(galactic_mask(4).to_dataset(), 2, "demo").sizes["cells"]
    48
    """
    if "sky" in data.data_vars:
        return data if nside_of(data["sky"]) == nside else degraded(data, nside)
    # a file of several masks has one variable each, Planck's GAL020 to GAL099
    named = [str(name) for name, array in data.data_vars.items() if array.dims == ("cells",) and array.dtype == bool]
    names = ["mask"] if "mask" in data.data_vars else named if len(named) == len(data.data_vars) else []
    if not names:
        raise BadOption(f"{product} is no map of the sky; leave nside out")
    if nside_of(data[names[0]], "the mask") == nside:
        return data
    coarse = xr.Dataset({name: _coarse(data, name, nside) for name in names})
    facts = {k: data.attrs[k] for k in FACTS if k in data.attrs}
    title = f"{data.attrs.get('title', product)}, nside {nside}"
    step = f"cmb.degraded_mask(nside={nside}): kept where all of its cells were"
    return derived(coarse.assign_attrs(facts), data, title=title, step=step)

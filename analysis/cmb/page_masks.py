"""Masks of a page: low Galactic latitudes on a map of any frame, and what its caller gives."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import xarray as xr

from analysis.cmb.maps import cell_ids, nside_of
from analysis.cmb.masks import Mask, degraded_mask, galactic_mask, mask_array, named_mask
from analysis.cmb.region_files import region_mask
from analysis.cmb.rotation import FRAMES
from analysis.cmb.sky_views import frame_rotation
from analysis.errors import WrongData, WrongFrame

Given: TypeAlias = Mask | str | os.PathLike[str] | None


def checked_mask(mask: Given, frame: str) -> xr.DataArray | str | Path | None:
    """Return a mask that a page is given, or the regions that it is to be made of, if it fits the map's frame.

    Raises
    ------
    WrongData
        If it is no mask.
    WrongFrame
        If its frame, or that of the map, is another or not known.
    BadOption, MissingFile, CorruptFile
        If regions cannot be read.

    Examples
    --------
    >>> checked_mask("galactic; circle(0, 0, 10d)", "galactic")
    'galactic; circle(0, 0, 10d)'
    """
    if mask is None:
        return None
    if isinstance(mask, str | os.PathLike):
        if frame not in FRAMES:
            raise WrongFrame(f"the map states frame={frame!r}, so where the regions lie on it is not known")
        given = mask if isinstance(mask, str) else Path(mask)
        region_mask(1, given, frame=frame)
        return given
    array = mask_array(mask)
    own = str(array.attrs.get("frame", "")).strip().lower()
    if own != frame:
        raise WrongFrame(f"the mask is in the frame {own!r}, the map in {frame!r}; cmb.rotated_mask turns it")
    return array


def mask_for(mask: xr.DataArray | str | Path, like: xr.DataArray) -> xr.DataArray:
    """Return what :func:`checked_mask` gave on the cells of another mask.

    Raises
    ------
    WrongData
        If its cells are larger.

    Examples
    --------
    >>> round(float(mask_for("galactic; circle(0, 90, 60d)", galactic_mask(32, latitude=0)).mean()), 1)
    0.8
    """
    nside = nside_of(like)
    if isinstance(mask, str | Path):
        return region_mask(nside, mask, frame=str(like.attrs["frame"]))
    if nside_of(mask) < nside:
        raise WrongData(f"the mask is of nside {nside_of(mask)}, the map is masked at nside {nside}; give a finer mask")
    return mask if nside_of(mask) == nside else degraded_mask(mask, nside)


def latitude_mask(seen: xr.DataArray, latitude: float) -> xr.DataArray:
    """Return the mask of low Galactic latitudes on the cells and in the frame of another.

    Raises
    ------
    WrongFrame
        If the frame is not known.

    Examples
    --------
    >>> like = galactic_mask(16).assign_attrs(frame="icrs")
    >>> round(float(latitude_mask(like, 30).mean()), 2)
    0.5
    """
    frame, nside = str(seen.attrs.get("frame", "")).strip().lower(), nside_of(seen)
    if frame == "galactic":
        return galactic_mask(nside, latitude=latitude)
    if frame not in FRAMES:
        raise WrongFrame(
            f"the map states frame={seen.attrs.get('frame')!r}, so where its Galactic plane lies is not known; set "
            f"attrs['frame'] to one of {', '.join(FRAMES)}"
        )
    keep = np.abs(_galactic_height(nside, frame)) > np.sin(np.radians(latitude))
    like = xr.DataArray(keep, dims="cells", coords={"cell_ids": cell_ids(nside)}, attrs={"frame": frame})
    return named_mask(keep, like, f"Kept: |b| > {latitude:g}°")


@lru_cache(maxsize=2)
def _galactic_height(nside: int, frame: str) -> np.ndarray:
    """The sine of the Galactic latitude of each cell of a map in another frame."""
    import ducc0

    vectors = ducc0.healpix.Healpix_Base(nside, "NEST").pix2vec(np.arange(12 * nside**2))
    return np.asarray(vectors @ frame_rotation(frame, "galactic")[2])

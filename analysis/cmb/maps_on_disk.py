"""Maps that stay on disk: opened, and refused where something would take all of them into memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.errors import BadOption, MissingFile, WrongData

UNSEEN_FROM = 1e30  # HEALPix writes -1.6375e30 where nothing was observed
BLOCK = 4**10
LARGEST_READ = 2**31  # bytes that are taken from disk without being asked


def open_map(path: str | os.PathLike[str], *, assume: Mapping[str, str] | None = None) -> xr.Dataset:
    """Return the map of a FITS file without reading it: its cells come from the file when they are asked for.

    Parameters
    ----------
    path : str or path
        A FITS file, not compressed, with Stokes parameters of the whole sky, RING or NESTED, of nside up to 8192.
    assume : mapping, optional
        What the file does not say: ``units``, ``frame``, ``polconv``, ``temperature_scale``, ``ordering``.

    Returns
    -------
    xarray.Dataset
        ``sky``, dims ``stokes, cells``, of Dask arrays in NESTED order, UNSEEN as NaN; ``cell_ids``, as lazy. What
        :func:`write_pyramid` takes; other functions take it into memory.

    Raises
    ------
    MissingFile, UnknownFormat, CorruptFile
        If there is no such file, or it is another.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976.

    Examples
    --------
    >>> from analysis import sample
    >>> stated = {"units": "mK", "frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}
    >>> sky = open_map(sample.path("wmap7_w_iqu_nside32.fits"), assume=stated)
    >>> float(sky.sky.sel(stokes="I")[6367].compute()) > 0.7
    True
    """
    from analysis.formats._healpixlazy import lazy_map

    try:
        file = Path(path).expanduser()
    except (TypeError, RuntimeError) as error:
        raise BadOption(f"path={path!r} is not a path; give the name of a FITS file") from error
    if not file.is_file():
        raise MissingFile(f"there is no file {file}")
    return lazy_map(file, dict(assume or {}))


def in_memory(array: xr.DataArray) -> xr.DataArray:
    """Return a map whose values are in memory; refuse one that is lazy and large.

    Raises
    ------
    WrongData
        If it would take more than 2 GiB.

    Examples
    --------
    >>> in_memory(xr.DataArray([1.0]).chunk()).chunks is None
    True
    """
    if array.variable._in_memory:
        return array
    if array.nbytes > LARGEST_READ:
        raise WrongData(
            f"the map is not in memory and has {array.nbytes / 1e9:.1f} GB; write it as a pyramid once, of which only "
            "what is seen is read: path = cmb.write_pyramid(sky, 'map.zarr'), then give that path"
        )
    return array.load()


def for_pictures(array: xr.DataArray) -> xr.DataArray:
    """Return a map in memory with NaN for infinities and for UNSEEN, which no colour scale can hold; else itself.

    Examples
    --------
    >>> for_pictures(xr.DataArray([[1.0, -1.6375e30]], dims=("stokes", "cells"))).values
    array([[ 1., nan]])
    """
    array = in_memory(array)
    if array.dtype.kind != "f" or not array.size:
        return array
    rows = array.values.reshape(-1, array.shape[-1])
    for row in rows:
        for start in range(0, row.size, BLOCK):
            part = row[start : start + BLOCK]
            if (np.abs(part) >= UNSEEN_FROM).any():
                return array.where(np.abs(array) < UNSEEN_FROM)
    return array

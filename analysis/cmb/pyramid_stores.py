"""Pyramids of maps on disk: a zarr store with a group for each resolution, read as far as it is looked at."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from analysis.cmb.maps import checked_nside, nside_of, sky_array
from analysis.cmb.maps_on_disk import open_map
from analysis.cmb.pyramid_parts import write_levels
from analysis.errors import CorruptFile, StoreError, WrongData
from analysis.panels.beside import as_path, move_in, new_place, root_of

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

MARK = "healpix_pyramid"  # attribute of the root: version of this layout
VERSION = 1
EXAMPLE = "map.zarr"


def write_pyramid(
    sky: xr.Dataset | xr.DataArray | PathLike, path: PathLike, *, smallest: int = 8, overwrite: bool = False
) -> Path:
    """Return the path of a new zarr store that holds a map at every resolution, for :func:`open_pyramid`.

    A group ``nside_512``, ``nside_256`` … each, as :func:`pyramid` makes them: ``sky`` over ``stokes, cells`` in the
    NESTED scheme, in chunks of 65536 cells (neighbours, 256 by 256) of one Stokes parameter, with a checksum each, and
    ``cell_ids``. It is written beside its place and moved there when it is whole.

    The map is read part by part, so that it need not fit into memory; a bar shows how far it has come.

    Parameters
    ----------
    sky : xarray.Dataset, xarray.DataArray or path
        A map, dims ``stokes, cells``, any unit; what was not observed is NaN. Of Dask arrays, opened from zarr or
        netCDF, or of :func:`open_map`, which also opens the path of a FITS file, nothing but the part at hand is in
        memory; a part of the sky, or cells in another order, are taken into memory.
    path : str or path
        The store, a directory whose name ends in ``.zarr``.
    smallest : int, optional
        The last nside, or the map's own if that is smaller.
    overwrite : bool, optional
        Replace a pyramid that is there; nothing else is ever replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BadOption
        If ``smallest`` is no power of two, the name does not end in ``.zarr``, the path exists, or the map's chunks
        are too large to be read one by one.
    WrongData, WrongFrame
        As for :func:`degraded`.
    MissingFile, UnknownFormat, CorruptFile
        If a path leads to no map.
    MissingFile, StoreError
        If the directory above is not there, or nothing can be written to it.

    References
    ----------
    Fernique et al. 2015, A&A 578, A114, doi:10.1051/0004-6361/201526075 (skies in HEALPix tiles of every order).

    Examples
    --------
    >>> import tempfile
    >>> from analysis.cmb import fetch, open_pyramid
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = write_pyramid(fetch("wmap7_w_iqu"), f"{folder}/w.zarr")
    ...     list(open_pyramid(made).children)
    ['nside_32', 'nside_16', 'nside_8']
    """
    if isinstance(sky, str | os.PathLike):
        sky = open_map(sky)
    array = sky_array(sky)
    nside, last = nside_of(array), checked_nside(smallest)
    store = new_place(path, EXAMPLE, overwrite=overwrite, known=_root)
    levels = [nside]
    while levels[-1] > last:
        levels.append(levels[-1] // 2)
    try:
        with tempfile.TemporaryDirectory(prefix=".sanko-", dir=store.parent) as folder:
            made = Path(folder) / "new.zarr"
            write_levels(sky, array, levels, made)
            _mark(made, levels)
            move_in(made, store, Path(folder) / "old.zarr")
    except OSError as error:
        raise StoreError(f"{store} could not be written ({error}); nothing half-made was left there") from error
    return store


def _mark(store: Path, levels: list[int]) -> None:
    """Write the root last: without it nothing is read."""
    root = {"zarr_format": 3, "node_type": "group", "attributes": {MARK: VERSION, "nsides": levels}}
    (store / "zarr.json").write_text(json.dumps(root, indent=1))


def open_pyramid(path: PathLike) -> xr.DataTree:
    """Return the map at every resolution that a store holds, read only as far as it is used.

    Parameters
    ----------
    path : str or path
        What :func:`write_pyramid` made.

    Returns
    -------
    xarray.DataTree
        A node ``nside_512``, ``nside_256`` … each: ``sky``, dims ``stokes, cells``, of Dask arrays; ``cell_ids``.
        ``sky_view`` takes it. A chunk that was changed on disk raises when it is read.

    Raises
    ------
    MissingFile
        If there is nothing at that path.
    UnknownFormat
        If it is something else.
    CorruptFile
        If a part of it is missing or is not what was written.

    References
    ----------
    Fernique et al. 2015, A&A 578, A114, doi:10.1051/0004-6361/201526075 (skies in HEALPix tiles of every order).

    Examples
    --------
    >>> import tempfile
    >>> from analysis.cmb import degraded, fetch, write_pyramid
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     levels = open_pyramid(write_pyramid(fetch("wmap7_w_iqu"), f"{folder}/w.zarr"))
    ...     bool((levels["nside_16"].sky == degraded(fetch("wmap7_w_iqu"), 16).sky.astype("f4")).all())
    True
    """
    return _opened(path, chunks={})


def stored_pyramid(path: PathLike) -> xr.DataTree:
    """Return what :func:`open_pyramid` does without Dask, which looks for its tasks longer than a chunk is read.

    Examples
    --------
    >>> import tempfile
    >>> from analysis.cmb import fetch, write_pyramid
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     levels = stored_pyramid(write_pyramid(fetch("wmap7_w_iqu"), f"{folder}/w.zarr"))
    ...     levels["nside_16"].sky.chunks is None, float(levels["nside_32"].sky[0, 6367]) > 0.7
    (True, True)
    """
    return _opened(path, chunks=None)


def _opened(path: PathLike, chunks: dict | None) -> xr.DataTree:
    store = as_path(path, EXAMPLE)
    nsides = _root(store)
    return xr.DataTree.from_dict({f"/nside_{nside}": _opened_level(store, nside, chunks) for nside in nsides})


def _root(store: Path) -> list[int]:
    """Return the resolutions that a store says it holds."""
    attrs = root_of(store, MARK, VERSION, "pyramid of a map", "cmb.write_pyramid(sky, path)")
    nsides = attrs.get("nsides")
    if not isinstance(nsides, list) or not nsides or set(nsides) - {1 << k for k in range(14)}:
        raise CorruptFile(f"{store} says nsides={nsides!r}; the store is damaged, write it again")
    return nsides


def _opened_level(store: Path, nside: int, chunks: dict | None) -> xr.Dataset:
    import zarr

    group = f"nside_{nside}"
    try:
        level = xr.open_dataset(store, engine="zarr", group=group, consolidated=False, chunks=chunks, cache=False)
        level = level.assign_coords(stokes=level["stokes"].astype(str))
        cells = nside_of(level["sky"], group) == nside and level.sizes["cells"] == 12 * nside**2
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, WrongData) as error:
        raise CorruptFile(f"{store}/{group} cannot be read ({error}); the store is damaged, write it again") from error
    if not cells or level["sky"].dims != ("stokes", "cells"):
        raise CorruptFile(f"{store}/{group} holds {dict(level.sizes)}, not the {12 * nside**2} cells of its nside")
    for name in ("sky", "cell_ids"):
        announced = zarr.open_array(store / group / name, mode="r").nchunks
        there = sum(len(files) for _, _, files in os.walk(store / group / name / "c"))
        if there != announced:
            raise CorruptFile(f"{store}/{group}/{name} holds {there} of {announced} chunks; write the store again")
    return level


def sky_levels(pyramid: xr.DataTree | PathLike) -> list[xr.DataArray]:
    """Return the map at each resolution of a pyramid, finest first, each with the facts of its Dataset.

    Raises
    ------
    WrongData
        If the tree is no pyramid.
    MissingFile, UnknownFormat, CorruptFile
        As for :func:`open_pyramid`.

    Examples
    --------
    >>> from analysis.cmb import fetch, pyramid
    >>> [nside_of(level) for level in sky_levels(pyramid(fetch("wmap7_w_iqu")))]
    [32, 16, 8]
    """
    from analysis.panels.stored_cells import stamp

    tree = pyramid if isinstance(pyramid, xr.DataTree) else stored_pyramid(pyramid)
    nodes = [node.to_dataset() for node in tree.children.values()]
    if not nodes or not all("sky" in node.data_vars for node in nodes):
        raise WrongData("the tree is no pyramid of a map: cmb.pyramid(sky) or cmb.open_pyramid(path) give one")
    levels = [node["sky"].assign_attrs(node.attrs | node["sky"].attrs) for node in nodes]
    for node, level in zip(nodes, levels, strict=True):
        if source := str(node.encoding.get("source", "")):  # so that another store in its place is noticed
            level.encoding |= {"source": source, "stamp": stamp(source)}
    sizes = [nside_of(level, str(name)) for name, level in zip(tree.children, levels, strict=True)]
    if sorted(set(sizes), reverse=True) != sizes:
        raise WrongData(f"the nodes of the tree have nside {sizes}; those of a pyramid get coarser one by one")
    return levels

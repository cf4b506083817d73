"""A HEALPix map at every coarser resolution, so that a picture looks up as many cells as the screen has pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr

from analysis.errors import CorruptFile, WrongData
from analysis.panels.pointings import Pointing, directions, pixel_size
from analysis.panels.sky import nested_level
from analysis.panels.style import numeric

CELL_SIDE = float(np.sqrt(np.pi / 3))  # of nside 1, in radians


KEPT = 128  # chunks of a level in memory: about 64 MB


@dataclass(frozen=True, eq=False)
class StoredCells:
    """Cells of the whole sky on disk, in chunks of ``size``; ``chunk`` returns one of them."""

    chunk: Callable[[int], np.ndarray]
    size: int


@dataclass(frozen=True)
class Pyramid:
    """Means over cells by level (log2 of nside), finest last; ``ids`` is None for a level that covers the sky."""

    levels: tuple[int, ...]
    values: tuple[np.ndarray | StoredCells, ...]
    ids: tuple[np.ndarray | None, ...]


def sky_pyramid(array: xr.DataArray) -> Pyramid:
    """Return a map and its means over 4, 16, 64 … cells, down to nside 1; NaN counts in no mean.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``cells`` with a coordinate ``cell_ids`` (NESTED), of the whole sky or a part, in any order.

    Raises
    ------
    WrongData
        If dims, ``cell_ids`` or its attrs are missing, or an id is twice there.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(48), dims="cells", attrs={"level": 1, "indexing_scheme": "nested"})
    >>> made = sky_pyramid(xr.DataArray(np.arange(48.0), {"cell_ids": ids}, ["cells"]))
    >>> made.levels, made.values[0][:2].tolist()
    ((0, 1), [1.5, 5.5])
    """
    level = nested_level(numeric(array, dims=1))
    cells, given = array.values, np.asarray(array["cell_ids"].values)
    finest = cells if cells.dtype.kind == "f" else cells.astype(np.float32)
    whole = given.size == 12 * 4**level
    ids: np.ndarray | None = given
    if not (np.diff(given) > 0).all():
        order = np.argsort(given, kind="stable")
        ids, finest = given[order], finest[order]
        if (np.diff(ids) == 0).any():
            raise WrongData(f"cell_ids of {array.name or 'array'} hold a cell twice")
    if whole:
        ids = None
    made: list[tuple[int, np.ndarray, np.ndarray | None]] = [(level, finest, ids)]
    while level > 0:
        level -= 1
        finest, ids = _coarser(finest, ids)
        made.append((level, finest, ids))
    levels, values, kept = zip(*reversed(made), strict=True)
    return Pyramid(levels, values, kept)


def stored_pyramid(levels: Sequence[xr.DataArray]) -> Pyramid:
    """Return a map that is held at several resolutions, finest first, of which chunks are read when they are seen.

    Parameters
    ----------
    levels : sequence of xarray.DataArray
        Each of the whole sky, dim ``cells`` in NESTED order, lazy or not.

    Raises
    ------
    WrongData
        If one is no whole sky in NESTED order.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(48), dims="cells", attrs={"level": 1, "indexing_scheme": "nested"})
    >>> fine = xr.DataArray(np.arange(48.0), {"cell_ids": ids}, ["cells"])
    >>> values_along(stored_pyramid([fine]), np.array([[0.0, 0.0, 1.0]]), 0).tolist()
    [3.0]
    """
    made = []
    for array in reversed(levels):
        attrs = array["cell_ids"].attrs if "cell_ids" in array.coords else {}
        level = int(attrs.get("level", -1))
        nested = attrs.get("indexing_scheme") == "nested" and level >= 0
        if array.dims != ("cells",) or not nested or array.size != 12 * 4**level:
            raise WrongData(f"{array.name or 'a level'} is no whole sky of cells in NESTED order (dims {array.dims})")
        made.append((level, _stored(array), None))
    numbers, values, ids = zip(*made, strict=True)
    return Pyramid(numbers, values, ids)


def _stored(array: xr.DataArray) -> StoredCells:
    size = array.chunks[0][0] if array.chunks else array.size

    @lru_cache(maxsize=KEPT)
    def chunk(number: int) -> np.ndarray:
        try:
            return np.asarray(array[number * size : (number + 1) * size].values)
        except (ValueError, RuntimeError, OSError) as error:
            raise CorruptFile(f"cells {number * size} and on of {array.name} cannot be read: {error}") from error

    return StoredCells(chunk, size)


def _looked_up(stored: StoredCells, cells: np.ndarray) -> np.ndarray:
    """Return the values of cells, chunk by chunk."""
    numbers = cells // stored.size
    order = np.argsort(numbers, kind="stable")
    found = np.empty(cells.shape, dtype=np.float32)
    bounds = np.flatnonzero(np.diff(numbers[order])) + 1
    for part in np.split(order, bounds):
        if part.size:
            number = int(numbers[part[0]])
            found[part] = stored.chunk(number)[cells[part] - number * stored.size]
    return found


def _coarser(values: np.ndarray, ids: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Means over the children of each cell that has a value."""
    if ids is None:
        four = values.reshape(-1, 4)
        with np.errstate(invalid="ignore", over="ignore"):
            mean = (four[:, 0] + four[:, 1] + four[:, 2] + four[:, 3]) * np.float32(0.25)
        broken = np.flatnonzero(~np.isfinite(mean))
        if broken.size:
            part = four[broken]
            held = np.isfinite(part)
            count = held.sum(axis=1)
            total = np.where(held, part, 0).sum(axis=1)
            mean[broken] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return mean.astype(np.float32, copy=False), None
    parents = ids >> 2
    first = np.flatnonzero(np.diff(parents, prepend=-1))
    held = np.isfinite(values)
    count = np.add.reduceat(held, first, dtype=np.int64)
    total = np.add.reduceat(np.where(held, values, 0), first, dtype=float)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.astype(np.float32), parents[first]


def level_for(pyramid: Pyramid, side: float) -> int:
    """Return the place of the coarsest level whose cells are no larger than ``side`` (radians), else the finest.

    Examples
    --------
    >>> empty = Pyramid((0, 1, 2), (np.empty(0),) * 3, (None,) * 3)
    >>> [level_for(empty, side) for side in (2.0, 0.6, 0.01)]
    [0, 1, 2]
    """
    for place, level in enumerate(pyramid.levels):
        if CELL_SIDE / 2**level <= side:
            return place
    return len(pyramid.levels) - 1


def values_along(pyramid: Pyramid, vectors: np.ndarray, place: int) -> np.ndarray:
    """Return the value of the cell that each unit vector lies in, NaN where the map has none.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(12), dims="cells", attrs={"level": 0, "indexing_scheme": "nested"})
    >>> made = sky_pyramid(xr.DataArray(np.arange(12.0), {"cell_ids": ids}, ["cells"]))
    >>> values_along(made, np.array([[1.0, 0.0, 0.0]]), 0).tolist()
    [4.0]
    """
    from ducc0.healpix import Healpix_Base

    cells = Healpix_Base(2 ** pyramid.levels[place], "NEST").vec2pix(np.ascontiguousarray(vectors))
    values, ids = pyramid.values[place], pyramid.ids[place]
    if isinstance(values, StoredCells):
        return _looked_up(values, cells)
    if ids is None:
        return values[cells].astype(np.float32, copy=False)
    if not ids.size:
        return np.full(cells.shape, np.nan, dtype=np.float32)
    found = np.minimum(np.searchsorted(ids, cells), ids.size - 1)
    return np.where(ids[found] == cells, values[found], np.nan).astype(np.float32)


def viewport(
    pyramid: Pyramid,
    pointing: Pointing,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    *,
    width: int,
    height: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return x, y and values (height, width) of a part of the plane, and the nside of the cells shown.

    Only the directions of the visible pixels are looked up, in the coarsest level whose cells are no larger than
    a pixel in the middle of the plane.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(12), dims="cells", attrs={"level": 0, "indexing_scheme": "nested"})
    >>> made = sky_pyramid(xr.DataArray(np.arange(12.0), {"cell_ids": ids}, ["cells"]))
    >>> viewport(made, Pointing("cartesian"), (-1, 1), (-1, 1), width=2, height=1)[2].tolist()
    [[4.0, 4.0]]
    """
    dx, dy = (xlim[1] - xlim[0]) / width, (ylim[1] - ylim[0]) / height
    x = xlim[0] + dx * (np.arange(width) + 0.5)
    y = ylim[0] + dy * (np.arange(height) + 0.5)
    place = level_for(pyramid, pixel_size(pointing, dx, dy))
    inside, vectors = directions(x, y, pointing)
    shown = np.full(inside.shape, np.nan, dtype=np.float32)
    shown[inside] = values_along(pyramid, vectors, place)
    return x, y, shown, 2 ** pyramid.levels[place]

"""A HEALPix map at every coarser resolution, so that a picture looks up as many cells as the screen has pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.panels.pointings import Pointing, directions, pixel_size, rotation
from analysis.panels.sky import nested_level
from analysis.panels.stored_cells import KEPT, StoredCells, in_chunks, looked_up, read_cells, stored_cells
from analysis.panels.style import numeric, values_of

CELL_SIDE = float(np.sqrt(np.pi / 3))  # of nside 1, in radians
BLOCK = 4**10  # cells looked at in one go where a copy of all would be large
FEW = 20_000  # directions looked up by one thread
MOST_THREADS = 4
QUICK = 12 * 256**2  # cells of the level that the colour scale of a map on disk is read from
SAMPLED = 1_000_000  # cells that the colour scale is read from
LEAP = 31  # visible directions of which one is looked at, to find the one that is least foreshortened


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
    if not increasing(given):
        order = np.argsort(given, kind="stable")
        ids, finest = given[order], finest[order]
        if (np.diff(ids) == 0).any():
            raise WrongData(f"cell_ids of {array.name or 'array'} hold a cell twice")
    if whole:
        ids = None
    return Pyramid(*_with_coarser([(level, finest, ids)], level, finest, ids))


def computed_pyramid(level: int, cells: Callable[[slice], np.ndarray]) -> Pyramid:
    """Return the pyramid of a map of the whole sky that is computed where it is looked at, never held as a whole.

    Parameters
    ----------
    level : int
        log2 of nside.
    cells : callable
        Of a slice of NESTED cells; returns their values.

    Examples
    --------
    >>> made = computed_pyramid(1, lambda part: np.arange(48.0)[part] ** 2)
    >>> made.values[0][:2].tolist(), values_along(made, np.array([[0.0, 0.0, 1.0]]), 1).tolist()
    ([3.5, 31.5], [9.0])
    """
    size = min(4**8, 12 * 4**level)

    @lru_cache(maxsize=KEPT)
    def chunk(number: int) -> np.ndarray:
        return np.asarray(cells(slice(number * size, (number + 1) * size)), dtype=np.float32)

    finest: list[tuple[int, np.ndarray | StoredCells, np.ndarray | None]] = [(level, StoredCells(chunk, size), None)]
    if level == 0:
        return Pyramid((0,), (finest[0][1],), (None,))
    parts = [slice(start, start + BLOCK) for start in range(0, 12 * 4**level, BLOCK)]
    coarse = np.concatenate([_coarser(np.asarray(cells(part), dtype=np.float32), None)[0] for part in parts])
    return Pyramid(*_with_coarser([*finest, (level - 1, coarse, None)], level - 1, coarse, None))


def _with_coarser(
    made: list[tuple[int, Any, np.ndarray | None]], level: int, values: np.ndarray, ids: np.ndarray | None
) -> Any:
    """Return levels, values and ids of a pyramid, coarsest first."""
    while level > 0:
        level -= 1
        values, ids = _coarser(values, ids)
        made.append((level, values, ids))
    return zip(*reversed(made), strict=True)


def increasing(ids: np.ndarray) -> bool:
    """Whether each id is larger than the one before, without a copy of all."""
    starts = range(0, max(ids.size - 1, 0), BLOCK)
    return all(bool((np.diff(ids[start : start + BLOCK + 1]) > 0).all()) for start in starts)


def threads(directions: int) -> int:
    """Return how many threads look up so many directions: at most four, fewer if ``SANKO_THREADS`` says so.

    Examples
    --------
    >>> threads(100), 1 <= threads(1_000_000) <= 4
    (1, True)
    """
    if directions < FEW:
        return 1
    given = os.environ.get("SANKO_THREADS", "").strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_THREADS, int(given) if given.isdecimal() and int(given) else cores)


@dataclass(frozen=True, eq=False)
class HeldSky:
    """A map whose pyramid is there: ``like`` has its labels, ``sample`` are values to read a colour scale from."""

    like: xr.DataArray
    pyramid: Pyramid
    sample: np.ndarray


def held_sky(array: xr.DataArray | Sequence[xr.DataArray]) -> HeldSky:
    """Return a map with its pyramid, to be drawn several times; a sequence is of :func:`stored_pyramid`.

    The sample is of the map's own cells, of one that is read from disk of a coarser level.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(48), dims="cells", attrs={"level": 1, "indexing_scheme": "nested"})
    >>> held_sky(xr.DataArray(np.arange(48.0), {"cell_ids": ids}, ["cells"])).pyramid.levels
    (0, 1)
    """
    if isinstance(array, xr.DataArray):
        pyramid = sky_pyramid(array)
        sample = values_of(array[:: max(1, array.size // SAMPLED)])
        if not np.isfinite(sample).any() and array.size > SAMPLED:  # a small field between cells that are not there
            values = array.values
            sample = values[np.isfinite(values)][:SAMPLED].astype(float)
        return HeldSky(array, pyramid, sample)
    pyramid = stored_pyramid(array)
    small = [level for level in array if level.size <= QUICK]
    seen = small[0] if small else array[-1]
    return HeldSky(array[0], pyramid, values_of(seen.copy(data=read_cells(seen.variable))))


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
        made.append((level, stored_cells(array), None))
    numbers, values, ids = zip(*made, strict=True)
    return Pyramid(numbers, values, ids)


def derived_sky(like: xr.DataArray, parts: Sequence[HeldSky], value: Callable[..., np.ndarray]) -> HeldSky:
    """Return a map that is computed of the cells of others, of the same levels, where it is looked at.

    Parameters
    ----------
    like : xarray.DataArray
        Has the labels of the result.
    parts : sequence of HeldSky
        Of the same cells.
    value : callable
        Of a chunk of each.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(48), dims="cells", attrs={"level": 1, "indexing_scheme": "nested"})
    >>> fine = xr.DataArray(np.full(48, 3.0), {"cell_ids": ids}, ["cells"])
    >>> made = derived_sky(fine, [held_sky([fine]), held_sky([fine + 1])], np.hypot)
    >>> values_along(made.pyramid, np.array([[0.0, 0.0, 1.0]]), 0).tolist()
    [5.0]
    """
    first = parts[0].pyramid
    values = tuple(
        _computed([part.pyramid.values[place] for part in parts], value, first.ids[place] is None)
        for place in range(len(first.levels))
    )
    return HeldSky(like, Pyramid(first.levels, values, first.ids), value(*(part.sample for part in parts)))


def _computed(
    held: Sequence[np.ndarray | StoredCells], value: Callable[..., np.ndarray], whole: bool
) -> np.ndarray | StoredCells:
    """A level that is computed chunk by chunk; one of a part of the sky, which is small, at once."""
    arrays = [one for one in held if isinstance(one, np.ndarray)]
    if not whole and len(arrays) == len(held):
        return np.asarray(value(*arrays), dtype=np.float32)
    chunked = [one if isinstance(one, StoredCells) else in_chunks(one) for one in held]

    @lru_cache(maxsize=KEPT)
    def chunk(number: int) -> np.ndarray:
        return np.asarray(value(*(one.chunk(number) for one in chunked)), dtype=np.float32)

    return StoredCells(chunk, chunked[0].size)


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

    cells = Healpix_Base(2 ** pyramid.levels[place], "NEST").vec2pix(vectors, nthreads=threads(len(vectors)))
    values, ids = pyramid.values[place], pyramid.ids[place]
    if isinstance(values, StoredCells):
        return looked_up(values, cells)
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
    a pixel: one in the middle of the plane, of half spheres the visible one that is least foreshortened.

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
    inside, vectors = directions(x, y, pointing)
    side = pixel_size(pointing, dx, dy)
    if pointing.projection == "orthographic" and len(vectors):  # at the rim a pixel holds far more of the sky
        side /= float(np.sqrt(np.abs(vectors[::LEAP] @ rotation(pointing)[:, 0]).max()))
    place = level_for(pyramid, side)
    shown = np.full(inside.shape, np.nan, dtype=np.float32)
    shown[inside] = values_along(pyramid, vectors, place)
    return x, y, shown, 2 ** pyramid.levels[place]

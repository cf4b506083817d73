"""Cells of a mesh joined to what a screen can show: exact means over the visible range, of bins however uneven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from analysis.errors import CorruptFile
from analysis.panels.levels import Allocate, Levels, joined, levels_of, read

NEAR = 32  # cells across for each column up to which a frame reads the array itself
PIECE = 1_000_000  # edges that are looked at once
Edges = Callable[[int, int], tuple[np.ndarray, np.ndarray]]  # of the cells up, from one place across to another


@dataclass(frozen=True)
class Mesh:
    """An array of dims (across, up) with the edges of its cells; those up may change along the first dim.

    ``rows`` are the edges of fixed rows, onto which cells whose edges change are brought before they are joined.
    """

    array: xr.DataArray
    left: np.ndarray
    right: np.ndarray
    reach: np.ndarray  # the furthest right edge so far
    up: Edges
    ends: tuple[float, float]  # lowest and highest edge up
    rows: np.ndarray | None
    logx: bool
    logy: bool
    levels: Levels


@dataclass(frozen=True)
class Cells:
    """What a frame shows: edges, means, highest values, and how many cells of the array each of these is of."""

    left: np.ndarray
    right: np.ndarray
    bottom: np.ndarray
    top: np.ndarray
    values: np.ndarray
    peaks: np.ndarray
    counts: np.ndarray
    across: float  # cells of the array in a column, on average
    up: float  # and in a row
    resampled: bool  # whether edges that change were brought to fixed rows


def mesh(
    array: xr.DataArray,
    left: np.ndarray,
    right: np.ndarray,
    up: tuple[np.ndarray, np.ndarray] | Edges,
    *,
    logx: bool = False,
    logy: bool = False,
    levels: Levels | None = None,
    allocate: Allocate | None = None,
) -> Mesh:
    """Return a mesh and its coarser levels, for which the array is read once, part by part.

    Parameters
    ----------
    array : xarray.DataArray
        Dims (across, up), in memory or not.
    left, right : numpy.ndarray
        Edges across, rising; nanoseconds where they are times.
    up : pair of numpy.ndarray, or callable
        Lower and upper edges up, 1-D; where they change a function that gives those of a part, 2-D.
    logx, logy : bool, optional
        Whether the screen is logarithmic.
    levels : Levels, optional
        Those of this mesh, made before: the array is not read.
    allocate : callable, optional
        Where new levels are put, as for :func:`levels_of`.

    Examples
    --------
    >>> array, edges = xr.DataArray(np.ones((40, 1)), dims=["x", "y"]), np.arange(41.0)
    >>> made = mesh(array, edges[:-1], edges[1:], (np.zeros(1), np.ones(1)))
    >>> made.levels.each[0].counts.ravel()
    array([16., 16.,  8.], dtype=float32)
    """
    reach = np.maximum.accumulate(right) if (right[1:] < right[:-1]).any() else right
    if callable(up):
        ends = _lowest_and_highest(array.shape, up)
        rows = _fixed_rows(*ends, array.shape[1], logy)
        edges: Edges = up
    else:
        bottom, top = (np.asarray(edge, dtype=float) for edge in up)
        ends, rows = (float(np.nanmin(bottom)), float(np.nanmax(top))), None
        edges = lambda first, last: (bottom, top)  # noqa: E731
    none = Levels((), np.nan, np.empty(0))
    bare = Mesh(array, left, right, reach, edges, ends, rows, logx, logy, levels or none)
    if levels is not None:
        return bare
    gaps = 1 + np.flatnonzero(left[1:] - right[:-1] > 0.05 * (right - left)[:-1])
    wide = array.shape[1] if rows is None else rows.size - 1
    made = levels_of(array, gaps, lambda part, first: on_rows(bare, part, first), wide, allocate=allocate)
    return replace(bare, levels=made)


def visible(
    made: Mesh, x: tuple[float, float], y: tuple[float, float] | None = None, *, columns: int, rows: int
) -> Cells:
    """Return the cells between two places across (and up), joined to at most so many columns and rows.

    A cell that is joined is the mean of all cells of the array between its edges, NaN left out and zeros counted.
    Where they are few enough the cells are the array's own.

    Examples
    --------
    >>> array = xr.DataArray(np.arange(40.0)[:, None], dims=["x", "y"])
    >>> made = mesh(array, np.arange(40.0), np.arange(1.0, 41), (np.zeros(1), np.ones(1)))
    >>> shown = visible(made, (0, 40), columns=4, rows=1)
    >>> shown.left, shown.values.ravel()
    (array([ 0., 10., 20., 30.]), array([ 4.5, 14.5, 24.5, 34.5]))
    """
    first = int(np.searchsorted(made.reach, x[0], side="right"))
    last = int(np.searchsorted(made.left, x[1], side="left"))
    if last <= first:
        return nothing()
    own = last - first <= columns and (made.rows is None or made.array.shape[1] <= rows)
    if own:
        bounds = np.arange(first, last + 1)
        values = read(made.array, first, last)
        known = np.isfinite(values)
        sums, counts = np.where(known, values, 0.0), known.astype(np.float32)
        peaks = np.where(known, values, -np.inf)
        bottom, top = made.up(first, last)
    else:
        starts, sums, counts, peaks, stop = _units(made, first, last, columns)
        places = _scaled(np.maximum(made.left[starts], x[0]), made.logx)
        low, high = _scaled(np.array([max(x[0], made.left[first]), x[1]], dtype=made.left.dtype), made.logx)
        column = np.clip(((places - low) * (columns / (high - low))).astype(np.int64), 0, columns - 1)
        heads = np.flatnonzero(np.r_[True, np.diff(column) > 0])
        sums, counts = joined(sums, counts, heads)
        peaks = np.maximum.reduceat(peaks, heads, axis=0)
        bounds = np.r_[starts[heads], stop]
        bottom, top = made.up(0, 1) if made.rows is None else (made.rows[:-1], made.rows[1:])
    across, up = (bounds[-1] - bounds[0]) / (bounds.size - 1), 1.0
    if bottom.ndim == 1 and bottom.size > rows:
        kept, heads = _row_heads(bottom, top, y, rows, made.logy)
        sums, counts = (np.ascontiguousarray(table[:, kept].T) for table in (sums, counts))
        sums, counts = (table.T for table in joined(sums, counts, heads))
        peaks = np.maximum.reduceat(peaks[:, kept], heads, axis=1)
        up = kept.size / heads.size
        bottom, top = np.minimum.reduceat(bottom[kept], heads), np.maximum.reduceat(top[kept], heads)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(counts > 0, sums / counts, np.nan)
    edges = made.left[bounds[:-1]], made.right[bounds[1:] - 1]
    peaks = np.where(counts > 0, peaks, np.nan)
    return Cells(*edges, bottom, top, values, peaks, counts, across, up, made.rows is not None and not own)


def nothing() -> Cells:
    """Return a view without cells.

    Examples
    --------
    >>> nothing().values.size
    0
    """
    none, table = np.empty(0), np.empty((0, 0))
    return Cells(none, none, none, none, table, table, table, 1.0, 1.0, False)


def on_rows(made: Mesh, part: xr.DataArray, first: int) -> np.ndarray:
    """Return a part of the array that begins at a cell across; where edges up change, the value of the cell in the
    middle of each fixed row.
    """
    values = read(part, 0, part.shape[0])
    if made.rows is None:
        return values
    low, high = made.up(first, first + part.shape[0])
    weights = np.random.default_rng(0).random((2, low.shape[1]))  # a number for each table: most come many times
    keys = np.nan_to_num(low) @ weights[0] + np.nan_to_num(high) @ weights[1]
    _, tables, table = np.unique(keys, return_index=True, return_inverse=True)
    which = _cells_on_rows(low[tables], high[tables], made.rows, made.logy)
    padded = np.concatenate([values, np.full((values.shape[0], 1), np.nan)], axis=1)
    places = which[table]
    places += (np.arange(values.shape[0]) * padded.shape[1])[:, None]
    return padded.ravel().take(places)


def _cells_on_rows(low: np.ndarray, high: np.ndarray, rows: np.ndarray, log: bool) -> np.ndarray:
    """Return which cell of each table of edges the middle of each row lies in; one past the last where none does."""
    order = np.argsort(low, axis=1)  # NaN come last
    low, high = (np.take_along_axis(table, order, axis=1) for table in (low, high))
    scaled = _scaled(rows, log)
    step, count, samples = scaled[1] - scaled[0], rows.size - 1, low.shape[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        begins, ends = (np.ceil((_scaled(edge, log) - scaled[0]) / step - 0.5) for edge in (low, high))
    known = np.isfinite(begins) & np.isfinite(ends)
    begins, ends = (np.where(known, np.clip(edge, 0, count), count).astype(np.int64) for edge in (begins, ends))
    # the number of cells that begin up to a row's middle says which cell is there
    flat = np.arange(samples)[:, None] * (count + 1) + begins
    began = np.bincount(flat.ravel(), minlength=samples * (count + 1)).reshape(samples, count + 1)[:, :-1]
    place = began.cumsum(axis=1) - 1
    cell = np.maximum(place, 0)
    inside = (place >= 0) & (np.arange(count) < np.take_along_axis(ends, cell, axis=1))
    return np.where(inside, np.take_along_axis(order, cell, axis=1), low.shape[1])


def _units(
    made: Mesh, first: int, last: int, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Return what columns are put together of, cells or blocks: first cells, sums, counts, peaks, where they end."""
    if last - first <= NEAR * columns / (1 if made.rows is None else 4):
        values = on_rows(made, made.array.isel({made.array.dims[0]: slice(first, last)}), first)
        known = np.isfinite(values)
        if known.all():
            return np.arange(first, last), values, np.broadcast_to(np.float32(1), values.shape), values, last
        sums, peaks = np.where(known, values, 0.0), np.where(known, values, -np.inf)
        return np.arange(first, last), sums, known.astype(np.float32), peaks, last
    for level in reversed(made.levels.each):
        begin = int(np.searchsorted(level.firsts, first, side="right")) - 1
        end = int(np.searchsorted(level.firsts, last, side="left"))
        if end - begin >= 2 * columns or level is made.levels.each[0]:
            break
    stop = int(level.firsts[end]) if end < level.firsts.size else made.array.shape[0]
    try:
        sums, counts, peaks = (table[begin:end] for table in (level.sums, level.counts, level.peaks))
    except (ValueError, RuntimeError) as error:  # of a checksum
        raise CorruptFile(f"the stored levels cannot be read ({error}); write them again") from error
    return level.firsts[begin:end], sums, counts, peaks, stop


def _row_heads(
    bottom: np.ndarray, top: np.ndarray, y: tuple[float, float] | None, rows: int, log: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return which cells up are visible, lowest first, and with which of them each row of the screen begins."""
    low, high = float(np.nanmin(bottom)), float(np.nanmax(top))
    if y is not None and max(y[0], low) < min(y[1], high):
        low, high = max(y[0], low), min(y[1], high)
    kept = np.flatnonzero((top > low) & (bottom < high))
    middle = (_scaled(np.maximum(bottom[kept], low), log) + _scaled(np.minimum(top[kept], high), log)) / 2
    kept, middle = kept[np.argsort(middle)], np.sort(middle)
    begin, end = _scaled(np.array([low, high]), log)
    row = np.clip(((middle - begin) * (rows / (end - begin))).astype(np.int64), 0, rows - 1)
    return kept, np.flatnonzero(np.r_[True, np.diff(row) > 0])


def _lowest_and_highest(shape: tuple[int, ...], up: Edges) -> tuple[float, float]:
    """Return the lowest and the highest edge of all tables of edges, NaN left out."""
    low, high, each = np.inf, -np.inf, max(1, PIECE // shape[1])
    for begin in range(0, shape[0], each):
        bottom, top = up(begin, min(begin + each, shape[0]))
        low = min(low, float(np.fmin.reduce(bottom, axis=None, initial=np.inf)))
        high = max(high, float(np.fmax.reduce(top, axis=None, initial=-np.inf)))
    return low, high


def _fixed_rows(low: float, high: float, wide: int, log: bool) -> np.ndarray:
    """Return edges of even rows from the lowest edge to the highest, about two to each cell."""
    number = max(2 * wide, 32) + 1
    return np.geomspace(low, high, number) if log else np.linspace(low, high, number)


def _scaled(values: np.ndarray, log: bool) -> np.ndarray:
    return np.log(values) if log else np.asarray(values, dtype=float)

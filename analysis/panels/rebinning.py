"""Cells of a mesh joined to what a screen can show: exact means over the visible range, of bins however uneven."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

BLOCK = 16  # cells across that one of the next coarser level joins
NEAR = 32  # cells across for each column up to which a frame reads the array itself
CHUNK = 500_000  # values that are worked on at once: they stay in the processor's cache
FEW = 8_000  # blocks that need no coarser level


@dataclass(frozen=True)
class Level:
    """Sums and counts of neighbouring cells: blocks that begin at ``firsts`` and never reach over a gap."""

    firsts: np.ndarray
    sums: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Mesh:
    """An array of dims (across, up) with the edges of its cells; those up may change along the first dim.

    ``rows`` are the edges of fixed rows, onto which cells whose edges change are brought before they are joined.
    """

    array: xr.DataArray
    left: np.ndarray
    right: np.ndarray
    bottom: np.ndarray
    top: np.ndarray
    logx: bool
    logy: bool
    rows: np.ndarray | None
    levels: tuple[Level, ...]
    lowest: float
    reach: np.ndarray  # the furthest right edge so far


@dataclass(frozen=True)
class Cells:
    """What a frame shows: edges, means, and how many cells of the array each mean is of."""

    left: np.ndarray
    right: np.ndarray
    bottom: np.ndarray
    top: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    across: float  # cells of the array in a column, on average
    up: float  # and in a row
    resampled: bool  # whether edges that change were brought to fixed rows


def mesh(
    array: xr.DataArray,
    left: np.ndarray,
    right: np.ndarray,
    bottom: np.ndarray,
    top: np.ndarray,
    *,
    logx: bool = False,
    logy: bool = False,
) -> Mesh:
    """Return a mesh and its coarser levels, for which the array is read once, part by part.

    Parameters
    ----------
    array : xarray.DataArray
        Dims (across, up), in memory or not.
    left, right : numpy.ndarray
        Edges across, rising; nanoseconds where they are times.
    bottom, top : numpy.ndarray
        Edges up: 1-D, or 2-D as the array where they change.
    logx, logy : bool, optional
        Whether the screen is logarithmic.

    Examples
    --------
    >>> array, edges = xr.DataArray(np.ones((40, 1)), dims=["x", "y"]), np.arange(41.0)
    >>> made = mesh(array, edges[:-1], edges[1:], np.zeros(1), np.ones(1))
    >>> made.levels[0].counts.ravel()
    array([16., 16.,  8.], dtype=float32)
    """
    rows = _fixed_rows(bottom, top, logy) if np.ndim(bottom) == 2 else None
    bare = Mesh(array, left, right, bottom, top, logx, logy, rows, (), np.nan, np.maximum.accumulate(right))
    count, wide = array.shape[0], array.shape[1] if rows is None else rows.size - 1
    gaps = 1 + np.flatnonzero(left[1:] - right[:-1] > 0.05 * (right - left)[:-1])
    firsts = np.union1d(np.arange(0, count, BLOCK), gaps)
    sums, counts = np.empty((firsts.size, wide)), np.empty((firsts.size, wide), np.float32)
    lowest = np.inf
    each = max(1, CHUNK // BLOCK // max(wide, array.shape[1]))
    for begin in range(0, firsts.size, each):
        part = firsts[begin : begin + each]
        stop = int(firsts[begin + each]) if begin + each < firsts.size else count
        found = on_rows(bare, int(part[0]), stop)
        made = slice(begin, begin + part.size)
        sums[made], counts[made] = joined(found, None, part - part[0])
        lowest = min(lowest, float(np.fmin.reduce(found, axis=None, initial=np.inf)))
    levels = [Level(firsts, sums, counts)]
    while levels[-1].firsts.size > FEW:
        fine = levels[-1]
        heads = np.union1d(np.arange(0, fine.firsts.size, BLOCK), np.flatnonzero(np.isin(fine.firsts, gaps)))
        if heads.size > fine.firsts.size / 2:
            break
        levels.append(Level(fine.firsts[heads], *joined(fine.sums, fine.counts, heads)))
    return Mesh(array, left, right, bottom, top, logx, logy, rows, tuple(levels), lowest, bare.reach)


def visible(
    made: Mesh, x: tuple[float, float], y: tuple[float, float] | None = None, *, columns: int, rows: int
) -> Cells:
    """Return the cells between two places across (and up), joined to at most so many columns and rows.

    A cell that is joined is the mean of all cells of the array between its edges, NaN left out and zeros counted.
    Where they are few enough the cells are the array's own.

    Examples
    --------
    >>> array = xr.DataArray(np.arange(40.0)[:, None], dims=["x", "y"])
    >>> made = mesh(array, np.arange(40.0), np.arange(1.0, 41), np.zeros(1), np.ones(1))
    >>> shown = visible(made, (0, 40), columns=4, rows=1)
    >>> shown.left, shown.values.ravel()
    (array([ 0., 10., 20., 30.]), array([ 4.5, 14.5, 24.5, 34.5]))
    """
    first = int(np.searchsorted(made.reach, x[0], side="right"))
    last = int(np.searchsorted(made.left, x[1], side="left"))
    if last <= first:
        none = np.empty(0)
        return Cells(none, none, none, none, np.empty((0, 0)), np.empty((0, 0)), 1.0, 1.0, False)
    own = last - first <= columns
    if own and (made.rows is None or made.array.shape[1] <= rows):
        bounds = np.arange(first, last + 1)
        values = read(made.array, first, last)
        known = np.isfinite(values)
        sums, counts = np.where(known, values, 0.0), known.astype(np.float32)
        bottom, top = (_read_edges(edge, first, last) for edge in (made.bottom, made.top))
    else:
        starts, sums, counts, stop = _units(made, first, last, columns)
        places = _scaled(np.maximum(made.left[starts], x[0]), made.logx)
        low, high = _scaled(np.array([max(x[0], made.left[first]), x[1]], dtype=made.left.dtype), made.logx)
        column = np.clip(((places - low) * (columns / (high - low))).astype(np.int64), 0, columns - 1)
        heads = np.flatnonzero(np.r_[True, np.diff(column) > 0])
        sums, counts = joined(sums, counts, heads)
        bounds = np.r_[starts[heads], stop]
        bottom, top = _rows_of(made)
    across, up = (bounds[-1] - bounds[0]) / (bounds.size - 1), 1.0
    if bottom.ndim == 1 and bottom.size > rows:
        kept, heads = _row_heads(bottom, top, y, rows, made.logy)
        sums, counts = (np.ascontiguousarray(table[:, kept].T) for table in (sums, counts))
        sums, counts = (table.T for table in joined(sums, counts, heads))
        up = kept.size / heads.size
        bottom, top = np.minimum.reduceat(bottom[kept], heads), np.maximum.reduceat(top[kept], heads)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(counts > 0, sums / counts, np.nan)
    edges = made.left[bounds[:-1]], made.right[bounds[1:] - 1]
    return Cells(*edges, bottom, top, values, counts, across, up, made.rows is not None and not own)


def read(array: xr.DataArray, first: int, last: int) -> np.ndarray:
    """Return a part along the first dim as 64-bit floats, infinities as NaN; only this part is read.

    Examples
    --------
    >>> read(xr.DataArray([[1], [2], [3]]), 1, 2)
    array([[2.]])
    """
    values = np.asarray(array.isel({array.dims[0]: slice(first, last)}).values, dtype=float)
    if not np.isfinite(values.sum()):
        values = np.where(np.isfinite(values), values, np.nan)
    return values


def joined(sums: np.ndarray, counts: np.ndarray | None, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sums and counts over groups of rows of a table; without counts, each value that is no NaN counts once.

    Examples
    --------
    >>> joined(np.array([[1.0], [np.nan], [3.0]]), None, np.array([0, 1]))
    (array([[1.],
           [3.]]), array([[1.],
           [1.]], dtype=float32))
    """
    from scipy.sparse import csr_array

    count = sums.shape[0]  # a sparse matrix of ones adds rows of a table many times faster than ufunc.reduceat does
    groups = (np.ones(count), np.arange(count), np.r_[heads, count])
    adding = csr_array(groups, shape=(heads.size, count))
    if counts is None:
        known = np.isfinite(sums)
        if known.all():
            sizes = np.diff(groups[2]).astype(np.float32)
            return adding @ sums, np.broadcast_to(sizes[:, None], (heads.size, sums.shape[1]))
        sums, counts = np.where(known, sums, 0.0), known.astype(np.float32)
    return adding @ sums, (adding @ counts).astype(np.float32)


def on_rows(made: Mesh, first: int, last: int) -> np.ndarray:
    """Return a part of the array; where its edges change, the value of the cell in the middle of each fixed row."""
    values = read(made.array, first, last)
    if made.rows is None:
        return values
    low, high = (_read_edges(edge, first, last) for edge in (made.bottom, made.top))
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


def _units(made: Mesh, first: int, last: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return what columns are put together of: first cells, sums and counts of cells or blocks, and where they end."""
    if last - first <= NEAR * columns / (1 if made.rows is None else 4):
        values = on_rows(made, first, last)
        known = np.isfinite(values)
        if known.all():
            return np.arange(first, last), values, np.broadcast_to(np.float32(1), values.shape), last
        return np.arange(first, last), np.where(known, values, 0.0), known.astype(np.float32), last
    for level in reversed(made.levels):
        begin = int(np.searchsorted(level.firsts, first, side="right")) - 1
        end = int(np.searchsorted(level.firsts, last, side="left"))
        if end - begin >= 2 * columns or level is made.levels[0]:
            break
    stop = int(level.firsts[end]) if end < level.firsts.size else made.array.shape[0]
    return level.firsts[begin:end], level.sums[begin:end], level.counts[begin:end], stop


def _rows_of(made: Mesh) -> tuple[np.ndarray, np.ndarray]:
    if made.rows is not None:
        return made.rows[:-1], made.rows[1:]
    return np.asarray(made.bottom, dtype=float), np.asarray(made.top, dtype=float)


def _row_heads(
    bottom: np.ndarray, top: np.ndarray, y: tuple[float, float] | None, rows: int, log: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return which cells up are visible, lowest first, and with which of them each row of the screen begins."""
    low, high = y if y is not None else (np.nanmin(bottom), np.nanmax(top))
    kept = np.flatnonzero((top > low) & (bottom < high))
    if kept.size == 0:
        kept = np.flatnonzero(np.isfinite(bottom))
    middle = (_scaled(np.maximum(bottom[kept], low), log) + _scaled(np.minimum(top[kept], high), log)) / 2
    kept, middle = kept[np.argsort(middle)], np.sort(middle)
    begin, end = _scaled(np.array([low, high]), log)
    row = np.clip(((middle - begin) * (rows / (end - begin))).astype(np.int64), 0, rows - 1)
    return kept, np.flatnonzero(np.r_[True, np.diff(row) > 0])


def _fixed_rows(bottom: np.ndarray, top: np.ndarray, log: bool) -> np.ndarray:
    """Return edges of even rows from the lowest edge to the highest, about two to each cell."""
    low, high = float(np.nanmin(bottom)), float(np.nanmax(top))
    number = int(np.clip(2 * bottom.shape[1], 32, 128)) + 1
    return np.geomspace(low, high, number) if log else np.linspace(low, high, number)


def _read_edges(edge: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return edges up: all of those that stay, or the part along the first dim of those that change."""
    return np.asarray(edge if edge.ndim == 1 else edge[first:last], dtype=float)


def _scaled(values: np.ndarray, log: bool) -> np.ndarray:
    return np.log(values) if log else np.asarray(values, dtype=float)

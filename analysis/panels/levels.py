"""Sums, counts and highest values of neighbouring cells: the coarser levels of a large mesh, made part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import xarray as xr

BLOCK = 16  # cells across that one of the first level joins
NEXT = 4  # and one of each further level
CHUNK = 500_000  # values that are worked on at once: they stay in the processor's cache
SLAB = 8_000_000  # values that are read at once where the array is stored in chunks
FEW = 8_000  # blocks that need no coarser level
SAMPLE = 50_000  # values that the limits of colours are found from


@dataclass(frozen=True)
class Level:
    """Blocks of cells that begin at ``firsts`` and never reach over a gap; the tables may be on disk."""

    firsts: np.ndarray
    sums: Any
    counts: Any
    peaks: Any  # the highest value; -inf where there is none


@dataclass(frozen=True)
class Levels:
    """The levels of a mesh, finest first, the lowest of all its values, and some of them."""

    each: tuple[Level, ...]
    lowest: float
    sample: np.ndarray


Allocate = Callable[[int, int, int, np.dtype], Level]  # rank, blocks, rows, dtype of the peaks: a level to be filled
Rows = Callable[[xr.DataArray, int], np.ndarray]  # a part of the array and where it begins: its values on fixed rows


def levels_of(
    array: xr.DataArray, gaps: np.ndarray, rows: Rows, wide: int, *, allocate: Allocate | None = None
) -> Levels:
    """Return the levels of an array of dims (across, up), which is read once, part by part.

    Parameters
    ----------
    array : xarray.DataArray
        In memory or not.
    gaps : numpy.ndarray
        Cells across before which there is a gap.
    rows : callable
        Gives the values of a part on the rows of the levels, as 64-bit floats, NaN where there is none.
    wide : int
        Rows.
    allocate : callable, optional
        Gives each empty level to be filled; by default they are made in memory.

    Examples
    --------
    >>> array = xr.DataArray(np.arange(40.0)[:, None], dims=["x", "y"])
    >>> made = levels_of(array, np.array([4]), lambda part, first: part.values, 1).each[0]
    >>> made.firsts, made.sums.ravel(), made.peaks.ravel()
    (array([ 0,  4, 16, 32]), array([  6., 114., 376., 284.]), array([ 3., 15., 31., 39.]))
    """
    count = array.shape[0]
    firsts = np.union1d(np.arange(0, count, BLOCK), gaps)
    make = allocate or _in_memory
    exact = array.dtype == np.float32 or (array.dtype.kind in "iub" and array.dtype.itemsize <= 2)
    level = make(0, firsts.size, wide, np.dtype(np.float32 if exact else float))
    level = Level(firsts, level.sums, level.counts, level.peaks)
    stride = max(1, array.size // SAMPLE)
    while gcd(stride, wide) > 1:
        stride += 1
    lowest, sample = np.inf, []
    for begin, end, found in _parts(array, firsts, rows, wide):
        heads = firsts[begin:end] - firsts[begin]
        known = np.isfinite(found)
        whole = bool(known.all())
        level.sums[begin:end], level.counts[begin:end] = joined(found, None, heads)
        highest = found if whole else np.where(known, found, -np.inf)
        level.peaks[begin:end] = np.maximum.reduceat(highest, heads, axis=0)
        lowest = min(lowest, float(np.fmin.reduce(found, axis=None, initial=np.inf)))
        some = found.ravel()[-int(firsts[begin]) * wide % stride :: stride]
        sample.append(some[np.isfinite(some)])
    each = [level]
    while each[-1].firsts.size > FEW and (heads := _next_heads(each[-1].firsts, gaps)).size <= each[-1].firsts.size / 2:
        each.append(_coarser(each[-1], heads, len(each), make))
    return Levels(tuple(each), lowest, np.concatenate(sample))


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


def read(array: xr.DataArray, first: int, last: int) -> np.ndarray:
    """Return a part along the first dim as 64-bit floats, infinities as NaN; only this part is read.

    Examples
    --------
    >>> read(xr.DataArray([[1], [2], [3]]), 1, 2)
    array([[2.]])
    """
    values = np.asarray(array.isel({array.dims[0]: slice(first, last)}).values, dtype=float)
    with np.errstate(invalid="ignore", over="ignore"):  # of infinities of both signs
        finite = np.isfinite(values.sum())
    return values if finite else np.where(np.isfinite(values), values, np.nan)


def stored_step(array: xr.DataArray) -> int:
    """Return how many cells across are stored together; one where that is not so.

    Examples
    --------
    >>> stored_step(xr.DataArray(np.ones((6, 2)), dims=["x", "y"]).chunk(x=3))
    3
    """
    dim = array.dims[0]
    if array.chunks is not None:
        return max(array.chunksizes[dim])
    return int((array.encoding.get("preferred_chunks") or {}).get(dim, 1))


def _parts(array: xr.DataArray, firsts: np.ndarray, rows: Rows, wide: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield values of stretches of blocks, and which blocks these are; what is stored together is read together."""
    count, widest = array.shape[0], max(wide, array.shape[1])
    each, step = max(1, CHUNK // BLOCK // widest), stored_step(array)
    slab = max(step, SLAB // widest // step * step)
    ends = np.searchsorted(firsts, np.r_[np.arange(slab, count, slab), count])
    begin = 0
    for end in map(int, np.unique(ends)):
        if end <= begin:
            continue
        low, high = int(firsts[begin]), int(firsts[end]) if end < firsts.size else count
        part = array.isel({array.dims[0]: slice(low, high)})
        part = part.compute() if step > 1 else part  # else each piece is read by itself
        for first in range(begin, end, each):
            last = min(first + each, end)
            stop = int(firsts[last]) if last < firsts.size else count
            piece = slice(int(firsts[first]) - low, stop - low)
            yield first, last, rows(part.isel({array.dims[0]: piece}), int(firsts[first]))
        begin = end


def _in_memory(rank: int, size: int, wide: int, peak: np.dtype) -> Level:
    none = np.empty(0, dtype=np.int64)
    return Level(none, np.empty((size, wide)), np.empty((size, wide), np.float32), np.empty((size, wide), peak))


def _next_heads(firsts: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    return np.union1d(np.arange(0, firsts.size, NEXT), np.flatnonzero(np.isin(firsts, gaps)))


def _coarser(fine: Level, heads: np.ndarray, rank: int, make: Allocate) -> Level:
    """Return the next level, of which each block joins those of a finer one from one head to the next."""
    made = make(rank, heads.size, fine.sums.shape[1], fine.peaks.dtype)
    each = max(1, CHUNK // NEXT // fine.sums.shape[1])
    for begin in range(0, heads.size, each):
        end = min(begin + each, heads.size)
        part = slice(int(heads[begin]), int(heads[end]) if end < heads.size else fine.firsts.size)
        inside = heads[begin:end] - part.start
        made.sums[begin:end], made.counts[begin:end] = joined(fine.sums[part], fine.counts[part], inside)
        made.peaks[begin:end] = np.maximum.reduceat(fine.peaks[part], inside, axis=0)
    return Level(fine.firsts[heads], made.sums, made.counts, made.peaks)

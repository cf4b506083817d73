"""Smallest and largest samples of blocks of a series, level over level, so that any stretch of it is found at once.

A block holds 256 samples (64 of very many lines); two blocks make one of the next level, and so on. Of each are kept
the smallest and the largest finite value, where they are, and the longest time without a finite value. What a screen
shows is put together from a few blocks for each of its pixels, however long the series is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

Reader = Callable[[int, int], np.ndarray]
BLOCK, SMALL_BLOCK = 256, 64
MANY = 16  # lines; of more the blocks are smaller, so that fewer samples are read for a frame
SLAB = 2**20  # values read at a time while the levels are made
PIECES, PIECE = 64, 1_000  # where the usual step is taken from


@dataclass(frozen=True)
class Nodes:
    """Extremes of blocks: values and where they are (−1: no finite value), and the longest gap and where it ends."""

    low: np.ndarray
    low_at: np.ndarray
    high: np.ndarray
    high_at: np.ndarray
    gap: np.ndarray
    gap_at: np.ndarray


@dataclass(frozen=True)
class Extremes:
    """The levels of one line, single blocks first; ``left_out`` counts values a logarithmic axis cannot hold."""

    block: int
    levels: tuple[Nodes, ...]
    left_out: int = 0


def reader(array: xr.DataArray, *, positive: bool = False) -> Reader:
    """Return a function that reads samples ``start`` to ``stop`` as floats (time, line), nothing else being loaded.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``time`` and at most one other; in memory, a memory map, a lazily opened file or a Dask array.
    positive : bool, optional
        Whether values that are not positive count as missing, like infinities.

    Examples
    --------
    >>> reader(xr.DataArray([1.0, -np.inf, 3.0], dims="time"))(1, 3).tolist()
    [[nan], [3.0]]
    """
    other = [dim for dim in array.dims if dim != "time"]
    variable = array.variable.transpose("time", *other)

    def read(start: int, stop: int) -> np.ndarray:
        part = np.array(variable[start:stop].values, dtype=float, order="F").reshape(stop - start, -1)
        unfit = ~np.isfinite(part)
        if unfit.any():
            part[unfit] = np.nan
        return _positive(part)[0] if positive else part

    return read


def _positive(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values with NaN for what a logarithmic axis cannot hold, and how many these are by line."""
    unfit = part <= 0
    return (np.where(unfit, np.nan, part) if unfit.any() else part), unfit.sum(axis=0)


def usual_step(times: np.ndarray) -> int:
    """Return the median step between samples that differ in time, in the unit of the times (of a long series: of
    64 stretches of it); 0 if there is none.

    Examples
    --------
    >>> usual_step(np.array([0, 0, 5, 5, 10, 900], "datetime64[s]"))
    5
    """
    if times.size <= PIECES * PIECE:
        steps = np.diff(times).astype(np.int64)
    else:
        starts = np.linspace(0, times.size - PIECE, PIECES).astype(np.int64)
        steps = np.concatenate([np.diff(times[start : start + PIECE]) for start in starts]).astype(np.int64)
    steps = steps[steps > 0]
    return int(np.median(steps)) if steps.size else 0


def extremes_of(array: xr.DataArray, times: np.ndarray, *, positive: bool = False) -> list[Extremes]:
    """Return the levels of each line, read once from beginning to end in parts that fit into memory.

    Parameters
    ----------
    array : xarray.DataArray
        As :func:`reader` takes it.
    times : numpy.ndarray of datetime64
        Of its samples, rising.
    positive : bool, optional
        Whether values that are not positive count as missing.

    Examples
    --------
    >>> times = np.arange(1000).astype("datetime64[s]")
    >>> made = extremes_of(xr.DataArray(np.arange(1000.0), dims="time"), times)[0]
    >>> [level.high.tolist() for level in made.levels]
    [[255.0, 511.0, 767.0, 999.0], [511.0, 999.0], [999.0]]
    """
    lines = max(1, array.size // array.sizes["time"])
    block = BLOCK if lines <= MANY else SMALL_BLOCK
    counts = times.view(np.int64)
    read = reader(array)
    made: list[list[Nodes]] = [[] for _ in range(lines)]
    last = np.full(lines, counts[0] if counts.size else 0)  # the time of the last finite value of each line
    left_out = np.zeros(lines, dtype=np.int64)
    kept = np.empty((0, lines))
    for start, stop in _slabs(array, lines):
        part = read(start, stop)
        if positive:
            part, unfit = _positive(part)
            left_out += unfit
        begin, part = start - len(kept), np.concatenate([kept, part]) if len(kept) else part
        whole = len(part) if stop == array.sizes["time"] else len(part) // block * block
        for line in range(lines):
            nodes, last[line] = _blocks(part[:whole, line], counts[begin : begin + whole], begin, block, last[line])
            made[line].append(nodes)
        kept = part[whole:]
    return [Extremes(block, _levels(_joined(parts)), int(n)) for parts, n in zip(made, left_out, strict=True)]


def _slabs(array: xr.DataArray, lines: int) -> Iterator[tuple[int, int]]:
    """Yield stretches to read one after the other: chunks of a Dask array, else about a million values."""
    size = array.sizes["time"]
    if array.chunks is not None:
        ends = np.cumsum(array.chunksizes["time"])
    else:
        chunk = (array.encoding.get("preferred_chunks") or {}).get("time") or BLOCK
        step = max(1, SLAB // lines // chunk) * chunk
        ends = np.append(np.arange(step, size, step), size)
    start = 0
    for stop in map(int, ends):
        if stop > start:
            yield start, stop
        start = stop


def _blocks(values: np.ndarray, times: np.ndarray, begin: int, block: int, last: int) -> tuple[Nodes, int]:
    """Return the extremes of blocks of values that begin at a sample, and the time of the last finite value."""
    count = -(-values.size // block)
    if values.size < count * block:
        values = np.append(values, np.full(count * block - values.size, np.nan))
    table = values.reshape(count, block)
    rows = np.arange(count)
    low_at, high_at = table.argmin(axis=1), table.argmax(axis=1)
    low, high = table[rows, low_at], table[rows, high_at]
    broken = np.flatnonzero(np.isnan(low))  # NumPy finds the first NaN
    if broken.size:
        part = table[broken]
        missing = np.isnan(part)
        low_at[broken] = np.where(missing, np.inf, part).argmin(axis=1)
        high_at[broken] = np.where(missing, -np.inf, part).argmax(axis=1)
        low[broken], high[broken] = table[broken, low_at[broken]], table[broken, high_at[broken]]
        finite = np.flatnonzero(~np.isnan(values))
        seen = times[finite]
        gaps = np.zeros(values.size, dtype=np.int64)
        gaps[finite] = np.diff(seen, prepend=last)
        last = int(seen[-1]) if seen.size else last
    else:
        gaps = np.zeros(values.size, dtype=np.int64)
        gaps[: times.size] = np.diff(times, prepend=last)
        last = int(times[-1])
    gaps_of = gaps.reshape(count, block)
    gap_at = gaps_of.argmax(axis=1)
    gap = gaps_of[rows, gap_at]
    offset = begin + rows * block
    empty = np.isnan(low)
    low[empty], high[empty] = np.inf, -np.inf
    return (
        Nodes(
            low,
            np.where(empty, -1, low_at + offset),
            high,
            np.where(empty, -1, high_at + offset),
            gap,
            np.where(gap > 0, gap_at + offset, -1),
        ),
        last,
    )


def _joined(parts: list[Nodes]) -> Nodes:
    fields = ("low", "low_at", "high", "high_at", "gap", "gap_at")
    return Nodes(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


def _levels(finest: Nodes) -> tuple[Nodes, ...]:
    """Return the blocks and those of two, four, eight … of them."""
    made = [finest]
    while made[-1].low.size > 1:
        one = made[-1]
        size = one.low.size
        first, second = np.arange(0, size, 2), np.minimum(np.arange(0, size, 2) + 1, size - 1)
        made.append(_better(_taken(one, first), _taken(one, second)))
    return tuple(made)


def _taken(nodes: Nodes, at: np.ndarray) -> Nodes:
    return Nodes(
        nodes.low[at], nodes.low_at[at], nodes.high[at], nodes.high_at[at], nodes.gap[at], nodes.gap_at[at]
    )  # fmt: skip


def _better(one: Nodes, other: Nodes) -> Nodes:
    """Return the extremes of two rows of blocks, pair by pair."""
    lower, higher, longer = other.low < one.low, other.high > one.high, other.gap > one.gap
    return Nodes(
        np.where(lower, other.low, one.low), np.where(lower, other.low_at, one.low_at),
        np.where(higher, other.high, one.high), np.where(higher, other.high_at, one.high_at),
        np.where(longer, other.gap, one.gap), np.where(longer, other.gap_at, one.gap_at),
    )  # fmt: skip


def over_blocks(extremes: Extremes, first: np.ndarray, stop: np.ndarray) -> Nodes:
    """Return the extremes of stretches of blocks, each from ``first`` to before ``stop``, out of the fewest blocks.

    Examples
    --------
    >>> times = np.arange(1000).astype("datetime64[s]")
    >>> made = extremes_of(xr.DataArray(np.arange(1000.0), dims="time"), times)[0]
    >>> over_blocks(made, np.array([0, 1]), np.array([3, 4])).low.tolist()
    [0.0, 256.0]
    """
    first, stop = first.copy(), stop.copy()
    shape, none = first.shape, np.full(first.shape, -1, dtype=np.int64)
    found = Nodes(np.full(shape, np.inf), none, np.full(shape, -np.inf), none, np.zeros(shape, np.int64), none)
    for nodes in extremes.levels:
        for odd in (first, stop):
            taken = np.flatnonzero((odd & 1 == 1) & (first < stop))
            if taken.size:
                at = odd[taken] - (odd is stop)
                better = _better(_taken(found, taken), _taken(nodes, at))
                found = _put(found, taken, better)
                odd[taken] += -1 if odd is stop else 1
        first >>= 1
        stop >>= 1
        if not (first < stop).any():
            break
    return found


def _put(nodes: Nodes, at: np.ndarray, new: Nodes) -> Nodes:
    """Return nodes with some of them replaced."""
    made = []
    for field in ("low", "low_at", "high", "high_at", "gap", "gap_at"):
        column = getattr(nodes, field).copy()
        column[at] = getattr(new, field)
        made.append(column)
    return Nodes(*made)

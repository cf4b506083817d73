"""Smallest and largest samples of blocks of a series, level over level, so that any stretch of it is found at once.

A block holds 256 samples (64 of very many lines); two blocks make one of the next level, and so on. Of each are kept
the smallest and the largest finite value, where they are, and the longest time without a finite value. What a screen
shows is put together from a few blocks for each of its pixels, however long the series is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.download.progress import counted
from analysis.panels.clocks import FEW, Regular, Times, moments, moments_at
from analysis.panels.pyramids import threads

Reader = Callable[[int, int], np.ndarray]
BLOCK, SMALL_BLOCK = 256, 64
MANY = 16  # lines; of more the blocks are smaller, so that fewer samples are read for a frame
SLAB = 2**20  # values read at a time while the levels are made
TOLD = 20 * SLAB  # values of a series whose reading has a progress bar
FIELDS = ("low", "low_at", "high", "high_at", "gap", "gap_at")


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
class StoredNodes:
    """Extremes of so many blocks on disk; ``taken`` reads those of some of them."""

    size: int
    taken: Callable[[np.ndarray], Nodes]


@dataclass(frozen=True)
class Extremes:
    """The levels of one line, single blocks first; ``left_out`` counts values a logarithmic axis cannot hold."""

    block: int
    levels: tuple[Nodes | StoredNodes, ...]
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
    unfit = (part <= 0) & (part > -np.inf)
    return (np.where(unfit, np.nan, part) if unfit.any() else part), unfit.sum(axis=0)


def block_of(lines: int) -> int:
    """Return how many samples of each of so many lines are one block."""
    return BLOCK if lines <= MANY else SMALL_BLOCK


def extremes_of(array: xr.DataArray, times: Times, *, positive: bool = False, told: str = "extremes") -> list[Extremes]:
    """Return the levels of each line, read once from beginning to end in parts that fit into memory.

    Parameters
    ----------
    array : xarray.DataArray
        As :func:`reader` takes it.
    times : numpy.ndarray of datetime64, or Regular
        Of its samples, rising.
    positive : bool, optional
        Whether values that are not positive count as missing.
    told : str, optional
        What the progress bar of a long series says.

    Examples
    --------
    >>> times = np.arange(1000).astype("datetime64[s]")
    >>> made = extremes_of(xr.DataArray(np.arange(1000.0), dims="time"), times)[0]
    >>> [level.high.tolist() for level in made.levels]
    [[255.0, 511.0, 767.0, 999.0], [511.0, 999.0], [999.0]]
    """
    size = array.sizes["time"]
    lines = max(1, array.size // size)
    block = block_of(lines)
    variable = array.variable.transpose("time", *(dim for dim in array.dims if dim != "time"))
    rest: list[tuple[int, np.ndarray]] = []  # samples of blocks that no slab holds whole

    def slab(ends: tuple[int, int]) -> tuple[list[_Blocks], np.ndarray]:
        start, stop = ends
        part = _native(variable[start:stop].values).reshape(stop - start, lines)
        part, unfit = _positive(part) if positive else (part, np.zeros(lines, np.int64))
        begin, end = min(stop, -(-start // block) * block), max(start, stop // block * block)
        begin, end = (begin, end) if begin < end else (stop, stop)
        rest.extend((at, part[at - start : to - start].copy()) for at, to in ((start, begin), (end, stop)) if at < to)
        inner = part[begin - start : end - start]
        inner = np.asfortranarray(inner) if lines > 1 else inner
        begins = np.arange(begin, end, block)
        return [_blocks(inner[:, line].reshape(-1, block), begins, times) for line in range(lines)], unfit

    slabs = _slabs(array, lines, block)
    workers, made = _threads(array), []
    told_of = counted(len(slabs), told) if array.size >= TOLD else nullcontext()
    with told_of as bar, ThreadPoolExecutor(workers) as pool:
        for one in pool.map(slab, slabs) if workers > 1 else map(slab, slabs):
            made.append(one)
            if bar is not None:
                bar.update()
    parts = [blocks for blocks, _ in made]
    if rest:
        parts.append(_of_rest(rest, lines, block, times))
    left_out = np.sum([unfit for _, unfit in made], axis=0)
    first = int(moments(times, 0, 1).view(np.int64)[0])
    return [
        Extremes(block, _levels(_with_gaps([part[line] for part in parts], first)), int(left_out[line]))
        for line in range(lines)
    ]


def _threads(array: xr.DataArray) -> int:
    """Return how many threads read an array: one where Dask has its own."""
    return 1 if array.chunks is not None or array.size <= SLAB else threads(array.size)


def _native(values: np.ndarray) -> np.ndarray:
    """Return numbers of a kind that NumPy compares fast: of this machine's byte order, no bool, no half."""
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    if values.dtype.itemsize not in (1, 4, 8) and values.dtype.kind == "f":
        return values.astype(float)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _slabs(array: xr.DataArray, lines: int, block: int) -> list[tuple[int, int]]:
    """Return stretches to read one after the other: chunks of a Dask array, else about a million values."""
    size = array.sizes["time"]
    if array.chunks is not None:
        ends = np.cumsum(array.chunksizes["time"])
    else:
        chunk = (array.encoding.get("preferred_chunks") or {}).get("time") or block
        step = max(1, SLAB // lines // chunk) * chunk
        ends = np.append(np.arange(step, size, step), size)
    starts = np.append(0, ends[:-1])
    return [(int(start), int(stop)) for start, stop in zip(starts, ends, strict=True) if stop > start]


@dataclass(frozen=True)
class _Blocks:
    """Blocks that begin at samples: their extremes, without what lies between them; the first and last finite."""

    begins: np.ndarray
    nodes: Nodes
    first_at: np.ndarray
    first: np.ndarray
    last: np.ndarray


def _of_rest(rest: list[tuple[int, np.ndarray]], lines: int, block: int, times: Times) -> list[_Blocks]:
    """Return the blocks of samples that were left over at the ends of slabs; NaN fills up the last."""
    rest.sort(key=lambda piece: piece[0])
    at = np.concatenate([np.arange(start, start + part.shape[0]) for start, part in rest])
    values = np.concatenate([part for _, part in rest])
    if missing := -at.size % block:
        values = np.concatenate([values.astype(float), np.full((missing, lines), np.nan)])
    return [_blocks(values[:, line].reshape(-1, block), at[::block], times) for line in range(lines)]


def _blocks(table: np.ndarray, begins: np.ndarray, times: Times) -> _Blocks:
    """Return the extremes of blocks of values (block, sample)."""
    rows, block = np.arange(len(table)), table.shape[1]
    if not rows.size:
        none = np.empty(0, np.int64)
        return _Blocks(none, Nodes(np.empty(0), none, np.empty(0), none, none, none), none, none, none)
    low_at, high_at = table.argmin(axis=1), table.argmax(axis=1)
    low, high = table[rows, low_at].astype(float), table[rows, high_at].astype(float)
    broken = ~(np.isfinite(low) & np.isfinite(high))  # NumPy finds the first NaN
    first_at, last_at = np.zeros(rows.size, np.int64), np.full(rows.size, block - 1)
    gap, gap_at = np.zeros(rows.size, np.int64), np.zeros(rows.size, np.int64)
    fine = np.flatnonzero(~broken)
    gap[fine], gap_at[fine] = _steps_in(begins[fine], block, times)
    if bad := np.flatnonzero(broken).tolist():
        part = table[bad].astype(float)
        finite = np.isfinite(part)
        low_at[bad], high_at[bad] = (
            np.where(finite, part, np.inf).argmin(axis=1), np.where(finite, part, -np.inf).argmax(axis=1)
        )  # fmt: skip
        empty = ~finite.any(axis=1)
        low[bad] = np.where(empty, np.inf, table[bad, low_at[bad]])
        high[bad] = np.where(empty, -np.inf, table[bad, high_at[bad]])
        first_at[bad], last_at[bad] = finite.argmax(axis=1), block - 1 - finite[:, ::-1].argmax(axis=1)
        gap[bad], gap_at[bad] = _holes_in(finite, begins[bad], times)
    known = np.isfinite(low)
    nodes = Nodes(
        low, np.where(known, low_at + begins, -1), high, np.where(known, high_at + begins, -1), gap, gap_at + begins
    )  # fmt: skip
    ends = [np.where(known, at, 0) + begins for at in (first_at, last_at)]
    first, last = (moments_at(times, at).view(np.int64) for at in ends)
    return _Blocks(begins, nodes, ends[0], first, last)


def _steps_in(begins: np.ndarray, block: int, times: Times) -> tuple[np.ndarray, np.ndarray]:
    """Return the longest step inside each block, and the sample of the block at its end."""
    if isinstance(times, Regular) or not begins.size:
        step = times.step if isinstance(times, Regular) else 0
        return np.full(begins.size, step if block > 1 else 0), np.ones(begins.size, np.int64)
    counts, rows = times.view(np.int64), np.arange(block)
    gap, gap_at = np.empty(begins.size, np.int64), np.empty(begins.size, np.int64)
    few = FEW // block
    for start in range(0, begins.size, few):
        own = begins[start : start + few]
        joined = own[-1] - own[0] == (own.size - 1) * block and own[-1] + block <= counts.size
        table = counts[own[0] : own[-1] + block].reshape(-1, block) if joined else counts[own[:, None] + rows]
        steps = table[:, 1:] - table[:, :-1]
        at = steps.argmax(axis=1)
        gap[start : start + few], gap_at[start : start + few] = steps[np.arange(own.size), at], at + 1
    return gap, gap_at


def _holes_in(finite: np.ndarray, begins: np.ndarray, times: Times) -> tuple[np.ndarray, np.ndarray]:
    """Return the longest time between two finite values of each block, and the sample of the block at its end."""
    rows, block = np.arange(len(finite)), finite.shape[1]
    at = np.minimum(begins[:, None] + np.arange(block), times.size - 1)
    counts = moments_at(times, at).view(np.int64)
    before = np.maximum.accumulate(np.where(finite, np.arange(block), -1), axis=1)[:, :-1]
    steps = counts[:, 1:] - counts[rows[:, None], np.maximum(before, 0)]
    steps = np.where(finite[:, 1:] & (before >= 0), steps, 0)
    longest = steps.argmax(axis=1)
    return steps[rows, longest], longest + 1


def _with_gaps(parts: Sequence[_Blocks], start: int) -> Nodes:
    """Return blocks in their order, with the gaps from the last finite value before each."""
    order = np.argsort(np.concatenate([part.begins for part in parts]), kind="stable")
    low, low_at, high, high_at, gap, gap_at = (
        np.concatenate([getattr(part.nodes, field) for part in parts])[order] for field in FIELDS
    )
    first_at, first, last = (
        np.concatenate([getattr(part, field) for part in parts])[order] for field in ("first_at", "first", "last")
    )
    known = low_at >= 0
    before = np.maximum.accumulate(np.where(known, np.arange(known.size), -1))
    before = np.append(-1, before[:-1])
    since = np.where(before >= 0, last[before], start)
    lead = np.where(known, first - since, 0)
    longer = lead > gap
    gap, gap_at = np.where(longer, lead, gap), np.where(longer, first_at, gap_at)
    return Nodes(low, low_at, high, high_at, gap, np.where(gap > 0, gap_at, -1))


def _levels(finest: Nodes) -> tuple[Nodes, ...]:
    """Return the blocks and those of two, four, eight … of them."""
    made = [finest]
    while made[-1].low.size > 1:
        one = made[-1]
        size = one.low.size
        first, second = np.arange(0, size, 2), np.minimum(np.arange(0, size, 2) + 1, size - 1)
        made.append(_better(_taken(one, first), _taken(one, second)))
    return tuple(made)


def _taken(nodes: Nodes | StoredNodes, at: np.ndarray) -> Nodes:
    if isinstance(nodes, StoredNodes):
        return nodes.taken(at)
    return Nodes(*(getattr(nodes, field)[at] for field in FIELDS))


def _better(one: Nodes, other: Nodes) -> Nodes:
    """Return the extremes of two rows of blocks, pair by pair."""
    lower, higher, longer = other.low < one.low, other.high > one.high, other.gap > one.gap
    return Nodes(
        np.where(lower, other.low, one.low), np.where(lower, other.low_at, one.low_at),
        np.where(higher, other.high, one.high), np.where(higher, other.high_at, one.high_at),
        np.where(longer, other.gap, one.gap), np.where(longer, other.gap_at, one.gap_at),
    )  # fmt: skip


def holds_values(extremes: Extremes) -> bool:
    """Return whether a line has any finite value."""
    return bool((_taken(extremes.levels[-1], np.zeros(1, np.int64)).low_at >= 0).any())


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
    for field in FIELDS:
        column = getattr(nodes, field).copy()
        column[at] = getattr(new, field)
        made.append(column)
    return Nodes(*made)

"""What a picture of a series draws of a stretch of time: all samples, or the smallest and largest of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.panels.clocks import Regular, Times, clock, moments, moments_at, places, usual_step
from analysis.panels.edges import GAP
from analysis.panels.extremes import Extremes, Reader, extremes_of, over_blocks, reader

BUCKETS = 1_000  # stretches of equal time in a frame, up to two samples of each: three for a pixel
FEWEST = 100  # where many lines share a frame
POINTS = 100_000  # buckets of all lines together
EXACT = 10  # samples for each bucket: if no more are visible, all are drawn


@dataclass(frozen=True)
class Series:
    """A series ready to be looked at: rising times, how to read values, extremes of each line, the usual step."""

    times: Times
    read: Reader
    lines: tuple[Extremes, ...]
    step: int

    @property
    def buckets(self) -> int:
        return int(np.clip(POINTS // len(self.lines), FEWEST, BUCKETS))


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def series_of(
    array: xr.DataArray,
    *,
    positive: bool = False,
    times: Times | None = None,
    lines: Sequence[Extremes] | None = None,
) -> Series:
    """Return an array over rising times ready to be looked at; its values are read once.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``time`` and at most one other.
    positive : bool, optional
        Whether values that are not positive count as missing.
    times : optional
        What :func:`analysis.panels.clocks.clock` made of its times, if that is known.
    lines : sequence of Extremes, optional
        Of each line, if they are known: then nothing is read.

    Raises
    ------
    WrongData
        If times fall or one is missing.

    Examples
    --------
    >>> times = np.arange(3).astype("datetime64[s]").astype("datetime64[ns]")
    >>> series_of(xr.DataArray([1.0, 2.0, 4.0], {"time": times})).step
    1000000000
    """
    times = clock(array["time"]) if times is None else times
    if times is None:
        raise WrongData(f"the times of {array.name or 'the array'} are not in order or missing; sort it by time")
    known = extremes_of(array, times, positive=positive) if lines is None else lines
    return Series(times, reader(array, positive=positive), tuple(known), usual_step(times))


def whole(series: Series) -> list[Drawn]:
    """Return what is drawn of the whole series, up to five times finer than a frame: it may be printed,
    or end on a page that no kernel follows.

    Examples
    --------
    >>> times = np.arange(3).astype("datetime64[s]")
    >>> [values.tolist() for _, values, _ in whole(series_of(xr.DataArray([1.0, 2.0, 4.0], {"time": times})))]
    [[1.0, 2.0, 4.0]]
    """
    first, last = moments_at(series.times, np.array([0, series.times.size - 1]))
    return visible(series, first, last, buckets=min(5 * series.buckets, POINTS // len(series.lines) + FEWEST))


def all_of(series: Series) -> list[Drawn]:
    """Return every sample of each line, as :func:`visible` does.

    Examples
    --------
    >>> times = np.arange(3).astype("datetime64[s]")
    >>> [values.tolist() for _, values, _ in all_of(series_of(xr.DataArray([1.0, np.nan, 4.0], {"time": times})))]
    [[1.0, nan, 4.0]]
    """
    return _all_samples(series, 0, series.times.size)


def visible(series: Series, start: np.datetime64, stop: np.datetime64, *, buckets: int | None = None) -> list[Drawn]:
    """Return what is drawn of each line from one time to another, both included.

    Parameters
    ----------
    series : Series
    start, stop : numpy.datetime64
        Of any resolution.
    buckets : int, optional
        Stretches of equal time to draw the extremes of; by default as many as suit a screen.

    Returns
    -------
    list of (times, values, alone)
        Samples as they are, at their own times, and the neighbours on both sides: all of them if there are at most
        ten for each bucket, else the smallest and the largest of each. A NaN is put into each gap that is as wide
        as a bucket; ``alone`` says which samples stand between gaps.

    Examples
    --------
    >>> times = np.arange(100_000).astype("datetime64[s]")
    >>> saw = xr.DataArray(np.arange(100_000.0) % 1000, {"time": times}, name="saw")
    >>> drawn, values, alone = visible(series_of(saw), times[10_000], times[89_999], buckets=4)[0]
    >>> values.size < 20, float(values.min()), float(values.max())
    (True, 0.0, 999.0)
    """
    size, count = series.times.size, buckets or series.buckets
    ends = moments_at(series.times, np.array([0, size - 1]))
    low, high = _in_unit(start, ends, up=False), _in_unit(stop, ends, up=True)
    first = max(0, int(places(series.times, np.array([low]))[0]) - 1)
    last = min(size, int(places(series.times, np.array([high]), after=True)[0]) + 1)
    if last - first <= EXACT * count:
        return _all_samples(series, first, last)
    edges = np.array([low + (high - low) * place // count for place in range(count + 1)])  # exact: floats are not
    block = series.lines[0].block
    if last - first > block * count:
        return _from_blocks(series, first, last, edges)
    table = series.read(first, last)
    return [_reduced(series, [(first, table[:, line])], edges) for line in range(len(series.lines))]


def _in_unit(time: np.datetime64, ends: np.ndarray, *, up: bool) -> int:
    """Return a time as a number in the unit of others, rounded down or up; far outside of these, just outside."""
    first, last = ends.view(np.int64).tolist()
    own = np.asarray(time).dtype
    before, after = ends.astype(own)
    if time < before:
        return first - 1
    if time > after + 1:  # a difference would overflow beyond 292 years of nanoseconds
        return last + 1
    exact = np.datetime64(time).astype(ends.dtype)
    return int(exact.astype(np.int64)) + int(up and exact < time)


def _all_samples(series: Series, first: int, last: int) -> list[Drawn]:
    times, table = moments(series.times, first, last), series.read(first, last)
    steps = np.diff(times.view(np.int64)).astype(float)
    breaks = np.flatnonzero(steps > GAP * series.step) + 1 if series.step else np.empty(0, int)
    return [opened(times, table[:, line], breaks) for line in range(table.shape[1])]


def _from_blocks(series: Series, first: int, last: int, edges: np.ndarray) -> list[Drawn]:
    """Draw from the extremes of blocks; read the samples at both ends, and of blocks wider than a bucket."""
    block = series.lines[0].block
    begin, end = -(-first // block), last // block
    held = np.clip(_rounded((places(series.times, edges[1:-1]) + block // 2) // block), begin, end)
    inside = np.clip(places(series.times, edges[1:-1], after=True) // block, begin, end)
    often, times_there = np.unique(inside, return_counts=True)
    wide = often[(times_there > 1) & (often >= begin) & (often < end)]
    cuts = np.unique(np.concatenate([[begin, end], held, wide, wide + 1]))
    starts, stops = cuts[:-1], cuts[1:]
    dense = ~np.isin(starts, wide)
    pieces = [(first, max(first + 1, begin * block)), *_runs(wide * block, (wide + 1) * block)]
    pieces.append((min(last - 1, end * block), last))
    parts = [(a, series.read(a, b)) for a, b in pieces]
    width = _width(edges)
    made = []
    for line, extremes in enumerate(series.lines):
        nodes = over_blocks(extremes, starts[dense], stops[dense])
        at, values = np.concatenate([nodes.low_at, nodes.high_at]), np.concatenate([nodes.low, nodes.high])
        own = over_blocks(extremes, wide, wide + 1)
        gap, gap_at = np.concatenate([nodes.gap, own.gap]), np.concatenate([nodes.gap_at, own.gap_at])
        gaps = gap_at[(gap > width) & (gap > GAP * min(series.step, width))]
        made.append(_reduced(series, [(a, part[:, line]) for a, part in parts], edges, (at, values, gaps)))
    return made


def _width(edges: np.ndarray) -> float:
    """Return how wide a bucket is; whole numbers of NumPy would overflow beyond 292 years of nanoseconds."""
    return max(1.0, (int(edges[-1]) - int(edges[0])) / (edges.size - 1))


def _rounded(blocks: np.ndarray) -> np.ndarray:
    """Return block numbers to within a thirty-second of the way to their neighbours: far fewer levels are asked."""
    if blocks.size < 2:
        return blocks
    ways = np.diff(blocks)
    way = np.minimum(np.append(ways[:1], ways), np.append(ways, ways[-1:]))
    power = np.maximum(0, np.log2(np.maximum(way, 1)).astype(np.int64) - 4)
    return (blocks + (1 << power) // 2) >> power << power


def _runs(starts: np.ndarray, stops: np.ndarray) -> list[tuple[int, int]]:
    """Return stretches joined where one begins at the end of the one before."""
    if not starts.size:
        return []
    fresh = np.r_[True, starts[1:] != stops[:-1]]
    return list(zip(starts[fresh].tolist(), stops[np.r_[fresh[1:], True]].tolist(), strict=True))


def _reduced(
    series: Series,
    parts: Sequence[tuple[int, np.ndarray]],
    edges: np.ndarray,
    known: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> Drawn:
    """Return extremes of samples that were read, by bucket, together with known ones and known gaps."""
    found, values, gaps = ([one] for one in known) if known is not None else ([], [], [])
    width = _width(edges)
    for end in (parts[0][0], parts[-1][0] + parts[-1][1].size - 1):  # drawn, so that lines reach both edges
        found.append(np.array([end]))
        values.append(parts[0][1][:1] if end == parts[0][0] else parts[-1][1][-1:])
    for first, part in parts:
        lost = np.isnan(part)
        if known is None and isinstance(series.times, Regular) and not lost.any():
            inner = _even(part[1:-1], edges.size - 1) + 1  # both ends are drawn
            found.append(inner + first)
            values.append(part[inner])
            continue
        finite = np.flatnonzero(~lost) if lost.any() else np.arange(part.size)
        if not finite.size:
            continue
        seen = part[finite] if finite.size < part.size else part
        starts = np.searchsorted(finite, _places_in(series.times, first, part.size, edges))
        starts = np.unique(np.append(0, starts))
        starts = starts[starts < seen.size]
        sizes = np.diff(np.append(starts, seen.size))
        for extreme in (np.minimum, np.maximum):
            hits = np.flatnonzero(seen == np.repeat(extreme.reduceat(seen, starts), sizes))
            hits = hits[np.diff(np.searchsorted(starts, hits, side="right"), prepend=-1) > 0]
            found.append(finite[hits] + first)
            values.append(seen[hits])
        if finite.size == part.size and isinstance(series.times, Regular):
            continue
        steps = np.diff(moments(series.times, first, first + part.size).view(np.int64)[finite])
        missing = (np.diff(finite) > 1) & (steps > width)
        far = (steps > GAP * series.step) & (steps > width) if series.step else np.zeros(steps.size, bool)
        gaps.append(finite[1:][missing | far] + first)
    drawn, first_of = np.unique(np.concatenate(found), return_index=True)
    shown = np.concatenate(values)[first_of]
    drawn, shown = drawn[drawn >= 0], shown[drawn >= 0]
    breaks = np.unique(np.searchsorted(drawn, np.concatenate([np.empty(0, np.int64), *gaps])))
    times = moments_at(series.times, drawn)
    steps = np.diff(times.view(np.int64)).astype(float)
    far = np.flatnonzero(steps > max(3 * width, GAP * series.step)) + 1
    return opened(times, shown, np.union1d(breaks[(breaks > 0) & (breaks < drawn.size)], far))


def _even(values: np.ndarray, count: int) -> np.ndarray:
    """Return where the smallest and largest of at least so many stretches of one length are, the last one shorter."""
    length = values.size // count
    whole = values.size // length * length
    table, starts = values[:whole].reshape(-1, length), np.arange(0, whole, length)
    found = [table.argmin(axis=1) + starts, table.argmax(axis=1) + starts]
    if whole < values.size:
        found.append(whole + np.array([values[whole:].argmin(), values[whole:].argmax()]))
    return np.concatenate(found)


def _places_in(times: Times, first: int, size: int, edges: np.ndarray) -> np.ndarray:
    """Return before which of so many samples from one on these edges fall."""
    if isinstance(times, Regular):
        return np.clip(places(times, edges) - first, 0, size)
    return places(times[first : first + size], edges)


def opened(times: np.ndarray, values: np.ndarray, breaks: np.ndarray) -> Drawn:
    """Return times and values with a NaN before each of some samples, and which samples stand alone between NaN.

    Examples
    --------
    >>> times = np.array(["2001", "2002", "2005"], "datetime64[Y]").astype("datetime64[s]")
    >>> opened(times, np.array([1.0, 2.0, 3.0]), np.array([2]))[1:]
    (array([ 1.,  2., nan,  3.]), array([False, False, False,  True]))
    """
    if breaks.size:
        middles = times[breaks - 1] + (times[breaks] - times[breaks - 1]) // 2
        times, values = np.insert(times, breaks, middles), np.insert(values, breaks, np.nan)
    seen = np.isfinite(values)
    left, right = np.r_[False, seen[:-1]], np.r_[seen[1:], False]
    return times, values, seen & ~left & ~right

"""Rising times of a series: held, in a memory map, or computed where they are needed because their step is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import xarray as xr

from analysis.errors import BadOption, BadTime

PART = 2**20  # times read at a time
FEW = 2**15  # times compared at a time, so that they stay near the processor
PIECES, PIECE = 64, 1_000  # where the usual step is taken from
NOT_A_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Regular:
    """Times of one step: the first, the step and how many, in the unit of their dtype."""

    start: int
    step: int
    size: int
    dtype: np.dtype


Times: TypeAlias = np.ndarray | Regular


def regular_times(start: np.datetime64 | str, step: np.timedelta64, size: int) -> xr.Coordinates:
    """Return the coordinate ``time`` of samples at one step, computed where it is looked at and never held.

    xarray keeps an index of all times in memory, 8 GB of a thousand million. This coordinate has none: ``isel``
    works, ``sel`` does not. It suits series in raw files, whose times are nowhere but in a header.

    Parameters
    ----------
    start : numpy.datetime64 or str
        Of the first sample, UTC.
    step : numpy.timedelta64
        Above zero; the times are in nanoseconds, so whole ones.
    size : int
        How many samples.

    Returns
    -------
    xarray.Coordinates

    Raises
    ------
    BadTime
        If start is no time, or out of reach.
    BadOption
        If step or size are not above zero, or the times end after the year 2262.

    Examples
    --------
    >>> values = np.zeros(1_000, np.float32)  # or np.memmap("field.f4", np.float32)
    >>> field = xr.DataArray(values, regular_times("2020-01-01", np.timedelta64(8, "ms"), 1_000), ["time"])
    >>> str(field.time[-1].values)
    '2020-01-01T00:00:07.992000000'
    """
    import dask.array

    try:
        first, day = (np.asarray(start, dtype=f"datetime64[{unit}]")[()] for unit in ("ns", "D"))
    except (ValueError, TypeError) as error:
        raise BadTime(f"start={start!r} is not a time; give for example '2020-01-01T12:00'") from error
    if first.astype(day.dtype) != day:
        raise BadTime(f"start={start!r} is missing, or not between the years 1678 and 2262 that nanoseconds reach")
    if not isinstance(step, np.timedelta64) or np.isnat(step) or np.datetime_data(step)[0] in ("Y", "M", "generic"):
        raise BadOption(f"step={step!r} is not a length of time; give for example np.timedelta64(8, 'ms')")
    length = int(step.astype("timedelta64[ns]").astype(np.int64))
    if length <= 0 or isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise BadOption(f"step={step}, size={size!r}: give a step of a nanosecond or more, and one sample or more")
    if int(first.astype(np.int64)) + length * (int(size) - 1) > np.iinfo(np.int64).max:
        raise BadOption(f"{size} samples of {step} from {start} on end after the year 2262, the last one of xarray's")
    counts = dask.array.arange(int(size), chunks=PART, dtype=np.int64) * length + int(first.astype(np.int64))
    attrs = {"long_name": "Time (UTC)"}
    return xr.Coordinates({"time": xr.Variable("time", counts.astype("datetime64[ns]"), attrs)}, indexes={})


def clock(time: xr.DataArray) -> Times | None:
    """Return the times of a series, read once in parts; None if they fall or one is missing (NaT).

    Parameters
    ----------
    time : xarray.DataArray of datetime64
        In memory, a memory map, or lazy. Lazy times of several steps are loaded.

    Examples
    --------
    >>> made = clock(xr.DataArray(np.arange(5).astype("datetime64[s]"), dims="time"))
    >>> made.start, made.step, made.size
    (0, 1, 5)
    >>> clock(xr.DataArray(np.array([3, 1], "datetime64[s]"), dims="time")) is None
    True
    """
    lowest, highest, start, before = np.iinfo(np.int64).max, 0, NOT_A_TIME, np.empty(0, np.int64)
    room = np.empty(FEW + 1, np.int64)
    for first in range(0, time.size, PART):
        counts = time.variable[first : first + PART].values.view(np.int64)
        start = int(counts[0]) if first == 0 else start
        for part in (np.append(before, counts[:1]), *(counts[k : k + FEW + 1] for k in range(0, counts.size, FEW))):
            if part.size > 1:
                steps = np.subtract(part[1:], part[:-1], out=room[: part.size - 1])
                lowest, highest = min(lowest, int(steps.min())), max(highest, int(steps.max()))
        before = counts[-1:]
        if lowest < 0 or int(counts.min()) == NOT_A_TIME:
            return None
    if 0 < lowest == highest:
        return Regular(start, lowest, time.size, time.dtype)
    return np.asarray(time.values)


def moments(times: Times, first: int, last: int) -> np.ndarray:
    """Return the times of samples ``first`` to before ``last``.

    Examples
    --------
    >>> moments(Regular(10, 5, 100, np.dtype("datetime64[s]")), 1, 3).astype(int).tolist()
    [15, 20]
    """
    if isinstance(times, Regular):
        return moments_at(times, np.arange(first, last))
    return times[first:last]


def moments_at(times: Times, at: np.ndarray) -> np.ndarray:
    """Return the times of some samples."""
    if isinstance(times, Regular):
        return (times.start + at.astype(np.int64) * times.step).view(times.dtype)
    return np.asarray(times[at])


def places(times: Times, counts: np.ndarray, *, after: bool = False) -> np.ndarray:
    """Return before which samples these times (as numbers in the unit of the times) fall in; ``after`` equal ones.

    Examples
    --------
    >>> for made in (Regular(10, 5, 4, np.dtype("datetime64[s]")), np.array([10, 15, 20, 25], "datetime64[s]")):
    ...     [places(made, np.array([9, 10, 11, 25, 99]), after=after).tolist() for after in (False, True)]
    [[0, 0, 1, 3, 4], [0, 1, 1, 4, 4]]
    [[0, 0, 1, 3, 4], [0, 1, 1, 4, 4]]
    """
    if isinstance(times, Regular):
        since = (counts - times.start).astype(np.uint64)  # of 292 years of nanoseconds and more, too
        steps, rest = np.divmod(since, np.uint64(times.step))
        found = np.minimum(steps, np.uint64(times.size)).astype(np.int64) + (1 if after else rest > 0)
        return np.where(counts < times.start, 0, np.minimum(found, times.size))
    return np.searchsorted(times.view(np.int64), counts, side="right" if after else "left")


def usual_step(times: Times) -> int:
    """Return the median step between samples that differ in time, in the unit of the times (of a long series: of
    64 stretches of it); 0 if there is none.

    Examples
    --------
    >>> usual_step(np.array([0, 0, 5, 5, 10, 900], "datetime64[s]"))
    5
    """
    if isinstance(times, Regular):
        return times.step
    if times.size <= PIECES * PIECE:
        steps = np.diff(times).astype(np.int64)
    else:
        starts = np.linspace(0, times.size - PIECE, PIECES).astype(np.int64)
        steps = np.concatenate([np.diff(times[start : start + PIECE]) for start in starts]).astype(np.int64)
    steps = steps[steps > 0]
    return int(np.median(steps)) if steps.size else 0

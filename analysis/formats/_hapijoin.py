"""The records of several HAPI answers as one run of times and columns: cut, in order, fills as NaN.

Columns are filled some thousand records at a time, so that a file is passed over once, however many columns it has.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analysis.errors import CorruptFile, WrongData
from analysis.formats._facts import Notes
from analysis.formats._hapiinfo import Parameter
from analysis.formats._hapirecords import Answer, Table, table
from analysis.formats._hapitimes import instants
from analysis.model.contract import FILL_FROM, is_fill

ROWS = 1 << 13
WORKERS = min(4, os.cpu_count() or 1)  # NumPy and the parsers let threads work side by side
Rows = slice | NDArray[np.intp]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Piece:
    """An answer, the half-open interval that was asked for, and the part of it that is wanted; None is no bound."""

    answer: Answer
    start: np.datetime64 | None = None
    stop: np.datetime64 | None = None
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None


@dataclass(frozen=True)
class Run:
    """Records of one answer that are wanted: their times, and which they are among the answer's."""

    table: Table
    rows: Rows
    times: NDArray[np.datetime64]


@dataclass(frozen=True)
class Filled:
    """An array that lies elsewhere: written some records at a time, each once, and read when all are there.

    ``write`` takes values and the byte to begin at, counted from the array's first.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    write: Callable[[int, NDArray], None]
    array: Callable[[], NDArray]


Empty = Callable[[tuple[int, ...], DTypeLike], NDArray | Filled]


def run_of(piece: Piece, notes: Notes) -> Run:
    """Return the wanted records of one answer.

    Raises
    ------
    CorruptFile
        If its records are not what its header declares.
    WrongData
        If a time does not fit in 64-bit nanoseconds.
    """
    held = table(piece.answer)
    where = piece.answer.where
    found = instants(held.times, f"{where}: {held.info.parameters[0].name}")
    if found.outside:
        raise WrongData(f"{where}: {found.outside} records have times that are not between 1678 and 2261")
    times = found.values
    if found.leaps:
        notes.line(f"{found.leaps} records inside a leap second dropped, for which datetime64 has no number")
    inside = _between(times, piece.start, piece.stop)
    if (strays := len(times) - found.leaps - int(inside.sum())) > 0:
        notes.line(f"{strays} records outside the interval that the server was asked for left out")
    if piece.first is not None or piece.last is not None:
        inside &= _between(times, piece.first, piece.last)
    places = np.flatnonzero(inside)
    if not places.size:
        return Run(held, slice(0, 0), times[:0])
    first, last = int(places[0]), int(places[-1]) + 1
    rows: Rows = slice(first, last) if last - first == places.size else places
    return Run(held, rows, times[rows])


def _between(times: NDArray, start: np.datetime64 | None, stop: np.datetime64 | None) -> NDArray[np.bool_]:
    inside = ~np.isnat(times)
    if start is not None:
        inside &= times >= start
    if stop is not None:
        inside &= times < stop
    return inside


def joined(
    runs: Sequence[Run],
    parameters: Sequence[Parameter],
    notes: Notes,
    *,
    sort: bool = False,
    empty: Empty = np.empty,
) -> tuple[NDArray[np.datetime64], dict[str, NDArray]]:
    """Return times, strictly increasing, and the columns of these parameters, fills as NaN, NaT or "".

    Parameters
    ----------
    runs : sequence of Run
        In the order of their intervals.
    parameters : sequence of Parameter
        The columns wanted, without the time.
    notes : Notes
        Told of what was dropped.
    sort : bool, optional
        Whether records out of order are sorted; they are refused otherwise.
    empty : callable, optional
        Makes the arrays that are filled, given shape and dtype.

    Raises
    ------
    WrongData
        If records are out of order, or two of one time differ.
    """
    ends = np.cumsum([0, *(run.times.size for run in runs)]).tolist()
    made = empty((ends[-1],), "M8[ns]")
    for run, at in zip(runs, ends, strict=False):
        _write(made, at, run.times)
    times = _whole(made)
    numbers = [p for p in parameters if p.type in ("double", "integer")]
    columns = _poured(runs, numbers, notes, empty)
    for parameter in parameters:
        if parameter.type not in ("double", "integer"):
            columns[parameter.name] = _texts(runs, parameter, notes)
    columns = {p.name: columns[p.name] for p in parameters}
    if times.size > 1 and not (times[1:] > times[:-1]).all():
        times, columns = _ordered(times, columns, notes, sort=sort)
    return times, columns


def _write(out: NDArray | Filled, at: int, values: NDArray) -> None:
    if isinstance(out, Filled):
        out.write(at * math.prod(out.shape[1:]) * out.dtype.itemsize, values)
    else:
        out[at : at + len(values)] = values


def _whole(out: NDArray | Filled) -> NDArray:
    return out.array() if isinstance(out, Filled) else out


def _poured(runs: Sequence[Run], numbers: Sequence[Parameter], notes: Notes, empty: Empty) -> dict[str, NDArray]:
    """Return columns of numbers."""
    ends = np.cumsum([0, *(run.times.size for run in runs)]).tolist()
    made = {}
    for p in numbers:
        kinds = [run.table.columns[p.name].dtype for run in runs if run.times.size]
        made[p.name] = empty((ends[-1], *p.size), np.result_type(*kinds) if kinds else "f8")
    fills = {p.name: fill_values(p) for p in numbers}
    told = side_by_side(lambda place: _pour(runs[place], ends[place], made, fills), range(len(runs)))
    columns = {name: _whole(out) for name, out in made.items()}
    for name in set().union(*(filled for _, filled in told)):
        columns[name] = columns[name].astype("f8")
        blank(columns[name], fills[name])
    for name in made:
        if number := sum(lost[name] for lost, _ in told):
            notes.line(f"{number} values of {name} that are infinite or a default fill, not its own, became NaN")
    return columns


def _pour(
    run: Run, at: int, made: Mapping[str, NDArray | Filled], fills: Mapping[str, Sequence[float]]
) -> tuple[dict[str, int], set[str]]:
    """Copy the records of one answer; return how many values of a column were lost, and whole numbers with fills."""
    lost = dict.fromkeys(made, 0)
    filled = set()
    blocks = {name: np.empty((min(ROWS, run.times.size), *out.shape[1:]), out.dtype) for name, out in made.items()}
    for begin in range(0, run.times.size, ROWS):
        end = min(begin + ROWS, run.times.size)
        rows = part_of(run.rows, begin, end)
        for name, out in made.items():
            block = blocks[name][: end - begin]
            block[...] = run.table.columns[name][rows]
            if out.dtype.kind == "f":
                lost[name] += blank(block, fills[name])
            elif any((block == fill).any() for fill in fills[name]):
                filled.add(name)
            _write(out, at + begin, block)
    return lost, filled


def side_by_side(work: Callable[[Any], Result], things: Sequence[Any]) -> list[Result]:
    """Return what a function makes of each thing, some at a time; the first error in their order ends it.

    Examples
    --------
    >>> side_by_side(abs, [-1, 2])
    [1, 2]
    """
    if len(things) < 2 or WORKERS < 2:
        return [work(thing) for thing in things]
    with ThreadPoolExecutor(min(WORKERS, len(things)), thread_name_prefix="sanko-decode") as pool:
        tasks = [pool.submit(work, thing) for thing in things]
        try:
            return [task.result() for task in tasks]
        finally:
            for task in tasks:
                task.cancel()


def part_of(rows: Rows, begin: int, end: int) -> Rows:
    """Return some of the rows of a run, counted from its first."""
    return slice(rows.start + begin, rows.start + end) if isinstance(rows, slice) else rows[begin:end]


def blank(values: NDArray, fills: Sequence[float]) -> int:
    """Make fills NaN in place; return how many others were infinite or an archive's default fill."""
    if not values.size:
        return 0
    low, high = values.min(), values.max()  # NaN if any is, so that nothing is ruled out then
    if low > -FILL_FROM and high < FILL_FROM and all(fill < low or fill > high for fill in fills):
        return 0
    for fill in fills:
        found = values == fill
        if found.any():
            values[found] = np.nan
    if not (np.abs(values) >= FILL_FROM).any():
        return 0
    wrong = is_fill(values)
    values[wrong] = np.nan
    return int(wrong.sum())


def fill_values(parameter: Parameter) -> list[float]:
    """Return the numbers that mean nothing was measured: the fill, as 8 bytes and as 4 hold it.

    Examples
    --------
    >>> one = Parameter("n", "double", 0, (), "1", "-9.999999848243207e+30", "", "", "", (), ())
    >>> fill_values(one)
    [-9.999999848243207e+30, -1e+31]
    """
    if parameter.fill is None or not np.isfinite(fill := float(parameter.fill)):
        return []
    if parameter.type == "integer":
        return [fill]
    with np.errstate(over="ignore"):
        single = np.float32(fill)
    if not np.isfinite(single) or single == 0:
        return [fill]
    found = [fill, float(single)]
    if float(single) == fill:
        found.append(float(str(single)))
    return list(dict.fromkeys(found))


def _texts(runs: Sequence[Run], parameter: Parameter, notes: Notes) -> NDArray:
    """Return a column of texts or of times other than that of the record."""
    parts = [run.table.columns[parameter.name][run.rows] for run in runs if run.times.size]
    if parameter.type == "isotime":
        found = [other_times(part, parameter, notes) for part in parts]
        return np.concatenate(found) if found else np.empty((0, *parameter.size), "M8[ns]")
    decoded = [words(part, parameter, notes) for part in parts]
    return np.concatenate(decoded) if decoded else np.empty((0, *parameter.size), "U1")


def other_times(texts: NDArray, parameter: Parameter, notes: Notes) -> NDArray[np.datetime64]:
    """Return times beside the record's own, NaT for fills."""
    flat = np.ascontiguousarray(texts).ravel()
    empty = flat == b""
    if parameter.fill is not None:
        empty |= flat == parameter.fill.encode()
    values = np.full(flat.shape, np.datetime64("NaT", "ns"))
    if not empty.all():
        found = instants(flat[~empty], f"{notes.file}: {parameter.name}")
        values[~empty] = found.values
        if found.leaps or found.outside:
            lost = found.leaps + found.outside
            notes.line(f"{lost} times of {parameter.name} in a leap second or beyond 1678 to 2261 became NaT")
    return values.reshape(texts.shape)


def words(texts: NDArray, parameter: Parameter, notes: Notes) -> NDArray[np.str_]:
    """Return texts, "" for fills."""
    if texts.dtype.kind == "S":
        found = np.char.decode(np.ascontiguousarray(texts), "utf-8", "replace")
    else:
        found = texts.astype(str)
    if found.dtype.itemsize == 0:
        found = found.astype("U1")
    if (np.char.find(found, "\ufffd") >= 0).any():
        notes.line(f"letters of {parameter.name} that are not UTF-8 became \ufffd")
    if parameter.fill and (filled := found == parameter.fill).any():
        found[filled] = ""
        notes.line(f"the fill {parameter.fill!r} of {parameter.name} became ''")
    return found


def _ordered(
    times: NDArray, columns: dict[str, NDArray], notes: Notes, *, sort: bool
) -> tuple[NDArray, dict[str, NDArray]]:
    """Return records in order of time, exact duplicates once."""
    if back := int((times[1:] < times[:-1]).sum()):
        if not sort:
            place = int(np.argmax(times[1:] < times[:-1]))
            raise WrongData(
                f"{notes.file}: {back} records lie before the one that precedes them, first {times[place + 1]} after "
                f"{times[place]}; HAPI asks for records in order of time (assume={{'sort': 'yes'}} sorts them)"
            )
        order = np.argsort(times, kind="stable")
        times, columns = times[order], {name: values[order] for name, values in columns.items()}
        notes.line("records sorted by time")
    again = np.flatnonzero(times[1:] == times[:-1])
    for name, values in columns.items():
        if not same(values[again], values[again + 1]):
            raise WrongData(
                f"{notes.file}: {again.size} records have the time of the one before, first {times[again[0]]}, but "
                f"other values of {name}; one of each pair must be chosen"
            )
    if not again.size:
        return times, columns
    notes.line(f"{again.size} exact duplicates of records dropped")
    return np.delete(times, again + 1), {k: np.delete(v, again + 1, axis=0) for k, v in columns.items()}


def same(one: NDArray, other: NDArray) -> bool:
    """Return whether two runs of values are equal, nothing being equal to nothing."""
    if one.dtype.kind in "fM":
        return np.array_equal(one, other, equal_nan=True)
    return np.array_equal(one, other)


def check_header(answer: Answer, expected: Sequence[Parameter]) -> None:
    """Refuse an answer whose header declares other parameters than the dataset's description.

    Raises
    ------
    CorruptFile
        Saying what differs: the dataset changed, or the server answered another question.
    """
    found = answer.info.parameters
    if len(found) == len(expected) and all(a.same_as(b) for a, b in zip(found, expected, strict=True)):
        return
    if [p.name for p in found] != [p.name for p in expected]:
        names = ", ".join(p.name for p in found)[:200]
        asked = ", ".join(p.name for p in expected)[:200]
        raise CorruptFile(f"{answer.where}: its header declares the parameters {names}, where {asked} were asked for")
    for one, other in zip(found, expected, strict=True):
        for key in ("type", "size", "units", "fill"):
            if getattr(one, key) != getattr(other, key):
                raise CorruptFile(
                    f"{answer.where}: its header says that {key} of {one.name} is {getattr(one, key)!r}, the dataset's "
                    f"description says {getattr(other, key)!r}: the dataset changed"
                )

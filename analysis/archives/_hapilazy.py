"""HAPI parts as Dask arrays, one chunk a part: a part is decoded when it is computed, and only what is wanted of it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.archives._hapiblocks import Block, Query
from analysis.errors import WrongData
from analysis.formats._facts import Notes
from analysis.formats._hapiinfo import Parameter
from analysis.formats._hapijoin import Rows, Run, blank, fill_values, other_times, words
from analysis.formats._hapirecords import opened, table

ROWS = 1 << 16


def lazily(
    query: Query, found: Sequence[tuple[Block, Path, Run]], clock: array, notes: Notes
) -> tuple[NDArray[np.datetime64], dict[str, Any]]:
    """Return times, and a Dask array for each parameter.

    Parameters
    ----------
    query : Query
    found : sequence of (Block, Path, Run)
        The parts, and which of their records are wanted.
    clock : array
        The times of all; it becomes the result, so that they are never held twice.
    notes : Notes
        Told what was dropped.

    Raises
    ------
    WrongData
        If times are not strictly increasing: what is to be dropped cannot be decided without the values.
    """
    import dask
    import dask.array as da

    sized = [(path, block.url, run.rows, size) for block, path, run in found if (size := count_of(run.rows))]
    times = np.frombuffer(clock, "M8[ns]") if clock else np.empty(0, "M8[ns]")
    if not all((part[1:] > part[:-1]).all() for part in overlapping(times)):
        raise WrongData(f"{notes.file}: records are not in order of time, or two have one time; leave chunks out")
    columns: dict[str, Any] = {}
    for parameter in query.parameters[1:]:
        dtype = dtype_of(parameter)
        pieces = []
        for path, where, rows, size in sized:
            read = dask.delayed(partial(column, path, where, rows, parameter), pure=True)
            pieces.append(da.from_delayed(read(), (size, *parameter.size), dtype))
        columns[parameter.name] = da.concatenate(pieces) if pieces else np.empty((0, *parameter.size), dtype)
    return times, columns


def count_of(rows: Rows) -> int:
    """Return how many rows there are.

    Examples
    --------
    >>> count_of(slice(2, 5)), count_of(np.array([7]))
    (3, 1)
    """
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def overlapping(times: NDArray, rows: int = 1 << 20) -> Iterator[NDArray]:
    """Give times some at a time, the last of each again as the first of the next.

    Examples
    --------
    >>> [part.tolist() for part in overlapping(np.arange(5), 2)]
    [[0, 1, 2], [2, 3, 4], [4]]
    """
    for begin in range(0, len(times), rows):
        yield times[begin : begin + rows + 1]


def dtype_of(parameter: Parameter) -> np.dtype:
    """Return what a parameter's values become, known without looking at them.

    Examples
    --------
    >>> dtype_of(Parameter("n", "integer", 0, (), "1", "-1", "", "", "", (), ()))
    dtype('float64')
    """
    if parameter.type == "integer":
        return np.dtype("i4" if not fill_values(parameter) and parameter.fill is None else "f8")
    return np.dtype({"double": "f8", "isotime": "M8[ns]"}.get(parameter.type, f"U{max(parameter.length, 1)}"))


def column(path: Path, where: str, rows: Any, parameter: Parameter) -> NDArray:
    """Return the wanted records of one parameter of one part, fills as NaN, NaT or "".

    Raises
    ------
    WrongData
        If whole numbers do not fit in 4 bytes, though they are declared as such.
    """
    held = table(opened(path, where)).columns[parameter.name]
    if parameter.type == "isotime":
        return other_times(held[rows], parameter, Notes(where))
    if parameter.type == "string":
        return words(held[rows], parameter, Notes(where)).astype(dtype_of(parameter))
    values = held[rows].astype(dtype_of(parameter), copy=True)
    if values.dtype.kind == "i" and held.dtype != values.dtype and not (values == held[rows]).all():
        raise WrongData(f"{where}: whole numbers of {parameter.name} do not fit in 4 bytes; leave chunks out")
    for begin in range(0, len(values), ROWS) if values.dtype.kind == "f" else ():
        blank(values[begin : begin + ROWS], fill_values(parameter))
    return values

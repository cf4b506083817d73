"""Cells of a map that stay on disk, or in an array: chunks of them, read when they are seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.errors import CorruptFile

READ = 4**8  # cells of a map on disk that are read together
KEPT = 128  # chunks of a level in memory: about 64 MB


@dataclass(frozen=True, eq=False)
class StoredCells:
    """Cells of the whole sky on disk, in chunks of ``size``; ``chunk`` returns one of them."""

    chunk: Callable[[int], np.ndarray]
    size: int


def in_chunks(values: np.ndarray) -> StoredCells:
    """Return the cells of an array, nothing copied.

    Examples
    --------
    >>> in_chunks(np.arange(12.0)).chunk(0)[:2].tolist()
    [0.0, 1.0]
    """
    size = min(READ, values.size)
    return StoredCells(lambda number: values[number * size : (number + 1) * size], size)


def stored_cells(array: xr.DataArray) -> StoredCells:
    """Return the cells of a map of the whole sky in the chunks that it has; the last ones stay in memory.

    Examples
    --------
    >>> held = stored_cells(xr.DataArray(np.arange(12.0), dims="cells").chunk(cells=4))
    >>> held.size, held.chunk(2).tolist()
    (4, [8.0, 9.0, 10.0, 11.0])
    """
    size = array.size
    if array.chunks:
        size = array.chunks[0][0]
    elif not array.variable._in_memory:
        size = min(size, (array.encoding.get("chunks") or (READ,))[-1])

    @lru_cache(maxsize=KEPT)
    def chunk(number: int) -> np.ndarray:
        return read_cells(array.variable[number * size : (number + 1) * size])

    return StoredCells(chunk, size)


def read_cells(variable: xr.Variable) -> np.ndarray:
    """Return the values of a variable; of one on disk only as long as its store is the one that was opened.

    Its encoding has the ``source``, and what :func:`stamp` said of that when it was opened.

    Raises
    ------
    CorruptFile
        If it cannot be read, or another store took the place.

    Examples
    --------
    >>> read_cells(xr.Variable("cells", [1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    source = str(variable.encoding.get("source", ""))
    if "stamp" in variable.encoding and variable.encoding["stamp"] != stamp(source):
        raise CorruptFile(f"{source} was written anew, or taken away, since it was opened; open it again")
    try:
        return np.asarray(variable.values)
    except (ValueError, RuntimeError, OSError) as error:
        raise CorruptFile(f"cells of {source or 'the map'} cannot be read: {error}") from error


def stamp(source: str) -> tuple[int, int] | None:
    """Return what a store's place is recognized by, for another that takes it has another; None if nothing is there.

    Examples
    --------
    >>> stamp("nothing.zarr") is None
    True
    """
    try:
        found = Path(source).stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def looked_up(stored: StoredCells, cells: np.ndarray) -> np.ndarray:
    """Return the values of cells, of which the chunks that are needed are laid end to end.

    Examples
    --------
    >>> looked_up(StoredCells(lambda number: np.arange(4.0) + 4 * number, 4), np.array([9, 2])).tolist()
    [9.0, 2.0]
    """
    if not cells.size:
        return np.empty(0, np.float32)
    numbers = cells // stored.size
    first = int(numbers.min())
    needed = np.zeros(int(numbers.max()) - first + 1, bool)
    needed[numbers - first] = True
    found = np.flatnonzero(needed)
    held = np.concatenate([stored.chunk(first + int(number)) for number in found]).astype(np.float32, copy=False)
    shift = np.zeros(needed.size, np.int64)  # from a cell's number to its place among those held
    shift[found] = (np.arange(found.size) - first - found) * stored.size
    return held[cells + shift[numbers - first]]

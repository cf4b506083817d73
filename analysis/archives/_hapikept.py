"""The decoded records of earlier requests of this process, in memory that no file name leads to.

The arrays of a request lie together in an anonymous memory file. Who asks again gets a map of it that is copied where
it is written to: no number is moved, and what one user changes is his alone. The file itself is never written to once
it is kept, and it is gone with the process, however that ends.

Records are kept under the checksums of the parts that they were decoded from, so that parts which changed are never
answered for. Names, units and everything else that a description says are not kept: they are made anew each time.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import mmap
import os
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analysis.formats._hapiinfo import Parameter
from analysis.formats._hapijoin import Filled

MOST = 512 << 20  # bytes that are kept; what was not asked for longest goes first
FILES = 64  # requests that are kept, each of which holds a descriptor open
MAPS = 128  # and so does each map that a user still looks at; further ones get copies
SMALL = 1 << 20  # bytes that are sooner copied than mapped
TIMES = ""  # stands for the times among the names of columns, which are never empty
_FIXED = {"double": "f8", "integer": "i4", "isotime": "M8[ns]"}  # types that do not come from the values


@dataclass(frozen=True)
class Records:
    """Times, strictly increasing, and columns, fills as NaN, with what was said of them as they were decoded.

    ``after`` are the records that a gap follows. ``shared`` says that they were given out, and so checked, before.
    """

    times: NDArray[np.datetime64]
    columns: dict[str, NDArray]
    history: tuple[str, ...]
    after: NDArray[np.intp]
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What records answer to, and all that they depend on.

    Parameters
    ----------
    server, dataset : str
        Whose they are.
    parameters : tuple of Parameter
        The columns with their fills, the time first.
    cadence : int or None
        What decides what a gap is.
    sort : bool
        Whether they may have been sorted.
    parts : tuple
        Of each part checksum, interval and format, in order; parts do not overlap.
    start, stop : numpy.datetime64
        Half-open interval.
    """

    server: str
    dataset: str
    parameters: tuple[Parameter, ...]
    cadence: int | None
    sort: bool
    parts: tuple[tuple[str, np.datetime64, np.datetime64, str], ...]
    start: np.datetime64
    stop: np.datetime64

    def all_in(self, other: Asked) -> bool:
        """Return whether another request is for the same and more."""
        return bool(
            other.start <= self.start
            and self.stop <= other.stop
            and (self.server, self.dataset, self.sort) == (other.server, other.dataset, other.sort)
            and self.cadence == other.cadence
            and set(self.parts) <= set(other.parts)
            and self.parameters == other.parameters
        )


class _File:
    """An anonymous file of this process, closed with the last who knows of it."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("sanko-records", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as unnamed:
                self.descriptor = os.dup(unnamed.fileno())

    def __del__(self, close: Any = os.close) -> None:
        with contextlib.suppress(AttributeError, OSError):
            close(self.descriptor)


class Room:
    """Where the arrays of one request are made, so that they can be kept without moving them.

    They are written to the file, not to a map of it: that takes half the time, and where no memory is left it is an
    error and not the end of the process.

    Parameters
    ----------
    size : int
        Bytes of all arrays that will be asked for here. What is too much, or more than the system gives, gets
        ordinary arrays, and nothing is kept of it.
    """

    def __init__(self, size: int):
        self.file: _File | None = None
        self.size = 0
        self._room = size
        self._map: mmap.mmap | None = None
        self._made: list[tuple[NDArray, int]] = []
        if 0 < size <= MOST:
            with contextlib.suppress(OSError):
                self.file = _File()

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray | Filled:
        """Return what an array's values are to be written into, once."""
        kind = np.dtype(dtype)
        place, end = self.size, self.size + _aligned(math.prod(shape) * kind.itemsize)
        if self.file is None or place == end or end > self._room:
            return np.empty(shape, kind)
        self.size = end
        return Filled(
            shape, kind, lambda at, values: self._write(place + at, values), lambda: self._array(place, shape, kind)
        )

    def _write(self, place: int, values: NDArray) -> None:
        assert self.file is not None
        left = memoryview(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        while left:
            written = os.pwrite(self.file.descriptor, left, place)
            left, place = left[written:], place + written

    def _array(self, place: int, shape: tuple[int, ...], kind: np.dtype) -> NDArray:
        assert self.file is not None
        if self._map is None:
            os.ftruncate(self.file.descriptor, self._room)
            self._map = mmap.mmap(self.file.descriptor, self._room, access=mmap.ACCESS_COPY)
        made = np.frombuffer(self._map, kind, math.prod(shape), place).reshape(shape)
        self._made.append((made, place))
        return made

    def place_of(self, values: NDArray) -> int | None:
        """Return where an array begins in the file; one that was made elsewhere is copied there. None: no room."""
        for made, place in self._made:
            if made is values:
                return place
        place, end = self.size, self.size + _aligned(values.nbytes)
        if self.file is None or values.dtype.hasobject or end > MOST:
            return None
        self._write(place, values)
        self.size = end
        if end > self._room:
            os.ftruncate(self.file.descriptor, end)
        return place


def room_for(count: int, parameters: Sequence[Parameter]) -> Room:
    """Return room for so many records of a time and columns of numbers."""
    widths = [8, *(8 * p.columns for p in parameters if p.type in ("double", "integer"))]
    return Room(sum(_aligned(count * width) for width in widths))


def _aligned(count: int) -> int:
    return -(-count // 64) * 64


@dataclass(frozen=True)
class _Kept:
    """An entry: where each array lies, and what it answers."""

    asked: Asked
    file: _File
    size: int
    places: Mapping[str, tuple[int, np.dtype, tuple[int, ...]]]
    history: tuple[str, ...]
    after: NDArray[np.intp]

    @property
    def bytes(self) -> int:
        """How many it takes."""
        return self.size + self.after.nbytes

    def answers(self, asked: Asked) -> bool:
        """Return whether another request's records are these, or some of these.

        Some are not where something was said of all (a count of what was dropped), or where a column's type comes
        from its values, which are fewer then.
        """
        if not asked.all_in(self.asked):
            return False
        if (asked.start, asked.stop, asked.parts) == (self.asked.start, self.asked.stop, self.asked.parts):
            return True
        return not self.history and all(
            self.places[parameter.name][1] == _FIXED.get(parameter.type) for parameter in asked.parameters[1:]
        )


_kept: OrderedDict[int, _Kept] = OrderedDict()
_numbers = itertools.count()
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
_lock = threading.Lock()


def _in_a_child() -> None:
    """Give a fork a lock that no thread of its parent's holds; what is kept is nobody's to write to, and stays."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_in_a_child)


def taken(asked: Asked) -> Records | None:
    """Return the records that answer a request, None if none are kept."""
    with _lock:
        number = next((number for number in reversed(_kept) if _kept[number].answers(asked)), None)
        if number is None:
            return None
        _kept.move_to_end(number)
        entry = _kept[number]
    return _seen(entry, asked)


def keep(asked: Asked, records: Records, room: Room) -> Records:
    """Return records as they are to be given out, and keep them if there is room.

    None of the arrays may have been written to since :func:`joined` gave them.
    """
    if not records.times.size:
        return records
    places = {}
    try:
        for name, values in {TIMES: records.times, **records.columns}.items():
            place = room.place_of(values)
            if place is None:
                return records
            places[name] = place, values.dtype, values.shape
    except OSError:  # no memory is left
        return records
    assert room.file is not None
    entry = _Kept(asked, room.file, room.size, places, records.history, records.after)
    own = _seen(entry, asked)
    if own is None:
        return records
    with _lock:
        for number in [number for number, one in _kept.items() if one.asked == asked]:
            del _kept[number]
        _kept[next(_numbers)] = entry
        while len(_kept) > FILES or sum(one.bytes for one in _kept.values()) > MOST:
            _kept.popitem(last=False)
    return replace(own, shared=False)


def forget() -> None:
    """Keep nothing of what is kept now; whoever holds records goes on holding them."""
    with _lock:
        _kept.clear()


def held() -> Iterator[tuple[Asked, int]]:
    """Give what is kept, with its bytes, that which will go first at first."""
    with _lock:
        entries = list(_kept.values())
    for one in entries:
        yield one.asked, one.bytes


def _seen(entry: _Kept, asked: Asked) -> Records | None:
    """Return the records of an entry that a request asks for; None where the system gives no map of it."""
    try:
        whole = mmap.mmap(entry.file.descriptor, entry.size, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):
        return None
    arrays = {
        name: np.frombuffer(whole, kind, math.prod(shape), place).reshape(shape)
        for name, (place, kind, shape) in entry.places.items()
    }
    times = arrays.pop(TIMES)
    first, last = np.searchsorted(times, np.array([asked.start, asked.stop], times.dtype)) if times.size else (0, 0)
    size = sum(values[first:last].nbytes for values in arrays.values())
    times, columns = times[first:last], {name: values[first:last] for name, values in arrays.items()}
    with _lock:
        copied = size <= SMALL or len(_maps) >= MAPS
        if not copied:
            _maps.add(whole)
    if copied:
        times, columns = times.copy(), {name: values.copy() for name, values in columns.items()}
    near = entry.after[slice(*np.searchsorted(entry.after, [first, last - 1]))] - first
    return Records(times, columns, entry.history, near, shared=True)

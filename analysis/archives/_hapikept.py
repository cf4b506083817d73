"""The decoded records of earlier requests of this process, in memory that no file name leads to.

The arrays of a request lie together in an anonymous memory file. Who asks again gets a map of it that is copied where
it is written to: no number is moved, and what one user changes is his alone. The file itself is never written to once
it is kept, and it is gone with the process, however that ends.

Records are kept under the checksums of the parts that they were decoded from, so that parts which changed are never
answered for. Names, units and everything else that a description says are not kept: they are made anew each time.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MOST = 512 << 20  # bytes that are kept; what was not asked for longest goes first
FILES = 64  # requests that are kept, each of which holds a descriptor open
MAPS = 128  # and so does each map that a user still looks at; further ones get copies
SMALL = 1 << 20  # bytes that are sooner copied than mapped
TIMES = ""  # stands for the times among the names of columns, which are never empty
_ALIGNED = 64


@dataclass(frozen=True)
class Records:
    """Times, strictly increasing, and columns, fills as NaN, with what was said of them as they were decoded.

    ``after`` are the records that a gap follows, None where that was not looked for. ``shared`` says that some of
    them were given out, and so checked, before.
    """

    times: NDArray[np.datetime64]
    columns: Mapping[str, NDArray]
    history: tuple[str, ...] = ()
    after: NDArray[np.intp] | None = None
    shared: bool = False


@dataclass(frozen=True)
class Asked:
    """What records answer to.

    Parameters
    ----------
    source : hashable
        Server, dataset, parameters, and how they were decoded.
    parts : tuple
        Of each part checksum, interval and format, in order; parts of one source do not overlap.
    start, stop : numpy.datetime64
        Half-open interval.
    """

    source: Hashable
    parts: tuple[Hashable, ...]
    start: np.datetime64
    stop: np.datetime64


class _File:
    """An anonymous file of this process, closed with the last who knows of it."""

    def __init__(self, size: int):
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("sanko-records", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as unnamed:
                self.descriptor = os.dup(unnamed.fileno())
        os.ftruncate(self.descriptor, size)

    def __del__(self, close: Any = os.close) -> None:
        with contextlib.suppress(AttributeError, OSError):
            close(self.descriptor)


class Room:
    """Where the arrays of one request are made, so that they can be kept without moving them.

    Parameters
    ----------
    size : int
        Bytes of all arrays that will be asked for here. What is too much, or more than the system gives, gets
        ordinary arrays, and nothing is kept of it.
    """

    def __init__(self, size: int):
        self.file: _File | None = None
        self.size = 0
        self._map: mmap.mmap | None = None
        self._made: list[tuple[NDArray, int]] = []
        room = size + 4096
        if 0 < size and room <= MOST:
            with contextlib.suppress(OSError, ValueError):
                self.file = _File(room)
                self._map = mmap.mmap(self.file.descriptor, room)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
        """Return an array whose values are to be written once, before :func:`keep`."""
        kind = np.dtype(dtype)
        bytes_of = math.prod(shape) * kind.itemsize
        if self._map is None or not bytes_of or self.size + bytes_of > len(self._map):
            return np.empty(shape, kind)
        made = np.frombuffer(self._map, kind, math.prod(shape), self.size).reshape(shape)
        self._made.append((made, self.size))
        self._grown(bytes_of)
        return made

    def place_of(self, values: NDArray) -> int | None:
        """Return where an array begins in the file; one that was made elsewhere is copied there. None: no room."""
        for made, place in self._made:
            if made is values:
                return place
        place = self.size
        if self.file is None or values.dtype.hasobject or place + values.nbytes > MOST:
            return None
        left = memoryview(np.ascontiguousarray(values).reshape(-1).view(np.uint8))
        written = 0
        while written < len(left):
            written += os.pwrite(self.file.descriptor, left[written:], place + written)
        self._grown(values.nbytes)
        return place

    def _grown(self, count: int) -> None:
        self.size += -(-count // _ALIGNED) * _ALIGNED


@dataclass(frozen=True)
class _Kept:
    """An entry: where each array lies, and what it answers."""

    asked: Asked
    file: _File
    size: int
    places: Mapping[str, tuple[int, np.dtype, tuple[int, ...]]]
    history: tuple[str, ...]
    after: NDArray[np.intp]

    def answers(self, asked: Asked) -> bool:
        """Return whether another request's records are these, or some of these.

        Those of a part of the interval are not where something was said of all (a count of what was dropped), or
        where a column's type comes from its values, which are fewer then.
        """
        mine = self.asked
        if asked.parts == mine.parts and (asked.start, asked.stop) == (mine.start, mine.stop):
            return True
        inside = mine.start <= asked.start and asked.stop <= mine.stop and set(asked.parts) <= set(mine.parts)
        return inside and not self.history and self._of_fixed_types()

    def _of_fixed_types(self) -> bool:
        parameters = {p.name: p for p in getattr(self.asked.source, "parameters", ())}
        wanted = {"double": "f8", "integer": "i4", "isotime": "M8[ns]"}
        return all(
            kind == wanted.get(parameters[name].type)
            for name, (_, kind, _) in self.places.items()
            if name != TIMES
        )


_kept: OrderedDict[int, _Kept] = OrderedDict()
_number = iter(range(1 << 62))
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
        number = next((n for n in reversed(_kept) if _kept[n].asked.source == asked.source and _kept[n].answers(asked)), None)
        if number is None:
            return None
        _kept.move_to_end(number)
        entry = _kept[number]
    return _seen(entry, asked)


def keep(asked: Asked, records: Records, room: Room) -> Records:
    """Return records as they are to be given out, and keep them if there is room.

    Arrays that were made by ``room`` must not be used any more.
    """
    named = {TIMES: records.times, **records.columns}
    places = {}
    after = records.after if records.after is not None else np.empty(0, np.intp)
    try:
        for name, values in named.items():
            place = room.place_of(values)
            if place is None or room.size + after.nbytes > MOST:
                return records
            places[name] = place, values.dtype, values.shape
    except OSError:  # the machine's memory is full
        return records
    assert room.file is not None
    entry = _Kept(asked, room.file, room.size, places, records.history, after)
    own = _seen(entry, asked)
    if own is None:
        return records
    with _lock:
        for number in [n for n, one in _kept.items() if one.asked == asked]:
            del _kept[number]
        _kept[next(_number)] = entry
        total = sum(one.size + one.after.nbytes for one in _kept.values())
        while total > MOST or len(_kept) > FILES:
            _, gone = _kept.popitem(last=False)
            total -= gone.size + gone.after.nbytes
    return Records(own.times, own.columns, records.history, records.after)


def forget() -> None:
    """Keep nothing of what is kept now; whoever holds records goes on holding them."""
    with _lock:
        _kept.clear()


def held() -> Iterator[tuple[Asked, int]]:
    """Give what is kept, with its bytes, that which will go first at first."""
    with _lock:
        entries = list(_kept.values())
    for one in entries:
        yield one.asked, one.size + one.after.nbytes


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

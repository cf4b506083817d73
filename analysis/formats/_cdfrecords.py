"""The records inside a CDF file, followed once before compiled code follows them.

CDF is records that point at each other by byte offset. A reader in C++ that trusts a damaged offset or count takes
the whole process down, so every link, size and count it would follow is looked at here first; no value is decoded.
A file that was cut short, or whose blocks don't add up to the records it declares, is refused by the same walk.

References
----------
NASA Space Physics Data Facility, *CDF Internal Format Description*, version 3.9 (and 2.7 for narrow offsets).
"""

from __future__ import annotations

import hashlib
import math
import mmap
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial

from analysis.errors import CorruptFile, UnknownFormat

Buffer = bytes | mmap.mmap

MAGIC = (b"\xcd\xf3\x00\x01", b"\xcd\xf2\x60\x02", b"\x00\x00\xff\xff")
PLAIN, COMPRESSED = b"\x00\x00\xff\xff", b"\xcc\xcc\x00\x01"
CDR, GDR, RVDR, ADR, GEDR, VXR, VVR, ZVDR, ZEDR, CCR, CPR, CVVR = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13
SIZES = {
    1: 1,
    2: 2,
    4: 4,
    8: 8,
    11: 1,
    12: 2,
    14: 4,
    21: 4,
    22: 8,
    31: 8,
    32: 16,
    33: 8,
    41: 1,
    44: 4,
    45: 8,
    51: 1,
    52: 1,
}
RLE, GZIP = 1, 5
MAX_DIMS = 20
SPARSE_GROWTH = 1032  # deflate's own limit; room enough for any real file with sparse records


@dataclass(frozen=True)
class _Walk:
    """A file being followed: ``wide`` has 64-bit offsets (version 3), ``old`` is 2.4 and before."""

    content: Buffer
    name: str
    wide: bool
    old: bool
    end: int
    seen: set[int] = field(default_factory=set)
    later: dict[str, list[Callable[[], None]]] | None = None  # looks at compressed values, put off by variable


@dataclass(frozen=True)
class _Block:
    first: int
    last: int
    kind: int
    room: int  # bytes of values, or of compressed values
    at: int


def is_cdf(head: bytes) -> bool:
    """Return whether these are the first bytes of a CDF file of version 2 or 3.

    Examples
    --------
    >>> is_cdf(bytes.fromhex("cdf300010000ffff")), is_cdf(b"CDF\\x01")  # the second is netCDF 3
    (True, False)
    """
    return head[:4] in MAGIC and head[4:8] in (PLAIN, COMPRESSED)


def sound(content: Buffer, name: str, later: dict[str, list[Callable[[], None]]] | None = None) -> bytes | None:
    """Return the unpacked file if it is compressed as a whole, else None; refuse it if its records don't fit together.

    Parameters
    ----------
    content : bytes or mmap.mmap
        The file.
    name : str
        Its name, for messages.
    later : dict, optional
        Is given, by variable, the looks at compressed values, to be called before those values are read; without
        it they are taken at once. What they raise is the same.

    Raises
    ------
    CorruptFile
        Naming the file, the byte and what does not fit: cut short, a link that leads nowhere, blocks that don't
        hold the records declared, a checksum that differs.
    UnknownFormat
        For the kinds that nothing here reads: several files in one, Huffman compression.
    """
    packed = content[4:8] == COMPRESSED
    plain = _unpacked(content, name) if packed else content
    walk = _opened(plain, name, later)
    if not packed and _flags(walk) & 4:
        _same_checksum(content, name)
    gdr = _field(walk, 8 + _header_size(walk), "O")[0]
    at = _record(walk, gdr, (GDR,))[1]
    r_head, z_head, a_head, _, n_r, n_a, _, n_dims, n_z = _field(walk, at, "OOOOiiiii")
    if not 0 <= n_dims <= MAX_DIMS:
        raise _broken(walk, at, f"{n_dims} dimensions")
    dims = _field(walk, at + _layout("OOOOiiiiiOiii", walk.wide).size, "i" * n_dims)
    _variables(walk, r_head, RVDR, n_r, dims)
    _variables(walk, z_head, ZVDR, n_z, ())
    _attributes(walk, a_head, n_a, n_r, n_z)
    return bytes(plain) if packed else None


def _broken(walk: _Walk, at: int, what: str) -> CorruptFile:
    return CorruptFile(f"{walk.name}: damaged CDF, at byte {at}: {what}; get the file again")


@cache
def _layout(code: str, wide: bool) -> struct.Struct:
    return struct.Struct(">" + code.replace("O", "q" if wide else "i"))


def _header_size(walk: _Walk) -> int:
    return 12 if walk.wide else 8


def _field(walk: _Walk, at: int, code: str) -> tuple[int, ...]:
    layout = _layout(code, walk.wide)
    if at < 0 or at + layout.size > walk.end:
        raise _broken(walk, at, "a record that reaches beyond the end of the file")
    return layout.unpack_from(walk.content, at)


def _record(walk: _Walk, at: int, kinds: tuple[int, ...], again: bool = False) -> tuple[int, int, int]:
    """Return kind, place of the body and place of the end of a record that lies within the file."""
    size, kind = _field(walk, at, "Oi")
    if kind not in kinds or at < 8 or size < _header_size(walk) or at + size > walk.end:
        raise _broken(walk, at, f"a record of type {kind} and {size} bytes where one of type {kinds} should be")
    if at in walk.seen and not again:
        raise _broken(walk, at, "two records point at the same one")
    walk.seen.add(at)
    return kind, at + _header_size(walk), at + size


def _unpacked(content: Buffer, name: str) -> bytes:
    """Return the file that a compressed one holds."""
    walk = _Walk(content, name, content[:4] == MAGIC[0], False, len(content))
    _, at, end = _record(walk, 8, (CCR,))
    cpr, size, _ = _field(walk, at, "OOi")
    method = _method(walk, cpr)
    packed = bytes(content[at + _layout("OOi", walk.wide).size : end])
    if not 0 < size <= SPARSE_GROWTH * len(content):
        raise _broken(walk, at, f"{len(packed)} compressed bytes cannot hold the {size} it declares")
    try:
        plain = zlib.decompressobj(wbits=47).decompress(packed, size + 1) if method == GZIP else _runs(packed)
    except zlib.error as error:
        raise _broken(walk, at, f"its compressed content cannot be unpacked ({error})") from error
    if len(plain) != size:
        raise _broken(walk, at, f"its compressed content gives {len(plain)} bytes, not the {size} it declares")
    return bytes(content[:4]) + PLAIN + plain


def _runs(packed: bytes) -> bytes:
    """Return what run-length coded zeros stand for: a zero and n are n + 1 zeros."""
    return re.sub(rb"\x00(.)", lambda run: bytes(run[1][0] + 1), packed, flags=re.DOTALL)


def _opened(content: Buffer, name: str, later: dict[str, list[Callable[[], None]]] | None) -> _Walk:
    wide = content[:4] == MAGIC[0]
    walk = _Walk(content, name, wide, False, len(content))
    _, at, _ = _record(walk, 8, (CDR,))
    gdr, version, release = _field(walk, at, "Oii")
    walk = _Walk(content, name, wide, not wide and (version, release) < (2, 5), len(content), walk.seen)
    if not _flags(walk) & 2:
        raise UnknownFormat(f"{name} is the head of a CDF in several files; make it one file with NASA's cdfconvert")
    eof = _field(walk, gdr + _header_size(walk), "OOOO")[3]
    if eof > len(content) or eof < 8:
        raise CorruptFile(f"{name}: cut short: it has {len(content)} bytes and says it has {eof}; get the file again")
    return _Walk(content, name, wide, walk.old, eof, walk.seen, later)


def _flags(walk: _Walk) -> int:
    return _field(walk, 8 + _header_size(walk), "Oiiii")[4]


def _same_checksum(content: Buffer, name: str) -> None:
    if hashlib.md5(memoryview(content)[:-16], usedforsecurity=False).digest() != content[-16:]:
        raise CorruptFile(f"{name}: its content is not what the checksum at its end says; get the file again")


def _variables(walk: _Walk, head: int, kind: int, count: int, dims: tuple[int, ...]) -> None:
    numbers: list[int] = []
    at = head
    while at:
        at = _variable(walk, at, kind, dims, numbers)
    if len(numbers) != count or sorted(numbers) != list(range(count)):
        raise _broken(walk, head, f"the list of variables has {len(numbers)} entries where {count} are declared")


def _variable(walk: _Walk, start: int, kind: int, dims: tuple[int, ...], numbers: list[int]) -> int:
    """Follow one variable and its blocks; return where the next one is."""
    _, at, end = _record(walk, start, (kind,))
    following, data_type, last_record, index, _, flags, sparse, _, _ = _field(walk, at, "OiiOOiiii")
    at += _layout("OiiOOiiii", walk.wide).size + (132 if walk.old else 4)
    elements, number, packing, _ = _field(walk, at, "iiOi")
    at += _layout("iiOi", walk.wide).size
    room = 256 if walk.wide else 64
    name = bytes(walk.content[at : at + room]).split(b"\0")[0].decode("utf-8", "replace")
    at += room
    if kind == ZVDR:
        n_dims = _field(walk, at, "i")[0]
        if not 0 <= n_dims <= MAX_DIMS:
            raise _broken(walk, at, f"a variable of {n_dims} dimensions")
        dims = _field(walk, at + 4, "i" * n_dims)
        at += 4 + 4 * n_dims
    varies = _field(walk, at, "i" * len(dims))
    at += 4 * len(dims)
    if data_type not in SIZES or elements < 1 or min((*dims, 1)) < 1 or last_record < -1:
        raise _broken(walk, start, f"a variable of type {data_type}, {elements} elements, {dims}, {last_record}")
    if data_type not in (51, 52) and elements != 1:
        raise _broken(walk, start, f"{elements} elements in a value of type {data_type}")
    element = SIZES[data_type] * elements
    if at + (element if flags & 2 else 0) > end:
        raise _broken(walk, start, "a variable's record is too short")
    record = element * math.prod(size for size, vary in zip(dims, varies, strict=True) if vary)
    method = _method(walk, packing) if flags & 4 else 0
    if last_record >= 0 or index:
        packed = _blocks_hold(walk, index, last_record, record, bool(sparse))
        look = partial(_unpack_whole, walk, packed, method)
        if packed and walk.later is not None:
            walk.later.setdefault(name, []).append(look)
        else:
            look()
    numbers.append(number)
    return following


def _method(walk: _Walk, packing: int) -> int:
    """Return how something is compressed, as its record of parameters says."""
    _, at, end = _record(walk, packing, (CPR,), again=True)
    method, _, parameters = _field(walk, at, "iii")
    if not 0 <= parameters <= (end - at - 12) // 4:
        raise _broken(walk, packing, f"{parameters} parameters of compression")
    if method not in (RLE, GZIP):
        raise UnknownFormat(f"{walk.name} is a CDF compressed by method {method}; run-length (1) and gzip (5) are read")
    return method


def _blocks_hold(walk: _Walk, index: int, last_record: int, record: int, sparse: bool) -> list[tuple[_Block, int]]:
    """Refuse a variable whose blocks don't hold the records that it says it has; return those that are compressed."""
    following, holes = 0, False
    packed: list[tuple[_Block, int]] = []
    for block in _blocks(walk, index):
        if block.first > last_record:
            continue
        if block.first < following or block.last < block.first:
            raise _broken(walk, block.at, f"records {block.first} to {block.last} after record {following - 1}")
        holes |= block.first > following
        following = block.last + 1
        needed = (min(block.last, last_record) - block.first + 1) * record
        if block.kind != VVR:
            packed.append((block, needed))
        elif block.room < needed:
            raise _broken(walk, block.at, f"{block.room} bytes for records of {record} bytes, {needed} in all")
    if following <= last_record or (holes and not sparse):
        raise _broken(walk, index, f"not all records are there: {last_record + 1} are declared")
    if sparse and (last_record + 1) * record > SPARSE_GROWTH * walk.end:
        raise _broken(walk, index, f"{last_record + 1} records of {record} bytes in a file of {walk.end}")
    return packed


def _unpack_whole(walk: _Walk, packed: list[tuple[_Block, int]], method: int) -> None:
    """Refuse compressed values that don't unpack to as many bytes as their records need."""
    for block, needed in packed:
        if (room := _unpacked_size(walk, block, method)) < needed:
            raise _broken(walk, block.at, f"values unpack to {room} bytes where records need {needed}")


def _blocks(walk: _Walk, index: int, depth: int = 0) -> Iterator[_Block]:
    """Yield the blocks that hold a variable's values, in the order of the index."""
    if depth > 8:
        raise _broken(walk, index, "an index nested too deeply")
    while index:
        _, at, end = _record(walk, index, (VXR,))
        following, room, used = _field(walk, at, "Oii")
        at += _layout("Oii", walk.wide).size
        if not 0 <= used <= room or at + room * (16 if walk.wide else 12) > end:
            raise _broken(walk, index, f"an index of {used} of {room} entries")
        numbers = _field(walk, at, "i" * (2 * room))
        places = _field(walk, at + 8 * room, "O" * room)
        for first, last, place in zip(numbers[:used], numbers[room : room + used], places, strict=False):
            size, kind = _field(walk, place, "Oi")
            if kind == VXR:
                yield from _blocks(walk, place, depth + 1)
                continue
            _, body, stop = _record(walk, place, (VVR, CVVR))
            if kind == CVVR:
                packed = _field(walk, body, "iO")[1]
                body += _layout("iO", walk.wide).size
                if not 0 < packed <= stop - body:
                    raise _broken(walk, place, f"{packed} compressed bytes in a record of {size}")
                stop = body + packed
            yield _Block(first, last, kind, stop - body, body)
        index = following


def _unpacked_size(walk: _Walk, block: _Block, method: int) -> int:
    """Return how many bytes a compressed block unpacks to.

    It is unpacked here, a piece at a time, because pycdfpp takes a block whose checksum differs for a good one.
    """
    packed = walk.content[block.at : block.at + block.room]
    if method == RLE:
        return len(_runs(packed))
    stream, size = zlib.decompressobj(wbits=31), 0
    try:
        while packed and not stream.eof:
            size += len(stream.decompress(packed, 1 << 20))
            packed = stream.unconsumed_tail
    except zlib.error as error:
        raise _broken(walk, block.at, f"compressed values that cannot be unpacked ({error})") from error
    return size if stream.eof else 0


def _attributes(walk: _Walk, head: int, count: int, n_r: int, n_z: int) -> None:
    numbers = []
    at = head
    while at:
        start = at
        _, at, _ = _record(walk, at, (ADR,))
        following, r_entries, scope, number, _, _, _, z_entries = _field(walk, at, "OOiiiiiO")
        _field(walk, at + _layout("OOiiiiiOiii", walk.wide).size, "B" * (256 if walk.wide else 64))
        if scope not in (1, 2, 3, 4):
            raise _broken(walk, start, f"an attribute of scope {scope}")
        of_file = scope in (1, 3)
        _entries(walk, r_entries, GEDR, None if of_file else n_r)
        _entries(walk, z_entries, ZEDR, None if of_file else n_z)
        numbers.append(number)
        at = following
    if len(numbers) != count or sorted(numbers) != list(range(count)):
        raise _broken(walk, head, f"the list of attributes has {len(numbers)} entries where {count} are declared")


def _entries(walk: _Walk, at: int, kind: int, variables: int | None) -> None:
    """Follow an attribute's entries; those of variables must name one that there is."""
    while at:
        start = at
        _, at, end = _record(walk, at, (kind,))
        following, _, data_type, number, elements = _field(walk, at, "Oiiii")
        at += _layout("Oiiiiiiiii", walk.wide).size
        if data_type not in SIZES or elements < 0 or at + SIZES[data_type] * elements > end:
            raise _broken(walk, start, f"an attribute of {elements} elements of type {data_type}")
        if number < 0 or (variables is not None and number >= variables):
            raise _broken(walk, start, f"an attribute of variable {number}, which is not there")
        at = following

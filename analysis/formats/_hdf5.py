"""HDF5 by itself: what must hold before its library is let loose on a file, and arrays without netCDF's conventions."""

from __future__ import annotations

import io
import mmap
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import CorruptFile
from analysis.formats._facts import Notes

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAP = re.compile(re.escape(b"GCOL\x01\x00\x00\x00"))
OBJECT = struct.Struct("<HHIQ")  # index, reference count, reserved, size
ROOM = 1 << 30  # bytes that a file of any size may unpack to
NO_ARRAY = "left out, lists of varying length, which are no array"
GROWTH = 2000  # beyond that, more than any filter makes of a file


def starts() -> tuple[int, ...]:
    """Return where the signature may be within the first 64 KiB: a block of the user's own may come before it."""
    return (0, *(512 << i for i in range(7)))


def refuse_endless_heaps(path: Path) -> None:
    """Refuse a file whose heaps of text and references have an object of no size.

    libhdf5 (2.0 and before) steps from object to object by their sizes, and never returns when one is zero.

    References
    ----------
    The HDF Group, *HDF5 File Format Specification* 3.0, section III.E, "Global Heap".
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if _length_size(content) != 8:
            return
        for found in HEAP.finditer(content):
            at = found.start()
            end = at + int.from_bytes(content[at + 8 : at + 16], "little")
            place = at + 16
            while place + OBJECT.size <= min(end, len(content)):
                index, _, _, size = OBJECT.unpack_from(content, place)
                step = size if index == 0 else OBJECT.size + -(-size // 8) * 8
                if step < OBJECT.size or (index == 0 and place + step > end):
                    raise CorruptFile(f"{path.name}: damaged HDF5, a heap object of {size} bytes at byte {place}")
                place += step


def _length_size(content: mmap.mmap) -> int:
    """Return how many bytes a length takes in this file, as the superblock says."""
    start = next((at for at in starts() if content[at : at + 8] == SIGNATURE), None)
    if start is None:
        return 0
    return content[start + (14 if content[start + 8] < 2 else 10)]


def refuse_unlikely_sizes(held: h5py.File, path: Path) -> None:
    """Refuse arrays so large, alone or together, that a file of this size cannot hold them.

    What an array declares and the file has no room for would be made of fill values, which a few bytes can ask for.
    """
    size = path.stat().st_size
    total = empty = 0.0
    for group in groups(held):
        for name, array in datasets(group).items():
            if not array.shape:
                continue
            declared = array.dtype.itemsize * float(np.prod(array.shape, dtype=float))
            total, empty = total + declared, empty + max(0.0, declared - _allocated(array))
            if total > max(ROOM, GROWTH * size) or empty > 4 * size + ROOM:
                raise CorruptFile(f"{path.name}: {name} declares the shape {array.shape}, more than the file can hold")


def _allocated(array: h5py.Dataset) -> float:
    """Return how many bytes of an array the file has room for, unpacked."""
    if array.chunks is None:
        return float(array.id.get_storage_size())
    return array.id.get_num_chunks() * array.dtype.itemsize * float(np.prod(array.chunks, dtype=float))


def datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Return the arrays of one group by name, links that :func:`idle_links` names apart."""
    import h5py

    idle = idle_links(group)
    return {name: item for name in group if name not in idle and isinstance(item := group[name], h5py.Dataset)}


def idle_links(group: h5py.Group) -> list[str]:
    """Return the names in a group that lead nowhere or to another file, which is never opened."""
    import h5py

    links = {name: group.get(name, getlink=True) for name in group}
    return [
        name
        for name, link in links.items()
        if isinstance(link, h5py.ExternalLink) or (isinstance(link, h5py.SoftLink) and not _leads_here(group, name))
    ]


def _leads_here(group: h5py.Group, name: str) -> bool:
    """Return whether a soft link can be followed to an object of the same file."""
    try:
        return bool(group[name].file.id == group.file.id)
    except KeyError:
        return False


def groups(held: h5py.Group) -> list[h5py.Group]:
    """Return a group and all below it, each once, however many links lead to it."""
    import h5py

    seen: set[tuple[int, int]] = set()
    found, waiting = [], [held]
    while waiting:
        group = waiting.pop()
        place = h5py.h5o.get_info(group.id)
        if (place.fileno, place.addr) in seen:
            continue
        seen.add((place.fileno, place.addr))
        found.append(group)
        idle = idle_links(group)
        below = [item for name in group if name not in idle and isinstance(item := group[name], h5py.Group)]
        waiting += reversed(below)
    return found


def surplus_links(held: h5py.File) -> list[str]:
    """Return the paths of links that lead nowhere, to another file or to a group that another link leads to."""
    import h5py

    root = h5py.h5o.get_info(held.id)
    seen, found = {(root.fileno, root.addr)}, []
    for group in groups(held):
        idle = idle_links(group)
        found += [f"{group.name}/{name}" for name in idle]
        for name in group:
            if name not in idle and isinstance(item := group[name], h5py.Group):
                place = h5py.h5o.get_info(item.id)
                if (place.fileno, place.addr) in seen:
                    found.append(f"{group.name}/{name}")
                seen.add((place.fileno, place.addr))
    return found


def without_links(path: Path, links: list[str]) -> io.BytesIO:
    """Return a copy of a file in memory without these links."""
    import h5py

    copy = io.BytesIO(path.read_bytes())
    with h5py.File(copy, "r+") as held:
        for link in links:
            del held[link]
    copy.seek(0)
    return copy


def has_dimensions(held: h5py.File) -> bool:
    """Return whether netCDF wrote the file, or something that gives HDF5 arrays named axes as netCDF does."""
    if {"_NCProperties", "Conventions"} & set(held.attrs):
        return True
    return any("DIMENSION_LIST" in array.attrs for group in groups(held) for array in datasets(group).values())


def plain(held: h5py.File, notes: Notes) -> dict[str, xr.Dataset]:
    """Return the arrays of plain HDF5, by group, with dims named after their lengths."""
    found = {group.name: datasets(group) for group in groups(held)}
    lengths = {array.shape[0] for arrays in found.values() for array in arrays.values() if array.shape}
    notes.line("plain HDF5: no axes are stated, arrays of one length share one")
    for group in groups(held):
        if idle := idle_links(group):
            notes.line(f"links of {group.name} that lead nowhere or to another file left out: {', '.join(idle)}")
    several = len(lengths) > 1
    return {
        path: xr.Dataset(_arrays(arrays, notes, several), attrs=_attributes(held[path].attrs))
        for path, arrays in found.items()
    }


def _arrays(arrays: Mapping[str, h5py.Dataset], notes: Notes, several: bool) -> dict[str, xr.Variable]:
    import h5py

    data = {}
    for name, array in arrays.items():
        if array.dtype.kind == "O" and h5py.check_string_dtype(array.dtype) is None:
            notes.guess(
                NO_ARRAY if h5py.check_vlen_dtype(array.dtype) else "left out, references, which are no array", name
            )
            continue
        if array.shape is None or array.dtype.kind not in "biufSOU":
            notes.guess("left out, of a type that is not read", name)
            continue
        text = array.dtype.kind in "SO"
        values = np.asarray(array.asstr("utf-8", "replace")[()] if text else array[()])
        dims = [f"axis_{i}_{size}" if i else f"row_{size}" if several else "row" for i, size in enumerate(array.shape)]
        data[name] = xr.Variable(dims, values, _attributes(array.attrs))
    return data


def one_word(value: object) -> str | None:
    """Return text, alone or in an array or list of one; None for anything else.

    Examples
    --------
    >>> one_word(np.array([b"nT"])), one_word(["K"]), one_word(3)
    ('nT', 'K', None)
    """
    if isinstance(value, list | np.ndarray) and np.size(value) == 1:
        value = np.asarray(value).reshape(-1).tolist()[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _attributes(stated: Mapping[str, object]) -> dict[str, object]:
    """Return attributes in types that netCDF keeps too."""
    kept: dict[str, object] = {}
    for key, value in stated.items():
        if (word := one_word(value)) is not None:
            kept[key] = word
        elif isinstance(value, str | int | float | np.number) or (
            isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
        ):
            kept[key] = value
        else:
            kept[key] = str(value)
    return kept

"""HDF5 by itself: what must hold before its library is let loose on a file, and arrays without netCDF's conventions."""

from __future__ import annotations

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
    """Refuse arrays so large that only a damaged header can have declared them in a file of this size."""
    limit = max(ROOM, GROWTH * path.stat().st_size)
    for group in groups(held):
        for name, array in datasets(group).items():
            if array.shape and array.dtype.itemsize * float(np.prod(array.shape, dtype=float)) > limit:
                raise CorruptFile(f"{path.name}: {name} declares the shape {array.shape}, more than the file can hold")


def datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Return the arrays of one group by name; links that lead nowhere are an error of h5py."""
    import h5py

    return {name: item for name in group if isinstance(item := group[name], h5py.Dataset)}


def groups(held: h5py.Group, depth: int = 0) -> list[h5py.Group]:
    """Return a group and all below it."""
    import h5py

    if depth > 32:
        raise ValueError("groups nested deeper than 32, perhaps a circle")
    below = [item for name in held if isinstance(item := held[name], h5py.Group)]
    return [held, *(inner for group in below for inner in groups(group, depth + 1))]


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
    several = len(lengths) > 1
    return {
        path: xr.Dataset(_arrays(arrays, notes, several), attrs=_attributes(held[path].attrs))
        for path, arrays in found.items()
    }


def _arrays(arrays: Mapping[str, h5py.Dataset], notes: Notes, several: bool) -> dict[str, xr.Variable]:
    data = {}
    for name, array in arrays.items():
        if array.shape is None or array.dtype.kind not in "biufSOU":
            notes.guess("left out, of a type that is not read", name)
            continue
        text = array.dtype.kind in "SO"
        values = np.asarray(array.asstr("utf-8", "replace")[()] if text else array[()])
        dims = [f"axis_{i}_{size}" if i else f"row_{size}" if several else "row" for i, size in enumerate(array.shape)]
        data[name] = xr.Variable(dims, values, _attributes(array.attrs))
    return data


def _attributes(stated: Mapping[str, object]) -> dict[str, object]:
    """Return attributes in types that netCDF keeps too."""
    kept: dict[str, object] = {}
    for key, value in stated.items():
        if isinstance(value, bytes):
            kept[key] = value.decode("utf-8", "replace")
        elif isinstance(value, str | int | float | np.number) or (
            isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
        ):
            kept[key] = value
        else:
            kept[key] = str(value)
    return kept

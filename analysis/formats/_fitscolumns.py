"""Columns of FITS tables: from big-endian rows to native arrays, each in one pass.

Written from the FITS standard 4.0, sections 7.2 (ASCII tables) and 7.3 (binary tables).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile, UnknownVariable, WrongData
from analysis.formats._fitsio import Hdu, number, text, value, whole

NUMBERS = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}
UNSIGNED = {
    ("I", 2.0**15): np.uint16,
    ("J", 2.0**31): np.uint32,
    ("K", 2.0**63): np.uint64,
    ("B", -128.0): np.int8,
}
MAX_FIELDS = 999  # FITS standard 4.0, section 7.3.1


@dataclass(frozen=True)
class Column:
    """One column as declared; ``code`` is its type letter, ``element`` that of variable-length values."""

    number: int
    name: str
    code: str
    element: str
    repeat: int
    offset: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths: ``values`` laid end to end, ``counts`` of each row."""

    values: NDArray
    counts: NDArray[np.int64]


def columns(hdu: Hdu) -> dict[str, Column]:
    """Return the columns of a table by lower-case name, in order; a repeated name gets ``_2``, ``_3`` …

    Raises
    ------
    CorruptFile
        If the formats cannot be read or do not add up to the row that the header announces.
    """
    width, fields = whole(hdu.header, "NAXIS1", hdu.where, 0), whole(hdu.header, "TFIELDS", hdu.where, 0)
    if not 0 <= fields <= MAX_FIELDS:
        raise CorruptFile(f"{hdu.where}: TFIELDS = {fields} is not between 0 and {MAX_FIELDS}")
    if not width and rows(hdu) and fields:
        raise CorruptFile(f"{hdu.where} announces {rows(hdu)} rows of no bytes (NAXIS1 = 0)")
    found: dict[str, Column] = {}
    offset = 0
    for n in range(1, fields + 1):
        form = text(hdu, f"TFORM{n}").upper()
        column = _ascii_column(hdu, n, form, width) if hdu.kind == "ascii" else _binary_column(hdu, n, form, offset)
        offset = column.offset + _bytes_of(column)
        if not column.repeat:  # '0E' takes no room and holds nothing
            continue
        name, copy = column.name, 2
        while name in found:
            name, copy = f"{column.name}_{copy}", copy + 1
        found[name] = column
    if hdu.kind != "ascii" and offset != width:
        raise CorruptFile(f"{hdu.where}: the columns make rows of {offset} bytes, NAXIS1 says {width}")
    if rows(hdu) * width > hdu.data.size:
        raise CorruptFile(f"{hdu.where}: {rows(hdu)} rows of {width} bytes are more than its {hdu.data.size} bytes")
    return found


def rows(hdu: Hdu) -> int:
    """Return the number of rows of a table."""
    return whole(hdu.header, "NAXIS2", hdu.where, 0)


def _name(hdu: Hdu, n: int) -> str:
    return re.sub(r"\W+", "_", text(hdu, f"TTYPE{n}").lower()).strip("_") or f"column_{n}"


def _ascii_column(hdu: Hdu, n: int, form: str, width: int) -> Column:
    match = re.fullmatch(r"([AIFED])(\d+)(?:\.\d+)?", form)
    start = whole(hdu.header, f"TBCOL{n}", hdu.where, 0) - 1
    if not match or start < 0 or int(match[2]) < 1 or start + int(match[2]) > width:
        raise CorruptFile(
            f"{hdu.where}: TFORM{n} = {form!r} from TBCOL{n} = {start + 1} is no field of a {width}-byte row"
        )
    return Column(n, _name(hdu, n), match[1], "", int(match[2]), start, ())


def _binary_column(hdu: Hdu, n: int, form: str, offset: int) -> Column:
    match = re.match(r"(\d{0,9})([LXABIJKEDCMPQ])(.?)", form)
    if not match or (match[2] in "PQ" and match[3] not in "LABIJKEDCM"):
        raise CorruptFile(f"{hdu.where}: TFORM{n} = {form!r} is no format of a binary table")
    repeat = int(match[1] or 1)
    code, element = match[2], match[3] if match[2] in "PQ" else ""
    if code in "PQ" and repeat > 1:
        raise CorruptFile(f"{hdu.where}: TFORM{n} = {form!r}: a variable-length column has one array a row")
    return Column(n, _name(hdu, n), code, element, repeat, offset, _shape(hdu, n, code, repeat))


def _shape(hdu: Hdu, n: int, code: str, repeat: int) -> tuple[int, ...]:
    """Axes of one cell, slowest first; TDIM counts only where it fits (it does not in many old files).

    The fastest axis of text is the characters of one string, which is no axis of ours.
    """
    if code in "XPQ" or repeat == 1:
        return ()
    axes = tuple(int(axis) for axis in reversed(re.findall(r"\d{1,9}", text(hdu, f"TDIM{n}"))))
    fits = bool(axes) and math.prod(axes) == repeat
    if code == "A":
        return axes[:-1] if fits else ()
    return axes if fits else (repeat,)


def _bytes_of(column: Column) -> int:
    if column.code in "PQ":
        return column.repeat * (8 if column.code == "P" else 16)
    if column.code == "X":
        return -(-column.repeat // 8)
    return column.repeat * (1 if column.code in "LA" else np.dtype(NUMBERS[column.code]).itemsize)


def read(hdu: Hdu, column: Column) -> NDArray | Ragged:
    """Return a column's values: native numbers, text or truth values, undefined ones as NaN.

    Returns
    -------
    numpy.ndarray or Ragged
        Shape ``(rows, *cell)``. Integers stay integers unless some are undefined (TNULL) or scaled (TSCAL,
        TZERO); bit columns up to 64 wide become one unsigned integer.

    Raises
    ------
    CorruptFile
        If the bytes are no values of the column's type, or point outside the file.
    """
    if hdu.kind == "ascii":
        return _ascii_values(hdu, column)
    if column.code in "PQ":
        return _ragged(hdu, column)
    if column.code == "A":
        count = math.prod(column.shape)
        return _texts(cells_of(hdu, column, f"S{column.repeat // count}", count).reshape(-1, *column.shape))
    if column.code == "X":
        return _bits(cells_of(hdu, column, "u1", -(-column.repeat // 8)), column.repeat)
    code = "u1" if column.code == "L" else NUMBERS[column.code]
    raw = cells_of(hdu, column, code, column.repeat)
    return _native(hdu, column, column.code, raw.reshape(-1, *column.shape) if column.repeat != 1 else raw[:, 0])


def first(hdu: Hdu, column: Column, count: int) -> NDArray:
    """Return the stored numbers of the first rows of a column, unscaled, for a look at what it holds."""
    code = NUMBERS.get(column.code, "u1")
    return cells_of(hdu, column, code, column.repeat)[:count]


def needed(hdu: Hdu, *names: str) -> NDArray | Ragged:
    """Return the first column of these names that the table has.

    Raises
    ------
    UnknownVariable
        If it has none of them.
    """
    known = columns(hdu)
    for name in names:
        if name in known:
            return read(hdu, known[name])
    raise UnknownVariable(
        f"{hdu.where} has no column {' or '.join(n.upper() for n in names)}; it has {', '.join(known)}"
    )


def vector(hdu: Hdu, *names: str) -> NDArray:
    """Return a column with one number a row, checked to be that.

    Raises
    ------
    UnknownVariable
        If the table lacks it.
    WrongData
        If it holds text or several numbers a row.
    """
    found = needed(hdu, *names)
    if isinstance(found, Ragged) or found.ndim != 1 or found.dtype.kind not in "fiu":
        raise WrongData(f"{hdu.where}: column {names[0].upper()} should hold one number a row")
    return found


def whole_vector(hdu: Hdu, *names: str) -> NDArray[np.int64]:
    """Return a column of one whole number a row, whatever type it is stored in.

    Raises
    ------
    CorruptFile
        If a value is undefined or no whole number.
    """
    return whole_numbers(vector(hdu, *names), f"{hdu.where}: column {names[0].upper()}")


def whole_numbers(found: NDArray, what: str) -> NDArray[np.int64]:
    """Return an array as integers.

    Raises
    ------
    CorruptFile
        If a value is undefined or no whole number.
    """
    if found.dtype.kind == "f" and not (np.isfinite(found).all() and (np.abs(found) < 2**53).all()):
        raise CorruptFile(f"{what} has undefined values")
    result = found.astype(np.int64)
    if found.dtype.kind == "f" and (result != found).any():
        raise CorruptFile(f"{what} has values that are not whole numbers")
    return result


def cells_of(hdu: Hdu, column: Column, dtype: str, repeat: int | None = None) -> NDArray:
    """A view of the column where it lies; nothing is copied."""
    width, kind = whole(hdu.header, "NAXIS1", hdu.where, 0), np.dtype(dtype)
    if not rows(hdu):
        return np.zeros((0,) if repeat is None else (0, repeat), kind)
    if repeat is None:
        return np.ndarray((rows(hdu),), kind, hdu.data.data, column.offset, (width,))
    return np.ndarray((rows(hdu), repeat), kind, hdu.data.data, column.offset, (width, kind.itemsize))


def _texts(raw: NDArray) -> NDArray:
    return np.char.strip(np.char.decode(np.ascontiguousarray(raw), "latin-1"), " \0").astype(object)


def _bits(raw: NDArray, bits: int) -> NDArray:
    """Big-endian integer of up to 64 bits (the last bit of the column is bit 0), else truth values."""
    if not 0 < bits <= 64:
        return np.unpackbits(np.ascontiguousarray(raw), axis=1)[:, :bits].astype(bool)
    full = np.zeros((len(raw), 8), np.uint8)
    full[:, 8 - raw.shape[1] :] = raw
    packed = full.view(">u8")[:, 0] >> np.uint64(-bits % 8)
    size = next(size for size in (8, 16, 32, 64) if bits <= size)
    return packed.astype(f"u{size // 8}")


def _native(hdu: Hdu, column: Column, code: str, raw: NDArray) -> NDArray:
    if code == "L":
        return _truths(hdu, column, raw)
    scale, zero = number(hdu, f"TSCAL{column.number}"), number(hdu, f"TZERO{column.number}")
    return scaled(raw.astype(raw.dtype.newbyteorder("=")), code, scale, zero, null(hdu, f"TNULL{column.number}"))


def null(hdu: Hdu, key: str) -> int | None:
    """Return the stored integer that stands for an undefined value, None where the header names none."""
    said = value(hdu.header, key, hdu.where)
    return None if said is None or said == "" else whole(hdu.header, key, hdu.where)


def scaled(native: NDArray, code: str, scale: float | None, zero: float | None, undefined: int | None) -> NDArray:
    """Return stored numbers times scale plus zero, in 64-bit floats, undefined integers as NaN.

    An offset that makes integers unsigned is exact; ``code`` is the letter of the binary table's type.
    """
    missing = native == undefined if undefined is not None and native.dtype.kind in "iu" else None
    if (scale or 1.0) == 1.0 and zero is not None and (code, zero) in UNSIGNED:
        kind, bits = UNSIGNED[code, zero], f"u{native.itemsize}"
        native = (native.view(bits) ^ np.array(1 << (8 * native.itemsize - 1), bits)).view(kind)
    elif scale not in (None, 1.0) or zero not in (None, 0.0):
        full = native.astype(np.complex128 if native.dtype.kind == "c" else np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # a scale of nonsense gives infinities, which become NaN
            native = full * (1.0 if scale is None else scale) + (zero or 0.0)
    if missing is not None and missing.any():
        native = np.where(missing, np.nan, native.astype(np.float64))
    return native


def _truths(hdu: Hdu, column: Column, raw: NDArray) -> NDArray:
    true, false, missing = raw == ord("T"), raw == ord("F"), raw == 0
    if not (true | false | missing).all():
        raise CorruptFile(f"{hdu.where}: column {column.name} holds bytes that are neither T nor F")
    return np.where(missing, np.nan, true.astype(np.float64)) if missing.any() else true


def _ascii_values(hdu: Hdu, column: Column) -> NDArray:
    raw = np.char.strip(np.ascontiguousarray(cells_of(hdu, column, f"S{column.repeat}")), b" \0")
    if column.code == "A":
        return _texts(raw)
    null = text(hdu, f"TNULL{column.number}").encode()
    missing = (raw == b"") | (raw == null)
    raw = np.where(missing, b"nan", np.char.replace(np.char.upper(raw), b"D", b"E"))
    try:
        found = raw.astype(np.float64)
    except ValueError as error:
        raise CorruptFile(f"{hdu.where}: column {column.name} holds text that is no number") from error
    found = found * (number(hdu, f"TSCAL{column.number}") or 1.0) + (number(hdu, f"TZERO{column.number}") or 0.0)
    return (
        found.astype(np.int64) if column.code == "I" and not missing.any() and (found == found.round()).all() else found
    )


def _ragged(hdu: Hdu, column: Column) -> Ragged | NDArray:
    """The rows of a variable-length column; those of text are one string each."""
    kind = np.dtype("u1" if column.element in "LA" else NUMBERS[column.element])
    pointers = cells_of(hdu, column, ">i4" if column.code == "P" else ">i8", 2 * column.repeat).astype(np.int64)
    start = whole(hdu.header, "THEAP", hdu.where, whole(hdu.header, "NAXIS1", hdu.where, 0) * rows(hdu))
    heap = hdu.data[max(start, 0) :]
    counts, offsets = pointers[:, 0], np.where(pointers[:, 0] > 0, pointers[:, 1], 0)
    limit = heap.size // kind.itemsize
    if start < 0 or (counts < 0).any() or (counts > limit).any() or counts.sum() > 8 * limit + 1000:
        raise CorruptFile(f"{hdu.where}: column {column.name} has more values than the file")
    if (offsets < 0).any() or (offsets > heap.size - counts * kind.itemsize).any():
        raise CorruptFile(f"{hdu.where}: column {column.name} points outside the file")
    values = _gathered(heap, kind, counts, offsets)
    if column.element == "A":
        laid, ends = values.tobytes().decode("latin-1"), np.cumsum(counts).tolist()
        starts = [0, *ends[:-1]]
        return np.array([laid[a:b].strip(" \0") for a, b in zip(starts, ends, strict=True)], object)
    return Ragged(_native(hdu, column, column.element, values), counts)


def _gathered(heap: NDArray[np.uint8], kind: np.dtype, counts: NDArray, offsets: NDArray) -> NDArray:
    """Lay the rows end to end; rows that follow one another in the heap are one view."""
    used = counts > 0
    counts, offsets = counts[used], offsets[used]
    if not counts.size:
        return np.zeros(0, kind)
    first = int(offsets[0])
    if (offsets[1:] == offsets[:-1] + counts[:-1] * kind.itemsize).all():
        return np.ndarray((int(counts.sum()),), kind, heap.data, first)
    ends = np.cumsum(counts)
    where = np.arange(int(ends[-1])) - np.repeat(ends - counts, counts)
    if not (offsets % kind.itemsize).any():
        whole_heap = np.ndarray((heap.size // kind.itemsize,), kind, heap.data)
        return whole_heap[np.repeat(offsets // kind.itemsize, counts) + where]
    at = np.repeat(offsets, counts) + where * kind.itemsize
    return heap[at[:, None] + np.arange(kind.itemsize)].view(kind)[:, 0]

"""FITS binary tables written byte by byte, with the sums that tell a changed file.

Written from the FITS standard 4.0: section 7.3 (binary tables), appendix J (checksums).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import WrongData
from analysis.formats._fitscolumns import MAX_FIELDS, NUMBERS, Ragged
from analysis.formats._fitsio import BLOCK

Value = str | int | float | bool
Card = tuple[str, Value, str]
OFFSETS = {"u2": ("I", 2**15), "u4": ("J", 2**31), "u8": ("K", 2**63), "i1": ("B", -128)}
LONGEST = 2**31 - 1  # bytes of heap that 32-bit descriptors reach
LONG_TEXT = 68


@dataclass(frozen=True, eq=False)
class Field:
    """A column to be written: a number, text, vector or variable-length vector a row; ``low``, ``high`` its range."""

    name: str
    values: NDArray | Ragged
    units: str = ""
    comment: str = ""
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, eq=False)
class _Stored:
    """A column as it lies in the rows, and its part of the heap."""

    form: str
    rows: NDArray
    heap: bytes = b""
    zero: int | None = None
    shape: tuple[int, ...] = ()


def primary(cards: Sequence[Card]) -> bytes:
    """Return a primary header without data."""
    first: list[Card] = [
        ("SIMPLE", True, "conforms to the FITS standard"),
        ("BITPIX", 8, ""),
        ("NAXIS", 0, ""),
        ("EXTEND", True, "extensions follow"),
    ]
    return _unit([*first, *cards], (), b"")


def table(name: str, fields: Sequence[Field], cards: Sequence[Card], history: Sequence[str] = ()) -> bytes:
    """Return a binary table extension: header, rows and heap, filled up to whole blocks.

    Parameters
    ----------
    name : str
        EXTNAME.
    fields : sequence of Field
        Columns of one length.
    cards : sequence of (keyword, value, comment)
        After those that describe the columns.
    history : sequence of str
        One line or several of HISTORY each.

    Raises
    ------
    WrongData
        If a column holds what FITS has no type for, or there are more than 999 columns.
    """
    if len(fields) > MAX_FIELDS:
        raise WrongData(f"{name}: {len(fields)} columns are more than the {MAX_FIELDS} that a FITS table has")
    count = len(fields[0].values.counts) if isinstance(fields[0].values, Ragged) else len(fields[0].values)
    base, stored = 0, []
    for field in fields:
        stored.append(_stored(field, base))
        base += len(stored[-1].heap)
    kinds = [(f"f{n}", part.rows.dtype, part.rows.shape[1:]) for n, part in enumerate(stored)]
    rows = np.zeros(count, np.dtype(kinds))
    for n, part in enumerate(stored):
        rows[f"f{n}"] = part.rows
    heap = b"".join(part.heap for part in stored)
    shape: list[Card] = [
        ("XTENSION", "BINTABLE", "binary table"),
        ("BITPIX", 8, ""),
        ("NAXIS", 2, ""),
        ("NAXIS1", rows.dtype.itemsize, "bytes a row"),
        ("NAXIS2", count, "rows"),
        ("PCOUNT", len(heap), "bytes of the heap"),
        ("GCOUNT", 1, ""),
        ("TFIELDS", len(fields), "columns"),
    ]
    for n, (field, part) in enumerate(zip(fields, stored, strict=True), 1):
        shape += _described(n, field, part)
    return _unit([*shape, ("EXTNAME", name, ""), *cards], history, rows.tobytes() + heap)


def _described(n: int, field: Field, part: _Stored) -> list[Card]:
    cards: list[Card] = [(f"TTYPE{n}", field.name, field.comment[:47]), (f"TFORM{n}", part.form, "")]
    if field.units:
        cards.append((f"TUNIT{n}", field.units, ""))
    if part.zero is not None:
        cards += [(f"TSCAL{n}", 1, ""), (f"TZERO{n}", part.zero, "offset of the integers")]
    if len(part.shape) > 1:
        cards.append((f"TDIM{n}", f"({','.join(map(str, reversed(part.shape)))})", ""))
    cards += [(f"TLM{end}{n}", held, "") for end, held in (("IN", field.low), ("AX", field.high)) if held is not None]
    return cards


def _stored(field: Field, base: int) -> _Stored:
    if isinstance(field.values, Ragged):
        return _ragged(field.name, field.values, base)
    values = np.asarray(field.values)
    cell = values.shape[1:]
    repeat = math.prod(cell)
    if values.dtype.kind in "OU":
        return _texts(field.name, values)
    if values.dtype.kind == "b":
        return _Stored(f"{repeat}L", np.where(values, ord("T"), ord("F")).astype("u1"), shape=cell)
    code, raw, zero = _numbers(field.name, values)
    return _Stored(f"{repeat}{code}", raw, zero=zero, shape=cell)


def _numbers(name: str, values: NDArray) -> tuple[str, NDArray, int | None]:
    """Return the letter, the big-endian numbers and the offset that makes them unsigned."""
    kind = values.dtype.str[1:]
    if kind in OFFSETS:
        code, zero = OFFSETS[kind]
        bits = f"u{values.dtype.itemsize}"
        turned = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("=")).view(bits)
        turned = turned ^ turned.dtype.type(1 << (8 * turned.itemsize - 1))
        return code, turned.view(f"i{turned.itemsize}" if code != "B" else "u1").astype(NUMBERS[code]), zero
    for code, stored in NUMBERS.items():
        if np.dtype(stored).str[1:] == kind:
            return code, values.astype(stored), None
    raise WrongData(f"{name} is of the type {values.dtype}, which a FITS table has no column for")


def _texts(name: str, values: NDArray) -> _Stored:
    if values.ndim != 1:
        raise WrongData(f"{name} holds several texts a row, which is not written to FITS")
    try:
        coded = np.array([str(word).encode("ascii") for word in values], "S")
    except UnicodeEncodeError as error:
        raise WrongData(f"{name} holds text beyond ASCII, which FITS does not: {error.object!r:.60}") from error
    width = max(coded.dtype.itemsize, 1)
    return _Stored(f"{width}A", coded.astype(f"S{width}").reshape(-1))


def _ragged(name: str, ragged: Ragged, base: int) -> _Stored:
    code, raw, zero = _numbers(name, ragged.values) if ragged.values.dtype.kind != "S" else ("A", ragged.values, None)
    heap = raw.tobytes()
    long = base + len(heap) > LONGEST
    pointers = np.zeros((len(ragged.counts), 2), ">i8" if long else ">i4")
    pointers[:, 0] = ragged.counts
    pointers[:, 1] = base + (np.cumsum(ragged.counts) - ragged.counts) * raw.dtype.itemsize
    most = int(ragged.counts.max(initial=0))
    return _Stored(f"1{'Q' if long else 'P'}{code}({most})", pointers, heap, zero)


# ------------------------------------------------------------------------------------- headers and sums


def plain(text: object) -> str:
    """Return text as the ASCII that headers hold, on one line; what ASCII lacks becomes a question mark.

    Examples
    --------
    >>> plain("Kalberla et al.: N_H − 3×10²⁰")
    'Kalberla et al.: N_H - 3x1020'
    """
    known = str(text).translate({ord("×"): "x", ord("−"): "-", ord("–"): "-", ord("…"): "...", ord("’"): "'"})
    spread = unicodedata.normalize("NFKD", " ".join(known.split()))
    kept = "".join(letter for letter in spread if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "?" for letter in kept)


def _unit(cards: Sequence[Card], history: Sequence[str], data: bytes) -> bytes:
    """Return a header and its data, each filled up to whole blocks, with their sums in the header."""
    from astropy.io import fits

    header = fits.Header()
    long = False
    for key, value, comment in cards:
        shown = plain(value) if isinstance(value, str) else value
        long = long or (isinstance(shown, str) and len(shown) > LONG_TEXT)
        header.append((key, shown, "" if isinstance(shown, str) and len(shown) > 18 else plain(comment)), end=True)
    if long:
        header.append(("LONGSTRN", "OGIP 1.0", "long texts go on in CONTINUE cards"), end=True)
    for line in history:
        header.add_history(plain(line) or " ")
    filled = data + b"\0" * (-len(data) % BLOCK)
    sum_of_data = sum32(filled)
    header.append(("CHECKSUM", "0" * 16, "sum of the whole HDU"), end=True)
    header.append(("DATASUM", str(sum_of_data), "sum of the data"), end=True)
    blank = header.tostring(sep="", endcard=True, padding=True).encode("ascii")
    header["CHECKSUM"] = _coded(_folded(sum32(blank) + sum_of_data))
    return header.tostring(sep="", endcard=True, padding=True).encode("ascii") + filled


def sum32(data: bytes | NDArray[np.uint8]) -> int:
    """Return the sum of 32-bit big-endian words in ones' complement; what lacks to a whole word counts as zeros.

    Examples
    --------
    >>> sum32(bytes([255, 255, 255, 255, 0, 0, 0, 2]))
    2
    """
    raw = np.frombuffer(data, np.uint8)
    whole = raw.size // 4 * 4
    total = int(raw[:whole].view(">u4").sum(dtype=np.uint64))
    return _folded(total + int.from_bytes(bytes(raw[whole:]).ljust(4, b"\0"), "big"))


def _folded(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _coded(total: int) -> str:
    """Return the complement of a sum as 16 letters and digits (FITS standard 4.0, appendix J.3)."""
    left = 0xFFFFFFFF - total
    letters = [0] * 16
    for n in range(4):
        byte = (left >> (24 - 8 * n)) & 0xFF
        quarter = byte // 4 + ord("0")
        group = [quarter + byte % 4, quarter, quarter, quarter]
        while any(not chr(letter).isalnum() for letter in group):
            for one, other in ((0, 1), (2, 3)):
                if not (chr(group[one]).isalnum() and chr(group[other]).isalnum()):
                    group[one] += 1
                    group[other] -= 1
        letters[n::4] = group
    return "".join(map(chr, letters[15:] + letters[:15]))

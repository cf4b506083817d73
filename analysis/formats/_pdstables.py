"""Tables of PDS3 and PDS4, decoded from the bytes that their labels name.

``pdr`` reads most tables of PDS3, but splits text at blanks where a label leaves bytes between columns out, reads past
``ROW_PREFIX_BYTES``, and takes text such as ``NA`` or ``007`` for numbers: silently. So only labels are left to it.

Reference: PDS Standards Reference 3.8 (2009), appendix A (TABLE, CONTAINER, BIT_COLUMN, SPREADSHEET) and C (types).
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile, UnknownFormat
from analysis.formats import _facts as facts

__all__ = ["TOO_MANY", "Field", "Place", "cells", "fields", "not_too_many", "spreadsheet", "table_rows", "whole"]

DELIMITERS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "VERTICAL_BAR": "|"}
NO_NUMBER = re.compile(rb"\*+|N/?A|NULL|UNK|NONE|-+", re.IGNORECASE)  # what stands for one; stars where it was too long
NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?|[-+]?(inf|nan)", re.IGNORECASE)
TEXT = ("CHARACTER", "DATE", "TIME")
TOO_MANY = 4096  # columns: a label that repeats one more often is damaged
LARGEST = 1 << 31  # bytes of a table's rows
LITTLE = ("PC", "LSB", "VAX")


@dataclass(frozen=True)
class Field:
    """A column: which bytes of a row it has, and as what they are read.

    ``shape`` and ``strides`` (bytes) are those of its items and of the containers that it repeats in; ``bits`` are
    the first bit, counted from the highest, and the number of bits.
    """

    name: str
    kind: str
    start: int
    size: int
    said: Mapping[str, Any]
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    bits: tuple[int, int] | None = None

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.start + self.size + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))


@dataclass(frozen=True)
class Place:
    """Where a table's rows lie: file, bytes before the first one, or records before it (None if told in bytes)."""

    file: Path
    skipped: int
    records: int | None


def fields(
    block: Sequence[tuple[str, Any]],
    where: str,
    origin: int = 0,
    shape: tuple[int, ...] = (),
    strides: tuple[int, ...] = (),
) -> Iterator[Field]:
    """Give the columns of a TABLE or CONTAINER, those of bits one by one.

    Raises
    ------
    CorruptFile
        If a column has no size, or less than nothing.
    UnknownFormat
        For repeated columns of bits.
    """
    for key, told in block:
        if key == "CONTAINER":
            begin, size, times = (whole(told, name, where) for name in ("START_BYTE", "BYTES", "REPETITIONS"))
            inner = ((*shape, times), (*strides, size)) if times > 1 else (shape, strides)
            yield from fields(list(told.items()), where, origin + begin - 1, *inner)
        elif key in ("COLUMN", "FIELD"):
            yield from _columns(told, where, origin, shape, strides)


def _columns(told: Any, where: str, origin: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Iterator[Field]:
    name, items = str(told.get("NAME", "column")), whole(told, "ITEMS", where, 1)
    start, size = origin + whole(told, "START_BYTE", where, 1) - 1, whole(told, "BYTES", where, 0)
    kind = re.sub(r"\s+", "_", str(told.get("DATA_TYPE", "")).strip().upper())
    if items > 1:
        size = whole(told, "ITEM_BYTES", where, size // items)
        step = whole(told, "ITEM_OFFSET", where, size)
        shape, strides = (*shape, items), (*strides, step)
    if start < 0 or size < 1 or items < 1:
        raise CorruptFile(f"{where}: column {name} has {size} bytes from byte {start + 1} on; get the label again")
    parts = [part for key, part in told.items() if key == "BIT_COLUMN" and isinstance(part, Mapping)]
    for part in parts:
        if whole(part, "ITEMS", where, 1) > 1:
            raise UnknownFormat(f"{where}: column {name} has several items of bits, which are not read")
        bits = whole(part, "START_BIT", where) - 1, whole(part, "BITS", where)
        if bits[0] < 0 or bits[1] < 1 or sum(bits) > 8 * size or size > 8:
            raise CorruptFile(f"{where}: column {name} has no bits {bits[0] + 1} to {sum(bits)}; get the label again")
        signed = "UNSIGNED" not in (said := str(part.get("BIT_DATA_TYPE", "UNSIGNED")).upper()) and "INTEGER" in said
        yield Field(str(part.get("NAME", name)), f"{kind}{':SIGNED' if signed else ''}", start, size, part,
                    shape, strides, bits)  # fmt: skip
    if not parts:
        yield Field(name, kind, start, size, told, shape, strides)


def whole(told: Any, key: str, where: str, otherwise: int | None = None) -> int:
    """Return a whole number that a label states."""
    said = told.get(key, otherwise)
    said = said.get("value") if isinstance(said, Mapping) else said  # 12 <BYTES>
    try:
        return int(said)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise CorruptFile(f"{where}: {key} = {said!r:.40} of {told.get('NAME')} is no number of bytes") from error


def not_too_many(listed: Iterable[Field], where: str) -> list[Field]:
    """Return the columns of a table, if that many can be.

    Raises
    ------
    CorruptFile
        If there are far more than a table has.
    """
    found: list[Field] = []
    items = 0
    for field in listed:
        items += math.prod(field.shape)
        if items > TOO_MANY:
            raise CorruptFile(f"{where} has more than {TOO_MANY} columns; get the label again")
        found.append(field)
    return found


# ------------------------------------------------------------------------------------------ rows


def table_rows(
    place: Place, layout: tuple[int, ...], listed: Sequence[Field], where: str, *, text: bool
) -> NDArray[np.uint8]:
    """Return the rows of a table as bytes, shape (row, byte), what stands before and after each row left out.

    ``layout`` has the number of rows, the bytes of a row, and those before and after each.

    Raises
    ------
    CorruptFile
        If the file is shorter than the label says, or a column reaches beyond its row.
    """
    count, width, before, after = layout
    if min(count, width, before, after) < 0 or width < 1:
        raise CorruptFile(f"{where}: {count} rows of {width} bytes cannot be")
    if wide := [f for f in listed if f.end > width]:
        raise CorruptFile(
            f"{where}: column {wide[0].name} has {wide[0].size} bytes from byte {wide[0].start + 1} on, in rows of "
            f"{width} bytes; get the label again"
        )
    step, size = before + width + after, place.file.stat().st_size
    needed = place.skipped + count * step
    # The line end of the last row may be missing or the label's count may leave it out.
    if not text and size < needed:
        raise CorruptFile(
            f"{place.file.name} has {size} bytes where {where} says {needed} ({count} rows of {step}); get it again"
        )
    if count * step > LARGEST:
        raise UnknownFormat(f"{where} has {count} rows of {step} bytes, more than are read at once")
    with place.file.open("rb") as opened:
        opened.seek(place.skipped)
        held = opened.read(count * step)
    ends = held[step - 1 :: step][: count - 1]
    if (
        not text
        or (set(ends) <= {10} and len(held) >= count * step - 2)
        or (b"\n" not in held and len(held) == count * step)
    ):
        return np.frombuffer(held.ljust(count * step), np.uint8).reshape(count, step)[:, before : before + width]
    return _of_lines(place, count, before, max((f.end for f in listed), default=1), needed, where)


def _of_lines(place: Place, count: int, before: int, width: int, needed: int, where: str) -> NDArray[np.uint8]:
    """Return rows that end where their lines do: labels may count line ends that the file has not, or the reverse."""
    content = place.file.read_bytes()
    lines = content.splitlines() if place.records is not None else content[place.skipped :].splitlines()
    lines = lines[place.records or 0 :][:count]
    if len(lines) < count:
        raise CorruptFile(
            f"{place.file.name} has {len(lines)} rows ({len(content)} bytes) where {where} says {count} rows "
            f"({needed} bytes); get it again"
        )
    if count and content.endswith(lines[-1]) and len(lines[-1]) < before + width:
        raise CorruptFile(f"{place.file.name} ends within its last row; get it again")
    rows = b"".join(line[before : before + width].ljust(width) for line in lines)
    return np.frombuffer(rows, np.uint8).reshape(count, width)


# ------------------------------------------------------------------------------------------ cells


def cells(rows: NDArray[np.uint8], field: Field, where: str, notes: facts.Notes, *, text: bool) -> NDArray | None:
    """Return a column's values, shape (row, *items); None for what is neither number nor text.

    Raises
    ------
    CorruptFile
        If a cell of numbers holds none.
    UnknownFormat
        For kinds of numbers that are not read.
    """
    there = np.ndarray(
        (rows.shape[0], *field.shape, field.size),
        np.uint8,
        buffer=np.ascontiguousarray(rows) if rows.size else np.zeros(1, np.uint8),
        offset=field.start if rows.size else 0,
        strides=(rows.shape[1], *field.strides, 1),
    )
    there = np.ascontiguousarray(there)
    if field.bits is not None:
        return _of_bits(there, field)
    if text or field.kind in TEXT or "ASCII" in field.kind:
        plain = there.view(f"S{field.size}").reshape(there.shape[:-1])
        opening = rows[:, field.start - 1] == ord('"') if field.start and not field.shape else None
        return written(plain, field, where, notes, opening)
    return _of_bytes(there, field, where)


def written(plain: NDArray, field: Field, where: str, notes: facts.Notes, opening: NDArray | None = None) -> NDArray:
    """Return what is written out: numbers, truth values, or text.

    Raises
    ------
    CorruptFile
        If it is none of the kind that the label says.
    """
    at = f"{where}: column {field.name}"
    if field.kind == "ASCII_BOOLEAN":
        said = np.char.lower(texts(plain))
        if not np.isin(said, ("true", "false", "1", "0")).all():
            raise CorruptFile(
                f"{at} holds {said[~np.isin(said, ('true', 'false', '1', '0'))][0]!r:.40}, no truth value"
            )
        return np.isin(said, ("true", "1"))
    if field.kind.startswith("ASCII_BASE_"):
        try:
            return np.vectorize(lambda cell: int(cell, int(field.kind[11:])), [np.int64])(texts(plain))
        except (ValueError, OverflowError) as error:
            raise CorruptFile(f"{at} holds what is no number of base {field.kind[11:]}: {error}") from error
    if re.search("REAL|INTEGER|FLOAT", field.kind):
        return numbers(plain, "INTEGER" in field.kind, at, notes)
    return texts(plain, opening)


def texts(plain: NDArray, opening: NDArray | None = None) -> NDArray:
    """Return text without the blanks around it, and without the quotes that a label leaves to the column."""
    found = np.empty(plain.shape, object)
    quoted = np.zeros(plain.size, bool) if opening is None else opening.ravel()
    for index, cell in enumerate(plain.ravel().tolist()):
        try:
            said = cell.decode("utf-8").strip(" \0\t\r\n")
        except UnicodeDecodeError:
            said = cell.decode("latin-1").strip(" \0\t\r\n")
        if len(said) > 1 and said[0] == said[-1] == '"':
            said = said[1:-1].strip()
        elif quoted[index] and said.endswith('"'):
            said = said[:-1].strip()
        found.flat[index] = said
    return found.astype(str)


def numbers(plain: NDArray, is_whole: bool, where: str, notes: facts.Notes) -> NDArray:
    """Return numbers that are written out; blank cells, stars and words for nothing are NaN."""
    if plain.size and not (np.ascontiguousarray(plain).view(np.uint8) == ord("_")).any():  # 1_0 is a number to Python
        with contextlib.suppress(ValueError, OverflowError):  # the usual case: every cell holds a plain number
            return plain.astype(np.int64 if is_whole else float)
    stripped = [cell.strip(b' \0\t\r\n"') for cell in plain.ravel().tolist()]
    blank = [not cell or (NO_NUMBER.fullmatch(cell) is not None) for cell in stripped]
    wrong = [n for n, cell in enumerate(stripped) if not blank[n] and NUMBER.fullmatch(cell) is None]
    if wrong:
        row = wrong[0] // max(1, int(np.prod(plain.shape[1:]))) + 1
        raise CorruptFile(
            f"{where} holds {stripped[wrong[0]].decode('latin-1')!r:.40} in row {row}, which is no number"
        )
    if is_whole and not any(blank) and all(re.fullmatch(rb"[-+]?\d{1,18}", cell) for cell in stripped):
        return np.array([int(cell) for cell in stripped], np.int64).reshape(plain.shape)
    if any(blank):
        notes.line(f"{where.rpartition(': ')[2]}: {sum(blank)} cells without a number became NaN")
    read = [np.nan if blank[n] else float(c.lower().replace(b"d", b"e")) for n, c in enumerate(stripped)]
    return np.array(read, float).reshape(plain.shape)


def _of_bits(there: NDArray[np.uint8], field: Field) -> NDArray:
    """Return the bits of a column of bits, as a whole number."""
    assert field.bits is not None
    ordered = there[..., ::-1] if field.kind.startswith(LITTLE) else there
    stored = np.zeros(there.shape[:-1], np.uint64)
    for at in range(field.size):
        stored = (stored << np.uint64(8)) | ordered[..., at]
    first, count = field.bits
    value = (stored >> np.uint64(8 * field.size - first - count)) & np.uint64((1 << count) - 1)
    found = value.astype(np.int64)
    if field.kind.endswith(":SIGNED") and count < 64:
        found = np.where(found >= 1 << (count - 1), found - (1 << count), found)
    return found


def _of_bytes(there: NDArray[np.uint8], field: Field, where: str) -> NDArray | None:
    """Return binary numbers."""
    kind, size = field.kind, field.size
    order = "<" if kind.startswith(LITTLE) else ">"
    shape = there.shape[:-1]
    if "VAX" in kind and ("REAL" in kind or "DOUBLE" in kind):
        return _of_vax(there, where, field)
    if "COMPLEX" not in kind and "IBM" not in kind and ("REAL" in kind or kind in ("FLOAT", "DOUBLE")):
        if size in (4, 8):
            return there.view(f"{order}f{size}").reshape(shape).astype(f"f{size}")
    elif "BIT_STRING" in kind or "INTEGER" in kind or kind == "BOOLEAN":
        sign = "u" if "UNSIGNED" in kind or "BIT" in kind or kind == "BOOLEAN" else "i"
        if size in (1, 2, 4, 8):
            return there.view(f"{order}{sign}{size}").reshape(shape).astype(f"{sign}{size}")
        if "BIT_STRING" in kind:
            return None
    elif kind in ("VOID", "N/A", "", "SPARE"):
        return None
    raise UnknownFormat(f"{where}: column {field.name} is {kind} of {size} bytes, which is not read")


def _of_vax(there: NDArray[np.uint8], where: str, field: Field) -> NDArray:
    """Return VAX F- and D-floating numbers: words of 16 bits, the first one highest; exponents from 128."""
    if field.size not in (4, 8) or "G_" in field.kind or "H_" in field.kind:
        raise UnknownFormat(f"{where}: column {field.name} is {field.kind} of {field.size} bytes, which is not read")
    words = there.view("<u2").reshape(*there.shape[:-1], field.size // 2).astype(np.uint64)
    high = words[..., 0]
    fraction = high & np.uint64(0x7F)
    for at in range(1, field.size // 2):
        fraction = (fraction << np.uint64(16)) | words[..., at]
    digits = 8 * (field.size - 2) + 7
    exponent = ((high >> np.uint64(7)) & np.uint64(0xFF)).astype(int)
    value = np.ldexp(0.5 + fraction.astype(float) / 2.0 ** (digits + 1), exponent - 128)
    value = np.where(high >> np.uint64(15), -value, value)
    # an exponent of zero is zero, or with a sign a value that is reserved for errors
    return np.where(exponent == 0, np.where(high >> np.uint64(15), np.nan, 0.0), value)


# ------------------------------------------------------------------------------------------ spreadsheets


def spreadsheet(
    place: Place,
    count: int,
    delimiter: str,
    order: Sequence[tuple[Field, Sequence[int]]],
    where: str,
    notes: facts.Notes,
    wide: int | None = None,
) -> list[NDArray]:
    """Return the columns of a table of values between delimiters, text in quotes, a row a line.

    ``order`` has the places of each column's items among the ``wide`` values of a row.

    Raises
    ------
    CorruptFile
        If there are fewer rows than the label says, or a row with more or fewer values than it has fields.
    """
    said = delimiter.strip().upper()
    wide = sum(len(at) for _, at in order) if wide is None else wide
    content = place.file.read_bytes()[place.skipped :]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS.get(said, said), strict=True)
        rows = list(itertools.islice(reader, count))
        more = next(reader, None)
    except (csv.Error, TypeError) as error:
        raise CorruptFile(f"{place.file.name} is no table with the delimiter {said}: {error}; get it again") from error
    if len(rows) < count:
        raise CorruptFile(f"{place.file.name} has {len(rows)} rows where {where} says {count}; get it again")
    if wrong := [n for n, row in enumerate(rows) if len(row) != wide]:
        raise CorruptFile(
            f"{place.file.name}: row {wrong[0] + 1} has {len(rows[wrong[0]])} values where {where} says {wide}; "
            "get it again"
        )
    if content and not content.endswith((b"\n", b"\r")) and more is None:
        notes.guess("the last row has no line end, so that its last value may be cut", where)
    found = []
    for field, places in order:
        held = [[row[at].encode("utf-8") for at in places] for row in rows]
        plain = np.array(held, f"S{max((len(c) for row in held for c in row), default=0) or 1}")
        found.append(written(plain.reshape(count, *field.shape), field, where, notes))
    return found

"""The cells of a VOTable's column: from text or big-endian bytes to arrays, what is undefined marked.

Written from VOTable 1.5, sections 2.1 (types), 2.2 (arrays), 5.1 (TABLEDATA), 5.3 (BINARY) and 5.4 (BINARY2).
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile
from analysis.formats._votablexml import Element, Table

TYPES = {
    "boolean": "S1",
    "bit": "u1",
    "unsignedByte": ">u1",
    "short": ">i2",
    "int": ">i4",
    "long": ">i8",
    "char": "S1",
    "unicodeChar": ">u2",
    "float": ">f4",
    "double": ">f8",
    "floatComplex": ">c8",
    "doubleComplex": ">c16",
}
TEXTS = ("char", "unicodeChar")
TRUTH = {"T": 1, "TRUE": 1, "1": 1, "F": 0, "FALSE": 0, "0": 0, "?": None, "": None}
LARGEST = 10_000_000  # elements of one cell; a declared size costs nothing to write
CHUNK = 1 << 16  # rows of text that are turned into arrays at once


@dataclass(frozen=True, eq=False)
class Cells:
    """A column: ``values`` of shape ``(rows, *cell)``, ``undefined`` of the same; text is an array of str.

    Where the cells have different lengths, ``counts`` are their numbers of elements and ``values`` is one-dimensional,
    the cells laid end to end.
    """

    values: NDArray
    undefined: NDArray[np.bool_]
    counts: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Kind:
    """A column's type: of its elements, the cell's shape slowest axis first, whether its length varies."""

    name: str
    code: str
    shape: tuple[int, ...]
    varies: bool
    null: str | None
    where: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        """Bytes of one cell in a stream, if its length does not vary."""
        return -(-self.size // 8) if self.name == "bit" else self.size * np.dtype(self.code).itemsize


def kind_of(element: Element, where: str) -> Kind:
    """Return the type that a FIELD declares.

    Raises
    ------
    CorruptFile
        If it is none that VOTable knows.
    """
    name, declared = element.get("datatype"), element.get("arraysize")
    where = f"{where}, column {element.get('name') or element.get('ID')!r}"
    if name not in TYPES:
        raise CorruptFile(f"{where}: datatype {name!r} is none of {', '.join(TYPES)}")
    if not re.fullmatch(r"(\d{1,12}x)*(\d{1,12}\*?|\*)|", declared):
        raise CorruptFile(f"{where}: arraysize {declared!r} is no size; sizes read 3, 3x2, * or 3x*")
    varies = declared.endswith("*")
    axes = [int(axis) for axis in re.findall(r"\d+", declared if not varies else declared.rpartition("x")[0])]
    shape = tuple(reversed(axes))
    if math.prod(shape) > LARGEST:
        raise CorruptFile(f"{where}: arraysize {declared!r} means cells of more than {LARGEST} elements")
    if declared == "1" and name not in TEXTS:
        shape = ()
    null = element.null if element.null not in (None, "") else None
    return Kind(name, TYPES[name], shape, varies, null, where)


# ------------------------------------------------------------------------------------------ text


class Texts:
    """The rows of a TABLEDATA, turned into arrays every so many rows."""

    def __init__(self, table: Table, kinds: list[Kind], size: int, where: str):
        self.table, self.kinds, self.where = table, kinds, where
        self.room = max(LARGEST, 20 * size)
        self.waiting: list[list[str]] = []
        self.done: list[list[Cells]] = []

    def add(self, row: list[str]) -> None:
        """Take one row of texts.

        Raises
        ------
        CorruptFile
            If it has another number of cells than the table has columns.
        """
        self.table.rows += 1
        if len(row) != len(self.kinds):
            raise CorruptFile(
                f"{self.where}: row {self.table.rows} has {len(row)} cells, but there are {len(self.kinds)} columns"
            )
        self.waiting.append(row)
        if len(self.waiting) == CHUNK:
            self.flush()

    def flush(self) -> None:
        first, waiting = self.table.rows - len(self.waiting), self.waiting
        if self.table.rows * sum(kind.size for kind in self.kinds if not kind.varies and kind.shape) > self.room:
            raise CorruptFile(f"{self.where}: empty cells would unfold to far more than the file holds")
        columns = zip(*waiting, strict=True) if waiting else [() for _ in self.kinds]
        self.done.append([of_text(kind, column, first) for kind, column in zip(self.kinds, columns, strict=True)])
        self.waiting = []

    def columns(self) -> list[Cells]:
        """Return all the columns."""
        if self.waiting or not self.done:
            self.flush()
        return [joined(parts) for parts in zip(*self.done, strict=True)]


def joined(parts: tuple[Cells, ...]) -> Cells:
    """Return pieces of one column as one."""
    if len(parts) == 1:
        return parts[0]
    counts = None if parts[0].counts is None else np.concatenate([p.counts for p in parts if p.counts is not None])
    return Cells(np.concatenate([p.values for p in parts]), np.concatenate([p.undefined for p in parts]), counts)


def of_text(kind: Kind, texts: tuple[str, ...], first: int) -> Cells:
    """Return the cells that these texts mean; ``first`` is the number of rows before them.

    Raises
    ------
    CorruptFile
        Naming the row, if one means nothing of this type.
    """
    if kind.name in TEXTS:
        values = np.empty(len(texts), object)
        values[:] = [text.strip() for text in texts]  # blanks at the ends may be the XML's own
        return Cells(values, np.array([text == kind.null or not text for text in values], bool))
    if kind.shape or kind.varies:
        return _arrays_of_text(kind, texts, first)
    try:
        return Cells(*_numbers(kind, texts))
    except (ValueError, OverflowError) as error:
        raise _bad(kind, texts, first, error) from error


def _bad(kind: Kind, texts: tuple[str, ...], first: int, error: Exception) -> CorruptFile:
    """Return the error that names the first row which cannot be read."""
    for row, text in enumerate(texts):
        try:
            _numbers(kind, [text])
        except (ValueError, OverflowError):
            return CorruptFile(f"{kind.where}: row {first + row + 1} holds {text!r:.60}, which is no {kind.name}")
    return CorruptFile(f"{kind.where}: a value is no {kind.name} ({error})")


def _numbers(kind: Kind, words: Sequence[str]) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return words as numbers of a type, and which are undefined."""
    if kind.name == "boolean":
        said = [_truth(word.strip()) for word in words]
        return np.array([bool(is_so) for is_so in said], bool), np.array([is_so is None for is_so in said], bool)
    by_kind: dict[str, Callable[[str], Any]] = {"c": _complex, "f": float}
    parse = by_kind.get(kind.code[1], int)
    try:  # nearly always each word is a plain number
        numbers, undefined = list(map(parse, words)), np.zeros(len(words), bool)
    except ValueError:
        plain = [word.strip() for word in words]
        undefined = np.array([not word or word == kind.null for word in plain], bool)
        parse = _whole if parse is int else parse
        missing = 0 if parse is _whole else np.nan
        numbers = [missing if empty else parse(word) for word, empty in zip(plain, undefined, strict=True)]
    if "_" in "".join(words):  # Python's own way to write numbers
        raise ValueError("_")
    own = np.dtype("u1" if kind.name == "bit" else kind.code[1:])
    if own.kind in "iu" and numbers:
        info = np.iinfo(own)
        if not info.min <= min(numbers) <= max(numbers) <= (1 if kind.name == "bit" else info.max):
            raise OverflowError("out of range")
    with np.errstate(over="ignore"):  # beyond a float's range it is infinite, as the standard has it
        values = np.array(numbers, None if own.kind in "fc" else own).astype(own)
    return values, undefined | _is_null(kind, values)


def _is_null(kind: Kind, values: NDArray) -> NDArray[np.bool_]:
    """Return where numbers are the one that a column has for "undefined"."""
    if kind.null is None:
        return np.zeros(values.shape, bool)
    try:
        return values == (_whole(kind.null) if values.dtype.kind in "iu" else values.dtype.type(float(kind.null)))
    except (ValueError, OverflowError):  # a null of another type than the column's marks nothing
        return np.zeros(values.shape, bool)


def _whole(word: str) -> int:
    return int(word, 16 if "x" in word.lower() else 10)


def _truth(word: str) -> int | None:
    if word.upper() not in TRUTH:
        raise ValueError(word)
    return TRUTH[word.upper()]


def _complex(word: str) -> complex:
    real, imaginary = word.replace(",", " ").split()
    return complex(float(real), float(imaginary))


def _arrays_of_text(kind: Kind, texts: tuple[str, ...], first: int) -> Cells:
    """Return cells of several numbers, which stand between blanks."""
    counts, words = [], []
    per_number = 2 if kind.code[1] == "c" else 1
    for row, text in enumerate(texts):
        found = list(text) if kind.name == "bit" and re.fullmatch("[01]+", text.strip()) else text.split()
        if per_number == 2:
            found = [" ".join(pair) for pair in zip(found[::2], found[1::2], strict=False)]
        if not found and not kind.varies:
            found = [""] * kind.size
        if len(found) % max(kind.size, 1) if kind.varies else len(found) != kind.size:
            wanted = f"a multiple of {kind.size}" if kind.varies else str(kind.size)
            raise CorruptFile(f"{kind.where}: row {first + row + 1} has {len(found)} numbers, not {wanted}")
        counts.append(len(found))
        words += found
    try:
        values, undefined = _numbers(kind, words)
    except (ValueError, OverflowError) as error:
        raise _bad(kind, tuple(words), first, error) from error
    if kind.varies:
        return Cells(values, undefined, np.array(counts, np.int64))
    return Cells(values.reshape(len(texts), *kind.shape), undefined.reshape(len(texts), *kind.shape))


# ------------------------------------------------------------------------------------------ streams


def of_stream(table: Table, kinds: list[Kind], where: str) -> list[Cells]:
    """Return the columns of a BINARY or BINARY2 stream; ``table.rows`` is set.

    Raises
    ------
    CorruptFile
        If the base64 is damaged, or its bytes are no whole number of rows.
    """
    try:
        held = binascii.a2b_base64("".join("".join(table.stream).split()).encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise CorruptFile(f"{where}: its base64 is damaged ({error}); get it again") from error
    table.stream = []
    flags = -(-len(kinds) // 8) if table.serial == "BINARY2" else 0
    starts, counts = _layout(held, kinds, flags, where)
    table.rows = len(starts[0]) if starts else 0
    data = np.frombuffer(held, np.uint8)
    found = []
    for number, kind in enumerate(kinds):
        cells = _cells(kind, data, held, starts[number], counts[number])
        if flags:
            marks = data[starts[-1] + number // 8] >> (7 - number % 8) & 1
            cells = _marked(cells, marks.astype(bool))
        found.append(cells)
    return found


def _layout(held: bytes, kinds: list[Kind], flags: int, where: str) -> tuple[list[NDArray], list[NDArray | None]]:
    """Return where the cells of each column begin and how many elements they have, the rows' flags last."""
    short = CorruptFile(f"{where}: its stream of {len(held)} bytes ends within a row; get it again")
    if not any(kind.varies for kind in kinds):
        width = flags + sum(kind.width for kind in kinds)
        if not width or len(held) % width:
            raise short
        offsets = np.cumsum([flags, *(kind.width for kind in kinds)])
        begins = np.arange(0, len(held), width)
        return [*(begins + offset for offset in offsets[:-1]), begins], [None] * len(kinds)
    starts: list[list[int]] = [[] for _ in range(len(kinds) + 1)]
    counts: list[list[int]] = [[] for _ in kinds]
    steps = [(kind.varies, kind.width, _bytes_each(kind), max(kind.size, 1)) for kind in kinds]
    at, end = 0, len(held)
    while at < end:
        starts[-1].append(at)
        at += flags
        for number, (varies, width, each, block) in enumerate(steps):
            if varies:
                count = int.from_bytes(held[at : at + 4], "big")
                at += 4
                if count % block:
                    raise CorruptFile(f"{kinds[number].where}: {count} elements are no multiple of {block}")
                counts[number].append(count)
                starts[number].append(at)
                at += count * each if each else -(-count // 8)
            else:
                starts[number].append(at)
                at += width
        if at > end or at == starts[-1][-1]:
            raise short
    told = [np.array(count, np.int64) if kind.varies else None for kind, count in zip(kinds, counts, strict=True)]
    return [np.array(start, np.int64) for start in starts], told


def _bytes_each(kind: Kind) -> int:
    return 0 if kind.name == "bit" else np.dtype(kind.code).itemsize


def _cells(kind: Kind, data: NDArray, held: bytes, starts: NDArray, counts: NDArray | None) -> Cells:
    """Return one column from the bytes, given where its cells begin."""
    if kind.name in TEXTS:
        return _texts(kind, held, starts, counts)
    if counts is None:
        raw = data[starts[:, None] + np.arange(kind.width)]
        values, undefined = _of_bytes(kind, raw, kind.size)
        shape = (len(starts), *kind.shape)
        return Cells(values.reshape(shape), undefined.reshape(shape))
    each = _bytes_each(kind)
    widths = counts * each if each else -(-counts // 8)
    first = np.cumsum(widths) - widths
    raw = data[np.repeat(starts - first, widths) + np.arange(int(widths.sum()))]
    if each:
        return Cells(*_of_bytes(kind, raw[None], int(counts.sum())), counts)
    pieces = [
        np.unpackbits(raw[at : at + width])[:count] for at, width, count in zip(first, widths, counts, strict=True)
    ]
    bits = np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)
    return Cells(bits, np.zeros(bits.shape, bool), counts)


def _of_bytes(kind: Kind, raw: NDArray, count: int) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return rows of bytes as flat native numbers, and which are undefined."""
    if kind.name == "bit":
        # A single bit is the byte's highest; astropy writes its fifth. All others are padding, so any set one will do.
        bits = (raw != 0).astype(np.uint8).ravel() if count == 1 else np.unpackbits(raw, axis=1)[:, :count].ravel()
        return bits, np.zeros(bits.shape, bool)
    if kind.name == "boolean":
        letters = raw.ravel()
        known = np.isin(letters, np.frombuffer(b"Tt1Ff0? \0", np.uint8))
        if not known.all():
            raise CorruptFile(f"{kind.where}: the byte {int(letters[~known][0])} is no truth value")
        return np.isin(letters, np.frombuffer(b"Tt1", np.uint8)), np.isin(letters, np.frombuffer(b"? \0", np.uint8))
    values = np.ascontiguousarray(raw).view(kind.code).ravel()
    values = values.astype(values.dtype.newbyteorder("="))
    undefined = np.isnan(values) if kind.code[1] in "fc" else np.zeros(values.shape, bool)
    return values, undefined | _is_null(kind, values)


def _texts(kind: Kind, held: bytes, starts: NDArray, counts: NDArray | None) -> Cells:
    """Return text; a fixed length is filled up with zero bytes or blanks."""
    each, coding = (1, "utf-8") if kind.name == "char" else (2, "utf-16-be")
    sizes = [kind.size * each] * len(starts) if counts is None else (counts * each).tolist()
    values = np.empty(len(starts), object)
    try:
        said = [held[at : at + size].decode(coding) for at, size in zip(starts.tolist(), sizes, strict=True)]
    except UnicodeDecodeError:
        said = [held[at : at + size].decode("latin-1") for at, size in zip(starts.tolist(), sizes, strict=True)]
        if each == 2:
            raise CorruptFile(f"{kind.where}: its text is no UTF-16") from None
    plain = [text.partition("\0")[0] for text in said]
    values[:] = [text.rstrip() for text in plain] if counts is None else plain
    return Cells(values, np.array([not text or text == kind.null for text in plain], bool))


def _marked(cells: Cells, marks: NDArray[np.bool_]) -> Cells:
    """Return cells with whole rows undefined, as the flags of BINARY2 say."""
    if not marks.any():
        return cells
    if cells.counts is not None:
        return Cells(cells.values, cells.undefined | np.repeat(marks, cells.counts), cells.counts)
    wide = marks.reshape(-1, *[1] * (cells.values.ndim - 1))
    return Cells(cells.values, cells.undefined | wide)

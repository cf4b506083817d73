"""What PDS labels say, of both standards, in one shape: blocks of columns or an array each."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile
from analysis.formats import _facts as facts
from analysis.formats._pdstables import Field

__all__ = ["Block", "Column", "columns", "files", "standard", "suffix", "without_constants"]

LABEL = 1 << 22  # bytes; real labels have kilobytes
NAMESPACE = b"http://pds.nasa.gov/pds4/pds/v1"
POINTER = re.compile(
    r"^\s*\^([A-Z0-9_:]+)\s*=\s*[({]?\s*(?:\"([^\"]*)\"|([A-Za-z][\w.-]*\.\w+)|(\d+))"
    r"(?:\s*<BYTES>)?\s*(?:,\s*(\d+)\s*(<BYTES>)?)?",
    re.MULTILINE | re.IGNORECASE,
)
DESCRIBING = ("DESCRIPTION", "DATA_SET_MAP_PROJECTION", "CATALOG")
# Names of the constants that stand for no value: PDS3 keywords, and PDS4's Special_Constants in lower case.
CONSTANT = re.compile(r"(missing|invalid|null|not_applicable|unknown|error)(_constant)?", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table, as decoded: shape (row,) or (row, item)."""

    name: str
    values: NDArray
    unit: str | None
    description: str
    is_time: bool


@dataclass(frozen=True, eq=False)
class Block:
    """A table (with columns) or an array (with values and the names of its axes)."""

    name: str
    node: str
    columns: Sequence[Column] = ()
    values: NDArray | None = None
    axes: Sequence[str] = ()
    unit: str | None = None
    description: str = ""

    @property
    def names(self) -> list[str]:
        """Of its variables."""
        return [column.name for column in self.columns] or [self.node]


def standard(head: bytes) -> int | None:
    """Return 3 or 4, the PDS standard of a label, from its first bytes; None for anything else."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        return 4 if NAMESPACE in head and b"<Product_" in head else None
    return 3 if re.match(rb"(CCSD[^\r\n]*\r?\n\s*)?PDS_VERSION_ID\s*=\s*\"?PDS3", start) else None


def suffix(path: Path) -> str:
    """Return what the name of a label ends in."""
    with path.open("rb") as opened:
        return "xml" if standard(opened.read(1 << 16)) == 4 else "lbl"


def files(path: Path) -> list[str]:
    """Return the names of the files that a label needs beside it.

    Raises
    ------
    CorruptFile
        If it points out of its folder.
    """
    with path.open("rb") as opened:
        head = opened.read(LABEL)
    if standard(head) == 4:
        if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
            raise CorruptFile(f"{path.name} defines XML entities, which no PDS4 label does; it was not read")
        found = re.findall(r"<(?:\w+:)?file_name>\s*([^<]*?)\s*</", head.decode("utf-8", "replace"))
    else:
        found = [pointed[1] or pointed[2] for pointed in pointers(head)]
    names = list(dict.fromkeys(name for name in found if name and name.lower() != path.name.lower()))
    if astray := [name for name in names if re.search(r"[/\\\0]", name) or name in (".", "..")]:
        raise CorruptFile(f"{path.name} points to {astray[0]!r}, out of its own folder; it was not followed")
    return names


def pointers(head: bytes) -> list[tuple[str, str, str, str, str, str]]:
    """Return what a PDS3 label points to: object, quoted file, bare file, record, record or byte, unit."""
    return [found for found in POINTER.findall(text_of(head)) if not found[0].upper().endswith(DESCRIBING)]


def text_of(head: bytes) -> str:
    """Return the label's part of a file, without remarks: attached labels end with END alone on a line."""
    text = re.sub(r"/\*.*?\*/", "", head.decode("latin-1"), flags=re.DOTALL)
    end = re.search(r"^\s*END\s*$", text, re.MULTILINE)
    return text[: end.end()] if end else text


# ------------------------------------------------------------------------------------------ shared


def columns(listed: Sequence[Field], read: Sequence[NDArray | None], notes: facts.Notes) -> list[Column]:
    """Return decoded columns, what is declared missing as NaN, the others scaled."""
    found: list[Column] = []
    for field, values in zip(listed, read, strict=True):
        if values is None:
            notes.line(f"left out: column {field.name}, {field.kind} of {field.size} bytes")
            continue
        name = facts.free_name(node_of(field.name), {c.name for c in found})
        told = constants_of(field.said.items())
        values = without_constants(values, told if "ASCII" in field.kind else stored(told, values), notes, name)
        values = scaled(values, field.said.get("SCALING_FACTOR"), field.said.get("OFFSET"))
        flat = values.reshape(len(values), math.prod(values.shape[1:])) if values.ndim > 2 else values
        said = one_line(str(field.said.get("DESCRIPTION", "")))
        found.append(Column(name, flat, unit_of(field.said.get("UNIT")), said, field.kind in ("TIME", "DATE")))
    return found


def scaled(values: NDArray, factor: object, offset: object) -> NDArray:
    """Return numbers times a factor plus an offset, where a label states them."""
    by, plus = number_of(factor), number_of(offset)
    if values.dtype.kind not in "iuf" or (by in (None, 1.0) and plus in (None, 0.0)):
        return values
    return values.astype(float) * (1.0 if by is None else by) + (plus or 0.0)


def stored(constants: Sequence[float], values: NDArray) -> tuple[float, ...]:
    """Return the constants that stand for no value, as stored: those in hexadecimal are bits.

    Examples
    --------
    >>> stored([0x8000], np.array([1], "i2"))
    (32768.0, -32768.0)
    """
    found, size = tuple(map(float, constants)), values.dtype.itemsize
    bits = [int(c) for c in found if c.is_integer() and 1 << (8 * size - 1) <= c < 1 << 8 * size]
    if values.dtype.kind == "i":
        return (*found, *(float(c - (1 << 8 * size)) for c in bits))
    if values.dtype.kind == "f" and size == 4:
        return (*found, *(float(np.array(c, "u4").view("f4")) for c in bits))
    return found


def without_constants(values: NDArray, constants: Sequence[float], notes: facts.Notes, name: str) -> NDArray:
    """Return numbers with the declared constants as NaN; whole numbers become floats only if some are."""
    if not constants or values.dtype.kind not in "iuf":
        return values
    bad = np.zeros(values.shape, bool)
    for constant in constants:
        near = abs(constant) * (1e-6 if values.dtype.itemsize <= 4 else 1e-12)
        bad |= np.abs(values.astype(float) - constant) <= near
    if not bad.any():
        return values
    notes.line(f"{int(bad.sum())} values of {name} that the label declares missing or invalid became NaN")
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(float)
    return np.where(bad, np.nan, values).astype(kind)


def constants_of(pairs: Iterable[tuple[str, Any]]) -> tuple[float, ...]:
    """Return the constants that stand for no value, as the label gives them: as stored, before any scaling."""
    found = []
    for key, told in pairs:
        if CONSTANT.fullmatch(str(key)):
            for each in told if isinstance(told, tuple | list | set | frozenset) else [told]:
                if (number := number_of(each)) is not None:
                    found.append(number)
    return tuple(dict.fromkeys(found))


def number_of(told: object) -> float | None:
    if told is None or isinstance(told, bool):
        return None
    text = str(told).strip()
    if re.fullmatch(r"0[xX][0-9A-Fa-f]+", text):
        return float(int(text, 16))
    if based := re.fullmatch(r"(\d+)#([0-9A-Fa-f]+)#", text):
        return float(int(based[2], int(based[1])))
    try:
        return float(text)
    except ValueError:
        return None


def unit_of(unit: object) -> str | None:
    """Return a unit's spelling, None where the label says that there is none."""
    said = str(unit).strip().strip("<>") if unit is not None else ""
    if said.upper() in ("", "N/A", "NONE", "NULL", "UNK", "UNITLESS"):
        return None if said == "" else "1"
    return SPELLINGS.get(said.upper(), said)


SPELLINGS = {
    "NT": "nT",
    "NANOTESLA": "nT",
    "NANO TESLA": "nT",
    "KM": "km",
    "KILOMETER": "km",
    "KILOMETERS": "km",
    "KM/S": "km s-1",
    "KM/SEC": "km s-1",
    "DEGREE": "deg",
    "DEGREES": "deg",
    "SECOND": "s",
    "SECONDS": "s",
    "EV": "eV",
    "KEV": "keV",
    "CM^-3": "cm-3",
    "CM**-3": "cm-3",
    "1/CM^3": "cm-3",
    "KELVIN": "K",
    "COUNTS": "ct",
    "COUNTS/SECOND": "ct s-1",
    "HERTZ": "Hz",
    "HZ": "Hz",
}


def node_of(name: str) -> str:
    """Return a label's name as one of ours: lower case, words joined by underscores."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_") or "unnamed"


def one_line(text: str) -> str:
    return " ".join(text.split())[:400]

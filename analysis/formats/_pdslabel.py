"""What PDS labels say, of both standards, in one shape: blocks of columns or an array each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError, CorruptFile
from analysis.formats import _facts as facts

__all__ = ["Block", "Column", "decoded", "files", "standard", "suffix", "without_constants"]

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
    constants: tuple[float, ...]
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
    constants: tuple[float, ...] = ()

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
        found = [pointed[1] or pointed[2] for pointed in _pointers(head)]
    names = list(dict.fromkeys(name for name in found if name and name.lower() != path.name.lower()))
    if astray := [name for name in names if re.search(r"[/\\\0]", name) or name in (".", "..")]:
        raise CorruptFile(f"{path.name} points to {astray[0]!r}, out of its own folder; it was not followed")
    return names


def _pointers(head: bytes) -> list[tuple[str, str, str, str, str, str]]:
    """Return what a PDS3 label points to: object, quoted file, bare file, record, record or byte, unit."""
    text = re.sub(r"/\*.*?\*/", "", _text_of(head), flags=re.DOTALL)
    return [found for found in POINTER.findall(text) if not found[0].upper().endswith(DESCRIBING)]


def _text_of(head: bytes) -> str:
    """Return the label's part of a file: attached labels end with END alone on a line."""
    text = head.decode("latin-1")
    end = re.search(r"^\s*END\s*$", text, re.MULTILINE)
    return text[: end.end()] if end else text


def decoded(path: Path, notes: facts.Notes) -> tuple[list[Block], dict[str, str]]:
    """Return the tables and arrays that a label describes, and what it says about whose they are.

    Raises
    ------
    CorruptFile
        If the files are not what the label says.
    """
    with path.open("rb") as opened:
        head = opened.read(LABEL)
    try:
        return _decoded_4(path, notes) if standard(head) == 4 else _decoded_3(path, head, notes)
    except AnalysisError:
        raise
    except Exception as error:  # pdr raises whatever its parsers do; the cause is chained
        reason = " ".join(str(error).split())[:200]
        raise CorruptFile(
            f"{path.name}: the data are not what the label says ({type(error).__name__}: {reason}); get them again"
        ) from error


# -------------------------------------------------------------------------------------------- PDS3


def _decoded_3(path: Path, head: bytes, notes: facts.Notes) -> tuple[list[Block], dict[str, str]]:
    import pandas as pd
    import pdr

    data = pdr.read(str(path))
    about = {key: str(data.metaget(key)).strip() for key in _KEYS_3 if data.metaget(key) is not None}
    blocks = []
    for name in data.keys():  # noqa: SIM118 (pdr's Data is no mapping)
        described = data.metablock(name)
        if name == "LABEL" or not isinstance(described, Mapping):
            continue
        _refuse_short_file(path, head, name, described, data.metaget("RECORD_BYTES"))
        _refuse_wide_columns(path, name, described)
        values = data[name]
        node = _node(name)
        if isinstance(values, pd.DataFrame):
            if (rows := described.get("ROWS")) is not None and len(values) != int(rows):
                raise CorruptFile(f"{path.name}: {name} has {len(values)} rows where the label says {rows}")
            blocks.append(Block(name, node, columns=_columns_3(values, described)))
        elif isinstance(values, np.ndarray) and values.dtype.kind in "iufc":
            unit, said = described.get("UNIT"), str(described.get("DESCRIPTION", ""))
            axes = ["band", "line", "sample"][-values.ndim :] if values.ndim <= 3 else []
            axes = axes or [f"axis_{n}" for n in range(values.ndim)]
            blocks.append(
                Block(name, node, (), values, axes, _plain(unit), _one_line(said), _constants(described.items()))
            )
        else:
            notes.line(f"left out: {name}, which is no table or array of numbers")
    return blocks, _about_3(about)


def _refuse_short_file(path: Path, head: bytes, name: str, described: Mapping[str, Any], record_bytes: object) -> None:
    """Refuse a table whose file ends before the label says it does: pdr gives the rows that are there."""
    rows, width = described.get("ROWS"), described.get("ROW_BYTES")
    pointed = next((found for found in _pointers(head) if found[0].upper() == name.upper()), None)
    if pointed is None or not rows or not width:
        return
    quoted, bare, alone, second, as_bytes = pointed[1:]
    where = path.parent / (quoted or bare) if quoted or bare else path
    if not where.exists():  # the label's spelling may differ in case
        where = next((p for p in path.parent.iterdir() if p.name.lower() == where.name.lower()), where)
    start = int(second or alone or 1) - 1
    skipped = start if as_bytes else start * int(str(record_bytes or width))
    suffix = int(described.get("ROW_SUFFIX_BYTES", 0)) + int(described.get("ROW_PREFIX_BYTES", 0))
    needed = skipped + int(rows) * (int(width) + suffix)
    # The line end of the last row may be missing or the label's count may leave it out.
    if (size := where.stat().st_size) < needed - 2:
        raise CorruptFile(
            f"{where.name} has {size} bytes where {path.name} says {needed} ({rows} rows of {width}); get it again"
        )


def _refuse_wide_columns(path: Path, name: str, described: Mapping[str, Any]) -> None:
    """Refuse a binary table with columns beyond its rows: NumPy would read whatever lies there in memory."""
    width = described.get("ROW_BYTES")
    if width is None or str(described.get("INTERCHANGE_FORMAT", "")).upper() != "BINARY":
        return
    for column in _all(described, "COLUMN"):
        start, items = int(column.get("START_BYTE", 1)), int(column.get("ITEMS", 1))
        size = max(int(column.get("BYTES", 1)), items * int(column.get("ITEM_BYTES", 1)))
        if start < 1 or items < 1 or start - 1 + size > int(width):
            raise CorruptFile(
                f"{path.name}: column {column.get('NAME')} of {name} has {size} bytes from byte {start} on, in rows of "
                f"{width} bytes; get the label again"
            )


def _columns_3(table: Any, described: Mapping[str, Any]) -> list[Column]:
    """Return pandas columns as ours; those that pdr made of one with ITEMS are put together again."""
    known = {str(block.get("NAME", "")): block for block in _all(described, "COLUMN") + _all(described, "FIELD")}
    found: list[Column] = []
    taken: set[str] = set()
    for name in map(str, table.columns):
        stem = re.sub(r"_\d+$", "", name)
        many = name not in known and stem in known and int(known[stem].get("ITEMS", 1)) > 1
        key = stem if many else name
        if key in taken:
            continue
        taken.add(key)
        members = [str(c) for c in table.columns if many and re.fullmatch(re.escape(stem) + r"_\d+", str(c))]
        values = table[members].to_numpy() if many else table[name].to_numpy()
        block = known.get(key, {})
        is_time = str(block.get("DATA_TYPE", "")).upper() in ("TIME", "DATE")
        said = _one_line(str(block.get("DESCRIPTION", "")))
        found.append(
            Column(
                facts.free_name(_node(key), {c.name for c in found}),
                values,
                _plain(block.get("UNIT")),
                said,
                _constants(block.items(), factor=block.get("SCALING_FACTOR"), offset=block.get("OFFSET")),
                is_time,
            )
        )
    return found


def _all(described: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return all values of a repeated key, also those inside containers."""
    pairs = list(described.items())
    found = [value for name, value in pairs if name == key and isinstance(value, Mapping)]
    for name, value in pairs:
        if name == "CONTAINER" and isinstance(value, Mapping):
            found += _all(value, key)
    return found


_KEYS_3 = (
    *("DATA_SET_ID", "PRODUCT_ID", "INSTRUMENT_HOST_NAME", "SPACECRAFT_NAME", "INSTRUMENT_NAME", "TARGET_NAME"),
    *("PRODUCER_INSTITUTION_NAME", "START_TIME", "STOP_TIME", "DATA_SET_NAME"),
)


def _about_3(known: Mapping[str, str]) -> dict[str, str]:
    host = known.get("INSTRUMENT_HOST_NAME") or known.get("SPACECRAFT_NAME", "")
    source = " / ".join(part for part in (host, known.get("INSTRUMENT_NAME", "")) if part)
    found = {
        "title": known.get("DATA_SET_NAME") or known.get("DATA_SET_ID", ""),
        "institution": known.get("PRODUCER_INSTITUTION_NAME", ""),
        "source": source,
        "references": f"PDS data set {known['DATA_SET_ID']}" if "DATA_SET_ID" in known else "",
        "target": known.get("TARGET_NAME", ""),
        "product_id": known.get("PRODUCT_ID", ""),
    }
    return {key: _one_line(said) for key, said in found.items() if said}


# -------------------------------------------------------------------------------------------- PDS4


def _decoded_4(path: Path, notes: facts.Notes) -> tuple[list[Block], dict[str, str]]:
    from pdr.pds4_tools.reader.core import pds4_read

    structures = pds4_read(str(path), quiet=True, lazy_load=True)
    blocks = []
    for structure in structures:
        node = _node(str(structure.id))
        if structure.is_table():
            blocks.append(Block(str(structure.id), node, columns=_columns_4(structure, notes)))
        elif structure.is_array():
            meta = structure.meta_data
            element = meta.get("Element_Array", {})
            axes = meta.get("Axis_Array", [])
            listed = sorted(axes if isinstance(axes, list) else [axes], key=lambda axis: int(axis["sequence_number"]))
            blocks.append(
                Block(
                    *(str(structure.id), node, (), np.asarray(structure.data)),
                    [_node(str(axis["axis_name"])) for axis in listed],
                    _plain(element.get("unit")),
                    _one_line(str(meta.get("description", ""))),
                    _constants((meta.get("Special_Constants") or {}).items()),
                )
            )
    return blocks, _about_4(structures.label)


def _columns_4(structure: Any, notes: facts.Notes) -> list[Column]:
    found: list[Column] = []
    for values in structure.fields:
        meta = values.meta_data
        kind = str(meta.get("data_type", ""))
        if "Date_Time" in kind and not kind.endswith("UTC"):
            notes.line(f"{meta['name']}: its time scale is not stated, taken as UTC")
        plain = np.asarray(values)
        if plain.dtype.kind in "iuf":
            plain = plain.astype(plain.dtype.newbyteorder("="))
        found.append(
            Column(
                facts.free_name(_node(str(meta["name"])), {c.name for c in found}),
                plain.reshape(len(plain), -1) if plain.ndim > 2 else plain,
                _plain(meta.get("unit")),
                _one_line(str(meta.get("description", ""))),
                _constants(
                    (meta.get("Special_Constants") or {}).items(),
                    factor=meta.get("scaling_factor"),
                    offset=meta.get("value_offset"),
                ),
                "Date_Time" in kind,
            )
        )
    return found


def _about_4(root: Any) -> dict[str, str]:
    def said(path: str) -> str:
        found = root.find(f".//{path}")
        return _one_line(found.text or "") if found is not None else ""

    systems = root.findall(".//Observing_System_Component")
    parts = {_one_line(c.findtext("type") or ""): _one_line(c.findtext("name") or "") for c in systems}
    host = next((name for kind, name in parts.items() if kind in ("Host", "Spacecraft")), "")
    doi = said("Citation_Information/doi")
    found = {
        "title": said("Identification_Area/title"),
        "source": " / ".join(part for part in (host, parts.get("Instrument", "")) if part),
        "references": f"https://doi.org/{doi}" if doi else said("Identification_Area/logical_identifier"),
        "target": said("Target_Identification/name"),
        "product_id": said("Identification_Area/logical_identifier"),
    }
    return {key: told for key, told in found.items() if told}


# ------------------------------------------------------------------------------------------ shared


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


def _constants(pairs: Iterable[tuple[str, Any]], *, factor: object = None, offset: object = None) -> tuple[float, ...]:
    """Return the constants that stand for no value, scaled as the values are: labels give them as stored."""
    found = []
    for key, told in pairs:
        if CONSTANT.fullmatch(str(key)):
            number = _number(told)
            if number is not None:
                found.append(number * (_number(factor) or 1.0) + (_number(offset) or 0.0))
    return tuple(dict.fromkeys(found))


def _number(told: object) -> float | None:
    if told is None or isinstance(told, bool):
        return None
    text = str(told).strip()
    if based := re.fullmatch(r"(\d+)#([0-9A-Fa-f]+)#", text):
        return float(int(based[2], int(based[1])))
    try:
        return float(text)
    except ValueError:
        return None


def _plain(unit: object) -> str | None:
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


def _node(name: str) -> str:
    """Return a label's name as one of ours: lower case, words joined by underscores."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_") or "unnamed"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]

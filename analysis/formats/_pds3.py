"""PDS3 labels: where the tables and images lie that they describe. ``pdr`` reads the labels, and the images."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile, UnknownFormat
from analysis.formats import _facts as facts
from analysis.formats import _pdslabel as label
from analysis.formats import _pdstables as tables
from analysis.formats._pdslabel import Block, Column
from analysis.formats._pdstables import Field, Place

__all__ = ["decoded"]


def decoded(path: Path, head: bytes, notes: facts.Notes) -> tuple[list[Block], dict[str, str]]:
    import pdr

    data = pdr.read(str(path))
    about = {key: str(data.metaget(key)).strip() for key in _KEYS_3 if data.metaget(key) is not None}
    blocks = []
    for name in data.keys():  # noqa: SIM118 (pdr's Data is no mapping)
        described = data.metablock(name)
        if name == "LABEL" or not isinstance(described, Mapping):
            continue
        node = label.node_of(name)
        if described.get("ROWS") is not None and (entries := _entries(described, path.parent)):
            place = _place(path, head, name, described)
            blocks.append(
                Block(name, node, columns=_columns_3(place, described, entries, f"{path.name}: {name}", notes))
            )
            continue
        _refuse_short_image(path, head, name, described)
        values = data[name]
        if isinstance(values, np.ndarray) and values.dtype.kind in "iufc":
            unit, said = described.get("UNIT"), str(described.get("DESCRIPTION", ""))
            axes = ["band", "line", "sample"][-values.ndim :] if values.ndim <= 3 else []
            axes = axes or [f"axis_{n}" for n in range(values.ndim)]
            constants = label.constants_of(described.items())
            values = values.astype(values.dtype.newbyteorder("="))
            values = label.without_constants(values, label.stored(constants, values), notes, node)
            values = label.scaled(values, described.get("SCALING_FACTOR"), described.get("OFFSET"))
            blocks.append(Block(name, node, (), values, axes, label.unit_of(unit), label.one_line(said)))
        else:
            notes.line(f"left out: {name}, which is no table or array of numbers")
    return blocks, _about_3(about)


def _entries(described: Mapping[str, Any], folder: Path) -> list[tuple[str, Any]]:
    """Return what a TABLE holds, with what ^STRUCTURE points to in its place; nothing if it has no columns."""
    from pdr.parselabel.pds3 import read_pvl

    found: list[tuple[str, Any]] = []
    for key, told in described.items():
        if not key.endswith("STRUCTURE") or not key.startswith("^"):
            found.append((key, told))
            continue
        file = _beside(folder, str(told))
        within = list(read_pvl(str(file))[0].items())
        if len(within) == 1 and "TABLE" in within[0][0]:
            within = list(within[0][1].items())
        found += within
    return found if any(key in ("COLUMN", "FIELD", "CONTAINER") for key, _ in found) else []


def _beside(folder: Path, name: str) -> Path:
    """Return a file of a label's folder; the label's spelling may differ in case."""
    if (exact := folder / name).exists():
        return exact
    return next((p for p in folder.iterdir() if p.name.lower() == name.lower()), exact)


def _place(path: Path, head: bytes, name: str, described: Mapping[str, Any]) -> Place:
    """Return where the first row of a table lies."""
    pointed = _pointed(head, name)
    if pointed is None:
        raise UnknownFormat(f"{path.name} does not say in which file {name} lies; it was not read")
    quoted, bare, alone, second, as_bytes = pointed[1:]
    where = _beside(path.parent, quoted or bare) if quoted or bare else path
    before = int(second or alone or 1) - 1
    if as_bytes or not before:
        return Place(where, before, None if as_bytes else 0)
    said = {
        int(n) for n in re.findall(r"^\s*RECORD_BYTES\s*=\s*(\d+)", label.text_of(head), re.MULTILINE | re.IGNORECASE)
    }
    if len(said) > 1:
        raise UnknownFormat(f"{path.name} has files with records of {sorted(said)} bytes; {name} was not found in them")
    width = said.pop() if said else int(described.get("ROW_BYTES", 0))
    return Place(where, before * width, before)


def _pointed(head: bytes, name: str) -> tuple[str, str, str, str, str, str] | None:
    """Return the pointer to an object; pdr numbers those of one name."""
    found = [each for each in label.pointers(head) if each[0].upper() == name.upper()]
    stem, _, number = name.upper().rpartition("_")
    if not found and number.isdigit():
        found = [each for each in label.pointers(head) if each[0].upper() == stem][int(number) :]
    return found[0] if found else None


def _refuse_short_image(path: Path, head: bytes, name: str, described: Mapping[str, Any]) -> None:
    """Refuse an image whose file ends before the label says it does."""
    told = [described.get(key) for key in ("LINES", "LINE_SAMPLES", "SAMPLE_BITS")]
    if any(not isinstance(each, int) for each in told) or _pointed(head, name) is None:
        return
    lines, samples, bits = (int(str(each)) for each in told)
    extra = sum(int(described.get(f"LINE_{end}_BYTES", 0)) for end in ("PREFIX", "SUFFIX"))
    place = _place(path, head, name, described)
    needed = place.skipped + int(described.get("BANDS", 1)) * lines * (samples * bits // 8 + extra)
    packed = "ENCODING_TYPE" in described and str(described["ENCODING_TYPE"]).upper() not in ("N/A", "NONE")
    if not packed and place.file.exists() and (size := place.file.stat().st_size) < needed:
        raise CorruptFile(f"{place.file.name} has {size} bytes where {path.name} says {needed}; get it again")


def _columns_3(
    place: Place, described: Mapping[str, Any], entries: list[tuple[str, Any]], where: str, notes: facts.Notes
) -> list[Column]:
    """Return the columns of a table by the bytes that the label names."""
    listed = tables.not_too_many(tables.fields(entries, where), where)
    count = tables.whole(described, "ROWS", where)
    if any(key == "FIELD" for key, _ in entries):
        said, at = str(described.get("FIELD_DELIMITER", "COMMA")), 0
        order: list[tuple[Field, list[int]]] = []
        for field in listed:
            order.append((field, list(range(at, at + math.prod(field.shape)))))
            at += len(order[-1][1])
        read: list[NDArray | None] = [*tables.spreadsheet(place, count, said, order, where, notes)]
    else:
        width = tables.whole(described, "ROW_BYTES", where)
        around = [tables.whole(described, f"ROW_{end}_BYTES", where, 0) for end in ("PREFIX", "SUFFIX")]
        is_text = str(described.get("INTERCHANGE_FORMAT", "BINARY")).upper() == "ASCII"
        rows = tables.table_rows(place, (count, width, *around), listed, where, text=is_text)
        read = [tables.cells(rows, field, where, notes, text=is_text) for field in listed]
    return label.columns(listed, read, notes)


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
    return {key: label.one_line(said) for key, said in found.items() if said}

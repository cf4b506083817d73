"""PDS4 labels: where the tables and arrays lie that they describe.

pds4_tools, which comes with ``pdr``, finds the structures and reads the arrays. Its tables take an empty number for 0
and leave declared constants as they are where values are scaled, so that their cells are decoded here.

Reference: PDS4 Standards Reference 1.22 (2024); PDS4 Information Model, Field and Packed_Data_Fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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

KINDS = {  # ours, which are those of PDS3
    "ASCII_Real": "ASCII_REAL",
    "ASCII_Integer": "ASCII_INTEGER",
    "ASCII_NonNegative_Integer": "ASCII_INTEGER",
    "ASCII_Boolean": "ASCII_BOOLEAN",
    "SignedByte": "INTEGER",
    "UnsignedByte": "UNSIGNED_INTEGER",
    "SignedBitString": "BIT_STRING",
    "UnsignedBitString": "BIT_STRING",
}


def decoded(path: Path, notes: facts.Notes) -> tuple[list[Block], dict[str, str]]:
    """Return the tables and arrays that a label describes, and whose they are."""
    from pdr.pds4_tools.reader.core import pds4_read

    structures = pds4_read(str(path), quiet=True, lazy_load=True, no_scale=True)
    blocks = []
    for structure in structures:
        node = label.node_of(str(structure.id))
        if structure.is_table():
            blocks.append(Block(str(structure.id), node, columns=_columns(structure, path.name, notes)))
        elif structure.is_array():
            blocks.append(_array(structure, node, notes))
    return blocks, _about_4(structures.label)


def _array(structure: Any, node: str, notes: facts.Notes) -> Block:
    meta = structure.meta_data
    element, axes = meta.get("Element_Array", {}), meta.get("Axis_Array", [])
    listed = sorted(axes if isinstance(axes, list) else [axes], key=lambda axis: int(axis["sequence_number"]))
    constants = label.constants_of((meta.get("Special_Constants") or {}).items())
    values = np.array(structure.data)
    values = values.astype(values.dtype.newbyteorder("="))
    values = label.without_constants(values, label.stored(constants, values), notes, node)
    values = label.scaled(values, element.get("scaling_factor"), element.get("value_offset"))
    unit, said = label.unit_of(element.get("unit")), label.one_line(str(meta.get("description", "")))
    names = [label.node_of(str(axis["axis_name"])) for axis in listed]
    return Block(str(structure.id), node, (), values, names, unit, said)


def _columns(structure: Any, label_name: str, notes: facts.Notes) -> list[Column]:
    """Return the columns of a table by the bytes, or the delimiters, that the label names."""
    root = structure.label.getroot()
    where = f"{label_name}: {structure.id}"
    place = Place(Path(structure.parent_filename), _number(root, "offset", where), None)
    count = _number(root, "records", where)
    if root.tag == "Table_Delimited":
        listed, total = _in_order(root.find("Record_Delimited"), where)
        said = str(root.findtext("field_delimiter", "Comma")).strip().replace(" ", "_")
        read: list[NDArray | None] = [*tables.spreadsheet(place, count, said, listed, where, notes, total)]
        return label.columns([field for field, _ in listed], read, notes)
    is_text = root.tag == "Table_Character"
    record = root.find("Record_Character" if is_text else "Record_Binary")
    if record is None:
        raise UnknownFormat(f"{where} is a {root.tag}, which is not read")
    fields = tables.not_too_many(_fields(record, where), where)
    width = _number(record, "record_length", where)
    rows = tables.table_rows(place, (count, width, 0, 0), fields, where, text=is_text)
    for field in fields:
        if field.kind == "TIME" and not str(field.said["DATA_TYPE"]).endswith("UTC"):
            notes.line(f"{field.name}: its time scale is not stated, taken as UTC")
    return label.columns(fields, [tables.cells(rows, f, where, notes, text=is_text) for f in fields], notes)


def _fields(
    record: Any, where: str, origin: int = 0, shape: tuple[int, ...] = (), strides: tuple[int, ...] = ()
) -> Iterator[Field]:
    """Give the fields of a record or a group with their places, those of bits one by one."""
    for child in record:
        if child.tag.startswith("Group_Field_"):
            times, length = (_number(child, key, where) for key in ("repetitions", "group_length"))
            inner = ((*shape, times), (*strides, length // max(1, times))) if times > 1 else (shape, strides)
            yield from _fields(child, where, origin + _number(child, "group_location", where) - 1, *inner)
        elif child.tag in ("Field_Character", "Field_Binary"):
            start, size = origin + _number(child, "field_location", where) - 1, _number(child, "field_length", where)
            if start < 0 or size < 1:
                raise CorruptFile(f"{where}: a field has {size} bytes from byte {start + 1} on; get the label again")
            packed = child.find("Packed_Data_Fields")
            if packed is None:
                yield Field(_name(child), _kind(child), start, size, _said(child), shape, strides)
                continue
            for part in packed.findall("Field_Bit"):
                yield _bits(part, child, Field(_name(part), "", start, size, _said(part), shape, strides), where)


def _bits(part: Any, child: Any, field: Field, where: str) -> Field:
    ends = [
        _number(part, key if part.find(key) is not None else f"{key}_location", where)
        for key in ("start_bit", "stop_bit")
    ]
    if "LSB" in _said(child)["DATA_TYPE"] and field.size > 1:
        raise UnknownFormat(f"{where}: {field.name} is of bits in bytes of reversed order, which is not read")
    if not 1 <= ends[0] <= ends[1] <= 8 * field.size or field.size > 8:
        raise CorruptFile(f"{where}: {field.name} has no bits {ends[0]} to {ends[1]}; get the label again")
    kind = "BIT_STRING:SIGNED" if _said(part)["DATA_TYPE"].startswith("Signed") else "BIT_STRING"
    bits = ends[0] - 1, ends[1] - ends[0] + 1
    return Field(field.name, kind, field.start, field.size, field.said, field.shape, field.strides, bits)


def _in_order(record: Any, where: str, first: int = 0) -> tuple[list[tuple[Field, list[int]]], int]:
    """Return the fields of a delimited record, each with its places among the values of a row, and their number."""
    found: list[tuple[Field, list[int]]] = []
    at = first
    for child in record if record is not None else ():
        if child.tag == "Field_Delimited":
            found.append((Field(_name(child), _kind(child), 0, 1, _said(child)), [at]))
            at += 1
        elif child.tag == "Group_Field_Delimited":
            times = _number(child, "repetitions", where)
            inner, end = _in_order(child, where, at)
            step = end - at
            if times < 1 or times * step > tables.TOO_MANY:
                raise CorruptFile(f"{where}: a group is repeated {times} times; get the label again")
            for field, places in inner:
                shape = (times, *field.shape) if times > 1 else field.shape
                spread = [place + step * turn for turn in range(times) for place in places]
                strides = (0,) * len(shape)
                found.append((Field(field.name, field.kind, 0, 1, field.said, shape, strides), spread))
            at += times * step
    return found, at


def _name(child: Any) -> str:
    return " ".join(str(child.findtext("name", "field")).split())


def _kind(child: Any) -> str:
    said = str(child.findtext("data_type", "")).strip()
    if said in KINDS:
        return KINDS[said]
    if based := re.fullmatch(r"ASCII_Numeric_Base(\d+)", said):
        return f"ASCII_BASE_{based[1]}"
    if numeric := re.fullmatch(r"(Signed|Unsigned)(MSB|LSB)[248]", said):
        return f"{numeric[2]}_{'UNSIGNED_' if numeric[1] == 'Unsigned' else ''}INTEGER"
    if real := re.fullmatch(r"IEEE754(MSB|LSB)(Single|Double)", said):
        return "IEEE_REAL" if real[1] == "MSB" else "PC_REAL"
    if said.startswith("ASCII_Date_Time"):
        return "TIME"
    return "CHARACTER" if said.startswith(("ASCII_", "UTF8_")) else said.upper()


def _said(child: Any) -> dict[str, str]:
    """Return what a field says of itself under the names of PDS3."""
    keys = {"SCALING_FACTOR": "scaling_factor", "OFFSET": "value_offset", "UNIT": "unit", "DESCRIPTION": "description"}
    found = {ours: str(child.findtext(theirs)) for ours, theirs in keys.items() if child.findtext(theirs)}
    constants = child.find("Special_Constants")
    return {
        **found,
        **({each.tag: (each.text or "").strip() for each in constants} if constants is not None else {}),
        "DATA_TYPE": str(child.findtext("data_type", "")).strip(),
    }


def _number(element: Any, key: str, where: str) -> int:
    """Return a whole number that a label states."""
    said = element.findtext(key)
    try:
        return int(str(said).strip())
    except ValueError as error:
        raise CorruptFile(f"{where}: {key} = {said!r:.40} is no whole number; get the label again") from error


def _about_4(root: Any) -> dict[str, str]:
    def said(path: str) -> str:
        found = root.find(f".//{path}")
        return label.one_line(found.text or "") if found is not None else ""

    systems = root.findall(".//Observing_System_Component")
    parts = {label.one_line(c.findtext("type") or ""): label.one_line(c.findtext("name") or "") for c in systems}
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

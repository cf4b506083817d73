"""VOTable, the tables of the Virtual Observatory: what TAP, cone, image and datalink services answer.

Read from the standard without astropy's reader, which leaves out a last row that is cut short, skips damaged base64,
and opens the addresses that a file names. :func:`from_table` takes the astropy tables of other libraries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, ContractBreach, CorruptFile, QueryRefused, UnknownFormat
from analysis.formats import _facts as facts
from analysis.formats import _votablecells as cells_of
from analysis.formats import _votablexml as xml
from analysis.formats._facts import Notes
from analysis.formats._votablecells import Cells, Texts
from analysis.formats._votablecolumns import TAKEN, Column, dataset
from analysis.formats._votablexml import Document, Table
from analysis.model import check, history_with, stamp, to_utc

if TYPE_CHECKING:
    from astropy.table import Table as AstropyTable

__all__ = ["Answer", "answer", "from_table", "read", "recognises"]

SAID = {  # what INFOs call what; IVOA Note DataOrigin 1.1
    "institution": ("publisher", "contributor", "server"),
    "source": ("ivoid",),
    "references": ("citation", "reference_url", "article", "doi"),
    "license": ("rights_uri", "rights", "license"),
}


@dataclass(frozen=True, eq=False)
class Answer:
    """What a server answered.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataTree
        The rows that came.
    overflow : str or None
        None if these are all; else what the server says of the rest, or an empty text.
    rows : int
        Number of rows that came.
    notes : Notes
        What had to be guessed.
    """

    data: xr.Dataset | xr.DataTree
    overflow: str | None
    rows: int
    notes: Notes


def recognises(head: bytes) -> bool:
    """Return whether these first bytes are those of a VOTable.

    Examples
    --------
    >>> recognises(b'<?xml version="1.0"?><VOTABLE version="1.4">'), recognises(b"<html>VOTABLE</html>")
    (True, False)
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head[: len(head) & ~1].decode("utf-16", "ignore")
    else:
        text = head.decode("latin-1").removeprefix("\u00ef\u00bb\u00bf")
    plain = re.sub(r"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*(\[.*?\]\s*)?>", "", text, flags=re.DOTALL).lstrip()
    return re.match(r"<([\w.-]+:)?VOTABLE[\s>]", plain) is not None


def read(path: Path, assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    """Return the tables of a VOTable.

    Parameters
    ----------
    path : pathlib.Path
        The file, not compressed: :func:`analysis.formats.read` unpacks.
    assume : mapping
        ``units.NAME``, ``frame.NAME`` and ``long_name.NAME`` for columns that don't say it, ``frame`` for all.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Dim ``row``; arrays in cells have further dims, padded with NaN where their lengths differ. Variables have the
        columns' names, and the attributes ``ucd``, ``utype``, ``frame`` where the file states them. Undefined numbers
        are NaN, undefined text is "". Columns that are times (xtype timestamp, or numbers with a TIMESYS) are UTC.
        Several tables are a DataTree. The attribute ``overflow`` marks an answer that its server cut.

    Raises
    ------
    CorruptFile
        If the file is cut short or damaged, or would unfold to far more than it holds.
    QueryRefused
        If it is the error message of a server.
    UnknownFormat
        If it holds no table, or only the address of its rows.
    BadOption
        If ``assume`` contradicts the file.

    Warns
    -----
    AnalysisWarning
        If the server says that there is more, and for units that are not understood.

    References
    ----------
    VOTable 1.5, IVOA Recommendation (2025); DALI 1.1, section 4.4 (QUERY_STATUS).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "stars.xml"
    ...     _ = file.write_text('<VOTABLE><RESOURCE><TABLE><FIELD name="flux" datatype="float" unit="mJy"/><DATA>'
    ...                         '<TABLEDATA><TR><TD>1.5</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>')
    ...     read(file, {}).flux.item()
    1.5
    """
    found = answer(path, assume)
    if found.overflow is not None:
        found.notes.guess("the server cut its answer (OVERFLOW), so that rows are missing after row", str(found.rows))
    found.notes.warn()
    return found.data


def answer(path: Path, assume: Mapping[str, str] | None = None) -> Answer:
    """Return the tables of a VOTable, and whether its server sent all of them; see :func:`read`, which warns.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "no.xml"
    ...     _ = file.write_text('<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">no column '
    ...                         'x</INFO></RESOURCE></VOTABLE>')
    ...     answer(file)
    Traceback (most recent call last):
    ...
    analysis.errors.QueryRefused: no.xml is a server's refusal: no column x
    """
    document = xml.opened(path, lambda table: _texts(table, path))
    state, said = xml.status(document)
    if state == "ERROR":
        reason = " ".join(said.split())[:600] or "it gives no reason"
        raise QueryRefused(f"{path.name} is a server's refusal: {reason}")
    held = [table for table in document.tables if table.resource.attrs.get("type") != "meta" and table.fields]
    if not held:
        raise UnknownFormat(f"{path.name} is a VOTable without a table")
    notes = Notes(path.name)
    decoded = [_decoded(document, table) for table in held]
    facts.accepted(
        assume or {},
        file=path.name,
        plain=["frame"],
        named=["units", "frame", "long_name"],
        variables=[column.name for columns in decoded for column in columns],
    )
    nodes: dict[str, xr.Dataset] = {}
    for table, columns in zip(held, decoded, strict=True):
        name = re.sub(r"\W+", "_", table.attrs.get("name", "")).strip("_") or f"table_{len(nodes) + 1}"
        built = dataset(columns, document.systems, assume or {}, notes, table.rows)
        nodes[facts.free_name(name, nodes)] = _finished(built, document, table, notes)
    for node in nodes.values() if state == "OVERFLOW" else ():
        node.attrs["overflow"] = said or "the server cut its answer"
        node.attrs["history"] = history_with(node, "its server cut the answer (OVERFLOW): rows are missing")
    data = next(iter(nodes.values())) if len(nodes) == 1 else xr.DataTree.from_dict(nodes)
    return Answer(data, said if state == "OVERFLOW" else None, sum(table.rows for table in held), notes)


def from_table(
    table: AstropyTable,
    *,
    title: str,
    institution: str,
    source: str,
    references: Sequence[str],
    provenance: Mapping[str, object],
    license: str = "not stated",
    history: Sequence[str] = (),
) -> xr.Dataset:
    """Return an astropy table, as astroquery and pyvo give them, as a dataset that keeps the data contract.

    Parameters
    ----------
    table : astropy.table.Table
        Any columns: numbers, text, Time, SkyCoord (becomes ``NAME_ra`` and so on), Quantity; masked or not.
    title, institution, source, references, license, history, provenance
        As in :func:`analysis.model.stamp`.

    Returns
    -------
    xarray.Dataset
        Dim ``row``, as :func:`read` gives it.

    Raises
    ------
    BadOption
        If it is no astropy table.

    Warns
    -----
    AnalysisWarning
        For units that are not understood.

    Examples
    --------
    >>> from astropy.table import MaskedColumn, Table
    >>> stars = Table([MaskedColumn([7, 8], name="n", mask=[False, True], description="Number of visits")])
    >>> found = from_table(stars, title="Stars", institution="Us", source="made up", references=["none"], provenance={})
    >>> found.n.values.tolist(), found.n.attrs["long_name"]
    ([7.0, nan], 'Number of visits')
    """
    from astropy.table import Table as AstropyTable

    if not isinstance(table, AstropyTable):
        raise BadOption(f"from_table takes an astropy Table, not a {type(table).__name__}")
    notes = Notes(title)
    columns = [column for name in table.colnames for column in _of_astropy(name, table[name])]
    built = dataset(columns, {}, {}, notes, len(table))
    notes.warn()
    stamped = stamp(
        built,
        title=title,
        institution=institution,
        source=source,
        references=references,
        license=license,
        history=[*history, f"table of {len(table)} rows", *notes.lines()],
        provenance=provenance,
    )
    return check(stamped)


# ------------------------------------------------------------------------------------------ columns


def _where(path: Path, table: Table) -> str:
    name = table.attrs.get("name")
    return f"{path.name}: table {name!r}" if name else f"{path.name}: its table"


def _texts(table: Table, path: Path):
    """Return what takes the rows of a TABLEDATA."""
    where = _where(path, table)
    taker = Texts(table, [cells_of.kind_of(f, where) for f in table.fields], path.stat().st_size, where)
    table.cells = taker
    return taker.add


def _decoded(document: Document, table: Table) -> list[Column]:
    where = _where(Path(document.file), table)
    if isinstance(table.cells, Texts):
        found = table.cells.columns()
    elif table.serial in ("BINARY", "BINARY2"):
        found = cells_of.of_stream(table, [cells_of.kind_of(f, where) for f in table.fields], where)
    elif table.serial:
        raise UnknownFormat(f"{where} holds its rows as {table.serial}, which is not read; ask for BINARY2")
    else:  # a header without DATA describes rows that there are none of
        empty = Texts(table, [cells_of.kind_of(f, where) for f in table.fields], 0, where)
        found = empty.columns()
    if len(found) != len(table.fields):
        raise CorruptFile(f"{where} declares columns after its rows; get it again")
    announced = table.attrs.get("nrows", "").strip()
    if announced.isdigit() and int(announced) != table.rows:
        raise CorruptFile(f"{where} announces {announced} rows and has {table.rows}; get it again")
    names: list[str] = []
    for element in table.fields:
        wanted = element.get("name") or element.get("ID") or "column"
        names.append(facts.free_name(TAKEN.get(wanted, wanted), names))
    said = [{**field.attrs, "description": field.description} for field in table.fields]
    return [Column(*parts) for parts in zip(names, found, said, strict=True)]


def _of_astropy(name: str, column) -> list[Column]:
    """Return a column of an astropy table, a coordinate as one column each of its parts."""
    from astropy.coordinates import SkyCoord
    from astropy.time import Time

    ours = TAKEN.get(name, name)
    info = column.info
    said = {"unit": "" if info.unit is None else str(info.unit), "description": info.description or ""}
    said |= {key: str(value) for key, value in (info.meta or {}).items() if key in ("ucd", "utype", "xtype")}
    if isinstance(column, SkyCoord):
        parts = [(part, getattr(column.spherical, part)) for part in ("lon", "lat")]
        names = column.get_representation_component_names()
        told = {value: key for key, value in names.items()}
        frame = {"frame": column.frame.name, "unit": "deg", "description": info.description or ""}
        return [Column(f"{ours}_{told.get(part, part)}", _angles(angle), frame) for part, angle in parts]
    if isinstance(column, Time):
        return [Column(ours, _of_times(column))]
    undefined = np.array(np.broadcast_to(getattr(column, "mask", False), column.shape), bool)
    values = np.asarray(getattr(column, "value", column))
    if values.dtype.kind in "SUO":
        texts = np.empty(values.shape, object)
        texts.ravel()[:] = [_text(value) for value in values.flat]
        return [Column(ours, Cells(texts, undefined), said)]
    return [Column(ours, Cells(values.astype(values.dtype.newbyteorder("=")), undefined), said)]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def _angles(angle) -> Cells:
    return Cells(angle.deg, np.isnan(angle.deg))


def _of_times(times) -> Cells:
    """Return astropy times as UTC; masked ones are NaT."""
    undefined = np.array(np.broadcast_to(times.mask, times.shape), bool)
    values = np.full(times.shape, np.datetime64("NaT", "ns"))
    if not undefined.all():
        values[~undefined] = to_utc(times[~undefined])
    return Cells(values, undefined)


# ------------------------------------------------------------------------------------------ the whole


def _finished(data: xr.Dataset, document: Document, table: Table, notes: Notes) -> xr.Dataset:
    """Return a table's dataset with what the file says of its origin, checked."""
    resource = table.resource
    infos = [*table.infos, *resource.infos, *document.root.infos]
    said: dict[str, list[str]] = {key: [] for key in SAID}
    for key, names in SAID.items():
        for name in names:
            said[key] += [i.get("value") or i.text for i in infos if i.get("name").lower() == name]
    described = table.description or resource.description or document.root.description
    title = described.partition(". ")[0][:120] or table.attrs.get("name") or document.file
    params = {p.get("name"): f"{p.get('value')} {p.get('unit')}".strip() for p in (*table.params, *resource.params)}
    if any(params.values()):
        data = data.assign_attrs(parameters=json.dumps(params, ensure_ascii=False))
    stamped = stamp(
        data,
        title=title,
        institution=next(iter(said["institution"]), "not stated"),
        source=next(iter(said["source"]), "not stated"),
        references=list(dict.fromkeys(ref for ref in said["references"] if ref)) or ["not stated"],
        license=next(iter(said["license"]), "not stated"),
        history=[f"VOTable of {table.rows} rows", *notes.lines()],
        provenance={"files": [{"name": document.file}]},
    )
    try:
        return check(stamped)
    except ContractBreach as error:
        raise CorruptFile(f"{document.file} holds what cannot be: {error}") from error

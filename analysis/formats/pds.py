"""Products of the Planetary Data System, PDS3 and PDS4: a label that says what lies in the files beside it.

``pdr``, the Planetary Data Reader, and the pds4_tools in it read labels, images and arrays. What they let pass is
looked at here: files shorter than their label says, labels that point out of their folder, constants that stand for
"not measured". The cells of tables are decoded here, since their readers give other values than the label says.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisError, CorruptFile, MissingFile, UnknownFormat
from analysis.formats import _content, _pds3, _pds4
from analysis.formats import _facts as facts
from analysis.formats import _pdslabel as label
from analysis.formats import _pdstimes as times
from analysis.formats._pdslabel import Block, Column
from analysis.model import check, stamp

__all__ = ["files_of", "read", "recognises"]


def recognises(head: bytes) -> bool:
    """Return whether these are the first bytes of a PDS3 label (detached or not) or a PDS4 label.

    Examples
    --------
    >>> recognises(b"PDS_VERSION_ID = PDS3"), recognises(b"SIMPLE  =")
    (True, False)
    """
    return label.standard(head) is not None


def files_of(path: Path) -> list[str]:
    """Return the names of the files that a label needs beside it, itself left out.

    Parameters
    ----------
    path : pathlib.Path
        A PDS3 or PDS4 label.

    Raises
    ------
    CorruptFile
        If the label cannot be understood, or points to a file outside its folder.
    """
    return label.files(path)


def read(
    path: Path, assume: Mapping[str, str], *, beside: Mapping[str, Path] | None = None
) -> xr.Dataset | xr.DataTree:
    """Return what a PDS label describes: a Dataset, or a DataTree where it has several tables or arrays.

    Parameters
    ----------
    path : pathlib.Path
        The label (``.LBL``, ``.xml``), its data files beside it; or a PDS3 file with its label attached.
    assume : mapping
        Facts that the label leaves out: ``units.NAME``, ``long_name.NAME``, ``frame`` or ``frame.NAME``.
    beside : mapping of str to pathlib.Path, optional
        Where the files that :func:`files_of` names are, if not beside the label.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        A table: dim ``time`` (UTC) where it has a column of times that increases, else ``row``; a column of several
        items has a second dim. An array: the axes that the label names. Declared constants for missing, invalid or
        unknown values are NaN; scaling factors and offsets are applied.

    Raises
    ------
    MissingFile
        If a data file is not there.
    CorruptFile
        If a file is shorter than the label says, or cannot be decoded as it says.
    UnknownFormat
        If the label describes no table or array that is read here.
    BadOption
        If ``assume`` is not understood or contradicts the label.

    References
    ----------
    PDS Standards Reference 3.8 (2009); PDS4 Standards Reference 1.22 (2024).
    """
    needed = label.files(path)
    if beside is None:
        _all_there(path, needed)
        return _opened(path, needed, assume)
    with tempfile.TemporaryDirectory(prefix="sanko-") as folder:
        # Labels name their files; the store names them by checksum.
        named = Path(folder) / (path.name if path.suffix else f"{path.name}.{label.suffix(path)}")
        for name, held in {**beside, named.name: path}.items():
            (named.parent / name).symlink_to(held.absolute())
        _all_there(named, needed)
        return _opened(named, needed, assume)


def _all_there(path: Path, needed: list[str]) -> None:
    there = {other.name.lower() for other in path.parent.iterdir()}
    if missing := [name for name in needed if name.lower() not in there]:
        raise MissingFile(
            f"{path.name} is a PDS label; its data are in {', '.join(missing)}, which must lie in the same folder "
            f"({path.absolute().parent})"
        )


def _opened(path: Path, needed: Sequence[str], assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    notes = facts.Notes(path.name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        blocks, about = _decoded(path, notes)
    if not blocks:
        raise UnknownFormat(f"{path.name} is a PDS label without a table or array that is read here")
    for warning in said:
        if not issubclass(warning.category, (DeprecationWarning, FutureWarning)):
            notes.line(f"pdr: {' '.join(str(warning.message).split())[:160]}")
    names = [name for block in blocks for name in block.names]
    facts.accepted(assume, file=path.name, plain=["frame"], named=["units", "long_name", "frame"], variables=names)
    found: dict[str, xr.Dataset] = {}
    for block in blocks:
        data = _table(block, assume, notes) if block.columns else _array(block, assume, notes)
        found[facts.free_name(block.node, found)] = data
    notes.warn()
    held = [_held(path), *(_held(_found(path.parent, name)) for name in needed)]
    done = {node: _finished(data, about, node if len(found) > 1 else "", notes, held) for node, data in found.items()}
    return next(iter(done.values())) if len(done) == 1 else xr.DataTree.from_dict(done)


def _decoded(path: Path, notes: facts.Notes) -> tuple[list[Block], dict[str, str]]:
    """Return the tables and arrays that a label describes, and what it says about whose they are.

    Raises
    ------
    CorruptFile
        If the files are not what the label says.
    """
    with path.open("rb") as opened:
        head = opened.read(label.LABEL)
    try:
        return _pds4.decoded(path, notes) if label.standard(head) == 4 else _pds3.decoded(path, head, notes)
    except AnalysisError:
        raise
    except Exception as error:  # pdr raises whatever its parsers do; the cause is chained
        reason = " ".join(str(error).split())[:200]
        raise CorruptFile(
            f"{path.name}: the data are not what the label says ({type(error).__name__}: {reason}); get them again"
        ) from error


def _found(folder: Path, name: str) -> Path:
    """Return the file of this name, or the one whose name differs in letter case only: labels are older than that."""
    if (exact := folder / name).exists():
        return exact
    return next(other for other in folder.iterdir() if other.name.lower() == name.lower())


def _held(path: Path) -> dict[str, object]:
    return {"name": path.name, "sha256": _content.sha256(path), "size": path.stat().st_size}


def _finished(
    data: xr.Dataset, about: Mapping[str, str], node: str, notes: facts.Notes, held: list[dict[str, object]]
) -> xr.Dataset:
    more = {key: told for key, told in about.items() if key not in ("title", "source", "references")}
    stamped = stamp(
        data.assign_attrs(more),
        title=" ".join(part for part in (about.get("title", notes.file), node and f"({node})") if part),
        institution=about.get("institution", facts.NOT_STATED),
        source=about.get("source", facts.NOT_STATED),
        references=[about.get("references", facts.NOT_STATED)],
        license=facts.NOT_STATED,
        history=[*(f"read from {file['name']} (sha256 {file['sha256']})" for file in held), *notes.lines()],
        provenance={"files": held},
    )
    return check(stamped)


# ------------------------------------------------------------------------------------------ tables


def _table(block: Block, assume: Mapping[str, str], notes: facts.Notes) -> xr.Dataset:
    instants = {c.name: times.utc(c.values) for c in block.columns if c.is_time or times.sounds_like(c.name)}
    known = {name: when for name, when in instants.items() if when is not None}
    axis, keep = times.axis(known)
    if axis and not _repeat_themselves(block.columns, keep):
        notes.line(f"{axis} has several different rows at one time, so that the rows stay numbered")
        axis = ""
    row = "time" if axis else "row"
    data = xr.Dataset()
    for column in block.columns:
        if column.name == axis:
            continue
        values = known.get(column.name, column.values)
        name = "clock" if column.name == "time" else column.name  # "time" is UTC in every dataset
        data[facts.free_name(name, [str(v) for v in data.variables])] = _variable(column, values, row, assume, notes)
    if not axis:
        return data
    if dropped := known[axis].size - keep.size:
        notes.line(f"{dropped} rows that repeat the row before them exactly were dropped")
    attrs = {"long_name": "Time (UTC)", "archive_name": axis}
    kept = data.isel(time=keep) if data.variables else data  # some tables hold nothing but times
    return kept.assign_coords(time=("time", known[axis][keep], attrs))


def _repeat_themselves(columns: Sequence[Column], keep: NDArray) -> bool:
    """Return whether each row that is not kept is the one before it once more."""
    dropped = np.setdiff1d(np.arange(len(columns[0].values)), keep)
    for column in columns:
        here, before = column.values[dropped], column.values[dropped - 1]
        if not np.all((here == before) | ((here != here) & (before != before))):
            return False
    return True


def _variable(column: Column, values: NDArray, row: str, assume: Mapping[str, str], notes: facts.Notes) -> xr.Variable:
    dims = (row, f"{column.name}_item")[: values.ndim]
    name = column.name
    said = facts.long_name(name, column.description or None, assume, notes)
    attrs: dict[str, object] = {"long_name": said}
    if values.dtype.kind == "M":
        return xr.Variable(dims, values, attrs)
    if values.dtype.kind in "OUS":
        return xr.Variable(dims, np.char.strip(values.astype(str)), attrs)
    whole = values.dtype.kind in "iub"
    filled = facts.without_unmeasured(name, values, notes) if values.dtype.kind == "f" and values.size else values
    attrs |= facts.units(name, column.unit, assume, notes, whole=whole)
    if facts.is_component(name) or f"frame.{name}" in assume:
        attrs["frame"] = facts.frame(name, None, assume, notes)
    return xr.Variable(dims, filled, attrs)


# ------------------------------------------------------------------------------------------ arrays


def _array(block: Block, assume: Mapping[str, str], notes: facts.Notes) -> xr.Dataset:
    values = np.asarray(block.values)
    values = values.astype(values.dtype.newbyteorder("="))
    whole = values.dtype.kind in "iub"
    filled = facts.without_unmeasured(block.node, values, notes) if values.dtype.kind == "f" and values.size else values
    attrs = {
        **facts.units(block.node, block.unit, assume, notes, whole=whole),
        "long_name": facts.long_name(block.node, block.description or None, assume, notes),
    }
    dims: list[str] = []
    for axis in block.axes:
        # an axis without values is no axis of time or energy yet
        dims.append(facts.free_name(f"{axis}_index" if axis == "time" else axis, dims))
    return xr.Dataset({block.node: xr.Variable(dims, filled, attrs)})

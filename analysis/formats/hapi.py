"""Answers of HAPI servers that carry their header (``include=header``): binary, CSV or JSON.

Variables keep the server's names; the first parameter is ``time``. Axes, vectors, units, fills and frames become
those of the data contract. Where parameters have different bins under one name the result is a DataTree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import BadOption, WrongData
from analysis.formats import _facts as facts
from analysis.formats import _hapiaxes as hapiaxes
from analysis.formats._cdfaxes import sets
from analysis.formats._hapiinfo import Info, Parameter
from analysis.formats._hapijoin import Piece, check_header, joined, run_of
from analysis.formats._hapirecords import opened
from analysis.model import check

PLAIN, NAMED = ("frame", "sort"), ("frame", "units", "long_name")
NOT_STATED = facts.NOT_STATED
UNTITLED = "HAPI dataset"


def recognises(head: bytes) -> bool:
    """Return whether these are the first bytes of a HAPI answer with its header.

    Examples
    --------
    >>> recognises(b'#{\\n#"HAPI": "3.2", "status": {"code": 1200}'), recognises(b'{"HAPI": "2.0", "status": {}}')
    (True, True)
    >>> recognises(b"2001-01-01T00:00Z,1.5")
    False
    """
    start = head[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    told = start[:1] == b"{" or (start.replace(b"#", b"", 1).lstrip(b"# \t\r\n")[:1] == b"{" and start[:1] == b"#")
    return told and b'"HAPI"' in head


def read(path: Path, assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    """Return the records of a saved answer.

    Parameters
    ----------
    path : pathlib.Path
        What a server answered to a request for data with ``include=header``.
    assume : mapping
        Facts that the header leaves out: ``frame`` or ``frame.NAME``, ``units.NAME``, ``long_name.NAME``. ``sort``:
        "yes" permits records out of order, which are refused otherwise.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Times in UTC, fills as NaN.

    Raises
    ------
    CorruptFile
        If the records were cut, or header and records do not fit.
    WrongData
        If it is an error message, has no records, or records out of order.

    Examples
    --------
    >>> import tempfile
    >>> header = ('#{"HAPI": "3.2", "status": {"code": 1200, "message": "OK"}, "format": "csv", "parameters": ['
    ...           '{"name": "Time", "type": "isotime", "length": 17, "units": "UTC", "fill": null},'
    ...           '{"name": "n", "type": "double", "units": "#/cc", "fill": "-1e31"}]}')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv")
    ...     _ = path.write_text(header + "\\n2001-01-01T00:00Z,5\\n2001-01-01T00:01Z,-1e31\\n")
    ...     data = read(path, {})
    >>> data.n.values.tolist(), data.n.attrs["units"]
    ([5.0, nan], 'cm-3')
    """
    return decode([path], assume=assume, wheres=[path.name])


def decode(
    sources: Sequence[Path | bytes],
    info: Info | None = None,
    *,
    wheres: Sequence[str] | None = None,
    assume: Mapping[str, str] | None = None,
) -> xr.Dataset | xr.DataTree:
    """Return the records of one or several answers, in the order of time, checked against the data contract.

    Parameters
    ----------
    sources : sequence of pathlib.Path or bytes
        Answers with their headers, of any format, in the order of their intervals.
    info : Info, optional
        What each header must declare; that of the first by default.
    wheres : sequence of str, optional
        What they are, for messages.
    assume : mapping, optional
        As in :func:`read`.

    Raises
    ------
    CorruptFile
        If an answer is cut, damaged, or declares other parameters than the others.
    WrongData
        If one is an error message, or they hold no records, or records out of order.
    """
    names = (
        list(wheres) if wheres else [s.name if isinstance(s, Path) else f"answer {i}" for i, s in enumerate(sources)]
    )
    if not sources:
        raise BadOption("decode needs at least one answer")
    answers = [opened(source, name) for source, name in zip(sources, names, strict=True)]
    for answer in answers:
        if answer.info.code >= 1400:
            raise WrongData(f"{answer.where} is an error message: HAPI {answer.info.code} {answer.info.message}")
    declared = info or answers[0].info
    for answer in answers:
        check_header(answer, declared.parameters)
    notes = facts.Notes(names[0])
    known = assume or {}
    sort = understood(known, declared, notes)
    runs = [run_of(Piece(answer), notes) for answer in answers]
    times, columns = joined(runs, declared.parameters[1:], notes, sort=sort)
    if not times.size:
        raise WrongData(f"{names[0]} holds a header but no records (HAPI {answers[0].info.code})")
    result = labelled(declared, declared.parameters, times, columns, assume=known, notes=notes)
    notes.warn()
    return check(result)


def understood(assume: Mapping[str, str], info: Info, notes: facts.Notes) -> bool:
    """Return whether records are to be sorted; refuse facts that no reader of HAPI understands.

    Raises
    ------
    BadOption
        Listing what is understood.
    """
    if not assume:
        return False
    columns = hapiaxes.columns_of(info.parameters, facts.Notes(notes.file))
    names = {*info.names, *(column.parameter.name for column in columns)}
    facts.accepted(assume, file=notes.file, plain=PLAIN, named=NAMED, variables=names)
    if assume.get("sort", "yes") != "yes":
        raise BadOption(f"{notes.file}: assume['sort'] is {assume['sort']!r}; 'yes' sorts records by time")
    return "sort" in assume


def labelled(
    info: Info,
    parameters: Sequence[Parameter],
    times: NDArray[np.datetime64],
    columns: Mapping[str, Any],
    *,
    assume: Mapping[str, str],
    notes: facts.Notes,
) -> xr.Dataset | xr.DataTree:
    """Return columns as labelled variables with their axes; a DataTree where one dim would have two meanings.

    Parameters
    ----------
    info : Info
        The dataset's description.
    parameters : sequence of Parameter
        The time first, then those that ``columns`` holds.
    times : numpy.ndarray of datetime64[ns]
        Strictly increasing; becomes the dataset's index, so nobody may write to it any more.
    columns : mapping
        Arrays (NumPy or Dask) of shape (time, *size), fills as NaN.
    assume, notes
        As in :mod:`analysis.formats._facts`.
    """
    held = {p.name for p in parameters[1:]}
    tables = hapiaxes.tables_of(parameters)
    found = {
        c.parameter.name: c for c in hapiaxes.columns_of([p for p in parameters[1:] if p.name not in tables], notes)
    }
    places = {name: hapiaxes.place_of(c.parameter, held, notes) for name, c in found.items()}
    nodes = {}
    for part in sets(places) if places else []:
        coords: dict[str, Any] = {"time": _time(info, times)}
        data: dict[str, xr.Variable] = {}
        for name in part.variables:
            column, place = found[name], places[name]
            bins = column.parameter.bins or (None,) * len(place.axes)
            for axis, one in zip(place.axes, bins, strict=True):
                coords |= hapiaxes.coordinates(axis, one, columns, assume, notes)
            dims = ("time", *(axis.dim for axis in place.axes))
            values = column.of(columns[column.source])
            data[name] = xr.Variable(dims, values, hapiaxes.attributes(column, place, assume, notes))
        nodes[part.name] = xr.Dataset(_renamed(data, coords, notes), coords)
    if not nodes:
        nodes["times"] = xr.Dataset(coords={"time": _time(info, times)})
    stated = stated_by(info) | {
        "history": "\n".join(["decoded by its HAPI header", *notes.lines()]),
        "provenance": "{}",
    }
    made = {name: node.assign_attrs(stated) for name, node in nodes.items()}
    return next(iter(made.values())) if len(made) == 1 else xr.DataTree.from_dict(made)


def _time(info: Info, times: NDArray[np.datetime64]) -> xr.IndexVariable:
    """Return the axis of time; its index holds these very numbers, not a copy."""
    import pandas as pd

    where = str(info.said.get("timeStampLocation", "")).lower()
    attrs = {"long_name": "Time (UTC)", "source_name": info.parameters[0].name}
    if where in ("begin", "center", "end", "other"):
        attrs["time_stamp_location"] = where
    return xr.IndexVariable("time", pd.DatetimeIndex(times, copy=False), attrs)


def _renamed(data: Mapping[str, xr.Variable], coords: Mapping[str, Any], notes: facts.Notes) -> dict[str, xr.Variable]:
    """Return variables under names without a slash that no axis and no other variable has."""
    taken = {*coords, *(str(dim) for variable in data.values() for dim in variable.dims)}
    found: dict[str, xr.Variable] = {}
    for name, variable in data.items():
        plain = name.replace("/", "_")
        wanted = f"{plain}_variable" if plain in taken else plain
        free = facts.free_name(wanted, {*taken, *found, *(other for other in data if other != name)})
        if free != name:
            notes.line(f"the parameter {name} is here {free}, a name that no axis or other variable has")
        found[free] = variable
    return found


def stated_by(info: Info) -> dict[str, str]:
    """Return the global attributes of the data contract that a description fills, all but history and provenance.

    Examples
    --------
    >>> said = {"description": "Wind MFI. One minute.", "datasetCitation": "https://doi.org/10.48322/x"}
    >>> info = Info("3.3", 1200, "OK", None, (), None, None, None, None, said)
    >>> stated_by(info)["title"], stated_by(info)["references"]
    ('Wind MFI', 'https://doi.org/10.48322/x')
    """
    said = info.said
    words = {key: " ".join(value.split()) for key, value in said.items() if isinstance(value, str)}
    title = words.get("title") or words.get("x_title") or words.get("description", "")
    first = title.split(". ")[0].strip(" .")
    more = said.get("additionalMetadata")
    linked = [one.get("contentURL") for one in more if isinstance(one, dict)] if isinstance(more, list) else []
    cited = [words.get(key) for key in ("datasetCitation", "citation", "resourceURL", "resourceID")]
    references = list(dict.fromkeys(text for text in [*cited, *linked] if isinstance(text, str) and text.strip()))
    licences = said.get("licenseURL")
    chosen = [text for text in (licences if isinstance(licences, list) else [licences]) if isinstance(text, str)]
    found = {
        "title": (first if len(first) <= 120 else first[:119].rsplit(" ", 1)[0] + " …") or UNTITLED,
        "institution": NOT_STATED,
        "source": f"HAPI {info.version}",
        "references": "\n".join(references) or NOT_STATED,
        "license": " or ".join(chosen) or NOT_STATED,
    }
    for key, ours in (("contact", "contact"), ("description", "description"), ("provenance", "origin")):
        if words.get(key):
            found[ours] = words[key]
    warned = said.get("warning")
    if warned:
        found["caveats"] = warned if isinstance(warned, str) else "\n".join(str(one) for one in warned)
    return found

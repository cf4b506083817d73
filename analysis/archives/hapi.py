"""HAPI: time series of any server that speaks the Heliophysics API, versions 2.0 to 3.3.

What is asked for is cut into parts on fixed edges of the calendar, so that requests which overlap share what is held;
parts come side by side, each with its header, which must be that of the dataset's description.

References
----------
HAPI Data Access Specification 3.3, https://doi.org/10.5281/zenodo.16618741; R. S. Weigel et al. (2021),
https://doi.org/10.1029/2021JA029534
"""

from __future__ import annotations

import copy
import json
import time
import warnings
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import xarray as xr

from analysis import store
from analysis.archives import _hapiasking as asking
from analysis.archives import _hapiblocks as cutting
from analysis.archives import _hapibringing as bringing
from analysis.archives._hapiblocks import Block, Query
from analysis.archives._hapigaps import after_which, gaps, of_times
from analysis.archives.parts import Part
from analysis.archives.servers import server as server_of
from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage
from analysis.formats import _facts as facts
from analysis.formats import hapi as hapiformat
from analysis.formats._hapiinfo import resolved
from analysis.model import check, span, stamp

if TYPE_CHECKING:
    import pandas as pd

    from analysis.model.clocks import Instant

__all__ = ["about", "capabilities", "catalog", "data", "gaps", "info", "plan"]


def about(server: str) -> dict:
    """Return what a server says of itself.

    Parameters
    ----------
    server : str
        Short name (``cdaweb``) or address (``https://example.org/hapi``).

    Returns
    -------
    dict
        ``id``, ``title``, ``contact`` …; of servers before HAPI 3, which have no such answer, version and name only.

    Raises
    ------
    UnknownServer
        No such name.
    DownloadError
        The server cannot be asked, or answers with what is no HAPI answer.

    Examples
    --------
    >>> about("no_such_archive")
    Traceback (most recent call last):
    ...
    analysis.errors.UnknownServer: no hapi server is called 'no_such_archive': There are amda, ...
    """
    found = server_of(server, "hapi")
    return copy.deepcopy(asking.about(found, asking.capabilities(found)["HAPI"]))


def capabilities(server: str) -> dict:
    """Return what a server can do: ``HAPI``, its version, and ``outputFormats``.

    Raises
    ------
    UnknownServer, DownloadError
        As :func:`about`.

    Examples
    --------
    >>> from analysis import store
    >>> with store.offline():
    ...     capabilities("https://example.org/hapi")
    Traceback (most recent call last):
    ...
    analysis.errors.Offline: https://example.org/hapi/capabilities is not held, and Sankō is offline: ...
    """
    return copy.deepcopy(asking.capabilities(server_of(server, "hapi")))


def catalog(server: str) -> pd.DataFrame:
    """Return the datasets of a server.

    Parameters
    ----------
    server : str
        Short name or address.

    Returns
    -------
    pandas.DataFrame
        Columns ``id`` and ``title`` (the id where there is none).

    Raises
    ------
    UnknownServer, DownloadError
        As :func:`about`.

    Examples
    --------
    >>> catalog("https://example.org/hapi")  # doctest: +SKIP
    """
    import pandas as pd

    entries = asking.catalog(server_of(server, "hapi"))
    rows = [{"id": one["id"], "title": str(one.get("title") or one["id"])} for one in entries]
    return pd.DataFrame(rows, columns=["id", "title"])


def info(server: str, dataset: str, *, parameters: Iterable[str] | None = None) -> dict:
    """Return a dataset's description as its server gives it, references resolved.

    Parameters
    ----------
    server, dataset : str
        Short name or address; id of the catalog.
    parameters : iterable of str, optional
        Describe only these; the time is always among them.

    Returns
    -------
    dict
        As the specification has it: ``startDate``, ``stopDate``, ``parameters`` …

    Raises
    ------
    UnknownProduct, UnknownVariable
        With the names that are near.
    BadAnswer
        Naming the field that breaks the specification.
    UnknownServer, DownloadError
        As :func:`about`.

    Examples
    --------
    >>> info("cdaweb", "AC_H0_MFI", parameters=["BGSEc"])  # doctest: +SKIP
    """
    found = asking.dataset_of(server_of(server, "hapi"), dataset)
    said = copy.deepcopy(resolved(found.info.said, dataset))
    if parameters is not None:
        wanted = {p.name for p in _chosen(found, parameters)}
        said["parameters"] = [one for one in said["parameters"] if one["name"] in wanted]
    return said


def plan(
    server: str, dataset: str, start: Instant, stop: Instant, *, parameters: Iterable[str] | None = None
) -> list[Part]:
    """Return the parts that an interval is cut into, each with its address.

    A part is a block of the calendar (ten years down to a second) of 12 MB at most, as far as the dataset's cadence
    tells, and no longer than ``maxRequestDuration``; of a dataset that states no cadence, a day. What lies outside
    the dataset's coverage is left out.

    Parameters
    ----------
    server, dataset : str
        Short name or address; id of the catalog.
    start, stop : time
        Half-open interval, UTC.
    parameters : iterable of str, optional
        The dataset's names; all by default. Tables of bins that change in time come along.

    Returns
    -------
    list of Part

    Raises
    ------
    BadTime, OutsideCoverage, UnknownProduct, UnknownVariable, UnknownServer, DownloadError
        As :func:`data`.

    Examples
    --------
    >>> plan("cdaweb", "AC_H0_MFI", "2001-03-31", "2001-03-31")
    Traceback (most recent call last):
    ...
    analysis.errors.BadTime: stop=2001-03-31 is not after start=2001-03-31; the interval is [start, stop) in UTC
    """
    query = _query(server, dataset, start, stop, parameters)
    form = query.dataset.forms[0]
    return list(cutting.blocks_of(query, cutting.rung_of(query, form), form, now=time.time()))


def data(
    server: str,
    dataset: str,
    start: Instant,
    stop: Instant,
    *,
    parameters: Iterable[str] | None = None,
    chunks: object = None,
    workers: int = 8,
    assume: Mapping[str, str] | None = None,
) -> xr.Dataset | xr.DataTree:
    """Return the records of an interval, labelled, fills as NaN, checked against the data contract.

    Parameters
    ----------
    server, dataset : str
        Short name (``cdaweb``) or address; id of the catalog.
    start, stop : time
        Half-open interval, UTC: whatever :func:`analysis.model.utc` reads.
    parameters : iterable of str, optional
        The dataset's names; all by default. The order does not matter.
    chunks : optional
        Anything but None gives Dask arrays, one chunk a part. All parts are brought first and stay on disk; their
        values are decoded when they are computed, a part at a time. In memory stay the times, 8 bytes a record, for
        which each part is looked through once. Whole numbers with a fill are floating point then, and a fill that is
        infinite or an archive's default becomes NaN without a line of history.
    workers : int, optional
        Transfers side by side.
    assume : mapping of str to str, optional
        Facts that the server leaves out, as :func:`analysis.formats.hapi.read` takes them, for example
        ``{"frame.B": "GSE"}``.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Dims ``time``, ``component``, ``energy`` …; a DataTree where one dim has several meanings. ``attrs["gaps"]``
        is JSON text, a list of ``[start, stop)`` without records (see :func:`gaps`). ``provenance`` has the query
        and of each part address, sha256 and when it came.

    Raises
    ------
    BadTime
        A time cannot be read, or stop is not after start.
    UnknownServer, UnknownProduct, UnknownVariable
        A name is wrong; near ones are listed.
    OutsideCoverage
        The dataset holds nothing in the interval.
    QueryRefused
        The server refuses the request even in its smallest parts.
    WrongData
        Records are out of order, or two of one time differ.
    DownloadError, StoreError
        The server cannot be asked, or gave what cannot be its data; the parts that came are kept.

    Warns
    -----
    AnalysisWarning
        Where the interval reaches beyond the coverage, and for what had to be guessed (frames, units).

    Examples
    --------
    >>> wind = data("cdaweb", "AC_H0_MFI", "2001-03-31", "2001-04-01", parameters=["BGSEc"])  # doctest: +SKIP
    """
    names = None if parameters is None else _names(parameters)
    query = _query(server, dataset, start, stop, names)
    try:
        return _fetched(query, assume or {}, lazy=chunks is not None, workers=workers)
    except bringing.Changed:
        query = _query(server, dataset, start, stop, names)
        return _fetched(query, assume or {}, lazy=chunks is not None, workers=workers)


def _fetched(query: Query, assume: Mapping[str, str], *, lazy: bool, workers: int) -> xr.Dataset | xr.DataTree:
    notes = facts.Notes(f"{query.dataset.server.name}/{query.dataset.id}")
    sort = hapiformat.understood(assume, query.dataset.info, notes)
    if lazy and sort:
        raise BadOption("assume['sort'] needs all records at once; leave chunks out")
    brought = bringing.answers(query, workers=workers)
    if lazy:
        from analysis.archives._hapilazy import lazily

        clock = array("q")
        found = bringing.runs(query, brought, notes, clock=clock)
        blocks, (times, columns) = [block for block, *_ in found], lazily(query, found, clock, notes)
        after, checked = after_which(times, query.dataset.info.cadence), False
    else:
        blocks, records = bringing.records(query, brought, notes, sort=sort)
        times, columns, after, checked = records.times, records.columns, records.after, records.shared
    if not times.size:
        raise OutsideCoverage(
            f"{query.dataset.id} on {query.dataset.server.url} covers {query.dataset.coverage}, but has no records "
            f"from {query.start} to {query.stop}; ask for a longer interval"
        )
    result = hapiformat.labelled(query.dataset.info, query.parameters, times, columns, assume=assume, notes=notes)
    if partly := _partly(query):
        warnings.warn(f"{notes.file}: {partly}", AnalysisWarning, stacklevel=3)
        notes.line(partly)
    notes.warn()
    made = _stamped(query, result, blocks, of_times(times, query, after), notes)
    check(made.isel(time=slice(0, 1)) if checked else made)  # values given out before were looked at then
    return made


def _query(server: str, dataset: str, start: Instant, stop: Instant, parameters: Iterable[str] | None) -> Query:
    """Return what is asked for, its times, names and interval checked; the times before any request."""
    if start is None or stop is None:
        raise BadOption("start and stop must be given: a HAPI server has no end of data by itself")
    first, last = span(start, stop)
    assert first is not None and last is not None
    found = asking.dataset_of(server_of(server, "hapi"), dataset)
    if last > found.stop:  # it may have grown since its description came
        found = asking.dataset_of(found.server, dataset, fresh_for=asking.SOON)
    chosen = _chosen(found, parameters)
    if last <= found.start or first >= found.stop + cutting.TICK:
        raise OutsideCoverage(
            f"{found.id} on {found.server.url} covers {found.coverage}; nothing of {first} to {last} lies in it"
        )
    return Query(dataset=found, parameters=chosen, start=first, stop=last)


def _names(parameters: Iterable[str]) -> list[str]:
    names = (
        [parameters] if isinstance(parameters, str) else list(parameters) if isinstance(parameters, Iterable) else []
    )
    if not names or not all(isinstance(name, str) for name in names):
        raise BadOption(f"parameters={parameters!r} is not a list of names, for example parameters=['BGSEc']")
    return names


def _chosen(dataset: asking.Dataset, parameters: Iterable[str] | None) -> tuple:
    if parameters is None:
        return dataset.info.parameters
    names = _names(parameters)
    if unknown := [name for name in names if name not in dataset.info.names]:
        raise asking.unknown_parameters(dataset, unknown)
    return dataset.info.only(names)


def _partly(query: Query) -> str:
    """Return what is said where the interval reaches beyond the coverage."""
    if query.start >= query.dataset.start and query.stop <= query.dataset.stop + cutting.TICK:
        return ""
    return f"{query.dataset.id} covers {query.dataset.coverage}, a part of the interval {query.start} to {query.stop}"


def _stamped(
    query: Query,
    result: xr.Dataset | xr.DataTree,
    blocks: Sequence[Block],
    gone: tuple[list[list[str]], str],
    notes: facts.Notes,
) -> xr.Dataset | xr.DataTree:
    """Return the data with whose they are, how to get them again, and what is missing."""
    told, more = _origin(query, blocks)
    missing, line = gone
    lines = [*notes.lines(), *filter(None, [line])]
    day = datetime.now(UTC)
    first = f"fetched by Sankō on {day:%Y-%m-%d %H:%M} UTC: {told['query']} in {len(blocks)} parts"

    def stamped(node: xr.Dataset) -> xr.Dataset:
        known = dict(node.attrs)
        made = stamp(
            node.assign_attrs(history=""),
            title=known["title"] if known["title"] != hapiformat.UNTITLED else query.dataset.id,
            institution=more["institution"],
            source=f"{known['source']}, {query.dataset.server.url}, dataset {query.dataset.id}",
            references=str(known["references"]).splitlines(),
            license=known["license"],
            history=[first, *lines],
            provenance=told,
        )
        return made.assign_attrs(gaps=json.dumps(missing))

    if isinstance(result, xr.Dataset):
        return stamped(result)
    return xr.DataTree.from_dict({path: stamped(node.to_dataset()) for path, node in result.children.items()})


def _origin(query: Query, blocks: Sequence[Block]) -> tuple[dict[str, Any], dict[str, str]]:
    dataset = query.dataset
    said = asking.about(dataset.server, dataset.version)
    held = [store.reference(block.url) for block in blocks]
    cutting.note_answered({one.url: one.checked for one in held if one is not None})
    came = [
        None if one is None else datetime.fromtimestamp(one.retrieved, UTC).isoformat("T", "seconds") for one in held
    ]
    told = {
        "query": {
            "server": dataset.server.url,
            "dataset": dataset.id,
            "start": str(query.start),
            "stop": str(query.stop),
            "parameters": [p.name for p in query.parameters],
        },
        "urls": [block.url for block in blocks],
        "sha256": [None if one is None else one.sha256 for one in held],
        "retrieved": came,
    }
    return told, {"institution": str(said.get("title") or said.get("id") or dataset.server.title)}

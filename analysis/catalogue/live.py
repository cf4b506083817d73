"""Products of archives: ask for the parts, read them, join them, say whose they are and where each part came from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis import store
from analysis.catalogue import held
from analysis.catalogue.cutting import Chunks, Nodes, chosen, nodes_of, refuse_unknown
from analysis.catalogue.declared import INDEXED, Product, Source, needs_of
from analysis.catalogue.shaping import with_components
from analysis.errors import (
    AnalysisWarning,
    BadOption,
    CorruptFile,
    Offline,
    UnknownFormat,
    UnknownProduct,
    UnknownVariable,
    Unreachable,
    WrongData,
)
from analysis.model import history_with, provenance_of, stamp

if TYPE_CHECKING:
    from analysis.archives.files import Plan
    from analysis.archives.parts import Part


@dataclass(frozen=True)
class Request:
    """What of a product is asked for: a half-open interval, variables, chunks, and what else its source needs."""

    start: np.datetime64 | None
    stop: np.datetime64 | None
    variables: list[str] | None
    chunks: Chunks | None
    fields: Mapping[str, str | float]


def read(domain: str, wanted: Product, request: Request) -> Nodes:
    """Return the datasets of an archive's product, by the path of their node, stamped with whose they are.

    Raises
    ------
    BadOption
        If something is missing that the source needs; gives an example.
    UnknownProduct
        If the archive has no such dataset; names near ones.
    Offline, Unreachable
        If the network is switched off or the server cannot be reached; says what is held, and near ids where the
        index that ships does not know the dataset.
    """
    source = wanted.source
    assert source is not None
    _refuse_incomplete(domain, wanted, source, request)
    if request.variables is not None and (declared := _declared_names(wanted)):
        refuse_unknown(wanted, request.variables, declared)
    try:
        nodes = _READERS[source.archive](wanted, source, request)
    except (Offline, Unreachable) as error:
        more = [held.said(domain, wanted.name), _doubt(source)]
        raise type(error)(" ".join(filter(None, [f"{str(error).rstrip('.')}.", *more]))) from error
    return {path: _with_source(wanted, source, data) for path, data in nodes.items()}


def _doubt(source: Source) -> str:
    """Return what the index that ships has against a dataset whose server cannot be asked; nothing if it knows it."""
    from analysis.catalogue import indexed

    if source.server == INDEXED:
        try:
            indexed.dataset(source.dataset)
        except UnknownProduct as unknown:
            return f"Besides, {unknown}."
    return ""


def _refuse_incomplete(domain: str, wanted: Product, source: Source, request: Request) -> None:
    """Raise BadOption, with an example that works, where the source needs more than was given."""
    given = {key for key, value in request.fields.items() if value is not None}
    given |= {key for key in ("start", "stop") if getattr(request, key) is not None}
    given |= {"target"} if {"ra", "dec"} <= given else set()
    if source.archive == "tap" and "obsid" in wanted.variables and request.fields.get("obsid") is not None:
        given |= {"target"}  # a row of a list of observations is told by its number as well
    needs = needs_of(source)
    if missing := [need for need in needs if need not in given]:
        example = {**{need: _EXAMPLES[need] for need in needs}, **source.example}
        shown = ", ".join(f"{key}={value!r}" for key, value in example.items())
        raise BadOption(
            f"{wanted.name} is asked of {source.short_name} and needs {' and '.join(missing)}: "
            f"{domain}.fetch({wanted.name!r}, {shown})"
        )
    usable = {*needs, *_CHOOSES.get(source.archive, ("start", "stop"))}
    if extra := sorted(given - usable - {"ra", "dec"}):
        raise BadOption(
            f"{wanted.name} cannot be chosen by {' or '.join(extra)}; it is asked for by {', '.join(needs)}"
        )


_EXAMPLES = {
    "start": "2010-04-05",
    "stop": "2010-04-06",
    "obsid": "754",
    "target": "187.2779 2.0524",
    "radius": "1 arcmin",
    "nside": 64,
    "frequency": 143,
}
# What a product can be cut by though it does not need it: a table by these, what is in files by its times.
_CHOOSES = {"tap": ("target", "radius", "obsid")}


def _declared_names(wanted: Product) -> set[str]:
    return {*wanted.variables, *wanted.split_off, *(name for node in wanted.nodes.values() for name in node)}


def _from_hapi(wanted: Product, source: Source, request: Request) -> Nodes:
    from analysis.archives import hapi

    narrow = _narrowed(wanted, request.variables)
    theirs = [*narrow.variables.values(), *(v for node in narrow.nodes.values() for v in node.values())]
    parameters = list(dict.fromkeys(theirs)) or (None if _declared_names(wanted) else request.variables)

    def ask(dataset: str) -> xr.Dataset | xr.DataTree:
        return hapi.data(
            source.server,
            dataset,
            request.start,
            request.stop,
            parameters=parameters,
            chunks=request.chunks,
            assume={**_facts(narrow), **wanted.assume},
        )

    try:
        data, told = _of_an_axis(source, parameters, ask)
    except (BadOption, UnknownVariable) as error:
        if not theirs:
            raise
        kind = UnknownVariable if isinstance(error, UnknownVariable) else WrongData
        raise kind(
            f"{source.short_name} does not describe {source.dataset} as {wanted.name} is declared: {error}. As it is "
            f"now, without our names: plasma.fetch('{source.server}/{source.dataset}', start, stop)"
        ) from error
    nodes = chosen(narrow, nodes_of(data), f"{source.short_name}/{source.dataset}")
    if told:
        warnings.warn(f"{wanted.name}: {told}", AnalysisWarning, stacklevel=5)
        nodes = {path: node.assign_attrs(history=history_with(node, told)) for path, node in nodes.items()}
    return {path: with_components(narrow, node, request.variables) for path, node in nodes.items()}


def _of_an_axis(
    source: Source, parameters: list[str] | None, ask: Callable[[str], xr.Dataset | xr.DataTree]
) -> tuple[xr.Dataset | xr.DataTree, str]:
    """Return what is asked, of the dataset named or of the one that has its number of a time axis; says if so."""
    try:
        return ask(source.dataset), ""
    except (UnknownProduct, UnknownVariable, Offline) as error:
        from analysis.catalogue import numbered

        if not (other := numbered.instead_of(source.server, source.dataset, parameters, error)):
            raise
    spelled = other.upper() == source.dataset.upper()
    return ask(other), f"{source.dataset} is {other} on the server" + (
        "" if spelled else ", which has one dataset for each time axis"
    )


def _narrowed(wanted: Product, variables: list[str] | None) -> Product:
    """Return the product with only the variables asked for and their flags, so that no others travel."""
    if variables is None:
        return wanted
    wholes = {wanted.split_off[name] for name in variables if name in wanted.split_off}
    kept = {*variables, *wholes, *(f"{name}_quality" for name in variables)}
    nodes = {path: {o: t for o, t in names.items() if o in kept} for path, names in wanted.nodes.items()}
    return replace(
        wanted,
        variables={ours: theirs for ours, theirs in wanted.variables.items() if ours in kept},
        nodes={path: names for path, names in nodes.items() if names},
    )


def _facts(wanted: Product) -> dict[str, str]:
    """Return what a declaration says of frames and units by the server's names, to be compared with what it says."""
    pairs = [*wanted.variables.items(), *(pair for node in wanted.nodes.values() for pair in node.items())]
    given = [(theirs, wanted.attrs.get(ours, {})) for ours, theirs in pairs]
    return {f"{fact}.{name}": str(attrs[fact]) for name, attrs in given for fact in ("frame", "units") if fact in attrs}


def _from_files(wanted: Product, source: Source, request: Request) -> Nodes:
    from analysis.archives import files

    fields = {key: value if isinstance(value, int) else str(value) for key, value in request.fields.items()}
    if source.templates:
        found = files.observation(source.templates, fields=fields)
        planned, paths = files.brought(files.Plan(tuple(found.values())))
        held_in = dict(_read(wanted, planned, paths))
        return {
            child if node == "/" else f"{child}{node}": data
            for child, part in found.items()
            for node, data in held_in.get(part, {}).items()
        }
    planned, paths = files.brought(files.plan(source.template, start=request.start, stop=request.stop, fields=fields))
    return _joined([nodes for _, nodes in _read(wanted, planned, paths)])


def _read(wanted: Product, planned: Plan, paths: list[Path]) -> Iterator[tuple[Part, Nodes]]:
    """Give what each part holds, with its address and checksum in the provenance, and what the archive lacks."""
    from analysis import formats

    lacks = [f"not at the archive: {url}" for url in planned.missing]
    for part, path in zip(planned, paths, strict=True):
        name = part.url.rpartition("/")[2]
        try:
            nodes = chosen(wanted, nodes_of(formats.read(path, assume=wanted.assume, checksum=False)), name)
        except (CorruptFile, UnknownFormat) as error:
            # The store's copy is what came; only the archive can have another one.
            raise type(error)(f"{part.url} is damaged at the archive, or no such file: {error}") from error
        yield part, {node: _with_origin(data, part, path, lacks) for node, data in nodes.items()}


def _with_origin(data: xr.Dataset, part: Part, path: Path, lacks: list[str]) -> xr.Dataset:
    """Put the address of a part in the place of its name in the store, which says nothing."""
    known = store.reference(part.url)
    moment = datetime.fromtimestamp(known.retrieved if known is not None else path.stat().st_mtime, UTC)
    history = str(data.attrs.get("history", "")).replace(f"read from {path.name} ", f"read from {part.url} ")
    told = {"urls": [part.url], "sha256": [path.name], "retrieved": [moment.isoformat(timespec="seconds")]}
    return data.assign_attrs(history="\n".join([history, *lacks]), provenance=json.dumps(told))


def _joined(pieces: list[Nodes]) -> Nodes:
    """Return the pieces one after the other in time, node by node, with the origins of all."""
    if len(pieces) == 1:
        return pieces[0]
    from analysis.archives.joining import concatenated

    found: Nodes = {}
    for path in dict.fromkeys(path for nodes in pieces for path in nodes):
        joined = concatenated([nodes[path] for nodes in pieces if path in nodes])
        assert isinstance(joined, xr.Dataset)  # as its parts are
        parts = provenance_of(joined)["parts"]
        told = {key: [one for part in parts for one in part[key]] for key in ("urls", "sha256", "retrieved")}
        if any("attrs" in part for part in parts):  # what differs from part to part
            told["attrs"] = [part.get("attrs", {}) for part in parts]
        found[path] = joined.assign_attrs(provenance=json.dumps(told))
    return found


def _from_table(wanted: Product, source: Source, request: Request) -> Nodes:
    from analysis.archives import tap

    narrow = _narrowed(wanted, request.variables)
    data = tap.query(source.server, _adql(wanted, narrow.variables, source, request))
    return {
        path: _with_times(source, node, narrow.variables)
        for path, node in chosen(narrow, nodes_of(data), source.dataset).items()
    }


def _adql(wanted: Product, columns: Mapping[str, str], source: Source, request: Request) -> str:
    """Return the query for the rows of a table that lie in a circle or an interval, or are of an observation."""
    from analysis.archives._adql import JD_OF_MJD, interval

    theirs = {name: wanted.variables.get(name, name) for name in ("ra", "dec", "obsid")}
    where = [f"({source.where})"] if source.where else []
    if source.span:
        where += interval(request.start, request.stop, source.span[0], source.span[1], JD_OF_MJD)
    if {"ra", "dec", "radius"} <= request.fields.keys():
        circle = ", ".join(f"{float(request.fields[key]):.10g}" for key in ("ra", "dec", "radius"))
        where.append(f"1 = CONTAINS(POINT('ICRS', {theirs['ra']}, {theirs['dec']}), CIRCLE('ICRS', {circle}))")
    if "obsid" in request.fields:
        quoted = str(request.fields["obsid"]).replace("'", "''")
        where.append(f"{theirs['obsid']} = '{quoted}'")
    listed = ", ".join(columns.values()) or "*"
    return f"SELECT {listed} FROM {source.dataset}" + (f" WHERE {' AND '.join(where)}" if where else "")


def _with_times(source: Source, data: xr.Dataset, names: Mapping[str, str]) -> xr.Dataset:
    """Return rows with the columns of `span`, Julian dates in UTC, as times; these name a millisecond at best."""
    made = {}
    for ours, theirs in names.items():
        if theirs in source.span and ours in data and data[ours].dtype.kind != "M":
            days = data[ours].values.astype(float) - _JD_OF_1970
            known = np.abs(days) < _DAYS  # NaN is not
            moments = np.round(np.where(known, days, 0) * 86_400e3).astype("datetime64[ms]").astype("datetime64[ns]")
            times = np.where(known, moments, np.datetime64("NaT", "ns"))
            made[ours] = ("row", times, {"long_name": f"{ours.replace('_', ' ').capitalize()} (UTC)"})
    line = f"{' and '.join(made)}: times in UTC, made of Julian dates"
    return data.assign(made).assign_attrs(history=history_with(data, line)) if made else data


_JD_OF_1970, _DAYS = 2440587.5, 100_000  # about as far as datetime64[ns] reaches
_READERS = {"hapi": _from_hapi, "files": _from_files, "s3": _from_files, "tap": _from_table}


def _with_source(wanted: Product, source: Source, data: xr.Dataset) -> xr.Dataset:
    """Stamp whose the data are: by the declaration, where it is silent by what came with them."""
    came = data.attrs
    references = dict.fromkeys([*source.references, *_stated(came.get("references")).splitlines()])
    return stamp(
        data,
        title=wanted.title or str(came.get("title") or wanted.name),
        institution=source.institution or _stated(came.get("institution")) or "not stated",
        # The index has the groups of CDAWeb, where OMNI is filed with Wind: no word on whose instrument it was.
        source=f"{wanted.mission} / {wanted.instrument}"
        if wanted.mission and wanted.kind != "either"
        else str(came.get("source") or source.dataset),
        references=list(references) or ["not stated"],
        license=source.license or _stated(came.get("license")) or "not stated",
        history=[],
        provenance={"archive": source.short_name, **provenance_of(data)},
    )


def _stated(said: object) -> str:
    return "" if said in (None, "not stated") else str(said)

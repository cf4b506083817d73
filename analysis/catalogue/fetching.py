"""From a declaration to a checked, stamped dataset."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from analysis import sample
from analysis.catalogue.declared import Product, near, product
from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, UnknownVariable
from analysis.model import check, history_with, provenance_of, span, stamp

if TYPE_CHECKING:
    from analysis.model.clocks import Instant

Chunks = int | Literal["auto"] | Mapping[str, int]


def fetch(
    domain: str,
    name: str,
    *,
    start: Instant | None = None,
    stop: Instant | None = None,
    variables: Iterable[str] | None = None,
    chunks: Chunks | None = None,
) -> xr.Dataset | xr.DataTree:
    """Return a product as a checked and stamped Dataset, or DataTree where its declaration says so.

    Parameters
    ----------
    domain, name : str
        Field and product.
    start, stop : time, optional
        Half-open interval in UTC; what :func:`analysis.model.utc` reads.
    variables : iterable of str, optional
        Keep these; the quality flags beside them are kept too.
    chunks : int, "auto" or mapping, optional
        Give a Dask-backed result; ``{}`` makes one chunk a file.

    Raises
    ------
    UnknownProduct, UnknownVariable, BadTime, OutsideCoverage, BadOption
        For a name, variable or time range that the product does not have.
    CorruptFile
        If a file that ships is not what its checksum says.
    """
    wanted = product(domain, name)
    first, last = span(start, stop)
    _refuse_outside(wanted, first, last)
    names = _as_names(variables)
    read = {node: _node_of(data) for node, data in _read(wanted).items()}
    if names is not None:
        read = _with_variables(wanted, read, names)
    if first is not None or last is not None:
        read = _within(wanted, read, first, last)
    query = {"domain": domain, "product": name, "start": first, "stop": last, "variables": names}
    stamped = {node: _stamped(wanted, data, query) for node, data in read.items()}
    if partly := _partly(wanted, first, last):
        warnings.warn(f"{name}: {partly}", AnalysisWarning, stacklevel=3)
        stamped = {node: data.assign_attrs(history=history_with(data, partly)) for node, data in stamped.items()}
    if chunks is not None:
        dims = {str(dim) for data in stamped.values() for dim in data.dims}
        stamped = {node: chunked(data, chunks, dims) for node, data in stamped.items()}
    result = stamped["/"] if wanted.kind == "dataset" else xr.DataTree.from_dict(stamped, name=name)
    return check(result)


def collect(
    domain: str,
    names: Sequence[str],
    *,
    start: Instant | None = None,
    stop: Instant | None = None,
    variables: Iterable[str] | None = None,
) -> xr.DataTree:
    """Return several products as one DataTree, a node each, each with its own provenance.

    Raises
    ------
    BadOption
        If no product is named.
    """
    if not names:
        raise BadOption(f"collect needs at least one product: {domain}.collect('name', …); see {domain}.search()")
    if not all(isinstance(name, str) for name in names):
        raise BadOption(f"collect takes names one after the other: {domain}.collect('one', 'other'), not {names!r}")
    kept = _shared(domain, names, _as_names(variables))
    nodes = {name: fetch(domain, name, start=start, stop=stop, variables=kept[name]) for name in kept}
    return xr.DataTree(
        children={name: node if isinstance(node, xr.DataTree) else xr.DataTree(node) for name, node in nodes.items()}
    )


def _shared(domain: str, names: Sequence[str], variables: list[str] | None) -> dict[str, list[str] | None]:
    """Return for each product which of the variables it holds; refuse one that none of them holds."""
    if variables is None:
        return dict.fromkeys(names)
    held = {name: {str(v) for data in _read(product(domain, name)).values() for v in data.data_vars} for name in names}
    known = sorted(set().union(*held.values()))
    if unknown := [v for v in variables if v not in known]:
        hint = ", ".join(sorted({match for v in unknown for match in near(v, known)})) or ", ".join(known)
        raise UnknownVariable(f"none of {', '.join(held)} has {', '.join(map(repr, unknown))}; near: {hint}")
    if none := [name for name, has in held.items() if not has & set(variables)]:
        raise UnknownVariable(f"{', '.join(none)} has none of {', '.join(variables)}; leave it out of collect")
    return {name: [v for v in variables if v in has] for name, has in held.items()}


def _as_names(variables: Iterable[str] | None) -> list[str] | None:
    if variables is None:
        return None
    names = [variables] if isinstance(variables, str) else list(variables) if isinstance(variables, Iterable) else []
    if not names or not all(isinstance(v, str) for v in names):
        raise BadOption(f"variables={variables!r} is not a list of names, for example variables=['dst', 'bz']")
    return names


def _refuse_outside(wanted: Product, first: np.datetime64 | None, last: np.datetime64 | None) -> None:
    if first is None and last is None:
        return
    if wanted.start is None or wanted.stop is None:
        raise BadOption(f"{wanted.name} has no time axis in UTC to cut; leave start and stop out")
    begin, end = np.datetime64(wanted.start, "ns"), np.datetime64(wanted.stop, "ns")
    if (first is not None and first > end) or (last is not None and last <= begin):
        raise OutsideCoverage(
            f"{wanted.name} covers {wanted.start} to {wanted.stop} (UTC); "
            f"nothing of it lies in [{first or '…'}, {last or '…'})"
        )


def _partly(wanted: Product, first: np.datetime64 | None, last: np.datetime64 | None) -> str:
    """Return what of an interval the product does not cover, empty where it covers all."""
    begin, end = np.datetime64(wanted.start or "NaT", "ns"), np.datetime64(wanted.stop or "NaT", "ns")
    early = first is not None and first < begin.astype("datetime64[D]")
    late = last is not None and last > end.astype("datetime64[D]") + np.timedelta64(1, "D")
    if not (early or late):
        return ""
    return f"asked for [{first or '…'}, {last or '…'}), but the data begin {wanted.start} and end {wanted.stop} (UTC)"


def _node_of(data: xr.Dataset | xr.DataTree) -> xr.Dataset:
    return data.to_dataset(inherit=False) if isinstance(data, xr.DataTree) else data


def _read(wanted: Product) -> dict[str, xr.Dataset]:
    """Return the product's datasets by node path ("/" for a product that is one dataset)."""
    if wanted.files:
        found: dict[str, xr.Dataset] = {}
        for child, filename in wanted.files.items():
            inside = _read_file(wanted, filename)
            found |= {child if path == "/" else f"{child}{path}": data for path, data in inside.items()}
        return {path: _with_attrs(wanted, data) for path, data in found.items()}
    held = _read_file(wanted, wanted.file)
    if wanted.variables:
        held = {"/": _chosen(wanted, held, wanted.variables)}
    elif wanted.nodes:
        held = {node: _chosen(wanted, held, chosen) for node, chosen in wanted.nodes.items()}
    return {path: _with_attrs(wanted, data) for path, data in held.items()}


def _read_file(wanted: Product, filename: str) -> dict[str, xr.Dataset]:
    from analysis import formats

    data = formats.read(sample.path(filename), assume=wanted.assume)
    held = {"/": data} if isinstance(data, xr.Dataset) else {n.path: n for n in data.subtree if n.has_data}
    return {path: _from_registry(_node_of(dataset), filename) for path, dataset in held.items()}


def _chosen(wanted: Product, held: Mapping[str, xr.Dataset], chosen: Mapping[str, str]) -> xr.Dataset:
    """Return our variables, renamed from the file's, which must share one set of axes."""
    for data in held.values():
        if all(theirs in data.variables for theirs in chosen.values()):
            kept = data[[theirs for theirs in chosen.values() if theirs in data.data_vars]]
            return kept.rename({theirs: ours for ours, theirs in chosen.items() if theirs != ours})
    has = sorted({str(v) for data in held.values() for v in data.variables})
    raise UnknownVariable(
        f"the declaration of {wanted.name} asks for {list(chosen.values())} on one set of axes; {wanted.file} has {has}"
    )


def _with_attrs(wanted: Product, data: xr.Dataset) -> xr.Dataset:
    given = {name: attrs for name, attrs in wanted.attrs.items() if name in data.variables}
    return data.assign({name: data[name].assign_attrs(attrs) for name, attrs in given.items()}) if given else data


def _with_variables(wanted: Product, read: Mapping[str, xr.Dataset], names: list[str]) -> dict[str, xr.Dataset]:
    """Keep the variables asked for, their quality flags, and only nodes that hold any of them."""
    has = sorted({str(v) for data in read.values() for v in data.data_vars})
    if unknown := [name for name in names if name not in has]:
        close = sorted({match for name in unknown for match in near(name, has)})
        hint = f" (near: {', '.join(close)})" if close else ""
        raise UnknownVariable(f"{wanted.name} has no {', '.join(map(repr, unknown))}{hint}; it has {', '.join(has)}")
    kept = {*names, *(f"{name}_quality" for name in names)}
    cut = {path: data[[v for v in data.data_vars if v in kept]] for path, data in read.items()}
    return {path: data for path, data in cut.items() if data.data_vars}


def _within(
    wanted: Product, read: Mapping[str, xr.Dataset], first: np.datetime64 | None, last: np.datetime64 | None
) -> dict[str, xr.Dataset]:
    cut, nearest = {}, []
    for path, data in read.items():
        if "time" not in data.indexes:
            cut[path] = data
            continue
        times = data["time"].values
        low = 0 if first is None else int(np.searchsorted(times, first, "left"))
        high = times.size if last is None else int(np.searchsorted(times, last, "left"))
        if high > low:
            cut[path] = data.isel(time=slice(low, high))
        nearest += [str(t)[:19] for t in times[max(low - 1, 0) : low + 1]]
    if not any("time" in data.indexes for data in cut.values()):
        raise OutsideCoverage(
            f"{wanted.name} has no sample in [{first or '…'}, {last or '…'}); "
            f"it has samples at {', '.join(sorted(set(nearest)))} (UTC)"
        )
    return cut


def _from_registry(data: xr.Dataset, filename: str) -> xr.Dataset:
    """Stamp what the registry knows of a file: who made it, terms, and how it came here."""
    entry = sample.entry(filename)
    found = {"name": filename, "sha256": entry.sha256, "size": entry.size, "obtained_from": entry.obtained_from}
    done = "" if entry.changes in data.attrs.get("history", "") else f"; changes: {entry.changes}"
    return stamp(
        data,
        title=data.attrs.get("title") or filename,
        institution=entry.institution,
        source=f"{entry.mission} / {entry.instrument}",
        references=entry.references,
        license=f"{entry.license}. {entry.terms}",
        history=[f"shipped as {filename}, copied {entry.copied}{done}"],
        provenance={"files": [found], "archive": entry.archive, "retrieved": str(entry.copied)},
    )


def _stamped(wanted: Product, data: xr.Dataset, query: Mapping[str, object]) -> xr.Dataset:
    """Put the query, the product's title and its caveats on a dataset that _from_registry has stamped."""
    asked = {key: str(value) if isinstance(value, np.datetime64) else value for key, value in query.items() if value}
    earlier = data.attrs
    result = stamp(
        data.assign_attrs(history=""),
        title=wanted.title,
        institution=earlier["institution"],
        source=earlier["source"],
        references=earlier["references"].splitlines(),
        license=earlier["license"],
        history=[*earlier["history"].splitlines(), f"{query['domain']}.fetch({asked})"],
        provenance={"query": asked, **provenance_of(data)},
    )
    caveats = dict.fromkeys([*wanted.caveats, *_file_caveats(data)])
    return result.assign_attrs(caveats="\n".join(caveats)) if caveats else result


def _file_caveats(data: xr.Dataset) -> list[str]:
    return [caveat for held in provenance_of(data)["files"] for caveat in sample.entry(held["name"]).caveats]


def chunked(data: xr.Dataset, chunks: Chunks, dims: Iterable[str]) -> xr.Dataset:
    """Return a dataset on Dask chunks; ``dims`` are all that a mapping may name, those of other nodes too.

    Raises
    ------
    BadOption
        If a size is not a positive number, -1 or "auto", or a dim is in none of the product's datasets.
    """
    sizes: list[object] = list(chunks.values()) if isinstance(chunks, Mapping) else [chunks]
    whole = [
        size for size in sizes if isinstance(size, int) and not isinstance(size, bool) and (size > 0 or size == -1)
    ]
    if len(whole) + sizes.count("auto") != len(sizes):
        raise BadOption(f"chunks={chunks!r} cannot be used; give {{'time': 10_000}}, 'auto' or {{}}")
    if not isinstance(chunks, Mapping):
        return data.chunk(chunks)
    if unknown := [dim for dim in chunks if dim not in set(dims)]:
        raise BadOption(
            f"chunks names {', '.join(map(repr, unknown))}, but the dims are {', '.join(sorted(set(dims)))}"
        )
    return data.chunk({dim: size for dim, size in chunks.items() if dim in data.dims})

"""The part of a product that is asked for: variables, a time range, chunks. Datasets go by the path of their node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import xarray as xr

from analysis.catalogue.declared import Product, near, needs_of
from analysis.errors import BadOption, OutsideCoverage, UnknownVariable

Chunks = int | Literal["auto"] | Mapping[str, int]
Nodes = dict[str, xr.Dataset]


def nodes_of(data: xr.Dataset | xr.DataTree) -> Nodes:
    """Return the datasets of a tree by path; a dataset alone is at "/"."""
    if isinstance(data, xr.Dataset):
        return {"/": data}
    return {node.path: node.to_dataset(inherit=False) for node in data.subtree if node.has_data}


def chosen(wanted: Product, held: Mapping[str, xr.Dataset], where: str) -> Nodes:
    """Return the variables that the declaration names, renamed from the file's to ours; all where it names none."""
    if wanted.variables:
        return {"/": _renamed(wanted, held, wanted.variables, where)}
    if wanted.nodes:
        return {node: _renamed(wanted, held, names, where) for node, names in wanted.nodes.items()}
    return dict(held)


def _renamed(wanted: Product, held: Mapping[str, xr.Dataset], names: Mapping[str, str], where: str) -> xr.Dataset:
    """Return our variables, which must share one set of axes."""
    for data in held.values():
        if all(theirs in data.variables for theirs in names.values()):
            kept = data[[theirs for theirs in names.values() if theirs in data.data_vars]]
            return kept.rename({theirs: ours for ours, theirs in names.items() if theirs != ours})
    has = sorted({str(v) for data in held.values() for v in data.variables})
    raise UnknownVariable(
        f"the declaration of {wanted.name} asks for {list(names.values())} on one set of axes; {where} has {has}"
    )


def with_attrs(wanted: Product, data: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose variables have the attributes that the declaration gives them."""
    given = {name: attrs for name, attrs in wanted.attrs.items() if name in data.variables}
    return data.assign({name: data[name].assign_attrs(attrs) for name, attrs in given.items()}) if given else data


def as_names(variables: Iterable[str] | None) -> list[str] | None:
    """Return the variables asked for as a list, None for all."""
    if variables is None:
        return None
    names = [variables] if isinstance(variables, str) else list(variables) if isinstance(variables, Iterable) else []
    if not names or not all(isinstance(v, str) for v in names):
        raise BadOption(f"variables={variables!r} is not a list of names, for example variables=['dst', 'bz']")
    return names


def refuse_unknown(wanted: Product, names: Iterable[str], has: Iterable[str]) -> None:
    """Raise UnknownVariable, with what is near, for names that a product does not have."""
    known = sorted(set(has))
    if unknown := [name for name in names if name not in known]:
        close = sorted({match for name in unknown for match in near(name, known)})
        hint = f" (near: {', '.join(close)})" if close else ""
        raise UnknownVariable(f"{wanted.name} has no {', '.join(map(repr, unknown))}{hint}; it has {', '.join(known)}")


def with_variables(wanted: Product, read: Mapping[str, xr.Dataset], names: list[str]) -> Nodes:
    """Keep the variables asked for, their quality flags, and only nodes that hold any of them."""
    refuse_unknown(wanted, names, {str(v) for data in read.values() for v in data.data_vars})
    kept = {*names, *(f"{name}_quality" for name in names)}
    cut = {path: data[[v for v in data.data_vars if v in kept]] for path, data in read.items()}
    return {path: data for path, data in cut.items() if data.data_vars}


def refuse_outside(wanted: Product, first: np.datetime64 | None, last: np.datetime64 | None) -> None:
    """Raise OutsideCoverage where nothing of the product lies in the interval, before anything is read or asked."""
    if first is None and last is None:
        return
    if wanted.source is None and (wanted.start is None or wanted.stop is None):
        raise BadOption(f"{wanted.name} has no time axis in UTC to cut; leave start and stop out")
    begin, end = _coverage(wanted)
    if (first is not None and first > end) or (last is not None and last <= begin):
        raise OutsideCoverage(
            f"{wanted.name} covers {wanted.start or '…'} to {wanted.stop or 'now'} (UTC); "
            f"nothing of it lies in [{first or '…'}, {last or '…'})"
        )


def partly(wanted: Product, first: np.datetime64 | None, last: np.datetime64 | None) -> str:
    """Return what of an interval the product does not cover, empty where it covers all or nobody knows."""
    begin, end = _coverage(wanted)
    early = first is not None and first < begin.astype("datetime64[D]")
    late = last is not None and last > end.astype("datetime64[D]") + np.timedelta64(1, "D")
    if not (early or late):
        return ""
    held = f"begin {wanted.start or '…'} and end {wanted.stop or '…'}"
    return f"asked for [{first or '…'}, {last or '…'}), but the data {held} (UTC)"


def _coverage(wanted: Product) -> tuple[np.datetime64, np.datetime64]:
    """Return first and last time, NaT (before and after nothing) where an end is open."""
    return np.datetime64(wanted.start or "NaT", "ns"), np.datetime64(wanted.stop or "NaT", "ns")


def within(
    wanted: Product, read: Mapping[str, xr.Dataset], first: np.datetime64 | None, last: np.datetime64 | None
) -> Nodes:
    """Return what lies in the interval; nodes without a time axis in UTC stay.

    Raises
    ------
    OutsideCoverage
        If no node has a sample there; names the nearest ones.
    BadOption
        If nothing has such an axis; event lists have a clock of their own, by which their field cuts them.
    """
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
    chosen_by = wanted.source is not None and "start" in needs_of(wanted.source)
    if not nearest and not chosen_by and not any("event" in data.dims for data in cut.values()):
        raise BadOption(f"{wanted.name} has no time axis in UTC to cut; leave start and stop out")
    if nearest and not any("time" in data.indexes for data in cut.values()):
        raise OutsideCoverage(
            f"{wanted.name} has no sample in [{first or '…'}, {last or '…'}); "
            f"it has samples at {', '.join(sorted(set(nearest)))} (UTC)"
        )
    return cut


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

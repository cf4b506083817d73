"""From a declaration to a checked, stamped dataset."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.catalogue import bundled, held
from analysis.catalogue.cutting import (
    Chunks,
    Nodes,
    as_names,
    chunked,
    partly,
    refuse_outside,
    with_attrs,
    with_variables,
    within,
)
from analysis.catalogue.declared import Product, near, product, twin
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, UnknownVariable
from analysis.model import check, history_with, provenance_of, span, stamp

if TYPE_CHECKING:
    from analysis.model.clocks import Instant


def fetch(
    domain: str,
    name: str,
    *,
    start: Instant | None = None,
    stop: Instant | None = None,
    variables: Iterable[str] | None = None,
    chunks: Chunks | None = None,
    fields: Mapping[str, str | float] | None = None,
    live: bool = False,
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
        Give a Dask-backed result; ``{}`` makes one chunk a file that ships, or a part of a HAPI request. What else
        archives send is read whole and then cut into chunks.
    fields : mapping, optional
        What else an archive's product needs: ``obsid``, ``ra``, ``dec`` and ``radius`` (deg), ``nside``, ``frequency``.
    live : bool, optional
        Ask the archive's product that is declared in place of one that ships.

    Raises
    ------
    UnknownProduct, UnknownServer, UnknownVariable, BadTime, OutsideCoverage, BadOption
        For a name, variable or time range that the product does not have, or one that it needs.
    CorruptFile
        If a file that ships is not what its checksum says.
    DownloadError
        If an archive's product cannot be brought; offline, with what is held of it.
    """
    wanted, (first, last) = product(domain, name), span(start, stop)
    if live:
        first, last, wanted = *_span_of_twin(wanted, first, last), twin(domain, name)
    names = as_names(variables)
    refuse_outside(wanted, first, last)
    asked = {"domain": domain, "product": wanted.name, "start": first, "stop": last, "variables": names}
    query = {key: _plain(value) for key, value in {**asked, **(fields or {})}.items() if value is not None}
    if wanted.source is None:
        read = bundled.read(wanted)
    else:
        from analysis.catalogue import live as archives

        read = archives.read(domain, wanted, archives.Request(first, last, names, chunks, fields or {}))
        held.remember(domain, wanted.name, query, read.values())
    read = {node: with_attrs(wanted, data) for node, data in read.items()}
    if names is not None:
        read = with_variables(wanted, read, names)
    if first is not None or last is not None:
        read = within(wanted, read, first, last)
    stamped = {node: _stamped(wanted, data, query) for node, data in read.items()}
    if told := partly(wanted, first, last):
        warnings.warn(f"{wanted.name}: {told}", AnalysisWarning, stacklevel=3)
        stamped = {node: data.assign_attrs(history=history_with(data, told)) for node, data in stamped.items()}
    if chunks is not None:
        dims = {str(dim) for data in stamped.values() for dim in data.dims}
        stamped = {node: chunked(data, chunks, dims) for node, data in stamped.items()}
    return check(_as_declared(wanted, stamped))


def fetched(domain: str, wanted: Product, query: Mapping[str, object]) -> xr.Dataset | xr.DataTree:
    """Return an archive's product that no table declares, such as the files of one observation that were just listed.

    Parameters
    ----------
    domain : str
        Field.
    wanted : Product
        With a source that needs nothing more.
    query : mapping
        What was asked for, for the provenance.

    Raises
    ------
    OutsideCoverage, DownloadError, CorruptFile, UnknownFormat
        As for :func:`fetch`.
    """
    from analysis.catalogue import live as archives

    asked = {"domain": domain, "product": wanted.name, **query}
    read = archives.read(domain, wanted, archives.Request(None, None, None, None, {}))
    return check(_as_declared(wanted, {node: _stamped(wanted, data, asked) for node, data in read.items()}))


def collect(
    domain: str,
    names: Sequence[str],
    *,
    start: Instant | None = None,
    stop: Instant | None = None,
    variables: Iterable[str] | None = None,
    live: bool = False,
) -> xr.DataTree:
    """Return several products as one DataTree, a node each, each with its own provenance.

    Parameters
    ----------
    domain : str
        Field.
    names : sequence of str
        Products; the node of ``server/dataset`` is called ``dataset``.
    start, stop, variables, live
        As for :func:`fetch`.

    Raises
    ------
    BadOption
        If no product is named.
    UnknownVariable
        If a product has none of the variables.
    """
    chosen = as_names(variables)
    kept = _shared(domain, names, chosen, live=live) if chosen and all(isinstance(n, str) for n in names) else {}
    return tree_of(domain, names, lambda n: fetch(domain, n, start=start, stop=stop, variables=kept.get(n), live=live))


def tree_of(domain: str, names: Sequence[str], fetched: Callable[[str], xr.Dataset | xr.DataTree]) -> xr.DataTree:
    """Return what is fetched for each product as one tree, a node each.

    Raises
    ------
    BadOption
        If no product is named, or two that would be one node.
    """
    if not names:
        raise BadOption(f"collect needs at least one product: {domain}.collect('name', …); see {domain}.search()")
    if not all(isinstance(name, str) for name in names):
        raise BadOption(f"collect takes names one after the other: {domain}.collect('one', 'other'), not {names!r}")
    different = list(dict.fromkeys(names))
    nodes = [node_name(name) for name in different]
    if twice := [node for node in nodes if nodes.count(node) > 1]:
        raise BadOption(f"two of the products would be called {twice[0]!r} in the tree; collect them apart")
    found = {node: fetched(name) for node, name in zip(nodes, different, strict=True)}
    return xr.DataTree(
        children={name: node if isinstance(node, xr.DataTree) else xr.DataTree(node) for name, node in found.items()}
    )


def node_name(name: str) -> str:
    """Return how a product is called in a tree: an address without what a path would be split at.

    Examples
    --------
    >>> node_name("cdaweb/AC_H0_MFI")
    'AC_H0_MFI'
    """
    return name.rpartition("/")[2]


def _span_of_twin(
    shipped: Product, first: np.datetime64 | None, last: np.datetime64 | None
) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """Return the interval to ask the archive for: that of the product that ships where none is given."""
    if shipped.source is not None or shipped.start is None or shipped.stop is None:
        return first, last
    begin = np.datetime64(shipped.start, "ns") if first is None else first
    if last is not None:
        return begin, last
    # A product's last sample is in it, an interval's end is not; but no archive is asked for one more day's file for
    # the sample of its first instant.
    end = np.datetime64(shipped.stop, "ns")
    midnight = end == end.astype("datetime64[D]")
    return begin, end if midnight else end + np.timedelta64(1, "ns")


def _shared(domain: str, names: Sequence[str], variables: list[str], *, live: bool) -> dict[str, list[str]]:
    """Return for each product which of the variables it holds; refuse one that none of them holds."""
    has = {name: _variables_of(twin(domain, name) if live else product(domain, name)) for name in names}
    # Only the answer tells what a dataset holds whose declaration does not say; it is asked for all of them.
    unsure = {name for name, found in has.items() if not found}
    known = sorted(set().union(*has.values()))
    if not unsure and (unknown := [v for v in variables if v not in known]):
        hint = ", ".join(sorted({match for v in unknown for match in near(v, known)})) or ", ".join(known)
        raise UnknownVariable(f"none of {', '.join(has)} has {', '.join(map(repr, unknown))}; near: {hint}")
    if none := [name for name, found in has.items() if name not in unsure and not found & set(variables)]:
        raise UnknownVariable(f"{', '.join(none)} has none of {', '.join(variables)}; leave it out of collect")
    return {name: [v for v in variables if name in unsure or v in found] for name, found in has.items()}


def _variables_of(wanted: Product) -> set[str]:
    """Return what a product holds: of one that ships its variables, of an archive's what is declared."""
    if wanted.source is not None:
        return {
            *wanted.variables,
            *wanted.split_off,
            *wanted.holds,
            *(v for node in wanted.nodes.values() for v in node),
        }
    return {str(v) for data in bundled.read(wanted).values() for v in data.data_vars}


def _plain(value: object) -> object:
    return str(value) if isinstance(value, np.datetime64) else value


def _stamped(wanted: Product, data: xr.Dataset, asked: Mapping[str, object]) -> xr.Dataset:
    """Put the query, the product's title and its caveats on a dataset that its reader has stamped."""
    earlier = data.attrs
    result = stamp(
        data.assign_attrs(history=""),
        title=wanted.title or earlier["title"],
        institution=earlier["institution"],
        source=earlier["source"],
        references=earlier["references"].splitlines(),
        license=earlier["license"],
        history=[*earlier["history"].splitlines(), f"{asked['domain']}.fetch({dict(asked)})"],
        provenance={"query": asked, **{"request" if k == "query" else k: v for k, v in provenance_of(data).items()}},
    )
    caveats = dict.fromkeys([*wanted.caveats, *str(earlier.get("caveats", "")).splitlines()])
    result.attrs.pop("caveats", None)
    return result.assign_attrs(caveats="\n".join(caveats)) if caveats else result


def _as_declared(wanted: Product, stamped: Nodes) -> xr.Dataset | xr.DataTree:
    """Return a dataset or a tree, as the declaration says; as it came where it does not."""
    if wanted.kind != "tree" and set(stamped) == {"/"}:
        return stamped["/"]
    if wanted.kind == "dataset":
        raise AnalysisError(
            f"{wanted.name} is declared as one dataset, but has several sets of axes: {', '.join(stamped)}"
        )
    return xr.DataTree.from_dict(stamped, name=node_name(wanted.name))

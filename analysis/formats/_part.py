"""The part of a file that is asked for, where its reader reads all of it; and what is Dask-backed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import xarray as xr

from analysis.errors import BadOption, UnknownVariable

Chunks = int | Literal["auto"] | Mapping[str, int]


@dataclass(frozen=True)
class Part:
    """Variables, None for all, and how they are cut for Dask, None for not."""

    variables: tuple[str, ...] | None
    chunks: Chunks | None


def names(variables: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the names asked for, None for all; one name alone is a list of one.

    Examples
    --------
    >>> names("bz"), names(["bz", "dst", "bz"])
    (('bz',), ('bz', 'dst'))
    """
    if variables is None:
        return None
    found = [variables] if isinstance(variables, str) else list(variables) if isinstance(variables, Iterable) else []
    if not found or not all(isinstance(name, str) for name in found):
        raise BadOption(f"variables={variables!r} is not a list of names, for example variables=['bx', 'flux']")
    return tuple(dict.fromkeys(found))


def accepted(chunks: Chunks | None) -> Chunks | None:
    """Return chunks that Dask understands; -1 is one chunk.

    Examples
    --------
    >>> accepted({"time": 1000}), accepted("auto")
    ({'time': 1000}, 'auto')
    """
    sizes = list(chunks.values()) if isinstance(chunks, Mapping) else [chunks]
    if chunks is None or chunks == "auto":
        return chunks
    if not all(isinstance(size, int) and not isinstance(size, bool) and (size > 0 or size == -1) for size in sizes):
        raise BadOption(f"chunks={chunks!r}: give sizes, for example chunks={{'time': 100000}}, or {{}} for whole ones")
    return chunks


def chunked(data: xr.Dataset | xr.DataTree, chunks: Chunks | None) -> xr.Dataset | xr.DataTree:
    """Return data whose variables are Dask arrays, cut so; unchanged where None is asked.

    Raises
    ------
    BadOption
        If a dim is named that the data do not have.
    """
    if chunks is None:
        return data
    nodes = nodes_of(data)
    dims = {str(dim) for node in nodes.values() for dim in node.dims}
    if isinstance(chunks, Mapping) and (unknown := sorted(set(chunks) - dims)):
        raise BadOption(f"chunks names {', '.join(unknown)}, but the dims are {', '.join(sorted(dims))}")
    cut = {}
    for path, node in nodes.items():
        own = {dim: n for dim, n in chunks.items() if dim in node.dims} if isinstance(chunks, Mapping) else chunks
        cut[path] = node.chunk(own)
    return cut["/"] if isinstance(data, xr.Dataset) else xr.DataTree.from_dict(cut)


def cut(
    data: xr.Dataset | xr.DataTree, wanted: tuple[str, ...] | None, file: str, *, known: Sequence[str] | None = None
) -> xr.Dataset | xr.DataTree:
    """Return only the variables asked for and their flags; what is left on one set of axes is a Dataset.

    Raises
    ------
    UnknownVariable
        Listing what is near and what there is.
    """
    if wanted is None:
        return data
    nodes = nodes_of(data)
    known = known or list(dict.fromkeys(str(name) for node in nodes.values() for name in node.data_vars))
    if unknown := [name for name in wanted if name not in known]:
        near = sorted({m for name in unknown for m in difflib.get_close_matches(name, known, n=3, cutoff=0.4)})
        hint = f"near: {', '.join(near)}; " if near else ""
        raise UnknownVariable(f"{file} has no {', '.join(map(repr, unknown))}; {hint}it has {', '.join(known)}")
    left = {path: _with_flags(node, wanted) for path, node in nodes.items() if set(wanted) & set(node.data_vars)}
    return next(iter(left.values())) if len(left) == 1 else xr.DataTree.from_dict(left)


def nodes_of(data: xr.Dataset | xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the datasets of a tree by path; a dataset alone is at "/"."""
    if isinstance(data, xr.Dataset):
        return {"/": data}
    return {node.path: node.to_dataset(inherit=False) for node in data.subtree}


def _with_flags(data: xr.Dataset, wanted: tuple[str, ...]) -> xr.Dataset:
    there = [name for name in wanted if name in data.data_vars]
    flags = [
        str(v) for v in data.data_vars if re.search("qual|flag", str(v), re.IGNORECASE) and data[v].dtype.kind in "iu"
    ]
    beside = [f for f in flags if any(f.startswith(n) or set(data[f].dims) == set(data[n].dims[:1]) for n in there)]
    return data[[name for name in map(str, data.data_vars) if name in there or name in beside]]

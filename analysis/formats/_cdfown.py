"""CDF files that Sankō wrote: each dataset comes back as it was, by what ``xarray_variable`` says of its variables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import BadOption
from analysis.formats._cdfaxes import Variable
from analysis.formats._cdftimes import utc_times
from analysis.formats._cdfwrite import FILL, told_of

KINDS = re.compile(r"object|[<>|=]?(?:[fiub][1248]|[mM]8\[ns\]|U\d+)")
Later = Callable[[Variable, NDArray | None], Any]


def tree_name(attributes: Mapping[str, Sequence[object]]) -> str | None:
    """Return what a tree was called; None if it had no name."""
    found = json.loads(str(attributes["xarray_datasets"][0])).get("name")
    return found if isinstance(found, str) else None


def datasets(
    held: Mapping[str, Variable],
    attributes: Mapping[str, Sequence[object]],
    wanted: Collection[str] | None,
    later: Later | None,
) -> dict[str, xr.Dataset] | None:
    """Return the datasets of a file by node; None if it is not of Sankō's writing or was changed by others since.

    Parameters
    ----------
    held, attributes : mapping
        The file's variables and global attributes.
    wanted : collection of str or None
        Which data variables to read; flags are read anyway.
    later : callable or None
        Makes an array that is read when it is computed.
    """
    told = {name: told_of(variable.attributes) for name, variable in held.items()}
    stated = _stated(attributes)
    if stated is None or not all(_agrees(held[name], said) for name, said in told.items()):
        return None
    nodes: dict[str, tuple[dict[str, xr.Variable], dict[str, xr.Variable]]] = {node: ({}, {}) for node in stated}
    for name, said in told.items():
        if said is None or said["role"] == "number" or said["node"] not in nodes:
            continue
        data, coords = nodes[said["node"]]
        if said["role"] == "coordinate":
            coords[said["name"]] = _variable(held[name], said, None)
        elif wanted is None or said["name"] in wanted or re.search("qual|flag", said["name"], re.IGNORECASE):
            data[said["name"]] = _variable(held[name], said, later)
    return {node: xr.Dataset(*found, attrs=stated[node]) for node, found in nodes.items()}


def names(held: Mapping[str, Variable]) -> list[str]:
    """Return the names of the data variables, as they were before they were written."""
    found = (told_of(variable.attributes) for variable in held.values())
    return list(dict.fromkeys(said["name"] for said in found if said and said.get("role") == "data"))


def agree(nodes: Mapping[str, xr.Dataset], assume: Mapping[str, str], file: str) -> None:
    """Give vectors of an unknown frame the one assumed; refuse facts that are not those of the file."""
    for key, word in assume.items():
        fact, _, name = key.partition(".")
        for data in nodes.values():
            for other, variable in data.variables.items():
                stated = variable.attrs.get(fact)
                if fact == "frame" and stated == "unknown" and name in ("", other):
                    variable.attrs["frame"] = word.strip().upper()
                    data.attrs["history"] = (
                        f"frame of {other} assumed to be {word.strip().upper()}\n{data.attrs['history']}"
                    )
                elif name in ("", other) and stated is not None and str(stated).casefold() != word.strip().casefold():
                    raise BadOption(f"{file}: assume says {key} is {word!r}, but the file says {stated!r} of {other}")


def _stated(attributes: Mapping[str, Sequence[object]]) -> dict[str, dict[str, object]] | None:
    entries = attributes.get("xarray_datasets", ())
    try:
        found = json.loads(str(entries[0])) if entries else None
    except ValueError:
        return None
    nodes = found.get("nodes") if isinstance(found, dict) else None
    fits = isinstance(nodes, dict) and all(isinstance(attrs, dict) for attrs in nodes.values())
    return nodes if fits else None


def _agrees(variable: Variable, said: Mapping[str, Any] | None) -> bool:
    """Return whether a variable is still what was written: nobody gave it another unit, frame or shape."""
    if said is None:
        return False
    if said.get("role") == "number":
        return True
    keys = {"node": str, "name": str, "dims": list, "role": str, "dtype": str, "attributes": dict}
    if not all(isinstance(said.get(key), kind) for key, kind in keys.items()):
        return False
    if not KINDS.fullmatch(said["dtype"]):
        return False
    attrs, unit = said["attributes"], "ns" if said["dtype"][1:2] == "m" else None
    for stated, theirs in ((attrs.get("units", unit), "UNITS"), (_frame(attrs), "COORDINATE_SYSTEM")):
        if variable.kind == "number" and str(stated) != str(variable.attributes.get(theirs)):
            return False
    return len(variable.shape) + variable.varies == len(said["dims"]) or not said["dims"]


def _frame(attrs: Mapping[str, object]) -> object:
    return None if attrs.get("frame") == "unknown" else attrs.get("frame")


def _variable(variable: Variable, said: Mapping[str, Any], later: Later | None) -> xr.Variable:
    dims = list(map(str, said["dims"]))
    stored = ["time", *(dim for dim in dims if dim != "time")] if variable.varies else dims
    if later is not None and variable.varies and np.dtype(said["dtype"]).kind == "f":
        values = later(variable, None)
    else:
        values = _restored(variable, said["dtype"])
        values = values if variable.varies else values[0]
    return xr.Variable(stored, values, said["attributes"]).transpose(*dims)


def floats(variable: Variable) -> NDArray:
    """Return numbers with NaN where the file has its fill."""
    values = variable.read()
    missing = values == values.dtype.type(FILL)
    if missing.any():
        values[missing] = np.nan
    return values


def _restored(variable: Variable, code: str) -> NDArray:
    """Return values in the type that they had."""
    kind = np.dtype(code)
    if kind.kind == "f":
        return floats(variable).astype(kind, copy=False)
    values = variable.read()
    if kind.kind == "M":
        return utc_times(values)
    if kind.kind == "m":
        return values.view("m8[ns]")
    return values if kind.kind == "U" else values.astype(kind, copy=False)

"""CDF by the ISTP guidelines, written so that others read it by its words and Sankō as it was.

Each variable carries what the guidelines ask for, and in ``xarray_variable`` (JSON) what they have no word for: its
node, dims and attributes. The global attribute ``xarray_datasets`` holds the attributes of each dataset.

References
----------
NASA Space Physics Data Facility, *ISTP Metadata Guidelines*, https://spdf.gsfc.nasa.gov/istp_guide/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import WrongData
from analysis.formats import _cdfwords as words

FILL = -1e31
FILLS = {"i1": -128, "i2": -(2**15), "i4": -(2**31), "i8": -(2**63), "u1": 255, "u2": 65535, "u4": 2**32 - 1}
NO_TIME = -(2**63)


@dataclass
class _File:
    """A file in the making: names that are taken, and which variable of the file each of ours became."""

    cdf: Any
    taken: set[str] = field(default_factory=set)
    names: dict[tuple[str, str], str] = field(default_factory=dict)  # node and variable, or node and "dim NAME"

    def named(self, wanted: str) -> str:
        """Return a free name of letters, digits and underscores, as ISTP wants them, and take it."""
        plain = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        plain = plain if re.match("[A-Za-z]", plain) else f"v_{plain}"
        plain = plain[:200]
        free = next(n for n in (plain, *(f"{plain}_{i}" for i in range(2, 10_000))) if n.casefold() not in self.taken)
        self.taken.add(free.casefold())
        return free


def write(nodes: dict[str, xr.Dataset], path: Path, name: str, tree: str | None) -> None:
    """Write datasets by the path of their node.

    ``name`` is what the file will be called, without its suffix; ``tree`` the name of all datasets, if they have one.
    """
    import pycdfpp

    if not any(_is_series(data) for data in nodes.values()):
        raise WrongData(
            f"{name}: a CDF of ISTP is a series in time, and nothing here stands on a dim time of datetime64; "
            "write netCDF (.nc) instead"
        )
    file = _File(pycdfpp.CDF())
    for key, entries in words.of_file(nodes, name).items():
        file.cdf.add_attribute(key, entries)
    told = {"name": tree, "nodes": {node: words.plain(data.attrs) for node, data in nodes.items()}}
    file.cdf.add_attribute("xarray_datasets", [json.dumps(told, ensure_ascii=False)])
    for node, data in nodes.items():
        _refuse_empty(data, node)
        _take_names(file, node, data)
    for node, data in nodes.items():
        for key in [*data.coords, *data.data_vars]:
            _add(file, node, data, str(key))
        for dim in data.dims:
            _add_counted(file, node, data, str(dim))
    pycdfpp.save(file.cdf, str(path))


def _is_series(data: xr.Dataset) -> bool:
    return "time" in data.dims and "time" in data.coords and data["time"].dtype.kind == "M"


def _refuse_empty(data: xr.Dataset, node: str) -> None:
    if empty := [f"{dim}" for dim, size in data.sizes.items() if size == 0]:
        raise WrongData(f"{node}: the dim {', '.join(empty)} has the length 0, which a CDF does not hold; write netCDF")


def _take_names(file: _File, node: str, data: xr.Dataset) -> None:
    """Choose the names in the file; those of a variable that several nodes have begin with the node's."""
    word = re.sub(r"\W+", "_", node.strip("/"))
    for key in map(str, [*data.coords, *data.data_vars]):
        plain = "Epoch" if key == "time" and _is_series(data) else key
        clash = plain.casefold() in file.taken
        file.names[node, key] = file.named(
            f"{plain}_{word}" if clash and plain == "Epoch" else f"{word}_{plain}" if clash else plain
        )
    for dim in map(str, data.dims):
        if dim not in data.coords and f"{dim}_table" not in data.coords and not (dim == "time" and _is_series(data)):
            file.names[node, f"dim {dim}"] = file.named(f"{dim}_number")


def _add(file: _File, node: str, data: xr.Dataset, key: str) -> None:
    """Add one variable: its values, ISTP's words and our own."""
    variable = data.variables[key]
    in_time = _is_series(data) and "time" in variable.dims
    dims = (["time"] if in_time else []) + [str(d) for d in variable.dims if not (in_time and d == "time")]
    values = np.asarray(variable.transpose(*dims).values)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    name = file.names[node, key]
    held, kind, fill = _encoded(name, values)
    raw = np.ascontiguousarray(held).reshape(values.shape if in_time else (1, *values.shape))
    role = "coordinate" if key in data.coords else "data"
    pointers = {
        "DEPEND_0": {"DEPEND_0": file.names[node, "time"]} if in_time and key != "time" else {},
        "axes": _axes(file, node, data, key, dims[1:] if in_time else dims),
        "deltas": _deltas(file, node, variable),
    }
    said = words.of_variable(name, variable, role=role, values=values, fill=fill)
    told = {"node": node, "name": key, "dims": list(map(str, variable.dims)), "role": role, "dtype": _dtype(variable)}
    own = json.dumps({**told, "attributes": words.plain(variable.attrs)}, ensure_ascii=False)
    attributes = {**said, **pointers["DEPEND_0"], **pointers["axes"], **pointers["deltas"], "xarray_variable": own}
    file.cdf.add_variable(
        name,
        values=raw,
        data_type=kind,
        is_nrv=not in_time,
        attributes=attributes,
        copy=raw.dtype.kind in "MS",
    )


def _dtype(variable: xr.Variable) -> str:
    return "object" if variable.dtype.kind == "O" else variable.dtype.str


def _axes(file: _File, node: str, data: xr.Dataset, key: str, dims: list[str]) -> dict[str, str]:
    """Return what DEPEND_i or LABL_PTR_i names for each axis but time."""
    found = {}
    for place, dim in enumerate(dims, start=1):
        table = f"{dim}_table"
        if dim in data.coords and dim != key:
            text = data[dim].dtype.kind in "OU"
            found[f"{'LABL_PTR' if text else 'DEPEND'}_{place}"] = file.names[node, dim]
        elif table in data.coords and key != table and data[table].dims[-1:] == (dim,):
            found[f"DEPEND_{place}"] = file.names[node, table]
        elif (node, f"dim {dim}") in file.names:
            found[f"DEPEND_{place}"] = file.names[node, f"dim {dim}"]
    return found


def _deltas(file: _File, node: str, variable: xr.Variable) -> dict[str, str]:
    pairs = (("delta_plus", "DELTA_PLUS_VAR"), ("delta_minus", "DELTA_MINUS_VAR"))
    named = {theirs: file.names.get((node, str(variable.attrs.get(ours, "")))) for ours, theirs in pairs}
    return {theirs: name for theirs, name in named.items() if name is not None}


def _add_counted(file: _File, node: str, data: xr.Dataset, dim: str) -> None:
    """Add the numbers 1, 2, 3 … of an axis that has no values of its own, since ISTP wants something there."""
    name = file.names.get((node, f"dim {dim}"))
    if name is None:
        return
    numbers = np.arange(1, data.sizes[dim] + 1, dtype="i4")
    variable = xr.Variable((dim,), numbers, {"units": "1", "long_name": f"Number along {dim}"})
    said = words.of_variable(name, variable, role="coordinate", values=numbers, fill=FILLS["i4"])
    own = {"xarray_variable": json.dumps({"role": "number"})}
    file.cdf.add_variable(name, values=numbers[None], is_nrv=True, attributes={**said, **own})


def _encoded(name: str, values: NDArray) -> tuple[NDArray, Any, float | int | str | None]:
    """Return values as a CDF holds them, their type, and what stands for a missing one."""
    import pycdfpp

    kinds, code = pycdfpp.DataType, f"{values.dtype.kind}{values.dtype.itemsize}"
    if values.dtype.kind == "M":
        return _epochs(name, values), kinds.CDF_TIME_TT2000, NO_TIME
    if values.dtype.kind in "OU":
        return _text(name, values), kinds.CDF_CHAR, " "
    if values.dtype.kind == "m":
        return values.astype("m8[ns]").view("i8"), kinds.CDF_INT8, FILLS["i8"]
    if values.dtype.kind == "b":
        return values.astype("u1"), kinds.CDF_UINT1, FILLS["u1"]
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        if (values == values.dtype.type(FILL)).any():
            raise WrongData(f"{name} holds {FILL:g}, which stands for a missing value in a CDF")
        raw = np.where(missing, values.dtype.type(FILL), values) if missing.any() else values
        return raw, kinds.CDF_FLOAT if code == "f4" else kinds.CDF_DOUBLE, FILL
    if code == "u8":
        if values.size and int(values.max()) >= 2**63:
            raise WrongData(f"{name} holds whole numbers above 2^63, which a CDF has no type for; write netCDF")
        values, code = values.astype("i8"), "i8"
    kind = getattr(kinds, f"CDF_{'U' if code[0] == 'u' else ''}INT{code[1]}")
    return values.astype(code, copy=False), kind, _unused(values, FILLS[code])


def _unused(values: NDArray, wanted: int) -> int | None:
    """Return a whole number that none of the values is, to stand for a missing one: ISTP's own if it is free."""
    info = np.iinfo(values.dtype)
    candidates = (wanted, int(info.max), int(info.min), *(int(info.max) - i for i in range(1, 300)))
    return next((n for n in candidates if info.min <= n <= info.max and not (values == n).any()), None)


def _epochs(name: str, values: NDArray) -> NDArray:
    """Return times as datetime64[ns], which TT2000 holds to the nanosecond from the year 1708 on."""
    import pycdfpp

    flat = np.ascontiguousarray(values.astype("M8[ns]"))
    back = np.asarray(pycdfpp.to_datetime64(pycdfpp.to_tt2000(flat.reshape(-1)))).astype("M8[ns]").reshape(flat.shape)
    wrong = (back != flat) & ~np.isnat(flat)
    if wrong.any():
        raise WrongData(f"{name}: the time {flat[wrong].flat[0]} is outside what TT2000 holds; write netCDF (.nc)")
    return flat


def _text(name: str, values: NDArray) -> NDArray:
    if any("\0" in str(word) for word in values.flat):
        raise WrongData(f"{name} holds text with a NUL character, with which a CDF fills up text")
    coded = np.char.encode(values.astype("U"), "utf-8")
    return coded if coded.dtype.itemsize else coded.astype("S1")


def told_of(attributes: Mapping[str, object]) -> dict[str, Any] | None:
    """Return what ``xarray_variable`` says of a variable; None if it says nothing that can be read.

    Examples
    --------
    >>> told_of({"XARRAY_VARIABLE": '{"name": "b"}'}), told_of({"UNITS": "nT"})
    ({'name': 'b'}, None)
    """
    try:
        found = json.loads(str(attributes.get("XARRAY_VARIABLE")))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

"""netCDF 4 by the CF conventions, written so that it comes back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from analysis.errors import WrongData

CONVENTIONS = "CF-1.11"
MARK = "written_by"  # says that the conventions are the writer's word, not an attribute of the data
TREE = "tree_name"
WRITER = "Sankō, formats.write"


def write(nodes: dict[str, xr.Dataset], path: Path, name: str, tree: str | None) -> None:
    """Write datasets by the path of their group, ``tree`` being the name of all, if they have one.

    The name of the file has no place inside a netCDF.
    """
    mode = "w"
    for node, data in nodes.items():
        ready = data.drop_encoding()
        _refuse_names(ready, node)
        if node == "/" or (mode == "w" and "/" not in nodes):
            said = {} if {"Conventions", MARK, TREE} & set(data.attrs) else {"Conventions": CONVENTIONS, MARK: WRITER}
            said |= {TREE: tree} if said and tree else {}
            if node == "/":
                ready = ready.assign_attrs(said)
            else:
                xr.Dataset(attrs=said).to_netcdf(path, engine="h5netcdf", mode="w")
                mode = "a"
        encoding = {str(n): _encoding(v) for n, v in ready.variables.items()}
        group = None if node == "/" else node
        ready.to_netcdf(path, engine="h5netcdf", mode=mode, group=group, encoding=encoding)  # type: ignore[call-overload]
        mode = "a"


def _encoding(variable: xr.Variable) -> dict[str, object]:
    """Return times to the nanosecond, and no fill where nothing is missing."""
    if variable.dtype.kind == "M":
        return {"units": "nanoseconds since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}
    return {"_FillValue": np.nan} if variable.dtype.kind == "f" else {}


def _refuse_names(data: xr.Dataset, node: str) -> None:
    for name, variable in data.variables.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise WrongData(f"{node}: {name!r} is no name for a variable of netCDF; rename it (no slash)")
        if variable.dtype.kind == "m":
            raise WrongData(f"{node}: {name} is a timedelta; write it as a number with a unit, such as seconds")
        if taken := sorted({"_FillValue", "missing_value", "scale_factor", "add_offset"} & set(variable.attrs)):
            raise WrongData(f"{node}: {name} has the attribute {taken[0]}, which netCDF uses itself; remove it")

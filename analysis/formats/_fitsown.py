"""What xarray holds and FITS has no keyword for, in an extension XARRAY of the files that Sankō writes.

One row for each dataset and variable: its node, its name, and a JSON text. Other programs pass over the extension. As
long as nothing before it was changed the file comes back as it was; if something was, the file is read by its
keywords like any other, and keeps what was said of its origin.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.formats import _fitscolumns as table
from analysis.formats._fitscolumns import Ragged
from analysis.formats._fitsio import BLOCK, Hdu, datasum_differs
from analysis.formats._fitswrite import Field
from analysis.formats._fitswrite import table as table_bytes
from analysis.model import check

NAME = "XARRAY"
WRITER = "Sanko, formats.write"
ORIGIN = ("institution", "source", "references", "license", "history", "provenance", "synthetic", "caveats")
CARDS = [("CREATOR", WRITER, ""), ("CONTENT", "XARRAY", "attributes of the data above")]


def extension(
    nodes: Mapping[str, xr.Dataset],
    columns: Mapping[tuple[str, str], tuple[int, str]],
    before: Sequence[bytes],
    tree: str | None,
) -> bytes:
    """Return the extension: attributes, dims and types of each variable, and where its numbers are.

    Parameters
    ----------
    nodes : mapping
        Datasets by node, as they come back.
    columns : mapping
        For node and variable the extension's index and the column that holds it as it is.
    before : sequence of bytes
        The HDUs of the file up to here.
    tree : str or None
        Name of the DataTree.
    """
    told: list[tuple[str, str, Any]] = [
        ("", "", {"sums": [zlib.crc32(hdu) for hdu in before], "tree": set(nodes) != {"/"}, "name": tree})
    ]
    for node, data in nodes.items():
        told.append((node, "", {"attrs": _plain(data.attrs)}))
        told += [(node, str(name), _of(node, str(name), data, columns)) for name in data.variables]
    told[0][2]["rows"] = len(told)
    texts = [json.dumps(said).encode("ascii") for _, _, said in told]
    counts = np.array([len(text) for text in texts])
    fields = [
        Field("NODE", np.array([node for node, _, _ in told], object)),
        Field("VARIABLE", np.array([json.dumps(name)[1:-1] for _, name, _ in told], object)),
        Field("TOLD", Ragged(np.frombuffer(b"".join(texts), "S1"), counts), comment="JSON"),
    ]
    return table_bytes(NAME, fields, CARDS)


def _of(node: str, name: str, data: xr.Dataset, columns: Mapping[tuple[str, str], tuple[int, str]]) -> dict[str, Any]:
    variable = data.variables[name]
    said: dict[str, Any] = {
        "dims": list(map(str, variable.dims)),
        "shape": list(variable.shape),
        "dtype": "object" if variable.dtype.kind in "OU" else variable.dtype.newbyteorder("=").str,
        "attrs": _plain(variable.attrs),
        "coordinate": name in data.coords,
    }
    if (node, name) in columns:
        said["hdu"], said["column"] = columns[node, name]
    elif variable.ndim == 0:
        if variable.dtype.kind not in "fiubUO":
            raise WrongData(f"{name} is of the type {variable.dtype}, which is not written to FITS; drop it")
        said["value"] = variable.values.item()
    return said


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    def listed(value: Any) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        return [listed(part) for part in value] if isinstance(value, list | tuple) else value

    return {str(key): listed(value) for key, value in attrs.items()}


def taken_out(hdus: Sequence[Hdu]) -> tuple[list[Hdu], Hdu | None]:
    """Return the extensions of a file without XARRAY, and that one, None in the files of others."""
    own = [h for h in hdus if h.name == NAME and h.kind == "table" and _told_columns(h)]
    return [h for h in hdus if h not in own[:1]], own[0] if own else None


def _told_columns(hdu: Hdu) -> bool:
    return {"node", "variable", "told"} <= set(table.columns(hdu))


def restored(found: xr.Dataset | xr.DataTree, hdus: Sequence[Hdu], own: Hdu) -> xr.Dataset | xr.DataTree:
    """Return what was written, if the file is as it was; else what was read, with what was said of its origin."""
    rows = None if datasum_differs(own) else _rows(own)
    if rows is None or rows["", ""].get("rows") != len(rows):
        return _noted(found, {}, "what Sankō wrote of it cannot be read")
    top, told = rows.pop(("", "")), _nodes(rows)
    if top.get("sums") != [_sum(h) for h in hdus]:
        return _noted(found, told, "changed by another program since Sankō wrote it: read by its keywords")
    read = {"/": found} if isinstance(found, xr.Dataset) else {n.path: n.to_dataset() for n in found.subtree}
    made = {}
    for node, said in told.items():
        data = _dataset(said, hdus, read.get(node, read.get("/events", xr.Dataset())))
        if data is None:
            return _noted(found, told, "what Sankō wrote of it does not fit it: read by its keywords")
        made[node] = data
    if not top.get("tree"):
        return check(made["/"])
    return check(xr.DataTree.from_dict(made, name=top.get("name")))


def _rows(own: Hdu) -> dict[tuple[str, str], Any] | None:
    """Return the JSON of each node and variable; None if it is none, or not of this form."""
    columns = table.columns(own)
    nodes, names, texts = (table.read(own, columns[name]) for name in ("node", "variable", "told"))
    if any(isinstance(part, Ragged) or part.dtype.kind != "O" for part in (nodes, names, texts)):
        return None
    try:
        rows = {
            (str(node), json.loads(f'"{name}"')): json.loads(text)
            for node, name, text in zip(nodes, names, texts, strict=True)  # type: ignore[arg-type]
        }
    except (ValueError, TypeError):
        return None
    fits = all(isinstance(said, dict) and isinstance(said.get("attrs", {}), dict) for said in rows.values())
    return rows if fits and ("", "") in rows and all((node, "") in rows for node, _ in rows) else None


def _nodes(rows: Mapping[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
    nodes: dict[str, dict[str, Any]] = {node: {} for node, _ in rows}
    for (node, name), said in rows.items():
        nodes[node][name] = said
    return nodes


def _sum(hdu: Hdu) -> int:
    """Return the CRC-32 of an HDU as it is in the file, filled up to whole blocks."""
    padding = -hdu.data.size % BLOCK
    return zlib.crc32(bytes(padding), zlib.crc32(hdu.data, zlib.crc32(hdu.cards)))  # type: ignore[arg-type]


def _dataset(said: Mapping[str, Any], hdus: Sequence[Hdu], read: xr.Dataset) -> xr.Dataset | None:
    """Return one dataset as it was told; None if its numbers are not there."""
    coords: dict[str, xr.Variable] = {}
    variables: dict[str, xr.Variable] = {}
    for name, told in said.items():
        if not name:
            continue
        values = _values(name, told, hdus, read)
        if values is None:
            return None
        made = xr.Variable(told["dims"], values, told["attrs"])
        (coords if told["coordinate"] else variables)[name] = made
    return xr.Dataset(variables, coords, said[""]["attrs"])


def _values(name: str, told: Mapping[str, Any], hdus: Sequence[Hdu], read: xr.Dataset) -> np.ndarray | None:
    kind, shape = told["dtype"], tuple(told["shape"])
    if "value" in told:
        return np.array(told["value"], kind)
    if "column" in told:
        known = table.columns(hdus[told["hdu"]])
        values = table.read(hdus[told["hdu"]], known[told["column"]]) if told["column"] in known else None
    else:
        values = read[name].values if name in read.variables else None
    if values is None or isinstance(values, Ragged) or values.size != math.prod(shape):
        return None
    return values.astype(kind, copy=False).reshape(shape)


def _noted(
    found: xr.Dataset | xr.DataTree, told: Mapping[str, Mapping[str, Any]], note: str
) -> xr.Dataset | xr.DataTree:
    """Return what was read with the origin of what was written, and a line of history that says what happened."""
    for node in found.subtree if isinstance(found, xr.DataTree) else [found]:
        path = node.path if isinstance(node, xr.DataTree) else "/"
        if not node.attrs:
            continue
        earlier = told.get(path, {}).get("", {}).get("attrs", {})
        history = [str(earlier.get("history", "")), str(node.attrs["history"]), note]
        node.attrs.update({key: earlier[key] for key in ORIGIN if key in earlier})
        node.attrs["history"] = "\n".join(line for line in history if line)
    return found

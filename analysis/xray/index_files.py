"""Event indices on disk: a folder of arrays that are read as they are needed, whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, CorruptFile, MissingFile, StoreError, UnknownFormat, WrongData
from analysis.model import check
from analysis.panels.beside import move_in
from analysis.xray.brushes import is_index
from analysis.xray.counting import native
from analysis.xray.inputs import events_and_gti
from analysis.xray.intervals import clock_of, live_fraction
from analysis.xray.ordered import own_columns
from analysis.xray.sky import sky_frame

FORMAT, VERSION, MANIFEST = "sanko event index", 2, "index.json"
MARKED = ("x", "y", "time", "energy", "pi")


def save_event_index(index: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Return the path of a folder that now holds an event index; it appears when it is whole, or not at all.

    Parameters
    ----------
    index : xarray.Dataset
        Of :func:`event_index`.
    path : str or path-like
        Of the folder, in one that is there.
    overwrite : bool, optional
        Whether an index that is there may be replaced; nothing else ever is.

    Returns
    -------
    pathlib.Path
        A ``.npy`` file for each array and ``index.json``; about 1.4 times the size of the events' columns.

    Raises
    ------
    WrongData
        If it is no event index.
    BadOption
        If the folder is there and may not be replaced, or is no index.
    StoreError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = xray.save_event_index(xray.event_index(m82), f"{folder}/m82.index")
    ...     xray.brushed(xray.open_event_index(kept, m82), band=(2, 7)).attrs["events"]
    1674
    """
    is_index(index, "save_event_index")
    target = Path(path)
    if target.exists() and not overwrite:
        raise BadOption(f"{target} is there already; overwrite=True replaces it")
    if target.exists() and not (target / MANIFEST).is_file():
        raise BadOption(f"{target} is there and no event index, so it is not replaced; take another name")
    if not target.absolute().parent.is_dir():
        raise StoreError(f"{target}: there is no folder {target.parent}")
    held = {str(name): variable for name, variable in index.variables.items() if not str(name).startswith("list_")}
    told = {
        "format": FORMAT,
        "version": VERSION,
        "attrs": _plain(index.attrs),
        "coords": [str(name) for name in index.coords],
        "variables": {
            name: {
                "dims": list(part.dims),
                "attrs": _plain(part.attrs),
                "shape": list(part.shape),
                "type": part.dtype.str,
            }
            for name, part in held.items()
        },
    }
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.absolute().parent) as folder:
            made = Path(folder) / "new"
            made.mkdir()
            for name, part in held.items():
                np.save(made / f"{name}.npy", np.ascontiguousarray(part.values), allow_pickle=False)
            (made / MANIFEST).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            move_in(made, target, Path(folder) / "old")
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error}") from error
    return target


def open_event_index(path: str | os.PathLike[str], events: xr.DataTree | None = None) -> xr.Dataset:
    """Return the event index in a folder of :func:`save_event_index`; its arrays stay on disk until they are used.

    Parameters
    ----------
    path : str or path-like
    events : xarray.DataTree, optional
        The events it was made of. It is then refused if it was made of others, and a range of time is brushed from
        the list itself, which is quicker.

    Raises
    ------
    MissingFile
        If there is no such folder.
    UnknownFormat
        If it holds no event index, or one of a later version.
    CorruptFile
        If it is damaged.
    WrongData
        If it was made of other events.

    Examples
    --------
    >>> from analysis.errors import MissingFile
    >>> try:
    ...     open_event_index("nowhere.index")
    ... except MissingFile as error:
    ...     print(error)
    there is no folder nowhere.index
    """
    source = Path(path)
    if not source.is_dir():
        raise MissingFile(f"there is no folder {source}")
    try:
        told = json.loads((source / MANIFEST).read_bytes().decode("utf-8"))
    except FileNotFoundError as error:
        raise UnknownFormat(f"{source} is no event index of xray.save_event_index: it has no {MANIFEST}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CorruptFile(f"{source / MANIFEST} is damaged: {error}") from error
    if not isinstance(told, Mapping) or told.get("format") != FORMAT:
        raise UnknownFormat(f"{source} is no event index of xray.save_event_index")
    if told.get("version") != VERSION:
        raise UnknownFormat(
            f"{source} is an event index of version {told.get('version')!r}; known is {VERSION}: make it again"
        )
    try:
        held = {name: (said["dims"], _array(source / f"{name}.npy", said), said["attrs"]) for name, said in
                told["variables"].items()}  # fmt: skip
        index = check(xr.Dataset(held, attrs=told["attrs"]).set_coords(told["coords"]))
        is_index(index, "open_event_index")
    except (KeyError, TypeError, ValueError, AttributeError, OSError, EOFError, WrongData) as error:
        raise CorruptFile(f"{source} is an event index, but damaged: {error}; make it again") from error
    return index if events is None else of_events(index, events, str(source))


def _array(path: Path, said: Mapping[str, Any]) -> np.ndarray:
    """An array of a folder, on disk: writing into it changes nothing there."""
    empty = 0 in said["shape"]
    made = np.load(path, mmap_mode=None if empty else "c", allow_pickle=False)
    if list(made.shape) != said["shape"] or made.dtype.str != said["type"]:
        raise ValueError(f"{path.name} holds {made.shape} {made.dtype}, not {said['shape']} {said['type']}")
    return np.asarray(made)


def of_events(index: xr.Dataset, events: xr.DataTree, name: str) -> xr.Dataset:
    """Return an index with the list's own columns, refused if it was made of other events.

    Raises
    ------
    WrongData
        If it was.
    """
    is_index(index, "an explorer or open_event_index")
    listed, gti = events_and_gti(events, "open_event_index")
    column = index.attrs.get("column")
    if (column is not None and column not in listed) or index.attrs.get("events_mark") != mark_of(listed, gti, column):
        one, other = (str(part.attrs.get("title", "no title")) for part in (index, listed))
        raise WrongData(
            f"{name} was made of other events ({one}, {index.sizes['event']:,} in good time) than these ({other}, "
            f"{listed.sizes['event']:,}), or their order, units, good times, clock or sky were others; make their own: "
            "xray.save_event_index(xray.event_index(events), folder)"
        )
    if "list_time" in index:
        return index
    return index.assign(own_columns(listed, channels="spectrum_channel" in index.dims, column=column))


def mark_of(listed: xr.Dataset, gti: xr.Dataset, column: str | None) -> str:
    """Return a mark of a list's numbers in their order, its good times, clock and sky: another list has another one."""
    told = {"plane": sky_frame(listed), "clock": clock_of(listed), "live": live_fraction(listed.attrs)}
    mark = hashlib.sha256(json.dumps(_plain(told), sort_keys=True).encode())
    names = [name for name in MARKED if name in listed] + ([column] if column is not None else [])
    for part in [*(listed[name] for name in names), gti["start"], gti["stop"]]:
        values = native(part.values)
        crc = zlib.crc32(values.data.cast("B")) if values.size else 0
        mark.update(f"{part.name} {part.attrs.get('units')} {values.dtype.str} {values.size} {crc};".encode())
    return mark.hexdigest()[:32]


def _plain(value: Any) -> Any:
    """Attributes as JSON holds them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value

"""What is kept on disk beside data: its place, and whether the file of the data was written since."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, CorruptFile, MissingFile, UnknownFormat, WrongData


def file_stamp(array: xr.DataArray) -> dict[str, Any] | None:
    """Return path, size and time of writing of the file of a memory map or netCDF variable; None if there is none.

    Examples
    --------
    >>> file_stamp(xr.DataArray([1.0])) is None
    True
    """
    data = array.variable._data
    source = data.filename if isinstance(data, np.memmap) else array.encoding.get("source")
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    try:
        facts = path.stat()
    except (OSError, ValueError):  # an address, or a file that is gone
        return None
    if not path.is_file():
        return None
    return {"path": str(path.resolve()), "size": facts.st_size, "written": facts.st_mtime_ns}


def refuse_written_since(array: xr.DataArray, stamp: object, store: Path, maker: str) -> None:
    """Refuse a store if the file of an array is the one of an earlier stamp and was written again since.

    Raises
    ------
    WrongData
        If it was; ``maker`` is the call that makes the store anew.

    Examples
    --------
    >>> refuse_written_since(xr.DataArray([1.0]), None, Path("b.zarr"), "write_extremes(…, overwrite=True)")
    """
    own = file_stamp(array)
    if own is None or not isinstance(stamp, Mapping) or stamp.get("path") != own["path"] or dict(stamp) == own:
        return
    raise WrongData(
        f"{store} does not belong to {array.name or 'the array'} any more: {own['path']} was written again since; "
        f"{maker} makes it anew"
    )


def as_path(path: object, example: str) -> Path:
    """Return the path of a store.

    Raises
    ------
    BadOption
        If it is no path.

    Examples
    --------
    >>> as_path("b.zarr", "").name
    'b.zarr'
    """
    try:
        return Path(path).expanduser()  # type: ignore[arg-type]  # what is none is answered below
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadOption(f"{path!r} is not a path; give the name of a store, for example {example!r}") from error


def new_place(path: object, example: str, *, overwrite: bool, known: Callable[[Path], object]) -> Path:
    """Return the place of a store to be written; refuse what stands in the way before any work is done.

    Parameters
    ----------
    path : object
        What was given.
    example : str
        A name that would do.
    overwrite : bool
        Replace a store that is there.
    known : callable
        Raises an error for what is no store of this kind: nothing else is ever replaced.

    Raises
    ------
    BadOption, MissingFile
        If the name does not end in ``.zarr``, the path exists, or the directory above is not there.
    """
    store = as_path(path, example)
    if store.suffix != ".zarr":
        raise BadOption(f"path={str(path)!r}: the name of a store ends in .zarr, for example {example!r}")
    if not store.parent.is_dir():
        raise MissingFile(f"there is no directory {store.parent}; make it first")
    if os.path.lexists(store):
        if not overwrite:
            raise BadOption(f"{store} exists; give another name, or overwrite=True to replace what was written there")
        known(store)
    return store


def move_in(made: Path, store: Path, aside: Path) -> None:
    """Give a finished store its name; what was there comes back if that fails."""
    replaced = store.exists()
    if replaced:
        store.rename(aside)
    try:
        made.rename(store)
    except OSError:
        if replaced:
            aside.rename(store)
        raise


def root_of(store: Path, mark: str, version: int, what: str, maker: str) -> dict[str, Any]:
    """Return what the root of a store says of itself.

    Parameters
    ----------
    store : pathlib.Path
    mark : str
        The attribute that tells a store of this kind, and holds its version.
    version : int
        The one that is read.
    what, maker : str
        For messages: what such a store holds, and the call that makes one.

    Raises
    ------
    MissingFile, UnknownFormat, CorruptFile
        If it is not there, something else or of another version, or its root cannot be read.
    """
    if not os.path.lexists(store):
        raise MissingFile(f"there is no {store}; {maker} makes it")
    root = store / "zarr.json"
    if not root.is_file():
        raise UnknownFormat(f"{store} is no {what}: it has no zarr.json; {maker} makes one")
    try:
        attrs = json.loads(root.read_text())["attributes"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorruptFile(f"{root} cannot be read ({error}); the store is damaged, write it again") from error
    if not isinstance(attrs, dict) or mark not in attrs:
        raise UnknownFormat(f"{store} is a zarr store, but no {what}: its root has no {mark!r}; {maker} makes one")
    if attrs[mark] != version:
        raise UnknownFormat(f"{store} is a {what} of version {attrs[mark]!r}; version {version} is read")
    return attrs

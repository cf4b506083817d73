"""Levels of a large spectrogram on disk: a zarr store beside the data, read only as far as a picture needs it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import CorruptFile, StoreError, WrongData
from analysis.panels.beside import as_path, file_stamp, move_in, new_place, refuse_written_since, root_of
from analysis.panels.levels import Allocate, Level, Levels, read

MARK = "spectrogram_levels"  # attribute of the root: version of this layout
VERSION = 1
EXAMPLE = "flux_levels.zarr"
CHUNK = 65_536  # values stored together
PLACES, PLACE = 33, 16  # stretches of samples, and samples of each, by which an array is known again
TABLES = ("firsts", "sums", "counts", "peaks")


def stored(
    array: xr.DataArray,
    path: str | os.PathLike[str],
    make: Callable[[Allocate], Levels],
    *,
    overwrite: bool,
) -> Path:
    """Return the path of a new store with the levels of an array; it is there whole or not at all.

    Parameters
    ----------
    array : xarray.DataArray
        Dims (time, other).
    path : str or path
        The store, a directory whose name ends in ``.zarr``.
    make : callable
        Makes the levels, in tables that it allocates with what it is given.
    overwrite : bool
        Replace levels that are there; nothing else is ever replaced.

    Raises
    ------
    BadOption, MissingFile, StoreError
        If the path does not suit, or nothing can be written to it.
    """
    store = new_place(path, EXAMPLE, overwrite=overwrite, known=_root)
    try:
        with tempfile.TemporaryDirectory(prefix=".sanko-", dir=store.parent) as folder:
            made = Path(folder) / "new.zarr"
            levels = make(_allocate(made))
            for rank, level in enumerate(levels.each):
                _table(made, f"level_{rank}/firsts", level.firsts.shape, level.firsts.dtype)[:] = level.firsts
            _table(made, "sample", levels.sample.shape, levels.sample.dtype)[:] = levels.sample
            lowest = levels.lowest if np.isfinite(levels.lowest) else None  # JSON knows no infinity
            facts = {
                MARK: VERSION, "array": fingerprint(array), "file": file_stamp(array), "levels": len(levels.each),
                "lowest": lowest,
            }  # fmt: skip
            root = {"zarr_format": 3, "node_type": "group", "attributes": facts}
            (made / "zarr.json").write_text(json.dumps(root, indent=1))  # last: without it nothing is read
            move_in(made, store, Path(folder) / "old.zarr")
    except OSError as error:
        raise StoreError(f"{store} could not be written ({error}); nothing half-made was left there") from error
    return store


def opened(array: xr.DataArray, path: str | os.PathLike[str]) -> Levels:
    """Return the levels of an array from a store, tables unread; refuse those of another array.

    Raises
    ------
    MissingFile, UnknownFormat, CorruptFile
        If there is nothing, something else, or not all that was written.
    WrongData
        If they are levels of another array.
    """
    import zarr

    store = as_path(path, EXAMPLE)
    facts = _root(store)
    if facts.get("array") != (own := fingerprint(array)):
        other = facts.get("array") or {}
        unlike = [key for key in own if other.get(key) != own[key]] if isinstance(other, dict) else list(own)
        raise WrongData(
            f"{store} holds levels of another array than {array.name or 'this'}: they differ in {', '.join(unlike)}; "
            "panels.write_levels(array, path, overwrite=True) makes them anew"
        )
    refuse_written_since(array, facts.get("file"), store, "panels.write_levels(array, path, overwrite=True)")
    try:
        groups = [f"level_{rank}" for rank in range(facts["levels"])]
        tables = {group: [zarr.open_array(store / group / name, mode="r") for name in TABLES] for group in groups}
        sample = np.asarray(zarr.open_array(store / "sample", mode="r")[:])
        firsts = [np.asarray(tables[group][0][:]) for group in groups]
        lowest = np.inf if facts["lowest"] is None else float(facts["lowest"])
    except (ValueError, KeyError, TypeError, OSError, RuntimeError) as error:
        raise CorruptFile(f"{store} cannot be read ({error}); the store is damaged, write it again") from error
    for group, held in tables.items():
        for name, table in zip(TABLES, held, strict=True):
            announced = int(np.prod([-(-size // chunk) for size, chunk in zip(table.shape, table.chunks, strict=True)]))
            there = sum(len(files) for _, _, files in os.walk(store / group / name / "c"))
            if there != announced:
                raise CorruptFile(f"{store}/{group}/{name} holds {there} of {announced} chunks; write the store again")
    each = tuple(Level(first, *tables[group][1:]) for first, group in zip(firsts, groups, strict=True))
    return Levels(each, lowest, sample)


def fingerprint(array: xr.DataArray) -> dict[str, Any]:
    """Return what an array is known again by: its name, units, shape and type, and a digest of coordinates and values
    at 33 places, evenly spread from the first sample to the last.

    Examples
    --------
    >>> one = xr.DataArray(np.ones((4, 2)), {"time": np.arange(4)}, ["time", "energy"], "flux")
    >>> fingerprint(one) == fingerprint(one.copy()), fingerprint(one) == fingerprint(one * 2)
    (True, False)
    """
    dim, count = array.dims[0], array.shape[0]
    begins = np.unique(np.linspace(0, max(0, count - PLACE), PLACES).astype(np.int64))
    values, axes = hashlib.sha256(), hashlib.sha256()
    for begin in map(int, begins):
        part = array.isel({dim: slice(begin, begin + PLACE)})
        values.update(np.nan_to_num(read(part, 0, part.shape[0]), nan=-1e300).astype("<f8").tobytes())
        for name in sorted(map(str, part.coords)):
            coordinate = part.coords[name]
            if coordinate.dtype.kind in "fiuMm" and coordinate.ndim:
                clock = {"M": "datetime64[ns]", "m": "timedelta64[ns]"}.get(coordinate.dtype.kind)
                held = coordinate.values.astype(clock).astype("<i8") if clock else coordinate.values.astype("<f8")
                axes.update(name.encode() + np.nan_to_num(held).tobytes())
    return {
        "name": str(array.name or ""),
        "units": str(array.attrs.get("units", "")),
        "shape": list(array.shape),
        "dtype": array.dtype.str.lstrip("<>=|"),
        "coordinates": axes.hexdigest(),
        "values": values.hexdigest(),
    }


def _allocate(store: Path) -> Allocate:
    def empty(rank: int, size: int, wide: int, peak: np.dtype) -> Level:
        none = np.empty(0, dtype=np.int64)
        kinds = zip(TABLES[1:], (np.dtype(float), np.dtype(np.float32), peak), strict=True)
        return Level(none, *(_table(store, f"level_{rank}/{name}", (size, wide), dtype) for name, dtype in kinds))

    return empty


def _table(store: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Return a new array of a store, with a checksum for each chunk."""
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    wide = int(np.prod(shape[1:]))
    return zarr.create_array(
        store / name, shape=shape, dtype=dtype, chunks=(max(1, min(shape[0], CHUNK // wide)), *shape[1:]),
        compressors=(ZstdCodec(level=1), Crc32cCodec()), zarr_format=3, fill_value=0,
        config={"write_empty_chunks": True},  # so that one that is missing is noticed
    )  # fmt: skip


def _root(store: Path) -> dict[str, Any]:
    """Return what a store says of itself."""
    return root_of(store, MARK, VERSION, "store of levels of a spectrogram", "panels.write_levels(array, path)")

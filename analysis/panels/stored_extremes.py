"""Extremes of long series on disk: a zarr store beside the data, of which a picture reads what it shows."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, CorruptFile, StoreError, UnknownVariable, WrongData
from analysis.panels.beside import as_path, file_stamp, move_in, new_place, refuse_written_since, root_of
from analysis.panels.clocks import Regular, Times, clock
from analysis.panels.extremes import FIELDS, Extremes, Nodes, StoredNodes, extremes_of
from analysis.panels.style import numeric

MARK, VERSION = "series_extremes", 1  # attribute of the root, and of this layout
EXAMPLE = "b_extremes.zarr"
CHUNK = 2**15  # blocks
KEPT = 48  # chunks of a line in memory: 75 MB at most
STRETCHES, STRETCH = 17, 64  # samples that say whether a series is the one the extremes were made of
PARTS = 8  # of a line, at least, whose smallest and largest samples must still be there


def write_extremes(
    data: xr.DataArray | xr.Dataset,
    path: str | os.PathLike[str],
    *,
    logy: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the smallest and largest samples of all stretches of long series, and return the path of the store.

    A picture of a long series reads it once before it shows anything. With these extremes on disk
    (``curves(series, extremes=path)``) it reads the few stretches at the ends of what is visible, however long the
    series is. The store takes about two hundredths of the series' size; a progress bar tells how far it is. It is
    written beside its place and moved there when it is whole.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        Dim ``time``, rising, and at most one other; of a Dataset every such variable of numbers. Memory maps, lazily
        opened files and Dask arrays are read in parts.
    path : str or path
        A directory whose name ends in ``.zarr``.
    logy : bool, optional
        For a logarithmic axis: values that are not positive are left out. Of a series with none of these either will
        do.
    overwrite : bool, optional
        Replace extremes that are there; nothing else is ever replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    WrongData
        If there is no series, it is empty or not numeric, its times fall or are missing (NaT).
    BadOption
        If the name does not end in ``.zarr``, or the path exists.
    MissingFile, StoreError
        If the directory above is not there, or nothing can be written to it.

    Examples
    --------
    >>> times = np.datetime64("2020-01-01", "ns") + np.arange(200_000) * np.timedelta64(1, "ms")
    >>> walk = xr.DataArray(np.cumsum(np.random.default_rng(0).normal(size=200_000)), {"time": times}, name="b")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = write_extremes(walk, f"{folder}/walk.zarr")
    ...     stored_extremes(walk, made)[1][0].levels[-1].size
    1
    """
    series = _series_of(data)
    store = new_place(path, EXAMPLE, overwrite=overwrite, known=series_in)
    try:
        with tempfile.TemporaryDirectory(prefix=".sanko-", dir=store.parent) as folder:
            made = Path(folder) / "new.zarr"
            for number, array in enumerate(series.values()):
                _write(array, made, str(number), logy)
            root = {"zarr_format": 3, "node_type": "group", "attributes": {MARK: VERSION, "series": list(series)}}
            (made / "zarr.json").write_text(json.dumps(root, indent=1))  # last: without it nothing is read
            move_in(made, store, Path(folder) / "old.zarr")
    except OSError as error:
        raise StoreError(f"{store} could not be written ({error}); nothing half-made was left there") from error
    return store


def _series_of(data: xr.DataArray | xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the series to be written, by name."""
    if isinstance(data, xr.Dataset):
        found = {
            str(name): array
            for name, array in data.data_vars.items()
            if "time" in array.dims and array.ndim <= 2 and array.dtype.kind in "fiub"
        }
        if not found:
            raise WrongData(
                f"the dataset holds no numbers over time; it holds {', '.join(map(str, data)) or 'nothing'}"
            )
    else:
        found = {str(numeric(data).name or "value"): data}
    for name, array in found.items():
        numeric(array)
        if "time" not in array.dims or array.ndim > 2 or array["time"].dtype.kind != "M":
            raise WrongData(
                f"{name} has dims {dict(array.sizes)}; extremes need datetimes along time and one other dim"
            )
    return found


def _write(array: xr.DataArray, store: Path, group: str, logy: bool) -> None:
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    name = str(array.name or "value")
    times = clock(array["time"])
    if times is None:
        raise WrongData(f"the times of {name} are not in order, or one is missing (NaT); sort it first: sortby('time')")
    lines = extremes_of(array, times, positive=logy, told=f"extremes of {name}")
    facts = {
        "block": lines[0].block,
        "levels": [level.low.size for level in lines[0].levels if isinstance(level, Nodes)],
        "left_out": [line.left_out for line in lines],
        "logy": logy,
        "regular": [times.start, times.step] if isinstance(times, Regular) else None,
        **_facts_of(array),
        "file": file_stamp(array),
    }
    compressors = (BloscCodec(cname="zstd", shuffle="shuffle"), Crc32cCodec())
    made = zarr.open_group(store, path=group, mode="w", zarr_format=3, attributes=facts)
    for field in FIELDS:
        table = np.stack([np.concatenate([getattr(level, field) for level in line.levels[::-1]]) for line in lines])
        made.create_array(
            field, data=table, chunks=(1, CHUNK), compressors=compressors, config={"write_empty_chunks": True}
        )


def _facts_of(array: xr.DataArray) -> dict[str, Any]:
    """Return what says which series this is: sizes, kinds, and a fingerprint of some of its times and values."""
    size = array.sizes["time"]
    variable = array.variable.transpose("time", *(dim for dim in array.dims if dim != "time"))
    print_of = sha256()
    for start in np.linspace(0, max(0, size - STRETCH), STRETCHES).astype(int).tolist():
        part = slice(start, start + STRETCH)
        print_of.update(np.ascontiguousarray(variable[part].values, dtype="<f8").tobytes())
        print_of.update(array["time"].variable[part].values.view(np.int64).astype("<i8").tobytes())
    return {
        "shape": [size, max(1, array.size // size)],
        "dtype": array.dtype.newbyteorder("=").str.lstrip("<>=|"),
        "times": array["time"].dtype.newbyteorder("=").str.lstrip("<>=|"),
        "fingerprint": print_of.hexdigest(),
    }


def stored_extremes(
    array: xr.DataArray, path: str | os.PathLike[str], *, logy: bool = False
) -> tuple[Times, list[Extremes]]:
    """Return the times and the levels of each line that a store holds of a series, to be read where it is looked.

    Raises
    ------
    WrongData
        If they are of another series, or it was changed since.
    BadOption
        If they are of another kind of axis.
    MissingFile, UnknownFormat, UnknownVariable, CorruptFile
        If the store is not there, something else, without the series, or damaged.
    """
    import zarr

    store, name = as_path(path, EXAMPLE), str(array.name or "value")
    names = series_in(store)
    if name not in names:
        raise UnknownVariable(f"{store} holds no extremes of {name}; it holds those of {', '.join(names)}")
    group = str(names.index(name))
    try:
        held = zarr.open_group(store, path=group, mode="r")
        facts: dict[str, Any] = dict(held.attrs)
        arrays: list[Any] = [held[field] for field in FIELDS]
        levels, block = [int(n) for n in facts["levels"]], int(facts["block"])
        left_out, regular = [int(n) for n in facts["left_out"]], facts["regular"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorruptFile(f"{store} cannot be read ({error!r}); write the extremes again") from error
    _belongs(array, facts, store)
    lines = facts["shape"][1]
    there = {field: sum(len(files) for _, _, files in os.walk(store / group / field / "c")) for field in FIELDS}
    wanted = lines * -(-sum(levels) // CHUNK)
    if any(one.shape != (lines, sum(levels)) for one in arrays) or set(there.values()) != {wanted}:
        raise CorruptFile(f"a part of {store} is missing; write the extremes again")
    times: Times = (
        Regular(int(regular[0]), int(regular[1]), array.sizes["time"], array["time"].dtype)
        if regular
        else np.asarray(array["time"].values)
    )
    made = [Extremes(block, _levels_of(arrays, line, levels, store), left_out[line]) for line in range(lines)]
    _still_there(array, made, store)
    lowest = min(float(line.levels[-1].taken(np.zeros(1, np.int64)).low[0]) for line in made)  # type: ignore[union-attr]
    if facts["logy"] != logy and (any(left_out) if facts["logy"] else lowest <= 0):
        kind = ("logarithmic", "linear") if facts["logy"] else ("linear", "logarithmic")
        raise BadOption(
            f"{store} holds the extremes of {name} for a {kind[0]} axis, not a {kind[1]} one; "
            f"write_extremes(…, logy={logy}) writes these"
        )
    return times, made


def _belongs(array: xr.DataArray, facts: Mapping[str, Any], store: Path) -> None:
    own, name = _facts_of(array), array.name or "the array"
    for fact, words in (("shape", "samples and lines"), ("dtype", "values of"), ("times", "times of")):
        if facts.get(fact) != own[fact]:
            raise WrongData(
                f"{store} does not belong to {name}: it was made of {words} {facts.get(fact)}, here are {own[fact]}; "
                "write_extremes(…, overwrite=True) makes it anew"
            )
    if facts.get("fingerprint") != own["fingerprint"]:
        raise WrongData(
            f"{store} does not belong to {name}: values or times are not those it was made of; "
            "write_extremes(…, overwrite=True) makes it anew"
        )
    refuse_written_since(array, facts.get("file"), store, "panels.write_extremes(series, path, overwrite=True)")


def _still_there(array: xr.DataArray, lines: Sequence[Extremes], store: Path) -> None:
    """Refuse extremes if the smallest or largest sample of a part of the first or last line is no longer there."""
    variable = array.variable.transpose("time", *(dim for dim in array.dims if dim != "time"))
    for line in sorted({0, len(lines) - 1}):
        level = next((one for one in lines[line].levels[::-1] if one.size >= PARTS), lines[line].levels[0])  # type: ignore[union-attr]
        nodes = level.taken(np.arange(level.size))  # type: ignore[union-attr]
        known = np.concatenate([nodes.low_at, nodes.high_at]), np.concatenate([nodes.low, nodes.high])
        for at, value in sorted(set(zip(*(one[known[0] >= 0].tolist() for one in known), strict=True))):
            if float(variable[at : at + 1].values.reshape(-1)[line]) != value:
                raise WrongData(
                    f"{store} does not belong to {array.name or 'the array'}: sample {at} is not {value:g} any more; "
                    "write_extremes(…, overwrite=True) makes it anew"
                )


def series_in(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the series that a store says it holds.

    Raises
    ------
    MissingFile, UnknownFormat
        If it is not there, or something else.
    CorruptFile
        If its root cannot be read.
    """
    store = as_path(path, EXAMPLE)
    attrs = root_of(store, MARK, VERSION, "store of extremes of series", "panels.write_extremes(series, path)")
    names = attrs.get("series")
    if not isinstance(names, list):
        raise CorruptFile(f"{store} does not say of which series it holds extremes; write it again")
    return [str(name) for name in names]


def _mark_of(store: Path) -> tuple[int, int]:
    """Return what tells a store from another of its name; of one that is gone zarr would read zeros."""
    facts = store.stat()
    return facts.st_ino, facts.st_mtime_ns


def _levels_of(arrays: Sequence[Any], line: int, sizes: Sequence[int], store: Path) -> tuple[StoredNodes, ...]:
    """Return the levels of one line, single blocks first; they stand the other way round in the store."""
    mark = _mark_of(store)

    @lru_cache(maxsize=KEPT)
    def chunk(number: int) -> Nodes:
        try:
            if _mark_of(store) != mark:
                raise CorruptFile(f"{store} was replaced since the picture was made; make the picture again")
            return Nodes(*(np.asarray(array[line, number * CHUNK : (number + 1) * CHUNK]) for array in arrays))
        except (ValueError, RuntimeError, OSError) as error:
            raise CorruptFile(f"a part of {store} cannot be read ({error}); write the extremes again") from error

    def level(before: int) -> Callable[[np.ndarray], Nodes]:
        def taken(at: np.ndarray) -> Nodes:
            numbers, within = np.divmod(np.asarray(at) + before, CHUNK)
            found = Nodes(*(np.empty(numbers.shape, array.dtype) for array in arrays))
            for number in np.unique(numbers).tolist():
                own, there = numbers == number, chunk(number)
                for field in FIELDS:
                    getattr(found, field)[own] = getattr(there, field)[within[own]]
            return found

        return taken

    before = [sum(sizes[place + 1 :]) for place in range(len(sizes))]
    return tuple(StoredNodes(size, level(start)) for size, start in zip(sizes, before, strict=True))

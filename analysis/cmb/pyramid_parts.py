"""Every resolution of a map, part by part: what is written of a map that need not fit into memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.cmb.maps import cell_ids, facts_moved, held_stokes, means_told, nside_of, u_sign
from analysis.cmb.resampling import FACES, carried_means
from analysis.download.progress import counted
from analysis.errors import BadOption, WrongData
from analysis.model import check

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 4**8  # cells: 256 by 256 neighbours, of which a picture of one resolution needs about a dozen
PART = 4**11  # cells of each of the faces that are in memory
LARGEST_PART = 4**12
ALONE = tuple((face, face + 1) for face in range(12))


@dataclass(frozen=True, eq=False)
class Level:
    """One resolution on disk: its arrays, and its values as far as they are too small to be written as they come."""

    nside: int
    sky: Any
    ids: Any
    kept: NDArray[np.float64] | None


def write_levels(sky: xr.Dataset | xr.DataArray, array: xr.DataArray, nsides: list[int], store: Path) -> None:
    """Write the means of a whole-sky map over larger and larger cells, as :func:`degraded` makes them.

    Each part of the map is read once, and no more of it is in memory than that.

    Raises
    ------
    BadOption
        If the map is cut into chunks that are too large to be read one by one.
    WrongData
        If a value is infinite or UNSEEN, or only one of Q and U is there.
    """
    import zarr

    fine, held = nside_of(array), held_stokes(array, "averaged")
    faces, cells = (FACES if "Q" in held else ALONE), _part_of(array, nsides)
    with zarr.config.set({"array.write_empty_chunks": True}):  # a chunk that is missing is noticed
        levels = [_announced(sky, array, nside, store, cells // (fine // nside) ** 2) for nside in nsides]
        with counted(len(faces) * (fine**2 // cells), f"{nsides[0]} to {nsides[-1]}") as bar:
            for first, values in _parts(array, faces, cells):
                for level in levels:
                    _put(level, _means(values, held, fine, level.nside, first, u_sign(array)), first, fine)
                bar.update()
        for level in levels:
            if level.kept is not None:
                level.sky[:] = level.kept
            for start in range(0, level.ids.shape[0], PART):
                level.ids[start : start + PART] = np.arange(start, min(start + PART, level.ids.shape[0]))


def _part_of(array: xr.DataArray, nsides: list[int]) -> int:
    """Return how many cells of a face are read together: whole chunks of the source, whole cells of the last level."""
    face, least = nsides[0] ** 2, (nsides[0] // nsides[-1]) ** 2
    chunk = max(array.variable.chunksizes.get("cells", (1,)))
    if chunk > LARGEST_PART and array.sizes["cells"] > chunk:
        raise BadOption(
            f"the map is cut into chunks of up to {chunk} cells, each of which would be read several times; cut it "
            f"smaller: sky.chunk(cells={PART})"
        )
    wanted = max(PART, least)
    while wanted < min(chunk, LARGEST_PART):
        wanted *= 4
    return min(face, wanted)


def _parts(array: xr.DataArray, faces: tuple[tuple[int, int], ...], cells: int) -> Iterator[tuple[int, NDArray]]:
    """Yield the first cell of a part, and its values (stokes, faces, cells): the same part of each of some faces."""
    face, variable = nside_of(array) ** 2, array.variable
    native = np.float32 if array.dtype == np.float32 else np.float64
    for first, last in faces:
        for start in range(0, face, cells):
            parts = [slice(number * face + start, number * face + start + cells) for number in range(first, last)]
            values = [np.asarray(variable[:, part].values, dtype=native) for part in parts]
            yield parts[0].start, np.stack(values, axis=1)


def _means(values: NDArray, held: list[str], fine: int, nside: int, start: int, sign: int) -> NDArray[np.float64]:
    """Return the means of a part over the cells of another nside, shape (stokes, faces, cells)."""
    from analysis.cmb._kernels_cells import block_means

    made = np.empty((*values.shape[:2], values.shape[2] // (fine // nside) ** 2))
    wrong = 0
    for row, label in enumerate(held):
        if label not in "QU":
            wrong += sum(block_means(one, out, 0.0) for one, out in zip(values[row], made[row], strict=True))
    if "Q" in held:
        q, u = held.index("Q"), held.index("U")
        both, found = carried_means(values[q], values[u], fine, nside, start, least=0.0, sign=sign)
        made[q], made[u] = both
        wrong += found
    if wrong:
        raise WrongData(
            f"{wrong} of {values.size} values of cells {start} and on are infinite or UNSEEN (-1.6375e30), which is no "
            "measurement; leave them out: sky.assign(sky=sky.sky.where(abs(sky.sky) < 1e30))"
        )
    return made


def _put(level: Level, means: NDArray, start: int, fine: int) -> None:
    """Write the means of a part, or keep them where they fill no chunk."""
    for face in range(means.shape[1]):
        at = (start + face * fine**2) // (fine // level.nside) ** 2
        place = slice(at, at + means.shape[2])
        if level.kept is not None:
            level.kept[:, place] = means[:, face]
        else:
            level.sky[:, place] = means[:, face].astype(level.sky.dtype)


def _announced(sky: xr.Dataset | xr.DataArray, array: xr.DataArray, nside: int, store: Path, part: int) -> Level:
    """Write what a level says of itself, and return its arrays, yet to be filled."""
    import dask.array as da
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec
    from zarr.errors import UnstableSpecificationWarning

    cells, group = 12 * nside**2, f"nside_{nside}"
    size = min(CHUNK, cells)
    shape = (array.sizes["stokes"], cells)
    dtype = np.dtype(np.float32 if array.dtype == np.float32 else np.float64)  # as given: half the size
    ids = xr.DataArray(da.zeros(cells, dtype=np.int64, chunks=size), dims="cells", attrs=cell_ids(1).attrs)
    ids.attrs["level"] = nside.bit_length() - 1
    coords = {"stokes": array["stokes"], "cell_ids": ids}
    empty = da.zeros(shape, dtype=dtype, chunks=(1, size))
    new = xr.DataArray(empty, dims=("stokes", "cells"), coords=coords, attrs=array.attrs, name="sky")
    kept = means_told(facts_moved(new), sky, array, least=0)
    if "Q" not in array["stokes"].values:
        kept.attrs.setdefault("polconv", "COSMO")  # has no effect without Q and U
    for name, words in (("sky", "Sky"), ("stokes", "Stokes parameter")):
        kept[name].attrs.setdefault("long_name", words)
    encoding: dict[str, dict[str, Any]] = {
        "sky": {"chunks": (1, size), "compressors": (ZstdCodec(level=3), Crc32cCodec())},
        "cell_ids": {"chunks": (size,), "compressors": (BloscCodec(cname="zstd", shuffle="shuffle"), Crc32cCodec())},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnstableSpecificationWarning)  # of the labels I, Q, U
        options: Any = {"group": group, "encoding": encoding, "zarr_format": 3, "consolidated": False}
        check(kept).to_zarr(store, compute=False, **options)
        there = {name: zarr.open_array(store / group / name, mode="r+") for name in ("sky", "cell_ids")}
    held = None if part >= size else np.empty(shape)
    return Level(nside, there["sky"], there["cell_ids"], held)

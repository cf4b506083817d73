"""HEALPix maps of the whole sky that stay on disk: cells are read from the file when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats import _healpixheader as header
from analysis.formats import healpix
from analysis.formats._fitsio import GZIP, Hdu, number, opened, text
from analysis.formats._healpixheader import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ = 4**10  # cells a chunk
HEAD = 2880


def lazy_map(path: Path, assume: Mapping[str, str]) -> xr.Dataset:
    """Return the Stokes parameters of a whole sky as Dask arrays in NESTED order, labelled as formats.read does.

    Parameters
    ----------
    path : pathlib.Path
        A FITS file, not compressed, whose table holds every pixel of the sky in RING or NESTED order.
    assume : mapping
        As for :func:`analysis.formats.healpix.dataset`.

    Raises
    ------
    UnknownFormat
        If it is no such file.
    CorruptFile
        If it is damaged, or holds fewer pixels than it announces.

    Examples
    --------
    >>> from analysis import sample
    >>> stated = {"units": "mK", "frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}
    >>> sky = lazy_map(sample.path("wmap7_w_iqu_nside32.fits"), stated)
    >>> sky.sky.chunks, [round(float(v), 4) for v in sky.sky.std("cells")]
    (((3,), (12288,)), [0.2456, 0.0094, 0.0093])
    """
    with path.open("rb") as stream:
        start = stream.read(HEAD)
    if start[:2] == GZIP or not start.startswith(b"SIMPLE  ="):
        raise UnknownFormat(f"{path.name} is no FITS file that lies uncompressed on disk; formats.read reads others")
    hdus = opened(path)
    if not healpix.holds(hdus):
        raise UnknownFormat(
            f"{path.name} holds no HEALPix map: no table says PIXTYPE = 'HEALPIX', or ORDERING and NSIDE"
        )
    hdu = healpix.one_sky(healpix.maps_in(hdus))[0]
    known = meta.facts(assume, healpix.FACTS, "a HEALPix map", hdu.where)
    columns = table.columns(hdu)
    stokes = healpix.stokes_columns({name: c for name, c in columns.items() if c.code in "ED"})
    if header.multi_order(hdu) or header.pixel_column(hdu, columns) is not None or not stokes:
        raise UnknownFormat(f"{hdu.where} is no whole sky of Stokes parameters in one order; formats.read reads it")
    grid = header.grid(hdu, known)
    stored = {c.repeat * table.rows(hdu) for c in stokes.values()}
    if stored != {grid.cells}:
        raise CorruptFile(f"{hdu.where} holds {sorted(stored)} pixels; NSIDE = {grid.nside} announces {grid.cells}")
    units, unknown = healpix.stokes_units(hdu, list(stokes.values()), known)
    data = xr.Dataset(coords={"cell_ids": _ids(grid)})
    data["stokes"] = xr.Variable("stokes", np.array(list(stokes)), {"long_name": "Stokes parameter"})
    attrs = {"units": units, "long_name": "Sky", **unknown}
    data["sky"] = xr.Variable(("stokes", "cells"), _cells(hdu, grid, list(stokes.values())), attrs)
    conventions = healpix.conventions(hdu, hdus[0], data, stokes, known)
    data.attrs = {"frame": header.frame(hdu, hdus[0], known), **conventions, "nside": grid.nside}
    known.warn(hdu.where)
    known.notes.append(f"{'NESTED' if grid.nested else 'RING'} in the file, NESTED here, read when it is asked for")
    return meta.finished(data, [hdu, hdus[0]], "Sky map", known.notes)


def _ids(grid: Grid) -> xr.Variable:
    import dask.array as da

    attrs = {"grid_name": "healpix", "level": grid.level, "indexing_scheme": "nested"}
    return xr.Variable("cells", da.arange(grid.cells, chunks=min(READ, grid.cells), dtype=np.int64), attrs)


def _cells(hdu: Hdu, grid: Grid, columns: list[table.Column]) -> NDArray:
    """The values, a row for each column, of which a chunk is read from the file where it is computed."""
    import dask.array as da

    views = [table.cells_of(hdu, c, table.NUMBERS[c.code], c.repeat) for c in columns]
    dtype = np.result_type(*(view.dtype for view in views)).newbyteorder("=")
    scales = [[number(hdu, f"{key}{c.number}") for key in ("TSCAL", "TZERO")] for c in columns]
    if any((scale or 1.0) != 1.0 or (zero or 0.0) != 0.0 for scale, zero in scales):
        raise UnknownFormat(f"{hdu.where}: its columns are scaled (TSCAL, TZERO); formats.read reads them")
    bad = number(hdu, "BAD_DATA")
    size = min(READ, grid.cells)

    def read(block_info: dict) -> NDArray:
        start, stop = block_info[None]["array-location"][1]
        pixels = None if grid.nested else _ring(grid.nside, start, stop)
        made = np.empty((len(views), stop - start), dtype)
        for row, view in zip(made, views, strict=True):
            if pixels is None:
                first, last = start // view.shape[1], -(-stop // view.shape[1])
                row[:] = view[first:last].reshape(-1)[start - first * view.shape[1] :][: stop - start]
            else:
                row[:] = view[pixels // view.shape[1], pixels % view.shape[1]]
            row[~(np.abs(row) < healpix.UNSEEN_FROM)] = np.nan
            if bad is not None:
                row[np.isclose(row, bad, rtol=1e-5, atol=0.0)] = np.nan
        return made

    chunks = ((len(views),), (size,) * (grid.cells // size))
    name = f"{text(hdu, 'EXTNAME') or 'sky'}-{hdu.file}"
    return da.map_blocks(read, chunks=chunks, dtype=dtype, meta=np.empty((0, 0), dtype), name=f"{name}-{id(views)}")


def _ring(nside: int, start: int, stop: int) -> NDArray[np.int64]:
    from ducc0.healpix import Healpix_Base

    return Healpix_Base(nside, "NEST").nest2ring(np.arange(start, stop))

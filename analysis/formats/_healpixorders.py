"""Cells of several orders (multi-order maps): the column UNIQ of a FITS table, and back.

UNIQ = 4 · 4^order + the NESTED number of a cell of that order, so that one whole number names cell and size.

References: Fernique et al. 2014, IVOA Recommendation MOC 1.1, section 2.3.1 (NUNIQ); Singer & Price 2016, PRD 93,
024013, doi:10.1103/PhysRevD.93.024013 (multi-order maps of gravitational-wave sources).
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats._fitsio import Hdu, text
from analysis.formats._healpixheader import LARGEST_LEVEL


def is_list(hdu: Hdu) -> bool:
    """Return whether a multi-order table lists its cells in a column UNIQ.

    Raises
    ------
    UnknownFormat
        If it holds ranges, or is called NUNIQ without such a column.
    """
    if text(hdu, "ORDERING").upper() == "RANGE" or "uniq" not in table.columns(hdu):
        raise UnknownFormat(
            f"{hdu.where} is a multi-order coverage (MOC) without a column UNIQ (ORDERING = "
            f"{text(hdu, 'ORDERING')!r}), which is not read; write it as a list of cells: mocpy's "
            "moc.save(…, v1_compatible=True)"
        )
    return True


def levels_of(uniq: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return order and NESTED number of cells.

    Examples
    --------
    >>> levels_of(np.array([4, 15, 16, 1024 * 4 + 7]))
    (array([0, 0, 1, 5]), array([ 0, 11,  0,  7]))
    """
    quarter = uniq // 4
    level = (np.frexp(quarter.astype(float))[1].astype(np.int64) - 1) // 2
    level -= (np.int64(1) << (2 * level)) > quarter  # where the float was rounded up to the next power
    return level, uniq - (np.int64(4) << (2 * level))


def in_order(found: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """Return the order that brings cells from the north-eastern base face onward, as NESTED ids do.

    Raises
    ------
    CorruptFile
        If a number names no cell, or cells lie in each other.

    Examples
    --------
    >>> in_order(np.array([16 + 5, 4, 16 + 4]), "a table")
    array([1, 2, 0])
    """
    if found.size == 0 or found.min() < 4:
        raise CorruptFile(f"{where}: UNIQ numbers begin at 4, the first cell of order 0; there are none, or smaller")
    level, number = levels_of(found)
    if level.max() > LARGEST_LEVEL or (number >= np.int64(12) << (2 * level)).any():
        raise CorruptFile(f"{where}: UNIQ has numbers that are no cells of an order up to {LARGEST_LEVEL}")
    first = number << (2 * (LARGEST_LEVEL - level))
    order = np.argsort(first, kind="stable")
    last = first[order] + (np.int64(1) << (2 * (LARGEST_LEVEL - level[order])))
    if (first[order][1:] < last[:-1]).any():
        raise CorruptFile(f"{where}: a cell of UNIQ is there twice, or lies in another")
    return order


def coordinates(uniq: NDArray[np.int64], dim: str = "cells") -> dict[str, xr.Variable]:
    """Return the coordinates that say where cells are, and how large.

    Examples
    --------
    >>> coordinates(np.array([4, 16 + 4]))["level"].values.tolist()
    [0, 1]
    """
    level, _ = levels_of(uniq)
    return {
        "uniq": xr.Variable(dim, uniq, {"units": "1", "long_name": "Cell, UNIQ = 4·4^order + NESTED number"}),
        "level": xr.Variable(dim, level, {"units": "1", "long_name": "Order of the cell, log2 of its nside"}),
    }

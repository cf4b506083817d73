"""Which extensions of a FITS file are OGIP's spectra, effective areas, matrices and channel bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats._fitsio import Hdu, text

MATRICES = ("MATRIX", "SPECRESP MATRIX", "RSP_MATRIX")


def matrices(hdus: Sequence[Hdu]) -> list[Hdu]:
    """Return the extensions with a response matrix, or a part of one."""
    named = [h for h in hdus if h.kind == "table" and (h.name in MATRICES or text(h, "HDUCLAS2") == "RSP_MATRIX")]
    return [h for h in named if {"n_grp", "f_chan", "n_chan", "matrix"} <= set(table.columns(h))]


def spectra(hdus: Sequence[Hdu]) -> list[Hdu]:
    """Return the extensions with counts or rates in channels."""
    named = [h for h in hdus if h.kind == "table" and (text(h, "HDUCLAS1") == "SPECTRUM" or h.name == "SPECTRUM")]
    return [h for h in named if {"counts", "rate", "channel"} & set(table.columns(h))]


def with_background(hdus: Sequence[Hdu]) -> tuple[Hdu | None, Hdu | None]:
    """Return a spectrum and its background, where a file holds these two and no other; else None twice."""
    found = spectra(hdus)
    behind = [h for h in found if text(h, "HDUCLAS2").upper() == "BKG"]
    if len(found) != 2 or len(behind) != 1:
        return None, None
    return next(h for h in found if h is not behind[0]), behind[0]


def areas(hdus: Sequence[Hdu]) -> list[Hdu]:
    """Return the extensions with an effective area on energy bins."""
    return [h for h in hdus if h.kind == "table" and {"energ_lo", "energ_hi", "specresp"} <= set(table.columns(h))]


def bounds(hdus: Sequence[Hdu]) -> list[Hdu]:
    """Return the extensions with the energies of channels."""
    return [h for h in hdus if h.kind == "table" and {"channel", "e_min", "e_max"} <= set(table.columns(h))]


def only(found: Sequence[Hdu], what: str) -> Hdu:
    """Return the one extension of its kind.

    Raises
    ------
    UnknownFormat
        If there are more.
    """
    if len(found) > 1:
        raise UnknownFormat(
            f"{found[0].file} holds {len(found)} {what} ({', '.join(h.where for h in found)}); files with one are read"
        )
    return found[0]


def left_out(hdus: Sequence[Hdu], used: Sequence[Hdu]) -> list[str]:
    """Return a note on the extensions that nothing was read of."""
    rest = [h.name for h in hdus if h not in used and h.kind != "empty"]
    return [f"left out: {', '.join(rest)}"] if rest else []


def channels(channel: NDArray[np.int64]) -> xr.Variable:
    """Return channel numbers as a coordinate."""
    return xr.Variable("channel", channel.astype(np.int32), {"units": "1", "long_name": "Channel"})

"""FITS, whatever it holds: X-ray spectra, responses, events, HEALPix maps, power spectra, tables, images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from analysis.errors import AnalysisError, CorruptFile
from analysis.formats import _fitsio, _fitsmeta, _fitsown, events, healpix, intervals, ogip, sdac, spectra, table
from analysis.formats._fitsio import Hdu


def recognises(head: bytes) -> bool:
    """Return whether these are the first bytes of a FITS file.

    Examples
    --------
    >>> recognises(b"SIMPLE  =                    T")
    True
    >>> recognises(b"<!DOCTYPE html>")
    False
    """
    return head.startswith(b"SIMPLE  =")


def read(path: Path, assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    """Return what a FITS file holds, chosen by its keywords and columns, never by its name.

    Parameters
    ----------
    path : pathlib.Path
        Plain or gzip-compressed.
    assume : mapping
        Facts that the header leaves out; each kind of file says in its error which it takes.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        See :mod:`~analysis.formats.ogip`, :mod:`~analysis.formats.events`, :mod:`~analysis.formats.healpix`,
        :mod:`~analysis.formats.spectra`, :mod:`~analysis.formats.sdac` and :mod:`~analysis.formats.table`.

    Raises
    ------
    MissingFile
        If there is no file.
    CorruptFile
        If it is cut or damaged: every HDU must be complete before one is read.
    UnknownFormat
        For what FITS can hold and Sankō does not read; the message says what it is.
    BadOption
        If ``assume`` has a key that this kind of file cannot use, or contradicts the header.

    Examples
    --------
    >>> from analysis import sample
    >>> m82 = read(sample.path("m82_acis_events.fits"), {"datasum": "stale"})
    >>> list(m82.children), m82["events"].sizes["event"]
    (['events', 'gti'], 4612)
    """
    hdus = _fitsio.opened(Path(path))
    changed = _fitsmeta.warn_of_changed_data(hdus, assume)
    hdus, own = _fitsown.taken_out(hdus)
    try:
        found = _content(hdus, assume)
        if own is not None:
            found = _fitsown.restored(found, hdus, own)
    except AnalysisError:
        raise
    except (ValueError, IndexError, ArithmeticError, MemoryError) as error:
        raise CorruptFile(f"{Path(path).name} holds headers that contradict each other: {error}") from error
    return _with_notes(found, changed)


def _content(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    if ogip.holds(hdus):
        return ogip.dataset(hdus, assume)
    if events.holds(hdus):
        return events.tree(hdus, assume)
    if intervals.holds(hdus):
        return intervals.tree(hdus, assume)
    if healpix.holds(hdus):
        return healpix.dataset(hdus, assume)
    if spectra.holds(hdus):
        return spectra.dataset(hdus, assume)
    if sdac.holds(hdus):
        return sdac.dataset(hdus, assume)
    return table.data(hdus, assume)


def _with_notes(found: xr.Dataset | xr.DataTree, notes: Sequence[str]) -> xr.Dataset | xr.DataTree:
    if not notes:
        return found
    for node in found.subtree if isinstance(found, xr.DataTree) else [found]:
        if node.attrs.get("history"):
            node.attrs["history"] = "\n".join([node.attrs["history"], *notes])
    return found

"""Spectra as OGIP files hold them: type I, a row a channel, and type II, a row a spectrum.

References: OGIP/92-007 (Arnaud, George & Tennant 1992) and its addendum 92-007a.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import BadOption, CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats import _ogipparts as parts
from analysis.formats import _ogipunits as columns_in
from analysis.formats._fitscolumns import Ragged
from analysis.formats._fitsio import Hdu, number, text, value, whole

ROWS = "spectrum_number"  # the dim of type II; "spectrum" is that of angular power spectra
FILES = {"background_file": "BACKFILE", "response_file": "RESPFILE", "ancillary_file": "ANCRFILE"}
MEASURED = {"counts": ("ct", "Counts"), "rate": ("ct s-1", "Count rate")}
FLAGS = {"quality": ("Quality flag (0 good)", 0), "grouping": ("Grouping (1 starts a bin, -1 goes on)", 1)}
ERRORS = {
    "stat_err": ("stat_error", "", "Statistical error"),
    "sys_err": ("systematic", "1", "Systematic error as a fraction"),
}
SCALES = {
    "backscal": "Background scale (extraction area)",
    "areascal": "Area scale",
    "backscup": "Scale of the background above",
    "backscdn": "Scale of the background below",
}
ALWAYS = ("backscal", "areascal")
BEHIND = ("background_up", "background_down")  # Chandra's gratings: counts beside the spectrum
STOKES = {"Stokes:0": "I", "Stokes:1": "Q", "Stokes:2": "U"}


def spectrum(hdus: Sequence[Hdu], known: meta.Facts) -> xr.Dataset:
    """Return the spectrum of a file of type I, or all spectra of one of type II.

    Raises
    ------
    CorruptFile
        If channels, counts or the exposure are missing or cannot be.
    UnknownFormat
        If the file has several extensions of spectra, or rows of different channels.
    """
    hdu = parts.only(parts.spectra(hdus), "spectra")
    columns = table.columns(hdu)
    measured = next((name for name in MEASURED if name in columns), None)
    if measured is None:
        raise CorruptFile(f"{hdu.where} lacks both COUNTS and RATE; it has {', '.join(columns)}")
    many = bool(columns[measured].shape) or columns[measured].code in "PQ"
    if not many and text(hdu, "HDUCLAS4").upper() in ("TYPE:II", "TYPEII"):
        raise UnknownFormat(
            f"{hdu.where} says that it is of type II (HDUCLAS4), but {measured.upper()} holds one number a row, "
            "which is type I; correct HDUCLAS4 if the rows are channels"
        )
    coords, notes = _rows(hdu, hdus, measured) if many else ({"channel": _column_of_channels(hdu)}, [])
    data = xr.Dataset(coords=coords)
    dims = tuple(data.dims) if not many else (ROWS, "channel")
    units, long_name = MEASURED[measured]
    data[measured] = _laid(hdu, measured, dims, units, long_name)
    data = data.assign(_flags(hdu, data)).assign(_errors(hdu, data, units)).assign(_scales(hdu, data, known))
    data = data.assign(_further(hdu, data))
    left = [*known.notes, *notes, *parts.left_out(hdus, [hdu])]
    what = f"{data.sizes[ROWS]} X-ray spectra" if many else "X-ray spectrum"
    return meta.finished(data.assign_attrs(_said(hdu, data)), [hdu, hdus[0]], what, left)


def _said(hdu: Hdu, data: xr.Dataset) -> dict[str, object]:
    """What the header says of the spectrum; a keyword that is a column is left to its variable."""
    poisson = value(hdu.header, "POISSERR", hdu.where)
    said: dict[str, object] = {
        ours: meta.basename(text(hdu, theirs)) for ours, theirs in FILES.items() if ours not in data.variables
    }
    said["channel_type"] = text(hdu, "CHANTYPE") or "not stated"
    if stokes := text(hdu, "XFLT0001"):
        said["stokes"] = STOKES.get(stokes, stokes)
    said["hduclas2"] = text(hdu, "HDUCLAS2") or "not stated"  # TOTAL, NET or BKG: with or without background
    said["hduclas3"] = text(hdu, "HDUCLAS3") or "not stated"
    said["poisson_errors"] = str(poisson is True if isinstance(poisson, bool) else "not stated").lower()
    detector = number(hdu, "DETCHANS")
    if detector is not None:
        said["detchans"] = whole(hdu.header, "DETCHANS", hdu.where)
    if "channel" in table.columns(hdu):
        lowest = f"TLMIN{table.columns(hdu)['channel'].number}"
        if number(hdu, lowest) is not None:
            said["lowest_channel"] = whole(hdu.header, lowest, hdu.where)
    if (correction := meta.basename(text(hdu, "CORRFILE"))) != "none":
        said["correction_file"], said["correction_scale"] = correction, number(hdu, "CORRSCAL") or 0.0
    if "time" in data.variables and (reference := meta.mjd_reference(hdu, hdu)) is not None:
        said["mjdref"], said["timesys"] = sum(reference), text(hdu, "TIMESYS") or "not stated"
    return said


def _column_of_channels(hdu: Hdu) -> xr.Variable:
    if "channel" not in table.columns(hdu):
        raise CorruptFile(f"{hdu.where} lacks CHANNEL; it has {', '.join(table.columns(hdu))}")
    channel = table.whole_vector(hdu, "channel")
    if channel.size == 0 or (np.diff(channel) <= 0).any():
        raise CorruptFile(f"{hdu.where}: CHANNEL is empty or does not increase from row to row")
    return parts.channels(channel)


def _rows(hdu: Hdu, hdus: Sequence[Hdu], measured: str) -> tuple[dict[str, xr.Variable], list[str]]:
    """Return the coordinates of a file of type II: the numbers of its spectra, and their channels."""
    n_rows, width = table.rows(hdu), _cells(hdu, measured).shape[1]
    channel, notes = _channels(hdu, hdus, width)
    numbers = np.arange(1, n_rows + 1)
    if "spec_num" in table.columns(hdu):
        stated = table.whole_vector(hdu, "spec_num")
        if np.unique(stated).size == n_rows:
            numbers = stated
        else:
            notes.append("SPEC_NUM repeats numbers; spectra are numbered by row from 1")
    else:
        notes.append("SPEC_NUM is missing; spectra are numbered by row from 1")
    attrs = {"units": "1", "long_name": "Number of the spectrum"}
    return {ROWS: xr.Variable(ROWS, numbers.astype(np.int32), attrs), "channel": parts.channels(channel)}, notes


def _channels(hdu: Hdu, hdus: Sequence[Hdu], width: int) -> tuple[NDArray[np.int64], list[str]]:
    """Return the channels that all rows share: a column, else those of EBOUNDS, else counted from 1."""
    if "channel" in table.columns(hdu):
        column = table.columns(hdu)["channel"]
        found = _cells(hdu, "channel") if column.shape or column.code in "PQ" else None
        if found is None or found.shape[1] != width:
            raise CorruptFile(f"{hdu.where}: CHANNEL does not have the {width} values a row that the spectra have")
        channels = table.whole_numbers(found, f"{hdu.where}: CHANNEL")
        if (channels != channels[:1]).any():
            raise UnknownFormat(f"{hdu.where}: its spectra have different channels; split it into files of type I")
        channel, notes = channels[0] if len(channels) else np.arange(1, width + 1), []
    elif (bounds := parts.bounds(hdus)) and table.rows(bounds[0]) == width:
        channel = table.whole_vector(bounds[0], "channel")
        notes = [f"CHANNEL is missing; the channels are those of {bounds[0].name}"]
    else:
        channel, notes = np.arange(1, width + 1), ["CHANNEL is missing; channels count from 1, the standard's default"]
    if channel.size == 0 or (np.diff(channel) <= 0).any():
        raise CorruptFile(f"{hdu.where}: CHANNEL is empty or does not increase along a row")
    return channel, notes


def _cells(hdu: Hdu, name: str) -> NDArray:
    """Return a column of vectors as rows × values; variable-length rows if they are of one length.

    Raises
    ------
    UnknownFormat
        If rows are of different lengths.
    """
    found = table.read(hdu, table.columns(hdu)[name])
    if not isinstance(found, Ragged):
        return found.reshape(len(found), -1)
    width = int(found.counts.max(initial=0))
    if (found.counts != width).any():
        raise UnknownFormat(
            f"{hdu.where}: {name.upper()} has rows of {found.counts.min()} to {width} channels; split it into files "
            "of type I"
        )
    return found.values.reshape(-1, width) if width else np.zeros((len(found.counts), 0))


def _laid(hdu: Hdu, name: str, dims: tuple, units: str, long_name: str) -> xr.Variable:
    """Return a column of numbers in these units on ``dims``, or on the rows alone where it has one number a row."""
    column, attrs = table.columns(hdu)[name], {"units": units, "long_name": long_name}
    if len(dims) == 1 or not (column.shape or column.code in "PQ"):
        return xr.Variable(dims[:1], columns_in.values(hdu, name, units), attrs)
    return xr.Variable(dims, columns_in.rescaled(hdu, column, _cells(hdu, name), units), attrs)


def _dims(data: xr.Dataset) -> tuple[str, ...]:
    return (ROWS, "channel") if ROWS in data.dims else ("channel",)


def _flags(hdu: Hdu, data: xr.Dataset) -> dict[str, xr.Variable]:
    """QUALITY and GROUPING: a column, a keyword for all channels, or OGIP's default (good, not grouped)."""
    found = {}
    shape = tuple(data.sizes[dim] for dim in _dims(data))
    for name, (long_name, default) in FLAGS.items():
        if name in table.columns(hdu):
            column, stated = table.columns(hdu)[name], "column"
            raw = _cells(hdu, name) if column.shape or column.code in "PQ" else table.vector(hdu, name)
            values = table.whole_numbers(raw, f"{hdu.where}: {name.upper()}")
            if values.ndim == 1 and len(shape) == 2:  # one flag for a whole spectrum
                values = np.repeat(values[:, None], shape[1], axis=1)
            if name == "grouping" and column.shape == () and len(shape) == 2:
                values[values == 0] = default
        else:
            told = whole(hdu.header, name.upper(), hdu.where, default)
            stated = "keyword" if number(hdu, name.upper()) is not None else "default"
            values = np.full(shape, told or default)
        if values.shape != shape:
            raise CorruptFile(
                f"{hdu.where}: {name.upper()} has {values.shape[1:]} values a row, the spectra {shape[1:]}"
            )
        attrs = {"units": "1", "long_name": long_name, "stated_by": stated}
        found[name] = xr.Variable(_dims(data), values.astype(np.int16), attrs)
    return found


def _errors(hdu: Hdu, data: xr.Dataset, units: str) -> dict[str, xr.Variable]:
    """STAT_ERR and SYS_ERR where the file has them; a keyword of 0 means that it has none."""
    found = {}
    for theirs, (ours, own, long_name) in ERRORS.items():
        unit = own or units
        if theirs in table.columns(hdu):
            found[ours] = _laid(hdu, theirs, _dims(data), unit, long_name)
        elif told := number(hdu, theirs.upper()):
            full = np.full(tuple(data.sizes[dim] for dim in _dims(data)), told)
            found[ours] = xr.Variable(_dims(data), full, {"units": unit, "long_name": long_name})
    return found


def _scales(hdu: Hdu, data: xr.Dataset, known: meta.Facts) -> dict[str, xr.DataArray | xr.Variable]:
    """Exposure, BACKSCAL and AREASCAL (and Chandra's BACKSCUP, BACKSCDN); each may be a column."""
    found: dict[str, xr.DataArray | xr.Variable] = {}
    if ROWS in data.dims and "exposure" in table.columns(hdu):
        if "exposure" in known.given:
            raise BadOption(f"{hdu.where} has a column EXPOSURE, which assume={{'exposure': …}} cannot replace")
        values = columns_in.values(hdu, "exposure", "s").astype(float)
        found["exposure"] = xr.Variable(ROWS, values, {"units": "s", "long_name": "Exposure"})
    else:
        exposure = known.amount("exposure", number(hdu, "EXPOSURE"), hdu.where)
        if exposure is None:
            asked = "state it with assume={'exposure': '1000'} (seconds)"
            raise CorruptFile(f"{hdu.where} lacks the keyword EXPOSURE; {asked}")
        found["exposure"] = meta.scalar(exposure, "exposure", "s", "Exposure")
    for name, long_name in SCALES.items():
        if name in table.columns(hdu):
            found[name] = _laid(hdu, name, _dims(data), "1", long_name)
        elif (stated := number(hdu, name.upper())) is not None or name in ALWAYS:
            found[name] = meta.scalar(1.0 if stated is None else stated, name, "1", long_name)
            if stated is None:
                found[name].attrs["stated_by"] = "default"
    return found


def _further(hdu: Hdu, data: xr.Dataset) -> dict[str, xr.Variable]:
    """What else the table has: a number or a text a row, or as many numbers a row as there are channels."""
    found = {}
    theirs = {name.lower(): ours for ours, name in FILES.items()}
    taken = {*map(str, data.variables), *ERRORS, "spec_num"}
    rows = _dims(data)[0]
    for name, column in table.columns(hdu).items():
        if name in taken or (name in theirs and rows != ROWS):
            continue
        values = _cells(hdu, name) if column.code in "PQ" and rows == ROWS else table.read(hdu, column)
        if isinstance(values, Ragged) or (values.ndim > 1 and rows != ROWS):
            continue
        made = meta.variable(hdu, column, values, rows)
        if name in theirs:
            made = xr.Variable(rows, np.array([meta.basename(str(v)) for v in values], object), made.attrs)
        elif values.ndim == 2 and values.shape[1] == data.sizes["channel"]:
            made = xr.Variable(_dims(data), made.values, made.attrs)
        if name in BEHIND and made.attrs["units"] == "1":
            made.attrs["units"] = "ct"
        found[theirs.get(name, name)] = made
    return found

"""Any other FITS table or image: light curves, cross sections, survey images."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, BadTime, CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as columns_of
from analysis.formats import _fitsio as io
from analysis.formats import _fitsmeta as meta
from analysis.formats._fitscolumns import Column, Ragged
from analysis.formats._fitsio import Hdu, number, text
from analysis.model import utc_of_clock
from analysis.model.clocks import ALIASES

FACTS = ("mjdref", "timesys", "time_units")
PIXELS = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
CODES = {"u1": "B", "i2": "I", "i4": "J", "i8": "K"}  # of the same types in a binary table
PLANES = ("x", "y")
MOST = 999  # columns of a table, axes of an image: FITS standard 4.0, sections 4.4.1 and 7.3.1
SAFE = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS")
PARAMETERS = {"BYTEPIX": (1, 2, 4, 8), "BLOCKSIZE": (16, 32)}  # of RICE_1: FITS standard 4.0, table 37
DAY, MJD_OF_1970 = 86400.0, 40587.0
ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?Z?", re.ASCII)
NO_UTC = ("no reference that makes it UTC (MJDREF)", "text that is no ISO 8601 date (YYYY-MM-DD) of 1678 to 2261")


@dataclass(frozen=True, eq=False)
class Rows:
    """A table's columns with the length they share; one row of long vectors is a table of that length."""

    length: int
    values: dict[str, tuple[Column, NDArray]]


def data(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    """Return the tables and images of a FITS file that is of no more special kind.

    Parameters
    ----------
    hdus : sequence of Hdu
        All of the file.
    assume : mapping
        ``mjdref`` (days), ``timesys`` and ``time_units``, for times whose header lacks them.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        A table: dim ``row``; dim ``time`` (UTC) where it has a column TIME, a clock to read it by, and
        the times increase. An image: dims ``y``, ``x``. A file with several: a DataTree with a node each,
        named as the extensions.

    Raises
    ------
    UnknownFormat
        If the file holds no data.
    CorruptFile
        If its headers and data do not fit together.

    Examples
    --------
    >>> from analysis import sample
    >>> from analysis.formats._fitsio import opened
    >>> found = data(opened(sample.path("xsect_tbabs_wilm.fits")), {})
    >>> sorted(found.data_vars), found.energy.attrs["units"]
    (['energy', 'sigma'], 'keV')
    """
    held = [hdu for hdu in hdus if hdu.kind != "empty"]
    if not held:
        raise UnknownFormat(f"{hdus[0].file} is FITS without data: {len(hdus)} headers only")
    known = meta.facts(assume, FACTS, "a FITS table or image", hdus[0].file)
    found: dict[str, xr.Dataset] = {}
    for hdu in held:
        name = _node(hdu, found)
        own = meta.Facts(known.given)
        found[name] = _table(hdu, hdus[0], own) if hdu.kind in ("table", "ascii") else _image(hdu, hdus[0])
    return next(iter(found.values())) if len(found) == 1 else xr.DataTree.from_dict(found)


def _node(hdu: Hdu, taken: Mapping[str, object]) -> str:
    name = "".join(c if c.isalnum() else "_" for c in hdu.name.lower()).strip("_") or f"hdu_{hdu.index}"
    return name if name not in taken else meta.free_name(f"{name}_{hdu.index}", taken)


# ------------------------------------------------------------------------------------------ tables


def _table(hdu: Hdu, primary: Hdu, known: meta.Facts) -> xr.Dataset:
    held = _rows(hdu)
    time = _utc(hdu, primary, held, known)
    row = "row" if time is None else "time"
    variables: dict[str, xr.Variable] = {}
    for name, (column, values) in held.values.items():
        if name == "time" and time is not None:
            continue
        ours = {row: f"{row}_column", "time": "clock"}.get(name, name)  # "time" is UTC in every dataset
        if ours != name:
            ours = meta.free_name(ours, {*held.values, *variables})
        variables[ours] = meta.variable(hdu, column, values, row)
    coords = {} if time is None else {"time": xr.Variable("time", time, {"long_name": "Time (UTC)"})}
    known.warn(hdu.where)
    what = hdu.name.capitalize() if hdu.name not in ("PRIMARY", "") else f"Table {hdu.index}"
    return meta.finished(xr.Dataset(variables, coords), [hdu, primary], what, known.notes)


def _rows(hdu: Hdu) -> Rows:
    found: dict[str, tuple[Column, NDArray]] = {}
    for name, column in columns_of.columns(hdu).items():
        values = columns_of.read(hdu, column)
        if isinstance(values, Ragged):
            wide = meta.padded(values, f"{hdu.where} column {name}")
            if wide is None:
                continue
            values = wide
        found[name] = (column, values)
    length = columns_of.rows(hdu)
    lengths = {values.shape[1] if values.ndim > 1 else 1 for _, values in found.values()}
    if length == 1 and len(lengths) == 1 and (longer := max(lengths)) > 1:
        return Rows(longer, {name: (column, values[0]) for name, (column, values) in found.items()})
    return Rows(length, found)


def _utc(hdu: Hdu, primary: Hdu, held: Rows, known: meta.Facts) -> NDArray[np.datetime64] | None:
    """Return the column TIME in UTC, None (and a note why) where it is no axis of the table."""
    if "time" not in held.values:
        return None
    column, values = held.values["time"]
    if values.ndim != 1 or values.dtype.kind not in "fiuO" or values.size == 0:
        return None
    try:
        found = (_iso if values.dtype.kind == "O" else _clocked)(hdu, primary, column, values, known)
    except (BadTime, CorruptFile) as error:  # the other columns are of use without their times
        known.notes.append(f"TIME is not read as UTC, kept as the variable 'clock': {error}")
        warnings.warn(known.notes[-1], AnalysisWarning, 3)
        return None
    if found is None:
        known.notes.append(f"TIME has {NO_UTC[values.dtype.kind == 'O']}; kept as the variable 'clock'")
    elif np.isnat(found).any() or not (found[1:] > found[:-1]).all():
        known.notes.append(
            "TIME is undefined, repeated or out of order in places: no axis, kept as the variable 'clock'"
        )
        found = None
    return found


def _iso(hdu: Hdu, primary: Hdu, column: Column, values: NDArray, known: meta.Facts) -> NDArray[np.datetime64] | None:
    """Text of ISO 8601 in the time scale of TIMESYS (UTC where none is stated, FITS standard 4.0, section 9.2.1)."""
    texts = [str(value).strip() for value in values]
    if not all(ISO.fullmatch(text) for text in texts):
        return None
    try:
        wide = np.array([text.rstrip("Z") for text in texts], "datetime64[us]")
        if wide.min() < np.datetime64("1678-01-01") or wide.max() >= np.datetime64("2262-01-01"):
            return None  # nanoseconds would wrap it around
        found = np.array([text.rstrip("Z") for text in texts], "datetime64[ns]")
    except ValueError:
        return None
    stated = (text(hdu, "TIMESYS") or text(primary, "TIMESYS")).upper()
    if stated or "timesys" in known.given:
        stated = known.fact("timesys", stated or None, "UTC", hdu.where)
    if not stated or ALIASES.get(stated.lower(), stated.lower()) == "utc" or all(text.endswith("Z") for text in texts):
        return found
    first = found[0].astype("datetime64[D]")
    seconds = (found - first) / np.timedelta64(1, "s")
    return instants(hdu, seconds, float(first.astype(int)) + MJD_OF_1970, 0.0, stated)


def _clocked(
    hdu: Hdu, primary: Hdu, column: Column, values: NDArray, known: meta.Facts
) -> NDArray[np.datetime64] | None:
    spelling = text(hdu, f"TUNIT{column.number}")
    count = values.astype(float)
    reference = meta.reference(hdu, primary, known)
    if reference is None or not np.isfinite(count).all():
        return None
    if "time_units" in known.given:
        spelling = known.fact("time_units", spelling or None, "", hdu.where)
    timesys = (text(hdu, "TIMESYS") or text(primary, "TIMESYS")).upper()
    timesys = known.fact("timesys", timesys or None, "TT", hdu.where)
    tick, zero = meta.seconds_in(hdu, primary, spelling), meta.time_zero(hdu, primary) or 0.0
    if tick == DAY:
        return instants(hdu, count + zero / DAY, *reference, timesys, counts="d")
    return instants(hdu, count * tick + zero, *reference, timesys)


def instants(
    hdu: Hdu, count: NDArray, day: float, fraction: float, timesys: str, counts: Literal["s", "d"] = "s"
) -> NDArray[np.datetime64]:
    """Instants of a clock that counts seconds or days, in UTC.

    Raises
    ------
    CorruptFile
        If the time scale is unknown, or 64-bit nanoseconds do not hold them all.
    """
    days = day + fraction + (count if counts == "d" else count / DAY)
    if not (np.abs(days - 51544.5) < 95_000).all():
        raise CorruptFile(f"{hdu.where}: TIME reaches MJD {days.min():g} to {days.max():g}, outside 1740 to 2260")
    try:
        return utc_of_clock(count, mjdref=day, mjdref_fraction=fraction, timesys=timesys, counts=counts)
    except BadTime as error:
        raise CorruptFile(f"{hdu.where}: {error}") from error


# ------------------------------------------------------------------------------------------ images


def _image(hdu: Hdu, primary: Hdu) -> xr.Dataset:
    if bytes(hdu.data[:8]) in (b"SIMPLE  ", b"PMIS  EL"):  # the second is the first, four bytes swapped
        raise CorruptFile(f"{hdu.where} is another FITS file wrapped up as a row of numbers; unwrap it first")
    pixels = _unpacked(hdu) if hdu.kind == "packed" else _pixels(hdu)
    dims = tuple(reversed([PLANES[n] if n < 2 else f"axis_{n + 1}" for n in range(pixels.ndim)]))
    units, unknown = meta.units_of(text(hdu, "BUNIT"), hdu.where)
    pixels, fills = meta.without_fills(pixels)
    name = "image" if hdu.name in ("PRIMARY", "") else meta.free_name(_node(hdu, {}), dims)  # a dim's name is an index
    said = text(hdu, "BTYPE") or (hdu.name.capitalize() if name != "image" else "Image")
    attrs = {"units": units, "long_name": said, **unknown, **fills}
    found = xr.Dataset({name: xr.Variable(dims, pixels, attrs)}, attrs=_wcs(hdu, pixels.ndim))
    return meta.finished(found, [hdu, primary], "Image", [])


def _pixels(hdu: Hdu) -> NDArray:
    """The image from its bytes: BSCALE, BZERO and BLANK as in the FITS standard 4.0, section 4.4.2."""
    kind = np.dtype(PIXELS[io.whole(hdu.header, "BITPIX", hdu.where, 8)])
    axes = [
        io.whole(hdu.header, f"NAXIS{n}", hdu.where, 0)
        for n in range(io.whole(hdu.header, "NAXIS", hdu.where, 0), 0, -1)
    ]
    try:
        stored = hdu.data.view(kind).reshape(axes).astype(kind.newbyteorder("="))
    except ValueError as error:
        raise CorruptFile(f"{hdu.where}: its {hdu.data.size} bytes are no image of {axes} pixels") from error
    blank = columns_of.null(hdu, "BLANK") if stored.dtype.kind in "iu" else None
    return columns_of.scaled(stored, CODES.get(kind.str[-2:], ""), number(hdu, "BSCALE"), number(hdu, "BZERO"), blank)


def _unpacked(hdu: Hdu) -> NDArray:
    """A tile-compressed image, which astropy unpacks."""
    from astropy.io import fits

    _refuse_unsafe_tiles(hdu)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            packed = fits.BinTableHDU.fromstring(hdu.cards.tobytes() + hdu.data.tobytes())
            pixels = np.asarray(fits.CompImageHDU(bintable=packed).data)
    except Exception as error:  # each decompressor has errors of its own
        raise CorruptFile(f"{hdu.where}: the compressed image does not unpack: {io.first_line(error)}") from error
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _refuse_unsafe_tiles(hdu: Hdu) -> None:
    """Refuse what astropy's decoders, which are in C, would write beyond their memory for, or never end with."""
    if not hdu.data.size:
        raise CorruptFile(f"{hdu.where}: the compressed image has no bytes")
    if (how := text(hdu, "ZCMPTYPE")) not in SAFE:
        raise UnknownFormat(
            f"{hdu.where} is compressed by {how or 'no method that it names'}, which cannot be unpacked safely if it "
            f"is damaged ({', '.join(SAFE)} are read); unpack it first, for example with funpack"
        )
    for key in ("TFIELDS", "ZNAXIS"):  # astropy counts up to whatever they say
        if not 0 <= io.whole(hdu.header, key, hdu.where) <= MOST:
            raise CorruptFile(f"{hdu.where}: {key} is no number from 0 to {MOST}")
    for n in range(1, MOST):
        if not (name := text(hdu, f"ZNAME{n}")):
            break
        known = PARAMETERS.get(name)  # the decoder in C takes any
        if known and (said := io.whole(hdu.header, f"ZVAL{n}", hdu.where)) not in known:
            raise CorruptFile(f"{hdu.where}: {name} of the compressed image is {said}; it can be one of {known}")


def _wcs(hdu: Hdu, axes: int) -> dict[str, object]:
    """Coordinates of the first two axes, x first, as lists of two; frame where the axes' names tell it.

    A rotation comes as ``wcs_cd`` or ``wcs_pc`` (rows of the matrix, one after the other) or ``wcs_crota2`` (deg).
    """
    if axes < 2 or not text(hdu, "CTYPE1"):
        return {}
    found: dict[str, object] = {"wcs_ctype": [text(hdu, "CTYPE1"), text(hdu, "CTYPE2")]}
    for ours, theirs in (("wcs_crpix", "CRPIX"), ("wcs_crval", "CRVAL"), ("wcs_cdelt", "CDELT")):
        said = [number(hdu, f"{theirs}{n}") for n in (1, 2)]
        if None not in said:
            found[ours] = said
    matrix = [number(hdu, f"CD{i}_{j}") for i in (1, 2) for j in (1, 2)]
    if any(part is not None for part in matrix):
        found["wcs_cd"] = [part or 0.0 for part in matrix]
    turned = [number(hdu, f"PC{i}_{j}") for i in (1, 2) for j in (1, 2)]
    if any(part is not None for part in turned):
        found["wcs_pc"] = [float(i in (0, 3)) if part is None else part for i, part in enumerate(turned)]
    if (angle := number(hdu, "CROTA2")) is not None:
        found["wcs_crota2"] = angle
    found["wcs_cunit"] = [text(hdu, f"CUNIT{n}") or "deg" for n in (1, 2)]
    kind = text(hdu, "CTYPE1")[:4]
    if kind in ("GLON", "GLAT"):
        found["frame"] = "galactic"
    elif kind.startswith(("RA", "DEC")):
        found["frame"] = (text(hdu, "RADESYS") or text(hdu, "RADECSYS") or _default_frame(hdu)).lower()
    return found


def _default_frame(hdu: Hdu) -> str:
    """The frame of a header without RADESYS: FITS standard 4.0, section 8.3."""
    equinox = number(hdu, "EQUINOX")
    return "icrs" if equinox is None else "fk4" if equinox < 1984.0 else "fk5"

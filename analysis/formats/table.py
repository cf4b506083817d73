"""Any other FITS table or image: light curves, cross sections, survey images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

FACTS = ("mjdref", "timesys", "time_units")
PIXELS = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
PLANES = ("x", "y")


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
    return name if name not in taken else f"{name}_{hdu.index}"


# ------------------------------------------------------------------------------------------ tables


def _table(hdu: Hdu, primary: Hdu, known: meta.Facts) -> xr.Dataset:
    held = _rows(hdu)
    time = _utc(hdu, primary, held, known)
    row = "row" if time is None else "time"
    variables = {}
    for name, (column, values) in held.values.items():
        if name == "time" and time is not None:
            continue
        ours = f"{name}_column" if name in (row, "time") and name != "time" else name
        ours = "clock" if ours == "time" else ours  # "time" is UTC in every dataset
        variables[ours] = meta.variable(hdu, column, values, row)
    coords = {} if time is None else {"time": xr.Variable("time", time, {"long_name": "Time (UTC)"})}
    known.warn(hdu.where)
    what = hdu.name.capitalize() if hdu.name != "PRIMARY" else "Table"
    return meta.finished(xr.Dataset(variables, coords), [hdu, primary], what, known.notes)


def _rows(hdu: Hdu) -> Rows:
    found: dict[str, tuple[Column, NDArray]] = {}
    for name, column in columns_of.columns(hdu).items():
        values = columns_of.read(hdu, column)
        if isinstance(values, Ragged):
            if values.values.dtype.kind not in "fiub":
                warnings.warn(
                    f"{hdu.where} column {name} holds complex rows of varying length; left out",
                    AnalysisWarning,
                    3,
                )
                continue
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
    found = _iso(values) if values.dtype.kind == "O" else _clocked(hdu, primary, column, values, known)
    if found is None:
        known.notes.append("TIME has no reference that makes it UTC (MJDREF); kept as the variable 'clock'")
    elif np.isnat(found).any() or not (found[1:] > found[:-1]).all():
        known.notes.append(
            "TIME is undefined, repeated or out of order in places: no axis, kept as the variable 'clock'"
        )
        found = None
    return found


def _iso(values: NDArray) -> NDArray[np.datetime64] | None:
    try:
        return np.array([str(v).rstrip("Z") for v in values], "datetime64[ns]")
    except ValueError:
        return None


def _clocked(
    hdu: Hdu, primary: Hdu, column: Column, values: NDArray, known: meta.Facts
) -> NDArray[np.datetime64] | None:
    spelling = text(hdu, f"TUNIT{column.number}")
    seconds = values.astype(float)
    finite = np.isfinite(seconds).all()
    reference = meta.reference(hdu, primary, known)
    if reference is None or not finite:
        return None
    if "time_units" in known.given:
        spelling = known.fact("time_units", spelling or None, "", hdu.where)
    timesys = (text(hdu, "TIMESYS") or text(primary, "TIMESYS")).upper()
    timesys = known.fact("timesys", timesys or None, "TT", hdu.where)
    zeros = [zero for source in (hdu, primary) if (zero := number(source, "TIMEZERO")) is not None]
    shift = (zeros[0] if zeros else 0.0) * meta.seconds_in(hdu, primary)
    return instants(hdu, seconds * meta.seconds_in(hdu, primary, spelling) + shift, *reference, timesys)


def instants(hdu: Hdu, seconds: NDArray, day: float, fraction: float, timesys: str) -> NDArray[np.datetime64]:
    """Instants that 64-bit nanoseconds hold: 1678 to 2261."""
    days = day + fraction + seconds / 86400.0
    if not (np.abs(days - 51544.5) < 95_000).all():
        raise CorruptFile(f"{hdu.where}: TIME reaches MJD {days.min():g} to {days.max():g}, outside 1740 to 2260")
    try:
        return utc_of_clock(seconds, mjdref=day, mjdref_fraction=fraction, timesys=timesys)
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
    name = "image" if hdu.name == "PRIMARY" else _node(hdu, {})
    attrs = {"units": units, "long_name": text(hdu, "BTYPE") or hdu.name.capitalize(), **unknown, **fills}
    if name == "image":
        attrs["long_name"] = text(hdu, "BTYPE") or "Image"
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
        pixels = hdu.data.view(kind).reshape(axes).astype(kind.newbyteorder("="))
    except ValueError as error:
        raise CorruptFile(f"{hdu.where}: its {hdu.data.size} bytes are no image of {axes} pixels") from error
    scale, zero = number(hdu, "BSCALE"), number(hdu, "BZERO")
    blank = number(hdu, "BLANK") if pixels.dtype.kind in "iu" else None
    missing = None if blank is None else pixels == blank
    if scale not in (None, 1.0) or zero not in (None, 0.0):
        pixels = pixels * (1.0 if scale is None else scale) + (zero or 0.0)
    if missing is not None and missing.any():
        pixels = np.where(missing, np.nan, pixels.astype(float))
    return pixels


def _unpacked(hdu: Hdu) -> NDArray:
    """A tile-compressed image, which astropy unpacks."""
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            packed = fits.BinTableHDU.fromstring(hdu.cards.tobytes() + hdu.data.tobytes())
            pixels = np.asarray(fits.CompImageHDU(bintable=packed).data)
    except (*io.ASTROPY_FAILS, RuntimeError) as error:
        raise CorruptFile(f"{hdu.where}: the compressed image does not unpack: {error}") from error
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _wcs(hdu: Hdu, axes: int) -> dict[str, object]:
    """Coordinates of the first two axes, x first, as lists of two; frame where the axes' names tell it."""
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
    found["wcs_cunit"] = [text(hdu, f"CUNIT{n}") or "deg" for n in (1, 2)]
    kind = text(hdu, "CTYPE1")[:4]
    if kind in ("GLON", "GLAT"):
        found["frame"] = "galactic"
    elif kind.startswith(("RA", "DEC")):
        found["frame"] = (text(hdu, "RADESYS") or text(hdu, "RADECSYS") or "icrs").lower()
    return found

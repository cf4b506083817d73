"""Columns of a table of the Virtual Observatory to variables: units, times, frames, what is undefined."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import BadTime, UnknownUnits
from analysis.formats import _facts as facts
from analysis.formats._facts import Notes
from analysis.formats._votablecells import Cells
from analysis.formats._votablexml import Element
from analysis.model import utc, utc_of_clock

EXACT = 1 << 53  # whole numbers beyond it change when they become floats
MJD_OF_1970, JD_OF_MJD = 40587.0, 2400000.5
ORIGINS = {"mjd-origin": JD_OF_MJD, "jd-origin": 0.0}
TAKEN = {"row": "row_column", "time": "clock"}  # "row" is the dim; "time" is UTC in every dataset of ours


@dataclass(frozen=True, eq=False)
class Column:
    """One column on its way: its name, its cells, and what is said of it."""

    name: str
    cells: Cells
    said: Mapping[str, str] = field(default_factory=dict)

    def get(self, key: str) -> str:
        return str(self.said.get(key) or "").strip()


def dataset(
    columns: Sequence[Column], systems: Mapping[str, Element], assume: Mapping[str, str], notes: Notes, rows: int
) -> xr.Dataset:
    """Return columns as the variables of a dataset, dim ``row``; ``systems`` are COOSYS and TIMESYS by their ID."""
    variables: dict[str, xr.Variable] = {}
    names = {column.name for column in columns}
    for column in columns:
        system = systems.get(column.get("ref"))
        cells = _times(column, system, notes) or column.cells
        values = _values(column.name, cells, notes)
        if values is None:
            continue
        attrs = _attrs(column, values, system, assume, notes)
        extra = values.shape[1:]
        dims = [f"element_{extra[0]}"] if len(extra) == 1 else [f"{column.name}_{n}" for n in range(1, len(extra) + 1)]
        free = [facts.free_name(dim, names) for dim in dims]  # a column of a dim's name would be its index
        variables[column.name] = xr.Variable(("row", *free), values, attrs)
    if not rows:
        notes.line("the table has no rows: nothing was found")
    return xr.Dataset(variables)


def _values(name: str, cells: Cells, notes: Notes) -> NDArray | None:
    """Return a column's values, undefined ones as NaN, NaT or ""; None if it cannot be an array."""
    values, undefined = cells.values, cells.undefined
    kind = values.dtype.kind
    if kind == "O":
        return np.where(undefined, "", values) if undefined.any() else values
    if kind == "M":
        return values
    if kind in "iub" and (undefined.any() or cells.counts is not None):
        if kind != "b" and values.size and max(abs(int(values.max())), abs(int(values.min()))) > EXACT:
            if cells.counts is not None:
                notes.guess("lists of whole numbers that no float holds, left out", name)
                return None
            notes.line(f"{name} has undefined values and whole numbers that no float holds: kept as text")
            return np.where(undefined, "", values.astype(str)).astype(object)
        values = values.astype(float)
    if values.dtype.kind in "fc":
        values = np.where(undefined, np.nan, values).astype(values.dtype) if undefined.any() else values
        values = facts.without_unmeasured(name, values, notes) if values.dtype.kind == "f" and values.size else values
    return values if cells.counts is None else _padded(name, values, cells.counts, notes)


def _padded(name: str, values: NDArray, counts: NDArray[np.int64], notes: Notes) -> NDArray | None:
    """Return cells of different lengths filled up with NaN; None, and a guess noted, if that would be huge."""
    width = int(counts.max(initial=0))
    if width * counts.size > 16 * values.size + 1_000_000:
        notes.guess("cells are of very different lengths, left out", name)
        return None
    full = np.full((counts.size, width), np.nan, values.dtype)
    full[np.arange(width) < counts[:, None]] = values
    if counts.size and (counts != width).any():
        notes.line(f"cells of {name} have {int(counts.min())} to {width} elements, filled up with NaN")
    return full


def _attrs(
    column: Column, values: NDArray, system: Element | None, assume: Mapping[str, str], notes: Notes
) -> dict[str, object]:
    name = column.name
    attrs: dict[str, object] = {}
    if values.dtype.kind in "fiucb":
        stated = column.get("unit")
        attrs |= facts.units(name, _unit(stated) or None, assume, notes, whole=not stated)
        if stated and stated != attrs["units"]:
            attrs["archive_units"] = stated
    attrs["long_name"] = facts.long_name(name, column.get("description"), assume, notes)
    attrs |= {key: said for key in ("ucd", "utype", "xtype") if (said := column.get(key))}
    stated = column.get("frame") or (_frame(system) if system is not None and system.tag == "COOSYS" else "")
    if stated or facts.is_component(name) or f"frame.{name}" in assume:
        attrs["frame"] = facts.frame(name, stated or None, assume, notes)
    attrs |= {key: said for key in ("epoch", "equinox") if system is not None and (said := system.get(key))}
    return attrs


def _frame(system: Element) -> str:
    said = system.get("system")
    return {"eq_FK5": "FK5", "eq_FK4": "FK4", "ecl_FK5": "ecliptic FK5", "ecl_FK4": "ecliptic FK4"}.get(said, said)


def _unit(spelled: str) -> str:
    """Return a unit as astropy writes it, where it is spelled as VOUnits or as the CDS does."""
    import astropy.units as u

    try:
        facts.known_units(spelled)
        return spelled
    except UnknownUnits:
        pass
    for way in ("vounit", "cds"):
        try:
            return facts.known_units(u.Unit(spelled, format=way).to_string())
        except (ValueError, TypeError, UnknownUnits):
            continue
    return spelled


# ------------------------------------------------------------------------------------------ times


def _times(column: Column, system: Element | None, notes: Notes) -> Cells | None:
    """Return a column of times as UTC, None if it is none or its scale is not known."""
    cells, timesys = column.cells, system if system is not None and system.tag == "TIMESYS" else None
    scale = "" if timesys is None else timesys.get("timescale")
    try:
        if cells.values.dtype.kind == "O" and column.get("xtype").lower() in ("timestamp", "adql:timestamp"):
            found = _stamps(cells, scale or "UTC")
        elif timesys is not None and timesys.get("timeorigin") and cells.values.dtype.kind in "iuf":
            found = _counted(column, timesys)
        else:
            return None
    except (BadTime, ValueError, OverflowError) as error:
        notes.guess(f"its times are kept as they are ({error})", column.name)
        return None
    place = "" if timesys is None else timesys.get("refposition")
    if timesys is not None:
        at = f", measured at {place}" if place else ""
        notes.line(f"{column.name} was brought from {scale or 'an unnamed scale, taken as UTC'} to UTC{at}")
    return found


def _stamps(cells: Cells, scale: str) -> Cells:
    """Return ISO 8601 text as UTC."""
    texts = [_without_zone(str(text).strip()) for text in cells.values.ravel()]
    whole = np.array([not text for text in texts], bool)
    wide = np.array([text if text else "NaT" for text in texts], "datetime64[us]")
    if ((wide < np.datetime64("1678-01-01")) | (wide >= np.datetime64("2262-01-01"))).any():
        raise BadTime("they are not all between 1678 and 2261")
    found = np.array([text if text else "NaT" for text in texts], "datetime64[ns]")
    if scale.upper() != "UTC" and not whole.all():
        known = found[~whole]
        day = known.astype("datetime64[D]")
        first = day.min()
        seconds = (known - first) / np.timedelta64(1, "s")
        found[~whole] = utc_of_clock(seconds, mjdref=float(first.astype(int)) + MJD_OF_1970, timesys=scale)
    return Cells(found.reshape(cells.values.shape), whole.reshape(cells.values.shape))


def _without_zone(text: str) -> str:
    """Return ISO 8601 text in UTC: DALI allows a Z only, but some servers write how far their clocks are ahead."""
    if re.search(r"[T ].*[-+]\d\d(:?\d\d)?$", text):
        return str(utc(text))
    return text.removesuffix("Z")


def _counted(column: Column, timesys: Element) -> Cells:
    """Return days, seconds or years since an origin as UTC."""
    import astropy.units as u

    origin = timesys.get("timeorigin")
    start = ORIGINS.get(origin.lower())
    start = float(origin) if start is None else start
    try:
        days = float(u.Unit(_unit(column.get("unit") or "d")).to(u.d))
    except (u.UnitConversionError, ValueError) as error:
        raise BadTime(f"their unit is {column.get('unit')!r}") from error
    values = column.cells.values.astype(float)
    undefined = column.cells.undefined | ~np.isfinite(values)
    found = np.full(values.shape, np.datetime64("NaT", "ns"))
    if not undefined.all():
        known, reference = values[~undefined], start - JD_OF_MJD
        scale = timesys.get("timescale") or "UTC"
        found[~undefined] = utc_of_clock(known * days, mjdref=reference, timesys=scale, counts="d")
    return Cells(found, undefined)

"""What a FITS header says about its numbers: units, clock, whose they are; and what it leaves out."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, BadOption, ContractBreach, CorruptFile, UnknownUnits, WrongData
from analysis.formats import _fitsio as io
from analysis.formats._fitscolumns import Column, Ragged
from analysis.formats._fitsio import Hdu
from analysis.model import check, labelled, stamp, unit_text
from analysis.model.contract import FILL_FROM, is_fill

ALWAYS = ("datasum",)  # facts that every FITS reader takes
SPELLINGS = {"pixels": "pixel", "channels": "chan", "photon": "ph", "angstroms": "Angstrom"}
SILENT = {"", "unknown", "none", "n/a", "undefined", "-"}
KEYS = {
    "telescope": ("TELESCOP", "MISSION"),
    "instrument": ("INSTRUME",),
    "detector": ("DETNAM",),
    "filter": ("FILTER",),
    "object": ("OBJECT",),
    "obs_id": ("OBS_ID", "OBSID"),
    "date_obs": ("DATE-OBS",),
    "date_end": ("DATE-END",),
    "radecsys": ("RADESYS", "RADECSYS"),
    "creator": ("CREATOR",),
}
SECONDS = {
    "s": 1.0,
    "d": 86400.0,
    "day": 86400.0,
    "h": 3600.0,
    "hr": 3600.0,
    "min": 60.0,
    "ms": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
}


@dataclass
class Facts:
    """What the caller states in place of a silent header, and the notes that the reading leaves behind."""

    given: Mapping[str, str]
    notes: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)

    def fact(self, name: str, stated: str | None, guess: str, where: str) -> str:
        """Return what the header states, else the given fact, else the guess, noting which.

        Raises
        ------
        BadOption
            If the given fact contradicts the header.
        """
        told = self.given.get(name)
        if stated is not None:
            if told is not None and told != stated:
                raise BadOption(f"{where} says {name} = {stated!r}, which contradicts assume={{{name!r}: {told!r}}}")
            return stated
        if told is not None:
            self.notes.append(f"{name} = {told!r} as stated by the caller; the file is silent")
            return told
        self.guesses.append(f"{name} = {guess!r}")
        self.notes.append(f"{name} = {guess!r} guessed; the file is silent")
        return guess

    def amount(self, name: str, stated: float | None, where: str) -> float | None:
        """Return the number that the header states, else the given one, else None.

        Raises
        ------
        BadOption
            If the given one is no number, or not the header's.
        """
        if (told := self.given.get(name)) is None:
            return stated
        try:
            given = float(told)
        except ValueError as error:
            raise BadOption(f"assume={{{name!r}: {told!r}}} is not a number") from error
        if not math.isfinite(given):
            raise BadOption(f"assume={{{name!r}: {told!r}}} is not finite")
        if stated is None:
            self.notes.append(f"{name} = {told!r} as stated by the caller; the file is silent")
            return given
        if not math.isclose(given, stated, rel_tol=1e-9):
            raise BadOption(f"{where} says {name} = {stated:.15g}, which contradicts assume={{{name!r}: {told!r}}}")
        return stated

    def warn(self, where: str) -> None:
        """Give one warning for all guesses together."""
        if self.guesses:
            example = {guess.split(" = ")[0]: "…" for guess in self.guesses}
            warnings.warn(
                f"{where} does not state {', '.join(self.guesses)}: guessed; say it with assume={example}",
                AnalysisWarning,
                stacklevel=4,
            )


def facts(assume: Mapping[str, str], understood: Sequence[str], what: str, where: str) -> Facts:
    """Return the caller's facts after checking that this kind of file can use each of them.

    Raises
    ------
    BadOption
        Naming the unknown key and what is understood.
    """
    known = (*understood, *ALWAYS)
    if unknown := [key for key in assume if key not in known]:
        raise BadOption(
            f"{where} is {what}; assume takes {', '.join(known)} there, not {', '.join(map(repr, unknown))}"
        )
    return Facts({key: str(told) for key, told in assume.items() if key not in ALWAYS})


def given_units(known: Facts) -> None:
    """Bring the unit that the caller states into astropy's spelling.

    Raises
    ------
    BadOption
        If astropy does not know it.
    """
    if "units" in known.given:
        try:
            known.given = {**known.given, "units": unit_text(known.given["units"], "assume")}
        except UnknownUnits as error:
            raise BadOption(str(error)) from error


def warn_of_changed_data(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> list[str]:
    """Return a note on HDUs whose data are not those that ``DATASUM`` was made of, with a warning.

    Tools that edit a table often leave the old sum behind, so this is no refusal;
    ``assume={"datasum": "stale"}`` says that the caller knows.
    """
    if (told := assume.get("datasum", "stale")) != "stale":
        raise BadOption(f"assume={{'datasum': {told!r}}}: the one thing to say of it is 'stale'")
    changed = [hdu.where for hdu in hdus if io.datasum_differs(hdu)]
    if not changed:
        return []
    note = f"DATASUM does not fit the data of {', '.join(changed)}: edited after the sum was made, or damaged"
    if "datasum" not in assume:
        warnings.warn(f"{note}; assume={{'datasum': 'stale'}} if known", AnalysisWarning, stacklevel=4)
    return [note]


def units_of(spelling: str, where: str) -> tuple[str, dict[str, str]]:
    """Return the unit as astropy parses it, and attributes that keep a spelling nobody knows.

    An unknown spelling becomes "1" with a warning, since a table is still of use without one column's unit.
    """
    plain = SPELLINGS.get(spelling.strip().lower(), spelling.strip())
    if plain.lower() in SILENT:
        return "1", {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = unit_text(plain, where)
            if found.count("/") > 1:  # astropy reads a/b/c but warns each time
                import astropy.units as u

                found = u.Unit(found).to_string()
        return found, {}
    except UnknownUnits:
        warnings.warn(
            f"{where}: the unit {spelling!r} is not known; kept as attrs['archive_units']", AnalysisWarning, 3
        )
        return "1", {"archive_units": spelling}


def converted(hdu: Hdu, column: Column, found: NDArray, units: str) -> NDArray:
    """Return a column in these units; a column without a unit is taken to be in them.

    Raises
    ------
    WrongData
        If the column's unit is of another kind.
    """
    import astropy.units as u

    have, unknown = units_of(io.text(hdu, f"TUNIT{column.number}"), f"{hdu.where} column {column.name}")
    if have == "1" or unknown:
        return found
    try:
        factor = u.Unit(have).to(u.Unit(units))
    except u.UnitConversionError as error:
        raise WrongData(f"{hdu.where}: column {column.name} is in {have!r}, not in a unit like {units!r}") from error
    return found if factor == 1.0 else (found * factor).astype(found.dtype if found.dtype.kind == "f" else float)


def title_case(hdu: Hdu, column: Column) -> str:
    """A long_name for a column: the comment of its TTYPE card where that says something, else its name."""
    comment = str(hdu.header.comments[f"TTYPE{column.number}"]).strip() if f"TTYPE{column.number}" in hdu.header else ""
    dull = re.match(r"(label|name|data|field|beginning|the name|no comment|ttype|column)|$", comment, re.IGNORECASE)
    plain = column.name.replace("_", " ")
    return plain[:1].upper() + plain[1:] if dull else comment


def variable(hdu: Hdu, column: Column, found: NDArray, row: str) -> xr.Variable:
    """Return a column as a variable: dims ``row`` and one a cell axis, unit translated, fills as NaN."""
    units, unknown = units_of(io.text(hdu, f"TUNIT{column.number}"), f"{hdu.where} column {column.name}")
    found, fills = without_fills(found)
    attrs = {"units": units, "long_name": title_case(hdu, column), **unknown, **fills}
    if found.dtype.kind in "OU":
        attrs.pop("units")
    if re.fullmatch(r"[bev][xyz](_gse|_gsm)?", column.name):  # a vector's component; FITS has no word for its frame
        attrs["frame"] = "unknown"
    cell = found.shape[1:]
    dims = [f"element_{cell[0]}"] if len(cell) == 1 else [f"{column.name}_{n}" for n in range(1, len(cell) + 1)]
    return xr.Variable((row, *dims), found, attrs)


def without_fills(found: NDArray) -> tuple[NDArray, dict[str, str]]:
    """Return floats with infinities and fill values as NaN, and an attribute that counts them."""
    if found.dtype.kind not in "fc" or not found.size:
        return found, {}
    if found.dtype.kind == "f" and found.min() > -FILL_FROM and found.max() < FILL_FROM:
        return found, {}  # the usual case, without a temporary array; a NaN makes both comparisons false
    bad = is_fill(found)
    if not bad.any():
        return found, {}
    note = f"{int(bad.sum())} values infinite or fills (-1e31, -1.6375e30) became NaN"
    return np.where(bad, np.nan, found).astype(found.dtype), {"fills": note}


def padded(ragged: Ragged, what: str) -> NDArray | None:
    """Return rows of different lengths filled up with NaN; None, with a warning, if that would be huge."""
    width = int(ragged.counts.max(initial=0))
    if width * ragged.counts.size > 16 * ragged.values.size + 1_000_000:
        warnings.warn(f"{what} has rows of very different lengths (up to {width}); left out", AnalysisWarning, 3)
        return None
    full = np.full((ragged.counts.size, width), np.nan, complex if ragged.values.dtype.kind == "c" else float)
    full[np.arange(width) < ragged.counts[:, None]] = ragged.values
    return full


def mjd_reference(hdu: Hdu, primary: Hdu) -> tuple[int, float] | None:
    """Return the clock's reference (MJDREF, or MJDREFI and MJDREFF) as days and fraction, None if silent."""
    for source in (hdu, primary):
        days = io.number(source, "MJDREFI")
        if days is not None:
            total, rest = divmod(days, 1.0)
            return int(total), rest + (io.number(source, "MJDREFF") or 0.0)
        days = io.number(source, "MJDREF")
        if days is not None:
            return int(days // 1.0), days % 1.0
    return None


def reference(hdu: Hdu, primary: Hdu, known: Facts) -> tuple[int, float] | None:
    """Return the clock's reference as days and fraction from the header, else from the caller, else None.

    Raises
    ------
    BadOption
        If the caller's ``mjdref`` is no number or contradicts the header.
    """
    stated = mjd_reference(hdu, primary)
    told = known.amount("mjdref", None if stated is None else sum(stated), hdu.where)
    if stated is None and told is not None:
        return int(told // 1.0), told % 1.0
    return stated


def time_zero(hdu: Hdu, primary: Hdu) -> float | None:
    """Return TIMEZERO (or TIMEZERI and TIMEZERF) of the first header that has it in seconds, None if silent."""
    for source in (hdu, primary):
        for names in (("TIMEZERI", "TIMEZERF"), ("TIMEZERO",)):
            said = [number for name in names if (number := io.number(source, name)) is not None]
            if said:
                return math.fsum(said) * seconds_in(hdu, primary)
    return None


def seconds_in(hdu: Hdu, primary: Hdu, spelling: str = "") -> float:
    """Return how many seconds a number of the header's or column's time unit is.

    Raises
    ------
    CorruptFile
        If the unit is no unit of time that clocks use.
    """
    unit = spelling.strip() or io.text(hdu, "TIMEUNIT") or io.text(primary, "TIMEUNIT") or "s"
    for known in (unit, unit.lower(), unit_or_self(unit)):
        if known in SECONDS:
            return SECONDS[known]
    raise CorruptFile(f"{hdu.where}: {unit!r} is no unit of time; known are {', '.join(SECONDS)}")


def unit_or_self(unit: str) -> str:
    """The translated spelling of a unit, or the spelling itself where nobody knows it."""
    try:
        return unit_text(unit)
    except UnknownUnits:
        return unit


def header_attrs(hdus: Sequence[Hdu]) -> dict[str, str]:
    """Return who observed what and when, from the first of these headers that says it."""
    found = {}
    for name, keys in KEYS.items():
        said = [said for hdu in hdus for key in keys if (said := io.text(hdu, key)).lower() not in SILENT]
        if said:
            found[name] = said[0]
    return found


def basename(path: str) -> str:
    """Return the file name of a path that a header keeps, "none" where it keeps none."""
    name = PurePosixPath(path.replace("\\", "/")).name.strip()
    return "none" if name.lower() in SILENT else name


def finished(data: xr.Dataset, hdus: Sequence[Hdu], what: str, notes: Sequence[str]) -> xr.Dataset:
    """Return the dataset stamped from the headers (its own first) and checked against the data contract."""
    attrs = header_attrs(hdus)
    if any(io.value(hdu.header, "SYNTHET", hdu.where) is True for hdu in hdus):  # as formats.write says it
        attrs["synthetic"] = "true"
    own = hdus[0]
    maker = next((said for hdu in hdus for key in ("ORIGIN", "INSTITUT") if (said := io.text(hdu, key))), "not stated")
    source = " / ".join(attrs[key] for key in ("telescope", "instrument", "detector") if key in attrs)
    cited = [said for hdu in hdus for key in ("REFERENC", "DS_IDENT") if (said := io.text(hdu, key))]
    what = what.strip() or f"Extension {own.index} of {own.file}"
    title = f"{what} of {attrs['object']}" if "object" in attrs and "of" not in what.split() else what
    stamped = stamp(
        data.assign_attrs({**attrs, **data.attrs}),
        title=title,
        institution=maker,
        source=source or "not stated",
        references=list(dict.fromkeys(cited)) or ["not stated"],
        license="not stated",
        history=[f"read from {own.where}", *notes],
        provenance={"files": [{"name": own.file}]},
    )
    try:
        return check(stamped)
    except ContractBreach as error:
        raise CorruptFile(f"{own.where} holds what cannot be: {error}") from error


def free_name(wanted: str, taken: Container[str]) -> str:
    """Return the name itself, or the first of ``name_2``, ``name_3`` … that is not taken."""
    name, copy = wanted, 2
    while name in taken:
        name, copy = f"{wanted}_{copy}", copy + 1
    return name


def scalar(found: float, name: str, units: str, long_name: str) -> xr.DataArray:
    """Return a labelled number without axes."""
    return labelled(xr.DataArray(float(found)), name, units=units, long_name=long_name)

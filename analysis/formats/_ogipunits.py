"""Units of OGIP columns: brought to the one that the standard names, or refused; never relabelled."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from analysis.errors import UnknownUnits, WrongData
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats._fitscolumns import Column
from analysis.formats._fitsio import Hdu, text
from analysis.model import unit_text

ENERGIES = {"ev": 1e-3, "kev": 1.0, "mev": 1e3}  # astropy reads EV as exavolts


def factor(hdu: Hdu, column: Column, units: str) -> float | None:
    """Return what brings a column's values to these units, None if its unit is of another kind or not known.

    A column without a unit is in the unit that the standard names. A count, an event and a photon are one.
    """
    import astropy.units as u

    spelling = text(hdu, f"TUNIT{column.number}").strip()
    if spelling.lower() in meta.SILENT:
        return 1.0
    if units == "keV" and spelling != "meV" and spelling.lower() in ENERGIES:
        return ENERGIES[spelling.lower()]
    one = [] if units in ("keV", "cm2") else [(u.ct, u.ph), (u.ct, u.dimensionless_unscaled)]
    rate = [(a / u.s, b / u.s) for a, b in one]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy finds a/b/c discouraged
            return float(u.Unit(unit_text(spelling)).to(u.Unit(units), equivalencies=one + rate))
    except (UnknownUnits, u.UnitConversionError, TypeError, ValueError):
        return None


def values(hdu: Hdu, name: str, units: str) -> NDArray:
    """Return a column of numbers, one a row, in these units.

    Raises
    ------
    CorruptFile
        If there is no such column of numbers.
    WrongData
        If its unit is of another kind, or not known.
    """
    found = table.vector(hdu, name)
    return rescaled(hdu, table.columns(hdu)[name], found, units)


def rescaled(hdu: Hdu, column: Column, found: NDArray, units: str) -> NDArray:
    """Return what was read of a column in these units.

    Raises
    ------
    WrongData
        If its unit is of another kind, or not known.
    """
    by = factor(hdu, column, units)
    if by is None:
        if not np.any(found):  # zero is zero in any unit
            return found
        said = text(hdu, f"TUNIT{column.number}")
        raise WrongData(
            f"{hdu.where}: column {column.name.upper()} is in {said!r}, which is no unit like "
            f"{'a fraction' if units == '1' else repr(units)}; write the right TUNIT{column.number} "
            "into the header, or convert the column"
        )
    return scaled(found, by)


def energies(hdu: Hdu, name: str) -> NDArray:
    """Return a column of energies in keV; wavelengths, where the unit says so, become the energies of such photons.

    Raises
    ------
    CorruptFile
        If there is no such column of numbers.
    WrongData
        If its unit is of another kind, or not known.
    """
    import astropy.units as u

    column = table.columns(hdu).get(name)
    spelling = "" if column is None else text(hdu, f"TUNIT{column.number}").strip()
    if spelling.lower() not in meta.SILENT and spelling.lower() not in ENERGIES:
        unit, unknown = meta.unit_or_self(meta.SPELLINGS.get(spelling.lower(), spelling)), False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                is_length = u.Unit(unit).physical_type == "length"
        except (ValueError, TypeError):
            is_length, unknown = False, True
        if is_length and not unknown:
            return (table.vector(hdu, name).astype(float) * u.Unit(unit)).to_value("keV", equivalencies=u.spectral())
    return values(hdu, name, "keV")


def scaled(found: NDArray, by: float) -> NDArray:
    """Return values times a factor, floats in their own precision, untouched where it is 1."""
    return found if by == 1.0 else (found * by).astype(found.dtype if found.dtype.kind == "f" else float)


def matrix_kind(hdu: Hdu) -> tuple[str, float, list[str]]:
    """Return REDIST, DETECTOR or FULL (area included), the factor that makes cm2 of the elements, and notes.

    An area as the unit of MATRIX says FULL whatever HDUCLAS3 says or leaves out.
    """
    stated = text(hdu, "HDUCLAS3").upper()
    column = table.columns(hdu)["matrix"]
    spelling = text(hdu, f"TUNIT{column.number}")
    silent = spelling.strip().lower() in meta.SILENT
    by = factor(hdu, column, "cm2")
    if by is not None and not silent:
        said = f"HDUCLAS3 = {stated!r}" if stated else "HDUCLAS3 is not stated"
        return "FULL", by, [] if stated == "FULL" else [f"MATRIX is in {spelling!r}: area included; {said}"]
    if stated != "FULL":
        return "DETECTOR" if stated == "DETECTOR" else "REDIST", 1.0, []
    return "FULL", 1.0, [] if silent else [f"HDUCLAS3 = 'FULL': MATRIX taken as cm2, though it says {spelling!r}"]

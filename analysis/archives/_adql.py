"""Conditions of ADQL from what a user gives: names quoted, numbers within bounds, times, photon energies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import BadOption
from analysis.model import span

if TYPE_CHECKING:
    from analysis.model.clocks import Instant

__all__ = ["JD_OF_MJD", "band", "circle", "identifier", "interval", "listed", "literal", "number"]

HC = 1.239841984332e-9  # keV m: Planck's constant times the speed of light, exact in the SI to these digits
JD_OF_MJD, MJD_OF_1970 = 2400000.5, 40587.0
DAY = np.timedelta64(1, "D")


def literal(text: str, what: str) -> str:
    """Return text as a literal of ADQL, its quotes doubled.

    Raises
    ------
    BadOption
        If it is no text, or has control characters.

    Examples
    --------
    >>> literal("Barnard's star", "target")
    "'Barnard''s star'"
    """
    if not isinstance(text, str) or not text or not text.isprintable():
        raise BadOption(f"{what}={text!r} is no name; give text without line breaks")
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str, what: str) -> str:
    """Return the name of a table as ADQL takes it, such as ``ivoa.obscore``.

    Raises
    ------
    BadOption
        If it is no such name.

    Examples
    --------
    >>> identifier("ivoa.obscore", "table")
    'ivoa.obscore'
    """
    part = r'([A-Za-z_]\w*|"[^"\x00-\x1f]+")'
    if not isinstance(name, str) or not re.fullmatch(rf"{part}(\.{part}){{0,2}}", name, re.ASCII):
        raise BadOption(f"{what}={name!r} is no name of a table; names read schema.table")
    return name


def number(value: float, what: str, low: float, high: float) -> float:
    """Return a number that lies in an interval, its ends included.

    Raises
    ------
    BadOption
        If it does not.

    Examples
    --------
    >>> number(10, "dec", -90, 90)
    10.0
    """
    try:
        found = float(value)
    except (TypeError, ValueError) as error:
        raise BadOption(f"{what}={value!r} is no number; give one from {low:g} to {high:g}") from error
    if isinstance(value, bool) or not low <= found <= high:
        raise BadOption(f"{what}={value!r} does not lie between {low:g} and {high:g}")
    return found


def circle(ra: float | None, dec: float | None, radius: float | None) -> list[str]:
    given = {"ra": ra, "dec": dec, "radius": radius}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 3:
        return []
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise BadOption(f"a circle needs ra, dec and radius, all three; {', '.join(missing)} {are} missing")
    x, y, size = number(ra, "ra", 0, 360), number(dec, "dec", -90, 90), number(radius, "radius", 0, 180)  # type: ignore[arg-type]
    return [f"1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', {x!r}, {y!r}, {size!r}))"]


def interval(start: Instant | None, stop: Instant | None, lowest: str, highest: str, zero: float) -> list[str]:
    """Return the conditions that a row has a part in ``[start, stop)``; its times are MJD plus ``zero``."""
    first, last = span(start, stop)
    # what ends as the interval starts has no part in it, unless it is an instant
    low = None if first is None else repr(_days(first) + zero)
    found = [] if low is None else [f"({highest} > {low} OR {lowest} = {low})"]
    return found if last is None else [*found, f"{lowest} < {_days(last) + zero!r}"]


def _days(instant: np.datetime64) -> float:
    """Return an instant of UTC as Modified Julian Date."""
    whole = instant.astype("datetime64[D]")
    return float(whole.astype(int)) + MJD_OF_1970 + float((instant - whole) / DAY)


def band(energy: tuple[float, float] | None) -> list[str]:
    """Return the conditions on wavelengths (m) that energies in keV mean."""
    if energy is None:
        return []
    try:
        low, high = energy
    except (TypeError, ValueError) as error:
        raise BadOption(f"energy={energy!r} is no pair of energies in keV, such as (0.5, 8)") from error
    low, high = number(low, "energy", 1e-12, 1e12), number(high, "energy", 1e-12, 1e12)
    if not low < high:
        raise BadOption(f"energy={energy!r}: give the lower energy first")
    return [f"em_min <= {HC / low!r}", f"em_max >= {HC / high!r}"]


def listed(column: str, text: str, what: str) -> str:
    """Return the condition that a name is among those of a column, which may hold several between ``#``."""
    said = literal(text.lower() if isinstance(text, str) else text, what)
    same = f"LOWER({column}) = {said}"
    if "%" in text or "_" in text:  # signs of LIKE, which ADQL 2.0 cannot escape
        return same
    inner = said[1:-1]
    ways = [f"LOWER({column}) LIKE '{way}'" for way in (f"{inner}#%", f"%#{inner}", f"%#{inner}#%")]
    return f"({' OR '.join([same, *ways])})"

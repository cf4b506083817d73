"""Times as HAPI writes them, to ``datetime64[ns]`` by arithmetic on their digits; durations and single instants too.

References
----------
HAPI Data Access Specification 3.3, sections 3.6.2 (durations) and 3.7.6 (Representation of Time).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile

ROWS = 1 << 15  # rows at a time, so that what is worked on stays near the processor
SHAPES = 64  # ways of writing in one column, before it is called damaged
DAY = 86_400_000_000_000
SECOND = 1_000_000_000
_FIRST, _LAST = 1678, 2261  # years that 64-bit nanoseconds hold as a whole
_FORM = re.compile(
    rb"(?P<date>\d{4}(?:-(?:\d{3}|\d\d(?:-\d\d)?))?)(?:T(?P<clock>\d\d(?::\d\d(?::\d\d(?:[.,]\d+)?)?)?))?Z?"
)
_DURATION = re.compile(
    r"P(?:(?P<Y>\d+(?:\.\d+)?)Y)?(?:(?P<M>\d+(?:\.\d+)?)M)?(?:(?P<W>\d+(?:\.\d+)?)W)?(?:(?P<D>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_LENGTHS = {"Y": 365.25 * DAY, "M": 365.25 / 12 * DAY, "W": 7 * DAY, "D": DAY, "h": 3600 * SECOND, "m": 60 * SECOND}


@dataclass(frozen=True)
class Times:
    """Instants, NaT where one has no number: in a leap second, or in a year that 64-bit nanoseconds do not hold."""

    values: NDArray[np.datetime64]
    leaps: int
    outside: int


@dataclass(frozen=True)
class _Form:
    """Where the digits of one way of writing stand."""

    template: NDArray[np.uint8]  # "0" for a digit, else the character itself
    date: int  # characters of the date
    clock: int  # where the hour begins; 0 without one
    end: int  # after the last digit


def instants(texts: NDArray[np.bytes_], where: str) -> Times:
    """Return texts as UTC instants.

    Parameters
    ----------
    texts : numpy.ndarray of bytes
        ``1999-01-01T00:00:00.000Z``, by day of year (``1999-001T…``), cut off anywhere (``1999-01Z``), with or
        without Z, padded with NULs or blanks. Digits beyond nanoseconds are left out.
    where : str
        File and parameter, for messages.

    Raises
    ------
    CorruptFile
        If one is no time; the message has it and its place.

    Examples
    --------
    >>> print(*instants(np.array([b"1999-032T24:00Z", b"1999-02-01T12:00:00.5Z"]), "a.csv").values)
    1999-02-02T00:00:00.000000000 1999-02-01T12:00:00.500000000
    >>> instants(np.array([b"2016-12-31T23:59:60Z"]), "a.csv").leaps
    1
    """
    values = np.empty(len(texts), "M8[ns]")
    leaps = outside = 0
    width = texts.dtype.itemsize
    form = None
    for first in range(0, len(texts), ROWS):
        block = np.ascontiguousarray(texts[first : first + ROWS])
        chars = np.ascontiguousarray(block.view(np.uint8).reshape(-1, width).T)
        left = np.arange(len(block))
        for _ in range(SHAPES):
            if form is None:
                form = _form(bytes(chars[:, 0]), where, first + int(left[0]))
            fits = _fitting(chars, form)
            rows = slice(None) if fits.all() else fits
            if fits.any():
                nanoseconds, leap, beyond = _numbers(chars[:, rows], form, where)
                values[first + left[rows]] = nanoseconds.view("M8[ns]")
                leaps, outside = leaps + leap, outside + beyond
            left, chars = left[~fits], chars[:, ~fits]
            if not left.size:
                break
            form = None
        else:
            raise CorruptFile(f"{where}: its times are written in more than {SHAPES} ways; get the file again")
    return Times(values, leaps, outside)


def _form(text: bytes, where: str, record: int) -> _Form:
    plain = text.rstrip(b"\0 ")
    found = _FORM.fullmatch(plain)
    if found is None or (found["clock"] is not None and len(found["date"]) not in (8, 10)):
        shown = plain[:40].decode("ascii", "backslashreplace")
        raise CorruptFile(f"{where}: {shown!r} (record {record}) is no time as HAPI writes it; get the file again")
    template = np.frombuffer(re.sub(rb"\d", b"0", text), np.uint8)
    has_clock = found["clock"] is not None
    end = found.end("clock" if has_clock else "date")
    return _Form(template, len(found["date"]), found.start("clock") if has_clock else 0, end)


def _fitting(chars: NDArray[np.uint8], form: _Form) -> NDArray[np.bool_]:
    """Return which columns are written in this form."""
    fits = np.ones(chars.shape[1], bool)
    for place, wanted in enumerate(form.template):
        line = chars[place]
        fits &= (line - np.uint8(48)) <= 9 if wanted == 48 else line == wanted
    return fits


def _number(chars: NDArray[np.uint8], first: int, last: int) -> NDArray[np.int32]:
    total = (chars[first] - np.uint8(48)).astype(np.int32)
    for place in range(first + 1, last):
        total *= 10
        total += chars[place] - np.uint8(48)
    return total


def _numbers(chars: NDArray[np.uint8], form: _Form, where: str) -> tuple[NDArray[np.int64], int, int]:
    """Return nanoseconds since 1970 (NaT where there are none), leap seconds, and years beyond them."""
    total, beyond = _days(chars, form.date, where)
    total *= DAY
    leap = np.zeros(0, bool)
    if form.clock:
        seconds, leap = _seconds(chars, form, where)
        part = np.int64(SECOND) * seconds
        if (count := min(form.end - form.clock - 9, 9)) > 0:
            first = form.clock + 9
            fraction = _number(chars, first, first + count)
            midnight = (seconds == 86400) & ~leap
            if midnight.any() and fraction[midnight].any():
                raise CorruptFile(f"{where}: a time lies after the end of its day at 24:00; get the file again")
            part += np.int64(10 ** (9 - count)) * fraction
        total += part
    lost = beyond if not leap.any() else beyond | leap
    if lost.any():
        total[lost] = np.iinfo(np.int64).min
    return total, int(leap.sum()), int(beyond.sum())


def _days(chars: NDArray[np.uint8], length: int, where: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return days since 1970 and where the year is beyond us; each run of equal dates is looked at once."""
    date = chars[:length]
    starts = np.flatnonzero(np.r_[True, (date[:, 1:] != date[:, :-1]).any(axis=0)])
    first = date[:, starts]
    year = _number(first, 0, 4).astype(np.int64)
    beyond = (year < _FIRST) | (year > _LAST)
    year[beyond] = 1970
    years = (year - 1970).view("M8[Y]")
    if length == 8:
        number = _number(first, 5, 8)
        days = years.astype("M8[D]") + (number - 1)
        wrong = (number < 1) | (days.astype("M8[Y]") != years)
    else:
        month = _number(first, 5, 7) if length > 4 else np.ones(len(starts), np.int32)
        number = _number(first, 8, 10) if length > 8 else np.ones(len(starts), np.int32)
        months = years.astype("M8[M]") + (month - 1)
        days = months.astype("M8[D]") + (number - 1)
        wrong = (month < 1) | (month > 12) | (number < 1) | (days.astype("M8[M]") != months)
    if (wrong & ~beyond).any():
        shown = bytes(first[:, np.argmax(wrong & ~beyond)]).decode("ascii")
        raise CorruptFile(f"{where}: there is no day {shown}; get the file again")
    runs = np.diff(np.r_[starts, chars.shape[1]])
    return np.repeat(days.astype(np.int64), runs), np.repeat(beyond, runs)


def _seconds(chars: NDArray[np.uint8], form: _Form, where: str) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the seconds of the day, and which lie in a leap second."""
    at, digits = form.clock, form.end - form.clock
    hour = _number(chars, at, at + 2)
    minute = _number(chars, at + 3, at + 5) if digits > 2 else np.zeros_like(hour)
    second = _number(chars, at + 6, at + 8) if digits > 5 else np.zeros_like(hour)
    total = hour * 3600 + minute * 60 + second
    leap = second == 60
    wrong = (minute > 59) | (second > 60) | (leap & (total != 86400)) | (~leap & (total > 86400))
    if wrong.any():
        shown = bytes(chars[: form.end, np.argmax(wrong)]).decode("ascii")
        raise CorruptFile(f"{where}: {shown} is no time of a day; get the file again")
    return total, leap


def instant(text: object, where: str) -> np.datetime64:
    """Return one time of the metadata as UTC, the nearest that 64-bit nanoseconds hold where its year is beyond them.

    Examples
    --------
    >>> print(instant("1998-001Z", "info"), instant("9999-12-31Z", "info"))
    1998-01-01T00:00:00.000000000 2262-01-01T00:00:00.000000000
    """
    if not isinstance(text, str) or not text.strip() or not text.isascii():
        raise CorruptFile(f"{where} is {text!r:.60}, no time as HAPI writes it, such as '1998-01-01T00:00:00Z'")
    plain = text.strip().removesuffix("+00:00")
    found = instants(np.array([re.sub(r"[.,](?=Z?$)", "", plain).encode()]), where)
    if found.outside:
        return np.datetime64("2262-01-01" if plain[:4] > "2000" else "1678-01-01", "ns")
    if found.leaps:
        return instants(np.array([plain[:17].encode() + b"59Z"]), where).values[0] + np.timedelta64(1, "s")
    return found.values[0]


def duration(text: object, where: str) -> int:
    """Return the nanoseconds of an ISO 8601 duration; a year counts 365.25 days, a month a twelfth of that.

    Raises
    ------
    CorruptFile
        If it is none, or nothing long.

    Examples
    --------
    >>> duration("PT1M30.5S", "cadence") / 1e9, duration("P1D", "cadence") / 3600e9
    (90.5, 24.0)
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) and len(text) < 60 else None
    parts = {key: value for key, value in (found.groupdict() if found else {}).items() if value is not None}
    if not parts:
        raise CorruptFile(f"{where} is {text!r:.60}, no duration as ISO 8601 writes it, such as 'PT1M'")
    total = sum(_LENGTHS[key] * float(value) for key, value in parts.items() if key != "s")
    whole, _, fraction = parts.get("s", "0").partition(".")
    result = round(total) + int(whole) * SECOND + int(fraction[:9].ljust(9, "0") or 0)
    if not 0 < result < 2**62:
        raise CorruptFile(f"{where} is {text!r:.60}: too short or too long to be one")
    return result

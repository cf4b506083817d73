"""Times as PDS tables spell them: ISO 8601 with months and days or with the day of the year."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["axis", "sounds_like", "utc"]

_DATE = re.compile(r"(\d{4})-(?:(\d{3})|(\d\d)-(\d\d))(?:[T ](\d\d(?::\d\d(?::\d\d(?:\.\d*)?)?)?))?Z?", re.ASCII)
_YEARS = (1678, 2261)  # whole years that nanoseconds in 64 bits reach


def sounds_like(name: str) -> bool:
    """Return whether a column of text under this name may hold UTC.

    Examples
    --------
    >>> sounds_like("time_utc"), sounds_like("local_time"), sounds_like("target")
    (True, False, False)
    """
    other = re.search(r"(^|_)(local|solar|tdb|tt|et|tai|sclk|creation|start|stop|end)($|_)", name)
    return other is None and re.search(r"(^|_)(utc|time|date|epoch|scet)($|_)", name) is not None


def utc(values: NDArray) -> NDArray | None:
    """Return texts as instants, None if they are numbers or if any of them is no date.

    Examples
    --------
    >>> print(utc(np.array(["2004-032T00:00:01.5", "2004-02-01T00:00:02Z"])))
    ['2004-02-01T00:00:01.500000000' '2004-02-01T00:00:02.000000000']
    >>> utc(np.array(["N/A"])) is None
    True
    """
    if values.dtype.kind not in "OUS" or values.ndim != 1 or not values.size:
        return None
    found = np.empty(values.shape, "datetime64[ns]")
    for index, text in enumerate(values.tolist()):
        said = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
        parts = _DATE.fullmatch(said.strip())
        if parts is None or not _YEARS[0] <= int(parts[1]) <= _YEARS[1]:
            return None
        try:
            found[index] = _instant(parts)
        except ValueError:  # month 13, second 60: text that is kept as it is
            return None
    return found


def _instant(parts: re.Match[str]) -> np.datetime64:
    year, day_of_year, month, day, clock = parts.groups()
    if day_of_year is None:
        date = np.datetime64(f"{year}-{month}-{day}", "D")
    else:
        first = np.datetime64(year, "Y")
        date = first.astype("datetime64[D]") + (int(day_of_year) - 1)
        if int(day_of_year) < 1 or date.astype("datetime64[Y]") != first:
            raise ValueError(f"{year} has no day {day_of_year}")
    if clock is None:
        return date
    hours, minutes, seconds = (*clock.split(":"), "0", "0")[:3]
    if int(hours) > 23 or int(minutes) > 59 or float(seconds) >= 60:
        raise ValueError(f"{clock} is no time of day")
    whole, _, fraction = seconds.partition(".")
    nanoseconds = int((fraction + "0" * 9)[:9])
    passed = (int(hours) * 3600 + int(minutes) * 60 + int(whole or 0)) * 10**9 + nanoseconds
    return date.astype("datetime64[ns]") + np.timedelta64(passed, "ns")


def axis(known: Mapping[str, NDArray]) -> tuple[str, NDArray]:
    """Return the first column of instants that never goes back, and the rows where it moves on; "" if none does.

    Examples
    --------
    >>> axis({"utc": np.array(["2004-01-01", "2004-01-01", "2004-01-02"], "datetime64[ns]")})
    ('utc', array([0, 2]))
    """
    for name, when in known.items():
        step = np.diff(when)
        if when.size == 1 or ((step >= np.timedelta64(0)).all() and (step > np.timedelta64(0)).mean() >= 0.5):
            return name, np.flatnonzero(np.concatenate([[True], step > np.timedelta64(0)]))
    return "", np.arange(0)

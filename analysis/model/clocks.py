"""Time scales: whatever a user or a mission gives, UTC as ``datetime64[ns]`` comes out."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeGuard

import numpy as np
import pandas as pd
import xarray as xr

from analysis.errors import BadTime

if TYPE_CHECKING:
    from astropy.time import Time
    from numpy.typing import ArrayLike, NDArray

    Instant: TypeAlias = str | np.datetime64 | dt.datetime | dt.date | pd.Timestamp | xr.DataArray | Time

SCALES = ("utc", "tai", "tt", "tdb", "ut1", "tcg", "tcb")
# Other names of TIMESYS in the FITS standard 4.0, table 30; GPS is TAI less 19 s.
ALIASES = {"tdt": "tt", "et": "tt", "iat": "tai", "ut": "utc", "gmt": "utc", "gps": "tai"}
GPS_BEHIND_TAI = 19.0
LEAP_SLACK = 1e-6  # s before the end of a leap second that are its end, written with too few digits
EXAMPLE = "write ISO 8601 in UTC, for example '2001-03-31T08:00'"
# pandas also guesses "01/04/2001", "08:00" and "now"; only what can be read in one way is let through to it.
_CLOCK = r"(?P<hour>\d\d)(:?(?P<minute>\d\d)(:?(?P<second>\d\d)(?P<fraction>[.,]\d+)?)?)?"
_DAY = r"(?P<day>\d{4}-\d\d-\d\d|\d{8}|(?P<year>\d{4})-?(?P<number>\d{3}))"
_ISO = re.compile(rf"\d{{4}}(-\d\d)?|{_DAY}(?P<rest>[T ]{_CLOCK}( ?(?P<zone>Z|[+-]\d\d(:?\d\d)?))?)?", re.I | re.A)
# Modified Julian Dates of 1678-01-01 and 2262-01-01: 64-bit nanoseconds hold what lies between.
_FIRST, _LAST = -66063, 147238


def utc(instant: Instant, what: str = "time") -> np.datetime64:
    """Return one instant as UTC ``datetime64[ns]``.

    Parameters
    ----------
    instant : str, numpy.datetime64, xarray.DataArray, pandas.Timestamp, datetime, date, astropy.time.Time
        ISO 8601 text that begins with the year (``2001-03-31T08:00``, or by the day of the year
        ``2001-090T08:00``) is UTC unless it carries an offset; ``datetime64`` is UTC, alone or as a DataArray of
        one time; a ``datetime`` or ``Timestamp`` must carry its time zone; an astropy ``Time`` brings its own scale.
    what : str, optional
        Name of the argument, for the message.

    Raises
    ------
    BadTime
        If it cannot be read as an instant, has no time zone, does not fit in 64-bit nanoseconds, or lies in a
        leap second, for which ``datetime64`` has no number.

    Examples
    --------
    >>> print(utc("2001-03-31T08:00+02:00"), utc("2001-090T24:00"))
    2001-03-31T06:00:00.000000000 2001-04-01T00:00:00.000000000
    """
    if isinstance(instant, xr.DataArray | np.ndarray) and np.asarray(instant).dtype.kind == "M":
        if np.ndim(instant):
            raise BadTime(f"{what} holds {np.size(instant)} times, not one; take one of them, for example times[0]")
        instant = np.asarray(instant)[()]
    if isinstance(instant, dt.datetime) and instant.tzinfo is None:
        raise BadTime(
            f"{what}={instant!r} has no time zone; give UTC as text ('{instant.isoformat()}') "
            "or a datetime with tzinfo=datetime.timezone.utc"
        )
    if isinstance(instant, bool | int | float | np.number):
        raise BadTime(f"{what}={instant!r} is a bare number; give an ISO 8601 time such as '2001-03-31T08:00'")
    try:
        if _is_astropy(instant):
            if instant.shape:
                raise ValueError("several times, not one")
            return to_utc(instant).reshape(1)[0]
        stamp = _of_text(instant, what) if isinstance(instant, str) else pd.Timestamp(instant)
        if stamp.tzinfo is not None:
            stamp = stamp.tz_convert("UTC").tz_localize(None)
        result = stamp.as_unit("ns").to_datetime64()
    except BadTime:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise BadTime(f"{what}={instant!r} is not a time between 1678 and 2261; {EXAMPLE}") from error
    if np.isnat(result):
        raise BadTime(f"{what}={instant!r} is not a time; {EXAMPLE}")
    return result


def _of_text(text: str, what: str) -> pd.Timestamp:
    """Return what ISO 8601 text says, by the day of the month or of the year, 24:00 being the end of a day."""
    said = _ISO.fullmatch(text.strip())
    if said is None:
        raise BadTime(f"{what}={text!r} is not ISO 8601 that begins with a year of four digits; {EXAMPLE}")
    if said["second"] == "60":
        raise BadTime(
            f"{what}={text!r} lies in a leap second, for which datetime64 has no number; give a second beside"
        )
    day, rest = said["day"] or said[0], said["rest"] or ""
    if said["number"]:
        first = pd.Timestamp(f"{said['year']}-01-01")
        if not 1 <= int(said["number"]) <= 365 + first.is_leap_year:
            raise BadTime(f"{what}={text!r}: the year {said['year']} has no day {said['number']}; {EXAMPLE}")
        day = f"{first + pd.Timedelta(days=int(said['number']) - 1):%Y-%m-%d}"
    if said["hour"] != "24":
        return pd.Timestamp(day + rest)
    if any(int(digit) for part in ("minute", "second", "fraction") for digit in re.findall(r"\d", said[part] or "")):
        raise BadTime(f"{what}={text!r}: a day ends at 24:00; {EXAMPLE}")
    return pd.Timestamp(f"{day}T00{rest[3:]}") + pd.Timedelta(days=1)


def _is_astropy(instant: object) -> TypeGuard[Time]:
    """Return whether it is an astropy Time, without importing astropy to ask."""
    return any(kind.__module__.startswith("astropy.time") and kind.__name__ == "Time" for kind in type(instant).__mro__)


def span(start: Instant | None, stop: Instant | None) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """Return a half-open interval ``[start, stop)`` in UTC; either end may be left open.

    Raises
    ------
    BadTime
        If an end cannot be read, or ``stop`` is not after ``start``.

    Examples
    --------
    >>> span("2001-03-31", None)[1] is None
    True
    """
    first = None if start is None else utc(start, "start")
    last = None if stop is None else utc(stop, "stop")
    if first is not None and last is not None and last <= first:
        raise BadTime(f"stop={stop!s} is not after start={start!s}; the interval is [start, stop) in UTC")
    return first, last


def to_utc(times: Time) -> NDArray[np.datetime64]:
    """Return astropy times of any scale as UTC ``datetime64[ns]``, leap seconds counted.

    Raises
    ------
    BadTime
        If a time is masked, does not fit in 64-bit nanoseconds, has no UTC, or lies in a leap second.

    Examples
    --------
    >>> from astropy.time import Time
    >>> print(to_utc(Time("2017-01-01T00:01:09.184", scale="tt")))
    2017-01-01T00:00:00.000000000
    """
    from astropy.time import ScaleValueError

    if np.any(times.mask):
        raise BadTime(f"{int(np.sum(times.mask))} of the times are masked; leave them out: times[~times.mask]")
    with tables_held():
        try:
            in_utc = times.utc
        except ScaleValueError as error:
            raise BadTime(f"times in the scale {times.scale!r} have no UTC; give one of {', '.join(SCALES)}") from error
        except (ValueError, IndexError) as error:  # UT1 where the Earth's rotation was not measured or foretold
            raise BadTime(f"times in the scale {times.scale!r} cannot be brought to UTC: {error}") from error
        days = np.asarray(in_utc.mjd)  # astropy would wrap what lies outside, without a word
        if np.any((days < _FIRST) | (days >= _LAST)):
            raise BadTime(f"times from {in_utc.min().isot} to {in_utc.max().isot} are not all between 1678 and 2261")
        try:
            return _nanoseconds(in_utc)
        except ValueError as error:
            raise BadTime(f"a time lies in a leap second, for which datetime64 has no number ({error})") from error


def _nanoseconds(in_utc: Time) -> NDArray[np.datetime64]:
    """Times of UTC as numbers: on days of 86,400 s at once, on others by way of astropy's text, which is far slower."""
    import erfa  # type: ignore[import-untyped]

    begun = in_utc.jd1 - 2400000.5
    part = (begun - np.floor(begun)) + in_utc.jd2  # small, so that nothing of it is rounded off
    day = np.floor(begun) + np.floor(part)
    since = np.rint((part - np.floor(part)) * 86400e9)
    table = erfa.leap_seconds.get()
    longer = [np.datetime64(f"{year}-{month:02d}", "D").astype(int) + 40586 for year, month in table[["year", "month"]]]
    odd = (day < 41317) | np.isin(day, longer)  # before 1972 seconds of UTC were longer
    found = np.asarray((day - 40587).astype("datetime64[D]").astype("datetime64[ns]") + since.astype("timedelta64[ns]"))
    if odd.any():
        those = in_utc[odd] if in_utc.shape else in_utc
        try:
            plain = those.datetime64
        except ValueError:
            plain = _at_its_end(those).datetime64
        found[odd] = plain.astype("datetime64[ns]")
    return found


def _at_its_end(in_utc: Time) -> Time:
    """Times with those in the last microsecond of a leap second moved to its end.

    References of clocks are written with so many digits: MJDREFF = 0.00080074074 is 64 ns before midnight.
    """
    from astropy.time import TimeDelta

    second = np.asarray(in_utc.ymdhms["second"], dtype=float)
    return in_utc + TimeDelta(np.where(second >= 61 - LEAP_SLACK, 61 - second, 0.0), format="sec")


@contextlib.contextmanager
def tables_held() -> Iterator[None]:
    """Let astropy convert times by the tables that it ships: newer ones it would bring past our door to the network.

    Its warning of years whose leap seconds are not known is left out: before 1960 there are none, and after the last
    announced one none is assumed, since nobody can know.

    Examples
    --------
    >>> from astropy.time import Time
    >>> with tables_held():
    ...     print(Time("2040-01-01T00:00:37", scale="tai").utc.isot)
    2040-01-01T00:00:00.000
    """
    from astropy.utils import iers

    with warnings.catch_warnings(), iers.conf.set_temp("auto_download", False):
        warnings.filterwarnings("ignore", ".*dubious year.*")
        warnings.filterwarnings("ignore", category=iers.IERSStaleWarning)
        yield


def utc_of_clock(
    seconds: ArrayLike,
    *,
    mjdref: float,
    mjdref_fraction: float = 0.0,
    timesys: str = "tt",
    counts: Literal["s", "d"] = "s",
) -> NDArray[np.datetime64]:
    """Return mission-clock seconds as UTC.

    Parameters
    ----------
    seconds : array_like of float
        Seconds since the reference, TIMEZERO already added.
    mjdref, mjdref_fraction : float
        The reference as Modified Julian Date in days (OGIP ``MJDREF``, or ``MJDREFI`` and ``MJDREFF``).
    timesys : str
        Time scale of the clock: TT, TDB, TAI, UTC … (OGIP ``TIMESYS``), in any letter case; also the other
        names of FITS (TDT, ET, IAT, UT, GMT, GPS), and a realization after it: ``UTC(NIST)``.
    counts : {"s", "d"}, optional
        What ``seconds`` counts. Days of UTC ("d") are calendar days, one of which is a second longer where a
        leap second ends it, as in a Modified Julian Date.

    Returns
    -------
    numpy.ndarray of datetime64[ns]
        Same shape as ``seconds``.

    Raises
    ------
    BadTime
        If the time scale is unknown.

    References
    ----------
    OGIP/93-003, Angelini et al. (1994), *The Proposed Timing FITS File Format*; FITS standard 4.0, table 30.

    Examples
    --------
    >>> print(utc_of_clock(0.0, mjdref=50814.0, timesys="TT"))  # Chandra's epoch, 1998.0 TT
    1997-12-31T23:58:56.816000000
    """
    return to_utc(clock_instants(seconds, mjdref, mjdref_fraction, timesys, counts))


def clock_instants(
    seconds: ArrayLike, mjdref: float, mjdref_fraction: float, timesys: str, counts: Literal["s", "d"] = "s"
) -> Time:
    """Return mission-clock seconds as astropy times in the clock's own scale; arguments as :func:`utc_of_clock`.

    Raises
    ------
    BadTime
        If the time scale is unknown.

    Examples
    --------
    >>> clock_instants(0.0, 44244, 0.0, "GPS").utc.iso  # where GPS starts to count
    '1980-01-06 00:00:00.000'
    """
    from astropy.time import Time, TimeDelta

    said = str(timesys).strip().lower().partition("(")[0].strip()
    scale = ALIASES.get(said, said)
    if scale not in SCALES:
        known = ", ".join(s.upper() for s in (*SCALES, *ALIASES))
        raise BadTime(f"time scale {timesys!r} is unknown; known are {known}")
    count = np.asarray(seconds, dtype=float)
    if counts == "d":
        instants = Time(mjdref, mjdref_fraction + count, format="mjd", scale=scale)
    else:
        instants = Time(mjdref, mjdref_fraction, format="mjd", scale=scale) + TimeDelta(count, format="sec")
    return instants + TimeDelta(GPS_BEHIND_TAI, format="sec") if said == "gps" else instants

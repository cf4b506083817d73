"""Time scales: whatever a user or a mission gives, UTC as ``datetime64[ns]`` comes out."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import numpy as np
import pandas as pd

from analysis.errors import BadTime

if TYPE_CHECKING:
    from astropy.time import Time
    from numpy.typing import ArrayLike, NDArray

    Instant: TypeAlias = str | np.datetime64 | dt.datetime | dt.date | pd.Timestamp | Time

SCALES = ("utc", "tai", "tt", "tdb", "ut1", "tcg", "tcb")


def utc(instant: Instant, what: str = "time") -> np.datetime64:
    """Return one instant as UTC ``datetime64[ns]``.

    Parameters
    ----------
    instant : str, numpy.datetime64, pandas.Timestamp, datetime.datetime, datetime.date, astropy.time.Time
        ISO 8601 text is UTC unless it carries an offset; ``datetime64`` is UTC; a ``datetime`` or
        ``Timestamp`` must carry its time zone; an astropy ``Time`` brings its own scale.
    what : str, optional
        Name of the argument, for the message.

    Raises
    ------
    BadTime
        If it cannot be read as an instant, has no time zone, or does not fit in 64-bit nanoseconds.

    Examples
    --------
    >>> print(utc("2001-03-31T08:00+02:00"))
    2001-03-31T06:00:00.000000000
    """
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
        stamp = pd.Timestamp(instant)
        if stamp.tzinfo is not None:
            stamp = stamp.tz_convert("UTC").tz_localize(None)
        result = stamp.as_unit("ns").to_datetime64()
    except (ValueError, TypeError, OverflowError) as error:
        raise BadTime(
            f"{what}={instant!r} is not a time between 1678 and 2261; "
            "write ISO 8601 in UTC, for example '2001-03-31T08:00'"
        ) from error
    if np.isnat(result):
        raise BadTime(f"{what}={instant!r} is not a time; write ISO 8601 in UTC, for example '2001-03-31T08:00'")
    return result


def _is_astropy(instant: object) -> TypeGuard[Time]:
    """Return whether it is an astropy Time, without importing astropy to ask."""
    return type(instant).__module__.startswith("astropy.")


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

    Examples
    --------
    >>> from astropy.time import Time
    >>> print(to_utc(Time("2017-01-01T00:01:09.184", scale="tt")))
    2017-01-01T00:00:00.000000000
    """
    return np.asarray(times.utc.datetime64, dtype="datetime64[ns]")


def utc_of_clock(
    seconds: ArrayLike, *, mjdref: float, mjdref_fraction: float = 0.0, timesys: str = "tt"
) -> NDArray[np.datetime64]:
    """Return mission-clock seconds as UTC.

    Parameters
    ----------
    seconds : array_like of float
        Seconds since the reference, TIMEZERO already added.
    mjdref, mjdref_fraction : float
        The reference as Modified Julian Date in days (OGIP ``MJDREF``, or ``MJDREFI`` and ``MJDREFF``).
    timesys : str
        Time scale of the clock: TT, TDB, TAI, UTC … (OGIP ``TIMESYS``), in any letter case.

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
    OGIP/93-003, Angelini et al. (1994), *The Proposed Timing FITS File Format*.

    Examples
    --------
    >>> print(utc_of_clock(0.0, mjdref=50814.0, timesys="TT"))  # Chandra's epoch, 1998.0 TT
    1997-12-31T23:58:56.816000000
    """
    from astropy.time import Time, TimeDelta

    scale = str(timesys).strip().lower()
    if scale not in SCALES:
        raise BadTime(f"time scale {timesys!r} is unknown; known are {', '.join(s.upper() for s in SCALES)}")
    reference = Time(mjdref, mjdref_fraction, format="mjd", scale=scale)
    return to_utc(reference + TimeDelta(np.asarray(seconds, dtype=float), format="sec"))

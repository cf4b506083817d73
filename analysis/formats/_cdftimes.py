"""The time axes of a CDF file: three kinds of epoch to UTC, and which records can be kept in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.errors import WrongData
from analysis.formats._facts import Notes

if TYPE_CHECKING:
    from analysis.formats._cdfaxes import Variable

SECONDS_TO_1970 = 62_167_219_200.0  # from year 0, where CDF_EPOCH and CDF_EPOCH16 begin
SECONDS_OF_64_BITS = 9.2233e9  # nanoseconds in 64 bits reach so far on either side of 1970
TT2000_RANGE = (
    -9_220_000_000_000_000_000,
    8_276_000_000_000_000_000,
)  # beyond: fills, pads, more than 64 bits


@dataclass(frozen=True)
class Rows:
    """A time axis: its UTC times, and which records of the file they are (None: all, in the file's order)."""

    times: NDArray[np.datetime64]
    chosen: NDArray[np.intp] | None


def utc_times(values: NDArray) -> NDArray[np.datetime64]:
    """Return epochs of any of the three kinds, or seconds since 1970, as UTC; NaT where they are fills or no date.

    Parameters
    ----------
    values : numpy.ndarray
        As pycdfpp gives them; floats are seconds since 1970.

    Returns
    -------
    numpy.ndarray of datetime64[ns]
        Same shape. Leap seconds are counted; within one, the time is that of the second after it.
    """
    import pycdfpp

    if values.dtype.kind == "f":
        return _of_unix(values.astype(float))
    values = np.ascontiguousarray(values)
    names = values.dtype.names or ()
    if "nseconds" in names:
        raw = values["nseconds"]
        valid = (raw > TT2000_RANGE[0]) & (raw < TT2000_RANGE[1])
    else:
        seconds = values["mseconds"] / 1e3 if "mseconds" in names else values["seconds"]
        valid = np.abs(seconds - SECONDS_TO_1970) < SECONDS_OF_64_BITS
    times = np.asarray(pycdfpp.to_datetime64(values)).astype("datetime64[ns]", copy=False).reshape(values.shape)
    return times if valid.all() else np.where(valid, times, np.datetime64("NaT", "ns"))


def _of_unix(seconds: NDArray[np.float64]) -> NDArray[np.datetime64]:
    valid = np.abs(seconds) < SECONDS_OF_64_BITS
    whole, part = np.divmod(np.where(valid, seconds, 0.0), 1.0)
    ticks = whole.astype("i8") * 1_000_000_000 + np.round(part * 1e9).astype("i8")
    return np.where(valid, ticks.view("datetime64[ns]"), np.datetime64("NaT", "ns"))


def rows_of(clock: Variable, members: Sequence[Variable], notes: Notes, *, sort: bool) -> Rows:
    """Return the records of a time axis that can be kept, strictly increasing in time.

    Parameters
    ----------
    clock : Variable
        The epoch.
    members : sequence of Variable
        All that stand on it, to tell exact duplicates from records that only share a time.
    notes : Notes
        What is dropped is said here.
    sort : bool
        Whether records out of order may be sorted.

    Raises
    ------
    WrongData
        If records are out of order and may not be sorted, or several different ones have the same time.
    """
    values = clock.read()
    if values.ndim != 1:
        raise WrongData(f"{notes.file}: the time axis {clock.name} has the shape {values.shape}, not one time a record")
    times = utc_times(values)
    if bool((times[1:] > times[:-1]).all()) and not np.isnat(times[:1]).any():
        return Rows(times, None)
    chosen = np.flatnonzero(~np.isnat(times))
    if chosen.size < times.size:
        notes.line(f"{times.size - chosen.size} records of {clock.name} without a valid time dropped")
    chosen = _without_leap_seconds(clock, values, times, chosen, notes)
    back = np.flatnonzero(times[chosen][1:] < times[chosen][:-1])
    if back.size:
        if not sort:
            first, second = times[chosen[back[0]]], times[chosen[back[0] + 1]]
            raise WrongData(
                f"{notes.file}: time runs backwards in {clock.name}, at {back.size} places, first from {first} "
                f"to {second}; give assume={{'sort': 'yes'}} to sort the records"
            )
        chosen = chosen[np.argsort(times[chosen], kind="stable")]
        notes.line(f"records of {clock.name} sorted by time, as asked: {back.size} ran backwards")
    chosen = _without_duplicates(clock, times, chosen, members, notes)
    return Rows(times[chosen], chosen)


def _without_leap_seconds(
    clock: Variable, values: NDArray, times: NDArray, chosen: NDArray[np.intp], notes: Notes
) -> NDArray[np.intp]:
    """Drop records inside a leap second, for which UTC as datetime64 has no name of its own."""
    if "nseconds" not in (values.dtype.names or ()) or chosen.size < 2:
        return chosen
    ticks, utc = values["nseconds"][chosen], times[chosen]
    if not (ticks[1:] > ticks[:-1]).all():
        return chosen
    later = np.minimum.accumulate(utc[::-1])[::-1]
    inside = np.append(utc[:-1] >= later[1:], False)
    if inside.any():
        notes.line(f"{inside.sum()} records of {clock.name} inside a leap second dropped")
    return chosen[~inside]


def _without_duplicates(
    clock: Variable, times: NDArray, chosen: NDArray[np.intp], members: Sequence[Variable], notes: Notes
) -> NDArray[np.intp]:
    again = np.flatnonzero(times[chosen][1:] == times[chosen][:-1])
    if not again.size:
        return chosen
    earlier, later = chosen[again], chosen[again + 1]
    for member in members:
        values = member.read()
        if values[earlier].tobytes() != values[later].tobytes():
            raise WrongData(
                f"{notes.file}: {again.size} records of {clock.name} have the time of the one before, "
                f"first {times[earlier[0]]}, but other values of {member.name}; one of each pair must be chosen"
            )
    notes.line(f"{again.size} exact duplicates of records of {clock.name} dropped")
    return np.delete(chosen, again + 1)

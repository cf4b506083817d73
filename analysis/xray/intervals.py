"""Clocks, good time intervals, and the error of a count."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypedDict

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import in_units

ZERO_COUNTS = 1.8410  # the one-sided 1σ upper limit where nothing was counted, -ln(1 - 0.8413) (Gehrels 1986)


class Clock(TypedDict):
    """What dates mission seconds: whole days and fraction of the reference, and its time scale."""

    mjdref: float
    mjdref_fraction: float
    timesys: str


def clock_of(listed: xr.Dataset) -> Clock:
    """Return what dates the times of an event list.

    Raises
    ------
    WrongData
        If the list does not say it.
    """
    known = {**listed.attrs, **listed["time"].attrs}
    if "mjdref" not in known or "timesys" not in known:
        raise WrongData("the events say no mjdref or timesys, so their times cannot be dated")
    whole, fraction = known.get("mjdref_int", known["mjdref"]), known.get("mjdref_frac", 0.0)
    return {"mjdref": float(whole), "mjdref_fraction": float(fraction), "timesys": str(known["timesys"])}


def poisson_error(counts: np.ndarray | int) -> np.ndarray:
    """Return √N, and 1.84 where N is 0: an error of zero would say that it was certain.

    Examples
    --------
    >>> poisson_error(np.array([0, 4])).tolist()
    [1.841, 2.0]
    """
    n = np.asarray(counts, dtype=float)
    return np.where(n > 0, np.sqrt(n), ZERO_COUNTS)


def merged(gti: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and stops in s of the good time intervals, in order, those that overlap joined.

    Several detectors may have lists of their own: their union is when anything could be seen.

    Raises
    ------
    WrongData
        If there is none, or one ends before it starts.

    Examples
    --------
    >>> s = {"units": "s", "long_name": "Time"}
    >>> start, stop = ("interval", [5.0, 0.0, 1.0], s), ("interval", [6.0, 2.0, 3.0], s)
    >>> gti = xr.Dataset({"start": start, "stop": stop})
    >>> [found.tolist() for found in merged(gti)]
    [[0.0, 5.0], [3.0, 6.0]]
    """
    start, stop = (in_units(gti[name], "s").values.astype(float).ravel() for name in ("start", "stop"))
    if not start.size or not (stop >= start).all():
        raise WrongData(f"good time intervals must end after they start; there are {start.size}")
    order = np.argsort(start, kind="stable")
    start, stop = start[order], np.maximum.accumulate(stop[order])
    begins = np.append(True, start[1:] > stop[:-1])
    return start[begins], stop[np.append(begins[1:], True)]


def live_fraction(attrs: Mapping[Hashable, Any]) -> float | None:
    """Return the part of the good time in which the detector was live, as an event list's header says it.

    Chandra's DTCOR, DEADC of OGIP, or LIVETIME over ONTIME; None where the header says none of them.

    Examples
    --------
    >>> live_fraction({"dtcor": 0.9}), live_fraction({"livetime": 80.0, "ontime": 100.0}), live_fraction({})
    (0.9, 0.8, None)
    """
    told = [float(attrs[key]) for key in ("dtcor", "deadc") if key in attrs]
    if not told and {"livetime", "ontime"} <= set(attrs) and float(attrs["ontime"]) > 0:
        told = [float(attrs["livetime"]) / float(attrs["ontime"])]
    return told[0] if told and 0 < told[0] <= 1 else None


def good_time(gti: xr.Dataset) -> float:
    """Return the seconds in which anything could be seen.

    Raises
    ------
    WrongData
        If they are none.
    """
    start, stop = merged(gti)
    total = float((stop - start).sum())
    if total <= 0:
        raise WrongData("the good time intervals last 0 s; there is nothing to divide by")
    return total


def inside(gti: xr.Dataset, times: np.ndarray) -> np.ndarray:
    """Return which times lie in a good time interval, its two ends included."""
    start, stop = merged(gti)
    index = np.searchsorted(start, times, side="right") - 1
    return (index >= 0) & (times <= stop[np.maximum(index, 0)])


def usual_bin(gti: xr.Dataset) -> float:
    """Return a length in s that makes about a hundred bins of an observation: 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> s = {"units": "s", "long_name": "Time"}
    >>> usual_bin(xr.Dataset({"start": ("interval", [0.0], s), "stop": ("interval", [945.0], s)}))
    10.0
    """
    start, stop = merged(gti)
    wanted = max(float(stop[-1] - start[0]) / 100, 1e-6)
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(power * min((1, 2, 5, 10), key=lambda step: abs(np.log(step * power / wanted))))

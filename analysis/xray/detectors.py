"""When each detector saw: an event belongs to the good times of its own chip or telescope, not to their union.

Chandra's and XMM's chips and eROSITA's telescopes have good time intervals of their own (node ``gti_sets``). Where
they differ, a rate over several of them is Σ N_d / T_d, so its exposure is the mean of their good times, each
weighed with its detector's rate N_d / T_d.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import OutsideCoverage
from analysis.model import in_units
from analysis.xray.counting import LONG, in_order
from analysis.xray.inputs import node
from analysis.xray.intervals import merged

COLUMNS = ("ccd_id", "ccdnr", "tm_nr")  # Chandra, XMM-Newton, eROSITA

Edges = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class GoodTimes:
    """Good times of each detector, or of all together where ``column`` is empty; ``note`` is for history."""

    column: str
    sets: dict[int, Edges]
    note: str


def good_times_of(tree: xr.DataTree, listed: xr.Dataset, gti: xr.Dataset) -> GoodTimes:
    """Return the good times of an event tree, detector by detector where the file and its events tell them apart.

    A detector is good when its own set of each family, every set that holds for all, and ``gti`` are.
    """
    whole = merged(gti)
    nodes = [n for n in tree.subtree if n.name == "gti_sets" and n.has_data]
    if len(nodes) != 1 or not {"start", "stop", "set", "detector"} <= set(map(str, nodes[0].variables)):
        return GoodTimes("", {-1: whole}, "")
    held = nodes[0].to_dataset(inherit=False)
    numbers = held["detector"].values
    single = sorted({int(d) for d in numbers[numbers >= 0]})
    if not single:
        return GoodTimes("", {-1: whole}, "")
    column = next((name for name in COLUMNS if name in listed.variables), "")
    present = set(np.unique(listed[column].values).tolist()) if column else set()
    if not column or (present and not present & set(single)):
        return GoodTimes(
            "", {-1: whole}, "; which detector saw an event is not told, so any detector's good times count"
        )
    general = _families(held.isel(interval=np.flatnonzero(numbers < 0)), by_set=True)
    own = {d: _families(held.isel(interval=np.flatnonzero(numbers == d)), by_set=False) for d in single}
    kinds = {kind for families in own.values() for kind in families}
    sets = {}
    for detector, families in own.items():
        edges = whole
        for part in (*general.values(), *(families.get(kind, (np.empty(0), np.empty(0))) for kind in kinds)):
            edges = overlap(edges, part)
        sets[detector] = edges
    first = next(iter(sets.values()))
    if present <= set(single) and all(
        np.array_equal(a, b) for s in sets.values() for a, b in zip(s, first, strict=True)
    ):
        return GoodTimes("", {-1: first}, "")
    return GoodTimes(column, sets, f"; each {column} by its own good times, exposure their mean weighed by rate")


def _families(held: xr.Dataset, *, by_set: bool) -> dict[str, Edges]:
    """Return intervals by the kind of their set: GTI3 and GTI7 are one kind, STDGTI03 another."""
    labels = np.array([str(label) for label in held["set"].values], dtype=object)
    kinds = (
        labels if by_set else np.array([re.sub(r"(_?\d+)?(\[\d+\])?$", "", label) for label in labels], dtype=object)
    )
    return {kind: merged(held.isel(interval=np.flatnonzero(kinds == kind))) for kind in dict.fromkeys(kinds)}


def overlap(one: Edges, other: Edges) -> Edges:
    """Return when both of two sets of intervals, each in order and disjoint, are open.

    Examples
    --------
    >>> a, b = (np.array([0.0, 5]), np.array([2.0, 9])), (np.array([1.0]), np.array([6.0]))
    >>> [edges.tolist() for edges in overlap(a, b)]
    [[1.0, 5.0], [2.0, 6.0]]
    """
    if not one[0].size or not other[0].size:
        return np.empty(0), np.empty(0)
    first = np.searchsorted(other[1], one[0], side="right")
    last = np.searchsorted(other[0], one[1], side="left")
    number = np.maximum(last - first, 0)
    mine = np.repeat(np.arange(one[0].size), number)
    theirs = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(first, number)
    start, stop = np.maximum(one[0][mine], other[0][theirs]), np.minimum(one[1][mine], other[1][theirs])
    return start[stop > start], stop[stop > start]


def good_events(good: GoodTimes, listed: xr.Dataset) -> np.ndarray:
    """Return which events lie in the good times of their own detector, ends included."""
    times = in_units(listed["time"], "s").values
    if not good.column:
        return _inside(good.sets[-1], times)
    number, found = listed[good.column].values, np.zeros(times.size, dtype=bool)
    for detector, edges in good.sets.items():
        mine = np.flatnonzero(number == detector)
        found[mine] = _inside(edges, times[mine])
    return found


def seconds_between(good: GoodTimes, listed: xr.Dataset, chosen: np.ndarray | None, edges: np.ndarray) -> np.ndarray:
    """Return the good seconds between neighbouring edges, of several detectors the mean weighed by their rates.

    ``chosen`` are the events counted (mask; None: all); without any, each detector weighs the same.
    """
    if not good.column:
        return _elapsed(good.sets[-1], edges)
    weight = {d: 0.0 for d in good.sets}
    number = listed[good.column].values if chosen is None else listed[good.column].values[chosen]
    for detector, (start, stop) in good.sets.items():
        if (total := float((stop - start).sum())) > 0:
            weight[detector] = np.count_nonzero(number == detector) / total
    if not sum(weight.values()):
        weight = {d: 1.0 for d in good.sets}
    parts = [w * _elapsed(good.sets[d], edges) for d, w in weight.items() if w > 0]
    return np.sum(parts, axis=0) / sum(weight.values())


def good_seconds(good: GoodTimes, listed: xr.Dataset, chosen: np.ndarray | None) -> float:
    """Return the good seconds altogether, by the rule of :func:`seconds_between`.

    Raises
    ------
    OutsideCoverage
        If there are none.
    """
    starts = [s for s, _ in good.sets.values() if s.size]
    if not starts:
        raise OutsideCoverage("no detector has any good time left; there is nothing to divide by")
    span = [min(s[0] for s in starts), max(s[-1] for _, s in good.sets.values() if s.size)]
    total = float(seconds_between(good, listed, chosen, np.array(span))[0])
    if total <= 0:
        raise OutsideCoverage("the good time intervals last 0 s; there is nothing to divide by")
    return total


def _elapsed(intervals: Edges, edges: np.ndarray) -> np.ndarray:
    start, stop = intervals
    if not start.size:
        return np.zeros(edges.size - 1)
    elapsed = np.column_stack((np.zeros_like(start), stop - start)).ravel().cumsum()
    return np.diff(np.interp(edges, np.column_stack(intervals).ravel(), elapsed))


def _inside(intervals: Edges, times: np.ndarray) -> np.ndarray:
    start, stop = intervals
    if not start.size:
        return np.zeros(times.size, dtype=bool)
    if times.size >= LONG and in_order(times):  # a few searches instead of one for each event
        found = np.zeros(times.size, dtype=bool)
        ends = (np.searchsorted(times, start, side="left"), np.searchsorted(times, stop, side="right"))
        for first, last in zip(*(end.tolist() for end in ends), strict=True):
            found[first:last] = True
        return found
    index = np.searchsorted(start, times, side="right") - 1
    return (index >= 0) & (times <= stop[np.maximum(index, 0)])


def cut_sets(tree: xr.DataTree, detectors: set[int] | None, column: str) -> dict[str, xr.Dataset]:
    """Return the node ``gti_sets`` with only the sets of these detectors of a column, if it tells them apart."""
    nodes = [n for n in tree.subtree if n.name == "gti_sets" and n.has_data]
    if detectors is None or column not in COLUMNS or len(nodes) != 1 or "detector" not in nodes[0].variables:
        return {}
    held = node(tree, "gti_sets", "selected")
    numbers = held["detector"].values
    kept = (numbers < 0) | np.isin(numbers, list(detectors))
    return {} if kept.all() or not (kept & (numbers >= 0)).any() else {"gti_sets": held.isel(interval=kept)}

"""A range of time of a list that is in order: found by two searches, counted from sums up to some of its events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from analysis.model import in_units
from analysis.xray.counting import THREADS, in_order, native

SHORT = 200_000  # events that one thread counts
NONE = np.empty(0)
LISTED = {"time": "s", "x": "pix", "y": "pix", "value": "1", "column": "1"}  # what of the list is held, and its unit


def own_columns(listed: xr.Dataset, *, channels: bool, column: str | None) -> dict[str, Any]:
    """Return a list's own columns as variables of an index, if it is in order of time; see listed_variables."""
    moment = native(in_units(listed["time"], "s").values)
    if not in_order(moment):
        return {}
    value = listed["pi"].values if channels else in_units(listed["energy"], "keV").values
    names = {"x": listed["x"].values, "y": listed["y"].values, "value": value}
    if column is not None:
        names["column"] = listed[column].values
    return listed_variables({"time": moment, **{name: native(part) for name, part in names.items()}}, listed)


def listed_variables(columns: dict[str, np.ndarray], listed: xr.Dataset) -> dict[str, Any]:
    """Return the list's own columns as variables of an index; none where they would have to be copied."""
    theirs = [variable.values for variable in listed.variables.values()]
    if not all(any(np.shares_memory(part, one) for one in theirs) for part in columns.values()):
        return {}
    return {
        f"list_{name}": (("list_event",), part, {"units": LISTED[name], "long_name": f"The list's own {name}"})
        for name, part in columns.items()
    }


def counted_in_order(held: dict[str, np.ndarray], n0: int, n1: int, *, image: bool, bins: bool) -> list[Any]:
    """Return total, histograms with a bin more each, and image of the good events [n0, n1) of the list."""
    from analysis.xray import _kernels_events as kernels

    edges = {"curve": held["time_edge"], "spectrum": held["spectrum_edge"], "histogram": held.get("column_edge", NONE)}
    plane = held["image_x"], held["image_y"]
    shape = (plane[1].size - 1, plane[0].size - 1) if image else (0, 0)
    starts, stops = held["good_start"], held["good_stop"]

    def part(ends: tuple[int, int]) -> list[Any]:
        cut = slice(*ends)
        time = held["list_time"][cut]
        at = np.searchsorted(starts, [time[0], time[-1]], side="right") - 1
        chosen = np.empty(0, bool)  # all of them
        if at[0] != at[1] or at[0] < 0 or time[-1] > stops[at[1]]:
            at = np.searchsorted(starts, time, side="right") - 1
            chosen = (at >= 0) & (time <= stops[np.maximum(at, 0)])
        total = int(np.count_nonzero(chosen)) if chosen.size else time.size
        made = [np.zeros(ends.size - 1 if bins and ends.size else 0, np.int64) for ends in edges.values()]
        pixels = np.zeros(shape, np.int32)
        x, y, value = (held[f"list_{name}"][cut] for name in ("x", "y", "value"))
        if bins or image:
            kernels.histograms(
                0, time.size, chosen, x, y, time, NONE, value, 0.0, 0.0, *plane, edges["curve"], edges["spectrum"],
                pixels, made[0], made[1],
            )  # fmt: skip
        if made[2].size:
            column = held["list_column"][cut]
            column = column[chosen] if chosen.size else column
            column = column[np.isfinite(column)] if column.dtype.kind == "f" else column
            made[2] += np.histogram(column, edges["histogram"])[0]
        return [total, *(np.append(one, total - one.sum()) if one.size else one for one in made), pixels]

    if n1 <= n0:
        sizes = [ends.size if bins else 0 for ends in edges.values()]
        return [0, *(np.zeros(size, np.int64) for size in sizes), np.zeros(shape, np.int32)]
    if n1 - n0 <= SHORT:
        return part((n0, n1))
    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(part, pairwise(np.linspace(n0, n1, THREADS + 1).astype(int).tolist())))
    return [sum(one[k] for one in parts) for k in range(5)]


def chosen_in_order(held: dict[str, np.ndarray], seconds: tuple[float, float], *, image: bool, bins: bool) -> list[Any]:
    """Return total, histograms with a bin more each, and image of the good events in a range of time."""
    n0, n1 = (int(n) for n in np.searchsorted(held["list_time"], seconds))
    found = _summed(held, n0, n1, "block", ("curve", "spectrum", "histogram"), image=False, bins=bins)
    if image:
        found[4] = _summed(held, n0, n1, "image_block", ("image",), image=True, bins=False)[4]
    return found


def _summed(
    held: dict[str, np.ndarray], n0: int, n1: int, kind: str, names: tuple[str, ...], *, image: bool, bins: bool
) -> list[Any]:
    """The difference of two sums, and the events between them and the ends."""
    firsts = held.get(f"{kind}_first", np.empty(0, np.int64))
    i, j = int(np.searchsorted(firsts, n0)), int(np.searchsorted(firsts, n1, side="right")) - 1
    if i >= j:
        return counted_in_order(held, n0, n1, image=image, bins=bins)
    ends = [(n0, int(firsts[i])), (int(firsts[j]), n1)]
    parts = [counted_in_order(held, *pair, image=image, bins=bins) for pair in ends]
    sums = [held[f"block_{name}"] for name in names if f"block_{name}" in held]
    differences = [(part[j] - part[i]).astype(np.int64) for part in sums]
    if image:
        return [0, *parts[0][1:4], differences[0] + parts[0][4] + parts[1][4]]
    total = int(differences[0].sum()) + parts[0][0] + parts[1][0]
    if not bins:
        return [total, *parts[0][1:]]
    differences += [np.zeros(0, np.int64)] * (3 - len(differences))
    rest = [one + two + three for one, two, three in zip(differences, parts[0][1:4], parts[1][1:4], strict=True)]
    return [total, *rest, parts[0][4]]

"""Event trees cut to intervals of time: the events, every node of good times, and the exposure with them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import OutsideCoverage
from analysis.model import check, history_with, in_units
from analysis.xray.detectors import good_seconds, good_times_of, overlap
from analysis.xray.inputs import events_and_gti, node, with_nodes
from analysis.xray.intervals import live_fraction, merged

TIMES_OF_LIST = ("exposure", "livetime", "ontime", "tstart", "tstop", "date_obs", "date_end")


def cut_to(events: xr.DataTree, edges: tuple[np.ndarray, np.ndarray], step: str, *, closed: bool) -> xr.DataTree:
    """Return an event tree cut to intervals of mission seconds: events, good times, exposure.

    Raises
    ------
    OutsideCoverage
        If no good time is left.
    """
    listed, gti = events_and_gti(events, "cutting good times")
    times = in_units(listed["time"], "s").values
    index = np.searchsorted(edges[0], times, side="right") - 1
    until = edges[1][np.maximum(index, 0)]
    kept = (index >= 0) & ((times <= until) if closed else (times < until))
    left = overlap(merged(gti), edges)
    if not left[0].size:
        raise OutsideCoverage(
            f"no good time interval is left: the list's are {said(gti)}, asked for are {len(edges[0])} from "
            f"{edges[0][0]:.1f} to {edges[1][-1]:.1f} s"
        )
    nodes = {"gti": _again(gti, *left, f"cut: {step}")}
    if any(n.name == "gti_sets" and n.has_data for n in events.subtree):
        nodes["gti_sets"] = _cut_sets(node(events, "gti_sets", "cutting good times"), edges, f"cut: {step}")
    cut = listed.isel(event=np.flatnonzero(kept))
    note = f"{step}, {int(kept.sum())} of {kept.size} events"
    cut.attrs = _exposure_attrs(with_nodes(events, {**nodes, "events": cut}), listed)
    if "exposure" in listed.attrs and "exposure" not in cut.attrs:
        note += "; the header's exposure no longer fits and is taken out, the fraction of dead time is not known"
    cut.attrs["history"] = history_with(listed, note)
    nodes["events"] = check(cut)
    return with_nodes(events, nodes)


def _exposure_attrs(tree: xr.DataTree, before: xr.Dataset) -> dict:
    """The attributes of a list after its good times were cut; the fraction of dead time kept."""
    listed, gti = events_and_gti(tree, "cutting good times")
    attrs = {key: value for key, value in before.attrs.items() if key not in TIMES_OF_LIST}
    if not {"exposure", "livetime", "ontime"} & set(before.attrs):
        return attrs
    good = good_times_of(tree, listed, gti)
    seconds = good_seconds(good, listed, np.ones(listed.sizes["event"], bool) if good.column else None)
    attrs["ontime"] = seconds
    if (live := live_fraction(before.attrs)) is not None:
        attrs["livetime"] = attrs["exposure"] = seconds * live
    return attrs


def _cut_sets(sets: xr.Dataset, edges: tuple[np.ndarray, np.ndarray], step: str) -> xr.Dataset:
    """Each stored interval cut by itself, so that its set and detector stay known."""
    parts = []
    for k in range(sets.sizes["interval"]):
        one = sets.isel(interval=[k])
        start, stop = overlap((one["start"].values, one["stop"].values), edges)
        again = one.isel(interval=np.zeros(start.size, dtype=int))
        parts.append(
            again.assign(start=("interval", start, one["start"].attrs), stop=("interval", stop, one["stop"].attrs))
        )
    made = xr.concat(parts, "interval") if parts else sets
    return check(made.assign_attrs({**sets.attrs, "history": history_with(sets, step)}))


def _again(gti: xr.Dataset, start: np.ndarray, stop: np.ndarray, step: str) -> xr.Dataset:
    """The same node with other intervals."""
    made = {"start": ("interval", start, gti["start"].attrs), "stop": ("interval", stop, gti["stop"].attrs)}
    return check(xr.Dataset(made, attrs={**gti.attrs, "history": history_with(gti, step)}))


def said(gti: xr.Dataset) -> str:
    """Return how many intervals there are, and from when to when, for messages."""
    if not gti.sizes.get("interval"):
        return "no interval"
    start, stop = merged(gti)
    return f"{start.size} from {start[0]:.1f} to {stop[-1]:.1f} s"

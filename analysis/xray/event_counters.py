"""What counts a selection of events: an index where there is one, else cuts of the whole list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import OutsideCoverage
from analysis.xray.binning import event_spectrum, light_curve
from analysis.xray.brush_counts import Brush, chosen_by
from analysis.xray.brushes import good_seconds_of, picture_of, products
from analysis.xray.detectors import good_seconds
from analysis.xray.inputs import events_and_gti
from analysis.xray.intervals import live_fraction
from analysis.xray.planning import image_of, plane_edges, seen_of
from analysis.xray.selections import Selection, brush_of, in_selection
from analysis.xray.tiles import column_edges


@dataclass(frozen=True, eq=False)
class Counter:
    """What counts a selection: its image, light curve, spectrum with edges, histogram, and how many and how long."""

    image: Callable[[Selection], xr.Dataset]
    curve: Callable[[Selection], xr.Dataset]
    spectrum: Callable[[Selection], tuple[xr.DataArray, Any]]
    histogram: Callable[[Selection], tuple[xr.DataArray, xr.DataArray]]
    told: Callable[[Selection], tuple[int, float, float | None]]


def nothing_in(chosen: Selection) -> bool:
    """Return whether a selection is of everything."""
    return chosen == replace(Selection(chosen.name), plane=chosen.plane)


def by_cuts(events: xr.DataTree, listed: xr.Dataset, width: float, step: float | None, column: str | None) -> Counter:
    """Return what counts by cutting the whole list each time."""
    edges: list[np.ndarray] = []

    def cut_to(chosen: Selection) -> xr.DataTree:
        return events if nothing_in(chosen) else in_selection(events, chosen)

    def spectrum(chosen: Selection) -> tuple[xr.DataArray, Any]:
        made = event_spectrum(cut_to(chosen), bin_size=step)
        if step is None:
            number = made["channel"].assign_attrs(long_name="Channel")
            return made["counts"], ((number - 0.5).assign_attrs(number.attrs), number + 0.5)
        return made["counts"], (made["energy_low"].assign_attrs(long_name="Energy"), made["energy_high"])

    def histogram(chosen: Selection) -> tuple[xr.DataArray, xr.DataArray]:
        if not edges:
            whole = seen_of(*three(events))
            values = listed[str(column)].values
            edges.append(column_edges(values[whole.good] if whole.outside else values))
        tree, cut, gti = three(cut_to(chosen))
        seen = seen_of(tree, cut, gti)
        values = cut[str(column)].values[seen.good] if seen.outside else cut[str(column)].values
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        finite = finite.astype(np.int8) if finite.dtype.kind == "b" else finite
        return labelled_histogram(np.histogram(finite, edges[0])[0], edges[0], listed[str(column)])

    def told(chosen: Selection) -> tuple[int, float, float | None]:
        tree, cut, gti = three(cut_to(chosen))
        seen = seen_of(tree, cut, gti)
        if not seen.good.any():
            raise OutsideCoverage("No event in good time lies inside.")
        seconds = good_seconds(seen.times, cut, seen.good if seen.times.column else None)
        live = live_fraction(listed.attrs)
        return int(seen.good.sum()), seconds, None if live is None else seconds * live

    def plane(chosen: Selection) -> xr.Dataset:
        tree, cut, gti = three(cut_to(chosen))
        seen = seen_of(tree, cut, gti)
        x, y = (cut[name].values[seen.good] for name in ("x", "y"))
        counts = np.histogram2d(y, x, bins=frame[1::-1])[0].astype(np.int64)
        return image_of(cut, gti, seen, (*frame[:2], int(np.isnan(x + y).sum())), counts, None, "image")

    frame = plane_edges(listed, None, None, None) if {"x", "y"} <= set(map(str, listed.variables)) else ()
    return Counter(plane, lambda chosen: light_curve(cut_to(chosen), width), spectrum, histogram, told)


def three(tree: xr.DataTree) -> tuple[xr.DataTree, xr.Dataset, xr.Dataset]:
    """Return a tree of events with its list and good times."""
    return (tree, *events_and_gti(tree, "explore"))


def by_index(index: xr.Dataset) -> Counter:
    """Return what counts from an event index."""

    def counted(chosen: Selection) -> xr.Dataset:
        return products(index, brush_of(chosen, index))

    def spectrum(chosen: Selection) -> tuple[xr.DataArray, Any]:
        counts = counted(chosen)["spectrum"]
        axis = str(counts.dims[0])
        middle = counts[axis]
        half = float(middle[1] - middle[0]) / 2 if middle.size > 1 else 0.5
        low = (middle - half).assign_attrs({**middle.attrs, "long_name": axis.capitalize()})
        return counts, (low, middle + half)

    def told(chosen: Selection) -> tuple[int, float, float | None]:
        brush: Brush = brush_of(chosen, index)
        seconds = float(np.subtract(*good_seconds_of(index, brush)[::-1]).sum())
        number = chosen_by(index, brush, bins=False).total
        if not number:
            raise OutsideCoverage("No event in good time lies inside.")
        live = index.attrs.get("live_fraction")
        return number, seconds, None if live is None else seconds * float(live)

    def histogram(chosen: Selection) -> tuple[xr.DataArray, xr.DataArray]:
        counts = counted(chosen)["histogram"].values
        return labelled_histogram(counts, index["column_edge"].values, index["column"])

    def curve(chosen: Selection) -> xr.Dataset:
        made = counted(chosen)
        title = str(made.attrs["title"]).replace("Region", "Light curve", 1).removesuffix(", everything")
        return made.assign_attrs(title=title)

    return Counter(lambda chosen: picture_of(index, brush_of(chosen, index)), curve, spectrum, histogram, told)


def labelled_histogram(
    counts: np.ndarray, edges: np.ndarray, column: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return counts and edges with the units and the label of a column."""
    label = {"units": str(column.attrs.get("units", "1")), "long_name": str(column.attrs.get("long_name", column.name))}
    made = xr.DataArray(counts, dims="value", name="counts", attrs={"units": "ct", "long_name": "Counts"})
    return made, xr.DataArray(edges, dims="edge", name="value", attrs=label)

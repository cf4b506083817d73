"""The explorer of events: image, spectrum, light curve and a further column, each a brush for all the others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import AnalysisError, BadOption, OutsideCoverage, WrongData
from analysis.xray.binning import event_spectrum, light_curve
from analysis.xray.brushes import Brush, chosen_by, good_seconds_of, picture_of, products
from analysis.xray.detectors import good_seconds
from analysis.xray.inputs import Amount, amount, events_and_gti, variable
from analysis.xray.intervals import live_fraction
from analysis.xray.plane_shapes import PlaneShape, area
from analysis.xray.planning import image_of, plane_edges, seen_of
from analysis.xray.selection_files import save_selection
from analysis.xray.selections import Selection, brush_of, in_selection, selection
from analysis.xray.sky import pixel_area
from analysis.xray.tiles import column_edges, event_index

MANY = 1_000_000  # events from which an index is made
ROUND = 72  # corners of a circle's outline
SHAPES = ("box or lasso", "circle in the box")
GESTURE_HELP = "Drag on a picture to select; the toolbar has box, lasso and zoom."


@dataclass(frozen=True, eq=False)
class Counter:
    """What counts a selection: its image, light curve, spectrum with edges, histogram, and how many and how long."""

    image: Callable[[Selection], xr.Dataset]
    curve: Callable[[Selection], xr.Dataset]
    spectrum: Callable[[Selection], tuple[xr.DataArray, Any]]
    histogram: Callable[[Selection], tuple[xr.DataArray, xr.DataArray]]
    told: Callable[[Selection], tuple[int, float, float | None]]


def event_page(
    events: xr.DataTree,
    *,
    width: float,
    energy_step: Amount,
    column: str | None,
    curve_picture: Callable[..., Any],
    state: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    again: Mapping[str, str] | None = None,
) -> Any:
    """Return the page of linked pictures of events; ``curve_picture`` draws a light curve."""
    from analysis.explore import Choice, View, linked

    listed, _ = events_and_gti(events, "explore")
    step = amount(energy_step, "keV", "energy_step", bare=True)
    if step <= 0:
        raise BadOption(f"energy_step={energy_step!r} is not positive")
    if column is not None:
        values = variable(listed, column, "explore(column=…)")
        if values.ndim != 1 or values.dtype.kind not in "fiub" or column in ("x", "y", "time", "energy"):
            raise BadOption(f"column={column!r} is no further column of one number an event")
    names = set(map(str, listed.variables))
    with_image, with_energy = {"x", "y"} <= names, "energy" in names
    counter, remark = _counter(events, listed, width, step if with_energy else None, column)
    last: list[Selection] = [Selection("selection")]

    def chosen(values: Mapping[str, Any], *parts: str) -> Selection:
        return _selection(listed, column, {key: values.get(key) for key in parts}, str(values.get("shape", "")))

    def words(values: Mapping[str, Any]) -> str:
        last[0] = chosen(values, "region", "energy", "time", "column")
        return f"{_told(last[0], listed, counter)}{remark}"

    def of_image(**values: Any) -> Any:
        from analysis import panels

        made = counter.image(chosen(values, "energy", "time", "column"))
        region = chosen(values, "region").shape
        outlines = {"selected": _outline(region)} if region.kind else None
        return panels.image(made["counts"], outlines=outlines, attrs=made.attrs)

    def of_spectrum(**values: Any) -> Any:
        from analysis import panels

        counts, edges = counter.spectrum(chosen(values, "region", "time", "column"))
        picture = panels.histogram_steps(counts, edges=edges, logx=with_energy, attrs=listed.attrs)
        return _with_span(picture, values.get("energy"))

    def of_curve(**values: Any) -> Any:
        made = counter.curve(chosen(values, "region", "energy", "column"))
        return _with_span(curve_picture(made), values.get("time"))

    def of_column(**values: Any) -> Any:
        from analysis import panels

        counts, edges = counter.histogram(chosen(values, "region", "energy", "time"))
        picture = panels.histogram_steps(counts, edges=edges, logx=False, logy=False, attrs=listed.attrs)
        return _with_span(picture, values.get("column"))

    selects = [("region", "area", with_image), ("energy", "range", with_energy), ("time", "range", True)]
    selects.append(("column", "range", column is not None))
    made = {name: gesture for name, gesture, held in selects if held}
    controls = [Choice("shape", SHAPES, label="A box on the image selects")] if with_image else []
    uses = [*made, *(control.name for control in controls)]
    drawn = [("Image", of_image, "region"), ("Spectrum", of_spectrum, "energy"), ("Light curve", of_curve, "time")]
    drawn.append((column or "", of_column, "column"))
    views = [
        View(name, picture, uses=uses, selects={key: made[key]} if key in made else {})
        for name, picture, key in drawn
        if key in made or (key == "energy" and "pi" in names)
    ]
    return linked(
        views,
        controls=controls,
        beside=True,
        title=str(listed.attrs.get("title", "")),
        words=words,
        footer=[_saving(last)],
        state=state,
        again=again,
    )


def _selection(listed: xr.Dataset, column: str | None, values: Mapping[str, Any], shape: str) -> Selection:
    """What was drawn as a selection; times come as UTC, a lasso as many corners."""
    given: dict[str, Any] = {}
    region, energy, time, cut = (values.get(key) for key in ("region", "energy", "time", "column"))
    if isinstance(region, np.ndarray):
        given["polygon"] = region
    elif region is not None:
        left, bottom, right, top = (_rounded(end, 6) for end in region)
        left, right, bottom, top = min(left, right), max(left, right), min(bottom, top), max(bottom, top)
        if shape == SHAPES[1]:
            given["circle"] = ((left + right) / 2, (bottom + top) / 2, min(right - left, top - bottom) / 2)
        else:
            given |= {"x": (left, right), "y": (bottom, top)}
    if energy is not None:
        low, high = sorted(_rounded(end, 4) for end in energy)
        if high <= 0:
            raise OutsideCoverage("the range lies below 0 keV; drag over energies that the events have")
        given["band"] = max(0.0, low), high
    if time is not None:
        given["time"] = tuple(np.datetime64(end, "ms") for end in time)
    if cut is not None and column is not None:
        given["column"] = (column, *sorted(_rounded(end, 6) for end in cut))
    return selection("selection", listed, **given)


def _rounded(value: float, digits: int) -> float:
    """As many digits as are said in words, so that what is said is what is selected."""
    return float(f"{float(value):.{digits}g}")


def _told(chosen: Selection, listed: xr.Dataset, counter: Counter) -> str:
    """The selection in words: how many events, how long, how large."""
    if chosen == replace(Selection(chosen.name), plane=chosen.plane):
        number, seconds, live = counter.told(chosen)
        return f"Nothing selected: all {number:,} events in good time, {_long(seconds, live)}. {GESTURE_HELP}"
    try:
        number, seconds, live = counter.told(chosen)
    except OutsideCoverage as error:
        return f"Selected {chosen}: nothing. {error}"
    size = ""
    if chosen.shape.kind:
        pixel, units = pixel_area(listed)
        size = f", area {area(chosen.shape) * pixel:.5g} {units.replace('2', '²')}"
    return f"Selected {chosen}: {number:,} events, {_long(seconds, live)}{size}"


def _long(seconds: float, live: float | None) -> str:
    return f"good time {seconds:,.1f} s" + ("" if live is None else f" ({live:,.1f} s live)")


def _outline(shape: PlaneShape) -> tuple[np.ndarray, np.ndarray]:
    if shape.kind == "circle":
        x, y, radius = shape.numbers
        turn = np.linspace(0, 2 * np.pi, ROUND)
        return x + radius * np.cos(turn), y + radius * np.sin(turn)
    return shape.corners[:, 0], shape.corners[:, 1]


def _with_span(picture: Any, ends: Any) -> Any:
    """A picture with the range that is selected on it, where it is one on which a range can be drawn."""
    from analysis.panels.loading import loaded

    hv = loaded()
    if ends is None or not isinstance(picture, hv.Overlay | hv.Curve):
        return picture
    span = hv.VSpan(*ends).opts(backend="bokeh", color="#56B4E9", alpha=0.2)
    looks = hv.Store.lookup_options("bokeh", picture, "plot").kwargs
    kept = {key: looks[key] for key in ("legend_position", "hooks", "title") if key in looks}
    return (picture * span).opts(backend="bokeh", **kept)


def _saving(last: list[Selection]) -> Any:
    """A field for the name and a button that saves the selection beside the notebook."""
    import panel as pn

    from analysis.panels.loading import loaded, redrawing

    loaded()
    name = pn.widgets.TextInput(placeholder="name of the selection", width=220)
    button = pn.widgets.Button(label="Save selection", width=140)
    told = pn.pane.Str("", styles={"color": "#555555"})
    row = pn.Row(name, button, told)

    def press(_: Any) -> None:
        with redrawing(row):
            word = (name.value_input or name.value or "").strip()
            file = re.sub(r"[^\w\-]+", "_", word).strip("_")
            if not file:
                told.object = "Give the selection a name first."
                return
            try:
                path = save_selection(replace(last[0], name=word), Path(f"{file}.json"))
                told.object = f"Saved; xray.read_selection({str(path)!r}) gives it back."
            except AnalysisError as error:
                told.object = str(error)

    button.on_click(press)
    return row


# ------------------------------------------------------------------------------------------ counting


def _counter(
    events: xr.DataTree, listed: xr.Dataset, width: float, step: float | None, column: str | None
) -> tuple[Counter, str]:
    """By an index where the events are many, by cuts of the list where they are few or their detectors differ."""
    if listed.sizes["event"] >= MANY and {"x", "y"} <= set(map(str, listed.variables)):
        try:
            index = event_index(events, time_step=width, energy_step=step, column=column)
        except WrongData as error:
            return _by_cuts(events, listed, width, step, column), f"\nEach brush reads the whole list: {error}"
        return _by_index(index, column), f"\nIndex of the events made in {index.attrs['build_seconds']:.1f} s."
    return _by_cuts(events, listed, width, step, column), ""


def _by_cuts(events: xr.DataTree, listed: xr.Dataset, width: float, step: float | None, column: str | None) -> Counter:
    good = seen_of(*_three(events)).good
    ends = np.empty(0) if column is None else column_edges(np.asarray(listed[column].values[good]))

    def spectrum(chosen: Selection) -> tuple[xr.DataArray, Any]:
        made = event_spectrum(in_selection(events, chosen), bin_size=step)
        if step is None:
            number = made["channel"].assign_attrs(long_name="Channel")
            return made["counts"], ((number - 0.5).assign_attrs(number.attrs), number + 0.5)
        return made["counts"], (made["energy_low"].assign_attrs(long_name="Energy"), made["energy_high"])

    def histogram(chosen: Selection) -> tuple[xr.DataArray, xr.DataArray]:
        tree, cut, gti = _three(in_selection(events, chosen))
        counts = np.histogram(cut[str(column)].values[seen_of(tree, cut, gti).good], ends)[0]
        return _histogram(counts, ends, listed[str(column)])

    def told(chosen: Selection) -> tuple[int, float, float | None]:
        cut = in_selection(events, chosen)
        seen = seen_of(*_three(cut))
        if not seen.good.any():
            raise OutsideCoverage("No event in good time lies inside.")
        one = _three(cut)[1]
        seconds = good_seconds(seen.times, one, seen.good if seen.times.column else None)
        live = live_fraction(listed.attrs)
        return int(seen.good.sum()), seconds, None if live is None else seconds * live

    def plane(chosen: Selection) -> xr.Dataset:
        tree, cut, gti = _three(in_selection(events, chosen))
        seen = seen_of(tree, cut, gti)
        x, y = (cut[name].values[seen.good] for name in ("x", "y"))
        counts = np.histogram2d(y, x, bins=frame[1::-1])[0].astype(np.int64)
        return image_of(cut, gti, seen, (*frame[:2], int(np.isnan(x + y).sum())), counts, None, "image")

    frame = plane_edges(listed, None, None, None) if {"x", "y"} <= set(map(str, listed.variables)) else ()
    return Counter(
        plane,
        lambda chosen: light_curve(in_selection(events, chosen), width),
        spectrum,
        histogram,
        told,
    )


def _three(tree: xr.DataTree) -> tuple[xr.DataTree, xr.Dataset, xr.Dataset]:
    return (tree, *events_and_gti(tree, "explore"))


def _by_index(index: xr.Dataset, column: str | None) -> Counter:
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

    return Counter(
        lambda chosen: picture_of(index, brush_of(chosen, index)),
        counted,
        spectrum,
        lambda chosen: _histogram(counted(chosen)["histogram"].values, index["column_edge"].values, index["column"]),
        told,
    )


def _histogram(counts: np.ndarray, edges: np.ndarray, column: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    label = {"units": str(column.attrs.get("units", "1")), "long_name": str(column.attrs.get("long_name", column.name))}
    made = xr.DataArray(counts, dims="value", name="counts", attrs={"units": "ct", "long_name": "Counts"})
    return made, xr.DataArray(edges, dims="edge", name="value", attrs=label)

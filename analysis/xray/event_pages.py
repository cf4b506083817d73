"""The explorer of events: image, spectrum, light curve and a further column, each a brush for all the others."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import AnalysisError, BadOption, OutsideCoverage
from analysis.xray.event_counters import Counter, nothing_in
from analysis.xray.event_indexing import Counters, Given, telling
from analysis.xray.inputs import Amount, amount, events_and_gti, variable
from analysis.xray.plane_shapes import PlaneShape, area
from analysis.xray.selection_files import save_selection
from analysis.xray.selections import Selection, selection
from analysis.xray.sky import pixel_area

ROUND = 72  # corners of a circle's outline
SHAPES = ("box or lasso", "circle in the box", "ellipse in the box")
NO_COLUMN = "no column"
OWN_PICTURES = ("x", "y", "time", "energy")
NO_OUTLINE = (np.full(2, np.nan),) * 2  # in its place: a figure with as many lines as before is not made anew
GESTURE_HELP = "Drag on a picture to select; the toolbar has box, lasso and zoom."


def event_page(
    events: xr.DataTree,
    *,
    width: float,
    energy_step: Amount,
    column: str | None,
    curve_picture: Callable[..., Any],
    index: Given = None,
    state: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    again: Mapping[str, str] | None = None,
) -> Any:
    """Return the page of linked pictures of events; ``curve_picture`` draws a light curve."""
    import panel as pn

    from analysis.explore import Choice, View, linked

    listed, _ = events_and_gti(events, "explore")
    step = amount(energy_step, "keV", "energy_step", bare=True)
    if step <= 0:
        raise BadOption(f"energy_step={energy_step!r} is not positive")
    columns = further_columns(listed)
    if column is not None and column not in columns:
        variable(listed, column, "explore(column=…)")
        raise BadOption(
            f"column={column!r} is no further column of one number an event; there are {', '.join(columns)}"
        )
    names = set(map(str, listed.variables))
    with_image, with_energy = {"x", "y"} <= names, "energy" in names
    counters = Counters(events, listed, index, width, step if with_energy else None)
    last: list[Selection | None] = [None]  # what the words say
    drawn_on: list[Any] = [None, None]

    def shown(values: Mapping[str, Any]) -> str | None:
        """The column that is shown."""
        return None if values.get("histogram") in (None, NO_COLUMN) else str(values["histogram"])

    def chosen(values: Mapping[str, Any], *parts: str) -> Selection:
        name, cut = shown(values), values.get("column")
        if cut != drawn_on[0]:
            drawn_on[:] = [cut, name]
        given = {key: values.get(key) for key in parts if key != "column" or drawn_on[1] == name}
        return _selection(listed, name, given, str(values.get("shape", "")))

    def counter(values: Mapping[str, Any]) -> Counter:
        return counters.of(shown(values))

    def words(values: Mapping[str, Any]) -> str:
        last[0] = None
        found = chosen(values, "region", "energy", "time", "column")
        said = _told(found, listed, counter(values))
        last[0] = found
        tell()
        return said

    def of_image(**values: Any) -> Any:
        from analysis import panels

        made = counter(values).image(chosen(values, "energy", "time", "column"))
        region = chosen(values, "region").shape
        outlines = {"selected": _outline(region) if region.kind else NO_OUTLINE}
        picture = panels.image(made["counts"], outlines=outlines, attrs=made.attrs)
        return _without_legend(picture)  # the line above says what is selected

    def of_spectrum(**values: Any) -> Any:
        from analysis import panels

        counts, edges = counter(values).spectrum(chosen(values, "region", "time", "column"))
        picture = panels.histogram_steps(counts, edges=edges, logx=with_energy, attrs=listed.attrs)
        return _with_span(picture, values.get("energy"))

    def of_curve(**values: Any) -> Any:
        made = counter(values).curve(chosen(values, "region", "energy", "column"))
        return _with_span(curve_picture(made), values.get("time"))

    def of_column(**values: Any) -> Any:
        from analysis import panels

        if shown(values) is None:
            return "Choose a column above: its histogram is shown here, and selects, too."
        counts, edges = counter(values).histogram(chosen(values, "region", "energy", "time"))
        picture = panels.histogram_steps(counts, edges=edges, logx=False, logy=False, attrs=listed.attrs)
        return _with_span(picture, values.get("column"))

    selects = [("region", "area", with_image), ("energy", "range", with_energy), ("time", "range", True)]
    selects.append(("column", "range", bool(columns)))
    made = {name: gesture for name, gesture, held in selects if held}
    controls = [Choice("shape", SHAPES, label="A box on the image selects")] if with_image else []
    if columns:
        controls.append(Choice("histogram", [NO_COLUMN, *columns], label="Histogram of", value=column or NO_COLUMN))
    uses = [*made, *(control.name for control in controls)]
    drawn = [("Image", of_image, "region"), ("Spectrum", of_spectrum, "energy"), ("Light curve", of_curve, "time")]
    drawn.append(("Column", of_column, "column"))
    views = [
        View(name, picture, uses=uses, selects={key: made[key]} if key in made else {})
        for name, picture, key in drawn
        if key in made or (key == "energy" and "pi" in names)
    ]
    progress = pn.pane.Str("", styles={"color": "#555555"}, visible=False)
    tell = telling(counters, progress, lambda: page)
    page: Any = pn.Column()
    page = linked(
        views,
        controls=controls,
        beside=True,
        title=str(listed.attrs.get("title", "")),
        words=words,
        footer=[progress, _saving(last)],
        state=state,
        again=again,
    )
    _forget_range(page)
    return page


def further_columns(listed: xr.Dataset) -> list[str]:
    """Return the columns of one number an event that have no picture of their own."""
    return [
        str(name)
        for name, part in listed.data_vars.items()
        if part.dims == ("event",) and part.dtype.kind in "fiub" and name not in OWN_PICTURES
    ]


def _forget_range(page: Any) -> None:
    """Take a range of one column away when another is shown."""
    import panel as pn

    def forget(event: Any) -> None:
        if page.explored.read()["column"] is not None:
            page.explored.write({"column": None})

    for widget in page.select(pn.widgets.Select):
        if widget.label == "Histogram of":
            widget.param.watch(forget, "value")


def _selection(listed: xr.Dataset, column: str | None, values: Mapping[str, Any], shape: str) -> Selection:
    """What was drawn as a selection; times come as UTC, a lasso as many corners."""
    given: dict[str, Any] = {}
    region, energy, time, cut = (values.get(key) for key in ("region", "energy", "time", "column"))
    if isinstance(region, np.ndarray):
        given["polygon"] = region
    elif region is not None:
        left, right = _ends(region[0], region[2])
        bottom, top = _ends(region[1], region[3])
        middle = _said((left + right) / 2), _said((bottom + top) / 2)
        wide, high = _said((right - left) / 2), _said((top - bottom) / 2)
        if shape == SHAPES[1]:
            given["circle"] = (*middle, min(wide, high))
        elif shape == SHAPES[2]:
            given["ellipse"] = (*middle, wide, high, 0.0)
        else:
            given |= {"x": (left, right), "y": (bottom, top)}
    if energy is not None:
        low, high = _ends(*energy)
        if high <= 0:
            raise OutsideCoverage("the range lies below 0 keV; drag over energies that the events have")
        given["band"] = max(0.0, low), high
    if time is not None:
        instants = np.sort(np.array(time, "datetime64[us]"))
        coarse = np.diff(instants)[0] > np.timedelta64(10, "s")
        given["time"] = tuple(instants.astype("datetime64[ms]") if coarse else instants)
    if cut is not None and column is not None:
        given["column"] = (column, *_ends(*cut))
    return selection("selection", listed, **given)


def _ends(one: float, other: float) -> tuple[float, float]:
    """Ends of a range in order, to a ten-thousandth or so of its width: what is said of them is what is selected."""
    low, high = sorted((float(one), float(other)))
    digits = 4 - math.floor(math.log10(high - low)) if high > low else 12
    return _said(round(low, digits)), _said(round(high, digits))


def _said(value: float) -> float:
    """A number as its words say it."""
    return float(f"{value:.12g}")


def _told(chosen: Selection, listed: xr.Dataset, counter: Counter) -> str:
    """The selection in words: how many events, how long, how large."""
    if nothing_in(chosen):
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
    if shape.kind == "ellipse":
        x, y, wide, high, _ = shape.numbers
        turn = np.linspace(0, 2 * np.pi, ROUND)
        return x + wide * np.cos(turn), y + high * np.sin(turn)
    return shape.corners[:, 0], shape.corners[:, 1]


def _without_legend(picture: Any) -> Any:
    """The picture without a legend: an outline is there when nothing is selected, too."""
    from analysis.panels.loading import loaded

    hv = loaded()
    if isinstance(picture, hv.DynamicMap):
        return picture.opts(hv.opts.Overlay(show_legend=False, backend="bokeh"))
    return picture.opts(backend="bokeh", show_legend=False) if isinstance(picture, hv.Overlay) else picture


def _with_span(picture: Any, ends: Any) -> Any:
    """A picture with the range that is selected on it, where it is one on which a range can be drawn."""
    from analysis.panels.loading import loaded
    from analysis.panels.marks import marked

    hv = loaded()
    lines = picture.traverse(lambda element: element, [hv.Curve])
    if ends is None or not lines:
        return picture
    axis = lines[0].kdims[0]
    span = hv.VSpans(([min(ends)], [max(ends)]), [axis, axis.clone(f"{axis.name}_end")])
    return marked(picture, [], [span.opts(backend="bokeh", color="#56B4E9", alpha=0.2, line_alpha=0)])


def _saving(last: list[Selection | None]) -> Any:
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
            chosen, path = last[0], Path(f"{file}.json")
            if chosen is None or nothing_in(chosen):
                told.object = "Nothing is selected, so there is nothing to save: drag on a picture first."
            elif not file:
                told.object = "Give the selection a name first."
            elif path.exists():
                told.object = f"{path} is there already; take another name."
            if chosen is None or nothing_in(chosen) or not file or path.exists():
                return
            try:
                save_selection(replace(chosen, name=word), path)
                told.object = f"Saved; xray.read_selection({str(path)!r}) gives it back."
            except AnalysisError as error:
                told.object = str(error)

    button.on_click(press)
    return row

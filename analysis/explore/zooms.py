"""What is visible of the pictures of a page: heard from the browser, kept when a picture is made anew, told and set.

An axis is known by the name of its dimension; what was zoomed on it goes to the next picture of the same view that
has an axis of this name, unit and kind. The whole of each axis is remembered: the browser's reset returns to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias
from weakref import ref

import numpy as np

from analysis.errors import BadOption
from analysis.explore.states import fit_selection, told
from analysis.explore.steady import steady
from analysis.model import near

Ends: TypeAlias = tuple[Any, Any]  # numbers, or times as numpy has them
Held: TypeAlias = dict[str, dict[str, Ends]]  # by view and axis
ZOOM = "zoom"  # its name in a state
FINE = 1e-4  # of what is visible: a tenth of a pixel
SAME = 1e-6  # of the whole: an axis that differs less shows the whole


@dataclass(eq=False)
class Axis:
    """An axis of a picture in a browser: its Bokeh ranges (those of panels that share it are one), its whole."""

    unit: str
    times: bool
    log: bool
    whole: tuple[float, float]
    range: Any


@dataclass(eq=False)
class Shown:
    """A picture in a browser, with its axes by name."""

    view: str
    root: str  # of the page in the browser
    plot: Any  # a weak reference to HoloViews' plot
    axes: dict[str, Axis]
    figures: list[tuple[str, str]] = field(default_factory=list)  # the names of both axes of each, "" for none


@dataclass(eq=False)
class Zooms:
    """What is zoomed on a page, and what it has to do with other pages.

    ``held`` has only the axes that do not show the whole; ``units`` those of axes that were zoomed by hand; ``common``
    is what is shown of time where pages are kept in step. ``own`` is called after the hand moved an axis; ``told`` are
    called with the view and the names of the axes that hand or code moved, ``tapped`` with a time that was tapped.
    ``tap`` makes a time the one tapped on this page.
    """

    held: Held = field(default_factory=dict)
    units: dict[tuple[str, str], str] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)
    common: Ends | None = None
    own: Callable[[], None] = field(default=lambda: None)
    tap: Callable[[Any], None] = field(default=lambda time: None)
    told: list[Callable[[str, list[str]], None]] = field(default_factory=list)
    tapped: list[Callable[[Any], None]] = field(default_factory=list)


def zoomed_pane(zooms: Zooms, view: str, picture: Any) -> Any:
    """Return a pane that shows a picture with what is held of its view; its axes are linked with no other's.

    Examples
    --------
    >>> import holoviews as hv
    >>> type(zoomed_pane(Zooms(), "Line", hv.Curve([1, 2]))).__name__
    'HoloViews'
    """
    import panel as pn

    pane: Any = pn.pane.HoloViews(picture, linked_axes=False)
    render = pane._render

    def rendered(doc: Any, comm: Any, root: Any) -> Any:
        plot = render(doc, comm, root)
        _rendered(zooms, view, plot, root.ref["id"])
        return plot

    pane._render = rendered
    return pane


def plane_pane(picture: Any, halves: tuple[float, float]) -> Any:
    """Return a pane that shows a part of a plane at first; the browser's reset shows all, to both sides of 0."""
    import panel as pn

    pane: Any = pn.pane.HoloViews(picture, linked_axes=False)
    render = pane._render

    def rendered(doc: Any, comm: Any, root: Any) -> Any:
        from bokeh.plotting import figure

        plot = render(doc, comm, root)
        for made in plot.state.select({"type": figure}):
            steady(made)
            for along, half in zip((made.x_range, made.y_range), halves, strict=True):
                along.update(reset_start=-half, reset_end=half)
        return plot

    pane._render = rendered
    return pane


def zoom_state(zooms: Zooms) -> dict[str, Any] | None:
    """Return what is held as JSON has it, None for nothing."""
    made = {view: {name: told(ends) for name, ends in axes.items()} for view, axes in zooms.held.items() if axes}
    return made or None


def fit_zoom(asked: Any, views: Any) -> Held:
    """Return what a state asks for, or refuse it.

    Examples
    --------
    >>> fit_zoom({"Line": {"x": [0, 2]}}, ["Line"])
    {'Line': {'x': (0, 2)}}
    >>> fit_zoom({"Lin": {"x": [0, 2]}}, ["Line"])
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: zoom: this page has no picture 'Lin'; it has Line; did you mean 'Line'?
    """
    if asked is None:
        return {}
    right = f'give {{"picture": {{"axis": [low, high]}}}} with pictures of {", ".join(views)}, or null'
    if not isinstance(asked, Mapping) or not all(isinstance(axes, Mapping) for axes in asked.values()):
        raise BadOption(f"{ZOOM}={asked!r} says no part of a picture; {right}")
    found: Held = {}
    for view, axes in asked.items():
        if view not in views:
            raise BadOption(f"{ZOOM}: this page has no picture {view!r}; it has {', '.join(views)}{near(view, views)}")
        for name, ends in axes.items():
            made = fit_selection(f"{ZOOM} of {view}, {name}", ends, "range")
            if made is not None and not made[0] < made[1]:
                raise BadOption(f"{ZOOM} of {view}, {name}: {ends!r} is no range; give [low, high]")
            if made is not None:
                found.setdefault(view, {})[str(name)] = made
    return found


def set_zoom(zooms: Zooms, held: Held) -> None:
    """Hold this, and show it on the pictures that are there."""
    zooms.held = {view: dict(axes) for view, axes in held.items()}
    zooms.units.clear()
    for one in _live(zooms):
        show(zooms, one)
        for tell in zooms.told:
            tell(one.view, list(one.axes))


def set_axis(zooms: Zooms, view: str, names: list[str], ends: Ends | None) -> None:
    """Hold ends of some axes of one view, None for the whole, and show them."""
    for name in names:
        zooms.units.pop((view, name), None)
        if ends is None:
            zooms.held.get(view, {}).pop(name, None)
        else:
            zooms.held.setdefault(view, {})[name] = ends
    for one in _live(zooms):
        if one.view == view:
            show(zooms, one)


def show(zooms: Zooms, one: Shown) -> None:
    """Give the axes of a picture what is held of them; those of which nothing is held show the whole.

    What does not fit is forgotten: another unit or kind, or a part in which there is nothing to see.
    """
    held, moved = zooms.held.get(one.view, {}), False
    for name in [name for name in held if name not in one.axes]:
        del held[name]
    for name, axis in one.axes.items():
        low, high = axis.whole
        if name in held:
            part = _fitting(held[name], axis, zooms.units.get((one.view, name)))
            if part is None:
                del held[name]
            else:
                low, high = part if low < high else part[::-1]
        if (axis.range.start, axis.range.end) != (low, high):
            axis.range.update(start=low, end=high)
            moved = True
        axis.range.update(reset_start=axis.whole[0], reset_end=axis.whole[1])
    plot = one.plot()
    if moved and plot is not None:
        _tell_streams(plot)
        for axis in one.axes.values():  # a picture that follows may have put its own there
            axis.range.update(reset_start=axis.whole[0], reset_end=axis.whole[1])


def hear(zooms: Zooms, one: Shown, moved: Mapping[str, tuple[float, float]]) -> None:
    """Take over what the hand has made visible, and tell who listens."""
    changed = []
    held = zooms.held.setdefault(one.view, {})
    for name, ends in moved.items():
        axis = one.axes[name]
        low, high = sorted(ends)
        whole = sorted(axis.whole)
        span = whole[1] - whole[0]
        same = math.isclose(low, whole[0], rel_tol=0, abs_tol=SAME * span) and math.isclose(
            high, whole[1], rel_tol=0, abs_tol=SAME * span
        )
        made = None if same or not low < high else _rounded(low, high, times=axis.times)
        if made != held.get(name):
            changed.append(name)
            zooms.units[one.view, name] = axis.unit
            held.pop(name, None)
            if made is not None:
                held[name] = made
    if changed:
        zooms.own()
        for tell in zooms.told:
            tell(one.view, changed)


def time_axes(one: Shown) -> list[str]:
    """Return the names of the axes of a picture that are over time (UTC)."""
    return [name for name, axis in one.axes.items() if axis.times]


def _live(zooms: Zooms) -> list[Shown]:
    """Return the pictures that are there."""
    zooms.shown = [one for one in zooms.shown if one.plot() is not None]
    return zooms.shown


def prepared(zooms: Zooms, view: str, plot: Any, root: str) -> tuple[Shown, list[tuple[Any, tuple[str, str]]]]:
    """Return a picture that was just made, showing what is held of its view, and its figures with their axes' names."""
    one, figures = _shown(view, plot, root)
    for figure, _ in figures:
        steady(figure)
    if zooms.common is not None:
        for name in time_axes(one):
            zooms.held.setdefault(view, {})[name] = zooms.common
    show(zooms, one)
    return one, figures


def _rendered(zooms: Zooms, view: str, plot: Any, root: str) -> None:
    """Show what is held on a picture that was just made, and hear what the hand does to it."""
    from bokeh.events import RangesUpdate

    one, figures = prepared(zooms, view, plot, root)
    zooms.shown = [other for other in _live(zooms) if (other.view, other.root) != (view, root)] + [one]
    for figure, names in figures:
        figure.on_event(RangesUpdate, partial(_heard, zooms, one, names))


def _heard(zooms: Zooms, one: Shown, names: tuple[str, str], event: Any) -> None:
    ends = ((event.x0, event.x1), (event.y0, event.y1))
    hear(zooms, one, {name: end for name, end in zip(names, ends, strict=True) if name and None not in end})


def _shown(view: str, plot: Any, root: str) -> tuple[Shown, list[tuple[Any, tuple[str, str]]]]:
    """Return a picture's axes by name, and its figures with the names of both of theirs ("" for none)."""
    from bokeh.models import DatetimeAxis, LogScale, Range1d
    from bokeh.plotting import figure

    dims = [
        dim
        for part in plot.traverse(lambda one: one)
        if getattr(part, "current_frame", None) is not None and hasattr(part.current_frame, "dimensions")
        for dim in part.current_frame.dimensions()
    ]
    axes: dict[str, Axis] = {}
    figures = []
    for made in plot.state.select({"type": figure}):
        names = []
        for along, scale, drawn in (
            (made.x_range, made.x_scale, made.xaxis),
            (made.y_range, made.y_scale, made.yaxis),
        ):
            tags = along.tags[0] if along.tags and along.tags[0] else ()
            if not isinstance(along, Range1d) or not tags or along.start is None or along.end is None:
                names.append("")
                continue
            label, unit = tags[0]
            name = next((dim.name for dim in dims if dim.label == label and dim.unit == unit), label)
            known = [held for held in axes if held == name or held.startswith(f"{name} ")]
            if (own := next((held for held in known if axes[held].range is along), None)) is None:
                own = name if not known else f"{name} {len(known) + 1}"
                times = any(isinstance(axis, DatetimeAxis) for axis in drawn)
                whole = (_number(along.start), _number(along.end))
                axes[own] = Axis(str(unit or ""), times, isinstance(scale, LogScale), whole, along)
            names.append(own)
        figures.append((made, (names[0], names[1])))
    return Shown(view, root, ref(plot), axes, [names for _, names in figures]), figures


def _number(end: Any) -> float:
    """Return an end of a Bokeh range as a number: of times, milliseconds since 1970."""
    if isinstance(end, int | float | np.number):
        return float(end)
    return float(np.datetime64(end, "ns").astype(np.int64)) / 1e6


def _fitting(ends: Ends, axis: Axis, unit: str | None) -> tuple[float, float] | None:
    """Return ends as Bokeh has them, None where they do not fit the axis or show nothing of it."""
    if isinstance(ends[0], np.datetime64) is not axis.times or (unit is not None and unit != axis.unit):
        return None
    low, high = (_number(end) for end in ends)
    first, last = sorted(axis.whole)
    return None if high <= first or low >= last or (axis.log and low <= 0) else (low, high)


def _rounded(low: float, high: float, *, times: bool) -> Ends:
    """Return ends with no more digits than can be seen."""
    step = 10.0 ** math.floor(math.log10((high - low) * FINE))
    if times:
        each = max(1, round(step * 1e6))  # nanoseconds
        return tuple(np.datetime64(round(end * 1e6 / each) * each, "ns") for end in (low, high))  # type: ignore[return-value]
    places = max(0, -math.floor(math.log10(step)))
    return tuple(round(end / step) * step if not places else round(end, places) for end in (low, high))  # type: ignore[return-value]


def _tell_streams(plot: Any) -> None:
    """Tell a picture that follows zoom and pan what is visible now."""
    from holoviews.streams import RangeX, RangeXY, RangeY

    told_already: list[Any] = []
    for part in plot.traverse(lambda one: one):
        for callback in getattr(part, "callbacks", []):
            for stream in callback.streams:
                if not isinstance(stream, RangeX | RangeXY | RangeY) or any(stream is one for one in told_already):
                    continue
                told_already.append(stream)
                ends = {"x_range": callback.plot.handles["x_range"], "y_range": callback.plot.handles["y_range"]}
                axes = {"x_range": callback.plot.handles["xaxis"], "y_range": callback.plot.handles["yaxis"]}
                stream.event(**{name: _of(ends[name], axes[name]) for name in stream.contents})


def _of(along: Any, axis: Any) -> Ends:
    """Return the ends of a Bokeh range, rising; of an axis of times as times."""
    from bokeh.models import DatetimeAxis

    low, high = sorted(_number(end) for end in (along.start, along.end))
    if isinstance(axis, DatetimeAxis):
        return np.datetime64(round(low * 1e6), "ns"), np.datetime64(round(high * 1e6), "ns")
    return low, high

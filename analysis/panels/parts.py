"""A part of a picture as a picture of its own: what is seen after a zoom, for a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.panels.following import Glyph
from analysis.panels.loading import loaded
from analysis.panels.visible import Series, visible

ROOM = 0.08  # of the axis up beyond the values of a long series


def part_of(picture: Any, ends: Mapping[str, tuple[Any, Any]]) -> Any:
    """Return a picture that shows only what lies between the given ends of its axes.

    Parameters
    ----------
    picture : HoloViews element, Overlay, Layout or DynamicMap
        A fresh one: one that follows zoom and pan is told what is visible.
    ends : mapping of str to (low, high)
        By the name of the dimension on the axis; times as numpy has them. Of panels in a Layout that do not share
        their axes, the second with a name is ``"name 2"``, and so on.

    Examples
    --------
    >>> import holoviews as hv
    >>> shown = part_of(hv.Curve([1, 2, 3]), {"x": (0.5, 1.5)})
    >>> hv.Store.lookup_options("bokeh", shown, "plot").kwargs["xlim"]
    (0.5, 1.5)
    """
    hv = loaded()
    if not ends:
        return picture
    if not isinstance(picture, hv.Layout):
        return _panel(picture, dict(ends))
    looks = hv.Store.lookup_options("bokeh", picture, "plot").kwargs
    count: dict[str, int] = {}
    panels = []
    for panel in picture:
        names = [dim.name for dim in _dims(panel) if dim is not None]
        own = {}
        for name in dict.fromkeys(names):
            count[name] = count.get(name, 0) + 1
            key = name if looks.get("shared_axes", True) or count[name] == 1 else f"{name} {count[name]}"
            if key in ends:
                own[name] = ends[key]
        panels.append(_panel(panel, own) if own else panel)
    return hv.Layout(panels).cols(picture._max_cols).opts(backend="bokeh", **looks)


def _dims(panel: Any) -> tuple[Any, Any]:
    """Return the dimensions across and up of a picture."""
    hv = loaded()
    shown = panel[()] if isinstance(panel, hv.DynamicMap) else panel
    beside = (hv.Text, hv.VLine, hv.HLine, hv.VLines, hv.HLines, hv.VSpan, hv.HSpan, hv.VSpans, hv.HSpans)
    elements = [e for e in (shown if isinstance(shown, hv.Overlay) else [shown]) if not isinstance(e, beside)]
    if not elements or len(elements[0].dimensions()) < 2:
        return None, None
    return elements[0].get_dimension(0), elements[0].get_dimension(1)


def _panel(panel: Any, ends: Mapping[str, tuple[Any, Any]]) -> Any:
    """Return one panel between the ends of its axes."""
    hv = loaded()
    across, up = _dims(panel)
    x, y = (ends.get(dim.name) if dim is not None else None for dim in (across, up))
    if x is None and y is None:
        return panel
    if isinstance(panel, hv.DynamicMap):
        panel = _still(panel, x, y)
    limits: dict[str, Any] = {}
    if x is not None:
        limits["xlim"] = x
        panel, held = _long_anew(panel, x)
        if held is not None and y is None:
            y = held
    if y is not None:
        limits["ylim"] = y

    def limited(element: Any) -> Any:
        return element.opts(**limits, backend="bokeh", clone=True)

    without = (hv.Text, hv.VLine, hv.HLine, hv.VSpan, hv.HSpan)
    return panel.map(lambda element: element if isinstance(element, without) else limited(element), hv.Element)


def _still(panel: Any, x: Any, y: Any) -> Any:
    """Return what a picture that follows zoom and pan shows of a part."""
    hv = loaded()
    given = {"x_range": x, "y_range": y}
    for moving in hv.core.spaces.get_nested_dmaps(panel):
        for stream in moving.streams:
            if isinstance(stream, hv.streams.RangeX | hv.streams.RangeY | hv.streams.RangeXY):
                stream.update(**{name: given[name] for name in stream.contents})
        moving.data.clear()  # what it keeps of the whole
    return panel[()]


def _long_anew(panel: Any, ends: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return a panel with the samples that are visible of its long series, and what its axis up showed of them all."""
    hv = loaded()
    heights: list[float] = []

    def anew(element: Any) -> Any:
        looks = hv.Store.lookup_options("bokeh", element, "plot").kwargs
        glyph = next((hook for hook in looks.get("hooks", []) if isinstance(hook, Glyph)), None)
        series = next((held for held in glyph.held if isinstance(held, Series)), None) if glyph is not None else None
        if glyph is None or series is None:
            return element
        values = np.asarray(element.dimension_values(1), dtype=float)
        values = values[np.isfinite(values)]
        if values.size and "ylim" not in looks:
            heights.extend(_roomy(float(values.min()), float(values.max()), log=bool(looks.get("logy"))))
        times, drawn, alone = visible(series, *ends)[glyph.line]
        return element.clone((times[alone], drawn[alone]) if glyph.alone else (times, drawn))

    made = panel.map(anew, hv.Element)
    return made, (min(heights), max(heights)) if heights else None


def _roomy(low: float, high: float, *, log: bool) -> tuple[float, float]:
    if log:
        room = (high / low) ** ROOM
        return low / room, high * room
    room = ROOM * (high - low)
    return low - room, high + room

"""What is tapped, dragged and drawn on a picture, told to its page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from analysis.explore.declarations import GESTURES
from analysis.panels.following import Glyph
from analysis.panels.loading import loaded

CORNERS = 120  # of those that a lasso draws; the view must fit into an address


def listen(made: Any, gesture: str, tell: Callable[[Any], None]) -> None:
    """Call ``tell`` with the value of each such gesture on any panel of the picture."""
    hv = loaded()
    for panel in made if isinstance(made, hv.Layout) else [made]:
        if isinstance(panel, hv.DynamicMap):  # its elements are made anew in each view: the gesture is on all of them
            _listen_moving(panel, gesture, tell)
            continue
        elements = panel.traverse(lambda x: x, [hv.core.Element2D]) if hasattr(panel, "traverse") else []
        elements = [e for e in elements if not isinstance(e, hv.Text | hv.Labels)]
        if not elements:
            continue
        source = elements[0]
        if gesture == "tap":
            hv.streams.Tap(source=source).add_subscriber(partial(_tell_tap, tell))
            continue
        drawn_with = hv.Store.lookup_options("bokeh", source, "plot").kwargs
        active = [t for t in drawn_with.get("active_tools", []) if "zoom" in t]
        tools = [tool for _, tool in GESTURES[gesture]]
        source.opts(backend="bokeh", tools=[*drawn_with.get("tools", []), *tools], active_tools=[*active, tools[0]])
        _hear(source, gesture, tell, times=source.dimension_values(0).dtype.kind == "M")


def _listen_moving(panel: Any, gesture: str, tell: Callable[[Any], None]) -> None:
    """Call ``tell`` as :func:`listen` does, of a picture that follows zoom and pan."""
    hv = loaded()
    source = panel
    while below := [part for part in source.callback.inputs if isinstance(part, hv.DynamicMap)]:
        source = below[0]  # what lies over it has no gestures of its own
    if gesture == "tap":
        hv.streams.Tap(source=source).add_subscriber(partial(_tell_tap, tell))
        return
    first = panel[()]
    shown = first if isinstance(first, hv.Element) else next(iter(first))
    drawn_with = hv.Store.lookup_options("bokeh", shown, "plot").kwargs
    active = [t for t in drawn_with.get("active_tools", []) if "zoom" in t]
    tools = [tool for _, tool in GESTURES[gesture]]
    options = {"tools": [*drawn_with.get("tools", []), *tools], "active_tools": [*active, tools[0]]}
    panel.opts(getattr(hv.opts, type(shown).__name__)(**options, backend="bokeh"))
    _hear(source, gesture, tell, times=shown.dimension_values(0).dtype.kind == "M")


def _hear(source: Any, gesture: str, tell: Callable[[Any], None], *, times: bool) -> None:
    """Tell what each stream of a gesture brings."""
    hv = loaded()
    for stream, _ in GESTURES[gesture]:
        told = {"BoundsX": "boundsx", "Lasso": "geometry"}.get(stream, "bounds")
        getattr(hv.streams, stream)(source=source).add_subscriber(partial(_tell_bounds, tell, told, times))


def _tell_tap(tell: Callable[[Any], None], x: Any, y: Any) -> None:
    if x is not None:
        tell(x)


def _tell_bounds(tell: Callable[[Any], None], key: str, times: bool, **contents: Any) -> None:
    """Tell a range or box; Bokeh gives times as milliseconds since 1970."""
    bounds = contents.get(key)
    if bounds is None:
        tell(None)
    elif key == "geometry":
        corners = np.asarray(bounds, dtype=float)
        kept = corners[:: -(-len(corners) // CORNERS)] if len(corners) else corners
        tell(np.array([[float(f"{number:.6g}") for number in corner] for corner in kept]))
    elif any(low == high for low, high in zip(bounds, bounds[len(bounds) // 2 :], strict=False)):
        return  # a slip of the hand: nothing was drawn
    elif times and key == "boundsx":
        tell(tuple(_instant(end) for end in bounds))
    else:
        tell(tuple(bounds))


def moves(picture: Any) -> bool:
    """Return whether a picture listens to more than gestures of its page: to zoom and pan, or to streams of its own."""
    hv = loaded()
    parts = picture.traverse(lambda part: part)
    if any(isinstance(part, hv.HoloMap) for part in parts):  # a DynamicMap is one
        return True
    heard = hv.streams.Stream.registry
    streams = [stream for part in parts for stream in heard.get(part, [])]
    if any(getattr(tell, "func", None) not in (_tell_tap, _tell_bounds) for one in streams for tell in one.subscribers):
        return True
    looks = [hv.Store.lookup_options("bokeh", part, "plot").kwargs for part in parts if isinstance(part, hv.Element)]
    return any(isinstance(hook, Glyph) and bool(hook.held) for one in looks for hook in one.get("hooks", []))


def _instant(value: Any) -> np.datetime64:
    if isinstance(value, int | float):
        return np.datetime64(round(value * 1e6), "ns")
    return np.datetime64(value, "ns")


def times_of(made: Any) -> tuple[Any, Any] | None:
    """Return first and last time of a picture whose axis across is over time (UTC), None of others.

    Examples
    --------
    >>> import holoviews as hv
    >>> times_of(hv.Curve([1, 2])) is None
    True
    """
    hv = loaded()
    if not isinstance(made, hv.core.Dimensioned):
        return None
    ends: list[Any] = []
    for panel in made if isinstance(made, hv.Layout) else [made]:
        shown = panel[()] if isinstance(panel, hv.DynamicMap) else panel
        for element in shown.traverse(lambda one: one, [hv.core.Element2D]):
            if not isinstance(element, hv.Text | hv.Labels) and len(element):
                across = element.dimension_values(0)
                if across.dtype.kind == "M":
                    ends += [np.fmin.reduce(across), np.fmax.reduce(across)]
    known = [end for end in ends if not np.isnat(end)]
    return (min(known), max(known)) if known else None

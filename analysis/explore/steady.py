"""Drags on a figure: a mouse that rests for a moment before it moves still draws, and only the gesture is told."""

from __future__ import annotations

from typing import Any

# Bokeh takes a button held down without movement for 0.3 s to be a press, and then no drag can begin until it is
# released: no box is drawn, though box select is in use. A hand that takes aim does that, and so does a browser that is
# held up. Nothing here listens to presses.
NO_PRESS = """
const view = cb_context.index.find_one(cb_obj.origin);
const gestures = view?.canvas_view?.ui_event_bus?.ui_gestures;
if (gestures) gestures._start_timeout = () => {};
"""


def steady(figure: Any) -> None:
    """Let drags on a Bokeh figure begin however long the mouse rested, and select no glyphs: that fades the others.

    Examples
    --------
    >>> from bokeh.plotting import figure
    >>> made = figure(tools="box_select")
    >>> steady(made)
    >>> made.tools[0].renderers, list(made.js_event_callbacks)
    ([], ['mouseenter'])
    """
    from bokeh.models import BoxSelectTool, CustomJS, LassoSelectTool

    for tool in figure.tools:
        if isinstance(tool, BoxSelectTool | LassoSelectTool):
            tool.renderers = []
    figure.js_on_event("mouseenter", CustomJS(code=NO_PRESS))

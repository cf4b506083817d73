"""A pane's picture renewed in the figures that it has: a brush changes their contents, not the figures."""

from __future__ import annotations

from typing import Any

from analysis.explore.gestures import moves
from analysis.explore.grafts import Graft, Otherwise, apply, grafted
from analysis.explore.zooms import Shown, Zooms, prepared


def renewed(zooms: Zooms, view: str, pane: Any, picture: Any) -> bool:
    """Make a pane show another picture in the figures that it has, and return whether that could be done.

    The picture has to be built like the one that is shown, of the same axes, and neither may follow zoom and pan: what
    such a picture listens to is its own.

    Examples
    --------
    >>> import holoviews as hv
    >>> from analysis.explore.zooms import zoomed_pane
    >>> zooms = Zooms()
    >>> renewed(zooms, "Line", zoomed_pane(zooms, "Line", hv.Curve([1, 2])), hv.Curve([1, 3]))  # nobody sees it yet
    False
    """
    import panel as pn
    from bokeh.document import Document
    from param.parameterized import discard_events

    if not pane._plots or moves(pane.object) or moves(picture):
        return False
    spare: Any = pn.pane.HoloViews(picture, linked_axes=False)
    grafts: list[tuple[Shown, Shown, Graft]] = []
    for root, (plot, _) in pane._plots.items():
        before = next((one for one in zooms.shown if (one.view, one.root) == (view, root)), None)
        if before is None or before.plot() is not plot:
            return False
        fresh = spare._render(Document(), None, None)
        try:
            after, figures = prepared(zooms, view, fresh, root)
            if [names for _, names in figures] != before.figures:
                return False
            grafts.append((before, after, grafted(plot.state, fresh.state)))
        except Otherwise:
            return False
        finally:
            fresh.cleanup()
    with discard_events(pane):
        pane.object = picture
    for before, after, graft in grafts:
        with pn.io.hold(before.plot().state.document, freeze=True):
            apply(graft)
        for axis in after.axes.values():
            axis.range = graft.known[axis.range.id]
        before.axes = after.axes
    return True

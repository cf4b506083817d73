"""What of a zoom that a state asks for no picture has: said in words, and forgotten."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.model import near
from analysis.panels.loading import loaded


def unfit(pictures: Mapping[str, Any], asked: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Return why an axis cannot be zoomed as asked, by picture and axis; empty if all can.

    Parameters
    ----------
    pictures : mapping of str to HoloViews object
        By name; a picture that is missing is one that is not there now.
    asked : mapping of str to mapping of str to (low, high)
        By picture and axis; times as numpy has them.

    Examples
    --------
    >>> import holoviews as hv
    >>> unfit({"Line": hv.Curve([1, 2], "x", "y")}, {"Line": {"x": (0, 1), "z": (0, 1)}})
    {('Line', 'z'): "zoom: Line has no axis 'z'; it has x, y"}
    """
    found: dict[tuple[str, str], str] = {}
    for view, axes in asked.items():
        if view not in pictures:
            found |= {(view, name): f"zoom: {view} shows no picture now" for name in axes}
            continue
        has = _axes(pictures[view])
        for name, ends in axes.items():
            base = name if name in has else re.sub(r" \d+$", "", name)
            if base not in has:
                has_words = ", ".join(has)
                found[view, name] = f"zoom: {view} has no axis {name!r}; it has {has_words}{near(name, list(has))}"
            elif has[base] is not isinstance(ends[0], np.datetime64):
                kind = "times (UTC)" if has[base] else "numbers"
                found[view, name] = f"zoom: the axis {name} of {view} is one of {kind}"
    return found


def _axes(picture: Any) -> dict[str, bool]:
    """Return the names of a picture's axes, and whether each is one of times."""
    hv = loaded()
    has: dict[str, bool] = {}
    for panel in picture if isinstance(picture, hv.Layout) else [picture]:
        shown = panel[()] if isinstance(panel, hv.DynamicMap) else panel
        for element in shown.traverse(lambda one: one, [hv.core.Element2D]):
            if isinstance(element, hv.Text | hv.Labels):
                continue
            for dim in element.dimensions()[:2]:
                times = element.dimension_values(dim, expanded=False).dtype.kind == "M"
                has[dim.name] = has.get(dim.name, False) or times
    return has

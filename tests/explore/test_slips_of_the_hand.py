"""A box or range without width is no selection: the pictures stay."""

import holoviews as hv
import numpy as np
import pytest

from analysis import explore
from analysis.explore import View, linked
from analysis.panels.loading import loaded

SLIPS = {
    "box": ("BoundsXY", "bounds", (0.2, 0.1, 0.6, 0.4), [(0.3, 0.1, 0.3, 0.4), (0.1, 0.3, 0.4, 0.3)]),
    "range": ("BoundsX", "boundsx", (0.2, 0.6), [(0.3, 0.3)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("gesture", SLIPS)
def test_a_selection_without_width_changes_nothing(gesture):
    loaded()
    line, made = hv.Curve(np.linspace(0, 1, 9), "x", "y"), []

    def picture(part):
        made.append(part)
        return line.clone(line.data)

    kind, name, good, slips = SLIPS[gesture]
    page = linked([View("Line", picture, uses=["part"], selects={"part": gesture})])

    def tell(value):
        shown = page.select(lambda one: hasattr(one, "object") and isinstance(one.object, hv.Curve))[-1].object
        (stream,) = [one for one in hv.streams.Stream.registry[shown] if type(one).__name__ == kind]
        stream.event(**{name: value})

    for slip in slips:
        tell(slip)
    assert made == [None]
    tell(good)
    assert explore.state_of(page)["part"] == list(good)
    for slip in slips:
        tell(slip)
    assert explore.state_of(page)["part"] == list(good)

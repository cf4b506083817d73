"""What a page of linked pictures is declared from: controls, views, and the gestures on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.errors import BadOption
from analysis.explore.states import fit_number, fit_option
from analysis.explore.zooms import ZOOM

# What a reader can do on a picture: the name of HoloViews' stream, and the Bokeh tool it needs.
GESTURES = {
    "tap": (("Tap", "tap"),),
    "range": (("BoundsX", "xbox_select"),),
    "box": (("BoundsXY", "box_select"),),
    "area": (("BoundsXY", "box_select"), ("Lasso", "lasso_select")),
}
Picture = Callable[..., Any]


@dataclass(frozen=True)
class Choice:
    """A selector of one option, or with ``many`` of several (the value is then a list)."""

    name: str
    options: Sequence[str]
    label: str = ""
    many: bool = False
    value: Any = None


@dataclass(frozen=True)
class Slider:
    """A slider over numbers; its value arrives when the mouse is released."""

    name: str
    low: float
    high: float
    step: float = 1.0
    value: float | None = None
    label: str = ""


@dataclass(frozen=True)
class View:
    """One picture of an explorer.

    Parameters
    ----------
    name : str
        Its name on the page and in messages.
    picture : callable
        Called with the values of ``uses`` as keywords; returns a HoloViews object, or text.
    uses : sequence of str, optional
        Names of controls and selections: the picture is made anew when one of them changes.
    selects : mapping of str to str, optional
        Selections made on this picture: name → gesture. ``"tap"`` gives the place across, ``"range"`` (low,
        high) across, ``"box"`` (left, bottom, right, top), ``"area"`` either such a box or, drawn with the lasso,
        an array of corners (n × 2). A selection is None until it is made.
    """

    name: str
    picture: Picture
    uses: Sequence[str] = ()
    selects: Mapping[str, str] = field(default_factory=dict)


def fitted(control: Choice | Slider, value: Any) -> Any:
    """Return a control's value out of a state, or refuse it."""
    if isinstance(control, Slider):
        return fit_number(control.name, value, control.low, control.high)
    return fit_option(control.name, value, list(control.options), many=control.many)


def checked(views: Sequence[View], controls: Sequence[Choice | Slider]) -> None:
    """Refuse declarations that cannot work, before a page is built of them."""
    if not views:
        raise BadOption("an explorer needs at least one View")
    if len({view.name for view in views}) < len(views):
        raise BadOption(f"two views have one name: {', '.join(view.name for view in views)}")
    set_by = [control.name for control in controls] + [name for view in views for name in view.selects]
    if len(set(set_by)) < len(set_by):
        raise BadOption(f"two controls or selections have one name: {', '.join(set_by)}")
    if ZOOM in set_by:
        raise BadOption(f"a control or selection cannot be named {ZOOM!r}: that is what a page shows of its pictures")
    for view in views:
        if unknown := [name for name in view.uses if name not in set_by]:
            raise BadOption(f"the view {view.name!r} uses {unknown}, but only {set_by} are set")
        if unknown := [gesture for gesture in view.selects.values() if gesture not in GESTURES]:
            raise BadOption(f"the view {view.name!r} selects by {unknown}; known are {', '.join(GESTURES)}")


def widget_of(control: Choice | Slider) -> tuple[Any, str]:
    """Return the Panel widget of a control, and the parameter that tells its changes."""
    import panel as pn

    name = control.label or control.name
    if isinstance(control, Slider):
        start = control.low if control.value is None else control.value
        options = dict(start=control.low, end=control.high, step=control.step, value=start, label=name, width=300)
        return pn.widgets.FloatSlider(**options), "value_throttled"
    options = dict(options=list(control.options), label=name)
    if control.many:
        size = min(8, max(3, len(control.options)))
        return pn.widgets.MultiSelect(**options, value=list(control.value or []), size=size), "value"
    first = control.options[0] if control.value is None else control.value
    return pn.widgets.Select(**options, value=first, width=200), "value"

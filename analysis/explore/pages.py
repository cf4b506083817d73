"""A page of controls and pictures, built from declarations of what depends on what."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from analysis.errors import BadOption
from analysis.panels.loading import loaded, redrawing

# What a reader can do on a picture: the name of HoloViews' stream, and the Bokeh tool it needs.
GESTURES = {"tap": ("Tap", "tap"), "range": ("BoundsX", "xbox_select"), "box": ("BoundsXY", "box_select")}
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
        high) across, ``"box"`` (left, bottom, right, top). A selection is None until it is made.
    """

    name: str
    picture: Picture
    uses: Sequence[str] = ()
    selects: Mapping[str, str] = field(default_factory=dict)


def linked(
    views: Sequence[View], *, controls: Sequence[Choice | Slider] = (), beside: bool = False, title: str = ""
) -> Any:
    """Return a page of controls and pictures; a choice or selection redraws the pictures that use it.

    Parameters
    ----------
    views : sequence of View
    controls : sequence of Choice or Slider, optional
    beside : bool, optional
        Pictures beside each other where the page is wide enough.
    title : str, optional

    Returns
    -------
    panel.Column
        Works in JupyterLab and under ``panel serve``. A picture that cannot be made is replaced by the
        reason.

    Raises
    ------
    BadOption
        If there is no view, two things have one name, a view uses what nothing sets, or a gesture is unknown.

    Examples
    --------
    >>> page = linked([View("Greeting", lambda name: f"Hello {name}", uses=["name"])],
    ...               controls=[Choice("name", ["Io", "Europa"])])
    >>> page[0][0].value
    'Io'
    """
    import panel as pn

    loaded()
    _check(views, controls)
    page = pn.Column()
    values: dict[str, Any] = dict.fromkeys(name for view in views for name in view.selects)
    # Words and picture of a view stay where they are: only figures are made after the page was first shown.
    words = {view.name: pn.pane.HTML("", visible=False) for view in views}
    pictures = {view.name: pn.Column() for view in views}
    chosen = pn.pane.Str("", styles={"color": "#555555"})

    def draw(view: View) -> None:
        try:
            made = view.picture(**{name: values[name] for name in view.uses})
            for name, gesture in view.selects.items():
                _listen(made, gesture, partial(select, name))
            text = _plain(made) if isinstance(made, str) else ""
            pictures[view.name].objects = [] if isinstance(made, str) else [pn.pane.HoloViews(made)]
        except Exception as error:  # the page is the only place where its reader can see the reason
            text = reason(view.name, error)
            pictures[view.name].objects = []
        words[view.name].param.update(object=text, visible=bool(text))

    selections = [name for view in views for name in view.selects]

    def change(changed: Mapping[str, Any]) -> None:
        values.update(changed)
        with redrawing(page):
            chosen.object = _selected(values, selections)
            for view in views:
                if set(view.uses) & set(changed):
                    draw(view)

    def select(name: str, value: Any) -> None:
        change({name: value})

    widgets = []
    for control in controls:
        widget, tells = _widget(control)
        values[control.name] = widget.value
        widget.param.watch(lambda event, name=control.name: select(name, event.new), tells)
        widgets.append(widget)
    if selections:
        clear = pn.widgets.Button(label="Clear selections", width=140)
        clear.on_click(lambda click: change(dict.fromkeys(selections)))
        widgets.append(clear)
    for view in views:
        draw(view)
    holders = [pn.Column(words[view.name], pictures[view.name]) for view in views]
    grid = pn.FlexBox(*holders) if beside else pn.Column(*holders)
    heading = [pn.pane.HTML(f"<b style='font-size:120%'>{html.escape(title)}</b>")] if title else []
    page.objects = [*heading, pn.Row(*widgets), chosen, grid]
    return page


def _check(views: Sequence[View], controls: Sequence[Choice | Slider]) -> None:
    """Refuse declarations that cannot work, before a page is built of them."""
    if not views:
        raise BadOption("an explorer needs at least one View")
    if len({view.name for view in views}) < len(views):
        raise BadOption(f"two views have one name: {', '.join(view.name for view in views)}")
    set_by = [control.name for control in controls] + [name for view in views for name in view.selects]
    if len(set(set_by)) < len(set_by):
        raise BadOption(f"two controls or selections have one name: {', '.join(set_by)}")
    for view in views:
        if unknown := [name for name in view.uses if name not in set_by]:
            raise BadOption(f"the view {view.name!r} uses {unknown}, but only {set_by} are set")
        if unknown := [gesture for gesture in view.selects.values() if gesture not in GESTURES]:
            raise BadOption(f"the view {view.name!r} selects by {unknown}; known are {', '.join(GESTURES)}")


def _widget(control: Choice | Slider) -> tuple[Any, str]:
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


def _plain(text: str) -> str:
    return f"<pre style='margin: 4px 0'>{html.escape(text)}</pre>"


def reason(view: str, error: Exception) -> str:
    """Return the words shown in place of a picture that could not be made, as HTML."""
    words = html.escape(str(error) or type(error).__name__)
    box = "border-left: 4px solid #D55E00; padding: 6px 10px; background: #fff6ee; max-width: 700px"
    return f"<div style='{box}'><b>{html.escape(view)}</b> cannot be shown: {words}</div>"


def _selected(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the selections in words, empty if there is none."""

    def written(value: Any) -> str:
        if isinstance(value, tuple):
            return " to ".join(written(v) for v in value) if len(value) == 2 else ", ".join(map(written, value))
        return f"{value:.5g}" if isinstance(value, float) else str(value)[:23]

    made = [f"{name}: {written(values[name])}" for name in names if values[name] is not None]
    return "Selected " + "; ".join(made) if made else ""


def _listen(made: Any, gesture: str, tell: Callable[[Any], None]) -> None:
    """Call ``tell`` with the value of each such gesture on any panel of the picture."""
    hv = loaded()
    stream, tool = GESTURES[gesture]
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
        source.opts(backend="bokeh", tools=[*drawn_with.get("tools", []), tool], active_tools=[*active, tool])
        told = "boundsx" if gesture == "range" else "bounds"
        times = source.dimension_values(0).dtype.kind == "M"
        listener = partial(_tell_bounds, tell, told, times)
        getattr(hv.streams, stream)(source=source).add_subscriber(listener)


def _listen_moving(panel: Any, gesture: str, tell: Callable[[Any], None]) -> None:
    """Call ``tell`` as :func:`_listen` does, of a picture that follows zoom and pan."""
    hv = loaded()
    stream, tool = GESTURES[gesture]
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
    options = {"tools": [*drawn_with.get("tools", []), tool], "active_tools": [*active, tool]}
    panel.opts(getattr(hv.opts, type(shown).__name__)(**options, backend="bokeh"))
    told = "boundsx" if gesture == "range" else "bounds"
    times = shown.dimension_values(0).dtype.kind == "M"
    getattr(hv.streams, stream)(source=source).add_subscriber(partial(_tell_bounds, tell, told, times))


def _tell_tap(tell: Callable[[Any], None], x: Any, y: Any) -> None:
    if x is not None:
        tell(x)


def _tell_bounds(tell: Callable[[Any], None], key: str, times: bool, **contents: Any) -> None:
    """Tell a range or box; Bokeh gives times as milliseconds since 1970."""
    bounds = contents.get(key)
    if bounds is None:
        tell(None)
    elif times and key == "boundsx":
        tell(tuple(_instant(end) for end in bounds))
    else:
        tell(tuple(bounds))


def _instant(value: Any) -> np.datetime64:
    if isinstance(value, int | float):
        return np.datetime64(round(value * 1e6), "ns")
    return np.datetime64(value, "ns")

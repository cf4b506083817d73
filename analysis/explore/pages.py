"""A page of controls and pictures, built from declarations of what depends on what."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from analysis.errors import AnalysisError, BadOption
from analysis.explore.addresses import addressed, own_key, put_in_address
from analysis.explore.newest import newest_only
from analysis.explore.sharing import share_bar
from analysis.explore.states import (
    Explored,
    Given,
    State,
    fit_number,
    fit_option,
    fit_selection,
    given_state,
    refuse_unknown,
    told,
)
from analysis.panels.loading import loaded, redrawing

# What a reader can do on a picture: the name of HoloViews' stream, and the Bokeh tool it needs.
GESTURES = {
    "tap": (("Tap", "tap"),),
    "range": (("BoundsX", "xbox_select"),),
    "box": (("BoundsXY", "box_select"),),
    "area": (("BoundsXY", "box_select"), ("Lasso", "lasso_select")),
}
CORNERS = 120  # of those that a lasso draws; the view must fit into an address
Picture = Callable[..., Any]
NOTHING = "There is nothing to show for what is selected."


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


@dataclass(frozen=True)
class Around:
    """What a selector around a page adds to its state, and its name in the address."""

    outer: Mapping[str, Any]
    key: str


def linked(
    views: Sequence[View],
    *,
    controls: Sequence[Choice | Slider] = (),
    beside: bool = False,
    title: str = "",
    state: Given = None,
    again: Mapping[str, str] | None = None,
    around: Around | None = None,
    words: Callable[[Mapping[str, Any]], str] | None = None,
    footer: Sequence[Any] = (),
) -> Any:
    """Return a page of controls and pictures; a choice or selection redraws the pictures that use it.

    Parameters
    ----------
    views : sequence of View
    controls : sequence of Choice or Slider, optional
    beside : bool, optional
        Pictures beside each other where the page is wide enough.
    title : str, optional
    state : mapping, str or path, optional
        What is chosen and selected at first: what :func:`analysis.explore.state_of` gave, or a JSON file with it.
        Under ``panel serve`` the view in the address goes before it.
    again : mapping, optional
        The code that opens the page: what :func:`analysis.explore.opened_again` gives.
    around : Around, optional
        Of the selector that this page stands under.
    words : callable, optional
        Of all values by name; the line that says what is selected. By default it lists the selections.
    footer : sequence of Panel objects, optional
        Put under the controls.

    Returns
    -------
    panel.Column
        Works in JupyterLab and under ``panel serve``, where the address keeps the view. A picture that cannot be
        made is replaced by the reason; of requests that wait for a slow one only the newest is drawn.

    Raises
    ------
    BadOption
        If there is no view, two things have one name, a view uses what nothing sets, a gesture is unknown, or the
        state does not fit the page.

    Examples
    --------
    >>> page = linked([View("Greeting", lambda name: f"Hello {name}", uses=["name"])],
    ...               controls=[Choice("name", ["Io", "Europa"])], state={"name": "Europa"})
    >>> page[0][0].value
    'Europa'
    """
    import panel as pn

    loaded()
    _check(views, controls)
    page: Any = pn.Column()
    gestures = {name: gesture for view in views for name, gesture in view.selects.items()}
    selections = list(gestures)
    widgets = {control.name: _widget(control) for control in controls}
    values: dict[str, Any] = {name: widget.value for name, (widget, _) in widgets.items()}
    values.update(dict.fromkeys(selections))
    # Words and picture of a view stay where they are: only figures are made after the page was first shown.
    lines = {view.name: pn.pane.HTML("", visible=False) for view in views}
    pictures = {view.name: pn.Column() for view in views}
    chosen = pn.pane.HTML("", sizing_mode="stretch_width")
    warned = pn.pane.HTML("", visible=False)
    stale: dict[str, View] = {}
    setting = [False]

    def draw(view: View) -> None:
        try:
            made = view.picture(**{name: values[name] for name in view.uses})
            for name, gesture in view.selects.items():
                _listen(made, gesture, partial(select, name))
            said = NOTHING if made is None else made if isinstance(made, str) else ""
            text = _plain(said) if said else ""
            pictures[view.name].objects = [] if said else [pn.pane.HoloViews(made)]
        except Exception as error:  # the page is the only place where its reader can see the reason
            text = reason(view.name, error)
            pictures[view.name].objects = []
        lines[view.name].param.update(object=text, visible=bool(text))

    def tell() -> str:
        try:
            return _line(words(values) if words is not None else _selected(values, selections))
        except Exception as error:  # the page is the only place where its reader can see the reason
            return _line(str(error) or type(error).__name__)

    def redraw() -> None:
        todo = [view for view in views if view.name in stale]
        stale.clear()
        with busy(page, chosen, [view.name for view in todo]), redrawing(page):
            for view in todo:
                draw(view)
            chosen.object = tell()
            renew()

    # Said before the wait: what is said right before a slow redraw may reach the browser only after it.
    ask = newest_only(redraw, lambda: say_busy(page, chosen, list(stale)))

    def change(changed: Mapping[str, Any], draw_now: Callable[[], None] = ask) -> None:
        if draw_now is ask and all(_same(values[name], value) for name, value in changed.items()):
            return
        values.update(changed)
        stale.update({view.name: view for view in views if set(view.uses) & set(changed)})
        put_in_address(key, read())
        draw_now()

    def select(name: str, value: Any) -> None:
        if not setting[0]:
            change({name: value})

    def read() -> dict[str, Any]:
        return {**explored.outer, **{name: told(value) for name, value in values.items()}}

    def fitting(asked: State) -> dict[str, Any]:
        own = {name: value for name, value in asked.items() if name not in explored.outer}
        refuse_unknown(own, [*explored.outer, *values])
        declared = {control.name: control for control in controls}
        return {
            name: _fit(declared[name], value) if name in declared else fit_selection(name, value, gestures[name])
            for name, value in own.items()
        }

    def take(fitted: Mapping[str, Any]) -> None:
        setting[0] = True
        try:
            for name in set(fitted) & set(widgets):
                widgets[name][0].value = fitted[name]
        finally:
            setting[0] = False
        values.update(fitted)

    def write(asked: State) -> None:
        fitted = fitting(asked)
        take(fitted)
        change(fitted, redraw)

    def made_anew() -> dict[str, Any]:
        return {view.name: _picture_or_reason(view, values) for view in views}

    explored = Explored(read, write, made_anew, title, dict(again or {}), dict(around.outer if around else {}))
    key = around.key if around else own_key()
    first = fitting(given_state(state))
    take(first)
    if not around:
        take(asked_in_address(key, fitting, warned))
    bar, renew = share_bar(page, explored)
    for control in controls:
        widget, tells = widgets[control.name]
        widget.param.watch(lambda event, name=control.name: select(name, event.new), tells)
    shown = [widget for widget, _ in widgets.values()]
    if selections:
        clear = pn.widgets.Button(label="Clear selections", width=140)
        clear.on_click(lambda click: change(dict.fromkeys(selections)))
        shown.append(clear)
    chosen.object = tell()
    for view in views:
        draw(view)
    holders = [pn.Column(lines[view.name], pictures[view.name]) for view in views]
    grid = pn.FlexBox(*holders) if beside else pn.Column(*holders)
    heading = [pn.pane.HTML(f"<b style='font-size:120%'>{html.escape(title)}</b>")] if title else []
    page.objects = [*heading, pn.Row(*shown), *footer, warned, chosen, grid, bar]
    page.explored = explored
    return page


def asked_in_address(key: str, fitting: Callable[[State], dict[str, Any]], warned: Any) -> dict[str, Any]:
    """Return what the address of a served page asks for; what cannot be is told in words and left out."""
    try:
        return fitting(addressed(key) or {})
    except AnalysisError as error:
        warned.param.update(object=reason("The view in the address", error), visible=True)
        return {}


def say_busy(page: Any, shown: Any, names: Sequence[str]) -> None:
    """Say on the page what is being drawn, as an update of its own."""
    if names:
        with redrawing(page):
            shown.object = f"Drawing {', '.join(names)} …"


@contextmanager
def busy(page: Any, shown: Any, names: Sequence[str]) -> Iterator[None]:
    """Say on the page what is being drawn, at once and until it is there."""
    say_busy(page, shown, names)
    try:
        yield
    finally:
        if names and str(shown.object).startswith("Drawing "):
            with redrawing(page):
                shown.object = ""


def _picture_or_reason(view: View, values: Mapping[str, Any]) -> Any:
    """Return a view's picture for a file, or the words that stand in its place."""
    try:
        made = view.picture(**{name: values[name] for name in view.uses})
    except AnalysisError as error:
        return f"cannot be shown: {error}"
    return NOTHING if made is None else made


def _fit(control: Choice | Slider, value: Any) -> Any:
    """Return a control's value out of a state, or refuse it."""
    if isinstance(control, Slider):
        return fit_number(control.name, value, control.low, control.high)
    return fit_option(control.name, value, list(control.options), many=control.many)


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


def _same(one: Any, other: Any) -> bool:
    """Return whether a selection is what it was: some gestures are told twice."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and np.array_equal(one, other)
    return type(one) is type(other) and bool(one == other)


def _plain(text: str) -> str:
    return f"<pre style='margin: 4px 0'>{html.escape(text)}</pre>"


def _line(text: str) -> str:
    return f"<div style='color: #555555; white-space: pre-wrap; max-width: 1100px'>{html.escape(text)}</div>"


def reason(view: str, error: Exception) -> str:
    """Return the words shown in place of a picture that could not be made, as HTML."""
    said = str(error) or "no reason given"
    words = html.escape(said if isinstance(error, AnalysisError) else f"{type(error).__name__}: {said}")
    box = "border-left: 4px solid #D55E00; padding: 6px 10px; background: #fff6ee; max-width: 700px"
    return f"<div style='{box}'><b>{html.escape(view)}</b> cannot be shown: {words}</div>"


def _selected(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the selections in words, empty if there is none."""

    def written(value: Any) -> str:
        if isinstance(value, tuple):
            return " to ".join(written(v) for v in value) if len(value) == 2 else ", ".join(map(written, value))
        if isinstance(value, np.ndarray):
            return f"a region of {len(value)} corners"
        return f"{value:.5g}" if isinstance(value, float) else str(told(value))[:23]

    made = [f"{name}: {written(values[name])}" for name in names if values[name] is not None]
    return "Selected " + "; ".join(made) if made else ""


def _listen(made: Any, gesture: str, tell: Callable[[Any], None]) -> None:
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
    """Call ``tell`` as :func:`_listen` does, of a picture that follows zoom and pan."""
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


def _instant(value: Any) -> np.datetime64:
    if isinstance(value, int | float):
        return np.datetime64(round(value * 1e6), "ns")
    return np.datetime64(value, "ns")

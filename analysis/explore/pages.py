"""A page of controls and pictures, built from declarations of what depends on what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from analysis.errors import AnalysisError
from analysis.explore.addresses import put_in_address
from analysis.explore.asked_zooms import unfit
from analysis.explore.declarations import Choice, Slider, View, checked, fitted, widget_of
from analysis.explore.frames import Around, Frame, begin, filled, framed, taken
from analysis.explore.gestures import listen, times_of
from analysis.explore.newest import newest_only
from analysis.explore.renewing import renewed
from analysis.explore.states import Explored, Given, State, fit_selection, refuse_unknown, told
from analysis.explore.steps import in_step
from analysis.explore.wording import NOTHING, busy, line, plain, reason, say_busy, selected
from analysis.explore.zooms import ZOOM, fit_zoom, set_zoom, zoom_state, zoomed_pane
from analysis.panels.loading import loaded, redrawing
from analysis.panels.parts import part_of

Values = Mapping[str, Any]


@dataclass(eq=False)
class _Page:
    """The parts of one page: declarations, widgets, the values that hold, and where each view is shown."""

    views: Mapping[str, View]
    controls: Mapping[str, Choice | Slider]
    gestures: Mapping[str, str]
    widgets: Mapping[str, tuple[Any, str]]
    values: dict[str, Any]
    words: Callable[[Values], str]
    lines: Mapping[str, Any]  # words and picture of a view stay where they are:
    pictures: Mapping[str, Any]  # only figures are made after the page was first shown
    chosen: Any
    frame: Frame
    stale: dict[str, View] = field(default_factory=dict)
    times: dict[str, Any] = field(default_factory=dict)  # first and last time of views that are over time
    ask: Callable[[], None] = lambda: None
    asked: dict[str, Any] = field(default_factory=dict)  # a zoom that a state asks for, until the pictures are there


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
    loaded()
    checked(views, controls)
    page = _parts(views, controls, words, around)
    frame = page.frame
    page.ask = newest_only(partial(_redraw, page), lambda: say_busy(frame.column, page.chosen, list(page.stale)))
    outer = dict(around.outer if around else {})
    explored = Explored(
        lambda: {
            **outer, **{name: told(value) for name, value in page.values.items()}, ZOOM: zoom_state(frame.zooms)
        },
        partial(_write, page), partial(_made_anew, page), title, dict(again or {}), outer, frame.zooms,
    )  # fmt: skip
    begin(frame, state, explored, ask_address=around is None)
    for name, (widget, tells) in page.widgets.items():
        widget.param.watch(lambda event, name=name: _select(page, name, event.new), tells)
    page.chosen.object = _told(page)
    for view in views:
        _draw(page, view)
    _say_unfit(page)
    frame.zooms.tap = partial(_tap, page)
    if around is None:
        in_step([(frame.column, frame.zooms)])
    return filled(frame, _laid_out(page, footer, beside=beside))


def _parts(
    views: Sequence[View],
    controls: Sequence[Choice | Slider],
    words: Callable[[Values], str] | None,
    around: Around | None,
) -> _Page:
    """Return the parts of a page on which nothing is drawn yet."""
    import panel as pn

    gestures = {name: gesture for view in views for name, gesture in view.selects.items()}
    widgets = {control.name: widget_of(control) for control in controls}
    values: dict[str, Any] = {name: widget.value for name, (widget, _) in widgets.items()}
    values.update(dict.fromkeys(gestures))
    lines = {view.name: pn.pane.HTML("", visible=False) for view in views}
    pictures = {view.name: pn.Column() for view in views}
    chosen = pn.pane.HTML("", sizing_mode="stretch_width")
    frame = framed(lambda asked: _fitting(page, asked), lambda found: _take(page, found), around)
    page = _Page(
        {view.name: view for view in views}, {control.name: control for control in controls}, gestures, widgets,
        values, words or partial(selected, names=list(gestures)), lines, pictures, chosen, frame,
    )  # fmt: skip
    return page


def _laid_out(page: _Page, footer: Sequence[Any], *, beside: bool) -> list[Any]:
    """Return what stands on the page, from above."""
    import panel as pn

    shown = [widget for widget, _ in page.widgets.values()]
    if page.gestures:
        clear = pn.widgets.Button(label="Clear selections", width=140)
        clear.on_click(lambda click: _change(page, dict.fromkeys(page.gestures)))
        shown.append(clear)
    holders = [pn.Column(page.lines[name], page.pictures[name]) for name in page.views]
    grid = pn.FlexBox(*holders) if beside else pn.Column(*holders)
    return [pn.Row(*shown), *footer, page.frame.warned, page.chosen, grid, page.frame.bar]


def _draw(page: _Page, view: View) -> None:
    """Make a view's picture, or say why there is none."""
    try:
        made = view.picture(**{name: page.values[name] for name in view.uses})
        for name, gesture in view.selects.items():
            listen(made, gesture, partial(_select, page, name))
        page.times[view.name] = times_of(made) if "tap" in view.selects.values() else None
        said = NOTHING if made is None else made if isinstance(made, str) else ""
        text = plain(said) if said else ""
        if said:
            page.pictures[view.name].objects = []
        else:
            _show(page, view.name, made)
    except Exception as error:  # the page is the only place where its reader can see the reason
        text = reason(view.name, error)
        page.pictures[view.name].objects = []
    page.lines[view.name].param.update(object=text, visible=bool(text))


def _show(page: _Page, name: str, made: Any) -> None:
    """Show a picture in the figures that are there, or else in new ones."""
    holder, zooms = page.pictures[name], page.frame.zooms
    if not (len(holder) and renewed(zooms, name, holder[0], made)):
        holder.objects = [zoomed_pane(zooms, name, made)]


def _redraw(page: _Page) -> None:
    """Draw what is stale."""
    todo = list(page.stale.values())
    page.stale.clear()
    column = page.frame.column
    with busy(column, page.chosen, [view.name for view in todo]), redrawing(column):
        for view in todo:
            _draw(page, view)
        page.chosen.object = _told(page)
        page.frame.renew()


def _change(page: _Page, changed: Values, draw_now: Callable[[], None] | None = None) -> None:
    """Take new values, and ask for the pictures that depend on them or draw them now."""
    if draw_now is None and all(_same(page.values[name], value) for name, value in changed.items()):
        return
    page.values.update(changed)
    page.stale.update({name: view for name, view in page.views.items() if set(view.uses) & set(changed)})
    if page.frame.explored is not None:
        put_in_address(page.frame.key, page.frame.explored.read())
    (draw_now or page.ask)()


def _select(page: _Page, name: str, value: Any) -> None:
    if not page.frame.setting:
        _change(page, {name: value})
        if page.gestures.get(name) == "tap" and isinstance(value, np.datetime64):
            for tell in page.frame.zooms.tapped:
                tell(value)


def _tap(page: _Page, time: Any) -> None:
    """Take a time tapped on another page, where a view can be tapped and has something then."""
    for view in page.views.values():
        ends = page.times.get(view.name)
        if ends is not None and ends[0] <= time <= ends[1]:
            _change(page, {name: time for name, gesture in view.selects.items() if gesture == "tap"})


def _fitting(page: _Page, asked: State) -> dict[str, Any]:
    """Return the values that a state asks for, or refuse them."""
    outer = page.frame.explored.outer if page.frame.explored else {}
    own = {name: value for name, value in asked.items() if name not in outer}
    refuse_unknown(own, [*outer, *page.values, ZOOM])
    found: dict[str, Any] = {}
    for name, value in own.items():
        if name == ZOOM:
            found[name] = fit_zoom(value, list(page.views))
        elif name in page.controls:
            found[name] = fitted(page.controls[name], value)
        else:
            found[name] = fit_selection(name, value, page.gestures[name])
    return found


def _take(page: _Page, found: Values) -> None:
    for name in set(found) & set(page.widgets):
        page.widgets[name][0].value = found[name]
    page.values.update({name: value for name, value in found.items() if name != ZOOM})
    if ZOOM in found:
        page.asked = found[ZOOM]
        set_zoom(page.frame.zooms, found[ZOOM])


def _write(page: _Page, asked: State) -> None:
    found = _fitting(page, asked)
    with redrawing(page.frame.column):
        taken(page.frame, found)
    found.pop(ZOOM, None)
    _change(page, found, partial(_redraw, page))
    with redrawing(page.frame.column):
        page.frame.warned.visible = False
        _say_unfit(page)


def _say_unfit(page: _Page) -> None:
    """Say what of the zoom that a state asked for no picture has, and forget it."""
    asked, page.asked = page.asked, {}
    pictures = {name: holder[0].object for name, holder in page.pictures.items() if len(holder)}
    if why := unfit(pictures, asked) if asked else {}:
        for view, axis in why:
            page.frame.zooms.held.get(view, {}).pop(axis, None)
        page.frame.warned.param.update(object=line(". ".join(dict.fromkeys(why.values()))), visible=True)


def _told(page: _Page) -> str:
    """Return the line that says what is selected."""
    try:
        return line(page.words(page.values))
    except Exception as error:  # the page is the only place where its reader can see the reason
        return line(str(error) or type(error).__name__)


def _made_anew(page: _Page) -> dict[str, Any]:
    """Return each view's picture for a file, or the words that stand in its place."""
    made: dict[str, Any] = {}
    for name, view in page.views.items():
        try:
            picture = view.picture(**{used: page.values[used] for used in view.uses})
        except AnalysisError as error:
            picture = f"cannot be shown: {error}"
        held = page.frame.zooms.held.get(name, {})
        made[name] = NOTHING if picture is None else picture if isinstance(picture, str) else part_of(picture, held)
    return made


def _same(one: Any, other: Any) -> bool:
    """Return whether a selection is what it was: some gestures are told twice."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and np.array_equal(one, other)
    return type(one) is type(other) and bool(one == other)

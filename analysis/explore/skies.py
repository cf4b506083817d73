"""The explorer of a sky: fly to a place, tap a cell, draw a mask, and lines beside it follow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from analysis.errors import AnalysisError
from analysis.explore.besides import (
    BESIDE,
    SkyPage,
    beside_of,
    lines_anew,
    renew_beside,
    select_of,
    values_beside,
)
from analysis.explore.declarations import Choice, Slider
from analysis.explore.frames import begin, filled, follow_state, framed, taken
from analysis.explore.hands import drawing, marks_on, thinned
from analysis.explore.scenes import Drawn, Followers, Scene, Values
from analysis.explore.sky_states import DRAWN, drawn_state, fit_sky, part_state
from analysis.explore.states import Explored, Given, State
from analysis.explore.wording import reason
from analysis.explore.zooms import ZOOM, plane_pane, set_zoom, zoom_state, zoomed_pane
from analysis.panels.loading import loaded, redrawing
from analysis.panels.parts import part_of
from analysis.panels.pointings import Pointing, places, pointing_of, vectors_of, window

FIELDS = ("1", "2", "5", "10", "20", "60", "120")  # degrees across of a tangent plane
PLACES = "l b, a name, or 5h34m +22d"
TAP = "Click the sky, or type a place, to see the values there."
SKY, CELL = "Sky", "Cell"


def sky_explorer(
    *,
    sky: Callable[[Values, Scene], Any],
    choices: Sequence[Choice] = (),
    projections: Sequence[str] = ("mollweide", "orthographic", "cartesian", "gnomonic"),
    projection: str = "mollweide",
    centre: tuple[float, float] = (0.0, 0.0),
    tell_centre: bool = False,
    place: Callable[[str], tuple[float, float]] | None = None,
    cell: Callable[[Values, float, float], tuple[str, Any]] | None = None,
    followers: Followers | None = None,
    title: str = "",
    state: Given = None,
    again: Mapping[str, str] | None = None,
) -> Any:
    """Return a page of one sky: selectors, a box for places, what was tapped, and lines that follow a mask.

    Parameters
    ----------
    sky : callable
        ``sky(values, scene)`` returns the picture; ``values`` are the choices by name and the dial's. What is visible
        stays when a choice is made; another projection or place shows the whole again.
    choices : sequence of Choice, optional
    projections, projection, centre : optional
        Projections to choose from, the first one, and where it looks.
    tell_centre : bool, optional
        Mark the centre at the start and show its cell.
    place : callable, optional
        Of what was typed; returns longitude and latitude, or raises an error that says what can be typed.
    cell : callable, optional
        ``cell(values, lon, lat)`` of a place that was tapped: words (HTML), and a picture or None.
    followers : Followers, optional
        A mask that is dragged and drawn, and what follows it.
    title : str, optional
    state, again : optional
        See :func:`analysis.explore.linked`; the state has the place, what is visible, and regions drawn by hand.

    Returns
    -------
    panel.Column
        What cannot be shown is replaced by the reason.

    Raises
    ------
    BadOption
        If the state does not fit.

    Examples
    --------
    >>> page = sky_explorer(sky=lambda values, scene: f"{values['band']} in {scene.pointing.projection}",
    ...                     choices=[Choice("band", ["K", "W"])])
    >>> [w.value for w in page.select(lambda part: hasattr(part, "options"))][:2]
    ['K', 'mollweide']
    """
    import panel as pn

    hv = loaded()
    page = SkyPage(
        sky, place, cell, {choice.name: select_of(choice) for choice in choices},
        pn.widgets.Select(label="Projection", options=list(projections), value=projection, width=140),
        pn.widgets.Select(label="Field across (deg)", options=list(FIELDS), value="20", width=130),
        pn.pane.HTML(TAP if cell else "", width=620), pn.Column(), pn.Column(),
        hv.streams.Pipe(data=None), hv.streams.Pipe(data=[]),
        framed(lambda asked: _fitting(page, asked), lambda found: _take(page, found)),
        centre, place_told=centre if tell_centre else None,
    )  # fmt: skip
    frame = page.frame
    if followers is not None:
        page.beside = beside_of(followers, page.outline, frame.zooms)
    explored = Explored(
        partial(_read, page), partial(_write, page), partial(_pictures, page), title, dict(again or {}),
        zooms=frame.zooms,
    )  # fmt: skip
    begin(frame, state, explored)
    _draw(page)
    _tell(page)
    _follow(page)
    return filled(frame, _laid_out(page))


def _laid_out(page: SkyPage) -> list[Any]:
    """Return what stands on the page, from above; its widgets are heard from now on."""
    import panel as pn

    for widget in page.widgets.values():
        widget.param.watch(lambda event: _chosen(page, event.obj), "value")
    for changing in (page.projected, page.across):
        changing.param.watch(lambda _: _pointed(page), "value")
    whole = pn.widgets.Button(label="Whole picture", width=120, align="end")
    whole.on_click(lambda _: _pointed(page))
    box = pn.widgets.TextInput(label="Place", placeholder=PLACES, width=230)
    box.param.watch(lambda event: _go(page, str(event.new)), "value")
    side, beside = [], page.beside
    if beside is not None:
        beside.slider.param.watch(lambda _: _drew(page, page.drawn, dragged=True), "value")
        beside.slider.param.watch(lambda _: _drew(page, page.drawn), "value_throttled")
        for widget in beside.widgets.values():
            widget.param.watch(lambda _: _drew(page, page.drawn), "value")
        button = pn.widgets.Button(label="Take drawn regions away", width=290)
        button.on_click(lambda _: _cleared(page))
        side = [beside.slider, *beside.widgets.values(), button, pn.Column(beside.words, beside.holder)]
    first_row = pn.FlexBox(*page.widgets.values(), page.projected, page.across, *([box] if page.find else []), whole)
    left = pn.Column(page.holder, page.told, page.cell_holder)
    return [first_row, page.frame.warned, pn.FlexBox(left, pn.Column(*side)), page.frame.bar]


def _values(page: SkyPage) -> dict[str, Any]:
    return {name: widget.value for name, widget in page.widgets.items()} | values_beside(page.beside)


def _pointing(page: SkyPage) -> Pointing:
    return pointing_of(page.projected.value, page.centre, float(page.across.value))


def _draw(page: SkyPage) -> None:
    """Make the picture of the sky, or say why there is none."""
    import panel as pn

    now, before = _pointing(page), page.drawn
    layers = [marks_on(page.mark)]
    page.pointing = now

    def moved(part: Any) -> None:
        if page.pointing is now:  # not of a picture that has gone
            page.part = part
            page.frame.zooms.own()

    def drawn(regions: Any) -> None:
        _drew(page, (*before, (now, thinned(regions))) if regions else before)

    if page.beside is not None:
        layer, strokes, page.clear = drawing()
        layers.append(layer)
        strokes(drawn)
    try:
        _mark(page)
        scene = Scene(now, page.part, page.outline, layers, partial(_tapped, page), moved)
        made = page.sky(_values(page), scene)
        shown = pn.pane.Str(made) if isinstance(made, str) else plane_pane(made, window(now))
        page.holder.objects = [shown]
    except AnalysisError as error:  # the page is the only place where its reader can see the reason
        page.holder.objects = [pn.pane.HTML(reason("The sky", error))]


def _mark(page: SkyPage) -> None:
    """Mark the place that was tapped or typed."""
    place = page.place_told
    spots: Any = [] if place is None else places(vectors_of(*np.array(place)[:, None]), page.pointing)
    page.mark.send([tuple(spot) for spot in spots if np.isfinite(spot).all()])


def _tell(page: SkyPage) -> None:
    """Show the values at the place."""
    if page.cell is None or page.place_told is None:
        return
    try:
        words, picture = page.cell(_values(page), *page.place_told)
        page.told.object = words
        page.cell_holder.objects = [] if picture is None else [zoomed_pane(page.frame.zooms, CELL, picture)]
    except AnalysisError as error:  # the page is the only place where its reader can see the reason
        page.told.object, page.cell_holder.objects = reason("This cell", error), []


def _follow(page: SkyPage, *, dragged: bool = False) -> None:
    renew_beside(page.beside, _values(page), page.drawn, dragged=dragged)


def _drew(page: SkyPage, drawn: Drawn, *, dragged: bool = False) -> None:
    """Take regions drawn by hand, or another mask."""
    page.drawn = drawn
    if page.frame.setting:
        return
    with redrawing(page.frame.column):
        _follow(page, dragged=dragged)
        follow_state(page.frame)


def _tapped(page: SkyPage, lon: float, lat: float) -> None:
    page.place_told = lon, lat
    with redrawing(page.frame.column):
        _mark(page)
        _tell(page)
        follow_state(page.frame)


def _go(page: SkyPage, text: str) -> None:
    """Look at a place that was typed."""
    if page.find is None or not text.strip():
        return
    with redrawing(page.frame.column):
        try:
            found = page.find(text)
        except AnalysisError as error:
            page.told.object = reason(f"“{text[:60]}”", error)
            return
        page.centre, page.place_told, page.part = found, found, None
        _draw(page)
        _tell(page)
        follow_state(page.frame)


def _chosen(page: SkyPage, widget: Any) -> None:
    """Draw what was chosen; what is visible stays."""
    if page.frame.setting:
        return
    name = next(name for name, one in page.widgets.items() if one is widget)
    with redrawing(page.frame.column):
        _draw(page)
        if page.beside is not None and name in page.beside.made.uses:
            _follow(page)
        _tell(page)
        follow_state(page.frame)


def _pointed(page: SkyPage) -> None:
    """Show the whole, in the projection chosen."""
    if page.frame.setting:
        return
    page.part = None
    with redrawing(page.frame.column):
        page.across.visible = page.projected.value == "gnomonic"
        _draw(page)
        follow_state(page.frame)


def _cleared(page: SkyPage) -> None:
    """Take drawn regions away."""
    page.clear()
    _drew(page, ())
    with redrawing(page.frame.column):
        _draw(page)


def _read(page: SkyPage) -> dict[str, Any]:
    spot = None if page.place_told is None else list(page.place_told)
    made = _values(page) | {"projection": page.projected.value, "centre": list(page.centre), "place": spot}
    if page.projected.value == "gnomonic":
        made["field"] = float(page.across.value)
    if page.beside is not None:
        made[DRAWN] = drawn_state(page.drawn)
    part = part_state(page.part, _pointing(page))
    held = ({SKY: part} if part else {}) | (zoom_state(page.frame.zooms) or {})
    return {**made, ZOOM: held or None}


def _fitting(page: SkyPage, asked: State) -> dict[str, Any]:
    """Return the values that a state asks for, or refuse them."""
    options = {name: list(widget.options) for name, widget in page.widgets.items()}
    options["projection"] = list(page.projected.options)
    dials: dict[str, Slider] = {}
    if page.beside is not None:
        dials[page.beside.made.dial.name] = page.beside.made.dial
        options |= {name: list(widget.options) for name, widget in page.beside.widgets.items()}
    shown = [SKY, *([CELL] if page.cell else []), *([BESIDE] if page.beside else [])]
    now = {"projection": page.projected.value, "centre": page.centre, "field": page.across.value}
    return fit_sky(asked, options=options, dials=dials, fields=FIELDS, pictures=shown, now=now)


def _take(page: SkyPage, found: Mapping[str, Any]) -> None:
    widgets = page.widgets | {"projection": page.projected, "field": page.across}
    if page.beside is not None:
        widgets |= {page.beside.made.dial.name: page.beside.slider, **page.beside.widgets}
    for name, value in found.items():
        if name in widgets:
            widgets[name].value = value
    page.centre = found.get("centre") or page.centre
    page.place_told = found.get("place", page.place_told)
    page.drawn = found.get(DRAWN, page.drawn)
    if {"projection", "centre", "field"} & set(found):
        page.part = None
    if ZOOM in found:
        held = dict(found[ZOOM])
        page.part = held.pop(SKY, None)
        set_zoom(page.frame.zooms, held)
    page.across.visible = page.projected.value == "gnomonic"


def _write(page: SkyPage, asked: State) -> None:
    found = _fitting(page, asked)
    with redrawing(page.frame.column):
        taken(page.frame, found)
        _draw(page)
        _tell(page)
        _follow(page)
        follow_state(page.frame)


def _pictures(page: SkyPage) -> dict[str, Any]:
    """Return the pictures for files, by name."""
    hv = loaded()
    now, held = _pointing(page), page.frame.zooms.held
    scene = Scene(now, page.part, hv.streams.Pipe(data=page.outline.data), [], lambda lon, lat: None, lambda part: None)
    made = {SKY: page.sky(_values(page), scene)}
    if page.cell is not None and page.place_told is not None:
        words, picture = page.cell(_values(page), *page.place_told)
        made[CELL] = re.sub("<[^>]*>", " ", words) if picture is None else part_of(picture, held.get(CELL, {}))
    if page.beside is not None:
        made[BESIDE] = part_of(lines_anew(page.beside, _values(page), page.drawn), held.get(BESIDE, {}))
    return made

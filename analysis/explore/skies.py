"""The explorer of a sky: fly to a place, tap a cell, draw a mask, and lines beside it follow."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from analysis.errors import AnalysisError, BadOption
from analysis.explore.addresses import own_key, put_in_address
from analysis.explore.declarations import Choice, Slider
from analysis.explore.frames import asked_in_address
from analysis.explore.hands import PLANE, Regions, drawing
from analysis.explore.live import Lines
from analysis.explore.sharing import share_bar
from analysis.explore.states import Explored, Given, State, fit_number, fit_option, given_state, refuse_unknown
from analysis.explore.wording import reason
from analysis.panels.loading import loaded, redrawing
from analysis.panels.pointings import Pointing, places, pointing_of, vectors_of

Values: TypeAlias = Mapping[str, Any]
Drawn: TypeAlias = tuple[tuple[Pointing, Regions], ...]
FIELDS = ("1", "2", "5", "10", "20", "60", "120")  # degrees across of a tangent plane
PLACES = "l b, a name, or 5h34m +22d"
TAP = "Click the sky, or type a place, to see the values there."


@dataclass(frozen=True, eq=False)
class Scene:
    """What a picture of the sky takes over from the page, besides the choices made there.

    Parameters
    ----------
    pointing : Pointing
        Projection, centre and field.
    part : ((float, float), (float, float)) or None
        Ends of x and y of what is visible.
    outline : holoviews.streams.Pipe
        Of what ``mask`` returns.
    layers : sequence of HoloViews objects
        What is drawn by hand, and the mark of a place.
    tapped, moved : callable
        To be called with longitude and latitude, and with what is visible.
    """

    pointing: Pointing
    part: Any
    outline: Any
    layers: Sequence[Any]
    tapped: Callable[[float, float], None]
    moved: Callable[[Any], None]


@dataclass(frozen=True)
class Followers:
    """What follows the mask of a sky.

    Parameters
    ----------
    dial : Slider
        Of the mask; acts while it is dragged.
    mask : callable
        ``mask(values, drawn)``: what the outline's Pipe is sent; ``drawn`` are regions by pointing.
    lines : callable
        ``lines(values, drawn)``: lines by name, and words about them.
    picture : callable
        Of a DynamicMap of an Overlay of the lines; returns the picture of them.
    choices : sequence of Choice, optional
        Of the lines alone.
    uses : sequence of str, optional
        Choices of the sky that the lines depend on, too.
    slow : callable, optional
        Of the values: whether the lines take so long that they wait until the slider is released.
    """

    dial: Slider
    mask: Callable[[Values, Drawn], Any]
    lines: Callable[[Values, Drawn], tuple[Lines, str]]
    picture: Callable[[Any], Any]
    choices: Sequence[Choice] = ()
    uses: Sequence[str] = ()
    slow: Callable[[Values], bool] = lambda values: False


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
        See :func:`analysis.explore.linked`; regions drawn by hand and zooms are not in the state.

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
    page: Any = pn.Column()
    widgets = {choice.name: _select(choice) for choice in choices}
    projected = pn.widgets.Select(label="Projection", options=list(projections), value=projection, width=140)
    across = pn.widgets.Select(label="Field across (deg)", options=list(FIELDS), value="20", width=130)
    box = pn.widgets.TextInput(label="Place", placeholder=PLACES, width=230)
    whole = pn.widgets.Button(label="Whole picture", width=120, align="end")
    told, beside, holder = pn.pane.HTML(TAP if cell else "", width=620), pn.Column(), pn.Column()
    hand = _State(centre, place=centre if tell_centre else None)
    outline, mark = hv.streams.Pipe(data=None), hv.streams.Pipe(data=[])
    side, side_values, renew = _side(followers, outline)
    changing_by: dict[str, Any] = widgets | {"projection": projected, "field": across}
    options = {choice.name: list(choice.options) for choice in choices} | {"projection": list(projections)}
    if followers is not None:
        changing_by |= {followers.dial.name: side[0]}
        changing_by |= {choice.name: widget for choice, widget in zip(followers.choices, side[1:-1], strict=True)}
        options |= {choice.name: list(choice.options) for choice in followers.choices}
    key, warned, setting = own_key(), pn.pane.HTML("", visible=False), [False]

    def values() -> dict[str, Any]:
        return {name: widget.value for name, widget in widgets.items()} | side_values()

    def follow(dragged: bool = False) -> None:
        renew(values(), hand.drawn, dragged)

    def changed() -> None:
        put_in_address(key, read())
        renew_bar()

    def marked(pointing: Pointing) -> None:
        spots: Any = [] if hand.place is None else places(vectors_of(*np.array(hand.place)[:, None]), pointing)
        mark.send([tuple(spot) for spot in spots if np.isfinite(spot).all()])

    def draw() -> None:
        now = pointing_of(projected.value, hand.centre, float(across.value))
        layers = [hv.DynamicMap(_spot, streams=[mark])]
        before, hand.pointing = hand.drawn, now

        def moved(part: Any) -> None:
            if hand.pointing is now:  # not of a picture that has gone
                hand.part = part

        if followers is not None:
            layer, strokes, hand.clear = drawing()
            layers.append(layer)
            strokes(lambda regions: drew((*before, (now, regions)) if regions else before))
        try:
            marked(now)
            made = sky(values(), Scene(now, hand.part, outline, layers, tapped, moved))
            shown = pn.pane.Str(made) if isinstance(made, str) else pn.pane.HoloViews(made, linked_axes=False)
            holder.objects = [shown]
        except AnalysisError as error:  # the page is the only place where its reader can see the reason
            holder.objects = [pn.pane.HTML(reason("The sky", error))]

    def drew(drawn: Drawn, dragged: bool = False) -> None:
        hand.drawn = drawn
        if setting[0]:
            return
        with redrawing(page):
            follow(dragged)
            changed()

    def tapped(lon: float, lat: float) -> None:
        hand.place = lon, lat
        with redrawing(page):
            marked(hand.pointing)
            tell()
            changed()

    def tell() -> None:
        if cell is None or hand.place is None:
            return
        try:
            words, picture = cell(values(), *hand.place)
            told.object = words
            beside.objects = [] if picture is None else [pn.pane.HoloViews(picture, linked_axes=False)]
        except AnalysisError as error:
            told.object, beside.objects = reason("This cell", error), []

    def go(event: Any) -> None:
        if place is None or not str(event.new).strip():
            return
        with redrawing(page):
            try:
                found = place(str(event.new))
            except AnalysisError as error:
                told.object = reason(f"“{str(event.new)[:60]}”", error)
                return
            hand.centre, hand.place, hand.part = found, found, None
            draw()
            tell()
            changed()

    def chosen(name: str) -> None:
        if setting[0]:
            return
        with redrawing(page):
            draw()
            if followers is not None and name in followers.uses:
                follow()
            tell()
            changed()

    def pointed(_: Any = None) -> None:
        if setting[0]:
            return
        hand.part = None
        with redrawing(page):
            across.visible = projected.value == "gnomonic"
            draw()
            changed()

    def cleared(_: Any) -> None:
        hand.clear()
        drew(())
        with redrawing(page):
            draw()

    def read() -> dict[str, Any]:
        spot = None if hand.place is None else list(hand.place)
        own = {"projection": projected.value, "centre": list(hand.centre), "place": spot}
        return values() | own | ({"field": float(across.value)} if projected.value == "gnomonic" else {})

    def fitting(asked: State) -> dict[str, Any]:
        refuse_unknown(asked, [*values(), "projection", "centre", "place", "field"])
        found: dict[str, Any] = {}
        for name, value in asked.items():
            if name in ("centre", "place"):
                found[name] = _direction(name, value)
            elif name == "field":
                found[name] = fit_option(name, f"{fit_number(name, value):g}", FIELDS, many=False)
            elif followers is not None and name == followers.dial.name:
                found[name] = fit_number(name, value, followers.dial.low, followers.dial.high)
            else:
                found[name] = fit_option(name, value, options[name], many=False)
        return found

    def take(found: Mapping[str, Any]) -> None:
        setting[0] = True
        try:
            for name, value in found.items():
                if name in changing_by:
                    changing_by[name].value = value
        finally:
            setting[0] = False
        hand.centre = found.get("centre") or hand.centre
        hand.place = found.get("place", hand.place)
        across.visible = projected.value == "gnomonic"

    def write(asked: State) -> None:
        take(fitting(asked))
        hand.part = None
        with redrawing(page):
            draw()
            tell()
            if followers is not None:
                follow()
            changed()

    def pictures() -> dict[str, Any]:
        now = pointing_of(projected.value, hand.centre, float(across.value))
        scene = Scene(now, None, hv.streams.Pipe(data=outline.data), [], lambda lon, lat: None, lambda part: None)
        made = {"Sky": sky(values(), scene)}
        if cell is not None and hand.place is not None:
            words, picture = cell(values(), *hand.place)
            made["Cell"] = re.sub("<[^>]*>", " ", words) if picture is None else picture
        if followers is not None:
            lines, _ = followers.lines(values(), hand.drawn)
            made["Beside"] = followers.picture(hv.DynamicMap(_overlay, streams=[hv.streams.Pipe(data=lines)]))
        return made

    for name, widget in widgets.items():
        widget.param.watch(lambda _, name=name: chosen(name), "value")
    explored = Explored(read, write, pictures, title, dict(again or {}))
    bar, renew_bar = share_bar(page, explored)
    take(fitting(given_state(state)))
    take(asked_in_address(key, fitting, warned))
    for changing in (projected, across):
        changing.param.watch(pointed, "value")
    whole.on_click(pointed)
    box.param.watch(go, "value")
    draw()
    tell()
    if followers is not None:
        side[0].param.watch(lambda _: drew(hand.drawn, True), "value")
        side[0].param.watch(lambda _: drew(hand.drawn), "value_throttled")
        for widget in side[1:-1]:
            widget.param.watch(lambda _: drew(hand.drawn), "value")
        button = pn.widgets.Button(label="Take drawn regions away", width=290)
        button.on_click(cleared)
        side.insert(-1, button)
        follow()
    heading = [pn.pane.HTML(f"<b style='font-size:120%'>{html.escape(title)}</b>")] if title else []
    first_row = pn.FlexBox(*widgets.values(), projected, across, *([box] if place else []), whole)
    page.objects = [*heading, first_row, warned, pn.FlexBox(pn.Column(holder, told, beside), pn.Column(*side)), bar]
    page.explored = explored
    return page


@dataclass
class _State:
    """What the hand has done on a page."""

    centre: tuple[float, float]
    pointing: Pointing = field(default_factory=Pointing)
    part: Any = None
    place: tuple[float, float] | None = None
    drawn: Drawn = ()
    clear: Callable[[], None] = lambda: None


def _select(choice: Choice) -> Any:
    import panel as pn

    first = choice.options[0] if choice.value is None else choice.value
    return pn.widgets.Select(label=choice.label or choice.name, options=list(choice.options), value=first, width=140)


def _direction(name: str, value: Any) -> tuple[float, float] | None:
    """Longitude and latitude out of a state."""
    if value is None and name == "place":
        return None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise BadOption(f"{name}={value!r} is no direction; give [longitude, latitude] in degrees")
    return fit_number(name, value[0]), fit_number(name, value[1], -90, 90)


def _overlay(data: Lines) -> Any:
    hv = loaded()
    return hv.Overlay([hv.Curve(xy, label=name) for name, xy in data.items()])


def _spot(data: Any) -> Any:
    """The mark of a place."""
    hv = loaded()
    return hv.Points(data, [hv.Dimension(name, label=label) for name, label in PLANE]).opts(
        backend="bokeh", marker="circle", size=16, fill_alpha=0, line_color="black", line_width=2
    )


def _side(
    followers: Followers | None, outline: Any
) -> tuple[list[Any], Callable[[], dict[str, Any]], Callable[[Values, Drawn, bool], None]]:
    """Return the widgets of a mask and the column of its lines, the widgets' values, and what renews the lines."""
    if followers is None:
        return [], dict, lambda values, drawn, dragged: None
    import panel as pn

    hv = loaded()
    made = followers
    start = made.dial.low if made.dial.value is None else made.dial.value
    span = {"start": made.dial.low, "end": made.dial.high, "step": made.dial.step}
    slider = pn.widgets.FloatSlider(**span, value=float(start), label=made.dial.label, width=290)
    widgets = {choice.name: _select(choice) for choice in made.choices}
    words, holder = pn.pane.HTML("", width=380), pn.Column()
    pipe = hv.streams.Pipe(data={})
    newest: list[Any] = [None]

    def values() -> dict[str, Any]:
        now = {name: widget.value for name, widget in widgets.items()}
        return {made.dial.name: slider.value, **now}

    def renew(now: Values, drawn: Drawn, dragged: bool) -> None:
        try:
            outline.send(made.mask(now, drawn))
            if dragged and made.slow(now):  # they come when the slider is released
                return
            key = (tuple(now.get(name) for name in (*values(), *made.uses)), drawn)
            if newest[0] == key:
                return
            lines, told = made.lines(now, drawn)
            newest[0] = key
            pipe.send(lines)
            if not holder.objects:
                moving = hv.DynamicMap(_overlay, streams=[pipe])
                holder.objects = [pn.pane.HoloViews(made.picture(moving), linked_axes=False)]
            holder.visible, words.object = True, html.escape(told)
        except AnalysisError as error:  # the page is the only place where its reader can see the reason
            newest[0] = None
            holder.visible, words.object = False, reason("What follows the mask", error)

    return [slider, *widgets.values(), pn.Column(words, holder)], values, renew

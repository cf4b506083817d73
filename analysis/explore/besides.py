"""The parts of a page of a sky, and what stands beside it: the slider of its mask, and lines that follow it."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from analysis.errors import AnalysisError
from analysis.explore.declarations import Choice
from analysis.explore.frames import Frame
from analysis.explore.live import Lines
from analysis.explore.scenes import Drawn, Followers, Scene, Values
from analysis.explore.wording import reason
from analysis.explore.zooms import Zooms, zoomed_pane
from analysis.panels.loading import loaded
from analysis.panels.pointings import Pointing

BESIDE = "Beside"  # the name of the lines in a state


@dataclass(eq=False)
class Beside:
    """The parts beside a sky: ``newest`` is what the lines were made of last."""

    made: Followers
    slider: Any
    widgets: dict[str, Any]
    words: Any
    holder: Any
    pipe: Any
    outline: Any
    zooms: Zooms
    newest: Any = None


@dataclass(eq=False)
class SkyPage:
    """The parts of a page of a sky, and what the hand has done on it."""

    sky: Callable[[Values, Scene], Any]
    find: Callable[[str], tuple[float, float]] | None
    cell: Callable[[Values, float, float], tuple[str, Any]] | None
    widgets: dict[str, Any]
    projected: Any
    across: Any
    told: Any
    cell_holder: Any
    holder: Any
    outline: Any
    mark: Any
    frame: Frame
    centre: tuple[float, float]
    place_told: tuple[float, float] | None = None
    beside: Beside | None = None
    pointing: Pointing = field(default_factory=Pointing)
    part: Any = None
    drawn: Drawn = ()
    clear: Callable[[], None] = lambda: None


def beside_of(followers: Followers, outline: Any, zooms: Zooms) -> Beside:
    """Return the parts beside a sky; ``outline`` is the Pipe of the mask's edge."""
    import panel as pn

    hv = loaded()
    dial = followers.dial
    start = dial.low if dial.value is None else dial.value
    span = {"start": dial.low, "end": dial.high, "step": dial.step}
    slider = pn.widgets.FloatSlider(**span, value=float(start), label=dial.label, width=290)
    widgets = {choice.name: select_of(choice) for choice in followers.choices}
    words, holder = pn.pane.HTML("", width=380), pn.Column()
    return Beside(followers, slider, widgets, words, holder, hv.streams.Pipe(data={}), outline, zooms)


def values_beside(beside: Beside | None) -> dict[str, Any]:
    """Return the values of slider and selectors by name."""
    if beside is None:
        return {}
    chosen = {name: widget.value for name, widget in beside.widgets.items()}
    return {beside.made.dial.name: beside.slider.value, **chosen}


def renew_beside(beside: Beside | None, now: Values, drawn: Drawn, *, dragged: bool = False) -> None:
    """Bring the mask's edge and the lines up to the values, or say why there are none."""
    if beside is None:
        return
    made = beside.made
    try:
        beside.outline.send(made.mask(now, drawn))
        if dragged and made.slow(now):  # they come when the slider is released
            return
        key = (tuple(now.get(name) for name in (*values_beside(beside), *made.uses)), drawn)
        if beside.newest == key:
            return
        lines, told = made.lines(now, drawn)
        beside.newest = key
        beside.pipe.send(lines)
        if not beside.holder.objects:
            beside.holder.objects = [zoomed_pane(beside.zooms, BESIDE, made.picture(_moving(beside.pipe)))]
        beside.holder.visible, beside.words.object = True, html.escape(told)
    except AnalysisError as error:  # the page is the only place where its reader can see the reason
        beside.newest = None
        beside.holder.visible, beside.words.object = False, reason("What follows the mask", error)


def lines_anew(beside: Beside, now: Values, drawn: Drawn) -> Any:
    """Return the picture of the lines for a file."""
    lines, _ = beside.made.lines(now, drawn)
    return beside.made.picture(_moving(loaded().streams.Pipe(data=lines)))


def select_of(choice: Choice) -> Any:
    """Return the selector of a choice."""
    import panel as pn

    first = choice.options[0] if choice.value is None else choice.value
    return pn.widgets.Select(label=choice.label or choice.name, options=list(choice.options), value=first, width=140)


def _moving(pipe: Any) -> Any:
    return loaded().DynamicMap(_overlay, streams=[pipe])


def _overlay(data: Lines) -> Any:
    hv = loaded()
    return hv.Overlay([hv.Curve(xy, label=name) for name, xy in data.items()])

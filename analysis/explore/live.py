"""Lines that follow sliders while they are dragged: only the lines' numbers travel, the picture stays."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.errors import AnalysisError, BadOption
from analysis.explore.addresses import put_in_address
from analysis.explore.frames import Frame, begin, filled, framed, taken
from analysis.explore.newest import newest_only
from analysis.explore.states import Explored, Given, State, fit_number, refuse_unknown
from analysis.explore.zooms import ZOOM, fit_zoom, set_zoom, zoom_state, zoomed_pane
from analysis.panels.loading import loaded, redrawing
from analysis.panels.parts import part_of

Lines = Mapping[str, tuple[np.ndarray, np.ndarray]]
Values = Mapping[str, float]
STEPS = 400  # of a slider
PICTURE = "Picture"


@dataclass(frozen=True)
class Dial:
    """A slider that acts while it is dragged; ``log`` for one whose steps are equal factors."""

    name: str
    low: float
    high: float
    value: float
    label: str = ""
    log: bool = False


def following(
    dials: Sequence[Dial],
    lines: Callable[[Values], Lines],
    *,
    picture: Callable[[Any], Any],
    words: Callable[[Values], str] | None = None,
    settle: Callable[[Values], Values] | None = None,
    settle_label: str = "Fit",
    title: str = "",
    state: Given = None,
    again: Mapping[str, str] | None = None,
) -> Any:
    """Return a page of sliders beside a picture some of whose lines follow them.

    Parameters
    ----------
    dials : sequence of Dial
    lines : callable
        Of the sliders' values by name; returns the lines' x and y by name, always the same names.
    picture : callable
        Of a HoloViews DynamicMap that draws the lines as an Overlay of Curves; returns the picture.
    words : callable, optional
        Of the values; a line of text under the picture.
    settle : callable, optional
        Of the values; returns better ones, to which a button moves the sliders.
    settle_label : str, optional
        What the button says.
    title : str, optional
    state, again : optional
        See :func:`analysis.explore.linked`; the state has the value of each slider, which may lie beyond its ends.

    Returns
    -------
    panel.Column

    Raises
    ------
    BadOption
        If there is no slider, one of a logarithmic scale does not stay positive, or the state does not fit.

    Examples
    --------
    >>> page = following(
    ...     [Dial("slope", 0, 2, 1)],
    ...     lambda values: {"line": (np.arange(3), values["slope"] * np.arange(3))},
    ...     picture=lambda moving: moving,
    ... )
    >>> page[-1][0][0].value
    1.0
    """
    import panel as pn

    hv = loaded()
    if not dials:
        raise BadOption("nothing can be moved: all parameters are frozen or tied")
    sliders = {dial.name: _slider(dial) for dial in dials}
    scale = {dial.name: dial.log for dial in dials}

    def values() -> dict[str, float]:
        return {n: float(f"{10.0**s.value:.14g}") if scale[n] else float(s.value) for n, s in sliders.items()}

    def overlay(data: Lines) -> Any:
        return hv.Overlay([hv.Curve(xy, label=name) for name, xy in data.items()])

    def fitting(asked: State) -> dict[str, Any]:
        refuse_unknown(asked, [*sliders, ZOOM])
        found: dict[str, Any] = {name: fit_number(name, value) for name, value in asked.items() if name != ZOOM}
        if wrong := [name for name, value in found.items() if scale[name] and value <= 0]:
            raise BadOption(f"{wrong[0]}={found[wrong[0]]:g} is not positive, as a slider of equal factors needs")
        return found | ({ZOOM: fit_zoom(asked[ZOOM], [PICTURE])} if ZOOM in asked else {})

    def take(found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            if name == ZOOM:
                set_zoom(frame.zooms, value)
            else:
                _move(sliders[name], math.log10(value) if scale[name] else value)

    def redraw() -> None:
        with redrawing(frame.column):
            try:
                now = values()
                pipe.send(lines(now))
                told.object = html.escape(words(now)) if words else ""
                frame.renew()
            except AnalysisError as error:  # the page is the only place where its reader can see the reason
                told.object = f"<b>{html.escape(str(error))}</b>"

    ask = newest_only(redraw)

    def renew(_: Any = None) -> None:
        if not frame.setting:
            put_in_address(frame.key, read())
            ask()

    def read() -> dict[str, Any]:
        return {**values(), ZOOM: zoom_state(frame.zooms)}

    def write(asked: State) -> None:
        found = fitting(asked)
        with redrawing(frame.column):
            taken(frame, found)
        put_in_address(frame.key, read())
        redraw()

    def pictures() -> dict[str, Any]:
        still = hv.DynamicMap(overlay, streams=[hv.streams.Pipe(data=lines(values()))])
        made = part_of(picture(still), frame.zooms.held.get(PICTURE, {}))
        return {PICTURE: made, **({"Values": words(values())} if words else {})}

    frame = framed(fitting, take)
    begin(frame, state, Explored(read, write, pictures, title, dict(again or {}), zooms=frame.zooms))
    pipe = hv.streams.Pipe(data=lines(values()))
    told = pn.pane.HTML(html.escape(words(values())) if words else "", width=560)
    for slider in sliders.values():
        slider.param.watch(renew, "value")
    side: list[Any] = list(sliders.values())
    if settle is not None:
        side.append(_button(settle_label, settle, values, scale, told, renew, frame))
    shown = zoomed_pane(frame.zooms, PICTURE, picture(hv.DynamicMap(overlay, streams=[pipe])))
    return filled(frame, [pn.Row(pn.Column(*side), pn.Column(shown, frame.warned, told, frame.bar))])


def _button(
    label: str,
    settle: Callable[[Values], Values],
    values: Callable[[], dict[str, float]],
    scale: Mapping[str, bool],
    told: Any,
    renew: Callable[[], None],
    frame: Frame,
) -> Any:
    """A button that moves the sliders to where ``settle`` puts them."""
    import panel as pn

    button = pn.widgets.Button(label=label, width=120)

    def press(_: Any) -> None:
        with redrawing(frame.column):
            told.object = f"{label} …"
        with redrawing(frame.column):
            try:
                found = settle(values())
            except AnalysisError as error:
                told.object = f"<b>{html.escape(str(error))}</b>"
                return
            taken(frame, {n: value for n, value in found.items() if n in scale and not (scale[n] and value <= 0)})
        renew()

    button.on_click(press)
    return button


def _move(slider: Any, value: float) -> None:
    """Set a slider; its range grows where the value lies outside it."""
    slider.param.update(start=min(slider.start, value), end=max(slider.end, value), value=value)


def _slider(dial: Dial) -> Any:
    import panel as pn

    low, high, value = float(dial.low), float(dial.high), float(dial.value)
    label = dial.label or dial.name
    if dial.log:
        if not (low > 0 and value > 0):
            raise BadOption(f"{dial.name}: a slider of equal factors needs positive ends and value; got {low}, {value}")
        low, high, value, label = math.log10(low), math.log10(high), math.log10(value), f"log10 {label}"
    low, high = min(low, value), max(high, value)
    return pn.widgets.FloatSlider(
        start=low, end=high, step=(high - low) / STEPS, value=value, label=label, width=290, format="0.0000"
    )

"""What every explorer has around its pictures: its state, its view in the address, and the bar to hand it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from analysis.errors import AnalysisError
from analysis.explore.addresses import addressed, own_key, put_in_address
from analysis.explore.newest import newest_only
from analysis.explore.sharing import share_bar
from analysis.explore.states import Explored, Given, State, given_state
from analysis.explore.wording import heading, reason
from analysis.explore.zooms import Zooms
from analysis.panels.loading import redrawing


@dataclass(frozen=True)
class Around:
    """What a selector around a page adds to its state, and its name in the address."""

    outer: Mapping[str, Any]
    key: str
    zooms: Zooms = field(default_factory=Zooms)


@dataclass(eq=False)
class Frame:
    """The frame of one page.

    ``fitting`` returns the values that a state asks for, or refuses; ``take`` puts them into the widgets. ``setting``
    says that they are being put there, so that what a widget then tells is no new choice. ``column`` is the page.
    """

    fitting: Callable[[State], dict[str, Any]]
    take: Callable[[Mapping[str, Any]], None]
    key: str
    column: Any
    warned: Any
    zooms: Zooms
    setting: bool = False
    explored: Explored | None = None
    bar: Any = None
    renew: Callable[[], None] = field(default=lambda: None)


def framed(
    fitting: Callable[[State], dict[str, Any]], take: Callable[[Mapping[str, Any]], None], around: Around | None = None
) -> Frame:
    """Return the frame of a page that is still empty."""
    import panel as pn

    key = around.key if around else own_key()
    zooms = around.zooms if around else Zooms()
    return Frame(fitting, take, key, pn.Column(), pn.pane.HTML("", visible=False), zooms)


@contextmanager
def setting(frame: Frame) -> Iterator[None]:
    """Within this block what widgets tell is no new choice."""
    frame.setting = True
    try:
        yield
    finally:
        frame.setting = False


def taken(frame: Frame, fitted: Mapping[str, Any]) -> None:
    """Put values into the widgets."""
    with setting(frame):
        frame.take(fitted)


def begin(frame: Frame, state: Given, explored: Explored, *, ask_address: bool = True) -> None:
    """Give a page its first state, that of the address before the one given, and its bar."""
    frame.explored = explored
    taken(frame, frame.fitting(given_state(state)))
    if ask_address:
        taken(frame, asked_in_address(frame.key, frame.fitting, frame.warned))
    frame.bar, frame.renew = share_bar(frame.column, explored)
    frame.zooms.own = newest_only(partial(_zoomed, frame))


def _zoomed(frame: Frame) -> None:
    """Bring address and bar up to what the hand has made visible."""
    if frame.explored is not None:
        put_in_address(frame.key, frame.explored.read())
    if frame.bar[1].visible:
        with redrawing(frame.column):
            frame.renew()


def follow_state(frame: Frame) -> None:
    """Bring address and bar up to the page's state."""
    if frame.explored is not None:
        put_in_address(frame.key, frame.explored.read())
        frame.renew()


def filled(frame: Frame, parts: Sequence[Any]) -> Any:
    """Return the page with everything on it."""
    page, explored = frame.column, frame.explored
    page.objects = [*heading(explored.title if explored else ""), *parts]
    page.explored = explored
    return page


def asked_in_address(key: str, fitting: Callable[[State], dict[str, Any]], warned: Any) -> dict[str, Any]:
    """Return what the address of a served page asks for; what cannot be is told in words and left out."""
    try:
        return fitting(addressed(key) or {})
    except AnalysisError as error:
        warned.param.update(object=reason("The view in the address", error), visible=True)
        return {}

"""What a page of a sky is declared from: its picture, and what follows a mask on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from analysis.explore.declarations import Choice, Slider
from analysis.explore.hands import Regions
from analysis.explore.live import Lines
from analysis.panels.pointings import Pointing

Values: TypeAlias = Mapping[str, Any]
Drawn: TypeAlias = tuple[tuple[Pointing, Regions], ...]


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

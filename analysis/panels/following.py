"""Lines that are read anew from a long series when the time axis is moved: the kernel's side of pan and zoom.

The picture itself is a plain overlay, so that it is composed, printed and exported like any other; its curves are
only given new samples where a kernel runs. The axis up is left as it is, so nothing jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from analysis.panels.loading import loaded
from analysis.panels.visible import Drawn, Series, visible

FURTHEST = 4e18  # microseconds from 1970 that an axis is followed to, far beyond any data


@dataclass(frozen=True)
class Glyph:
    """A HoloViews hook that remembers where one line (or its lone samples) is shown.

    HoloViews forgets the stream of a source that is gone: ``held`` keeps it as long as any copy of the picture,
    and the series.
    """

    line: int
    alone: bool
    shown: WeakSet[Any] = field(default_factory=WeakSet, repr=False)
    held: list[Any] = field(default_factory=list, repr=False)

    def __call__(self, plot: Any, element: Any) -> None:
        self.shown.add(plot)


def follow(series: Series, source: Any, glyphs: Sequence[Glyph]) -> None:
    """Give the glyphs the samples of what is visible whenever the time axis of a figure with them is moved.

    Parameters
    ----------
    series : Series
    source : holoviews.Curve
        One of the curves; its figure tells when its axis moves.
    glyphs : sequence of Glyph
        The hooks of all elements that show the series.
    """
    hv = loaded()
    at: WeakKeyDictionary[Any, tuple[Any, Any]] = WeakKeyDictionary()  # what each figure's axis shows

    def moved(x_range: Any) -> None:
        figures: dict[Any, list[tuple[Glyph, Any]]] = {}
        for glyph in glyphs:
            for plot in list(glyph.shown):
                if plot.document is not None and "source" in plot.handles:
                    figures.setdefault(plot.state, []).append((glyph, plot))
        for figure, members in figures.items():
            ends = _ends(figure.x_range)
            if ends is None or at.get(figure) == ends:
                continue
            at[figure] = ends
            drawn = visible(series, *ends)
            _when_free(members[0][1].document, partial(_renew, members, drawn))

    hv.streams.RangeX(source=source).add_subscriber(moved)
    for glyph in glyphs:
        glyph.held.extend([source, series])  # the series: for a part of the picture on its own


def _renew(members: Sequence[tuple[Glyph, Any]], drawn: Sequence[Drawn]) -> None:
    """Give the glyphs of one figure their samples."""
    for glyph, plot in members:
        if "source" in plot.handles:
            plot.handles["source"].data = columns(plot, drawn[glyph.line], alone=glyph.alone)
    members[0][1].push()


def _when_free(document: Any, renew: Callable[[], None]) -> None:
    """Renew now, or in the next turn of a served session: it may be writing to its browser just now."""
    if document.session_context is None:
        renew()
    else:
        document.add_next_tick_callback(renew)


def columns(plot: Any, drawn: Drawn, *, alone: bool) -> dict[str, np.ndarray]:
    """Return the columns that a glyph is drawn from, by the names that its plot gave them."""
    times, values, lone = drawn
    across, up = (plot.current_frame.get_dimension(place).name for place in (0, 1))
    return {across: times[lone], up: values[lone]} if alone else {across: times, up: values}


def _ends(axis: Any) -> tuple[np.datetime64, np.datetime64] | None:
    """Return the times at both ends of a Bokeh range; None before there are any."""
    ends = [_time(end) for end in (axis.start, axis.end)]
    if any(end is None or np.isnat(end) for end in ends):
        return None
    low, high = sorted(ends)  # type: ignore[type-var]  # none of them is None
    return low, high  # type: ignore[return-value]


def _time(end: Any) -> np.datetime64 | None:
    """Return a time that Bokeh tells: milliseconds since 1970, or a datetime."""
    if isinstance(end, bool) or end is None:
        return None
    if isinstance(end, int | float | np.number):
        return np.datetime64(round(min(max(float(end) * 1e3, -FURTHEST), FURTHEST)), "us") if np.isfinite(end) else None
    return np.datetime64(end)

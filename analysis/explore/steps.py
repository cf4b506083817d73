"""Explorers kept in step: the same stretch of time on all of them, and the same time tapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from analysis.errors import BadOption
from analysis.explore.gestures import times_of
from analysis.explore.newest import newest_only
from analysis.explore.states import explored_of
from analysis.explore.zooms import Zooms, set_axis, time_axes
from analysis.panels.loading import redrawing

Member = tuple[Any, Zooms]  # a page, and what is zoomed on it


def together(*pages: Any) -> None:
    """Keep the time axes of several explorers in step, and the time that is tapped.

    Zoom, pan or reset of a time axis on one page moves those of all others; a time tapped on one is tapped on all that
    have something then. Only axes of times (UTC) are in step: seconds since some start mean different times on
    different pages. Where a page has nothing in the stretch it shows its whole.

    Parameters
    ----------
    pages : panel.Column
        Two or more of what ``explore`` gives: in cells of one notebook, or laid out in one page.

    Raises
    ------
    BadOption
        If there are fewer than two, one is given twice, one is no explorer's page, or one shows no times.

    Examples
    --------
    >>> together("no page", "another")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: a str is no page of an explorer; ...
    """
    members = [(page, explored_of(page).zooms) for page in pages]
    if len(members) < 2:
        raise BadOption("explore.together takes two pages or more")
    if len({id(page) for page in pages}) < len(pages):
        raise BadOption("explore.together was given one page twice")
    for number, page in enumerate(pages, start=1):
        pictures = [pane.object for pane in page.select(_is_picture)]
        if pictures and all(times_of(picture) is None for picture in pictures):
            name = explored_of(page).title or f"page {number}"
            raise BadOption(f"explore.together keeps axes of times (UTC) in step, and {name} shows none now")
    in_step(members)
    for page, zooms in members:
        zooms.tapped.append(partial(_tapped, [member for member in members if member[0] is not page]))


def _is_picture(part: Any) -> bool:
    return type(part).__name__ == "HoloViews"


def in_step(members: Sequence[Member]) -> None:
    """Let the time axes of all pictures of some pages follow each other."""
    for page, zooms in members:
        waits: list[Any] = []
        ask = newest_only(partial(_follow, members, page, waits))
        zooms.told.append(partial(_moved, zooms, waits, ask))


def _moved(zooms: Zooms, waits: list[Any], ask: Any, view: str, names: list[str]) -> None:
    """Ask the others to follow, if it was an axis of times that moved."""
    for one in zooms.shown:
        if one.view == view and (times := [name for name in time_axes(one) if name in names]):
            waits[:] = [zooms.held.get(view, {}).get(times[0])]
            ask()
            return


def _follow(members: Sequence[Member], origin: Any, waits: list[Any]) -> None:
    """Show the stretch that waits on all pictures."""
    ends = waits[0]
    for page, zooms in members:
        if len(members) > 1:
            zooms.common = ends
        todo = [(one.view, names) for one in zooms.shown if (names := time_axes(one))]
        todo = [(view, names) for view, names in todo if any(zooms.held.get(view, {}).get(n) != ends for n in names)]
        if not todo:
            continue
        with changing(page):
            for view, names in todo:
                set_axis(zooms, view, names, ends)
        if page is not origin:
            zooms.own()


def _tapped(others: Sequence[Member], time: Any) -> None:
    for page, zooms in others:
        with changing(page):
            zooms.tap(time)


@contextmanager
def changing(page: Any) -> Iterator[None]:
    """Send what changes on a page, which may stand in another cell than the one that is heard."""
    from panel.io.state import set_curdoc

    document = next((model.document for model, _ in page._models.values() if model.document is not None), None)
    if document is None:
        yield
        return
    with set_curdoc(document), redrawing(page):
        yield

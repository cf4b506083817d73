"""Redraws on request: the first at once, of those that arrive meanwhile only the newest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

QUIET = 0.05  # seconds: what arrives sooner after a redraw was waiting while that was made
LONGEST = 0.5  # seconds that a redraw waits for requests to end


def newest_only(redraw: Callable[[], None], waits: Callable[[], None] | None = None) -> Callable[[], None]:
    """Return a function that asks for a redraw, once for all requests that waited while one was made.

    A server's session and a notebook's kernel take messages one after the other. While a slow picture is made they
    queue; each would redraw all over again. Here a request right after a redraw waits until the queue is read, and
    one redraw answers them all. Without a running event loop (a script) every request is answered at once.

    Parameters
    ----------
    redraw : callable
        Draws what is wanted by then.
    waits : callable, optional
        Called when a redraw has to wait: to say so on the page.

    Examples
    --------
    >>> ask = newest_only(lambda: print("drawn"))
    >>> ask()
    drawn
    """
    done, asked, began = [-QUIET], [0.0], [0.0]
    waiting = [False]

    def run() -> None:
        waiting[0] = False
        try:
            redraw()
        finally:
            done[0] = time.monotonic()

    def run_when_quiet() -> None:
        now = time.monotonic()
        if now - asked[0] >= QUIET or now - began[0] >= LONGEST or not _soon(run_when_quiet):
            run()

    def ask() -> None:
        asked[0] = time.monotonic()
        if waiting[0]:
            return
        began[0] = asked[0]
        if asked[0] - done[0] >= QUIET:
            run()
            return
        waiting[0] = _soon(run_when_quiet)
        if not waiting[0]:
            run()
        elif waits is not None:
            waits()

    return ask


def _soon(run: Callable[[], None]) -> bool:
    """Run it when what waits is read; False where nothing runs that could do that."""
    import panel as pn
    from panel.io.state import set_curdoc

    document: Any = pn.state.curdoc
    if document is not None and document.session_context is not None:

        def in_session() -> None:
            with set_curdoc(document):
                run()

        document.add_timeout_callback(in_session, int(QUIET * 1000))
        return True
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    loop.call_later(QUIET, run)
    return True

"""Redraws on request: the first at once, of those that arrive meanwhile only the newest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

QUIET = 0.05  # seconds: what arrives sooner after a redraw was waiting while that was made


def newest_only(redraw: Callable[[], None]) -> Callable[[], None]:
    """Return a function that asks for a redraw, once for all requests that waited while one was made.

    A server's session and a notebook's kernel take messages one after the other. While a slow picture is made they
    queue; each would redraw all over again. Here a request right after a redraw waits until the queue is read, and
    one redraw answers them all. Without a running event loop (a script) every request is answered at once.

    Parameters
    ----------
    redraw : callable
        Draws what is wanted by then.

    Examples
    --------
    >>> ask = newest_only(lambda: print("drawn"))
    >>> ask()
    drawn
    """
    done = [-QUIET]
    waiting = [False]

    def run() -> None:
        waiting[0] = False
        try:
            redraw()
        finally:
            done[0] = time.monotonic()

    def ask() -> None:
        if waiting[0]:
            return
        if time.monotonic() - done[0] >= QUIET:
            run()
            return
        waiting[0] = _soon(run)
        if not waiting[0]:
            run()

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

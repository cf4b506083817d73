"""A browser that goes away while a picture is under way: nothing to report."""

from __future__ import annotations

import asyncio
from typing import Any


def quiet_when_closed() -> None:
    """Let the server of this session say nothing of browsers that went away, unless it reports in a way of its own.

    Examples
    --------
    >>> quiet_when_closed()
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    if loop.get_exception_handler() is None:
        loop.set_exception_handler(unless_closed)


def unless_closed(loop: Any, context: dict[str, Any]) -> None:
    """Report what goes wrong in a server, but not that a browser went away."""
    from tornado.iostream import StreamClosedError
    from tornado.websocket import WebSocketClosedError

    if not isinstance(context.get("exception"), StreamClosedError | WebSocketClosedError):
        loop.default_exception_handler(context)

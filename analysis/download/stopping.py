"""How a transfer in another thread is told that nobody waits for it any more."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

__all__ = ["is_stopped", "rest", "stoppable"]

_local = threading.local()


@contextlib.contextmanager
def stoppable(given_up: threading.Event) -> Iterator[None]:
    """Let transfers of this thread end, within the block, once an event is set: what came of them is kept."""
    _local.given_up = given_up
    try:
        yield
    finally:
        _local.given_up = None


def is_stopped() -> bool:
    """Return whether this thread's transfer is to end."""
    given_up = getattr(_local, "given_up", None)
    return given_up is not None and given_up.is_set()


def rest(seconds: float) -> None:
    """Sleep, or wake once the transfer is to end."""
    given_up = getattr(_local, "given_up", None)
    if given_up is None:
        time.sleep(seconds)
    else:
        given_up.wait(seconds)

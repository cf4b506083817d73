"""How long to wait for a server, and how often to ask it again."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Times in seconds after which a transfer is tried again or given up.

    Parameters
    ----------
    connect, read : float
        Wait for a connection, and for the next byte (the first one too), before the attempt counts as cut.
    patience : float
        A transfer that has brought no new byte for so long, pauses included, is given up. Waiting for one's
        turn at a busy host is not counted.
    retries : int
        Attempts after the first that may fail in a row; one that brings at least `step` new bytes ends the row.
    first_pause, longest_pause : float
        The pause between attempts doubles from the one to the other; half of it is left to chance.
    slowest, window : float
        Fewer than `slowest` bytes a second over `window` seconds is an error.
    step : int
        New bytes that count as progress. One alone would let a server keep us for ever.

    Examples
    --------
    An archive that takes minutes to make a file before it sends it:

    >>> Limits(read=300, patience=600).connect
    10.0
    """

    connect: float = 10.0
    read: float = 25.0
    patience: float = 60.0
    retries: int = 7
    first_pause: float = 0.2
    longest_pause: float = 10.0
    slowest: float = 1000.0
    window: float = 20.0
    step: int = 1024

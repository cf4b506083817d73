"""How many requests each host is asked at once, and how far apart: one table, kept across processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.download.disk import held_lock, try_lock, write_json
from analysis.download.stopping import is_stopped, rest

__all__ = ["ANY_HOST", "HOSTS", "Busy", "Host", "postpone", "turn"]


@dataclass(frozen=True)
class Host:
    """What a host asks of its clients.

    Parameters
    ----------
    connections : int
        Transfers at one time.
    interval : float
        Seconds from the start of a request to the start of the next.
    """

    connections: int = 4
    interval: float = 0.0


HOSTS: dict[str, Host] = {
    "data.darts.isas.jaxa.jp": Host(connections=1, interval=1.0),
    "simbad.cds.unistra.fr": Host(connections=2, interval=0.2),  # more than six a second and it shuts the door
}
ANY_HOST = Host()

_LONGEST = 3600.0  # a server that says a year by mistake would be lost to us


_queues: dict[tuple[str, int], threading.BoundedSemaphore] = {}
_queues_lock = threading.Lock()


def _queue(host: str, connections: int) -> threading.BoundedSemaphore:
    """Return where threads of this process wait for each other; only other processes' locks need to be looked at."""
    with _queues_lock:
        return _queues.setdefault((host, connections), threading.BoundedSemaphore(connections))


def _in_a_child() -> None:
    """Forget the parent's threads, which a fork leaves behind."""
    global _queues_lock
    _queues_lock = threading.Lock()
    _queues.clear()


os.register_at_fork(after_in_child=_in_a_child)


class Busy(Exception):
    """The host has asked for a longer pause than the caller can wait."""

    def __init__(self, seconds: float):
        self.seconds = seconds


@contextlib.contextmanager
def turn(host: str, folder: Path, *, longest: float) -> Iterator[None]:
    """Hold one of the host's connections, its pause over.

    Raises
    ------
    Busy
        The host has told some request of ours to stay away for more than `longest` seconds.
    """
    rule = HOSTS.get(host, ANY_HOST)
    name = re.sub(r"[^a-z0-9.-]", "_", host)
    with contextlib.ExitStack() as held:
        held.enter_context(_queue(host, rule.connections))
        _go_on()
        slots = [folder / f"{name}.{slot}.lock" for slot in range(rule.connections)]
        while not any(_taken(held, slot) for slot in slots):
            _go_on()
            rest(0.02)
        pace = folder / f"{name}.json"
        if rule.interval or pace.exists():
            with held_lock(folder / f"{name}.pace.lock"):
                wait = _left(pace)
                if wait > max(longest, rule.interval):
                    raise Busy(wait)
                rest(wait)
                _go_on()
                if rule.interval:
                    _remember(pace, rule.interval)
                else:
                    pace.unlink(missing_ok=True)
        yield


def _go_on() -> None:
    if is_stopped():  # nobody waits for the answer any more, nor for what the error says
        raise Busy(0.0)


def _taken(held: contextlib.ExitStack, slot: Path) -> bool:
    """Take a slot if it is free; one that is not is closed at once, else each look at it would cost a descriptor."""
    with contextlib.ExitStack() as looking:
        if looking.enter_context(try_lock(slot)):
            held.enter_context(looking.pop_all())
            return True
    return False


def postpone(host: str, folder: Path, seconds: float) -> None:
    """Remember that the host asked for a pause, for all requests of all processes to keep; an hour at most."""
    seconds = min(seconds, _LONGEST)
    name = re.sub(r"[^a-z0-9.-]", "_", host)
    with held_lock(folder / f"{name}.pace.lock"):
        if seconds > _left(folder / f"{name}.json"):
            _remember(folder / f"{name}.json", seconds)


def _remember(pace: Path, seconds: float) -> None:
    write_json(pace, {"from": time.time(), "seconds": seconds})


def _left(pace: Path) -> float:
    """Return the seconds of the pause that are left; none if the clock was set back since."""
    try:
        told = json.loads(pace.read_text(encoding="utf-8"))
        since, seconds = float(told["from"]), float(told["seconds"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0.0
    passed = time.time() - since
    return max(0.0, seconds - passed) if passed >= 0 else 0.0

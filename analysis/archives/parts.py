"""The parts that a request is cut into, and how all of them are brought: side by side, each once, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from analysis import store
from analysis.download.progress import counted
from analysis.download.stopping import stoppable
from analysis.errors import AnalysisError, BadOption, NotFound

__all__ = ["Part", "bring", "present"]


GRACE = 10.0  # seconds that transfers under way are given once another has failed


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file or answer to get.

    Parameters
    ----------
    url : str
        Where it is; the same part has the same address in every request, so that the store holds it once.
    sha256 : str, optional
        What it must be.
    start, stop : numpy.datetime64, optional
        Half-open interval (UTC) that it covers.
    fresh_for : float
        Seconds for which a copy held needs no question to the server.
    """

    url: str
    sha256: str | None = None
    start: np.datetime64 | None = None
    stop: np.datetime64 | None = None
    fresh_for: float = 86400.0


def bring(parts: Sequence[Part], *, workers: int = 8) -> list[Path]:
    """Return the files of all parts, in the order of the parts.

    Parameters
    ----------
    parts : sequence of Part
        What to get; the same address twice is asked for once.
    workers : int
        Transfers side by side; a host's own limit (:data:`analysis.download.HOSTS`) holds as well.

    Returns
    -------
    list of pathlib.Path
        One read-only file a part.

    Raises
    ------
    DownloadError, StoreError
        Of the first part that failed. The parts that came stay in the store, so that the next try asks only for
        the others; none is returned, since a request with a hole is no answer.

    Examples
    --------
    >>> bring([])
    []
    """
    got = _side_by_side(parts, workers, _brought)
    return [path for part in parts if (path := got[part]) is not None]


def present(parts: Sequence[Part], *, workers: int = 8) -> dict[Part, Path]:
    """Return the files of those parts that the server has; one that it says is not there is left out.

    Parameters
    ----------
    parts, workers
        As for :func:`bring`.

    Returns
    -------
    dict of Part to pathlib.Path
        In the order of the parts.

    Raises
    ------
    DownloadError, StoreError
        Of the first part that failed in another way than :class:`NotFound`.

    Examples
    --------
    >>> present([])
    {}
    """

    def looked_for(part: Part) -> Path | None:
        try:
            return _brought(part)
        except NotFound:
            return None

    got = _side_by_side(parts, workers, looked_for)
    return {part: path for part in parts if (path := got[part]) is not None}


def _side_by_side(parts: Sequence[Part], workers: int, get: Callable[[Part], Path | None]) -> dict[Part, Path | None]:
    """Get each part once, several at a time; once one fails no other is begun, and those under way soon end."""
    if workers < 1:
        raise BadOption(f"workers={workers!r} cannot be used; 8 brings eight parts at a time")
    different = list(dict.fromkeys(parts))
    if len(different) < 2 or workers == 1:
        return {part: get(part) for part in different}
    no_more, given_up = threading.Event(), threading.Event()

    def one(part: Part) -> Path | None:
        with stoppable(given_up):
            return None if no_more.is_set() else get(part)

    with (
        counted(len(different), urlsplit(different[0].url).hostname or "parts") as bar,
        ThreadPoolExecutor(min(workers, len(different)), thread_name_prefix="sanko-part") as pool,
    ):
        asked = {part: pool.submit(one, part) for part in different}
        for task in asked.values():
            task.add_done_callback(lambda _: bar.update())
        try:
            wait(asked.values(), return_when=FIRST_EXCEPTION)
            failed = next((f.exception() for f in asked.values() if f.done() and f.exception()), None)
            no_more.set()
            wait(asked.values(), timeout=GRACE)  # what is nearly here need not be asked for again
        finally:  # a KeyboardInterrupt at once: what waits is not begun, what is under way ends where it can go on
            no_more.set()
            given_up.set()
        if failed is None:
            return {part: task.result() for part, task in asked.items()}
    came = sum(task.exception() is None and task.result() is not None for task in asked.values())
    if isinstance(failed, AnalysisError):
        raise failed.and_more(f"({came} of {len(different)} parts came and are kept.)") from failed
    raise failed


def _brought(part: Part) -> Path:
    return store.get(part.url, sha256=part.sha256, fresh_for=part.fresh_for)

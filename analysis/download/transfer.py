"""One transfer: ask, go on after a cut, and hand over the whole file or a typed error."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from analysis.download import requesting
from analysis.download.content import content_problem
from analysis.download.disk import disk_errors
from analysis.download.hosts import postpone
from analysis.download.limits import Limits
from analysis.download.partial import Partial, Validator
from analysis.download.progress import Bar
from analysis.download.requesting import Cut
from analysis.download.stopping import rest
from analysis.errors import BadAnswer, StoreError, TooSlow, Unreachable, WrongChecksum

__all__ = ["Arrived", "bring"]

_CHUNK = 1 << 18  # at most: a read gives what has come, so that nothing is lost at a cut


@dataclass(frozen=True)
class Arrived:
    """A whole file that is still under its unfinished name: whoever asked for it moves it, then drops the journal.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    sha256 : str
        Of its bytes.
    size : int
        In bytes.
    validator : Validator
        Of the version that arrived.
    journal : pathlib.Path
        To be removed, if it exists, once the file has been moved.
    """

    path: Path
    sha256: str
    size: int
    validator: Validator
    journal: Path


@dataclass
class _Course:
    """What the attempts of one transfer have in common."""

    url: str
    hosts: Path
    limits: Limits
    verified: bool  # a checksum or a check was given, so that an unknown length does no harm
    best: int = 0  # the position that further bytes are new beyond
    spent: float = 0.0  # seconds since the last new byte, turns at hosts not counted
    failed: int = 0
    changes: int = 0
    distrusted: bool = False  # this server's parts don't fit: ask for whole files only
    queued: list[float] = field(default_factory=list)


def bring(
    url: str,
    folder: Path,
    key: str,
    *,
    known: Validator | None = None,
    sha256: str | None = None,
    check: Callable[[Path], str | None] | None = None,
    limits: Limits | None = None,
) -> Arrived | None:
    """Bring the file at an address, or say that the version known is still the one there.

    Parameters
    ----------
    url : str
        As :func:`clean` returns it.
    folder : pathlib.Path
        Where unfinished files and the hosts' turns are kept, on the disk that the file is to stay on.
    key : str
        Name of this transfer; its lock is held by the caller.
    known : Validator, optional
        Of a copy held: the server is asked to send the file only if it changed.
    sha256 : str, optional
        What the file must be.
    check : callable, optional
        Says of a whole file why it cannot be what was asked for, or None.
    limits : Limits, optional
        Times after which an attempt or the transfer is given up.

    Returns
    -------
    Arrived or None
        None if the version known is current.

    Raises
    ------
    DownloadError
        One of its kinds: Unreachable, TooSlow, NotFound, AccessDenied, BadAnswer, WrongChecksum.
    StoreError
        The disk is full or cannot be written to.
    """
    course = _Course(url, folder / "hosts", limits or Limits(), verified=sha256 is not None or check is not None)
    with disk_errors(folder):
        partial = Partial(folder, key)
        course.best = partial.position
        try:
            while True:
                if not _to_the_end(course, partial, None if partial.resumable() else known):
                    partial.discard()
                    return None
                path, digest = partial.seal()
                if sha256 in (None, digest):
                    _look_at(url, path, check, partial)
                    return Arrived(path, digest, partial.position, partial.validator, partial.journal)
                spliced = partial.carried
                partial.discard()
                if not spliced:
                    raise WrongChecksum(
                        f"{url} gave bytes with sha256 {digest} where {sha256} was asked for: the file there has "
                        "changed, or the checksum is another file's; nothing was kept"
                    )
                course.distrusted = True
        except (BadAnswer, StoreError):
            partial.discard()
            raise
        except OSError as err:
            if err.errno is not None or not partial.resumable():  # the disk is full, or nothing can be made of it
                partial.discard()
            raise
        finally:
            partial.flush()


def _look_at(url: str, path: Path, check: Callable[[Path], str | None] | None, partial: Partial) -> None:
    """Let the caller say whether a file can be the one asked for; one that cannot is not kept."""
    if check is None:
        return
    try:
        problem = check(path)
    except BaseException:
        partial.discard()
        raise
    if problem:
        raise BadAnswer(f"{url}: {problem}")


def _to_the_end(course: _Course, partial: Partial, known: Validator | None) -> bool:
    """Attempt until all has come (True) or the server says that nothing changed (False)."""
    with Bar(course.url, partial) as bar:
        while True:
            course.queued, began = [], time.monotonic()
            last = began
            try:
                asked = _headers(partial, known, course)
                left = course.limits.patience - course.spent
                with requesting.answer(
                    course.url, asked, course.hosts, course.limits, max(left, 0.0), course.queued
                ) as response:
                    if response.status_code == 304 and known is not None and asked == known.conditions():
                        if known.agrees(response.headers):
                            return False
                        known = None
                        raise Cut("the server calls another version unchanged")
                    last = time.monotonic() - sum(course.queued)
                    _begin(response, partial, course)
                    for chunk in requesting.chunks(response, _CHUNK, course.limits):
                        partial.write(chunk)
                        if partial.position > course.best:
                            last = time.monotonic() - sum(course.queued)
                        bar.advance()
                _end(partial, course)
                return True
            except Cut as cut:
                cut.forget()
                partial.flush()
                course.spent += time.monotonic() - sum(course.queued) - began
                if partial.position >= course.best + course.limits.step:
                    course.best, course.failed = partial.position, 0
                    course.spent = time.monotonic() - sum(course.queued) - last
                _pause(course, partial, cut)


def _headers(partial: Partial, known: Validator | None, course: _Course) -> dict[str, str]:
    """Return what this attempt asks: the rest, the file if it changed, or the file."""
    if partial.resumable() and not course.distrusted:
        return {"Range": f"bytes={partial.position}-", "If-Range": partial.validator.for_range or ""}
    return {} if known is None or partial.position else known.conditions()


def _begin(response, partial: Partial, course: _Course) -> None:
    """Check an answer's head against what is held; start anew where it isn't the rest of that."""
    headers: Mapping[str, str] = response.headers
    if problem := content_problem(course.url, headers):
        raise BadAnswer(f"{course.url}: {problem}")
    if response.status_code == 206:
        if _fits(headers, partial):
            partial.carried = True
            return
        partial.discard()
        course.distrusted = True
        raise Cut("the server sent another part than the one asked for")
    if response.status_code in (304, 416):
        partial.discard()
        course.distrusted = True
        raise Cut("the server has no bytes where the file broke off")
    total = requesting.length(headers)
    if total is None and "chunked" not in headers.get("Transfer-Encoding", "").lower() and not course.verified:
        raise BadAnswer(
            f"{course.url}: the server does not say how long the file is, so that a cut would go unnoticed; "
            "give its checksum as sha256="
        )
    validator = Validator.of(headers)
    if partial.position and validator != partial.validator and course.changes < 3:
        course.changes += 1  # another version: each of its bytes is new
        course.best = 0
    partial.restart(validator, total)
    requesting.check_room(partial.folder, total)


def _fits(headers: Mapping[str, str], partial: Partial) -> bool:
    """Return whether a 206 carries on this very version at this very byte."""
    part = requesting.content_range(headers)
    if part is None or not partial.position or not partial.validator.same_version(headers):
        return False
    first, last, total = part
    size = requesting.length(headers)
    return first == partial.position and total == (partial.total or total) and size in (None, last - first + 1)


def _end(partial: Partial, course: _Course) -> None:
    """Check that all came and that it can be the file."""
    if partial.total is not None and partial.position < partial.total:
        raise Cut(f"the body ended after {partial.position} of {partial.total} bytes")
    if partial.total is not None and partial.position > partial.total:
        partial.discard()
        course.distrusted = True
        raise Cut("more bytes came than the file has")
    if partial.position == 0:
        message = f"{course.url}: the server answered with an empty file; ask again later, or whoever runs it"
        raise BadAnswer(message).answered(course.url, 200)
    if problem := content_problem(course.url, {}, partial.head()):
        raise BadAnswer(f"{course.url}: {problem}")


def _pause(course: _Course, partial: Partial, cut: Cut) -> None:
    """Wait before the next attempt, or give up."""
    limits = course.limits
    kept = f"; the {partial.position} bytes that came are kept for the next try" if partial.resumable() else ""
    if cut.slow:
        raise TooSlow(
            f"{course.url}: {cut.reason}{kept}; ask again later, or allow it with limits=Limits(slowest=…)"
        ) from cut
    course.failed += 1
    pause = requesting.pause_after(cut, course.failed, limits)
    if cut.after is not None:
        postpone(cut.host or urlsplit(course.url).hostname or "", course.hosts, cut.after)
    worth = limits.retries if cut.retries is None else cut.retries
    if course.failed > worth or course.spent + pause > limits.patience:
        tries = f" in {course.failed} tries" if course.failed > 1 else ""
        later = f" and to come back in {cut.after:.0f} s" if cut.after is not None else ""
        raise Unreachable(f"{course.url} could not be brought{tries}: {cut.reason}{later}{kept}. {cut.advice}") from cut
    rest(pause)
    course.spent += pause

"""The one door to the network: an address in, a file that is what the server has (or an error) out."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.download import Limits, Validator, bring, clean, held_lock
from analysis.download.disk import disk_errors
from analysis.errors import BadOption, DownloadError, NotFound, Offline
from analysis.store.shelves import Reference, Shelves, key_of, shelves

if TYPE_CHECKING:
    from analysis.download.session import PoliteSession

__all__ = ["get", "is_offline", "offline", "reference", "session"]

DAY = 86400.0

# One entry for each block of offline() that is open. No lock, which a fork could leave held for ever.
_switched_off: set[object] = set()


def get(
    url: str,
    *,
    sha256: str | None = None,
    fresh_for: float = DAY,
    check: Callable[[Path], str | None] | None = None,
    limits: Limits | None = None,
) -> Path:
    """Return the file at an address, from the store if it is held there and fresh, else from the server.

    A transfer that is cut goes on where it broke off, also in a later process, and only if the server vouches that
    it still has the same version. Threads and processes that ask for one address share one transfer.

    Parameters
    ----------
    url : str
        An http or https address, without a password or token: the token of ``data.example.org`` is looked for in
        the environment variable ``SANKO_TOKEN_DATA_EXAMPLE_ORG``, then (if the server refuses) in the keyring
        under service ``sanko``, and is sent to no other host.
    sha256 : str, optional
        What the file must be, 64 hexadecimal digits. A blob held under it is returned without asking anyone.
    fresh_for : float, optional
        Seconds for which a copy counts as current after the server last said so; then it is asked whether the
        file has changed. 0 asks always.
    check : callable, optional
        Given the path of a file that came, it returns why that cannot be what was asked for (an error in the
        format's own words, an answer that breaks off), or None; or it raises. Such a file is not kept. With a check
        or a checksum the server need not say how long the file is.
    limits : Limits, optional
        When to give up. By default a transfer that fails is reported within a minute of its last new byte.

    Returns
    -------
    pathlib.Path
        A read-only file in the store, named by its sha256; open it with :func:`analysis.formats.read`.

    Raises
    ------
    BadOption
        The address is none, has a secret in it, or the checksum is none.
    DownloadError
        Its kinds: Unreachable, TooSlow, NotFound, AccessDenied, BadAnswer, WrongChecksum, and Offline where the
        network is switched off and no sound copy is held.
    StoreError
        The disk is full or cannot be written to.

    References
    ----------
    RFC 9110, HTTP Semantics, sections 8.8 (validators), 13 (conditional requests) and 14 (ranges).

    Examples
    --------
    >>> from analysis import store
    >>> store.get("ftp://example.org/map.fits")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: 'ftp://example.org/map.fits' is no http or https address; a file on disk ...
    """
    address, wanted = clean(url), _checksum(sha256)
    if not fresh_for >= 0:
        raise BadOption(f"fresh_for is a time in seconds, not {fresh_for!r}")
    shelf, began = shelves(), time.time()
    with disk_errors(shelf.root):
        if held := _current(shelf, address, wanted, fresh_for):
            return held
        if is_offline():
            return _without_network(shelf, address, wanted)
        with held_lock(shelf.url_lock(key_of(address))):
            # Another thread or process may have brought it while this one waited.
            held = _current(shelf, address, wanted, fresh_for, after=began)
            return held or _brought(shelf, address, wanted, check, limits)


def reference(url: str) -> Reference | None:
    """Return what the store knows of the file at an address, None if it has none.

    Parameters
    ----------
    url : str
        As given to :func:`get`.

    Returns
    -------
    Reference or None
        Checksum, size, ETag, Last-Modified and times: what a provenance needs.

    Examples
    --------
    >>> from analysis import store
    >>> store.reference("https://example.org/never-asked-for.fits") is None
    True
    """
    shelf = shelves()
    with disk_errors(shelf.root):
        return shelf.reference(clean(url))


def session(*, limits: Limits | None = None, repeat_posts: bool = False) -> PoliteSession:
    """Return a :class:`requests.Session` with our manners, for services that compute their answers.

    It is for protocols that no file transfer serves (a query sent by POST, a job that is polled) and for libraries
    that take a session; files are brought by :func:`get`. Each answer is brought whole before it is handed over,
    also with ``stream=True``: a cut or a crawl is noticed here and never reaches who reads it. Long answers wait on
    the store's disk. Nothing is kept.

    - Hosts' turns, pauses and tokens, redirects and certificates are as for :func:`get`, and so is the offline switch.
      A redirect to another host carries no header that could be a secret, and never the body of a POST.
    - What failed is asked again for a minute: GET, HEAD and OPTIONS after cuts, 408, 425, 429, 502, 503 and 504; any
      other method only if no connection came about, or after 429 and 503, since its repetition could start a second
      job. A server that takes the request and stays silent is not asked again: it may still be at work.
    - Other answers are returned whatever their status, and ``raise_for_status()`` is the caller's. A request that
      failed raises our error, which is none of requests' own; ``typed_errors()`` of the session gives it back where
      a library turned it into its own.
    - It keeps no cookies, so services that log in by them cannot be used; it reads no ``.netrc``; it checks every
      certificate, against those that ``REQUESTS_CA_BUNDLE`` names if that is set. Threads may share it.

    A body that comes with neither a length nor chunks cannot be told from one that was cut at a good moment: check
    that such an answer ends as it should.

    Parameters
    ----------
    limits : Limits, optional
        When to give up. By default a server may compute for 50 s before the first byte. A time-out that a caller
        gives with a request goes before these.
    repeat_posts : bool, optional
        POST may be repeated like GET: for services on which no POST changes anything, such as TAP's ``/sync``.

    Returns
    -------
    PoliteSession
        Its ``asked`` lists the requests sent: method, address without secrets, status, bytes, seconds, time.

    Raises
    ------
    DownloadError
        From each request. Unreachable, TooSlow, BadAnswer or Offline.
    BadOption
        From a request that is no http(s) one, has a password in its address, or asks not to check certificates.

    Examples
    --------
    >>> from analysis import store
    >>> from analysis.errors import Offline
    >>> tap = store.session(repeat_posts=True)
    >>> with store.offline():
    ...     try:
    ...         tap.post("https://example.org/tap/sync", data={"LANG": "ADQL", "QUERY": "SELECT 1"})
    ...     except Offline as refusal:
    ...         print(refusal)
    https://example.org/tap/sync was not asked, since Sankō is offline: ...
    >>> tap.asked
    []
    """
    from analysis.download.session import PoliteSession

    return PoliteSession(
        folder=lambda: shelves().partials,
        is_offline=is_offline,
        limits=limits or Limits(read=50.0),
        repeat_posts=repeat_posts,
    )


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Switch the network off for all threads while the block lasts; ``SANKO_OFFLINE=1`` does it for a process.

    Examples
    --------
    >>> from analysis import store
    >>> with store.offline():
    ...     store.is_offline()
    True
    """
    block = object()
    _switched_off.add(block)
    try:
        yield
    finally:
        _switched_off.discard(block)


def is_offline() -> bool:
    """Return whether the network is switched off.

    Examples
    --------
    >>> from analysis import store
    >>> with store.offline():
    ...     store.is_offline()
    True
    """
    return bool(_switched_off) or os.environ.get("SANKO_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def _checksum(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise BadOption(f"sha256 is 64 hexadecimal digits, not {sha256!r:.80}")
    return sha256.lower()


def _current(
    shelf: Shelves, url: str, wanted: str | None, fresh_for: float, *, after: float | None = None
) -> Path | None:
    """Return a sound copy that needs no question to the server, or None."""
    if wanted is not None:
        return shelf.take(wanted)
    known = shelf.reference(url)
    if known is None:
        return None
    age = time.time() - known.checked
    # A copy from the future tells that a clock was wrong: ask.
    fresh = age >= 0 and (age < fresh_for or (after is not None and known.checked >= after))
    return shelf.take(known.sha256, known.size) if fresh else None


def _without_network(shelf: Shelves, url: str, wanted: str | None) -> Path:
    """Return the copy held, however old."""
    known = shelf.reference(url)
    back = "switch the network on (leave store.offline(), unset SANKO_OFFLINE) and ask again"
    if known is None or wanted not in (None, known.sha256):
        which = "" if wanted is None else f" with sha256 {wanted}"
        raise Offline(f"{url}{which} is not held, and Sankō is offline: {back}")
    if path := shelf.take(known.sha256, known.size):
        return path
    raise Offline(f"the copy of {url} that was held is damaged or gone, and Sankō is offline: {back}")


def _brought(
    shelf: Shelves, url: str, wanted: str | None, check: Callable[[Path], str | None] | None, limits: Limits | None
) -> Path:
    """Ask the server, and shelve what comes. The lock of the address is held."""
    known = shelf.reference(url)
    held = shelf.take(known.sha256, known.size) if known and wanted is None else None
    version = Validator(known.etag, known.last_modified) if known and held else None
    if version is not None and not version.conditions():
        version = None
    began = time.time()
    try:
        arrived = bring(url, shelf.partials, key_of(url), known=version, sha256=wanted, check=check, limits=limits)
    except NotFound:
        raise
    except DownloadError as err:
        if known is None or held is None:
            raise
        day = datetime.fromtimestamp(known.checked, UTC)
        held_too = f"(A copy that was current at {day:%Y-%m-%d %H:%M} UTC is held: store.offline() gives it.)"
        raise err.and_more(held_too) from err
    if arrived is not None:
        return shelf.put(arrived, url, now=began)
    assert known is not None and held is not None
    shelf.remember(replace(known, checked=began))
    return shelf.take(known.sha256, known.size) or _brought(shelf, url, wanted, check, limits)

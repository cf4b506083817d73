"""Single requests: redirects, credentials, status codes, and the body piece by piece."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from analysis.download.content import title_of
from analysis.download.credentials import authorization, token_name, without_secrets
from analysis.download.hosts import Busy, turn
from analysis.download.limits import Limits
from analysis.download.partial import date
from analysis.download.stopping import is_stopped
from analysis.errors import AccessDenied, BadAnswer, NotFound, StoreError

__all__ = [
    "Cut",
    "answer",
    "busy",
    "check_room",
    "chunks",
    "content_range",
    "in_our_words",
    "length",
    "next_address",
    "pause_after",
    "retry_after",
]

_local = threading.local()
_REACH = "Check the address and your connection, or work with what is held: store.offline()."
_LATER = "Ask again later."


class Cut(Exception):
    """An attempt failed in a way that another one may not.

    Parameters
    ----------
    reason, advice : str
        What happened, for people, and what they may do.
    after : float, optional
        Seconds that the server asked us to wait.
    host : str, optional
        The host that asked for it.
    slow : bool
        The server was too slow, so that no attempt will help.
    retries : int, optional
        Attempts after the first that such a failure is worth; as many as the limits say if not given.
    unsent : bool
        No connection came about, so that the server has not seen the request.
    silent : bool
        The connection stood, and no byte came for as long as the limits say.
    """

    def __init__(
        self,
        reason: str,
        *,
        advice: str = _LATER,
        after: float | None = None,
        host: str | None = None,
        slow: bool = False,
        retries: int | None = None,
        unsent: bool = False,
        silent: bool = False,
    ):
        super().__init__(reason)
        self.reason, self.advice, self.after, self.host = reason, advice, after, host
        self.slow, self.retries, self.unsent, self.silent = slow, retries, unsent, silent

    def forget(self) -> None:
        """Let go of the library's error that it stands for: that one knows the request, with its token, and addresses
        that redirects have signed, which a traceback would print."""
        self.__cause__ = self.__context__ = None


@contextlib.contextmanager
def answer(
    url: str, headers: Mapping[str, str], hosts: Path, limits: Limits, patience: float, queued: list[float]
) -> Iterator[Any]:
    """Ask, follow redirects, and give the answer of the last server, its body unread.

    Each host sees only its own credentials. Seconds spent waiting for a turn are added to `queued`.
    """
    address, refused, hops = url, False, 0
    _session()  # made before the turn comes, so that a host's pause is one between requests as it sees them
    started, turns = time.monotonic(), len(queued)
    while True:
        host = urlsplit(address).hostname or ""
        with contextlib.ExitStack() as held:
            began = time.monotonic()
            try:
                held.enter_context(turn(host, hosts, longest=patience))
            except Busy as busy:
                reason = f"{host} asked for a pause that lasts {busy.seconds:.0f} s more"
                raise Cut(reason, retries=0) from busy
            finally:
                queued.append(time.monotonic() - began)
            left = patience - (time.monotonic() - started - sum(queued[turns:]))
            if hops and left <= 0:
                raise Cut(f"the way to {host} took too long", retries=0)
            token = authorization(address, refused=refused, origin=url)
            response = held.enter_context(contextlib.closing(_sent(address, headers, token, limits, left)))
            status = response.status_code
            if status == 401 and not refused and not token:
                refused = True
                if authorization(address, refused=True, origin=url):
                    continue
            if status in (301, 302, 303, 307, 308):
                hops += 1
                address, refused = next_address(address, response.headers.get("Location"), url, hops), False
                continue
            if status not in (200, 206, 304, 416):
                _refuse(url, host, response, limits)
            yield response
            return


def next_address(address: str, location: str | None, url: str, hops: int) -> str:
    """Return where a redirect leads, if it may be followed."""
    with contextlib.suppress(UnicodeError):  # many send UTF-8 where http.client reads Latin-1
        location = (location or "").encode("latin-1").decode("utf-8")
    shown = without_secrets(location or "nowhere")
    try:
        target = urljoin(address, location or "")
        parts = urlsplit(target)
        sound = (
            bool(location) and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        )
    except ValueError:
        sound = False
    if not sound:
        raise BadAnswer(f"{url}: the server points to {shown}, which is no http or https address; it was not followed")
    if urlsplit(address).scheme == "https" and parts.scheme == "http":
        raise BadAnswer(f"{url}: the server points to {shown}, which is not encrypted; it was not followed")
    if _is_private(parts.hostname or "") and not _is_private(urlsplit(address).hostname or ""):
        raise BadAnswer(f"{url}: the server points to {shown}, which is this machine; it was not followed")
    if hops > 10:
        raise BadAnswer(f"{url}: the server points elsewhere for the eleventh time; it was not followed")
    return target


def _is_private(host: str) -> bool:
    """Return whether a host is this machine, whose own services no server out there may have us ask."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        try:
            ip = ipaddress.ip_address(socket.inet_aton(host))  # 127.1 and 2130706433 are addresses too
        except OSError:
            return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_loopback or ip.is_link_local or ip.is_unspecified


def _refuse(url: str, host: str, response, limits: Limits) -> None:
    """Raise what a status code stands for."""
    status = response.status_code
    if cut := busy(host, response):
        raise cut
    if status in (401, 403):
        raise AccessDenied(
            f"{url}: {host} answered {status} {_phrase(response)}; if the data are yours to read, put your token into "
            f"the environment variable {token_name(host)}"
        )
    body = b""
    with contextlib.suppress(Cut):
        for piece in chunks(response, 8192, limits):
            body += piece
            if len(body) >= 8192:
                break
    body = body[:8192]
    if status in (404, 410):
        message = f"{url}: {host} answered {status}, there is nothing at this address; check its spelling"
        raise NotFound(message).answered(url, status, body)
    title = title_of(body) if "html" in response.headers.get("Content-Type", "") else ""
    told = f' ("{title}")' if title else ""
    message = f"{url}: {host} answered {status} {_phrase(response)}{told}, which is not the file. {_LATER}"
    raise BadAnswer(message).answered(url, status, body)


def busy(host: str, response) -> Cut | None:
    """Return what an answer that says "not now" amounts to, None if it says anything else."""
    if response.status_code not in (408, 425, 429, 502, 503, 504):
        return None
    reason = f"{host} answered {response.status_code} {_phrase(response)}"
    return Cut(reason, after=retry_after(response.headers), host=host)


def _phrase(response) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", str(response.reason or ""))[:60].strip()


def _session():
    """Return this thread's connections, kept open between files. No cookies, no .netrc."""
    import requests

    if getattr(_local, "process", None) != os.getpid():
        from http.cookiejar import DefaultCookiePolicy

        from analysis.download.wire import Adapter

        session = requests.Session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter(4))
        _local.session, _local.process = session, os.getpid()
    return _local.session


def _sent(address: str, headers: Mapping[str, str], token: str | None, limits: Limits, left: float):
    """Send one GET and return its answer."""
    from analysis import __version__

    told = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"sanko/{__version__}", **headers}

    def authorized(request):
        if token:
            request.headers["Authorization"] = token
        return request

    with in_our_words(address):
        return _session().get(
            address,
            headers=told,
            auth=authorized,  # even without a token: else requests looks into .netrc
            stream=True,
            allow_redirects=False,
            timeout=(min(limits.connect, max(left, 1.0)), min(limits.read, max(left, 1.0))),
        )


@contextlib.contextmanager
def in_our_words(address: str) -> Iterator[None]:
    """Turn what requests raises while it asks for an address into :class:`Cut` or one of our errors."""
    import requests

    try:
        yield
    except requests.exceptions.SSLError as err:
        reason = f"the certificate of {urlsplit(address).hostname} cannot be trusted"
        advice = "Check the address and this machine's clock and certificates."
        raise Cut(reason, advice=advice, retries=0, unsent=True) from err
    except requests.exceptions.RequestException as err:
        raise _cut(err, urlsplit(address).hostname or "") from err
    except (ValueError, OSError) as err:
        if isinstance(err, OSError):
            raise _cut(err, urlsplit(address).hostname or "") from err
        reason = f"{without_secrets(address)} is no address that can be asked for"
        raise Cut(reason, advice="Check how it is spelled.", retries=0, unsent=True) from err


def chunks(response, size: int, limits: Limits) -> Iterator[bytes]:
    """Give the body as it arrives, undecoded."""
    import urllib3

    began, came = time.monotonic(), 0
    while True:
        try:
            chunk = response.raw.read1(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as err:
            raise _cut(err, urlsplit(response.url).hostname or "") from err
        if not chunk:
            return
        yield chunk
        if is_stopped():
            raise Cut("another of the transfers failed, or you broke off", retries=0)
        came += len(chunk)
        passed = time.monotonic() - began
        if passed >= limits.window:
            if came < limits.slowest * passed:
                raise Cut(f"only {came} bytes came in {passed:.0f} s", slow=True)
            began, came = time.monotonic(), 0


def _cut(err: BaseException, host: str) -> Cut:
    """Say in our words what happened: a library's own may repeat addresses with secrets."""
    seen: set[int] = set()
    causes: list[BaseException] = [err]
    for cause in causes:
        seen.add(id(cause))
        inner = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        causes += [item for item in inner if isinstance(item, BaseException) and id(item) not in seen]
        seen.update(id(item) for item in causes)
    names = {type(cause).__name__ for cause in causes}
    unsent = not names.isdisjoint({"NewConnectionError", "ConnectTimeoutError", "ConnectionRefusedError"})
    silent = not unsent and not names.isdisjoint({"ReadTimeoutError", "TimeoutError"})
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            retries = 2 if cause.errno == socket.EAI_AGAIN else 0
            return Cut(
                f"there is no host {host} that this machine can find", advice=_REACH, retries=retries, unsent=True
            )
    for kind, reason in (
        ("ProxyError", "the proxy did not answer"),
        ("ConnectTimeoutError", f"{host} did not answer in time"),
        ("ReadTimeoutError", f"{host} fell silent"),
        ("TimeoutError", f"{host} fell silent"),
        ("ConnectionRefusedError", f"{host} refused the connection"),
        ("ConnectionResetError", f"{host} cut the connection"),
        ("RemoteDisconnected", f"{host} cut the connection"),
        ("IncompleteRead", f"{host} cut the file short"),
        ("ProtocolError", f"{host} cut the connection"),
    ):
        if kind in names:
            return Cut(reason, advice=_REACH, unsent=unsent, silent=silent)
    told = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), "no answer")
    return Cut(f"{host} could not be reached ({told})", advice=_REACH, unsent=unsent)


def pause_after(cut: Cut, failed: int, limits: Limits) -> float:
    """Return the seconds to wait before the next attempt: as the server said, else doubled, half left to chance."""
    pause = min(limits.longest_pause, limits.first_pause * 2 ** (failed - 1)) * random.uniform(0.5, 1.0)
    return pause if cut.after is None else max(pause, cut.after)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait; a date counts from the server's own clock, since ours may be wrong."""
    told = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+", told):
        return float(told[:9])
    until, now = date(told), date(headers.get("Date", ""))
    return None if until is None else max(0.0, until - (time.time() if now is None else now))


def length(headers: Mapping[str, str]) -> int | None:
    """Return Content-Length, None where there is none to trust."""
    told = headers.get("Content-Length", "")
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    return int(told) if re.fullmatch(r"[0-9]{1,18}", told) and not chunked else None


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Return first byte, last byte and size of the whole that a 206 names, None if it does not name them."""
    found = re.fullmatch(r"\s*bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})\s*", headers.get("Content-Range", ""))
    if not found:
        return None
    first, last, total = (int(text) for text in found.groups())
    return (first, last, total) if first <= last < total else None


def check_room(folder: Path, size: int | None) -> None:
    """Refuse a file that the disk has no room for before any of it comes."""
    free = shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise StoreError(
            f"the file has {size} bytes and {folder} has room for {free}: make room with store.prune(max_bytes), "
            "or set SANKO_HOME to a folder on a larger disk; nothing was stored"
        )

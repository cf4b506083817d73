"""A :class:`requests.Session` with our manners, for services that compute their answers and who asks them."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.hooks import dispatch_hook

from analysis.download import requesting
from analysis.download.bodies import check_packing, check_whole, handed_over, spool
from analysis.download.credentials import authorization, token_name, without_secrets
from analysis.download.disk import disk_errors
from analysis.download.hosts import Busy, postpone, turn
from analysis.download.limits import Limits
from analysis.download.requesting import Cut
from analysis.download.stopping import rest
from analysis.download.wire import Adapter
from analysis.errors import AnalysisError, BadAnswer, BadOption, Offline, TooSlow, Unreachable

__all__ = ["Asked", "PoliteSession"]

_CHUNK = 1 << 16
_REMEMBERED = 1000
_HARMLESS = ("GET", "HEAD", "OPTIONS")
# What another host may be told of the request that it did not get from us first.
_PLAIN_HEADERS = {
    *("accept", "accept-encoding", "accept-language", "user-agent", "range"),
    *("if-range", "if-none-match", "if-match", "if-modified-since", "if-unmodified-since"),
}


@dataclass(frozen=True)
class Asked:
    """One request that a session sent, a repeated or redirected one by itself.

    Parameters
    ----------
    method : str
        ``GET``, ``POST`` …
    url : str
        Without user, password and query.
    status : int or None
        Of the answer, None if none came.
    size : int
        Bytes of the body that came, as they were sent, perhaps packed.
    seconds : float
        From the request to the end of the body; the wait for a turn at the host not counted.
    at : datetime.datetime
        When it was sent, UTC.
    """

    method: str
    url: str
    status: int | None
    size: int
    seconds: float
    at: datetime


@dataclass
class _Course:
    """What the requests that one call leads to have in common."""

    url: str  # asked for first, without secrets
    limits: Limits
    times: Any
    verify: Any
    cert: Any
    proxies: Any
    patience: float
    spent: float = 0.0
    failed: int = 0
    queued: list[float] = field(default_factory=list)


class PoliteSession(requests.Session):
    """What :func:`analysis.store.session` returns; make it there.

    Parameters
    ----------
    folder : callable
        Returns the folder in which hosts' turns are kept and long answers wait.
    is_offline : callable
        Returns whether the network is switched off.
    limits : Limits
        Times after which an attempt or a request is given up.
    repeat_posts : bool
        Whether POST may be repeated like GET.
    """

    def __init__(
        self, *, folder: Callable[[], Path], is_offline: Callable[[], bool], limits: Limits, repeat_posts: bool
    ):
        from analysis import __version__

        super().__init__()
        self.limits, self.repeat_posts = limits, repeat_posts
        self._folder, self._is_offline = folder, is_offline
        self._asked: deque[Asked] = deque(maxlen=_REMEMBERED)
        self._failure = threading.local()
        self._process = os.getpid()
        self.headers["User-Agent"] = f"sanko/{__version__} {self.headers['User-Agent']}"
        self.headers["Accept-Encoding"] = "gzip, deflate"
        self._connect_anew()

    def _connect_anew(self) -> None:
        for scheme in ("http://", "https://"):
            self.mount(scheme, Adapter(8))

    @property
    def asked(self) -> list[Asked]:
        """The last thousand requests, the oldest first."""
        return list(self._asked)

    @contextlib.contextmanager
    def typed_errors(self) -> Iterator[None]:
        """Undo what a library made of our error: pyvo, for one, turns each exception into one of its own.

        If the last request of this thread within the block ended in an error of ours, and the block in any other
        exception, then ours is raised in its place.
        """
        self._failure.last = None
        try:
            yield
        except AnalysisError:
            raise
        except Exception as err:
            if (last := self._failure.last) is not None:
                raise last from err
            raise

    def __reduce__(self) -> NoReturn:
        raise BadOption(
            "a session is neither copied nor sent to another process: make one with store.session() where it is needed"
        )

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return the request as it will be sent, with the token of its host and nothing from ``.netrc``."""
        url = str(request.url)
        shown = url if re.fullmatch(r"[\w./-]*", url) else without_secrets(url)
        with contextlib.suppress(requests.exceptions.RequestException, ValueError):  # their words repeat the address
            if "@" in urlsplit(url).netloc:
                host = urlsplit(url).hostname or "the host"
                problem = (
                    f"the address for {host} has a user name or password in it; leave it out and put the token into "
                    f"the environment variable {token_name(host)}"
                )
                raise BadOption(problem)
            if not request.auth and not self.auth:
                request.auth = _with_token
            return super().prepare_request(request)
        raise BadOption(f"{shown!r:.200} cannot be asked for: an address reads https://host/path")

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        *,
        stream: bool | None = None,
        timeout: Any = None,
        verify: Any = None,
        cert: Any = None,
        proxies: Any = None,
        allow_redirects: bool = True,
    ) -> requests.Response:
        """Return the whole answer, whatever its status, or raise a typed error."""
        self._failure.last = None
        try:
            course = self._course(request, timeout, verify, cert, proxies)
            response = self._followed(request, course, bool(stream), allow_redirects)
            if not (self.stream if stream is None else stream):
                _ = response.content
            return response
        except requests.exceptions.ContentDecodingError as err:
            self._failure.last = BadAnswer(
                f"{without_secrets(request.url or '')}: the answer cannot be unpacked, its bytes are damaged"
            )
            raise self._failure.last from err
        except AnalysisError as err:
            self._failure.last = err
            raise

    def _course(self, request: requests.PreparedRequest, timeout, verify, cert, proxies) -> _Course:
        """Check how a request is to be sent, and fill in what was left open."""
        url, limits = without_secrets(request.url or ""), self.limits
        verify = self.verify if verify is None else verify
        if verify is False:
            raise BadOption(f"{url} was not asked: certificates are always checked; name yours in REQUESTS_CA_BUNDLE")
        if urlsplit(url).scheme not in ("http", "https"):
            raise BadOption(f"{url!r:.200} is no http or https address")
        if self._is_offline():
            back = "switch the network on (leave store.offline(), unset SANKO_OFFLINE) and ask again"
            raise Offline(f"{url} was not asked, since Sankō is offline: {back}")
        if os.getpid() != self._process:  # a fork: its parent's connections are not its own
            self._connect_anew()
            self._process = os.getpid()
        patience = limits.patience
        if isinstance(timeout, (int, float)):
            timeout = (timeout, timeout)
        if isinstance(timeout, tuple):
            patience = max(patience, sum(given or 0.0 for given in timeout))
        proxies = self.rebuild_proxies(request.copy(), proxies)
        return _Course(url, limits, timeout, verify, self.cert if cert is None else cert, proxies, patience)

    def _followed(
        self, request: requests.PreparedRequest, course: _Course, stream: bool, allow_redirects: bool
    ) -> requests.Response:
        """Ask, and follow redirects if allowed."""
        passed: list[requests.Response] = []
        while True:
            response = self._answered(request, course)
            response.connection = self  # type: ignore[assignment]  # a hook that asks again does it through us
            response = dispatch_hook(
                "response",
                request.hooks,
                response,
                stream=stream,
                timeout=course.times,
                verify=course.verify,
                cert=course.cert,
                proxies=course.proxies,
            )
            if not (allow_redirects and response.is_redirect):
                response.history = passed + response.history
                return response
            request = self._redirected(request, response, course, len(passed) + 1)
            passed.append(response)

    def _redirected(
        self, request: requests.PreparedRequest, response: requests.Response, course: _Course, hops: int
    ) -> requests.PreparedRequest:
        """Return the request that a redirect leads to; another host learns nothing that was meant for the first."""
        old = request.url or ""
        target = requesting.next_address(old, response.headers.get("Location"), course.url, hops)
        if course.spent > course.patience:
            raise Unreachable(f"{course.url}: the servers that it points to took too long. Ask again later.")
        new, url = request.copy(), ""
        with contextlib.suppress(requests.exceptions.RequestException, ValueError):  # their words repeat the address
            new.prepare_url(target, None)
            url = new.url or ""
        if not url:
            raise BadAnswer(f"{course.url}: the server points to an address that cannot be read")
        # The specification lets 301 and 302 keep POST; where only http turns into https nothing else can be meant.
        upgrade = url.removeprefix("https:") == old.removeprefix("http:")
        if not (upgrade and response.status_code in (301, 302)):
            self.rebuild_method(new, response)
        if new.method in ("GET", "HEAD") and response.status_code not in (307, 308):
            new.body = None
            for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
                new.headers.pop(name, None)
        if self.should_strip_auth(old, url):
            if new.body:
                raise BadAnswer(
                    f"{course.url}: the server wants what was sent to it sent to {without_secrets(url)}, another host; "
                    "it was not"
                )
            for name in [name for name in new.headers if name.lower() not in _PLAIN_HEADERS]:
                del new.headers[name]
            # One that answers a challenge (digest) knows the password of the first.
            asking = [hook for hook in new.hooks["response"] if not isinstance(_owner(hook), AuthBase)]
            new.hooks = {**new.hooks, "response": asking}
        elif new.body and not isinstance(new.body, (bytes, str)):
            raise BadAnswer(f"{course.url}: the server points elsewhere, and what was sent was read from a stream")
        course.proxies = self.rebuild_proxies(new, course.proxies)
        return _with_token(new, origin=course.url)

    def _answered(self, request: requests.PreparedRequest, course: _Course) -> requests.Response:
        """Ask until an answer is whole, patience is at an end, or asking again could do harm."""
        refused = False
        while True:
            course.queued, began = [], time.monotonic()
            try:
                response = self._once(request, course)
            except Cut as cut:
                cut.forget()
                course.spent += time.monotonic() - sum(course.queued) - began
                self._pause(request, course, cut)
                continue
            course.spent += time.monotonic() - sum(course.queued) - began  # of what redirects may take together
            if response.status_code == 401 and not refused and "Authorization" not in request.headers:
                refused = True
                if token := authorization(request.url or "", refused=True):
                    request.headers["Authorization"] = token
                    continue
            return response

    def _once(self, request: requests.PreparedRequest, course: _Course) -> requests.Response:
        """Send one request and bring its answer's body, the host's turn held."""
        folder, url, method = self._folder(), request.url or "", request.method or ""
        host, left = urlsplit(url).hostname or "", max(course.patience - course.spent, 0.0)
        status, size, sent, at = None, 0, None, datetime.now(UTC)
        with disk_errors(folder), contextlib.ExitStack() as held:
            began = time.monotonic()
            try:
                held.enter_context(turn(host, folder / "hosts", longest=left))
            except Busy as busy:
                reason = f"{host} asked for a pause that lasts {busy.seconds:.0f} s more"
                raise Cut(reason, retries=0, unsent=True) from busy
            finally:
                course.queued.append(time.monotonic() - began)
            try:
                sent, at = time.monotonic(), datetime.now(UTC)
                with requesting.in_our_words(url):
                    response = self.get_adapter(url).send(
                        request,
                        stream=True,
                        timeout=_times(course, left),
                        verify=course.verify,
                        cert=course.cert,
                        proxies=course.proxies,
                    )
                status, wire = response.status_code, response.raw
                if status == 206 and "Range" not in request.headers:
                    raise BadAnswer(f"{without_secrets(url)}: the server sent a part, and the whole was asked for")
                response.elapsed = timedelta(seconds=time.monotonic() - sent)
                with contextlib.closing(wire):
                    cut = requesting.busy(host, response)
                    if cut and (status in (429, 503) or self._may_repeat(request)):
                        raise cut
                    body = held.enter_context(contextlib.ExitStack())
                    file = body.enter_context(spool(folder))
                    for chunk in requesting.chunks(response, _CHUNK, course.limits):
                        size += file.write(chunk)
                    check_whole(response, method, size)
                    check_packing(response, str(request.headers.get("Accept-Encoding")), file, size)
                    body.pop_all()  # it is the caller's now
                file.seek(0)
                response.raw = handed_over(wire, file, method)
                return response
            except Cut as cut:
                known = cut.unsent or (status in (429, 503) and size == 0)
                if not known and (not self._may_repeat(request) or (status is None and cut.silent)):
                    cut.retries = 0
                raise
            finally:
                if sent is not None:
                    passed = time.monotonic() - sent
                    self._asked.append(Asked(method, without_secrets(url), status, size, passed, at))

    def _may_repeat(self, request: requests.PreparedRequest) -> bool:
        """Return whether a request that the server may have taken can be sent again."""
        if not isinstance(request.body, (bytes, str, type(None))):
            return False
        return request.method in _HARMLESS or (request.method == "POST" and self.repeat_posts)

    def _pause(self, request: requests.PreparedRequest, course: _Course, cut: Cut) -> None:
        """Wait before the next attempt, or give up."""
        limits, url = course.limits, course.url
        if cut.slow:
            raise TooSlow(f"{url}: {cut.reason}; ask again later, or allow it with limits=Limits(slowest=…)") from cut
        course.failed += 1
        pause = requesting.pause_after(cut, course.failed, limits)
        if cut.after is not None:
            postpone(cut.host or "", self._folder() / "hosts", cut.after)
        worth = limits.retries if cut.retries is None else cut.retries
        if course.failed <= worth and course.spent + pause <= course.patience:
            rest(pause)
            course.spent += pause
            return
        tries = f" in {course.failed} tries" if course.failed > 1 else ""
        later = f" and to come back in {cut.after:.0f} s" if cut.after is not None else ""
        advice = cut.advice
        if cut.silent:
            advice = "If the answer takes long to compute, allow it with limits=Limits(read=…, patience=…)."
        elif cut.retries == 0 and not cut.unsent and not self._may_repeat(request):
            advice += f" The {request.method} was not repeated, since the server may have taken it."
        raise Unreachable(f"{url} gave no whole answer{tries}: {cut.reason}{later}. {advice}") from cut


def _with_token(request: requests.PreparedRequest, origin: str | None = None) -> requests.PreparedRequest:
    """Give a request the token of exactly its host, unless it has one of the caller's."""
    if "Authorization" not in request.headers and (token := authorization(request.url or "", origin=origin)):
        request.headers["Authorization"] = token
    return request


def _owner(hook: Any) -> object:
    return getattr(hook, "__self__", hook)


def _times(course: _Course, left: float) -> Any:
    """Return the time-outs of one attempt: what the caller did not say is what the limits say."""
    connect, read = (min(told, max(left, 1.0)) for told in (course.limits.connect, course.limits.read))
    if isinstance(course.times, tuple) and len(course.times) == 2:
        given_connect, given_read = course.times
        return (connect if given_connect is None else given_connect, read if given_read is None else given_read)
    return course.times or (connect, read)

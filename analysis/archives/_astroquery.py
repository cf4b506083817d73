"""astroquery's classes with our manners: our session, no pickles, files by way of the store.

Each class that is handed out is a subclass of astroquery's own, made when asked for. Python looks a method up in
astroquery's class first, in :func:`_manners` next and in astroquery's ``BaseQuery`` last, so that a class's own
ways of asking stay and all of them end in our session.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import re
import shutil
import tarfile
import threading
import types
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from analysis import store
from analysis.download import Limits, without_secrets
from analysis.download.content import content_problem, title_of
from analysis.download.disk import disk_errors
from analysis.errors import AccessDenied, AnalysisError, AnalysisWarning, BadAnswer, BadOption, NotFound, UnsafeArchive

__all__ = ["polite", "safe_tar", "tar_safety_kept"]

_PAGES = (".htm", ".html", ".sh", ".xhtml")
_PASSWORD = re.compile(r"passw|pwd", re.IGNORECASE)  # XMM-Newton's AIOPWD, for one
_OVERFLOW = re.compile(rb"<INFO\b[^>]*\bvalue\s*=\s*[\"']OVERFLOW", re.IGNORECASE)
_importing = threading.RLock()


def polite(kind: type, *, name: str, limits: Limits | None = None, refused: Mapping[str, str] | None = None) -> type:
    """Return a subclass of one of astroquery's classes whose objects ask through our session.

    Parameters
    ----------
    kind : type
        One of astroquery's classes.
    name : str
        What we call it.
    limits : Limits, optional
        When to give up.
    refused : mapping, optional
        Method -> why it is refused and what to use.
    """
    base = _manners()

    @functools.wraps(kind.__init__)  # type: ignore[misc]
    def init(self, *args, **kwargs):  # what each of astroquery's classes takes is its own affair
        super(self._sanko_class, self).__init__(*args, **kwargs)
        _rewire(self)

    told = {"__init__": init, "__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    methods = {method: _refusal(f"{kind.__name__}.{method}", why) for method, why in (refused or {}).items()}
    if hasattr(kind, "login"):
        why = "a token comes from SANKO_TOKEN_<HOST> or the keyring and goes to its host only"
        methods["login"] = _refusal(f"{kind.__name__}.login", why)
    made: Any = type(kind.__name__, (kind, base), {**told, **methods, "_sanko_limits": limits, "_sanko_name": name})
    made._sanko_class = made
    return made


@functools.cache
def _manners() -> type:
    """Return what stands between astroquery's classes and their base."""
    from astroquery.query import AstroQuery, BaseQuery

    class Manners(BaseQuery):
        """How all classes that are handed out ask; the signatures are those of ``BaseQuery``."""

        _sanko_limits: Limits | None = None

        def __init__(self):
            super().__init__()
            self._session = self._sanko_session = store.session(limits=self._sanko_limits, repeat_posts=True)
            self._cache_location = store.home() / "astroquery" / self.name

        def __getattribute__(self, name):
            """Give public methods so that our errors pass through pyvo, which makes its own of them."""
            found = super().__getattribute__(name)
            if name.startswith("_") or not inspect.ismethod(found):
                return found
            return _with_our_errors(found, self._sanko_session)

        def _request(
            self,
            method,
            url,
            params=None,
            data=None,
            headers=None,
            files=None,
            save=False,
            savedir="",
            timeout=None,
            cache=None,
            stream=False,
            auth=None,
            continuation=True,
            verify=True,
            allow_redirects=True,
            json=None,
            return_response_on_save=False,
        ):
            """Ask our session, with its time-outs; nothing is taken from or put into a cache."""
            if save:
                local = Path(savedir or self.cache_location) / (url.split("/")[-1] or "index.html")
                more = {"params": params, "data": data, "headers": headers, "files": files, "json": json, "auth": auth}
                self._download_file(url, str(local), method=method, **more)
                return (str(local), None) if return_response_on_save else str(local)
            _check_secrets(url, params)
            self._last_query = AstroQuery(method, url, params=params, data=data, headers=headers, json=json)
            return self._session.request(
                method,
                url,
                params=params,
                data=data,
                headers=headers,
                files=files,
                stream=stream,
                auth=auth,
                allow_redirects=allow_redirects,
                json=json,
            )

        def _download_file(
            self,
            url,
            local_filepath,
            timeout=None,
            auth=None,
            continuation=True,
            cache=False,
            method="GET",
            head_safe=False,
            verbose=True,
            params=None,
            data=None,
            headers=None,
            files=None,
            json=None,
            allow_redirects=True,
        ):
            """Bring a file through the store, and put a copy of it where it is wanted, whole or not at all."""
            _check_secrets(url, params)
            if auth or any(name.lower() == "authorization" for name in headers or {}):
                raise BadOption(f"{without_secrets(url)}: leave the password out and set SANKO_TOKEN_<HOST> instead")
            target = Path(local_filepath)
            if method.upper() == "GET" and not (data or files or json):
                _placed(_held(url, params, self._sanko_limits, target.name), target)
            else:
                response = self._session.request(
                    method, url, params=params, data=data, headers=headers, files=files, json=json, stream=True
                )
                with contextlib.closing(response):
                    _arrived(response, target)
            return local_filepath

    return Manners


def _with_our_errors(method: Callable, session: Any) -> Callable:
    @functools.wraps(method)
    def ask(*args, **kwargs):  # the method's own
        with session.typed_errors():
            return method(*args, **kwargs)

    return ask


def _rewire(thing: Any) -> None:
    """Give an object's helpers our manners too."""
    from astroquery.query import BaseQuery
    from astroquery.utils.tap.core import TapPlus

    ours = thing._sanko_session
    if thing._session is not ours:  # HEASARC's has none until its first query, which would then make one
        thing._session = ours
    for helper in list(vars(thing).values()):
        if isinstance(helper, TapPlus):
            _rewire_tap(helper, ours)
        elif isinstance(helper, BaseQuery) and not isinstance(helper, _manners()):
            helper.__class__ = types.new_class(type(helper).__name__, (type(helper), _manners()))
            helper._session = ours


def _rewire_tap(tap: Any, session: Any) -> None:
    """Let astroquery's TAP client, which brings its own connections, use our session."""
    wire: Any = getattr(tap, "_Tap__connHandler", None)
    if not hasattr(wire, "_TapConn__connectionHandler"):
        raise AnalysisError("this version of astroquery has another TAP client; Sankō knows that of 0.4.11")
    host, plain, secure = wire._TapConn__connHost, wire._TapConn__connPort, wire._TapConn__connPortSsl
    wire._TapConn__connectionHandler = _Connections(session, host, plain, secure)


class _Connections:
    """What astroquery's TAP client asks for connections."""

    def __init__(self, session: Any, host: str, plain: int, secure: int):
        self._session, self._host, self._plain, self._secure = session, host, plain, secure

    def get_connection(self, *, ishttps: bool = False, cookie: str | None = None, verbose: bool = False):
        """Return one in the scheme that the client was made for."""
        return _Line(self._session, "https" if ishttps or cookie else "http", self._host, self._plain, self._secure)

    def get_connection_secure(self, verbose: bool = False):
        """Return one over https."""
        return _Line(self._session, "https", self._host, self._plain, self._secure)


class _Line:
    """One request and its answer, as :mod:`http.client` has them."""

    def __init__(self, session: Any, scheme: str, host: str, plain: int, secure: int):
        self.host, self.port = host, secure if scheme == "https" else plain
        self._session, self._root = session, f"{scheme}://{host}:{self.port}"

    def request(self, method: str, context: str, body: Any = None, headers: Any = None) -> None:
        """Send; the client itself follows redirects, which tell it the names of jobs."""
        url = context if context.startswith(("http://", "https://")) else self._root + context
        self._answer = self._session.request(method, url, data=body, headers=headers, allow_redirects=False)
        if _OVERFLOW.search(self._answer.content):  # the client itself does not look
            told = f"{without_secrets(url)} sent not the whole table: it stopped at its largest number of rows"
            warnings.warn(AnalysisWarning(told), stacklevel=2)

    def getresponse(self) -> _Answer:
        """Return the answer to what was sent."""
        return _Answer(self._answer)


class _Answer:
    """An answer of requests that reads like one of :mod:`http.client`."""

    def __init__(self, response: Any):
        self.status, self.reason = response.status_code, response.reason
        # The body is unpacked: a name for it must not end in .gz.
        self._headers = [(k, v) for k, v in response.headers.items() if k.lower() != "content-encoding"]
        self.read = io.BytesIO(response.content).read

    def getheaders(self) -> list[tuple[str, str]]:
        """Return names and values."""
        return self._headers


def _refusal(name: str, why: str) -> Callable[..., NoReturn]:
    def refuse(self, *args, **kwargs) -> NoReturn:
        raise BadOption(f"{name} is not offered: {why}")

    refuse.__doc__ = f"Not offered: {why}."
    return refuse


def _check_secrets(url: str, params: Any) -> None:
    """Refuse a password in an address, where logs keep it."""
    named = [key for key, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    named += list(params) if isinstance(params, Mapping) else []
    if told := [str(key) for key in named if _PASSWORD.search(str(key))]:
        raise BadOption(f"{without_secrets(url)} was not asked: the password ({told[0]}) would stand in its address")


def _held(url: str, params: Any, limits: Limits | None, name: str) -> Path:
    """Return the file at an address; never a page that stands where it should be."""
    import requests

    address = requests.Request("GET", url, params=params).prepare().url or url
    for fresh_for in (86400.0, 0.0):  # a page that was taken for the file yesterday is asked for anew
        path = store.get(address, fresh_for=fresh_for, limits=limits)
        with path.open("rb") as file:
            head = file.read(8192)
        if (problem := _page(name, head)) is None:
            return path
    raise BadAnswer(f"{without_secrets(address)}: {problem}")


def _page(name: str, head: bytes) -> str | None:
    """Return what is wrong with a file that begins like this, None if it may be what its name says."""
    if name.lower().endswith(_PAGES) or content_problem("https://host/any.fits", {}, head) is None:
        return None
    title = title_of(head)
    return f"the server answered with a web page{f' ({title!r})' if title else ''} instead of {name}; ask again later"


def _arrived(response: Any, target: Path) -> None:
    """Put the answer to a POST where it is wanted."""
    url, status = without_secrets(response.url), response.status_code
    if status != 200:
        kind = {401: AccessDenied, 403: AccessDenied, 404: NotFound, 410: NotFound}.get(status, BadAnswer)
        raise kind(f"{url}: the server answered {status} instead of {target.name}")
    head = response.raw.read(8192, decode_content=False)
    if problem := _page(target.name, head) or (None if head else "the answer is empty"):
        raise BadAnswer(f"{url}: {problem}")
    _placed(response.raw, target, head)


def _placed(source: Path | IO[bytes], target: Path, head: bytes = b"") -> None:
    """Copy, so that whoever changes the file does not change the store's; the name is its own once all is there."""
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with beside.open("xb") as file, contextlib.ExitStack() as held:
                file.write(head)
                shutil.copyfileobj(held.enter_context(source.open("rb")) if isinstance(source, Path) else source, file)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


@contextlib.contextmanager
def tar_safety_kept() -> Iterator[None]:
    """Undo what imports within the block do to :class:`tarfile.TarFile`.

    ``astroquery.esasky`` and ``astroquery.esa.xmm_newton`` make the whole process trust every tar file when they are
    imported: a member named ``../../.bashrc`` would be written there.
    """
    with _importing:
        before = vars(tarfile.TarFile).get("extraction_filter")
        if getattr(before, "__func__", before) is getattr(tarfile, "fully_trusted_filter", ...):
            before = None  # one of them was imported before: this is what Python begins with
        try:
            yield
        finally:
            if hasattr(tarfile.TarFile, "extraction_filter"):
                tarfile.TarFile.extraction_filter = before


def safe_tar() -> types.SimpleNamespace:
    """Return what stands for the module :mod:`tarfile` in modules of astroquery: it unpacks within its folder only."""
    told = {name: getattr(tarfile, name) for name in tarfile.__all__ if name != "TarFile"}
    return types.SimpleNamespace(**{**told, "TarFile": _SafeTar, "open": _SafeTar.open})


def _within(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
    if not hasattr(tarfile, "data_filter"):
        raise UnsafeArchive("this Python cannot unpack tar files safely; update it to 3.11.4 or later")
    try:
        return tarfile.data_filter(member, path)
    except tarfile.FilterError as err:
        raise UnsafeArchive(f"the tar file was not unpacked further: {err}") from err


class _SafeTar(tarfile.TarFile):
    """A tar file whose members are looked at before they are unpacked, whatever filter the caller names."""

    def extractall(self, path: Any = ".", members=None, *, numeric_owner=False, filter=None):
        """Unpack members within `path`."""
        super().extractall(path, members, numeric_owner=numeric_owner, filter=_within)

    def extract(self, member, path: Any = "", set_attrs=True, *, numeric_owner=False, filter=None):
        """Unpack one member within `path`."""
        super().extract(member, path, set_attrs, numeric_owner=numeric_owner, filter=_within)

"""Which archives answer, how fast, with which version, how new an example is: asked now, never from the store."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import store
from analysis.archives.servers import Server, servers
from analysis.catalogue.declared import FIELDS, near, products
from analysis.errors import AnalysisError, BadAnswer, BadTime, Offline, UnknownServer
from analysis.model import utc

if TYPE_CHECKING:
    import pandas as pd
    import requests

COLUMNS = ("server", "protocol", "reachable", "version", "latency", "example", "newest", "answer")


@dataclass(frozen=True)
class _Found:
    """What an archive told of itself: its version, and until when its example reaches or when it was last changed."""

    version: str = ""
    newest: np.datetime64 | None = None


def status(names: Iterable[str] = (), *, seconds: float = 10.0, altogether: float = 20.0) -> pd.DataFrame:
    """Ask archives for a sign of life, all at the same time.

    Parameters
    ----------
    names : iterable of str, optional
        Short names; all of the table of servers by default.
    seconds : float, optional
        How long one of them may take.
    altogether : float, optional
        After so many seconds those that have not answered count as unreachable.

    Returns
    -------
    pandas.DataFrame
        One row an archive: ``server, protocol, reachable, version, latency`` (ms, of the first answer), ``example``
        (a dataset or path), ``newest`` (UTC: where the example's data end on a HAPI server, else when its file was
        changed; NaT where the archive does not say) and ``answer``, the reason where it is not reachable.

    Raises
    ------
    UnknownServer
        For a name that is not in the table.
    Offline
        If the network is switched off: nothing is asked.
    """
    import pandas as pd

    asked = _named(names)
    if store.is_offline():
        raise Offline("Sankō is offline (SANKO_OFFLINE or store.offline()), so no archive was asked")
    rows: dict[str, tuple[object, ...]] = {}
    # Threads that nobody waits for: a resolver that hangs must not keep the process alive.
    threads = [
        threading.Thread(target=lambda s=s: rows.update({s.name: _row(s, seconds)}), daemon=True, name=f"ask {s.name}")
        for s in asked
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + altogether
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {altogether:g} s"
    found = [rows.get(s.name) or (s.name, s.protocol, False, "", None, _example(s), None, late) for s in asked]
    table = pd.DataFrame(found, columns=list(COLUMNS))
    newest = pd.to_datetime(table["newest"]).astype("datetime64[ns]")
    return table.assign(newest=newest, latency=table["latency"].astype(float))


def _named(names: Iterable[str]) -> list[Server]:
    known, asked = servers(), list(names)
    if unknown := [name for name in asked if name not in known]:
        close = near(unknown[0], known)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise UnknownServer(f"no server is called {unknown[0]!r}: {hint}There are {', '.join(sorted(known))}")
    return [known[name] for name in dict.fromkeys(asked)] or list(known.values())


def _row(server: Server, seconds: float) -> tuple[object, ...]:
    """Return one row of the table; a refusal is a row too."""
    from analysis.download import Limits

    session = store.session(limits=Limits(connect=seconds / 2, read=seconds, patience=seconds, retries=0))
    try:
        found, said = _PROBES.get(server.protocol, _of_file)(session, server), ""
    except AnalysisError as error:
        found, said = None, str(error)
    answered = [one.seconds for one in session.asked if one.status is not None]
    latency = round(answered[0] * 1000) if answered else None
    version, newest = (found.version, found.newest) if found else ("", None)
    return server.name, server.protocol, found is not None, version, latency, _example(server), newest, said


def _example(server: Server) -> str:
    """Return what is asked of a server: its table's probe, or on a HAPI server a dataset that a product needs."""
    if server.probe or server.protocol != "hapi":
        return server.probe
    live = [p.source for field in FIELDS for p in products(field, live=True).values() if p.source]
    return next((source.dataset for source in live if source.server == server.name), "")


def _of_hapi(session: requests.Session, server: Server) -> _Found:
    version = str(_json(session, f"{server.url}/capabilities").get("HAPI", ""))
    if not (example := _example(server)):
        return _Found(version)
    stop = _json(session, f"{server.url}/info", id=example).get("stopDate")
    try:
        return _Found(version, utc(str(stop)))
    except BadTime:
        return _Found(version)


def _json(session: requests.Session, url: str, **parameters: str) -> dict[str, Any]:
    answer = _answered(session.get(url, params=parameters))
    try:
        told = answer.json()
    except ValueError as error:
        raise BadAnswer(f"{url} answers with something that is no JSON: {answer.text[:60]!r}") from error
    if not isinstance(told, dict):
        raise BadAnswer(f"{url} answers with JSON that is no object: {answer.text[:60]!r}")
    return told


def _of_tap(session: requests.Session, server: Server) -> _Found:
    text = _answered(session.get(f"{server.url}/capabilities")).text
    if "capabilit" not in text[:5000]:
        raise BadAnswer(f"{server.url}/capabilities answers with something that is no VOSI document: {text[:60]!r}")
    tap = re.search(r"<(?:\w+:)?capability\b[^>]*ivo://ivoa\.net/std/TAP[\"'#/].*?</(?:\w+:)?capability>", text, re.S)
    version = re.search(r"<interface\b[^>]*\sversion=[\"']([\d.]+)", tap[0]) if tap else None
    return _Found(version[1] if version else "")


def _of_file(session: requests.Session, server: Server) -> _Found:
    url = server.url + (server.probe if server.probe[:1] in ("", "?") else f"/{server.probe}")
    answer = session.head(url, allow_redirects=True)
    if answer.status_code >= 400:  # some archives know no HEAD
        answer = session.get(url)
    changed = _answered(answer).headers.get("Last-Modified")
    try:
        return _Found("", utc(parsedate_to_datetime(changed)) if changed else None)
    except (ValueError, BadTime):
        return _Found()


def _answered(answer: requests.Response) -> requests.Response:
    if answer.status_code >= 400:
        raise BadAnswer(f"{answer.url.partition('?')[0]} answers {answer.status_code} {answer.reason or ''}".rstrip())
    return answer


_PROBES: dict[str, Callable[[requests.Session, Server], _Found]] = {"hapi": _of_hapi, "tap": _of_tap}

"""What a HAPI server says of itself and of its datasets, and what its refusals mean."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import numpy as np

from analysis import store
from analysis.archives.servers import Server
from analysis.errors import (
    AnalysisError,
    BadAnswer,
    BadTime,
    CorruptFile,
    DownloadError,
    NotFound,
    OutsideCoverage,
    QueryRefused,
    UnknownProduct,
    UnknownVariable,
    Unreachable,
)
from analysis.formats import _hapiinfo as hapiinfo
from analysis.formats._hapiinfo import Info

DAY = 86400.0
SOON = 600.0  # seconds for which what may still grow counts as current
TRIES = 3  # of a request that the server itself failed at
PAUSE = 0.5
TOO_MUCH, OUTSIDE, FORM = 1408, (1402, 1403, 1404, 1405), 1409
_silent: dict[str, float] = {}  # servers without an answer to "about", and when we learned it


@dataclass(frozen=True)
class Dataset:
    """A dataset of a server: its description, and how the server wants to be asked."""

    server: Server
    id: str
    info: Info
    version: str
    forms: tuple[str, ...]

    @property
    def start(self) -> np.datetime64:
        """First instant of the coverage."""
        assert self.info.start is not None  # seen to by dataset_of
        return self.info.start

    @property
    def stop(self) -> np.datetime64:
        """Last instant of the coverage."""
        assert self.info.stop is not None
        return self.info.stop

    @property
    def coverage(self) -> str:
        """The coverage in words."""
        return f"{_short(self.start)} to {_short(self.stop)} UTC"


def _short(instant: np.datetime64) -> str:
    return str(instant.astype("M8[s]"))


def address(server: Server, endpoint: str, query: Mapping[str, str] | None = None) -> str:
    """Return the address of a request, its parameters in the order given."""
    told = "&".join(f"{key}={quote(value, safe=',:/')}" for key, value in (query or {}).items())
    return f"{server.url}/{endpoint}" + (f"?{told}" if told else "")


def dataset_key(version: str) -> str:
    """Return the name of the request parameter for the dataset's id, which HAPI 3 changed."""
    return "id" if version.split(".")[0] in ("1", "2") else "dataset"


def time_keys(version: str) -> tuple[str, str]:
    """Return the names of the request parameters for the interval, which HAPI 3 changed."""
    return ("time.min", "time.max") if version.split(".")[0] in ("1", "2") else ("start", "stop")


def told(server: Server, endpoint: str, query: Mapping[str, str] | None = None, *, fresh_for: float = DAY) -> dict:
    """Return the JSON object that a server answers with; not to be changed, as it is kept.

    Raises
    ------
    BadAnswer, DownloadError
        As :func:`_answer`.
    """
    return _parsed(_answer(server, endpoint, query, fresh_for=fresh_for), endpoint)


def _answer(server: Server, endpoint: str, query: Mapping[str, str] | None = None, *, fresh_for: float = DAY) -> Path:
    """Return the file that holds what a server answers with, a JSON object that is no error.

    Raises
    ------
    BadAnswer
        Naming the field that breaks the specification.
    DownloadError
        Its kinds; a HAPI error has its code and message in the text (see :func:`refusal`).
    """
    url = address(server, endpoint, query)

    def problem(path: Path) -> str | None:
        try:
            _, code, message = hapiinfo.status_of(hapiinfo.parsed(path.read_bytes(), endpoint), endpoint)
        except CorruptFile as error:
            return f"the answer is none of HAPI's: {error}"
        return f"HAPI {code} {message}" if code >= 1400 else None

    return patiently(lambda: store.get(url, fresh_for=fresh_for, check=problem))


@lru_cache(maxsize=64)  # a file in the store is named by its content
def _parsed(path: Path, endpoint: str) -> dict:
    return hapiinfo.parsed(path.read_bytes(), endpoint)


def patiently(ask: Any) -> Any:
    """Return what a request gives; one that the server itself failed at (HTTP 500, HAPI 15xx) is tried again."""
    for attempt in range(TRIES):
        try:
            return ask()
        except DownloadError as error:
            if attempt == TRIES - 1 or not server_failed(error):
                raise
        time.sleep(PAUSE * 2**attempt)
    raise AssertionError("unreachable")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def answered(error: BaseException) -> DownloadError | None:
    """Return the error in a chain that has a server's answer."""
    return next((e for e in causes(error) if isinstance(e, DownloadError) and e.status is not None), None)


def server_failed(error: BaseException) -> bool:
    """Return whether the server broke down over a request that it may manage the next time."""
    source = answered(error)
    if source is None or source.status is None or source.status < 500:
        return False
    told = refusal(error)
    return told is None or 1500 <= told[0] < 1600


def refusal(error: BaseException) -> tuple[int, str] | None:
    """Return HAPI code and message of the answer that an error is about; None if it is no HAPI answer."""
    source = answered(error)
    if source is None or source.body.lstrip()[:1] != b"{":
        return None
    try:
        _, code, message = hapiinfo.status_of(hapiinfo.parsed(source.body, "the answer"), "the answer")
    except CorruptFile:
        return None
    return code, message


def is_empty(error: BaseException) -> bool:
    """Return whether a server answered with success and no byte at all, not even the header asked for."""
    source = answered(error)
    return source is not None and source.status in (200, 204) and not source.body


def capabilities(server: Server) -> dict:
    """Return what a server can do, checked."""
    found = told(server, "capabilities")
    forms = found.get("outputFormats")
    if not isinstance(forms, list) or not set(hapiinfo.FORMATS) & {f for f in forms if isinstance(f, str)}:
        raise BadAnswer(
            f"{address(server, 'capabilities')}: outputFormats is {forms!r:.100}, where HAPI asks for a list with csv"
        )
    return found


def about(server: Server, version: str) -> dict:
    """Return what a server says of itself; what is known without asking where it says nothing, as before HAPI 3."""
    known = {"HAPI": version, "id": server.name, "title": server.title}
    if version.split(".")[0] in ("1", "2") or time.time() - _silent.get(server.url, 0.0) < DAY:
        return known
    try:
        return told(server, "about")
    except (NotFound, BadAnswer):  # it only describes: data are served without it
        _silent[server.url] = time.time()
        return known


def catalog(server: Server) -> list[dict]:
    """Return the entries of a server's catalog, each with ``id``."""
    entries = told(server, "catalog").get("catalog")
    where = address(server, "catalog")
    if not isinstance(entries, list):
        raise BadAnswer(f"{where}: catalog is {entries!r:.60}, not a list")
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
            raise BadAnswer(f"{where}: catalog[{place}].id is missing: {entry!r:.100}")
    return entries


def dataset_of(server: Server, dataset: str, *, fresh_for: float = DAY) -> Dataset:
    """Return a dataset's description.

    Raises
    ------
    UnknownProduct
        The server has no such dataset; near ids are named.
    BadAnswer
        The description breaks the specification.
    """
    if not isinstance(dataset, str) or not dataset.strip():
        raise UnknownProduct(f"dataset={dataset!r} is no id of a dataset of {server.url}")
    able = capabilities(server)
    version = able["HAPI"]
    query = {dataset_key(version): dataset}
    try:
        said = _answer(server, "info", query, fresh_for=fresh_for)
    except DownloadError as error:
        code = (refusal(error) or (None, ""))[0]
        if (
            code == 1406
            or (isinstance(error, NotFound) and not code)
            or (code == 1400 and not _listed(server, dataset))
        ):
            raise unknown_dataset(server, dataset) from error
        if code is not None:
            refuse(error, server, dataset, None)
        raise
    where = address(server, "info", query)
    info = _described(said, where)
    for key, value in (("startDate", info.start), ("stopDate", info.stop)):
        if value is None:
            raise BadAnswer(f"{where}: {key} is missing, without which no request can be made")
    return Dataset(server, dataset, info, version, tuple(f for f in hapiinfo.FORMATS if f in able["outputFormats"]))


def _listed(server: Server, dataset: str) -> bool:
    try:
        return dataset in {entry["id"] for entry in catalog(server)}
    except AnalysisError:
        return True  # what cannot be looked up is not called unknown


@lru_cache(maxsize=64)
def _described(path: Path, where: str) -> Info:
    try:
        return hapiinfo.info_of(_parsed(path, "info"), where)
    except CorruptFile as error:
        raise BadAnswer(str(error)) from error


def unknown_dataset(server: Server, dataset: str) -> UnknownProduct:
    """Return the error about an id that a server does not have, with the ids that are near it."""
    try:
        ids = [entry["id"] for entry in catalog(server)]
    except AnalysisError:
        return UnknownProduct(f"{server.url} has no dataset {dataset!r}, and its catalog cannot be had to name others")
    near = close_to(dataset, ids) or ids[:5]
    return UnknownProduct(
        f"{server.url} has no dataset {dataset!r}; near: {', '.join(near)} ({len(ids)} in all; catalog() lists them)"
    )


def close_to(name: str, names: Sequence[str], count: int = 5) -> list[str]:
    """Return the names that are near to one, in any letter case.

    Examples
    --------
    >>> close_to("ac_h0_mag", ["AC_H0_MFI", "AC_H0_SWE", "OMNI2_H0_MRG1HR"], 2)
    ['AC_H0_MFI', 'AC_H0_SWE']
    """
    lower: dict[str, str] = {}
    for one in names:
        lower.setdefault(one.lower(), one)
    return [lower[match] for match in difflib.get_close_matches(name.lower(), list(lower), n=count, cutoff=0.4)]


def unknown_parameters(dataset: Dataset, names: Sequence[str]) -> UnknownVariable:
    """Return the error about parameters that a dataset does not have."""
    near = list(dict.fromkeys(one for name in names for one in close_to(name, dataset.info.names)))
    shown = near or dataset.info.names[:12]
    more = f" and {len(dataset.info.names) - len(shown)} more" if not near and len(dataset.info.names) > 12 else ""
    return UnknownVariable(
        f"{dataset.id} has no {', '.join(map(repr, names))}; {'near' if near else 'it has'}: {', '.join(shown)}{more}"
    )


def refuse(error: DownloadError, server: Server, name: str, dataset: Dataset | None) -> NoReturn:
    """Raise what a HAPI server's refusal stands for; any other error as it is."""
    said = refusal(error)
    if said is None:
        raise error
    code, message = said
    words = f"{server.url} answered HAPI {code} {message!r} to a request for {name}"
    if code == 1406:
        raise unknown_dataset(server, name) from error
    if code == 1407:
        raise UnknownVariable(f"{words}: its description is not what it serves; ask again in a day") from error
    if code in (1404, 1405):
        covers = f"; it covers {dataset.coverage}" if dataset else ""
        raise OutsideCoverage(f"{words}{covers}") from error
    if code in (1402, 1403):
        raise BadTime(f"{words}, though the times of the request are ISO 8601") from error
    if 1500 <= code < 1600:
        contact = about(server, dataset.version if dataset else "2.0").get("contact")
        whom = f" Its contact is {contact}." if isinstance(contact, str) and contact.strip() else ""
        raise Unreachable(f"{words}, {TRIES} times. Ask again later.{whom}") from error
    raise QueryRefused(f"{words} ({_what_would_help(code)})") from error


def _what_would_help(code: int) -> str:
    if code == TOO_MUCH:
        return "even for the shortest interval that is asked for: ask for fewer parameters"
    return "the server does not do what its version of HAPI promises"

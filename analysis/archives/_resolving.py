"""How a template's wildcards become files: the lists of the folders above them are looked through."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import numpy as np

from analysis import store
from analysis.archives import s3
from analysis.archives._listing import Entry, entries, is_listing
from analysis.archives._templates import natural, newest, pattern, split_query
from analysis.errors import BadAnswer, NotFound

__all__ = ["LIST_FRESH", "Cell", "Lists", "listed_at", "nothing", "resolved", "some", "walk"]

LIST_FRESH = 3600.0  # seconds for which a folder's list is believed; of folders of the past a day
_LIST_FRESH_PAST = 86400.0
_PAST = np.timedelta64(31, "D")
_LISTS_AT_ONCE = 8


@dataclass(frozen=True)
class Cell:
    """One file to be: its address with wildcards, and the interval that it covers."""

    address: str
    start: np.datetime64 | None = None
    stop: np.datetime64 | None = None
    before: bool = False  # of the interval before the one asked for: its last file may reach into that


class Lists:
    """The lists of folders that a plan has looked at, each once; None for a folder that is not there."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Entry] | None] = {}

    def prefetch(self, cells: Sequence[Cell]) -> None:
        """Bring the lists that are needed first side by side."""
        ages: dict[str, np.datetime64 | None] = {}
        for cell in cells:
            if (folder := walk(cell.address)[0]) is not None:
                ages[folder] = cell.stop  # cells are in order of time: the last one counts
        with ThreadPoolExecutor(min(_LISTS_AT_ONCE, len(ages) or 1), thread_name_prefix="sanko-list") as pool:
            got = {folder: pool.submit(self._brought, folder, stop) for folder, stop in ages.items()}
            self.seen |= {folder: task.result() for folder, task in got.items()}

    def of(self, folder: str, stop: np.datetime64 | None) -> list[Entry]:
        """Return a folder's list, empty if there is no such folder."""
        if folder not in self.seen:
            self.seen[folder] = self._brought(folder, stop)
        return self.seen[folder] or []

    @staticmethod
    def _brought(folder: str, stop: np.datetime64 | None) -> list[Entry] | None:
        past = stop is not None and stop < np.datetime64("now") - _PAST
        try:
            return listed_at(folder, _LIST_FRESH_PAST if past else LIST_FRESH)
        except NotFound:
            return None


def listed_at(folder: str, fresh_for: float) -> list[Entry]:
    """Return what a folder holds."""
    if folder.startswith("s3://"):
        bucket, _, prefix = folder.removeprefix("s3://").partition("/")
        return s3.entries(bucket, unquote(prefix), fresh_for=fresh_for)
    page = store.get(folder, fresh_for=fresh_for).read_bytes().decode("utf-8", "replace")
    found = entries(page, folder)
    if not is_listing(page, folder):
        raise BadAnswer(f"{folder}: the server answered with something that is no list of a folder; check the address")
    return found


def walk(address: str) -> tuple[str | None, str, str]:
    """Return the folder above the first name with wildcards (None if there is none), that name, and the rest."""
    path, query = split_query(address)
    begin = path.index("/", path.index("://") + 3)
    names = path[begin + 1 :].split("/")
    for at, name in enumerate(names):
        if re.search(r"[*?]|\{each\}", name):
            return "/".join([path[:begin], *names[:at], ""]), name, "/".join(names[at + 1 :]) + query
    return None, "", ""


def resolved(cell: Cell, lists: Lists) -> list[str]:
    """Return the addresses that a cell stands for: none, one, or with {each} several."""
    address = cell.address
    while True:
        folder, name, rest = walk(address)
        if folder is None:
            return [_as_http(address)]
        is_last = not rest or rest.startswith("?")
        shape = pattern(name)
        fits = {e.name: (e, m) for e in lists.of(folder, cell.stop) if (m := shape.fullmatch(e.name))}
        fits = {key: (e, m) for key, (e, m) in fits.items() if e.is_folder != is_last}
        if not fits:
            return []
        if "{each}" in name:
            return _all_newest(fits, folder + name, cell.before)
        best = newest({key: m.groups() for key, (_, m) in fits.items()}, folder + name)
        if is_last:
            return [fits[best][0].url + rest]
        address = f"{folder}{_last_name(fits[best][0].url)}/{rest}"


def _all_newest(fits: Mapping[str, tuple[Entry, re.Match[str]]], where: str, only_last: bool) -> list[str]:
    """Return for each text that {each} stands for the newest file, in order of these texts."""
    groups: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, (_, match) in fits.items():
        apart = tuple(match[i] for i in range(1, match.re.groups + 1) if i != match.re.groupindex["each"])
        groups.setdefault(match["each"], {})[name] = apart
    ordered = sorted(groups, key=natural)
    return [fits[newest(groups[text], where)][0].url for text in (ordered[-1:] if only_last else ordered)]


def _last_name(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]


def _as_http(address: str) -> str:
    if not address.startswith("s3://"):
        return address
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return s3.url(bucket, unquote(key))


def some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def nothing(what: str, missing: Sequence[str], lists: Lists) -> str:
    """Say that there is nothing, and what there is instead."""
    told = f"{what}: the archive has no file like {some(missing, 2)}"
    folder = walk(missing[0])[0] if missing else None
    if folder is None:
        return told
    held = lists.seen.get(folder)
    if held is None:
        return f"{told}; the folder {folder} is not there"
    names = sorted((entry.name for entry in held), key=natural)
    return f"{told}; {folder} holds {len(names)} files and folders" + (f", {names[0]} … {names[-1]}" if names else "")

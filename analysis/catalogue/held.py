"""What of the archives' products the store holds: a small note for each fetch, so that a search on a plane knows.

The notes lie in the store's home under ``fetched/<product>/<query>.json``. One counts as long as the store still has
the files that it names; losing a note costs the word "cached" in a search, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import xarray as xr

from analysis import store
from analysis.model import provenance_of


def remember(domain: str, name: str, asked: Mapping[str, object], read: Iterable[xr.Dataset]) -> None:
    """Note that the store holds what a query of an archive's product needs."""
    from analysis.download import write_json

    parts = sorted({found for data in read for found in _checksums(provenance_of(data))})
    if not parts:
        return
    note = {"query": dict(asked), "sha256": parts}
    folder = _folder(domain, name)
    with contextlib.suppress(OSError):  # the store cannot be written to: the data are there all the same
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / f"{_key(json.dumps(note['query'], sort_keys=True, default=str))}.json", note)


def queries(domain: str, name: str) -> list[dict[str, object]]:
    """Return the queries of a product whose files the store holds, all of them."""
    notes = [note for note in _notes(_folder(domain, name)) if all(map(_is_held, note["sha256"]))]
    return [note["query"] for note in notes]


def are_cached(domain: str, names: Iterable[str]) -> set[str]:
    """Return those of an archive's products of which the store holds at least one part."""
    root = store.home() / "fetched"
    try:
        noted = {folder.name for folder in root.iterdir()}
    except OSError:
        return set()
    some = [name for name in names if _folder(domain, name).name in noted]
    return {n for n in some if any(_is_held(part) for note in _notes(_folder(domain, n)) for part in note["sha256"])}


def said(domain: str, name: str) -> str:
    """Return what is held of a product as a sentence for a message, empty if nothing is."""
    ranges = [_words(query) for query in queries(domain, name)]
    return f"Of {name} the store holds {'; '.join(sorted(filter(None, ranges))[:8])}." if any(ranges) else ""


def _words(query: Mapping[str, object]) -> str:
    told = {key: value for key, value in query.items() if key not in ("domain", "product", "start", "stop")}
    span = f"{query['start']!s:.19} to {query['stop']!s:.19}" if {"start", "stop"} <= set(query) else ""
    return ", ".join(filter(None, [span, *(f"{key} {value}" for key, value in told.items())]))


def _folder(domain: str, name: str) -> Path:
    return store.home() / "fetched" / _key(f"{domain}/{name}")


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _notes(folder: Path) -> Iterator[dict]:
    """Give the notes of a folder that can be read; one that is damaged is as good as none."""
    for file in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(note["query"], dict) and all(isinstance(part, str) for part in note["sha256"]):
                yield note


def _is_held(sha256: str) -> bool:
    return (store.home() / "blobs" / sha256[:2] / sha256).is_file()


def _checksums(told: object) -> Iterator[str]:
    """Give every sha256 in a provenance: of an answer, or of the parts of one."""
    if isinstance(told, dict):
        for key, inside in told.items():
            if key == "sha256":
                yield from [inside] if isinstance(inside, str) else [part for part in inside if part]
            else:
                yield from _checksums(inside)
    elif isinstance(told, list):
        for inside in told:
            yield from _checksums(inside)

"""The real data that ships: one registry of what each file is, whose it is and what was done to it.

``registry.toml`` is the only place that names checksums, licences and references; docs/data.md is written
from it.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError, CorruptFile, MissingFile

__all__ = ["Entry", "entries", "entry", "path"]

RESTORE = "restore it with 'git checkout -- analysis/sample' or by installing the package again"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the registry says of one file; the field names are the TOML's keys."""

    name: str
    size: int
    sha256: str
    title: str
    mission: str
    instrument: str
    institution: str
    archive: str
    obtained_from: str
    original_name: str
    copied: str
    license: str
    terms: str
    changes: str
    observed: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


def path(name: str) -> Path:
    """Return where a file that ships lies, its size and checksum verified.

    Parameters
    ----------
    name : str
        A name in the registry.

    Raises
    ------
    MissingFile
        If the registry has no such name (naming near ones), or the file is gone.
    CorruptFile
        If its size or sha256 is not the registry's. Verified once a process for each state of the file: one
        that changes later is verified again.

    Examples
    --------
    >>> path("litebird_channels.nc").name
    'litebird_channels.nc'
    """
    known = entry(name)
    place = _folder() / name
    try:
        state = place.stat()
    except OSError as error:
        raise MissingFile(f"{place} is gone, though the sample registry names it; {RESTORE}") from error
    _verify(place, known, state.st_size, state.st_mtime_ns)
    return place


def entry(name: str) -> Entry:
    """Return what the registry says of a file.

    Raises
    ------
    MissingFile
        If the registry has no such name; near ones are named.

    Examples
    --------
    >>> entry("litebird_channels.nc").mission
    'LiteBIRD'
    """
    known = entries()
    if name not in known:
        near = difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.4)
        hint = f"near are {', '.join(near)}" if near else f"there are {len(known)}, see analysis.sample.entries()"
        raise MissingFile(f"no file named {name!r} ships with Sankō; {hint}")
    return known[name]


@cache
def entries() -> dict[str, Entry]:
    """Return the whole registry, by file name.

    Raises
    ------
    AnalysisError
        If an entry has a key that is not known or lacks one that is needed.

    Examples
    --------
    >>> all(held.size < 8_000_000 for held in entries().values())
    True
    """
    table = tomllib.loads((_folder() / "registry.toml").read_text("utf-8"))
    found: dict[str, Entry] = {}
    for name, keys in table.items():
        held: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in keys.items()}
        try:
            found[name] = Entry(name=name, **held)
        except TypeError as error:
            raise AnalysisError(f"the sample registry's entry {name!r} is wrong: {error}") from error
    return found


def _folder() -> Path:
    return Path(str(files("analysis") / "sample"))


@cache
def _verify(place: Path, known: Entry, size: int, _changed: int) -> None:
    """Raise CorruptFile unless the file is the registry's; cached on its size and time of change."""
    if size != known.size:
        raise CorruptFile(f"{place} has {size} bytes, the sample registry says {known.size}; {RESTORE}")
    with place.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != known.sha256:
        raise CorruptFile(f"{place} has sha256 {found[:12]}…, the sample registry says {known.sha256[:12]}…; {RESTORE}")

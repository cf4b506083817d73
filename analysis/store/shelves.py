"""Where things lie in the store: blobs by their sha256, references by their address, each whole or absent.

::

    blobs/ab/abcd…            read-only bytes; the time of change is the time of last use
    references/<key>.json     address -> blob, with ETag, Last-Modified and times
    partials/                 unfinished transfers, and the hosts' turns
    unpacked/<sha256>/        what the archive of that sha256 holds, with a note of sizes and checksums beside it
    locks/                    empty files that threads and processes lock
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from analysis.download import Arrived, Validator, held_lock, write_json
from analysis.download.disk import sync_folder
from analysis.download.partial import SYNCED
from analysis.errors import StoreError

__all__ = ["Reference", "Shelves", "home", "key_of", "shelves"]

# Blobs whose checksum this process has seen to be right: path -> (inode, size). No lock, which a fork could leave held.
_seen: dict[Path, tuple[int, int]] = {}
_FOREVER = 1e11  # seconds since 1970 that no clock tells


@dataclass(frozen=True)
class Reference:
    """What is known of the file at an address.

    Parameters
    ----------
    url : str
        The address asked for.
    sha256 : str
        Of its bytes, which are the blob's name.
    size : int
        In bytes.
    etag, last_modified : str or None
        What the server calls this version.
    retrieved, checked : float
        When the bytes came, and when the server last said that they are current: seconds since 1970, UTC.
    """

    url: str
    sha256: str
    size: int
    etag: str | None
    last_modified: str | None
    retrieved: float
    checked: float


def home() -> Path:
    """Return the store's folder: ``SANKO_HOME``, or the user's cache folder."""
    if told := os.environ.get("SANKO_HOME"):
        try:
            return Path(told).expanduser().absolute()
        except RuntimeError as err:
            raise StoreError(f"SANKO_HOME={told!r:.200} begins with a user that this machine does not know") from err
    from platformdirs import user_cache_path

    return user_cache_path("sanko", appauthor=False)


def shelves() -> Shelves:
    """Return the shelves of the store in use."""
    return Shelves(home())


def key_of(url: str) -> str:
    """Return the name under which an address is kept."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:40]


@dataclass(frozen=True)
class Shelves:
    """The store's folders.

    Parameters
    ----------
    root : pathlib.Path
        The folder that holds them all.
    """

    root: Path

    @property
    def partials(self) -> Path:
        """Where unfinished transfers are."""
        return self.root / "partials"

    @property
    def references(self) -> Path:
        """Where references are."""
        return self.root / "references"

    def blob(self, sha256: str) -> Path:
        """Return where a blob is, or would be."""
        return self.root / "blobs" / sha256[:2] / sha256

    def blobs(self) -> Iterator[Path]:
        """Give every blob that is held."""
        for path in sorted((self.root / "blobs").glob("??/*")):
            if re.fullmatch("[0-9a-f]{64}", path.name):
                yield path

    def url_lock(self, key: str) -> Path:
        """Return the lock that a transfer of this address holds."""
        return self.root / "locks" / f"url-{key}.lock"

    def blob_lock(self, sha256: str) -> Path:
        """Return the lock under which blobs that begin so are handed out or removed."""
        return self.root / "locks" / f"blob-{sha256[:2]}.lock"

    @property
    def unpacked(self) -> Path:
        """Where the folders of unpacked archives are."""
        return self.root / "unpacked"

    def unpacked_lock(self, sha256: str) -> Path:
        """Return the lock under which unpacked folders that begin so are made, handed out or removed."""
        return self.root / "locks" / f"unpacked-{sha256[:2]}.lock"

    def unpacked_folders(self) -> Iterator[tuple[Path, int]]:
        """Give each unpacked folder with the bytes that its note says it holds."""
        for note in sorted(self.unpacked.glob("*.json")):
            with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
                if re.fullmatch("[0-9a-f]{64}", note.stem):
                    yield note.with_suffix(""), int(json.loads(note.read_text(encoding="utf-8"))["size"])

    def reference(self, url: str) -> Reference | None:
        """Return what is known of an address; None if nothing is, or nothing that makes sense."""
        found = self.read_reference(self.references / f"{key_of(url)}.json")
        return found if found is not None and found.url == url else None

    def read_reference(self, path: Path) -> Reference | None:
        """Return the reference in a file, None if it holds none."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            found = Reference(**{field.name: told[field.name] for field in fields(Reference)})
            times = 0 < found.retrieved < _FOREVER and 0 < found.checked < _FOREVER
            named = all(isinstance(tag, str | None) for tag in (found.etag, found.last_modified))
            sound = re.fullmatch("[0-9a-f]{64}", found.sha256) and int(found.size) > 0 and times and named
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return found if sound else None

    def remember(self, reference: Reference) -> None:
        """Write a reference. One that a power cut spoils is no JSON and counts as none, so that nothing is synced."""
        told = {field.name: getattr(reference, field.name) for field in fields(Reference)}
        write_json(self.references / f"{key_of(reference.url)}.json", told, sync=False)

    def take(self, sha256: str, size: int | None = None) -> Path | None:
        """Return a blob that is what its name says and note that it is used; None if it is absent or damaged."""
        path = self.blob(sha256)
        if not path.is_file():
            return None
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):  # a store that cannot be written to cannot be pruned either
                held.enter_context(held_lock(self.blob_lock(sha256)))
            if not is_sound(path, size):
                return None
            with contextlib.suppress(OSError):
                os.utime(path)
            return path

    def put(self, arrived: Arrived, url: str, *, now: float) -> Path:
        """Shelve what has arrived: blob first, then the reference that points to it."""
        path = self.blob(arrived.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with held_lock(self.blob_lock(arrived.sha256)):
            state = arrived.path.stat()
            if state.st_size != arrived.size:
                raise StoreError(
                    f"{self.root} holds {state.st_size} of the {arrived.size} bytes of {url} that were written: "
                    "another process wrote there too, or the disk lost them. The store needs a disk with locks "
                    "(flock); set SANKO_HOME to a folder on one"
                )
            arrived.path.chmod(state.st_mode & 0o444)
            os.utime(arrived.path)
            arrived.path.replace(path)
            if arrived.size > SYNCED:
                sync_folder(path.parent)
            _note_sound(path)
        known: Validator = arrived.validator
        self.remember(
            Reference(url, arrived.sha256, arrived.size, known.etag, known.last_modified, retrieved=now, checked=now)
        )
        arrived.journal.unlink(missing_ok=True)
        return path


def is_sound(path: Path, size: int | None = None, *, anew: bool = False) -> bool:
    """Return whether a blob has the size and, looked at once a process (or `anew`), the sha256 of its name."""
    try:
        state = path.stat()
        if size is not None and state.st_size != size:
            return False
        if not anew and _seen.get(path) == (state.st_ino, state.st_size):
            return True
        with path.open("rb") as file:
            sound = hashlib.file_digest(file, "sha256").hexdigest() == path.name
    except FileNotFoundError:
        return False
    if sound:
        _note_sound(path)
    return sound


def _note_sound(path: Path) -> None:
    state = path.stat()
    _seen[path] = state.st_ino, state.st_size


def idle_seconds(path: Path) -> float:
    """Return for how long a file has not been used; a clock that was set back makes it look used just now."""
    return max(0.0, time.time() - path.stat().st_mtime)

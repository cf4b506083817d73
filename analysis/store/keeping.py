"""Looking after the store: what is held, whether it is sound, and making room."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.download import held_lock
from analysis.download.disk import disk_errors, try_lock
from analysis.errors import BadOption
from analysis.store.shelves import Reference, Shelves, idle_seconds, is_sound, shelves

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["prune", "status", "verify"]

_DAY = 86400.0
_NANOSECONDS = 9.2e9  # seconds that 63 bits of nanoseconds hold


def status() -> pd.DataFrame:
    """Return what the store holds, one row for each address, and one for each file that no address leads to.

    Returns
    -------
    pandas.DataFrame
        Columns ``url, sha256, size, held, retrieved, checked, used``: `size` in bytes, times in UTC. `held` is
        False where the file is gone. ``attrs`` has the store's ``home``, the ``size`` of all files together, and
        ``unpacked``, the bytes that unpacked archives take besides.

    Examples
    --------
    >>> from analysis import store
    >>> list(store.status().columns)
    ['url', 'sha256', 'size', 'held', 'retrieved', 'checked', 'used']
    """
    import pandas as pd

    shelf = shelves()
    columns = ["url", "sha256", "size", "held", "retrieved", "checked", "used"]
    with disk_errors(shelf.root):
        sizes = {path.name: _size_and_use(path) for path in shelf.blobs()}
        held = {name: told for name, told in sizes.items() if told is not None}
        rows: list[tuple[object, ...]] = []
        named = set()
        for known in _references(shelf).values():
            named.add(known.sha256)
            used = held[known.sha256][1] if known.sha256 in held else None
            times = _utc(known.retrieved), _utc(known.checked), used
            rows.append((known.url, known.sha256, known.size, known.sha256 in held, *times))
        rows += [(None, name, size, True, None, None, used) for name, (size, used) in held.items() if name not in named]
    table = pd.DataFrame(rows, columns=columns)
    for column in ("retrieved", "checked", "used"):
        table[column] = pd.to_datetime(table[column]).astype("datetime64[ns]")
    unpacked = sum(size for _, size in shelf.unpacked_folders())
    table.attrs.update(home=str(shelf.root), size=sum(size for size, _ in held.values()), unpacked=unpacked)
    return table


def verify(*, remove: bool = False) -> pd.DataFrame:
    """Read every file of the store and return those that are not what their checksum says.

    Parameters
    ----------
    remove : bool, optional
        Remove the damaged ones, so that they are fetched anew when asked for.

    Returns
    -------
    pandas.DataFrame
        Columns ``sha256, path, urls``, one row for each damaged file.

    Examples
    --------
    >>> from analysis import store
    >>> store.verify().empty
    True
    """
    import pandas as pd

    shelf = shelves()
    rows = []
    with disk_errors(shelf.root):
        urls: dict[str, list[str]] = {}
        for known in _references(shelf).values():
            urls.setdefault(known.sha256, []).append(known.url)
        for path in shelf.blobs():
            if is_sound(path, anew=True):
                continue
            with contextlib.ExitStack() as held:
                if remove:
                    held.enter_context(held_lock(shelf.blob_lock(path.name)))
                if not path.exists() or is_sound(path, anew=True):
                    continue  # pruned, or brought anew, meanwhile
                rows.append((path.name, path, urls.get(path.name, [])))
                if remove:
                    path.unlink(missing_ok=True)
    return pd.DataFrame(rows, columns=["sha256", "path", "urls"])


def prune(max_bytes: int, *, pinned: Iterable[str] = (), unused_for: float = 600.0) -> list[str]:
    """Remove files until the rest fits, those unused for longest first, and return the sha256 of what was removed.

    Unpacked archives (:func:`analysis.archives.packed.unpacked`) go before any file, since they can be unpacked again;
    they are not in the list returned. Leftovers of transfers that nobody took up for a day go too. It may run beside
    other processes that use the store.

    Parameters
    ----------
    max_bytes : int
        What the files may take together. More is kept if it is pinned or in use.
    pinned : iterable of str, optional
        The sha256 of files that stay.
    unused_for : float, optional
        Files used within so many seconds stay: somebody may be about to open them.

    Returns
    -------
    list of str
        In the order of removal.

    Raises
    ------
    BadOption
        A limit below zero, or a pin that is no sha256.

    Examples
    --------
    >>> from analysis import store
    >>> store.prune(10**15)
    []
    """
    if max_bytes < 0 or not unused_for >= 0:
        raise BadOption(f"a store cannot be pruned to {max_bytes} bytes unused for {unused_for} s: give numbers from 0")
    stay = {str(pin).lower() for pin in ([pinned] if isinstance(pinned, str) else pinned)}
    if wrong := [pin for pin in sorted(stay) if len(pin) != 64 or set(pin) - set("0123456789abcdef")]:
        raise BadOption(f"{wrong[0]!r:.80} is no sha256 of 64 hexadecimal digits; nothing was pruned")
    shelf, removed = shelves(), []
    with disk_errors(shelf.root):
        held = []
        for path in shelf.blobs():
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                held.append((state.st_mtime_ns, path, state.st_size))
        total = sum(size for *_, size in held) + sum(size for _, size in shelf.unpacked_folders())
        total -= _pruned_folders(shelf, total - max_bytes, stay, unused_for)
        for _, path, size in sorted(held):
            if total <= max_bytes:
                break
            if path.name not in stay and _removed(shelf, path, unused_for):
                removed.append(path.name)
                total -= size
        _drop_leftovers(shelf)
    return removed


def _removed(shelf: Shelves, path: Path, unused_for: float) -> bool:
    """Remove a blob unless it is in use; :meth:`Shelves.take` holds the same lock while it hands one out."""
    with held_lock(shelf.blob_lock(path.name)):
        try:
            if idle_seconds(path) < unused_for:
                return False
            path.unlink()
        except FileNotFoundError:
            return False
        return True


def _pruned_folders(shelf: Shelves, wanted: int, stay: set[str], unused_for: float) -> int:
    """Remove unpacked folders, those unused for longest first, until so many bytes are free; return how many are."""
    freed = 0
    aged = []
    for folder, size in shelf.unpacked_folders():
        with contextlib.suppress(FileNotFoundError):
            aged.append((folder.with_suffix(".json").stat().st_mtime_ns, folder, size))
    for _, folder, size in sorted(aged):
        if freed >= wanted:
            break
        if folder.name in stay:
            continue
        note = folder.with_suffix(".json")
        with held_lock(shelf.unpacked_lock(folder.name)), contextlib.suppress(FileNotFoundError):
            if idle_seconds(note) >= unused_for:
                note.unlink()
                shutil.rmtree(folder)
                freed += size
    return freed


def _drop_leftovers(shelf: Shelves) -> None:
    """Remove references to what is gone, and unfinished files that were left for a day."""
    for file, known in _references(shelf).items():
        if not shelf.blob(known.sha256).exists():
            with try_lock(shelf.url_lock(file.stem)) as mine:
                again = shelf.read_reference(file) if mine else None
                if again is not None and not shelf.blob(again.sha256).exists():
                    file.unlink(missing_ok=True)
    for file in [*shelf.partials.glob("*.part"), *shelf.partials.glob("*.journal")]:
        with try_lock(shelf.url_lock(file.name.partition(".")[0])) as mine, contextlib.suppress(FileNotFoundError):
            if mine and idle_seconds(file) > _DAY:
                file.unlink()
    for file in [*shelf.root.glob("*/tmp/*"), *shelf.root.glob("*/*/tmp/*")]:
        with contextlib.suppress(FileNotFoundError):
            if idle_seconds(file) > _DAY:
                shutil.rmtree(file) if file.is_dir() else file.unlink()
    for folder in shelf.unpacked.glob("[0-9a-f]*"):
        if folder.is_dir() and not folder.with_suffix(".json").exists():
            with held_lock(shelf.unpacked_lock(folder.name)):
                if not folder.with_suffix(".json").exists():  # a prune was killed at it
                    shutil.rmtree(folder, ignore_errors=True)
    for note in shelf.root.glob("fetched/*/*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            parts = json.loads(note.read_text(encoding="utf-8"))["sha256"]
            if idle_seconds(note) > _DAY and not any(shelf.blob(part).exists() for part in parts):
                note.unlink()
    for lock in shelf.root.glob("locks/url-*.lock"):
        key = lock.stem.removeprefix("url-")
        with contextlib.suppress(FileNotFoundError):
            if idle_seconds(lock) > _DAY and not (shelf.references / f"{key}.json").exists():
                with try_lock(lock) as mine:
                    if mine:
                        lock.unlink()


def _references(shelf: Shelves) -> dict[Path, Reference]:
    """Return every reference by its file."""
    read = {path: shelf.read_reference(path) for path in sorted(shelf.references.glob("*.json"))}
    return {path: known for path, known in read.items() if known is not None}


def _size_and_use(path: Path) -> tuple[int, datetime | None] | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_size, _utc(state.st_mtime)


def _utc(seconds: float) -> datetime | None:
    """Return a time without zone, UTC; None for one that a table of nanoseconds cannot hold."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None) if 0 <= seconds < _NANOSECONDS else None

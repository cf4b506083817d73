"""Files that are whole or absent, and locks between threads and processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from analysis.errors import StoreError

__all__ = ["disk_errors", "held_lock", "sync_folder", "try_lock", "write_json"]


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses within the block into :class:`StoreError`."""
    try:
        yield
    except OSError as err:
        # Errors of ours and of network libraries are OSErrors too, without a number that a disk gives.
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"no space is left for {folder}: make room with store.prune(max_bytes), or set SANKO_HOME to a "
                "folder on a larger disk; nothing was stored"
            ) from err
        if err.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StoreError(
                f"{folder} cannot be written to ({err.strerror}): set SANKO_HOME to a folder of your own; "
                "nothing was stored"
            ) from err
        if err.errno is not None:
            raise StoreError(f"{folder} cannot be used as a store ({err.strerror}): set SANKO_HOME to another") from err
        raise


@contextlib.contextmanager
def held_lock(path: Path) -> Iterator[None]:
    """Hold a lock that threads and processes respect; the system frees it when its holder dies."""
    while True:
        descriptor = _lock(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_gone(descriptor, path):
                continue
            yield
            return
        finally:
            _closed(descriptor)


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock if it is free; say whether."""
    descriptor = _lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = not _is_gone(descriptor, path)
        except BlockingIOError:
            mine = False
        yield mine
    finally:
        _closed(descriptor)


def _is_gone(descriptor: int, path: Path) -> bool:
    """Return whether the file was removed while we waited for its lock, which then excludes nobody."""
    state = os.fstat(descriptor)
    if state.st_nlink:
        return False
    try:
        return not os.path.samestat(state, path.stat())  # there are file systems that count no links
    except FileNotFoundError:
        return True


# Descriptors of locks that this process holds or waits for. A fork would share them, and with them the locks: the
# child closes its copies, so that the parent alone holds what it held.
_open: set[int] = set()
_open_lock = threading.Lock()


def _lock(path: Path) -> int:
    """Return a descriptor of the file, to be locked."""
    with _open_lock:  # a fork waits for it, so that no descriptor is open and not noted
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        _open.add(descriptor)
    return descriptor


def _closed(descriptor: int) -> None:
    with _open_lock:
        if descriptor in _open:  # not in a child that was forked while the lock was held
            _open.discard(descriptor)
            os.close(descriptor)


def _in_a_child() -> None:
    for descriptor in _open:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _open.clear()
    _open_lock.release()


os.register_at_fork(before=_open_lock.acquire, after_in_parent=_open_lock.release, after_in_child=_in_a_child)


def write_json(path: Path, value: dict[str, Any], *, sync: bool = True) -> None:
    """Write one JSON object so that a reader finds the old file or the new, never half of one.

    Without `sync` that holds for readers, and for a process that dies; a power cut may leave a file that is no JSON.
    """
    scratch = path.parent / "tmp"
    unfinished = scratch / f"{uuid4().hex}.tmp"
    text = json.dumps(value, ensure_ascii=False).encode("utf-8")
    try:
        file = unfinished.open("xb", buffering=0)
    except FileNotFoundError:
        scratch.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("xb", buffering=0)
    with file:
        try:
            if file.write(text) != len(text):
                raise OSError(errno.ENOSPC, "the disk took only a part")
            if sync:
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot; the rename is atomic all the same
            os.fsync(descriptor)
    finally:
        os.close(descriptor)

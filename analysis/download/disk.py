"""Files that are whole or absent, and locks between threads and processes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

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
    lock = _lock(path)
    lock.acquire(poll_interval=0.01)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock if it is free; say whether."""
    from filelock import Timeout

    lock = _lock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _lock(path: Path):
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, is_singleton=False, thread_local=False)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one JSON object so that a reader finds the old file or the new, never half of one."""
    scratch = path.parent / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=scratch, suffix=".tmp", delete=False) as file:
        try:
            json.dump(value, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot; the rename is atomic all the same
            os.fsync(descriptor)
    finally:
        os.close(descriptor)

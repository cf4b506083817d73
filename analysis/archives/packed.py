"""Tar and zip files, unpacked once into a folder of the store, or refused whole.

Nothing that a member's header says is trusted: names, kinds and sizes are checked before a byte is written, and bytes
are counted as they come. Links inside are resolved to copies of what they point to; devices, pipes, links out, names
that would leave the folder or overwrite each other, and archives that unpack to far more than they hold are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from analysis.archives._members import Member, opened
from analysis.download import held_lock, write_json
from analysis.download.disk import disk_errors
from analysis.errors import BadOption, CorruptFile, MissingFile, StoreError, UnsafeArchive
from analysis.store.shelves import shelves

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["members", "unpacked"]

GB = 1 << 30
_RATIO = 250  # the tenth of what deflate can reach with zeros alone; no archive of data comes near it
_ALWAYS = 1 << 26  # bytes that any archive may unpack to

# Folders whose files this process has seen to be right. No lock, which a fork could leave held.
_seen: set[Path] = set()


def members(path: Path | str) -> pd.DataFrame:
    """Return what a tar or zip file holds, unpacking nothing.

    Parameters
    ----------
    path : pathlib.Path or str
        A tar (plain or compressed by gzip, bzip2 or xz) or zip file; what it is is told by its content.

    Returns
    -------
    pandas.DataFrame
        Columns ``name, size, is_folder, modified``: `size` in bytes as the header says, `modified` in UTC for tar, in
        an unknown time zone for zip.

    Raises
    ------
    MissingFile, UnknownFormat, CorruptFile, UnsafeArchive
        As :func:`unpacked`.

    Examples
    --------
    >>> import tarfile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "a.tar"
    ...     with tarfile.open(file, "w") as tar:
    ...         tar.add(__file__, "code/packed.py")
    ...     members(file)["name"].tolist()
    ['code/packed.py']
    """
    import pandas as pd

    source = _existing(path)
    bound = _bound(source, 20 * GB)
    with opened(source, bound) as (found, _):
        rows = [(m.name, m.size, m.is_folder, m.modified) for m in found]
    table = pd.DataFrame(rows, columns=["name", "size", "is_folder", "modified"])
    table["modified"] = pd.to_datetime(table["modified"]).astype("datetime64[ns]")
    return table.astype({"size": "int64", "is_folder": bool})


def unpacked(path: Path | str, *, limit: int = 20 * GB) -> Path:
    """Return a folder of the store that holds what a tar or zip file holds.

    The folder is named by the archive's sha256 and made once for all threads and processes; it appears whole or not at
    all. Files in it are read-only. Archives inside the archive stay packed. :func:`analysis.store.prune` removes it.

    Parameters
    ----------
    path : pathlib.Path or str
        The archive, for example from :func:`analysis.store.get`.
    limit : int, optional
        Bytes that it may unpack to.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    MissingFile, UnknownFormat
        There is no such file, or it is neither tar nor zip, or it is encrypted or compressed in a way unknown here.
    CorruptFile
        It is cut short or damaged.
    UnsafeArchive
        It would write outside its folder, overwrite a file of its own, make a device or a link out, or unpack to more
        than `limit`, or to 250 times its own size. Nothing is left behind.
    StoreError
        The disk is full or cannot be written to.
    BadOption
        `limit` is no size.

    References
    ----------
    PEP 706, Filter for tarfile.extractall; PKWARE, APPNOTE.TXT 6.3.10 (zip).

    Examples
    --------
    >>> unpacked("never-there.tar")
    Traceback (most recent call last):
    ...
    analysis.errors.MissingFile: there is no file never-there.tar
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise BadOption(f"limit is a number of bytes, not {limit!r:.80}")
    source = _existing(path)
    with source.open("rb") as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()
    shelf = shelves()
    folder = shelf.unpacked / name
    with disk_errors(shelf.root), held_lock(shelf.unpacked_lock(name)):  # prune holds it too
        if _is_whole(folder):
            return folder
        scratch = shelf.unpacked / "tmp" / uuid4().hex
        try:
            scratch.mkdir(parents=True)
            told = _written(source, scratch, limit)
            # The note goes first and comes last but one: without it a folder counts as none.
            folder.with_suffix(".json").unlink(missing_ok=True)
            if folder.is_symlink() or folder.is_file():
                folder.unlink()
            shutil.rmtree(folder, ignore_errors=not folder.exists())
            size = sum(int(size) for size, _ in told.values())
            write_json(folder.with_suffix(".json"), {"archive": source.name, "size": size, "files": told})
            scratch.replace(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=not scratch.exists())
    _seen.add(folder)
    return folder


def _existing(path: Path | str) -> Path:
    source = Path(path)
    if not source.is_file():
        raise MissingFile(f"there is no file {path}")
    return source


def _bound(source: Path, limit: int) -> int:
    """Return how many bytes an archive of this size may unpack to."""
    return min(limit, max(_ALWAYS, _RATIO * source.stat().st_size))


def _written(source: Path, folder: Path, limit: int) -> dict[str, list[int | str]]:
    """Unpack into a folder of our own, and return the size and sha256 of each file."""
    bound = _bound(source, limit)
    left, told, links = bound, dict[str, list[int | str]](), list[Member]()
    with opened(source, bound) as (found, content):
        for member in found:
            target = folder / member.name
            if member.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            if member.size > left:
                raise UnsafeArchive(_too_much(source, member.name, bound, limit))
            if member.target is not None:
                links.append(member)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _check_room(folder, member.size)
            size, digest = _copied(content(member), target, left)
            if size > left:
                raise UnsafeArchive(_too_much(source, member.name, bound, limit))
            if size != member.size:
                raise CorruptFile(f"{source}: {member.name} has {size} bytes where its header says {member.size}")
            left -= size
            told[member.name] = [size, digest]
    for link in links:
        origin = _origin(source, link, told, {other.name: other for other in links})
        size = int(told[origin][0])
        if size > left:
            raise UnsafeArchive(_too_much(source, link.name, bound, limit))
        (folder / link.name).parent.mkdir(parents=True, exist_ok=True)
        _check_room(folder, size)
        shutil.copyfile(folder / origin, folder / link.name)
        (folder / link.name).chmod(0o444)
        left -= size
        told[link.name] = told[origin]
    return told


def _copied(pieces: Iterator[bytes], target: Path, left: int) -> tuple[int, str]:
    """Write a member, one byte too many at most, and return its size and sha256."""
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        for piece in pieces:
            size += len(piece)
            if size > left:
                break
            digest.update(piece)
            file.write(piece)
    target.chmod(0o444)
    return size, digest.hexdigest()


def _origin(source: Path, link: Member, told: dict[str, list[int | str]], links: dict[str, Member]) -> str:
    """Return the file that a link leads to in the end."""
    at = link
    for _ in range(len(links)):
        assert at.target is not None
        if at.target in told:
            return at.target
        if at.target not in links:
            break
        at = links[at.target]
    raise UnsafeArchive(f"{source}: the link {link.name} leads to no file of the archive; nothing was unpacked")


def _too_much(source: Path, name: str, bound: int, limit: int) -> str:
    advice = f"give limit={2 * limit} if that is meant" if bound == limit else "it is made to fill a disk"
    return f"{source} unpacks to more than {bound} bytes (at {name}): {advice}; nothing was unpacked"


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise StoreError(
            f"a file of {size} bytes is to be unpacked and {folder.parent} has room for {free}: make room with "
            "store.prune(max_bytes), or set SANKO_HOME to a folder on a larger disk; nothing was unpacked"
        )


def _is_whole(folder: Path) -> bool:
    """Return whether an unpacked folder holds what was unpacked: sizes always, bytes once in a process."""
    note = folder.with_suffix(".json")
    try:
        told = json.loads(note.read_text(encoding="utf-8"))["files"]
        sizes = all((folder / name).lstat().st_size == size for name, (size, _) in told.items())
        if not sizes or not folder.is_dir() or folder.is_symlink():
            return False
        if folder not in _seen:
            if {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()} != set(told):
                return False  # a file that somebody put there
            for name, (_, digest) in told.items():
                with (folder / name).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                        return False
            _seen.add(folder)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    with contextlib.suppress(OSError):  # the time of last use, for prune
        os.utime(note)
    return True

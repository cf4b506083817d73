"""What tar and zip files hold, read with distrust: one list of checked members for both.

``extract`` and ``extractall`` are never called, so that no library's setting for all of a process can weaken this.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from analysis.errors import AnalysisError, CorruptFile, UnknownFormat, UnsafeArchive

__all__ = ["Member", "opened"]

_CHUNK = 1 << 20
_HEADER = 1 << 17  # bytes that one header of a tar may have
_DIGITS = re.compile(rb"[0-9]{200}")  # tarfile's own patterns take time that grows with the square of these
_MOST = 200_000
_BLOCK = 512
_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, struct.error)


@dataclass(frozen=True)
class Member:
    """One file, folder or link of an archive.

    Parameters
    ----------
    name : str
        Checked: relative, with slashes, within the archive.
    size : int
        As the header says.
    is_folder : bool
    modified : numpy.datetime64 or None
    target : str, optional
        The member that a link leads to.
    header : object
        What the library knows of it.
    """

    name: str
    size: int
    is_folder: bool
    modified: np.datetime64 | None
    target: str | None
    header: Any


Opened = tuple[Iterator[Member], Callable[[Member], Iterator[bytes]]]


@contextlib.contextmanager
def opened(path: Path, bound: int) -> Iterator[Opened]:
    """Give the members of an archive one by one, and a function that gives a member's bytes while it is the latest.

    Raises
    ------
    UnknownFormat, CorruptFile, UnsafeArchive
        It is no archive, damaged, or not to be unpacked.
    """
    with path.open("rb") as file:
        head = file.read(6)
        try:
            if head.startswith((b"PK\3\4", b"PK\5\6")):
                with zipfile.ZipFile(file) as zipped:
                    yield _checked(path, _of_zip(path, zipped, file)), lambda member: _zip_bytes(path, zipped, member)
                return
            unzip = next((how for magic, how in _COMPRESSED.items() if head.startswith(magic)), None)
            file.seek(0)
            with contextlib.closing(unzip(path) if unzip else path.open("rb")) as stream:
                guarded = _Guarded(path, stream, bound)
                try:
                    packed = tarfile.open(fileobj=guarded, mode="r:")  # noqa: SIM115
                except tarfile.ReadError as error:
                    sort = "a compressed file, no archive: formats.read opens it" if unzip else "neither tar nor zip"
                    raise UnknownFormat(f"{path} is {sort}") from error
                with packed:
                    yield _checked(path, _of_tar(path, packed, guarded)), lambda member: _tar_bytes(packed, member)
        except RecursionError as error:
            raise CorruptFile(f"{path} is damaged: its headers hold headers without end") from error
        except NotImplementedError as error:
            raise UnknownFormat(f"{path} is compressed in a way that is not known here ({error})") from error
        except (*_DAMAGE, UnicodeDecodeError) as error:
            raise CorruptFile(f"{path} is cut short or damaged: {error}") from error
        except OSError as error:
            if error.errno is not None or isinstance(error, AnalysisError):
                raise
            raise CorruptFile(f"{path} is cut short or damaged: {error}") from error


def _checked(path: Path, found: Iterator[Member]) -> Iterator[Member]:
    """Refuse too many members, and names that would overwrite each other, on disks that ignore case too."""
    files: dict[str, str] = {}
    folders: set[str] = set()
    for count, member in enumerate(found, 1):
        if count > _MOST:
            raise UnsafeArchive(f"{path} holds more than {_MOST} files; nothing was unpacked")
        key = unicodedata.normalize("NFD", unicodedata.normalize("NFD", member.name).casefold())
        above = {str(folder) for folder in PurePosixPath(key).parents} - {"."}
        if key in files or (not member.is_folder and key in folders) or above & files.keys():
            other = files.get(key) or next((files[name] for name in above if name in files), key)
            raise UnsafeArchive(f"{path}: {member.name} would overwrite {other}; nothing was unpacked")
        folders |= above
        if member.is_folder:
            folders.add(key)
        else:
            files[key] = member.name
        yield member


def _name(path: Path, told: str, *, what: str = "the name") -> str:
    """Return a name within the archive, or refuse it."""
    if (
        "\\" in told
        or told.startswith("/")
        or re.match(r"[A-Za-z]:", told)
        or any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in told)
    ):
        raise UnsafeArchive(f"{path}: {what} {told!r:.200} is not one within a folder; nothing was unpacked")
    made: list[str] = []
    for part in told.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if not made or what == "the name":
                raise UnsafeArchive(f"{path}: {what} {told!r:.200} leads out of the folder; nothing was unpacked")
            made.pop()
        else:
            made.append(part)
    if any(len(part.encode("utf-8")) > 255 for part in made) or len("/".join(made).encode("utf-8")) > 2000:
        raise UnsafeArchive(f"{path}: {what} {told!r:.80}… is longer than a disk takes; nothing was unpacked")
    return "/".join(made)


# ------------------------------------------------------------------------------------------------------------ tar


class _Guarded(io.RawIOBase):
    """A stream that ends with an error where an archive unpacks to more than it may, or asks for too much at once."""

    def __init__(self, path: Path, stream: IO[bytes], bound: int):
        self._path, self._stream = path, stream
        self.most = _HEADER
        self._bound = bound + (bound >> 3) + (1 << 24)  # headers and padding come on top of the files

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self.most:
            raise CorruptFile(f"{self._path} is damaged: a header of it has {size} bytes")
        data = self._stream.read(size)
        if self.most == _HEADER and size > _BLOCK and _DIGITS.search(data):
            raise CorruptFile(f"{self._path} is damaged: a header of it holds a number of 200 digits")
        if self._stream.tell() > self._bound:
            self._refuse()
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset < 0 or whence != 0:
            raise CorruptFile(f"{self._path} is damaged: a header points to before its beginning")
        if offset > self._bound:
            self._refuse()
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def _refuse(self) -> None:
        raise UnsafeArchive(f"{self._path} unpacks to more than {self._bound} bytes; nothing was unpacked")


def _of_tar(path: Path, packed: tarfile.TarFile, stream: _Guarded) -> Iterator[Member]:
    """Give the members of a tar in their order; tarfile alone takes damage between two of them for the end."""
    before = -1
    while True:
        stream.most = _HEADER
        header = packed.next()
        stream.most = _CHUNK
        if header is None:
            break
        packed.members = []  # type: ignore[attr-defined]  # else each stays in memory
        if header.size < 0 or header.offset <= before or header.offset_data <= header.offset:
            raise CorruptFile(f"{path} is damaged: a header says that a file has {header.size} bytes")
        _check_holes(path, header)
        before = header.offset
        name = _name(path, header.name)
        if not (header.isreg() or header.isdir() or header.issym() or header.islnk()):
            raise UnsafeArchive(f"{path}: {name} is a device or a pipe, no file; nothing was unpacked")
        target = None
        if header.issym():  # relative to where the link lies
            inside = "" if header.linkname.startswith("/") else f"{PurePosixPath(name).parent}/"
            target = _name(path, inside + header.linkname, what="the link to")
        elif header.islnk():
            target = _name(path, header.linkname, what="the link to")
        if not name:
            if header.isdir():
                continue
            raise UnsafeArchive(f"{path}: a file in it has no name; nothing was unpacked")
        size = header.size if header.isreg() else 0
        yield Member(name, size, header.isdir(), _utc(header.mtime), target, header)
    _check_end(path, packed.offset, stream)


def _check_holes(path: Path, header: tarfile.TarInfo) -> None:
    """Refuse a sparse file whose pieces overlap, or lie outside of it: tarfile makes something of those too."""
    end = 0
    for offset, size in getattr(header, "sparse", None) or ():
        if offset < end or size < 0 or offset + size > header.size:
            raise CorruptFile(f"{path} is damaged: the pieces of the sparse file {header.name!r:.200} do not fit")
        end = offset + size


def _check_end(path: Path, offset: int, stream: _Guarded) -> None:
    """Read to the end: a zero block must stand there, and after it nothing but zeros. Checks a gzip's CRC too."""
    stream.seek(offset)
    size = 0
    while block := stream.read(_CHUNK):
        size += len(block)
        if block.count(0) != len(block):
            raise CorruptFile(f"{path} is damaged: at byte {offset} there is neither a header nor the archive's end")
    if size < _BLOCK:
        raise CorruptFile(f"{path} is cut short: it ends at byte {offset} without the mark of a tar's end")


def _tar_bytes(packed: tarfile.TarFile, member: Member) -> Iterator[bytes]:
    file = packed.extractfile(member.header)
    assert file is not None
    with file:
        while piece := file.read(1 << 16):
            yield piece


def _utc(seconds: float) -> np.datetime64 | None:
    try:
        return np.datetime64(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None), "s")
    except (ValueError, OverflowError, OSError):
        return None


# ------------------------------------------------------------------------------------------------------------ zip


def _of_zip(path: Path, packed: zipfile.ZipFile, file: IO[bytes]) -> Iterator[Member]:
    """Give the members of a zip whose entries lie one behind the other."""
    headers = packed.infolist()
    if len(headers) > _MOST:
        raise UnsafeArchive(f"{path} holds more than {_MOST} files; nothing was unpacked")
    _check_layout(path, headers, file, packed.start_dir)
    for header in headers:
        name = _name(path, header.orig_filename)
        kind = stat.S_IFMT(header.external_attr >> 16)
        is_folder = header.is_dir()
        if kind not in (0, stat.S_IFDIR if is_folder else stat.S_IFREG):
            raise UnsafeArchive(f"{path}: {name} is a link or a device, no file; nothing was unpacked")
        if header.flag_bits & 1:
            raise UnknownFormat(f"{path}: {name} is encrypted; unpack the archive with its password yourself")
        if not name:
            raise UnsafeArchive(f"{path}: a file in it has no name; nothing was unpacked")
        with contextlib.suppress(ValueError):
            modified = np.datetime64(datetime(*header.date_time), "s")
            yield Member(name, header.file_size, is_folder, modified, None, header)
            continue
        yield Member(name, header.file_size, is_folder, None, None, header)


def _check_layout(path: Path, headers: list[zipfile.ZipInfo], file: IO[bytes], directory: int) -> None:
    """Refuse entries that share bytes: a file of a few MB can stand for petabytes so."""
    end = 0
    for header in sorted(headers, key=lambda one: one.header_offset):
        file.seek(max(header.header_offset, 0))
        local = file.read(30)
        if header.header_offset < end:
            raise UnsafeArchive(f"{path}: {header.filename!r:.200} shares bytes with another; nothing was unpacked")
        if len(local) != 30 or not local.startswith(b"PK\3\4"):
            raise CorruptFile(f"{path} is damaged: {header.filename!r:.200} is not where the directory says")
        name, extra = struct.unpack("<HH", local[26:30])
        end = header.header_offset + 30 + name + extra + header.compress_size
        if end > directory:
            raise UnsafeArchive(f"{path}: {header.filename!r:.200} reaches into the directory; nothing was unpacked")


def _zip_bytes(path: Path, packed: zipfile.ZipFile, member: Member) -> Iterator[bytes]:
    """Give a member's bytes; zipfile stops at the size that the header says and checks the CRC there."""
    try:
        with packed.open(member.header) as file:
            while piece := file.read(1 << 16):
                yield piece
    except RuntimeError as error:
        raise UnknownFormat(f"{path}: {member.name} cannot be unpacked ({error})") from error

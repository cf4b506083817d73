"""What a file's first bytes say: how it is packed, and what it looks like where no format recognises it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.errors import CorruptFile, MissingFile, UnknownFormat

HEAD = 64 * 1024
SIZE, GROWTH = 256 << 20, 200  # a packed file may unpack to the larger: bytes, times its own size
PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
OPENERS: dict[str, Callable[[Path], Any]] = {"gzip": gzip.GzipFile, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}
SIGNATURES = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it first"),
    (b"\x1f\x9d", "compressed by compress (.Z); unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive; unpack it and read one file of it"),
    (b"\x93NUMPY", "a NumPy array without units or axes"),
    (b"PAR1", "a Parquet table"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"MATLAB 5.0", "a MATLAB 5 file"),
    (b"\x0e\x03\x13\x01", "an HDF4 file"),
    (b"GRIB", "a GRIB file"),
)


def first_bytes(file: Path) -> bytes:
    """Return the first 64 KiB of a file."""
    try:
        with file.open("rb") as held:
            return held.read(HEAD)
    except OSError as error:
        raise MissingFile(f"{file} cannot be opened ({error.strerror or error})") from error


def sha256(file: Path) -> str:
    """Return a file's SHA-256."""
    with file.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()


def packing(head: bytes) -> str | None:
    """Return how a file is packed: gzip, bzip2, xz or zip; None if it isn't.

    Examples
    --------
    >>> packing(b"PK\\x03\\x04"), packing(b"SIMPLE  =")
    ('zip', None)
    """
    return next((how for mark, how in PACKINGS.items() if head.startswith(mark)), None)


def unpacked(file: Path, how: str, folder: Path, judge: Callable[[bytes, str], object]) -> Path:
    """Return the file that a packed one holds, written to a folder, under its name without the ending of the packing.

    Parameters
    ----------
    file : pathlib.Path
    how : str
        As :func:`packing` says.
    folder : pathlib.Path
        Where to write.
    judge : callable
        Given the first 64 KiB and the name; what it raises about content that is not read stops the unpacking there.

    Raises
    ------
    CorruptFile
        If it is cut short or damaged, naming how many bytes could be unpacked, or grows beyond all measure.
    UnknownFormat
        If a zip archive has not exactly one member or asks for a password.
    """
    plain = folder / (file.stem if file.suffix.lower() in (".gz", ".bz2", ".xz", ".zip") else file.name)
    try:
        if how == "zip":
            _unzip(file, plain, judge)
        else:
            with OPENERS[how](file) as source, plain.open("wb") as target:
                _copy(source, target, file, lambda head: judge(head, plain.name))
    except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        got = plain.stat().st_size if plain.exists() else 0
        raise CorruptFile(
            f"{file.name} is {how}-compressed and breaks off or is damaged after {got} unpacked bytes ({error}); "
            "get the file again"
        ) from error
    return plain


def _copy(source: Any, target: Any, file: Path, judge: Callable[[bytes], object]) -> None:
    """Copy what is unpacked, after a look at its beginning, and no more than a file of this size can mean."""
    limit = max(SIZE, GROWTH * file.stat().st_size)
    piece, size = source.read(HEAD), 0
    judge(piece)
    while piece:
        size += len(piece)
        if size > limit:
            raise CorruptFile(
                f"{file.name} unpacks to more than {limit >> 20} MiB, over {GROWTH} times its own size; if that is "
                "what it should hold, unpack it first"
            )
        target.write(piece)
        piece = source.read(1 << 20)


def _is_of_the_system(name: str) -> bool:
    """Return whether a zip's member is what macOS adds to each archive: no file of the user's."""
    last = name.rsplit("/", 1)[-1]
    return name.startswith("__MACOSX/") or last.startswith("._") or last == ".DS_Store"


def _unzip(file: Path, plain: Path, judge: Callable[[bytes, str], object]) -> None:
    with zipfile.ZipFile(file) as archive:
        members = [m for m in archive.infolist() if not m.is_dir() and not _is_of_the_system(m.filename)]
        if len(members) != 1:
            names = ", ".join(member.filename for member in members[:8]) or "none"
            raise UnknownFormat(
                f"{file.name} is a zip archive of {len(members)} files ({names}); one with a single file is read, "
                "so unpack it and read one file of it"
            )
        if members[0].flag_bits & 1:
            raise UnknownFormat(f"{file.name} is a zip archive with a password; unpack it first")
        with archive.open(members[0]) as source, plain.open("wb") as target:
            _copy(source, target, file, lambda head: judge(head, plain.name))


def looks_like(head: bytes) -> str:
    """Return in words what content looks like that is of no format read here.

    Examples
    --------
    >>> looks_like(b"<html><head><title>404 Not Found</title>")
    "an HTML page titled '404 Not Found', perhaps an error page saved as a file"
    >>> looks_like(b"\\x80\\x04\\x95")
    'a Python pickle, which could run any code and is never opened'
    """
    for mark, what in SIGNATURES:
        if head.startswith(mark):
            return what
    if how := packing(head):
        return f"{how}-compressed once more; unpack it first"
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it and read one file of it"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a Python pickle, which could run any code and is never opened"
    text = _text(head)
    if text is None:
        return f"of no known kind (it begins with the bytes {head[:8].hex(' ')})"
    return _text_looks_like(text)


def _text(head: bytes) -> str | None:
    """Return the beginning as text; None if it is binary."""
    if b"\0" in head[:4096] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    try:
        encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        return head[:8192].decode(encoding, "ignore")
    except UnicodeDecodeError:
        return None


def _text_looks_like(text: str) -> str:
    stripped = text.strip()
    if re.match(r"<!doctype html|<html|<head|<body", stripped, re.IGNORECASE):
        title = re.search(r"<title[^>]*>(.*?)</title>", stripped, re.IGNORECASE | re.DOTALL)
        said = f" titled {' '.join(title[1].split())!r}" if title else ""
        return f"an HTML page{said}, perhaps an error page saved as a file"
    if stripped.startswith("<"):
        root = re.search(r"<([A-Za-z_][\w:.-]*)", stripped)
        return f"XML, beginning with the element <{root[1].split(':')[-1] if root else '?'}>"
    if stripped[:1] in ("{", "["):
        return _json_looks_like(stripped)
    if not stripped:
        return "text of blanks only"
    if sum(c.isprintable() or c.isspace() for c in text) < 0.95 * len(text):
        return f"of no known kind (it begins with {text[:16]!r})"
    return f"plain text, beginning {stripped.splitlines()[0][:80]!r}"


def _json_looks_like(text: str) -> str:
    try:
        held = json.loads(text)
    except ValueError:
        return f"JSON, beginning {text[:60]!r}"
    if isinstance(held, dict):
        for key in ("error", "message", "status", "detail", "errors"):
            if key in held:
                return f"a JSON answer, perhaps an error: {key} = {str(held[key])[:120]!r}"
        return f"JSON with the keys {', '.join(list(held)[:8])}"
    return "a JSON list"

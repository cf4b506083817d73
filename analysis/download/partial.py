"""The bytes of one file that have arrived so far, and the proof that a later request needs to go on from them.

Two files: the data, under a name of its own for each start, and a journal. The journal's first line names the data
file and the version of the remote file (ETag or Last-Modified); each further line says that so many bytes with this
CRC-32 were written. On reopening, the data count as far as the journal vouches for them: a process killed between two
writes, or a disk that lost its last pages, costs the last block and nothing else.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from uuid import uuid4

from analysis.download.disk import write_json

__all__ = ["SYNCED", "Partial", "Validator", "date"]

_BLOCK = 1 << 16
SYNCED = 1 << 24  # a larger file takes longer to bring again than to sync
_HEAD = 4096
_SENDABLE = re.compile(r"[\x21-\x7e\x80-\xff][\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True)
class Validator:
    """What tells one version of a remote file from another.

    Parameters
    ----------
    etag, last_modified : str or None
        The headers, as the server wrote them.
    exact : bool
        Whether Last-Modified may vouch for every byte: a file changed within the minute before the answer may
        change again under the same time (RFC 9110, section 8.8.2.2).
    """

    etag: str | None = None
    last_modified: str | None = None
    exact: bool = False

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Validator:
        """Return the validator in the headers of an answer."""
        # One that could not be sent back, since it is folded over lines for example, is as good as none.
        etag, modified = (
            told if _SENDABLE.fullmatch(told) else None
            for told in (headers.get("ETag", ""), headers.get("Last-Modified", ""))
        )
        changed, answered = date(modified or ""), date(headers.get("Date", ""))
        exact = changed is not None and answered is not None and answered - changed >= 60
        return cls(etag, modified, exact)

    @property
    def for_range(self) -> str | None:
        """What may stand in If-Range: a strong ETag, or an exact time where there is no ETag at all."""
        if self.etag:
            return None if self.etag.startswith("W/") else self.etag
        return self.last_modified if self.exact else None

    def same_version(self, headers: Mapping[str, str]) -> bool:
        """Return whether a partial answer says that it is of this version; one that says nothing does not."""
        if self.etag:
            return headers.get("ETag") == self.etag
        return self.last_modified is not None and headers.get("Last-Modified") == self.last_modified

    def agrees(self, headers: Mapping[str, str]) -> bool:
        """Return whether a 304 can mean this version: a file put back to an older one is not "modified since"."""
        etag, modified = headers.get("ETag"), headers.get("Last-Modified")
        if etag and self.etag:
            return etag.removeprefix("W/") == self.etag.removeprefix("W/")
        return modified is None or self.last_modified in (None, modified)

    def conditions(self) -> dict[str, str]:
        """Return the headers that ask for the file only if it is another version."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {key: value for key, value in asked.items() if value}


def date(told: str) -> float | None:
    """Return the date that a header tells in seconds since 1970, None if it is none."""
    try:
        found = email.utils.parsedate_to_datetime(told)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError, AttributeError):
        return None


class Partial:
    """An unfinished file, for one process at a time (the caller holds the lock of its key)."""

    def __init__(self, folder: Path, key: str):
        self.folder, self.key = folder, key
        self.journal = folder / f"{key}.journal"
        self.path: Path | None = None
        self.validator = Validator()
        self.total: int | None = None
        self.position = 0
        self.carried = False  # whether any of it came before this answer, so that it is a splice
        self._journaled = False
        self._on_disk = True  # whether anything of this key may lie in the folder
        self._digest = hashlib.sha256()
        self._pending: list[bytes] = []
        self._waiting = 0  # bytes of them
        self._head = b""
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        self._load()

    def resumable(self) -> bool:
        """Return whether a request for the rest may be sent."""
        return self.position > 0 and self.validator.for_range is not None

    def restart(self, validator: Validator, total: int | None) -> None:
        """Begin anew with this version of the remote file."""
        self.discard()
        self.validator, self.total = validator, total
        self.path = self.folder / f"{self.key}.{uuid4().hex}.part"
        self._on_disk = True
        # A file of one block is sooner asked for again than vouched for.
        self._journaled = validator.for_range is not None and (total is None or total > _BLOCK)
        if self._journaled:
            told = {"data": self.path.name, "total": total, "exact": validator.exact}
            write_json(self.journal, told | {"etag": validator.etag, "last_modified": validator.last_modified})
            with self.journal.open("a", encoding="ascii") as journal:
                journal.write("\n")

    def write(self, data: bytes) -> None:
        """Add bytes; they reach the disk block by block."""
        if self.position < _HEAD:
            self._head += data[: _HEAD - self.position]
        self._digest.update(data)
        self._pending.append(data)
        self._waiting += len(data)
        self.position += len(data)
        if self._waiting >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write what is pending, then vouch for it."""
        if not self._pending or self.path is None:
            return
        data = memoryview(b"".join(self._pending))  # a single piece is not copied
        with self.path.open("ab") as file:
            file.write(data)
        if self._journaled:
            blocks = [data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)]
            with self.journal.open("a", encoding="ascii") as journal:
                journal.writelines(f"{len(block)} {zlib.crc32(block):08x}\n" for block in blocks)
        self._pending.clear()
        self._waiting = 0

    def head(self) -> bytes:
        """Return the first bytes, to see what they look like."""
        return self._head

    def seal(self) -> tuple[Path, str]:
        """Return the file and its sha256; a large one is safe on the disk.

        A smaller one is not waited for. The system writes it within half a minute; should the power fail before
        that, the store, which looks at each file's checksum before a process first uses it, brings it again.
        """
        assert self.path is not None
        self.flush()
        if self.position > SYNCED:
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
        return self.path, self._digest.hexdigest()

    def discard(self) -> None:
        """Forget what came; the journal goes first, so that it never vouches for another start."""
        if self._on_disk:
            self.journal.unlink(missing_ok=True)
            # Not glob: compiling its pattern takes longer than a small file's bytes do.
            for name in os.listdir(self.folder):  # noqa: PTH208
                if name.startswith(f"{self.key}.") and name.endswith(".part"):
                    (self.folder / name).unlink(missing_ok=True)
            self._on_disk = False
        self._head = b""
        self.path, self.validator, self.total = None, Validator(), None
        self.position, self.carried = 0, False
        self._digest = hashlib.sha256()
        self._pending.clear()
        self._waiting = 0

    def _load(self) -> None:
        """Take up what an earlier process left, as far as its journal vouches for it."""
        try:
            first, *lines = self.journal.read_text(encoding="utf-8").split("\n")
            told = json.loads(first)
            validator = Validator(told["etag"], told["last_modified"], bool(told["exact"]))
            path, total = self.folder / Path(told["data"]).name, told["total"]
            records = [(int(size), int(crc, 16)) for size, crc in (line.split() for line in lines[:-1] if line)]
            vouched = _vouched(path, records)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            self.discard()
            return
        if total is not None and sum(vouched) >= total:
            vouched.pop()  # all of it came: ask for the last block again, and so whether it is still this version
        if not vouched:
            self.discard()
            return
        self._cut_back(path, first, records[: len(vouched)])
        self.path, self.validator, self.total = path, validator, total
        self.position, self.carried, self._journaled = sum(vouched), True, True
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                self._head = self._head or block[:_HEAD]
                self._digest.update(block)

    def _cut_back(self, path: Path, first: str, records: list[tuple[int, int]]) -> None:
        """Cut off what the journal does not vouch for; the journal first, since it may not promise too much."""
        text = first + "\n" + "".join(f"{size} {crc:08x}\n" for size, crc in records)
        os.truncate(self.journal, len(text.encode("utf-8")))
        os.truncate(path, sum(size for size, _ in records))


def _vouched(path: Path, records: list[tuple[int, int]]) -> list[int]:
    """Return the sizes of the leading blocks that are what the journal says."""
    sizes: list[int] = []
    with path.open("rb") as file:
        for size, crc in records:
            block = file.read(size) if 0 < size <= _BLOCK else b""
            if len(block) != size or not size or zlib.crc32(block) != crc:
                break
            sizes.append(size)
    return sizes

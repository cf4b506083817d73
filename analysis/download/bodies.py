"""Bodies that were brought whole before anybody reads them."""

from __future__ import annotations

import contextlib
import re
import tempfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from analysis.download import requesting
from analysis.download.credentials import without_secrets
from analysis.download.requesting import Cut
from analysis.errors import BadAnswer

if TYPE_CHECKING:
    import requests
    import urllib3

__all__ = ["check_packing", "check_whole", "handed_over", "spool"]

_IN_MEMORY = 1 << 24  # a longer body waits on disk
_CODING = re.compile(r"br|zstd|compress|gzip|deflate|bzip|xz|lzma|,")  # some servers put a character set there
_DEFLATE = ("gzip", "x-gzip", "deflate")
_UTMOST = 1032  # times that deflate can pack anything
_RATIO = 250  # what no table comes near
_ALWAYS = 1 << 26  # bytes that any answer may unpack to
_PIECE = 1 << 18


def spool(folder: Path) -> IO[bytes]:
    """Return a file for a body: in memory while it is small, then on the store's disk, and gone once it is closed."""
    scratch = folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(scratch))


def check_whole(response: requests.Response, method: str, size: int) -> None:
    """Compare the bytes that came with the length that was announced."""
    announced = requesting.length(response.headers)
    if announced is None or method == "HEAD" or response.status_code in (204, 304) or announced == size:
        return
    raise Cut(f"{size} of {announced} bytes came")


def check_packing(response: requests.Response, asked: str, file: IO[bytes], size: int) -> None:
    """Refuse a body that nobody here can unpack, and one that unpacks to far more than any table does.

    Raises
    ------
    BadAnswer
        What the caller would get were packed bytes, or all of the memory there is.
    """
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if not size or not _CODING.search(coding) or (coding in asked.lower() and coding not in _DEFLATE):
        return
    shown = without_secrets(response.url)
    if coding not in _DEFLATE:
        raise BadAnswer(f"{shown}: the server packed the answer as {coding!r:.40}, which was not asked for")
    if size * _UTMOST <= _ALWAYS:
        return
    file.seek(0)
    if _unpacks_beyond(file, max(_ALWAYS, _RATIO * size)):
        raise BadAnswer(
            f"{shown}: the answer of {size} bytes unpacks to more than {max(_ALWAYS, _RATIO * size)}: it is made to "
            "fill the memory"
        )


def _unpacks_beyond(file: IO[bytes], bound: int) -> bool:
    """Return whether more than so many bytes are packed in a file; what is damaged is for who reads it to find."""
    head = file.read(2)
    file.seek(0)
    # What is called deflate comes with zlib's two bytes, as it should, or without.
    bits = 47 if head == b"\x1f\x8b" or (len(head) == 2 and int.from_bytes(head, "big") % 31 == 0) else -15
    unpacking, came = zlib.decompressobj(bits), 0
    with contextlib.suppress(zlib.error):
        while piece := file.read(_PIECE):
            while piece:
                if unpacking.eof:  # another member of a gzip file
                    unpacking = zlib.decompressobj(bits)
                came += len(unpacking.decompress(piece, _PIECE))
                if came > bound:
                    return True
                piece = unpacking.unused_data if unpacking.eof else unpacking.unconsumed_tail
    return False


def handed_over(wire: Any, file: IO[bytes], method: str) -> urllib3.HTTPResponse:
    """Return an answer like the one on the wire that reads its body from a file."""
    import urllib3

    return urllib3.HTTPResponse(
        body=file,
        headers=wire.headers,
        status=wire.status,
        version=wire.version,
        version_string=wire.version_string,
        reason=wire.reason,
        preload_content=False,
        enforce_content_length=False,
        request_method=method,
    )

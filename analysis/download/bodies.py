"""Bodies that were brought whole before anybody reads them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from analysis.download import requesting
from analysis.download.requesting import Cut

if TYPE_CHECKING:
    import requests
    import urllib3

__all__ = ["check_whole", "handed_over", "spool"]

_IN_MEMORY = 1 << 24  # a longer body waits on disk


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

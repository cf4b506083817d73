"""What the services of the Virtual Observatory have in common: their answers and refusals."""

from __future__ import annotations

import hashlib
import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import xarray as xr

from analysis.archives.servers import Server
from analysis.download.content import title_of
from analysis.download.credentials import without_secrets
from analysis.errors import (
    AccessDenied,
    AnalysisWarning,
    BadAnswer,
    CorruptFile,
    NotFound,
    QueryRefused,
    UnknownFormat,
)
from analysis.formats import votable
from analysis.model import check, stamp

if TYPE_CHECKING:
    from requests import Response

__all__ = ["Reply", "received", "stamped"]


@dataclass(frozen=True, eq=False)
class Reply:
    """One answer.

    Parameters
    ----------
    data : xarray.Dataset
        Its rows.
    overflow : str or None
        None if these are all the rows.
    rows : int
        Their number.
    url : str
        Where it came from.
    sha256 : str
        Of its bytes, unpacked.
    retrieved : str
        When, in UTC.
    lines : tuple of str
        History of the reading.
    """

    data: xr.Dataset
    overflow: str | None
    rows: int
    url: str
    sha256: str
    retrieved: str
    lines: tuple[str, ...] = ()


def received(response: Response, asked: str) -> Reply:
    """Return what a service answered.

    Parameters
    ----------
    response : requests.Response
        Of :func:`analysis.store.session`, whatever its status.
    asked : str
        What was asked, for messages.

    Raises
    ------
    QueryRefused
        If the service refuses, with its words.
    BadAnswer, NotFound, AccessDenied
        If it answers something else than a whole VOTable.
    """
    host = urlsplit(response.url).hostname or "the server"
    with tempfile.TemporaryDirectory(prefix="sanko-") as folder:
        path, digest = Path(folder) / host, hashlib.sha256()
        with path.open("wb") as file:
            for piece in response.iter_content(1 << 18):
                digest.update(piece)
                file.write(piece)
        with path.open("rb") as file:
            head = file.read(1 << 16)
        if not votable.recognises(head):
            raise _no_table(response, head, asked, host)
        try:
            found = votable.answer(path)
        except QueryRefused as refusal:
            reason = str(refusal).partition("refusal: ")[2]
            raise QueryRefused(f"{asked}: {host} refuses: {reason}") from refusal
        except (CorruptFile, UnknownFormat) as error:
            raise BadAnswer(f"{asked}: the answer cannot be read: {error}") from error
    if response.status_code != 200:
        raise BadAnswer(f"{asked}: {host} answered {response.status_code} with a table that is no error message")
    data, lines = found.data, found.notes.lines()
    if isinstance(data, xr.DataTree):
        first, *others = data.children
        lines.append(f"of {len(others) + 1} tables only {first} was taken")
        data = data[first].to_dataset()
    for what, names in found.notes.guesses.items():
        warnings.warn(f"{asked}: {what}: {', '.join(names[:8])}", AnalysisWarning, stacklevel=4)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    url = without_secrets(response.url).removesuffix("?…")
    return Reply(data, found.overflow, data.sizes.get("row", 0), url, digest.hexdigest(), now, tuple(lines))


def _no_table(response: Response, head: bytes, asked: str, host: str) -> Exception:
    """Return the error that an answer without a VOTable stands for."""
    status = response.status_code
    title = title_of(head)
    words = " ".join(re.sub(r"<[^>]*>", " ", head[:4000].decode("utf-8", "replace")).split())[:200]
    said = f' ("{title or words}")' if title or words else ""
    if status in (401, 403):
        return AccessDenied(f"{asked}: {host} answered {status}{said}; it serves only whom it knows")
    if status in (404, 410):
        return NotFound(f"{asked}: {host} has no such service (it answered {status}{said}); check the address")
    if status == 400:
        return QueryRefused(f"{asked}: {host} refuses{said}")
    if not head:
        return BadAnswer(f"{asked}: {host} answered {status} with nothing; ask again later")
    return BadAnswer(f"{asked}: {host} answered {status} with something that is no VOTable{said}; ask again later")


def stamped(
    reply: Reply,
    server: Server,
    *,
    query: Mapping[str, object],
    history: Sequence[str],
    title: str | None = None,
    data: xr.Dataset | None = None,
) -> xr.Dataset:
    """Return the rows of an answer with whose they are and how they were asked for, checked.

    Parameters
    ----------
    reply : Reply
    server : Server
        Who answered.
    query : mapping
        What was asked; goes into the provenance.
    history : sequence of str
        How it was asked, oldest first.
    title : str, optional
        If not given, what the answer itself says.
    data : xarray.Dataset, optional
        The rows with what was added to them.
    """
    own = reply.data.attrs
    cited = [*server.references, *(line for line in own["references"].splitlines() if line != "not stated")]
    kept = {key: own[key] for key in ("parameters",) if key in own}
    return check(
        stamp(
            (reply.data if data is None else data).drop_attrs(deep=False).assign_attrs(kept),
            title=title or own["title"],
            institution=server.title if own["institution"] == "not stated" else own["institution"],
            source=own["source"] if own["source"] != "not stated" else server.title,
            references=cited or [server.url],
            license=own["license"],
            history=[*history, f"{reply.rows} rows from {reply.url} (sha256 {reply.sha256})", *reply.lines],
            provenance={
                "query": dict(query),
                "urls": [reply.url],
                "sha256": [reply.sha256],
                "rows": reply.rows,
                "retrieved": reply.retrieved,
            },
        )
    )

"""One query sent to a TAP server, on the line or as a job, by pyvo on our session."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analysis import store
from analysis.archives._dal import Reply, received
from analysis.archives.servers import Server
from analysis.download import Limits
from analysis.errors import AnalysisError, BadAnswer, QueryRefused, TooSlow

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["by_job", "on_the_line"]

ONGOING = ("PENDING", "QUEUED", "EXECUTING", "RUN", "HELD", "SUSPENDED", "UNKNOWN")
ENDED = ("COMPLETED", "ERROR", "ABORTED", "ARCHIVED")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds between two looks at a job
TIDYING = Limits(connect=5.0, read=10.0, patience=15.0, retries=1)  # who waits for an end has waited enough


def on_the_line(where: Server, adql: str, most: int | None, uploads: Mapping[str, Table]) -> Reply:
    """Return the answer of ``/sync``."""
    session = store.session(repeat_posts=True)
    with _ours(where, session):
        return received(_tap_query(where, adql, most, uploads, "sync", session).submit(), where.title)


def by_job(where: Server, adql: str, most: int | None, uploads: Mapping[str, Table], patience: float) -> Reply:
    """Start a job, wait for it, bring its result and remove it."""
    session = store.session()
    with _ours(where, session):
        response = _tap_query(where, adql, most, uploads, "async", session).submit()
    address = response.url
    if not response.ok or not response.history:
        refused = received(response, where.title)  # a server that refuses at once does so by a VOTable
        raise BadAnswer(f"{where.title}: it was asked for a job and sent {refused.rows} rows at once; use mode='sync'")
    try:
        with _ours(where, session):
            result = _result(where, address, session, time.monotonic() + patience, patience)
            return received(session.get(result, stream=True), where.title)
    finally:
        with contextlib.suppress(AnalysisError):  # a job that stays is ended by the server's own clock
            store.session(limits=TIDYING).delete(address, allow_redirects=False)


def _result(where: Server, address: str, session: Any, end: float, patience: float) -> str:
    """Return where the result of a job lies, once it is done."""
    from pyvo.dal import AsyncTAPJob, DALAccessError

    try:
        job = AsyncTAPJob(address, session=session)
        job.run()
        pause = FIRST_PAUSE
        while (phase := job.phase) in ONGOING:
            if time.monotonic() + pause > end:
                raise TooSlow(
                    f"{where.title}: the job was {phase} after {patience:g} s and was ended; allow more by "
                    "patience=…, or ask for less"
                )
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.4)
        summary = getattr(job.job, "errorsummary", None)
        result = job.result_uri
    except (AnalysisError, DALAccessError):
        raise
    except Exception as error:  # a page that is no job ends in one of many errors of pyvo's and astropy's XML readers
        raise BadAnswer(f"{where.title}: what it says of its job cannot be read ({error})") from error
    if phase not in ENDED:
        raise BadAnswer(f"{where.title}: what it says of its job is no phase of a job: {phase!r:.60}")
    if phase != "COMPLETED":
        said = getattr(getattr(summary, "message", None), "content", None)
        reason = " ".join(str(said or "it gives no reason").split())[:600]
        raise QueryRefused(f"{where.title}: the job ended as {phase}: {reason}")
    if not result:
        raise BadAnswer(f"{where.title}: the job is done, but the server names no result; ask again")
    return str(result)


def _tap_query(
    where: Server, adql: str, most: int | None, uploads: Mapping[str, Table], mode: str, session: Any
) -> Any:
    from pyvo.dal import TAPQuery

    return TAPQuery(where.url, adql, mode=mode, maxrec=most, uploads=dict(uploads), session=session)


@contextlib.contextmanager
def _ours(where: Server, session: Any) -> Iterator[None]:
    """Turn pyvo's errors into ours."""
    from pyvo.dal import DALAccessError

    try:
        with session.typed_errors():
            yield
    except DALAccessError as error:
        words = " ".join(str(error).split())[:300]
        raise BadAnswer(f"{where.title}: the service does not do as TAP says: {words}") from error

"""TAP, the Table Access Protocol: any table of an archive by a query in ADQL, and never a part for the whole.

pyvo speaks the protocol, on our session; the answers are read by :mod:`analysis.formats.votable`. pyvo itself only
warns when a server cuts an answer, or says nothing; here that is followed or is an error.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from analysis import store
from analysis.archives._adql import literal
from analysis.archives._dal import Reply, stamped
from analysis.archives._tapjobs import by_job, on_the_line
from analysis.archives.servers import Server
from analysis.archives.servers import server as server_named
from analysis.errors import (
    AccessDenied,
    AnalysisError,
    AnalysisWarning,
    BadAnswer,
    BadOption,
    NotFound,
    QueryRefused,
    TooSlow,
    TruncatedAnswer,
    UnknownProduct,
    Unreachable,
)

if TYPE_CHECKING:
    import pandas as pd
    from astropy.table import Table

__all__ = ["columns", "query", "tables"]

MODES = ("auto", "sync", "async")


def query(
    server: str,
    adql: str,
    *,
    limit: int | None = None,
    uploads: Mapping[str, xr.Dataset | pd.DataFrame | Table] | None = None,
    mode: Literal["auto", "sync", "async"] = "auto",
    patience: float = 600.0,
) -> xr.Dataset:
    """Return all rows that a query in ADQL selects.

    Parameters
    ----------
    server : str
        Short name of a TAP server, or its address.
    adql : str
        The query; not changed by us.
    limit : int, optional
        The first so many rows are enough, and having no more is no error. Without it, all rows come: the server's
        highest limit is asked for, and an answer that it cuts is asked for again as a job, for which servers allow
        more.
    uploads : mapping of str to xarray.Dataset, pandas.DataFrame or astropy.table.Table, optional
        Tables of one's own to join with: ``{"mine": data}`` is ``TAP_UPLOAD.mine`` in the query.
    mode : {"auto", "sync", "async"}
        Wait for the answer on the line, or start a job and ask how it does. ``auto`` begins on the line, and starts a
        job if the answer is cut or does not come.
    patience : float
        Seconds that a job may take. It is removed from the server in any case, also after Ctrl-C.

    Returns
    -------
    xarray.Dataset
        Dim ``row``; see :func:`analysis.formats.votable.read`. The provenance has the query, the time, the number of
        rows and the SHA-256 of the answer. Answers are computed anew each time: none is kept in the store.

    Raises
    ------
    QueryRefused
        If the server refuses, with its words, and near names where it does not know a table or column.
    TruncatedAnswer
        If the server sends only a part and cannot be made to send more.
    TooSlow
        If a job does not end in time.
    DownloadError
        Its other kinds, as for :func:`analysis.store.session`.
    UnknownServer, BadOption
        Before anything is asked.

    Warns
    -----
    AnalysisWarning
        If exactly as many rows came as the server sends at most, without the mark that there are more.

    References
    ----------
    TAP 1.1, IVOA Recommendation (2019), sections 2.7.4 (MAXREC) and 3.3.1 (overflow); UWS 1.1.

    Examples
    --------
    >>> from analysis.errors import Offline
    >>> with store.offline():
    ...     try:
    ...         query("https://example.org/tap", "SELECT * FROM ivoa.obscore", limit=10)
    ...     except Offline:
    ...         print("TAP needs the network")
    TAP needs the network
    """
    where = server_named(server, "tap")
    _checked(adql, limit, mode, patience)
    given = {name: _upload(name, table, adql) for name, table in (uploads or {}).items()}
    try:
        reply, how = _asked(where, adql, limit, given, mode, patience)
    except QueryRefused as refusal:
        raise QueryRefused(f"{refusal}{_near(where, adql, str(refusal))}") from refusal
    told = f"the first {limit} rows at most, as asked" if limit is not None else "all rows"
    if limit is not None and reply.overflow is not None:
        told = f"the first {limit} rows, as asked; the server has more"
    return stamped(
        reply,
        where,
        query={
            "server": where.url,
            "adql": adql,
            "limit": limit,
            "mode": how,
            "uploads": {name: len(table) for name, table in given.items()},
        },
        history=[f"tap.query ({how}, {told}): {' '.join(adql.split())}"],
    )


def tables(server: str) -> pd.DataFrame:
    """Return the tables of a TAP server.

    Parameters
    ----------
    server : str
        Short name or address.

    Returns
    -------
    pandas.DataFrame
        ``table`` (the name as queries take it), ``type`` (table or view), ``description``.

    Raises
    ------
    DownloadError, UnknownServer
        As for :func:`query`.

    Examples
    --------
    >>> from analysis.errors import UnknownServer
    >>> try:
    ...     tables("nowhere")
    ... except UnknownServer:
    ...     print("no such server")
    no such server
    """
    import pandas as pd

    where = server_named(server, "tap")
    found = _all_of(where, "SELECT table_name, table_type, description FROM TAP_SCHEMA.tables").data
    names = {"table": "table_name", "type": "table_type", "description": "description"}
    frame = pd.DataFrame({ours: _column(found, theirs) for ours, theirs in names.items()})
    return frame.sort_values("table", ignore_index=True)


def columns(server: str, table: str) -> pd.DataFrame:
    """Return the columns of one table of a TAP server.

    Parameters
    ----------
    server : str
        Short name or address.
    table : str
        As :func:`tables` names it; letter case does not matter.

    Returns
    -------
    pandas.DataFrame
        ``column``, ``datatype``, ``unit``, ``ucd``, ``description``.

    Raises
    ------
    UnknownProduct
        If there is no such table; near names are listed.
    DownloadError, UnknownServer
        As for :func:`query`.

    Examples
    --------
    >>> from analysis.errors import UnknownServer
    >>> try:
    ...     columns("nowhere", "ivoa.obscore")
    ... except UnknownServer:
    ...     print("no such server")
    no such server
    """
    where = server_named(server, "tap")
    frame = _columns(where, table)
    if len(frame):
        return frame
    known = [str(name) for name in tables(server)["table"]]
    for name in known:
        if name.lower() == table.lower() and name != table:
            return _columns(where, name)
    if table in known:
        return frame
    raise UnknownProduct(f"{where.title} has no table {table!r}{_among(table, known) or '; tap.tables lists them'}")


# ------------------------------------------------------------------------------------------ asking


def _checked(adql: str, limit: int | None, mode: str, patience: float) -> None:
    if not isinstance(adql, str) or not adql.strip():
        raise BadOption(f"adql={adql!r} is no query; write for example 'SELECT TOP 5 * FROM ivoa.obscore'")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 1):
        raise BadOption(f"limit={limit!r} is no number of rows; leave it out to get all")
    if mode not in MODES:
        raise BadOption(f"mode={mode!r} is none of {', '.join(MODES)}")
    if isinstance(patience, bool) or not isinstance(patience, int | float) or not patience > 0:
        raise BadOption(f"patience is a time in seconds, not {patience!r}")


def _asked(
    where: Server, adql: str, limit: int | None, uploads: Mapping[str, Table], mode: str, patience: float
) -> tuple[Reply, str]:
    """Return the whole answer, and in which way it was got."""
    default, hard = (None, limit) if limit is not None else _limits(where)
    if mode != "async":
        try:
            reply = on_the_line(where, adql, hard, uploads)
        except (TooSlow, Unreachable) as error:
            if mode == "sync" or not (isinstance(error, TooSlow) or getattr(error.__cause__, "silent", False)):
                raise
        else:
            if mode == "sync" or not _is_short(reply, limit):
                return _whole(reply, where, limit, (default, hard)), "sync"
    return _whole(by_job(where, adql, hard, uploads, patience), where, limit, (default, hard)), "async"


def _is_short(reply: Reply, limit: int | None) -> bool:
    return reply.overflow is not None and (limit is None or reply.rows < limit)


def _whole(reply: Reply, where: Server, limit: int | None, most: tuple[int | None, int | None]) -> Reply:
    """Return an answer that is what was asked for, or refuse it."""
    if _is_short(reply, limit):
        wanted = "all" if limit is None else f"{limit}"
        raise TruncatedAnswer(
            f"{where.title} sent {reply.rows} of {wanted} rows and says that there are more; it sends no more "
            "at a time. Split the query, for example by WHERE on a time, a position or an id, or take fewer: limit=1000"
        )
    if limit is not None and reply.rows > limit:
        left = reply.rows - limit
        data = reply.data.isel(row=slice(limit))
        return replace(reply, data=data, rows=limit, lines=(*reply.lines, f"{left} rows beyond the limit left out"))
    if limit is None and reply.rows and reply.rows in most:
        said = f"exactly {reply.rows} rows came, as many as the server sends at most: there may be more"
        warnings.warn(f"{where.title}: {said}", AnalysisWarning, stacklevel=4)
        return replace(reply, lines=(*reply.lines, said))
    return reply


def _limits(where: Server) -> tuple[int | None, int | None]:
    """Return how many rows the server sends if not told otherwise, and at most; None where it does not say."""
    import pyvo.io.vosi as vosi

    try:
        path = store.get(f"{where.url}/capabilities")
    except (NotFound, BadAnswer, AccessDenied):  # what answers no queries either says so when it is asked
        return None, None
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = vosi.parse_capabilities(file.read)
    except Exception:  # each of its parsers has errors of its own; the limits are a help, no need
        return None, None
    limits = [limit for each in told if (limit := getattr(each, "outputlimit", None)) is not None]
    found = []
    for kind in ("default", "hard"):
        each = getattr(limits[0], kind, None) if limits else None
        rows = getattr(each, "content", None) if getattr(each, "unit", None) == "row" else None
        found.append(int(rows) if rows else None)
    return found[0], found[1]


def _all_of(where: Server, adql: str) -> Reply:
    """Return the answer about the server's own tables."""
    return _asked(where, adql, None, {}, "auto", 600.0)[0]


# ------------------------------------------------------------------------------------------ tables


def _upload(name: str, table: xr.Dataset | pd.DataFrame | Table, adql: str) -> Table:
    """Return a table to be sent, as astropy writes it."""
    import pandas as pd
    from astropy.table import Column, Table

    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise BadOption(f"uploads: {name!r} is no name of a table; use letters, digits and _")
    if not re.search(rf"TAP_UPLOAD\s*\.\s*\"?{name}\b", adql, re.IGNORECASE):
        raise BadOption(f"uploads: the query does not use TAP_UPLOAD.{name}")
    if isinstance(table, Table):
        return table
    if isinstance(table, pd.DataFrame):
        table = xr.Dataset({str(key): ("row", table[key].to_numpy()) for key in table.columns})
    if not isinstance(table, xr.Dataset):
        raise BadOption(f"uploads: {name} is a {type(table).__name__}; give a Dataset, a DataFrame or an astropy Table")
    made = Table()
    for key, variable in table.variables.items():
        if variable.ndim != 1 or len(table.sizes) != 1:
            raise BadOption(f"uploads: {name} has the dims {dict(table.sizes)}; a table to be sent has one")
        values = np.asarray(variable.values)
        if values.dtype.kind == "M":
            values = np.datetime_as_string(values, unit="ms")
        elif values.dtype.kind == "O":
            values = np.array(["" if value is None else str(value) for value in values.tolist()], "U")
        unit = variable.attrs.get("units")
        made[str(key)] = Column(
            values, unit=None if unit in (None, "1") else unit, description=variable.attrs.get("long_name")
        )
    return made


def _column(data: xr.Dataset, name: str) -> list[str]:
    """Return a column of text, whatever the letter case of its name; empty where the server has none."""
    found = next((key for key in data.variables if str(key).lower() == name), None)
    return [""] * data.sizes["row"] if found is None else [str(value) for value in data[found].values.tolist()]


def _columns(where: Server, table: str) -> pd.DataFrame:
    import pandas as pd

    asked = "SELECT column_name, datatype, unit, ucd, description FROM TAP_SCHEMA.columns WHERE table_name = "
    found = _all_of(where, asked + literal(table, "table")).data
    names = {"column": "column_name"} | {name: name for name in ("datatype", "unit", "ucd", "description")}
    return pd.DataFrame({ours: _column(found, theirs) for ours, theirs in names.items()})


def _among(name: str, known: list[str]) -> str:
    """Return "; did you mean …" or nothing."""
    folded = {other.lower(): other for other in known} | {other.rpartition(".")[2].lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), folded, n=4, cutoff=0.6)
    return f"; did you mean {' or '.join(dict.fromkeys(folded[other] for other in near))}?" if near else ""


def _near(where: Server, adql: str, said: str) -> str:
    """Return the names near those that a server did not know, as a sentence, or nothing."""
    plain = re.sub(r"'[^']*'", "''", adql)
    used = [
        name.replace('"', "") for name in re.findall(r'\b(?:FROM|JOIN)\s+((?:"[^"]+"|[\w.])+)', plain, re.IGNORECASE)
    ]
    used = [name for name in used if not name.upper().startswith(("TAP_UPLOAD.", "TAP_SCHEMA."))]
    try:
        known = [str(name) for name in tables(where.url)["table"]]
        for name in used:
            if name.lower() not in {other.lower() for other in known}:
                return f". It has no table {name!r}{_among(name, known) or ''}"
        there = [str(column) for name in used for column in columns(where.url, name)["column"]]
    except AnalysisError:  # the refusal itself is what matters
        return ""
    folded = {column.lower() for column in there}
    words = [word for word in re.findall(r"[A-Za-z_]\w*", plain) if word.lower() not in folded]
    for word in words:
        if re.search(rf"\b{re.escape(word)}\b", said, re.IGNORECASE) and (near := _among(word, there)):
            return f". Its tables here have no column {word!r}{near}"
    return ""

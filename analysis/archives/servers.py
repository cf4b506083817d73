"""The archives that have a short name: one table, ``servers.toml``."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from analysis.errors import AnalysisError, UnknownServer

__all__ = ["PROTOCOLS", "Server", "server", "servers"]

PROTOCOLS = ("hapi", "tap", "scs", "sia", "files", "s3", "api")


@dataclass(frozen=True, kw_only=True)
class Server:
    """One archive's way in.

    Parameters
    ----------
    name : str
        Short name, for example ``cdaweb``.
    protocol : str
        One of :data:`PROTOCOLS`; ``api`` is an archive's own.
    url : str
        Its address, without a slash at the end; for ``s3`` the address of the bucket.
    title : str
        Whose it is.
    probe : str
        What ``python -m analysis status`` asks of it: a path below the address, or a dataset's id on a HAPI server.
    references : tuple of str
        Where its makers describe it.
    """

    name: str
    protocol: str
    url: str
    title: str
    probe: str = ""
    references: tuple[str, ...] = ()


@cache
def servers() -> dict[str, Server]:
    """Return all archives of the table, by name.

    Examples
    --------
    >>> servers()["cdaweb"].protocol
    'hapi'
    """
    table = tomllib.loads((files("analysis.archives") / "servers.toml").read_text("utf-8"))
    found = {}
    for name, keys in table.items():
        told = {**keys, "references": tuple(keys.get("references", ()))}
        try:
            found[name] = Server(name=name, **told)
        except TypeError as error:
            raise AnalysisError(f"servers.toml declares {name!r} wrongly: {error}") from error
    return found


def server(name: str, protocol: str) -> Server:
    """Return an archive by its short name, or by its address if it is not in the table.

    Parameters
    ----------
    name : str
        ``"cdaweb"``, or ``"https://example.org/hapi"``.
    protocol : str
        What it must speak.

    Raises
    ------
    UnknownServer
        No such name, or one that speaks another protocol; the message lists those that there are.

    Examples
    --------
    >>> server("https://example.org/hapi/", "hapi").url
    'https://example.org/hapi'
    """
    known = {key: found for key, found in servers().items() if found.protocol == protocol}
    if isinstance(name, str) and name in known:
        return known[name]
    if isinstance(name, str) and "://" in name:
        address = name.rstrip("/")
        return Server(name=urlsplit(address).hostname or address, protocol=protocol, url=address, title=address)
    close = difflib.get_close_matches(str(name), known, n=3)
    near = f"did you mean {' or '.join(close)}? " if close else ""
    raise UnknownServer(
        f"no {protocol} server is called {name!r}: {near}There are {', '.join(sorted(known))}; "
        "or give the address, https://…"
    )

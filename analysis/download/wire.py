"""Connections that no server can hold for ever, whatever it drips.

A time-out of a socket is one for the next byte. A server that sends one byte of a header every few seconds, answers
"100 Continue" without end, or never ends a chunk's header keeps to it for days; so does a resolver, which knows no
time-out of ours at all. Here each step (the host's addresses and a connection; the whole head; the next piece of the
body) has one end.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family, create_connection

__all__ = ["Adapter"]


class Adapter(HTTPAdapter):
    """What a session of requests sends through: no retries of its own, and an end to each step.

    Parameters
    ----------
    connections : int
        Kept open for as many hosts, and as many for each.
    """

    def __init__(self, connections: int):
        super().__init__(pool_connections=connections, pool_maxsize=connections, max_retries=0)
        _bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **how: Any) -> ProxyManager:
        """Return the connections to a proxy."""
        manager = super().proxy_manager_for(proxy, **how)
        if type(manager) is ProxyManager:  # a SOCKS proxy has connections of its own
            _bound(manager)
        return manager


class _Reader(io.RawIOBase):
    """The bytes of a socket, until a time that may be set."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase):
        self._sock, self._raw = sock, raw
        self._each = sock.gettimeout()
        self._until: float | None = None

    @contextlib.contextmanager
    def one_step(self) -> Iterator[None]:
        """Let all that is read in the block come within the time for the next byte."""
        self._until = None if self._each is None else time.monotonic() + self._each
        try:
            yield
        finally:
            self._until = None

    def readinto(self, buffer: Any) -> int | None:
        left = self._each if self._until is None else self._until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer whose head, and each piece of whose body, comes within the time-out or not at all."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None):
        super().__init__(sock, debuglevel, method, url)
        self._reader = _Reader(sock, self.fp.detach())
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        with self._reader.one_step():
            super().begin()

    def read1(self, n: int = -1) -> bytes:
        with self._reader.one_step():
            return super().read1(n)


class _Connecting(HTTPConnection):
    """A connection that is there, its host's addresses found and tried, within the time-out or not at all."""

    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        seconds = self.timeout if isinstance(self.timeout, (int, float)) else None
        until = None if seconds is None else time.monotonic() + seconds
        try:
            found = _addresses(self._dns_host.strip("[]"), self.port, seconds)
        except socket.gaierror as err:
            raise NameResolutionError(self.host, self, err) from err
        except TimeoutError as err:
            raise ConnectTimeoutError(self, f"{self.host} was not found in time") from err
        problem: OSError = OSError("the resolver gave no address")
        for number, address in enumerate(found):
            # An address that is dead leaves the others their share of the time.
            share = None if until is None else max((until - time.monotonic()) / (len(found) - number), 0.05)
            try:
                sock = create_connection((address, self.port), share, self.source_address, self.socket_options)
            except OSError as err:
                problem = err
                continue
            sock.settimeout(None if until is None else max(until - time.monotonic(), 1.0))  # TLS comes next
            return sock
        if isinstance(problem, TimeoutError):
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from problem
        raise NewConnectionError(self, f"no connection to {self.host}: {problem}") from problem


class _ConnectingSafely(_Connecting, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connecting


class _SafePool(HTTPSConnectionPool):
    ConnectionCls = _ConnectingSafely


def _bound(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SafePool}


def _addresses(host: str, port: int, seconds: float | None) -> list[str]:
    """Return a host's addresses; a thread asks for them, since the resolver cannot be told to hurry."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    told: list[Any] = []

    def ask() -> None:
        try:
            told.append(socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM))
        except Exception as err:
            told.append(err)

    asking = threading.Thread(target=ask, name="sanko-resolver", daemon=True)
    asking.start()
    asking.join(seconds)
    if not told:
        raise TimeoutError("timed out")
    if isinstance(told[0], Exception):
        raise told[0]
    return list(dict.fromkeys(address[0] for *_, address in told[0]))

"""A HAPI server on loopback, after the HAPI data access specification 3.3, and what can go wrong with one.

with HapiServer() as server:                                        # the datasets of hapi_data.examples()
    server.url                                                      # http://127.0.0.1:port/hapi
    server.faults["data"] = [status(503, after=1), error(1500)]     # one for each request to data, then none
    server.faults["info"] = page()                                  # for every request to info
    server.faults["data"] = lambda asked: error(1501) if asked.query["start"] > "2001-01-02" else None
    server.asked[-1].endpoint, server.asked[-1].query

Keys of faults: an endpoint, or a request's whole path. Values: a Plan, a list of Plans, a function of the request.
"""

import itertools
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from servers.archive import Archive, Plan, _Handler, cut, drip, status
from servers.hapi_answers import Answer, HapiAsked, Refused, Service
from servers.hapi_data import Bins, Dataset, Parameter, examples

__all__ = [
    "Bins", "Dataset", "HapiPlan", "HapiServer", "Parameter",
    "changed", "cut", "drip", "error", "examples", "page", "status",
]  # fmt: skip

CORS = {  # 5.1
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


@dataclass
class HapiPlan(Plan):
    """A Plan that may also be a HAPI error, or change the bytes of a right answer."""

    hapi: int | None = None
    message: str | None = None
    change: Callable[[bytes], bytes] | None = None


def error(code, *, message=None, http=None):
    """Answer with a HAPI error, its HTTP code that of the specification unless given."""
    return HapiPlan(hapi=code, message=message, status=http)


def page(code=200, body=b"<!DOCTYPE html><html><title>Down for maintenance</title></html>"):
    """Answer with a page for people."""
    return Plan(status=code, headers={"Content-Type": "text/html"}, body=body)


def changed(change, **more):
    """Answer rightly, but with what ``change`` makes of the body's bytes (before compression)."""
    return HapiPlan(change=change, **more)


class HapiServer(Archive):
    """A HAPI server on a free port of loopback.

    Parameters
    ----------
    datasets : sequence of Dataset
        What it serves; hapi_data.examples() if none are given.
    version : str
        Which HAPI it speaks: 2.0, 2.1, 3.0, 3.1, 3.2, 3.3.
    formats : tuple of str
        What it can write.
    faults : dict
        See above.
    gzip, chunked : bool
        Whether it compresses for those who ask, and whether it streams instead of telling a length.
    empty : int
        How it says that there is nothing: 1201, 1200 (3.7.6.3), or 204 (4.3).
    newline : str
        What ends a line of CSV.
    depth : bool
        Whether catalog?depth=all is offered (3.2 and later).
    keep : bool
        Whether bodies of data are kept, so that the second request of a kind costs no time.
    """

    def __init__(
        self,
        datasets=None,
        *,
        version="3.3",
        formats=("csv", "binary", "json"),
        faults=None,
        gzip=True,
        chunked=True,
        empty=1201,
        newline="\n",
        depth=True,
        keep=False,
        host="127.0.0.1",
    ):
        super().__init__(host)
        self._server.RequestHandlerClass = type("Handler", (_HapiHandler,), {"archive": self})
        self.url += "/hapi"
        self.datasets = {dataset.id: dataset for dataset in (examples() if datasets is None else datasets)}
        self.service = Service(self.datasets, version, tuple(formats), empty, newline, depth, keep)
        self.gzip, self.chunked = gzip, chunked
        self.faults |= faults or {}

    def requests(self, endpoint):
        return [asked for asked in self.asked if endpoint in (asked.endpoint, asked.path)]

    def fault(self, asked):
        """Return what goes wrong with this request, if anything."""
        with self._lock:
            for key in (asked.path, asked.endpoint):
                fault = self.faults.get(key)
                if isinstance(fault, list):
                    fault = fault.pop(0) if fault else None
                if callable(fault):
                    fault = fault(asked)
                if fault is not None:
                    return fault
        return None


class _HapiHandler(_Handler):
    archive: HapiServer
    reason = None
    headless = False

    def do_HEAD(self):
        self.headless = True  # 5.3: the headers of GET; a body that streams is never made
        self.do_GET()

    def do_POST(self):
        self.archive.asked.append(self.asked())
        self.out(self.refusal(Refused(1400, "Bad request - GET and HEAD only", 405)), None)

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST

    def asked(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return HapiAsked(self.path, dict(self.headers), time.monotonic(), self.command, body)

    def do_GET(self):
        archive, asked = self.archive, self.asked()
        with archive._lock:
            archive.asked.append(asked)
            archive.busy += 1
            archive.busiest = max(archive.busiest, archive.busy)
        try:
            self.reply(asked, archive.fault(asked))
        except OSError:
            self.close_connection = True
        finally:
            with archive._lock:
                archive.busy -= 1
            self.headless, self.reason = False, None

    def reply(self, asked, plan):
        if plan is not None and plan.hook:
            plan.hook(self)
        if getattr(plan, "hapi", None):
            return self.out(self.refusal(Refused(plan.hapi, plan.message, plan.status)), plan)
        if plan is not None and plan.status is not None:
            return self.send(plan.status, plan.headers, plan.body or b"", plan)
        path = urlsplit(self.path)
        if path.path != "/hapi" and path.path.endswith("/"):  # 3.1
            where = path.path.rstrip("/") + (f"?{path.query}" if path.query else "")
            return self.send(301, {"Location": where}, b"", plan or Plan())
        if path.path == "/hapi":
            told = b"<!DOCTYPE html><html><title>HAPI</title><p>about, capabilities, catalog, info, data</p></html>"
            return self.out(Answer([told], "text/html"), plan)
        if not path.path.startswith("/hapi/"):
            return self.send(404, {"Content-Type": "text/html"}, b"<html><title>Not here</title></html>", Plan())
        try:
            answer = self.archive.service.answer(asked)
        except Refused as refused:
            answer = self.refusal(refused)
        self.out(answer, plan)

    def refusal(self, refused):
        body = json.dumps(self.archive.service.header(refused.code, refused.message)).encode()
        return Answer([body], hapi=refused.code, http=refused.http, message=refused.message)

    def send_response_only(self, code, message=None):
        super().send_response_only(code, message or self.reason)

    def out(self, answer, plan):
        """Send an answer: in pieces as they are made, or whole where a fault wants to know its bytes."""
        archive = self.archive
        self.reason = f"{self.responses[answer.http][0]}; HAPI {answer.hapi} {answer.message}"
        told = {"Date": self.date_time_string(), "Content-Type": answer.type, "Vary": "Accept-Encoding"} | CORS
        pieces = iter(()) if answer.empty else iter(answer.pieces)
        if getattr(plan, "change", None):
            pieces = iter([plan.change(b"".join(pieces))])
        if archive.gzip and not answer.empty and _takes_gzip(self.headers.get("Accept-Encoding", "")):
            told["Content-Encoding"] = "gzip"
            pieces = _gzipped(pieces)
        streams = archive.chunked and answer.type != "text/html" and self.request_version != "HTTP/1.0"
        if plan is None and streams and not answer.empty and answer.hapi < 1400:
            return self.stream(answer.http, told, pieces)
        plan = plan or Plan()
        self.send(answer.http, told | plan.headers, b"".join(pieces), plan)

    def send(self, code, headers, body, plan):
        if not self.headless:
            return super().send(code, headers, body, plan)
        self.send_response_only(code)
        for key, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()

    def stream(self, code, headers, pieces):
        self.send_response_only(code)
        for key, value in (headers | {"Transfer-Encoding": "chunked"}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.headless:
            return
        for piece in pieces:
            self.wfile.write(b"%x\r\n" % len(piece))
            self.wfile.write(piece)
            self.wfile.write(b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


def _takes_gzip(told):
    for part in told.lower().split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _gzipped(pieces):
    packer = zlib.compressobj(1, wbits=31)
    for piece in itertools.chain(pieces, [None]):
        packed = packer.flush() if piece is None else packer.compress(piece)
        if packed:
            yield packed

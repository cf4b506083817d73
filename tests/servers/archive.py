"""An archive on loopback: files with ETag, ranges and conditions after RFC 9110, and faults on demand.

with Archive() as archive:
    archive.add("/a.fits", b"...")
    archive.faults["/a.fits"] = [status(503), cut(50_000)]     # one for each request, then none
    archive.faults["/b.fits"] = status(404)                    # for every request
"""

import email.utils
import hashlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """One file, as it is now."""

    body: bytes
    etag: str | None
    modified: float | None = None
    type: str = "application/octet-stream"

    def headers(self, now):
        told = {"Date": email.utils.formatdate(now, usegmt=True), "Content-Type": self.type}
        if self.etag:
            told["ETag"] = self.etag
        if self.modified is not None:
            told["Last-Modified"] = email.utils.formatdate(self.modified, usegmt=True)
        return told


@dataclass
class Asked:
    """One request, as it came."""

    path: str
    headers: dict
    at: float
    method: str = "GET"
    body: bytes = b""


@dataclass
class Plan:
    """What goes wrong with one answer."""

    status: int | None = None
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None
    reset: bool = True
    pause: float = 0.0
    piece: int = 1 << 16
    ranges: bool = True
    if_range: bool = True
    shift: int = 0
    without: tuple = ()
    chunked: bool = False
    length: int | None = None
    hook: object = None


def status(code, *, after=None, body=b"busy", **headers):
    told = {key.replace("_", "-"): value for key, value in headers.items()}
    return Plan(status=code, headers=told | ({} if after is None else {"Retry-After": str(after)}), body=body)


def cut(after, *, reset=True, **more):
    return Plan(cut_after=after, reset=reset, **more)


def drip(piece, pause):
    return Plan(piece=piece, pause=pause)


class Archive:
    """A threading HTTP server on a free port of loopback."""

    def __init__(self, host="127.0.0.1"):
        self.pages, self.faults, self.asked = {}, {}, []
        self.busy = self.busiest = 0
        self.clock = time.time
        self._lock = threading.Lock()
        archive = self

        class Handler(_Handler):
            pass

        Handler.archive = archive
        ThreadingHTTPServer.request_queue_size = 128
        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self.port = self._server.server_port
        self.url = f"http://{host}:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def add(self, path, body, *, etag="", modified=None, **more):
        """Put a file there; its ETag is made of its bytes unless one, or None, is given."""
        made = f'"{hashlib.sha256(body).hexdigest()[:16]}"' if etag == "" else etag
        self.pages[path] = Page(body, made, modified, **more)
        return self.url + path

    def requests(self, path):
        return [asked for asked in self.asked if asked.path == path]

    def plan(self, path):
        with self._lock:
            fault = self.faults.get(path)
            if isinstance(fault, list):
                return fault.pop(0) if fault else Plan()
            return fault or Plan()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each small answer waits 40 ms for an acknowledgement
    archive: Archive

    def log_message(self, *_):
        pass

    def do_GET(self):
        archive = self.archive
        path = self.path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with archive._lock:
            archive.asked.append(Asked(path, dict(self.headers), time.monotonic(), self.command, body))
            archive.busy += 1
            archive.busiest = max(archive.busiest, archive.busy)
        try:
            plan = archive.plan(path)
            if plan.hook:
                plan.hook(self)
            self.answer(archive.pages.get(path), plan)
        except OSError:
            self.close_connection = True
        finally:
            with archive._lock:
                archive.busy -= 1

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def answer(self, page, plan):
        now = self.archive.clock()
        if plan.status is not None:
            body = b"" if plan.status == 304 else plan.body or b""
            told = {"Date": email.utils.formatdate(now, usegmt=True)} | plan.headers
            return self.send(plan.status, told, body, plan)
        if page is None:
            return self.send(404, {"Content-Type": "text/html"}, b"<html><title>Not here</title></html>", plan)
        headers = page.headers(now) | plan.headers
        if self.unchanged(page):
            return self.send(304, headers, b"", Plan())
        first = self.first_byte(page, plan)
        if first is None:
            return self.send(200, headers, page.body if plan.body is None else plan.body, plan)
        size = len(page.body)
        if first >= size:
            return self.send(416, headers | {"Content-Range": f"bytes */{size}"}, b"", Plan())
        told = {"Content-Range": f"bytes {first + plan.shift}-{size - 1}/{size}"}
        return self.send(206, headers | told, page.body[first + plan.shift :], plan)

    def unchanged(self, page):
        if told := self.headers.get("If-None-Match"):
            return page.etag is not None and told.removeprefix("W/") == page.etag.removeprefix("W/")
        since = self.headers.get("If-Modified-Since")
        return bool(since) and page.modified is not None and page.headers(0).get("Last-Modified") == since

    def first_byte(self, page, plan):
        asked = self.headers.get("Range")
        if not asked or not plan.ranges:
            return None
        if plan.if_range and self.headers.get("If-Range") not in (page.etag, page.headers(0).get("Last-Modified")):
            return None
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def send(self, code, headers, body, plan):
        self.send_response_only(code)
        for key, value in headers.items():
            if key not in plan.without:
                self.send_header(key, value)
        if plan.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif "Content-Length" not in plan.without:
            self.send_header("Content-Length", str(len(body) if plan.length is None else plan.length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        end = len(body) if plan.cut_after is None else min(plan.cut_after, len(body))
        for start in range(0, end, plan.piece):
            piece = body[start : min(start + plan.piece, end)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if plan.chunked else piece)
            self.wfile.flush()
            time.sleep(plan.pause)
        if (plan.cut_after is not None and end < len(body)) or (plan.length or 0) > len(body):
            self.close_connection = True
            if plan.reset:  # what was sent arrives first, then the reset
                time.sleep(0.01)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
        elif plan.chunked:
            self.wfile.write(b"0\r\n\r\n")

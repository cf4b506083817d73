"""Requests for numbered records, answered in this process or by others under circumstances of their own.

Each part of a request is a file of records, and each record bears its number and a check, so that one that is lost,
doubled, out of order or damaged is seen as such. An order says what is asked for, and under which clock, names, tokens
and limits. Run as a script this file forks a process for each order that it reads.
"""

import contextlib
import functools
import hashlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np

from analysis import store
from analysis.download import Limits
from analysis.errors import AnalysisError

PARTS, RECORDS = 8, 7500
RECORD = np.dtype([("number", "<u8"), ("check", "<u8")])
SIZE = RECORDS * RECORD.itemsize  # 120 kB a part
LIMITS = {
    "connect": 5, "read": 10, "patience": 8, "retries": 4, "first_pause": 0.01, "longest_pause": 0.05, "window": 0.5,
}  # fmt: skip
SPAN = ("2001-01-01", "2001-01-01T08")


def records(part, version=0):
    """Return the file of one part; each version has other bytes throughout."""
    made = np.empty(RECORDS, RECORD)
    made["number"] = np.arange(part * RECORDS, (part + 1) * RECORDS)
    with np.errstate(over="ignore"):
        made["check"] = (made["number"] + np.uint64(version * 7919 + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return made.tobytes()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def table(rows=RECORDS, *, overflow=False):
    """Return a VOTable of numbered rows, and the word that there would be more."""
    cells = "".join(f"<TR><TD>{number}</TD></TR>" for number in range(rows))
    more = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>' if overflow else ""
    return (
        '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        '<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><TABLE>'
        '<FIELD name="n" datatype="long" unit=""/>'
        f"<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE>{more}</RESOURCE></VOTABLE>"
    ).encode()


# ------------------------------------------------------------------------------------ one who asks


@contextlib.contextmanager
def circumstances(order):
    """Let an order be answered with its own store, limits, clock, names and tokens."""
    from analysis.archives import _hapiasking

    limits, clock, find = Limits(**LIMITS | order["limits"]), time.time, socket.getaddrinfo

    def found(host, *args, **options):
        if order["names"].get(host, host) is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return find(order["names"].get(host, host), *args, **options)

    with contextlib.ExitStack() as held:
        held.enter_context(mock.patch.dict(os.environ, order["env"] | {"SANKO_HOME": order["home"]}))
        for door in ("analysis.download.transfer.Limits", "analysis.store.door.Limits"):
            held.enter_context(mock.patch(door, lambda **_: limits))
        held.enter_context(mock.patch.object(_hapiasking, "PAUSE", 0.01))
        if order["skew"]:
            held.enter_context(mock.patch("time.time", lambda: clock() + order["skew"]))
        if order["names"]:
            held.enter_context(mock.patch("socket.getaddrinfo", found))
        yield


def answer(order):
    """Return what came of an order: digest and count of the records, or the error's kinds and message."""
    try:
        return KINDS[order["kind"]](order)
    except AnalysisError as error:
        return {"error": [kind.__name__ for kind in type(error).__mro__], "message": str(error)}


def _brought(order):
    from analysis.archives.parts import Part, bring

    sums = order["sha256"] or [None] * len(order["urls"])
    parts = [Part(url=u, sha256=s, fresh_for=order["fresh_for"]) for u, s in zip(order["urls"], sums, strict=True)]
    return bring(parts, workers=order["workers"])


def _of_files(order):
    return _counted(b"".join(path.read_bytes() for path in _brought(order)))


def _of_packed(order):
    from analysis.archives import packed

    with ThreadPoolExecutor(order["workers"]) as pool:
        folders = list(pool.map(packed.unpacked, _brought(order)))
    files = [sorted(path for path in folder.rglob("*") if path.is_file()) for folder in folders]
    return _counted(b"".join(path.read_bytes() for of_one in files for path in of_one))


def _counted(data):
    whole = np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], RECORD)["number"]
    different = len(np.unique(whole))
    return {"records": digest(data), "count": len(whole), "twice": len(whole) - different}


def _of_hapi(order):
    from analysis.archives import hapi

    with warnings.catch_warnings(action="ignore"):
        data = hapi.data(order["urls"][0], "counter", *SPAN, workers=order["workers"])
    times = data.time.values.astype("M8[ns]").astype("<i8")
    made = times.tobytes() + data.level.values.astype("<f8").tobytes()
    gaps = json.loads(data.attrs["gaps"])
    return {"records": digest(made), "count": len(times), "twice": len(times) - len(np.unique(times)), "gaps": gaps}


def _of_tap(order):
    from analysis.archives import tap

    with warnings.catch_warnings(action="ignore"):
        numbers = tap.query(order["urls"][0], "SELECT n FROM counter", mode="sync").n.values.astype("<i8")
    return {
        "records": digest(numbers.tobytes()),
        "count": len(numbers),
        "twice": len(numbers) - len(np.unique(numbers)),
    }


KINDS = {"files": _of_files, "packed": _of_packed, "hapi": _of_hapi, "tap": _of_tap}


class Askers:
    """Processes that answer orders, each a fork of one that has asked nothing, so that it knows nothing of others."""

    def __init__(self):
        self._nursery, self._orders = None, 0

    def begin(self, order):
        """Let a process begin with an order; return its number and the process's id."""
        if self._nursery is None:
            env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
            paths = [Path(store.__file__).parents[2], Path(__file__).parent, env.get("PYTHONPATH", "")]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._nursery = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve())],
                env=env | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
                **pipes,
            )
            self._came, self._ended, self._began = {}, {}, {}
        self._orders += 1
        self._nursery.stdin.write(json.dumps(order | {"number": self._orders}) + "\n")
        self._nursery.stdin.flush()
        self._listen(self._began, self._orders)
        return self._orders, self._began[self._orders]

    def end(self, number):
        """Return what came of an order, None if its process was killed, and how that ended."""
        self._listen(self._ended, number)
        return self._came.pop(number, None), self._ended.pop(number)

    def ask(self, orders):
        """Return what came of several orders that are answered at one time."""
        begun = [self.begin(order)[0] for order in orders]
        done = [self.end(number) for number in begun]
        assert all(ended == 0 for _, ended in done), done
        return [came for came, _ in done]

    def stop(self):
        if self._nursery is not None:
            self._nursery.stdin.close()
            self._nursery.wait(20)
            self._nursery.stdout.close()

    def _listen(self, held, number):
        while number not in held:
            told = json.loads(self._nursery.stdout.readline())
            for key, kept in (("began", self._began), ("came", self._came), ("ended", self._ended)):
                if key in told:
                    kept[told["number"]] = told[key]


@functools.cache
def _warm(kind):
    """Import what answering such an order imports, so that not each process does."""
    with warnings.catch_warnings(action="ignore"):
        if kind == "hapi":
            from servers.hapi_answers import HapiAsked, Service
            from servers.hapi_data import examples

            from analysis.formats import hapi

            path = "/hapi/data?dataset=gaps&start=2001-01-01Z&stop=2001-01-01T00:09Z&format=binary&include=header"
            service = Service({dataset.id: dataset for dataset in examples()})
            hapi.decode([b"".join(service.answer(HapiAsked(path, {}, 0.0)).pieces)])
        if kind == "packed":
            from analysis.archives import packed  # noqa: F401
        if kind == "tap":
            import pyvo  # noqa: F401

            from analysis.formats import votable

            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "a.xml").write_bytes(table(5))
                votable.read(Path(folder, "a.xml"), {})


def _nursery():
    """Fork a process for each order that comes, say its id, and how it ended; it says itself what came of the order."""
    import pandas  # noqa: F401 (what is imported here is not imported in each process)
    import requests  # noqa: F401

    from analysis.archives import hapi, parts  # noqa: F401

    children, read, closed = {}, b"", False
    while children or not closed:
        if not closed and select.select([0], [], [], 0.005 if children else None)[0]:
            closed = not (more := os.read(0, 1 << 16))
            *lines, read = (read + more).split(b"\n")
            for line in lines:
                order = json.loads(line)
                _warm(order["kind"])
                if not (child := os.fork()):
                    with circumstances(order):
                        _say({"number": order["number"], "came": answer(order)})
                    os._exit(0)
                children[child] = order["number"]
                _say({"number": order["number"], "began": child})
        for child in list(children):
            done, how = os.waitpid(child, os.WNOHANG)
            if done:
                _say({"number": children.pop(child), "ended": os.waitstatus_to_exitcode(how)})
    os._exit(0)


def _say(told):
    os.write(1, json.dumps(told).encode() + b"\n")  # at once, so that no kill leaves half a line


if __name__ == "__main__":
    _nursery()

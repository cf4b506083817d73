"""Seconds from a HAPI server to labelled arrays, beside hapiclient and speasy, and how they grow.

Run ``python benchmarks/hapi.py``; ``--records 100000`` for a smaller table, ``--longest 1e8`` for a longer growth,
``--speasy PYTHON`` with an interpreter that has speasy. The server is a process of its own on loopback and has its
bodies ready; CPU seconds are the client's. hapiclient gives times as bytes, so ``hapitime2datetime`` belongs to it,
on a cache hit too; its row without that is printed besides. Second fetches are made in a process that has made the
first, for all; ours besides from its files alone, as in a new process.
Each row is the best of a few, first fetches each in a new cache.
hapiclient comes with what the tests need, speasy with an interpreter of your own.

Last printed (two shared cores; Python 3.11, hapiclient 0.3.3, speasy 1.9.1)::

    First fetch, binary, 1000000 records of a time and ten numbers, 104 MB
                                                       wall s    CPU s   ÷ ours  ÷ bytes    asked
      analysis.archives.hapi.data                       0.390    0.479      1.0     1.29
      hapiclient + hapitime2datetime                    1.017    0.916      2.6     2.85
      hapiclient                                        0.389    0.282      1.0     2.00
    First fetch, csv, 1000000 records of a time and ten numbers, 98 MB
                                                       wall s    CPU s   ÷ ours  ÷ bytes    asked
      analysis.archives.hapi.data                       0.599    0.833      1.0     1.78
      hapiclient + hapitime2datetime                    6.818    7.019     11.4     8.78
      hapiclient                                        6.081    6.260     10.2     8.50
    The same interval again, 1000000 records, 104 MB
                                                       wall s    CPU s   ÷ ours  ÷ bytes    asked
      analysis.archives.hapi.data                       0.005    0.005      1.0     1.31        0
      analysis.archives.hapi.data, in a new process     0.144    0.189     30.6     1.32        0
      hapiclient + hapitime2datetime                    1.001    0.999    212.8     2.85        0
      hapiclient                                        0.018    0.017      3.7     1.00        0
      hapiclient by days + hapitime2datetime            0.820    0.818    174.4     2.85        0
      speasy's HAPI client behind its cache             0.046    0.046      9.9
    An interval inside, never asked for as such, 1000000 records, 104 MB
                                                       wall s    CPU s   ÷ ours  ÷ bytes    asked
      analysis.archives.hapi.data                       0.006    0.006      1.0     1.31        0
      analysis.archives.hapi.data, in a new process     0.127    0.161     20.6     1.31        0
      hapiclient + hapitime2datetime                    1.845    0.839    298.5     2.85        1
      hapiclient                                        0.360    0.264     58.2     1.60        1
      hapiclient by days + hapitime2datetime            1.130    1.058    182.9     2.85        1
      speasy's HAPI client behind its cache             0.035    0.035      5.7
    Chunk by chunk (the server computes as it sends)
           records   wall s    CPU s  CPU µs each  peak MB
            100000     0.15     0.09        0.853       27
           1000000     1.53     0.47        0.467       41
          10000000    16.85     4.48        0.448      127
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 3
START = np.datetime64("2001-01-01", "s")
TESTS = Path(__file__).resolve().parents[1] / "tests"
# Ten numbers a second with three decimals; a server that writes all formats, and one that writes CSV only.
SERVER = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np
from servers.hapi import Dataset, HapiServer, Parameter
def column(number):
    return lambda index: np.round(100 * np.sin(index * 0.001 + number), 3)
def ten(index):
    return np.round(100 * np.sin(index[:, None] * 0.001 + np.arange(10)), 3)
told = dict(units="nT", fill="-1e31")
years = dict(start="2000-01-01", stop="2005-01-01")
columns = tuple(Parameter(f"b{{number}}", values=column(number), **told) for number in range(10))
wide = Parameter("b", size=(10,), values=ten, **told)
datasets = [Dataset("ten", columns, **years), Dataset("wide", (wide,), **years)]
options = dict(keep={keep}, gzip=False, chunked=not {keep})
with HapiServer(datasets, **options) as both, HapiServer(datasets, formats=("csv",), **options) as text:
    print(both.url, text.url, flush=True)
    for line in sys.stdin:
        print(len(both.asked), flush=True)
"""


class Server:
    """The server's process, and how often it was asked."""

    def __init__(self, *, keep: bool) -> None:
        program = SERVER.format(tests=str(TESTS), keep=keep)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process: Any = subprocess.Popen([sys.executable, "-c", program], **pipes)
        self.both, self.text = self.process.stdout.readline().split()

    def asked(self) -> int:
        """Return how many requests came until now to the server that writes all formats."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()


def stop(records: int) -> str:
    """Return the end of an interval of so many seconds."""
    return f"{START + np.timedelta64(records, 's')}Z"


def ours(url: str, dataset: str, start: str, end: str, home: str) -> object:
    """Return a Dataset: times, units, fills, the data contract; every part in the store."""
    os.environ["SANKO_HOME"] = home
    from analysis.archives import hapi

    return hapi.data(url, dataset, start, end)


def ours_decoded(url: str, dataset: str, start: str, end: str, home: str) -> object:
    """Return the same, decoded from the files as if no request of this process had been for it."""
    from analysis.archives import _hapikept

    _hapikept.forget()
    return ours(url, dataset, start, end, home)


def hapiclient(url: str, dataset: str, start: str, end: str, home: str, **options: object) -> Any:
    """Return hapiclient's records as they come, from its cache if that has them: times are bytes, fills are numbers."""
    from hapiclient import hapi

    form = "csv" if url.endswith("#csv") else "binary"
    options |= {"cachedir": home, "usecache": True, "format": form}
    return hapi(url.removesuffix("#csv"), dataset, "", start, end, **options)[0]


def hapiclient_and_times(url: str, dataset: str, start: str, end: str, home: str) -> object:
    """Return hapiclient's records and its datetimes, in one request, which is its fastest."""
    from hapiclient import hapitime2datetime

    records = hapiclient(url, dataset, start, end, home, dt_chunk=None)
    return records, hapitime2datetime(records["Time"])


def hapiclient_bare(url: str, dataset: str, start: str, end: str, home: str) -> object:
    """Return hapiclient's records without their times."""
    return hapiclient(url, dataset, start, end, home, dt_chunk=None)


def hapiclient_days(url: str, dataset: str, start: str, end: str, home: str) -> object:
    """Return what hapiclient returns by itself: parts of a day, joined, so that another interval finds them."""
    from hapiclient import hapitime2datetime

    records = hapiclient(url, dataset, start, end, home)
    return records, hapitime2datetime(records["Time"])


SPEASY = """
import sys, time, os, json
url, end, later, earlier = sys.argv[1:]
import numpy as np
from datetime import datetime
from speasy.core.cache import Cacheable
from speasy.core.hapi.provider import HapiProvider
class Loop:
    def __init__(self):
        self.provider = HapiProvider(url.removesuffix("/hapi"))
    @Cacheable(prefix="loop", fragment_hours=lambda _: 24)
    def get(self, product, start_time, stop_time, **_):
        told = [f"{{time:%Y-%m-%dT%H:%M:%S}}Z" for time in (start_time, stop_time)]
        return self.provider.data(product, *told, ["b"])["b"]
loop = Loop()
def timed(start, stop):
    times = [datetime.fromisoformat(text.removesuffix("Z")) for text in (start, stop)]
    wall, spent = time.perf_counter(), time.process_time()
    found = loop.get("wide", *times)
    assert found.shape[1] == 10
    return time.perf_counter() - wall, time.process_time() - spent
timed("2001-01-01T00:00:00Z", "2001-01-01T00:10:00Z")
first = timed("2001-01-01T00:00:00Z", end)
again = min(timed("2001-01-01T00:00:00Z", end) for _ in range(5))
other = min(timed(later, earlier) for _ in range(5))
print(json.dumps([first, again, other]))
""".replace("{{", "{").replace("}}", "}")


def measured(
    work: Callable[..., object],
    home: str,
    request: tuple,
    *,
    fresh: bool,
    repeats: int,
    slide: int = 0,
    after: tuple | None = None,
) -> tuple:
    """Return the least wall and CPU seconds and by how many bytes the peak of memory grew.

    ``fresh`` gives each repeat an empty cache; otherwise all work with that of ``home``. Each repeat asks for an
    interval that begins and ends ``slide`` seconds later. The request begins with the address of a server to warm up
    with, whose imports don't count. ``after`` is a request that the process made before.
    """
    warm, url, dataset, start, end = request
    with tempfile.TemporaryDirectory() as other:
        work(warm, dataset, stop(0), stop(600), other)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if after is not None:
        work(*after[1:3], *map(stop, after[3:]), home)
    walls, spent = [], []
    for number in range(repeats):
        own = f"{home}-{number}" if fresh else home
        moved = [stop(second + number * slide) for second in (start, end)]
        wall, cpu = time.perf_counter(), time.process_time()
        result = work(url, dataset, *moved, own)
        walls.append(time.perf_counter() - wall)
        spent.append(time.process_time() - cpu)
        del result
        if fresh:
            shutil.rmtree(own, ignore_errors=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return min(walls), min(spent), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit


def alone(work: Callable[..., Any], *arguments: object, **options: object) -> Any:
    """Return what a function gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as own:
        return own.apply(work, arguments, options)


def streamed(url: str, records: int, home: str) -> tuple:
    """Return wall and CPU seconds and the growth of the memory's peak, for a request gone through chunk by chunk."""
    os.environ["SANKO_HOME"] = home
    from analysis.archives import hapi

    hapi.data(url, "ten", stop(0), stop(600))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    found = hapi.data(url, "ten", stop(0), stop(records), chunks={"time": 1_000_000})
    total = float(found["b0"].sum())
    assert np.isfinite(total)
    assert found.sizes["time"] == records
    spent = time.perf_counter() - wall, time.process_time() - cpu
    unit = 1 if sys.platform == "darwin" else 1024
    return *spent, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit


def row(name: str, found: tuple, against: float, payload: float, asked: object = "") -> None:
    """Print one line: seconds, how many times ours, memory in payloads, requests."""
    wall, cpu, *peak = found
    memory = f"{peak[0] / payload:9.2f}" if peak else ""
    print(f"  {name:46}{wall:9.3f}{cpu:9.3f}{wall / against:9.1f}{memory:>9}{asked!s:>9}", flush=True)


def heading(text: str, payload: float) -> None:
    """Print what the next rows are about."""
    print(f"{text}, {payload / 1e6:.0f} MB\n{'':48}{'wall s':>9}{'CPU s':>9}{'÷ ours':>9}{'÷ bytes':>9}{'asked':>9}")


def payloads(url: str, records: int) -> dict[str, int]:
    """Return how many bytes the table has in both formats, and have the server make them."""
    import requests

    sizes = {}
    for form in ("binary", "csv"):
        query = {"dataset": "ten", "start": stop(0), "stop": stop(records), "format": form}
        with requests.get(f"{url}/data", params=query, timeout=600) as answer:
            sizes[form] = len(answer.content)
    return sizes


def first_fetch(server: Server, records: int, folder: str) -> None:
    """Print both formats, from an empty cache."""
    peer = importlib.util.find_spec("hapiclient") is not None
    sizes = alone(payloads, server.both, records)  # a process inherits the memory peak of the one that starts it
    for form, url in (("binary", server.both), ("csv", server.text)):
        heading(f"First fetch, {form}, {records} records of a time and ten numbers", sizes[form])
        request = (url, url, "ten", 0, records)
        options = {"fresh": True, "repeats": REPEATS}
        alone(measured, ours, f"{folder}/warm", request, fresh=True, repeats=1)  # the server makes its bodies
        found = alone(measured, ours_decoded, f"{folder}/ours", request, **options)
        row("analysis.archives.hapi.data", found, found[0], sizes[form])
        if peer:
            request = (*[url + "#csv" * (form == "csv")] * 2, *request[2:])
            alone(measured, hapiclient_bare, f"{folder}/warm", request, fresh=True, repeats=1)
            for name, work in (
                ("hapiclient + hapitime2datetime", hapiclient_and_times),
                ("hapiclient", hapiclient_bare),
            ):
                row(name, alone(measured, work, f"{folder}/peer", request, **options), found[0], sizes[form])


def second_fetch(server: Server, records: int, folder: str, speasy: str | None) -> None:
    """Print the same interval and one inside it, from what is held."""
    inside = records // 10, records - records // 10
    size = records * (24 + 80)
    times: dict[str, list] = {"The same interval again": [], "An interval inside, never asked for as such": []}
    works: dict[str, Callable[..., object]] = {"analysis.archives.hapi.data": ours}
    works["analysis.archives.hapi.data, in a new process"] = ours_decoded
    if importlib.util.find_spec("hapiclient"):
        works |= {"hapiclient + hapitime2datetime": hapiclient_and_times, "hapiclient": hapiclient_bare}
        works["hapiclient by days + hapitime2datetime"] = hapiclient_days
    for number, (name, work) in enumerate(works.items()):
        home = f"{folder}/held{number}"
        whole = (server.text, server.both, "wide", 0, records)
        alone(measured, work, home, whole, fresh=False, repeats=1)
        for title, request in zip(times, (whole, (*whole[:3], *inside)), strict=True):
            before = server.asked()
            slide = 60 if request is not whole else 0  # else the second repeat would ask for what the first brought
            options = {"fresh": False, "repeats": REPEATS, "slide": slide, "after": whole}
            found = alone(measured, work, home, request, **options)
            times[title].append((name, found, (server.asked() - before) // REPEATS))
    if speasy:
        for title, found in zip(times, speasy_found(server, records, inside, folder, speasy), strict=True):
            times[title].append(("speasy's HAPI client behind its cache", found, ""))
    for title, rows in times.items():
        heading(f"{title}, {records} records", size)
        for name, found, asked in rows:
            row(name, found, rows[0][1][0], size, asked)


def speasy_found(server: Server, records: int, inside: tuple, folder: str, python: str) -> list:
    """Return seconds of a hit of the same interval and of one inside."""
    told = {"SPEASY_CACHE_PATH": f"{folder}/speasy", "SPEASY_INDEX_PATH": f"{folder}/speasy-index"}
    told |= {
        "SPEASY_PROXY_ENABLED": "False",
        "SPEASY_CORE_DISABLED_PROVIDERS": "amda,csa,cda,ssc,archive,cdpp3dview,uiowaephtool",
    }
    command = [python, "-c", SPEASY, server.both, stop(records), *map(stop, inside)]
    done = subprocess.run(command, env=os.environ | told, check=True, text=True, capture_output=True)
    return json.loads(done.stdout.splitlines()[-1])[1:]


def growth(longest: float, folder: str) -> None:
    """Print how a request that is gone through in chunks grows."""
    with Server(keep=False) as server:
        print("Chunk by chunk (the server computes as it sends)")
        print(f"{'records':>14}{'wall s':>9}{'CPU s':>9}{'CPU µs each':>13}{'peak MB':>9}")
        records = 100_000
        while records <= longest:
            wall, cpu, peak = alone(streamed, server.both, records, f"{folder}/growth{records}")
            shutil.rmtree(f"{folder}/growth{records}", ignore_errors=True)
            print(f"{records:>14}{wall:9.2f}{cpu:9.2f}{cpu / records * 1e6:13.3f}{peak / 1e6:9.0f}", flush=True)
            records *= 10


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000, help="of the table (default 1000000)")
    parser.add_argument("--longest", type=float, default=1e7, help="records of the longest request (default 1e7)")
    parser.add_argument("--speasy", help="an interpreter that has speasy")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with Server(keep=True) as server:
            first_fetch(server, given.records, folder)
            second_fetch(server, given.records, folder, given.speasy)
        growth(given.longest, folder)


if __name__ == "__main__":
    main()

"""Seconds to bring 2,000 small files from a server on loopback, beside the network and the disk alone.

Run ``python benchmarks/small_files.py``. The promise: the speed of the slower of network and disk. "Network" is a
pool of plain ``requests`` sessions with as many connections, which keeps nothing; "disk" writes the same bytes to as
many files and syncs each, with as many threads. The server is a process of its own; a round is run at once, and with
each answer held back by 10 ms, which is nearer than any archive. Without that wait all three are bound by Python.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SIZE = 20_000
_SERVER = """
import random, sys, time
sys.path.insert(0, {tests!r})
from servers.archive import Archive, Plan
with Archive() as archive:
    for number in range({files}):
        archive.add(f"/{{number:05d}}.fits", random.Random(number).randbytes({size}))
        archive.faults[f"/{{number:05d}}.fits"] = Plan(hook=lambda handler: time.sleep({wait}))
    print(archive.url, flush=True)
    sys.stdin.read()
"""


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def network(urls: list[str], workers: int) -> None:
    """Read every file through plain sessions, one a thread."""
    import requests

    local = threading.local()

    def read(url: str) -> int:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        return len(local.session.get(url, timeout=30).content)

    with ThreadPoolExecutor(workers) as pool:
        assert set(pool.map(read, urls)) == {SIZE}


def disk(folder: Path, files: int, workers: int) -> None:
    """Write as many files of the same size, each synced."""
    blocks = [random.Random(number).randbytes(SIZE) for number in range(files)]

    def write(number: int) -> None:
        with (folder / f"{number:05d}").open("wb") as file:
            file.write(blocks[number])
            file.flush()
            os.fsync(file.fileno())

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(write, range(files)))


def ours(urls: list[str], workers: int) -> None:
    """Bring every file into the store."""
    from analysis.archives.parts import Part, bring

    assert len(bring([Part(url=url) for url in urls], workers=workers)) == len(urls)


def compare(files: int, workers: int, wait: float) -> str:
    """Return a line with the seconds of each, and ours over the slower of the two."""
    tests = str(Path(__file__).parents[1] / "tests")
    source = _SERVER.format(tests=tests, files=files, size=SIZE, wait=wait)
    server = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None and server.stdin is not None
    try:
        base = server.stdout.readline().strip()
        urls = [f"{base}/{number:05d}.fits" for number in range(files)]
        with tempfile.TemporaryDirectory() as folder:
            os.environ["SANKO_HOME"] = str(Path(folder) / "store")
            plain = seconds_of(lambda: network(urls, workers))
            (Path(folder) / "disk").mkdir()
            written = seconds_of(lambda: disk(Path(folder) / "disk", files, workers))
            first = seconds_of(lambda: ours(urls, workers))
            again = seconds_of(lambda: ours(urls, workers))
    finally:
        server.stdin.close()
        server.wait(timeout=30)
    return (
        f"wait {1e3 * wait:3.0f} ms   network {plain:6.2f} s   disk {written:6.2f} s   "
        f"ours {first:6.2f} s ({first / max(plain, written):.2f} x the slower)   held {again:5.2f} s"
    )


def main() -> None:
    """Print a line a round and wait."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=2000)
    options.add_argument("--workers", type=int, default=4)
    options.add_argument("--rounds", type=int, default=3)
    told = options.parse_args()
    print(f"{told.files} files of {SIZE} bytes, {told.workers} workers")
    for _ in range(told.rounds):
        for wait in (0.0, 0.01):
            print(compare(told.files, told.workers, wait), flush=True)


if __name__ == "__main__":
    main()

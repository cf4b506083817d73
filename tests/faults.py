"""The scene of test_fault_matrix.py, an archive and an empty store, and how each fault gets into it."""

import collections
import contextlib
import dataclasses
import functools
import gzip
import io
import json
import os
import subprocess
import tarfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer

import numpy as np
from asking import PARTS, RECORDS, SPAN, answer, circumstances, digest, records, table
from servers.archive import Plan, cut, status
from servers.hapi import changed
from servers.hapi_answers import HapiAsked, Service

from analysis import store

TOKEN = "not-for-others"

# ------------------------------------------------------------------------------------ what is asked


class Scene:
    """An archive with records, an empty store, and what is asked for.

    Parameters
    ----------
    archive : Archive
        Running; a HapiServer for orders of the kind hapi.
    home : pathlib.Path
        Of the store.
    kind : {"files", "packed", "hapi", "tap"}
    elsewhere : Archive
        On another host.
    """

    def __init__(self, archive, home, kind="files", elsewhere=None):
        self.archive, self.home, self.kind = archive, home, kind
        self.paths = [f"/{part}.{'tar' if kind == 'packed' else 'dat'}" for part in range(PARTS)]
        self.versions = [0] * PARTS
        self.elsewhere = elsewhere
        self._undo = contextlib.ExitStack()
        self.known = set()  # sha256 of all that the archive ever served as right
        urls = [archive.url]
        if kind in ("files", "packed"):
            urls = [self.serve(part) for part in range(PARTS)]
        if kind == "tap":
            archive.add("/tap/sync", table(), type="application/x-votable+xml")
            self.paths, urls = ["/tap/sync"], [archive.url + "/tap"]
        self.order = {
            "kind": kind, "home": str(home), "urls": urls, "sha256": None, "fresh_for": 86400.0,
            "limits": {}, "env": {}, "skew": 0.0, "names": {},
        }  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._undo.close()

    def body(self, part):
        made = records(part, self.versions[part])
        return (
            made if self.kind == "files" else tar([(f"{part}/a.bin", made[:50_000]), (f"{part}/b.bin", made[50_000:])])
        )

    def serve(self, part, *, version=0, **more):
        """Put a part there, in this version."""
        self.versions[part] = version
        body = self.body(part)
        self.known.add(digest(body))
        return self.archive.add(self.paths[part], body, **more)

    def replace_all(self, version, **more):
        for part in range(PARTS):
            self.serve(part, version=version, **more)

    def each(self, *plans):
        """Let the first answers for each part go wrong."""
        for path in self.paths:
            self.archive.faults[path] = list(plans)

    def always(self, plan, parts=range(PARTS)):
        for part in parts:
            self.archive.faults[self.paths[part]] = plan

    def checksums(self):
        self.order["sha256"] = [digest(self.body(part)) for part in range(PARTS)]

    # what is wrong with the world around

    def down(self):
        """Close the archive's port."""
        self.archive._server.shutdown()
        self.archive._server.server_close()

    def up(self):
        old = self.archive._server
        self.archive._server = ThreadingHTTPServer(("127.0.0.1", self.archive.port), old.RequestHandlerClass)
        self.archive._server.daemon_threads, self.archive._server.handle_error = True, old.handle_error
        self.archive.__enter__()

    def down_for(self, seconds):
        self.down()
        timer = threading.Timer(seconds, self.up)
        timer.start()
        self._undo.callback(timer.join)

    def disk(self, options):
        """Put the store on a disk of its own; say whether this user may."""
        self.home.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.home)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return False
        self._undo.callback(subprocess.run, ["umount", str(self.home)], check=True)
        return True

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.home)], check=True)

    def redirected(self):
        """Let another host have the files, and return where."""
        self.elsewhere.pages = self.archive.pages
        return [self.elsewhere.url + path for path in self.paths]

    def an_hour_passes(self):
        """Let the pauses that hosts asked for be over."""
        for pace in self.home.glob("partials/hosts/*.json"):
            told = json.loads(pace.read_text())
            pace.write_text(json.dumps(told | {"from": told["from"] - 3600}))

    def ask_first(self, **changed):
        """Let this process ask for all once; whatever comes of it."""
        with circumstances(self.order | changed):
            return answer(self.order | {"workers": 1} | changed)

    def sweep(self):
        """Let two days pass and the store be pruned: scratch files of killed processes go, and nothing else."""
        held = len(list(self.home.glob("blobs/*/*")))
        then = time.time() - 2 * 86400.0
        for path in self.home.glob("*/tmp/*.tmp"):
            os.utime(path, (then, then))
        with circumstances(self.order):
            assert store.prune(1 << 40) == []
        assert len(list(self.home.glob("blobs/*/*"))) == held

    # asking and judging

    def ask(self, askers, mode, workers):
        """Return what came of the order, once for each who asked."""
        if mode == "processes":
            skews = [self.order["skew"] * (-1) ** n for n in range(workers)]
            return askers.ask([self.order | {"workers": 1, "skew": skew} for skew in skews])
        order = self.order | {"workers": workers}
        with circumstances(order):
            if self.kind != "tap":
                return [answer(order)]
            with ThreadPoolExecutor(workers) as pool:
                return list(pool.map(answer, [order] * workers))

    def truth(self):
        if self.kind == "hapi":
            times, values = self.archive.datasets["counter"].truth("level", *SPAN)
            return {
                "records": digest(times.astype("<i8").tobytes() + values.astype("<f8").tobytes()),
                "count": len(times),
            }
        if self.kind == "tap":
            return {"records": digest(np.arange(RECORDS, dtype="<i8").tobytes()), "count": RECORDS}
        whole = b"".join(records(part, version) for part, version in enumerate(self.versions))
        return {"records": digest(whole), "count": PARTS * RECORDS}

    def check_store(self, *, unfinished):
        """See that all which the store holds under final names is whole, and is what some address had."""
        with circumstances(self.order | {"skew": 0.0}):
            assert store.verify().empty
            held = store.status().dropna(subset="url")
        if self.kind in ("files", "packed"):
            assert set(held.sha256) <= self.known
            assert {path.name for path in self.home.glob("blobs/*/*")} <= self.known
        if not unfinished:
            left = [path for path in self.home.rglob("*") if path.suffix in (".part", ".journal", ".tmp")]
            assert not left, left
            assert list(self.home.glob("unpacked/tmp/*")) == []


# ------------------------------------------------------------------------------------ files of other kinds


def tar(members, mode="w"):
    """Return a tar of (name, bytes or the target of a link)."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as made:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                made.addfile(entry)
                continue
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def zipped(members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members:
            made.writestr(name, content)
    return held.getvalue()


def spoil_blobs(scene):
    """Damage what the store holds, in each way, and forget that this process saw it whole."""
    from analysis.store import shelves

    ways = [
        lambda body: body[:-1] + bytes([body[-1] ^ 1]),
        lambda body: body[: len(body) // 2],
        lambda body: b"",
        lambda body: body + b"\0",
        lambda body: bytes(len(body)),
    ]
    for n, path in enumerate(sorted(scene.home.glob("blobs/*/*"))):
        body = path.read_bytes()
        path.chmod(0o644)
        if n < len(ways):
            path.write_bytes(ways[n](body))
    for n, path in enumerate(sorted(scene.home.glob("references/*.json"))[:3]):
        path.write_bytes([b"", b'{"url":', path.read_bytes()[:-9]][n])
    shelves._seen.clear()


def spoil_partials(scene):
    """Damage unfinished files and their journals."""
    for path in scene.home.glob("partials/*.part"):
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 1
        path.write_bytes(bytes(body))
    for path in sorted(scene.home.glob("partials/*.journal"))[::3]:
        path.write_bytes(path.read_bytes()[:-5])


# ------------------------------------------------------------------------------------ faults


def swap(scene, part, **more):
    """Return what changes a file on the server while it answers."""
    return lambda _: scene.serve(part, version=1, **more)


def change_under_partials(scene, *, if_range=True, **more):
    for part, path in enumerate(scene.paths):
        scene.archive.faults[path] = [cut(70_000), Plan(hook=swap(scene, part, **more), if_range=if_range)]


def change_under_one_name(scene):
    scene.replace_all(0, etag='"one name"')
    change_under_partials(scene, etag='"one name"')
    scene.order["sha256"] = [digest(records(part, 1)) for part in range(PARTS)]
    scene.known |= set(scene.order["sha256"])


def change_after(scene, *, skew):
    """Store copies under a wrong clock, then let the files change."""
    assert "records" in scene.ask_first(skew=skew)
    scene.replace_all(1)


def wrong_checksum(scene):
    scene.checksums()
    scene.order["sha256"][3] = digest(b"another file")


def spoil_held(scene):
    assert "records" in scene.ask_first()
    spoil_blobs(scene)


def spoil_unfinished(scene):
    scene.each(cut(100_000), *[cut(0)] * 9)
    assert "error" in scene.ask_first()
    scene.always(cut(100_000, ranges=False))
    for path in scene.paths[1:]:
        scene.order["urls"], urls = [scene.archive.url + path], scene.order["urls"]
        scene.ask_first()
        scene.order["urls"] = urls
    assert list(scene.home.glob("partials/*.part"))
    spoil_partials(scene)
    scene.archive.faults.clear()


def full_disk(scene):
    if not scene.disk("size=500k"):
        return False
    scene.each(*[Plan(chunked=True)] * 99)  # of no stated length, so that it cannot be refused beforehand
    return True


def read_only(scene):
    if not scene.disk("size=64m"):
        return False
    urls = scene.order["urls"]
    scene.order["urls"] = urls[:3]
    assert "records" in scene.ask_first()
    scene.order["urls"] = urls
    scene.remount("ro")
    return True


def unknown_name(scene):
    scene.order["urls"] = [url.replace("127.0.0.1", "data.archive.test") for url in scene.order["urls"]]
    scene.order["names"] = {"data.archive.test": None}


def redirected(scene, answer=None):
    scene.order["env"] = {"SANKO_TOKEN_127_0_0_1": TOKEN}
    for path, target in zip(scene.paths, scene.redirected(), strict=True):
        scene.archive.faults[path] = status(302, Location=target)
        if answer:
            scene.elsewhere.faults[path] = answer


def flipped():
    body = bytearray(records(3))
    body[77_777] ^= 4
    return bytes(body)


def wrong_server_clock(scene):
    scene.archive.clock = lambda: 0.0
    scene.replace_all(0, etag=None, modified=1e9)
    scene.each(cut(70_000))


@functools.cache
def bomb(how):
    """Return 80 MB of nothing in 80 kB."""
    zeros = bytes(80_000_000)
    return gzip.compress(tar([("3/a.bin", zeros)]), 9) if how == "tar" else zipped([("3/a.bin", zeros)])


def poisoned(make):
    def spoil(scene):
        body = make()
        scene.known.add(digest(body))
        scene.archive.add(scene.paths[3], body)

    return spoil


def cured(scene):
    scene.serve(3)
    scene.order["fresh_for"] = 0.0


def spoilt(*plans):
    """Let the first answers with data go wrong; a single one that is no list, all of them."""

    def spoil(scene):
        scene.archive.faults["data"] = list(plans)

    return spoil


def first(times, plan):
    """Let the first answers for each hour go wrong."""

    def spoil(scene):
        asked_for = collections.Counter()

        def fault(asked):
            asked_for[asked.path] += 1
            return plan if asked_for[asked.path] <= times else None

        scene.archive.faults["data"] = fault

    return spoil


def for_good(plan, hour=None):
    """Let all answers with data go wrong, or those of one hour."""

    def spoil(scene):
        def fault(asked):
            return plan if hour is None or asked.query["start"].startswith(f"2001-01-01T{hour:02d}") else None

        scene.archive.faults["data"] = fault

    return spoil


def body_of(content):
    """Return header and records of a binary answer."""
    end = (
        next(at for at in range(len(content)) if content[at : at + 1] == b"\n" and content[at + 1 : at + 2] != b"#") + 1
    )
    return content[:end], content[end:]


def beyond(scene):
    """Let the server send an hour more than was asked for."""
    unlimited = {"counter": dataclasses.replace(scene.archive.datasets["counter"], max_request=None)}
    service = Service(unlimited)

    def fault(asked):
        hour = int(asked.query["start"][11:13] or 0)
        stop = asked.query["stop"]
        later = f"2001-01-01T{min(hour + 2, 8):02d}:00:00Z"
        path = asked.path.replace(stop, later)
        whole = b"".join(service.answer(HapiAsked(path, {}, 0.0)).pieces)
        return changed(lambda _: whole)

    scene.archive.faults["data"] = fault

"""Each fault that an archive, a network, a disk or a clock may have, and what comes of a request for records.

One row a fault: what goes wrong, and what comes: all records, once and in order (DATA), or this error. Each row is
tried by 1 and 8 workers, in threads of one process and as processes with one store, which all ask for all records.
When the fault is gone, the same request gives all records, and no file in the store is damaged, left over or of
another address. By default each row is tried in one of the four ways, by 8 workers; `./test long` tries all.

Rows without a kind ask for eight files of 120 kB; those of the kind `packed` for eight archives of two files each,
`tap` for a table of 7500 rows, `hapi` for eight hours of data by the second, in eight parts.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from asking import PARTS, RECORDS, SIZE, Askers, digest, records, table
from faults import (
    TOKEN,
    Scene,
    beyond,
    body_of,
    bomb,
    change_after,
    change_under_one_name,
    change_under_partials,
    cured,
    first,
    flipped,
    for_good,
    full_disk,
    poisoned,
    read_only,
    redirected,
    spoil_held,
    spoil_unfinished,
    spoilt,
    tar,
    unknown_name,
    wrong_checksum,
    wrong_server_clock,
    zipped,
)
from servers.archive import Archive, Plan, cut, drip, status
from servers.hapi import Dataset, HapiServer, Parameter, changed, error, page

from analysis.errors import (
    AccessDenied,
    BadAnswer,
    NotFound,
    StoreError,
    TooSlow,
    TruncatedAnswer,
    Unreachable,
    UnsafeArchive,
    WrongChecksum,
    WrongData,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]

DATA = None
PAGE = b"<!DOCTYPE html><html><head><title>Down for repair</title></head></html>"


@dataclass(frozen=True)
class Row:
    """One fault.

    Parameters
    ----------
    fault : str
    spoil : callable
        Lets it happen to a scene; False if this user cannot.
    comes : type of error, optional
        All records if not given.
    mend : callable, optional
        What it takes for it to be over, besides an archive that does as it should.
    kind : str
        What is asked for.
    after : callable, optional
        What else must be so.
    """

    fault: str
    spoil: Callable
    comes: type | None = DATA
    mend: Callable | None = None
    kind: str = "files"
    after: Callable | None = None


def token_stayed(scene):
    assert all(asked.headers["Authorization"] == f"Bearer {TOKEN}" for asked in scene.archive.asked)
    assert scene.elsewhere.asked
    assert not any(TOKEN in str((asked.path, asked.headers)) for asked in scene.elsewhere.asked)
    assert not any(TOKEN.encode() in path.read_bytes() for path in scene.home.rglob("*") if path.is_file())


def each_part_was_asked_once(scene):
    assert sorted(asked.path for asked in scene.archive.asked) == sorted(scene.paths)


FILES = [
    # --- the server is busy, gone or cuts
    Row("503 without Retry-After, twice", lambda s: s.each(status(503), status(503))),
    Row("503 without Retry-After, always", lambda s: s.always(status(503)), Unreachable),
    Row("503 with Retry-After of a second", lambda s: s.always([status(503, after=1)], [2])),
    Row("503 with Retry-After of an hour", lambda s: s.always(status(503, after=3600)), Unreachable,
        Scene.an_hour_passes),
    Row("429, twice", lambda s: s.each(status(429, after=0), status(429))),
    Row("429 always", lambda s: s.always(status(429)), Unreachable),
    Row("connection refused for a moment", lambda s: [s.order["limits"].update(retries=200), s.down_for(0.4)]),
    Row("connection refused", Scene.down, Unreachable, Scene.up),
    Row("reset at every 50 kB", lambda s: s.each(*[cut(50_000)] * 2)),
    Row("closed at every 50 kB", lambda s: s.each(*[cut(50_000, reset=False)] * 2)),
    Row("reset at the same byte, always", lambda s: s.always(cut(50_000, ranges=False)), Unreachable),
    Row("chunks that break off", lambda s: s.each(*[cut(50_000, reset=False, chunked=True)] * 2)),
    Row("slow drip, 20 kB at a time", lambda s: s.each(drip(20_000, 0.02))),
    Row("slow drip, under 1 kB/s", lambda s: s.always(drip(16, 0.05), [3]), TooSlow),
    # --- the server does not do as HTTP says
    Row("Range ignored", lambda s: s.each(cut(70_000), Plan(ranges=False))),
    Row("another range than asked for", lambda s: s.each(cut(70_000), Plan(shift=16))),
    Row("changed under a partial file", change_under_partials),
    Row("changed under a partial file, If-Range ignored", lambda s: change_under_partials(s, if_range=False)),
    Row("changed under a partial file, ETag kept, checksum known", change_under_one_name),
    Row("a length too long, once", lambda s: s.each(Plan(length=SIZE + 4096, reset=False))),
    Row("a length too long, always", lambda s: s.always(Plan(length=SIZE + 4096, reset=False)), Unreachable),
    Row("a length too short, checksum known", lambda s: [s.checksums(), s.always(Plan(length=SIZE - 160))],
        WrongChecksum),
    Row("wrong checksum", wrong_checksum, WrongChecksum, Scene.checksums),
    Row("a bit flipped, checksum known", lambda s: [s.checksums(), s.always(Plan(body=flipped()), [3])], WrongChecksum),
    Row("web page with 200", lambda s: s.always(Plan(body=PAGE), [3]), BadAnswer),
    Row("empty body", lambda s: s.always(Plan(body=b""), [3]), BadAnswer),
    Row("404 for one of many parts", lambda s: s.always(status(404), [3]), NotFound),
    # --- the network, the disk, the store
    Row("no such name", unknown_name, Unreachable,
        lambda s: s.order["names"].update({"data.archive.test": "127.0.0.1"})),
    Row("disk full", full_disk, StoreError, lambda s: s.remount("size=64m")),
    Row("store read-only", read_only, StoreError, lambda s: s.remount("rw")),
    Row("store corrupted on disk", spoil_held),
    Row("unfinished files corrupted on disk", spoil_unfinished),
    Row("one store for all who ask", lambda s: None, after=each_part_was_asked_once),
    # --- clocks
    Row("clocks that differ by months", lambda s: s.order.update(skew=1e7)),
    Row("copies from the future, changed since", lambda s: change_after(s, skew=1e7)),
    Row("copies from long ago, changed since", lambda s: change_after(s, skew=-1e7)),
    Row("the server's clock stands at 1970", wrong_server_clock),
    # --- credentials
    Row("redirect to another host, a token set", redirected, after=token_stayed),
    Row("redirect to another host that wants a token", lambda s: redirected(s, status(401)), AccessDenied,
        lambda s: [s.elsewhere.faults.clear(), redirected(s)], after=token_stayed),
]  # fmt: skip


# ------------------------------------------------------------------------------------ archives in archives


def nothing_outside(scene):
    assert [path.name for path in scene.home.parent.rglob("evil*")] == []
    assert not any(path.is_symlink() for path in scene.home.rglob("*"))


EVIL = b"evil"
PACKED = [
    Row(fault, poisoned(make), UnsafeArchive, cured, "packed", nothing_outside)
    for fault, make in {
        "tar that climbs out": lambda: tar([("3/a.bin", EVIL), ("../../../evil", EVIL)]),
        "tar with a name from the root": lambda: tar([("/tmp/evil-from-a-test", EVIL)]),
        "tar with a link out and a file behind it": lambda: tar([("way", "../../.."), ("way/evil", EVIL)]),
        "tar bomb": lambda: bomb("tar"),
        "zip that climbs out": lambda: zipped([("../../../evil", EVIL)]),
        "zip bomb": lambda: bomb("zip"),
    }.items()
]

# ------------------------------------------------------------------------------------ tables and time series

CUT_BY_LIMIT, BROKEN_XML = Plan(body=table(500, overflow=True)), Plan(body=table()[:99_000])
TAP = [
    Row(fault, spoil, comes, None, "tap")
    for fault, spoil, comes in [
        ("TAP: the server's limit cuts the result", lambda s: s.always(CUT_BY_LIMIT, [0]), TruncatedAnswer),
        ("TAP: the result breaks off in well-formed HTTP", lambda s: s.always(BROKEN_XML, [0]), BadAnswer),
        ("TAP: the connection is cut", lambda s: s.each(cut(50_000)), DATA),
        ("TAP: web page with 200", lambda s: s.always(Plan(body=PAGE), [0]), BadAnswer),
    ]
]  # fmt: skip


RECORD_OF_HAPI = 24 + 8  # bytes: its time and one number
BROKEN = changed(lambda body: body[:-5])
RENAMED = changed(lambda body: body.replace(b'"level"', b'"other"'))
DOUBLED = changed(lambda body: body + body_of(body)[1])
HAPI = [
    Row(f"HAPI: {fault}", spoil, comes, mend, "hapi")
    for fault, spoil, comes, mend in [
        ("503, thrice", first(3, status(503)), DATA, None),
        ("503 always", for_good(status(503), 3), Unreachable, None),
        ("503 with Retry-After of a second", spoilt(status(503, after=1)), DATA, None),
        ("429, twice", first(2, status(429)), DATA, None),
        ("connection refused", Scene.down, Unreachable, Scene.up),
        ("reset at 50 kB, thrice", first(3, cut(50_000)), DATA, None),
        ("chunks that break off, thrice", first(3, cut(50_000, reset=False, chunked=True)), DATA, None),
        ("slow drip, under 1 kB/s", for_good(drip(16, 0.05), 3), TooSlow, None),
        ("a length too long", for_good(Plan(length=10**6, reset=False), 3), Unreachable, None),
        ("web page with 200, once", spoilt(page()), DATA, None),
        ("web page with 200, always", for_good(page(), 3), BadAnswer, None),
        ("empty body", for_good(changed(lambda _: b""), 3), BadAnswer, None),
        ("404 for one of many parts", for_good(status(404), 3), NotFound, None),
        ("error 1500, once", spoilt(error(1500)), DATA, None),
        ("error 1500, always", for_good(error(1500), 3), Unreachable, None),
        ("broken off within a record, once", spoilt(BROKEN), DATA, None),
        ("broken off within a record, always", for_good(BROKEN, 3), BadAnswer, None),
        ("each record twice", for_good(DOUBLED, 3), WrongData, None),
        ("more records than asked for", beyond, DATA, None),
        ("another parameter than asked for", for_good(RENAMED, 3), BadAnswer, None),
    ]
]  # fmt: skip

ROWS = {row.fault: row for row in [*FILES, *PACKED, *TAP, *HAPI]}
WAYS = [("threads", 1), ("threads", 8), ("processes", 1), ("processes", 8)]


def cells():
    """Return each row in each way; all but one way of each row are long."""
    made = []
    for number, row in enumerate(ROWS.values()):
        turns = row.kind == "tap" or (row.kind == "hapi" and row.comes is not DATA)  # processes would fail in turn
        usual = ("threads", 8) if number % 2 or turns else ("processes", 8)
        for way in WAYS:
            marks = [] if way == usual else [pytest.mark.long]
            made.append(pytest.param(row.fault, *way, marks=marks, id=f"{row.fault}-{way[0]}-{way[1]}"))
    return made


# ------------------------------------------------------------------------------------ the matrix


@pytest.fixture(scope="module")
def askers():
    running = Askers()
    yield running
    running.stop()


@pytest.fixture
def elsewhere():
    with Archive("localhost") as server:
        yield server


@pytest.fixture
def scene(request, tmp_path, elsewhere, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    kind = ROWS[request.node.callspec.params["fault"]].kind if hasattr(request.node, "callspec") else "files"
    counter = Dataset(
        "counter", (Parameter("level", units="m", fill="-1e31"),), stop="2001-01-01T08", max_request="PT1H"
    )
    (tmp_path / "deep").mkdir()
    with (
        HapiServer([counter]) if kind == "hapi" else Archive() as archive,
        Scene(archive, tmp_path / "deep" / "home", kind, elsewhere) as made,
    ):
        yield made


def see(outcomes, comes, scene):
    """Check what came of a request for each who asked."""
    truth = scene.truth()
    for came in outcomes:
        if comes is DATA:
            assert came.get("count") == truth["count"], came
            assert came["twice"] == 0 and came["records"] == truth["records"], came
        else:
            assert comes.__name__ in came.get("error", [came]), came
            assert len(came["message"]) > 20


@pytest.mark.parametrize(("fault", "mode", "workers"), cells())
def test_a_fault_ends_in_all_records_or_its_error_and_leaves_nothing_wrong(scene, askers, fault, mode, workers):
    row = ROWS[fault]
    if row.spoil(scene) is False:
        pytest.skip("this user may not mount a small file system")
    see(scene.ask(askers, mode, workers), row.comes, scene)
    scene.check_store(unfinished=row.comes is not DATA)
    if row.comes is DATA and row.after:
        row.after(scene)
    if row.comes is not DATA:
        scene.archive.faults.clear()
    if row.mend:
        row.mend(scene)
    see(scene.ask(askers, mode, workers), DATA, scene)
    scene.check_store(unfinished=False)
    if row.after:
        row.after(scene)


# ------------------------------------------------------------------------------------ kills


def killed_often(scene, askers, kills, seed):
    """Kill processes that bring parts side by side into one store, at random times; return how many were at work."""
    chance, hit, version = random.Random(seed), 0, 0
    order = scene.order | {"workers": 8, "fresh_for": 0.0}
    while hit < kills:
        version += 1
        if version % 2:  # else what is unfinished is of a version that the server no longer has
            scene.replace_all(version)
        plan = Plan(piece=20_000, pause=0.003)
        scene.always(chance.choice([plan, cut(70_000, piece=20_000, pause=0.002)]))
        begun = [askers.begin(order) for _ in range(4)]
        end = time.monotonic() + chance.uniform(0.02, 0.5)
        for _, process in chance.sample(begun, 4):
            time.sleep(max(0.0, end - time.monotonic()) * chance.random())
            with contextlib.suppress(ProcessLookupError):  # it had ended already
                os.kill(process, signal.SIGKILL)
        done = [askers.end(number) for number, _ in begun]
        hit += sum(ended == -signal.SIGKILL and came is None for came, ended in done)
        scene.check_store(unfinished=True)
        if version % 3 == 0:
            scene.archive.faults.clear()
            see(askers.ask([order] * 2), DATA, scene)
            scene.sweep()
            scene.check_store(unfinished=False)
    scene.archive.faults.clear()
    see(askers.ask([order] * 2), DATA, scene)
    scene.sweep()
    scene.check_store(unfinished=False)
    return hit


def test_processes_killed_while_they_bring_parts_leave_nothing_wrong(scene, askers):
    assert killed_often(scene, askers, 16, seed=1) >= 16


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_hundred_and_fifty_kills_leave_nothing_wrong(scene, askers):
    assert killed_often(scene, askers, 250, seed=2) >= 250


# ------------------------------------------------------------------------------------ the records themselves


def test_a_lost_or_doubled_record_would_be_seen(scene):
    """The matrix stands on this: what is compared tells any two answers apart."""
    whole = b"".join(records(part) for part in range(PARTS))
    assert scene.truth() == {"records": digest(whole), "count": PARTS * RECORDS}
    numbers = np.frombuffer(whole, "<u8")[::2]
    assert np.array_equal(numbers, np.arange(PARTS * RECORDS))
    assert digest(records(0)) != digest(records(0, version=1))


@pytest.mark.parametrize("fault", ["HAPI: broken off within a record, always"])  # tells the scene what to serve
def test_an_answer_that_ends_early_between_two_records_is_told_as_a_gap(scene, askers, fault):
    """Such an answer is sound in itself, and HAPI says no number of records: what is missing is said to be."""
    for_good(changed(lambda body: body[: -100 * RECORD_OF_HAPI]), 3)(scene)
    (came,) = scene.ask(askers, "threads", 8)
    assert came["count"] == scene.truth()["count"] - 100 and came["twice"] == 0
    assert [gap[0][:19] for gap in came["gaps"]] == ["2001-01-01T03:58:20"]

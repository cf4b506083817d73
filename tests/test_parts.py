"""Several parts at once: all of them, in order, or an error; never some of them."""

import os
import signal
import threading
import time

import pytest
from servers.archive import Plan, drip, status

from analysis import store
from analysis.archives.parts import Part, bring
from analysis.download import hosts
from analysis.errors import BadOption, NotFound, WrongChecksum

pytestmark = pytest.mark.server


def parts_of(archive, count):
    return [Part(url=archive.add(f"/{number}.bin", b"%d" % number * 1000)) for number in range(count)]


@pytest.mark.parametrize("workers", [1, 8])
def test_parts_come_in_the_order_they_were_asked_in(archive, workers):
    parts = parts_of(archive, 20)
    assert [path.read_bytes()[:1000] for path in bring(parts[::-1], workers=workers)] == [
        archive.pages[f"/{number}.bin"].body[:1000] for number in range(19, -1, -1)
    ]


def test_one_address_twice_is_asked_for_once(archive):
    part = parts_of(archive, 1)[0]
    first, second = bring([part, part])
    assert first == second and len(archive.asked) == 1


@pytest.mark.parametrize("workers", [1, 8])
def test_a_missing_part_among_many_is_an_error_and_the_others_are_kept(archive, workers):
    parts = parts_of(archive, 20)
    archive.faults["/13.bin"] = status(404)
    with pytest.raises(NotFound, match=r"13\.bin"):
        bring(parts, workers=workers)
    held = {url for url in (part.url for part in parts) if store.reference(url)}
    del archive.faults["/13.bin"]
    archive.asked.clear()
    assert len(bring(parts, workers=workers)) == 20
    assert not held & {archive.url + asked.path for asked in archive.asked}


def test_the_error_of_a_part_keeps_what_the_server_answered(archive):
    parts = parts_of(archive, 3)
    archive.faults["/1.bin"] = status(404, body=b"no such day")
    with pytest.raises(NotFound, match="of 3 parts came") as caught:
        bring(parts)
    assert (caught.value.url, caught.value.status, caught.value.body) == (parts[1].url, 404, b"no such day")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["a failure", "an interrupt"])
def test_what_is_under_way_at_the_end_is_not_waited_for_long_and_goes_on_later(archive, end, monkeypatch):
    monkeypatch.setattr("analysis.archives.parts.GRACE", 0.2)
    parts = [Part(url=archive.add(f"/{number}", bytes([number]) * 3_000_000)) for number in range(3)]
    for number in range(3):
        archive.faults[f"/{number}"] = drip(20_000, 0.1)  # 15 s
    began = time.monotonic()
    if end == "a failure":
        archive.faults["/bad"] = Plan(status=404, body=b"", hook=lambda _: time.sleep(1.5))
        with pytest.raises(NotFound):
            bring([*parts, Part(url=archive.url + "/bad")])
    else:
        threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            bring(parts)
    assert time.monotonic() - began < 12
    archive.faults.clear()
    archive.asked.clear()
    assert [path.read_bytes() for path in bring(parts)] == [archive.pages[f"/{number}"].body for number in range(3)]
    assert all(asked.headers["Range"] > "bytes=0" for asked in archive.asked)


def test_after_a_failure_no_further_part_is_begun(archive):
    parts = parts_of(archive, 200)
    archive.faults["/0.bin"] = status(404)
    with pytest.raises(NotFound, match=r"of 200 parts came"):
        bring(parts, workers=2)
    assert len(archive.asked) < 150


def test_each_part_is_checked_against_its_own_checksum(archive):
    good, bad = parts_of(archive, 2)
    with pytest.raises(WrongChecksum, match=r"1\.bin"):
        bring([good, Part(url=bad.url, sha256="0" * 64)])


def test_a_hosts_limit_holds_however_many_workers_there_are(archive):
    parts = parts_of(archive, 24)
    lock, now, seen = threading.Lock(), [0], []

    def counted(_):  # before the answer leaves: after it the next request may be quicker than the count
        with lock:
            now[0] += 1
            seen.append(now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1

    for part in range(24):
        archive.faults[f"/{part}.bin"] = [Plan(hook=counted)]
    bring(parts, workers=16)
    assert 1 < max(seen) <= hosts.ANY_HOST.connections


def test_two_requests_at_once_share_their_parts(archive):
    parts = parts_of(archive, 12)
    threads = [threading.Thread(target=bring, args=(parts,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(archive.asked) == 12


def test_a_senseless_number_of_workers_is_refused(archive):
    with pytest.raises(BadOption, match="workers=0"):
        bring(parts_of(archive, 2), workers=0)


@pytest.mark.slow
def test_the_parts_are_counted_where_somebody_looks(archive, capsys, monkeypatch):
    parts = parts_of(archive, 8)
    for number in range(8):
        archive.faults[f"/{number}.bin"] = [Plan(piece=500, pause=0.8)]
    monkeypatch.setattr("analysis.download.progress._watched", lambda: True)
    bring(parts, workers=4)
    assert "127.0.0.1" in capsys.readouterr().err

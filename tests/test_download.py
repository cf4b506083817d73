"""How a file travels: each way an archive can fail, and what comes of it: the right bytes or a typed error."""

import dataclasses
import email.utils
import hashlib
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from getting import BODY, FAST, got, left_behind
from servers.archive import Plan, cut, drip, status

from analysis import store
from analysis.errors import (
    AccessDenied,
    BadAnswer,
    NotFound,
    TooSlow,
    Unreachable,
    WrongChecksum,
)

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("fresh_home")]


# ------------------------------------------------------------------------------- faults that pass

PASSING = {
    "503 without Retry-After": [status(503)],
    "503 with Retry-After in seconds": [status(503, after=1)],
    "503 with Retry-After as a date": [status(503, after=email.utils.formatdate(time.time() - 5, usegmt=True))],
    "429": [status(429, after=0), status(429)],
    "502 and 504": [status(502), status(504)],
    "reset before any byte": [cut(0)],
    "reset every 50 kB": [cut(50_000)] * 8,
    "closed every 50 kB": [cut(50_000, reset=False)] * 8,
    "chunks that break off": [cut(50_000, reset=False, chunked=True)] * 3,
    "chunks that are whole": [Plan(chunked=True)],
    "Range ignored after a cut": [cut(100_000), Plan(ranges=False)],
    "Range ignored always": [cut(100_000, ranges=False), cut(150_000, ranges=False), Plan(ranges=False)],
    "another part than asked for": [cut(100_000), Plan(shift=5)],
    "a part of no stated version": [cut(100_000), Plan(without=("ETag",))],
    "416": [cut(100_000), status(416)],
    "a length too long": [Plan(length=300_000, reset=False)],
    "304 unasked": [status(304)],
}


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_no_byte(archive, fault, workers):
    urls = [archive.add(f"/{n}.bin", BODY[n:]) for n in range(workers)]
    for n in range(workers if "Retry-After in" not in fault else 1):  # a pause holds for the whole host
        archive.faults[f"/{n}.bin"] = list(PASSING[fault])
    with ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(got, urls))
    assert answers == [BODY[n:] for n in range(workers)]
    assert left_behind(store.home()) == []


def ask_by_processes(archive, fault, count, urls):
    """Let so many processes ask for so many files, two or more for each, and check what they got."""
    wanted = [archive.add(f"/{n}.bin", BODY[n:]) for n in range(urls)]
    for n in range(urls if "Retry-After in" not in fault else 1):
        archive.faults[f"/{n}.bin"] = list(PASSING[fault])
    code = "import sys; from analysis import store; print(store.get(sys.argv[1]).name)"
    started = [[sys.executable, "-c", code, wanted[n % urls]] for n in range(count)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in started]
    said = [process.communicate()[0].strip() for process in running]
    assert said == [hashlib.sha256(BODY[n % urls :]).hexdigest() for n in range(count)]
    # One answer more than faults, and one where a part beyond the end had to be refused first.
    assert all(len(archive.requests(f"/{n}.bin")) <= len(PASSING[fault]) + 2 for n in range(urls))
    assert left_behind(store.home()) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["reset every 50 kB", "429", "Range ignored always"])
def test_processes_survive_the_same_faults(archive, fault):
    ask_by_processes(archive, fault, count=4, urls=2)


@pytest.mark.long
@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("fault", PASSING)
def test_one_and_eight_processes_survive_every_fault_that_passes(archive, fault, count):
    ask_by_processes(archive, fault, count, urls=max(1, count // 2))


def test_a_cut_transfer_goes_on_where_it_broke_off(archive):
    url = archive.add("/a.bin", BODY)
    archive.faults["/a.bin"] = [cut(50_000)] * 5
    assert got(url) == BODY
    first, *rest = archive.requests("/a.bin")
    assert "Range" not in first.headers
    starts = [int(asked.headers["Range"].removeprefix("bytes=").rstrip("-")) for asked in rest]
    assert starts == [50_000, 100_000, 150_000, 200_000, 250_000]
    assert {asked.headers["If-Range"] for asked in rest} == {archive.pages["/a.bin"].etag}
    assert {asked.headers["Accept-Encoding"] for asked in archive.asked} == {"identity"}


@pytest.mark.slow
def test_a_transfer_that_advances_is_cut_more_often_than_it_may_fail(archive):
    url = archive.add("/a.bin", BODY)
    archive.faults["/a.bin"] = [cut(5_000)] * 60
    assert got(url) == BODY
    assert len(archive.asked) > 10 * FAST.retries


def test_a_transfer_that_brings_nothing_new_is_given_up(archive):
    url = archive.add("/a.bin", BODY)
    archive.faults["/a.bin"] = cut(50_000, ranges=False)
    with pytest.raises(Unreachable, match=r"a\.bin could not be brought in 5 tries: 127\.0\.0\.1 cut"):
        got(url)


@pytest.mark.parametrize("lying", [False, True])
def test_a_file_that_changes_under_a_partial_is_fetched_whole(archive, lying):
    new = BODY[::-1]
    url = archive.add("/a.bin", BODY)

    def changed(handler):
        archive.add("/a.bin", new)

    archive.faults["/a.bin"] = [cut(100_000), Plan(hook=changed, if_range=not lying)]
    assert got(url) == new


def test_a_file_that_keeps_changing_is_given_up(archive):
    url = archive.add("/a.bin", BODY)

    def changed(handler):
        archive.add("/a.bin", os.urandom(200_000))

    archive.faults["/a.bin"] = cut(100_000, hook=changed)
    with pytest.raises(Unreachable):
        got(url)


def test_without_a_strong_validator_nothing_is_resumed(archive):
    versions = {"weak": {"etag": 'W/"1"'}, "none": {"etag": None}, "young": {"etag": None, "modified": time.time()}}
    for name, more in versions.items():
        url = archive.add(f"/{name}.bin", BODY, **more)
        archive.faults[f"/{name}.bin"] = [cut(100_000)]
        assert got(url) == BODY
    assert not any("Range" in asked.headers for asked in archive.asked)


def test_an_old_time_of_change_is_a_validator(archive):
    url = archive.add("/a.bin", BODY, etag=None, modified=time.time() - 1e6)
    archive.faults["/a.bin"] = [cut(100_000)]
    assert got(url) == BODY
    assert archive.asked[1].headers["If-Range"] == archive.pages["/a.bin"].headers(0)["Last-Modified"]


def test_a_splice_with_the_wrong_checksum_is_fetched_whole_once(archive):
    url = archive.add("/a.bin", BODY, etag='"same"')

    def changed(handler):
        archive.add("/a.bin", BODY[::-1], etag='"same"')

    archive.faults["/a.bin"] = [cut(100_000), Plan(hook=changed)]
    assert got(url, sha256=hashlib.sha256(BODY[::-1]).hexdigest()) == BODY[::-1]


# ------------------------------------------------------------------------------ faults that stay

PAGE = b"<!DOCTYPE html>\n<html><head><title>Archive &amp; Co: down\n for repair</title></head></html>"
LASTING = {
    "503": (status(503), Unreachable, "answered 503"),
    "429 with a long Retry-After": (status(429, after=3600), Unreachable, "3600 s"),
    "reset": (cut(0), Unreachable, "cut"),
    "web page": (Plan(body=PAGE), BadAnswer, r'\("Archive & Co: down for repair"\) instead of a .fits'),
    "empty": (Plan(body=b""), BadAnswer, "empty"),
    "404": (status(404), NotFound, "404"),
    "410": (status(410), NotFound, "410"),
    "401": (status(401), AccessDenied, "SANKO_TOKEN_127_0_0_1"),
    "403": (status(403), AccessDenied, "403"),
    "500 with a page": (status(500, body=PAGE, Content_Type="text/html"), BadAnswer, "down for repair"),
    "204": (status(204, body=b""), BadAnswer, "204"),
    "no length": (Plan(without=("Content-Length",)), BadAnswer, "does not say how long"),
    "packed": (Plan(headers={"Content-Encoding": "gzip"}), BadAnswer, "packed"),
    "wrong length": (Plan(length=400_000, reset=False), Unreachable, "cut"),
    "redirect to a file": (status(302, Location="file:///etc/passwd"), BadAnswer, "not followed"),
    "redirect to itself": (status(301, Location="/a.fits"), BadAnswer, "eleventh"),
    "redirect to nowhere": (status(302), BadAnswer, "not followed"),
}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_stays_is_a_typed_error_and_leaves_nothing(archive, fault, workers):
    plan, kind, words = LASTING[fault]
    archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = plan

    def refused(_):
        with pytest.raises(kind, match=words) as caught:
            got(archive.url + "/a.fits")
        return str(caught.value)

    with ThreadPoolExecutor(workers) as pool:
        for said in pool.map(refused, range(workers)):
            assert archive.url + "/a.fits" in said
    assert store.status().empty
    assert [p for p in left_behind(store.home()) if fault != "wrong length"] == []


@pytest.mark.parametrize("workers", [1, 8])
def test_a_refused_connection_says_who_refused(workers):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/a.fits"

    def refused(_):
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1 refused the connection.*store\.offline"):
            got(url)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(refused, range(workers)))


def test_a_host_without_a_name_server_entry_is_named():
    with pytest.raises(Unreachable, match=r"no host archive\.invalid"):
        got("http://archive.invalid/a.fits")


def test_a_silent_server_is_given_up(archive):
    url = archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = Plan(hook=lambda handler: time.sleep(1))
    with pytest.raises(Unreachable, match="fell silent"):
        got(url, limits=dataclasses.replace(FAST, read=0.1, retries=1))


@pytest.mark.slow
def test_patience_ends_before_the_tries_do(archive):
    url = archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = status(503, after=1)
    with pytest.raises(Unreachable):
        got(url, limits=dataclasses.replace(FAST, patience=1.5, retries=1000))
    assert len(archive.asked) == 2


def test_a_slow_drip_is_an_error_that_keeps_what_came(archive):
    url = archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = [Plan(piece=70_000, pause=0.7)]
    with pytest.raises(TooSlow, match="bytes that came are kept"):
        got(url, limits=dataclasses.replace(FAST, slowest=1e9))
    assert got(url) == BODY
    assert "If-Range" in archive.asked[-1].headers


def test_a_drip_of_single_bytes_is_an_error(archive):
    url = archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = drip(1, 0.02)
    with pytest.raises(TooSlow, match="only"):
        got(url, limits=dataclasses.replace(FAST, window=0.3))


def test_a_server_that_gives_a_byte_at_a_time_and_cuts_is_given_up(archive):
    url = archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = cut(1)
    with pytest.raises(Unreachable):
        got(url)


def test_a_wrong_checksum_keeps_nothing(archive, fresh_home):
    url = archive.add("/a.fits", BODY)
    with pytest.raises(WrongChecksum, match="0000"):
        got(url, sha256="0" * 64)
    assert store.status().empty
    assert left_behind(fresh_home) == []


def test_a_file_of_unstated_length_is_taken_on_its_checksum(archive):
    url = archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = Plan(without=("Content-Length",))
    assert got(url, sha256=hashlib.sha256(BODY).hexdigest()) == BODY


def test_a_packed_file_keeps_its_bytes_when_its_name_says_so(archive):
    url = archive.add("/a.fits.gz", BODY)
    archive.faults["/a.fits.gz"] = Plan(headers={"Content-Encoding": "x-gzip"})
    assert got(url) == BODY


def test_a_page_is_a_file_where_the_address_does_not_say_otherwise(archive):
    assert got(archive.add("/about", PAGE)) == PAGE
    assert got(archive.add("/about.html", PAGE)) == PAGE

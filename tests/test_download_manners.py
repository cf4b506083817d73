"""How a file travels: disks that refuse, politeness to hosts, credentials, what is kept of a cut transfer."""

import contextlib
import dataclasses
import email.utils
import hashlib
import itertools
import os
import socket
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from getting import BODY, FAST, got, left_behind
from servers.archive import Archive, Plan, status

from analysis import store
from analysis.download import (
    HOSTS,
    Host,
    Validator,
    credentials,
    disk,
    hosts,
    partial,
    requesting,
)
from analysis.errors import (
    AnalysisError,
    BadAnswer,
    BadOption,
    StoreError,
    Unreachable,
)

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("fresh_home")]


# ------------------------------------------------------------------------------- disks that refuse


REFUSALS = [(28, "no space"), (30, "be written"), (13, "be written"), (5, "be used")]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("place", ["write", "journal", "rename"])
def test_a_disk_that_refuses_is_a_typed_error_and_nothing_is_half_written(archive, monkeypatch, refusal, place):
    number, words = refusal
    url = archive.add("/a.fits", BODY)

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if place == "write":
            patch.setattr(partial.Partial, "flush", refuse)
        elif place == "journal":
            patch.setattr(partial, "write_json", refuse)
        else:
            patch.setattr(Path, "replace", refuse)
        with pytest.raises(StoreError, match=words):
            got(url)
        assert store.status().empty
    assert got(url) == BODY


def test_a_full_disk_is_noticed_before_the_first_byte(archive, monkeypatch, fresh_home):
    url = archive.add("/a.fits", BODY)
    monkeypatch.setattr(requesting.shutil, "disk_usage", lambda _: _Free)
    with pytest.raises(StoreError, match="260000 bytes"):
        got(url)
    assert left_behind(fresh_home) == []


class _Free:
    free = 1000


# ------------------------------------------------------------------------------------ politeness


@pytest.mark.parametrize(("rule", "most"), [(Host(connections=2), 2), (hosts.ANY_HOST, 4)])
def test_a_host_is_asked_no_more_at_once_than_the_table_says(archive, monkeypatch, rule, most):
    busy, counts = [], []

    @contextlib.contextmanager
    def counted(*args, **options):
        with hosts.turn(*args, **options):
            busy.append(1)
            counts.append(len(busy))
            yield
            busy.pop()

    monkeypatch.setitem(HOSTS, "127.0.0.1", rule)
    monkeypatch.setattr(requesting, "turn", counted)
    urls = [archive.add(f"/{n}.bin", BODY[n:]) for n in range(8)]
    archive.faults |= {f"/{n}.bin": Plan(piece=65_000, pause=0.02) for n in range(8)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(got, urls))
    assert 1 < max(counts) <= most


def test_requests_keep_their_distance(archive, monkeypatch):
    monkeypatch.setitem(HOSTS, "127.0.0.1", Host(connections=1, interval=0.6))
    urls = [archive.add(f"/{n}.bin", BODY[n:]) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(got, urls))
    times = sorted(asked.at for asked in archive.asked)
    assert all(later - earlier > 0.3 for earlier, later in itertools.pairwise(times))


def test_darts_is_asked_once_a_second():
    assert HOSTS["data.darts.isas.jaxa.jp"] == Host(connections=1, interval=1.0)


def test_a_pause_that_one_request_was_told_holds_for_all(archive):
    archive.add("/a.fits", BODY)
    url = archive.add("/b.fits", BODY)
    archive.faults["/a.fits"] = status(503, after=500)
    for name, words in (("/a.fits", "come back in 500 s"), ("/b.fits", "asked for a pause")):
        with pytest.raises(Unreachable, match=words):
            got(archive.url + name)
    assert archive.requests("/b.fits") == [] and url


def test_a_pause_of_years_is_kept_for_an_hour(tmp_path):
    hosts.postpone("h", tmp_path, 1e9)
    with pytest.raises(hosts.Busy) as busy, hosts.turn("h", tmp_path, longest=1):
        pass
    assert busy.value.seconds <= 3600


def test_a_pause_from_the_future_is_a_wrong_clock(tmp_path):
    disk.write_json(tmp_path / "h.json", {"from": time.time() + 1e6, "seconds": 500})
    with hosts.turn("h", tmp_path, longest=1):
        pass


# ---------------------------------------------------------------------------------- credentials


def test_a_token_goes_to_its_host_and_not_along_a_redirect(archive, monkeypatch):
    monkeypatch.setenv("SANKO_TOKEN_127_0_0_1", "s3cret")
    with Archive("localhost") as other:
        other.add("/b.fits", BODY)
        archive.faults["/a.fits"] = status(302, Location=other.url + "/b.fits?X-Amz-Signature=s1gned")
        other.pages["/b.fits?X-Amz-Signature=s1gned"] = other.pages["/b.fits"]
        assert got(archive.url + "/a.fits") == BODY
        assert archive.asked[0].headers["Authorization"] == "Bearer s3cret"
        assert "Authorization" not in other.asked[0].headers and "Cookie" not in other.asked[0].headers
    kept = b"".join(p.read_bytes() for p in store.home().rglob("*") if p.is_file())
    assert b"s3cret" not in kept and b"s1gned" not in kept


def test_errors_after_a_redirect_show_no_signature(archive, monkeypatch):
    monkeypatch.setenv("SANKO_TOKEN_127_0_0_1", "s3cret")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    archive.faults["/a.fits"] = status(302, Location=f"http://127.0.0.1:{port}/x?sig=s1gned")
    with pytest.raises(Unreachable) as caught:
        got(archive.url + "/a.fits")
    assert "s1gned" not in str(caught.value) and "s3cret" not in str(caught.value)


def test_a_netrc_is_not_read(archive, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert got(archive.add("/a.fits", BODY)) == BODY
    assert "Authorization" not in archive.asked[0].headers


def test_the_keyring_is_asked_after_a_refusal_only(archive, monkeypatch):
    monkeypatch.setattr(credentials, "_from_keyring", lambda host: f"key of {host}")
    url = archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = [status(401)]
    assert got(url) == BODY
    assert [asked.headers.get("Authorization") for asked in archive.asked] == [None, "key of 127.0.0.1"]


def test_a_keyring_that_holds_nothing_or_fails_is_no_error(monkeypatch):
    class KeyringError(Exception):
        pass

    def get_password(service, host):
        if host == "locked.org":
            raise KeyringError
        return {("sanko", "a.org"): "k"}.get((service, host))

    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_password=get_password))
    monkeypatch.setitem(sys.modules, "keyring.errors", types.SimpleNamespace(KeyringError=KeyringError))
    assert credentials.authorization("https://a.org/x", refused=True) == "Bearer k"
    for host in ("b.org", "locked.org"):
        assert credentials.authorization(f"https://{host}/x", refused=True) is None
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert credentials.authorization("https://a.org/x", refused=True) is None


def test_no_token_goes_over_an_open_line(monkeypatch):
    monkeypatch.setenv("SANKO_TOKEN_EXAMPLE_ORG", "t")
    assert credentials.authorization("http://example.org/a") is None
    assert credentials.authorization("https://example.org/a") == "Bearer t"
    assert credentials.authorization("https://example.org.evil.net/a") is None


def test_no_redirect_leads_from_an_encrypted_line_to_an_open_one():
    with pytest.raises(BadAnswer, match="not encrypted"):
        requesting.next_address("https://a.org/x", "http://a.org/x", "https://a.org/x", 1)
    assert requesting.next_address("https://a.org/x/y", "../z", "https://a.org/x/y", 1) == "https://a.org/z"


@pytest.mark.parametrize(
    "url",
    ["https://me:pw-s3cret@a.org/x", "https://a.org/x?token=s3cret", "https://a.org/x?b=1&X-Amz-Signature=s3cret"],
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(url):
    with pytest.raises(BadOption, match="SANKO_TOKEN_A_ORG") as caught:
        store.get(url)
    assert "s3cret" not in str(caught.value)


NO_ADDRESS = ["", "a.fits", "/etc/passwd", "ftp://a.org/x", "https:///x", "http://a.org:x/", "http://a b/", None]


@pytest.mark.parametrize("url", [*NO_ADDRESS, "http://[::1"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(BadOption):
        store.get(url)


def test_cookies_are_not_carried(archive):
    archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = Plan(headers={"Set-Cookie": "session=1; Path=/"})
    got(archive.url + "/a.fits")
    got(archive.add("/b.fits", BODY))
    assert not any("Cookie" in asked.headers for asked in archive.asked)


# ------------------------------------------------------------------------------------- partials


def test_a_partial_counts_as_far_as_its_journal_vouches(tmp_path):
    version = Validator('"v"')
    begun = partial.Partial(tmp_path, "k")
    begun.restart(version, 1_000_000)
    begun.write(BODY[:200_000])
    begun.flush()
    again = partial.Partial(tmp_path, "k")
    assert (again.position, again.validator) == (200_000, version)
    data = begun.path.read_bytes()
    begun.path.write_bytes(data[:150_000] + b"\0" * 50_000)  # the last pages never reached the disk
    again = partial.Partial(tmp_path, "k")
    assert 65_536 <= again.position <= 150_000
    assert again._digest.digest() == hashlib.sha256(BODY[: again.position]).digest()
    assert again.path.stat().st_size == again.position


@pytest.mark.parametrize("damage", [b"", b"{", b"{}\n", b"[1]\n5 aa\n", b"\xff\xfe", b'{"data": "../x"}\n'])
def test_a_journal_without_sense_is_dropped(tmp_path, damage):
    (tmp_path / "k.journal").write_bytes(damage)
    (tmp_path / "k.1.part").write_bytes(BODY)
    assert partial.Partial(tmp_path, "k").position == 0
    assert not list(tmp_path.glob("k*"))


def test_a_retry_after_date_counts_from_the_servers_clock():
    date = email.utils.formatdate(1e9, usegmt=True)
    until = email.utils.formatdate(1e9 + 7, usegmt=True)
    assert requesting.retry_after({"Retry-After": until, "Date": date}) == 7
    assert requesting.retry_after({"Retry-After": "soon"}) is None


@pytest.mark.slow
def test_a_bar_is_drawn_only_where_somebody_looks(archive, capsys, monkeypatch):
    url = archive.add("/a.fits", BODY)
    archive.faults["/a.fits"] = [Plan(piece=70_000, pause=0.4)]
    got(url)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("analysis.download.progress._watched", lambda: True)
    archive.faults["/a.fits"] = [Plan(piece=70_000, pause=0.4)]
    archive.add("/a.fits", BODY + b"x")
    got(url, fresh_for=0)
    assert "a.fits" in capsys.readouterr().err


def test_every_error_is_ours(archive):
    url = archive.add("/a.fits", BODY)
    for code in range(400, 600, 7):
        archive.faults["/a.fits"] = status(code)
        with pytest.raises(AnalysisError):
            got(url, limits=dataclasses.replace(FAST, retries=0))

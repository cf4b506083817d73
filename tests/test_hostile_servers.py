"""Servers that mean harm, or are written badly enough: neither time, memory nor a secret is theirs."""

import socket
import time
import traceback
import zlib

import pytest
import requests
from servers.archive import Archive, status
from servers.raw import Raw, for_ever, said

from analysis import store
from analysis.download import Limits, requesting
from analysis.download.credentials import authorization, clean, token_name, without_secrets
from analysis.errors import AnalysisError, BadAnswer, BadOption, Unreachable

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("fresh_home")]

BRIEF = Limits(connect=0.5, read=0.4, patience=1.2, retries=4, first_pause=0.01, longest_pause=0.05, window=5)
FAST = Limits(connect=2, read=2, patience=6, retries=2, first_pause=0.01, longest_pause=0.05)
LONG = 20.0  # seconds: what no test here comes near, and each server would have us wait


def by_get(url, limits=FAST):
    return store.get(url, limits=limits).read_bytes()


def by_session(url, limits=FAST):
    return store.session(limits=limits).get(url).content


both = pytest.mark.parametrize("door", [by_get, by_session])

# ------------------------------------------------------------------------------------------- time

ENDLESS = {
    "a header a byte at a time": for_ever(b"HTTP/1.1 200 OK\r\n", b"X"),
    "100 Continue for ever": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a chunk's header without end": for_ever(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x"),
    "trailers without end": for_ever(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", b"X: y\r\n", pause=0
    ),
    "silence": lambda connection, _: connection.recv(1),
}


@both
@pytest.mark.slow
@pytest.mark.parametrize("drip", ENDLESS)
def test_a_server_that_never_comes_to_an_end_is_given_up(door, drip):
    with Raw(ENDLESS[drip]) as server:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="fell silent"):
            door(server.url + "/a", BRIEF)
        assert time.monotonic() - began < LONG


@both
@pytest.mark.slow
def test_redirects_that_take_their_time_take_no_more_than_all_of_it_together(door):
    def on(connection, number):
        time.sleep(0.3)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % number)

    with Raw(on) as server:
        with pytest.raises(Unreachable, match="took too long"):
            door(server.url + "/a", BRIEF)
        assert len(server.asked) < 9


@both
@pytest.mark.slow
def test_a_resolver_that_does_not_answer_is_not_waited_for(door, monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: asked.append(1) or time.sleep(LONG))
    began = time.monotonic()
    with pytest.raises(Unreachable, match="did not answer in time"):
        door("http://archive.example/a", BRIEF)
    assert asked and time.monotonic() - began < LONG / 2


@pytest.fixture
def deaf():
    """Give a port of 127.0.0.1 where an archive answers, and of 127.0.0.2 where no connection comes about."""
    with Archive() as archive, socket.socket() as listening:
        try:
            listening.bind(("127.0.0.2", archive.port))
        except OSError:
            pytest.skip("this machine has one address of loopback only")
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.2", archive.port))
        yield archive
        for one in waiting:
            one.close()


@pytest.mark.slow
def test_a_dead_address_of_a_host_leaves_time_for_the_next(deaf, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, deaf.port)) for ip in ("127.0.0.2", "127.0.0.1")]
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a: found if host == "two.example" else real(host, *a))
    deaf.add("/a", b"alive")
    assert by_get(f"http://two.example:{deaf.port}/a") == b"alive"


@pytest.mark.slow
def test_many_dead_addresses_take_no_longer_than_one(deaf, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", deaf.port))] * 2
    found += [(*first, (f"127.0.0.{n}", deaf.port)) for *first, _ in found[:1] for n in range(3, 40)]
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a: found if host == "many.example" else real(host, *a))
    began = time.monotonic()
    with pytest.raises(Unreachable):
        by_get(f"http://many.example:{deaf.port}/a", BRIEF)
    assert time.monotonic() - began < LONG


# ------------------------------------------------------------------------------ what they say

ODD = {
    "Retry-After of a superscript": "HTTP/1.1 503 no\nRetry-After: \xb2\nContent-Length: 0",
    "Retry-After below zero": "HTTP/1.1 503 no\nRetry-After: -5\nContent-Length: 0",
    "Retry-After in no time zone": "HTTP/1.1 503 no\nRetry-After: Mon, 01 Jan 2020 00:00:00 +99999999999999\n"
    "Content-Length: 0",
    "a redirect in no letters": "HTTP/1.1 302 on\nLocation: http://[\xff\nContent-Length: 0",
    "a redirect to nowhere": "HTTP/1.1 302 on\nLocation: http://\xff:x/\nContent-Length: 0",
    "two lengths": "HTTP/1.1 200 OK\nContent-Length: 100\nContent-Length: 50",
    "no HTTP": "<html>",
    "a thousand headers": "HTTP/1.1 200 OK\n" + "\n".join(f"X{n}: y" for n in range(1000)),
    "a part nobody asked for": "HTTP/1.1 206 part\nContent-Range: bytes 0-99/1000\nContent-Length: 100",
    "bytes packed as nobody asked": "HTTP/1.1 200 OK\nContent-Encoding: br\nContent-Length: 100",
    "bytes packed twice": "HTTP/1.1 200 OK\nContent-Encoding: gzip, gzip\nContent-Length: 100",
}


@both
@pytest.mark.parametrize("odd", ODD)
def test_nonsense_is_a_typed_error(door, odd):
    with Raw(said(ODD[odd], b"x" * 100)) as server, pytest.raises(AnalysisError):
        door(server.url + "/a")


@both
@pytest.mark.parametrize("when", ["Mon, 01 Jan 2020 00:00:00 +99999999999999", "Mon, 99 Foo 0000 99:99:99 GMT", "0"])
def test_a_date_that_is_none_does_no_harm(door, when):
    head = f"HTTP/1.1 200 OK\nDate: {when}\nLast-Modified: {when}\nContent-Length: 100"
    with Raw(said(head, b"x" * 100)) as server:
        assert door(server.url + "/a") == b"x" * 100


def test_a_version_that_no_header_may_name_does_not_keep_us_from_asking_again():
    with Raw(said('HTTP/1.1 200 OK\nETag: "a\x01b"\nContent-Length: 100', b"x" * 100)) as server:
        for _ in range(2):
            assert store.get(server.url + "/a", fresh_for=0, limits=FAST).stat().st_size == 100
        assert store.reference(server.url + "/a").etag is None and len(server.asked) == 2


def test_a_redirect_written_in_utf8_is_followed():
    def answer(connection, _):
        head = "HTTP/1.1 200 OK" if b"%C3%A9" in server.asked[-1] else "HTTP/1.1 302 on\r\nLocation: /donn\u00e9es"
        connection.sendall(f"{head}\r\nContent-Length: 2\r\n\r\nhi".encode())

    with Raw(answer) as server:
        assert by_get(server.url + "/a") == by_session(server.url + "/a") == b"hi"


@pytest.mark.slow
@pytest.mark.parametrize("coding, bits", [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_small_answer_that_fills_the_memory_is_refused(coding, bits):
    packing = zlib.compressobj(9, zlib.DEFLATED, bits)
    body = b"".join(packing.compress(bytes(1 << 20)) for _ in range(200)) + packing.flush()
    head = f"HTTP/1.1 200 OK\nContent-Encoding: {coding}\nContent-Length: {len(body)}"
    with Raw(said(head, body)) as server, pytest.raises(BadAnswer, match="fill the memory"):
        by_session(server.url + "/a")


@pytest.mark.parametrize("coding, bits", [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_long_answer_that_is_packed_well_is_not(coding, bits):
    packing = zlib.compressobj(9, zlib.DEFLATED, bits)
    text = b"".join(b"<TR><TD>%d</TD></TR>" % n for n in range(400_000))
    body = packing.compress(text) + packing.flush()
    head = f"HTTP/1.1 200 OK\nContent-Encoding: {coding}\nContent-Length: {len(body)}"
    with Raw(said(head, body)) as server:
        assert by_session(server.url + "/a") == text


# ---------------------------------------------------------------------------------------- secrets


def everything(err, seen=None):
    """Give each exception that an error leads to."""
    seen = {} if seen is None else seen
    if err is not None and id(err) not in seen:
        seen[id(err)] = err
        for one in (err.__cause__, err.__context__):
            everything(one, seen)
    return list(seen.values())


@both
def test_no_error_leads_to_a_token_or_to_an_address_that_was_signed(door, monkeypatch):
    monkeypatch.setenv("SANKO_TOKEN_127_0_0_1", "t0ken")
    head = "HTTP/1.1 302 on\nLocation: http://127.0.0.1:1/b;jsessionid=s3cret?X-Amz-Signature=s3cret\nContent-Length: 0"
    with Raw(said(head)) as server, pytest.raises(Unreachable) as caught:
        door(server.url + "/a")
    for err in everything(caught.value):
        assert not isinstance(err, requests.RequestException)  # they carry the request, with its headers
        told = f"{err} {err.args} {vars(err)} {''.join(traceback.format_exception_only(err))}"
        assert "s3cret" not in told and "t0ken" not in told


@pytest.mark.parametrize("url", ["https://me:s3cret/x", "https://[x/?token=s3cret", "https://me:s3cret@h:x/"])
@pytest.mark.parametrize("door", [by_get, by_session])
def test_no_refusal_of_an_address_leads_to_what_was_in_it(door, url):
    with pytest.raises(BadOption) as caught:
        door(url)
    assert not any("s3cret" in f"{err} {err.args}" for err in everything(caught.value))


def test_hosts_whose_names_look_alike_have_tokens_of_their_own(monkeypatch):
    monkeypatch.setenv(token_name("data.example.org"), "s3cret")
    assert authorization("https://data.example.org/") == "Bearer s3cret"
    for other in (
        "data-example.org",
        "data\u00e9example.org",
        "data_example.org",
        "data.example.org.",
        "data%2eexample.org",
    ):
        assert authorization(f"https://{other}/") is None


def test_a_token_goes_to_no_other_port_that_a_redirect_names(monkeypatch):
    monkeypatch.setenv("SANKO_TOKEN_A_ORG", "s3cret")
    assert authorization("https://a.org/x", origin="https://a.org:8443/y")
    assert authorization("https://a.org:8443/x", origin="https://a.org:8443/y")
    assert authorization("https://a.org:8443/x")
    assert authorization("https://a.org:8443/x", origin="https://a.org/y") is None


def test_a_digest_is_not_worked_out_for_another_host():
    with Archive() as first, Archive("localhost") as second:
        challenge = 'Digest realm="r", nonce="n", qop="auth"'
        first.faults["/a"] = status(302, Location=second.add("/b", b"b"))
        second.faults["/b"] = status(401, WWW_Authenticate=challenge)
        auth = requests.auth.HTTPDigestAuth("me", "pw")
        assert store.session(limits=FAST).get(first.url + "/a", auth=auth).status_code == 401
        assert not any("Authorization" in asked.headers for asked in second.asked)
        first.faults["/c"] = [status(401, WWW_Authenticate=challenge)]
        assert store.session(limits=FAST).get(first.add("/c", b"c"), auth=auth).content == b"c"


HERE = ("127.0.0.1", "127.1", "2130706433", "localhost", "a.localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0")


@pytest.mark.parametrize("host", [*HERE, "169.254.169.254", "[fe80::1]"])
def test_a_server_out_there_cannot_have_us_ask_this_machine(host):
    with pytest.raises(BadAnswer, match="not followed"):
        requesting.next_address("http://a.org/x", f"http://{host}/y", "http://a.org/x", 1)
    assert requesting.next_address("http://localhost/x", f"http://{host}/y", "http://localhost/x", 1)


@pytest.mark.parametrize("where", ["file:///etc/passwd", "//me:pw@b.org/", "ftp://b.org/", "javascript:1"])
def test_a_redirect_leads_to_http_and_nowhere_else(where):
    with pytest.raises(BadAnswer, match="not followed"):
        requesting.next_address("http://a.org/x", where, "http://a.org/x", 1)


SECRET = ("api-key", "X-API-Key", "token%5B%5D", "TOKEN", "oauth_token", "private_token", "aiopwd", "sig", "jwt", "pw")
PLAIN = (
    "continuation-token",
    "resumptionToken",
    "page_token",
    "NextToken",
    "key",
    "passage",
    "keywords",
    "id",
    "author",
)


@pytest.mark.parametrize("key", SECRET)
@pytest.mark.parametrize("form", ["?{}=1", "?a=1&{}=1", "?a=1;{}=1", ";{}=1", "b;{}=1/c"])
def test_an_address_with_a_secret_in_it_is_refused(key, form):
    with pytest.raises(BadOption, match="secret"):
        clean("https://a.org/x" + form.format(key))


@pytest.mark.parametrize("key", PLAIN)
def test_an_address_with_none_is_not(key):
    assert clean(f"https://a.org/x;v=1?{key}=1").endswith(f"{key}=1")


def test_an_address_that_is_shown_commands_no_terminal():
    assert without_secrets("http://a.org/\x1b[2J;s=1/b?c") == "http://a.org/?[2J;…/b?…"

"""The session for answers that are computed: manners, secrets, and each failure as one of our errors."""

import copy
import dataclasses
import errno
import gzip
import pickle
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests
from getting import BODY, FAST
from servers.archive import Archive, Plan, cut, drip, status

from analysis import store
from analysis.download import HOSTS, Host, bodies, requesting, session
from analysis.errors import BadAnswer, BadOption, Offline, StoreError, TooSlow, Unreachable

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("fresh_home")]

DEAD = "http://127.0.0.1:1/tap"


@pytest.fixture
def elsewhere():
    with Archive("localhost") as server:
        yield server


def polite(**options):
    return store.session(limits=options.pop("limits", FAST), **options)


# ------------------------------------------------------------------------------------- asking again

PASSING = {
    "503": [status(503)],
    "503 with Retry-After": [status(503, after=1)],
    "429": [status(429), status(429, after=0)],
    "502, 504, 408, 425": [status(502), status(504), status(408), status(425)],
    "reset before any byte": [cut(0)],
    "reset within the body": [cut(50_000), cut(100_000)],
    "closed within the body": [cut(50_000, reset=False)],
    "chunks that break off": [cut(50_000, reset=False, chunked=True)],
    "a length too long": [Plan(length=300_000, reset=False)],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", PASSING)
def test_a_get_gives_the_whole_answer_after_a_fault(archive, fault, stream):
    url = archive.add("/a", BODY)
    archive.faults["/a"] = list(PASSING[fault])
    answer = polite().get(url, stream=stream)
    assert answer.status_code == 200
    assert (answer.raw.read() if stream else answer.content) == BODY
    assert len(archive.asked) == len(PASSING[fault]) + 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("refusal", [status(503), status(429, after=0)])
def test_what_the_server_refused_to_begin_is_sent_again(archive, method, refusal):
    url = archive.add("/async", b"job 1")
    archive.faults["/async"] = [refusal]
    assert polite().request(method, url, data={"q": "1"}).content == b"job 1"
    assert [asked.body for asked in archive.asked] == [b"q=1", b"q=1"]


@pytest.mark.parametrize("fault", [cut(0), cut(3), cut(3, reset=False)])
def test_a_post_that_the_server_may_have_taken_is_not_sent_again(archive, fault):
    url = archive.add("/async", b"job 1")
    archive.faults["/async"] = fault
    with pytest.raises(Unreachable, match="POST was not repeated"):
        polite().post(url, data={"q": "1"})
    assert len(archive.asked) == 1


def test_a_gateways_error_after_a_post_is_the_callers(archive):
    archive.faults["/async"] = status(502)
    assert polite().post(archive.url + "/async", data={"q": "1"}).status_code == 502
    assert len(archive.asked) == 1


@pytest.mark.parametrize("fault", [cut(0), cut(3), status(502), status(504)])
def test_a_post_that_changes_nothing_may_be_declared_so(archive, fault):
    url = archive.add("/sync", b"<VOTABLE/>")
    archive.faults["/sync"] = [fault]
    assert polite(repeat_posts=True).post(url, data={"q": "1"}).content == b"<VOTABLE/>"


def test_a_post_read_from_a_stream_is_not_sent_again(archive):
    url = archive.add("/sync", b"<VOTABLE/>")
    archive.faults["/sync"] = [cut(0)]
    with pytest.raises(Unreachable):
        polite(repeat_posts=True).post(url, data=iter([b"q=", b"1"]))


def test_a_connection_that_never_came_about_is_tried_again_even_for_a_post():
    asking = polite()
    with pytest.raises(Unreachable, match=r"in 5 tries: 127\.0\.0\.1 refused"):
        asking.post(DEAD, data={"q": "1"})
    assert [(asked.status, asked.size) for asked in asking.asked] == [(None, 0)] * 5


def test_a_host_without_an_address_is_named(monkeypatch):
    with pytest.raises(Unreachable, match=r"there is no host nowhere\.invalid"):
        polite().get("http://nowhere.invalid/tap")


def test_a_server_that_stays_silent_is_not_asked_again_since_it_may_be_at_work(archive):
    archive.faults["/sync"] = Plan(hook=lambda _: time.sleep(1.5))
    with pytest.raises(Unreachable, match=r"fell silent.*limits=Limits\(read=…, patience=…\)"):
        polite(limits=dataclasses.replace(FAST, read=0.2)).get(archive.url + "/sync")
    assert len(archive.asked) == 1


def test_patience_is_a_minute_by_default():
    limits = store.session().limits
    assert limits.patience == 60
    assert limits.connect + limits.read <= 60


@pytest.mark.parametrize(
    ("given", "sent"),
    [(None, (2, 2)), (0.5, (0.5, 0.5)), ((None, 7.0), (2, 7.0)), ((1.0, None), (1.0, 2)), (30, (30, 30))],
)
def test_each_request_has_time_outs(given, sent):
    seen = []

    class Spy(requests.adapters.HTTPAdapter):
        def send(self, request, timeout=None, **_):
            seen.append(timeout)
            raise requests.exceptions.SSLError("enough")

    asking = polite()
    asking.mount("http://", Spy())
    with pytest.raises(Unreachable):
        asking.get(DEAD, timeout=given)
    assert seen == [sent]


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_a_drip_is_given_up(archive, stream):
    url = archive.add("/a", BODY)
    archive.faults["/a"] = drip(10, 0.05)
    with pytest.raises(TooSlow, match=r"slowest=…"):
        polite().get(url, stream=stream)


def test_a_pause_that_the_server_asked_for_holds_for_other_sessions(archive):
    archive.faults["/a"] = [status(503, after=30)]
    with pytest.raises(Unreachable, match=r"503 busy|503.*come back in 30 s"):
        polite().get(archive.url + "/a")
    with pytest.raises(Unreachable, match="asked for a pause"):
        polite().get(archive.url + "/b")
    assert len(archive.asked) == 1


# ------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize("code", [400, 401, 403, 404, 500])
def test_other_answers_are_the_callers(archive, code):
    archive.faults["/sync"] = status(code, body=b"<VOTABLE>wrong ADQL</VOTABLE>")
    answer = polite().get(archive.url + "/sync")
    assert (answer.status_code, answer.content) == (code, b"<VOTABLE>wrong ADQL</VOTABLE>")
    with pytest.raises(requests.HTTPError):
        answer.raise_for_status()


def test_an_answer_to_head_has_headers_only(archive):
    answer = polite().head(archive.add("/a", BODY))
    assert (answer.headers["Content-Length"], answer.content) == ("260000", b"")


def test_an_answer_without_a_length_is_taken(archive):
    url = archive.add("/a", BODY)
    archive.faults["/a"] = Plan(without=("Content-Length",))
    assert polite().get(url).content == BODY


def test_a_packed_answer_is_unpacked_for_the_reader_and_a_damaged_one_refused(archive):
    whole = gzip.compress(b"x" * 5000)
    archive.faults["/a"] = [
        status(200, body=whole, Content_Encoding="gzip"),
        status(200, body=whole, Content_Encoding="gzip"),
        status(200, body=b"no gzip at all", Content_Encoding="gzip"),
    ]
    assert polite().get(archive.url + "/a").content == b"x" * 5000
    assert polite().get(archive.url + "/a", stream=True).raw.read(decode_content=True) == b"x" * 5000
    with pytest.raises(BadAnswer, match="cannot be unpacked"):
        polite().get(archive.url + "/a")


def test_a_long_answer_waits_on_disk_and_leaves_nothing_there(archive, monkeypatch, fresh_home):
    monkeypatch.setattr(bodies, "_IN_MEMORY", 1000)
    with polite().get(archive.add("/a", BODY), stream=True) as answer:
        assert b"".join(answer.iter_content(7000)) == BODY
    assert [file for file in (fresh_home / "partials").rglob("*") if file.is_file() and file.stat().st_size > 100] == []


def test_a_full_disk_is_said(archive, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bodies.tempfile, "SpooledTemporaryFile", full)
    with pytest.raises(StoreError, match="no space is left"):
        polite().get(archive.add("/a", BODY))


def test_threads_may_share_a_session(archive):
    asking, urls = polite(), [archive.add(f"/{i}", str(i).encode() * 1000) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda url: asking.get(url, stream=True).content, urls))
    assert bodies == [str(i).encode() * 1000 for i in range(40)]
    assert len(asking.asked) == 40


def test_a_hosts_turn_is_held_until_the_body_has_come(archive, monkeypatch):
    monkeypatch.setitem(HOSTS, "127.0.0.1", Host(connections=1))
    at_once, most, chunks = [], [], requesting.chunks

    def watched(*given):
        at_once.append(1)
        most.append(len(at_once))
        yield from chunks(*given)
        at_once.pop()

    monkeypatch.setattr(requesting, "chunks", watched)
    urls = [archive.add(f"/{i}", BODY) for i in range(4)]
    archive.faults.update({f"/{i}": drip(1 << 16, 0.02) for i in range(4)})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda url: polite().get(url, stream=True), urls))
    assert most == [1, 1, 1, 1]


def test_no_connection_is_left_open_by_answers_nobody_reads(archive):
    asking, url = polite(), archive.add("/a", BODY)
    for _ in range(20):
        asking.get(url, stream=True)
    assert asking.get(url).content == BODY


# ------------------------------------------------------------------------------------------ secrets


def test_a_token_goes_to_its_host_and_the_callers_own_goes_before_it(archive, monkeypatch):
    monkeypatch.setenv("SANKO_TOKEN_127_0_0_1", "theirs")
    url = archive.add("/a", b"a")
    polite().get(url)
    polite().get(url, headers={"Authorization": "Bearer mine"})
    polite().get(url, auth=("me", "pw"))
    told = [asked.headers["Authorization"] for asked in archive.asked]
    assert told[:2] == ["Bearer theirs", "Bearer mine"]
    assert told[2].startswith("Basic ")


def test_the_keyring_is_asked_after_a_refusal_only(archive, monkeypatch):
    url = archive.add("/a", b"a")
    asked = []
    monkeypatch.setattr(
        session,
        "authorization",
        lambda _, refused=False, origin=None: asked.append(refused) or ("Bearer k" if refused else None),
    )
    assert polite().get(url).content == b"a"
    assert True not in asked
    archive.faults["/a"] = [status(401)]
    assert polite().post(url, data="q").content == b"a"
    assert archive.asked[-1].headers["Authorization"] == "Bearer k"


def test_a_redirect_tells_another_host_nothing_that_was_meant_for_the_first(archive, elsewhere, monkeypatch):
    monkeypatch.setenv("SANKO_TOKEN_127_0_0_1", "first")
    archive.faults["/a"] = archive.faults["/a?token=t"] = status(302, Location=elsewhere.add("/b", b"b"))
    headers = {"X-Api-Key": "secret", "Cookie": "login=1", "Range": "bytes=0-", "Accept": "text/csv"}
    assert polite().get(archive.url + "/a", headers=headers, params={"token": "t"}).content == b"b"
    told = elsewhere.asked[0].headers
    assert not {"Authorization", "X-Api-Key", "Cookie"} & set(told)
    assert (told["Range"], told["Accept"]) == ("bytes=0-", "text/csv")
    monkeypatch.setenv("SANKO_TOKEN_LOCALHOST", "second")
    polite().get(archive.url + "/a")
    assert elsewhere.asked[1].headers["Authorization"] == "Bearer second"


def test_a_login_given_with_a_request_is_not_carried_to_another_host(archive, elsewhere):
    archive.faults["/a"] = status(307, Location=elsewhere.add("/b", b"b"))
    polite().get(archive.url + "/a", auth=("me", "pw"))
    assert "Authorization" not in elsewhere.asked[0].headers


@pytest.mark.parametrize("code", [307, 308])
def test_what_was_posted_is_not_sent_on_to_another_host(archive, elsewhere, code):
    archive.faults["/login"] = status(code, Location=elsewhere.add("/b", b"b"))
    with pytest.raises(BadAnswer, match="another host"):
        polite().post(archive.url + "/login", data={"password": "pw"})
    assert elsewhere.asked == []


def test_a_job_is_followed_with_get_and_without_what_was_posted(archive):
    archive.faults["/async"] = status(303, Location=archive.add("/async/7", b"<job/>"))
    answer = polite().post(archive.url + "/async", data={"q": "1"})
    assert (answer.content, answer.url) == (b"<job/>", archive.url + "/async/7")
    assert [old.status_code for old in answer.history] == [303]
    assert (archive.asked[1].method, archive.asked[1].body) == ("GET", b"")
    assert "Content-Type" not in archive.asked[1].headers


def test_a_307_within_a_host_repeats_the_post(archive):
    archive.faults["/a"] = status(307, Location="b?x=1")
    archive.add("/b?x=1", b"b")
    assert polite().post(archive.url + "/a", data={"q": "1"}).content == b"b"
    assert (archive.asked[1].method, archive.asked[1].body) == ("POST", b"q=1")


def test_a_redirect_that_only_encrypts_keeps_the_post():
    asking = polite()
    request = asking.prepare_request(requests.Request("POST", "http://example.org/tap/sync", data={"q": "1"}))
    answer = requests.Response()
    answer.status_code, answer.request = 301, request
    answer.headers["Location"] = "https://example.org/tap/sync"
    course = asking._course(request, None, None, None, None)
    kept = asking._redirected(request, answer, course, 1)
    assert (kept.method, kept.body, kept.url) == ("POST", "q=1", "https://example.org/tap/sync")
    answer.headers["Location"] = "https://example.org/elsewhere"
    assert asking._redirected(request, answer, course, 1).method == "GET"


def test_a_redirect_is_the_callers_where_it_is_not_to_be_followed(archive):
    archive.faults["/a"] = status(303, Location="/b")
    answer = polite().post(archive.url + "/a", data={"q": "1"}, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/b")


@pytest.mark.parametrize("location", ["ftp://example.org/x", "http://me:pw@127.0.0.1/x", "http://["])
def test_a_redirect_to_what_is_no_address_is_not_followed(archive, location):
    archive.faults["/a"] = status(302, Location=location)
    with pytest.raises(BadAnswer, match="not followed") as caught:
        polite().get(archive.url + "/a")
    assert "pw" not in str(caught.value)


def test_a_circle_of_redirects_is_left(archive):
    archive.faults["/a"] = status(302, Location="/a")
    with pytest.raises(BadAnswer, match="eleventh"):
        polite().get(archive.url + "/a")
    assert len(archive.asked) == 11


def test_cookies_are_not_carried_and_no_netrc_is_read(archive, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    archive.faults["/a"] = [status(200, Set_Cookie="id=1"), status(302, Location="/a", Set_Cookie="id=2")]
    archive.add("/a", b"a")
    asking = polite()
    asking.auth = None
    asking.get(archive.url + "/a")
    asking.get(archive.url + "/a")
    assert not [asked for asked in archive.asked if {"Cookie", "Authorization"} & set(asked.headers)]


@pytest.mark.parametrize(
    "url", ["http://me:pw@127.0.0.1/x", "ftp://127.0.0.1/x", "no address", "http://", "http://[", "", None]
)
def test_what_is_no_address_or_has_a_password_in_it_is_refused(url):
    with pytest.raises(BadOption) as caught:
        polite().get(url)
    assert "pw" not in str(caught.value)


def test_errors_and_records_show_no_query(archive):
    asking = polite()
    archive.faults["/a?token=secret"] = cut(0)
    with pytest.raises(Unreachable) as caught:
        asking.get(archive.url + "/a", params={"token": "secret"})
    assert "secret" not in str(caught.value) + repr(asking.asked)


# -------------------------------------------------------------------------------------- certificates


@pytest.fixture
def encrypted(tmp_path):
    """Return an archive behind a certificate that nobody signed, and the file that vouches for it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, tmp_path / "key.pem")
    server = Archive("localhost")
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    server.url = server.url.replace("http:", "https:")
    with server:
        yield server, pem


def test_a_certificate_that_cannot_be_trusted_is_refused_by_both_doors(encrypted, monkeypatch):
    server, _ = encrypted
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    url = server.add("/a.fits", b"a")
    for ask in (lambda: polite().get(url), lambda: store.get(url, limits=FAST)):
        with pytest.raises(Unreachable, match="the certificate of localhost cannot be trusted"):
            ask()
    assert server.asked == []


def test_a_certificate_that_the_machine_is_told_to_trust_is_taken_by_both_doors(encrypted, monkeypatch):
    server, pem = encrypted
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    url = server.add("/a.fits", b"a")
    assert polite().get(url).content == b"a"
    assert store.get(url, limits=FAST).read_bytes() == b"a"


def test_no_redirect_leads_from_an_encrypted_line_to_an_open_one(encrypted, archive, monkeypatch):
    server, pem = encrypted
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    server.faults["/a"] = status(302, Location=archive.add("/a", b"a"))
    with pytest.raises(BadAnswer, match="not encrypted"):
        polite().get(server.url + "/a")
    assert archive.asked == []


def test_certificates_are_checked_whatever_a_caller_says(encrypted, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # which requests lets go before session.verify
        monkeypatch.delenv(name, raising=False)
    server, _ = encrypted
    asking = polite()
    with pytest.raises(BadOption, match="REQUESTS_CA_BUNDLE"):
        asking.get(server.url + "/a", verify=False)
    asking.verify = False
    with pytest.raises(BadOption, match="always checked"):
        asking.get(server.url + "/a")
    assert server.asked == []


# -------------------------------------------------------------------------------- offline, and records


def test_offline_nobody_is_asked(archive, monkeypatch):
    asking, url = polite(), archive.add("/a", b"a")
    with store.offline(), pytest.raises(Offline, match="was not asked"):
        asking.post(url, data={"q": "1"})
    monkeypatch.setenv("SANKO_OFFLINE", "1")
    with ThreadPoolExecutor(1) as pool, pytest.raises(Offline):
        pool.submit(asking.get, url).result()
    assert archive.asked == asking.asked == []


def test_each_request_is_recorded(archive, monkeypatch):
    monkeypatch.setattr(session, "_REMEMBERED", 3)
    asking, url = polite(), archive.add("/a?id=7", BODY)
    archive.faults["/a?id=7"] = [status(503), cut(50_000)]
    before = datetime.now(UTC)
    asking.get(url)
    asking.post(url, data="q")
    told = asking.asked
    assert [(asked.method, asked.status) for asked in told] == [("GET", 200), ("GET", 200), ("POST", 200)]
    assert 0 < told[0].size < len(BODY) == told[1].size
    assert {asked.url for asked in told} == {archive.url + "/a?…"}
    assert all(before <= asked.at <= datetime.now(UTC) and asked.seconds >= 0 for asked in told)
    with pytest.raises(dataclasses.FrozenInstanceError):
        told[0].status = 404


@pytest.mark.parametrize("move", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_session_is_neither_copied_nor_sent_to_another_process(move):
    with pytest.raises(BadOption, match="where it is needed"):
        move(polite())


def test_the_store_is_imported_without_requests():
    code = "import sys, analysis.store; print([m for m in ('requests', 'urllib3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------ libraries that use it

VOTABLE = b"""<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><TABLE><FIELD name="ra" datatype="double" unit="deg"/>
<DATA><TABLEDATA><TR><TD>187.25</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""


def test_pyvo_reads_an_answer_through_it_after_a_cut(archive):
    import pyvo

    archive.add("/tap/sync", VOTABLE, type="application/x-votable+xml")
    archive.faults["/tap/sync"] = [cut(100), status(503)]
    service = pyvo.dal.TAPService(archive.url + "/tap", session=polite(repeat_posts=True))
    assert service.search("SELECT ra FROM t")["ra"].tolist() == [187.25]
    assert b"SELECT+ra+FROM+t" in archive.asked[-1].body


@pytest.mark.parametrize("step", ["search", "submit_job", "capabilities", "tables"])
def test_a_dead_host_is_unreachable_through_pyvo_too(step):
    import pyvo

    limits = dataclasses.replace(FAST, retries=1)
    asking = polite(limits=limits)
    service = pyvo.dal.TAPService(DEAD, session=asking)
    with pytest.raises(Unreachable, match="refused the connection"), asking.typed_errors():
        found = getattr(service, step)
        if callable(found):
            found("SELECT 1")


def test_astroquery_asks_through_it(archive, tmp_path):
    from astroquery.query import BaseQuery

    class Service(BaseQuery):
        pass

    service = Service()
    service._session = polite(limits=dataclasses.replace(FAST, retries=1))
    archive.faults["/a"] = [cut(50_000), Plan(), cut(50_000)]
    url = archive.add("/a", BODY)
    assert service._request("GET", url, cache=False).content == BODY
    service._download_file(url, str(tmp_path / "a"), verbose=False)
    assert (tmp_path / "a").read_bytes() == BODY
    with pytest.raises(Unreachable):
        service._request("GET", DEAD, cache=False)


def test_an_error_of_a_librarys_own_stays_what_it_is(archive):
    asking = polite(limits=dataclasses.replace(FAST, retries=0))
    url = archive.add("/a", b"a")
    with pytest.raises(KeyError), asking.typed_errors():
        with pytest.raises(Unreachable):
            asking.get(DEAD)
        asking.get(url)  # the library found another way
        raise KeyError("no such column")


def test_an_error_of_another_thread_is_not_taken_for_ones_own():
    asking = polite(limits=dataclasses.replace(FAST, retries=0))

    def fail():
        with pytest.raises(Unreachable):
            asking.get(DEAD)

    with pytest.raises(KeyError), asking.typed_errors():
        other = threading.Thread(target=fail)
        other.start()
        other.join()
        raise KeyError("no such column")

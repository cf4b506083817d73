"""The HAPI server's errors, HTTP, versions and faults, and that hapiclient reads from it; HAPI 3.3 by section."""

import gzip
import http.client
import json
import re
import tracemalloc
import warnings
from urllib.parse import urlsplit

import numpy as np
import pytest
from servers.hapi import Dataset, HapiServer, Parameter, changed, cut, drip, error, page, status
from servers.hapi_answers import STATUSES
from servers.hapi_ask import EMPTY, HALF, ask
from servers.hapi_data import instant, written

pytestmark = pytest.mark.server

VERSIONS = ("2.0", "2.1", "3.0", "3.1", "3.2", "3.3")


@pytest.fixture(scope="module")
def server():
    with HapiServer() as running:
        yield running


@pytest.fixture
def own():
    """Return what starts a server of one's own and stops it afterwards."""
    started = []

    def start(*datasets, **options):
        started.append(HapiServer(datasets or None, **options))
        return started[-1].__enter__()

    yield start
    for one in started:
        one.__exit__()


# ------------------------------------------------------------------------------------ 4 statuses


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("info", 1400),
        ("data?dataset=gaps", 1400),
        ("data?dataset=gaps&start=2001-01-01Z", 1400),
        ("data?dataset=gaps&start=2001-01-01Z&stop=2001-01-02Z&averagingInterval=5s", 1401),
        ("data?dataset=gaps&start=x&stop=2001-01-02Z", 1402),
        ("data?dataset=gaps&start=&stop=2001-01-02Z", 1402),
        ("data?dataset=gaps&start=2001-01-01Z&stop=x", 1403),
        ("data?dataset=gaps&start=2001-01-01Z&stop=2001-01-01Z", 1404),
        ("data?dataset=gaps&start=2001-01-02Z&stop=2001-01-01Z", 1404),
        ("data?dataset=gaps&start=2000-12-31Z&stop=2001-01-02Z", 1405),
        ("data?dataset=gaps&start=2001-01-01Z&stop=2001-01-03T00:00:01Z", 1405),
        ("data?dataset=gaps&start=1999Z&stop=2000Z", 1405),
        ("data?dataset=GAPS&start=2001-01-01Z&stop=2001-01-02Z", 1406),
        ("info?dataset=", 1406),
        ("info?dataset=gaps&parameters=LEVEL", 1407),
        ("data?dataset=gaps&start=2001-01-01Z&stop=2001-01-02Z&parameters=level,", 1407),
        ("data?dataset=short&start=2001-01-01Z&stop=2001-01-01T06:00:01Z", 1408),
        ("data?dataset=gaps&start=2001-01-01Z&stop=2001-01-02Z&format=xml", 1409),
        ("data?dataset=gaps&start=2001-01-01Z&stop=2001-01-02Z&format=CSV", 1409),
        ("data?dataset=gaps&start=2001-01-01Z&stop=2001-01-02Z&include=HEADER", 1410),
        ("info?dataset=everything&parameters=flag,scalar", 1411),
        ("info?dataset=gaps&resolve_references=0", 1412),
        ("catalog?depth=everything", 1413),
    ],
)
def test_each_mistake_has_its_status_in_both_places(server, path, code):
    answer = ask(server, path)  # 4, 4.2
    number, message = STATUSES[code]
    assert (answer.code, answer.type, answer.status) == (number, "application/json", code)
    assert answer.json.keys() == {"HAPI", "status"}
    assert f"HAPI {code}" in answer.reason
    assert code == 1400 or answer.json["status"]["message"].startswith(message)


def test_coverage_is_told_to_who_asks_beyond_it(server):
    message = ask(server, "data?dataset=gaps&start=1999Z&stop=2000Z").json["status"]["message"]  # 4.2
    told = ask(server, "info?dataset=gaps").json
    assert told["startDate"] in message
    assert told["stopDate"] in message


def test_all_that_is_covered_may_be_asked_for(server):
    for name in ("gaps", "days", "nanoseconds"):
        told = ask(server, f"info?dataset={name}").json
        assert ask(server, f"data?dataset={name}&start={told['startDate']}&stop={told['stopDate']}").code == 200


def test_the_longest_request_is_allowed_and_told(server):
    assert ask(server, "info?dataset=short").json["maxRequestDuration"] == "PT6H"  # 3.6.2
    assert len(ask(server, "data?dataset=short&start=2001-01-01Z&stop=2001-01-01T06:00Z").rows) == 360


@pytest.mark.parametrize("code", [1500, 1501])
def test_a_fault_of_the_server_is_told_as_one(own, code):
    one = own(faults={"data": error(code)})
    answer = ask(one, HALF)  # 4.2
    assert (answer.code, answer.status) == (500, code)
    assert ask(one, "catalog").code == 200


def test_an_error_while_streaming_ends_the_stream_abnormally(own):
    def values(index):
        if index[0]:
            raise RuntimeError("the disk is gone")
        return index * 1.0

    broken = own(Dataset("a", (Parameter("x", values=values),), cadence="PT1S", stop="2001-01-03"))
    with pytest.raises(http.client.IncompleteRead):  # 3.7.5
        ask(broken, "data?dataset=a&start=2001-01-01Z&stop=2001-01-03Z&format=binary")


# ------------------------------------------------------------------------------------ 5 and HTTP


@pytest.mark.parametrize("path", ["", "catalog", HALF, "data?dataset=x", EMPTY])
def test_scripts_of_other_sites_may_read(server, path):
    headers = ask(server, path).headers  # 5.1
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "GET"
    assert headers["access-control-allow-headers"] == "Content-Type"


@pytest.mark.parametrize("path", ["catalog", HALF, f"{HALF}&format=binary", "data?dataset=x"])
@pytest.mark.parametrize("chunked", [True, False])
def test_it_compresses_for_those_who_ask(own, path, chunked):
    one = own(chunked=chunked)  # 2.2
    plain = ask(one, path)
    packed = ask(one, path, Accept_Encoding="br;q=1.0, gzip;q=0.8")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in ask(one, path, Accept_Encoding="gzip;q=0, *").headers


def test_it_streams_or_tells_a_length(own):
    streamed, whole = ask(own(), HALF), ask(own(chunked=False), HALF)
    assert streamed.headers["transfer-encoding"] == "chunked"
    assert int(whole.headers["content-length"]) == len(whole.body)
    assert streamed.body == whole.body


def test_lines_may_end_as_rfc_4180_says(own):
    body = ask(own(newline="\r\n"), HALF).body
    assert body.count(b"\r\n") == body.count(b"\n") == 30


def test_kept_bodies_are_the_same_bytes(own, server):
    keeping = own(keep=True)
    for form in ("csv", "binary", "json"):
        for path in (f"{HALF}&format={form}", f"{HALF}&format={form}&include=header"):
            assert ask(keeping, path).body == ask(keeping, path).body == ask(server, path).body


@pytest.mark.slow
def test_many_records_come_in_pieces(own):
    wide = Parameter("x", size=(10,), values=lambda i: np.broadcast_to(i[:, None], (len(i), 10)))
    ten = Dataset("ten", (wide,), cadence="PT0.001S", stop="2001-01-01T00:05")
    place = urlsplit(own(ten).url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    tracemalloc.start()
    connection.request("GET", "/hapi/data?dataset=ten&start=2001-01-01Z&stop=2001-01-01T00:05Z&format=binary")
    answer, size = connection.getresponse(), 0
    while piece := answer.read(104 << 10):
        size, last = size + len(piece), piece[-8:]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    connection.close()
    assert size == 300_000 * 104
    assert np.frombuffer(last, "<f8")[0] == 299_999
    assert peak < size / 2


# ------------------------------------------------------------------------------------ versions


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_says_which_it_is(own, version):
    assert ask(own(version=version), "catalog").json["HAPI"] == version


@pytest.mark.parametrize("version", VERSIONS)
def test_old_names_work_everywhere_and_new_ones_since_3(own, version):
    one = own(version=version)  # 1.1
    old = ask(one, "data?id=gaps&time.min=2001-01-01Z&time.max=2001-01-01T00:03Z")
    new = ask(one, "data?dataset=gaps&start=2001-01-01Z&stop=2001-01-01T00:03Z")
    assert len(old.rows) == 3
    if version < "3":
        assert (new.code, new.status) == (400, 1401)
    else:
        assert new.body == old.body


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_what_came_with_it(own, version):
    one = own(version=version)  # the changelog
    info = ask(one, "info?id=everything").json
    vector = next(parameter for parameter in info["parameters"] if parameter["name"] == "vector")
    assert ask(one, "about").code == (200 if version >= "3.0" else 400)
    assert ("coordinateSystemName" in vector) == (version >= "3.1")
    assert ("maxRequestDuration" in ask(one, "info?id=short").json) == (version >= "3.1")
    assert ("catalogDepthOptions" in ask(one, "capabilities").json) == (version >= "3.2")
    assert ("bins" in ask(one, "info?id=varying").json["parameters"][1]) == (version >= "3.0")
    assert ask(one, "catalog?depth=all").status == (1200 if version >= "3.2" else 1401)
    assert ask(one, "catalog?resolve_references=false").status == (1200 if version >= "3.3" else 1401)
    assert "$ref" not in json.dumps(ask(one, "info?id=references").json)


def test_version_2_0_puts_parameters_into_order_itself(own):
    told = ask(own(version="2.0"), "info?id=everything&parameters=flag,scalar,flag").json
    assert [one["name"] for one in told["parameters"]] == ["Time", "scalar", "flag"]
    assert ask(own(version="2.1"), "info?id=everything&parameters=flag,scalar").status == 1411


# ------------------------------------------------------------------------------------ faults


def test_faults_come_in_order_and_end(own):
    one = own(faults={"data": [status(503, after=1), status(429), error(1500), page()]})
    answers = [ask(one, HALF) for _ in range(5)]
    assert [answer.code for answer in answers] == [503, 429, 500, 200, 200]
    assert answers[0].headers["retry-after"] == "1"
    assert (answers[3].type, answers[4].type) == ("text/html", "text/csv")
    assert len(one.requests("data")) == 5


def test_a_fault_may_depend_on_the_request(own):
    one = own(faults={"data": lambda asked: error(1501) if "00:00:30" in asked.query["stop"] else None})
    assert ask(one, HALF).status == 1501
    assert ask(one, HALF.replace(":30Z", ":29Z")).code == 200


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_answer_is_seen_to_be_cut(own, chunked, reset):
    one = own(faults={"data": cut(1000, chunked=chunked, reset=reset)})
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask(one, HALF)


def test_a_lie_about_the_length_is_seen(own):
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask(own(faults={"data": changed(None, length=10**6)}), HALF)


def test_a_changed_answer_is_well_formed_http(own, server):
    twice = own(faults={"data": changed(lambda body: body + body)})
    assert ask(twice, HALF).body == ask(server, HALF).body * 2


def test_a_slow_drip_arrives(own, server):
    assert ask(own(faults={"data": drip(500, 0.001)}), HALF).body == ask(server, HALF).body


def test_requests_are_noted(own):
    one = own()
    ask(one, "info?id=gaps", X_Who="me")
    assert one.asked[0].path == "/hapi/info?id=gaps"
    assert (one.asked[0].endpoint, one.asked[0].query, one.asked[0].method) == ("info", {"dataset": "gaps"}, "GET")
    assert one.asked[0].headers["X-Who"] == "me"


# ------------------------------------------------------------------------------------ hapiclient reads from it


@pytest.fixture
def read(tmp_path):
    """Return hapiclient's hapi with a cache of its own."""
    hapiclient = pytest.importorskip("hapiclient")

    def hapi(server, dataset, parameters="", start=None, stop=None, form="csv"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return hapiclient.hapi(
                server.url, dataset, parameters, start, stop, cachedir=str(tmp_path), usecache=False, format=form
            )

    return hapi


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "binary"])
@pytest.mark.parametrize("version", VERSIONS)
def test_hapiclient_reads_everything(own, read, version, form):
    one = own(version=version)
    data, _ = read(one, "everything", "", "2001-01-01T00:00:00Z", "2001-01-01T00:01:00Z", form)
    dataset, index = one.datasets["everything"], np.arange(60)
    for parameter in dataset.all_parameters:
        values = parameter.at(index)
        if values.dtype.kind == "U":
            assert [
                text.decode() if isinstance(text, bytes) else text for text in data[parameter.name]
            ] == values.tolist()
        else:
            np.testing.assert_array_equal(data[parameter.name], values)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "binary"])
@pytest.mark.parametrize("name", ["gaps", "varying", "days", "doy", "hours", "minutes", "nanoseconds"])
def test_hapiclient_reads_each_kind_of_time(server, read, name, form):
    from hapiclient import hapitime2datetime

    dataset = server.datasets[name]
    index = dataset.there(np.arange(0, 100))
    start, stop = written(dataset.times(np.array([0, index[-1] + 1])), "ns")
    data, meta = read(server, name, "", str(start), str(stop), form)
    assert meta["parameters"][0]["name"] == dataset.time_name
    times = data[dataset.time_name]
    assert [instant(text.decode()) for text in times] == dataset.times(index).astype(int).tolist()
    if name != "nanoseconds":  # a datetime has no nanoseconds
        found = [int(np.datetime64(time.replace(tzinfo=None), "ns").astype(int)) for time in hapitime2datetime(times)]
        assert found == dataset.times(index).astype(int).tolist()


@pytest.mark.slow
def test_hapiclient_reads_a_subset_and_says_what_is_wrong(server, read):
    data, meta = read(server, "everything", "scalar,vector", "2001-01-01T00:00:00Z", "2001-01-01T00:00:10Z", "binary")
    assert data.dtype.names == ("Time", "scalar", "vector")
    assert meta["parameters"][1]["fill"] == "-1e31"
    with pytest.raises(Exception, match=re.escape("HAPI 1406") + "|unknown dataset id"):
        read(server, "nowhere", "", "2001-01-01T00:00:00Z", "2001-01-01T00:00:10Z")

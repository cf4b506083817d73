"""The HAPI server on loopback does what the HAPI data access specification 3.3 says; sections are named by number."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.hapi import Dataset, HapiServer, Parameter
from servers.hapi_ask import EMPTY, HALF, ask, header_and_rest, record_type
from servers.hapi_data import instant, written

pytestmark = pytest.mark.server


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


# ------------------------------------------------------------------------------------ 3 endpoints


@pytest.mark.parametrize("endpoint", ["about", "capabilities", "catalog", "info?dataset=gaps"])
def test_descriptions_are_json_with_version_and_status(server, endpoint):
    answer = ask(server, endpoint)  # 3.3 to 3.6
    assert (answer.code, answer.type) == (200, "application/json")
    assert answer.json["HAPI"] == "3.3"
    assert answer.json["status"] == {"code": 1200, "message": "OK"}


def test_the_landing_page_is_for_people(server):
    answer = ask(server, "")  # 3.2
    assert (answer.code, answer.type) == (200, "text/html")


@pytest.mark.parametrize(("asked", "where"), [("", ""), ("/info", "?dataset=gaps"), ("/catalog", "")])
def test_a_trailing_slash_is_redirected(server, asked, where):
    answer = ask(server, f"/hapi{asked}/{where}")  # 3.1
    assert (answer.code, answer.headers["location"]) == (301, f"/hapi{asked}{where}")


def test_an_unknown_endpoint_is_a_bad_request(server):
    answer = ask(server, "semantics")  # 4.1
    assert (answer.code, answer.status) == (400, 1400)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_only_get_and_head_are_answered(server, method):
    answer = ask(server, "catalog", method)  # 3.1
    assert (answer.code // 100, answer.status) == (4, 1400)


@pytest.mark.parametrize("path", ["about", "catalog", "info?dataset=gaps", HALF, f"{HALF}&format=binary", EMPTY])
def test_head_gives_the_headers_of_get_and_no_body(server, path):
    got, head = ask(server, path), ask(server, path, "HEAD")  # 5.3
    assert head.body == b""
    got.headers.pop("date"), head.headers.pop("date")
    assert (head.code, head.reason, head.headers) == (got.code, got.reason, got.headers)


@pytest.mark.parametrize(
    "path", ["catalog?x=1", "capabilities?format=csv", "about?id=1", f"{HALF}&avg=5s", "info?ID=1"]
)
def test_unknown_request_parameters_are_refused(server, path):
    answer = ask(server, path)  # 3.1, 5.2
    assert (answer.code, answer.status) == (400, 1401)


@pytest.mark.parametrize(
    "path",
    [
        f"{HALF}&<script>=1",
        f"{HALF}&format=<script>",
        f"{HALF}&parameters=<script>",
        "info?dataset=<script>",
        "data?dataset=gaps&start=<script>&stop=2001Z",
    ],
)
def test_what_was_wrong_is_not_echoed(server, path):
    answer = ask(server, path)  # 5.2
    assert answer.code >= 400
    assert b"script" not in answer.body
    assert "script" not in answer.reason


def test_a_request_parameter_given_twice_is_refused(server):
    assert ask(server, "info?dataset=gaps&id=hours").status == 1400


def test_about_says_who_and_how_to_test(server):
    told = ask(server, "about").json  # 3.3
    assert {"id", "title", "contact"} <= told.keys()
    query = told["dataTest"]["query"]
    answer = ask(server, f"data?dataset={query['dataset']}&start={query['start']}&stop={query['stop']}")
    assert len(answer.rows) > 0


def test_capabilities_list_the_formats(server, own):
    assert ask(server, "capabilities").json["outputFormats"] == ["csv", "binary", "json"]  # 3.4
    assert ask(own(formats=("csv",)), "capabilities").json["outputFormats"] == ["csv"]


def test_the_catalog_lists_every_dataset_once(server):
    ids = [entry["id"] for entry in ask(server, "catalog").json["catalog"]]  # 3.5
    assert ids == list(server.datasets)
    assert len(set(ids)) == len(ids)


def test_the_whole_catalog_holds_each_info_answer(server):
    assert ask(server, "capabilities").json["catalogDepthOptions"] == ["dataset", "all"]  # 3.5
    for entry in ask(server, "catalog?depth=all").json["catalog"]:
        told = ask(server, f"info?dataset={entry['id']}").json
        assert entry["info"] == {key: value for key, value in told.items() if key not in ("HAPI", "status")}


def test_a_server_without_depths_refuses_all_but_one(own):
    shallow = own(depth=False)
    assert "catalogDepthOptions" not in ask(shallow, "capabilities").json
    assert ask(shallow, "catalog?depth=all").status == 1413
    assert ask(shallow, "catalog?depth=dataset").status == 1200


# ------------------------------------------------------------------------------------ 3.6 info


def test_info_has_what_is_required(server):
    for name in server.datasets:
        told = ask(server, f"info?dataset={name}").json  # 3.6.2, 3.6.7
        assert instant(told["startDate"]) < instant(told["stopDate"])
        names = [one["name"] for one in told["parameters"]]
        assert len({one.lower() for one in names}) == len(names)
        first = told["parameters"][0]
        assert (first["type"], first["units"], first["fill"]) == ("isotime", "UTC", None)
        for one in told["parameters"]:
            assert {"name", "type", "units", "fill"} <= one.keys()
            assert one["type"] in ("string", "double", "integer", "isotime")
            assert ("length" in one) == (one["type"] in ("string", "isotime"))
            assert one["units"] != ""
            assert one["fill"] is None or isinstance(one["fill"], str)  # 3.6.9
            assert len(one.get("bins", [])) in (0, len(one.get("size", [])))


def test_bins_fit_the_size_of_their_dimension(server):
    told = ask(server, "info?dataset=everything").json["parameters"]  # 3.6.13
    matrix = next(one for one in told if one["name"] == "matrix")
    for length, bins in zip(matrix["size"], matrix["bins"], strict=True):
        assert {"name", "units"} <= bins.keys()
        assert "centers" in bins or "ranges" in bins
        assert all(len(bins[key]) == length for key in ("centers", "ranges") if key in bins)


def test_bins_that_move_name_a_parameter_of_their_size(server):
    told = {one["name"]: one for one in ask(server, "info?dataset=varying").json["parameters"]}  # 3.6.13
    (bins,) = told["flux"]["bins"]
    assert told[bins["centers"]]["size"] == told["flux"]["size"]
    assert told[bins["ranges"]]["size"] == [*told["flux"]["size"], 2]


def test_a_dimension_without_bins_says_so(own):
    plain = {"name": "component", "units": None, "centers": None}  # 3.6.13
    told = ask(own(Dataset("a", (Parameter("x", size=(3,), bins=(plain,)),))), "info?dataset=a").json
    assert told["parameters"][1]["bins"] == [plain]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("", None),  # 3.6.1: empty is all
        ("Time", ["Time"]),
        ("vector", ["Time", "vector"]),
        ("scalar,vector", ["Time", "scalar", "vector"]),
        ("Time,scalar,counts", ["Time", "scalar", "counts"]),
    ],
)
def test_a_subset_has_time_first_and_the_same_columns_in_header_and_data(server, asked, given):
    told = ask(server, f"info?dataset=everything&parameters={asked}").json
    names = [one["name"] for one in told["parameters"]]
    assert names == (given or [one.name for one in server.datasets["everything"].all_parameters])
    assert ask(server, f"{HALF}&parameters={asked}&format=json").json["parameters"] == told["parameters"]
    columns = sum(int(np.prod(one.get("size", [1]))) for one in told["parameters"])
    assert {len(row) for row in ask(server, f"{HALF}&parameters={asked}").rows} == {columns}


@pytest.mark.parametrize("asked", ["vector,scalar", "scalar,scalar", "scalar,Time", "Time,Time"])
@pytest.mark.parametrize("where", ["info?dataset=everything", HALF])
def test_disorder_and_duplicates_are_refused(server, where, asked):
    answer = ask(server, f"{where}&parameters={asked}")  # 3.6.1, 4.2
    assert (answer.code, answer.status) == (400, 1411)


def test_references_are_resolved_unless_the_request_says_otherwise(server):
    plain = ask(server, "info?dataset=references").json  # 3.6.14
    assert "definitions" not in plain
    assert ask(server, "info?dataset=references&resolve_references=true").json == plain
    raw = ask(server, "info?dataset=references&resolve_references=false").json
    assert raw["parameters"][1]["units"] == {"$ref": "#/definitions/flux"}
    assert plain["parameters"][1]["units"] == raw["definitions"]["flux"]
    assert plain["parameters"][1]["bins"] == [raw["definitions"]["energies"]]
    assert "$ref" not in json.dumps(raw["definitions"])


@pytest.mark.parametrize("where", ["catalog?", "info?dataset=gaps&"])
def test_references_are_resolved_or_not_and_nothing_else(server, where):
    assert ask(server, f"{where}resolve_references=no").status == 1412  # 4.2


def test_extensions_begin_with_x(server):
    assert ask(server, "info?dataset=varying").json["x_note"] == "an extension"  # 3.6


def test_names_may_be_unicode(server):
    assert ask(server, "info?dataset=path/to:α-1&parameters=höhe").json["parameters"][1]["name"] == "höhe"  # 8.2
    rows = ask(server, "data?dataset=path/to:α-1&parameters=höhe&start=2001-01-01Z&stop=2001-01-01T00:02Z").rows
    assert len(rows) == 2


# ------------------------------------------------------------------------------------ 3.7 data


def test_each_format_has_its_type(server):
    types = {form: ask(server, f"{HALF}&format={form}").type for form in ("csv", "binary", "json")}  # 3.7.2
    assert types == {"csv": "text/csv", "binary": "application/octet-stream", "json": "application/json"}


def test_csv_is_the_default(server):
    assert ask(server, HALF).body == ask(server, f"{HALF}&format=csv").body  # 3.7.2


@pytest.mark.parametrize("form", ["csv", "binary"])
def test_a_header_is_the_info_answer_behind_hashes(server, form):
    query = f"{HALF}&parameters=vector&format={form}"  # 3.6, 3.7.2
    head, rest = header_and_rest(ask(server, f"{query}&include=header").body)
    assert rest == ask(server, query).body
    assert head.pop("format") == form
    assert head == ask(server, "info?dataset=everything&parameters=vector").json


@pytest.mark.parametrize("include", ["", "&include=header"])
def test_json_always_has_its_header_and_data_last(server, include):
    told = ask(server, f"{HALF}&parameters=vector&format=json{include}").json  # 3.7.4.3
    assert list(told)[-1] == "data"
    assert told.pop("format") == "json"
    assert len(told.pop("data")) == 30
    assert told == ask(server, "info?dataset=everything&parameters=vector").json


def test_csv_quotes_what_needs_it(server):
    body = ask(server, f"{HALF}&parameters=word").body.decode()  # 3.7.4.1
    lines = body.split("\n")
    assert lines[1] == '2001-01-01T00:00:01.000Z,"a,b"'
    assert lines[2] == '2001-01-01T00:00:02.000Z,"say ""so"""'
    assert lines[3] == "2001-01-01T00:00:03.000Z,"
    assert body.endswith("\n")
    assert not lines[0].startswith("Time")  # 3.7.3.2: no row of names


def test_binary_is_little_endian_packed_and_padded_with_nulls(server):
    parameters = (
        Parameter("n", "integer", values=lambda i: i + 258),
        Parameter("s", "string", length=4, values=lambda i: np.array(["ä", "abcd"])[i]),
        Parameter("x", values=lambda i: i + 0.5),
    )
    made = Dataset("a", parameters, cadence="PT1H", stop="2001-01-01T02", time_unit="m")
    with HapiServer([made]) as one:
        body = ask(one, "data?dataset=a&start=2001-01-01Z&stop=2001-01-01T02Z&format=binary").body
    assert (
        body
        == (  # 3.7.4.2
            b"2001-01-01T00:00Z" + b"\x02\x01\x00\x00" + b"\xc3\xa4\x00\x00" + b"\x00\x00\x00\x00\x00\x00\xe0\x3f"
            b"2001-01-01T01:00Z" + b"\x03\x01\x00\x00" + b"abcd" + b"\x00\x00\x00\x00\x00\x00\xf8\x3f"
        )
    )


def test_the_last_index_of_an_array_moves_fastest(own):
    made = Dataset("a", (Parameter("m", size=(2, 3), values=lambda i: i[:, None] * 6 + np.arange(6)),))
    query = "data?dataset=a&start=2001-01-01Z&stop=2001-01-01T00:00:02Z"  # 3.6.8
    one = own(made)
    assert [float(value) for value in ask(one, query).rows[1][1:]] == [6, 7, 8, 9, 10, 11]
    assert ask(one, f"{query}&format=json").json["data"][1][1] == [[6, 7, 8], [9, 10, 11]]
    assert ask(one, f"{query}&format=binary").body[24:72] == np.arange(6, dtype="<f8").tobytes()


@pytest.mark.parametrize("name", ["everything", "varying", "gaps", "days", "doy", "hours", "minutes", "nanoseconds"])
def test_the_three_formats_say_the_same(server, name):
    dataset = server.datasets[name]
    index = dataset.there(np.arange(0, 200))
    stop = written(dataset.times(index[-1:] + 1), "ns")[0]
    query = f"data?dataset={name}&start={dataset.start}Z&stop={stop}"
    info = ask(server, f"info?dataset={name}").json
    table = np.frombuffer(ask(server, f"{query}&format=binary").body, record_type(info))
    rows = ask(server, query).rows
    records = ask(server, f"{query}&format=json").json["data"]
    assert len(table) == len(rows) == len(records) == len(index)
    column = 0
    for place, parameter in enumerate(dataset.all_parameters):
        values, width = parameter.at(index), int(np.prod(parameter.size))
        texts = [row[column : column + width] for row in rows]
        given = [record[place] for record in records]
        if parameter.type in ("double", "integer"):
            np.testing.assert_array_equal(table[parameter.name], values)
            np.testing.assert_array_equal(np.array(texts, float).reshape(values.shape), values)
            np.testing.assert_array_equal(np.array(given, float), values)
        else:
            assert [one.decode() for one in table[parameter.name]] == values.tolist() == given
            assert [text for (text,) in texts] == given
        column += width


def test_fills_are_written_as_they_are_declared(server):
    rows = ask(server, f"{HALF}&parameters=scalar,flag,nan").rows  # 3.6.9
    assert rows[3][1] == "-1e31"
    assert rows[5][2] == "-2147483648"
    assert rows[1][3] == "NaN"
    assert ask(server, f"{HALF}&parameters=nan&format=json").json["data"][1][1] is None
    body = ask(server, f"{HALF}&parameters=nan&format=binary").body
    assert body[32 + 24 : 64] == b"\x00\x00\x00\x00\x00\x00\xf8\x7f"  # the quiet NaN


def test_an_interval_has_its_start_and_not_its_stop(server):
    rows = ask(server, "data?dataset=gaps&start=2001-01-01T00:10Z&stop=2001-01-01T00:13Z&parameters=Time").rows
    assert [row[0][11:16] for row in rows] == ["00:10", "00:11", "00:12"]  # 3.7.2


def test_intervals_between_records_have_none(server):
    answer = ask(server, "data?dataset=gaps&start=2001-01-01T00:10:00.000001Z&stop=2001-01-01T00:10:59.9Z")
    assert (answer.code, answer.body) == (200, b"")


@given(cuts=st.lists(st.integers(1, 2 * 1440 * 60 - 1), min_size=1, max_size=4, unique=True))
def test_adjacent_intervals_join_to_the_whole(server, cuts):
    places = [0, *sorted(cuts), 2 * 1440 * 60]  # 3.7.2: "the concatenation of results from adjacent time ranges"
    times = written(np.datetime64("2001-01-01", "ns") + np.array(places) * np.timedelta64(1, "s"), "s")
    parts = [
        ask(server, f"data?dataset=gaps&start={start}&stop={stop}").body for start, stop in itertools.pairwise(times)
    ]
    assert b"".join(parts) == ask(server, "data?dataset=gaps&start=2001-01-01Z&stop=2001-01-03Z").body


@pytest.mark.parametrize("name", ["gaps", "doy", "nanoseconds", "days"])
def test_times_increase_have_one_length_and_are_those_declared(server, name):
    dataset = server.datasets[name]
    told = ask(server, f"info?dataset={name}").json
    rows = ask(server, f"data?dataset={name}&start={told['startDate']}&stop={told['stopDate']}").rows
    texts = [row[0] for row in rows]
    assert texts == sorted(set(texts))  # 3.7.6.2
    assert {len(text) for text in texts} == {told["parameters"][0]["length"]}
    assert all(text.endswith("Z") for text in texts)
    assert [instant(text) for text in texts] == dataset.truth(told["parameters"][0]["name"])[0].astype(int).tolist()


# ------------------------------------------------------------------------------------ 3.7.6 times


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2001", "2001-01-01T00:00:00Z"),
        ("2001Z", "2001-01-01T00:00:00Z"),
        ("2001-02Z", "2001-02-01T00:00:00Z"),
        ("2001-032Z", "2001-02-01T00:00:00Z"),
        ("2000-366", "2000-12-31T00:00:00Z"),
        ("2001-01-15Z", "2001-01-15T00:00:00Z"),
        ("2001-015T23Z", "2001-01-15T23:00:00Z"),
        ("2001-01-15T23:10", "2001-01-15T23:10:00Z"),
        ("2001-01-15T24:00:00Z", "2001-01-16T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2001-01-15T23:10:11.5Z", "2001-01-15T23:10:11.500000000Z"),
        ("1700-001T00:00Z", "1700-01-01Z"),
    ],
)
def test_truncated_times_mean_their_smallest_value(text, same):
    assert instant(text) == instant(same) == np.datetime64(same.rstrip("Z"), "ns").astype(int)  # 3.7.6.1


@pytest.mark.parametrize(
    "text",
    ["", "Z", "01", "2001-1", "2001-13", "2001-02-30", "2001-366", "2001-000", "2001-01-01T", "2001-01-01TZ", "2001T00",
     "2001-01T00Z", "2001-01-01T25:00Z", "2001-01-01T24:01Z", "2001-01-01T00:60Z", "2001-01-01T00:00:61Z", "20010101",
     "2001-01-01T00:00:00.Z", "2001-01-01 00:00", "2001-01-01T00:00:00+00:00", "yesterday", "2001-01-01ZZ", "٢٠٠١"],
)  # fmt: skip
@pytest.mark.parametrize(("name", "code"), [("start", 1402), ("stop", 1403)])
def test_times_that_are_none_are_refused(server, text, name, code):
    times = {"start": "2001-01-01Z", "stop": "2001-01-02Z", name: text.replace("+", "%2B")}  # 3.7.6.1, 4.2
    answer = ask(server, f"data?dataset=gaps&start={times['start']}&stop={times['stop']}")
    assert (answer.code, answer.status) == (400, code)


@given(nanoseconds=st.integers(-(10**18), 4 * 10**18), day_of_year=st.booleans())
def test_a_time_written_reads_the_same(nanoseconds, day_of_year):
    times = np.array([nanoseconds], "M8[ns]")
    assert instant(str(written(times, "ns", day_of_year=day_of_year)[0])) == nanoseconds


# ------------------------------------------------------------------------------------ 3.7.6.3 nothing


def test_nothing_is_said_in_the_reason_and_the_body_is_empty(server):
    answer = ask(server, EMPTY)
    assert (answer.code, answer.body) == (200, b"")
    assert answer.reason == "OK; HAPI 1201 OK - no data for time range"


@pytest.mark.parametrize("form", ["csv", "binary"])
def test_nothing_is_said_in_the_header(server, form):
    head, rest = header_and_rest(ask(server, f"{EMPTY}&include=header&format={form}").body)
    assert (head["status"]["code"], rest) == (1201, b"")


def test_nothing_is_said_in_json(server):
    told = ask(server, f"{EMPTY}&format=json").json
    assert (told["status"]["code"], told["data"]) == (1201, [])


def test_a_server_may_not_know_that_there_is_nothing(own):
    answer = ask(own(empty=1200), EMPTY)
    assert (answer.code, answer.reason, answer.body) == (200, "OK; HAPI 1200 OK", b"")


def test_a_server_may_answer_204(own):
    bare = own(empty=204)  # 4.3: only without a header
    assert (ask(bare, EMPTY).code, ask(bare, EMPTY).body) == (204, b"")
    assert ask(bare, f"{EMPTY}&include=header").code == 200


def test_only_fills_are_still_records(own):
    made = Dataset("a", (Parameter("x", fill="-1e31", values=lambda i: np.full(len(i), -1e31)),))
    rows = ask(own(made), "data?dataset=a&start=2001-01-01Z&stop=2001-01-01T00:00:03Z").rows  # 3.7.6.4
    assert [row[1] for row in rows] == ["-1e31"] * 3

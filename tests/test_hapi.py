"""Asking HAPI servers: what is asked, how it is cut, what is held, what is told when something is wrong."""

import contextlib
import functools
import itertools
import json
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.hapi import Bins, Dataset, HapiServer, Parameter, changed, cut, error, page, status
from tiers import examples

from analysis import store
from analysis.archives import _hapiasking as asking
from analysis.archives import _hapiblocks as cutting
from analysis.archives import _hapibringing as bringing
from analysis.archives import hapi
from analysis.download import Limits
from analysis.errors import (
    AnalysisWarning,
    BadAnswer,
    BadOption,
    BadTime,
    NotFound,
    Offline,
    OutsideCoverage,
    QueryRefused,
    UnknownProduct,
    UnknownVariable,
    Unreachable,
    WrongData,
)
from analysis.model import breaches, provenance_of

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::analysis.errors.AnalysisWarning")]

HOUR = Dataset("hour", (Parameter("level", units="m", fill="-1e31"),), cadence="PT1S", stop="2001-01-01T01")
LONG = Dataset(
    "long",
    (
        Parameter("level", units="m", fill="-1e31", values=lambda i: np.where(i % 11 == 4, -1e31, np.sin(i / 7))),
        Parameter("flag", "integer", None, "-1", values=lambda i: i % 5),
        Parameter("b", units="nT", fill="-1e31", size=(3,), label=["Bx", "By", "Bz"], description="Field in GSE"),
    ),
    start="2000-12-30T00:03",
    stop="2001-01-05T22",
    cadence="PT7M",
    missing=((40, 90), (300, 301), (700, 1100)),
)


@pytest.fixture(autouse=True)
def fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(asking, "PAUSE", 0.005)
    bringing._nothing_beyond.clear()
    asking._silent.clear()


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(HapiServer(*args, **options))


def small_blocks(monkeypatch, size=20_000):
    """Let blocks hold some hundred records, so that little data makes many parts."""
    monkeypatch.setattr(cutting, "LARGEST", size)
    monkeypatch.setattr(cutting, "FEWEST", size)


def spoiled(change):
    """Spoil answers that have data or could have, not those that refuse."""
    return changed(lambda body: change(body) if b'"parameters"' in body else body)


def is_truth(found, dataset, name, start, stop):
    times, values = dataset.truth(name, start, stop)
    np.testing.assert_array_equal(found["time"].values, times)
    np.testing.assert_array_equal(found[name].values, values)


# ------------------------------------------------------------------------------------ versions and formats


@pytest.mark.parametrize("version", ["2.0", "2.1", "3.0", "3.1", "3.2", "3.3"])
@pytest.mark.parametrize("form", ["binary", "csv", "json"])
def test_each_version_and_format_gives_what_the_server_computes(serve, monkeypatch, version, form):
    small_blocks(monkeypatch, 300_000)
    server = serve(version=version, formats=("csv",) if form == "csv" else ("csv", form))
    truth = server.datasets["everything"]
    found = hapi.data(server.url, "everything", "2001-01-01T00:10", "2001-01-01T00:12")
    assert not breaches(found)
    for name in ("scalar", "flag", "vector", "spectrum", "matrix", "nan", "counts", "image"):
        is_truth(found, truth, name, "2001-01-01T00:10", "2001-01-01T00:12")
    words = truth.truth("word", "2001-01-01T00:10", "2001-01-01T00:12")[1]
    np.testing.assert_array_equal(found.word.values, words)
    forms = {asked.query["format"] for asked in server.requests("data")}
    assert forms == ({"csv"} if form == "json" else {form})
    old = version.startswith("2")
    assert all(("time.min=" in asked.path) == old for asked in server.requests("data"))
    assert bool(server.requests("about")) is not old


def test_a_server_that_has_only_json_besides_is_understood_in_json(serve, monkeypatch):
    small_blocks(monkeypatch, 50_000)
    server = serve(formats=("json",))
    found = hapi.data(server.url, "everything", "2001-01-01", "2001-01-01T00:01")
    is_truth(found, server.datasets["everything"], "matrix", "2001-01-01", "2001-01-01T00:01")
    assert {asked.query["format"] for asked in server.requests("data")} == {"json"}


def test_all_three_formats_give_equal_datasets(serve, monkeypatch):
    small_blocks(monkeypatch, 50_000)
    found = []
    for form in ("binary", "csv", "json"):
        server = serve(formats=(form,))
        made = hapi.data(server.url, "everything", "2001-01-01", "2001-01-01T00:02")
        found.append(made.drop_attrs(deep=False))
    xr.testing.assert_identical(found[0], found[1])
    xr.testing.assert_identical(found[0], found[2])


@pytest.mark.parametrize("options", [{"chunked": False}, {"gzip": False}, {"newline": "\r\n", "formats": ("csv",)}])
def test_how_the_answer_travels_does_not_matter(serve, options):
    server = serve([HOUR], **options)
    is_truth(hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01"), HOUR, "level", None, None)


@pytest.mark.parametrize("name", ["days", "hours", "minutes", "doy", "nanoseconds", "path/to:α-1"])
def test_times_of_any_precision_and_names_of_any_letters_come_right(serve, name):
    server = serve()
    truth = server.datasets[name]
    found = hapi.data(server.url, name, truth.start, truth.stop)
    is_truth(found, truth, truth.parameters[0].name, truth.start, truth.stop)


# ------------------------------------------------------------------------------------ metadata


def test_catalog_lists_ids_and_titles(serve):
    server = serve([HOUR, Dataset("named", HOUR.parameters, title="A title")])
    found = hapi.catalog(server.url)
    assert found.to_dict("list") == {"id": ["hour", "named"], "title": ["hour", "A title"]}


def test_metadata_are_asked_for_once_and_work_offline_then(serve):
    server = serve([HOUR])
    first = hapi.info(server.url, "hour"), hapi.about(server.url), hapi.capabilities(server.url)
    asked = len(server.asked)
    with store.offline():
        assert first == (hapi.info(server.url, "hour"), hapi.about(server.url), hapi.capabilities(server.url))
    assert len(server.asked) == asked


def test_what_a_caller_does_to_an_answer_stays_with_the_caller(serve):
    server = serve([HOUR])
    hapi.info(server.url, "hour")["parameters"].clear()
    hapi.capabilities(server.url).clear()
    assert len(hapi.info(server.url, "hour")["parameters"]) == 2


def test_info_of_some_parameters_is_in_the_datasets_order(serve):
    server = serve([LONG])
    assert [p["name"] for p in hapi.info(server.url, "long", parameters=["b", "level"])["parameters"]] == [
        "Time",
        "level",
        "b",
    ]


def test_references_in_a_description_are_followed(serve):
    server = serve(faults={"info": changed(lambda body: _with_references(body))})
    found = hapi.info(server.url, "references")
    assert found["parameters"][1]["bins"][0]["centers"] == [15.0, 25.0, 35.0, 45.0]
    assert "definitions" not in found
    data = hapi.data(server.url, "references", "2001-01-01", "2001-01-01T00:01")
    assert data.ions.dims == ("time", "energy")


def _with_references(body):
    told = json.loads(body)
    bins = told["parameters"][1]["bins"][0]
    told["definitions"] = {"e": bins}
    for parameter in told["parameters"][1:]:
        parameter["bins"] = [{"$ref": "#/definitions/e"}]
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    ("breach", "field"),
    [
        (lambda told: told["parameters"][1].update(type="float"), r"parameters\[1\] \(level\).type"),
        (lambda told: told["parameters"][1].update(size=[0]), "size"),
        (lambda told: told["parameters"][0].update(type="double"), "must be the time"),
        (lambda told: told.pop("parameters"), "parameters"),
        (lambda told: told.pop("startDate"), "startDate"),
        (lambda told: told.update(stopDate="next year"), "stopDate"),
        (lambda told: told.update(cadence="1 minute"), "cadence"),
        (lambda told: told["parameters"][1].update(fill="none at all"), "fill"),
        (lambda told: told["parameters"][1].update(name="Time"), "Time"),
        (lambda told: told.pop("status"), "status.code"),
        (lambda told: told.update(HAPI=3), "HAPI"),
    ],
)
def test_a_description_that_breaks_the_specification_is_refused_by_its_field(serve, breach, field):
    def broken(body):
        told = json.loads(body)
        breach(told)
        return json.dumps(told).encode()

    server = serve([HOUR], faults={"info": changed(broken)})
    with pytest.raises(BadAnswer, match=field):
        hapi.info(server.url, "hour")


def test_a_page_for_people_instead_of_an_answer_is_not_kept(serve):
    server = serve([HOUR], faults={"info": [page()]})
    with pytest.raises(BadAnswer, match="none of HAPI's"):
        hapi.info(server.url, "hour")
    assert hapi.info(server.url, "hour")["cadence"] == "PT1S"


# ------------------------------------------------------------------------------------ parts


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_interval_cut_on_any_edges_holds_each_record_once(interval_server, monkeypatch, data):
    minutes = st.integers(-300, 10_500)
    one, other = sorted(data.draw(st.lists(minutes, min_size=2, max_size=2, unique=True)))
    small_blocks(monkeypatch, data.draw(st.sampled_from([500, 2_000, 6_000, 40_000, 10**7])))
    begin = np.datetime64("2000-12-30", "m")
    start, stop = f"{begin + one}Z", f"{begin + other}Z"
    names = data.draw(st.sampled_from([None, ["level"], ["b", "level"], ["flag"]]))
    if not len(LONG.truth("level", start, stop)[0]):
        with pytest.raises(OutsideCoverage):
            hapi.data(interval_server.url, "long", start, stop, parameters=names)
        return
    found = hapi.data(interval_server.url, "long", start, stop, parameters=names)
    for name in found.data_vars:
        is_truth(found, LONG, str(name), start, stop)


@pytest.fixture(scope="module")
def interval_server():
    with HapiServer([LONG]) as server:
        yield server


def test_a_second_fetch_asks_the_server_nothing(serve, monkeypatch):
    small_blocks(monkeypatch)
    server = serve([LONG])
    first = hapi.data(server.url, "long", "2000-12-01", "2001-02-01")
    asked = len(server.asked)
    second = hapi.data(server.url, "long", "2000-12-01", "2001-02-01")
    assert len(server.asked) == asked
    xr.testing.assert_equal(first, second)
    with store.offline():
        xr.testing.assert_equal(first, hapi.data(server.url, "long", "2000-12-01", "2001-02-01"))


def test_overlapping_intervals_share_their_parts(serve, monkeypatch):
    small_blocks(monkeypatch, 8_000)
    server = serve([LONG])
    hapi.data(server.url, "long", "2000-12-31", "2001-01-03", parameters=["level", "flag"])
    first = {asked.path for asked in server.requests("data")}
    hapi.data(server.url, "long", "2001-01-01T05", "2001-01-04", parameters=["flag", "level"])
    paths = [asked.path for asked in server.requests("data")]
    assert len(paths) == len(set(paths))
    assert 0 < len(set(paths) - first) < len(first)


def test_parts_lie_on_edges_of_the_calendar_and_touch(serve, monkeypatch):
    small_blocks(monkeypatch, 8_000)
    server = serve([LONG])
    parts = hapi.plan(server.url, "long", "2000-12-31T05:17", "2001-01-02T19:44")
    assert len(parts) > 3
    for one, other in itertools.pairwise(parts):
        assert one.stop == other.start
        assert one.stop.astype("M8[h]") == one.stop
    assert parts[0].start <= np.datetime64("2000-12-31T05:17") < parts[0].stop


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cadence", "width", "block"),
    [("PT1S", 104, "1 days"), ("PT1M", 104, "31 days"), ("PT1H", 104, "365 days"), ("PT0.01S", 104, "10 minutes")],
)
def test_a_block_is_as_long_as_cadence_and_width_of_a_record_make_a_good_file(serve, cadence, width, block):
    parameters = tuple(Parameter(f"p{i}", units="m") for i in range((width - 24) // 8))
    server = serve([Dataset("d", parameters, cadence=cadence, start="2001-01-01", stop="2003-01-01")])
    part = hapi.plan(server.url, "d", "2001-01-05", "2001-03-01")[0]
    assert pd.Timedelta(part.stop - part.start) == pd.Timedelta(block)


def test_no_request_is_longer_than_the_server_allows(serve):
    server = serve()
    found = hapi.data(server.url, "short", "2001-01-01", "2001-01-03")
    is_truth(found, server.datasets["short"], "level", None, None)
    assert all(
        pd.Timedelta(p.stop - p.start) <= pd.Timedelta("6h") for p in hapi.plan(server.url, "short", "2001", "2002")
    )


def test_a_request_that_is_too_much_is_cut_smaller(serve):
    def limited(asked):
        length = np.datetime64(asked.query["stop"][:-1]) - np.datetime64(asked.query["start"][:-1])
        return error(1408) if length > np.timedelta64(6, "h") else None

    server = serve([LONG], faults={"data": limited})
    is_truth(hapi.data(server.url, "long", "2001-01-01", "2001-01-02"), LONG, "level", "2001-01-01", "2001-01-02")


def test_a_server_that_refuses_even_the_smallest_request_is_told_of(serve):
    server = serve([HOUR], faults={"data": lambda asked: error(1408)})
    with pytest.raises(QueryRefused, match="fewer parameters"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T00:00:20")
    assert len(server.requests("data")) < 30


def test_a_dataset_without_a_cadence_is_cut_by_days(serve):
    server = serve([Dataset("d", LONG.parameters, cadence="PT7M", stop="2001-01-04", tell_cadence=False)])
    assert len(hapi.plan(server.url, "d", "2001-01-01T12", "2001-01-03")) == 2


def test_the_last_record_comes_from_servers_that_count_it_in_and_from_those_that_do_not(serve):
    strict = serve([HOUR])
    assert hapi.data(strict.url, "hour", "2001-01-01", "2001-01-02").sizes["time"] == 3600
    refused = len(strict.requests("data"))
    assert hapi.data(strict.url, "hour", "2001-01-01", "2001-01-02").sizes["time"] == 3600
    assert len(strict.requests("data")) == refused
    earlier = changed(lambda body: body.replace(b"2001-01-01T01:00:00.000Z", b"2001-01-01T00:59:59.000Z"))
    loose = serve([HOUR], faults={"info": earlier})
    assert hapi.data(loose.url, "hour", "2001-01-01", "2001-01-02").sizes["time"] == 3600


def test_what_may_still_grow_is_asked_for_sooner_than_what_is_over(serve):
    now = np.datetime64("now", "s")
    dataset = Dataset("d", LONG.parameters[:1], cadence="PT1M", start=f"{now - 86400 * 100}Z", stop=f"{now}Z")
    parts = hapi.plan(serve([dataset]).url, "d", now - 86400 * 90, now - 60)
    assert parts[-1].fresh_for < 3600 <= parts[0].fresh_for


def test_parts_are_current_for_as_long_as_the_dataset_was_not_modified(serve):
    modified = Dataset("d", LONG.parameters[:1], stop="2002-01-01", more={"modificationDate": "2011-01-01Z"})
    part = hapi.plan(serve([modified]).url, "d", "2001-02-01", "2001-02-02")[0]
    assert part.fresh_for > 10 * 365 * 86400


# ------------------------------------------------------------------------------------ what comes out


def test_axes_units_and_frames_are_those_of_the_contract(serve):
    server = serve()
    found = hapi.data(server.url, "everything", "2001-01-01", "2001-01-01T00:01")
    assert found.vector.dims == ("time", "component") and found.vector.attrs["frame"] == "GSE"
    assert found.component.values.tolist() == ["x", "y", "z"]
    assert found.matrix.dims == ("time", "energy", "pitch_angle")
    assert found.energy.values.tolist() == [15.0, 25.0, 35.0, 45.0] and found.energy.attrs["units"] == "keV"
    assert found.energy_low.values.tolist() == [10.0, 20.0, 30.0, 40.0]
    assert found.pitch_angle.values.tolist() == [30.0, 90.0, 150.0]
    assert [found[f"polar_{i}"].attrs["units"] for i in (1, 2, 3)] == ["km", "deg", "deg"]
    assert found.other_time.dtype == "datetime64[ns]" and np.isnat(found.other_time.values[4])
    assert np.isnan(found.flag.values[5]) and found.flag.attrs["units"] == "1"


def test_bins_that_change_in_time_are_tables_beside_their_axis(serve):
    server = serve()
    found = hapi.data(server.url, "varying", "2001-01-01", "2001-01-01T02", parameters=["flux"])
    centers = server.datasets["varying"].truth("energy_centers")[1]
    np.testing.assert_array_equal(found.energy_table.values, centers)
    np.testing.assert_array_equal(found.energy_high.values, centers + 5)
    assert found.flux.dims == ("time", "energy") and list(found.data_vars) == ["flux"]


def test_one_dim_with_two_meanings_makes_a_tree(serve):
    def spectrum(name, centers):
        return Parameter(name, units="s-1", size=(2,), bins=(Bins("energy", "keV", centers=centers),))

    both = Dataset("two", (spectrum("ions", [1.0, 2.0]), spectrum("electrons", [3.0, 4.0]), HOUR.parameters[0]))
    found = hapi.data(serve([both]).url, "two", "2001-01-01", "2001-01-01T00:01")
    assert isinstance(found, xr.DataTree) and not breaches(found)
    assert found["ions"].energy.values.tolist() == [1.0, 2.0]
    assert found["electrons"].energy.values.tolist() == [3.0, 4.0]
    assert all(provenance_of(node)["query"]["dataset"] == "two" for node in found.children.values())


def test_units_that_differ_along_two_axes_are_refused(serve):
    one = Parameter("odd", units=[["m", "s"], ["kg", "K"]], size=(2, 2))
    with pytest.raises(WrongData, match="odd differ along 2"):
        hapi.data(serve([Dataset("d", (one,))]).url, "d", "2001-01-01", "2001-01-01T00:01")


def test_a_unit_that_nobody_knows_is_kept_and_warned_of(serve):
    odd = Dataset("d", (Parameter("x", units="furlong per fortnight?"),))
    with pytest.warns(AnalysisWarning, match="furlong"):
        found = hapi.data(serve([odd]).url, "d", "2001-01-01", "2001-01-01T00:01")
    assert found.x.attrs["archive_units"] == "furlong per fortnight?"


def test_a_frame_may_be_given_by_the_caller(serve):
    vector = Parameter("b", units="nT", size=(3,), label=["Bx", "By", "Bz"])
    url = serve([Dataset("d", (vector,))]).url
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = hapi.data(url, "d", "2001-01-01", "2001-01-01T00:01", assume={"frame.b": "GSM"})
    assert found.b.attrs["frame"] == "GSM"
    with pytest.raises(BadOption, match="understand"):
        hapi.data(url, "d", "2001-01-01", "2001-01-01T00:01", assume={"colour": "red"})


def test_provenance_names_each_part_and_how_to_get_it_again(serve, monkeypatch):
    small_blocks(monkeypatch, 8_000)
    cited = Dataset(
        "d", LONG.parameters, more={"datasetCitation": "https://doi.org/10.0000/x", "contact": "A. N. Other"}
    )
    server = serve([cited])
    found = hapi.data(server.url, "d", "2001-01-01", "2001-01-01T01")
    told = provenance_of(found)
    assert told["urls"] and len(told["urls"]) == len(told["sha256"]) == len(told["retrieved"])
    assert all(store.reference(url).sha256 == digest for url, digest in zip(told["urls"], told["sha256"], strict=True))
    assert told["query"]["parameters"] == ["Time", "level", "flag", "b"]
    assert found.attrs["references"] == "https://doi.org/10.0000/x" and found.attrs["contact"] == "A. N. Other"
    assert found.attrs["institution"] == "Computed records"


# ------------------------------------------------------------------------------------ gaps


def test_gaps_are_where_records_are_missing(serve, monkeypatch):
    small_blocks(monkeypatch, 8_000)
    server = serve()
    found = hapi.data(server.url, "gaps", "2001-01-01", "2001-01-03")
    told = hapi.gaps(found)
    assert told.start.dt.strftime("%dT%H:%M").tolist() == ["01T01:00", "01T23:20", "02T23:50"]
    assert told.stop.dt.strftime("%dT%H:%M").tolist() == ["01T02:00", "02T01:00", "03T00:00"]
    assert "2 gaps" in found.attrs["history"]


@pytest.mark.slow
def test_a_part_without_any_record_is_a_gap_and_no_error(serve, monkeypatch):
    small_blocks(monkeypatch, 3_000)
    for empty in (1200, 1201):
        server = serve([LONG], empty=empty)
        found = hapi.data(server.url, "long", "2001-01-01", "2001-01-05")
        is_truth(found, LONG, "level", "2001-01-01", "2001-01-05")
        assert hapi.gaps(found).duration.max() > pd.Timedelta("46h")


def test_an_interval_without_records_is_outside_and_says_what_the_dataset_covers(serve):
    server = serve()
    with pytest.raises(OutsideCoverage, match="covers 2001-01-01T00:00:00 to 2001-01-03"):
        hapi.data(server.url, "gaps", "2001-01-01T01:10", "2001-01-01T01:50")


def test_data_from_elsewhere_have_no_gap_report():
    with pytest.raises(WrongData, match="gaps"):
        hapi.gaps(xr.Dataset())


# ------------------------------------------------------------------------------------ chunks


def test_chunks_give_the_same_values_one_chunk_a_part(serve, monkeypatch):
    small_blocks(monkeypatch, 8_000)
    for form in ("binary", "csv"):
        server = serve([LONG], formats=(form,))
        eager = hapi.data(server.url, "long", "2000-12-30", "2001-01-05")
        lazy = hapi.data(server.url, "long", "2000-12-30", "2001-01-05", chunks={})
        parts = [p for p in hapi.plan(server.url, "long", "2000-12-30", "2001-01-05")]
        assert 3 < len(lazy.level.chunks[0]) <= len(parts)
        xr.testing.assert_equal(lazy.compute(), eager)
        assert not breaches(lazy)


def test_texts_times_and_tables_come_lazily_too(serve, monkeypatch):
    small_blocks(monkeypatch, 300_000)
    server = serve()
    for name in ("everything", "varying"):
        ask = (server.url, name, "2001-01-01", "2001-01-01T00:20")
        xr.testing.assert_equal(hapi.data(*ask, chunks={}).compute(), hapi.data(*ask))


# ------------------------------------------------------------------------------------ what users get wrong


def test_a_wrong_id_is_answered_with_near_ones(serve):
    server = serve()
    for version in ("2.0", "3.3"):
        server = serve(version=version)
        with pytest.raises(UnknownProduct, match="'Varing'; near: varying"):
            hapi.data(server.url, "Varing", "2001-01-01", "2001-01-02")


def test_a_wrong_id_is_known_on_servers_that_only_say_bad_request(serve):
    server = serve([HOUR], faults={"info": lambda asked: error(1400) if asked.query["dataset"] != "hour" else None})
    with pytest.raises(UnknownProduct, match="near: hour"):
        hapi.info(server.url, "houre")


def test_a_wrong_parameter_is_answered_with_near_ones(serve):
    server = serve()
    with pytest.raises(UnknownVariable, match="'spectrm'; near: spectrum"):
        hapi.data(server.url, "everything", "2001-01-01", "2001-01-02", parameters=["spectrm"])
    assert not server.requests("data")


def test_a_time_outside_coverage_is_answered_with_the_coverage(serve):
    server = serve([HOUR])
    with pytest.raises(OutsideCoverage, match="covers 2001-01-01T00:00:00 to 2001-01-01T01:00:00"):
        hapi.data(server.url, "hour", "2011-01-01", "2011-01-02")
    assert not server.requests("data")


def test_an_interval_partly_outside_is_served_and_warned_of(serve):
    server = serve([HOUR])
    with pytest.warns(AnalysisWarning, match="a part of the interval"):
        found = hapi.data(server.url, "hour", "2000-12-31", "2001-01-01T00:10")
    assert found.sizes["time"] == 600
    assert "a part of the interval" in found.attrs["history"]


@pytest.mark.parametrize(("start", "stop"), [("soon", "2001"), ("2002", "2001"), ("2001", "2001"), (5, "2001")])
def test_bad_times_are_refused_before_anyone_is_asked(serve, start, stop):
    server = serve([HOUR])
    with pytest.raises(BadTime):
        hapi.data(server.url, "hour", start, stop)
    assert not server.asked


@pytest.mark.parametrize("parameters", [[], [5], 7])
def test_parameters_must_be_names(serve, parameters):
    with pytest.raises(BadOption, match="list of names"):
        hapi.data(serve([HOUR]).url, "hour", "2001-01-01", "2001-01-02", parameters=parameters)


def test_without_network_the_missing_part_is_named(serve):
    server = serve([HOUR])
    hapi.info(server.url, "hour")
    with store.offline(), pytest.raises(Offline, match="dataset=hour"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T00:10")


def test_a_host_that_is_not_there_is_named(monkeypatch):
    quick = Limits(retries=1, first_pause=0.01)
    monkeypatch.setattr(asking.store, "get", functools.partial(store.get, limits=quick))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        hapi.info("http://127.0.0.1:9/hapi", "hour")


# ------------------------------------------------------------------------------------ what servers get wrong


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 8])
def test_passing_troubles_cost_no_record(serve, monkeypatch, workers):
    small_blocks(monkeypatch, 3_000)
    faults = [status(503, after=0), cut(900), error(1500), cut(2_000, reset=False), status(429, after=0), error(1501)]
    server = serve([LONG], faults={"data": faults})
    found = hapi.data(server.url, "long", "2000-12-30", "2001-01-06", workers=workers)
    is_truth(found, LONG, "b", None, None)
    assert not faults


def test_a_server_that_stays_broken_is_told_of_with_its_contact(serve):
    server = serve([HOUR], faults={"data": lambda asked: error(1500)})
    with pytest.raises(Unreachable, match=r"HAPI 1500 .*3 times.*nobody@localhost"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T00:10")
    assert len(server.requests("data")) == asking.TRIES


def test_one_part_that_is_not_there_fails_the_request_and_keeps_the_others(serve, monkeypatch):
    small_blocks(monkeypatch, 3_000)
    server = serve([LONG], faults={"data": lambda a: status(404) if "T18:00:00.000Z" in a.query["start"] else None})
    with pytest.raises(NotFound, match="404"):
        hapi.data(server.url, "long", "2001-01-01", "2001-01-02")
    server.faults.clear()
    came = {asked.path for asked in server.requests("data") if "start=2001-01-01T18:00:00.000Z" not in asked.path}
    before = len(server.requests("data"))
    is_truth(hapi.data(server.url, "long", "2001-01-01", "2001-01-02"), LONG, "b", "2001-01-01", "2001-01-02")
    assert came and not came & {asked.path for asked in server.requests("data")[before:]}


def test_a_cut_answer_with_a_length_that_fits_is_asked_for_again(serve):
    server = serve([HOUR], faults={"data": [spoiled(lambda body: body[:-5])]})
    is_truth(hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01"), HOUR, "level", None, None)


@pytest.mark.parametrize("form", ["binary", "csv", "json"])
def test_an_answer_that_is_always_cut_is_refused(serve, form):
    server = serve([HOUR], formats=(form,), faults={"data": spoiled(lambda body: body[:-5])})
    with pytest.raises(BadAnswer):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")


def test_records_that_a_server_left_out_in_silence_show_as_a_gap(serve):
    server = serve([HOUR], faults={"data": spoiled(lambda body: body[: -32 * 600])})
    found = hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")
    assert found.sizes["time"] == 3000
    assert hapi.gaps(found).duration.tolist() == [pd.Timedelta("10min")]


def test_an_error_page_with_200_is_not_data(serve):
    server = serve([HOUR], faults={"data": page()})
    with pytest.raises(BadAnswer, match="does not begin with the header"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")
    server.faults.clear()
    is_truth(hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01"), HOUR, "level", None, None)


def test_an_error_that_comes_with_200_is_an_error(serve):
    server = serve([HOUR], faults={"data": error(1405, http=200)})
    with pytest.raises(OutsideCoverage, match="1405"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")


@pytest.mark.slow
def test_an_empty_answer_is_asked_for_in_another_format(serve, monkeypatch):
    small_blocks(monkeypatch, 3_000)

    def silent(asked):
        nothing = asked.query["start"] >= "2001-01-03" and asked.query["stop"] <= "2001-01-04T00:01"
        return spoiled(lambda body: b"") if nothing and asked.query["format"] == "binary" else None

    server = serve([LONG], faults={"data": silent})
    found = hapi.data(server.url, "long", "2001-01-02", "2001-01-05")
    is_truth(found, LONG, "level", "2001-01-02", "2001-01-05")
    asked = len(server.asked)
    hapi.data(server.url, "long", "2001-01-02", "2001-01-05")
    assert len(server.asked) == asked


def test_an_answer_that_stays_empty_is_never_taken_for_no_data(serve):
    server = serve([HOUR], faults={"data": spoiled(lambda body: b"")})
    with pytest.raises(BadAnswer, match="nothing at all"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")


@pytest.mark.slow
@pytest.mark.parametrize("mark", [b"", b"#"])
def test_a_server_that_says_no_data_and_nothing_else_leaves_a_gap(serve, mark):
    answer = mark + b'{"HAPI": "3.2", "status": {"code": 1201, "message": "OK - no data for time range"}}\n'
    wide = Dataset("wide", (Parameter("level", units="m"),), cadence="PT1M", stop="2001-12-31")

    def bare(asked):
        return spoiled(lambda _: answer) if asked.query.get("start", "") >= "2001-02" else None

    server = serve([wide], faults={"data": bare})
    blocks = hapi.plan(server.url, "wide", "2001-01-01", "2001-12-31")
    assert len(blocks) > 1
    found = hapi.data(server.url, "wide", "2001-01-01", "2001-12-31")
    assert found.time.values[-1] < blocks[1].start
    assert hapi.gaps(found).stop.iloc[-1] == pd.Timestamp("2001-12-31")


def test_a_dataset_that_changes_between_two_requests_is_described_anew(serve):
    server = serve([HOUR])
    hapi.info(server.url, "hour")
    other = Dataset("hour", (Parameter("level", units="km"),), cadence="PT1S", stop="2001-01-01T01")
    server.datasets["hour"] = other
    found = hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")
    assert found.level.attrs["units"] == "km"


def test_parts_of_a_changed_dataset_are_not_mixed_with_the_old_ones(serve, monkeypatch):
    small_blocks(monkeypatch, 30_000)
    server = serve([HOUR])
    hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T00:20")
    other = Dataset("hour", (Parameter("level", units="km", fill="-1e31", values=lambda i: i * 2.0),), stop=HOUR.stop)
    server.datasets["hour"] = other
    found = hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")
    is_truth(found, other, "level", None, None)
    assert found.level.attrs["units"] == "km"


def test_a_header_that_never_fits_the_description_is_refused(serve):
    server = serve([HOUR], faults={"data": spoiled(lambda body: body.replace(b'"units": "m"', b'"units": "s"'))})
    with pytest.raises(BadAnswer, match="units of level is 's'"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")


def test_records_outside_the_interval_asked_for_are_cut_off(serve, monkeypatch):
    small_blocks(monkeypatch, 30_000)
    server = serve([HOUR], formats=("csv",))
    wide = {}

    def loose(asked):
        def more(body):
            head = body[: body.rindex(b"#}") + 3]
            wide[asked.path] = True
            times, values = HOUR.truth("level")
            rows = [
                f"{np.datetime_as_string(t, unit='ms')}Z,{v!r}" for t, v in zip(times, values.tolist(), strict=True)
            ]
            return head + "\n".join(rows).encode() + b"\n"

        return spoiled(more)

    server.faults["data"] = loose
    found = hapi.data(server.url, "hour", "2001-01-01T00:10", "2001-01-01T00:50")
    is_truth(found, HOUR, "level", "2001-01-01T00:10", "2001-01-01T00:50")
    assert len(wide) > 2 and "outside the interval" in found.attrs["history"]


def test_records_out_of_order_are_refused_and_sorted_on_demand(serve):
    server = serve([HOUR], formats=("csv",), faults={"data": spoiled(_backwards)})
    with pytest.raises(WrongData, match="sort"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")
    found = hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01", assume={"sort": "yes"})
    is_truth(found, HOUR, "level", None, None)


def _backwards(body):
    lines = body.splitlines(keepends=True)
    head = [line for line in lines if line.startswith(b"#")]
    return b"".join(head + lines[: len(head) - 1 : -1])


def test_a_record_that_comes_twice_is_kept_once_and_two_that_differ_are_refused(serve):
    server = serve([HOUR], formats=("csv",), faults={"data": spoiled(lambda b: b + b.splitlines(keepends=True)[-1])})
    found = hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")
    is_truth(found, HOUR, "level", None, None)
    assert "1 exact duplicates" in found.attrs["history"]
    server = serve([HOUR], formats=("csv",), faults={"data": spoiled(_with_another)})
    with pytest.raises(WrongData, match="other values of level"):
        hapi.data(server.url, "hour", "2001-01-01", "2001-01-01T01")


def _with_another(body):
    return body + body.splitlines(keepends=True)[-1].split(b",")[0] + b",5.0\n"


@pytest.mark.slow
def test_threads_that_ask_for_the_same_share_what_comes(serve, monkeypatch):
    small_blocks(monkeypatch, 3_000)
    server = serve([LONG])
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(hapi.data(server.url, "long", "2000-12-30", "2001-01-06")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for one in found:
        is_truth(one, LONG, "b", None, None)
    paths = [asked.path for asked in server.requests("data") if "T22:00:00.001Z" not in asked.path]
    assert len(paths) == len(set(paths))

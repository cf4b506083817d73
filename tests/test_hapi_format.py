"""Answers of HAPI servers as files: every layout, every spelling of a time, and damage of every kind."""

import copy
import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from servers import hapi_data
from servers.hapi_data import Dataset, Parameter
from tiers import examples

from analysis import formats
from analysis.errors import AnalysisError, BadOption, CorruptFile, WrongData
from analysis.formats import hapi
from analysis.formats._hapiinfo import info_of
from analysis.formats._hapitimes import duration, instant, instants
from analysis.model import breaches

pytestmark = pytest.mark.filterwarnings("ignore::analysis.errors.AnalysisWarning")

HEAD = {"HAPI": "3.2", "status": {"code": 1200, "message": "OK"}}
TIME = {"name": "Time", "type": "isotime", "length": 24, "units": "UTC", "fill": None}
EVERYTHING = next(d for d in hapi_data.examples() if d.id == "everything")


def answer(dataset, form, low=0, high=50, **more):
    """Return what a server answers with the records from number `low` to `high`."""
    head = HEAD | {"format": form} | dataset.told() | more
    text = json.dumps(head, ensure_ascii=False, indent=1)
    index = dataset.there(np.arange(low, high))
    parameters = dataset.all_parameters
    if form == "json":
        body = hapi_data.json_records(parameters, index)
        return text.removesuffix("}").rstrip().encode() + b',\n"data": [\n' + body + b"\n]\n}\n"
    write = hapi_data.csv if form == "csv" else hapi_data.binary
    return "".join(f"#{line}\n" for line in text.splitlines()).encode() + (
        write(parameters, index) if len(index) else b""
    )


def csv(*lines, **parameter):
    """Return an answer in CSV with a time and one parameter."""
    one = {"name": "x", "type": "double", "units": "m", "fill": "-1e31"} | parameter
    head = json.dumps(HEAD | {"format": "csv", "parameters": [TIME | {"length": 0}, one]})
    return f"#{head}\n".encode() + "".join(f"{line}\n" for line in lines).encode()


# ------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("form", ["binary", "csv", "json"])
def test_a_saved_answer_is_known_by_its_content(tmp_path, form):
    path = tmp_path / "saved"
    path.write_bytes(answer(EVERYTHING, form))
    found = formats.read(path)
    assert not breaches(found) and found.sizes["time"] == 50
    np.testing.assert_array_equal(found.matrix.values, EVERYTHING.truth("matrix")[1][:50])
    assert "sha256" in found.attrs["history"]


def test_a_packed_answer_is_read_too(tmp_path):
    import gzip

    path = tmp_path / "saved.gz"
    path.write_bytes(gzip.compress(answer(EVERYTHING, "csv")))
    assert formats.read(path).sizes["time"] == 50


def test_answers_are_joined_in_any_mixture_of_formats():
    parts = [answer(EVERYTHING, form, 50 * i, 50 * (i + 1)) for i, form in enumerate(("binary", "csv", "json"))]
    found = hapi.decode(parts)
    np.testing.assert_array_equal(found.scalar.values, EVERYTHING.truth("scalar")[1][:150])
    assert found.counts.dtype == np.dtype("i4")


def test_answers_that_declare_different_parameters_are_not_joined():
    other = Dataset("everything", EVERYTHING.parameters[:2])
    with pytest.raises(CorruptFile, match="declares the parameters"):
        hapi.decode([answer(EVERYTHING, "csv"), answer(other, "csv", 50, 60)])


def test_an_error_message_is_no_data():
    told = json.dumps(HEAD | {"status": {"code": 1406, "message": "unknown dataset id"}}).encode()
    with pytest.raises(WrongData, match="1406 unknown dataset id"):
        hapi.decode([told])


def test_an_answer_without_records_says_so():
    for form in ("binary", "csv", "json"):
        with pytest.raises(WrongData, match="no records"):
            hapi.decode([answer(EVERYTHING, form, 0, 0)])


def test_a_description_alone_is_no_data():
    with pytest.raises(CorruptFile, match="data is missing"):
        hapi.decode([json.dumps(HEAD | EVERYTHING.told()).encode()])


def test_facts_that_no_reader_understands_are_refused():
    with pytest.raises(BadOption, match="colour"):
        hapi.decode([answer(EVERYTHING, "csv")], assume={"colour": "red"})


# ------------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("fill", "written", "kept"),
    [
        ("-1e31", "-1.0E31", False),
        ("-9.999999848243207e+30", "-1e+31", False),
        ("-999.9000244140625", "-999.9", False),
        ("NaN", "NaN", False),
        ("999", "999.0", False),
        (None, "1e30", True),
        ("-1e31", "1e47", True),
        (None, "-1e31", False),
        (None, "inf", False),
    ],
)
def test_a_fill_is_known_however_it_is_spelled(fill, written, kept):
    found = hapi.decode([csv("2001-01-01Z,1.5", f"2001-01-02Z,{written}", fill=fill)])
    assert np.isnan(found.x.values).tolist() == [False, not kept]


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=20))
@tried(max_examples=examples(50))
def test_numbers_in_csv_come_back_to_the_last_bit(values):
    values = [value for value in values if not 1e30 < abs(value) < 2e31] or [1.0]
    lines = [f"2001-01-01T00:00:{i:02d}Z,{value!r}" for i, value in enumerate(values)]
    found = hapi.decode([csv(*lines, fill=None)])
    assert found.x.values.tolist() == values


def test_whole_numbers_stay_whole_unless_one_is_missing():
    kind = {"type": "integer", "fill": "-1"}
    assert hapi.decode([csv("2001-01-01Z,5", "2001-01-02Z,6", **kind)]).x.dtype == np.dtype("i4")
    found = hapi.decode([csv("2001-01-01Z,5", "2001-01-02Z,-1", **kind)]).x
    assert found.dtype == np.dtype("f8") and np.isnan(found.values[1])
    assert hapi.decode([csv("2001-01-01Z,5", "2001-01-02Z,4294967295", **kind)]).x.values[1] == 4294967295


def test_texts_hold_commas_quotes_and_letters_of_any_alphabet():
    found = hapi.decode([answer(EVERYTHING, "csv")])
    words = EVERYTHING.truth("word")[1][:50]
    assert found.word.values.tolist() == words.tolist()
    assert {"a,b", 'say "so"', "Bö∥", ""} <= set(words.tolist())


def test_a_fill_of_texts_becomes_nothing():
    found = hapi.decode([csv("2001-01-01Z,a", "2001-01-02Z,???", type="string", fill="???", length=4, units=None)])
    assert found.x.values.tolist() == ["a", ""]


def test_a_parameter_called_time_gives_way_to_the_axis():
    found = hapi.decode([csv("2001-01-01Z,1", name="time")])
    assert list(found.data_vars) == ["time_variable"]


# ------------------------------------------------------------------------------------ axes


def described(**parameter):
    """Return the dataset of one parameter with one record of zeros."""
    one = {"name": "x", "type": "double", "units": "m", "fill": None} | parameter
    info = info_of(HEAD | {"parameters": [TIME, one]}, "test")
    columns = {one["name"]: np.zeros((1, *one.get("size", ())))}
    notes = hapi.facts.Notes("test")
    return hapi.labelled(info, info.parameters, np.array(["2001-01-01"], "M8[ns]"), columns, assume={}, notes=notes)


@pytest.mark.parametrize(
    ("more", "frame", "letters"),
    [
        ({"name": "BGSEc"}, "GSE", "xyz"),
        ({"name": "V_GSM", "label": ["Vx", "Vy", "Vz"]}, "GSM", "xyz"),
        ({"name": "b", "label": ["B_R", "B_T", "B_N"], "description": "Field in RTN"}, "RTN", "rtn"),
        ({"coordinateSystemName": "GSE"}, "GSE", "xyz"),
        ({"coordinateSystemName": "SM", "vectorComponents": ["x", "y", "z"]}, "SM", "xyz"),
        ({"name": "velocity"}, "unknown", "123"),
    ],
)
def test_vectors_and_their_frames_are_known_by_what_the_server_says(more, frame, letters):
    found = described(size=[3], **more)
    (name,) = found.data_vars
    assert found[name].dims == ("time", "component")
    assert "".join(found.component.values) == letters and found[name].attrs["frame"] == frame


def test_three_numbers_that_are_no_vector_have_an_axis_of_their_own():
    assert described(name="Time_PB5", size=[3], units=None)["Time_PB5"].dims == ("time", "time_pb5_1")
    polar = described(size=[3], vectorComponents=["r", "latitude", "longitude"], units=["km", "deg", "deg"])
    assert sorted(polar.data_vars) == ["x_latitude", "x_longitude", "x_r"]


def test_bins_that_only_have_ends_get_their_middles():
    energies = {"name": "E", "units": "keV", "ranges": [[1, 100], [100, 10000]]}
    found = described(size=[2], bins=[energies])
    assert found.energy.values.tolist() == [10.0, 1000.0]
    angles = {"name": "angle", "label": "Pitch Angle", "units": "degrees", "ranges": [[0, 90], [90, 180]]}
    assert described(size=[2], bins=[angles]).pitch_angle.values.tolist() == [45.0, 135.0]
    frequency = {"name": "f", "units": "Hz", "centers": [1, 2]}
    assert described(size=[2], bins=[frequency]).frequency.attrs["units"] == "Hz"


def test_an_axis_without_bins_keeps_its_name():
    found = described(
        size=[2, 2],
        bins=[{"name": "sector", "units": None, "centers": None}, {"name": "E", "units": "eV", "centers": [1, 2]}],
    )
    assert found.x.dims == ("time", "sector", "energy")
    assert "sector" not in found.coords


# ------------------------------------------------------------------------------------ times


@given(
    seconds=st.lists(st.integers(-9_000_000_000, 9_000_000_000), min_size=1, max_size=40),
    digits=st.integers(0, 9),
    by_day=st.booleans(),
    zone=st.sampled_from(["Z", ""]),
    pad=st.integers(0, 3),
)
@tried(max_examples=examples(60))
def test_times_are_read_as_numpy_reads_them(seconds, digits, by_day, zone, pad):
    fraction = "123456789"[:digits]
    whole = np.array(seconds, "M8[s]")
    wanted = whole.astype("M8[ns]") + (int(fraction.ljust(9, "0")) if fraction else 0)
    texts = [
        t[:-1] + (f".{fraction}" if fraction else "") + zone for t in hapi_data.written(whole, "s", day_of_year=by_day)
    ]
    chars = np.array([text.encode() + b"\0" * pad for text in texts], f"S{len(texts[0]) + pad}")
    np.testing.assert_array_equal(instants(chars, "test").values, wanted)


@pytest.mark.parametrize("unit", ["Y", "M", "D", "h", "m", "s", "ms", "us", "ns"])
def test_times_cut_off_anywhere_begin_what_they_name(unit):
    times = np.arange(1000).astype(f"M8[{unit if unit != 'Y' else 'M'}]").astype(f"M8[{unit}]")
    found = instants(hapi_data.written(times, unit).astype("S"), "test")
    np.testing.assert_array_equal(found.values, times.astype("M8[ns]"))


def test_ways_of_writing_may_mix_in_one_column():
    texts = [b"2001-01-01Z", b"2001-002T00:00Z", b"2001-01-03T00:00:00.000Z", b"2001-004", b"2001-01-04T24:00:00Z"]
    found = instants(np.array(texts), "test").values
    np.testing.assert_array_equal(found, np.arange("2001-01-01", "2001-01-06", dtype="M8[D]"))


@pytest.mark.parametrize(
    "text",
    [
        *("2001-13-01Z", "2001-02-29Z", "2001-366Z", "2001-000Z", "2001-01-01T25:00Z", "2001-01-01T00:60Z"),
        *("2001-01T05Z", "2001-01-01T24:00:01Z", "2001-01-01T24:00:00.5Z", "2001-01-01T12:00:60Z", "", "2001-1-1Z"),
        *("2001-01-01T00:00:00+01:00", "01/02/2001", "２００１", "yesterday"),
    ],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(CorruptFile, match=r"no time|no day|24:00"):
        instants(np.array([b"2001-01-01Z", text.encode()]), "test")


def test_a_record_inside_a_leap_second_is_dropped_with_a_note():
    lines = ["2016-12-31T23:59:59Z,1", "2016-12-31T23:59:60Z,2", "2017-01-01T00:00:00Z,3"]
    found = hapi.decode([csv(*lines)])
    assert found.x.values.tolist() == [1.0, 3.0] and "leap second" in found.attrs["history"]


def test_times_that_nanoseconds_do_not_hold_are_refused():
    with pytest.raises(WrongData, match="1678"):
        hapi.decode([csv("1600-01-01Z,1", "2001-01-01Z,1")])


def test_durations_and_dates_of_metadata():
    assert duration("P1DT12H", "cadence") == 36 * 3600 * 10**9
    assert duration("PT0.000000125S", "cadence") == 125
    assert instant("2000-01-31T24:00:00.000Z", "stopDate") == np.datetime64("2000-02-01")
    for wrong in ("P", "PT", "1M", "-PT1M", "PT0S", "", None, 5):
        with pytest.raises(CorruptFile, match="cadence"):
            duration(wrong, "cadence")


# ------------------------------------------------------------------------------------ damage


@pytest.mark.parametrize(
    "lines",
    [
        ["2001-01-01Z,1", "2001-01-02Z"],
        ["2001-01-01Z,1", "2001-01-02Z,1,2"],
        ["2001-01-01Z,1,2", "2001-01-02Z,1,2"],
        ["2001-01-01Z", "2001-01-02Z"],
        ["2001-01-01Z,one"],
        ["2001-01-01Z,"],
        ["2001-01-01Z,1", '"2001-01-02Z,1'],
        ["<html><title>Down</title></html>"],
    ],
)
def test_records_of_another_shape_than_declared_are_refused(lines):
    with pytest.raises(CorruptFile):
        hapi.decode([csv(*lines)])


def test_a_short_record_of_texts_is_refused():
    with pytest.raises(CorruptFile, match="record 1 has 1 values"):
        hapi.decode([csv("2001-01-01Z,a", "2001-01-02Z", type="string", length=4, fill=None)])
    assert hapi.decode([csv("2001-01-01Z,a", "2001-01-02Z,", type="string", length=4, fill=None)]).x.values[1] == ""


@pytest.mark.parametrize("form", ["binary", "csv", "json"])
def test_an_answer_cut_anywhere_but_between_records_is_refused(form):
    dataset = Dataset("d", (Parameter("x", units="m"), Parameter("y", units="m", size=(2,))))
    whole = answer(dataset, form, 0, 5)
    complete = hapi.decode([whole])
    for end in range(len(whole)):
        try:
            found = hapi.decode([whole[:end]])
        except AnalysisError:
            continue
        xr.testing.assert_equal(found, complete.isel(time=slice(0, found.sizes["time"])))
        assert form != "json" or found.sizes["time"] == 5


WHOLE = {form: answer(EVERYTHING, form, 0, 12) for form in ("binary", "csv", "json")}


@given(data=st.data(), form=st.sampled_from(["binary", "csv", "json"]))
@tried(max_examples=examples(150))
def test_damaged_bytes_give_data_or_a_typed_error(data, form):
    body = bytearray(WHOLE[form])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        what = data.draw(st.sampled_from(["flip", "cut", "insert", "delete", "swap"]))
        if what == "flip":
            body[place] = data.draw(st.integers(0, 255))
        elif what == "cut":
            del body[place + 1 :]
        elif what == "insert":
            body[place:place] = data.draw(st.binary(min_size=1, max_size=9))
        elif what == "delete":
            del body[place : place + data.draw(st.integers(1, 40))]
        else:
            body[place:] = body[place:][::-1]
        if not body:
            break
    of_type_or_right(bytes(body))


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**40), st.floats(), st.text(max_size=5), st.builds(list),
    st.builds(dict), st.builds(lambda: [[1, 2], [3]]), st.lists(st.integers(-2, 5), max_size=3), st.just("isotime"),
    st.just("1e400"),
)  # fmt: skip


@given(data=st.data())
@tried(max_examples=examples(150))
def test_damaged_headers_give_data_or_a_typed_error(data):
    head = copy.deepcopy(HEAD | {"format": data.draw(st.sampled_from(["csv", "json", "binary"]))} | EVERYTHING.told())
    for _ in range(data.draw(st.integers(1, 3))):
        target = head
        while True:
            keys = list(target) if isinstance(target, dict) else list(range(len(target)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(target[key], dict | list) and data.draw(st.booleans()):
                target = target[key]
                continue
            target[key] = data.draw(JUNK)
            break
    told = json.dumps(head, allow_nan=True)
    body = WHOLE["binary"][WHOLE["binary"].rindex(b"#}") + 3 :]
    of_type_or_right(f"#{told}\n".encode() + body)
    of_type_or_right(f"#{told}\n".encode() + WHOLE["csv"][WHOLE["csv"].rindex(b"#}") + 3 :])


def of_type_or_right(body):
    try:
        found = hapi.decode([body])
    except AnalysisError:
        return
    assert not breaches(found)


def test_depth_and_size_of_a_header_are_bounded():
    deep = b'{"HAPI": "3.0", "status": {"code": 1200}, "parameters": ' + b"[" * 100_000
    with pytest.raises(CorruptFile):
        hapi.decode([b"#" + deep + b"\n"])
    wide = HEAD | {
        "parameters": [TIME, {"name": "x", "type": "double", "size": [2**14, 2**14], "units": "m", "fill": None}]
    }
    with pytest.raises(CorruptFile, match="size"):
        hapi.decode([f"#{json.dumps(wide)}\n".encode()])
    circle = HEAD | {"definitions": {"a": {"$ref": "#/definitions/a"}}, "parameters": [{"$ref": "#/definitions/a"}]}
    with pytest.raises(CorruptFile, match="ref"):
        hapi.decode([f"#{json.dumps(circle)}\n".encode()])

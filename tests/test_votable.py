"""VOTable: the recorded answers of real servers, and small tables that state exactly one thing."""

import base64
import gzip
import io
import struct
import warnings

import numpy as np
import pytest
import xarray as xr
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import votable as peer
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import formats
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, CorruptFile, QueryRefused, UnknownFormat
from analysis.formats import votable
from analysis.model import check, provenance_of

RECORDED = ["scs_result.xml", "obscore-image.xml", "ssa_result.xml", "datalink.xml", "dataset.xml"]
OK = '<INFO name="QUERY_STATUS" value="OK"/>'


def document(fields, rows, before="", after="", systems="", serial=None, **attrs):
    """Return a VOTable; rows are texts, or `serial` is the element that holds the data."""
    cells = "".join("<TR>" + "".join(f"<TD>{cell}</TD>" for cell in row) + "</TR>" for row in rows)
    data = f"<TABLEDATA>{cells}</TABLEDATA>" if serial is None else serial
    told = "".join(f' {key}="{value}"' for key, value in attrs.items())
    return (
        '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'{systems}<RESOURCE type="results">{before}<TABLE{told}>{fields}<DATA>{data}</DATA></TABLE>{after}'
        "</RESOURCE></VOTABLE>"
    )


def stream(packed, kind="BINARY"):
    return f'<{kind}><STREAM encoding="base64">{base64.b64encode(packed).decode()}</STREAM></{kind}>'


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a VOTable and reads it."""

    def of(text, **assume):
        path = tmp_path / "table.xml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return formats.read(path, assume=assume)

    return of


def one(kind, *cells, size="", inner="", **attrs):
    """Return a VOTable of one column called x."""
    told = "".join(f' {key}="{value}"' for key, value in attrs.items())
    sized = f' arraysize="{size}"' if size else ""
    return document(f'<FIELD name="x" datatype="{kind}"{sized}{told}>{inner}</FIELD>', [[cell] for cell in cells])


# ------------------------------------------------------------------------------------- beside astropy


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_answers_read_as_astropy_reads_them(oracle, name):
    path = oracle / "archives/pyvo" / name
    ours = formats.read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = next(peer.parse(path).iter_tables()).to_table(use_names_over_ids=True)
    assert list(ours.data_vars) == theirs.colnames
    for name in theirs.colnames:
        if theirs[name].dtype.kind in "fiub":
            assert np.allclose(
                ours[name].values.astype(float), np.ma.filled(theirs[name].astype(float), np.nan), equal_nan=True
            )
        elif ours[name].dtype.kind == "M":
            assert ours[name].values.tolist() == np.asarray(theirs[name], "datetime64[ns]").tolist()
        else:
            same = ["" if np.ma.is_masked(value) else str(value).strip() for value in theirs[name]]
            assert ours[name].values.tolist() == same
    check(ours)


def test_a_recorded_answer_keeps_units_ucds_frames_and_descriptions(oracle):
    found = formats.read(oracle / "archives/pyvo/scs_result.xml")
    assert found.raj2000.attrs == {
        "units": "deg",
        "long_name": "Right Ascension, equinox 2000.0",
        "ucd": "POS_EQ_RA_MAIN",
        "frame": "ICRS",
    }
    assert found.attrs["references"].startswith("2000IAUC.7432R...1V")
    assert provenance_of(found)["files"][0]["name"] == "scs_result.xml"


def test_a_recorded_overflow_warns_and_is_marked(oracle):
    with pytest.warns(AnalysisWarning, match="OVERFLOW"):
        found = formats.read(oracle / "archives/pyvo/overflowstatus.xml")
    assert found.sizes["row"] == 3 and "overflow" in found.attrs and "OVERFLOW" in found.attrs["history"]


def test_a_recorded_error_is_a_refusal(oracle):
    with pytest.raises(QueryRefused, match=r"errorstatus\.xml is a server's refusal"):
        formats.read(oracle / "archives/pyvo/errorstatus.xml")


def table_of_all_types():
    n = 5
    rng = np.random.default_rng(1)
    found = Table()
    for kind in ("u1", "i2", "i4", "i8", "f4", "f8", "c8", "c16"):
        values = (rng.normal(0, 50, n) if kind[0] in "fc" else rng.integers(0, 100, n)).astype(kind)
        found[kind] = MaskedColumn(values, mask=[False, kind in ("f4", "f8"), False, False, False])
    found["flag"] = np.array([True, False, True, True, False])
    found["name"] = ["", "a", "Ångström", "three words here", "x" * 40]
    found["pair"] = rng.normal(size=(n, 2))
    found["grid"] = rng.integers(0, 9, (n, 2, 3)).astype("i4")
    found["ragged"] = np.array([np.ma.array(np.arange(k + 1.0), mask=np.zeros(k + 1, bool)) for k in range(n)], object)
    found["f8"].unit, found["f8"].description = "km s-1", "Speed"
    return found


@pytest.mark.parametrize("serial", ["tabledata", "binary", "binary2"])
def test_what_astropy_writes_is_read_the_same_in_each_serialization(tmp_path, serial):
    written = table_of_all_types()
    held = peer.from_table(written)
    held.get_first_table().format = serial
    path = tmp_path / "all.xml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        held.to_xml(str(path))
    found = formats.read(path)
    for name in ("i2", "i4", "i8", "f4", "f8"):
        expected = written[name].astype(float).filled(np.nan)
        assert found[name].values == pytest.approx(expected, nan_ok=True)
    for name in ("c16", "pair", "flag"):
        assert np.array_equal(found[name].values, np.asarray(written[name]))
    # astropy writes the slowest axis of a cell first, the standard has the fastest first: the numbers are the same
    assert np.array_equal(found.grid.values.ravel(), np.asarray(written["grid"]).ravel())
    assert found["name"].values.tolist() == list(written["name"])
    assert found.ragged.values[2, :3].tolist() == [0, 1, 2] and np.isnan(found.ragged.values[2, 3:]).all()
    assert found.grid.dims == ("row", "grid_1", "grid_2")
    assert u.Unit(found.f8.attrs["units"]) == u.km / u.s and found.f8.attrs["long_name"] == "Speed"


# ------------------------------------------------------------------------------------- cells


def test_whole_numbers_stay_whole_until_one_is_undefined(read):
    null = '<VALUES null="-99"/>'
    assert read(one("int", "4", "5", inner=null)).x.dtype == np.int32
    found = read(one("int", "4", "-99", "", inner=null)).x
    assert found.dtype == float and found.values[0] == 4 and np.isnan(found.values[1:]).all()


def test_ids_too_long_for_a_float_are_kept_to_the_last_digit(read):
    found = read(one("long", "5853498713190525697", ""))
    assert found.x.values.tolist() == ["5853498713190525697", ""]
    assert "kept as text" in found.attrs["history"]
    assert read(one("long", "5853498713190525697")).x.values.tolist() == [5853498713190525697]


def test_infinities_become_nan_and_history_says_so(read):
    found = read(one("double", "1.5", "+Inf", "NaN", ""))
    assert found.x.values[0] == 1.5 and np.isnan(found.x.values[1:]).all()
    assert "infinite" in found.attrs["history"]


def test_truth_values_of_every_spelling_are_read(read):
    assert read(one("boolean", "T", "f", "1", "0", "true", "FALSE")).x.values.tolist() == [1, 0, 1, 0, 1, 0]
    assert np.isnan(read(one("boolean", "T", "?", "")).x.values[1:]).all()


def test_hexadecimal_numbers_and_bits_are_read(read):
    assert read(one("short", "0x1F", "-3")).x.values.tolist() == [31, -3]
    assert read(one("bit", "0110", "1 0 0 1", size="4")).x.values.tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]


def test_bits_of_a_stream_begin_with_the_highest(read):
    field = '<FIELD name="x" datatype="bit" arraysize="10"/>'
    found = read(document(field, [], serial=stream(bytes([0b10100000, 0b11000000]))))
    assert found.x.values.tolist() == [[1, 0, 1, 0, 0, 0, 0, 0, 1, 1]]


def test_the_first_axis_of_an_array_runs_fastest(read):
    found = read(one("int", "1 2 3 4 5 6", size="2x3"))
    assert found.x.values.tolist() == [[[1, 2], [3, 4], [5, 6]]]


def test_fixed_text_of_a_stream_ends_at_its_zero_byte(read):
    fields = '<FIELD name="a" datatype="char" arraysize="4"/><FIELD name="b" datatype="unicodeChar" arraysize="*"/>'
    packed = b"ab\0\0" + struct.pack(">i", 2) + "πb".encode("utf-16-be")
    found = read(document(fields, [], serial=stream(packed)))
    assert (found.a.item(), found.b.item()) == ("ab", "πb")


def test_columns_that_are_called_row_or_time_do_not_collide_with_ours(read):
    fields = "".join(f'<FIELD name="{name}" datatype="int"/>' for name in ("row", "time", "a", "a"))
    assert list(read(document(fields, [[1, 2, 3, 4]])).data_vars) == ["row_column", "clock", "a", "a_2"]


def test_a_column_with_the_name_of_a_dim_does_not_become_its_index(read):
    fields = '<FIELD name="element_2" datatype="int"/><FIELD name="x" datatype="int" arraysize="2"/>'
    found = read(document(fields, [["1", "2 3"], ["4", "5 6"], ["7", "8 9"]]))
    assert found.element_2.values.tolist() == [1, 4, 7] and found.x.shape == (3, 2)


def test_cells_of_very_different_lengths_are_left_out_with_a_warning(read):
    cells = ["1"] * 3000 + [" ".join("1" * 2000)]
    with pytest.warns(AnalysisWarning, match="very different lengths, left out: x"):
        assert list(read(one("double", *cells, size="*", unit="s")).data_vars) == []


def test_a_table_without_rows_is_a_dataset_without_rows(read):
    found = read(document('<FIELD name="x" datatype="double" unit="mJy"/>', []))
    assert found.x.shape == (0,) and found.x.attrs["units"] == "mJy"
    assert "nothing was found" in found.attrs["history"]


@pytest.mark.parametrize(
    ("spelled", "units"),
    [("km.s-1", "km / s"), ("mas.yr**-1", "mas / yr"), ("10-3W.m-2", "1e-3 W / m2"), ("#/cc", "cm-3")],
)
def test_units_of_each_dialect_are_translated(read, spelled, units):
    found = read(one("float", "1", unit=spelled)).x
    assert u.Unit(found.attrs["units"]) == u.Unit(units)


def test_a_unit_that_nobody_knows_is_kept_and_warned_of(read):
    with pytest.warns(AnalysisWarning, match="furlongs"):
        found = read(one("float", "1", unit="furlongs.fortnight-1"))
    assert found.x.attrs["archive_units"] == "furlongs.fortnight-1"


def test_the_user_may_say_the_unit_that_is_missing_but_not_contradict(read):
    assert read(one("float", "1"), **{"units.x": "nT"}).x.attrs["units"] == "nT"
    with pytest.raises(BadOption, match="the file says 'mJy'"):
        read(one("float", "1", unit="mJy"), **{"units.x": "nT"})


def test_several_tables_are_a_tree_and_service_descriptions_are_no_tables(read):
    table = '<TABLE name="{}"><FIELD name="x" datatype="int"/><DATA><TABLEDATA/></DATA></TABLE>'
    service = '<RESOURCE type="meta"><TABLE><FIELD name="no" datatype="int"/></TABLE></RESOURCE>'
    text = f"<VOTABLE><RESOURCE>{table.format('first')}{table.format('second')}</RESOURCE>{service}</VOTABLE>"
    found = read(text)
    assert isinstance(found, xr.DataTree) and sorted(found.children) == ["first", "second"]


# ------------------------------------------------------------------------------------- times


def timed(kind, cells, systems, **attrs):
    told = "".join(f' {key}="{value}"' for key, value in attrs.items())
    field = f'<FIELD name="t" datatype="{kind}" ref="ts"{told}/>'
    return document(field, [[cell] for cell in cells], systems=systems)


@pytest.mark.parametrize(("scale", "seconds"), [("UTC", 0.0), ("TT", -69.184), ("TAI", -37.0)])
def test_days_since_an_origin_become_utc(read, scale, seconds):
    systems = f'<TIMESYS ID="ts" timescale="{scale}" refposition="TOPOCENTER" timeorigin="MJD-origin"/>'
    found = read(timed("double", ["58849.5", ""], systems, unit="d"))
    expected = np.datetime64("2020-01-01T12:00:00", "ns") + np.timedelta64(round(seconds * 1e9), "ns")
    assert abs(found.t.values[0] - expected) < np.timedelta64(2, "us") and np.isnat(found.t.values[1])
    assert "TOPOCENTER" in found.attrs["history"]


def test_an_origin_may_be_a_julian_date_and_the_unit_seconds(read):
    systems = '<TIMESYS ID="ts" timescale="UTC" refposition="UNKNOWN" timeorigin="2458849.5"/>'
    found = read(timed("double", ["86400"], systems, unit="s"))
    assert found.t.values[0] == np.datetime64("2020-01-02", "ns")


def test_timestamps_are_utc_unless_a_system_says_otherwise(read):
    plain = read(one("char", "2020-01-01T00:00:00Z", "2020-01-01T06:00:00.25", "", size="*", xtype="timestamp"))
    assert plain.x.dtype == np.dtype("datetime64[ns]") and np.isnat(plain.x.values[2])
    systems = '<TIMESYS ID="ts" timescale="TT" refposition="GEOCENTER"/>'
    other = read(timed("char", ["2020-01-01T00:01:09.184"], systems, arraysize="*", xtype="timestamp"))
    assert other.t.values[0] == np.datetime64("2020-01-01", "ns")


def test_a_timestamp_with_an_offset_is_brought_to_utc_without_a_word_of_numpys(read):
    found = read(one("char", "2020-01-01T00:00:00+01:00", "2020-01-01 00:00:00-0130", size="*", xtype="timestamp"))
    assert found.x.values.tolist() == [1577833200 * 10**9, 1577842200 * 10**9]


def test_times_that_cannot_be_read_stay_text_and_are_warned_of(read):
    with pytest.warns(AnalysisWarning, match="kept as they are"):
        found = read(one("char", "yesterday", size="*", xtype="timestamp"))
    assert found.x.values.tolist() == ["yesterday"]


def test_a_coordinate_system_gives_its_columns_their_frame(read):
    systems = '<COOSYS ID="cs" system="eq_FK5" epoch="J2000"/>'
    found = read(document('<FIELD name="ra" datatype="double" unit="deg" ref="cs"/>', [["10"]], systems=systems))
    assert found.ra.attrs["frame"] == "FK5" and found.ra.attrs["epoch"] == "J2000"
    systems = '<COOSYS ID="cs" system="eq_FK4" equinox="B1950"/>'
    found = read(document('<FIELD name="ra" datatype="double" unit="deg" ref="cs"/>', [["10"]], systems=systems))
    assert found.ra.attrs["frame"] == "FK4" and found.ra.attrs["equinox"] == "B1950"


# ------------------------------------------------------------------------------------- what servers say


def test_the_mark_of_overflow_at_the_end_counts(read):
    more = '<INFO name="QUERY_STATUS" value="OVERFLOW">50 rows at most</INFO>'
    with pytest.warns(AnalysisWarning, match="rows are missing"):
        found = read(document('<FIELD name="x" datatype="int"/>', [["1"]], before=OK, after=more))
    assert found.attrs["overflow"] == "50 rows at most"


@pytest.mark.parametrize(
    "said",
    [
        '<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">no such field</INFO></RESOURCE>',
        '<INFO ID="Error" name="Error" value="no such field"/>',
        '<RESOURCE><PARAM name="Error" datatype="char" arraysize="*" value="no such field"/></RESOURCE>',
    ],
)
def test_an_error_message_is_a_refusal_in_every_dialect(read, said):
    with pytest.raises(QueryRefused, match="no such field"):
        read(f"<VOTABLE>{said}</VOTABLE>")


def test_a_column_called_error_is_no_error(read):
    assert read(document('<FIELD name="error" datatype="float" unit="mag"/>', [["0.1"]])).error.item() == pytest.approx(
        0.1
    )


# ------------------------------------------------------------------------------------- damage and malice


def packed_rows():
    fields = '<FIELD name="x" datatype="double" unit="d"/><FIELD name="s" datatype="char" arraysize="*"/>'
    return fields, b"".join(struct.pack(">di", i, 3) + b"abc" for i in range(10))


@pytest.mark.parametrize("lost", [1, 4, 8, 14])
def test_a_stream_that_ends_within_a_row_is_corrupt(read, lost):
    fields, packed = packed_rows()
    with pytest.raises(CorruptFile, match="ends within a row"):
        read(document(fields, [], serial=stream(packed[:-lost])))


def test_damaged_base64_is_corrupt_and_not_skipped(read):
    fields, packed = packed_rows()
    with pytest.raises(CorruptFile, match="base64"):
        read(document(fields, [], serial=stream(packed).replace("AAAA", "A*AA", 1)))


def test_fewer_rows_than_announced_is_corrupt(read):
    with pytest.raises(CorruptFile, match="announces 7 rows and has 1"):
        read(document('<FIELD name="x" datatype="int"/>', [["1"]], nrows=7))


@pytest.mark.parametrize(("kind", "cell"), [("int", "1.5"), ("short", "40000"), ("double", "1,5"), ("boolean", "yes")])
def test_a_value_that_is_none_names_its_row_and_column(read, kind, cell):
    with pytest.raises(CorruptFile, match=rf"column 'x': row 2 holds '{cell}'"):
        read(one(kind, "1", cell))


def test_rows_with_too_few_or_too_many_cells_are_corrupt(read):
    for row in (["1"], ["1", "2", "3"]):
        fields = '<FIELD name="x" datatype="int"/><FIELD name="y" datatype="int"/>'
        with pytest.raises(CorruptFile, match=f"row 2 has {len(row)} cells"):
            read(document(fields, [["1", "2"], row]))


def test_xml_that_is_cut_anywhere_is_never_read_as_a_shorter_table(read):
    whole = document('<FIELD name="x" datatype="int"/>', [[i] for i in range(30)], before=OK)
    for end in range(whole.index("<TABLE"), len(whole) - 1, 13):
        with pytest.raises(CorruptFile, match="cut short"):
            read(whole[:end])


def test_declared_entities_are_refused_before_they_unfold(read):
    bomb = '<!DOCTYPE VOTABLE [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    with pytest.raises(CorruptFile, match="entity"):
        read(one("char", "&b;", size="*").replace("<VOTABLE", f"{bomb}<VOTABLE"))


def test_no_file_or_address_that_a_table_names_is_opened(read, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("do not read")
    for kind in ("BINARY", "BINARY2", "FITS"):
        held = f'<{kind}><STREAM  encoding="base64" href="{secret.as_uri()}"/></{kind}>'
        with pytest.raises(UnknownFormat, match="not followed"):
            read(document('<FIELD name="x" datatype="int"/>', [], serial=held))
    outside = f'<!DOCTYPE VOTABLE SYSTEM "{secret.as_uri()}">'
    assert read(one("int", "1").replace("<VOTABLE", f"{outside}<VOTABLE")).x.item() == 1


@pytest.mark.parametrize(
    "text",
    [
        one("double", "1", size="999999999"),
        one("double", *[""] * 2000, size="9999999"),
        one("double", "1", size="99999x99999x99999"),
        document('<FIELD name="x" datatype="double"/>', [["1"]], nrows="999999999999"),
        document('<FIELD name="x" datatype="double" arraysize="*"/>', [], serial=stream(b"\x7f\xff\xff\xff" * 4)),
        "<VOTABLE>" + "<RESOURCE>" * 100_000,
    ],
    ids=["size", "empty cells", "shape", "nrows", "count", "depth"],
)
def test_sizes_that_are_only_declared_cost_no_memory(read, text):
    with pytest.raises(CorruptFile):
        read(text)


def test_a_packed_votable_is_unpacked(tmp_path):
    path = tmp_path / "table.vot.gz"
    path.write_bytes(gzip.compress(one("int", "7").encode()))
    assert formats.read(path).x.item() == 7


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_text_is_read_in_the_encoding_that_the_file_names(read, encoding):
    text = one("char", "Ångström", size="*").replace('version="1.0"?', f'version="1.0" encoding="{encoding}"?', 1)
    assert read(text.encode(encoding)).x.item() == "Ångström"


def test_a_web_page_that_speaks_of_votables_is_none():
    assert not votable.recognises(b"<html><body>A VOTABLE &lt;VOTABLE&gt;</body></html>")
    assert votable.recognises(b"<?xml version='1.0'?>\n<!-- made <today> -->\n<vot:VOTABLE version='1.4'>")


@pytest.mark.slow
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_end_in_one_of_our_errors_or_in_data_that_keep_the_contract(tmp_path, data):
    with io.BytesIO() as held:
        written = peer.from_table(table_of_all_types()[["i4", "f8", "name", "pair", "flag"]])
        written.get_first_table().format = data.draw(st.sampled_from(["tabledata", "binary", "binary2"]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written.to_xml(held)
        body = bytearray(held.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        cut = data.draw(st.integers(0, 30))
        body[at : at + cut] = data.draw(st.binary(max_size=30))
    path = tmp_path / "damaged.xml"
    path.write_bytes(bytes(body) or b" ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(formats.read(path))
        except AnalysisError:
            return


# ------------------------------------------------------------------------------------- astropy's tables

ORIGIN = {"title": "T", "institution": "I", "source": "S", "references": ["R"], "provenance": {"query": {}}}


def test_tables_of_astropy_keep_units_masks_times_and_positions():
    table = QTable()
    table["speed"] = [1.0, 2.0] * u.km / u.s
    table["place"] = SkyCoord([10, 20], [-5, 5], unit="deg")
    table["when"] = Time([58849.0, 58850.0], format="mjd", scale="tt")
    table["name"] = ["a", "b"]
    found = votable.from_table(table, **ORIGIN)
    assert found.speed.attrs["units"] == "km / s"
    assert found.place_ra.values.tolist() == [10, 20] and found.place_dec.attrs["frame"] == "icrs"
    assert found.when.values[0] == np.datetime64("2019-12-31T23:58:50.816", "ns")
    assert found.name.values.tolist() == ["a", "b"]
    assert check(found).attrs["institution"] == "I"


def test_masked_rows_of_astropy_are_undefined():
    table = Table(masked=True)
    table["n"] = MaskedColumn([1, 2], mask=[True, False])
    table["s"] = MaskedColumn(["a", "b"], mask=[True, False])
    table["t"] = Time(["2020-01-01", "2020-01-02"])
    table["t"][0] = np.ma.masked
    found = votable.from_table(table, **ORIGIN)
    assert np.isnan(found.n.values[0]) and found.s.values.tolist() == ["", "b"]
    assert np.isnat(found.t.values[0]) and found.t.values[1] == np.datetime64("2020-01-02", "ns")


def test_what_is_no_table_is_refused():
    with pytest.raises(BadOption, match="astropy Table, not a list"):
        votable.from_table([1, 2], **ORIGIN)

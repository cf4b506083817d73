"""Awkward PDS labels: what their bytes say comes out, or a typed error; labels and numbers are made up.

Expected values are worked out by hand from the PDS Standards Reference 3.8 and the PDS4 Information Model.
"""

import struct

import numpy as np
import pytest

from analysis.errors import AnalysisWarning, CorruptFile, UnknownFormat
from analysis.formats import pds

pytestmark = pytest.mark.filterwarnings("ignore:.*no unit is stated:analysis.errors.AnalysisWarning")

NAN = float("nan")


def column(name, kind, start, size, *more):
    said = [f"NAME = {name}", f"DATA_TYPE = {kind}", f"START_BYTE = {start}", f"BYTES = {size}", *more]
    return "\n".join(["OBJECT = COLUMN", *said, "END_OBJECT = COLUMN", ""])


def field(name, kind, size, *more):
    said = [f"NAME = {name}", f"DATA_TYPE = {kind}", f"BYTES = {size}", *more]
    return "\n".join(["OBJECT = FIELD", *said, "END_OBJECT = FIELD", ""])


def container(start, size, times, inner):
    said = ["NAME = G", f"START_BYTE = {start}", f"BYTES = {size}", f"REPETITIONS = {times}", 'DESCRIPTION = "x"']
    return "\n".join(["OBJECT = CONTAINER", *said, inner + "END_OBJECT = CONTAINER", ""])


def table(name, rows, width, columns, *more, form="ASCII"):
    said = [f"INTERCHANGE_FORMAT = {form}", f"ROWS = {rows}", "COLUMNS = 2", f"ROW_BYTES = {width}", *more]
    return "\n".join([f"OBJECT = {name}", *said, columns + f"END_OBJECT = {name}", ""])


def label(*tables, record=8, pointers=("^TABLE = X.DAT",), remark=""):
    said = [f"PDS_VERSION_ID = PDS3 {remark}", "RECORD_TYPE = FIXED_LENGTH", f"RECORD_BYTES = {record}", *pointers]
    return "\n".join([*said, 'DATA_SET_ID = "X"', *tables, "END", ""]).replace("\n", "\r\n").encode()


def read(folder, head, body, **others):
    (folder / "X.LBL").write_bytes(head)
    (folder / "X.DAT").write_bytes(body)
    for name, content in others.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return pds.read(folder / "X.LBL", {})


def lines(*rows):
    return "".join(f"{row}\r\n" for row in rows).encode("latin-1")


def same(data, **expected):
    for name, values in expected.items():
        np.testing.assert_allclose(data[name].values, np.array(values), rtol=1e-7, err_msg=name)


TWO = column("A", "ASCII_INTEGER", 1, 3) + column("B", "ASCII_INTEGER", 4, 3)


# ------------------------------------------------------------------------------------------ PDS3, written out


def test_a_table_is_cut_at_the_bytes_of_its_label_and_not_at_blanks_or_commas(tmp_path):
    columns = column("T", "CHARACTER", 1, 14) + column("A", "ASCII_REAL", 15, 8) + column("N", "ASCII_INTEGER", 23, 5)
    columns += column("S", "CHARACTER", 28, 6)
    rows = [f"{'MARS EXPRESS':<14}{1.5:8.3f}{'':5}{'a, b':<6}", f"{'':<14}{-2.5:8.3f}{7:5d}{'#c':<6}"]
    data = read(tmp_path, label(table("TABLE", 2, 35, columns), record=35), lines(*rows))
    same(data, a=[1.5, -2.5], n=[NAN, 7])
    assert data.t.values.tolist() == ["MARS EXPRESS", ""] and data.s.values.tolist() == ["a, b", "#c"]


def test_text_that_looks_like_a_number_or_like_nothing_stays_text(tmp_path):
    columns = column("T", "CHARACTER", 1, 6) + column("N", "ASCII_INTEGER", 7, 3)
    rows = [f"{text:<6}{n:3d}" for n, text in enumerate(["NA", "007", "null", "1e5", "F\u00f6rd", "1_0"])]
    data = read(tmp_path, label(table("TABLE", 6, 11, columns), record=11), lines(*rows))
    assert data.t.values.tolist() == ["NA", "007", "null", "1e5", "F\u00f6rd", "1_0"]
    same(data, n=range(6))


def test_columns_that_leave_bytes_out_or_come_in_another_order_are_found(tmp_path):
    body = lines("123456781.25", "-999   1-1.2")
    one = label(table("TABLE", 2, 14, column("B", "ASCII_INTEGER", 5, 4)), record=14)
    same(read(tmp_path, one, body), b=[5678, 1])
    columns = column("C", "ASCII_REAL", 9, 4) + column("A", "ASCII_INTEGER", 1, 4)
    same(read(tmp_path, label(table("TABLE", 2, 14, columns), record=14), body), a=[1234, -999], c=[1.25, -1.2])


def test_bytes_before_and_after_each_row_belong_to_no_column(tmp_path):
    around = ("ROW_PREFIX_BYTES = 4", "ROW_SUFFIX_BYTES = 4")
    head = label(table("TABLE", 2, 6, TWO, *around), record=14)
    same(read(tmp_path, head, lines("PPPP  1  2SS", "PPPP  3  4SS")), a=[1, 3], b=[2, 4])
    columns = column("A", "MSB_INTEGER", 1, 2) + column("B", "IEEE_REAL", 3, 4)
    head = label(
        table("TABLE", 2, 6, columns, "ROW_PREFIX_BYTES = 3", "ROW_SUFFIX_BYTES = 2", form="BINARY"), record=11
    )
    body = b"".join(b"ppp" + struct.pack(">hf", *row) + b"ss" for row in [(1, 0.5), (-2, 1.5)])
    same(read(tmp_path, head, body), a=[1, -2], b=[0.5, 1.5])


def test_numbers_of_fortran_are_numbers_and_its_stars_are_none(tmp_path):
    columns = column("A", "ASCII_REAL", 1, 10) + column("N", "ASCII_INTEGER", 11, 5)
    rows = [f"{a:>10}{n:>5}" for a, n in [("1.5D+03", "+7"), ("-2.5d-2", "-8"), ("********", "N/A")]]
    data = read(tmp_path, label(table("TABLE", 3, 17, columns), record=17), lines(*rows))
    same(data, a=[1500, -0.025, NAN], n=[7, -8, NAN])
    assert "cells without a number became NaN" in data.attrs["history"]


@pytest.mark.parametrize("cell", ["1.2.3", "abc", "1_0", "12 3", "0x1F"])
def test_a_cell_of_numbers_that_holds_none_is_refused_with_its_row(tmp_path, cell):
    head = label(table("TABLE", 2, 12, column("A", "ASCII_REAL", 1, 10)), record=12)
    with pytest.raises(CorruptFile, match=r"column A holds .* in row 2"):
        read(tmp_path, head, lines(f"{'1.5':>10}", f"{cell:>10}"))


def test_items_and_containers_are_arrays(tmp_path):
    columns = column("A", "ASCII_INTEGER", 1, 2) + column(
        "V", "ASCII_REAL", 4, 11, "ITEMS = 3", "ITEM_BYTES = 3", "ITEM_OFFSET = 4"
    )
    head = label(table("TABLE", 2, 16, columns), record=16)
    same(read(tmp_path, head, lines(" 1 1.5,2.5,3.5", " 2 4.5,   ,6.5")), a=[1, 2])
    np.testing.assert_array_equal(pds.read(tmp_path / "X.LBL", {}).v, [[1.5, 2.5, 3.5], [4.5, NAN, 6.5]])
    inner = column("P", "ASCII_INTEGER", 1, 2) + column("R", "ASCII_REAL", 3, 3)
    head = label(table("TABLE", 2, 14, column("A", "ASCII_INTEGER", 1, 2) + container(3, 5, 2, inner)), record=14)
    data = read(tmp_path, head, lines(" 1101.5202.5", " 2303.5404.5"))
    assert data.p.values.tolist() == [[10, 20], [30, 40]] and data.r.values.tolist() == [[1.5, 2.5], [3.5, 4.5]]


@pytest.mark.parametrize(
    ("width", "body"),
    [
        (8, b"  1  2\n  3  4\n"),  # the label counts a carriage return that the file has not
        (6, b"  1  2\r\n  3  4\r\n"),  # … or leaves the line's end out
        (6, b"  1  2  3  4"),
        (8, b"  1  2\r\n  3  4\r\n\x1a"),
        (8, b"  1  2\r\n  3  4\r\n  5  6\r\n"),
    ],
)
def test_line_ends_other_than_the_label_says_change_nothing(tmp_path, width, body):
    same(read(tmp_path, label(table("TABLE", 2, width, TWO)), body), a=[1, 3], b=[2, 4])


def test_several_tables_in_one_file_begin_where_their_pointers_say(tmp_path):
    pointers = ('^A_TABLE = ("x.dat", 2)', '^B_TABLE = ("X.DAT", 25 <BYTES>)')
    head = label(table("A_TABLE", 2, 8, TWO), table("B_TABLE", 1, 8, TWO), pointers=pointers)
    tree = read(tmp_path, head, lines("header", "  1  2", "  3  4", "  5  6"))
    same(tree["a_table"], a=[1, 3])
    same(tree["b_table"], a=[5], b=[6])


def test_remarks_in_an_attached_label_are_no_label(tmp_path):
    remark = '/* END of line */\n/* ^FAKE_TABLE = "nope.tab" */\n/* END */'
    head = label(table("TABLE", 2, 8, TWO), pointers=("^TABLE = 101",), remark=remark)
    (tmp_path / "X.DAT").write_bytes(head.ljust(800) + lines("  1  2", "  3  4"))
    same(pds.read(tmp_path / "X.DAT", {}), a=[1, 3], b=[2, 4])


def test_columns_that_a_format_file_describes_are_read(tmp_path):
    head = label(table("TABLE", 2, 8, '^STRUCTURE = "x.fmt"\n'))
    same(read(tmp_path, head, lines("  1  2", "  3  4"), X_FMT=TWO.encode()), a=[1, 3], b=[2, 4])


@pytest.mark.parametrize("body", [lines("  1  2"), b"  1  2\r\n  3", b"  1  2\n  3"])
def test_a_table_that_ends_too_early_is_refused(tmp_path, body):
    with pytest.raises(CorruptFile, match=r"X\.DAT"):
        read(tmp_path, label(table("TABLE", 2, 8, TWO)), body)


def sheet(rows, fields, delimiter="COMMA"):
    said = [f"ROWS = {rows}", "ROW_BYTES = 80", "FIELDS = 3", f'FIELD_DELIMITER = "{delimiter}"']
    made = "\n".join(["OBJECT = SPREADSHEET", *said, fields + "END_OBJECT = SPREADSHEET"])
    return label(made, pointers=("^SPREADSHEET = X.DAT",))


MIXED = field("T", "CHARACTER", 20) + field("A", "ASCII_REAL", 10) + field("N", "ASCII_INTEGER", 5)


def test_a_spreadsheet_keeps_commas_in_quotes_and_empty_numbers_apart(tmp_path):
    data = read(tmp_path, sheet(3, MIXED), b'"MARS, THE",1.5,7\r\n"NA",,8\r\n,3.5,\r\n')
    same(data, a=[1.5, NAN, 3.5], n=[7, 8, NAN])
    assert data.t.values.tolist() == ["MARS, THE", "NA", ""]
    data = read(tmp_path, sheet(1, MIXED, "SEMICOLON"), b"a,b;1.5;7\r\n")
    assert data.t.item() == "a,b"
    items = field("V", "ASCII_REAL", 30, "ITEMS = 3", "ITEM_BYTES = 8")
    np.testing.assert_array_equal(read(tmp_path, sheet(1, items), b"1.5,,3.5\r\n").v, [[1.5, NAN, 3.5]])


@pytest.mark.parametrize(
    "body", [b"a,1.5,7\r\n", b"a,1.5,7\r\nc,2.5", b"a,1.5,7\r\nc,2.5,8,9\r\n", b'a,1.5,7\r\n"c,2.5,8']
)
def test_a_spreadsheet_with_other_values_than_fields_is_refused(tmp_path, body):
    with pytest.raises(CorruptFile, match=r"X\.DAT"):
        read(tmp_path, sheet(2, MIXED), body)


def test_a_spreadsheet_without_a_last_line_end_is_warned_of(tmp_path):
    with pytest.warns(AnalysisWarning, match="may be cut"):
        read(tmp_path, sheet(2, MIXED), b"a,1.5,7\r\nc,2.5,8")


# ------------------------------------------------------------------------------------------ PDS3, binary


def vax(value):
    """Return a VAX F-floating number: sign, exponent from 128, and a mantissa from 0.5 on, its first bit hidden."""
    mantissa, exponent = np.frexp(abs(value))
    bits = (int(value < 0) << 31) | ((int(exponent) + 128) << 23) | round((mantissa - 0.5) * 2**24) if value else 0
    return struct.pack("<HH", bits >> 16, bits & 0xFFFF)


def test_numbers_of_a_vax_are_read(tmp_path):
    values = [1.0, -2.5, 0.0, 1e10]
    head = label(table("TABLE", 4, 4, column("A", "VAX_REAL", 1, 4), form="BINARY"), record=4)
    same(read(tmp_path, head, b"".join(map(vax, values))), a=values)


def test_fields_of_bits_are_columns(tmp_path):
    def bits(name, start, count, kind):
        said = [f"NAME = {name}", f"BIT_DATA_TYPE = {kind}", f"START_BIT = {start}", f"BITS = {count}"]
        return "\n".join(["OBJECT = BIT_COLUMN", *said, "END_OBJECT = BIT_COLUMN"])

    flags = bits("HI", 1, 4, "MSB_UNSIGNED_INTEGER"), bits("LO", 5, 12, "MSB_INTEGER")
    columns = column("F", "MSB_BIT_STRING", 1, 2, *flags) + column("A", "MSB_INTEGER", 3, 2)
    head = label(table("TABLE", 2, 4, columns, form="BINARY"), record=4)
    same(read(tmp_path, head, struct.pack(">HhHh", 0xA123, 5, 0x3FFF, 6)), hi=[10, 3], lo=[0x123, -1], a=[5, 6])


def test_constants_are_compared_with_what_is_stored_and_hexadecimal_ones_are_bits(tmp_path):
    columns = column(
        "A", "MSB_INTEGER", 1, 2, "SCALING_FACTOR = 0.5", "OFFSET = 5", "MISSING_CONSTANT = (-1, 16#8000#)"
    )
    columns += column("B", "IEEE_REAL", 3, 4, "INVALID_CONSTANT = 16#FF7FFFFB#")
    head = label(table("TABLE", 4, 6, columns, form="BINARY"), record=6)
    bodies = [(2, 1.5), (-1, -1.0), (-32768, 4.5), (9, 0.0)]
    body = b"".join(struct.pack(">hf", *row) for row in bodies)[:-4] + b"\xff\x7f\xff\xfb"
    same(read(tmp_path, head, body), a=[6, NAN, NAN, 9.5], b=[1.5, -1, 4.5, NAN])


def test_a_kind_of_number_that_is_not_read_is_named(tmp_path):
    head = label(table("TABLE", 1, 10, column("A", "IEEE_REAL", 1, 10), form="BINARY"), record=10)
    with pytest.raises(UnknownFormat, match="column A is IEEE_REAL of 10 bytes"):
        read(tmp_path, head, bytes(10))


def test_images_are_scaled_and_short_ones_refused(tmp_path):
    said = ["LINES = 2", "LINE_SAMPLES = 3", "SAMPLE_TYPE = MSB_UNSIGNED_INTEGER", "SAMPLE_BITS = 16"]
    said += ["SCALING_FACTOR = 0.5", "OFFSET = 1", "MISSING_CONSTANT = 6"]
    head = label("\n".join(["OBJECT = IMAGE", *said, "END_OBJECT = IMAGE"]), record=6, pointers=("^IMAGE = X.DAT",))
    body = np.arange(1, 7, dtype=">u2").tobytes()
    np.testing.assert_array_equal(read(tmp_path, head, body).image, [[1.5, 2, 2.5], [3, 3.5, NAN]])
    with pytest.raises(CorruptFile, match=r"10 bytes where X\.LBL says 12"):
        read(tmp_path, head, body[:-2])


# ------------------------------------------------------------------------------------------ PDS4


def tag(name, *inner):
    return f"<{name}>{''.join(map(str, inner))}</{name.split()[0]}>"


def place(kind, start, size):
    return tag('field_location unit="byte"', start) + tag("data_type", kind) + tag('field_length unit="byte"', size)


def one(kind, name, *inner, of="Field_Binary"):
    return tag(of, tag("name", name), tag("field_number", 1), kind, *inner)


def character(rows, width, *inner, groups=0):
    ends = tag("record_delimiter", "Carriage-Return Line-Feed")
    record = tag("fields", 1), tag("groups", groups), tag('record_length unit="byte"', width), *inner
    start = tag("local_identifier", "t"), tag('offset unit="byte"', 0), tag("records", rows)
    return tag("Table_Character", *start, ends, tag("Record_Character", *record))


def binary(rows, width, *inner, offset=0, name="t", groups=0):
    record = tag("fields", 1), tag("groups", groups), tag('record_length unit="byte"', width), *inner
    start = tag("local_identifier", name), tag('offset unit="byte"', offset), tag("records", rows)
    return tag("Table_Binary", *start, tag("Record_Binary", *record))


def delimited(rows, *inner, groups=0):
    start = tag("local_identifier", "t"), tag('offset unit="byte"', 0), tag("parsing_standard_id", "PDS DSV 1")
    ends = tag("record_delimiter", "Carriage-Return Line-Feed"), tag("field_delimiter", "Comma")
    record = tag("Record_Delimited", tag("fields", 1), tag("groups", groups), *inner)
    return tag("Table_Delimited", *start, tag("records", rows), *ends, record)


def read_4(folder, body, *structures):
    about = tag("logical_identifier", "urn:nasa:pds:s:d:m"), tag("version_id", 1.0), tag("title", "T")
    about += tag("information_model_version", "1.11.0.0"), tag("product_class", "Product_Observational")
    area = tag("File_Area_Observational", tag("File", tag("file_name", "x.dat")), *structures)
    namespace = 'Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1"'
    (folder / "x.xml").write_text('<?xml version="1.0"?>' + tag(namespace, tag("Identification_Area", *about), area))
    (folder / "x.dat").write_bytes(body)
    return pds.read(folder / "x.xml", {})


SCALED = tag("scaling_factor", 0.5) + tag("value_offset", 10)
MISSING = tag("Special_Constants", tag("missing_constant", -1))


def test_a_declared_constant_is_missing_where_values_are_scaled_and_what_it_scales_to_is_not(tmp_path):
    body = struct.pack(">4h", 2, -1, 19, -21)  # -21 scales to -0.5, -1 to the 9.5 that is no measurement
    data = read_4(tmp_path, body, binary(4, 2, one(place("SignedMSB2", 1, 2), "A", SCALED, MISSING)))
    same(data, a=[11, NAN, 19.5, -0.5])


def test_an_array_is_scaled_after_its_constants_are_taken_out(tmp_path):
    axes = [tag("Axis_Array", tag("axis_name", n), tag("elements", 2), tag("sequence_number", n)) for n in (1, 2)]
    order = tag("axes", 2), tag("axis_index_order", "Last Index Fastest")
    element = tag("Element_Array", tag("data_type", "SignedMSB2"), SCALED)
    start = tag("local_identifier", "im"), tag('offset unit="byte"', 0)
    data = read_4(tmp_path, struct.pack(">4h", 2, -1, 0, -22), tag("Array_2D", *start, *order, element, *axes, MISSING))
    np.testing.assert_array_equal(data.im, [[11, NAN], [10, -1]])


def test_empty_cells_of_numbers_are_no_zeros(tmp_path):
    kinds = [("T", "ASCII_String"), ("A", "ASCII_Real"), ("N", "ASCII_Integer")]
    fields = [one(tag("data_type", kind), name, of="Field_Delimited") for name, kind in kinds]
    data = read_4(tmp_path, b'"MARS, X",1.5,\r\nNA,2.5,7\r\n,,9\r\n', delimited(3, *fields))
    same(data, a=[1.5, 2.5, NAN], n=[NAN, 7, 9])
    assert data.t.values.tolist() == ["MARS, X", "NA", ""]
    with pytest.raises(CorruptFile, match=r"2 rows where .* says 3"):
        read_4(tmp_path, b"a,1.5,1\r\nb,2.5,7\r\n", delimited(3, *fields))
    number = one(place("ASCII_Integer", 1, 4), "N", of="Field_Character")
    same(read_4(tmp_path, b"   7\r\n    \r\n", character(2, 6, number)), n=[7, NAN])


def test_groups_are_arrays_in_each_kind_of_table(tmp_path):
    def group(kind, *inner, location=None):
        where = [] if location is None else [tag("group_location", location[0]), tag("group_length", location[1])]
        return tag(kind, tag("repetitions", 2), tag("fields", 2), tag("groups", 0), *where, *inner)

    pair = one(place("SignedMSB2", 1, 2), "P"), one(place("IEEE754MSBSingle", 3, 4), "R")
    body = b"".join(struct.pack(">Bhfhf", *row) for row in [(1, 10, 1.5, 20, 2.5), (2, 30, 3.5, 40, 4.5)])
    made = binary(2, 13, one(place("UnsignedByte", 1, 1), "N"), group("Group_Field_Binary", *pair, location=(2, 12)))
    data = read_4(tmp_path, body, made)
    same(data, n=[1, 2], p=[[10, 20], [30, 40]], r=[[1.5, 2.5], [3.5, 4.5]])
    pair = [
        one(tag("data_type", kind), n, of="Field_Delimited")
        for n, kind in [("P", "ASCII_Integer"), ("R", "ASCII_Real")]
    ]
    data = read_4(tmp_path, b"10,1.5,20,2.5\r\n30,3.5,40,4.5\r\n", delimited(2, group("Group_Field_Delimited", *pair)))
    same(data, p=[[10, 20], [30, 40]], r=[[1.5, 2.5], [3.5, 4.5]])


def test_packed_bits_are_columns_of_their_own(tmp_path):
    def part(name, start, stop, kind):
        ends = tag("start_bit_location", start), tag("stop_bit_location", stop)
        return tag("Field_Bit", tag("name", name), *ends, tag("data_type", kind))

    packed = tag("Packed_Data_Fields", tag("bit_fields", 2), part("HI", 1, 4, "UnsignedBitString"),
                 part("LO", 5, 16, "SignedBitString"))  # fmt: skip
    data = read_4(
        tmp_path, struct.pack(">HH", 0xA123, 0x3FFF), binary(2, 2, one(place("UnsignedMSB2", 1, 2), "F", packed))
    )
    same(data, hi=[10, 3], lo=[0x123, -1])


def test_two_tables_of_one_file_begin_at_their_offsets_and_a_short_file_is_refused(tmp_path):
    column_ = one(place("UnsignedByte", 1, 1), "C")
    made = binary(2, 1, column_, name="a"), binary(1, 1, column_, name="b", offset=2)
    tree = read_4(tmp_path, b"\x01\x02\xff", *made)
    same(tree["a"], c=[1, 2])
    same(tree["b"], c=[255])
    with pytest.raises(CorruptFile, match="2 bytes"):
        read_4(tmp_path, b"\x01\x02", *made)

"""Other FITS tables and images: light curves, cross sections, survey images; and what is no FITS at all."""

import warnings

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import formats, sample
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, CorruptFile, MissingFile, UnknownFormat
from analysis.formats import fits
from analysis.model import check


def table(*columns, name="TABLE", **keywords):
    hdu = astropy_fits.BinTableHDU.from_columns(list(columns), name=name)
    hdu.header.update(keywords)
    return hdu


def written(path, *hdus, primary=None):
    astropy_fits.HDUList([primary or astropy_fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def column(name, form, values, unit=None, **more):
    return astropy_fits.Column(name, form, unit, array=np.asarray(values), **more)


@pytest.mark.slow
def test_the_june_2011_flare_was_an_m2_5():
    goes = formats.read(sample.path("goes15_xrs_20110607.fits"))
    peak = goes.isel(time=int(goes.xrs_b.argmax("time")))
    assert float(peak.xrs_b) == pytest.approx(2.5554e-5, rel=1e-4)
    assert abs(peak.time.values - np.datetime64("2011-06-07T06:41:24")) < np.timedelta64(1, "s")
    assert goes.xrs_b.attrs["units"] == "W /m**2" and "0.1-0.8 nm" in goes.xrs_b.long_name
    assert float((goes.xrs_b > goes.xrs_a).mean()) == 1.0  # the long channel sees more


def test_the_erosita_light_curve_is_in_utc_and_bright_in_24_bins():
    curve = formats.read(sample.path("erosita_light_curve.fits"))
    assert curve.sizes["time"] == 3740 and curve.rate.dims == ("time", "element_3")
    assert int((curve.fracexp > 0).any("element_3").sum()) == 24
    assert str(curve.time.values[0])[:10] == "2019-11-03"  # its DATE-OBS
    assert curve.rate.attrs["units"] == "ct/s"
    assert float(curve.offaxis.min()) < -1e37 and "fills" not in curve.offaxis.attrs  # as stored: no known fill


@pytest.mark.parametrize("name", ["xsect_tbabs_wilm", "xsect_phabs_aspl", "xsect_wabs_angr"])
def test_a_photoelectric_cross_section_falls_as_the_cube_of_the_energy(name):
    cross = formats.read(sample.path(f"{name}.fits"))
    assert cross.energy.attrs["units"] == "keV" and cross.sizes["row"] == 10000
    energy, sigma = cross.energy.values, cross.sigma.values
    at = [float(np.interp(e, energy, sigma)) for e in (1.0, 5.0)]
    assert 1 < at[0] < 4  # 1e-22 cm2 a hydrogen atom at 1 keV (Morrison & McCammon 1983); TUNIT lacks the factor
    assert -3.2 < np.log(at[1] / at[0]) / np.log(5) < -2.2


def test_the_hydrogen_map_is_an_image_in_galactic_coordinates():
    image = formats.read(sample.path("nh_lab.fits.gz"))
    assert image.image.dims == ("y", "x") and image.image.shape == (240, 480)
    assert image.attrs["frame"] == "galactic" and image.attrs["wcs_ctype"] == ["GLON-AIT", "GLAT-AIT"]
    assert float(image.image.max()) == pytest.approx(2.30836e22, rel=1e-5)  # its DATAMAX
    assert image.image.attrs["units"] == "cm**(-2)"
    rows = image.image.mean("x")
    assert abs(int(rows.argmax("y")) - 119.5) < 5  # the plane of the Galaxy


def test_a_light_curve_in_days_is_read(oracle):
    curve = formats.read(oracle / "archives/esa_utils/test.fits")
    assert curve.sizes == {"time": 863}
    assert str(curve.time.values[0])[:7] == "2007-03"  # day 2617 after MJD 51544


@pytest.mark.parametrize("units", ["s", "d"])
def test_the_clock_of_a_table_becomes_utc(tmp_path, units):
    seconds = np.array([0.0, 86400.0]) / (86400 if units == "d" else 1)
    hdu = table(column("TIME", "D", seconds, units), MJDREFI=57754, MJDREFF=0.00080074074074, TIMESYS="TT")
    time = fits.read(written(tmp_path / "t.fits", hdu), {}).time.values
    # IXPE's clock starts on 2017-01-01 at 0 h UTC, a leap second after 2016
    assert abs(time[0] - np.datetime64("2017-01-01T00:00:00")) < np.timedelta64(1, "ms")


def test_text_times_are_read_as_utc(tmp_path):
    hdu = table(
        column("TIME", "20A", ["2001-03-31T00:00:00Z", "2001-03-31T01:00:00Z"]),
        column("B", "E", [1, 2], "nT"),
    )
    data = fits.read(written(tmp_path / "t.fits", hdu), {})
    assert str(data.time.values[1])[:16] == "2001-03-31T01:00" and data.b.dims == ("time",)


@pytest.mark.parametrize(
    ("times", "keywords", "why"),
    [
        ([0.0, 1.0], {}, "no reference"),
        ([1.0, 1.0], {"MJDREF": 50814.0, "TIMESYS": "TT"}, "repeated"),
        ([2.0, 1.0], {"MJDREF": 50814.0, "TIMESYS": "TT"}, "out of order"),
    ],
)
def test_times_that_are_no_axis_stay_as_the_clock(tmp_path, times, keywords, why):
    data = fits.read(written(tmp_path / "t.fits", table(column("TIME", "D", times, "s"), **keywords)), {})
    assert data.clock.dims == ("row",) and why in data.attrs["history"]


def test_facts_complete_a_clock(tmp_path):
    path = written(tmp_path / "t.fits", table(column("TIME", "D", [0.0, 1.0])))
    data = fits.read(path, {"mjdref": "50814", "timesys": "TT", "time_units": "d"})
    assert str(data.time.values[1])[:19] == "1998-01-01T23:58:56"
    with pytest.raises(BadOption, match="mjdref, timesys, time_units"):
        fits.read(path, {"units": "s"})


def test_units_of_archives_are_translated_and_unknown_ones_kept(tmp_path):
    hdu = table(
        column("N", "E", [1.0], "#/cc"),
        column("F", "E", [1.0], "erg/cm**2/s"),
        column("W", "E", [1.0], "wobbles"),
    )
    path = written(tmp_path / "t.fits", hdu)
    with pytest.warns(AnalysisWarning, match="wobbles"):
        data = fits.read(path, {})
    assert data.n.attrs["units"] == "cm-3" and data.w.attrs == {
        "units": "1",
        "long_name": "W",
        "archive_units": "wobbles",
    }


def test_several_extensions_become_a_tree(tmp_path):
    path = written(
        tmp_path / "t.fits",
        table(column("A", "J", [1, 2]), name="ONE"),
        table(column("B", "J", [3]), name="TWO"),
        astropy_fits.ImageHDU(np.ones((2, 3), ">f4"), name="MAP"),
        table(column("C", "J", [4]), name="TWO"),
    )
    tree = fits.read(path, {})
    assert set(tree.children) == {"one", "two", "map", "two_4"}
    assert tree["map"]["map"].dims == ("y", "x") and check(tree) is tree


def test_scaled_integers_with_blanks_are_floats_with_nan(tmp_path):
    image = astropy_fits.PrimaryHDU(np.array([[1, 2], [-5, 4]], np.int16))
    image.header.update(BSCALE=0.5, BZERO=10.0, BLANK=-5, BUNIT="count")
    raw = written(tmp_path / "i.fits", primary=image)
    with astropy_fits.open(raw, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header.update(BSCALE=0.5, BZERO=10.0, BLANK=-5)
        stored = hdus[0].data.tolist()
    data = fits.read(raw, {}).image
    expected = np.where(np.array(stored) == -5, np.nan, np.array(stored) * 0.5 + 10)
    np.testing.assert_array_equal(data, expected)


def test_compressed_images_unpack(tmp_path):
    values = np.arange(64 * 64, dtype=np.int32).reshape(64, 64)
    path = written(tmp_path / "c.fits", astropy_fits.CompImageHDU(values, name="SKY"))
    np.testing.assert_array_equal(fits.read(path, {}).sky, values)


def test_repeated_column_names_are_told_apart(tmp_path):
    path = written(tmp_path / "t.fits", table(column("A", "J", [1]), column("B", "J", [2])))
    path.write_bytes(path.read_bytes().replace(b"'B       '", b"'A       '"))
    assert set(fits.read(path, {}).data_vars) == {"a", "a_2"}


def test_a_fits_file_wrapped_up_as_an_image_is_refused(oracle):
    with pytest.raises(CorruptFile, match="another FITS file"):
        formats.read(oracle / "xray/xrism_perseus/xa_merged_p0px1000_Hp.fits")


def test_headers_alone_hold_nothing(tmp_path):
    with pytest.raises(UnknownFormat, match="without data"):
        fits.read(written(tmp_path / "h.fits"), {})


def test_what_is_no_fits_is_refused_by_name(tmp_path):
    path = tmp_path / "page.fits"
    with pytest.raises(MissingFile, match=r"page\.fits"):
        fits.read(path, {})
    for content in (b"", b"<html>not found</html>" * 200, b"SIMPLE  =                    T" + b"\0" * 3000):
        path.write_bytes(content)
        with pytest.raises(CorruptFile, match=r"page\.fits"):
            fits.read(path, {})


def test_bytes_after_the_last_extension_are_refused(tmp_path):
    path = written(tmp_path / "t.fits", table(column("A", "J", [1])))
    raw = path.read_bytes()
    path.write_bytes(raw + b"\0" * 100)
    assert fits.read(path, {}).a.values.tolist() == [1]
    path.write_bytes(raw + b"XTENSION= 'BINTABLE'".ljust(2000))
    with pytest.raises(CorruptFile, match="cut"):
        fits.read(path, {})


def test_extensions_without_a_name_open(tmp_path):
    Table({"a": [1, 2]}).write(tmp_path / "x.fits")
    data = formats.read(tmp_path / "x.fits")
    assert data.a.values.tolist() == [1, 2] and data.attrs["title"] == "Table 1"
    image = formats.read(written(tmp_path / "i.fits", astropy_fits.ImageHDU(np.ones((2, 3)))))
    assert image.image.attrs["long_name"] == "Image"


def test_days_of_utc_are_calendar_days(tmp_path):
    hdu = table(column("TIME", "D", [57752.5, 57754.5], "d"), MJDREF=0.0, TIMESYS="UTC")
    path = written(tmp_path / "t.fits", hdu)
    time = fits.read(path, {}).time.values
    expected = np.array(["2016-12-30T12:00", "2017-01-01T12:00"], "datetime64[ns]")
    assert (abs(time - expected) < np.timedelta64(10, "us")).all()


def test_text_times_follow_the_time_scale(tmp_path):
    texts = ["2017-01-01T00:01:09.184", "2017-01-01T00:02:09.184"]
    for scale, start in (("TT", "2017-01-01T00:00:00"), ("TDT", "2017-01-01T00:00:00"), ("UTC", texts[0])):
        path = written(tmp_path / "t.fits", table(column("TIME", "24A", texts), TIMESYS=scale))
        assert abs(fits.read(path, {}).time.values[0] - np.datetime64(start)) < np.timedelta64(1, "us")


@pytest.mark.parametrize("first", ["2501-01-01", "0100", "1500-01-01T00:00:00"])
def test_text_times_out_of_range_stay_text(tmp_path, first):
    data = fits.read(written(tmp_path / "t.fits", table(column("TIME", "20A", [first, "2501-01-02"]))), {})
    assert data.clock.values[0] == first and "no ISO 8601" in data.attrs["history"]


@pytest.mark.parametrize(("unit", "scale"), [("furlong", "TT"), ("s", "LOCAL")])
def test_a_clock_that_nobody_knows_does_not_refuse_the_file(tmp_path, unit, scale):
    hdu = table(column("TIME", "D", [0.0, 1.0], unit), column("B", "E", [1, 2]), MJDREF=50814.0, TIMESYS=scale)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        data = fits.read(written(tmp_path / "t.fits", hdu), {})
    assert any("kept as the variable 'clock'" in str(warning.message) for warning in said)
    assert data.clock.values.tolist() == [0, 1] and data.b.dims == ("row",)


def test_offsets_are_added_in_64_bits(tmp_path):
    hdu = table(column("A", "E", [0.25, 0.5]))
    hdu.header["TZERO1"] = 1e9
    assert fits.read(written(tmp_path / "t.fits", hdu), {}).a.values.tolist() == [1e9 + 0.25, 1e9 + 0.5]


def test_large_integers_stay_exact(tmp_path):
    hdu = table(column("A", "K", [2**62, 2**62 + 1]))
    hdu.header["TNULL1"] = 2**62 + 1
    assert np.isnan(fits.read(written(tmp_path / "t.fits", hdu), {}).a.values).tolist() == [False, True]
    pixels = np.array([[2**64 - 1, 1]], np.uint64)
    image = fits.read(written(tmp_path / "u.fits", primary=astropy_fits.PrimaryHDU(pixels)), {}).image
    assert image.dtype == np.uint64 and image.values.tolist() == pixels.tolist()


def test_no_variable_is_lost_to_another_of_its_name(tmp_path):
    hdu = table(*(column(name, "J", [n, n]) for n, name in enumerate(("TIME", "CLOCK", "ROW", "ROW_COLUMN"))))
    data = fits.read(written(tmp_path / "t.fits", hdu), {})
    assert {name: int(data[name][0]) for name in data.data_vars} == {
        "clock_2": 0,
        "clock": 1,
        "row_column_2": 2,
        "row_column": 3,
    }
    names = ("X", "X_3", "X")
    tree = fits.read(written(tmp_path / "x.fits", *(table(column("A", "J", [1]), name=name) for name in names)), {})
    assert set(tree.children) == {"x", "x_3", "x_3_2"}


def test_columns_of_no_width_are_passed_over_and_rows_of_none_refused(tmp_path):
    path = written(tmp_path / "t.fits", table(column("A", "J", [1, 2]), column("NONE", "0E", np.zeros((2, 0)))))
    assert set(fits.read(path, {}).data_vars) == {"a"}
    hdu = table(column("NONE", "0E", np.zeros((2, 0))), column("B", "J", [1, 2]))
    path = written(tmp_path / "z.fits", hdu)
    raw = path.read_bytes()[:-2880].replace(b"'J       '", b"'0J      '")
    raw = raw.replace(b"NAXIS1  =                    4", b"NAXIS1  =                    0")
    path.write_bytes(raw.replace(b"NAXIS2  =                    2", b"NAXIS2  =          99999999999"))
    with pytest.raises(CorruptFile, match="rows of no bytes"):
        fits.read(path, {})


@pytest.mark.parametrize(("equinox", "frame"), [(1950.0, "fk4"), (2000.0, "fk5"), (None, "icrs")])
def test_the_frame_and_rotation_of_an_image_are_those_of_its_header(tmp_path, equinox, frame):
    image = astropy_fits.PrimaryHDU(np.ones((2, 2)))
    image.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CROTA2=30.0, PC1_2=-0.5)
    if equinox:
        image.header["EQUINOX"] = equinox
    attrs = fits.read(written(tmp_path / "i.fits", primary=image), {}).attrs
    assert attrs["frame"] == frame and attrs["wcs_crota2"] == 30.0 and attrs["wcs_pc"] == [1.0, -0.5, 0.0, 1.0]


def test_damaged_tiles_are_refused_by_a_typed_error(tmp_path):
    values = np.random.default_rng(1).integers(0, 1000, (64, 64), dtype=np.int32)
    path = written(tmp_path / "c.fits", astropy_fits.CompImageHDU(values, name="SKY", compression_type="GZIP_1"))
    with astropy_fits.open(path, disable_image_compression=True) as hdus:
        at = hdus[1].fileinfo()["datLoc"] + int(hdus[1].header["NAXIS1"]) * int(hdus[1].header["NAXIS2"])
    raw = bytearray(path.read_bytes())
    raw[at : at + 2000] = b"\xff" * 2000
    path.write_bytes(raw)
    with pytest.raises(CorruptFile, match="does not unpack"):
        fits.read(path, {})


def test_texts_of_varying_length_and_arrays_of_text_are_text(tmp_path):
    hdu = table(
        column("NOTE", "PA()", np.array(["ab", "cde"], dtype=object)),
        column("NAMES", "6A", [["abc", "de"], ["f", "ghi"]], dim="(3,2)"),
        column("Z", "PM()", np.array([np.array([1 + 2j]), np.array([3j, 4.0])], dtype=object)),
    )
    data = fits.read(written(tmp_path / "t.fits", hdu), {})
    assert data.note.values.tolist() == ["ab", "cde"]
    assert data.names.values.tolist() == [["abc", "de"], ["f", "ghi"]]
    assert data.z.values[0, 0] == 1 + 2j and data.z.values[1].tolist() == [3j, 4.0]


def test_large_values_are_kept_and_fills_are_not(tmp_path):
    hdu = table(column("L", "D", [1e44, 3e46, -1e31, -1.6375e30, np.inf], "erg/s"))
    luminosity = fits.read(written(tmp_path / "t.fits", hdu), {}).l
    np.testing.assert_array_equal(luminosity, [1e44, 3e46, np.nan, np.nan, np.nan])
    assert "3 values" in luminosity.attrs["fills"]


SIZES = ["NAXIS", "NAXIS1", "NAXIS2", "BITPIX", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "NSIDE"]
COLUMNS = ["TTYPE1", "TFORM1", "TFORM2", "TUNIT1", "TDIM3", "TSCAL2", "TNULL3"]
CARDS = st.sampled_from([*SIZES, *COLUMNS, "MJDREF", "TIMEZERO", "TIMESYS"])
VALUES = st.one_of(
    st.integers(-(2**31), 2**31).map(str),
    st.floats(allow_nan=False).map(lambda v: f"{v:.6E}"),
    st.sampled_from(
        ["'1PE(3)'", "'0J'", "'9999999J'", "'Q'", "''", "T", "'x", "'(2,3)'", "'TT'", "1E400", "NaN", "'1D'"]
    ),
)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(CARDS, VALUES, min_size=1, max_size=3))
def test_a_header_of_nonsense_is_read_or_refused_but_never_breaks(tmp_path, changes):
    source = tmp_path / "whole.fits"
    if not source.exists():
        columns = (
            column("TIME", "D", [0.0, 1.0, 2.0], "s"),
            column("RATE", "E", [1.0, 2.0, 3.0], "ct/s"),
            column("N", "6I", np.arange(18).reshape(3, 6), null=3),
            column("TRACE", "PE()", np.array([[1.0], [1.0, 2.0], [3.0]], dtype=object)),
        )
        written(source, table(*columns, MJDREF=50814.0, TIMESYS="TT", TIMEZERO=0.0))
    raw = bytearray(source.read_bytes())
    for key, value in changes.items():
        at = raw.find(f"{key:8s}=".encode(), 2880)
        if at < 0:
            at = raw.find(b"END     ", 2880)
            raw[at + 80 : at + 160] = raw[at : at + 80]
        raw[at : at + 80] = f"{key:8s}= {value}".ljust(80)[:80].encode()
    path = tmp_path / "damaged.fits"
    path.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)
        try:
            check(fits.read(path, {}))
        except AnalysisError as error:
            assert "damaged.fits" in str(error)

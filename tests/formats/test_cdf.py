"""CDF: real files with their warts, and small ones made here that state exactly one thing."""

import warnings

import numpy as np
import pycdfpp
import pytest
import xarray as xr
from cdf_files import TYPES, cdf_file, on_time, seconds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import formats, sample
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, CorruptFile, WrongData
from analysis.formats import _cdfrecords, _istp
from analysis.model import breaches, in_units, provenance_of

FILL = -1e31


@pytest.fixture
def made(tmp_path):
    def write(variables, **options):
        return cdf_file(tmp_path / "made.cdf", variables, **options)

    return write


# --- real files


@pytest.fixture(scope="session")
def psp():
    return formats.read(sample.path("psp_fld_l2_mag_rtn_1min_20200104_v02.cdf"))


@pytest.fixture(scope="session")
def hope():
    return formats.read(sample.path("rbspa_rel04_ect-hope-PA-L3_20121201_v0.0.0.cdf"))


@pytest.fixture(scope="session")
def epd():
    return formats.read(sample.path("solo_L2_epd-ept-north-hcad_20200713_V02.cdf"))


def test_a_field_vector_has_components_a_frame_and_its_gaps(psp):
    field = psp["mag_rtn_1min"]["psp_fld_l2_mag_RTN_1min"]
    assert field.dims == ("time", "component")
    assert field["component"].values.tolist() == ["r", "t", "n"]
    assert field.attrs["frame"] == "RTN" and field.attrs["units"] == "nT"
    assert np.isnan(field.values[0]).all()
    assert np.diff(field["time"].values).max() == np.timedelta64(27_300, "s")


def test_variables_with_other_epochs_are_other_nodes(psp):
    assert set(psp.children) == {"mag_rtn_1min", "quality_flags"}
    assert psp["quality_flags"].sizes["time"] == 1440
    assert psp["quality_flags"]["psp_fld_l2_quality_flags"].dtype == np.uint32


def test_provenance_names_the_file_and_its_checksum_but_no_folder(psp):
    (found,) = provenance_of(psp["mag_rtn_1min"])["files"]
    assert found["name"] == "psp_fld_l2_mag_rtn_1min_20200104_v02.cdf" and found["size"] == 70003
    assert len(found["sha256"]) == 64
    assert psp["mag_rtn_1min"].attrs["history"].startswith(f"read from {found['name']} (sha256 {found['sha256']})")


@pytest.mark.slow
def test_pitch_angle_spectrograms_are_time_energy_pitch_angle(hope):
    flux = hope["ion"]["FPDU"]
    assert flux.dims == ("time", "energy", "pitch_angle")
    assert flux["pitch_angle"].attrs["units"] == "deg"
    assert float(in_units(flux["energy"], "keV").max()) == pytest.approx(51.77, abs=0.01)
    assert in_units(flux, "m-2 s-1 sr-1 J-1").sizes == flux.sizes


def test_energies_that_change_in_time_are_a_table_beside_the_dim(hope):
    electrons = hope["ele"]
    assert electrons["energy_table"].dims == ("time", "energy")
    assert "energy" not in electrons.coords
    assert electrons["FEDO"].dims == ("time", "energy")


def test_widths_of_energies_stand_on_the_energies_they_qualify(hope):
    assert hope["ion"]["ENERGY_Ion_DELTA"].dims == ("time", "energy")


def test_energy_tables_of_electrons_and_ions_part_nodes_and_each_keeps_the_flags(epd):
    assert set(epd.children) == {"ion", "electron", "rtn", "hci", "static"}
    assert epd["ion"].sizes["energy"] == 12 and epd["electron"].sizes["energy"] == 17
    for node in ("ion", "electron"):
        assert epd[node]["QUALITY_FLAG"].dtype == np.uint8
    assert epd["ion"]["Ion_Bins_Width"].dims == ("energy",)


def test_unit_vectors_of_epd_have_length_one(epd):
    for vector in (epd["rtn"]["RTN"], epd["static"]["XYZ"]):
        assert np.allclose((vector**2).sum("component"), 1, atol=1e-6)
    assert epd["rtn"]["RTN"].attrs["frame"] == "RTN" and epd["static"]["XYZ"].attrs["frame"] == "SC"


def test_every_real_file_keeps_the_data_contract(psp, hope, epd):
    assert [breaches(data) for data in (psp, hope, epd)] == [[], [], []]


def test_reading_leaves_the_file_as_it_was():
    sample.path("rbspa_rel04_ect-hope-PA-L3_20121201_v0.0.0.cdf")  # refuses it if its checksum has changed


def test_ace_saw_minus_79_nt_in_the_storm_of_november_2001(oracle):
    data = formats.read(oracle / "plasma/nov2001/ac_h0s_mfi_20011105.cdf")
    bz = data["BGSM"].sel(component="z", time=slice("2001-11-06T02:40", "2001-11-06T02:50"))
    assert float(bz.min()) == pytest.approx(-79.0, abs=0.05)
    assert str(bz.idxmin().values)[:19] == "2001-11-06T02:45:11"
    assert data["BGSM"].attrs["frame"] == "GSM"


def test_two_dimensional_epochs_of_an_old_file_become_a_time_axis(oracle):
    data = formats.read(oracle / "plasma/cdf/ge_k0_cpi_19921231_v02.cdf")
    assert data["SW_P_Den"].dims == ("time",)
    assert data["SW_V"].dims == ("time", "component") and data["SW_V"].attrs["frame"] == "GSE"
    assert data["HP_V"].dims == ("time", "cartesian2")  # two components are no vector
    assert data["Time_PB5"].dims == ("time", "unit_time")  # year, day, ms neither
    assert data["W"].attrs["units"] == "Pa"
    assert not breaches(data)


def test_a_variable_without_records_is_left_out_and_said_so(oracle):
    data = formats.read(oracle / "plasma/cdf/ac_h2_sis_20101105_v06.cdf")
    assert "cnt_Al" not in data and "cnt_Al is declared without records" in data.attrs["history"]
    assert data["flux_He"].sizes["label_ebands_flux_he"] == 8


@pytest.mark.parametrize(
    "name", ["solo_L1_swa-pas-mom_20200706_V01.cdf", "solo_l2_rpw-lfr-surv-swf-e_00000000_v01.cdf"]
)
def test_a_master_is_refused_with_the_variables_it_declares(oracle, name):
    with pytest.raises(WrongData, match=r"no records.*Epoch"):
        formats.read(oracle / "plasma/cdf" / name)


# --- time


@pytest.mark.parametrize("kind", [TYPES.CDF_EPOCH, TYPES.CDF_EPOCH16, TYPES.CDF_TIME_TT2000])
def test_each_kind_of_epoch_gives_the_same_utc(made, kind):
    times = seconds(4, np.datetime64("2016-12-31T23:59:58", "ns"))  # across a leap second
    data = formats.read(made({"b": (np.arange(4.0), on_time())}, epoch=times, kind=kind))
    assert (data["time"].values == times).all()
    assert data["time"].dtype == np.dtype("datetime64[ns]")


def test_records_inside_a_leap_second_are_dropped_and_said_so(made):
    epoch = np.repeat(np.datetime64("2016-12-31T23:59:59", "ns"), 5)
    first = int(pycdfpp.CDF().add_variable("e", values=epoch, data_type=TYPES.CDF_TIME_TT2000).values["nseconds"][0])
    ticks = {i: first + i * 500_000_000 for i in range(5)}  # 59, 59.5, 60, 60.5, 00
    data = formats.read(made({"b": (np.arange(5.0), on_time())}, epoch=epoch, raw=ticks))
    assert data["b"].values.tolist() == [0, 1, 4]
    assert "2 records of Epoch inside a leap second dropped" in data.attrs["history"]


@pytest.mark.parametrize(
    ("kind", "nothing"),
    [
        (TYPES.CDF_EPOCH, -1e31),
        (TYPES.CDF_EPOCH, 0.0),
        (TYPES.CDF_EPOCH16, -1e31),
        (TYPES.CDF_TIME_TT2000, -(2**63)),
    ],
)
def test_records_without_a_time_are_dropped_and_said_so(made, kind, nothing):
    path = made({"b": (np.arange(4.0), on_time())}, epoch=seconds(4), kind=kind, raw={1: nothing})
    data = formats.read(path)
    assert data["b"].values.tolist() == [0, 2, 3]
    assert "1 records of Epoch without a valid time dropped" in data.attrs["history"]


def test_exact_duplicates_are_dropped_with_a_note(made):
    epoch = seconds(4)[[0, 1, 1, 2]]
    data = formats.read(made({"b": ([0.0, 5, 5, 2], on_time())}, epoch=epoch))
    assert data["b"].values.tolist() == [0, 5, 2]
    assert "1 exact duplicates" in data.attrs["history"]


def test_one_time_with_two_values_is_refused(made):
    with pytest.raises(WrongData, match="other values of b"):
        formats.read(made({"b": ([0.0, 5, 6, 2], on_time())}, epoch=seconds(4)[[0, 1, 1, 2]]))


def test_records_out_of_order_are_refused_unless_asked_to_sort(made):
    path = made({"b": ([0.0, 2, 1, 3], on_time())}, epoch=seconds(4)[[0, 2, 1, 3]])
    with pytest.raises(WrongData, match=r"backwards.*sort"):
        formats.read(path)
    data = formats.read(path, assume={"sort": "yes"})
    assert data["b"].values.tolist() == [0, 1, 2, 3]
    assert "sorted by time, as asked" in data.attrs["history"]


@pytest.mark.parametrize("kind", [TYPES.CDF_EPOCH, TYPES.CDF_TIME_TT2000])
def test_an_epoch_of_two_dimensions_becomes_a_time_axis(made, kind):
    path = made({"b": (np.arange(3.0)[:, None], on_time())}, epoch=seconds(3)[:, None], kind=kind)
    data = formats.read(path)
    assert data["b"].dims == ("time",) and (data["time"].values == seconds(3)).all()


def test_records_on_an_axis_other_than_time_keep_that_axis(made):
    axis = ([3.0, 1.0, 2.0], {"UNITS": "km", "FIELDNAM": "Height above ground"})
    data = formats.read(made({"Height": axis, "n": ([1.0, 2.0, 3.0], on_time(DEPEND_0="Height", UNITS="#/cc"))}))
    assert data["n"].dims == ("height",) and data["height"].values.tolist() == [3, 1, 2]
    assert data["n"].attrs["units"] == "cm-3"


def test_records_without_any_axis_have_the_dim_record(made):
    data = formats.read(made({"n": ([1.0, 2.0], {"UNITS": "nT"})}))
    assert data["n"].dims == ("record",)


def test_two_epochs_with_the_same_times_are_one_axis(made):
    again = (seconds(3), {"VAR_TYPE": "support_data"}, {"data_type": TYPES.CDF_TIME_TT2000})
    path = made(
        {"Epoch_2": again, "a": (np.arange(3.0), on_time()), "b": (np.ones(3), on_time(DEPEND_0="Epoch_2"))},
        epoch=seconds(3),
    )
    assert set(formats.read(path).data_vars) == {"a", "b"}


def test_a_variable_without_depend_0_takes_the_epoch_of_its_length_with_a_warning(made):
    path = made({"b": (np.arange(3.0), {"UNITS": "nT"})}, epoch=seconds(3))
    with pytest.warns(AnalysisWarning, match="no DEPEND_0"):
        data = formats.read(path)
    assert data["b"].dims == ("time",)
    path = made({"b": (np.arange(3.0), on_time(DEPEND_0="Epoch_hires"))}, epoch=seconds(3))
    with pytest.warns(AnalysisWarning, match="DEPEND_0 is Epoch_hires, which is no time axis; Epoch taken"):
        assert formats.read(path)["b"].dims == ("time",)


def test_a_variable_with_other_records_than_its_epoch_is_left_out_with_a_warning(made):
    path = made({"a": (np.arange(3.0), on_time()), "b": (np.arange(2.0), on_time())}, epoch=seconds(3))
    with pytest.warns(AnalysisWarning, match="not as many records.*b"):
        assert set(formats.read(path).data_vars) == {"a"}


# --- values


@pytest.mark.slow
@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([FILL, np.nan, np.inf]), min_size=2, max_size=9),
    single=st.booleans(),
)
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fills_and_infinities_become_nan_and_nothing_else_changes(made, values, single):
    raw = np.array(values, "f4" if single else "f8")
    fill = float(raw.dtype.type(FILL))
    path = made({"b": (raw.copy(), on_time(FILLVAL=[fill]))}, epoch=seconds(len(raw)))
    read = formats.read(path)["b"]
    expected = np.where(np.abs(raw) < 1e30, raw, np.nan)
    assert read.dtype == raw.dtype
    assert np.array_equal(read.values, expected, equal_nan=True)


def test_numbers_too_large_that_are_not_the_fill_are_counted_in_history(made):
    data = formats.read(made({"b": ([1.0, np.inf, 1e31], on_time(FILLVAL=[FILL]))}, epoch=seconds(3)))
    assert "2 values of b that are infinite or a default fill" in data.attrs["history"]


def test_whole_numbers_stay_whole_unless_they_have_fills(made):
    flags = np.array([0, 3, 255], "u1")
    path = made(
        {
            "full": (flags, on_time(FILLVAL=[254], UNITS=" ")),
            "holed": (flags, on_time(FILLVAL=[255], UNITS=" ")),
        },
        epoch=seconds(3),
    )
    data = formats.read(path)
    assert data["full"].dtype == np.uint8
    assert data["holed"].dtype == np.float32 and np.isnan(data["holed"].values[2])


def test_whole_numbers_too_large_for_the_floats_that_fills_make_of_them_are_told_of(made):
    ids = np.array([5, 2**60 + 1, -(2**63)])
    path = made({"id": (ids, on_time(FILLVAL=[-(2**63)], UNITS=" "))}, epoch=seconds(3))
    assert "1 values of id above 2^53 rounded" in formats.read(path).attrs["history"]
    path = made({"id": (ids, on_time(FILLVAL=[-1], UNITS=" "))}, epoch=seconds(3))
    assert np.array_equal(formats.read(path)["id"], ids)


def test_valid_limits_are_kept_and_not_applied(made):
    data = formats.read(made({"b": ([1.0, 99.0], on_time(VALIDMIN=[0.0], VALIDMAX=[10.0]))}, epoch=seconds(2)))
    assert data["b"].values.tolist() == [1, 99]
    assert (data["b"].attrs["valid_min"], data["b"].attrs["valid_max"]) == (0.0, 10.0)


@pytest.mark.parametrize("majority", [pycdfpp.Majority.row, pycdfpp.Majority.column])
def test_row_and_column_majority_give_the_same_array(made, majority):
    cube = np.arange(24.0).reshape(2, 3, 4)
    with pytest.warns(AnalysisWarning, match="frame"):
        data = formats.read(made({"field": (cube, on_time())}, epoch=seconds(2), majority=majority))
    assert np.array_equal(data["field"].transpose("time", "component", ...).values, cube)


# --- axes, frames, units


def vector(made, **attrs):
    labels = {"labels": ([["Bx", "By", "Bz"]], {"VAR_TYPE": "metadata"}, {"is_nrv": True})}
    values = np.arange(6.0).reshape(2, 3)
    return made({"b": (values, on_time(LABL_PTR_1="labels", **attrs)), **labels}, epoch=seconds(2))


def test_a_vector_without_a_frame_is_unknown_with_a_warning(made):
    with pytest.warns(AnalysisWarning, match=r"frame.*b"):
        data = formats.read(vector(made))
    assert data["b"].attrs["frame"] == "unknown"
    assert "frame is not stated" in data.attrs["history"]


def test_an_assumed_frame_is_a_line_of_history_and_no_warning(made):
    data = formats.read(vector(made), assume={"frame": "gse"})
    assert data["b"].attrs["frame"] == "GSE"
    assert "frame of b assumed to be GSE" in data.attrs["history"]


def test_an_assumed_frame_that_contradicts_the_file_is_refused(made):
    with pytest.raises(BadOption, match="GSM"):
        formats.read(vector(made, COORDINATE_SYSTEM="GSM"), assume={"frame": "GSE"})


def test_an_unknown_key_of_assume_is_refused_with_those_understood(made):
    path = vector(made)
    with pytest.raises(BadOption, match=r"frame.*units\.NAME"):
        formats.read(path, assume={"polconv": "IAU"})
    with pytest.raises(BadOption, match="near: b"):
        formats.read(path, assume={"units.bb": "nT"})
    with pytest.raises(BadOption, match="'nT'"):
        formats.read(path, assume={"frame": "GSE", "units.b": "km"})


def test_an_unreadable_unit_is_kept_as_the_archive_wrote_it_with_a_warning(made):
    path = made({"n": ([1.0, 2.0], on_time(UNITS="bananas per barn"))}, epoch=seconds(2))
    with pytest.warns(AnalysisWarning, match="bananas"):
        data = formats.read(path)
    assert data["n"].attrs["archive_units"] == "bananas per barn" and data["n"].attrs["units"] == "1"
    assert formats.read(path, assume={"units.n": "cm-3"})["n"].attrs["units"] == "cm-3"


def test_energies_constant_in_time_become_an_ordinary_coordinate(made):
    energies = (np.tile([10.0, 100.0], (3, 1)), on_time(UNITS="eV"))
    flux = (np.ones((3, 2)), on_time(DEPEND_1="energies"))
    data = formats.read(made({"energies": energies, "flux": flux}, epoch=seconds(3)))
    assert data["flux"].dims == ("time", "energy")
    assert data["energy"].values.tolist() == [10, 100] and data["energy"].attrs["units"] == "eV"
    assert "energies" not in data


def test_a_tensor_has_two_component_axes(made):
    labels = {"labels": ([["x", "y", "z"]], {"VAR_TYPE": "metadata"}, {"is_nrv": True})}
    tensor = (np.zeros((2, 3, 3)), on_time(LABL_PTR_1="labels", LABL_PTR_2="labels", COORDINATE_SYSTEM="GSE"))
    data = formats.read(made({"p": tensor, **labels}, epoch=seconds(2)))
    assert data["p"].dims == ("time", "component", "component_2")


def test_a_variable_called_like_an_axis_gets_another_name(made):
    data = formats.read(made({"time": ([1.0, 2.0], on_time(UNITS="s"))}, epoch=seconds(2)))
    assert data["time_variable"].values.tolist() == [1, 2]


def test_global_attributes_come_from_the_istp_ones(made):
    attributes = {
        "TITLE": ["A title"],
        "PI_affiliation": ["Here"],
        "Source_name": ["X>Satellite X"],
        "DOI": ["10.1/a"],
    }
    data = formats.read(made({"b": ([1.0], on_time())}, epoch=seconds(1), attributes=attributes))
    assert (data.attrs["title"], data.attrs["institution"], data.attrs["source"]) == (
        "A title",
        "Here",
        "Satellite X",
    )
    assert data.attrs["license"] == "not stated"


@pytest.mark.parametrize(
    ("labels", "letters"),
    [
        (["BX_GSE", "BY_GSE", "BZ_GSE"], "xyz"),
        (["Vr (km/s)", "Vt (km/s)", "Vn (km/s)"], "rtn"),
        (["x_component", "y_component", "z_component"], "xyz"),
        (["n_x", "n_y", "n_z"], "xyz"),
        (["B", "theta", "phi"], None),
        (["Year", "Day", "msec"], None),
    ],
)
def test_labels_tell_cartesian_components_from_other_threes(labels, letters):
    assert _istp.components(labels) == (tuple(letters) if letters else None)


@pytest.mark.parametrize(
    ("name", "attributes", "frame"),
    [
        ("b_gse", {}, "GSE"),
        ("B", {"CATDESC": "Magnetic field in Geocentric Solar Magnetospheric coordinates"}, "GSM"),
        ("B", {"COORDINATE_SYSTEM": "MSO>Mercury Solar Orbital"}, "MSO"),
        ("mag_data", {"CATDESC": "Magnetometer data"}, None),
        ("smoothed", {}, None),
    ],
)
def test_frames_are_read_from_names_and_descriptions(name, attributes, frame):
    assert _istp.frame_stated(name, attributes) == frame


# --- damage


@pytest.fixture(scope="session")
def small():
    return sample.path("psp_fld_l2_mag_rtn_1min_20200104_v02.cdf").read_bytes()


def read_bytes(folder, content):
    path = folder / "damaged.cdf"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)
        return formats.read(path)


@pytest.mark.parametrize("share", [0.999, 0.7, 0.3, 0.01])
def test_a_file_cut_short_is_refused(tmp_path, small, share):
    with pytest.raises(CorruptFile, match=r"damaged\.cdf"):
        read_bytes(tmp_path, small[: int(len(small) * share)])


@given(data=st.data())
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_damaged_bytes_give_a_typed_error_or_a_checked_dataset(tmp_path, small, data):
    content = bytearray(small)
    reach = data.draw(st.sampled_from([4000, 30_000, len(content)]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, reach - 1))] = data.draw(st.integers(0, 255))
    try:
        result = read_bytes(tmp_path, bytes(content))
    except AnalysisError as error:
        assert "damaged.cdf" in str(error)
    else:
        assert isinstance(result, xr.Dataset | xr.DataTree) and not breaches(result)


def test_a_damaged_compressed_block_is_refused_though_pycdfpp_takes_it(tmp_path, small):
    blocks = []
    inner = _cdfrecords._blocks

    def spying(*args):
        for block in inner(*args):
            blocks.append(block)
            yield block

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_cdfrecords, "_blocks", spying)
        _cdfrecords.sound(small, "psp")
    packed = max((b for b in blocks if b.kind == _cdfrecords.CVVR), key=lambda b: b.room)
    content = bytearray(small)
    content[packed.at + packed.room // 2] ^= 0x55
    with pytest.raises(CorruptFile, match=r"byte \d+"):
        read_bytes(tmp_path, bytes(content))


@pytest.mark.parametrize("how", ["gzip_compression", "rle_compression"])
def test_compressed_variables_and_files_give_the_same_values(tmp_path, how):
    options = {"compression": getattr(pycdfpp.CompressionType, how)}
    values = np.repeat([0.0, 3.5], 500)
    path = cdf_file(tmp_path / "a.cdf", {"b": (values, on_time(), options)}, epoch=seconds(1000))
    assert formats.read(path)["b"].values.tolist() == values.tolist()
    whole = pycdfpp.load(str(path))
    whole.compression = options["compression"]
    pycdfpp.save(whole, str(path))
    assert path.read_bytes()[4:8] == _cdfrecords.COMPRESSED
    assert formats.read(path)["b"].values.tolist() == values.tolist()


def test_a_file_with_a_checksum_is_held_to_it(made):
    path = made({"b": (np.arange(100.0), on_time())}, epoch=seconds(100))
    held = pycdfpp.load(str(path))
    held.checksum = pycdfpp.Checksum.md5_checksum
    pycdfpp.save(held, str(path))
    assert formats.read(path)["b"].values[99] == 99
    content = path.read_bytes()
    place = content.index(np.float64(50).tobytes())
    path.write_bytes(content[:place] + np.float64(51).tobytes() + content[place + 8 :])
    with pytest.raises(CorruptFile, match="checksum"):
        formats.read(path)


def test_run_length_coded_zeros_unpack():
    assert _cdfrecords._runs(b"\x01\x00\x03\x02\x00\x00") == b"\x01\0\0\0\0\x02\0"


# --- energies and the widths of their bins


def test_energies_of_solar_orbiter_are_the_middles_of_bins_whose_ends_the_file_gives(epd):
    ions = epd["ion"]
    assert (float(ions.energy_low[0]), float(ions.energy_high[0])) == pytest.approx((0.05175, 0.06748), rel=1e-5)
    assert np.allclose(ions.energy_high[:-1], ions.energy_low[1:], rtol=1e-6)  # they tile
    assert np.allclose(ions.energy, np.sqrt(ions.energy_low * ions.energy_high), rtol=1e-6)
    assert "Low" not in ions.energy.attrs["long_name"] and "delta_plus" not in ions.energy.attrs
    assert "lower end" in epd["ion"].attrs["history"]


def test_energies_of_hope_stay_the_centres_of_their_passbands(hope):
    for name, energy in (("ion", "energy"), ("ele", "energy_table")):
        node = hope[name]
        assert node.energy_low.dims == node.energy_high.dims == node[energy].dims
        assert np.allclose(node.energy_low + node.energy_high, 2 * node[energy], rtol=1e-6)
        assert np.allclose((node.energy_high - node.energy_low) / node[energy], 0.15, atol=0.001)  # 15 %


def energies(**more):
    return {"UNITS": "keV", "FIELDNAM": "Energy", "VAR_TYPE": "support_data", **more}


@pytest.mark.parametrize(
    ("pointers", "low", "middle", "high"),
    [
        ({"DELTA_PLUS_VAR": "dE"}, [10.0, 40.0], [20.0, 80.0], [40.0, 160.0]),
        ({"DELTA_MINUS_VAR": "dE"}, [-20.0, -80.0], [-5.0, -20.0], [10.0, 40.0]),
        ({"DELTA_PLUS_VAR": "dE", "DELTA_MINUS_VAR": "less"}, [9.0, 38.0], [10.0, 40.0], [40.0, 160.0]),
    ],
)
def test_ends_of_bins_follow_from_the_widths_in_their_own_unit(made, pointers, low, middle, high):
    widths = {"UNITS": "eV", "FIELDNAM": "Width", "VAR_TYPE": "support_data"}
    path = made(
        {
            "flux": (np.ones((3, 2)), on_time(DEPEND_1="E")),
            "E": ([[10.0, 40.0]], energies(**pointers), {"is_nrv": True}),
            "dE": ([[30_000.0, 120_000.0]], widths, {"is_nrv": True}),
            "less": ([[1000.0, 2000.0]], widths, {"is_nrv": True}),
        },
        epoch=seconds(3),
    )
    data = formats.read(path)
    for name, expected in (("energy_low", low), ("energy", middle), ("energy_high", high)):
        assert np.allclose(data[name], expected) and data[name].attrs["units"] == "keV"


def test_widths_in_percent_or_of_zero_make_no_bins_and_history_says_so(made):
    for units, width in (("%", 10.0), ("keV", 0.0)):
        path = made(
            {
                "flux": (np.ones((3, 2)), on_time(DEPEND_1="E")),
                "E": ([[10.0, 40.0]], energies(DELTA_PLUS_VAR="dE"), {"is_nrv": True}),
                "dE": ([[width, width]], energies(UNITS=units), {"is_nrv": True}),
            },
            epoch=seconds(3),
        )
        data = formats.read(path)
        assert "energy_low" not in data.coords and data.energy.values.tolist() == [10.0, 40.0]
        assert "energies E (widths dE)" in data.attrs["history"]


def test_no_attribute_holds_the_nul_that_cdf_pads_text_with(epd):
    for node in epd.subtree:
        for variable in node.variables.values():
            assert all("\0" not in str(value) and str(value).strip() for value in variable.attrs.values())


# --- what files of users hold


@pytest.mark.parametrize(
    ("name", "attributes", "frame"),
    [
        ("SC_pos", {"CATDESC": "Spacecraft position in GSE coordinates"}, "GSE"),
        ("SC_POS_GSE", {}, "GSE"),
        ("sc_pos_gse", {}, "GSE"),
        ("SC_pos", {"LABLAXIS": "Pos GSM"}, "GSM"),
        ("SC_pos", {}, None),
        ("B_SC", {}, "SC"),
        ("b", {"COORDINATE_SYSTEM": "SC>Spacecraft"}, "SC"),
        ("b", {"CATDESC": "Field in the s/c frame"}, "SC"),
    ],
)
def test_the_letters_sc_name_a_frame_only_where_nothing_else_does(name, attributes, frame):
    assert _istp.frame_stated(name, attributes) == frame


def test_variables_whose_plain_names_meet_are_all_kept(made):
    names = ("a/b", "a_b", "time", "time_variable")
    path = made({name: ([float(i)] * 2, on_time()) for i, name in enumerate(names)}, epoch=seconds(2))
    data = formats.read(path)
    assert {name: float(v[0]) for name, v in data.data_vars.items()} == {
        "a_b": 1.0,
        "time_variable": 3.0,
        "a_b_2": 0.0,
        "time_variable_2": 2.0,
    }


@pytest.mark.parametrize("fill", [np.float32(-999.9), np.float64(-999.9)])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_fill_of_another_float_type_is_found(made, fill, kind):
    values = np.array([1.0, -999.9], kind)
    data = formats.read(made({"b": (values, on_time(FILLVAL=np.array([fill])))}, epoch=seconds(2)))
    assert np.array_equal(data["b"].values, [1.0, np.nan], equal_nan=True)


def test_large_numbers_that_are_no_fill_are_kept(made):
    data = formats.read(made({"em": ([1e55, 2e31], on_time(UNITS="cm-3", FILLVAL=[FILL]))}, epoch=seconds(2)))
    assert data["em"].values.tolist() == [1e55, 2e31]


SECONDS = np.array([1577836800.0, 1577836801.25])


@pytest.mark.parametrize(
    "attributes",
    [
        {"UNITS": "seconds since 1970-01-01T00:00:00Z"},
        {"UNITS": "sec", "CATDESC": "UTC, in seconds since 01-Jan-1970 00:00:00"},
    ],
)
def test_seconds_that_say_they_count_from_1970_are_a_time_axis(made, attributes):
    path = made({"time": (SECONDS, attributes), "b": (np.ones(2), on_time(DEPEND_0="time"))})
    assert formats.read(path)["b"]["time"].values.tolist() == [
        np.datetime64(text, "ns").astype(int) for text in ("2020-01-01T00:00:00", "2020-01-01T00:00:01.25")
    ]


def test_seconds_that_say_no_date_are_a_clock_with_a_warning(made):
    path = made({"time": (SECONDS, {"UNITS": "sec"}), "b": (np.ones(2), on_time(DEPEND_0="time"))})
    with pytest.warns(AnalysisWarning, match="no stated date.*time"):
        data = formats.read(path)
    assert data["b"].dims == ("clock",) and data["clock"].values.tolist() == SECONDS.tolist()
    assert data["clock"].attrs["units"] == "s" and not breaches(data)


def virtual_epoch(made, **more):
    none = (np.array([], "M8[ns]"), {"VAR_TYPE": "support_data", "VIRTUAL": "TRUE"}, {"data_type": TYPES.CDF_EPOCH})
    times = {"tha_time": (SECONDS, {"UNITS": "sec"}), "tha_epoch": none}
    return made({**times, "b": (np.ones(2), on_time(DEPEND_0="tha_epoch", **more))})


def test_an_epoch_without_records_gives_way_to_depend_time(made):
    data = formats.read(virtual_epoch(made, DEPEND_TIME="tha_time"))
    assert data["time"].values[1] == np.datetime64("2020-01-01T00:00:01.25") and "tha_epoch" in data.attrs["history"]


def test_a_measurement_on_an_epoch_without_records_is_left_out_by_name(made):
    with pytest.warns(AnalysisWarning, match=r"tha_epoch is declared without records: b"):
        assert "b" not in formats.read(virtual_epoch(made))


def test_a_file_of_nothing_but_such_measurements_is_refused_by_name(made):
    epoch = (np.array([], "M8[ns]"), {"VAR_TYPE": "support_data"}, {"data_type": TYPES.CDF_EPOCH})
    with pytest.raises(WrongData, match=r"Epoch_0 is declared without records: b"):
        formats.read(made({"Epoch_0": epoch, "b": (np.ones(2), on_time(DEPEND_0="Epoch_0"))}))

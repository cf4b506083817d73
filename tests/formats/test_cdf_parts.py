"""CDF: single variables, values read on first use, checksums, and distributions of three axes."""

import os
import pickle

import numpy as np
import pycdfpp
import pytest
from cdf_files import TYPES, cdf_file, on_time, seconds

from analysis import formats, sample
from analysis.errors import BadOption, CorruptFile, MissingFile, UnknownVariable, WrongData
from analysis.formats import _cdfrecords
from analysis.model import breaches, provenance_of

HOPE = "rbspa_rel04_ect-hope-PA-L3_20121201_v0.0.0.cdf"
EPD = "solo_L2_epd-ept-north-hcad_20200713_V02.cdf"
PSP = "psp_fld_l2_mag_rtn_1min_20200104_v02.cdf"


def computed(data):
    return data.map_over_datasets(lambda node: node.compute()) if hasattr(data, "children") else data.compute()


# --- single variables


@pytest.mark.slow
def test_a_variable_asked_for_comes_with_its_axes_its_flags_and_as_it_is_in_the_whole_file():
    whole, part = formats.read(sample.path(EPD)), formats.read(sample.path(EPD), variables=["Ion_Flux"])
    ions = whole["ion"].to_dataset()
    assert set(part.data_vars) == {"Ion_Flux", "Ion_Uncertainty", "DELTA_EPOCH", "QUALITY_FLAG", "QUALITY_BITMASK"}
    assert all(part[name].identical(ions[name]) for name in part.variables)


def test_variables_of_several_sets_of_axes_are_a_tree_with_the_names_of_the_whole_one():
    whole, part = (formats.read(sample.path(HOPE), variables=names) for names in (None, ["FPDU", "FEDO"]))
    assert set(part.children) == set(whole.children) == {"ion", "ele"}
    assert part["ele/FEDO"].identical(whole["ele/FEDO"])


def test_a_variable_is_asked_for_by_the_name_that_the_result_has_or_by_that_of_the_file(tmp_path):
    held = {"time": (np.arange(3.0), on_time()), "a/b": (np.arange(3.0), on_time()), "c": (np.arange(3.0), on_time())}
    path = cdf_file(tmp_path / "made.cdf", held, epoch=seconds(3))
    whole = formats.read(path)
    assert set(whole.data_vars) == {"time_variable", "a_b", "c"}
    for shown, own in (("time_variable", "time"), ("a_b", "a/b")):
        for name in (shown, own):
            part = formats.read(path, variables=[name])
            assert set(part.data_vars) == {shown} and part[shown].identical(whole[shown])
    with pytest.raises(UnknownVariable, match="c_variable"):
        formats.read(path, variables=["c_variable"])


def test_what_is_unknown_is_refused_with_what_is_near():
    with pytest.raises(UnknownVariable, match=r"no 'FPDO2'; near: .*FPDO"):
        formats.read(sample.path(HOPE), variables=["FPDO2"])
    with pytest.raises(UnknownVariable, match="HOPE_ENERGY_Ion: an axis"):
        formats.read(sample.path(HOPE), variables="HOPE_ENERGY_Ion")
    for wrong in ([], 3, [1]):
        with pytest.raises(BadOption, match="list of names"):
            formats.read(sample.path(HOPE), variables=wrong)


@pytest.mark.slow
def test_other_formats_give_single_variables_too():
    path = sample.path("qin_denton_1999_2001.nc")
    name = str(next(iter(formats.read(path).data_vars)))
    assert name in formats.read(path, variables=[name]).data_vars
    with pytest.raises(UnknownVariable, match="no 'nothing'"):
        formats.read(path, variables=["nothing"])


def test_a_variable_asked_for_that_has_no_records_is_an_error_not_an_empty_answer(tmp_path):
    empty = (np.array([]), on_time(), {"data_type": TYPES.CDF_DOUBLE})
    path = cdf_file(tmp_path / "a.cdf", {"b": (np.ones(2), on_time()), "none": empty}, epoch=seconds(2))
    with pytest.raises(WrongData, match="none is declared without records"):
        formats.read(path, variables=["none"])


def test_damage_in_a_compressed_variable_that_is_not_asked_for_does_no_harm_and_in_one_that_is_does(tmp_path):
    options = {"compression": pycdfpp.CompressionType.gzip_compression}
    random = np.random.default_rng(1)
    held = {name: (random.normal(size=5000), on_time(), options) for name in ("a", "b")}
    path = cdf_file(tmp_path / "a.cdf", held, epoch=seconds(5000))
    looks = {}
    _cdfrecords.sound(path.read_bytes(), "a", looks)
    ((block, _),) = looks["b"][0].args[1]
    content = bytearray(path.read_bytes())
    content[block.at + block.room // 2] ^= 0x55
    path.write_bytes(content)
    assert np.array_equal(formats.read(path, variables=["a"])["a"], held["a"][0])
    for options in ({"variables": ["b"]}, {}):
        with pytest.raises(CorruptFile, match=r"a\.cdf"):
            formats.read(path, **options)


# --- read on first use


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "chunks"), [(EPD, {}), (HOPE, {"time": 50}), (PSP, {"time": 50}), (HOPE, "auto"), (PSP, 7)]
)
def test_values_read_on_first_use_are_those_read_at_once(name, chunks):
    later, now = formats.read(sample.path(name), chunks=chunks), formats.read(sample.path(name))
    assert all(node[v].chunks is not None for node in later.subtree for v in node.data_vars)
    assert not breaches(later)
    assert computed(later).identical(now)


def test_values_of_a_file_that_has_changed_or_gone_are_refused(tmp_path):
    path = cdf_file(tmp_path / "a.cdf", {"b": (np.ones(3), on_time())}, epoch=seconds(3))
    data = formats.read(path, chunks={})
    assert pickle.loads(pickle.dumps(data))["b"].values.tolist() == [1, 1, 1]
    os.utime(path, ns=(0, 10**18))
    with pytest.raises(WrongData, match="changed since it was opened"):
        data.compute()
    path.unlink()
    with pytest.raises(MissingFile, match="no longer there"):
        data.compute()


def test_records_left_out_and_fills_are_so_on_first_use_too(tmp_path):
    path = cdf_file(
        tmp_path / "a.cdf",
        {"b": ([5.0, -1e31, 7.0, 7.0, 8.0], on_time(FILLVAL=[-1e31])), "q": ([1, 2, 3, 3, 4], on_time(UNITS=" "))},
        epoch=seconds(5)[[0, 1, 2, 2, 3]],
    )
    data = formats.read(path, chunks={"time": 2}).compute()
    assert np.array_equal(data["b"], [5, np.nan, 7, 8], equal_nan=True) and data["q"].values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("chunks", [{"tme": 4}, 0, {"time": "x"}, 2.5])
def test_chunks_that_make_no_sense_are_refused(chunks):
    with pytest.raises(BadOption, match="chunks"):
        formats.read(sample.path(HOPE), chunks=chunks)


# --- checksums


def test_a_checksum_is_asked_for_by_yes_or_no():
    with pytest.raises(BadOption, match="checksum='sha1'"):
        formats.read(sample.path("psp_fld_l2_mag_rtn_1min_20200104_v02.cdf"), checksum="sha1")


@pytest.mark.slow
def test_a_file_whose_checksum_was_not_taken_says_so(monkeypatch):
    for options, taken in (({}, True), ({"checksum": False}, False)):
        data = formats.read(sample.path(HOPE), **options)["ion"]
        (found,) = provenance_of(data)["files"]
        assert ("sha256" in found, "changed" in found) == (taken, not taken)
        assert ("no checksum taken" in data.attrs["history"]) != taken
    monkeypatch.setattr(formats, "HASHED", 1000)
    assert "sha256" not in provenance_of(formats.read(sample.path(HOPE))["ion"])["files"][0]
    assert "sha256" in provenance_of(formats.read(sample.path(HOPE), checksum=True)["ion"])["files"][0]


# --- limits


def test_values_outside_valid_limits_are_nan_where_that_is_asked_and_counted(tmp_path):
    held = {
        "b": ([1.0, 99.0, np.nan], on_time(VALIDMIN=[0.0], VALIDMAX=[10.0])),
        "q": (np.array([1, 2, 90], "u1"), on_time(VALIDMIN=[0], VALIDMAX=[3], UNITS=" ")),
        "v": (np.array([[1.0, 1.0]] * 3), on_time(VALIDMIN=[0.0, 2.0])),
    }
    path = cdf_file(tmp_path / "a.cdf", held, epoch=seconds(3))
    for options in ({}, {"chunks": {}}):
        data = formats.read(path, assume={"outside_valid": "nan"}, **options).compute()
        assert np.array_equal(data["b"], [1, np.nan, np.nan], equal_nan=True)
        assert np.array_equal(data["q"], [1, 2, np.nan], equal_nan=True)
        assert np.isnan(data["v"]).values.tolist() == [[False, True]] * 3
    assert "1 values of b outside" in formats.read(path, assume={"outside_valid": "nan"}).attrs["history"]
    with pytest.raises(BadOption, match="outside_valid"):
        formats.read(path, assume={"outside_valid": "clip"})


# --- distributions


def angle(words, **more):
    return {"UNITS": "degrees", "CATDESC": words, "VAR_TYPE": "support_data", **more}


def distribution(path, *, n=3, depends=("phi", "theta", "E"), **replaced):
    """Write a distribution in the order of MMS/FPI: azimuth, polar angle, energy, two of them changing in time."""
    once, moving = {"is_nrv": True}, {"DEPEND_0": "Epoch"}
    time = np.arange(n)[:, None]
    shape = {"phi": 8, "theta": 4, "E": 5}
    values = np.random.default_rng(1).random((n, *(shape[d] for d in depends))).astype("f4")
    pointers = {f"DEPEND_{i}": name for i, name in enumerate(depends, start=1)}
    held = {
        "phi": (np.arange(8) * 45.0 + time, angle("Azimuth", **moving)),
        "theta": ([[22.5, 67.5, 112.5, 157.5]], angle("Polar angle, in polar coordinates"), once),
        "E": (np.geomspace(10, 3e4, 5) + time, {"UNITS": "eV", "CATDESC": "Energy", **moving}),
        "dist": (values, on_time(UNITS="s^3/cm^6", **pointers)),
        **replaced,
    }
    return cdf_file(path, held, epoch=seconds(n)), values


@pytest.mark.parametrize("depends", [("phi", "theta", "E"), ("E", "theta", "phi"), ("theta", "E", "phi")])
def test_a_distribution_is_time_energy_theta_phi_in_whatever_order_the_file_has_it(tmp_path, depends):
    path, values = distribution(tmp_path / "a.cdf", depends=depends)
    data = formats.read(path)
    assert data["dist"].dims == ("time", "energy", "theta", "phi")
    words = {"phi": "phi", "theta": "theta", "E": "energy"}
    assert np.array_equal(data["dist"].transpose("time", *(words[d] for d in depends)), values)
    assert data["energy_table"].dims == ("time", "energy") and data["phi_table"].dims == ("time", "phi")
    assert data["theta"].attrs["units"] == "deg" and data["theta"].attrs["counted_from"] == "pole"
    assert data["phi_table"].attrs["units"] == "deg"


def test_elevations_are_told_from_polar_angles_by_their_numbers_or_words(tmp_path):
    once = {"is_nrv": True}
    for values, words, said in (
        ([[-30.0, -10.0, 10.0, 30.0]], "Theta", "equator"),
        ([[10.0, 20.0, 30.0, 40.0]], "Elevation", "equator"),
        ([[10.0, 20.0, 30.0, 40.0]], "Polar angle", "pole"),
        ([[10.0, 20.0, 30.0, 40.0]], "Theta", None),
    ):
        path, _ = distribution(tmp_path / "a.cdf", theta=(values, angle(words), once))
        assert formats.read(path)["theta"].attrs.get("counted_from") == said


def test_elevations_that_depend_on_energy_stand_on_energy_and_theta(tmp_path):
    once = {"is_nrv": True}
    table = np.arange(20.0).reshape(1, 5, 4) - 10
    held = {
        "E": ([np.geomspace(10, 1000, 5)], {"UNITS": "eV", "CATDESC": "Energy"}, once),
        "theta": (table, angle("Elevation by energy", DEPEND_1="E"), once),
    }
    path, _ = distribution(tmp_path / "a.cdf", **held)
    data = formats.read(path)
    assert data["dist"].dims == ("time", "energy", "theta", "phi")
    assert data["theta_variable"].dims == ("energy", "theta")
    assert data["theta_variable"].attrs["counted_from"] == "equator"
    assert "theta_variable" in formats.read(path, variables=["dist"])


def test_widths_of_the_records_in_time_are_named_by_the_time_axis(tmp_path):
    width = (np.array([0.15]), {"UNITS": "s", "CATDESC": "Width"}, {"is_nrv": True})
    path = cdf_file(tmp_path / "a.cdf", {"b": (np.ones(2), on_time()), "half": width}, epoch=seconds(2))
    cdf = pycdfpp.load(str(path))
    cdf["Epoch"].add_attribute("DELTA_PLUS_VAR", "half")
    pycdfpp.save(cdf, str(path))
    data = formats.read(path, variables=["b"])
    assert data["time"].attrs["delta_plus"] == "half" and float(data["half"]) == 0.15


def test_what_istp_says_of_scale_and_display_is_kept(tmp_path):
    said = on_time(SCALETYP="log", DISPLAY_TYPE="time_series", SI_CONVERSION="1e-9>T")
    data = formats.read(cdf_file(tmp_path / "a.cdf", {"b": (np.ones(2), said)}, epoch=seconds(2)))
    kept = {key: data["b"].attrs[key] for key in ("scale_type", "display_type", "si_conversion", "var_type")}
    assert kept == {
        "scale_type": "log",
        "display_type": "time_series",
        "si_conversion": "1e-9>T",
        "var_type": "data",
    }


def test_a_column_major_distribution_is_the_row_major_one(tmp_path):
    path, _ = distribution(tmp_path / "a.cdf")
    cdf = pycdfpp.load(str(path))
    cdf.majority = pycdfpp.Majority.column
    pycdfpp.save(cdf, str(tmp_path / "b.cdf"))
    assert np.array_equal(formats.read(tmp_path / "b.cdf")["dist"], formats.read(path)["dist"])


def test_one_record_is_enough(tmp_path):
    path, _ = distribution(tmp_path / "a.cdf", n=1)
    data = formats.read(path)
    assert data["dist"].dims == ("time", "energy", "theta", "phi") and data.sizes["time"] == 1

"""netCDF 3 and 4, plain HDF5, and the round trip of what Sankō writes itself."""

import warnings

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import catalogue, cmb, formats, plasma, sample, xray
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, CorruptFile, UnknownFormat, WrongData
from analysis.model import breaches, check, provenance_of, stamp

ENGINES = {"netcdf3": "scipy", "netcdf4": "h5netcdf"}


def described(values, dims, units="nT", **attrs):
    return xr.Variable(dims, values, {"units": units, "long_name": "Something measured", **attrs})


def stamped(dataset, **attrs):
    facts = {
        "title": "A title",
        "institution": "Here",
        "source": "Us",
        "references": ["none"],
        "license": "CC0",
    }
    found = {"query": {"product": "demo"}, "files": [{"name": "demo.cdf", "sha256": "0" * 64}]}
    return check(stamp(dataset.assign_attrs(attrs), **facts, history=["made", "cut"], provenance=found))


def wind(count=5):
    times = np.datetime64("2001-03-31T00:00:00.123456789", "ns") + np.arange(count) * np.timedelta64(1, "s")
    speed = np.linspace(300, 700, count)
    speed[1] = np.nan
    return stamped(
        xr.Dataset(
            {
                "speed": described(speed, "time", "km s-1", valid_min=[0.0, 1.0, 2.0], frame="GSE"),
                "b": described(np.arange(3.0 * count).reshape(count, 3), ("time", "component"), frame="GSE"),
                "flag": described(np.arange(count, dtype="u1"), "time", "1"),
                "kind": ("time", ["a", "bc", "", "d", "é"][:count], {"long_name": "Kind"}),
                "seen": ("time", times, {"long_name": "When it was seen"}),
            },
            {
                "time": ("time", times, {"long_name": "Time (UTC)"}),
                "component": ("component", ["x", "y", "z"], {"long_name": "Component"}),
            },
        )
    )


def spectrum():
    energy = xr.Variable("energy", [1.0, 2.0], {"units": "keV", "long_name": "Energy"})
    return stamped(
        xr.Dataset({"counts": described(np.array([3, 4]), "energy", "ct")}, {"energy": energy}),
        synthetic="true",
    )


# --- round trips


def test_a_dataset_that_was_written_comes_back_identical(tmp_path):
    wind().to_netcdf(tmp_path / "wind.nc", engine="h5netcdf")
    again = formats.read(tmp_path / "wind.nc")
    xr.testing.assert_identical(again, wind())
    assert provenance_of(again) == provenance_of(wind())
    assert {name: v.dtype.kind for name, v in again.variables.items()} == {
        name: v.dtype.kind for name, v in wind().variables.items()
    }
    assert again["time"].dtype == again["seen"].dtype == np.dtype("datetime64[ns]")


@pytest.mark.slow
def test_a_tree_that_was_written_comes_back_identical(tmp_path):
    tree = xr.DataTree.from_dict({"/": None, "/wind": wind(), "/xray/spectrum": spectrum()})
    tree.to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
    again = formats.read(tmp_path / "tree.nc")
    xr.testing.assert_identical(again, tree)
    assert not breaches(again)


@pytest.mark.slow
def test_what_a_reader_gave_can_be_written_and_read_again(tmp_path):
    tree = formats.read(sample.path("rbspa_rel04_ect-hope-PA-L3_20121201_v0.0.0.cdf"))
    tree.to_netcdf(tmp_path / "hope.nc", engine="h5netcdf")
    xr.testing.assert_identical(formats.read(tmp_path / "hope.nc"), tree)


def test_the_file_can_be_deleted_and_the_data_stay(tmp_path):
    path = tmp_path / "wind.nc"
    wind().to_netcdf(path, engine="h5netcdf")
    data = formats.read(path)
    path.unlink()
    assert float(data["speed"].max()) == 700


# --- the CF conventions


@pytest.mark.slow
def test_noaa_file_keeps_flags_whole_with_their_meanings():
    with pytest.warns(AnalysisWarning, match="au_factor"):
        data = formats.read(sample.path("goes16_xrs_20170910.nc"))
    peak = data["xrsb_flux"].idxmax().values
    assert str(peak)[:19] == "2017-09-10T16:06:31"
    assert float(data["xrsb_flux"].max()) == pytest.approx(1.2971e-3, rel=1e-4)
    assert data["xrsb_flags"].dtype == np.uint16 and "eclipse" in data["xrsb_flags"].attrs["flag_meanings"]
    assert not breaches(data)


@pytest.fixture(params=ENGINES)
def written(request, tmp_path):
    def write(variables, **attrs):
        path = tmp_path / f"{request.param}.nc"
        xr.Dataset(variables, attrs=attrs).to_netcdf(path, engine=ENGINES[request.param])
        return path

    return write


def test_packed_numbers_and_fills_are_decoded(written):
    packed = xr.Variable(
        "x", np.array([1, 2, -999], "i2"), {"units": "K", "scale_factor": 0.5, "_FillValue": np.int16(-999)}
    )
    data = formats.read(written({"t": packed}))
    assert np.array_equal(data["t"].values, [0.5, 1.0, np.nan], equal_nan=True)


def test_whole_numbers_without_a_fill_among_them_stay_whole(written):
    attrs = {"units": "1", "_FillValue": np.int32(-1)}
    path = written({"full": ("x", np.array([1, 2], "i4"), attrs), "holed": ("x", np.array([1, -1], "i4"), attrs)})
    data = formats.read(path)
    assert data["full"].dtype == np.int32
    assert data["holed"].dtype.kind == "f" and np.isnan(data["holed"].values[1])


def test_infinities_become_nan_with_a_note(written):
    data = formats.read(written({"a": ("x", [1.0, np.inf, -1e31], {"units": "K"})}))
    assert np.isnan(data["a"].values[1:]).all() and "2 values of a" in data.attrs["history"]


def test_units_are_translated_and_names_filled_from_the_standard_name(written):
    attrs = {"units": "degrees_north", "standard_name": "latitude"}
    data = formats.read(written({"lat": ("x", [1.0], attrs)}))
    assert data["lat"].attrs["units"] == "deg" and data["lat"].attrs["long_name"] == "latitude"


def test_unstated_facts_are_said_to_be_so_and_stated_ones_kept(written):
    data = formats.read(written({"a": ("x", [1.0], {"units": "K"})}, institution="NOAA", history="made"))
    assert (data.attrs["institution"], data.attrs["license"]) == ("NOAA", "not stated")
    assert data.attrs["history"].splitlines()[-1] == "made"
    assert data.attrs["history"].startswith("read from netcdf")


def test_a_missing_unit_is_one_with_a_warning_or_what_is_assumed(written):
    path = written({"n": ("x", [1.0], {})})
    with pytest.warns(AnalysisWarning, match=r"no unit.*n"):
        assert formats.read(path)["n"].attrs["units"] == "1"
    data = formats.read(path, assume={"units.n": "#/cc", "long_name.n": "Density"})
    assert data["n"].attrs["units"] == "cm-3" and data["n"].attrs["long_name"] == "Density"
    assert "units of n assumed to be 'cm-3'" in data.attrs["history"]


def test_an_assumption_that_contradicts_the_file_is_refused(written):
    path = written({"n": ("x", [1.0], {"units": "cm-3", "long_name": "Density"})})
    with pytest.raises(BadOption, match="cm-3"):
        formats.read(path, assume={"units.n": "m-3"})
    with pytest.raises(BadOption, match="Density"):
        formats.read(path, assume={"long_name.n": "Speed"})
    with pytest.raises(BadOption, match=r"units\.NAME"):
        formats.read(path, assume={"unit": "m-3"})


def test_times_out_of_order_are_refused_unless_asked_to_sort(written):
    when = {"units": "seconds since 2000-01-01", "long_name": "Time"}
    path = written({"time": ("time", [0.0, 2.0, 1.0, 1.0], when), "a": ("time", [0.0, 2.0, 1.0, 1.0], {"units": "K"})})
    with pytest.raises(WrongData, match="backwards"):
        formats.read(path)
    data = formats.read(path, assume={"sort": "yes"})
    assert data["a"].values.tolist() == [0, 1, 2]
    assert "1 exact duplicates" in data.attrs["history"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "when",
    [
        {"units": "days since 2000-01-01", "calendar": "360_day"},
        {"units": "days since 2000-01-01", "calendar": "noleap"},
        {"units": "months since 2000-01-01"},
        {"units": "days since 0001-01-01"},
        {"units": "s"},
    ],
)
def test_times_that_have_no_utc_are_a_clock_with_a_warning(written, when):
    path = written({"time": ("time", [0.0, 59.0], when), "t": ("time", [1.0, 2.0], {"units": "K"})})
    with pytest.warns(AnalysisWarning, match=r"plain numbers under the name clock: time"):
        data = formats.read(path)
    assert data["t"].dims == ("clock",) and data["clock"].values.tolist() == [0, 59]
    assert when["units"] in (data["clock"].attrs.get("time_units"), data["clock"].attrs["units"])


@pytest.mark.parametrize("words", [["2501-01-01", "2502-01-01"], ["1030-01-01"], ["2501"], ["2001-02-30"], ["1030"]])
def test_text_that_is_no_time_of_ours_is_refused(written, words):
    with pytest.raises(WrongData, match="time"):
        formats.read(written({"time": ("x", words, {"long_name": "Time"})}))


def test_text_that_is_a_time_is_one(written):
    data = formats.read(written({"time": ("time", ["2001-03-31T01:02:03.5Z", "2001-04-01"], {"long_name": "Time"})}))
    assert data["time"].values[0] == np.datetime64("2001-03-31T01:02:03.5")


@pytest.mark.parametrize("dim", ["spectrum", "parameter", "cells"])
def test_dims_that_are_called_like_those_of_results_are_renamed(written, dim):
    data = formats.read(written({"a": (dim, [1.0, 2.0], {"units": "K"}), dim: (dim, [3, 4], {"units": "1"})}))
    assert data["a"].dims == (f"{dim}_dim",) and f"dimension {dim}" in data.attrs["history"]
    assert data[dim].values.tolist() == [3, 4] and not breaches(data)


def test_large_numbers_that_are_no_fill_are_kept(written):
    data = formats.read(written({"em": ("x", [1e55, 2e31], {"units": "cm-3"})}))
    assert data["em"].values.tolist() == [1e55, 2e31]


@pytest.mark.parametrize("conventions", [True, False])
def test_lists_of_varying_length_are_left_out_with_a_warning(tmp_path, conventions):
    with h5py.File(tmp_path / "lists.nc", "w") as held:
        held["a"] = [1.0, 2.0]
        held["a"].attrs["units"] = np.array(["nT"], dtype=h5py.string_dtype())
        lists = held.create_dataset("lists", (2,), dtype=h5py.vlen_dtype("f8"))
        lists[0], lists[1] = [1.0], [2.0, 3.0]
        if conventions:
            held.attrs["Conventions"] = "CF-1.8"
            held["a"].make_scale("a")
            lists.dims[0].attach_scale(held["a"])
    with pytest.warns(AnalysisWarning, match="varying length.*: lists"):
        data = formats.read(tmp_path / "lists.nc")
    assert set(data.variables) == {"a"} and data["a"].attrs["units"] == "nT"


# --- plain HDF5


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as held:
        held["bz"] = np.array([1.0, -5.0], ">f8")
        held["bz"].attrs["units"] = b"nT"
        held["flag"] = np.array([0, 1], "i1")
        held["when"] = np.array([b"2001-03-31", b"2001-04-01"])
        held["more/image"] = np.ones((2, 3))
        held["more/image"].attrs["units"] = "ct"
        held["table"] = np.zeros(2, [("a", "f4"), ("b", "i4")])
    return path


def test_plain_hdf5_gets_axes_by_length_and_a_tree_by_groups(plain):
    with pytest.warns(AnalysisWarning, match=r"left out.*table"):
        tree = formats.read(plain, assume={"frame": "GSM"})
    assert tree["bz"].dims == ("row",) and tree["bz"].attrs["units"] == "nT" and tree["bz"].dtype.isnative
    assert tree["when"].values.tolist() == ["2001-03-31", "2001-04-01"]
    assert tree["more/image"].dims == ("row", "axis_1_3")
    assert "no axes are stated" in tree.attrs["history"] and not breaches(tree)


def test_hdf5_after_a_block_of_the_users_own_is_recognised(tmp_path):
    path = tmp_path / "blocked.mat"
    with h5py.File(path, "w", userblock_size=1024) as held:
        held["a"] = np.arange(3)
    with path.open("r+b") as file:
        file.write(b"some program's own words")
    assert formats.read(path)["a"].values.tolist() == [0, 1, 2]


def test_a_file_without_arrays_is_refused(tmp_path):
    with h5py.File(tmp_path / "none.h5", "w"):
        pass
    with pytest.raises(WrongData, match=r"none\.h5 holds no arrays"):
        formats.read(tmp_path / "none.h5")


# --- damage


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "wind.nc"
    wind().to_netcdf(path, engine="h5netcdf")
    return path.read_bytes()


def read_bytes(folder, content):
    path = folder / "damaged.nc"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return formats.read(path)


@pytest.mark.parametrize("engine", ENGINES.values())
@pytest.mark.parametrize("share", [0.95, 0.5, 0.1])
def test_a_file_cut_short_is_refused(tmp_path, engine, share):
    xr.Dataset({"a": described(np.arange(500.0), "x")}).to_netcdf(tmp_path / "whole.nc", engine=engine)
    content = (tmp_path / "whole.nc").read_bytes()
    with pytest.raises(CorruptFile, match=r"damaged\.nc"):
        read_bytes(tmp_path, content[: int(len(content) * share)])


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_give_a_typed_error_or_a_checked_dataset(tmp_path, small, data):
    content = bytearray(small)
    start = data.draw(st.integers(8, len(content) - 1))
    length = data.draw(st.sampled_from([1, 4, 512]))
    content[start : start + length] = bytes([data.draw(st.integers(0, 255))]) * length
    try:
        result = read_bytes(tmp_path, bytes(content))
    except AnalysisError as error:
        assert "damaged.nc" in str(error)
    else:
        assert not breaches(result)


def test_zeroed_heaps_are_refused_where_the_library_would_never_return(tmp_path, small):
    place = small.index(b"GCOL") + 16
    with pytest.raises(CorruptFile, match="heap object of 0 bytes"):
        read_bytes(tmp_path, small[:place] + bytes(600) + small[place + 600 :])


def test_an_array_larger_than_its_file_can_hold_is_refused(tmp_path):
    with h5py.File(tmp_path / "vast.h5", "w") as held:
        held.create_dataset("a", (1 << 40,), "f8", chunks=(1024,))
    with pytest.raises(CorruptFile, match=r"vast\.h5"):
        formats.read(tmp_path / "vast.h5")


def test_many_empty_arrays_are_refused_together(tmp_path):
    with h5py.File(tmp_path / "many.h5", "w") as held:
        for i in range(4):
            held.create_dataset(f"a{i}", (50_000_000,), "f8")
    with pytest.raises(CorruptFile, match=r"many\.h5.*can hold"):
        formats.read(tmp_path / "many.h5")


def test_links_that_lead_nowhere_are_left_out_and_said_so(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as held:
        held["b"] = [1]
    with h5py.File(tmp_path / "links.h5", "w") as held:
        held["a"] = [1]
        held["soft"] = h5py.SoftLink("/nowhere")
        held["external"] = h5py.ExternalLink("other.h5", "/b")
    data = formats.read(tmp_path / "links.h5")
    assert set(data.data_vars) == {"a"} and "external, soft" in data.attrs["history"]


def test_groups_that_many_paths_lead_to_are_read_once(tmp_path):
    with h5py.File(tmp_path / "diamonds.h5", "w") as held:
        group = held
        for _ in range(25):
            below = group.create_group("left")
            group["right"] = below
            group = below
        group["a"] = [1]
        group["back"] = held
    tree = formats.read(tmp_path / "diamonds.h5")
    assert sum("a" in node.data_vars for node in tree.subtree) == 1


def test_netcdf_without_its_surplus_links_is_read(tmp_path):
    with h5py.File(tmp_path / "links.nc", "w") as held:
        held.attrs["Conventions"] = "CF-1.8"
        held["a"] = [1]
        held["soft"] = h5py.SoftLink("/nowhere")
        held["external"] = h5py.ExternalLink("other.h5", "/b")
        held["below/b"] = [2]
        held["below/back"] = held["again"] = held["below"]
    tree = formats.read(tmp_path / "links.nc")
    assert sorted(name for node in tree.subtree for name in node.data_vars) == ["a", "b"]
    assert "/external" in tree.attrs["history"]


def test_the_64_bit_data_variant_is_named(tmp_path):
    (tmp_path / "five.nc").write_bytes(b"CDF\x05" + bytes(64))
    with pytest.raises(UnknownFormat, match="CDF-5"):
        formats.read(tmp_path / "five.nc")


# --- what ships, written and read again

VERBS = {"plasma": plasma, "xray": xray, "cmb": cmb}
PRODUCTS = [(domain, name) for domain in catalogue.FIELDS for name in catalogue.products(domain)]


def nodes(data):
    if isinstance(data, xr.Dataset):
        return {"/": data}
    return {node.path: node.to_dataset(inherit=False) for node in data.subtree if node.has_data}


def same(one, other):
    """Return the names of attributes that differ; a list may come back as an array."""
    shared = one.keys() & other.keys()
    return (one.keys() ^ other.keys()) | {
        k for k in shared if not np.array_equal(np.asarray(one[k]), np.asarray(other[k]))
    }


@pytest.mark.filterwarnings("ignore::analysis.errors.AnalysisWarning")
@pytest.mark.parametrize(("domain", "name"), PRODUCTS)
@pytest.mark.slow
def test_every_product_that_is_written_comes_back_with_its_values_and_attributes(domain, name, tmp_path):
    given = VERBS[domain].fetch(name)
    given.to_netcdf(tmp_path / "product.nc", engine="h5netcdf")
    again = formats.read(tmp_path / "product.nc")
    assert nodes(given).keys() == nodes(again).keys()
    for path, node in nodes(given).items():
        back = nodes(again)[path]
        xr.testing.assert_equal(back, node)
        assert same(node.attrs, back.attrs) == set()
        assert {v: same(node[v].attrs, back[v].attrs) for v in node.variables} == {v: set() for v in node.variables}

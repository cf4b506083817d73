"""formats.write: what is written comes back as it was, is read by others, and is whole or not there."""

import warnings

import numpy as np
import pycdfpp
import pytest
import xarray as xr
from cdf_files import seconds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import catalogue, formats, plasma, sample
from analysis.errors import BadOption, ContractBreach, MissingFile, WrongData
from analysis.formats import _writing
from analysis.model import stamp

SUFFIXES = ("cdf", "nc")
FILES = {"files": [{"name": "a.cdf", "sha256": "0" * 64, "size": 1}]}


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Leave it to the system when bytes reach the disk: some tests write hundreds of files."""
    monkeypatch.setattr(_writing.os, "fsync", lambda handle: None)


def stamped(variables, coords=None, **attrs):
    data = stamp(
        xr.Dataset(variables, coords),
        title="Made here",
        institution="Nobody",
        source="a formula",
        references=["none", "nor here"],
        license="CC0",
        history=["made up", "twice"],
        provenance=FILES,
    )
    return data.assign_attrs(synthetic="true", **attrs)


def series(n=4, **more):
    """Return a series in time with a vector, a flag, a spectrogram, words and a scalar."""
    time = xr.Variable("time", seconds(n), {"long_name": "Time (UTC)"})
    energy = xr.Variable("energy", np.geomspace(10, 1e4, 3), {"units": "eV", "long_name": "Energy"})
    component = xr.Variable("component", ["x", "y", "z"], {"long_name": "Component"})
    b = np.arange(3.0 * n).reshape(n, 3)
    b[0] = np.nan
    flag = {"units": "1", "long_name": "Quality", "flag_values": [0, 255], "flag_meanings": "good bad"}
    variables = {
        "b": (("time", "component"), b, {"units": "nT", "long_name": "Magnetic field", "frame": "GSE"}),
        "b_quality": ("time", (np.arange(n) % 2 * 255).astype("u1"), flag),
        "flux": (
            ("time", "energy"),
            np.ones((n, 3), "f4"),
            {"units": "cm-2 s-1", "long_name": "Flux", "valid_min": 0.0},
        ),
        "mode": ("time", np.array(["fast ", "", "é"] * n)[:n], {"long_name": "Mode"}),
        "gain": ((), np.float64(2.5), {"units": "1", "long_name": "Gain"}),
        **more,
    }
    return stamped(variables, {"time": time, "energy": energy, "component": component})


def returned(data, folder, suffix):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return formats.read(formats.write(data, folder / f"made.{suffix}", overwrite=True))


def types_of(data):
    nodes = data.subtree if isinstance(data, xr.DataTree) else [data]
    return [{name: v.dtype.kind for name, v in node.variables.items()} for node in nodes]


# --- round trips

BUNDLED = [name for name, product in catalogue.products("plasma").items() if product.source is None]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("product", BUNDLED)
def test_every_bundled_product_comes_back_as_it_was(tmp_path, product, suffix):
    data = plasma.fetch(product)
    if product == "apophis" and suffix == "cdf":  # a table of an orbit, no series
        with pytest.raises(WrongData, match="series in time"):
            formats.write(data, tmp_path / "a.cdf")
        return
    again = returned(data, tmp_path, suffix)
    assert again.identical(data) and types_of(again) == types_of(data)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("n", [1, 4])
def test_vectors_flags_spectra_words_and_scalars_come_back(tmp_path, suffix, n):
    data = series(n)
    again = returned(data, tmp_path, suffix)
    assert again.identical(data) and types_of(again) == types_of(data)
    assert again["b_quality"].dtype == np.uint8 and again["flux"].dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_trees_come_back_with_the_attributes_of_each_node(tmp_path, suffix):
    tree = xr.DataTree.from_dict({"/ion": series(3), "/ele/inner": series(2).assign_attrs(title="Other")})
    assert returned(tree, tmp_path, suffix).identical(tree)


KINDS = ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "?"]


@st.composite
def datasets(draw):
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    start = np.datetime64(
        draw(st.sampled_from(["1710-01-01", "1969-12-31T23:59:59.5", "2016-12-31T23:59:58", "2250-01-01"])), "ns"
    )
    steps = np.array(draw(st.lists(st.integers(1, 10**10), min_size=n, max_size=n)))
    held = {}
    for i, kind in enumerate(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))):
        dims = draw(st.sampled_from([("time",), ("time", "row"), ("row", "time"), ("row",), ()]))
        shape = [{"time": n, "row": m}[d] for d in dims]
        size = int(np.prod(shape))
        width = 32 if kind == "f4" else 64
        element = (
            st.floats(-(2.0**96), 2.0**96, width=width) | st.just(np.nan)
            if kind[0] == "f"
            else st.booleans()
            if kind == "?"
            else st.integers(*(int(v) for v in (np.iinfo(kind).min, np.iinfo(kind).max)))
        )
        values = np.array(draw(st.lists(element, min_size=size, max_size=size)), kind).reshape(shape)
        attrs = {
            "units": draw(st.sampled_from(["nT", "1", "cm-3"])),
            "long_name": draw(st.sampled_from(["B", "é ü", "two\nlines"])),
        }
        more = draw(
            st.dictionaries(
                st.sampled_from(["note", "Frame", "catdesc", "valid_min"]),
                st.integers(-5, 5) | st.just("word") | st.just([1.5, 2.0]),
                max_size=2,
            )
        )
        held[draw(st.sampled_from(["a", "A", "Epoch", "b-c", "9", "x y"])) + str(i)] = (dims, values, {**more, **attrs})
    time = xr.Variable("time", start + np.cumsum(steps), {"long_name": "Time"})
    return stamped(held, {"time": time})


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@given(data=datasets())
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_that_keeps_the_contract_comes_back(tmp_path, suffix, data):
    again = returned(data, tmp_path, suffix)
    assert again.identical(data)
    assert {n: v.dtype for n, v in again.variables.items()} == {n: v.dtype for n, v in data.variables.items()}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_comes_from_dask_is_computed_and_what_is_written_can_be_read_on_first_use(tmp_path, suffix):
    data = series(6)
    again = formats.read(formats.write(data.chunk({"time": 2}), tmp_path / f"a.{suffix}"), chunks={"time": 4})
    assert again["b"].chunks is not None and again.compute().identical(data)
    assert set(formats.read(tmp_path / f"a.{suffix}", variables="b").data_vars) == {"b", "b_quality"}


def test_results_without_a_provenance_of_their_own_get_that_of_the_file(tmp_path):
    data = series().assign_attrs(provenance="{}")
    for suffix in SUFFIXES:
        again = returned(data, tmp_path, suffix)
        assert again.drop_attrs(deep=False).identical(data.drop_attrs(deep=False))
        assert again.attrs["history"].startswith(f"read from made.{suffix}")
        assert again.attrs["history"].endswith(data.attrs["history"])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_where_data_came_from_is_not_replaced_by_the_file_they_were_written_to(tmp_path, suffix):
    data = formats.read(sample.path("rbspa_rel04_ect-hope-PA-L3_20121201_v0.0.0.cdf"), variables="FPDU", checksum=False)
    assert returned(data, tmp_path, suffix).identical(data)


def test_times_at_a_leap_second_come_back_to_the_nanosecond(tmp_path):
    time = np.array(["2016-12-31T23:59:59.999999999", "2017-01-01", "2017-01-01T00:00:00.000000001"], "M8[ns]")
    data = series(3).assign_coords(time=("time", time, {"long_name": "Time"}))
    assert (returned(data, tmp_path, "cdf")["time"].values == time).all()


# --- what others read


def test_the_cdf_says_what_istp_asks_for(tmp_path):
    path = formats.write(series(), tmp_path / "made_20200101_v01.cdf")
    cdf = pycdfpp.load(str(path))
    said = {name: entry[0] for name, entry in cdf.attributes.items()}
    assert said["Logical_file_id"] == "made_20200101_v01" and said["Logical_source"] == "made"
    assert said["PI_name"] == "not stated" and said["TITLE"] == "Made here" and said["Synthetic"] == "true"
    b = {key: attribute.value for key, attribute in cdf["b"].attributes.items()}
    assert (b["UNITS"], b["CATDESC"], b["FIELDNAM"], b["VAR_TYPE"]) == ("nT", "Magnetic field", "b", "data")
    assert (b["DEPEND_0"], b["LABL_PTR_1"], b["COORDINATE_SYSTEM"]) == ("Epoch", "component", "GSE")
    assert b["FILLVAL"] == [-1e31] and cdf["b"].values[0].tolist() == [-1e31] * 3
    assert cdf["Epoch"].type == pycdfpp.DataType.CDF_TIME_TT2000 and cdf["energy"].is_nrv
    flux = {key: attribute.value for key, attribute in cdf["flux"].attributes.items()}
    assert (flux["DEPEND_1"], flux["DISPLAY_TYPE"]) == ("energy", "spectrogram")
    assert flux["VALIDMIN"] == [0.0]


def test_a_fill_never_is_a_value_of_the_flags(tmp_path):
    cdf = pycdfpp.load(str(formats.write(series(), tmp_path / "a.cdf")))
    fill = cdf["b_quality"].attributes["FILLVAL"].value[0]
    assert fill not in cdf["b_quality"].values and cdf["b_quality"].attributes["flag_meanings"].value == "good bad"


def test_attributes_named_like_those_of_istp_are_said_there(tmp_path):
    data = series().assign_attrs(PI_name="B. Curie", discipline="Space Physics>Magnetospheric Science")
    cdf = pycdfpp.load(str(formats.write(data, tmp_path / "a.cdf")))
    assert cdf.attributes["PI_name"][0] == "B. Curie"
    assert cdf.attributes["Discipline"][0] == "Space Physics>Magnetospheric Science"
    assert formats.read(tmp_path / "a.cdf").identical(data)


def test_cdflib_reads_the_same_numbers(tmp_path):
    xarray_of = pytest.importorskip("cdflib.xarray")
    data = series()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = xarray_of.cdf_to_xarray(
            str(formats.write(data, tmp_path / "a.cdf")), to_datetime=True, fillval_to_nan=True
        )
    assert (theirs["Epoch"].values == data["time"].values).all()
    assert np.array_equal(theirs["b"].values, data["b"].values, equal_nan=True)
    assert theirs["flux"].dims == ("Epoch", "energy") and theirs["flux"].attrs["UNITS"] == "cm-2 s-1"


def test_the_netcdf_is_one_of_cf(tmp_path):
    with xr.open_dataset(formats.write(series(), tmp_path / "a.nc"), engine="h5netcdf") as theirs:
        assert theirs.attrs["Conventions"].startswith("CF-") and theirs["b"].attrs["units"] == "nT"
        assert (theirs["time"].values == seconds(4)).all()


def test_a_file_that_others_changed_is_read_by_its_istp_words(tmp_path):
    path = formats.write(series(), tmp_path / "a.cdf")
    cdf = pycdfpp.load(str(path))
    cdf["b"].attributes["UNITS"].set_value("T")
    pycdfpp.save(cdf, str(path))
    data = formats.read(path)
    assert data["b"].attrs["units"] == "T" and data["b"].attrs["frame"] == "GSE"
    assert data["flux"].dims == ("time", "energy")


def test_an_assumption_that_contradicts_what_was_written_is_refused(tmp_path):
    path = formats.write(series(), tmp_path / "a.cdf")
    assert formats.read(path, assume={"frame": "gse"}).identical(series())
    with pytest.raises(BadOption, match="'GSE' of b"):
        formats.read(path, assume={"frame.b": "GSM"})


def test_an_unknown_frame_can_be_assumed_of_what_was_written(tmp_path):
    data = series()
    data["b"].attrs["frame"] = "unknown"
    path = formats.write(data, tmp_path / "a.cdf")
    assert formats.read(path).identical(data)
    known = formats.read(path, assume={"frame": "gsm"})
    assert known["b"].attrs["frame"] == "GSM" and "assumed to be GSM" in known.attrs["history"]


# --- whole or not there


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_there_is_kept_unless_asked(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"mine")
    with pytest.raises(BadOption, match="overwrite=True"):
        formats.write(series(), path)
    assert path.read_bytes() == b"mine"
    formats.write(series(), path, overwrite=True)
    assert formats.read(path).identical(series()) and [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_on_the_way_leaves_the_old_file_and_no_other(tmp_path, suffix, monkeypatch):
    path = formats.write(series(), tmp_path / f"a.{suffix}")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_writing.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        formats.write(series(2), path, overwrite=True)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_file_made_by_another_meanwhile_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "a.cdf"

    def meanwhile(handle):
        path.write_bytes(b"theirs")

    monkeypatch.setattr(_writing.os, "fsync", meanwhile)
    with pytest.raises(BadOption, match="there already"):
        formats.write(series(), path)
    assert path.read_bytes() == b"theirs"


def test_a_file_can_be_written_over_the_one_it_was_read_from(tmp_path):
    path = formats.write(series(), tmp_path / "a.cdf")
    formats.write(formats.read(path, chunks={}), path, overwrite=True)
    assert formats.read(path).identical(series())


# --- refusals


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("a.txt", BadOption, "netCDF 4"),
        ("a.fits", WrongData, r"Other data: \.nc or \.cdf"),
        ("a", BadOption, "suffix"),
        ("no/where/a.cdf", MissingFile, "make it first"),
    ],
)
def test_places_that_cannot_be_written_to_are_refused(tmp_path, name, error, words):
    with pytest.raises(error, match=words):
        formats.write(series(), tmp_path / name)


def with_attribute(**attrs):
    data = series()
    data["b"].attrs.update(attrs)
    return data


REFUSED = {
    "DataArray": (lambda: series()["b"], "to_dataset", SUFFIXES),
    "complex": (lambda: series(z=("time", np.ones(4, "c16"), {"units": "1", "long_name": "Z"})), "imaginary", SUFFIXES),
    "half": (lambda: series(z=("time", np.ones(4, "f2"), {"units": "1", "long_name": "Z"})), "float32", SUFFIXES),
    "objects": (lambda: series(z=("time", np.array([{}] * 4), {"long_name": "Z"})), "objects", SUFFIXES),
    "nested": (lambda: with_attribute(note={"a": 1}), "attribute 'note'", SUFFIXES),
    "none": (lambda: with_attribute(note=None), "attribute 'note'", SUFFIXES),
    "truth": (lambda: with_attribute(note=True), "'true'", SUFFIXES),
    "too large": (
        lambda: series(z=("time", np.full(4, 2**63, "u8"), {"units": "1", "long_name": "Z"})),
        "2\\^63",
        ("cdf",),
    ),
    "no series": (lambda: series().isel(time=0, drop=True), "series in time", ("cdf",)),
    "empty": (lambda: series().isel(time=slice(0)), "length 0", ("cdf",)),
    "too early": (
        lambda: series(1).assign_coords(time=("time", np.array(["1690-01-01"], "M8[ns]"), {"long_name": "T"})),
        "TT2000",
        ("cdf",),
    ),
    "slash": (lambda: series().rename(b="b/c"), "slash", ("nc",)),
}


@pytest.mark.parametrize(("what", "suffix"), [(what, s) for what, (*_, suffixes) in REFUSED.items() for s in suffixes])
def test_what_a_format_cannot_hold_is_refused_and_nothing_is_left(tmp_path, what, suffix):
    make, words, _ = REFUSED[what]
    with pytest.raises(WrongData, match=words):
        formats.write(make(), tmp_path / f"a.{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_data_that_break_the_contract_are_refused_by_name(tmp_path, suffix):
    bad = series()
    del bad["b"].attrs["units"]
    with pytest.raises(ContractBreach, match="b: no units"):
        formats.write(bad, tmp_path / f"a.{suffix}")

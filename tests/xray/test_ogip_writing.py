"""X-ray files that formats.write makes: read back as they were, by the standards' keywords, and whole or not there.

Checked by hand with sherpa 4.19 (ui.unpack_pha, unpack_arf, unpack_rmf; apply_arf, apply_rmf), file read beside file
written: counts, errors, grouping, quality, exposure and scales equal, and the folded power law equal bit by bit, for
XMM pn and MOS1, Chandra ACIS (3C 273), NICER, IXPE, NuSTAR, Swift XRT, RXTE PCA and Athena WFI; written as an RSP with
the area in it, within 5e-16 of the largest rate.
"""

import gzip
import warnings

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import formats, sample, xray
from analysis.errors import AnalysisWarning, BadOption, ContractBreach, WrongData
from analysis.formats import _fitswrite, _writing
from analysis.model import check, stamp

STALE = {"datasum": "stale"}
# ftchkpha of HEASoft: keywords that OGIP/92-007 makes mandatory
MANDATORY = [
    *("TELESCOP", "INSTRUME", "FILTER", "EXPOSURE", "AREASCAL", "BACKFILE", "BACKSCAL", "CORRFILE", "CORRSCAL"),
    *("RESPFILE", "ANCRFILE", "HDUCLASS", "HDUCLAS1", "HDUVERS", "CHANTYPE", "DETCHANS"),
    *("POISSERR", "HDUCLAS2", "HDUCLAS3", "HDUCLAS4"),
]


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Leave it to the system when bytes reach the disk."""
    monkeypatch.setattr(_writing.os, "fsync", lambda handle: None)


def traced(data):
    """Return data that say of what file they are, as all do that were read."""
    return data.assign_attrs(provenance='{"files": [{"name": "a", "sha256": "0"}]}')


def quietly(path, assume=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)
        return formats.read(path, assume=assume)


def returned(data, path):
    """Write, let astropy verify structure and sums, read without a warning."""
    made = formats.write(data, path, overwrite=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(made, checksum=True) as hdus:
            hdus.verify("exception")
            assert all(hdu.data is None or len(hdu.data) >= 0 for hdu in hdus)
        return formats.read(made)


SHIPPED = [
    ("ngc7793_ulx4_pn.pha", "pha"),
    ("ngc7793_ulx4_pn_background.pha", "pi"),
    ("ngc7793_ulx4_pn.arf", "arf"),
    ("ixpe_stokes_q.pha", "fits"),
    ("ixpe_du1.mrf", "mrf"),
    ("ixpe_du1.rmf.gz", "rmf"),
    ("nicer_maxi_j1820.pha", "PHA"),
    ("m82_acis_events.fits", "evt"),
    ("xte_4u1636_events.fits.gz", "fits.gz"),
]
LARGE = [("ngc7793_ulx4_pn.rmf.gz", "rmf"), ("nicer_maxi_j1820.rmf.gz", "rmf"), ("msh1552_acis_events.fits.gz", "evt")]
ORACLE = [
    ("3c273/3c273.pi", "pha"),
    ("3c273/3c273.rmf", "rmf"),
    ("3c273/3c273.arf", "arf"),
    ("xrism_perseus/xa_merged_p0px1000_Hp.pi", "pha.gz"),
    ("xrism_perseus/rsl_standard_GVclosed.arf", "arf"),
    ("athena_soxs/athena_wfi_rmf_v20150326.rmf", "rmf"),
    ("athena_soxs/acisi_aimpt_cy0.rmf", "rsp"),
    ("athena_soxs/hitomi_sxs_ptsrc.arf", "arf"),
]


@pytest.mark.parametrize(
    ("name", "suffix"), [*SHIPPED, *(pytest.param(*entry, marks=pytest.mark.slow) for entry in LARGE)]
)
def test_bundled_files_come_back_as_they_were(tmp_path, name, suffix):
    data = quietly(sample.path(name), STALE)
    assert returned(data, tmp_path / f"made.{suffix}").identical(data)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "suffix"), ORACLE)
def test_files_of_other_missions_come_back_as_they_were(oracle, tmp_path, name, suffix):
    data = quietly(oracle / "xray" / name, STALE)
    assert returned(data, tmp_path / f"made.{suffix}").identical(data)


def test_a_response_written_folds_as_sherpa_folds_the_original(oracle, tmp_path):
    """sherpa 4.19, apply_rmf(apply_arf(flux)) of the original 3C 273 files: rates that sum to 1.1679736743273517."""
    for name in ("3c273.arf", "3c273.rmf"):
        formats.write(quietly(oracle / "xray/3c273" / name), tmp_path / name)
    arf, rmf = (formats.read(tmp_path / name) for name in ("3c273.arf", "3c273.rmf"))
    low, high = rmf.energy_low.values.astype(float), rmf.energy_high.values.astype(float)
    flux = 1e-2 * (low**-0.7 - high**-0.7) / 0.7
    photons = xr.DataArray(flux, dims="energy", attrs={"units": "ph cm-2 s-1", "long_name": "Flux"})
    rate = xray.folded(photons, rmf=xray.response(rmf, arf=arf))
    assert float(rate.sum()) == pytest.approx(1.1679736743273517, rel=2e-7)  # float32 edges in both


def test_the_keywords_that_xspec_needs_are_there(tmp_path, ulx):
    path = formats.write(ulx["spectrum"], tmp_path / "src.pha")
    with fits.open(path) as hdus:
        header = hdus["SPECTRUM"].header
        assert [key for key in MANDATORY if key not in header] == []
        assert (header["HDUCLASS"], header["HDUCLAS1"], header["HDUVERS"]) == ("OGIP", "SPECTRUM", "1.2.1")
        assert (header["TLMIN1"], header["TLMAX1"], header["DETCHANS"]) == (0, 4095, 4096)
        assert header["POISSERR"] is True and header["BACKFILE"] == "PNbackground_spectrum.fits"
        assert hdus["SPECTRUM"].columns.names[:2] == ["CHANNEL", "COUNTS"]
        assert header["TUNIT2"] == "count" and header["TELESCOP"] == "XMM"
        assert "DATASUM" in header and "CHECKSUM" in header and "HISTORY" in header


def test_a_response_says_how_its_groups_are_packed(tmp_path, ulx):
    path = formats.write(ulx["rmf"], tmp_path / "src.rmf")
    with fits.open(path) as hdus:
        matrix, bounds = hdus["MATRIX"], hdus["EBOUNDS"]
        assert matrix.columns.names == ["ENERG_LO", "ENERG_HI", "N_GRP", "F_CHAN", "N_CHAN", "MATRIX"]
        assert (matrix.header["HDUCLAS2"], matrix.header["HDUCLAS3"]) == ("RSP_MATRIX", "REDIST")
        assert (matrix.header["HDUVERS"], bounds.header["HDUVERS"]) == ("1.3.0", "1.2.0")
        assert (matrix.header["TLMIN4"], matrix.header["TLMAX4"]) == (0, 4095)
        assert matrix.header["NUMGRP"] == matrix.data["N_GRP"].sum() == ulx["rmf"].sizes["group"]
        assert matrix.header["NUMELT"] == sum(len(row) for row in matrix.data["MATRIX"])
        assert matrix.header["LO_THRES"] == ulx["rmf"].attrs["lo_thres"]
        assert [len(matrix.data["F_CHAN"][k]) for k in (0, 999)] == [matrix.data["N_GRP"][k] for k in (0, 999)]
        assert bounds.header["HDUCLAS2"] == "EBOUNDS" and bounds.header["CHANTYPE"] == "PI"


def test_good_times_and_events_keep_their_clock_and_sky(tmp_path, m82):
    path = formats.write(m82, tmp_path / "m82.evt")
    with fits.open(path) as hdus:
        events, gti = hdus["EVENTS"], hdus["GTI"]
        assert (gti.header["HDUCLAS1"], gti.header["HDUCLAS2"]) == ("GTI", "STANDARD")
        assert events.header["HDUCLAS1"] == "EVENTS" and events.header["TIMESYS"] == "TT"
        assert events.header["MJDREFI"] + events.header["MJDREFF"] == m82["events"].attrs["mjdref"]
        assert gti.header["ONTIME"] == pytest.approx(float((m82["gti"].stop - m82["gti"].start).sum()))
        number = events.columns.names.index("X") + 1
        assert events.header[f"TCRVL{number}"] == m82["events"].attrs["wcs_crval"][0]
    again = formats.read(path)
    assert again["events"].attrs["wcs_cdelt"] == m82["events"].attrs["wcs_cdelt"]


def test_good_times_alone_are_a_file_too(tmp_path, m82):
    gti = m82["gti"].to_dataset()
    again = returned(gti, tmp_path / "m82.gti")
    assert again.identical(gti)
    bare = strip(tmp_path / "m82.gti")
    read = formats.read(bare)  # by its keywords, as a file of another program
    assert dict(read.sizes) == dict(gti.sizes) and read.start.equals(gti.start)
    assert read.attrs["mjdref"] == gti.attrs["mjdref"]


def strip(path):
    """Return a copy of a file without the last extension, which only Sankō reads."""
    with fits.open(path) as hdus:
        assert hdus[-1].name == "XARRAY"
        end = hdus[-1].fileinfo()["hdrLoc"]
    bare = path.with_name(f"bare_{path.name}")
    bare.write_bytes(path.read_bytes()[:end])
    return bare


@pytest.mark.parametrize("name", ["ngc7793_ulx4_pn.pha", "ixpe_stokes_u.pha", "ngc7793_ulx4_pn.arf", "ixpe_du1.rmf.gz"])
def test_the_numbers_come_back_by_the_standards_keywords_alone(tmp_path, name):
    data = quietly(sample.path(name), STALE)
    kind = {"pha": "pha", "arf": "arf", "gz": "rmf"}[name.rpartition(".")[2]]
    bare = formats.read(strip(formats.write(data, tmp_path / f"a.{kind}")))
    assert set(bare.variables) == set(data.variables)
    for key, variable in data.variables.items():
        assert bare.variables[key].identical(variable), key
    own = ("title", "source", "history", "provenance", "institution", "license", "references", "creator")
    assert {k: v for k, v in bare.attrs.items() if k not in own} == {
        k: v for k, v in data.attrs.items() if k not in own
    }


# ------------------------------------------------------------------------------- origin, label, changes


def test_provenance_and_history_survive(tmp_path, ulx):
    data = ulx["spectrum"].to_dataset()
    again = formats.read(formats.write(data, tmp_path / "a.pha"))
    for key in ("provenance", "history", "references", "license", "institution", "title"):
        assert again.attrs[key] == data.attrs[key]
    with fits.open(tmp_path / "a.pha") as hdus:
        assert data.attrs["history"].splitlines()[0][:40] in str(hdus["SPECTRUM"].header["HISTORY"]).replace("\n", "")


@pytest.mark.parametrize("kept", [True, False])
def test_synthetic_data_say_so_even_where_only_keywords_are_left(tmp_path, made_spectrum, kept):
    data = made_spectrum([1, 2, 3], exposure=5.0).assign_attrs(synthetic="true")
    path = formats.write(data, tmp_path / "a.pha")
    assert fits.getval(path, "SYNTHET", 1) is True
    assert formats.read(path if kept else strip(path)).attrs["synthetic"] == "true"


def test_a_file_that_another_program_changed_is_read_by_its_keywords(tmp_path, made_spectrum):
    data = made_spectrum([1, 2, 3], exposure=5.0).assign_attrs(synthetic="true", license="CC0")
    path = formats.write(data, tmp_path / "a.pha")
    fits.setval(path, "EXPOSURE", value=50.0, ext=1)
    read = quietly(path)
    assert float(read.exposure) == 50.0
    assert "changed by another program" in read.attrs["history"] and "made up" in read.attrs["history"]
    assert read.attrs["synthetic"] == "true" and read.attrs["license"] == "CC0"


def test_damaged_attributes_leave_the_numbers_readable(tmp_path, made_spectrum):
    path = formats.write(made_spectrum([1, 2, 3], exposure=5.0), tmp_path / "a.pha")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'{"sums"', b"{'sums'"))
    read = quietly(path)
    assert read.counts.values.tolist() == [1, 2, 3] and "cannot be read" in read.attrs["history"]
    check(read)


def test_letters_that_fits_lacks_are_kept_beside_it(tmp_path, made_spectrum):
    data = made_spectrum([1, 2], exposure=5.0).assign_attrs(object="Sgr A★", references="Müller – N_H\nsecond")
    path = formats.write(data, tmp_path / "a.pha")
    assert fits.getval(path, "OBJECT", 1) == "Sgr A?"
    assert fits.getval(path, "REFERENC", 1) == "Muller - N_H; second"
    assert formats.read(path).attrs["object"] == "Sgr A★"


# ---------------------------------------------------------------------------------- what users make


@pytest.mark.slow
def test_where_times_are_of_is_a_keyword_that_other_programs_see(tmp_path, m82):
    moved = xray.barycentred(m82, "148.96 69.68")
    for tree, said in ((m82, "LOCAL"), (moved, "SOLARSYSTEM")):
        with fits.open(formats.write(tree, tmp_path / "a.evt", overwrite=True)) as hdus:
            assert hdus["EVENTS"].header["TIMEREF"] == said
            hdus[:-1].writeto(tmp_path / "b.evt", overwrite=True)  # as another program leaves it
        assert quietly(tmp_path / "b.evt")["events"].attrs["timeref"] == said


def test_a_spectrum_of_events_is_written(tmp_path, m82):
    spectrum = xray.event_spectrum(m82)
    again = returned(spectrum, tmp_path / "m82.pi")
    assert again.identical(spectrum) and again.counts.dtype == np.int64
    with fits.open(tmp_path / "m82.pi") as hdus:
        assert hdus[1].columns["COUNTS"].format == "1J"  # the standard has no 64-bit counts
        assert hdus[1].header["POISSERR"] is True and hdus[1].header["QUALITY"] == 0
    assert formats.read(strip(tmp_path / "m82.pi")).counts.equals(spectrum.counts.astype("i4"))


def test_rates_with_errors_are_not_poissons(tmp_path, made_spectrum):
    data = made_spectrum([1.5, 2.5], exposure=5.0)
    data["rate"] = ("channel", [0.3, 0.5], {"units": "ct ks-1", "long_name": "Rate"})
    data["stat_error"] = ("channel", [0.1, 0.2], {"units": "ct ks-1", "long_name": "Error"})
    again = returned(data.drop_vars("counts"), tmp_path / "a.pha")
    np.testing.assert_allclose(again.rate, [3e-4, 5e-4])  # in the standard's unit
    np.testing.assert_allclose(again.stat_error, [1e-4, 2e-4])
    header = fits.getheader(tmp_path / "a.pha", 1)
    assert header["POISSERR"] is False and header["HDUCLAS3"] == "RATE"


def test_scales_and_flags_on_channels_are_columns(tmp_path, made_spectrum):
    data = made_spectrum(
        [1, 2, 3],
        exposure=5.0,
        backscal=[1.0, 2.0, 3.0],
        areascal=[0.5, 0.5, 1.0],
        grouping=[1, -1, 1],
        quality=[0, 0, 2],
    )
    data = traced(data)
    again = returned(data, tmp_path / "a.pha")
    assert again.identical(data)
    bare = formats.read(strip(tmp_path / "a.pha"))
    assert bare.backscal.values.tolist() == [1, 2, 3] and bare.grouping.values.tolist() == [1, -1, 1]


def test_a_response_with_its_area_is_an_rsp(tmp_path, made_response, made_spectrum):
    matrix = np.array([[0, 5.0, 0, 7], [0, 0, 0, 0], [1, 2, 3, 4]])
    whole = xray.response(made_response(matrix, units="cm2"))
    rsp = returned(whole, tmp_path / "a.rsp")
    assert rsp.n_channels.values.tolist() == [1, 1, 4] and rsp.attrs.get("response_type", "FULL") == "FULL"
    again = xray.response(rsp)
    for name in ("matrix", "channel_index", "first_element", "e_min", "energy_low"):
        np.testing.assert_array_equal(again[name].values, whole[name].values)
    assert fits.getval(tmp_path / "a.rsp", "HDUCLAS3", "SPECRESP MATRIX") == "FULL"
    assert formats.read(strip(tmp_path / "a.rsp")).matrix.attrs["units"] == "cm2"


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), first=st.sampled_from([0, 1, 7]), kind=st.sampled_from(["f4", "f8"]))
@pytest.mark.slow
def test_any_matrix_comes_back_element_by_element(tmp_path, made_response, data, first, kind):
    n, m = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 7))
    values = data.draw(st.lists(st.sampled_from([0, 0, 0.25, 1, 1e-30]), min_size=n * m, max_size=n * m))
    matrix = np.array(values, kind).reshape(n, m)
    path = formats.write(made_response(matrix, first=first), tmp_path / "a.rmf", overwrite=True)
    for read in (formats.read(path), formats.read(strip(path))):
        sparse = xray.response(read)
        full = np.zeros((n, m))
        energy = np.repeat(np.arange(n), np.diff(np.append(sparse.first_element.values, sparse.matrix.size)))
        full[energy, sparse.channel_index.values] = sparse.matrix.values
        np.testing.assert_array_equal(full, matrix.astype(float))
        assert int(read.channel[0]) == first and read.matrix.dtype == kind


def many_columns(n):
    """Return an event list with a column of each kind that a FITS table has."""
    plain, kev = {"units": "1", "long_name": "Number"}, {"units": "keV", "long_name": "Energy"}
    rng = np.random.default_rng(2)
    columns = {
        "time": ("event", np.sort(rng.uniform(0, 10, n)), {"units": "s", "long_name": "Time"}),
        "energy": ("event", rng.uniform(1, 2, n).astype("f4"), kev),
        "flag": ("event", rng.random(n) > 0.5, plain),
        "name": ("event", np.array(["a", "bcd", ""] * n, object)[:n], {"long_name": "Mode"}),
        "u8": ("event", np.full(n, 2**64 - 1, "u8"), plain),
        "u4": ("event", np.full(n, 2**32 - 1, "u4"), plain),
        "u2": ("event", np.full(n, 65535, "u2"), plain),
        "u1": ("event", np.full(n, 255, "u1"), plain),
        "i1": ("event", np.full(n, -128, "i1"), plain),
        "i8": ("event", np.full(n, -(2**63), "i8"), plain),
        "Trig x": (("event", "sample"), np.arange(3 * n, dtype="i2").reshape(n, 3), plain),
        "deep": (("event", "a", "b"), np.arange(4.0 * n).reshape(n, 2, 2), plain),
        "nan": ("event", np.full(n, np.nan), kev),
        "livetime": ((), 4.5, {"units": "s", "long_name": "Live time"}),
    }
    told = {"title": "Made up", "institution": "nobody", "source": "a test", "license": "none"}
    data = xr.Dataset(columns, attrs={"mjdref": 50814.25, "timesys": "TDB"})
    return stamp(data, **told, references=["none"], history=["made up"], provenance={"a": [1]})


@pytest.mark.parametrize("n", [0, 1, 7])
def test_event_columns_of_every_type_come_back(tmp_path, n):
    data = many_columns(n)
    again = returned(data, tmp_path / "a.evt")
    assert again.identical(data)
    assert {k: v.dtype.kind for k, v in again.variables.items()} == {k: v.dtype.kind for k, v in data.variables.items()}
    if n:
        with fits.open(tmp_path / "a.evt") as hdus:
            assert hdus["EVENTS"].data["U4"].tolist() == [2**32 - 1] * n
            assert hdus["EVENTS"].data["DEEP"].shape == (n, 2, 2)
            assert (hdus["EVENTS"].header["MJDREFI"], hdus["EVENTS"].header["MJDREFF"]) == (50814, 0.25)


def test_big_endian_float32_and_dask_arrays_are_written(tmp_path, made_spectrum):
    data = made_spectrum([1, 2, 3], exposure=5.0)
    swapped = data.assign(counts=data.counts.copy(data=np.array([1, 2, 3], ">f4")))
    again = returned(swapped, tmp_path / "a.pha")
    assert again.counts.values.tolist() == [1, 2, 3] and again.counts.dtype == np.float32
    lazy = returned(data.chunk({"channel": 2}), tmp_path / "b.pha")
    assert lazy.counts.equals(data.counts)


# ----------------------------------------------------------------------------------------- refusals


def test_a_suffix_must_not_promise_another_kind(tmp_path, ulx):
    with pytest.raises(BadOption, match=r"response.*\.rmf or \.rsp, or \.fits"):
        formats.write(ulx["rmf"], tmp_path / "x.arf")
    with pytest.raises(BadOption, match=r"spectrum.*\.pha or \.pi"):
        formats.write(ulx["spectrum"], tmp_path / "x.rmf.gz")
    with pytest.raises(BadOption, match=r"\.pha.*\.evt.*give such a suffix"):
        formats.write(ulx["spectrum"], tmp_path / "x.txt")
    assert list(tmp_path.iterdir()) == []


def test_several_products_are_several_files(tmp_path, ulx):
    with pytest.raises(WrongData, match=r"tree\['spectrum'\]"):
        formats.write(ulx, tmp_path / "all.fits")


def test_what_has_no_x_ray_file_is_refused(tmp_path, ulx, m82):
    for data in (xray.light_curve(m82, "100 s"), xray.grouped(ulx["spectrum"])):
        with pytest.raises(WrongData, match=r"\.nc or \.cdf"):
            formats.write(data, tmp_path / "x.fits")
    with pytest.raises(ContractBreach):
        formats.write(xr.Dataset({"counts": ("channel", [1])}), tmp_path / "x.pha")


@pytest.mark.parametrize("exposure", [0.0, -5.0, np.nan])
def test_a_spectrum_without_a_positive_exposure_is_refused(tmp_path, made_spectrum, exposure):
    data = made_spectrum([1, 2])
    data["exposure"] = data.exposure * 0 + exposure
    data["exposure"].attrs = {"units": "s", "long_name": "Exposure"}
    with pytest.raises(WrongData, match="exposure above 0"):
        formats.write(data, tmp_path / "x.pha")
    with pytest.raises(WrongData, match="exposure above 0"):
        formats.write(data.drop_vars("exposure"), tmp_path / "x.pha")


@pytest.mark.parametrize(
    ("changes", "attrs", "says"),
    [
        ({"counts": [1.0, np.nan]}, {}, "NaN in some channels"),
        ({"counts": [True, False]}, {}, "type bool"),
        ({"channel": [0.0, 1.0]}, {}, "whole numbers"),
        ({"channel": [1, 0]}, {}, "increasing"),
        ({}, {"detchans": "many"}, "'many', not a number"),
        ({}, {"correction_scale": np.inf, "correction_file": "c.pha"}, "not a finite number"),
    ],
)
def test_a_spectrum_that_no_program_could_fit_is_refused(tmp_path, made_spectrum, changes, attrs, says):
    data = made_spectrum([1, 2], exposure=5.0).assign_attrs(attrs)
    for name, values in changes.items():
        data[name] = ("channel", values, data[name].attrs)
    with pytest.raises(WrongData, match=says):
        formats.write(data, tmp_path / "x.pha")


def test_bad_channels_may_hold_no_number(tmp_path, made_spectrum):
    data = made_spectrum([1.0, np.nan, 3.0], exposure=5.0, quality=[0, 1, 0])
    assert np.isnan(returned(data, tmp_path / "a.pha").counts[1])


def test_the_same_data_make_the_same_bytes_and_64_bit_numbers_those_of_the_standard(tmp_path, made_spectrum):
    data = made_spectrum([1, 2], exposure=5.0, grouping=[1, -1])
    first, second = (formats.write(data, tmp_path / name).read_bytes() for name in ("a.pha", "b.pha"))
    assert first == second
    with fits.open(tmp_path / "a.pha") as hdus:
        forms = {column.name: column.format for column in hdus[1].columns}
    assert forms == {"CHANNEL": "1J", "COUNTS": "1J", "GROUPING": "1I", "QUALITY": "1I"}
    assert formats.read(tmp_path / "a.pha").grouping.dtype == np.int64


def test_an_event_tree_may_lie_deeper(tmp_path, m82):
    deep = xr.DataTree.from_dict({f"/obs/{name}": m82[name].to_dataset() for name in ("events", "gti")}, name="m82")
    assert returned(deep, tmp_path / "a.evt").identical(deep)


def test_what_the_standard_has_no_place_for_is_named(tmp_path, ulx, m82, made_spectrum):
    more = ulx["arf"].to_dataset().assign(vignetting=ulx["arf"].effective_area)
    with pytest.raises(WrongData, match=r"drop_vars\(\['vignetting'\]\)"):
        formats.write(more, tmp_path / "x.arf")
    unclocked = m82["gti"].to_dataset()
    del unclocked.attrs["mjdref"]
    with pytest.raises(WrongData, match="mjdref"):
        formats.write(unclocked, tmp_path / "x.gti")
    dated = m82["events"].to_dataset().isel(event=slice(3))
    dated["utc"] = ("event", np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "M8[ns]"), {"long_name": "UTC"})
    with pytest.raises(WrongData, match="dates"):
        formats.write(dated, tmp_path / "x.evt")
    named = many_columns(2)
    named["name"] = ("event", np.array(["é", "b"], object), {"long_name": "Mode"})
    with pytest.raises(WrongData, match="ASCII"):
        formats.write(named, tmp_path / "x.evt")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_response_is_not_written(tmp_path, made_response):
    good = made_response(np.eye(3))
    cut = good.isel(element=slice(5))
    beyond = good.assign(first_channel=good.first_channel + 2)
    endless = good.assign(matrix=good.matrix.where(good.matrix < 1))
    for data, says in ((cut, "do not fit"), (beyond, "beyond"), (endless, "finite")):
        with pytest.raises(WrongData, match=says):
            formats.write(data, tmp_path / "x.rmf")


def test_no_file_is_replaced_unasked_nor_left_in_part(tmp_path, made_spectrum, monkeypatch):
    data = made_spectrum([1, 2, 3], exposure=5.0)
    path = formats.write(data, tmp_path / "a.pha")
    with pytest.raises(BadOption, match="overwrite=True"):
        formats.write(data, path)
    before = path.read_bytes()
    monkeypatch.setattr(_fitswrite, "table", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        formats.write(data, path, overwrite=True)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.pha"]


def test_compressed_files_hold_the_same_bytes(tmp_path, made_spectrum):
    data = traced(made_spectrum([1, 2, 3], exposure=5.0))
    plain, packed = (formats.write(data, tmp_path / name) for name in ("a.pha", "a.pha.gz"))
    assert gzip.decompress(packed.read_bytes())[:2880].split(b"DATE")[0] == plain.read_bytes()[:2880].split(b"DATE")[0]
    assert formats.read(packed).identical(data)

"""X-ray spectra and responses as OGIP files hold them, real ones and written ones with the field's warts."""

import warnings

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ogip_files import dense, response, spectrum, write
from tiers import examples

from analysis import formats, sample
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, CorruptFile, WrongData
from analysis.formats import fits
from analysis.model import check

STALE = {"datasum": "stale"}


# ------------------------------------------------------------------------------------------ spectra


def test_the_pn_spectrum_has_its_flags_and_1116_bad_channels():
    pha = formats.read(sample.path("ngc7793_ulx4_pn.pha"))
    assert dict(pha.sizes) == {"channel": 4096}
    assert (pha.channel.values == np.arange(4096)).all()
    assert int((pha.quality == 1).sum()) == 1116
    assert set(np.unique(pha.grouping)) == {-1, 1}
    assert float(pha.exposure) == pytest.approx(20265.98)
    assert pha.counts.attrs["units"] == "ct"
    assert pha.attrs["background_file"] == "PNbackground_spectrum.fits"
    assert "left out" in pha.attrs["history"]
    assert pha.attrs["obs_id"] == "0693760101"


def test_the_nicer_spectrum_has_its_9e7_counts():
    pha = formats.read(sample.path("nicer_maxi_j1820.pha"), assume=STALE)
    assert int(pha.counts.sum()) == pytest.approx(9.65e7, rel=1e-3)
    assert (pha.quality == 0).all() and pha.quality.attrs["stated_by"] == "keyword"


def test_a_flat_sum_of_the_ixpe_stokes_spectra_is_polarized_as_published():
    read = {s: formats.read(sample.path(f"ixpe_stokes_{s}.pha")) for s in "iqu"}
    assert [read[s].attrs["stokes"] for s in "iqu"] == ["I", "Q", "U"]
    band = slice(50, 200)  # 40 eV a channel: 2 to 8 keV
    arf, mrf = (formats.read(sample.path(f"ixpe_du1.{kind}"), assume=STALE) for kind in ("arf", "mrf"))
    centre = (arf.energy_low + arf.energy_high).values / 2
    factor = np.interp(np.arange(50, 200) * 0.04 + 0.02, centre, (mrf.effective_area / arf.effective_area).values)
    i = float(read["i"].rate[band].sum())
    q, u = (float((read[s].rate[band] / factor).sum()) for s in "qu")
    assert np.hypot(q, u) / i == pytest.approx(0.037, abs=0.002)
    assert np.degrees(np.arctan2(u, q)) / 2 == pytest.approx(2.8, abs=0.2)
    assert read["q"].rate.attrs["units"] == "ct s-1"
    assert read["q"].stat_error.attrs["units"] == "ct s-1"
    assert read["q"].attrs["response_file"] == "ixpe_d"  # the file has the path cut there


def test_spectra_of_other_missions_open(oracle):
    chandra = formats.read(oracle / "xray/3c273/3c273.pi")
    assert chandra.channel[0] == 1 and chandra.sizes["channel"] == 1024
    assert chandra.attrs["background_file"] == "3c273_bg.pi" and "stat_error" in chandra
    assert formats.read(oracle / "xray/3c273/3c273_bg.pi").exposure == pytest.approx(38564.6, abs=0.1)
    resolve = formats.read(oracle / "xray/xrism_perseus/xa_merged_p0px1000_Hp.pi")
    assert resolve.sizes["channel"] == 60000 and int(resolve.channel[-1]) == 59999
    assert float(resolve.exposure) == pytest.approx(100.3e3, rel=1e-3)


def test_a_spectrum_without_exposure_takes_it_from_the_caller_only(tmp_path):
    hdu = spectrum()
    del hdu.header["EXPOSURE"]
    path = write(tmp_path / "s.pha", hdu)
    with pytest.raises(CorruptFile, match="EXPOSURE"):
        fits.read(path, {})
    pha = fits.read(path, {"exposure": "12.5"})
    assert float(pha.exposure) == 12.5 and "stated by the caller" in pha.attrs["history"]
    with pytest.raises(BadOption, match="not a number"):
        fits.read(path, {"exposure": "long"})


def test_a_stated_exposure_cannot_be_contradicted(tmp_path):
    with pytest.raises(BadOption, match="contradicts"):
        fits.read(write(tmp_path / "s.pha", spectrum()), {"exposure": "5"})


def test_scales_and_flags_may_be_columns(tmp_path):
    columns = {
        "CHANNEL": ("E", np.array([1.0, 2, 3])),
        "RATE": ("E", np.array([0.1, 0.2, 0.3])),
        "SYS_ERR": ("E", np.full(3, 0.02)),
        "BACKSCAL": ("E", np.array([1.0, 2, 3])),
        "QUALITY": ("I", np.array([0, 5, 0])),
    }
    pha = fits.read(write(tmp_path / "s.pha", spectrum(columns, GROUPING=0)), {})
    assert pha.backscal.dims == ("channel",) and pha.areascal.dims == ()
    assert pha.quality.values.tolist() == [0, 5, 0]
    assert (pha.grouping == 1).all()
    assert pha.channel.dtype.kind == "i"
    assert pha.systematic.attrs["units"] == "1"


RATES = {
    "CHANNEL": ("J", np.arange(2)),
    "RATE": ("E", np.array([1.0, 2.0])),
    "STAT_ERR": ("E", np.array([0.5, 0.5])),
    "SYS_ERR": ("E", np.array([2.0, 3.0])),
}


def test_units_of_rates_and_errors_are_brought_to_the_standards(tmp_path):
    hdu = spectrum(RATES, TUNIT2="count/ks", TUNIT3="count/ks", TUNIT4="%")
    pha = fits.read(write(tmp_path / "s.pha", hdu), {})
    np.testing.assert_allclose(pha.rate, [1e-3, 2e-3])
    np.testing.assert_allclose(pha.stat_error, 5e-4)
    np.testing.assert_allclose(pha.systematic, [0.02, 0.03])
    assert pha.rate.attrs["units"] == "ct s-1"


@pytest.mark.parametrize(
    ("columns", "unit"), [(RATES, "count/s/keV"), (RATES, "flurb"), (None, "count/s"), (RATES, "count")]
)
def test_a_spectrum_in_units_of_another_kind_is_refused(tmp_path, columns, unit):
    with pytest.raises(WrongData, match=rf"{unit}.*TUNIT2"):
        fits.read(write(tmp_path / "s.pha", spectrum(columns, TUNIT2=unit)), {})


def test_a_spectrum_says_whether_its_background_is_off(tmp_path):
    pha = fits.read(write(tmp_path / "s.pha", spectrum(HDUCLAS2="NET", HDUCLAS3="COUNT")), {})
    assert (pha.attrs["hduclas2"], pha.attrs["hduclas3"]) == ("NET", "COUNT")


@pytest.mark.parametrize("channel", [[1, 1, 2, 3], [3, 2, 1, 0], [0.5, 1, 2, 3]])
def test_channels_must_be_whole_and_in_order(tmp_path, channel):
    columns = {"CHANNEL": ("E", np.array(channel, float)), "COUNTS": ("J", np.arange(4))}
    with pytest.raises(CorruptFile, match="CHANNEL"):
        fits.read(write(tmp_path / "s.pha", spectrum(columns)), {})


# ---------------------------------------------------------------------------------------- responses


@pytest.mark.parametrize("name", ["ngc7793_ulx4_pn.arf", "nicer_maxi_j1820.arf", "ixpe_du1.arf", "ixpe_du1.mrf"])
def test_an_effective_area_is_in_cm2_on_keV_bins(name):
    arf = formats.read(sample.path(name), assume=STALE)
    assert arf.effective_area.attrs["units"] == "cm2"
    assert arf.energy_low.attrs["units"] == arf.energy_high.attrs["units"] == "keV"
    assert (arf.energy_low < arf.energy_high).all()
    assert 1 < float(arf.effective_area.max()) < 3000


def test_the_modulation_response_says_that_it_is_one():
    mrf = formats.read(sample.path("ixpe_du1.mrf"), assume=STALE)
    arf = formats.read(sample.path("ixpe_du1.arf"), assume=STALE)
    assert mrf.attrs["response_type"] == "MODSPECRESP" and "Modulation" in mrf.effective_area.long_name
    assert (mrf.effective_area <= arf.effective_area).all()  # the modulation factor is at most 1


def test_areas_in_other_units_are_converted(tmp_path):
    columns = [
        astropy_fits.Column("ENERG_LO", "E", "eV", array=[100.0, 200.0]),
        astropy_fits.Column("ENERG_HI", "E", "eV", array=[200.0, 300.0]),
        astropy_fits.Column("SPECRESP", "E", "m**2", array=[1.0, 2.0]),
    ]
    arf = fits.read(write(tmp_path / "a.arf", astropy_fits.BinTableHDU.from_columns(columns)), {})
    np.testing.assert_allclose(arf.effective_area, [1e4, 2e4])
    np.testing.assert_allclose(arf.energy_low, [0.1, 0.2])


@pytest.mark.parametrize("name", ["ngc7793_ulx4_pn.rmf.gz", "nicer_maxi_j1820.rmf.gz", "ixpe_du1.rmf.gz"])
@pytest.mark.slow
def test_reading_keeps_what_each_energy_sums_to(name):
    path = sample.path(name)
    rmf = formats.read(path)
    with astropy_fits.open(path) as hdus:
        raw = hdus["MATRIX"].data["MATRIX"]
        sums = np.array([np.sum(np.asarray(row, float)) for row in raw])
    ours = np.zeros(rmf.sizes["energy"])
    owner = np.repeat(rmf.energy_index.values, rmf.n_channels.values)
    np.add.at(ours, owner, rmf.matrix.values.astype(float))
    np.testing.assert_allclose(ours, sums, rtol=1e-12, atol=1e-12)
    ends = np.cumsum(rmf.n_channels.values)
    assert (rmf.matrix.values[ends - 1] != 0).all() and (rmf.matrix.values[ends - rmf.n_channels.values] != 0).all()
    assert rmf.matrix.dtype == np.float32 and rmf.matrix.dtype.isnative


@pytest.mark.parametrize(
    "name",
    [
        "3c273/3c273.rmf",
        "athena_soxs/acisi_aimpt_cy0.rmf",
        "athena_soxs/acisi_aimpt_cy19.rmf",
        "athena_soxs/athena_wfi_rmf_v20150326.rmf",
        "athena_soxs/xrs_mucal.rmf",
    ],
)
def test_responses_of_other_missions_open_and_hold_a_photon_once(oracle, name):
    rmf = formats.read(oracle / "xray" / name)
    owner = np.repeat(rmf.energy_index.values, rmf.n_channels.values)
    sums = np.bincount(owner, rmf.matrix.values, rmf.sizes["energy"])
    assert 0.9 < np.median(sums) < 1.1
    where = rmf.first_channel.values - int(rmf.channel[0])
    assert where.min() >= 0 and (where + rmf.n_channels.values).max() <= rmf.sizes["channel"]
    assert (np.diff(rmf.e_min) > 0).all()


def test_the_line_of_a_response_is_at_its_energy(oracle):
    for path in (sample.path("ixpe_du1.rmf.gz"), oracle / "xray/3c273/3c273.rmf"):
        rmf = formats.read(path)
        full = dense(rmf)
        energies = (rmf.energy_low + rmf.energy_high).values / 2
        centres = (rmf.e_min + rmf.e_max).values / 2
        chosen = (energies > 3) & (energies < 6)
        peaks = centres[full[chosen].argmax(axis=1)]
        assert np.abs(peaks - energies[chosen]).max() < 0.25


def test_scalar_and_vector_channels_give_the_same_response(tmp_path):
    rows = [[0, 1, 2, 0], [3, 0, 4, 0]]
    one = fits.read(write(tmp_path / "a.rmf", *response([1, 0], [4, 4], rows)), {})
    two = fits.read(write(tmp_path / "b.rmf", *response([[1], [0, 2]], [[4], [2, 2]], rows)), {})
    expected = np.zeros((2, 6))
    expected[0, 1:5], expected[1, :4] = rows
    np.testing.assert_array_equal(dense(one), expected)
    np.testing.assert_array_equal(dense(two), expected)
    assert two.sizes["group"] == 3 and two.sizes["element"] == 4


@pytest.mark.parametrize("tlmin", [0, "0", 1])
def test_first_channels_count_as_ebounds_does_whatever_tlmin_is(tmp_path, tlmin):
    made = response([int(tlmin) + 2], [2], [[5, 6]], tlmin=tlmin, name="SPECRESP MATRIX")
    rmf = fits.read(write(tmp_path / "a.rmf", *made), {})
    assert rmf.first_channel.values.tolist() == [2]
    np.testing.assert_array_equal(dense(rmf)[0], [0, 0, 5, 6, 0, 0])


@pytest.mark.parametrize(
    ("start", "f_chan", "lowest"),
    [(0, 2, 1), (0, 0, 0), (0, 5, 1), (1, 0, 0), (10, 12, 10)],
)
def test_a_silent_tlmin_is_the_standards_1_where_that_fits_and_never_taken_in_silence(tmp_path, start, f_chan, lowest):
    made = response([f_chan], [2], [[5, 6]], first=start, tlmin=None)
    path = write(tmp_path / "a.rmf", *made)
    with pytest.warns(AnalysisWarning, match=f"TLMIN4.*: {lowest} taken"):
        rmf = fits.read(path, {})
    assert rmf.first_channel.values.tolist() == [f_chan - lowest + start]
    told = fits.read(path, {"first_channel": str(lowest)})
    np.testing.assert_array_equal(told.first_channel, rmf.first_channel)


def test_the_default_of_tlmin_needs_no_word_where_ebounds_agrees(tmp_path):
    rmf = fits.read(write(tmp_path / "a.rmf", *response([3], [2], [[5, 6]], first=1, tlmin=None)), {})
    assert rmf.first_channel.values.tolist() == [3] and "not stated" in rmf.attrs["history"]


@pytest.mark.parametrize(("told", "says"), [("1", "contradicts"), ("x", "not a number")])
def test_a_first_channel_that_cannot_be_is_refused(tmp_path, told, says):
    path = write(tmp_path / "a.rmf", *response([0], [2], [[5, 6]], tlmin=0))
    with pytest.raises(BadOption, match=says):
        fits.read(path, {"first_channel": told})


@pytest.mark.parametrize(("unit", "value"), [("cm**2", 5.0), ("cm2", 5.0), ("m**2", 5e4)])
def test_a_matrix_in_units_of_area_includes_the_area(tmp_path, unit, value):
    made = response([0], [2], [[5, 6]], name="SPECRESP MATRIX", TUNIT6=unit)
    rmf = fits.read(write(tmp_path / "a.rsp", *made), {})
    assert rmf.matrix.attrs["units"] == "cm2" and rmf.attrs["response_type"] == "FULL"
    assert "area" in rmf.matrix.long_name and float(rmf.matrix[0]) == value


@pytest.mark.parametrize(
    ("unit", "factor"), [("EV", 1e-3), ("eV", 1e-3), ("ev", 1e-3), ("KEV", 1), ("MEV", 1e3), ("MeV", 1e3)]
)
@pytest.mark.slow
def test_energies_are_keV_however_their_unit_is_spelled(tmp_path, unit, factor):
    matrix, bounds = response([0], [2], [[5, 6]])
    for name in ("ENERG_LO", "ENERG_HI"):
        matrix.columns[name].unit = unit
    rmf = fits.read(write(tmp_path / "a.rmf", matrix, bounds), {})
    np.testing.assert_allclose(rmf.energy_high, [factor], rtol=1e-6)
    bounds.columns["E_MIN"].unit = "furlong?"
    with pytest.raises(WrongData, match=r"E_MIN is in 'furlong\?'.*keV"):
        fits.read(write(tmp_path / "b.rmf", matrix, bounds), {})


def test_a_full_response_is_in_cm2_and_keeps_its_threshold(tmp_path):
    made = response([0], [2], [[5, 6]], HDUCLAS3="FULL", LO_THRES=1e-6)
    rmf = fits.read(write(tmp_path / "a.rsp", *made), {})
    assert rmf.matrix.attrs["units"] == "cm2" and rmf.attrs["lo_thres"] == 1e-6


def test_an_energy_without_response_has_no_group(tmp_path):
    rmf = fits.read(write(tmp_path / "a.rmf", *response([[0], [0], []], [[2], [1], []], [[0, 0], [7], []])), {})
    assert rmf.energy_index.values.tolist() == [1] and rmf.matrix.values.tolist() == [7]


@pytest.mark.parametrize(
    ("f_chan", "n_chan", "rows", "says"),
    [
        ([4], [4], [[1, 1, 1, 1]], "EBOUNDS has 0 to 5"),
        ([0], [5], [[1, 1]], "MATRIX has 2 values in row 1 where 5"),
        ([0], [-1], [[1, 1]], "negative"),
        ([0], [2], [[1, np.nan]], "finite"),
    ],
)
def test_pointers_that_do_not_fit_are_refused(tmp_path, f_chan, n_chan, rows, says):
    with pytest.raises(CorruptFile, match=says):
        fits.read(write(tmp_path / "a.rmf", *response(f_chan, n_chan, rows)), {})


def test_a_response_without_ebounds_is_refused(tmp_path):
    with pytest.raises(CorruptFile, match="EBOUNDS"):
        fits.read(write(tmp_path / "a.rmf", response([0], [2], [[5, 6]])[0]), {})


def test_an_unknown_fact_lists_the_known_ones(tmp_path):
    with pytest.raises(BadOption, match="exposure, datasum there, not 'colour'"):
        fits.read(write(tmp_path / "s.pha", spectrum()), {"colour": "blue"})


def test_changed_data_are_told_by_their_sum(tmp_path):
    path = tmp_path / "s.pha"
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), spectrum()]).writeto(path, checksum=True)
    assert "DATASUM" not in fits.read(path, {}).attrs["history"]
    raw = bytearray(path.read_bytes())
    raw[-2880 + 7] ^= 1
    path.write_bytes(raw)
    with pytest.warns(AnalysisWarning, match="DATASUM"):
        pha = fits.read(path, {})
    assert "DATASUM" in pha.attrs["history"]
    with pytest.raises(BadOption, match="stale"):
        fits.read(path, {"datasum": "whatever"})


@pytest.mark.parametrize("cut", [600, 2880, 4000, 6000, 9000])
def test_a_cut_spectrum_is_never_read_in_part(tmp_path, cut):
    raw = sample.path("ixpe_stokes_q.pha").read_bytes()
    path = tmp_path / "cut.pha"
    path.write_bytes(raw[:-cut])
    with pytest.raises(CorruptFile, match=r"cut\.pha"):
        fits.read(path, {})


@settings(max_examples=examples(120), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    length=st.one_of(st.just(1.0), st.floats(0, 1)),
    head=st.booleans(),
)
@pytest.mark.slow
def test_a_damaged_response_is_read_or_refused_but_never_breaks(tmp_path, place, length, head):
    source = tmp_path / "whole.rmf"
    if not source.exists():
        write(source, *response([[1], [0, 2]], [[4], [2, 2]], [[0, 1, 2, 0], [3, 0, 4, 0]]))
    raw = bytearray(source.read_bytes())
    span = 14400 if head else len(raw)
    for where, byte in place:
        raw[int(where * min(span, len(raw)))] = byte
    path = tmp_path / "damaged.rmf"
    path.write_bytes(raw[: int(length * len(raw)) or 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)
        try:
            check(fits.read(path, {}))
        except AnalysisError as error:
            assert "damaged.rmf" in str(error)

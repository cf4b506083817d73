"""The field's warts in spectra and responses, each as some mission has it; more in tests/formats/test_ogip.py."""

import gzip

import numpy as np
import pytest
from astropy import constants
from astropy import units as u
from astropy.io import fits as astropy_fits
from ogip_files import dense, response, spectrum, write

from analysis import formats, xray
from analysis.errors import CorruptFile, UnknownFormat, WrongData
from analysis.model import check

HC = float((constants.h * constants.c).to_value("keV Angstrom"))  # 12.398 keV Å
ROWS = [[0.75, 0.25], [0.75, 0.25], [0.75, 0.25]]


def area(low, high, values, unit="keV"):
    columns = [
        astropy_fits.Column("ENERG_LO", "D", unit, array=low),
        astropy_fits.Column("ENERG_HI", "D", unit, array=high),
        astropy_fits.Column("SPECRESP", "D", "cm**2", array=values),
    ]
    return astropy_fits.BinTableHDU.from_columns(columns, name="SPECRESP")


# ------------------------------------------------------------------------------------------ spectra


def test_rgs_scales_each_channel_by_area_and_background(tmp_path, made_spectrum):
    """XMM RGS (rgsspectrum): AREASCAL and BACKSCAL are columns, QUALITY too."""
    columns = {
        "CHANNEL": ("I", np.arange(1, 5)),
        "COUNTS": ("J", np.array([8, 4, 2, 0])),
        "QUALITY": ("I", np.array([0, 0, 0, 1])),
        "AREASCAL": ("E", np.array([1.0, 0.5, 0.25, 0.0])),
        "BACKSCAL": ("E", np.array([1.0, 2.0, 4.0, 0.0])),
    }
    rgs = formats.read(write(tmp_path / "rgs.pha", spectrum(columns, EXPOSURE=10.0)))
    assert rgs.areascal.dims == rgs.backscal.dims == ("channel",)
    rates = xray.grouped(rgs, grouping="file")
    # every channel has 8 counts in 10 s of its own effective time
    np.testing.assert_allclose(rates.rate, 0.8, rtol=1e-6)
    assert rates.sizes["bin"] == 3


def test_a_file_without_backscal_is_no_background_of_one_with_it(tmp_path):
    bare, told, one = spectrum(), spectrum(BACKSCAL=4.0), spectrum(BACKSCAL=1.0)
    bare, told, one = (formats.read(write(tmp_path / f"{k}.pha", made)) for k, made in enumerate((bare, told, one)))
    assert float(bare.backscal) == 1 and bare.backscal.attrs["stated_by"] == "default"
    for source, behind in ((bare, told), (told, bare)):
        with pytest.raises(WrongData, match="has none of its own"):
            xray.count_rate(source, background=behind)
    for source, behind in ((bare, one), (bare, bare), (one, told)):  # OGIP's default, 1, on both sides
        assert "net_rate" in xray.count_rate(source, background=behind)
    assert formats.read(formats.write(bare, tmp_path / "again.pha")).identical(bare)


def test_errors_that_are_not_poissons_are_kept_and_said(tmp_path):
    columns = {
        "CHANNEL": ("I", np.arange(3)),
        "COUNTS": ("E", np.array([4.0, 9.0, 2.5])),
        "STAT_ERR": ("E", np.array([2.5, 3.5, 2.0])),
    }
    pha = formats.read(write(tmp_path / "s.pha", spectrum(columns, POISSERR=False, SYS_ERR=0.015)))
    assert pha.attrs["poisson_errors"] == "false" and pha.stat_error.values.tolist() == [2.5, 3.5, 2.0]
    assert pha.systematic.values == pytest.approx([0.015] * 3)  # one keyword for all channels
    told = formats.read(write(tmp_path / "t.pha", spectrum(POISSERR=True, SYS_ERR=0, STAT_ERR=0)))
    assert told.attrs["poisson_errors"] == "true" and not {"stat_error", "systematic"} & set(told.variables)


@pytest.mark.parametrize(("quality", "grouping", "bins"), [(0, 0, 4), (5, 0, 0), (0, 1, 4)])
def test_flags_of_all_channels_may_be_keywords(tmp_path, quality, grouping, bins):
    pha = formats.read(write(tmp_path / "s.pha", spectrum(QUALITY=quality, GROUPING=grouping)))
    assert (pha.quality == quality).all() and (pha.grouping == 1).all()
    assert (xray.channel_bins(pha) >= 0).sum() == bins
    assert pha.quality.attrs["stated_by"] == "keyword"


@pytest.mark.parametrize("none", ["none", "NONE", "None", "", "  "])
def test_no_file_is_called_none_whatever_it_is_called(tmp_path, none):
    pha = formats.read(write(tmp_path / "s.pha", spectrum(BACKFILE=none, RESPFILE=none, ANCRFILE=none)))
    assert {pha.attrs[f"{kind}_file"] for kind in ("background", "response", "ancillary")} == {"none"}


def test_paths_to_other_files_are_their_names(tmp_path):
    keys = {"BACKFILE": "/data/obs/bkg.pha", "RESPFILE": "C:\\caldb\\x.rmf", "ANCRFILE": "../x.arf"}
    pha = formats.read(write(tmp_path / "s.pha", spectrum(**keys)))
    names = [pha.attrs[f"{kind}_file"] for kind in ("background", "response", "ancillary")]
    assert names == ["bkg.pha", "x.rmf", "x.arf"]


def test_keywords_that_a_file_leaves_out_get_the_standards_default(tmp_path):
    hdu = spectrum()
    for key in ("BACKSCAL", "AREASCAL", "QUALITY", "GROUPING", "POISSERR", "CHANTYPE", "DETCHANS", "TELESCOP"):
        hdu.header.remove(key, ignore_missing=True)
    pha = formats.read(write(tmp_path / "s.pha", hdu))
    assert float(pha.backscal) == float(pha.areascal) == 1.0
    assert pha.attrs["poisson_errors"] == pha.attrs["channel_type"] == "not stated"
    assert "detchans" not in pha.attrs and "telescope" not in pha.attrs
    check(pha)


def test_channels_of_the_detector_are_known_where_only_some_are_stored(tmp_path):
    columns = {"CHANNEL": ("I", np.arange(30, 34)), "COUNTS": ("J", np.arange(4))}
    pha = formats.read(write(tmp_path / "s.pha", spectrum(columns, DETCHANS=1501, TLMIN1="0")))
    assert (pha.attrs["detchans"], pha.attrs["lowest_channel"]) == (1501, 0)
    assert pha.channel.values.tolist() == [30, 31, 32, 33]


def test_detector_and_filter_are_kept(tmp_path):
    said = {"TELESCOP": "XMM", "INSTRUME": "EPN", "DETNAM": "CCD4", "FILTER": "Thin1"}
    pha = formats.read(write(tmp_path / "s.pha", spectrum(**said)))
    assert [pha.attrs[key] for key in ("telescope", "instrument", "detector", "filter")] == list(said.values())


def test_a_correction_file_is_kept_with_its_scale(tmp_path):
    pha = formats.read(write(tmp_path / "s.pha", spectrum(CORRFILE="corr.pha", CORRSCAL=0.25)))
    assert (pha.attrs["correction_file"], pha.attrs["correction_scale"]) == ("corr.pha", 0.25)
    again = formats.read(formats.write(pha, tmp_path / "t.pha"))
    assert again.attrs["correction_file"] == "corr.pha"


def test_columns_are_native_and_compressed_files_are_read(tmp_path):
    path = write(tmp_path / "s.pha", spectrum())
    packed = tmp_path / "s.pha.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    plain, unpacked = formats.read(path), formats.read(packed)
    assert unpacked.counts.identical(plain.counts)
    assert all(v.dtype.isnative for v in plain.variables.values())


def test_the_last_channel_of_resolve_is_an_overflow_that_a_band_leaves_out(oracle):
    resolve = formats.read(oracle / "xray/xrism_perseus/xa_merged_p0px1000_Hp.pi")
    assert int(resolve.channel[-1]) == 59999 and resolve.attrs["detchans"] == 60000
    assert int(resolve.counts[-1]) == 231 and int(resolve.counts[50000:-1].sum()) == 132
    kev = {"units": "keV", "long_name": "Energy"}
    edges = np.arange(60001) * 5e-4
    bounds = (
        resolve[["counts"]]
        .drop_vars("counts")
        .assign(e_min=("channel", edges[:-1], kev), e_max=("channel", edges[1:], kev))
    )
    bins = xray.channel_bins(resolve, grouping=None, band=(2, 10), rmf=bounds)
    assert int(bins[-1]) == -1 and int((bins >= 0).sum()) == 16000


# ---------------------------------------------------------------------------------------- responses


@pytest.mark.parametrize("unit", ["Angstrom", "angstroms", "nm"])
def test_energies_in_wavelengths_become_energies(tmp_path, unit):
    lam = np.array([2.0, 4.0, 8.0, 16.0])  # ENERG_LO the shorter: the higher energy
    by = (1 * u.AA).to_value("nm" if unit == "nm" else "AA")
    hdu = area(lam[:-1] * by, lam[1:] * by, [1.0, 2.0, 3.0], unit)
    arf = formats.read(write(tmp_path / "a.arf", hdu))
    np.testing.assert_allclose(arf.energy_low, HC / lam[:0:-1], rtol=1e-12)
    np.testing.assert_allclose(arf.energy_high, HC / lam[-2::-1], rtol=1e-12)
    assert arf.effective_area.values.tolist() == [3.0, 2.0, 1.0]  # the area went along
    assert "swapped" in arf.attrs["history"] and "from high to low" in arf.attrs["history"]


def test_wavelengths_of_channels_become_energies(tmp_path):
    matrix, bounds = response([0, 1, 2], [2, 2, 2], ROWS)
    bounds.columns["E_MIN"].unit = bounds.columns["E_MAX"].unit = "Angstrom"
    bounds.header["TUNIT2"] = bounds.header["TUNIT3"] = "Angstrom"
    bounds.data["E_MIN"], bounds.data["E_MAX"] = np.arange(2.0, 8.0), np.arange(3.0, 9.0)
    rmf = formats.read(write(tmp_path / "a.rmf", matrix, bounds))
    np.testing.assert_allclose(rmf.e_min, HC / np.arange(3.0, 9.0), rtol=1e-6)
    assert (rmf.e_min < rmf.e_max).all()


def test_an_energy_in_seconds_is_refused(tmp_path):
    with pytest.raises(WrongData, match="'s'"):
        formats.read(write(tmp_path / "a.arf", area([1.0], [2.0], [3.0], "s")))


def test_bins_from_high_to_low_are_put_in_order_with_their_area_and_matrix(tmp_path):
    """Gratings: bins of growing wavelength. The response of each energy must stay its own."""
    rising = response([0, 1, 2], [2, 3, 2], [[0.75, 0.25], [0.5, 0.25, 0.25], [0.9, 0.1]])
    falling = response([2, 1, 0], [2, 3, 2], [[0.9, 0.1], [0.5, 0.25, 0.25], [0.75, 0.25]])
    for name in ("ENERG_LO", "ENERG_HI"):
        falling[0].data[name] = rising[0].data[name][::-1].copy()
    one = formats.read(write(tmp_path / "a.rmf", *rising))
    two = formats.read(write(tmp_path / "b.rmf", *falling))
    np.testing.assert_array_equal(dense(one), dense(two))
    assert one.energy_low.equals(two.energy_low) and one.energy_index.equals(two.energy_index)
    up = formats.read(write(tmp_path / "a.arf", area([0.0, 1, 2], [1.0, 2, 3], [5.0, 6, 7])))
    down = formats.read(write(tmp_path / "b.arf", area([2.0, 1, 0], [3.0, 2, 1], [7.0, 6, 5])))
    assert up.effective_area.equals(down.effective_area)
    assert xray.response(one, arf=up).matrix.equals(xray.response(two, arf=down).matrix)


def test_channels_from_last_to_first_and_falling_energies_keep_their_numbers(tmp_path):
    matrix, bounds = response([0, 1, 2], [2, 2, 2], ROWS)
    straight = formats.read(write(tmp_path / "a.rmf", matrix, bounds))
    for name in ("CHANNEL", "E_MIN", "E_MAX"):
        bounds.data[name] = bounds.data[name][::-1].copy()
    turned = formats.read(write(tmp_path / "b.rmf", matrix, bounds))
    assert turned.e_min.equals(straight.e_min) and turned.channel.equals(straight.channel)
    bounds.data["CHANNEL"] = bounds.data["CHANNEL"][::-1].copy()  # channel 0 now has the highest energy
    falling = formats.read(write(tmp_path / "c.rmf", matrix, bounds))
    assert falling.channel.values.tolist() == [0, 1, 2, 3, 4, 5] and falling.e_min.values.tolist() == [5, 4, 3, 2, 1, 0]


def test_edges_that_stand_in_each_others_column_are_swapped_and_mixed_ones_refused(tmp_path):
    swapped = formats.read(write(tmp_path / "a.arf", area([1.0, 2.0], [0.5, 1.0], [3.0, 4.0])))
    assert swapped.energy_low.values.tolist() == [0.5, 1.0] and "swapped" in swapped.attrs["history"]
    with pytest.raises(CorruptFile, match="wrong way round"):
        formats.read(write(tmp_path / "b.arf", area([0.5, 2.0], [1.0, 1.0], [3.0, 4.0])))
    with pytest.raises(CorruptFile, match="wrong way round"):
        formats.read(write(tmp_path / "c.arf", area([0.5, np.nan], [1.0, 1.0], [3.0, 4.0])))


def test_a_first_bin_from_0_keV_is_kept_and_folds_to_finite_rates(tmp_path):
    rmf = formats.read(write(tmp_path / "a.rmf", *response([0, 1, 2], [2, 2, 2], ROWS)))
    assert float(rmf.energy_low[0]) == 0.0 and "0 keV" in rmf.attrs["history"]
    arf = formats.read(write(tmp_path / "a.arf", area([0.0, 1, 2], [1.0, 2, 3], [5.0, 6, 7])))
    made = xray.response(rmf, arf=arf)
    flux = xray.power_law(made.energy_low, made.energy_high, photon_index=2.0, norm=1.0)
    assert np.isfinite(xray.folded(flux, rmf=made)).all() and float(made.energy_low[0]) == pytest.approx(0.01)


@pytest.mark.parametrize("form", ["PE", "QE", "PD", "QD", "PI", "2E"])
def test_elements_of_any_length_and_type_give_the_same_response(tmp_path, form):
    whole = [[1, 2], [3, 4], [5, 6]]  # whole numbers, so that integers hold them
    matrix, bounds = response([0, 1, 2], [2, 2, 2], whole)
    names = [c for c in matrix.columns if c.name != "MATRIX"]
    held = np.array(whole, "f4") if form == "2E" else np.empty(3, object)
    if form != "2E":
        held[:] = [np.array(row, {"E": "f4", "D": "f8", "I": "i2"}[form[1]]) for row in whole]
    made = astropy_fits.BinTableHDU.from_columns(
        [*names, astropy_fits.Column("MATRIX", form, array=held)], name="MATRIX"
    )
    made.header["TLMIN4"] = 0
    rmf = formats.read(write(tmp_path / "a.rmf", made, bounds))
    expected = np.zeros((3, 6))
    for k in range(3):
        expected[k, k : k + 2] = whole[k]
    np.testing.assert_array_equal(dense(rmf), expected)
    assert rmf.matrix.dtype.isnative


def test_an_arf_of_type_two_is_refused_by_name(tmp_path):
    columns = [
        astropy_fits.Column(name, "3E", unit, array=np.ones((2, 3)))
        for name, unit in (("ENERG_LO", "keV"), ("ENERG_HI", "keV"), ("SPECRESP", "cm**2"))
    ]
    with pytest.raises(UnknownFormat, match="type II: 2 effective areas"):
        formats.read(write(tmp_path / "a.arf", astropy_fits.BinTableHDU.from_columns(columns, name="SPECRESP")))


def test_the_order_of_extensions_does_not_matter(tmp_path):
    matrix, bounds = response([0, 1, 2], [2, 2, 2], ROWS)
    one = formats.read(write(tmp_path / "a.rmf", matrix, bounds))
    two = formats.read(write(tmp_path / "b.rmf", bounds, matrix))
    np.testing.assert_array_equal(dense(one), dense(two))

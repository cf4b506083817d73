"""HEALPix maps and tables of power spectra: WMAP's, Planck's, and written ones in every ordering."""

import numpy as np
import pytest
import xdggs
from astropy.io import fits as astropy_fits
from ducc0.healpix import Healpix_Base
from hypothesis import given
from hypothesis import strategies as st

from analysis import formats, sample
from analysis.errors import AnalysisWarning, BadOption, CorruptFile, UnknownFormat
from analysis.formats import fits
from analysis.formats._rings import nested_of_ring
from analysis.model import check

WMAP = {"units": "mK", "frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}
UNSEEN = -1.6375e30


def sky_map(columns, *, nside=4, units="uK_CMB", form="E", **keywords):
    """Return columns (name: values) as a HEALPix table that states everything; a keyword None is left out."""
    made = [astropy_fits.Column(n, form, units if v.dtype.kind == "f" else None, array=v) for n, v in columns.items()]
    hdu = astropy_fits.BinTableHDU.from_columns(made)
    stated = {"PIXTYPE": "HEALPIX", "NSIDE": nside, "ORDERING": "RING", "COORDSYS": "G", "POLCCONV": "COSMO"}
    hdu.header.update({k: v for k, v in (stated | keywords).items() if v is not None})
    return hdu


def written(path, *hdus):
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def ramp(nside=4):
    return np.arange(12 * nside**2, dtype=np.float32)


# ------------------------------------------------------------------------------------------ maps


def test_the_wmap_w_band_has_its_standard_deviations():
    data = formats.read(sample.path("wmap7_w_iqu_nside32.fits"), assume=WMAP)
    assert data.sky.dims == ("stokes", "cells") and data.stokes.values.tolist() == ["I", "Q", "U"]
    np.testing.assert_allclose(data.sky.std("cells"), [0.2456, 0.00939, 0.00927], atol=6e-5)
    assert data.sky.attrs["units"] == "mK" and data.attrs["nside"] == 32
    assert {k: data.attrs[k] for k in ("frame", "polconv", "temperature_scale")} == {
        k: WMAP[k] for k in ("frame", "polconv", "temperature_scale")
    }
    assert data.sky.dtype == np.float32 and data.sky.dtype.isnative and "mask" not in data


def test_xdggs_decodes_the_cells_and_puts_them_where_healpix_does():
    data = formats.read(sample.path("wmap7_w_iqu_nside32.fits"), assume=WMAP)
    centres = xdggs.decode(data).dggs.cell_centers()
    angles = Healpix_Base(32, "NEST").pix2ang(data.cell_ids.values)
    assert np.abs(90 - np.degrees(angles[:, 0]) - centres.latitude.values).max() < 1e-10
    turn = (np.degrees(angles[:, 1]) - centres.longitude.values + 180) % 360 - 180
    assert np.abs(turn).max() < 1e-10


def test_a_map_that_states_nothing_is_guessed_in_one_warning():
    with pytest.warns(AnalysisWarning) as said:
        data = formats.read(sample.path("wmap7_v_iqu_nside32.fits"))
    assert len(said) == 1
    for guess in ("units = '1'", "frame = 'galactic'", "polconv = 'COSMO'"):
        assert guess in str(said[0].message) and f"{guess} guessed" in data.attrs["history"]


def test_the_galaxy_is_at_the_equator_of_a_galactic_map():
    data = formats.read(sample.path("wmap7_w_iqu_nside32.fits"), assume=WMAP)
    latitude = 90 - np.degrees(Healpix_Base(32, "NEST").pix2ang(data.cell_ids.values)[:, 0])
    bright = data.sky.sel(stokes="I").values > 1.0
    assert bright.any() and np.abs(latitude[bright]).max() < 20


def test_a_file_of_zeros_and_ones_is_a_mask_that_hides_the_galaxy():
    with pytest.warns(AnalysisWarning, match=r"content = 'mask', frame"):
        mask = formats.read(sample.path("wmap7_temperature_mask_nside32.fits"))
    assert list(mask.data_vars) == ["mask"] and mask.mask.dtype == bool
    latitude = np.abs(90 - np.degrees(Healpix_Base(32, "NEST").pix2ang(mask.cell_ids.values)[:, 0]))
    assert mask.mask.values[latitude < 2].mean() < 0.1 and mask.mask.values[latitude > 40].mean() > 0.7
    sky = formats.read(sample.path("wmap7_temperature_mask_nside32.fits"), assume={**WMAP, "content": "sky"})
    np.testing.assert_array_equal(sky.sky.sel(stokes="I"), mask.mask)


def test_an_apodized_mask_is_weights(tmp_path):
    weights = np.linspace(0, 1, 192, dtype=np.float32)
    path = written(tmp_path / "m.fits", sky_map({"T": weights}))
    mask = fits.read(path, {"content": "mask"}).mask
    assert mask.dtype == np.float32 and float(mask.sum()) == pytest.approx(float(weights.sum()))
    with pytest.raises(CorruptFile, match="outside 0"):
        fits.read(written(tmp_path / "n.fits", sky_map({"T": weights * 2})), {"content": "mask"})


def test_the_masks_of_the_file_of_the_namaster_benchmark_are_read(oracle):
    facts = {"frame": "galactic", "content": "mask"}
    assert formats.read(oracle / "cmb/namaster/msk.fits", assume=facts).mask.dtype == np.float32
    sky = formats.read(oracle / "cmb/namaster/mps.fits", assume=WMAP)
    assert dict(sky.sizes) == {"cells": 49152, "stokes": 3}


@pytest.mark.parametrize("nside", [1, 2, 8, 64])
def test_ring_order_becomes_nested_order(nside):
    ring = np.arange(12 * nside**2)
    out = np.empty((2, ring.size), ring.dtype)
    nested_of_ring([ring, -ring], nside, out)
    np.testing.assert_array_equal(out[0], Healpix_Base(nside, "RING").nest2ring(ring))
    np.testing.assert_array_equal(out[1], -out[0])


@pytest.mark.parametrize("form", ["E", "192E", "64D"])
def test_both_orders_give_the_same_map(tmp_path, form):
    base, ring = Healpix_Base(4, "RING"), ramp()
    nested = ring[base.nest2ring(np.arange(192))]
    width = int(form[:-1] or 1)
    read = []
    for k, (order, values) in enumerate({"RING": ring, "NESTED": nested}.items()):
        hdu = sky_map({"TEMPERATURE": values.reshape(-1, width) if width > 1 else values}, form=form, ORDERING=order)
        read.append(fits.read(written(tmp_path / f"{k}.fits", hdu), {}))
    np.testing.assert_array_equal(read[0].sky, read[1].sky)
    assert read[0].stokes.values.tolist() == ["I"] and read[0].attrs["polconv"] == "COSMO"


@given(st.sets(st.integers(0, 191), min_size=1, max_size=60), st.sampled_from(["RING", "NESTED"]), st.randoms())
@pytest.mark.slow
def test_a_partial_map_lands_on_the_same_cells_as_the_whole(tmp_path_factory, cells, order, random):
    pixels = np.array(random.sample(sorted(cells), len(cells)))
    columns = {"PIXEL": pixels.astype(np.int32), "SIGNAL": pixels.astype(np.float32) + 2}
    made = [
        astropy_fits.Column("PIXEL", "J", array=columns["PIXEL"]),
        astropy_fits.Column("TEMPERATURE", "E", "K_CMB", array=columns["SIGNAL"]),
    ]
    hdu = astropy_fits.BinTableHDU.from_columns(made)
    hdu.header.update(PIXTYPE="HEALPIX", NSIDE=4, ORDERING=order, INDXSCHM="EXPLICIT", COORDSYS="C")
    data = fits.read(written(tmp_path_factory.mktemp("p") / "p.fits", hdu), {})
    ids = data.cell_ids.values
    assert (np.diff(ids) > 0).all() and data.attrs["frame"] == "icrs"
    where = Healpix_Base(4, "RING").nest2ring(ids) if order == "RING" else ids
    np.testing.assert_array_equal(data.sky.sel(stokes="I"), where + 2)
    assert check(data) is data


@pytest.mark.parametrize("bad", [UNSEEN, np.nan, np.inf, -99.0])
def test_cells_without_data_are_nan_and_masked(tmp_path, bad):
    values = {f"{s}_STOKES": ramp() for s in "IQU"}
    values["Q_STOKES"] = np.where(ramp() == 7, np.float32(bad), ramp())
    keywords = {"BAD_DATA": bad} if bad == -99.0 else {}
    data = fits.read(written(tmp_path / "m.fits", sky_map(values, **keywords)), {})
    gone = Healpix_Base(4, "RING").ring2nest(np.array([7]))[0]
    assert np.flatnonzero(np.isnan(data.sky.sel(stokes="Q"))).tolist() == [gone]
    assert not np.isnan(data.sky.sel(stokes="I")).any()
    assert np.flatnonzero(~data.mask).tolist() == [gone] and data.mask.dtype == bool


def test_further_columns_are_maps_of_their_own(tmp_path):
    columns = {"I_STOKES": ramp(), "N_OBS": ramp() + 1, "II_COV": ramp() * 2}
    data = fits.read(written(tmp_path / "m.fits", sky_map(columns)), {})
    assert set(data.data_vars) == {"sky", "n_obs", "ii_cov"}
    order = Healpix_Base(4, "RING").nest2ring(np.arange(192))
    np.testing.assert_array_equal(data.n_obs, ramp()[order] + 1)


@pytest.mark.parametrize(
    ("units", "scale", "told"),
    [
        ("uK_CMB", "K_CMB", "uK"),
        ("K_RJ", "K_RJ", "K"),
        ("MJy/sr", "intensity", "MJy/sr"),
        ("mK,thermodynamic", "K_CMB", "mK"),
    ],
)
def test_the_units_tell_the_temperature_scale(tmp_path, units, scale, told):
    data = fits.read(written(tmp_path / "m.fits", sky_map({"TEMPERATURE": ramp()}, units=units)), {})
    assert (data.attrs["temperature_scale"], data.sky.attrs["units"]) == (scale, told)


@pytest.mark.parametrize(
    ("word", "frame"), [("G", "galactic"), ("C", "icrs"), ("EQUATORIAL", "icrs"), ("E", "ecliptic")]
)
def test_the_frame_is_read_from_coordsys(tmp_path, word, frame):
    path = written(tmp_path / "m.fits", sky_map({"TEMPERATURE": ramp()}, COORDSYS=word))
    assert fits.read(path, {}).attrs["frame"] == frame


@pytest.mark.parametrize(
    "fact",
    [
        {"units": "mK"},
        {"frame": "icrs"},
        {"polconv": "IAU"},
        {"ordering": "NESTED"},
        {"temperature_scale": "K_RJ"},
    ],
)
def test_facts_that_contradict_the_header_are_refused(tmp_path, fact):
    path = written(tmp_path / "m.fits", sky_map({"TEMPERATURE": ramp()}))
    with pytest.raises(BadOption, match="contradicts"):
        fits.read(path, fact)


@pytest.mark.parametrize(
    ("fact", "says"),
    [
        ({"colour": "red"}, "units, frame, polconv"),
        ({"polconv": "WMAP"}, "COSMO"),
        ({"ordering": "SPIRAL"}, "RING"),
        ({"content": "beam"}, "mask"),
        ({"temperature_scale": "hot"}, "K_CMB"),
        ({"units": "furlong?"}, "astropy"),
    ],
)
def test_facts_that_mean_nothing_are_refused(tmp_path, fact, says):
    hdu = sky_map({"TEMPERATURE": ramp()}, units="", COORDSYS=None, POLCCONV=None, ORDERING=None)
    with pytest.raises(BadOption, match=says):
        fits.read(written(tmp_path / "m.fits", hdu), fact)


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"NSIDE": 8}, "192 pixels"),
        ({"NSIDE": 3}, "power of two"),
        ({"FIRSTPIX": 0, "LASTPIX": 100}, "192 pixels"),
        ({"FIRSTPIX": 5, "LASTPIX": 400}, "do not fit"),
    ],
)
def test_pixels_that_do_not_fit_nside_are_refused(tmp_path, keywords, says):
    path = written(tmp_path / "m.fits", sky_map({"TEMPERATURE": ramp()}, **keywords))
    with pytest.raises(CorruptFile, match=says):
        fits.read(path, {})


def test_a_pixel_stored_twice_is_refused(tmp_path):
    hdu = sky_map({"PIXEL": np.array([3, 3], np.int32), "TEMPERATURE": np.ones(2, np.float32)}, form="E")
    with pytest.raises(CorruptFile, match="twice"):
        fits.read(written(tmp_path / "m.fits", hdu), {})


def test_a_cut_map_is_never_read_in_part(tmp_path):
    raw = sample.path("wmap7_w_iqu_nside32.fits").read_bytes()
    path = tmp_path / "cut.fits"
    for size in (5000, 8000, len(raw) - 2880):
        path.write_bytes(raw[:size])
        with pytest.raises(CorruptFile, match=r"cut\.fits"):
            fits.read(path, WMAP)


@pytest.mark.parametrize("name", ["PIXEL", "hpix", "PIXEL_INDEX", "INDEX", "CELL", "PixNum", "HPXPIXEL"])
def test_pixel_numbers_are_found_under_every_name_in_use(tmp_path, name):
    pixels = np.array([70, 3, 150], np.int32)
    hdu = sky_map({name: pixels, "TEMPERATURE": pixels.astype(np.float32)}, ORDERING="NESTED", INDXSCHM="EXPLICIT")
    data = fits.read(written(tmp_path / "m.fits", hdu), {})
    assert data.cell_ids.values.tolist() == [3, 70, 150] and data.sky.values.tolist() == [[3, 70, 150]]


def test_pixel_numbers_under_an_unknown_name_are_refused_not_read_in_row_order(tmp_path):
    hdu = sky_map({"WHERE": ramp(), "TEMPERATURE": ramp()}, INDXSCHM="EXPLICIT")
    with pytest.raises(UnknownFormat, match=r"EXPLICIT.*where, temperature"):
        fits.read(written(tmp_path / "m.fits", hdu), {})


def test_a_map_called_index_is_a_map_where_pixels_are_implicit(tmp_path):
    data = fits.read(written(tmp_path / "m.fits", sky_map({"INDEX": ramp() / 100}, INDXSCHM="IMPLICIT")), {})
    assert data["index"].dims == ("cells",) and data.sizes["cells"] == 192


@pytest.mark.parametrize(
    "keywords", [{"ORDERING": "NUNIQ"}, {"ORDERING": "NUNIQ", "NSIDE": None}, {"NSIDE": None, "MOCORDER": 5}]
)
def test_a_multi_order_map_is_known_by_its_keywords(tmp_path, keywords):
    hdu = sky_map({"UNIQ": np.arange(4, 9, dtype=np.int32), "PROBDENSITY": np.ones(5, np.float32)}, **keywords)
    data = fits.read(written(tmp_path / "m.fits", hdu), {})
    assert data.level.values.tolist() == [0] * 5 and "cell_ids" not in data.coords


def test_a_misspelt_ordering_is_never_taken_as_ring(tmp_path):
    path = written(tmp_path / "m.fits", sky_map({"TEMPERATURE": ramp()}, ORDERING="NESTD"))
    with pytest.raises(CorruptFile, match="NESTD"):
        fits.read(path, {})
    np.testing.assert_array_equal(fits.read(path, {"ordering": "NESTED"}).sky[0], ramp())


@pytest.mark.parametrize("word", ["GEO", "EARTH", "CUSTOM", "FK4", "B1950", "L"])
def test_a_frame_that_is_not_known_is_refused_unless_the_caller_knows(tmp_path, word):
    path = written(tmp_path / "m.fits", sky_map({"TEMPERATURE": ramp()}, COORDSYS=word))
    with pytest.raises(UnknownFormat, match=f"COORDSYS = '{word}'"):
        fits.read(path, {})
    data = fits.read(path, {"frame": "icrs"})
    assert data.attrs["frame"] == "icrs" and word in data.attrs["history"]


@pytest.mark.parametrize(("name", "units"), [("TEMPERATURE", "K"), ("HITS", "count"), ("HITS", ""), ("I_STOKES", "mK")])
def test_a_measurement_of_zeros_and_ones_is_no_mask(tmp_path, name, units):
    path = written(tmp_path / "m.fits", sky_map({name: ramp() % 2}, units=units))
    data = fits.read(path, {"temperature_scale": "K_CMB"})
    assert "mask" not in data and ("sky" in data or "hits" in data)


def test_zeros_and_ones_named_mask_are_one_without_a_guess(tmp_path):
    assert fits.read(written(tmp_path / "m.fits", sky_map({"GAL_MASK": ramp() % 2})), {}).mask.dtype == bool


def polarized(**keywords):
    return sky_map({"TEMPERATURE": ramp(), "Q_POLARISATION": ramp(), "U_POLARISATION": ramp()}, **keywords)


@pytest.mark.parametrize("key", ["POLCCONV", "POLCONV"])
def test_a_convention_in_the_primary_header_is_read(tmp_path, key):
    primary = astropy_fits.PrimaryHDU()
    primary.header[key] = "IAU"
    path = tmp_path / "iau.fits"
    astropy_fits.HDUList([primary, polarized(POLCCONV=None)]).writeto(path)
    assert formats.read(path).attrs["polconv"] == "IAU"


def test_the_convention_of_the_table_counts_before_that_of_the_primary_header(tmp_path):
    primary = astropy_fits.PrimaryHDU()
    primary.header["POLCCONV"] = "IAU"
    path = tmp_path / "cosmo.fits"
    astropy_fits.HDUList([primary, polarized()]).writeto(path)
    assert formats.read(path).attrs["polconv"] == "COSMO"


def test_an_unknown_word_for_the_convention_is_refused_until_the_caller_says_it(tmp_path):
    path = written(tmp_path / "odd.fits", polarized(POLCCONV="HEALPIX"))
    with pytest.raises(UnknownFormat, match=r"'HEALPIX' is neither.*assume="):
        formats.read(path)
    data = formats.read(path, assume={"polconv": "iau"})
    assert data.attrs["polconv"] == "IAU" and "HEALPIX" in data.attrs["history"]


def test_a_full_sky_of_another_nside_is_refused(tmp_path):
    table = sky_map({"TEMPERATURE": ramp()}, nside=8, FIRSTPIX=0, LASTPIX=191, OBJECT="FULLSKY")
    with pytest.raises(CorruptFile, match=r"192 pixels.*768"):
        formats.read(written(tmp_path / "short.fits", table))


# ---------------------------------------------------------------------------------- power spectra


def spectra_file(path, **rows):
    columns = [astropy_fits.Column(name, "D", "uK^2", array=np.array(row)) for name, row in rows.items()]
    return written(path, astropy_fits.BinTableHDU.from_columns(columns, name="POWER SPECTRUM"))


def test_an_ee_column_that_holds_te_is_warned_of(tmp_path):
    te = [0.0, 0.0, 2.7, 1.5, -0.4, -1.0, -0.3]
    with pytest.warns(AnalysisWarning, match="EE is below zero at 3 of 5 multipoles"):
        formats.read(spectra_file(tmp_path / "ee.fits", EE=te), assume={"temperature_scale": "K_CMB"})


def test_a_te_column_may_be_negative_and_ee_once_in_a_while(tmp_path, recwarn):
    rows = {"EE": [0.0, 0.0, 1.0, 2.0, -0.1, 3.0, 2.0], "TE": [0.0, 0.0, 2.7, -1.5, -0.4, -1.0, -0.3]}
    formats.read(spectra_file(tmp_path / "both.fits", **rows), assume={"temperature_scale": "K_CMB"})
    assert not [w for w in recwarn if "below zero" in str(w.message)]


def test_a_column_of_multipoles_numbers_the_rows(tmp_path):
    ell = [2, 3, 5, 9]
    columns = [
        astropy_fits.Column("ELL", "J", array=ell),
        astropy_fits.Column("TT", "D", "uK^2", array=np.array(ell) * 10.0),
    ]
    path = written(tmp_path / "cl.fits", astropy_fits.BinTableHDU.from_columns(columns, name="POWER SPECTRUM"))
    data = fits.read(path, {"temperature_scale": "K_CMB"})
    assert data.ell.values.tolist() == ell and float(data.cl.sel(spectrum="TT", ell=9)) == 90
    columns[0] = astropy_fits.Column("ELL", "J", array=[2, 2, 5, 9])
    bad = astropy_fits.BinTableHDU.from_columns(columns, name="POWER SPECTRUM")
    with pytest.raises(CorruptFile, match="ELL"):
        fits.read(written(tmp_path / "bad.fits", bad), {})


def test_the_planck_spectra_peak_where_planck_saw_it():
    data = formats.read(sample.path("planck2018_lcdm_cl.fits"))
    assert data.spectrum.values.tolist() == ["TT", "EE", "BB", "TE"] and data.cl.attrs["units"] == "uK2"
    assert "C_ℓ" in data.cl.attrs["long_name"]
    ell = data.ell.values
    d_ell = ell * (ell + 1) * data.cl.sel(spectrum="TT").values / (2 * np.pi)
    peak = int(ell[100:400][d_ell[100:400].argmax()])
    assert peak == pytest.approx(220.6, abs=1.0)  # Planck 2018 results I, table 2
    assert d_ell.max() == pytest.approx(5733, rel=0.01)


def test_the_fortran_columns_c_t_and_c_g_are_tb_and_eb(tmp_path):
    names = ["TEMPERATURE", "GRADIENT", "CURL", "G-T", "C-T", "C-G"]
    columns = [astropy_fits.Column(n, "E15.7", "^2", array=np.full(5, k + 1.0)) for k, n in enumerate(names)]
    hdu = astropy_fits.TableHDU.from_columns(columns, name="ANALYSED AUTO POWER SPECTRUM")
    hdu.header["MAX-LPOL"] = 4
    path = written(tmp_path / "cl.fits", hdu)
    data = fits.read(path, {"units": "mK2", "temperature_scale": "K_CMB"})
    assert data.spectrum.values.tolist() == ["TT", "EE", "BB", "TE", "TB", "EB"]
    assert data.cl.sel(spectrum="TB", ell=3) == 5 and data.cl.sel(spectrum="EB", ell=0) == 6
    assert data.cl.attrs["units"] == "mK2" and data.attrs["temperature_scale"] == "K_CMB"
    with pytest.warns(AnalysisWarning, match="units"):
        fits.read(path, {})


def test_rows_that_do_not_fit_the_highest_multipole_are_refused(tmp_path):
    columns = [astropy_fits.Column("TEMPERATURE", "D", "K^2", array=np.ones(5))]
    hdu = astropy_fits.BinTableHDU.from_columns(columns, name="POWER SPECTRUM")
    hdu.header["MAX-LPOL"] = 9
    with pytest.raises(CorruptFile, match="MAX-LPOL"):
        fits.read(written(tmp_path / "cl.fits", hdu), {})


def test_the_litebird_tensor_spectra_are_read(oracle):
    data = formats.read(oracle / "cmb/Cls_Planck2018_for_PTEP_2020_tensor_r1.fits", assume={"units": "uK2"})
    assert dict(data.sizes) == {"spectrum": 4, "ell": 4001}
    bb = data.cl.sel(spectrum="BB")
    assert bool((bb[2:500] > 0).all())
    assert int((bb * data.ell * (data.ell + 1))[20:200].argmax("ell")) + 20 == pytest.approx(90, abs=15)

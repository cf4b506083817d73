"""Power spectra: against the Fortran HEALPix, against theorems, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import cmb
from analysis.cmb.harmonics import spectrum_of
from analysis.errors import AnalysisWarning, BadOption, MissingUnits, WrongData, WrongFrame, WrongUnits
from analysis.model import check, provenance_of

DATA = Path(__file__).parents[1] / "data"
COLUMNS = ["TT", "EE", "BB", "TE", "TB", "EB"]  # of anafast: C-T is TB, C-G is EB


def fortran(name):
    from astropy.io import fits

    with fits.open(DATA / f"fortran_wmap7_{name}.fits") as file:
        return dict(zip(COLUMNS, (np.asarray(file[1].data[c], float) for c in file[1].columns.names), strict=False))


def assert_is_fortran(cl, name, labels):
    reference = fortran(name)
    for label in labels:
        wanted = reference[label]
        assert np.abs(cl.cl.sel(spectrum=label).values - wanted).max() <= 1.1e-7 * np.abs(wanted).max(), label


# ------------------------------------------------------------------------------------ the Fortran HEALPix


def test_masked_spectra_of_the_w_band_are_those_of_anafast(w_band, wmap_mask):
    cl = cmb.power_spectra(w_band, mask=wmap_mask, lmax=64)
    assert_is_fortran(cl, "w_iqu", COLUMNS)
    assert_is_fortran(cl, "w_ii", ["TT"])
    assert cl.attrs["sky_fraction"] == pytest.approx(7602 / 12288)


def test_the_cross_spectrum_of_v_and_w_is_that_of_anafast(w_band, v_band, wmap_mask):
    assert_is_fortran(cmb.power_spectra(w_band, v_band, mask=wmap_mask, lmax=64), "wxv_ii", ["TT"])


def test_the_spectrum_without_a_mask_is_that_of_anafast(w_band):
    assert_is_fortran(cmb.power_spectra(w_band, lmax=64), "w_ii_nomask", ["TT"])


def test_the_column_called_c_t_is_tb_and_not_eb(w_band, wmap_mask):
    cl = cmb.power_spectra(w_band, mask=wmap_mask, lmax=64).cl
    swapped = np.abs(cl.sel(spectrum="EB").values - fortran("w_iqu")["TB"]).max()
    assert swapped > 0.1 * np.abs(fortran("w_iqu")["TB"]).max()


# ------------------------------------------------------------------------------------------------ theorems


def test_a_constant_map_has_only_a_monopole_and_that_is_removed(make):
    sky = make.sky(np.concatenate([np.full((1, 3072), 5.0), np.zeros((2, 3072))]))
    assert float(np.abs(cmb.power_spectra(sky, lmax=32).cl).max()) < 1e-25


def test_the_monopole_under_a_mask_does_not_change_the_spectra(make):
    sky = make.from_alm(16, 32, t=make.alm(32, seed=1)[0])
    mask = cmb.galactic_mask(16, latitude=20)
    lifted = sky.copy(deep=True)
    lifted.sky.loc[{"stokes": "I"}] += 1000.0
    before, after = (cmb.power_spectra(s, mask=mask).cl for s in (sky, lifted))
    np.testing.assert_allclose(before, after, atol=1e-9 * float(before.max()))


def test_a_synthesized_map_gives_back_its_coefficients_power(make):
    t, e, b = make.alm(32, seed=2, components=3)
    cl = cmb.power_spectra(make.from_alm(32, 32, t=t, e=e, b=b), lmax=32, iterations=8).cl
    alms = {"T": t, "E": e, "B": b}
    for label in COLUMNS:
        wanted = spectrum_of(alms[label[0]], alms[label[1]], lmax=32)
        found = cl.sel(spectrum=label)
        np.testing.assert_allclose(found[2:], wanted[2:], atol=1e-10 * np.abs(wanted).max())


def test_pure_e_modes_give_no_b(make):
    sky = make.from_alm(32, 32, e=make.alm(32, seed=3)[0])
    cl = cmb.power_spectra(sky, lmax=32, iterations=8).cl
    assert float(cl.sel(spectrum="BB").max()) < 1e-10 * float(cl.sel(spectrum="EE").max())
    assert float(np.abs(cl.sel(spectrum="EB")).max()) < 1e-10 * float(cl.sel(spectrum="EE").max())


def test_a_mask_leaks_e_into_b(make):
    sky = make.from_alm(32, 32, e=make.alm(32, seed=3)[0])
    cl = cmb.power_spectra(sky, mask=cmb.galactic_mask(32, latitude=20), lmax=32).cl
    assert float(cl.sel(spectrum="BB").max()) > 1e-3 * float(cl.sel(spectrum="EE").max())


@pytest.mark.parametrize("pair", ["I", "QU"])
def test_power_over_multipoles_is_the_mean_square_of_the_map(make, pair):
    t, e, b = make.alm(32, seed=4, components=3)
    sky = make.from_alm(64, 32, t=t, e=e, b=b)
    cl = cmb.power_spectra(sky, lmax=32, iterations=5).cl
    power = cl.sel(spectrum="TT") if pair == "I" else cl.sel(spectrum="EE") + cl.sel(spectrum="BB")
    total = float(((2 * cl.ell + 1) * power).sum()) / (4 * np.pi)
    square = float((sky.sky.sel(stokes=list(pair)) ** 2).sum("stokes").mean())
    assert total == pytest.approx(square, rel=1e-3)  # the pixel sum is no exact quadrature


@settings(max_examples=examples(10))
@given(factor=st.floats(1e-3, 1e3))
def test_spectra_scale_with_the_square_of_the_map(make, factor):
    sky = make.from_alm(8, 12, t=make.alm(12, seed=5)[0], e=make.alm(12, seed=6)[0])
    one, more = (cmb.power_spectra(s, lmax=12).cl for s in (sky, sky.assign(sky=sky.sky * factor)))
    np.testing.assert_allclose(more, one * factor**2, atol=1e-10 * float(one.max()) * factor**2)


def test_microkelvin_give_spectra_a_million_times_larger(make):
    sky = make.from_alm(8, 12, t=make.alm(12, seed=5)[0])
    micro = sky.assign(sky=(sky.sky * 1000).assign_attrs(units="uK", long_name="Stokes parameters"))
    milli_cl, micro_cl = cmb.power_spectra(sky, lmax=12).cl, cmb.power_spectra(micro, lmax=12).cl
    assert (milli_cl.units, micro_cl.units) == ("mK2", "uK2")
    np.testing.assert_allclose(micro_cl, milli_cl * 1e6, atol=1e-10 * float(micro_cl.max()))


def test_the_iau_convention_flips_eb_and_tb_only(make):
    t, e, b = make.alm(24, seed=7, components=3)
    sky = make.from_alm(16, 24, t=t, e=e, b=b)
    cosmo, iau = (cmb.power_spectra(s, lmax=24) for s in (sky, cmb.to_polconv(sky, "IAU")))
    signs = xr.DataArray([1, 1, 1, 1, -1, -1], dims="spectrum", coords={"spectrum": cosmo.spectrum})
    np.testing.assert_allclose(iau.cl, cosmo.cl * signs, atol=1e-10)
    assert (cosmo.attrs["polconv"], iau.attrs["polconv"]) == ("COSMO", "IAU")


def test_cross_spectra_do_not_depend_on_the_order_of_the_maps(make):
    first, second = (
        make.from_alm(8, 16, **dict(zip("teb", make.alm(16, seed=s, components=3), strict=True))) for s in (8, 9)
    )
    there, back = cmb.power_spectra(first, second, lmax=16).cl, cmb.power_spectra(second, first, lmax=16).cl
    np.testing.assert_allclose(there, back, atol=1e-12)


def test_the_cross_spectrum_of_a_map_with_itself_is_its_spectrum(make):
    sky = make.from_alm(8, 16, **dict(zip("teb", make.alm(16, seed=10, components=3), strict=True)))
    np.testing.assert_allclose(cmb.power_spectra(sky, sky).cl, cmb.power_spectra(sky).cl, atol=1e-12)


def test_polarization_spectra_of_q_and_u_alone_are_those_of_the_whole_map(w_band):
    whole, part = cmb.power_spectra(w_band), cmb.power_spectra(w_band.sel(stokes=["Q", "U"]))
    assert part.spectrum.values.tolist() == ["EE", "BB", "EB"]
    np.testing.assert_array_equal(part.cl, whole.cl.sel(spectrum=["EE", "BB", "EB"]))
    assert cmb.power_spectra(w_band.sel(stokes="I")).spectrum.values.tolist() == ["TT"]


# ------------------------------------------------------------------------------- forms of input, what is told


@pytest.mark.parametrize("chunks", [{"cells": 1000}, {"stokes": 1}, {"cells": 4096, "stokes": 2}])
def test_spectra_do_not_depend_on_the_chunks_of_the_map(w_band, chunks):
    mask = cmb.galactic_mask(32)
    lazy = cmb.power_spectra(w_band.chunk(chunks), mask=mask, lmax=16)
    np.testing.assert_array_equal(lazy.cl, cmb.power_spectra(w_band, mask=mask, lmax=16).cl)


def test_spectra_do_not_depend_on_the_order_of_cells(w_band):
    order = np.random.default_rng(0).permutation(w_band.sizes["cells"])
    np.testing.assert_array_equal(
        cmb.power_spectra(w_band.isel(cells=order), lmax=16).cl, cmb.power_spectra(w_band, lmax=16).cl
    )


def test_a_map_of_the_kept_cells_alone_has_the_spectra_of_the_masked_map(w_band):
    mask = cmb.galactic_mask(32, latitude=30)
    part = w_band.isel(cells=np.flatnonzero(mask.values))
    np.testing.assert_array_equal(
        cmb.power_spectra(part, mask=mask, lmax=16).cl, cmb.power_spectra(w_band, mask=mask, lmax=16).cl
    )


def test_spectra_keep_the_contract_and_say_that_they_are_pseudo(w_band, v_band):
    cl = check(cmb.power_spectra(w_band, v_band, mask=cmb.galactic_mask(32, latitude=15)))
    assert cl.cl.dims == ("spectrum", "ell")
    assert "Pseudo-C_ℓ" in cl.cl.long_name
    assert "not corrected" in cl.attrs["history"] and "|b| > 15°" in cl.attrs["history"]
    assert len(provenance_of(cl)["inputs"]) == 2
    assert cl.sizes["ell"] == 65


def test_a_synthetic_second_map_makes_the_cross_spectra_synthetic(make, w_band):
    invented = make.sky(np.zeros((3, 12288)), synthetic="true")
    assert cmb.power_spectra(w_band, invented, lmax=8).attrs["synthetic"] == "true"


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("lmax", [96, 1, -3, 2.5, "64", True])
def test_multipoles_that_the_pixels_do_not_hold_are_refused(w_band, lmax):
    with pytest.raises(BadOption, match=r"lmax=.* 2 to 95"):
        cmb.power_spectra(w_band, lmax=lmax)


@pytest.mark.parametrize("iterations", [-1, 1.5, None])
def test_iterations_that_are_no_number_are_refused(w_band, iterations):
    with pytest.raises(BadOption, match="iterations"):
        cmb.power_spectra(w_band, iterations=iterations)


def test_a_mask_of_another_nside_is_refused(w_band):
    with pytest.raises(WrongData, match=r"nside 16.*32"):
        cmb.power_spectra(w_band, mask=cmb.galactic_mask(16))


def test_a_mask_of_another_frame_is_refused(w_band):
    with pytest.raises(WrongFrame, match="equatorial"):
        cmb.power_spectra(w_band, mask=cmb.galactic_mask(32).assign_attrs(frame="equatorial"))


def test_a_mask_that_says_no_frame_is_used_with_a_warning(w_band):
    silent = cmb.galactic_mask(32)
    del silent.attrs["frame"]
    with pytest.warns(AnalysisWarning, match="no frame"):
        cmb.power_spectra(w_band, mask=silent, lmax=4)


def test_a_kept_cell_that_was_not_observed_is_refused_until_it_is_masked(w_band):
    holed = w_band.copy(deep=True)
    holed.sky[{"stokes": 1, "cells": slice(0, 7)}] = np.nan
    with pytest.raises(WrongData, match=r"7 of 12288 kept cells were not observed.*observed_mask"):
        cmb.power_spectra(holed)
    cl = cmb.power_spectra(holed, mask=cmb.observed_mask(holed), lmax=16)
    assert bool(np.isfinite(cl.cl).all())


@pytest.mark.parametrize("value", [2.0, -0.1, np.nan])
def test_weights_outside_0_to_1_are_refused(w_band, value):
    weights = cmb.galactic_mask(32).astype(float)
    weights[0] = value
    with pytest.raises(WrongData, match="0 to 1"):
        cmb.power_spectra(w_band, mask=weights)


def test_a_mask_that_keeps_nothing_is_refused(w_band):
    with pytest.raises(WrongData, match="no cell"):
        cmb.power_spectra(w_band, mask=cmb.galactic_mask(32) & False)


def test_two_maps_in_kelvin_and_millikelvin_are_brought_together(w_band, v_band):
    kelvin = v_band.assign(sky=(v_band.sky / 1000).assign_attrs(v_band.sky.attrs | {"units": "K"}))
    np.testing.assert_allclose(
        cmb.power_spectra(w_band, kelvin, lmax=8).cl, cmb.power_spectra(w_band, v_band, lmax=8).cl, rtol=1e-6
    )


def changed(sky, **facts):
    """Return the map with facts changed wherever they are stated."""
    array = sky.sky.assign_attrs({k: v for k, v in facts.items() if k in sky.sky.attrs})
    return sky.assign(sky=array).assign_attrs({k: v for k, v in facts.items() if k != "units"})


@pytest.mark.parametrize(
    ("facts", "error", "words"),
    [
        ({"units": "Jy"}, WrongUnits, "does not convert"),
        ({"polconv": "IAU"}, WrongFrame, "polconv.*to_polconv"),
        ({"frame": "equatorial"}, WrongFrame, "frame"),
        ({"temperature_scale": "K_RJ"}, WrongUnits, "temperature_scale"),
    ],
)
def test_two_maps_that_cannot_be_compared_are_refused(w_band, v_band, facts, error, words):
    with pytest.raises(error, match=words):
        cmb.power_spectra(w_band, changed(v_band, **facts))


def test_two_maps_of_different_nside_or_stokes_are_refused(w_band, v_band):
    with pytest.raises(WrongData, match="nside 32 and 16"):
        cmb.power_spectra(w_band, cmb.degraded(v_band, 16))
    with pytest.raises(WrongData, match="Stokes"):
        cmb.power_spectra(w_band, v_band.sel(stokes=["I"]))


def test_what_is_no_map_is_refused(make, w_band):
    with pytest.raises(WrongData, match="E and B need Q and U together"):
        cmb.power_spectra(w_band.sel(stokes=["I", "Q"]))
    with pytest.raises(WrongData, match="no variable 'sky'"):
        cmb.power_spectra(cmb.power_spectra(w_band, lmax=4))
    with pytest.raises(WrongData, match="ndarray"):
        cmb.power_spectra(w_band.sky.values)
    bare = make.sky(np.zeros((3, 192)))
    del bare.sky.attrs["units"]
    with pytest.raises(MissingUnits):
        cmb.power_spectra(bare)


def test_polarization_without_its_convention_is_refused(make):
    sky = make.sky(np.zeros((3, 192)))
    del sky.attrs["polconv"]
    with pytest.raises(WrongFrame, match="COSMO"):
        cmb.power_spectra(sky)


# ------------------------------------------------------------------------------------------- D_ell and bins


def test_d_ell_of_the_inverse_of_l_times_l_plus_1_is_flat():
    ell = np.arange(2, 50)
    cl = xr.DataArray(
        2 * np.pi / (ell * (ell + 1)),
        dims="ell",
        coords={"ell": ell},
        name="cl",
        attrs={"units": "uK2", "long_name": "C_ℓ"},
    )
    dl = cmb.d_ell(cl)
    np.testing.assert_allclose(dl, 1)
    assert (dl.name, dl.long_name, dl.units) == ("dl", "D_ℓ", "uK2")


def test_the_first_acoustic_peak_of_planck_2018_is_at_multipole_220():
    theory = cmb.d_ell(cmb.fetch("planck2018_lcdm"))
    peak = theory.dl.sel(spectrum="TT")
    assert int(peak.ell[peak.argmax("ell")]) == pytest.approx(220, abs=2)
    assert float(peak.max()) == pytest.approx(5733, abs=40)  # Planck 2018 I, Table 4: 5733 ± 39 uK2
    check(theory)


def test_d_ell_is_not_made_twice():
    with pytest.raises(WrongData, match="does not say C_ℓ"):
        cmb.d_ell(cmb.d_ell(cmb.fetch("planck2018_lcdm")).dl)


def test_a_bin_is_the_mean_over_its_modes(w_band):
    cl = cmb.power_spectra(w_band, lmax=64)
    bins = check(cmb.binned(cl, width=10))
    assert bins.first_ell.values.tolist() == [2, 12, 22, 32, 42, 52, 62]
    assert bins.last_ell.values.tolist() == [11, 21, 31, 41, 51, 61, 64]
    ell = np.arange(12, 22)
    wanted = np.average(cl.cl.sel(spectrum="EE", ell=ell), weights=2 * ell + 1)
    assert float(bins.cl.sel(spectrum="EE")[1]) == pytest.approx(wanted)
    assert float(bins.ell_effective[1]) == pytest.approx(np.average(ell, weights=2 * ell + 1))


def test_bins_of_one_multipole_are_the_multipoles(w_band):
    cl = cmb.power_spectra(w_band, lmax=20)
    np.testing.assert_array_equal(cmb.binned(cl, width=1).cl, cl.cl.sel(ell=slice(2, None)))


@pytest.mark.parametrize("width", [0, 2.5, "8"])
def test_a_width_that_is_no_number_of_multipoles_is_refused(w_band, width):
    with pytest.raises(BadOption, match="width"):
        cmb.binned(cmb.power_spectra(w_band, lmax=4), width=width)

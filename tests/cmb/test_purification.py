"""Pure B modes: what is left of E in them, NaMaster's, and what is refused."""

import numpy as np
import pytest

from analysis import cmb
from analysis.errors import WrongData


@pytest.mark.slow
def test_pure_spectra_are_those_of_namaster(oracle, make):
    stored = np.load(oracle / "cmb/namaster/namaster_v3_nside128.npz")
    sky, mask = make.sky(make.nested(stored["iqu"].astype(float))), make.mask(stored["mask"])
    options = {"lmax": 256, "mask_lmax": 256, "width": 16, "weighting": "equal", "purify": "B", "decouple": True}
    made = cmb.power_spectra(sky.sel(stokes=["Q", "U"]), mask=mask, **options).cl
    wanted = stored["decoupled_22_pure_b"]
    np.testing.assert_allclose(made.sel(spectrum="EE"), wanted[0], rtol=1e-9)
    np.testing.assert_allclose(made.sel(spectrum="BB"), wanted[3], rtol=2e-8)
    np.testing.assert_allclose(made.sel(spectrum="EB"), wanted[1], atol=2e-7 * np.abs(wanted[1]).max())


@pytest.fixture(scope="module")
def only_e(make):
    planck = cmb.fetch("planck2018_lcdm")
    alm = cmb.random_coefficients(planck.sel(spectrum=["EE"]), lmax=96, seed=5)
    return cmb.synthesized(alm, nside=64).sel(stokes=["Q", "U"])


@pytest.fixture(scope="module")
def soft():
    return cmb.apodized_mask(cmb.galactic_mask(64, latitude=20), scale="12 deg", kind="C2")


@pytest.mark.slow
def test_pure_b_holds_no_e(only_e, soft):
    plain, pure = (cmb.power_spectra(only_e, mask=soft, lmax=96, purify=p).cl for p in ("", "B"))
    leaked, left = (float(cl.sel(spectrum="BB", ell=slice(2, 30)).sum()) for cl in (plain, pure))
    assert left < 1e-5 * leaked
    np.testing.assert_array_equal(plain.sel(spectrum="EE"), pure.sel(spectrum="EE"))


@pytest.mark.slow
def test_zeros_beyond_the_edge_leave_a_little_of_the_leakage(only_e, soft):
    zeroed = only_e.assign(sky=only_e.sky.where(soft > 0, 0))
    plain, pure = (cmb.power_spectra(zeroed, mask=soft, lmax=96, purify=p).cl for p in ("", "B"))
    leaked, left = (float(cl.sel(spectrum="BB", ell=slice(2, 30)).sum()) for cl in (plain, pure))
    assert left < 0.2 * leaked


@pytest.mark.slow
def test_the_power_of_pure_b_is_recovered():
    planck = cmb.fetch("planck2018_lcdm")
    soft = cmb.apodized_mask(cmb.galactic_mask(32, latitude=20), scale="15 deg")
    many = cmb.synthesized(cmb.random_coefficients(planck, lmax=64, seed=6, realizations=40), nside=32)
    options = {"mask": soft, "lmax": 64, "edges": [2, 12, 24, 36, 48, 60], "decouple": True}
    found = {}
    for purify in ("", "B"):
        each = [
            cmb.power_spectra(many.isel(realization=i), purify=purify, **options).cl.sel(spectrum="BB")
            for i in range(40)
        ]
        found[purify] = np.stack(each)
    windows = cmb.bandpower_windows(cmb.coupling_matrix(soft, lmax=64, purify="B"), edges=options["edges"])
    wanted = cmb.expected_bandpowers(planck, windows).cl.sel(spectrum="BB").values
    pull = (found["B"].mean(0) - wanted) / found["B"].std(0) * np.sqrt(40)
    assert np.abs(pull).max() < 4
    assert (found["B"].std(0)[1:4] < found[""].std(0)[1:4]).all()


@pytest.mark.slow
def test_pure_e_and_b_change_places_when_polarization_is_turned_by_45_degrees(only_e, soft):
    turned = only_e.copy(deep=True)
    q, u = only_e.sky.sel(stokes="Q").values, only_e.sky.sel(stokes="U").values
    turned.sky.values[:] = np.stack([-u, q])
    straight = cmb.power_spectra(only_e, mask=soft, lmax=96, purify="EB").cl
    other = cmb.power_spectra(turned, mask=soft, lmax=96, purify="EB").cl
    np.testing.assert_allclose(other.sel(spectrum="BB"), straight.sel(spectrum="EE"), rtol=1e-10)


def test_a_mask_that_jumps_is_refused_with_help(w_band):
    with pytest.raises(WrongData, match=r"jumps from 0 to 1.*apodized_mask"):
        cmb.power_spectra(w_band, mask=cmb.galactic_mask(32), lmax=16, purify="B")
    with pytest.raises(WrongData, match="jumps"):
        cmb.coupling_matrix(cmb.galactic_mask(16), purify="B")


def test_unknown_cells_under_the_mask_are_refused_with_help(w_band):
    soft = cmb.apodized_mask(cmb.galactic_mask(32, latitude=15), scale="15 deg")
    holed = w_band.assign(sky=w_band.sky.where(soft > 0))
    with pytest.raises(WrongData, match=r"cells of Q and U were not observed.*fillna\(0\)"):
        cmb.power_spectra(holed, mask=soft, lmax=16, purify="B")
    filled = holed.assign(sky=holed.sky.fillna(0))
    assert np.isfinite(cmb.power_spectra(filled, mask=soft, lmax=16, purify="B").cl).all()


def test_noise_of_another_purification_is_refused(w_band):
    soft = cmb.apodized_mask(cmb.galactic_mask(32, latitude=15), scale="15 deg")
    noise = cmb.power_spectra(w_band, mask=soft, lmax=32)
    with pytest.raises(WrongData, match="purification changes"):
        cmb.power_spectra(w_band, mask=soft, lmax=32, purify="B", decouple=True, noise=noise)

"""E that a mask counts as B, means over realizations, turned polarization."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check


@pytest.fixture(scope="module")
def theory():
    return cmb.fetch("planck2018_lcdm").sel(ell=slice(0, 31))


@pytest.fixture(scope="module")
def soft():
    return cmb.apodized_mask(cmb.galactic_mask(16, latitude=20), scale="12 deg")


# ------------------------------------------------------------------------------------------------ masked spectra


def test_without_a_mask_nothing_leaks_and_the_theory_comes_back(theory):
    whole = xr.ones_like(cmb.galactic_mask(16), dtype=float)
    made = cmb.masked_spectra(theory, cmb.coupling_matrix(whole, lmax=31))
    check(made)
    known = theory.cl.sel(ell=slice(2, None))
    for label in map(str, known.spectrum.values):
        ours = made.cl.sel(spectrum=label, ell=slice(2, None))
        np.testing.assert_allclose(ours, known.sel(spectrum=label), rtol=1e-4, atol=1e-9)
    assert abs(made.leaked).max() < 1e-4 * float(known.sel(spectrum="EE").max())


def test_a_sharp_cut_leaks_more_e_into_b_than_lcdm_has_b_and_a_pure_b_has_no_leak(theory, soft):
    sharp = cmb.masked_spectra(theory, cmb.coupling_matrix(cmb.galactic_mask(16, latitude=20), lmax=31))
    assert (sharp.leaked > 0.5 * sharp.cl).sel(spectrum="BB", ell=slice(2, 31)).all()
    pure = cmb.masked_spectra(theory, cmb.coupling_matrix(soft, lmax=31, purify="B"))
    assert (pure.leaked.sel(spectrum="BB") == 0).all()
    assert pure.attrs["purified"] == "B"


@pytest.mark.slow
def test_simulated_skies_have_the_expected_pseudo_spectra_on_average(theory, soft):
    expected = cmb.masked_spectra(theory, cmb.coupling_matrix(soft, lmax=31))
    drawn = cmb.synthesized(cmb.random_coefficients(theory, lmax=31, seed=2, realizations=120), nside=16)
    each = [cmb.power_spectra(drawn.isel(realization=n), mask=soft, lmax=31, keep_monopole=True) for n in range(120)]
    found = cmb.realization_mean(xr.concat(each, "realization", combine_attrs="override"))
    check(found)
    pull = ((found.cl - expected.cl) / found.cl_error).sel(spectrum=["TT", "EE", "BB", "TE"], ell=slice(2, 31))
    assert abs(pull).max() < 5 and abs(float((pull**2).mean()) - 1) < 0.5
    assert found.attrs["realizations"] == 120 and found.attrs["synthetic"] == "true"


def test_what_is_no_coupling_or_too_short_a_theory_is_refused(theory, soft):
    with pytest.raises(WrongData, match="coupling_matrix"):
        cmb.masked_spectra(theory, theory)
    with pytest.raises(WrongData, match="every one from 2 to 31"):
        cmb.masked_spectra(theory.sel(ell=slice(0, 20)), cmb.coupling_matrix(soft, lmax=31))


# ----------------------------------------------------------------------------------------------- realization mean


def test_a_mean_without_realizations_or_of_one_or_of_nan_is_refused(theory):
    with pytest.raises(WrongData, match="join spectra"):
        cmb.realization_mean(theory)
    one = theory[["cl"]].expand_dims(realization=1)
    with pytest.raises(WrongData, match="at least two"):
        cmb.realization_mean(one)
    broken = xr.concat([one, one * np.nan], "realization", combine_attrs="override")
    with pytest.raises(WrongData, match="not finite"):
        cmb.realization_mean(broken)


# -------------------------------------------------------------------------------------------- turned polarization


@pytest.fixture(scope="module")
def bands():
    table = cmb.instrument_channels("litebird").isel(channel_name=[5, 13])
    return cmb.simulated_sky(table, 16, seed=1, components=["cmb"], noise=False, stokes="IQU", lmax=32, beams=None)


def test_turning_there_and_back_gives_the_same_map_and_leaves_intensity_alone(bands):
    angle = xr.DataArray([10.0, -20.0], dims="frequency", attrs={"units": "deg"})
    there = cmb.turned_polarization(bands, angle)
    back = cmb.turned_polarization(there, -angle)
    np.testing.assert_allclose(back.sky, bands.sky, atol=1e-12)
    np.testing.assert_array_equal(there.sky.sel(stokes="I"), bands.sky.sel(stokes="I"))
    assert there.sky.dims == bands.sky.dims and there.attrs["polconv"] == bands.attrs["polconv"]
    check(there)


def test_the_polarization_angle_grows_by_the_angle_in_the_convention_that_it_counts_in(bands):
    one = bands.isel(frequency=0)
    for polconv in ("COSMO", "IAU"):
        before = cmb.polarization_angle(one, polconv=polconv)
        after = cmb.polarization_angle(cmb.turned_polarization(one, 7.0, polconv=polconv), polconv=polconv)
        np.testing.assert_allclose((after - before) % 180, 7.0, atol=1e-9)


def test_a_positive_angle_in_one_convention_is_a_negative_one_in_the_other_whatever_the_map_is_in(bands):
    one = bands.isel(frequency=0)
    cosmo = cmb.turned_polarization(one, 5.0, polconv="COSMO")
    iau = cmb.turned_polarization(cmb.to_polconv(one, "IAU"), -5.0, polconv="IAU")
    np.testing.assert_allclose(cmb.to_polconv(iau, "COSMO").sky, cosmo.sky, atol=1e-12)


@pytest.mark.slow
def test_turned_maps_have_the_spectra_that_rotated_spectra_says(bands):
    one = bands.isel(frequency=0)
    before = cmb.power_spectra(one, lmax=32)
    after = cmb.power_spectra(cmb.turned_polarization(one, 6.0), lmax=32)
    expected = cmb.rotated_spectra(before, 6.0).cl.sel(spectrum=after.spectrum)
    largest = abs(expected.sel(spectrum=["EE", "BB", "EB"])).max()
    for label in ("EE", "BB", "EB"):
        np.testing.assert_allclose(after.cl.sel(spectrum=label), expected.sel(spectrum=label), atol=1e-3 * largest)
    assert float(after.cl.sel(spectrum="EB", ell=slice(2, 32)).mean()) > 0  # COSMO, EE above BB


def test_angles_that_do_not_fit_are_refused(bands):
    with pytest.raises(BadOption, match="polconv"):
        cmb.turned_polarization(bands, 1.0, polconv="cosmo")
    with pytest.raises(WrongData, match="3 angles for 2 bands"):
        cmb.turned_polarization(bands, xr.DataArray([1.0, 2, 3], dims="frequency", attrs={"units": "deg"}))
    other = bands.frequency.values[::-1]
    frequency = xr.DataArray(other, dims="frequency", attrs={"units": "GHz"})
    with pytest.raises(WrongData, match="another order"):
        cmb.turned_polarization(
            bands, xr.DataArray([1.0, 2], {"frequency": frequency}, ["frequency"], attrs={"units": "deg"})
        )
    with pytest.raises(WrongFrame, match="IAU"):
        angle = xr.DataArray([1.0, 2], dims="frequency", attrs={"units": "deg", "polconv": "IAU"})
        cmb.turned_polarization(bands, angle)
    with pytest.raises(WrongData, match="both"):
        cmb.turned_polarization(bands.sel(stokes=["I"]), 1.0)
    with pytest.raises(BadOption, match="finite"):
        cmb.turned_polarization(bands, xr.DataArray([1.0, np.nan], dims="frequency", attrs={"units": "deg"}))

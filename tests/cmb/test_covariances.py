"""Errors of bandpowers: against simulations, against counting modes."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.errors import BadOption, WrongData
from analysis.model import check

LMAX, WIDTH, NUMBER = 48, 8, 300


def white(level, labels=("TT", "EE", "BB")):
    ell = np.arange(LMAX + 1)
    return xr.DataArray(
        np.full((len(labels), ell.size), level),
        dims=("spectrum", "ell"),
        coords={"spectrum": list(labels), "ell": ell},
        attrs={"units": "uK2", "long_name": "C_ℓ of white noise"},
    )


@pytest.fixture(scope="module")
def planck():
    return cmb.fetch("planck2018_lcdm")


@pytest.mark.slow
def test_the_covariance_is_that_of_300_simulations(planck):
    mask = cmb.apodized_mask(cmb.galactic_mask(32, latitude=20), scale="10 deg")
    total = planck.sel(ell=slice(0, LMAX)).copy(deep=True)
    total.cl.loc[{"spectrum": ["TT", "EE", "BB"]}] += 2e-4
    many = cmb.synthesized(cmb.random_coefficients(total, lmax=LMAX, seed=3, realizations=NUMBER), nside=32)
    options = {"mask": mask, "lmax": LMAX, "width": WIDTH, "decouple": True, "iterations": 1}
    found = [cmb.power_spectra(many.isel(realization=i), **options).cl.values for i in range(NUMBER)]
    made = check(cmb.bandpower_covariance(planck, mask, noise=white(2e-4), lmax=LMAX, width=WIDTH))
    ratio = made.sigma.values / np.std(found, axis=0, ddof=1)
    np.testing.assert_allclose(ratio[:, 1:], 1, atol=0.2)  # 300 simulations know it to 4 %
    assert abs(ratio[:, 1:].mean() - 1) < 0.04
    tt_te = made.covariance.sel(spectrum="TT", spectrum_2="TE").values.diagonal() / (
        made.sigma.sel(spectrum="TT").values * made.sigma.sel(spectrum="TE").values
    )
    values = np.array(found)
    order = list(made.spectrum.values)
    for b in range(1, values.shape[2]):
        correlation = np.corrcoef(values[:, order.index("TT"), b], values[:, order.index("TE"), b])[0, 1]
        assert correlation == pytest.approx(tt_te[b], abs=0.2)


def test_on_the_whole_sky_it_counts_modes(planck):
    whole = (cmb.galactic_mask(32, latitude=0) | True).assign_attrs(frame="galactic")
    made = cmb.bandpower_covariance(planck, whole, lmax=LMAX, width=WIDTH)
    knox = check(cmb.knox_error(planck, sky_fraction=1.0, lmax=LMAX, width=WIDTH))
    np.testing.assert_allclose(made.sigma, knox.sigma, rtol=2e-3)


def test_the_covariance_is_symmetric_and_positive(planck):
    made = cmb.bandpower_covariance(planck, cmb.galactic_mask(32), noise=white(1e-4), lmax=LMAX, width=WIDTH)
    size = made.sigma.size
    matrix = made.covariance.values.reshape(size, size)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-9, atol=1e-9 * matrix.max())
    scaled = matrix / np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    assert np.linalg.eigvalsh(scaled).min() > 0


def test_counting_modes_is_cosmic_variance_without_noise(planck):
    error = cmb.knox_error(planck, sky_fraction=0.49, lmax=100).sigma
    for label in ("TT", "EE", "BB"):
        ratio = error.sel(spectrum=label) / planck.cl.sel(spectrum=label)
        np.testing.assert_allclose(ratio[2:101], np.sqrt(2 / ((2 * np.arange(2, 101) + 1) * 0.49)), rtol=1e-12)
    assert bool(np.isnan(error[:, :2]).all())


def test_the_beam_makes_noise_dear(planck):
    sharp, wide = (
        cmb.knox_error(planck, sky_fraction=1, lmax=LMAX, noise=white(1e-3), beam=b).sigma for b in (None, "5 deg")
    )
    ratio = (wide / sharp).sel(spectrum="BB")
    assert float(ratio[-1]) > 10 * float(ratio[2]) > 9


def test_soft_weights_have_fewer_modes(planck):
    soft = cmb.apodized_mask(cmb.galactic_mask(32, latitude=20), scale="20 deg")
    fraction = cmb.knox_error(planck, sky_fraction=soft, lmax=16).attrs["sky_fraction"]
    assert 0 < fraction < float(cmb.sky_fraction(cmb.galactic_mask(32, latitude=20)))
    hard = cmb.galactic_mask(32, latitude=20)
    assert cmb.knox_error(planck, sky_fraction=hard, lmax=16).attrs["sky_fraction"] == pytest.approx(float(hard.mean()))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5, "half", float("nan")])
def test_sky_fractions_that_are_none_are_refused(planck, fraction):
    with pytest.raises(BadOption, match="sky_fraction"):
        cmb.knox_error(planck, sky_fraction=fraction, lmax=16)


def test_theories_that_do_not_fit_are_refused(planck, w_band):
    with pytest.raises(WrongData, match="every one from 2 to 48"):
        cmb.bandpower_covariance(planck.sel(ell=slice(0, 20)), cmb.galactic_mask(32), lmax=LMAX)
    with pytest.raises(WrongData, match="not D_ℓ"):
        cmb.knox_error(cmb.d_ell(planck).rename(dl="cl"), sky_fraction=1, lmax=16)
    pseudo = cmb.power_spectra(w_band, lmax=LMAX)
    with pytest.raises(WrongData, match="pseudo-C_ℓ"):
        cmb.bandpower_covariance(planck, cmb.galactic_mask(32), noise=pseudo, lmax=LMAX)


def test_standard_deviations_are_not_averaged_as_spectra_are(planck):
    with pytest.raises(WrongData, match=r"knox_error\(…, width=\)"):
        cmb.binned(cmb.knox_error(planck, sky_fraction=0.5, lmax=30), width=5)


@pytest.mark.parametrize("labels", [["tt", "ee"], ["TT", "TT"], ["TT", "PP"]])
def test_spectra_that_are_not_the_six_once_are_refused(planck, labels):
    given = planck.isel(spectrum=[0, 1]).assign_coords(spectrum=labels)
    with pytest.raises(WrongData, match="each once"):
        cmb.knox_error(given, sky_fraction=0.5, lmax=10)

"""Quadratic maximum likelihood on small maps: unbiased, best, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check

LMAX, NSIDE, NUMBER = 10, 4, 150
VARIANCE = 1e-3


@pytest.fixture(scope="module")
def planck():
    return cmb.fetch("planck2018_lcdm")


@pytest.fixture(scope="module")
def mask():
    return cmb.galactic_mask(NSIDE, latitude=15)


@pytest.fixture(scope="module")
def skies(planck):
    many = cmb.synthesized(cmb.random_coefficients(planck, lmax=LMAX, seed=3, realizations=NUMBER), nside=NSIDE)
    noise = np.random.default_rng(1).normal(size=many.sky.shape) * np.sqrt(VARIANCE)
    return many.assign(sky=(many.sky + noise).assign_attrs(many.sky.attrs))


def variance(value=VARIANCE, units="uK2"):
    return xr.DataArray(value, attrs={"units": units})


@pytest.fixture(scope="module")
def estimates(skies, planck, mask):
    options = {"theory": planck, "variance": variance(), "mask": mask, "lmax": LMAX}
    return [cmb.qml_spectra(skies.isel(realization=i), **options) for i in range(NUMBER)]


@pytest.mark.slow
def test_it_is_unbiased_and_its_errors_are_right(estimates, planck):
    check(estimates[0])
    values = np.stack([one.cl.values for one in estimates])
    labels = list(estimates[0].spectrum.values)
    wanted = np.stack([planck.cl.sel(spectrum=s)[2:11] if s in planck.spectrum else np.zeros(9) for s in labels])
    spread = values.std(axis=0, ddof=1)
    pull = (values.mean(axis=0) - wanted) / spread * np.sqrt(NUMBER)
    assert np.abs(pull).max() < 4.5
    assert (pull**2).mean() < 1.6
    np.testing.assert_allclose(estimates[0].sigma / spread, 1, atol=0.3)
    assert float((estimates[0].sigma / spread).mean()) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_its_variance_is_below_that_of_corrected_pseudo_spectra(skies, planck, mask):
    options = {"lmax": LMAX, "width": 3, "mask": mask}
    best, pseudo = [], []
    for i in range(60):
        one = skies.isel(realization=i)
        best.append(cmb.qml_spectra(one, theory=planck, variance=variance(), **options).cl.values)
        pseudo.append(cmb.power_spectra(one, decouple=True, **options).cl.values)
    ratio = np.std(pseudo, axis=0) / np.std(best, axis=0)
    assert (ratio > 0.95).all()
    assert (ratio[2] > 2).all()  # BB, which E leaks into


@pytest.mark.slow
def test_a_wrong_theory_does_not_bias_it(skies, planck, mask):
    wrong = planck.assign(cl=(planck.cl * 3).assign_attrs(planck.cl.attrs))
    options = {"variance": variance(), "mask": mask, "lmax": LMAX}
    found = [cmb.qml_spectra(skies.isel(realization=i), theory=wrong, **options).cl[1].values for i in range(60)]
    pull = (np.mean(found, axis=0) - planck.cl.sel(spectrum="EE")[2:11].values) / np.std(found, axis=0) * np.sqrt(60)
    assert np.abs(pull).max() < 4


@pytest.mark.slow
def test_the_monopole_and_dipole_do_not_matter(skies, planck, mask):
    import ducc0

    one = skies.isel(realization=0)
    theta = ducc0.healpix.Healpix_Base(NSIDE, "NEST").pix2ang(np.arange(12 * NSIDE**2))[:, 0]
    lifted = one.copy(deep=True)
    lifted.sky.values[0] += 50 + 20 * np.cos(theta)
    options = {"theory": planck, "variance": variance(), "mask": mask, "lmax": LMAX}
    before, after = (cmb.qml_spectra(s, **options) for s in (one, lifted))
    assert bool((np.abs(after.cl - before.cl) < 0.02 * before.sigma).all())


@pytest.mark.slow
def test_the_iau_convention_flips_eb_and_tb_only(skies, planck, mask):
    options = {"theory": planck, "variance": variance(), "mask": mask, "lmax": LMAX}
    cosmo, iau = (
        cmb.qml_spectra(s, **options)
        for s in (skies.isel(realization=0), cmb.to_polconv(skies.isel(realization=0), "IAU"))
    )
    signs = xr.DataArray([1, 1, 1, 1, -1, -1], dims="spectrum", coords={"spectrum": cosmo.spectrum})
    assert bool((np.abs(iau.cl - cosmo.cl * signs) < 1e-6 * cosmo.sigma).all())
    np.testing.assert_allclose(iau.sigma, cosmo.sigma, rtol=1e-6)


@pytest.mark.slow
def test_eb_of_a_theory_is_brought_to_the_convention_of_the_map(planck, mask):
    turned = cmb.rotated_spectra(planck, "20 deg")  # states COSMO
    sky = cmb.synthesized(cmb.random_coefficients(turned, lmax=LMAX, seed=4), nside=NSIDE)
    options = {"theory": turned, "variance": variance(), "mask": mask, "lmax": LMAX, "width": 3}
    cosmo, iau = (cmb.qml_spectra(s, **options) for s in (sky, cmb.to_polconv(sky, "IAU")))
    signs = xr.DataArray([1, 1, 1, 1, -1, -1], dims="spectrum", coords={"spectrum": cosmo.spectrum})
    assert bool((np.abs(iau.cl - cosmo.cl * signs) < 1e-6 * cosmo.sigma).all())


@pytest.mark.slow
def test_beams_and_pixels_are_undone(planck):
    alm = cmb.random_coefficients(planck, lmax=LMAX, seed=4)
    plain = cmb.synthesized(alm, nside=NSIDE)
    smooth = cmb.synthesized(alm, nside=NSIDE, beam="20 deg", pixels=True)
    options = {"theory": planck, "variance": variance(1e-6), "lmax": LMAX}  # the whole sky without noise: exact
    wanted = cmb.qml_spectra(plain, **options).cl.sel(spectrum=["TT", "EE", "TE"])
    found = cmb.qml_spectra(smooth, beam="20 deg", pixels=True, **options).cl
    assert bool((np.abs(found - wanted) < 1e-2 * np.abs(wanted).max("bin")).all())


def test_spectra_of_another_convention_do_not_make_coefficients(planck):
    turned = cmb.rotated_spectra(planck, "20 deg", polconv="IAU")
    with pytest.raises(WrongFrame, match="polconv='IAU'"):
        cmb.random_coefficients(turned, lmax=8, seed=1)
    assert cmb.random_coefficients(turned, lmax=8, seed=1, polconv="IAU").attrs["polconv"] == "IAU"


def test_i_alone_and_q_and_u_alone_are_enough(skies, planck, mask):
    options = {"theory": planck, "variance": variance(), "mask": mask, "lmax": LMAX}
    one = skies.isel(realization=0)
    assert cmb.qml_spectra(one.sel(stokes=["I"]), **options).spectrum.values.tolist() == ["TT"]
    assert cmb.qml_spectra(one.sel(stokes=["Q", "U"]), **options).spectrum.values.tolist() == ["EE", "BB", "EB"]


def test_units_are_converted(skies, planck, mask):
    one = skies.isel(realization=0).sel(stokes=["Q", "U"])
    milli = one.assign(sky=(one.sky / 1000).assign_attrs(one.sky.attrs | {"units": "mK"}))
    options = {"theory": planck, "mask": mask, "lmax": LMAX}
    micro = cmb.qml_spectra(one, variance=variance(), **options).cl
    found = cmb.qml_spectra(milli, variance=variance(VARIANCE * 1e-6, "mK2"), **options).cl
    np.testing.assert_allclose(found * 1e6, micro, rtol=1e-6, atol=1e-9 * float(np.abs(micro).max()))
    assert found.units == "mK2"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"variance": variance(0.0)}, WrongData, "positive"),
        ({"variance": variance(float("nan"))}, WrongData, "positive"),
        ({"variance": variance(1e-12)}, WrongData, "too little noise"),
        ({"lmax": 12}, BadOption, "lmax=12"),
        ({"width": 0}, BadOption, "width=0"),
        ({"theory": xr.Dataset()}, WrongData, "no variable 'cl'"),
    ],
)
def test_what_cannot_be_is_refused(skies, planck, options, error, words):
    given = {"theory": planck, "variance": variance(), "lmax": LMAX, **options}
    with pytest.raises(error, match=words):
        cmb.qml_spectra(skies.isel(realization=0), **given)


def test_fine_maps_are_refused(w_band, planck):
    with pytest.raises(BadOption, match=r"nside=32.*degrade to 16"):
        cmb.qml_spectra(w_band, theory=planck, variance=variance())

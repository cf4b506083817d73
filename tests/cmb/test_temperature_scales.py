"""Conversions between K_CMB, K_RJ and intensity, against astropy and Planck's published factors."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.cosmology import Planck18
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants, integrate

from analysis import cmb
from analysis.cmb import temperatures
from analysis.cmb.temperatures import cmb_intensity, rj_intensity
from analysis.errors import AnalysisError, BadOption, MissingUnits, WrongData, WrongUnits
from analysis.model import check

FREQUENCIES = [30.0, 44.0, 70.0, 100.0, 143.0, 217.0, 353.0, 545.0, 857.0]


@pytest.fixture
def sky(make):
    return make.sky(np.random.default_rng(1).normal(size=(3, 48)))


def test_the_constants_are_those_of_the_si():
    assert pytest.approx(constants.h / constants.k * 1e9, rel=1e-14) == temperatures.H_OVER_K
    assert pytest.approx(2 * constants.k / constants.c**2 * 1e38, rel=1e-14) == temperatures.RJ


@pytest.mark.parametrize("ghz", FREQUENCIES)
def test_a_thermodynamic_kelvin_is_as_bright_as_astropy_says(ghz):
    kelvin = u.thermodynamic_temperature(ghz * u.GHz, T_cmb=2.7255 * u.K)
    wanted = (1 * u.K).to_value(u.MJy / u.sr, equivalencies=kelvin)
    assert float(cmb.temperature_factor(ghz, "intensity")) == pytest.approx(wanted, rel=1e-10)


def test_the_temperature_of_the_cmb_is_that_of_astropy():
    assert Planck18.Tcmb0.value == temperatures.T_CMB


@pytest.mark.parametrize("ghz", FREQUENCIES)
def test_a_rayleigh_jeans_kelvin_is_as_bright_as_astropy_says(ghz):
    wanted = (1 * u.K).to_value(u.MJy / u.sr, equivalencies=u.brightness_temperature(ghz * u.GHz))
    assert float(cmb.temperature_factor(ghz, "intensity", origin="K_RJ")) == pytest.approx(wanted, rel=1e-10)


# Planck's band-averaged coefficients, MJy/sr per K_CMB (explanatory supplement, UC_CC tables; Planck 2013 IX).
# They are over the real bands, which are not here: one frequency comes within the 4 % that the bands make.
@pytest.mark.parametrize(
    ("ghz", "published", "within"),
    [
        (100, 244.0960, 0.025),
        (143, 371.7327, 0.025),
        (217, 483.6874, 2e-4),
        (353, 287.4517, 0.035),
        (545, 58.0356, 0.02),
    ],
)
def test_one_frequency_comes_near_the_factors_published_for_plancks_bands(ghz, published, within):
    assert float(cmb.temperature_factor(ghz, "intensity")) == pytest.approx(published, rel=within)


def band(low, high, n=4001):
    nu = np.linspace(low, high, n)
    return xr.DataArray(np.ones(n), dims="frequency", coords={"frequency": ("frequency", nu, {"units": "GHz"})})


def test_a_band_is_integrated_with_the_spectrum_of_iras():
    made = float(cmb.temperature_factor(353, "intensity", bandpass=band(300, 410)))
    above = integrate.quad(lambda nu: float(cmb_intensity(nu)), 300, 410)[0]
    below = integrate.quad(lambda nu: 353 / nu, 300, 410)[0]
    assert made == pytest.approx(above / below, rel=1e-7)


def test_a_band_between_temperatures_needs_no_reference_spectrum():
    made = float(cmb.temperature_factor(353, "K_RJ", bandpass=band(300, 410), slope=3.0))
    above = integrate.quad(lambda nu: float(cmb_intensity(nu)), 300, 410)[0]
    below = integrate.quad(lambda nu: float(rj_intensity(nu)), 300, 410)[0]
    assert made == pytest.approx(above / below, rel=1e-7)


def test_a_flat_reference_gives_what_pysm_gives():
    # pysm3 3.4.6: bandpass_unit_conversion(linspace(300, 410, 4001) GHz, input K_CMB, output MJy/sr and K_RJ)
    made = float(cmb.temperature_factor(353, "intensity", bandpass=band(300, 410), slope=0.0))
    assert made == pytest.approx(294.26563246905755, rel=1e-9)
    made = float(cmb.temperature_factor(353, "K_RJ", bandpass=band(300, 410)))
    assert made == pytest.approx(0.07539629004531298, rel=1e-9)


def test_a_narrow_band_is_one_frequency():
    made = cmb.temperature_factor(143, "K_RJ", bandpass=band(142.99, 143.01, 11))
    assert float(made) == pytest.approx(float(cmb.temperature_factor(143, "K_RJ")), rel=1e-7)


def test_the_scale_of_a_bandpass_does_not_matter():
    one, many = band(120, 170), band(120, 170) * 37
    assert float(cmb.temperature_factor(143, "K_RJ", bandpass=one)) == pytest.approx(
        float(cmb.temperature_factor(143, "K_RJ", bandpass=many))
    )


@pytest.mark.slow
@given(nu=st.floats(1, 1000), scales=st.permutations(["K_CMB", "K_RJ", "intensity"]))
def test_factors_go_round_a_circle(nu, scales):
    a, b, c = scales
    around = [float(cmb.temperature_factor(nu, t, origin=o)) for o, t in ((a, b), (b, c), (c, a))]
    assert np.prod(around) == pytest.approx(1)


def test_at_low_frequencies_both_temperatures_are_one():
    assert float(cmb.temperature_factor(0.1, "K_RJ")) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("scale", ["K_RJ", "intensity"])
def test_a_map_comes_back_as_it_was(sky, scale):
    there = check_map(cmb.in_temperature_scale(sky, scale, frequency=94))
    assert there.attrs["temperature_scale"] == scale
    assert there.sky.attrs["units"] == {"K_RJ": "mK", "intensity": "MJy sr-1"}[scale]
    back = cmb.in_temperature_scale(there, "K_CMB", frequency="94 GHz")
    in_mk = back.sky.values * (1 if back.sky.attrs["units"] == "mK" else 1e-3)
    np.testing.assert_allclose(in_mk, sky.sky.values, rtol=1e-12)
    assert "cmb.in_temperature_scale" in back.attrs["history"]


@pytest.mark.parametrize("scale", ["K_RJ", "intensity"])
def test_covariances_beside_a_map_go_with_the_square_of_its_factor(sky, scale):
    noise = sky.sky.isel(stokes=0, drop=True) ** 2
    noise.attrs = {"units": "mK2", "long_name": "II covariance"}
    hits = xr.DataArray(np.ones(sky.sizes["cells"]), dims="cells", attrs={"units": "1", "long_name": "Hits"})
    there = cmb.in_temperature_scale(sky.assign(ii_cov=noise, hits=hits), scale, frequency=94)
    np.testing.assert_allclose(there.ii_cov, there.sky.isel(stokes=0) ** 2, rtol=1e-12)
    assert u.Unit(there.ii_cov.units) == u.Unit(there.sky.units) ** 2 and (there.hits == 1).all()
    back = cmb.in_temperature_scale(there, "K_CMB", frequency=94)
    np.testing.assert_allclose(back.ii_cov, back.sky.isel(stokes=0) ** 2, rtol=1e-12)
    assert u.Unit(back.ii_cov.units) == u.Unit(back.sky.units) ** 2 and "ii_cov too" in back.attrs["history"]


def test_the_frequency_of_another_band_is_refused_and_an_effective_one_taken(sky):
    one = xr.DataArray([1.0], dims="cells", attrs={"units": "uK", "temperature_scale": "K_CMB", "frequency": "143 GHz"})
    with pytest.raises(BadOption, match="another band"):
        cmb.in_temperature_scale(one, "K_RJ", frequency=100)
    made = cmb.in_temperature_scale(one, "K_RJ", frequency=142.876)
    assert float(made[0]) == pytest.approx(float(cmb.temperature_factor(142.876, "K_RJ")))
    assert "long_name" not in made.attrs


def test_a_frequency_in_hertz_is_refused():
    with pytest.raises(BadOption, match="GHz, not Hz"):
        cmb.temperature_factor(143e9, "K_RJ")


def check_map(sky):
    check(sky["sky"].drop_vars("stokes"))
    return sky


def test_a_microkelvin_at_143_ghz_is_as_many_janskys_as_the_factor_says():
    one = xr.DataArray([1.0], dims="cells", attrs={"units": "uK", "temperature_scale": "K_CMB", "frequency": "143 GHz"})
    made = cmb.in_temperature_scale(one, "intensity")
    assert float(made[0]) == pytest.approx(379.932e-6, rel=1e-5)  # astropy 7.2, thermodynamic_temperature


def test_bands_have_each_its_own_factor_and_so_has_the_depth():
    sky = cmb.simulated_sky("litebird", 2, seed=1)
    made = check(cmb.in_temperature_scale(sky, "K_RJ"))
    for n in (0, 21):
        factor = float(cmb.temperature_factor(sky.frequency[n], "K_RJ"))
        np.testing.assert_allclose(made.sky[n], sky.sky[n] * factor, rtol=1e-12)
        np.testing.assert_allclose(made.depth[n], sky.depth[n] * factor, rtol=1e-12)
    assert made.depth.attrs["units"] == "uK arcmin"
    assert made.attrs["synthetic"] == "true"


def test_a_lazy_map_stays_lazy(sky):
    made = cmb.in_temperature_scale(sky.chunk(cells=12), "K_RJ", frequency=94)
    assert made.sky.chunks is not None
    np.testing.assert_allclose(made.sky, cmb.in_temperature_scale(sky, "K_RJ", frequency=94).sky)


def test_nothing_happens_to_a_map_that_has_the_scale(sky):
    np.testing.assert_array_equal(cmb.in_temperature_scale(sky, "K_CMB").sky, sky.sky)


def test_a_map_that_says_no_frequency_is_asked_for_it(sky):
    with pytest.raises(BadOption, match="frequency=143"):
        cmb.in_temperature_scale(sky, "K_RJ")


def test_wmap_says_its_frequency(w_band):
    made = check(cmb.in_temperature_scale(w_band, "K_RJ"))
    factor = float(cmb.temperature_factor(w_band.sky.attrs["frequency"], "K_RJ"))
    assert float((made.sky / w_band.sky).mean()) == pytest.approx(factor, rel=1e-6)
    assert factor == pytest.approx(1 / 1.245, rel=0.01)  # Jarosik et al. 2003, ApJS 145, 413: W band, 1.245


@pytest.mark.parametrize(
    ("change", "options", "error", "match"),
    [
        ({}, {"scale": "k_rj"}, BadOption, "did you mean 'K_RJ'"),
        ({}, {"scale": 3}, BadOption, "no temperature scale"),
        ({}, {"scale": "K_RJ", "frequency": -3}, BadOption, "positive"),
        ({"temperature_scale": "antenna"}, {"scale": "K_RJ", "frequency": 94}, WrongData, "antenna"),
    ],
)
def test_what_is_wrong_with_a_conversion_is_said(sky, change, options, error, match):
    with pytest.raises(error, match=match) as caught:
        cmb.in_temperature_scale(sky.assign_attrs(change), **options)
    assert isinstance(caught.value, AnalysisError)


@pytest.mark.parametrize(("units", "error"), [("Jy", WrongUnits), (None, (MissingUnits, WrongUnits))])
def test_a_temperature_in_other_units_is_refused(sky, units, error):
    sky["sky"].attrs.pop("units") if units is None else sky["sky"].attrs.update(units=units)
    with pytest.raises(error):
        cmb.in_temperature_scale(sky, "K_RJ", frequency=94)


@pytest.mark.parametrize(
    "bandpass",
    [
        np.ones(3),
        xr.DataArray([1.0, np.nan], dims="frequency", coords={"frequency": ("frequency", [1, 2], {"units": "GHz"})}),
        xr.DataArray([1.0, 1.0], dims="frequency", coords={"frequency": ("frequency", [2, 1], {"units": "GHz"})}),
        xr.DataArray([-1.0, 0.0], dims="frequency", coords={"frequency": ("frequency", [1, 2], {"units": "GHz"})}),
    ],
)
def test_what_is_no_bandpass_is_refused(bandpass):
    with pytest.raises(WrongData, match="bandpass"):
        cmb.temperature_factor(1.5, "K_RJ", bandpass=bandpass)

"""Synthetic skies: spectra come back, spectra of components, noise, beams, and that they say what they are."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.cmb.bands import cell_arcmin
from analysis.cmb.emission import INDICES, bands_of, columns
from analysis.cmb.foregrounds import template_covariances
from analysis.cmb.harmonics import multipoles, spectrum_of
from analysis.cmb.realizations import beam_factors, covariances, gaussian_alms, generator, square_roots
from analysis.errors import AnalysisError, BadOption, WrongData
from analysis.model import check, is_synthetic


def table(depth=10.0, **more):
    """Return an instrument of two bands."""
    held = {"polarization_sensitivity": ("channel_name", [depth, 2 * depth], {"units": "uK arcmin", "long_name": "s"})}
    held |= {"beam": ("channel_name", [60.0, 30.0], {"units": "arcmin", "long_name": "b"})}
    held |= {name: ("channel_name", values, {"units": unit, "long_name": "x"}) for name, (values, unit) in more.items()}
    coords = {"frequency": ("channel_name", [100.0, 353.0], {"units": "GHz", "long_name": "Band centre"})}
    return xr.Dataset(held, coords=coords)


def only(*components, nside=32, **options):
    options = {"noise": False, "beams": None, "seed": 3} | options
    return cmb.simulated_sky("litebird", nside, components=components, **options)


def one(sky, band=0):
    return sky.isel(frequency=[band])


# ------------------------------------------------------------------------------------------------ realizations


@pytest.fixture(scope="module")
def planck():
    return cmb.fetch("planck2018_lcdm")


@pytest.mark.slow
def test_coefficients_have_the_spectra_they_were_drawn_from(planck):
    lmax, drawn = 30, 300
    roots = square_roots(covariances(planck, lmax))
    found = np.zeros((4, lmax + 1))
    for n in range(drawn):
        t, e, b = gaussian_alms(roots, generator(1, n))
        pairs = ((t, t), (e, e), (b, b), (t, e))
        found += [spectrum_of(first, second, lmax=lmax) for first, second in pairs]
    ell = np.arange(2, lmax + 1)
    for row, label in enumerate(("TT", "EE", "BB")):
        power = planck.cl.sel(spectrum=label).values[2 : lmax + 1]
        away = (found[row, 2:] / drawn / power - 1) / np.sqrt(2 / (2 * ell + 1) / drawn)
        assert abs(away).max() < 4 and 0.6 < away.std() < 1.5
    tt, ee, te = (planck.cl.sel(spectrum=label).values[2 : lmax + 1] for label in ("TT", "EE", "TE"))
    away = (found[3, 2:] / drawn - te) / np.sqrt((te**2 + tt * ee) / (2 * ell + 1) / drawn)
    assert abs(away).max() < 4


@pytest.mark.slow
def test_a_map_of_the_cmb_has_te_of_the_sign_of_the_theory(planck):
    sky = only("cmb", nside=64, stokes="IQU")
    cl = cmb.power_spectra(one(sky), lmax=128).cl
    theory = planck.cl.sel(ell=slice(2, 128))
    te = cl.sel(spectrum="TE", ell=slice(2, 128))
    assert float((te * theory.sel(spectrum="TE")).sum()) > 0
    ell = np.arange(30, 129)
    for label in ("TT", "EE"):
        ratio = (cl.sel(spectrum=label, ell=ell) / theory.sel(spectrum=label, ell=ell)).values
        assert np.average(ratio, weights=2 * ell + 1) == pytest.approx(1, abs=0.05)
    assert float(cl.sel(spectrum="BB", ell=ell).mean()) < 0.05 * float(cl.sel(spectrum="EE", ell=ell).mean())


def test_spectra_that_are_no_covariance_are_refused(planck):
    wrong = planck.assign(cl=planck.cl.where(planck.spectrum != "TE", 1e6).assign_attrs(planck.cl.attrs))
    with pytest.raises(WrongData, match="no covariance at ℓ"):
        only("cmb", nside=4, spectra=wrong)


@pytest.mark.slow
def test_another_r_comes_with_other_spectra(planck):
    more = planck.assign(
        cl=xr.where(planck.spectrum == "BB", 100 * planck.cl, planck.cl)
        .transpose(*planck.cl.dims)
        .assign_attrs(planck.cl.attrs)
    )
    plain, loud = (
        cmb.power_spectra(one(only("cmb", spectra=s)), lmax=64).cl.sel(spectrum="BB") for s in (planck, more)
    )
    assert float(loud[20:].mean() / plain[20:].mean()) == pytest.approx(100, rel=0.05)


def test_nearly_the_same_spectra_give_nearly_the_same_sky(planck):
    kelvin = planck.assign(cl=(planck.cl * 1e-12).assign_attrs({**planck.cl.attrs, "units": "K2"}))
    one, other = (only("cmb", nside=8, spectra=s, stokes="IQU").sky for s in (planck, kelvin))
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------------------------------------- components


@pytest.mark.slow
def test_bands_differ_by_the_mixing_matrix():
    for name in ("dust", "synchrotron"):
        sky = only(name, nside=8)
        mixing = cmb.mixing_matrix(sky, components=[name]).values[:, 0]
        np.testing.assert_allclose(
            sky.sky / sky.sky[3], np.broadcast_to(1, sky.sky.shape) * (mixing / mixing[3])[:, None, None]
        )


def test_the_cmb_is_the_same_in_every_band():
    sky = only("cmb", nside=8).sky
    np.testing.assert_allclose(sky, np.broadcast_to(sky[0], sky.shape))


@pytest.mark.slow
def test_a_component_does_not_change_when_another_is_left_out():
    both = only("cmb", "dust", nside=8).sky
    np.testing.assert_allclose(both, only("cmb", nside=8).sky + only("dust", nside=8).sky, atol=1e-10)


def test_mixing_is_that_of_fgbuster(oracle):
    held = np.load(oracle / "cmb" / "fgbuster_15bands_nside32.npz")
    mixing, _ = columns(bands_of(held["frequency_ghz"]), ["cmb", "dust", "synchrotron"], INDICES)
    np.testing.assert_allclose(mixing, held["mixing_at_truth"], rtol=1e-13)


def test_dust_between_353_and_217_is_what_pysm_makes_of_it():
    # pysm3 3.4.6: (217 / 353)**(1.54 - 2) * models.dust.blackbody_ratio(217, 353, 20), in K_RJ
    nu = xr.DataArray([217.0, 353.0], dims="frequency", attrs={"units": "GHz"}).to_dataset(name="frequency")
    made = cmb.mixing_matrix(nu.set_coords("frequency"), components=["dust"], indices={"temperature_dust": 20.0})
    to_rj = [float(cmb.temperature_factor(nu, "K_RJ")) for nu in (217, 353)]
    assert float(made[0, 0]) * to_rj[0] / to_rj[1] == pytest.approx(0.5668293326701745, rel=1e-6)


def test_derivatives_of_the_mixing_matrix_are_those_of_differences():
    bands = bands_of(np.array([40.0, 100.0, 353.0]), np.array([10.0, 20.0, 60.0]))
    _, by = columns(bands, ["dust", "synchrotron"], INDICES)
    for name, slope in by.items():
        step = 1e-4
        up, down = (
            columns(bands, ["dust", "synchrotron"], {**INDICES, name: INDICES[name] + sign * step})[0]
            for sign in (1, -1)
        )
        np.testing.assert_allclose((up - down) / (2 * step), slope, rtol=1e-6, atol=1e-12)


def test_a_top_hat_is_the_integral_over_the_band():
    from scipy import integrate

    from analysis.cmb.temperatures import cmb_intensity, rj_intensity

    channels = table(bandwidth=([23.0, 100.0], "GHz"))
    made = float(cmb.mixing_matrix(channels, components=["synchrotron"], bandpass="tophat")[1, 0])
    above = integrate.quad(lambda nu: float(rj_intensity(nu)) * (nu / 23) ** -3, 303, 403)[0]
    below = integrate.quad(lambda nu: float(cmb_intensity(nu)), 303, 403)[0]
    at23 = float(rj_intensity(23.0) / cmb_intensity(23.0))
    assert made == pytest.approx(above / below / at23, rel=1e-9)


def test_templates_have_their_amplitudes_at_multipole_80():
    held = template_covariances("dust", 100)[80] * 80 * 81 / (2 * np.pi)
    assert np.diagonal(held) == pytest.approx([350, 100, 50])
    slope = np.log(template_covariances("dust", 160)[160, 2, 2] / template_covariances("dust", 160)[80, 2, 2])
    assert slope / np.log(2) == pytest.approx(-2.54, abs=0.02)  # Planck 2018 XI: α_BB = -2.54 ± 0.02


@pytest.mark.slow
def test_emission_grows_towards_the_plane_unless_told_not_to():
    plane = ~cmb.galactic_mask(32, latitude=20)
    for modulated in (True, False):
        power = (only("dust", modulated=modulated).sky[-1] ** 2).sum("stokes")
        ratio = float(power.where(plane).mean() / power.where(~plane).mean())
        assert (ratio > 4) if modulated else (0.3 < ratio < 3)


def test_scattered_indices_are_constant_within_a_coarse_cell():
    sky = only("synchrotron", nside=8, index_scatter={"beta_synchrotron": 0.2}, index_nside=2)
    index = cmb.spectral_index(sky.isel(frequency=[0]), sky.isel(frequency=[5])).index.values.reshape(48, 16)
    np.testing.assert_allclose(index, np.broadcast_to(index[:, :1], index.shape), atol=1e-10)
    assert 0.1 < index[:, 0].std() < 0.3 and index.mean() == pytest.approx(-3, abs=0.15)


# ------------------------------------------------------------------------------------------------ noise, beams


@pytest.mark.slow
@pytest.mark.parametrize("nside", [16, 64])
def test_white_noise_has_the_depth_of_the_channel(nside):
    sky = cmb.simulated_sky("litebird", nside, components=[], seed=2)
    spread = sky.sky.std(["stokes", "cells"]).values * cell_arcmin(nside)
    wanted = cmb.fetch("litebird_channels").polarization_sensitivity.values
    np.testing.assert_allclose(spread, wanted, rtol=0.04 if nside == 16 else 0.02)


@pytest.mark.slow
def test_noise_of_all_channels_together_is_that_of_litebird():
    sky = cmb.simulated_sky("litebird", 32, components=[], seed=2)
    weights = sky.depth.sel(stokes="Q") ** -2
    both = (sky.sky * weights / weights.sum()).sum("frequency")
    assert float(both.std() * cell_arcmin(32)) == pytest.approx(2.1595, rel=0.02)


@pytest.mark.slow
def test_intensity_is_quieter_by_root_two_or_as_the_table_says():
    sky = cmb.simulated_sky("litebird", 4, components=[], seed=2, stokes="IQU")
    np.testing.assert_allclose(sky.depth.sel(stokes="Q") / sky.depth.sel(stokes="I"), np.sqrt(2))
    planck = cmb.simulated_sky("planck", 4, components=[], seed=2, stokes="IQU")
    assert planck.depth.sel(stokes="I").values[3:5].tolist() == [77.4, 33.0]


def test_one_over_f_noise_has_its_knee():
    channels = table(knee_multipole=([40.0, 40.0], "1"), knee_slope=([-2.0, -2.0], "1"))
    sky = cmb.simulated_sky(channels, 64, components=[], seed=5, one_over_f=True)
    cl = cmb.power_spectra(sky.isel(frequency=[0]), lmax=128).cl.sel(spectrum=["EE", "BB"]).mean("spectrum")
    white = (10.0 * np.pi / 10800) ** 2
    ell = np.arange(4, 129)
    ratio = cl.sel(ell=ell).values / white / (1 + (ell / 40.0) ** -2)
    low, high = ell < 20, ell > 60
    assert np.average(ratio[low], weights=2 * ell[low] + 1) == pytest.approx(1, abs=0.12)
    assert np.average(ratio[high], weights=2 * ell[high] + 1) == pytest.approx(1, abs=0.03)


@pytest.mark.slow
def test_each_band_has_its_own_beam():
    smooth, sharp = (
        cmb.simulated_sky(table(), 64, components=["cmb"], seed=1, noise=False, beams=b) for b in ("channels", None)
    )
    for band, width in ((0, 1.0), (1, 0.5)):
        seen, plain = (cmb.power_spectra(one(s, band), lmax=96).cl.sel(spectrum="EE") for s in (smooth, sharp))
        wanted = beam_factors(width, 96)[1] ** 2
        np.testing.assert_allclose((seen / plain).values[10:90], wanted[10:90], rtol=0.01)
    assert smooth.beam.values.tolist() == [60, 30] and "beam" not in sharp


def test_the_beam_acts_on_foregrounds_too():
    smooth, sharp = (
        cmb.simulated_sky(table(), 32, components=["dust"], seed=1, noise=False, beams=b) for b in ("3 deg", None)
    )
    again = cmb.smoothed(sharp.isel(frequency=[1]), fwhm=3, lmax=95).sky
    np.testing.assert_allclose(smooth.sky[1], again, atol=1e-3 * float(abs(again).max()))


def test_hits_make_noise_uneven_and_leave_out_what_was_not_seen():
    hits = xr.DataArray(np.r_[np.full(1536, 4.0), np.full(1535, 1.0), 0.0], dims="cells", coords={"cell_ids": _ids(16)})
    sky = cmb.simulated_sky(table(), 16, components=[], seed=1, hits=hits)
    first, second = sky.sky[0, :, :1536].std(), sky.sky[0, :, 1536:].std()
    assert float(second / first) == pytest.approx(2, rel=0.06)
    assert np.isnan(sky.sky[..., -1]).all() and int(np.isnan(sky.sky).sum()) == 4


def _ids(nside):
    return cmb.galactic_mask(nside).cell_ids


# ------------------------------------------------------------------------------------------------ realizations


@pytest.mark.slow
def test_realizations_are_lazy_differ_and_begin_with_the_single_one():
    many = check(cmb.simulated_sky("litebird", 8, seed=4, realizations=1000, components=["cmb"]))
    assert many.sky.chunks is not None and many.sizes["realization"] == 1000
    some = many.sky[:3].values
    np.testing.assert_array_equal(some[0], cmb.simulated_sky("litebird", 8, seed=4, components=["cmb"]).sky)
    assert abs(np.corrcoef(some[1, 6].ravel(), some[2, 6].ravel())[0, 1]) < 0.9
    noise = cmb.simulated_sky("litebird", 8, seed=4, components=[], realizations=2).sky.values
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


def test_foregrounds_stay_from_one_realization_to_the_next():
    made = cmb.simulated_sky("litebird", 8, seed=4, components=["dust"], noise=False, realizations=2).sky.values
    np.testing.assert_array_equal(made[0], made[1])


def test_the_same_seed_gives_the_same_sky_and_another_another():
    first, again, other = (cmb.simulated_sky("planck", 4, seed=s).sky for s in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)


def test_a_simulation_says_that_it_is_one():
    sky = check(cmb.simulated_sky("litebird", 4, seed=1))
    assert is_synthetic(sky) and is_synthetic(sky.sky)
    assert "Synthetic" in sky.attrs["title"] and "Synthetic" in sky.attrs["caveats"]
    assert (sky.attrs["polconv"], sky.attrs["frame"], sky.attrs["temperature_scale"]) == ("COSMO", "galactic", "K_CMB")
    assert sky.sizes["frequency"] == 22 and sky.channel_name[0] == "L1-040"


@pytest.mark.parametrize("name", ["litebird", "planck", "so_sat"])
def test_instruments_keep_the_contract(name):
    channels = check(cmb.instrument_channels(name))
    assert (channels.polarization_sensitivity > 0).all() and channels.frequency.attrs["units"] == "GHz"


@pytest.mark.slow
def test_an_instrument_has_one_table_for_maps_and_forecasts():
    channels = cmb.instrument_channels("so_sat")
    assert float(cmb.forecast("so_sat", lmax=80).sigma_r) == float(cmb.forecast(channels, lmax=80).sigma_r)
    drawn = cmb.simulated_sky("SO_SAT", 4, seed=1)
    assert drawn.identical(cmb.simulated_sky(channels, 4, seed=1))
    np.testing.assert_array_equal(drawn.depth.sel(stokes="Q"), channels.polarization_sensitivity)


def test_polarization_of_planck_is_noisier_than_temperature_by_root_two_and_by_more_at_353_ghz():
    planck = cmb.instrument_channels("planck")
    ratio = (planck.polarization_sensitivity / planck.temperature_sensitivity).values
    assert ratio[:3] == pytest.approx(2**0.5, rel=0.06)  # all radiometers measure both
    assert (ratio[3:] > 1.5).all() and ratio[-1] == ratio.max()  # some bolometers see no polarization


def test_litebirds_channels_at_one_frequency_together_are_its_fifteen_bands():
    # depths of the 15 bands, uK arcmin, as noise models of the collaboration have them (cmbdb, github.com/dpole/cmbdb)
    published = [37.42, 33.46, 21.31, 16.87, 12.07, 11.30, 6.56, 4.58, 4.79, 5.57, 5.85, 10.79, 13.80, 21.95, 47.45]
    channels = cmb.instrument_channels("litebird")
    weight = (channels.polarization_sensitivity**-2).groupby(channels.frequency).sum()
    np.testing.assert_allclose(weight**-0.5, published, atol=0.006)


def test_what_is_no_published_share_of_the_sky_is_said_to_be_none():
    for name in ("litebird", "planck"):
        made = cmb.instrument_channels(name)
        assert made.attrs["sky_fraction"] == 0.5 and "not published" in made.attrs["caveats"]
        assert "not published" in cmb.forecast(made, lmax=50).attrs["caveats"]


def test_the_ground_instrument_is_what_its_noise_calculator_gives():
    # Simons Observatory noise calculator v3.1.1, baseline, 5 years, 1 year of LF, f_sky 0.1, 15 % for uneven hits
    net = np.array([21 * 5**0.5, 13 * 5**0.5, 3.4 * (2 / 1.8) ** 0.5, 4.3 * (2 / 1.8) ** 0.5, 8.6, 22])
    area, time = 0.1 * 4 * np.pi * (10800 / np.pi) ** 2, 5 * 365 * 86400 * 0.2 * 0.85
    depth = net * np.sqrt(2 * area / time)
    np.testing.assert_allclose(cmb.instrument_channels("so_sat").polarization_sensitivity, depth, rtol=0.035)


# ---------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"channels": "litebrd"}, BadOption, "did you mean 'litebird'"),
        ({"nside": 12}, BadOption, "power of two"),
        ({"seed": -1}, BadOption, "seed"),
        ({"seed": 1.5}, BadOption, "seed"),
        ({"components": ["dusty"]}, BadOption, "did you mean 'dust'"),
        ({"components": ["dust", "dust"]}, BadOption, "each once"),
        ({"stokes": "QI"}, BadOption, "'IQU'"),
        ({"indices": {"beta_dst": 1.5}}, BadOption, "did you mean 'beta_dust'"),
        ({"indices": {"beta_dust": 15}}, BadOption, "from -2 to 6"),
        ({"index_scatter": {"beta_dust": -1}}, BadOption, "index_scatter"),
        ({"index_scatter": {"beta": 0.1}}, BadOption, "index_scatter"),
        ({"index_scatter": {"beta_dust": 0.1}, "index_nside": 8}, BadOption, "index_nside"),
        ({"beams": -1}, BadOption, "negative"),
        ({"beams": "wide"}, BadOption, "beams"),
        ({"bandpass": "box"}, BadOption, "tophat"),
        ({"channels": "planck", "bandpass": "tophat"}, WrongData, "bandwidth"),
        ({"one_over_f": True}, WrongData, "knee_multipole"),
        ({"one_over_f": True, "noise": False}, BadOption, "noise=True"),
        ({"realizations": 0}, BadOption, "realizations"),
        ({"lmax": 500}, BadOption, "lmax"),
        ({"references": {"cmb": 100}}, BadOption, "cmb"),
        ({"spectra": xr.Dataset()}, WrongData, "planck2018_lcdm"),
        ({"hits": xr.DataArray(np.ones(3), dims="x")}, WrongData, "cells"),
    ],
)
def test_a_wrong_option_is_told_what_would_be_right(options, error, match):
    asked = {"channels": "litebird", "nside": 4, "seed": 1} | options
    with pytest.raises(error, match=match) as caught:
        cmb.simulated_sky(asked.pop("channels"), asked.pop("nside"), **asked)
    assert isinstance(caught.value, AnalysisError)


def test_a_beam_in_a_table_that_is_not_known_is_refused():
    channels = table()
    channels["beam"][0] = np.nan
    with pytest.raises(WrongData, match="beam"):
        cmb.simulated_sky(channels, 4, seed=1)


def test_multipoles_are_cut_where_the_spectra_end(planck):
    short = planck.sel(ell=slice(0, 40))
    sky = cmb.simulated_sky("litebird", 32, seed=1, components=["cmb"], spectra=short, noise=False, beams=None)
    cl = cmb.power_spectra(one(sky), lmax=90).cl.sel(spectrum="EE")
    assert float(cl[45:].max()) < 1e-3 * float(cl[2:40].max())
    assert '"lmax": 40' in sky.attrs["history"] and multipoles(40)[0].size == 861

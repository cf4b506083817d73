"""Component separation: injected indices and CMB come back, errors are what they say, and fgbuster agrees."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import cmb
from analysis.cmb.bands import bands_dataset
from analysis.cmb.emission import INDICES, bands_of, columns
from analysis.cmb.needlets import constrained_weights, needlet_scales
from analysis.cmb.spectral_likelihood import Statistic, log_likelihood, weights_of
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, WrongData, WrongFrame, WrongUnits
from analysis.model import check, is_synthetic

FACTS = {"frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}
TRUTH = {"beta_dust": 1.54, "beta_synchrotron": -3.0}


def bands(values, frequencies, **attrs):
    """Return maps (bands, Q and U, cells) in uK."""
    nu = xr.DataArray(frequencies, dims="frequency", attrs={"units": "GHz", "long_name": "Band centre"})
    stokes = xr.DataArray(["Q", "U"], dims="stokes", attrs={"long_name": "Stokes parameter"})
    return bands_dataset(np.asarray(values, dtype=float), {"frequency": nu, "stokes": stokes}, FACTS | attrs)


@pytest.fixture(scope="module")
def sky():
    return cmb.simulated_sky("litebird", 16, seed=1, beams=None)


@pytest.fixture(scope="module")
def fit(sky):
    return check(cmb.parametric_components(sky))


@pytest.fixture(scope="module")
def truth():
    """Return the components of that sky without noise, at the frequencies of reference."""
    made = {}
    for name, nu in (("cmb", 353), ("dust", 353), ("synchrotron", 23)):
        channels = xr.Dataset(coords={"frequency": ("frequency", [float(nu)], {"units": "GHz", "long_name": "nu"})})
        made[name] = cmb.simulated_sky(channels, 16, seed=1, components=[name], beams=None, noise=False).sky.values[0]
    return made


@pytest.fixture(scope="module")
def still():
    """Return fits of 24 realizations of the noise over one sky: with free indices, and with those of the sky."""
    drawn = cmb.simulated_sky("litebird", 8, seed=1, beams=None, noise=False)
    depth = cmb.simulated_sky("litebird", 8, seed=1, components=[]).depth
    noise = cmb.simulated_sky("litebird", 8, seed=9, components=[], realizations=24).sky.values
    made = []
    for one in noise:
        noisy = drawn.assign(sky=(drawn.sky + one).assign_attrs(drawn.sky.attrs), depth=depth)
        made.append((cmb.parametric_components(noisy), cmb.parametric_components(noisy, free=[])))
    return made


# -------------------------------------------------------------------------------------------------- parametric


def test_amplitudes_and_indices_are_those_of_fgbuster(oracle):
    held = np.load(oracle / "cmb" / "fgbuster_15bands_nside32.npz")
    noise = xr.DataArray(held["noise_uk"], dims="frequency", attrs={"units": "uK"})
    made = check(cmb.parametric_components(bands(held["maps_uk"], held["frequency_ghz"]), noise=noise))
    np.testing.assert_allclose(made.value, held["beta"], atol=1e-8)
    for ours, theirs in zip(made.amplitude.values, held["amplitudes_uk"], strict=True):
        assert abs(ours - theirs).max() < 1e-6 * abs(theirs).max()  # files in float32


def test_indices_come_back_within_their_errors(fit):
    away = (fit.value - [TRUTH[name] for name in fit.parameter.values]) / fit.error
    assert abs(away).max() < 4
    assert fit.parameter.values.tolist() == ["beta_dust", "beta_synchrotron"]


def test_without_noise_everything_comes_back_exactly(truth):
    clean = cmb.simulated_sky("litebird", 16, seed=1, beams=None, noise=False)
    depth = xr.DataArray(np.full(22, 5.0), dims="frequency", attrs={"units": "uK arcmin"})
    made = cmb.parametric_components(clean, noise=depth)
    assert made.value.values == pytest.approx([1.54, -3.0], abs=1e-7)
    for name, wanted in truth.items():
        np.testing.assert_allclose(made.amplitude.sel(emission=name), wanted, atol=1e-4)


def test_the_temperature_of_dust_can_be_free_too():
    hot = cmb.simulated_sky("litebird", 16, seed=1, beams=None, noise=False, indices={"temperature_dust": 21.0})
    depth = xr.DataArray(np.full(22, 1.0), dims="frequency", attrs={"units": "uK arcmin"})
    made = cmb.parametric_components(hot, noise=depth, free=["beta_dust", "temperature_dust", "beta_synchrotron"])
    assert made.value.values == pytest.approx([1.54, 21.0, -3.0], abs=1e-3)


@pytest.mark.slow
def test_the_error_of_an_index_is_its_scatter(still):
    away = []
    for made, _ in still:
        away.append((made.value.values - list(TRUTH.values())) / made.error.values)
    assert np.std(away, axis=0) == pytest.approx([1, 1], abs=0.4)
    assert abs(np.mean(away, axis=0)).max() < 4 / np.sqrt(len(away))


def test_chi_squared_is_that_of_the_residuals_and_near_its_degrees_of_freedom(sky, fit):
    from analysis.cmb.bands import cell_arcmin

    rest = (sky.sky - cmb.modelled_sky(fit).sky) / (sky.depth / cell_arcmin(16))
    assert float((rest**2).sum()) == pytest.approx(fit.attrs["statistic_value"], rel=1e-9)
    dof = fit.attrs["dof"]
    assert dof == 3072 * 2 * (22 - 3) - 2
    assert fit.attrs["statistic_value"] == pytest.approx(dof, abs=5 * np.sqrt(2 * dof))


def test_noise_of_the_amplitudes_is_their_covariance(sky, fit, truth):
    away = fit.amplitude.sel(emission="cmb").values - truth["cmb"]
    wanted = np.sqrt(float(fit.amplitude_covariance.sel(emission="cmb", emission_other="cmb", stokes="Q")))
    assert away.std() == pytest.approx(wanted, rel=0.03)


def test_covariance_of_amplitudes_is_that_of_fgbusters_formula():
    mixing, _ = columns(bands_of(np.array([40.0, 100.0, 150.0, 353.0])), ["cmb", "dust", "synchrotron"], INDICES)
    sigma = np.array([[3.0, 1.0, 1.5, 4.0]])
    weights, covariance = weights_of(mixing, sigma)
    inverse = mixing.T @ np.diag(sigma[0] ** -2) @ mixing
    np.testing.assert_allclose(covariance[0], np.linalg.inv(inverse), rtol=1e-10)
    np.testing.assert_allclose(weights[0] @ mixing, np.eye(3), atol=1e-12)


def test_the_gradient_is_that_of_differences():
    random = np.random.default_rng(1)
    data = random.normal(size=(6, 50))
    statistic = Statistic((data @ data.T)[None, None], np.ones((1, 6)), np.array([50]))
    held = bands_of(np.array([40.0, 70.0, 100.0, 150.0, 220.0, 353.0]))

    def at(value):
        mixing, by = columns(held, ["cmb", "dust", "synchrotron"], {**INDICES, "beta_dust": np.array([value])})
        return log_likelihood(statistic, mixing, [by["beta_dust"]])

    up, down = at(1.6 + 1e-5)[0], at(1.6 - 1e-5)[0]
    assert float(at(1.6)[1][0, 0]) == pytest.approx(float((up - down)[0]) / 2e-5, rel=1e-5)


@pytest.mark.slow
def test_patches_find_the_indices_of_each_part_of_the_sky():
    spread = {"beta_dust": 0.1, "beta_synchrotron": 0.2}
    drawn = cmb.simulated_sky("litebird", 16, seed=3, beams=None, noise=False, index_scatter=spread, index_nside=1)
    depth = xr.DataArray(np.full(22, 1.0), dims="frequency", attrs={"units": "uK arcmin"})
    whole = cmb.parametric_components(drawn, noise=depth)
    parts = check(cmb.parametric_components(drawn, noise=depth, patches=1))
    assert parts.sizes["patch"] == 12 and bool(parts.converged.all())
    assert parts.value.std("patch").values == pytest.approx([0.1, 0.2], rel=0.6)
    assert parts.attrs["statistic_value"] < 1e-9 * whole.attrs["statistic_value"]
    index = check(cmb.index_map(parts, "beta_dust"))
    np.testing.assert_allclose(index["index"][:256], float(parts.value[0, 0]))
    model = cmb.modelled_sky(parts)
    np.testing.assert_allclose(model.sky, drawn.sky, atol=1e-4)


def test_a_patch_is_what_a_mask_of_it_gives(sky):
    parts = cmb.parametric_components(sky, patches=1)
    mask = cmb.galactic_mask(16, latitude=0).copy(data=np.arange(3072) // 256 == 5)
    alone = cmb.parametric_components(sky, mask=mask)
    np.testing.assert_allclose(parts.value[5], alone.value, rtol=1e-7)
    np.testing.assert_allclose(parts.error[5], alone.error, rtol=1e-4)
    np.testing.assert_allclose(parts.amplitude[..., 1280:1536], alone.amplitude[..., 1280:1536], atol=1e-6)


def test_cells_that_were_not_seen_are_left_out_and_stay_nan(sky, fit):
    holes = sky.copy(deep=True)
    holes["sky"][3, 0, :100] = np.nan
    made = check(cmb.parametric_components(holes))
    assert np.isnan(made.amplitude[..., :100]).all() and not np.isnan(made.amplitude[..., 100:]).any()
    assert int(made.cells_used) == 2972
    mask = cmb.galactic_mask(16, latitude=0).copy(data=np.arange(3072) >= 100)
    masked = cmb.parametric_components(sky, mask=mask)
    np.testing.assert_allclose(made.value, masked.value, rtol=1e-9)
    with pytest.raises(WrongData, match="not observed"):
        cmb.parametric_components(holes, mask=mask.copy(data=np.arange(3072) >= 50))


@pytest.mark.slow
def test_hits_weigh_cells_by_their_noise():
    hits = xr.DataArray(np.r_[np.full(1536, 9.0), np.full(1536, 0.1)], dims="cells", attrs={"frame": "galactic"})
    hits = hits.assign_coords(cell_ids=cmb.galactic_mask(16).cell_ids)
    drawn = cmb.simulated_sky("litebird", 16, seed=1, beams=None, hits=hits)
    weighed, plain = cmb.parametric_components(drawn), cmb.parametric_components(drawn.drop_vars("hits"))
    xr.testing.assert_allclose(weighed.value, cmb.parametric_components(drawn.drop_vars("hits"), hits=hits).value)
    assert weighed.attrs["statistic_value"] / weighed.attrs["dof"] == pytest.approx(1, abs=0.02)
    assert plain.attrs["statistic_value"] / plain.attrs["dof"] > 2
    assert abs(weighed.value - list(TRUTH.values())).max() < 4 * float(weighed.error.max())


@pytest.mark.slow
def test_index_errors_leave_behind_what_simulations_leave(still):
    left, told = [], []
    for made, exact in still:
        left.append(float((made.amplitude - exact.amplitude).sel(emission="cmb").std()))
        told.append(float(np.sqrt((cmb.index_residual(made).residual_error ** 2).mean())))
    assert np.sqrt(np.mean(np.square(left))) == pytest.approx(np.sqrt(np.mean(np.square(told))), rel=0.4)


def test_a_convention_changes_only_the_sign_of_u(sky, fit):
    flipped = sky.assign(sky=sky.sky * xr.DataArray([1, -1], dims="stokes").assign_coords(stokes=["Q", "U"]))
    flipped["sky"] = flipped.sky.transpose(*sky.sky.dims).assign_attrs(sky.sky.attrs)
    made = cmb.parametric_components(flipped.assign_attrs(polconv="IAU"))
    np.testing.assert_allclose(made.value, fit.value, rtol=1e-9)
    np.testing.assert_allclose(made.amplitude.sel(stokes="U"), -fit.amplitude.sel(stokes="U"), atol=1e-7)
    assert made.attrs["polconv"] == "IAU"


@pytest.mark.slow
@settings(max_examples=20)
@given(factor=st.floats(0.01, 100))
def test_the_level_of_the_noise_does_not_move_the_indices(sky, fit, factor):
    many = cmb.parametric_components(sky, noise=sky.depth * factor)
    np.testing.assert_allclose(many.value, fit.value, atol=1e-6)
    np.testing.assert_allclose(many.error, factor * fit.error, rtol=1e-3)


def test_a_start_far_off_ends_at_the_same_maximum(sky, fit):
    for start in ({"beta_dust": 4.0, "beta_synchrotron": 0.0}, {"beta_dust": 0.2, "beta_synchrotron": -5.0}):
        np.testing.assert_allclose(cmb.parametric_components(sky, indices=start).value, fit.value, atol=1e-5)


def test_noise_may_be_the_table_of_the_instrument(sky, fit):
    table = cmb.fetch("litebird_channels").polarization_sensitivity
    np.testing.assert_allclose(cmb.parametric_components(sky, noise=table).value, fit.value, atol=1e-9)
    with pytest.raises(WrongData, match="not the order"):
        cmb.parametric_components(sky, noise=sky.depth[::-1])


def test_units_and_float32_do_not_matter(sky, fit):
    other = sky.assign(sky=(sky.sky / 1000).astype("f4").assign_attrs({**sky.sky.attrs, "units": "mK"}))
    made = cmb.parametric_components(other)
    np.testing.assert_allclose(made.value, fit.value, atol=1e-5)
    big = sky.assign(sky=sky.sky.astype(">f8").assign_attrs(sky.sky.attrs)).chunk(cells=512)
    np.testing.assert_allclose(cmb.parametric_components(big).value, fit.value, atol=1e-9)


def test_a_fit_of_a_simulation_is_synthetic(fit):
    assert is_synthetic(fit) and is_synthetic(fit.amplitude)
    for made in (cmb.modelled_sky(fit), cmb.index_map(fit, "beta_dust"), cmb.index_residual(fit)):
        assert is_synthetic(check(made))


def test_foregrounds_alone_are_the_model_without_the_cmb(fit):
    rest = cmb.modelled_sky(fit).sky - cmb.modelled_sky(fit, without="cmb").sky
    np.testing.assert_allclose(rest[4], fit.amplitude.sel(emission="cmb"), atol=1e-9)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"components": ["cmb", "dst"]}, BadOption, "did you mean 'dust'"),
        ({"free": ["beta"]}, BadOption, "beta_dust"),
        ({"indices": {"beta_dust": "steep"}}, BadOption, "not a number"),
        ({"patches": 3}, BadOption, "power of two"),
        ({"patches": 32}, BadOption, "finer"),
        ({"stokes": "U"}, BadOption, "'QU'"),
        ({"stokes": "IQU"}, WrongData, "lacks Stokes I"),
        ({"noise": xr.DataArray([1.0], dims="frequency", attrs={"units": "uK"})}, WrongData, "1 bands, the map 22"),
        ({"noise": xr.DataArray(np.ones(22), dims="frequency", attrs={"units": "Jy"})}, WrongUnits, "uK"),
        ({"noise": xr.DataArray(np.zeros(22), dims="frequency", attrs={"units": "uK"})}, WrongData, "positive"),
        ({"noise": 3.0}, BadOption, "DataArray"),
        ({"mask": cmb.galactic_mask(8)}, WrongData, "nside"),
        ({"mask": cmb.galactic_mask(16) * 0.5}, WrongData, "between 0 and 1"),
        ({"bandpass": "tophats"}, BadOption, "tophat"),
    ],
)
def test_what_is_wrong_with_a_fit_is_said(sky, options, error, match):
    with pytest.raises(error, match=match) as caught:
        cmb.parametric_components(sky, **options)
    assert isinstance(caught.value, AnalysisError)


def test_maps_in_another_scale_or_of_no_convention_are_refused(sky):
    with pytest.raises(WrongUnits, match="in_temperature_scale"):
        cmb.parametric_components(cmb.in_temperature_scale(sky, "K_RJ"))
    loose = sky.copy()
    loose.attrs = {k: v for k, v in sky.attrs.items() if k != "polconv"}
    with pytest.raises(WrongFrame, match="polconv"):
        cmb.parametric_components(loose)


@pytest.mark.slow
def test_maps_with_differing_beams_are_refused_until_they_are_brought_to_one():
    drawn = cmb.simulated_sky("litebird", 16, seed=1)
    with pytest.raises(WrongData, match="common_resolution"):
        cmb.parametric_components(drawn)
    even = check(cmb.common_resolution(drawn))
    made = cmb.parametric_components(even)
    assert made.value.values == pytest.approx([1.54, -3.0], abs=0.03)
    assert float(even.beam[0]) == 70.5


def test_too_few_bands_and_alike_components_are_refused(sky):
    with pytest.raises(WrongData, match="3 different bands cannot tell 3 components and free indices apart"):
        cmb.parametric_components(sky.isel(frequency=[0, 5, 6, 21]))  # two of them at 78 GHz
    near = ("frequency", 40 + 1e-9 * np.arange(4), {"units": "GHz", "long_name": "Band centre"})
    with pytest.raises(WrongData, match="singular"):
        cmb.parametric_components(sky.isel(frequency=[0, 1, 2, 3]).assign_coords(frequency=near), free=[])


@pytest.mark.slow
def test_a_sky_without_foregrounds_has_no_maximum_and_says_so(sky):
    with pytest.raises(WrongData, match="no maximum"):
        cmb.parametric_components(sky.assign(sky=(sky.sky * 0).assign_attrs(sky.sky.attrs)))
    half = sky.assign(sky=(sky.sky * (np.arange(3072) < 1536)).assign_attrs(sky.sky.attrs))
    with pytest.warns(AnalysisWarning, match="6 of 12 patches"):
        made = check(cmb.parametric_components(half, patches=1))
    assert int(made.converged.sum()) == 6 and np.isnan(made.amplitude[..., 1536:]).all()


# ------------------------------------------------------------------------------------------------ linear combinations


@pytest.fixture(scope="module")
def planck_sky():
    return cmb.simulated_sky("planck", 32, seed=2, beams="2 deg")


@pytest.mark.slow
@pytest.mark.parametrize("method", [cmb.harmonic_ilc, cmb.needlet_ilc])
def test_ilc_lets_the_cmb_through_whole_and_takes_foregrounds_away(method):
    parts = {
        name: cmb.simulated_sky("litebird", 32, seed=2, beams="2 deg", components=[name], noise=False)
        for name in ("cmb", "dust")
    }
    drawn = cmb.simulated_sky("litebird", 32, seed=2, beams="2 deg")
    made = check(method(drawn, through=parts["cmb"], lmax=64))
    alone = cmb.smoothed(parts["cmb"].isel(frequency=[0]), fwhm="0 deg", lmax=64).sky
    scale = float(alone.std())
    assert float((made.propagated - alone).std()) < 1e-4 * scale
    dust = method(drawn, through=parts["dust"], lmax=64).propagated
    assert float(dust.std()) < 0.06 * float(parts["dust"].sky[12].std())
    assert float((made.sky - alone).std()) < 0.5 * scale
    assert is_synthetic(made)


@pytest.mark.slow
@pytest.mark.parametrize("soft", [False, True])
def test_needlets_let_the_cmb_through_whole_under_a_mask_too(soft):
    mask = cmb.galactic_mask(16, latitude=20)
    mask = cmb.apodized_mask(mask, scale="20 deg", kind="C2") if soft else mask
    alone = cmb.simulated_sky("planck", 16, seed=3, beams="6 deg", components=["cmb"], noise=False)
    drawn = cmb.simulated_sky("planck", 16, seed=3, beams="6 deg")
    one, other = (f(drawn, through=alone, mask=mask, lmax=32).propagated for f in (cmb.needlet_ilc, cmb.harmonic_ilc))
    assert float(abs(one - other).max()) < 1e-4 * float(other.std())  # both are the masked CMB up to lmax


@pytest.mark.slow
@pytest.mark.parametrize("method", [cmb.harmonic_ilc, cmb.needlet_ilc])
def test_constrained_ilc_lets_no_dust_of_that_spectrum_through(method):
    drawn = cmb.simulated_sky("litebird", 32, seed=2, beams="2 deg")
    dust = cmb.simulated_sky("litebird", 32, seed=2, beams="2 deg", components=["dust"], noise=False)
    made = method(drawn, null=["dust"], through=dust, lmax=64)
    assert float(abs(made.propagated).max()) < 1e-6 * float(abs(dust.sky).max())
    wrong = method(drawn, null=["dust"], through=dust, lmax=64, indices={"beta_dust": 1.3})
    assert float(abs(wrong.propagated).max()) > 1e-4 * float(abs(dust.sky).max())


def test_weights_of_least_variance_are_those_of_lagrange():
    random = np.random.default_rng(2)
    half = random.normal(size=(6, 40))
    covariance, spectra = half @ half.T, np.stack([np.ones(6), random.normal(size=6)], axis=1)
    weights = constrained_weights(covariance, spectra)
    assert weights @ spectra == pytest.approx([1, 0], abs=1e-12)
    free = random.normal(size=6)
    free -= spectra @ np.linalg.solve(spectra.T @ spectra, spectra.T @ free)  # keeps both constraints
    assert weights @ covariance @ free == pytest.approx(0, abs=1e-9)


def test_the_cmb_that_is_lost_is_what_the_bias_says():
    random, lost = np.random.default_rng(4), []
    bands_, modes = 8, 80
    for _ in range(400):
        signal, noise = random.normal(size=modes), random.normal(size=(bands_, modes))
        data = signal + noise
        weights = constrained_weights(data @ data.T, np.ones((bands_, 1)))
        lost.append(2 * signal @ (weights @ noise) / (signal @ signal))
    # the power of signal and leftover noise is 2 (bands - 1) / modes short of that of independent ones, the noise
    # itself makes up for half of it
    # (Delabrouille et al. 2009, A&A 493, 835)
    assert np.mean(lost) == pytest.approx(-2 * (bands_ - 1) / modes, rel=0.15)


def _map(array, like):
    made = array.rename("sky").to_dataset().assign_attrs(FACTS)
    return made.assign_coords(cell_ids=like.cell_ids, stokes=["Q", "U"])


def test_noise_of_the_harmonic_ilc_is_that_of_noise_maps(planck_sky):
    noise = cmb.simulated_sky("planck", 32, seed=77, components=[]).assign(beam=planck_sky.beam)
    made = cmb.harmonic_ilc(planck_sky, through=noise, lmax=64)
    cl = cmb.power_spectra(_map(made.propagated, planck_sky), lmax=64).cl
    ell = np.arange(20, 60)
    for label in ("EE", "BB"):
        ratio = cl.sel(spectrum=label, ell=ell).values / made.noise_cl.sel(spectrum=label, ell=ell).values
        assert np.average(ratio, weights=2 * ell + 1) == pytest.approx(1, abs=0.06)


def test_squares_of_needlets_add_to_one():
    for peaks in (None, [10, 20, 64], [64]):
        windows = np.stack([scale.window for scale in needlet_scales(peaks, lmax=90, nside=32)])
        np.testing.assert_allclose((windows**2).sum(axis=0), 1, atol=1e-12)


@pytest.mark.slow
def test_needlets_follow_foregrounds_that_change_over_the_sky():
    quiet = cmb.instrument_channels("so_sat")
    depth = quiet.polarization_sensitivity
    quiet["polarization_sensitivity"] = (depth / 10).assign_attrs(depth.attrs)
    mask = cmb.galactic_mask(32, latitude=10)
    for seed in (5, 8):
        options = {"seed": seed, "beams": "3 deg", "index_scatter": {"beta_dust": 0.2}, "index_nside": 1}
        drawn = cmb.simulated_sky(quiet, 32, **options)
        alone = cmb.simulated_sky(quiet, 32, components=["cmb"], noise=False, **options)
        left = []
        for method in (cmb.needlet_ilc, cmb.harmonic_ilc):
            made = method(drawn, through=alone, mask=mask, lmax=64, tolerance=0.02)
            error = made[["sky"]].assign(sky=(made.sky - made.propagated).assign_attrs(made.sky.attrs))
            cl = cmb.power_spectra(error, mask=mask, lmax=64).cl.sel(spectrum=["EE", "BB"], ell=slice(40, 64))
            left.append(float((cl * (2 * cl.ell + 1)).sum()))
        assert left[0] < 0.95 * left[1]  # below, averages hold few modes, and chance correlations decide


def test_ilc_keeps_the_sign_of_u_in_the_other_convention(planck_sky):
    iau = planck_sky.assign(
        sky=(planck_sky.sky * xr.where(planck_sky.stokes == "U", -1, 1)).transpose(*planck_sky.sky.dims)
    )
    iau["sky"].attrs = planck_sky.sky.attrs
    made, flipped = (cmb.harmonic_ilc(s) for s in (planck_sky, iau.assign_attrs(polconv="IAU")))
    np.testing.assert_allclose(flipped.sky.sel(stokes="U"), -made.sky.sel(stokes="U"), atol=1e-9)


@pytest.mark.slow
def test_a_mask_leaves_its_cells_out_of_the_ilc(planck_sky):
    holes = planck_sky.copy(deep=True)
    mask = cmb.galactic_mask(32, latitude=15)
    holes["sky"] = holes.sky.where(mask)
    with pytest.raises(WrongData, match="not observed"):
        cmb.harmonic_ilc(holes)
    for method in (cmb.harmonic_ilc, cmb.needlet_ilc):
        made = check(method(holes, mask=mask))
        assert bool((np.isnan(made.sky).any("stokes") == ~mask).all())


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"null": ["cmb"]}, BadOption, "cmb"),
        ({"tolerance": 0}, BadOption, "0.05"),
        ({"tolerance": 1e-6}, WrongData, "modes"),
        ({"beam": "1 arcmin"}, BadOption, "amplifies"),
        ({"indices": {"beta_dust": 1.5}}, BadOption, "beta_dust"),
    ],
)
def test_what_is_wrong_with_an_ilc_is_said(options, error, match):
    drawn = cmb.simulated_sky("planck", 16, seed=2, beams="20 deg")
    with pytest.raises(error, match=match):
        cmb.harmonic_ilc(drawn, **options)


@pytest.mark.slow
def test_needlets_warn_where_the_sky_has_too_few_modes():
    with pytest.warns(AnalysisWarning, match="loses"):
        made = cmb.needlet_ilc(cmb.simulated_sky("litebird", 4, seed=1, beams=None))
    assert float(made.bias.min()) < -0.05


@pytest.mark.slow
def test_one_component_to_null_may_be_text_and_history_says_it(planck_sky):
    made = cmb.harmonic_ilc(planck_sky, null="dust")
    assert "null=['dust']" in made.attrs["history"]


@pytest.mark.slow
def test_the_depth_of_smoothed_bands_is_the_noise_of_their_cells():
    from analysis.cmb.bands import cell_arcmin

    noise = cmb.simulated_sky("planck", 16, seed=1, components=[], stokes="IQU")
    even = cmb.common_resolution(noise, beam="5 deg")
    ratio = even.sky.std("cells") * cell_arcmin(16) / even.depth
    np.testing.assert_allclose(ratio.mean("frequency"), 1, atol=0.03)


def test_copies_of_a_band_are_refused(planck_sky):
    twice = planck_sky.isel(frequency=[0, 0, 3])
    with pytest.raises(WrongData, match="copies"):
        cmb.harmonic_ilc(twice)
    with pytest.raises(BadOption, match="increase"):
        cmb.needlet_ilc(planck_sky, peaks=[30, 10])


# ------------------------------------------------------------------------------------------------------ templates


def single(sky, band):
    return sky.isel(frequency=[band])


def test_templates_take_off_what_they_hold():
    clean = cmb.simulated_sky("planck", 32, seed=3, noise=False, beams=None)
    cmb_alone = cmb.simulated_sky("planck", 32, seed=3, noise=False, beams=None, components=["cmb"])
    level = xr.DataArray(1.0, attrs={"units": "uK"})
    made = check(cmb.template_fit(single(clean, 4), single(clean, 0), single(clean, 6), noise=level))
    mixing = cmb.mixing_matrix(clean).values
    fore = mixing[[0, 6]][:, 1:]
    wanted = np.linalg.solve(fore.T, mixing[4, 1:])  # coefficients that take both foregrounds off
    assert made.coefficient.values == pytest.approx(wanted, rel=0.2)  # chance correlations with the CMB
    assert float((made.sky - cmb_alone.sky[4]).std()) < 0.3 * float(cmb_alone.sky[4].std())


def test_templates_without_the_cmb_need_no_division():
    parts = cmb.simulated_sky("planck", 16, seed=3, noise=False, beams=None, components=["dust"])
    noisy = single(cmb.simulated_sky("planck", 16, seed=3, beams=None, components=["cmb", "dust"]), 4)
    level = xr.DataArray(70.2, attrs={"units": "uK arcmin"})
    made = cmb.template_fit(noisy, single(parts, 6), noise=level, cmb_in_templates=False)
    wanted = float(cmb.mixing_matrix(parts).sel(emission="dust")[4])
    assert float(made.coefficient[0]) == pytest.approx(wanted, abs=0.01)
    assert float(made.coefficient_error[0]) > 0


def test_noise_of_a_cleaned_map_is_that_of_its_parts():
    clean = cmb.simulated_sky("planck", 16, seed=3, noise=False, beams=None)
    levels = [xr.DataArray(x, attrs={"units": "uK"}) for x in (1.0, 2.0)]
    made = cmb.template_fit(single(clean, 4), single(clean, 6), noise=levels[0], template_noises=levels[1:])
    alpha = float(made.coefficient[0])
    assert float(made.noise_level) == pytest.approx(np.hypot(1, 2 * alpha) / (1 - alpha))


def test_templates_of_another_resolution_are_refused_until_they_are_brought_to_one():
    sky = cmb.simulated_sky("planck", 16, seed=3)
    level = xr.DataArray(1.0, attrs={"units": "uK"})
    with pytest.raises(WrongData, match="common_resolution"):
        cmb.template_fit(single(sky, 4), single(sky, 0), noise=level)
    even = cmb.common_resolution(sky)
    cmb.template_fit(single(even, 4), single(even, 0), noise=level)


def test_template_coefficients_are_those_of_least_squares_with_the_hits_as_weights():
    drawn = cmb.simulated_sky("planck", 4, seed=3, beams=None)
    weight = np.arange(192) + 1.0
    hits = xr.DataArray(weight, dims="cells", coords={"cell_ids": drawn.cell_ids}, attrs={"units": "1"})
    level = xr.DataArray(2.0, attrs={"units": "uK"})
    made = cmb.template_fit(single(drawn, 4), single(drawn, 0), single(drawn, 6), noise=level, hits=hits)
    root = np.sqrt(weight / weight.mean())
    data, *design = ((drawn.sky.values[band] * root).ravel() for band in (4, 0, 6))
    design = np.stack(design, axis=-1)
    np.testing.assert_allclose(made.coefficient, np.linalg.lstsq(design, data, rcond=None)[0], rtol=1e-9)
    np.testing.assert_allclose(made.coefficient_covariance, 4 * np.linalg.inv(design.T @ design), rtol=1e-9)


def test_a_synthetic_template_makes_each_result_synthetic():
    drawn = cmb.simulated_sky("planck", 8, seed=3, beams=None)
    real = single(drawn, 4).copy(deep=True)
    for held in (real, *real.variables.values()):
        held.attrs.pop("synthetic", None)
    level = xr.DataArray(1.0, attrs={"units": "uK"})
    made = cmb.template_fit(real, single(drawn, 6), noise=level, template_noises=[level])
    assert all(is_synthetic(array) for array in made.data_vars.values())


def test_noise_in_another_temperature_scale_is_refused(sky):
    level = sky.depth.assign_attrs(temperature_scale="K_RJ")
    with pytest.raises(WrongUnits, match="K_RJ"):
        cmb.parametric_components(sky, noise=level)
    planck = cmb.simulated_sky("planck", 8, seed=3, beams=None)
    one = xr.DataArray(1.0, attrs={"units": "uK", "temperature_scale": "K_RJ"})
    with pytest.raises(WrongUnits, match="K_RJ"):
        cmb.template_fit(single(planck, 4), single(planck, 6), noise=one)


def test_a_beam_that_is_not_known_is_refused(sky):
    with pytest.raises(WrongData, match="beams"):
        cmb.parametric_components(sky.assign(beam=("frequency", np.full(22, np.nan), {"units": "arcmin"})))


def test_templates_that_do_not_fit_are_refused():
    clean = cmb.simulated_sky("planck", 8, seed=3, noise=False, beams=None)
    level = xr.DataArray(1.0, attrs={"units": "uK"})
    with pytest.raises(BadOption, match="template"):
        cmb.template_fit(single(clean, 4), noise=level)
    with pytest.raises(WrongFrame, match="polconv"):
        cmb.template_fit(single(clean, 4), cmb.to_polconv(single(clean, 6).isel(frequency=0), "IAU"), noise=level)
    with pytest.raises(WrongData, match="alike"):
        cmb.template_fit(single(clean, 4), single(clean, 6), single(clean, 6), noise=level)
    with pytest.raises(WrongUnits, match="K_CMB"):
        cmb.template_fit(single(clean, 4), cmb.in_temperature_scale(single(clean, 6), "K_RJ"), noise=level)
    with pytest.raises(WrongData, match="take all of the CMB away"):
        cmb.template_fit(single(clean, 4), single(clean, 4), noise=level)


# ------------------------------------------------------------------------------------------------- bands and cells


def test_maps_of_wmap_are_put_together(v_band, w_band):
    made = check(cmb.stacked_bands(v_band, w_band))
    assert made.sky.dims == ("frequency", "stokes", "cells")
    np.testing.assert_array_equal(made.sky[1], w_band.sky)
    assert "WMAP" in made.attrs["source"] and made.frequency.attrs["units"] == "GHz"


def test_maps_that_do_not_fit_are_not_put_together(v_band, w_band):
    with pytest.raises(WrongFrame, match="polconv='IAU'"):
        cmb.stacked_bands(v_band, cmb.to_polconv(w_band, "IAU"))
    with pytest.raises(WrongFrame, match="temperature_scale='K_RJ'"):
        cmb.stacked_bands(v_band, cmb.in_temperature_scale(w_band, "K_RJ"))
    with pytest.raises(WrongData, match="nside"):
        cmb.stacked_bands(v_band, cmb.degraded(w_band, 16))
    with pytest.raises(BadOption, match="two or more"):
        cmb.stacked_bands(v_band)
    with pytest.raises(BadOption, match="one a map"):
        cmb.stacked_bands(v_band, w_band, frequencies=[61])
    kelvin = w_band.assign(sky=(w_band.sky * 1e-3).assign_attrs({**w_band.sky.attrs, "units": "K"}))
    np.testing.assert_allclose(cmb.stacked_bands(v_band, kelvin).sky[1], w_band.sky, rtol=1e-6)


def test_cells_that_one_band_did_not_see_are_in_the_mask(make):
    first, second = (make.sky(np.ones((3, 12 * 4**2))) for _ in range(2))
    second["sky"][0, 5] = np.nan
    made = check(cmb.stacked_bands(first, second, frequencies=[30, 44]))
    assert not bool(made.mask[5]) and int(made.mask.sum()) == 191


def test_the_spectrum_of_a_cell_is_that_of_its_maps(sky):
    made = check(cmb.pixel_sed(sky, cell=100))
    np.testing.assert_array_equal(made.sed, sky.sky[..., 100])
    assert made.polarized_intensity.dims == ("frequency",)
    brightness = check(cmb.pixel_sed(sky, cell=100, scale="K_RJ"))
    factor = float(cmb.temperature_factor(402, "K_RJ"))
    np.testing.assert_allclose(brightness.sed[-1], made.sed[-1] * factor)
    np.testing.assert_allclose(brightness.sed_error[-1], made.sed_error[-1] * factor)
    assert is_synthetic(made.sed)


def test_a_cell_is_found_by_its_place(sky):
    # healpy 1.20.1: ang2pix(16, 30, 60, nest=True, lonlat=True)
    by_place, by_id = cmb.pixel_sed(sky, longitude=30, latitude=60), cmb.pixel_sed(sky, cell=225)
    np.testing.assert_array_equal(by_place.sed, by_id.sed)
    for options in ({}, {"cell": 5, "longitude": 2}, {"cell": 99999}, {"longitude": 0, "latitude": 95}):
        with pytest.raises(BadOption):
            cmb.pixel_sed(sky, **options)


def test_an_index_between_two_bands_is_that_of_the_law():
    drawn = cmb.simulated_sky("litebird", 8, seed=1, components=["synchrotron"], noise=False, beams=None)
    made = check(cmb.spectral_index(single(drawn, 0), single(drawn, 4)))
    np.testing.assert_allclose(made["index"], -3, atol=1e-10)
    with pytest.raises(BadOption, match="two frequencies"):
        cmb.spectral_index(single(drawn, 0), single(drawn, 0))


def test_an_index_that_was_not_fitted_is_refused(fit):
    with pytest.raises(BadOption, match="beta_synchrotron"):
        cmb.index_map(fit, "temperature_dust")
    with pytest.raises(BadOption, match="cmb, dust"):
        cmb.index_residual(fit, component="lens")
    with pytest.raises(WrongData, match="parametric_components"):
        cmb.modelled_sky(xr.Dataset())

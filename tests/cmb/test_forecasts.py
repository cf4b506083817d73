"""Forecasts: published errors of r, recovered r, Fisher errors, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.cmb.theory import assembled
from analysis.errors import BadOption, MissingUnits, WrongData
from analysis.model import check, is_synthetic


@pytest.fixture(scope="module")
def litebird():
    return cmb.forecast("litebird", r=0.0)


def flat_theory(lmax=300):
    """Tensors falling as ℓ⁻³ and white lensing of 5 µK arcmin: no CAMB."""
    ell = np.arange(lmax + 1.0)
    tensor = np.zeros((4, lmax + 1))
    tensor[2, 2:] = 0.5 / ell[2:] ** 3
    lensed = np.ones((4, 1)) * np.where(ell >= 2, (5 * np.pi / 10800) ** 2, 0)
    return assembled(lensed, None, tensor, r=0, a_lens=1, lmax=lmax)


FLAT = {"noise": 2.16, "beam": 30.0, "sky_fraction": 0.5, "lmin": 2}

# ---------------------------------------------------------------------------------------- published numbers


@pytest.mark.oracle
def test_the_knox_error_of_litebird_is_the_known_one(oracle):
    from astropy.io import fits

    def read(name):
        data = fits.getdata(oracle / "cmb" / name, 1)
        return np.array([np.asarray(data.field(i), float) for i in range(4)])

    lensed, tensor = (read(f"Cls_Planck2018_for_PTEP_2020_{name}.fits") for name in ("r0", "tensor_r1"))
    theory = assembled(lensed, None, tensor, r=0, a_lens=1, lmax=300)
    options = {"noise": 2.16, "beam": 30.0, "sky_fraction": 0.49, "lmin": 2, "lmax": 200, "theory": theory}
    assert float(cmb.forecast(**options).sigma_r) == pytest.approx(1.06e-4, rel=5e-3)
    assert float(cmb.forecast(delensing=1.0, **options).sigma_r) == pytest.approx(1.8e-5, rel=0.01)


def test_litebirds_channels_together_are_as_sensitive_as_published():
    noise = cmb.noise_spectrum(cmb.instrument_channels("litebird").drop_vars("beam"), lmax=10)
    assert float(np.sqrt(noise[10])) / (np.pi / 10800) == pytest.approx(2.1595, abs=5e-5)


def test_plancks_deepest_band_is_that_of_its_table():
    planck = cmb.instrument_channels("planck")
    assert float(planck.polarization_sensitivity.min()) == pytest.approx(1.17 * 60)
    check(planck)


@pytest.mark.slow
def test_from_the_ground_the_reionization_bump_is_out_of_reach():
    ground = cmb.forecast("so_sat", lmax=300)
    assert int(ground.ell[0]) == 30
    assert 1e-3 < float(ground.sigma_r) < 3e-3  # the paper's goal with foregrounds: σ(r) = 0.002 to 0.003


@pytest.mark.slow
@pytest.mark.parametrize(("share", "published"), [(1.0, 0.0021), (0.7, 0.0025), (0.5, 0.0030)])
def test_the_error_of_tau_is_that_of_the_litebird_reionization_study(share, published):
    # github.com/litebird/reionization: E modes to ℓ = 30, A_s exp(-2τ) fixed, cosmic variance; sampled, so rounder
    found = cmb.fisher_forecast(
        noise=0.01, beam=1.0, fields="E", parameters=["tau"], sky_fraction=share, lmin=2, lmax=30, r=0.0
    )
    assert float(found.sigma[0]) == pytest.approx(published, rel=0.1)


# ------------------------------------------------------------------------------------------ what it is made of


@pytest.mark.slow
def test_a_forecast_keeps_the_contract_and_its_parts_add_up(litebird):
    check(litebird)
    parts = litebird.tensor * litebird.r + litebird.lensing + litebird.noise + litebird.residual
    np.testing.assert_allclose(parts, litebird.total)
    assert float(litebird.information.sum()) == pytest.approx(1)
    assert "foregrounds are not in it" in litebird.attrs["caveats"]


@pytest.mark.slow
def test_a_forecast_scales_with_the_sky_and_suffers_from_all_that_is_added():
    theory = flat_theory()
    base = float(cmb.forecast(**FLAT, theory=theory).sigma_r)
    more = cmb.forecast(**{**FLAT, "sky_fraction": 0.125}, theory=theory)
    assert float(more.sigma_r) == pytest.approx(2 * base)
    dust = xr.DataArray(np.full(301, 1e-6), dims="ell", coords={"ell": np.arange(301)}, attrs={"units": "uK2"})
    assert float(cmb.forecast(**FLAT, theory=theory, residual=dust).sigma_r) > base
    assert float(cmb.forecast(**FLAT, theory=theory, delensing=0.5).sigma_r) < base
    milli = (dust * 1e-6).assign_attrs(units="mK2")
    both = (cmb.forecast(**FLAT, theory=theory, residual=given).sigma_r for given in (dust, milli))
    assert float(next(both)) == pytest.approx(float(next(both)))


@pytest.mark.slow
def test_channels_given_as_data_do_as_the_preset_does():
    theory = flat_theory()
    channels = cmb.fetch("litebird_channels")
    given = cmb.forecast(channels, sky_fraction=0.5, theory=theory)
    assert float(given.sigma_r) == pytest.approx(float(cmb.forecast("LiteBIRD", theory=theory).sigma_r))
    kelvin = channels.assign(
        polarization_sensitivity=(channels.polarization_sensitivity * 1e-6).assign_attrs(
            units="K arcmin", long_name="Sensitivity"
        )
    )
    again = cmb.forecast(kelvin, sky_fraction=0.5, theory=theory)
    assert float(again.sigma_r) == pytest.approx(float(given.sigma_r))


# ------------------------------------------------------------------------------------------------- recovery


@pytest.mark.slow
@pytest.mark.parametrize("r", [0.0, 0.001, 0.01])
def test_an_injected_r_is_recovered_without_bias(litebird, r):
    truth = cmb.forecast("litebird", r=r)
    drawn = cmb.simulated_bandpowers(truth, realizations=1000, seed=7)
    found = cmb.estimated_r(drawn, litebird)  # the estimator is not told the truth
    scatter = float(found.r.std())
    assert abs(float(found.r.mean()) - r) < 3 * scatter / np.sqrt(1000)
    assert scatter == pytest.approx(float(truth.sigma_r), rel=0.2)  # at r = 0 few modes: wider than Fisher says
    if r == 0.0:
        assert 0.4 < float((found.r < 0).mean()) < 0.65
    assert is_synthetic(found)
    check(found)


@pytest.mark.slow
def test_without_scatter_the_estimate_is_the_truth():
    theory = flat_theory()
    for r in (-1e-6, 0.0, 0.02):
        truth = cmb.forecast(**FLAT, r=r, theory=theory)
        found = cmb.estimated_r(truth.total.rename("cl"), cmb.forecast(**FLAT, r=0.5, theory=theory))
        assert float(found.r) == pytest.approx(r, abs=1e-10)
        assert float(found.sigma_r) == pytest.approx(float(truth.sigma_r))


def test_realizations_on_dask_are_the_same_whatever_their_chunks():
    truth = cmb.forecast(**FLAT, r=0.01, theory=flat_theory())
    plain = cmb.estimated_r(cmb.simulated_bandpowers(truth, realizations=40, seed=3), truth)
    lazy = cmb.estimated_r(cmb.simulated_bandpowers(truth, realizations=40, seed=3, chunks=7), truth)
    assert lazy.r.chunks is not None
    np.testing.assert_array_equal(plain.r, lazy.r.compute())
    fewer = cmb.simulated_bandpowers(truth, realizations=5, seed=3)
    np.testing.assert_array_equal(fewer.cl, cmb.simulated_bandpowers(truth, realizations=40, seed=3).cl[:5])


@pytest.mark.slow
def test_simulated_spectra_scatter_as_their_modes_say():
    truth = cmb.forecast(**FLAT, r=0.01, theory=flat_theory())
    drawn = cmb.simulated_bandpowers(truth, realizations=4000).cl
    ratio = drawn / truth.total
    modes = (2 * truth.ell + 1) * 0.5
    assert float(np.abs(ratio.mean("realization") - 1).max()) < 0.1
    assert float(np.abs(ratio.var("realization") * modes / 2 - 1).max()) < 0.2


def test_the_posterior_is_normalised_peaks_at_the_estimate_and_limits_r():
    truth = cmb.forecast(**FLAT, r=0.01, theory=flat_theory())
    measured = truth.total.rename("cl")
    grid = np.linspace(0, 0.04, 801)
    found = cmb.r_posterior(measured, truth, grid)
    assert float(found.posterior.integrate("r")) == pytest.approx(1)
    assert grid[int(found.posterior.values.argmax())] == pytest.approx(0.01, abs=1e-4)
    below = float(found.posterior.sel(r=slice(0, float(found.upper_limit))).integrate("r"))
    assert below == pytest.approx(0.95, abs=0.01)
    check(found)


# --------------------------------------------------------------------------------------------------- Fisher


@pytest.mark.slow
def test_fisher_of_r_alone_is_the_knox_forecast(litebird):
    found = cmb.fisher_forecast(parameters=["r"], fields="B", r=0.0, lmax=200)
    assert float(found.sigma[0]) == pytest.approx(float(litebird.sigma_r), rel=1e-6)
    check(found)


@pytest.mark.slow
def test_parameters_left_free_cost_certainty_and_parity_keeps_the_angle_apart():
    found = cmb.fisher_forecast(parameters=["r", "a_lens", "beta"], r=0.01, lmax=300)
    assert (found.sigma >= found.sigma_alone * (1 - 1e-9)).all()
    assert abs(found.correlation.sel(quantity="beta", quantity_2="r")) < 1e-6


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"experiment": "litebrid"}, BadOption, "litebird"),
        ({"experiment": 5}, BadOption, "int"),
        ({"noise": 2.0}, BadOption, "go together"),
        ({"noise": -2.0, "beam": 30}, BadOption, "positive"),
        ({"sky_fraction": 0}, BadOption, "leaves nothing"),
        ({"sky_fraction": 49}, BadOption, "share"),
        ({"delensing": 1.1}, BadOption, "delensing"),
        ({"lmin": 300}, BadOption, "lmin"),
        ({"r": -1.0}, WrongData, "not positive"),
        ({"lmax": 400}, WrongData, "lacks 100"),
        ({"nt": 0.1}, BadOption, "leave nt out"),
        ({"theory": flat_theory().assign_attrs(a_lens=0.4)}, BadOption, "delensing=0.6"),
        ({"theory": xr.Dataset()}, WrongData, "tensor"),
        ({"residual": xr.DataArray(np.ones(301), dims="ell", coords={"ell": np.arange(301)})}, MissingUnits, "units"),
        (
            {"residual": xr.DataArray(-np.ones(301), dims="ell", coords={"ell": range(301)}, attrs={"units": "uK2"})},
            WrongData,
            "negative",
        ),
        ({"residual": xr.DataArray(np.ones(9), dims="x", attrs={"units": "uK2"})}, WrongData, "ell"),
    ],
)
def test_forecasts_that_make_no_sense_are_refused(options, error, match):
    with pytest.raises(error, match=match):
        cmb.forecast(**{"theory": flat_theory(), "lmax": 200, **options})


def test_sensitivities_that_are_none_are_refused():
    channels = cmb.instrument_channels("so_sat")
    with pytest.raises(WrongData, match="polarization_sensitivity"):
        cmb.noise_spectrum(xr.Dataset())
    with pytest.raises(WrongData, match="positive"):
        cmb.noise_spectrum(channels.assign(beam=channels.beam * np.nan))
    with pytest.raises(WrongData, match="negative"):
        cmb.noise_spectrum(channels.assign(knee_slope=-channels.knee_slope.assign_attrs(units="1")))


def test_estimates_of_the_wrong_things_are_refused():
    truth = cmb.forecast(**FLAT, theory=flat_theory())
    cl = truth.total.rename("cl")
    for given, match in (
        (cl.sel(ell=slice(2, 100)), "lack 100 multipoles"),
        (cl - cl, "positive"),
        (xr.Dataset(), "'cl'"),
        (cl.assign_attrs(long_name="D_ℓ^BB"), "needs C_ℓ"),
    ):
        with pytest.raises(WrongData, match=match):
            cmb.estimated_r(given.assign_attrs(units="uK2"), truth)
    with pytest.raises(WrongData, match="forecast"):
        cmb.estimated_r(cl, xr.Dataset())
    with pytest.raises(MissingUnits):
        cmb.estimated_r(cl.drop_attrs(), truth)
    with pytest.raises(BadOption, match="increasing"):
        cmb.r_posterior(cl, truth, [0, 1, 1])
    with pytest.raises(BadOption, match="not positive"):
        cmb.r_posterior(cl, truth, [-1, 0, 1])
    for options in ({"realizations": 0}, {"realizations": 2.5}, {"seed": -1}, {"chunks": 0}):
        with pytest.raises(BadOption, match="whole number"):
            cmb.simulated_bandpowers(truth, **options)


@pytest.mark.slow
def test_fisher_forecasts_of_nothing_are_refused():
    for options, match in (
        ({"parameters": ["rr"]}, "unknown"),
        ({"parameters": ["r", "r"]}, "none twice"),
        ({"parameters": []}, "at least one"),
        ({"parameters": ["nt"], "r": 0.0}, "say nothing about nt"),
        ({"parameters": ["beta"], "fields": "B"}, "say nothing about beta"),
        ({"fields": "XY"}, "fields"),
    ):
        with pytest.raises(BadOption, match=match):
            cmb.fisher_forecast(**{"lmax": 100, **options})

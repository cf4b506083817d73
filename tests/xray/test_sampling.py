"""Posteriors by Markov chains: they agree with the covariance where they should, and say when they are short."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis import xray
from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import check


@pytest.fixture(scope="module")
def tree(made_spectrum, made_response):
    """A bright power law seen by a detector of 12 channels, 100 cm2, 100 s."""
    low = np.arange(12) + 0.5
    counts = np.random.default_rng(6).poisson(100 * 100 * 5 * (low**-1 - (low + 1) ** -1))
    rmf = made_response(np.eye(12) * 100, units="cm2")
    return xr.DataTree.from_dict({"spectrum": made_spectrum(counts, exposure=100.0), "rmf": rmf})


@pytest.fixture(scope="module")
def best(tree):
    return xray.fit(tree, "powerlaw", starts=4)


@pytest.fixture(scope="module")
def chains(tree, best):
    return xray.posterior(tree, best, steps=1600, burn=200, seed=3)


@pytest.mark.slow
def test_a_posterior_with_flat_priors_is_the_likelihood(best, chains):
    check(chains)
    assert chains.sample.dims == ("chain", "draw", "parameter") and chains.sizes["chain"] == 32
    assert chains["mean"].values == pytest.approx(best.value.values, abs=0.2 * float(best.error.max()))
    assert chains.standard_deviation.values == pytest.approx(best.error.values, rel=0.1)
    flat = chains.sample.values.reshape(-1, 2)
    covariance = best.covariance.values
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert np.corrcoef(flat.T)[0, 1] == pytest.approx(expected, abs=0.05)


@pytest.mark.slow
def test_chains_tell_how_good_they_are(chains):
    assert (chains.r_hat < 1.03).all() and (chains.autocorrelation_time > 5).all()
    assert 0.5 < float(chains.acceptance.mean()) < 0.9
    assert json.loads(chains.attrs["priors"])["powerlaw.photon_index"] == ["uniform", -3.0, 10.0]


@pytest.mark.slow
def test_fluxes_from_a_posterior_agree_with_those_from_the_covariance(best, chains):
    by_chain = xray.flux(best, (2, 10), posterior=chains)
    by_covariance = xray.flux(best, (2, 10))
    assert by_chain.energy_flux_draws.std() == pytest.approx(float(by_covariance.energy_flux_error), rel=0.1)
    with pytest.raises(WrongData, match="not that of the fit"):
        xray.flux(best, (2, 10), posterior=chains.assign_attrs(model="tbabs * powerlaw"))


@pytest.mark.slow
def test_a_narrow_prior_wins(tree, best):
    pull = float(best.value[0] + 5 * best.error[0])
    width = float(best.error[0]) / 20
    priors = {"photon_index": ("gaussian", pull, width), "norm": ("log_uniform", 0.1, 100)}
    found = xray.posterior(tree, best, priors=priors, steps=2400, burn=600, seed=1)
    assert float(found["mean"][0]) == pytest.approx(pull, abs=3 * width)
    assert float(found.standard_deviation[0]) == pytest.approx(width, rel=0.15)
    assert json.loads(found.attrs["priors"])["powerlaw.norm"] == ["log_uniform", 0.1, 100.0]


def test_short_chains_are_told(tree, best):
    with pytest.warns(AnalysisWarning, match="not to be trusted yet: 8 steps are only"):
        found = xray.posterior(tree, best, steps=8, burn=0, seed=2)
    with pytest.warns(AnalysisWarning):
        again = xray.posterior(tree, best, steps=8, burn=0, seed=2)
    assert found.identical(again)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"priors": {"norm": ("flat", 0, 1)}}, r"must be \('uniform', low, high\)"),
        ({"priors": {"norm": ("gausian", 0, 1)}}, "did you mean 'gaussian'"),
        ({"priors": {"norm": ("gaussian", 1, 0)}}, "σ above 0"),
        ({"priors": {"norm": ("log_uniform", 0, 1)}}, "above 0"),
        ({"priors": {"norm": ("uniform", 5, 1)}}, "low to high"),
        ({"priors": {"norm": ("uniform", 1e5, 1e6)}}, "exclude the best values"),
        ({"priors": {"nh": ("uniform", 0, 1)}}, "no parameter 'nh'"),
        ({"walkers": 3}, "4 or more"),
        ({"walkers": 33}, "even"),
        ({"steps": 1}, "2 or more"),
        ({"thin": 900}, "fewer than four"),
    ],
)
def test_priors_and_numbers_that_make_no_sense_are_refused(tree, best, options, match):
    with pytest.raises(BadOption, match=match):
        xray.posterior(tree, best, **options)


def test_chi2_with_variances_of_the_model_is_no_likelihood(tree):
    found = xray.fit(tree, "powerlaw", statistic="chi2", errors="model", starts=0)
    with pytest.raises(WrongData, match="no likelihood"):
        xray.posterior(tree, found)

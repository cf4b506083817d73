"""Goodness of fit: the expectation of C, simulations, and comparisons of models."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest

from analysis import xray
from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import check
from analysis.xray.judging import expected_c_statistic

MODEL = "tbabs * powerlaw"


@pytest.fixture(scope="module")
def coarse(ulx):
    return xray.fit(ulx, MODEL, band=(0.5, 8), min_counts=60)


def kaastra_mean(mu):
    """Kaastra (2017), equations of section 3 for the expectation: good to some 1e-3."""
    if mu <= 0.5:
        return -0.25 * mu**3 + 1.38 * mu**2 - 2 * mu * np.log(mu)
    if mu <= 2:
        return -0.00335 * mu**5 + 0.04259 * mu**4 - 0.27331 * mu**3 + 1.381 * mu**2 - 2 * mu * np.log(mu)
    if mu <= 5:
        return 1.019275 + 0.1345 * mu ** (0.461 - 0.9 * np.log(mu))
    if mu <= 10:
        return 1.00624 + 0.604 / mu**1.68
    return 1 + 0.1649 / mu + 0.226 / mu**2


@pytest.mark.parametrize("mu", [0.01, 0.1, 0.3, 0.5, 1.0, 1.8, 3.0, 5.0, 8.0, 20.0, 100.0])
def test_the_expectation_of_c_is_kaastras(mu):
    mean, _ = expected_c_statistic(np.array([mu]))
    assert mean[0] == pytest.approx(kaastra_mean(mu), abs=2e-3)


@pytest.mark.parametrize("mu", [12.0, 30.0, 100.0, 1000.0])
def test_the_variance_of_c_is_kaastras(mu):
    """Kaastra (2017), section 3, for more than 10 counts."""
    _, variance = expected_c_statistic(np.array([mu]))
    assert variance[0] == pytest.approx(2 + 0.6747 / mu + 0.79 / mu**2 + 12 / mu**3, abs=2e-3)


def test_few_counts_leave_one_term_each():
    """For μ → 0 the mean tends to -2 μ ln μ, the variance to 4 μ ln² μ."""
    mu = np.array([1e-6, 1e-8])
    mean, variance = expected_c_statistic(mu)
    # one count has the term 2 (μ - 1 - ln μ)
    assert mean == pytest.approx(mu * (2 * (mu - 1 - np.log(mu)) + 2), rel=1e-4)
    assert variance == pytest.approx(mu * (2 * (mu - 1 - np.log(mu))) ** 2, rel=1e-4)
    assert np.array(expected_c_statistic(np.zeros(2))) == pytest.approx(0)


def test_sums_and_series_meet():
    mean, variance = expected_c_statistic(np.array([399.9999, 400.0, 400.0001]))
    assert mean == pytest.approx(mean[1], abs=1e-8) and variance == pytest.approx(variance[1], abs=1e-7)
    many, spread = expected_c_statistic(np.array([1e9]))
    assert many[0] == pytest.approx(1) and spread[0] == pytest.approx(2)


def test_order_and_number_of_bins_do_not_matter():
    mu = np.random.default_rng(1).lognormal(1, 2, 3000)
    mean, variance = expected_c_statistic(mu)
    one = np.array([expected_c_statistic(np.array([value])) for value in mu[:50]])[:, :, 0]
    assert mean[:50] == pytest.approx(one[:, 0], rel=1e-12) and variance[:50] == pytest.approx(one[:, 1], rel=1e-10)


def test_simulated_c_has_the_expected_mean_and_spread():
    rng = np.random.default_rng(3)
    mu = np.array([0.05, 0.4, 1.5, 6.0, 40.0])
    counts = rng.poisson(mu, (200_000, 5)).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = 2 * (mu - counts + np.where(counts > 0, counts * np.log(counts / mu), 0))
    mean, variance = expected_c_statistic(mu)
    assert terms.mean(axis=0) == pytest.approx(mean, abs=5 * np.sqrt(variance.max() / 200_000))
    assert terms.var(axis=0) == pytest.approx(variance, rel=0.05)


def test_the_expectation_of_a_fit(ulx):
    best = xray.fit(ulx.drop_nodes("background"), MODEL, band=(0.5, 8), grouping=None)
    found = xray.expected_statistic(best)
    check(found)
    mean, variance = expected_c_statistic(best.model_counts.values)
    assert float(found.expected) == pytest.approx(mean.sum()) and float(found.sigma) ** 2 == pytest.approx(
        variance.sum()
    )
    assert float(found.z) == pytest.approx((best.attrs["statistic_value"] - mean.sum()) / np.sqrt(variance.sum()))
    assert found.attrs["varied"] == 3


def test_the_expectation_of_w_and_cash_is_refused(ulx, coarse):
    with pytest.raises(BadOption, match=r"xray.goodness"):
        xray.expected_statistic(coarse)
    cash = xray.fit(ulx.drop_nodes("background"), MODEL, band=(0.5, 8), min_counts=60, statistic="cash")
    with pytest.raises(BadOption, match="cstat"):
        xray.expected_statistic(cash)
    squares = xray.fit(ulx, MODEL, band=(0.5, 8), min_counts=60, statistic="chi2")
    assert float(xray.expected_statistic(squares).expected) == squares.attrs["bins"]


def test_goodness_is_the_same_for_the_same_seed_and_says_that_it_is_simulated(ulx, coarse):
    one, two = (xray.goodness(ulx, coarse, simulations=20, seed=4) for _ in range(2))
    check(one)
    assert one.attrs["synthetic"] == "true" and one.identical(two)
    assert not one.equals(xray.goodness(ulx, coarse, simulations=20, seed=5))


@pytest.mark.slow
def test_a_wrong_model_is_found_wrong_and_a_true_one_is_not(made_spectrum, made_response):
    """The same detector sees a power law, and a power law with a bump that the model does not have."""
    energy = np.arange(20) + 1.0
    rng = np.random.default_rng(8)
    rmf = made_response(np.eye(20) * 10, units="cm2")
    behind = made_spectrum(rng.poisson(60, 20), exposure=2000.0)
    found = {}
    for name, bump in (("true", 0), ("wrong", 60)):
        counts = rng.poisson(3000 * energy**-1.5 + bump * (np.abs(energy - 8) < 1.5) + 6)
        tree = xr.DataTree.from_dict(
            {"spectrum": made_spectrum(counts, exposure=100.0), "background": behind, "rmf": rmf}
        )
        best = xray.fit(tree, "powerlaw", starts=4)
        found[name] = float(xray.goodness(tree, best, simulations=200, refit=True).fraction_below)
    assert found["true"] < 0.99 and found["wrong"] == 1


@pytest.mark.slow
def test_p_values_of_true_models_are_uniform(made_spectrum, made_response):
    rmf = made_response(np.eye(12) * 10, units="cm2")
    rng = np.random.default_rng(2)
    low = np.arange(12) + 0.5
    mean = 100 * 10 * 5 * (low**-1 - (low + 1) ** -1)
    p = []
    for _ in range(25):
        tree = xr.DataTree.from_dict({"spectrum": made_spectrum(rng.poisson(mean), exposure=100.0), "rmf": rmf})
        best = xray.fit(tree, "powerlaw(photon_index=2, norm=5)", starts=0)
        p.append(float(xray.goodness(tree, best, simulations=40, refit=True, seed=7).p_value))
    assert kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.slow
def test_a_second_power_law_that_is_not_there_wins_as_often_as_chance_lets_it(made_spectrum, made_response):
    rng = np.random.default_rng(9)
    low = np.arange(15) + 0.5
    rmf = made_response(np.eye(15) * 10, units="cm2")
    counts = rng.poisson(100 * 10 * 5 * (low**-1 - (low + 1) ** -1))
    tree = xr.DataTree.from_dict({"spectrum": made_spectrum(counts, exposure=100.0), "rmf": rmf})
    simple = xray.fit(tree, "powerlaw", starts=4)
    two = "powerlaw + powerlaw(photon_index=0.5, norm=0.01)"
    with pytest.warns(AnalysisWarning, match="powerlaw_2.norm ended at a bound"):
        rich = xray.fit(tree, two, starts=4, frozen=["powerlaw_2.photon_index"])
    found = xray.likelihood_ratio(tree, simple, rich, simulations=30, starts=0)
    check(found)
    assert found.attrs["synthetic"] == "true" and float(found.p_value) == 1  # a gain of nothing
    with pytest.raises(WrongData, match="fits worse"):
        xray.likelihood_ratio(tree, simple, xray.fit(tree, "powerlaw(photon_index=2.3)", frozen=["photon_index"]))
    # with the norm at its bound half the simulations gain nothing, which is what χ² does not know
    assert (found.simulated_gain > -1e-3).all() and 0.2 < float((found.simulated_gain < 1e-3).mean()) < 0.8


def test_compared_fits_stand_in_a_table(ulx, coarse):
    bare = xray.fit(ulx, "powerlaw", band=(0.5, 8), min_counts=60)
    table = xray.compared(bare, coarse, names=["bare", "absorbed"])
    assert table.model.tolist() == ["bare", "absorbed"] and table.varied.tolist() == [2, 3]
    assert table.aic.tolist() == [bare.attrs["statistic_value"] + 4, coarse.attrs["statistic_value"] + 6]
    assert table.bic[1] == pytest.approx(coarse.attrs["statistic_value"] + 3 * np.log(coarse.attrs["bins"]))
    assert table.delta_aic.min() == 0 and table.delta_aic[0] > 100


@pytest.mark.slow
def test_fits_of_other_data_are_not_compared(ulx, coarse):
    other = xray.fit(ulx, MODEL, band=(0.6, 8), min_counts=60)
    with pytest.raises(WrongData, match="same counts"):
        xray.compared(coarse, other)
    squares = xray.fit(ulx, MODEL, band=(0.5, 8), min_counts=60, statistic="chi2")
    with pytest.raises(WrongData, match="same statistic"):
        xray.compared(coarse, squares)
    with pytest.raises(BadOption, match="needs fits"):
        xray.compared()
    with pytest.raises(BadOption, match="simulations"):
        xray.goodness(ulx, coarse, simulations=0)

"""Intervals by profile likelihood, contours, and whether intervals hold the truth as often as they say."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom, chi2

from analysis import xray
from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import check
from analysis.xray.minimizing import descended, least
from analysis.xray.problems import posed
from analysis.xray.repeating import pinned, problem_of
from analysis.xray.replicas import drawn

MODEL = "tbabs * powerlaw"


@pytest.fixture(scope="module")
def best(ulx):
    return xray.fit(ulx, MODEL, band=(0.5, 8), grouping=None)


@pytest.fixture(scope="module")
def coarse(ulx):
    return xray.fit(ulx, MODEL, band=(0.5, 8), min_counts=60)


@pytest.fixture(scope="module")
def small(made_spectrum, made_response):
    """A power law seen by a detector of 25 channels, with a background."""
    spread = np.eye(25) * 8 + np.eye(25, k=1) + np.eye(25, k=-1)
    rng = np.random.default_rng(5)
    energy = np.arange(25) + 1.0
    counts = rng.poisson(8e3 * energy**-1.5 / 8 + 4)
    nodes = {
        "spectrum": made_spectrum(counts, exposure=100.0),
        "background": made_spectrum(rng.poisson(40, 25), exposure=1000.0),
        "rmf": made_response(spread, units="cm2"),
    }
    return xr.DataTree.from_dict(nodes)


@pytest.mark.slow
def test_intervals_are_those_of_sherpa(ulx, best):
    """sherpa 4.19: conf() with eps 1e-4 after neldermead, W on 1,506 channels, the same σ(E)."""
    found = xray.confidence_intervals(ulx, best)
    check(found)
    assert found.attrs["delta"] == pytest.approx(1, abs=3e-4)
    assert found.error_minus.values == pytest.approx([0.0119926351, 0.0299268069, 1.28192121e-5], rel=1e-3)
    assert found.error_plus.values == pytest.approx([0.0120866383, 0.0301046722, 1.32099836e-5], rel=1e-3)
    assert found.lower_reached.all() and found.upper_reached.all()
    # and the Fisher matrix gives them to 1 % where they are nearly symmetrical
    halves = (found.upper - found.lower) / 2
    assert best.error.values == pytest.approx(halves.values, rel=0.01)


@pytest.mark.slow
def test_90_percent_intervals_are_those_of_sherpa(ulx, best):
    """sherpa 4.19: conf() with sigma 1.6448536."""
    found = xray.confidence_intervals(ulx, best, parameters=["nh", "photon_index"], level=0.9)
    assert found.attrs["delta"] == pytest.approx(chi2.ppf(0.9, 1))
    assert found.error_minus.values == pytest.approx([0.0196771329, 0.0491327380], rel=1e-3)
    assert found.error_plus.values == pytest.approx([0.0199314833, 0.0496196120], rel=1e-3)


@pytest.mark.slow
def test_at_each_end_the_statistic_has_grown_by_delta(ulx, coarse):
    found = xray.confidence_intervals(ulx, coarse, parameters=["nh"], delta=2.5)
    problem, x = problem_of(ulx, coarse)
    for end in (found.lower, found.upper):
        grown, _, _, _ = descended(pinned(problem, {"tbabs.nh": float(end[0])}), x[1:])
        assert grown - coarse.attrs["statistic_value"] == pytest.approx(2.5, abs=1e-3)


@pytest.mark.slow
def test_two_parameters_together_have_a_wider_interval(ulx, coarse):
    one = xray.confidence_intervals(ulx, coarse, parameters=["norm"])
    two = xray.confidence_intervals(ulx, coarse, parameters=["norm"], joint=2)
    assert two.attrs["delta"] == pytest.approx(2.2958, abs=1e-3)
    assert float(two.error_plus[0]) > 1.4 * float(one.error_plus[0])


def test_an_interval_that_meets_a_bound_ends_there(ulx):
    hard = xray.fit(ulx, MODEL, band=(0.5, 8), min_counts=60, bounds={"nh": (0.2, 10)})
    found = xray.confidence_intervals(ulx, hard, parameters=["nh"], level=0.99)
    assert float(found.lower[0]) == 0.2 and not found.lower_reached[0] and found.upper_reached[0]


@pytest.mark.slow
def test_a_parameter_at_its_bound_has_a_limit(ulx):
    with pytest.warns(AnalysisWarning, match="ended at a bound"):
        hard = xray.fit(ulx, MODEL, band=(0.5, 8), min_counts=60, bounds={"nh": (0.25, 10)})
    found = xray.confidence_intervals(ulx, hard, parameters=["nh"], level=0.9)
    assert float(found.error_minus[0]) == 0 and not found.lower_reached[0]
    problem, x = problem_of(ulx, hard)
    grown, _, _, _ = descended(pinned(problem, {"tbabs.nh": float(found.upper[0])}), x[1:])
    assert grown - hard.attrs["statistic_value"] == pytest.approx(chi2.ppf(0.9, 1), abs=1e-3)


@pytest.mark.slow
def test_a_fit_that_is_not_the_best_is_said_and_left_behind(ulx, coarse):
    worse = coarse.copy(deep=True)
    problem, x = problem_of(ulx, coarse)
    value, others, _, _ = descended(pinned(problem, {"powerlaw.photon_index": 2.6}), x[[0, 2]])
    worse["value"].values[:] = [others[0], 2.6, others[1]]
    worse.attrs["statistic_value"] = value
    with pytest.warns(AnalysisWarning, match="a better minimum was met"):
        found = xray.confidence_intervals(ulx, worse, parameters=["photon_index"])
    assert float(found.value[0]) == pytest.approx(float(coarse.value[1]), abs=1e-4)


@pytest.mark.slow
def test_contours_are_least_at_the_fit_and_reach_the_levels(ulx, coarse):
    found = xray.contours(ulx, coarse, x="nh", y="photon_index", steps=9)
    check(found)
    assert found.delta_statistic.dims == ("y", "x") and found.attrs["x"] == "tbabs.nh"
    assert found.threshold.values == pytest.approx([2.279, 4.605, 9.210], abs=1e-3)
    assert float(found.delta_statistic.min()) == pytest.approx(0, abs=1e-4)
    assert np.unravel_index(found.delta_statistic.values.argmin(), (9, 9)) == (4, 4)
    # along the axis of one parameter the least growth is the profile's: 3.5 σ is 12
    assert float(found.delta_statistic.min("y")[0]) == pytest.approx(3.5**2, rel=0.2)


def test_contours_of_a_parabola_are_ellipses(small):
    """χ² of a model that is linear in its parameters grows as the covariance says, exactly."""
    best = xray.fit(
        small,
        "powerlaw(photon_index=1) + powerlaw(photon_index=2)",
        statistic="chi2",
        errors="gehrels",
        frozen=["powerlaw.photon_index", "powerlaw_2.photon_index"],
        bounds={"powerlaw.norm": (-1e3, 1e3), "powerlaw_2.norm": (-1e3, 1e3)},
    )
    names = ["powerlaw.norm", "powerlaw_2.norm"]
    grid = xray.contours(small, best, x=names[0], y=names[1], steps=5)
    inverse = np.linalg.inv(best.covariance.sel(parameter=names, parameter_2=names).values)
    off = np.stack(np.meshgrid(grid.x - grid.attrs["x_best"], grid.y - grid.attrs["y_best"]), axis=-1)
    assert grid.delta_statistic.values == pytest.approx(np.einsum("yxi,ij,yxj->yx", off, inverse, off), rel=1e-4)
    ends = xray.confidence_intervals(small, best)
    assert ends.error_plus.values == pytest.approx(best.error.sel(parameter=names).values, rel=1e-3)


def coverage(tree, simulations):
    """How often the 68.27 % intervals of photon index and norm hold the truth, by profile and by Fisher's errors."""
    problem = posed(tree, xray.model("powerlaw(photon_index=1.5, norm=10)"))
    truth, random = problem.start, np.random.default_rng(11)
    by_profile, by_fisher = np.zeros(2), np.zeros(2)
    for _ in range(simulations):
        again = drawn(problem, truth, random)
        found = least(again, starts=0, seed=0)
        assert found.converged
        by_fisher += np.abs(found.vector - truth) <= np.sqrt(np.diag(found.covariance))
        for i, name in enumerate(problem.free):
            held, _, _, _ = descended(pinned(again, {name: truth[i]}), np.delete(found.vector, i))
            by_profile[i] += held - found.value <= 1
    return by_profile, by_fisher


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say(small):
    """200 spectra with a background: within what binomial luck allows in 999 of 1,000 runs."""
    for held in coverage(small, 200):
        assert (held >= binom.ppf(5e-4, 200, 0.6827)).all() and (held <= binom.ppf(1 - 5e-4, 200, 0.6827)).all()


@pytest.mark.long
@pytest.mark.slow
def test_intervals_hold_the_truth_in_2000_spectra(small):
    for held in coverage(small, 2000):
        assert held / 2000 == pytest.approx(0.6827, abs=3.3 * np.sqrt(0.6827 * 0.3173 / 2000))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"parameters": ["nH"]}, "did you mean 'nh'"),
        ({"parameters": []}, "names none"),
        ({"level": 68}, "level=0.68"),
        ({"level": 0.0}, "between 0 and 1"),
        ({"delta": -1.0}, "above 0"),
        ({"joint": 0}, "1 or more"),
    ],
)
def test_intervals_that_make_no_sense_are_refused(ulx, coarse, options, match):
    with pytest.raises(BadOption, match=match):
        xray.confidence_intervals(ulx, coarse, **options)


def test_data_of_another_fit_are_refused(ulx, coarse):
    other = ulx.copy()
    other["spectrum"] = other["spectrum"].to_dataset().assign(exposure=ulx["spectrum"]["exposure"] * 2)
    with pytest.raises(WrongData, match="its statistic was"):
        xray.confidence_intervals(other, coarse)
    more = ulx["spectrum"].to_dataset()
    more["counts"] = more["counts"].copy(data=more["counts"].values + 1)
    other["spectrum"] = more
    with pytest.raises(WrongData, match="not the data of the fit"):
        xray.confidence_intervals(other, coarse)
    with pytest.raises(WrongData, match="no fit"):
        xray.confidence_intervals(ulx, ulx["spectrum"].to_dataset())
    with pytest.raises(WrongData, match="not a DataTree"):
        xray.confidence_intervals(ulx, ulx)


@pytest.mark.slow
def test_contours_that_make_no_sense_are_refused(ulx, coarse):
    with pytest.raises(BadOption, match="same parameter"):
        xray.contours(ulx, coarse, x="nh", y="tbabs.nh")
    with pytest.raises(BadOption, match="within the bounds"):
        xray.contours(ulx, coarse, x="nh", y="norm", x_range=(-1, 1))
    with pytest.raises(BadOption, match="steps"):
        xray.contours(ulx, coarse, x="nh", y="norm", steps=1)
    frozen = xray.fit(ulx, MODEL, band=(0.5, 8), min_counts=60, frozen=["nh"])
    with pytest.raises(BadOption, match=r"did not vary tbabs\.nh"):
        xray.contours(ulx, frozen, x="nh", y="norm")


def test_intervals_of_a_constant_of_one_spectrum(small):
    both = xray.fit(
        {"one": small, "two": small},
        "constant * powerlaw",
        per_spectrum=["constant.factor"],
        values={"photon_index": 1.5},
    )
    found = xray.confidence_intervals({"one": small, "two": small}, both, parameters=["constant.factor[two]"])
    assert float(found.value[0]) == pytest.approx(1, abs=1e-4)
    assert float(found.error_plus[0]) == pytest.approx(
        float(both.error.sel(parameter="constant.factor[two]")), rel=0.05
    )
    with pytest.raises(BadOption, match=r"say which: constant.factor\[one\]"):
        xray.confidence_intervals({"one": small, "two": small}, both, parameters=["factor"])
    with pytest.raises(WrongData, match="fit was of the spectra one, two"):
        xray.confidence_intervals(small, both)

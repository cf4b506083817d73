"""What is drawn at random for fits: priors and replicas follow the distributions they name."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import xray
from analysis.xray.problems import posed
from analysis.xray.replicas import drawn
from analysis.xray.sampling import Priors


def test_a_log_uniform_prior_falls_as_one_over_the_value():
    one = np.array([1e-3]), np.array([1e3])
    prior = Priors(("log_uniform",), *one, *one)
    rows = prior.log(np.array([[0.1], [1.0], [10.0], [1e4]]))
    np.testing.assert_allclose(rows[:3], -np.log([0.1, 1, 10]), atol=1e-12)
    assert rows[3] == -np.inf


@pytest.mark.slow
def test_replicas_scatter_about_what_source_and_background_region_expect(ulx):
    problem = posed(ulx, xray.model("powerlaw(norm=5e-4)"), band=(1, 5))
    only = problem.spectra[0]
    assert only.ratio.min() > 2  # else the two regions could be taken for each other
    behind = 20.0
    flat = replace(only, source=problem.expected(problem.start)[0] + behind, background=behind * only.ratio)
    exact = replace(problem, spectra=(flat,))
    random = np.random.default_rng(0)
    many = [drawn(exact, exact.start, random).spectra[0] for _ in range(200)]
    for name in ("source", "background"):
        total, wanted = np.mean([getattr(s, name).sum() for s in many]), getattr(flat, name).sum()
        assert total == pytest.approx(wanted, abs=4 * np.sqrt(wanted / 200))


@pytest.mark.slow
def test_the_p_value_is_the_share_of_simulations_at_least_as_large(ulx):
    best = xray.fit(ulx, "powerlaw", band=(1, 5), min_counts=30, starts=0)
    found = xray.goodness(ulx, best, simulations=19)
    above = int((found.simulated_statistic >= best.attrs["statistic_value"]).sum())
    assert float(found.p_value) == pytest.approx((1 + above) / 20)
    assert float(found.fraction_below) == pytest.approx(1 - above / 19)
    assert above < 5  # a power law without absorption is a poor model here

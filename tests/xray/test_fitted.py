"""Data and model of a fit in joined bins: nothing that is drawn leans on the model more than it says."""

import numpy as np
import pytest
import xarray as xr

from analysis import xray
from analysis.errors import BadOption, WrongData
from analysis.model import check
from analysis.xray.fitted import joined_bins

CHANNELS = 40


@pytest.fixture(scope="module")
def pair(made_spectrum, made_response):
    """Return a function: a tree of counts drawn with a source, a background and r = t_b / t_s, its model 10 a bin."""
    rmf = made_response(np.eye(CHANNELS) * 1.0, units="cm2")

    def make(seed, *, source=10.0, background=40.0, ratio=1.0):
        random = np.random.default_rng(seed)
        spectrum = made_spectrum(random.poisson(source + background, CHANNELS))
        behind = made_spectrum(random.poisson(ratio * background, CHANNELS), exposure=ratio)
        return xr.DataTree.from_dict({"spectrum": spectrum, "background": behind, "rmf": rmf})

    return make


def seen(tree, **options):
    """Return data and model of a fit whose model is 10 counts a bin, but for one part in a thousand."""
    best = xray.fit(
        tree,
        "powerlaw(photon_index=0, norm=10)",
        frozen=["photon_index"],
        bounds={"norm": (10.0, 10.01)},
        starts=0,
        grouping=None,
    )
    return check(xray.fitted_spectrum(best, **options))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:powerlaw.norm ended at a bound")
@pytest.mark.parametrize("ratio", [0.5, 1.0, 5.0])
@pytest.mark.parametrize("significance", [0, 5])
def test_residuals_of_a_true_model_scatter_by_one(pair, ratio, significance):
    made = [seen(pair(i, ratio=ratio), min_significance=significance).residual.values for i in range(40)]
    found = np.concatenate(made)
    assert found.std() == pytest.approx(1, abs=3.5 / np.sqrt(2 * found.size))
    assert found.mean() == pytest.approx(0, abs=3.5 / np.sqrt(found.size))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:powerlaw.norm ended at a bound")
def test_unfolded_points_of_a_source_of_twice_the_model_lie_at_twice_the_model(pair):
    ratios, errors = [], []
    for i in range(40):
        made = seen(pair(i, source=20.0), unfolded=True, min_significance=0)
        ratios.append(made.flux / made.model_flux)
        errors.append(made.flux_error / made.model_flux)
    found = np.concatenate(ratios)
    assert found.mean() == pytest.approx(2, abs=3.5 * found.std() / np.sqrt(found.size))
    assert np.mean(errors) == pytest.approx(found.std(), rel=0.15)


@pytest.fixture(scope="module")
def best(ulx):
    return xray.fit(ulx, "tbabs * powerlaw", band=(0.5, 8), grouping=None)


def test_joining_keeps_counts_and_energies(best):
    made = xray.fitted_spectrum(best)
    group = joined_bins(best)
    assert (np.diff(group) >= 0).all() and (np.diff(group) <= 1).all() and group[0] == 0
    time = float(best.exposure[0])
    width = np.bincount(group, (best.energy_high - best.energy_low).values)
    np.testing.assert_allclose(made.rate * time * width, np.bincount(group, best.counts), rtol=1e-12)
    np.testing.assert_allclose(made.expected_rate, made.model_rate + made.background_rate)
    assert made.energy_low[0] == best.energy_low.min() and made.energy_high[-1] == best.energy_high.max()
    whole = xray.fitted_spectrum(best, min_significance=0)
    assert whole.sizes["bin"] <= 400
    assert float((whole.rate * (whole.energy_high - whole.energy_low)).sum()) == pytest.approx(
        float((made.rate * (made.energy_high - made.energy_low)).sum())
    )


def test_bins_are_joined_by_what_is_expected_and_not_by_what_was_counted(best):
    other = best.assign(counts=best.counts * 0)
    np.testing.assert_array_equal(joined_bins(best), joined_bins(other))


def test_joined_bins_are_as_significant_as_asked(best):
    group = joined_bins(best, 8.0)
    signal = np.bincount(group, best.model_counts)
    noise = np.sqrt(np.bincount(group, best.model_counts + best.expected_background))
    assert ((signal / noise)[:-1] >= 8).all()


@pytest.mark.slow
def test_bins_of_two_spectra_are_not_joined(ulx):
    both = xray.fit({"one": ulx, "two": ulx}, "tbabs * powerlaw", band=(2, 5), starts=0)
    group = joined_bins(both, 1e6)
    assert {name: len(set(group[both.spectrum.values == name])) for name in ("one", "two")} == {"one": 1, "two": 1}
    assert xray.fitted_spectrum(both, min_significance=1e6).spectrum.values.tolist() == ["one", "two"]


@pytest.mark.parametrize("errors", ["data", "model", "gehrels"])
def test_residuals_of_chi2_are_its_own(ulx, errors):
    best = xray.fit(ulx, "tbabs * powerlaw", band=(1, 5), min_counts=30, statistic="chi2", errors=errors)
    made = xray.fitted_spectrum(best, min_significance=0)
    assert float((made.residual**2).sum()) == pytest.approx(best.attrs["statistic_value"], rel=1e-9)


def test_what_is_no_fit_is_refused(best):
    with pytest.raises(WrongData, match=r"what xray\.fit gives"):
        xray.fitted_spectrum(best.drop_vars("model_counts"))
    with pytest.raises(BadOption, match="negative"):
        xray.fitted_spectrum(best, min_significance=-1)

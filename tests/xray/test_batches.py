"""Many spectra at once: the same as each by itself, whatever way they are given, and none is lost."""

import numpy as np
import pytest
import xarray as xr

from analysis import xray
from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import check

N = 12


@pytest.fixture(scope="module")
def rmf(made_response):
    return made_response(np.eye(20) * 40 + np.eye(20, k=1) * 5, units="cm2")


@pytest.fixture(scope="module")
def stack(made_spectrum, rmf):
    """Power laws of many slopes and brightnesses with a background, on one dim."""
    rng = np.random.default_rng(12)
    low = np.arange(20) + 0.5
    index, norm = rng.uniform(1.2, 2.8, N), 10 ** rng.uniform(-0.5, 1, N)
    shape = (low ** (1 - index[:, None]) - (low + 1) ** (1 - index[:, None])) / (index[:, None] - 1)
    counts = rng.poisson(100 * 40 * norm[:, None] * shape + 4)
    spectrum, background = made_spectrum(counts[0], exposure=100.0), made_spectrum(np.zeros(20), exposure=1000.0)
    told = {"units": "ct", "long_name": "Counts"}
    for data, held in ((spectrum, counts), (background, rng.poisson(40, (N, 20)))):
        data["counts"] = (("spectrum", "channel"), held, told)
    return xr.DataTree.from_dict({"spectrum": spectrum, "background": background, "rmf": rmf})


@pytest.fixture(scope="module")
def trees(stack):
    nodes = {name: stack[name].to_dataset() for name in ("spectrum", "background", "rmf")}
    return {
        f"s{i}": xr.DataTree.from_dict({k: d.isel(spectrum=i) if "spectrum" in d.dims else d for k, d in nodes.items()})
        for i in range(N)
    }


@pytest.fixture(scope="module")
def found(stack):
    return xray.fit_many(stack, "tbabs(nh=0.05) * powerlaw", frozen=["nh"])


@pytest.mark.slow
def test_each_is_what_it_is_by_itself(found, trees):
    check(found)
    assert found.converged.all() and (found.reason == "").all()
    for i, tree in enumerate(trees.values()):
        alone = xray.fit(tree, "tbabs(nh=0.05) * powerlaw", frozen=["nh"])
        assert float(found.statistic_value[i]) == pytest.approx(alone.attrs["statistic_value"], abs=1e-7)
        assert found.value[i].values == pytest.approx(alone.value.values, rel=1e-5)
        assert found.error[i, 1:].values == pytest.approx(alone.error[1:].values, rel=1e-5)
        assert found.bins[i] == alone.attrs["bins"] and found.dof[i] == alone.attrs["dof"]


def test_trees_lists_and_stacks_give_the_same(found, trees):
    listed = xray.fit_many(list(trees.values()), "tbabs(nh=0.05) * powerlaw", frozen=["nh"])
    named = xray.fit_many(trees, "tbabs(nh=0.05) * powerlaw", frozen=["nh"])
    assert named.spectrum.values.tolist() == list(trees)
    for other in (listed, named):
        assert other.value.values == pytest.approx(found.value.values, rel=1e-12)


@pytest.mark.slow
def test_dask_gives_the_same(found, stack):
    cut = xray.fit_many(stack, "tbabs(nh=0.05) * powerlaw", frozen=["nh"], chunks=5)
    assert cut.value.values == pytest.approx(found.value.values, rel=1e-12)


@pytest.mark.slow
def test_exposures_may_differ_in_a_batch(trees):
    """Twice the exposure and the same counts is half the norm."""
    longer = {name: tree.copy() for name, tree in trees.items()}
    for name in ("s1", "s3"):
        for node in ("spectrum", "background"):
            held = longer[name][node].to_dataset()
            longer[name][node] = held.assign(exposure=held["exposure"].copy(data=held["exposure"].values * 2))
    one, two = (xray.fit_many(each, "powerlaw", starts=4) for each in (trees, longer))
    ratio = one.value.sel(parameter="powerlaw.norm") / two.value.sel(parameter="powerlaw.norm")
    assert ratio.values == pytest.approx([2 if name in ("s1", "s3") else 1 for name in trees], rel=1e-5)


@pytest.mark.slow
def test_other_responses_and_groupings_are_batches_of_their_own(trees, rmf):
    mixed = dict(trees)
    big = rmf.copy(deep=True)
    big["matrix"] = big["matrix"] * 2
    big["matrix"].attrs = rmf["matrix"].attrs
    mixed["s2"] = xr.DataTree.from_dict({**{k: v.to_dataset() for k, v in trees["s2"].children.items()}, "rmf": big})
    coarse = trees["s4"]["spectrum"].to_dataset()
    coarse["grouping"] = coarse["grouping"].copy(data=np.tile([1, -1], 10))
    mixed["s4"] = xr.DataTree.from_dict(
        {**{k: v.to_dataset() for k, v in trees["s4"].children.items()}, "spectrum": coarse}
    )
    plain, found = (xray.fit_many(each, "powerlaw", starts=4) for each in (trees, mixed))
    norm = found.value.sel(parameter="powerlaw.norm") / plain.value.sel(parameter="powerlaw.norm")
    assert float(norm[2]) == pytest.approx(0.5, rel=1e-6) and float(norm[5]) == pytest.approx(1, rel=1e-9)
    assert found.bins[4] == 10 and found.bins[5] == 20


def test_a_spectrum_that_cannot_be_fitted_is_told_and_not_lost(trees):
    broken = dict(trees)
    broken["bad"] = trees["s0"].drop_nodes(["rmf"])
    spectrum = trees["s1"]["spectrum"].to_dataset()
    spectrum["counts"] = spectrum["counts"].astype(float).copy(data=np.full(20, np.nan))
    nodes = {k: v.to_dataset() for k, v in trees["s1"].children.items()}
    broken["nan"] = xr.DataTree.from_dict({**nodes, "spectrum": spectrum})
    with pytest.warns(AnalysisWarning, match="2 of 14 spectra"):
        found = xray.fit_many(broken, "powerlaw", starts=4)
    assert np.isnan(found.value.sel(spectrum="bad")).all() and not found.converged.sel(spectrum="bad")
    assert "rmf" in str(found.reason.sel(spectrum="bad").values) and "NaN" in str(
        found.reason.sel(spectrum="nan").values
    )
    assert found.converged.sum() == N


def test_spectra_without_a_count_end_at_nothing(trees):
    empty = {k: v.to_dataset() for k, v in trees["s0"].children.items()}
    empty["spectrum"] = empty["spectrum"].assign(counts=empty["spectrum"]["counts"] * 0)
    empty["spectrum"]["counts"].attrs = trees["s0"]["spectrum"]["counts"].attrs
    found = xray.fit_many(
        {**trees, "empty": xr.DataTree.from_dict(empty)}, "powerlaw(photon_index=2)", frozen=["photon_index"]
    )
    assert float(found.value.sel(spectrum="empty", parameter="powerlaw.norm")) == 0
    assert bool(found.at_bound.sel(spectrum="empty", parameter="powerlaw.norm"))


@pytest.mark.parametrize("statistic", ["wstat", "chi2"])
@pytest.mark.parametrize("min_counts", [None, 30])
def test_other_statistics_and_groupings_are_those_of_fit(trees, statistic, min_counts):
    some = {name: trees[name] for name in ("s0", "s5")}
    errors = "gehrels" if statistic == "chi2" else "data"
    options = {"statistic": statistic, "min_counts": min_counts, "errors": errors, "starts": 4}
    found = xray.fit_many(some, "powerlaw", **options)
    for i, tree in enumerate(some.values()):
        alone = xray.fit(tree, "powerlaw", **options)
        assert float(found.statistic_value[i]) == pytest.approx(alone.attrs["statistic_value"], abs=1e-6)


def test_what_are_no_spectra_is_refused(trees, stack):
    with pytest.raises(WrongData, match="a mapping of names to trees"):
        xray.fit_many("spectra", "powerlaw")
    with pytest.raises(WrongData, match="none of the 1 spectra"):
        xray.fit_many({"one": trees["s0"].drop_nodes(["rmf"])}, "powerlaw")
    with pytest.raises(BadOption, match="chunks"):
        xray.fit_many(trees, "powerlaw", chunks=0)
    with pytest.raises(BadOption, match="did you mean"):
        xray.fit_many(trees, "powerlow")
    short = stack.copy()
    short["background"] = stack["background"].to_dataset().isel(spectrum=slice(3))
    with pytest.raises((WrongData, ValueError)):
        xray.fit_many(short, "powerlaw")

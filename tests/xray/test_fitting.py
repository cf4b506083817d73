"""Fits: optima, joint fits, and what is refused."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis import formats, xray
from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, WrongData
from analysis.model import check
from analysis.xray.problems import posed

MODEL = "tbabs * powerlaw"


@pytest.fixture(scope="module")
def best(ulx):
    return xray.fit(ulx, MODEL, band=(0.5, 8), grouping=None)


def test_the_optimum_of_ngc7793_on_every_channel(best):
    """sherpa 4.19's W on the same table, interpolated log-log at the bins' middles: 1768.227."""
    assert best.attrs["statistic"] == "wstat" and best.attrs["bins"] == 1506
    assert best.attrs["statistic_value"] == pytest.approx(1768.227, abs=5e-4)
    assert best.value.sel(parameter="powerlaw.photon_index") == pytest.approx(2.006, abs=5e-4)
    assert best.value.sel(parameter="tbabs.nh") == pytest.approx(0.2135, abs=5e-5)
    check(best)


def test_the_optimum_as_the_file_groups_it(ulx):
    grouped = xray.fit(ulx, MODEL, band=(0.5, 8))
    assert grouped.attrs["bins"] == 104
    assert grouped.attrs["statistic_value"] == pytest.approx(266.025, abs=1e-3)


def test_the_statistic_of_a_fit_is_that_of_the_pure_function(ulx, ulx_response, best):
    flux = xray.photon_flux(
        xray.model(MODEL), ulx_response, values=dict(zip(best.parameter.values, best.value.values, strict=True))
    )
    w = xray.w_statistic(
        ulx["spectrum"],
        xray.folded(flux, rmf=ulx_response),
        background=ulx["background"],
        rmf=ulx["rmf"],
        band=(0.5, 8),
        grouping=None,
    )
    assert float(w) == pytest.approx(best.attrs["statistic_value"], abs=1e-8)
    assert float(best.statistic_term.sum()) == pytest.approx(float(w), abs=1e-8)


@pytest.mark.slow
def test_a_spectrum_fitted_with_itself_has_half_the_variance(ulx, best):
    both = xray.fit({"one": ulx, "two": ulx}, MODEL, band=(0.5, 8), grouping=None)
    assert both.attrs["bins"] == 2 * 1506
    assert both.value.values == pytest.approx(best.value.values, rel=1e-5)
    assert both.error.values == pytest.approx(best.error.values / np.sqrt(2), rel=1e-4)


@pytest.mark.slow
def test_a_constant_factor_of_each_spectrum_is_measured_against_the_first(ulx):
    made = xray.fit(
        {"one": ulx, "two": ulx},
        "constant * tbabs * powerlaw",
        band=(0.5, 8),
        grouping=None,
        per_spectrum=["constant.factor"],
    )
    assert not made.varied.sel(parameter="constant.factor[one]")
    assert float(made.value.sel(parameter="constant.factor[two]")) == pytest.approx(1, abs=1e-6)
    assert set(json.loads(made.attrs["own_values"])) == {"constant.factor[one]", "constant.factor[two]"}


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"source": "tbabs * powerlow"}, BadOption, "did you mean 'powerlaw'"),
        ({"source": "tbabs"}, BadOption, "makes photons"),
        ({"source": MODEL, "statistic": "cstat"}, BadOption, "drop_nodes"),
        ({"source": MODEL, "values": {"tbabs.nH": 1}}, BadOption, r"did you mean 'tbabs.nh'"),
        ({"source": MODEL, "values": {"nh": -1}}, BadOption, "outside its bounds"),
        ({"source": MODEL, "band": (30, 40)}, OutsideCoverage, "30"),
        ({"source": MODEL, "per_spectrum": ["norm"]}, BadOption, "there is one"),
        ({"source": MODEL, "errors": "gehrels"}, BadOption, "chooses the variances of χ²"),
        ({"source": MODEL, "values": {"PhoIndex": 2}}, BadOption, "did you mean 'photon_index'"),
        ({"source": MODEL, "tied": {"nh": "nh"}}, BadOption, "tied to itself"),
    ],
)
def test_a_wrong_fit_is_told_what_would_be_right(ulx, options, error, match):
    with pytest.raises(error, match=match):
        xray.fit(ulx, **options)


def test_per_spectrum_may_be_one_name(ulx):
    both = {"one": ulx, "two": ulx}
    made = xray.fit(both, "constant * powerlaw", band=(1, 5), per_spectrum="constant.factor", starts=0)
    assert "constant.factor[two]" in made.parameter.values


def test_a_response_may_stand_in_the_tree_as_rmf(ulx, ulx_response):
    nodes = {name: ulx[name].to_dataset() for name in ("spectrum", "background")}
    made = xray.fit(xr.DataTree.from_dict({**nodes, "rmf": ulx_response}), MODEL, band=(1, 5))
    assert made.attrs["statistic_value"] == xray.fit(ulx, MODEL, band=(1, 5)).attrs["statistic_value"]
    bare = xr.DataTree.from_dict({**nodes, "rmf": xray.response(ulx["rmf"]), "arf": ulx["arf"].to_dataset()})
    with pytest.raises(WrongData, match="made without the effective area"):
        xray.fit(bare, MODEL)


def test_a_band_without_a_count_is_told(ulx):
    counts = ulx["spectrum"]["counts"]
    empty = ulx.drop_nodes("background").copy()
    empty["spectrum"] = empty["spectrum"].to_dataset().assign(counts=(counts * 0).assign_attrs(counts.attrs))
    with pytest.warns(AnalysisWarning, match="not one count"):
        xray.fit(empty, "powerlaw(photon_index=2)", frozen=["photon_index"], band=(1, 5))


def test_a_tree_without_a_response_is_refused(ulx):
    with pytest.raises(WrongData, match="no node 'rmf'"):
        xray.fit(ulx.drop_nodes(["rmf"]), MODEL)


@pytest.fixture(scope="module")
def quasar(oracle):
    """3C 273 by Chandra, with background."""
    files = {"spectrum": ".pi", "background": "_bg.pi", "arf": ".arf", "rmf": ".rmf"}
    return xr.DataTree.from_dict({k: formats.read(oracle / "xray" / "3c273" / f"3c273{v}") for k, v in files.items()})


PLAIN = "powerlaw(photon_index=1.782, norm=1.622e-4)"


@pytest.mark.parametrize(
    ("band", "grouping", "bins", "expected"),
    [
        # sherpa's filter takes whole groups: bands here are just inside their edges
        ((0.468, 9.869), "file", 42, 44.98766113516916),
        ((0.249, 2.029), "file", 25, 25.36885303876484),
        ((1.942, 14.950), "file", 21, 21.882638834120257),
        ((0.5, 7), None, 446, 502.53419805180374),
        ((0.3, 2), None, 117, 132.26878378483),
        ((2, 10), None, 549, 424.0238549450106),
    ],
)
def test_w_of_3c_273_in_a_band_is_that_of_sherpa(quasar, band, grouping, bins, expected):
    """sherpa 4.19: calc_stat() with wstat after notice(0.5, 7), (0.3, 2) and (2, 10)."""
    problem = posed(quasar, xray.model(PLAIN), band=band, grouping=grouping)
    assert problem.spectra[0].source.size == bins
    assert problem.statistic(problem.start) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("statistic", "errors", "background", "expected"),
    [
        ("chi2", "gehrels", True, 27.148105124591027),  # chi2gehrels, subtract()
        ("chi2", "data", True, 44.149623502169796),  # chi2datavar and chi2xspecvar, subtract()
        ("chi2", "gehrels", False, 25.184061714380523),
        ("chi2", "data", False, 40.82370759230194),
        ("chi2", "model", False, 45.97195717900635),  # chi2modvar
        ("chi2", "file", False, 40.82370759230194),  # the file's errors are √N
        ("cstat", "data", False, 42.878194120086846),
        ("cash", "data", False, -2320.846158561813),
    ],
)
def test_other_statistics_of_3c_273_are_those_of_sherpa(quasar, statistic, errors, background, expected):
    """sherpa 4.19: calc_stat() on the 42 groups from 0.4672 to 9.8696 keV."""
    data = quasar if background else quasar.drop_nodes("background")
    problem = posed(data, xray.model(PLAIN), band=(0.468, 9.869), statistic=statistic, errors=errors)
    assert problem.statistic(problem.start) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("statistic", "errors", "background", "expected", "values"),
    [
        ("wstat", "data", True, 35.57912764644077, (0.06126518, 2.04133802, 2.10936717e-4)),
        ("chi2", "gehrels", True, 21.565489442842185, (0.05073818, 2.02629985, 1.95581816e-4)),
        ("chi2", "data", True, 35.11570955609455, (0.05115287, 2.02568614, 1.95487405e-4)),
        ("cstat", "data", False, 34.8814340668424, (0.04935106, 1.99153357, 2.06206087e-4)),
        ("cash", "data", False, -2328.842918615057, (0.04935106, 1.99153357, 2.06206086e-4)),
    ],
)
def test_optima_of_3c_273_are_those_of_sherpa(quasar, statistic, errors, background, expected, values):
    """sherpa 4.19: neldermead on the 42 groups, the absorber a user model of the same σ(E)."""
    data = quasar if background else quasar.drop_nodes("background")
    found = xray.fit(data, MODEL, band=(0.468, 9.869), statistic=statistic, errors=errors)
    assert found.attrs["statistic_value"] == pytest.approx(expected, abs=1e-6)
    assert found.value.values == pytest.approx(values, rel=1e-4)
    assert found.attrs["converged"] == "true"


def test_the_optimum_of_ngc7793_is_sherpas_to_six_digits(best):
    """sherpa 4.19: neldermead with ftol 1e-14, the absorber a user model of the same σ(E)."""
    assert best.attrs["statistic_value"] == pytest.approx(1768.227240057431, abs=1e-6)
    assert best.value.values == pytest.approx([0.213478223, 2.00597461, 4.48842469e-4], rel=1e-5)
    # covar(): the observed curvature, where ours is the expected one
    assert best.error.values == pytest.approx([0.0120393739, 0.0300153293, 1.30130093e-5], rel=0.01)


@pytest.mark.slow
def test_a_joint_fit_is_that_of_sherpa(ulx):
    """sherpa 4.19: two halves of the pn spectrum, the second with a factor of its own (scale1d); neldermead."""
    halves = {"soft": _only(ulx, 0.5, 2), "hard": _only(ulx, 2.01, 8)}
    found = xray.fit(halves, "constant * tbabs * powerlaw", per_spectrum=["constant.factor"])
    assert found.attrs["statistic_value"] == pytest.approx(1727.8965604696712, abs=1e-5)
    names = ["tbabs.nh", "powerlaw.photon_index", "powerlaw.norm", "constant.factor[hard]"]
    assert found.value.sel(parameter=names).values == pytest.approx(
        [0.25474909, 2.26132313, 4.85978922e-4, 1.33052879], rel=1e-4
    )
    assert found.error.sel(parameter=names).values == pytest.approx(
        [0.0138451385, 0.0506890981, 1.55222392e-5, 0.0593143422], rel=0.015
    )


def _only(tree, low, high):
    """A tree whose spectrum has bad QUALITY outside a band, each good channel a bin."""
    energies = xray.channel_energies(tree["rmf"])
    good = (energies.energy_high > low) & (energies.energy_low < high)
    spectrum = tree["spectrum"].to_dataset()
    attrs = spectrum["quality"].attrs
    spectrum["quality"] = ("channel", np.where(good, 0, 5), attrs)
    spectrum["grouping"] = ("channel", np.ones(good.size, int), attrs)
    return xr.DataTree.from_dict({**{k: v.to_dataset() for k, v in tree.children.items()}, "spectrum": spectrum})


@pytest.mark.parametrize("statistic", ["wstat", "cstat", "cash"])
@pytest.mark.parametrize("grouping", ["file", None])
def test_slopes_are_the_differences_of_the_statistic(quasar, statistic, grouping):
    data = quasar if statistic == "wstat" else quasar.drop_nodes("background")
    _has_the_slopes_of_its_values(data, statistic, "data", grouping)


@pytest.mark.parametrize("errors", ["data", "gehrels", "churazov", "model", "file"])
def test_slopes_of_chi2_are_its_differences(quasar, errors):
    _has_the_slopes_of_its_values(quasar, "chi2", errors, "file")


def _has_the_slopes_of_its_values(data, statistic, errors, grouping):
    source = xray.model("tbabs(nh=0.05) * powerlaw(photon_index=1.9, norm=2e-4)")
    problem = posed(data, source, band=(0.5, 7), statistic=statistic, errors=errors, grouping=grouping)
    x = problem.start
    value, slope, curvature = problem.derivatives(x)
    assert value == pytest.approx(problem.statistic(x), rel=1e-12)
    assert (np.linalg.eigvalsh(curvature / np.sqrt(np.outer(np.diag(curvature), np.diag(curvature)))) > 0).all()
    for i, step in enumerate(1e-5 * x):
        off = step * (np.arange(3) == i)
        rise = (problem.statistic(x + off) - problem.statistic(x - off)) / (2 * step)
        assert slope[i] == pytest.approx(rise, rel=1e-5)


@pytest.mark.slow
def test_a_fit_of_two_power_laws_does_not_stop_at_a_bound(ulx):
    """The second power law ends steep and soft; a step that runs into a bound is no reason to stop."""
    one = xray.fit(ulx, MODEL, band=(0.5, 8), min_counts=30)
    two = xray.fit(ulx, "tbabs * (powerlaw + powerlaw(photon_index=3))", band=(0.5, 8), min_counts=30)
    assert two.attrs["statistic_value"] < one.attrs["statistic_value"] - 70
    assert two.attrs["converged"] == "true"


def test_parameters_that_the_data_cannot_tell_apart_are_named(ulx):
    with pytest.warns(AnalysisWarning, match="cannot tell constant.factor, powerlaw.norm apart"):
        found = xray.fit(ulx, "constant * powerlaw", band=(0.5, 8), min_counts=30)
    assert np.isnan(found.error.sel(parameter="powerlaw.norm"))
    assert np.isfinite(found.error.sel(parameter="powerlaw.photon_index"))


@pytest.mark.slow
def test_a_norm_of_any_size_is_not_at_its_bound(ulx):
    """The same source a billion times fainter, with exposures a billion times longer."""
    far = ulx.copy()
    for name in ("spectrum", "background"):
        held = ulx[name].to_dataset()
        far[name] = held.assign(exposure=held["exposure"].copy(data=held["exposure"].values * 1e9))
    near, faint = (xray.fit(data, MODEL, band=(0.5, 8), min_counts=60) for data in (ulx, far))
    assert faint.value[2] == pytest.approx(float(near.value[2]) * 1e-9, rel=1e-5)
    assert faint.error[2] == pytest.approx(float(near.error[2]) * 1e-9, rel=1e-3)


def test_a_band_with_units_is_kept_as_numbers(ulx):
    found = xray.fit(ulx, MODEL, band=("500 eV", "8 keV"), min_counts=60)
    assert json.loads(found.attrs["options"])["band"] == [0.5, 8.0]


def test_systematic_errors_are_added_by_chi2_and_told_by_poisson(quasar):
    spectrum = quasar["spectrum"].to_dataset()
    told = {"units": "1", "long_name": "Systematic error"}
    spectrum["systematic"] = ("channel", np.full(spectrum.sizes["channel"], 0.05), told)
    nodes = {k: v.to_dataset() for k, v in quasar.children.items()}
    rough = xr.DataTree.from_dict({**nodes, "spectrum": spectrum})
    sharp, blunt = (posed(t, xray.model(PLAIN), band=(0.468, 9.869), statistic="chi2") for t in (quasar, rough))
    added = blunt.spectra[0].variance - sharp.spectra[0].variance
    counts = spectrum["counts"].values.astype(float)
    assert added.sum() == pytest.approx(0.0025 * (counts[32:676] ** 2).sum(), rel=1e-9)
    with pytest.warns(AnalysisWarning, match="SYS_ERR"):
        posed(rough, xray.model(PLAIN), band=(0.468, 9.869))


def test_errors_that_a_file_does_not_hold_are_refused(made_spectrum, made_response):
    tree = xr.DataTree.from_dict({"spectrum": made_spectrum([5, 9, 7]), "rmf": made_response(np.eye(3), units="cm2")})
    with pytest.raises(BadOption, match="STAT_ERR"):
        xray.fit(tree, "powerlaw", statistic="chi2", errors="file")
    with pytest.raises(BadOption, match="did you mean 'gehrels'"):
        xray.fit(tree, "powerlaw", statistic="chi2", errors="gehrel")
    assert xray.fit(tree, "powerlaw", starts=0).attrs["statistic"] == "cstat"


def test_rates_with_areascal_are_fitted_as_counts_are(made_spectrum, made_response):
    """Half the area and the same counts is twice the flux, whether the file holds counts or rates."""
    rmf = made_response(np.eye(4) * 10, units="cm2")
    counts = np.array([400.0, 150, 80, 50])
    norms = []
    for area in (1.0, 0.5):
        held = made_spectrum(counts, exposure=50.0, areascal=area)
        rates = held.drop_vars("counts")
        for name, column in (("rate", counts / 50), ("stat_error", np.sqrt(counts) / 50)):
            rates[name] = ("channel", column, {"units": "ct s-1", "long_name": name})
        for spectrum in (held, rates):
            tree = xr.DataTree.from_dict({"spectrum": spectrum, "rmf": rmf})
            norms.append(float(xray.fit(tree, "powerlaw", statistic="chi2", starts=4).value[1]))
    assert norms[1] == pytest.approx(norms[0], rel=1e-6) and norms[3] == pytest.approx(norms[2], rel=1e-6)
    assert norms[2] == pytest.approx(2 * norms[0], rel=1e-6)


def test_a_tie_of_parameters_of_each_spectrum_is_within_the_spectrum(ulx):
    source = "powerlaw + powerlaw(photon_index=1)"
    options = {
        "band": (1, 5),
        "starts": 0,
        "tied": {"powerlaw_2.norm": "powerlaw.norm"},
        "frozen": ["powerlaw_2.photon_index"],
    }
    half = {name: node.to_dataset() for name, node in ulx.children.items()}
    for name in ("spectrum", "background"):
        counts = half[name]["counts"]
        half[name] = half[name].assign(counts=(counts // 2).assign_attrs(counts.attrs))
    both = {"one": ulx, "half": xr.DataTree.from_dict(half)}
    made = xray.fit(both, source, per_spectrum=["powerlaw.norm", "powerlaw_2.norm"], **options)
    values = dict(zip(made.parameter.values.tolist(), made.value.values.tolist(), strict=True))
    for name in both:
        assert values[f"powerlaw_2.norm[{name}]"] == values[f"powerlaw.norm[{name}]"]
    assert values["powerlaw.norm[half]"] < 0.6 * values["powerlaw.norm[one]"]


@pytest.mark.parametrize(("bounds", "edge"), [((-3.0, 1.5), 1.5), ((2.5, 9.0), 2.5)])
def test_a_fit_held_by_a_bound_is_the_fit_of_the_others_there(ulx, bounds, edge):
    options = {"band": (1, 5), "starts": 0}
    with pytest.warns(AnalysisWarning, match="photon_index ended at a bound"):
        held = xray.fit(ulx, "powerlaw", bounds={"photon_index": bounds}, **options)
    there = xray.fit(ulx, "powerlaw", values={"photon_index": edge}, frozen=["photon_index"], **options)
    assert held.attrs["converged"] == "true"
    assert held.attrs["statistic_value"] == pytest.approx(there.attrs["statistic_value"], abs=1e-6)
    assert held.attrs["evaluations"] < 60
    assert float(held.value.sel(parameter="powerlaw.photon_index")) == edge
    varied = held.value.sel(parameter="powerlaw.norm"), held.error.sel(parameter="powerlaw.norm")
    wanted = there.value.sel(parameter="powerlaw.norm"), there.error.sel(parameter="powerlaw.norm")
    np.testing.assert_allclose(varied, wanted, rtol=1e-4)

"""Feasibility: Fisher errors against theory, against fits of simulations, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from analysis import xray
from analysis.errors import BadOption, OutsideCoverage
from analysis.model import check
from analysis.xray.models import Component, Parameter, single
from analysis.xray.simulation import generators

MODEL = "tbabs(nh=0.2) * powerlaw(photon_index=1.9, norm=4e-4)"


def box(low, high, norm):
    """A line of a box's shape, exactly known."""

    def on(energy_low, energy_high):
        share = np.clip(np.minimum(energy_high, high) - np.maximum(energy_low, low), 0, None) / (high - low)
        return lambda pars: share

    return single(Component("box", "additive", (Parameter("norm", norm, "ph cm-2 s-1", 0.0, 1e3, (1e-9, 1.0)),), on=on))


@pytest.fixture(scope="module")
def one_bin(made_response):
    """One energy, one channel, 1 cm2: s = norm × time."""
    return xr.DataTree.from_dict({"rmf": made_response(np.ones((1, 1)), units="cm2", low=[1.0, 2.0])}, name="one")


@pytest.fixture(scope="module")
def two():
    return xray.feasibility(MODEL, ["newathena_wfi", "newathena_xifu"], ["5 ks", "20 ks", "80 ks"])


@pytest.mark.parametrize("rate", [0.0, 0.5, 200.0])
@pytest.mark.parametrize("ratio", [1.0, 10.0])
def test_the_error_of_a_norm_is_that_of_counting(one_bin, rate, ratio):
    """σ(s) = √(s + b + b / r): source, background behind it, and how well that is known."""
    made = xray.feasibility(
        box(1, 2, 3.0),
        {"one": one_bin.assign(background=behind(one_bin, rate, ratio)) if rate else one_bin},
        "100 s",
        background="instrument",
    )
    s, b = 300.0, 100 * rate
    assert float(made.error.squeeze()) == pytest.approx(np.sqrt(s + b + b / ratio) / 100, rel=1e-9)
    assert float(made.expected_counts.squeeze()) == pytest.approx(s)
    assert float(made.expected_background.squeeze()) == pytest.approx(b, abs=1e-9)


def test_the_check_tells_scatter_and_bias_of_the_fits_in_errors(one_bin):
    """Of one bin without a background the fitted norm is counts over exposure, so each fit is known by its draw."""
    made = xray.feasibility(box(1, 2, 3.0), {"one": one_bin}, "100 s", background=None, check=7, seed=3)
    drawn = generators(3, 1)[0].poisson(300.0, size=7)
    off = (drawn - 300) / np.sqrt(300)
    assert float(made.bias.squeeze()) == pytest.approx(off.mean(), rel=1e-6)
    assert float(made.scatter_ratio.squeeze()) == pytest.approx(off.std(ddof=1), rel=1e-6)
    assert float(made.bias_error.squeeze()) == pytest.approx(off.std(ddof=1) / np.sqrt(7), rel=1e-6)
    assert float(made.scatter_ratio_error.squeeze()) == pytest.approx(off.std(ddof=1) / np.sqrt(12), rel=1e-6)


def behind(tree, rate, ratio):
    """A background of so many ct/s in the source region, from a region ratio times as large."""
    plain = {"units": "1", "long_name": "Number"}
    data = xr.Dataset(
        {
            "counts": ("channel", [rate * ratio * 50.0], {"units": "ct", "long_name": "Counts"}),
            "exposure": ((), 50.0, {"units": "s", "long_name": "Exposure"}),
            "backscal": ((), ratio, plain),
        },
        coords={"channel": tree["rmf"].channel},
    )
    return xr.DataTree(data.assign_attrs(tree["rmf"].attrs, source_backscal=1.0))


def test_without_a_background_errors_fall_with_the_root_of_the_exposure(two):
    scaled = two.error * np.sqrt(two.exposure)
    assert float((scaled.std("exposure") / scaled.mean("exposure")).max()) < 1e-6


def test_the_result_keeps_the_contract_and_says_that_it_is_parametric(two):
    check(two)
    assert two.error.dims == ("instrument", "exposure", "parameter")
    assert two.attrs["parametric"] == "newathena_wfi, newathena_xifu" and two.attrs["synthetic"] == "true"
    assert "parametric responses" in two.attrs["title"] and "Emberger" in two.attrs["references"]
    assert "Peille" in two.attrs["references"] and two.attrs["statistic"] == "cstat"
    assert two.parameter_unit.values.tolist() == ["1e22 cm-2", "1", "ph cm-2 s-1 keV-1"]


def test_a_background_makes_errors_larger(two):
    worse = xray.feasibility(MODEL, ["newathena_wfi"], ["20 ks"], background="1 ct s-1 keV-1")
    assert (worse.error.squeeze() > two.error.sel(instrument="newathena_wfi", exposure=20_000)).all()
    assert worse.attrs["statistic"] == "wstat"


def test_where_the_background_rules_a_fainter_source_has_the_same_error():
    faint, fainter = (
        xray.feasibility(
            f"powerlaw(norm={n})", "newathena_wfi", "20 ks", frozen=["photon_index"], background="50 ct s-1 keV-1"
        )
        for n in (1e-6, 1e-7)
    )
    assert float(faint.error.squeeze()) == pytest.approx(float(fainter.error.squeeze()), rel=1e-3)


@pytest.mark.slow
def test_errors_are_those_of_a_fit_of_many_counts(ulx):
    options = {"background": "0.05 ct s-1 keV-1"}
    made = xray.feasibility(MODEL, {"pn": ulx}, "1 Ms", band=(0.5, 8), **options)
    drawn = xray.simulated_spectrum(MODEL, ulx, "1 Ms", seed=6, **options)
    best = xray.fit(drawn, MODEL, band=(0.5, 8), starts=0)
    assert made.error.squeeze().values == pytest.approx(best.error.values, rel=0.02)


def test_the_covariance_is_that_of_the_errors(two):
    assert np.sqrt(np.diagonal(two.covariance.values, axis1=2, axis2=3)) == pytest.approx(two.error.values)


@pytest.mark.slow
@pytest.mark.parametrize("background", [None, "0.2 ct s-1 keV-1"])
def test_errors_agree_with_the_scatter_of_fits(background):
    """300 fits each: the ratio within 4 of its own errors of 1, the bias within 4 of 0."""
    made = xray.feasibility(
        MODEL, ["newathena_wfi"], ["10 ks"], band=(0.6, 4.8), background=background, check=300, seed=2
    )
    assert float(abs((made.scatter_ratio - 1) / made.scatter_ratio_error).max()) < 4
    assert float(abs(made.bias / made.bias_error).max()) < 4
    assert int(made.failed.sum()) == 0
    assert made.scatter_ratio_error.values == pytest.approx(1 / np.sqrt(2 * 299), rel=0.2)


@pytest.mark.slow
def test_the_check_is_the_same_for_the_same_seed():
    a, b, c = (xray.feasibility(MODEL, "newathena_wfi", "5 ks", check=5, seed=seed) for seed in (1, 1, 2))
    assert a.equals(b) and not np.array_equal(a.bias.values, c.bias.values)


def test_a_weak_line_is_worth_its_norm_over_its_error():
    """Over a strong background ΔW is (norm / σ)², to first order."""
    source = xray.model("powerlaw(norm=1e-3)") + box(2.0, 2.05, 2e-6)
    made = xray.feasibility(source, "newathena_wfi", "20 ks", background="1 ct s-1 keV-1", component="box")
    error = made.error.sel(parameter="box.norm").squeeze()
    assert float(made.detection_sigma.squeeze()) == pytest.approx(2e-6 / float(error), rel=0.05)
    longer = xray.feasibility(source, "newathena_wfi", "80 ks", background="1 ct s-1 keV-1", component="box")
    assert float(longer.detection_sigma.squeeze()) == pytest.approx(2 * float(made.detection_sigma.squeeze()), rel=1e-3)


def test_grouping_hardly_changes_the_errors(two):
    coarse = xray.feasibility(MODEL, "newathena_wfi", "20 ks", min_counts=25)
    assert int(coarse.bins.squeeze()) < 400
    fine = two.error.sel(instrument="newathena_wfi", exposure=20_000)
    assert coarse.error.squeeze().values == pytest.approx(fine.values, rel=0.02)


def test_exposures_may_be_an_array_with_units(two):
    times = xr.DataArray([5.0, 20.0, 80.0], dims="t", attrs={"units": "ks"})
    assert xray.feasibility(MODEL, "newathena_wfi", times).error.values[0] == pytest.approx(two.error.values[0])


@pytest.mark.slow
def test_each_instrument_may_have_its_background():
    made = xray.feasibility(
        MODEL, ["newathena_wfi", "xmm_pn"], "5 ks", band=(0.6, 4.5), background={"newathena_wfi": "0.1 ct s-1 keV-1"}
    )
    assert (made.expected_background.values > 0).all()


@pytest.mark.slow
def test_a_picture_has_a_panel_for_each_parameter_and_says_what_it_is(two):
    import holoviews as hv

    picture = xray.view(two)
    assert len(picture) == 3
    figure = hv.render(picture.values()[0])
    assert "parametric responses: newathena_wfi, newathena_xifu" in figure.title.text.replace("\n", " ")
    assert any("SYNTHETIC" in str(getattr(part, "text", "")) for part in figure.above)
    assert figure.xaxis[0].axis_label == "Exposure (s)"


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"source": "powerlaw + powerlaw"}, BadOption, "told apart"),
        ({"source": "tbabs(nh=0) * powerlaw"}, BadOption, "stands at a bound"),
        ({"frozen": ["nh", "photon_index", "norm"]}, BadOption, "frozen or tied"),
        ({"source": "tbabs"}, BadOption, "makes photons"),
        ({"instruments": []}, BadOption, "empty"),
        ({"instruments": "newathena_wif"}, BadOption, "did you mean"),
        ({"exposures": []}, BadOption, "empty"),
        ({"exposures": [100, "100 s"]}, BadOption, "twice"),
        ({"exposures": [-5]}, BadOption, "more than 0 s"),
        ({"check": 1}, BadOption, "2 or more"),
        ({"check": True}, BadOption, "whole number"),
        ({"component": "powerlow"}, BadOption, "did you mean 'powerlaw'"),
        ({"component": "tbabs"}, BadOption, "no norm"),
        ({"band": (6, 7)}, OutsideCoverage, "6-7 keV"),
        ({"min_counts": 10**9}, BadOption, "fewer than"),
        ({"background": {"pn": None}}, BadOption, "none of the instruments"),
        ({"seed": -2}, BadOption, "seed"),
    ],
)
def test_what_cannot_be_told_is_refused_with_help(options, error, match):
    given = {"source": MODEL, "instruments": "newathena_wfi", "exposures": "5 ks"} | options
    with pytest.raises(error, match=match):
        xray.feasibility(given.pop("source"), given.pop("instruments"), given.pop("exposures"), **given)


def test_an_instrument_of_ones_own_needs_a_name(ulx):
    with pytest.raises(BadOption, match="need names"):
        xray.feasibility(MODEL, [ulx], "5 ks")

"""Fits: optima, joint fits, and what is refused."""

import json

import numpy as np
import pytest

from analysis import xray
from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import check

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


def test_a_spectrum_fitted_with_itself_has_half_the_variance(ulx, best):
    both = xray.fit({"one": ulx, "two": ulx}, MODEL, band=(0.5, 8), grouping=None)
    assert both.attrs["bins"] == 2 * 1506
    assert both.value.values == pytest.approx(best.value.values, rel=1e-5)
    assert both.error.values == pytest.approx(best.error.values / np.sqrt(2), rel=1e-4)


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
    ],
)
def test_a_wrong_fit_is_told_what_would_be_right(ulx, options, error, match):
    with pytest.raises(error, match=match):
        xray.fit(ulx, **options)


def test_a_tree_without_a_response_is_refused(ulx):
    with pytest.raises(WrongData, match="no node 'rmf'"):
        xray.fit(ulx.drop_nodes(["rmf"]), MODEL)

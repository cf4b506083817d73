"""W and C statistics: their limits, the numbers that other programs find, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from tiers import examples

from analysis import formats, xray
from analysis.errors import BadOption, WrongData
from analysis.model import breaches
from analysis.xray.statistics import w_terms

counts = st.integers(0, 200)
rates = st.floats(0, 50)
times = st.floats(0.1, 20)


def likelihood(source, background, expected, ratio, behind):
    """Minus twice the log-likelihood ratio for a given background, term by term."""
    total = 0.0
    for n, mean in ((source, expected + behind), (background, ratio * behind)):
        total += mean - n + (n * np.log(n / mean) if n else 0.0)
    return 2 * total


@given(source=counts, background=counts, expected=rates, ratio=times)
def test_w_is_the_least_over_all_backgrounds(source, background, expected, ratio):
    found = float(w_terms(*(np.array([float(v)]) for v in (source, background, expected, ratio)))[0])
    tried = minimize_scalar(
        lambda log_b: likelihood(source, background, expected, ratio, np.exp(log_b)),
        bounds=(-25, 8),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert found <= tried.fun + 1e-6
    assert found == pytest.approx(tried.fun, abs=1e-5)
    assert found >= -1e-9


@given(background=counts, expected=rates, ratio=times)
def test_w_without_source_counts_is_the_published_limit(background, expected, ratio):
    values = (0.0, background, expected, ratio)
    found = float(w_terms(*(np.array([float(value)]) for value in values))[0])
    assert found == pytest.approx(2 * (expected - background * np.log(ratio / (1 + ratio))), abs=1e-8)


@given(source=st.integers(1, 200), expected=st.floats(1e-6, 100), ratio=times)
def test_w_without_background_counts_is_the_published_limit(source, expected, ratio):
    """Appendix B of the XSPEC guide: two cases, as the model is below or above S / (1 + t_b/t_s)."""
    found = float(w_terms(np.array([float(source)]), np.zeros(1), np.array([expected]), np.array([ratio]))[0])
    if expected < source / (1 + ratio):
        limit = -expected * ratio - source * np.log(1 / (1 + ratio))
    else:
        limit = expected + source * (np.log(source) - np.log(expected) - 1)
    assert found == pytest.approx(2 * limit, rel=1e-9, abs=1e-9)


@given(source=counts, expected=st.floats(0.01, 50))
def test_w_of_a_background_known_exactly_is_c(source, expected):
    """A background of nothing seen for a very long time leaves no room: W becomes C of the source alone."""
    found = float(w_terms(np.array([float(source)]), np.zeros(1), np.array([expected]), np.array([1e12]))[0])
    c = 2 * (expected - source + (source * np.log(source / expected) if source else 0))
    assert found == pytest.approx(c, abs=1e-6)


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(values=st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_a_model_that_hits_every_count_has_no_deviance(made_spectrum, rate_of, values):
    spectrum = made_spectrum(values, exposure=4.0)
    rate = rate_of(np.array(values) / 4.0, spectrum)
    assert float(xray.c_statistic(spectrum, rate)) == pytest.approx(0, abs=1e-9)
    nothing = made_spectrum([0] * len(values), exposure=4.0)
    assert float(xray.w_statistic(spectrum, rate, background=nothing)) == pytest.approx(0, abs=1e-9)


def test_c_is_cash_less_its_constant(made_spectrum, rate_of):
    spectrum = made_spectrum([3, 0, 7], exposure=2.0)
    rate = rate_of([1.0, 0.5, 4.0], spectrum)
    expected = np.array([2.0, 1.0, 8.0])
    by_hand = 2 * (expected.sum() - 10 + 3 * np.log(3 / 2) + 7 * np.log(7 / 8))
    assert float(xray.c_statistic(spectrum, rate)) == pytest.approx(by_hand)


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(area=st.floats(0.1, 5), source=st.floats(0.1, 5), behind=st.floats(0.1, 5))
def test_areascal_is_exposure_and_only_the_ratio_of_backscals_counts(made_spectrum, rate_of, area, source, behind):
    def w(spectrum, background_scale):
        background = made_spectrum([2, 3], exposure=3.0, backscal=background_scale)
        return float(xray.w_statistic(spectrum, rate_of([1.0, 2.0], spectrum), background=background))

    as_area = made_spectrum([5, 9], exposure=3.0, areascal=area, backscal=source)
    as_time = made_spectrum([5, 9], exposure=3.0 * area, backscal=1.0)
    assert w(as_area, behind) == pytest.approx(w(as_time, behind / source))


def test_a_column_of_backscal_is_used_channel_by_channel(made_spectrum, rate_of):
    def w(s, b):
        spectrum, background = made_spectrum([5, 9], backscal=s), made_spectrum([2, 3], backscal=b)
        return float(xray.w_statistic(spectrum, rate_of([1.0, 2.0], spectrum), background=background))

    assert w([1.0, 1.0], 2.0) == w(1.0, [2.0, 2.0]) == w(2.0, 4.0)
    assert w([1.0, 2.0], 2.0) != w(1.0, 2.0)


def test_bins_and_options_are_told(made_spectrum, rate_of, made_response):
    spectrum = made_spectrum([5, 9, 1], grouping=[1, -1, 1])
    found = xray.c_statistic(spectrum, rate_of([1, 2, 3], spectrum), band=(0, 9), rmf=made_response(np.eye(3)))
    assert breaches(found) == []
    assert (found.attrs["statistic"], found.attrs["bins"], found.attrs["channels"]) == ("cstat", 2, 3)
    assert "GROUPING and QUALITY of the file" in found.attrs["grouping"] and found.attrs["band"] == "0-9 keV"


def test_what_has_no_likelihood_is_refused(made_spectrum, rate_of, ulx):
    spectrum = made_spectrum([5, 9])
    background = made_spectrum([1, 1])
    with pytest.raises(WrongData, match="negative or NaN"):
        xray.w_statistic(spectrum, rate_of([1, np.nan], spectrum), background=background)
    with pytest.raises(WrongData, match="negative or NaN"):
        xray.c_statistic(spectrum, rate_of([1, -1], spectrum))
    with pytest.raises(WrongData, match="infinite"):
        xray.c_statistic(spectrum, rate_of([1, 0], spectrum))
    with pytest.raises(WrongData, match="'channel'"):
        xray.c_statistic(spectrum, rate_of([1, 1], spectrum).rename(channel="bin"))
    with pytest.raises(WrongData, match="numbered"):
        xray.c_statistic(spectrum, rate_of([1, 1], made_spectrum([5, 9], first=1)))
    with pytest.raises(BadOption, match="no channel"):
        xray.c_statistic(spectrum, rate_of([1, 1], spectrum), min_counts=100)
    stokes = xray.fetch("ixpe_stokes")["stokes_i"].to_dataset()
    with pytest.raises(WrongData, match="a rate, not counts"):
        xray.c_statistic(stokes, rate_of(np.ones(375), stokes))


def test_3c_273_has_the_w_statistic_of_other_programs(oracle):
    """Power law, photon index 1.782, 1.622e-4 at 1 keV, no absorption; numbers of sherpa."""
    read = {
        name: formats.read(oracle / "xray" / "3c273" / f"3c273{name}") for name in (".pi", "_bg.pi", ".arf", ".rmf")
    }
    whole = xray.response(read[".rmf"], arf=read[".arf"])
    flux = xray.power_law(whole.energy_low, whole.energy_high, photon_index=1.782, norm=1.622e-4)
    rate = xray.folded(flux, rmf=whole)
    grouped, single = (
        xray.w_statistic(read[".pi"], rate, background=read["_bg.pi"], grouping=g) for g in ("file", None)
    )
    assert (grouped.attrs["bins"], single.attrs["bins"]) == (46, 1024)
    assert float(grouped) == pytest.approx(62.12275005769554, abs=1e-9)
    assert float(single) == pytest.approx(652.9968167212116, abs=1e-9)


@pytest.mark.parametrize(
    ("model", "grouping", "expected", "bins", "within"),
    [
        ("tbabs", None, 1768.227, 1506, 1e-3),
        ("phabs", None, 1759.24, 1506, 5e-3),
        ("wabs", None, 1761.21, 1506, 5e-3),
        ("tbabs", "file", 266.1, 104, 0.1),
    ],
)
@pytest.mark.slow
def test_ngc_7793_ulx4_has_the_least_w_of_other_programs(ulx, ulx_response, model, grouping, expected, bins, within):
    grid = ulx_response[["energy_low", "energy_high"]]
    sigma = xray.cross_section(grid, model=model).values
    options = {"background": ulx["background"], "grouping": grouping, "band": (0.5, 8), "rmf": ulx["rmf"]}

    def w(parameters):
        index, column, log_norm = parameters
        flux = xray.power_law(grid.energy_low, grid.energy_high, photon_index=index, norm=np.exp(log_norm))
        flux.values *= np.exp(-max(column, 0.0) * 1e22 * sigma)
        return float(xray.w_statistic(ulx["spectrum"], xray.folded(flux, rmf=ulx_response), **options))

    start = {"tbabs": (2.006, 0.2135), "phabs": (2.03, 0.2387), "wabs": (2.03, 0.168)}[model]
    found = minimize(w, [*start, -7.7], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-4, "maxiter": 200})
    assert found.fun == pytest.approx(expected, abs=within)
    flux = xray.power_law(grid.energy_low, grid.energy_high, photon_index=2, norm=1e-4)
    told = xray.w_statistic(ulx["spectrum"], xray.folded(flux, rmf=ulx_response), **options).attrs
    assert told["bins"] == bins and told["channels"] == 1506
    if model == "tbabs" and grouping is None:
        assert found.x[0] == pytest.approx(2.006, abs=1e-3) and found.x[1] == pytest.approx(0.2135, abs=1e-3)

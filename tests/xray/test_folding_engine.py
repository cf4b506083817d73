"""The folding engine: the same numbers as the plain fold, for any bins, weights and gaps; and what it refuses."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import xray
from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, WrongData
from analysis.xray.exposures import paired
from analysis.xray.folders import GAP, compiled
from analysis.xray.grouping import summed

FLUX = {"units": "ph cm-2 s-1", "long_name": "Photon flux"}


def plain(whole, flux, bins, weights=None):
    """Fold each channel, then sum the channels of a bin: what the engine has to agree with."""
    rate = xray.folded(xr.DataArray(flux, dims="energy", attrs=FLUX), rmf=whole).values
    return summed(rate if weights is None else rate * weights, xr.DataArray(bins, dims="channel"))


@pytest.fixture(scope="session")
def random_response(made_response):
    """Return a function that makes a response of 40 energies and 30 channels with so many zeros."""

    def make(seed, zeros):
        random = np.random.default_rng(seed)
        matrix = random.random((40, 30)) * (random.random((40, 30)) >= zeros)
        return xray.response(made_response(matrix, units="cm2"))

    return make


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(data=st.data(), seed=st.integers(0, 9), zeros=st.sampled_from([0.0, 0.3, 0.9, 0.99]))
def test_a_fold_is_the_sum_of_the_channels_of_each_bin(random_response, data, seed, zeros):
    whole = random_response(seed, zeros)
    bins = np.array(data.draw(st.lists(st.integers(-1, 6), min_size=30, max_size=30)))
    bins[seed] = 3
    flux = np.random.default_rng(seed + 1).random(40)
    weights = np.random.default_rng(seed + 2).random(30)
    for factor in (None, weights):
        folder = compiled(whole, bins, factor)
        made = folder.fold(flux[folder.energies])
        np.testing.assert_allclose(made, plain(whole, flux, bins, factor), rtol=1e-12, atol=1e-14)


def test_pn_folds_to_the_plain_numbers(ulx, ulx_response):
    bins = xray.channel_bins(ulx["spectrum"], band=(0.5, 8), rmf=ulx["rmf"]).values
    folder = compiled(ulx_response, bins)
    flux = xray.power_law(ulx_response.energy_low, ulx_response.energy_high, photon_index=2.0, norm=4.5e-4).values
    made = folder.fold(flux[folder.energies])
    np.testing.assert_allclose(made, plain(ulx_response, flux, bins), rtol=1e-12)
    assert made.size == folder.n_bins == 104 and folder.nbytes < 1e6


def test_pn_folds_to_the_numbers_of_sherpa(ulx, ulx_response):
    """sherpa 4.19: apply_arf, apply_rmf and apply_filter of the same flux, grouped as in the file and noticed."""
    folder = compiled(ulx_response, xray.channel_bins(ulx["spectrum"], band=(0.5, 8), rmf=ulx["rmf"]).values)
    flux = xray.power_law(folder_edges(folder.low), folder_edges(folder.high), photon_index=2.0, norm=4.5e-4)
    made = folder.fold(flux.values)
    assert made[50] == pytest.approx(0.00244642966304743, rel=1e-12)
    # sherpa takes the groups at both ends whole, though they reach out of the band
    assert made[1:-1].sum() == pytest.approx(
        0.7333344364494075 - 0.03265969357430627 - 0.0017742681455215675, rel=1e-12
    )


def folder_edges(values):
    return xr.DataArray(values, dims="energy", attrs={"units": "keV", "long_name": "Energy"})


def test_a_model_is_needed_only_where_it_reaches_a_fitted_bin(ulx, ulx_response):
    bins = xray.channel_bins(ulx["spectrum"], band=(2, 3), rmf=ulx["rmf"]).values
    folder = compiled(ulx_response, bins)
    below = np.arange(ulx_response.sizes["energy"]) < folder.energies.start
    flux = np.where(below, 1.0, 0.0)
    assert (plain(ulx_response, flux, bins) == 0).all() and below.any()
    np.testing.assert_array_equal(folder.low, ulx_response.energy_low.values[folder.energies])
    np.testing.assert_array_equal(folder.high, ulx_response.energy_high.values[folder.energies])


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 50), zeros=st.sampled_from([0.0, 0.5, 0.95]))
def test_the_adjoint_is_the_transpose(random_response, seed, zeros):
    whole = random_response(seed, zeros)
    random = np.random.default_rng(seed)
    folder = compiled(whole, random.integers(-1, 5, 30))
    flux, values = random.random(folder.low.size), random.normal(size=folder.n_bins)
    assert values @ folder.fold(flux) == pytest.approx(folder.adjoint(values) @ flux, rel=1e-12, abs=1e-13)


def test_many_fluxes_fold_as_each_alone(random_response):
    folder = compiled(random_response(1, 0.2), np.arange(30) // 4)
    fluxes = np.random.default_rng(2).random((5, folder.low.size))
    np.testing.assert_allclose(folder.fold_many(fluxes), [folder.fold(one) for one in fluxes], rtol=1e-14)
    assert folder.fold_many(np.zeros((0, folder.low.size))).shape == (0, 8)


def test_areascal_and_exposure_weigh_each_channel_before_the_sum(made_response, made_spectrum):
    whole = xray.response(made_response(np.eye(3), units="cm2"))
    spectrum = made_spectrum([5, 5, 5], exposure=100.0, areascal=[1.0, 0.5, 0.25])
    bins = np.array([0, 0, 1])
    time = paired(spectrum, None, bins >= 0).source_time
    assert compiled(whole, bins, time).fold(np.array([1.0, 2.0, 4.0])).tolist() == [100 + 100, 100]


def test_a_wide_gap_costs_no_memory_and_a_narrow_one_is_bridged(made_response):
    matrix = np.zeros((100, 1))
    matrix[[0, 1, 3, 90, 99]] = 1.0
    folder = compiled(xray.response(made_response(matrix, units="cm2")), np.zeros(1, int))
    assert folder.values.tolist() == [1, 1, 0, 1, 1] + [0] * GAP + [1]
    assert folder.fold(np.arange(100.0)).tolist() == [0 + 1 + 3 + 90 + 99]
    assert folder.energies == slice(0, 100)


def test_a_bin_without_a_response_expects_nothing(made_response):
    matrix = np.eye(4)
    matrix[1] = 0
    folder = compiled(xray.response(made_response(matrix, units="cm2")), np.array([0, 1, 2, -1]))
    assert folder.fold(np.ones(3)).tolist() == [1, 0, 1] and folder.energies == slice(0, 3)
    dark = compiled(xray.response(made_response(np.diag([1.0, 0.0]), units="cm2")), np.array([-1, 0]))
    assert dark.low.size == 0 and dark.fold(np.zeros(0)).tolist() == [0] and dark.adjoint(np.ones(1)).size == 0


def test_channels_out_of_order_in_the_file_fold_the_same(made_response):
    rmf = made_response(np.arange(1.0, 13).reshape(3, 4), units="cm2")
    backwards = rmf.assign(
        first_channel=("group", np.tile([2, 0], 3), rmf.first_channel.attrs),
        n_channels=("group", np.tile([2, 2], 3), rmf.first_channel.attrs),
        energy_index=("group", np.repeat([2, 0, 1], 2), rmf.first_channel.attrs),
        matrix=("element", [11.0, 12, 9, 10, 3, 4, 1, 2, 7, 8, 5, 6], rmf.matrix.attrs),
    )
    bins, flux = np.array([0, 1, 0, 1]), np.array([1.0, 10.0, 100.0])
    one, other = (compiled(xray.response(each), bins) for each in (rmf, backwards))
    np.testing.assert_array_equal(one.fold(flux), other.fold(flux))


def test_any_kind_of_number_folds_and_nan_stays_nan(random_response):
    folder = compiled(random_response(3, 0.0), np.arange(30, dtype=np.int16) // 10)
    flux = np.arange(40)
    expected = folder.fold(flux.astype(float))
    for kind in (np.int32, np.float32, ">f8"):
        np.testing.assert_allclose(folder.fold(flux.astype(kind)), expected, rtol=1e-6)
    frozen = flux.astype(float)
    frozen.flags.writeable = False
    np.testing.assert_array_equal(folder.fold(frozen), expected)
    assert np.isnan(folder.fold(np.where(flux == 5, np.nan, flux))).all()
    np.testing.assert_array_equal(folder.fold(np.repeat(flux, 2)[::2]), expected)


def test_what_cannot_be_compiled_or_folded_is_refused(made_response, random_response):
    whole = random_response(0, 0.0)
    bins = np.arange(30)
    with pytest.raises(WrongData, match="no effective area"):
        compiled(xray.response(made_response(np.eye(3))), np.arange(3))
    with pytest.raises(WrongData, match="not of a response as read"):
        compiled(made_response(np.eye(3), units="cm2"), np.arange(3))
    with pytest.raises(WrongData, match="30 channels"):
        compiled(whole, np.arange(3))
    with pytest.raises(WrongData, match="float64"):
        compiled(whole, bins.astype(float))
    with pytest.raises(BadOption, match="no channel"):
        compiled(whole, bins * 0 - 1)
    for weights in (np.ones(3), np.full(30, np.nan), np.full(30, -1.0)):
        with pytest.raises(WrongData, match="weights"):
            compiled(whole, bins, weights)
    assert compiled(whole, np.where(bins < 2, bins, -1), np.where(bins < 2, 1.0, np.nan)).n_bins == 2
    folder = compiled(whole, bins)
    with pytest.raises(WrongData, match="40 energy bins"):
        folder.fold(np.ones(41))
    with pytest.raises(WrongData, match=r"shape \(1, 2, 40\)"):
        folder.fold(np.ones((2, 40)))
    with pytest.raises(WrongData, match="a bin 30"):
        compiled(whole, bins + 1)
    with pytest.raises(WrongData, match="30 bins"):
        folder.adjoint(np.ones(40))


def test_a_response_of_another_instrument_is_warned_of(made_spectrum, made_response):
    spectrum = made_spectrum([1, 2]).assign_attrs(telescope="XMM", instrument="EPN")
    rmf = made_response(np.eye(2)).assign_attrs(telescope="XMM-Newton", instrument="EMOS1")
    with pytest.warns(AnalysisWarning, match="'EPN', the response's 'EMOS1'"):
        xray.grouped(spectrum, rmf=rmf)


def test_one_telescope_spelled_in_two_ways_is_no_reason_to_warn(made_spectrum, made_response, recwarn):
    spectrum = made_spectrum([1, 2]).assign_attrs(telescope="XMM", instrument="EPN")
    xray.grouped(spectrum, rmf=made_response(np.eye(2)).assign_attrs(telescope="XMM-Newton", instrument="epn"))
    xray.grouped(spectrum, rmf=made_response(np.eye(2)))
    assert not [one for one in recwarn if issubclass(one.category, AnalysisWarning)]


def test_a_response_of_other_channels_is_refused_without_a_band_too(made_spectrum, made_response):
    with pytest.raises(WrongData, match="channels differ"):
        xray.channel_bins(made_spectrum([1, 2, 3]), rmf=made_response(np.eye(2)))


def test_a_band_outside_the_response_says_what_it_covers(made_spectrum, made_response):
    with pytest.raises(OutsideCoverage, match=r"50-60 keV.*0\.5-2\.5 keV"):
        xray.grouped(made_spectrum([1, 2]), rmf=made_response(np.eye(2)), band=(50, 60))


def test_a_response_with_nan_in_it_is_refused(made_response):
    with pytest.raises(WrongData, match="not finite"):
        xray.response(made_response(np.array([[1.0, np.nan], [0.0, 1.0]])))


@pytest.mark.parametrize("name", ["backscal", "areascal"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_no_positive_number_is_refused_where_it_is_used(made_spectrum, name, value):
    background = made_spectrum([1, 1], **{name: [1.0, value]})
    with pytest.raises(WrongData, match=name):
        paired(made_spectrum([1, 1]), background, np.array([True, True]))
    assert np.isfinite(paired(made_spectrum([1, 1]), background, np.array([True, False])).background_time).all()


def test_background_counts_are_scaled_as_sherpa_scales_them(made_spectrum):
    """The two ratios are those of sherpa 4.19, DataPHA.get_background_scale(1, units="counts")."""
    spectrum = made_spectrum([9, 9], exposure=1000.0, backscal=[2.0, 3.0], areascal=0.5)
    background = made_spectrum([4, 4], exposure=4000.0, backscal=[8.0, 4.0], areascal=[0.25, 0.8])
    pair = paired(spectrum, background, np.array([True, True]))
    np.testing.assert_allclose(pair.source_time / pair.background_time, [0.125, 0.1171875], rtol=1e-15)

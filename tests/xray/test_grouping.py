"""Channels in bins: OGIP's flags, bands, least counts; and rates with their backgrounds."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import xray
from analysis.errors import BadOption, UnknownVariable, WrongData
from analysis.model import breaches

counts_lists = st.lists(st.integers(0, 50), min_size=1, max_size=60)


def test_grouping_starts_a_bin_at_1_and_goes_on_at_minus_1(made_spectrum):
    spectrum = made_spectrum([1, 2, 3, 4, 5], grouping=[1, -1, 1, -1, -1])
    assert xray.grouped(spectrum).counts.values.tolist() == [3, 12]


def test_a_channel_of_grouping_0_is_a_bin_of_its_own(made_spectrum):
    spectrum = made_spectrum([1, 2, 3], grouping=[0, 0, -1])
    assert xray.grouped(spectrum).counts.values.tolist() == [1, 5]


def test_a_group_cut_off_before_its_start_is_still_a_bin(made_spectrum):
    spectrum = made_spectrum([1, 2, 3], grouping=[-1, -1, 1])
    assert xray.grouped(spectrum).counts.values.tolist() == [3, 3]


def test_bad_channels_are_left_out_of_their_group(made_spectrum):
    spectrum = made_spectrum([1, 2, 3, 4], grouping=[1, -1, 1, -1], quality=[0, 1, 5, 2])
    made = xray.grouped(spectrum)
    assert made.counts.values.tolist() == [1] and made.n_channels.values.tolist() == [1]


def test_grouping_none_takes_every_channel_and_ignores_both_flags(made_spectrum):
    spectrum = made_spectrum([1, 2, 3], grouping=[1, -1, -1], quality=[1, 1, 1])
    assert xray.grouped(spectrum, grouping=None).counts.values.tolist() == [1, 2, 3]


@settings(max_examples=examples(40))
@given(counts=counts_lists, least=st.integers(1, 60))
def test_min_counts_fills_every_bin(made_spectrum, counts, least):
    bins = xray.channel_bins(made_spectrum(counts), min_counts=least).values
    total = np.bincount(bins[bins >= 0], np.array(counts)[bins >= 0]) if (bins >= 0).any() else np.array([])
    assert (total >= least).all()
    left = np.array(counts)[bins < 0].sum()
    assert left < least  # only the end can fall short
    assert total.sum() + left == sum(counts)
    assert (np.diff(bins[bins >= 0]) >= 0).all()


def test_min_counts_obeys_quality_unless_told_otherwise(made_spectrum):
    spectrum = made_spectrum([5, 5, 5], quality=[0, 1, 0])
    assert xray.grouped(spectrum, min_counts=5).counts.values.tolist() == [5, 5]
    assert xray.grouped(spectrum, min_counts=5, grouping=None).counts.values.tolist() == [5, 5, 5]


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(counts=counts_lists, data=st.data())
def test_grouping_keeps_counts_and_rates(made_spectrum, counts, data):
    flags = data.draw(st.lists(st.sampled_from([1, -1]), min_size=len(counts), max_size=len(counts)))
    made = xray.grouped(made_spectrum(counts, exposure=7.0, grouping=flags))
    assert int(made.counts.sum()) == sum(counts)
    assert float(made.rate.sum()) == pytest.approx(sum(counts) / 7.0)
    assert int(made.n_channels.sum()) == len(counts)


def test_a_band_takes_the_channels_that_overlap_it(made_spectrum, made_response):
    spectrum, rmf = made_spectrum([1, 2, 4, 8]), made_response(np.eye(4))  # channels 0.5-1.5, 1.5-2.5, …
    for band, expected in {
        (1.5, 2.5): 2,
        (1.49, 2.51): 7,
        (1.5, 3.5): 6,
        (2.0, 2.1): 2,
        (0, 100): 15,
        (1.0, 4.0): 15,
    }.items():
        assert int(xray.grouped(spectrum, band=band, rmf=rmf).counts.sum()) == expected, band


@pytest.mark.slow
def test_a_bin_at_the_end_of_a_band_holds_only_channels_of_the_band(ulx):
    made = xray.grouped(ulx["spectrum"], rmf=ulx["rmf"], band=(0.5, 8))
    assert made.sizes["bin"] == 104
    assert int(made.n_channels.sum()) == 1506
    assert float(made.energy_low[0]) <= 0.5 < float(made.energy_high[0])
    assert float(made.energy_low[-1]) < 8 <= float(made.energy_high[-1])


def test_channels_from_1_and_from_0_are_told_apart(made_spectrum, made_response):
    from_one, from_zero = made_spectrum([1, 2], first=1), made_spectrum([1, 2], first=0)
    rmf = made_response(np.eye(2), first=1)
    assert xray.grouped(from_one, rmf=rmf).first_channel.values.tolist() == [1, 2]
    with pytest.raises(WrongData, match="from 0 to 1"):
        xray.grouped(from_zero, rmf=rmf)
    with pytest.raises(WrongData, match="channels differ"):
        xray.grouped(from_one, background=from_zero)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"grouping": "none"}, "grouping"),
        ({"min_counts": 0}, "min_counts"),
        ({"min_counts": 2.5}, "min_counts"),
        ({"min_counts": True}, "min_counts"),
        ({"band": (0.5, 8)}, "rmf="),
        ({"min_counts": 10_000_000}, "no channel is left"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(ulx, options, match):
    with pytest.raises(BadOption, match=match):
        xray.grouped(ulx["spectrum"], **options)


def test_what_is_no_spectrum_is_refused(ulx, made_spectrum):
    with pytest.raises(WrongData, match="channel"):
        xray.grouped(ulx["arf"])
    with pytest.raises(WrongData, match="children"):
        xray.grouped(ulx)
    with pytest.raises(WrongData, match="exposure"):
        xray.grouped(made_spectrum([1]).drop_vars("exposure"))
    with pytest.raises(WrongData, match="exposure of 0"):
        xray.count_rate(made_spectrum([1], exposure=0))
    with pytest.raises(UnknownVariable, match="e_min"):
        xray.channel_energies(ulx["arf"])


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(source=st.floats(0.1, 10), behind=st.floats(0.1, 10), area=st.floats(0.1, 10))
def test_a_background_is_scaled_by_exposure_backscal_and_areascal(made_spectrum, source, behind, area):
    spectrum = made_spectrum([100], exposure=10.0, backscal=source, areascal=area)
    background = made_spectrum([40], exposure=20.0, backscal=behind, areascal=2.0)
    made = xray.count_rate(spectrum, background=background)
    assert float(made.rate) == pytest.approx(100 / (10.0 * area))
    assert float(made.background_rate) == pytest.approx(40 / (20.0 * 2.0) * source / behind)
    assert float(made.net_rate) == pytest.approx(float(made.rate - made.background_rate))
    assert float(made.net_rate_error) == pytest.approx(np.hypot(made.rate_error, made.background_rate_error))


def test_backscal_may_be_a_column(made_spectrum):
    spectrum = made_spectrum([10, 10], backscal=[1.0, 2.0])
    background = made_spectrum([8, 8], backscal=[4.0, 4.0])
    assert xray.grouped(spectrum, background=background).background_rate.values.tolist() == [2.0, 4.0]
    with pytest.raises(WrongData, match="backscal"):
        xray.grouped(made_spectrum([1], backscal=0.0), background=made_spectrum([1]))


def test_rates_are_not_divided_by_the_exposure_again():
    ixpe = xray.fetch("ixpe_stokes")
    spectrum = ixpe["stokes_i"].to_dataset()
    made = xray.count_rate(spectrum, band=(2, 8), rmf=ixpe["rmf"])
    assert float(made.rate) == pytest.approx(53.3119, abs=1e-4)
    assert float(made.rate_error) == pytest.approx(np.sqrt(53.3119 / 18925.06), rel=0.05)
    assert "counts" not in made
    with pytest.raises(WrongData, match="stat_error"):
        xray.count_rate(spectrum.drop_vars("stat_error"))


def test_rates_per_kev_integrate_to_rates(ulx):
    made = xray.grouped(ulx["spectrum"], rmf=ulx["rmf"], background=ulx["background"], band=(0.5, 8))
    width = made.energy_high - made.energy_low  # no bad channels inside the band
    xr.testing.assert_allclose((made.net_rate_density * width).sum(), made.net_rate.sum(), rtol=1e-4)


def test_a_model_that_is_the_data_leaves_no_residual(ulx):
    spectrum = ulx["spectrum"].to_dataset()
    rate = (spectrum.counts / spectrum.exposure).assign_attrs(units="ct s-1", long_name="Model")
    made = xray.grouped(spectrum, model_rate=rate)
    assert np.abs(made.residual).max() < 1e-9


def test_the_exposure_of_a_cut_out_is_not_taken_silently(m82, made_events):
    with pytest.raises(WrongData, match=r"18279 s.*945 s"):
        xray.count_rate(m82)
    good, header = (float(xray.count_rate(m82, exposure=which).rate) for which in ("gti", "header"))
    assert good == pytest.approx(4612 / 945.34, rel=1e-4) and header == pytest.approx(4612 / 18279.34, rel=1e-4)
    alive = xray.count_rate(made_events([1, 2], [(0, 10)], exposure=8.0))
    assert float(alive.rate) == 0.25 and alive.attrs["exposure_from"] == "the header's EXPOSURE"
    unsaid = xray.count_rate(made_events([1, 2], [(0, 10)]))
    assert float(unsaid.rate) == 0.2
    with pytest.raises(WrongData, match="no exposure"):
        xray.count_rate(made_events([1], [(0, 1)]), exposure="header")
    with pytest.raises(BadOption, match="'gti' or 'header'"):
        xray.count_rate(m82, exposure="live")
    with pytest.raises(BadOption, match="within"):
        xray.count_rate(m82, background=m82["events"])


def test_the_ulx_is_far_above_its_background(ulx):
    made = xray.count_rate(ulx["spectrum"], background=ulx["background"], band=(0.5, 8), rmf=ulx["rmf"])
    assert float(made.net_rate) == pytest.approx(0.4936, abs=2e-4)  # an ULX at 3.7 Mpc
    assert float(made.background_rate / made.rate) < 0.03


def test_what_is_made_of_spectra_keeps_the_contract(ulx):
    for made in (
        xray.channel_energies(ulx["rmf"]),
        xray.channel_bins(ulx["spectrum"], band=(0.5, 8), rmf=ulx["rmf"]),
        xray.grouped(ulx["spectrum"]),
        xray.grouped(ulx["spectrum"], background=ulx["background"], rmf=ulx["rmf"], min_counts=25),
        xray.count_rate(ulx["spectrum"]),
        xray.count_rate(ulx["spectrum"], background=ulx["background"]),
    ):
        assert breaches(made) == []


@pytest.mark.parametrize("least", ["abc", np.nan, np.inf, [1]])
def test_a_least_count_that_is_no_number_is_refused(made_spectrum, least):
    with pytest.raises(BadOption, match="whole number"):
        xray.channel_bins(made_spectrum([1, 2]), min_counts=least)


def test_a_model_is_checked_as_a_statistic_checks_it(made_spectrum, rate_of):
    spectrum = made_spectrum([5, 9])
    for values in ([1, np.nan], [1, np.inf], [1, -1]):
        with pytest.raises(WrongData, match="number ≥ 0"):
            xray.grouped(spectrum, model_rate=rate_of(values, spectrum))
    with pytest.raises(WrongData, match="numbered"):
        xray.grouped(spectrum, model_rate=rate_of([1, 1], made_spectrum([5, 9], first=1)))
    for nonsense in (5, np.ones(2)):
        with pytest.raises(WrongData, match="model_rate"):
            xray.grouped(spectrum, model_rate=nonsense)


@pytest.mark.parametrize("scale", ["areascal", "backscal"])
def test_a_scale_of_zero_matters_only_in_channels_that_are_used(made_spectrum, rate_of, scale):
    spectrum = made_spectrum([5, 9, 2], quality=[0, 0, 1], **{scale: [2.0, 2.0, 0.0]})
    background = made_spectrum([1, 1, 1], **{scale: [1.0, 1.0, 0.0]})
    plain = made_spectrum([5, 9], **{scale: 2.0}), made_spectrum([1, 1])
    made, expected = (xray.grouped(s, background=b) for s, b in ((spectrum, background), plain))
    assert made.net_rate.values.tolist() == expected.net_rate.values.tolist()
    w = xray.w_statistic(spectrum, rate_of([1, 1, 1], spectrum), background=background)
    assert float(w) == pytest.approx(float(xray.w_statistic(plain[0], rate_of([1, 1], plain[0]), background=plain[1])))
    with pytest.raises(WrongData, match="in every channel used"):
        xray.grouped(spectrum, background=background, grouping=None)


def test_a_result_is_synthetic_if_any_of_its_inputs_is(made_spectrum, rate_of, made_response):
    spectrum, behind, rmf = made_spectrum([5, 9]), made_spectrum([1, 1]), made_response(np.eye(2), units="cm2")
    rate = rate_of([1, 1], spectrum)

    def said(data):
        return data.assign_attrs(synthetic="true")

    flux = xr.DataArray([1.0, 2.0], dims="energy", attrs={"units": "ph cm-2 s-1", "long_name": "Flux"})
    edges = {"energy_low": rmf.energy_low, "energy_high": rmf.energy_high}
    area = xr.Dataset({**edges, "effective_area": ("energy", [1.0, 2.0], {"units": "cm2", "long_name": "Area"})})
    bare = rmf.assign(matrix=rmf.matrix.assign_attrs(units="1"))
    for made in (
        xray.grouped(spectrum, background=said(behind)),
        xray.grouped(spectrum, model_rate=said(rate)),
        xray.count_rate(spectrum, background=said(behind)),
        xray.w_statistic(spectrum, rate, background=said(behind)),
        xray.w_statistic(spectrum, said(rate), background=behind),
        xray.c_statistic(said(spectrum), rate),
        xray.folded(said(flux), rmf=rmf),
        xray.folded(flux, rmf=said(rmf)),
        xray.response(bare, arf=said(area)),
        xray.modulation_factor(said(area), area),
    ):
        assert made.attrs["synthetic"] == "true"
    for made in (xray.grouped(spectrum, background=behind, model_rate=rate), xray.folded(flux, rmf=rmf)):
        assert "synthetic" not in made.attrs

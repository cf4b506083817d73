"""Energy resolution of responses, and groupings by counts, signal to noise, resolution and the optimum of K&B."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from tiers import examples

from analysis import xray
from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import breaches, stamp

GLOBAL = {
    "title": "Made up", "institution": "nobody", "source": "a test", "references": ["none"], "license": "none",
    "history": ["made up"], "provenance": {},
}  # fmt: skip
counts_lists = st.lists(st.integers(0, 50), min_size=1, max_size=60)


@pytest.fixture(scope="session")
def gaussian_response():
    """Return a function that makes a response of Gaussians: FWHM in keV for n energies and n channels of a width."""

    def make(fwhm, *, n=200, width=0.05, start=1.0, flip=False):
        edges = start + width * np.arange(n + 1)
        middle = (edges[1:] + edges[:-1]) / 2
        sigma = np.broadcast_to(fwhm, n)[:, None] / np.sqrt(8 * np.log(2))
        matrix = np.exp(-0.5 * ((middle[None, :] - middle[:, None]) / sigma) ** 2)
        matrix[matrix < 1e-9] = 0
        low, high = (edges[:-1], edges[1:])
        channels = (low[::-1], high[::-1]) if flip else (low, high)
        matrix = matrix[:, ::-1] if flip else matrix
        kev, plain = {"units": "keV", "long_name": "Energy"}, {"units": "1", "long_name": "Number"}
        variables = {
            "energy_low": ("energy", low, kev),
            "energy_high": ("energy", high, kev),
            "e_min": ("channel", channels[0], kev),
            "e_max": ("channel", channels[1], kev),
            "first_channel": ("group", np.ones(n, int), plain),
            "n_channels": ("group", np.full(n, n), plain),
            "energy_index": ("group", np.arange(n), plain),
            "matrix": ("element", matrix.ravel(), {"units": "1", "long_name": "Response"}),
        }
        return stamp(xr.Dataset(variables, coords={"channel": ("channel", np.arange(1, n + 1), plain)}), **GLOBAL)

    return make


def sizes(spectrum, **options):
    """Return how many channels each bin has."""
    bins = xray.channel_bins(spectrum, **options).values
    return np.bincount(bins[bins >= 0])


# resolution


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("fwhm", [0.25, 0.4, 1.0])
def test_the_resolution_of_a_gaussian_is_its_fwhm(gaussian_response, fwhm, flip):
    found = xray.resolution(gaussian_response(fwhm, flip=flip))
    inside = slice(40, 160)
    np.testing.assert_allclose(found.fwhm.values[inside], fwhm, rtol=0.02)
    np.testing.assert_allclose(found.peak, (found.energy_low + found.energy_high) / 2, rtol=1e-9)
    assert breaches(found) == []


def test_a_peak_cut_off_by_the_last_channel_is_measured_on_its_other_side(gaussian_response):
    found = xray.resolution(gaussian_response(0.4)).fwhm.values
    np.testing.assert_allclose(found[[0, 1, -2, -1]], 0.4, rtol=0.03)


def test_a_response_of_one_channel_a_line_is_one_channel_wide(made_response):
    assert xray.resolution(made_response(np.eye(5))).fwhm.values.tolist() == pytest.approx([1] * 5)


def test_the_area_does_not_change_the_resolution(ulx, ulx_response):
    np.testing.assert_allclose(xray.resolution(ulx["rmf"]).fwhm, xray.resolution(ulx_response).fwhm, rtol=1e-6)


def test_an_energy_that_nothing_registers_has_no_resolution(made_response):
    matrix = np.eye(4)
    matrix[1] = 0
    assert np.isnan(xray.resolution(made_response(matrix)).fwhm.values).tolist() == [False, True, False, False]
    with pytest.raises(WrongData, match="no peak"):
        xray.resolution(made_response(np.zeros((2, 2))))


@pytest.mark.slow
def test_nicer_resolves_what_was_published():
    """143 eV at 6.4 keV, average of the array: NICER Calibration Overview, BAAS 55 (4), 103.49 (2023)."""
    found = xray.resolution(xray.fetch("nicer_maxi_j1820")["rmf"])
    middle = ((found.energy_low + found.energy_high) / 2).values
    assert np.interp(6.4, middle, found.fwhm) == pytest.approx(0.143, rel=0.02)


@pytest.mark.slow
def test_the_width_of_the_pn_peak_is_that_of_a_gaussian_put_through_it(ulx_response, ulx):
    found = xray.resolution(ulx["rmf"])
    energy = ((ulx_response.e_min + ulx_response.e_max) / 2).values
    for line in (2.0, 5.9, 9.0):
        which = int(np.abs(found.energy_low.values - line).argmin())
        ends = ulx_response.first_element.values[which : which + 2]
        channel = ulx_response.channel_index.values[ends[0] : ends[1]]
        near = np.abs(energy[channel] - line) < 0.15
        x, y = energy[channel][near], ulx_response.matrix.values[ends[0] : ends[1]][near]
        (_, _, sigma), _ = curve_fit(
            lambda e, a, m, s: a * np.exp(-0.5 * ((e - m) / s) ** 2), x, y, [y.max(), line, 0.07]
        )
        assert float(found.fwhm[which]) == pytest.approx(2.3548 * abs(sigma), rel=0.03)


# conditions


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(counts=counts_lists, least=st.integers(1, 60))
def test_min_counts_is_what_channel_bins_does(made_spectrum, counts, least):
    spectrum = made_spectrum(counts)
    if sum(counts) < least:
        with pytest.raises(BadOption, match="no bin"):
            xray.regrouped(spectrum, min_counts=least)
        return
    made = xray.regrouped(spectrum, min_counts=least)
    np.testing.assert_array_equal(xray.channel_bins(made), xray.channel_bins(spectrum, min_counts=least))
    assert set(np.unique(made.quality)) <= {0, 2}


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(counts=counts_lists, data=st.data(), least=st.floats(0.5, 6))
def test_min_snr_is_reached_by_each_bin_and_by_none_that_ends_sooner(made_spectrum, counts, data, least):
    behind = data.draw(st.lists(st.integers(0, 30), min_size=len(counts), max_size=len(counts)))
    spectrum, background = made_spectrum(counts), made_spectrum(behind, backscal=4.0)
    try:
        made = xray.regrouped(spectrum, min_snr=least, background=background)
    except BadOption:
        return
    bins = xray.channel_bins(made).values

    def snr(which):
        source, other = np.array(counts)[which].sum(), np.array(behind)[which].sum()
        noise = np.sqrt(source + other / 16)
        return (source - other / 4) / noise if noise else 0.0

    for number in range(bins.max() + 1):
        members = np.flatnonzero(bins == number)
        assert snr(members) >= least - 1e-9
        assert all(snr(members[:few]) < least + 1e-9 for few in range(1, members.size))
    left = np.flatnonzero(bins < 0)
    assert all(snr(left[:few]) < least + 1e-9 for few in range(1, left.size + 1))


def test_a_signal_to_noise_of_5_is_25_counts_without_a_background(made_spectrum):
    assert sizes(xray.regrouped(made_spectrum([5] * 23), min_snr=5)).tolist() == [5, 5, 5, 5]


def test_a_background_in_a_larger_region_of_longer_exposure_counts_for_less(made_spectrum):
    spectrum = made_spectrum([10] * 8, exposure=100.0)
    background = made_spectrum([40] * 8, exposure=400.0, backscal=2.0)  # 5 counts in the source's place
    made = xray.regrouped(spectrum, min_snr=3, background=background)
    assert sizes(made).tolist() == [4, 4]  # 4 channels: (40 - 20) / sqrt(40 + 160 / 64) = 3.07; 3: 2.66


def test_so_many_channels_make_a_bin_and_the_rest_its_own(made_spectrum):
    assert sizes(xray.regrouped(made_spectrum([0] * 10), channels=4)).tolist() == [4, 4, 2]
    holes = made_spectrum([0] * 10, quality=[0, 0, 1, 0, 0, 0, 0, 0, 5, 0])
    assert sizes(xray.regrouped(holes, channels=4)).tolist() == [4, 4]


def test_bins_of_a_third_of_the_resolution(gaussian_response, made_spectrum):
    rmf = gaussian_response(0.45)  # 9 channels
    spectrum = made_spectrum([1] * 200, first=1)
    made = xray.regrouped(spectrum, oversample=3, rmf=rmf)
    assert set(sizes(made)[5:-5]) == {3}
    assert set(sizes(xray.regrouped(spectrum, oversample=20, rmf=rmf))) == {1}


def test_a_bin_ends_where_the_resolution_gets_finer(gaussian_response, made_spectrum):
    fwhm = np.where(np.arange(200) < 100, 1.0, 0.2)
    made = xray.regrouped(made_spectrum([1] * 200, first=1), oversample=1, rmf=gaussian_response(fwhm))
    bins = xray.channel_bins(made).values
    fine = np.flatnonzero(np.isin(bins, bins[104:190]))
    assert np.bincount(bins[fine])[bins[fine]].max() <= 4


# Kaastra & Bleeker


def delta(x):
    """Kaastra & Bleeker (2016), equation 36."""
    return 1.0 if x <= 2.119 else (0.08 + 7.0 / x + 1.8 / x**2) / (1 + 5.9 / x)


def test_equation_36_joins_at_its_limit_and_is_a_third_for_bright_sources():
    assert delta(2.1190001) == pytest.approx(1, abs=2e-4)
    assert delta(20.0) == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("level", [0, 1, 30, 1000, 1_000_000])
def test_optimal_bins_are_as_wide_as_equation_36_says(gaussian_response, made_spectrum, level):
    fwhm, n = 1.0, 200  # 20 channels of 0.05 keV, 10 resolution elements
    made = xray.regrouped(made_spectrum([level] * n, first=1), optimal=True, rmf=gaussian_response(fwhm))
    in_element = level * 20 / 0.7610
    x = np.log(in_element * (1 + 0.2 * np.log(10))) if level else 0.0
    assert set(sizes(made)[4:-4]) <= {int(20 * delta(x)), int(20 * delta(x)) - 1}


@pytest.mark.slow
def test_pn_has_as_many_optimal_bins_as_by_the_steps_of_heasp(ulx):
    """74 bins come of the steps of HEASoft's ``heasp`` (ftgrouppha grouptype=opt), written down anew beside us."""
    made = xray.regrouped(ulx["spectrum"], optimal=True, band=(0.5, 8), rmf=ulx["rmf"])
    binned = xray.grouped(made, band=(0.5, 8), rmf=ulx["rmf"])
    assert binned.sizes["bin"] == 74
    assert int(binned.n_channels.sum()) == 1506 and int(binned.counts.sum()) == 10223
    assert breaches(made) == [] and "Kaastra" in made.attrs["references"]


@pytest.mark.slow
def test_the_unit_of_the_response_does_not_matter(ulx):
    names = ("energy_low", "energy_high", "e_min", "e_max")
    kev = ulx["rmf"].to_dataset()
    ev = kev.assign({name: (kev[name] * 1000).assign_attrs(kev[name].attrs | {"units": "eV"}) for name in names})
    one, other = (xray.regrouped(ulx["spectrum"], optimal=True, band=(0.5, 8), rmf=rmf) for rmf in (kev, ev))
    np.testing.assert_array_equal(one.grouping, other.grouping)
    np.testing.assert_allclose(xray.resolution(kev).fwhm, xray.resolution(ev).fwhm, rtol=1e-3)  # edges are float32


def test_flags_may_be_one_number_for_all_channels(made_spectrum):
    """OGIP/92-007 lets GROUPING and QUALITY be keywords."""
    spectrum = made_spectrum([5, 5, 5])
    one = spectrum.assign(grouping=((), 0, spectrum.grouping.attrs), quality=((), 0, spectrum.quality.attrs))
    assert xray.channel_bins(one).values.tolist() == [0, 1, 2]
    assert sizes(xray.regrouped(one, min_counts=10)).tolist() == [2]
    with pytest.raises(WrongData, match="quality is neither"):
        xray.channel_bins(spectrum.assign(quality=("other", [0, 0])))


def test_optimal_with_counts_is_both(ulx):
    options = {"band": (0.5, 8), "rmf": ulx["rmf"]}
    best, both = (xray.regrouped(ulx["spectrum"], optimal=True, **options, **more) for more in ({}, {"min_counts": 20}))
    counts = [xray.grouped(made, **options).counts.values for made in (best, both)]
    assert counts[0].min() < 20 <= counts[1].min() and counts[1].size < counts[0].size


# what leaves


def test_a_grouping_survives_the_way_through_statistics(ulx, ulx_response):
    band = (0.5, 8)
    flux = xray.power_law(ulx_response.energy_low, ulx_response.energy_high, photon_index=2.0, norm=4.5e-4)
    rate = xray.folded(flux, rmf=ulx_response)
    made = xray.regrouped(ulx["spectrum"], min_counts=25, band=band, rmf=ulx["rmf"])
    said = {"background": ulx["background"], "band": band, "rmf": ulx["rmf"]}
    one = xray.w_statistic(made, rate, **said)
    other = xray.w_statistic(ulx["spectrum"], rate, min_counts=25, **said)
    assert float(one) == pytest.approx(float(other), rel=1e-12) and one.attrs["bins"] == other.attrs["bins"]


def test_bad_channels_stay_bad_and_what_fills_no_bin_is_dubious(made_spectrum):
    spectrum = made_spectrum([9, 5, 5, 5, 5, 5, 1], quality=[1, 0, 0, 5, 0, 0, 0])
    made = xray.regrouped(spectrum, min_counts=10)
    assert made.quality.values.tolist() == [1, 0, 0, 5, 0, 0, 2]
    assert made.grouping.values.tolist() == [1, 1, -1, 1, 1, -1, 1]
    assert xray.grouped(made).counts.values.tolist() == [10, 10]
    assert made.counts.equals(spectrum.counts) and "regrouped" in made.attrs["history"]
    assert spectrum.quality.values.tolist() == [1, 0, 0, 5, 0, 0, 0]


def test_a_bin_reaches_across_bad_channels(made_spectrum):
    made = xray.regrouped(made_spectrum([5, 9, 5], quality=[0, 1, 0]), min_counts=10)
    assert made.grouping.values.tolist() == [1, -1, -1] and xray.grouped(made).counts.values.tolist() == [10]


def test_bins_start_at_the_band_and_channels_outside_are_left_alone(made_spectrum, made_response):
    spectrum, rmf = made_spectrum([1] * 8), made_response(np.eye(8))  # channel 2 at 2.5-3.5 keV
    made = xray.regrouped(spectrum, min_counts=2, band=(2.6, 7.4), rmf=rmf)
    assert made.grouping.values.tolist() == [1, 1, 1, -1, 1, -1, 1, 1]
    assert made.quality.values.tolist() == [0, 0, 0, 0, 0, 0, 2, 0]


def test_a_spectrum_without_flags_gets_them(made_spectrum):
    bare = made_spectrum([5, 5]).drop_vars(["grouping", "quality"])
    assert xray.grouped(xray.regrouped(bare, min_counts=10)).counts.values.tolist() == [10]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "needs min_counts"),
        ({"min_counts": 0}, "min_counts"),
        ({"min_counts": 2.5}, "min_counts"),
        ({"min_snr": -1}, "min_snr"),
        ({"min_snr": np.nan}, "min_snr"),
        ({"min_snr": "3"}, "min_snr"),
        ({"min_snr": True}, "min_snr"),
        ({"channels": 0}, "channels"),
        ({"oversample": 0}, "oversample"),
        ({"oversample": 3}, "rmf="),
        ({"optimal": True}, "rmf="),
        ({"optimal": 1}, "True or False"),
        ({"optimal": True, "oversample": 3}, "one of them"),
        ({"min_counts": 5, "band": (1, 2)}, "rmf="),
        ({"min_counts": 1000}, "no bin"),
        ({"min_snr": 1000}, "no bin"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(made_spectrum, options, match):
    with pytest.raises(BadOption, match=match):
        xray.regrouped(made_spectrum([5] * 10), **options)


def test_what_cannot_be_regrouped_is_refused(made_spectrum, made_response):
    spectrum = made_spectrum([5, 5])
    with pytest.raises(BadOption, match="only matters for min_snr"):
        xray.regrouped(spectrum, min_counts=5, background=spectrum)
    with pytest.raises(BadOption, match="no channel is left"):
        xray.regrouped(made_spectrum([5, 5], quality=[1, 1]), min_counts=5)
    with pytest.raises(WrongData, match="channels differ"):
        xray.regrouped(spectrum, optimal=True, rmf=made_response(np.eye(3)))
    with pytest.raises(OutsideCoverage, match="50-60 keV"):
        xray.regrouped(spectrum, optimal=True, rmf=made_response(np.eye(2)), band=(50, 60))
    stokes = xray.fetch("ixpe_stokes")
    with pytest.raises(WrongData, match="a rate, not counts"):
        xray.regrouped(stokes["stokes_i"], optimal=True, rmf=stokes["rmf"])
    assert sizes(xray.regrouped(stokes["stokes_i"], channels=5)).max() == 5

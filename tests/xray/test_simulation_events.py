"""Simulated event lists: as many, as hard, as wide and as variable as they should be."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from analysis import xray
from analysis.errors import BadOption, BadTime, WrongData
from analysis.model import check
from analysis.xray.simulation import expectation

MODEL = "powerlaw(photon_index=1.7, norm=2e-4)"
TARGET = "83.633 22.0145"


@pytest.fixture(scope="module")
def wfi():
    return xray.instrument("newathena_wfi")


@pytest.fixture(scope="module")
def listed(wfi):
    return xray.simulated_events(MODEL, wfi, "10 ks", target=TARGET, seed=3)


def relative(values, dim, across):
    return xr.DataArray(np.asarray(values, float), {dim: np.asarray(across, float)}, [dim])


def radii(tree):
    """Distances from the target in arcsec."""
    from astropy.coordinates import SkyCoord

    found = xray.sky_positions(tree)
    place = SkyCoord(TARGET, unit="deg")
    return SkyCoord(found.ra.values, found.dec.values, unit="deg").separation(place).arcsec


def test_events_are_as_many_and_as_hard_as_the_simulated_spectrum(wfi, listed):
    expected = expectation(MODEL, wfi, "10 ks").source
    counts = np.bincount(listed["events"].pi.values - int(wfi["rmf"].channel[0]), minlength=expected.size)
    assert counts.sum() == pytest.approx(expected.sum(), abs=5 * np.sqrt(expected.sum()))
    coarse = [np.add.reduceat(v, np.arange(0, expected.size, 20)) for v in (counts, expected)]
    chi2 = ((coarse[0] - coarse[1]) ** 2 / coarse[1]).sum()
    assert chi2 == pytest.approx(coarse[1].size, abs=5 * np.sqrt(2 * coarse[1].size))


@pytest.mark.slow
def test_numbers_of_events_scatter_as_poisson(wfi):
    sizes = [
        xray.simulated_events(MODEL, wfi, "50 s", target=TARGET, seed=seed)["events"].sizes["event"]
        for seed in range(60)
    ]
    mean = expectation(MODEL, wfi, "50 s").source.sum()
    assert np.mean(sizes) == pytest.approx(mean, abs=5 * np.sqrt(mean / 60))
    assert np.var(sizes, ddof=1) / mean == pytest.approx(1, abs=5 * np.sqrt(2 / 60))


def test_an_energy_lies_in_its_channel(wfi, listed):
    rmf, events = wfi["rmf"], listed["events"]
    row = events.pi.values - int(rmf.channel[0])
    assert (events.energy.values >= rmf.e_min.values[row]).all() and (
        events.energy.values < rmf.e_max.values[row]
    ).all()


def test_times_are_spread_evenly_and_in_order(listed):
    times = listed["events"].time.values
    assert (np.diff(times) >= 0).all() and times[0] >= 0 and times[-1] <= 10_000
    assert stats.kstest(times / 10_000, "uniform").pvalue > 1e-4


def test_a_light_curve_is_followed(wfi):
    ramp = relative([0, 2], "time", [0, 4000])
    made = xray.simulated_events(MODEL, wfi, "4 ks", target=TARGET, light_curve=ramp, seed=1)
    times = made["events"].time.values / 4000
    assert stats.kstest(times, lambda t: t**2).pvalue > 1e-4
    mean = expectation(MODEL, wfi, "4 ks").source.sum()
    assert times.size == pytest.approx(mean, abs=5 * np.sqrt(mean))


def test_a_light_curve_is_not_normalized_and_may_say_its_unit(wfi):
    twice = relative([2, 2], "time", [0, 1])
    twice["time"].attrs["units"] = "ks"
    made = xray.simulated_events(MODEL, wfi, "1 ks", target=TARGET, light_curve=twice, seed=1)
    mean = 2 * expectation(MODEL, wfi, "1 ks").source.sum()
    assert made["events"].sizes["event"] == pytest.approx(mean, abs=5 * np.sqrt(mean))


def test_a_pulsation_comes_back_when_folded(wfi):
    phase = np.linspace(0, 1, 41)
    profile = relative(7 * (1 + 0.6 * np.cos(2 * np.pi * phase)), "phase", phase)  # the mean is taken out
    made = xray.simulated_events(MODEL, wfi, "4 ks", target=TARGET, period="0.7 s", pulse_profile=profile, seed=2)
    turned = np.exp(2j * np.pi * made["events"].time.values / 0.7)
    assert 2 * turned.mean().real == pytest.approx(0.6, abs=5 * np.sqrt(2 / turned.size) + 0.003)
    assert 2 * turned.mean().imag == pytest.approx(0, abs=5 * np.sqrt(2 / turned.size))
    mean = expectation(MODEL, wfi, "4 ks").source.sum()
    assert turned.size == pytest.approx(mean, abs=5 * np.sqrt(mean))


@pytest.mark.parametrize("king_slope", [None, 1.5, 3.0])
def test_half_of_the_events_lie_within_the_half_energy_width(wfi, king_slope):
    made = xray.simulated_events(MODEL, wfi, "4 ks", target=TARGET, psf="20 arcsec", king_slope=king_slope, seed=4)
    r = radii(made)
    assert (r < 10).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(r.size))
    if king_slope == 3.0:  # share within r of (1 + r²/c²)^-β is 1 - (1 + r²/c²)^(1-β)
        core2 = 100 / (2**0.5 - 1)
        assert (r < 20).mean() == pytest.approx(1 - (1 + 400 / core2) ** -2, abs=5 * 0.5 / np.sqrt(r.size))


def test_the_instruments_own_width_is_taken(listed):
    r = radii(listed)
    assert (r < 4.5).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(r.size))
    assert listed["events"].attrs["psf"] == "Gaussian, half-energy width 9 arcsec"


def test_events_gather_at_the_target_with_east_to_the_left(listed):
    found = xray.sky_positions(listed)
    error = 4 * 4.5 / 3600 / np.sqrt(found.ra.size)
    assert float(found.dec.mean()) == pytest.approx(22.0145, abs=error)
    assert float(found.ra.mean()) == pytest.approx(83.633, abs=error / np.cos(np.radians(22)))
    left = listed["events"].x.values < 4090
    assert (found.ra.values[left] > 83.633).all()


def test_a_sharp_source_may_be_asked_for(wfi):
    made = xray.simulated_events(MODEL, wfi, "100 s", target=TARGET, psf="0 arcsec", seed=1)
    assert radii(made) == pytest.approx(0, abs=1e-6)


def test_what_is_done_with_events_works_on_simulated_ones(listed):
    check(listed)
    rate = xray.count_rate(listed)
    assert float(rate.counts) == listed["events"].sizes["event"] and float(rate.exposure) == 10_000
    assert float(xray.light_curve(listed, 1000.0).counts.sum()) == listed["events"].sizes["event"]
    assert int(xray.image(listed).counts.sum()) == listed["events"].sizes["event"]


def test_the_clock_dates_the_first_event(wfi):
    """2025-01-01T00:00:00 UTC is 69.184 s later in TT: MJD 60676.00080074."""
    attrs = xray.simulated_events(MODEL, wfi, 10, target=TARGET, start="2025-01-01")["events"].attrs
    assert attrs["mjdref_int"] == 60676 and attrs["mjdref_frac"] * 86400 == pytest.approx(69.184, abs=1e-5)
    assert attrs["timesys"] == "TT" and attrs["date_obs"].startswith("2025-01-01T00:00:00")


def test_the_same_seed_gives_the_same_events(wfi):
    a, b, c = (xray.simulated_events(MODEL, wfi, 100, target=TARGET, seed=seed)["events"] for seed in (1, 1, 2))
    assert a.equals(b) and not a.equals(c)


def test_simulated_events_say_so(listed):
    for part in ("events", "gti"):
        attrs = listed[part].attrs
        assert (
            attrs["synthetic"] == "true" and "parametric response" in attrs["title"] and "pile-up" in attrs["caveats"]
        )


def test_a_source_too_faint_for_any_event_gives_an_empty_list(wfi):
    made = xray.simulated_events("powerlaw(norm=1e-12)", wfi, 1, target=TARGET)
    assert made["events"].sizes["event"] == 0
    check(made)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"exposure": 0}, BadOption, "more than 0 s"),
        ({"exposure": "1e9 s"}, BadOption, "at most"),
        ({"start": "soon"}, BadTime, "soon"),
        ({"period": "1 s"}, BadOption, "belong together"),
        ({"period": "-1 s", "pulse_profile": relative([1, 1], "phase", [0, 1])}, BadOption, "more than 0"),
        ({"period": "1 s", "pulse_profile": relative([1, 2], "phase", [0, 1])}, WrongData, "one phase"),
        ({"period": "1 s", "pulse_profile": relative([1, 1], "phase", [0, 3])}, WrongData, "0 to 1"),
        ({"period": "1 s", "pulse_profile": relative([0, 0], "phase", [0, 1])}, WrongData, "all phases"),
        ({"light_curve": relative([1, 1], "time", [0, 10])}, WrongData, "covers 0 to 10 s"),
        ({"light_curve": relative([1, 1], "time", [0, 99])}, WrongData, "covers 0 to 99 s"),
        ({"light_curve": relative([1, 1], "time", [1, 100])}, WrongData, "covers 1 to 100 s"),
        ({"light_curve": relative([1, -1], "time", [0, 100])}, WrongData, "≥ 0"),
        ({"light_curve": relative([1, np.nan], "time", [0, 100])}, WrongData, "finite"),
        ({"light_curve": relative([0, 0], "time", [0, 100])}, WrongData, "nothing to simulate"),
        ({"light_curve": relative([1, 1], "time", [100, 0])}, WrongData, "increasing"),
        ({"light_curve": [1, 2]}, WrongData, "on the dim 'time'"),
        ({"psf": "-1 arcsec"}, BadOption, "negative"),
        ({"psf": 9}, Exception, "no unit"),
        ({"king_slope": 1}, BadOption, "more than 1"),
        ({"pixel": "0 arcsec"}, BadOption, "more than 0"),
        ({"seed": "one"}, BadOption, "seed"),
        ({"instrument": "xmm_pn"}, BadOption, "give psf="),
    ],
)
def test_events_that_cannot_be_are_refused_with_help(wfi, options, error, match):
    given = {"instrument": wfi, "exposure": 100, "target": TARGET} | options
    with pytest.raises(error, match=match):
        xray.simulated_events(MODEL, given.pop("instrument"), given.pop("exposure"), **given)

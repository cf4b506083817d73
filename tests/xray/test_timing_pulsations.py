"""Pulsations: known frequencies, phases, fractions and chances; stingray's numbers beside ours; refusals; pictures."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from analysis import xray
from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, WrongData
from analysis.model import check
from analysis.xray.chances import after_trials, log_chi_squared
from analysis.xray.rotations import phase_exposure

STATION = [(5520.0 * k, 5520.0 * k + 600.0) for k in range(4)]  # ten minutes of each orbit of 92


@pytest.fixture(scope="module")
def pulsar():
    """1.234 Hz at 1000 s, slowing down, 40 % pulsed, brightest at phase 0.3, seen from a low orbit."""
    return xray.pulsed_events(
        "10 ct/s", "1.234 Hz", gti=STATION, pulsed_fraction=0.4, phase=0.3, frequency_derivative="-2e-9 Hz/s",
        epoch=1000.0, seed=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ulx():
    return xray.fetch("m82_ulx_rxte_events")


@pytest.fixture(scope="module")
def good(ulx):
    """The times in good intervals, as stingray is given them."""
    return xray.to_stingray(ulx).time


@pytest.fixture(scope="module")
def constant():
    return xray.pulsed_events(5, 1, gti=[(0, 1000)], pulsed_fraction=0, seed=11)


@pytest.mark.slow
def test_phases_are_stingrays(ulx):
    from stingray.pulse.pulsar import pulse_phase

    time = ulx["events"].time.values - float(ulx["gti"].start[0])
    ours = check(xray.pulse_phases(ulx, 0.7, frequency_derivative=1e-5))
    np.testing.assert_allclose(ours, pulse_phase(time, 0.7, 1e-5), atol=1e-12)


@pytest.mark.slow
def test_statistics_of_unbinned_phases_are_stingrays(ulx, good):
    from stingray.pulse.pulsar import htest, z_n_events_all

    phase = (good - float(ulx["gti"].start[0])) * 0.7273 % 1
    _, z = z_n_events_all(phase, nmax=20)
    ours = check(xray.z_squared(ulx, 0.7273, harmonics=20))
    np.testing.assert_allclose(ours.z_squared, z, rtol=1e-10)
    best, h = htest(phase, nmax=20, datatype="events")
    found = check(xray.h_test(ulx, 0.7273))
    assert (int(found.harmonics), float(found.h)) == (best, pytest.approx(h, rel=1e-10))


# stingray 2.3.2 by itself, z_n_events and htest(datatype="events"), on the TIME column of the bundled RXTE list in its
# merged good time, 3,415 events since 503797844.7161176 s
PEER = [
    (0.1, 3.285923390929485, 5.69012001355608, 10.79566113301447),
    (0.3, 13.10554111945853, 13.946815736733688, 14.525520455543194),
    (0.5, 2.0851694091040303, 4.313613153686683, 2.0851694091040303),
    (0.7273, 0.03040702619755783, 1.4498809889764432, 0.03040702619755775),
    (1.37, 1.4944416192958219, 3.9081309328811504, 2.049993837286106),
    (2.0, 5.748615508958359, 6.528684984062821, 5.748615508958359),
]


@pytest.mark.parametrize(("frequency", "z1", "z2", "h"), PEER)
def test_numbers_of_stingray_by_itself_are_met(ulx, frequency, z1, z2, h):
    found = xray.z_squared(ulx, frequency)
    assert found.z_squared.values.tolist() == pytest.approx([z1, z2], rel=1e-9)
    assert float(xray.h_test(ulx, frequency).h) == pytest.approx(h, rel=1e-9)


@pytest.mark.slow
def test_the_search_over_binned_profiles_is_stingrays_on_all_events_but_the_last(ulx, good):
    """stingray's search leaves the last event out; it is given one more here."""
    from stingray.pulse.search import epoch_folding_search, z_n_search

    time, zero = np.append(good, good[-1] + 1e-6), float(good[0])
    ours = xray.pulse_search(ulx, (0.5, 0.8), bins=64, epoch=zero)
    _, theirs = z_n_search(time, ours.frequency.values, nharm=2, nbin=64)
    np.testing.assert_allclose(ours.statistic, theirs, rtol=1e-9)
    ours = xray.pulse_search(ulx, (0.5, 0.8), bins=32, statistic="epoch_folding", epoch=zero)
    _, theirs = epoch_folding_search(time, ours.frequency.values, nbin=32)
    np.testing.assert_allclose(ours.statistic, theirs, rtol=1e-9)
    ours = xray.pulse_search(ulx, (0.6, 0.65), frequency_derivatives=(-1e-4, 1e-4), bins=64, epoch=zero)
    _, _, theirs = z_n_search(time, ours.frequency.values, nharm=2, nbin=64, fdots=ours.frequency_derivative.values)
    np.testing.assert_allclose(ours.statistic, theirs, rtol=1e-9)


@pytest.mark.slow
def test_z_squared_of_noise_is_chi_squared_of_twice_its_harmonics(constant):
    found = np.array([xray.z_squared(constant, f, harmonics=3).z_squared.values for f in np.arange(1.0, 1.6, 0.002)])
    for n in (1, 2, 3):
        assert stats.kstest(found[:, n - 1], stats.chi2(2 * n).cdf).pvalue > 1e-3


def test_published_chances_are_met():
    """de Jager & Büsching 2010: H = 50 is 2e-9 by exp(-0.4 H); Leahy et al. 1983: power 40 in one of 2e6, 4e-3."""
    assert float(np.exp(after_trials(np.array(-0.4 * 50), 1))) == pytest.approx(2.06e-9, rel=0.01)
    one = log_chi_squared(np.array(40.0), 2)
    assert float(one) == pytest.approx(-20)
    assert float(np.exp(after_trials(one, 2_000_000))) == pytest.approx(1 - np.exp(-2e6 * np.exp(-20.0)), rel=1e-6)


@pytest.mark.slow
def test_chances_are_stingrays():
    from stingray.stats import chi2_logp, fold_profile_logprobability, z2_n_logprobability

    for value in (3.0, 30.0, 300.0, 3000.0):
        for n in (1, 2, 20):
            ours = float(log_chi_squared(np.array(value), 2 * n))
            assert ours == pytest.approx(float(z2_n_logprobability(value, n)), rel=1e-5)  # its approximation far out
            many = float(after_trials(np.array(ours), 1000))
            assert many == pytest.approx(float(z2_n_logprobability(value, n, ntrial=1000)), rel=1e-3, abs=1e-9)
        odd = float(log_chi_squared(np.array(value), 15))
        assert odd == pytest.approx(float(chi2_logp(value, 15)), rel=1e-5)  # its approximation far out
        assert odd == pytest.approx(
            float(fold_profile_logprobability(value, 16)), rel=1e-5
        )  # its approximation far out


def test_chances_far_out_are_those_of_a_hundred_digits():
    """By mpmath 1.3, log(gammainc(dof/2, x/2, regularized=True))."""
    known = {
        (700.0, 5): -341.49350049434906, (1500.0, 7): -734.6474561470056, (2000.0, 63): -865.6537194343981,
        (5000.0, 40): -2390.6753840379965, (800.0, 200): -165.69594353766095,
    }  # fmt: skip
    for (value, dof), expected in known.items():
        assert float(log_chi_squared(np.array(value), dof)) == pytest.approx(expected, rel=1e-12)


def test_the_chance_after_trials_is_a_chance():
    singles = np.array([0.0, -1e-9, -1.0, -20.0, -50.0, -1000.0])
    for trials in (1, 10, 10_000_000):
        found = after_trials(singles, trials)
        assert (found <= 0).all() and (found >= np.minimum(singles - 1e-9, 0)).all() and (np.diff(found) <= 0).all()
    np.testing.assert_allclose(after_trials(singles, 1), singles, atol=1e-12)


@pytest.mark.slow
def test_false_alarms_come_no_more_often_than_said():
    chances = []
    for seed in range(60):
        noise = xray.pulsed_events(2, 1, gti=[(0, 400)], pulsed_fraction=0, seed=seed)
        chances.append(float(xray.pulse_search(noise, (1, 1.3), oversampling=2).best_log_probability))
    assert np.mean(np.array(chances) < np.log(0.2)) < 0.35  # 0.2 and 3 σ of sixty


def test_a_pulsar_is_found_through_the_gaps_of_an_orbit(pulsar):
    middle = 8580.0
    found = check(
        xray.pulse_search(
            pulsar, ("1.2338 Hz", "1.2342 Hz"), frequency_derivatives=("-5e-9 Hz/s", "1e-9 Hz/s"), epoch=middle
        )
    )
    truth = 1.234 - 2e-9 * (middle - 1000)
    assert abs(float(found.best_frequency) - truth) < 4 * float(found.best_frequency_error)
    slowing = float(found.best_frequency_derivative)
    assert abs(slowing + 2e-9) < 4 * float(found.best_frequency_derivative_error)
    assert float(found.best_log_probability) < -300
    assert int(found.trials) == found.statistic.size


@pytest.mark.slow
def test_the_errors_of_frequencies_are_their_scatter():
    pulls = []
    for seed in range(40):
        events = xray.pulsed_events(5, 1.234, gti=STATION, pulsed_fraction=0.4, seed=seed)
        found = xray.pulse_search(events, (1.2339, 1.2341), harmonics=1)
        pulls.append((float(found.best_frequency) - 1.234) / float(found.best_frequency_error))
    assert 0.7 < np.std(pulls) < 1.4 and abs(np.mean(pulls)) < 0.5


@pytest.mark.parametrize("statistic", ["z_squared", "h", "epoch_folding"])
def test_each_statistic_finds_the_pulsar(pulsar, statistic):
    found = check(xray.pulse_search(pulsar, (1.2335, 1.2345), statistic=statistic, bins=32, epoch=8580))
    assert float(found.best_frequency) == pytest.approx(1.234 - 2e-9 * 7580, abs=2e-5)
    assert float(found.best_log_probability) < -200


def test_gaps_alone_make_peaks_and_the_window_foretells_them():
    constant = xray.pulsed_events(20, 1, gti=STATION, pulsed_fraction=0, seed=3)
    with pytest.warns(AnalysisWarning, match="gaps alone"):
        found = xray.pulse_search(constant, (5e-5, 2e-3))
    strong = found.window > 1000
    np.testing.assert_allclose(found.statistic[strong] / found.window[strong], 1, atol=0.15)
    high = xray.pulse_search(constant, (1.0, 1.01))
    assert float(high.window.max()) < 1


def test_the_profile_has_phase_zero_at_the_epoch(pulsar):
    found = check(xray.pulse_profile(pulsar, 1.234, frequency_derivative=-2e-9, epoch=1000.0, bins=32))
    assert float(found.peak_phase) == pytest.approx(0.3, abs=0.02)
    assert abs(float(found.pulsed_fraction) - 0.4) < 4 * float(found.pulsed_fraction_error)
    later = xray.pulse_profile(pulsar, 1.234, frequency_derivative=-2e-9, epoch=1000.0 + 0.25 / 1.234, bins=32)
    assert float(later.peak_phase) == pytest.approx(0.05, abs=0.02)
    assert float(found.exposure.sum()) == pytest.approx(2400)
    assert int(found.counts.sum()) == pulsar["events"].sizes["event"]


def test_an_epoch_may_be_a_date_of_the_lists_own_time_system(pulsar):
    by_seconds = xray.pulse_profile(pulsar, 1.234, epoch=43200.0)
    by_date = xray.pulse_profile(pulsar, 1.234, epoch="MJD 60000.5")
    np.testing.assert_array_equal(by_seconds.counts, by_date.counts)
    with pytest.raises(BadOption, match="MJD 55000"):
        xray.pulse_profile(pulsar, 1.234, epoch="yesterday")


@pytest.mark.slow
def test_the_profile_is_stingrays(ulx, good):
    from stingray.pulse.pulsar import fold_events

    ours = xray.pulse_profile(ulx, 0.7273, bins=20)
    start = float(ulx["gti"].start[0])
    phase, counts, _ = fold_events(good, 0.7273, nbin=20, ref_time=start)
    np.testing.assert_array_equal(ours.counts, counts)
    np.testing.assert_allclose(ours.phase, phase)


def test_exposure_of_each_phase_is_that_of_a_clock_read_often():
    gti = np.array([[0.3, 7.9], [11.0, 13.05], [20.0, 20.02]])
    spin, slowing = 0.37, -1e-3
    ours = phase_exposure(gti, spin, slowing, 10)
    time = np.concatenate([np.arange(a + 5e-5, b, 1e-4) for a, b in gti])
    turns = spin * time + slowing * time**2 / 2
    often = np.bincount(((turns % 1) * 10).astype(int), minlength=10) * 1e-4
    assert ours.sum() == pytest.approx((gti[:, 1] - gti[:, 0]).sum())
    np.testing.assert_allclose(ours, often, atol=0.06)  # the frequency is taken as constant in an interval
    steady = phase_exposure(gti, spin, 0.0, 10)
    often = np.bincount((((spin * time) % 1) * 10).astype(int), minlength=10) * 1e-4
    np.testing.assert_allclose(steady, often, atol=1e-3)


def test_a_period_longer_than_the_intervals_does_not_pulse_by_its_gaps():
    constant = xray.pulsed_events(20, 1, gti=STATION, pulsed_fraction=0, seed=4)
    found = xray.pulse_profile(constant, 1 / 5520.0, bins=8)
    assert np.isnan(found.rate).any()
    assert float(found.log_probability) > np.log(1e-3)


def test_amplitudes_and_phases_of_harmonics(pulsar):
    found = xray.z_squared(pulsar, 1.234, frequency_derivative=-2e-9, epoch=1000.0)
    assert float(found.amplitude[0]) == pytest.approx(0.4, abs=0.04)
    assert float(found.peak_phase[0]) == pytest.approx(0.3, abs=0.02)
    n = pulsar["events"].sizes["event"]
    assert float(found.z_squared[0]) == pytest.approx(n * 0.4**2 / 2 + 2, rel=0.15)


def test_a_wrong_frequency_makes_pulses_drift(pulsar):
    right = check(xray.phaseogram(pulsar, 1.234, frequency_derivative=-2e-9, epoch=1000.0, time_step=5520, bins=12))
    assert right.counts.shape == (4, 12) and set(right.rate.argmax("phase").values.tolist()) <= {2, 3, 4}
    wrong = xray.phaseogram(pulsar, 1.234 + 4e-5, frequency_derivative=-2e-9, epoch=1000.0, time_step=5520, bins=12)
    peaks = wrong.rate.argmax("phase").values  # rotates more slowly: later phases
    assert ((peaks[1:] - peaks[:-1]) % 12 < 6).all() and (peaks[-1] - peaks[0]) % 12 in (7, 8, 9)
    total = xray.pulse_profile(pulsar, 1.234, frequency_derivative=-2e-9, epoch=1000.0, bins=12)
    np.testing.assert_array_equal(right.counts.sum("time"), total.counts)
    np.testing.assert_allclose(right.exposure.sum("time"), total.exposure, rtol=1e-6)


def test_phases_stay_with_their_energies(pulsar):
    shuffled = pulsar["events"].to_dataset()
    phase = xray.pulse_phases(pulsar, 1.234)
    assert shuffled.assign(phase=phase).phase.dims == ("event",)
    assert phase.attrs["synthetic"] == "true"


def test_times_that_are_not_barycentred_are_warned_of(pulsar):
    for said, warns in (("LOCAL", True), ("SOLARSYSTEM", False)):
        events = pulsar["events"].to_dataset().assign_attrs(timeref=said)
        tree = xr.DataTree.from_dict({"events": events, "gti": pulsar["gti"].to_dataset()})
        if warns:
            with pytest.warns(AnalysisWarning, match="barycentre the events"):
                xray.pulse_search(tree, (1.2338, 1.2342))
        else:
            xray.pulse_search(tree, (1.2338, 1.2342))


def test_frequencies_beyond_the_frames_are_refused(m82):
    for ask in (xray.pulse_profile, xray.z_squared, xray.h_test):
        with pytest.raises(BadOption, match=r"TIMEDEL = 0\.44104"):
            ask(m82, 2.0)
    with pytest.raises(BadOption, match="alias"):
        xray.pulse_search(m82, (0.5, 2.0))
    with pytest.raises(BadOption, match="alias"):
        xray.phaseogram(m82, 2.0, time_step=100)
    assert xray.pulse_search(m82, (0.5, 0.6)).attrs["statistic"] == "z_squared"


REFUSED = [
    (dict(frequencies=(2, 1)), "low < high"),
    (dict(frequencies=1.0), "no pair"),
    (dict(frequencies=(0, 1)), "above 0"),
    (dict(frequencies=(1, 2), statistic="fft"), "none of"),
    (dict(frequencies=(1, 2), bins=2), "bins"),
    (dict(frequencies=(1, 2), harmonics=40), "harmonics"),
    (dict(frequencies=(1, 2), oversampling=0.5), "oversampling"),
    (dict(frequencies=(1, 2), frequency_derivatives=(1, 0)), "low < high"),
    (dict(frequencies=(1, 1e6)), "trials"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED)
def test_searches_that_cannot_be_are_refused(constant, options, says):
    with pytest.raises(BadOption, match=says):
        xray.pulse_search(constant, **options)


def test_nothing_to_fold_is_refused(constant):
    with pytest.raises(OutsideCoverage, match="20-30 keV"):
        xray.pulse_profile(constant, 1, band=(20, 30))
    with pytest.raises(BadOption, match="not positive"):
        xray.z_squared(constant, -1)
    with pytest.raises(WrongData):
        xray.h_test(constant["events"].to_dataset(), 1)
    one = xr.DataTree.from_dict(
        {"events": constant["events"].to_dataset().isel(event=[0]), "gti": constant["gti"].to_dataset()}
    )
    with pytest.raises(OutsideCoverage, match="one event"):
        xray.pulse_profile(one, 1)
    with pytest.raises(OutsideCoverage, match="one event"):
        xray.pulse_search(one, (1, 2))
    assert float(xray.z_squared(one, 1).z_squared[0]) == pytest.approx(2)


@pytest.mark.slow
def test_pictures_are_chosen_by_what_the_datasets_hold(pulsar, constant):
    import holoviews as hv

    qpo = xray.variable_events(300, xray.lorentzian_power(centroid=2, width=1, rms=0.3), gti=[(0, 256)], seed=1)
    shown = {
        "power": xray.power_spectrum(qpo, 0.05, segment=8),
        "rebinned": xray.log_rebinned(xray.power_spectrum(qpo, 0.05, segment=8), 0.2),
        "lags": xray.cross_spectrum(qpo, 0.05, segment=8, band=(2, 10), reference_band=(0.5, 2)),
        "energies": xray.lag_energy_spectrum(
            qpo, [0.5, 1, 2, 10], bin_size=0.05, segment=8, frequencies=(1, 3), reference_band=(0.5, 2)
        ),
        "dynamic": xray.dynamical_power_spectrum(qpo, 0.05, segment=8),
        "search": xray.pulse_search(constant, (1, 1.1)),
        "plane": xray.pulse_search(constant, (1, 1.01), frequency_derivatives=(-1e-5, 1e-5)),
        "profile": xray.pulse_profile(pulsar, 1.234),
        "phaseogram": xray.phaseogram(pulsar, 1.234, time_step=2000),
        "harmonics": xray.z_squared(pulsar, 1.234),
        "blocks": xray.bayesian_blocks(xray.light_curve(constant, 10)),
    }
    for name, data in shown.items():
        picture = xray.view(data)
        assert isinstance(picture, hv.core.Dimensioned | hv.core.layout.Layoutable), name
        hv.renderer("bokeh").get_plot(picture)
    with pytest.raises(WrongData, match="single numbers"):
        xray.view(xray.h_test(pulsar, 1.234))


@pytest.mark.parametrize("bins", [4, 16])
def test_the_pulsed_fraction_does_not_depend_on_how_wide_the_bins_are(made_events, bins):
    grid = np.linspace(0, 1, 20_001)
    phase = np.interp((np.arange(50_000) + 0.5) / 50_000, grid + 0.4 * np.sin(2 * np.pi * grid) / (2 * np.pi), grid)
    times = np.sort(phase + np.arange(50_000) % 100)  # a rate of 1 + 0.4 cos 2πφ, without noise
    found = xray.pulse_profile(made_events(times, [(0, 100)]), "1 Hz", bins=bins)
    assert float(found.pulsed_fraction) == pytest.approx(0.4, abs=2e-3)

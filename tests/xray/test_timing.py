"""Power and cross spectra, lags, coherence, excess variance and blocks against known answers and other programs."""

import numpy as np
import pytest
import xarray as xr
from scipy import signal

from analysis import xray
from analysis.errors import (
    AnalysisWarning,
    BadOption,
    MissingUnits,
    OutsideCoverage,
    UnknownVariable,
    WrongData,
    WrongUnits,
)
from analysis.model import check
from analysis.xray.lagging import coherence_error

pytestmark = pytest.mark.slow  # stingray takes seconds to import
GAPS = [(0.0, 600.0), (5520.0, 6120.0), (11040.0, 11100.0)]


@pytest.fixture(scope="module")
def steady():
    return xray.pulsed_events("100 ct/s", "5 Hz", gti=[(0, 1024)], pulsed_fraction=0, seed=1)


@pytest.fixture(scope="module")
def lagging():
    """Variations of 30 % around 2 Hz, photons above 2 keV 20 ms late."""
    shape = xray.lorentzian_power(centroid="2 Hz", width="1 Hz", rms=0.3)
    return xray.variable_events("600 ct/s", shape, gti=[(0, 512), (6000, 6512)], hard_lag="20 ms", seed=4)


@pytest.fixture(scope="module")
def lags(lagging):
    return xray.cross_spectrum(lagging, "0.05 s", segment="8 s", band=(2, 10), reference_band=(0.5, 2))


def curve_of(counts, *, step=1.0, exposure=None):
    """Return a light curve dataset with these counts."""
    n = len(counts)
    middle = step * (np.arange(n) + 0.5)
    seen = np.full(n, step) if exposure is None else np.asarray(exposure, float)
    said = {"units": "s", "long_name": "s", "mjdref": 60000.0, "mjdref_fraction": 0.0, "timesys": "TDB"}
    rate = np.where(seen > 0, counts / np.where(seen > 0, seen, 1), np.nan)
    return xr.Dataset(
        {
            "rate": ("time", rate, {"units": "ct s-1", "long_name": "Rate"}),
            "rate_error": ("time", np.sqrt(counts) / np.where(seen > 0, seen, np.nan), {"units": "ct s-1"}),
            "counts": ("time", np.asarray(counts), {"units": "ct", "long_name": "Counts"}),
            "exposure": ("time", seen, {"units": "s", "long_name": "Exposure"}),
        },
        coords={"seconds": ("time", middle, said)},
        attrs={"bin_size": step},
    )


def test_powers_are_stingrays_to_the_last_bit(lagging):
    from stingray import AveragedPowerspectrum

    there = xray.to_stingray(lagging)
    for word, norm in {"leahy": "leahy", "fractional": "frac", "absolute": "abs"}.items():
        ours = check(xray.power_spectrum(lagging, 0.05, segment=8, normalization=word))
        theirs = AveragedPowerspectrum.from_events(there, dt=0.05, segment_size=8.0, norm=norm, silent=True)
        np.testing.assert_allclose(ours.power, theirs.power, rtol=1e-12)
        np.testing.assert_allclose(ours.power_error, theirs.power_err, rtol=1e-12)
        np.testing.assert_allclose(ours.frequency, theirs.freq, rtol=1e-12)
        assert ours.attrs["segments"] == theirs.m == 128


def test_cross_spectra_lags_and_coherence_are_stingrays(lags, lagging):
    from stingray import AveragedCrossspectrum
    from stingray.fourier import intrinsic_coherence

    there = xray.to_stingray(lagging)
    hard, soft = (there.filter_energy_range(band) for band in ((2, 10.1), (0.4, 2)))
    theirs = AveragedCrossspectrum.from_events(
        hard, soft, dt=0.05, segment_size=8.0, norm="frac", silent=True, power_type="all"
    )
    check(lags)
    np.testing.assert_allclose(lags.cospectrum + 1j * lags.quadrature, theirs.power, rtol=1e-10)
    np.testing.assert_allclose(lags.phase_lag, theirs.phase_lag()[0], rtol=1e-9)
    np.testing.assert_allclose(lags.time_lag, theirs.time_lag()[0], rtol=1e-9)
    error = theirs.time_lag()[1]  # infinite, NaN with us, where no coherence is left
    np.testing.assert_allclose(lags.time_lag_error, np.where(np.isfinite(error), error, np.nan), rtol=1e-9)
    np.testing.assert_allclose(lags.raw_coherence, theirs.raw_coherence()[0], rtol=1e-9)
    direct = intrinsic_coherence(
        (lags.cospectrum + 1j * lags.quadrature).values, lags.power.values, lags.reference_power.values,
        float(lags.noise_level), float(lags.reference_noise_level), lags.powers_averaged.values,
    )  # fmt: skip
    np.testing.assert_allclose(lags.coherence, direct, rtol=1e-9)


def test_powers_are_those_of_scipys_periodogram(steady):
    ours = xray.power_spectrum(steady, 0.125, normalization="absolute")
    counts = np.histogram(steady["events"].time, bins=np.arange(0, 1024 + 0.0625, 0.125))[0]
    frequency, density = signal.periodogram(counts / 0.125, fs=8, detrend=False)
    np.testing.assert_allclose(ours.frequency, frequency[1:-1])
    np.testing.assert_allclose(ours.power, density[1:-1], rtol=1e-9)


def test_the_sign_of_the_quadrature_is_that_of_scipys_csd(lagging, lags):
    time, energy = lagging["events"].time.values, lagging["events"].energy.values
    edges = np.concatenate([np.arange(10241) * 0.05])
    hard, soft = (np.histogram(time[part], edges)[0] for part in (energy >= 2, energy < 2))
    _, cross = signal.csd(hard, soft, fs=20, window="boxcar", nperseg=160, noverlap=0, detrend=False)
    ours = xray.cross_spectrum(
        xray.selected(lagging, time=(None, "2023-02-25T00:30")), 0.05, segment=8, band=(2, 10), reference_band=(0.5, 2)
    )
    np.testing.assert_allclose(ours.phase_lag, np.angle(cross[1:-1]), atol=1e-8)


def test_leahy_noise_has_mean_two_and_the_variance_of_chi_squared(steady):
    single = xray.power_spectrum(steady, "5 ms")
    n = single.sizes["frequency"]
    assert float(single.power.mean()) == pytest.approx(2, abs=4 * 2 / n**0.5)
    assert float(single.power.var()) == pytest.approx(4, rel=0.05)
    averaged = xray.power_spectrum(steady, "5 ms", segment="8 s")
    assert float(averaged.power.std()) == pytest.approx(2 / 128**0.5, rel=0.1)
    assert float((averaged.power_error / averaged.power).max()) == pytest.approx(1 / 128**0.5)


def test_noise_levels_follow_from_the_rate(steady):
    found = {
        word: xray.power_spectrum(steady, "0.1 s", segment="8 s", normalization=word)
        for word in ("leahy", "fractional", "absolute")
    }
    rate = float(found["leahy"].rate)
    assert rate == pytest.approx(steady["events"].sizes["event"] / 1024)
    levels = {word: float(one.noise_level) for word, one in found.items()}
    assert levels == pytest.approx({"leahy": 2.0, "fractional": 2 / rate, "absolute": 2 * rate})
    np.testing.assert_allclose(found["leahy"].power / rate, found["fractional"].power)
    np.testing.assert_allclose(found["absolute"].power / rate**2, found["fractional"].power)


def test_the_integral_of_the_power_is_the_variance_of_the_light_curve(steady):
    """Parseval's theorem; the Nyquist frequency, which is left out, by itself."""
    found = xray.power_spectrum(steady, "1 s", normalization="absolute")
    counts = np.histogram(steady["events"].time, bins=np.arange(1025.0))[0]
    nyquist = (counts[::2] - counts[1::2]).sum() ** 2 / 1024**2
    total = float((found.power * found.frequency_width).sum())
    assert total == pytest.approx(counts.var() - nyquist, rel=1e-9)


def test_background_raises_the_fractional_power():
    half = xray.pulsed_events(
        100, 2, gti=[(0, 256)], pulsed_fraction=0.25, seed=2
    )  # a source of 50 % in 50 % background
    plain = xray.power_spectrum(half, 0.05, segment=16, normalization="fractional")
    source = xray.power_spectrum(
        half, 0.05, segment=16, normalization="fractional", background_rate=float(plain.rate) / 2
    )
    np.testing.assert_allclose(source.power, 4 * plain.power)
    assert float(source.noise_level) == pytest.approx(4 * float(plain.noise_level))
    assert float(xray.integrated_rms(source, (1.9, 2.1)).rms) == pytest.approx(0.5 / 2**0.5, abs=0.03)


@pytest.mark.parametrize("word", ["leahy", "fractional", "absolute"])
def test_a_sine_has_the_rms_of_its_amplitude(word):
    pulsar = xray.pulsed_events(200, 2, gti=[(0, 320)], pulsed_fraction=0.4, seed=3)
    spectrum = xray.power_spectrum(pulsar, 0.02, segment=10, normalization=word)
    found = check(xray.integrated_rms(spectrum, ("1.85 Hz", "2.15 Hz")))
    mean = float(spectrum.rate) if word == "absolute" else 1.0
    assert abs(float(found.rms) - 0.4 / 2**0.5 * mean) < 4 * float(found.rms_error)
    assert found.rms.attrs["units"] == ("ct s-1" if word == "absolute" else "1")


def test_the_integrated_rms_is_stingrays(lagging):
    from stingray.fourier import get_rms_from_rms_norm_periodogram

    spectrum = xray.power_spectrum(lagging, 0.05, segment=8, normalization="fractional")
    ours = xray.integrated_rms(spectrum, (1, 4))
    taken = (spectrum.frequency >= 1) & (spectrum.frequency < 4)
    theirs = get_rms_from_rms_norm_periodogram(spectrum.power.values[taken], float(spectrum.noise_level), 1 / 8, 128)
    assert (float(ours.rms), float(ours.rms_error)) == pytest.approx(theirs, rel=1e-12)


def test_a_spectrum_without_signal_has_no_rms_but_a_variance(steady):
    spectrum = xray.power_spectrum(steady, 0.1, segment=8)
    found = xray.integrated_rms(spectrum, (1, 4), noise_level=2.5)
    assert np.isnan(found.rms) and float(found.variance) < 0


def test_gaps_are_never_looked_through():
    pulsar = xray.pulsed_events(50, 2, gti=GAPS, seed=5)
    found = xray.power_spectrum(pulsar, 0.1, segment=100)
    assert found.attrs["segments"] == 12  # six in each of two; the third is too short
    events = pulsar["events"].to_dataset()
    shifted = events.assign(
        time=events.time.where(events.time < 5000, events.time + 1e-7).assign_attrs(events.time.attrs)
    )
    stray = xr.concat([shifted, shifted.isel(event=[0]).assign(time=("event", [3000.0], events.time.attrs))], "event")
    with_stray = xr.DataTree.from_dict({"events": stray.sortby("time"), "gti": pulsar["gti"].to_dataset()})
    again = xray.power_spectrum(with_stray, 0.1, segment=100)
    assert "1 events outside the good times left out" in again.attrs["history"]


def test_a_light_curve_gives_the_powers_of_its_events(steady):
    curve = xray.light_curve(steady, "0.25 s")
    from_curve = check(xray.power_spectrum(curve, segment="16 s"))
    from_events = xray.power_spectrum(steady, "0.25 s", segment="16 s")
    np.testing.assert_allclose(from_curve.power, from_events.power, rtol=1e-9)


def test_bins_exposed_in_part_are_not_used():
    counts = np.random.default_rng(1).poisson(10, 64)
    exposure = np.ones(64)
    exposure[40] = 0.5
    found = xray.power_spectrum(curve_of(counts, exposure=exposure), segment="8 s")
    assert found.attrs["segments"] == 5 + 2


def test_dead_time_is_noticed():
    rng = np.random.default_rng(2)
    gaps = 2e-3 + rng.exponential(1e-3, 300_000)  # non-paralyzable, two thirds of the time dead
    time = np.cumsum(gaps)
    tree = xray.pulsed_events(1, 1, gti=[(0, float(time[-1]))], pulsed_fraction=0, seed=1)
    listed = tree["events"].to_dataset().drop_vars(["energy", "pi"]).isel(event=np.zeros(time.size, int))
    listed["time"] = ("event", time, {"units": "s", "long_name": "Time"})
    dead = xr.DataTree.from_dict({"events": listed, "gti": tree["gti"].to_dataset()})
    with pytest.warns(AnalysisWarning, match="dead time"):
        xray.power_spectrum(dead, "20 ms", segment="10 s")


def test_log_bins_keep_every_power(lagging):
    fine = xray.power_spectrum(lagging, 0.05, segment=8, normalization="fractional")
    coarse = check(xray.log_rebinned(fine, 0.1))
    assert float(coarse.powers_averaged.sum()) == float(fine.powers_averaged.sum())
    assert float((coarse.power * coarse.powers_averaged).sum()) == pytest.approx(
        float((fine.power * fine.powers_averaged).sum())
    )
    assert float((coarse.power * coarse.frequency_width).sum()) == pytest.approx(float((fine.power / 8).sum()))
    assert float(coarse.frequency_width[-1]) > 5 * float(coarse.frequency_width[0])


def test_hard_lags_are_positive_and_as_long_as_they_were_made(lags, lagging):
    rebinned = check(xray.log_rebinned(lags, 0.4))
    near = (rebinned.frequency > 1.2) & (rebinned.frequency < 3)
    pull = (rebinned.time_lag - 0.02)[near] / rebinned.time_lag_error[near]
    assert (rebinned.time_lag[near] > 0).all() and float(abs(pull).max()) < 4
    swapped = xray.cross_spectrum(lagging, "0.05 s", segment="8 s", band=(0.5, 2), reference_band=(2, 10))
    np.testing.assert_allclose(swapped.time_lag, -lags.time_lag)


def test_coherence_of_one_source_in_two_bands_is_one(lags):
    rebinned = xray.log_rebinned(lags, 0.4)
    near = (rebinned.frequency > 1.2) & (rebinned.frequency < 3)
    assert float(abs((rebinned.coherence - 1)[near] / rebinned.coherence_error[near]).max()) < 4
    assert (rebinned.raw_coherence[near] < rebinned.coherence[near]).all()


@pytest.mark.parametrize(("coherent", "noise", "m"), [(1, 0.1, 160), (1, 1, 400), (0.7, 0.1, 160), (0.3, 0.3, 400)])
def test_the_error_of_coherence_is_the_scatter_of_normal_signals(coherent, noise, m):
    rng = np.random.default_rng(1)

    def normal():
        return (rng.normal(size=(2000, m)) + 1j * rng.normal(size=(2000, m))) / 2**0.5

    signal_of = normal()
    first = signal_of + noise**0.5 * normal()
    second = coherent**0.5 * signal_of + (1 - coherent) ** 0.5 * normal() + noise**0.5 * normal()
    cross, p1, p2 = ((a.conj() * b).mean(axis=1) for a, b in ((first, second), (first, first), (second, second)))
    p1, p2 = p1.real, p2.real
    bias = ((p1 - noise) * noise + (p2 - noise) * noise + noise**2) / m
    found = (np.abs(cross) ** 2 - bias) / ((p1 - noise) * (p2 - noise))
    errors = coherence_error(found, p1, p2, noise, noise, np.full(2000, float(m)))
    assert found.mean() == pytest.approx(coherent, abs=0.02)
    assert np.median(errors) == pytest.approx(found.std(), rel=0.08)


def test_the_same_light_curve_twice_is_wholly_coherent_and_without_lag():
    counts = np.random.default_rng(1).poisson(1000 + 500 * np.sin(np.arange(4096)), 4096)
    curve = curve_of(counts)
    found = xray.cross_spectrum(curve, segment=64, reference=curve_of(counts), normalization="leahy")
    np.testing.assert_allclose(found.cospectrum, found.power)
    np.testing.assert_allclose(found.phase_lag, 0, atol=1e-9)
    assert float(found.raw_coherence.sel(frequency=1 / (2 * np.pi), method="nearest")) == pytest.approx(1, abs=1e-3)


def test_unrelated_sources_have_no_coherence():
    first, second = (xray.pulsed_events(100, 1, gti=[(0, 1024)], pulsed_fraction=0, seed=s) for s in (1, 2))
    found = xray.cross_spectrum(first, 0.5, segment=8, reference=second)
    assert float(found.raw_coherence.mean()) < 0.02


def test_two_detectors_share_their_good_time_only():
    first = xray.pulsed_events(100, 1, gti=[(0, 500), (1000, 1100)], pulsed_fraction=0, seed=1)
    second = xray.pulsed_events(100, 1, gti=[(100, 700), (1050, 1200)], pulsed_fraction=0, seed=2)
    found = xray.cross_spectrum(first, 0.5, segment=10, reference=second)
    assert found.attrs["segments"] == 40 + 5


def test_lags_and_rms_against_energy_are_those_that_were_made(lagging):
    found = check(
        xray.lag_energy_spectrum(
            lagging, [0.5, 1, 2, 4, 10], bin_size=0.05, segment=8, frequencies=(1.5, 2.5), reference_band=(0.5, 2)
        )
    )
    pull = (found.time_lag - [0, 0, 0.02, 0.02]) / found.time_lag_error
    assert float(abs(pull).max()) < 4
    shape = xray.lorentzian_power(centroid=2, width=1, rms=0.3)
    inside = shape.sel(frequency=slice(1.4375, 2.4375))
    expected = float(inside.integrate("frequency")) ** 0.5 * np.sinc(2 * 0.05)  # bins smear
    np.testing.assert_allclose(found.rms, expected, atol=0.03)
    np.testing.assert_allclose(found.covariance, expected, atol=0.03)


def test_the_lag_of_a_band_beside_its_reference_is_stingrays(lagging):
    from stingray.varenergyspectrum import LagSpectrum

    theirs = LagSpectrum(
        xray.to_stingray(lagging), freq_interval=[1.5, 2.5], energy_spec=[2, 4, 10.001], ref_band=[0.4, 2],
        bin_time=0.05, segment_size=8.0,
    )  # fmt: skip
    ours = xray.lag_energy_spectrum(
        lagging, [2, 4, 10.001], bin_size=0.05, segment=8, frequencies=(1.5, 2.5), reference_band=(0.4, 2)
    )
    np.testing.assert_allclose(ours.time_lag, theirs.spectrum, rtol=0.02)
    np.testing.assert_allclose(ours.time_lag_error, theirs.spectrum_error, rtol=0.05)


def test_a_transient_stands_where_it_was():
    early = xray.pulsed_events(100, 2, gti=[(0, 64)], pulsed_fraction=0.8, seed=1)
    late = xray.pulsed_events(100, 3, gti=[(1000, 1064)], pulsed_fraction=0.8, seed=2)
    both = xr.DataTree.from_dict(
        {name: xr.concat([early[name].to_dataset(), late[name].to_dataset()], dim) for name, dim in
         (("events", "event"), ("gti", "interval"))}
    )  # fmt: skip
    found = check(xray.dynamical_power_spectrum(both, 0.05, segment=16))
    assert found.power.idxmax("frequency").values.tolist() == [2.0] * 4 + [3.0] * 4
    average = xray.power_spectrum(both, 0.05, segment=16, normalization="absolute")
    absolute = xray.dynamical_power_spectrum(both, 0.05, segment=16, normalization="absolute")
    np.testing.assert_allclose(absolute.power.mean("time"), average.power, rtol=1e-9)


def test_excess_variance_is_stingrays_with_the_sample_variance():
    from stingray import Lightcurve
    from stingray.utils import excess_variance

    counts = np.random.default_rng(3).poisson(50 * (1 + 0.3 * np.sin(np.arange(200))))
    ours = check(xray.excess_variance(curve_of(counts)))
    there = Lightcurve(np.arange(200) + 0.5, counts, err=np.sqrt(counts), err_dist="gauss", skip_checks=True, dt=1)
    theirs = [excess_variance(there, word) for word in ("none", "norm_xs", "fvar")]
    extra = counts.var() / 199  # of 1/(N - 1), which Vaughan et al. have, over 1/N
    assert float(ours.excess_variance) == pytest.approx(theirs[0][0] + extra, rel=1e-12)
    assert float(ours.normalized_excess_variance_error) == pytest.approx(theirs[1][1], rel=0.01)
    assert float(ours.fractional_variability) == pytest.approx(0.3 / 2**0.5, abs=0.03)
    assert float(ours.fractional_variability_error) == pytest.approx(theirs[2][1], rel=0.01)


def test_excess_variance_has_no_bias_in_faint_curves():
    """√N with 1.84 for none would take too much off where half of the bins are empty."""
    rng, found = np.random.default_rng(5), []
    for _ in range(200):
        found.append(float(xray.excess_variance(curve_of(rng.poisson(1.0, 100))).normalized_excess_variance))
    assert abs(np.mean(found)) < 4 * np.std(found) / 200**0.5


def test_the_error_of_the_excess_variance_is_its_scatter():
    rng, shape = np.random.default_rng(6), 100 * (1 + 0.2 * np.sin(0.3 * np.arange(300)))
    found = [xray.excess_variance(curve_of(rng.poisson(shape))) for _ in range(150)]
    values = np.array([float(one.normalized_excess_variance) for one in found])
    errors = np.array([float(one.normalized_excess_variance_error) for one in found])
    assert values.std() == pytest.approx(errors.mean(), rel=0.25)
    assert values.mean() == pytest.approx(shape.var() / shape.mean() ** 2, rel=0.02)


def test_blocks_find_a_flare_and_no_gap():
    quiet = xray.pulsed_events(1, 1, gti=[(0, 300), (900, 1200)], pulsed_fraction=0, seed=1)
    flare = xray.pulsed_events(20, 1, gti=[(1000, 1050)], pulsed_fraction=0, seed=2)
    events = xr.concat([quiet["events"].to_dataset(), flare["events"].to_dataset()], "event").sortby("time")
    found = check(xray.bayesian_blocks(xr.DataTree.from_dict({"events": events, "gti": quiet["gti"].to_dataset()})))
    assert found.sizes["block"] == 3
    np.testing.assert_allclose(found.start[1:], [1000, 1050], atol=1)
    assert float(found.exposure.sum()) == 600 and int(found.counts.sum()) == events.sizes["event"]
    assert float(found.start[0]) == 0 and float(found.stop[-1]) == 1200
    curve = xray.light_curve(xr.DataTree.from_dict({"events": events, "gti": quiet["gti"].to_dataset()}), 10)
    binned = check(xray.bayesian_blocks(curve))
    assert {1000.0, 1050.0} <= set(binned.start.values.tolist())


def test_edges_of_blocks_are_astropys():
    from astropy.stats import bayesian_blocks

    events = xray.pulsed_events(2, 0.01, gti=[(0, 400)], pulsed_fraction=1, seed=3)
    theirs = bayesian_blocks(events["events"].time.values, fitness="events", p0=0.01)
    np.testing.assert_allclose(xray.bayesian_blocks(events).start[1:], theirs[1:-1])


def test_there_and_back_each_event_keeps_its_row(m82):
    there = xray.to_stingray(m82)
    again = xray.from_stingray(there)
    check(again)
    for name in ("time", "energy", "pi", "grade", "x", "y", "ccd_id"):
        np.testing.assert_array_equal(again["events"][name], m82["events"][name])
        if name != "time":
            assert again["events"][name].attrs["units"] == m82["events"][name].attrs["units"]
    assert again["events"].attrs["mjdref"] == m82["events"].attrs["mjdref"]
    np.testing.assert_array_equal(again["gti"].start, m82["gti"].start)
    assert again["events"].attrs["license"] == m82["events"].attrs["license"]


def test_a_split_reference_survives_the_way_there_and_back():
    xte = xray.fetch("m82_ulx_rxte_events")
    again = xray.from_stingray(xray.to_stingray(xte))
    for name in ("mjdref_int", "mjdref_frac", "timesys", "timedel"):
        assert again["events"].attrs[name] == xte["events"].attrs[name]


def test_a_users_own_event_list_becomes_a_tree():
    from stingray import EventList

    own = EventList(
        [3.0, 1.0, 2.0], energy=[3.0, 1.0, 2.0], gti=[[0.0, 4.0]], mjdref=55197.5, timesys="tdb", notes="mine"
    )
    tree = xray.from_stingray(own, title="Mine")
    check(tree)
    np.testing.assert_array_equal(tree["events"].time, tree["events"].energy)
    assert tree["events"].attrs["mjdref"] == 55197.5
    with pytest.raises(WrongData, match="timesys"):
        xray.from_stingray(EventList([1.0, 2.0], gti=[[0.0, 4.0]]))
    with pytest.raises(WrongData, match="EventList"):
        xray.from_stingray([1.0])


def test_simulations_say_what_they_are_and_repeat(lagging):
    assert lagging["events"].attrs["synthetic"] == "true"
    one, two = (xray.pulsed_events(5, 1, gti=[(0, 100)], seed=7) for _ in range(2))
    assert one["events"].identical(two["events"])
    check(one)
    assert xray.power_spectrum(lagging, 0.05, segment=8).attrs["synthetic"] == "true"


def test_a_lorentzian_integrates_to_its_square():
    frequency = xr.DataArray(np.geomspace(1e-6, 1e6, 200_001), dims="frequency", attrs={"units": "Hz"})
    shape = xray.lorentzian_power(frequency, centroid="3 Hz", width="2 Hz", rms=0.25)
    by_hand = np.trapezoid(shape, frequency)
    assert by_hand == pytest.approx(0.25**2, rel=1e-4)
    times_frequency = shape.values * frequency.values
    assert frequency.values[times_frequency.argmax()] == pytest.approx((3**2 + 1) ** 0.5, rel=1e-3)  # ν_max


def test_random_light_curves_have_the_power_that_they_were_given():
    shape = xray.lorentzian_power(width="1 Hz", rms=0.25)
    events = xray.variable_events(500, shape, gti=[(0, 2048)], seed=9)
    found = xray.log_rebinned(xray.power_spectrum(events, 0.01, segment=16, normalization="fractional"), 0.3)
    smeared = np.sinc(found.frequency * 0.01) ** 2
    expected = np.interp(found.frequency, shape.frequency, shape) * smeared + float(found.noise_level)
    near = found.frequency < 4
    assert float(abs(found.power / expected - 1).where(near, drop=True).max()) < 0.15


REFUSED = [
    (dict(bin_size=0.1), BadOption, "runs through no gap"),
    (dict(segment=8), BadOption, "needs bin_size="),
    (dict(bin_size=-1, segment=8), BadOption, "not positive"),
    (dict(bin_size="1 keV", segment=8), WrongUnits, "bin_size"),
    (dict(bin_size="0.1", segment=8), MissingUnits, "bin_size"),
    (dict(bin_size=0.1, segment=0.2), BadOption, "at least 4"),
    (dict(bin_size=0.1, segment=700), OutsideCoverage, "the longest lasts 600 s"),
    (dict(bin_size=0.1, segment=8, normalization="frac"), BadOption, "did you mean 'fractional'"),
    (dict(bin_size=0.1, segment=8, band=(20, 30)), OutsideCoverage, "20-30 keV"),
    (dict(bin_size=0.1, segment=8, background_rate=1), BadOption, "fractional"),
    (dict(bin_size=0.1, segment=8, background_rate=99, normalization="fractional"), BadOption, "background_rate"),
    (dict(bin_size=1e-9, segment=600), BadOption, "too many"),
]


@pytest.mark.parametrize(("options", "error", "says"), REFUSED)
def test_what_makes_no_power_spectrum_is_refused(options, error, says):
    gapped = xray.pulsed_events(5, 1, gti=GAPS, seed=1)
    with pytest.raises(error, match=says):
        xray.power_spectrum(gapped, **options)


def test_bins_finer_than_the_frames_are_refused(m82):
    with pytest.raises(BadOption, match=r"TIMEDEL = 0\.44104"):
        xray.power_spectrum(m82, "0.1 s", segment="100 s")
    with pytest.warns(AnalysisWarning, match=r"take 0\.88208 s"):
        xray.power_spectrum(m82, "1 s", segment="100 s")
    assert xray.power_spectrum(m82, "0.88208 s", segment="200 s").attrs["segments"] == 4


def test_times_that_cannot_be_told_apart_are_refused(m82):
    coarse = m82["events"].to_dataset()
    coarse["time"] = coarse.time.astype(np.float32).assign_attrs(coarse.time.attrs)
    tree = xr.DataTree.from_dict({"events": coarse.sortby("time"), "gti": m82["gti"].to_dataset()})
    with pytest.raises(WrongData, match="steps by 32 s"):
        xray.power_spectrum(tree, 0.88208, segment=100)


def test_other_data_are_refused(steady, lags):
    with pytest.raises(WrongData, match="or a light curve on 'time'"):
        xray.power_spectrum(steady["events"].to_dataset(), 0.1)
    with pytest.raises(WrongData, match=r"as xray\.power_spectrum"):
        xray.integrated_rms(xr.Dataset(), (1, 2))
    with pytest.raises(WrongData, match="log_rebinned needs"):
        xray.log_rebinned(xr.Dataset())
    with pytest.raises(WrongData, match="rebinned already"):
        xray.log_rebinned(xray.log_rebinned(lags, 0.2), 0.2)
    with pytest.raises(BadOption, match="factor"):
        xray.log_rebinned(lags, 0)
    with pytest.raises(OutsideCoverage, match="no power lies"):
        xray.integrated_rms(xray.power_spectrum(steady, 0.1, segment=8), (50, 60))
    with pytest.raises(BadOption, match="low < high"):
        xray.integrated_rms(xray.power_spectrum(steady, 0.1, segment=8), (2, 1))


def test_bands_that_share_photons_are_refused(steady):
    with pytest.raises(BadOption, match="overlap"):
        xray.cross_spectrum(steady, 0.1, segment=8, band=(1, 5), reference_band=(4, 10))
    with pytest.raises(BadOption, match="reference_band="):
        xray.cross_spectrum(steady, 0.1, segment=8, band=(1, 5))
    with pytest.warns(AnalysisWarning, match="the same"):
        again = xr.DataTree.from_dict({name: steady[name].to_dataset() for name in steady.children})
        xray.cross_spectrum(steady, 0.1, segment=8, reference=again)
    with pytest.raises(WrongData, match="two light curves"):
        xray.cross_spectrum(steady, 0.1, segment=8, reference=xray.light_curve(steady, 0.1))
    apart = xray.pulsed_events(5, 1, gti=[(5000, 5100)], seed=1)
    with pytest.raises(OutsideCoverage, match="no good time in common"):
        xray.cross_spectrum(steady, 0.1, segment=8, reference=apart)


def test_few_powers_are_warned_of(steady):
    with pytest.warns(AnalysisWarning, match="sound for 30 or more"):
        xray.cross_spectrum(steady, 0.1, segment=100, band=(1, 2), reference_band=(2, 10))


def test_segments_without_events_are_warned_of():
    faint = xray.pulsed_events(0.05, 1, gti=[(0, 1000)], pulsed_fraction=0, seed=1)
    with pytest.warns(AnalysisWarning, match="fewer than two events"):
        xray.power_spectrum(faint, 1, segment=20)


def test_variability_refuses_what_is_none(steady):
    curve = xray.light_curve(steady, 1)
    with pytest.raises(WrongData, match="light curve"):
        xray.excess_variance(xr.Dataset())
    with pytest.raises(BadOption, match="least_exposure"):
        xray.excess_variance(curve, least_exposure=2)
    with pytest.raises(OutsideCoverage, match="0 bins"):
        xray.excess_variance(curve_of(np.zeros(5), exposure=np.zeros(5)))
    with pytest.warns(AnalysisWarning, match="5 bins"):
        xray.excess_variance(curve.isel(time=slice(5)))
    with pytest.raises(BadOption, match="between 0 and 1"):
        xray.bayesian_blocks(curve, false_alarm_probability=1)
    with pytest.raises(BadOption, match="102"):
        xray.bayesian_blocks(steady)
    with pytest.raises(WrongData, match="events, or a light curve"):
        xray.bayesian_blocks(xr.Dataset())


def test_simulations_refuse_what_cannot_be():
    for wrong in (dict(pulsed_fraction=1.5), dict(seed=-1), dict(seed=1.5), dict(gti=[(1, 0)]), dict(band=(0, 10))):
        with pytest.raises(BadOption):
            xray.pulsed_events(5, 1, **{"gti": [(0, 10)], "seed": 1, **wrong})
    with pytest.raises(WrongData, match="lorentzian_power"):
        xray.variable_events(5, xr.DataArray([1.0]), gti=[(0, 10)], seed=1)
    with pytest.raises(BadOption, match="negative"):
        xray.lorentzian_power(centroid=-1, width=1, rms=0.1)
    with pytest.warns(AnalysisWarning, match="negative rate"):
        xray.variable_events(5, xray.lorentzian_power(width=1, rms=0.6), gti=[(0, 100)], seed=1)


def test_energies_that_are_no_bands_are_refused(lagging):
    options = dict(bin_size=0.05, segment=8, frequencies=(1, 3), reference_band=(0.5, 2))
    for wrong in ([2, 1], [1], "1-2", 5):
        with pytest.raises(BadOption, match="energies"):
            xray.lag_energy_spectrum(lagging, wrong, **options)
    with pytest.raises(OutsideCoverage, match="0 events"):
        xray.lag_energy_spectrum(lagging, [20, 30], **options)
    with pytest.raises(UnknownVariable):
        bare = xr.DataTree.from_dict(
            {"events": lagging["events"].to_dataset().drop_vars("energy"), "gti": lagging["gti"].to_dataset()}
        )
        xray.lag_energy_spectrum(bare, [1, 2], **options)


def test_the_error_of_an_rms_is_that_of_the_variance_carried_over(made_events):
    times = np.sort(np.random.default_rng(4).uniform(0, 640, 40_000))
    found = xray.integrated_rms(
        xray.power_spectrum(made_events(times, [(0, 640)]), 0.05, segment=10), (0.5, 9), noise_level=1.9
    )
    d = 1e-4 * float(found.variance)
    slope = (np.sqrt(float(found.variance) + d) - np.sqrt(float(found.variance) - d)) / (2 * d)
    assert float(found.rms_error) == pytest.approx(slope * float(found.variance_error), rel=1e-6)


def test_the_error_of_an_excess_variance_is_vaughans_equation_11(made_events):
    rates = np.where(np.arange(40) % 2, 30, 10)  # ct in bins of 1 s: mean 20, σ² = 20
    times = np.concatenate([k + (np.arange(n) + 0.5) / n for k, n in enumerate(rates)])
    found = xray.excess_variance(xray.light_curve(made_events(times, [(0, 40)]), 1))
    excess = 100 * 40 / 39 - 20
    wanted = np.hypot(np.sqrt(2 / 40) * 20 / 400, np.sqrt(20 / 40) * 2 * np.sqrt(excess / 400) / 20)
    assert float(found.excess_variance) == pytest.approx(excess)
    assert float(found.normalized_excess_variance_error) == pytest.approx(wanted)

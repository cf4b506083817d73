"""Spectra, wave polarization and turbulence: Parseval, known waves, known power laws."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, OutsideCoverage, WrongData, WrongFrame, WrongUnits
from analysis.model import check

START = np.datetime64("2020-01-01", "ns")
RANDOM = np.random.default_rng(7)


def series(values, step=0.1, units="nT", name="b", **attrs):
    values = np.asarray(values, float)
    time = START + np.round(np.arange(len(values)) * step * 1e9).astype("timedelta64[ns]")
    dims = ["time", "component"][: values.ndim]
    coords = {"time": ("time", time, {"long_name": "Time (UTC)"})} | (
        {"component": list("xyz")} if values.ndim == 2 else {}
    )
    return xr.DataArray(values, coords, dims, name, {"units": units, "long_name": name, **attrs})


def coloured(size, slope, seed=1):
    """Return Gaussian noise whose power falls as the frequency to the power of slope."""
    random = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(size)
    wave = random.normal(size=frequency.size) + 1j * random.normal(size=frequency.size)
    wave[1:] *= frequency[1:] ** (slope / 2)
    wave[0] = 0
    return np.fft.irfft(wave, size) * size


# --------------------------------------------------------------------------------------------- spectra


@pytest.mark.slow
@given(seed=st.integers(0, 1000), size=st.integers(64, 400))
def test_the_spectrum_holds_the_variance(seed, size):
    noise = series(np.random.default_rng(seed).normal(size=size))
    psd = plasma.power_spectral_density(noise).psd
    total = float(psd.sum() * (psd.frequency[1] - psd.frequency[0]))
    tapered = float(noise.var())
    assert total == pytest.approx(tapered, rel=0.35)  # the tapers weigh the samples


def test_white_noise_is_flat_at_twice_its_variance_times_the_step():
    noise = series(2 * RANDOM.normal(size=20_000))
    found = check(plasma.power_spectral_density(noise, window=1000))
    assert found.psd.isel(frequency=slice(5, -5)).mean() == pytest.approx(2 * 4 * 0.1, rel=0.02)
    assert found.psd.dims == ("time", "frequency") and found.psd.attrs["units"] == "nT2 / Hz"


@pytest.mark.slow
def test_95_of_100_spectra_lie_in_the_interval():
    inside = []
    for seed in range(100):
        found = plasma.power_spectral_density(series(np.random.default_rng(seed).normal(size=512)))
        inside.append(float(((found.psd_low < 0.2) & (found.psd_high > 0.2)).isel(frequency=slice(10, -10)).mean()))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("slope", [-1, -5 / 3, -2.5])
def test_a_power_law_is_found_by_spectrum_and_wavelets(slope):
    noise = series(coloured(2**14, slope))
    tapered = check(plasma.spectral_slope(plasma.power_spectral_density(noise).psd, low=0.01, high=1))
    assert tapered.slope == pytest.approx(slope, abs=4 * max(0.02, float(tapered.slope_error)))
    waves = plasma.wavelet_power(noise)
    mean = waves.power.where(waves.inside_cone).mean("time").assign_attrs(waves.power.attrs)
    assert plasma.spectral_slope(mean, low=0.02, high=1).slope == pytest.approx(slope, abs=0.12)


def test_wavelets_and_tapers_agree_on_noise():
    noise = series(RANDOM.normal(size=8000))
    waves = check(plasma.wavelet_power(noise))
    level = float(waves.power.where(waves.inside_cone).sel(frequency=slice(0.5, 2.5)).mean())
    assert level == pytest.approx(0.2, rel=0.05)


def test_a_burst_is_found_at_its_time_and_frequency():
    seconds = np.arange(4000) * 0.1
    burst = series(np.sin(2 * np.pi * 0.8 * seconds) * np.exp(-(((seconds - 250) / 20) ** 2)))
    power = plasma.wavelet_power(burst).power
    peak = power.where(power == power.max(), drop=True)
    assert float(peak.frequency[0]) == pytest.approx(0.8, rel=0.05)
    assert abs((peak.time.values[0] - START) / np.timedelta64(1, "s") - 250) < 3


def test_components_and_lazy_arrays_are_kept():
    field = series(RANDOM.normal(size=(600, 3)), frame="GSE")
    eager = plasma.power_spectral_density(field, window=100)
    assert eager.psd.dims == ("time", "frequency", "component") and eager.psd.attrs["frame"] == "GSE"
    lazy = plasma.power_spectral_density(field.chunk(time=150), window=100)
    assert lazy.psd.chunks is not None
    np.testing.assert_allclose(lazy.psd, eager.psd)
    check(plasma.wavelet_power(field))


def test_frequencies_may_bring_their_unit():
    hertz = np.array([0.5, 1.0])
    wanted = xr.DataArray(hertz * 1000, dims="frequency", attrs={"units": "mHz"})
    noise = series(RANDOM.normal(size=400))
    found = plasma.wavelet_power(noise, frequencies=wanted)
    assert found.frequency.values.tolist() == [0.5, 1.0] and found.frequency.units == "Hz"
    xr.testing.assert_equal(found.power, plasma.wavelet_power(noise, frequencies=hertz).power)


def test_an_alternating_series_has_all_its_power_at_half_the_sampling_rate():
    psd = plasma.power_spectral_density(series((-1.0) ** np.arange(500), step=0.1)).psd
    assert float(psd.sum()) / 50 == pytest.approx(1, abs=1e-9)  # the last bin stands for one frequency, not two
    assert psd.idxmax("frequency") > 4.8


def test_windows_with_nan_are_nan_and_the_others_are_not():
    noise = series(RANDOM.normal(size=1000))
    noise[450] = np.nan
    psd = plasma.power_spectral_density(noise, window=100, step=100).psd
    assert psd.isnull().all("frequency").values.tolist() == [False] * 4 + [True] + [False] * 5


# --------------------------------------------------------------------------------------------- polarization


def wave(handedness, direction, background, noise=0.01, hertz=8.0, seed=0):
    """Return a circular wave about a direction, with a background field along another, at 64 samples a second."""
    seconds = np.arange(4096) / 64
    direction, background = np.asarray(direction, float), np.asarray(background, float)
    direction = direction / np.linalg.norm(direction)
    one = np.cross(direction, [0.3, -0.5, 0.8])
    one /= np.linalg.norm(one)
    other = np.cross(direction, one)  # one, other, direction are right-handed
    turn = 2 * np.pi * hertz * seconds[:, None]
    values = background + np.cos(turn) * one + handedness * np.sin(turn) * other
    values = values + np.random.default_rng(seed).normal(scale=noise, size=values.shape)
    return series(values, step=1 / 64, frame="GSE")


@pytest.mark.slow
@pytest.mark.parametrize("handedness", [1, -1])
def test_a_whistler_is_right_handed_and_an_ion_cyclotron_wave_left_handed(handedness):
    # electrons gyrate from x to y about a field along z, as the field of a whistler along it turns
    for background in ([0, 0, 50], [0, 0, -50], [30, -20, 10]):
        b = wave(handedness, background, background)
        at = check(plasma.wave_polarization(b)).sel(frequency=8).isel(time=6)
        assert at.ellipticity == pytest.approx(handedness, abs=0.03)
        assert at.wave_normal_angle < 2 and at.polarization > 0.99 and at.planarity > 0.9
        np.testing.assert_allclose(at.background, background, atol=0.1)


@pytest.mark.slow
@given(seed=st.integers(0, 1000))
def test_the_wave_vector_is_found_in_any_frame(seed):
    turn = Rotation.random(random_state=seed).as_matrix()
    background, direction = turn @ [0, 0, 40], turn @ [np.sin(0.6), 0, np.cos(0.6)]
    at = plasma.wave_polarization(wave(1, direction, background, seed=seed)).sel(frequency=8).isel(time=6)
    assert at.wave_normal_angle == pytest.approx(np.degrees(0.6), abs=1)
    assert at.wave_vector.values @ direction == pytest.approx(1, abs=1e-3)


def test_the_azimuth_of_the_wave_vector_is_counted_from_x_about_the_field():
    for azimuth in (50.0, -120.0):
        turn = np.radians(azimuth)
        direction = [np.sin(0.6) * np.cos(turn), np.sin(0.6) * np.sin(turn), np.cos(0.6)]
        at = plasma.wave_polarization(wave(1, direction, [0, 0, 40])).sel(frequency=8).isel(time=6)
        assert at.wave_normal_azimuth == pytest.approx(azimuth, abs=2)


def test_planarity_is_one_less_the_root_of_the_least_over_the_largest_power():
    noise = np.random.default_rng(11).normal(size=(60_000, 3)) * np.sqrt([4.0, 2, 1]) + np.array([0, 0, 30])
    found = plasma.wave_polarization(series(noise, step=1 / 64, frame="GSE"), window=128, step=128, average=25)
    assert float(found.planarity.mean()) == pytest.approx(0.5, abs=0.05)


def test_noise_is_not_polarized_and_a_linear_wave_has_no_ellipticity():
    noise = series(RANDOM.normal(size=(8192, 3)) + np.array([0, 0, 30]), step=1 / 64, frame="GSE")
    assert plasma.wave_polarization(noise).polarization.mean() < 0.4
    seconds = np.arange(4096) / 64
    line = np.stack([np.cos(2 * np.pi * 8 * seconds), 0 * seconds, 30 + 0 * seconds], axis=1)
    line = series(line + 0.01 * RANDOM.normal(size=line.shape), step=1 / 64, frame="GSE")
    assert abs(plasma.wave_polarization(line).sel(frequency=8).ellipticity).max() < 0.05


def test_the_power_is_that_of_the_spectrum():
    field = series(RANDOM.normal(size=(20_000, 3)) + np.array([0, 0, 30]), step=1 / 64, frame="GSE")
    power = plasma.wave_polarization(field).power
    assert float(power.mean()) == pytest.approx(3 * 2 / 64, rel=0.03)


def test_a_missing_sample_voids_the_stretches_that_hold_it_and_no_others():
    b = wave(1, [0, 0, 1], [0, 0, 50])
    holed = b.copy()
    holed[1000, 0] = np.nan
    whole, found = plasma.wave_polarization(b), plasma.wave_polarization(holed)
    # stretches of 256 begin every 128 samples: numbers 6 and 7 hold sample 1000; five are averaged about each time
    middles = np.arange(2, 2 + whole.sizes["time"])
    near = (np.abs(middles - 6) <= 2) | (np.abs(middles - 7) <= 2)
    assert (found.power.isnull().all("frequency").values == near).all()
    xr.testing.assert_allclose(found.isel(time=~near), whole.isel(time=~near))


def test_the_order_and_names_of_components_do_not_matter():
    b = wave(1, [1, 2, -2], [10, 30, -20])
    odd = b.isel(component=[2, 1, 0]).assign_coords(component=["Bz", "By", "Bx"])
    xr.testing.assert_allclose(plasma.wave_polarization(odd), plasma.wave_polarization(b))
    xr.testing.assert_allclose(plasma.wave_polarization(odd, background=b), plasma.wave_polarization(b, background=odd))
    v, n = (b * 7).assign_attrs(b.attrs | {"units": "km/s"}), series(np.full(4096, 5.0), 1 / 64, "cm-3", "n")
    named = v.assign_coords(component=["vx", "vy", "vz"])
    xr.testing.assert_allclose(plasma.elsasser_variables(odd, named, n), plasma.elsasser_variables(b, v, n))


def test_a_background_may_be_given():
    b = wave(1, [0, 0, 1], [0, 0, 0])  # a search coil sees no steady field
    steady = (b * 0 + xr.DataArray([0.0, 0, -50], dims="component")).assign_attrs(b.attrs)
    at = plasma.wave_polarization(b, background=steady).sel(frequency=8).isel(time=6)
    assert at.ellipticity == pytest.approx(-1, abs=0.03)


# --------------------------------------------------------------------------------------------- turbulence


def test_structure_functions_of_a_random_walk_grow_with_half_the_order():
    walk = series(np.cumsum(RANDOM.normal(size=100_000)))
    found = check(plasma.structure_functions(walk, lags=[4, 16, 64, 256]))
    growth = np.polyfit(np.log(found.lag), np.log(found.structure_function.transpose("lag", "order")), 1)[0]
    np.testing.assert_allclose(growth, np.array([1, 2, 3, 4]) / 2, atol=0.06)
    np.testing.assert_allclose(found.flatness[:3], 3, rtol=0.1)


def test_flatness_of_a_gaussian_vector_is_five_thirds():
    found = plasma.structure_functions(series(RANDOM.normal(size=(50_000, 3)), frame="GSE"), lags=[1, 7])
    np.testing.assert_allclose(found.flatness, 5 / 3, rtol=0.02)


def test_a_series_without_a_number_has_no_structure():
    found = plasma.structure_functions(series(np.full(50, np.nan)), lags=[1, 2])
    assert found.structure_function.isnull().all() and found.pairs.values.tolist() == [0, 0]


def test_the_mean_square_of_pvi_is_one_and_a_sheet_stands_out():
    field = RANDOM.normal(size=(2000, 3))
    field[1000:] += [9, -9, 4]
    pvi = check(plasma.increment_intensity(series(field, frame="RTN")))
    assert float((pvi**2).mean()) == pytest.approx(1)
    assert int(pvi.argmax("time")) == 999 and pvi.max() > 5
    local = plasma.increment_intensity(series(field, frame="RTN"), window=100)
    assert int(local.argmax("time")) == 999


@pytest.mark.slow
@given(share=st.floats(-1, 1))
def test_cross_helicity_is_the_share_of_outward_waves(share):
    random = np.random.default_rng(3)
    plus, minus = random.normal(size=(2, 3000, 3))
    plus, minus = plus * np.sqrt(1 + share), minus * np.sqrt(1 - share)
    alfven = 1e-9 / np.sqrt(1.25663706127e-6 * 1.67262192595e-27 * 5e6) * 1e-3  # km/s for 1 nT in 5 cm-3
    v = series((plus + minus) / 2 * 10 + [-400, 0, 0], units="km/s", name="v", frame="RTN")
    b = series((plus - minus) / 2 * 10 / alfven + [3, 2, 0], frame="RTN")
    n = series(np.full(3000, 5.0), units="#/cc", name="n")
    found = check(plasma.alfvenicity(b, v, n, window=2001)).isel(time=1500)
    assert found.cross_helicity == pytest.approx(share, abs=0.05)
    assert found.residual_energy == pytest.approx(0, abs=0.08)


def test_residual_energy_is_above_zero_where_the_flow_holds_more():
    b, n = series(RANDOM.normal(size=(200, 3)), frame="RTN"), series(np.full(200, 3.0), units="cm-3", name="n")
    alfven = plasma.elsasser_variables(b, b.assign_attrs(units="km/s"), n).b_alfven
    found = plasma.alfvenicity(b, (2 * alfven).assign_attrs(alfven.attrs).rename("v"), n, window=50)
    assert found.residual_energy[100] == pytest.approx(0.6) and found.alfven_ratio[100] == pytest.approx(4)
    assert found.cross_helicity[100] == pytest.approx(0.8)


def test_the_error_of_a_slope_is_that_of_the_line_through_the_bins():
    from scipy.stats import linregress

    frequency = 0.01 * 10 ** ((np.arange(12) + 0.5) / 10)  # one in each bin of a tenth of a decade
    values = frequency**-1.5 * np.exp(np.random.default_rng(1).normal(scale=0.3, size=12))
    psd = xr.DataArray(values, {"frequency": ("frequency", frequency, {"units": "Hz"})}, ["frequency"], "psd")
    found = check(plasma.spectral_slope(psd.assign_attrs(units="nT2 / Hz", long_name="PSD"), low=0.01, high=0.16))
    line = linregress(np.log10(frequency), np.log10(values))
    assert found.slope == pytest.approx(line.slope) and found.slope_error == pytest.approx(line.stderr)


def test_elsasser_variables_carry_frame_and_units():
    b, v = series(RANDOM.normal(size=(9, 3)), frame="RTN"), series(RANDOM.normal(size=(9, 3)), units="m/s", frame="RTN")
    z = check(plasma.elsasser_variables(b, v, series(np.full(9, 3.0), units="cm-3", name="n")))
    np.testing.assert_allclose((z.z_plus + z.z_minus) / 2, v / 1000, atol=1e-12)
    assert z.z_plus.attrs["frame"] == "RTN" and z.z_plus.attrs["units"] == "km s-1"


@pytest.mark.slow
@given(outward=st.floats(-1, 1), polarity=st.sampled_from([1, -1]), seed=st.integers(0, 99))
def test_a_synthetic_wind_holds_what_it_says(outward, polarity, seed):
    wind = check(plasma.synthetic_wind(samples=1000, outward=outward, polarity=polarity, seed=seed))
    truth = json.loads(wind.attrs["truth"])
    whole = plasma.alfvenicity(wind.b, wind.v, wind.density, window=999).isel(time=500)
    assert whole.cross_helicity == pytest.approx(truth["cross_helicity"], abs=0.02)
    assert whole.residual_energy == pytest.approx(0, abs=0.03)
    mean = wind.b.mean("time")
    assert np.sign(mean.sel(component="r")) == polarity and np.sign(mean.sel(component="t")) == -polarity
    away = ((wind.b - mean) ** 2).sum("component").mean() ** 0.5 / 5
    assert away == pytest.approx(truth["amplitude"], rel=1e-6)
    assert wind.attrs["synthetic"] == "true" and whole.attrs["synthetic"] == "true"


def test_waves_that_leave_the_sun_have_opposite_signs_of_flow_and_field_in_a_field_away_from_it():
    wind = plasma.synthetic_wind(outward=1.0, polarity=1)
    flow, field = (wind[name].sel(component="n") for name in ("v", "b"))
    assert xr.corr(flow, field) == pytest.approx(-1)


# --------------------------------------------------------------------------------------------- refusals

LINE = series(RANDOM.normal(size=500))
FIELD = series(RANDOM.normal(size=(500, 3)), frame="GSE")
GAPPED = LINE.isel(time=np.r_[0:100, 200:500])
FLOW = FIELD.assign_attrs(units="km/s").rename("v")
DENSITY = series(np.full(500, 5.0), units="cm-3", name="n")
PSD = plasma.power_spectral_density(LINE).psd


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: plasma.power_spectral_density(GAPPED), WrongData, "not sampled evenly.*00:00:09.9"),
        (lambda: plasma.power_spectral_density(LINE.where(LINE < 2)), WrongData, "NaN"),
        (lambda: plasma.power_spectral_density(LINE.drop_attrs()), MissingUnits, "units"),
        (lambda: plasma.power_spectral_density(LINE, window=5), BadOption, "window"),
        (lambda: plasma.power_spectral_density(LINE, window=501), WrongData, "501"),
        (lambda: plasma.power_spectral_density(LINE, step=3), BadOption, "window="),
        (lambda: plasma.power_spectral_density(LINE.rename(time="t")), WrongData, "UTC"),
        (lambda: plasma.power_spectral_density(LINE[::-1]), WrongData, "sortby"),
        (lambda: plasma.wavelet_power(LINE, omega0=2), BadOption, "omega0"),
        (lambda: plasma.wavelet_power(LINE, frequencies=[1, 9]), BadOption, "5 Hz"),
        (lambda: plasma.wave_polarization(FIELD.isel(component=0)), WrongData, "component"),
        (lambda: plasma.wave_polarization(FIELD, window=None), BadOption, "16 or more"),
        (lambda: plasma.alfvenicity(FIELD, FLOW, DENSITY, window=np.inf), BadOption, "whole number"),
        (lambda: plasma.wave_polarization(FIELD, average=4), BadOption, "odd"),
        (lambda: plasma.wave_polarization(FIELD, window=256), WrongData, "stretches"),
        (
            lambda: plasma.wave_polarization(FIELD, window=64, background=FIELD.assign_attrs(frame="GSM")),
            WrongFrame,
            "GSM",
        ),
        (
            lambda: plasma.wave_polarization(FIELD.expand_dims(spacecraft=[1]), window=64),
            WrongData,
            "isel.spacecraft=0",
        ),
        (lambda: plasma.structure_functions(LINE.to_dataset()), MissingUnits, "Dataset"),
        (lambda: plasma.structure_functions(LINE, lags=[500]), WrongData, "500"),
        (lambda: plasma.structure_functions(LINE, orders=[0]), BadOption, "orders"),
        (lambda: plasma.increment_intensity(LINE, lag=0), BadOption, "1 or more"),
        (lambda: plasma.spectral_slope(PSD, low=1, high=0.1), BadOption, "below"),
        (lambda: plasma.spectral_slope(PSD, low=50, high=90), OutsideCoverage, "bins"),
        (lambda: plasma.spectral_slope(LINE, low=1, high=2), WrongData, "frequency"),
        (lambda: plasma.elsasser_variables(FIELD, FLOW, LINE), WrongUnits, "m-3"),
        (lambda: plasma.elsasser_variables(FIELD, FLOW, -DENSITY), WrongData, "not above zero"),
        (lambda: plasma.alfvenicity(FIELD, FLOW, DENSITY, window=2), BadOption, "window"),
        (lambda: plasma.synthetic_wind(polarity=0), BadOption, "polarity"),
        (lambda: plasma.synthetic_wind(density=-1), BadOption, "density"),
    ],
)
def test_nonsense_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_numbers_of_numpy_make_a_wind_whose_truth_is_written_down():
    one = np.float32(5.0)
    wind = check(plasma.synthetic_wind(samples=np.int64(32), field=one, density=one, step=one, seed=np.int64(3)))
    assert json.loads(wind.attrs["truth"])["seed"] == 3


@pytest.mark.parametrize("wrong", [{"samples": np.inf}, {"samples": np.nan}, {"step": 1e-12}, {"step": 1e12}])
def test_a_wind_that_has_no_times_is_refused(wrong):
    with pytest.raises(BadOption):
        plasma.synthetic_wind(**{"samples": 32, **wrong})


@pytest.mark.parametrize("slope", [-5 / 3, -1.0, -2.5])
def test_the_power_of_a_synthetic_wind_falls_with_its_slope(slope):
    wind = plasma.synthetic_wind(samples=16384, slope=slope, seed=5)
    frequency = np.fft.rfftfreq(16384)[1:-1]
    for field in (wind.b, wind.v):
        power = (np.abs(np.fft.rfft(field.values - field.values.mean(axis=0), axis=0)) ** 2).sum(axis=1)[1:-1]
        means = np.histogram(np.log(frequency), 12, weights=power)[0] / np.histogram(np.log(frequency), 12)[0]
        middle = np.linspace(np.log(frequency[0]), np.log(frequency[-1]), 25)[1::2]
        assert np.polyfit(middle[5:], np.log(means[5:]), 1)[0] == pytest.approx(slope, abs=0.1)

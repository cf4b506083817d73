"""The wave telescope against plane waves that are known, its formula spelled out, scipy's spectra, and aliases."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import (
    BadOption,
    BadTime,
    MissingUnits,
    OutsideCoverage,
    WrongData,
    WrongFrame,
    WrongUnits,
)
from analysis.model import check
from analysis.plasma.cross_spectra import cross_spectra
from analysis.plasma.k_filtering import filtered, loaded_inverse
from analysis.plasma.wave_limits import _shortest

pytestmark = pytest.mark.slow  # the examples in the docstrings stay in the quick tier

STEP = 0.1
SIZE = 4096


def still(count=SIZE, step=STEP):
    return plasma.straight_path(plasma.sampling_times("2030-01-01", cadence=step, count=count), velocity=(0, 0, 0))


FOUR = plasma.constellation(still(), scale=100)
SEVEN = plasma.constellation(still(), kind="plasma_observatory", scale=100, outer_scale=400)


def wave(k, frequency=1.0, polarization=(0, 0, 1), ellipticity=0.0, size=1.0):
    """Return k, f and an amplitude normal to k, linear (0) or circular (1, -1)."""
    k = np.asarray(k, float)
    first = np.cross(k, np.cross(polarization, k))
    first /= np.linalg.norm(first)
    second = np.cross(k, first) / np.linalg.norm(k)
    return k, frequency, size * (first + 1j * ellipticity * second)


def measured(waves, position=FOUR, noise=0.1, seed=0):
    k, f, b = zip(*waves, strict=True)
    return plasma.sampled(plasma.plane_waves(k, f, b), position, noise=noise, seed=seed)


def found(data, frequency=1.0, velocity=None, **options):
    options = {"segment": 200, "band": (frequency - 0.06, frequency + 0.06), "largest": 0.03, "points": 13, **options}
    spectrum = plasma.wave_vector_power(data.b, data.position, **options)
    return plasma.dispersion(spectrum, velocity=velocity).sel(frequency=frequency, method="nearest")


@pytest.mark.slow
@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [1, -1])
def test_a_wave_along_an_axis_has_k_along_it(axis, sign):
    k = sign * 0.012 * np.eye(3)[axis]
    assert found(measured([wave(k, polarization=np.roll(np.eye(3)[axis], 1))])).k.values == pytest.approx(k, abs=3e-4)


def test_the_same_in_time_order_a_crest_that_comes_to_the_spacecraft_at_larger_x_later_has_kx_above_zero():
    # no formula for waves here: the series themselves are delayed
    x = FOUR.sel(component="x").isel(time=0).values
    seconds = STEP * np.arange(SIZE)
    rng = np.random.default_rng(3)
    by = np.stack([np.cos(2 * np.pi * 1.0 * (seconds - at / 600.0)) for at in x])
    series = np.stack([0 * by, by, 0 * by], axis=-1) + 0.1 * rng.normal(size=(4, SIZE, 3))
    data = xr.Dataset({"b": FOUR.copy(data=series).assign_attrs(units="nT"), "position": FOUR})
    wave_found = found(data)
    assert wave_found.k.values == pytest.approx([2 * np.pi / 600, 0, 0], abs=5e-4)
    assert float(wave_found.phase_speed) == pytest.approx(600, rel=0.05)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    direction=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda n: np.linalg.norm(n) > 0.2),
    number=st.floats(0.004, 0.024),
    ellipticity=st.sampled_from([0.0, 1.0, -1.0, 0.5]),
    count=st.sampled_from([4, 7]),
)
def test_a_wave_of_any_direction_and_polarization_is_found_within_half_a_step_of_the_grid(
    direction, number, ellipticity, count
):
    k = number * np.asarray(direction) / np.linalg.norm(direction)
    across = np.eye(3)[np.argmin(np.abs(k))]
    data = measured([wave(k, polarization=across, ellipticity=ellipticity)], FOUR if count == 4 else SEVEN)
    peak = found(data, points=25)
    assert np.abs(peak.k.values - k).max() < 0.03 / 24
    assert np.abs(peak.k.values - k).max() < peak.k_error.max()


@pytest.mark.slow
@pytest.mark.parametrize("noise, error", [(0.1, 2e-4), (0.5, 1e-3), (1.0, 2e-3)])
def test_noise_widens_the_peak_and_leaves_the_wave(noise, error):
    k = np.array([0.008, -0.01, 0.006])
    peak = found(measured([wave(k)], noise=noise))
    assert np.abs(peak.k.values - k).max() < error
    quiet = found(measured([wave(k)], noise=noise / 10))
    assert (peak.k_error > quiet.k_error).all()


@pytest.mark.slow
def test_the_power_at_the_peak_is_that_of_the_wave_but_for_the_known_loss():
    # a wave of amplitude a has the power a^2 / 2; a Hann window spreads it over 1.5 steps of frequency
    data = measured([wave([0.01, 0, 0], size=2.0)], noise=0.02)
    spectrum = plasma.wave_vector_power(data.b, data.position, segment=200, largest=0.02, points=9)
    density = 2.0**2 / 2 / (1.5 / (200 * STEP))
    at = spectrum.sel(frequency=1.0)
    assert float(at.total_power) == pytest.approx(density, rel=0.01)
    segments = int(spectrum.attrs["segments"])
    assert 1 - 16 / segments < float(at.peak_power) / density < 1


@pytest.mark.slow
def test_two_waves_of_one_frequency_are_told_apart_by_seven_points():
    # a hair apart in frequency, so that their phases change against each other from segment to segment
    one, other = np.array([0.012, 0.004, 0.0]), np.array([-0.004, 0.010, 0.008])
    data = measured([wave(one, 1.005), wave(other, 0.995, size=0.7)], SEVEN, noise=0.05)
    spectrum = plasma.wave_vector_power(data.b, data.position, segment=200, band=(0.99, 1.01), largest=0.02, points=41)
    power = spectrum.power.isel(frequency=0)
    step = 0.02 / 20
    near = power.sel(kx=slice(-0.02, 0.004), ky=slice(0.005, 0.016))
    for part, k in ((power, one), (near, other)):
        top = part.where(part == part.max(), drop=True)
        assert np.abs(np.array([top.kx[0], top.ky[0], top.kz[0]]) - k).max() < 0.75 * step
    assert float(near.max()) > 5 * float(power.median())


@pytest.mark.slow
def test_a_wave_in_moving_plasma_has_its_own_frequency_back():
    # waves at 0.2 Hz in the plasma along x, carried at 300 km/s against x: f = f' + k.V / 2 pi
    k = np.array([-0.02, 0, 0])
    flow = xr.DataArray([-300.0, 0, 0], dims="component", attrs={"units": "km s-1", "frame": "GSE"})
    f = 0.045 + k @ flow.values / (2 * np.pi)
    peak = found(measured([wave(k, f)]), frequency=1.0, velocity=flow)
    assert float(peak.frequency) == pytest.approx(f, abs=0.01)
    assert float(peak.plasma_frequency) == pytest.approx(0.045, abs=0.03)
    assert float(peak.plasma_frequency_error) > abs(float(peak.plasma_frequency) - 0.045) - 0.01


def test_it_is_the_formula_spelled_out():
    data = measured([wave([0.01, 0.003, 0])], SEVEN, noise=0.3)
    field = data.b.transpose("spacecraft", "time", "component")
    _, matrices, _, _ = cross_spectra(field, 64, 0.5, STEP, (0.9, 1.2))
    r = SEVEN.isel(time=0).transpose("spacecraft", "component").values
    rng = np.random.default_rng(1)
    k = rng.normal(0, 0.01, (6, 3))
    k[0] = 0
    inverse = loaded_inverse(matrices, 1e-3)
    for constrained in (True, False):
        ours = filtered(inverse, k, r, divergence_free=constrained)
        for row, m in enumerate(matrices):
            whole = m + 1e-3 * np.trace(m).real / len(m) * np.eye(len(m))
            for column, vector in enumerate(k):
                h = np.concatenate([np.exp(1j * vector @ place) * np.eye(3) for place in r])
                if constrained and vector.any():
                    h = h @ np.linalg.svd(vector[None])[2][1:].T
                expected = np.trace(np.linalg.inv(h.conj().T @ np.linalg.inv(whole) @ h)).real
                assert ours[row, column] == pytest.approx(expected, rel=1e-8)


def test_the_cross_spectra_are_those_of_scipy():
    from scipy.signal import csd

    data = measured([wave([0.01, 0.003, 0])], noise=0.3)
    _, matrices, frequency, _ = cross_spectra(data.b, 128, 0.5, STEP, None)
    flat = data.b.transpose("time", "spacecraft", "component").values.reshape(SIZE, -1)
    for i, j in ((0, 0), (1, 4), (7, 2)):
        f, expected = csd(flat[:, i], flat[:, j], fs=1 / STEP, window="hann", nperseg=128, detrend="constant")
        assert frequency == pytest.approx(f[1:-1])
        np.testing.assert_allclose(matrices[:, i, j], expected[1:-1], rtol=1e-7, atol=1e-12)


def test_without_the_constraint_a_field_along_k_is_seen_and_with_it_is_not():
    b = xr.zeros_like(FOUR)
    seconds = STEP * np.arange(SIZE)
    x = FOUR.isel(time=0).sel(component="x").values
    b[:, :, 0] = np.cos(0.01 * x[:, None] - 2 * np.pi * seconds)
    b = (b + 0.1 * np.random.default_rng(1).normal(size=b.shape)).assign_attrs(units="mV/m", frame="GSE")
    options = {"segment": 200, "band": (0.95, 1.05), "largest": 0.02, "points": 9}
    free = plasma.wave_vector_power(b, FOUR, divergence_free=False, **options).sel(frequency=1.0)
    bound = plasma.wave_vector_power(b, FOUR, **options).sel(frequency=1.0)
    place = {"kx": 0.01, "ky": 0.0, "kz": 0.0}
    assert float(free.power.sel(place, method="nearest")) > 0.5 * float(free.total_power)
    assert float(bound.power.sel(place, method="nearest")) < 0.05 * float(free.total_power)
    assert "mV" in free.power.attrs["units"]


def test_four_points_give_a_wave_and_its_alias_the_same_power():
    limit = plasma.wave_number_limit(FOUR)
    k = np.array([0.01, 0.005, -0.004])
    shifted = xr.DataArray(
        [k, *(k + limit.aliases.values), k + limit.aliases.values[0] - 2 * limit.aliases.values[2]],
        dims=("wave", "component"),
        attrs={"units": "rad km-1"},
    )
    four, seven = (
        plasma.wave_vector_power(
            measured([wave(k)], formation).b, formation, segment=200, band=(0.95, 1.05), divergence_free=False,
            wave_vectors=shifted,
        ).power.sel(frequency=1.0)
        for formation in (FOUR, plasma.constellation(still(), kind="plasma_observatory", scale=100, outer_scale=333))
    )  # fmt: skip
    assert four.values == pytest.approx(np.full(5, float(four[0])), rel=1e-6)
    assert (seven[1:] < 0.2 * seven[0]).all()


def test_a_wave_beyond_the_limit_shows_up_as_its_alias():
    limit = plasma.wave_number_limit(FOUR)
    shift = limit.aliases.values[0]
    k = np.array([0.006, 0.004, 0.002])
    polarization = np.cross(k, shift)
    outside = measured([wave(k + shift, polarization=polarization)])
    assert found(outside).k.values == pytest.approx(k, abs=5e-4)


def test_the_limit_of_a_regular_tetrahedron_is_that_of_its_height():
    # shortest reciprocal vector: one over the height, d sqrt(2/3)
    assert float(plasma.wave_number_limit(FOUR).limit) == pytest.approx(np.pi / (100 * np.sqrt(2 / 3)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_no_combination_of_aliases_is_shorter_than_the_first(seed):
    basis = np.random.default_rng(seed).normal(size=(3, 3)) * [1, 5, 30]
    short = _shortest(basis)
    assert abs(np.linalg.det(short)) == pytest.approx(abs(np.linalg.det(basis)))
    many = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(many[np.any(many, axis=1)] @ short, axis=1)
    assert lengths.min() == pytest.approx(np.linalg.norm(short[0]))


def test_seven_points_are_at_least_as_good_as_their_best_four():
    limit = plasma.wave_number_limit(SEVEN)
    assert float(limit.limit) == pytest.approx(np.pi / (100 * np.sqrt(2 / 3)))
    assert limit.separation.values == pytest.approx([100, 400])
    assert set(limit.tetrahedron.values) == {"mother", "inner_1", "inner_2", "inner_3"}


@pytest.mark.slow
def test_results_keep_the_contract_and_stay_synthetic():
    data = measured([wave([0.01, 0, 0])])
    spectrum = check(plasma.wave_vector_power(data.b, data.position, segment=128, largest=0.02, points=5))
    result = check(plasma.dispersion(spectrum))
    assert spectrum.attrs["synthetic"] == result.attrs["synthetic"] == "true" == spectrum.power.attrs["synthetic"]
    assert spectrum.power.dims == ("frequency", "kx", "ky", "kz")
    assert result.k.attrs["frame"] == "GSE"
    check(plasma.wave_number_limit(SEVEN))


@pytest.mark.slow
def test_units_frames_and_orders_do_not_matter():
    data = measured([wave([0.01, 0.004, 0])])
    plain = found(data).k.values
    tesla = data.b.copy(data=data.b.values * 1e-9).assign_attrs(data.b.attrs, units="T")
    metres = data.position.copy(data=data.position.values * 1e3).assign_attrs(data.position.attrs, units="m")
    other = xr.Dataset({"b": tesla.transpose("component", "time", "spacecraft"), "position": metres})
    np.testing.assert_allclose(found(other).k.values, plain, rtol=1e-9)
    turned = xr.Dataset({"b": data.b.isel(component=[2, 0, 1]), "position": data.position.isel(component=[2, 0, 1])})
    np.testing.assert_allclose(found(turned).k.sel(component=["x", "y", "z"]).values, plain, rtol=1e-9)
    mixed = xr.Dataset({"b": data.b.isel(component=[2, 0, 1]).transpose(*data.b.dims)})
    mixed_result = plasma.wave_vector_power(mixed.b, data.position, segment=200, band=(0.95, 1.05), points=5)
    np.testing.assert_allclose(
        mixed_result.power,
        plasma.wave_vector_power(data.b, data.position, segment=200, band=(0.95, 1.05), points=5).power,
    )
    single = data.astype("float32")
    np.testing.assert_allclose(found(single.assign(position=data.position)).k.values, plain, atol=1e-5)
    lazy = data.chunk(time=1000)
    np.testing.assert_allclose(found(lazy).k.values, plain, rtol=1e-9)


@pytest.mark.slow
def test_a_formation_that_flies_along_is_the_same_formation():
    path = plasma.straight_path(still().time, velocity=(3, -2, 1), through=(1e5, 2e4, 0))
    moving = plasma.constellation(path, scale=100)
    data = measured([wave([0.01, 0.004, 0])])
    np.testing.assert_allclose(
        found(xr.Dataset({"b": data.b, "position": moving})).k.values, found(data).k.values, rtol=1e-6
    )


def test_positions_farther_apart_than_the_interval_lasts_are_interpolated():
    data = measured([wave([0.01, 0.004, 0])])
    ends = data.time.values[[0, -1]] + np.array([-600, 600], "timedelta64[s]")
    sparse = data.position.isel(time=[0, -1]).assign_coords(time=ends)
    np.testing.assert_allclose(
        found(xr.Dataset({"b": data.b}).assign(position=data.position)).k.values,
        plasma.dispersion(
            plasma.wave_vector_power(data.b, sparse, segment=200, band=(0.94, 1.06), largest=0.03, points=13)
        )
        .sel(frequency=1, method="nearest")
        .k.values,
    )


@pytest.mark.slow
def test_segments_with_a_gap_are_left_out_and_counted():
    data = measured([wave([0.01, 0.004, 0])])
    holed = data.copy(deep=True)
    holed.b[2, 1000:1010] = np.nan
    spectrum = plasma.wave_vector_power(holed.b, holed.position, segment=200, band=(0.95, 1.05), points=5)
    assert spectrum.attrs["segments_left_out"] in (2, 3)
    assert found(holed).k.values == pytest.approx([0.01, 0.004, 0], abs=3e-4)


@pytest.mark.slow
def test_silence_has_no_wave():
    silent = (0 * measured([wave([0.01, 0, 0])]).b).assign_attrs(units="nT", frame="GSE")
    spectrum = check(plasma.wave_vector_power(silent, FOUR, segment=200, points=5))
    assert np.isnan(spectrum.power).all() and np.isnan(plasma.dispersion(spectrum).k).all()


def test_a_wave_beyond_the_grid_is_marked():
    data = measured([wave([0.02, 0.0, 0])])
    assert bool(found(data, largest=0.01).at_edge) and not bool(found(data, largest=0.03).at_edge)


def test_directions_and_wave_numbers_may_be_given():
    angle = xr.DataArray(np.radians(np.arange(0, 360, 10)), dims="direction")
    number = xr.DataArray([0.005, 0.01, 0.015], dims="number")
    k = xr.concat([number * np.cos(angle), number * np.sin(angle), 0 * number * angle], "component")
    data = measured([wave(0.01 * np.array([np.cos(np.pi / 3), np.sin(np.pi / 3), 0]))])
    spectrum = plasma.wave_vector_power(
        data.b, data.position, segment=200, band=(0.95, 1.05), wave_vectors=k.assign_attrs(units="rad km-1")
    )
    assert set(spectrum.power.dims) == {"frequency", "direction", "number"}
    best = spectrum.power.sel(frequency=1.0).argmax(...)
    assert (int(best["direction"]), int(best["number"])) == (6, 1)
    with pytest.raises(WrongData, match="grid"):
        plasma.dispersion(spectrum)


DATA = measured([wave([0.01, 0, 0])])


@pytest.mark.slow
@pytest.mark.parametrize(
    "error, says, b, position",
    [
        (WrongData, "spacecraft", DATA.b.isel(spacecraft=slice(3)), DATA.position.isel(spacecraft=slice(3))),
        (WrongData, "plane", DATA.b, DATA.position * xr.DataArray([1, 1, 0], dims="component")),
        (WrongData, "same spacecraft", DATA.b, DATA.position.isel(spacecraft=[1, 0, 2, 3])),
        (WrongData, "same spacecraft", DATA.b, DATA.position.isel(spacecraft=[0, 1, 2])),
        (WrongData, "are needed", DATA.b.isel(spacecraft=0), DATA.position),
        (WrongData, "plane", DATA.b, 0 * DATA.position),
        (WrongData, "real numbers", DATA.b.astype(complex), DATA.position),
        (
            OutsideCoverage,
            "position is for 2031",
            DATA.b,
            DATA.position.assign_coords(time=DATA.time + np.timedelta64(365, "D")),
        ),
        (WrongFrame, "GSE", DATA.b.assign_attrs(frame="GSM"), DATA.position),
        (MissingUnits, "units", DATA.b.drop_attrs().assign_attrs(frame="GSE"), DATA.position),
        (WrongUnits, "km", DATA.b, DATA.position.assign_attrs(units="nT", frame="GSE")),
        (WrongData, "not sampled evenly", DATA.b.isel(time=np.r_[:1000, 1100:4000]), DATA.position),
        (WrongData, "do not increase", DATA.b.isel(time=slice(None, None, -1)), DATA.position),
        (BadTime, "less than a segment", DATA.b.isel(time=slice(100)), DATA.position),
        (WrongData, "one sample", DATA.b.isel(time=[0]), DATA.position),
        (BadTime, "holds 0", DATA.b.isel(time=[]), DATA.position),
        (BadTime, "times in UTC", DATA.b.assign_coords(time=np.arange(SIZE)), DATA.position.isel(time=0, drop=True)),
        (WrongData, "segments without gaps", DATA.b.isel(time=slice(800)), DATA.position),
        (WrongData, "holds a NaN", DATA.b.where(DATA.b.component != "x"), DATA.position),
        (WrongData, "NaN", DATA.b, DATA.position.where(DATA.position.spacecraft != "sc2")),
        (WrongData, "moves by", DATA.b, DATA.position * xr.DataArray(np.linspace(1, 2, SIZE), dims="time")),
    ],
)
def test_inputs_that_cannot_be_used_are_refused(error, says, b, position):
    position = position.assign_attrs({"units": "km", "frame": "GSE"} | position.attrs)
    with pytest.raises(error, match=says):
        plasma.wave_vector_power(b, position, segment=200)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"segment": 4},
        {"segment": 10.5},
        {"overlap": 1.0},
        {"overlap": -0.1},
        {"band": (2, 1)},
        {"band": 3},
        {"largest": 0},
        {"points": 2},
        {"points": 9.0},
        {"loading": -1},
        {"loading": np.nan},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(BadOption):
        plasma.wave_vector_power(DATA.b, DATA.position, **options)


def test_a_band_without_a_frequency_is_refused_with_those_there_are():
    with pytest.raises(OutsideCoverage, match="steps of"):
        plasma.wave_vector_power(DATA.b, DATA.position, band=(6, 7))


def test_few_segments_need_a_heavier_load():
    few = DATA.b.isel(time=slice(1000))
    assert found(xr.Dataset({"b": few, "position": DATA.position}), loading=0.02).k.values == pytest.approx(
        [0.01, 0, 0], abs=1e-3
    )


def test_velocities_of_another_kind_are_refused():
    spectrum = plasma.wave_vector_power(DATA.b, DATA.position, segment=200, band=(0.95, 1.05), points=5)
    flow = xr.DataArray([1.0, 0, 0], dims="component", attrs={"units": "km s-1", "frame": "GSE"})
    with pytest.raises(WrongFrame):
        plasma.dispersion(spectrum, velocity=flow.assign_attrs(frame="GSM"))
    with pytest.raises(WrongUnits):
        plasma.dispersion(spectrum, velocity=flow.assign_attrs(units="km"))
    with pytest.raises(WrongData, match="one vector"):
        plasma.dispersion(spectrum, velocity=flow.expand_dims(time=2))
    with pytest.raises(WrongData, match="wave_vector_power"):
        plasma.dispersion(DATA)


def test_components_are_told_by_what_their_labels_hold():
    data = measured([wave([0.01, 0.004, 0])])
    plain = found(data)
    b = data.b.isel(component=[2, 1, 0]).assign_coords(component=["Bz", "By", "Bx"])
    position = data.position.isel(component=[1, 2, 0]).assign_coords(component=["Y", "Z", "X"])
    other = plasma.wave_vector_power(b, position, segment=200, band=(0.95, 1.05), points=5)
    same = plasma.wave_vector_power(data.b, data.position, segment=200, band=(0.95, 1.05), points=5)
    xr.testing.assert_allclose(other.peak_k, same.peak_k)
    assert plain.k.component.values.tolist() == ["x", "y", "z"]
    flow = xr.DataArray([0.0, 0.0, -400.0], {"component": ["Vz", "Vy", "Vx"]}, ["component"])
    flow = flow.assign_attrs(units="km s-1", frame=data.b.attrs["frame"])
    shifted = plasma.dispersion(same, velocity=flow)
    expected = shifted.frequency + 400 * same.peak_k.sel(component="x") / (2 * np.pi)
    np.testing.assert_allclose(shifted.plasma_frequency, expected)


@pytest.mark.parametrize("k", [[0.01, 0, 0], [0, -0.012, 0.01], [-0.02, 0.01, 0.005]])
@pytest.mark.parametrize("points", [5, 9])
def test_a_peak_is_never_beyond_the_limit_where_its_aliases_are(k, points):
    data = measured([wave(k)])
    made = plasma.wave_vector_power(data.b, data.position, segment=128, band=(0.5, 1.5), points=points)
    size = np.linalg.norm(made.peak_k.values, axis=-1)
    assert (size <= float(made.limit) * (1 + 1e-6)).all()
    at = made.peak_k.sel(frequency=1.0, method="nearest").values
    np.testing.assert_allclose(at, k, atol=4e-4)


def test_a_spectrum_in_another_order_moves_with_the_same_flow():
    data = measured([wave([0.01, 0.004, 0])])
    made = plasma.wave_vector_power(data.b, data.position, segment=200, band=(0.95, 1.05), points=5)
    flow = xr.DataArray([-400.0, 0, 0], dims="component", attrs={"units": "km s-1", "frame": data.b.attrs["frame"]})
    turned = plasma.dispersion(made.isel(component=[2, 0, 1]).transpose(...), velocity=flow)
    xr.testing.assert_allclose(turned.plasma_frequency, plasma.dispersion(made, velocity=flow).plasma_frequency)


@pytest.mark.parametrize("word", [None, "no", 1])
def test_whether_a_field_is_free_of_divergence_is_true_or_false(word):
    data = measured([wave([0.01, 0, 0])])
    with pytest.raises(BadOption, match="divergence_free"):
        plasma.wave_vector_power(data.b, data.position, divergence_free=word)

"""Timing of boundaries and lags between spacecraft, against planes that are known."""

import numpy as np
import pytest
import xarray as xr
from formation_fields import GOOD, REGULAR, SEVEN, START, at_spacecraft, few, rotation, seeds, times, vectors
from hypothesis import given
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, OutsideCoverage, WrongData, WrongUnits

pytestmark = pytest.mark.slow  # the examples in the docstrings stay in the quick tier


def plane_crossings(velocity, places):
    speed = np.linalg.norm(velocity)
    return places @ (np.asarray(velocity) / speed**2)


def still(places):
    return vectors(places, "km").isel(time=0, drop=True)


@pytest.mark.parametrize("corners", [REGULAR, SEVEN], ids=["four", "seven"])
@given(seed=seeds, speed=st.floats(1, 2000))
@few
def test_timing_finds_a_plane_boundary_exactly(corners, seed, speed):
    velocity = rotation(seed)[0] * speed
    found = plasma.timing(at_spacecraft(plane_crossings(velocity, 100 * corners)), still(100 * corners))
    np.testing.assert_allclose(found.velocity, velocity, rtol=1e-9, atol=1e-9 * speed)
    np.testing.assert_allclose(found.normal, velocity / speed, atol=1e-9)
    assert found.speed.item() == pytest.approx(speed)
    np.testing.assert_allclose(found.residual, 0, atol=1e-9)


def test_timing_by_dates_and_moving_spacecraft_is_the_same():
    velocity, own = np.array([-60.0, 20, 10]), np.array([3.0, -1, 0.5])
    m = velocity / (velocity @ velocity)
    begin = 100 * SEVEN + [500, 0, 0]
    seconds = (begin @ m + 30) / (1 - own @ m)  # r + u t is on the plane m . r = t - 30
    track = begin[:, None] + own * np.arange(0, 120)[None, :, None]
    dates = START + (seconds * 1e9).round().astype("timedelta64[ns]")
    found = plasma.timing(at_spacecraft(dates).drop_attrs(), vectors(track, "km"))
    np.testing.assert_allclose(found.velocity, velocity, rtol=1e-6)
    centre = (begin + own * seconds[:, None]).mean(axis=0)
    assert abs(found.time_at_barycentre.item() - (START.astype("int64") + (centre @ m + 30) * 1e9)) < 1e3  # ns


def test_cross_correlation_and_timing_find_a_front_within_one_percent():
    velocity = np.array([-300.0, 80, 40])
    places = 500 * SEVEN
    clock = np.arange(0, 60, 0.0625)
    late = plane_crossings(velocity, places)
    bz = 5 * np.tanh((clock - 30 - late[:, None]) / 1.5) + 0.01 * np.random.default_rng(2).normal(size=(7, clock.size))
    series = xr.DataArray(
        bz,
        {"spacecraft": [f"P{n}" for n in range(7)], "time": START + (clock * 1e9).astype("timedelta64[ns]")},
        ["spacecraft", "time"],
        attrs={"units": "nT"},
    )
    lags = plasma.time_lags(series, max_lag=10.0, reference="P3")
    assert lags.lag.sel(spacecraft="P3").item() == pytest.approx(0, abs=1e-9)
    assert float(lags.correlation.min()) > 0.99
    found = plasma.timing(lags.lag, still(places))
    assert found.speed.item() == pytest.approx(np.linalg.norm(velocity), rel=0.01)
    np.testing.assert_allclose(found.velocity, velocity, rtol=0.02)
    assert found.speed_error.item() < 0.01 * found.speed.item()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("corners", "sigma_t", "sigma_r"),
    [(REGULAR, None, 2.0), (SEVEN, 0.02, None), (SEVEN, 0.02, 2.0)],
    ids=["four", "seven", "seven, both"],
)
def test_errors_of_timing_are_the_scatter_of_noisy_crossings(corners, sigma_t, sigma_r):
    random, velocity, places = np.random.default_rng(3), np.array([-60.0, 20, 10]), 100 * corners
    clean = plane_crossings(velocity, places)
    speeds, angles, told, chi_squared = [], [], [], []
    normal = velocity / np.linalg.norm(velocity)
    for _ in range(80):
        noisy = clean + random.normal(size=clean.shape) * (sigma_t or 0)
        seen = places + random.normal(size=places.shape) * (sigma_r or 0)
        found = plasma.timing(at_spacecraft(noisy), still(seen), sigma_t=sigma_t, sigma_r=sigma_r)
        speeds.append(found.speed.item())
        angles.append(np.degrees(np.arccos(min(found.normal.values @ normal, 1))))
        told.append([found.speed_error.item(), found.normal_error.item()])
        chi_squared.append(found.get("chi_squared", xr.DataArray(np.nan)).item())
    scatter = np.std(speeds), np.sqrt(np.mean(np.square(angles)))
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(told), axis=0)), scatter, rtol=0.25)
    if len(places) > 4:
        assert np.mean(chi_squared) == pytest.approx(3, rel=0.25)


def test_a_poor_time_counts_little_and_chi_squared_tells_of_a_wrong_one():
    velocity, places = np.array([-60.0, 20, 10]), 100 * SEVEN
    crossings = at_spacecraft(plane_crossings(velocity, places))
    crossings[5] += 3.0
    poor = at_spacecraft(np.where(np.arange(7) == 5, 1e3, 0.01))
    found = plasma.timing(crossings, still(places), sigma_t=poor)
    np.testing.assert_allclose(found.velocity, velocity, rtol=1e-5)
    wrong = plasma.timing(crossings, still(places), sigma_t=0.1)
    assert wrong.chi_squared.item() > 30 and wrong.degrees_of_freedom.item() == 3
    crossings[5] = np.nan
    without = plasma.timing(crossings, still(places))
    np.testing.assert_allclose(without.velocity, velocity, rtol=1e-9)
    assert without.spacecraft_used.item() == 6


def test_four_exact_times_alone_tell_no_error():
    found = plasma.timing(at_spacecraft(plane_crossings([10, 0, 1], REGULAR)), still(REGULAR))
    assert "speed_error" not in found


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3]), still(REGULAR)), WrongData, "not on the same axes"),
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3, np.nan]), still(REGULAR)), WrongData, "needs at least 4"),
        (lambda: plasma.timing(at_spacecraft([2.0] * 4), still(REGULAR)), WrongData, "at once"),
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3, 4]), still(REGULAR * [1, 1, 0])), WrongData, "coplanar"),
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3, 4], "km"), still(REGULAR)), WrongUnits, "crossings"),
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3, 4]).drop_attrs(), still(REGULAR)), MissingUnits, "crossings"),
        (lambda: plasma.timing([1.0, 2, 3, 4], still(REGULAR)), WrongData, "crossings"),
        (lambda: plasma.timing(at_spacecraft(["2030-01-01"] * 4), still(REGULAR)), WrongData, "times are datetime64"),
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3, 4]), GOOD[1]), WrongData, "changes with time"),
        (lambda: plasma.timing(at_spacecraft(times(4) + 10**12), GOOD[1]), OutsideCoverage, "inside the positions"),
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3, 5]), still(REGULAR), sigma_t=0), BadOption, "sigma_t"),
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3, 5]), still(REGULAR), sigma_r=-1), BadOption, "sigma_r"),
        (lambda: plasma.timing(at_spacecraft([1.0, 2, 3, 5]), None), WrongData, "position is missing"),
    ],
)
def test_timing_refuses_what_tells_no_velocity(call, error, named):
    with pytest.raises(error, match=named):
        call()


def waves(count=4):
    clock = np.arange(100.0)
    return xr.DataArray(
        np.sin((clock - np.arange(count)[:, None]) / 5) + clock / 50,
        {"spacecraft": [f"P{n}" for n in range(count)], "time": times(100)},
        ["spacecraft", "time"],
        name="bz",
        attrs={"units": "nT"},
    )


@pytest.mark.parametrize(
    ("change", "options", "error", "named"),
    [
        (lambda s: s.where(s.time != s.time[3]), {"max_lag": 5}, WrongData, "missing"),
        (lambda s: s.isel(time=[0, 1, 3, 9]), {"max_lag": 1}, WrongData, "equal steps"),
        (lambda s: s.isel(time=slice(None, None, -1)), {"max_lag": 5}, WrongData, "out of order"),
        (lambda s: s.isel(spacecraft=0), {"max_lag": 5}, WrongData, "spacecraft"),
        (lambda s: s, {"max_lag": 0.5}, BadOption, "max_lag"),
        (lambda s: s, {"max_lag": 60}, BadOption, "max_lag"),
        (lambda s: s, {"max_lag": 5, "reference": "C9"}, BadOption, "C9"),
        (lambda s: s.drop_attrs(), {"max_lag": 5}, MissingUnits, "bz"),
    ],
)
def test_lags_are_refused_where_they_cannot_be_told(change, options, error, named):
    with pytest.raises(error, match=named):
        plasma.time_lags(change(waves()), **options)


@pytest.mark.parametrize(
    "longest",
    ["5s", 5, np.timedelta64(5, "s"), np.timedelta64(5000, "ms"), xr.DataArray(5000.0, attrs={"units": "ms"})],
)
def test_the_longest_lag_may_be_said_in_several_ways(longest):
    assert plasma.time_lags(waves(), max_lag=longest).identical(plasma.time_lags(waves(), max_lag=5.0))


def test_a_lag_beyond_what_was_looked_at_and_a_constant_have_no_answer():
    series = waves(8)
    series[1] = 0.1
    lags = plasma.time_lags(series, max_lag=4)
    assert np.isnan(lags.lag).values.tolist() == [False, True, False, False, True, True, True, True]
    np.testing.assert_allclose(lags.lag[[0, 2, 3]], [0, 2, 3], atol=0.1)

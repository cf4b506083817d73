"""Gradients and currents of several spacecraft against fields that are known, for four and for seven."""

from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from formation_fields import (
    GOOD,
    MU0,
    REGULAR,
    SEVEN,
    at_spacecraft,
    few,
    formation,
    linear,
    matrices,
    rotation,
    seeds,
    times,
    vectors,
)
from hypothesis import given

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, OutsideCoverage, WrongData, WrongFrame, WrongUnits
from analysis.model import check


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 5, 7, 9])
@given(slope=matrices, seed=seeds)
@few
def test_a_linear_field_is_recovered_exactly(count, slope, seed):
    places = formation(seed, count)
    field, position = vectors(linear(slope, places), "nT"), vectors(places, "km")
    size = max(np.abs(slope).max(), 1e-3)
    scale = size * 1e5 * 1e-16 * 1e3  # what rounding leaves of a field of 1e5 km times the slope
    np.testing.assert_allclose(plasma.gradient(field, position).values[0], slope, atol=max(1e-10, scale))
    small = vectors(linear(slope, places - places.mean(axis=0)), "nT")
    np.testing.assert_allclose(plasma.gradient(small, position).values[0], slope, atol=1e-10)


@pytest.mark.slow
@given(slope=matrices, seed=seeds)
@few
def test_curl_and_divergence_are_those_of_the_gradient(slope, seed):
    places = formation(seed) - [6e4, -2e4, 1e4]
    result = plasma.curlometer(vectors(linear(slope, places), "nT"), vectors(places, "km")).isel(time=0)
    curl = [slope[2, 1] - slope[1, 2], slope[0, 2] - slope[2, 0], slope[1, 0] - slope[0, 1]]
    np.testing.assert_allclose(result.current_density, np.array(curl) * 1e-3 / MU0, rtol=1e-8, atol=1e-6)
    assert result.div_b.item() == pytest.approx(np.trace(slope), abs=1e-9)
    np.testing.assert_allclose(result.b, linear(slope, places.mean(axis=0)), atol=1e-9)
    np.testing.assert_allclose(result.barycentre, places.mean(axis=0))


def test_a_current_along_z_turns_the_field_from_x_to_y():
    # Ampère: around a current of 1 nA m-2 along z, B = mu0 j / 2 (-y, x, 0)
    slope = MU0 * 1e-9 / 2 * np.array([[0, -1, 0], [1, 0, 0], [0, 0, 0]]) * 1e12  # nT km-1
    result = plasma.curlometer(vectors(linear(slope, REGULAR), "nT"), vectors(REGULAR, "km")).isel(time=0)
    np.testing.assert_allclose(result.current_density, [0, 0, 1], atol=1e-12)
    assert result.div_over_curl.item() == pytest.approx(0, abs=1e-12)


@given(seed=seeds)
@few
def test_four_spacecraft_have_the_reciprocal_vectors_of_chanteur(seed):
    places = formation(seed)
    found = plasma.reciprocal_vectors(vectors(places, "km")).values[:, 0]
    for one in range(4):
        a, b, c = (other for other in range(4) if other != one)
        across = np.cross(places[b] - places[a], places[c] - places[a])
        np.testing.assert_allclose(found[one], across / (across @ (places[one] - places[a])), rtol=1e-7, atol=1e-11)


@pytest.mark.slow
@given(seed=seeds, slope=matrices)
@few
def test_turning_the_frame_turns_vectors_and_leaves_numbers(seed, slope):
    turn, places = rotation(seed), formation(seed, 7) - [6e4, -2e4, 1e4]
    random = np.random.default_rng(seed)
    field = linear(slope, places) + random.normal(size=places.shape)
    before = plasma.curlometer(vectors(field, "nT"), vectors(places, "km"), sigma_b=0.1).isel(time=0)
    after = plasma.curlometer(vectors(field @ turn.T, "nT"), vectors(places @ turn.T, "km"), sigma_b=0.1).isel(time=0)
    for name in ("div_b", "div_over_curl", "elongation", "planarity", "misfit", "current_parallel", "div_b_error"):
        assert after[name].item() == pytest.approx(before[name].item(), rel=1e-6, abs=1e-7)
    for name in ("current_density", "current_perpendicular", "b", "force", "curvature"):
        np.testing.assert_allclose(after[name], turn @ before[name].values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("corners", [REGULAR, SEVEN], ids=["four", "seven"])
def test_the_current_of_a_harris_sheet_is_within_one_percent(corners):
    strength, half = 20.0, 1000.0
    middle = np.zeros((60, 3))
    middle[:, 2] = np.linspace(-2000, 2000, 60)
    places = 10 * corners[:, None] + middle - (10 * corners).mean(axis=0)
    field = np.zeros_like(places)
    field[..., 0] = strength * np.tanh(places[..., 2] / half)
    result = plasma.curlometer(vectors(field, "nT"), vectors(places, "km"))
    exact = strength * 1e-9 / (MU0 * half * 1e3) / np.cosh(middle[:, 2] / half) ** 2 * 1e9
    assert exact.max() == pytest.approx(15.9, abs=0.1)  # nA m-2
    np.testing.assert_allclose(result.current_density.sel(component="y"), exact, rtol=0.01)
    assert float(result.div_over_curl.max()) < 0.01


def test_force_curvature_and_radius_are_those_of_a_circle():
    # field lines around the z axis at 1000 km: they bend towards it
    places = REGULAR * 1.0 + [1000, 0, 0]
    around = np.stack([-places[:, 1], places[:, 0], 0 * places[:, 2]], axis=1)
    field = 30 * around / np.linalg.norm(around, axis=1, keepdims=True)
    result = plasma.curlometer(vectors(field, "nT"), vectors(places, "km")).isel(time=0)
    np.testing.assert_allclose(result.curvature, [-1e-3, 0, 0], atol=1e-6)
    assert result.curvature_radius.item() == pytest.approx(1000, rel=1e-3)
    expected = np.cross(result.current_density.values * 1e-9, result.b.values * 1e-9) * 1e15
    np.testing.assert_allclose(result.force, expected, rtol=1e-9)


def test_a_straight_field_that_grows_along_itself_has_no_curvature():
    slope = np.diag([1.0, -0.5, -0.5])
    result = plasma.curlometer(vectors(linear(slope, REGULAR, [50, 0, 0]), "nT"), vectors(REGULAR, "km"))
    np.testing.assert_allclose(result.curvature, 0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("corners", [REGULAR, SEVEN], ids=["four", "seven"])
@pytest.mark.parametrize(("sigma_b", "sigma_r"), [(0.05, 0.0), (0.0, 0.5), (0.05, 0.5)])
def test_errors_are_the_scatter_of_noisy_measurements(corners, sigma_b, sigma_r):
    random, count = np.random.default_rng(5), 20000
    slope = np.array([[0.02, 0.1, -0.05], [-0.03, 0.01, 0.08], [0.06, -0.02, -0.03]])
    places = np.broadcast_to((100 * corners * [1, 0.6, 1.2])[:, None], (len(corners), count, 3))
    field = linear(slope, places) + random.normal(size=places.shape) * sigma_b
    seen = places + random.normal(size=places.shape) * sigma_r
    result = plasma.curlometer(vectors(field, "nT"), vectors(seen, "km"), sigma_b=sigma_b, sigma_r=sigma_r)
    scatter = result.current_density.std("time")
    np.testing.assert_allclose(result.current_density_error.mean("time"), scatter, rtol=0.03)
    assert result.div_b_error.mean().item() == pytest.approx(result.div_b.std().item(), rel=0.03)


@pytest.mark.slow
def test_seven_spacecraft_measure_the_current_better_than_four_of_them():
    random = np.random.default_rng(6)
    places = np.broadcast_to(100 * SEVEN[:, None], (7, 2000, 3))
    slope = np.array([[0.02, 0.1, -0.05], [-0.03, 0.01, 0.08], [0.06, -0.02, -0.03]])
    field = vectors(linear(slope, places) + random.normal(size=places.shape) * 0.1, "nT")
    position = vectors(places, "km")
    exact = plasma.curlometer(vectors(linear(slope, places), "nT"), position).current_density
    off = abs(plasma.curlometer(field, position).current_density - exact).mean().item()
    q = plasma.tetrahedron_quality(position).q_g.isel(time=0)
    for four in combinations(range(7), 4):
        if q.sel(tetrahedron="-".join(f"P{n}" for n in four)) < 2.2:  # nearly coplanar
            continue
        part = plasma.curlometer(field.isel(spacecraft=list(four)), position.isel(spacecraft=list(four)))
        assert off < abs(part.current_density - exact).mean().item()


def test_misfit_is_the_noise_and_only_there_with_more_than_four():
    random = np.random.default_rng(7)
    places = np.broadcast_to(100 * SEVEN[:, None], (7, 5000, 3))
    field = vectors(random.normal(size=places.shape) * 0.1, "nT")
    result = plasma.curlometer(field, vectors(places, "km"))
    assert float(np.sqrt((result.misfit**2).mean())) == pytest.approx(0.1, rel=0.02)
    first = {"spacecraft": slice(0, 4)}
    assert plasma.curlometer(field.isel(first), vectors(places, "km").isel(first)).misfit.isnull().all()


@pytest.mark.slow
@pytest.mark.parametrize("gap", [np.nan, np.inf, -1e31])
def test_a_spacecraft_without_a_value_is_left_out_and_three_are_too_few(gap):
    random = np.random.default_rng(8)
    places = np.broadcast_to(100 * SEVEN[:, None], (7, 3, 3))
    field, position = vectors(random.normal(size=places.shape), "nT"), vectors(places, "km")
    field[5, 1, 2] = gap
    field[:4, 2, 0] = gap
    result = plasma.curlometer(field, position)
    assert result.spacecraft_used.values.tolist() == [7, 6, 3]
    six = {"spacecraft": [0, 1, 2, 3, 4, 6]}
    by_six = plasma.curlometer(field.isel(six), position.isel(six))
    np.testing.assert_allclose(result.current_density[1], by_six.current_density[1], rtol=1e-12)
    assert result.drop_vars("spacecraft_used").isel(time=2).to_dataarray().isnull().all()
    assert np.isfinite(plasma.gradient(field, position)[:2]).all()


def test_a_flat_formation_gives_nothing_at_its_times_and_is_refused_if_it_is_always():
    flat = REGULAR * [1, 1, 0]
    places = vectors(np.stack([REGULAR, flat], axis=1), "km")
    field = vectors(np.ones((4, 2, 3)), "nT")
    assert plasma.curlometer(field, places).div_b.isnull().values.tolist() == [False, True]
    for call in (
        lambda: plasma.curlometer(field.isel(time=[1]), places.isel(time=[1])),
        lambda: plasma.gradient(field.isel(time=[1]), places.isel(time=[1])),
        lambda: plasma.reciprocal_vectors(places.isel(time=[1])),
    ):
        with pytest.raises(WrongData, match="coplanar"):
            call()


def test_the_limit_of_thinness_can_be_moved():
    thin = vectors(REGULAR * [1, 1, 1e-2], "km")
    field = vectors(np.ones((4, 3)), "nT")
    assert plasma.curlometer(field, thin).div_b.notnull().all()
    with pytest.raises(WrongData, match="coplanar"):
        plasma.curlometer(field, thin, thinnest=0.05)


def test_units_and_the_order_of_components_make_no_difference():
    random = np.random.default_rng(9)
    field, position = (
        vectors(random.normal(size=(4, 2, 3)), "nT"),
        vectors(formation(1)[:, None] + np.zeros((4, 2, 3)), "km"),
    )
    usual = plasma.curlometer(field, position, sigma_b=0.1)
    others = (
        (field / 1e9).assign_attrs(field.attrs, units="T"),
        (position / 6378.1).assign_attrs(position.attrs, units="R_earth"),
    )
    tesla = xr.DataArray(0.1e-9, attrs={"units": "T"})
    xr.testing.assert_allclose(plasma.curlometer(*others, sigma_b=tesla), usual)
    turned = {"component": ["z", "x", "y"]}
    xr.testing.assert_allclose(plasma.curlometer(field.sel(turned), position.sel(turned), sigma_b=0.1), usual)
    xr.testing.assert_allclose(
        plasma.curlometer(field.transpose("component", ...), position.transpose("time", ...), sigma_b=0.1), usual
    )


def test_other_frames_keep_the_names_of_their_components():
    names = {"component": ["R", "T", "N"]}
    field, position = (one.assign_coords(names).assign_attrs(frame="RTN") for one in GOOD)
    n = field.isel(component=0, drop=True)
    for made in (
        plasma.curlometer(field, position).force,
        plasma.gradient(n, position),
        plasma.gradient(field, position),
        plasma.reciprocal_vectors(position),
        plasma.magnetic_nulls(field, position).offset,
        plasma.formation_shape(position).planarity_normal,
        plasma.timing(at_spacecraft([1.0, 2, 3, 5]), position.isel(time=0, drop=True)).normal,
    ):
        assert made.component.values.tolist() == ["R", "T", "N"]
        assert made.attrs["frame"] == "RTN"


@pytest.mark.slow
def test_flags_of_the_field_are_those_of_the_current_and_not_of_the_formation():
    says = {"flag_values": [0, 1], "flag_meanings": "bad good", "units": "1", "long_name": "Quality"}
    flags = xr.DataArray([[1, 1, 1], [1, 0, 1], [1, 1, 1], [1, 1, 1]], dims=["spacecraft", "time"], attrs=says)
    field = GOOD[0].rename("b").assign_coords(b_quality=flags)
    result = check(plasma.curlometer(field, GOOD[1]))
    assert result.current_density.current_density_quality.values.tolist() == [1, 0, 1]
    assert "elongation_quality" not in result.coords


def test_positions_that_stay_may_come_without_time():
    random = np.random.default_rng(10)
    field, places = (
        vectors(random.normal(size=(4, 5, 3)), "nT"),
        vectors(np.broadcast_to(REGULAR[:, None], (4, 5, 3)), "km"),
    )
    still = plasma.curlometer(field, places.isel(time=0, drop=True))
    xr.testing.assert_allclose(still, plasma.curlometer(field, places))


@pytest.mark.parametrize(
    ("units", "per_km"),
    [("km/s", "s-1"), ("cm-3", "cm-3/km"), ("1", "1/km"), ("#/cc", "cm-3/km"), ("nPa", "nPa/km")],
)
def test_the_unit_of_a_gradient_is_that_of_the_field_per_kilometre(units, per_km):
    from astropy.units import Unit

    field = GOOD[0].isel(component=0, drop=True).assign_attrs(units=units)
    assert Unit(plasma.gradient(field, GOOD[1]).attrs["units"]).to(Unit(per_km)) == pytest.approx(1)


def test_the_gradient_of_a_density_is_a_vector_and_of_a_velocity_a_tensor():
    places = vectors(REGULAR, "km")
    n = 3 + places.sel(component="x", drop=True) - 2 * places.sel(component="z", drop=True)
    slope = plasma.gradient(n.rename("density").assign_attrs(units="#/cc"), places)
    np.testing.assert_allclose(slope[0], [1, 0, -2], atol=1e-12)
    assert (slope.name, slope.attrs["units"], slope.attrs["frame"]) == ("density_gradient", "cm-3 km-1", "GSE")
    tensor = plasma.gradient(places.rename("v").assign_attrs(units="km s-1"), places)
    assert tensor.dims == ("time", "component", "gradient")
    np.testing.assert_allclose(tensor[0], np.eye(3), atol=1e-12)
    check(slope)
    check(tensor)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (lambda b, r: (b.isel(spacecraft=[0, 1, 2]), r.isel(spacecraft=[0, 1, 2])), WrongData, "at least 4"),
        (lambda b, r: (b, r.isel(spacecraft=[0, 1, 2])), WrongData, "at least 4"),
        (lambda b, r: (b, r.assign_coords(time=times(3) + 1)), WrongData, "not on the same axes"),
        (lambda b, r: (b, r.assign_coords(spacecraft=list("ABCD"))), WrongData, "not on the same axes"),
        (lambda b, r: (b, r.assign_attrs(frame="GSM")), WrongFrame, "b is in GSE, position in GSM"),
        (lambda b, r: (b.drop_attrs().assign_attrs(units="nT"), r), WrongFrame, "does not say its frame"),
        (lambda b, r: (b.isel(time=[1, 0, 2]), r.isel(time=[1, 0, 2])), WrongData, "out of order"),
        (lambda b, r: (b.isel(time=[0, 0, 2]), r.isel(time=[0, 0, 2])), WrongData, "out of order"),
        (lambda b, r: (b.assign_coords(time=[1, 2, 3]), r.assign_coords(time=[1, 2, 3])), WrongData, "datetime64"),
        (lambda b, r: (b, None), WrongData, "position is missing"),
        (lambda b, r: (b.values, r), WrongData, "b is a ndarray"),
        (lambda b, r: ((b * 1j).assign_attrs(b.attrs), r), WrongData, "b holds complex128"),
        (lambda b, r: (b, r.isel(component=[0, 1])), WrongData, "dim 'component' of size 3"),
        (lambda b, r: (b.isel(spacecraft=0), r), WrongData, "dim 'spacecraft'"),
        (lambda b, r: (b, r.assign_attrs(units="nT")), WrongUnits, "position is in 'nT'"),
        (lambda b, r: (b.assign_attrs(units="km"), r), WrongUnits, "b is in 'km'"),
        (lambda b, r: (b, r.drop_attrs()), MissingUnits, "position has no"),
        (lambda b, r: (b.isel(time=[]), r.isel(time=[])), OutsideCoverage, "no record"),
        (lambda b, r: (b.assign_coords(spacecraft=list("AABC")), r), WrongData, "two spacecraft of one name"),
        (lambda b, r: (b, r.assign_coords(component=["r", "t", "n"])), WrongData, "not on the same axes"),
    ],
)
def test_input_that_makes_no_formation_is_refused_by_name(change, error, named):
    b, r = change(*(one.copy() for one in GOOD))
    for call in (plasma.curlometer, plasma.magnetic_nulls, plasma.poincare_index):
        with pytest.raises(error, match=named):
            call(b, r)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"sigma_b": -1}, BadOption),
        ({"sigma_r": np.nan}, BadOption),
        ({"sigma_b": "0.1"}, BadOption),
        ({"sigma_b": xr.DataArray(1.0, attrs={"units": "km"})}, WrongUnits),
        ({"thinnest": 0}, BadOption),
        ({"thinnest": 2}, BadOption),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error):
    with pytest.raises(error, match=next(iter(options))):
        plasma.curlometer(*GOOD, **options)


def test_a_scalar_without_spacecraft_or_on_other_times_is_refused():
    n = GOOD[0].isel(component=0, drop=True)
    with pytest.raises(WrongData, match="spacecraft"):
        plasma.gradient(n.isel(spacecraft=0, drop=True), GOOD[1])
    with pytest.raises(WrongData, match="not on the same axes"):
        plasma.gradient(n.assign_coords(time=times(3) + 1), GOOD[1])


@pytest.mark.slow
def test_lazy_arrays_give_the_same_numbers_and_stay_lazy_until_asked():
    random = np.random.default_rng(11)
    field = vectors(random.normal(size=(7, 40, 3)), "nT")
    position = vectors(np.broadcast_to(100 * SEVEN[:, None], (7, 40, 3)), "km")
    lazy = field.chunk(time=10, spacecraft=2), position.chunk(time=10)
    for call in (
        lambda b, r: plasma.curlometer(b, r, sigma_b=0.1),
        plasma.magnetic_nulls,
        lambda b, r: plasma.gradient(b, r).to_dataset(),
        lambda b, r: plasma.poincare_index(b, r).to_dataset(),
        lambda b, r: plasma.reciprocal_vectors(r).to_dataset(),
        lambda b, r: plasma.formation_shape(r),
        lambda b, r: plasma.tetrahedron_quality(r),
    ):
        later = call(*lazy)
        assert all(one.chunks is not None for one in later.data_vars.values())
        xr.testing.assert_allclose(later.compute(), call(field, position))


def test_single_precision_gives_the_same_within_its_rounding():
    places = REGULAR * 100
    slope = np.array([[0.02, 0.1, -0.05], [-0.03, 0.01, 0.08], [0.06, -0.02, -0.03]])
    field, position = vectors(linear(slope, places), "nT"), vectors(places, "km")
    single = plasma.curlometer(field.astype("f4"), position.astype("f4"))
    assert single.current_density.dtype == np.float64
    np.testing.assert_allclose(single.current_density, plasma.curlometer(field, position).current_density, rtol=1e-4)


@pytest.mark.slow
def test_results_keep_the_data_contract_and_say_that_they_are_synthetic():
    random = np.random.default_rng(12)
    field = vectors(random.normal(size=(7, 4, 3)), "nT", synthetic="true")
    position = vectors(np.broadcast_to(SEVEN[:, None], (7, 4, 3)), "km")
    crossings = xr.DataArray(times(7), {"spacecraft": position.spacecraft}, attrs={"synthetic": "true"})
    bx = field.isel(component=0, drop=True).isel(time=[0, 1, 2])
    results = {
        "curlometer": plasma.curlometer(field, position, sigma_b=0.1, sigma_r=0.1),
        "nulls": plasma.magnetic_nulls(field, position),
        "timing": plasma.timing(crossings, position.isel(time=0, drop=True), sigma_t=0.1),
        "lags": plasma.time_lags(bx, max_lag=1.0),
    }
    for result in results.values():
        check(result)
        assert result.attrs["synthetic"] == "true"
    for result in (plasma.formation_shape(position), plasma.tetrahedron_quality(position)):
        check(result)
        assert "synthetic" not in result.attrs
    check(plasma.poincare_index(field, position))
    check(plasma.reciprocal_vectors(position))
    assert results["curlometer"].current_density.attrs["frame"] == "GSE"

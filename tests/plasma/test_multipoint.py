"""Multi-spacecraft analysis against fields that are known, for four and for seven spacecraft."""

from itertools import combinations, permutations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import (
    AnalysisWarning,
    BadOption,
    MissingUnits,
    OutsideCoverage,
    UnknownVariable,
    WrongData,
    WrongFrame,
    WrongUnits,
)
from analysis.model import check

START = np.datetime64("2030-01-01", "ns")
REGULAR = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 2**1.5  # side 1
# Two regular tetrahedra that share a corner, as Plasma Observatory's seven spacecraft are planned to fly
SEVEN = np.concatenate([REGULAR, 4 * REGULAR[1:] - 3 * REGULAR[0]])
MU0 = 4e-7 * np.pi
numbers = st.floats(-10, 10)
matrices = st.lists(numbers, min_size=9, max_size=9).map(lambda one: np.array(one).reshape(3, 3))
seeds = st.integers(0, 2**31)
few = settings(max_examples=8, deadline=None)


def times(count):
    return START + np.arange(count) * np.timedelta64(1, "s")


def vectors(values, units, frame="GSE", **attrs):
    """Return an array by spacecraft, time and component."""
    values = np.asarray(values, float)
    if values.ndim == 2:
        values = values[:, None]
    coords = {"spacecraft": [f"P{n}" for n in range(len(values))], "time": times(values.shape[1])}
    coords["spacecraft"] = ("spacecraft", coords["spacecraft"], {"long_name": "Spacecraft"})
    coords["time"] = ("time", coords["time"], {"long_name": "Time"})
    coords["component"] = ("component", ["x", "y", "z"], {"long_name": "Component"})
    attrs = {"units": units, "frame": frame, "long_name": "test"} | attrs
    return xr.DataArray(values, coords, ["spacecraft", "time", "component"], attrs=attrs)


def linear(slope, places, at=(5.0, -3.0, 2.0)):
    return np.asarray(at) + np.asarray(places) @ np.asarray(slope).T


def formation(seed, count=4, size=100.0):
    """Return a formation that is not nearly flat, far from the origin."""
    random = np.random.default_rng(seed)
    corners = REGULAR if count == 4 else np.concatenate([REGULAR, random.uniform(-1, 1, (count - 4, 3))])
    return size * (corners + random.uniform(-0.1, 0.1, (count, 3))) + [6e4, -2e4, 1e4]


def rotation(seed):
    from scipy.spatial.transform import Rotation

    return Rotation.random(random_state=seed).as_matrix()


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
    assert result.quality.item() == pytest.approx(0, abs=1e-12)


@given(seed=seeds)
@few
def test_four_spacecraft_have_the_reciprocal_vectors_of_chanteur(seed):
    places = formation(seed)
    found = plasma.reciprocal_vectors(vectors(places, "km")).values[:, 0]
    for one in range(4):
        a, b, c = (other for other in range(4) if other != one)
        across = np.cross(places[b] - places[a], places[c] - places[a])
        np.testing.assert_allclose(found[one], across / (across @ (places[one] - places[a])), rtol=1e-7, atol=1e-11)


@given(seed=seeds, slope=matrices)
@few
def test_turning_the_frame_turns_vectors_and_leaves_numbers(seed, slope):
    turn, places = rotation(seed), formation(seed, 7) - [6e4, -2e4, 1e4]
    random = np.random.default_rng(seed)
    field = linear(slope, places) + random.normal(size=places.shape)
    before = plasma.curlometer(vectors(field, "nT"), vectors(places, "km"), sigma_b=0.1).isel(time=0)
    after = plasma.curlometer(vectors(field @ turn.T, "nT"), vectors(places @ turn.T, "km"), sigma_b=0.1).isel(time=0)
    for name in ("div_b", "quality", "elongation", "planarity", "misfit", "current_parallel", "div_b_error"):
        assert after[name].item() == pytest.approx(before[name].item(), rel=1e-6, abs=1e-7)
    for name in ("current_density", "current_perpendicular", "b", "force", "curvature"):
        np.testing.assert_allclose(after[name], turn @ before[name].values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("corners", [REGULAR, SEVEN], ids=["four", "seven"])
def test_the_current_of_a_harris_sheet_is_within_one_percent(corners):
    strength, half = 20.0, 1000.0
    middle = np.zeros((60, 3))
    middle[:, 2] = np.linspace(-2000, 2000, 60)
    places = 15 * corners[:, None] + middle - (15 * corners).mean(axis=0)
    field = np.zeros_like(places)
    field[..., 0] = strength * np.tanh(places[..., 2] / half)
    result = plasma.curlometer(vectors(field, "nT"), vectors(places, "km"))
    exact = strength * 1e-9 / (MU0 * half * 1e3) / np.cosh(middle[:, 2] / half) ** 2 * 1e9
    assert exact.max() == pytest.approx(15.9, abs=0.1)  # nA m-2
    np.testing.assert_allclose(result.current_density.sel(component="y"), exact, rtol=0.01)
    assert float(result.quality.max()) < 0.01


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


def test_positions_that_stay_may_come_without_time():
    random = np.random.default_rng(10)
    field, places = (
        vectors(random.normal(size=(4, 5, 3)), "nT"),
        vectors(np.broadcast_to(REGULAR[:, None], (4, 5, 3)), "km"),
    )
    still = plasma.curlometer(field, places.isel(time=0, drop=True))
    xr.testing.assert_allclose(still, plasma.curlometer(field, places))


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


GOOD = vectors(np.ones((4, 3, 3)), "nT"), vectors(np.broadcast_to(REGULAR[:, None], (4, 3, 3)), "km")


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


def test_a_regular_tetrahedron_is_the_best_there_is():
    turned = 40 * REGULAR @ rotation(3).T + [1e4, 2e4, 3e4]
    shape = plasma.formation_shape(vectors(turned, "km")).isel(time=0)
    assert shape.characteristic_size.item() == pytest.approx(40 / 2**0.5, rel=1e-9)
    assert shape.elongation.item() == pytest.approx(0, abs=1e-9)
    assert shape.planarity.item() == pytest.approx(0, abs=1e-9)
    quality = plasma.tetrahedron_quality(vectors(turned, "km")).isel(time=0, tetrahedron=0)
    assert quality.separation.item() == pytest.approx(40)
    assert quality.volume.item() == pytest.approx(40**3 / (6 * 2**0.5))
    assert quality.q_g.item() == pytest.approx(3)
    assert quality.q_r.item() == pytest.approx(1)


def test_a_line_a_plane_and_a_pencil_have_the_qualities_that_daly_lists():
    line = vectors(np.outer([0, 1, 2, 5], [1, 1, 0]), "km")
    quality = plasma.tetrahedron_quality(line).isel(time=0, tetrahedron=0)
    assert quality.q_g.item() == pytest.approx(1, abs=1e-6)
    assert quality.q_r.item() == 0
    shape = plasma.formation_shape(line).isel(time=0)
    assert shape.elongation.item() == pytest.approx(1)
    assert np.isnan(shape.planarity)
    np.testing.assert_allclose(abs(shape.elongation_direction), [0.5**0.5, 0.5**0.5, 0], atol=1e-9)
    triangle = vectors([[1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0], [0.1, 0, 0]], "km")
    flat = plasma.formation_shape(triangle).isel(time=0)
    assert flat.planarity.item() == 1
    np.testing.assert_allclose(flat.planarity_normal, [0, 0, 1], atol=1e-12)
    assert 1.5 < plasma.tetrahedron_quality(triangle).q_g.item() < 2.1


def test_the_circumscribed_sphere_is_right_for_corners_of_a_box():
    # three edges a, b, c at right angles: volume abc/6, the sphere's diameter is the diagonal of the box
    a, b, c = 3.0, 4.0, 5.0
    quality = plasma.tetrahedron_quality(vectors([[0, 0, 0], [a, 0, 0], [0, b, 0], [0, 0, c]], "km"))
    sphere = 4 / 3 * np.pi * ((a**2 + b**2 + c**2) ** 0.5 / 2) ** 3
    assert quality.volume.item() == pytest.approx(a * b * c / 6)
    assert quality.q_r.item() == pytest.approx((9 * np.pi / (2 * 3**0.5) * (a * b * c / 6) / sphere) ** (1 / 3))


def test_seven_spacecraft_make_35_tetrahedra_two_of_them_regular_at_two_scales():
    quality = plasma.tetrahedron_quality(vectors(50 * SEVEN, "km")).isel(time=0)
    assert quality.sizes["tetrahedron"] == 35
    regular = quality.where(quality.q_g > 2.999, drop=True)
    assert sorted(regular.separation.values.round(6)) == [50, 200]
    assert regular.tetrahedron.values.tolist() == ["P0-P1-P2-P3", "P0-P4-P5-P6"]
    assert quality.members.sel(tetrahedron="P0-P4-P5-P6").values.tolist() == [0, 4, 5, 6]


RADIAL = {"A": np.diag([2.0, -0.8, -1.2]), "B": np.diag([-2.0, 0.8, 1.2])}
SPIRAL = {
    "As": np.array([[-1.0, -2, 0], [2, -1, 0], [0, 0, 2]]),
    "Bs": np.array([[1.0, -2, 0], [2, 1, 0], [0, 0, -2]]),
}
PLANE = {
    "X": np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 0]]),
    "O": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 0]]),
}
NEARLY = {"X": np.diag([1.0, -0.9, -0.1]), "O": np.array([[-0.1, -1, 0], [1, -0.1, 0], [0, 0, 0.2]])}


@pytest.mark.parametrize("corners", [REGULAR, SEVEN], ids=["four", "seven"])
@pytest.mark.parametrize(
    ("kind", "slope"),
    [*RADIAL.items(), *SPIRAL.items(), *PLANE.items(), *NEARLY.items()],
    ids=lambda one: one if isinstance(one, str) else "",
)
@given(seed=seeds)
@few
def test_a_null_is_found_where_it_is_with_its_type(corners, kind, slope, seed):
    turn, places = rotation(seed), 40 * corners + [100, 200, 300]
    there = 100 + np.random.default_rng(seed).uniform(-20, 20, 3)
    if slope is PLANE.get(kind):  # the nearest point of a line of nulls
        axis = turn[:, 2]
        there = there - axis * (axis @ (there - places.mean(axis=0)))
    field = vectors((places - there) @ (turn @ slope @ turn.T).T, "nT")
    result = plasma.magnetic_nulls(field, vectors(places, "km")).isel(time=0)
    np.testing.assert_allclose(result.null_position, there, atol=1e-6)
    words = result.null_type.attrs["flag_meanings"].split()
    assert words[int(result.null_type)] == kind
    assert result.xi.item() == pytest.approx(0, abs=1e-9)
    assert result.distance.item() == pytest.approx(np.linalg.norm(there - places.mean(axis=0)), abs=1e-6)
    assert result.nearest.item() == pytest.approx(np.linalg.norm(places - there, axis=1).min(), abs=1e-6)


def test_the_spine_of_a_null_is_its_axis_and_comes_first():
    for kind, sign in (("A", 1), ("B", -1)):
        result = plasma.magnetic_nulls(
            vectors(linear(RADIAL[kind], REGULAR, [0, 0, 0]), "nT"), vectors(REGULAR, "km")
        ).isel(time=0)
        np.testing.assert_allclose(result.spine, [1, 0, 0], atol=1e-9)
        assert result.eigenvalue_real.values[0] == pytest.approx(2 * sign)


def test_a_guide_field_leaves_no_null_in_two_dimensions():
    field = vectors(linear(PLANE["X"], REGULAR, [0, 0, 5]), "nT")
    result = plasma.magnetic_nulls(field, vectors(REGULAR, "km")).isel(time=0)
    assert np.isnan(result.distance)
    assert int(result.null_type) == 0


def test_eta_is_divergence_over_curl_and_xi_the_sum_over_the_largest_eigenvalue():
    slope = np.array([[1.0, -0.5, 0], [0.5, -0.4, 0], [0, 0, -0.3]])
    result = plasma.magnetic_nulls(vectors(linear(slope, REGULAR), "nT"), vectors(REGULAR, "km")).isel(time=0)
    assert result.eta.item() == pytest.approx(0.3)
    assert result.xi.item() == pytest.approx(0.3 / np.abs(np.linalg.eigvals(slope)).max())


@given(slope=matrices, seed=seeds)
@few
def test_the_index_is_the_sign_of_the_determinant_where_the_null_is_inside(slope, seed):
    if abs(np.linalg.det(slope)) < 1e-3:
        return
    random = np.random.default_rng(seed)
    places, there = 10 * REGULAR @ rotation(seed).T, random.uniform(-6, 6, 3)
    shares = np.linalg.solve(np.vstack([places.T, np.ones(4)]), [*there, 1])  # barycentric coordinates
    if np.abs(shares).min() < 1e-6:
        return
    expected = np.sign(np.linalg.det(slope)) if shares.min() > 0 else 0
    field, position = vectors((places - there) @ slope.T, "nT"), vectors(places, "km")
    for order in list(permutations(range(4)))[::5]:
        index = plasma.poincare_index(field.isel(spacecraft=list(order)), position.isel(spacecraft=list(order)))
        assert index.item() == expected


def test_of_seven_spacecraft_those_tetrahedra_see_the_null_that_hold_it():
    places = 10 * SEVEN
    inside = places[:4].mean(axis=0)
    index = plasma.poincare_index(vectors((places - inside) @ RADIAL["A"].T, "nT"), vectors(places, "km")).isel(time=0)
    assert index.sizes == {"tetrahedron": 35}
    assert index.sel(tetrahedron="P0-P1-P2-P3").item() == 1
    assert index.sel(tetrahedron="P0-P4-P5-P6").item() == 1  # the large one holds the small one
    assert index.sel(tetrahedron="P1-P4-P5-P6").item() == 0


def test_an_index_and_a_null_need_all_values():
    field, position = vectors(linear(RADIAL["A"], REGULAR, [0, 0, 0]), "nT"), vectors(REGULAR, "km")
    field[2, 0, 1] = np.nan
    assert plasma.poincare_index(field, position).isnull().all()
    result = plasma.magnetic_nulls(field, position).isel(time=0)
    assert int(result.null_type) == 0
    assert result.null_position.isnull().all()


def plane_crossings(velocity, places):
    speed = np.linalg.norm(velocity)
    return places @ (np.asarray(velocity) / speed**2)


def at_spacecraft(values, units="s"):
    return xr.DataArray(values, {"spacecraft": [f"P{n}" for n in range(len(values))]}, attrs={"units": units})


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


@pytest.mark.parametrize(
    ("corners", "sigma_t", "sigma_r"),
    [(REGULAR, None, 2.0), (SEVEN, 0.02, None), (SEVEN, 0.02, 2.0)],
    ids=["four", "seven", "seven, both"],
)
def test_errors_of_timing_are_the_scatter_of_noisy_crossings(corners, sigma_t, sigma_r):
    random, velocity, places = np.random.default_rng(3), np.array([-60.0, 20, 10]), 100 * corners
    clean = plane_crossings(velocity, places)
    speeds, angles, told = [], [], []
    normal = velocity / np.linalg.norm(velocity)
    for _ in range(120):
        noisy = clean + random.normal(size=clean.shape) * (sigma_t or 0)
        seen = places + random.normal(size=places.shape) * (sigma_r or 0)
        found = plasma.timing(at_spacecraft(noisy), still(seen), sigma_t=sigma_t, sigma_r=sigma_r)
        speeds.append(found.speed.item())
        angles.append(np.degrees(np.arccos(min(found.normal.values @ normal, 1))))
        told.append([found.speed_error.item(), found.normal_error.item()])
    scatter = np.std(speeds), np.sqrt(np.mean(np.square(angles)))
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(told), axis=0)), scatter, rtol=0.2)


def test_a_poor_time_counts_little_and_chi_squared_tells_of_a_wrong_one():
    velocity, places = np.array([-60.0, 20, 10]), 100 * SEVEN
    crossings = at_spacecraft(plane_crossings(velocity, places))
    crossings[5] += 3.0
    poor = at_spacecraft(np.where(np.arange(7) == 5, 1e3, 0.01))
    found = plasma.timing(crossings, still(places), sigma_t=poor)
    np.testing.assert_allclose(found.velocity, velocity, rtol=1e-5)
    assert plasma.timing(crossings, still(places), sigma_t=0.1).chi_squared.item() > 30
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


def test_a_lag_beyond_what_was_looked_at_and_a_constant_have_no_answer():
    series = waves(8)
    series[1] = 3.0
    lags = plasma.time_lags(series, max_lag=4)
    assert np.isnan(lags.lag).values.tolist() == [False, True, False, False, True, True, True, True]
    np.testing.assert_allclose(lags.lag[[0, 2, 3]], [0, 2, 3], atol=0.1)


def craft(offset, step=1000, count=20, units="nT", frame="GSE", name="b"):
    ticks = offset + step * np.arange(count)
    time = START + ticks * np.timedelta64(1, "ms")
    value = np.stack([ticks / 1e3, 1 - ticks / 1e3, 0 * ticks], axis=1)
    return xr.Dataset(
        {
            name: (("time", "component"), value, {"units": units, "frame": frame, "long_name": "Field"}),
            "n": ("time", ticks / 1e3, {"units": "cm-3", "long_name": "Density"}),
        },
        {"time": ("time", time, {"long_name": "Time"}), "component": ["x", "y", "z"]},
        {"source": "a made-up magnetometer", "synthetic": "true"},
    )


def test_series_at_other_times_meet_on_one_line_as_a_straight_line_does():
    tree = xr.DataTree.from_dict({"one": craft(0), "two": craft(-300), "three": craft(-700, 500, 60)})
    with pytest.warns(AnalysisWarning, match="n of two has no value at 1 of 20"):
        made = plasma.aligned(tree, variables=["b", "n"], max_gap="1s")
    assert made.b.dims == ("spacecraft", "time", "component")
    assert made.spacecraft.values.tolist() == ["one", "two", "three"]
    inside = made.isel(time=slice(0, 19))
    np.testing.assert_allclose(inside.n, np.broadcast_to(np.arange(19.0), (3, 19)), atol=1e-12)
    assert np.isnan(made.n.sel(spacecraft="two")[-1])
    assert made.attrs["source"] == "a made-up magnetometer"
    assert made.attrs["synthetic"] == made.b.attrs["synthetic"] == "true"
    assert "two has no value at 1 of 20" in made.attrs["history"]
    assert made.b.attrs["frame"] == "GSE"
    check(made)


def test_nothing_is_made_up_in_a_gap_but_a_sample_stays_a_sample():
    whole, other = craft(0), craft(500)
    holed = other.isel(time=[0, 1, 2, 6, 7, 8])
    holed["n"][4] = np.nan
    line = START + np.array([500, 1000, 2500, 3000, 6500, 7000, 7500]) * np.timedelta64(1, "ms")
    with pytest.warns(AnalysisWarning):
        made = plasma.aligned({"a": whole, "b": holed}, variables=["n"], max_gap=1.0, times=line).n
    np.testing.assert_allclose(made[1], [0.5, 1, 2.5, np.nan, 6.5, np.nan, np.nan])
    np.testing.assert_allclose(made[0], [0.5, 1, 2.5, 3, 6.5, 7, 7.5])
    with pytest.warns(AnalysisWarning):
        wider = plasma.aligned({"a": whole, "b": holed}, variables=["n"], max_gap={"n": "2s"}, times=line).n
    np.testing.assert_allclose(wider[1], [0.5, 1, 2.5, np.nan, 6.5, 7, 7.5])


def test_names_that_carry_the_spacecraft_and_nodes_of_their_own_are_found():
    slow = craft(-5000, 10000, 5, units="km", name="r").drop_vars("n")
    tree = xr.DataTree.from_dict(
        {f"mms{n}/field": craft(10 * n, name=f"mms{n}_b") for n in (1, 2)} | {f"mms{n}/orbit": slow for n in (1, 2)}
    )
    made = plasma.aligned(
        tree,
        variables={"b": "{spacecraft}_b", "position": "r"},
        max_gap={"b": "1s", "position": "20s"},
        times=times(15) + np.timedelta64(1, "s"),
    )
    assert list(made.data_vars) == ["b", "position"]
    np.testing.assert_allclose(made.position.sel(spacecraft="mms2", component="x"), 1 + np.arange(15.0))


def test_aligned_data_of_four_spacecraft_go_straight_into_the_curlometer():
    crafts = {}
    for n, place in enumerate(100 * REGULAR):
        one = craft(37 * n, count=30)
        one["b"] = one.b.copy(data=np.broadcast_to(linear(np.diag([1, 1], 1), place), one.b.shape))
        one["position"] = one.b.copy(data=np.broadcast_to(place, one.b.shape)).assign_attrs(units="km")
        crafts[f"P{n}"] = one
    line = START + (np.arange(1, 28) * 1e9).astype("timedelta64[ns]")
    made = plasma.aligned(crafts, variables=["b", "position"], max_gap="1s", times=line)
    result = plasma.curlometer(made.b, made.position)  # Bx = y, By = z
    np.testing.assert_allclose(
        result.current_density, np.broadcast_to([-1e-3 / MU0, 0, -1e-3 / MU0], (27, 3)), atol=1e-8
    )
    assert result.attrs["synthetic"] == "true"


@pytest.mark.parametrize(
    ("crafts", "options", "error", "named"),
    [
        ({"a": craft(0), "c": craft(0)}, {"variables": ["v"]}, UnknownVariable, "a has no v; it has b, n"),
        ({"a": craft(0), "c": craft(0).isel(time=[1, 0])}, {}, WrongData, "n of c has times out of order"),
        ({"a": craft(0), "c": craft(0, frame="GSM")}, {"variables": ["b"]}, WrongFrame, "b of c in GSM"),
        ({"a": craft(0), "c": craft(0, units="km")}, {"variables": ["b"]}, WrongUnits, "b is in 'km'"),
        ({"a": craft(0), "c": craft(0).drop_vars("time")}, {}, WrongData, "dim 'time' with times"),
        ({}, {}, WrongData, "no spacecraft"),
        (craft(0), {}, WrongData, "a mapping of datasets"),
        ({"a": craft(0).n}, {}, WrongData, "a is a DataArray"),
        ({"a": craft(0)}, {"variables": "n"}, BadOption, "variables"),
        ({"a": craft(0)}, {"max_gap": "soon"}, BadOption, "max_gap='soon'"),
        ({"a": craft(0)}, {"max_gap": 0}, BadOption, "above zero"),
        ({"a": craft(0)}, {"max_gap": {"b": 1}}, BadOption, "max_gap=None of n"),
        ({"a": craft(0)}, {"times": np.arange(3)}, WrongData, "a time line is a row of datetime64"),
        ({"a": craft(0)}, {"times": times(3)[::-1]}, WrongData, "times has times out of order"),
        ({"a": craft(0)}, {"times": times(0)}, OutsideCoverage, "empty"),
    ],
)
def test_what_cannot_be_brought_to_one_time_line_is_refused(crafts, options, error, named):
    with pytest.raises(error, match=named):
        plasma.aligned(crafts, **({"variables": ["n"], "max_gap": "1s"} | options))

"""Shapes of formations, and nulls inside of them, against fields that are known."""

from itertools import permutations

import numpy as np
import pytest
from formation_fields import REGULAR, SEVEN, few, linear, matrices, rotation, seeds, vectors
from hypothesis import given

from analysis import plasma

pytestmark = pytest.mark.slow  # the examples in the docstrings stay in the quick tier


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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("kind", "slope"),
    [
        ("A", np.diag([1.0, -0.74, -0.26])),
        ("X", np.diag([1.0, -0.76, -0.24])),
        ("As", [[-0.13, -1, 0], [1, -0.13, 0], [0, 0, 0.26]]),
        ("O", [[-0.12, -1, 0], [1, -0.12, 0], [0, 0, 0.24]]),
    ],
)
def test_a_null_is_nearly_two_dimensional_below_a_quarter(kind, slope):
    result = plasma.magnetic_nulls(vectors(linear(slope, REGULAR, at=(0, 0, 0)), "nT"), vectors(REGULAR, "km"))
    assert result.null_type.attrs["flag_meanings"].split()[result.null_type.item()] == kind


@pytest.mark.parametrize("strength", [0.0, 7.0])
def test_a_field_that_is_the_same_everywhere_has_no_null(strength):
    result = plasma.magnetic_nulls(vectors(np.full((4, 3), strength), "nT"), vectors(100 + 30 * REGULAR, "km"))
    assert int(result.null_type[0]) == 0
    assert result.null_position.isnull().all()


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


@pytest.mark.slow
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


def test_the_index_of_a_field_of_two_components_has_no_sign():
    places = 50 * REGULAR
    position = vectors(places, "km")
    near = linear([[0.0, 1, 0], [0.9, 0, 0], [0, 0, 0]], places, at=(5, 3, 0))
    assert plasma.poincare_index(vectors(near, "nT"), position).isnull().all()
    assert (plasma.poincare_index(vectors(near + np.array([500, 0, 0]), "nT"), position) == 0).all()
    assert plasma.poincare_index(vectors(near + 1e-3 * REGULAR, "nT"), position).notnull().all()

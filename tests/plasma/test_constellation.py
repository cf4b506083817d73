"""Synthetic fields against Maxwell's equations and their own formulae; constellations against geometry."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import BadOption, BadTime, MissingUnits, WrongData, WrongFrame, WrongUnits
from analysis.model import check
from analysis.plasma.parameters import MU0
from analysis.plasma.synthetic_shock import energy_gained

pytestmark = pytest.mark.slow  # the examples in the docstrings stay in the quick tier

FIELDS = {
    "sheet": plasma.harris_sheet(
        guide_field=3, normal_field=1, normal=(1, 2, 3), centre=(10, 20, 30), velocity=(5, -3, 40)
    ),
    "lundquist": plasma.flux_rope(axis=(1, 1, 0), radius=500, velocity=(0, 20, 0)),
    "gold_hoyle": plasma.flux_rope(model="gold_hoyle", handedness=-1, radius=500, axis=(0, 1, 3)),
    "waves": plasma.plane_waves([[0.01, 0, 0], [0, 0.02, 0.01]], [1, 2], [[0, 1, 1j], [1, 0, 0]], mean_field=(1, 2, 3)),
    "turbulence": plasma.alfvenic_turbulence(wave_numbers=(1e-4, 1e-2)),
    "critical balance": plasma.alfvenic_turbulence(wave_numbers=(1e-4, 1e-2), anisotropy="critical_balance"),
    "anisotropic": plasma.alfvenic_turbulence(wave_numbers=(1e-4, 1e-2), anisotropy=5, alfven_speed=50),
    "shock": plasma.shock_front(normal=(1, 1, 0), speed=-30),
}


def places(values, frame="GSE", units="km", **coords):
    array = np.asarray(values, float)
    dims = ["place", "component"][-array.ndim :]
    return xr.DataArray(array, dims=dims, attrs={"units": units, "frame": frame}, name="position").assign_coords(coords)


def times(count=4, cadence=1.0, start="2030-01-01"):
    return plasma.sampling_times(start, cadence=cadence, count=count)


def still(count=4, cadence=1.0):
    return plasma.straight_path(times(count, cadence), velocity=(0, 0, 0))


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_no_field_has_a_divergence_and_the_current_is_its_curl(name):
    field = FIELDS[name]
    where = np.random.default_rng(1).normal(0, 300, (40, 3))
    moment = np.datetime64("2030-01-01T00:00:07", "ns")
    step = 0.05
    sides = {
        (axis, sign): plasma.field_at(
            field, places(where + sign * step * np.eye(3)[axis], time=moment).assign_coords(time=moment)
        ).values
        for axis in range(3)
        for sign in (-1, 1)
    }
    slope = np.stack([(sides[axis, 1] - sides[axis, -1]) / (2 * step) for axis in range(3)], axis=1)  # d_i B_j, nT/km
    curl = np.stack(
        [slope[:, i, j] - slope[:, j, i] for i, j in ((1, 2), (2, 0), (0, 1))],
        axis=1,
    )
    current = plasma.current_at(field, places(where, time=moment))
    largest = np.abs(slope).max()
    assert np.abs(np.trace(slope, axis1=1, axis2=2)).max() < 1e-6 * largest
    np.testing.assert_allclose(current.values, curl * 1e-12 / MU0 * 1e9, atol=2e-6 * largest * 1e-3 / MU0)


def test_the_middle_of_a_harris_sheet_carries_b0_over_mu0_lambda():
    # Harris (1962): J = B0 / (mu0 lambda) sech^2; 20 nT over 500 km: 31.83 nA/m2
    sheet = plasma.harris_sheet(lobe_field=20, half_thickness=500)
    current = plasma.current_at(sheet, places([[0, 0, 0], [9, 9, 500]]))
    assert current.sel(component="y").values == pytest.approx(
        20e-9 / (4e-7 * np.pi * 500e3) * 1e9 * np.array([1, 1 / np.cosh(1) ** 2])
    )
    assert np.abs(current.sel(component=["x", "z"])).max() < 1e-12


def test_the_current_through_a_sheet_is_the_jump_of_the_field():
    z = np.linspace(-5000, 5000, 20001)
    current = plasma.current_at(plasma.harris_sheet(lobe_field=20, half_thickness=500), places(np.c_[0 * z, 0 * z, z]))
    total = current.sel(component="y").values.sum() * 1e-9 * 500  # A/m
    assert total == pytest.approx(2 * 20e-9 / MU0, rel=1e-6)


def test_the_axial_field_of_a_lundquist_rope_ends_at_its_radius():
    edge = plasma.field_at(plasma.flux_rope(axial_field=20, radius=1000, axis=(0, 0, 1)), places([1000.0, 0, 0]))
    # Burlaga (1988): J1(2.4048) = 0.5191
    assert edge.values == pytest.approx([0, 20 * 0.51915, 0], abs=1e-3)


def test_a_right_handed_rope_winds_around_its_axis_by_the_right_hand_and_carries_current_along_it():
    rope = {h: plasma.flux_rope(axis=(0, 0, 1), handedness=h, model="gold_hoyle", radius=500) for h in (1, -1)}
    beside, centre = places([500.0, 0, 0]), places([0.0, 0, 0])
    assert plasma.field_at(rope[1], beside).values == pytest.approx([0, 10, 10])  # 45 degrees at the radius
    assert plasma.field_at(rope[-1], beside).values == pytest.approx([0, -10, 10])
    assert plasma.current_at(rope[1], centre).sel(component="z") > 0
    assert plasma.current_at(rope[-1], centre).sel(component="z") < 0


@pytest.mark.parametrize("name", ["lundquist", "gold_hoyle"])
def test_a_rope_is_free_of_force(name):
    where = places(np.random.default_rng(2).normal(0, 400, (30, 3)))
    b, j = plasma.field_at(FIELDS[name], where).values, plasma.current_at(FIELDS[name], where).values
    assert np.abs(np.cross(j, b)).max() < 1e-9 * np.abs(b).max() * np.abs(j).max()


def test_a_structure_is_carried_by_its_velocity():
    sheet = plasma.harris_sheet(velocity=(0, 0, 50), normal_field=1)
    path = plasma.straight_path(times(5), velocity=(0, 0, 50), at="2030-01-01")
    assert np.ptp(plasma.field_at(sheet, path).values, axis=0) == pytest.approx([0, 0, 0], abs=1e-9)


def test_a_wave_of_positive_frequency_travels_along_its_k():
    wave = plasma.plane_waves([[0.01, 0, 0]], [1.0], [[0, 1, 0]])
    speed = 2 * np.pi * 1.0 / 0.01
    riding = plasma.straight_path(times(6, 0.1), velocity=(speed, 0, 0), at="2030-01-01")
    assert plasma.field_at(wave, riding).sel(component="y").values == pytest.approx(np.ones(6))


@pytest.mark.parametrize("anisotropy", [1.0, 4.0, "critical_balance"])
def test_turbulence_has_the_strength_and_slope_it_was_asked_for(anisotropy):
    turbulence = plasma.alfvenic_turbulence(
        rms=2, slope=5 / 3, wave_numbers=(1e-4, 1e-1), waves=600, seed=3, anisotropy=anisotropy, mean_field=(3, 4, 0)
    )
    waves = plasma.true_waves(turbulence)
    assert np.sum(waves.amplitude**2) / 2 == pytest.approx(4)
    along = waves.k @ xr.DataArray([0.6, 0.8, 0], dims="component")
    across = np.sqrt((waves.k**2).sum("component") - along**2)
    number = across if isinstance(anisotropy, str) else np.hypot(anisotropy * along, across)
    assert number.min() >= 1e-4 and number.max() <= 1e-1
    density = waves.amplitude**2 / 2 / number  # evenly spread in ln k: E(k) is this but for a factor
    assert np.polyfit(np.log(number), np.log(density), 1)[0] == pytest.approx(-5 / 3)


@pytest.mark.slow
def test_the_spectrum_of_turbulence_carried_past_a_spacecraft_falls_with_its_slope():
    turbulence = plasma.alfvenic_turbulence(
        waves=2000, wave_numbers=(1e-4, 1e-1), seed=1, velocity=(-400, 0, 0), mean_field=(1, 1, 1)
    )
    b = plasma.field_at(turbulence, still(4096, 0.5)).values
    from scipy.signal import welch

    f, p = welch(b, fs=2, nperseg=512, axis=0)
    fitted = (f > 0.02) & (f < 0.6)
    assert np.polyfit(np.log(f[fitted]), np.log(p.sum(axis=1)[fitted]), 1)[0] == pytest.approx(-5 / 3, abs=0.25)


def test_frozen_turbulence_is_the_same_pattern_later_and_farther():
    turbulence = plasma.alfvenic_turbulence(velocity=(-300, 100, 0), seed=4)
    later = plasma.straight_path(times(5), velocity=(-300, 100, 0), at="2030-01-01", through=(7, 8, 9))
    assert np.ptp(plasma.field_at(turbulence, later).values, axis=0) == pytest.approx([0, 0, 0], abs=1e-9)


def test_alfven_waves_move_along_and_against_the_mean_field_at_the_alfven_speed():
    turbulence = plasma.alfvenic_turbulence(velocity=(0, 0, 0), alfven_speed=50, mean_field=(0, 0, 5), waves=400)
    waves = plasma.true_waves(turbulence)
    along = waves.k.sel(component="z")
    assert (2 * np.pi * waves.frequency / along).values == pytest.approx(50 * np.sign(along.values))
    assert 0.4 < float((along > 0).mean()) < 0.6


def test_alfvenic_fluctuations_are_normal_to_the_mean_field_and_to_k():
    waves = plasma.alfvenic_turbulence(mean_field=(3, 4, 0)).waves
    assert np.abs(waves["amplitude"] @ [0.6, 0.8, 0]).max() < 1e-12
    assert np.abs(np.sum(waves["amplitude"] * waves["k"], axis=1)).max() < 1e-12


@pytest.mark.parametrize("mach, beta", [(2.0, 0.1), (5.0, 1.0), (8.0, 3.0)])
def test_a_perpendicular_shock_compresses_as_the_textbook_quadratic_says(mach, beta):
    # Priest, Solar Magnetohydrodynamics (1982), section 5.4:
    # 2(2-g) X^2 + (2b + (g-1) b M^2 + 2) g X - g (g+1) b M^2 = 0
    # with M the sonic Mach number, M^2 = 2 M_A^2 / (g b)
    g = 5 / 3
    sonic = 2 * mach**2 / (g * beta)
    roots = np.roots([2 * (2 - g), (2 * beta + (g - 1) * beta * sonic + 2) * g, -g * (g + 1) * beta * sonic])
    truth = plasma.shock_front(theta_bn=90, alfven_mach=mach, beta=beta).truth
    assert truth["compression"] == pytest.approx(roots.max(), rel=1e-9)
    assert truth["field_ratio"] == pytest.approx(roots.max(), rel=1e-9)


def test_a_parallel_shock_is_that_of_gas():
    # Rankine-Hugoniot: X = (g+1) M^2 / ((g-1) M^2 + 2)
    sonic = 2 * 5**2 / (5 / 3 * 2)
    truth = plasma.shock_front(theta_bn=0, alfven_mach=5, beta=2).truth
    assert truth["compression"] == pytest.approx(8 / 3 * sonic / (2 / 3 * sonic + 2), rel=1e-9)
    assert truth["field_ratio"] == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(angle=st.floats(10, 90), mach=st.floats(3, 30), beta=st.floats(0.05, 4))
def test_energy_is_kept_across_a_shock_that_compresses(angle, mach, beta):
    truth = plasma.shock_front(theta_bn=angle, alfven_mach=mach, beta=beta).truth
    parts = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    assert 1 < truth["compression"] < 4 and truth["field_ratio"] > 1
    lost = energy_gained(np.array(truth["compression"]), mach, *parts, beta, 5 / 3)
    assert abs(lost) < 1e-6 * mach**3


def test_a_shock_goes_from_its_upstream_to_its_downstream_field():
    shock = plasma.shock_front(normal=(1, 0, 0), half_thickness=50)
    ends = plasma.field_at(shock, places([[5000.0, 0, 0], [-5000.0, 0, 0]])).values
    assert ends[0] == pytest.approx(shock.truth["upstream_field"])
    assert ends[1] == pytest.approx(shock.truth["downstream_field"])
    assert np.linalg.norm(ends[0]) == pytest.approx(5)


def test_four_spacecraft_are_equally_far_from_each_other_around_the_path():
    path = plasma.straight_path(times(), velocity=(1, 2, 3), through=(4, 5, 6))
    four = plasma.constellation(path, scale=30)
    gaps = four.isel(time=0).values[:, None] - four.isel(time=0).values[None]
    assert np.linalg.norm(gaps, axis=-1)[np.triu_indices(4, 1)] == pytest.approx(np.full(6, 30))
    np.testing.assert_allclose(four.mean("spacecraft").transpose(*path.dims), path, atol=1e-9)
    check(four)


def test_seven_spacecraft_are_two_tetrahedra_that_share_the_mother():
    seven = plasma.constellation(still(), kind="plasma_observatory", scale=50, outer_scale=400, twist=20).isel(time=0)
    for ring, side in (("inner", 50), ("outer", 400)):
        four = seven.sel(spacecraft=["mother", f"{ring}_1", f"{ring}_2", f"{ring}_3"]).values
        gaps = np.linalg.norm(four[:, None] - four[None], axis=-1)[np.triu_indices(4, 1)]
        assert gaps == pytest.approx(np.full(6, side))
    assert seven.sel(spacecraft="mother").values.tolist() == [0, 0, 0]


def test_a_kepler_orbit_takes_the_time_of_keplers_third_law_and_sweeps_equal_areas():
    axis = 12.5 * 6378.137
    period = 2 * np.pi * np.sqrt(axis**3 / 398600.435507)
    path = plasma.kepler_path(times(101, period / 100), perigee=8, apogee=17, inclination=30, apogee_direction=150)
    r = path.values
    assert r[0] == pytest.approx(r[-1], abs=1e-3)
    assert np.linalg.norm(r, axis=1).max() == pytest.approx(17 * 6378.137)
    assert np.linalg.norm(r, axis=1).min() == pytest.approx(8 * 6378.137)
    areas = np.cross(r[:-1], r[1:]) / 2  # the triangles miss what bulges out, more near perigee
    momentum = np.linalg.norm(np.cross(r[49], r[51] - r[49])) / (2 * period / 100)
    assert momentum == pytest.approx(np.sqrt(398600.435507 * axis * (1 - (9 / 25) ** 2)), rel=2e-3)
    assert areas.std(axis=0).max() < 1e-2 * np.abs(areas).max()
    middle = path.isel(time=50).values / (17 * 6378.137)
    assert middle == pytest.approx([np.cos(np.radians(150)), np.sin(np.radians(150)), 0], abs=1e-9)


def test_what_is_sampled_keeps_the_contract_says_synthetic_and_knows_the_truth():
    four = plasma.constellation(plasma.straight_path(times(20), velocity=(0, 0, 30)), scale=20)
    data = check(plasma.sampled(plasma.harris_sheet(half_thickness=250), four, noise=0.1, seed=5))
    assert data.b.dims == ("spacecraft", "time", "component") and data.b.attrs["frame"] == "GSE"
    assert data.attrs["synthetic"] == data.b.attrs["synthetic"] == "true"
    assert json.loads(data.attrs["truth"])["half_thickness"] == 250
    exact = plasma.field_at(plasma.harris_sheet(half_thickness=250), four)
    assert float((data.b - exact).std()) == pytest.approx(0.1, rel=0.15)
    xr.testing.assert_identical(data, plasma.sampled(plasma.harris_sheet(half_thickness=250), four, noise=0.1, seed=5))


def test_lists_of_waves_keep_the_contract():
    check(plasma.true_waves(FIELDS["waves"]))


def test_a_place_without_a_number_has_no_field():
    where = places([[0, 0, 0], [np.nan, 0, 0]])
    for field in FIELDS.values():
        values = plasma.field_at(field, where).values
        assert np.isfinite(values[0]).all() and np.isnan(values[1]).all()


def test_lengths_in_earth_radii_and_components_in_any_order_give_the_same_field():
    where = places([[100.0, 200.0, 300.0]])
    other = (where / 6378.1).assign_attrs(where.attrs, units="R_earth").assign_coords(component=["x", "y", "z"])
    turned = other.isel(component=[2, 0, 1])
    expected = plasma.field_at(FIELDS["sheet"], where).values
    np.testing.assert_allclose(plasma.field_at(FIELDS["sheet"], other).values, expected, rtol=1e-6)
    result = plasma.field_at(FIELDS["sheet"], turned)
    np.testing.assert_allclose(result.sel(component=["x", "y", "z"]).values, expected, rtol=1e-6)


def test_positions_on_dask_give_the_same_lazily():
    path = plasma.constellation(still(8), scale=100)
    lazy = plasma.field_at(FIELDS["turbulence"], path.chunk(time=2))
    assert lazy.chunks is not None
    np.testing.assert_allclose(lazy.compute(), plasma.field_at(FIELDS["turbulence"], path))


def test_single_precision_and_whole_numbers_are_taken():
    where = places([[1, 2, 3]])
    for kind in ("float32", "int64"):
        np.testing.assert_allclose(
            plasma.field_at(FIELDS["sheet"], where.astype(kind)), plasma.field_at(FIELDS["sheet"], where), rtol=1e-5
        )


@pytest.mark.parametrize(
    "error, wrong",
    [
        (MissingUnits, lambda p: p.drop_attrs().assign_attrs(frame="GSE")),
        (WrongUnits, lambda p: p.assign_attrs(units="nT")),
        (WrongFrame, lambda p: p.drop_attrs().assign_attrs(units="km")),
        (WrongData, lambda p: p.isel(component=0)),
        (WrongData, lambda p: p.astype(complex)),
    ],
)
def test_positions_that_are_none_are_refused(error, wrong):
    with pytest.raises(error):
        plasma.field_at(FIELDS["sheet"], wrong(places([[1.0, 2, 3]])))


def test_times_that_are_no_times_are_refused():
    path = still(3)
    with pytest.raises(BadTime, match="dim 'time' without times"):
        plasma.field_at(FIELDS["sheet"], path.drop_vars("time"))
    with pytest.raises(BadTime, match="not datetime64"):
        plasma.field_at(FIELDS["sheet"], path.assign_coords(time=[0, 1, 2]))
    with pytest.raises(BadTime, match="strictly increasing"):
        plasma.straight_path(times(3).isel(time=[1, 0, 2]), velocity=(0, 0, 0))


@pytest.mark.parametrize(
    "made, says",
    [
        (lambda: plasma.harris_sheet(half_thickness=0), "number above zero"),
        (lambda: plasma.harris_sheet(normal=(1, 0, 0), direction=(2, 0, 0)), "parallel"),
        (lambda: plasma.harris_sheet(normal=(0, 0, 0)), "length zero"),
        (lambda: plasma.harris_sheet(centre=(1, 2)), "three numbers"),
        (lambda: plasma.harris_sheet(lobe_field=np.nan), "finite"),
        (lambda: plasma.flux_rope(model="lundqvist"), "did you mean 'lundquist'"),
        (lambda: plasma.flux_rope(handedness=0), "right-handed"),
        (lambda: plasma.plane_waves([[1, 0, 0]], [1], [[1, 0]]), "shape"),
        (lambda: plasma.alfvenic_turbulence(wave_numbers=(1, 0.1)), "lowest"),
        (lambda: plasma.alfvenic_turbulence(anisotropy=0.5), "1 or more"),
        (lambda: plasma.alfvenic_turbulence(anisotropy="kraichnan"), "anisotropy"),
        (lambda: plasma.alfvenic_turbulence(mean_field=(0, 0, 0)), "mean_field is zero"),
        (lambda: plasma.alfvenic_turbulence(waves=0), "whole number"),
        (lambda: plasma.shock_front(alfven_mach=0.9), "fast wave"),
        (lambda: plasma.shock_front(theta_bn=95), "0 to 90"),
        (lambda: plasma.shock_front(beta=-1), "below zero"),
        (lambda: plasma.true_waves(FIELDS["sheet"]), "not made of plane waves"),
        (lambda: plasma.constellation(still(), kind="cube"), "kind of constellation"),
        (lambda: plasma.constellation(still(), outer_scale=5), "belongs to"),
        (lambda: plasma.constellation(still(), kind="plasma_observatory"), "outer_scale="),
        (lambda: plasma.constellation(still(), kind="plasma_observatory", outer_scale=10), "not above scale"),
        (lambda: plasma.constellation(still(), scale=-1), "above zero"),
        (lambda: plasma.constellation(still(), stretch=(1, 1, -1)), "below zero"),
        (lambda: plasma.sampled(FIELDS["sheet"], still(), noise=-1), "standard deviation"),
        (lambda: plasma.sampled("sheet", still()), "no synthetic field"),
        (lambda: plasma.sampled(FIELDS["sheet"], still(), noise=1, seed="a"), "seed="),
        (lambda: plasma.alfvenic_turbulence(seed=-1), "seed="),
        (lambda: plasma.kepler_path(times(), perigee=0.5, apogee=3), "Earth radii"),
        (lambda: plasma.sampling_times("2030-01-01", cadence=0, count=3), "above zero"),
        (lambda: plasma.sampling_times("2030-01-01", cadence=1, count=0), "whole number"),
        (lambda: plasma.straight_path(times(), velocity=(0, 0, 0), frame=""), "no frame"),
    ],
)
def test_options_that_make_no_sense_are_refused(made, says):
    with pytest.raises(BadOption, match=says):
        made()


def test_a_wave_with_a_divergence_is_refused():
    with pytest.raises(WrongData, match="div B"):
        plasma.plane_waves([[0.1, 0, 0]], [1], [[1, 1, 0]])


def test_a_constellation_of_a_constellation_is_refused():
    with pytest.raises(WrongData, match="spacecraft"):
        plasma.constellation(plasma.constellation(still()))


def test_one_scale_for_each_size_gives_a_formation_each():
    scale = xr.DataArray([0.01, 0.1], dims="scale", attrs={"units": "R_earth"})
    both = plasma.constellation(still(), scale=scale)
    one = plasma.constellation(still(), scale=637.81)
    np.testing.assert_allclose(both.isel(scale=1).transpose(*one.dims), one, rtol=1e-6)
    seven = plasma.constellation(still(), kind="plasma_observatory", scale=scale, outer_scale=10 * scale.assign_attrs())
    assert seven.sizes == {"spacecraft": 7, "time": 4, "scale": 2, "component": 3}
    with pytest.raises(BadOption, match="above zero"):
        plasma.constellation(still(), scale=-scale.assign_attrs(scale.attrs))
    with pytest.raises(WrongUnits):
        plasma.constellation(still(), scale=scale.assign_attrs(units="nT"))


def test_the_error_of_the_curlometer_grows_with_the_scale_as_the_next_term_of_the_field_and_falls_with_it_in_noise():
    scale = xr.DataArray([10.0, 20.0, 40.0], dims="scale", attrs={"units": "km"})
    sheet = plasma.harris_sheet(half_thickness=500)
    for height, growth in ((0.0, 4), (100.0, 2)):  # the second derivative of tanh is zero in the middle only
        quiet = plasma.current_error(sheet, plasma.constellation(places([0.0, 0, height]), scale=scale))
        assert (quiet.error[1:].values / quiet.error[:-1].values) == pytest.approx(growth, rel=0.06)
    many = plasma.constellation(places(np.tile([0.0, 0, 100], (400, 1))), scale=scale)
    noisy = plasma.current_error(sheet, many, noise=0.1, seed=1).error.mean("place").values
    assert noisy[:-1] / noisy[1:] == pytest.approx(2, rel=0.15)
    check(quiet)
    assert quiet.attrs["synthetic"] == "true"


def test_seven_points_measure_the_current_of_a_field_that_is_linear_over_them_exactly():
    wide = plasma.harris_sheet(half_thickness=1e6)
    seven = plasma.constellation(places([1.0, 2, 3]), kind="plasma_observatory", scale=10, outer_scale=100)
    assert float(plasma.current_error(wide, seven).relative_error) < 1e-6


@pytest.mark.parametrize("letters", [["Z", "Y", "X"], ["Rz", "Ry", "Rx"], ["z_gse", "y_gse", "x_gse"]])
def test_components_are_told_by_what_their_labels_hold(letters):
    path = plasma.straight_path(times(3), velocity=(10, 0, 0), through=(5, 50, 200))
    other = path.isel(component=[2, 1, 0]).assign_coords(component=letters)
    for source in (FIELDS["sheet"], FIELDS["waves"]):
        expected = plasma.field_at(source, path).values
        np.testing.assert_allclose(plasma.field_at(source, other).sel(component=["x", "y", "z"]).values, expected)
    four, same = plasma.constellation(path, scale=50), plasma.constellation(other, scale=50)
    np.testing.assert_allclose(same.sel(component=["x", "y", "z"]).values, four.values)
    errors = [plasma.current_error(FIELDS["sheet"], one).error.values for one in (four, same)]
    np.testing.assert_allclose(*errors)


def test_spherical_positions_are_refused():
    where = places([1.0, 2.0, 3.0]).assign_coords(component=["r", "theta", "phi"])
    with pytest.raises(WrongData, match="cartesian"):
        plasma.field_at(FIELDS["sheet"], where)


def test_numbers_of_numpy_make_fields_whose_truth_is_written_down():
    one = np.float32(1.5)
    field = plasma.alfvenic_turbulence(rms=one, anisotropy=one, waves=np.int64(8), seed=np.int64(1), slope=one)
    data = check(plasma.sampled(field, still(3), noise=one, seed=np.int64(2)))
    assert json.loads(data.attrs["truth"])["anisotropy"] == 1.5


@pytest.mark.parametrize("name", ["position", "time", "component", "", 3])
def test_a_field_cannot_take_the_name_of_the_positions_or_of_an_axis(name):
    with pytest.raises(BadOption, match="name="):
        plasma.sampled(FIELDS["sheet"], still(3), name=name)


@pytest.mark.parametrize(
    "made",
    [
        lambda: plasma.sampling_times("2030-01-01", cadence=1e12, count=20),
        lambda: plasma.alfvenic_turbulence(anisotropy=np.inf),
        lambda: plasma.plane_waves("a", "b", "c"),
        lambda: plasma.plane_waves([[1, 2], [3]], [1, 2], [[1], [2]]),
    ],
)
def test_times_beyond_the_calendar_and_arrays_that_are_none_are_refused(made):
    with pytest.raises(BadOption):
        made()

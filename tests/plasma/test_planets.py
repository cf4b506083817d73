"""Orbits, dipoles, Alfvén wings and synthetic passes against what is known of them."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import BadOption, BadTime, MissingUnits, WrongData, WrongFrame, WrongUnits
from analysis.model import check

pytestmark = pytest.mark.slow  # the examples in the docstrings stay in the quick tier

DAY = np.timedelta64(1, "D")


def number(value, units):
    return xr.DataArray(value, attrs={"units": units})


def vector(values, units="nT", frame="MSO", dims=("component",)):
    return xr.DataArray(np.asarray(values, float), dims=dims, attrs={"units": units, "frame": frame})


def times(count, cadence=60.0, start="2030-01-01"):
    return plasma.sampling_times(start, cadence=cadence, count=count)


def orbit(count=200, cadence=60.0, **options):
    given_ = {"body": "Mars", "periapsis": 3540.0, "apoapsis": 9590.0, **options}
    return plasma.keplerian_positions(times(count, cadence), **given_)


@pytest.mark.slow
@settings(max_examples=30)
@given(
    eccentricity=st.floats(0, 0.99), tilt=st.floats(0, 180), node=st.floats(-360, 360), argument=st.floats(-360, 360)
)
def test_energy_and_angular_momentum_stay(eccentricity, tilt, node, argument):
    axis, gm = 10_000.0, 42828.37362
    low, high = axis * (1 - eccentricity), axis * (1 + eccentricity)
    options = {"inclination": tilt, "ascending_node": node, "argument_of_periapsis": argument}
    r = orbit(3001, 0.5, periapsis=low, apoapsis=high, at_periapsis="2029-12-31T23:00", **options).values
    v = (r[2:] - r[:-2]) / 1.0
    r = r[1:-1]
    energy = (v**2).sum(-1) / 2 - gm / np.linalg.norm(r, axis=-1)
    assert energy == pytest.approx(-gm / (2 * axis), rel=2e-5)
    momentum = np.cross(r, v)
    size = np.sqrt(gm * axis * (1 - eccentricity**2))
    normal = [np.sin(np.radians(tilt)) * np.sin(np.radians(node)), 0, np.cos(np.radians(tilt))]
    normal[1] = -np.sin(np.radians(tilt)) * np.cos(np.radians(node))
    assert momentum / size == pytest.approx(np.broadcast_to(normal, momentum.shape), abs=1e-3)


def test_an_orbit_like_messengers_takes_twelve_hours_and_mavens_four_and_a_half():
    for body, low, high, hours in (
        ("Mercury", 2640.0, 17633.0, 12.0),  # 200 by 15,193 km
        ("Mars", 3540.0, 9590.0, 4.5),  # 150 by 6,200 km
        ("Jupiter", 1070400.0, 1070400.0, 24 * 7.155),  # Ganymede
        ("Saturn", 1221870.0, 1221870.0, 24 * 15.945),  # Titan
    ):
        r = plasma.keplerian_positions(times(4001, hours * 3600 / 4000), body=body, periapsis=low, apoapsis=high)
        assert np.linalg.norm(r.values[-1] - r.values[0]) < 0.06 * low, body
        assert np.linalg.norm(r.values[0]) == pytest.approx(low)
        assert np.linalg.norm(r.values[2000]) == pytest.approx(high, rel=1e-3)


def test_the_periapsis_is_where_its_elements_put_it():
    # MESSENGER's was at 60° north: sin(latitude) = sin(inclination) sin(argument)
    r = orbit(1, inclination=82.5, argument_of_periapsis=119.1).values[0]
    assert np.degrees(np.arcsin(r[2] / np.linalg.norm(r))) == pytest.approx(60.0, abs=0.1)
    node = orbit(1, inclination=50, ascending_node=30).values[0]
    assert node / np.linalg.norm(node) == pytest.approx([np.sqrt(3) / 2, 0.5, 0.0])


def test_the_sun_synchronous_and_the_critical_inclination_come_out():
    # 98.19° at 700 km turns the node by 360° in a year; at 63.43° the periapsis stays
    low = {"body": "Earth", "periapsis": 7078.137, "apoapsis": 7078.137, "oblate": True, "frame": "GEI"}
    year = plasma.sampling_times("2030-01-01", cadence=86400.0, count=2)
    normals = []
    for start in year.values:
        span = plasma.sampling_times(str(start), cadence=60.0, count=50)
        r = plasma.keplerian_positions(span, inclination=98.19, at_periapsis="2030-01-01", **low).values
        normals.append(np.cross(r[0], r[20]))
    turn = np.degrees(np.diff([np.arctan2(n[0], -n[1]) for n in normals]))
    assert turn == pytest.approx(360 / 365.25, rel=5e-3)
    critical = {"inclination": 63.4349, "argument_of_periapsis": 270.0, "oblate": True, "frame": "GEI"}
    r = plasma.keplerian_positions(times(20000, 120.0), body="Earth", periapsis=7000.0, apoapsis=46000.0, **critical)
    nearest = r.values[-1500:][np.linalg.norm(r.values[-1500:], axis=-1).argmin()]
    assert np.degrees(np.arcsin(nearest[2] / np.linalg.norm(nearest))) == pytest.approx(-63.43, abs=0.5)


def test_a_frame_that_turns_takes_the_node_back():
    still, turning = orbit(2, 86400.0), orbit(2, 86400.0, frame_rate=90.0)
    assert turning.values[1] == pytest.approx([still.values[1][1], -still.values[1][0], 0.0])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"body": "Vulcan"}, BadOption),
        ({"periapsis": 9600.0}, BadOption),
        ({"periapsis": -1.0}, BadOption),
        ({"inclination": np.nan}, BadOption),
        ({"inclination": "steep"}, BadOption),
        ({"body": "Venus", "oblate": True}, BadOption),
        ({"frame": " "}, BadOption),
    ],
)
def test_elements_that_are_none_are_refused(options, error):
    with pytest.raises(error):
        orbit(**options)


def test_times_that_run_backwards_are_refused():
    with pytest.raises(BadTime):
        plasma.keplerian_positions(times(3)[::-1], body="Mars", periapsis=4000, apoapsis=5000)
    with pytest.raises(BadTime):
        plasma.keplerian_positions(xr.DataArray([1.0, 2.0]), body="Mars", periapsis=4000, apoapsis=5000)


def test_a_map_of_coverage_holds_all_of_the_time_but_not_gaps():
    path = orbit(1441)
    cell = number(1000.0, "km")
    hours = plasma.residence_time(path, cell=cell)
    assert float(hours.sum()) == pytest.approx(1441 / 60)
    assert hours.dims == ("rho", "x") and hours.units == "h" and hours.attrs["synthetic"] == "true"
    cut = path.where((path.time < path.time[300]) | (path.time > path.time[900]), drop=True)
    assert float(plasma.residence_time(cut, cell=cell, plane="xy").sum()) == pytest.approx(cut.sizes["time"] / 60)
    half = xr.DataArray(np.arange(1441) < 600, {"time": path.time}, ["time"])
    assert float(plasma.residence_time(path, cell=cell, where=half).sum()) == pytest.approx(10.0)


def test_coverage_refuses_what_is_no_trajectory():
    path = orbit(20)
    for bad, cell, error in (
        (path.isel(time=[0]), number(100.0, "km"), WrongData),
        (path[::-1], number(100.0, "km"), WrongData),
        (path, number(0.0, "km"), WrongData),
        (path, number(0.001, "km"), WrongData),
        (path, number(1.0, "s"), WrongUnits),
        (path, xr.DataArray(1.0), MissingUnits),
        (path, 100.0, MissingUnits),
    ):
        with pytest.raises(error):
            plasma.residence_time(bad, cell=cell)
    with pytest.raises(BadOption):
        plasma.residence_time(path, cell=number(100.0, "km"), plane="zz")


def test_places_of_a_sphere_cover_it_evenly():
    ground = plasma.surface_positions(number(3390.0, "km"), step=5)
    weight = np.cos(np.radians(ground.latitude))
    squares = (ground**2).weighted(weight).mean(["latitude", "longitude"])
    assert squares.values == pytest.approx(np.full(3, 3390.0**2 / 3), rel=3e-3)
    with pytest.raises(MissingUnits):
        plasma.surface_positions(3390.0)
    for step in (7, 0, 361, "wide"):
        with pytest.raises(BadOption):
            plasma.surface_positions(number(1.0, "km"), step=step)


def test_a_dipole_has_no_divergence_no_curl_and_twice_the_field_at_its_poles():
    moment, radius = vector([3.0, -5.0, -190.0]), number(2440.0, "km")
    rng = np.random.default_rng(2)
    places, h = rng.normal(size=(40, 3)) * 3000 + 1500, 1.0
    steps = places[:, None, None, :] + h * np.array([1, -1])[:, None, None] * np.eye(3)
    points = vector(steps, "km", dims=("n", "side", "axis", "component"))
    b = plasma.planetary_dipole_field(points, moment, radius=radius).values
    jacobian = (b[:, 0] - b[:, 1]) / (2 * h)  # axis, component
    scale = np.abs(jacobian).max(axis=(1, 2))
    assert np.abs(np.trace(jacobian, axis1=1, axis2=2) / scale).max() < 1e-5
    assert np.abs((jacobian - jacobian.transpose(0, 2, 1)) / scale[:, None, None]).max() < 1e-5
    ends = vector([[0, 0, 2440.0], [2440.0, 0, 0]], "km", dims=("n", "component"))
    pole, equator = plasma.planetary_dipole_field(ends, vector([0, 0, -190.0]), radius=radius).values
    assert pole == pytest.approx([0, 0, -380]) and equator == pytest.approx([0, 0, 190])


def test_a_dipole_may_sit_off_the_centre():
    place, centre = vector([100.0, 0, 979.0], "km"), vector([0, 0, 479.0], "km")
    moment, radius = vector([0, 0, -190.0]), number(2.44e6, "m")
    there = plasma.planetary_dipole_field(vector([100.0, 0, 500.0], "km"), moment, radius=radius)
    here = plasma.planetary_dipole_field(place, moment, radius=radius, centre=centre)
    assert here.values == pytest.approx(there.values)


def test_a_dipole_keeps_its_components_apart_whatever_their_order_and_refuses_other_frames():
    place, moment, radius = vector([3000.0, 1000.0, 500.0], "km"), vector([10.0, 0, -190.0]), number(2440.0, "km")
    named = place.assign_coords(component=["x", "y", "z"]).sel(component=["z", "x", "y"])
    assert plasma.planetary_dipole_field(named, moment, radius=radius).values == pytest.approx(
        plasma.planetary_dipole_field(place, moment, radius=radius).values
    )
    with pytest.raises(WrongFrame):
        plasma.planetary_dipole_field(place, moment.assign_attrs(frame="MSM"), radius=radius)
    with pytest.raises(WrongUnits):
        plasma.planetary_dipole_field(place, moment.assign_attrs(units="km"), radius=radius)
    with pytest.raises(WrongData):
        plasma.planetary_dipole_field(place, moment, radius=number(0.0, "km"))
    assert np.isnan(plasma.planetary_dipole_field(0 * place.assign_attrs(), moment, radius=radius).values).all()
    assert np.isnan(
        plasma.planetary_dipole_field(place.where(place > 600).assign_attrs(place.attrs), moment, radius=radius)
    ).all()


def test_a_dipole_of_dask_arrays_is_that_of_numpy():
    path = orbit(50)
    moment, radius = vector([0, 0, -190.0]), number(2440.0, "km")
    lazy = plasma.planetary_dipole_field(path.chunk(time=10), moment, radius=radius)
    assert lazy.chunks is not None
    assert lazy.values == pytest.approx(plasma.planetary_dipole_field(path, moment, radius=radius).values)


def test_the_stand_off_is_where_the_pressures_balance():
    r = plasma.dipole_standoff(number(719.0, "nT"), number(8.6, "nPa"), factor=2)
    inside = plasma.magnetic_pressure(number(2 * 719.0 / float(r) ** 3, "nT"))
    assert inside.item() == pytest.approx(8.6)
    # Baumjohann & Treumann: about 10 Earth radii
    assert 9 < plasma.dipole_standoff(number(31000.0, "nT"), number(2.0, "nPa")).item() < 11
    for bad in ({"factor": 0}, {"factor": np.inf}, {"factor": "two"}):
        with pytest.raises(BadOption):
            plasma.dipole_standoff(number(719.0, "nT"), number(1.0, "nPa"), **bad)
    with pytest.raises(WrongData):
        plasma.dipole_standoff(number(719.0, "nT"), number(0.0, "nPa"))
    with pytest.raises(WrongUnits):
        plasma.dipole_standoff(number(719.0, "nT"), number(1.0, "nT"))


def test_the_last_closed_line_meets_the_ring_where_the_fields_cancel():
    # followed from the surface by steps along the field itself
    latitude = plasma.closed_field_latitude(number(719.0, "nT"), number(75.0, "nT")).item()
    ring = plasma.dipole_standoff(number(719.0, "nT"), plasma.magnetic_pressure(number(75.0, "nT")), factor=1).item()

    def reach(degrees):
        r = np.array([np.cos(np.radians(degrees)), 0, -np.sin(np.radians(degrees))])
        for _ in range(40000):
            length = np.linalg.norm(r)
            b = (3 * (-719 * r[2]) * r / length**2 - np.array([0, 0, -719.0])) / length**3 + np.array([0, 0, -75.0])
            r = r + 5e-4 * b / np.linalg.norm(b)
            if r[2] >= 0 or length > 4:
                return r
        return r

    closed, opened = reach(latitude - 0.5), reach(latitude + 0.5)
    assert closed[2] >= 0 and closed[0] < ring
    assert np.linalg.norm(opened) > ring and (opened[2] < 0 or opened[0] > ring)
    assert np.isnan(plasma.closed_field_latitude(number(100.0, "nT"), number(101.0, "nT")))
    assert plasma.closed_field_latitude(number(100.0, "nT"), number(100.0, "nT")).item() == pytest.approx(0, abs=1e-5)


def wing(b, v, density=100.0):
    field, flow = vector(b, frame="GPHIO"), vector(v, "km s-1", "GPHIO")
    return plasma.alfven_wing_angle(field, flow, number(density, "cm-3"), ion_mass=number(1.0, "u"))


def test_alfven_wings_lean_by_the_mach_number_and_unevenly_in_a_slanting_flow():
    speed = plasma.alfven_speed(vector([0, 0, -80.0]), number(100.0, "cm-3"), ion_mass=number(1.0, "u")).item()
    both = wing([0, 0, -80.0], [speed, 0, 0])
    assert both.values == pytest.approx([45.0, 45.0]) and list(both.wing.values) == ["along_b", "against_b"]
    along, against = wing([0, 0, -80.0], [50.0, 0, -30.0]).values  # the flow has a part along b: that wing leans less
    assert along == pytest.approx(np.degrees(np.arctan(50 / (speed + 30))))
    assert against == pytest.approx(np.degrees(np.arctan(50 / (speed - 30))))
    # Barnett 1986, Voyager 1 at Io: 22,500 amu/cm3, v_A 300 ± 50 km/s, M_A 0.19 ± 0.02
    assert np.tan(np.radians(wing([0, 0, -2060.0], [57.0, 0, 0], 22500.0).values)) == pytest.approx(0.19, abs=0.02)
    with pytest.raises(WrongFrame):
        plasma.alfven_wing_angle(vector([0, 0, 1.0]), vector([1.0, 0, 0], "km s-1", "GSE"), number(1.0, "cm-3"))
    assert np.isnan(wing([np.nan, 0, -80.0], [1.0, 0, 0])).all()


MERCURY = {
    "magnetopause": plasma.planetary_boundary("mercury_magnetopause_winslow_2013"),
    "bow_shock": plasma.planetary_boundary("mercury_bow_shock_winslow_2013"),
}


def flown(imf=(-15.0, 12.0, -12.0), **options):
    path = plasma.keplerian_positions(
        times(2400, 5.0, "2030-01-01T04:45"),
        body="Mercury",
        periapsis=2640.0,
        apoapsis=17633.0,
        inclination=82.5,
        argument_of_periapsis=119.1,
        at_periapsis="2030-01-01T06:00",
    )
    return plasma.synthetic_pass(path, **MERCURY, moment=vector([0, 0, -190.0]), imf=vector(imf), **options)


@pytest.mark.slow
def test_no_field_crosses_the_magnetopause_of_a_synthetic_pass():
    made = flown()
    check(made)
    assert made.attrs["synthetic"] == "true" and "SYNTHETIC" in made.attrs["title"]
    crossed = plasma.boundary_crossings(MERCURY["magnetopause"], made.position)
    at = plasma.synthetic_pass(crossed.position, **MERCURY, moment=vector([0, 0, -190.0]), imf=vector([-15.0, 12, -12]))
    across = (at.b * crossed.normal).sum("component")
    assert np.abs(across.values).max() < 1e-2 and float(plasma.magnitude(at.b).min()) > 20


@pytest.mark.slow
def test_the_shock_keeps_what_is_normal_to_it_and_multiplies_the_rest():
    crossed = plasma.boundary_crossings(MERCURY["bow_shock"], flown().position)
    normal = crossed.normal
    wind = np.array([-15.0, 12.0, -12.0])
    inward = (crossed.position - 0.01 * normal).assign_attrs(crossed.position.attrs)
    inside = plasma.synthetic_pass(inward, **MERCURY, moment=vector([0, 0, -190.0]), imf=vector(wind), compression=2.5)
    along = (normal.values * wind).sum(-1, keepdims=True) * normal.values
    assert inside.b.values == pytest.approx(along + 2.5 * (wind - along), abs=2e-3)
    outward = (crossed.position + 0.01 * normal).assign_attrs(crossed.position.attrs)
    outside = plasma.synthetic_pass(outward, **MERCURY, moment=vector([0, 0, -190.0]), imf=vector(wind))
    assert outside.b.values == pytest.approx(np.broadcast_to(wind, outside.b.shape))


@pytest.mark.slow
def test_minimum_variance_finds_the_normal_that_was_put_in():
    crossed = plasma.boundary_crossings(MERCURY["magnetopause"], flown().position).isel(time=0)
    path = plasma.straight_path(  # along the normal, through a layer so thin that the dipole hardly changes
        times(200, 0.1), velocity=crossed.normal.values, through=crossed.position.values, frame="MSO"
    )
    field = plasma.synthetic_pass(
        path, **MERCURY, moment=vector([0, 0, -190.0]), imf=vector([-15.0, 12, -12]), half_thickness=3.0
    )
    found = plasma.minimum_variance(field.b).eigenvector.sel(axis="N", drop=True)
    assert plasma.angle_between(found, crossed.normal.drop_vars("time")).item() < 3


@pytest.mark.slow
def test_deep_inside_a_synthetic_pass_is_the_dipole_and_noise_is_what_was_asked_for():
    made = flown()
    deep = (plasma.boundary_distance(MERCURY["magnetopause"], made.position) < -1500).values
    centre = MERCURY["magnetopause"].centre
    moment, radius = vector([0, 0, -190.0]), number(2440.0, "km")
    own = plasma.planetary_dipole_field(made.position, moment, radius=radius, centre=centre)
    assert (
        np.linalg.norm((made.b - own).values[deep], axis=-1).max()
        < 0.5 * np.linalg.norm(own.values[deep], axis=-1).max()
    )
    rest = (flown(noise=2.0, seed=3).b - made.b).values
    assert rest.std() == pytest.approx(2.0, rel=0.03)


@pytest.mark.slow
def test_a_synthetic_pass_keeps_nan_and_refuses_what_cannot_be():
    path = flown().position.isel(time=slice(0, 5))
    holed = path.where(path.time != path.time[2]).assign_attrs(path.attrs)
    made = plasma.synthetic_pass(holed, **MERCURY, moment=vector([0, 0, -190.0]), imf=vector([1.0, 2, 3]))
    assert np.isnan(made.b.values[2]).all() and np.isfinite(made.b.values[[0, 1, 3, 4]]).all()
    fine = {**MERCURY, "moment": vector([0, 0, -190.0]), "imf": vector([1.0, 2, 3])}
    mars = plasma.planetary_boundary("mars_bow_shock_vignes_2000")
    for change, error in (
        ({"compression": 5}, BadOption),
        ({"half_thickness": 0}, BadOption),
        ({"noise": -1}, BadOption),
        ({"magnetopause": MERCURY["bow_shock"]}, WrongData),
        ({"bow_shock": mars}, WrongData),
        ({"imf": vector([1.0, 2, 3], frame="MSM")}, WrongFrame),
        ({"imf": vector([1.0, 2, 3], "km")}, WrongUnits),
        ({"imf": vector(np.ones((5, 3)), dims=("time", "component"))}, WrongData),
    ):
        with pytest.raises(error):
            plasma.synthetic_pass(path, **{**fine, **change})


def named_otherwise(array, order, letters):
    return array.isel(component=order).assign_coords(component=letters)


def test_components_are_told_by_what_their_labels_hold():
    path = orbit(60)
    other = named_otherwise(path, [2, 1, 0], ["Z", "Y", "X"])
    moment, radius = vector([10.0, 20.0, -190.0]), number(3390.0, "km")
    turned = named_otherwise(moment.assign_coords(component=list("xyz")), [1, 2, 0], ["By", "Bz", "Bx"])
    xr.testing.assert_allclose(
        plasma.planetary_dipole_field(other, turned, radius=radius),
        plasma.planetary_dipole_field(path, moment, radius=radius),
    )
    cell = number(500.0, "km")
    xr.testing.assert_allclose(plasma.residence_time(other, cell=cell), plasma.residence_time(path, cell=cell))
    mercury = {
        "magnetopause": plasma.planetary_boundary("mercury_magnetopause_winslow_2013"),
        "bow_shock": plasma.planetary_boundary("mercury_bow_shock_winslow_2013"),
    }
    imf = vector([-15.0, 12.0, -20.0]).assign_coords(component=list("xyz"))
    plain = plasma.synthetic_pass(path, moment=moment, imf=imf, **mercury)
    again = plasma.synthetic_pass(
        other, moment=turned, imf=named_otherwise(imf, [2, 0, 1], ["Bz", "Bx", "By"]), **mercury
    )
    xr.testing.assert_allclose(again.b, plain.b)
    density, flow = number(1.0, "cm-3"), vector([400.0, 30.0, 0.0], "km s-1").assign_coords(component=list("xyz"))
    xr.testing.assert_allclose(
        plasma.alfven_wing_angle(turned, named_otherwise(flow, [2, 1, 0], ["Vz", "Vy", "Vx"]), density),
        plasma.alfven_wing_angle(moment, flow, density),
    )


def test_components_along_other_axes_are_refused():
    for letters in (["r", "theta", "phi"], ["r", "t", "n"]):
        with pytest.raises(WrongData, match="cartesian"):
            plasma.residence_time(orbit(60).assign_coords(component=letters), cell=number(500.0, "km"))


def test_coverage_takes_a_mask_without_times_only_if_it_fits():
    path, cell = orbit(60), number(500.0, "km")
    mask = np.arange(60) < 30
    hours = plasma.residence_time(path, cell=cell, where=xr.DataArray(mask, dims="time"))
    assert float(hours.sum()) == pytest.approx(0.5)
    for wrong in (mask, xr.DataArray(mask[1:], dims="time"), xr.DataArray(mask * 1.0, dims="time")):
        with pytest.raises(WrongData, match="where"):
            plasma.residence_time(path, cell=cell, where=wrong)


@pytest.mark.parametrize("frame", [None, "", 3])
def test_a_sphere_needs_a_frame_with_a_name(frame):
    with pytest.raises(BadOption, match="frame"):
        plasma.surface_positions(number(1.0, "km"), step=90, frame=frame)


@pytest.mark.parametrize("seed", [-1, 2.5, "a", None, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(BadOption, match="seed"):
        plasma.synthetic_wind(samples=32, seed=seed)
    says = {"moment": vector([0.0, 0, -190]), "imf": vector([0.0, 0, -20]), "seed": seed, "noise": 1.0}
    with pytest.raises(BadOption, match="seed"):
        plasma.synthetic_pass(
            orbit(5),
            magnetopause=plasma.planetary_boundary("mercury_magnetopause_winslow_2013"),
            bow_shock=plasma.planetary_boundary("mercury_bow_shock_winslow_2013"),
            **says,
        )


@pytest.mark.parametrize("tilt", [20.0, 63.4349, 120.0])
def test_the_apsides_turn_as_in_an_orbit_that_is_integrated_with_the_flattening(tilt):
    from scipy.integrate import solve_ivp

    gm, j2, size, low, high = 398600.435507, 1.08263e-3, 6378.137, 7000.0, 42000.0
    axis = (low + high) / 2
    period = 2 * np.pi * np.sqrt(axis**3 / gm)

    def pulled(_, state):
        r, v = state[:3], state[3:]
        distance = np.linalg.norm(r)
        share = 5 * (r[2] / distance) ** 2
        flattened = r * np.array([1 - share, 1 - share, 3 - share])
        return np.r_[v, -gm * r / distance**3 - 1.5 * j2 * gm * size**2 / distance**5 * flattened]

    def apsis(r, v):
        towards = np.cross(v, np.cross(r, v)) / gm - r / np.linalg.norm(r)
        return towards / np.linalg.norm(towards)

    inclined = np.radians(tilt)
    start = np.r_[low, 0, 0, np.sqrt(gm * (2 / low - 1 / axis)) * np.array([0, np.cos(inclined), np.sin(inclined)])]
    span = 40 * period
    end = solve_ivp(pulled, (0, span), start, rtol=1e-9, atol=1e-6, method="DOP853").y[:, -1]
    expected = apsis(end[:3], end[3:])
    when = plasma.sampling_times("2030-01-01", cadence=10.0, count=round((span + period / 2) / 10))
    options = {"body": "Earth", "periapsis": low, "apoapsis": high, "inclination": tilt, "oblate": True}
    path = plasma.keplerian_positions(when, **options).values[-round(period / 10) :]
    ours = path[np.linalg.norm(path, axis=1).argmin()]
    moved = np.degrees(np.arccos(expected[0]))
    off = np.degrees(np.arccos(ours @ expected / np.linalg.norm(ours)))
    assert moved > 2 and off < max(0.05 * moved, 0.5)


def test_the_sheath_at_the_magnetopause_holds_what_lies_along_it_k_fold():
    crossed = plasma.boundary_crossings(MERCURY["magnetopause"], flown().position)
    wind, thin = np.array([-15.0, 12.0, -12.0]), 0.01
    outward = (crossed.position + 0.2 * crossed.normal).assign_attrs(crossed.position.attrs)
    outside = plasma.synthetic_pass(
        outward, **MERCURY, moment=vector([0, 0, -190.0]), imf=vector(wind), compression=2.5, half_thickness=thin
    )
    normal = crossed.normal.values
    along = wind - (normal @ wind)[:, None] * normal
    assert outside.b.values == pytest.approx(2.5 * along, abs=0.05)


def test_a_synthetic_pass_takes_one_moment():
    moment = vector([[0, 0, -190.0], [0, 0, -200.0]], dims=("point", "component"))
    with pytest.raises(WrongData, match="moment"):
        plasma.synthetic_pass(orbit(5), **MERCURY, moment=moment, imf=vector([0, 0, -20.0]))

"""Boundaries of planets against what their papers say of them; crossings, regions and fits."""

import warnings

import numpy as np
import pytest
import xarray as xr

from analysis import plasma
from analysis.errors import AnalysisWarning, BadOption, MissingUnits, OutsideCoverage, WrongData, WrongFrame, WrongUnits
from analysis.model import check
from analysis.plasma.planet_models import PLANET_MODELS

pytestmark = pytest.mark.slow  # the examples in the docstrings stay in the quick tier

MARS, MERCURY, SATURN = 3390.0, 2440.0, 60268.0
MINUTES = np.arange("2020-01-01T00:00", "2020-01-01T02:01", dtype="datetime64[m]").astype("datetime64[ns]")


def number(value, units, dims=(), **coords):
    return xr.DataArray(value, dims=dims, coords=coords, attrs={"units": units, "long_name": "Test"})


def made(model, **options):
    if "pdyn" not in options and model.startswith(("jupiter", "saturn")):
        options["pdyn"] = number(0.1, "nPa")
    return plasma.planetary_boundary(model, **options)


def along(boundary, degrees):
    """Return the distance from the model's centre, in radii of the planet."""
    angle = number(degrees, "deg")
    distance = plasma.boundary_radius(boundary, angle, number(0.0, "deg"))
    return distance.item() / (1.0 if distance.units == "R_jup" else boundary.planet_radius.item())


def trajectory(start, stop, frame="MSO", units="km", radius=1.0):
    share = np.linspace(0, 1, MINUTES.size)[:, None]
    places = (np.array(start) * (1 - share) + np.array(stop) * share) * radius
    return xr.DataArray(
        places,
        dims=["time", "component"],
        coords={"time": ("time", MINUTES, {"long_name": "Time (UTC)"})},
        name="position",
        attrs={"units": units, "frame": frame, "long_name": "Position"},
    )


@pytest.mark.parametrize(
    ("model", "subsolar", "terminator"),
    [  # the distances in units of the planet's radius that the papers give beside their coefficients
        ("mars_bow_shock_vignes_2000", 1.64, 2.62),
        ("mars_mpb_vignes_2000", 1.29, 1.47),
        ("mars_bow_shock_edberg_2008", 1.58, None),
        ("mars_mpb_edberg_2008", 1.33, None),
        ("mars_bow_shock_trotignon_2006", 1.63, None),
        ("mars_mpb_trotignon_2006", 1.25, None),
        ("mercury_bow_shock_winslow_2013", 1.96, None),
        ("mercury_bow_shock_winslow_2013_midpoints", 1.90, None),
        ("mercury_magnetopause_winslow_2013", 1.45, None),
    ],
)
def test_the_subsolar_distance_is_the_one_in_the_paper(model, subsolar, terminator):
    boundary = made(model)
    assert along(boundary, 0.0) == pytest.approx(subsolar, abs=0.006)
    if terminator:
        assert along(boundary, 90.0) == pytest.approx(terminator, abs=0.006)


def test_mercurys_magnetopause_follows_the_pressure_as_the_abstract_says():
    # Winslow et al. 2013: 1.55 to 1.35 radii for 8.8 to 21.6 nPa, 1.45 at the mean of 14.3 nPa
    boundary = made("mercury_magnetopause_winslow_2013", pdyn=number([8.8, 14.3, 21.6], "nPa", "case"))
    assert (boundary.standoff / MERCURY).values == pytest.approx([1.55, 1.45, 1.35], abs=0.015)


def test_jupiters_boundaries_are_where_joy_found_them_most_often():
    # Joy et al. 2002: the magnetopause prefers 63 and 92 radii (at 0.306 and 0.039 nPa); the shock then is at 73
    for pressure, distance in ((0.306, 63), (0.039, 92)):
        assert along(made("jupiter_magnetopause_joy_2002", pdyn=number(pressure, "nPa")), 0.0) == pytest.approx(
            distance, abs=0.5
        )
    assert along(made("jupiter_bow_shock_joy_2002", pdyn=number(0.306, "nPa")), 0.0) == pytest.approx(73, abs=1.0)


JOY = {  # coefficients of Joy et al. (2002), in units of 120 radii: A, B, C go with P^(-1/4), D, E, F with P
    "magnetopause": "-0.134 0.488 -0.581 -0.225 -0.186 -0.016 -0.014 0.096 -0.814 -0.811 -0.050 0.168",
    "bow_shock": "-1.107 1.591 -0.566 -0.812 0.048 -0.059 0.077 -0.038 -0.874 -0.299 -0.055 0.124",
}


@pytest.mark.parametrize("boundary", JOY)
@pytest.mark.parametrize("pressure", [0.04, 0.3])
def test_points_of_jupiters_boundaries_solve_the_equation_of_joy(boundary, pressure):
    surface = made(f"jupiter_{boundary}_joy_2002", pdyn=number(pressure, "nPa"))
    theta, phi = np.radians([0.0, 40, 70, 95, 110]), np.radians([0.0, 30, 100, 200, 320])
    angles = [number(np.degrees(angle), "deg", "direction") for angle in (theta, phi)]
    r = plasma.boundary_radius(surface, *angles).values / 120
    x, y, z = r * np.cos(theta), r * np.sin(theta) * np.cos(phi), r * np.sin(theta) * np.sin(phi)
    first, second = np.array(JOY[boundary].split(), float).reshape(6, 2).T
    a, b, c, d, e, f = first + second * np.array([pressure**-0.25] * 3 + [pressure] * 3)
    assert np.isfinite(r).all()
    np.testing.assert_allclose(z**2, a + b * x + c * x**2 + d * y + e * y**2 + f * x * y, atol=1e-9)


def test_the_night_of_trotignons_boundary_is_its_second_conic():
    surface = made("mars_mpb_trotignon_2006")
    for degrees in (100.0, 130.0, 160.0):
        r, angle = along(surface, degrees), np.radians(degrees)
        x, across = r * np.cos(angle) - 1.60, r * np.sin(angle)  # from the focus
        assert np.hypot(x, across) + 1.009 * x == pytest.approx(0.528)


def test_jupiters_magnetopause_is_flat_at_the_poles_and_wider_at_dusk():
    # Joy et al. 2002: polar flattening, and the boundary farther from Jupiter on the dusk side (+Y)
    surface = made("jupiter_magnetopause_joy_2002")
    flank = number([0.0, 90.0, 180.0], "deg", "phi")  # dusk, north and dawn of the tail
    for one in (surface, made("jupiter_bow_shock_joy_2002")):
        dusk, north, dawn = plasma.boundary_radius(one, number(120.0, "deg"), flank).values
        assert north < dawn < dusk
    in_units_of_120 = np.array([0.2, 0.3])  # and the points of its equation lie on it
    p = 0.1
    x, y = in_units_of_120
    terms = ((-0.134, 0.488, 1), (-0.581, -0.225, x), (-0.186, -0.016, x * x))
    squared = sum((one + two * p**-0.25) * by for one, two, by in terms)
    squared += (-0.014 + 0.096 * p) * y + (-0.814 - 0.811 * p) * y * y + (-0.050 + 0.168 * p) * x * y
    place = xr.DataArray([120 * x, 120 * y, 120 * squared**0.5], dims="component")
    place = place.assign_attrs(units="R_jup", frame="JSS")
    assert plasma.boundary_distance(surface, place).item() == pytest.approx(0.0, abs=1e-6)


def test_saturns_boundaries_are_where_cassini_found_them():
    # 24.9 radii for the shock at 0.048 nPa (as the University of Maryland draws the model of Masters et al. 2008)
    assert along(made("saturn_bow_shock_masters_2008", pdyn=number(0.048, "nPa")), 0.0) == pytest.approx(24.9, abs=0.1)
    small, large = (made("saturn_magnetopause_kanani_2010", pdyn=number(p, "nPa")) for p in (0.1, 0.01))
    assert large.standoff.item() / small.standoff.item() == pytest.approx(10 ** (1 / 5.0))  # their exponent
    assert small.standoff.item() / SATURN == pytest.approx(10.3 * 0.1**-0.2)
    assert small.flaring.item() == pytest.approx(0.77)


@pytest.mark.slow
@pytest.mark.parametrize("model", PLANET_MODELS)
def test_every_model_keeps_the_contract_and_knows_where_it_is(model):
    boundary = check(made(model))
    frame = boundary.frame
    far = trajectory([300, 0, 0], [-5, 1, 0], frame=frame, units=boundary[next(iter(boundary.data_vars))].units)
    if boundary.body == "Jupiter":
        far = far.assign_attrs(units="R_jup")
    else:
        far = (far * boundary.planet_radius.item()).assign_attrs({**far.attrs, "units": "km"})
    found = check(plasma.boundary_crossings(boundary, far))
    assert found.direction.values.tolist() == [-1]
    assert abs(plasma.boundary_distance(boundary, found.position)).max() < 1e-6 * abs(found.position).max()
    check(plasma.boundary_cut(boundary, "xz", points=19))


def test_a_pressure_outside_the_fit_is_said():
    model = "mercury_magnetopause_winslow_2013"
    with pytest.warns(AnalysisWarning, match="50 nPa is outside the 8.8 to 21.6 nPa"):
        made(model, pdyn=number(50.0, "nPa"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        many = made(model, pdyn=number([5.0, 10.0, np.nan], "nPa", "case"))
    assert many.in_validity.values.tolist() == [False, True, False]
    assert np.isnan(many.standoff.values).tolist() == [False, False, True]


def test_msm_is_mso_seen_from_the_dipole():
    centred, offset = made("mercury_magnetopause_winslow_2013", frame="MSM"), made("mercury_magnetopause_winslow_2013")
    place = xr.DataArray([1000.0, 2500.0, 3000.0], dims="component", attrs={"units": "km", "frame": "MSO"})
    moved = (place - [0, 0, 0.196 * MERCURY]).assign_attrs(units="km", frame="MSM")
    assert plasma.boundary_distance(offset, place).item() == pytest.approx(
        plasma.boundary_distance(centred, moved).item()
    )
    with pytest.raises(WrongFrame, match=r"is in MSM.*needs it in MSO"):
        plasma.boundary_distance(offset, moved)
    assert plasma.boundary_cut(offset, "xy").z.dropna("angle").values == pytest.approx(0.196 * MERCURY)


def test_a_planet_that_moves_meets_its_wind_from_the_side_it_moves_to():
    angle = plasma.aberration_angle(number(24.0, "km s-1"), number([400.0, np.inf, 800.0], "km s-1", "case")[::2])
    assert np.tan(np.radians(angle.values)) == pytest.approx([0.06, 0.03])
    shock = made("mars_bow_shock_vignes_2000", aberration=angle)
    wind = np.array([-400.0, 24.0, 0.0]) / np.hypot(400, 24)  # in MSO the planet moves towards -Y
    nose = xr.DataArray(-wind * 1.0, dims="component", attrs={"units": "km", "frame": "MSO"})
    assert plasma.boundary_normal(shock, nose).isel(case=0).values == pytest.approx(-wind, abs=1e-6)


def test_an_aberration_for_each_time_turns_each_point_by_its_own():
    angles = number([0.0, 10.0], "deg", "time", time=MINUTES[[0, -1]])
    shock = made("mars_bow_shock_vignes_2000", aberration=angles)
    flank = trajectory([0, 5, 0], [0, 5, 0], radius=MARS)
    found = plasma.boundary_distance(shock, flank)
    fixed = [made("mars_bow_shock_vignes_2000", aberration=number(one, "deg")) for one in (0.0, 5.0, 10.0)]
    expected = [plasma.boundary_distance(one, flank[0]).item() for one in fixed]
    assert found.values[[0, 60, 120]] == pytest.approx(expected)
    assert found[0] > found[-1]  # the shock leans to +Y


def test_crossings_are_found_between_the_samples():
    shock = made("mars_bow_shock_vignes_2000", aberration=number(0.0, "deg"))
    path = trajectory([3, 0.5, 0], [-3, 0.5, 0], radius=MARS)
    found = check(plasma.boundary_crossings(shock, path))
    assert found.sizes["time"] == 1 and found.direction.item() == -1
    fine = np.interp(
        found.time.values.astype(float), MINUTES.astype(float), path.sel(component="x") if False else path[:, 0]
    )
    assert fine == pytest.approx(found.position.values[:, 0], rel=1e-6)
    assert found.step.item() == 60.0
    assert (found.normal * found.position).sum() > 0 and found.normal.attrs["frame"] == "MSO"


def test_a_pass_through_the_tail_goes_in_and_out():
    found = plasma.boundary_crossings(
        made("mars_mpb_edberg_2008"), trajectory([-1, -4, 0.2], [-1, 4, 0.2], radius=MARS)
    )
    assert found.direction.values.tolist() == [-1, 1]
    assert found.direction.flag_meanings == "inbound outbound"


def test_no_crossing_is_an_empty_answer_and_nan_hides_one():
    shock = made("mars_bow_shock_vignes_2000")
    outside = trajectory([9, 0, 0], [5, 0, 0], radius=MARS)
    assert check(plasma.boundary_crossings(shock, outside)).sizes["time"] == 0
    path = trajectory([3, 0, 0], [1, 0, 0], radius=MARS)
    at = int(np.searchsorted(MINUTES, plasma.boundary_crossings(shock, path).time.values[0]))
    assert plasma.boundary_crossings(shock, path.where(path.time != MINUTES[at])).sizes["time"] == 0


def test_a_breathing_boundary_crosses_a_resting_spacecraft():
    pdyn = number([8.8, 21.6], "nPa", "time", time=MINUTES[[0, -1]])
    boundary = made("mercury_magnetopause_winslow_2013", pdyn=pdyn, frame="MSM", aberration=number(0.0, "deg"))
    rest = trajectory([1.45, 0, 0], [1.45, 0, 0], frame="MSM", radius=MERCURY)
    found = plasma.boundary_crossings(boundary, rest)
    assert found.direction.values.tolist() == [1]
    shrunk = boundary.standoff.interp(time=found.time) / MERCURY
    assert shrunk.values == pytest.approx([1.45])
    with pytest.raises(OutsideCoverage, match="standoff of the boundary is known"):
        plasma.boundary_crossings(boundary.isel(time=[0]), rest)


def test_a_distance_is_flagged_as_the_wind_that_it_was_made_of():
    flag = {
        "units": "1",
        "long_name": "Flag",
        "flag_values": [0, 1, 2],
        "flag_meanings": "filled interpolated measured",
    }
    pdyn = number([10.0, 12, 14, 16], "nPa", "time", time=MINUTES[[0, 10, 20, 120]])
    pdyn = pdyn.rename("pdyn").assign_coords(pdyn_quality=("time", [2, 2, 0, 2], flag))
    boundary = made("mercury_magnetopause_winslow_2013", pdyn=pdyn, frame="MSM")
    path = trajectory([2, 0, 0], [1, 1, 0], frame="MSM", radius=MERCURY)
    found = check(plasma.boundary_distance(boundary, path))
    assert found.distance_quality.values[[0, 5, 10, 11, 20, 60, 120]].tolist() == [2, 2, 2, 0, 0, 0, 2]
    assert (plasma.regions(path, magnetopause=boundary).region_quality == found.distance_quality).all()
    own = plasma.boundary_distance(boundary, path[[0, 10, 20, 120]])
    assert own.distance_quality.values.tolist() == [2, 2, 0, 2]


def test_regions_follow_each_other_along_the_sunward_line():
    inner, outer = made("mars_mpb_vignes_2000"), made("mars_bow_shock_vignes_2000")
    path = trajectory([3, 0, 0], [-3, 0, 0], radius=MARS)
    path[5] = np.nan
    found = check(plasma.regions(path, magnetopause=inner, bow_shock=outer, tail=number(-2 * MARS, "km")))
    words = dict(zip(found.flag_values.tolist(), found.flag_meanings.split(), strict=True))
    seen = [words[value] for value in found.values]
    assert seen[5] == "unknown"
    in_order = [word for word, before in zip(seen, ["", *seen[:-1]], strict=True) if word != before]
    assert in_order == ["solar_wind", "unknown", "solar_wind", "magnetosheath", "induced_magnetosphere", "tail"]
    assert (
        found == plasma.regions(path.chunk(time=30), magnetopause=inner, bow_shock=outer, tail=number(-2 * MARS, "km"))
    ).all()


def test_regions_agree_with_crossings():
    inner, outer = made("mars_mpb_vignes_2000"), made("mars_bow_shock_vignes_2000")
    path = trajectory([2, -6, 1], [-2, 6, 0.3], radius=MARS)
    steps = np.flatnonzero(np.diff(plasma.regions(path, magnetopause=inner, bow_shock=outer).values))
    times = np.sort(np.concatenate([plasma.boundary_crossings(one, path).time.values for one in (inner, outer)]))
    assert len(times) == 4
    assert ((times >= MINUTES[steps]) & (times <= MINUTES[steps + 1])).all()


def test_models_that_contradict_each_other_are_not_believed():
    shrunk = made("mars_bow_shock_vignes_2000")
    shrunk["semilatus_rectum"] = shrunk.semilatus_rectum * 0.2
    shrunk.semilatus_rectum.attrs["units"] = "km"
    place = xr.DataArray([1.2 * MARS, 0, 0], dims="component", attrs={"units": "km", "frame": "MSO"})
    assert plasma.regions(place, magnetopause=made("mars_mpb_vignes_2000"), bow_shock=shrunk).item() == 0


def midpoints(path):
    """Return the middle of each in/out pair of the crossings that Winslow et al. used, in radii."""
    rows = [line.split() for line in path.read_text().splitlines()]
    used = [row for row in rows if row[6] == "w" and row[1] <= "20111219"]
    places = np.array([[float(part) for part in row[3:6]] for row in used])
    return (places[::2] + places[1::2]) / 2


def test_the_fit_to_messenger_is_that_of_winslow(oracle):
    # Winslow et al. 2013: 1.45 radii and 0.5 from their crossings
    places = midpoints(oracle / "plasma" / "messenger" / "mp_crossings.dat")
    assert len(places) == 1065
    crossings = xr.DataArray(
        places * MERCURY,
        dims=["crossing", "component"],
        attrs={"units": "km", "frame": "MSO", "long_name": "Crossings"},
    )
    model = made("mercury_magnetopause_winslow_2013")
    fit = check(plasma.fit_boundary(crossings, model))
    standoff, flaring = fit.value.values
    assert 1.42 < standoff / MERCURY < 1.44
    assert 0.48 < flaring < 0.53
    assert fit.bins == 1065 and fit.dof == 1063
    # the tail of a planet that moves towards -Y leans to +Y: the other sign of the aberration scatters more
    for angle in (0.0, -6.75):
        other = made("mercury_magnetopause_winslow_2013", aberration=number(angle, "deg"))
        assert plasma.fit_boundary(crossings, other, scale=number(200.0, "km")).statistic_value > (
            plasma.fit_boundary(crossings, model, scale=number(200.0, "km")).statistic_value
        )


def test_a_fit_finds_the_surface_that_its_points_are_on_and_is_a_boundary():
    truth = made("mars_bow_shock_trotignon_2006")
    line = plasma.boundary_cut(truth, "xy", points=181, limit=5 * MARS)
    points = line.to_dataarray("component").transpose("angle", "component").dropna("angle")
    points = points.assign_attrs(units="km", frame="MSO")
    fit = plasma.fit_boundary(points, made("mars_bow_shock_edberg_2008"))
    assert fit.value.values == pytest.approx([truth[name].item() for name in fit.parameter.values], rel=1e-5)
    assert abs(plasma.boundary_distance(fit, points)).max() < 0.1
    check(plasma.boundary_cut(fit))
    held = plasma.fit_boundary(points, truth, fixed=["x0"])
    assert np.isnan(held.error.sel(parameter="x0")) and held.dof == fit.dof + 1


@pytest.mark.slow
def test_a_robust_fit_does_not_follow_a_stray_crossing_and_its_error_is_that_of_many_fits():
    rng = np.random.default_rng(5)
    truth = made("mercury_magnetopause_winslow_2013", frame="MSM", aberration=number(0.0, "deg"))
    theta, phi = rng.uniform(0, 2.2, (60, 200)), rng.uniform(0, 2 * np.pi, (60, 200))
    r = 1.45 * (2 / (1 + np.cos(theta))) ** 0.5 + rng.normal(0, 0.1, theta.shape)
    place = r[..., None] * np.stack([np.cos(theta), np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)], -1)
    attrs = {"units": "km", "frame": "MSM"}
    fits = [
        plasma.fit_boundary(xr.DataArray(one * MERCURY, dims=["n", "component"], attrs=attrs), truth) for one in place
    ]
    spread = np.std([fit.value.values for fit in fits], axis=0)
    assert np.mean([fit.error.values for fit in fits], axis=0) == pytest.approx(spread, rel=0.25)
    place[0, 0] = [40.0, 0, 0]
    stray = xr.DataArray(place[0] * MERCURY, dims=["n", "component"], attrs=attrs)
    robust, plain = (plasma.fit_boundary(stray, truth, loss=loss).value.values for loss in ("soft_l1", "linear"))
    assert abs(robust[0] / MERCURY - 1.45) < 0.05 < abs(plain[0] / MERCURY - 1.45)


def test_the_list_of_models_is_read_by_eye():
    table = plasma.boundary_models()
    assert set(PLANET_MODELS) | {"shue_1997", "shue_1998"} <= set(table.model)
    mars = plasma.boundary_models("mars").set_index("model")
    assert mars.loc["mars_bow_shock_vignes_2000", "errors"] == "x0 ± 0.02; eccentricity ± 0.01; semilatus_rectum ± 0.02"
    assert "2.15 P^-0.1481" in plasma.boundary_models("Mercury").parameters[0]
    assert table.reference.str.contains("doi:10.").all()
    with pytest.raises(BadOption, match="no boundary of 'Pluto'"):
        plasma.boundary_models("Pluto")


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda: made("mars_bow_shock_vignes"), BadOption, "did you mean 'mars_bow_shock_vignes_2000'"),
        (lambda: made("mars_mpb_edberg_2008", frame="MSM"), BadOption, "frame of mars_mpb_edberg_2008 'MSM'"),
        (lambda: made("mars_mpb_edberg_2008", pdyn=number(1.0, "nPa")), BadOption, "leave pdyn out"),
        (lambda: plasma.planetary_boundary("jupiter_bow_shock_joy_2002"), WrongData, "give its dynamic pressure"),
        (lambda: made("jupiter_bow_shock_joy_2002", pdyn=number(0.0, "nPa")), WrongData, "not above zero"),
        (lambda: made("jupiter_bow_shock_joy_2002", pdyn=number(1.0, "nT")), WrongUnits, "'nT'"),
        (lambda: made("jupiter_bow_shock_joy_2002", pdyn=0.1), MissingUnits, "a float has no units"),
        (lambda: made("mars_mpb_edberg_2008", aberration=number(4.0, "km")), WrongUnits, "'km'"),
        (lambda: plasma.aberration_angle(number(30.0, "km s-1"), number(0.0, "km s-1")), WrongData, "not above zero"),
    ],
)
def test_a_boundary_that_is_not_to_be_had_is_refused(ask, error, says):
    with pytest.raises(error, match=says):
        ask()


MPB, SHOCK, PATH = made("mars_mpb_vignes_2000"), made("mars_bow_shock_vignes_2000"), trajectory([3, 0, 0], [1, 0, 0])


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda: plasma.boundary_crossings(MPB, PATH[::-1]), WrongData, "do not increase"),
        (lambda: plasma.boundary_crossings(MPB, PATH[0]), WrongData, "dims time and component"),
        (lambda: plasma.boundary_crossings(MPB, PATH.assign_attrs(frame="GSE")), WrongFrame, "is in GSE"),
        (lambda: plasma.boundary_crossings(MPB.expand_dims(case=2), PATH), WrongData, "also has the dim case"),
        (lambda: plasma.regions(PATH, magnetopause=SHOCK), WrongData, "magnetopause= is a bow_shock"),
        (lambda: plasma.regions(PATH, magnetopause=MPB, bow_shock=MPB), WrongData, "it must be a bow_shock"),
        (lambda: plasma.regions(PATH, magnetopause=MPB, tail=number(5.0, "km")), WrongData, "one negative length"),
        (
            lambda: plasma.regions(PATH, magnetopause=MPB, bow_shock=made("mercury_bow_shock_winslow_2013")),
            WrongData,
            "two of one planet",
        ),
        (lambda: plasma.fit_boundary(PATH[:2], SHOCK), WrongData, "2 crossings cannot fix 3"),
        (lambda: plasma.fit_boundary(PATH, SHOCK, fixed="x0"), BadOption, r"fixed=\['x0'\]"),
        (lambda: plasma.fit_boundary(PATH, SHOCK, fixed=["focus"]), BadOption, "'focus' is not known"),
        (lambda: plasma.fit_boundary(PATH, SHOCK, fixed=list(SHOCK)[:3]), BadOption, "leave one free"),
        (lambda: plasma.fit_boundary(PATH, SHOCK, loss="huber"), BadOption, "soft_l1, linear"),
        (lambda: plasma.fit_boundary(PATH, SHOCK, scale=number(0.0, "km")), BadOption, "one length above zero"),
        (lambda: plasma.fit_boundary(PATH, SHOCK.expand_dims(case=2)), WrongData, "give one shape"),
        (lambda: plasma.fit_boundary(PATH.drop_attrs(), SHOCK), MissingUnits, "position has no"),
    ],
)
def test_questions_without_an_answer_are_refused(ask, error, says):
    with pytest.raises(error, match=says):
        ask()

"""Surfaces of boundaries: limits, symmetries, brute force, and refusals."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, OutsideCoverage, WrongData, WrongFrame, WrongUnits
from analysis.model import check
from analysis.plasma import forms

pytestmark = pytest.mark.slow  # the examples in the docstrings stay in the quick tier

HOURS = np.arange("2001-03-31T00", "2001-03-31T06", dtype="datetime64[h]").astype("datetime64[ns]")
EARTH = {"body": "Earth", "boundary": "magnetopause", "model": "mine", "frame": "GSM"}


def number(value, units, dims=(), **coords):
    return xr.DataArray(value, dims=dims, coords=coords, attrs={"units": units, "long_name": "Test"})


def shue(standoff=10.0, flaring=0.58, **attrs):
    nose = standoff if isinstance(standoff, xr.DataArray) else number(standoff, "R_earth")
    parts = {"standoff": nose, "flaring": number(flaring, "1")}
    return xr.Dataset(parts, attrs={**EARTH, "form": "shue", **attrs})


def conic(x0=3.0, eccentricity=1.03, semilatus_rectum=20.0, **attrs):
    parts = {
        "x0": number(x0, "R_earth"),
        "eccentricity": number(eccentricity, "1"),
        "semilatus_rectum": number(semilatus_rectum, "R_earth"),
    }
    return xr.Dataset(parts, attrs={**EARTH, "boundary": "bow_shock", "form": "conic", **attrs})


def quadric(*coefficients, **attrs):
    parts = {
        name: number(value, unit.replace("L", "R_earth"))
        for (name, unit), value in zip(forms.QUADRIC.parameters.items(), coefficients, strict=True)
    }
    return xr.Dataset(parts, attrs={**EARTH, "form": "quadric", **attrs})


ELLIPSOID = quadric(-100.0, 1.0, 2.0, 0.5, 1.0, 1.5, 0.7, 0.1, 0.2, 0.1)


def at(*points, frame="GSM", units="R_earth"):
    return xr.DataArray(
        np.array(points), dims=["point", "component"], name="position", attrs={"units": units, "frame": frame}
    )


def along_x(start, stop, samples=6):
    x = np.linspace(start, stop, samples)
    return xr.DataArray(
        np.stack([x, 0 * x, 0 * x], axis=-1),
        dims=["time", "component"],
        coords={"time": ("time", HOURS[:samples], {"long_name": "Time (UTC)"})},
        name="position",
        attrs={"units": "R_earth", "frame": "GSM", "long_name": "Position"},
    )


def test_a_conic_of_eccentricity_zero_is_a_sphere_about_its_focus():
    places = at([7.0, 0, 0], [2.0, 0, 12.0], [-9.0, 3.0, 4.0])
    ball = conic(x0=2.0, eccentricity=0.0, semilatus_rectum=5.0)
    expected = np.linalg.norm(places.values - [2.0, 0, 0], axis=-1) - 5.0
    assert plasma.boundary_distance(ball, places).values == pytest.approx(expected, abs=1e-9)


@given(theta=st.floats(0, 100), x0=st.floats(-2, 4), e=st.floats(0, 1.2))
def test_a_conic_seen_from_the_centre_is_the_one_about_its_focus(theta, x0, e):
    r = forms.conic_radius(np.radians(theta), 0.0, x0, e, 20.0)
    x, rho = r * np.cos(np.radians(theta)) - x0, r * np.sin(np.radians(theta))
    assert np.hypot(x, rho) == pytest.approx(20.0 - e * x)  # the focus and the directrix


def test_a_hyperbola_is_open_beyond_its_asymptotes():
    shock = conic(eccentricity=1.15)
    opening = 180 - np.degrees(np.arccos(1 / 1.15))  # 1 + e cos(theta) > 0
    angles = number([opening - 0.5, opening + 0.5], "deg", "theta")
    assert np.isnan(plasma.boundary_radius(shock, angles).values).tolist() == [False, True]


def test_a_quadric_with_the_coefficients_of_a_conic_is_the_conic():
    x0, e, semi = 3.0, 1.03, 20.0
    m = semi + e * x0
    same = quadric(x0**2 - m**2, 2 * (e * m - x0), 0, 0, 1 - e**2, 1, 1, 0, 0, 0)
    theta, phi = number([0.0, 60, 120], "deg", "theta"), number([0.0, 100, 250], "deg", "phi")
    conic_there = plasma.boundary_radius(conic(x0, e, semi), theta, phi)
    xr.testing.assert_allclose(plasma.boundary_radius(same, theta, phi), conic_there)


@pytest.mark.slow
@pytest.mark.parametrize("surface", [shue(), conic(), ELLIPSOID], ids=["shue", "conic", "quadric"])
def test_the_distance_is_that_to_the_nearest_of_many_points(surface):
    rng = np.random.default_rng(3)
    places = at(*(rng.normal(size=(12, 3)) * 14))
    form = forms.SHUE if "standoff" in surface else forms.CONIC if "x0" in surface else forms.QUADRIC
    theta, phi = np.meshgrid(np.linspace(0, 2.8, 1200), np.radians(np.arange(0, 360, 0.5)))
    r = form.radius(theta, phi, *(surface[name].item() for name in form.parameters))
    cloud = np.stack([r * part for part in forms.directions(theta, phi)], axis=-1).reshape(-1, 3)
    least = [np.nanmin(np.linalg.norm(cloud - place, axis=-1)) for place in places.values]
    found = abs(plasma.boundary_distance(surface, places)).values
    assert (found <= np.array(least) + 1e-9).all()
    assert found == pytest.approx(least, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("surface", [shue(), conic(), ELLIPSOID], ids=["shue", "conic", "quadric"])
@settings(max_examples=30)
@given(x=st.floats(-40, 20), y=st.floats(-30, 30), z=st.floats(-30, 30))
def test_going_back_by_the_distance_along_the_normal_lands_on_the_surface(surface, x, y, z):
    place = at([x, y, z])
    landed = place - plasma.boundary_distance(surface, place) * plasma.boundary_normal(surface, place)
    landed = landed.assign_attrs(place.attrs)
    assert plasma.boundary_distance(surface, landed, along="radius").item() == pytest.approx(0.0, abs=1e-6)


def test_the_normal_of_the_shue_form_is_that_of_its_derivative():
    # the slope of ln r is alpha tan(theta/2), so the normal leans from the radius by the arctangent of it
    theta = np.radians(70.0)
    place = at([np.cos(theta), 0.0, np.sin(theta)])
    normal = plasma.boundary_normal(shue(flaring=0.6), place, along="radius").values[0]
    lean = theta - np.arctan(0.6 * np.tan(theta / 2))
    assert normal == pytest.approx([np.cos(lean), 0.0, np.sin(lean)], abs=1e-9)


def test_distances_and_normals_come_back_in_unit_and_frame_of_the_position():
    places = at([12.0, 0, 0])
    distant = (places * 6378.1).assign_attrs(units="km", frame="gsm")
    assert plasma.boundary_distance(shue(), distant).item() == pytest.approx(2 * 6378.1)
    assert plasma.boundary_distance(shue(), distant).attrs["units"] == "km"
    assert plasma.boundary_normal(shue(), distant).attrs["frame"] == "GSM"
    check(plasma.boundary_distance(shue(), distant))
    check(plasma.boundary_normal(shue(), distant))


def test_a_surface_about_x_through_earth_is_the_same_in_gse_and_no_other_is():
    places = at([12.0, 3, 0], frame="GSE")
    assert plasma.boundary_distance(shue(), places).notnull().all()
    assert plasma.boundary_normal(shue(), places).attrs["frame"] == "GSE"
    for turned in (ELLIPSOID, shue().assign(aberration=number(4.0, "deg"))):
        with pytest.raises(WrongFrame, match=r"in GSE.*needs it in GSM"):
            plasma.boundary_distance(turned, places)


def test_the_tail_points_to_where_the_wind_goes_for_a_moving_planet():
    # Earth moves towards -Y (GSE) at 30 km/s, so in its frame the wind of 400 km/s also blows towards +Y
    wind = np.array([-400.0, 30.0, 0.0])
    boundary = shue().assign(aberration=number(np.degrees(np.arctan2(30, 400)), "deg"))
    down = plasma.boundary_distance(boundary, at(30 * wind / np.linalg.norm(wind)), along="normal")
    mirrored = plasma.boundary_distance(boundary, at(30 * wind * [1, -1, 1] / np.linalg.norm(wind)))
    assert down.item() < mirrored.item() < 0  # deepest inside on the axis of the tail, which is at y > 0
    nose = plasma.boundary_normal(boundary, at(-12 * wind / np.linalg.norm(wind))).values[0]
    assert nose == pytest.approx(-wind / np.linalg.norm(wind), abs=1e-6)
    line = plasma.boundary_cut(boundary, "xy", points=721)
    assert line.y.isel(angle=np.hypot(line.x, line.y).argmin("angle")).item() < 0  # the nose is on the dawn side


def test_parameters_are_interpolated_to_the_times_of_the_position():
    noses = number([9.0, 11.0], "R_earth", "time", time=HOURS[[0, 2]])
    places = along_x(12.0, 12.0, 3)
    found = plasma.boundary_distance(shue(noses), places)
    assert found.values == pytest.approx([3.0, 2.0, 1.0])
    assert found.dims == ("time",)


def test_a_time_that_the_boundary_does_not_know_is_refused():
    noses = number([9.0, 11.0], "R_earth", "time", time=HOURS[[0, 1]])
    with pytest.raises(OutsideCoverage, match="is known from 2001-03-31T00"):
        plasma.boundary_distance(shue(noses), along_x(12.0, 12.0, 3))
    with pytest.raises(WrongData, match="do not increase"):
        plasma.boundary_distance(shue(noses[::-1]), along_x(12.0, 12.0, 3))


def test_a_boundary_of_many_cases_gives_each_its_own_answer():
    noses = number([9.0, 11.0], "R_earth", "case")
    found = plasma.boundary_distance(shue(noses), at([12.0, 0, 0], [13.0, 0, 0], [14.0, 0, 0]))
    assert found.transpose("case", "point").values == pytest.approx(np.array([[3, 4, 5.0], [1, 2, 3.0]]))


def test_nan_stays_nan_and_an_open_direction_has_no_radius():
    places = at([np.nan, 1, 1], [-20.0, 0, 0])
    assert np.isnan(plasma.boundary_distance(shue(), places).values).tolist() == [True, False]
    assert np.isnan(plasma.boundary_distance(shue(), places, along="radius").values).all()
    assert np.isnan(plasma.boundary_normal(shue(), places).values[0]).all()
    assert np.isnan(plasma.boundary_distance(shue(standoff=np.nan), places).values).all()


def test_integers_other_orders_and_lazy_arrays_are_taken():
    ints = at([12, 3, -4])
    turned = ints.assign_coords(component=["x", "y", "z"]).sel(component=["z", "x", "y"])
    lazy = ints.chunk(point=1)
    expected = plasma.boundary_distance(shue(), ints.astype(float))
    for places in (ints, ints.astype("float32"), turned, turned.T, lazy):
        xr.testing.assert_allclose(plasma.boundary_distance(shue(), places), expected)
    assert plasma.boundary_distance(shue(), lazy).chunks
    xr.testing.assert_allclose(plasma.boundary_normal(shue(), lazy), plasma.boundary_normal(shue(), ints))


@pytest.mark.slow
def test_a_cut_is_on_the_surface_and_keeps_the_contract():
    for boundary in (shue(), shue().assign(aberration=number(4.0, "deg")), conic(), ELLIPSOID):
        for plane in ("xy", "xz", "yz"):
            line = check(plasma.boundary_cut(boundary, plane, points=37))
            points = line.to_dataarray("component").transpose("angle", "component").dropna("angle")
            points = points.assign_attrs(units="R_earth", frame="GSM")
            assert abs(plasma.boundary_distance(boundary, points, along="radius")).max() < 1e-9
            missing = {"xy": "z", "xz": "y", "yz": "x"}[plane]
            assert (line[missing].dropna("angle") == 0).all()


def test_a_cut_ends_where_the_limit_says():
    line = plasma.boundary_cut(shue(), "xy", limit=30.0)
    assert np.hypot(line.x, line.y).max() <= 30
    assert np.isnan(line.x.sel(angle=180.0)) and np.isnan(line.x.sel(angle=-180.0))


@pytest.mark.parametrize(
    ("boundary", "position", "options", "error", "says"),
    [
        (shue(), at([1, 2, 3.0], frame="SM"), {}, WrongFrame, r"in SM.*GSM"),
        (shue(), at([1, 2, 3.0], frame=""), {}, WrongFrame, "does not say its frame"),
        (shue(), at([1, 2, 3.0], units="nT"), {}, WrongUnits, "position is in 'nT'"),
        (shue(), at([1, 2, 3.0]).drop_attrs(), {}, MissingUnits, "position has no"),
        (shue(), at([1, 2.0]), {}, WrongData, "of size 3"),
        (shue(), at([1, 2, 3.0]), {"along": "normals"}, BadOption, "did you mean 'normal'"),
        (shue().standoff, at([1, 2, 3.0]), {}, WrongData, "it must be the Dataset"),
        (shue(form="shoe"), at([1, 2, 3.0]), {}, WrongData, "'shoe', which is not known"),
        (shue().drop_vars("flaring"), at([1, 2, 3.0]), {}, WrongData, "lacks flaring"),
        (shue().drop_attrs(), at([1, 2, 3.0]), {}, WrongData, "has no attrs body"),
        (shue(number([9.0, 8], "R_earth", "point", point=[1, 2])), at([1, 2, 3.0]), {}, WrongData, "same axes"),
    ],
)
def test_what_is_no_boundary_or_no_position_is_refused(boundary, position, options, error, says):
    for function in (plasma.boundary_distance, plasma.boundary_normal):
        with pytest.raises(error, match=says):
            function(boundary, position, **options)


def test_angles_beyond_a_half_turn_are_refused():
    with pytest.raises(WrongData, match="beyond 180"):
        plasma.boundary_radius(shue(), number(200.0, "deg"))
    with pytest.raises(WrongData, match="negative"):
        plasma.boundary_radius(ELLIPSOID, number(-20.0, "deg"))
    with pytest.raises(BadOption, match="plane 'zx'"):
        plasma.boundary_cut(shue(), "zx")
    with pytest.raises(BadOption, match="limit=-1"):
        plasma.boundary_cut(shue(), limit=-1)
    with pytest.raises(BadOption, match="points=2"):
        plasma.boundary_cut(shue(), points=2)

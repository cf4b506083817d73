"""The magnetopause against its papers, and what it refuses."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, UnknownVariable, WrongData, WrongFrame, WrongUnits
from analysis.model import check, provenance_of

FLAGS = {
    "units": "1",
    "long_name": "Flag",
    "flag_values": [0, 1, 2],
    "flag_meanings": "filled interpolated measured",
}


def field(value, frame="GSM", units="nT"):
    return xr.DataArray(value, attrs={"units": units, "frame": frame, "long_name": "Bz"})


def pressure(value, units="nPa"):
    return xr.DataArray(value, attrs={"units": units, "long_name": "Pressure"})


def standoff(bz, pdyn, model="shue_1998"):
    return plasma.magnetopause(bz=field(bz), pdyn=pressure(pdyn), model=model).standoff.item()


def wind(bz, pdyn, bz_flag=None, pdyn_flag=None):
    times = np.arange(len(bz)).astype("datetime64[h]").astype("datetime64[ns]")
    data = xr.Dataset({"bz": ("time", bz), "pdyn": ("time", pdyn)}, {"time": ("time", times, {"long_name": "Time"})})
    data.bz.attrs = {"units": "nT", "frame": "GSM", "long_name": "Bz"}
    data.pdyn.attrs = {"units": "nPa", "long_name": "Dynamic pressure"}
    for name, flag in (("bz", bz_flag), ("pdyn", pdyn_flag)):
        if flag is not None:
            data[f"{name}_quality"] = ("time", np.array(flag, "int8"), FLAGS)
    return data


def test_stand_off_of_1997_is_that_of_its_formula_worked_by_hand():
    # Shue et al. (1997), eq. 10: (11.4 + 0.14 Bz) Pdyn^(-1/6.6) for southward field
    found = plasma.magnetopause(bz=field(-2.4), pdyn=pressure(xr.Variable("case", [2.0, 4.0])), model="shue_1997")
    assert found.standoff.values == pytest.approx([9.96096838, 8.96790412], abs=5e-9)


def test_flaring_is_that_of_the_formulae_worked_by_hand():
    # Shue et al. (1997), (0.58 - 0.010 Bz)(1 + 0.010 Pdyn); (1998), (0.58 - 0.007 Bz)(1 + 0.024 ln Pdyn)
    wind = {"bz": field(-5.0), "pdyn": pressure(4.0)}
    assert plasma.magnetopause(**wind, model="shue_1997").flaring.item() == pytest.approx(0.63 * 1.04)
    assert plasma.magnetopause(**wind, model="shue_1998").flaring.item() == pytest.approx(0.615 * 1.0332711)


def test_average_solar_wind_holds_the_magnetopause_near_ten_earth_radii():
    # Shue et al. (1998), section 3: about 10.2 to 10.5 R_E at 2 nPa without Bz; the two models agree there
    assert standoff(0.0, 2.0) == pytest.approx(10.25, abs=0.1)
    assert standoff(0.0, 2.0, "shue_1997") == pytest.approx(standoff(0.0, 2.0), abs=0.1)


@given(bz=st.floats(-40, 15), p=st.floats(0.5, 60), k=st.floats(1.01, 10))
@pytest.mark.parametrize("model", ["shue_1997", "shue_1998"])
@pytest.mark.slow
def test_more_pressure_pushes_the_magnetopause_in_by_the_power_of_6_6(model, bz, p, k):
    assert standoff(bz, k * p, model) / standoff(bz, p, model) == pytest.approx(k ** (-1 / 6.6), rel=1e-9)


@given(bz=st.floats(-40, 15), step=st.floats(0.1, 10))
@pytest.mark.parametrize("model", ["shue_1997", "shue_1998"])
@pytest.mark.slow
def test_southward_field_erodes_and_flares_the_magnetopause(model, bz, step):
    calm, stormy = (plasma.magnetopause(bz=field(b), pdyn=pressure(3.0), model=model) for b in (bz, bz - step))
    assert stormy.standoff.item() < calm.standoff.item()
    assert stormy.flaring.item() > calm.flaring.item()


def test_the_model_of_1998_levels_off_in_strong_southward_field():
    # Shue et al. (1998): the stand-off saturates, at (10.22 - 1.29) Pdyn^(-1/6.6)
    assert standoff(-200.0, 1.0) == pytest.approx(8.93, abs=1e-6)


@given(r0=st.floats(1, 30), alpha=st.floats(0.1, 1.5), theta=st.floats(-170, 170))
def test_the_shape_starts_at_the_nose_and_is_the_same_on_both_sides(r0, alpha, theta):
    nose, flaring = xr.DataArray(r0, attrs={"units": "R_earth"}), xr.DataArray(alpha, attrs={"units": "1"})
    angles = xr.DataArray([0.0, theta, -theta, 90.0], dims="theta", attrs={"units": "deg"})
    r = plasma.magnetopause_shape(angles, nose, flaring).values
    assert r[0] == pytest.approx(r0)
    assert r[1] == pytest.approx(r[2])
    assert r[3] == pytest.approx(r0 * 2**alpha)


def test_flaring_of_one_half_makes_a_tail_of_constant_width():
    # r sin(theta) -> 2 r0 as theta -> 180 degrees for alpha = 0.5 (Shue et al. 1997, section 3)
    nose, half = xr.DataArray(10.0, attrs={"units": "R_earth"}), xr.DataArray(0.5, attrs={"units": "1"})
    angle = xr.DataArray(179.9, attrs={"units": "deg"})
    width = plasma.magnetopause_shape(angle, nose, half).item() * np.sin(np.radians(179.9))
    assert width == pytest.approx(20.0, rel=1e-5)


def test_the_shape_has_a_dim_for_the_angle_beside_time():
    nose = plasma.magnetopause(wind([-5.0, -10.0], [3.0, 5.0], [2, 2], [0, 2]))
    theta = xr.DataArray(np.linspace(-120, 120, 5), dims="theta", name="theta", attrs={"units": "deg"})
    shape = check(plasma.magnetopause_shape(theta, nose.standoff, nose.flaring))
    assert dict(shape.sizes) == {"time": 2, "theta": 5}
    assert shape.distance_quality.values.tolist() == [0, 2]


@pytest.mark.slow
def test_the_storm_of_31_march_2001_pushes_the_magnetopause_to_5_14_earth_radii():
    storm = plasma.fetch("qin_denton_hourly", "2001-03-30", "2001-04-03")
    nose = check(plasma.magnetopause(storm, model="shue_1998"))
    assert str(nose.standoff.idxmin().values) == "2001-03-31T04:00:00.000000000"
    assert nose.standoff.min().item() == pytest.approx(5.14, abs=0.005)
    assert nose.standoff.sel(time="2001-03-31T08").item() == pytest.approx(7.35, abs=0.005)
    assert storm.dst.sel(time="2001-03-31T08").item() == -387
    assert not nose.in_validity.sel(time="2001-03-31T04")
    worst = np.minimum(storm["bz_quality"], storm["pdyn_quality"])
    assert (nose.standoff_quality == worst).all() and (worst < 2).any()


def test_each_value_carries_the_worst_flag_it_was_made_of():
    nose = plasma.magnetopause(wind([-1.0, 2.0, 3.0], [2.0, 2.0, 2.0], [2, 1, 2], [2, 2, 0]))
    assert nose.standoff.standoff_quality.values.tolist() == [2, 1, 0]
    assert nose.flaring.flaring_quality.values.tolist() == [2, 1, 0]
    assert nose.standoff_quality.attrs["flag_meanings"] == "filled interpolated measured"
    assert "bz_quality" not in nose.variables


def test_without_flags_there_is_no_quality_and_one_flag_is_better_than_none():
    assert "standoff_quality" not in plasma.magnetopause(wind([1.0], [2.0])).variables
    assert plasma.magnetopause(wind([1.0], [2.0], [1])).standoff_quality.item() == 1


def test_an_array_given_apart_does_not_inherit_the_flag_of_the_one_it_replaces():
    other = field(xr.Variable("time", [9.0])).assign_coords(time=wind([1.0], [2.0]).time)
    nose = plasma.magnetopause(wind([1.0], [2.0], [0], [2]), bz=other)
    assert nose.standoff_quality.item() == 2


def test_flags_that_mean_different_things_are_not_compared():
    data = wind([1.0], [2.0], [1], [1])
    data.pdyn_quality.attrs["flag_meanings"] = "good bad ugly"
    with pytest.raises(WrongData, match="different meanings"):
        plasma.magnetopause(data)


def test_wind_outside_the_range_that_was_fitted_is_marked():
    nose = plasma.magnetopause(wind([-2.0, -30.0, 0.0, np.nan], [2.0, 2.0, 40.0, 2.0]))
    assert nose.in_validity.values.tolist() == [True, False, False, False]
    assert "-18 < Bz < 15 nT" in nose.in_validity.attrs["long_name"]
    assert "in_validity" in nose.standoff.coords


def test_the_result_says_where_it_comes_from():
    data = wind([-2.0], [2.0]).assign_attrs(
        source="ACE", references="doi:10.1/x", provenance='{"query": {"product": "q"}}'
    )
    nose = check(plasma.magnetopause(data.assign_attrs(history="read", institution="us", license="CC0")))
    assert nose.attrs["history"].splitlines() == ["read", "plasma.magnetopause(model='shue_1998')"]
    assert "10.1029/98JA01103" in nose.attrs["references"] and "doi:10.1/x" in nose.attrs["references"]
    assert provenance_of(nose)["query"]["product"] == "q"
    assert nose.standoff.attrs["source"] == "ACE"


def test_lazy_wind_gives_the_same_magnetopause():
    data = wind(np.linspace(-30, 10, 50), np.linspace(0.5, 40, 50), [2] * 50, [1] * 50)
    lazy = plasma.magnetopause(data.chunk(time=20))
    assert lazy.standoff.chunks is not None
    xr.testing.assert_identical(lazy.compute(), plasma.magnetopause(data))


def test_units_are_converted_whatever_they_are():
    found = plasma.magnetopause(bz=field(-2.4e-5, units="G"), pdyn=pressure(2e-9, "Pa"), model="shue_1997")
    assert found.standoff.item() == pytest.approx(9.96096838)


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (
            lambda: plasma.magnetopause(wind([1.0], [2.0]), model="shue_2001"),
            BadOption,
            "shue_1997, shue_1998",
        ),
        (lambda: plasma.magnetopause(bz=field(1.0, "GSE"), pdyn=pressure(2.0)), WrongFrame, "bz is in GSE"),
        (
            lambda: plasma.magnetopause(bz=field(1.0, ""), pdyn=pressure(2.0)),
            WrongFrame,
            "does not say its frame",
        ),
        (lambda: plasma.magnetopause(bz=field(1.0), pdyn=pressure(-2.0)), WrongData, "pdyn"),
        (lambda: plasma.magnetopause(bz=field(1.0), pdyn=pressure(0.0)), WrongData, "pdyn"),
        (lambda: plasma.magnetopause(bz=field(1.0), pdyn=pressure(2.0, "nT")), WrongUnits, "pdyn"),
        (lambda: plasma.magnetopause(bz=field(1.0), pdyn=xr.DataArray(2.0)), MissingUnits, "pdyn"),
        (lambda: plasma.magnetopause(bz=field(1.0)), WrongData, "pdyn"),
        (lambda: plasma.magnetopause(wind([1.0], [2.0])[["bz"]]), UnknownVariable, "no pdyn"),
        (lambda: plasma.magnetopause(xr.DataTree(wind([1.0], [2.0]))), WrongData, "DataTree"),
        (
            lambda: plasma.magnetopause(bz=field(-90.0), pdyn=pressure(2.0), model="shue_1997"),
            WrongData,
            "use shue_1998",
        ),
        (
            lambda: plasma.magnetopause_shape(
                xr.DataArray(180.0, attrs={"units": "deg"}),
                xr.DataArray(10.0, attrs={"units": "R_earth"}),
                xr.DataArray(0.5, attrs={"units": "1"}),
            ),
            WrongData,
            "180",
        ),
        (
            lambda: plasma.magnetopause_shape(
                xr.DataArray(1.0, attrs={"units": "nT"}),
                xr.DataArray(10.0, attrs={"units": "R_earth"}),
                xr.DataArray(0.5, attrs={"units": "1"}),
            ),
            WrongUnits,
            "theta",
        ),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(call, error, named):
    with pytest.raises(error, match=named):
        call()


def test_a_vector_is_no_bz():
    b = xr.DataArray([1.0, 2.0, -3.0], dims="component", attrs={"units": "nT", "frame": "GSM"})
    with pytest.raises(WrongData, match="bz is a vector"):
        plasma.magnetopause(bz=b, pdyn=xr.DataArray(2.0, attrs={"units": "nPa"}))


@pytest.mark.slow
def test_a_list_is_no_model():
    with pytest.raises(BadOption, match="not known"):
        plasma.magnetopause(plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01"), model=["shue_1998"])


@pytest.mark.slow
def test_a_pressure_that_is_made_up_makes_the_magnetopause_so():
    wind = plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01")
    wind["pdyn"] = wind.pdyn.assign_attrs(synthetic="true")
    nose = plasma.magnetopause(wind)
    assert nose.attrs["synthetic"] == nose.standoff.attrs["synthetic"] == "true"


def test_the_shape_comes_in_the_unit_of_the_standoff_however_that_is_spelled():
    angle, one = xr.DataArray(90.0, attrs={"units": "deg"}), xr.DataArray(0.5, attrs={"units": "1"})
    shape = plasma.magnetopause_shape(angle, xr.DataArray(10.0, attrs={"units": "R_E"}), one)
    assert shape.attrs["units"] == "R_earth" and shape.item() == pytest.approx(10 * 2**0.5)


def test_a_magnetopause_that_breathes_and_is_never_met_gives_no_crossing():
    breathing = plasma.magnetopause(wind([-1.0, -2, -3, -4], [1.0, 2, 3, 4]))
    hours = breathing.time.values
    inside = np.array([[3.0, 1, 0], [3.5, 1, 0]])
    path = xr.DataArray(inside, {"time": hours[1:3]}, ["time", "component"], "position")
    path = path.assign_attrs(units="R_E", frame="GSM", long_name="Position")
    found = check(plasma.boundary_crossings(breathing, path))
    assert found.sizes["time"] == 0 and found.normal.shape == (0, 3)
    assert plasma.boundary_distance(breathing, path[:0]).shape == (0,)
    assert plasma.regions(path[:0], magnetopause=breathing).shape == (0,)
    assert (plasma.boundary_distance(breathing, path) < 0).all()


def test_positions_may_name_their_components_in_capitals_and_any_order():
    nose = plasma.magnetopause(bz=field(0.0), pdyn=pressure(2.0))
    place = xr.DataArray([1.0, 2.0, 12.0], {"component": ["Z", "Y", "X"]}, ["component"], "position")
    place = place.assign_attrs(units="R_E", frame="GSE", long_name="Position")
    plain = xr.DataArray([12.0, 2.0, 1.0], dims="component", attrs=place.attrs)
    assert plasma.boundary_distance(nose, place) == plasma.boundary_distance(nose, plain)
    np.testing.assert_array_equal(plasma.boundary_normal(nose, place), plasma.boundary_normal(nose, plain))


def test_a_position_in_another_frame_of_a_planet_hears_of_the_frames_of_the_boundary():
    shock = plasma.planetary_boundary("jupiter_bow_shock_joy_2002", pdyn=pressure(0.1))
    place = xr.DataArray([90.0, 0, 0], dims="component", attrs={"units": "R_J", "frame": "JSO"})
    with pytest.raises(WrongFrame, match=r"JSS.*frame=…"):
        plasma.boundary_distance(shock, place)


def test_crossings_are_in_the_frame_of_the_position():
    bz = xr.DataArray(-2.0, attrs={"units": "nT", "frame": "GSM"})
    nose = plasma.magnetopause(bz=bz, pdyn=xr.DataArray(2.0, attrs={"units": "nPa"}))
    time = np.array(["2020-01-01T00", "2020-01-01T01"], "datetime64[ns]")
    path = xr.DataArray([[8.0, 1, 1], [14.0, 1, 1]], {"time": time}, ["time", "component"])
    found = plasma.boundary_crossings(nose, path.assign_attrs(units="R_earth", frame="GSE"))
    assert found.attrs["frame"] == found.position.attrs["frame"] == found.normal.attrs["frame"] == "GSE"

"""Series of several spacecraft on one time line."""

import numpy as np
import pytest
import xarray as xr
from formation_fields import MU0, REGULAR, START, linear, times

from analysis import plasma
from analysis.errors import (
    AnalysisWarning,
    BadOption,
    OutsideCoverage,
    UnknownVariable,
    WrongData,
    WrongFrame,
    WrongUnits,
)
from analysis.model import check


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


@pytest.mark.parametrize("turn", [360.0, 2 * np.pi])
@pytest.mark.parametrize("lowest", [0.0, -0.5])
def test_an_angle_goes_the_shorter_way_round(turn, lowest):
    true = np.linspace(0.9, 1.3, 20)  # turns, over 1
    kept = (true - lowest) % 1 + lowest
    lowered = np.where(kept > 0.25, kept - 1, kept) if lowest else kept

    def seen(offset):
        one = craft(offset)
        units = "deg" if turn == 360 else "rad"
        return one.assign(longitude=("time", lowered * turn, {"units": units, "long_name": "Longitude"}))

    with pytest.warns(AnalysisWarning):
        made = plasma.aligned({"a": seen(0), "b": seen(500)}, variables=["longitude"], max_gap="1s").longitude / turn
    between = made.sel(spacecraft="b").values[1:] - (true[1:] - (true[1] - true[0]) / 2)
    np.testing.assert_allclose(between, np.round(between), atol=1e-12)
    assert float(made.min()) >= lowered.min() - 0.05 and float(made.max()) < lowest + 1


@pytest.mark.parametrize("fill", [np.nan, -1e31, np.inf])
def test_fills_are_passed_over(fill):
    holed = craft(0)
    holed["n"][4] = fill
    made = plasma.aligned({"a": holed, "b": craft(0)}, variables=["n"], max_gap="2s").n
    np.testing.assert_allclose(made[0], made[1])


def test_components_in_another_order_meet_by_their_labels():
    made = plasma.aligned({"a": craft(0), "b": craft(0).isel(component=[2, 0, 1])}, variables=["b"], max_gap="1s").b
    assert made.component.values.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(made[0], made[1])


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
        (
            {"a": craft(0), "c": craft(0).assign_coords(component=["r", "t", "n"])},
            {"variables": ["b"]},
            WrongData,
            "b of c has other values of component than that of a",
        ),
        (
            xr.DataTree.from_dict({"a/fast": craft(0), "a/slow": craft(0, 4000, 5)}),
            {},
            WrongData,
            "a has n in several nodes, /a/fast, /a/slow",
        ),
        ({}, {}, WrongData, "no spacecraft"),
        (
            {"a": craft(0).assign(n=craft(0).n.astype(str).assign_attrs(units="1"))},
            {},
            WrongData,
            "n of a is of the type",
        ),
        (
            {"a": craft(0).assign(n=craft(0).n.assign_attrs(flag_meanings="good bad"))},
            {},
            WrongData,
            "n of a is a flag",
        ),
        (craft(0), {}, WrongData, "a mapping of datasets"),
        ({"a": craft(0).n}, {}, WrongData, "a is a DataArray"),
        ({"a": craft(0)}, {"variables": "n"}, BadOption, "variables"),
        ({"a": craft(0)}, {"variables": {"n": 3}}, BadOption, "variables"),
        ({"a": craft(0)}, {"max_gap": "soon"}, BadOption, "max_gap='soon'"),
        ({"a": craft(0)}, {"max_gap": 0}, BadOption, "above zero"),
        ({"a": craft(0)}, {"max_gap": "5"}, BadOption, "has no unit; for example '5s'"),
        ({"a": craft(0)}, {"max_gap": {"b": 1}}, BadOption, "max_gap=None of n"),
        ({"a": craft(0)}, {"times": np.arange(3)}, WrongData, "a time line is a row of datetime64"),
        ({"a": craft(0)}, {"times": times(3)[::-1]}, WrongData, "times has times out of order"),
        ({"a": craft(0)}, {"times": times(0)}, OutsideCoverage, "empty"),
    ],
)
def test_what_cannot_be_brought_to_one_time_line_is_refused(crafts, options, error, named):
    with pytest.raises(error, match=named):
        plasma.aligned(crafts, **({"variables": ["n"], "max_gap": "1s"} | options))


def test_the_tree_of_one_spacecraft_is_asked_for_by_a_name():
    time = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "s")
    field = xr.Dataset({"b": ("time", np.arange(5.0), {"units": "nT"})}, {"time": time})
    ions = xr.Dataset({"n": ("time", np.arange(3.0), {"units": "cm-3"})}, {"time": time[::2]})
    tree = xr.DataTree.from_dict({"field": field, "ions": ions})
    with pytest.raises(UnknownVariable, match="instruments of one spacecraft"):
        plasma.aligned(tree, variables=["b", "n"], max_gap="2s")
    made = plasma.aligned({"mine": tree}, variables=["b", "n"], max_gap="2s")
    np.testing.assert_allclose(made.n.sel(spacecraft="mine"), [0, 0.5, 1, 1.5, 2])
    assert made.title == "mine on one time line"

"""The data contract: a sound dataset passes, and each breach is named."""

import numpy as np
import pytest
import xarray as xr

from analysis.errors import ContractBreach, WrongData
from analysis.model import breaches, check, derived, is_synthetic, provenance_of, stamp


def sound() -> xr.Dataset:
    time = np.datetime64("2001-03-31", "ns") + np.arange(4) * np.timedelta64(1, "h")
    data = xr.Dataset(
        {
            "density": ("time", [5.0, np.nan, 6.0, 7.0], {"units": "cm-3", "long_name": "Density"}),
            "b": (
                ("time", "component"),
                np.ones((4, 3)),
                {"units": "nT", "long_name": "Field", "frame": "GSE"},
            ),
        },
        {"time": ("time", time, {"long_name": "Time (UTC)"}), "component": ["x", "y", "z"]},
    )
    data["component"].attrs["long_name"] = "Component"
    return stamp(
        data,
        title="Demo",
        institution="Nobody",
        source="made for a test",
        references=["none"],
        license="CC0",
        history=["made"],
        provenance={"query": {"product": "demo"}},
    )


def test_a_sound_dataset_passes_unchanged():
    data = sound()
    assert check(data) is data


def replaced(name, variable):
    return lambda d: d.assign({name: variable})


TIMES = np.datetime64("2001-03-31", "ns") + np.array([0, 2, 1, 3]) * np.timedelta64(1, "h")
BROKEN = {
    "density: no units": lambda d: d.assign(density=d.density.drop_attrs()),
    "density: units '#/cc' do not parse": lambda d: d.assign(density=d.density.assign_attrs(units="#/cc")),
    "density: no long_name": lambda d: d.assign(density=d.density.assign_attrs(long_name=" ")),
    "holds fills or infinities": lambda d: d.assign(density=d.density.fillna(-1e31)),
    "(up to inf)": lambda d: d.assign(density=d.density.fillna(np.inf)),
    "time: not strictly increasing": lambda d: d.assign_coords(time=("time", TIMES, {"long_name": "Time"})),
    "time: holds NaT": lambda d: d.assign_coords(
        time=("time", np.where(d.time == d.time[1], np.datetime64("NaT"), d.time), {"long_name": "Time"})
    ),
    "not datetime64[ns]": lambda d: d.assign_coords(
        time=("time", d.time.values.astype("datetime64[s]"), {"long_name": "Time"})
    ),
    "b: a vector without attrs['frame']": lambda d: d.assign(
        b=d.b.drop_attrs().assign_attrs(units="nT", long_name="B")
    ),
    "bz: a vector's component without attrs['frame']": lambda d: d.assign(bz=d.density),
    "no global attribute 'license'": lambda d: d.assign_attrs(license=""),
    "provenance is not JSON": lambda d: d.assign_attrs(provenance="{'a'}"),
    "no coordinate cell_ids": lambda d: d.rename(time="cells").reset_index("cells"),
    "events need attrs['mjdref']": lambda d: d.rename(time="event").assign(
        time=("event", np.arange(4.0), {"units": "s", "long_name": "Time"})
    ),
    "a fit without attrs['statistic']": lambda d: d.rename(component="parameter"),
    "labels ['x', 'y', 'z'] are not of TT": lambda d: d.rename(component="spectrum"),
}


@pytest.mark.parametrize("expected", BROKEN)
def test_a_breach_is_named(expected):
    with pytest.raises(ContractBreach) as caught:
        check(BROKEN[expected](sound()))
    assert expected in str(caught.value)


def test_all_breaches_are_named_at_once():
    bare = xr.Dataset({"a": ("x", [1.0]), "b": ("x", [2.0])})
    found = breaches(bare)
    assert {"a: no units", "b: no long_name", "no global attribute 'title'"} <= set(found)


def test_each_node_of_a_tree_is_checked_by_its_path():
    tree = xr.DataTree.from_dict({"/good": sound(), "/bad": sound().assign_attrs(source="")})
    assert breaches(tree) == ["/bad: no global attribute 'source'"]


def test_an_empty_tree_and_a_plain_array_are_refused():
    with pytest.raises(ContractBreach, match="no data"):
        check(xr.DataTree())
    with pytest.raises(WrongData, match="ndarray"):
        check(np.ones(3))


def test_a_lazy_dataset_is_checked_without_being_computed():
    def explode(block):
        raise AssertionError("computed")

    data = sound().chunk()
    lazy = data.assign(density=data.density.copy(data=data.density.data.map_blocks(explode, dtype=float)))
    check(lazy)


def test_provenance_survives_netcdf(tmp_path):
    sound().to_netcdf(tmp_path / "demo.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "demo.nc", engine="h5netcdf") as back:
        assert provenance_of(back) == {"query": {"product": "demo"}}


def test_what_is_computed_from_synthetic_data_says_so():
    result = derived(xr.Dataset(), sound().assign_attrs(synthetic="true"), title="T", step="f()", references=["paper"])
    assert is_synthetic(result)
    assert result.attrs["references"] == "paper\nnone"
    assert result.attrs["history"] == "made\nf()"

"""Extremes on disk: what is drawn with them is what is drawn without, nothing else is taken for them."""

import json
import shutil

import dask.array
import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from counting import Counting

from analysis import panels
from analysis.errors import (
    BadOption,
    BadTime,
    CorruptFile,
    MissingFile,
    StoreError,
    UnknownFormat,
    UnknownVariable,
    WrongData,
)
from analysis.panels.clocks import Regular, clock
from analysis.panels.stored_extremes import stored_extremes
from analysis.panels.visible import series_of, visible

ROWS = 150_000
START, STEP = np.datetime64("2020-01-01", "ns"), np.timedelta64(1_000_000, "ns")


def walk(rows=ROWS, name="b", seed=0, times=None):
    values = np.cumsum(np.random.default_rng(seed).normal(size=rows))
    return xr.DataArray(
        values, {"time": START + np.arange(rows) * STEP if times is None else times}, ["time"], name=name
    )


def drawn_of(series, part):
    span = (ROWS - 1) * part
    return visible(series, START + int(ROWS * 0.1) * STEP, START + int(ROWS * 0.1 + 0.9 * span) * STEP, buckets=50)


KINDS = {
    "regular": lambda array: array,
    "holes": lambda array: array.where(np.random.default_rng(1).random(ROWS) < 0.7),
    "jitter": lambda array: array.assign_coords(
        time=START + np.cumsum(np.random.default_rng(1).integers(0, 2_000_000, ROWS)) * np.timedelta64(1, "ns")
    ),
    "several lines": lambda array: xr.concat([array, -array], xr.DataArray(["x", "y"], dims="component")).T,
    "whole numbers": lambda array: array.astype("i4"),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_drawn_with_stored_extremes_is_what_is_drawn_without(tmp_path, kind):
    array = KINDS[kind](walk()).rename("b")
    store = panels.write_extremes(array, tmp_path / "b.zarr")
    times, lines = stored_extremes(array, store)
    stored, fresh = series_of(array, times=times, lines=lines), series_of(array)
    for part in (1.0, 0.3, 0.05):
        for one, other in zip(drawn_of(stored, part), drawn_of(fresh, part), strict=True):
            for column, same in zip(one, other, strict=True):
                np.testing.assert_array_equal(column, same)


@pytest.mark.slow
def test_the_first_picture_of_a_series_with_extremes_reads_next_to_nothing(tmp_path):
    array = walk(2_000_000)
    store = panels.write_extremes(array, tmp_path / "b.zarr")
    held = Counting(array.values)
    lazy = array.copy(data=dask.array.from_array(held, chunks=10_000, asarray=False, meta=array.values[:0]))
    picture = panels.curves(lazy, extremes=store)
    assert held.read <= 50 * 10_000  # a chunk for each part of the fingerprint and for each extreme, and both ends
    shown = picture.get(0).dimension_values("b")
    assert (np.nanmin(shown), np.nanmax(shown)) == (array.values.min(), array.values.max())


def test_panels_of_a_dataset_take_extremes_of_some_of_its_variables(tmp_path):
    data = xr.Dataset({"b": walk(), "v": walk(seed=1, name="v")})
    store = panels.write_extremes(data[["b"]], tmp_path / "b.zarr")
    assert len(panels.time_panels(data, extremes=store)) == 2


@pytest.mark.parametrize(
    "other",
    [
        lambda array: array[:-1],
        lambda array: array.astype("f4"),
        lambda array: array.where(array.time != array.time[0], 7.0),
        lambda array: array.assign_coords(time=array.time + np.timedelta64(1, "s")),
        lambda array: array.assign_coords(time=array.time.astype("datetime64[us]")),
        lambda array: array.expand_dims(component=["x", "y"]).transpose("time", ...),
        lambda array: -array,
    ],
)
def test_extremes_of_another_series_are_refused(tmp_path, other):
    array = walk()
    store = panels.write_extremes(array, tmp_path / "b.zarr")
    with pytest.raises(WrongData, match="does not belong"):
        panels.curves(other(array).rename("b"), extremes=store)


def test_an_outlier_that_was_taken_away_since_is_noticed(tmp_path):
    array = walk()
    array[12_345] = 1e6
    array[67_890:67_900] = np.nan
    store = panels.write_extremes(array, tmp_path / "b.zarr")
    assert panels.curves(array, extremes=store)
    array[12_345] = np.nan
    with pytest.raises(WrongData, match="sample 12345 is not 1e"):
        panels.curves(array, extremes=store)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["raw", "netcdf"])
def test_extremes_and_levels_of_a_file_that_was_written_again_are_refused(tmp_path, kind):
    file = tmp_path / "data"

    def written(values):
        if kind == "raw":
            values.tofile(file)
            data = np.memmap(file, np.float32, mode="r").reshape(-1, 2)
            return xr.DataArray(data, {"time": walk(3_000).time, "energy": [1.0, 2.0]}, ["time", "energy"], name="b")
        file.unlink(missing_ok=True)
        walk(3_000).expand_dims(energy=[1.0, 2.0]).transpose("time", ...).copy(data=values).to_netcdf(file)
        return xr.open_dataarray(file)

    values = np.random.default_rng(0).normal(size=(3_000, 2)).astype("f4")
    array = written(values)
    extremes = panels.write_extremes(array, tmp_path / "extremes.zarr")
    levels = panels.write_levels(array, tmp_path / "levels.zarr")
    panels.curves(array, extremes=extremes)
    panels.spectrogram(array, levels=levels)
    array.close()
    values[1_010] = 0.0  # at no place that is compared
    array = written(values)
    with pytest.raises(WrongData, match="was written again since"):
        panels.curves(array, extremes=extremes)
    with pytest.raises(WrongData, match="was written again since"):
        panels.spectrogram(array, levels=levels)
    array.close()


@pytest.mark.slow
def test_extremes_for_one_kind_of_axis_are_refused_on_the_other_unless_they_are_the_same(tmp_path):
    array, positive = walk(), np.exp(walk() / 100).rename("b")
    linear = panels.write_extremes(array, tmp_path / "linear.zarr")
    logarithmic = panels.write_extremes(array, tmp_path / "log.zarr", logy=True)
    with pytest.raises(BadOption, match="logy=True"):
        panels.curves(array, extremes=linear, logy=True)
    with pytest.raises(BadOption, match="logy=False"):
        panels.curves(array, extremes=logarithmic)
    told = hv.render(panels.curves(array, extremes=logarithmic, logy=True), backend="bokeh").below[-1].text
    assert "not positive" in told.replace("\n", " ")
    assert panels.curves(positive, extremes=panels.write_extremes(positive, tmp_path / "p.zarr"), logy=True)


def test_what_is_no_such_store_is_refused_and_never_replaced(tmp_path):
    array = walk(1_000)
    with pytest.raises(BadOption, match="is not a path"):
        panels.curves(array, extremes=["b.zarr"])
    with pytest.raises(MissingFile, match="write_extremes"):
        panels.curves(array, extremes=tmp_path / "none.zarr")
    array.to_dataset().to_zarr(tmp_path / "data.zarr", consolidated=False)
    with pytest.raises(UnknownFormat):
        panels.curves(array, extremes=tmp_path / "data.zarr")
    with pytest.raises(UnknownFormat):
        panels.write_extremes(array, tmp_path / "data.zarr", overwrite=True)
    store = panels.write_extremes(array, tmp_path / "b.zarr")
    with pytest.raises(BadOption, match="overwrite"):
        panels.write_extremes(array, store)
    panels.write_extremes(array + 1, store, overwrite=True)
    assert panels.curves(array + 1, extremes=store)
    with pytest.raises(UnknownVariable, match="holds those of b"):
        panels.curves(array.rename("v"), extremes=store)
    root = json.loads((store / "zarr.json").read_text())
    root["attributes"]["series_extremes"] = 99
    (store / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(UnknownFormat, match="version 99"):
        panels.curves(array, extremes=store)


def test_a_damaged_store_says_so(tmp_path):
    array = walk()
    store = panels.write_extremes(array, tmp_path / "b.zarr")
    chunk = next(file for file in (store / "0" / "low" / "c").rglob("*") if file.is_file())
    whole = chunk.read_bytes()
    chunk.write_bytes(bytes([whole[0] ^ 255]) + whole[1:])
    with pytest.raises(CorruptFile, match="write the extremes again"):
        panels.curves(array, extremes=store)
    chunk.unlink()
    with pytest.raises(CorruptFile, match="missing"):
        panels.curves(array, extremes=store)
    (store / "0" / "zarr.json").unlink()
    with pytest.raises(CorruptFile):
        panels.curves(array, extremes=store)


@pytest.mark.slow
def test_a_store_that_is_gone_or_replaced_is_not_read_as_if_it_were_the_old_one(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.panels.stored_extremes.CHUNK", 100)  # so that not all is read at once
    array = walk()
    store = panels.write_extremes(array, tmp_path / "b.zarr")
    times, lines = stored_extremes(array, store)
    series = series_of(array, times=times, lines=lines)
    shutil.rmtree(store)
    with pytest.raises(CorruptFile, match="cannot be read"):
        drawn_of(series, 0.3)
    panels.write_extremes(array, store)
    with pytest.raises(CorruptFile, match="replaced"):
        drawn_of(series, 0.3)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    array = walk(1_000)
    for given, error in ((tmp_path / "b.nc", BadOption), (tmp_path / "none" / "b.zarr", MissingFile), (7, BadOption)):
        with pytest.raises(error):
            panels.write_extremes(array, given)
    for wrong in (
        array[::-1],
        array.isel(time=[0, 0, 0]) * 1j,
        array.drop_vars("time"),
        array[:0],
        array.to_dataset()[[]],
    ):
        with pytest.raises(WrongData):
            panels.write_extremes(wrong, tmp_path / "b.zarr")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("analysis.panels.stored_extremes._write", full)
    with pytest.raises(StoreError, match="nothing half-made"):
        panels.write_extremes(array, tmp_path / "b.zarr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_regular_times_are_those_of_a_coordinate_that_is_held():
    held = walk(3_000_000).drop_vars("time").assign_coords(panels.regular_times(START, STEP, 3_000_000))
    assert held.chunks is None and not held.xindexes
    assert clock(held.time) == Regular(int(START.astype(int)), 1_000_000, 3_000_000, np.dtype("M8[ns]"))
    np.testing.assert_array_equal(held.time[-3:].values, walk(3_000_000).time[-3:].values)
    assert panels.curves(held[1_000_000:2_500_000])


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("soon", STEP, 9), BadTime),
        (("NaT", STEP, 9), BadTime),
        (("3000-01-01", STEP, 9), BadTime),
        (("2020-01-01", 5, 9), BadOption),
        (("2020-01-01", np.timedelta64(1, "M"), 9), BadOption),
        (("2020-01-01", -STEP, 9), BadOption),
        (("2020-01-01", STEP, 0), BadOption),
        (("2020-01-01", np.timedelta64(1, "D"), 10**9), BadOption),
    ],
)
def test_times_that_cannot_be_are_refused(given, error):
    with pytest.raises(error):
        panels.regular_times(*given)

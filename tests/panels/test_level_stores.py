import json
import shutil

import dask.array
import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import panels
from analysis.errors import BadOption, CorruptFile, MissingFile, UnknownFormat, WrongData
from analysis.panels.level_stores import opened
from analysis.panels.levels import levels_of
from analysis.panels.meshes import _mesh
from analysis.panels.rebinning import mesh, visible


def made_of(count=20_000, channels=4, seed=0):
    rng = np.random.default_rng(seed)
    time = np.datetime64("2001-01-01", "ns") + np.cumsum(rng.integers(1, 3, count)) * np.timedelta64(1, "s")
    energy = ("energy", np.geomspace(1, 100, channels), {"units": "keV", "long_name": "Energy"})
    values = rng.gamma(2, size=(count, channels))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[7000:7100] = np.nan
    attrs = {"units": "cm-2 s-1", "long_name": "Flux", "source": "a formula", "synthetic": "true"}
    return xr.DataArray(values, {"time": time, "energy": energy}, ["time", "energy"], name="flux", attrs=attrs)


def with_tables(array):
    """Return the array with energies that change from sample to sample."""
    table = array.energy.values * np.where(np.arange(array.sizes["time"]) % 2, 1.0, 1.3)[:, None]
    bare = array.drop_vars("energy").rename(energy="channel")
    return bare.assign_coords(energy=(("time", "channel"), table, array.energy.attrs))


def assert_same(one, other):
    for field in ("left", "right", "bottom", "top", "values", "peaks", "counts"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["memory", "dask", "memmap", "tables", "float32"])
def test_stored_levels_give_the_same_views_as_those_in_memory(tmp_path, source):
    array = made_of(60_000)
    if source == "memmap":
        held = np.memmap(tmp_path / "flux", dtype=float, mode="w+", shape=array.shape)
        held[:] = array.values
        array = array.copy(data=held)
    given = {
        "dask": array.chunk(time=999),
        "tables": with_tables(array),
        "float32": array.astype(np.float32),
    }.get(source, array)
    store = panels.write_levels(given, tmp_path / "levels.zarr")
    assert store == tmp_path / "levels.zarr" and sorted(p.name for p in tmp_path.iterdir() if p.name[0] == ".") == []
    other = str(given.dims[1])
    fresh, kept = _mesh(given, other, True), _mesh(given, other, True, levels=opened(given, store))
    assert fresh.levels.lowest == kept.levels.lowest
    np.testing.assert_array_equal(fresh.levels.sample, kept.levels.sample)
    span = int(fresh.reach[-1] - fresh.left[0])
    for begin, length in ((0.0, 1.0), (0.1, 0.5), (0.33, 0.04), (0.5, 0.001)):
        view = (int(fresh.left[0] + begin * span), int(fresh.left[0] + (begin + length) * span))
        assert_same(*(visible(each, view, columns=100, rows=16) for each in (fresh, kept)))


@pytest.mark.slow
def test_a_spectrogram_with_stored_levels_reads_little_of_its_array(tmp_path, monkeypatch):
    array = made_of(100_000)
    store = panels.write_levels(array, tmp_path / "levels.zarr")
    lazy = array.copy(data=dask.array.from_array(array.values, chunks=(1000, 4)))
    reads = []
    held = xr.DataArray.values.fget

    def values(self):
        if self.name == "flux":
            reads.append(self.size)
        return held(self)

    monkeypatch.setattr(xr.DataArray, "values", property(values))
    picture = panels.spectrogram(lazy, levels=store)
    drawn = picture[()]
    assert sum(reads) == 33 * 16 * 4  # what it is known again by
    monkeypatch.undo()
    plain = panels.spectrogram(array)[()]
    for dim in ("time", "time_end", "energy", "flux"):
        np.testing.assert_array_equal(drawn.dimension_values(dim), plain.dimension_values(dim))
    assert hv.Store.lookup_options("bokeh", drawn, "style").kwargs["cmap"] == "viridis"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3000), st.integers(1, 5))
def test_sums_and_peaks_of_all_levels_are_those_of_the_array(seed, count, wide):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, wide))
    values[rng.random(values.shape) < 0.3] = np.nan
    gaps = np.unique(rng.integers(0, count, 5))
    made = levels_of(xr.DataArray(values, dims=["x", "y"]), gaps, lambda part, first: part.values, wide)
    for level in made.each:
        assert set(gaps) <= set(level.firsts)
        np.testing.assert_allclose(level.sums.sum(axis=0), np.nansum(values, axis=0), atol=1e-9)
        np.testing.assert_array_equal(level.counts.sum(axis=0), np.isfinite(values).sum(axis=0))
        highest = np.where(np.isfinite(values), values, -np.inf).max(axis=0)
        np.testing.assert_array_equal(level.peaks.max(axis=0), highest)
    assert made.lowest == (np.nanmin(values) if np.isfinite(values).any() else np.inf)


def test_levels_of_another_array_are_refused(tmp_path):
    array = made_of(3000)
    store = panels.write_levels(array, tmp_path / "levels.zarr")
    for other, what in (
        (array * 2, "values"),
        (array.isel(time=slice(1, None)), "shape"),
        (array.assign_coords(energy=array.energy * 2), "coordinates"),
        (array.assign_attrs(units="m-2 s-1"), "units"),
        (array.rename("psd"), "name"),
        (array.astype(np.float32), "dtype"),
    ):
        with pytest.raises(WrongData, match=f"levels of another array.*differ in .*{what}"):
            panels.spectrogram(other, levels=store)


def test_what_stands_in_the_way_of_a_store_is_never_replaced(tmp_path):
    array = made_of(3000)
    store = panels.write_levels(array, tmp_path / "levels.zarr")
    with pytest.raises(BadOption, match="overwrite=True"):
        panels.write_levels(array, store)
    assert panels.write_levels(array * 2, store, overwrite=True) == store
    assert panels.spectrogram(array * 2, levels=store) is not None
    with pytest.raises(BadOption, match="the name of a store ends in"):
        panels.write_levels(array, tmp_path / "levels")
    with pytest.raises(MissingFile, match="no directory"):
        panels.write_levels(array, tmp_path / "none" / "levels.zarr")
    (tmp_path / "mine.zarr").mkdir()
    with pytest.raises(UnknownFormat, match="no store of levels"):
        panels.write_levels(array, tmp_path / "mine.zarr", overwrite=True)


def test_levels_that_cannot_be_made_leave_nothing_behind(tmp_path):
    with pytest.raises(WrongData, match="time"):
        panels.write_levels(made_of(3000).rename(time="epoch"), tmp_path / "levels.zarr")

    def fails(block):
        raise WrongData("the source is damaged")

    broken = made_of(3000)
    lazy = dask.array.from_array(broken.values, chunks=(1000, 4)).map_blocks(fails, dtype=float, meta=np.empty((0, 0)))
    with pytest.raises(WrongData, match="damaged"):
        panels.write_levels(broken.copy(data=lazy), tmp_path / "levels.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_missing_damaged_or_something_else_is_refused(tmp_path):
    array = made_of(3000)
    with pytest.raises(MissingFile, match="write_levels"):
        panels.spectrogram(array, levels=tmp_path / "none.zarr")
    store = panels.write_levels(array, tmp_path / "levels.zarr")
    for name, change, error, words in (
        (
            "chunk",
            lambda s: next(f for f in (s / "level_0/sums/c").rglob("0") if f.is_file()).unlink(),
            CorruptFile,
            "chunks",
        ),
        ("table", lambda s: shutil.rmtree(s / "level_0/peaks"), CorruptFile, "write it again"),
        ("root", lambda s: (s / "zarr.json").write_text("{"), CorruptFile, "cannot be read"),
        ("other", lambda s: (s / "zarr.json").write_text('{"attributes": {}}'), UnknownFormat, "no store of levels"),
        ("version", lambda s: (s / "zarr.json").write_text(later(s)), UnknownFormat, "version 2"),
    ):
        copy = shutil.copytree(store, tmp_path / f"{name}.zarr")
        change(copy)
        with pytest.raises(error, match=words):
            panels.spectrogram(array, levels=copy)


def later(store):
    root = json.loads((store / "zarr.json").read_text())
    root["attributes"]["spectrogram_levels"] = 2
    return json.dumps(root)


@pytest.mark.slow
def test_a_chunk_that_was_changed_gives_words_in_the_picture_not_a_traceback(tmp_path):
    array = made_of(60_000)
    store = panels.write_levels(array, tmp_path / "levels.zarr")
    picture = panels.spectrogram(array, levels=store)
    for rank in store.glob("level_*"):
        for chunk in (f for f in (rank / "sums" / "c").rglob("*") if f.is_file()):
            chunk.write_bytes(chunk.read_bytes()[::-1])
    figure = hv.render(picture)  # the first view is in memory
    plot = hv.renderer("bokeh").get_plot(picture)
    stream = next(s for dmap in picture.traverse(lambda x: x, [hv.DynamicMap]) for s in dmap.streams)
    stream.event(x_range=(array.time.values[5], array.time.values[-9]), y_range=(1, 100))
    assert "could not be read" in plot.state.below[-1].text and figure is not None


def test_the_highest_value_of_each_cell_is_drawn_where_asked_for_and_named_where_not():
    array = made_of(30_000).fillna(1.0)
    array[12_345, 2] = 1e6
    picture = panels.spectrogram(array)
    plot = hv.render(picture)
    assert "The highest value here is 1e+06 cm⁻² s⁻¹" in plot.below[-1].text.replace("\n", " ")
    assert "joined='max'" in plot.below[-1].text.replace("\n", " ")
    peaks = panels.spectrogram(array, joined="max")[()]
    assert peaks.dimension_values("flux").max() == 1e6
    assert "the highest of about 37.5 samples" in hv.render(peaks).below[-1].text
    with pytest.raises(BadOption, match="did you mean 'max'"):
        panels.spectrogram(array, joined="maximum")


def test_limits_of_colours_suit_means_and_single_cells_alike():
    counts = (made_of(40_000).fillna(0.0) > 7).astype(np.int32)  # seldom one, else none
    low, high = hv.Store.lookup_options("bokeh", panels.spectrogram(counts)[()], "plot").kwargs["clim"]
    means = panels.spectrogram(counts)[()].dimension_values("flux")
    assert low <= np.percentile(means[means > 0], 5) and high >= 1


def test_highest_values_are_those_between_the_edges_drawn():
    array = made_of(5000, 3)
    made = _mesh(array, "energy", True)
    shown = visible(made, (int(made.left[100]), int(made.left[4200])), columns=37, rows=2)
    middle = (made.left + made.right) / 2
    for column in range(shown.values.shape[0]):
        inside = (middle > shown.left[column]) & (middle < shown.right[column])
        low, high = made.up(0, 1)
        for row in range(shown.values.shape[1]):
            up = (low >= shown.bottom[row] - 1e-9) & (high <= shown.top[row] + 1e-9)
            part = array.values[np.ix_(inside, up)]
            expected = np.nanmax(part) if np.isfinite(part).any() else np.nan
            assert shown.peaks[column, row] == pytest.approx(expected, nan_ok=True)


def test_edges_up_that_change_are_asked_for_part_by_part_and_never_all_at_once():
    array = made_of(60_000)
    asked = []

    def edges(first, last):
        asked.append(last - first)
        low = array.energy.values * np.where(np.arange(first, last) % 2, 1.0, 1.3)[:, None]
        return low, low * 1.2

    left = np.arange(60_000.0)
    made = mesh(array.rename(time="x"), left, left + 1, edges, logy=True)
    visible(made, (0.0, 60_000.0), columns=100, rows=64)
    assert max(asked) * array.shape[1] <= 1_000_000


def test_what_is_drawn_adds_up_to_what_is_there():
    array = made_of(40_000)
    made = _mesh(array, "energy", True)
    for columns in (10, 333):
        shown = visible(made, (int(made.left[0]), int(made.reach[-1])), columns=columns, rows=3)
        assert shown.counts.sum() == np.isfinite(array.values).sum()
        assert np.nansum(shown.values * shown.counts) == pytest.approx(np.nansum(array.values), rel=1e-12)


def test_a_scale_of_highest_values_reaches_to_the_highest():
    array = made_of(30_000).fillna(1.0)
    array[12_345, 2] = 1e6
    clims = [
        hv.Store.lookup_options("bokeh", panels.spectrogram(array, joined=joined)[()], "plot").kwargs["clim"]
        for joined in ("mean", "max")
    ]
    assert clims[0][1] < 100 and clims[1][1] == 1e6

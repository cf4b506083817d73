"""Long series: what is drawn of a stretch of time, out of how much reading, and that pan and zoom bring it."""

import gc
import itertools

import dask.array
import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr
from counting import Counting
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import explore, panels, plasma
from analysis.panels.clocks import usual_step
from analysis.panels.extremes import extremes_of, over_blocks, reader
from analysis.panels.following import _ends
from analysis.panels.visible import BUCKETS, EXACT, series_of, visible, whole


def series(values, step=1_000, unit="us", name="b"):
    steps = np.broadcast_to(step, len(values)).copy()
    times = np.cumsum(steps).astype(np.int64).view(f"datetime64[{unit}]")
    dims = ["time", "component"][: np.ndim(values)]
    return xr.DataArray(values, {"time": times}, dims, name=name, attrs={"units": "nT"})


def noise(count, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=count))


KINDS = {
    "regular": lambda n, random: (noise(n), 1_000),
    "float32": lambda n, random: (noise(n).astype("f4"), 1_000),
    "whole numbers": lambda n, random: (random.integers(-9, 9, n).astype("i2"), 1_000),
    "holes": lambda n, random: (np.where(random.random(n) < 0.3, np.nan, noise(n)), 1_000),
    "infinities": lambda n, random: (np.where(random.random(n) < 0.01, np.inf, noise(n)), 1_000),
    "duplicate times": lambda n, random: (noise(n), random.integers(0, 2, n) * 1_000),
    "bursts": lambda n, random: (noise(n), np.where(random.random(n) < 1e-3, 10**7, 1_000)),
    "fast, then slow": lambda n, random: (noise(n), np.where(np.arange(n) > n - 2_000, 10**6, 1_000)),
}


@pytest.fixture(scope="module", params=list(KINDS))
def made(request):
    values, step = KINDS[request.param](300_000, np.random.default_rng(1))
    array = series(values, step)
    return array, series_of(array)


@pytest.mark.slow
@pytest.mark.parametrize("ends", [(0, 1), (0.2, 0.71), (0.5, 0.5005), (0.9, 1)])
def test_extremes_drawn_are_those_of_all_visible_samples_and_nothing_is_made_up(made, ends):
    array, looked_at = made
    times, values = array["time"].values, array.values.astype(float)
    span = (times[-1] - times[0]).astype(np.int64)
    start, stop = (times[0] + np.timedelta64(int(part * span), "us") for part in sorted(ends))
    drawn, shown, _ = visible(looked_at, start, stop)[0]
    assert drawn.size <= EXACT * BUCKETS + 70_000 // 64 + 2 and (np.diff(drawn) >= np.timedelta64(0)).all()
    inside = values[(times >= start) & (times <= stop)]
    inside = inside[np.isfinite(inside)]
    seen = shown[(drawn >= start) & (drawn <= stop) & np.isfinite(shown)]
    assert bool(inside.size) == bool(seen.size)
    if inside.size:
        assert (seen.min(), seen.max()) == (inside.min(), inside.max())
    held = np.isfinite(shown)
    assert np.isin(drawn[held], times).all() and np.isin(shown[held], values).all()


@pytest.mark.parametrize("count", [60_000, 400_000])
def test_the_extremes_of_every_pixel_are_drawn_to_within_a_block(count):
    array = series(noise(count))
    times, values = array["time"].values, array.values
    drawn, shown, _ = visible(series_of(array), times[0], times[-1])[0]
    pixel = (np.arange(count) * 500) // count
    which = (np.searchsorted(times, drawn) * 500) // count
    for number in range(5, 495):
        near = slice(np.searchsorted(pixel, number) - 256, np.searchsorted(pixel, number + 1) + 256)
        own = shown[(which >= number - 1) & (which <= number + 1)]
        inner = values[near][256:-256]
        assert own.max() >= inner.max() and own.min() <= inner.min()


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), min_size=2, max_size=8), seed=st.integers(0, 99))
def test_stretches_of_blocks_have_the_extremes_of_their_samples(cuts, seed):
    random = np.random.default_rng(seed)
    values = np.where(random.random(40 * 256 + 17) < 0.2, np.nan, random.normal(size=40 * 256 + 17))
    values[256 * 3 : 256 * 5] = np.nan
    array = series(values)
    edges = np.array(sorted(cuts))
    found = over_blocks(extremes_of(array, array["time"].values)[0], edges[:-1], edges[1:])
    for place, (first, stop) in enumerate(itertools.pairwise(edges)):
        part = values[first * 256 : stop * 256]
        part = part[np.isfinite(part)]
        assert found.low[place] == (part.min() if part.size else np.inf)
        assert found.high[place] == (part.max() if part.size else -np.inf)
        assert (found.low_at[place] >= 0) == bool(part.size)


@pytest.mark.parametrize("count", [200_000, 1_000_000])
@pytest.mark.slow
def test_gaps_as_wide_as_a_pixel_are_open_and_narrower_ones_when_zoomed_into(count):
    values = np.ones(count)
    values[count // 4 : count // 4 + count // 100] = np.nan  # six pixels
    values[count // 2] = np.nan
    step = np.full(count, 1_000)
    step[3 * count // 4] = 1_000 * (count // 100)
    array = series(values, step)
    looked_at, times = series_of(array), array["time"].values
    drawn, shown, _ = visible(looked_at, times[0], times[-1])[0]
    opened = drawn[np.isnan(shown)]
    assert opened.size == 2
    assert times[count // 4 - 1] <= opened[0] <= times[count // 4 + count // 100]
    assert times[3 * count // 4 - 1] < opened[1] < times[3 * count // 4]
    _, shown, _ = visible(looked_at, times[count // 2 - 50], times[count // 2 + 50])[0]
    assert np.isnan(shown).sum() == 1 and shown.size == 103


def test_few_visible_samples_are_all_drawn_with_a_neighbour_on_both_sides():
    array = series(noise(200_000))
    times = array["time"].values
    drawn, shown, _ = visible(series_of(array), times[5_000], times[9_000])[0]
    np.testing.assert_array_equal(drawn, times[4_999:9_002])
    np.testing.assert_array_equal(shown, array.values[4_999:9_002])


def test_a_stretch_beside_the_data_shows_nothing_made_up():
    array = series(noise(200_000))
    after = array["time"].values[-1] + np.timedelta64(1, "h")
    _, shown, _ = visible(series_of(array), after, after + np.timedelta64(1, "h"))[0]
    assert shown.tolist() == [array.values[-1]]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_resolution_are_found_by_times_of_another(unit):
    array = series(noise(200_000), step=10, unit=unit)
    times = array["time"].values
    start, stop = times[1_000].astype("datetime64[ns]"), times[2_000].astype("datetime64[ns]")
    drawn, _, _ = visible(series_of(array), start, stop)[0]
    assert (drawn[0], drawn[-1]) == (times[999], times[2_001])


def test_the_usual_step_is_not_zero_where_times_are_doubled():
    assert usual_step(np.repeat(np.arange(10), 3).astype("datetime64[s]")) == 1
    assert usual_step(np.zeros(3, "datetime64[s]")) == 0


@pytest.mark.slow
@pytest.mark.parametrize("part", [1.0, 0.5, 0.01])
def test_a_frame_of_a_dask_array_reads_a_few_chunks_and_no_more(part):
    held = Counting(noise(3_000_000).astype("f4"))
    lazy = dask.array.from_array(held, chunks=100_000, asarray=False, meta=held.values[:0])
    array = series(held.values).copy(data=lazy)
    looked_at = series_of(array)
    assert held.read <= 3_000_000 + 10
    times = array["time"].values
    held.read = 0
    span = int(part * (times.size - 1))
    visible(looked_at, times[0], times[span])
    assert held.read <= 300_000


@pytest.mark.slow
def test_a_lazily_opened_zarr_store_is_never_held_whole(tmp_path):
    count = 2_000_000
    array = series(noise(count).astype("f4"), unit="ns")
    array.to_dataset().to_zarr(tmp_path / "long.zarr", encoding={"b": {"chunks": [100_000]}}, consolidated=False)
    opened = xr.open_zarr(tmp_path / "long.zarr", chunks=None, consolidated=False)["b"]
    looked_at = series_of(opened)
    _, shown, _ = visible(looked_at, array["time"].values[0], array["time"].values[-1])[0]
    assert np.nanmax(shown) == array.values.max() and np.nanmin(shown) == array.values.min()
    assert not opened.variable._in_memory


def test_a_memory_map_is_read_in_parts(tmp_path):
    values = np.memmap(tmp_path / "values", dtype="f4", mode="w+", shape=(300_000,))
    values[:] = noise(300_000)
    array = series(np.arange(300_000.0)).copy(data=values)
    read = reader(array)
    np.testing.assert_array_equal(read(10, 20)[:, 0], values[10:20].astype(float))
    assert np.shares_memory(array.data, values)


def shown_by(picture):
    """Return the plots of a picture as a page has them, and its root, which must be kept."""
    pane = pn.pane.HoloViews(picture)
    root = pane.get_root()
    plot = pane._plots[root.ref["id"]][0]
    return pane, [p for p in plot.traverse(lambda p: p) if type(p).__name__ == "CurvePlot"]


def moved(plot, start, stop):
    """Move the time axis of a figure as the browser does."""
    axis = plot.state.x_range
    axis.start, axis.end = (float(t.astype("datetime64[us]").astype(np.int64)) / 1e3 for t in (start, stop))
    for callback in plot.callbacks:
        for stream in callback.streams:
            stream.event(x_range=(start, stop))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["b", "B", "time step"])
def test_zooming_in_brings_the_samples_that_are_then_visible(name):
    array = series(noise(200_000), name=name)
    _pane, plots = shown_by(panels.curves(array))
    gc.collect()
    times = array["time"].values
    before = plots[0].state.y_range.start, plots[0].state.y_range.end
    moved(plots[0], times[1_000], times[1_100])
    column = plots[0].handles["source"].data[name]
    np.testing.assert_array_equal(column, array.values[999:1_102])
    assert (plots[0].state.y_range.start, plots[0].state.y_range.end) == before
    moved(plots[0], times[0], times[-1])
    assert plots[0].handles["source"].data["time"].size > 1_900


@pytest.mark.slow
def test_long_and_short_panels_share_one_time_axis_and_follow_it():
    array = series(noise(200_000))
    data = xr.Dataset({"b": array, "v": array + 1}, attrs={"title": "Made-up", "source": "noise"})
    short = panels.curves(array[::4_000].rename("s"))
    pictures = [plasma.view(data), panels.time_panels(data) + short, (panels.curves(array) + short).cols(1)]
    times = array["time"].values
    for picture in pictures:
        _pane, plots = shown_by(picture.opts(title="Mine") if isinstance(picture, hv.Overlay) else picture)
        assert len({plot.state.x_range.id for plot in plots}) == 1
        for plot in plots:
            moved(plot, times[1_000], times[1_100])
        sizes = {len(plot.handles["source"].data["time"]) for plot in plots}
        assert sizes <= {103, 50}


@pytest.mark.slow
def test_two_views_of_one_picture_each_show_what_their_own_axis_holds():
    array = series(noise(200_000))
    picture = panels.curves(array)
    (_one, first), (_other, second) = shown_by(picture), shown_by(picture)
    times = array["time"].values
    moved(first[0], times[1_000], times[1_100])
    assert len(first[0].handles["source"].data["time"]) == 103
    assert len(second[0].handles["source"].data["time"]) > 1_900


def test_a_picture_at_rest_shows_the_whole_series_with_its_ends_and_extremes():
    values = noise(1_000_000)
    values[[0, -1]] = np.nan
    array = series(values)
    times, shown, _ = whole(series_of(array))[0]
    assert (times[0], times[-1]) == (array["time"].values[0], array["time"].values[-1])
    assert (np.nanmin(shown), np.nanmax(shown)) == (np.nanmin(values), np.nanmax(values))


@pytest.mark.slow
def test_a_long_series_is_printed_and_exported(tmp_path):
    data = xr.Dataset({"b": series(noise(200_000))}, attrs={"title": "Made-up", "source": "noise"})
    for suffix in ("png", "html"):
        assert panels.save(plasma.view(data), tmp_path / f"long.{suffix}").stat().st_size > 20_000


@pytest.mark.slow
def test_an_explorer_of_long_series_is_tapped_and_follows():
    data = xr.Dataset({"b": series(noise(200_000)), "v": series(noise(200_000, 1))})
    page = explore.time_explorer(data)
    assert len(page.select(pn.pane.HoloViews)) == 1


def test_a_logarithmic_axis_leaves_out_what_is_not_positive_however_long_the_series():
    array = series(noise(200_000))
    picture = panels.curves(array, logy=True)
    shown = picture.get(0).dimension_values("b")
    assert np.nanmin(shown) == array.values[array.values > 0].min()
    with_nothing = panels.curves(-np.abs(array) - 1, logy=True)
    assert "no positive value" in with_nothing.get(0).data[2]


def test_a_long_series_of_nothing_but_nan_gives_words():
    picture = panels.curves(series(np.full(200_000, np.nan)))
    assert "no value" in picture.get(0).data[2]


@pytest.mark.slow
def test_three_hundred_lines_share_what_a_browser_can_hold():
    array = series(np.random.default_rng(0).normal(size=(20_000, 300)).astype("f4"))
    picture = panels.curves(array)
    lines = [element for element in picture if isinstance(element, hv.Curve)]
    assert len(lines) == 300 and sum(map(len, lines)) <= 700_000


def test_many_flagged_samples_are_thinned_and_the_picture_says_so():
    array = series(noise(200_000))
    says = {"flag_values": [0, 1], "flag_meanings": "good spike"}
    quality = xr.DataArray(np.ones(200_000, "u1"), {"time": array["time"]}, ["time"], attrs=says)
    picture = panels.curves(array, quality=quality)
    marks = [element for element in picture if element.label == "spike"]
    assert [len(mark) for mark in marks] == [20_000]
    figure = hv.render(picture, backend="bokeh")
    assert "Of 200,000 samples with the flag spike, 20,000 are marked" in figure.below[-1].text.replace("\n", " ")


def test_ends_of_an_axis_are_read_as_bokeh_tells_them():
    class Axis:
        start, end = 1_577_836_800_000.5, np.datetime64("2020-01-02")

    assert [str(end) for end in _ends(Axis)] == ["2020-01-01T00:00:00.000500", "2020-01-02"]
    Axis.start = float("nan")
    assert _ends(Axis) is None


@pytest.mark.parametrize("regular", [True, False])
def test_pixels_narrower_than_a_float_can_tell_still_have_their_extremes(regular):
    random = np.random.default_rng(3)
    steps = np.ones(60_000, int) if regular else random.integers(1, 3, 60_000)
    times = np.datetime64("2024-01-01", "ns") + np.cumsum(steps).astype("timedelta64[ns]")
    array = xr.DataArray(random.integers(-999, 999, 60_000), {"time": times}, name="b")
    drawn, shown, _ = visible(series_of(array), times[0], times[-1])[0]
    assert np.isfinite(shown).all() and 1_000 < shown.size <= 2_100
    since = (times - times[0]).astype(int)
    bucket, own = since * BUCKETS // since[-1], (drawn - times[0]).astype(int) * BUCKETS // since[-1]
    for number in range(BUCKETS):
        near, inside = shown[abs(own - number) <= 1], array.values[bucket == number]
        assert near.min() <= inside.min() and near.max() >= inside.max()


@pytest.mark.parametrize("regular", [True, False])
def test_five_centuries_of_nanoseconds_are_drawn_whole(regular):
    days = np.datetime64("1700-01-01", "ns") + np.arange(180_000) * np.timedelta64(1, "D")
    times = days if regular else days + np.random.default_rng(0).integers(0, 3 * 10**12, days.size)
    array = xr.DataArray(noise(days.size), {"time": times}, name="b")
    made = series_of(array)
    for start, stop in ((times[0], times[-1]), (np.datetime64("1500-01-01"), np.datetime64("2500-01-01"))):
        drawn, shown, _ = visible(made, start, stop)[0]
        assert shown.size > BUCKETS and np.isfinite(shown).all() and (np.diff(drawn) >= np.timedelta64(0)).all()
        assert (shown.min(), shown.max()) == (array.values.min(), array.values.max())

import dask.array
import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import ColorBar, GlyphRenderer
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import panels
from analysis.errors import BadOption
from analysis.panels.rebinning import mesh, visible
from analysis.panels.tiles import joined, seen_part, tiled

NS = 1_000_000_000


def brute(values, left, right, bottom, top, shown, place):
    """Return the mean of all cells whose middle lies in one cell that was drawn, one by one."""
    i, j = place
    inside_x = (left >= shown.left[i]) & (right <= shown.right[i])
    inside_y = (bottom >= shown.bottom[j] - 1e-12) & (top <= shown.top[j] + 1e-12)
    chosen = values[np.ix_(inside_x, inside_y)]
    return chosen[np.isfinite(chosen)].mean() if np.isfinite(chosen).any() else np.nan


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3000), st.integers(1, 9), st.floats(0, 0.9), st.floats(0.01, 1))
def test_each_joined_cell_is_the_mean_of_all_cells_between_its_edges(seed, count, wide, begin, length):
    rng = np.random.default_rng(seed)
    steps = rng.exponential(size=count) + np.where(rng.random(count) < 0.01, 50, 0)
    left = np.cumsum(steps)
    right = left + 0.9 * np.minimum(np.r_[steps[1:], 1.0], 3.0)
    values = rng.gamma(2, size=(count, wide))
    values[rng.random(values.shape) < 0.2] = np.nan
    edges = np.geomspace(1, 100, wide + 1)
    made = mesh(xr.DataArray(values, dims=["x", "y"]), left, right, (edges[:-1], edges[1:]), logy=True)
    span = right[-1] - left[0]
    view = (left[0] + begin * span, left[0] + (begin + length) * span)
    shown = visible(made, view, columns=12, rows=4)
    for i in range(shown.values.shape[0]):
        for j in range(shown.values.shape[1]):
            expected = brute(values, left, right, edges[:-1], edges[1:], shown, (i, j))
            assert shown.values[i, j] == pytest.approx(expected, rel=1e-9, nan_ok=True)
    if shown.left.size:  # nothing that is visible is left out, and no column reaches over a wide gap
        seen = (right > view[0]) & (left < view[1])
        assert shown.left[0] <= left[seen][0] and shown.right[-1] >= right[seen][-1]


def test_a_gap_wider_than_a_column_stays_empty_at_every_zoom():
    left = np.arange(50_000) * NS
    left[20_001:] += 10_000 * NS
    made = mesh(xr.DataArray(np.ones((50_000, 2)), dims=["x", "y"]), left, left + NS, (np.zeros(2), np.ones(2)))
    for zoom in (1, 10, 100):
        half = 60_000 * NS // 2 // zoom
        middle = 25_000 * NS
        shown = visible(made, (middle - half, middle + half), columns=100, rows=2)
        assert not ((shown.left < 30_001 * NS) & (shown.right > 20_001 * NS)).any()


def test_means_keep_quiet_times_beside_a_storm_of_ten_to_the_fifteen():
    values = np.ones((40_000, 1))
    values[:20_000] = 1e15
    left = np.arange(40_000.0)
    made = mesh(xr.DataArray(values, dims=["x", "y"]), left, left + 1, (np.zeros(1), np.ones(1)))
    shown = visible(made, (0, 40_000), columns=100, rows=1)
    assert (shown.values[shown.left >= 20_000] == 1).all()


def test_tables_that_alternate_are_joined_at_equal_energy():
    count, channels = 6000, 8
    energy = np.geomspace(1, 1e4, channels + 1)
    shift = np.where(np.arange(count) % 2, 1.0, 1.3)[:, None]
    low, high = energy[:-1] * shift, energy[1:] * shift
    flux = np.sqrt(low * high) ** -2.0  # a power law, whatever the table
    left = np.arange(count) * NS
    made = mesh(xr.DataArray(flux, dims=["x", "y"]), left, left + NS, lambda i, j: (low[i:j], high[i:j]), logy=True)
    shown = visible(made, (0, count * NS), columns=100, rows=128)
    middle = np.sqrt(shown.bottom * shown.top)
    expected = np.full((2, middle.size), np.nan)
    for parity in (0, 1):
        for row, at in enumerate(middle):
            held = np.flatnonzero((low[parity] <= at) & (at < high[parity]))
            expected[parity, row] = flux[parity, held[0]] if held.size else np.nan
    known = np.isfinite(expected).all(axis=0)
    assert shown.resampled and known.sum() > 10
    np.testing.assert_allclose(shown.values[10, known], expected.mean(axis=0)[known], rtol=1e-9)
    zoomed = visible(made, (100 * NS, 150 * NS), columns=100, rows=128)
    assert zoomed.values.shape == (50, channels) and not zoomed.resampled
    np.testing.assert_array_equal(zoomed.bottom, low[100:150])


def test_rows_that_the_screen_cannot_show_are_joined_and_come_back_where_one_zooms():
    values = np.arange(5000.0)[None, :].repeat(4, axis=0)
    edges = np.arange(5001.0)
    made = mesh(xr.DataArray(values, dims=["x", "y"]), np.arange(4.0), np.arange(1.0, 5), (edges[:-1], edges[1:]))
    assert visible(made, (0, 4), columns=10, rows=100).values.shape == (4, 100)
    near = visible(made, (0, 4), (1000, 1050), columns=10, rows=100)
    np.testing.assert_array_equal(near.values[0], np.arange(1000.0, 1050))


def made_of(count, channels=4, *, chunks=None):
    time = np.datetime64("2001-01-01", "ns") + np.arange(count) * np.timedelta64(1, "s")
    energy = ("energy", np.geomspace(1, 100, channels), {"units": "keV", "long_name": "Energy"})
    values = np.random.default_rng(0).gamma(2, size=(count, channels))
    attrs = {"units": "cm-2 s-1", "long_name": "Flux", "source": "a formula"}
    held = values if chunks is None else dask.array.from_array(values, chunks=chunks)
    return xr.DataArray(held, {"time": time, "energy": energy}, ["time", "energy"], name="flux", attrs=attrs)


def followed(picture):
    """Return the figure of a picture that follows zooms, its stream, and what gives the values drawn."""
    plot = hv.renderer("bokeh").get_plot(picture)
    found = [s for dmap in picture.traverse(lambda x: x, [hv.DynamicMap]) for s in dmap.streams]
    stream = next(s for s in found if isinstance(s, hv.streams.RangeXY))
    figure = plot.state
    return figure, stream, lambda: figure.select({"type": GlyphRenderer})[0].data_source.data


@pytest.mark.slow
def test_zooming_shows_the_datas_own_cells_with_the_colours_of_the_whole():
    array = made_of(30_000)
    figure, stream, data = followed(panels.spectrogram(array))
    bar = figure.select({"type": ColorBar})[0].color_mapper
    limits = bar.low, bar.high
    assert "mean of about 37.5 samples" in figure.below[-1].text
    stream.event(x_range=(array.time.values[100], array.time.values[200]), y_range=(1, 100))
    own = array.isel(time=slice(100, 201))
    assert np.sort(data()["flux"]) == pytest.approx(np.sort(own.values.ravel()))
    assert (np.asarray(data()["joined_values"]) == 1).all()
    assert (bar.low, bar.high) == limits
    assert "one of the data's own" in figure.below[-1].text and "mean" not in figure.below[-1].text
    start = np.datetime64(figure.x_range.start, "ns")
    assert start <= array.time.values[0]  # the axis is where the hand left it: a browser moves it, not the picture


@pytest.mark.slow
def test_limits_of_what_is_visible_follow_the_view_where_asked_for():
    array = made_of(30_000) * xr.DataArray(np.where(np.arange(30_000) < 20_000, 1.0, 1e4), dims="time")
    figure, stream, _ = followed(panels.spectrogram(array, clim="visible"))
    bar = figure.select({"type": ColorBar})[0].color_mapper
    before = bar.high
    stream.event(x_range=(array.time.values[0], array.time.values[10_000]), y_range=(1, 100))
    assert bar.high < before / 100
    with pytest.raises(BadOption, match="did you mean 'visible'"):
        panels.spectrogram(array, clim="visble")


def test_a_value_below_zero_anywhere_makes_the_colours_linear_as_for_small_arrays():
    array = made_of(30_000)
    array[12_345, 2] = -1e-3
    figure, _, _ = followed(panels.spectrogram(array))
    assert type(figure.select({"type": ColorBar})[0].color_mapper).__name__ == "LinearColorMapper"


@pytest.mark.slow
def test_a_view_without_samples_is_empty_and_the_next_is_not():
    array = made_of(30_000)
    array = array.isel(time=np.r_[0:10_000, 20_000:30_000])
    array[5000:6000] = np.nan
    _, stream, data = followed(panels.spectrogram(array))
    for nothing in ([12, 13], [5.1, 5.9]):
        view = np.datetime64("2001-01-01", "ns") + (np.array(nothing) * 1e12).astype(int)
        stream.event(x_range=tuple(view), y_range=(1, 100))
        assert np.isnan(data()["flux"]).all() and data()["left"][0] == data()["right"][0]
    stream.event(x_range=(978307200000.0, 978307300000.0), y_range=(1, 100))  # as Bokeh tells times: milliseconds
    assert len(data()["flux"]) == 101 * 4


def test_a_large_spectrogram_of_nan_gives_words():
    figure = hv.render(panels.spectrogram(made_of(30_000) * np.nan))
    assert "no value" in figure.select({"type": GlyphRenderer})[0].data_source.data["text"][0]


def test_from_dask_only_what_is_visible_is_read_after_the_first_time(monkeypatch):
    array = made_of(40_000, chunks=(1000, 4))
    picture = panels.spectrogram(array)
    _, stream, data = followed(picture)
    reads = []
    held = xr.DataArray.values.fget

    def values(self):
        if self.name == "flux":
            reads.append(self.size)
        return held(self)

    monkeypatch.setattr(xr.DataArray, "values", property(values))
    stream.event(x_range=(array.time.values[100], array.time.values[200]), y_range=(1, 100))
    assert reads == [101 * 4]
    assert len(data()["flux"]) == 101 * 4


@pytest.mark.slow
@pytest.mark.parametrize("store", ["memmap", "zarr"])
def test_data_on_disk_give_the_same_picture(tmp_path, store):
    array = made_of(20_000)
    if store == "memmap":
        held = np.memmap(tmp_path / "flux", dtype=float, mode="w+", shape=array.shape)
        held[:] = array.values
        stored = array.copy(data=held)
    else:
        array.to_dataset().to_zarr(tmp_path / "flux.zarr", zarr_format=2)
        stored = xr.open_zarr(tmp_path / "flux.zarr", chunks=None)["flux"]
    one, other = (followed(panels.spectrogram(a))[2]() for a in (array, stored))
    np.testing.assert_array_equal(one["flux"], other["flux"])


@pytest.mark.slow
def test_large_spectrograms_are_saved(tmp_path):
    picture = panels.spectrogram(made_of(30_000))
    for suffix in ("png", "html"):
        assert panels.save(picture, tmp_path / f"flux.{suffix}").stat().st_size > 10_000


@pytest.mark.slow
def test_a_large_heatmap_follows_zooms_on_both_axes_and_has_contours():
    x, y = np.geomspace(1, 100, 400), np.arange(300.0)
    attrs = {"units": "s", "long_name": "Period"}
    value = xr.DataArray(
        np.add.outer(x, y), {"period": ("period", x, attrs), "k": y}, ["period", "k"], "v", {"units": "K"}
    )
    _, stream, data = followed(panels.heatmap(value, x="period", y="k", logx=True))
    assert len(data()["v"]) <= 60_000
    stream.event(x_range=(10, 12), y_range=(100, 110))
    assert set(np.round(data()["v"], 6)) <= set(np.round(value.values.ravel(), 6))
    lines = hv.render(panels.heatmap(value, x="period", y="k", contours=True))
    assert "Multi" in {type(r.glyph).__name__[:5] for r in lines.select({"type": GlyphRenderer})}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 20), st.integers(0, 99))
def test_joined_pixels_are_the_means_of_their_squares(height, width, step, seed):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((height, width)) < 0.3, np.nan, rng.normal(size=(height, width)))
    means, counts = joined(values, None, step)
    i, j = rng.integers(means.shape[0]), rng.integers(means.shape[1])
    square = values[i * step : (i + 1) * step, j * step : (j + 1) * step]
    assert counts[i, j] == np.isfinite(square).sum()
    assert means[i, j] == pytest.approx(np.nanmean(square) if counts[i, j] else np.nan, nan_ok=True)


def test_views_of_an_image_agree_whichever_level_they_are_made_of():
    values = np.random.default_rng(0).normal(size=(900, 1300))
    image = tiled(xr.DataArray(values, dims=["y", "x"]))
    part = seen_part(image, (0, 0, 1300, 900), (None, None), (False, False), most=100)
    assert part.step == 16 and part.bounds == (0, 0, 1312, 912)
    np.testing.assert_allclose(part.values, joined(values, None, 16)[0], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("down", [False, True])
def test_a_large_image_shows_its_own_pixels_where_one_zooms_in(down):
    values = np.arange(1_210_000.0).reshape(1100, 1100)
    x = 100.0 - np.arange(1100) if down else np.arange(1100.0)
    axes = {"y": ("y", np.arange(1100.0), {"units": "pix"}), "x": ("x", x, {"units": "pix"})}
    array = xr.DataArray(values, axes, ["y", "x"], "counts", {"units": "ct", "long_name": "Counts"})
    figure, stream, data = followed(panels.image(array))
    assert "mean of up to 2 × 2" in figure.below[-1].text
    place = sorted((x[500] - 0.5, x[502] + 0.5)) if not down else sorted((x[500] + 0.5, x[502] - 0.5))
    stream.event(x_range=tuple(place), y_range=(699.5, 701.5))
    shown = np.asarray(data()["image"][0])
    assert shown.shape == (2, 3)
    expected = values[700:702, 500:503]
    np.testing.assert_array_equal(shown, expected[:, ::-1] if down else expected)
    assert data()["x"][0] == min(place) and data()["dw"][0] == 3
    assert "own" in figure.below[-1].text

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import ColorBar, GlyphRenderer

from analysis import panels
from analysis.errors import BadOption, WrongData


@pytest.fixture
def counts():
    x = ("x", np.arange(40.0), {"units": "pix", "long_name": "Sky x"})
    y = ("y", np.arange(20.0), {"units": "pix", "long_name": "Sky y"})
    values = np.random.default_rng(0).poisson(1.0, size=(20, 40))
    attrs = {"units": "ct", "long_name": "Counts"}
    return xr.DataArray(values, {"y": y, "x": x}, ["y", "x"], name="counts", attrs=attrs)


def pixels(figure):
    return next(r for r in figure.select({"type": GlyphRenderer}) if type(r.glyph).__name__ == "Image")


def test_an_image_has_one_scale_on_both_axes_and_keeps_its_values(counts):
    figure = hv.render(panels.image(counts))
    assert figure.frame_width == 2 * figure.frame_height
    np.testing.assert_array_equal(pixels(figure).data_source.data["image"][0], counts.values)
    assert figure.select({"type": ColorBar})[0].title == "Counts (ct)"
    assert figure.xaxis[0].axis_label == "Sky x (pix)"


def test_zero_counts_are_values_and_not_missing(counts):
    figure = hv.render(panels.image(counts))
    assert (pixels(figure).data_source.data["image"][0] == 0).any()
    assert figure.select({"type": ColorBar})[0].color_mapper.low > 0


def test_right_ascension_runs_down_where_its_coordinate_does(counts):
    figure = hv.render(panels.image(counts.assign_coords(x=83.0 - np.arange(40.0))))
    assert figure.x_range.start > figure.x_range.end


def test_uneven_pixels_are_refused(counts):
    with pytest.raises(WrongData, match="even"):
        panels.image(counts.assign_coords(x=np.arange(40.0) ** 2))


def test_an_image_of_zeros_is_drawn(counts):
    assert (pixels(hv.render(panels.image(counts * 0))).data_source.data["image"][0] == 0).all()


def test_three_dims_are_refused(counts):
    with pytest.raises(WrongData, match="needs 2"):
        panels.image(counts.expand_dims("energy"))


@pytest.mark.parametrize("shape", [{"x": [3]}, {"y": [3]}, {"x": [3], "y": [3]}])
def test_a_single_row_column_or_pixel_is_drawn(counts, shape):
    figure = hv.render(panels.image(counts.isel(shape)))
    glyph = pixels(figure).data_source.data
    assert (glyph["dw"][0], glyph["dh"][0]) == (1.0 if "x" in shape else 40.0, 1.0 if "y" in shape else 20.0)


def test_hover_shows_coordinates_that_each_pixel_has_of_its_own(counts):
    from bokeh.models import HoverTool

    dec = (("y", "x"), np.full((20, 40), 69.5), {"units": "deg", "long_name": "Declination"})
    figure = hv.render(panels.image(counts.assign_coords(dec=dec)))
    tooltips = figure.select({"type": HoverTool})[0].tooltips
    assert ("Declination (deg)", "@{dec}{0.0000}") in tooltips
    assert pixels(figure).data_source.data["dec"][0].max() == 69.5


def bands_of(x_step, y_step):
    """Return three bands, of which the first pixel of the first row is red and the last of the last row is blue."""
    x, y = np.arange(3.0)[::x_step].copy(), np.arange(2.0)[::y_step].copy()
    values = np.zeros((3, 2, 3))
    values[0, 0, 0] = values[2, -1, -1] = 1
    attrs = {"units": "ct", "long_name": "Counts"}
    return xr.DataArray(values, {"y": y, "x": x}, ["band", "y", "x"], name="counts", attrs=attrs)


@pytest.mark.slow
@pytest.mark.parametrize("x_step", [1, -1])
@pytest.mark.parametrize("y_step", [1, -1])
def test_three_bands_lie_as_each_alone_does(x_step, y_step):
    bands = bands_of(x_step, y_step)
    picture, alone = panels.colour_image(bands), panels.image(bands[0])
    red = picture.dimension_values("Red", flat=False)
    np.testing.assert_array_equal(red, alone.dimension_values("counts", flat=False))
    np.testing.assert_array_equal(picture.dimension_values("x", expanded=False), np.arange(3.0))
    frames = [hv.render(each) for each in (picture, alone)]
    assert len({(f.x_range.start, f.x_range.end, f.y_range.start, f.y_range.end) for f in frames}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, -1])
def test_red_is_printed_where_it_is_seen(tmp_path, step):
    from PIL import Image

    path = panels.save(panels.colour_image(bands_of(step, 1)), tmp_path / "bands.png", dpi=60)
    pixels_ = np.asarray(Image.open(path).convert("RGB")).astype(int)
    red, blue = (
        np.argwhere((pixels_[..., i] > 150) & (pixels_[..., 1] < 90) & (pixels_[..., 2 - i] < 90)).mean(axis=0)
        for i in (0, 2)
    )
    # the first pixel of the first row is at the left and below, whichever way the coordinate runs
    assert red[1] < blue[1] and red[0] > blue[0]


def test_a_colour_image_refuses_what_it_cannot_show():
    bands = bands_of(1, 1)
    with pytest.raises(WrongData, match="three bands"):
        panels.colour_image(bands[:2])
    with pytest.raises(WrongData, match="not negative"):
        panels.colour_image(bands - 1)


def test_the_stretch_of_a_colour_is_that_of_lupton():
    bands = bands_of(1, 1)
    bands[0] = np.linspace(0, 1, 6).reshape(2, 3)
    red = panels.colour_image(bands, stretch=8).dimension_values("Red", flat=False)
    top = np.percentile(np.linspace(0, 1, 6)[1:], 99.5)
    np.testing.assert_allclose(red, np.clip(np.arcsinh(8 * bands[0].values / top) / np.arcsinh(8), 0, 1))


@pytest.mark.slow
def test_a_small_bright_source_of_a_large_image_is_named_or_drawn():
    values = np.ones((2000, 1500), np.float32)
    values[777, 333] = 5e3
    array = xr.DataArray(values, dims=["y", "x"], name="counts", attrs={"units": "ct"})
    figure = hv.render(panels.image(array))
    assert "The highest value here is 5e+03 ct" in figure.below[-1].text.replace("\n", " ")
    highest = panels.image(array, joined="max")[()]
    assert highest.dimension_values("counts").max() == 5e3
    assert "highest of up to 4 × 4" in hv.render(highest).below[-1].text
    with pytest.raises(BadOption, match="joined"):
        panels.image(array, joined="sum")


def test_keys_tell_a_kernel_what_is_visible_as_the_tools_do(counts):
    keys = hv.render(panels.image(counts)).html_attributes["onkeydown"]
    assert keys.rindex("trigger_ranges_update_event") > keys.rindex("move(figure.y_range")


@pytest.mark.parametrize(
    ("along_x", "words"),
    [
        (np.zeros(40), "0 everywhere"),
        (np.arange(40).astype("datetime64[s]"), "not numbers"),
        ([f"column {n}" for n in range(40)], "not numbers"),
    ],
)
def test_a_coordinate_that_places_no_pixel_is_refused_in_words(counts, along_x, words):
    with pytest.raises(WrongData, match=words):
        panels.image(counts.assign_coords(x=along_x))

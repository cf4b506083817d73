import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import ColorBar, GlyphRenderer

from analysis import panels
from analysis.errors import WrongData


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

import holoviews as hv
import numpy as np
import pytest
from bokeh.models import ColorBar, CustomJSHover, GlyphRenderer, HoverTool
from hypothesis import given
from hypothesis import strategies as st

from analysis import panels
from analysis.errors import BadOption, WrongData
from analysis.panels.projections import plane_of, sky_of


def pixels(figure):
    return next(r for r in figure.select({"type": GlyphRenderer}) if type(r.glyph).__name__ == "Image")


def at(figure, x, y):
    """Return the value drawn at a place of the plane."""
    image = pixels(figure).data_source.data["image"][0]
    (left, right), (bottom, top) = ((r.start, r.end) for r in (figure.x_range, figure.y_range))
    row = int((y - bottom) / (top - bottom) * image.shape[0])
    return image[row, int((x - left) / (right - left) * image.shape[1])]


@pytest.mark.slow
@given(
    lon=st.floats(-179, 179),
    lat=st.floats(-89, 89),
    projection=st.sampled_from(["mollweide", "orthographic", "cartesian"]),
)
def test_the_way_to_the_plane_and_back_is_the_identity(lon, lat, projection):
    if projection == "orthographic" and abs(abs(lon) - 90) < 0.5:
        return  # the rims of the discs, where the way back is steep
    there = sky_of(*plane_of(np.array([lon]), np.array([lat]), projection), projection)
    assert float(there[0][0]) == pytest.approx(lon, abs=1e-3)
    assert float(there[1][0]) == pytest.approx(lat, abs=1e-3)


def test_the_mollweide_projection_keeps_areas():
    x, y = np.meshgrid(np.linspace(-2, 2, 801), np.linspace(-1, 1, 401))
    lat = sky_of(x, y, "mollweide")[1]
    inside = np.isfinite(lat)
    assert (lat[inside] > 30).mean() == pytest.approx(0.25, abs=2e-3)  # a quarter of the sphere lies north of 30°


@pytest.mark.parametrize("projection", ["mollweide", "cartesian"])
@pytest.mark.slow
def test_longitude_grows_to_the_left(sky, projection):
    figure = hv.render(panels.sky_map(sky, projection=projection, width=400))
    quarter = figure.x_range.end / 2
    assert figure.x_range.start < figure.x_range.end
    assert at(figure, -quarter, 0.01) == pytest.approx(90, abs=6)
    assert at(figure, quarter, 0.01) == pytest.approx(270, abs=6)


@pytest.mark.slow
def test_orthographic_shows_both_half_spheres(sky):
    figure = hv.render(panels.sky_map(sky, projection="orthographic", width=400))
    assert at(figure, -1.02 - 0.5, 0.01) == pytest.approx(30, abs=6)
    assert at(figure, 1.02 + 0.5, 0.01) == pytest.approx(150, abs=6)


@pytest.mark.slow
def test_graticule_labels_lie_where_the_sky_has_them(sky):
    figure = hv.render(panels.sky_map(sky, width=300))
    words = next(r for r in figure.select({"type": GlyphRenderer}) if type(r.glyph).__name__ == "Text")
    data = words.data_source.data
    place = dict(zip(data["direction"], zip(data["sky_x"], data["sky_y"], strict=True), strict=True))
    assert place["60°"][0] < place["0°"][0] < place["300°"][0]
    assert place["+60°"][1] > 0 > place["−60°"][1]


@pytest.mark.slow
def test_colour_bar_and_title_say_what_and_in_which_frame(sky):
    figure = hv.render(panels.sky_map(sky, width=300, attrs={"title": "Longitudes"}))
    assert figure.select({"type": ColorBar})[0].title == "Longitude (deg)"
    assert figure.title.text == "Longitudes (galactic coordinates)"
    hover = figure.select({"type": HoverTool})[0]
    assert isinstance(hover.formatters["$x"], CustomJSHover)


@pytest.mark.slow
def test_maps_of_both_signs_have_symmetric_limits(sky):
    figure = hv.render(panels.sky_map(sky - 100, width=300))
    mapper = figure.select({"type": ColorBar})[0].color_mapper
    assert mapper.low == -mapper.high < 0


@pytest.mark.slow
def test_cells_that_are_missing_or_nan_have_no_value(sky):
    part = sky.isel(cells=slice(0, 1024))
    part = part.where(part["cell_ids"] != 100)
    image = pixels(hv.render(panels.sky_map(part, width=400))).data_source.data["image"][0]
    whole = pixels(hv.render(panels.sky_map(sky, width=400))).data_source.data["image"][0]
    assert np.isfinite(image).sum() == pytest.approx(np.isfinite(whole).sum() * 1023 / 3072, rel=0.02)


@pytest.mark.slow
def test_a_part_of_the_sky_in_any_order_draws_the_same(sky):
    shuffled = sky.isel(cells=np.random.default_rng(0).permutation(sky.size))
    one, other = (pixels(hv.render(panels.sky_map(m, width=200))).data_source.data["image"][0] for m in (sky, shuffled))
    np.testing.assert_array_equal(one, other)


def test_ring_order_is_refused(sky):
    ring = sky.copy()
    ring["cell_ids"].attrs["indexing_scheme"] = "ring"
    with pytest.raises(WrongData, match="ring"):
        panels.sky_map(ring)


@pytest.mark.parametrize("option", [{"projection": "hammer"}, {"width": 5}])
def test_unknown_options_are_refused(sky, option):
    with pytest.raises(BadOption):
        panels.sky_map(sky, **option)

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import GlyphRenderer, Whisker

from analysis import panels
from analysis.errors import WrongData


@pytest.fixture
def rate():
    attrs = {"units": "ct s-1 keV-1", "long_name": "Count rate"}
    return xr.DataArray([4.0, 2.0, 0.0, 1.0], dims="channel", name="rate", attrs=attrs)


@pytest.fixture
def edges():
    attrs = {"units": "keV", "long_name": "Energy"}
    return xr.DataArray([0.5, 1.0, 2.0, 4.0, 8.0], dims="edge", name="energy", attrs=attrs)


def line(figure):
    found = figure.select({"type": GlyphRenderer})
    return next(r.data_source.data for r in found if type(r.glyph).__name__ == "Line")


def test_steps_span_their_bins_and_axes_have_units(rate, edges):
    figure = hv.render(panels.histogram_steps(rate, edges=edges, logy=False))
    assert figure.xaxis[0].axis_label == "Energy (keV)"
    assert figure.yaxis[0].axis_label == "Count rate (ct s⁻¹ keV⁻¹)"
    drawn = line(figure)
    assert (drawn["energy"].min(), drawn["energy"].max()) == (0.5, 8.0)
    assert list(drawn["rate"][::3]) == [4.0, 2.0, 0.0, 1.0]


@pytest.mark.slow
def test_a_bin_that_starts_at_zero_does_not_stretch_a_logarithmic_axis(rate, edges):
    drawn = line(hv.render(panels.histogram_steps(rate, edges=edges.where(edges > 0.5, 0).assign_attrs(edges.attrs))))
    assert drawn["energy"].min() == 1.0


def test_bins_that_a_logarithmic_axis_cannot_hold_are_counted_on_the_picture(rate, edges):
    figure = hv.render(panels.histogram_steps(rate, edges=edges))
    assert "1 of 4 bins are left out" in figure.below[-1].text
    assert np.isnan(line(figure)["rate"]).any()


def test_gaps_between_bins_stay_open(rate, edges):
    low, high = edges[:-1], edges[1:] * xr.DataArray([1, 0.8, 1, 1], dims="edge")
    drawn = line(hv.render(panels.histogram_steps(rate, edges=(low, high.assign_attrs(edges.attrs)), logy=False)))
    assert np.isnan(drawn["rate"]).sum() == 1


def test_error_bars_never_leave_a_logarithmic_axis(rate, edges):
    figure = hv.render(panels.histogram_steps(rate, edges=edges, error=rate * 0 + 3))
    bars = figure.select({"type": Whisker})[0].source.data
    assert len(bars["base"]) == 3
    assert (np.asarray(bars["lower"]) > 0).all()
    assert list(bars["upper"]) == [7.0, 5.0, 4.0]


def test_edges_that_do_not_fit_are_refused(rate, edges):
    with pytest.raises(WrongData, match="5 edges"):
        panels.histogram_steps(rate, edges=edges[:-1])
    with pytest.raises(WrongData, match="error"):
        panels.histogram_steps(rate, edges=edges, error=rate[:2])


def test_points_take_x_from_the_coordinate_or_as_given(rate, edges):
    along = rate.assign_coords(channel=("channel", [10, 20, 30, 40], {"units": "GHz", "long_name": "Frequency"}))
    assert hv.render(panels.points(along)).xaxis[0].axis_label == "Frequency (GHz)"
    assert hv.render(panels.points(rate, x=edges[:-1].rename(edge="channel"))).xaxis[0].axis_label == "Energy (keV)"
    with pytest.raises(WrongData, match="no 1-D coordinate 'ell'"):
        panels.points(rate, x="ell")


def test_points_of_nothing_give_words(rate):
    figure = hv.render(panels.points(rate * np.nan))
    texts = [r.data_source.data["text"][0] for r in figure.select({"type": GlyphRenderer})]
    assert "no value" in texts[0]


def test_a_bin_that_is_left_out_is_on_neither_axis(rate, edges):
    low, high = edges[:-1].where(edges[:-1] > 0.5, 0).assign_attrs(edges.attrs), edges[1:]
    drawn = line(hv.render(panels.histogram_steps(rate, edges=(low, high))))
    assert (np.asarray(drawn["energy"]) > 0).all() and drawn["energy"].size == drawn["rate"].size


@pytest.mark.slow
def test_a_logarithmic_axis_starts_eight_decades_below_the_highest_value(rate, edges):
    figure = hv.render(panels.histogram_steps(rate.copy(data=[1e-250, 1e-9, 1.0, 2.0]), edges=edges))
    assert figure.y_range.start == pytest.approx(2e-8) and figure.y_range.end == pytest.approx(6.0)


@pytest.mark.slow
def test_the_legend_leaves_the_corner_where_spectra_are(rate, edges):
    for options, corner in (({}, "bottom_left"), ({"logx": False}, "top_right")):
        picture = panels.histogram_steps(rate, edges=edges, error=rate / 9, label="data", **options)
        assert hv.render(picture).legend[0].location == corner

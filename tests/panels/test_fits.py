"""Pictures of fits: what is drawn where, what is cut off, and how they are printed."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from analysis import panels
from analysis.panels.fits import _steps, _ticks
from analysis.panels.printed import figure_of

LINES = {"expected_rate": ("model + background", "solid"), "background_rate": ("background", "dotted")}


@pytest.fixture
def made():
    """Return two spectra in five bins each, with a gap, a point below 0 and one that is not known."""
    low = np.array([1.0, 2, 3, 5, 6] * 2)
    rate = np.array([5.0, 4, -1, 2, np.nan, 50, 40, 30, 20, 10])
    kev, per = {"units": "keV", "long_name": "Energy"}, {"units": "ct s-1 keV-1", "long_name": "Count rate density"}
    return xr.Dataset(
        {
            "energy_low": ("bin", low, kev),
            "energy_high": ("bin", low + 1, kev),
            "rate": ("bin", rate, per),
            "rate_error": ("bin", np.array([1, 1, 1, 3, 1, 5, 5, 5, 5, 5.0]), per),
            "expected_rate": ("bin", np.array([5.0, 4, 3, 2, 1, 50, 40, 30, 20, 10]), per),
            "background_rate": ("bin", np.array([1e-9, 1, 0, 1, 1, 0, 0, 0, 0, 0]), per),
            "residual": ("bin", np.linspace(-2, 2, 10), {"units": "1", "long_name": "Residual in σ"}),
        },
        coords={"spectrum": ("bin", np.repeat(["pn", "mos"], 5))},
        attrs={"title": "A fit", "synthetic": "true", "source": "a test", "references": "none"},
    )


def drawn(made, **options):
    return panels.fitted(made, points="rate", error="rate_error", lines=LINES, groups="spectrum", **options)


def of_type(overlay, kind):
    return [element for element in overlay if isinstance(element, kind)]


@pytest.mark.slow
def test_each_spectrum_has_points_and_lines_of_its_own_name(made):
    upper, lower = drawn(made)
    assert {s.label for s in of_type(upper, hv.Scatter)} == {"data pn", "data mos"}
    # a background of nothing is not drawn
    assert {c.label for c in of_type(upper, hv.Curve)} == {
        "model + background pn",
        "background pn",
        "model + background mos",
    }
    colours = {
        s.label[5:]: hv.Store.lookup_options("bokeh", s, "style").kwargs["color"] for s in of_type(upper, hv.Scatter)
    }
    assert colours["pn"] != colours["mos"]
    residuals = np.concatenate([s.dimension_values(1) for s in of_type(lower, hv.Scatter)])
    np.testing.assert_array_equal(residuals, made.residual)


@pytest.mark.slow
def test_points_stand_at_the_middle_of_their_bins_and_what_is_not_positive_is_left_out(made):
    points = of_type(drawn(made)[0], hv.Scatter)[0]
    np.testing.assert_allclose(points.dimension_values(0), np.sqrt([1 * 2, 2 * 3, 5 * 6]))
    np.testing.assert_array_equal(points.dimension_values(1), [5, 4, 2])
    crosses = of_type(drawn(made)[0], hv.Segments)[0]
    np.testing.assert_array_equal(crosses.dimension_values(2), [2, 3, 6])


def test_an_error_that_reaches_below_0_ends_above_it(made):
    bars = of_type(drawn(made)[0], hv.ErrorBars)[0]
    value, below, above = (bars.dimension_values(i) for i in (1, 2, 3))
    assert (value - below > 0).all() and above.tolist() == [1, 1, 3] and below[:2].tolist() == [1, 1]


def test_steps_have_the_height_of_their_bin_and_break_at_gaps(made):
    low, high = made.energy_low.values[:5], made.energy_high.values[:5]
    for order in (np.arange(5), np.arange(5)[::-1]):
        x, y = _steps(low[order], high[order], np.array([5.0, 4, 3, 2, 1])[order])
        for place, height in ((1.5, 5), (2.5, 4), (3.5, 3), (5.5, 2), (6.5, 1)):
            i = np.flatnonzero((x[:-1] < place) & (place < x[1:]))
            assert y[i].tolist() == [height] and y[i + 1].tolist() == [height]
        assert np.isnan(y[np.searchsorted(x, 4.5) - 1])  # nothing between 4 and 5 keV


@pytest.mark.slow
def test_residuals_are_under_the_data_on_the_same_axis(made):
    upper, lower = (hv.render(part) for part in drawn(made))
    assert upper.frame_width == lower.frame_width
    joined = hv.render(drawn(made))
    ranges = {figure.x_range.id for figure in joined.select({"type": type(upper)})}
    assert len(ranges) == 1


def test_ticks_are_at_1_2_and_5_of_each_decade():
    assert np.allclose(_ticks(0.3, 11), [0.5, 1, 2, 5, 10])
    assert np.allclose(_ticks(0.95, 1.9), [1, 2])


@pytest.mark.slow
def test_in_print_the_frames_stand_in_line_and_dashes_stay(made, tmp_path):
    picture = drawn(made)
    figure = figure_of(picture)
    figure.draw_without_rendering()
    upper, lower = (axes.get_window_extent() for axes in figure.axes)
    assert upper.x0 == pytest.approx(lower.x0, abs=1) and upper.x1 == pytest.approx(lower.x1, abs=1)
    assert upper.height / lower.height == pytest.approx(330 / 130, rel=0.02)
    limits = [axes.get_xlim() for axes in figure.axes]
    np.testing.assert_allclose(limits[0], limits[1], rtol=0.02)
    dashes = {line.get_label(): line.get_linestyle() for line in figure.axes[0].lines}
    assert dashes["background pn"] == "--" and dashes["model + background pn"] == "-"
    assert not any(text.get_text() for text in figure.axes[0].get_xticklabels(minor=True))
    pixels = np.asarray(Image.open(panels.save(picture, tmp_path / "fit.png", dpi=60)).convert("RGB")).astype(int)
    assert (pixels.max(axis=2) - pixels.min(axis=2) > 60).sum() > 500

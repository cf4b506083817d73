"""Contours of two parameters and corners of draws."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import panels
from analysis.errors import WrongData
from analysis.panels.corners import _against
from analysis.panels.printed import figure_of


@pytest.fixture
def draws():
    """Return three parameters: the second follows the first, the third is alone."""
    random = np.random.default_rng(0).normal(size=(4000, 3))
    return np.stack([random[:, 0], 0.9 * random[:, 0] + 0.3 * random[:, 1] + 5, 1e-4 * random[:, 2]], axis=1)


def bowl(along):
    x, y = np.linspace(-3, 3, 61), np.linspace(-1, 5, 41)
    grid = (x - 1) ** 2 + along * (y[:, None] - 2) ** 2
    coords = {"y": ("y", y, {"units": "keV"}), "x": ("x", x, {"units": "1"})}
    return xr.DataArray(grid, coords, ["y", "x"], name="growth", attrs={"units": "1", "long_name": "Growth"})


def test_a_line_is_where_the_array_has_its_level():
    made = panels.level_lines(bowl(4.0), levels={"one": 1.0, "two": 2.25, "never": 99.0}, best=(1.0, 2.0))
    lines = {e.label: e for e in made if isinstance(e, hv.Curve)}
    for name, level in (("one", 1.0), ("two", 2.25)):
        x, y = (lines[name].dimension_values(i) for i in (0, 1))
        growth = (x - 1) ** 2 + 4 * (y - 2) ** 2
        np.testing.assert_allclose(growth[np.isfinite(growth)], level, rtol=0.03)
        assert np.nanmax(x) == pytest.approx(1 + np.sqrt(level), abs=0.02)  # x runs across, y up
        assert np.nanmax(y) == pytest.approx(2 + np.sqrt(level) / 2, abs=0.03)
    assert len(lines["never"]) == 0
    cross = next(e for e in made if isinstance(e, hv.Scatter))
    assert (cross.dimension_values(0)[0], cross.dimension_values(1)[0]) == (1, 2)


def test_holes_of_a_grid_are_no_lines():
    holed = bowl(1.0)
    holed[20:22, :] = np.nan
    line = next(e for e in panels.level_lines(holed, levels={"one": 1.0}) if isinstance(e, hv.Curve))
    y = line.dimension_values(1)
    assert not ((y > float(holed.y[20])) & (y < float(holed.y[21]))).any()


def test_an_array_without_coordinates_has_no_contours():
    with pytest.raises(WrongData, match="two dims with coordinates"):
        panels.level_lines(xr.DataArray(np.ones((3, 3)), dims=["y", "x"]), levels={"a": 1})


@pytest.mark.slow
def test_a_corner_of_a_simulation_says_so_where_no_neighbour_is_pushed_down(draws):
    told = {"synthetic": "true", "source": "a simulation"}
    made = panels.corner(draws, labels=["a", "b", "c"], attrs=told)
    drawn = [hv.render(panel) for panel in made if not isinstance(panel, hv.Empty)]
    above = ["".join(getattr(part, "text", "") for part in figure.above) for figure in drawn]
    assert above[0].startswith("SYNTHETIC") and not any(above[1:])
    assert "a simulation" in drawn[3].below[-1].text


def test_a_corner_has_its_lower_triangle_alone(draws):
    made = panels.corner(draws, labels=["a", "b", "c"])
    kinds = [isinstance(panel, hv.Empty) for panel in made]
    assert kinds == [False, True, True, False, False, True, False, False, False]


def test_density_and_lines_lie_where_the_draws_do(draws):
    ends = tuple(tuple(np.quantile(column, [0.001, 0.999])) for column in draws[:, :2].T)
    made = _against(draws[:, :2], ends, ("a", "b"))
    shade = next(e for e in made if isinstance(e, hv.Image))
    x, y = (shade.dimension_values(i) for i in (0, 1))
    weight = shade.dimension_values(2)
    # the middle of the shade and its tilt are those of the draws: neither axis is turned round
    assert np.average(x, weights=weight) == pytest.approx(draws[:, 0].mean(), abs=0.03)
    assert np.average(y, weights=weight) == pytest.approx(draws[:, 1].mean(), abs=0.03)
    tilt = np.average((x - x.mean()) * (y - y.mean()), weights=weight)
    assert tilt == pytest.approx(np.cov(draws[:, :2].T)[0, 1], rel=0.15)


def test_lines_hold_68_and_95_percent_of_the_draws(draws):
    from matplotlib.path import Path

    ends = tuple(tuple(np.quantile(column, [0.001, 0.999])) for column in draws[:, [0, 2]].T)
    made = _against(draws[:, [0, 2]], ends, ("a", "c"))
    paths = next(e for e in made if isinstance(e, hv.Path)).split()
    outlines = [np.stack([part.dimension_values(i) for i in (0, 1)], axis=1) for part in paths]
    outlines.sort(key=lambda line: -np.ptp(line[:, 0]))
    held = [Path(line).contains_points(draws[:, [0, 2]]).mean() for line in outlines]
    assert held[0] == pytest.approx(0.95, abs=0.02)
    assert max(h for h in held if h < 0.9) == pytest.approx(0.68, abs=0.04)


def test_intervals_are_lines_on_the_diagonal(draws):
    intervals = np.quantile(draws, [0.16, 0.5, 0.84], axis=0).T
    made = panels.corner(draws, labels=["a", "b", "c"], intervals=intervals)
    alone = [e for e in list(made)[4] if isinstance(e, hv.Curve)][1:]
    np.testing.assert_allclose([e.dimension_values(0)[0] for e in alone], intervals[1])


def test_draws_that_cannot_be_drawn_are_refused(draws):
    with pytest.raises(WrongData, match="one label a parameter"):
        panels.corner(draws, labels=["a", "b"])
    with pytest.raises(WrongData, match="at least 40"):
        panels.corner(draws[:39], labels=["a", "b", "c"])
    with pytest.raises(WrongData, match="there are 0"):
        panels.corner(draws * np.nan, labels=["a", "b", "c"])


@pytest.mark.slow
def test_a_parameter_that_does_not_move_is_drawn(draws):
    draws[:, 2] = 7.0
    hv.render(panels.corner(draws, labels=["a", "b", "c"]))


@pytest.mark.slow
def test_in_print_all_frames_of_a_corner_are_of_one_size_and_notes_go_under_all(draws, tmp_path):
    made = panels.corner(draws, labels=["a", "b", "c"], attrs={"title": "Draws", "source": "a test " * 30})
    figure = figure_of(made)
    figure.draw_without_rendering()
    sizes = np.array([axes.get_window_extent().size for axes in figure.axes])
    assert len(sizes) == 6 and np.ptp(sizes, axis=0).max() < 0.02 * sizes.max()
    assert "Draws" in figure.texts[0].get_text() and figure.texts[0].get_window_extent().width > 2 * sizes[0, 0]
    assert panels.save(made, tmp_path / "corner.png", dpi=60).stat().st_size > 5000

"""Hodograms, paths in a plane, and cells on equal scales with contours."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import panels
from analysis.errors import BadOption, WrongData


def figure_of(picture):
    return hv.render(picture, backend="bokeh")


def one(picture, kind):
    return picture.traverse(lambda e: e, [kind])[0]


def text_below(picture):
    return " ".join(model.text for model in figure_of(picture).below if hasattr(model, "text"))


def equal(figure):
    """Return screen pixels per unit, across over up."""
    wide = figure.frame_width / (figure.x_range.end - figure.x_range.start)
    high = figure.frame_height / (figure.y_range.end - figure.y_range.start)
    return abs(wide / high)


@pytest.fixture
def field(times):
    angle = np.linspace(0, 3, 48)
    values = np.stack([20 * np.cos(angle), 5 * np.sin(angle), 0 * angle], axis=1)
    says = {"units": "nT", "long_name": "Magnetic field", "frame": "LMN", "synthetic": "true"}
    return xr.DataArray(values, {"time": times, "component": list("lmn")}, ["time", "component"], name="b", attrs=says)


def test_a_hodogram_has_equal_scales_units_and_marked_ends(field):
    picture = panels.hodogram(field, x="m", y="l")
    figure = figure_of(picture)
    assert equal(figure) == pytest.approx(1, abs=0.01)
    assert figure.xaxis[0].axis_label == "Magnetic field, M (LMN) (nT)"
    ends = {dot.label: (dot["b_m"][0], dot["b_l"][0]) for dot in picture.traverse(lambda e: e, [hv.Scatter])}
    assert ends["first, 00:00:00 UTC"] == (0, 20)
    assert ends["last, 23:00:00 UTC"] == pytest.approx((5 * np.sin(3), 20 * np.cos(3)))
    assert "SYNTHETIC" in figure.above[-1].text


def test_the_colour_of_a_hodogram_is_the_time_since_its_first_sample(field):
    path = one(panels.hodogram(field, x="m", y="l"), hv.Segments)
    assert path.vdims[0].pprint_label == "Time since 2001-03-30T00:00:00 UTC (h)"
    assert path["since"].tolist() == pytest.approx(range(47))


def test_a_gap_opens_the_path(field):
    holed = field.where(field["time"] != field["time"][10])
    assert len(one(panels.hodogram(holed, x="m", y="l"), hv.Segments)) == 45
    assert "fewer than two" in str(
        figure_of(panels.hodogram(field.where(field > 99), x="m", y="l")).renderers[0].data_source.data["text"]
    )


def test_a_long_path_is_thinned_and_says_so(field):
    time = np.datetime64("2001-01-01", "ns") + np.arange(25_000) * np.timedelta64(1, "s")
    angle = np.linspace(0, 6, time.size)
    long = xr.DataArray(
        np.stack([np.cos(angle), np.sin(angle)], 1), {"time": time, "component": ["x", "y"]}, ["time", "component"]
    )
    picture = panels.hodogram(long, x="x", y="y")
    assert len(one(picture, hv.Segments)) < 10_000
    assert "Every 3th" not in (text := text_below(picture)) and "every 3rd of 25,000" in text.lower()


@pytest.mark.parametrize(("x", "y", "error"), [("m", "q", BadOption), ("m", "m", BadOption)])
def test_components_that_are_not_there_are_refused(field, x, y, error):
    with pytest.raises(error):
        panels.hodogram(field, x=x, y=y)
    with pytest.raises(WrongData, match="time"):
        panels.hodogram(field.isel(component=[0, 1]).rename(time="t"), x="l", y="m")


@pytest.mark.slow
def test_paths_have_equal_scales_and_the_lines_around_do_not_widen_them():
    x = xr.DataArray([1.0, 2.0, 4.0], dims="time", name="x", attrs={"units": "R_earth"})
    y = xr.DataArray([0.0, 1.0, 0.0], dims="time", name="y", attrs={"units": "R_earth"})
    figure = figure_of(panels.plane_paths({"Probe": (x, y)}, lines={"far": (100 * x, 100 * y)}))
    assert equal(figure) == pytest.approx(1, abs=0.01)
    assert figure.x_range.end < 5
    wide = figure_of(panels.plane_paths({"Probe": (x, y)}, reach=10, reverse=(True, False)))
    assert {wide.x_range.start, wide.x_range.end} == {10, -10} and wide.x_range.start == 10
    with pytest.raises(WrongData, match="NaN"):
        panels.plane_paths({"Probe": (x * np.nan, y)})
    with pytest.raises(BadOption, match="reach"):
        panels.plane_paths({"Probe": (x, y)}, reach=0)
    with pytest.raises(WrongData, match="no path"):
        panels.plane_paths({})


def maxwellian():
    v = xr.DataArray(np.linspace(-900, 900, 61), dims="v", attrs={"units": "km s-1"})
    across = v.rename(v="v_perp").assign_coords(v_perp=("v_perp", v.values, v.attrs))
    along = v.rename(v="v_par").assign_coords(v_par=("v_par", v.values, v.attrs))
    f = 1e-20 * np.exp(-((along / 300) ** 2) - (across / 300) ** 2)
    return f.rename("f").assign_attrs(units="s3 m-6", long_name="Phase-space density")


@pytest.mark.slow
def test_contours_lie_at_powers_of_ten_where_the_distribution_has_them():
    picture = panels.heatmap(maxwellian(), x="v_par", y="v_perp", equal=True, contours=True, clim=(1e-23, 1e-20))
    figure = figure_of(picture)
    assert equal(figure) == pytest.approx(1, abs=0.01)
    assert "each factor of 10" in figure.below[-1].text
    lines = one(picture, hv.Path)
    radii = [float(np.median(np.hypot(part["v_par"], part["v_perp"]))) for part in lines.split()]
    expected = [300 * np.sqrt(n * np.log(10)) for n in (1, 2, 3)]  # f falls by 10^-n at v² = n ln 10 v_th²
    assert sorted(radii) == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
def test_contours_on_a_linear_scale_have_even_round_steps():
    picture = panels.heatmap(maxwellian() * 1e20, x="v_par", y="v_perp", logz=False, contours=True, clim=(0, 1))
    assert "Lines at steps of 0.2." in figure_of(picture).below[-1].text


def test_equal_scales_need_linear_axes():
    with pytest.raises(BadOption, match="linear"):
        panels.heatmap(abs(maxwellian()), x="v_par", y="v_perp", equal=True, logz=True, logx=False, logy=True)


@pytest.mark.slow
def test_a_single_row_of_cells_has_no_contours():
    row = maxwellian().isel(v_perp=[30])
    picture = panels.heatmap(row, x="v_par", y="v_perp", contours=True)
    assert len(one(picture, hv.Path)) == 0
    figure_of(picture)

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import ColorBar, GlyphRenderer

from analysis import panels
from analysis.errors import BadOption, UnknownVariable, WrongData


def figures(picture):
    """Return the Bokeh figures of a picture."""
    root = hv.render(picture, backend="bokeh")
    return [root] if hasattr(root, "x_range") else [child[0] for child in root.children]


def sources(figure, glyph):
    """Return the column data of the glyphs of a kind."""
    found = figure.select({"type": GlyphRenderer})
    return [r.data_source.data for r in found if type(r.glyph).__name__ == glyph]


def legend(figure):
    return [item.label.value for item in figure.legend[0].items] if figure.legend else []


def test_axes_carry_name_and_units(wind):
    figure = figures(panels.curves(wind["density"]))[0]
    assert figure.yaxis[0].axis_label == "Proton density (cm⁻³)"
    assert figure.xaxis[0].axis_label == "Time (UTC)"


def test_a_plain_number_has_no_unit_on_its_axis(wind):
    beta = wind["density"].assign_attrs(units="1", long_name="Plasma beta")
    assert figures(panels.curves(beta))[0].yaxis[0].axis_label == "Plasma beta"


def test_flagged_samples_are_marked_and_named(wind):
    figure = figures(panels.curves(wind["density"], quality=wind["density_quality"]))[0]
    marks = [r for r in figure.select({"type": GlyphRenderer}) if type(r.glyph).__name__ == "Scatter"]
    assert sorted(len(r.data_source.data["time"]) for r in marks) == [1, 5]
    assert all(r.glyph.fill_alpha == 0 for r in marks)
    assert {"interpolated", "filled"} <= set(legend(figure))


def test_only_the_meanings_asked_for_are_marked(wind):
    picture = panels.curves(wind["density"], quality=wind["density_quality"], marked=["filled"])
    assert [len(data["time"]) for data in sources(figures(picture)[0], "Scatter")] == [1]
    with pytest.raises(BadOption, match="predicted"):
        panels.curves(wind["density"], quality=wind["density_quality"], marked=["predicted"])


def test_flags_without_meanings_are_refused(wind):
    bare = wind["density_quality"].drop_attrs()
    with pytest.raises(WrongData, match="flag_meanings"):
        panels.curves(wind["density"], quality=bare)


def test_a_gap_in_time_is_left_open(wind):
    gappy = wind["density"].isel(time=[*range(10), *range(30, 48)])
    drawn = sources(figures(panels.curves(gappy))[0], "Line")[0]
    opened = np.flatnonzero(np.isnan(drawn["density"]))
    assert len(drawn["time"]) == 29 and list(opened) == [10]


@pytest.mark.slow
def test_a_sample_alone_between_gaps_is_still_seen(wind):
    lonely = wind["density"].where(wind["time"] == wind["time"][7])
    assert [len(d["time"]) for d in sources(figures(panels.curves(lonely))[0], "Scatter")] == [1]
    one = wind["density"].isel(time=[7])
    assert [len(d["time"]) for d in sources(figures(panels.curves(one))[0], "Scatter")] == [1]


def test_each_component_has_its_own_line_even_if_it_is_called_B(times):
    values = np.random.default_rng(0).normal(size=(48, 4))
    array = xr.DataArray(values, {"time": times, "component": list("BRGA")}, ["time", "component"], name="B")
    figure = figures(panels.curves(array))[0]
    assert legend(figure) == list("BRGA")
    assert len(sources(figure, "Line")) == 4


def test_a_long_series_keeps_its_extremes_and_says_that_it_is_thinned():
    count = 250_000
    time = np.datetime64("2001-01-01", "ns") + np.arange(count) * np.timedelta64(1, "s")
    values = np.random.default_rng(0).normal(size=count)
    values[123_457], values[200_001], values[50_000:50_100] = 99.0, -99.0, np.nan
    array = xr.DataArray(values, {"time": time}, ["time"], name="b", attrs={"units": "nT"})
    figure = figures(panels.curves(array))[0]
    drawn = sources(figure, "Line")[0]["b"]
    assert drawn.size < 100_000 and np.nanmax(drawn) == 99 and np.nanmin(drawn) == -99
    assert np.isnan(drawn).any()
    assert "250,000 samples" in figure.below[-1].text


def test_a_logarithmic_axis_leaves_out_what_it_cannot_hold_and_says_so(wind):
    figure = figures(panels.curves(wind["bz"], logy=True))[0]
    assert (sources(figure, "Line")[0]["bz"][~np.isnan(sources(figure, "Line")[0]["bz"])] > 0).all()
    assert "not positive" in figure.below[-1].text


def test_nothing_but_nan_gives_words_not_a_blank(wind):
    figure = figures(panels.curves(wind["density"] * np.nan))[0]
    assert "no value" in sources(figure, "Text")[0]["text"][0]


@pytest.mark.parametrize("cut", [{"time": []}, {"time": 0}])
def test_no_samples_or_no_time_axis_is_an_error_that_says_so(wind, cut):
    with pytest.raises(WrongData, match="density"):
        panels.curves(wind["density"].isel(cut))


@pytest.mark.slow
def test_time_panels_share_the_time_axis_and_end_with_the_source(wind):
    drawn = figures(panels.time_panels(wind))
    assert len(drawn) == 2
    assert drawn[0].x_range is drawn[1].x_range
    assert drawn[0].title.text == "Made-up wind"
    assert drawn[-1].below[-1].text == "Source: a sine · Sankō's tests"
    assert sorted(len(d["time"]) for d in sources(drawn[0], "Scatter")) == [1, 5]


@pytest.mark.slow
def test_each_panel_of_synthetic_data_says_so(wind):
    for figure in figures(panels.time_panels(wind)):
        assert "SYNTHETIC" in figure.above[-1].text


@pytest.mark.slow
def test_time_panels_draw_spectrograms_and_name_what_they_leave_out(wind, flux):
    cube = flux.expand_dims(pitch_angle=[30.0, 90.0])
    drawn = figures(panels.time_panels(wind.assign(flux=flux, cube=cube)))
    assert len(drawn) == 3
    assert drawn[2].select({"type": ColorBar})
    assert "Not drawn: cube" in drawn[2].below[-1].text


def test_a_variable_that_is_not_there_is_refused_by_name(wind):
    with pytest.raises(UnknownVariable, match="dst"):
        panels.time_panels(wind, variables=["dst"])


@pytest.mark.slow
def test_bits_mark_each_warning_they_hold_and_nothing_without(wind):
    bits = np.zeros(48, dtype="u2")
    bits[5], bits[7] = 6, 4
    flags = {"flag_masks": [65535, 1, 2, 4], "flag_values": [0, 1, 2, 4], "flag_meanings": "clear eclipse spike drift"}
    quality = xr.DataArray(bits, dims="time", name="q", attrs=flags)
    only_masks = quality.assign_attrs(flag_masks=[1, 2, 4], flag_meanings="eclipse spike drift")
    del only_masks.attrs["flag_values"]
    for flag in (quality, only_masks):
        picture = panels.curves(wind["density"], quality=flag)
        marks = {element.label: len(element) for element in picture if type(element).__name__ == "Scatter"}
        assert marks == {"spike": 1, "drift": 2}
        assert sorted(legend(figures(picture)[0])) == ["drift", "spike"]


@pytest.mark.parametrize("word", ["good_data", "excellent", "nominal"])
@pytest.mark.slow
def test_words_for_a_good_sample_need_no_mark(wind, word):
    quality = wind["density_quality"].assign_attrs(flag_meanings=f"filled interpolated {word}")
    figure = figures(panels.curves(wind["density"], quality=quality))[0]
    assert sorted(legend(figure)) == ["filled", "interpolated"]


def test_samples_out_of_order_or_without_a_time_are_drawn_in_order_and_the_picture_says_so(wind):
    density = wind["density"]
    mixed = density.isel(time=[3, 0, 2, 1])
    figure = figures(panels.curves(mixed))[0]
    np.testing.assert_array_equal(sources(figure, "Line")[0]["density"], density[:4])
    assert "not in the order of time" in figure.below[-1].text
    times = density.time.values[:4].copy()
    times[1] = np.datetime64("NaT")
    figure = figures(panels.curves(density[:4].assign_coords(time=times)))[0]
    assert "1 of 4 samples have no time (NaT)" in figure.below[-1].text
    with pytest.raises(WrongData, match="sort"):
        panels.curves(mixed, quality=wind["density_quality"].isel(time=[3, 0, 2, 1]))


def test_lines_of_one_name_are_refused_rather_than_one_of_them_lost(wind):
    twice = xr.concat([wind["density"]] * 3, xr.Variable("component", ["x", "x", "y"]))
    with pytest.raises(WrongData, match="several lines named x"):
        panels.curves(twice)


@pytest.mark.slow
def test_more_lines_than_names_fit_have_none(wind):
    many = xr.concat([wind["density"]] * 20, xr.Variable("channel", np.arange(20)))
    figure = figures(panels.curves(many))[0]
    assert not legend(figure)
    assert "20 lines, too many for names" in figure.below[-1].text


@pytest.mark.parametrize(
    ("name", "label"), [("Magnetic field", "Magnetic field, GSE (nT)"), ("B in gse", "B in gse (nT)")]
)
def test_the_frame_of_a_vector_stands_on_its_axis(wind, name, label):
    attrs = {"units": "nT", "frame": "GSE", "long_name": name}
    b = xr.concat([wind["density"]] * 3, xr.Variable("component", ["x", "y", "z"])).rename("b")
    b.attrs = attrs
    assert figures(panels.curves(b))[0].yaxis[0].axis_label == label


def test_times_by_another_name_are_pointed_out(wind):
    with pytest.raises(WrongData, match=r"rename\(time2='time'\)"):
        panels.time_panels(wind[["density"]].rename(time="time2"))


def test_two_pictures_in_one_frame_are_told_apart_by_the_colour_that_one_is_given(wind):
    both = panels.curves(wind["bz"], label="bz") * panels.curves(wind["density"], label="n", color="#d55e00")
    colours = {r.glyph.line_color for r in hv.render(both, backend="bokeh").renderers}
    assert len(colours) == 2 and "#d55e00" in colours
    with pytest.raises(BadOption, match="is no colour"):
        panels.curves(wind["bz"], color="blu")
    with pytest.raises(BadOption, match="single line"):
        panels.curves(wind[["bz", "density"]].to_array("component"), color="red")

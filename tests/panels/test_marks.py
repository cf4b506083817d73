"""What runs through all panels of a column: the cursor, events, spans of flags."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import CrosshairTool, HoverTool

from analysis import panels
from analysis.errors import BadOption, BadTime, WrongData
from analysis.panels.marks import runs


def figures(picture):
    root = hv.render(picture, backend="bokeh")
    return [root] if hasattr(root, "x_range") else [child[0] for child in root.children]


def elements(picture, kind):
    return picture.traverse(lambda e: e, [kind])


@pytest.fixture
def region(wind):
    flag = np.repeat([0, 1, 2], 16)
    says = {"flag_values": [0, 1, 2, 3], "flag_meanings": "solar_wind magnetosheath magnetosphere tail"}
    return xr.DataArray(flag, {"time": wind["time"]}, ["time"], name="region", attrs=says)


@pytest.mark.slow
def test_one_line_follows_the_mouse_through_all_panels_of_a_column(wind, flux):
    drawn = figures(panels.time_panels(wind.assign(flux=flux)))
    overlays = [tool.overlay for figure in drawn for tool in figure.tools if isinstance(tool, CrosshairTool)]
    assert len(overlays) == len(drawn) == 3
    assert all(one is overlays[0] for one in overlays) and overlays[0].dimension == "height"


def test_pictures_that_share_no_axis_share_no_cursor(wind):
    one, other = (figures(panels.curves(wind["density"]))[0] for _ in range(2))
    spans = [tool.overlay for figure in (one, other) for tool in figure.tools if isinstance(tool, CrosshairTool)]
    assert len(spans) == 2 and spans[0] is not spans[1]


def test_times_are_zoomed_into_no_further_than_their_labels_tell_them_apart(wind, flux):
    for picture in (panels.curves(wind["density"]), panels.spectrogram(flux)):
        assert figures(picture)[0].x_range.min_interval == 0.01  # ms


def test_hover_shows_the_value_with_its_unit_and_the_time_in_utc(wind):
    figure = figures(panels.curves(wind["density"]))[0]
    (hover,) = figure.select({"type": HoverTool})
    assert hover.mode == "vline" and hover.formatters == {"@{time}": "datetime"}
    assert hover.tooltips == [("Proton density (cm⁻³)", "@{density}"), ("UTC", "@{time}{%F %T.%3N}")]


@pytest.mark.slow
def test_events_run_through_every_panel_and_are_named_once(wind, flux):
    marks = {"shock": ["2001-03-30T12:00", "2001-03-31T06:00"], "long ago": "1999-01-01"}
    picture = panels.time_panels(wind.assign(flux=flux), marks=marks)
    lines = elements(picture, hv.VLines)
    assert len(lines) == 3 and all(len(line) == 2 for line in lines)
    assert [line.label for line in lines] == ["shock", "", ""]
    figures(picture)


def test_events_may_be_times_or_data_over_time(wind):
    times = wind["time"].values[[3, 7]]
    crossings = xr.Dataset({"step": ("time", [1.0, 2.0])}, {"time": times})
    for given in (times, list(times), xr.DataArray(times, dims="time"), crossings, crossings["step"]):
        (line,) = elements(panels.time_panels(wind, variables=["bz"], marks={"crossing": given}), hv.VLines)
        assert line.dimension_values(0).tolist() == times.tolist()


@pytest.mark.slow
def test_each_word_of_a_flag_colours_its_spans_behind_lines_but_not_over_a_spectrogram(wind, flux, region):
    picture = panels.time_panels(wind.assign(flux=flux), bands=region)
    spans = elements(picture, hv.VSpans)
    assert [s.label for s in spans] == ["solar wind", "magnetosheath", "magnetosphere", "", "", ""]
    assert len({hv.Store.lookup_options("bokeh", s, "style").kwargs["color"] for s in spans}) == 3
    first = spans[0]
    assert [str(edge)[:16] for edge in (first.dimension_values(0)[0], first.dimension_values(1)[0])] == [
        "2001-03-30T00:00",  # cut at the data's first time
        "2001-03-30T15:30",  # half a step after the last hour with this word
    ]
    assert not elements(list(picture)[2], hv.VSpans)
    figures(picture)


def test_a_gap_ends_a_run():
    times = np.array(["2001-01-01", "2001-01-02", "2001-01-03", "2001-01-20", "2001-01-21"], "datetime64[ns]")
    low, _ = runs(times, np.ones(5, bool))
    assert [str(edge)[:10] for edge in low] == ["2000-12-31", "2001-01-19"]


@pytest.mark.parametrize(
    ("marks", "error", "named"),
    [
        (["2001-03-30"], BadOption, "by name"),
        ({"shock": "yesterday"}, BadTime, "shock"),
        ({"shock": [np.datetime64("NaT")]}, BadTime, "shock"),
        ({"shock": np.array(["NaT"], "datetime64[ns]")}, BadOption, "NaT"),
        ({"shock": 5.0}, BadTime, "bare number"),
        ({"shock": xr.DataArray([1.0], dims="x")}, BadOption, "no coordinate time"),
        ({"shock": np.datetime64("2001-03-30") + np.arange(3000)}, BadOption, "3,000"),
    ],
)
def test_events_without_times_are_refused(wind, marks, error, named):
    with pytest.raises(error, match=named):
        panels.time_panels(wind, marks=marks)


def test_bands_must_be_a_flag_over_time_that_says_what_it_means(wind, region):
    for wrong in (region.values, region.drop_attrs(), region.isel(time=0), wind["bz"]):
        with pytest.raises(WrongData):
            panels.time_panels(wind, bands=wrong)


def test_limits_of_an_axis_are_two_rising_numbers(wind):
    picture = panels.curves(wind["density"], ylim=(0, 20))
    figure = figures(picture)[0]
    assert (figure.y_range.start, figure.y_range.end) == (0, 20)
    for wrong, log in (((5, 1), False), ((0, 5), True), (3, False), (("a", "b"), False)):
        with pytest.raises(BadOption, match="ylim"):
            panels.curves(wind["density"], ylim=wrong, logy=log)


def test_a_panel_of_words_has_no_time_to_mark(wind):
    empty = wind.assign(bz=wind["bz"] * np.nan)
    picture = panels.time_panels(empty, variables=["bz"], marks={"shock": "2001-03-30T12:00"})
    assert not elements(picture, hv.VLines)

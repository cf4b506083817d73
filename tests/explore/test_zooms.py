"""What is visible stays when a picture is made anew, is told, set, handed on, and kept in step on several pages."""

import json
from functools import partial

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr
from bokeh.document import Document
from bokeh.events import RangesUpdate
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from analysis import explore, panels
from analysis.errors import BadOption

HOUR = np.timedelta64(1, "h")
START = np.datetime64("2001-03-31", "ns")


def opened(page):
    """Return the document of a page as a browser shows it."""
    document = Document()
    page.server_doc(document)
    return document


def figures(document):
    return [one for root in document.roots for one in root.select({"type": figure})]


def zoom(plot, x=None, y=None):
    """Do to a figure what the mouse does: new ends, and the event that tells of them."""
    for along, ends in ((plot.x_range, x), (plot.y_range, y)):
        if ends is not None:
            along.update(start=millis(ends[0]), end=millis(ends[1]))
    ends = {"x0": plot.x_range.start, "x1": plot.x_range.end, "y0": plot.y_range.start, "y1": plot.y_range.end}
    event = RangesUpdate(plot, **{name: millis(end) for name, end in ends.items()})
    for hear in list(plot._event_callbacks["rangesupdate"]):
        if isinstance(hear, partial):  # ours; HoloViews' own need a running loop
            hear(event)


def millis(end):
    return np.datetime64(end, "ns").astype(float) / 1e6 if isinstance(end, np.datetime64) else float(end)


def across(plot):
    return millis(plot.x_range.start), millis(plot.x_range.end)


def of(page, document):
    """Return the figure of a page among those of a document."""
    along = page.explored.zooms.shown[-1].axes["time"].range
    return next(one for one in figures(document) if one.x_range is along)


def up(plot):
    return plot.y_range.start, plot.y_range.end


def hours(first, last):
    return START + first * HOUR, START + last * HOUR


def labelled(plot, word):
    return word in str(plot.yaxis[0].axis_label)


def widget(page, label):
    return next(w for w in page.select(pn.widgets.Widget) if w.label == label)


def storm(size=48, step=HOUR, start=START):
    time = start + np.arange(size) * step
    energy = ("energy", [10.0, 100.0, 1000.0], {"units": "eV", "long_name": "Energy"})
    values = 1.0 + np.arange(3.0 * size).reshape(size, 3)
    return xr.Dataset(
        {
            "dst": ("time", -np.arange(float(size)), {"units": "nT", "long_name": "Dst index"}),
            "speed": ("time", 400 + np.arange(float(size)), {"units": "km/s", "long_name": "Speed"}),
            "flux": (("time", "energy"), values, {"units": "cm-2", "long_name": "Flux"}),
        },
        {"time": ("time", time, {"long_name": "Time (UTC)"}), "energy": energy},
        attrs={"title": "Made-up storm", "synthetic": "true"},
    )


@pytest.fixture
def page():
    return explore.time_explorer(storm(), state={"variables": ["dst"]})


@pytest.mark.slow
def test_another_variable_keeps_the_time_that_is_visible_and_fits_its_own_axis(page):
    document = opened(page)
    (dst,) = figures(document)
    whole = across(dst)
    zoom(dst, hours(5, 8), (-9.0, -4.0))
    widget(page, "Variables").value = ["speed"]
    (speed,) = figures(document)
    assert labelled(speed, "Speed") and across(speed) == tuple(map(millis, hours(5, 8)))
    assert up(speed)[0] < 400 and up(speed)[1] > 447
    assert (millis(speed.x_range.reset_start), millis(speed.x_range.reset_end)) == whole
    assert explore.state_of(page)["zoom"] == {"Over time": {"time": ["2001-03-31T05:00:00", "2001-03-31T08:00:00"]}}


@pytest.mark.slow
def test_the_same_variable_keeps_both_axes(page):
    document = opened(page)
    zoom(figures(document)[0], hours(5, 8), (-9.0, -4.0))
    widget(page, "Variables").value = ["dst", "flux"]
    dst = next(one for one in figures(document) if labelled(one, "Dst"))
    assert up(dst) == (-9, -4) and across(dst) == tuple(map(millis, hours(5, 8)))
    assert len({id(one.x_range) for one in figures(document)}) == 1


@pytest.mark.slow
def test_the_whole_is_no_zoom(page):
    document = opened(page)
    plot = figures(document)[0]
    whole, height = across(plot), up(plot)
    zoom(plot, hours(5, 8))
    assert explore.state_of(page)["zoom"]
    plot.x_range.update(start=whole[0], end=whole[1])
    zoom(plot, y=height)
    assert explore.state_of(page)["zoom"] is None


@pytest.mark.slow
def test_long_series_spectrograms_and_images_show_what_lies_in_the_part_that_is_kept():
    long = storm(200_000, np.timedelta64(1, "s"))
    page = explore.time_explorer(long, state={"variables": ["speed"]})
    document = opened(page)
    zoom(figures(document)[0], hours(5, 6))
    widget(page, "Variables").value = ["dst", "flux"]
    assert len(figures(document)) == 2
    for plot in figures(document):
        assert across(plot) == tuple(map(millis, hours(5, 6)))
        columns = [source.data for source in plot.select({"type": ColumnDataSource}) if "time" in source.data]
        times = max((np.asarray(one["time"], "datetime64[ns]") for one in columns), key=len)
        inside = (times >= hours(5, 6)[0]) & (times <= hours(5, 6)[1])
        assert inside.sum() > 700 and inside.mean() > 0.9


@pytest.mark.slow
def test_an_image_that_follows_keeps_its_part():
    def sky(scale):
        table = scale * np.arange(1.0, 3001)[:, None] * np.ones(3000)
        return panels.image(xr.DataArray(table, {"y": np.arange(3000.0), "x": np.arange(3000.0)}, ["y", "x"], name="n"))

    page = explore.linked([explore.View("Image", sky, uses=["scale"])], controls=[explore.Slider("scale", 1, 3, 1, 1)])
    document = opened(page)
    zoom(figures(document)[0], (100.0, 200.0), (300.0, 400.0))
    explore.set_state(page, {"scale": 2})
    (plot,) = figures(document)
    assert (across(plot), up(plot)) == ((100, 200), (300, 400))
    shown = next(s.data for s in plot.select({"type": ColumnDataSource}) if "image" in s.data)
    assert shown["dw"][0] < 120 and np.nanmax(shown["image"][0]) <= 2 * 410
    assert (plot.x_range.reset_start, plot.x_range.reset_end) == (-0.5, 2999.5)


@pytest.mark.slow
def test_a_view_with_a_zoom_opens_as_it_was_left(page, tmp_path):
    document = opened(page)
    zoom(figures(document)[0], hours(5, 8), (-9.0, -4.0))
    path = explore.save_state(page, tmp_path / "view.json")
    again = explore.time_explorer(storm(), state=path)
    assert explore.state_of(again) == explore.state_of(page)
    (plot,) = figures(opened(again))
    assert across(plot) == tuple(map(millis, hours(5, 8))) and up(plot) == (-9, -4)
    explore.set_state(again, {"zoom": None})
    assert explore.state_of(again)["zoom"] is None and across(plot) != tuple(map(millis, hours(5, 8)))
    explore.set_state(again, json.loads(path.read_text()))
    assert across(plot) == tuple(map(millis, hours(5, 8)))


@pytest.mark.slow
def test_a_part_in_which_there_is_nothing_is_not_kept():
    tree = xr.DataTree.from_dict({"/a": storm()[["dst"]], "/b": storm(start=START + 900 * HOUR)[["dst"]]})
    page = explore.time_explorer(tree)
    document = opened(page)
    zoom(figures(document)[0], hours(5, 8))
    widget(page, "Node").value = "/b"
    (plot,) = figures(document)
    assert across(plot)[0] >= millis(hours(899, 0)[0]) and explore.state_of(page)["zoom"] is None


@pytest.mark.slow
def test_a_node_keeps_the_time_of_another():
    tree = xr.DataTree.from_dict({"/a": storm()[["dst"]], "/b": storm()[["speed"]]})
    page = explore.time_explorer(tree)
    document = opened(page)
    zoom(figures(document)[0], hours(5, 8))
    widget(page, "Node").value = "/b"
    assert across(figures(document)[0]) == tuple(map(millis, hours(5, 8)))
    zoom(figures(document)[0], hours(6, 9))
    assert explore.state_of(page)["zoom"]["Over time"]["time"][0] == "2001-03-31T06:00:00"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"Over tme": {"time": [1, 2]}}, "did you mean 'Over time'"),
        ({"Over time": {"time": [2, 1]}}, "wrong way round"),
        ({"Over time": {"time": [1, 1]}}, "is no range"),
        ({"Over time": {"time": 1}}, r"give \[low, high\]"),
        ({"Over time": [1, 2]}, "says no part"),
        ([1, 2], "says no part"),
    ],
)
def test_a_zoom_that_makes_no_sense_is_refused(page, asked, message):
    with pytest.raises(BadOption, match=message):
        explore.set_state(page, {"zoom": asked})


def test_no_control_is_named_as_the_zoom_is():
    with pytest.raises(BadOption, match="cannot be named 'zoom'"):
        explore.linked([explore.View("a", str)], controls=[explore.Choice("zoom", ["in"])])


def test_an_axis_of_another_unit_or_kind_is_not_the_same():
    def line(unit):
        return hv.Curve(([1.0, 2, 3], [1.0, 2, 3]), hv.Dimension("d", unit=unit), "v")

    page = explore.linked(
        [explore.View("Line", line, uses=["unit"])], controls=[explore.Choice("unit", ["km", "AU", "m"])]
    )
    document = opened(page)
    zoom(figures(document)[0], (1.5, 2.0))
    widget(page, "unit").value = "AU"
    assert across(figures(document)[0]) == (1, 3)
    explore.set_state(page, {"zoom": {"Line": {"d": ["2001-01-01", "2001-01-02"]}}})
    assert across(figures(document)[0]) == (1, 3)


@pytest.mark.slow
def test_a_logarithmic_axis_takes_no_part_that_begins_below_zero():
    def line(scale):
        return hv.Curve([(1.0, 1), (100, 2)], "d", "v").opts(logx=scale == "log", backend="bokeh")

    page = explore.linked(
        [explore.View("Line", line, uses=["scale"])], controls=[explore.Choice("scale", ["linear", "log"])]
    )
    document = opened(page)
    zoom(figures(document)[0], (-5.0, 50.0))
    widget(page, "scale").value = "log"
    assert across(figures(document)[0])[0] > 0


@pytest.mark.slow
def test_files_show_what_is_seen(page, tmp_path):
    document = opened(page)
    zoom(figures(document)[0], hours(5, 8))
    text = explore.save_page(page, tmp_path / "view.html").read_text("utf-8")
    ends = [f'"start":{millis(hours(5, 8)[0])}', f'"end":{millis(hours(5, 8)[1])}']
    assert all(end in text.replace(" ", "") for end in ends)
    assert "2001-03-31T05:00:00" in explore.code_of(page)
    picture = page.explored.pictures()["Over time"]
    (element,) = [one for one in picture.traverse(lambda one: one, [hv.Curve])]
    assert hv.Store.lookup_options("bokeh", element, "plot").kwargs["xlim"] == hours(5, 8)


@pytest.mark.slow
def test_a_file_of_a_long_series_has_its_own_samples():
    page = explore.time_explorer(storm(200_000, np.timedelta64(1, "s")), state={"variables": ["speed"]})
    document = opened(page)
    zoom(figures(document)[0], hours(5, 6))
    curve = page.explored.pictures()["Over time"].traverse(lambda one: one, [hv.Curve])[0]
    times = curve.dimension_values(0)
    assert ((times >= hours(5, 6)[0]) & (times <= hours(5, 6)[1])).sum() == 3601
    limits = hv.Store.lookup_options("bokeh", curve, "plot").kwargs["ylim"]
    assert limits[0] < 400 and limits[1] > 200_000


@pytest.mark.slow
def test_axes_of_two_pages_are_not_linked_unless_asked():
    one, other = (explore.time_explorer(storm(), state={"variables": ["dst"]}) for _ in range(2))
    document = opened(pn.Row(one, other))
    first, second = figures(document)
    assert first.x_range is not second.x_range
    zoom(first, hours(5, 8))
    assert across(second) != across(first)
    assert [bool(explore.state_of(page)["zoom"]) for page in (one, other)].count(True) == 1


@pytest.mark.slow
def test_pages_together_show_the_same_time_and_tap_it():
    one = explore.time_explorer(storm(), state={"variables": ["dst"]})
    other = explore.time_explorer(storm(100, start=START - 20 * HOUR), state={"variables": ["speed"]})
    explore.together(one, other)
    document = opened(pn.Row(one, other))
    first, second = of(one, document), of(other, document)
    whole = across(second)
    zoom(first, hours(5, 8))
    assert across(second) == across(first) and up(second)[0] < 400
    assert explore.state_of(other)["zoom"] == explore.state_of(one)["zoom"]
    zoom(second, hours(10, 12))
    assert across(first) == tuple(map(millis, hours(10, 12)))
    widget(other, "Variables").value = ["dst"]
    assert across(of(other, document)) == tuple(map(millis, hours(10, 12)))
    explore.set_state(one, {"zoom": None})
    assert across(of(other, document)) == whole
    tap = next(
        stream
        for element in one.select(pn.pane.HoloViews)[0].object.traverse(lambda x: x, [hv.core.Element2D])
        for stream in hv.streams.Stream.registry.get(element, [])
        if type(stream) is hv.streams.Tap
    )
    tap.event(x=START + 7 * HOUR, y=0.0)
    assert explore.state_of(other)["time"] == "2001-03-31T07:00:00"


@pytest.mark.slow
def test_pages_in_two_documents_are_in_step_and_a_page_shown_later_joins():
    one, other = (explore.time_explorer(storm(), state={"variables": ["dst"]}) for _ in range(2))
    explore.together(one, other)
    (first,) = figures(opened(one))
    zoom(first, hours(5, 8))
    (second,) = figures(opened(other))
    assert across(second) == across(first)
    zoom(second, hours(6, 9))
    assert across(first) == tuple(map(millis, hours(6, 9)))


def test_seconds_are_no_times():
    def line():
        return hv.Curve([(0.0, 1), (1e5, 2)], hv.Dimension("time", unit="s"), "v")

    one = explore.linked([explore.View("Line", line)], title="Seconds")
    other = explore.time_explorer(storm(), state={"variables": ["dst"]})
    with pytest.raises(BadOption, match="Seconds shows none now"):
        explore.together(one, other)


def test_what_cannot_be_together_is_refused(page):
    with pytest.raises(BadOption, match="two pages"):
        explore.together(page)
    with pytest.raises(BadOption, match="twice"):
        explore.together(page, page)
    with pytest.raises(BadOption, match="no page of an explorer"):
        explore.together(page, pn.Column())

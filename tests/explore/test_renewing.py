"""A picture renewed in place shows what one made anew would show; where it cannot, it is made anew."""

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr
from bokeh.document import Document
from bokeh.models import BoxAnnotation, BoxSelectTool, ColumnDataSource, LassoSelectTool, Legend
from bokeh.plotting import figure

from analysis import explore, panels, xray
from analysis.explore.grafts import Otherwise, grafted
from analysis.explore.renewing import renewed
from analysis.explore.zooms import Zooms, zoomed_pane


@pytest.fixture(autouse=True)
def backend():
    panels.notebook()


def shown(pane):
    """Return the document of a pane as a browser shows it, and its only figure."""
    document = Document()
    document.add_root(pane.get_root(document))
    return document, figure_of(document)


def figure_of(document):
    return next(one for root in document.roots for one in root.select({"type": figure}))


def told(plot):
    """Return what is to be seen in a figure, as plain values."""
    sources = [one.data_source for one in plot.renderers if hasattr(one, "data_source")]
    data = [{name: np.asarray(values).tolist() for name, values in one.data.items()} for one in sources]
    spans = [(one.left, one.right) for one in plot.renderers if isinstance(one, BoxAnnotation)]
    legends = [item.label.value for legend in plot.select({"type": Legend}) for item in legend.items]
    ranges = [getattr(along, end) for along in (plot.x_range, plot.y_range) for end in ("start", "end")]
    labels = [axis.axis_label for axis in (*plot.xaxis, *plot.yaxis)]
    mappers = [(type(m).__name__, m.low, m.high) for m in plot.references() if hasattr(m, "low") and hasattr(m, "high")]
    notes = [part.text for part in (*plot.above, *plot.below) if hasattr(part, "text")]
    words = plot.html_attributes.get("aria-label")
    return [data, spans, legends, ranges, labels, mappers, plot.title.text, notes, words]


def steps(values, unit="ct", title="T"):
    array = xr.DataArray(values, dims="channel", name="rate", attrs={"units": unit})
    edges = xr.DataArray(np.arange(1.0, len(values) + 2), dims="edge", name="energy", attrs={"units": "keV"})
    return panels.histogram_steps(array, edges=edges, attrs={"title": title, "source": title, "synthetic": "true"})


def picture(values, **options):
    return panels.image(xr.DataArray(values, dims=["y", "x"], name="counts", attrs={"units": "ct"}), **options)


def two(first, second):
    return (hv.Curve([1, 2], label=first) * hv.Curve([2, 1], label=second)).opts(legend_position="right")


ramp = np.arange(12.0).reshape(3, 4)
PAIRS = {
    "other ticks, of less than a decade": (steps([1.0, 500.0]), steps([3.0, 9.0])),
    "other values and more of them": (steps([1.0, 5.0]), steps([3.0, 9.0, 2.0], title="Other")),
    "bins left out: the note says so": (steps([1.0, 5.0]) * hv.VSpan(1, 2), steps([0.0, 5.0, 3.0]) * hv.VSpan(1, 3)),
    "a span that appears": (steps([1.0, 5.0]), steps([1.0, 5.0]) * hv.VSpan(1, 2)),
    "a span that goes": (steps([1.0, 5.0]) * hv.VSpan(1, 2), steps([1.0, 5.0])),
    "a line more": (two("a", "b"), two("a", "b") * hv.Curve([3, 3], label="c")),
    "other names in the legend": (two("a", "b"), two("c", "d")),
    "other units": (steps([1.0, 5.0]), steps([1.0, 5.0], unit="ct s-1")),
    "an image of other limits": (picture(ramp), picture(ramp * 7, clim=(1, 9))),
    "an image of another size": (picture(ramp), picture(np.ones((5, 2)))),
    "signs, which have another scale of colours": (picture(ramp), picture(ramp - 5)),
    "nothing that can be drawn": (picture(ramp), picture(np.full((3, 4), np.nan))),
    "an outline": (picture(ramp), picture(ramp, outlines={"o": (np.array([0, 1, 1.0]), np.array([0, 0, 1.0]))})),
    "bars of other names": (hv.Bars([("a", 1), ("b", 2)]), hv.Bars([("b", 3), ("c", 4), ("d", 1)])),
    "a linear axis for a logarithmic one": (hv.Curve([1, 2]).opts(logy=True), hv.Curve([1, 2])),
    "another kind": (hv.Curve([1, 2]), hv.Scatter([1, 2])),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("back", [False, True])
def test_what_is_shown_is_what_a_picture_made_anew_shows(name, back):
    one, other = PAIRS[name][:: -1 if back else 1]
    page = explore.linked(
        [explore.View("P", lambda which: [one, other][int(which)], uses=["which"])],
        controls=[explore.Choice("which", ["0", "1"])],
    )
    document = Document()
    page.server_doc(document)
    explore.set_state(page, {"which": "1"})
    assert [part.object for part in page.select(pn.pane.HTML) if "cannot be shown" in part.object] == []
    anew = shown(zoomed_pane(Zooms(), "P", other))[1]
    assert told(figure_of(document)) == told(anew)
    document.validate()


ALIKE = [
    "other values and more of them", "other ticks, of less than a decade", "a span that appears", "a span that goes",
    "an image of other limits", "an image of another size",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIKE)
def test_a_picture_built_alike_stays_in_its_figure(name):
    zooms, (one, other) = Zooms(), PAIRS[name]
    pane = zoomed_pane(zooms, "P", one)
    before = shown(pane)[1]
    assert renewed(zooms, "P", pane, other)
    assert figure_of(before.document) is before
    assert pane.object is other
    fresh = shown(zoomed_pane(Zooms(), "P", other))[1]
    left = [set(values) - {"tags", "subscribed_events"} for _, values in grafted(before, fresh).changes]
    assert [one for one in left if one] == []


@pytest.mark.slow
def test_a_picture_that_follows_zoom_is_made_anew():
    zooms = Zooms()
    for moving in (hv.DynamicMap(lambda: hv.Curve([1, 2])), long_series()):
        pane = zoomed_pane(zooms, "P", moving)
        shown(pane)
        assert not renewed(zooms, "P", pane, moving)


def long_series():
    time = np.datetime64("2001-01-01", "ns") + np.arange(200_000) * np.timedelta64(1, "s")
    array = xr.DataArray(np.sin(np.arange(200_000.0)), {"time": time}, ["time"], "b", {"units": "nT"})
    return panels.time_panels(xr.Dataset({"b": array}), variables=["b"])


def test_a_picture_with_a_stream_of_its_own_is_made_anew():
    zooms, curve = Zooms(), hv.Curve([1, 2])
    stream = hv.streams.RangeX(source=curve)
    stream.add_subscriber(lambda x_range: None)
    pane = zoomed_pane(zooms, "P", hv.Curve([2, 3]))
    shown(pane)
    assert not renewed(zooms, "P", pane, curve)


@pytest.mark.slow
def test_one_page_in_two_cells_is_renewed_in_both():
    zooms = Zooms()
    pane = zoomed_pane(zooms, "P", hv.Curve([1, 2]))
    first, second = shown(pane)[1], shown(pane)[1]
    assert renewed(zooms, "P", pane, hv.Curve([5, 7]))
    ys = [one.renderers[0].data_source.data["y"].tolist() for one in (first, second)]
    assert ys == [[5, 7], [5, 7]]


def test_what_is_zoomed_stays_and_the_reset_shows_the_new_whole():
    zooms = Zooms(held={"P": {"x": (0.25, 0.5)}})
    pane = zoomed_pane(zooms, "P", hv.Curve([1, 2, 3]))
    plot = shown(pane)[1]
    assert renewed(zooms, "P", pane, hv.Curve([1, 2, 3, 4, 5]))
    assert (plot.x_range.start, plot.x_range.end) == (0.25, 0.5)
    assert (plot.x_range.reset_start, plot.x_range.reset_end) == (0, 4)
    assert zooms.shown[-1].axes["x"].range is plot.x_range
    assert zooms.shown[-1].axes["x"].whole == (0, 4)


def test_a_figure_of_another_kind_cannot_take_ones_place():
    with pytest.raises(Otherwise):
        grafted(figure(), figure(x_axis_type="log"))
    with pytest.raises(Otherwise, match="names"):
        grafted(ColumnDataSource({"a": [1]}), ColumnDataSource({"b": [1]}))


@pytest.mark.slow
def test_brushes_on_events_leave_every_figure_its_tools_and_select_no_glyphs():
    page = xray.explore(xray.fetch("m82_acis_events"), column="grade")
    document = Document()
    page.server_doc(document)
    before = [one.id for root in document.roots for one in root.select({"type": figure})]
    for state in ({"region": [4447, 3830, 4458, 3841]}, {"energy": [2, 8]}, {"region": None}, {"energy": None}):
        explore.set_state(page, state)
        figures = [one for root in document.roots for one in root.select({"type": figure})]
        assert [one.id for one in figures] == before
    tools = [tool for one in figures for tool in one.tools if isinstance(tool, BoxSelectTool | LassoSelectTool)]
    assert len(tools) == 5
    assert {tuple(tool.renderers) for tool in tools} == {()}

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr
from holoviews.streams import BoundsX, BoundsXY, Stream, Tap

from analysis import explore, panels
from analysis.errors import BadOption, WrongData


def pictures(page):
    """Return what the HoloViews panes of a page show, in order."""
    return [pane.object for pane in page.select(pn.pane.HoloViews)]


def words(page):
    return " ".join(pane.object for pane in page.select(pn.pane.HTML) if pane.visible)


def stream_of(picture, kind):
    """Return the stream of a kind that listens on any element of the picture."""
    elements = picture.traverse(lambda x: x, [hv.core.Element2D])
    return next(s for e in elements for s in Stream.registry.get(e, []) if type(s) is kind)


def widget(page, label):
    return next(w for w in page.select(pn.widgets.Widget) if w.label == label)


@pytest.fixture
def storm():
    time = np.datetime64("2001-03-31", "ns") + np.arange(24) * np.timedelta64(1, "h")
    energy = ("energy", [10.0, 100.0, 1000.0], {"units": "eV", "long_name": "Energy"})
    return xr.Dataset(
        {
            "dst": ("time", -np.arange(24.0), {"units": "nT", "long_name": "Dst index"}),
            "flux": (
                ("time", "energy"),
                1 + np.arange(72.0).reshape(24, 3),
                {"units": "cm-2", "long_name": "Flux"},
            ),
        },
        {"time": ("time", time, {"long_name": "Time (UTC)"}), "energy": energy},
        attrs={"title": "Made-up storm", "synthetic": "true"},
    )


def test_a_tap_shows_the_spectrum_at_that_time(storm):
    page = explore.time_explorer(storm)
    assert len(pictures(page)) == 1 and "Tap a place" in words(page)
    stream_of(pictures(page)[0], Tap).event(x=np.datetime64("2001-03-31T05:10"), y=0.0)
    spectrum = pictures(page)[1].traverse(lambda x: x, [hv.Scatter])[0]
    np.testing.assert_array_equal(spectrum["flux"], storm["flux"].isel(time=5))
    assert "2001-03-31T05:00:00 UTC" in hv.render(pictures(page)[1].traverse(lambda x: x, [hv.Overlay])[0]).title.text


def test_a_tap_where_there_is_no_spectrum_gives_the_values_in_words(storm):
    page = explore.time_explorer(storm[["dst"]])
    stream_of(pictures(page)[0], Tap).event(x=np.datetime64("2001-03-31T08:00"), y=0.0)
    assert "Dst index: -8 nT" in words(page)


@pytest.mark.parametrize(
    ("tapped", "told"),
    [("07:29", 7), ("07:31", 8), ("00:40", 1), ("23:59", 23)],
    ids=["before", "after", "start", "end"],
)
def test_a_tap_on_times_without_an_index_gives_the_nearest_sample(storm, tapped, told):
    page = explore.time_explorer(storm[["dst"]].drop_indexes("time"))
    stream_of(pictures(page)[0], Tap).event(x=np.datetime64(f"2001-03-31T{tapped}"), y=0.0)
    assert f"Dst index: {-told} nT" in words(page)


def test_choosing_variables_redraws_the_panels(storm):
    page = explore.time_explorer(storm)
    widget(page, "Variables").value = ["dst"]
    assert len(pictures(page)[0]) == 1
    widget(page, "Variables").value = []
    assert "choose at least one variable" in words(page)
    widget(page, "Variables").value = ["flux"]
    assert "cannot be shown" not in words(page)


def test_a_tree_is_explored_node_by_node(storm):
    tree = xr.DataTree.from_dict({"/field": storm[["dst"]], "/ions": storm[["flux"]]})
    page = explore.time_explorer(tree)
    assert widget(page, "Node").options == ["/field", "/ions"]
    widget(page, "Node").value = "/ions"
    assert widget(page, "Variable").options == ["flux"]


def test_nothing_over_time_is_refused():
    with pytest.raises(WrongData, match="no variable over time"):
        explore.time_explorer(xr.Dataset({"a": ("x", [1.0])}))


@pytest.fixture
def event_page():
    rng = np.random.default_rng(0)
    columns = {name: ("event", rng.uniform(0, 10, 500), {"units": "1"}) for name in ("x", "y", "time", "energy")}
    events = xr.DataTree.from_dict({"/events": xr.Dataset(columns), "/gti": xr.Dataset({"start": ("interval", [0.0])})})
    seen = {}

    def image(cut):
        assert "gti" in cut.children
        seen["image"] = cut["events"].to_dataset()
        table, _, _ = np.histogram2d(cut["events"]["y"], cut["events"]["x"], bins=5, range=[(0, 10)] * 2)
        return panels.image(xr.DataArray(table, {"y": np.arange(1.0, 10, 2), "x": np.arange(1.0, 10, 2)}, ["y", "x"]))

    def curve_of(name):
        def curve(cut):
            seen[name] = cut["events"].to_dataset()
            counts, _ = np.histogram(cut["events"][name], bins=10, range=(0, 10))
            along = {name: np.arange(0.5, 10)}
            return panels.points(xr.DataArray(counts, along, [name], name="counts"))

        return curve

    def within(box=None, **ranges):
        table = events["events"].to_dataset()
        ranges |= {} if box is None else {"x": box[::2], "y": box[1::2]}
        for name, ends in ranges.items():
            table = (
                table if ends is None else table.where((table[name] >= ends[0]) & (table[name] < ends[1]), drop=True)
            )
        return xr.DataTree.from_dict({"/events": table, "/gti": events["gti"].to_dataset()})

    views = [
        explore.View("Image", lambda **cut: image(within(**cut)), uses=("time", "energy"), selects={"box": "box"}),
        explore.View(
            "Spectrum",
            lambda **cut: curve_of("energy")(within(**cut)),
            uses=("box", "time"),
            selects={"energy": "range"},
        ),
        explore.View(
            "Curve", lambda **cut: curve_of("time")(within(**cut)), uses=("box", "energy"), selects={"time": "range"}
        ),
    ]
    return explore.linked(views, beside=True), seen, events["events"].to_dataset()


@pytest.mark.slow
def test_a_box_on_the_image_filters_spectrum_and_light_curve(event_page):
    page, seen, events = event_page
    stream_of(pictures(page)[0], BoundsXY).event(bounds=(2.0, 3.0, 6.0, 7.0))
    inside = events.where((events.x >= 2) & (events.x < 6) & (events.y >= 3) & (events.y < 7), drop=True)
    assert seen["energy"].sizes == seen["time"].sizes == inside.sizes
    assert seen["image"].sizes["event"] == 500


def test_ranges_and_box_work_together_and_can_be_cleared(event_page):
    page, seen, events = event_page
    stream_of(pictures(page)[2], BoundsX).event(boundsx=(0.0, 5.0))
    stream_of(pictures(page)[1], BoundsX).event(boundsx=(5.0, 10.0))
    both = events.where((events.time < 5) & (events.energy >= 5), drop=True)
    assert seen["image"].sizes == both.sizes
    assert any("energy: 5 to 10; time: 0 to 5" in str(part.object) for part in page.select(pn.pane.HTML))
    widget(page, "Clear selections").clicks += 1
    assert seen["image"].sizes["event"] == 500


@pytest.mark.slow
def test_pictures_to_select_on_have_the_tool_for_it(event_page):
    page, _, _ = event_page
    tools = [{type(t).__name__ for t in hv.render(p).toolbar.tools} for p in pictures(page)]
    assert all("BoxSelectTool" in one for one in tools)


def test_the_sky_follows_its_selectors_and_the_lines_the_mask():
    asked = []

    def lines(values, drawn):
        asked.append(values["latitude"])
        return {"line": (np.arange(3), np.arange(3) * values["latitude"])}, "words"

    page = explore.sky_explorer(
        sky=lambda values, scene: asked.append((values["stokes"], scene.pointing.projection)) or "sky",
        choices=[explore.Choice("stokes", ["I", "Q"], label="Stokes parameter")],
        followers=explore.Followers(
            dial=explore.Slider("latitude", 0, 60, 5, 20, "Mask (deg)"),
            mask=lambda values, drawn: None,
            lines=lines,
            picture=lambda moving: moving,
        ),
    )
    assert asked == [("I", "mollweide"), 20]
    widget(page, "Stokes parameter").value = "Q"
    widget(page, "Projection").value = "cartesian"
    assert asked[2:] == [("Q", "mollweide"), ("Q", "cartesian")]
    widget(page, "Mask (deg)").value = 30
    assert asked[4:] == [30]


def test_a_picture_that_fails_is_replaced_by_the_reason_and_comes_back():
    def picture(name):
        if name == "bad":
            raise WrongData("there is <nothing> to draw")
        return hv.Curve([1, 2])

    page = explore.linked(
        [explore.View("Picture", picture, uses=["name"])], controls=[explore.Choice("name", ["good", "bad"])]
    )
    widget(page, "name").value = "bad"
    assert "there is &lt;nothing&gt; to draw" in words(page) and not pictures(page)
    widget(page, "name").value = "good"
    assert "nothing" not in words(page) and len(pictures(page)) == 1


@pytest.mark.parametrize(
    "views",
    [
        [],
        [explore.View("a", str, uses=["unset"])],
        [explore.View("a", str), explore.View("a", str)],
        [explore.View("a", str, selects={"x": "lasso"})],
    ],
)
def test_declarations_that_cannot_work_are_refused(views):
    with pytest.raises(BadOption):
        explore.linked(views)

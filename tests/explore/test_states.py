"""What a page shows as a small dictionary: told, set again, refused where it does not fit, and handed on."""

import asyncio
import json
import re
import subprocess
import sys

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr

from analysis import cmb, explore, plasma, xray
from analysis.errors import BadOption, MissingFile, WrongData
from analysis.explore.newest import QUIET, newest_only
from analysis.explore.states import fit_selection, told


def pictures(page):
    return [pane.object for pane in page.select(pn.pane.HoloViews)]


def words(page):
    return " ".join(pane.object for pane in page.select(pn.pane.HTML) if pane.visible)


def widget(page, label):
    return next(w for w in page.select(pn.widgets.Widget) if w.label == label)


def tapped(page, x):
    elements = pictures(page)[0].traverse(lambda one: one, [hv.core.Element2D])
    taps = [s for e in elements for s in hv.streams.Stream.registry.get(e, []) if type(s) is hv.streams.Tap]
    taps[0].event(x=x, y=0.0)


@pytest.fixture
def wind():
    return plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01")


@pytest.fixture
def seen():
    """Return a page whose pictures are words that say what they were made of, and the list of these."""
    made = []

    def view(name, size, place):
        made.append((name, size, place))
        return f"{name} {size:g} {place}"

    def pick(name):
        return hv.Curve([1, 2])

    page = explore.linked(
        [
            explore.View("Words", view, uses=("name", "size", "place")),
            explore.View("Pick", pick, uses=("name",), selects={"place": "range"}),
        ],
        controls=[explore.Choice("name", ["Io", "Europa"]), explore.Slider("size", 0, 10, 1, 2)],
        title="Moons",
    )
    return page, made


def test_a_state_is_told_set_and_told_again(seen):
    page, made = seen
    assert explore.state_of(page) == {"name": "Io", "size": 2, "place": None, "zoom": None}
    state = {"name": "Europa", "size": 7.0, "place": [1.5, 2.5], "zoom": None}
    explore.set_state(page, json.loads(json.dumps(state)))
    assert explore.state_of(page) == state
    assert made[-1] == ("Europa", 7.0, (1.5, 2.5)) and len(made) == 2
    assert widget(page, "name").value == "Europa" and widget(page, "size").value == 7
    assert any("place: 1.5 to 2.5" in words.object for words in page.select(pn.pane.HTML))


def test_what_a_state_leaves_out_stays(seen):
    page, _ = seen
    explore.set_state(page, {"size": 3})
    explore.set_state(page, {"name": "Europa"})
    assert explore.state_of(page) == {"name": "Europa", "size": 3, "place": None, "zoom": None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"nme": "Io"}, "no control or selection 'nme'; it has name, size, place, zoom; did you mean 'name'"),
        ({"name": "Eurpa"}, "is none of Io, Europa; did you mean 'Europa'"),
        ({"size": 11}, "not between 0 and 10"),
        ({"size": "2"}, "is no number"),
        ({"size": True}, "is no number"),
        ({"place": [1]}, r"give \[low, high\]"),
        ({"place": [2, 1]}, "wrong way round"),
        ({"place": [float("nan"), 1]}, "not numbers"),
        ({"place": ["a", "b"]}, r"give \[low, high\]"),
        ({"place": ["2001-01-01", 1]}, r"give \[low, high\]"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(seen, state, message):
    page, made = seen
    before = explore.state_of(page)
    with pytest.raises(BadOption, match=message):
        explore.set_state(page, {"name": "Europa", **state})
    assert explore.state_of(page) == before and len(made) == 1


def test_a_view_is_a_file_too(seen, tmp_path):
    page, _ = seen
    explore.set_state(page, {"size": 5})
    path = explore.save_state(page, tmp_path / "view.json")
    explore.set_state(page, {"size": 1})
    explore.set_state(page, path)
    assert explore.state_of(page)["size"] == 5
    with pytest.raises(BadOption, match="there already"):
        explore.save_state(page, path)
    with pytest.raises(MissingFile, match=r"none\.json"):
        explore.set_state(page, tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(BadOption, match="is no JSON"):
        explore.set_state(page, tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(BadOption, match="JSON object"):
        explore.set_state(page, tmp_path / "list.json")


def test_times_survive_as_text():
    time = np.datetime64("2001-03-31T05:10:00.5", "ns")
    assert told(time) == "2001-03-31T05:10:00.5"
    assert fit_selection("time", told(time), "tap") == time
    assert fit_selection("time", told((time, time)), "range") == (time, time)
    assert told(np.datetime64("2001-03-31", "D")) == "2001-03-31T00:00:00"
    assert fit_selection("box", told((1.0, np.float32(2), 3.0, 4.0)), "box") == (1, 2, 3, 4)
    assert fit_selection("region", told((1.0, 2.0, 3.0, 4.0)), "area") == (1, 2, 3, 4)
    drawn = np.array([[0.0, 0], [1, 0], [0.5, 2]])
    np.testing.assert_array_equal(fit_selection("region", told(drawn), "area"), drawn)
    for wrong in ([[0, 0], [1, 1]], [[0, 0], [1, 1], [2]], [[0, 0], [1, 1], ["a", 0]]):
        with pytest.raises(BadOption, match="three corners"):
            fit_selection("region", wrong, "area")
    with pytest.raises(BadOption, match="is no time"):
        fit_selection("time", "2001-13-31", "tap")


def test_no_other_page_has_a_state():
    with pytest.raises(BadOption, match="no page of an explorer"):
        explore.state_of(pn.Column())


@pytest.mark.slow
def test_a_view_over_time_opens_as_it_was_left(wind):
    page = plasma.explore(wind)
    widget(page, "Variables").value = ["dst", "bz"]
    tapped(page, np.datetime64("2001-03-31T08:00"))
    state = json.loads(json.dumps(explore.state_of(page)))
    assert state == {"variables": ["dst", "bz"], "time": "2001-03-31T08:00:00", "zoom": None}
    again = plasma.explore(wind, state=state)
    assert explore.state_of(again) == state and words(again) == words(page) and "Dst index: -387 nT" in words(again)
    with pytest.raises(BadOption, match="did you mean 'dst'"):
        plasma.explore(wind, state={"variables": ["dts"]})


@pytest.mark.slow
def test_a_view_of_a_tree_has_its_node(wind):
    tree = plasma.collect("qin_denton_hourly", "space_weather_daily", start="2001-03-31", stop="2001-04-02")
    page = plasma.explore(tree)
    widget(page, "Node").value = "/space_weather_daily"
    state = explore.state_of(page)
    assert state["node"] == "/space_weather_daily"
    again = plasma.explore(tree, state={**state, "variables": state["variables"][:1]})
    assert widget(again, "Node").value == "/space_weather_daily"
    assert explore.state_of(again)["variables"] == state["variables"][:1]
    explore.set_state(again, {"node": "/qin_denton_hourly", "variables": ["kp"]})
    assert explore.state_of(again) == {"node": "/qin_denton_hourly", "variables": ["kp"], "time": None, "zoom": None}
    assert "plasma.collect('qin_denton_hourly', 'space_weather_daily'" in explore.code_of(again)
    with pytest.raises(BadOption, match="none of /qin"):
        explore.set_state(again, {"node": "/none"})


@pytest.mark.slow
def test_a_view_of_events_opens_as_it_was_left():
    events = xray.fetch("m82_acis_events")
    page = xray.explore(events)
    name = next(n for n in explore.state_of(page) if n == "energy")
    explore.set_state(page, {name: [2, 5]})
    state = json.loads(json.dumps(explore.state_of(page)))
    again = xray.explore(events, state=state)
    assert explore.state_of(again) == state and state["energy"] == [2, 5]
    assert "cannot be shown" not in words(again)
    with pytest.raises(BadOption, match="did you mean 'energy'"):
        xray.explore(events, state={"enrgy": [2, 5]})


@pytest.mark.slow
def test_a_view_of_the_sky_opens_as_it_was_left():
    sky = cmb.fetch("wmap7_w_iqu")
    state = {"shown": "Q", "projection": "gnomonic", "latitude": 35.0, "centre": [184.6, -5.8], "field": 60.0}
    state |= {"place": [184.0, -6.0], "lines": "segments", "graticule": "icrs", "method": "decoupled"}
    state |= {"zoom": None, "drawn": None, "colours": "of what is visible"}
    page = cmb.explore(sky, state=state)
    assert explore.state_of(page) == state and "cannot be shown" not in words(page)
    assert "184.0000" in words(page)
    explore.set_state(page, {"projection": "mollweide", "place": None, "latitude": 10})
    later = explore.state_of(page)
    assert (later["projection"], later["place"], later["latitude"], later["shown"]) == ("mollweide", None, 10.0, "Q")
    wrongs = ({"shown": "V"}, {"latitude": 91}, {"centre": [10]}, {"centre": [0, 95]}, {"field": 7}, {"stokes": "Q"})
    for wrong in wrongs:
        with pytest.raises(BadOption):
            cmb.explore(sky, state=wrong)


@pytest.mark.slow
def test_sliders_of_a_model_open_where_they_were_left():
    ulx = xray.fetch("ngc7793_ulx4_pn")
    options = {"band": (0.5, 8), "min_counts": 25}
    page = xray.explore(ulx, "tbabs * powerlaw", **options, state={"powerlaw.photon_index": 2.5})
    state = explore.state_of(page)
    assert state["powerlaw.photon_index"] == pytest.approx(2.5)
    explore.set_state(page, {"powerlaw.norm": 1e-3})
    assert explore.state_of(page)["powerlaw.norm"] == pytest.approx(1e-3)
    with pytest.raises(BadOption, match="not positive"):
        explore.set_state(page, {"powerlaw.norm": -1})
    code = explore.code_of(page)
    assert "xray.fetch('ngc7793_ulx4_pn')" in code and "min_counts=25" in code
    names: dict = {}
    exec(compile(code.replace("\nxray.", "\npage = xray."), "code", "exec"), names)
    opened, here = explore.state_of(names["page"]), explore.state_of(page)
    assert opened.pop("zoom") is here.pop("zoom") is None and opened == pytest.approx(here)


@pytest.mark.slow
def test_the_code_shown_opens_the_same_view(wind):
    page = plasma.explore(wind, state={"variables": ["dst"], "time": "2001-03-31T08:00:00"})
    names: dict = {}
    exec(compile(explore.code_of(page).replace("\nplasma.", "\npage = plasma."), "code", "exec"), names)
    assert explore.state_of(names["page"]) == explore.state_of(page)
    xr.testing.assert_identical(names["data"]["dst"], wind["dst"])


def test_data_of_unknown_origin_get_code_that_says_so():
    assert "# data: what you opened" in explore.opened_again("plasma", xr.Dataset())["opening"]


@pytest.mark.slow
def test_what_is_seen_is_saved_as_one_page_without_links(wind, tmp_path):
    page = plasma.explore(wind, state={"variables": ["dst"], "time": "2001-03-31T08:00:00"})
    path = explore.save_page(page, tmp_path / "view.html")
    text = path.read_text("utf-8")
    assert "Dst index: -387 nT" in text and not re.search(r"<(script|link)[^>]*(src|href)=", text)
    with pytest.raises(BadOption, match="there already"):
        explore.save_page(page, path)
    with pytest.raises(BadOption, match=r"saved as \.html"):
        explore.save_page(page, tmp_path / "view.png")
    with pytest.raises(BadOption, match="no folder"):
        explore.save_page(page, tmp_path / "none" / "view.html")


@pytest.mark.slow
def test_the_share_button_unfolds_code_state_and_files(wind):
    page = plasma.explore(wind, state={"variables": ["dst"]})
    widget(page, "Share this view").clicks += 1
    assert explore.code_of(page) == widget(page, "Code that opens this view").value
    assert json.loads(widget(page, "This view as JSON").value) == explore.state_of(page)
    files = {w.filename.rpartition(".")[2]: w for w in page.select(pn.widgets.FileDownload)}
    assert set(files) == {"json", "html", "png", "svg"}
    assert files["png"].callback().read().startswith(b"\x89PNG")
    assert b"<svg" in files["svg"].callback().read()[:600]
    assert json.loads(files["json"].callback().read()) == explore.state_of(page)
    explore.set_state(page, {"variables": ["bz"]})
    assert "'bz'" in widget(page, "Code that opens this view").value


@pytest.mark.slow
def test_a_picture_that_cannot_be_saved_gives_the_reason():
    def picture(name):
        if name == "bad":
            raise WrongData("nothing to draw")
        return hv.Curve([1, 2])

    page = explore.linked(
        [explore.View("Line", picture, uses=["name"])], controls=[explore.Choice("name", ["a", "bad"])]
    )
    widget(page, "Share this view").clicks += 1
    png = next(w for w in page.select(pn.widgets.FileDownload) if w.label == "PNG")
    explore.set_state(page, {"name": "bad"})
    assert b"nothing to draw" in png.callback().read() and png.filename.endswith(".txt")
    explore.set_state(page, {"name": "a"})
    assert png.callback().read().startswith(b"\x89PNG") and png.filename.endswith(".png")


def test_nothing_to_show_is_said():
    page = explore.linked([explore.View("Nothing", lambda: None)])
    assert "nothing to show" in words(page)


def test_an_error_that_nobody_foresaw_is_named_and_no_traceback():
    page = explore.linked([explore.View("Broken", lambda: {}["key"])])
    assert "KeyError: " in words(page) and "Traceback" not in words(page)


def test_of_requests_that_wait_only_the_newest_is_drawn():
    drawn, newest = [], [0]

    async def requests():
        ask = newest_only(lambda: drawn.append(newest[0]))
        for number in range(1, 21):
            newest[0] = number
            ask()
        await asyncio.sleep(3 * QUIET)

    asyncio.run(requests())
    assert drawn == [1, 20]


def test_two_explorers_share_nothing(seen):
    page, _ = seen
    other = explore.linked([explore.View("Words", str)])
    assert explore.state_of(other) == {"zoom": None} and explore.state_of(page)["size"] == 2


def test_importing_explorers_loads_no_pictures():
    code = "import sys, analysis.explore, analysis.serving\nprint({'holoviews', 'panel', 'bokeh'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"

"""What a state or an address asks for that no page can show, and what is said of the time tapped."""

import json

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr

from analysis import explore
from analysis.errors import BadOption
from analysis.explore.states import state_in

TIME = np.datetime64("2001-01-01", "ns") + np.arange(6) * np.timedelta64(62_500_001, "ns")


def page_of(values, times=TIME, **state):
    return explore.time_explorer(xr.Dataset({"b": ("time", values)}, {"time": times}), state=state)


def words(page):
    return " ".join(str(p.object) for p in page.select(lambda p: isinstance(p, pn.pane.HTML)) if p.visible)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "is no JSON"),
        ('{"time": ' + "[" * 300 + "]" * 300 + "}", "more than 8 deep"),
        ('{"time": 1e400}', "not numbers"),
        ('{"time": ' + "9" * 400 + "}", "not numbers"),
        ('{"time": NaN}', "not numbers"),
        ('{"time": "99999-01-01"}', "years 1678 and 2261"),
        ('{"time": "-20000-01-01"}', "years 1678 and 2261"),
        ('{"time": "1677-12-31"}', "years 1678 and 2261"),
    ],
)
def test_what_no_page_can_show_is_refused(text, message):
    with pytest.raises(BadOption, match=message):
        page_of(np.arange(6.0), **state_in(text, "the address"))


def test_a_slider_takes_no_number_that_is_beyond_floats():
    page = explore.linked([explore.View("A", str, uses=())], controls=[explore.Slider("n", 0, 9)])
    for far in (10**400, float("inf"), float("nan"), True):
        with pytest.raises(BadOption, match="is no number"):
            explore.set_state(page, {"n": far})


def test_the_first_and_last_times_that_nanoseconds_reach_are_taken():
    for time in ("1678-01-02", "2261-12-31T23:59:59"):
        assert explore.state_of(page_of(np.arange(6.0), time=time))["time"].startswith(time)


@pytest.mark.parametrize(
    ("zoom", "message"),
    [
        ({"Over time": {"tim": ["2001-01-01", "2001-01-02"]}}, "Over time has no axis 'tim'; it has time, b; did you"),
        ({"Over time": {"time": [1, 2]}}, "the axis time of Over time is one of times"),
        ({"Over time": {"b": ["2001-01-01", "2001-01-02"]}}, "the axis b of Over time is one of numbers"),
        ({"At the time tapped": {"b": [1, 2]}}, "At the time tapped shows no picture now"),
    ],
)
def test_a_zoom_that_no_picture_has_is_said_and_forgotten(zoom, message):
    import html

    for page in (page_of(np.arange(6.0), zoom=zoom), page_of(np.arange(6.0))):
        explore.set_state(page, {"zoom": zoom})
        assert message in html.unescape(words(page)) and explore.state_of(page)["zoom"] is None
        explore.set_state(page, {"zoom": {"Over time": {"b": [1, 2]}}})
        assert "zoom:" not in words(page) and explore.state_of(page)["zoom"] == {"Over time": {"b": [1, 2]}}


def test_the_second_axis_of_a_name_can_be_zoomed():
    def two():
        return (hv.Curve([1, 2], "x", "y") + hv.Curve([1, 2], "x", "y")).opts(shared_axes=False, backend="bokeh")

    asked = {"Two": {"x 2": [0, 1]}}
    assert explore.state_of(explore.linked([explore.View("Two", two)], state={"zoom": asked}))["zoom"] == asked


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.arange(6.0), "b: 3"),
        (np.arange(6) + 123_456_786, "b: 123456789"),
        (np.arange(6) > 2, "b: True"),
        (np.array(list("abcdef")), "b: d"),
        (np.arange(6) * 1j, "b: 3j"),
        (np.full(6, np.nan), "b: nan"),
    ],
)
def test_the_values_of_the_time_tapped_are_told_whole_and_in_utc(values, said):
    told = words(page_of(values, time=str(TIME[3])))
    assert f"2001-01-01T00:00:00.187500003 UTC\n{said}<" in told and "time: 2001-01-01T00:00:00.187 UTC" in told


@pytest.mark.parametrize("order", [[0, 1, 1, 2, 3, 3], [0, 3, 1, 2, 5, 4], [5, 4, 3, 2, 1, 0]])
def test_times_that_repeat_or_go_back_can_be_tapped(order):
    for tapped in (1, 3):
        near = str(TIME[tapped] - np.timedelta64(3, "ms"))
        told = words(page_of(np.array(order, float), TIME[order], time=near))
        assert f"{str(TIME[tapped]).rstrip('0')} UTC\nb: {tapped}<" in told


def test_a_time_that_is_missing_is_never_the_nearest():
    times = TIME.copy()
    times[3] = np.datetime64("NaT")
    for tapped in (1, 4):
        near = str(TIME[tapped] + np.timedelta64(3, "ms"))
        assert f"UTC\nb: {tapped}<" in words(page_of(np.arange(6.0), times, time=near))


def test_a_time_beyond_the_data_is_told_to_be_that():
    assert "500005 UTC, the nearest that there is" in words(page_of(np.arange(6.0), time="2050-01-01"))
    assert "the nearest that there is" not in words(page_of(np.arange(6.0), time=str(TIME[5])))


def test_a_number_is_no_time():
    assert "time=5 is no time (UTC)" in words(page_of(np.arange(6.0), time=5))


def test_more_values_than_are_told_are_hinted_at():
    data = xr.Dataset({"b": (("time", "part"), np.arange(48.0).reshape(6, 8))}, {"time": TIME})
    told = words(explore.time_explorer(data, state={"time": str(TIME[0])}))
    assert "b: 0, 1, 2, 3, 4, 5, …" in told


def test_pages_without_times_are_not_put_together():
    line = explore.linked([explore.View("Line", lambda: hv.Curve([1, 2]))], title="A line")
    with pytest.raises(BadOption, match="A line shows none now"):
        explore.together(page_of(np.arange(6.0)), line)
    assert json.dumps(explore.state_of(line)) == '{"zoom": null}'


def test_a_slider_of_equal_factors_comes_back_as_it_was_set():
    def lines(values):
        return {"flat": (np.arange(2.0), np.full(2, values["norm"]))}

    page = explore.following([explore.Dial("norm", 1e-3, 1e3, 1.0, log=True)], lines, picture=lambda made: made)
    for value in (5.0, 0.07, 123.456789, 0.3):
        explore.set_state(page, {"norm": value})
        assert explore.state_of(page)["norm"] == value


def test_a_page_with_times_on_some_of_its_pictures_is_put_together():
    views = [
        explore.View("Over time", lambda: hv.Curve((TIME, np.arange(6.0)), "time", "b")),
        explore.View("Line", lambda: hv.Curve([1, 2])),
    ]
    explore.together(page_of(np.arange(6.0)), explore.linked(views))

"""What is visible of a sky, and the regions drawn on it by hand, are in the state of its page."""

import json

import numpy as np
import panel as pn
import pytest

from analysis import explore
from analysis.errors import BadOption
from analysis.explore.hands import CORNERS, thinned
from analysis.panels.pointings import Pointing, window

CORNER = {"projection": "mollweide", "centre": [0.0, 0.0], "field": 60.0, "x": [0.0, 0.5, 0.5], "y": [0.0, 0.0, 0.5]}
PART = {"Sky": {"sky_x": [-0.5, 0.5], "sky_y": [-0.25, 0.25]}}


@pytest.fixture
def seen():
    """Return a page of a sky that is words, and what the sky and the mask were asked for."""
    asked = {}

    def sky(values, scene):
        asked.update(part=scene.part, moved=scene.moved, kind=values["shown"], pointing=scene.pointing)
        return "sky"

    def lines(values, drawn):
        asked["drawn"] = drawn
        return {"line": (np.arange(3), np.arange(3) * values["latitude"])}, "words"

    page = explore.sky_explorer(
        sky=sky,
        choices=[explore.Choice("shown", ["I", "Q"], label="Shown")],
        followers=explore.Followers(
            dial=explore.Slider("latitude", 0, 60, 5, 20, "Mask (deg)"),
            mask=lambda values, drawn: None,
            lines=lines,
            picture=lambda moving: moving,
        ),
    )
    return page, asked


def widget(page, label):
    return next(w for w in page.select(pn.widgets.Widget) if w.label == label)


def test_what_is_visible_of_a_sky_is_told_and_stays_when_a_choice_is_made(seen):
    page, asked = seen
    assert explore.state_of(page)["zoom"] is None
    asked["moved"](((-0.5, 0.5), (-0.25, 0.25)))
    assert explore.state_of(page)["zoom"] == PART
    widget(page, "Shown").value = "Q"
    assert asked["kind"] == "Q" and asked["part"] == ((-0.5, 0.5), (-0.25, 0.25))
    half = window(asked["pointing"])
    asked["moved"](tuple((-one, one) for one in half))
    assert explore.state_of(page)["zoom"] is None


def test_another_projection_shows_the_whole_unless_the_state_says_otherwise(seen):
    page, asked = seen
    explore.set_state(page, {"zoom": PART})
    assert asked["part"] == ((-0.5, 0.5), (-0.25, 0.25))
    explore.set_state(page, {"projection": "cartesian"})
    assert asked["part"] is None and explore.state_of(page)["zoom"] is None
    explore.set_state(page, {"projection": "mollweide", "zoom": PART})
    assert asked["part"] == ((-0.5, 0.5), (-0.25, 0.25))


def test_regions_drawn_by_hand_are_set_and_told(seen):
    page, asked = seen
    state = json.loads(json.dumps(explore.state_of(page) | {"drawn": [CORNER, CORNER]}))
    explore.set_state(page, state)
    outline = ((0.0, 0.5, 0.5), (0.0, 0.0, 0.5))
    assert asked["drawn"] == ((Pointing("mollweide"), (outline, outline)),)
    assert explore.state_of(page) == state
    widget(page, "Take drawn regions away").clicks += 1
    assert asked["drawn"] == () and explore.state_of(page)["drawn"] is None


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"zoom": {"Sky": {"sky_x": [-0.5, 0.5]}}}, "sky_x and sky_y together"),
        ({"zoom": {"Sky": {"sky_x": [3, 4], "sky_y": [0, 1]}}}, "shows no sky"),
        ({"zoom": {"Sky": {"sky_x": ["2001-01-01", "2001-01-02"], "sky_y": [0, 1]}}}, "shows no sky|not supported"),
        ({"zoom": {"Sly": {}}}, "did you mean 'Sky'"),
        ({"drawn": [{"x": [1]}]}, "no drawn regions"),
        ({"drawn": [CORNER | {"x": [0, 1]}]}, "as many x as y"),
        ({"drawn": [CORNER | {"x": [0, 1, None]}]}, "is no number"),
        ({"drawn": [CORNER | {"projection": "mercator"}]}, "mercator"),
    ],
)
def test_parts_and_regions_that_make_no_sense_are_refused(seen, state, message):
    page, _ = seen
    before = explore.state_of(page)
    with pytest.raises(BadOption, match=message):
        explore.set_state(page, state)
    assert explore.state_of(page) == before


def test_a_region_of_many_corners_is_thinned_and_stays_where_it_is():
    turn = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    ((x, y),) = thinned(((tuple(np.cos(turn)), tuple(np.sin(turn))),))
    assert len(x) == len(y) <= CORNERS
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    assert area == pytest.approx(np.pi, rel=2.5e-3)


def test_a_sky_without_a_mask_has_no_regions():
    page = explore.sky_explorer(sky=lambda values, scene: "sky")
    assert "drawn" not in explore.state_of(page)
    with pytest.raises(BadOption, match="no control or selection 'drawn'"):
        explore.set_state(page, {"drawn": [CORNER]})

"""The explorer of fits: sliders, and lines that are the numbers of the fit."""

import warnings

import numpy as np
import panel as pn
import pytest
import xarray as xr

from analysis import explore, xray
from analysis.errors import BadOption, WrongData
from analysis.explore import Dial, following


def sliders(page):
    return {w.label.removeprefix("log10 ").split(" (")[0]: w for w in page.select(pn.widgets.FloatSlider)}


def words(page):
    return [pane.object for pane in page.select(pn.pane.HTML)][-1]


def lines(page):
    moving = page.select(pn.pane.HoloViews)[0].object
    import holoviews as hv

    shown = moving[()] if isinstance(moving, hv.DynamicMap) else moving
    return {c.label: c for c in shown.traverse(lambda x: x, [hv.Curve])}


def button(page):
    return page.select(pn.widgets.Button)[0]


@pytest.fixture
def page():
    """Return sliders of a straight line; the button brings its slope to 3."""

    def line(values):
        if values["slope"] > 4:
            raise WrongData("too steep")
        return {"line": (np.arange(3.0), values["slope"] * np.arange(3) + values["size"])}

    return following(
        [Dial("slope", 0, 5, 1), Dial("size", 1e-3, 1e3, 10, log=True)],
        line,
        picture=lambda moving: moving,
        words=lambda values: f"slope {values['slope']:g}, size {values['size']:g}",
        settle=lambda values: {"slope": 7.0 if values["slope"] == 2 else 3.0, "size": 1e5},
        title="A <line>",
    )


def test_a_line_follows_its_slider(page):
    assert lines(page)["line"].dimension_values(1).tolist() == [10, 11, 12]
    sliders(page)["slope"].value = 2
    assert lines(page)["line"].dimension_values(1).tolist() == [10, 12, 14]
    assert words(page) == "slope 2, size 10"


def test_a_slider_of_equal_factors_moves_by_powers_of_ten(page):
    assert sliders(page)["size"].start == -3 and sliders(page)["size"].value == 1
    sliders(page)["size"].value = 2
    np.testing.assert_allclose(lines(page)["line"].dimension_values(1), [100, 101, 102])


def test_the_button_moves_all_sliders_and_widens_their_range(page):
    button(page).clicks += 1
    assert sliders(page)["slope"].value == 3 and sliders(page)["size"].value == pytest.approx(5)
    assert sliders(page)["size"].end == pytest.approx(5)
    np.testing.assert_allclose(lines(page)["line"].dimension_values(1), [1e5, 1e5 + 3, 1e5 + 6])
    assert words(page) == "slope 3, size 100000"


def test_what_cannot_be_drawn_is_told_on_the_page(page):
    sliders(page)["slope"].value = 4.5
    assert words(page) == "<b>too steep</b>"
    sliders(page)["slope"].value = 1
    assert words(page) == "slope 1, size 10"


def test_sliders_that_make_no_sense_are_refused():
    with pytest.raises(BadOption, match="nothing can be moved"):
        following([], lambda values: {}, picture=lambda moving: moving)
    with pytest.raises(BadOption, match="positive"):
        following([Dial("a", 0, 1, 0.5, log=True)], lambda values: {}, picture=lambda moving: moving)


@pytest.fixture(scope="module")
def ulx():
    return xray.fetch("ngc7793_ulx4_pn")


@pytest.mark.slow
@pytest.mark.parametrize("background", [True, False])
def test_the_explorers_lines_are_the_numbers_of_the_fit(ulx, background):
    data = ulx if background else ulx.drop_nodes("background")
    options = {"band": (0.5, 8), "min_counts": 25}
    best = xray.fitted_spectrum(xray.fit(data, "tbabs * powerlaw", **options))
    shown = xray.explore(data, source="tbabs * powerlaw", **options)
    drawn = lines(shown)
    assert set(drawn) == ({"model", "model + background"} if background else {"model"})
    for label, name in (("model", "model_rate"), ("model + background", "expected_rate")):
        if label not in drawn:
            continue
        x, y = (drawn[label].dimension_values(i) for i in (0, 1))
        np.testing.assert_allclose(y[::2], best[name], rtol=1e-5)
        np.testing.assert_allclose(y[1::2], best[name], rtol=1e-5)
        np.testing.assert_allclose(x[::2], best.energy_low)
        np.testing.assert_allclose(x[1::2], best.energy_high)
    assert f"= {best.attrs['statistic_value']:.2f}, {best.attrs['bins']} bins" in words(shown)


@pytest.mark.slow
def test_a_moved_slider_shows_the_model_there_and_the_button_fits_again(ulx):
    options = {"band": (0.5, 8), "min_counts": 25}
    shown = xray.explore(ulx, source="tbabs * powerlaw", **options)
    before = float(sliders(shown)["powerlaw.photon_index"].value)
    sliders(shown)["powerlaw.photon_index"].value = 2.5
    values = {name: 10**s.value if s.label.startswith("log10") else s.value for name, s in sliders(shown).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = xray.fit(
            ulx,
            "constant * tbabs * powerlaw",
            values={**values, "factor": 1.0},
            frozen=list(values),
            bounds={"factor": (1.0, 1.0 + 1e-12)},
            starts=0,
            **options,
        )
    assert f"= {there.attrs['statistic_value']:.2f}," in words(shown)
    button(shown).clicks += 1
    assert float(sliders(shown)["powerlaw.photon_index"].value) == pytest.approx(before, abs=1e-4)


@pytest.mark.slow
def test_the_explorer_shows_one_spectrum(ulx):
    both = xr.DataTree.from_dict({f"{name}/{k}": v.to_dataset() for name in "ab" for k, v in ulx.children.items()})
    with pytest.raises(BadOption, match="one of them"):
        xray.explore(both, source="powerlaw")
    assert explore.Dial is Dial

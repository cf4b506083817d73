"""The page of masks: methods, drawn regions, what is refused."""

import holoviews as hv
import numpy as np
import pytest
from bokeh.models import FreehandDrawTool

from analysis import cmb
from analysis.cmb.drawn_regions import outside
from analysis.errors import BadOption, WrongData

SQUARE = {"xs": [[0.4, -0.4, -0.4, 0.4]], "ys": [[0.9, 0.9, 0.4, 0.4]]}


def parts(page):
    side, told, picture = list(page[-1])[:3]
    return side[0], side[1], side[2], picture, told


def curve_of(picture, label):
    drawn = picture.object.traverse(lambda e: e, [hv.DynamicMap])
    found = [e for one in drawn for e in one[()].traverse(lambda e: e, [hv.Curve]) if f"dl_{label}" in str(e.vdims)]
    return max(found, key=len)


@pytest.mark.slow
def test_controls_and_words_stand_above_the_pictures_which_fit_beside_a_list_of_files(sky):
    controls, told, picture = list(cmb.mask_explorer(sky)[-1])[:3]
    assert [widget.width for widget in controls] == [290, 290, 210] and told.object.startswith("Kept:")
    figures = [figure for figure, *_ in hv.render(picture.object).children]
    assert [figure.title.text for figure in figures[1:]] == ["BB", "EE", "TE", "TT"]
    assert max(figure.frame_width for figure in figures) <= 300


def hand_of(picture):
    """Return the drawing tool's stream of a picture."""
    layers = picture.object.traverse(lambda e: e, [hv.DynamicMap])
    found = [s for one in layers for s in hv.streams.Stream.registry.get(one, [])]
    nested = [s for one in layers for part in getattr(one.callback, "inputs", []) for s in _of(part)]
    return next(s for s in [*found, *nested] if isinstance(s, hv.streams.FreehandDraw))


def _of(part):
    held = list(hv.streams.Stream.registry.get(part, []))
    for inner in getattr(getattr(part, "callback", None), "inputs", []):
        held += _of(inner)
    return held


@pytest.fixture(scope="module")
def sky():
    drawn = cmb.random_coefficients(cmb.fetch("planck2018_lcdm"), lmax=47, seed=1)
    return cmb.synthesized(drawn, nside=16)


@pytest.mark.slow
def test_the_spectra_are_those_of_the_method_chosen(sky):
    page = cmb.mask_explorer(sky, latitude=20, scale="12 deg", width=8)
    slider, chooser, _, picture, told = parts(page)
    mask = cmb.apodized_mask(cmb.galactic_mask(16, latitude=20), scale="12 deg")
    options = {"mask": mask, "decouple": True, "width": 8, "form": "dl", "iterations": 1}
    for method, purify in (("decoupled", ""), ("purified", "B")):
        chooser.value = method
        expected = cmb.power_spectra(sky, purify=purify, **options)
        shown = curve_of(picture, "bb")
        np.testing.assert_allclose(shown.dimension_values(1), expected.dl.sel(spectrum="BB"))
        np.testing.assert_allclose(shown.dimension_values(0), expected.ell_effective)
        assert "undone in bins of 8" in told.object and ("B pure" in told.object) == bool(purify)
    slider.value = 30.0
    assert "|b| &gt; 30.0°" in told.object
    chooser.value = "pseudo"
    assert "not corrected" in told.object and len(curve_of(picture, "bb")) == 31


@pytest.mark.slow
def test_a_drawn_region_is_left_out_until_it_is_taken_away(sky):
    page = cmb.mask_explorer(sky, latitude=20)
    _, _, button, picture, told = parts(page)
    before = told.object
    kept = cmb.combined_mask(cmb.galactic_mask(16, latitude=20), outside(16, ((*SQUARE["xs"], *SQUARE["ys"]),)))
    hand_of(picture).event(data=SQUARE)
    assert "1 drawn left out" in told.object and f"{100 * float(kept.mean()):.1f} % of the sky" in told.object
    button.clicks += 1
    assert told.object.split(". ")[0] == before.split(". ")[0]


@pytest.mark.slow
def test_the_sky_has_a_tool_that_draws(sky):
    picture = parts(cmb.mask_explorer(sky))[3]
    assert len(list(hv.render(picture.object).select({"type": FreehandDrawTool}))) == 1


def test_a_drawn_region_lies_where_it_is_seen():
    # x = 0.9 to 1.1 on the plane is l = -81° to -99° at the equator: longitude grows to the left
    square = ((0.9, 1.1, 1.1, 0.9), (0.05, 0.05, -0.05, -0.05))
    left_out = ~outside(32, (square,)).values.astype(bool)
    import ducc0

    angles = np.degrees(ducc0.healpix.Healpix_Base(32, "NEST").pix2ang(np.flatnonzero(left_out)))
    assert left_out.any()
    assert ((angles[:, 1] > 260) & (angles[:, 1] < 280)).all() and (abs(90 - angles[:, 0]) < 5).all()


def test_regions_that_overlap_are_one_and_a_line_is_none():
    square = ((0.5, -0.5, -0.5, 0.5), (0.5, 0.5, -0.5, -0.5))
    once, twice = outside(16, (square,)), outside(16, (square, square))
    assert (once.values == twice.values).all()
    flat = ((0.0, 0.5, 1.0), (0.0, 0.0, 0.0))
    assert outside(16, (flat,)).values.all()


@pytest.mark.slow
def test_what_the_page_cannot_do_is_refused_at_once(sky):
    with pytest.raises(BadOption, match="did you mean 'purified'"):
        cmb.mask_explorer(sky, method="purify")
    with pytest.raises(BadOption, match="scale"):
        cmb.mask_explorer(sky, method="purified", scale="-3 deg")
    holed = sky.assign(sky=sky.sky.where(np.arange(sky.sizes["cells"]) > 5))
    with pytest.raises(WrongData):
        cmb.mask_explorer(holed, method="purified")


@pytest.mark.slow
def test_a_map_with_holes_says_on_the_page_why_it_cannot_be_purified(sky):
    holed = sky.assign(sky=sky.sky.where(np.arange(sky.sizes["cells"]) > 5))
    page = cmb.mask_explorer(holed)
    _, chooser, _, _, told = parts(page)
    chooser.value = "purified"
    assert told.object.startswith("<b>")

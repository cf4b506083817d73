"""Pictures: what they show is what the data say."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.plotting import figure as Figure

from analysis import cmb
from analysis.errors import AnalysisError, BadOption, UnknownVariable, WrongData


def elements(picture, kind):
    """Return the elements of a kind in a picture."""
    return picture.traverse(lambda e: e, [kind])


@pytest.fixture(scope="module")
def spectra(w_band):
    return cmb.power_spectra(w_band, mask=cmb.galactic_mask(32, latitude=15), lmax=64)


@pytest.mark.slow
def test_a_map_and_its_spectra_stand_in_one_picture(w_band, spectra):
    picture = cmb.view(w_band) + cmb.view(spectra)
    assert isinstance(picture, hv.Layout)
    assert len(elements(picture, hv.Image)) == 1
    assert len(elements(picture, hv.Curve)) == 6
    drawn = hv.render(picture, backend="bokeh").select({"type": Figure})
    figures = {figure.title.text: figure for figure in drawn}
    assert figures["EE"].y_range.end < figures["TT"].y_range.end / 5  # each spectrum has its own scale


@pytest.mark.slow
def test_a_map_shows_its_first_stokes_parameter_with_unit_and_title(w_band):
    image = elements(cmb.view(w_band, width=300), hv.Image)[0]
    assert image.vdims[0].pprint_label == "Stokes I (mK)"
    assert np.nanmax(image.dimension_values(2)) == pytest.approx(float(w_band.sky.sel(stokes="I").max()), rel=0.2)
    figure = hv.render(cmb.view(w_band, stokes="Q", width=300), backend="bokeh")
    assert "WMAP 7-year W band" in figure.title.text and "Stokes Q" in figure.title.text


@pytest.mark.slow
def test_each_stokes_parameter_asked_for_gets_its_own_scale(w_band):
    images = elements(cmb.view(w_band, stokes="IQU", width=200), hv.Image)
    assert [image.vdims[0].name for image in images] == ["stokes_i", "stokes_q", "stokes_u"]


@pytest.mark.slow
def test_masks_angles_and_modes_are_maps_too(w_band):
    for data in (
        cmb.galactic_mask(32), cmb.fetch("wmap7_mask"), cmb.polarized_intensity(w_band),
        cmb.polarization_angle(w_band), w_band.sky.sel(stokes="U"),
    ):  # fmt: skip
        assert len(elements(cmb.view(data, width=200), hv.Image)) == 1
    assert len(elements(cmb.view(cmb.eb_maps(w_band), width=200), hv.Image)) == 2


def test_a_reference_is_drawn_in_the_units_and_form_of_the_spectra(spectra):
    theory = cmb.fetch("planck2018_lcdm")
    curves = elements(cmb.view(cmb.d_ell(spectra), spectra=["TT"], reference=theory), hv.Curve)
    drawn = max(curves, key=lambda curve: curve.dimension_values(1).max() if "Planck" in curve.label else -1)
    wanted = cmb.d_ell(theory).dl.sel(spectrum="TT", ell=slice(2, 64)) * 1e-6  # uK2 to mK2
    np.testing.assert_allclose(drawn.dimension_values(1), wanted)


def test_binned_spectra_are_points_at_their_effective_multipoles(spectra):
    bins = cmb.binned(spectra, width=8)
    points = elements(cmb.view(bins, spectra=["EE"], reference=cmb.fetch("planck2018_lcdm")), hv.Scatter)[0]
    np.testing.assert_allclose(points.dimension_values(0), bins.ell_effective)


@pytest.mark.slow
def test_channels_show_sensitivity_and_beam_over_frequency():
    picture = cmb.view(cmb.fetch("litebird_channels"))
    points = elements(picture, hv.Scatter)
    np.testing.assert_array_equal(points[0].dimension_values(0), cmb.fetch("litebird_channels").frequency)
    figure = hv.render(picture[0] if isinstance(picture, hv.Layout) else picture, backend="bokeh")
    assert "2.160 µK·arcmin together" in " ".join(figure.title.text.split())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"stokes": "V"}, UnknownVariable, "I, Q, U"),
        ({"projection": "mercator"}, BadOption, "mollweide"),
        ({"spectra": ["TT"]}, BadOption, "does not apply to a map"),
        ({"width": 3}, BadOption, "width"),
        ({"width": "700"}, BadOption, "width"),
        ({"width": 700.5}, BadOption, "whole number"),
        ({"projection": ["mollweide"]}, BadOption, "mollweide"),
        ({"projection": ""}, BadOption, "mollweide"),
        ({"clim": 5}, BadOption, "clim"),
        ({"clim": "a"}, BadOption, "clim"),
        ({"clim": (0, np.inf)}, BadOption, "clim"),
        ({"stokes": 5}, BadOption, "I, Q, U"),
        ({"stokes": []}, BadOption, "I, Q, U"),
    ],
)
def test_what_a_map_cannot_show_is_refused(w_band, options, error, words):
    with pytest.raises(error, match=words):
        cmb.view(w_band, **options)


def test_what_spectra_cannot_show_is_refused(spectra):
    with pytest.raises(BadOption, match="does not apply to spectra"):
        cmb.view(spectra, stokes="I")
    for unknown in (["XX"], "XX", [5]):
        with pytest.raises(
            UnknownVariable, match=f"no spectrum {unknown[0] if isinstance(unknown, list) else unknown}"
        ):
            cmb.view(spectra, spectra=unknown)
    for nothing in ([], "", 5):
        with pytest.raises((BadOption, UnknownVariable), match="TT, EE"):
            cmb.view(spectra, spectra=nothing)
    with pytest.raises(WrongData, match="reference"):
        cmb.view(spectra, reference=cmb.galactic_mask(8))
    with pytest.raises(WrongData, match="take d_ell of the spectra"):
        cmb.view(spectra, reference=cmb.d_ell(cmb.fetch("planck2018_lcdm")))


@pytest.mark.parametrize("data", [xr.Dataset(), np.ones(12), xr.DataArray([1.0], dims="time")])
def test_what_is_nothing_of_ours_is_refused(data):
    with pytest.raises(AnalysisError):
        cmb.view(data)


@pytest.mark.slow
def test_the_nodes_of_a_tree_stand_in_a_column_each_with_the_options_that_apply():
    tree = cmb.collect("wmap7_v_iqu", "wmap7_mask", "planck2018_lcdm")
    picture = cmb.view(tree, stokes="Q", spectra="TT", width=200)
    assert len(elements(picture, hv.Image)) == 2 and len(elements(picture, hv.Curve)) == 1
    assert picture._max_cols == 1
    assert elements(picture, hv.Image)[0].vdims[0].name == "stokes_q"
    assert isinstance(cmb.view(tree["wmap7_v_iqu"], width=200), hv.Overlay)
    with pytest.raises(BadOption, match="reference does not apply"):
        cmb.view(tree["wmap7_v_iqu"], reference=cmb.fetch("planck2018_lcdm"))
    with pytest.raises(WrongData, match="no data"):
        cmb.view(xr.DataTree())


@pytest.mark.slow
def test_the_explorer_takes_the_only_map_of_a_tree_and_names_several():
    assert type(cmb.explore(cmb.collect("wmap7_w_iqu", "wmap7_mask"))).__name__ == "Column"
    with pytest.raises(WrongData, match=r"wmap7_v_iqu, wmap7_w_iqu.*explore\(tree\['wmap7_v_iqu'\]\)"):
        cmb.explore(cmb.collect("wmap7_v_iqu", "wmap7_w_iqu"))


def test_a_binned_reference_is_drawn_at_its_effective_multipoles(spectra):
    bins = cmb.binned(spectra, width=4)
    for data in (spectra, bins):
        curves = elements(cmb.view(data, spectra="TT", reference=bins), hv.Curve)
        drawn = next(curve for curve in curves if curve.label not in ("", "TT"))
        np.testing.assert_allclose(drawn.dimension_values(0), bins.ell_effective)
    with pytest.raises(WrongData, match="ell_effective"):
        cmb.view(spectra, reference=bins.drop_vars("ell_effective"))


@pytest.mark.slow
def test_every_picture_of_a_map_names_its_source(w_band):
    mask = cmb.galactic_mask(32)
    modes = cmb.eb_maps(w_band)
    for data in (w_band, modes.e_modes, cmb.polarized_intensity(w_band), cmb.polarization_angle(w_band)):
        figure = hv.render(cmb.view(data, width=300), backend="bokeh")
        assert any("Source: WMAP" in getattr(line, "text", "") for line in figure.below)
    assert hv.render(cmb.view(modes.e_modes, width=300)).title.text.startswith("E modes of WMAP")
    assert hv.render(cmb.view(~mask, width=300)).title.text == "Mask, kept where 1 (galactic coordinates)"


@pytest.mark.slow
def test_titles_fit_above_the_map(w_band):
    for width in (300, 700):
        lines = hv.render(cmb.view(w_band, width=width)).title.text.splitlines()
        assert max(map(len, lines)) * 7 < width and len(lines) <= 3


@pytest.mark.slow
def test_no_figure_of_a_row_is_moved_down_where_its_lower_edge_would_be_cut_off(w_band, spectra):
    figures = hv.render(cmb.view(w_band, width=300) + cmb.view(spectra)).select({"type": Figure})
    assert all(not figure.frame_align["top"] and not figure.frame_align["bottom"] for figure in figures)


def test_a_theory_keeps_its_name_and_its_monopole_has_no_residual(w_band):
    theory = cmb.fetch("planck2018_lcdm").sel(ell=slice(0, 40))
    measured = cmb.power_spectra(w_band, mask=cmb.galactic_mask(32, latitude=30), lmax=40, iterations=0)
    made = cmb.view(measured, reference=theory, spectra="TT", residuals=True)
    names = [curve.label for curve in made.traverse(lambda e: e, [hv.Curve])]
    assert any(name.startswith("Planck 2018") for name in names)
    (dots,) = made.traverse(lambda e: e, [hv.Scatter])
    assert dots.dimension_values(0).min() == 2

"""Pictures: drawn from what functions return, named and with units; what cannot be drawn is told."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import catalogue, xray
from analysis.errors import BadOption, WrongData


def curves(picture):
    return picture.traverse(lambda element: element, [hv.Curve])


@pytest.mark.parametrize("product", list(catalogue.products("xray")))
@pytest.mark.slow
def test_every_product_is_drawn(product):
    assert hv.render(xray.view(xray.fetch(product))) is not None


@pytest.mark.slow
@pytest.mark.parametrize("product", ["xte_4u1636_events", "m82_ulx_rxte_events"])
def test_events_of_an_instrument_without_an_image_are_drawn_as_their_light_curve(product):
    tree = xray.fetch(product)
    drawn = curves(xray.view(tree))[0]
    assert drawn.vdims[0].unit.startswith("ct s")
    assert "Light curve" in hv.render(xray.view(tree)).title.text
    with pytest.raises(WrongData, match="give the whole tree"):
        xray.view(tree["events"])


@pytest.mark.slow
def test_events_are_drawn_as_their_image(m82):
    whole = xray.view(m82, band=(0.5, 8))
    picture = whole.Image.I
    drawn = picture.dimension_values(2, flat=False)
    assert drawn.sum() == xray.image(m82, band=(0.5, 8)).counts.sum()
    assert [d.pprint_label for d in picture.kdims] == ["Sky x (pix)", "Sky y (pix)"]
    assert not hv.Store.lookup_options("bokeh", picture, "plot").kwargs["invert_xaxis"]  # East, at small x, is left


@pytest.mark.slow
def test_a_spectrum_is_drawn_with_its_background(ulx):
    picture = xray.view(ulx, band=(0.5, 8))
    assert {c.label for c in curves(picture)} == {"measured", "background, scaled"}
    assert curves(picture)[0].vdims[0].unit == "ct s⁻¹ keV⁻¹"
    assert "keV" in curves(picture)[0].kdims[0].pprint_label
    binned = xray.grouped(ulx["spectrum"], rmf=ulx["rmf"], background=ulx["background"], band=(0.5, 8))
    steps = curves(picture)[0].dimension_values(1)[::3]
    np.testing.assert_allclose(steps, binned.rate_density.values)


@pytest.mark.slow
def test_a_collected_product_is_drawn_as_the_product(ulx):
    assert len(curves(xray.view(xray.collect("ngc7793_ulx4_pn")))) == len(curves(xray.view(ulx)))


@pytest.mark.slow
def test_a_model_is_drawn_with_its_residuals_below(ulx, ulx_response):
    flux = xray.power_law(ulx_response.energy_low, ulx_response.energy_high, photon_index=2, norm=4e-4)
    picture = xray.view(ulx, model_rate=xray.folded(flux, rmf=ulx_response), band=(0.5, 8))
    assert isinstance(picture, hv.Layout) and len(picture) == 2
    assert {c.label for c in curves(picture[0])} == {"measured", "background, scaled", "model + background"}
    hv.render(picture)


def test_without_a_response_a_spectrum_is_drawn_over_channels(ulx):
    picture = xray.view(ulx["spectrum"])
    assert curves(picture)[0].kdims[0].label == "Channel" and curves(picture)[0].vdims[0].unit == "ct s⁻¹"


@pytest.mark.slow
def test_light_curves_arrays_and_areas_are_drawn(m82, ulx):
    curve = xray.light_curve(m82, 50)
    for picture in (
        xray.view(curve),
        xray.view(curve.rate),
        xray.view(ulx["arf"]),
        xray.view(xray.image(m82).counts),
    ):
        hv.render(picture)
    assert curves(xray.view(curve))[0].vdims[0].unit == "ct s⁻¹"


def test_what_cannot_be_drawn_is_told(m82, ulx):
    with pytest.raises(WrongData, match="it draws events"):
        xray.view(xr.Dataset({"a": ("row", [1.0])}))
    with pytest.raises(WrongData, match="not a list"):
        xray.view([1, 2])
    with pytest.raises(WrongData, match=r"arf.*rmf"):
        xray.view(xr.DataTree.from_dict({"arf": ulx["arf"].to_dataset(), "rmf": ulx["rmf"].to_dataset()}))
    with pytest.raises(BadOption, match="min_counts"):
        xray.view(m82, min_counts=5)
    with pytest.raises(BadOption, match="brings its own background"):
        xray.view(ulx, background=ulx["background"])
    with pytest.raises(BadOption, match="band="):
        xray.view(xray.light_curve(m82, 50), band=(1, 2))
    with pytest.raises(BadOption, match="whole spectrum"):
        xray.view(xray.light_curve(m82, 50).rate, band=(1, 2))


@pytest.mark.slow
def test_an_explorer_needs_good_times(m82):
    assert xray.explore(m82) is not None
    with pytest.raises(WrongData, match="gti"):
        xray.explore(m82["events"])


@pytest.mark.slow
def test_models_are_drawn_over_energy_and_folded_models_over_channels(ulx_response):
    ixpe, grid = xray.fetch("ixpe_stokes"), ulx_response[["energy_low", "energy_high"]]
    flux = xray.power_law(grid.energy_low, grid.energy_high, photon_index=2, norm=4e-4)
    factor = xray.modulation_factor(ixpe["mrf"], ixpe["arf"])
    over_energy = [flux, xray.absorbed_flux(flux, "1e21 cm-2"), xray.transmission(grid, "1e21 cm-2"), factor]
    for array in [*over_energy, xray.cross_section(ulx_response)]:
        drawn = curves(xray.view(array))[0]
        assert drawn.kdims[0].pprint_label == "Energy (keV)" and drawn.vdims[0].name == array.name
        hv.render(xray.view(array))
    assert curves(xray.view(xray.folded(flux, rmf=ulx_response)))[0].kdims[0].label == "Channel"


@pytest.mark.slow
def test_what_has_no_picture_is_told_what_to_do_instead(ulx, ulx_response):
    numbers = xray.count_rate(ulx["spectrum"]), xray.polarization(xray.fetch("ixpe_stokes"))
    for data in (*numbers, xray.hydrogen_column(xray.fetch("nh_lab"), "10 10")):
        with pytest.raises(WrongData, match="print"):
            xray.view(data)
    for matrix in (ulx_response, ulx["rmf"]):
        with pytest.raises(WrongData, match=r"xray.view\(arf\)"):
            xray.view(matrix)
    with pytest.raises(WrongData, match="does not say its energies"):
        xray.view(xray.cross_section(ulx_response.energy_low))


@pytest.mark.slow
def test_a_single_event_and_a_single_row_are_images(m82):
    one = xr.DataTree.from_dict({
        "events": m82["events"].to_dataset().isel(event=[0]), "gti": m82["gti"].to_dataset()
    })  # fmt: skip
    assert xray.view(one).dimension_values(2).sum() == 1
    row = xray.image(m82).isel(y=[3])
    for picture in (xray.view(one), xray.view(row), xray.view(row.counts)):
        hv.render(picture)


@pytest.mark.slow
def test_hovering_over_an_image_shows_right_ascension_and_declination(m82):
    picture, made = xray.view(m82).Image.I, xray.image(m82)
    assert [d.pprint_label for d in picture.vdims[1:]] == ["Right ascension (deg)", "Declination (deg)"]
    np.testing.assert_allclose(picture.dimension_values("dec", flat=False), made.dec, atol=1e-5)


@pytest.mark.slow
def test_the_legend_of_a_spectrum_lies_where_it_falls_away_from(ulx):
    assert hv.render(xray.view(ulx, band=(0.5, 8))).legend[0].location == "bottom_left"


@pytest.mark.slow
def test_a_picture_names_the_region_its_events_are_of(m82):
    core = xray.within(m82, "09h55m50s +69d40m47s", "10 arcsec")
    assert "circle(RA" in hv.render(xray.view(core)).title.text.replace("\n", " ")


@pytest.mark.slow
def test_regions_are_drawn_where_their_events_are(m82):
    ring = 'icrs; circle(148.958, 69.680, 20") \n -circle(148.958, 69.680, 8")'
    lines = xray.region_outlines(m82, {"ring": ring})
    assert list(lines) == ["ring", "ring, cut out"]
    inside = xray.in_region(m82, ring)["events"]
    middle = [float(np.mean(axis[:-1])) for axis in lines["ring"]]
    away = np.hypot(inside.x.values - middle[0], inside.y.values - middle[1])
    reach = {name: np.hypot(x - middle[0], y - middle[1]).mean() for name, (x, y) in lines.items()}
    assert reach["ring"] == pytest.approx(20 / 0.492, rel=0.01)  # a pixel of ACIS is 0.492 arcsec
    assert away.max() <= reach["ring"] * 1.001 and away.min() >= reach["ring, cut out"] * 0.999
    assert {curve.label for curve in xray.view(m82, regions={"ring": ring}) if curve.label} == set(lines)


def test_regions_are_for_events_only(ulx):
    with pytest.raises(BadOption, match="image of events"):
        xray.view(ulx["spectrum"].to_dataset().counts, regions="icrs; circle(1, 1, 1)")


def test_bins_without_good_time_are_marked(made_events):
    curve = xray.light_curve(made_events([1.0, 2.0, 25.0], [[0, 5], [20, 30]]), 2.5)
    assert (curve.exposure == 0).any()
    spans = [element for element in xray.view(curve).traverse(lambda e: e) if type(element).__name__ == "VSpans"]
    assert [span.label for span in spans] == ["no good time"]


@pytest.mark.slow
def test_a_three_band_image_has_its_softest_band_in_red(m82):
    bands = [(0.5, 1.2), (1.2, 2.5), (2.5, 8)]
    made = xray.three_band_image(m82, bands, bin_size=16)
    assert [int(made.counts.isel(band=i).sum()) for i in range(3)] == [
        int(xray.image(m82, bin_size=16, band=band).counts.sum()) for band in bands
    ]
    drawn = xray.view(made).RGB.I
    red = drawn.dimension_values(2, flat=False)
    assert (red > 0).sum() == (made.counts.isel(band=0) > 0).sum()
    brightest = np.unravel_index(int(made.counts.isel(band=0).argmax()), made.counts.shape[1:])
    assert red[brightest] == red.max()
    with pytest.raises(BadOption, match="in order of energy"):
        xray.three_band_image(m82, bands[::-1])

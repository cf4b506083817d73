"""Views of a sky: what is shown, clicking a cell, a mask whose spectra follow."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.errors import BadOption, UnknownVariable, WrongData, WrongFrame


def images(picture):
    return picture.traverse(lambda part: part, [hv.Image])


def shown_at(picture, x, y):
    """Return the value drawn at a place of the plane."""
    hv.render(picture)
    (image,) = images(picture[()] if isinstance(picture, hv.DynamicMap) else picture)[:1]
    return float(image[x, y])


@pytest.fixture
def bands(v_band, w_band):
    frequency = xr.DataArray([61.0, 94.0], dims="frequency", attrs={"units": "GHz"})
    return xr.concat([v_band.sky, w_band.sky], frequency).to_dataset().assign_attrs(w_band.attrs)


@pytest.mark.slow
def test_the_crab_is_bright_where_galactic_coordinates_put_it(w_band):
    # SIMBAD: M 1 at l = 184.557°, b = −5.784°; WMAP's brightest polarized compact source
    picture = cmb.sky_view(w_band, stokes="I", projection="gnomonic", centre=(184.557, -5.784), field=20)
    assert shown_at(picture, 0.0, 0.0) > 3 * abs(shown_at(picture, 0.1, -0.06))


@pytest.mark.slow
def test_the_large_magellanic_cloud_is_lower_right_of_the_middle(w_band):
    picture = cmb.sky_view(w_band)  # SIMBAD: l = 280.466°, b = −32.888°: right of the Galactic centre, south
    inside = [(x, y) for x in np.linspace(0.6, 0.95, 36) for y in np.linspace(-0.5, -0.35, 16)]
    hv.render(picture)
    image = images(picture[()])[0]
    brightest = max(inside, key=lambda place: image[place])
    from analysis.panels.pointings import Pointing, direction_at

    lon, lat = direction_at(*brightest, Pointing())
    assert lon == pytest.approx(280.5, abs=3)
    assert lat == pytest.approx(-32.9, abs=3)


@pytest.mark.slow
@pytest.mark.parametrize("stokes", ["I", "Q", "U", "P", "E", "B"])
def test_every_quantity_has_its_name_and_unit_on_the_colour_bar(w_band, stokes):
    picture = cmb.sky_view(w_band, stokes=stokes, width=150)
    value = images(picture[()])[0].vdims[0]
    assert stokes in value.label
    assert value.unit == "mK"


@pytest.mark.slow
def test_p_is_what_polarized_intensity_says(w_band):
    picture = cmb.sky_view(w_band, stokes="P", projection="gnomonic", centre=(120.0, 0.3), field=1)
    from ducc0.healpix import Healpix_Base

    cell = int(Healpix_Base(32, "NEST").ang2pix(np.radians([[89.7, 120.0]]))[0])
    assert shown_at(picture, 0.0, 0.0) == pytest.approx(float(cmb.polarized_intensity(w_band)[cell]), rel=1e-6)


@pytest.mark.slow
def test_segments_of_a_map_do_not_depend_on_its_convention(w_band):
    def lines(sky):
        (found,) = cmb.sky_view(sky, polarization=True, width=150)[()].traverse(lambda e: e, [hv.Segments])
        ends = np.stack([found.dimension_values(n) for n in range(4)])
        return np.abs(ends[2:] - ends[:2])

    np.testing.assert_allclose(lines(w_band), lines(cmb.to_polconv(w_band, "IAU")), atol=1e-6)


def test_asking_a_view_for_what_the_map_lacks_is_refused(w_band, bands):
    with pytest.raises(BadOption, match="did you mean 'Q'"):
        cmb.sky_view(w_band, stokes="q")
    with pytest.raises(UnknownVariable, match="Q and U"):
        cmb.sky_view(w_band.sel(stokes=["I"]), stokes="P")
    with pytest.raises(WrongData, match=r"isel\(frequency=0\)"):
        cmb.sky_view(bands)
    with pytest.raises(WrongData, match="int"):
        cmb.sky_view(5)
    with pytest.raises(WrongData, match="variable sky"):
        cmb.sky_view(w_band.drop_vars("sky"))
    blind = w_band.copy()
    for data in (blind, blind["sky"]):
        data.attrs.pop("polconv", None)
    with pytest.raises(WrongFrame, match="polconv"):
        cmb.sky_view(blind, polarization=True)


@pytest.mark.slow
def test_a_clicked_cell_shows_its_values_over_the_bands(bands):
    from analysis.cmb.band_views import cell_spectrum

    picture = cell_spectrum(bands, 184.557, -5.784)
    dots = picture.traverse(lambda e: e, [hv.Scatter])[0]
    from ducc0.healpix import Healpix_Base

    cell = int(Healpix_Base(32, "NEST").ang2pix(np.radians([[95.784, 184.557]]))[0])
    assert dots.dimension_values(0).tolist() == [61, 94]
    assert dots.dimension_values(1) == pytest.approx(bands.sky.sel(stokes="I").values[:, cell])
    assert "GHz" in dots.kdims[0].pprint_label


def test_a_click_off_the_map_and_a_map_of_one_band_are_refused(bands, w_band):
    from analysis.cmb.band_views import cell_spectrum

    with pytest.raises(WrongData, match="does not cover"):
        cell_spectrum(bands.isel(cells=slice(0, 10)), 184.6, -60)
    with pytest.raises(WrongData, match="frequency"):
        cmb.band_explorer(w_band)
    with pytest.raises(BadOption, match="stokes"):
        cmb.band_explorer(bands, stokes="V")


@pytest.mark.slow
def test_the_spectra_follow_the_mask_and_are_those_of_power_spectra(w_band):
    page = cmb.mask_explorer(w_band, latitude=20)
    slider, told = page[-1][0][0], page[-1][1]
    assert "65.6 % of the sky" in told.object  # of cells; 1 − sin 20° = 65.8 %
    slider.value = 40.0
    assert "36.5 % of the sky" in told.object
    drawn = page[-1][2].object.traverse(lambda e: e, [hv.DynamicMap])
    lines = [m[()] for m in drawn]
    expected = cmb.d_ell(cmb.power_spectra(w_band, mask=cmb.galactic_mask(32, latitude=40), iterations=1))
    for label in ("TT", "TE", "EE", "BB"):
        curves = [
            e for line in lines for e in line.traverse(lambda e: e, [hv.Curve]) if f"dl_{label.lower()}" in str(e.vdims)
        ]
        values = expected["dl"].sel(spectrum=label).values[2:]
        assert any(len(c) == values.size and np.allclose(c.dimension_values(1), values) for c in curves)


@pytest.mark.slow
def test_a_mask_that_cannot_be_dragged_is_refused(w_band):
    for option in ({"latitude": 85}, {"latitude": -1}, {"latitude": True}, {"nside": 512}, {"nside": 100}):
        with pytest.raises(BadOption):
            cmb.mask_explorer(w_band, **option)
    moved = w_band.assign_attrs(frame="equatorial")
    moved["sky"].attrs["frame"] = "equatorial"
    with pytest.raises(WrongFrame, match="equatorial"):
        cmb.mask_explorer(moved)


def test_a_forecast_and_a_posterior_have_views():
    r = xr.DataArray(np.linspace(0, 1, 5), dims="r")
    posterior = xr.Dataset({"posterior": ("r", np.exp(-r.values), {"units": "1", "long_name": "Density"})}, {"r": r})
    assert len(cmb.view(posterior).traverse(lambda e: e, [hv.Curve])) == 1
    power = ("ell", [1.0, 2.0], {"units": "uK2", "long_name": "C_ℓ^BB"})
    budget = xr.Dataset({"noise": power, "total": power}, {"ell": [2, 3]})
    assert len(cmb.view(budget).traverse(lambda e: e, [hv.Curve])) == 2
    with pytest.raises(BadOption, match="stokes"):
        cmb.view(budget, stokes="Q")


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["segments", "drapery"])
def test_lines_of_polarization_are_drawn_and_the_picture_says_along_what(w_band, lines):
    picture = cmb.sky_view(w_band, lines=lines, magnetic=True, width=150)
    kind = {"segments": hv.Segments, "drapery": hv.RGB}[lines]
    (found,) = picture[()].traverse(lambda e: e, [kind])
    assert len(found)
    below = " ".join(" ".join(getattr(part, "text", "").split()) for part in hv.render(picture).below)
    assert "along the magnetic field (COSMO Q and U)" in below


@pytest.mark.slow
def test_threads_of_a_map_do_not_depend_on_its_convention_and_turn_with_the_field(w_band):
    def threads(sky, **more):
        (found,) = cmb.sky_view(sky, lines="drapery", width=200, **more)[()].traverse(lambda e: e, [hv.RGB])
        return np.stack([found.dimension_values(n, flat=False) for n in (2, 5)]).astype(int)

    one, other = threads(w_band), threads(cmb.to_polconv(w_band, "IAU"))
    assert (np.abs(one - other) <= 2).mean() > 0.98  # rounding
    assert (np.abs(one - threads(w_band, magnetic=True)) <= 2).mean() < 0.8


@pytest.mark.slow
def test_a_galactic_map_has_an_equatorial_graticule_and_the_edge_of_a_mask(w_band):
    picture = cmb.sky_view(w_band, graticule="equatorial", outline=cmb.galactic_mask(64, latitude=30), width=300)
    shown = picture[()]
    words = [str(w) for part in shown.traverse(lambda e: e, [hv.Labels]) for w in part.dimension_values(2)]
    assert any(word.startswith("RA") for word in words)
    assert "graticule: icrs RA, Dec" in " ".join(hv.render(picture).title.text.split())
    (edge,) = shown.traverse(lambda e: e, [hv.RGB])
    rows = np.flatnonzero(edge.dimension_values(5, flat=False)[:, 150])
    from analysis.panels.projections import plane_of

    heights = np.abs((rows + 0.5) / 150 * 2 - 1)
    np.testing.assert_allclose(
        heights, float(plane_of(np.array([0.0]), np.array([30.0]), "mollweide")[1][0]), atol=0.03
    )


def test_lines_frames_and_outlines_that_cannot_be_are_refused(w_band):
    with pytest.raises(BadOption, match="segments, drapery"):
        cmb.sky_view(w_band, lines="threads")
    with pytest.raises(BadOption, match="lines="):
        cmb.sky_view(w_band, magnetic=True)
    with pytest.raises(BadOption, match="did you mean 'galactic'"):
        cmb.sky_view(w_band, graticule="galatic")
    lost = w_band.assign_attrs(frame="not stated")
    lost["sky"] = lost["sky"].assign_attrs(frame="not stated")
    with pytest.raises(WrongFrame, match="not stated"):
        cmb.sky_view(lost, graticule="icrs")
    with pytest.raises(WrongData, match="mask"):
        cmb.sky_view(w_band, outline=w_band)


def test_a_map_of_one_band_on_a_dim_of_length_one_is_shown_with_its_band(bands):
    one = bands.isel(frequency=[1])
    picture = cmb.view(one, stokes="Q", width=200)
    assert "at 94 GHz" in hv.Store.lookup_options("bokeh", picture.get(1), "plot").kwargs["title"]
    assert type(cmb.sky_view(one, stokes="Q", width=150)).__name__ == "DynamicMap"
    with pytest.raises(WrongData, match=r"frequency \(2\).*isel\(frequency=0\).*band_explorer"):
        cmb.view(bands)


def test_q_and_u_say_their_convention_and_a_map_in_rayleigh_jeans_its_scale(w_band):
    iau = cmb.to_polconv(w_band, "IAU")
    assert images(cmb.view(iau, stokes="U", width=150))[0].vdims[0].label == "Stokes U, IAU"
    assert images(cmb.view(iau, stokes="I", width=150))[0].vdims[0].label == "Stokes I"
    rj = cmb.in_temperature_scale(w_band, "K_RJ", frequency=94)
    assert images(cmb.view(rj, stokes="Q", width=150))[0].vdims[0].label == "Stokes Q, COSMO, K_RJ"


@pytest.mark.slow
@pytest.mark.parametrize("scale", [None, "K_CMB", "K_RJ", "intensity"])
def test_the_spectrum_of_a_cell_is_that_of_pixel_sed_in_every_scale(scale):
    from analysis.cmb.band_views import cell_spectrum

    sky = cmb.simulated_sky("litebird", 8, seed=1)
    expected = cmb.pixel_sed(sky, longitude=10, latitude=5, scale=scale or "K_CMB")
    for stokes, place in (("Q", 0), ("U", 1)):
        picture = cell_spectrum(sky, 10, 5, scale=scale)
        dots = picture.traverse(lambda e: e, [hv.Scatter])[place]
        np.testing.assert_allclose(dots.dimension_values(1), expected.sed.sel(stokes=stokes), rtol=1e-12)
        bars = picture.traverse(lambda e: e, [hv.ErrorBars])[place]
        np.testing.assert_allclose(bars.dimension_values(2), expected.sed_error.sel(stokes=stokes), rtol=1e-12)
        assert dots.vdims[0].unit == {"intensity": "MJy sr⁻¹"}.get(scale, "µK")


@pytest.mark.slow
def test_the_spectrum_follows_the_scale_that_is_chosen():
    sky = cmb.simulated_sky("litebird", 8, seed=1, noise=False)
    page = cmb.band_explorer(sky)
    scale, under = page[0][2], page[1][1]
    assert (scale.options, scale.value) == (["K_CMB", "K_RJ", "intensity"], "K_CMB")
    scale.value = "K_RJ"
    assert "Click" in under[0].object  # nothing was clicked yet

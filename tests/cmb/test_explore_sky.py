"""The page on which one flies over a sky: what is shown, tapped, typed, masked; and what is refused."""

import html

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from ducc0.healpix import Healpix_Base
from hypothesis import given
from hypothesis import strategies as st

from analysis import cmb
from analysis.cmb.drawn_regions import kept_outside, outside
from analysis.cmb.page_masks import latitude_mask
from analysis.cmb.sky_bands import bands_of, planes
from analysis.cmb.sky_places import ALIASES, NAMED, place_of
from analysis.errors import BadOption, MissingFile, WrongData, WrongFrame
from analysis.panels.pointings import Pointing, places, vectors_of
from analysis.panels.pyramids import Pyramid, computed_pyramid, held_sky, sky_pyramid, values_along

# Galactic coordinates of SIMBAD, which the list does not use: it holds ICRS.
GALACTIC = {
    "crab": (184.557, -5.784), "cas a": (111.735, -2.130), "cyg a": (76.190, 5.755), "vir a": (283.778, 74.491),
    "andromeda": (121.174, -21.573), "lmc": (280.465, -32.888), "smc": (302.797, -44.299), "cen a": (309.516, 19.417),
    "for a": (240.163, -56.689), "perseus": (150.576, -13.261), "3c 273": (289.951, 64.360), "orion": (209.01, -19.38),
    "sgr a*": (359.944, -0.046), "galactic centre": (0.0, 0.0), "dipole": (264.021, 48.253), "cold spot": (209, -57),
}  # fmt: skip


@pytest.fixture(scope="module")
def sky():
    return cmb.fetch("wmap7_w_iqu")


@pytest.fixture(scope="module")
def bands(sky):
    both = [cmb.fetch("wmap7_v_iqu").sky, sky.sky]
    frequency = xr.DataArray([61.0, 94.0], dims="frequency", attrs={"units": "GHz"})
    return xr.concat(both, frequency).to_dataset(name="sky").assign_attrs(sky.attrs)


def widget(page, label):
    return next(w for w in page.select(pn.widgets.Widget) if w.label == label)


def words(page):
    return html.unescape(" ".join(str(pane.object) for pane in page.select(pn.pane.HTML)))


def picture(page):
    return page.select(pn.pane.HoloViews)[0].object


def dynamic(shown, kind):
    """Return the newest elements of a kind in a picture that moves."""
    maps = shown.traverse(lambda e: e, [hv.DynamicMap])
    return [e for one in maps for e in one[()].traverse(lambda e: e, [kind])]


def streams(shown, kind):
    """Return the streams of a kind that listen on any part of a picture."""

    def of(part):
        held = [s for s in hv.streams.Stream.registry.get(part, []) if isinstance(s, kind)]
        for inner in getattr(getattr(part, "callback", None), "inputs", []):
            held += of(inner)
        return held

    return list({id(s): s for one in shown.traverse(lambda e: e, [hv.DynamicMap]) for s in of(one)}.values())


def tap(page, lon, lat, pointing):
    x, y = places(vectors_of(np.array([lon]), np.array([lat])), pointing)[0]
    (stream,) = streams(picture(page), hv.streams.Tap)
    stream.event(x=x, y=y)


def curve(page, label):
    panes = page.select(pn.pane.HoloViews)
    found = [c for pane in panes for c in dynamic(pane.object, hv.Curve) if f"dl_{label.lower()}" in str(c.vdims)]
    return found[0].dimension_values(1)


@pytest.mark.slow
def test_a_tap_tells_the_cell_in_two_frames_and_its_values_over_the_bands(bands):
    page = cmb.explore(bands, projection="cartesian")
    tap(page, 184.557, -5.784, Pointing("cartesian"))
    there = SkyCoord(184.557, -5.784, unit="deg", frame="galactic")
    told = words(page)
    assert f"{there.icrs.ra.deg:.4f}°, +{there.icrs.dec.deg:.4f}°" in told
    assert "cell 6367 (NESTED, nside 32)" in told  # healpy 1.20: ang2pix(32, 184.557, -5.784, nest=True, lonlat=True)
    assert f"61 GHz: I {float(bands.sky.isel(frequency=0, stokes=0, cells=6367)):.5g} mK" in told
    spectrum = [pane.object for pane in page.select(pn.pane.HoloViews)][1].traverse(lambda e: e, [hv.Scatter])[0]
    np.testing.assert_allclose(spectrum.dimension_values(1), bands.sky.isel(stokes=0, cells=6367))
    widget(page, "Band").value = "94 GHz"
    assert f"94 GHz: I {float(bands.sky.isel(frequency=1, stokes=0, cells=6367)):.5g} mK" in words(page)


@pytest.mark.slow
def test_selectors_change_the_picture_and_what_is_visible_stays(sky):
    page = cmb.explore(sky)
    (stream,) = streams(picture(page), hv.streams.RangeXY)
    stream.event(x_range=(-0.5, 0.5), y_range=(-0.25, 0.25))
    first = dynamic(picture(page), hv.Image)[0]
    widget(page, "Shown").value = "P"
    second = dynamic(picture(page), hv.Image)[0]
    assert second.bounds.lbrt() == pytest.approx((-0.5, -0.25, 0.5, 0.25)) and first.vdims != second.vdims
    for kind, name in (("E", "e_modes"), ("B", "b_modes")):
        widget(page, "Shown").value = kind
        assert dynamic(picture(page), hv.Image)[0].vdims[0].name == name
    assert not dynamic(picture(page), hv.Segments)
    widget(page, "Lines").value = "segments"
    assert len(dynamic(picture(page), hv.Segments)[0])
    widget(page, "Graticule").value = "icrs"
    assert any(text.startswith("RA ") for e in dynamic(picture(page), hv.Labels) for text in e.dimension_values(2))
    widget(page, "Projection").value = "orthographic"
    assert dynamic(picture(page), hv.Image)[0].bounds.lbrt() == pytest.approx((-2.04, -1.02, 2.04, 1.02), abs=0.03)


@pytest.mark.slow
def test_colours_of_what_is_visible_follow_the_zoom_and_those_of_the_map_do_not(sky):
    page = cmb.explore(sky)

    def ends():
        shown = dynamic(picture(page), hv.Image)[0]
        return hv.Store.lookup_options("bokeh", shown, "plot").kwargs["clim"], shown.dimension_values(2)

    (first, _), (stream,) = ends(), streams(picture(page), hv.streams.RangeXY)
    stream.event(x_range=(-0.1, 0.1), y_range=(0.6, 0.65))
    assert ends()[0] == first
    widget(page, "Colours").value = "of what is visible"
    (low, high), values = ends()
    assert high == pytest.approx(np.nanpercentile(np.abs(values), 97.5)) and low == -high and high < first[1]
    (stream,) = streams(picture(page), hv.streams.RangeXY)
    stream.event(x_range=(1.9, 1.95), y_range=(0.9, 0.95))  # outside the sky
    assert ends()[0] == first


@pytest.mark.slow
@pytest.mark.parametrize("sense", ["COSMO", "IAU"])
def test_the_angle_is_that_of_the_map_and_coarser_that_of_mean_q_and_u(sky, sense, tmp_path):
    turned = cmb.to_polconv(sky, sense)
    angles = cmb.polarization_angle(turned)
    for one in (turned, turned.isel(cells=slice(3000, 9000)), cmb.pyramid(turned)):
        held = planes(bands_of(one))[0]("", "angle")
        at = np.asarray(Healpix_Base(32, "NEST").pix2vec(np.arange(3000, 9000)))
        np.testing.assert_allclose(
            values_along(held.pyramid, at, len(held.pyramid.levels) - 1), angles[3000:9000], 1e-5
        )
        assert sense in held.like.attrs["long_name"] and held.like.attrs["units"] == "deg"
    means = cmb.polarization_angle(cmb.degraded(turned, 8))
    at = np.asarray(Healpix_Base(8, "NEST").pix2vec(np.arange(768)))
    held = planes(bands_of(cmb.pyramid(turned)))[0]("", "angle")
    found = values_along(held.pyramid, at, held.pyramid.levels.index(3))
    assert np.abs((found - means.values + 90) % 180 - 90).max() < 0.01


def test_the_angle_of_a_map_without_a_convention_is_refused(sky):
    bare = sky.copy()
    bare.attrs.pop("polconv")
    with pytest.raises(WrongFrame, match="polconv"):
        planes(bands_of(bare))[0]("", "angle")


@pytest.mark.slow
def test_a_few_cells_that_were_observed_are_enough_for_colours():
    values = np.full(12 * 512**2, np.nan, np.float32)
    values[7:9] = 3.0  # of each three cells one is looked at
    ids = xr.DataArray(np.arange(values.size), dims="cells", attrs={"level": 9, "indexing_scheme": "nested"})
    one = held_sky(xr.DataArray(values, {"cell_ids": ids}, ["cells"]))
    assert np.isfinite(one.sample).sum() == 2
    both = xr.DataArray(np.stack([values, values]), {"stokes": ["Q", "U"], "cell_ids": ids}, ["stokes", "cells"])
    assert np.nanmax(planes(bands_of(both))[0]("", "P").sample) == pytest.approx(np.hypot(3, 3))


@pytest.mark.slow
def test_the_spectra_are_those_under_the_mask_of_slider_and_regions(sky):
    page = cmb.explore(sky, latitude=30)
    square = {"xs": [[0.2, -0.2, -0.2, 0.2]], "ys": [[0.9, 0.9, 0.7, 0.7]]}
    mask = cmb.galactic_mask(32, latitude=30)
    made = cmb.d_ell(cmb.power_spectra(sky, mask=mask, iterations=1)).dl
    np.testing.assert_allclose(curve(page, "EE"), made.sel(spectrum="EE").values[2:])
    (hand,) = streams(picture(page), hv.streams.FreehandDraw)
    hand.event(data=square)
    both = cmb.combined_mask(mask, outside(32, ((tuple(square["xs"][0]), tuple(square["ys"][0])),)))
    made = cmb.d_ell(cmb.power_spectra(sky, mask=both, iterations=1)).dl
    np.testing.assert_allclose(curve(page, "BB"), made.sel(spectrum="BB").values[2:])
    assert "1 drawn left out" in words(page)
    widget(page, "Projection").value = "cartesian"  # another picture: the region stays
    np.testing.assert_allclose(curve(page, "BB"), made.sel(spectrum="BB").values[2:])
    widget(page, "Take drawn regions away").clicks += 1
    assert "drawn" not in words(page).split("Kept")[1]
    widget(page, "Spectra").value = "purified"
    assert "B pure" in words(page)


@pytest.mark.parametrize("projection", ["mollweide", "orthographic", "cartesian", "gnomonic"])
@pytest.mark.parametrize("middle", [(0.0, 0.0), (180.0, 20.0), (40.0, 89.0)])
def test_a_circle_drawn_on_any_plane_leaves_out_the_cells_inside_it(projection, middle):
    pointing = Pointing(projection, *middle)
    around = np.radians(np.arange(0, 360, 3))
    east, north = vectors_of(np.array([middle[0] + 90]), np.array([0.0]))[0], None
    axis = vectors_of(*np.array(middle)[:, None])[0]
    north = np.cross(axis, east)
    ring = np.cos(0.2) * axis + np.sin(0.2) * (np.cos(around)[:, None] * east + np.sin(around)[:, None] * north)
    x, y = places(ring, pointing).T
    keep = kept_outside(32, [(pointing, ((tuple(x), tuple(y)),))], frame="galactic")
    assert float(1 - keep.mean()) == pytest.approx((1 - np.cos(0.2)) / 2, rel=0.06)


def test_a_mollweide_region_is_the_one_of_the_page_of_masks():
    square = (((0.5, -0.5, -0.5, 0.5), (0.5, 0.5, -0.5, -0.5)),)
    assert (kept_outside(32, [(Pointing(), square)], frame="galactic") == outside(32, square)).all()


@pytest.mark.parametrize("name", GALACTIC)
def test_named_places_lie_where_simbad_has_them_in_galactic_coordinates(name):
    found = SkyCoord(*place_of(name, "galactic"), unit="deg", frame="galactic")
    near = 1.0 if name == "cold spot" else 0.08 if name == "galactic centre" else 0.03
    assert found.separation(SkyCoord(*GALACTIC[name], unit="deg", frame="galactic")).deg < near


def test_every_other_name_is_of_the_list():
    assert set(ALIASES.values()) <= set(NAMED)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["05h34m31.8s +22d01m03s", "5h34m31.8s, +22d01m03s", "05 34 31.8 +22 01 03", "05:34:31.8 +22:01:03",
     "icrs 83.6325 22.0175", "ICRS 83.6325d +22.0175d", "Crab", "tau a", "M1", "184.5574 -5.7843",
     "l=184.5574, b=−5.7843",
     "galactic 184.5574 -5.7843", "184d33m26.6s -5d47m03.5s", "184.5574-5.7843"],
)  # fmt: skip
def test_the_crab_is_found_however_it_is_typed(text):
    crab = SkyCoord(83.6324, 22.0174, unit="deg")
    assert SkyCoord(*place_of(text, "galactic"), unit="deg", frame="galactic").separation(crab).arcmin < 0.2


@given(lon=st.floats(0, 359.99), lat=st.floats(-90, 90))
def test_two_numbers_are_the_frame_of_the_map(lon, lat):
    assert place_of(f"{lon!r} {lat!r}", "ecliptic") == pytest.approx((lon, lat))


@pytest.mark.parametrize(
    ("text", "told"),
    [("Krab", "crab"), ("184.6", "two angles"), ("10 95", "latitude 95"), ("ten 20 30", "two angles|no angle"),
     ("galactic 5h -3", "hours are of RA"), ("nan 3", "no angle|not from"), ("1 2 3", "two angles"), ("", "not known")],
)  # fmt: skip
def test_what_is_no_place_is_refused_with_what_can_be_typed(text, told):
    with pytest.raises(BadOption, match=told) as refused:
        place_of(text, "galactic")
    assert "type two angles" in str(refused.value)


def test_a_name_needs_the_frame_of_the_map():
    with pytest.raises(WrongFrame, match="states the frame"):
        place_of("Crab", None)


@pytest.mark.slow
def test_a_place_is_flown_to_and_nonsense_is_answered_on_the_page(sky):
    page = cmb.explore(sky, projection="gnomonic")
    widget(page, "Place").value = "LMC"
    assert "280.4652" in words(page)
    values = dynamic(picture(page), hv.Image)[0].dimension_values(2, flat=False)
    here = sky.sky.sel(stokes="I").isel(cells=11966)  # healpy 1.20: ang2pix(32, 280.465, -32.888, True, lonlat=True)
    assert values[values.shape[0] // 2, values.shape[1] // 2] == pytest.approx(float(here))
    widget(page, "Place").value = "<b>nowhere"
    assert "not known" in words(page) and "<b>nowhere" not in str([p.object for p in page.select(pn.pane.HTML)])


@pytest.mark.slow
def test_two_explorers_know_nothing_of_each_other(sky):
    one, other = cmb.explore(sky), cmb.explore(sky)
    before = curve(other, "TT")
    widget(one, "Shown").value = "Q"
    (hand,) = streams(picture(one), hv.streams.FreehandDraw)
    hand.event(data={"xs": [[0.2, -0.2, -0.2]], "ys": [[0.9, 0.9, 0.7]]})
    assert widget(other, "Shown").value == "I" and "drawn" not in words(other).split("Kept")[1]
    np.testing.assert_array_equal(before, curve(other, "TT"))


@pytest.mark.slow
def test_a_band_without_values_gives_words_and_the_next_one_its_picture(bands):
    empty = bands.copy(deep=True)
    empty.sky[0] = np.nan
    page = cmb.explore(empty)
    assert "leaves nothing" in words(page)
    assert "no value (all NaN)" in str(dynamic_or_static(picture(page)))
    widget(page, "Band").value = "94 GHz"
    assert "leaves nothing" not in words(page) and np.isfinite(curve(page, "TT")).all()


def dynamic_or_static(shown):
    return [e.data for e in shown.traverse(lambda e: e, [hv.Text])]


@pytest.mark.slow
def test_a_map_that_states_no_frame_is_shown_and_the_page_says_what_it_cannot_do(sky):
    bare = sky.copy()
    bare.attrs.pop("frame")
    bare["sky"].attrs.pop("frame", None)
    page = cmb.explore(bare)
    assert "where its Galactic plane lies is not known" in words(page)
    assert dynamic(picture(page), hv.Image)


@pytest.mark.slow
def test_a_pyramid_on_disk_is_explored_by_its_path(sky, tmp_path):
    path = cmb.write_pyramid(sky, tmp_path / "w.zarr")
    page = cmb.explore(str(path), projection="cartesian", latitude=30)
    tap(page, 184.557, -5.784, Pointing("cartesian"))
    assert f"I {float(sky.sky.isel(stokes=0, cells=6367).astype('f4')):.5g} mK" in words(page)
    widget(page, "Shown").value = "P"
    assert dynamic(picture(page), hv.Image)[0].vdims[0].name == "polarized_intensity"
    np.testing.assert_allclose(curve(page, "TT"), curve(cmb.explore(sky, latitude=30), "TT"), rtol=1e-4)


@pytest.mark.slow
def test_a_map_in_another_frame_is_masked_by_galactic_latitude(sky):
    page = cmb.explore(cmb.to_frame(sky, "icrs"), latitude=30)
    assert "50.0 % of the sky" in words(page) or "49.9 %" in words(page) or "50.1 %" in words(page)


@pytest.mark.parametrize("frame", ["icrs", "ecliptic"])
def test_low_galactic_latitudes_lie_where_astropy_has_them_on_a_map_in_another_frame(frame):
    like = cmb.galactic_mask(16).assign_attrs(frame=frame)
    angles = np.degrees(Healpix_Base(16, "NEST").pix2ang(np.arange(3072)))
    names = {"icrs": "icrs", "ecliptic": "barycentricmeanecliptic"}
    there = SkyCoord(angles[:, 1], 90 - angles[:, 0], unit="deg", frame=names[frame]).galactic
    far = np.abs(np.abs(there.b.deg) - 30) > 0.01
    assert (latitude_mask(like, 30).values == (np.abs(there.b.deg) > 30))[far].all()


def test_intensity_computed_where_it_is_seen_is_that_of_the_whole_map(sky):
    shown, _ = planes(bands_of(sky))
    held = shown("", "P").pyramid
    whole = sky_pyramid(cmb.polarized_intensity(sky))
    assert isinstance(held, Pyramid) and held.levels == whole.levels
    for one, other in zip(held.values[:-1], whole.values[:-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_computed_pyramid_is_never_asked_for_all_of_its_cells_at_once():
    asked = []

    def cells(part):
        asked.append(part.stop - part.start)
        return np.arange(12 * 4**9)[part]

    computed_pyramid(9, cells)
    assert max(asked) <= 4**10


@pytest.mark.parametrize("wrong", [None, 3, xr.Dataset({"a": ("x", [1.0])}), xr.DataArray([1.0])])
def test_what_is_no_map_is_refused(wrong):
    with pytest.raises(WrongData):
        cmb.explore(wrong)


def test_options_and_paths_are_checked(sky, tmp_path):
    for options in ({"latitude": 90}, {"method": "pure"}, {"projection": "globe"}, {"place": "Krab"}):
        with pytest.raises(BadOption):
            cmb.explore(sky, **options)
    with pytest.raises(MissingFile):
        cmb.explore(tmp_path / "none.zarr")

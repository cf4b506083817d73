"""Skies that are zoomed into: which way round they are, what a pixel shows, how polarization lies."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import ColorBar, GlyphRenderer
from hypothesis import given
from hypothesis import strategies as st

from analysis import panels
from analysis.errors import BadOption, WrongData
from analysis.panels.pointings import (
    PROJECTIONS,
    Pointing,
    direction_at,
    directions,
    pixel_size,
    places,
    vectors_of,
    window,
)
from analysis.panels.pyramids import Pyramid, level_for, sky_pyramid, values_along, viewport
from analysis.panels.sky_lines import segments, visible_graticule
from analysis.panels.stored_cells import StoredCells


def healpix(values, level):
    ids = ("cells", np.arange(12 * 4**level), {"level": level, "indexing_scheme": "nested"})
    return xr.DataArray(np.asarray(values, dtype=float), {"cell_ids": ids}, ["cells"], attrs={"units": "uK"})


def whole(pointing):
    half = window(pointing)
    return (-half[0], half[0]), (-half[1], half[1])


@given(
    lon=st.floats(0, 359.9),
    lat=st.floats(-89, 89),
    middle=st.tuples(st.floats(0, 360), st.floats(-90, 90)),
    projection=st.sampled_from(PROJECTIONS),
)
@pytest.mark.slow
def test_a_direction_on_the_plane_is_found_again_whatever_the_centre(lon, lat, middle, projection):
    pointing = Pointing(projection, *middle)
    vector = vectors_of(np.array([lon]), np.array([lat]))
    x, y = places(vector, pointing)[0]
    half = window(pointing)
    if not np.isfinite(x) or abs(x) > 0.999 * half[0] or abs(y) > 0.999 * half[1]:
        return  # behind the tangent plane, or on the edge
    if projection == "orthographic" and (abs(x) - 1.02) ** 2 + y**2 > 0.999:
        return
    inside, found = directions(np.array([x]), np.array([y]), pointing)
    if inside.any():
        assert found[0] == pytest.approx(vector[0], abs=1e-5)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("centre", [(0, 0), (83.6, 22.0), (184.6, -5.8), (300, -60)])
def test_the_sky_is_seen_from_inside_east_is_left_and_north_is_up(projection, centre):
    pointing = Pointing(projection, *centre)
    middle = places(vectors_of(np.array([centre[0]]), np.array([centre[1]])), pointing)[0]
    east = places(vectors_of(np.array([centre[0] + 1]), np.array([centre[1]])), pointing)[0]
    north = places(vectors_of(np.array([centre[0]]), np.array([centre[1] + 1])), pointing)[0]
    assert east[0] < middle[0]
    assert north[1] > middle[1]


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_pixels_of_a_map_of_longitudes_grow_to_the_left(sky, projection):
    pointing = Pointing(projection, 90, 0)
    (left, right), ylim = whole(pointing)
    shown = viewport(sky_pyramid(sky), pointing, (left, right), ylim, width=400, height=200)[2]
    middle = 100 if projection == "orthographic" else 200  # two discs stand side by side
    near = 20 if projection != "cartesian" else 40
    assert shown[100, middle - near] > 90 > shown[100, middle + near]


@pytest.mark.slow
@pytest.mark.parametrize("projection", ["mollweide", "orthographic", "cartesian"])
def test_centred_on_the_origin_it_agrees_with_the_picture_that_does_not_zoom(sky, projection):
    figure = hv.render(panels.sky_map(sky, projection=projection, width=400))
    image = next(r for r in figure.select({"type": GlyphRenderer}) if type(r.glyph).__name__ == "Image")
    theirs = image.data_source.data["image"][0]
    pointing = Pointing(projection)
    pyramid = sky_pyramid(sky)
    inside, vectors = directions(*_centres(pointing, theirs.shape), pointing)
    ours = np.full(inside.shape, np.nan)
    ours[inside] = values_along(pyramid, vectors, len(pyramid.levels) - 1)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    assert same.mean() > 0.999  # some centres lie on the border of two cells


def _centres(pointing, shape):
    return tuple((np.arange(n) + 0.5) * 2 * h / n - h for n, h in zip(shape[::-1], window(pointing), strict=True))


def test_healpy_finds_the_same_cells_along_a_tangent_plane():
    # healpy 1.20.1, nside 64: healpy.ang2pix(64, lon, lat, nest=True, lonlat=True)
    pyramid = sky_pyramid(healpix(np.arange(12 * 64**2), 6))
    at = vectors_of(np.array([0.0, 84.0, 184.6, 266.4]), np.array([0.5, -5.8, 45.0, -89.0]))
    assert values_along(pyramid, at, 6).tolist() == [19456.0, 21438.0, 10933.0, 40961.0]


def test_zoomed_out_a_pixel_is_the_mean_of_the_cells_below_it():
    values = np.random.default_rng(0).normal(size=12 * 4**5)
    pyramid = sky_pyramid(healpix(values, 5))
    assert pyramid.values[0] == pytest.approx(values.reshape(12, -1).mean(axis=1), abs=1e-6)


def test_missing_cells_count_in_no_mean_and_a_cell_of_none_stays_empty():
    values = np.ones(192)
    values[:16], values[16], values[20] = np.nan, 5.0, np.inf
    coarse = sky_pyramid(healpix(values, 2)).values
    assert np.isnan(coarse[0][0])
    assert coarse[1][5] == 1.0
    assert coarse[1][4] == pytest.approx(2.0)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_part_of_the_sky_shows_what_the_whole_shows_there(sky, order):
    part = sky.isel(cells=slice(0, 1024)).isel(cells=order)
    pointing = Pointing("mollweide")
    one, other = (
        viewport(sky_pyramid(m), pointing, *whole(pointing), width=100, height=50)[2]
        for m in (part, sky.where(sky["cell_ids"] < 1024))
    )
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_viewport_takes_cells_no_larger_than_its_pixels():
    pyramid = sky_pyramid(healpix(np.zeros(12 * 4**7), 7))
    pointing = Pointing("mollweide")
    seen = [
        viewport(pyramid, pointing, (-2 / z, 2 / z), (-1 / z, 1 / z), width=200, height=100)[3] for z in (1, 2, 4, 99)
    ]
    assert seen == [64, 128, 128, 128]
    assert level_for(pyramid, np.pi) == 0


def test_pixels_of_the_ellipse_have_the_area_that_the_whole_sky_divides_into():
    side = pixel_size(Pointing(), 0.01, 0.01)
    assert side**2 * (2 * np.pi / 0.01**2) == pytest.approx(4 * np.pi)


@pytest.mark.parametrize(
    ("q", "u", "polconv", "slope"),
    [
        (1, 0, "COSMO", np.inf),  # along the meridian
        (1, 0, "IAU", np.inf),
        (-1, 0, "COSMO", 0),  # along the parallel
        (-1, 0, "IAU", 0),
        (0, 1, "COSMO", 1),  # from south through east, which is left: lower left to upper right
        (0, 1, "IAU", -1),  # from north through east: upper left to lower right
    ],
)
@pytest.mark.parametrize("projection", ["cartesian", "gnomonic", "mollweide"])
def test_segments_lie_along_the_polarization_in_either_convention(q, u, polconv, slope, projection):
    maps = [sky_pyramid(healpix(np.full(12 * 4**4, float(v)), 4)) for v in (q, u)]
    pointing = Pointing(projection, field=20)
    half = min(window(pointing)[0], 0.2) if projection != "cartesian" else 5.0
    lines = segments(*maps, pointing, (-half, half), (-half, half), polconv=polconv, across=9)
    x0, y0, x1, y1 = lines[np.argmin(np.hypot(lines[:, 0] + lines[:, 2], lines[:, 1] + lines[:, 3]))]
    turned = np.degrees(np.arctan2(y1 - y0, x1 - x0)) % 180
    expected = np.degrees(np.arctan(slope)) % 180
    assert (turned - expected + 90) % 180 - 90 == pytest.approx(0, abs=15 if projection == "mollweide" and u else 1.5)


def test_the_same_sky_in_both_conventions_has_the_same_segments():
    rng = np.random.default_rng(3)
    q, u = rng.normal(size=(2, 12 * 4**3))
    pointing = Pointing("mollweide")
    cosmo = segments(*(sky_pyramid(healpix(v, 3)) for v in (q, u)), pointing, *whole(pointing), polconv="COSMO")
    iau = segments(*(sky_pyramid(healpix(v, 3)) for v in (q, -u)), pointing, *whole(pointing), polconv="IAU")

    def ends(lines):  # headless: the ends may be swapped
        return np.sort(lines[:, [0, 2]], axis=1), np.abs(lines[:, 2:] - lines[:, :2])

    for one, other in zip(ends(cosmo), ends(iau), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_no_segment_where_nothing_was_observed():
    empty = sky_pyramid(healpix(np.full(48, np.nan), 1))
    assert segments(empty, empty, Pointing(), (-2, 2), (-1, 1), polconv="IAU").shape == (0, 4)


def test_the_graticule_gets_finer_where_one_zooms_and_names_the_frame():
    pointing = Pointing("gnomonic", 184.6, -5.8, 60)
    wide, near = (
        [text for _, _, text in visible_graticule(pointing, (-h, h), (-h / 2, h / 2), frame="galactic")[1]]
        for h in (0.5, 0.005)
    )
    assert "b −10°" in wide
    assert any(text.startswith("l 184.") for text in near)
    assert any(
        text.startswith("RA") for _, _, text in visible_graticule(pointing, (-1, 1), (-0.5, 0.5), frame="equatorial")[1]
    )


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_graticule_labels_stand_where_they_say(projection):
    pointing = Pointing(projection, 100, 20)
    lines, labels = visible_graticule(pointing, *whole(pointing), frame="galactic")
    assert lines
    for x, y, text in labels:
        lon, lat = direction_at(x, y, pointing)
        name, angle = text.rstrip("°").replace("−", "-").split()
        found = lon if name == "l" else lat
        assert (found - float(angle) + 180) % 360 - 180 == pytest.approx(0, abs=1e-3)


@pytest.mark.slow
def test_the_picture_has_a_colour_bar_with_units_a_frame_and_says_synthetic(sky):
    made = panels.sky_zoom(sky, width=300, attrs={"title": "Longitudes", "synthetic": "true", "source": "a formula"})
    figure = hv.render(made)
    assert figure.select({"type": ColorBar})[0].title == "Longitude (deg)"
    assert "galactic l, b" in figure.title.text
    assert "SYNTHETIC" in figure.above[-1].text
    assert any("a formula" in getattr(part, "text", "") for part in figure.below)


@pytest.mark.slow
def test_a_map_of_nan_says_so(sky):
    assert "no value" in str(panels.sky_zoom(sky.where(False)).traverse(lambda e: getattr(e, "data", ""), [hv.Text]))


@pytest.mark.parametrize(
    "option",
    [
        {"projection": "hammer"},
        {"projection": None},
        {"centre": (0, 91)},
        {"centre": 5},
        {"centre": (np.nan, 0)},
        {"field": 0},
        {"field": 180},
        {"field": True},
        {"width": 5},
        {"clim": (2, 1)},
        {"polconv": "IAU"},
    ],
)
def test_what_cannot_be_is_refused(sky, option):
    with pytest.raises(BadOption):
        panels.sky_zoom(sky, **option)


def test_segments_without_a_convention_or_with_two_are_refused(sky):
    with pytest.raises(WrongData, match="polconv"):
        panels.sky_zoom(sky, polarization=(sky, sky))
    mixed = (sky.assign_attrs(polconv="IAU"), sky.assign_attrs(polconv="COSMO"))
    with pytest.raises(WrongData, match="COSMO, IAU"):
        panels.sky_zoom(sky, polarization=mixed)
    with pytest.raises(WrongData, match="same cells"):
        panels.sky_zoom(sky, polarization=(sky, sky[:10]), polconv="IAU")


def test_a_cell_that_is_there_twice_is_refused(sky):
    with pytest.raises(WrongData, match="twice"):
        sky_pyramid(sky.isel(cells=[0, 1, 1]))


@pytest.mark.parametrize(("zoom", "nside"), [(1, 512), (8, 2048)])
def test_half_spheres_show_no_finer_cells_than_their_least_foreshortened_pixel(zoom, nside):
    zeros = StoredCells(lambda number: np.zeros(4**8, np.float32), 4**8)
    fine = Pyramid(tuple(range(14)), (zeros,) * 14, (None,) * 14)
    pointing = Pointing("orthographic", 120, 40)
    x, y = (half / zoom for half in window(pointing))  # zoomed: the rim of both, where a pixel looks at more than twice
    assert viewport(fine, pointing, (-x, x), (-y, y), width=1200, height=600)[3] == nside

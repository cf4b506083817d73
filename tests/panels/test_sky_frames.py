"""A graticule and a mask's edge in another frame than the map's."""

import json

import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord

from analysis.cmb.sky_views import frame_rotation
from analysis.panels.pointings import PROJECTIONS, Pointing, direction_at, directions, rotation, window
from analysis.panels.pyramids import sky_pyramid
from analysis.panels.sky_hover import hover_code
from analysis.panels.sky_lines import mask_edges, visible_graticule
from analysis.panels.zooming import sky_zoom

NAMES = {"galactic": "galactic", "icrs": "icrs", "ecliptic": "barycentricmeanecliptic"}


def whole(pointing):
    half = window(pointing)
    return (-half[0], half[0]), (-half[1], half[1])


def at(frame, wanted, lon, lat):
    there = SkyCoord(lon, lat, unit="deg", frame=NAMES[frame]).transform_to(NAMES[wanted]).spherical
    return there.lon.deg, there.lat.deg


@pytest.mark.slow
@pytest.mark.parametrize(("held", "shown"), [("galactic", "icrs"), ("galactic", "ecliptic"), ("icrs", "galactic")])
@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("centre", [(0, 0), (100, 20)])
def test_labels_of_another_frame_stand_where_astropy_puts_them(held, shown, projection, centre):
    pointing = Pointing(projection, *centre)
    axes = frame_rotation(shown, held)
    lines, labels = visible_graticule(pointing, *whole(pointing), frame=shown, axes=axes)
    assert len(lines) > 4
    assert len(labels) > 3
    for x, y, text in labels:
        name, angle = text.rstrip("°").replace("−", "-").split()
        lon, lat = at(held, shown, *direction_at(x, y, pointing))
        found = lon if name in ("RA", "λ", "l") else lat
        assert (found - float(angle) + 180) % 360 - 180 == pytest.approx(0, abs=2e-3)


@pytest.mark.slow
def test_lines_of_another_frame_are_its_meridians_and_parallels():
    pointing = Pointing("mollweide")
    lines, _ = visible_graticule(pointing, *whole(pointing), frame="icrs", axes=frame_rotation("icrs", "galactic"))
    for line in lines:
        inner = line[np.hypot(line[:, 0] / 2, line[:, 1]) < 0.98]
        if len(inner) < 20:
            continue  # a piece at the edge
        places = [direction_at(x, y, pointing) for x, y in inner[::9]]
        lon, lat = np.array([at("galactic", "icrs", *place) for place in places]).T
        middle = np.abs(lat) < 85
        turn = (lon[middle] - lon[middle][:1] + 180) % 360 - 180
        assert np.ptp(lat) < 0.02 or np.ptp(turn) < 0.1


def test_rotations_are_those_of_astropy_and_undo_each_other():
    for start in NAMES:
        for end in NAMES:
            matrix = frame_rotation(start, end)
            np.testing.assert_allclose(matrix @ frame_rotation(end, start), np.eye(3), atol=1e-12)
    # the north Galactic pole in FK5, IAU 1958: 192.85948°, +27.12825°
    x, y, z = frame_rotation("galactic", "icrs")[:, 2]
    assert np.degrees(np.arctan2(y, x)) % 360 == pytest.approx(192.85948, abs=1e-3)
    assert np.degrees(np.arcsin(z)) == pytest.approx(27.12825, abs=1e-3)


@pytest.mark.slow
def test_the_edge_of_a_galactic_mask_on_an_equatorial_sky_is_at_its_galactic_latitude():
    from analysis import cmb

    mask = sky_pyramid(cmb.galactic_mask(128, latitude=20).astype(float))
    pointing = Pointing("mollweide", 40, 10)
    axes = frame_rotation("galactic", "icrs")
    x, y, edge = mask_edges(mask, pointing, *whole(pointing), width=500, height=250, axes=axes)
    inside, _ = directions(x, y, pointing)
    rows, columns = np.nonzero(edge)
    assert 500 < rows.size < 6000
    assert not edge[~inside].any()
    places = np.array([direction_at(x[c], y[r], pointing) for r, c in zip(rows[::7], columns[::7], strict=True)])
    _, b = at("icrs", "galactic", *places.T)
    np.testing.assert_allclose(np.abs(b), 20, atol=2.0)  # a pixel is 1° or so, a cell half of one
    assert (b > 0).any()
    assert (b < 0).any()


def test_a_mask_without_an_edge_in_view_has_none():
    ids = ("cells", np.arange(48), {"level": 1, "indexing_scheme": "nested"})
    mask = sky_pyramid(xr.DataArray(np.ones(48), {"cell_ids": ids}, ["cells"]))
    assert not mask_edges(mask, Pointing(), (-2, 2), (-1, 1), width=40, height=20, axes=None)[2].any()


def test_the_hover_of_another_frame_turns_by_its_matrix():
    axes = frame_rotation("icrs", "galactic")
    told = hover_code(Pointing("mollweide", 30, 40), axes).split("const v = ")[1].split(".map")[0]
    expected = frame_rotation("galactic", "icrs") @ rotation(Pointing("mollweide", 30, 40))
    np.testing.assert_allclose(json.loads(told), expected, atol=1e-12)


def test_around_the_celestial_pole_of_a_galactic_map_all_meridians_meet():
    lon, lat = at("icrs", "galactic", 0.0, 90.0)
    pointing = Pointing("gnomonic", float(lon), float(lat), 30)
    axes = frame_rotation("icrs", "galactic")
    _, labels = visible_graticule(pointing, *whole(pointing), frame="icrs", axes=axes)
    spots = {text: (x, y) for x, y, text in labels if text.startswith("RA")}
    assert {"RA 60°", "RA 120°", "RA 240°", "RA 300°"} <= set(spots)
    assert np.hypot(*np.array(list(spots.values())).T).min() > 0.05  # apart, not all upon the pole


@pytest.mark.slow
def test_a_picture_shown_twice_tells_the_pixels_of_each():
    import panel as pn
    from bokeh.document import Document
    from bokeh.models import HoverTool

    ids = xr.DataArray(np.arange(12), dims="cells", attrs={"level": 0, "indexing_scheme": "nested"})
    page = pn.Column(sky_zoom(xr.DataArray(np.arange(12.0), {"cell_ids": ids}, ["cells"], name="t"), width=100))
    told = []
    for root in (page.get_root(Document()), page.get_root(Document())):
        (code,) = root.select_one({"type": HoverTool}).formatters.values()
        assert "d.x[k] + (at.i + 0.5) * d.dw[k] / columns" in code.code  # the middle of the pixel
        assert "d.y[k] + (at.j + 0.5) * d.dh[k] / rows" in code.code
        assert "source.data" in code.code and code.args["source"].data["image"][0].shape == (50, 100)
        told.append(code.args["source"])
    assert told[0] is not told[1]

"""Which cell a pixel, and a tap, of a zoomable sky shows: at random places, the poles, the seam, edges of cells."""

import numpy as np
import pytest

from analysis.panels.pointings import PROJECTIONS, Pointing, direction_at, places, vectors_of
from analysis.panels.pyramids import Pyramid, viewport
from analysis.panels.stored_cells import StoredCells

LON = [225.034, 322.997, 279.247, 81.075, 108.06, 314.479, 0.0, 180.0, 359.999, 179.999, 180.001, 45.0, 0.5, 123.0, 0.0]
LAT = [-81.678, 39.975, 36.451, -3.677, -23.2, -26.305, 0.001, 0.001, -30.0, 41.0, -41.0, 89.999, -89.999, 89.5, 41.811]
# healpy 1.20.1: healpy.ang2pix(nside, LON, LAT, nest=True, lonlat=True)
CELLS = {
    1: [10, 3, 3, 5, 5, 11, 4, 6, 4, 6, 6, 0, 8, 1, 0],
    2: [40, 13, 14, 22, 20, 47, 19, 27, 16, 27, 24, 3, 32, 7, 2],
    4: [160, 54, 58, 89, 81, 188, 76, 108, 64, 111, 96, 15, 128, 31, 10],
    16: [2563, 873, 930, 1425, 1300, 3020, 1216, 1728, 1033, 1791, 1536, 255, 2048, 511, 170],
    128: [164047, 55881, 59550, 91257, 83205, 193336, 77824, 110592, 66133, 114684, 98307, 16383, 131072, 32767, 10922],
    2048: [
        41996086, 14305568, 15244973, 23361924, 21300603, 49494095, 19922944, 28311552, 16930133, 29359359, 25166592,
        4194303, 33554432, 8388398, 2796202,
    ],
    8192: [
        671937386, 228889103, 243919568, 373790793, 340809663, 791905521, 318767104, 452984832, 270882133, 469749756,
        402665475, 67108863, 536870912, 134214378, 44739242,
    ],
}  # fmt: skip
PART = 2**20  # a cell's number by this, and the rest, are exact in 32 bits


def numbered(nside, value):
    """Return a sky of nothing but its finest cells, each of which holds a part of its number."""
    size = min(4**8, nside**2)
    stored = StoredCells(lambda n: value(np.arange(n * size, (n + 1) * size)).astype(np.float32), size)
    return Pyramid((nside.bit_length() - 1,), (stored,), (None,))


def seen(pyramid, pointing, x, y):
    near = 1e-9 * (180 if pointing.projection == "cartesian" else 1)
    part = (x - near, x + near), (y - near, y + near)
    return int(viewport(pyramid, pointing, *part, width=3, height=3)[2][1, 1])


def centre_near(projection, lon, lat):
    return Pointing(projection, (lon + 17) % 360, np.clip(lat + (9 if lat < 0 else -9), -80, 80), 90)


@pytest.mark.parametrize("nside", CELLS)
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_pixel_shows_the_cell_that_healpy_names(projection, nside):
    whole, rest = numbered(nside, lambda ids: ids // PART), numbered(nside, lambda ids: ids % PART)
    for lon, lat, cell in zip(LON, LAT, CELLS[nside], strict=True):
        pointing = centre_near(projection, lon, lat)
        x, y = places(vectors_of(np.array([lon]), np.array([lat])), pointing)[0]
        assert seen(whole, pointing, x, y) * PART + seen(rest, pointing, x, y) == cell, (lon, lat)
        found = direction_at(x, y, pointing)
        assert found[1] == pytest.approx(lat, abs=1e-5)
        assert np.cos(np.radians(lat)) * ((found[0] - lon + 180) % 360 - 180) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_on_both_sides_of_the_seam_and_of_a_pole_neighbours_are_seen(projection):
    sides = []
    for lon, lat in ((179.9, 10.0), (180.1, 10.0), (0.0, 89.9), (179.0, 89.9)):
        pointing = Pointing(projection, 0, 0) if projection != "gnomonic" else Pointing(projection, lon, 80, 60)
        x, y = places(vectors_of(np.array([lon]), np.array([lat])), pointing)[0]
        sides.append(seen(numbered(64, lambda ids: ids), pointing, x, y))
    # healpy 1.20.1: healpy.ang2pix(64, [179.9, 180.1, 0, 179], [10, 10, 89.9, 89.9], nest=True, lonlat=True)
    assert sides == [27840, 27840, 4095, 8191]

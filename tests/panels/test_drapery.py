"""Drapery: threads that lie along the polarization, wherever one looks and in whatever convention."""

import astropy.units as u
import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from scipy.ndimage import gaussian_filter

from analysis import panels
from analysis.errors import BadOption
from analysis.panels.drapery import drapery
from analysis.panels.pointings import Pointing, places, vectors_of, window
from analysis.panels.pyramids import sky_pyramid, values_along
from analysis.panels.sky_lines import segments
from analysis.panels.turned_pyramids import along, centres, turned_pyramids

pytestmark = pytest.mark.slow


def healpix(values, level):
    ids = ("cells", np.arange(12 * 4**level), {"level": level, "indexing_scheme": "nested"})
    values = np.broadcast_to(np.asarray(values, dtype=float), 12 * 4**level).copy()
    return xr.DataArray(values, {"cell_ids": ids}, ["cells"], attrs={"units": "uK"})


def even(q, u_, polconv, level=6):
    return turned_pyramids(healpix(q, level), healpix(u_, level), polconv=polconv)


def whole(pointing):
    half = window(pointing)
    return (-half[0], half[0]), (-half[1], half[1])


def threads(pair, pointing, polconv, *, zoom=1.0, width=360, **more):
    (left, right), (low, high) = whole(pointing)
    part = (left / zoom, right / zoom), (low / zoom, high / zoom)
    x, y, drawn = drapery(*pair, pointing, *part, width=width, height=width // 2, polconv=polconv, **more)
    return x, y, drawn[..., 3] * np.where(drawn[..., 0] > 0, 1.0, -1.0)


def leaning(texture):
    """Return the angle of the threads from the right through up, in degrees, by the structure tensor."""
    up, across = np.gradient(gaussian_filter(texture, 1.5))  # threads are a pixel wide: jagged but on the axes
    turned = 0.5 * np.arctan2(2 * (up * across).sum(), (across**2 - up**2).sum())
    return np.degrees(turned) + 90


def expected(lon, lat, pointing, psi):
    """Return where a line at a position angle from north through east lies on the plane: astropy steps along it."""
    here = SkyCoord(lon, lat, unit="deg")
    there = here.directional_offset_by(psi * u.deg, 0.01 * u.deg)
    a, b = (places(vectors_of(np.array([c.ra.deg]), np.array([c.dec.deg])), pointing)[0] for c in (here, there))
    return np.degrees(np.arctan2(b[1] - a[1], b[0] - a[0]))


CASES = [  # Q, U, convention, position angle from north through east
    (1, 0, "COSMO", 0),
    (1, 0, "IAU", 0),
    (-1, 0, "COSMO", 90),
    (-1, 0, "IAU", 90),
    (0, 1, "COSMO", -45),  # from south through east
    (0, 1, "IAU", 45),
    (0, -1, "COSMO", 45),
    (0.5, 3**0.5 / 2, "IAU", 30),
]


@pytest.mark.parametrize(("q", "u_", "polconv", "psi"), CASES)
@pytest.mark.parametrize(
    ("pointing", "lon", "lat"),
    [
        (Pointing("mollweide"), 70.0, 35.0),
        (Pointing("mollweide", 200.0, 30.0), 250.0, -20.0),
        (Pointing("cartesian"), -100.0, 50.0),
        (Pointing("orthographic", 30.0, 40.0), 60.0, 10.0),
        (Pointing("gnomonic", 300.0, -75.0, 60.0), 305.0, -72.0),
    ],
)
def test_threads_lie_along_lines_of_known_position_angle(q, u_, polconv, psi, pointing, lon, lat):
    x, y, texture = threads(even(q, u_, polconv), pointing, polconv, width=600)
    at = places(vectors_of(np.array([lon]), np.array([lat])), pointing)[0]
    column, row = np.argmin(np.abs(x - at[0])), np.argmin(np.abs(y - at[1]))
    near = texture[max(row - 22, 0) : row + 23, column - 22 : column + 23]
    off = (leaning(near) - expected(lon, lat, pointing, psi) + 90) % 180 - 90
    assert off == pytest.approx(0, abs=6)


@pytest.mark.parametrize("lines", ["drapery", "segments"])
def test_the_magnetic_field_lies_across_the_polarization(lines):
    pair, pointing = even(0, 1, "IAU"), Pointing("gnomonic", field=20)
    if lines == "drapery":
        found = leaning(threads(pair, pointing, "IAU", magnetic=True)[2])
    else:
        made = segments(*pair, pointing, *whole(pointing), polconv="IAU", magnetic=True)
        x0, y0, x1, y1 = made[np.argmin(np.hypot(*made[:, :2].T))]
        found = np.degrees(np.arctan2(y1 - y0, x1 - x0))
    assert (found - 45 + 90) % 180 - 90 == pytest.approx(0, abs=6)  # IAU U: −45° on the screen; the field: +45°


def test_a_window_of_other_proportions_does_not_turn_the_threads_off_the_line():
    pair, pointing = even(0, 1, "COSMO"), Pointing("cartesian")
    _, _, drawn = drapery(*pair, pointing, (-8, 8), (-2, 2), width=300, height=300, polconv="COSMO")
    texture = drawn[..., 3] * np.where(drawn[..., 0] > 0, 1.0, -1.0)
    slope = np.degrees(np.arctan(4.0))  # 45° on the sky; a degree of latitude has four times the pixels
    assert (leaning(texture) - slope + 90) % 180 - 90 == pytest.approx(0, abs=5)


def test_a_straight_field_over_the_pole_stays_straight_in_coarse_cells():
    level, polconv = 6, "COSMO"
    at = centres(level, np.arange(12 * 4**level))
    root = np.hypot(at[:, 0], at[:, 1])
    north = np.stack([-at[:, 2] * at[:, 0] / root, -at[:, 2] * at[:, 1] / root, root], axis=1)
    east = np.stack([-at[:, 1] / root, at[:, 0] / root, 0 * root], axis=1)
    psi = np.arctan2(east[:, 0], north[:, 0])  # along the x axis
    q, u_ = healpix(np.cos(2 * psi), level), healpix(-np.sin(2 * psi), level)
    pair = turned_pyramids(q, u_, polconv=polconv)
    for lat in (89.9, 86.0, -88.0):
        for lon in (10.0, 130.0, 250.0):
            there = vectors_of(np.array([lon]), np.array([lat]))
            for place in (3, 4, 5, 6):  # cells of 7° to 1°
                power, lines, kept = along(*pair, there, place, polconv=polconv)
                assert kept.all()
                assert power[0] == pytest.approx(1, abs=0.02)
                assert abs(lines[0, 0]) > 0.99
    pole = vectors_of(np.array([10.0]), np.array([89.9]))
    plain = np.hypot(*(values_along(sky_pyramid(one), pole, 3)[0] for one in (q, u_)))
    assert plain < 0.8  # what plain means would give next to the pole


def test_next_to_the_pole_there_are_segments():
    pair, pointing = even(1, 0, "IAU", level=5), Pointing("gnomonic", 0, 90, 60)
    lines = segments(*pair, pointing, *whole(pointing), polconv="IAU")
    middle = (lines[:, :2] + lines[:, 2:]) / 2
    run = lines[:, 2:] - lines[:, :2]
    near = np.hypot(*middle.T) < 0.2
    assert near.sum() > 50
    radial = np.abs((middle * run).sum(axis=1)) / np.hypot(*middle.T) / np.hypot(*run.T)
    assert np.median(radial[near]) > 0.99  # along the meridians


@pytest.mark.parametrize("pointing", [Pointing(), Pointing("cartesian"), Pointing("orthographic", 0, 90)])
def test_threads_cover_the_sky_up_to_its_edge_and_nothing_beyond(pointing):
    x, y, texture = threads(even(1, 0.3, "IAU"), pointing, "IAU", width=400)
    from analysis.panels.pointings import directions

    inside, _ = directions(x, y, pointing)
    assert not texture[~inside].any()
    assert (texture[inside] == 0).mean() < 0.03
    for part in np.array_split(texture, 8, axis=0):  # poles and seam are no fainter
        held = part[part != 0]
        assert np.abs(held).mean() == pytest.approx(np.abs(texture[inside]).mean(), rel=0.15)


def test_cells_that_were_not_observed_have_no_threads():
    q = healpix(1.0, 4)
    q[q["cell_ids"] < 256] = np.nan  # the first face: longitude 0 to 90°, north
    pair = turned_pyramids(q, healpix(0.0, 4), polconv="IAU")
    x, y, texture = threads(pair, Pointing("cartesian"), "IAU", width=400)
    face = (np.abs(x[None, :] + 45) < 10) & (np.abs(y[:, None] - 42) < 10)
    assert not texture[face].any()
    assert texture[np.abs(y + 42) < 10].any()
    assert not threads(even(np.nan, 0.0, "IAU", level=1), Pointing(), "IAU")[2].any()
    assert not threads(even(0.0, 0.0, "IAU", level=1), Pointing(), "IAU")[2].any()


def test_faint_polarization_has_faint_threads():
    at = centres(5, np.arange(12 * 4**5))
    pair = even(np.where(at[:, 2] > 0, 1.0, 0.05), 0.0, "IAU", level=5)
    _, y, texture = threads(pair, Pointing(), "IAU")
    assert np.abs(texture[y > 0.1]).mean() > 4 * np.abs(texture[y < -0.1]).mean()


def test_threads_belong_to_places_of_the_plane_and_stay_while_one_pans():
    pair, pointing = even(0.4, 0.9, "IAU"), Pointing("cartesian")
    one = drapery(*pair, pointing, (-10, 10), (-5, 5), width=200, height=100, polconv="IAU")[2]
    moved = drapery(*pair, pointing, (-8, 12), (-5, 5), width=200, height=100, polconv="IAU")[2]
    same = one[30:70, 60:160] == moved[30:70, 40:140]
    assert same.mean() > 0.99


@pytest.mark.parametrize("level", [0, 1, 3])
def test_skies_of_few_cells_and_views_of_few_pixels_have_threads(level):
    pair = even(0.0, 1.0, "IAU", level=level)
    for pointing in (Pointing(), Pointing("gnomonic", 20, 50, 1e-3)):
        assert threads(pair, pointing, "IAU", width=100)[2].any()
    assert drapery(*pair, Pointing(), (5, 6), (5, 6), width=20, height=10, polconv="IAU")[2].sum() == 0  # off the sky
    assert drapery(*pair, Pointing(), (0, 1e-9), (0, 1e-9), width=3, height=3, polconv="IAU")[2].shape == (3, 3, 4)


def test_the_picture_says_what_the_threads_are(sky):
    made = panels.sky_zoom(sky, polarization=(sky, sky), polconv="IAU", lines="drapery", magnetic=True, width=200)
    figure = hv.render(made)
    assert any(
        "along the magnetic field (IAU Q and U)" in " ".join(getattr(part, "text", "").split()) for part in figure.below
    )
    (drawn,) = made[()].traverse(lambda e: e, [hv.RGB])
    assert len(drawn.vdims) == 4
    with pytest.raises(BadOption, match="segments, drapery"):
        panels.sky_zoom(sky, polarization=(sky, sky), polconv="IAU", lines="threads")


def test_drapery_is_saved_with_what_it_covers(sky, tmp_path):
    from matplotlib.image import imread

    bare, draped = (
        imread(panels.save(panels.sky_zoom(sky, width=200, **more), tmp_path / f"{len(more)}.png", dpi=80))
        for more in ({}, {"polarization": (sky, sky), "polconv": "IAU", "lines": "drapery"})
    )
    middle = tuple(slice(n // 4, n // 2) for n in bare.shape[:2])
    assert 0.02 < np.abs(bare[middle][..., :3].mean() - draped[: bare.shape[0]][middle][..., :3]).mean() < 0.5


def test_a_part_of_the_sky_in_any_order_has_the_means_of_the_whole():
    rng = np.random.default_rng(5)
    q, u_ = (healpix(rng.normal(size=12 * 4**4), 4) for _ in range(2))
    pick = rng.permutation(np.arange(700, 1100))
    part = turned_pyramids(q.isel(cells=pick), u_.isel(cells=pick), polconv="COSMO")
    full = turned_pyramids(q.where(q["cell_ids"].isin(pick)), u_.where(u_["cell_ids"].isin(pick)), polconv="COSMO")
    for place in range(5):
        for one, other in zip(part, full, strict=True):
            np.testing.assert_allclose(one.values[place], other.values[place][one.ids[place]], atol=1e-6)


def test_a_cell_with_u_alone_is_in_no_mean():
    q, u_ = healpix(1.0, 1), healpix(0.0, 1)
    q[0], u_[0] = np.nan, 100.0
    pair = turned_pyramids(q, u_, polconv="IAU")
    assert np.isnan(pair[1].values[1][0])
    assert np.hypot(pair[0].values[0][0], pair[1].values[0][0]) <= 1.0

"""Graticules: where their ticks stand and what they say, against astropy.wcs."""

import numpy as np
import pytest
import xarray as xr

from analysis.panels.graticules import graticule


def field(ra, dec, step, *, across=101, up=81, turned=False):
    """Return a tangential projection and an image of it; ``turned`` has both pixel axes running down."""
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [ra, dec]
    wcs.wcs.crpix, wcs.wcs.cdelt = [(across + 1) / 2, (up + 1) / 2], [-step, step]
    x, y = np.arange(across) + 1.0, np.arange(up) + 1.0
    if turned:
        x, y = x[::-1], y[::-1]
    right, north = wcs.wcs_pix2world(*np.meshgrid(x, y), 1)
    coords = {"y": y, "x": x, "ra": (("y", "x"), right, {"frame": "icrs"}), "dec": (("y", "x"), north)}
    return wcs, xr.DataArray(np.ones((up, across)), coords, ["y", "x"])


def hours(words):
    parts = words.replace("ʰ", " ").replace("ᵐ", " ").replace("ˢ", " ").split()
    return 15 * sum(float(part) / 60**i for i, part in enumerate(parts))


def degrees(words):
    parts = words[1:].replace("°", " ").replace("′", " ").replace("″", " ").split()
    return {"−": -1, "+": 1}[words[0]] * sum(float(part) / 60**i for i, part in enumerate(parts))


@pytest.mark.slow
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("ra", "dec", "step"),
    [
        (83.0, 22.0, 1 / 3600),
        (0.02, -0.5, 0.01),  # over 0 h, below the equator
        (359.99, 0.0, 0.002),
        (120.0, -0.5, 0.005),
        (10.0, 89.5, 0.01),  # the pole is a little beyond the field
        (200.0, -89.2, 0.01),
        (359.9, 85.0, 0.03),
        (180.0, 60.0, 0.3),
        (10.0, 10.0, 1e-5),
    ],
)
def test_ticks_stand_where_astropy_has_what_they_say(ra, dec, step, turned):
    wcs, image = field(ra, dec, step, turned=turned)
    found = graticule(image)
    bottom, left = float(image.y[0]), float(image.x[0])
    assert len(found.xticks) >= 2 and len(found.yticks) >= 3
    for place, words in found.xticks:
        right, north = wcs.wcs_pix2world(place, bottom, 1)
        off = (right - hours(words) + 180) % 360 - 180
        assert abs(off * np.cos(np.radians(north))) < 0.01 * step
    for place, words in found.yticks:
        assert abs(wcs.wcs_pix2world(left, place, 1)[1] - degrees(words)) < 0.01 * step


@pytest.mark.parametrize(("ra", "dec", "step"), [(0.02, -0.5, 0.01), (10.0, 89.5, 0.01)])
def test_every_line_has_one_right_ascension_or_one_declination(ra, dec, step):
    wcs, image = field(ra, dec, step)
    found = graticule(image)
    for line in found.lines:
        right, north = wcs.wcs_pix2world(line[:, 0], line[:, 1], 1)
        spread = np.ptp((right - right[0] + 180) % 360 - 180) * np.cos(np.radians(dec))
        assert min(spread, np.ptp(north)) < 0.1 * step


def test_half_a_degree_below_the_equator_keeps_its_sign():
    _, image = field(0.02, -0.5, 0.01)
    words = [text for _, text in graticule(image).yticks]
    assert "−0°30′" in words and "+0°30′" not in words


def test_a_field_over_0_h_goes_from_23_h_to_0_h():
    _, image = field(0.0, -0.5, 0.01)
    assert [text for _, text in graticule(image).xticks] == ["23ʰ58ᵐ", "23ʰ59ᵐ", "0ʰ00ᵐ", "0ʰ01ᵐ", "0ʰ02ᵐ"]


def test_a_field_around_a_pole_has_no_axes_of_right_ascension():
    _, image = field(10.0, 90.0, 0.01)
    assert graticule(image) is None


def test_an_image_without_places_on_the_sky_has_no_graticule():
    _, image = field(10.0, 0.0, 0.01)
    assert graticule(image.drop_vars(["ra", "dec"])) is None
    assert graticule(image * np.nan) is not None  # the places are known, whatever is seen there
    assert graticule(image.assign_coords(ra=image.ra * np.nan)) is None


def test_the_axes_say_the_frame():
    _, image = field(10.0, 0.0, 0.01)
    assert graticule(image).xlabel == "Right ascension (ICRS)"
    image.ra.attrs["frame"] = "fk5"
    assert graticule(image).ylabel == "Declination (FK5)"

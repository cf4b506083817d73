"""A region on the plane of pixels of another list: its centre, axes or corners go through the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.errors import OutsideCoverage, WrongData
from analysis.xray.plane_shapes import PlaneShape, turn_of
from analysis.xray.sky import pixel_area, sky_frame, sky_frame_of, wcs_of

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

SAME_PLACE = 1e-3  # pixels: two lists whose planes differ by less have one


def plane_of(listed: xr.Dataset) -> dict[str, Any]:
    """Return how a list's pixels lie on the sky, as JSON gives it back; nothing where the list does not say."""
    return {key: _plain(value) for key, value in sky_frame(listed).items()}


def carried(shape: PlaneShape, plane: dict[str, Any], listed: xr.Dataset, name: str) -> PlaneShape:
    """Return a region of one plane on another list's plane, the same where they are one; ``name`` is the selection's.

    Raises
    ------
    WrongData, OutsideCoverage
        As for :func:`analysis.xray.in_selection`.
    """
    here = plane_of(listed)
    if not shape.kind or here == plane:
        return shape
    if not plane or not here:
        whose = "the list it was drawn on" if not plane else "this list"
        raise WrongData(
            f"the region of {name!r} is in pixels, and {whose} does not say where its pixels lie on the sky, so "
            "it cannot be carried over; apply only the rest: parts=['band', 'time']"
        )
    points = shape.corners
    if shape.kind in ("circle", "ellipse"):
        points = np.array([shape.numbers[:2]])
    if shape.kind == "ellipse":
        points = np.concatenate([points, points + axes_of(shape).T])
    sky = on_sky(points, plane)
    moved = _in_pixels(sky, here)
    if not np.isfinite(moved).all():
        raise OutsideCoverage(f"the region of {name!r} lies on the far side of the sky of this list")
    if np.abs(moved - points).max() < SAME_PLACE and _same_scale(plane, here):
        return shape
    if shape.kind == "circle":
        (x, y), ratio = moved[0], np.sqrt(pixel_area(_bare(plane))[0] / pixel_area(_bare(here))[0])
        return PlaneShape("circle", (float(x), float(y), float(shape.numbers[2] * ratio)))
    if shape.kind == "ellipse":
        x, y = moved[0]
        turned = np.linalg.solve(steps_on_sky(moved[0], here), steps_on_sky(points[0], plane) @ axes_of(shape))
        directions, lengths, _ = np.linalg.svd(turned)
        angle = np.degrees(np.arctan2(directions[1, 0], directions[0, 0])) % 180
        return PlaneShape("ellipse", (float(x), float(y), float(lengths[0]), float(lengths[1]), float(angle)))
    return PlaneShape("polygon", tuple(moved.ravel().tolist()))


def axes_of(shape: PlaneShape) -> np.ndarray:
    """Return the half axes of an ellipse as the columns of a matrix, in sky pixels."""
    _, _, wide, high, angle = shape.numbers
    cosine, sine = turn_of(angle)
    return np.array([[wide * cosine, -high * sine], [wide * sine, high * cosine]])


def steps_on_sky(place: np.ndarray, plane: dict[str, Any]) -> np.ndarray:
    """Return how far east and north (rows, arcsec, ICRS) a step of one pixel along x and along y leads there."""
    points = place + np.array([(0, 0), (0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)])
    sky = on_sky(points, plane).icrs
    east, north = (offset.arcsec for offset in sky[0].spherical_offsets_to(sky))
    return np.array([[part[1] - part[2], part[3] - part[4]] for part in (east, north)])


def on_sky(points: np.ndarray, plane: dict[str, Any]) -> SkyCoord:
    """Return where points (n × 2, sky pixels that count from 1) lie on the sky."""
    from astropy.coordinates import SkyCoord

    lon, lat = wcs_of(plane, "the selection").all_pix2world(points[:, 0], points[:, 1], 1)
    return SkyCoord(lon, lat, unit="deg", frame=_frame(plane))


def _in_pixels(sky: SkyCoord, plane: dict[str, Any]) -> np.ndarray:
    there = sky.transform_to(_frame(plane)).spherical
    x, y = wcs_of(plane, "the events").wcs_world2pix(there.lon.deg, there.lat.deg, 1)
    return np.stack([x, y], axis=1)


def _frame(plane: dict[str, Any]) -> Any:
    """The frame of the plane's coordinates as astropy knows it, with its equinox."""
    from astropy.coordinates import FK4, FK5, Galactic
    from astropy.time import Time

    if str(plane["wcs_ctype"][0]).startswith("GLON"):
        return Galactic()
    name = sky_frame_of(plane)
    if name == "fk5":
        return FK5(equinox=Time(float(plane.get("equinox", 2000.0)), format="jyear"))
    return FK4(equinox=Time(float(plane.get("equinox", 1950.0)), format="byear")) if name == "fk4" else name


def _same_scale(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(np.isclose(pixel_area(_bare(one))[0], pixel_area(_bare(other))[0], rtol=1e-9))


def _bare(plane: dict[str, Any]) -> xr.Dataset:
    return xr.Dataset(attrs=plane)


def _plain(value: Any) -> Any:
    """Attributes as JSON gives them back."""
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value

"""Projections of the sky that look anywhere: a direction is turned into the middle of the plane first.

Seen from inside: longitude grows to the left, north is up in the middle. Angles in degrees. Formulae: Snyder, *Map
Projections: A Working Manual*, USGS Professional Paper 1395 (1987), pp. 164–168 (gnomonic) and those of
:mod:`analysis.panels.projections`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.errors import BadOption
from analysis.panels.projections import DISCS, WINDOWS, plane_of

PROJECTIONS = (*WINDOWS, "gnomonic")
WIDEST = 150.0  # degrees across that a gnomonic picture may have; at 180 its edge is infinitely far


@dataclass(frozen=True)
class Pointing:
    """A projection, the direction in its middle, and how many degrees it shows across (gnomonic only)."""

    projection: str = "mollweide"
    lon: float = 0.0
    lat: float = 0.0
    field: float = 60.0


def pointing_of(projection: str, centre: object, field: object) -> Pointing:
    """Return a checked pointing.

    Raises
    ------
    BadOption
        If the projection is unknown, the centre no direction, or the field out of range.

    Examples
    --------
    >>> pointing_of("gnomonic", (120, -30), 10)
    Pointing(projection='gnomonic', lon=120.0, lat=-30.0, field=10.0)
    """
    if not isinstance(projection, str) or projection not in PROJECTIONS:
        raise BadOption(f"projection={projection!r} is unknown; known are {', '.join(PROJECTIONS)}")
    try:
        lon, lat = (float(angle) for angle in centre)  # type: ignore[attr-defined]  # what is no pair is answered below
    except (TypeError, ValueError):
        lon = lat = np.nan
    if not (abs(lat) <= 90 and abs(lon) < np.inf):
        raise BadOption(f"centre={centre!r} is not (longitude, latitude) in degrees, latitude from −90 to 90")
    number = isinstance(field, int | float | np.number) and not isinstance(field, bool)
    if not number or not 0 < field <= WIDEST:  # type: ignore[operator]
        raise BadOption(f"field={field!r} is no number of degrees across, above 0 and up to {WIDEST:g}")
    return Pointing(projection, lon, lat, float(field))  # type: ignore[arg-type]


def window(pointing: Pointing) -> tuple[float, float]:
    """Return half the width and half the height of the whole picture, in units of the plane.

    Examples
    --------
    >>> window(Pointing("gnomonic", field=90))
    (1.0, 0.5)
    """
    if pointing.projection != "gnomonic":
        return WINDOWS[pointing.projection]
    half = round(float(np.tan(np.radians(pointing.field / 2))), 12)
    return half, half / 2


def rotation(pointing: Pointing) -> np.ndarray:
    """Return the matrix from the projection's own axes (middle, east, north) to those of the sky.

    Examples
    --------
    >>> rotation(Pointing(lon=90)).round(3)[:, 0].tolist()
    [0.0, 1.0, 0.0]
    """
    lon, lat = np.radians(pointing.lon), np.radians(pointing.lat)
    middle = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    east = [-np.sin(lon), np.cos(lon), 0.0]
    north = [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)]
    return np.stack([middle, east, north], axis=1)


def directions(x: np.ndarray, y: np.ndarray, pointing: Pointing) -> tuple[np.ndarray, np.ndarray]:
    """Return which points of a grid lie on the sky, and the unit vectors of those.

    Parameters
    ----------
    x, y : numpy.ndarray
        Columns and rows of the grid.
    pointing : Pointing

    Returns
    -------
    inside : numpy.ndarray of bool, shape (y, x)
    vectors : numpy.ndarray, shape (number inside, 3)

    Examples
    --------
    >>> inside, vectors = directions(np.array([-90.0]), np.array([0.0]), Pointing("cartesian"))
    >>> vectors.round(3).tolist()
    [[0.0, 1.0, 0.0]]
    """
    across, up = (a.ravel() for a in np.meshgrid(x, y))
    if pointing.projection == "gnomonic":
        inside = np.ones(across.shape, dtype=bool)
        depth = 1 / np.sqrt(1 + across**2 + up**2)
        own = np.stack([depth, -across * depth, up * depth], axis=1)
    elif pointing.projection == "orthographic":
        back = across > 0
        across = across + np.where(back, -DISCS, DISCS)
        rest = 1 - across**2 - up**2
        inside = rest > 0
        sign = np.where(back, -1.0, 1.0)[inside]
        own = np.stack([sign * np.sqrt(rest[inside]), -sign * across[inside], up[inside]], axis=1)
    else:  # rows share a latitude
        if pointing.projection == "cartesian":
            inside = (np.abs(across) <= 180) & (np.abs(up) <= 90)
            sin_lat, cos_lat = np.sin(np.radians(y)), np.cos(np.radians(y))
            cos_lon, sin_lon = (np.broadcast_to(f(np.radians(-x)), (len(y), len(x))) for f in (np.cos, np.sin))
        else:
            inside = across**2 / 4 + up**2 < 1
            height = np.clip(y, -1, 1)
            root = np.sqrt(1 - height**2)
            sin_lat = np.clip(2 * (np.arcsin(height) + height * root) / np.pi, -1, 1)
            cos_lat = np.sqrt(1 - sin_lat**2)
            lon = (
                -np.pi
                / 2
                * np.divide(x[None, :], root[:, None], where=root[:, None] > 0, out=np.zeros((len(y), len(x))))
            )
            cos_lon, sin_lon = np.cos(lon), np.sin(lon)
        own = np.empty((*cos_lon.shape, 3))
        own[..., 0], own[..., 1] = cos_lat[:, None] * cos_lon, cos_lat[:, None] * sin_lon
        own[..., 2] = sin_lat[:, None]
        own = own.reshape(-1, 3) if inside.all() else own.reshape(-1, 3)[inside]
    return inside.reshape(len(y), len(x)), own @ rotation(pointing).T


def places(vectors: np.ndarray, pointing: Pointing) -> np.ndarray:
    """Return the places on the plane of unit vectors, shape (n, 2); NaN where the projection has none.

    Examples
    --------
    >>> places(np.array([[0.0, 1.0, 0.0]]), Pointing("cartesian")).round(6).tolist()
    [[-90.0, 0.0]]
    """
    own = vectors @ rotation(pointing)
    if pointing.projection == "gnomonic":
        depth = np.where(own[:, 0] > 0.02, own[:, 0], np.nan)
        return np.stack([-own[:, 1] / depth, own[:, 2] / depth], axis=1)
    lon = np.degrees(np.arctan2(own[:, 1], own[:, 0]))
    lat = np.degrees(np.arctan2(own[:, 2], np.hypot(own[:, 0], own[:, 1])))
    return np.stack(plane_of(lon, lat, pointing.projection), axis=1)


def vectors_of(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the unit vectors of directions in degrees, shape (n, 3).

    Examples
    --------
    >>> vectors_of(np.array([90.0]), np.array([0.0])).round(6).tolist()
    [[0.0, 1.0, 0.0]]
    """
    lon, lat = np.broadcast_arrays(np.radians(lon), np.radians(lat))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def direction_at(x: float, y: float, pointing: Pointing) -> tuple[float, float] | None:
    """Return longitude (0 to 360) and latitude of a place of the plane; None outside the sky.

    Examples
    --------
    >>> direction_at(-1.0, 0.0, Pointing())
    (90.0, 0.0)
    """
    inside, found = directions(np.array([x]), np.array([y]), pointing)
    if not inside.any():
        return None
    lon, lat = np.degrees(np.arctan2(found[0, 1], found[0, 0])), np.degrees(np.arcsin(np.clip(found[0, 2], -1, 1)))
    return round(float(lon) % 360, 9), round(float(lat), 9)


def pixel_size(pointing: Pointing, dx: float, dy: float) -> float:
    """Return the side in radians of a small box of the plane: everywhere (Mollweide) or in the middle.

    Examples
    --------
    >>> round(pixel_size(Pointing("cartesian"), 1, 1), 6)
    0.017453
    """
    side = float(np.sqrt(abs(dx * dy)))
    if pointing.projection == "mollweide":
        return float(np.sqrt(2)) * side  # 4π of sky in an ellipse of area 2π
    return float(np.radians(side)) if pointing.projection == "cartesian" else side

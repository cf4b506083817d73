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
BLOCK = 32  # columns whose longitudes are turned together
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
    if pointing.projection in ("gnomonic", "cartesian"):
        columns, rows = np.ones(len(x), bool), np.ones(len(y), bool)
        if pointing.projection == "cartesian":
            columns, rows = np.abs(x) <= 180, np.abs(y) <= 90
        inside = rows[:, None] & columns
        own = np.empty((3, int(rows.sum()), int(columns.sum())))
        across, up = x[columns], y[rows]
        if pointing.projection == "gnomonic":
            np.divide(1, np.sqrt((1 + up**2)[:, None] + across**2), out=own[0])
            np.multiply(-across, own[0], out=own[1])
            np.multiply(up[:, None], own[0], out=own[2])
        else:
            lon, lat = np.radians(-across), np.radians(up)
            np.multiply(np.cos(lat)[:, None], np.cos(lon), out=own[0])
            np.multiply(np.cos(lat)[:, None], np.sin(lon), out=own[1])
            own[2] = np.sin(lat)[:, None]
    elif pointing.projection == "orthographic":
        disc = x + np.where(x > 0, -DISCS, DISCS)
        rest = 1 - disc**2 - (y**2)[:, None]
        inside = rest > 0
        sign = np.where(x > 0, -1.0, 1.0)
        own = np.stack([(sign * np.sqrt(np.maximum(rest, 0)))[inside], *(
            np.broadcast_to(part, rest.shape)[inside] for part in (-sign * disc, y[:, None])
        )])  # fmt: skip
    else:  # rows share a latitude
        inside = (x / 2) ** 2 + (y**2)[:, None] < 1
        height = np.clip(y, -1, 1)
        root = np.sqrt(1 - height**2)
        sin_lat = np.clip(2 * (np.arcsin(height) + height * root) / np.pi, -1, 1)
        rate = np.divide(-np.pi / 2, root, where=root > 0, out=np.zeros(len(y)))
        turned = _turned(x, rate) * np.sqrt(1 - sin_lat**2)[:, None]
        parts = (turned.real, turned.imag, np.broadcast_to(sin_lat[:, None], inside.shape))
        own = np.stack(parts if inside.all() else [part[inside] for part in parts])
    return inside, (rotation(pointing) @ own.reshape(3, -1)).T


def _turned(x: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Return exp(i rate x), rows by columns; of evenly spaced columns by products of fewer."""
    step = (x[-1] - x[0]) / max(len(x) - 1, 1)
    if len(x) <= BLOCK or not np.allclose(np.diff(x), step, rtol=1e-9, atol=1e-12 * float(np.abs(x).max())):
        return np.exp(1j * rate[:, None] * x)
    blocks = np.exp(1j * rate[:, None] * (x[0] + step * np.arange(0, len(x), BLOCK)))
    inner = np.exp(1j * rate[:, None] * (step * np.arange(BLOCK)))
    return (blocks[:, :, None] * inner[:, None, :]).reshape(len(rate), -1)[:, : len(x)]


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

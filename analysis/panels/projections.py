"""The sky on a plane, seen from inside: longitude grows to the left, (0°, 0°) is in the middle.

Each projection has a window (half width, half height), the inverse (plane to sky), and the forward direction
for the lines of the graticule. Angles in degrees; longitudes −180 … 180.
Formulae: Snyder, *Map Projections: A Working Manual*, USGS Professional Paper 1395 (1987), pp. 249–252
(Mollweide), 145–153 (orthographic), 90–91 (plate carrée).
"""

from __future__ import annotations

import numpy as np

# Half width and half height of the window, in units of the plane.
WINDOWS = {"mollweide": (2.0, 1.0), "orthographic": (2.04, 1.0), "cartesian": (180.0, 90.0)}
DISCS = 1.02  # distance of the two orthographic discs' centres from the middle
# The same inverse in the browser, for the hover: x and y of the mouse to "lon, lat".
_HOVER_CODE = {
    "mollweide": """
        const x = special_vars.x, y = special_vars.y, r = 180 / Math.PI;
        if (x * x / 4 + y * y > 1) return "outside the sky";
        const t = Math.asin(y), b = Math.asin((2 * t + Math.sin(2 * t)) / Math.PI) * r;
        const l = -x * Math.PI / (2 * Math.cos(t)) * r;
    """,
    "orthographic": """
        const y = special_vars.y, r = 180 / Math.PI, back = special_vars.x > 0;
        const x = special_vars.x + (back ? -1 : 1) * 1.02;
        if (x * x + y * y > 1) return "outside the sky";
        const b = Math.asin(y) * r;
        const l = Math.atan2(-x, Math.sqrt(1 - x * x - y * y)) * r + (back ? 180 : 0);
    """,
    "cartesian": """
        const l = -special_vars.x, b = special_vars.y;
        if (Math.abs(l) > 180 || Math.abs(b) > 90) return "outside the sky";
    """,
}
_HOVER_RESULT = 'return (((l % 360) + 360) % 360).toFixed(2) + "°, " + b.toFixed(2) + "°";'
HOVER_CODE = {name: code + _HOVER_RESULT for name, code in _HOVER_CODE.items()}


def sky_of(x: np.ndarray, y: np.ndarray, projection: str) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude of points of the plane, NaN outside the sky.

    Examples
    --------
    >>> lon, lat = sky_of(np.array([-1.0]), np.array([0.0]), "mollweide")
    >>> float(lon[0]), float(lat[0])
    (90.0, 0.0)
    """
    if projection == "cartesian":
        inside = (np.abs(x) <= 180) & (np.abs(y) <= 90)
        lon, lat = -x, y
    elif projection == "mollweide":
        inside = x**2 / 4 + y**2 < 1
        angle = np.arcsin(np.where(inside, y, 0))
        lat = np.degrees(np.arcsin((2 * angle + np.sin(2 * angle)) / np.pi))
        lon = np.degrees(-np.pi * x / (2 * np.cos(angle)))
    else:
        back = x > 0  # the left disc is centred on longitude 0, the right one on 180
        across = x + np.where(back, -DISCS, DISCS)
        inside = across**2 + y**2 < 1
        depth = np.sqrt(np.where(inside, 1 - across**2 - y**2, 0))
        lat = np.degrees(np.arcsin(np.where(inside, y, 0)))
        lon = np.degrees(np.arctan2(-across, depth)) + np.where(back, 180, 0)
    lon = (lon + 180) % 360 - 180
    return np.where(inside, lon, np.nan), np.where(inside, lat, np.nan)


def plane_of(lon: np.ndarray, lat: np.ndarray, projection: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the place on the plane of points of the sky; longitude 180° lies at the left edge.

    Examples
    --------
    >>> x, y = plane_of(np.array([90.0]), np.array([0.0]), "mollweide")
    >>> float(x[0]), float(y[0])
    (-1.0, 0.0)
    """
    lon, lat = np.broadcast_arrays(np.asarray(lon, dtype=float), np.asarray(lat, dtype=float))
    if projection == "cartesian":
        return -lon, lat.copy()
    if projection == "mollweide":
        angle = _mollweide_angle(np.radians(lat))
        return -2 * np.radians(lon) / np.pi * np.cos(angle), np.sin(angle)
    wrapped = (lon + 180) % 360 - 180
    back = np.abs(wrapped) > 90
    across = np.cos(np.radians(lat)) * np.sin(np.radians(wrapped - np.where(back, 180, 0)))
    return -across + np.where(back, DISCS, -DISCS), np.sin(np.radians(lat))


def outlines(projection: str) -> list[np.ndarray]:
    """Return the edge of the sky as closed lines, each of shape (n, 2)."""
    width, height = WINDOWS[projection]
    turn = np.linspace(0, 2 * np.pi, 181)
    if projection == "cartesian":
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=float)
        return [corners * [width, height]]
    if projection == "mollweide":
        return [np.stack([width * np.cos(turn), height * np.sin(turn)], axis=1)]
    return [np.stack([middle + np.cos(turn), np.sin(turn)], axis=1) for middle in (-DISCS, DISCS)]


def grid_lines(projection: str, *, step: int = 30) -> list[np.ndarray]:
    """Return meridians each 2 × ``step`` and parallels each ``step`` degrees as lines of shape (n, 2)."""
    lat, lon = np.linspace(-89.5, 89.5, 90), np.linspace(-179.9, 179.9, 181)
    lines = [
        np.stack(plane_of(np.full(90, float(meridian)), lat, projection), axis=1)
        for meridian in range(-120, 180, 2 * step)
    ]
    for parallel in range(-90 + step, 90, step):
        x, y = plane_of(lon, np.full(181, float(parallel)), projection)
        if projection == "orthographic":  # one piece on each disc
            front = np.abs(lon) <= 90
            back = np.argsort((lon + 360) % 360)
            back = back[~front[back]]
            lines += [np.stack([x[front], y[front]], axis=1), np.stack([x[back], y[back]], axis=1)]
        else:
            lines.append(np.stack([x, y], axis=1))
    return lines


def _mollweide_angle(lat: np.ndarray) -> np.ndarray:
    """Solve 2 t + sin 2 t = π sin(lat) for t by Newton's method; at the poles t is the latitude."""
    angle = lat.copy()
    for _ in range(60):
        slope = 2 + 2 * np.cos(2 * angle)
        step = (2 * angle + np.sin(2 * angle) - np.pi * np.sin(lat)) / np.where(slope < 1e-12, 1.0, slope)
        angle = np.clip(angle - np.where(slope < 1e-12, 0.0, step), -np.pi / 2, np.pi / 2)
        if np.abs(step).max(initial=0.0) < 1e-13:
            break
    return angle

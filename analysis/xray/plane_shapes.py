"""Circle, ellipse, box and polygon on an event list's plane of pixels: which events lie inside, how large they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from analysis.errors import BadOption
from analysis.xray.inputs import Amount, amount

Pair: TypeAlias = "tuple[Amount, Amount]"
Ellipse: TypeAlias = "tuple[Amount, Amount, Amount, Amount, Amount]"
Corners: TypeAlias = "Iterable[Sequence[float]]"
KINDS = {"": 0, "circle": 1, "box": 2, "polygon": 3, "ellipse": 4}
TAKES = (
    "circle=(x, y, radius), ellipse=(x, y, a, b, angle), both x=(low, high) and y=(low, high), or "
    "polygon=[(x, y), …], in sky pixels"
)
MOST_CORNERS = 1000


@dataclass(frozen=True)
class PlaneShape:
    """A region in sky pixels: circle (x, y, radius), box (low x, high x, low y, high y), or a polygon's x, y, x, y …

    Or an ellipse (x, y, a, b, angle): its half axes, and the degrees by which the first is turned from +x towards +y.
    Nothing in ``kind`` is the whole plane. Circle and ellipse hold their edges; a box is half-open, as xray.selected
    cuts it; a polygon goes by the even-odd rule, so that what it winds around twice is outside.
    """

    kind: str = ""
    numbers: tuple[float, ...] = ()

    @property
    def corners(self) -> np.ndarray:
        """The corners of a polygon, n × 2; those of a box; none of a circle."""
        if self.kind == "box":
            a, b, c, d = self.numbers
            return np.array([(a, c), (b, c), (b, d), (a, d)])
        return np.array(self.numbers if self.kind == "polygon" else (), dtype=float).reshape(-1, 2)

    def __str__(self) -> str:
        """Return the region in words."""
        if self.kind == "circle":
            return "circle({:.12g}, {:.12g}, {:.12g} pix)".format(*self.numbers)
        if self.kind == "ellipse":
            return "ellipse({:.12g}, {:.12g}, {:.12g}, {:.12g} pix, {:.12g} deg)".format(*self.numbers)
        if self.kind == "box":
            return "box(x in [{:.12g}, {:.12g}), y in [{:.12g}, {:.12g}) pix)".format(*self.numbers)
        if self.kind == "polygon":
            x, y = self.corners.mean(axis=0)
            return f"polygon({len(self.corners)} corners about {x:g}, {y:g} pix)"
        return "the whole plane"


def turn_of(angle: float) -> tuple[float, float]:
    """Return cosine and sine of an angle in degrees."""
    return float(np.cos(np.radians(angle))), float(np.sin(np.radians(angle)))


def plane_shape(
    what: str,
    *,
    circle: tuple[Amount, Amount, Amount] | None = None,
    ellipse: Ellipse | None = None,
    x: Pair | None = None,
    y: Pair | None = None,
    polygon: Corners | None = None,
) -> PlaneShape:
    """Return the one region that is given; the whole plane for none.

    Raises
    ------
    BadOption
        If more than one is given, or one cannot be read or holds nothing.

    Examples
    --------
    >>> str(plane_shape("brushed", circle=(10, 20, "3 pix")))
    'circle(10, 20, 3 pix)'
    """
    given = (circle is not None) + (x is not None or y is not None) + (polygon is not None) + (ellipse is not None)
    if given > 1 or (x is None) != (y is None):
        raise BadOption(f"{what} takes one region: {TAKES}")
    if circle is not None:
        if isinstance(circle, str) or not hasattr(circle, "__len__") or len(circle) != 3:
            raise BadOption(f"circle={circle!r} is not (x, y, radius) in sky pixels")
        a, b, radius = (amount(value, "pix", "circle", bare=True) for value in circle)
        if radius <= 0:
            raise BadOption(f"circle={circle!r} has a radius that is not positive")
        return PlaneShape("circle", (a, b, radius))
    if ellipse is not None:
        return PlaneShape("ellipse", _ellipse(ellipse))
    if polygon is not None:
        return PlaneShape("polygon", _polygon(polygon))
    if x is None or y is None:
        return PlaneShape()
    ends: list[float] = []
    for name, pair in (("x", x), ("y", y)):
        if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise BadOption(f"{name}={pair!r} is not a pair of sky pixels (low, high)")
        ends += [amount(value, "pix", name, bare=True) for value in pair]
        if ends[-2] >= ends[-1]:
            raise BadOption(f"{name}={pair!r} must be (low, high) with low < high")
    return PlaneShape("box", tuple(ends))


def contains(shape: PlaneShape, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which events lie in a region; what has no position lies in none, but belongs to the whole plane.

    Examples
    --------
    >>> square = PlaneShape("polygon", (0, 0, 2, 0, 2, 2, 0, 2))
    >>> contains(square, np.array([1.0, 3.0]), np.array([1.0, 1.0])).tolist()
    [True, False]
    """
    if not shape.kind:
        return np.ones(x.shape, dtype=bool)
    if shape.kind == "box":
        a, b, c, d = shape.numbers
        return np.asarray((x >= a) & (x < b) & (y >= c) & (y < d))
    if shape.kind == "circle":
        a, b, radius = shape.numbers
        p, q = x.astype(float) - a, y.astype(float) - b
        return np.asarray(p * p + q * q <= radius * radius)
    if shape.kind == "ellipse":
        a, b, wide, high, angle = shape.numbers
        p, q, (cosine, sine) = x.astype(float) - a, y.astype(float) - b, turn_of(angle)
        s, t = (p * cosine + q * sine) / wide, (q * cosine - p * sine) / high
        return np.asarray(s * s + t * t <= 1.0)
    corners, found = shape.corners, np.zeros(x.shape, dtype=bool)
    (left, below), (right, above) = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero((x >= left - 1) & (x <= right + 1) & (y >= below - 1) & (y <= above + 1))
    p, q, inside = x[near].astype(float), y[near].astype(float), np.zeros(near.size, dtype=bool)
    for (x0, y0), (x1, y1) in zip(np.roll(corners, 1, axis=0), corners, strict=True):
        crossed = np.flatnonzero((y0 > q) != (y1 > q))
        inside[crossed] ^= p[crossed] < (x1 - x0) * (q[crossed] - y0) / (y1 - y0) + x0
    found[near] = inside
    return found


def area(shape: PlaneShape) -> float:
    """Return the area of a region in pix2, of a polygon that crosses itself by the even-odd rule; infinite for all.

    Examples
    --------
    >>> area(PlaneShape("polygon", (0, 0, 2, 2, 2, 0, 0, 2)))  # two triangles
    2.0
    """
    if shape.kind == "circle":
        return float(np.pi * shape.numbers[2] ** 2)
    if shape.kind == "ellipse":
        return float(np.pi * shape.numbers[2] * shape.numbers[3])
    if shape.kind == "box":
        a, b, c, d = shape.numbers
        return (b - a) * (d - c)
    return float(_even_odd_area(shape.corners)) if shape.kind else float("inf")


def _even_odd_area(corners: np.ndarray) -> float:
    """Between heights at which no two edges cross, the area is made of trapezoids: every second gap of the edges."""
    middle = corners.mean(axis=0)
    start, end = np.roll(corners, 1, axis=0) - middle, corners - middle
    heights = [corners[:, 1] - middle[1], _crossings(start, end)]
    levels = np.unique(np.concatenate(heights))
    total = 0.0
    for low, high in pairwise(levels):
        across = (low + high) / 2
        crossed = (start[:, 1] > across) != (end[:, 1] > across)
        p, q = start[crossed], end[crossed]
        at = np.sort(p[:, 0] + (across - p[:, 1]) / (q[:, 1] - p[:, 1]) * (q[:, 0] - p[:, 0]))
        total += float((at[1::2] - at[::2]).sum()) * (high - low)
    return total


def _crossings(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Heights at which two edges of a polygon cross."""
    along = end - start
    turn = along[:, None, 0] * along[None, :, 1] - along[:, None, 1] * along[None, :, 0]
    apart = start[None, :, :] - start[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (apart[..., 0] * along[None, :, 1] - apart[..., 1] * along[None, :, 0]) / turn
        t = (apart[..., 0] * along[:, None, 1] - apart[..., 1] * along[:, None, 0]) / turn
    met = (turn != 0) & (s > 0) & (s < 1) & (t > 0) & (t < 1)
    first = np.nonzero(met)[0]
    return np.asarray(start[first, 1] + s[met] * along[first, 1])


def _ellipse(ellipse: Ellipse) -> tuple[float, ...]:
    if isinstance(ellipse, str) or not hasattr(ellipse, "__len__") or len(ellipse) != 5:
        raise BadOption(
            f"ellipse={ellipse!r} is not (x, y, a, b, angle): half axes in sky pixels, the angle in degrees"
        )
    numbers = [amount(value, "pix", "ellipse", bare=True) for value in ellipse[:4]]
    if min(numbers[2:]) <= 0:
        raise BadOption(f"ellipse={ellipse!r} has a half axis that is not positive")
    return (*numbers, amount(ellipse[4], "deg", "ellipse", bare=True))


def _polygon(polygon: Corners) -> tuple[float, ...]:
    """The corners in a row, those that repeat the one before left out."""
    try:
        corners = np.array([[float(v) for v in corner] for corner in polygon], dtype=float)
    except (TypeError, ValueError) as error:
        raise BadOption(
            "polygon= is a list of corners (x, y) in sky pixels, for example [(1, 1), (9, 1), (5, 8)]"
        ) from (error)
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise BadOption("polygon= is a list of corners (x, y), each two finite numbers in sky pixels")
    corners = corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]
    if len(corners) < 3:
        raise BadOption(f"polygon= has {len(corners)} different corners; it needs three or more to hold anything")
    if len(corners) > MOST_CORNERS:
        raise BadOption(f"polygon= has {len(corners)} corners, at most {MOST_CORNERS} can be used")
    if not _even_odd_area(corners) > 0:
        raise BadOption("polygon= has no area: all its corners lie on one line")
    return tuple(corners.ravel().tolist())

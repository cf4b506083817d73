"""Regions drawn by hand on the plane of Mollweide, and the cells that lie outside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from analysis.cmb.maps import cell_ids
from analysis.cmb.masks import named_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

Regions: TypeAlias = tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]  # x and y of each outline
PLANE = (("sky_x", "x on the plane"), ("sky_y", "y on the plane"))
COLOUR = "#D55E00"
FEWEST = 3  # corners of a region


def outside(nside: int, regions: Regions) -> xr.DataArray:
    """Return the mask (Galactic) that leaves out what lies inside outlines drawn on the plane of Mollweide.

    A cell is inside if its centre is, by the even-odd rule; outlines are closed by themselves, and what is drawn
    beyond the edge of the sky does not come in again on the other side.

    Examples
    --------
    >>> square = ((0.5, -0.5, -0.5, 0.5), (0.5, 0.5, -0.5, -0.5))
    >>> round(float(1 - outside(32, (square,)).mean()), 2)  # 1 of 2π: Mollweide keeps areas
    0.16
    """
    x, y = _centres(nside)
    keep = np.ones(x.size, bool)
    for outline in regions:
        keep &= ~_inside(x, y, *(np.asarray(part, dtype=float) for part in outline))
    like = xr.DataArray(keep, dims="cells", coords={"cell_ids": cell_ids(nside)}, attrs={"frame": "galactic"})
    return named_mask(keep, like, f"Kept: outside {len(regions)} drawn region{'s' if len(regions) != 1 else ''}")


@lru_cache(maxsize=2)
def _centres(nside: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the centres of cells (NESTED) lie on the plane."""
    import ducc0

    from analysis.panels.projections import plane_of

    angles = ducc0.healpix.Healpix_Base(nside, "NEST").pix2ang(np.arange(12 * nside**2))
    longitude = (np.degrees(angles[:, 1]) + 180) % 360 - 180
    return plane_of(longitude, 90 - np.degrees(angles[:, 0]), "mollweide")


def _inside(x: NDArray, y: NDArray, corners_x: NDArray, corners_y: NDArray) -> NDArray[np.bool_]:
    found = np.zeros(x.size, bool)
    near = np.flatnonzero(
        (x >= corners_x.min()) & (x <= corners_x.max()) & (y >= corners_y.min()) & (y <= corners_y.max())
    )
    px, py = x[near], y[near]
    odd = np.zeros(near.size, bool)
    for x0, y0, x1, y1 in zip(corners_x, corners_y, np.roll(corners_x, -1), np.roll(corners_y, -1), strict=True):
        if y0 != y1:  # a side is crossed to the right of the point
            odd ^= ((y0 > py) != (y1 > py)) & (px < x0 + (py - y0) * (x1 - x0) / (y1 - y0))
    found[near] = odd
    return found


def drawing(
    *, hooks: Sequence[Any] = ()
) -> tuple[Any, Callable[[Callable[[Regions], None]], None], Callable[[], None]]:
    """Return a layer for a picture that one draws on, what tells of drawn regions, and what clears them.

    Examples
    --------
    >>> layer, strokes, clear = drawing()
    >>> strokes(print)
    >>> clear()
    ()
    """
    from analysis.panels.loading import loaded

    hv = loaded()
    plane = [hv.Dimension(name, label=label) for name, label in PLANE]
    pipe = hv.streams.Pipe(data=[])
    layer = hv.DynamicMap(lambda data: hv.Polygons(data, kdims=plane), streams=[pipe])
    style: dict[str, Any] = {"fill_color": COLOUR, "fill_alpha": 0.35, "line_color": COLOUR, "line_width": 2}
    layer = layer.opts(hv.opts.Polygons(**style, hooks=list(hooks), backend="bokeh"))  # a copy: its tool comes after
    hand = hv.streams.FreehandDraw(source=layer, empty_value=None, tooltip="Draw a region that is left out")
    told: list[Callable[[Regions], None]] = []

    def heard(data: dict[str, Any] | None) -> None:
        for tell in told:
            tell(regions_of(data))

    def clear() -> None:
        pipe.send([])
        hand.update(data={})
        heard({})

    hand.add_subscriber(heard)
    return layer, told.append, clear


def regions_of(data: dict[str, Any] | None) -> Regions:
    """Return the outlines that a drawing tool has, without those of too few corners.

    Examples
    --------
    >>> regions_of({"xs": [[0, 1, 1], [0, 1]], "ys": [[0, 0, 1], [0, 1]]})
    (((0.0, 1.0, 1.0), (0.0, 0.0, 1.0)),)
    """
    data = data or {}
    pairs = zip(data.get("xs", []), data.get("ys", []), strict=True)
    made = (tuple(tuple(map(float, part)) for part in pair) for pair in pairs)
    return tuple((xs, ys) for xs, ys in made if len(xs) >= FEWEST and len(xs) == len(ys))

"""Cells outside of regions that were drawn by hand, on the plane of Mollweide or of any pointing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.maps import cell_ids
from analysis.cmb.masks import named_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.explore.hands import Regions
    from analysis.panels.pointings import Pointing


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
    keep = np.ones(12 * nside**2, bool)
    for outline in regions:
        keep &= ~inside_outline(*_centres(nside), *(np.asarray(part, dtype=float) for part in outline))
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


def inside_outline(x: NDArray, y: NDArray, corners_x: NDArray, corners_y: NDArray) -> NDArray[np.bool_]:
    """Return which points lie inside an outline, by the even-odd rule.

    Examples
    --------
    >>> square = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])
    >>> inside_outline(np.array([0.5, 1.5]), np.array([0.5, 0.5]), *square).tolist()
    [True, False]
    """
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


def kept_outside(nside: int, drawn: Sequence[tuple[Pointing, Regions]], *, frame: str) -> xr.DataArray:
    """Return the mask that leaves out what lies inside outlines, each drawn on the plane of a pointing.

    As :func:`outside`, in the frame of the map that the pointings are of.

    Examples
    --------
    >>> from analysis.panels.pointings import Pointing
    >>> square = ((0.1, -0.1, -0.1, 0.1), (0.1, 0.1, -0.1, -0.1))
    >>> pole = kept_outside(32, [(Pointing("gnomonic", lon=0, lat=90), (square,))], frame="icrs")
    >>> round(float(4 * np.pi * (1 - pole.mean())), 2), pole.attrs["frame"]  # steradians of 0.2 by 0.2
    (0.04, 'icrs')
    """
    keep, count = np.ones(12 * nside**2, bool), 0
    for pointing, regions in drawn:
        x, y = _places(nside, pointing)
        for outline in regions:
            keep &= ~inside_outline(x, y, *(np.asarray(part, dtype=float) for part in outline))
            count += 1
    like = xr.DataArray(keep, dims="cells", coords={"cell_ids": cell_ids(nside)}, attrs={"frame": frame})
    return named_mask(keep, like, f"Kept: outside {count} drawn region{'s' if count != 1 else ''}")


@lru_cache(maxsize=4)
def _places(nside: int, pointing: Pointing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the centres of cells (NESTED) lie on the plane of a pointing; NaN where they do not."""
    import ducc0

    from analysis.panels.pointings import places

    found = places(ducc0.healpix.Healpix_Base(nside, "NEST").pix2vec(np.arange(12 * nside**2)), pointing)
    return found[:, 0], found[:, 1]

"""Q and U at every coarser resolution: means of lines on the sky, which meridians that meet do not spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.panels.pyramids import CELL_SIDE, Pyramid, sky_pyramid, values_along

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEEP = 20.0  # cells from a pole within which the meridians turn from cell to cell; farther off plain means hold


def turned_pyramids(q: xr.DataArray, u: xr.DataArray, *, polconv: str) -> tuple[Pyramid, Pyramid]:
    """Return Q and U and their means over 4, 16, 64 … cells, each carried to the middle of the larger cell.

    A cell has both or neither; plain means serve where meridians are parallel enough: 20 cells off the poles.

    Parameters
    ----------
    q, u : xarray.DataArray
        Dim ``cells`` with ``cell_ids`` (NESTED), the same in both.
    polconv : {"COSMO", "IAU"}

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(48), dims="cells", attrs={"level": 1, "indexing_scheme": "nested"})
    >>> even = xr.DataArray(np.ones(48), {"cell_ids": ids}, ["cells"])
    >>> [made.levels for made in turned_pyramids(even, even, polconv="IAU")]
    [(0, 1), (0, 1)]
    """
    if (np.isfinite(q.values) != np.isfinite(u.values)).any():
        both = np.isfinite(q.values) & np.isfinite(u.values)
        q, u = q.where(both), u.where(both)
    made = sky_pyramid(q), sky_pyramid(u)
    sign = _sign(polconv)
    for place in range(len(made[0].levels) - 2, -1, -1):
        cells = _near_poles(made[0].levels[place])
        at, ids = cells, made[0].ids[place]
        if ids is not None:  # a part of the sky
            at = np.minimum(np.searchsorted(ids, cells), ids.size - 1)
            found = ids[at] == cells
            cells, at = cells[found], at[found]
        total, count = np.zeros(cells.size, complex), np.zeros(cells.size)
        to = centres(made[0].levels[place], cells)
        for child in range(4):
            below = 4 * cells + child
            start = centres(made[0].levels[place + 1], below)
            values = [values_along(one, start, place + 1).astype(float) for one in made]
            carried = (values[0] + 1j * sign * values[1]) * turn(start, to)
            held = np.isfinite(carried)
            total += np.where(held, carried, 0)
            count += held
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        for one, part in zip(made, (mean.real, sign * mean.imag), strict=True):
            coarse = one.values[place]
            assert isinstance(coarse, np.ndarray)  # sky_pyramid holds arrays
            coarse[at] = part
    return made[0], made[1]


def along(q: Pyramid, u: Pyramid, at: NDArray, place: int, *, polconv: str) -> tuple[NDArray, NDArray, NDArray]:
    """Return P, the unit vectors along the polarization, shape (n, 3), and where both are known.

    Q and U are those of the cells in which the directions lie, carried there from the middles of the cells.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(12), dims="cells", attrs={"level": 0, "indexing_scheme": "nested"})
    >>> even = xr.DataArray(np.ones(12), {"cell_ids": ids}, ["cells"])
    >>> pair = turned_pyramids(even, 0 * even, polconv="IAU")
    >>> along(*pair, np.array([[1.0, 0.0, 0.0]]), 0, polconv="IAU")[1].round(3) + 0.0  # to north, or south
    array([[0., 0., 1.]])
    """
    from ducc0.healpix import Healpix_Base

    values = [values_along(stokes, at, place).astype(float) for stokes in (q, u)]
    level = q.levels[place]
    middles = centres(level, Healpix_Base(2**level, "NEST").vec2pix(np.ascontiguousarray(at)))
    turned = (values[0] + 1j * _sign(polconv) * values[1]) * turn(middles, at)
    power = np.abs(turned)
    kept = np.isfinite(power) & (power > 0) & (np.hypot(at[:, 0], at[:, 1]) > 1e-12)
    angle = np.angle(np.where(kept, turned, 1)) / 2
    north, east = _axes(at)
    return power, np.cos(angle)[:, None] * north + np.sin(angle)[:, None] * east, kept


def turn(start: NDArray, end: NDArray) -> NDArray:
    """Return exp(2 i β), by which Q + i U (north through east) grows on the great circle from start to end.

    Examples
    --------
    >>> turn(np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.6, 0.8]])).round(3).tolist()
    [(-0.28+0.96j)]
    """
    north = _axes(start)[0]
    share = (north * end).sum(axis=1) / (1 + (start * end).sum(axis=1))
    carried = north - share[:, None] * (start + end)
    to_north, to_east = ((carried * axis).sum(axis=1) for axis in _axes(end))
    return (to_north + 1j * to_east) ** 2


def centres(level: int, cells: NDArray) -> NDArray:
    """Return the unit vectors to the middles of NESTED cells, shape (n, 3)."""
    from ducc0.healpix import Healpix_Base

    return Healpix_Base(2**level, "NEST").pix2vec(np.asarray(cells, dtype=np.int64))


def _axes(at: NDArray) -> tuple[NDArray, NDArray]:
    """North and east."""
    root = np.maximum(np.hypot(at[:, 0], at[:, 1]), 1e-300)
    east = np.stack([-at[:, 1] / root, at[:, 0] / root, np.zeros(root.size)], axis=1)
    return np.stack([-at[:, 2] * at[:, 0] / root, -at[:, 2] * at[:, 1] / root, root], axis=1), east


def _near_poles(level: int) -> NDArray:
    """The cells in which the meridians turn; all of a coarse level."""
    from ducc0.healpix import Healpix_Base

    radius = STEEP * CELL_SIDE / 2**level
    if radius >= np.pi / 2:
        return np.arange(12 * 4**level)
    base = Healpix_Base(2**level, "NEST")
    ranges = np.concatenate([base.query_disc(np.array([theta, 0.0]), radius) for theta in (0.0, np.pi)])
    return np.unique(np.concatenate([np.arange(low, high) for low, high in ranges]))


def _sign(polconv: str) -> int:
    """U of COSMO counts from south, U of IAU from north, both through east."""
    return 1 if polconv == "IAU" else -1

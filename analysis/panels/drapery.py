"""Drapery over a sky that is zoomed: a texture whose threads lie along the polarization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.panels.pointings import Pointing, directions, pixel_size, places
from analysis.panels.pyramids import CELL_SIDE, Pyramid, level_for, viewport
from analysis.panels.turned_pyramids import along

if TYPE_CHECKING:
    from numpy.typing import NDArray

Span = tuple[float, float]
NODE = 8.0  # screen pixels between the nodes at which directions are looked up
REACH = 15  # screen pixels of a thread to either side
DARKEST = 150  # of 255: how much of the colours a thread covers


def drapery(
    q: Pyramid,
    u: Pyramid,
    pointing: Pointing,
    xlim: Span,
    ylim: Span,
    *,
    width: int,
    height: int,
    polconv: str,
    magnetic: bool = False,
) -> tuple[NDArray, NDArray, NDArray]:
    """Return x, y and a texture (height, width, red green blue alpha) whose threads lie along the polarization.

    Noise that belongs to the pixels of the plane is smeared along the directions (line integral convolution), which
    are those of the mean Q and U of cells about eight pixels large, or of single cells where these are larger,
    interpolated. Contrast goes with P up to the median of what is visible.

    Parameters
    ----------
    q, u : Pyramid
        Of :func:`analysis.panels.turned_pyramids.turned_pyramids`.
    pointing : Pointing
    xlim, ylim : (float, float)
        Part of the plane.
    width, height : int
        Pixels.
    polconv : {"COSMO", "IAU"}
        The angle counts from south (COSMO) or north (IAU) through east.
    magnetic : bool, optional
        Threads across the polarization: along the magnetic field, of dust and of synchrotron.

    References
    ----------
    Cabral & Leedom 1993, SIGGRAPH '93, 263, doi:10.1145/166117.166151.

    Examples
    --------
    >>> import xarray as xr
    >>> from analysis.panels.turned_pyramids import turned_pyramids
    >>> ids = xr.DataArray(np.arange(12), dims="cells", attrs={"level": 0, "indexing_scheme": "nested"})
    >>> even = xr.DataArray(np.ones(12), {"cell_ids": ids}, ["cells"])
    >>> pair = turned_pyramids(even, 0 * even, polconv="IAU")
    >>> view = drapery(*pair, Pointing(), (-2, 2), (-1, 1), width=40, height=20, polconv="IAU")
    >>> view[2].shape, view[2][0, 0].tolist()
    ((20, 40, 4), [0, 0, 0, 0])
    """
    from analysis.panels._kernels_drapery import smeared

    dx, dy = (xlim[1] - xlim[0]) / width, (ylim[1] - ylim[0]) / height
    x, y, values, _ = viewport(q, pointing, xlim, ylim, width=width, height=height)
    side = pixel_size(pointing, NODE * dx, NODE * dy)
    place = level_for(q, side)
    node = NODE * max(1.0, CELL_SIDE / 2 ** q.levels[place] / side)
    node = max(NODE, min(node, width / 4))  # where a single cell fills the view there are still some
    first = [int(np.floor(start / (node * step))) - 1 for start, step in ((xlim[0], dx), (ylim[0], dy))]
    last = [int(np.ceil(end / (node * step))) + 1 for end, step in ((xlim[1], dx), (ylim[1], dy))]
    node_x, node_y = (np.arange(a, b + 1) * node * step for a, b, step in zip(first, last, (dx, dy), strict=True))
    turned, held = _on_screen(q, u, pointing, node_x, node_y, (dx, dy), place, polconv)
    if magnetic:
        turned = -turned
    known = np.abs(turned[held])
    typical = float(np.median(known[known > 0])) if (known > 0).any() else 1.0
    turned, weight = _spread(turned / typical, held)
    power, threads = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    start = np.array([x[0] / (node * dx) - first[0], y[0] / (node * dy) - first[1]])
    corner = np.array([round(xlim[0] / dx), round(ylim[0] / dy)], dtype=np.int64)
    real, imaginary = (np.ascontiguousarray(part, dtype=np.float32) for part in (turned.real, turned.imag))
    smeared(real, imaginary, weight, start, 1 / node, np.isfinite(values), corner, REACH, power, threads)
    drawn = np.zeros((height, width, 4), np.uint8)
    drawn[..., :3] = np.where(threads > 0, 255, 0)[..., None]
    drawn[..., 3] = DARKEST * np.minimum(np.abs(threads) / 2, 1) * np.minimum(power, 1)
    drawn[drawn[..., 3] == 0] = 0
    return x, y, drawn


def _on_screen(
    q: Pyramid,
    u: Pyramid,
    pointing: Pointing,
    x: NDArray,
    y: NDArray,
    pixel: tuple[float, float],
    place: int,
    polconv: str,
) -> tuple[NDArray, NDArray]:
    """Return P exp(2 i angle), the angle on the screen from right through up, and which nodes have it."""
    inside, at = directions(x, y, pointing)
    power, lines, kept = along(q, u, at, place, polconv=polconv)
    near = min(pixel_size(pointing, *pixel), 0.1) * 1e-2
    run = places(_unit(at + near * lines), pointing) - places(_unit(at - near * lines), pointing)
    run = run[:, 0] / pixel[0] + 1j * run[:, 1] / pixel[1]
    size = np.abs(run)
    kept &= np.isfinite(size) & (size > 0) & (size < NODE)  # not across the edge of the sky
    turned, held = np.zeros(inside.shape, complex), np.zeros(inside.shape, bool)
    held[inside] = kept
    turned[held] = power[kept] * (run[kept] / size[kept]) ** 2
    return turned, held


def _spread(turned: NDArray, held: NDArray) -> tuple[NDArray, NDArray]:
    """Give nodes without a direction the mean of their neighbours', so that pixels near an edge have one."""
    padded, count = np.pad(turned, 1), np.pad(held.astype(np.float32), 1)
    rows, columns = held.shape
    total, number = np.zeros_like(turned), np.zeros(held.shape, np.float32)
    for down in range(3):
        for right in range(3):
            total += padded[down : down + rows, right : right + columns]
            number += count[down : down + rows, right : right + columns]
    filled = np.where(held, turned, total / np.maximum(number, 1))
    return filled, (held | (number > 0)).astype(np.float32)


def _unit(vectors: NDArray) -> NDArray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

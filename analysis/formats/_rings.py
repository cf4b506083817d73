"""From RING to NESTED for a whole sky, faster than pixel by pixel.

On one of the 12 base faces a pixel (x, y) lies on ring c - x - y, and along that ring its number grows as
(x - y) / 2. So its RING index is ``(table[x + y] + x - y) >> 1`` with a small table for each face.

Reference: Górski et al. (2005), ApJ 622, 759, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RING_OF_FACE = (2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4)  # lowest corner, in units of nside
PHI_OF_FACE = (1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7)  # its longitude, in units of 45°


def nested_of_ring(maps: Sequence[NDArray], nside: int, out: NDArray) -> None:
    """Put whole-sky maps in RING order into the rows of ``out`` in NESTED order.

    Parameters
    ----------
    maps : sequence of numpy.ndarray
        Each of ``12 nside**2`` values.
    nside : int
        A power of two.
    out : numpy.ndarray
        Shape ``(len(maps), 12 nside**2)``.

    Examples
    --------
    >>> out = np.empty((1, 12))
    >>> nested_of_ring([np.arange(12.0)], 1, out)
    >>> out[0].astype(int).tolist()  # with one pixel a face the orders agree
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    """
    cells = nside * nside
    maps = [values.astype(out.dtype, copy=False) for values in maps]  # np.take converts nothing
    x, y = _coordinates(nside)
    along, across = x + y, x - y
    for face in range(12):
        index = _table(nside, face)[along]
        index += across
        index >>= 1
        if face == 4:  # the one face that straddles longitude 0
            ring_starts = 2 * nside * (nside - 1) + (2 * nside - 1 - along) * 4 * nside
            index[index < ring_starts] += 4 * nside
        for row, ring in enumerate(maps):
            np.take(ring, index, out=out[row, face * cells : (face + 1) * cells], mode="clip")


def _coordinates(nside: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """x and y on a face for its pixels in NESTED order: even and odd bits of the index."""
    x, y = np.zeros(1, np.int64), np.zeros(1, np.int64)
    half = 1
    while half < nside:
        x = np.concatenate([x, x + half, x, x + half])
        y = np.concatenate([y, y, y + half, y + half])
        half *= 2
    return x, y


def _table(nside: int, face: int) -> NDArray[np.int64]:
    """Twice the index at which a ring starts, plus twice the place of x = y on it, by x + y."""
    ring = RING_OF_FACE[face] * nside - 1 - np.arange(2 * nside - 1)
    north, south = ring < nside, ring > 3 * nside
    length = np.where(north, ring, np.where(south, 4 * nside - ring, nside))
    start = 2 * nside * (nside - 1) + (ring - nside) * 4 * nside
    start = np.where(north, 2 * ring * (ring - 1), start)
    start = np.where(south, 12 * nside**2 - 2 * length * (length + 1), start)
    shift = np.where(north | south, 0, (ring - nside) & 1)
    return 2 * start + PHI_OF_FACE[face] * length + 1 + shift - 2

"""A large image joined to what a screen can show: means or highest values of squares of pixels that are visible."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import xarray as xr

from analysis.panels.levels import SAMPLE, stored_step

SIDE = 4  # pixels that a pixel of the next coarser level joins, each way
CHUNK = 1_000_000  # pixels that are read at once


@dataclass(frozen=True)
class Tiles:
    """An image and the means and highest values of squares of 4 × 4, 16 × 16, … pixels, with how many values each is
    of; the lowest of all its values, and some of them.
    """

    array: xr.DataArray
    levels: tuple[np.ndarray, ...]
    peaks: tuple[np.ndarray, ...]
    counts: tuple[np.ndarray, ...]
    lowest: float
    sample: np.ndarray


@dataclass(frozen=True)
class Part:
    """What a view shows: means, highest values, where they lie, how many pixels each joins each way, and the middle
    ones of these.
    """

    values: np.ndarray
    peaks: np.ndarray
    bounds: tuple[float, float, float, float]
    step: int
    middles: tuple[np.ndarray, np.ndarray]


def tiled(array: xr.DataArray) -> Tiles:
    """Return an image of dims (y, x) with its coarser levels, for which it is read once, part by part.

    Examples
    --------
    >>> tiled(xr.DataArray(np.arange(32.0).reshape(4, 8), dims=["y", "x"])).levels[0]
    array([[13.5, 17.5]])
    """
    height, width = array.shape
    stored = stored_step(array)  # rows that are stored together are read together
    rows = max(SIDE, max(stored, CHUNK // width) // SIDE * SIDE)
    exact = array.dtype == np.float32 or (array.dtype.kind in "iub" and array.dtype.itemsize <= 2)
    stride = max(1, array.size // SAMPLE)
    while gcd(stride, width) > 1:
        stride += 1
    levels, peaks, counts, sample, lowest = [], [], [], [], np.inf
    for begin in range(0, height, rows):
        part = _read(array, slice(begin, begin + rows), slice(None))
        lowest = min(lowest, float(np.fmin.reduce(part, axis=None, initial=np.inf)))
        means, held = joined(part, None, SIDE)
        levels.append(means)
        counts.append(held)
        peaks.append(highest(part, SIDE).astype(np.float32 if exact else float))
        some = part.ravel()[-begin * width % stride :: stride]
        sample.append(some[np.isfinite(some)])
    whole, top, number = [np.concatenate(levels)], [np.concatenate(peaks)], [np.concatenate(counts)]
    while max(whole[-1].shape) > 2 * SIDE and whole[-1].size > 250_000:
        means, held = joined(whole[-1], number[-1], SIDE)
        whole.append(means)
        number.append(held)
        top.append(highest(top[-1], SIDE))
    return Tiles(array, tuple(whole), tuple(top), tuple(number), lowest, np.concatenate(sample))


def joined(values: np.ndarray, counts: np.ndarray | None, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means over squares of ``step`` × ``step`` pixels, and how many values each is of; NaN left out.

    Examples
    --------
    >>> joined(np.array([[1.0, np.nan], [3.0, 5.0]]), None, 2)
    (array([[3.]]), array([[3.]], dtype=float32))
    """
    known = np.isfinite(values)
    held = known.astype(np.float32) if counts is None else np.where(known, counts, np.float32(0))
    sums = np.where(known, values, 0.0) * held
    heads = [np.arange(0, size, step) for size in values.shape]
    for axis in (0, 1):
        sums, held = (_added(table, heads[axis], axis, step) for table in (sums, held))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(held > 0, sums / held, np.nan), held.astype(np.float32)


def highest(values: np.ndarray, step: int) -> np.ndarray:
    """Return the highest of each square of ``step`` × ``step`` pixels; NaN left out.

    Examples
    --------
    >>> highest(np.array([[1.0, np.nan], [3.0, 5.0]]), 2)
    array([[5.]])
    """
    for axis in (0, 1):
        lacking = -values.shape[axis] % step
        if lacking:
            padding = [(0, lacking if place == axis else 0) for place in (0, 1)]
            values = np.pad(values, padding, constant_values=np.nan)
        rows, columns = values.shape
        shape = (rows // step, step, columns) if axis == 0 else (rows, columns // step, step)
        values = np.fmax.reduce(values.reshape(shape), axis=axis + 1)
    return values


def seen_part(
    tiles: Tiles,
    bounds: tuple[float, float, float, float],
    ranges: tuple[Any, Any],
    falling: tuple[bool, bool],
    *,
    most: int,
) -> Part:
    """Return the visible part of an image, joined to at most about ``most`` pixels each way.

    Parameters
    ----------
    tiles : Tiles
        The image.
    bounds : (float, float, float, float)
        Left, bottom, right and top of the whole.
    ranges : two pairs of float or None
        The visible ranges across and up.
    falling : (bool, bool)
        Whether the coordinates across and up run down.
    most : int
        Pixels along the longer side.

    Examples
    --------
    >>> image = tiled(xr.DataArray(np.arange(32.0).reshape(4, 8), dims=["y", "x"]))
    >>> part = seen_part(image, (0.0, 0.0, 8.0, 4.0), ((4.2, 6.0), None), (False, False), most=4)
    >>> part.values[0], part.bounds, part.step
    (array([4., 5.]), (4.0, 0.0, 6.0, 4.0), 1)
    """
    height, width = tiles.array.shape
    ends = []
    for given, low, high, size, down in (
        (ranges[0], bounds[0], bounds[2], width, falling[0]),
        (ranges[1], bounds[1], bounds[3], height, falling[1]),
    ):
        a, b = (low, high) if given is None or None in given else (min(given), max(given))
        places = ((a - low) / (high - low) * size, (b - low) / (high - low) * size)
        if down:
            places = size - places[1], size - places[0]
        first, last = (
            int(np.clip(np.floor(places[0] + 1e-9), 0, size - 1)),
            int(np.clip(np.ceil(places[1] - 1e-9), 1, size)),
        )
        ends.append((first, max(last, first + 1)))
    (left, right), (low, high) = ends
    step = max(1, -(-max(right - left, high - low) // most))
    level, held = 0, tiles.array
    while level < len(tiles.levels) and SIDE ** (level + 1) <= step:
        level += 1
    unit = SIDE**level
    step = -(-step // unit) * unit
    left, low = left // step * step, low // step * step
    right, high = min(-(-right // step) * step, width), min(-(-high // step) * step, height)
    rows, columns = slice(low // unit, -(-high // unit)), slice(left // unit, -(-right // unit))
    if level == 0:
        values, counts = _read(held, rows, columns), None
        peaks = values
    else:
        values, peaks, counts = (each[level - 1][rows, columns] for each in (tiles.levels, tiles.peaks, tiles.counts))
    if step > unit:
        values, _ = joined(values, counts, step // unit)
        peaks = highest(peaks, step // unit)
    # the last squares may reach over the image's edge: they are drawn as wide as the others
    right, high = left + values.shape[1] * step, low + values.shape[0] * step
    across, up = (bounds[2] - bounds[0]) / width, (bounds[3] - bounds[1]) / height
    x = (bounds[2] - right * across, bounds[2] - left * across) if falling[0] else (
        bounds[0] + left * across, bounds[0] + right * across
    )  # fmt: skip
    y = (bounds[3] - high * up, bounds[3] - low * up) if falling[1] else (bounds[1] + low * up, bounds[1] + high * up)
    middles = tuple(
        np.minimum(begin + np.arange(size) * step + step // 2, total - 1)
        for begin, size, total in ((low, values.shape[0], height), (left, values.shape[1], width))
    )
    return Part(values, np.asarray(peaks, dtype=float), (x[0], y[0], x[1], y[1]), step, (middles[0], middles[1]))


def _read(array: xr.DataArray, rows: slice, columns: slice) -> np.ndarray:
    """Return a part as 64-bit floats, infinities as NaN; only this part is read."""
    part = np.asarray(array.isel(dict(zip(array.dims, (rows, columns), strict=True))).values, dtype=float)
    return np.where(np.isfinite(part), part, np.nan)


def _added(table: np.ndarray, heads: np.ndarray, axis: int, step: int) -> np.ndarray:
    """Return sums of ``step`` neighbours along an axis; the last may be of fewer."""
    lacking = heads.size * step - table.shape[axis]
    if lacking:
        table = np.pad(table, [(0, lacking if place == axis else 0) for place in (0, 1)])
    rows, columns = table.shape
    if axis == 0:
        return np.einsum("ijk->ik", table.reshape(heads.size, step, columns))
    return np.einsum("ijk->ij", table.reshape(rows, heads.size, step))

"""How many events a brush holds: from the sums that an index keeps, and the rest by compiled loops over its tiles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from analysis.xray.counting import THREADS
from analysis.xray.ordered import chosen_in_order
from analysis.xray.plane_shapes import KINDS, PlaneShape, turn_of

SHORT = 200_000  # events that one thread counts
SHARES = 4  # parts of the work for each thread
PARTS = ("curve", "spectrum", "histogram")


@dataclass(frozen=True, eq=False)
class Brush:
    """What is brushed, in the index's own numbers: pixels, mission seconds, keV, values of its further column."""

    shape: PlaneShape = field(default_factory=PlaneShape)
    seconds: tuple[float, float] | None = None
    band: tuple[float, float] | None = None
    column: tuple[float, float] | None = None
    said: str = "everything"


@dataclass(frozen=True, eq=False)
class Chosen:
    """How many events are chosen, and their counts in the index's bins."""

    total: int
    curve: np.ndarray
    spectrum: np.ndarray
    histogram: np.ndarray
    image: np.ndarray


def chosen_by(
    index: xr.Dataset, brush: Brush, *, image: bool = False, bins: bool = True, spare: bool = False
) -> Chosen:
    """Return the counts of what is brushed: sums that the index keeps, and the rest by compiled loops over its tiles.

    With ``spare`` each histogram keeps its last bin, of what is outside its edges.
    """
    held = {str(name): variable.values for name, variable in index.variables.items()}
    whole = not brush.shape.kind and brush.column is None
    pieces, found = [brush], None
    if whole and brush.band is None and brush.seconds is None and image and not bins and "all_image" in held:
        none = np.empty(0, np.int64)
        return Chosen(int(held["first"][-1]), none, none, none, held["all_image"])
    if whole and brush.seconds is not None and brush.band is None and "list_time" in held:
        pieces, found = [], chosen_in_order(held, brush.seconds, image=image, bins=bins)
    if whole and brush.band is not None and brush.seconds is None:
        pieces, found = _by_sums(held, brush, image, bins)
    for piece in pieces:
        part = _scanned(index, held, piece, image, bins)
        found = part if found is None else [one + other for one, other in zip(found, part, strict=True)]
    total, *counts, plane = found  # type: ignore[misc]
    curve, spectrum, histogram = (part if spare else part[:-1] for part in counts)
    return Chosen(int(total), curve, spectrum, histogram, plane)


def _by_sums(
    held: dict[str, np.ndarray], brush: Brush, image: bool, bins: bool
) -> tuple[list[Brush], list[Any] | None]:
    """What lies between two kept energies, by a subtraction, and the brushes of what is left at both ends."""
    if brush.band is None or "slab_curve" not in held or (image and "slab_image" not in held):
        return [brush], None
    edges, (low, high) = held["slab_edge"], _as_type(brush.band, held["energy"])
    i, j = int(np.searchsorted(edges, low)), int(np.searchsorted(edges, high, side="right")) - 1
    if i >= j:
        return [brush], None
    made = [held[f"slab_{part}"] if f"slab_{part}" in held else np.zeros((j + 1, 0)) for part in PARTS]
    counts = [(part[j] - part[i]).astype(np.int64) for part in made]
    total = int(counts[0].sum())
    counts = counts if bins else [part[:0] for part in counts]
    plane = held["slab_image"][j] - held["slab_image"][i] if image else np.zeros((0, 0), np.int32)
    left = [(low, float(edges[i])), (float(edges[j]), high)]
    return [replace(brush, band=pair) for pair in left if pair[0] < pair[1]], [total, *counts, plane]


def _scanned(index: xr.Dataset, held: dict[str, np.ndarray], brush: Brush, image: bool, bins: bool) -> list[Any]:
    """Total, histograms with a bin more each, and image of what is brushed, by the compiled loops."""
    from analysis.xray import _kernels_brushing as kernels

    none = np.empty(0, np.float32)
    columns = tuple(held.get(name, none) for name in ("x", "y", "moment", "energy", "column"))
    binned = (*(held.get(f"{name}_bin", np.empty(0, np.uint16)) for name in ("time", "spectrum", "column")),)
    tables = tuple(held.get(f"{n}_table", np.empty((0, 0, 0), np.int32)) for n in ("time", "spectrum", "column"))
    side, first = int(index.attrs["side"]), held["first"]
    slabs = np.concatenate([[-np.inf], held["slab_edge"], [np.inf]])
    ranges = (brush.seconds, brush.band, brush.column)
    used = np.array([ends is not None for ends in ranges])
    cuts = np.array([
        end for ends, column in zip(ranges, columns[2:], strict=True) for end in _as_type(ends or (0.0, 0.0), column)
    ])  # fmt: skip
    grid = np.array([index.attrs[key] for key in ("start_x", "start_y", "tile_width", "tile_height")])
    ends_x, ends_y = held["image_x"], held["image_y"]
    frame = np.array([ends_x[0], ends_y[0], ends_x[1] - ends_x[0]])
    sizes = [part.shape[2] + (part.shape[2] > 0) if bins else 0 for part in tables]
    shape = (ends_y.size - 1, ends_x.size - 1) if image else (0, 0)
    corners = brush.shape.corners if brush.shape.kind == "polygon" else np.empty((0, 2))
    numbers, parts_of_time = _numbers_of(brush.shape, columns), _parts(index, tables[0], brush.seconds)

    def part(rows: tuple[int, int]) -> tuple:
        made = tuple(np.zeros(size, np.int64) for size in sizes)
        plane = np.zeros(shape, np.int32)
        total = kernels.brush_rows(
            rows, first, slabs, columns, (*binned, held["pixel"]), tables, numbers, corners, cuts, used, parts_of_time,
            grid, side, frame, made, plane,
        )  # fmt: skip
        return (total, *made, plane)

    at = first[:: side * (slabs.size - 1)][: side + 1]  # where each row begins; the last: events without a position
    if first[-1] <= SHORT:
        return list(part((0, side + 1)))
    inner = np.searchsorted(at, at[-1] * np.arange(1, SHARES * THREADS) / (SHARES * THREADS)).tolist()
    ends = sorted({0, *inner, side + 1})
    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(part, pairwise(ends)))
    return [sum(one[k] for one in parts) for k in range(5)]


def _numbers_of(shape: PlaneShape, columns: tuple[np.ndarray, ...]) -> np.ndarray:
    """A region as the compiled loops take it: kind and six numbers."""
    numbers = list(shape.numbers)
    if shape.kind == "box":
        numbers = [*_as_type(numbers[:2], columns[0]), *_as_type(numbers[2:], columns[1])]
    elif shape.kind == "ellipse":
        numbers = [*numbers[:4], *turn_of(numbers[4])]
    elif shape.kind == "polygon":
        numbers = []
    return np.array([KINDS[shape.kind], *numbers, *[0.0] * (6 - len(numbers))])


def _parts(index: xr.Dataset, table: np.ndarray, seconds: tuple[float, float] | None) -> np.ndarray:
    """Which part of all events is before each end of a range of time, about: searches begin there."""
    if seconds is None:
        return np.zeros(2)
    middles, half = index["seconds"].values, index.attrs["bin_size"] / 2
    before = np.concatenate([[0], np.cumsum(table[:, -1].sum(axis=0))])
    share = np.interp(seconds, np.append(middles - half, middles[-1] + half), before)
    return share / max(int(before[-1]), 1)


def _as_type(ends: tuple[float, float] | list[float], column: np.ndarray) -> list[float]:
    """Limits as numpy compares them with a column: rounded to its type, if that is a floating one."""
    return [float(column.dtype.type(end)) if column.dtype.kind == "f" else float(end) for end in ends]

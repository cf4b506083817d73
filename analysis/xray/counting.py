"""Events counted into an image, a light curve and a spectrum in one pass; by numpy where the list is short.

Edges are numpy.histogram's: bin k holds edges[k] ≤ value < edges[k + 1], the last bin its upper end too. The compiled
loops of long lists give the same numbers, bin by bin; their first use in a session costs a second or two.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

LONG = 2_000_000  # events from which compiled loops are quicker than numpy, their compilation included
THREADS = min(2, os.cpu_count() or 1)
ONE_BIN = np.array([0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Columns:
    """What is counted: columns of one length, or empty where not needed; ``band`` is of ``energy``, in keV.

    ``values`` are what the spectrum is of. ``chosen`` says which events count (empty: all of them).
    """

    size: int
    x: np.ndarray = field(default_factory=lambda: np.empty(0))
    y: np.ndarray = field(default_factory=lambda: np.empty(0))
    times: np.ndarray = field(default_factory=lambda: np.empty(0))
    energy: np.ndarray = field(default_factory=lambda: np.empty(0))
    values: np.ndarray = field(default_factory=lambda: np.empty(0))
    chosen: np.ndarray = field(default_factory=lambda: np.empty(0))
    band: tuple[float, float] = (-np.inf, np.inf)


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts per pixel (y, x), per bin of time and per bin of the spectrum; empty where not asked for."""

    image: np.ndarray
    curve: np.ndarray
    spectrum: np.ndarray


def counted(
    columns: Columns,
    *,
    image: tuple[np.ndarray, np.ndarray] | None = None,
    curve: np.ndarray | None = None,
    spectrum: np.ndarray | None = None,
) -> Counts:
    """Return counts between evenly spaced edges: of x and y, of time, and of the values of a spectrum.

    The band holds for the image and the light curve; the spectrum is of all that is chosen.

    Examples
    --------
    >>> found = counted(Columns(3, times=np.array([0.5, 1, 2])), curve=np.array([0.0, 1, 2]))
    >>> found.curve.tolist()
    [1, 2]
    """
    if columns.size >= LONG:
        return _compiled(columns, image, curve, spectrum)
    chosen = columns.chosen if columns.chosen.size or not columns.size else np.ones(columns.size, dtype=bool)
    inside = chosen.astype(bool)
    if columns.energy.size:
        inside = inside & (columns.energy >= columns.band[0]) & (columns.energy < columns.band[1])
    none = np.empty(0, dtype=np.int64)
    pixels, bins, channels = none.reshape(0, 0), none, none
    if image is not None:
        x_edges, y_edges = image
        placed = inside & np.isfinite(columns.x) & np.isfinite(columns.y)
        found, _, _ = np.histogram2d(columns.y[placed], columns.x[placed], bins=(y_edges, x_edges))
        pixels = found.astype(np.int64)
    if curve is not None:
        bins = np.histogram(columns.times[inside], bins=curve)[0]
    if spectrum is not None:
        values = columns.values[chosen.astype(bool)]
        channels = np.histogram(values[np.isfinite(values)].astype(float), bins=spectrum)[0]
    return Counts(pixels, bins, channels)


def reach_of(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the least and greatest x and y of the events that have both, as four numbers, and how many have.

    Examples
    --------
    >>> reach_of(np.array([1.0, 3, np.nan]), np.array([2.0, 8, 5]))
    (array([1., 3., 2., 8.]), 2)
    """
    if x.size < LONG:
        placed = np.isfinite(x) & np.isfinite(y)
        if not placed.any():
            return np.full(4, np.nan), 0
        ends = np.array([x[placed].min(), x[placed].max(), y[placed].min(), y[placed].max()], dtype=float)
        return ends, int(np.count_nonzero(placed))
    from analysis.xray import _kernels_events as kernels

    x, y = native(x), native(y)
    parts = np.array(_in_threads(lambda first, last: kernels.reach(x, y, first, last), x.size))
    outer = np.array([parts[:, 0].min(), parts[:, 1].max(), parts[:, 2].min(), parts[:, 3].max()])
    return outer, int(parts[:, 4].sum())


def in_order(times: np.ndarray) -> bool:
    """Return whether times never decrease and none of them is NaN.

    Examples
    --------
    >>> in_order(np.array([1.0, 1.0, 2.0])), in_order(np.array([2.0, 1.0]))
    (True, False)
    """
    if times.size < LONG:
        return bool((times[1:] >= times[:-1]).all() and not np.isnan(times[:1]).any())
    from analysis.xray import _kernels_events as kernels

    times = native(times)
    return all(_in_threads(lambda first, last: kernels.in_order(times, first, last), times.size))


def _compiled(
    columns: Columns,
    image: tuple[np.ndarray, np.ndarray] | None,
    curve: np.ndarray | None,
    spectrum: np.ndarray | None,
) -> Counts:
    from analysis.xray import _kernels_events as kernels

    x_edges, y_edges = image or (ONE_BIN, ONE_BIN)
    t_edges, v_edges = (ONE_BIN if edges is None else edges for edges in (curve, spectrum))
    held = [native(getattr(columns, name)) for name in ("x", "y", "times", "energy", "values")]
    chosen = np.ascontiguousarray(columns.chosen, dtype=bool)

    def part(first: int, last: int) -> Counts:
        shape = (0, 0) if image is None else (y_edges.size - 1, x_edges.size - 1)
        kind = np.int32 if columns.size < 2**31 else np.int64  # half as wide: an image that stays in the cache
        made = Counts(
            np.zeros(shape, kind),
            np.zeros(0 if curve is None else curve.size - 1, kind),
            np.zeros(0 if spectrum is None else spectrum.size - 1, kind),
        )
        edges = (x_edges, y_edges, t_edges, v_edges)
        kernels.histograms(  # type: ignore[call-arg]
            first, last, chosen, *held, *columns.band, *edges, made.image, made.curve, made.spectrum
        )
        return made

    parts = _in_threads(part, columns.size)
    names = ("image", "curve", "spectrum")
    return Counts(*(sum(getattr(p, name).astype(np.int64) for p in parts) for name in names))


def native(values: np.ndarray) -> np.ndarray:
    """Return the array as the compiled loops take it: native, contiguous, and a float or an integer.

    Examples
    --------
    >>> native(np.array([1, 2], dtype=">i2")).dtype
    dtype('int16')
    """
    if values.dtype.kind not in "fiu" or values.dtype == np.float16:
        values = values.astype(float)
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))


def _in_threads(work: Callable[[int, int], object], size: int) -> list:
    ends = np.linspace(0, size, THREADS + 1).astype(int).tolist()
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, ends[:-1], ends[1:]))

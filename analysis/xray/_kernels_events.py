"""Compiled loops over event lists: how far they reach, and three histograms in one pass.

Edges are those of numpy.histogram: bin k holds edges[k] ≤ value < edges[k + 1], the last one its upper end too.
"""

from __future__ import annotations

import numba
import numpy as np

NEAR = 1e-6  # of a bin: so close to an edge the edge itself decides


@numba.njit(cache=True, nogil=True)
def bin_of(value, edges, scale):
    """Return the bin of a value among evenly spaced edges; -1 outside and for NaN."""
    n = edges.size - 1
    if not (edges[0] <= value <= edges[n]):
        return -1
    at = (value - edges[0]) * scale
    k = min(int(at), n - 1)
    if at - k < NEAR or at - k > 1 - NEAR:
        while k > 0 and value < edges[k]:
            k -= 1
        while k < n - 1 and value >= edges[k + 1]:
            k += 1
    return k


@numba.njit(cache=True, nogil=True)
def reach(x, y, first, last):
    """Return the extremes of x and y where both are finite, and how many of the events those are."""
    found = np.array([np.inf, -np.inf, np.inf, -np.inf, 0.0])
    low_x, high_x, low_y, high_y = found[0], found[1], found[2], found[3]
    placed = 0
    for i in range(first, last):
        u, v = float(x[i]), float(y[i])
        if np.isfinite(u) and np.isfinite(v):
            placed += 1
            low_x, high_x = min(low_x, u), max(high_x, u)
            low_y, high_y = min(low_y, v), max(high_y, v)
    found[0], found[1], found[2], found[3], found[4] = low_x, high_x, low_y, high_y, placed
    return found


@numba.njit(cache=True, nogil=True)
def in_order(times, first, last):
    """Return whether no time is smaller than the one before it, NaN nowhere."""
    ordered = True
    for i in range(max(first, 1), last):
        ordered &= times[i] >= times[i - 1]
    return ordered


@numba.njit(cache=True, nogil=True)
def histograms(
    first,
    last,
    chosen,
    x,
    y,
    times,
    energy,
    values,
    low,
    high,
    x_edges,
    y_edges,
    t_edges,
    v_edges,
    image,
    curve,
    counts,
):
    """Add the events [first, last) to an image, a light curve and a spectrum; arrays of size 0 are left out.

    ``chosen`` says which events count (size 0: all). The band [low, high) of ``energy`` holds for image and curve.
    """
    with_image, with_curve, with_counts = image.size > 0, curve.size > 0, counts.size > 0
    sx = (x_edges.size - 1) / (x_edges[-1] - x_edges[0])
    sy = (y_edges.size - 1) / (y_edges[-1] - y_edges[0])
    st = (t_edges.size - 1) / (t_edges[-1] - t_edges[0])
    sv = (v_edges.size - 1) / (v_edges[-1] - v_edges[0])
    for i in range(first, last):
        if chosen.size and not chosen[i]:
            continue
        if with_counts:
            k = bin_of(float(values[i]), v_edges, sv)
            if k >= 0:
                counts[k] += 1
        if energy.size and not (low <= energy[i] < high):
            continue
        if with_curve:
            k = bin_of(times[i], t_edges, st)
            if k >= 0:
                curve[k] += 1
        if with_image:
            k = bin_of(float(x[i]), x_edges, sx)
            m = bin_of(float(y[i]), y_edges, sy)
            if k >= 0 and m >= 0:
                image[m, k] += 1

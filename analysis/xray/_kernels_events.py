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


@numba.njit(cache=True, nogil=True)
def tile_numbers(x, y, start_x, start_y, width, height, side, tiles):
    """Write the tile of each event, ``side`` to a row, and return how many lie in each; -1 without a position."""
    number = np.zeros(side * side + 1, np.int64)
    for i in range(x.size):
        u, v = (float(x[i]) - start_x) / width, (float(y[i]) - start_y) / height
        if not (np.isfinite(u) and np.isfinite(v)):
            tiles[i] = -1
            continue
        tile = min(int(v), side - 1) * side + min(int(u), side - 1)
        tiles[i] = tile
        number[tile + 1] += 1
    return number


@numba.njit(cache=True, nogil=True)
def by_tile(tiles, first, x, y, bins, channels, out_x, out_y, out_bins, out_channels, curves, spectra):
    """Sort events by tile, and count each tile's own light curve and spectrum."""
    at = first.copy()
    for i in range(tiles.size):
        tile = tiles[i]
        if tile < 0:
            continue
        k = at[tile]
        at[tile] += 1
        out_x[k], out_y[k], out_bins[k], out_channels[k] = x[i], y[i], bins[i], channels[i]
        if bins[i] >= 0:
            curves[tile, bins[i]] += 1
        if channels[i] >= 0:
            spectra[tile, channels[i]] += 1


@numba.njit(cache=True, nogil=True)
def bins_of(values, edges, chosen, out):
    """Write the bin of each value among edges; -1 outside, or where not chosen."""
    scale = (edges.size - 1) / (edges[-1] - edges[0])
    for i in range(values.size):
        out[i] = bin_of(float(values[i]), edges, scale) if chosen[i] else -1


@numba.njit(cache=True, nogil=True)
def brush(
    first, x, y, bins, channels, curves, spectra, start_x, start_y, width, height, side, shape, round_, curve, counts
):
    """Add up light curve and spectrum of a circle (x, y, radius, -) or a box (low x, high x, low y, high y).

    Tiles that lie wholly inside bring their own counts; only events of the tiles at its rim are looked at.
    """
    a, b, c, d = shape[0], shape[1], shape[2], shape[3]
    low_x, high_x, low_y, high_y = (a - c, a + c, b - c, b + c) if round_ else (a, b, c, d)
    i0, i1 = max(int(np.floor((low_x - start_x) / width)), 0), min(int((high_x - start_x) / width), side - 1)
    j0, j1 = max(int(np.floor((low_y - start_y) / height)), 0), min(int((high_y - start_y) / height), side - 1)
    total = 0
    for j in range(j0, j1 + 1):
        for i in range(i0, i1 + 1):
            tile = j * side + i
            left, below = start_x + i * width, start_y + j * height
            slack_x, slack_y = 1e-6 * width, 1e-6 * height  # an event on a tile's rim may be counted by its neighbour
            l, r, u, o = left - slack_x, left + width + slack_x, below - slack_y, below + height + slack_y
            if round_:
                far_x, far_y = max(abs(l - a), abs(r - a)), max(abs(u - b), abs(o - b))
                whole = far_x * far_x + far_y * far_y <= c * c
            else:
                whole = l >= a and r < b and u >= c and o < d
            if whole:
                total += first[tile + 1] - first[tile]
                for k in range(curve.size):
                    curve[k] += curves[tile, k]
                for k in range(counts.size):
                    counts[k] += spectra[tile, k]
                continue
            for n in range(first[tile], first[tile + 1]):
                p, q = float(x[n]), float(y[n])
                if round_:
                    inside = (p - a) * (p - a) + (q - b) * (q - b) <= c * c
                else:
                    inside = a <= p < b and c <= q < d
                if inside:
                    total += 1
                    if bins[n] >= 0:
                        curve[bins[n]] += 1
                    if channels[n] >= 0:
                        counts[channels[n]] += 1
    return total

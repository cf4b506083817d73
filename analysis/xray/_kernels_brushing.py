"""Compiled loops over an event list in tiles: sorting it, and counting what a region, band and times choose of it.

A cell is the part of a tile whose energies lie in one slab; its events are in order of time. Limits are compared as
numpy compares them with a column: the caller rounds them to the column's own type first.
"""

from __future__ import annotations

import numba
import numpy as np

from analysis.xray._kernels_events import bin_of

NOTHING, WHOLE, RIM = 0, 1, 2  # of a tile: outside the region, inside, or crossed by its edge
EVERYWHERE, CIRCLE, BOX, POLYGON, ELLIPSE = 0, 1, 2, 3, 4
CHUNK = 2048  # events that are tested together
WIDE = 6  # bits: a tile's own pixels are counted in rows of 64
SLACK = 1e-6  # of a tile: an event on a tile's rim may be counted by its neighbour


@numba.njit(cache=True, nogil=True)
def cell_numbers(x, y, energy, slabs, good, grid, side, cells):
    """Write the cell of each event, and return where those of each begin; -1 out of good time, last no position."""
    number_of = slabs.size - 1
    number = np.zeros((side * side + 1) * number_of + 1, np.int64)
    for i in range(x.size):
        if not good[i]:
            cells[i] = -1
            continue
        u, v = (float(x[i]) - grid[0]) / grid[2], (float(y[i]) - grid[1]) / grid[3]
        tile = side * side
        if np.isfinite(u) and np.isfinite(v):
            tile = min(int(v), side - 1) * side + min(int(u), side - 1)
        slab = 0
        if number_of > 1 and energy[i] < np.inf:  # what has no energy is in the first slab, whose limits are tested
            while slab < number_of - 1 and energy[i] >= slabs[slab + 1]:
                slab += 1
        cells[i] = tile * number_of + slab
        number[cells[i] + 1] += 1
    return np.cumsum(number)


@numba.njit(cache=True, nogil=True)
def into_cells(cells, first, values, out):
    """Sort a column by cell, keeping the order of time within each."""
    at = first.copy()
    for i in range(cells.size):
        if cells[i] >= 0:
            out[at[cells[i]]] = values[i]
            at[cells[i]] += 1


@numba.njit(cache=True, nogil=True)
def bins_into_cells(cells, first, values, edges, out):
    """Sort the bins of a column's values by cell; one past the last bin is outside the edges."""
    at, scale = first.copy(), (edges.size - 1) / (edges[-1] - edges[0])
    for i in range(cells.size):
        if cells[i] >= 0:
            k = bin_of(float(values[i]), edges, scale)
            out[at[cells[i]]] = k if k >= 0 else edges.size - 1
            at[cells[i]] += 1


@numba.njit(cache=True, nogil=True)
def corner_of(grid, frame, i, j):
    """Return the column and row of an image at which a tile's own pixels begin."""
    u = int((grid[0] + i * grid[2] - frame[0]) / frame[2]) - 1
    v = int((grid[1] + j * grid[3] - frame[1]) / frame[2]) - 1
    return max(u, 0), max(v, 0)


@numba.njit(cache=True, nogil=True)
def pixels_of(x, y, first, number_of, grid, side, frame, x_edges, y_edges, out):
    """Write the pixel of each event within its tile; ``frame`` is where the image begins and the size of a pixel."""
    sx = (x_edges.size - 1) / (x_edges[-1] - x_edges[0])
    sy = (y_edges.size - 1) / (y_edges[-1] - y_edges[0])
    for j in range(side):
        for i in range(side):
            u0, v0 = corner_of(grid, frame, i, j)
            tile = j * side + i
            for n in range(first[tile * number_of], first[(tile + 1) * number_of]):
                u, v = bin_of(float(x[n]), x_edges, sx), bin_of(float(y[n]), y_edges, sy)
                out[n] = ((v - v0) << WIDE) + u - u0


@numba.njit(cache=True, nogil=True)
def along_rows(first, number_of, bins, side, table):
    """Fill a table of the counts in each bin of all tiles of a row before each tile."""
    for j in range(side):
        for i in range(side):
            tile = j * side + i
            for n in range(first[tile * number_of], first[(tile + 1) * number_of]):
                if bins[n] < table.shape[2]:
                    table[j, i + 1, bins[n]] += 1
            for k in range(table.shape[2]):
                table[j, i + 1, k] += table[j, i, k]


@numba.njit(cache=True, nogil=True)
def in_polygon(p, q, corners, chosen, number):
    """Return whether a point lies inside by the even-odd rule; ``chosen`` are the edges that reach its height."""
    inside, n = False, corners.shape[0]
    for m in range(number):
        k = chosen[m]
        x0, y0, x1, y1 = corners[k - 1, 0], corners[k - 1, 1], corners[k, 0], corners[k, 1]
        if k == 0:
            x0, y0 = corners[n - 1, 0], corners[n - 1, 1]
        if (y0 > q) != (y1 > q) and p < (x1 - x0) * (q - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside


@numba.njit(cache=True, nogil=True)
def edges_at(corners, low, high, chosen):
    """Write which edges of a polygon reach heights from low to high, and return how many."""
    number, n = 0, corners.shape[0]
    for k in range(n):
        y0, y1 = corners[(k - 1) % n, 1], corners[k, 1]
        if min(y0, y1) <= high and max(y0, y1) >= low:
            chosen[number] = k
            number += 1
    return number


@numba.njit(cache=True, nogil=True)
def row_status(kind, shape, corners, grid, side, j, chosen, number, status):
    """Write for each tile of a row whether it lies outside a region, inside, or at its rim."""
    a, b, c, d, e, f = shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]
    width, height = grid[2], grid[3]
    u, o = grid[1] + (j - SLACK) * height, grid[1] + (j + 1 + SLACK) * height
    for i in range(side):
        l, r = grid[0] + (i - SLACK) * width, grid[0] + (i + 1 + SLACK) * width
        if kind == EVERYWHERE:
            status[i] = WHOLE
        elif kind == CIRCLE:
            far_x, far_y = max(abs(l - a), abs(r - a)), max(abs(u - b), abs(o - b))
            near_x, near_y = max(0.0, l - a, a - r), max(0.0, u - b, b - o)
            status[i] = RIM
            if far_x * far_x + far_y * far_y <= c * c * (1 - SLACK):
                status[i] = WHOLE
            elif near_x * near_x + near_y * near_y > c * c * (1 + SLACK):
                status[i] = NOTHING
        elif kind == BOX:
            status[i] = RIM
            if l >= a and r < b and u >= c and o < d:
                status[i] = WHOLE
            elif r < a or l >= b or o < c or u >= d:
                status[i] = NOTHING
        elif kind == ELLIPSE:  # in units of its axes the tile is a parallelogram about a point, the ellipse a circle
            p, q = (l + r) / 2 - a, (u + o) / 2 - b
            s, t = (p * e + q * f) / c, (q * e - p * f) / d
            wide, high = (r - l) / 2, (o - u) / 2
            s0, t0 = (abs(wide * e) + abs(high * f)) / c, (abs(high * e) + abs(wide * f)) / d
            far_x, far_y = abs(s) + s0, abs(t) + t0
            near_x, near_y = max(0.0, abs(s) - s0), max(0.0, abs(t) - t0)
            status[i] = RIM
            if far_x * far_x + far_y * far_y <= 1 - SLACK:
                status[i] = WHOLE
            elif near_x * near_x + near_y * near_y > 1 + SLACK:
                status[i] = NOTHING
        else:
            inside = in_polygon((l + r) / 2, (u + o) / 2, corners, chosen, number)
            status[i] = WHOLE if inside else NOTHING
    if kind != POLYGON:
        return
    n = corners.shape[0]
    for m in range(number):  # tiles that an edge crosses
        k = chosen[m]
        x0, y0, x1, y1 = corners[(k - 1) % n, 0], corners[(k - 1) % n, 1], corners[k, 0], corners[k, 1]
        s, t = 0.0, 1.0
        if y1 != y0:
            s, t = (u - y0) / (y1 - y0), (o - y0) / (y1 - y0)
            s, t = max(min(s, t), 0.0), min(max(s, t), 1.0)
        p, q = x0 + s * (x1 - x0), x0 + t * (x1 - x0)
        i0 = max(int(np.floor((min(p, q) - grid[0]) / width - 0.01)), 0)
        i1 = min(int(np.floor((max(p, q) - grid[0]) / width + 0.01)), side - 1)
        for i in range(i0, i1 + 1):
            status[i] = RIM


@numba.njit(cache=True, nogil=True)
def kept_of(values, low, high, held, number):
    """Keep of the events in ``held`` those whose values lie in [low, high), and return how many are left."""
    k = 0
    for m in range(number):
        n = held[m]
        held[k] = n
        k += (values[n] >= low) & (values[n] < high)
    return k


@numba.njit(cache=True, nogil=True)
def in_region(x, y, kind, shape, corners, chosen, edges, held, number):
    """Keep of the events in ``held`` those in a region, and return how many are left."""
    a, b, c, d, e, f = shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]
    k = 0
    for m in range(number):
        n = held[m]
        p, q = float(x[n]), float(y[n])
        if kind == CIRCLE:
            inside = (p - a) * (p - a) + (q - b) * (q - b) <= c * c
        elif kind == BOX:
            inside = (a <= p) & (p < b) & (c <= q) & (q < d)
        elif kind == ELLIPSE:
            s, t = ((p - a) * e + (q - b) * f) / c, ((q - b) * e - (p - a) * f) / d
            inside = s * s + t * t <= 1.0
        else:
            inside = in_polygon(p, q, corners, chosen, edges)
        held[k] = n
        k += inside
    return k


@numba.njit(cache=True, nogil=True)
def first_not_below(values, low, high, part, limit):
    """Return the first of ordered values that is not below a limit, searched from where it is by this part."""
    if low >= high:
        return low
    at, step = low + int((high - low - 1) * part), 4
    if values[at] < limit:
        low = at + 1
        while low + step < high and values[low + step] < limit:
            low += step + 1
            step *= 2
        high = min(low + step, high)
    else:
        high = at
        while high - step > low and values[high - step] >= limit:
            high -= step
            step *= 2
        low = max(high - step, low)
    while low < high:
        at = (low + high) // 2
        if values[at] < limit:
            low = at + 1
        else:
            high = at
    return low


@numba.njit(cache=True, nogil=True)
def brush_rows(
    rows, first, slabs, columns, bins, tables, region, corners, cuts, used, parts, grid, side, frame, made, image
):
    """Add what is chosen of rows of tiles to a light curve, a spectrum, a column's histogram and an image.

    ``rows`` are [low, high), the row ``side`` being the events without a position; ``columns`` x, y, time, energy and
    one more; ``bins`` those of time, spectrum and column, and pixels; ``tables`` the counts along rows; ``region``
    kind and six numbers; ``cuts`` low and high of time, energy and column, ``used`` which of them hold, ``parts``
    where the times lie among all; ``frame`` where the image begins and the size of a pixel. Each array of ``made``
    has one bin more, for what is outside; those of size 0, and such an image, are left out. Returns how many.
    """
    x, y, time, energy, column = columns
    time_bin, spectrum_bin, column_bin, pixel = bins
    curve_table, spectrum_table, column_table = tables
    curve, spectrum, histogram = made
    timed, banded, by_column = used[0], used[1], used[2]
    number_of, kind = slabs.size - 1, int(region[0])
    with_image = image.size > 0
    cut = timed or banded or by_column
    status, chosen = np.zeros(side, np.uint8), np.zeros(max(corners.shape[0], 1), np.int64)
    held = np.empty(CHUNK, np.int64)
    total = 0
    for j in range(rows[0], rows[1]):
        unplaced, number = j == side, 0
        if unplaced:
            if kind != EVERYWHERE:
                continue
            status[:] = NOTHING
            status[0] = WHOLE
        else:
            if kind == POLYGON:
                low, high = grid[1] + (j - SLACK) * grid[3], grid[1] + (j + 1 + SLACK) * grid[3]
                number = edges_at(corners, low, high, chosen)
            row_status(kind, region[1:], corners, grid, side, j, chosen, number, status)
        i = 0
        while i < side:
            if status[i] == NOTHING:
                i += 1
                continue
            if status[i] == WHOLE and not cut and not with_image and not unplaced:  # differences of two sums
                k = i
                while k < side and status[k] == WHOLE:
                    k += 1
                total += first[(j * side + k) * number_of] - first[(j * side + i) * number_of]
                for m in range(curve.size - 1):
                    curve[m] += curve_table[j, k, m] - curve_table[j, i, m]
                for m in range(spectrum.size - 1):
                    spectrum[m] += spectrum_table[j, k, m] - spectrum_table[j, i, m]
                for m in range(histogram.size - 1):
                    histogram[m] += column_table[j, k, m] - column_table[j, i, m]
                i = k
                continue
            u0, v0 = corner_of(grid, frame, i, j)
            for slab in range(number_of):
                check_energy = False
                if banded:
                    if slabs[slab + 1] <= cuts[2] or slabs[slab] >= cuts[3]:
                        continue
                    check_energy = not (slabs[slab] >= cuts[2] and slabs[slab + 1] <= cuts[3])
                cell = (j * side + i) * number_of + slab
                n0, n1 = first[cell], first[cell + 1]
                if timed:
                    begin = n0
                    n0 = first_not_below(time, begin, n1, parts[0], cuts[0])
                    n1 = first_not_below(time, n0, n1, (parts[1] - parts[0]) / (1 - parts[0] + 1e-9), cuts[1])
                while n0 < n1:
                    kept = min(n1 - n0, CHUNK)
                    for m in range(kept):
                        held[m] = n0 + m
                    n0 += kept
                    if check_energy:
                        kept = kept_of(energy, cuts[2], cuts[3], held, kept)
                    if by_column:
                        kept = kept_of(column, cuts[4], cuts[5], held, kept)
                    if status[i] == RIM:
                        kept = in_region(x, y, kind, region[1:], corners, chosen, number, held, kept)
                    total += kept
                    if curve.size > 0:
                        for m in range(kept):
                            curve[time_bin[held[m]]] += 1
                    if spectrum.size > 0:
                        for m in range(kept):
                            spectrum[spectrum_bin[held[m]]] += 1
                    if histogram.size > 0:
                        for m in range(kept):
                            histogram[column_bin[held[m]]] += 1
                    if with_image and not unplaced:
                        for m in range(kept):
                            at = pixel[held[m]]
                            image[v0 + (at >> WIDE), u0 + (at & 63)] += 1
            i += 1
            if unplaced:
                break
    return total

"""Means over the cells inside a larger one, compiled: one pass over the map, nothing copied."""

from __future__ import annotations

import math

import numba
import numpy as np

UNSEEN_FROM = 1e30


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _sums(values):
    """Return the sum of some values and that of their sizes, in any order; NaN and infinities stay what they are."""
    total, size = 0.0, 0.0
    for value in values:
        total += value
        size += abs(value)
    return total, size


@numba.njit(cache=True, nogil=True)
def block_means(values, out, least):
    """Put the mean of what was observed of each run of cells into ``out``; NaN where that is less than ``least``.

    Returns how many values are infinite or as large as UNSEEN.
    """
    inside = values.size // out.size
    wrong = 0
    for new in range(out.size):
        total, size = _sums(values[new * inside : (new + 1) * inside])
        if size < UNSEEN_FROM:  # all were observed
            out[new] = total / inside
            continue
        total, count = 0.0, 0
        for old in range(new * inside, (new + 1) * inside):
            value = values[old]
            if abs(value) < UNSEEN_FROM:
                total += value
                count += 1
            elif not math.isnan(value):
                wrong += 1
        out[new] = total / count if count > 0 and count >= least * inside else np.nan
    return wrong


@numba.njit(cache=True, nogil=True)
def turns(theta, phi, new_theta, new_phi, cos, sin):
    """Put cosine and sine of twice the angle by which the meridian turns on the way into ``cos`` and ``sin``.

    The way is the great circle from each small cell's centre to that of the larger one it lies in.
    """
    inside = theta.size // new_theta.size
    for new in range(new_theta.size):
        cos0, sin0 = math.cos(new_theta[new]), math.sin(new_theta[new])
        for old in range(new * inside, (new + 1) * inside):
            cos1, sin1 = math.cos(theta[old]), math.sin(theta[old])
            across, along = math.sin(new_phi[new] - phi[old]), math.cos(new_phi[new] - phi[old])
            # directions of the great circle, south and east, where it leaves and where it arrives
            south, east = cos1 * sin0 * along - sin1 * cos0, sin0 * across
            south0, east0 = sin0 * cos1 - cos0 * sin1 * along, sin1 * across
            real, imag = south0 * south + east0 * east, east0 * south - south0 * east
            square = real * real + imag * imag
            cos[old], sin[old] = 1.0, 0.0
            if square > 0.0:
                cos[old], sin[old] = (real * real - imag * imag) / square, 2.0 * real * imag / square


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _turned_sums(q, u, cos, sin):
    """Return the sums of Q and U, turned, and that of their sizes, in any order."""
    total_q, total_u, size = 0.0, 0.0, 0.0
    for old in range(q.size):
        one, other = q[old], u[old]
        total_q += one * cos[old] - other * sin[old]
        total_u += one * sin[old] + other * cos[old]
        size += abs(one) + abs(other)
    return total_q, total_u, size


@numba.njit(cache=True, nogil=True)
def turned_means(q, u, cos, sin, out_q, out_u, least):
    """Put means of Q and U, carried along great circles to the new cells' centres, into ``out_q`` and ``out_u``.

    ``q``, ``u`` are of four faces that are turns of each other by 90° (rows), whose cells thus share what
    :func:`turns` gives. U is of the COSMO sense. Returns how many values are infinite or as large as UNSEEN.
    """
    faces, cells = q.shape
    inside = cells // out_q.shape[1]
    wrong = 0
    for face in range(faces):
        for new in range(out_q.shape[1]):
            start, end = new * inside, (new + 1) * inside
            total_q, total_u, size = _turned_sums(
                q[face, start:end], u[face, start:end], cos[start:end], sin[start:end]
            )
            if size < UNSEEN_FROM:  # all were observed
                out_q[face, new], out_u[face, new] = total_q / inside, total_u / inside
                continue
            total_q, total_u, count = 0.0, 0.0, 0
            for old in range(start, end):
                one, other = q[face, old], u[face, old]
                if abs(one) < UNSEEN_FROM and abs(other) < UNSEEN_FROM:
                    total_q += one * cos[old] - other * sin[old]
                    total_u += one * sin[old] + other * cos[old]
                    count += 1
                else:
                    wrong += not (math.isnan(one) or abs(one) < UNSEEN_FROM)
                    wrong += not (math.isnan(other) or abs(other) < UNSEEN_FROM)
            kept = count > 0 and count >= least * inside
            out_q[face, new] = total_q / count if kept else np.nan
            out_u[face, new] = total_u / count if kept else np.nan
    return wrong


@numba.njit(cache=True, nogil=True)
def turned_copies(q, u, cos, sin, out_q, out_u):
    """Put Q and U of large cells into the small ones inside, carried along great circles; the inverse of the means."""
    faces, cells = out_q.shape
    inside = cells // q.shape[1]
    for face in range(faces):
        for old in range(q.shape[1]):
            for new in range(old * inside, (old + 1) * inside):
                out_q[face, new] = q[face, old] * cos[new] + u[face, old] * sin[new]
                out_u[face, new] = u[face, old] * cos[new] - q[face, old] * sin[new]

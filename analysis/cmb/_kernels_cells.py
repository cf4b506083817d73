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
def turned_means(q, u, theta, phi, new_theta, new_phi, out_q, out_u, least):
    """Put means of Q and U, carried along great circles to the new cells' centres, into ``out_q`` and ``out_u``.

    ``q``, ``u`` are of four faces that are turns of each other by 90° (rows), whose cells thus share their angles.
    U is of the COSMO sense. Returns how many values are infinite or as large as UNSEEN.
    """
    faces, cells = q.shape
    inside = cells // new_theta.size
    wrong = 0
    total_q, total_u, count = np.zeros(faces), np.zeros(faces), np.zeros(faces)
    for new in range(new_theta.size):
        total_q[:], total_u[:], count[:] = 0.0, 0.0, 0.0
        cos0, sin0 = math.cos(new_theta[new]), math.sin(new_theta[new])
        for old in range(new * inside, (new + 1) * inside):
            cos2, sin2 = 1.0, 0.0
            if inside > 1:
                cos1, sin1 = math.cos(theta[old]), math.sin(theta[old])
                across, along = math.sin(new_phi[new] - phi[old]), math.cos(new_phi[new] - phi[old])
                # directions of the great circle, south and east, where it leaves and where it arrives
                south, east = cos1 * sin0 * along - sin1 * cos0, sin0 * across
                south0, east0 = sin0 * cos1 - cos0 * sin1 * along, sin1 * across
                real, imag = south0 * south + east0 * east, east0 * south - south0 * east
                square = real * real + imag * imag
                if square > 0.0:
                    cos2, sin2 = (real * real - imag * imag) / square, 2.0 * real * imag / square
            for face in range(faces):
                one, other = q[face, old], u[face, old]
                if abs(one) < UNSEEN_FROM and abs(other) < UNSEEN_FROM:
                    total_q[face] += one * cos2 - other * sin2
                    total_u[face] += one * sin2 + other * cos2
                    count[face] += 1.0
                else:
                    wrong += not (math.isnan(one) or abs(one) < UNSEEN_FROM)
                    wrong += not (math.isnan(other) or abs(other) < UNSEEN_FROM)
        for face in range(faces):
            seen = count[face] > 0 and count[face] >= least * inside
            out_q[face, new] = total_q[face] / count[face] if seen else np.nan
            out_u[face, new] = total_u[face] / count[face] if seen else np.nan
    return wrong


@numba.njit(cache=True, nogil=True)
def turned_copies(q, u, theta, phi, old_theta, old_phi, out_q, out_u):
    """Put Q and U of large cells into the small ones inside, carried along great circles; the inverse of the means."""
    faces, cells = out_q.shape
    inside = cells // old_theta.size
    for old in range(old_theta.size):
        cos0, sin0 = math.cos(old_theta[old]), math.sin(old_theta[old])
        for new in range(old * inside, (old + 1) * inside):
            cos2, sin2 = 1.0, 0.0
            if inside > 1:
                cos1, sin1 = math.cos(theta[new]), math.sin(theta[new])
                across, along = math.sin(old_phi[old] - phi[new]), math.cos(old_phi[old] - phi[new])
                south, east = cos1 * sin0 * along - sin1 * cos0, sin0 * across
                south0, east0 = sin0 * cos1 - cos0 * sin1 * along, sin1 * across
                real, imag = south0 * south + east0 * east, east0 * south - south0 * east
                square = real * real + imag * imag
                if square > 0.0:
                    cos2, sin2 = (real * real - imag * imag) / square, 2.0 * real * imag / square
            for face in range(faces):
                out_q[face, new] = q[face, old] * cos2 + u[face, old] * sin2
                out_u[face, new] = u[face, old] * cos2 - q[face, old] * sin2

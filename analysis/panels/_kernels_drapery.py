"""Line integral convolution, compiled: noise smeared along headless directions."""

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, inline="always")
def _noise(column, row):
    """Return a number from −1/2 to 1/2 that belongs to a pixel of the plane, whatever part of it is seen."""
    mixed = np.uint64(column) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(row) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.float32(np.int64((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)) / 16777216.0 - 0.5)


@numba.njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"})
def smeared(cosine, sine, weight, start, step, seen, corner, reach, power, out):
    """Put noise, smeared along the directions, into ``out``: unit variance wherever it is; power into ``power``.

    ``cosine`` and ``sine`` are of twice the angle in pixels (columns, rows), times the power, at nodes; ``weight`` is
    1 where a node has them, else 0. Pixel 0 lies at ``start`` (column, row) of the nodes, ``step`` of them apart.
    """
    height, width = seen.shape
    held = np.zeros((height, width, 4), np.float32)  # across, up, noise, whether there is a direction: side by side
    for row in range(height):
        at = start[1] + row * step
        low = min(max(int(at), 0), cosine.shape[0] - 2)
        part = np.float32(at - low)
        for column in range(width):
            power[row, column] = 0.0
            if not seen[row, column]:
                continue
            place = start[0] + column * step
            left = min(max(int(place), 0), cosine.shape[1] - 2)
            share = np.float32(place - left)
            c = s = total = np.float32(0)
            for down in range(2):
                for right in range(2):
                    near = (part if down else 1 - part) * (share if right else 1 - share)
                    near *= weight[low + down, left + right]
                    c += near * cosine[low + down, left + right]
                    s += near * sine[low + down, left + right]
                    total += near
            size = math.sqrt(c * c + s * s)
            if size > 0:
                power[row, column] = size / total
                held[row, column, 0] = math.sqrt(abs(1 + c / size) / 2)  # half the angle: −90° to 90°
                held[row, column, 1] = math.copysign(math.sqrt(abs(1 - c / size) / 2), s)
                held[row, column, 2] = _noise(corner[0] + column, corner[1] + row)
                held[row, column, 3] = 1.0
    window = np.empty(reach + 1, np.float32)
    for far in range(reach + 1):
        window[far] = 0.5 + 0.5 * math.cos(math.pi * far / (reach + 1))
    wide, high = np.float32(width), np.float32(height)
    for row in range(height):
        for column in range(width):
            out[row, column] = 0.0
            if held[row, column, 3] == 0:
                continue
            total, square = held[row, column, 2], np.float32(1)
            for end in range(2):
                sign = np.float32(2 * end - 1)
                x, y = np.float32(column + 0.5), np.float32(row + 0.5)
                dx, dy = sign * held[row, column, 0], sign * held[row, column, 1]
                for far in range(1, reach + 1):
                    x += dx
                    y += dy
                    if x < 0 or y < 0 or x >= wide or y >= high:
                        break
                    here = held[np.uint32(y), np.uint32(x)]
                    if here[3] == 0:
                        break
                    near = window[far]
                    total += near * here[2]
                    square += near * near
                    turn = np.float32(math.copysign(np.float32(1), here[0] * dx + here[1] * dy))
                    dx, dy = turn * here[0], turn * here[1]
            out[row, column] = total / math.sqrt(square / 12)

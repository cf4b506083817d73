"""Events folded at many trial frequencies at once."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def profiles(times: np.ndarray, frequency: np.ndarray, derivative: np.ndarray, bins: int) -> np.ndarray:
    """Return the counts in ``bins`` bins of phase for each pair of frequency and derivative."""
    found = np.zeros((frequency.size, bins), dtype=np.int64)
    for trial in range(frequency.size):
        spin, half = frequency[trial], 0.5 * derivative[trial]
        row = found[trial]
        for event in range(times.size):
            since = times[event]
            turns = since * (spin + half * since)
            turns -= np.floor(turns)
            place = int(turns * bins)
            if place == bins:  # a phase that rounds up to 1 is phase 0
                place = 0
            row[place] += 1
    return found

"""How powers are normalized, and what every power spectrum says of itself."""

from __future__ import annotations

import difflib
import warnings
from typing import Literal, TypeAlias

import numpy as np

from analysis.errors import AnalysisWarning, BadOption
from analysis.xray.inputs import Amount, amount
from analysis.xray.segmenting import Pieces

Normalization: TypeAlias = Literal["leahy", "fractional", "absolute"]

NORMS = {"leahy": "leahy", "fractional": "frac", "absolute": "abs"}  # our words, stingray's
UNITS = {"leahy": "1", "fractional": "Hz-1", "absolute": "ct2 s-2 Hz-1"}
LEAHY = "Leahy et al. (1983), ApJ 266, 160, doi:10.1086/160766"
BELLONI = "Belloni & Hasinger (1990), A&A 230, 103"
VAN_DER_KLIS = "van der Klis (1989), in Timing Neutron Stars, NATO ASI 262, 27, doi:10.1007/978-94-009-2273-0_3"
UTTLEY = "Uttley et al. (2014), A&A Rev. 22, 72, doi:10.1007/s00159-014-0072-0"
STINGRAY = "Huppenkothen et al. (2019), ApJ 881, 39, doi:10.3847/1538-4357/ab258d (stingray)"
CITED = {"leahy": [LEAHY], "fractional": [BELLONI], "absolute": [UTTLEY]}


def normalization_word(word: str, what: str) -> str:
    """Return a normalization that is known.

    Raises
    ------
    BadOption
        With the nearest words.
    """
    if word in NORMS:
        return str(word)
    near = difflib.get_close_matches(str(word), [*NORMS, *NORMS.values()], n=1, cutoff=0.3)
    meant = {short: full for full, short in NORMS.items()} | {full: full for full in NORMS}
    hint = f"; did you mean {meant[near[0]]!r}?" if near else ""
    raise BadOption(f"{what}: normalization={word!r} is none of {', '.join(map(repr, NORMS))}{hint}")


def frequency_range(frequencies: tuple[Amount, Amount], what: str) -> tuple[float, float]:
    """Return the two ends of a range of frequencies in Hz.

    Raises
    ------
    BadOption
        If it is no pair, or its ends are the wrong way round.
    """
    if isinstance(frequencies, str) or not hasattr(frequencies, "__len__") or len(frequencies) != 2:
        raise BadOption(f"{what}: frequencies={frequencies!r} is no pair such as (0.1, 10), in Hz")
    low, high = (amount(end, "Hz", "frequencies", bare=True) for end in frequencies)
    if not 0 <= low < high:
        raise BadOption(f"{what}: frequencies={frequencies!r} must be (low, high) in Hz with 0 ≤ low < high")
    return low, high


def noise_of(word: str, rate: float | np.ndarray) -> float | np.ndarray:
    """Return the power that Poisson counts make without dead time (stingray's ``poisson_level``).

    Examples
    --------
    >>> noise_of("leahy", 10.0), noise_of("fractional", 10.0), noise_of("absolute", 10.0)
    (2.0, 0.2, 20.0)
    """
    return {"leahy": 2.0, "fractional": 2.0 / rate, "absolute": 2.0 * rate}[word]


def attrs_of(cut: Pieces, used: int) -> dict[str, float | int | str]:
    """Return the attributes that say how the data were cut."""
    return {
        "segments": used,
        "segment": cut.length,
        "segment_units": "s",
        "bin_size": cut.bin_size,
        "bin_size_units": "s",
        "band": cut.band,
    }


def described(cut: Pieces, used: int) -> str:
    """Return how the data were cut as a part of a line of history."""
    return f"{used} segments of {cut.length:g} s, bins of {cut.bin_size:g} s, {cut.band}; {cut.note}"


def warn_of_empty(held: int, used: int, what: str) -> None:
    """Warn of pieces that were left out for want of events: what is left is brighter than the whole."""
    if used < held:
        warnings.warn(
            f"{what}: {held - used} of {held} segments hold fewer than two events and are left out, so that the mean "
            "rate is too high; take longer segments",
            AnalysisWarning,
            stacklevel=4,
        )

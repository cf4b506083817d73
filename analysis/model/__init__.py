"""The ground floor: units, time scales, provenance and the data contract.

Everything that leaves Sankō is an xarray object that passes :func:`check`.
"""

from analysis.model.clocks import span, to_utc, utc, utc_of_clock
from analysis.model.contract import breaches, check
from analysis.model.flags import PLAIN, bearing, bits_of, words_of
from analysis.model.provenance import derived, history_with, is_synthetic, provenance_of, stamp
from analysis.model.units import in_units, labelled, unit_of, unit_text
from analysis.model.words import near

__all__ = [
    "PLAIN",
    "bearing",
    "bits_of",
    "breaches",
    "check",
    "derived",
    "history_with",
    "in_units",
    "is_synthetic",
    "labelled",
    "near",
    "provenance_of",
    "span",
    "stamp",
    "to_utc",
    "unit_of",
    "unit_text",
    "utc",
    "utc_of_clock",
    "words_of",
]

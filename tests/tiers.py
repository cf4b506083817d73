"""How much each tier tries: hypothesis examples a few in quick, many in long."""

import os

FACTORS = {"quick": 0.1, "default": 1.0, "long": 20.0}


def examples(number: int) -> int:
    """Return how many examples to try where the default tier tries ``number``; at least five."""
    return max(5, round(number * FACTORS[os.environ.get("SANKO_TIER", "default")]))

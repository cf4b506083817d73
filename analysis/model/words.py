"""Help with words that are nearly right: a model's, a unit's, an instrument's name."""

from __future__ import annotations

from collections.abc import Iterable


def near(word: object, known: Iterable[str]) -> str:
    """Return a question after the known words that are nearest to an unknown one; nothing if none is.

    Examples
    --------
    >>> near("powerlow", ["powerlaw", "tbabs"])
    "; did you mean 'powerlaw'?"
    >>> near("xyz", ["powerlaw", "tbabs"])
    ''
    """
    from difflib import get_close_matches

    lower = {name.lower(): name for name in known}
    found = get_close_matches(str(word).lower(), lower, n=2, cutoff=0.5)
    found.sort(key=lambda name: name[:1] != str(word).lower()[:1])  # a first letter is seldom wrong
    return f"; did you mean {' or '.join(repr(lower[name]) for name in found)}?" if found else ""

"""The ESA-JAXA programmes, and what Sankō offers each today: an honest table, kept in ``missions.toml``."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pandas as pd

from analysis.errors import AnalysisError, BadOption

COLUMNS = ("programme", "agencies", "field", "phase", "phase_source", "data", "offers", "products")

__all__ = ["table"]


def table(text: str = "") -> pd.DataFrame:
    """Return the programmes in which every word of ``text`` occurs, one row each.

    Parameters
    ----------
    text : str, optional
        Words that must all occur somewhere in a row, in any letter case; all rows for an empty text.
        What matches nothing gives an empty table.

    Returns
    -------
    pandas.DataFrame
        Columns ``programme``, ``agencies`` (tuple), ``field``, ``phase`` with its ``phase_source`` (document
        and date), ``data`` (where they are or will be), ``offers`` (what Sankō has today, or "Not yet") and
        ``products`` (tuple of names that ``search`` knows).

    Raises
    ------
    BadOption
        If ``text`` is not text.
    AnalysisError
        If the table that ships has a row with other keys.

    Examples
    --------
    >>> table("mercury").programme.tolist()
    ['BepiColombo']
    >>> len(table("no such thing"))
    0
    """
    if not isinstance(text, str):
        raise BadOption(f"missions takes words, for example missions('litebird'), not {text!r}")
    rows = tomllib.loads((files("analysis") / "missions.toml").read_text("utf-8"))["programme"]
    for row in rows:
        if set(row) != set(COLUMNS):
            raise AnalysisError(f"missions.toml: {row.get('programme', row)!r} has not just {', '.join(COLUMNS)}")
    tuples = [{key: tuple(v) if isinstance(v, list) else v for key, v in row.items()} for row in rows]
    words = text.lower().split()
    kept = [row for row in tuples if all(word in _words(row) for word in words)]
    return pd.DataFrame(kept, columns=list(COLUMNS))


def _words(row: dict) -> str:
    return " ".join(" ".join(v) if isinstance(v, tuple) else v for v in row.values()).lower()

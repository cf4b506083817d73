"""Sankō (三光): plasma environments, X-ray sources and CMB polarization through one grammar.

``from analysis import plasma, xray, cmb`` gives the three fields; each has the verbs ``search``, ``fetch``,
``collect``, ``view`` and ``explore``. This module imports nothing, so that each user pays only for what is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from analysis.browser import browse

__version__ = "0.1.0"
__all__ = [
    "archives",
    "browse",
    "cmb",
    "errors",
    "formats",
    "missions",
    "model",
    "panels",
    "plasma",
    "sample",
    "store",
    "xray",
]

_MODULES = {"archives", "cmb", "errors", "formats", "model", "panels", "plasma", "sample", "store", "xray"}


def missions(text: str = "") -> pd.DataFrame:
    """Return the ESA-JAXA programmes that Sankō serves, one row each.

    Parameters
    ----------
    text : str, optional
        Words that must all occur in a row, in any letter case.

    Returns
    -------
    pandas.DataFrame
        Columns ``programme, agencies, field, phase, phase_source, data, offers, products``.

    Examples
    --------
    >>> import analysis
    >>> list(analysis.missions("litebird").programme)
    ['LiteBIRD']
    """
    from analysis.programmes import table

    return table(text)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        from importlib import import_module

        return import_module(f"analysis.{name}")
    if name == "browse":
        from analysis.browser import browse

        return browse
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

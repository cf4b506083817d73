"""Absorption as factors of a model: see :mod:`analysis.xray.absorbers` for the cross sections."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from analysis.xray.absorbers import TABLES, sigma_at
from analysis.xray.models import Array, Component, Parameter, Shape

COLUMN = 1e22  # hydrogen columns are counted in 1e22 per cm2, as in XSPEC


def _absorber(word: str) -> Component:
    """An absorber at rest, σ at the middles of the bins."""
    _, abundances, atomic, paper = TABLES[word]

    def on(low: Array, high: Array) -> Shape:
        depth = COLUMN * sigma_at((low + high) / 2, word)
        return lambda pars: np.exp(-pars[0] * depth)

    def slopes_on(low: Array, high: Array) -> Shape:
        depth = COLUMN * sigma_at((low + high) / 2, word)
        return lambda pars: (-depth * np.exp(-pars[0] * depth))[None]

    return Component(
        word,
        "multiplicative",
        (Parameter("nh", 0.1, "1e22 cm-2", 0.0, 1e6, (1e-3, 10.0), long_name="Hydrogen column density"),),
        on=on,
        slopes_on=slopes_on,
        about=MappingProxyType(
            {
                "description": "Photoelectric absorption",
                "abundances": abundances,
                "cross_sections": atomic,
                "references": paper,
            }
        ),
    )


COMPONENTS: dict[str, Callable[[], Component]] = {
    "tbabs": lambda: _absorber("tbabs"),
    "phabs": lambda: _absorber("phabs"),
    "wabs": lambda: _absorber("wabs"),
}

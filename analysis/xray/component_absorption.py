"""Absorption as factors of a model: see :mod:`analysis.xray.absorbers` for the cross sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from analysis.xray.absorbers import TABLES, sigma_at
from analysis.xray.component_parts import redshifted
from analysis.xray.models import Array, Component, Parameter, Shape

COLUMN = 1e22  # hydrogen columns are counted in 1e22 per cm2, as in XSPEC


def _column(value: float = 0.1) -> Parameter:
    return Parameter("nh", value, "1e22 cm-2", 0.0, 1e6, (1e-3, 10.0), long_name="Hydrogen column density")


def _about(table: str, description: str) -> Mapping[str, str]:
    _, abundances, atomic, paper = TABLES[table]
    return MappingProxyType(
        {"description": description, "abundances": abundances, "cross_sections": atomic, "references": paper}
    )


def _absorber(word: str) -> Component:
    """An absorber at rest, σ at the middles of the bins."""

    def on(low: Array, high: Array) -> Shape:
        depth = COLUMN * sigma_at((low + high) / 2, word)
        return lambda pars: np.exp(-pars[0] * depth)

    def slopes_on(low: Array, high: Array) -> Shape:
        depth = COLUMN * sigma_at((low + high) / 2, word)
        return lambda pars: (-depth * np.exp(-pars[0] * depth))[None]

    about = _about(word, "Photoelectric absorption")
    return Component(word, "multiplicative", (_column(),), on=on, slopes_on=slopes_on, about=about)


def _partly(word: str, table: str) -> Component:
    """An absorber that covers a part of the source."""

    def on(low: Array, high: Array) -> Shape:
        depth = COLUMN * sigma_at((low + high) / 2, table)
        # 1 - f (1 - e^-τ): exact also where τ is small
        return lambda pars: 1 + pars[1] * np.expm1(-pars[0] * depth)

    def slopes_on(low: Array, high: Array) -> Shape:
        depth = COLUMN * sigma_at((low + high) / 2, table)
        return lambda pars: np.vstack(
            [-pars[1] * depth * np.exp(-pars[0] * depth), np.expm1(-pars[0] * depth)],
        )

    covered = Parameter("covering_fraction", 0.5, "1", 0.0, 1.0, (0.05, 0.95), long_name="Part of the source covered")
    about = _about(table, "Photoelectric absorption of a part of the source")
    return Component(word, "multiplicative", (_column(1.0), covered), on=on, slopes_on=slopes_on, about=about)


def _far(word: str, near: Component) -> Component:
    """An absorber at a redshift."""
    return redshifted(word, near, f"{near.about['description']} at a redshift")


COMPONENTS: dict[str, Callable[[], Component]] = {
    "tbabs": lambda: _absorber("tbabs"),
    "phabs": lambda: _absorber("phabs"),
    "wabs": lambda: _absorber("wabs"),
    "ztbabs": lambda: _far("ztbabs", _absorber("tbabs")),
    "zphabs": lambda: _far("zphabs", _absorber("phabs")),
    "zwabs": lambda: _far("zwabs", _absorber("wabs")),
    "pcfabs": lambda: _partly("pcfabs", "phabs"),
    "zpcfabs": lambda: _far("zpcfabs", _partly("zpcfabs", "phabs")),
}

"""The words of the model language, and what each means: see :mod:`analysis.xray.models`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from analysis.errors import BadOption
from analysis.model import near
from analysis.xray import (
    component_absorption,
    component_continua,
    component_convolutions,
    component_factors,
    component_lines,
    component_plasma,
    component_thermal,
    xspec_components,
)
from analysis.xray.models import Component, stem_of

# one function a word; each makes its component anew
COMPONENTS: dict[str, Callable[[], Component]] = {
    **component_absorption.COMPONENTS,
    **component_continua.COMPONENTS,
    **component_thermal.COMPONENTS,
    **component_lines.COMPONENTS,
    **component_plasma.COMPONENTS,
    **component_factors.COMPONENTS,
    **component_convolutions.COMPONENTS,
}


def component(word: str, *, also: Iterable[str] = (), options: Mapping[str, str] | None = None) -> Component:
    """Return the component of a word; one that starts with ``xspec.`` is XSPEC's own.

    Raises
    ------
    BadOption
        For an unknown word, with near matches, or an option that the component does not know.
    ImportError
        If XSPEC's library is asked for and not installed.
    """
    if word.startswith(xspec_components.PREFIX):
        return xspec_components.component(stem_of(word), options or {})
    word = word if word in COMPONENTS else stem_of(word)
    if word in component_plasma.WITH_OPTIONS:
        return component_plasma.WITH_OPTIONS[word](options or {})
    if word in COMPONENTS and options:
        raise BadOption(
            f"{word} takes numbers in its brackets, not {', '.join(f'{k}={v!r}' for k, v in options.items())}"
        )
    if word in COMPONENTS:
        return COMPONENTS[word]()
    known = [*COMPONENTS, *also]
    raise BadOption(f"{word!r} is no component of models{near(word, known)}; xray.model_components() lists them")


def model_components() -> pd.DataFrame:
    """Return the components that models are made of.

    Returns
    -------
    pandas.DataFrame
        One row a component: ``word, kind, parameters`` (with units and start values), ``description, references``.

    Examples
    --------
    >>> "powerlaw" in set(model_components()["word"])
    True
    """
    rows = []
    for word, make in COMPONENTS.items():
        made = make()
        told = [f"{p.name}={p.value:g}{'' if p.units == '1' else ' ' + p.units}" for p in made.parameters]
        rows.append(
            {
                "word": word,
                "kind": made.kind,
                "parameters": ", ".join(told),
                "description": made.about.get("description", ""),
                "references": made.about.get("references", ""),
            }
        )
    return pd.DataFrame(rows)

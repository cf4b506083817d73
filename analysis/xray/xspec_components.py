"""XSPEC's own models as components of the model language: ``xspec.nthComp``, ``xspec.TBabs`` …"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from analysis.errors import BadOption
from analysis.model import near
from analysis.xray import xspec_library as library
from analysis.xray.models import Array, Component, Inner, Kind, Parameter, Shape

PREFIX = "xspec."
SPREAD = 30  # a start is looked for within this factor of the default, where the bounds are wider
# Units that model.dat writes, as astropy reads them; what is not here has none that can be read.
UNITS = {
    "keV": "keV",
    "eV": "eV",
    "cm^-3": "cm-3",
    "10^22": "1e22 cm-2",
    "10^22 atoms/cm^2": "1e22 cm-2",
    "km/s": "km s-1",
    "Mpc": "Mpc",
    "kpc": "kpc",
    "solar": "solMass",
    "deg": "deg",
    "A": "Angstrom",
    "Gauss": "G",
    "Hz": "Hz",
    "s": "s",
    "km": "km",
    "cm": "cm",
    "yr": "yr",
    "10^12 G": "1e12 G",
    "GeV": "GeV",
}


def component(word: str, options: Mapping[str, str]) -> Component:
    """Return one of XSPEC's models as a component, ``word`` with ``xspec.`` before it.

    Raises
    ------
    ImportError
        If the extra is not installed.
    BadOption
        If there is no such model, it needs data that are not there, or an option is unknown.
    """
    name = word.removeprefix(PREFIX)
    known = library.definitions()
    if name not in known:
        raise BadOption(_refusal(name, known))
    matters = library.settings_of(name)
    if odd := [key for key in options if key not in matters]:
        raise BadOption(f"{word} takes no {odd[0]}={options[odd[0]]!r}{f': it takes {matters}' if matters else ''}")
    for key, value in options.items():
        library.refuse_option(key, value)
    chosen = {key: options.get(key, library.DEFAULTS[key]) for key in matters}
    held = known[name]
    about = {
        **chosen,
        "library": f"XSPEC's model functions, {library.version()}",
        "references": "Arnaud (1996), ASP Conf. Ser. 101, 17",
    }
    parameters = tuple(_parameter(*fields) for fields in held.parameters)
    if held.kind == "convolution":
        return Component(
            word,
            "convolution",
            parameters,
            convolve=_convolution(held, chosen),
            linear=False,
            about=MappingProxyType(about),
            options=MappingProxyType(dict(options)),
        )
    if held.kind == "additive":
        parameters = (*parameters, Parameter("norm", 1.0, "1", 0.0, 1e24, (1e-10, 1e4), long_name="Norm"))
    return Component(
        word,
        held.kind,
        parameters,
        on=_shape(held, chosen),
        about=MappingProxyType(about),
        options=MappingProxyType(dict(options)),
    )


def xspec_models() -> pd.DataFrame:
    """Return the models of XSPEC's library that can be used here, called ``xspec.NAME`` in expressions.

    Returns
    -------
    pandas.DataFrame
        One row a model: ``word, kind, parameters`` (with units and start values; frozen ones marked).

    Raises
    ------
    ImportError
        If the extra is not installed: ``pip install "sanko[xspec]"``.

    Notes
    -----
    Abundances and cross sections are those that XSPEC starts with, angr and vern, unless a component is given others:
    ``xspec.TBabs(abundances="wilm")``; results name them. The extra has no data files, so models that need some (apec,
    nei, kerrbb, laor …) are left out and refused. Where HEADAS names a whole HEASOFT, its library and data are used,
    and all its models are listed; that was not tried.

    Examples
    --------
    >>> "xspec.nthComp" in set(xspec_models()["word"])
    True
    """
    rows = []
    for name, held in library.definitions().items():
        told = []
        for fields in held.parameters:
            p = _parameter(*fields)
            unit = "" if p.units == "1" else f" {p.units}"
            told.append(f"{p.name}={p.value:g}{unit}{' (frozen)' if p.frozen else ''}")
        kind: Kind = held.kind
        rows.append({"word": f"{PREFIX}{name}", "kind": kind, "parameters": ", ".join(told)})
    return pd.DataFrame(rows)


def _refusal(name: str, known: Mapping[str, library.Definition]) -> str:
    if name in library.all_names():
        return (
            f"xspec.{name} is not used here: it needs data files that the extra has not, and would end Python or give "
            "wrong numbers without them. Point HEADAS to a whole HEASOFT, or see xray.xspec_models() for what works"
        )
    return f"XSPEC has no model {name!r}{near(name, known)}; xray.xspec_models() lists those that can be used"


def _parameter(
    name: str, unit: str, value: float, low: float, soft_low: float, soft_high: float, high: float, frozen: bool
) -> Parameter:
    search = (soft_low, soft_high) if np.isfinite(soft_high - soft_low) and soft_low < soft_high else None
    if search and value > 0 and soft_high > SPREAD * value:  # bounds of a column reach 1e5: none looks there
        search = max(soft_low, value / SPREAD), min(soft_high, value * SPREAD)
    known = UNITS.get(unit, "1")
    told = name if known != "1" or unit in ("", '" "') else f"{name} ({unit})"
    return Parameter(name, value, known, low, high, search, frozen, told)


def _shape(held: library.Definition, options: dict[str, str]) -> Callable[[Array, Array], Shape]:
    def on(low: Array, high: Array) -> Shape:
        edges, first, last = _edges(low, high)

        def values(pars: Array) -> Array:
            made = library.called(held, edges, pars, np.zeros(edges.size - 1), options)
            return _in_bins(made, edges, first, last, mean=held.kind == "multiplicative")

        return values

    return on


def _convolution(held: library.Definition, options: dict[str, str]) -> Callable[[Array, Array, Array, Inner], Array]:
    def convolve(low: Array, high: Array, pars: Array, inner: Inner) -> Array:
        edges, first, last = _edges(low, high)
        flux = inner(edges[:-1], edges[1:])
        rows = np.atleast_2d(flux)
        made = np.array([library.called(held, edges, pars, row, options) for row in rows])
        binned = np.array([_in_bins(row, edges, first, last, mean=False) for row in made])
        return binned[0] if flux.ndim == 1 else binned

    return convolve


def _edges(low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Edges that hold all bins, increasing as XSPEC needs them, and where each bin starts and ends among them."""
    edges = np.concatenate([low, high[-1:]])
    if low.size == 1 or (np.array_equal(low[1:], high[:-1]) and (np.diff(edges) > 0).all()):
        return edges, np.arange(low.size), np.arange(1, low.size + 1)
    edges = np.unique(np.concatenate([low, high]))
    return edges, np.searchsorted(edges, low), np.searchsorted(edges, high)


def _in_bins(made: Array, edges: Array, first: Array, last: Array, *, mean: bool) -> Array:
    """Sums, or means by width, over the steps that each bin holds."""
    if (last - first == 1).all():
        return made[first]
    width = np.diff(edges)
    running = np.concatenate([[0.0], np.cumsum(made * width if mean else made)])
    total = running[last] - running[first]
    return total / (edges[last] - edges[first]) if mean else total

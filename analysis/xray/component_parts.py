"""What the modules of components share: norms, redshifts, and how a component is made of a density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from analysis.xray.models import Array, Component, Parameter, Shape
from analysis.xray.quadrature import nodes

XSPEC = "Arnaud, Dorman & Gordon, XSPEC: An X-ray Spectral Fitting Package, User's Guide (HEASARC)"
PER_KEV = "ph cm-2 s-1 keV-1"
PHOTONS = "ph cm-2 s-1"


def norm(units: str, long_name: str, value: float = 1.0) -> Parameter:
    """Return the norm of an additive component."""
    return Parameter("norm", value, units, 0.0, 1e24, (1e-10, 1e4), long_name=long_name)


def redshift() -> Parameter:
    """Return a redshift, which is fixed unless thawed."""
    return Parameter("redshift", 0.0, "1", -0.999, 10.0, (0.0, 2.0), frozen=True, long_name="Redshift")


def told(description: str, references: str, **more: str) -> MappingProxyType[str, str]:
    """Return what a component says of itself."""
    return MappingProxyType({"description": description, "references": references, **more})


def of_density(density: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Shape]:
    """Return ``on`` of a component from its photons per keV at energies, ``density(energy, parameters)``."""

    def on(low: Array, high: Array) -> Shape:
        at = nodes(low, high)
        return lambda pars: at.integral_of(lambda energy: density(energy, pars))

    return on


def at_middles(factor: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Shape]:
    """Return ``on`` of a factor that is taken at the middles of the bins, ``factor(energy, parameters)``."""

    def on(low: Array, high: Array) -> Shape:
        energy = (low + high) / 2

        def shape(pars: Array) -> Array:
            with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
                return factor(energy, pars)

        return shape

    return on


def redshifted(word: str, base: Component, description: str) -> Component:
    """Return a component as it is seen from redshift z: its energies are E (1 + z).

    Photons of an additive one come (1 + z) times as seldom: the number in the bin at E (1 + z) over 1 + z.
    """
    assert base.on is not None
    make, additive = base.on, base.kind == "additive"

    def on(low: Array, high: Array) -> Shape:
        held: list[tuple[float, Shape]] = []  # the last redshift: while it stays, nothing is made anew

        def shape(pars: Array) -> Array:
            z = float(pars[-1])
            if not held or held[0][0] != z:
                held[:] = [(z, make(low * (1 + z), high * (1 + z)))]
            rest = held[0][1](pars[:-1])
            return rest / (1 + z) if additive else rest

        return shape

    own = (*base.parameters[:-1], redshift(), base.parameters[-1]) if additive else (*base.parameters, redshift())
    about = MappingProxyType({**base.about, "description": description})
    return replace(base, word=word, parameters=own, on=on, slopes_on=None, about=about)

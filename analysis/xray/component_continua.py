"""Continua: components that make photons over a wide range of energies, integrated over each bin."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from analysis.xray.emission import powers_integrated
from analysis.xray.models import Array, Component, Parameter, Shape

XSPEC = "Arnaud, Dorman & Gordon, XSPEC: An X-ray Spectral Fitting Package, User's Guide (HEASARC)"
PER_KEV = "ph cm-2 s-1 keV-1"


def norm(units: str, long_name: str, value: float = 1.0) -> Parameter:
    """Return the norm of an additive component."""
    return Parameter("norm", value, units, 0.0, 1e24, (1e-10, 1e4), long_name=long_name)


def powerlaw() -> Component:
    """Return a power law, K E^-Γ, integrated exactly."""

    def on(low: Array, high: Array) -> Shape:
        return lambda pars: powers_integrated(low, high, 1.0 - pars[0])

    return Component(
        "powerlaw",
        "additive",
        (
            Parameter("photon_index", 1.0, "1", -3.0, 10.0, (0.0, 4.0), long_name="Photon index Γ"),
            norm(PER_KEV, "Photon flux density at 1 keV"),
        ),
        on=on,
        about=MappingProxyType({"description": "Power law", "references": f"{XSPEC}, powerlaw"}),
    )


def constant() -> Component:
    """Return a factor that is the same at all energies."""
    return Component(
        "constant",
        "multiplicative",
        (Parameter("factor", 1.0, "1", 0.0, 1e10, (0.1, 10.0), long_name="Factor"),),
        on=lambda low, high: lambda pars: np.full(low.shape, pars[0]),
        slopes_on=lambda low, high: lambda pars: np.ones((1, *low.shape)),
        about=MappingProxyType({"description": "Factor at all energies", "references": f"{XSPEC}, constant"}),
    )


COMPONENTS: dict[str, Callable[[], Component]] = {"powerlaw": powerlaw, "constant": constant}

"""Factors of a model that are not photoelectric absorption by a table: edges, cut-offs, absorption lines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.xray.component_lines import line_energy, line_width, normal_within
from analysis.xray.component_parts import XSPEC, at_middles, redshifted, told
from analysis.xray.models import Array, Component, Parameter, Shape


def constant() -> Component:
    """Return a factor that is the same at all energies."""
    return Component(
        "constant",
        "multiplicative",
        (Parameter("factor", 1.0, "1", 0.0, 1e10, (0.1, 10.0), long_name="Factor"),),
        on=lambda low, high: lambda pars: np.full(low.shape, pars[0]),
        slopes_on=lambda low, high: lambda pars: np.ones((1, *low.shape)),
        about=told("Factor at all energies", f"{XSPEC}, constant"),
    )


def _energy(name: str, value: float, low: float, high: float, what: str) -> Parameter:
    return Parameter(name, value, "keV", low, high, (0.1, 30.0), long_name=what)


def edge() -> Component:
    """Return an absorption edge, exp(-τ (E/E_edge)^-3) above its energy.

    The bin that the edge cuts lets through the mean of its two parts, so that the model moves with the edge.
    """

    def on(low: Array, high: Array) -> Shape:
        def shape(pars: Array) -> Array:
            threshold, depth = pars
            begin = np.clip(threshold, low, high)
            part = (high - begin) / (high - low)
            passed = np.exp(-depth * (threshold / ((begin + high) / 2)) ** 3)
            return 1 - part + part * passed

        return shape

    return Component(
        "edge",
        "multiplicative",
        (
            _energy("edge_energy", 7.0, 0.0, 100.0, "Energy of the edge"),
            Parameter("max_tau", 1.0, "1", 0.0, 10.0, (0.01, 3.0), long_name="Optical depth at the edge"),
        ),
        on=on,
        about=told("Absorption edge", f"{XSPEC}, edge"),
    )


def expabs() -> Component:
    """Return an exponential roll-off towards low energies, exp(-E_c / E)."""
    return Component(
        "expabs",
        "multiplicative",
        (_energy("cutoff_energy", 2.0, 0.0, 200.0, "e-folding energy of the roll-off"),),
        on=at_middles(lambda energy, pars: np.exp(-pars[0] / energy)),
        about=told("Exponential roll-off at low energies", f"{XSPEC}, expabs"),
    )


def highecut() -> Component:
    """Return an exponential roll-off above a cut-off energy, exp((E_c - E) / E_f)."""
    return Component(
        "highecut",
        "multiplicative",
        (
            _energy("cutoff_energy", 10.0, 1e-4, 1e6, "Energy at which the roll-off begins"),
            _energy("fold_energy", 15.0, 1e-4, 1e6, "e-folding energy of the roll-off"),
        ),
        on=at_middles(lambda energy, pars: np.exp(-np.maximum(energy - pars[0], 0.0) / pars[1])),
        about=told("Exponential roll-off at high energies", f"{XSPEC}, highecut"),
    )


def gabs() -> Component:
    """Return a Gaussian absorption line; its optical depth is averaged over each bin."""

    def on(low: Array, high: Array) -> Shape:
        def shape(pars: Array) -> Array:
            energy, sigma, strength = pars
            return np.exp(-strength * normal_within(low, high, energy, sigma) / (high - low))

        return shape

    return Component(
        "gabs",
        "multiplicative",
        (
            line_energy(1.0),
            line_width("sigma", 0.01, "Standard deviation"),
            Parameter("strength", 1.0, "keV", 0.0, 1e6, (1e-3, 10.0), long_name="Optical depth times √(2π) sigma"),
        ),
        on=on,
        about=told("Gaussian absorption line", f"{XSPEC}, gabs"),
    )


COMPONENTS: dict[str, Callable[[], Component]] = {
    "constant": constant,
    "edge": edge,
    "zedge": lambda: redshifted("zedge", edge(), "Absorption edge at a redshift"),
    "expabs": expabs,
    "highecut": highecut,
    "zhighect": lambda: redshifted("zhighect", highecut(), "Exponential roll-off at high energies at a redshift"),
    "gabs": gabs,
    "zgabs": lambda: redshifted("zgabs", gabs(), "Gaussian absorption line at a redshift"),
}

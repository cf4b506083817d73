"""Emission lines, integrated exactly over each bin.

As in XSPEC the norm is what the line has above 0 keV: of a line broader than its energy the rest is left out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.xray.component_parts import PHOTONS, XSPEC, norm, redshifted, told
from analysis.xray.models import Array, Component, Parameter, Shape


def line_energy(value: float = 6.5) -> Parameter:
    """Return the energy of a line."""
    return Parameter("line_energy", value, "keV", 0.0, 1e6, (0.1, 12.0), long_name="Energy of the line")


def line_width(name: str, value: float, told: str) -> Parameter:
    """Return the width of a line; 0 for one that is narrower than any bin."""
    return Parameter(name, value, "keV", 0.0, 20.0, (1e-3, 1.0), long_name=told)


def within(low: Array, high: Array, energy: float) -> Array:
    """Return 1 in the bin that holds an energy, 0 elsewhere."""
    return ((low <= energy) & (energy < high)).astype(float)


def normal_within(low: Array, high: Array, energy: float, sigma: float) -> Array:
    """Return the share of a normal distribution that lies in each bin, exact also far out in its wings."""
    from scipy.special import ndtr

    if sigma == 0:
        return within(low, high, energy)
    with np.errstate(over="ignore"):
        a, b = (low - energy) / sigma, (high - energy) / sigma
    above = a > 0  # there both cumulative shares are 1 and their difference has no digits left
    return ndtr(np.where(above, -a, b)) - ndtr(np.where(above, -b, a))


def gaussian() -> Component:
    """Return a Gaussian line; with sigma=0 all its photons are in the bin that holds its energy."""
    from scipy.special import ndtr

    def on(low: Array, high: Array) -> Shape:
        def shape(pars: Array) -> Array:
            energy, sigma = pars
            return normal_within(low, high, energy, sigma) / (ndtr(energy / sigma) if sigma else 1.0)

        return shape

    def slopes_on(low: Array, high: Array) -> Shape:
        def slopes(pars: Array) -> Array:
            energy, sigma = pars
            if sigma == 0:
                return np.zeros((2, low.size))
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                a, b = (low - energy) / sigma, (high - energy) / sigma
                bells = [np.exp(-(x**2) / 2) / (np.sqrt(2 * np.pi) * sigma) for x in (a, b)]
                stretched = np.nan_to_num(a * bells[0]) - np.nan_to_num(b * bells[1])
            t = energy / sigma
            positive = ndtr(t)  # the part above 0 keV, and how it changes
            lost = normal_within(low, high, energy, sigma) / positive * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi) / sigma
            return np.vstack([bells[0] - bells[1] - lost, stretched + t * lost]) / positive

        return slopes

    return Component(
        "gaussian",
        "additive",
        (line_energy(), line_width("sigma", 0.1, "Standard deviation"), norm(PHOTONS, "Photons in the line")),
        on=on,
        slopes_on=slopes_on,
        about=told("Gaussian line", f"{XSPEC}, gaussian"),
    )


def lorentz() -> Component:
    """Return a Lorentzian line of a full width at half maximum."""

    def on(low: Array, high: Array) -> Shape:
        def shape(pars: Array) -> Array:
            energy, width = pars
            if width == 0:
                return within(low, high, energy)
            a, b = (low - energy) / (width / 2), (high - energy) / (width / 2)
            # the angle between a and b: the difference of two arcs loses its digits far out
            return np.arctan2(b - a, 1 + a * b) / (np.pi / 2 + np.arctan(2 * energy / width))

        return shape

    return Component(
        "lorentz",
        "additive",
        (line_energy(), line_width("width", 0.1, "Full width at half maximum"), norm(PHOTONS, "Photons in the line")),
        on=on,
        about=told("Lorentzian line", f"{XSPEC}, lorentz"),
    )


COMPONENTS: dict[str, Callable[[], Component]] = {
    "gaussian": gaussian,
    "zgauss": lambda: redshifted("zgauss", gaussian(), "Gaussian line at a redshift"),
    "lorentz": lorentz,
    "zlorentz": lambda: redshifted("zlorentz", lorentz(), "Lorentzian line at a redshift"),
}

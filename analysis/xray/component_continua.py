"""Power laws and their kin: components that make photons over a wide range of energies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.errors import BadOption
from analysis.xray.component_parts import PER_KEV, XSPEC, norm, of_density, redshifted, told
from analysis.xray.emission import powers_integrated
from analysis.xray.models import Array, Component, Parameter, Shape
from analysis.xray.quadrature import nodes

ERG_PER_KEV = 1.602176634e-9  # exact since 2019


def _index(name: str = "photon_index", value: float = 1.0) -> Parameter:
    return Parameter(name, value, "1", -3.0, 10.0, (0.0, 4.0), long_name="Photon index Γ")


def _energy(name: str, value: float, low: float, high: float, search: tuple[float, float], told: str) -> Parameter:
    return Parameter(name, value, "keV", low, high, search, long_name=told)


def powerlaw() -> Component:
    """Return a power law, K E^-Γ, integrated exactly."""

    def on(low: Array, high: Array) -> Shape:
        return lambda pars: powers_integrated(low, high, 1.0 - pars[0])

    def slopes_on(low: Array, high: Array) -> Shape:
        at = nodes(low, high)
        logs = np.log(at.energy)
        return lambda pars: at.summed(-logs * np.exp(-pars[0] * logs))[None]

    return Component(
        "powerlaw",
        "additive",
        (_index(), norm(PER_KEV, "Photon flux density at 1 keV")),
        on=on,
        slopes_on=slopes_on,
        about=told("Power law", f"{XSPEC}, powerlaw"),
    )


def cutoffpl() -> Component:
    """Return a power law with an exponential roll-over, K E^-Γ exp(-E / E_c)."""

    def slopes_on(low: Array, high: Array) -> Shape:
        at = nodes(low, high)
        logs = np.log(at.energy)

        def slopes(pars: Array) -> Array:
            density = np.exp(-pars[0] * logs - at.energy / pars[1])
            return np.vstack([at.summed(-logs * density), at.summed(density * at.energy) / pars[1] ** 2])

        return slopes

    return Component(
        "cutoffpl",
        "additive",
        (
            _index(),
            _energy("cutoff_energy", 15.0, 0.01, 500.0, (1.0, 300.0), "e-folding energy of the roll-over"),
            norm(PER_KEV, "Photon flux density at 1 keV without the roll-over"),
        ),
        on=of_density(lambda energy, pars: np.exp(-pars[0] * np.log(energy) - energy / pars[1])),
        slopes_on=slopes_on,
        about=told("Power law with an exponential roll-over", f"{XSPEC}, cutoffpl"),
    )


def _broken(word: str, breaks: int) -> Component:
    """Power laws joined at breaks: exact, each piece integrated by itself."""

    def on(low: Array, high: Array) -> Shape:
        def shape(pars: Array) -> Array:
            indices, ends = pars[0::2], pars[1::2]
            if (np.diff(ends) < 0).any():  # breaks out of order mean nothing; a fit turns back from there
                return np.full(low.shape, np.nan)
            total, factor = np.zeros(low.shape), 1.0
            for i, index in enumerate(indices):
                below = low if i == 0 else np.maximum(low, ends[i - 1])
                above = high if i == breaks else np.minimum(high, ends[i])
                inside = above > below
                total[inside] += factor * powers_integrated(below[inside], above[inside], 1.0 - index)
                if i < breaks:
                    factor *= ends[i] ** (indices[i + 1] - index)
            return total

        return shape

    own: list[Parameter] = []
    for i in range(breaks + 1):
        own.append(_index(f"photon_index_{i + 1}", 1.0 + i))
        if i < breaks:
            name = "break_energy" if breaks == 1 else f"break_energy_{i + 1}"
            own.append(_energy(name, 5.0 * (i + 1), 1e-4, 1e6, (0.1, 100.0), "Energy of the break"))
    return Component(
        word,
        "additive",
        (*own, norm(PER_KEV, "Photon flux density at 1 keV of the first power law")),
        on=on,
        about=told(f"Power law with {'a break' if breaks == 1 else 'two breaks'}", f"{XSPEC}, {word}"),
    )


def logpar() -> Component:
    """Return a log-parabola, K (E/E_1)^(-α - β log10(E/E_1))."""

    def density(energy: Array, pars: Array) -> Array:
        logs = np.log(energy / pars[2])
        return np.exp(-logs * (pars[0] + pars[1] * logs / np.log(10)))

    return Component(
        "logpar",
        "additive",
        (
            Parameter("alpha", 1.5, "1", 0.0, 4.0, (0.0, 4.0), long_name="Photon index at the pivot"),
            Parameter("beta", 0.2, "1", -4.0, 4.0, (-1.0, 1.0), long_name="Curvature, per decade"),
            Parameter("pivot_energy", 1.0, "keV", 1e-4, 1e4, frozen=True, long_name="Pivot energy"),
            norm(PER_KEV, "Photon flux density at the pivot energy"),
        ),
        on=of_density(density),
        about=told("Log-parabola", f"{XSPEC}, logpar; Massaro et al. (2004), A&A 413, 489"),
    )


def pegpwrlw() -> Component:
    """Return a power law whose norm is its energy flux between two energies."""

    def on(low: Array, high: Array) -> Shape:
        def shape(pars: Array) -> Array:
            index, below, above = pars
            if not below < above:
                raise BadOption(f"pegpwrlw needs e_min below e_max; they are {below:g} and {above:g} keV")
            ends = np.array([below]), np.array([above])
            return 1e-12 / ERG_PER_KEV * powers_integrated(low, high, 1.0 - index) / _energy_between(*ends, index)

        return shape

    return Component(
        "pegpwrlw",
        "additive",
        (
            _index(),
            Parameter("e_min", 2.0, "keV", 1e-6, 1e10, frozen=True, long_name="Lower end of the band of the norm"),
            Parameter("e_max", 10.0, "keV", 1e-6, 1e10, frozen=True, long_name="Upper end of the band of the norm"),
            norm("1e-12 erg cm-2 s-1", "Energy flux in the band, unabsorbed"),
        ),
        on=on,
        about=told("Power law with its energy flux in a band as norm", f"{XSPEC}, pegpwrlw"),
    )


def _energy_between(below: Array, above: Array, index: float) -> float:
    return float(powers_integrated(below, above, 2.0 - index)[0])


def expdec() -> Component:
    """Return an exponential decay, K exp(-f E), integrated exactly."""

    def on(low: Array, high: Array) -> Shape:
        def shape(pars: Array) -> Array:
            width = high - low
            return np.exp(-pars[0] * low) * (-np.expm1(-pars[0] * width) / pars[0] if pars[0] else width)

        return shape

    return Component(
        "expdec",
        "additive",
        (
            Parameter("factor", 1.0, "keV-1", 0.0, 100.0, (0.01, 10.0), long_name="Decay per keV"),
            norm(PER_KEV, "Photon flux density at 0 keV"),
        ),
        on=on,
        about=told("Exponential decay", f"{XSPEC}, expdec"),
    )


COMPONENTS: dict[str, Callable[[], Component]] = {
    "powerlaw": powerlaw,
    "zpowerlw": lambda: redshifted("zpowerlw", powerlaw(), "Power law at a redshift"),
    "pegpwrlw": pegpwrlw,
    "cutoffpl": cutoffpl,
    "zcutoffpl": lambda: redshifted("zcutoffpl", cutoffpl(), "Power law with a roll-over at a redshift"),
    "bknpower": lambda: _broken("bknpower", 1),
    "bkn2pow": lambda: _broken("bkn2pow", 2),
    "logpar": logpar,
    "expdec": expdec,
}

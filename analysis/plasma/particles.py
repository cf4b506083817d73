"""Particle species by name, with their masses and charges; and the constants that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from analysis.errors import BadOption
from analysis.plasma.inputs import is_number
from analysis.plasma.parameters import ALPHA_MASS, ATOMIC_MASS, PROTON_MASS
from analysis.plasma.vectors import refuse_unknown

# CODATA 2022, SI.
ELEMENTARY_CHARGE = 1.602176634e-19
ELECTRON_MASS = 9.1093837139e-31
EPSILON0 = 8.8541878188e-12
LIGHT_SPEED = 299792458.0

# Atoms of the commonest isotope in atomic mass units (AME2020: Wang et al., Chinese Phys. C 45, 030003 (2021)).
ATOMS = {
    **{"H": 1.007825032, "He": 4.002603254, "C": 12.0, "N": 14.003074004, "O": 15.994914619, "Ne": 19.992440176},
    **{"Na": 22.989769282, "Mg": 23.985041697, "Si": 27.976926534, "S": 31.972071174, "Ar": 39.962383122},
    **{"K": 38.963706485, "Ca": 39.962590863, "Fe": 55.934935537},
}
MOLECULES = {
    **{"H2": {"H": 2}, "H3": {"H": 3}, "OH": {"O": 1, "H": 1}, "H2O": {"H": 2, "O": 1}, "H3O": {"H": 3, "O": 1}},
    **{"CH4": {"C": 1, "H": 4}, "N2": {"N": 2}, "CO": {"C": 1, "O": 1}, "NO": {"N": 1, "O": 1}, "O2": {"O": 2}},
    **{"CO2": {"C": 1, "O": 2}, "SO": {"S": 1, "O": 1}, "SO2": {"S": 1, "O": 2}},
}
MULTIPLY_CHARGED = ("C++", "N++", "O++", "S++", "S+++", "C4+", "C5+", "C6+", "O6+", "O7+", "O8+", "Fe10+")


@dataclass(frozen=True)
class Species:
    """A kind of particle: its name, mass in kg and charge in elementary charges (negative for electrons)."""

    name: str
    mass: float
    charge: int

    def __post_init__(self) -> None:
        """Refuse a mass or charge that nothing could be computed with."""
        if not is_number(self.mass) or not isfinite(self.mass) or self.mass <= 0:
            raise BadOption(f"species {self.name!r}: mass={self.mass!r} is not a mass in kg above zero")
        if not is_number(self.charge) or not isfinite(self.charge) or self.charge == 0:
            raise BadOption(
                f"species {self.name!r}: charge={self.charge!r} is no number of elementary charges other than 0"
            )


def _ion(name: str, neutral: float, charge: int) -> Species:
    return Species(name, neutral * ATOMIC_MASS - charge * ELECTRON_MASS, charge)


def _table() -> dict[str, Species]:
    """Return the species under each of their names."""
    electron = Species("electron", ELECTRON_MASS, -1)
    proton, alpha = Species("proton", PROTON_MASS, 1), Species("alpha", ALPHA_MASS, 2)
    table = {"electron": electron, "e-": electron, "proton": proton, "H+": proton, "p+": proton}
    table |= {"alpha": alpha, "He++": alpha, "He2+": alpha}
    table["positron"] = Species("positron", ELECTRON_MASS, 1)
    table["D+"] = Species("D+", 2.013553212544 * ATOMIC_MASS, 1)
    table |= {f"{atom}+": _ion(f"{atom}+", mass, 1) for atom, mass in ATOMS.items() if atom != "H"}
    for name, atoms in MOLECULES.items():
        table[f"{name}+"] = _ion(f"{name}+", sum(number * ATOMS[atom] for atom, number in atoms.items()), 1)
    for name in MULTIPLY_CHARGED:
        bare = name.rstrip("+")
        atom = bare.rstrip("0123456789")
        table[name] = _ion(name, ATOMS[atom], int(bare[len(atom) :] or name.count("+")))
    return table | {"oxygen": table["O+"], "sodium": table["Na+"]}


SPECIES = _table()


def species(particle: str | Species) -> Species:
    """Return the mass and charge of a kind of particle by its name.

    Parameters
    ----------
    particle : str or Species
        ``"electron"``, ``"proton"``, ``"alpha"``, or an ion as its formula and charge: ``"He+"``, ``"O+"``,
        ``"Na+"``, ``"S++"``, ``"O7+"``. A molecule stays one: ``"O2+"`` and ``"N2+"`` are singly charged
        molecules, ``"O++"`` is the doubly charged atom (but ``"He2+"`` is the alpha particle, as everywhere).
        A ``Species(name, mass, charge)`` of your own serves in every function that takes a name.

    Returns
    -------
    Species
        ``name``, ``mass`` (kg) and ``charge`` (elementary charges).

    Raises
    ------
    BadOption
        If the name is not known; the message says the nearest.

    References
    ----------
    CODATA 2022; atomic masses of AME2020, commonest isotope, less the electrons (their binding is below 1e-7).

    Examples
    --------
    >>> species("Na+").charge, round(species("Na+").mass / species("proton").mass, 3)
    (1, 22.823)
    >>> species("sodium+")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: particle species 'sodium+' is not known; there are ...; did you mean 'sodium' or 'SO+'?
    """
    if isinstance(particle, Species):
        return particle
    return SPECIES[refuse_unknown(particle, SPECIES, "particle species")]

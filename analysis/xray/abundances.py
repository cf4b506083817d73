"""Abundances of the elements by number relative to hydrogen, under the names that XSPEC gives them.

The numbers are those of XSPEC's ``abundances.dat``; an element that a table does not list is 0 in it.
"""

from __future__ import annotations

import numpy as np

from analysis.errors import BadOption
from analysis.model import near
from analysis.xray.models import Array

PAPERS = {
    "angr": "Anders & Grevesse (1989), Geochim. Cosmochim. Acta 53, 197",
    "aspl": "Asplund et al. (2009), ARA&A 47, 481",
    "feld": "Feldman (1992), Phys. Scripta 46, 202",
    "aneb": "Anders & Ebihara (1982), Geochim. Cosmochim. Acta 46, 2363",
    "grsa": "Grevesse & Sauval (1998), Space Sci. Rev. 85, 161",
    "wilm": "Wilms, Allen & McCray (2000), ApJ 542, 914",
    "lodd": "Lodders (2003), ApJ 591, 1220",
    "lgpp": "Lodders, Palme & Gail (2009), photosphere",
    "lgps": "Lodders, Palme & Gail (2009), proto-Sun",
}
SYMBOLS = (
    *("H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P"),
    *("S", "Cl", "Ar", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn"),
)
# one row a table, hydrogen to zinc
# fmt: off
NUMBERS = {
    "angr": (
        1.0, 9.77e-02, 1.45e-11, 1.41e-11, 3.98e-10, 3.63e-04, 1.12e-04, 8.51e-04, 3.63e-08, 1.23e-04,
        2.14e-06, 3.80e-05, 2.95e-06, 3.55e-05, 2.82e-07, 1.62e-05, 3.16e-07, 3.63e-06, 1.32e-07, 2.29e-06,
        1.26e-09, 9.77e-08, 1.00e-08, 4.68e-07, 2.45e-07, 4.68e-05, 8.32e-08, 1.78e-06, 1.62e-08, 3.98e-08,
    ),
    "aspl": (
        1.0, 8.51e-02, 1.12e-11, 2.40e-11, 5.01e-10, 2.69e-04, 6.76e-05, 4.90e-04, 3.63e-08, 8.51e-05,
        1.74e-06, 3.98e-05, 2.82e-06, 3.24e-05, 2.57e-07, 1.32e-05, 3.16e-07, 2.51e-06, 1.07e-07, 2.19e-06,
        1.41e-09, 8.91e-08, 8.51e-09, 4.37e-07, 2.69e-07, 3.16e-05, 9.77e-08, 1.66e-06, 1.55e-08, 3.63e-08,
    ),
    "feld": (
        1.0, 9.77e-02, 1.26e-11, 2.51e-11, 3.55e-10, 3.98e-04, 1.00e-04, 8.51e-04, 3.63e-08, 1.29e-04,
        2.14e-06, 3.80e-05, 2.95e-06, 3.55e-05, 2.82e-07, 1.62e-05, 3.16e-07, 4.47e-06, 1.32e-07, 2.29e-06,
        1.48e-09, 1.05e-07, 1.00e-08, 4.68e-07, 2.45e-07, 3.24e-05, 8.32e-08, 1.78e-06, 1.62e-08, 3.98e-08,
    ),
    "aneb": (
        1.0, 8.01e-02, 2.19e-09, 2.87e-11, 8.82e-10, 4.45e-04, 9.12e-05, 7.39e-04, 3.10e-08, 1.38e-04,
        2.10e-06, 3.95e-05, 3.12e-06, 3.68e-05, 3.82e-07, 1.89e-05, 1.93e-07, 3.82e-06, 1.39e-07, 2.25e-06,
        1.24e-09, 8.82e-08, 1.08e-08, 4.93e-07, 3.50e-07, 3.31e-05, 8.27e-08, 1.81e-06, 1.89e-08, 4.63e-08,
    ),
    "grsa": (
        1.0, 8.51e-02, 1.26e-11, 2.51e-11, 3.55e-10, 3.31e-04, 8.32e-05, 6.76e-04, 3.63e-08, 1.20e-04,
        2.14e-06, 3.80e-05, 2.95e-06, 3.55e-05, 2.82e-07, 2.14e-05, 3.16e-07, 2.51e-06, 1.32e-07, 2.29e-06,
        1.48e-09, 1.05e-07, 1.00e-08, 4.68e-07, 2.45e-07, 3.16e-05, 8.32e-08, 1.78e-06, 1.62e-08, 3.98e-08,
    ),
    "wilm": (
        1.0, 9.77e-02, 0.0, 0.0, 0.0, 2.40e-04, 7.59e-05, 4.90e-04, 0.0, 8.71e-05,
        1.45e-06, 2.51e-05, 2.14e-06, 1.86e-05, 2.63e-07, 1.23e-05, 1.32e-07, 2.57e-06, 0.0, 1.58e-06,
        0.0, 6.46e-08, 0.0, 3.24e-07, 2.19e-07, 2.69e-05, 8.32e-08, 1.12e-06, 0.0, 0.0,
    ),
    "lodd": (
        1.0, 7.92e-02, 1.90e-09, 2.57e-11, 6.03e-10, 2.45e-04, 6.76e-05, 4.90e-04, 2.88e-08, 7.41e-05,
        1.99e-06, 3.55e-05, 2.88e-06, 3.47e-05, 2.88e-07, 1.55e-05, 1.82e-07, 3.55e-06, 1.29e-07, 2.19e-06,
        1.17e-09, 8.32e-08, 1.00e-08, 4.47e-07, 3.16e-07, 2.95e-05, 8.13e-08, 1.66e-06, 1.82e-08, 4.27e-08,
    ),
    "lgpp": (
        1.0, 8.41e-02, 1.26e-11, 2.40e-11, 5.01e-10, 2.45e-04, 7.24e-05, 5.37e-04, 3.63e-08, 1.12e-04,
        2.00e-06, 3.47e-05, 2.95e-06, 3.31e-05, 2.88e-07, 1.38e-05, 3.16e-07, 3.16e-06, 1.32e-07, 2.14e-06,
        1.26e-09, 7.94e-08, 1.00e-08, 4.37e-07, 2.34e-07, 2.82e-05, 8.32e-08, 1.70e-06, 1.62e-08, 4.17e-08,
    ),
    "lgps": (
        1.0, 9.69e-02, 2.15e-09, 2.36e-11, 7.26e-10, 2.78e-04, 8.19e-05, 6.06e-04, 3.10e-08, 1.27e-04,
        2.23e-06, 3.98e-05, 3.27e-06, 3.86e-05, 3.20e-07, 1.63e-05, 2.00e-07, 3.58e-06, 1.45e-07, 2.33e-06,
        1.33e-09, 9.54e-08, 1.11e-08, 5.06e-07, 3.56e-07, 3.27e-05, 9.07e-08, 1.89e-06, 2.09e-08, 5.02e-08,
    ),
}
# fmt: on


def abundances_of(name: str) -> Array:
    """Return the abundances of a table by atomic number: 31 numbers, the first (of nothing) 0.

    Raises
    ------
    BadOption
        If there is no such table.
    """
    if name not in NUMBERS:
        raise BadOption(f"abundances={name!r} is no table of abundances{near(str(name), NUMBERS)}; "
                        f"known are {', '.join(NUMBERS)}")  # fmt: skip
    return np.array((0.0, *NUMBERS[name]))

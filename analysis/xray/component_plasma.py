"""Collisional plasma in equilibrium, from AtomDB's tables of emissivities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import BadOption
from analysis.model import near
from analysis.xray.abundances import PAPERS, SYMBOLS, abundances_of
from analysis.xray.component_parts import XSPEC, norm, redshifted, told
from analysis.xray.component_tables import refuse_taken_word
from analysis.xray.models import Array, Component, Model, Parameter, Shape, single
from analysis.xray.plasma_files import Emission, PlasmaFiles, emission, files_in, files_of

if TYPE_CHECKING:
    import xarray as xr

# what the parameter abundance scales, as in XSPEC
METALS = ("C", "N", "O", "Ne", "Mg", "Al", "Si", "S", "Ar", "Ca", "Fe", "Ni")
UNIT = 1e14  # cm-5: the norm is in 1e-14 ∫ n_e n_H dV / (4π D²)
HELD = 4  # temperatures whose spectra are held on a grid
REACH = 6.0  # standard deviations to which a broadened line is followed
ATOMIC_MASS = 931494.10242  # keV
WEIGHTS = np.array(  # atomic weights (IUPAC), of nothing to zinc
    [
        *(0.0, 1.008, 4.0026, 6.94, 9.0122, 10.81, 12.011, 14.007, 15.999, 18.998, 20.180),
        *(22.990, 24.305, 26.982, 28.085, 30.974, 32.06, 35.45, 39.95, 39.098, 40.078),
        *(44.956, 47.867, 50.942, 51.996, 54.938, 55.845, 58.933, 58.693, 63.546, 65.38),
    ]
)


def apec(
    tables: xr.Dataset | None = None,
    *,
    elements: Iterable[str] = (),
    abundances: str = "angr",
    broadened: bool = False,
    word: str = "plasma",
) -> Model:
    r"""Return a model of collisional plasma in ionization equilibrium, as XSPEC's apec and vapec are.

    Photons in a bin are :math:`10^{14} K / (1 + z)` times the emissivity at E (1 + z), linear in kT between the
    temperatures of the tables, as XSPEC has it unless told otherwise. Continua are linear between their energies and
    integrated exactly; a line that is not broadened is in the bin that holds its energy.

    Parameters
    ----------
    tables : xarray.Dataset, optional
        What :func:`plasma_tables` returns; without it that of AtomDB 3.0.9, brought at the first evaluation.
    elements : iterable of str, optional
        Symbols of elements with an abundance of their own: ``["O", "Fe"]``. The parameter ``abundance`` scales the
        other ones of C, N, O, Ne, Mg, Al, Si, S, Ar, Ca, Fe, Ni; helium and the rest stay as the table of abundances
        has them.
    abundances : str, optional
        Table that abundances are relative to, by XSPEC's name: ``angr``, ``aspl``, ``wilm``, ``lodd`` …
    broadened : bool, optional
        Whether lines have their thermal width, :math:`\sigma = E \sqrt{kT / m c^2}`, that of the plasma's kT.
        Turbulence is ``gsmooth`` with index 1.
    word : str, optional
        How the component is called; ``apec`` and ``vapec`` are words for AtomDB 3.0.9, which take
        ``abundances="wilm"`` and ``lines="broadened"`` in their brackets.

    Returns
    -------
    Model
        With ``kt``, the abundances, ``redshift`` and ``norm``; to be used with operators, or in an expression by
        ``components={"plasma": …}``.

    Raises
    ------
    BadOption
        If an element or table of abundances is unknown.
    WrongData
        If the dataset is none of tables.

    References
    ----------
    Foster et al. (2012), ApJ 756, 128, doi:10.1088/0004-637X/756/2/128; Smith et al. (2001), ApJ 556, L91.

    Examples
    --------
    >>> list(apec(elements=["Fe"]).parameters)
    ['plasma.kt', 'plasma.fe', 'plasma.abundance', 'plasma.redshift', 'plasma.norm']
    """
    refuse_taken_word(word)
    wanted = _symbols(elements)
    abundances_of(abundances)
    if tables is None:
        return single(_component(word, lambda: files_of("3.0.9"), wanted, abundances, broadened, (0.008, 64.0)))
    files = files_in(tables)
    return single(_component(word, lambda: files, wanted, abundances, broadened, (files.kt[0], files.kt[-1])))


def _symbols(elements: Iterable[str]) -> tuple[str, ...]:
    found = []
    for element in [elements] if isinstance(elements, str) else list(elements):
        symbol = str(element).capitalize()
        if symbol not in SYMBOLS[1:]:
            raise BadOption(f"elements={element!r} is no element from helium to zinc{near(symbol, SYMBOLS[1:])}")
        if symbol not in found:
            found.append(symbol)
    return tuple(found)


def _component(
    word: str,
    files: Callable[[], PlasmaFiles],
    own: tuple[str, ...],
    abundances: str,
    broadened: bool,
    bounds: tuple[float, float],
    kt: float = 1.0,
) -> Component:
    common = [s for s in METALS if s not in own]
    relative = abundances_of(abundances) / np.where(abundances_of("angr") > 0, abundances_of("angr"), 1.0)

    def weights(pars: Array) -> Array:
        factors = np.ones(31)
        for symbol, value in zip(own, pars[1 : 1 + len(own)], strict=True):
            factors[SYMBOLS.index(symbol) + 1] = value
        if common:
            factors[[SYMBOLS.index(s) + 1 for s in common]] = pars[1 + len(own)]
        return factors * relative

    def on(low: Array, high: Array) -> Shape:
        held: dict[int, Array] = {}

        def spectrum(index: int) -> Array:
            if index not in held:
                for old in list(held)[: max(0, len(held) - HELD + 1)]:
                    del held[old]
                held[index] = _by_element(emission(files(), index), low, high, files().kt[index] if broadened else 0.0)
            return held[index]

        def shape(pars: Array) -> Array:
            known = np.array(files().kt)
            if not known[0] <= pars[0] <= known[-1]:
                raise BadOption(f"{word}.kt={pars[0]:g} lies outside its tables, {known[0]:g} to {known[-1]:g} keV")
            above = int(np.clip(np.searchsorted(known, pars[0]), 1, known.size - 1))
            share = (pars[0] - known[above - 1]) / (known[above] - known[above - 1])
            factors = weights(pars)
            made = np.zeros(low.shape)
            for index, part in ((above - 1, 1 - share), (above, share)):
                if part:
                    made += part * (factors @ spectrum(index))
            return UNIT * made

        return shape

    search = (max(bounds[0], 0.1), min(bounds[1], 15.0))
    value = min(max(kt, bounds[0]), bounds[1])
    named = [
        Parameter(s.lower(), 1.0, "1", 0.0, 1000.0, (0.0, 3.0), frozen=True, long_name=f"Abundance of {s}") for s in own
    ]
    if common:
        named.append(Parameter("abundance", 1.0, "1", 0.0, 5.0, (0.0, 2.0), frozen=True, long_name="Metal abundance"))
    base = Component(
        word,
        "additive",
        (
            Parameter(
                "kt", value, "keV", *bounds, search if search[0] < search[1] else bounds, long_name="Temperature"
            ),
            *named,
            norm("1e14 cm-5", "1e-14 ∫ n_e n_H dV / (4π (D_A (1+z))²)"),
        ),
        on=on,
        about=told(
            "Collisional plasma in equilibrium",
            f"{XSPEC}, apec; Foster et al. (2012), ApJ 756, 128; {PAPERS[abundances]}",
            abundances=abundances,
            lines="thermally broadened" if broadened else "not broadened",
        ),
    )
    return redshifted(word, base, "Collisional plasma in equilibrium")


def _by_element(found: Emission, low: Array, high: Array, kt: float) -> Array:
    """Photons cm3 s-1 in each bin, a row an element; lines with their thermal width at kt, or without any for 0."""
    made = np.zeros((31, low.size))
    for number, energy, density in found.continua:
        above = _integral_above(energy, density, low) - _integral_above(energy, density, high)
        made[number] += above
    if kt:
        sigma = found.energy * np.sqrt(kt / (ATOMIC_MASS * WEIGHTS[found.element]))
        line, at, share = _spread(found.energy, sigma, low, high)
    else:
        at = np.searchsorted(low, found.energy, side="right") - 1
        line = np.flatnonzero((at >= 0) & (found.energy < high[at]))
        at, share = at[line], np.ones(line.size)
    flat = found.element[line] * low.size + at
    made += np.bincount(flat, found.emissivity[line] * share, minlength=made.size).reshape(made.shape)
    return made


def _spread(energy: Array, sigma: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Which line gives which share of itself to which bin."""
    from scipy.special import ndtr

    first = np.maximum(np.searchsorted(high, energy - REACH * sigma, side="right"), 0)
    last = np.minimum(np.searchsorted(low, energy + REACH * sigma, side="left"), low.size)
    count = np.maximum(last - first, 0)
    line = np.repeat(np.arange(energy.size), count)
    at = np.arange(line.size) - (np.cumsum(count) - count)[line] + first[line]
    a, b = (low[at] - energy[line]) / sigma[line], (high[at] - energy[line]) / sigma[line]
    above = a > 0
    return line, at, ndtr(np.where(above, -a, b)) - ndtr(np.where(above, -b, a))


def _integral_above(x: Array, y: Array, edge: Array) -> Array:
    """The integral from an edge on of what is linear between x; from above, where spectra are faint."""
    pieces = np.diff(x) * (y[1:] + y[:-1]) / 2
    rest = np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]])
    inside = np.clip(edge, x[0], x[-1])
    i = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, x.size - 2)
    to_next = x[i + 1] - inside
    width = x[i + 1] - x[i]
    slope = (y[i + 1] - y[i]) / np.where(width > 0, width, 1.0)  # an energy that comes twice is a step
    return rest[i + 1] + to_next * (y[i + 1] - slope * to_next / 2)


def _word(word: str, own: tuple[str, ...], kt: float, options: Mapping[str, str]) -> Component:
    if odd := [key for key in options if key not in ("abundances", "lines")]:
        raise BadOption(f"{word} takes no {odd[0]}={options[odd[0]]!r}; it takes abundances='wilm', lines='broadened'")
    abundances, lines = options.get("abundances", "angr"), options.get("lines", "narrow")
    abundances_of(abundances)
    if lines not in ("narrow", "broadened"):
        raise BadOption(f"lines={lines!r} of {word} must be 'narrow' or 'broadened', by the heat of the ions")
    made = _component(word, lambda: files_of("3.0.9"), own, abundances, lines == "broadened", (0.008, 64.0), kt)
    return replace(made, options=MappingProxyType(dict(options)))


WITH_OPTIONS: dict[str, Callable[[Mapping[str, str]], Component]] = {
    "apec": lambda options: _word("apec", (), 1.0, options),
    "vapec": lambda options: _word("vapec", ("He", *METALS), 6.5, options),
}
COMPONENTS: dict[str, Callable[[], Component]] = {
    word: lambda make=make: make({})  # type: ignore[misc]
    for word, make in WITH_OPTIONS.items()
}

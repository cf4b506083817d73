"""Table models: spectra tabulated over a grid of parameters, interpolated and brought to other bins."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import BadOption, WrongData
from analysis.xray.component_parts import PHOTONS, norm, redshifted, told
from analysis.xray.models import Array, Component, Model, Parameter, Shape, single
from analysis.xray.table_files import Axis, Table, table_in

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

OGIP = "Arnaud (2007), OGIP Memo 92-009, The File Format for XSPEC Table Models"


def table_model(path: str | Path, *, word: str, exponential: bool = False) -> Model:
    """Return a model of one component from a table model of XSPEC (atable, mtable or etable).

    Between the points of the grid it is linear in each parameter, or in its logarithm where the file says so. Photons
    of a table's bin are evenly spread in it, factors are the same all over it; both are brought to the bins of an
    evaluation without loss. Beyond its energies a table makes no photons and changes none (a factor of 1), unless
    LOELIMIT and HIELIMIT say what it is there.

    Parameters
    ----------
    path : path
        A FITS file after OGIP/92-009.
    word : str
        What the component is called: a name that no other component has.
    exponential : bool, optional
        Whether a table of factors is an optical depth, of which exp(-τ) is taken (XSPEC's etable).

    Returns
    -------
    Model
        Its parameters have the file's names in lower case, then ``redshift`` if the file has one, then ``norm`` if it
        makes photons. Use it with operators, or in an expression by ``components={"word": …}``.

    Raises
    ------
    MissingFile, CorruptFile, WrongData
        If there is no file, or it is no table model that can be read.
    BadOption
        If the word is taken or no name, or a table that makes photons is to be an optical depth.

    References
    ----------
    Arnaud, OGIP Memo 92-009, *The File Format for XSPEC Table Models*.

    Examples
    --------
    >>> table_model("absent.fits", word="mine")
    Traceback (most recent call last):
    ...
    analysis.errors.MissingFile: there is no file absent.fits
    """
    refuse_taken_word(word)
    table = table_in(Path(path))
    if exponential and table.additive:
        raise BadOption(f"{Path(path).name} makes photons (ADDMODEL); exponential=True is for optical depths")
    kind = "additive" if table.additive else "multiplicative"
    parameters = _parameters(table)
    if table.additive:
        parameters = (*parameters, norm(PHOTONS, "Norm of the table"))
    made = Component(
        word,
        "additive" if table.additive else "multiplicative",
        parameters,
        on=lambda low, high: _on(table, low, high, exponential),
        about=told(
            f"Table model {table.name}, {'exponential' if exponential else kind}",
            OGIP,
            tables=f"{Path(path).name}, sha256 {table.sha256}",
        ),
    )
    return single(redshifted(word, made, made.about["description"]) if table.redshift else made)


def refuse_taken_word(word: str) -> None:
    """Refuse a word that cannot be called in an expression, or that another component has."""
    import keyword

    from analysis.xray.components import COMPONENTS

    if not isinstance(word, str) or not word.isidentifier() or keyword.iskeyword(word):
        raise BadOption(f"word={word!r} must be a name of letters, digits and underscores, such as 'mine'")
    if word in COMPONENTS:
        raise BadOption(f"word={word!r} is a component already; choose a word of its own, such as 'my_{word}'")


def _parameters(table: Table) -> tuple[Parameter, ...]:
    taken: list[str] = ["norm", "redshift"] if table.redshift else ["norm"]
    made = []
    for axis in (*table.axes, *table.added):
        name = _name(axis.name, taken)
        taken.append(name)
        search = axis.search if axis.search[0] < axis.search[1] else None
        low, high = (axis.low, axis.high) if axis.low < axis.high else (axis.low, np.nextafter(axis.low, np.inf))
        made.append(
            Parameter(name, axis.start, _units(axis), low, high, search, axis.frozen, axis.name or name)
        )  # fmt: skip
    return tuple(made)


def _name(text: str, taken: list[str]) -> str:
    stem = re.sub(r"\W+", "_", text.strip().lower()).strip("_") or "parameter"
    stem = stem if stem.isidentifier() else f"p_{stem}"
    name, n = stem, 2
    while name in taken:
        name, n = f"{stem}_{n}", n + 1
    return name


def _units(axis: Axis) -> str:
    """The file's unit if astropy can read it; else it stays in the file."""
    from astropy.units import Unit

    unit = Unit(axis.units, parse_strict="silent") if axis.units else Unit("")
    return axis.units if axis.units and not hasattr(unit, "_invalid_reason") and unit.to_string() else "1"


def _on(table: Table, low: Array, high: Array, exponential: bool) -> Shape:
    spread = _overlaps(table, low, high)
    beyond = _beyond(table, low, high, 0.0 if table.additive or exponential else 1.0)
    points = [np.log(axis.values) if axis.logarithmic else axis.values for axis in table.axes]

    def shape(pars: Array) -> Array:
        values = _interpolated(table, points, pars)
        made = spread @ values + beyond
        return np.exp(-made) if exponential else made

    return shape


def _interpolated(table: Table, points: list[Array], pars: Array) -> Array:
    """The table at parameters, on its own energies: the corners of a cell of the grid, weighted."""
    sides: list[list[tuple[int, float]]] = []
    for axis, known, value in zip(table.axes, points, pars, strict=False):
        at = np.log(value) if axis.logarithmic else value
        if known.size == 1:
            sides.append([(0, 1.0)])
            continue
        i = int(np.clip(np.searchsorted(known, at, side="right") - 1, 0, known.size - 2))
        share = float(np.clip((at - known[i]) / (known[i + 1] - known[i]), 0.0, 1.0))
        sides.append([(i, 1 - share), (i + 1, share)])
    made = np.zeros(table.energy_low.size)
    factors = [1.0, *pars[len(table.axes) : len(table.axes) + len(table.added)]]
    for corner in product(*sides):
        weight = float(np.prod([share for _, share in corner]))
        row = table.rows[tuple(i for i, _ in corner)]
        if weight:
            for factor, spectra in zip(factors, table.spectra, strict=True):
                made += weight * factor * spectra[row].astype(float)
    if not np.isfinite(made).all():
        raise WrongData(f"the table model {table.name} holds values that are not finite near {pars}")
    return made


def _overlaps(table: Table, low: Array, high: Array) -> csr_matrix:
    """What of each of the table's bins comes to each bin: photons by the part of the table's bin, factors by that of
    the bin."""
    from scipy.sparse import csr_matrix

    first = np.searchsorted(table.energy_high, low, side="right")
    last = np.searchsorted(table.energy_low, high, side="left")
    count = np.maximum(last - first, 0)
    out = np.repeat(np.arange(low.size), count)
    at = np.arange(out.size) - (np.cumsum(count) - count)[out] + first[out]
    below, above = table.energy_low[at], table.energy_high[at]
    common = np.minimum(above, high[out]) - np.maximum(below, low[out])
    whole = (above - below) if table.additive else (high - low)[out]
    return csr_matrix((common / whole, (out, at)), shape=(low.size, table.energy_low.size))


def _beyond(table: Table, low: Array, high: Array, nothing: float) -> Array:
    """What the bins get from energies that the table does not have."""
    below = np.clip(table.energy_low[0] - low, 0, high - low) / (high - low)
    above = np.clip(high - table.energy_high[-1], 0, high - low) / (high - low)
    limits = [nothing if limit is None else limit for limit in table.beyond]
    return below * limits[0] + above * limits[1]

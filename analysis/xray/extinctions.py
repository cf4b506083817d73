"""Hydrogen and dust along a line of sight: extinction from a column density, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import BadOption
from analysis.model import in_units, labelled, near
from analysis.xray.inputs import Amount, amount, synthetic_of

RV = 3.1  # A_V / E(B-V) of the diffuse gas of the Milky Way


@dataclass(frozen=True)
class Relation:
    """How much hydrogen goes with a magnitude of dust, and who measured it.

    Parameters
    ----------
    column : float
        Hydrogen in cm-2 for one magnitude.
    error : float or None
        Its error as published; None where none is.
    of : {"a_v", "e_bv"}
        Whether the magnitude is of visual extinction or of reddening.
    hydrogen, reference : str
        What was measured how; the paper.
    """

    column: float
    error: float | None
    of: str
    hydrogen: str
    reference: str


RELATIONS = {
    "guver_ozel_2009": Relation(
        2.21e21,
        0.09e21,
        "a_v",
        "X-ray absorption of supernova remnants, abundances of Anders & Grevesse (1989)",
        "Güver & Özel (2009), MNRAS 400, 2050, doi:10.1111/j.1365-2966.2009.15598.x",
    ),
    "predehl_schmitt_1995": Relation(
        1.79e21,
        0.03e21,
        "a_v",
        "X-ray absorption and dust halos seen by ROSAT",
        "Predehl & Schmitt (1995), A&A 293, 889",
    ),
    "bohlin_1978": Relation(
        5.8e21,
        None,
        "e_bv",
        "ultraviolet lines of H and H2 towards stars seen by Copernicus",
        "Bohlin, Savage & Drake (1978), ApJ 224, 132, doi:10.1086/156357",
    ),
}


def extinction(nh: Amount, relation: str = "guver_ozel_2009", *, rv: float = RV) -> xr.DataArray:
    """Return the visual extinction A_V that goes with a column density of hydrogen.

    Parameters
    ----------
    nh : xarray.DataArray, text or astropy Quantity
        All hydrogen, atoms and molecules, with its unit: ``"3e21 cm-2"``. XSPEC counts it in ``"1e22 cm-2"``.
    relation : {"guver_ozel_2009", "predehl_schmitt_1995", "bohlin_1978"}
        Hydrogen for a magnitude: 2.21e21 (2009) or 1.79e21 cm-2 (1995) of A_V, 5.8e21 cm-2 of E(B-V) (1978).
    rv : float, optional
        A_V / E(B-V). Of the relations for A_V it changes nothing.

    Returns
    -------
    xarray.DataArray
        ``extinction`` in mag, of the shape of `nh`. Attrs ``relation``, ``reference``, ``rv``. Single lines of sight
        lie well off these means.

    Raises
    ------
    BadOption
        For an unknown relation, a negative column or an R_V that is none.
    MissingUnits, WrongUnits
        For a column without a unit of columns.

    References
    ----------
    Güver & Özel (2009), MNRAS 400, 2050, equation 1; Predehl & Schmitt (1995), A&A 293, 889; Bohlin, Savage & Drake
    (1978), ApJ 224, 132.

    Examples
    --------
    >>> round(float(extinction("2.21e21 cm-2")), 6), round(float(extinction("5.8e21 cm-2", "bohlin_1978")), 6)
    (1.0, 3.1)
    """
    found = _relation(relation)
    column, ratio = _positive(nh, "cm-2", "nh"), _ratio(rv)
    values = column / found.column * (ratio if found.of == "e_bv" else 1.0)
    return _told(values, "extinction", "mag", "Visual extinction A_V", relation, ratio, nh)


def reddening(nh: Amount, relation: str = "guver_ozel_2009", *, rv: float = RV) -> xr.DataArray:
    """Return the reddening E(B-V) that goes with a column density of hydrogen.

    Parameters
    ----------
    nh, relation, rv
        As for :func:`extinction`; of the relations for A_V, E(B-V) is A_V / `rv`.

    Returns
    -------
    xarray.DataArray
        ``reddening`` in mag, of the shape of `nh`; attrs as for :func:`extinction`.

    Raises
    ------
    BadOption, MissingUnits, WrongUnits
        As for :func:`extinction`.

    References
    ----------
    As for :func:`extinction`.

    Examples
    --------
    >>> round(float(reddening("5.8e21 cm-2", "bohlin_1978")), 6)
    1.0
    """
    values = extinction(nh, relation, rv=rv) / _ratio(rv)
    return _told(values, "reddening", "mag", "Reddening E(B-V)", relation, _ratio(rv), nh)


def column_of_extinction(
    a_v: Amount | None = None,
    relation: str = "guver_ozel_2009",
    *,
    e_bv: Amount | None = None,
    rv: float = RV,
) -> xr.DataArray:
    """Return the column density of hydrogen that goes with an extinction A_V, or with a reddening E(B-V).

    Parameters
    ----------
    a_v, e_bv : xarray.DataArray, text or astropy Quantity
        One of the two, with its unit: ``"1.2 mag"``.
    relation, rv
        As for :func:`extinction`.

    Returns
    -------
    xarray.DataArray
        ``hydrogen_column`` in cm-2.

    Raises
    ------
    BadOption, MissingUnits, WrongUnits
        If neither or both are given, and as for :func:`extinction`.

    References
    ----------
    As for :func:`extinction`.

    Examples
    --------
    >>> f"{float(column_of_extinction('1 mag')):.3g}", f"{float(column_of_extinction(e_bv='1 mag')):.4g}"
    ('2.21e+21', '6.851e+21')
    """
    found, ratio = _relation(relation), _ratio(rv)
    if (a_v is None) == (e_bv is None):
        raise BadOption("column_of_extinction takes one of a_v= and e_bv=, for example a_v='1.2 mag'")
    given = a_v if a_v is not None else e_bv
    assert given is not None
    magnitudes = _positive(given, "mag", "a_v" if a_v is not None else "e_bv")
    wanted = "a_v" if a_v is not None else "e_bv"
    factor = 1.0 if wanted == found.of else ratio if wanted == "e_bv" else 1 / ratio
    values = magnitudes * factor * found.column
    return _told(values, "hydrogen_column", "cm-2", "Hydrogen column density", relation, ratio, given)


def _relation(name: str) -> Relation:
    if name not in RELATIONS:
        raise BadOption(f"relation={name!r} is not known; there are {', '.join(RELATIONS)}{near(name, RELATIONS)}")
    return RELATIONS[name]


def _ratio(rv: float) -> float:
    ratio = amount(rv, "1", "rv", bare=True)
    if not 1 <= ratio <= 10:
        raise BadOption(f"rv={rv!r} is no ratio of extinction to reddening; it is 3.1 on average, 2 to 6 in places")
    return ratio


def _positive(given: Amount, units: str, what: str) -> xr.DataArray:
    """Return values in their unit; NaN stays NaN."""
    array = given if isinstance(given, xr.DataArray) else xr.DataArray(amount(given, units, what))
    values = in_units(array, units) if isinstance(given, xr.DataArray) else array
    if bool((values < 0).any()) or bool(np.isinf(values).any()):
        raise BadOption(f"{what} has values that are negative or infinite")
    return values.astype(float)


def _told(
    values: xr.DataArray, name: str, units: str, long_name: str, relation: str, rv: float, given: object
) -> xr.DataArray:
    found = RELATIONS[relation]
    attrs = {"relation": relation, "reference": found.reference, "rv": rv}
    attrs |= {"hydrogen_per_magnitude": found.column, "of": found.of, "hydrogen": found.hydrogen}
    if found.error is not None:
        attrs["hydrogen_per_magnitude_error"] = found.error
    attrs |= synthetic_of(given if isinstance(given, xr.DataArray) else None)
    return labelled(values, name, units=units, long_name=long_name, attrs=attrs)

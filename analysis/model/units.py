"""Units: one table of archive spellings, and conversion at the door of each function.

xarray copies ``attrs`` through arithmetic, so ``b**2`` still says ``nT``. A function therefore converts what
comes in (:func:`in_units`) and labels what goes out (:func:`labelled`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import xarray as xr

from analysis.errors import MissingUnits, UnknownUnits, WrongUnits
from analysis.model import spellings

if TYPE_CHECKING:
    from astropy.units import UnitBase


@cache  # parsing takes 0.1 ms, and the same few spellings come again and again
def _parsed(text: str) -> UnitBase | None:
    import astropy.units as u

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)  # several slashes: unit_text spells them out
            return u.Unit(text)
    except (ValueError, TypeError):
        return None


def unit_text(spelling: str, where: str = "") -> str:
    """Return a spelling that astropy parses for a unit as an archive writes it.

    Parameters
    ----------
    spelling : str
        As found in a file or an answer: ``#/cc``, ``km/sec``, IDL markup such as ``s!E-1!N``.
    where : str, optional
        File and variable, for the message.

    Returns
    -------
    str
        The spelling itself when astropy parses it, else its translation; ``"1"`` for an empty one.

    Raises
    ------
    UnknownUnits
        If it is None, or neither astropy nor the table of archive spellings knows it.

    Examples
    --------
    >>> unit_text("#/cc"), unit_text("s!E-1!Ncm!E-2!Nster!E-1!NkeV!E-1!N"), unit_text(" ")
    ('cm-3', 's-1 cm-2 sr-1 keV-1', '1')
    >>> unit_text("particles / (s cm^2 sr MeV)")
    's-1 cm-2 sr-1 MeV-1'
    """
    at = f" in {where}" if where else ""
    if spelling is None:  # as text it would pass for the word that archives write for a number without unit
        raise UnknownUnits(f"the unit None{at} is no text; give '1' for a number without a unit")
    text = str(spelling).strip()
    if text in spellings.WHOLE:
        return spellings.WHOLE[text]
    scaled = spellings.SCALE.search(text)  # other packages teach astropy a unit K_CMB, which converts to no kelvin
    if text != "G" and not scaled and not spellings.AMBIGUOUS.search(text) and (parsed := _parsed(text)) is not None:
        return text if text.count("/") < 2 else parsed.to_string()
    for candidate in spellings.candidates(text):
        if (parsed := _parsed(candidate)) is not None:
            return candidate if candidate.count("/") < 2 else parsed.to_string()
    if text == "G":  # astropy reads G as the constant of gravity's prefix; field files mean gauss
        return "Gauss"
    raise UnknownUnits(
        f"the unit {spelling!r}{at} is not one that astropy parses, nor in the table of archive spellings; "
        "give it as astropy writes units, for example 'cm-3' or 'km s-1'"
    )


def unit_of(array: xr.DataArray) -> UnitBase:
    """Return the astropy unit that a DataArray says it has.

    Raises
    ------
    MissingUnits
        If the array has no ``attrs["units"]``, or None.
    UnknownUnits
        If astropy cannot parse it, even after translation.

    Examples
    --------
    >>> unit_of(xr.DataArray(5.0, attrs={"units": "#/cc"}))
    Unit("1 / cm3")
    """
    if not isinstance(array, xr.DataArray):
        raise MissingUnits(
            f"a {type(array).__name__} has no units; give an xarray.DataArray with attrs['units'], "
            "for example xr.DataArray(5.0, attrs={'units': 'cm-3'})"
        )
    name = str(array.name or "the array")
    if array.attrs.get("units") is None:
        raise MissingUnits(f"{name} has no attrs['units']; set it to what astropy parses, for example 'nT'")
    parsed = _parsed(unit_text(array.attrs["units"], name))
    assert parsed is not None  # unit_text returns only what astropy parses
    return parsed


def in_units(array: xr.DataArray, units: str) -> xr.DataArray:
    """Return the array converted to other units, its ``attrs["units"]`` brought along.

    Parameters
    ----------
    array : xarray.DataArray
        With ``attrs["units"]``; any shape, Dask-backed too.
    units : str
        Target unit, as astropy or an archive writes it.

    Returns
    -------
    xarray.DataArray
        Same dims, coords and name; floating point. Its unit is spelled as astropy parses it.

    Raises
    ------
    MissingUnits, UnknownUnits
        If the array's own unit is absent, or either unit is unreadable.
    WrongUnits
        If its unit is of another kind.

    Examples
    --------
    >>> round(float(in_units(xr.DataArray(5.0, attrs={"units": "#/cc"}), "m-3")))
    5000000
    """
    import astropy.units as u

    have = unit_of(array)
    target = unit_text(units)
    want = u.Unit(target)
    try:
        factor = float(have.to(want))
    except u.UnitConversionError as error:
        raise WrongUnits(
            f"{array.name or 'the array'} is in {array.attrs['units']!r}, "
            f"which does not convert to {units!r} as needed here"
        ) from error
    converted = array if factor == 1.0 and array.dtype.kind == "f" else array * factor
    return converted.assign_attrs({**array.attrs, "units": target}).rename(array.name)


def labelled(
    array: xr.DataArray, name: str, *, units: str, long_name: str, attrs: Mapping[str, object] | None = None
) -> xr.DataArray:
    """Return the array under a new name, with these units and no attribute of what it was made from.

    Parameters
    ----------
    array : xarray.DataArray
        Values already in ``units``.
    name, units, long_name : str
        What the values are; ``long_name`` is what a picture's axis shows.
    attrs : mapping, optional
        More attributes (``frame``, ``references`` …).

    Examples
    --------
    >>> speed = labelled(xr.DataArray([1.0]), "speed", units="km s-1", long_name="Flow speed")
    >>> speed.name, speed.attrs["units"]
    ('speed', 'km s-1')
    """
    result = array.rename(name)
    result.attrs = {"units": unit_text(units, name), "long_name": long_name, **(attrs or {})}
    return result

"""Angles as users write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from analysis.errors import AnalysisError, BadOption
from analysis.model import in_units

if TYPE_CHECKING:
    from astropy.units import Quantity

    Angle: TypeAlias = float | str | Quantity | xr.DataArray


def degrees(angle: Angle, what: str) -> float:
    """Return an angle in degrees: a number of degrees, text with a unit, a Quantity or an array with units.

    Raises
    ------
    BadOption
        If it is no finite angle.
    MissingUnits, WrongUnits
        If it is an array without units, or with those of something else.

    Examples
    --------
    >>> degrees(15, "latitude"), degrees("30 arcmin", "fwhm")
    (15.0, 0.5)
    """
    import astropy.units as u

    hint = f"give degrees, for example {what}=15, or a unit with it, for example {what}='900 arcmin'"
    try:
        if isinstance(angle, xr.DataArray):  # a beam of an instrument, in arcmin
            value = float(in_units(angle, "deg"))
        elif isinstance(angle, str | u.Quantity):
            given = u.Quantity(angle)
            value = float(given.value if given.unit == u.dimensionless_unscaled else given.to_value("deg"))
        else:
            value = float(angle)
    except AnalysisError:
        raise
    except (TypeError, ValueError) as error:  # astropy's UnitConversionError is both
        raise BadOption(f"{what}={angle!r} is not an angle; {hint}") from error
    if not np.isfinite(value):
        raise BadOption(f"{what}={angle!r} is not finite; {hint}")
    return value

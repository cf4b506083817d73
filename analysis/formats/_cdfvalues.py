"""Values of a CDF variable: fills become NaN, in place, and only where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.formats._cdftimes import utc_times

if TYPE_CHECKING:
    from analysis.formats._cdfaxes import Variable
    from analysis.formats._facts import Notes

TOO_LARGE = 1e30  # ISTP's fill is -1e31, its pad -1e30; nothing measured is this large


def decoded(variable: Variable, notes: Notes) -> NDArray:
    """Return all records of a variable, fills as NaN.

    One look at the smallest and the largest value tells whether there are fills at all, so that clean data are
    passed over once and not copied. Whole numbers stay whole where they have none.

    Parameters
    ----------
    variable : Variable
    notes : Notes
        Told of values that are too large and not the declared fill.
    """
    values = variable.read()
    if variable.kind == "time":
        return utc_times(values)
    if variable.kind == "text" or values.size == 0:
        return values
    fill = _fill(variable, values.dtype)
    if values.dtype.kind == "f":
        return _floats(variable, values, fill, notes)
    if fill is None or not int(values.min()) <= fill <= int(values.max()):
        return values
    filled = values == fill
    if not filled.any():
        return values
    result = values.astype("f4" if values.dtype.itemsize <= 2 else "f8")
    result[filled] = np.nan
    return result


def _fill(variable: Variable, dtype: np.dtype) -> float | int | None:
    """Return FILLVAL as the variable's own type holds it; None if there is none or it can't be among the values."""
    stated = variable.attributes.get("FILLVAL")
    first = stated[0] if isinstance(stated, list) and stated else None
    if not isinstance(first, int | float):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(dtype.type(first))
    return int(first) if np.isfinite(first) and first == int(first) else None


def _floats(variable: Variable, values: NDArray, fill: float | int | None, notes: Notes) -> NDArray:
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if fill is not None and low <= fill <= high:
        values[values == fill] = np.nan
        low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if low <= -TOO_LARGE or high >= TOO_LARGE:
        large = (values >= TOO_LARGE) | (values <= -TOO_LARGE)
        values[large] = np.nan
        notes.line(f"{int(large.sum())} values of {variable.name} beyond 1e30 that are not its FILLVAL became NaN")
    return values

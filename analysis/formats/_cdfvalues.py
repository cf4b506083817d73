"""Values of a CDF variable: fills become NaN, in place, and only where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.formats._cdftimes import utc_times
from analysis.formats._facts import Notes, without_unmeasured
from analysis.model.contract import FILL_FROM

if TYPE_CHECKING:
    from analysis.formats._cdfaxes import Variable


def decoded(variable: Variable, notes: Notes, *, mask: bool = False) -> NDArray:
    """Return all records of a variable, fills as NaN.

    One look at the smallest and the largest value tells whether there are fills at all, so that clean data are
    passed over once and not copied. Whole numbers stay whole where they have none.

    Parameters
    ----------
    variable : Variable
    notes : Notes
        Told of infinities and default fills that are not the declared one, and of values outside the limits.
    mask : bool, optional
        Whether numbers outside VALIDMIN and VALIDMAX become NaN too.
    """
    values = _unmasked(variable, notes)
    return _within(variable, values, notes) if mask and variable.kind == "number" and values.size else values


def decoded_later(mask: bool, variable: Variable) -> NDArray:
    """Return all records of a variable as :func:`decoded` does, when nobody listens to notes any more."""
    return decoded(variable, Notes(""), mask=mask)


def _unmasked(variable: Variable, notes: Notes) -> NDArray:
    values = variable.read()
    if variable.kind == "time":
        return utc_times(values)
    if variable.kind == "text" or values.size == 0:
        return values
    if values.dtype.kind == "f":
        return _floats(variable, values, notes)
    fill = _fill(variable)
    if fill is None or not int(values.min()) <= fill <= int(values.max()):
        return values
    filled = values == fill
    if not filled.any():
        return values
    result = _as_floats(variable, values, filled, notes)
    result[filled] = np.nan
    return result


def _as_floats(variable: Variable, values: NDArray, lost: NDArray[np.bool_], notes: Notes) -> NDArray:
    """Return whole numbers as floats, some of which become NaN; those too large for that are told of."""
    if values.dtype.itemsize == 8:
        large = ~lost & ((values > 2**53) | (values < -(2**53)))
        if large.any():
            notes.line(f"{int(large.sum())} values of {variable.name} above 2^53 rounded, as it holds missing ones too")
    return values.astype("f4" if values.dtype.itemsize <= 2 else "f8")


def _within(variable: Variable, values: NDArray, notes: Notes) -> NDArray:
    """Return values with NaN for those outside the limits that the file states, one for all or one for each place."""
    outside = np.zeros(values.shape, bool)
    for key, is_out in (("VALIDMIN", np.less), ("VALIDMAX", np.greater)):
        stated = variable.attributes.get(key)
        if isinstance(stated, list) and len(stated) in (1, values.shape[-1]) and all(map(_is_number, stated)):
            outside |= is_out(values, np.array(stated if len(stated) > 1 else stated[0]))
    if not outside.any():
        return values
    notes.line(f"{int(outside.sum())} values of {variable.name} outside VALIDMIN and VALIDMAX became NaN, as asked")
    if values.dtype.kind != "f":
        values = _as_floats(variable, values, outside, notes)
    values[outside] = np.nan
    return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _fill(variable: Variable) -> int | None:
    """Return the FILLVAL of whole numbers; None if there is none or it can't be among the values."""
    first = _stated(variable)
    return int(first) if first is not None and np.isfinite(first) and first == int(first) else None


def _stated(variable: Variable) -> float | int | None:
    stated = variable.attributes.get("FILLVAL")
    first = stated[0] if isinstance(stated, list) and stated else None
    return first if isinstance(first, int | float) else None


def _fills(variable: Variable, dtype: np.dtype) -> set[float]:
    """Return the numbers that FILLVAL may be among floats: -999.9 of 4 bytes is another number in 8 bytes."""
    first = _stated(variable)
    if first is None:
        return set()
    with np.errstate(over="ignore"):
        own, single = float(dtype.type(first)), np.float32(first)
    if not np.isfinite(single) or single == 0:
        return {own}
    return {own, float(single)} | ({float(str(single))} if float(single) == first else set())


def _floats(variable: Variable, values: NDArray, notes: Notes) -> NDArray:
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if max(high, -low) >= FILL_FROM:
        values = _filled(variable, values, low, high)
        return without_unmeasured(variable.name, values, notes)
    return _filled(variable, values, low, high)


def _filled(variable: Variable, values: NDArray, low: float, high: float) -> NDArray:
    """Return values with the declared fill as NaN."""
    for fill in _fills(variable, values.dtype):
        if low <= fill <= high:
            values[values == values.dtype.type(fill)] = np.nan
    return values

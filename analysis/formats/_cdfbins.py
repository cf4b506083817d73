"""The ends of energy bins, from the widths that DELTA_PLUS_VAR and DELTA_MINUS_VAR of an energy axis name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import WrongUnits
from analysis.model import in_units

OF_THE_VALUE = ("delta_plus", "delta_minus", "catdesc", "notes", "label")  # no longer true of another value


@dataclass(frozen=True)
class Widths:
    """How far a bin reaches above and below its value, in the unit of the value; zero where the file says nothing."""

    above: NDArray
    below: NDArray


def converted(values: NDArray, units: object, wanted: object) -> NDArray | None:
    """Return widths in the unit of their axis; None where they are of another kind, such as percent.

    Examples
    --------
    >>> converted(np.array([1.5]), "keV", "eV").tolist(), converted(np.array([10.0]), "%", "eV") is None
    ([1500.0], True)
    """
    try:
        return in_units(xr.DataArray(values, attrs={"units": str(units)}), str(wanted)).values
    except WrongUnits:
        return None


def coordinates(
    variable: xr.Variable, widths: Widths, *, dim: str, record: str, name: str
) -> tuple[dict[str, xr.Variable], str]:
    """Return an axis with the ends of its bins, ``<dim>_low`` and ``<dim>_high``, and a line of history.

    Parameters
    ----------
    variable : xarray.Variable
        What the file gives as the axis: the centre of each bin, or one of its ends.
    widths : Widths
        On the same places, by record or not.
    dim, record : str
        Dims of the axis and of the records.
    name : str
        What the axis is called among the coordinates.

    Returns
    -------
    dict of xarray.Variable, str
        Where the file gives an end of each bin, the axis becomes the geometric mean of both ends (the arithmetic
        mean if an end is at zero or below), so that a search for the nearest energy finds the bin that holds it.
        Nothing and the reason if the widths make no bins.
    """
    values = variable.values
    low, high = np.broadcast_arrays(values - widths.below, values + widths.above)
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any() or (widths.above < 0).any() or (widths.below < 0).any() or (high <= low)[known].any():
        return {}, "its widths are zero, negative or missing"
    dims = (record, dim) if low.ndim == 2 else (dim,)
    attrs = dict(variable.attrs)
    centred = bool(np.any(widths.below) and np.any(widths.above))
    bare = {key: value for key, value in attrs.items() if key not in OF_THE_VALUE}
    ends = {
        f"{dim}_low": xr.Variable(dims, low, {**bare, "long_name": "Lower end of the energy bin"}),
        f"{dim}_high": xr.Variable(dims, high, {**bare, "long_name": "Upper end of the energy bin"}),
    }
    if centred:
        return {name: variable, **ends}, f"{dim}_low and {dim}_high are its values less and plus their widths"
    given, side = (f"{dim}_low", "lower") if not np.any(widths.below) else (f"{dim}_high", "upper")
    kept = {key: value for key, value in attrs.items() if not key.startswith("delta_")}
    ends[given] = xr.Variable(dims, ends[given].values, kept)
    positive = bool((low[known] > 0).all())
    middle = (np.sqrt(low * high) if positive else (low + high) / 2).astype(low.dtype)
    mean = "geometric" if positive else "arithmetic"
    if middle.ndim != values.ndim:
        return {}, "its bins change in time but their ends do not"
    centre = xr.Variable(variable.dims, middle, {**bare, "long_name": "Energy, middle of the bin"})
    return {name: centre, **ends}, f"it gives the {side} end of each bin; {dim} is the {mean} mean of both ends"


def history_line(table: str, what: str, attributes: Mapping[str, object]) -> str:
    """Return what was made of an energy axis and the attributes that say so, for the history.

    Examples
    --------
    >>> history_line("E", "no ends", {"delta_plus": "dE"})
    'energies E (widths dE): no ends'
    """
    widths = dict.fromkeys(str(attributes[key]) for key in ("delta_plus", "delta_minus") if key in attributes)
    return f"energies {table} (widths {', '.join(widths)}): {what}"

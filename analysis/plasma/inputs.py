"""What every function of this package asks of its inputs: the same axes, no impossible values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeGuard

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import is_synthetic, unit_of


def named(array: xr.DataArray, what: str) -> xr.DataArray:
    """Return the array under its own name or, if it has none, the argument's, so that an error can name it.

    Examples
    --------
    >>> named(xr.DataArray(1.0), "density").name
    'density'
    """
    return array.rename(what) if isinstance(array, xr.DataArray) and array.name is None else array


def on_same_axes(**arrays: xr.DataArray) -> None:
    """Refuse arrays whose shared axes differ; xarray would keep only the samples in common and say nothing.

    Raises
    ------
    WrongData
        Naming the arrays.

    Examples
    --------
    >>> one = xr.DataArray([1.0, 2.0], coords={"time": [0, 1]}, attrs={"units": "nT"})
    >>> on_same_axes(density=one, b=one.isel(time=[0]))
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: density and b are not on the same axes ...
    """
    for name, array in arrays.items():
        unit_of(named(array, name))  # a bare number or an array without units is refused here
    try:
        xr.align(*arrays.values(), join="exact", copy=False)
    except ValueError as error:
        raise WrongData(
            f"{' and '.join(arrays)} are not on the same axes ({error}); {_to_same_axes(arrays)}"
        ) from error


def _to_same_axes(arrays: Mapping[str, xr.DataArray]) -> str:
    """Return what to do about arrays of which some axis differs."""
    (first, one), *others = arrays.items()
    for name, other in others:
        for dim in [dim for dim in one.indexes if dim in other.indexes]:
            mine, theirs = one.indexes[dim], other.indexes[dim]
            if mine.equals(theirs):
                continue
            if mine.sort_values().equals(theirs.sort_values()):
                return f"bring them into one order: {name}.sel({dim}={first}.{dim})"
            if dim == "component":
                return (
                    "bring both to one frame (plasma.to_frame) or, where they are in one, name the components alike: "
                    f"{name}.assign_coords(component={first}.component)"
                )
            if dim == "spacecraft":
                return "both need the same spacecraft, by the same names"
            return f"interpolate or reindex one to the other first, for example {name}.interp({dim}={first}.{dim})"
    return "interpolate or reindex one to the other first"


def refuse_vectors(**arrays: xr.DataArray) -> None:
    """Refuse a vector where a number belongs; it would give an answer for each component.

    Raises
    ------
    WrongData
        Naming the array.

    Examples
    --------
    >>> refuse_vectors(bz=xr.DataArray([1.0, 2.0, 3.0], dims="component"))
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: bz is a vector (dim 'component' of size 3) where one number for each sample ...
    """
    for name, array in arrays.items():
        if isinstance(array, xr.DataArray) and "component" in array.dims:
            raise WrongData(
                f"{name} is a vector (dim 'component' of size {array.sizes['component']}) where one number for each "
                f"sample is needed; take a component, {name}.sel(component='z'), or its length, "
                f"plasma.magnitude({name})"
            )


def refuse_other_dims(array: xr.DataArray, *dims: str) -> None:
    """Refuse an array that has more dims than these, or lacks one, where only one series can be taken.

    Raises
    ------
    WrongData
        Saying how to take one.

    Examples
    --------
    >>> refuse_other_dims(xr.DataArray([[1.0]], dims=["spacecraft", "time"], name="b"), "time")
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: b also has the dim spacecraft; take one of them first: b.isel(spacecraft=0)
    """
    if lacks := [dim for dim in dims if dim not in array.dims]:
        raise WrongData(f"{array.name} has dims {', '.join(map(str, array.dims))}; {', '.join(lacks)} is needed")
    if others := [str(dim) for dim in array.dims if dim not in dims]:
        chosen = ", ".join(f"{dim}=0" for dim in others)
        raise WrongData(
            f"{array.name} also has the dim {', '.join(others)}; take one of them first: {array.name}.isel({chosen})"
        )


def refuse_unsorted(array: xr.DataArray) -> None:
    """Refuse an array whose times do not increase.

    Raises
    ------
    WrongData
        Saying how to sort them.

    Examples
    --------
    >>> times = np.array(["2020-01-02", "2020-01-01"], "datetime64[ns]")
    >>> refuse_unsorted(xr.DataArray([1.0, 2.0], {"time": times}, name="b"))
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: the times of b do not increase; sort them, b.sortby('time'), and drop ...
    """
    times = array["time"].values
    if not (times[1:] > times[:-1]).all():
        raise WrongData(
            f"the times of {array.name} do not increase; sort them, {array.name}.sortby('time'), and drop doubled "
            "ones, .drop_duplicates('time')"
        )


def refuse_empty(data: xr.DataArray | xr.Dataset) -> None:
    """Refuse data without a single record.

    Raises
    ------
    OutsideCoverage
        If the axis of time is empty.

    Examples
    --------
    >>> refuse_empty(xr.DataArray([], dims="time", name="dst"))
    Traceback (most recent call last):
    ...
    analysis.errors.OutsideCoverage: dst holds no record: its time range is empty
    """
    if data.sizes.get("time") == 0:
        name = str(data.name or "the array") if isinstance(data, xr.DataArray) else "the dataset"
        raise OutsideCoverage(f"{name} holds no record: its time range is empty")


def doubled(array: xr.DataArray) -> xr.DataArray:
    """Return the array in double precision: products with the constants of nature leave the range of float32.

    Examples
    --------
    >>> doubled(xr.DataArray(np.float32(5.0))).dtype
    dtype('float64')
    """
    return array.astype(np.result_type(array.dtype, np.float64))


def is_number(value: object) -> TypeGuard[float]:
    """Return whether this is a number, Python's or numpy's, and no truth value or length of time.

    Examples
    --------
    >>> is_number(np.float32(0.5)), is_number(True), is_number("5"), is_number(np.timedelta64(5, "s"))
    (True, False, False, False)
    """
    if isinstance(value, bool | np.timedelta64):  # numpy counts a span of time among the integers
        return False
    return isinstance(value, int | float | np.integer | np.floating)


def whole_number(value: object, name: str, least: int) -> int:
    """Return an option that counts something, as an int.

    Raises
    ------
    BadOption
        If it is no whole number, or below the least that makes sense.

    Examples
    --------
    >>> whole_number(20.0, "window", 3)
    20
    >>> whole_number(2.5, "window", 3)
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: window=2.5 is not a whole number, 3 or more
    """
    if not is_number(value) or not np.isfinite(value) or value != int(value) or value < least:
        raise BadOption(f"{name}={value!r} is not a whole number, {least} or more")
    return int(value)


def finite(value: object, what: str, *, positive: bool = False) -> float:
    """Return an option that is a finite number as float, or refuse it.

    Examples
    --------
    >>> finite(np.float32(2), "scale", positive=True)
    2.0
    """
    if not is_number(value) or not np.isfinite(value) or (positive and value <= 0):
        raise BadOption(f"{what}={value!r} is not a {'number above zero' if positive else 'finite number'}")
    return float(value)


def not_negative(array: xr.DataArray, what: str, *, zero: bool = True, hint: str = "") -> xr.DataArray:
    """Return the array if no value is negative or infinite nor, with ``zero=False``, zero.

    A Dask-backed array is looked at when it is computed, so the error comes then.

    Raises
    ------
    WrongData
        Saying how many values are wrong and which is the lowest.

    Examples
    --------
    >>> not_negative(xr.DataArray([3.0, -1.0]), "density")
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: density holds 1 value below zero or infinite (lowest -1); mask such ...
    """
    return xr.apply_ufunc(
        partial(_refused, what=what, zero=zero, hint=hint, unit=str(array.attrs.get("units", ""))),
        array,
        dask="parallelized",
        output_dtypes=[array.dtype],
        keep_attrs=True,
    )


def _refused(values: np.ndarray, *, what: str, zero: bool, hint: str, unit: str) -> np.ndarray:
    bad = np.isinf(values) | ((values < 0) if zero else (values <= 0))
    if count := int(np.count_nonzero(bad)):
        limit = "below zero" if zero else "not above zero"
        advice = hint or f"mask such values first: {what}.where({what} {'>=' if zero else '>'} 0)"
        plural = "value" if count == 1 else "values"
        lowest = f"{np.nanmin(values):g} {'' if unit == '1' else unit}".rstrip()
        raise WrongData(f"{what} holds {count} {plural} {limit} or infinite (lowest {lowest}); {advice}")
    return values


def synthetic_attrs(*arrays: xr.DataArray | xr.Dataset) -> dict[str, str]:
    """Return the attribute that marks a result as synthetic if any of its inputs is.

    Examples
    --------
    >>> synthetic_attrs(xr.DataArray(1.0, attrs={"synthetic": "true"}), xr.DataArray(1.0))
    {'synthetic': 'true'}
    """
    return {"synthetic": "true"} if any(is_synthetic(array) for array in arrays) else {}

"""What functions of series over time ask of their inputs: a variable or an array, times that increase, a frame."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, UnknownVariable, WrongData, WrongFrame
from analysis.plasma.inputs import named, refuse_empty
from analysis.plasma.quality import quality_of
from analysis.plasma.vectors import frame_of

Given = xr.DataArray | None

HOUR = np.timedelta64(3600 * 10**9, "ns")


def taken(wind: xr.Dataset | None, given: Given, name: str, function: str) -> xr.DataArray:
    """Return an input that came as an array or as a variable of a dataset, its flag beside it as a coordinate.

    Raises
    ------
    UnknownVariable, WrongData
        If it came in neither way.

    Examples
    --------
    >>> wind = xr.Dataset({"bz": ("time", [1.0]), "bz_quality": ("time", [2])})
    >>> list(taken(wind, None, "bz", "newell_coupling").coords)
    ['bz_quality']
    """
    if given is not None:
        return named(given, name)
    if wind is None:
        raise WrongData(f"{function} needs {name}: give a Dataset that has it, or {name}= as a DataArray")
    if not isinstance(wind, xr.Dataset):
        raise WrongData(
            f"{function} takes a Dataset, not a {type(wind).__name__}; give one node of a tree, or arrays by name"
        )
    if name not in wind.variables:
        raise UnknownVariable(
            f"the dataset has no {name}, which {function} needs; it has {', '.join(map(str, wind.data_vars))}; "
            f"give {name}= as a DataArray"
        )
    array = wind[name]
    flag = quality_of(array, wind)
    if "synthetic" in wind.attrs:
        array = array.assign_attrs(synthetic=wind.attrs["synthetic"])
    return array if flag is None else array.assign_coords({f"{name}_quality": flag})


def in_gsm(component: xr.DataArray) -> xr.DataArray:
    """Return a component of the field if it says that it is in GSM.

    Raises
    ------
    WrongFrame
        If it is in another frame or says none.

    Examples
    --------
    >>> in_gsm(xr.DataArray(1.0, name="bz", attrs={"frame": "GSE"}))
    Traceback (most recent call last):
    ...
    analysis.errors.WrongFrame: bz is in GSE; coupling with the magnetosphere needs GSM: ...
    """
    if not isinstance(component, xr.DataArray):
        return component  # on_same_axes says what is wrong with it
    if (frame := frame_of(component)) != "GSM":
        raise WrongFrame(
            f"{component.name} is in {frame}; coupling with the magnetosphere needs GSM: turn the whole vector with "
            "plasma.to_frame and take its components"
        )
    return component


def hours_of(series: xr.DataArray, function: str) -> np.ndarray:
    """Return the times of a series as hours since the first, strictly increasing.

    Raises
    ------
    WrongData
        If the series has another dim than ``time``, no times, or times that do not increase.
    OutsideCoverage
        If it is empty.

    Examples
    --------
    >>> time = np.array(["2001-03-31T00", "2001-03-31T03"], dtype="datetime64[ns]")
    >>> hours_of(xr.DataArray([1.0, 2.0], coords={"time": time}), "storms")
    array([0., 3.])
    """
    if series.dims != ("time",):
        raise WrongData(f"{function} takes a series along time alone; {series.name} has dims {series.dims}")
    refuse_empty(series)
    if "time" not in series.coords or series["time"].dtype.kind != "M":
        raise WrongData(f"{series.name} has no times as datetime64[ns] in UTC in its coordinate time")
    times = series["time"].values.astype("datetime64[ns]")
    if np.isnat(times).any() or (times[1:] <= times[:-1]).any():
        raise WrongData(f"the times of {series.name} do not increase strictly; sort them: sortby('time')")
    return (times - times[0]) / HOUR


def series_of(
    data: xr.DataArray | xr.Dataset, variable: str | None, function: str
) -> tuple[xr.DataArray, xr.DataArray | xr.Dataset]:
    """Return one series, and what it came from: a variable of a dataset, whose source is then known, or an array.

    Raises
    ------
    BadOption
        If a dataset comes without the variable's name, or an array with one.
    UnknownVariable
        If the dataset has no such variable.

    Examples
    --------
    >>> series_of(xr.Dataset({"rc": ("time", [1.0])}), "rc", "storms")[0].name
    'rc'
    """
    if not isinstance(data, xr.Dataset):
        if variable is not None:
            raise BadOption(
                f"variable={variable!r} chooses from a Dataset; {function} was given a {type(data).__name__}"
            )
        return data, data
    if not isinstance(variable, str):
        names = ", ".join(map(str, data.data_vars))
        raise BadOption(f"{function} takes one series: say which, variable=..., of {names}")
    return taken(data, None, variable, function), data


def in_nanoseconds(series: xr.DataArray) -> xr.DataArray:
    """Return a series with its times as ``datetime64[ns]``, whatever resolution they came in.

    Examples
    --------
    >>> coarse = xr.DataArray([1.0], coords={"time": np.array(["2001-03-31"], dtype="datetime64[s]")})
    >>> in_nanoseconds(coarse).time.dtype
    dtype('<M8[ns]')
    """
    if "time" not in series.coords or series["time"].dtype == np.dtype("datetime64[ns]"):
        return series
    return series.assign_coords(time=series["time"].astype("datetime64[ns]"))

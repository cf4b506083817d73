"""Quality flags: which values were measured, and what a derived value inherits.

A flag variable ``<name>_quality`` stands beside ``<name>`` and says with CF's ``flag_values`` and
``flag_meanings`` what its numbers mean, the worst first.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import history_with

FLAG_ATTRS = ("flag_values", "flag_meanings")


def measured(data: xr.Dataset, *, at_least: str = "measured") -> xr.Dataset:
    """Return the dataset with NaN wherever a value's flag is worse than asked.

    Parameters
    ----------
    data : xarray.Dataset
        With flags ``<name>_quality`` beside some of its variables; the other variables stay as they are.
    at_least : str, optional
        The worst flag to keep, one of the words in ``flag_meanings``: for Qin-Denton data ``"measured"``,
        ``"interpolated"`` or ``"filled"``.

    Returns
    -------
    xarray.Dataset
        Same variables, flags and axes; integers become floating point, so that they can be NaN.

    Raises
    ------
    WrongData
        If it is no Dataset, no variable has a flag, or a flag does not say what its values mean.
    BadOption
        If a flag has no such word.

    Examples
    --------
    >>> flag = {"units": "1", "flag_values": [0, 1, 2], "flag_meanings": "filled interpolated measured"}
    >>> wind = xr.Dataset({"bz": ("time", [1.0, 2.0]), "bz_quality": ("time", [2, 0], flag)})
    >>> measured(wind).bz.values
    array([ 1., nan])
    """
    if not isinstance(data, xr.Dataset):
        raise WrongData(f"measured takes a Dataset with flags, not a {type(data).__name__}; give one node of a tree")
    flagged = [str(name) for name in data.data_vars if f"{name}_quality" in data.variables]
    if not flagged:
        raise WrongData(f"none of {', '.join(map(str, data.data_vars))} has a flag <name>_quality beside it")
    kept = {}
    for name in flagged:
        flag = data[f"{name}_quality"].reset_coords(drop=True)
        kept[name] = data[name].where(flag >= _flag_of(flag, at_least))
    result = data.assign(kept)
    return result.assign_attrs(history=history_with(data, f"plasma.measured(at_least={at_least!r})"))


def _flag_of(flag: xr.DataArray, word: str) -> int:
    """Return the number that stands for a word of ``flag_meanings``."""
    words = str(flag.attrs.get("flag_meanings", "")).split()
    values = np.atleast_1d(flag.attrs.get("flag_values", [])).tolist()
    if not words or len(words) != len(values):
        raise WrongData(f"{flag.name} lacks flag_values and flag_meanings: what do its values mean?")
    if word not in words:
        raise BadOption(f"at_least={word!r}: {flag.name} knows {', '.join(words)}")
    return values[words.index(word)]


def with_flags_as_coordinates(data: xr.Dataset) -> xr.Dataset:
    """Return the dataset with its flags as coordinates, which stay beside a variable that is taken out of it.

    As plain variables they would be lost by ``wind[["bz", "pdyn"]]``, and a picture could not mark anything.

    Examples
    --------
    >>> wind = xr.Dataset({"bz": ("time", [1.0]), "bz_quality": ("time", [2])})
    >>> list(with_flags_as_coordinates(wind).bz.coords)
    ['bz_quality']
    """
    return data.set_coords([f"{name}_quality" for name in data.data_vars if f"{name}_quality" in data.data_vars])


def quality_of(array: xr.DataArray, beside: xr.Dataset | None = None) -> xr.DataArray | None:
    """Return the flag of an array, from its own coordinates or from the dataset it was taken out of.

    Examples
    --------
    >>> wind = xr.Dataset({"bz": ("time", [1.0]), "bz_quality": ("time", [2])})
    >>> int(quality_of(wind.bz, wind)[0])
    2
    """
    name = f"{array.name}_quality"
    if name in array.coords:
        return array.coords[name].reset_coords(drop=True)
    if beside is not None and name in beside.variables:
        return beside[name].reset_coords(drop=True)
    return None


def with_worst_quality(result: xr.DataArray, *flags: xr.DataArray | None) -> xr.DataArray:
    """Return the array with a coordinate ``<name>_quality``: the worst of the flags it was made of.

    Flags of the inputs that came along as coordinates are dropped. Without any flag there is no coordinate.

    Raises
    ------
    WrongData
        If the flags do not mean the same.

    Examples
    --------
    >>> two, none = xr.DataArray([2, 2], dims="time", name="bz_quality"), xr.DataArray([2, 0], dims="time")
    >>> made = with_worst_quality(xr.DataArray([5.0, 6.0], dims="time", name="p"), two, none)
    >>> made.p_quality.values
    array([2, 0])
    """
    bare = result.drop_vars([name for name in result.coords if str(name).endswith("_quality")])
    known = [flag for flag in flags if flag is not None]
    if not known:
        return bare
    meanings = {str([np.ravel(flag.attrs.get(key, "")).tolist() for key in FLAG_ATTRS]) for flag in known}
    if len(meanings) > 1:
        names = ", ".join(str(flag.name) for flag in known)
        raise WrongData(f"{names} have different meanings, so none is the worst; drop one with drop_vars")
    worst = reduce(xr.ufuncs.minimum, known)
    says = {key: known[0].attrs[key] for key in FLAG_ATTRS if key in known[0].attrs}
    made_of = ", ".join(str(flag.name).removesuffix("_quality") for flag in known)
    worst.attrs = {"units": "1", "long_name": f"Quality of {result.name}: the worst of {made_of}", **says}
    return bare.assign_coords({f"{result.name}_quality": worst})

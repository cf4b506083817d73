"""Quality flags: which values were measured, and what a derived value inherits.

A flag variable ``<name>_quality`` stands beside ``<name>`` and says with CF's ``flag_values`` and
``flag_meanings`` what its numbers mean, the worst first; or, with ``flag_masks``, what its bits warn of.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import reduce

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import PLAIN, bits_of, history_with, words_of

FLAG_ATTRS = ("flag_masks", "flag_values", "flag_meanings")


def measured(data: xr.Dataset, *, at_least: str = "measured") -> xr.Dataset:
    """Return the dataset with NaN wherever a value's flag is worse than asked.

    Parameters
    ----------
    data : xarray.Dataset
        With flags ``<name>_quality`` beside some of its variables; the other variables stay as they are.
    at_least : str, optional
        The worst flag to keep, one of the words in ``flag_meanings``: for Qin-Denton data ``"measured"``,
        ``"interpolated"`` or ``"filled"``. The words are ranked as they stand in ``flag_meanings``, the worst
        first (the best first where a word such as ``good`` opens them), whatever numbers stand for them. Bits
        (``flag_masks``) have no rank: any word for a good sample keeps those that no bit warns of.

    Returns
    -------
    xarray.Dataset
        Same variables, flags and axes; integers become floating point, so that they can be NaN.

    Raises
    ------
    WrongData
        If it is no Dataset, no variable has a flag, or a flag does not say what its values mean.
    BadOption
        If a flag has no such word, or the word is one warning among a flag's bits.

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
    flags = {name: data[f"{name}_quality"].reset_coords(drop=True) for name in flagged}
    _refuse_unknown_word(at_least, flags)
    kept = {name: data[name].where(_good_enough(flag, at_least)) for name, flag in flags.items()}
    result = data.assign(kept)
    return result.assign_attrs(history=history_with(data, f"plasma.measured(at_least={at_least!r})"))


def _refuse_unknown_word(word: str, flags: Mapping[str, xr.DataArray]) -> None:
    """Refuse a word that any of the flags does not know, saying which know it."""
    accepted = {name: _accepted(flag) for name, flag in flags.items()}
    lacking = [name for name, words in accepted.items() if word not in words]
    if not lacking:
        return
    told = "; ".join(f"{name}_quality knows {', '.join(_said(flags[name]))}" for name in lacking)
    knowing = [name for name in flags if name not in lacking]
    hint = f"; {', '.join(knowing)} know {word!r}: mask them alone, measured(data[{knowing}])" if knowing else ""
    raise BadOption(f"at_least={word!r}: {told}{hint}")


def _said(flag: xr.DataArray) -> list[str]:
    """Return the words to choose from."""
    words = words_of(flag)[0]
    good = [word for word in words if word in PLAIN] or ["measured"]
    return [*good, "as its bits have no rank"] if "flag_masks" in flag.attrs else words


def _accepted(flag: xr.DataArray) -> set[str]:
    words, _, masks = words_of(flag)
    return set(words) if masks is None else set(PLAIN)


def _good_enough(flag: xr.DataArray, word: str) -> xr.DataArray:
    """Return which samples bear the word or a better one; of bits, which bear no warning."""
    words, values, masks = words_of(flag)
    if masks is not None:
        harmless = reduce(operator.or_, (v for w, v in zip(words, values, strict=True) if w in PLAIN), 0)
        bits = bits_of(flag)
        return (bits | harmless) == harmless
    ranked = _worst_first(flag)
    return flag.isin(ranked[ranked.index(values[words.index(word)]) :])


def _worst_first(flag: xr.DataArray) -> list[int]:
    """Return the values of a flag from the worst to the best: as its words stand, or the other way round."""
    words, values, _ = words_of(flag)
    return values[::-1] if words[0] in PLAIN and words[-1] not in PLAIN else values


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
    worst = reduce(_worse, [part for flag in known for part in _parts(flag, bare)])
    says = {key: known[0].attrs[key] for key in FLAG_ATTRS if key in known[0].attrs}
    made_of = ", ".join(str(flag.name).removesuffix("_quality") for flag in known)
    worst.attrs = {"units": "1", "long_name": f"Quality of {result.name}: the worst of {made_of}", **says}
    return bare.assign_coords({f"{result.name}_quality": worst})


def _parts(flag: xr.DataArray, result: xr.DataArray) -> list[xr.DataArray]:
    """Return a flag on the result's dims: one part for each component of a vector whose length was taken."""
    gone = [dim for dim in flag.dims if dim not in result.dims]
    if not gone:
        return [flag]
    flat = flag.drop_vars(gone, errors="ignore").stack(part=gone, create_index=False)
    return [flat.isel(part=number, drop=True) for number in range(flat.sizes["part"])]


def _worse(one: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Return the worse of two flags of one meaning: all bits of both, or the lower rank."""
    if "flag_masks" in one.attrs:
        worst = bits_of(one) | bits_of(other)
    elif "flag_meanings" in one.attrs:
        values = _worst_first(one)
        worst = xr.where(_rank(one, values) <= _rank(other, values), one, other)
    else:
        worst = xr.ufuncs.minimum(one, other)
    return worst.assign_attrs(one.attrs)


def _rank(flag: xr.DataArray, worst_first: list[int]) -> xr.DataArray:
    """Return how good each flag is; -1 for a value without a word, which is thus the worst."""
    rank = xr.full_like(flag, -1, dtype=np.int64)
    for number, value in enumerate(worst_first):
        rank = xr.where(flag == value, number, rank)
    return rank

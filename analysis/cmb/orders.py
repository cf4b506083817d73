"""Maps of cells of several orders, brought to one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.maps import FACTS, checked_nside
from analysis.errors import BadOption, UnknownVariable, WrongData
from analysis.model import derived

if TYPE_CHECKING:
    from numpy.typing import NDArray

SINGER = "Singer & Price 2016, PRD 93, 024013, doi:10.1103/PhysRevD.93.024013"
MANY = 12 * 2048**2  # cells; a finer sky is made only where it is asked for by a map that has such cells


def single_order(
    data: xr.Dataset, nside: int, *, totals: str | Iterable[str] = (), means: str | Iterable[str] = ()
) -> xr.Dataset:
    """Return a multi-order map on cells of one nside.

    Cells larger than asked for are copied into those inside them; of smaller ones the mean by area is taken over
    what is known. That is right for what is a density or an intensity. A ``mask`` stays true only where all of a
    cell is covered and true.

    Parameters
    ----------
    data : xarray.Dataset
        With coordinates ``uniq`` and ``level`` on ``cell``, as ``formats.read`` gives multi-order maps.
    nside : int
        Power of two.
    totals : str or iterable of str, optional
        Variables that hold an amount of each cell, such as a probability or a count: they are added up, and shared
        out evenly.
    means : str or iterable of str, optional
        Variables without a unit of which the mean is right all the same.

    Returns
    -------
    xarray.Dataset
        The same variables, dim ``cells`` with NESTED ``cell_ids`` in ascending order: of the whole sky, or as far as
        the cells reach.

    Raises
    ------
    WrongData
        If the data are no multi-order map, hold Q and U on cells of other orders (whose directions would need to be
        carried along), or a variable without unit might be a total or not.
    BadOption
        If ``nside`` is not a power of two, or a variable is named twice.
    UnknownVariable
        If one is named that there is not.

    References
    ----------
    Singer & Price 2016, PRD 93, 024013, doi:10.1103/PhysRevD.93.024013 (multi-order maps).

    Examples
    --------
    >>> from analysis.formats._healpixorders import coordinates
    >>> density = ("cell", [1.0, 3.0, 3.0, 3.0, 7.0], {"units": "sr-1", "long_name": "Density"})
    >>> several = xr.Dataset({"density": density}, coordinates(np.array([4, 20, 21, 22, 23]), "cell"))
    >>> single_order(several, 1).density.values, single_order(several, 2).density.values
    (array([1., 4.]), array([1., 1., 1., 1., 3., 3., 3., 7.]))
    """
    nside = checked_nside(nside)
    wanted = nside.bit_length() - 1
    if not isinstance(data, xr.Dataset) or not {"uniq", "level"} <= set(data.coords):
        raise WrongData("these are no cells of several orders: a Dataset with uniq and level, as formats.read gives it")
    level, uniq = (data[name].values.astype(np.int64) for name in ("level", "uniq"))
    added = _added(data, totals, means, resampled=bool((level != wanted).any()))
    number = uniq - (np.int64(4) << (2 * level))
    parent, weights, sources = _children(number, level, wanted)
    ids, place = np.unique(parent, return_inverse=True)
    made = {}
    for name, array in data.data_vars.items():
        if "cell" in array.dims:
            moved = array.transpose(..., "cell")
            rows = moved.values.reshape(-1, level.size)
            one = _mask if array.dtype.kind == "b" else _total if name in added else _mean
            values = np.stack([one(row[sources], weights, place, ids.size) for row in rows])
            made[name] = ((*moved.dims[:-1], "cells"), values.reshape(*moved.shape[:-1], ids.size), array.attrs)
        else:
            made[name] = (array.dims, array.values, array.attrs)
    attrs = {"grid_name": "healpix", "level": wanted, "indexing_scheme": "nested"}
    kept = {name: c for name, c in data.coords.items() if "cell" not in c.dims}
    facts = {k: v for k, v in data.attrs.items() if k in FACTS}
    new = xr.Dataset(made, {**kept, "cell_ids": ("cells", ids, attrs)}, {**facts, "nside": nside})
    orders = f"orders {level.min()} to {level.max()}"
    told = f"; totals: {', '.join(sorted(added))}" if added else ""
    step = f"cmb.single_order(nside={nside}): means by area or copies of cells of {orders}{told}"
    title = f"{data.attrs.get('title', 'Sky map')}, nside {nside}"
    return derived(new, data, title=title, step=step, references=[SINGER])


def _added(data: xr.Dataset, totals: str | Iterable[str], means: str | Iterable[str], *, resampled: bool) -> set[str]:
    """Return the names of the variables that are totals; refuse what cannot be decided or done."""
    total, mean = ({names} if isinstance(names, str) else set(names) for names in (totals, means))
    if unknown := (total | mean) - set(map(str, data.data_vars)):
        has = ", ".join(map(str, data.data_vars))
        raise UnknownVariable(f"the map has no {', '.join(sorted(map(str, unknown)))}; it has {has}")
    if both := total & mean:
        raise BadOption(f"{', '.join(sorted(both))}: among totals and among means; it is one of them")
    if not resampled:
        return total
    for key, array in data.data_vars.items():
        name = str(key)
        bare = str(array.attrs.get("units", "1")) in ("1", "", "ct", "count", "ph")
        if "cell" in array.dims and array.dtype.kind != "b" and bare and name not in total | mean:
            raise WrongData(
                f"{name} has the unit {array.attrs.get('units')!r}: an amount of each cell or a value of the sky? "
                f"say totals={name!r} (a probability, counts) or means={name!r}"
            )
    if "sky" in data and {"Q", "U"} & set(map(str, data["sky"]["stokes"].values)):
        raise WrongData(
            "Q and U refer to each cell's own meridian: they stay on their orders; choose sel(stokes=['I'])"
        )
    return total


def _children(
    number: NDArray[np.int64], level: NDArray[np.int64], wanted: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the new cell of each piece of an old one, the piece's share of the new cell, and which old one it is.

    A share above 1 says that the old cell is larger.
    """
    inside = np.where(level < wanted, np.int64(1) << (2 * np.maximum(wanted - level, 0)), 1)
    if inside.sum() > MANY and level.max() < wanted:
        raise BadOption(
            f"nside={1 << wanted} would make {inside.sum()} cells of a map whose finest are of nside {1 << level.max()}"
        )
    sources = np.repeat(np.arange(level.size), inside)
    step = np.arange(inside.sum()) - np.repeat(np.cumsum(inside) - inside, inside)
    down, up = np.maximum(wanted - level, 0), np.maximum(level - wanted, 0)
    first = (number >> (2 * up)) << (2 * down)
    return first[sources] + step, 4.0 ** (wanted - level[sources].astype(float)), sources


def _mean(values: NDArray, weights: NDArray, place: NDArray, size: int) -> NDArray:
    share = np.where(np.isnan(values), 0, np.minimum(weights, 1))
    whole = np.bincount(place, share, minlength=size)
    total = np.bincount(place, np.where(share > 0, values, 0) * share, minlength=size)
    return np.divide(total, whole, out=np.full(size, np.nan), where=whole > 0)


def _total(values: NDArray, weights: NDArray, place: NDArray, size: int) -> NDArray:
    known = ~np.isnan(values)
    total = np.bincount(place, np.where(known, values, 0) / np.maximum(weights, 1), minlength=size)
    return np.where(np.bincount(place, known, minlength=size) > 0, total, np.nan)


def _mask(values: NDArray, weights: NDArray, place: NDArray, size: int) -> NDArray:
    kept = np.bincount(place, np.where(values, np.minimum(weights, 1), 0), minlength=size)
    return kept > 1 - 1e-12

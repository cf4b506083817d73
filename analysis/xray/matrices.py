"""Responses in several matrices: one matrix of their sum, as CAL/GEN/92-002 (2020) has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import in_units
from analysis.xray.inputs import as_dataset, synthetic_of, variable

NEEDED = ("matrix", "first_channel", "n_channels", "energy_index", "energy_low", "energy_high")
MOST_ELEMENTS = 200_000_000  # of a sum: 1.6 GB of float64 and half of that of channel numbers


def one_matrix(rmf: xr.Dataset | xr.DataTree, what: str) -> xr.Dataset:
    """Return an RMF as it is, or the sum of the matrices of a tree on the finest of their energy grids.

    A coarse energy bin is a sum of fine ones, so its row holds for each of them: the sum is exact.

    Raises
    ------
    WrongData
        If the channels or units of matrices differ, if a coarse bin is no sum of fine ones, or if the sum would
        have more than 2e8 elements.
    """
    if not isinstance(rmf, xr.DataTree) or rmf.has_data:
        return as_dataset(rmf, what)
    held = [n.to_dataset(inherit=False) for n in rmf.subtree if n.has_data]
    if len(held) < 2 or not all(set(NEEDED) <= set(data.variables) for data in held):
        return as_dataset(rmf, what)  # which refuses it, naming its children
    finest = max(held, key=lambda data: data.sizes["energy"])
    for other in held:
        _refuse_strangers(finest, other, what)
    taken = [_taken(data, finest, what) for data in held]
    size = sum(int(data["n_channels"].values[group].sum()) for data, (group, _) in zip(held, taken, strict=True))
    if size > MOST_ELEMENTS:
        raise WrongData(
            f"the sum of these {len(held)} matrices on {finest.sizes['energy']} energy bins has {size:.3g} elements, "
            f"more than the {MOST_ELEMENTS:.0e} that are held; take a smaller response (for Resolve the L size), or "
            f"one of its matrices alone, such as rmf[{str(held_names(rmf)[0])!r}]"
        )
    return _summed(finest, held, taken)


def overlap(energy: np.ndarray, first: np.ndarray, size: np.ndarray) -> bool:
    """Return whether two groups of an energy bin share a channel, or come in falling order.

    Examples
    --------
    >>> overlap(np.array([0, 0, 1]), np.array([3, 5, 0]), np.array([2, 1, 9]))
    False
    >>> overlap(np.array([0, 0]), np.array([3, 4]), np.array([2, 1]))
    True
    """
    order = np.argsort(energy, kind="stable")
    energy, first, size = energy[order], first[order], size[order]
    return bool(((np.diff(energy) == 0) & (first[1:] < first[:-1] + size[:-1])).any())


def added_up(
    energy: np.ndarray, channel: np.ndarray, elements: np.ndarray, n_channels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return elements in order of energy bin and channel, those of one place added up.

    Examples
    --------
    >>> place = added_up(np.array([0, 0, 0]), np.array([2, 1, 2]), np.array([0.5, 1.0, 0.25]), 4)
    >>> [values.tolist() for values in place]
    [[0, 0], [1, 2], [1.0, 0.75]]
    """
    place, where = np.unique(energy * np.int64(n_channels) + channel, return_inverse=True)
    return *np.divmod(place, n_channels), np.bincount(where, elements, place.size)


def held_names(rmf: xr.DataTree) -> list[str]:
    """Return the names of the nodes with data.

    Examples
    --------
    >>> held_names(xr.DataTree.from_dict({"/matrix_1": xr.Dataset({"a": 1}), "/empty": xr.Dataset()}))
    ['matrix_1']
    """
    return [str(node.name) for node in rmf.subtree if node.has_data]


def _refuse_strangers(finest: xr.Dataset, other: xr.Dataset, what: str) -> None:
    if other["matrix"].attrs.get("units") != finest["matrix"].attrs.get("units"):
        raise WrongData(f"{what}: some of the matrices hold the effective area (cm2) and some do not")
    if not np.array_equal(other["channel"].values, finest["channel"].values):
        raise WrongData(f"{what}: the matrices have different channels, so they are no parts of one response")


def _taken(data: xr.Dataset, finest: xr.Dataset, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which groups of a matrix the finest bins take, one after another, and which bin takes each."""
    bins = data["energy_index"].values
    inside = _coarse_bin(data, finest, what)
    order = np.argsort(bins, kind="stable")
    first = np.searchsorted(bins[order], inside)
    number = np.where(inside >= 0, np.searchsorted(bins[order], inside, "right") - first, 0)
    return order[_runs(first, number)], np.repeat(np.arange(inside.size), number)


def _runs(start: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the indices of runs laid end to end, each from its start on."""
    return np.arange(int(size.sum())) + np.repeat(start - (np.cumsum(size) - size), size)


def _coarse_bin(data: xr.Dataset, finest: xr.Dataset, what: str) -> np.ndarray:
    """Return in which bin of a matrix each of the finest bins lies, -1 for none."""
    (low, high), (fine_low, fine_high) = (
        [in_units(variable(held, name, what), "keV").values.astype(float) for name in ("energy_low", "energy_high")]
        for held in (data, finest)
    )
    if (np.diff(low) <= 0).any() or (np.diff(fine_low) <= 0).any():
        raise WrongData(f"{what}: the energy bins of one of the matrices are not in order")
    inside = np.searchsorted(low, (fine_low + fine_high) / 2) - 1
    outside = (inside < 0) | ((fine_low + fine_high) / 2 > high[np.maximum(inside, 0)])
    inside = np.where(outside, -1, inside)
    held = inside >= 0
    slack = 0.01 * (fine_high - fine_low)[held] + 1e-6 * fine_high[held]  # float32 edges
    fits = (fine_low[held] >= low[inside[held]] - slack) & (fine_high[held] <= high[inside[held]] + slack)
    covered = np.bincount(inside[held], (fine_high - fine_low)[held], low.size)
    used = np.zeros(low.size, bool)
    used[data["energy_index"].values] = True
    whole = np.abs(covered - (high - low)) <= 0.02 * (high - low)
    if not fits.all() or not whole[used].all():
        raise WrongData(
            f"{what}: an energy bin of one matrix is not made of whole bins of the finest ({low.size} and "
            f"{fine_low.size} bins), so their sum is no response on these; fold the model through each by itself"
        )
    return inside


def _summed(
    finest: xr.Dataset, held: Sequence[xr.Dataset], taken: Sequence[tuple[np.ndarray, np.ndarray]]
) -> xr.Dataset:
    """Return one matrix of all the groups taken, those of one energy bin side by side."""
    groups: dict[str, list[np.ndarray]] = {name: [] for name in ("first_channel", "n_channels", "matrix")}
    for data, (group, _) in zip(held, taken, strict=True):
        sizes = data["n_channels"].values.astype(np.int64)
        groups["first_channel"].append(data["first_channel"].values[group])
        groups["n_channels"].append(sizes[group])
        groups["matrix"].append(data["matrix"].values[_runs((np.cumsum(sizes) - sizes)[group], sizes[group])])
    energy = np.concatenate([fine for _, fine in taken])
    first, size, elements = (np.concatenate(groups[name]) for name in ("first_channel", "n_channels", "matrix"))
    order = np.argsort(energy, kind="stable")
    elements = elements[_runs((np.cumsum(size) - size)[order], size[order])]
    made = finest.drop_dims(["group", "element"])
    laid = {"first_channel": first[order], "n_channels": size[order], "energy_index": energy[order]}
    for name, values in laid.items():
        made[name] = ("group", values, finest[name].attrs)
    made["matrix"] = ("element", elements, finest["matrix"].attrs)
    return made.assign_attrs({**finest.attrs, **synthetic_of(*held)})

"""Parts of one product joined along time: nothing lost, nothing twice, nothing averaged away."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, OutsideCoverage, WrongData, WrongFrame, WrongUnits
from analysis.model import is_synthetic, provenance_of, span

if TYPE_CHECKING:
    from analysis.model.clocks import Instant

__all__ = ["concatenated"]

_MEANINGS = ("flag_values", "flag_masks", "flag_meanings")  # without which the numbers of a flag say nothing
# Attributes whose lines are gathered from all parts; others that differ are kept with the part's provenance.
_GATHERED = ("title", "institution", "source", "references", "license", "caveats", "region")


def concatenated(
    datasets: Sequence[xr.Dataset | xr.DataTree],
    start: Instant | None = None,
    stop: Instant | None = None,
) -> xr.Dataset | xr.DataTree:
    """Return the parts of one product as one, in order of time, cut to [start, stop).

    Parameters
    ----------
    datasets : sequence of xarray.Dataset or xarray.DataTree
        One a part, in any order. What has no ``time`` in it must be the same in all. Trees are joined node by node.
    start, stop : time, optional
        Half-open interval in UTC; an end that is left out cuts nothing.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Records that two parts share are there once. ``history`` says what was joined and dropped; ``provenance`` has
        in ``parts`` that of each part, with those of its attributes that differ from part to part.

    Raises
    ------
    WrongData
        Two parts have different values for one time, other variables or dims, or other values without time (the
        energies of a spectrogram, for example); the message names the variable.
    WrongUnits, WrongFrame
        A variable has different units or frames in two parts.
    OutsideCoverage
        No sample lies within [start, stop).
    BadTime
        The interval cannot be read.

    Examples
    --------
    >>> days = [xr.Dataset({"b": ("time", [1.0, 2.0])}, {"time": np.array([d, d + 12], "datetime64[h]")})
    ...         for d in (0, 12)]
    >>> days[1]["b"][:] = [2.0, 3.0]
    >>> concatenated(days)["b"].values.tolist()
    [1.0, 2.0, 3.0]
    """
    if not datasets:
        raise WrongData("there is nothing to join: no part was given")
    first, last = span(start, stop)
    if all(isinstance(part, xr.Dataset) for part in datasets):
        return _joined("", [part for part in datasets if isinstance(part, xr.Dataset)], first, last)
    if not all(isinstance(part, xr.DataTree) for part in datasets):
        raise WrongData("the parts are of two sorts, Dataset and DataTree: they are not parts of one product")
    trees = [part for part in datasets if isinstance(part, xr.DataTree)]
    return _joined_trees(trees, first, last)


def _joined_trees(trees: Sequence[xr.DataTree], first: np.datetime64 | None, last: np.datetime64 | None) -> xr.DataTree:
    nodes: dict[str, list[xr.Dataset]] = {}
    for tree in trees:
        for node in tree.subtree:
            if node.has_data or node.is_root:
                nodes.setdefault(node.path, []).append(node.to_dataset(inherit=False))
    made: dict[str, xr.Dataset] = {}
    outside: OutsideCoverage | None = None
    for path, found in nodes.items():
        if not any(data.variables for data in found):
            made[path] = found[0].drop_attrs(deep=False).assign_attrs(_attrs(found, []))
            continue
        notes = []
        if len(found) < len(trees):
            notes = [f"{path}: {len(trees) - len(found)} of {len(trees)} parts have no such node"]
            warnings.warn(notes[0], AnalysisWarning, stacklevel=3)
        try:
            made[path] = _joined(path, found, first, last, notes)
        except OutsideCoverage as error:
            outside = error
    if outside is not None and not any("time" in data.dims for data in made.values()):
        raise outside
    return xr.DataTree.from_dict(made, name=trees[0].name)


def _joined(
    path: str,
    found: Sequence[xr.Dataset],
    first: np.datetime64 | None,
    last: np.datetime64 | None,
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Return one dataset, or one node, of all parts."""
    where = f"{path}: " if path not in ("", "/") else ""
    _check_alike(where, found)
    steps = list(notes)
    if "time" not in found[0].dims:
        return found[0].assign_attrs(_attrs(found, steps))
    if any("time" not in part.indexes for part in found):
        raise WrongData(f"{where}the dim time has no times in it, so that parts cannot be joined along it")
    spans = [(part["time"].values[0], part["time"].values[-1]) for part in found if part.sizes["time"]]
    cut = [part for part in (_within(part, first, last) for part in found) if part.sizes["time"]]
    if not cut:
        held = f"the parts hold {min(a for a, _ in spans)} to {max(b for _, b in spans)}" if spans else "they are empty"
        raise OutsideCoverage(f"{where}no sample lies in [{first or '…'}, {last or '…'}); {held} (UTC)")
    cut.sort(key=lambda part: part["time"].values[0])
    data = cut[0]
    if len(cut) > 1:
        data = xr.concat(cut, "time", data_vars="minimal", coords="minimal", compat="override", join="override")
    data, dropped = _in_order(where, data)
    if len(found) > 1:
        steps.append(f"{len(found)} parts joined along time")
    if dropped:
        steps.append(f"{dropped} records that two parts share dropped")
    if first is not None or last is not None:
        steps.append(f"cut to [{first or '…'}, {last or '…'})")
    return data.drop_attrs(deep=False).assign_attrs(_attrs(found, steps))


def _within(part: xr.Dataset, first: np.datetime64 | None, last: np.datetime64 | None) -> xr.Dataset:
    times = part["time"].values
    low = 0 if first is None else int(np.searchsorted(times, first, "left"))
    high = times.size if last is None else int(np.searchsorted(times, last, "left"))
    return part if (low, high) == (0, times.size) else part.isel(time=slice(low, max(low, high)))


def _in_order(where: str, data: xr.Dataset) -> tuple[xr.Dataset, int]:
    """Return the records in order of time, each time once, and how many were dropped."""
    times = data["time"].values
    if times.size < 2 or (times[1:] > times[:-1]).all():
        return data, 0
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    kept, same = order[again - 1], order[again]
    for name, variable in data.variables.items():
        if "time" in variable.dims and name != "time":
            pair = variable.isel(time=kept).values, variable.isel(time=same).values
            axes = tuple(axis for axis, dim in enumerate(variable.dims) if dim != "time")
            if (different := ~_equal(*pair).all(axis=axes)).any():
                at = ordered[again][different][0]
                raise WrongData(
                    f"{where}two parts have different values of {name} for {at} (UTC) and {int(different.sum()) - 1} "
                    "more times: they are not of one version; get both anew, or give a range that one part covers"
                )
    return data.isel(time=np.delete(order, again)), again.size


def _equal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return where values are the same, NaN and NaT like themselves."""
    return (one == other) | ((one != one) & (other != other))


def _check_alike(where: str, found: Sequence[xr.Dataset]) -> None:
    """Refuse parts that are not of one product."""
    model = found[0]
    for number, part in enumerate(found[1:], 2):
        if odd := sorted(map(str, set(model.variables) ^ set(part.variables))):
            raise WrongData(f"{where}{', '.join(odd)} is not in all parts (part {number} differs from part 1)")
        for name, variable in model.variables.items():
            other = part.variables[name]
            if variable.dims != other.dims:
                raise WrongData(f"{where}{name} has dims {variable.dims} in part 1 and {other.dims} in part {number}")
            for attr, refusal in (("units", WrongUnits), ("frame", WrongFrame)):
                if variable.attrs.get(attr) != other.attrs.get(attr):
                    told = f"{variable.attrs.get(attr)!r} in part 1 and {other.attrs.get(attr)!r} in part {number}"
                    raise refusal(f"{where}{name} has the {attr} {told}")
            for attr in _MEANINGS:
                mine, others = variable.attrs.get(attr), other.attrs.get(attr)
                if (mine is None) != (others is None) or not np.array_equal(mine, others):  # type: ignore[arg-type]
                    raise WrongData(
                        f"{where}{name} has {attr} {mine!r} in part 1 and {others!r} in part {number}: the numbers "
                        "mean different things; give a range within which they mean the same"
                    )
            if (variable.dtype.kind == "M") != (other.dtype.kind == "M"):
                raise WrongData(f"{where}{name} is {variable.dtype} in part 1 and {other.dtype} in part {number}")
            if "time" in variable.dims:
                if any(variable.sizes[dim] != other.sizes[dim] for dim in variable.dims if dim != "time"):
                    raise WrongData(f"{where}{name} has shape {variable.shape} in part 1, {other.shape} in {number}")
            elif variable.shape != other.shape or not _equal(variable.values, other.values).all():
                raise WrongData(
                    f"{where}{name} does not vary with time and differs between part 1 and part {number}; "
                    "give a range within which it is the same"
                )


def _attrs(found: Sequence[xr.Dataset], steps: Sequence[str]) -> dict[str, object]:
    """Return the attributes of the whole."""
    made: dict[str, object] = {}
    known = [part.attrs for part in found]
    differing = {
        key
        for attrs in known
        for key in attrs
        if key not in ("history", "provenance", "synthetic", *_GATHERED) and not _same(key, known)
    }
    for key, value in known[0].items():
        if key not in differing:
            made[str(key)] = value
    for key in _GATHERED:
        if lines := dict.fromkeys(line for attrs in known for line in str(attrs.get(key, "")).splitlines() if line):
            made[key] = "\n".join(lines)
    history = dict.fromkeys(line for attrs in known for line in str(attrs.get("history", "")).splitlines() if line)
    if history or steps:
        made["history"] = "\n".join([*history, *steps])
    if len(found) > 1 and any("provenance" in attrs for attrs in known):
        parts = []
        for part in found:
            own = {str(key): part.attrs[key] for key in sorted(differing, key=str) if key in part.attrs}
            parts.append({**provenance_of(part), **({"attrs": own} if own else {})})
        made["provenance"] = json.dumps({"parts": parts}, default=str, ensure_ascii=False)
    if any(is_synthetic(part) for part in found):
        made["synthetic"] = "true"
    return made


def _same(key: object, known: Sequence[dict]) -> bool:
    """Return whether all parts have this attribute with one value."""
    return all(key in attrs for attrs in known) and all(np.array_equal(attrs[key], known[0][key]) for attrs in known)

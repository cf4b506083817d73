"""One time line for the data of several spacecraft, by interpolation inside each series and nowhere else."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, UnknownVariable, WrongData
from analysis.model import derived, in_units, unit_of
from analysis.model.contract import is_fill
from analysis.plasma.formations import Span, nanoseconds, refuse_disorder
from analysis.plasma.inputs import named, synthetic_attrs
from analysis.plasma.vectors import component_labels, same_frame, vector


def aligned(
    data: xr.DataTree | Mapping[str, xr.Dataset | xr.DataTree],
    *,
    variables: Sequence[str] | Mapping[str, str],
    max_gap: Span | Mapping[str, Span],
    times: xr.DataArray | np.ndarray | None = None,
) -> xr.Dataset:
    """Return variables of several spacecraft on one time line, with a dim ``spacecraft``.

    Linear in time between the two samples beside each time, component by component. Nothing is made up: where these
    two are further apart than ``max_gap``, or the series has not begun or has ended, the result is NaN. Samples with
    a missing number are passed over. A time that a sample has gets that sample. Angles go the shorter way round: from
    350° over 0° to 10°. (Local times in hours do not: give them as angles.) Flags are not brought along: mask with
    :func:`measured` first.

    Parameters
    ----------
    data : xarray.DataTree or mapping of name to xarray.Dataset
        One child or entry for each spacecraft, its name that of the spacecraft; a child may hold further nodes where
        variables have times of their own. The tree of a single spacecraft, instrument by instrument, is given a name:
        ``{"mine": tree}``.
    variables : sequence or mapping of str
        Names that all spacecraft have; or the new name of each and what it is called there, ``{spacecraft}``
        standing for the name of the spacecraft: ``{"b": "{spacecraft}_fgm_b_gse"}``. With the dim ``time`` and
        units; vectors in one frame.
    max_gap : str, float, numpy.timedelta64, scalar xarray.DataArray or mapping
        Longest distance of two samples to interpolate between (``"2s"``, seconds, or with units); or one for each of
        the new names: positions are given far apart.
    times : xarray.DataArray or numpy.ndarray, optional
        The time line, strictly increasing; by default the times that the first spacecraft has of the first variable.

    Returns
    -------
    xarray.Dataset
        Dims ``spacecraft``, ``time`` and, for vectors, ``component``; in the units of the first spacecraft. Each
        variable says in ``attrs["missing"]`` how many of its values there are none for, and so does ``history``.

    Raises
    ------
    UnknownVariable
        If a spacecraft lacks a variable.
    WrongData
        If there are no spacecraft, times are out of order or no datetimes, axes other than time differ, or a variable
        is text, a flag, or in several nodes of a spacecraft.
    WrongFrame, WrongUnits, MissingUnits
        If spacecraft differ in frame or kind of unit.
    BadOption
        If a gap is no time above zero, or is not given for a variable.
    OutsideCoverage
        If the time line is empty.

    Warns
    -----
    AnalysisWarning
        If a spacecraft has no value at some of the times.

    Examples
    --------
    >>> def craft(halves):
    ...     time = np.datetime64("2020-01-01", "ns") + (halves + 2 * np.arange(5)) * np.timedelta64(500, "ms")
    ...     return xr.Dataset({"n": ("time", halves / 2 + np.arange(5.0), {"units": "cm-3"})}, {"time": time})
    >>> both = {"one": craft(2), "two": craft(1)}
    >>> aligned(both, variables=["n"], max_gap="1s", times=both["one"].time[:3]).n.values
    array([[1., 2., 3.],
           [1., 2., 3.]])
    """
    crafts = _by_spacecraft(data)
    title = f"{'Several spacecraft' if len(crafts) > 1 else next(iter(crafts))} on one time line"
    wanted = _wanted(variables)
    each = {name: max_gap.get(name) if isinstance(max_gap, Mapping) else max_gap for name in wanted}
    gaps = {name: nanoseconds(gap, "max_gap", f" of {name}") for name, gap in each.items()}
    _refuse_instruments(crafts, wanted)
    found = {
        new: {craft: _variable(node, old.replace("{spacecraft}", craft), craft) for craft, node in crafts.items()}
        for new, old in wanted.items()
    }
    first = next(iter(next(iter(found.values())).values()))
    line = _time_line(first.time if times is None else times)
    result, missing = {}, []
    for name, series in found.items():
        result[name], lacking = _on_line(name, series, line, gaps[name])
        missing += lacking
    if missing:
        warnings.warn("; ".join(missing), AnalysisWarning, stacklevel=2)
    nodes = [one for series in found.values() for one in series.values()]
    told = ", ".join(f"{name}: {gap / 1e9:g} s" for name, gap in gaps.items())
    step = "; ".join([f"plasma.aligned(max_gap={{{told}}}): interpolated linearly in time", *missing])
    sources = [_top(node) for node in crafts.values()]
    return derived(xr.Dataset(result), sources[0], title=title, step=step, also=[*sources, *nodes])


def _by_spacecraft(data: object) -> dict[str, xr.Dataset | xr.DataTree]:
    crafts = data.children if isinstance(data, xr.DataTree) else data
    if not isinstance(crafts, Mapping) or isinstance(data, xr.Dataset):
        raise WrongData(f"aligned takes a DataTree or a mapping of datasets by spacecraft, not a {type(data).__name__}")
    if not crafts:
        raise WrongData("there is no spacecraft in the tree or mapping: give one child or entry for each")
    for name, node in crafts.items():
        if not isinstance(node, xr.Dataset | xr.DataTree):
            raise WrongData(f"{name} is a {type(node).__name__}; each spacecraft is a Dataset or a DataTree")
    return {str(name): node for name, node in crafts.items()}


def _refuse_instruments(crafts: Mapping[str, xr.Dataset | xr.DataTree], wanted: Mapping[str, str]) -> None:
    """Refuse the tree of one spacecraft, whose children are instruments: each variable is in one of them only."""
    if len(crafts) < 2:
        return
    names = {craft: _names_in(node) for craft, node in crafts.items()}
    homes = [
        [craft for craft, has in names.items() if old.replace("{spacecraft}", craft) in has] for old in wanted.values()
    ]
    if all(len(home) == 1 for home in homes) and len({home[0] for home in homes}) > 1:
        raise UnknownVariable(
            f"{', '.join(wanted.values())} are each in one child only ({', '.join(crafts)}): if these are instruments "
            "of one spacecraft, give its tree a name, aligned({'mine': tree}, …)"
        )


def _names_in(node: xr.Dataset | xr.DataTree) -> set[str]:
    datasets = [one.to_dataset() for one in node.subtree] if isinstance(node, xr.DataTree) else [node]
    return {str(name) for dataset in datasets for name in (*dataset.data_vars, *dataset.coords)}


def _wanted(variables: object) -> dict[str, str]:
    """Return what each variable will be called and is called now."""
    pairs = dict(variables) if isinstance(variables, Mapping) else {}
    if isinstance(variables, Sequence) and not isinstance(variables, str):
        pairs = {name: name for name in variables}
    if not pairs or not all(isinstance(name, str) for pair in pairs.items() for name in pair):
        raise BadOption(f"variables={variables!r} are no names; for example ['b', 'position'], or new and old in pairs")
    return pairs


def _variable(node: xr.Dataset | xr.DataTree, name: str, craft: str) -> xr.DataArray:
    """Return a variable of a spacecraft, from wherever below its node it is."""
    if isinstance(node, xr.DataTree):
        below = {one.path: one.to_dataset() for one in node.subtree}
    else:
        below = {craft: node}
    holding = [path for path, dataset in below.items() if name in dataset.data_vars]
    if len(holding) > 1:
        raise WrongData(
            f"{craft} has {name} in several nodes, {', '.join(holding)}: give the one that is meant, or rename"
        )
    holding = holding or [path for path, dataset in below.items() if name in dataset.coords]
    if not holding:
        has = sorted({str(one) for dataset in below.values() for one in dataset.data_vars})
        raise UnknownVariable(f"{craft} has no {name}; it has {', '.join(has) or 'none'}")
    found = below[holding[0]]
    array = found[name].assign_attrs(found[name].attrs | synthetic_attrs(found))
    unit_of(array)
    if "time" not in array.dims or "time" not in array.coords:
        raise WrongData(f"{name} of {craft} has dims {array.dims}; it needs a dim 'time' with times")
    refuse_disorder(array, f"{name} of {craft}")
    if array.dtype.kind not in "fiu" or {"flag_values", "flag_masks", "flag_meanings"} & set(array.attrs):
        what = "a flag" if array.dtype.kind in "fiu" else f"of the type {array.dtype}"
        raise WrongData(f"{name} of {craft} is {what}: there is nothing between two of its samples")
    return vector(array, name) if "component" in array.dims else array


def _time_line(times: object) -> xr.DataArray:
    values = np.asarray(times.values if isinstance(times, xr.DataArray) else times)
    if values.ndim != 1 or values.dtype.kind != "M":
        raise WrongData(f"times are {values.dtype} with {values.ndim} dims; a time line is a row of datetime64, in UTC")
    if values.size == 0 or np.isnat(values).any():
        raise OutsideCoverage("the time line is empty or holds NaT")
    nanoseconds = values.astype("datetime64[ns]")
    line = xr.DataArray(nanoseconds, {"time": nanoseconds}, ["time"], "time", {"long_name": "Time (UTC)"})
    refuse_disorder(line, "times")
    return line


def _on_line(
    name: str, series: Mapping[str, xr.DataArray], line: xr.DataArray, gap: int
) -> tuple[xr.DataArray, list[str]]:
    """Return one variable of all spacecraft on the time line, and what to say about those that lack values."""
    first = next(iter(series.values()))
    attrs: dict[str, object] = {"units": first.attrs["units"], "long_name": first.attrs.get("long_name", name)}
    if "component" in first.dims:
        attrs["frame"] = same_frame(**{f"{name} of {craft}": one for craft, one in series.items()})
    rows, missing = [], []
    for craft, one in series.items():
        other = set(first.dims) ^ set(one.dims)
        if other or any(one.sizes[dim] != first.sizes[dim] for dim in one.dims if dim != "time"):
            raise WrongData(f"{name} of {craft} has other axes than that of {next(iter(series))}: {dict(one.sizes)}")
        one = _in_order(one, first, f"{name} of {craft}", next(iter(series)))
        values = in_units(named(one, name), str(first.attrs["units"])).transpose("time", ...)
        made = _between(values, line.values, gap)
        lost = int(np.isnan(made).reshape(len(made), -1).any(axis=1).sum())
        if lost:
            missing.append(
                f"{name} of {craft} has no value at {lost} of {len(made)} times (outside its series, or in a gap)"
            )
        rows.append(made)
    along = {
        key: value for key, value in first.coords.items() if key in first.dims and key not in ("time", "component")
    }
    if "component" in first.dims:
        along["component"] = component_labels(list(first.component.values))
    dims = ("spacecraft", "time", *(dim for dim in first.transpose("time", ...).dims if dim != "time"))
    names = ("spacecraft", list(series), {"long_name": "Spacecraft"})
    attrs |= {"interpolated": "linearly in time", **synthetic_attrs(*series.values())}
    if missing:
        attrs["missing"] = "; ".join(missing)
    return xr.DataArray(np.stack(rows), {"spacecraft": names, "time": line, **along}, dims, name, attrs), missing


def _in_order(one: xr.DataArray, first: xr.DataArray, what: str, craft: str) -> xr.DataArray:
    """Return a series with the labels of its axes in the order that the first spacecraft has."""
    for dim, labels in first.indexes.items():
        own = one.indexes.get(dim)
        if dim == "time" or own is None or own.equals(labels):
            continue
        if own.size != labels.size or not own.is_unique or not own.isin(labels).all():
            raise WrongData(
                f"{what} has other values of {dim} than that of {craft}: {list(own)[:4]}, {list(labels)[:4]}"
            )
        one = one.sel({dim: labels})
    return one


def _between(series: xr.DataArray, line: np.ndarray, gap: int) -> np.ndarray:
    """Return a series at other times, NaN where it has no samples on both sides within the gap."""
    values = np.asarray(series.values, float)
    bad = ~np.isfinite(values) | is_fill(values)
    kept = ~bad.reshape(len(values), -1).any(axis=1)
    ticks, values = series.time.values.astype("datetime64[ns]").astype("int64")[kept], values[kept]
    out = np.full((line.size, *values.shape[1:]), np.nan)
    if not ticks.size:
        return out
    at = line.astype("int64")
    right = np.searchsorted(ticks, at, side="left")  # the first sample that is not before
    inside = right < ticks.size
    exact = inside & (ticks[np.minimum(right, ticks.size - 1)] == at)
    out[exact] = values[right[exact]]
    between = inside & ~exact & (right > 0)
    after, before = right[between], right[between] - 1
    span = ticks[after] - ticks[before]
    share = ((at[between] - ticks[before]) / span).reshape((-1,) + (1,) * (values.ndim - 1))
    step = values[after] - values[before]
    if (turn := _turn(series)) is None:
        made = values[before] + step * share
    else:
        lowest = 0.0 if values.min() >= 0 else -turn / 2
        across = np.abs(step) > turn / 2
        made = values[before] + np.where(across, step - np.copysign(turn, step), step) * share
        made = np.where(across, (made - lowest) % turn + lowest, made)
    made[span > gap] = np.nan
    out[between] = made
    return out


def _turn(series: xr.DataArray) -> float | None:
    """Return how much once round is in the unit of an angle, None of what is no angle."""
    unit = unit_of(series)
    return 360 / float(unit.to("deg")) if unit.is_equivalent("deg") else None


def _top(node: xr.Dataset | xr.DataTree) -> xr.Dataset:
    """Return a dataset with the attributes of a spacecraft's node, or of the first below it that has any."""
    if isinstance(node, xr.Dataset):
        return node
    datasets = [one.to_dataset() for one in node.subtree]
    return next((one for one in datasets if one.attrs), datasets[0])

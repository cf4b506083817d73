"""Where the cells of a mesh begin and end: read from coordinates, or midway between them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData

GAP = 3.5  # a step this many times the usual one is a gap: no line or cell is drawn across it


def cell_edges(array: xr.DataArray, dim: str, *, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper edges of the cells along a dim."""
    if f"{dim}_low" in array.coords and f"{dim}_high" in array.coords:
        low, high = (np.asarray(array.coords[f"{dim}_{end}"].values, dtype=float) for end in ("low", "high"))
        if log:  # a lowest edge at zero lies nowhere on the axis: let the cell begin a step below
            low = np.where(low > 0, low, np.asarray(along(array, dim).values, dtype=float) ** 2 / high)
    else:
        centres = np.asarray(along(array, dim).values, dtype=float)
        if log and (centres <= 0).any():
            raise WrongData(f"{dim} has coordinates that are not positive: no logarithmic axis can hold them")
        low, high = midway(centres, log=log)
    if low.ndim == 1 and (low == high).all():
        raise WrongData(f"{dim} is {low[0]:g} everywhere: its cells have no extent")
    if log and (low <= 0).any():
        raise WrongData(f"{dim} has edges that are not positive: no logarithmic axis can hold them")
    return low, high


def is_logarithmic(array: xr.DataArray, dim: str) -> bool:
    """Return whether cells lie above zero and are more even on a logarithmic axis than on a linear one."""
    values = np.asarray(along(array, dim).values, dtype=float)
    if values.ndim == 2:  # some of many tables say it
        values = values[np.isfinite(values).any(axis=1)]
        values = values[:: max(1, values.shape[0] // 1000)]
    lowest = array.coords[f"{dim}_low"].values if f"{dim}_low" in array.coords else values
    least = float(np.fmin.reduce(np.asarray(lowest, dtype=float), axis=None, initial=np.inf))
    if least == np.inf or not np.isfinite(values).any():
        raise WrongData(
            f"{dim} of {array.name or 'the array'} holds no number (all NaN): there is nothing to draw along"
        )
    if not least > 0:
        return False
    if values.shape[-1] < 3:
        return True
    linear, ratio = np.abs(np.diff(values, axis=-1)), np.abs(np.diff(np.log(values), axis=-1))
    if not (np.isfinite(linear).any() and np.nanmean(linear) > 0):
        return True
    return bool(np.nanstd(ratio) / np.nanmean(ratio) < np.nanstd(linear) / np.nanmean(linear))


def along(array: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the numeric coordinate of a dim: of its own name, or the one other that runs along it."""
    others = [c for n, c in array.coords.items() if dim in c.dims and not str(n).endswith(("_low", "_high"))]
    for coordinate in ([array.coords[dim]] if dim in array.coords else []) + others:
        if coordinate.dtype.kind in "fiu":
            return coordinate
    raise WrongData(f"{array.name or 'array'} has no numeric coordinate {dim!r} to draw along")


def midway(centres: np.ndarray, *, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return cell edges midway between centres along the last axis, geometrically if ``log``."""
    scale = np.log(centres) if log else centres
    if centres.shape[-1] == 1:
        half = np.full_like(scale, 0.1 if log else 0.5)
        low, high = scale - half, scale + half
    else:
        middle = (scale[..., 1:] + scale[..., :-1]) / 2
        first = 2 * scale[..., :1] - middle[..., :1]
        last = 2 * scale[..., -1:] - middle[..., -1:]
        edges = np.concatenate([first, middle, last], axis=-1)
        low, high = np.minimum(edges[..., 1:], edges[..., :-1]), np.maximum(edges[..., 1:], edges[..., :-1])
        if np.isnan(low).any():  # beside a centre that is missing a cell reaches as far as on its other side
            low, high = _without_neighbours(scale, edges, usual=0.1 if log else 0.5)
    return (np.exp(low), np.exp(high)) if log else (low, high)


def _without_neighbours(centres: np.ndarray, edges: np.ndarray, *, usual: float) -> tuple[np.ndarray, np.ndarray]:
    """Return edges of cells some of whose neighbours' centres are NaN; one alone is as wide as most."""
    before, after = centres - edges[..., :-1], edges[..., 1:] - centres
    before, after = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    half = float(np.nanmedian(before)) if np.isfinite(before).any() else usual
    before, after = (np.where(np.isnan(side), half, side) for side in (before, after))
    low, high = centres - before, centres + after
    return np.minimum(low, high), np.maximum(low, high)


def time_edges(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return start and end of each column of rising times: midway to the neighbours, but half a usual step at a gap."""
    ends = times[[0, -1]]
    if (ends.astype("datetime64[ns]").astype("datetime64[D]") != ends.astype("datetime64[D]")).any():
        raise WrongData(
            f"the times run from {ends[0]} to {ends[1]}; cells over time are drawn between the years 1678 and 2262, "
            "which nanoseconds reach"
        )
    nanoseconds = times.astype("datetime64[ns]").astype(np.int64)
    steps = np.diff(nanoseconds)
    if not (steps > 0).any():
        half = 30_000_000_000  # a lone spectrum is drawn a minute wide
        return (nanoseconds - half).astype("datetime64[ns]"), (nanoseconds + half).astype("datetime64[ns]")
    usual = int(np.median(steps if steps.all() else steps[steps > 0]))
    halves = np.where(steps > GAP * usual, usual, steps)
    halves >>= 1
    starts, ends = nanoseconds.copy(), nanoseconds.copy()  # of many millions: no more copies than these
    starts[0] -= halves[0]
    starts[1:] -= halves
    ends[:-1] += halves
    ends[-1] += halves[-1]
    return starts.view("datetime64[ns]"), ends.view("datetime64[ns]")

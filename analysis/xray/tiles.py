"""A list of many events cut into tiles of the sky plane, from which any part of it is counted at once."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived, in_units, utc_of_clock
from analysis.xray.counting import in_order, native, reach_of
from analysis.xray.detectors import seconds_between
from analysis.xray.inputs import Amount, band_of, events_and_gti, no_events, variable, without_area
from analysis.xray.intervals import clock_of, live_fraction, usual_bin
from analysis.xray.ordered import own_columns
from analysis.xray.planning import Plan, plane_edges, seen_of, spectrum_plan, time_edges, times_of
from analysis.xray.sky import sky_frame

SIDES = (16, 256)  # fewest and most tiles a side
PER_TILE = 1000  # events, about
SLABS = 8  # parts of a tile by energy
MOST_CELLS = 70_000_000  # tiles times bins that are kept
COLUMN_BINS = 200  # of a further column, where it is no small set of integers


def event_index(
    events: xr.DataTree,
    *,
    time_step: Amount | None = None,
    energy_step: Amount | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
    column: str | None = None,
) -> xr.Dataset:
    """Return an event list sorted into tiles, from which :func:`brushed` takes the products of any part at once.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` (``x``, ``y``, ``time``, and ``pi`` or ``energy``) and ``gti``.
    time_step, energy_step, rmf : optional
        As for :func:`analysis.xray.event_products`. With ``energy_step`` the spectrum is of energies.
    column : str, optional
        One more column of numbers to brush and to count, ``"grade"`` for example.

    Returns
    -------
    xarray.Dataset
        The columns of the good events, sorted by tile, within it by eight slabs of energy, within these by time; where
        each such cell begins (``first``), and light curves and spectra summed along the rows of tiles. A tile holds
        about a thousand events, there are 16 × 16 to 256 × 256. It takes about 1.1 times the memory of the columns
        it is made of; ``attrs["build_seconds"]`` says how long it took, compiling :func:`brushed` included.

    Raises
    ------
    WrongData, UnknownVariable, OutsideCoverage, BadOption
        As for :func:`analysis.xray.event_products`; BadOption also for more bins than can be kept for every tile.

    Examples
    --------
    >>> from analysis import xray
    >>> index = xray.event_index(xray.fetch("m82_acis_events"), energy_step=0.1)
    >>> spot = xray.brushed(index, circle=(4150, 4080, 40))
    >>> int(spot.counts.sum()) == int(spot.spectrum.sum())
    True
    """
    import time

    from analysis.xray import _kernels_brushing as kernels
    from analysis.xray.index_files import mark_of
    from analysis.xray.layers import with_layers

    began = time.perf_counter()
    listed, gti = events_and_gti(events, "event_index")
    x, y = (native(variable(listed, name, "event_index").values) for name in ("x", "y"))
    seen = seen_of(events, listed, gti)
    if seen.times.column:
        raise WrongData(
            f"the detectors ({seen.times.column}) have different good times, so a region's exposure depends on "
            f"which of them saw it; take one of them first: xray.selected(events, where={{{seen.times.column!r}: …}})"
        )
    edges = time_edges(gti, usual_bin(gti) if time_step is None else time_step)
    plan = spectrum_plan(listed, seen, rmf, energy_step, None)
    side = _side(x.size)
    if side**2 * max(edges.size, plan.edges.size) > MOST_CELLS:
        raise BadOption(
            f"{edges.size - 1} bins of time and {plan.edges.size - 1} of the spectrum are too many to keep for each of "
            f"{side} × {side} tiles; at most {MOST_CELLS // side**2 - 1}: take longer time_step= or energy_step="
        )
    ends, placed = reach_of(x, y)
    if not placed:
        raise OutsideCoverage(no_events(x.size, band_of(listed, None), placed=np.zeros(x.size, bool)))
    grid = np.array([ends[0], ends[2], *(max(float(b - a), 1e-9) / side for a, b in (ends[:2], ends[2:]))])
    held = {"x": x, "y": y, "moment": native(times_of(listed))}
    if "energy" in listed.variables:
        held["energy"] = native(in_units(listed["energy"], "keV").values)
    if column is not None:
        held["column"] = _numbers(listed, column)
    values, good = native(plan.values), seen.good
    own = own_columns(listed, channels=plan.channels is not None, column=column)
    if not in_order(held["moment"]):
        order = np.argsort(held["moment"], kind="stable")
        held = {name: part[order] for name, part in held.items()}
        values, good = values[order], good[order]
    slabs = _slabs(held.get("energy"))
    cells = np.empty(x.size, np.int32)
    energy = held.get("energy", np.empty(0, np.float32))
    first = kernels.cell_numbers(held["x"], held["y"], energy, slabs, good, grid, side, cells)
    made = {name: _into_cells(cells, first, part) for name, part in held.items()}
    binned = {"time": (held["moment"], edges), "spectrum": (values, plan.edges)}
    if column is not None:
        binned["column"] = (held["column"], column_edges(listed[column].values[seen.good]))
    for name, (part, ends_of) in binned.items():
        made |= _binned(name, part, ends_of, cells, first, slabs.size - 1, side)
    plane = plane_edges(listed, None, None, seen)[:2]
    frame = np.array([plane[0][0], plane[1][0], plane[0][1] - plane[0][0]])
    made["pixel"] = np.zeros(int(first[-1]), np.uint16)
    kernels.pixels_of(made["x"], made["y"], first, slabs.size - 1, grid, side, frame, *plane, made["pixel"])
    made |= {"first": first, "slab_edge": slabs[1:-1], "image_x": plane[0], "image_y": plane[1]}
    made["exposure"] = seconds_between(seen.times, listed, None, edges)
    made["good_start"], made["good_stop"] = seen.times.sets[-1]
    made |= {"time_edge": edges, "spectrum_edge": plan.edges}
    if column is not None:
        made["column_edge"] = binned["column"][1]
    index = with_layers(_labelled(listed, gti, made, edges, plan, grid, side, column).assign(own))
    index.attrs["events_mark"] = mark_of(listed, gti, column)
    return check(index.assign_attrs(build_seconds=round(time.perf_counter() - began, 3)))


def _into_cells(cells: np.ndarray, first: np.ndarray, values: np.ndarray) -> np.ndarray:
    from analysis.xray import _kernels_brushing as kernels

    made = np.empty(int(first[-1]), values.dtype)
    kernels.into_cells(cells, first[:-1], values, made)
    return made


def _binned(
    name: str, values: np.ndarray, edges: np.ndarray, cells: np.ndarray, first: np.ndarray, slabs: int, side: int
) -> dict[str, np.ndarray]:
    """The bin of each event in order of the cells, and the counts along the rows of tiles."""
    from analysis.xray import _kernels_brushing as kernels

    bins = np.empty(int(first[-1]), np.uint16 if edges.size < 65535 else np.int32)
    kernels.bins_into_cells(cells, first[:-1], values, edges, bins)
    table = np.zeros((side, side + 1, edges.size - 1), np.int32)
    kernels.along_rows(first, slabs, bins, side, table)
    return {f"{name}_bin": bins, f"{name}_table": table}


def with_column(index: xr.Dataset, events: xr.DataTree, column: str) -> xr.Dataset:
    """Return an event index of the same events with another further column.

    Raises
    ------
    BadOption, OutsideCoverage, UnknownVariable
        As for :func:`event_index`.
    """
    from analysis.xray import _kernels_brushing as kernels
    from analysis.xray.index_files import mark_of
    from analysis.xray.layers import with_layers

    listed, gti = events_and_gti(events, "event_index")
    x, y = (native(listed[name].values) for name in ("x", "y"))
    seen, values = seen_of(events, listed, gti), _numbers(listed, column)
    good = seen.good
    energy = native(in_units(listed["energy"], "keV").values) if "energy" in listed else np.empty(0, np.float32)
    moment = native(times_of(listed))
    if not in_order(moment):
        order = np.argsort(moment, kind="stable")
        x, y, values, good = x[order], y[order], values[order], good[order]
        energy = energy[order] if energy.size else energy
    grid = np.array([index.attrs[key] for key in ("start_x", "start_y", "tile_width", "tile_height")])
    slabs = np.concatenate([[-np.inf], index["slab_edge"].values, [np.inf]])
    side, cells = int(index.attrs["side"]), np.empty(x.size, np.int32)
    first = kernels.cell_numbers(x, y, energy, slabs, good, grid, side, cells)
    made = {"column": _into_cells(cells, first, values)}
    made["column_edge"] = column_edges(listed[column].values[seen.good])
    made |= _binned("column", values, made["column_edge"], cells, first, slabs.size - 1, side)
    parts = ("column", "slab_", "block_", "image_block", "list_", "all_")
    left = [name for name in index.variables if str(name).startswith(parts) and name != "slab_edge"]
    told = {name: (NAMES[name][0], part, _attrs(name, listed, column)) for name, part in made.items()}
    own = own_columns(listed, channels="spectrum_channel" in index.dims, column=column)
    other = index.drop_vars(left).assign(told | own)
    other.attrs.pop("column_kind", None)
    other.attrs |= {"column": column, "events_mark": mark_of(listed, gti, column), **_kind(listed, column)}
    return with_layers(other)


def _side(events: int) -> int:
    """How many tiles a side: a power of two."""
    return int(np.clip(2 ** round(math.log2(max(math.sqrt(events / PER_TILE), 1))), *SIDES))


def _numbers(listed: xr.Dataset, column: str) -> np.ndarray:
    """A column as floats that hold its numbers exactly: the compiled loops are then the same for most columns."""
    values = variable(listed, column, "event_index(column=…)").values
    if values.ndim != 1 or values.dtype.kind not in "fiub":
        raise BadOption(f"column={column!r} holds no one number an event ({values.dtype}, dims {listed[column].dims})")
    if values.dtype.kind == "f":
        return native(values)
    largest = max(abs(int(values.min())), abs(int(values.max()))) if values.size else 0
    if largest > 2**53:
        raise BadOption(f"column={column!r} holds integers beyond 2⁵³, which cannot be told apart here")
    return values.astype(np.float32 if largest < 2**24 else np.float64)


def _kind(listed: xr.Dataset, column: str | None) -> dict[str, str]:
    """Whether a further column is of whole numbers, as an attribute."""
    whole = column is not None and listed[column].dtype.kind != "f"
    return {"column_kind": "whole numbers"} if whole else {}


def column_edges(values: np.ndarray) -> np.ndarray:
    """Edges of a column's histogram: one bin an integer, where these are few, else two hundred bins."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        raise OutsideCoverage("the column has no finite value among the good events; there is nothing to count")
    low, high = float(finite.min()), float(finite.max())
    if values.dtype.kind == "b":
        values = values.astype(np.int8)
    if values.dtype.kind in "iu" and high - low < 2 * COLUMN_BINS:
        return low - 0.5 + np.arange(high - low + 2)
    reach = (high - low) or max(abs(low), 1.0)
    return np.linspace(low, low + reach * (1 + 1e-6), COLUMN_BINS + 1)


def _slabs(energy: np.ndarray | None) -> np.ndarray:
    """Edges of slabs of energy that hold about as many events each; one slab without energies."""
    if energy is None or not energy.size:
        return np.array([-np.inf, np.inf])
    some = energy[:: max(1, energy.size // 100_000)]
    some = some[np.isfinite(some)]
    inner = np.unique(np.quantile(some, np.arange(1, SLABS) / SLABS, method="nearest")) if some.size else some
    return np.concatenate([[-np.inf], np.asarray(inner, float), [np.inf]])


NAMES = {  # dims, unit, long_name; those without a unit have their column's
    "x": (("event",), "pix", "Sky x"),
    "y": (("event",), "pix", "Sky y"),
    "moment": (("event",), "s", "Mission time"),
    "energy": (("event",), "keV", "Energy"),
    "column": (("event",), "1", "Further column"),
    "time_bin": (("event",), "1", "Bin of time"),
    "spectrum_bin": (("event",), "1", "Bin of the spectrum"),
    "column_bin": (("event",), "1", "Bin of the further column"),
    "first": (("cell_edge",), "1", "First event of the cell"),
    "slab_edge": (("slab_end",), "keV", "Energy between two slabs"),
    "image_x": (("x_edge",), "pix", "Edge of an image's pixels in x"),
    "image_y": (("y_edge",), "pix", "Edge of an image's pixels in y"),
    "exposure": (("time",), "s", "Good time in the bin"),
    "time_edge": (("time_end",), "s", "Edge of a bin of time"),
    "spectrum_edge": (("spectrum_end",), "1", "Edge of a bin of the spectrum"),
    "good_start": (("interval",), "s", "Start of good time"),
    "good_stop": (("interval",), "s", "End of good time"),
    "column_edge": (("column_end",), "1", "Edge of a bin of the further column"),
    "pixel": (("event",), "1", "Pixel of an image, within the tile"),
    "column_table": (("row", "tile_edge", "column_slot"), "ct", "Counts of a row's tiles before this one"),
    "time_table": (("row", "tile_edge", "time"), "ct", "Counts of a row's tiles before this one"),
}


def _attrs(name: str, listed: xr.Dataset, column: str | None) -> dict[str, str]:
    """Units and label of a variable of the index; those of a further column are its own."""
    if column is not None and name in ("column", "column_edge"):
        told = listed[column].attrs
        label = str(told.get("long_name", column)) + (", edge of a bin" if name == "column_edge" else "")
        return {"units": str(told.get("units", "1")), "long_name": label}
    if name == "spectrum_table":
        name = "time_table"
    return {"units": NAMES[name][1], "long_name": NAMES[name][2]}


def _labelled(
    listed: xr.Dataset,
    gti: xr.Dataset,
    made: dict[str, np.ndarray],
    edges: np.ndarray,
    plan: Plan,
    grid: np.ndarray,
    side: int,
    column: str | None,
) -> xr.Dataset:
    middles, clock = (edges[:-1] + edges[1:]) / 2, clock_of(listed)
    axis = "energy" if plan.channels is None else "channel"
    spectral = f"spectrum_{axis}"
    values = (plan.edges[:-1] + plan.edges[1:]) / 2 if plan.channels is None else plan.channels
    names = {**NAMES, "spectrum_table": (("row", "tile_edge", spectral), "ct", NAMES["time_table"][2])}
    variables = {name: (names[name][0], part, _attrs(name, listed, column)) for name, part in made.items()}
    units = "keV" if axis == "energy" else "1"
    index = xr.Dataset(
        variables,
        coords={
            "time": ("time", utc_of_clock(middles, **clock), {"long_name": "Time, middle of the bin (UTC)"}),
            "seconds": ("time", middles, {"units": "s", "long_name": "Mission time, middle of the bin", **clock}),
            spectral: (spectral, values, {"units": units, "long_name": axis.capitalize()}),
        },
        attrs={
            **dict(zip(("start_x", "start_y", "tile_width", "tile_height"), grid.tolist(), strict=True)),
            "side": side,
            "bin_size": float(edges[1] - edges[0]),
            "bin_size_units": "s",
            "band": band_of(listed, None),
            "mjdref": clock["mjdref"],
            "mjdref_int": clock["mjdref"],
            "mjdref_frac": clock["mjdref_fraction"],
            "timesys": clock["timesys"],
            **({"column": column} if column is not None else {}),
            **_kind(listed, column),
            **sky_frame(listed),
        },
    )
    if (live := live_fraction(listed.attrs)) is not None:
        index.attrs["live_fraction"] = live
    title = f"Index: {listed.attrs.get('title', 'events')}"
    step = f"xray.event_index: {side} × {side} tiles, bins of {edges[1] - edges[0]:g} s"
    return derived(index, listed.assign_attrs(without_area(listed.attrs)), title=title, step=step, also=[gti])

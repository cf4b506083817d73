"""A list of many events cut into tiles of the sky plane: light curve and spectrum of any circle or box at once."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived, utc_of_clock
from analysis.xray.counting import native, reach_of
from analysis.xray.detectors import seconds_between
from analysis.xray.inputs import Amount, amount, band_of, events_and_gti, no_events, variable, without_area
from analysis.xray.intervals import clock_of, poisson_error, usual_bin
from analysis.xray.planning import Plan, Seen, seen_of, spectrum_plan, time_edges, times_of

SIDE = 128  # tiles a side
MOST_CELLS = 30_000_000  # tiles times bins that are kept


def event_index(
    events: xr.DataTree,
    *,
    time_step: Amount | None = None,
    energy_step: Amount | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
) -> xr.Dataset:
    """Return an event list in 128 × 128 tiles, from which :func:`brushed` takes the products of a region at once.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` (``x``, ``y``, ``time``, and ``pi`` or ``energy``) and ``gti``.
    time_step, energy_step, rmf : optional
        As for :func:`analysis.xray.event_products`. With ``energy_step`` the spectrum is of energies.

    Returns
    -------
    xarray.Dataset
        ``x``, ``y``, ``time_bin``, ``spectrum_bin`` of the good events with a position, sorted by tile; where each
        tile's events begin (``first``), and the light curve and spectrum of each tile. It takes about as much memory
        as the columns it is made of.

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
    from analysis.xray import _kernels_events as kernels

    what = "event_index"
    listed, gti = events_and_gti(events, what)
    x, y = (native(variable(listed, name, what).values) for name in ("x", "y"))
    seen = seen_of(events, listed, gti)
    if seen.times.column:
        raise WrongData(
            f"the detectors ({seen.times.column}) have different good times, so a region's exposure depends on "
            f"which of them saw it; take one of them first: xray.selected(events, where={{{seen.times.column!r}: …}})"
        )
    edges = time_edges(gti, usual_bin(gti) if time_step is None else time_step)
    plan = spectrum_plan(listed, seen, rmf, energy_step, None)
    if SIDE**2 * max(edges.size, plan.edges.size) > MOST_CELLS:
        raise BadOption(
            f"{edges.size - 1} bins of time and {plan.edges.size - 1} of the spectrum are too many to keep for each of "
            f"{SIDE} × {SIDE} tiles; at most {MOST_CELLS // SIDE**2 - 1}: take longer time_step= or energy_step="
        )
    ends, placed = reach_of(x, y)
    if not placed:
        raise OutsideCoverage(no_events(x.size, band_of(listed, None), placed=np.zeros(x.size, bool)))
    width, height = (max(float(high - low), 1e-9) / SIDE for low, high in (ends[:2], ends[2:]))
    bins, channels = np.empty(x.size, np.int32), np.empty(x.size, np.int32)
    kernels.bins_of(native(times_of(listed)), edges, seen.good, bins)
    kernels.bins_of(native(plan.values), plan.edges, seen.good, channels)
    tiles = np.empty(x.size, np.int32)
    chosen_x = np.where(seen.good, x, np.nan) if seen.outside else x
    number = kernels.tile_numbers(chosen_x, y, ends[0], ends[2], width, height, SIDE, tiles)
    first = np.cumsum(number)
    made = [np.empty(int(first[-1]), dtype) for dtype in (x.dtype, y.dtype, np.int32, np.int32)]
    curves, spectra = (np.zeros((SIDE**2, e.size - 1), np.int32) for e in (edges, plan.edges))
    kernels.by_tile(tiles, first, x, y, bins, channels, *made, curves, spectra)  # type: ignore[call-arg]
    return _labelled_index(listed, gti, seen, edges, plan, (first, *made, curves, spectra), ends, (width, height))


def brushed(
    index: xr.Dataset,
    *,
    circle: tuple[Amount, Amount, Amount] | None = None,
    x: tuple[Amount, Amount] | None = None,
    y: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    """Return light curve and spectrum of the events in a circle or a box on the sky plane.

    Parameters
    ----------
    index : xarray.Dataset
        Of :func:`event_index`.
    circle : (x, y, radius), optional
        In sky pixels; events at a distance ≤ radius.
    x, y : (low, high), optional
        Sky pixels of a box, half-open, as for :func:`analysis.xray.selected`; both or neither.

    Returns
    -------
    xarray.Dataset
        On ``time``: ``counts``, ``rate``, ``rate_error`` and ``exposure``, as of a light curve; ``spectrum`` (ct) on
        ``channel`` or ``energy``: each the number that a cut and a count of the whole list give.

    Raises
    ------
    BadOption
        If neither or both are given, or a radius or box is not positive.
    WrongData
        If the index is none.
    OutsideCoverage
        If no event lies inside.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> box = xray.brushed(xray.event_index(m82), x=(4000, 4200), y=(4000, 4100))
    >>> int(box.counts.sum()) == xray.selected(m82, x=(4000, 4200), y=(4000, 4100))["events"].sizes["event"]
    True
    """
    from analysis.xray import _kernels_events as kernels

    if not isinstance(index, xr.Dataset) or "tile_spectra" not in index.variables:
        raise WrongData("brushed needs the dataset that xray.event_index makes of an event list")
    shape, region = _shape(circle, x, y)
    held = {str(name): index.variables[name].values for name in index.data_vars}
    curve = np.zeros(held["tile_curves"].shape[1], np.int64)
    counts = np.zeros(held["tile_spectra"].shape[1], np.int64)
    names = ("first", "x", "y", "time_bin", "spectrum_bin", "tile_curves", "tile_spectra")
    grid = [index.attrs[key] for key in ("start_x", "start_y", "tile_width", "tile_height")]
    arrays = [held[name] for name in names]
    total = kernels.brush(*arrays, *grid, SIDE, shape, circle is not None, curve, counts)  # type: ignore[call-arg]
    if not total:
        raise OutsideCoverage(f"no event lies in {region} of the index {index.attrs['title']!r}")
    exposure = held["exposure"]
    seen = np.where(exposure > 0, exposure, np.nan)
    axis = "channel" if "channel" in index.coords else "energy"
    made = xr.Dataset(
        {
            "counts": ("time", curve, {"units": "ct", "long_name": "Counts"}),
            "rate": ("time", curve / seen, {"units": "ct s-1", "long_name": "Count rate"}),
            "rate_error": (
                "time",
                poisson_error(curve) / seen,
                {"units": "ct s-1", "long_name": "1σ error of the rate"},
            ),
            "exposure": index["exposure"].variable,
            "spectrum": (axis, counts, {"units": "ct", "long_name": "Counts"}),
        },
        coords=index.coords,
        attrs={key: index.attrs[key] for key in ("bin_size", "bin_size_units", "band")},
    )
    title = str(index.attrs["title"]).replace("Index", "Region", 1)
    found = derived(made, index, title=f"{title}, {region}", step=f"xray.brushed: {region}, {total} events")
    return found.assign_attrs(region=region)


def _shape(
    circle: tuple[Amount, Amount, Amount] | None, x: tuple[Amount, Amount] | None, y: tuple[Amount, Amount] | None
) -> tuple[np.ndarray, str]:
    if (circle is None) == (x is None and y is None) or (x is None) != (y is None):
        raise BadOption("brushed takes circle=(x, y, radius), or both x=(low, high) and y=(low, high), in sky pixels")
    if circle is not None:
        if isinstance(circle, str) or not hasattr(circle, "__len__") or len(circle) != 3:
            raise BadOption(f"circle={circle!r} is not (x, y, radius) in sky pixels")
        a, b, radius = (amount(value, "pix", "circle", bare=True) for value in circle)
        if radius <= 0:
            raise BadOption(f"circle={circle!r} has a radius that is not positive")
        return np.array([a, b, radius, 0.0]), f"circle({a:g}, {b:g}, {radius:g} pix)"
    ends = []
    for name, pair in (("x", x), ("y", y)):
        if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:  # type: ignore[arg-type]
            raise BadOption(f"{name}={pair!r} is not a pair of sky pixels (low, high)")
        ends += [amount(value, "pix", name, bare=True) for value in pair]  # type: ignore[union-attr]
        if ends[-2] >= ends[-1]:
            raise BadOption(f"{name}={pair!r} must be (low, high) with low < high")
    said = f"box(x in [{ends[0]:g}, {ends[1]:g}), y in [{ends[2]:g}, {ends[3]:g}) pix)"
    return np.array(ends), said


def _labelled_index(
    listed: xr.Dataset,
    gti: xr.Dataset,
    seen: Seen,
    edges: np.ndarray,
    plan: Plan,
    parts: tuple[np.ndarray, ...],
    ends: np.ndarray,
    tile: tuple[float, float],
) -> xr.Dataset:
    first, x, y, bins, channels, curves, spectra = parts
    middles, clock = (edges[:-1] + edges[1:]) / 2, clock_of(listed)
    axis = "energy" if plan.channels is None else "channel"
    values = (plan.edges[:-1] + plan.edges[1:]) / 2 if plan.channels is None else plan.channels
    plain, pixels = {"units": "1"}, {"units": "pix"}
    made = xr.Dataset(
        {
            "x": ("event", x, {**pixels, "long_name": "Sky x"}),
            "y": ("event", y, {**pixels, "long_name": "Sky y"}),
            "time_bin": ("event", bins, {**plain, "long_name": "Bin of time"}),
            "spectrum_bin": ("event", channels, {**plain, "long_name": "Bin of the spectrum"}),
            "first": ("tile_edge", first, {**plain, "long_name": "First event of the tile"}),
            "tile_curves": (("tile", "time"), curves, {"units": "ct", "long_name": "Counts of the tile"}),
            "tile_spectra": (("tile", axis), spectra, {"units": "ct", "long_name": "Counts of the tile"}),
            "exposure": (
                "time",
                seconds_between(seen.times, listed, None, edges),
                {"units": "s", "long_name": "Good time in the bin"},
            ),
        },
        coords={
            "time": ("time", utc_of_clock(middles, **clock), {"long_name": "Time, middle of the bin (UTC)"}),
            "seconds": ("time", middles, {"units": "s", "long_name": "Mission time, middle of the bin", **clock}),
            axis: (axis, values, {"units": "keV" if axis == "energy" else "1", "long_name": axis.capitalize()}),
        },
        attrs={
            "start_x": float(ends[0]),
            "start_y": float(ends[2]),
            "tile_width": tile[0],
            "tile_height": tile[1],
            "bin_size": float(edges[1] - edges[0]),
            "bin_size_units": "s",
            "band": band_of(listed, None),
            **{key: clock[key] for key in ("mjdref", "timesys")},
        },
    )
    title = f"Index: {listed.attrs.get('title', 'events')}"
    step = f"xray.event_index: {SIDE} × {SIDE} tiles, bins of {edges[1] - edges[0]:g} s"
    found = derived(made, listed.assign_attrs(without_area(listed.attrs)), title=title, step=step, also=[gti])
    return check(found)

"""What a region, an energy band, a range of time and of a further column choose of an event index, counted exactly."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, UnknownVariable, WrongData
from analysis.model import check, derived
from analysis.xray.counting import THREADS
from analysis.xray.detectors import overlap
from analysis.xray.inputs import Amount, amount, limits, named_band
from analysis.xray.intervals import poisson_error
from analysis.xray.ordered import chosen_in_order
from analysis.xray.plane_shapes import KINDS, TAKES, Corners, Ellipse, PlaneShape, plane_shape, turn_of
from analysis.xray.planning import image_of
from analysis.xray.selecting import mission_seconds

if TYPE_CHECKING:
    from analysis.model.clocks import Instant
    from analysis.xray.selections import Selection

SHORT = 200_000  # events that one thread counts
SHARES = 4  # parts of the work for each thread
WHOLE = 2.0**60  # beyond all whole numbers that a further column holds
PARTS = ("curve", "spectrum", "histogram")
Range = tuple[Amount, Amount]


@dataclass(frozen=True, eq=False)
class Brush:
    """What is brushed, in the index's own numbers: pixels, mission seconds, keV, values of its further column."""

    shape: PlaneShape = field(default_factory=PlaneShape)
    seconds: tuple[float, float] | None = None
    band: tuple[float, float] | None = None
    column: tuple[float, float] | None = None
    said: str = "everything"


@dataclass(frozen=True, eq=False)
class Chosen:
    """How many events are chosen, and their counts in the index's bins."""

    total: int
    curve: np.ndarray
    spectrum: np.ndarray
    histogram: np.ndarray
    image: np.ndarray


def brushed(
    index: xr.Dataset,
    selection: Selection | None = None,
    *,
    circle: tuple[Amount, Amount, Amount] | None = None,
    ellipse: Ellipse | None = None,
    x: Range | None = None,
    y: Range | None = None,
    polygon: Corners | None = None,
    band: Range | None = None,
    time: tuple[Instant | None, Instant | None] | None = None,
    column: Range | None = None,
) -> xr.Dataset:
    """Return light curve, spectrum and a further column's histogram of the events in a region, a band and a time.

    Parameters
    ----------
    index : xarray.Dataset
        Of :func:`event_index`.
    selection : Selection, optional
        Of :func:`analysis.xray.selection`, in place of the ranges that follow.
    circle : (x, y, radius), optional
        In sky pixels; events at a distance ≤ radius.
    ellipse : (x, y, a, b, angle), optional
        Half axes in sky pixels; the first is turned by the angle (degrees) from +x towards +y.
    x, y : (low, high), optional
        Sky pixels of a box, half-open, as for :func:`analysis.xray.selected`; both or neither.
    polygon : iterable of (x, y), optional
        Corners in sky pixels; the even-odd rule says what lies inside.
    band, time : (low, high), optional
        Energies in keV and instants in UTC, half-open, as for :func:`analysis.xray.selected`.
    column : (low, high), optional
        Values of the index's further column, half-open.

    Returns
    -------
    xarray.Dataset
        On ``time``: ``counts``, ``rate``, ``rate_error`` and ``exposure``, as of a light curve; ``spectrum`` (ct) on
        ``channel`` or ``energy``; with a further column ``histogram`` (ct) on ``value``: each the number that a cut
        and a count of the whole list give. Attrs ``events`` (how many), ``ontime`` (s, good time), ``region``.

    Raises
    ------
    BadOption
        If nothing is given, more than one region, or one that is empty.
    UnknownVariable
        If the events have no energy for a band, or the index no further column.
    WrongData
        If the index is none, or a selection is on the sky and the events do not say where they lie on it.
    OutsideCoverage
        If no event, or no good time, lies inside.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> index = xray.event_index(m82)
    >>> soft = xray.brushed(index, x=(4000, 4200), y=(4000, 4100), band=(0.5, 2))
    >>> cut = xray.selected(m82, x=(4000, 4200), y=(4000, 4100), band=(0.5, 2))
    >>> soft.attrs["events"] == cut["events"].sizes["event"]
    True
    """
    is_index(index, "brushed")
    ranges = {"circle": circle, "ellipse": ellipse, "x": x, "y": y, "polygon": polygon}
    ranges |= {"band": band, "time": time, "column": column}
    given = [name for name, value in ranges.items() if value is not None]
    if selection is not None:
        from analysis.xray.selections import brush_of

        if given:
            raise BadOption(f"brushed takes a selection or {', '.join(given)}, not both")
        return products(index, brush_of(selection, index))
    if not given:
        raise BadOption(f"brushed needs a region, band=, time= or column=; a region is {TAKES}")
    shape = plane_shape("brushed", circle=circle, ellipse=ellipse, x=x, y=y, polygon=polygon)
    return products(index, brush(index, shape, band=band, time=time, column=column))


def brushed_image(
    index: xr.Dataset,
    *,
    band: Range | None = None,
    time: tuple[Instant | None, Instant | None] | None = None,
    column: Range | None = None,
) -> xr.Dataset:
    """Return the image of the events in an energy band, a range of time and of the index's further column.

    Parameters
    ----------
    index : xarray.Dataset
        Of :func:`event_index`.
    band, time, column : optional
        As for :func:`brushed`.

    Returns
    -------
    xarray.Dataset
        As :func:`analysis.xray.image` gives it with its usual pixels.

    Raises
    ------
    UnknownVariable, WrongData, OutsideCoverage, BadOption
        As for :func:`brushed`.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> hard = xray.brushed_image(xray.event_index(m82), band=(2, 7))
    >>> bool((hard.counts == xray.image(m82, band=(2, 7)).counts).all())
    True
    """
    is_index(index, "brushed_image")
    return picture_of(index, brush(index, PlaneShape(), band=band, time=time, column=column))


def brush(
    index: xr.Dataset,
    shape: PlaneShape,
    *,
    band: Range | None = None,
    time: tuple[Instant | None, Instant | None] | None = None,
    column: Range | None = None,
) -> Brush:
    """Return ranges in the index's own numbers.

    Raises
    ------
    BadOption, BadTime, UnknownVariable
        As for :func:`brushed`.
    """
    told = [str(shape)] if shape.kind else []
    energies = seconds = values = None
    if band is not None:
        energies = limits(band)
        told.append(named_band(band))
        if "energy" not in index.variables:
            raise UnknownVariable(f"{index.attrs['title']}: the events have no energy, so no band can be brushed")
    if time is not None:
        seconds = mission_seconds(index, time)
        told.append(f"time in [{time[0] or '…'}, {time[1] or '…'}) UTC")
    if column is not None:
        if "column" not in index.variables:
            raise UnknownVariable(f"{index.attrs['title']}: it has no further column; make it with column=")
        values = _ends(column, index)
        told.append(f"{index.attrs['column']} in [{values[0]:g}, {values[1]:g})")
    return Brush(shape, seconds, energies, values, "; ".join(told) or "everything")


def _ends(column: Range, index: xr.Dataset) -> tuple[float, float]:
    if isinstance(column, str) or not hasattr(column, "__len__") or len(column) != 2:
        raise BadOption(f"column={column!r} is not a pair (low, high) of {index.attrs['column']}")
    low, high = (amount(end, str(index["column"].attrs["units"]), "column", bare=True) for end in column)
    if not low < high:
        raise BadOption(f"column={column!r} must be (low, high) with low < high")
    if "column_kind" in index.attrs:  # of whole numbers: the same ones lie between the next whole limits
        low, high = (float(np.ceil(np.clip(end, -WHOLE, WHOLE))) for end in (low, high))
    return low, high


def chosen_by(
    index: xr.Dataset, brush: Brush, *, image: bool = False, bins: bool = True, spare: bool = False
) -> Chosen:
    """Return the counts of what is brushed: sums that the index keeps, and the rest by compiled loops over its tiles.

    With ``spare`` each histogram keeps its last bin, of what is outside its edges.
    """
    held = {str(name): variable.values for name, variable in index.variables.items()}
    whole = not brush.shape.kind and brush.column is None
    pieces, found = [brush], None
    if whole and brush.band is None and brush.seconds is None and image and not bins and "all_image" in held:
        none = np.empty(0, np.int64)
        return Chosen(int(held["first"][-1]), none, none, none, held["all_image"])
    if whole and brush.seconds is not None and brush.band is None and "list_time" in held:
        pieces, found = [], chosen_in_order(held, brush.seconds, image=image, bins=bins)
    if whole and brush.band is not None and brush.seconds is None:
        pieces, found = _by_sums(held, brush, image, bins)
    for piece in pieces:
        part = _scanned(index, held, piece, image, bins)
        found = part if found is None else [one + other for one, other in zip(found, part, strict=True)]
    total, *counts, plane = found  # type: ignore[misc]
    curve, spectrum, histogram = (part if spare else part[:-1] for part in counts)
    return Chosen(int(total), curve, spectrum, histogram, plane)


def _by_sums(
    held: dict[str, np.ndarray], brush: Brush, image: bool, bins: bool
) -> tuple[list[Brush], list[Any] | None]:
    """What lies between two kept energies, by a subtraction, and the brushes of what is left at both ends."""
    if brush.band is None or "slab_curve" not in held or (image and "slab_image" not in held):
        return [brush], None
    edges, (low, high) = held["slab_edge"], _as_type(brush.band, held["energy"])
    i, j = int(np.searchsorted(edges, low)), int(np.searchsorted(edges, high, side="right")) - 1
    if i >= j:
        return [brush], None
    made = [held[f"slab_{part}"] if f"slab_{part}" in held else np.zeros((j + 1, 0)) for part in PARTS]
    counts = [(part[j] - part[i]).astype(np.int64) for part in made]
    total = int(counts[0].sum())
    counts = counts if bins else [part[:0] for part in counts]
    plane = held["slab_image"][j] - held["slab_image"][i] if image else np.zeros((0, 0), np.int32)
    left = [(low, float(edges[i])), (float(edges[j]), high)]
    return [replace(brush, band=pair) for pair in left if pair[0] < pair[1]], [total, *counts, plane]


def _scanned(index: xr.Dataset, held: dict[str, np.ndarray], brush: Brush, image: bool, bins: bool) -> list[Any]:
    """Total, histograms with a bin more each, and image of what is brushed, by the compiled loops."""
    from analysis.xray import _kernels_brushing as kernels

    none = np.empty(0, np.float32)
    columns = tuple(held.get(name, none) for name in ("x", "y", "moment", "energy", "column"))
    binned = (*(held.get(f"{name}_bin", np.empty(0, np.uint16)) for name in ("time", "spectrum", "column")),)
    tables = tuple(held.get(f"{n}_table", np.empty((0, 0, 0), np.int32)) for n in ("time", "spectrum", "column"))
    side, first = int(index.attrs["side"]), held["first"]
    slabs = np.concatenate([[-np.inf], held["slab_edge"], [np.inf]])
    ranges = (brush.seconds, brush.band, brush.column)
    used = np.array([ends is not None for ends in ranges])
    cuts = np.array([
        end for ends, column in zip(ranges, columns[2:], strict=True) for end in _as_type(ends or (0.0, 0.0), column)
    ])  # fmt: skip
    grid = np.array([index.attrs[key] for key in ("start_x", "start_y", "tile_width", "tile_height")])
    ends_x, ends_y = held["image_x"], held["image_y"]
    frame = np.array([ends_x[0], ends_y[0], ends_x[1] - ends_x[0]])
    sizes = [part.shape[2] + (part.shape[2] > 0) if bins else 0 for part in tables]
    shape = (ends_y.size - 1, ends_x.size - 1) if image else (0, 0)
    corners = brush.shape.corners if brush.shape.kind == "polygon" else np.empty((0, 2))
    numbers, parts_of_time = _numbers_of(brush.shape, columns), _parts(index, tables[0], brush.seconds)

    def part(rows: tuple[int, int]) -> tuple:
        made = tuple(np.zeros(size, np.int64) for size in sizes)
        plane = np.zeros(shape, np.int32)
        total = kernels.brush_rows(
            rows, first, slabs, columns, (*binned, held["pixel"]), tables, numbers, corners, cuts, used, parts_of_time,
            grid, side, frame, made, plane,
        )  # fmt: skip
        return (total, *made, plane)

    at = first[:: side * (slabs.size - 1)][: side + 1]  # where each row begins; the last: events without a position
    if first[-1] <= SHORT:
        return list(part((0, side + 1)))
    inner = np.searchsorted(at, at[-1] * np.arange(1, SHARES * THREADS) / (SHARES * THREADS)).tolist()
    ends = sorted({0, *inner, side + 1})
    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(part, pairwise(ends)))
    return [sum(one[k] for one in parts) for k in range(5)]


def _numbers_of(shape: PlaneShape, columns: tuple[np.ndarray, ...]) -> np.ndarray:
    """A region as the compiled loops take it: kind and six numbers."""
    numbers = list(shape.numbers)
    if shape.kind == "box":
        numbers = [*_as_type(numbers[:2], columns[0]), *_as_type(numbers[2:], columns[1])]
    elif shape.kind == "ellipse":
        numbers = [*numbers[:4], *turn_of(numbers[4])]
    elif shape.kind == "polygon":
        numbers = []
    return np.array([KINDS[shape.kind], *numbers, *[0.0] * (6 - len(numbers))])


def _parts(index: xr.Dataset, table: np.ndarray, seconds: tuple[float, float] | None) -> np.ndarray:
    """Which part of all events is before each end of a range of time, about: searches begin there."""
    if seconds is None:
        return np.zeros(2)
    middles, half = index["seconds"].values, index.attrs["bin_size"] / 2
    before = np.concatenate([[0], np.cumsum(table[:, -1].sum(axis=0))])
    share = np.interp(seconds, np.append(middles - half, middles[-1] + half), before)
    return share / max(int(before[-1]), 1)


def _as_type(ends: tuple[float, float] | list[float], column: np.ndarray) -> list[float]:
    """Limits as numpy compares them with a column: rounded to its type, if that is a floating one."""
    return [float(column.dtype.type(end)) if column.dtype.kind == "f" else float(end) for end in ends]


def good_seconds_of(index: xr.Dataset, brush: Brush) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and stops of the good time that is brushed.

    Raises
    ------
    OutsideCoverage
        If there is none.
    """
    good = index["good_start"].values, index["good_stop"].values
    if brush.seconds is None:
        return good
    asked = np.array([brush.seconds[0]]), np.array([brush.seconds[1]])
    left = overlap(good, asked)
    if not left[0].size:
        raise OutsideCoverage(
            f"no good time lies in {brush.said}; the index {index.attrs['title']!r} has good times from "
            f"{_utc(index, 0)} to {_utc(index, -1)} UTC"
        )
    return left


def products(index: xr.Dataset, brush: Brush) -> xr.Dataset:
    """Return the products of what is brushed as a labelled dataset; see :func:`brushed`."""
    good = good_seconds_of(index, brush)
    found = chosen_by(index, brush)
    if not found.total:
        raise OutsideCoverage(f"no event lies in {brush.said} of the index {index.attrs['title']!r}")
    exposure = index["exposure"].values if brush.seconds is None else _exposure(index, good)
    possible = np.where(exposure > 0, exposure, np.nan)
    spectral = str(index["spectrum_table"].dims[2])
    axis = spectral.removeprefix("spectrum_")
    counts = {"units": "ct", "long_name": "Counts"}
    error = poisson_error(found.curve) / possible
    coords = {"time": index["time"].variable, "seconds": index["seconds"].variable}
    made = xr.Dataset(
        {
            "counts": ("time", found.curve, counts),
            "rate": ("time", found.curve / possible, {"units": "ct s-1", "long_name": "Count rate"}),
            "rate_error": ("time", error, {"units": "ct s-1", "long_name": "1σ error of the rate"}),
            "exposure": ("time", exposure, index["exposure"].attrs),
            "spectrum": (axis, found.spectrum, counts),
        },
        coords={**coords, axis: (axis, index[spectral].values, index[spectral].attrs)},
        attrs={key: index.attrs[key] for key in ("bin_size", "bin_size_units", "band")},
    )
    if "column" in index.variables:
        edges, told = index["column_edge"].values, index["column"].attrs
        made["histogram"] = ("value", found.histogram, counts)
        made = made.assign_coords(value=("value", (edges[:-1] + edges[1:]) / 2, told))
    title = str(index.attrs["title"]).replace("Index", "Region", 1)
    made = derived(
        made, index, title=f"{title}, {brush.said}", step=f"xray.brushed: {brush.said}, {found.total} events"
    )
    ontime = float((good[1] - good[0]).sum())
    extra = {"livetime": ontime * index.attrs["live_fraction"]} if "live_fraction" in index.attrs else {}
    if brush.band is not None:
        extra["band"] = named_band(brush.band)
    return made.assign_attrs(region=brush.said, events=found.total, ontime=ontime, **extra)


def picture_of(index: xr.Dataset, brush: Brush) -> xr.Dataset:
    """Return the image of what is brushed; see :func:`brushed_image`."""
    good_seconds_of(index, brush)
    found = chosen_by(index, brush, image=True, bins=False)
    if not found.image.any():
        raise OutsideCoverage(f"no event with a position lies in {brush.said} of the index {index.attrs['title']!r}")
    listed = index.assign_attrs(title=str(index.attrs["title"]).removeprefix("Index: "))
    size = index.sizes["event"]
    edges = (index["image_x"].values, index["image_y"].values, size - int(index["first"].values[_placed(index)]))
    made = image_of(listed, None, None, edges, found.image.astype(np.int64), brush.band, "brushed_image")
    return check(made.assign_attrs(events=found.total))


def _placed(index: xr.Dataset) -> int:
    """The cell at which the events without a position begin."""
    return int(index.attrs["side"]) ** 2 * (index.sizes["slab_end"] + 1)


def _exposure(index: xr.Dataset, good: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    from analysis.xray.detectors import GoodTimes, seconds_between

    middles, half = index["seconds"].values, index.attrs["bin_size"] / 2
    edges = np.append(middles - half, middles[-1] + half)
    return seconds_between(GoodTimes("", {-1: good}, ""), index, None, edges)


def _utc(index: xr.Dataset, end: int) -> str:
    return f"{index['time'].values[end]!s:.19}"


def is_index(index: xr.Dataset, what: str) -> None:
    """Refuse what is no event index.

    Raises
    ------
    WrongData
        Saying what makes one.
    """
    if not isinstance(index, xr.Dataset) or "time_table" not in index.variables:
        raise WrongData(f"{what} needs the dataset that xray.event_index makes of an event list")

"""What a region, an energy band, a range of time and of a further column choose of an event index, counted exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, UnknownVariable, WrongData
from analysis.model import check, derived
from analysis.xray.brush_counts import Brush, chosen_by
from analysis.xray.detectors import overlap
from analysis.xray.inputs import Amount, amount, limits, named_band, named_column, named_time
from analysis.xray.intervals import poisson_error
from analysis.xray.plane_shapes import TAKES, Corners, Ellipse, PlaneShape, plane_shape
from analysis.xray.planning import image_of
from analysis.xray.selecting import mission_seconds

if TYPE_CHECKING:
    from analysis.model.clocks import Instant
    from analysis.xray.selections import Selection

WHOLE = 2.0**60  # beyond all whole numbers that a further column holds
Range = tuple[Amount, Amount]


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
        told.append(named_time(time))
    if column is not None:
        if "column" not in index.variables:
            raise UnknownVariable(f"{index.attrs['title']}: it has no further column; make it with column=")
        values, said = _ends(column, index)
        told.append(said)
    return Brush(shape, seconds, energies, values, "; ".join(told) or "everything")


def _ends(column: Range, index: xr.Dataset) -> tuple[tuple[float, float], str]:
    if isinstance(column, str) or not hasattr(column, "__len__") or len(column) != 2:
        raise BadOption(f"column={column!r} is not a pair (low, high) of {index.attrs['column']}")
    low, high = (amount(end, str(index["column"].attrs["units"]), "column", bare=True) for end in column)
    if not low < high:
        raise BadOption(f"column={column!r} must be (low, high) with low < high")
    said = named_column(index.attrs["column"], low, high, str(index["column"].attrs["units"]))
    if "column_kind" in index.attrs:  # of whole numbers: the same ones lie between the next whole limits
        low, high = (float(np.ceil(np.clip(end, -WHOLE, WHOLE))) for end in (low, high))
    return (low, high), said


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

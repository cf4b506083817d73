"""A selection of events that has a name: region, energy band, time and a further column, for any observation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, UnknownVariable
from analysis.model import check, history_with, in_units, labelled, span
from analysis.xray.carrying import carried, plane_of
from analysis.xray.goodtimes import common_good_times, good_times
from analysis.xray.inputs import (
    Amount,
    amount,
    band_of,
    events_and_gti,
    in_band,
    limits,
    named_band,
    named_column,
    named_time,
    variable,
    with_nodes,
    with_region,
    without_area,
)
from analysis.xray.plane_shapes import Corners, Ellipse, PlaneShape, area, contains, plane_shape
from analysis.xray.selecting import mission_seconds, selected
from analysis.xray.sky import events_of, pixel_area

if TYPE_CHECKING:
    from analysis.model.clocks import Instant
    from analysis.xray.brush_counts import Brush

Range = tuple[Amount, Amount]
PARTS = ("region", "band", "time", "column")


@dataclass(frozen=True)
class Selection:
    """What is chosen of an observation; made by :func:`selection`.

    Parameters
    ----------
    name : str
    shape : PlaneShape
        Region in sky pixels of the list that it was drawn on; ``kind`` is empty for the whole plane.
    plane : mapping
        How these pixels lie on the sky (``wcs_ctype``, ``wcs_crval`` …); empty where that list does not say.
    band : (low, high), optional
        keV, half-open.
    time : (start, stop), optional
        UTC in ISO 8601, half-open; either may be None.
    column : (name, low, high, units), optional
        Half-open.
    """

    name: str
    shape: PlaneShape = field(default_factory=PlaneShape)
    plane: dict[str, Any] = field(default_factory=dict, hash=False)
    band: tuple[float, float] | None = None
    time: tuple[str | None, str | None] | None = None
    column: tuple[str, float, float, str] | None = None

    def __str__(self) -> str:
        """Return the selection in words."""
        told = [str(self.shape)] if self.shape.kind else []
        told += [named_band(self.band)] if self.band else []
        if self.time:
            told.append(named_time(self.time))
        if self.column:
            told.append(named_column(*self.column))
        return "; ".join(told) or "everything"


def selection(
    name: str,
    like: xr.DataTree | xr.Dataset,
    *,
    circle: tuple[Amount, Amount, Amount] | None = None,
    ellipse: Ellipse | None = None,
    x: Range | None = None,
    y: Range | None = None,
    polygon: Corners | None = None,
    band: Range | None = None,
    time: tuple[Instant | None, Instant | None] | None = None,
    column: tuple[str, Amount, Amount] | None = None,
) -> Selection:
    """Return a selection with a name: of region, energy band, time and a further column, each if given.

    Parameters
    ----------
    name : str
        What it is called, in messages and files.
    like : xarray.DataTree or xarray.Dataset
        Events, an index of them or an image, in whose sky pixels the region is.
    circle : (x, y, radius), optional
        Events at a distance ≤ radius, in sky pixels.
    ellipse : (x, y, a, b, angle), optional
        Half axes in sky pixels; the first is turned by the angle (degrees) from +x towards +y, as DS9 turns it.
    x, y : (low, high), optional
        Sky pixels of a box, half-open.
    polygon : iterable of (x, y), optional
        Corners in sky pixels; what lies inside is told by the even-odd rule.
    band, time : (low, high), optional
        Energies in keV and instants in UTC, half-open.
    column : (name, low, high), optional
        A further column's values, half-open; bare numbers in its own unit.

    Returns
    -------
    Selection
        Frozen. :func:`in_selection` and :func:`selection_mask` apply it, to this observation or another;
        :func:`save_selection`, :func:`selection_region` and :func:`selection_good_times` turn it into files.

    Raises
    ------
    BadOption, BadTime
        If the name is empty, or a range or region cannot be read or holds nothing.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> print(xray.selection("core", m82, circle=(4150, 4080, 40), band=(0.5, 2)))
    circle(4150, 4080, 40 pix); 0.5-2 keV
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise BadOption(f"name={name!r:.60} is no name; give a word such as 'core'")
    shape = plane_shape("selection", circle=circle, ellipse=ellipse, x=x, y=y, polygon=polygon)
    listed = events_of(like, "selection")
    made = Selection(name.strip(), shape)
    if shape.kind:
        _refuse_unplaced(listed, made)
        made = replace(made, plane=plane_of(listed))
    if time is not None:
        if isinstance(time, str) or not hasattr(time, "__len__") or len(time) != 2:
            raise BadOption(f"time={time!r} is not a pair (start, stop) in UTC")
        start, stop = span(*time)
        time = tuple(None if end is None else str(np.datetime64(end, "ns")) for end in (start, stop))  # type: ignore
    return replace(
        made,
        band=None if band is None else limits(band),
        time=time,  # type: ignore[arg-type]
        column=None if column is None else _column(column, listed),
    )


def in_selection(events: xr.DataTree, chosen: Selection, *, parts: Iterable[str] = PARTS) -> xr.DataTree:
    """Return the events in a selection, which may have been made on another observation.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` and ``gti``.
    chosen : Selection
        Of :func:`selection` or :func:`read_selection`.
    parts : iterable of {"region", "band", "time", "column"}, optional
        What of it to apply: another observation has other times, so there ``parts=["region", "band"]``.

    Returns
    -------
    xarray.DataTree
        The same tree with fewer events, perhaps none; good times and exposure are cut along with the time, as
        :func:`analysis.xray.selected` does. Where the pixels of this list lie otherwise on the sky than those the
        region was drawn on, its centre or corners go through the sky; a circle keeps its radius on the sky, an ellipse
        its axes and their directions there.

    Raises
    ------
    WrongData
        If the region has to go through the sky, and either list does not say where its pixels lie on it.
    OutsideCoverage
        If no good time lies in the time, or the region lies on the far side of this list's sky.
    UnknownVariable
        If the events have no such column, no energy for the band, or no positions for the region.
    BadOption
        For a part that is none, or what is no selection.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> core = xray.selection("core", m82, circle=(4150, 4080, 40), band=(0.5, 2))
    >>> xray.in_selection(m82, core)["events"].attrs["region"]
    'circle(4150, 4080, 40 pix)'
    """
    listed, _ = events_and_gti(events, "in_selection")
    taken = _taken(chosen, parts)
    kept = _chosen(listed, taken)
    cut = listed.isel(event=np.flatnonzero(kept))
    step = f"xray.in_selection {chosen.name!r}: {taken}, {int(kept.sum())} of {kept.size} events"
    cut.attrs["history"] = history_with(listed, step)
    if taken.band is not None:
        cut.attrs["band"] = band_of(listed, taken.band)
    if taken.shape.kind:
        shape = placed(taken, listed)
        cut.attrs = without_area(cut.attrs) | {"region": with_region(listed, str(shape))}
        if "region" not in listed.attrs:
            pixel, units = pixel_area(listed)
            cut.attrs |= {"region_area": area(shape) * pixel, "region_area_units": units}
    made = with_nodes(events, {"events": check(cut)})
    return made if taken.time is None else selected(made, time=taken.time)


def selection_mask(
    events: xr.DataTree | xr.Dataset, chosen: Selection, *, parts: Iterable[str] = PARTS
) -> xr.DataArray:
    """Return which events lie in a selection: a filter for xarray, ``events.where(mask, drop=True)``.

    Parameters
    ----------
    events : xarray.DataTree or xarray.Dataset
        An event tree or list.
    chosen, parts
        As for :func:`in_selection`.

    Returns
    -------
    xarray.DataArray
        True or False on ``event``. Good times and exposure are not touched: :func:`in_selection` cuts these along.

    Raises
    ------
    WrongData, OutsideCoverage, UnknownVariable, BadOption
        As for :func:`in_selection`.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> soft = xray.selection_mask(m82, xray.selection("soft", m82, band=(0.5, 2)))
    >>> int(soft.sum()) == xray.selected(m82, band=(0.5, 2))["events"].sizes["event"]
    True
    """
    listed = events_of(events, "selection_mask")
    taken = _taken(chosen, parts)
    kept = _chosen(listed, taken)
    if taken.time is not None:
        start, stop = mission_seconds(listed, taken.time)
        times = in_units(listed["time"], "s").values
        kept &= (times >= start) & (times < stop)
    array = xr.DataArray(kept, dims="event")
    attrs = {"selection": f"{chosen.name}: {taken}"}
    return labelled(array, "selection", units="1", long_name=f"In the selection {chosen.name}", attrs=attrs)


def selection_good_times(events: xr.DataTree, chosen: Selection) -> xr.Dataset:
    """Return the good time intervals of an observation that lie in a selection's time; ``formats.write`` makes a file.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` and ``gti``.
    chosen : Selection
        Without a time, all of the good times are returned.

    Returns
    -------
    xarray.Dataset
        ``start`` and ``stop`` (s) on ``interval``, on the clock of the events. Intervals hold both ends, a selection
        not its stop: of an event just there they differ.

    Raises
    ------
    OutsideCoverage
        If no good time lies in it.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> early = xray.selection("early", m82, time=("2008-10-04T01:00", "2008-10-04T01:05"))
    >>> float(xray.selection_good_times(m82, early).stop[-1] - xray.selection_good_times(m82, early).start[0])
    300.0
    """
    listed, gti = events_and_gti(events, "selection_good_times")
    _taken(chosen, PARTS)
    if chosen.time is None:
        return common_good_times(gti)
    start, stop = mission_seconds(listed, chosen.time)
    start, stop = max(start, float(gti["start"].min()) - 1), min(stop, float(gti["stop"].max()) + 1)
    if not start < stop:
        raise OutsideCoverage(f"no good time of the events lies in {chosen}")
    return common_good_times(events, good_times([(start, stop)], like=listed))


def placed(chosen: Selection, listed: xr.Dataset) -> PlaneShape:
    """Return a selection's region on the plane of pixels of another list; see :func:`carried`."""
    return carried(chosen.shape, chosen.plane, listed, chosen.name)


def brush_of(chosen: Selection, index: xr.Dataset) -> Brush:
    """Return a selection in the numbers of an event index.

    Raises
    ------
    WrongData, BadOption, UnknownVariable, OutsideCoverage
        As for :func:`analysis.xray.brushed`.
    """
    from analysis.xray.brushes import brush

    taken = _taken(chosen, PARTS)
    if taken.column is not None and taken.column[0] != index.attrs.get("column"):
        raise BadOption(
            f"the selection {chosen.name!r} is of the column {taken.column[0]!r}; make the index with "
            f"column={taken.column[0]!r}"
        )
    ends = None
    if taken.column is not None:
        _, low, high, units = taken.column
        own = str(index["column"].attrs["units"])
        if units != own:
            low, high = in_units(xr.DataArray([low, high], attrs={"units": units}), own).values.tolist()
        ends = low, high
    return brush(index, placed(taken, index), band=taken.band, time=taken.time, column=ends)


def _taken(chosen: Selection, parts: Iterable[str]) -> Selection:
    """The selection with only some of its parts."""
    if not isinstance(chosen, Selection):
        raise BadOption(f"{type(chosen).__name__} is no selection; xray.selection makes one, xray.read_selection too")
    wanted = [parts] if isinstance(parts, str) else list(parts)
    if unknown := [part for part in wanted if part not in PARTS]:
        raise BadOption(f"parts={unknown} are none of a selection; it has {', '.join(PARTS)}")
    left = {"shape": PlaneShape(), "band": None, "time": None, "column": None}
    names = {"region": "shape"}
    gone = {names.get(part, part): left[names.get(part, part)] for part in PARTS if part not in wanted}
    return replace(chosen, **gone)  # type: ignore[arg-type]


def _chosen(listed: xr.Dataset, taken: Selection) -> np.ndarray:
    """Which events lie in region, band and column."""
    kept = in_band(listed, taken.band, "the selection")
    if taken.column is not None:
        name, low, high, units = taken.column
        column = variable(listed, name, "the selection")
        same = str(column.attrs.get("units", "1")) == units
        values = column.values if same else in_units(column, units).values
        kept &= (values >= low) & (values < high)
    if taken.shape.kind:
        _refuse_unplaced(listed, taken)
        x, y = listed["x"].values, listed["y"].values
        kept &= contains(placed(taken, listed), x, y)
    return kept


def _refuse_unplaced(listed: xr.Dataset, taken: Selection) -> None:
    if not {"x", "y"} <= set(map(str, listed.variables)):
        raise UnknownVariable(
            f"the region of {taken.name!r} ({taken.shape}) needs positions, and the events of "
            f"{listed.attrs.get('title', 'this list')} have none (no x and y); apply only the rest: "
            "parts=['band', 'time', 'column']"
        )


def _column(column: tuple[str, Amount, Amount], listed: xr.Dataset) -> tuple[str, float, float, str]:
    if isinstance(column, str) or not hasattr(column, "__len__") or len(column) != 3 or not isinstance(column[0], str):
        raise BadOption(f"column={column!r} is not (name, low, high), such as ('grade', 0, 4)")
    name = column[0]
    held = "column" if listed.attrs.get("column") == name and "column" in listed.variables else name
    units = str(variable(listed, held, "selection").attrs.get("units", "1"))
    low, high = (amount(end, units, "column", bare=True) for end in column[1:])
    if not low < high:
        raise BadOption(f"column={column!r} must be (name, low, high) with low < high")
    return name, low, high, units

"""Parts of event lists: ranges of place, time and energy, with the good times cut along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage
from analysis.model import check, history_with, in_units, span
from analysis.xray.inputs import (
    Amount,
    amount,
    band_of,
    events_and_gti,
    in_band,
    named_band,
    variable,
    with_nodes,
    with_region,
)
from analysis.xray.intervals import clock_of, merged

if TYPE_CHECKING:
    from analysis.model.clocks import Instant

    Range = tuple[Amount, Amount]


def selected(
    events: xr.DataTree,
    *,
    x: Range | None = None,
    y: Range | None = None,
    time: tuple[Instant | None, Instant | None] | None = None,
    band: Range | None = None,
) -> xr.DataTree:
    """Return the events in ranges of sky pixels, time and energy; good times are cut to the time range.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` and ``gti``.
    x, y : (low, high), optional
        Sky pixels, half-open.
    time : (start, stop), optional
        Half-open, UTC; either end may be None.
    band : (low, high), optional
        Energies in keV, half-open.

    Returns
    -------
    xarray.DataTree
        The same tree with fewer events, perhaps none: where nothing was seen in good time, that is a
        result. The header's exposure no longer fits a range of time and is taken out. Attrs ``region`` (of x
        and y) and ``band`` say what the events were cut to.

    Raises
    ------
    BadOption, BadTime
        If a range cannot be read or is the wrong way round.
    UnknownVariable
        If the events have no such column.
    OutsideCoverage
        If no good time lies in the time range.

    Examples
    --------
    >>> from analysis import xray
    >>> soft = xray.selected(xray.fetch("m82_acis_events"), band=(0.5, 2))
    >>> bool(soft["events"].energy.max() < 2)
    True
    """
    listed, gti = events_and_gti(events, "selected")
    kept = in_band(listed, band, "selected")
    told = [] if band is None else [named_band(band)]
    box = []
    for name, ends in (("x", x), ("y", y)):
        if ends is not None:
            low, high = _pixels(name, ends)
            values = variable(listed, name, "selected").values
            kept &= (values >= low) & (values < high)
            box.append(f"{name} in [{low:g}, {high:g})")
    told += box
    nodes = {}
    if time is not None:
        start, stop = _seconds(listed, time)
        values = in_units(listed["time"], "s").values
        kept &= (values >= start) & (values < stop)
        told.append(f"time in [{time[0] or '…'}, {time[1] or '…'}) UTC")
        nodes["gti"] = _cut_gti(gti, start, stop)
    cut = listed.isel(event=np.flatnonzero(kept))
    step = f"xray.selected: {'; '.join(told) or 'everything'}, {int(kept.sum())} of {kept.size} events"
    gone = ("exposure", "livetime", "ontime") if time is not None else ()
    attrs = {key: value for key, value in listed.attrs.items() if key not in gone}
    cut.attrs = {**attrs, "history": history_with(listed, step)}
    if box:
        cut.attrs["region"] = with_region(listed, f"box({', '.join(box)} pix)")
    if band is not None:
        cut.attrs["band"] = band_of(listed, band)
    nodes["events"] = check(cut)
    return with_nodes(events, nodes)


def _pixels(name: str, ends: Range) -> tuple[float, float]:
    if isinstance(ends, str) or not hasattr(ends, "__len__") or len(ends) != 2:
        raise BadOption(f"{name}={ends!r} is not a pair of sky pixels (low, high)")
    low, high = (amount(end, "pix", name, bare=True) for end in ends)
    if low >= high:
        raise BadOption(f"{name}={ends!r} must be (low, high) with low < high")
    return low, high


def _seconds(listed: xr.Dataset, time: tuple[Instant | None, Instant | None]) -> tuple[float, float]:
    """Mission seconds of two instants in UTC."""
    from astropy.time import Time

    if isinstance(time, str) or not hasattr(time, "__len__") or len(time) != 2:
        raise BadOption(f"time={time!r} is not a pair (start, stop) in UTC")
    clock = clock_of(listed)
    scale = clock["timesys"].lower()
    reference = Time(clock["mjdref"], clock["mjdref_fraction"], format="mjd", scale=scale)
    found = [
        open_end if end is None else float((getattr(Time(end, scale="utc"), scale) - reference).sec)
        for end, open_end in zip(span(*time), (-np.inf, np.inf), strict=True)
    ]
    return found[0], found[1]


def _cut_gti(gti: xr.Dataset, start: float, stop: float) -> xr.Dataset:
    begins, ends = merged(gti)
    begins, ends = np.maximum(begins, start), np.minimum(ends, stop)
    left = ends > begins
    if not left.any():
        raise OutsideCoverage("no good time interval lies in the time range asked for")
    step = f"cut to mission seconds [{start:g}, {stop:g})"
    made = xr.Dataset(
        {
            "start": ("interval", begins[left], gti["start"].attrs),
            "stop": ("interval", ends[left], gti["stop"].attrs),
        },
        attrs={**gti.attrs, "history": history_with(gti, step)},
    )
    return check(made)

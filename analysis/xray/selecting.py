"""Parts of event lists: ranges of place, time and energy, with the good times cut along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption
from analysis.model import check, history_with, span
from analysis.xray.cutting import cut_to
from analysis.xray.detectors import COLUMNS, cut_sets
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
    without_area,
)
from analysis.xray.intervals import clock_of
from analysis.xray.sky import pixel_area

if TYPE_CHECKING:
    from analysis.model.clocks import Instant

    Range = tuple[Amount, Amount]
    Wanted = float | str | Sequence[float] | Sequence[str]


def selected(
    events: xr.DataTree,
    *,
    x: Range | None = None,
    y: Range | None = None,
    time: tuple[Instant | None, Instant | None] | None = None,
    band: Range | None = None,
    where: Mapping[str, Wanted] | None = None,
    bits_unset: Mapping[str, int] | None = None,
    bits_set: Mapping[str, int] | None = None,
) -> xr.DataTree:
    """Return the events in ranges of sky pixels, time, energy and other columns; good times are cut to the time range.

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
    where : mapping, optional
        Columns with the values to keep: one (``{"flag": 0}``), a list (``{"grade": [0, 2, 3, 4, 6]}``), or a tuple
        with both ends (``{"pattern": (0, 4)}``). A choice of detectors also keeps only their own good times.
    bits_unset, bits_set : mapping, optional
        Columns with masks, none or all of whose bits are set in the events kept: XMM-Newton's ``#XMMEA_EM`` is
        ``bits_unset={"flag": 0x766ba000}``; the event file's header keeps the mask of each such name.

    Returns
    -------
    xarray.DataTree
        The same tree with fewer events, perhaps none: where nothing was seen in good time, that is a
        result. With a range of time the exposure is corrected as :func:`in_good_times` does. Attrs ``region`` (of
        x and y) and ``band`` say what the events were cut to, ``region_area`` how large a box of both is.

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
    listed, _ = events_and_gti(events, "selected")
    kept = in_band(listed, band, "selected")
    told = [] if band is None else [named_band(band)]
    box, sides = [], 1.0
    for name, ends in (("x", x), ("y", y)):
        if ends is not None:
            low, high = _pixels(name, ends)
            values = variable(listed, name, "selected").values
            kept &= (values >= low) & (values < high)
            box.append(f"{name} in [{low:g}, {high:g})")
            sides *= high - low
    told += box
    nodes: dict[str, xr.Dataset] = {}
    for name, option in (("where", where), ("bits_unset", bits_unset), ("bits_set", bits_set)):
        if option is not None and not isinstance(option, Mapping):
            raise BadOption(f"{name}={option!r:.60} is no mapping of columns, such as {name}={{'flag': 1}}")
    for column, wanted in (where or {}).items():
        found, said = _matching(variable(listed, column, "selected"), wanted)
        kept &= found
        told.append(said)
        detectors = set(np.unique(listed[column].values[found]).tolist()) if column in COLUMNS else None
        nodes |= cut_sets(events, detectors, column)
    for options, unset in ((bits_unset, True), (bits_set, False)):
        for column, mask in (options or {}).items():
            kept &= _bits(variable(listed, column, "selected"), mask, unset=unset)
            told.append(f"{column} & {mask:#x} {'= 0' if unset else f'= {mask:#x}'}")
    if time is not None:
        start, stop = mission_seconds(listed, time)
        told.append(f"time in [{time[0] or '…'}, {time[1] or '…'}) UTC")
    cut = listed.isel(event=np.flatnonzero(kept))
    step = f"xray.selected: {'; '.join(told) or 'everything'}"
    cut.attrs = dict(listed.attrs)
    if box:
        cut.attrs = without_area(listed.attrs) | {"region": with_region(listed, f"box({', '.join(box)} pix)")}
        if len(box) == 2 and "region" not in listed.attrs:
            pixel, units = pixel_area(listed)
            cut.attrs |= {"region_area": sides * pixel, "region_area_units": units}
    if band is not None:
        cut.attrs["band"] = band_of(listed, band)
    if time is None:
        step += f", {int(kept.sum())} of {kept.size} events"
        cut.attrs["history"] = history_with(listed, step)
        return with_nodes(events, {**nodes, "events": check(cut)})
    edges = (np.array([start]), np.array([stop]))
    return cut_to(with_nodes(events, {**nodes, "events": cut}), edges, step, closed=False)


def _matching(column: xr.DataArray, wanted: Wanted) -> tuple[np.ndarray, str]:
    """Which values are one number, one of a list, or in a pair (first, last) with both ends; and that in words."""
    name, values = str(column.name), column.values
    if values.ndim != 1:
        raise BadOption(f"where={{{name!r}: …}}: the column holds {values.shape[1:]} numbers an event, not one")
    try:
        given = np.asarray(wanted)
    except ValueError:  # lists in lists
        given = np.array(None)
    if isinstance(wanted, tuple) and given.shape == (2,) and given.dtype.kind in "iuf" and given[0] <= given[1]:
        return (values >= given[0]) & (values <= given[1]), f"{name} from {given[0]:g} to {given[1]:g}"
    told = not isinstance(wanted, tuple) and given.ndim <= 1 and given.size > 0 and given.dtype.kind in "iufU"
    told = told and not (given.dtype.kind == "f" and np.isnan(given).any())
    if told and (given.dtype.kind == "U") == (values.dtype.kind in "OU"):
        listed = np.atleast_1d(given).tolist()
        return np.isin(values, listed), f"{name} in {listed}" if given.ndim else f"{name} = {listed[0]}"
    raise BadOption(
        f"where={{{name!r}: {wanted!r}}} is no choice of values; give one (0), a list of them ([0, 2, 3]), or a tuple "
        "(first, last) with both ends, such as (0, 4)"
    )


def _bits(column: xr.DataArray, mask: int, *, unset: bool) -> np.ndarray:
    """Which values have all bits of a mask, or none of them."""
    values = column.values
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise BadOption(f"{column.name} is {values.dtype}, not one integer an event; it has no bits to test")
    if isinstance(mask, bool) or not isinstance(mask, Integral) or mask <= 0:
        raise BadOption(f"a mask of bits is a positive integer such as 0x766ba000, not {mask!r}")
    if values.dtype.itemsize < 8 and int(mask) >= 2 ** (8 * values.dtype.itemsize):
        raise BadOption(f"the mask {int(mask):#x} has more bits than the {values.dtype} of {column.name}")
    found = values.astype(np.int64) & int(mask)
    return found == 0 if unset else found == int(mask)


def _pixels(name: str, ends: Range) -> tuple[float, float]:
    if isinstance(ends, str) or not hasattr(ends, "__len__") or len(ends) != 2:
        raise BadOption(f"{name}={ends!r} is not a pair of sky pixels (low, high)")
    low, high = (amount(end, "pix", name, bare=True) for end in ends)
    if low >= high:
        raise BadOption(f"{name}={ends!r} must be (low, high) with low < high")
    return low, high


def mission_seconds(listed: xr.Dataset, time: tuple[Instant | None, Instant | None]) -> tuple[float, float]:
    """Return mission seconds of two instants in UTC, to the nanosecond that instants are given in.

    Raises
    ------
    BadOption, BadTime
        If they are no pair, or no instants with the first before the second.
    """
    from astropy.time import Time

    if isinstance(time, str) or not hasattr(time, "__len__") or len(time) != 2:
        raise BadOption(f"time={time!r} is not a pair (start, stop) in UTC")
    clock = clock_of(listed)
    scale = clock["timesys"].lower()
    reference = Time(clock["mjdref"], clock["mjdref_fraction"], format="mjd", scale=scale)
    found = [
        open_end if end is None else round(float((getattr(Time(end, scale="utc"), scale) - reference).sec), 9)
        for end, open_end in zip(span(*time), (-np.inf, np.inf), strict=True)
    ]
    return found[0], found[1]

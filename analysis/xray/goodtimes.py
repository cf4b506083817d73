"""Good time intervals as sets: both, either, without, gaps, from a light curve; and events cut along with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived, in_units
from analysis.xray.cutting import cut_to, said
from analysis.xray.detectors import overlap
from analysis.xray.inputs import Amount, amount, as_dataset, datasets, events_and_gti, node, variable
from analysis.xray.intervals import clock_of, merged

Intervals = xr.Dataset | xr.DataTree
SECONDS_APART = 1e-3  # clocks whose references differ by less are one
ONE_CLOCK = {"tdt": "tt", "et": "tt"}


def good_times(intervals: Iterable[Sequence[float]], *, like: Intervals) -> xr.Dataset:
    """Return pairs of mission seconds as good time intervals on the clock of an event list.

    Parameters
    ----------
    intervals : iterable of (start, stop)
        Seconds on the clock of ``like``; those that touch or overlap become one.
    like : xarray.Dataset or xarray.DataTree
        Events, a tree with events, intervals or a light curve: whose clock the seconds are of.

    Raises
    ------
    BadOption
        If they are no pairs, there is none, or one does not stop after it starts.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> first = float(m82["gti"].start[0])
    >>> float(xray.good_times([(first, first + 10), (first + 5, first + 30)], like=m82).stop[0] - first)
    30.0
    """
    origin = _timed(like)
    try:
        pairs = np.array([tuple(pair) for pair in intervals], dtype=float).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise BadOption("intervals are pairs of mission seconds, for example [(0.0, 10.0), (20.0, 30.0)]") from error
    if not pairs.size:
        raise BadOption("there is no interval among intervals=; give pairs such as [(0.0, 10.0), (20.0, 30.0)]")
    if not (pairs[:, 1] > pairs[:, 0]).all() or not np.isfinite(pairs).all():
        raise BadOption(f"each interval must stop after it starts; given are {pairs[:3].tolist()}")
    return _made(origin, *_joined(pairs[:, 0], pairs[:, 1]), "xray.good_times: intervals given")


def common_good_times(*sets: Intervals) -> xr.Dataset:
    """Return when every one of several sets of good time intervals is open.

    Parameters
    ----------
    *sets : xarray.Dataset or xarray.DataTree
        Intervals with ``start`` and ``stop``, or trees with a node ``gti``, all on one clock.

    Returns
    -------
    xarray.Dataset
        ``start`` and ``stop`` (s) on ``interval``, disjoint and in order.

    Raises
    ------
    WrongData
        If their clocks differ.
    OutsideCoverage
        If they have no time in common.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> t = float(m82["gti"].start[0])
    >>> half = xray.common_good_times(m82, xray.good_times([(t - 50, t + 100)], like=m82))
    >>> float(half.stop[0] - half.start[0])
    100.0
    """
    held = _sets(sets, "common_good_times")
    edges = merged(held[0])
    for further in held[1:]:
        edges = overlap(edges, merged(further))
    if not edges[0].size:
        spans = "; ".join(said(one) for one in held)
        raise OutsideCoverage(f"the good times have no time in common; they are {spans}")
    return _made(held[0], *edges, f"xray.common_good_times of {len(held)} sets", *held[1:])


def joined_good_times(*sets: Intervals) -> xr.Dataset:
    """Return when at least one of several sets of good time intervals is open; see :func:`common_good_times`.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> both = xray.joined_good_times(m82, m82)
    >>> both.sizes["interval"] == m82["gti"].sizes["interval"]
    True
    """
    held = _sets(sets, "joined_good_times")
    starts, stops = zip(*(merged(one) for one in held), strict=True)
    edges = _joined(np.concatenate(starts), np.concatenate(stops))
    return _made(held[0], *edges, f"xray.joined_good_times of {len(held)} sets", *held[1:])


def good_times_without(good: Intervals, bad: Intervals) -> xr.Dataset:
    """Return good time intervals with others, of flares for example, taken out.

    Raises
    ------
    WrongData
        If their clocks differ.
    OutsideCoverage
        If nothing is left.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> t = float(m82["gti"].start[0])
    >>> left = xray.good_times_without(m82, xray.good_times([(t + 10, t + 20)], like=m82))
    >>> left.sizes["interval"]
    2
    """
    held, away = _sets((good, bad), "good_times_without")
    start, stop = merged(held)
    edges = overlap((start, stop), _between(*merged(away), float(start[0]), float(stop[-1])))
    if not edges[0].size:
        raise OutsideCoverage(f"nothing is left of the good times {said(held)} without {said(away)}")
    return _made(held, *edges, "xray.good_times_without", away)


def gap_times(good: Intervals, *, span: tuple[float, float] | None = None) -> xr.Dataset:
    """Return the time between good time intervals: their complement inside a span.

    Parameters
    ----------
    good : xarray.Dataset or xarray.DataTree
    span : (start, stop), optional
        In mission seconds; left out, from the first start to the last stop.

    Raises
    ------
    BadOption
        If the span does not stop after it starts.
    OutsideCoverage
        If there is no gap.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> t = float(m82["gti"].start[0])
    >>> float(xray.gap_times(m82, span=(t - 5, t + 1)).stop[0]) == t
    True
    """
    (held,) = _sets((good,), "gap_times")
    start, stop = merged(held)
    low, high = (float(start[0]), float(stop[-1])) if span is None else (float(end) for end in span)
    if not low < high:
        raise BadOption(f"span={span!r} must be (start, stop) in mission seconds with start < stop")
    edges = _between(start, stop, low, high)
    if not edges[0].size:
        raise OutsideCoverage(f"there is no gap from {low:.1f} to {high:.1f} s in the good times {said(held)}")
    return _made(held, *edges, f"xray.gap_times from {low:.3f} to {high:.3f} s")


def good_times_where(
    curve: xr.Dataset, *, above: Amount | None = None, below: Amount | None = None, name: str = "rate"
) -> xr.Dataset:
    """Return the bins of a light curve in which a value lies above or below a threshold, as intervals.

    Parameters
    ----------
    curve : xarray.Dataset
        As :func:`analysis.xray.light_curve` gives it: evenly spaced bins with ``seconds`` and ``exposure``.
    above, below : float or value with units, optional
        value ≥ above, value < below; bare numbers are in the variable's unit. NaN is neither.
    name : str, optional
        The variable that is compared.

    Returns
    -------
    xarray.Dataset
        Whole bins, without the gaps inside them; use it with :func:`in_good_times`, which keeps to the list's own
        good times too.

    Raises
    ------
    BadOption
        If neither threshold is given, or they exclude each other.
    OutsideCoverage
        If no bin fulfils them; says which values there are.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> calm = xray.good_times_where(xray.light_curve(m82, "50 s"), below=5.2)
    >>> bool(xray.in_good_times(m82, calm)["events"].sizes["event"] < 4612)
    True
    """
    held = as_dataset(curve, "good_times_where")
    values, seconds = variable(held, name, "good_times_where"), variable(held, "seconds", "good_times_where")
    if above is None and below is None:
        raise BadOption("good_times_where needs above= or below=, for example below='2 ct/s'")
    units = str(values.attrs.get("units", "1"))
    low = -np.inf if above is None else amount(above, units, "above", bare=True)
    high = np.inf if below is None else amount(below, units, "below", bare=True)
    if low >= high:
        raise BadOption(f"above={above!r} is not less than below={below!r}; no value lies between")
    v, middle = values.values, in_units(seconds, "s").values
    width = float(held.attrs.get("bin_size", 0.0)) or float(np.median(np.diff(middle)) if middle.size > 1 else 0.0)
    if not width > 0:
        raise WrongData("good_times_where needs to know how long the bins are: attrs['bin_size'] in s")
    with np.errstate(invalid="ignore"):
        kept = (v >= low) & (v < high)
    asked = " and ".join(
        s
        for s in (f"{name} ≥ {low:g}" if above is not None else "", f"{name} < {high:g}" if below is not None else "")
        if s
    )
    if not kept.any():
        seen = v[np.isfinite(v)]
        range_ = f"{seen.min():.4g} to {seen.max():.4g} {units}" if seen.size else "all NaN"
        raise OutsideCoverage(f"no bin of the light curve has {asked} {units}; its values are {range_}")
    edges = _joined((middle - width / 2)[kept], (middle + width / 2)[kept], touching=width * 1e-6)
    step = f"xray.good_times_where: {asked} {units}, {int(kept.sum())} of {kept.size} bins of {width:g} s"
    return _made(
        held.assign_attrs({k: v for k, v in seconds.attrs.items() if k.startswith("mjdref") or k == "timesys"}),
        *edges,
        step,
    )


def in_good_times(events: xr.DataTree, good: Intervals) -> xr.DataTree:
    """Return the events inside further good time intervals; the list's own are cut along, its exposure corrected.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` and ``gti``.
    good : xarray.Dataset or xarray.DataTree
        Intervals on the same clock: of :func:`good_times_where`, :func:`good_times`, another list …

    Returns
    -------
    xarray.DataTree
        Events with start ≤ time ≤ stop, ``gti`` (and ``gti_sets``) cut. ``ontime`` is the good time left, and
        ``livetime`` and ``exposure`` are that times the fraction that the header's dead-time correction (or its
        livetime over its ontime) says; without either they are taken out, and ``history`` says so.

    Raises
    ------
    WrongData
        If the clocks differ.
    OutsideCoverage
        If nothing of the list's good times lies in them.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> t = float(m82["gti"].start[0])
    >>> early = xray.in_good_times(m82, xray.good_times([(t, t + 100)], like=m82))
    >>> early["events"].attrs["ontime"], round(early["events"].attrs["exposure"], 3)
    (100.0, 90.695)
    """
    listed, gti = events_and_gti(events, "in_good_times")
    own, asked = _sets((gti.assign_attrs(_clock_attrs(listed)), good), "in_good_times")
    edges = merged(asked)
    cut = cut_to(events, edges, f"xray.in_good_times: {said(asked)}", closed=True)
    if not cut["gti"].sizes["interval"]:
        raise OutsideCoverage(f"none of the good times {said(own)} lies in {said(asked)}")
    return cut


def _sets(given: Sequence[Intervals], what: str) -> list[xr.Dataset]:
    """The intervals given, each as a dataset, after a check that they count on one clock."""
    if not given:
        raise BadOption(f"{what} needs good time intervals: datasets with start and stop, or event trees")
    held = []
    for one in given:
        if not isinstance(one, xr.Dataset | xr.DataTree):
            raise WrongData(f"{what} needs datasets with start and stop, or event trees, not a {type(one).__name__}")
        data = as_dataset(one, what) if isinstance(one, xr.Dataset) or one.has_data else node(one, "gti", what)
        if not {"start", "stop"} <= set(map(str, data.variables)):
            raise WrongData(f"{what} needs intervals with 'start' and 'stop'; got {list(map(str, data.variables))}")
        held.append(data)
    first = _clock(held[0])
    for other in held[1:]:
        theirs = _clock(other)
        apart = abs((first[0] - theirs[0]) + (first[1] - theirs[1])) * 86400
        if first[2] != theirs[2] or apart > SECONDS_APART:
            raise WrongData(
                f"{what}: the clocks differ: MJD {first[0] + first[1]:.9f} {first[2].upper()} and MJD "
                f"{theirs[0] + theirs[1]:.9f} {theirs[2].upper()}; bring both to one clock first, "
                "seconds of two clocks cannot be compared"
            )
    return held


def _clock(data: xr.Dataset) -> tuple[float, float, str]:
    known = clock_of(data if "time" in data.variables else data.assign(time=data["start"]))
    scale = known["timesys"].strip().lower()
    return (
        known["mjdref"],
        known["mjdref_fraction"] - (known["mjdref"] % 1 if known["mjdref_fraction"] else 0),
        ONE_CLOCK.get(scale, scale),
    )


def _timed(data: Intervals) -> xr.Dataset:
    """The dataset whose clock counts: a tree's events, or its intervals."""
    if isinstance(data, xr.Dataset) or data.has_data:
        held = as_dataset(data, "good_times")
        return held.assign_attrs({**_clock_attrs(held)})
    names = {n.name for n in data.subtree if n.has_data}
    return node(data, "events" if "events" in names else "gti", "good_times")


def _clock_attrs(data: xr.Dataset) -> dict:
    sources = [data.attrs, *(data[name].attrs for name in ("time", "seconds", "start") if name in data.variables)]
    keys = ("mjdref", "mjdref_int", "mjdref_frac", "mjdref_fraction", "timesys")
    return {key: source[key] for key in keys for source in sources if key in source}


def _made(origin: xr.Dataset, start: np.ndarray, stop: np.ndarray, step: str, *also: xr.Dataset) -> xr.Dataset:
    made = xr.Dataset(
        {
            "start": ("interval", start, {"units": "s", "long_name": "Start of the interval"}),
            "stop": ("interval", stop, {"units": "s", "long_name": "End of the interval"}),
        },
        attrs=_clock_attrs(origin),
    )
    step = f"{step}; {start.size} intervals, {float((stop - start).sum()):.3f} s"
    found = derived(made, origin, title="Good time intervals", step=step, also=datasets(*also))
    found.attrs.pop("region", None)
    return check(found)


def _joined(start: np.ndarray, stop: np.ndarray, touching: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Intervals in order, those that overlap or touch as one."""
    order = np.argsort(start, kind="stable")
    start, stop = start[order], np.maximum.accumulate(stop[order]) if start.size else stop
    begins = np.append(True, start[1:] > stop[:-1] + touching) if start.size else np.empty(0, bool)
    return start[begins], stop[np.append(begins[1:], True)] if start.size else stop


def _between(start: np.ndarray, stop: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """What lies between intervals, from low to high."""
    begins, ends = np.append(low, np.maximum(stop, low)), np.append(np.minimum(start, high), high)
    return begins[ends > begins], ends[ends > begins]

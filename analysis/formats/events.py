"""X-ray and gamma-ray event lists with their good time intervals.

References: OGIP/93-003 (Angelini et al.), times; HEASARC's recommendations for event files (OGIP/94-003).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, BadTime, CorruptFile
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats._eventgains import gain_of
from analysis.formats._fitscolumns import Column, Ragged
from analysis.formats._fitsio import Hdu, number, text
from analysis.formats._fitsmeta import free_name
from analysis.model import utc_of_clock
from analysis.model.clocks import ALIASES, clock_instants

GTI_NAME = re.compile(r"(STD)?GTI_?\d*")
NUMBERED = re.compile(r"[A-Z]*GTI_?[A-Z]*0*(\d+)")  # GTI00003, STDGTI04, eROSITA's FLAREGTI1, NICER's GTI_MPU0
NAMED = {
    "x": ("pixel", "Sky x"),
    "y": ("pixel", "Sky y"),
    "pi": ("chan", "Pulse-invariant channel"),
    "pha": ("chan", "Pulse-height channel"),
}
WCS_KEYS = {
    "wcs_ctype": "CTYP",
    "wcs_crpix": "CRPX",
    "wcs_crval": "CRVL",
    "wcs_cdelt": "CDLT",
    "wcs_cunit": "CUNI",
}
EDGES = (("start", "stop"), ("tstart", "tstop"))  # columns of good time intervals
FACTS = ("mjdref", "timesys", "energy_units")


@dataclass(frozen=True)
class Clock:
    """A file's clock: its reference in days and fraction, time scale, seconds to add, seconds a tick."""

    day: int
    fraction: float
    timesys: str
    zero: float
    tick: float


@dataclass(frozen=True, eq=False)
class Intervals:
    """One set of good time intervals; ``detector`` is -1 where it holds for all, ``family`` the kind of set."""

    label: str
    detector: int
    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    family: str = ""


def holds(hdus: Sequence[Hdu]) -> bool:
    """Return whether the file holds an event list."""
    return bool(_lists(hdus))


def _lists(hdus: Sequence[Hdu]) -> list[Hdu]:
    named = [
        h
        for h in hdus
        if h.kind == "table" and (text(h, "HDUCLAS1").upper() == "EVENTS" or h.name in ("EVENTS", "XTE_SE"))
    ]
    return [h for h in named if "time" in table.columns(h)]


def tree(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.DataTree:
    """Return an event list and its good time intervals on one clock.

    Parameters
    ----------
    hdus : sequence of Hdu
        Of a file for which :func:`holds` is true.
    assume : mapping
        ``mjdref`` (days), ``timesys``, ``energy_units``, where the header leaves them out.

    Returns
    -------
    xarray.DataTree
        ``events``: dim ``event`` in order of time; ``time`` (s since ``mjdref``, TIMEZERO added), ``x``,
        ``y``, ``energy`` (keV; made of ``pi`` where the mission's documentation fixes its steps), ``pi``,
        ``pha`` and the file's other columns in lower case.
        ``gti``: dim ``interval`` with ``start``, ``stop`` on the same clock. Where a file has several sets,
        they are in ``gti_sets`` as stored, and ``gti`` is when every set that holds for all detectors, and
        at least one in each family of those that hold for one detector, was good.

    Raises
    ------
    CorruptFile
        If times are undefined, or the clock's reference or unit is missing.

    Warns
    -----
    AnalysisWarning
        If the time scale is unknown, so that the times cannot become UTC; or there are other event lists.

    Examples
    --------
    >>> from analysis import sample
    >>> from analysis.formats._fitsio import opened
    >>> found = tree(opened(sample.path("xte_4u1636_events.fits.gz")), {})
    >>> found["events"].sizes["event"], round(found["events"].attrs["timezero_added"], 3)
    (1000, 3.378)
    """
    first = _lists(hdus)[0]
    known = meta.facts(assume, FACTS, "an event list", first.file)
    clock = _clock(first, hdus[0], known)
    events = _events(first, hdus[0], clock, known)
    sources = [first, hdus[0]]
    good = _good_times(hdus, clock, sources)
    rest = [h.name for h in hdus if h is not first and h.kind != "empty" and not is_gti(h)]
    notes = [*known.notes, *([f"left out: {', '.join(rest)}"] if rest else [])]
    if others := [h.where for h in _lists(hdus)[1:]]:
        warnings.warn(
            f"{first.where} is read; the file's other event lists are left out: {', '.join(others)}; to read one, "
            "take it out into a file of its own",
            AnalysisWarning,
            stacklevel=3,
        )
    known.warn(first.where)
    attrs = _clock_attrs(clock)
    found = {"events": meta.finished(events.assign_attrs(attrs | _observation(sources)), sources, "Events", notes)}
    if not good:
        found["events"].attrs["history"] += "\nthe file has no good time intervals"
    return xr.DataTree.from_dict(found | good)


def intervals_of(hdus: Sequence[Hdu], first: Hdu, known: meta.Facts) -> dict[str, xr.Dataset]:
    """Return the good time intervals of a file as ``gti`` and, if there are several sets, ``gti_sets``.

    Parameters
    ----------
    hdus : sequence of Hdu
        All of the file.
    first : Hdu
        The one whose clock they are brought to.
    known : Facts
        ``mjdref`` and ``timesys`` where the header leaves them out.
    """
    return _good_times(hdus, _clock(first, hdus[0], known), [first, hdus[0]])


def _good_times(hdus: Sequence[Hdu], clock: Clock, sources: Sequence[Hdu]) -> dict[str, xr.Dataset]:
    sets = _interval_sets(hdus, clock)
    if not sets:
        return {}
    attrs = _clock_attrs(clock)
    start, stop, rule = _merged(sets)
    merged = _as_dataset(start, stop).assign_attrs(attrs, merged=rule)
    found = {"gti": meta.finished(merged, sources, "Good time intervals", [rule])}
    if len(sets) > 1:
        stored = _sets(sets).assign_attrs(attrs)
        found["gti_sets"] = meta.finished(stored, sources, "Good time intervals as stored", [])
    return found


# ------------------------------------------------------------------------------------------ the clock


def _clock(hdu: Hdu, primary: Hdu, known: meta.Facts) -> Clock:
    reference = meta.reference(hdu, primary, known)
    if reference is None:
        asked = "state assume={'mjdref': '50814.0'}"
        raise CorruptFile(f"{hdu.where} lacks MJDREF, so its times have no origin; {asked}")
    stated = (text(hdu, "TIMESYS") or text(primary, "TIMESYS")).upper()
    timesys = known.fact("timesys", stated or None, "TT", hdu.where).upper()
    try:
        utc_of_clock(0.0, mjdref=reference[0], mjdref_fraction=reference[1], timesys=timesys)
    except BadTime as error:  # of use all the same, until somebody asks for UTC
        known.notes.append(f"the times cannot become UTC: {error}")
        warnings.warn(f"{hdu.where}: {known.notes[-1]}", AnalysisWarning, stacklevel=5)
    return Clock(*reference, timesys, *_zero_and_tick(hdu, primary))


def _zero_and_tick(hdu: Hdu, primary: Hdu) -> tuple[float, float]:
    columns = table.columns(hdu)
    spelling = text(hdu, f"TUNIT{columns['time'].number}") if "time" in columns else ""
    return meta.time_zero(hdu, primary) or 0.0, meta.seconds_in(hdu, primary, spelling)


def _clock_attrs(clock: Clock) -> dict[str, object]:
    return {
        "mjdref": clock.day + clock.fraction,
        "mjdref_int": clock.day,
        "mjdref_frac": clock.fraction,
        "timesys": clock.timesys,
        "timezero_added": clock.zero,
    }


def _observation(sources: Sequence[Hdu]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key in ("EXPOSURE", "LIVETIME", "ONTIME", "DTCOR", "DEADC", "EQUINOX", "TIMEDEL", "TSTART", "TSTOP"):
        said = [said for hdu in sources if (said := number(hdu, key)) is not None]
        if said:
            found[key.lower()] = said[0]
    for key in ("TIMEREF", "DATAMODE"):
        if told := next((told for hdu in sources if (told := text(hdu, key))), ""):
            found[key.lower()] = told
    return found


# ------------------------------------------------------------------------------------------ events


def _events(hdu: Hdu, primary: Hdu, clock: Clock, known: meta.Facts) -> xr.Dataset:
    columns = table.columns(hdu)
    time = table.vector(hdu, "time").astype(np.float64, copy=False)
    if clock.tick != 1.0 or clock.zero:
        time = time * clock.tick + clock.zero
    order = _order(hdu, time, known)
    variables = {}
    for name, column in columns.items():
        values = time if name == "time" else table.read(hdu, column)
        if isinstance(values, Ragged):
            wide = meta.padded(values, f"{hdu.where} column {name}")
            if wide is None:
                continue
            values = wide
        # a variable named as its dim becomes an index
        ours = free_name("event_column", columns) if name == "event" else name
        variables[ours] = _variable(hdu, column, values if order is None else values[order], known)
    if "pi" in variables:
        variables |= _by_gain(variables["pi"], "energy" in variables, meta.header_attrs([hdu, primary]), known)
    return xr.Dataset(variables, attrs=_wcs(hdu, columns, known))


def _order(hdu: Hdu, time: NDArray[np.float64], known: meta.Facts) -> NDArray[np.int64] | None:
    """The order that sorts the events in time, stably; None where they are in order."""
    if (time[1:] >= time[:-1]).all() and np.isfinite(time[:1]).all():
        return None
    if not np.isfinite(time).all():
        raise CorruptFile(f"{hdu.where}: {int((~np.isfinite(time)).sum())} events have no time")
    order = np.argsort(time, kind="stable")
    known.notes.append("events were not in order of time; sorted, equal times kept in the file's order")
    return order


def _variable(hdu: Hdu, column: Column, values: NDArray, known: meta.Facts) -> xr.Variable:
    if column.name == "time":
        return xr.Variable("event", values, {"units": "s", "long_name": "Time since mjdref"})
    if column.name == "energy" and values.ndim == 1:
        return _energy(hdu, column, values, known)
    found = meta.variable(hdu, column, values, "event")
    if column.name in NAMED:
        units, long_name = NAMED[column.name]
        found.attrs["long_name"] = long_name
        if found.attrs["units"] == "1":
            found.attrs["units"] = units
    return found


def _energy(hdu: Hdu, column: Column, values: NDArray, known: meta.Facts) -> xr.Variable:
    import astropy.units as u

    stated = text(hdu, f"TUNIT{column.number}")
    told = known.fact("energy_units", meta.unit_or_self(stated) if stated else None, "keV", hdu.where)
    try:
        factor = u.Unit(told).to(u.keV)
    except (ValueError, TypeError) as error:  # astropy's UnitConversionError is both
        raise CorruptFile(f"{hdu.where}: ENERGY is in {told!r}, which is no unit of energy") from error
    keV = values if factor == 1.0 else (values * factor).astype(values.dtype if values.dtype.kind == "f" else float)
    keV, fills = meta.without_fills(keV)
    return xr.Variable("event", keV, {"units": "keV", "long_name": "Photon energy", **fills})


def _by_gain(pi: xr.Variable, told: bool, attrs: Mapping[str, str], known: meta.Facts) -> dict[str, xr.Variable]:
    """Energies by the instrument's documented gain where the list tells none; pi says how wide its steps are."""
    gain = gain_of(attrs.get("telescope", ""), attrs.get("instrument", ""))
    if gain is None or pi.ndim != 1 or pi.dtype.kind not in "iuf":
        return {}
    pi.attrs |= {"channel_start": gain.first, "channel_width": gain.width}  # keV
    if told:
        return {}
    if gain.energy:
        keV = pi.values / np.round(1 / gain.width)
    else:
        keV = np.where(pi.values >= 0, gain.first + (pi.values + 0.5) * gain.width, np.nan)
    middle = "" if gain.energy else ", middles of channels"
    known.notes.append(f"energy in keV made of pi{middle} ({gain.source}); the list holds none")
    said = {"units": "keV", "long_name": f"Photon energy, from PI{middle}"}
    return {"energy": xr.Variable("event", keV, said)}


def _wcs(hdu: Hdu, columns: Mapping[str, Column], known: meta.Facts) -> dict[str, object]:
    """Sky coordinates of x and y: lists of two, x first (TCTYPn …, or XMM's REFXCTYP …)."""
    if not {"x", "y"} <= set(columns):
        return {}
    numbers = [columns["x"].number, columns["y"].number]
    a, b = numbers
    turns = [f"TCROT{b}", *(f"{key}{i}_{j}" for key in ("TP", "TPC") for i, j in ((a, b), (b, a)))]
    if turned := [key for key in turns if number(hdu, key)]:
        known.notes.append(f"x and y are turned against the sky ({', '.join(turned)}); sky coordinates left out")
        warnings.warn(f"{hdu.where}: {known.notes[-1]}", AnalysisWarning, stacklevel=5)
        return {}
    for keys in (
        {key: [f"T{short}{n}" for n in numbers] for key, short in WCS_KEYS.items()},
        {key: [f"REF{axis}{short}" for axis in "XY"] for key, short in WCS_KEYS.items()},
    ):
        found: dict[str, object] = {}
        for key, names in keys.items():
            if key in ("wcs_ctype", "wcs_cunit"):
                said: list = [text(hdu, name) for name in names]
            else:
                said = [number(hdu, name) for name in names]
            if all(part not in (None, "") for part in said):
                found[key] = said
        if {"wcs_ctype", "wcs_crpix", "wcs_crval", "wcs_cdelt"} <= set(found):
            return {"wcs_cunit": ["deg", "deg"], **found}
    return {}


# ---------------------------------------------------------------------------------- good time intervals


def is_gti(hdu: Hdu) -> bool:
    """Return whether an extension holds good time intervals, rather than rejected ones or something else."""
    if hdu.kind != "table" or not (GTI_NAME.fullmatch(hdu.name) or text(hdu, "HDUCLAS1").upper() == "GTI"):
        return False
    return text(hdu, "HDUCLAS2").upper() != "REJECTED" and _edge_names(hdu) is not None


def _edge_names(hdu: Hdu) -> tuple[str, str] | None:
    known = table.columns(hdu)
    return next((pair for pair in EDGES if set(pair) <= set(known)), None)


def _interval_sets(hdus: Sequence[Hdu], clock: Clock) -> list[Intervals]:
    found: list[Intervals] = []
    for hdu in (h for h in hdus if is_gti(h)):
        reference = meta.mjd_reference(hdu, hdu) or (clock.day, clock.fraction)
        timesys = text(hdu, "TIMESYS").upper() or clock.timesys
        shift = ((reference[0] - clock.day) + (reference[1] - clock.fraction)) * 86400.0
        own = meta.time_zero(hdu, hdu)
        zero = clock.zero if own is None else own
        edges = []
        for name in _edge_names(hdu) or ():
            tick = meta.seconds_in(hdu, hdus[0], text(hdu, f"TUNIT{table.columns(hdu)[name].number}"))
            seconds = table.vector(hdu, name).astype(np.float64) * tick + zero
            if _scale(timesys) != _scale(clock.timesys):
                edges.append(_moved(hdu, seconds, reference, timesys, clock))
            else:
                edges.append(seconds + (shift if abs(shift) > 1e-3 else 0.0))
        if not (edges[0] <= edges[1]).all():
            raise CorruptFile(f"{hdu.where}: an interval is undefined or stops before it starts")
        kept = edges[1] > edges[0]
        family = re.sub(r"_?\d+$", "", hdu.name)
        found.append(Intervals(_label(hdu, found), _detector(hdu), edges[0][kept], edges[1][kept], family))
    return found


def _scale(timesys: str) -> str:
    """One name for each time scale: TDT and TT are the same clock, GPS and TAI are not."""
    said = timesys.strip().lower().partition("(")[0].strip()
    return said if said == "gps" else ALIASES.get(said, said)


def _moved(
    hdu: Hdu, seconds: NDArray[np.float64], reference: tuple[int, float], timesys: str, clock: Clock
) -> NDArray[np.float64]:
    """Return seconds of another time scale on the events' clock.

    Raises
    ------
    CorruptFile
        If one of the scales is unknown, or an edge is undefined.
    """
    if not np.isfinite(seconds).all():
        raise CorruptFile(f"{hdu.where}: an interval is undefined")
    try:
        origin = clock_instants(0.0, clock.day, clock.fraction, clock.timesys)
        instants = clock_instants(seconds, *reference, timesys)
        return np.asarray((getattr(instants, origin.scale) - origin).to_value("s"), np.float64).reshape(-1)
    except BadTime as error:
        raise CorruptFile(f"{hdu.where} counts in {timesys}, the events in {clock.timesys}: {error}") from error


def _label(hdu: Hdu, earlier: Sequence[Intervals]) -> str:
    label = text(hdu, "HDUNAME") or hdu.name
    return label if label not in {s.label for s in earlier} else f"{label}[{hdu.index}]"


def _detector(hdu: Hdu) -> int:
    """The detector that the intervals hold for: CCD_ID (Chandra), CCDNR (XMM), or the number in the name."""
    for key in ("CCD_ID", "CCDNR"):
        if (stated := number(hdu, key)) is not None:
            return int(stated)
    match = NUMBERED.fullmatch(hdu.name)
    return int(match[1]) if match else -1


def _merged(sets: Sequence[Intervals]) -> tuple[NDArray, NDArray, str]:
    """When all sets for every detector, and of each family for single detectors any, are good.

    Families (XMM's STDGTI04 and GTI00004) are different conditions on the same detectors: both must hold.
    """
    general = [s for s in sets if s.detector < 0]
    single = [s for s in sets if s.detector >= 0]
    parts = [_at_least([s], 1) for s in general]
    families = {s.family: [other for other in single if other.family == s.family] for s in single}
    parts += [_at_least(family, 1) for family in families.values()]
    start, stop = parts[0] if len(parts) == 1 else _overlap(parts)
    rule = f"the one set of the file, {sets[0].label}" if len(sets) == 1 else ""
    if not rule:
        said = [f"all of {', '.join(s.label for s in general)}"] if general else []
        said += [f"at least one of {', '.join(s.label for s in family)}" for family in families.values()]
        rule = f"good in {' and '.join(said)}"
    if not start.size and any(s.start.size for s in sets):
        warnings.warn(f"the sets of good time intervals have no time in common ({rule})", AnalysisWarning, stacklevel=4)
    return start, stop, rule


def _at_least(sets: Sequence[Intervals], depth: int) -> tuple[NDArray, NDArray]:
    """Return when at least ``depth`` of the given intervals are open: in order, none touching."""
    starts = np.concatenate([s.start for s in sets])
    stops = np.concatenate([s.stop for s in sets])
    edges = np.concatenate([starts, stops])
    step = np.concatenate([np.ones(starts.size, int), -np.ones(stops.size, int)])
    order = np.lexsort((-step, edges))  # at one instant open before closing: touching intervals are one
    edges, level = edges[order], np.cumsum(step[order])
    inside = level >= depth
    before = np.concatenate([[False], inside[:-1]])
    return edges[inside & ~before], edges[~inside & before]


def _overlap(parts: Sequence[tuple[NDArray, NDArray]]) -> tuple[NDArray, NDArray]:
    sets = [Intervals("", -1, start, stop) for start, stop in parts]
    start, stop = _at_least(sets, len(sets))
    kept = stop > start
    return start[kept], stop[kept]


def _as_dataset(start: NDArray, stop: NDArray) -> xr.Dataset:
    named = {"start": (start, "Start of the interval"), "stop": (stop, "End of the interval")}
    return xr.Dataset(
        {key: xr.Variable("interval", edge, {"units": "s", "long_name": words}) for key, (edge, words) in named.items()}
    )


def _sets(sets: Sequence[Intervals]) -> xr.Dataset:
    data = _as_dataset(np.concatenate([s.start for s in sets]), np.concatenate([s.stop for s in sets]))
    sizes = [s.start.size for s in sets]
    labels = np.repeat(np.array([s.label for s in sets], object), sizes)
    detectors = np.repeat(np.array([s.detector for s in sets]), sizes)
    data["set"] = xr.Variable("interval", labels, {"long_name": "Name of the set"})
    attrs = {"units": "1", "long_name": "Detector that the set holds for (-1: all)"}
    data["detector"] = xr.Variable("interval", detectors, attrs)
    return data

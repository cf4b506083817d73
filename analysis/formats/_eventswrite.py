"""Good time intervals and event lists to FITS, by OGIP/93-003 and HEASARC's recommendations for event files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.formats import _ogipmade as made_of
from analysis.formats._fitswrite import Card, Field


def _clock(data: xr.Dataset) -> list[Card]:
    """Return the keywords of the clock.

    Raises
    ------
    WrongData
        If the data do not say from when they count.
    """
    if "mjdref" not in data.attrs or "timesys" not in data.attrs:
        raise WrongData("times need attrs['mjdref'] (days) and attrs['timesys'] such as 'TT' to be written")
    day = made_of.number(data.attrs, "mjdref", 0.0)
    whole, rest = (
        int(made_of.number(data.attrs, "mjdref_int", day // 1.0)),
        made_of.number(data.attrs, "mjdref_frac", day % 1.0),
    )
    return [
        ("MJDREFI", whole, "[d] reference of times, whole days"),
        ("MJDREFF", rest, "[d] reference of times, fraction"),
        ("TIMESYS", str(data.attrs["timesys"]), "time scale"),
        ("TIMEUNIT", "s", "unit of times"),
        ("TIMEZERO", 0.0, "[s] to be added to times"),
        *([("TIMEREF", str(data.attrs["timeref"]), "where the times are of")] if "timeref" in data.attrs else []),
    ]


def intervals(nodes: Mapping[str, xr.Dataset], made: made_of.Made) -> None:
    (data,) = nodes.values()
    made.nodes["/"] = made_of.in_standard(data, {"start": "s", "stop": "s"})
    _gti(made.nodes["/"], "/", "GTI", made)


def _gti(data: xr.Dataset, node: str, name: str, made: made_of.Made) -> None:
    columns = {}
    for key, variable in data.variables.items():
        if variable.dims == ("interval",):
            columns[str(key)] = Field(str(key).upper(), variable.values, made_of.shown_unit(variable))
    start, stop = data["start"].values, data["stop"].values
    if not (start <= stop).all():
        raise WrongData("a good time interval is undefined or stops before it starts")
    good = float((stop - start).sum()) if name == "GTI" else None
    classes = (
        made_of.classes("GTI", "STANDARD", version="1.1.0")
        if name == "GTI"
        else made_of.classes("INFO", "", version="1.0.0")
    )
    cards = [*classes, *made_of.observed(data), *_clock(data)]
    if start.size:
        cards += [("TSTART", float(start.min()), "[s]"), ("TSTOP", float(stop.max()), "[s]")]
    if good is not None:
        cards.append(("ONTIME", good, "[s] sum of the intervals"))
    made.add(name, columns, cards, data, node)


def events(nodes: Mapping[str, xr.Dataset], made: made_of.Made) -> None:
    by_name = {made_of.last(path) or "events": (path, data) for path, data in nodes.items()}
    node, data = by_name.pop("events")
    data = made_of.in_standard(data, {"time": "s", "energy": "keV"})
    made.nodes[node] = data
    columns: dict[str, Field] = {}
    for key, variable in data.variables.items():
        if variable.dims[:1] != ("event",):
            if variable.ndim:
                raise WrongData(f"an event list in FITS has a row an event, and {key} is on {variable.dims}; drop it")
            continue
        if variable.dtype.kind in "mM":
            raise WrongData(f"{key} holds dates; FITS has no column for them: drop it, time and mjdref say the same")
        units = {"pix": "pixel", "ct": "count"}.get(made_of.shown_unit(variable), made_of.shown_unit(variable))
        columns[str(key)] = Field(_shown(str(key), columns), variable.values, units)
    cards = [
        *made_of.classes("EVENTS", "ALL", version="1.2.0"),
        *made_of.observed(data),
        *_clock(data),
        *_sky(data, list(columns)),
    ]
    times = data["time"].values
    for key in ("exposure", "livetime", "ontime", "dtcor", "deadc", "equinox", "timedel", "tstart", "tstop"):
        if key in data.attrs:
            cards.append((key.upper(), made_of.number(data.attrs, key, 0.0), ""))
        elif key in ("tstart", "tstop") and times.size:
            cards.append((key.upper(), float(times[0] if key == "tstart" else times[-1]), "[s]"))
    made.add("EVENTS", columns, cards, data, node)
    for name, extension in (("gti", "GTI"), ("gti_sets", "GTI_SETS")):
        if name in by_name:
            path, intervals = by_name[name]
            made.nodes[path] = made_of.in_standard(intervals, {"start": "s", "stop": "s"})
            _gti(made.nodes[path], path, extension, made)


def _shown(name: str, taken: Mapping[str, Field]) -> str:
    """Return a column's name of letters, digits and underscores that no other column has, upper and lower alike."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name).strip("_") or "column"
    used = {column.name for column in taken.values()}
    return next(n for n in (plain.upper(), *(f"{plain.upper()}_{i}" for i in range(2, 1000))) if n not in used)


def _sky(data: xr.Dataset, columns: Sequence[str]) -> list[Card]:
    """Return the keywords that give x and y their place on the sky."""
    if not {"x", "y"} <= set(columns) or "wcs_ctype" not in data.attrs:
        return []
    cards: list[Card] = []
    for place, name in enumerate("xy"):
        number = columns.index(name) + 1
        for ours, key in (
            ("ctype", "CTYP"),
            ("crpix", "CRPX"),
            ("crval", "CRVL"),
            ("cdelt", "CDLT"),
            ("cunit", "CUNI"),
        ):
            said = data.attrs.get(f"wcs_{ours}", ())
            if np.size(said) == 2:
                cards.append((f"T{key}{number}", said[place] if ours in ("ctype", "cunit") else float(said[place]), ""))
    return cards

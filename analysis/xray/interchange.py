"""Event trees to stingray's event lists and back, every column kept with its event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import check, in_units, stamp
from analysis.xray.inputs import events_and_gti
from analysis.xray.intervals import clock_of, inside, merged
from analysis.xray.segmenting import event_times

if TYPE_CHECKING:
    from stingray import EventList

GLOBALS = ("title", "institution", "source", "license", "provenance")
KNOWN = {"energy": ("keV", "Energy"), "pi": ("chan", "PI channel")}
TAKEN = {"time", "gti", "mjdref", "dt", "notes", "header", "mission", "instr", "timeref", "timesys", "ephem"}


def to_stingray(events: xr.DataTree) -> EventList:
    """Return stingray's EventList of an event tree: times, energies, channels, every other column, good times, clock.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` and ``gti``.

    Returns
    -------
    stingray.EventList
        Of the events in good time, in order; ``energy`` in keV, ``pi``, other numeric columns under their names,
        ``gti`` with overlaps joined, ``mjdref``, ``timesys``, ``timeref``, ``mission``, ``instr``, ``dt`` (TIMEDEL).
        Units, names and source travel in ``notes``, for :func:`from_stingray`.

    Raises
    ------
    WrongData
        If the tree is none of events, or does not say its clock.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> there = xray.to_stingray(m82)
    >>> there.ncounts, bool(there.energy[0] == m82["events"].energy[0])
    (4612, True)
    """
    from stingray import EventList

    listed, gti = events_and_gti(events, "to_stingray")
    clock = clock_of(listed)
    times = event_times(listed, "to_stingray")
    order = np.argsort(times, kind="stable")
    order = order[inside(gti, times[order])]
    columns = {}
    for name, array in listed.data_vars.items():
        if name != "time" and array.dims == ("event",) and array.dtype.kind in "fiub":
            values = in_units(array, "keV").values if name == "energy" else array.values
            columns[str(name)] = values[order]
    said = {name: {k: str(v) for k, v in listed[name].attrs.items()} for name in columns}
    kept = {key: str(listed.attrs.get(key, "")) for key in (*GLOBALS, "references", "history", "synthetic", "caveats")}
    made = EventList(
        time=times[order],
        energy=columns.pop("energy", None),
        pi=columns.pop("pi", None),
        gti=np.column_stack(merged(gti)),
        mjdref=clock["mjdref"] + clock["mjdref_fraction"],
        dt=float(listed.attrs.get("timedel") or 0.0),
        timesys=clock["timesys"].lower(),
        timeref=listed.attrs.get("timeref"),
        mission=listed.attrs.get("telescope"),
        instr=listed.attrs.get("instrument"),
        notes=json.dumps({"columns": said, "attrs": kept, "mjdref": [clock["mjdref"], clock["mjdref_fraction"]]}),
    )
    for name, values in columns.items():
        setattr(made, f"{name}_column" if name in TAKEN else name, values)
    return made


def from_stingray(event_list: EventList, *, title: str | None = None) -> xr.DataTree:
    """Return the event tree of a stingray EventList, time beside energy, pi and every other column.

    Parameters
    ----------
    event_list : stingray.EventList
        With ``gti``, ``mjdref`` and ``timesys``.
    title : str, optional
        Of the tree; left out, the one that :func:`to_stingray` noted, or the mission and instrument.

    Returns
    -------
    xarray.DataTree
        Nodes ``events`` (``time`` in s since ``mjdref``, ``energy`` in keV, ``pi`` …) and ``gti``. stingray's own
        ``to_xarray`` puts the columns on other rows than the times.

    Raises
    ------
    WrongData
        If there are no times, good times or time system.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> again = xray.from_stingray(xray.to_stingray(m82))
    >>> bool((again["events"].energy == m82["events"].energy).all())
    True
    """
    if getattr(event_list, "time", None) is None or not hasattr(event_list, "array_attrs"):
        raise WrongData(f"from_stingray needs an EventList with times, not {type(event_list).__name__}")
    if not event_list.timesys or not event_list.mjdref:
        raise WrongData("from_stingray: the event list says no timesys or mjdref, so its times cannot be dated")
    noted = _noted(event_list.notes)
    whole, fraction = noted.get("mjdref", np.divmod(float(event_list.mjdref), 1.0))
    clock = {"mjdref": whole + fraction, "mjdref_int": int(whole), "mjdref_frac": float(fraction)} | {
        "timesys": str(event_list.timesys).upper()
    }
    order = np.argsort(event_list.time, kind="stable")
    seconds = {"units": "s", "long_name": "Time since mjdref"}
    columns = {"time": ("event", np.asarray(event_list.time, np.float64)[order], seconds)}
    for name in event_list.array_attrs():
        values = getattr(event_list, name)
        if values is None or np.ndim(values) != 1:
            continue
        units, label = KNOWN.get(name, ("1", name))
        attrs = noted.get("columns", {}).get(name, {"units": units, "long_name": label})
        columns[name] = ("event", np.asarray(values)[order], attrs | ({"units": units} if name == "energy" else {}))
    attrs = {k: v for k, v in _header(event_list).items() if v}
    good = np.asarray(event_list.gti, float).reshape(-1, 2)
    edges = {name: ("interval", good[:, i], seconds) for i, name in enumerate(("start", "stop"))}
    return xr.DataTree.from_dict(
        {
            "events": check(_stamped(xr.Dataset(columns, attrs=clock | attrs), noted, event_list, title)),
            "gti": check(_stamped(xr.Dataset(edges, attrs=clock), noted, event_list, title)),
        }
    )


def _header(event_list: EventList) -> dict[str, object]:
    return {
        "telescope": event_list.mission,
        "instrument": event_list.instr,
        "timeref": event_list.timeref,
        "timedel": float(event_list.dt or 0.0),
    }


def _noted(notes: object) -> dict:
    """What to_stingray wrote into the notes; nothing for other notes."""
    try:
        found = json.loads(str(notes))
    except ValueError:
        return {}
    return found if isinstance(found, dict) and {"columns", "attrs"} <= set(found) else {}


def _stamped(data: xr.Dataset, noted: dict, event_list: EventList, title: str | None) -> xr.Dataset:
    told = noted.get("attrs", {})
    instrument = " / ".join(str(v) for v in (event_list.mission, event_list.instr) if v)
    made = stamp(
        data,
        title=title or told.get("title") or f"Events{f', {instrument}' if instrument else ''}, from stingray",
        institution=told.get("institution") or "not stated",
        source=told.get("source") or instrument or "not stated",
        references=(told.get("references") or "not stated").splitlines(),
        license=told.get("license") or "not stated",
        history=[*(told.get("history") or "").splitlines(), "xray.from_stingray"],
        provenance=json.loads(told.get("provenance") or "{}"),
    )
    return made.assign_attrs({key: told[key] for key in ("synthetic", "caveats") if told.get(key)})

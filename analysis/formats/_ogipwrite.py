"""X-ray spectra, effective areas, responses, good times and event lists to FITS files that XSPEC and sherpa read.

References: OGIP/92-007 and 92-007a (spectra), CAL/GEN/92-002 and 92-002a (responses), OGIP/93-003 (times).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import BadOption, WrongData
from analysis.formats import _fitsown
from analysis.formats import _fitswrite as fits
from analysis.formats._fitscolumns import Ragged
from analysis.formats._fitswrite import Card, Field
from analysis.formats._ogipresponse import _in_order, _pruned
from analysis.formats._ogipspectrum import FLAGS, MEASURED, SCALES, STOKES
from analysis.model import in_units, is_synthetic

ANY = (".fits", ".fit", ".fts")
KINDS = {
    ".pha": "spectrum",
    ".pi": "spectrum",
    ".arf": "effective area",
    ".mrf": "effective area",
    ".rmf": "response",
    ".rsp": "response",
    ".gti": "good time intervals",
    ".evt": "event list",
}
SUFFIXES = (*KINDS, *ANY)
OBSERVATION = {
    "telescope": ("TELESCOP", "UNKNOWN", "mission"),
    "instrument": ("INSTRUME", "UNKNOWN", "instrument"),
    "detector": ("DETNAM", "", "detector"),
    "filter": ("FILTER", "NONE", "filter"),
    "object": ("OBJECT", "", "object observed"),
    "obs_id": ("OBS_ID", "", "observation"),
    "date_obs": ("DATE-OBS", "", "start of the observation"),
    "date_end": ("DATE-END", "", "end of the observation"),
    "radecsys": ("RADECSYS", "", "celestial frame"),
}
SAID = {"institution": "ORIGIN", "license": "LICENSE", "references": "REFERENC"}
NOT_STATED = ("", "not stated")


@dataclass
class Made:
    """A file in the making: its HDUs, its datasets as they come back, and which column holds which variable."""

    hdus: list[bytes]
    nodes: dict[str, xr.Dataset] = field(default_factory=dict)
    columns: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def add(
        self,
        name: str,
        columns: Mapping[str, Field],
        cards: Sequence[Card],
        data: xr.Dataset,
        node: str | None,
    ) -> None:
        """Add a table; with ``node`` its columns by name of the variable are the variables of that dataset."""
        if node is not None:
            for variable, column in columns.items():
                self.columns[node, variable] = (len(self.hdus), column.name.lower())
        history = str(data.attrs.get("history", "")).splitlines()
        self.hdus.append(fits.table(name, list(columns.values()), cards, history))


def write(nodes: dict[str, xr.Dataset], path: Path, name: str, tree: str | None) -> None:
    """Write what an X-ray file can hold, chosen by the data; the suffix must not promise something else.

    Raises
    ------
    WrongData
        If the data are no spectrum, effective area, response, good time intervals or event list, or have
        variables that such a file has no place for.
    BadOption
        If the suffix names a file of another kind.
    """
    del name  # the name of the file has no place in it
    bare = {node: data for node, data in nodes.items() if not data.variables}  # such as the root of a tree
    nodes = {node: data for node, data in nodes.items() if data.variables}
    kind = _kind(nodes)
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if (wanted := KINDS.get(suffix, kind)) != kind:
        fitting = " or ".join(ending for ending, other in KINDS.items() if other == kind)
        raise BadOption(f"{path.name} would hold a {wanted}, but the data are a {kind}; name it {fitting}, or .fits")
    cards = _observed(next(iter(nodes.values())))
    made = Made([fits.primary([*cards, ("CREATOR", _fitsown.WRITER, "")])])
    WRITERS[kind](nodes, made)
    content = b"".join([*made.hdus, _fitsown.extension(bare | made.nodes, made.columns, made.hdus, tree)])
    path.write_bytes(gzip.compress(content, 6, mtime=0) if path.suffix.lower() == ".gz" else content)


def _kind(nodes: Mapping[str, xr.Dataset]) -> str:
    """Return what the data are.

    Raises
    ------
    WrongData
        If they are nothing of X-ray astronomy that has a FITS file, or several of them.
    """
    datasets = list(nodes.values())
    if not datasets:
        raise WrongData("there is no data to write")
    names = [_last(path) for path in nodes]
    if "events" in names and set(names) <= {"events", "gti", "gti_sets"} and len(set(names)) == len(names):
        return "event list"
    if datasets and all({"matrix", "energy_index"} <= set(data.variables) for data in datasets):
        return "response"
    if len(datasets) > 1:
        raise WrongData(
            f"a FITS file of X-ray astronomy holds one product, this tree has {', '.join(nodes)}; write each to a file "
            "of its own, such as formats.write(tree['spectrum'], 'source.pha')"
        )
    data = datasets[0]
    dims, held = set(data.dims), set(map(str, data.variables))
    if {"matrix", "channel_index", "first_element"} <= held:
        return "response"
    for kind, told in {
        "spectrum": dims == {"channel"} and bool(held & set(MEASURED)),
        "effective area": dims == {"energy"} and {"effective_area", "energy_low", "energy_high"} <= held,
        "good time intervals": dims == {"interval"} and {"start", "stop"} <= held,
        "event list": "event" in dims and "time" in held,
    }.items():
        if told:
            return kind
    hint = "; get one spectrum with xray.spectrum_of" if "spectrum_number" in dims else ""
    has = f"the dims {', '.join(sorted(map(str, dims))) or 'none'} and {', '.join(sorted(held)[:8])}"
    raise WrongData(
        "FITS files are written of spectra on 'channel', effective areas, responses, good time intervals and event "
        f"lists; these data have {has}{hint}. Other data: .nc or .cdf"
    )


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _observed(data: xr.Dataset) -> list[Card]:
    """Return the keywords of who observed what, with which instrument, and whose the numbers are."""
    found: list[Card] = []
    for ours, (key, default, comment) in OBSERVATION.items():
        said = str(data.attrs.get(ours, default)) or default
        if said:
            found.append((key, said, comment))
    for ours, key in SAID.items():
        if (said := str(data.attrs.get(ours, ""))) not in NOT_STATED:
            found.append((key, "; ".join(said.splitlines()), ""))
    if is_synthetic(data):
        found.append(("SYNTHET", True, "simulated or synthetic data"))
    return found


def _classes(first: str, second: str, third: str = "", *, version: str, fourth: str = "") -> list[Card]:
    said = {"HDUCLASS": "OGIP", "HDUCLAS1": first, "HDUCLAS2": second, "HDUCLAS3": third, "HDUCLAS4": fourth}
    return [*((key, value, "") for key, value in said.items() if value), ("HDUVERS", version, "")]


def _in(data: xr.Dataset, units: Mapping[str, str]) -> xr.Dataset:
    """Return the dataset with these variables in the units of the standard."""
    changed = {}
    for name, unit in units.items():
        if name in data.variables and data[name].attrs.get("units") != unit:
            converted = in_units(data[name], unit)
            changed[name] = converted.assign_attrs({**data[name].attrs, "units": unit})
    return data.assign(changed)


def _refuse_others(data: xr.Dataset, known: Sequence[str], kind: str) -> None:
    others = [str(n) for n, v in data.variables.items() if n not in known and v.ndim]
    if others:
        raise WrongData(
            f"a {kind} in FITS has no place for {', '.join(others)}; write data.drop_vars({others}), or netCDF (.nc)"
        )


# ------------------------------------------------------------------------------------------------- spectra


def _spectrum(nodes: Mapping[str, xr.Dataset], made: Made) -> None:
    (data,) = nodes.values()
    measured = next(name for name in MEASURED if name in data.variables)
    unit = MEASURED[measured][0]
    data = _in(data, {measured: unit, "stat_error": unit, "systematic": "1", "exposure": "s"})
    if "channel" not in data.variables or data["channel"].dtype.kind not in "iu":
        raise WrongData("a spectrum needs whole numbers of channels as its coordinate 'channel'")
    channel = data["channel"].values
    if not channel.size or (np.diff(channel.astype(np.int64)) <= 0).any():
        raise WrongData("the channels of a spectrum must be increasing numbers; there are none, or they are not")
    lowest = min(int(_number(data.attrs, "lowest_channel", channel[0])), int(channel[0]))
    size = max(int(_number(data.attrs, "detchans", channel.size)), int(channel[-1]) - lowest + 1)
    _refuse_unusable(data, measured)
    columns = {"channel": Field("CHANNEL", _short(channel, np.int32), "", "channel number", lowest, lowest + size - 1)}
    names = {measured: measured.upper(), "stat_error": "STAT_ERR", "systematic": "SYS_ERR"}
    for name, variable in data.variables.items():
        if variable.dims != ("channel",) or name == "channel" or _is_keyword(str(name), variable):
            continue
        values = variable.values
        if name in (measured, *FLAGS):
            values = _short(values, np.int32 if name == measured else np.int16)
        shown = names.get(str(name), str(name).upper())
        units = {"ct": "count", "ct s-1": "count/s"}.get(variable.attrs.get("units", ""), _unit(variable))
        columns[str(name)] = Field(shown, values, units, str(variable.attrs.get("long_name", "")))
    made.nodes["/"] = data
    made.add("SPECTRUM", columns, _cards_of_spectrum(data, columns, measured, size), data, "/")


def _refuse_unusable(data: xr.Dataset, measured: str) -> None:
    """Refuse what no program could fit: counts that are no numbers in channels that are good, flags that are none."""
    for name in (measured, *FLAGS):
        if name in data.variables and data[name].dtype.kind not in ("iuf" if name == measured else "iu"):
            raise WrongData(f"{name} is of the type {data[name].dtype}; a spectrum in FITS has numbers there")
    good = data["quality"].values == 0 if "quality" in data.variables else np.ones(data.sizes["channel"], bool)
    if not np.isfinite(data[measured].values[good]).all():
        raise WrongData(f"{measured} is NaN in some channels; give those a quality of 1, or leave them out")


def _short(values: NDArray, kind: type[np.int16] | type[np.int32]) -> NDArray:
    """Return whole numbers of 64 bits in as many as the standard has for them, if they fit."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return values
    held = np.iinfo(kind)
    return values.astype(kind) if held.min <= values.min() and values.max() <= held.max else values


def _number(attrs: Mapping[str, object], name: str, default: object) -> float:
    """Return a number from the attributes.

    Raises
    ------
    WrongData
        If it is there but no finite number.
    """
    said = attrs.get(name, default)
    try:
        found = float(said)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise WrongData(f"attrs[{name!r}] is {said!r}, not a number; correct or remove it") from error
    if not np.isfinite(found):
        raise WrongData(f"attrs[{name!r}] is {said!r}, not a finite number; correct or remove it")
    return found


def _unit(variable: xr.Variable) -> str:
    units = str(variable.attrs.get("units", "")) if variable.dtype.kind in "fiu" else ""
    return "" if units == "1" else units


def _is_keyword(name: str, variable: xr.Variable) -> bool:
    """Tell whether a flag of all channels is said by a keyword, as it was where it was read."""
    return name in FLAGS and variable.attrs.get("stated_by") in ("keyword", "default") and _flag(name, variable) >= 0


def _flag(name: str, variable: xr.Variable) -> int:
    """The flag that all channels have, -1 where they differ."""
    values = np.unique(variable.values)
    return int(values[0]) if values.size == 1 and values[0] >= 0 else -1


def _cards_of_spectrum(data: xr.Dataset, columns: Mapping[str, Field], measured: str, size: int) -> list[Card]:
    attrs = data.attrs
    exposure = data["exposure"] if "exposure" in data.variables else attrs.get("exposure")
    if exposure is None or np.size(exposure) != 1 or not (np.isfinite(float(exposure)) and float(exposure) > 0):
        raise WrongData(
            "a spectrum needs an exposure above 0 s to be written; give it one: "
            "spectrum.assign(exposure=((), 1000.0, {'units': 's', 'long_name': 'Exposure'}))"
        )
    said = str(attrs.get("poisson_errors", "not stated"))
    poisson = said == "true" if said in ("true", "false") else measured == "counts" and "stat_error" not in columns
    third = _or(attrs, "hduclas3", "COUNT" if measured == "counts" else "RATE")
    classes = _classes("SPECTRUM", _or(attrs, "hduclas2", "TOTAL"), third, version="1.2.1", fourth="TYPE:I")
    cards: list[Card] = [*classes, *_observed(data), ("EXPOSURE", float(exposure), "[s] exposure")]
    for name in SCALES:
        if name not in columns and (name in data.variables or name in ("backscal", "areascal")):
            held = float(data[name]) if name in data.variables else 1.0
            cards.append((name.upper(), held, SCALES[name]))
    cards += [
        ("BACKFILE", str(attrs.get("background_file", "none")), "background"),
        ("CORRFILE", str(attrs.get("correction_file", "none")), "correction"),
        ("CORRSCAL", _number(attrs, "correction_scale", 1.0), "scale of the correction"),
        ("RESPFILE", str(attrs.get("response_file", "none")), "response"),
        ("ANCRFILE", str(attrs.get("ancillary_file", "none")), "effective area"),
        ("POISSERR", bool(poisson), "errors of Poisson's statistics"),
        ("CHANTYPE", _or(attrs, "channel_type", "PI"), "kind of channels"),
        ("DETCHANS", size, "channels of the detector"),
    ]
    for name in FLAGS:
        if name not in columns:
            flag = _flag(name, data.variables[name]) if name in data.variables else 0
            cards.append((name.upper(), flag if name == "quality" else 0, "of all channels"))
    cards += [
        (key, 0, "none") for key, name in (("STAT_ERR", "stat_error"), ("SYS_ERR", "systematic")) if name not in columns
    ]
    if stokes := {ours: theirs for theirs, ours in STOKES.items()}.get(
        str(attrs.get("stokes", "")), attrs.get("stokes")
    ):
        cards.append(("XFLT0001", str(stokes), "Stokes parameter"))
    return cards


def _or(attrs: Mapping[str, object], name: str, default: str) -> str:
    said = str(attrs.get(name, ""))
    return default if said in NOT_STATED else said


# ----------------------------------------------------------------------------------------------- responses


def _area(nodes: Mapping[str, xr.Dataset], made: Made) -> None:
    (data,) = nodes.values()
    data = _in(data, {"energy_low": "keV", "energy_high": "keV", "effective_area": "cm2"})
    _refuse_others(data, ("energy_low", "energy_high", "effective_area"), "effective area")
    columns = _energy_columns(data)
    columns["effective_area"] = Field("SPECRESP", data["effective_area"].values, "cm**2", "effective area")
    cards = [*_classes("RESPONSE", "SPECRESP", version="1.1.0"), *_observed(data)]
    if (kind := _or(data.attrs, "response_type", "SPECRESP")) != "SPECRESP":
        cards.append(("CCNM0001", kind, "kind of response"))
    made.nodes["/"] = data
    made.add("SPECRESP", columns, cards, data, "/")


def _energy_columns(data: xr.Dataset) -> dict[str, Field]:
    low, high = data["energy_low"].values, data["energy_high"].values
    if not low.size or not (low <= high).all():
        raise WrongData("energy bins need a lower edge that is below the upper one; there are none, or some have not")
    return {
        "energy_low": Field("ENERG_LO", low, "keV", "lower edge of the energy bin"),
        "energy_high": Field("ENERG_HI", high, "keV", "upper edge of the energy bin"),
    }


def _response(nodes: Mapping[str, xr.Dataset], made: Made) -> None:
    """Write one matrix or, of a tree, several, whose sum is the response."""
    ready = {node: _as_groups(data) for node, data in nodes.items()}
    first = next(iter(ready.values()))
    for version, (node, data) in enumerate(ready.items(), 1):
        if any(not data[name].variable.equals(first[name].variable) for name in ("channel", "e_min", "e_max")):
            raise WrongData(f"{node}: the matrices of one file have the same channels; these differ")
        made.nodes[node] = data
        _matrix(data, version, made)
    channel = first["channel"].values
    columns = {
        "channel": Field("CHANNEL", channel, "", "channel number", int(channel[0]), int(channel[-1])),
        "e_min": Field("E_MIN", first["e_min"].values, "keV", "lower energy of the channel"),
        "e_max": Field("E_MAX", first["e_max"].values, "keV", "upper energy of the channel"),
    }
    cards = [*_classes("RESPONSE", "EBOUNDS", version="1.2.0"), *_observed(first), *_channel_cards(first)]
    for node in ready:
        made.columns |= {(node, name): (len(made.hdus), column.name.lower()) for name, column in columns.items()}
    made.add("EBOUNDS", columns, cards, first, None)


def _channel_cards(data: xr.Dataset) -> list[Card]:
    return [
        ("CHANTYPE", _or(data.attrs, "channel_type", "PI"), "kind of channels"),
        ("DETCHANS", data.sizes["channel"], "channels of the detector"),
    ]


def _matrix(data: xr.Dataset, version: int, made: Made) -> None:
    first, size, energy = (data[name].values for name in ("first_channel", "n_channels", "energy_index"))
    held = np.bincount(energy, minlength=data.sizes["energy"])
    counts = np.bincount(energy, size, data.sizes["energy"]).astype(np.int64)
    channel = data["channel"].values
    kind = _or(data.attrs, "response_type", "FULL" if data["matrix"].attrs["units"] == "cm2" else "REDIST")
    columns = _energy_columns(data)
    lowest, highest = int(channel[0]), int(channel[-1])
    columns |= {
        "n_grp": Field("N_GRP", _small(held), "", "groups of the energy bin"),
        "f_chan": Field("F_CHAN", _of_rows(_small(first), held), "", "first channel of each group", lowest, highest),
        "n_chan": Field("N_CHAN", _of_rows(_small(size), held), "", "channels of each group"),
        "matrix": Field("MATRIX", Ragged(data["matrix"].values, counts), "cm**2" if kind == "FULL" else "", "elements"),
    }
    cards: list[Card] = [
        *_classes("RESPONSE", "RSP_MATRIX", kind, version="1.3.0"),
        ("EXTVER", version, "number of the matrix"),
        *_observed(data),
        *_channel_cards(data),
        ("NUMGRP", int(held.sum()), "groups in all"),
        ("NUMELT", int(data.sizes["element"]), "elements in all"),
        ("LO_THRES", _number(data.attrs, "lo_thres", 0.0), "elements below it were left out"),
    ]
    node = list(made.nodes)[-1]
    made.columns |= {
        (node, name): (len(made.hdus), columns[name].name.lower()) for name in ("energy_low", "energy_high")
    }
    made.add("SPECRESP MATRIX" if kind == "FULL" else "MATRIX", columns, cards, data, None)


def _small(values: NDArray) -> NDArray:
    return values.astype(np.int16 if values.max(initial=0) < 2**15 else np.int32)


def _of_rows(values: NDArray, held: NDArray) -> NDArray | Ragged:
    """Return numbers of groups by row: one a row where no energy bin has more, else as many as there are."""
    if held.max(initial=0) > 1:
        return Ragged(values, held)
    full = np.zeros(held.size, values.dtype)
    full[held == 1] = values
    return full


def _as_groups(data: xr.Dataset) -> xr.Dataset:
    """Return a response in groups without zeros at their ends, in order of energy, in the standard's units."""
    if "channel_index" in data.variables:
        data = _from_elements(data)
    data = _in(data, {"energy_low": "keV", "energy_high": "keV", "e_min": "keV", "e_max": "keV"})
    known = ("energy_low", "energy_high", "e_min", "e_max", "channel", "first_channel", "n_channels", "energy_index")
    _refuse_others(data, (*known, "matrix"), "response")
    channel = data["channel"].values.astype(np.int64)
    if not channel.size or (np.diff(channel) != 1).any():
        raise WrongData("the channels of a response must count by one")
    groups = _in_order(*(data[name].values for name in ("first_channel", "n_channels", "energy_index", "matrix")))
    if int(groups[1].sum()) != groups[3].size or (groups[1] < 0).any():
        raise WrongData("the response's groups do not fit its elements")
    if not np.isfinite(groups[3]).all():
        raise WrongData("the response has elements that are no finite numbers")
    groups = _pruned(*groups)
    if groups[0].size and (groups[0].min() < channel[0] or (groups[0] + groups[1] - 1).max() > channel[-1]):
        raise WrongData("the response's groups reach beyond its channels")
    made = data.drop_vars(["first_channel", "n_channels", "energy_index", "matrix"])
    for name, values in zip(("first_channel", "n_channels", "energy_index"), groups[:3], strict=True):
        made[name] = ("group", values.astype(np.int32), data[name].attrs)
    made["matrix"] = ("element", groups[3], data["matrix"].attrs)
    return made


def _from_elements(data: xr.Dataset) -> xr.Dataset:
    """Return what ``xray.response`` makes, in groups: runs of neighbouring channels of one energy bin."""
    first, channel = data["first_element"].values.astype(np.int64), data["channel_index"].values.astype(np.int64)
    energy = np.repeat(np.arange(first.size), np.diff(np.append(first, channel.size)))
    starts = np.flatnonzero((np.diff(energy, prepend=-1) != 0) | (np.diff(channel, prepend=-2) != 1))
    one = {"units": "1"}
    made = data.drop_vars(["first_element", "channel_index"])
    made["first_channel"] = (
        "group",
        data["channel"].values[0] + channel[starts],
        {**one, "long_name": "First channel of the group"},
    )
    sizes = np.diff(np.append(starts, channel.size))
    made["n_channels"] = ("group", sizes, {**one, "long_name": "Channels in the group"})
    made["energy_index"] = ("group", energy[starts], {**one, "long_name": "Energy bin of the group"})
    return made


# ----------------------------------------------------------------------------------- good times and events


def _clock(data: xr.Dataset) -> list[Card]:
    """Return the keywords of the clock.

    Raises
    ------
    WrongData
        If the data do not say from when they count.
    """
    if "mjdref" not in data.attrs or "timesys" not in data.attrs:
        raise WrongData("times need attrs['mjdref'] (days) and attrs['timesys'] such as 'TT' to be written")
    day = _number(data.attrs, "mjdref", 0.0)
    whole, rest = int(_number(data.attrs, "mjdref_int", day // 1.0)), _number(data.attrs, "mjdref_frac", day % 1.0)
    return [
        ("MJDREFI", whole, "[d] reference of times, whole days"),
        ("MJDREFF", rest, "[d] reference of times, fraction"),
        ("TIMESYS", str(data.attrs["timesys"]), "time scale"),
        ("TIMEUNIT", "s", "unit of times"),
        ("TIMEZERO", 0.0, "[s] to be added to times"),
    ]


def _intervals(nodes: Mapping[str, xr.Dataset], made: Made) -> None:
    (data,) = nodes.values()
    made.nodes["/"] = _in(data, {"start": "s", "stop": "s"})
    _gti(made.nodes["/"], "/", "GTI", made)


def _gti(data: xr.Dataset, node: str, name: str, made: Made) -> None:
    columns = {}
    for key, variable in data.variables.items():
        if variable.dims == ("interval",):
            columns[str(key)] = Field(str(key).upper(), variable.values, _unit(variable))
    start, stop = data["start"].values, data["stop"].values
    if not (start <= stop).all():
        raise WrongData("a good time interval is undefined or stops before it starts")
    good = float((stop - start).sum()) if name == "GTI" else None
    classes = _classes("GTI", "STANDARD", version="1.1.0") if name == "GTI" else _classes("INFO", "", version="1.0.0")
    cards = [*classes, *_observed(data), *_clock(data)]
    if start.size:
        cards += [("TSTART", float(start.min()), "[s]"), ("TSTOP", float(stop.max()), "[s]")]
    if good is not None:
        cards.append(("ONTIME", good, "[s] sum of the intervals"))
    made.add(name, columns, cards, data, node)


def _events(nodes: Mapping[str, xr.Dataset], made: Made) -> None:
    by_name = {_last(path) or "events": (path, data) for path, data in nodes.items()}
    node, data = by_name.pop("events")
    data = _in(data, {"time": "s", "energy": "keV"})
    made.nodes[node] = data
    columns: dict[str, Field] = {}
    for key, variable in data.variables.items():
        if variable.dims[:1] != ("event",):
            if variable.ndim:
                raise WrongData(f"an event list in FITS has a row an event, and {key} is on {variable.dims}; drop it")
            continue
        if variable.dtype.kind in "mM":
            raise WrongData(f"{key} holds dates; FITS has no column for them: drop it, time and mjdref say the same")
        units = {"pix": "pixel", "ct": "count"}.get(_unit(variable), _unit(variable))
        columns[str(key)] = Field(_shown(str(key), columns), variable.values, units)
    cards = [*_classes("EVENTS", "ALL", version="1.2.0"), *_observed(data), *_clock(data), *_sky(data, list(columns))]
    times = data["time"].values
    for key in ("exposure", "livetime", "ontime", "dtcor", "deadc", "equinox", "timedel", "tstart", "tstop"):
        if key in data.attrs:
            cards.append((key.upper(), _number(data.attrs, key, 0.0), ""))
        elif key in ("tstart", "tstop") and times.size:
            cards.append((key.upper(), float(times[0] if key == "tstart" else times[-1]), "[s]"))
    made.add("EVENTS", columns, cards, data, node)
    for name, extension in (("gti", "GTI"), ("gti_sets", "GTI_SETS")):
        if name in by_name:
            path, intervals = by_name[name]
            made.nodes[path] = _in(intervals, {"start": "s", "stop": "s"})
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


WRITERS: dict[str, Callable[[Mapping[str, xr.Dataset], Made], None]] = {
    "spectrum": _spectrum,
    "effective area": _area,
    "response": _response,
    "good time intervals": _intervals,
    "event list": _events,
}

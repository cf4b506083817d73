"""X-ray spectra, effective areas, responses, good times and event lists to FITS files that XSPEC and sherpa read.

References: OGIP/92-007 and 92-007a (spectra), CAL/GEN/92-002 and 92-002a (responses), OGIP/93-003 (times).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import BadOption, WrongData
from analysis.formats import _eventswrite, _fitsown, _ogipwriteresponse
from analysis.formats import _fitswrite as fits
from analysis.formats import _ogipmade as made_of
from analysis.formats._fitswrite import Card, Field
from analysis.formats._ogipspectrum import FLAGS, MEASURED, SCALES, STOKES

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
    cards = made_of.observed(next(iter(nodes.values())))
    made = made_of.Made([fits.primary([*cards, ("CREATOR", _fitsown.WRITER, "")])])
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
    names = [made_of.last(path) for path in nodes]
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


# ------------------------------------------------------------------------------------------------- spectra


def _spectrum(nodes: Mapping[str, xr.Dataset], made: made_of.Made) -> None:
    (data,) = nodes.values()
    measured = next(name for name in MEASURED if name in data.variables)
    unit = MEASURED[measured][0]
    data = made_of.in_standard(data, {measured: unit, "stat_error": unit, "systematic": "1", "exposure": "s"})
    if "channel" not in data.variables or data["channel"].dtype.kind not in "iu":
        raise WrongData("a spectrum needs whole numbers of channels as its coordinate 'channel'")
    channel = data["channel"].values
    if not channel.size or (np.diff(channel.astype(np.int64)) <= 0).any():
        raise WrongData("the channels of a spectrum must be increasing numbers; there are none, or they are not")
    lowest = min(int(made_of.number(data.attrs, "lowest_channel", channel[0])), int(channel[0]))
    size = max(int(made_of.number(data.attrs, "detchans", channel.size)), int(channel[-1]) - lowest + 1)
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
        units = {"ct": "count", "ct s-1": "count/s"}.get(variable.attrs.get("units", ""), made_of.shown_unit(variable))
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
    third = made_of.told_or(attrs, "hduclas3", "COUNT" if measured == "counts" else "RATE")
    classes = made_of.classes(
        "SPECTRUM", made_of.told_or(attrs, "hduclas2", "TOTAL"), third, version="1.2.1", fourth="TYPE:I"
    )
    cards: list[Card] = [*classes, *made_of.observed(data), ("EXPOSURE", float(exposure), "[s] exposure")]
    for name in SCALES:
        if name not in columns and (name in data.variables or name in ("backscal", "areascal")):
            held = float(data[name]) if name in data.variables else 1.0
            cards.append((name.upper(), held, SCALES[name]))
    cards += [
        ("BACKFILE", str(attrs.get("background_file", "none")), "background"),
        ("CORRFILE", str(attrs.get("correction_file", "none")), "correction"),
        ("CORRSCAL", made_of.number(attrs, "correction_scale", 1.0), "scale of the correction"),
        ("RESPFILE", str(attrs.get("response_file", "none")), "response"),
        ("ANCRFILE", str(attrs.get("ancillary_file", "none")), "effective area"),
        ("POISSERR", bool(poisson), "errors of Poisson's statistics"),
        ("CHANTYPE", made_of.told_or(attrs, "channel_type", "PI"), "kind of channels"),
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


WRITERS: dict[str, Callable[[Mapping[str, xr.Dataset], made_of.Made], None]] = {
    "spectrum": _spectrum,
    "effective area": _ogipwriteresponse.area,
    "response": _ogipwriteresponse.response,
    "good time intervals": _eventswrite.intervals,
    "event list": _eventswrite.events,
}

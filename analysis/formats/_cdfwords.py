"""What the ISTP guidelines ask a file and its variables to say, made from the attributes of the data contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.formats._facts import NOT_STATED
from analysis.model import provenance_of

ASKED = (  # global attributes that the guidelines require, in their order
    "Project",
    "Source_name",
    "Discipline",
    "Data_type",
    "Descriptor",
    "Data_version",
    "Logical_file_id",
    "PI_name",
    "PI_affiliation",
    "TEXT",
    "Instrument_type",
    "Mission_group",
    "Logical_source",
    "Logical_source_description",
)
SPECTRAL = ("energy", "pitch_angle", "frequency", "theta", "phi", "wavelength")


def of_file(nodes: Mapping[str, xr.Dataset], name: str) -> dict[str, list[str]]:
    """Return ISTP's global attributes; what the data do not say is "not stated".

    An attribute of the data that has the name of one of these, in any letter case, is used as it is.

    Examples
    --------
    >>> said = of_file({"/": xr.Dataset(attrs={"title": "Field", "source": "ACE", "discipline": "Space Physics"})}, "a")
    >>> said["TITLE"], said["Discipline"], said["PI_name"]
    (['Field'], ['Space Physics'], ['not stated'])
    """
    told: dict[str, list[str]] = {}
    for data in nodes.values():
        for key, value in data.attrs.items():
            entries = told.setdefault(str(key).casefold(), [])
            entries += [line for line in str(value).splitlines() if line.strip() and line not in entries]
    parents = [
        str(held["name"])
        for data in nodes.values()
        for held in provenance_of(data).get("files", [])
        if isinstance(held, dict) and "name" in held
    ]
    ours = {
        "TITLE": told.get("title"),
        "Source_name": told.get("source"),
        "Data_version": told.get("version"),
        "PI_name": told.get("creator"),
        "PI_affiliation": told.get("institution"),
        "TEXT": told.get("summary") or told.get("title"),
        "Logical_source": [re.sub(r"_\d{8}.*$", "", name)],  # what precedes the date in the file's name
        "Logical_source_description": told.get("title"),
        "Acknowledgement": told.get("acknowledgement"),
        "Rules_of_use": told.get("license"),
        "References": told.get("references"),
        "MODS": told.get("history"),
        "Caveats": told.get("caveats"),
        "Synthetic": told.get("synthetic"),
        "Parents": list(dict.fromkeys(parents)),
    }
    said = {key: entries for key, entries in ours.items() if entries}
    said |= {key: told[key.casefold()] for key in ASKED if key.casefold() in told}
    made = datetime.now(UTC).strftime("%Y%m%d")
    fixed = {"Logical_file_id": [name], "Generated_by": ["Sankō, formats.write"], "Generation_date": [made]}
    return {**{key: [NOT_STATED] for key in ASKED}, **said, **fixed}


def of_variable(
    name: str, variable: xr.Variable, *, role: str, values: NDArray, fill: float | str | None
) -> dict[str, object]:
    """Return ISTP's attributes of a variable, all but those that name other variables.

    Parameters
    ----------
    name : str
        In the file.
    variable : xarray.Variable
        With ``units`` and ``long_name``.
    role : str
        "data" or "coordinate".
    values : numpy.ndarray
        As they were before they became what a CDF holds.
    fill : float, str or None
        What stands for a missing value.
    """
    attrs, kind = variable.attrs, values.dtype.kind
    said: dict[str, object] = {
        "CATDESC": str(attrs["long_name"]),
        "FIELDNAM": name,
        "LABLAXIS": str(attrs.get("label") or name),
        "VAR_TYPE": "metadata" if kind in "OU" else "data" if role == "data" else "support_data",
    }
    if kind == "M":
        return {**said, **_of_times(name, values)}
    if kind in "OU":
        longest = max((len(str(word).encode()) for word in values.flat), default=1)
        return {**said, "FORMAT": f"A{max(longest, 1)}", "FILLVAL": " "}
    said["UNITS"] = str(attrs.get("units", "ns" if kind == "m" else "1"))
    said["FORMAT"] = "E14.6" if kind == "f" else "I20" if values.dtype.itemsize == 8 else "I10"
    if isinstance(fill, float | int):
        said["FILLVAL"] = _typed([fill], values)
    low, high = _limits(values, fill)
    for key, ours, otherwise in (("VALIDMIN", "valid_min", low), ("VALIDMAX", "valid_max", high)):
        stated = np.atleast_1d(attrs.get(ours, otherwise)).tolist()
        said[key] = _typed(stated if all(isinstance(v, int | float) for v in stated) else [otherwise], values)
    said["SCALETYP"] = str(attrs.get("scale_type") or ("log" if name.startswith("energy") else "linear"))
    if role == "data":
        spectral = any(dim in SPECTRAL for dim in variable.dims)
        drawn = "spectrogram" if spectral else "time_series"
        said["DISPLAY_TYPE"] = str(attrs.get("display_type") or drawn) if "time" in variable.dims else "no_plot"
    if attrs.get("frame", "unknown") != "unknown":
        said["COORDINATE_SYSTEM"] = str(attrs["frame"])
    if "component" in variable.dims and variable.dims.count("component") == 1 and variable.ndim <= 2:
        said["TENSOR_ORDER"] = "1"
    for ours, theirs in (
        ("notes", "VAR_NOTES"),
        ("si_conversion", "SI_CONVERSION"),
        ("flag_meanings", "flag_meanings"),
    ):
        if str(attrs.get(ours, "")).strip():
            said[theirs] = str(attrs[ours])
    for key in ("flag_values", "flag_masks"):
        if key in attrs:
            said[key] = np.atleast_1d(attrs[key])
    return said


def _of_times(name: str, values: NDArray) -> dict[str, object]:
    """Return the attributes of times in TT2000; the valid range is 1970 to 2100, wider if the times are."""
    first, last = np.datetime64("1970-01-01", "ns"), np.datetime64("2100-01-01", "ns")
    known = values[~np.isnat(values)].astype("M8[ns]")
    if known.size:
        first, last = min(first, known.min()), max(last, known.max())
    said: dict[str, object] = {
        "UNITS": "ns",
        "FORMAT": "I22",
        "FILLVAL": np.array(["NaT"], "M8[ns]"),
        "VALIDMIN": np.array([first]),
        "VALIDMAX": np.array([last]),
        "SCALETYP": "linear",
        "TIME_BASE": "J2000",
        "TIME_SCALE": "Terrestrial Time",
        "REFERENCE_POSITION": "Rotating Earth Geoid",
        "LEAP_SECONDS_INCLUDED": "All those up to the date of the file",
    }
    return said | ({"MONOTON": "INCREASE"} if name.startswith("Epoch") else {})


def _limits(values: NDArray, fill: float | str | None) -> tuple[float, float]:
    """Return limits that hold for any value of the type but its fill, as no others are known."""
    if values.dtype.kind == "f":
        return -1e30, 1e30
    if values.dtype.kind == "b":
        return 0, 1
    info = np.iinfo("i8" if values.dtype.kind in "m" or values.dtype == np.uint64 else values.dtype)
    low, high = int(info.min), int(info.max)
    return low + (low == fill), high - (high == fill)


def _typed(entries: list[float], values: NDArray) -> NDArray:
    """Return attribute entries in the type of the variable, as the guidelines want them."""
    kind = values.dtype
    if kind.kind == "b":
        kind = np.dtype("u1")
    elif kind.kind == "m" or kind == np.uint64:
        kind = np.dtype("i8")
    try:
        return np.array(entries).astype(kind) if kind.kind == "f" else np.array(entries, dtype=kind)
    except (OverflowError, ValueError):
        return np.array(entries, dtype=float)


def plain(attributes: Mapping[object, object]) -> dict[str, object]:
    """Return attributes as JSON holds them.

    Examples
    --------
    >>> plain({"flag_values": np.array([0, 2], "u1"), "n": np.float64(2)})
    {'flag_values': [0, 2], 'n': 2.0}
    """
    return {
        str(key): value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        for key, value in attributes.items()
    }

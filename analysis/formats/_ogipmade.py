"""What the writers of X-ray FITS files share: the file in the making, keywords of an observation, units, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.formats import _fitswrite as fits
from analysis.formats._fitswrite import Card, Field
from analysis.model import in_units, is_synthetic

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


def observed(data: xr.Dataset) -> list[Card]:
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


def classes(first: str, second: str, third: str = "", *, version: str, fourth: str = "") -> list[Card]:
    """Return the keywords of HDUCLASS that say what an extension holds."""
    said = {"HDUCLASS": "OGIP", "HDUCLAS1": first, "HDUCLAS2": second, "HDUCLAS3": third, "HDUCLAS4": fourth}
    return [*((key, value, "") for key, value in said.items() if value), ("HDUVERS", version, "")]


def in_standard(data: xr.Dataset, units: Mapping[str, str]) -> xr.Dataset:
    """Return the dataset with these variables in the units of the standard."""
    changed = {}
    for name, unit in units.items():
        if name in data.variables and data[name].attrs.get("units") != unit:
            converted = in_units(data[name], unit)
            changed[name] = converted.assign_attrs({**data[name].attrs, "units": unit})
    return data.assign(changed)


def refuse_others(data: xr.Dataset, known: Sequence[str], kind: str) -> None:
    """Refuse variables on axes that a kind of file has no column for, naming them."""
    others = [str(n) for n, v in data.variables.items() if n not in known and v.ndim]
    if others:
        raise WrongData(
            f"a {kind} in FITS has no place for {', '.join(others)}; write data.drop_vars({others}), or netCDF (.nc)"
        )


def number(attrs: Mapping[str, object], name: str, default: object) -> float:
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


def shown_unit(variable: xr.Variable) -> str:
    """Return the unit of a column of numbers, empty for a bare number."""
    units = str(variable.attrs.get("units", "")) if variable.dtype.kind in "fiu" else ""
    return "" if units == "1" else units


def told_or(attrs: Mapping[str, object], name: str, default: str) -> str:
    """Return what an attribute says, or a default where it says nothing."""
    said = str(attrs.get(name, ""))
    return default if said in NOT_STATED else said


def last(path: str) -> str:
    """Return the last part of a node's path."""
    return path.rstrip("/").rpartition("/")[2]

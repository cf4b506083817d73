"""The quick look of a product: which panels show it at a glance, as its declaration says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

# What a panel may be; those over time stand in one column with one axis.
KINDS = ("lines", "spectrogram", "pitch_angles", "orbit", "points")
PLANES = ("xy", "xz", "yz", "xrho")


@dataclass(frozen=True, kw_only=True)
class Look:
    """One panel of a quick look; the field names are the TOML's keys.

    ``kind`` is lines over time (of several variables in one panel, which then has a ``label``), a spectrogram, a
    flux over pitch angle at an ``energy``, an orbit about a ``body`` in a ``plane``, or points at the times of single
    events. ``log`` makes the axis of lines and points logarithmic, ``limits`` are the ends of that axis or of the
    colours, and ``levels`` are lines of reference in the unit of the first variable.
    """

    variables: Sequence[str]
    node: str = ""
    kind: str = "lines"
    label: str = ""
    log: bool = False
    limits: Sequence[float] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    energy: str = ""
    plane: str = "xy"
    body: str = ""


def look(keys: object) -> Look:
    """Return a panel from the keys of its TOML table.

    Raises
    ------
    TypeError
        For what is no table, or a key that is not known or lacking.

    Examples
    --------
    >>> look({"variables": ["dst"], "levels": {"intense storm": -100}}).kind
    'lines'
    """
    known = [one.name for one in fields(Look)]
    if not isinstance(keys, Mapping):
        raise TypeError(f"a panel of quicklook is a table with {', '.join(known)}, not {keys!r}")
    if unknown := [str(key) for key in keys if key not in known]:
        raise TypeError(f"a panel of quicklook has no key {', '.join(unknown)}; it has {', '.join(known)}")
    return Look(**keys)


def wrong_look(one: Look, held: Mapping[str, Sequence[str]]) -> str:
    """Return what contradicts in a panel, empty where nothing does.

    Parameters
    ----------
    one : Look
    held : mapping of str to sequence of str
        The variables of each node of the product, those of a dataset under ``""``; under ``"*"`` those that may be
        in any node.

    Examples
    --------
    >>> wrong_look(Look(variables=["dts"]), {"": ["dst"]})
    'quicklook names dts, which the product does not have: it has dst'
    """
    if not _texts(one.variables) or not one.variables:
        return f"quicklook: variables = {one.variables!r} is no list of names"
    if one.kind not in KINDS:
        return f"quicklook: kind = {one.kind!r} is none of {', '.join(KINDS)}"
    names = held.get(one.node) or held.get("*")
    if names is None:
        return f"quicklook: node = {one.node!r} is none of {', '.join(held)}"
    if unknown := [name for name in one.variables if name not in names]:
        return f"quicklook names {', '.join(unknown)}, which the product does not have: it has {', '.join(names)}"
    if len(one.variables) > 1 and (one.kind != "lines" or not one.label):
        return f"quicklook: several variables ({', '.join(one.variables)}) are for kind = 'lines' with a label"
    return _wrong_option(one)


def _wrong_option(one: Look) -> str:
    limits = list(one.limits)
    if limits and not (len(limits) == 2 and all(map(_number, limits)) and limits[0] < limits[1]):
        return f"quicklook: limits = {limits!r} are no two rising numbers"
    if not isinstance(one.log, bool) or (one.log and one.kind not in ("lines", "points")):
        return f"quicklook: log = {one.log!r} is true or false, and for lines and points"
    if one.log and limits and limits[0] <= 0:
        return f"quicklook: limits = {limits!r} don't fit on a logarithmic axis"
    if not isinstance(one.levels, Mapping) or not all(map(_number, one.levels.values())):
        return f"quicklook: levels = {one.levels!r} gives no numbers by name"
    if one.levels and one.kind != "lines":
        return "quicklook: levels are for kind = 'lines'"
    if bool(one.energy) != (one.kind == "pitch_angles") or not isinstance(one.energy, str):
        return "quicklook: energy, a text such as '1 keV', is for kind = 'pitch_angles', which needs it"
    if not isinstance(one.body, str) or (one.body and one.kind != "orbit"):
        return "quicklook: body, a planet's name, is for kind = 'orbit'"
    if one.plane not in PLANES:
        return f"quicklook: plane = {one.plane!r} is none of {', '.join(PLANES)}"
    return ""


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

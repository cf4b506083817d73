"""The missions whose observations can be collected: where they lie and how their files and numbers look."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from numbers import Integral

from analysis.errors import BadOption
from analysis.model import near


@dataclass(frozen=True, kw_only=True)
class Observatory:
    """Where a mission's observations lie and how their files are called; the field names are the TOML's keys."""

    name: str
    mission: str
    obsid: str
    example: str
    observations: str
    cameras: Mapping[str, str]
    institution: str
    references: Sequence[str]
    caveats: Sequence[str]
    files: Sequence[Mapping[str, str]]
    responses: Sequence[str] = ()
    detectors: Mapping[str, str] | None = None


@cache
def observatories() -> dict[str, Observatory]:
    """Return the missions whose observations can be collected, by the name that ``mission=`` takes.

    Examples
    --------
    >>> sorted(observatories())
    ['chandra', 'ixpe', 'nicer', 'nustar', 'suzaku', 'swift', 'xmm', 'xrism']
    """
    told = tomllib.loads((files("analysis.xray") / "observatories.toml").read_text("utf-8"))
    return {name: Observatory(name=name, **keys) for name, keys in told.items()}


def observatory(mission: str) -> Observatory:
    """Return a mission by its short or full name.

    Raises
    ------
    BadOption
        Naming near ones.

    Examples
    --------
    >>> observatory("XMM-Newton").name
    'xmm'
    """
    known = observatories()
    by_name = {**{each.mission.lower(): each for each in known.values()}, **known}
    said = str(mission).strip().lower()
    if said not in by_name:
        there = f"there are {', '.join(known)}{near(said, by_name)}"
        raise BadOption(f"mission={mission!r} has no observations to collect; {there}")
    return by_name[said]


def missions_numbering_like(obsid: str | int) -> list[str]:
    """Return the missions whose observations have numbers like this one.

    Examples
    --------
    >>> missions_numbering_like("0693760401")
    ['xmm', 'nicer']
    """
    return [name for name, where in observatories().items() if re.fullmatch(where.obsid, str(obsid).strip())]


def number_of(where: Observatory, obsid: str | int) -> str:
    """Return the number of an observation as the mission's archive writes it.

    Raises
    ------
    BadOption
        If the mission has no such numbers.

    Examples
    --------
    >>> number_of(observatory("chandra"), 754)
    '754'
    """
    said = str(obsid).strip()
    if (
        isinstance(obsid, bool)
        or not isinstance(obsid, str | Integral)
        or not re.fullmatch(where.obsid, said, re.ASCII)
    ):
        digits = re.sub(r"\D*\{([\d,]+)\}|.*", lambda m: m[1].replace(",", " to ") if m[1] else "", where.obsid)
        raise BadOption(
            f"obsid={obsid!r:.60} is no observation of {where.mission}, whose numbers look like {where.example!r} "
            f"({digits} digits)"
        )
    return said

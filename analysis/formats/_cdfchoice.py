"""The part of a CDF file that is asked for: variables, and what must come along with them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from analysis.errors import UnknownVariable
from analysis.formats._cdfaxes import AxisSet, Place, Variable


def names_in_file(
    variables: Collection[str], held: Mapping[str, Variable], places: Mapping[str, Place], file: str
) -> frozenset[str]:
    """Return what the file calls the variables asked for by the names that the result has, or by the file's own."""
    axes = {"time", *(axis.dim for place in places.values() for axis in place.axes)}
    plain = {name.replace("/", "_"): name for name in places}
    plain |= {f"{shown}_variable": name for shown, name in plain.items() if shown in axes}
    plain |= {name: name for name in places}
    if unknown := [name for name in variables if name not in plain]:
        serving = [name for name in unknown if name in held]
        why = f" ({', '.join(serving)}: an axis, which comes with what stands on it)" if serving else ""
        near = sorted({m for name in unknown for m in difflib.get_close_matches(name, places, n=3, cutoff=0.4)})
        hint = f"near: {', '.join(near)}; " if near else ""
        raise UnknownVariable(f"{file} has no {', '.join(map(repr, unknown))}{why}; {hint}it has {', '.join(places)}")
    return frozenset(plain[name] for name in variables)


def with_companions(
    named: Collection[str], held: Mapping[str, Variable], places: Mapping[str, Place]
) -> frozenset[str]:
    """Return the variables asked for, what DELTA_PLUS_VAR and DELTA_MINUS_VAR name, and flags of the same records."""
    found = set(named)
    for name in list(found):
        clock = held.get(places[name].record, held[name])
        pointed = [v.pointer(k, held) for v in (held[name], clock) for k in ("DELTA_PLUS_VAR", "DELTA_MINUS_VAR")]
        pointed += [p for i in (1, 2, 3, 4) if (p := held[name].pointer(f"DEPEND_{i}", held)) and p.name in places]
        found |= {p.name for p in pointed if p is not None and p.name in places}
        own = {(axis.dim, axis.key) for axis in places[name].axes}
        found |= {
            other
            for other, place in places.items()
            if place.record == places[name].record
            and held[other].whole
            and re.search("qual|flag", other, re.IGNORECASE)
            and {(axis.dim, axis.key) for axis in place.axes} <= own
        }
    return frozenset(found)


def asked(found: Sequence[AxisSet], wanted: frozenset[str] | None, named: frozenset[str] | None) -> list[AxisSet]:
    """Return the sets of axes that hold any of ``named``, with all that is wanted; every set where None is."""
    if wanted is None or named is None:
        return list(found)
    cut = [replace(part, variables=tuple(n for n in part.variables if n in wanted)) for part in found]
    return [part for part in cut if named & set(part.variables)]

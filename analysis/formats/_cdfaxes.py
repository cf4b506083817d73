"""Which axes each variable of a CDF file stands on, and which variables share one set of axes.

Works on what the file declares and on the small tables that axes come from; the data themselves are not read here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.errors import UnknownUnits
from analysis.formats import _istp as istp
from analysis.formats._facts import Notes, known_units

GENERIC = {"epoch", "time", "tt2000", "utc", "label", "labels", "labl"}


@dataclass(frozen=True)
class Variable:
    """A variable as the file declares it; ``shape`` leaves out the records and the length of text."""

    name: str
    attributes: Mapping[str, object]
    kind: Literal["time", "text", "number"]
    varies: bool
    records: int
    shape: tuple[int, ...]
    whole: bool
    dtype: str  # numpy's code of the type, such as "f4"; of numbers only
    read: Callable[[], NDArray]

    def pointer(self, key: str, held: Mapping[str, Variable]) -> Variable | None:
        """Return the variable that an attribute such as DEPEND_1 names, in any letter case."""
        wanted = istp.text(self.attributes, key)
        if wanted is None:
            return None
        near = (other for name, other in held.items() if name.casefold() == wanted.casefold())
        return held.get(wanted) or next(near, None)


@dataclass(frozen=True)
class Axis:
    """One axis: its dim, what tells it from others of that dim, the variable or labels that give its values.

    ``moving`` says that the values differ from record to record, as energies of a sweeping instrument may.
    """

    dim: str
    size: int
    key: str
    table: str | None = None
    labels: tuple[str, ...] = ()
    moving: bool = False


@dataclass(frozen=True)
class _File:
    """All variables, which serve as tables of axes, and which are the width or uncertainty of which other."""

    held: Mapping[str, Variable]
    tables: frozenset[str]
    grids: frozenset[str]  # tables of two axes
    parents: Mapping[str, Variable]
    clocks: Mapping[str, str]  # epochs with equal content count as one, the first


@dataclass(frozen=True)
class Place:
    """Where a variable stands: the record axis (a variable's name, "record:N" without one, "" if
    it doesn't vary) and the others.
    """

    record: str
    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class AxisSet:
    """Variables that share one set of axes, and a name for them."""

    name: str
    record: str
    variables: tuple[str, ...]


def places(held: Mapping[str, Variable], notes: Notes) -> dict[str, Place]:
    """Return where each variable stands, without those that only serve as axes, labels or units of others."""
    pointers = (v.pointer(f"DEPEND_{i}", held) for v in held.values() for i in range(1, 5))
    numbers = [p for p in pointers if p is not None and p.kind == "number"]
    tables, grids = (frozenset(p.name for p in numbers if len(p.shape) == n) for n in (1, 2))
    file = _File(held, tables, grids, _parents(held), _clocks(held))
    used: set[str] = set()
    found = {}
    for name, variable in held.items():
        record = _record(variable, file, notes)
        used |= {record} if record else set()
        axes: list[Axis] = []
        for place, size in enumerate(variable.shape, start=1):
            axis = _axis(variable, place, size, record, file)
            used |= _serving(variable, place, axis, held)
            axes.append(_apart(axis, axes))
        for key in ("UNIT_PTR", "FORM_PTR"):
            if (pointed := variable.pointer(key, held)) is not None:
                used.add(pointed.name)
        if variable.kind == "text" and not variable.varies and variable.attributes.get("VAR_TYPE") == "metadata":
            used.add(name)
        found[name] = Place(record, tuple(axes))
    return {name: place for name, place in found.items() if name not in used | set(file.clocks)}


def sets(found: Mapping[str, Place]) -> list[AxisSet]:
    """Return the sets of axes, in the file's order, each with the variables that stand on it.

    Variables of one record axis stay together unless a dim of theirs has other values, as the energies of ions and
    of electrons have; what doesn't have that dim (a quality flag) then stands in each. Variables that don't vary in
    time join the sets that have their axes.
    """
    records = list(dict.fromkeys(place.record for place in found.values() if place.record))
    grouped: list[tuple[str, str, list[str]]] = []
    for record in records:
        grouped += _split(record, {n: p for n, p in found.items() if p.record == record}, len(records) > 1)
    still = {name: place for name, place in found.items() if not place.record}
    alone = {}
    for name, place in still.items():
        own = {(a.dim, a.key) for a in place.axes}
        fits = [members for _, _, members in grouped if own and own <= _keys(found, members)]
        if not fits and len(grouped) == 1 and not _clash(own, _keys(found, grouped[0][2])):
            fits = [grouped[0][2]]
        for members in fits:
            members.append(name)
        if not fits:
            alone[name] = place
    if alone:
        grouped += [("", f"static_{t}" if t else "static", members) for _, t, members in _split("", alone, False)]
    return _named(grouped)


def _clocks(held: Mapping[str, Variable]) -> dict[str, str]:
    """Return each epoch that is an axis, with the first epoch that has the same content."""
    own = [v for v in held.values() if v.kind == "time" and v.varies and v.pointer("DEPEND_0", held) in (None, v)]
    lengths = [v.records for v in own]
    first: dict[object, str] = {}
    found = {}
    for variable in own:
        alone = lengths.count(variable.records) == 1
        content = variable.name if alone else hashlib.sha256(variable.read().tobytes()).digest()
        found[variable.name] = first.setdefault(content, variable.name)
    return found


def _record(variable: Variable, file: _File, notes: Notes) -> str:
    """Return the axis of a variable's records: DEPEND_0, else the only epoch with as many records."""
    if not variable.varies:
        return ""
    axis = variable.pointer("DEPEND_0", file.held)
    if axis is not None and axis.varies:
        seconds = variable.pointer("DEPEND_TIME", file.held)
        if not axis.records and variable.records and seconds is not None and is_unix(seconds, is_time=True):
            notes.line(f"times of {variable.name} from {seconds.name}, seconds since 1970: {axis.name} has no records")
            return seconds.name
        return file.clocks.get(axis.name, axis.name)
    if variable.name in file.clocks:
        return file.clocks[variable.name]
    fitting = [c for c, first in file.clocks.items() if c == first and file.held[c].records == variable.records]
    if len(fitting) == 1 and variable.records:
        stated = istp.text(variable.attributes, "DEPEND_0")
        said = f"DEPEND_0 is {stated}, which is no time axis" if stated else "no DEPEND_0 is stated"
        notes.guess(f"{said}; {fitting[0]} taken as it has as many records", variable.name)
        return fitting[0]
    return f"record:{variable.records}"


def is_unix(variable: Variable, *, is_time: bool = False) -> bool:
    """Return whether numbers are seconds since 1970: as they say, or as DEPEND_TIME means with the unit second."""
    said = istp.counts_from_1970(variable.attributes)
    second = is_time and (istp.text(variable.attributes, "UNITS") or "").lower() in ("s", "sec", "seconds")
    return variable.kind == "number" and not variable.whole and not variable.shape and (said or second)


def _parents(held: Mapping[str, Variable]) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for variable in held.values():
        for key in ("DELTA_PLUS_VAR", "DELTA_MINUS_VAR"):
            if (delta := variable.pointer(key, held)) is not None:
                found.setdefault(delta.name, variable)
    return found


def _table(variable: Variable, place: int, file: _File) -> Variable | None:
    """Return the variable with an axis's values: DEPEND_i, itself, or that of what it is the width of."""
    if variable.name in file.tables:
        return variable
    table = variable.pointer(f"DEPEND_{place}", file.held)
    parent = file.parents.get(variable.name)
    if table is None and parent is not None and parent.shape == variable.shape:
        table = parent if parent.name in file.tables else parent.pointer(f"DEPEND_{place}", file.held)
    return table


def _axis(variable: Variable, place: int, size: int, record: str, file: _File) -> Axis:
    table = _table(variable, place, file)
    labels = _labels(variable, place, size, table, file.held)
    if size == 3 and (letters := _components(variable, labels, table)):
        return Axis("component", 3, "".join(letters), labels=letters)
    if table is not None and table.kind == "number" and table.shape == (size,) and table.records:
        values = table.read()
        if not table.varies or (values == values[:1]).all():
            return Axis(_dim_of(table), size, _content(values[0], table), table=table.name)
        if table.records == variable.records and record:
            return Axis(_dim_of(table), size, f"{record}:{table.name}", table=table.name, moving=True)
    if (grid := _grid(variable, place, size, file)) is not None:
        return Axis(_dim_of(grid), size, f"grid:{grid.name}")
    source = _label_variable(variable, place, file.held)
    if labels and source is not None:
        return Axis(plain_word(source.name), size, "|".join(labels), table=source.name, labels=labels)
    return Axis(plain_word(f"{variable.name}_{place}"), size, variable.name)


def _grid(variable: Variable, place: int, size: int, file: _File) -> Variable | None:
    """Return the table of two axes that gives an axis's values, as elevations that depend on energy; perhaps itself."""
    pointed = variable.pointer(f"DEPEND_{place}", file.held)
    if variable.name in file.grids and pointed in (None, variable):
        others = [f"DEPEND_{i}" for i in (1, 2) if i != place]
        return variable if variable.pointer(others[0], file.held) not in (None, variable) else None
    fits = pointed is not None and pointed.name in file.grids and size in pointed.shape and pointed.records
    return pointed if fits else None


def _label_variable(variable: Variable, place: int, held: Mapping[str, Variable]) -> Variable | None:
    for key in (f"DEPEND_{place}", f"LABL_PTR_{place}", f"REPRESENTATION_{place}"):
        found = variable.pointer(key, held)
        if found is not None and found.kind == "text" and found.records:
            return found
    return None


def _labels(
    variable: Variable, place: int, size: int, table: Variable | None, held: Mapping[str, Variable]
) -> tuple[str, ...]:
    """Return the labels of an axis's places; where there are several, those that name a vector's components."""
    keys = (f"LABL_PTR_{place}", f"REPRESENTATION_{place}", f"DEPEND_{place}")
    pointers = [variable.pointer(key, held) for key in keys]
    pointers += [table.pointer("LABL_PTR_1", held)] if table is not None else []
    texts = [p for p in pointers if p is not None and p.kind == "text" and p.records and p.shape == (size,)]
    found = [tuple(str(word) for word in p.read().reshape(-1)) for p in texts]
    return next((labels for labels in found if istp.components(labels)), found[0] if found else ())


def _components(variable: Variable, labels: tuple[str, ...], table: Variable | None) -> tuple[str, ...] | None:
    if variable.kind != "number":
        return None
    if labels:
        named = istp.components(labels)
        return named or (labels if str(variable.attributes.get("TENSOR_ORDER", "")).strip(" []") == "1" else None)
    if (table is not None and not table.whole) or not istp.sounds_like_a_vector(variable.name, variable.attributes):
        return None
    frame = istp.frame_stated(variable.name, variable.attributes)
    if frame == "RTN":
        return ("r", "t", "n")
    return ("x", "y", "z") if frame else ("1", "2", "3")


def _serving(variable: Variable, place: int, axis: Axis, held: Mapping[str, Variable]) -> set[str]:
    """Return the names of variables that only describe this axis."""
    keys = (f"DEPEND_{place}", f"LABL_PTR_{place}", f"REPRESENTATION_{place}")
    pointed = [p for key in keys if (p := variable.pointer(key, held)) is not None]
    describing = {p.name for p in pointed if p.kind == "text" or axis.dim == "component"}
    return describing | ({axis.table} if axis.table else set())


def _apart(axis: Axis, earlier: Sequence[Axis]) -> Axis:
    """Return the axis under another dim if the variable has that dim already, as a tensor has."""
    same = sum(re.fullmatch(rf"{re.escape(axis.dim)}(_\d+)?", other.dim) is not None for other in earlier)
    return replace(axis, dim=f"{axis.dim}_{same + 1}") if same else axis


def _dim_of(table: Variable) -> str:
    words = [table.name, *(istp.text(table.attributes, key) or "" for key in ("FIELDNAM", "LABLAXIS", "CATDESC"))]
    try:
        unit = known_units(istp.text(table.attributes, "UNITS") or "")
    except UnknownUnits:
        unit = ""
    if unit in istp.ENERGY_UNITS:
        return "energy"
    if any(re.search(r"pitch", said, re.IGNORECASE) for said in words):
        return "pitch_angle"
    angle = istp.direction(words) if unit in istp.ANGLE_UNITS else None
    return angle or plain_word(table.name)


def _content(values: NDArray, table: Variable) -> str:
    unit = istp.text(table.attributes, "UNITS") or ""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes() + unit.encode()).hexdigest()[:16]


def plain_word(name: str) -> str:
    """Return a name in lower case, with underscores for all but letters and digits."""
    return re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_") or "axis"


def _keys(found: Mapping[str, Place], members: Iterable[str]) -> set[tuple[str, str]]:
    return {(axis.dim, axis.key) for name in members for axis in found[name].axes}


def _clash(own: set[tuple[str, str]], others: set[tuple[str, str]]) -> bool:
    taken = dict(others)
    return any(taken.get(dim, key) != key for dim, key in own)


def _split(record: str, found: Mapping[str, Place], several: bool) -> list[tuple[str, str, list[str]]]:
    """Return the parts of one record axis's variables whose dims have one meaning each, with a word for each part."""
    meanings: dict[str, dict[str, str]] = {}
    for place in found.values():
        for axis in place.axes:
            meanings.setdefault(axis.dim, {}).setdefault(axis.key, axis.table or axis.key)
    unclear = {dim for dim, keys in meanings.items() if len(keys) > 1}
    marks = {name: tuple((a.dim, a.key) for a in place.axes if a.dim in unclear) for name, place in found.items()}
    first = _letters(record) if several else ""
    parts = list(dict.fromkeys(mark for mark in marks.values() if mark))
    if not parts:
        return [(record, first, list(found))]
    sources = ["_".join(meanings[dim][key] for dim, key in part) for part in parts]
    words = _distinct(sources)
    return [
        (
            record,
            "_".join(w for w in (first, word) if w),
            [n for n, mark in marks.items() if mark in (part, ())],
        )
        for part, word in zip(parts, words, strict=True)
    ]


def _letters(name: str) -> str:
    word = "_".join(w for w in plain_word(name).split("_") if w not in GENERIC)
    return word if re.search("[a-z]", word) else ""


def _distinct(names: Sequence[str]) -> list[str]:
    """Return what is left of names without the words that all begin or end with."""
    split = [[w for w in plain_word(name).split("_") if w not in GENERIC] for name in names]
    while len(split) > 1 and all(len(words) > 1 for words in split) and len({words[-1] for words in split}) == 1:
        split = [words[:-1] for words in split]
    while len(split) > 1 and all(len(words) > 1 for words in split) and len({words[0] for words in split}) == 1:
        split = [words[1:] for words in split]
    return ["_".join(words) for words in split]


def _named(grouped: Sequence[tuple[str, str, list[str]]]) -> list[AxisSet]:
    """Return the sets under names that differ: the word found for each, else what their variables begin with."""
    named: list[AxisSet] = []
    for record, word, members in grouped:
        name = word or _beginning(members)
        taken = {other.name for other in named}
        unique = next(n for n in (name, *(f"{name}_{i}" for i in range(2, len(grouped) + 2))) if n not in taken)
        named.append(AxisSet(unique, record, tuple(members)))
    return named


def _beginning(members: Sequence[str]) -> str:
    split = [plain_word(name).split("_") for name in members]
    shared = []
    for words in zip(*split, strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return "_".join(shared) or plain_word(members[0])

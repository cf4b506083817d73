"""What a HAPI answer says of itself: the description of a dataset, checked field by field.

What decoding depends on must be right; what only describes may be missing, as it is on many servers.

References
----------
HAPI Data Access Specification 2.0 to 3.3, sections 3.6 (info) and 4 (status codes).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile
from analysis.formats._hapitimes import duration, instant

TYPES = ("isotime", "double", "integer", "string")
FORMATS = ("binary", "csv", "json")
WIDEST = 1 << 28  # bytes of one record; more is a mistake
DEEPEST = 40


@dataclass(frozen=True)
class Bins:
    """One axis of an array: numbers, the name of the parameter that has them for each record, or nothing."""

    name: str
    units: str | None
    centers: tuple[float, ...] | str | None
    ranges: tuple[tuple[float, float], ...] | str | None
    label: str


@dataclass(frozen=True)
class Parameter:
    """One column, or block of columns. ``units`` is one spelling, or one for each element (flat); None: not stated."""

    name: str
    type: str
    length: int
    size: tuple[int, ...]
    units: str | tuple[str, ...] | None
    fill: str | None
    description: str
    label: str | tuple[str, ...]
    frame: str
    components: tuple[str, ...]
    bins: tuple[Bins, ...]
    extra: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def columns(self) -> int:
        """How many columns it has."""
        return math.prod(self.size)

    @property
    def bytes(self) -> int:
        """How long it is in a binary record."""
        return self.columns * {"double": 8, "integer": 4}.get(self.type, self.length)

    def same_as(self, other: Parameter) -> bool:
        """Return whether another declaration means the same numbers."""
        mine = (self.name, self.type, self.size, self.units, self.fill)
        return mine == (other.name, other.type, other.size, other.units, other.fill)


@dataclass(frozen=True)
class Info:
    """A dataset's description, or the header of an answer with its data.

    ``start`` and ``stop`` are the dataset's coverage, ``cadence`` and ``longest`` (the longest request) nanoseconds
    or None; ``said`` is all that the server said, references resolved.
    """

    version: str
    code: int
    message: str
    format: str | None
    parameters: tuple[Parameter, ...]
    start: np.datetime64 | None
    stop: np.datetime64 | None
    cadence: int | None
    longest: int | None
    said: Mapping[str, Any] = field(compare=False)

    @property
    def names(self) -> list[str]:
        """Names of the parameters, the time first."""
        return [parameter.name for parameter in self.parameters]

    def only(self, names: Sequence[str]) -> tuple[Parameter, ...]:
        """Return these parameters in the dataset's order, the time always first, and the axes that they stand on."""
        wanted = set(names)
        for parameter in self.parameters:
            if parameter.name in wanted:
                wanted |= {p for b in parameter.bins for p in (b.centers, b.ranges) if isinstance(p, str)}
        return tuple(p for i, p in enumerate(self.parameters) if i == 0 or p.name in wanted)


def parsed(text: bytes, where: str) -> dict[str, Any]:
    """Return the JSON object in an answer.

    Raises
    ------
    CorruptFile
        If it is no JSON, or another kind of value.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        start = text[:60].decode("utf-8", "replace").strip()
        raise CorruptFile(f"{where} is no JSON ({error}); it begins with {start!r}") from error
    if not isinstance(told, dict):
        raise CorruptFile(f"{where} is a JSON {type(told).__name__}, not an object as HAPI answers with")
    return told


def status_of(told: Mapping[str, Any], where: str) -> tuple[str, int, str]:
    """Return HAPI version, status code and message of an answer.

    Raises
    ------
    CorruptFile
        Naming the field that is missing or wrong.

    Examples
    --------
    >>> status_of({"HAPI": "3.2", "status": {"code": 1406, "message": "unknown dataset id"}}, "info")
    ('3.2', 1406, 'unknown dataset id')
    """
    status = told.get("status")
    code = status.get("code") if isinstance(status, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:9])
    if not isinstance(code, int) or isinstance(code, bool):
        raise CorruptFile(f"{where}: status.code is {_shown(status)}, not a number; HAPI asks for one in each answer")
    version = told.get("HAPI")
    if not isinstance(version, str) or not version[:1].isdigit():
        raise CorruptFile(f"{where}: HAPI is {_shown(version)}, not a version such as '3.2'")
    return version, code, " ".join(str(status.get("message", "")).split())[:300] if isinstance(status, dict) else ""


@lru_cache(maxsize=128)
def info_of_text(text: bytes, where: str) -> Info:
    """Return the description in a JSON text; kept, since each part of a request repeats it."""
    return info_of(parsed(text, where), where)


def info_of(told: Mapping[str, Any], where: str) -> Info:
    """Return the description in an answer, checked.

    Parameters
    ----------
    told : mapping
        The answer's JSON object, without ``data``.
    where : str
        What it is, for messages.

    Raises
    ------
    CorruptFile
        Naming the field that breaks the specification. A status of 1400 or more is no breach: see ``code``.

    Examples
    --------
    >>> time = {"name": "Time", "type": "isotime", "length": 24, "units": "UTC", "fill": None}
    >>> told = {"HAPI": "3.0", "status": {"code": 1200, "message": "OK"}, "parameters": [time],
    ...         "startDate": "2001Z", "stopDate": "2002Z", "cadence": "PT1M"}
    >>> info_of(told, "info").cadence
    60000000000
    """
    version, code, message = status_of(told, where)
    if code >= 1400:
        return Info(version, code, message, None, (), None, None, None, None, told)
    said = resolved(told, where)
    listed = said.get("parameters")
    if not isinstance(listed, list) or not listed:
        raise CorruptFile(f"{where}: parameters is {_shown(listed)}, not a list with at least the time")
    parameters = tuple(_parameter(one, f"{where}: parameters[{i}]", i == 0) for i, one in enumerate(listed))
    names = [parameter.name for parameter in parameters]
    if twice := {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set():
        raise CorruptFile(f"{where}: several parameters have the name {', '.join(sorted(twice))}")
    if sum(parameter.bytes for parameter in parameters) > WIDEST:
        raise CorruptFile(f"{where}: size and length of the parameters make records of more than {WIDEST} bytes")
    _check_axes(parameters, where)
    form = said.get("format")
    if form is not None and form not in FORMATS:
        raise CorruptFile(f"{where}: format is {_shown(form)}, not one of {', '.join(FORMATS)}")
    dates = {key: instant(said[key], f"{where}: {key}") if said.get(key) else None for key in ("startDate", "stopDate")}
    lengths = {
        key: duration(said[key], f"{where}: {key}") if said.get(key) else None
        for key in ("cadence", "maxRequestDuration")
    }
    return Info(
        version,
        code,
        message,
        form,
        parameters,
        dates["startDate"],
        dates["stopDate"],
        lengths["cadence"],
        lengths["maxRequestDuration"],
        said,
    )


def resolved(told: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a description with what its references (``{"$ref": "#/definitions/NAME"}``) point to.

    Raises
    ------
    CorruptFile
        If one points to what is not in ``definitions``, or a definition has a reference in it (section 3.6.14).

    Examples
    --------
    >>> resolved({"definitions": {"u": "nT"}, "parameters": [{"units": {"$ref": "#/definitions/u"}}]}, "info")
    {'parameters': [{'units': 'nT'}]}
    """
    definitions = told.get("definitions", {})
    if not isinstance(definitions, dict):
        raise CorruptFile(f"{where}: definitions is {_shown(definitions)}, not an object")

    def follow(value: Any, depth: int, inside: bool) -> Any:
        if depth > DEEPEST:
            raise CorruptFile(f"{where}: it is nested more than {DEEPEST} deep")
        if isinstance(value, list):
            return [follow(one, depth + 1, inside) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" not in value:
            return {key: follow(one, depth + 1, inside) for key, one in value.items()}
        name = str(value["$ref"]).removeprefix("#/definitions/")
        if inside or name not in definitions or name == str(value["$ref"]):
            raise CorruptFile(f"{where}: $ref {_shown(value['$ref'])} points to nothing in definitions")
        return follow(definitions[name], depth + 1, True)

    return {key: follow(value, 0, False) for key, value in told.items() if key != "definitions"}


def _parameter(told: Any, where: str, is_time: bool) -> Parameter:
    if not isinstance(told, dict):
        raise CorruptFile(f"{where} is {_shown(told)}, not an object")
    name, kind = told.get("name"), told.get("type")
    if not isinstance(name, str) or not name.strip():
        raise CorruptFile(f"{where}.name is {_shown(name)}, not a name")
    where = f"{where} ({name[:60]})"
    if kind not in TYPES:
        raise CorruptFile(f"{where}.type is {_shown(kind)}, not one of {', '.join(TYPES)}")
    if is_time and kind != "isotime":
        raise CorruptFile(f"{where}.type is {kind!r}, but the first parameter must be the time, 'isotime'")
    size = _size(told.get("size"), where)
    if is_time and size:
        raise CorruptFile(f"{where}.size is {list(size)}, but the time is one value")
    length = told.get("length", 0) or 0
    if not _is_whole(length) or not 0 <= length <= WIDEST:
        raise CorruptFile(f"{where}.length is {_shown(length)}, not a number of bytes")
    bins = (told.get("bins") or ()) if size else ()
    if not isinstance(bins, list | tuple) or (bins and len(bins) != len(size)):
        raise CorruptFile(f"{where}.bins is {_shown(bins)}, not a list of {len(size)} as its size asks for")
    axes = zip(bins, size, strict=True) if bins else ()
    components = told.get("vectorComponents") or []
    components = [components] if isinstance(components, str) else components if isinstance(components, list) else []
    return Parameter(
        name=name,
        type=kind,
        length=int(length),
        size=size,
        units=_units(told, size, where),
        fill=_fill(told.get("fill"), kind, where),
        description=_text(told.get("description")),
        label=_labels(told.get("label"), size),
        frame=_text(told.get("coordinateSystemName")),
        components=tuple(_text(one) for one in components),
        bins=tuple(_bins(one, count, f"{where}.bins[{i}]") for i, (one, count) in enumerate(axes)),
        extra={key: json.dumps(told[key]) for key in ("stringType",) if told.get(key)},
    )


def _size(told: Any, where: str) -> tuple[int, ...]:
    size = [told] if _is_whole(told) else [] if told is None else told
    if not isinstance(size, list) or not all(_is_whole(n) and 0 < n <= WIDEST for n in size) or len(size) > 8:
        raise CorruptFile(f"{where}.size is {_shown(told)}, not a list of numbers of elements")
    if math.prod(size) > WIDEST:
        raise CorruptFile(f"{where}.size is {_shown(told)}: more than one record can hold")
    return tuple(int(n) for n in size) if any(n > 1 for n in size) else ()


def _units(told: Mapping[str, Any], size: tuple[int, ...], where: str) -> str | tuple[str, ...] | None:
    """Return the spelling of the unit, "" for a number without one; one for each element only where they differ."""
    if "units" not in told:
        return None
    units = told["units"]
    if units is None or isinstance(units, str):
        return (units or "").strip()
    flat = [("" if one is None else one) for one in _flat(units)]
    if not flat or not all(isinstance(one, str) for one in flat) or len(flat) not in (1, math.prod(size)):
        raise CorruptFile(f"{where}.units is {_shown(units)}, not text, null, or a list that fits size {list(size)}")
    spelled = tuple(one.strip() for one in flat)
    return spelled[0] if len(set(spelled)) == 1 else spelled


def _fill(told: Any, kind: str, where: str) -> str | None:
    if told is None or (isinstance(told, str) and not told.strip() and kind in ("double", "integer")):
        return None
    if isinstance(told, bool) or not isinstance(told, str | int | float):
        raise CorruptFile(f"{where}.fill is {_shown(told)}, not text or null")
    if kind in ("double", "integer"):
        try:
            float(told)
        except (ValueError, OverflowError) as error:
            raise CorruptFile(f"{where}.fill is {_shown(told)}, which is not a number") from error
    return str(told)


def _labels(told: Any, size: tuple[int, ...]) -> str | tuple[str, ...]:
    if isinstance(told, str):
        return _text(told)
    flat = [_text(one) for one in _flat(told)] if isinstance(told, list) else []
    if len(flat) == 1:
        return flat[0]
    return tuple(flat) if len(flat) == math.prod(size) and size else ""


def _flat(told: Any) -> list[Any]:
    found = [told]
    while any(isinstance(one, list) for one in found):
        found = [inner for one in found for inner in (one if isinstance(one, list) else [one])]
    return found


def _bins(told: Any, count: int, where: str) -> Bins:
    if told is None:
        told = {}
    if not isinstance(told, dict):
        raise CorruptFile(f"{where} is {_shown(told)}, not an object")
    centers, ranges = told.get("centers"), told.get("ranges")
    units = told.get("units")
    return Bins(
        name=_text(told.get("name")),
        units=units.strip() if isinstance(units, str) else None,
        centers=centers if isinstance(centers, str) else _numbers(centers, (count,), f"{where}.centers"),
        ranges=ranges if isinstance(ranges, str) else _numbers(ranges, (count, 2), f"{where}.ranges"),
        label=_text(told.get("label")) or _text(told.get("description")),
    )


def _numbers(told: Any, shape: tuple[int, ...], where: str) -> Any:
    """Return numbers as a tuple (of pairs, where the shape has two axes); None for none."""
    if told is None or told == []:
        return None
    try:
        values: NDArray = np.asarray(told, dtype=float)
    except (ValueError, TypeError, OverflowError) as error:
        raise CorruptFile(f"{where} is {_shown(told)}, not numbers") from error
    if values.shape != shape:
        raise CorruptFile(f"{where} has the shape {list(values.shape)}, not {list(shape)} as size asks for")
    rows = values.tolist()
    return tuple(rows) if len(shape) == 1 else tuple((low, high) for low, high in rows)


def _check_axes(parameters: Sequence[Parameter], where: str) -> None:
    """Refuse axes that point to what is no table of their size; a subset may leave the table out."""
    held = {parameter.name: parameter for parameter in parameters}
    for parameter in parameters:
        for bins, count in zip(parameter.bins, parameter.size, strict=False):
            for key, pointed, size in (("centers", bins.centers, (count,)), ("ranges", bins.ranges, (count, 2))):
                table = held.get(pointed) if isinstance(pointed, str) else None
                if table is not None and (table.size != size or table.type not in ("double", "integer")):
                    raise CorruptFile(
                        f"{where}: {parameter.name}.bins.{key} points to {table.name}, which is {table.type} of size "
                        f"{list(table.size)}, not numbers of size {list(size)}"
                    )


def _text(told: Any) -> str:
    return " ".join(told.split()) if isinstance(told, str) else ""


def _is_whole(told: Any) -> bool:
    return isinstance(told, int) and not isinstance(told, bool)


def _shown(told: Any) -> str:
    text = repr(told)
    return text if len(text) <= 60 else text[:59] + "…"

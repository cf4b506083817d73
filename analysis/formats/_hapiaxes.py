"""Which axes the parameters of a HAPI dataset stand on, and their coordinates, in the words of the data contract.

Axes whose bins are numbers are ``energy``, ``frequency``, ``pitch_angle`` or the bins' own name, with ``<dim>_low``
and ``<dim>_high`` where ranges are given; bins that change in time are ``<dim>_table`` (time, <dim>). Vectors stand
on ``component``. Parameters whose elements differ in unit become one variable for each element.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import UnknownUnits, WrongData
from analysis.formats import _facts as facts
from analysis.formats import _istp as istp
from analysis.formats._cdfaxes import Axis, Place, plain_word
from analysis.formats._hapiinfo import Bins, Parameter
from analysis.model.contract import FILL_FROM

GEOMETRIC = ("energy", "frequency", "wavelength")
SHORT = 90  # letters of a description that serve as a name
_FIELD = re.compile(rf"[BEV]({'|'.join((*istp.FRAMES, *istp.SHORT_FRAMES))})c?")  # BGSEc: Cartesian, CDAWeb's habit


@dataclass(frozen=True)
class Column:
    """A variable: a parameter, or one element of a parameter's axis that has a unit of its own."""

    parameter: Parameter
    source: str
    element: tuple[int, int] | None = None  # axis and place on it

    def of(self, values: Any) -> Any:
        """Return its values of its source's."""
        if self.element is None:
            return values
        axis, place = self.element
        return values[(slice(None),) * (axis + 1) + (place,)]


def columns_of(parameters: Sequence[Parameter], notes: facts.Notes) -> list[Column]:
    """Return the variables that parameters make; one whose elements differ in unit makes several.

    Raises
    ------
    WrongData
        If units differ along more than one axis.
    """
    found = []
    for parameter in parameters:
        if not isinstance(parameter.units, tuple):
            found.append(Column(parameter, parameter.name))
            continue
        units = np.array(parameter.units, dtype=object).reshape(parameter.size)
        axes = [a for a in range(units.ndim) if (units != units.take([0], axis=a)).any()]
        if len(axes) != 1:
            raise WrongData(
                f"{notes.file}: the units of {parameter.name} differ along {len(axes)} of its axes, which cannot be "
                f"told apart by name: {', '.join(sorted(set(parameter.units)))}; leave it out with parameters=…"
            )
        split = [_element(parameter, axes[0], place, units) for place in range(parameter.size[axes[0]])]
        notes.line(f"{parameter.name} has elements of different units: {', '.join(c.parameter.name for c in split)}")
        found += split
    return found


def _element(parameter: Parameter, axis: int, place: int, units: NDArray) -> Column:
    labels = _labels(parameter, axis)
    word = plain_word(labels[place]) if len(set(map(plain_word, labels))) == len(labels) > 0 else str(place + 1)
    kept = tuple(n for i, n in enumerate(parameter.size) if i != axis)
    label = parameter.label
    if isinstance(label, tuple):
        rest = np.array(label, dtype=object).reshape(parameter.size).take(place, axis=axis)
        label = tuple(rest.ravel()) if kept else str(rest)
    one = replace(
        parameter,
        name=f"{parameter.name}_{word}",
        size=kept,
        units=str(np.ravel(units.take(place, axis=axis))[0]),
        label=label,
        components=(),
        bins=tuple(b for i, b in enumerate(parameter.bins) if i != axis),
        description=f"{parameter.description or parameter.name}: {labels[place] if labels else place + 1}",
    )
    return Column(one, parameter.name, (axis, place))


def _labels(parameter: Parameter, axis: int) -> tuple[str, ...]:
    """Return the words for the places of an axis, if the parameter has such."""
    count = parameter.size[axis]
    if len(parameter.size) == 1:
        if len(parameter.components) == count and len(set(parameter.components)) == count:
            return parameter.components
        return parameter.label if isinstance(parameter.label, tuple) else ()
    return ()


def tables_of(parameters: Sequence[Parameter]) -> set[str]:
    """Return the parameters that only hold the bins of others, if they are among these."""
    names = {parameter.name for parameter in parameters}
    return {p for q in parameters for b in q.bins for p in (b.centers, b.ranges) if isinstance(p, str) and p in names}


def place_of(parameter: Parameter, held: set[str], notes: facts.Notes) -> Place:
    """Return where a variable stands: on the time, and on an axis for each of its dimensions."""
    axes: list[Axis] = []
    for number, size in enumerate(parameter.size):
        axis = _axis(parameter, number, size, held, notes)
        same = sum(re.fullmatch(rf"{re.escape(axis.dim)}(_\d+)?", other.dim) is not None for other in axes)
        axes.append(replace(axis, dim=f"{axis.dim}_{same + 1}") if same else axis)
    return Place("time", tuple(axes))


def _axis(parameter: Parameter, number: int, size: int, held: set[str], notes: facts.Notes) -> Axis:
    bins = parameter.bins[number] if parameter.bins else None
    if letters := _vector(parameter, number, size, bins):
        return Axis("component", size, "".join(letters), labels=letters)
    if bins is not None:
        dim = dim_of(bins)
        pointed = [p for p in (bins.centers, bins.ranges) if isinstance(p, str)]
        if absent := [p for p in pointed if p not in held]:
            notes.guess(
                "bins left out, as they point to no parameter of the dataset", f"{parameter.name} ({absent[0]})"
            )
        elif pointed:
            return Axis(dim, size, "moving:" + "|".join(pointed), table=pointed[0], moving=True)
        elif bins.centers is not None or bins.ranges is not None:
            content = repr((bins.centers, bins.ranges, bins.units)).encode()
            return Axis(dim, size, hashlib.sha256(content).hexdigest()[:16], table=parameter.name)
        if bins.name:
            return Axis(dim, size, f"bare:{size}")
    labels = _labels(parameter, number)
    return Axis(plain_word(f"{parameter.name}_{number + 1}"), size, parameter.name, labels=labels)


def _vector(parameter: Parameter, number: int, size: int, bins: Bins | None) -> tuple[str, ...]:
    """Return the letters of a vector's components, nothing if this is no axis of a vector."""
    numeric = bins is not None and (bins.centers is not None or bins.ranges is not None)
    if parameter.type not in ("double", "integer") or size != 3 or numeric:
        return ()
    if parameter.components:
        said = tuple(c.lower() for c in parameter.components)
        return said if said in istp.COMPONENTS and len(parameter.size) == 1 else ()
    labels = parameter.label if isinstance(parameter.label, tuple) and len(parameter.size) == 1 else ()
    if labels:
        return istp.components(labels) or ()
    if len(parameter.size) > 1:
        return ()
    attributes = _as_istp(parameter)
    named = parameter.frame or _FIELD.fullmatch(parameter.name)
    if not named and not istp.sounds_like_a_vector(parameter.name, attributes):
        return ()
    frame = frame_of(parameter)
    return ("r", "t", "n") if frame == "RTN" else ("x", "y", "z") if frame else ("1", "2", "3")


def _as_istp(parameter: Parameter) -> dict[str, str]:
    """Return what a parameter says under the names that ISTP has for it."""
    label = parameter.label if isinstance(parameter.label, str) else ""
    return {"COORDINATE_SYSTEM": parameter.frame, "CATDESC": parameter.description, "LABLAXIS": label}


@lru_cache(maxsize=1024)
def frame_of(parameter: Parameter) -> str | None:
    """Return the frame that a parameter states, by coordinateSystemName, or by its name, labels and description.

    Examples
    --------
    >>> one = Parameter("BGSEc", "double", 0, (3,), "nT", None, "Magnetic field", "", "", (), ())
    >>> frame_of(one), frame_of(replace(one, name="V_GSM")), frame_of(replace(one, name="B"))
    ('GSE', 'GSM', None)
    """
    labels = parameter.label if isinstance(parameter.label, tuple) else ()
    said = istp.frame_stated(parameter.name, _as_istp(parameter), labels)
    if said is None and (found := _FIELD.fullmatch(parameter.name)):
        return found[1]
    return said


def dim_of(bins: Bins) -> str:
    """Return the dim that bins stand for, by their unit or their words.

    Examples
    --------
    >>> dim_of(Bins("E", "keV", None, None, "")), dim_of(Bins("f", "kHz", None, None, ""))
    ('energy', 'frequency')
    >>> dim_of(Bins("angle_bins", "degrees", None, None, "Pitch Angle"))
    'pitch_angle'
    """
    try:
        unit = facts.known_units(bins.units or "")
    except UnknownUnits:
        unit = ""
    if unit in istp.ENERGY_UNITS:
        return "energy"
    if re.fullmatch(r"[kMG]?Hz", unit):
        return "frequency"
    if re.search(r"pitch", f"{bins.name} {bins.label}", re.IGNORECASE):
        return "pitch_angle"
    word = plain_word(bins.name or bins.label or "bin")
    return f"{word}_bin" if word in ("time", "component") else word


def coordinates(
    axis: Axis, bins: Bins | None, values: Mapping[str, Any], assume: Mapping[str, str], notes: facts.Notes
) -> dict[str, xr.Variable]:
    """Return the coordinates of one axis: labels, centres with their ends, or tables of centres that move.

    Parameters
    ----------
    axis : Axis
    bins : Bins or None
        What the parameter says of it.
    values : mapping
        Columns of the parameters that move, fills as NaN.
    assume, notes
        As in :mod:`analysis.formats._facts`.
    """
    if axis.labels:
        name = "Component" if axis.dim == "component" else "Label"
        return {axis.dim: xr.Variable(axis.dim, list(axis.labels), {"long_name": name})}
    if bins is None or axis.table is None:
        return {}
    named = f"{axis.table}.{axis.dim}"
    attrs: dict[str, object] = dict(facts.units(named, bins.units, assume, notes, whole=False))
    attrs["long_name"] = bins.label or bins.name or axis.dim.replace("_", " ")
    centers = _centres(bins.centers, values)
    ranges = _centres(bins.ranges, values)
    low, high = (None, None) if ranges is None else (ranges[..., 0], ranges[..., 1])
    if centers is None:
        assert low is not None and high is not None  # else the axis would be bare
        centers, mean = _middle(low, high, axis.dim)
        notes.line(f"{axis.dim} of {axis.table} is the {mean} mean of the ends of each bin, as only these are given")
    made = {}
    for name, what, found in (("", "", centers), ("_low", "Lower end of ", low), ("_high", "Upper end of ", high)):
        if found is not None:
            moving = found.ndim == 2
            key = f"{axis.dim}_table" if moving and not name else f"{axis.dim}{name}"
            words = {"long_name": f"{what}{attrs['long_name']}"}
            made[key] = xr.Variable(("time", axis.dim) if moving else axis.dim, found, attrs | words)
    return made


def _centres(told: Any, values: Mapping[str, Any]) -> Any:
    """Return numbers of bins: those of the description, or those of each record; None for none."""
    if told is None:
        return None
    if isinstance(told, str):
        return values[told]
    found = np.array(told, dtype=float)
    found[np.abs(found) >= FILL_FROM] = np.nan
    return found


def _middle(low: Any, high: Any, dim: str) -> tuple[Any, str]:
    """Return the middles of bins, geometric where that is what the axis is drawn by and both ends are above zero."""
    if dim in GEOMETRIC and isinstance(low, np.ndarray) and bool((low > 0).all()):
        return np.sqrt(low * high), "geometric"
    return (low + high) / 2, "arithmetic"


def long_name(parameter: Parameter, assume: Mapping[str, str], notes: facts.Notes) -> str:
    """Return what a parameter is called for people: its description if it is short, else its label or a beginning."""
    label = parameter.label if isinstance(parameter.label, str) else ""
    said = parameter.description
    if len(said) > SHORT:
        first = re.split(r"(?<=[a-z)])[.;:] ", said)[0]
        said = (
            label if len(label) > 3 else first if len(first) <= SHORT else first[: SHORT - 1].rsplit(" ", 1)[0] + " …"
        )
    return facts.long_name(parameter.name, said or label or None, assume, notes)


def attributes(column: Column, place: Place, assume: Mapping[str, str], notes: facts.Notes) -> dict[str, object]:
    """Return units, long_name, frame and what else the description says of a variable."""
    parameter = column.parameter
    found: dict[str, object] = {"long_name": long_name(parameter, assume, notes)}
    if parameter.type in ("double", "integer"):
        spelled = parameter.units if isinstance(parameter.units, str) else None
        found |= facts.units(parameter.name, spelled, assume, notes, whole=parameter.type == "integer")
    vector = any(axis.dim == "component" for axis in place.axes)
    component = facts.is_component(parameter.name) and parameter.type in ("double", "integer")
    stated = frame_of(parameter)
    if vector or component or parameter.frame or f"frame.{parameter.name}" in assume:
        found["frame"] = facts.frame(parameter.name, stated, assume, notes)
    if parameter.description and parameter.description != found["long_name"]:
        found["description"] = parameter.description
    if parameter.components and len(parameter.components) == 1:
        found["vector_component"] = parameter.components[0]
    if column.source != parameter.name:
        found["source_name"] = column.source
    return found | {key: text for key, text in parameter.extra.items()}

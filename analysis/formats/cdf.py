"""CDF files as the ISTP guidelines describe them: one Dataset for each set of axes.

Variables keep the file's names. Axes get the data contract's: ``time``, ``energy``, ``pitch_angle``, ``component``;
other axes the lower-cased name of the variable that DEPEND_i or LABL_PTR_i names. Directions of a distribution are
``theta`` (polar angle or elevation; ``counted_from`` says "pole" or "equator" where the file tells) and ``phi``
(azimuth), after ``energy``: f(time, energy, theta, phi) in whatever order the file has them. Energies or angles that
change from record to record are a coordinate ``energy_table`` (time, energy) beside the dim ``energy``, which then
has no index. The
ends of energy bins are coordinates ``energy_low`` and ``energy_high`` where DELTA_PLUS_VAR or DELTA_MINUS_VAR of the
energies name their widths; energies that a file gives as one end of each bin become the middles.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisError, BadOption, CorruptFile, WrongData
from analysis.formats import _cdfaxes as axes
from analysis.formats import _cdfbins as bins
from analysis.formats import _cdfown as own
from analysis.formats import _facts as facts
from analysis.formats import _istp as istp
from analysis.formats import _part
from analysis.formats._cdfchoice import asked, names_in_file, with_companions
from analysis.formats._cdfopen import FAILS, identity, later_read, opened
from analysis.formats._cdfrecords import is_cdf
from analysis.formats._cdftimes import Rows, rows_of
from analysis.formats._cdfvalues import decoded, decoded_later
from analysis.model import breaches, check

if TYPE_CHECKING:
    from analysis.formats._cdfaxes import Axis, AxisSet, Place, Variable

PLAIN, NAMED = ("frame", "sort", "outside_valid"), ("frame", "units", "long_name")
CHOICES = {"sort": ("yes", "sorts records by time"), "outside_valid": ("nan", "blanks what is outside valid limits")}


@dataclass(frozen=True)
class _Source:
    """A file's variables and global attributes, where each stands, and how the user's facts and ours came in."""

    held: Mapping[str, Variable]
    places: Mapping[str, Place]
    attributes: Mapping[str, Sequence[object]]
    rows: Mapping[str, Rows]
    assume: Mapping[str, str]
    notes: facts.Notes
    named: frozenset[str] | None = None  # asked for
    wanted: frozenset[str] | None = None  # the same, and what comes along
    later: Callable[[Variable, NDArray | None], Any] | None = None


def recognises(head: bytes) -> bool:
    """Return whether these are the first bytes of a CDF file.

    Examples
    --------
    >>> recognises(bytes.fromhex("cdf300010000ffff")), recognises(b"<!DOCTYPE html>")
    (True, False)
    """
    return is_cdf(head)


def read(
    path: Path, assume: Mapping[str, str], *, variables: Collection[str] | None = None, lazy: bool = False
) -> xr.Dataset | xr.DataTree:
    """Return what a CDF file holds: a Dataset, or a DataTree if its variables stand on several sets of axes.

    Parameters
    ----------
    path : pathlib.Path
        A CDF file of version 2 or 3, compressed or not.
    assume : mapping
        Facts that the file leaves out: ``frame`` or ``frame.NAME``, ``units.NAME``, ``long_name.NAME``. ``sort``:
        "yes" permits records out of order, which are refused otherwise. ``outside_valid``: "nan" blanks what is
        outside VALIDMIN and VALIDMAX.
    variables : collection of str, optional
        Only these are read, with their axes, their widths or uncertainties, and the quality flags on their records.
    lazy : bool, optional
        Whether variables are Dask arrays, each one chunk that is read when it is first computed. Axes and whole
        numbers that declare a fill are read at once.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Times in UTC, fills as NaN, vectors with ``component`` and ``frame``, spectrograms as ``time, energy[,
        pitch_angle]``. Seconds that say they count from 1970 are times; a numeric ``time`` that says no date is a
        plain number called ``clock``. VALIDMIN and VALIDMAX are kept as ``valid_min`` and ``valid_max``, not applied.

    Raises
    ------
    CorruptFile
        If the file is cut short or damaged.
    WrongData
        If it holds variables but no records, or records out of order.
    BadOption
        If ``assume`` has a key that is not understood, or contradicts the file.
    UnknownVariable
        If there is none of a name asked for.

    Examples
    --------
    >>> from analysis import sample
    >>> tree = read(sample.path("psp_fld_l2_mag_rtn_1min_20200104_v02.cdf"), {})
    >>> field = tree["mag_rtn_1min/psp_fld_l2_mag_RTN_1min"]
    >>> field.dims, field.attrs["units"], field.attrs["frame"]
    (('time', 'component'), 'nT', 'RTN')
    """
    notes = facts.Notes(path.name)
    with opened(path) as (held, attributes):
        facts.accepted(assume, file=path.name, plain=PLAIN, named=NAMED, variables=held)
        for key, (word, does) in CHOICES.items():
            if assume.get(key, word) != word:
                raise BadOption(f"{path.name}: assume[{key!r}] is {assume[key]!r}; {word!r} {does}")
        try:
            if not assume.keys() & CHOICES.keys():
                later = partial(later_read, path, identity(path), own.floats) if lazy else None
                if (written := own.datasets(held, attributes, variables, later)) is not None:
                    own.agree(written, assume, path.name)
                    tree = xr.DataTree.from_dict(written, name=own.tree_name(attributes))
                    result = written["/"] if list(written) == ["/"] else tree
                    wanted = None if variables is None else tuple(variables)
                    result = _part.cut(result, wanted, path.name, known=own.names(held))
                    if not breaches(result):
                        return result
            decode = partial(decoded_later, "outside_valid" in assume)
            later = partial(later_read, path, identity(path), decode) if lazy else None
            source = replace(_placed(held, attributes, assume, notes, variables), later=later)
            found = axes.sets(source.places)
            nodes = {part.name: _dataset(source, part) for part in asked(found, source.wanted, source.named)}
        except AnalysisError:
            raise
        except FAILS as error:
            raise CorruptFile(f"{path.name}: its values cannot be decoded ({error}); get the file again") from error
    notes.warn()
    stamped = {name: _stamped(source, node) for name, node in nodes.items()}
    result = next(iter(stamped.values())) if len(stamped) == 1 else xr.DataTree.from_dict(stamped)
    return check(result)


def _placed(
    held: Mapping[str, Variable],
    attributes: Mapping[str, Sequence[object]],
    assume: Mapping[str, str],
    notes: facts.Notes,
    variables: Collection[str] | None,
) -> _Source:
    """Return the file with the records to keep of each time axis; refuse one that holds no records."""
    places = axes.places(held, notes)
    named = None if variables is None else names_in_file(variables, held, places, notes.file)
    wanted = None if named is None else with_companions(named, held, places)
    clocks = [c for c in dict.fromkeys(place.record for place in places.values()) if c in held]
    if idle := [n for n, v in held.items() if v.kind == "time" and v.varies and n not in (*clocks, *places)]:
        notes.line(f"left out as no variable's time axis, or equal to another: {', '.join(idle)}")
    rows: dict[str, Rows] = {}
    substitutes = {p.name for v in held.values() if (p := v.pointer("DEPEND_TIME", held)) is not None}
    for clock in clocks:
        there = [n for n, p in places.items() if p.record == clock and held[n].records == held[clock].records]
        if wanted is not None and not wanted & set(there):
            continue
        members = [held[n] for n in there]
        seconds = axes.is_unix(held[clock], is_time=clock in substitutes)
        if held[clock].records and (held[clock].kind == "time" or seconds):
            rows[clock] = rows_of(held[clock], members, notes, sort="sort" in assume)
    kept = {}
    for name, place in places.items():
        expected = held[place.record].records if place.record in held else held[name].records
        if held[name].records == 0:
            notes.line(f"{name} is declared without records and left out")
        elif held[name].records and place.record in held and not expected:
            notes.guess(f"left out, as their time axis {place.record} is declared without records", name)
        elif held[name].records != expected:
            notes.guess(f"left out, not as many records as their time axis {place.record} has", name)
        elif place.record in rows and not rows[place.record].times.size:
            notes.line(f"{name} has no record with a valid time and is left out")
        else:
            kept[name] = place
    if not any(place.record for place in kept.values()) and (clocks or not kept):
        if notes.guesses:
            raise WrongData(
                f"{notes.file} holds no variable that can be put on a time axis: {'; '.join(notes.lines())}"
            )
        declared = ", ".join(held) or "none"
        raise WrongData(
            f"{notes.file} holds metadata but no records (a master or an empty day's file); it declares {declared}"
        )
    if lost := [n for n in named or () if n not in kept]:
        raise WrongData(f"{notes.file}: {', '.join(lost)} cannot be read: {'; '.join(notes.lines())}")
    return _Source(held, kept, attributes, rows, assume, notes, named, wanted)


def _dataset(source: _Source, part: AxisSet) -> xr.Dataset:
    coords: dict[str, xr.Variable] = {}
    plain = _record_dim(source, part.record)
    if part.record in source.rows:
        coords["time"] = _time(source, part.record)
    elif part.record in source.held:
        values = decoded(source.held[part.record], source.notes)
        if plain == "clock":
            source.notes.guess(facts.NO_DATE, part.record)
        coords[plain] = xr.Variable(plain, values, _attributes(source, part.record))
    data = {}
    for name in part.variables:
        place = source.places[name]
        record = _record_dim(source, place.record)
        for axis in place.axes:
            coords |= _coordinates(source, axis, record, place.record)
        dims = ([record] if record else []) + [axis.dim for axis in place.axes]
        values = _data(source, source.held[name], place.record)
        variable = xr.Variable(dims, values, _attributes(source, name))
        if any(axis.dim == "theta" and axis.key == f"grid:{name}" for axis in place.axes):
            variable.attrs.update(_counted_from(source, source.held[name]))
        data[name] = variable.transpose(*_ordered(dims))
    return xr.Dataset(_renamed(data, coords, source.notes), coords)


def _renamed(
    data: Mapping[str, xr.Variable], coords: Mapping[str, xr.Variable], notes: facts.Notes
) -> dict[str, xr.Variable]:
    """Return variables under names without a slash that no axis and no other variable has."""
    axes_names = {"time", *coords, *(str(dim) for variable in data.values() for dim in variable.dims)}
    found = {name: variable for name, variable in data.items() if "/" not in name and name not in axes_names}
    for name, variable in data.items():
        if name in found:
            continue
        plain = name.replace("/", "_")
        wanted = f"{plain}_variable" if plain in axes_names else plain
        taken = {*axes_names, *found}
        found[free := facts.free_name(wanted, taken)] = variable
        notes.line(f"the file's variable {name} is here {free}, a name that no axis or other variable has")
    return found


def _ordered(dims: Sequence[str]) -> list[str]:
    """Return dims in the contract's order: record, energy, directions, what else there is, component."""
    order = ("energy", "theta", "phi", "pitch_angle")
    places = {d: order.index(d) if d in order else 9 if d.startswith("component") else 5 for d in dims}
    return sorted(dims, key=lambda d: -1 if d == dims[0] and d not in (*order, "component") else places[d])


def _record_dim(source: _Source, record: str) -> str:
    """Return the dim of a record axis, "" for what doesn't vary."""
    if not record:
        return ""
    if record in source.rows:
        return "time"
    word = axes.plain_word(record) if record in source.held else "record"
    return "clock" if word == "time" else word


def _time(source: _Source, clock: str) -> xr.Variable:
    attributes = source.held[clock].attributes
    said = istp.text(attributes, "CATDESC") or "Time"
    widths = {key: word for key, word in istp.more(attributes, "").items() if key.startswith("delta_")}
    named = {"long_name": "Time (UTC)", "catdesc": said, "source_name": clock, **widths}
    return xr.Variable("time", source.rows[clock].times, named)


def _data(source: _Source, variable: Variable, record: str) -> Any:
    """Return a measurement's values, where asked as a promise to read them."""
    counted = variable.whole and ("FILLVAL" in variable.attributes or "outside_valid" in source.assume)
    if source.later is None or not variable.varies or variable.kind != "number" or counted:
        return _decoded(source, variable, record, mask="outside_valid" in source.assume)
    return source.later(variable, source.rows[record].chosen if record in source.rows else None)


def _decoded(source: _Source, variable: Variable, record: str, *, mask: bool = False) -> NDArray:
    """Return values with fills as NaN, only the records kept, in the order of time."""
    values = decoded(variable, source.notes, mask=mask)
    if not variable.varies:
        return values[0]
    chosen = source.rows[record].chosen if record in source.rows else None
    return values if chosen is None else values[chosen]


def _coordinates(source: _Source, axis: Axis, record: str, clock: str) -> dict[str, xr.Variable]:
    """Return the coordinate of one axis: labels, values, or a table of values that change in time."""
    if axis.dim.startswith("component"):
        return {axis.dim: xr.Variable(axis.dim, list(axis.labels), {"long_name": "Component"})}
    if axis.table is None:
        return {}
    table = source.held[axis.table]
    attributes = _attributes(source, axis.table) | {"source_name": axis.table}
    if axis.dim == "theta":
        attributes |= _counted_from(source, table)
    if axis.labels:
        return {axis.dim: xr.Variable(axis.dim, list(axis.labels), attributes)}
    values = _decoded(source, table, clock)
    if axis.moving:
        name, variable = f"{axis.dim}_table", xr.Variable((record, axis.dim), values, attributes)
    else:
        name, variable = axis.dim, xr.Variable(axis.dim, values[0] if table.varies else values, attributes)
    return (_bins(source, table, variable, (name, axis.dim, record), clock) if axis.dim == "energy" else {}) or {
        name: variable
    }


def _counted_from(source: _Source, table: Variable) -> dict[str, str]:
    """Return whether polar angles or elevations are meant, where words or numbers tell."""
    values = decoded(table, source.notes)
    unit = _attributes(source, table.name).get("units")
    scale = 180 / np.pi if unit == "rad" else 1.0
    said = [table.name, *(istp.text(table.attributes, key) or "" for key in ("FIELDNAM", "CATDESC", "VAR_NOTES"))]
    lowest, highest = (float(reduce(values, axis=None)) * scale for reduce in (np.fmin.reduce, np.fmax.reduce))
    found = istp.angle_from(said, lowest, highest)
    return {"counted_from": found} if found else {}


def _bins(
    source: _Source, table: Variable, variable: xr.Variable, names: tuple[str, str, str], clock: str
) -> dict[str, xr.Variable]:
    """Return an axis of energies with the ends of its bins; nothing where the file states no widths for it."""
    name, dim, record = names
    pointed = [table.pointer(key, source.held) for key in ("DELTA_PLUS_VAR", "DELTA_MINUS_VAR")]
    if pointed == [None, None]:
        return {}
    found = [np.zeros_like(variable.values) if w is None else _width(source, w, variable, clock) for w in pointed]
    made: dict[str, xr.Variable] = {}
    if found[0] is None or found[1] is None:
        what = "no bins, as the widths are not of its shape or unit"
    else:
        made, what = bins.coordinates(
            variable, bins.Widths(above=found[0], below=found[1]), dim=dim, record=record, name=name
        )
    source.notes.line(bins.history_line(table.name, what, variable.attrs))
    return made


def _width(source: _Source, width: Variable, variable: xr.Variable, clock: str) -> NDArray | None:
    """Return the widths of an axis's bins in its unit, by record only if they change; None if they do not fit."""
    records = source.held[clock].records if clock in source.held else width.records
    by_record = width.varies and clock != ""
    if width.kind != "number" or width.shape != variable.shape[-1:] or not width.records:
        return None
    if width.varies and (not by_record or width.records != records):
        return None
    values = _decoded(source, width, clock)
    if by_record and variable.ndim == 1 and (values == values[:1]).all():
        values = values[0]
    return bins.converted(values, _attributes(source, width.name).get("units", "1"), variable.attrs.get("units", "1"))


def _attributes(source: _Source, name: str) -> dict[str, object]:
    """Return units, long_name, frame and what else ISTP says of a variable."""
    variable, notes = source.held[name], source.notes
    said = istp.name_stated(variable.attributes, list(source.held))
    attributes: dict[str, object] = {"long_name": facts.long_name(name, said, source.assume, notes)}
    if variable.kind == "number":
        spelled = _units_stated(source, variable)
        attributes |= facts.units(name, spelled, source.assume, notes, whole=variable.whole)
    place = source.places.get(name)
    vector = place is not None and any(axis.dim == "component" for axis in place.axes)
    labels = [label for axis in place.axes for label in axis.labels] if place else []
    stated = istp.frame_stated(name, variable.attributes, labels)
    asked = f"frame.{name}" in source.assume
    if vector or asked or facts.is_component(name):
        attributes["frame"] = facts.frame(name, stated, source.assume, notes)
    return attributes | istp.more(variable.attributes, str(attributes["long_name"]))


def _units_stated(source: _Source, variable: Variable) -> str | None:
    """Return the unit as the file spells it; None where it says nothing."""
    if "UNITS" in variable.attributes:
        return str(variable.attributes["UNITS"]).strip(" \0")
    pointed = variable.pointer("UNIT_PTR", source.held)
    if pointed is not None and pointed.kind == "text" and pointed.records:
        spelled = list(dict.fromkeys(str(word) for word in pointed.read().reshape(-1)))
        if len(spelled) > 1:
            source.notes.line(f"{variable.name} has a unit for each place of its last axis: {', '.join(spelled)}")
        return spelled[0] if len(spelled) == 1 else ""
    limits = [variable.attributes.get(key) for key in ("VALIDMIN", "VALIDMAX")]
    if "pitch" in variable.name.lower() and limits == [[0.0], [180.0]]:
        source.notes.line(f"{variable.name} states no unit; degrees, as its valid range 0 to 180 says")
        return "deg"
    return None


def _stamped(source: _Source, data: xr.Dataset) -> xr.Dataset:
    stated = istp.of_file(source.attributes, source.notes.file)
    return data.assign_attrs(
        {
            **stated,
            "history": "\n".join(["decoded by its ISTP attributes", *source.notes.lines()]),
            "provenance": "{}",
        }
    )

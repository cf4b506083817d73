"""netCDF 3 and 4 by the CF conventions, and plain HDF5, whose arrays get axes by their lengths and no meaning.

A file that Sankō wrote with ``to_netcdf`` comes back identical: what already keeps the data contract is not touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisError, BadOption, CorruptFile, UnknownFormat, WrongData
from analysis.formats import _facts as facts
from analysis.formats import _hdf5
from analysis.formats._netcdfwrite import MARK, TREE, WRITER
from analysis.model import check

CLASSIC = (b"CDF\x01", b"CDF\x02")
CLASSIC_64 = b"CDF\x05"
STATED = ("institution", "source", "references", "license", "history")
NAMES = ("long_name", "standard_name", "LONG_NAME", "description", "Description", "comment", "title")
FILLS = ("_FillValue", "missing_value")
ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?)?Z?")
YEARS = (1678, 2261)  # whole years that nanoseconds in 64 bits reach
FAILS = (
    *(OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, IndexError),
    *(NotImplementedError, OverflowError, MemoryError, EOFError),
)


def recognises(head: bytes) -> bool:
    """Return whether these are the first bytes of a netCDF or HDF5 file.

    Examples
    --------
    >>> recognises(b"CDF\\x02"), recognises(b"\\x89HDF\\r\\n\\x1a\\n"), recognises(b"\\xcd\\xf3\\x00\\x01")
    (True, True, False)
    """
    return head[:4] in (*CLASSIC, CLASSIC_64) or any(head[at : at + 8] == _hdf5.SIGNATURE for at in _hdf5.starts())


def read(path: Path, assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    """Return what a netCDF or HDF5 file holds: a Dataset, or a DataTree where there are groups.

    Parameters
    ----------
    path : pathlib.Path
        netCDF 3, netCDF 4 or any other HDF5 file.
    assume : mapping
        Facts that the file leaves out: ``units.NAME``, ``long_name.NAME``, ``frame`` or ``frame.NAME``. ``sort``:
        "yes" permits times out of order, which are refused otherwise.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Fills as NaN (whole numbers without a fill stay whole), times as UTC, units as astropy reads them. Arrays of
        plain HDF5 have the dim ``row``, or ``row_N`` for each length N where there are several. A ``time`` that has
        no UTC (no reference date, a model's calendar, months) is a plain number called ``clock``; dims called
        ``spectrum``, ``parameter`` or ``cells``, which mean something else here, end in ``_dim``.

    Raises
    ------
    CorruptFile
        If the file is cut short or damaged.
    UnknownFormat
        For netCDF's 64-bit data variant (CDF-5).
    WrongData
        If it holds no arrays, or times that cannot be put in order.
    BadOption
        If ``assume`` has a key that is not understood, or contradicts the file.

    Examples
    --------
    >>> from analysis import sample
    >>> flux = read(sample.path("goes16_xrs_20170910.nc"), {"units.au_factor": "1"})["xrsb_flux"]
    >>> flux.attrs["units"], f"{float(flux.max()):.3e}"
    ('W/m2', '1.297e-03')
    """
    notes = facts.Notes(path.name)
    with _damage(path):
        raw = _raw(path, notes)
        tree = raw["/"].attrs.get(TREE) if raw["/"].attrs.get(MARK) == WRITER else None
        nodes = {name: _arrays_only(_unmarked(node), notes) for name, node in raw.items()}
        nodes = {name: _decoded(node, path, notes) for name, node in nodes.items()}
    names = {str(name) for node in nodes.values() for name in node.variables}
    facts.accepted(
        assume,
        file=path.name,
        plain=("frame", "sort"),
        named=("units", "long_name", "frame"),
        variables=names,
    )
    if assume.get("sort", "yes") != "yes":
        raise BadOption(f"{path.name}: assume['sort'] is {assume['sort']!r}; 'yes' sorts by time")
    if not names:
        raise WrongData(f"{path.name} holds no arrays")
    described = {name: _described(node, assume, notes) for name, node in nodes.items()}
    notes.warn()
    stamped = {name: _stamped(node, notes) if node.variables else node for name, node in described.items()}
    return check(stamped["/"] if len(stamped) == 1 else xr.DataTree.from_dict(stamped, name=tree))


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn what the libraries raise on a bad file into our error."""
    try:
        yield
    except AnalysisError:
        raise
    except FAILS as error:
        raise CorruptFile(f"{path.name}: cut short or damaged ({error}); get the file again") from error


def _raw(path: Path, notes: facts.Notes) -> dict[str, xr.Dataset]:
    """Return the undecoded groups of a file, loaded, by path."""
    import h5py

    with path.open("rb") as file:
        magic = file.read(4)
    if magic == CLASSIC_64:
        raise UnknownFormat(f"{path.name} is netCDF's 64-bit data variant (CDF-5); 'nccopy -k nc4' makes it readable")
    if magic in CLASSIC:
        with xr.open_dataset(path, engine="scipy", decode_cf=False, mask_and_scale=False) as data:
            return {"/": data.load()}
    _hdf5.refuse_endless_heaps(path)
    with h5py.File(path, "r") as held:
        _hdf5.refuse_unlikely_sizes(held, path)
        if not _hdf5.has_dimensions(held):
            return _hdf5.plain(held, notes)
        surplus = _hdf5.surplus_links(held)
    if surplus:
        notes.line(f"links that lead nowhere, to another file or to a group again left out: {', '.join(surplus)}")
    source = _hdf5.without_links(path, surplus) if surplus else path
    with xr.open_datatree(
        source, engine="h5netcdf", decode_cf=False, mask_and_scale=False, phony_dims="access"
    ) as tree:
        nodes = {node.path: node.to_dataset(inherit=False).load() for node in tree.subtree}
    return nodes


def _unmarked(data: xr.Dataset) -> xr.Dataset:
    """Return a group without what :func:`analysis.formats.write` said of the file, not of the data."""
    if data.attrs.get(MARK) != WRITER:
        return data
    return xr.Dataset(
        data.variables, attrs={key: word for key, word in data.attrs.items() if key not in (MARK, TREE, "Conventions")}
    )


def _arrays_only(data: xr.Dataset, notes: facts.Notes) -> xr.Dataset:
    """Return a group without lists of varying length, which are no array, and single words out of their lists."""
    for name, variable in data.variables.items():
        if variable.dtype.kind == "O" and not all(isinstance(v, str | bytes | None) for v in variable.values.flat):
            notes.guess(_hdf5.NO_ARRAY, str(name))
            data = data.drop_vars([name])
        else:
            variable.attrs.update({k: word for k, v in variable.attrs.items() if (word := _hdf5.one_word(v))})
    return data


def _decoded(data: xr.Dataset, path: Path, notes: facts.Notes) -> xr.Dataset:
    """Return a group with fills as NaN and times as ``datetime64[ns]``; whole numbers stay whole without a fill."""
    coder = xr.coders.CFDatetimeCoder(use_cftime=False, time_unit="ns")
    kept = {
        name: _without_idle_fill(_without_foreign_calendar(str(name), variable, coder, notes))
        for name, variable in data.variables.items()
    }
    try:
        decoded = xr.decode_cf(xr.Dataset(kept, attrs=data.attrs), decode_times=coder, decode_timedelta=False)
    except (ValueError, OverflowError) as error:
        raise WrongData(f"{path.name}: times or fills cannot be decoded ({str(error).splitlines()[0]})") from error
    return decoded.load()


def _without_foreign_calendar(
    name: str, variable: xr.Variable, coder: xr.coders.CFDatetimeCoder, notes: facts.Notes
) -> xr.Variable:
    """Return times that have no UTC (a model's calendar, months, the year 1) as plain numbers, their units kept."""
    stated = str(variable.attrs.get("units", ""))
    if " since " not in stated:
        return variable
    try:
        coder.decode(variable, name=name).load()
        return variable
    except (ValueError, OverflowError, TypeError, KeyError):
        attrs = {key: value for key, value in variable.attrs.items() if key not in ("units", "calendar")}
        attrs["time_units"] = stated
        if calendar := str(variable.attrs.get("calendar", "")):
            attrs["time_calendar"] = calendar
        unit = stated.split(" since ")[0].strip().lower()
        attrs["units"] = {"months": "1", "month": "1"}.get(unit, unit)
        said = f"{stated!r}{f' of the calendar {calendar!r}' if calendar else ''} has no UTC here"
        notes.guess(f"time in {said}, kept as plain numbers{' under the name clock' * (name == 'time')}", name)
        return xr.Variable(variable.dims, variable.values, attrs)


def _without_idle_fill(variable: xr.Variable) -> xr.Variable:
    """Return whole numbers without their fill value if none of them is it: decoding makes all others floats."""
    fills = [variable.attrs[key] for key in FILLS if key in variable.attrs]
    time = " since " in str(variable.attrs.get("units", ""))
    if variable.dtype.kind not in "iu" or not fills or time or {"scale_factor", "add_offset"} & set(variable.attrs):
        return variable
    if np.isin(variable.values, np.asarray(fills, dtype=object).ravel().tolist()).any():
        return variable
    attrs = {key: value for key, value in variable.attrs.items() if key not in FILLS}
    return xr.Variable(variable.dims, variable.values, attrs)


def _described(data: xr.Dataset, assume: Mapping[str, str], notes: facts.Notes) -> xr.Dataset:
    """Return a group whose every variable has units, a long_name and, if it is a vector, a frame."""
    data = _with_own_names(data, notes)
    ready = {name: _variable(str(name), v, assume, notes) for name, v in data.variables.items()}
    result = xr.Dataset(ready, attrs=data.attrs).set_coords(list(data.coords))
    for dim in [dim for dim, index in result.indexes.items() if index.dtype.kind == "M"]:
        result = _in_order(result, str(dim), notes, sort="sort" in assume)
    return result


def _with_own_names(data: xr.Dataset, notes: facts.Notes) -> xr.Dataset:
    """Return a group without the names that mean something else here: times without a date, dims of our results."""
    if "provenance" in data.attrs:
        return data
    if (
        "time" in data.variables
        and data["time"].dtype.kind in "fiu"
        and "mjdref" not in {*data.attrs, *data["time"].attrs}
    ):
        if "time_units" not in data["time"].attrs:
            notes.guess(facts.NO_DATE, "time")
        data = data.rename({"time": facts.free_name("clock", {*map(str, data.variables), *map(str, data.dims)})})
    ours = {
        "spectrum": "spectrum" in data.coords and data["spectrum"].dtype.kind in "OSUT",
        "parameter": "statistic" in data.attrs,
        "cells": "cell_ids" in data.variables and "grid_name" in data["cell_ids"].attrs,
    }
    for dim in [dim for dim, own in ours.items() if dim in data.dims and not own]:
        free = facts.free_name(f"{dim}_dim", {*map(str, data.variables), *map(str, data.dims)})
        data = data.rename_dims({dim: free})
        notes.line(f"the file's dimension {dim} is here {free}, as {dim} is the axis of a result of Sankō")
    return data


def _variable(name: str, variable: xr.Variable, assume: Mapping[str, str], notes: facts.Notes) -> xr.Variable:
    values = _values(name, variable, notes)
    attrs = dict(variable.attrs)
    if "grid_name" in attrs:  # cell ids: xdggs decodes them only without any attribute of ours
        return xr.Variable(variable.dims, values, attrs, variable.encoding)
    stated = next((str(attrs[key]).strip() for key in NAMES if str(attrs.get(key, "")).strip()), None)
    attrs["long_name"] = facts.long_name(name, stated, assume, notes)
    if values.dtype.kind in "fiucb":
        spelled = next((str(attrs.pop(key)) for key in ("units", "Units", "UNITS", "unit") if key in attrs), None)
        attrs |= facts.units(name, spelled, assume, notes, whole=variable.dtype.kind in "iub")
    if name != "component" and ("component" in variable.dims or facts.is_component(name)):
        given = str(attrs.get("frame", "")).strip() or None
        attrs["frame"] = facts.frame(name, given, assume, notes)
    return xr.Variable(variable.dims, values, attrs, variable.encoding)


def _values(name: str, variable: xr.Variable, notes: facts.Notes) -> NDArray:
    """Return values in the machine's byte order, text as text, and numbers too large to be any as NaN."""
    values: Any = variable.values
    if values.dtype.kind in "OSU" or values.dtype.kind == "T":
        text = np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.flat])
        values = text.reshape(values.shape) if text.size else np.empty(values.shape, "U1")
        return _times_of_text(values, notes) if name == "time" else values
    if values.dtype.kind in "iuf" and not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if name == "time" and values.dtype.kind in "iu":
        values = values.astype(float)
    return facts.without_unmeasured(name, values, notes) if values.dtype.kind == "f" and values.size else values


def _times_of_text(values: NDArray, notes: facts.Notes) -> NDArray:
    """Return dates written by ISO 8601 as times; numpy alone would wrap years that nanoseconds do not reach."""
    words = np.char.strip(values)
    for word in words.flat:
        if word in ("", "NaT"):
            continue
        if ISO.fullmatch(word) is None:
            raise WrongData(f"{notes.file}: time is text that is not a date of ISO 8601 such as 2001-03-31 ({word!r})")
        if not YEARS[0] <= int(word[:4]) <= YEARS[1]:
            raise WrongData(f"{notes.file}: the time {word} is outside the years {YEARS[0]} to {YEARS[1]} read here")
    try:
        return np.char.rstrip(words, "Z").astype("datetime64[ns]")
    except ValueError as error:
        raise WrongData(f"{notes.file}: time holds a date that does not exist ({error})") from error


def _in_order(data: xr.Dataset, dim: str, notes: facts.Notes, *, sort: bool) -> xr.Dataset:
    """Return records in the order of time, without those that have none and exact duplicates."""
    times = data[dim].values
    if bool((times[1:] > times[:-1]).all()) and not np.isnat(times[:1]).any():
        return data
    if lost := int(np.isnat(times).sum()):
        data = data.isel({dim: np.flatnonzero(~np.isnat(times))})
        notes.line(f"{lost} records without a valid {dim} dropped")
    times = data[dim].values
    back = np.flatnonzero(times[1:] < times[:-1])
    if back.size:
        if not sort:
            raise WrongData(
                f"{notes.file}: {dim} runs backwards at {back.size} places, first from {times[back[0]]} to "
                f"{times[back[0] + 1]}; give assume={{'sort': 'yes'}} to sort the records"
            )
        data = data.isel({dim: np.argsort(times, kind="stable")})
        notes.line(f"records sorted by {dim}, as asked: {back.size} ran backwards")
        times = data[dim].values
    again = np.flatnonzero(times[1:] == times[:-1])
    if not data.isel({dim: again}).equals(data.isel({dim: again + 1})):
        raise WrongData(f"{notes.file}: {again.size} records have the {dim} of the one before but other values")
    if again.size:
        notes.line(f"{again.size} exact duplicates of records dropped")
    return data.isel({dim: np.delete(np.arange(times.size), again + 1)})


def _stamped(data: xr.Dataset, notes: facts.Notes) -> xr.Dataset:
    """Return a group with the global attributes of the data contract, what the file says kept as it is."""
    attrs = dict(data.attrs)
    attrs["title"] = str(attrs.get("title", "")).strip() or notes.file
    for key in STATED:
        attrs[key] = str(attrs.get(key, "")).strip() or facts.NOT_STATED
    if lines := notes.lines():
        attrs["history"] = "\n".join([*lines, attrs["history"]])
    try:
        json.loads(attrs.get("provenance", "{}"))
    except (TypeError, ValueError):
        attrs["file_provenance"] = str(attrs["provenance"])
        attrs["provenance"] = "{}"
    return data.assign_attrs({**attrs, "provenance": attrs.get("provenance", "{}")})

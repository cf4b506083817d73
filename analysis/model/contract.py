"""The data contract: what every dataset that leaves Sankō keeps, and a check that names every breach."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import xarray as xr

from analysis.errors import ContractBreach, WrongData
from analysis.model.provenance import GLOBAL_ATTRS
from analysis.model.units import _parsed

FILL_FROM = 1e30  # below it nothing is looked at twice
FILLS = ((1.6374e30, 1.6376e30), (9.99e30, 1.001e31))  # magnitudes: HEALPix's UNSEEN, ISTP's -1e31
SPECTRA = {"TT", "EE", "BB", "TE", "EB", "TB", "ET", "BE", "BT"}
STOKES = {"I", "Q", "U", "V"}
FIT_ATTRS = ("statistic", "statistic_value", "dof", "bins")

Data = TypeVar("Data", bound=xr.Dataset | xr.DataArray | xr.DataTree)


def check(data: Data) -> Data:
    """Return the data unchanged if they keep the data contract.

    Parameters
    ----------
    data : xarray.Dataset, xarray.DataArray or xarray.DataTree
        A DataArray is checked as a variable only; each node of a DataTree as a Dataset.

    Raises
    ------
    ContractBreach
        Naming every breach, not only the first (:func:`breaches` returns them as a list).

    Examples
    --------
    >>> check(xr.DataArray(5.0, name="n", attrs={"units": "furlong?"}))
    Traceback (most recent call last):
    ...
    analysis.errors.ContractBreach: 2 breaches of the data contract:
    - n: units 'furlong?' do not parse with astropy
    - n: no long_name
    """
    found = breaches(data)
    if found:
        plural = "breach" if len(found) == 1 else "breaches"
        raise ContractBreach(f"{len(found)} {plural} of the data contract:\n- " + "\n- ".join(found))
    return data


def breaches(data: xr.Dataset | xr.DataArray | xr.DataTree) -> list[str]:
    """Return one line for each breach of the data contract, an empty list if there is none.

    Examples
    --------
    >>> breaches(xr.DataArray(5.0, name="n", attrs={"units": "cm-3", "long_name": "Density"}))
    []
    """
    if isinstance(data, xr.DataTree):
        found = []
        for node in data.subtree:
            if node.has_data:
                where = "" if node.path == "/" else f"{node.path}: "
                found += [where + line for line in breaches(node.to_dataset(inherit=False))]
        return found if found or any(n.has_data for n in data.subtree) else ["the tree holds no data"]
    if isinstance(data, xr.DataArray):
        name = str(data.name or "array")
        named = {name: data.variable, **{str(k): v.variable for k, v in data.coords.items() if k != name}}
        return [line for key, variable in named.items() for line in _of_variable(key, variable, key in data.dims)]
    if not isinstance(data, xr.Dataset):
        raise WrongData(f"check takes an xarray Dataset, DataArray or DataTree, not {type(data).__name__}")
    found = [f"no global attribute {name!r}" for name in GLOBAL_ATTRS if not str(data.attrs.get(name, "")).strip()]
    found += _of_provenance(data)
    for key, variable in data.variables.items():
        found += _of_variable(str(key), variable, key in data.dims)
    for rule in (_of_events, _of_sky, _of_spectra, _of_fit, _of_frames):
        found += rule(data)
    return found


def _of_provenance(data: xr.Dataset) -> Iterator[str]:
    if "provenance" in data.attrs:
        try:
            json.loads(data.attrs["provenance"])
        except (TypeError, ValueError):
            yield "provenance is not JSON text"


def _of_variable(name: str, variable: xr.Variable, is_index: bool) -> Iterator[str]:
    """Breaches of one variable: units, long_name, fills; for times also resolution and order."""
    attrs, kind = variable.attrs, variable.dtype.kind
    if "grid_name" in attrs:  # cell ids: xdggs decodes them only without any attribute of ours
        return
    if kind in "fiucb":
        if "units" not in attrs:
            yield f"{name}: no units"
        elif not isinstance(attrs["units"], str) or _parsed(attrs["units"]) is None:
            yield f"{name}: units {attrs['units']!r} do not parse with astropy"
    if not str(attrs.get("long_name", "")).strip():
        yield f"{name}: no long_name"
    if kind in "fc" and variable.size and variable.chunks is None:  # a lazy array is not computed for a check
        largest = _largest(variable.values)
        if largest >= FILL_FROM and is_fill(variable.values).any():
            yield f"{name}: holds fills or infinities (up to {largest:g}); fills must be NaN"
    if kind == "M":
        yield from _of_time(name, variable, is_index)
    elif name == "time" and kind not in "fM":
        yield f"time: is {variable.dtype}, not datetime64[ns] in UTC"
    if name != "component" and "component" in variable.dims and not str(attrs.get("frame", "")).strip():
        yield f"{name}: a vector without attrs['frame']"


def is_fill(values: np.ndarray) -> np.ndarray:
    """Return where numbers are infinite or the fill values of archives, -1e31 and -1.6375e30.

    Other large numbers are left alone: a quasar's luminosity is 1e47 erg/s.

    Examples
    --------
    >>> is_fill(np.array([1e44, -1e31, -1.6375e30, np.inf, np.nan])).tolist()
    [False, True, True, True, False]
    """
    size = np.abs(values)
    return np.isinf(size) | np.logical_or.reduce([(size >= low) & (size <= high) for low, high in FILLS])


def _largest(values: np.ndarray) -> float:
    """Return the largest magnitude, NaN apart; of real numbers without a copy of them."""
    if values.dtype.kind == "c":
        return float(np.fmax.reduce(np.abs(values), axis=None, initial=0.0))
    highest = np.fmax.reduce(values, axis=None, initial=0.0)
    return float(max(highest, -np.fmin.reduce(values, axis=None, initial=0.0)))


def _of_time(name: str, variable: xr.Variable, is_index: bool) -> Iterator[str]:
    if variable.dtype != np.dtype("datetime64[ns]"):
        yield f"{name}: is {variable.dtype}, not datetime64[ns]"
    if is_index and variable.ndim == 1:
        values = variable.values
        if np.isnat(values).any():
            yield f"{name}: holds NaT"
        elif values.size > 1 and not (values[1:] > values[:-1]).all():
            yield f"{name}: not strictly increasing"


def _of_events(data: xr.Dataset) -> Iterator[str]:
    if "event" in data.dims and "time" in data.variables:
        for attr in ("mjdref", "timesys"):
            if attr not in data["time"].attrs and attr not in data.attrs:
                yield f"time: events need attrs[{attr!r}]"
        times = data["time"].values
        if times.dtype.kind == "f" and times.size > 1 and not (times[1:] >= times[:-1]).all():
            yield "time: events are not in order of time"


def _of_sky(data: xr.Dataset) -> Iterator[str]:
    if "cells" not in data.dims:
        return
    ids = data.variables.get("cell_ids")
    if ids is None:
        yield "cells: no coordinate cell_ids"
    else:
        if ids.attrs.get("grid_name") != "healpix":
            yield "cell_ids: grid_name is not 'healpix'"
        if ids.attrs.get("indexing_scheme") != "nested":
            yield "cell_ids: indexing_scheme is not 'nested'"
        if "level" not in ids.attrs:
            yield "cell_ids: no level (log2 of nside)"
    wanted = ["frame"]
    if "stokes" in data.dims:
        labels = set(data["stokes"].values.tolist()) if "stokes" in data.variables else set()
        if not labels or not labels <= STOKES:
            yield f"stokes: labels {sorted(labels)} are not of I, Q, U, V"
        wanted += ["polconv", "temperature_scale"]
    for attr in wanted:
        if attr not in data.attrs and not any(attr in v.attrs for v in data.data_vars.values()):
            yield f"sky map without attrs[{attr!r}]"


def _of_spectra(data: xr.Dataset) -> Iterator[str]:
    if "spectrum" in data.dims and not {"parameter", "channel"} & set(data.dims):  # those are many X-ray spectra
        labels = {str(v) for v in data["spectrum"].values} if "spectrum" in data.variables else set()
        if not labels or not labels <= SPECTRA:
            yield f"spectrum: labels {sorted(labels)} are not of TT, EE, BB, TE, EB, TB"
        if not {"ell", "bin"} & set(data.dims):
            yield "spectrum: power spectra need the dim ell or bin"
        for name, array in data.data_vars.items():
            if "spectrum" in array.dims and not re.search(r"[CD]_ℓ", str(array.attrs.get("long_name", ""))):
                yield f"{name}: long_name does not say C_ℓ or D_ℓ"


def _of_fit(data: xr.Dataset) -> Iterator[str]:
    if "parameter" in data.dims:
        for attr in FIT_ATTRS:
            if attr not in data.attrs:
                yield f"a fit without attrs[{attr!r}]"


def _of_frames(data: xr.Dataset) -> Iterator[str]:
    for name, array in data.data_vars.items():
        if re.fullmatch(r"[bev][xyz](_gse|_gsm)?", str(name)) and not str(array.attrs.get("frame", "")).strip():
            yield f"{name}: a vector's component without attrs['frame']"

"""What the functions of this field accept: event trees, spectra, energy bands, and values with units.

Everything here refuses what it cannot use with an error that names it; nothing computes a result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from analysis.errors import BadOption, MissingUnits, UnknownVariable, WrongData, WrongUnits
from analysis.model import in_units, is_synthetic

if TYPE_CHECKING:
    from astropy.units import Quantity

# One value with its unit: text such as "30 arcsec", or what else carries a unit.
Amount: TypeAlias = "float | str | Quantity | xr.DataArray | np.timedelta64"


def amount(value: Amount, units: str, what: str, *, bare: bool = False) -> float:
    """Return one value in the units asked for.

    Parameters
    ----------
    value : text such as "30 arcsec", astropy Quantity, DataArray with units, timedelta64, or a number
    units, what : str
        Target unit, and the argument's name for messages.
    bare : bool, optional
        Whether a number without a unit is taken to be in ``units`` already.

    Raises
    ------
    MissingUnits
        For a bare number where a unit is needed.
    WrongUnits, BadOption
        For a unit of another kind; for what is no finite number, True and False among them.

    Examples
    --------
    >>> amount("30 arcsec", "arcmin", "radius")
    0.5
    """
    if isinstance(value, bool | np.bool_):
        raise BadOption(f"{what}={value!r} is not a value with a unit, such as '10 {units}'")
    # numpy counts its timedelta64 among the integers
    if isinstance(value, int | float | np.number) and not isinstance(value, np.timedelta64):
        if not bare:
            raise MissingUnits(f"{what}={value!r} has no unit; write for example {what}='{value} {units}'")
        found = float(value)
    elif isinstance(value, xr.DataArray):
        if value.size != 1:
            raise BadOption(f"{what} is one value, not an array of shape {value.shape}")
        found = float(in_units(value, units).values.reshape(()))
    else:
        found = _of_quantity(value, units, what)
    if not math.isfinite(found):
        raise BadOption(f"{what}={value!r} is not a finite number")
    return found


def _of_quantity(value: str | Quantity | np.timedelta64, units: str, what: str) -> float:
    import astropy.units as u

    if isinstance(value, np.timedelta64):
        value = u.Quantity(value / np.timedelta64(1, "s"), "s")
    try:
        quantity = u.Quantity(value)
    except (TypeError, ValueError) as error:
        raise BadOption(f"{what}={value!r} is not a value with a unit, such as '10 {units}'") from error
    if quantity.unit == u.dimensionless_unscaled and units != "1":
        raise MissingUnits(f"{what}={value!r} has no unit; write for example {what}='{value} {units}'")
    try:
        return float(quantity.to_value(units))
    except u.UnitConversionError as error:
        raise WrongUnits(f"{what}={value!r} does not convert to {units!r} as needed here") from error
    except TypeError as error:
        raise BadOption(f"{what}={value!r} is not one value") from error


def limits(band: tuple[Amount, Amount] | None) -> tuple[float, float]:
    """Return the two ends of an energy band in keV; everything for None.

    Raises
    ------
    BadOption
        If it is no pair, or its ends are the wrong way round.

    Examples
    --------
    >>> limits((0.5, "8000 eV"))
    (0.5, 8.0)
    """
    if band is None:
        return -math.inf, math.inf
    if isinstance(band, str) or not hasattr(band, "__len__") or len(band) != 2:
        raise BadOption(f"band={band!r} is not a pair of energies such as band=(0.5, 8.0), in keV")
    low, high = (amount(end, "keV", "band", bare=True) for end in band)
    if not 0 <= low < high:
        raise BadOption(f"band={band!r} must be (low, high) in keV with 0 ≤ low < high")
    return low, high


def as_dataset(data: xr.Dataset | xr.DataTree, what: str) -> xr.Dataset:
    """Return a node of a tree, or a Dataset, as a Dataset.

    Raises
    ------
    WrongData
        If it is neither, or a tree whose own node holds nothing.
    """
    if isinstance(data, xr.DataTree):
        if not data.has_data:
            raise WrongData(f"{what} needs one node with data; this one only has children {list(data.children)}")
        return data.to_dataset(inherit=False)
    if not isinstance(data, xr.Dataset):
        raise WrongData(f"{what} needs an xarray Dataset, not a {type(data).__name__}")
    return data


def node(tree: xr.DataTree | xr.Dataset, name: str, what: str) -> xr.Dataset:
    """Return a node of a tree as a Dataset, wherever in the tree it is, if there is just one of this name.

    Raises
    ------
    WrongData
        If there is none, or more than one.
    """
    if isinstance(tree, xr.DataTree):
        found = [n for n in tree.subtree if n.name == name and n.has_data]
        if len(found) == 1:
            return found[0].to_dataset(inherit=False)
        paths = [n.path for n in tree.subtree if n.has_data]
        count = "no node" if not found else f"{len(found)} nodes"
        raise WrongData(f"{what} needs one node {name!r}; this tree has {count} of that name, and {paths}")
    raise WrongData(f"{what} needs a DataTree with a node {name!r}, not a {type(tree).__name__}")


def events_and_gti(tree: xr.DataTree, what: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the event list and its good time intervals from an event tree.

    Raises
    ------
    WrongData
        If either is missing or of another form.
    """
    events, gti = node(tree, "events", what), node(tree, "gti", what)
    if "event" not in events.dims or "time" not in events.variables:
        raise WrongData(f"{what} needs events with a dim 'event' and a variable 'time'; got dims {dict(events.sizes)}")
    if not {"start", "stop"} <= set(map(str, gti.variables)):
        raise WrongData(f"{what} needs good time intervals 'start' and 'stop'; gti has {list(gti.variables)}")
    return events, gti


def intervals_of(data: xr.DataTree | xr.Dataset) -> xr.Dataset | None:
    """Return the good time intervals of an event tree; None for a list alone or a tree without any."""
    if not isinstance(data, xr.DataTree) or not any(n.name == "gti" and n.has_data for n in data.subtree):
        return None
    return node(data, "gti", "the event tree")


def no_events(size: int, band: str, *, placed: np.ndarray, good: np.ndarray | None = None) -> str:
    """Return why nothing of an event list is left, as a sentence for an error.

    Examples
    --------
    >>> no_events(0, "0.5-2 keV", placed=np.ones(0, bool))
    'the event list holds no events (asked for: 0.5-2 keV)'
    """
    if not size:
        return f"the event list holds no events (asked for: {band})"
    if not placed.any():
        return f"none of the {size} events has a position (asked for: {band})"
    if good is not None and not (placed & good).any():
        return f"none of the {size} events with a position lies in the good times (asked for: {band})"
    return f"none of the {size} events lies in {band}, in good time and with a position"


def with_nodes(tree: xr.DataTree, changed: Mapping[str, xr.Dataset]) -> xr.DataTree:
    """Return a tree with the nodes of these names replaced, wherever in it they are."""
    root = tree.path.rstrip("/")
    held = {n.path.removeprefix(root) or "/": n for n in tree.subtree if n.has_data}
    nodes = {path: changed.get(str(n.name), n.to_dataset(inherit=False)) for path, n in held.items()}
    return xr.DataTree.from_dict(nodes, name=tree.name)


def variable(data: xr.Dataset, name: str, what: str) -> xr.DataArray:
    """Return a variable of a dataset.

    Raises
    ------
    UnknownVariable
        Listing what there is.
    """
    if not isinstance(data, xr.Dataset):
        raise WrongData(f"{what} needs a Dataset with {name!r}, not a {type(data).__name__}")
    if name not in data.variables:
        raise UnknownVariable(f"{what} needs {name!r}; the dataset has {', '.join(map(str, data.variables))}")
    return data[name]


def in_band(events: xr.Dataset, band: tuple[Amount, Amount] | None, what: str) -> np.ndarray:
    """Return which events lie in [low, high) of an energy band: all of them for None.

    Raises
    ------
    UnknownVariable
        If a band is asked for and the events have no energy.
    """
    low, high = limits(band)
    if band is None:
        return np.ones(events.sizes["event"], dtype=bool)
    energy = in_units(variable(events, "energy", f"{what} with a band"), "keV").values
    return (energy >= low) & (energy < high)


def with_region(listed: xr.Dataset, region: str) -> str:
    """Return the region that a list is of once it is cut to one more.

    Examples
    --------
    >>> with_region(xr.Dataset(attrs={"region": "circle"}), "box")
    'circle and box'
    """
    earlier = str(listed.attrs.get("region", ""))
    return f"{earlier} and {region}" if earlier else region


def without_area(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes without the area of a region, which no longer holds once a list is cut to another one.

    Examples
    --------
    >>> without_area({"region_area": 1.0, "region": "box"})
    {'region': 'box'}
    """
    return {key: value for key, value in attrs.items() if not key.startswith("region_area")}


def titled(what: str, listed: xr.Dataset) -> str:
    """Return the title of what was made of an event list: its own, and the region that it was cut to.

    Examples
    --------
    >>> titled("Image", xr.Dataset(attrs={"title": "M 82", "region": "circle"}))
    'Image: M 82, circle'
    """
    known = ", ".join(str(listed.attrs[key]) for key in ("title", "region") if listed.attrs.get(key))
    return f"{what}: {known}" if known else what


def synthetic_of(*inputs: xr.Dataset | xr.DataTree | xr.DataArray | None) -> dict[str, str]:
    """Return the attribute of an array made of these: that it is simulated, if any of them is.

    Examples
    --------
    >>> synthetic_of(xr.Dataset(attrs={"synthetic": "true"}), None)
    {'synthetic': 'true'}
    """
    return {"synthetic": "true"} if any(is_synthetic(data) for data in datasets(*inputs)) else {}


def datasets(*inputs: xr.Dataset | xr.DataTree | xr.DataArray | None) -> list[xr.Dataset | xr.DataArray]:
    """Return the further inputs that were given, tree nodes as Datasets, for ``model.derived(also=…)``."""
    given = [data.to_dataset(inherit=False) if isinstance(data, xr.DataTree) else data for data in inputs]
    return [data for data in given if data is not None]


def band_of(listed: xr.Dataset, band: tuple[Amount, Amount] | None) -> str:
    """Return the band of events as text, the one that they were cut to earlier included.

    Examples
    --------
    >>> soft = xr.Dataset(attrs={"band": "0.5-2 keV"})
    >>> band_of(soft, None), band_of(soft, (1, 8))
    ('0.5-2 keV', '1-8 keV of 0.5-2 keV')
    """
    earlier, asked = str(listed.attrs.get("band", "")), named_band(band)
    if not earlier or earlier == asked:
        return asked
    return earlier if band is None else f"{asked} of {earlier}"


def named_band(band: tuple[Amount, Amount] | None) -> str:
    """Return an energy band as text for attributes and history.

    Examples
    --------
    >>> named_band((0.5, 8)), named_band(None)
    ('0.5-8 keV', 'all energies')
    """
    if band is None:
        return "all energies"
    low, high = limits(band)
    return f"{low:.12g}-{high:.12g} keV"


def named_time(time: tuple[object, object]) -> str:
    """Return a range of time as text, without zeros behind the last digit of an instant.

    Examples
    --------
    >>> named_time((np.datetime64("2008-10-04T01:00:00.500000000"), None))
    'time in [2008-10-04T01:00:00.5, …) UTC'
    """
    return "time in [{}, {}) UTC".format(*("…" if end is None else _short(str(end)) for end in time))


def named_column(name: str, low: float, high: float, units: str) -> str:
    """Return a range of a column as text.

    Examples
    --------
    >>> named_column("grade", 0.0, 4.5, "1"), named_column("frame", 10_009_012, 10_009_300, "s")
    ('grade in [0, 4.5)', 'frame in [10009012, 10009300) s')
    """
    return f"{name} in [{low:.12g}, {high:.12g}){'' if units == '1' else f' {units}'}"


def _short(instant: str) -> str:
    whole, _, fraction = instant.partition(".")
    return f"{whole}.{fraction.rstrip('0')}" if fraction.rstrip("0") else whole


def number(value: object, what: str) -> float:
    """Return a finite number as a float.

    Raises
    ------
    BadOption
        For text, True and False, and what is not finite.

    Examples
    --------
    >>> number(2, "norm")
    2.0
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise BadOption(f"{what}={value!r} is not a number")
    found = float(value)
    if not math.isfinite(found):
        raise BadOption(f"{what}={value!r} is not a finite number")
    return found


def on(dim: str, values: np.ndarray, units: str, long_name: str) -> tuple[str, np.ndarray, dict[str, str]]:
    """Return a variable on one dim with its unit and name, as ``xarray.Dataset`` takes it."""
    return dim, values, {"units": units, "long_name": long_name}

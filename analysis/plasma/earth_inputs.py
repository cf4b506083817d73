"""What a model of Earth's boundaries is given, checked, and the boundary that it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce

import numpy as np
import xarray as xr

from analysis.errors import BadOption, UnknownVariable, WrongData, WrongFrame
from analysis.model import derived, in_units, labelled
from analysis.plasma.earth_models import DRIVERS, Driver, EarthModel, Surface
from analysis.plasma.inputs import is_number, named, not_negative, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.quality import quality_of, with_worst_quality
from analysis.plasma.surfaces import FORMS

EARTHS_SPEED = 29.7847  # km/s, mean along its orbit
LABELS = {
    "standoff": "stand-off",
    "flaring": "flaring",
    "slimness": "slimness lambda of the paraboloid",
    "size": "size r0",
    "exponent": "exponent beta0 of the tail",
    "hinging": "north-south asymmetry beta2",
    "indentation": "depth of the indentation at the cusps",
    "decay_north": "decay of the indentation about the northern cusp",
    "decay_south": "decay of the indentation about the southern cusp",
    "cusp_north": "angle of the northern cusp from the X axis",
    "cusp_south": "angle of the southern cusp from the X axis",
    "x0": "focus, X",
    "y0": "focus, Y",
    "eccentricity": "eccentricity",
    "semilatus_rectum": "semilatus rectum",
}


def drivers_of(
    model: EarthModel, wind: xr.Dataset | None, given: Mapping[str, xr.DataArray | None], asking: str
) -> dict[str, xr.DataArray]:
    """Return what a model needs as it was given: arrays of their own before those of the dataset.

    Raises
    ------
    WrongData, UnknownVariable
        Naming what is missing and how it is computed.
    WrongFrame
        If the field is not in the frame needed.
    """
    found = {name: _found(name, wind, given.get(name), asking, model) for name in model.drivers}
    if found:
        on_same_axes(**found)
        refuse_vectors(**found)
    for name, array in found.items():
        if DRIVERS[name].frame:
            _refuse_other_frame(array, DRIVERS[name].frame)
    return found


def checked(name: str, array: xr.DataArray) -> xr.DataArray:
    """Return a driver in its unit, none of its values impossible.

    Raises
    ------
    WrongUnits, MissingUnits
        If it is of another kind.
    WrongData
        If a value is impossible.
    """
    driver = DRIVERS[name]
    values = in_units(array, driver.units)
    if driver.above is not None or driver.least == 0:
        return not_negative(values, name, zero=driver.above is None)
    if driver.least is not None and driver.most is not None:
        return xr.apply_ufunc(
            partial(_inside, name=name, bounds=driver),
            values,
            dask="parallelized",
            output_dtypes=[values.dtype],
            keep_attrs=True,
        )
    return values


def _inside(values: np.ndarray, *, name: str, bounds: Driver) -> np.ndarray:
    if ((values < bounds.least) | (values > bounds.most)).any():
        worst = values.flat[np.nanargmax(np.abs(values))]
        raise WrongData(
            f"{name} reaches {worst:g} {bounds.units}; Earth's stays within {bounds.least:g} to {bounds.most:g}"
        )
    return values


def boundary_dataset(
    key: str,
    model: EarthModel,
    boundary: str,
    surface: Surface,
    given: Mapping[str, xr.DataArray],
    wind: xr.Dataset | None,
    *,
    step: str,
    standoff_hint: str = "",
    aberration: xr.DataArray | None = None,
    also: Mapping[str, xr.DataArray] | None = None,
    in_validity: xr.DataArray | None = None,
    said_validity: str = "",
) -> xr.Dataset:
    """Return the parameters of a surface as a boundary: labelled, with the worst flag of what they were made of."""
    sources = {**given, **(also or {})}
    if aberration is not None:
        on_same_axes(**sources, aberration=aberration)
    origin: xr.Dataset | xr.DataArray = wind if wind is not None else next(iter(sources.values()), xr.Dataset())
    attrs: dict[str, object] = {"model": key, "references": "\n".join(model.references)}
    attrs |= synthetic_attrs(*sources.values(), origin)
    if "source" in origin.attrs:
        attrs["source"] = origin.attrs["source"]  # a picture of one variable still says whose data it shows
    flags = [quality_of(array) for array in sources.values()]
    units = FORMS[model.form].parameters
    nose = not_negative(_on_axis(model, surface), f"standoff of {key}", zero=False, hint=standoff_hint)
    values: dict[str, xr.DataArray | float] = {**surface, "standoff": nose}
    called, made = boundary.replace("_", " "), {}
    for name, value in values.items():
        unit = "R_earth" if name == "standoff" else units[name].replace("L", "R_earth")
        label = f"{called.capitalize()} {LABELS[name]} ({model.name})"
        bare = labelled(xr.DataArray(value), name, units=unit, long_name=label, attrs=attrs)
        made[name] = with_worst_quality(bare, *flags) if isinstance(value, xr.DataArray) else bare
    result = xr.Dataset(made)
    frame = model.frame
    if aberration is not None:
        result["aberration"] = labelled(
            aberration.reset_coords(drop=True) if aberration.ndim == 0 else aberration,
            "aberration",
            units="deg",
            long_name="Angle from the Sun's direction to where the wind comes from, towards -Y",
            attrs=synthetic_attrs(aberration),
        )
        frame = "GSE"
    if in_validity is not None:
        label = said_validity or f"Inside the range that {model.name} fitted: {model.said_validity}"
        bare = labelled(in_validity.reset_coords(drop=True), "in_validity", units="1", long_name=label)
        result = result.assign_coords(in_validity=bare)
    for axis in result.coords:  # arithmetic drops what the axes say of themselves
        axes = [array.coords[axis].attrs for array in sources.values() if axis in array.coords]
        result[axis].attrs = {**(axes[0] if axes else {}), **result[axis].attrs}
    says = {"body": "Earth", "boundary": boundary, "model": key, "form": model.form, "frame": frame}
    return derived(
        result.assign_attrs(says),
        origin,
        title=f"Earth's {called} after {model.name}",
        step=step,
        references=list(model.references),
        also=[*sources.values(), *([] if aberration is None else [aberration])],
    )


def _on_axis(model: EarthModel, surface: Surface) -> xr.DataArray:
    """Return the distance of the surface along the model's X axis."""
    if "standoff" in surface:
        return xr.DataArray(surface["standoff"])
    parts = [xr.DataArray(surface[name]) for name in FORMS[model.form].parameters]
    return xr.apply_ufunc(
        partial(FORMS[model.form].radius, np.float64(0), np.float64(0)),
        *parts,
        dask="parallelized",
        output_dtypes=[float],
    )


def within(model: EarthModel, values: Mapping[str, xr.DataArray]) -> xr.DataArray | None:
    """Return where every driver is inside the range that the model fitted; None where its paper states none."""
    inside = [(values[name] > low) & (values[name] < high) for name, (low, high) in model.validity.items()]
    return reduce(lambda one, other: one & other, inside) if inside else None


def asked_aberration(
    aberration: float | str | xr.DataArray | None,
    model: EarthModel,
    wind: xr.Dataset | None,
    speed: xr.DataArray | None,
) -> xr.DataArray | None:
    """Return the angle (deg) by which a model's axis is turned, as asked for; None for none.

    Raises
    ------
    BadOption
        If it is no angle and not "orbital", the model is not about an axis, or a speed is given for nothing.
    """
    if speed is not None and not (isinstance(aberration, str) and aberration == "orbital"):
        raise BadOption("speed only serves aberration='orbital': ask for it, or leave speed out")
    if aberration is None:
        return xr.DataArray(model.mean_aberration, attrs={"units": "deg"}) if model.mean_aberration else None
    if model.form == "lin":
        raise BadOption(f"{model.name} is in GSM and not symmetric about its axis: it takes no aberration")
    if isinstance(aberration, str):
        if aberration != "orbital":
            raise BadOption(f"aberration={aberration!r}; give 'orbital', an angle in degrees, or an array of angles")
        flow = _found("speed", wind, speed, "aberration='orbital'", None)
        return _orbital(flow)
    if isinstance(aberration, xr.DataArray):
        refuse_vectors(aberration=aberration)
        return in_units(named(aberration, "aberration"), "deg")
    if not is_number(aberration) or not abs(aberration) < 45:
        raise BadOption(f"aberration={aberration!r}; give an angle in degrees, of less than 45, or 'orbital'")
    return xr.DataArray(float(aberration), attrs={"units": "deg"}) if aberration else None


def _orbital(speed: xr.DataArray) -> xr.DataArray:
    """Return the angle (deg) that Earth's motion towards -Y gives to a radial wind of this speed, towards -Y."""
    refuse_vectors(speed=speed)
    flow = not_negative(in_units(named(speed, "speed"), "km s-1"), "speed", zero=False)
    angle = xr.ufuncs.degrees(xr.ufuncs.arctan(EARTHS_SPEED / flow))
    turned = labelled(angle, "aberration", units="deg", long_name="Aberration", attrs=synthetic_attrs(speed))
    return with_worst_quality(turned, quality_of(speed))


def _found(
    name: str, wind: xr.Dataset | None, given: xr.DataArray | None, asking: str, model: EarthModel | None
) -> xr.DataArray:
    if given is not None:
        if not isinstance(given, xr.DataArray):
            raise WrongData(f"{name} must be a DataArray with units, not a {type(given).__name__}")
        return named(given, name)
    how = f"; {name} is {DRIVERS[name].how}" if name in DRIVERS else ""
    if wind is None:
        raise WrongData(f"{asking} needs {name}: give a Dataset that has it, or {name}= as a DataArray{how}")
    if not isinstance(wind, xr.Dataset):
        words = " and ".join(model.drivers if model else [name])
        raise WrongData(
            f"{asking} takes a Dataset with {words}, not a {type(wind).__name__}; "
            f"give one node of a tree, or {name}= as a DataArray"
        )
    if name not in wind.variables:
        raise UnknownVariable(
            f"the dataset has no {name}, which {asking} needs; it has {', '.join(map(str, wind.data_vars))}{how}"
        )
    flag = quality_of(wind[name], wind)
    return wind[name] if flag is None else wind[name].assign_coords({f"{name}_quality": flag})


def _refuse_other_frame(field: xr.DataArray, wanted: str) -> None:
    frame = str(field.attrs.get("frame", "")).strip()
    if frame.upper() != wanted:
        says = f"is in {frame}" if frame else "does not say its frame"
        raise WrongFrame(
            f"{field.name} {says}; the models need it in {wanted} "
            f"(if it is, say so: {field.name}.assign_attrs(frame={wanted!r}))"
        )

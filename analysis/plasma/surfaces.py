r"""Boundaries as surfaces: what a boundary's dataset says, and positions seen from its centre.

A *boundary* is a Dataset made by a model. Its variables are the parameters of one of :data:`FORMS`, numbers or one
for each time; attrs say which body and boundary it is (``body``, ``boundary``), after which ``model``, of which
``form``, and the ``frame`` that positions come in. Two more variables may place the surface: ``centre`` (dim
``component``, where the model's centre is in that frame) and ``aberration`` (the angle by which the model's X axis
is turned from the Sun's direction, towards -Y, from where the wind comes in the rest frame of a planet that moves
towards -Y).

A new form is a function and a :class:`~analysis.plasma.forms.Form` in a file of its own, and one line in ``FORMS``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from analysis.errors import MissingUnits, OutsideCoverage, WrongData, WrongFrame
from analysis.model import in_units, unit_of
from analysis.plasma.earth_forms import LIN, OFFSET_CONIC, PARABOLA, POWER_CONIC
from analysis.plasma.forms import CONIC, QUADRIC, SHUE, TWO_CONICS, Form
from analysis.plasma.frame_table import FRAMES
from analysis.plasma.inputs import named
from analysis.plasma.quality import quality_of
from analysis.plasma.rotations import right_handed
from analysis.plasma.vectors import XYZ, frame_of

FORMS: dict[str, Form] = {
    "shue": SHUE,
    "conic": CONIC,
    "two_conics": TWO_CONICS,
    "quadric": QUADRIC,
    "lin": LIN,
    "parabola": PARABOLA,
    "power_conic": POWER_CONIC,
    "offset_conic": OFFSET_CONIC,
}
SAYS = ("body", "boundary", "model", "form", "frame")
SUNWARD = {"GSE", "GSM"}  # frames of one X axis: a surface about it is the same in both


def form_of(boundary: xr.Dataset, what: str = "boundary") -> Form:
    """Return the form of a boundary, or refuse what is none.

    Raises
    ------
    WrongData
        If it is no Dataset, lacks an attr or a parameter of its form, or its form is not known.

    Examples
    --------
    >>> form_of(xr.Dataset())
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: boundary has no attrs body, boundary, model, form, frame; a boundary is what ...
    """
    if not isinstance(boundary, xr.Dataset):
        raise WrongData(
            f"{what} is a {type(boundary).__name__}; it must be the Dataset that plasma.magnetopause, "
            "plasma.bow_shock or plasma.planetary_boundary returns"
        )
    if lacking := [name for name in SAYS if not str(boundary.attrs.get(name, "")).strip()]:
        raise WrongData(
            f"{what} has no attrs {', '.join(lacking)}; a boundary is what plasma.magnetopause, plasma.bow_shock or "
            "plasma.planetary_boundary returns (arithmetic on it drops them)"
        )
    name = str(boundary.attrs["form"])
    if name not in FORMS:
        raise WrongData(f"{what} is of the form {name!r}, which is not known; there are {', '.join(FORMS)}")
    if absent := [part for part in FORMS[name].parameters if part not in boundary.data_vars]:
        raise WrongData(f"{what} lacks {', '.join(absent)}, which the form {name!r} needs")
    return FORMS[name]


def length_of(boundary: xr.Dataset) -> str:
    """Return the unit of length of a boundary: that of the first of its parameters which is a length.

    Examples
    --------
    >>> nose = {"standoff": ((), 10.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})}
    >>> says = dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")
    >>> length_of(xr.Dataset(nose, attrs=says))
    'R_earth'
    """
    first = next(name for name, unit in form_of(boundary).parameters.items() if unit == "L")
    if boundary[first].attrs.get("units") is None:
        raise MissingUnits(f"{first} of the boundary has no attrs['units']; set it to a length, for example 'R_earth'")
    return str(boundary[first].attrs["units"])


def parameters_of(boundary: xr.Dataset, time: xr.DataArray | None = None) -> list[xr.DataArray]:
    """Return a boundary's parameters in the order and units that its form takes, at the times of a trajectory.

    Parameters
    ----------
    boundary : xarray.Dataset
    time : xarray.DataArray, optional
        Times to interpolate linearly to, where the parameters have times that are not these.

    Raises
    ------
    OutsideCoverage
        If a time is before the boundary's first or after its last.
    """
    form, length = form_of(boundary), length_of(boundary)
    return [
        _at(in_units(boundary[name].reset_coords(drop=True), unit.replace("L", length)), time)
        for name, unit in form.parameters.items()
    ]


def flags_of(boundary: xr.Dataset, time: xr.DataArray | None = None) -> list[xr.DataArray]:
    """Return the quality flags of a boundary's parameters, at other times those of the samples around each.

    Examples
    --------
    >>> flags_of(xr.Dataset({"standoff": ((), 10.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})},
    ...     attrs=dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")))
    []
    """
    flags: list[xr.DataArray] = []
    for name in form_of(boundary).parameters:
        flag = quality_of(boundary[name])
        if flag is None:
            continue
        flag = flag.reset_coords(drop=True)
        if time is None or "time" not in flag.dims or flag.indexes["time"].equals(time.to_index()):
            flags.append(flag)
        else:
            around = [flag.sel(time=time, method=side).assign_coords(time=time) for side in ("ffill", "bfill")]
            flags += [one.assign_attrs(flag.attrs) for one in around]
    return flags


def seen_from_centre(boundary: xr.Dataset, position: xr.DataArray, what: str = "position") -> xr.DataArray:
    """Return positions in the boundary's own axes: from its centre, aberrated, in its unit of length.

    Parameters
    ----------
    boundary : xarray.Dataset
    position : xarray.DataArray
        Dim ``component``, attr ``frame``, any unit of length.

    Raises
    ------
    WrongFrame
        If the position is in another frame than the boundary.
    WrongData, WrongUnits
        If it is no vector of three components x, y, z, or no length.
    """
    length = length_of(boundary)
    where = right_handed(position, what)
    unit_of(named(where, what))
    accepted_frame(boundary, where, what)
    if (letters := [str(letter) for letter in where.component.values]) != list(XYZ):
        raise WrongData(f"{what} has the components {', '.join(letters)}; they must be x, y and z")
    where = in_units(where.reset_coords(drop=True), length)
    if "centre" in boundary:
        where = where - in_units(boundary["centre"].reset_coords(drop=True), length)
    return turned(where, aberration_of(boundary, times_of(where)))


def accepted_frame(boundary: xr.Dataset, position: xr.DataArray, what: str = "position") -> str:
    """Return the frame of a position if the boundary may be asked about it there.

    A surface about the X axis through Earth's centre is the same in GSE and GSM, so both will do for it.

    Raises
    ------
    WrongFrame
        If it may not.
    """
    has, wanted = frame_of(position, what), str(boundary.attrs["frame"]).upper()
    free = form_of(boundary).axisymmetric and not {"centre", "aberration"} & set(boundary.variables)
    if has == wanted or (free and {has, wanted} <= SUNWARD):
        return has
    way = "plasma.to_frame brings it there" if wanted in FRAMES else (
        "bring it there (plasma.orbital_frame and plasma.rotated), or ask for the boundary in another frame, "
        "plasma.planetary_boundary(…, frame=…), if it has one"
    )  # fmt: skip
    raise WrongFrame(
        f"{position.name or what} is in {has}; {boundary.attrs['model']} of {boundary.attrs['body']} needs it in "
        f"{wanted}: {way}"
    )


def with_coords_of(result: xr.DataArray, position: xr.DataArray) -> xr.DataArray:
    """Return what was computed for positions with their coordinates, labels and all, but no flags of quality.

    Examples
    --------
    >>> path = xr.DataArray([1.0], dims="time", coords={"time": [7], "orbit": ("time", [3])})
    >>> with_coords_of(xr.DataArray([2.0], dims="time"), path).orbit.values
    array([3])
    """
    kept = {
        name: coord.variable
        for name, coord in position.coords.items()
        if set(coord.dims) <= set(result.dims) - {"component"} and not str(name).endswith("_quality")
    }
    return result.assign_coords(kept)


def times_of(position: xr.DataArray) -> xr.DataArray | None:
    """Return the times of a trajectory, None if it has none."""
    return position["time"] if "time" in position.dims and "time" in position.coords else None


def aberration_of(boundary: xr.Dataset, time: xr.DataArray | None = None) -> xr.DataArray:
    """Return the angle (rad) between the Sun's direction and the model's X axis; zero if the model has none."""
    if "aberration" not in boundary:
        return xr.DataArray(0.0)
    return _at(in_units(boundary["aberration"].reset_coords(drop=True), "rad"), time)


def turned(vectors: xr.DataArray, angle: xr.DataArray, *, back: bool = False) -> xr.DataArray:
    """Return vectors in axes turned about Z by the aberration, X towards where the wind comes from; or back.

    Examples
    --------
    >>> wind = xr.DataArray([-400.0, 30.0, 0.0], dims="component", coords={"component": list("xyz")})
    >>> turned(wind, xr.DataArray(np.arctan(30 / 400))).values.round(2) + 0.0  # along -X in the model's axes
    array([-401.12,    0.  ,    0.  ])
    """
    if angle.ndim == 0 and float(angle) == 0:
        return vectors
    sign = -1.0 if back else 1.0
    cosine, sine = np.cos(angle), sign * np.sin(angle)
    x, y, z = (vectors.sel(component=letter, drop=True) for letter in XYZ)
    parts = [x * cosine - y * sine, x * sine + y * cosine, z]
    whole = xr.concat(xr.broadcast(*parts), dim=vectors.component, coords="minimal", compat="override")
    return whole.transpose(..., "component")


def computed(
    function: Callable[..., np.ndarray], position: xr.DataArray, parameters: list[xr.DataArray], *, vector: bool
) -> xr.DataArray:
    """Return ``function(position (n, 3), *parameters (n,))`` for arrays that broadcast, Dask-backed ones too.

    Parameters
    ----------
    function : callable
        Gives shape (n,), or (n, 3) if ``vector``.
    """
    if position.chunks is not None:
        position = position.chunk(component=-1)
    return xr.apply_ufunc(
        partial(_flattened, function, vector),
        position,
        *parameters,
        input_core_dims=[["component"], *([[]] * len(parameters))],
        output_core_dims=[["component"] if vector else []],
        dask="parallelized",
        output_dtypes=[float],
    )


def _flattened(
    function: Callable[..., np.ndarray], vector: bool, position: np.ndarray, *parameters: np.ndarray
) -> np.ndarray:
    """Call a function of flat arrays, 65,536 positions at a time, and give its answer the broadcast shape."""
    shape = np.broadcast_shapes(position.shape[:-1], *(np.shape(one) for one in parameters))
    flat = np.broadcast_to(position, (*shape, 3)).reshape(-1, 3).astype(float)
    of = [np.broadcast_to(one, shape).reshape(-1).astype(float) for one in parameters]
    result = np.empty((len(flat), 3) if vector else len(flat))
    for first in range(0, len(flat), 65536):
        part = slice(first, first + 65536)
        result[part] = function(flat[part], *(one[part] for one in of))
    return result.reshape((*shape, 3) if vector else shape)


def _at(parameter: xr.DataArray, time: xr.DataArray | None) -> xr.DataArray:
    """Return a parameter at the times of a trajectory, interpolated where they are not its own."""
    if time is None or "time" not in parameter.dims:
        return parameter
    own, wanted = parameter["time"].values, time.values
    if own.size == wanted.size and (own == wanted).all():
        return parameter
    if not (own[1:] > own[:-1]).all():
        raise WrongData(f"the times of {parameter.name} of the boundary do not increase; sort them: sortby('time')")
    if not own.size or (wanted.size and (wanted.min() < own[0] or wanted.max() > own[-1])):
        held = f"from {own[0]} to {own[-1]}" if own.size else "at no time"
        asked = f"from {wanted.min()} to {wanted.max()}" if wanted.size else "no time"
        raise OutsideCoverage(
            f"{parameter.name} of the boundary is known {held}, the position {asked}: cut the position to it"
            + (", or take one shape for all times, boundary.isel(time=0, drop=True)" if own.size == 1 else "")
        )
    if not wanted.size:
        return parameter.isel(time=slice(0)).assign_coords(time=time)
    return parameter.interp(time=time, assume_sorted=True)

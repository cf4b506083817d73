"""Where a boundary is, seen from its centre or a spacecraft: radius, distance, normal and cuts for pictures."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units, labelled
from analysis.plasma.forms import angles
from analysis.plasma.inputs import is_number, named, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.nearest import nearest_directions, outward_normals, surface_points
from analysis.plasma.quality import with_worst_quality
from analysis.plasma.surfaces import (
    aberration_of,
    accepted_frame,
    computed,
    flags_of,
    form_of,
    length_of,
    parameters_of,
    seen_from_centre,
    times_of,
    turned,
    with_coords_of,
)
from analysis.plasma.vectors import component_labels, refuse_unknown

WAYS = ("normal", "radius")
PLANES = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}


def boundary_radius(boundary: xr.Dataset, theta: xr.DataArray, phi: xr.DataArray | None = None) -> xr.DataArray:
    r"""Return how far a boundary is from its model's centre in directions.

    Parameters
    ----------
    boundary : xarray.Dataset
        What :func:`magnetopause`, :func:`bow_shock` or :func:`planetary_boundary` returns.
    theta : xarray.DataArray
        Angle from the model's X axis (aberrated, if the model is), 0 to 180°; any unit of angle. For a surface
        about X, negative angles are the other side.
    phi : xarray.DataArray, optional
        Angle about that axis from Y towards Z; 0 by default, which a surface about X does not care for.

    Returns
    -------
    xarray.DataArray
        Distance in the boundary's unit of length, on the axes of the angles and of the boundary's parameters. NaN
        where the surface is open, and where an input is NaN.

    Raises
    ------
    WrongData
        If it is no boundary, an angle is beyond 180° or the axes differ.
    WrongUnits, MissingUnits
        If an angle is none.

    Examples
    --------
    >>> nose = {"standoff": ((), 10.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})}
    >>> says = dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")
    >>> mine = xr.Dataset(nose, attrs=says)
    >>> boundary_radius(mine, xr.DataArray([0.0, 90.0], dims="theta", attrs={"units": "deg"})).values.round(3)
    array([10.   , 14.142])
    """
    form = form_of(boundary)
    about = xr.DataArray(0.0, attrs={"units": "rad"}) if phi is None else phi
    parameters = parameters_of(boundary)
    on_same_axes(theta=theta, phi=about)
    refuse_vectors(theta=theta, phi=about)
    on_same_axes(theta=theta, **{str(one.name): one for one in parameters})
    polar, azimuth = in_units(named(theta, "theta"), "rad"), in_units(named(about, "phi"), "rad")
    if bool((abs(polar) > np.pi * (1 + 1e-12)).any()):
        raise WrongData("theta goes beyond 180°; give angles from the model's X axis of at most that")
    if not form.axisymmetric and bool((polar < 0).any()):
        raise WrongData(f"theta is negative, which {boundary.attrs['model']} cannot tell from phi + 180°: turn phi")
    distance = xr.apply_ufunc(
        lambda *parts: form.radius(*np.broadcast_arrays(*parts)),
        abs(polar),
        azimuth,
        *parameters,
        dask="parallelized",
        output_dtypes=[float],
    )
    distance = distance.where(abs(distance) != np.inf)
    label = f"Distance of the {_called(boundary)} from its centre"
    return labelled(distance, "radius", units=length_of(boundary), long_name=label, attrs=_attrs(boundary))


def boundary_distance(boundary: xr.Dataset, position: xr.DataArray, *, along: str = "normal") -> xr.DataArray:
    """Return how far positions are outside a boundary, negative inside.

    Parameters
    ----------
    boundary : xarray.Dataset
        What :func:`magnetopause`, :func:`bow_shock` or :func:`planetary_boundary` returns. Parameters with times of
        their own are interpolated linearly to those of ``position``.
    position : xarray.DataArray
        Vector (dim ``component``) from the planet's centre in the boundary's frame; any unit of length. The model's
        aberration and offset are taken care of here.
    along : {"normal", "radius"}, optional
        To the nearest point of the surface (to better than 1e-6 of its size), or to where the line from the model's
        centre through the position meets it.

    Returns
    -------
    xarray.DataArray
        In the unit of ``position``, on its axes without ``component`` and those of the boundary. NaN where the
        position or a parameter is; along the radius also where that direction is open (the position is inside). If
        parameters have flags, ``distance_quality`` is the worst of them (of the samples around an interpolated one).

    Raises
    ------
    WrongFrame
        If the position is in another frame.
    OutsideCoverage
        If the boundary is not known at a time of the position.
    WrongData, WrongUnits, MissingUnits, BadOption
        If an input is of another kind.

    Examples
    --------
    >>> nose = {"standoff": ((), 10.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})}
    >>> says = dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")
    >>> place = xr.DataArray([[12, 0, 0], [0, 10.0, 0]], dims=["point", "component"])
    >>> place = place.assign_attrs(units="R_earth", frame="GSM")
    >>> boundary_distance(xr.Dataset(nose, attrs=says), place).values.round(3)
    array([ 2.   , -3.625])
    """
    refuse_unknown(along, WAYS, "along")
    form = form_of(boundary)
    where, parameters = _placed(boundary, position)

    def outside(point: np.ndarray, *of: np.ndarray) -> np.ndarray:
        theta, phi = angles(*np.moveaxis(point, -1, 0))
        length = np.linalg.norm(point, axis=-1)
        radial = length - form.radius(theta, phi, *of)
        if along == "radius":
            return np.where(np.isinf(radial), np.nan, radial)
        at = nearest_directions(point, form.radius, of, axisymmetric=form.axisymmetric)
        miss = np.linalg.norm(point - surface_points(form.radius, of, *at), axis=-1)
        return np.where(np.isnan(radial), np.nan, np.copysign(miss, radial))

    distance = computed(outside, where, parameters, vector=False).assign_attrs(units=length_of(boundary))
    distance = with_coords_of(in_units(distance, str(position.attrs["units"])), position)
    label = f"Distance outside the {_called(boundary)}" + (" along the radius" if along == "radius" else "")
    attrs = {**_attrs(boundary), **synthetic_attrs(position)}
    result = labelled(distance, "distance", units=str(distance.attrs["units"]), long_name=label, attrs=attrs)
    return with_worst_quality(result, *flags_of(boundary, times_of(where)))


def boundary_normal(boundary: xr.Dataset, position: xr.DataArray, *, along: str = "normal") -> xr.DataArray:
    """Return the outward unit normal of a boundary at the point that belongs to each position.

    Parameters
    ----------
    boundary, position
        As :func:`boundary_distance` takes them.
    along : {"normal", "radius"}, optional
        At the nearest point of the surface, or where the line from the model's centre through the position meets it.

    Returns
    -------
    xarray.DataArray
        Dimensionless vectors in the frame of ``position``, its aberration turned back. NaN where the position or a
        parameter is, and along the radius where that direction is open.

    Raises
    ------
    WrongFrame, OutsideCoverage, WrongData, WrongUnits, MissingUnits, BadOption
        As :func:`boundary_distance` does.

    Examples
    --------
    >>> nose = {"standoff": ((), 10.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})}
    >>> says = dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")
    >>> place = xr.DataArray([[12, 0, 0], [0, 15.0, 0]], dims=["point", "component"])
    >>> place = place.assign_attrs(units="R_earth", frame="GSM")
    >>> boundary_normal(xr.Dataset(nose, attrs=says), place, along="radius").values.round(3)
    array([[1.   , 0.   , 0.   ],
           [0.447, 0.894, 0.   ]])
    """
    refuse_unknown(along, WAYS, "along")
    form = form_of(boundary)
    where, parameters = _placed(boundary, position)

    def normals(point: np.ndarray, *of: np.ndarray) -> np.ndarray:
        at = angles(*np.moveaxis(point, -1, 0))
        if along == "normal":
            at = nearest_directions(point, form.radius, of, axisymmetric=form.axisymmetric)
        found = outward_normals(form.radius, of, *at)
        found[np.isnan(point).any(axis=-1)] = np.nan
        return found

    normal = computed(normals, where, parameters, vector=True).assign_coords(component=component_labels())
    normal = with_coords_of(turned(normal, aberration_of(boundary, times_of(position)), back=True), position)
    attrs = {**_attrs(boundary), **synthetic_attrs(position), "frame": accepted_frame(boundary, position)}
    return labelled(normal, "normal", units="1", long_name=f"Normal of the {_called(boundary)}", attrs=attrs)


def boundary_cut(
    boundary: xr.Dataset, plane: str = "xy", *, points: int = 361, limit: float | None = None
) -> xr.Dataset:
    """Return the line in which a plane through the model's centre cuts a boundary, for pictures.

    Parameters
    ----------
    boundary : xarray.Dataset
        What :func:`magnetopause`, :func:`bow_shock` or :func:`planetary_boundary` returns.
    plane : {"xy", "xz", "yz"}, optional
        Of the boundary's frame, through the model's centre: with the centre off the planet's (Mercury) the line has
        a z of its own in ``"xy"``.
    points : int, optional
        How many directions, evenly spaced over the full circle, the first and last the same: 3 at least.
    limit : float, optional
        Leave out what is farther from the centre than this, in the boundary's unit of length; by default ten times
        the nearest point, so that an open tail does not run away.

    Returns
    -------
    xarray.Dataset
        ``x``, ``y`` and ``z`` from the planet's centre in the boundary's frame and unit of length, dims ``angle`` (the
        direction in the plane, seen from the model's centre, from its first axis towards its second; -180° to 180°)
        and those of the boundary's parameters. NaN where the surface is open or beyond ``limit``.

    Raises
    ------
    WrongData, BadOption
        If it is no boundary, or an option is not known or out of range.

    Examples
    --------
    >>> nose = {"standoff": ((), 10.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})}
    >>> says = dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")
    >>> line = boundary_cut(xr.Dataset(nose, attrs=says), "xz")
    >>> line.sel(angle=0.0).x.item(), round(line.z.max().item(), 2)
    (10.0, 19.89)
    """
    first, second = PLANES[refuse_unknown(plane, PLANES, "plane")]
    if not isinstance(points, int | np.integer) or isinstance(points, bool) or points < 3:
        raise BadOption(f"points={points!r}: give a whole number of directions, 3 at least")
    if limit is not None and not (is_number(limit) and limit > 0):
        raise BadOption(f"limit={limit!r}: give a distance above zero in {length_of(boundary)}, or leave it out")
    form = form_of(boundary)
    degrees = np.linspace(-180.0, 180.0, points)
    says = {"units": "deg", "long_name": f"Direction in the {plane} plane from the centre of the model"}
    unit = np.zeros((points, 3))
    unit[:, first], unit[:, second] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    unit[np.abs(unit) < 1e-15] = 0.0
    direction = xr.DataArray(unit, dims=["angle", "component"], coords={"angle": ("angle", degrees, says)})
    direction = direction.assign_coords(component=component_labels())
    seen = turned(direction, aberration_of(boundary))

    def distances(point: np.ndarray, *of: np.ndarray) -> np.ndarray:
        return form.radius(*angles(*np.moveaxis(point, -1, 0)), *of)

    radius = computed(distances, seen, parameters_of(boundary), vector=False)
    farthest = 10 * radius.min("angle") if limit is None else limit
    lines = direction * radius.where((radius <= farthest) & (radius < np.inf))
    if "centre" in boundary:
        lines = lines + in_units(boundary["centre"].reset_coords(drop=True), length_of(boundary))
    named_lines = {
        letter: labelled(
            lines.sel(component=letter, drop=True),
            letter,
            units=length_of(boundary),
            long_name=f"{letter.upper()} ({boundary.attrs['frame']}) of the {_called(boundary)}",
            attrs=_attrs(boundary),
        )
        for letter in "xyz"
    }
    return derived(
        xr.Dataset(named_lines, attrs={key: boundary.attrs[key] for key in ("body", "boundary", "model", "frame")}),
        boundary,
        title=f"Cut of the {_called(boundary)} in the {plane} plane of {boundary.attrs['frame']}",
        step=f"plasma.boundary_cut(plane={plane!r})",
    )


def _placed(boundary: xr.Dataset, position: xr.DataArray) -> tuple[xr.DataArray, list[xr.DataArray]]:
    """Return positions from the model's centre and the parameters at their times, on axes that agree."""
    where = seen_from_centre(boundary, position)
    parameters = parameters_of(boundary, times_of(where))
    labels = {str(one.name): one for one in parameters}
    on_same_axes(position=where.assign_attrs(units=length_of(boundary)), **labels)
    return where, parameters


def _called(boundary: xr.Dataset) -> str:
    """Return a boundary's name for a label: ``magnetopause of Earth (Shue et al. 1998)``."""
    says = boundary.attrs
    return f"{str(says['boundary']).replace('_', ' ')} of {says['body']} ({says['model']})"


def _attrs(boundary: xr.Dataset) -> dict[str, object]:
    known = {key: boundary.attrs[key] for key in ("model", "references", "source") if key in boundary.attrs}
    return {**known, **synthetic_attrs(boundary)}

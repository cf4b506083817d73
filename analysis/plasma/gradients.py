"""Gradients in space of what four or more spacecraft measure together."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import unit_of, unit_text
from analysis.plasma.formations import (
    FEWEST,
    THINNEST,
    linear_fit,
    over_samples,
    positions,
    refuse_no_formation,
    thinness,
    together,
)
from analysis.plasma.inputs import named, on_same_axes
from analysis.plasma.vectors import component_labels, made

CORE = ["spacecraft", "component"]


def reciprocal_vectors(position: xr.DataArray, *, thinnest: float = THINNEST) -> xr.DataArray:
    r"""Return the reciprocal vectors of a formation, which make the gradient of whatever it measures.

    They are :math:`\mathbf q_\alpha = \mathsf R^{-1} (\mathbf r_\alpha - \mathbf r_b)`, with the position tensor

    .. math:: \mathsf R = \sum_\alpha (\mathbf r_\alpha - \mathbf r_b)(\mathbf r_\alpha - \mathbf r_b)^T.

    The gradient of any field is :math:`\sum_\alpha \mathbf q_\alpha f_\alpha`; an error :math:`\sigma` of each
    measurement gives it the covariance :math:`\sigma^2 \mathsf R^{-1}`, where
    :math:`\mathsf R^{-1} = \sum_\alpha \mathbf q_\alpha \mathbf q_\alpha^T`.

    Parameters
    ----------
    position : xarray.DataArray
        Dims ``spacecraft`` (four or more) and ``component``, and any others such as ``time``; any length; a frame.
    thinnest : float, optional
        Smallest over largest semi-axis of the formation below which it counts as coplanar.

    Returns
    -------
    xarray.DataArray
        km-1, on the axes of the positions. NaN where fewer than four spacecraft have a position, where the
        formation is coplanar, and for a spacecraft without a position.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, OutsideCoverage, BadOption
        As for :func:`curlometer`.

    References
    ----------
    Chanteur, chapter 14 of ISSI SR-001 (1998), ISSN 1608-280X (four spacecraft).
    Vogt, Paschmann & Chanteur, chapter 4 of ISSI SR-008 (2008), ISSN 1608-280X (any number).

    Examples
    --------
    >>> r = xr.DataArray(np.eye(4, 3), dims=["spacecraft", "component"], attrs={"units": "km", "frame": "GSE"})
    >>> reciprocal_vectors(r).round(12).values[0]
    array([1., 0., 0.])
    """
    where = positions(position)
    limit = thinness(thinnest)
    count = where.sizes["spacecraft"]

    def kernel(place: np.ndarray) -> np.ndarray:
        fit = linear_fit(place, place, thinnest=limit)
        offset = place - fit.centre
        vectors = [np.einsum("ijt,jt->it", fit.inverse, one) for one in offset]
        return np.concatenate([*vectors, fit.used[None]])

    flat = over_samples(kernel, 3 * count + 1, where, core=[CORE])
    vectors = [as_vector(flat.isel(part=slice(3 * n, 3 * n + 3)), where) for n in range(count)]
    whole = xr.concat(vectors, dim="spacecraft").transpose(*where.dims)
    if "spacecraft" in where.coords:
        whole = whole.assign_coords(spacecraft=where.spacecraft)
    refuse_flat(whole, flat.isel(part=-1), limit)
    return in_frame(
        whole, "reciprocal_vectors", position, units="km-1", long_name="Reciprocal vectors of the formation"
    )


def gradient(field: xr.DataArray, position: xr.DataArray, *, thinnest: float = THINNEST) -> xr.DataArray:
    r"""Return the gradient of a scalar or vector field that several spacecraft measured, at their barycentre.

    Least squares over all spacecraft; with four of them exact for the four values. A field that is linear in
    space is recovered exactly; otherwise the result is the gradient over the size of the formation.

    Parameters
    ----------
    field : xarray.DataArray
        Dim ``spacecraft``; a scalar (density, pressure …) or a vector with dim ``component`` and a frame; any unit.
    position : xarray.DataArray
        Dims ``spacecraft`` (four or more) and ``component``, any others as the field has them; any length; a frame.
    thinnest : float, optional
        Smallest over largest semi-axis of the formation below which it counts as coplanar.

    Returns
    -------
    xarray.DataArray
        Unit of the field per km. Of a scalar: a vector, dim ``component``. Of a vector: dims ``component`` (of the
        field, i) and ``gradient`` (direction of the derivative, j), :math:`\partial_j B_i`. A spacecraft without
        a value or position is left out; NaN where fewer than four remain or the formation is coplanar.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, OutsideCoverage, BadOption
        As for :func:`curlometer`.

    References
    ----------
    Harvey, chapter 12 of ISSI SR-001 (1998), ISSN 1608-280X.
    Chanteur, chapter 14 of the same.

    Examples
    --------
    >>> r = xr.DataArray(np.eye(4, 3), dims=["spacecraft", "component"], attrs={"units": "km", "frame": "GSE"})
    >>> n = xr.DataArray([6.0, 5.0, 4.0, 5.0], dims="spacecraft", attrs={"units": "cm-3"})
    >>> gradient(n, r).round(12).values, gradient(n, r).attrs["units"]
    (array([ 1.,  0., -1.]), 'cm-3 km-1')
    """
    limit = thinness(thinnest)
    per_km = _per_km(named(field, "field"))
    if isinstance(field, xr.DataArray) and "component" not in field.dims:
        where, size = positions(position), 1
        refuse_no_formation(field, "field")
        on_same_axes(field=field, position=where)
        values = field.astype(float).expand_dims(value=1, axis=-1)
    else:
        (values, where), size = together(field, position, "field"), 3
        values = values.rename(component="value").drop_vars("value")

    def kernel(block: np.ndarray, place: np.ndarray) -> np.ndarray:
        fit = linear_fit(block, place, thinnest=limit)
        return np.concatenate([*fit.gradient, fit.used[None]])

    flat = over_samples(kernel, 3 * size + 1, values, where, core=[["spacecraft", "value"], CORE])
    if size == 1:
        whole = as_vector(flat.isel(part=slice(0, 3)), where)
    else:
        rows = [
            as_vector(flat.isel(part=slice(3 * n, 3 * n + 3)), where).rename(component="gradient") for n in range(3)
        ]
        whole = xr.concat(rows, dim=component_labels(list(where.component.values))).transpose(
            ..., "component", "gradient"
        )
        whole["gradient"].attrs["long_name"] = "Direction of the derivative"
    refuse_flat(whole, flat.isel(part=-1), limit)
    name = str(field.name or "field")
    label = f"Gradient of {field.attrs.get('long_name', name)}"
    return in_frame(whole, f"{name}_gradient", position, field, units=per_km, long_name=label)


def as_vector(part: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """Return three parts as a vector with the component labels of another."""
    return part.rename(part="component").assign_coords(component=component_labels(list(like.component.values)))


def in_frame(
    values: xr.DataArray, name: str, position: xr.DataArray, *origins: xr.DataArray, units: str, long_name: str
) -> xr.DataArray:
    """Return a result labelled, a vector in the frame of the positions."""
    attrs = {"frame": str(position.attrs["frame"]).upper()} if "component" in values.dims else {}
    return made(values, name, *origins, position, units=units, long_name=long_name, attrs=attrs)


def _per_km(field: xr.DataArray) -> str:
    import astropy.units as u

    unit = unit_of(field)
    text = unit_text(field.attrs["units"])
    if "/" in text or text == "1":
        return (unit / u.km).to_string()
    return f"{text} km-1"


def refuse_flat(values: xr.DataArray, used: xr.DataArray, limit: float) -> None:
    """Refuse a formation that is coplanar in every sample; a lazy result is not computed to find out."""
    if values.chunks is None and bool(values.isnull().all()) and bool((used >= FEWEST).any()):
        raise WrongData(
            f"the spacecraft are coplanar in every sample (smallest over largest semi-axis below {limit:g}): "
            "the derivative across their plane is not measured; plasma.formation_shape shows the formation"
        )

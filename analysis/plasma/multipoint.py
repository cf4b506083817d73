"""Gradients, curl and currents from four or more spacecraft."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import derived, in_units, unit_of, unit_text
from analysis.plasma.formations import (
    CHANTEUR,
    FEWEST,
    HARVEY,
    THINNEST,
    VOGT,
    LinearFit,
    linear_fit,
    over_samples,
    positions,
    size_of_error,
    thinness,
    together,
)
from analysis.plasma.inputs import named, on_same_axes, refuse_vectors
from analysis.plasma.parameters import MU0
from analysis.plasma.vectors import component_labels, made

CORE = ["spacecraft", "component"]
CURRENT = 1e-12 * 1e9 / MU0  # nA m-2 for a curl of 1 nT km-1: 795.77
FORCE = 1e-3  # fN m-3 for 1 nA m-2 times 1 nT
DUNLOP = "Dunlop, Balogh, Glassmeier & Robert, J. Geophys. Res. 107, 1384 (2002), doi:10.1029/2001JA005088"
SHEN = "Shen et al., J. Geophys. Res. 108, 1168 (2003), doi:10.1029/2002JA009612"


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
    Chanteur, chapter 14 of ISSI SR-001 (1998), ISBN 1-60834-000-9 (four spacecraft).
    Vogt, Albert & Marghitu, Ann. Geophys. 27, 3249 (2009), doi:10.5194/angeo-27-3249-2009 (any number).

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
    vectors = [_vector(flat.isel(part=slice(3 * n, 3 * n + 3))) for n in range(count)]
    whole = xr.concat(vectors, dim="spacecraft").transpose(*where.dims)
    if "spacecraft" in where.coords:
        whole = whole.assign_coords(spacecraft=where.spacecraft)
    _refuse_flat(whole, flat.isel(part=-1), limit)
    return _made(whole, "reciprocal_vectors", position, units="km-1", long_name="Reciprocal vectors of the formation")


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
    Harvey, chapter 12 of ISSI SR-001 (1998), ISBN 1-60834-000-9.
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
        refuse_vectors(field=field)
        if "spacecraft" not in field.dims:
            raise WrongData(f"{field.name or 'field'} has dims {dict(field.sizes)}; it needs a dim 'spacecraft'")
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
        whole = _vector(flat.isel(part=slice(0, 3)))
    else:
        rows = [_vector(flat.isel(part=slice(3 * n, 3 * n + 3))).rename(component="gradient") for n in range(3)]
        whole = xr.concat(rows, dim=component_labels(where.component.values)).transpose(..., "component", "gradient")
        whole["gradient"].attrs["long_name"] = "Direction of the derivative"
    _refuse_flat(whole, flat.isel(part=-1), limit)
    name = str(field.name or "field")
    label = f"Gradient of {field.attrs.get('long_name', name)}"
    return _made(whole, f"{name}_gradient", position, field, units=per_km, long_name=label)


def curlometer(
    b: xr.DataArray,
    position: xr.DataArray,
    *,
    sigma_b: float | xr.DataArray | None = None,
    sigma_r: float | xr.DataArray | None = None,
    thinnest: float = THINNEST,
) -> xr.Dataset:
    r"""Return the current density and what else the gradient of the magnetic field says, at the barycentre.

    .. math:: \mu_0 \mathbf j = \nabla \times \mathbf B, \qquad
        \partial_j B_i = \sum_\alpha q_{\alpha j} B_{\alpha i}

    with the reciprocal vectors of :func:`reciprocal_vectors`: Chanteur's for four spacecraft, least squares for
    more. The field is taken as linear over the formation; what is not shows in :math:`|\nabla\cdot\mathbf B|`
    and, with more than four spacecraft, in ``misfit``.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field; dims ``spacecraft`` (four or more), ``component`` and any others such as ``time``; any
        magnetic unit; a frame.
    position : xarray.DataArray
        On the same axes and in the same frame, or without ``time`` if it stays; any length.
    sigma_b, sigma_r : float or scalar xarray.DataArray, optional
        Error of each component of each field (nT) and position (km), or with units of their own. Independent
        of each other; with either, the result has errors.
    thinnest : float, optional
        Smallest over largest semi-axis of the formation below which it counts as coplanar.

    Returns
    -------
    xarray.Dataset
        At the barycentre, along ``time``: ``current_density`` (vector, nA m-2), ``current_parallel`` and
        ``current_perpendicular`` (vector) to the mean field, ``div_b`` (nT km-1), ``quality``
        (:math:`|\nabla\cdot\mathbf B| / |\nabla\times\mathbf B|`, small is good), ``b`` (nT), ``barycentre`` (km),
        ``force`` (:math:`\mathbf j \times \mathbf B`, fN m-3), ``curvature``
        (:math:`(\mathbf b \cdot \nabla)\mathbf b`, km-1) and its ``curvature_radius`` (km), ``elongation`` and
        ``planarity`` of the formation, ``misfit`` (nT, only where more than four spacecraft were used), and
        ``spacecraft_used``. With errors given also ``current_density_error`` and ``div_b_error``.
        A spacecraft without field or position is left out of that sample; NaN where fewer than four remain or the
        formation is coplanar.

    Raises
    ------
    WrongData
        With fewer than four spacecraft, different times or component labels, times out of order, a position that
        is missing, or (unless Dask-backed) a formation that is always coplanar.
    WrongFrame
        If the field and the positions are in different frames, or one does not say its own.
    WrongUnits, MissingUnits
        If an input is of another kind.
    OutsideCoverage
        If there is no sample.
    BadOption
        If an error or the limit is no such number.

    References
    ----------
    Dunlop, Balogh, Glassmeier & Robert, J. Geophys. Res. 107, 1384 (2002), doi:10.1029/2001JA005088.
    Harvey, chapter 12, and Chanteur, chapter 14 of ISSI SR-001 (1998), ISBN 1-60834-000-9.
    Shen et al., J. Geophys. Res. 108, 1168 (2003), doi:10.1029/2002JA009612 (curvature).

    Examples
    --------
    >>> r = xr.DataArray(np.eye(4, 3), dims=["spacecraft", "component"], attrs={"units": "km", "frame": "GSE"})
    >>> b = r.copy(data=np.array([[0.0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])).assign_attrs(units="nT")  # By = x
    >>> curlometer(b, r).current_density.values.round(2) + 0
    array([  0.  ,   0.  , 795.77])
    """
    errors = size_of_error(sigma_b, "nT", "sigma_b"), size_of_error(sigma_r, "km", "sigma_r")
    limit = thinness(thinnest)
    values, where = together(b, position, "b")
    field = in_units(values, "nT")

    def kernel(block: np.ndarray, place: np.ndarray) -> np.ndarray:
        return _currents(linear_fit(block, place, thinnest=limit), *errors)

    flat = over_samples(kernel, sum(size for _, size, _, _ in QUANTITIES), field, where, core=[CORE, CORE])
    result, start = {}, 0
    for name, size, units, label in QUANTITIES:
        part = flat.isel(part=slice(start, start + size))
        start += size
        if name.endswith("_error") and not any(errors):
            continue
        whole = _vector(part, where.component.values) if size == 3 else part.isel(part=0)
        result[name] = _made(whole, name, position, b, units=units, long_name=label)
    _refuse_flat(result["div_b"], result["spacecraft_used"], limit)
    step = f"plasma.curlometer(sigma_b={errors[0]:g} nT, sigma_r={errors[1]:g} km, thinnest={limit:g})"
    return derived(
        xr.Dataset(result),
        b,
        title="Current density by the curlometer",
        step=step,
        references=[DUNLOP, HARVEY, CHANTEUR, VOGT, SHEN],
        also=[position],
    )


QUANTITIES = (
    ("current_density", 3, "nA m-2", "Current density"),
    ("current_parallel", 1, "nA m-2", "Current density along the field"),
    ("current_perpendicular", 3, "nA m-2", "Current density across the field"),
    ("div_b", 1, "nT km-1", "Divergence of the magnetic field"),
    ("quality", 1, "1", "Divergence over curl of the magnetic field"),
    ("b", 3, "nT", "Magnetic field at the barycentre"),
    ("barycentre", 3, "km", "Barycentre of the spacecraft"),
    ("force", 3, "fN m-3", "Force of the current in the field"),
    ("curvature", 3, "km-1", "Curvature of the field line"),
    ("curvature_radius", 1, "km", "Radius of curvature of the field line"),
    ("elongation", 1, "1", "Elongation of the formation"),
    ("planarity", 1, "1", "Planarity of the formation"),
    ("misfit", 1, "nT", "Misfit of a linear field"),
    ("spacecraft_used", 1, "1", "Number of spacecraft used"),
    ("current_density_error", 3, "nA m-2", "Error of the current density"),
    ("div_b_error", 1, "nT km-1", "Error of the divergence"),
)


def _currents(fit: LinearFit, sigma_b: float, sigma_r: float) -> np.ndarray:
    """Return the rows of QUANTITIES; gradients are ``slope[i, j]``, the derivative of component i along j."""
    slope, b = fit.gradient, fit.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        curl = np.stack([slope[2, 1] - slope[1, 2], slope[0, 2] - slope[2, 0], slope[1, 0] - slope[0, 1]])
        divergence = slope[0, 0] + slope[1, 1] + slope[2, 2]
        strength = np.sqrt((b**2).sum(axis=0))
        along = b / strength
        current = CURRENT * curl
        parallel = (current * along).sum(axis=0)
        change = (slope * along).sum(axis=1) / strength  # (b . grad) B / |B|: its part along b is no bend
        curvature = change - along * (change * along).sum(axis=0)
        axes = np.sqrt(np.maximum(fit.axes, 0))
        rows = [
            *current,
            parallel,
            *(current - parallel * along),
            divergence,
            np.abs(divergence) / np.sqrt((curl**2).sum(axis=0)),
            *b,
            *fit.centre,
            *FORCE * np.cross(current, b, axis=0),
            *curvature,
            1 / np.sqrt((curvature**2).sum(axis=0)),
            1 - axes[1] / axes[0],
            1 - axes[2] / axes[1],
            fit.misfit,
            fit.used,
            *_errors(fit, sigma_b, sigma_r),
        ]
    return np.where(np.isinf(rows), np.nan, rows)  # a straight line has no radius, a field without curl no quality


def _errors(fit: LinearFit, sigma_b: float, sigma_r: float) -> list[np.ndarray]:
    """Return the errors of the current's three components and of the divergence.

    An error of position acts as one of the field, G times it, so the covariance of two derivatives is
    cov(G_ij, G_kl) = C_ik Q_jl with C = sigma_b^2 + sigma_r^2 G G^T and Q the inverse of the position tensor.
    """
    if not sigma_b and not sigma_r:
        return [np.full(fit.used.shape, np.nan)] * 4
    slope, q = fit.gradient, fit.inverse
    c = sigma_r**2 * np.einsum("ijt,kjt->ikt", slope, slope) + sigma_b**2 * np.eye(3)[:, :, None]
    curls = [c[k, k] * q[j, j] + c[j, j] * q[k, k] - 2 * c[j, k] * q[j, k] for j, k in ((1, 2), (2, 0), (0, 1))]
    divergence = np.einsum("ijt,ijt->t", c, q)
    return [*(CURRENT * np.sqrt(np.maximum(one, 0)) for one in curls), np.sqrt(np.maximum(divergence, 0))]


def _vector(part: xr.DataArray, labels: np.ndarray | None = None) -> xr.DataArray:
    letters = "xyz" if labels is None else labels
    return part.rename(part="component").assign_coords(component=component_labels(list(letters)))


def _made(
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


def _refuse_flat(values: xr.DataArray, used: xr.DataArray, limit: float) -> None:
    """Refuse a formation that is coplanar in every sample; a lazy result is not computed to find out."""
    if values.chunks is None and bool(values.isnull().all()) and bool((used >= FEWEST).any()):
        raise WrongData(
            f"the spacecraft are coplanar in every sample (smallest over largest semi-axis below {limit:g}): "
            "the derivative across their plane is not measured; plasma.formation_shape shows the formation"
        )

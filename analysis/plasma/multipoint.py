"""The curlometer: currents and what else the gradient of the magnetic field says, from four or more spacecraft."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.model import derived, in_units
from analysis.plasma.formations import (
    CHANTEUR,
    HARVEY,
    THINNEST,
    VOGT,
    LinearFit,
    linear_fit,
    over_samples,
    size_of_error,
    thinness,
    together,
)
from analysis.plasma.gradients import CORE, as_vector, in_frame, refuse_flat
from analysis.plasma.parameters import MU0

CURRENT = 1e-12 * 1e9 / MU0  # nA m-2 for a curl of 1 nT km-1: 795.77
FORCE = 1e-3  # fN m-3 for 1 nA m-2 times 1 nT
DUNLOP = "Dunlop, Balogh, Glassmeier & Robert, J. Geophys. Res. 107, 1384 (2002), doi:10.1029/2001JA005088"
SHEN = "Shen et al., J. Geophys. Res. 108, 1168 (2003), doi:10.1029/2002JA009612"


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
        ``current_perpendicular`` (vector) to the mean field, ``div_b`` (nT km-1), ``div_over_curl``
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
    Harvey, chapter 12, and Chanteur, chapter 14 of ISSI SR-001 (1998), ISSN 1608-280X.
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
        whole = as_vector(part, where) if size == 3 else part.isel(part=0)
        origins = () if name in OF_POSITION else (b,)
        result[name] = in_frame(whole, name, position, *origins, units=units, long_name=label)
    refuse_flat(result["div_b"], result["spacecraft_used"], limit)
    step = f"plasma.curlometer(sigma_b={errors[0]:g} nT, sigma_r={errors[1]:g} km, thinnest={limit:g})"
    return derived(
        xr.Dataset(result),
        b,
        title="Current density by the curlometer",
        step=step,
        references=[DUNLOP, HARVEY, CHANTEUR, VOGT, SHEN],
        also=[position],
    )


OF_POSITION = ("barycentre", "elongation", "planarity", "spacecraft_used")  # no flag of the field is theirs
QUANTITIES = (
    ("current_density", 3, "nA m-2", "Current density"),
    ("current_parallel", 1, "nA m-2", "Current density along the field"),
    ("current_perpendicular", 3, "nA m-2", "Current density across the field"),
    ("div_b", 1, "nT km-1", "Divergence of the magnetic field"),
    ("div_over_curl", 1, "1", "Divergence over curl of the magnetic field"),
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

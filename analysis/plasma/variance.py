"""Variance analysis: the directions in which a field varies least and most."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import derived, unit_of
from analysis.plasma.inputs import synthetic_attrs
from analysis.plasma.rotations import right_handed
from analysis.plasma.vectors import frame_of, refuse_unknown

SONNERUP = "Sonnerup & Scheible, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 8"
KHRABROV = "Khrabrov & Sonnerup, J. Geophys. Res. 103, 6641 (1998), doi:10.1029/97JA03731"
AXES = ("L", "M", "N")
FEWEST = 4  # with three samples the smallest eigenvalue is zero whatever the field


def minimum_variance(b: xr.DataArray, *, constraint: str | None = None, dim: str = "time") -> xr.Dataset:
    r"""Return the variance axes of a magnetic field; the axis N of least variance estimates a boundary's normal.

    The eigenvectors of :math:`M_{ij} = \langle B_i B_j \rangle - \langle B_i \rangle \langle B_j \rangle`, L of the
    largest eigenvalue, M of the middle one, N of the smallest. They are right-handed, L × M = N. Their signs are a
    choice: N points to positive x (sunward in GSE and GSM), L to positive z.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field with dims ``time, component`` and any others, which are kept (``spacecraft``, or the windows
        of ``b.rolling(time=64).construct("sample")`` with ``dim="sample"``). Samples with NaN are left out.
    constraint : {None, "zero_normal_field"}, optional
        With ``"zero_normal_field"`` N is sought among the directions that the mean field has no part along, as for
        a tangential discontinuity.
    dim : str, optional
        The dim to analyse over.

    Returns
    -------
    xarray.Dataset
        Without ``dim``, with the dim ``axis`` (L, M, N): ``eigenvalue`` (squared units of the field), ``eigenvector``
        (axis, component; unit vectors in the field's frame), ``mean_field`` (the mean along each axis) and
        ``mean_field_error`` (that of the normal), ``angle_error`` (axis, other_axis; degrees:
        statistical error of the rotation of one axis towards another), ``eigenvalue_ratio`` (middle
        over smallest) and ``samples``. NaN where fewer than four samples are left.

    Raises
    ------
    WrongData
        If there is no dim ``component`` of size 3, no ``dim``, or not four samples without NaN.
    WrongFrame
        If the field does not say its frame.
    BadOption
        If the constraint is not known.

    Notes
    -----
    An ``eigenvalue_ratio`` below about 10 makes the normal doubtful; the errors are statistical alone, and hold for
    noise that is the same in all directions. With the constraint the eigenvalue of N is the smallest of the two left,
    that of the axis along the mean field is zero and left out: ``eigenvalue`` of L and N are those two, and M is along
    the mean field, with NaN for what has no meaning.

    References
    ----------
    Sonnerup & Scheible, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 8, its errors in
    section 8.3.1.
    Khrabrov & Sonnerup, J. Geophys. Res. 103, 6641 (1998), doi:10.1029/97JA03731.

    Examples
    --------
    >>> phase = np.linspace(0, np.pi, 20)
    >>> field = np.stack([2 + 0 * phase, 4 * np.sin(phase), 9 * np.cos(phase)], axis=1)
    >>> b = xr.DataArray(field, dims=["time", "component"], attrs={"units": "nT", "frame": "GSE"})
    >>> axes = minimum_variance(b)
    >>> axes.eigenvector.sel(axis="N").values.round(6) + 0.0, axes.mean_field.sel(axis="N").item()
    (array([1., 0., 0.]), 2.0)
    """
    if constraint is not None:
        refuse_unknown(constraint, ["zero_normal_field"], "constraint")
    return _analysis(b, dim, constraint, normal=2, step=f"plasma.minimum_variance(constraint={constraint!r})")


def maximum_variance(e: xr.DataArray, *, dim: str = "time") -> xr.Dataset:
    r"""Return the variance axes of an electric field; the axis L of most variance estimates a boundary's normal.

    Across a boundary that stands still the tangential electric field is continuous, so that the field varies along the
    normal. Bring it into the boundary's frame first: with the convection field of
    :func:`de_hoffmann_teller`'s velocity, or that of the boundary.

    Parameters
    ----------
    e : xarray.DataArray
        Electric field with dims ``time, component`` and any others, which are kept.
    dim : str, optional
        The dim to analyse over.

    Returns
    -------
    xarray.Dataset
        As :func:`minimum_variance`; the error of the mean is that of L.

    Raises
    ------
    WrongData, WrongFrame
        As :func:`minimum_variance`.

    References
    ----------
    Sonnerup & Scheible, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 8.

    Examples
    --------
    >>> step = np.tanh(np.linspace(-3, 3, 50))
    >>> field = np.stack([5 * step, 0.5 + 0.01 * step, 0.2 * step**2], axis=1)
    >>> e = xr.DataArray(field, dims=["time", "component"], attrs={"units": "mV m-1", "frame": "GSE"})
    >>> abs(maximum_variance(e).eigenvector.sel(axis="L")).values.round(2)
    array([1., 0., 0.])
    """
    return _analysis(e, dim, None, normal=0, step="plasma.maximum_variance()")


def _analysis(field: xr.DataArray, dim: str, constraint: str | None, *, normal: int, step: str) -> xr.Dataset:
    field = right_handed(field, "field")
    name, frame, units = str(field.name), frame_of(field), str(field.attrs["units"])
    if dim not in field.dims or dim == "component":
        raise WrongData(f"{name} has dims {', '.join(map(str, field.dims))}; there is no dim {dim!r} to analyse over")
    whole = field.notnull().all("component")
    if int(whole.sum(dim).max()) < FEWEST:
        raise WrongData(
            f"{name} holds {int(whole.sum(dim).max())} samples without NaN along {dim!r}; "
            f"a variance analysis needs {FEWEST} or more"
        )
    values, vectors, mean, samples = xr.apply_ufunc(
        _eigen,
        field.drop_vars("component"),
        kwargs={"constrained": constraint is not None},
        input_core_dims=[[dim, "component"]],
        output_core_dims=[["axis"], ["axis", "component"], ["axis"], []],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"axis": 3}, "allow_rechunk": True},
        output_dtypes=[float, float, float, float],
    )
    angle = _angle_errors(values, samples)
    others = [place for place in range(3) if place != normal]
    error = values.isel(axis=2) / (samples - 1)
    for place in others:
        error = error + (angle.isel(axis=normal, other_axis=place) * mean.isel(axis=place)) ** 2
    is_normal = xr.DataArray([place == normal for place in range(3)], dims="axis")
    squared = (unit_of(field) ** 2).to_string()
    said = synthetic_attrs(field)
    result = xr.Dataset(
        {
            "eigenvalue": values.assign_attrs(units=squared, long_name="Variance along the axis"),
            "eigenvector": vectors.assign_attrs(units="1", long_name="Variance axis", frame=frame, **said),
            "mean_field": mean.assign_attrs(units=units, long_name="Mean field along the axis"),
            "mean_field_error": xr.ufuncs.sqrt(error)
            .where(is_normal)
            .transpose(..., "axis")
            .assign_attrs(units=units, long_name="Error of the mean along the normal"),
            "angle_error": xr.ufuncs.degrees(angle).assign_attrs(
                units="deg", long_name="Error of the rotation of an axis towards another"
            ),
            "eigenvalue_ratio": (values.isel(axis=1) / values.isel(axis=2)).assign_attrs(
                units="1", long_name="Middle over smallest variance"
            ),
            "samples": samples.assign_attrs(units="1", long_name="Samples without NaN"),
        }
    ).assign_coords(
        axis=("axis", list(AXES), {"long_name": "Variance axis, from the largest variance to the smallest"}),
        other_axis=("other_axis", list(AXES), {"long_name": "Variance axis"}),
        component=field.component,
    )
    title = f"Variance axes of {field.attrs.get('long_name', name)}"
    return derived(result, field, title=title, step=step, references=[SONNERUP, KHRABROV])


def _eigen(field: np.ndarray, *, constrained: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return eigenvalues from the largest, right-handed axes, the mean along each, and the number of samples."""
    seen = np.isfinite(field).all(axis=-1, keepdims=True)
    number = seen.sum(axis=-2)
    enough = number[..., 0] >= FEWEST
    count = np.where(number > 0, number, 1)
    filled = np.where(seen, field, 0.0)
    mean = filled.sum(axis=-2) / count
    away = np.where(seen, field - mean[..., None, :], 0.0)
    covariance = np.einsum("...si,...sj->...ij", away, away) / count[..., None]
    axes = None
    if constrained:
        length = np.linalg.norm(mean, axis=-1, keepdims=True)
        along = np.divide(mean, length, out=np.zeros_like(mean), where=length > 0)
        projector = np.eye(3) - along[..., :, None] * along[..., None, :]
        covariance = projector @ covariance @ projector
    values, columns = np.linalg.eigh(covariance)  # from the smallest
    if constrained:
        # the axis along the mean has eigenvalue zero: whichever of the columns is most along it
        zero = np.abs(np.einsum("...i,...ik->...k", along, columns)).argmax(axis=-1)
        order = np.argsort(np.where(np.arange(3) == zero[..., None], -1, values), axis=-1)  # mean, small, large
        values = np.take_along_axis(values, order, axis=-1)
        columns = np.take_along_axis(columns, order[..., None, :], axis=-1)
        values = np.stack([values[..., 2], np.full(values.shape[:-1], np.nan), values[..., 1]], axis=-1)
        axes = np.stack([columns[..., 2], columns[..., 0], columns[..., 1]], axis=-2)
    else:
        values = values[..., ::-1]
        axes = np.swapaxes(columns, -1, -2)[..., ::-1, :]
    axes = _handed(axes)
    # rounding may leave the variance of a field in a plane a little below zero
    values = np.where(enough[..., None], np.maximum(values, 0.0), np.nan)
    axes = np.where(enough[..., None, None], axes, np.nan)
    return values, axes, np.einsum("...ai,...i->...a", axes, mean), number[..., 0].astype(float)


def _handed(axes: np.ndarray) -> np.ndarray:
    """Return the axes with N towards positive x, L towards positive z, and M = N × L."""
    largest, smallest = axes[..., 0, :], axes[..., 2, :]
    smallest = smallest * _sign(smallest, (0, 1, 2))
    largest = largest * _sign(largest, (2, 1, 0))
    return np.stack([largest, np.cross(smallest, largest), smallest], axis=-2)


def _sign(directions: np.ndarray, order: tuple[int, int, int]) -> np.ndarray:
    """Return the sign that makes the first component that is not zero positive."""
    first, second, third = (np.where(np.abs(directions[..., i]) < 1e-12, 0.0, directions[..., i]) for i in order)
    decisive = np.where(first != 0, first, np.where(second != 0, second, third))
    return np.where(decisive < 0, -1.0, 1.0)[..., None]


def _angle_errors(values: xr.DataArray, samples: xr.DataArray) -> xr.DataArray:
    r"""Return the statistical error, in radians, of the rotation of each axis towards each other one.

    .. math:: \sqrt{\lambda_N (\lambda_i + \lambda_j - \lambda_N) / (M - 1)} / |\lambda_i - \lambda_j|

    The eigenvalue of noise is the smallest, also where the normal is the axis of largest variance.
    """
    one, other = values, values.rename(axis="other_axis")
    noise = values.isel(axis=2)
    apart = abs(one - other)
    error = xr.ufuncs.sqrt(noise / (samples - 1) * (one + other - noise)) / apart.where(apart > 0)
    return error.transpose(..., "axis", "other_axis")

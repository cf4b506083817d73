"""Frames of the place: along the magnetic field (FAC), and of a boundary (LMN)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units
from analysis.plasma.earth import times_of
from analysis.plasma.inputs import on_same_axes
from analysis.plasma.rotations import cartesian, crossed, matrices_of, normalised, relabelled
from analysis.plasma.vectors import frame_of, same_frame

PARALLEL = 1e-6  # sine of the angle below which two directions leave the third undefined


def field_aligned_frame(background: xr.DataArray, reference: xr.DataArray | None = None) -> xr.DataArray:
    r"""Return the matrices to field-aligned coordinates (FAC) of a background field.

    The third axis is along the field, :math:`\hat b`; the second along :math:`\hat b \times` reference; the first
    completes the right-handed set, :math:`x = y \times \hat b`: it is the reference less its part along the field.
    With the position from the planet's centre as reference, x points outward, and near the equator y eastward.

    Parameters
    ----------
    background : xarray.DataArray
        Magnetic field vectors, for example of :func:`mean_field`; dim ``component``, any others; any magnetic unit.
    reference : xarray.DataArray, optional
        Direction in the same frame that resolves the perpendicular ones: the position (any unit) on the same axes, or
        one vector. The x axis of the frame by default.

    Returns
    -------
    xarray.DataArray
        Rotation matrices for :func:`rotated`; rows ``perp1``, ``perp2``, ``parallel``; frame FAC. NaN where an input
        is, where the field is zero, or where it is along the reference (within 1e-6 rad), which leaves the
        perpendicular axes undefined.

    Raises
    ------
    WrongFrame
        If the two are in different frames, or one does not say its own.
    WrongData
        If one is no vector, or they are on different axes.
    WrongUnits, MissingUnits
        If the background is no magnetic field.

    References
    ----------
    Regi, Del Corpo & De Lauretis, Ann. Geophys. 59, G0651 (2016), doi:10.4401/ag-7067.

    Examples
    --------
    >>> b = xr.DataArray([0.0, 0.0, 30.0], dims="component", attrs={"units": "nT", "frame": "SM"})
    >>> r = xr.DataArray([0.0, 6.6, 1.0], dims="component", attrs={"units": "R_earth", "frame": "SM"})
    >>> field_aligned_frame(b, r).sel(row="perp1").values + 0.0
    array([0., 1., 0.])
    """
    field = cartesian(background, "background")
    source, others = frame_of(field, "background"), [background]
    along = normalised(in_units(field, "nT").drop_vars("component"))
    if reference is None:
        towards = xr.DataArray([1.0, 0.0, 0.0], dims="component")
    else:
        given = cartesian(reference, "reference")
        same_frame(background=field, reference=given)
        on_same_axes(background=field.drop_vars("component"), reference=given.drop_vars("component"))
        towards, others = normalised(given.drop_vars("component")), [background, reference]
    second = _across(along, towards)
    rows = [crossed(second, along), second, along]
    labels, columns = ("perp1", "perp2", "parallel"), field.component.values.tolist()
    return matrices_of(rows, source, "FAC", *others, labels=labels, columns=columns)


def lmn_frame(normal: xr.DataArray, l_direction: xr.DataArray | None = None) -> xr.DataArray:
    r"""Return the matrices to boundary normal coordinates (LMN).

    N is the normal, :math:`M = N \times L`, and L the given direction less its part along N; right-handed in the
    order L, M, N. At the Earth's magnetopause, with the outward normal and z of GSM as the direction, L is northward
    and M westward, towards dawn at the nose.

    Parameters
    ----------
    normal : xarray.DataArray
        Normal of the boundary, of any length: of a model, a crossing, or the minimum-variance eigenvector; one vector,
        or with further dims. Its sign is kept: N points where it does.
    l_direction : xarray.DataArray, optional
        Direction near L in the same frame: the maximum-variance eigenvector, the reconnecting field, the dipole. The
        z axis of the frame by default.

    Returns
    -------
    xarray.DataArray
        Rotation matrices for :func:`rotated`; rows ``l``, ``m``, ``n``; frame LMN. NaN where an input is, or the two
        are parallel (within 1e-6 rad).

    Raises
    ------
    WrongFrame
        If the two are in different frames, or one does not say its own.
    WrongData
        If one is no vector, or they are on different axes.
    MissingUnits
        If one has no units (``"1"`` for a direction).

    References
    ----------
    Russell & Elphic, Space Sci. Rev. 22, 681 (1978), doi:10.1007/BF00212619.

    Examples
    --------
    >>> nose = xr.DataArray([1.0, 0.0, 0.0], dims="component", attrs={"units": "1", "frame": "GSM"})
    >>> lmn_frame(nose).values + 0.0
    array([[ 0.,  0.,  1.], [ 0., -1.,  0.], [ 1.,  0.,  0.]])
    """
    given, others = cartesian(normal, "normal"), [normal]
    source = frame_of(given, "normal")
    outward = normalised(given.drop_vars("component"))
    if l_direction is None:
        towards = xr.DataArray([0.0, 0.0, 1.0], dims="component")
    else:
        direction = cartesian(l_direction, "l_direction")
        same_frame(normal=given, l_direction=direction)
        on_same_axes(normal=given.drop_vars("component"), l_direction=direction.drop_vars("component"))
        towards, others = normalised(direction.drop_vars("component")), [normal, l_direction]
    middle = _across(outward, towards)
    rows, columns = [crossed(middle, outward), middle, outward], given.component.values.tolist()
    return matrices_of(rows, source, "LMN", *others, labels=("l", "m", "n"), columns=columns)


def mean_field(b: xr.DataArray, window: str | np.timedelta64) -> xr.DataArray:
    """Return the mean of a vector in a window of time around each sample: a background field.

    Parameters
    ----------
    b : xarray.DataArray
        Dims ``time`` (increasing) and ``component``, any others; any unit.
    window : str or numpy.timedelta64
        Whole width, for example ``"10min"``: from half of it before a sample to half of it after, both ends
        included. At the ends of the data, and in gaps, the mean is of the samples there are.

    Returns
    -------
    xarray.DataArray
        Same name, unit, frame and axes. A sample with a NaN component is left out; NaN where the window holds none.

    Raises
    ------
    BadOption
        If the window is no duration above zero.
    WrongData, BadTime
        If it is no vector, or its times are absent or not increasing.
    WrongFrame, MissingUnits
        If the vector does not say its frame or unit.

    Examples
    --------
    >>> time = np.datetime64("2001-03-31", "ns") + np.arange(3) * np.timedelta64(1, "s")
    >>> b = xr.DataArray([[1.0, 0, 0], [2, 0, 0], [6, 0, 0]], dims=("time", "component"), coords={"time": time},
    ...                  attrs={"units": "nT", "frame": "GSE"})
    >>> mean_field(b, "2s").sel(component="x").values
    array([1.5, 3. , 4. ])
    """
    half = _duration(window) / 2
    given = cartesian(b, "b")
    frame = frame_of(given, "b")
    times = times_of(given, "b")
    if times.dims != ("time",):
        raise WrongData(f"{given.name} has times on {times.dims}; a window needs a dim time")
    stamps = times.values.astype(np.int64)
    if np.any(np.diff(stamps) <= 0):
        raise WrongData(f"the times of {given.name} are not increasing; sort them first, {given.name}.sortby('time')")
    first = np.searchsorted(stamps, stamps - int(half), side="left")
    last = np.searchsorted(stamps, stamps + int(half), side="right")

    def means(values: np.ndarray) -> np.ndarray:
        good = np.isfinite(values).all(axis=-2, keepdims=True)
        offset = np.where(good, values, 0).sum(axis=-1, keepdims=True) / np.maximum(good.sum(axis=-1, keepdims=True), 1)
        pad = [(0, 0)] * (values.ndim - 1) + [(1, 0)]
        sums = np.pad(np.cumsum(np.where(good, values - offset, 0), axis=-1), pad)
        counts = np.pad(np.cumsum(good, axis=-1), pad)
        number = (counts[..., last] - counts[..., first]).astype(float)
        with np.errstate(invalid="ignore"):
            return np.where(number > 0, (sums[..., last] - sums[..., first]) / number, np.nan) + offset

    whole = given if given.chunks is None else given.chunk(time=-1, component=-1)
    made = xr.apply_ufunc(
        means,
        whole,
        input_core_dims=[["component", "time"]],
        output_core_dims=[["component", "time"]],
        dask="parallelized",
        output_dtypes=[given.dtype],
    )
    return relabelled(made, given, frame, frame, given.component.values.tolist())


def _across(axis: xr.DataArray, towards: xr.DataArray) -> xr.DataArray:
    """Return the unit vector along axis × towards; NaN where they are parallel."""
    product = crossed(axis, towards)
    sine = xr.ufuncs.sqrt((product**2).sum("component", skipna=False))
    return product / sine.where(sine > PARALLEL)


def _duration(window: object) -> np.int64:
    import pandas as pd

    try:
        if not isinstance(window, str | np.timedelta64):
            raise ValueError("no text and no timedelta64")
        duration = pd.Timedelta(window)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadOption(f"window={window!r} is no duration ({error}); give one like '10min' or '30s'") from error
    if pd.isna(duration) or duration.value <= 0:
        raise BadOption(f"window={window!r} is no duration above zero; give one like '10min' or '30s'")
    return np.int64(duration.value)

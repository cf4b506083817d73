"""Timing: how a plane boundary moves, from when it passes each of several spacecraft."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import derived, in_units
from analysis.plasma.cross_correlation import VOGT_2011
from analysis.plasma.formations import (
    FEWEST,
    HARVEY,
    linear_fit,
    positions,
    size_of_error,
)
from analysis.plasma.inputs import named, on_same_axes, synthetic_attrs
from analysis.plasma.vectors import component_labels

SCHWARTZ = "Schwartz, chapter 10 of ISSI SR-001 (1998), ISSN 1608-280X"


def timing(
    crossings: xr.DataArray,
    position: xr.DataArray,
    *,
    sigma_t: float | xr.DataArray | None = None,
    sigma_r: float | xr.DataArray | None = None,
) -> xr.Dataset:
    r"""Return normal and speed of a plane boundary that passes four or more spacecraft at constant velocity.

    .. math:: \mathbf m \cdot (\mathbf r_\alpha - \mathbf r_b) = t_\alpha - t_b, \qquad
        \mathbf m = \mathbf n / V

    by least squares, weighted by the errors of the times; exact with four. The normal points where the boundary
    goes, so the speed is positive.

    Parameters
    ----------
    crossings : xarray.DataArray
        When the boundary passes each spacecraft: dim ``spacecraft``; ``datetime64``, or any unit of time, as
        :func:`time_lags` gives it. A spacecraft without a time (NaT, NaN) is left out.
    position : xarray.DataArray
        Dims ``spacecraft`` and ``component``, at its own crossing; or with ``time`` too, then interpolated to the
        crossings. Any length; a frame, in which the velocity is.
    sigma_t : float or xarray.DataArray, optional
        Error of the times (s, or with units): one for all, or with dim ``spacecraft`` one each. Without it, the
        residuals tell the errors where there are more than four spacecraft, those of the positions with them.
    sigma_r : float or xarray.DataArray, optional
        Error of each component of each position (km, or with units).

    Returns
    -------
    xarray.Dataset
        ``normal`` (unit vector), ``speed`` (km s-1), ``velocity`` (vector along the normal), ``time_at_barycentre``,
        ``residual`` of each time (s, all zero with four), ``spacecraft_used``; where an error is known also
        ``speed_error`` (km s-1) and ``normal_error`` (deg, root mean square angle). The errors are linear: they hold
        while they are small. With ``sigma_t`` given, ``chi_squared`` beside ``degrees_of_freedom`` tells whether the
        boundary was plane and steady.

    Raises
    ------
    WrongData
        With fewer than four times, a coplanar formation, other spacecraft in one than in the other, or a boundary
        that passes all at once, whose speed cannot be told.
    OutsideCoverage
        If a crossing is outside the times of the positions.
    WrongFrame, WrongUnits, MissingUnits, BadOption
        If an input is of another kind.

    References
    ----------
    Schwartz, chapter 10, and Harvey, chapter 12 of ISSI SR-001 (1998), ISSN 1608-280X.
    Vogt, Haaland & Paschmann, Ann. Geophys. 29, 2239 (2011), doi:10.5194/angeo-29-2239-2011 (errors).

    Examples
    --------
    >>> r = xr.DataArray(np.eye(4, 3) * 100, dims=["spacecraft", "component"], attrs={"units": "km", "frame": "GSE"})
    >>> t = xr.DataArray([2.0, 0.0, 0.0, 0.0], dims="spacecraft", attrs={"units": "s"})
    >>> front = timing(t, r, sigma_t=0.1)
    >>> front.velocity.values.round(6) + 0, round(front.speed_error.item(), 2)
    (array([50.,  0.,  0.]), 3.54)
    """
    seconds, start = _seconds(crossings)
    where = _at_crossings(crossings, position)
    on_same_axes(crossings=seconds, position=where)
    errors, error_r = _errors_of_times(sigma_t, seconds), size_of_error(sigma_r, "km", "sigma_r")
    front = _fit_plane(seconds.values, where.values, errors)

    normal, speed = front.slowness * front.speed, front.speed
    moment = front.time if start is None else start + np.timedelta64(round(front.time * 1e9), "ns")
    result = {
        "normal": _vector(normal, where, "1", "Normal of the boundary, the way it goes"),
        "velocity": _vector(normal * speed, where, "km s-1", "Velocity of the boundary along its normal"),
        "speed": _number(speed, "km s-1", "Speed of the boundary along its normal"),
        "time_at_barycentre": _number(moment, "s" if start is None else "", "Time at the barycentre"),
        "residual": seconds.copy(data=front.residual),
        "spacecraft_used": _number(front.used, "1", "Number of spacecraft used"),
    }
    result["residual"].attrs = {"units": "s", "long_name": "How much later than a plane boundary it came"}
    if (errors_of := _errors(front, errors, error_r)) is not None:
        result["speed_error"] = _number(errors_of[0], "km s-1", "Error of the speed")
        result["normal_error"] = _number(errors_of[1], "deg", "Error of the normal")
    if errors is not None:
        chi_squared = np.nansum(front.residual**2 / (errors**2 + (error_r / front.speed) ** 2))
        result["chi_squared"] = _number(chi_squared, "1", "Squared residuals over squared errors")
        result["degrees_of_freedom"] = _number(front.used - FEWEST, "1", "Degrees of freedom")
    data = xr.Dataset(result)
    for one in data.data_vars.values():
        one.attrs |= synthetic_attrs(crossings, position)
    return derived(
        data,
        position,
        title="Plane boundary by timing",
        step=f"plasma.timing(sigma_t={'none' if errors is None else 'given'}, sigma_r={error_r:g} km)",
        references=[SCHWARTZ, HARVEY, VOGT_2011],
        also=[crossings],
    )


@dataclass(frozen=True)
class Front:
    """A plane boundary: times are m . (r - r_b) + t_b, with the slowness m."""

    slowness: np.ndarray  # s km-1
    speed: float  # km s-1
    time: float  # s, at the barycentre
    residual: np.ndarray  # s
    used: int
    response: np.ndarray  # (spacecraft, 3): change of the slowness for a change of one time


def _fit_plane(times: np.ndarray, place: np.ndarray, errors: np.ndarray | None) -> Front:
    usable = np.isfinite(times) & np.isfinite(place).all(axis=1)
    usable &= True if errors is None else np.isfinite(errors)
    used = int(usable.sum())
    if used < FEWEST:
        raise WrongData(f"{used} spacecraft have a time and a position; timing needs at least {FEWEST}")
    weights = np.ones(len(times)) if errors is None else np.where(usable, errors, 1.0) ** -2
    weights = np.where(usable, weights / weights[usable].mean(), 0.0)
    values = np.where(usable, times, np.nan)[:, None, None]
    fit = linear_fit(values, place[:, :, None], weights=weights[:, None])
    slowness = fit.gradient[0, :, 0]
    if not np.isfinite(slowness).all():
        raise WrongData("the spacecraft that saw the boundary are coplanar: its motion across their plane is not seen")
    offset = np.where(usable[:, None], place - fit.centre[:, 0], 0.0)
    length = float(np.sqrt(slowness @ slowness))
    if length * np.abs(offset).max() <= 1e-12 * max(float(np.abs(times[usable]).max()), 1e-9):
        raise WrongData("the boundary passes all spacecraft at once: its speed cannot be told")
    residual = times - fit.mean[0, 0] - offset @ slowness
    response = (weights[:, None] * offset) @ fit.inverse[:, :, 0]
    residual = np.where(usable, residual, np.nan)
    return Front(slowness, 1 / length, float(fit.mean[0, 0]), residual, used, response)


def _errors(front: Front, errors: np.ndarray | None, error_r: float) -> tuple[float, float] | None:
    """Return the errors of speed (km s-1) and normal (deg), if anything is known of those of the input.

    An error of position is one of time, by what the boundary takes for it; the residuals hold both.
    """
    of_position = (error_r / front.speed) ** 2
    if errors is not None:
        variance = np.where(np.isfinite(errors), errors, 0.0) ** 2 + of_position
    elif front.used > FEWEST:
        left = np.nansum(front.residual**2) / (front.used - FEWEST)
        variance = np.full(len(front.residual), left)
    elif error_r:
        variance = np.full(len(front.residual), of_position)
    else:
        return None
    covariance = (front.response.T * variance) @ front.response
    normal = front.slowness * front.speed
    along = float(normal @ covariance @ normal)
    across = float(np.trace(covariance)) - along
    return front.speed**2 * np.sqrt(max(along, 0.0)), np.degrees(front.speed * np.sqrt(max(across, 0.0)))


def _seconds(crossings: xr.DataArray) -> tuple[xr.DataArray, np.datetime64 | None]:
    """Return the crossings in seconds and what they count from: the first of them, or nothing."""
    if not isinstance(crossings, xr.DataArray) or crossings.dims != ("spacecraft",):
        has = dict(crossings.sizes) if isinstance(crossings, xr.DataArray) else type(crossings).__name__
        raise WrongData(f"crossings has {has}; it is a DataArray with the one dim 'spacecraft', a time each")
    name = str(crossings.name or "crossings")
    if crossings.dtype.kind not in "Mmfiu":
        raise WrongData(
            f"{name} holds {crossings.dtype}; times are datetime64 (.astype('datetime64[ns]') reads dates) or numbers "
            "with a unit of time"
        )
    if crossings.dtype.kind == "M":
        times = crossings.values.astype("datetime64[ns]")
        if np.isnat(times).all():
            raise WrongData(f"{name} holds no time")
        start = times[~np.isnat(times)].min()
        seconds = np.where(np.isnat(times), np.nan, (times - start).astype("int64") / 1e9)
        return crossings.copy(data=seconds).assign_attrs(units="s"), start
    delays = crossings if crossings.dtype.kind != "m" else crossings.copy(data=_of_timedelta(crossings.values))
    if crossings.dtype.kind == "m":
        return delays.assign_attrs(units="s"), None
    return in_units(named(delays, "crossings"), "s"), None


def _of_timedelta(values: np.ndarray) -> np.ndarray:
    whole = values.astype("timedelta64[ns]")
    return np.where(np.isnat(whole), np.nan, whole.astype("int64") / 1e9)


def _at_crossings(crossings: xr.DataArray, position: xr.DataArray) -> xr.DataArray:
    """Return positions (km) without time: those at each spacecraft's own crossing."""
    where = positions(position)
    if "time" not in where.dims:
        if set(where.dims) != {"spacecraft", "component"}:
            raise WrongData(f"position has dims {where.dims}; timing needs spacecraft, component and, if at all, time")
        return where.transpose("spacecraft", "component")
    if crossings.dtype.kind != "M" or "time" not in where.coords:
        raise WrongData(
            "position changes with time, but the crossings are no datetimes: give the positions at the crossings, "
            "without the dim 'time' (position.isel(time=0)), or crossings as datetime64"
        )
    clock = where.time.values.astype("datetime64[ns]")
    times = crossings.values.astype("datetime64[ns]")
    known = times[~np.isnat(times)]
    if known.size and (known.min() < clock[0] or known.max() > clock[-1]):
        raise OutsideCoverage(
            f"crossings from {known.min()} to {known.max()} are not all inside the positions, {clock[0]} to {clock[-1]}"
        )
    on_same_axes(crossings=crossings.astype(float).assign_attrs(units="s"), position=where.isel(time=0, drop=True))
    ticks, at = (clock - clock[0]).astype("int64"), (times - clock[0]).astype("int64")
    track = where.transpose("spacecraft", "time", "component").values
    place = np.array([[np.interp(when, ticks, axis) for axis in one.T] for when, one in zip(at, track, strict=True)])
    place = np.where(np.isnat(times)[:, None], np.nan, place)
    return where.isel(time=0, drop=True).transpose("spacecraft", "component").copy(data=place)


def _errors_of_times(sigma_t: float | xr.DataArray | None, seconds: xr.DataArray) -> np.ndarray | None:
    if sigma_t is None:
        return None
    if isinstance(sigma_t, xr.DataArray) and sigma_t.dims == ("spacecraft",):
        errors = in_units(named(sigma_t, "sigma_t"), "s")
        on_same_axes(sigma_t=errors, crossings=seconds)
        sizes = errors.values.astype(float)
    else:
        sizes = np.full(seconds.size, size_of_error(sigma_t, "s", "sigma_t"))
    if not (sizes[~np.isnan(sizes)] > 0).all():
        raise BadOption(f"sigma_t={sizes.tolist()}: the error of a time is above zero; leave it out if it is not known")
    return sizes


def _vector(values: np.ndarray, where: xr.DataArray, units: str, label: str) -> xr.DataArray:
    attrs = {"units": units, "long_name": label, "frame": str(where.attrs["frame"]).upper()}
    return xr.DataArray(
        values, {"component": component_labels(list(where.component.values))}, ["component"], attrs=attrs
    )


def _number(value: object, units: str, label: str) -> xr.DataArray:
    return xr.DataArray(value, attrs={"long_name": label} | ({"units": units} if units else {}))

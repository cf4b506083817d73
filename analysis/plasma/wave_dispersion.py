"""Dispersion: the wave vector of most power at each frequency, with its error."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData, WrongFrame
from analysis.model import derived, in_units, labelled
from analysis.plasma.synthetic_fields import in_order
from analysis.plasma.vectors import component_labels, frame_of, made, vector

GRID = ("kx", "ky", "kz")


def dispersion(spectrum: xr.Dataset, *, velocity: xr.DataArray | None = None) -> xr.Dataset:
    r"""Return the wave vector of most power at each frequency, and its frequency in the frame of the plasma.

    Between points of the grid k is where a parabola through 1/P along each axis has its lowest point.

    Parameters
    ----------
    spectrum : xarray.Dataset
        What :func:`wave_vector_power` gives on a grid kx, ky, kz.
    velocity : xarray.DataArray, optional
        Of the plasma past the spacecraft, dim ``component`` alone, in the frame of the spectrum, any speed unit:
        adds :math:`f' = f - k \cdot V / 2 \pi`. Below zero, the wave travels against k in the plasma.

    Returns
    -------
    xarray.Dataset
        Over ``frequency``: ``k`` (component; rad/km), ``k_error`` (component): half of a step of the grid or of the
        peak's width at half its height, whichever is more; ``wave_number`` and its error, ``phase_speed`` (km/s, along
        k, in the spacecraft's frame), ``power`` and ``fraction`` (of the mean power of the spacecraft) at the peak;
        ``plasma_frequency`` (f', Hz) and its error with a velocity. Only wave vectors up to the limit are looked at.
        ``at_edge`` is true where the peak lies on the edge of what is looked at, so that the wave may lie beyond.
        NaN where the spectrum is.

    Raises
    ------
    WrongData
        If the spectrum is not on a grid of three points or more along each axis.
    WrongFrame, WrongUnits, MissingUnits
        If the velocity is no velocity, or in another frame.

    Examples
    --------
    >>> from analysis import plasma
    >>> time = plasma.sampling_times("2030-01-01", cadence=0.1, count=8192)
    >>> four = plasma.constellation(plasma.straight_path(time, velocity=(0, 0, 0)), scale=100)
    >>> data = plasma.sampled(plasma.plane_waves([[0.01, 0, 0]], [1.0], [[0, 1, 0]]), four, noise=0.1)
    >>> spectrum = plasma.wave_vector_power(data.b, data.position, segment=200, largest=0.02, points=9)
    >>> wave = dispersion(spectrum).sel(frequency=1)
    >>> round(float(wave.k.sel(component="x")), 4), round(float(wave.phase_speed))
    (0.01, 628)
    """
    if not isinstance(spectrum, xr.Dataset) or "power" not in spectrum or not set(GRID) < set(spectrum.power.dims):
        raise WrongData("dispersion takes what wave_vector_power gives on a grid: a Dataset with power over kx, ky, kz")
    power = spectrum.power.transpose("frequency", *GRID)
    axes = [power[name].values for name in GRID]
    if min(map(len, axes)) < 3:
        raise WrongData(f"the grid has {tuple(map(len, axes))} points; three or more along each axis are needed")
    steps = np.array([axis[1] - axis[0] for axis in axes])
    size = np.sqrt(sum(part**2 for part in np.meshgrid(*axes, indexing="ij")))
    allowed = size <= float(spectrum.limit) * (1 + 1e-9)
    known = np.isfinite(power.values).any(axis=(1, 2, 3))
    flat = np.where(allowed & np.isfinite(power.values), power.values, -np.inf).reshape(len(known), -1)
    where = np.stack(np.unravel_index(flat.argmax(axis=1), allowed.shape), axis=1)
    k, width, edge = _peaks(power.values, axes, where, allowed)
    error = np.maximum(width, steps / 2)
    k[~known], error[~known] = np.nan, np.nan
    frequency = power["frequency"]
    number = np.linalg.norm(k, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = k / np.where(number > 0, number, np.nan)[:, None]
        number_error = np.where(number > 0, np.linalg.norm(along * error, axis=1), np.linalg.norm(error, axis=1))
        speed = 2 * np.pi * frequency.values / np.where(number > 0, number, np.nan)
    peak = np.where(known, flat.max(axis=1), np.nan)
    origin, vectors = spectrum.power, {"frame": str(spectrum.attrs.get("frame", "not stated"))}
    unit = str(spectrum.power.attrs["units"])
    parts = {
        "k": (k, "rad km-1", "Wave vector of most power"),
        "k_error": (error, "rad km-1", "Half-width of the peak in k"),
        "wave_number": (number, "rad km-1", "Wave number of most power"),
        "wave_number_error": (number_error, "rad km-1", "Half-width of the peak in wave number"),
        "phase_speed": (speed, "km s-1", "Phase speed past the spacecraft"),
        "power": (peak, unit, "Power at the peak"),
        "fraction": (peak / spectrum.total_power.values, "1", "Part of the mean power that is at the peak"),
    }
    if velocity is not None:
        flow = _flow(velocity, vectors["frame"])
        parts["plasma_frequency"] = (
            frequency.values - k @ flow / (2 * np.pi), "Hz", "Frequency in the frame of the plasma",
        )  # fmt: skip
        spread = np.linalg.norm(error * flow, axis=1) / (2 * np.pi)
        parts["plasma_frequency_error"] = (spread, "Hz", "Error of the frequency in the frame of the plasma")
    result = xr.Dataset(coords={"frequency": frequency, "component": component_labels()})
    for name, (values, units, label) in parts.items():
        dims = ("frequency", "component") if np.ndim(values) == 2 else ("frequency",)
        array = xr.DataArray(values, dims=dims, coords={dim: result[dim] for dim in dims})
        attrs = vectors if np.ndim(values) == 2 else {}
        result[name] = made(array, name, origin, units=units, long_name=label, attrs=attrs)
    outside = labelled(
        xr.DataArray(edge & known, dims="frequency"), "at_edge", units="1", long_name="Peak at the edge of the grid"
    )
    return derived(
        result.assign_coords(at_edge=outside),
        spectrum,
        title="Wave vectors of most power",
        step="plasma.dispersion",
        also=[] if velocity is None else [velocity],
    )


def _peaks(
    power: np.ndarray, axes: list[np.ndarray], where: np.ndarray, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return k at the peaks, their half-widths along the axes, and whether they lie at the edge of what is allowed."""
    rows = np.arange(len(where))
    top = 1 / power[rows, *where.T]
    k, width = np.empty(where.shape), np.empty(where.shape)
    edge = np.zeros(len(where), bool)
    for number, axis in enumerate(axes):
        step, index = axis[1] - axis[0], where[:, number]
        last = len(axis) - 1
        aside = []
        for shift in (-1, 1):
            beside = where.copy()
            beside[:, number] = np.clip(index + shift, 0, last)
            edge |= ~allowed[*beside.T] | (beside[:, number] == index)
            aside.append(1 / power[rows, *beside.T])
        with np.errstate(invalid="ignore", divide="ignore"):
            curvature = aside[0] + aside[1] - 2 * top  # of 1/P, times the square of the step
            off = np.where(curvature > 0, (aside[0] - aside[1]) / (2 * curvature), 0.0)
            k[:, number] = axis[index] + step * np.clip(np.nan_to_num(off), -0.5, 0.5)
            width[:, number] = np.where(curvature > 0, step * np.sqrt(2 * top / curvature), np.ptp(axis) / 2)
    return k, width, edge


def _flow(velocity: xr.DataArray, frame: str) -> np.ndarray:
    """Return a velocity in km/s, in the frame of the spectrum."""
    flow = in_order(in_units(vector(velocity, "velocity"), "km s-1"))
    if flow.dims != ("component",):
        raise WrongData(
            f"velocity has dims {dict(flow.sizes)}; one vector for the interval is needed, for example its mean"
        )
    if frame_of(flow, "velocity") != frame.upper():
        raise WrongFrame(f"velocity is in {frame_of(flow, 'velocity')}, the spectrum in {frame}")
    return flow.values

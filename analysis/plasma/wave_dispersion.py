"""Dispersion: the wave vector of most power at each frequency, with its error."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData, WrongFrame
from analysis.model import derived, in_units
from analysis.plasma.rotations import cartesian
from analysis.plasma.vectors import frame_of, made, vector


def dispersion(spectrum: xr.Dataset, *, velocity: xr.DataArray | None = None) -> xr.Dataset:
    r"""Return the wave vector of most power at each frequency, and its frequency in the frame of the plasma.

    Parameters
    ----------
    spectrum : xarray.Dataset
        What :func:`wave_vector_power` gives on its grid.
    velocity : xarray.DataArray, optional
        Of the plasma past the spacecraft, dim ``component`` alone, in the frame of the spectrum, any speed unit:
        adds :math:`f' = f - k \cdot V / 2 \pi`. Below zero, the wave travels against k in the plasma.

    Returns
    -------
    xarray.Dataset
        Over ``frequency``: ``k`` (component; rad/km) and ``k_error`` (component), half of the peak's width at half its
        height along each axis: how finely the constellation resolves k there, of which the error is a fraction where
        one wave stands out; ``wave_number`` and its error, ``phase_speed`` (km/s, along k, past the spacecraft),
        ``power`` at the peak and ``fraction``, that over the mean power of the spacecraft (a small one says that no
        single wave stands out); with a velocity ``plasma_frequency`` (f', Hz) and its error. ``at_edge`` as
        :func:`wave_vector_power` says. NaN where there is no power.

    Raises
    ------
    WrongData
        If the spectrum was not made on the grid of :func:`wave_vector_power`.
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
    if not isinstance(spectrum, xr.Dataset) or "peak_k" not in spectrum:
        raise WrongData("dispersion takes what wave_vector_power gives on its grid: a Dataset with peak_k")
    frequency = spectrum["frequency"]
    spectrum = spectrum.sel(component=cartesian(spectrum.peak_k, "peak_k")["component"])
    k, error = (spectrum[name].transpose("frequency", "component").values for name in ("peak_k", "peak_width"))
    number = np.linalg.norm(k, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = k / np.where(number > 0, number, np.nan)[:, None]
        number_error = np.where(number > 0, np.linalg.norm(along * error, axis=1), np.linalg.norm(error, axis=1))
        speed = 2 * np.pi * frequency.values / np.where(number > 0, number, np.nan)
    peak = spectrum.peak_power.values
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
    coords = {"frequency": frequency, "component": spectrum["component"]}
    result = xr.Dataset(coords={**coords, "at_edge": spectrum["at_edge"]})
    for name, (values, units, label) in parts.items():
        dims = ("frequency", "component") if np.ndim(values) == 2 else ("frequency",)
        array = xr.DataArray(values, dims=dims, coords={dim: coords[dim] for dim in dims})
        attrs = vectors if np.ndim(values) == 2 else {}
        result[name] = made(array, name, origin, units=units, long_name=label, attrs=attrs)
    return derived(
        result,
        spectrum,
        title="Wave vectors of most power",
        step="plasma.dispersion",
        also=[] if velocity is None else [velocity],
    )


def _flow(velocity: xr.DataArray, frame: str) -> np.ndarray:
    """Return a velocity in km/s, in the frame of the spectrum."""
    flow = cartesian(in_units(vector(velocity, "velocity"), "km s-1"), "velocity")
    if flow.dims != ("component",):
        raise WrongData(
            f"velocity has dims {dict(flow.sizes)}; one vector for the interval is needed, for example its mean"
        )
    if frame_of(flow, "velocity") != frame.upper():
        raise WrongFrame(f"velocity is in {frame_of(flow, 'velocity')}, the spectrum in {frame}")
    return flow.values

"""Polarization of waves: direction of the wave vector, ellipticity and planarity from the spectral matrix."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units, unit_of
from analysis.plasma.inputs import on_same_axes, refuse_other_dims, synthetic_attrs, whole_number
from analysis.plasma.rotations import right_handed
from analysis.plasma.spectral import even_step
from analysis.plasma.vectors import frame_of, same_frame

SANTOLIK = "Santolík, Parrot & Lefeuvre, Radio Sci. 38, 1010 (2003), doi:10.1029/2000RS002523"
SAMSON = "Samson, Geophys. J. R. Astron. Soc. 34, 403 (1973), doi:10.1111/j.1365-246X.1973.tb02404.x"


def wave_polarization(
    b: xr.DataArray,
    *,
    background: xr.DataArray | None = None,
    window: int = 256,
    step: int | None = None,
    average: int = 5,
) -> xr.Dataset:
    r"""Return how the waves in a magnetic field are polarized, over time and frequency, about the background field.

    Stretches of ``window`` samples with half of them in common are tapered (Hann) and Fourier transformed in
    field-aligned axes; their spectral matrices are averaged over ``average`` stretches and as many frequencies. The
    singular value decomposition of its real and imaginary parts stacked (Santolík et al. 2003, equation 8) gives the
    wave vector as the direction of least power, from :math:`\nabla \cdot B = 0`.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field with dims ``time, component`` in even steps, waves and background or waves alone.
    background : xarray.DataArray, optional
        Background field on the same axes and in the same frame; by default the mean of ``b`` over each stretch, which
        is no background for data of a search coil.
    window : int, optional
        Samples of a stretch, 16 or more.
    step : int, optional
        Samples from one stretch to the next, half of ``window`` by default.
    average : int, optional
        Stretches, and frequencies, that are averaged: an odd number, 3 or more. One alone would be fully polarized
        whatever the wave.

    Returns
    -------
    xarray.Dataset
        Dims ``time, frequency`` (Hz; zero and the average's edges left out): ``power`` (trace of the spectral matrix,
        squared units per Hz), ``ellipticity`` (-1 left-handed circular, 0 linear, 1 right-handed circular about the
        background field: 1 is the sense of electrons' gyration), ``planarity`` (1 for one wave vector),
        ``polarization`` (degree of it, in three dimensions), ``wave_normal_angle`` (degrees from the background, 0
        to 90: the sign of the wave vector is open), ``wave_normal_azimuth`` (degrees about the background from the
        plane that holds x, for the sense of it along the field), ``wave_vector`` (time, frequency, component; unit
        vector in the field's frame, along the field), and ``background`` (time, component).

    Raises
    ------
    WrongData
        If the steps of time differ, or the series is shorter than what is averaged.
    BadOption
        If an option cannot be.
    WrongFrame, WrongUnits, MissingUnits
        If the field does not say its frame or unit, or the background has others.

    Notes
    -----
    Where ``polarization`` or ``planarity`` is low the direction means nothing: mask it, for example with
    ``.where(result.polarization > 0.7)``. Stretches with NaN give NaN. Signs follow from
    :math:`\Im(B_x B_y^*) > 0` for right-handed rotation, with Fourier's :math:`e^{-i \omega t}` forward.

    References
    ----------
    Santolík, Parrot & Lefeuvre, Radio Sci. 38, 1010 (2003), doi:10.1029/2000RS002523.
    Samson, Geophys. J. R. Astron. Soc. 34, 403 (1973), doi:10.1111/j.1365-246X.1973.tb02404.x.

    Examples
    --------
    >>> seconds = np.arange(4096) / 64
    >>> turn = 2 * np.pi * 8 * seconds
    >>> field = np.stack([np.cos(turn), np.sin(turn), 50 + 0 * turn], axis=1)  # as an electron turns about +z
    >>> field += np.random.default_rng(1).normal(scale=0.01, size=field.shape)
    >>> time = np.datetime64("2020-01-01", "ns") + (seconds * 1e9).astype("timedelta64[ns]")
    >>> b = xr.DataArray(field, {"time": time}, ["time", "component"], attrs={"units": "nT", "frame": "GSE"})
    >>> waves = wave_polarization(b).sel(frequency=8).isel(time=5)
    >>> round(waves.ellipticity.item(), 2), round(waves.wave_normal_angle.item())
    (1.0, 0)
    """
    window, average = whole_number(window, "window", 16), whole_number(average, "average", 3)
    stride = window // 2 if step is None else whole_number(step, "step", 1)
    if average % 2 == 0:
        raise BadOption(f"average={average} is even; an odd number has a middle")
    field = right_handed(b, "b")
    refuse_other_dims(field, "time", "component")
    field = field.transpose("time", "component")
    frame, units = frame_of(field), unit_of(field)
    seconds = even_step(field)
    starts = np.arange(0, field.sizes["time"] - window + 1, stride)
    if starts.size < average:
        raise WrongData(
            f"{field.name} has {field.sizes['time']} samples, {starts.size} stretches of {window}; "
            f"{average} are averaged: give {window + (average - 1) * stride} samples or more, or a smaller window"
        )
    steady = field
    if background is not None:
        given = right_handed(background, "background")
        on_same_axes(b=field, background=given)
        same_frame(b=b, background=background)
        steady = in_units(given, str(field.attrs["units"])).transpose("time", "component")
    cut = np.lib.stride_tricks.sliding_window_view(field.values, window, axis=0)[starts]  # window, component, sample
    mean = np.lib.stride_tricks.sliding_window_view(steady.values, window, axis=0)[starts].mean(axis=-1)
    axes = _aligned(mean)
    matrices, frequencies = _spectral_matrices(cut, axes, seconds, average)
    half = average // 2
    axes, mean, starts = axes[half:-half], mean[half:-half], starts[half:-half]
    found = _decomposed(matrices)
    times = field["time"].values
    middles = times[starts] + (times[starts + window - 1] - times[starts]) // 2
    power = np.trace(matrices, axis1=-2, axis2=-1).real
    k = found["k"]
    two = ("time", "frequency")
    say = {
        "power": (power, f"{(units**2).to_string()} / Hz", "Wave power"),
        "ellipticity": (found["ellipticity"], "1", "Ellipticity, right-handed above zero"),
        "planarity": (found["planarity"], "1", "Planarity"),
        "polarization": (found["polarization"], "1", "Degree of polarization"),
        "wave_normal_angle": (np.degrees(np.arccos(np.clip(k[..., 2], -1, 1))), "deg", "Wave normal angle"),
        "wave_normal_azimuth": (np.degrees(np.arctan2(k[..., 1], k[..., 0])), "deg", "Azimuth of the wave normal"),
    }
    variables: dict[str, object] = {
        name: (two, values, {"units": unit, "long_name": label, **synthetic_attrs(b)})
        for name, (values, unit, label) in say.items()
    }
    vectors = np.einsum("taj,tfa->tfj", axes, k)
    variables["wave_vector"] = (
        (*two, "component"), vectors, {"units": "1", "long_name": "Wave vector's direction", "frame": frame}
    )  # fmt: skip
    says = {"units": str(field.attrs["units"]), "long_name": "Background field", "frame": frame}
    variables["background"] = (("time", "component"), mean, says)
    result = xr.Dataset(
        variables,
        {
            "time": ("time", middles, {"long_name": "Time (UTC)"}),
            "frequency": ("frequency", frequencies, {"units": "Hz", "long_name": "Frequency"}),
            "component": field.component,
        },
    )
    return derived(
        result,
        b,
        title=f"Wave polarization of {field.attrs.get('long_name', field.name)}",
        step=f"plasma.wave_polarization(window={window}, step={stride}, average={average})",
        references=[SANTOLIK, SAMSON],
        also=[] if background is None else [background],
    )


def _aligned(mean: np.ndarray) -> np.ndarray:
    """Return axes (window, axis, component): the third along the field, the first in the plane of it and x."""
    length = np.linalg.norm(mean, axis=-1, keepdims=True)
    along = np.divide(mean, length, out=np.full_like(mean, np.nan), where=length > 0)
    x = np.where(np.abs(along[:, :1]) > 0.999, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])  # along x: z takes its part
    second = np.cross(along, x)
    second /= np.linalg.norm(second, axis=-1, keepdims=True)
    return np.stack([np.cross(second, along), second, along], axis=1)


def _spectral_matrices(
    cut: np.ndarray, axes: np.ndarray, seconds: float, average: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return spectral matrices (time, frequency, 3, 3), one-sided per Hz, averaged both ways, and frequencies."""
    length = cut.shape[-1]
    taper = np.hanning(length + 1)[:-1]
    turned = np.einsum("waj,wjs->was", axes, cut - cut.mean(axis=-1, keepdims=True))
    waves = np.fft.rfft(turned * taper, axis=-1)[..., 1:]
    scale = 2 * seconds / np.sum(taper**2)
    matrices = scale * np.einsum("waf,wbf->wfab", waves, waves.conj())
    frequencies = np.fft.rfftfreq(length, seconds)[1:]
    for axis in (0, 1):  # sums of few terms: running totals would carry a NaN, and the error of strong waves, along
        size = matrices.shape[axis] - average + 1
        matrices = sum(matrices.take(range(n, n + size), axis) for n in range(average)) / average
    half = average // 2
    return matrices, frequencies[half:-half]


def _decomposed(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Return ellipticity, planarity, degree of polarization and unit wave vectors along the field."""
    whole = np.isfinite(matrices).all(axis=(-1, -2))
    safe = np.where(whole[..., None, None], matrices, np.eye(3))
    stacked = np.concatenate([safe.real, safe.imag], axis=-2)  # 6 × 3
    _, singular, rows = np.linalg.svd(stacked, full_matrices=False)
    k = rows[..., 2, :]
    k = np.where(k[..., 2:] < 0, -k, k)
    largest = np.where(singular[..., 0] > 0, singular[..., 0], np.nan)
    sense = np.sign(safe[..., 0, 1].imag)
    trace = np.trace(safe, axis1=-2, axis2=-1).real
    square = np.einsum("...ij,...ji->...", safe, safe).real
    with np.errstate(invalid="ignore", divide="ignore"):
        polarization = np.sqrt(np.clip(1.5 * square / trace**2 - 0.5, 0, 1))
    found = {
        "ellipticity": sense * singular[..., 1] / largest,
        "planarity": 1 - np.sqrt(singular[..., 2] / largest),
        "polarization": polarization,
        "k": k,
    }
    return {
        name: np.where(whole[..., None] if values.ndim > whole.ndim else whole, values, np.nan)
        for name, values in found.items()
    }

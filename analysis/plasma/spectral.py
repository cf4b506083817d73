"""Spectra of time series: multitaper power spectral densities and wavelet power, on even steps of time."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units, unit_of
from analysis.plasma.inputs import is_number, named, refuse_empty, refuse_unsorted, whole_number

THOMSON = "Thomson, Proc. IEEE 70, 1055 (1982), doi:10.1109/PROC.1982.12433"
TORRENCE = (
    "Torrence & Compo, Bull. Amer. Meteor. Soc. 79, 61 (1998), doi:10.1175/1520-0477(1998)079<0061:APGTWA>2.0.CO;2"
)
UNEVEN = 0.1  # a step may differ from the usual one by this part of it: clocks of whole milliseconds do
FEWEST = 8
MORLET = 6.0  # ω₀ of the Morlet wavelet
MOST_NUMBERS = 20_000_000  # complex numbers held at once while windows or scales are transformed


def power_spectral_density(
    array: xr.DataArray,
    *,
    half_bandwidth: float = 4.0,
    tapers: int | None = None,
    window: int | None = None,
    step: int | None = None,
) -> xr.Dataset:
    r"""Return the one-sided power spectral density of a series by Thomson's multitaper method.

    The mean of ``tapers`` periodograms with discrete prolate spheroidal tapers, of the series less its mean. Its
    integral over frequency is the series' variance.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``time`` in even steps, and any others (``component``); any unit.
    half_bandwidth : float, optional
        NW, the half bandwidth in units of one over the duration: lines are 2 NW such steps wide.
    tapers : int, optional
        How many, 2 NW - 1 by default; more leak.
    window : int, optional
        Give a spectrum of each stretch of so many samples instead of one of all.
    step : int, optional
        Samples from one window to the next, half a window by default.

    Returns
    -------
    xarray.Dataset
        ``psd`` with the dim ``frequency`` (Hz) for ``time``, or ``time, frequency`` with ``window``, in squared units
        of the series per Hz; ``psd_low`` and ``psd_high``: the 95 % confidence interval of chi² with two degrees of
        freedom a taper. With ``window``, NaN in a stretch makes its spectrum NaN.

    Raises
    ------
    WrongData
        If the steps of time differ (a gap), the series is too short, or holds NaN and no ``window`` is given.
    BadOption
        If an option cannot be.
    MissingUnits
        If the series has no unit.

    References
    ----------
    Thomson, Proc. IEEE 70, 1055 (1982), doi:10.1109/PROC.1982.12433.
    Percival & Walden, Spectral Analysis for Physical Applications (1993), chapter 7.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(1000) * np.timedelta64(100, "ms")
    >>> wave = xr.DataArray(3 * np.sin(2 * np.pi * 0.5 * np.arange(1000) / 10), {"time": time}, ["time"], "b")
    >>> spectrum = power_spectral_density(wave.assign_attrs(units="nT"))
    >>> spectrum.psd.attrs["units"], round(float(spectrum.psd.sum() * 0.01), 2)
    ('nT2 / Hz', 4.5)
    """
    if not is_number(half_bandwidth) or not 1 <= half_bandwidth < 100:
        raise BadOption(f"half_bandwidth={half_bandwidth!r} is not a number from 1 to 100, in steps of 1/duration")
    number = max(1, int(2 * half_bandwidth) - 1) if tapers is None else whole_number(tapers, "tapers", 1)
    series, seconds = _even(array)
    size = series.sizes["time"]
    length = size if window is None else whole_number(window, "window", FEWEST)
    if step is not None and window is None:
        raise BadOption("step= is from one window to the next; give window= too")
    if length < max(FEWEST, 2 * number) or length > size:
        raise WrongData(
            f"{series.name} has {size} samples; a window of {length} with {number} tapers needs at least "
            f"{max(FEWEST, 2 * number)} and at most all of them"
        )
    if window is None and bool(series.isnull().any()):
        raise WrongData(
            f"{series.name} holds NaN; fill them first, {series.name}.interpolate_na('time'), or give window="
        )
    stride = (length + 1) // 2 if step is None else whole_number(step, "step", 1)
    starts = np.arange(0, size - length + 1, stride)
    found = xr.apply_ufunc(
        _multitaper,
        series,
        kwargs=dict(starts=starts, length=length, seconds=seconds, half_bandwidth=half_bandwidth, tapers=number),
        input_core_dims=[["time"]],
        output_core_dims=[["window", "frequency"]],
        dask="parallelized",
        dask_gufunc_kwargs={
            "output_sizes": {"window": starts.size, "frequency": length // 2 + 1},
            "allow_rechunk": True,
        },
        output_dtypes=[float],
    )
    from scipy.stats import chi2

    low, high = 2 * number / chi2.ppf([0.975, 0.025], 2 * number)
    psd = _on_frequencies(found, np.fft.rfftfreq(length, seconds))
    if window is None:
        psd = psd.isel(window=0)
    else:
        times = series["time"].values
        middles = times[starts] + (times[starts + length - 1] - times[starts]) // 2
        psd = psd.rename(window="time").assign_coords(time=("time", middles, {"long_name": "Time (UTC)"}))
        psd = psd.transpose("time", "frequency", ...)
    found = _labelled(
        {"psd": psd, "psd_low": psd * low, "psd_high": psd * high},
        array,
        step=f"plasma.power_spectral_density(half_bandwidth={half_bandwidth:g}, tapers={number}, window={window})",
        reference=THOMSON,
        title="Power spectral density",
    )
    return found.assign_attrs(confidence=0.95)


def wavelet_power(
    array: xr.DataArray, *, frequencies: np.ndarray | xr.DataArray | None = None, omega0: float = MORLET
) -> xr.Dataset:
    r"""Return the power of a series over time and frequency by Morlet wavelets.

    Normalised as a one-sided density, :math:`2 \Delta t |W|^2` with W of Torrence & Compo: its mean over time is the
    power spectral density of noise. A line is as wide as the wavelet, about a fifth of its frequency.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``time`` in even steps without NaN, and any others (``component``); any unit.
    frequencies : array, optional
        In Hz, or an array with units of its own, increasing; by default 12 an octave from four cycles in the series
        to a third of the sampling rate.
    omega0 : float, optional
        The wavelet's cycles, :math:`\omega_0`, 5 to 30: more are finer in frequency and coarser in time.

    Returns
    -------
    xarray.Dataset
        ``power`` with dims ``time, frequency`` first, in squared units per Hz, and the coordinate
        ``inside_cone`` (time, frequency): false where the edges of the series matter, within :math:`\sqrt 2` scales.

    Raises
    ------
    WrongData, BadOption, MissingUnits
        As :func:`power_spectral_density`; also if a frequency is outside what the series can hold.

    References
    ----------
    Torrence & Compo, Bull. Amer. Meteor. Soc. 79, 61 (1998), section 3 and table 1.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(1000) * np.timedelta64(100, "ms")
    >>> wave = xr.DataArray(3 * np.sin(2 * np.pi * 0.5 * np.arange(1000) / 10), {"time": time}, ["time"], "b")
    >>> power = wavelet_power(wave.assign_attrs(units="nT")).power
    >>> round(power.isel(time=500).idxmax("frequency").item(), 1)
    0.5
    """
    if not is_number(omega0) or not 5 <= omega0 <= 30:
        raise BadOption(f"omega0={omega0!r} is not a number from 5 (below, the wavelet has a mean) to 30")
    series, seconds = _even(array)
    size = series.sizes["time"]
    if bool(series.isnull().any()):
        raise WrongData(f"{series.name} holds NaN; fill them first: {series.name}.interpolate_na('time')")
    if size < FEWEST:
        raise WrongData(f"{series.name} has {size} samples; a wavelet transform needs {FEWEST} or more")
    lowest, highest = 4 / (size * seconds), 1 / (3 * seconds)
    if frequencies is None:
        wanted = np.geomspace(lowest, highest, max(2, round(12 * np.log2(highest / lowest)) + 1))
    else:
        if isinstance(frequencies, xr.DataArray) and "units" in frequencies.attrs:
            frequencies = in_units(named(frequencies, "frequencies"), "Hz")
        wanted = np.asarray(frequencies, float)
        edge = 0.5 / seconds
        if (
            wanted.ndim != 1
            or not wanted.size
            or not (np.diff(wanted) > 0).all()
            or wanted[0] <= 0
            or wanted[-1] > edge
        ):
            raise BadOption(
                f"frequencies= must increase, above 0 and up to {edge:.4g} Hz, half the sampling rate of {series.name}"
            )
    scales = (omega0 + np.sqrt(2 + omega0**2)) / (4 * np.pi * wanted)
    found = xr.apply_ufunc(
        _morlet_power,
        series,
        kwargs={"scales": scales, "seconds": seconds, "omega0": omega0},
        input_core_dims=[["time"]],
        output_core_dims=[["time", "frequency"]],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"frequency": wanted.size}, "allow_rechunk": True},
        output_dtypes=[float],
    )
    power = _on_frequencies(found, wanted).transpose("time", "frequency", ...)
    edge_distance = np.minimum(np.arange(size), np.arange(size)[::-1]) * seconds
    inside = edge_distance[:, None] > np.sqrt(2) * scales
    power = power.assign_coords(
        inside_cone=(("time", "frequency"), inside, {"units": "1", "long_name": "Outside the edges' influence"})
    )
    return _labelled(
        {"power": power},
        array,
        step=f"plasma.wavelet_power(omega0={omega0:g})",
        reference=TORRENCE,
        title="Wavelet power",
    )


def even_step(array: xr.DataArray) -> float:
    """Return the step of time in seconds of a series that has one.

    Raises
    ------
    WrongData
        If there is no time, fewer than two samples, or a step differs from the usual one by over a tenth.

    Examples
    --------
    >>> times = np.array(["2020-01-01T00:00:00", "2020-01-01T00:00:04"], "datetime64[ns]")
    >>> even_step(xr.DataArray([1.0, 2.0], {"time": times}))
    4.0
    """
    name = str(array.name or "the series")
    if "time" not in array.dims or "time" not in array.coords or array["time"].dtype.kind != "M":
        raise WrongData(f"{name} has dims {', '.join(map(str, array.dims))} and no axis of UTC times")
    refuse_empty(array)
    if array.sizes["time"] < 2:
        raise WrongData(f"{name} has one sample; its step of time is not known")
    refuse_unsorted(named(array, "the series"))
    steps = np.diff(array["time"].values).astype("timedelta64[ns]").astype(np.int64)
    usual = float(np.median(steps))
    worst = int(np.abs(steps - usual).argmax())
    if abs(steps[worst] - usual) > UNEVEN * usual:
        raise WrongData(
            f"{name} is not sampled evenly: the usual step is {usual / 1e9:g} s, but after "
            f"{array['time'].values[worst]!s:.23} it is {steps[worst] / 1e9:g} s; take a stretch without gaps, or "
            f"resample: {name}.interp(time=…)"
        )
    return float(
        (array["time"].values[-1] - array["time"].values[0]).astype(np.int64) / (array.sizes["time"] - 1) / 1e9
    )


def moving_mean(array: xr.DataArray, window: int, *, least: int) -> xr.DataArray:
    """Return the mean over a window of samples centred on each time, NaN where fewer than ``least`` are there.

    By pandas, whose cost does not grow with the window, as xarray's own does.

    Examples
    --------
    >>> moving_mean(xr.DataArray([1.0, 2.0, np.nan, 4.0], dims="time"), 3, least=2).values
    array([1.5, 1.5, 3. , nan])
    """
    import pandas as pd

    def mean(values: np.ndarray) -> np.ndarray:
        table = pd.DataFrame(np.moveaxis(values, -1, 0).reshape(values.shape[-1], -1))
        means = table.rolling(window, center=True, min_periods=least).mean().to_numpy()
        return np.moveaxis(means.reshape(values.shape[-1], *values.shape[:-1]), 0, -1)

    means = xr.apply_ufunc(
        mean,
        array,
        input_core_dims=[["time"]],
        output_core_dims=[["time"]],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[float],
    )
    return means.transpose(*array.dims)


def _even(array: xr.DataArray) -> tuple[xr.DataArray, float]:
    unit_of(named(array, "series"))
    series = named(array, "series")
    return series.astype(np.result_type(series.dtype, np.float64)), even_step(series)


def _multitaper(
    series: np.ndarray, *, starts: np.ndarray, length: int, seconds: float, half_bandwidth: float, tapers: int
) -> np.ndarray:
    """Return densities (…, window, frequency) of series (…, time)."""
    from scipy.signal.windows import dpss

    windows = dpss(length, half_bandwidth, Kmax=tapers)  # of unit energy
    stretches = np.lib.stride_tricks.sliding_window_view(series, length, axis=-1)
    psd = np.zeros((*series.shape[:-1], starts.size, length // 2 + 1))
    group = max(1, MOST_NUMBERS // (length * max(1, int(np.prod(series.shape[:-1])))))
    for first in range(0, starts.size, group):  # a bounded number of windows at a time
        some = stretches[..., starts[first : first + group], :]
        some = some - some.mean(axis=-1, keepdims=True)
        for taper in windows:
            psd[..., first : first + group, :] += np.abs(np.fft.rfft(some * taper, axis=-1)) ** 2
    psd *= 2 * seconds / tapers
    psd[..., 0] /= 2
    if length % 2 == 0:
        psd[..., -1] /= 2
    return psd


def _morlet_power(series: np.ndarray, *, scales: np.ndarray, seconds: float, omega0: float) -> np.ndarray:
    """Return 2 Δt |W|² (…, time, frequency) of series (…, time); the mean is taken off, zeros put behind."""
    from scipy.fft import next_fast_len

    size = series.shape[-1]
    padded = next_fast_len(2 * size)
    transform = np.fft.fft(series - series.mean(axis=-1, keepdims=True), n=padded, axis=-1)
    omega = 2 * np.pi * np.fft.fftfreq(padded, seconds)
    power = np.empty((*series.shape, scales.size))
    for place, scale in enumerate(scales):
        daughter = np.zeros(padded)
        positive = omega > 0
        daughter[positive] = np.exp(-0.5 * (scale * omega[positive] - omega0) ** 2)
        daughter *= np.sqrt(2 * np.pi * scale / seconds) * np.pi**-0.25
        power[..., place] = 2 * seconds * np.abs(np.fft.ifft(transform * daughter, axis=-1)[..., :size]) ** 2
    return power


def _on_frequencies(array: xr.DataArray, frequencies: np.ndarray) -> xr.DataArray:
    return array.assign_coords(frequency=("frequency", frequencies, {"units": "Hz", "long_name": "Frequency"}))


def _labelled(
    arrays: dict[str, xr.DataArray], origin: xr.DataArray, *, step: str, reference: str, title: str
) -> xr.Dataset:
    units = (unit_of(origin) ** 2).to_string()
    density = f"{units} / Hz" if units else "1 / Hz"
    label = str(origin.attrs.get("long_name", origin.name or "series"))
    said = {key: origin.attrs[key] for key in ("frame", "synthetic") if key in origin.attrs}
    bounds = {"psd_low": ", lower bound (95 %)", "psd_high": ", upper bound (95 %)"}
    made = {
        name: array.assign_attrs({"units": density, "long_name": f"{title} of {label}{bounds.get(name, '')}", **said})
        for name, array in arrays.items()
    }
    return derived(xr.Dataset(made), origin, title=f"{title} of {label}", step=step, references=[reference])

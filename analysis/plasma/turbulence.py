"""Turbulence: structure functions, increments, spectral slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import derived, in_units, unit_of
from analysis.plasma.inputs import is_number, named, synthetic_attrs, whole_number
from analysis.plasma.spectral import even_step, moving_mean
from analysis.plasma.vectors import made

FRISCH = "Frisch, Turbulence: The Legacy of A. N. Kolmogorov (1995), chapter 8"
GRECO = "Greco et al., Geophys. Res. Lett. 35, L19111 (2008), doi:10.1029/2008GL035454"
BRUNO = "Bruno & Carbone, Living Rev. Sol. Phys. 10, 2 (2013), doi:10.12942/lrsp-2013-2"


def structure_functions(
    array: xr.DataArray, *, lags: Sequence[int] | None = None, orders: Sequence[float] = (1, 2, 3, 4)
) -> xr.Dataset:
    r"""Return the structure functions of a series, :math:`S_p(\tau) = \langle |\Delta B(\tau)|^p \rangle`.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``time`` in even steps, NaN allowed; of a vector (dim ``component``) the increment's length is taken.
    lags : sequence of int, optional
        In samples; by default about 30 from 1 to a tenth of the series, evenly on a logarithmic scale.
    orders : sequence of float, optional
        Above zero. A series of N samples holds little beyond order log10 N - 1.

    Returns
    -------
    xarray.Dataset
        ``structure_function`` (order, lag), each relative to the series' root mean square fluctuation to the power
        of the order (then dimensionless), ``flatness`` (lag; :math:`S_4/S_2^2`, 3 for one Gaussian component, 5/3
        for the length of a Gaussian vector) and ``pairs`` (lag). The coordinate ``lag`` is in seconds.

    Raises
    ------
    WrongData
        If the steps of time differ, or a lag is as long as the series.
    BadOption
        If lags or orders are no such numbers.
    MissingUnits
        If the series has no unit.

    References
    ----------
    Frisch, Turbulence: The Legacy of A. N. Kolmogorov (1995), chapter 8.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(1000) * np.timedelta64(1, "s")
    >>> line = xr.DataArray(np.arange(1000.0), {"time": time}, ["time"], "b", attrs={"units": "nT"})
    >>> found = structure_functions(line, lags=[10, 20], orders=[2]).structure_function
    >>> (found.isel(lag=1) / found.isel(lag=0)).values
    array([4.])
    """
    unit_of(named(array, "series"))
    seconds = even_step(named(array, "series"))
    series = array.transpose("time", ...)
    if extra := [str(dim) for dim in series.dims if dim not in ("time", "component")]:
        raise WrongData(f"{array.name} has dims {', '.join(extra)} beside time and component; take one of each first")
    size = series.sizes["time"]
    steps = _lags(lags, size)
    powers = np.atleast_1d(np.asarray(orders, float))
    if not powers.size or not (np.isfinite(powers) & (powers > 0)).all():
        raise BadOption(f"orders={orders!r} are not numbers above zero")
    values = series.values.reshape(size, -1).astype(float)
    whole = values[np.isfinite(values).all(axis=1)]
    fluctuation = np.sqrt(np.sum(whole.var(axis=0))) if whole.size else np.nan
    table, flatness, pairs = np.full((powers.size, steps.size), np.nan), np.full(steps.size, np.nan), []
    for place, lag in enumerate(steps):
        jump = np.sqrt(np.sum((values[lag:] - values[:-lag]) ** 2, axis=1)) / (fluctuation or np.nan)
        jump = jump[np.isfinite(jump)]
        pairs.append(jump.size)
        if jump.size:
            table[:, place] = [np.mean(jump**power) for power in powers]
            square = np.mean(jump**2)
            flatness[place] = np.mean(jump**4) / square**2 if square > 0 else np.nan
    label = str(array.attrs.get("long_name", array.name or "series"))
    said = synthetic_attrs(array)
    result = xr.Dataset(
        {
            "structure_function": (
                ("order", "lag"), table, {"units": "1", "long_name": f"Structure function of {label}", **said}
            ),
            "flatness": ("lag", flatness, {"units": "1", "long_name": f"Flatness of {label}", **said}),
            "pairs": ("lag", np.array(pairs), {"units": "1", "long_name": "Pairs of samples"}),
        },
        {
            "order": ("order", powers, {"units": "1", "long_name": "Order"}),
            "lag": ("lag", steps * seconds, {"units": "s", "long_name": "Lag"}),
        },
        attrs={"fluctuation": float(fluctuation), "fluctuation_units": str(array.attrs["units"])},
    )  # fmt: skip
    return derived(
        result,
        array,
        title=f"Structure functions of {label}",
        step=f"plasma.structure_functions(orders={powers.tolist()})",
        references=[FRISCH],
    )


def increment_intensity(b: xr.DataArray, *, lag: int = 1, window: int | None = None) -> xr.DataArray:
    r"""Return the partial variance of increments, PVI, of a series.

    .. math:: |\Delta B(t, \tau)| / \sqrt{\langle |\Delta B(t, \tau)|^2 \rangle}

    Parameters
    ----------
    b : xarray.DataArray
        Dim ``time`` in even steps, NaN allowed; a vector with dim ``component`` or a single series.
    lag : int, optional
        Samples from one end of the increment to the other.
    window : int, optional
        Samples about each time for the mean; by default all of the series. At least a tenth of them must be there.

    Returns
    -------
    xarray.DataArray
        Dimensionless, on all times but the last ``lag``; the increment of a time runs from it to ``lag`` samples
        later. Values above 3 or so are intermittent structures.

    Raises
    ------
    WrongData
        If the steps of time differ or the lag is as long as the series.
    BadOption
        If lag or window is no whole number above zero.

    References
    ----------
    Greco et al., Geophys. Res. Lett. 35, L19111 (2008), doi:10.1029/2008GL035454.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(101) * np.timedelta64(1, "s")
    >>> step = xr.DataArray(np.where(np.arange(101) < 50, 0.0, 7.0), {"time": time}, ["time"], "b")
    >>> pvi = increment_intensity(step.assign_attrs(units="nT"))
    >>> pvi.max().item(), int(pvi.argmax("time"))
    (10.0, 49)
    """
    unit_of(named(b, "b"))
    even_step(named(b, "b"))
    size = b.sizes["time"]
    (step,) = _lags([lag], size)
    series = named(b, "b").astype(float)
    jump = series.isel(time=slice(int(step), None)).assign_coords(time=series["time"][: -int(step)])
    square = (jump - series.isel(time=slice(None, -int(step)))) ** 2
    if "component" in square.dims:
        square = square.sum("component", skipna=False)
    if window is None:
        mean = square.mean("time")
    else:
        window = whole_number(window, "window", 2)
        mean = moving_mean(square, window, least=max(1, window // 10))
    values = xr.ufuncs.sqrt(square / mean.where(mean > 0))
    label = f"Partial variance of increments of {b.attrs.get('long_name', b.name or 'b')}"
    said = {"lag": int(step), "references": GRECO}
    bare = values.drop_vars([name for name in values.coords if str(name).endswith("_quality")])
    return made(bare, f"{b.name or 'b'}_pvi", b.drop_vars([n for n in b.coords if str(n).endswith("_quality")]),
                units="1", long_name=label, attrs=said)  # fmt: skip


def spectral_slope(psd: xr.DataArray, *, low: float, high: float) -> xr.Dataset:
    r"""Return the power law of a spectrum in a band: the slope :math:`\gamma` of :math:`P \propto f^\gamma`, its error.

    A straight line through the logarithms, each octave with the same weight: the means of log P in bins of a
    tenth of a decade.

    Parameters
    ----------
    psd : xarray.DataArray
        Dim ``frequency`` (Hz), as :func:`power_spectral_density` gives it, and any others.
    low, high : float
        The band in Hz.

    Returns
    -------
    xarray.Dataset
        ``slope``, ``slope_error`` (one standard deviation, from the scatter about the line) and ``amplitude`` (the
        line at the band's middle, units of the spectrum), on the other dims. NaN where a value is not positive.

    Raises
    ------
    OutsideCoverage
        If fewer than four bins are inside the band.
    BadOption
        If the band is none.
    WrongData, WrongUnits, MissingUnits
        If there is no axis of frequency in units of it.

    References
    ----------
    Bruno & Carbone, Living Rev. Sol. Phys. 10, 2 (2013), doi:10.12942/lrsp-2013-2.

    Examples
    --------
    >>> frequency = xr.DataArray(np.geomspace(0.01, 1, 100), dims="frequency", attrs={"units": "Hz"})
    >>> psd = (frequency ** (-5 / 3)).assign_coords(frequency=frequency).assign_attrs(units="nT2 / Hz")
    >>> round(spectral_slope(psd, low=0.02, high=0.5).slope.item(), 3)
    -1.667
    """
    for name, value in (("low", low), ("high", high)):
        if not is_number(value) or not 0 < value < np.inf:
            raise BadOption(f"{name}={value!r} is not a frequency above zero, in Hz")
    if low >= high:
        raise BadOption(f"low={low:g} Hz is not below high={high:g} Hz")
    unit_of(named(psd, "psd"))
    if "frequency" not in psd.dims or "frequency" not in psd.coords:
        raise WrongData(f"{psd.name or 'psd'} has no axis of frequency; its dims are {', '.join(map(str, psd.dims))}")
    frequencies = in_units(psd["frequency"], "Hz").values
    inside = np.flatnonzero((frequencies >= low) & (frequencies <= high))
    bins = np.floor(np.log10(frequencies[inside] / low) * 10).astype(int) if inside.size else np.empty(0, int)
    used, place = np.unique(bins, return_inverse=True)
    if used.size < 4:
        raise OutsideCoverage(
            f"the band {low:g} to {high:g} Hz holds {used.size} bins of a tenth of a decade with frequencies; "
            f"4 are needed (the spectrum has {frequencies[frequencies > 0].min():.3g} to {frequencies.max():.3g} Hz)"
        )
    x = np.bincount(place, np.log10(frequencies[inside])) / np.bincount(place)
    positive = psd.isel(frequency=inside).where(psd.isel(frequency=inside) > 0)
    mean = xr.ufuncs.log10(positive).drop_vars("frequency")
    weights = xr.DataArray((place[:, None] == np.arange(used.size)) / np.bincount(place), dims=["frequency", "bin"])
    y = xr.dot(mean, weights, dim="frequency")
    away = xr.DataArray(x - x.mean(), dims="bin")
    slope = (away * y).sum("bin", skipna=False) / float((away**2).sum())
    middle = y.mean("bin", skipna=False)
    left = y - middle - slope * away
    error = xr.ufuncs.sqrt((left**2).sum("bin", skipna=False) / (used.size - 2) / float((away**2).sum()))
    centre = 10 ** x.mean()
    label = str(psd.attrs.get("long_name", psd.name or "the spectrum"))
    result = xr.Dataset(
        {
            "slope": slope.assign_attrs(units="1", long_name=f"Spectral slope of {label}"),
            "slope_error": error.assign_attrs(units="1", long_name="Error of the slope"),
            "amplitude": (10**middle).assign_attrs(
                units=str(psd.attrs["units"]), long_name=f"Power law at {centre:.4g} Hz"
            ),
        },
        attrs={"band": f"{low:g} to {high:g} Hz"},
    )
    return derived(
        result,
        psd,
        title=f"Power law of {label}",
        step=f"plasma.spectral_slope(low={low:g}, high={high:g})",
        references=[BRUNO],
    )


def _lags(lags: Sequence[int] | None, size: int) -> np.ndarray:
    """Return lags as whole numbers of samples below the length of the series."""
    if lags is None:
        return np.unique(np.geomspace(1, max(2, size // 10), 30).astype(int))
    wanted = np.atleast_1d(np.asarray(lags))
    if not wanted.size or wanted.dtype.kind not in "iuf" or (wanted != wanted.astype(int)).any() or (wanted < 1).any():
        raise BadOption(f"lags are whole numbers of samples, 1 or more, not {lags!r}")
    if (longest := int(wanted.max())) >= size:
        raise WrongData(f"a lag of {longest} samples is as long as the series, which has {size}")
    return np.unique(wanted.astype(int))

"""Pictures of what the timing functions return, chosen by what the datasets hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

MOST_BARS = 500  # bins of a light curve; more bars are a grey wall
BARS = "#8CA9BD"


def drawn(data: xr.Dataset) -> Any | None:
    """Return the picture of a timing dataset, None for any other."""
    names = set(map(str, data.variables))
    dims = set(map(str, data.dims))
    if {"frequency", "power"} <= names and "time" in dims:
        return _surface(data, "power", "frequency")
    if {"phase", "rate"} <= names and "time" in dims:
        return _surface(data, "rate", "phase")
    if "statistic" in names and "frequency" in dims:
        return _search(data)
    if "time_lag" in names and "energy" in dims:
        return _against_energy(data)
    if "time_lag" in names and "frequency" in dims:
        return _lags(data)
    if {"power", "frequency_width"} <= names:
        return _steps(data, "power", error="power_error")
    if dims == {"phase"} and "rate" in names:
        return _profile(data)
    if dims == {"harmonic"} and "z_squared" in names:
        from analysis import panels

        return panels.points(data["z_squared"], x="harmonic", attrs=data.attrs)
    if dims == {"block"} and {"rate", "start", "stop"} <= names:
        return _blocks(data)
    return None


def _surface(data: xr.Dataset, name: str, across: str) -> Any:
    from analysis import panels

    return panels.spectrogram(data[name].transpose("time", across), attrs=data.attrs)


def _edges(data: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    middle, half = data["frequency"], data["frequency_width"] / 2
    return (middle - half).assign_attrs(middle.attrs), middle + half


def _steps(data: xr.Dataset, name: str, *, error: str | None = None, logy: bool = True) -> Any:
    from analysis import panels

    height = data[error] if error and data.sizes["frequency"] <= 300 else None  # more bars are a grey band
    return panels.histogram_steps(data[name], edges=_edges(data), error=height, logy=logy, attrs=data.attrs)


def _lags(data: xr.Dataset) -> Any:
    from analysis import panels

    shown = [_steps(data, "power")]
    for name in ("time_lag", "coherence"):
        shown.append(
            panels.points(
                data[name], x="frequency", error=data[f"{name}_error"], logx=True, logy=False, attrs=data.attrs
            )
        )
    return (shown[0] + shown[1] + shown[2]).cols(1)


def _against_energy(data: xr.Dataset) -> Any:
    from analysis import panels

    edges = (data["energy_low"].assign_attrs(long_name="Energy"), data["energy_high"])
    shown = [
        panels.histogram_steps(data[name], edges=edges, error=data[f"{name}_error"], logy=False, attrs=data.attrs)
        for name in ("time_lag", "rms", "covariance")
    ]
    return (shown[0] + shown[1] + shown[2]).cols(1)


def _search(data: xr.Dataset) -> Any:
    from analysis import panels

    if data["statistic"].ndim == 2:
        return panels.heatmap(data["statistic"], x="frequency", y="frequency_derivative", logz=False, attrs=data.attrs)
    middle = data["frequency"]
    if middle.size < 2:
        return panels.points(data["statistic"], x="frequency", attrs=data.attrs)
    half = float(middle[1] - middle[0]) / 2
    edges = ((middle - half).assign_attrs(middle.attrs), middle + half)
    return panels.histogram_steps(data["statistic"], edges=edges, logx=False, logy=False, attrs=data.attrs)


def _profile(data: xr.Dataset) -> Any:
    """Two rotations, as pulse profiles are drawn."""
    from analysis import panels

    twice = xr.concat([data[["rate", "rate_error"]]] * 2, dim="phase")
    bins = data.sizes["phase"]
    low = xr.DataArray(np.arange(2 * bins) / bins, dims="phase", name="phase", attrs=data["phase"].attrs)
    return panels.histogram_steps(
        twice["rate"].assign_attrs(data["rate"].attrs), edges=(low, low + 1 / bins), error=twice["rate_error"],
        logx=False, logy=False, attrs=data.attrs,
    )  # fmt: skip


def _blocks(data: xr.Dataset) -> Any:
    from analysis import panels

    zero = float(data["start"][0])
    label = {"units": "s", "long_name": f"Time since mission second {zero:.3f}"}
    edges = ((data["start"] - zero).assign_attrs(label), data["stop"] - zero)
    return panels.histogram_steps(
        data["rate"], edges=edges, error=data["rate_error"], logx=False, logy=False, attrs=data.attrs
    )


def light_curve_picture(data: xr.Dataset) -> Any:
    """Return the rate with its errors, where few enough to be seen, and bands where a bin holds no good time."""
    from analysis import panels
    from analysis.panels.loading import loaded
    from analysis.panels.marks import marked
    from analysis.panels.stacks import over_time
    from analysis.panels.style import TIME_TOOLS

    rate, hv = data["rate"], loaded()
    picture = panels.curves(rate, attrs=data.attrs)
    if "exposure" in data.variables and data["exposure"].dims == ("time",):
        dark = (data["exposure"] <= 0).astype("int8")
        dark.attrs = {"flag_values": [1], "flag_meanings": "no_good_time", "units": "1", "long_name": "No good time"}
        picture = over_time(picture, rate, bands=dark.rename("dark")) if dark.any() else picture
    lines = picture.traverse(lambda element: element, [hv.Curve])
    if "rate_error" not in data.variables or rate.dims != ("time",) or rate.size > MOST_BARS or not lines:
        return picture
    held = np.isfinite(rate.values) & np.isfinite(data["rate_error"].values)
    table = [data[name].values[held] for name in ("time", "rate", "rate_error")]
    across, up = lines[0].kdims[0], lines[0].vdims[0]
    bars = hv.ErrorBars(tuple(table), across, [up, up.clone(f"{up.name}_error")])
    look = {"color": BARS, "line_width": 0.8, "lower_head": None, "upper_head": None, "default_tools": TIME_TOOLS}
    return marked(picture, [], [bars.opts(backend="bokeh", **look)])

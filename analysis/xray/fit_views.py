"""Pictures of fits and of what comes after them: contours and posteriors."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from analysis.xray.fitted import fitted_spectrum


def drawn(data: xr.Dataset, *, unfolded: bool) -> Any:
    """Return the picture of a fit, its contours or its posterior; None for other data."""
    names = set(map(str, data.variables))
    if {"parameter", "bin"} <= set(data.dims) and "model_counts" in names:
        return _fit(fitted_spectrum(data, unfolded=unfolded))
    if {"delta_statistic", "threshold"} <= names:
        return _contours(data)
    if "sample" in names and {"chain", "draw", "parameter"} <= set(data["sample"].dims):
        return _corner(data)
    if "bin" in data.dims and {"expected_rate", "residual"} <= names:
        return _fit(data) if "unfolded" in data.attrs else None
    if "bin" in data.dims and {"model_flux", "flux", "residual"} <= names:
        return _fit(data)
    return None


def _fit(data: xr.Dataset) -> Any:
    """Data over the model that fits best: folded with the background that W profiles out, or unfolded."""
    from analysis import panels

    told = f"{data.attrs['statistic']} {data.attrs['statistic_value']:.1f}, {data.attrs['dof']} degrees of freedom"
    if data.attrs["unfolded"] == "true":
        return panels.fitted(
            data,
            points="flux",
            error="flux_error",
            lines={"model_flux": ("model", "solid")},
            groups="spectrum",
            corner="bottom_right",
            remark=f"{told}. Unfolded with the model: other models move the points.",
        )
    lines = {
        "expected_rate": ("model + background", "solid"),
        "model_rate": ("model", "dashed"),
        "background_rate": ("background that fits best", "dotted"),
    }
    if not (data["background_rate"].values > 0).any():
        lines = {"expected_rate": ("model", "solid")}
    remark = f"{told}. Bins are joined for the eye; the fit saw {data.attrs['bins']}."
    return panels.fitted(data, points="rate", error="rate_error", lines=lines, groups="spectrum", remark=remark)


def _contours(data: xr.Dataset) -> Any:
    from analysis import panels

    shares = data["level"].values if "level" in data.coords else np.arange(data.sizes["level"])
    levels = {f"{100 * share:.0f} %": float(t) for share, t in zip(shares, data["threshold"].values, strict=True)}
    best = float(data.attrs["x_best"]), float(data.attrs["y_best"])
    remark = "Regions that hold the two parameters together with these probabilities."
    return panels.level_lines(data["delta_statistic"], levels=levels, best=best, attrs=data.attrs, remark=remark)


def _corner(data: xr.Dataset) -> Any:
    from analysis import panels

    samples = data["sample"].transpose("chain", "draw", "parameter").values
    names = data["parameter"].values.tolist()
    units = data["parameter_unit"].values.tolist() if "parameter_unit" in data.coords else ["1"] * len(names)
    labels = [name if unit == "1" else f"{name} ({unit})" for name, unit in zip(names, units, strict=True)]
    intervals = None
    if {"lower", "median", "upper"} <= set(map(str, data.variables)):
        intervals = np.stack([data[key].values for key in ("lower", "median", "upper")], axis=1)
    remark = "Lines hold 68 and 95 % of the draws; on the diagonal median and central 68 %."
    return panels.corner(
        samples.reshape(-1, len(names)), labels=labels, intervals=intervals, attrs=data.attrs, remark=remark
    )

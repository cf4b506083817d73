"""Binned spectra as steps, and points with error bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.panels.loading import loaded
from analysis.panels.notes import note
from analysis.panels.style import FONTS, GRID, LINES, dimension, merged, message, numeric, values_of

WIDTH, HEIGHT = 560, 320
DECADES = 8  # a logarithmic axis shows no more below the highest value until it is zoomed or panned


def histogram_steps(
    array: xr.DataArray,
    *,
    edges: xr.DataArray | tuple[xr.DataArray, xr.DataArray],
    error: xr.DataArray | None = None,
    label: str | None = None,
    logx: bool = True,
    logy: bool = True,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return a binned spectrum as steps, with error bars at the bins' centres.

    Parameters
    ----------
    array : xarray.DataArray
        One value a bin, 1-D.
    edges : xarray.DataArray or pair of xarray.DataArray
        The n + 1 edges, or the lower and upper edges of n bins (which may leave gaps); its ``long_name`` and
        units label the axis.
    error : xarray.DataArray, optional
        Half length of the error bars, one a bin, in the array's units.
    label : str, optional
        Name in the legend.
    logx, logy : bool, optional
        Logarithmic axes; bins that they cannot hold are left out, and the picture says how many.
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Overlay
        A Curve and, with errors, ErrorBars. On a logarithmic axis a bar that reaches zero ends at the axis, and
        values more than eight decades below the highest lie outside the first view.

    Raises
    ------
    WrongData
        If the array is empty, not numeric or not 1-D, or edges or errors don't fit it.

    Examples
    --------
    >>> rate = xr.DataArray([3.0, 1.0], dims="channel", name="rate", attrs={"units": "ct s-1"})
    >>> energy = xr.DataArray([0.5, 1.0, 2.0], dims="edge", name="energy", attrs={"units": "keV"})
    >>> len(histogram_steps(rate, edges=energy).Curve.I)
    6
    """
    hv = loaded()
    values = values_of(numeric(array, dims=1))
    low, high, axis = _bins(edges, values.size)
    height = _errors(error, array)
    held = np.isfinite(values) & np.isfinite(low) & np.isfinite(high)
    outside = held & ((logx & (low <= 0)) | (logy & (values <= 0)))
    held &= ~outside
    if not held.any():
        return note(
            message(f"{array.name or 'the array'} holds no value that can be drawn", array),
            merged(array, attrs),
        )
    x_dim, y_dim = dimension(axis, str(axis.name or "energy")), dimension(array)
    x, y = _outline(low[held], high[held], values[held])
    drawn = [hv.Curve((x, y), x_dim, y_dim, label=label or "").opts(backend="bokeh", line_width=1.3, tools=["hover"])]
    if height is not None:
        middle = np.sqrt(low * high) if logx else (low + high) / 2
        drawn.append(_bars((middle[held], values[held], height[held]), x_dim, y_dim, logy=logy))
    remark = ""
    if outside.any():
        remark = f"{int(outside.sum())} of {values.size} bins are left out: logarithmic axes cannot hold them."
    picture = note(_overlay(drawn, logx=logx, logy=logy), merged(array, attrs), remark=remark)
    return picture.opts(backend="bokeh", legend_position=_corner(logx=logx, logy=logy))  # note() makes a new overlay


def points(
    array: xr.DataArray,
    *,
    x: str | xr.DataArray | None = None,
    error: xr.DataArray | None = None,
    label: str | None = None,
    logx: bool = False,
    logy: bool = False,
    joined: bool = False,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return points, with error bars where errors are given.

    Parameters
    ----------
    array : xarray.DataArray
        One value a point, 1-D.
    x : str or xarray.DataArray, optional
        A coordinate's name or an array of the same dim; by default the coordinate of the array's dim.
    error : xarray.DataArray, optional
        Half length of the error bars, in the array's units.
    label : str, optional
        Name in the legend.
    logx, logy : bool, optional
        Logarithmic axes; points that they cannot hold are left out, and the picture says how many.
    joined : bool, optional
        A thin line from point to point.
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Overlay
        A Scatter and, with errors, ErrorBars; a Curve under them if joined.

    Raises
    ------
    WrongData
        If the array is empty, not numeric or not 1-D, or x or errors don't fit it.

    Examples
    --------
    >>> standoff = xr.DataArray([10.0, 9.0], {"pressure": [2.0, 4.0]}, ["pressure"], name="standoff")
    >>> len(points(standoff).Scatter.I)
    2
    """
    hv = loaded()
    values = values_of(numeric(array, dims=1))
    axis = _along(array, x)
    across = axis.values if axis.dtype.kind == "M" else values_of(axis)
    height = _errors(error, array)
    held = np.isfinite(values) & ~np.isnan(across)
    outside = held & ((logy & (values <= 0)) | ((across <= 0) if logx and axis.dtype.kind != "M" else False))
    held &= ~outside
    if not held.any():
        return note(
            message(f"{array.name or 'the array'} holds no value that can be drawn", array),
            merged(array, attrs),
        )
    x_dim, y_dim = dimension(axis), dimension(array)
    dots = hv.Scatter((across[held], values[held]), x_dim, y_dim, label=label or "")
    drawn = [dots.opts(backend="bokeh", size=5, tools=["hover"])]
    if joined:
        line = hv.Curve((across[held], values[held]), x_dim, y_dim)
        drawn.insert(0, line.opts(backend="bokeh", line_width=0.8, color=LINES[0]))
    if height is not None:
        drawn.append(_bars((across[held], values[held], height[held]), x_dim, y_dim, logy=logy))
    remark = ""
    if outside.any():
        remark = f"{int(outside.sum())} of {values.size} points are left out: logarithmic axes cannot hold them."
    picture = note(_overlay(drawn, logx=logx, logy=logy), merged(array, attrs), remark=remark)
    return picture.opts(backend="bokeh", legend_position=_corner(logx=logx, logy=logy))  # note() makes a new overlay


def _bins(
    edges: xr.DataArray | tuple[xr.DataArray, xr.DataArray], bins: int
) -> tuple[np.ndarray, np.ndarray, xr.DataArray]:
    """Return lower edges, upper edges and the array that names the axis."""
    if isinstance(edges, tuple) and len(edges) == 2:
        first, second = (edge if isinstance(edge, xr.DataArray) else xr.DataArray(edge) for edge in edges)
        low, high = values_of(first), values_of(second)
    else:
        first = edges if isinstance(edges, xr.DataArray) else xr.DataArray(edges)
        low, high = values_of(first)[:-1], values_of(first)[1:]
    if low.shape != (bins,) or high.shape != (bins,):
        raise WrongData(
            f"edges describe {low.size} lower and {high.size} upper ends for {bins} bins; "
            f"give {bins + 1} edges, or a pair (low, high) of {bins} each"
        )
    return np.minimum(low, high), np.maximum(low, high), first


def _outline(low: np.ndarray, high: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the steps; a NaN after a bin that does not touch the next leaves the gap open."""
    gap = np.r_[np.abs(low[1:] - high[:-1]) > 1e-6 * np.abs(high[:-1]), False]
    x = np.stack([low, high, high], axis=1).ravel()
    y = np.stack([values, values, np.where(gap, np.nan, values)], axis=1).ravel()
    return x, y


def _errors(error: xr.DataArray | None, array: xr.DataArray) -> np.ndarray | None:
    if error is None:
        return None
    height = values_of(error if isinstance(error, xr.DataArray) else xr.DataArray(error))
    if height.shape != array.shape:
        raise WrongData(f"error has shape {height.shape}, {array.name or 'the array'} {array.shape}")
    return height


def _along(array: xr.DataArray, x: str | xr.DataArray | None) -> xr.DataArray:
    """Return what runs across: the named coordinate, the array given, or the coordinate of the dim."""
    if isinstance(x, xr.DataArray):
        if x.shape != array.shape:
            raise WrongData(f"x has shape {x.shape}, {array.name or 'the array'} {array.shape}")
        return x
    name = x or str(array.dims[0])
    if name in array.coords and array[name].shape == array.shape:
        return array[name]
    if x is not None:
        raise WrongData(
            f"{array.name or 'array'} has no 1-D coordinate {x!r}; it has {', '.join(map(str, array.coords))}"
        )
    return xr.DataArray(np.arange(array.size, dtype=float), dims=array.dims, name=name)


def _bars(table: tuple[np.ndarray, np.ndarray, np.ndarray], x_dim: Any, y_dim: Any, *, logy: bool) -> Any:
    hv = loaded()
    x, y, height = table
    known = np.isfinite(height)
    x, y, height = x[known], y[known], np.abs(height[known])
    # on a logarithmic axis a bar that goes below the lowest value ends a little under it: the axis stays useful
    below = np.minimum(height, y - y.min() / 3) if logy and y.size else height
    up, down = y_dim.clone(f"{y_dim.name}_above"), y_dim.clone(f"{y_dim.name}_below")
    return hv.ErrorBars((x, y, below, height), x_dim, [y_dim, down, up]).opts(
        backend="bokeh", line_width=0.8, lower_head=None, upper_head=None
    )


def _overlay(drawn: list[Any], *, logx: bool, logy: bool) -> Any:
    hv = loaded()
    options: dict[str, Any] = dict(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, logx=logx, logy=logy, fontsize=FONTS,
        show_grid=True, gridstyle=GRID, active_tools=["wheel_zoom"], padding=0.05,
    )  # fmt: skip
    low, high = drawn[0].range(0)
    if logx and low > 0 and high / low < 100:  # Bokeh labels next to nothing over less than two decades
        options["xticks"] = [
            step * 10.0**power for power in range(int(np.log10(low)) - 2, int(np.log10(high)) + 3) for step in (1, 2, 5)
        ]
    lowest, highest = drawn[0].range(1)
    if logy and highest / lowest > 10.0**DECADES:  # an absorbed model falls by hundreds of decades
        options["ylim"] = (highest / 10.0**DECADES, highest * 3)
    return hv.Overlay([element.opts(**options) for element in drawn])


def _corner(*, logx: bool, logy: bool) -> str:
    """Return where the legend goes: on two logarithmic axes spectra leave the lower left corner free."""
    return "bottom_left" if logx and logy else "top_right"

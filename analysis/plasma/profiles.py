"""Pictures of what has no axis of time: spectra, structure functions, distributions, outlines of boundaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import WrongData

LOGARITHMIC = ("frequency", "lag")  # axes along which powers of ten count
MOST_LINES = 8
MOST_DOTS = 60


def axis_of(array: xr.DataArray) -> str | None:
    """Return the dim that a line can be drawn along, None if there is none: of numbers, not time, few lines beside it.

    Examples
    --------
    >>> psd = xr.DataArray(np.ones((3, 2)), {"frequency": [0.1, 0.2]}, ["component", "frequency"])
    >>> axis_of(psd), axis_of(psd.isel(frequency=0))
    ('frequency', None)
    """
    axes = [str(dim) for dim in array.dims if dim in array.coords and array[dim].dtype.kind in "fiu"]
    chosen = next((dim for dim in (*LOGARITHMIC, *axes) if dim in axes), None)
    if chosen is None or "time" in array.dims or array.ndim > 2 or array.dtype.kind not in "fiu":
        return None
    return chosen if array.size <= MOST_LINES * array.sizes[chosen] else None


def profile(
    array: xr.DataArray,
    attrs: Mapping[str, Any],
    bounds: tuple[xr.DataArray, xr.DataArray] | None = None,
) -> Any:
    """Return lines along an axis that is not time, one for each value of another dim; logarithmic over frequency.

    Parameters
    ----------
    array : xarray.DataArray
        For which :func:`axis_of` names an axis.
    attrs : mapping
        Of the dataset, for the note.
    bounds : pair of xarray.DataArray, optional
        Lower and upper bounds of the values, drawn as bands.

    Examples
    --------
    >>> psd = xr.DataArray([2.0, 1.0], {"frequency": [0.1, 0.2]}, ["frequency"], "psd", {"units": "nT2 / Hz"})
    >>> profile(psd, {})
    :Overlay...
    """
    from analysis import panels
    from analysis.panels.loading import loaded
    from analysis.panels.style import FONTS, LINES, axis_label, dimension, merged, numeric

    hv, axis = loaded(), axis_of(numeric(array))
    if axis is None:
        raise WrongData(f"{array.name or 'the array'} has dims {', '.join(map(str, array.dims))}: no line to draw")
    along, value = dimension(array[axis]), dimension(array)
    log = axis in LOGARITHMIC
    power = log and not bool((array < 0).any())  # what has both signs, an ellipticity, stays linear
    x = array[axis].values.astype(float)
    shown = x > 0 if log else np.isfinite(x)
    drawn: list[Any] = []
    for index, (label, line) in enumerate(_lines(array, axis)):
        colour = LINES[index % len(LINES)]
        if bounds is not None:
            low, high = (dict(_lines(bound, axis))[label] for bound in bounds)
            words = f"{attrs['confidence']:.0%} interval" if "confidence" in attrs else "interval"
            band = hv.Area((x[shown], low[shown], high[shown]), along, [value, "upper bound"], label=label or words)
            drawn.append(band.opts(backend="bokeh", color=colour, alpha=0.2, line_alpha=0))
        y = np.where(line > 0, line, np.nan) if power else line
        drawn.append(hv.Curve((x[shown], y[shown]), along, value, label=label).opts(backend="bokeh", color=colour))
        if shown.sum() <= MOST_DOTS:
            dots = hv.Scatter((x[shown], y[shown]), along, value, label=label)
            drawn.append(dots.opts(backend="bokeh", size=5, color=colour))
    options = dict(frame_width=420, frame_height=300, fontsize=FONTS, show_grid=True, logx=log, logy=power)
    picture = hv.Overlay([one.opts(backend="bokeh", ylabel=axis_label(array, fold=44), **options) for one in drawn])
    return panels.note(picture.opts(backend="bokeh", legend_position="right"), merged(array, attrs), fold=48)


def profiles(data: xr.Dataset, names: Sequence[str]) -> Any:
    """Return the profiles of these variables side by side; bounds named so are drawn with what they bound.

    Examples
    --------
    >>> says = {"units": "nT2 / Hz"}
    >>> lines = {name: ("frequency", [2.0, 1.0], says) for name in ("psd", "psd_low", "psd_high")}
    >>> len(profiles(xr.Dataset(lines, {"frequency": [0.1, 0.2]}), list(lines)))
    1
    """
    from analysis.panels.loading import loaded

    limits = {name: (f"{name}_low", f"{name}_high") for name in names}
    bounded = {name: pair for name, pair in limits.items() if set(pair) <= set(data.data_vars)}
    bounds = {bound for pair in bounded.values() for bound in pair}
    pictures = []
    for name in (name for name in names if name not in bounds):
        low_high = bounded.get(name)
        band = None if low_high is None else (data[low_high[0]], data[low_high[1]])
        pictures.append(profile(data[name], data.attrs, band))
    return loaded().Layout(pictures).opts(backend="bokeh", shared_axes=False)


def is_outline(data: xr.Dataset) -> bool:
    """Return whether this is the line in which a plane cuts a boundary, as ``boundary_cut`` gives it.

    Examples
    --------
    >>> is_outline(xr.Dataset())
    False
    """
    return set(data.data_vars) == {"x", "y", "z"} and set(data.dims) == {"angle"}


def outline(data: xr.Dataset) -> Any:
    """Return the picture of a cut of a boundary, its two axes of one scale.

    Examples
    --------
    >>> line = {name: ("angle", values, {"units": "km"}) for name, values in zip("xyz", [[1, 0], [0, 1], [0, 0]])}
    >>> outline(xr.Dataset(line, {"angle": [0.0, 90.0]}))
    :Curve...
    """
    from analysis import panels
    from analysis.panels.loading import loaded
    from analysis.panels.style import FONTS, axis_label, dimension

    hv = loaded()
    flat = min("zyx", key=lambda letter: float(np.ptp(data[letter].values[np.isfinite(data[letter].values)])))
    across, up = (letter for letter in "xyz" if letter != flat)
    line = hv.Curve((data[across].values, data[up].values), dimension(data[across]), dimension(data[up]))
    options = dict(data_aspect=1, frame_width=420, fontsize=FONTS, show_grid=True)
    line = line.opts(
        backend="bokeh", xlabel=axis_label(data[across], fold=60), ylabel=axis_label(data[up], fold=44), **options
    )
    return panels.note(line, data.attrs, fold=48)


def _lines(array: xr.DataArray, axis: str) -> list[tuple[str, np.ndarray]]:
    """Return the values of each line under the label of its place in the other dim."""
    from analysis.panels.style import values_of

    if array.ndim == 1:
        return [("", values_of(array))]
    other = next(str(dim) for dim in array.dims if dim != axis)
    labels = array[other].values if other in array.coords else np.arange(array.sizes[other])
    name = "" if labels.dtype.kind in "UOS" else f"{other} "
    whole = values_of(array.transpose(other, axis))
    return [(f"{name}{label:g}" if name else str(label), row) for label, row in zip(labels, whole, strict=True)]

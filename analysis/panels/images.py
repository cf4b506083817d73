"""Images: two spatial dims on axes of equal scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.panels.loading import loaded
from analysis.panels.meshes import COLOUR_BAR
from analysis.panels.notes import note
from analysis.panels.style import (
    BACKGROUND,
    DIVERGING,
    FONTS,
    colour_limits,
    dimension,
    has_both_signs,
    merged,
    message,
    numeric,
    values_of,
)

SIDE = 440  # longer side of the frame, in screen pixels
UNEVEN = 1e-3  # how much steps of a coordinate may differ, relative to the step


def image(
    array: xr.DataArray,
    *,
    logz: bool = True,
    clim: Sequence[float] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return an image with equal scales on both axes.

    Parameters
    ----------
    array : xarray.DataArray
        Dims ``(y, x)``, whatever their names: the last one runs across. Evenly spaced 1-D coordinates, or
        none (pixel numbers). A coordinate that runs down, such as right ascension, is drawn running down.
    logz : bool, optional
        Logarithmic colours; not used where values are negative or none is positive.
    clim : (float, float), optional
        Limits of the colours; by default the 1st and 99.5th percentile (on logarithmic colours: of positive
        values).
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Image
        Pixels below the limits have the darkest colour, NaN the grey background; hover shows the array's own
        values.

    Raises
    ------
    WrongData
        If the array is empty, not numeric, not two-dimensional, or a coordinate is unevenly spaced.

    Examples
    --------
    >>> counts = xr.DataArray([[0, 1], [2, 30]], dims=["y", "x"], name="counts", attrs={"units": "ct"})
    >>> image(counts)
    :Image...
    """
    hv = loaded()
    numeric(array, dims=2)
    y, x = (_axis(array, str(dim)) for dim in array.dims)
    values = values_of(array)
    if not np.isfinite(values).any():
        return note(message(f"{array.name or 'the array'} holds no value (all NaN)", array), merged(array, attrs))
    signed = has_both_signs(values)
    log = logz and not (values < 0).any() and bool((values > 0).any())
    across, up = (abs(float(c[-1] - c[0])) + abs(_step(c)) for c in (x, y))
    scale = SIDE / max(across, up)
    value = dimension(array)
    picture = hv.Image((x.values, y.values, values), [dimension(x), dimension(y)], value).opts(
        backend="bokeh", cmap=DIVERGING if signed else "inferno", colorbar=True,
        cnorm="log" if log else "linear",
        clim=colour_limits(values, clim, log=log, diverging=signed), clabel=value.pprint_label,
        colorbar_opts=COLOUR_BAR, frame_width=max(80, round(across * scale)),
        frame_height=max(80, round(up * scale)),
        bgcolor=BACKGROUND, tools=["hover"], active_tools=["wheel_zoom"], fontsize=FONTS,
        invert_xaxis=bool(_step(x) < 0), invert_yaxis=bool(_step(y) < 0),
    )  # fmt: skip
    return note(picture, merged(array, attrs))


def _axis(array: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the coordinate along a dim, evenly spaced; pixel numbers if the array has none."""
    if dim not in array.coords:
        return xr.DataArray(np.arange(array.sizes[dim], dtype=float), dims=dim, name=dim)
    coordinate = array[dim].astype(float)
    steps = np.diff(coordinate.values)
    if steps.size and not np.allclose(steps, steps[0], rtol=UNEVEN, atol=0):
        raise WrongData(
            f"the coordinate {dim} of {array.name or 'array'} has steps of {steps.min():g} "
            f"to {steps.max():g}; an image needs even ones: draw it with heatmap"
        )
    return coordinate


def _step(coordinate: xr.DataArray) -> float:
    return float(coordinate[1] - coordinate[0]) if coordinate.size > 1 else 1.0

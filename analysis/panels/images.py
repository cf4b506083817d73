"""Images: two spatial dims on axes of equal scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.panels.graticules import Graticule, drawn, graticule
from analysis.panels.loading import loaded
from analysis.panels.mesh_frames import COLOUR_BAR, WORDS, checked_joined, hidden, scale_of, scale_of_all
from analysis.panels.notes import note
from analysis.panels.style import (
    BACKGROUND,
    DIVERGING,
    FONTS,
    colour_limits,
    dimension,
    merged,
    message,
    numeric,
    values_of,
)
from analysis.panels.tiles import Part, seen_part, tiled

SIDE = 440  # longer side of the frame, in screen pixels
OUTLINES = ("#56B4E9", "#F0E442", "#009E73", "#CC79A7", "#FFFFFF")
MOST_PIXELS = 1_000_000  # more are joined in each view
MOST_SHOWN = 600  # pixels of a view along each axis, at most
UNEVEN = 1e-3  # how much steps of a coordinate may differ, relative to the step


def image(
    array: xr.DataArray,
    *,
    logz: bool = True,
    clim: Sequence[float] | str | None = None,
    joined: str = "mean",
    outlines: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
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
    clim : (float, float) or "visible", optional
        Limits of the colours; by default the 1st and 99.5th percentile (on logarithmic colours: of positive
        values), of a large image both of its own pixels and of what is drawn at first; they stay while one zooms;
        "visible": those of each view of a large image.
    joined : "mean" or "max", optional
        What is drawn for squares of pixels where an image is too large for a view: their mean, or the highest of them,
        so that no small bright source is lost.
    outlines : mapping of str to (x, y), optional
        Closed lines in the axes' coordinates by name, drawn over the image.
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Image, or an Overlay of it with lines; of a large array a DynamicMap of these
        With two-dimensional coordinates ``ra`` and ``dec`` the axes say these, where dotted lines of equal right
        ascension and declination meet them. Pixels below the limits have the darkest colour, NaN the grey background;
        hover shows the array's own values, and those of two-dimensional coordinates. Of more than a million pixels
        each view shows means (or the highest) of squares of them, NaN left out, down to the image's own pixels where
        one zooms in; such an array may be on disk: it is read once, part by part, and then only where a view needs it.

    Raises
    ------
    WrongData
        If the array is empty, not numeric, not two-dimensional, or a coordinate is unevenly spaced.
    BadOption
        If ``clim`` or ``joined`` is none of these.

    Examples
    --------
    >>> counts = xr.DataArray([[0, 1], [2, 30]], dims=["y", "x"], name="counts", attrs={"units": "ct"})
    >>> image(counts)
    :Image...
    """
    hv, joined = loaded(), checked_joined(joined)
    numeric(array, dims=2)
    y, x = (_axis(array, str(dim)) for dim in array.dims)
    tiles = tiled(array) if array.size > MOST_PIXELS else None
    values = values_of(array) if tiles is None else tiles.levels[-1]
    known = merged(array, attrs)
    if not np.isfinite(values).any():
        return note(message(f"{array.name or 'the array'} holds no value (all NaN)", array), known)
    # an axis of one pixel has no step of its own; scales are equal, so it has the other's
    width, height = _step(x, like=y), _step(y, like=x)
    (left, right), (bottom, top) = (_ends(c, step) for c, step in ((x, width), (y, height)))
    scale = SIDE / max(right - left, top - bottom)
    value, places = dimension(array), _places(array)
    kdims, vdims = [dimension(x), dimension(y)], [value, *(dimension(place) for place in places)]
    bounds, down = (left, bottom, right, top), (width < 0, height < 0)
    if tiles is None:
        colours = scale_of(values, clim, logz=logz)
    else:
        first = _shown(seen_part(tiles, bounds, (None, None), down, most=MOST_SHOWN), joined)
        colours = scale_of_all(tiles.sample, first, clim, logz=logz, lowest=tiles.lowest, joined=joined)
    log, signed = colours["cnorm"] == "log", colours["cmap"] == DIVERGING
    options = dict(
        cmap=DIVERGING if signed else "inferno", colorbar=True, cnorm=colours["cnorm"], clim=colours["clim"],
        clabel=value.pprint_label, colorbar_opts=COLOUR_BAR, frame_width=max(80, round((right - left) * scale)),
        frame_height=max(80, round((top - bottom) * scale)), bgcolor=BACKGROUND, tools=["hover"],
        active_tools=["wheel_zoom"], fontsize=FONTS, invert_xaxis=width < 0, invert_yaxis=height < 0,
    )  # fmt: skip
    found = graticule(array)
    if tiles is None:
        columns = (x.values, y.values, values, *(place.values.astype(np.float32) for place in places))
        picture = hv.Image(columns, kdims, vdims, bounds=bounds)
        picture = picture.opts(backend="bokeh", **options, hover_tooltips=_tooltips(kdims, vdims))
        return note(_over(picture, kdims, found, outlines), known)
    options |= _ticks(found)
    vdims[0] = value.clone(range=colours["clim"])  # else HoloViews looks for the range of each view

    def frame(x_range: Any, y_range: Any) -> Any:
        part = seen_part(tiles, bounds, (x_range, y_range), down, most=MOST_SHOWN)
        shown, limits = _shown(part, joined), {}
        if clim == "visible" and np.isfinite(shown).any():
            limits = {"clim": colour_limits(shown, None, log=log, diverging=signed)}
        layers = [shown, *(np.asarray(place[part.middles].values, dtype=np.float32) for place in places)]
        up, across = slice(None, None, -1 if height > 0 else 1), slice(None, None, 1 if width > 0 else -1)
        stacked = np.stack(layers, axis=-1)[up, across]
        told = {**options, **limits, "hover_tooltips": _tooltips(kdims, vdims, part.step, joined)}
        made = hv.Image(stacked, kdims, vdims, bounds=part.bounds).opts(backend="bokeh", **told)
        return note(made, known, remark=_told(part, array, joined))

    moving = hv.DynamicMap(frame, streams=[hv.streams.RangeXY()])
    for element in _above(kdims, found, outlines):
        moving = moving * element
    looks = {"show_legend": bool(outlines), "legend_position": "top_right", "legend_opts": _LEGEND}
    return moving.opts(hv.opts.Overlay(**looks, backend="bokeh")) if isinstance(moving.last, hv.Overlay) else moving


def _shown(part: Part, joined: str) -> np.ndarray:
    return part.peaks if joined == "max" else part.values


def _told(part: Part, array: xr.DataArray, joined: str) -> str:
    """Return what a view of a large image says of its pixels."""
    if part.step == 1:
        return "Each pixel is one of the image's own."
    said = [f"Each pixel is the {WORDS[joined]} of up to {part.step} × {part.step} of the image's."]
    if joined == "mean" and np.isfinite(part.values).any():
        said += hidden(part.values, part.peaks, array)
    return " ".join([*said, "Zoom in for single ones."])


def colour_image(
    channels: xr.DataArray, *, stretch: float = 8.0, attrs: Mapping[str, Any] | None = None, remark: str = ""
) -> Any:
    """Return three images as red, green and blue of one.

    Parameters
    ----------
    channels : xarray.DataArray
        Dims ``(band, y, x)`` with three bands, red first; not negative.
    stretch : float, optional
        Brightness goes by the inverse hyperbolic sine of the value, as part of the band's 99.5th percentile, times
        this: large for faint parts, small for bright ones.
    attrs : mapping, optional
        Global attributes of the dataset, for the note.
    remark : str, optional
        Which colour is which.

    Returns
    -------
    holoviews.RGB, or an Overlay of it with the graticule
        Lies as :func:`image` lies: a coordinate that runs down is drawn running down.

    Raises
    ------
    WrongData
        If there are not three bands, or a value is negative.

    References
    ----------
    Lupton et al. (2004), PASP 116, 133, doi:10.1086/382245 (the stretch; here each band has its own).

    Examples
    --------
    >>> bands = xr.DataArray(np.ones((3, 2, 2)), dims=["band", "y", "x"], name="counts")
    >>> colour_image(bands)
    :RGB...
    """
    hv = loaded()
    numeric(channels, dims=3)
    if channels.shape[0] != 3:
        raise WrongData(f"a colour image has three bands, red, green and blue; this array has {channels.shape[0]}")
    values = np.nan_to_num(channels.values.astype(float))
    if (values < 0).any():
        raise WrongData("a colour image needs values that are not negative")
    layers = []
    for band in values:
        top = float(np.percentile(band[band > 0], 99.5)) if (band > 0).any() else 1.0
        layers.append(np.clip(np.arcsinh(stretch * band / top) / np.arcsinh(stretch), 0, 1))
    flat = channels.isel({channels.dims[0]: 0}, drop=True)
    y, x = (_axis(flat, str(dim)) for dim in flat.dims)
    width, height = _step(x, like=y), _step(y, like=x)
    (left, right), (bottom, top_) = (_ends(c, step) for c, step in ((x, width), (y, height)))
    scale = SIDE / max(right - left, top_ - bottom)
    kdims = [dimension(x), dimension(y)]
    up = slice(None, None, -1) if height > 0 else slice(None)
    across = slice(None) if width > 0 else slice(None, None, -1)
    stacked = np.stack(layers, axis=-1)[up, across]
    names = ["Red", "Green", "Blue"]  # HoloViews stumbles over dimensions called R, G, B
    picture = hv.RGB(stacked, kdims, names, bounds=(left, bottom, right, top_)).opts(
        backend="bokeh", frame_width=max(80, round((right - left) * scale)), active_tools=["wheel_zoom"],
        frame_height=max(80, round((top_ - bottom) * scale)), bgcolor="black", fontsize=FONTS,
        invert_xaxis=width < 0, invert_yaxis=height < 0,
    )  # fmt: skip
    return note(_over(picture, kdims, graticule(flat), None), merged(channels, attrs), remark=remark)


def _over(
    picture: Any,
    kdims: list[Any],
    found: Graticule | None,
    outlines: Mapping[str, tuple[np.ndarray, np.ndarray]] | None,
) -> Any:
    """Return an image under its graticule and outlines, the axes saying what the graticule says."""
    hv = loaded()
    picture = picture.opts(backend="bokeh", **_ticks(found))
    above = _above(kdims, found, outlines)
    if not above:
        return picture
    made = hv.Overlay([picture, *above])
    looks = hv.Store.lookup_options("bokeh", picture, "plot").kwargs
    kept = {k: looks[k] for k in ("frame_width", "frame_height", "xticks", "yticks", "xlabel", "ylabel") if k in looks}
    return made.opts(
        backend="bokeh", legend_position="top_right", show_legend=bool(outlines), legend_opts=_LEGEND, **kept
    )


_LEGEND = {"background_fill_alpha": 0.92, "click_policy": "hide"}  # readable on dark pixels


def _ticks(found: Graticule | None) -> dict[str, Any]:
    """Return the options by which axes say what a graticule says."""
    if found is None:
        return {}
    ticks = {key: marks for key, marks in (("xticks", found.xticks), ("yticks", found.yticks)) if marks}
    return {"xlabel": found.xlabel, "ylabel": found.ylabel, **ticks}


def _above(
    kdims: list[Any], found: Graticule | None, outlines: Mapping[str, tuple[np.ndarray, np.ndarray]] | None
) -> list[Any]:
    """Return what lies over an image: its graticule and the outlines."""
    hv = loaded()
    above = [] if found is None else [drawn(found, kdims)]
    for number, (name, (x, y)) in enumerate((outlines or {}).items()):
        line = hv.Curve((np.append(x, x[0]), np.append(y, y[0])), kdims[0], kdims[1], label=name)
        colour = OUTLINES[number % len(OUTLINES)]
        above.append(line.opts(backend="bokeh", color=colour, line_width=1.8))
    return above


def _axis(array: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the coordinate along a dim, evenly spaced; pixel numbers if the array has none."""
    if dim not in array.coords:
        return xr.DataArray(np.arange(array.sizes[dim], dtype=float), dims=dim, name=dim)
    if array[dim].dtype.kind not in "fiub":
        raise WrongData(
            f"the coordinate {dim} of {array.name or 'array'} holds {array[dim].dtype}, not numbers; an image needs "
            "numbers or no coordinate (pixel numbers); spectrogram draws what has times"
        )
    coordinate = array[dim].astype(float)
    steps = np.diff(coordinate.values)
    if steps.size and not steps.any():
        raise WrongData(f"the coordinate {dim} of {array.name or 'array'} is {coordinate.values[0]:g} everywhere")
    if steps.size and not np.allclose(steps, steps[0], rtol=UNEVEN, atol=0):
        raise WrongData(
            f"the coordinate {dim} of {array.name or 'array'} has steps of {steps.min():g} "
            f"to {steps.max():g}; an image needs even ones: draw it with heatmap"
        )
    return coordinate


def _step(coordinate: xr.DataArray, *, like: xr.DataArray) -> float:
    """Return the step of a coordinate; of a single pixel, the size of the other coordinate's."""
    if coordinate.size > 1:
        return float(coordinate[1] - coordinate[0])
    return abs(_step(like, like=like)) if like.size > 1 else 1.0


def _ends(coordinate: xr.DataArray, step: float) -> tuple[float, float]:
    """Return where the first and the last pixel end, the lower one first."""
    values = coordinate.values
    return float(values.min() - abs(step) / 2), float(values.max() + abs(step) / 2)


def _places(array: xr.DataArray) -> list[xr.DataArray]:
    """Return the numeric coordinates that each pixel has its own value of: what hover shows besides the value."""
    return [c for c in array.coords.values() if c.dims == array.dims and c.dtype.kind in "fiu"]


def _tooltips(kdims: Sequence[Any], vdims: Sequence[Any], step: int = 1, joined: str = "mean") -> list[tuple[str, str]]:
    """Return what hover shows: the place on the axes, the value, and the pixel's own coordinates to 0.0001."""
    across, up = kdims
    return [
        (across.pprint_label, "$x{0.[000]}"),
        (up.pprint_label, "$y{0.[000]}"),
        (vdims[0].pprint_label + (f", {WORDS[joined]} of {step} × {step}" if step > 1 else ""), "@image"),
        *((place.pprint_label, f"@{{{place.name}}}{{0.0000}}") for place in vdims[1:]),
    ]

"""Paths in a plane, on axes of equal scale: hodograms, orbits with lines and areas around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.panels.images import SIDE
from analysis.panels.loading import loaded
from analysis.panels.meshes import COLOUR_BAR
from analysis.panels.notes import note
from analysis.panels.style import FONTS, GRID, LINES, SEQUENTIAL, dimension, merged, message, numeric, values_of

LONGEST = 10_000  # steps of a path drawn one by one; of longer ones every second, third … sample
TOOLS = ["pan", "wheel_zoom", "reset", "save"]  # no box zoom: it would spoil the equal scale
LEGEND = {"click_policy": "hide"}
STYLES = ("solid", "dashed", "dotdash", "dotted")
GREYS = ("#333333", "#888888", "#8c5a2b", "#5a7d3a")


@dataclass(frozen=True, kw_only=True)
class Area:
    """A filled area under the paths: its corners in the units of the axes, and its colour."""

    x: np.ndarray
    y: np.ndarray
    colour: str
    label: str = ""


def hodogram(
    array: xr.DataArray, *, x: str, y: str, dim: str = "component", attrs: Mapping[str, Any] | None = None
) -> Any:
    """Return one component over another as time goes by, on equal scales, the time as colour.

    Parameters
    ----------
    array : xarray.DataArray
        Dims ``time`` and ``dim``, whose labels include x and y.
    x, y : str
        The component across and the component up.
    dim : str, optional
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Overlay
        A circle marks the first sample, a square the last. NaN opens the path. Of more than 10,000 samples every
        second, third … is drawn, which the picture says.

    Raises
    ------
    WrongData
        If the array has other dims, no labels, or no two samples with a value.
    BadOption
        If there is no such component.

    Examples
    --------
    >>> time = np.arange("2015-10-16T13", "2015-10-16T16", dtype="datetime64[h]").astype("datetime64[ns]")
    >>> b = xr.DataArray([[3.0, 0], [0, 3], [-3, 0]], {"time": time, "component": ["l", "m"]}, ["time", "component"])
    >>> hodogram(b, x="m", y="l")
    :Overlay...
    """
    hv = loaded()
    numeric(array, dims=2)
    if set(array.dims) != {"time", dim} or dim not in array.coords or array["time"].dtype.kind != "M":
        raise WrongData(f"{array.name or 'array'} has dims {array.dims}; a hodogram needs time and labelled {dim}s")
    labels = [str(label) for label in array[dim].values]
    if unknown := [name for name in (x, y) if name not in labels]:
        raise BadOption(f"{array.name or 'the array'} has no {dim} {', '.join(unknown)}; it has {', '.join(labels)}")
    if x == y:
        raise BadOption(f"x and y are both {x!r}; a hodogram needs two of {', '.join(labels)}")
    table = values_of(array.transpose("time", dim))
    across, up = table[:, labels.index(x)], table[:, labels.index(y)]
    known = merged(array, attrs)
    seen = np.flatnonzero(np.isfinite(across) & np.isfinite(up))
    if seen.size < 2:
        return note(message(f"{array.name or 'the array'} holds fewer than two samples to draw", array), known)
    keep, remark = _thinned(across.size)
    keep = np.union1d(keep, seen[[0, -1]])
    across, up, times = across[keep], up[keep], array["time"].values[keep]
    first, last = times[np.isfinite(across) & np.isfinite(up)][[0, -1]]
    span = (last - first) / np.timedelta64(1, "s")
    unit, length = next((u, n) for u, n in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)) if span > 3 * n or n == 1)
    seconds = (times - first) / np.timedelta64(1, "s") / length
    x_dim, y_dim = (_of_component(array, letter) for letter in (x, y))
    since = hv.Dimension("since", label=f"Time since {first!s:.19} UTC", unit=unit)
    both = np.isfinite(across + up)
    step = both[:-1] & both[1:]
    ends = [dim.clone(f"{dim.name}_next") for dim in (x_dim, y_dim)]
    parts = (across[:-1][step], up[:-1][step], across[1:][step], up[1:][step], seconds[:-1][step])
    path = hv.Segments(parts, [x_dim, y_dim, *ends], since).opts(
        backend="bokeh", color="since", cmap=SEQUENTIAL, colorbar=True, clabel=since.pprint_label, line_width=1.6,
        clim=(0.0, span / length or 1.0), colorbar_opts=COLOUR_BAR,
        tools=["hover"], hover_tooltips=[(d.pprint_label, f"@{{{d.name}}}") for d in (x_dim, y_dim, since)],
    )  # fmt: skip
    drawn = [path]
    for when, shape, word in ((first, "circle", "first"), (last, "square", "last")):
        at = int(np.flatnonzero(times == when)[0])
        dot = hv.Scatter(([across[at]], [up[at]]), x_dim, y_dim, label=f"{word}, {str(when)[11:19]} UTC")
        drawn.append(dot.opts(backend="bokeh", marker=shape, size=9, color="white", line_color="black", line_width=1.5))
    title = {"title": f"{known.get('title', '')}".strip() or f"Hodogram of {dimension(array).label}"}
    return note(_equal(drawn, [across], [up], legend=True), {**known, **title}, remark=remark, fold=60)


def plane_paths(
    paths: Mapping[str, tuple[xr.DataArray, xr.DataArray]],
    *,
    lines: Mapping[str, tuple[xr.DataArray, xr.DataArray]] | None = None,
    dots: Mapping[str, tuple[xr.DataArray, xr.DataArray]] | None = None,
    areas: Sequence[Area] = (),
    reach: float | None = None,
    reverse: tuple[bool, bool] = (False, False),
    remark: str = "",
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return paths over time in a plane, on equal scales, with lines, dots and filled areas around them.

    Parameters
    ----------
    paths : mapping of str to pair of xarray.DataArray
        What runs across and up, by the name of what moves; one dim each, with a coordinate ``time`` for hover.
    lines : mapping of str to pair of xarray.DataArray, optional
        Curves that don't move, dashed; NaN opens them. They don't widen the picture beyond the paths' surroundings.
    dots : mapping of str to pair of xarray.DataArray, optional
        Places to be marked.
    areas : sequence of Area, optional
        Drawn first.
    reach : float, optional
        Half width of what is shown around the origin; by default the paths with a margin.
    reverse : (bool, bool), optional
        Axes that grow to the left, and downward.
    remark : str, optional
    attrs : mapping, optional
        Global attributes, for the note.

    Returns
    -------
    holoviews.Overlay

    Raises
    ------
    WrongData
        If there is no path, or one has no value.
    BadOption
        If ``reach`` is not above zero.

    Examples
    --------
    >>> x = xr.DataArray([1.0, 2.0, 3.0], dims="time", name="x", attrs={"units": "R_earth"})
    >>> plane_paths({"Probe": (x, x.rename("y"))})
    :Overlay...
    """
    hv = loaded()
    if not paths:
        raise WrongData("there is no path to draw")
    if reach is not None and not 0 < reach < np.inf:
        raise BadOption(f"reach={reach!r} is not a length above zero")
    first = next(iter(paths.values()))
    x_dim, y_dim = (dimension(axis) for axis in first)
    drawn = [
        hv.Polygons([np.column_stack([area.x, area.y])], [x_dim, y_dim], label=area.label).opts(
            backend="bokeh", color=area.colour, line_color="#555555", line_width=0.8
        )
        for area in areas
    ]
    for number, (name, pair) in enumerate((lines or {}).items()):
        line = hv.Curve(tuple(values_of(one) for one in pair), x_dim, y_dim, label=name)
        look = {"color": GREYS[number % len(GREYS)], "line_dash": STYLES[1 + number % 3], "line_width": 1.6}
        drawn.append(line.opts(backend="bokeh", **look))
    all_x, all_y, remarks = [], [], [remark]
    for number, (name, pair) in enumerate(paths.items()):
        x, y = (values_of(numeric(one, dims=1)) for one in pair)
        if not np.isfinite(x + y).any():
            raise WrongData(f"{name} has no position with a value (all NaN)")
        keep, thinned = _thinned(x.size)
        remarks.append(thinned)
        drawn += _moving(name, pair, (x[keep], y[keep]), keep, (x_dim, y_dim), LINES[number % len(LINES)])
        all_x.append(x)
        all_y.append(y)
    for number, (name, pair) in enumerate((dots or {}).items()):
        spots = hv.Scatter(tuple(values_of(one) for one in pair), x_dim, y_dim, label=name)
        look = {"color": LINES[(len(paths) + number) % len(LINES)], "marker": "x", "size": 11, "line_width": 2.5}
        drawn.append(spots.opts(backend="bokeh", tools=["hover"], **look))
    if areas:
        all_x, all_y = [*all_x, *(a.x for a in areas)], [*all_y, *(a.y for a in areas)]
    picture = _equal(drawn, all_x, all_y, legend=True, reach=reach, reverse=reverse)
    words = " ".join(dict.fromkeys(text for text in remarks if text))
    return note(picture, attrs or {}, remark=words, fold=60)


def _moving(
    name: str,
    pair: tuple[xr.DataArray, xr.DataArray],
    values: tuple[np.ndarray, np.ndarray],
    keep: np.ndarray,
    dims: tuple[Any, Any],
    colour: str,
) -> list[Any]:
    """Return a path and, where it begins, an open circle."""
    hv = loaded()
    x_dim, y_dim = dims
    timed = "time" in pair[0].coords and pair[0]["time"].dtype.kind == "M"
    table: tuple[np.ndarray, ...] = values
    vdims = [y_dim]
    shown = [(d.pprint_label, f"@{{{d.name}}}") for d in dims]
    options: dict[str, Any] = {"hover_tooltips": shown}
    if timed:
        time = dimension(pair[0]["time"])
        table, vdims = (*values, pair[0]["time"].values[keep]), [y_dim, time]
        options["hover_tooltips"] = [*shown, ("UTC", f"@{{{time.name}}}{{%F %T}}")]
        options["hover_formatters"] = {f"@{{{time.name}}}": "datetime"}
    line = hv.Curve(table, x_dim, vdims, label=name).opts(
        backend="bokeh", color=colour, line_width=1.8, tools=["hover"], **options
    )
    at = int(np.flatnonzero(np.isfinite(values[0] + values[1]))[0])
    begin = hv.Scatter(([values[0][at]], [values[1][at]]), x_dim, y_dim)
    return [line, begin.opts(backend="bokeh", marker="circle", size=8, color="white", line_color=colour, line_width=2)]


def _equal(
    drawn: list[Any],
    x: list[np.ndarray],
    y: list[np.ndarray],
    *,
    legend: bool,
    reach: float | None = None,
    reverse: tuple[bool, bool] = (False, False),
) -> Any:
    """Return the overlay on axes of equal scale that hold these values with a margin."""
    hv = loaded()
    if reach is None:
        (left, right), (bottom, top) = (_ends(np.concatenate(values)) for values in (x, y))
        widest = max(right - left, top - bottom) or 1.0
        margin, least = 0.08 * widest, widest / 4  # a straight line would have no room beside it
        half_x, half_y = (max(high - low, least) / 2 + margin for low, high in ((left, right), (bottom, top)))
        middle_x, middle_y = (left + right) / 2, (bottom + top) / 2
        xlim, ylim = (middle_x - half_x, middle_x + half_x), (middle_y - half_y, middle_y + half_y)
    else:
        xlim = ylim = (-float(reach), float(reach))
    scale = SIDE / max(xlim[1] - xlim[0], ylim[1] - ylim[0])
    width, height = (round((high - low) * scale) for low, high in (xlim, ylim))
    options = dict(
        backend="bokeh", frame_width=width, frame_height=height,
        xlim=xlim, ylim=ylim, invert_xaxis=reverse[0], invert_yaxis=reverse[1], fontsize=FONTS, show_grid=True,
        gridstyle=GRID, default_tools=TOOLS, active_tools=["wheel_zoom"], padding=0, axiswise=True,
    )  # fmt: skip
    overlay = hv.Overlay([element.opts(**options) for element in drawn])
    return overlay.opts(
        backend="bokeh", show_legend=legend, legend_position="bottom", legend_cols=2, legend_opts=LEGEND
    )


def _ends(values: np.ndarray) -> tuple[float, float]:
    return float(np.nanmin(values)), float(np.nanmax(values))


def _thinned(samples: int) -> tuple[np.ndarray, str]:
    """Return which samples of a path are drawn, and the words for it."""
    every = -(-samples // LONGEST)
    keep = np.unique(np.r_[np.arange(0, samples, every), samples - 1])
    ending = "th" if every % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(every % 10, "th")
    return keep, f"Every {every}{ending} of {samples:,} samples is drawn." if every > 1 else ""


def _of_component(array: xr.DataArray, letter: str) -> Any:
    """Return the dimension of one component: name, letter, frame and units."""
    frame = str(array.attrs.get("frame", "")).strip()
    label = f"{dimension(array).label}, {letter.upper()}" + (f" ({frame})" if frame else "")
    named = array.assign_attrs(long_name=label)
    return dimension(named, f"{array.name or 'value'}_{letter}")

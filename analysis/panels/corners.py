"""Two parameters at a time: contours of a function on a grid, and draws against each other in a corner of panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.panels.loading import loaded
from analysis.panels.notes import note
from analysis.panels.style import FONTS, GRID, dimension

SIDE, SMALL = 420, 170
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
SHARES = (0.68, 0.95)  # of the draws, inside the lines of a corner
BINS = 40


def level_lines(
    array: xr.DataArray,
    *,
    levels: Mapping[str, float],
    best: tuple[float, float] | None = None,
    attrs: Mapping[str, Any] | None = None,
    remark: str = "",
) -> Any:
    """Return lines of equal value of an array on a grid, each with a name, and a cross at one place.

    Parameters
    ----------
    array : xarray.DataArray
        Dims ``(y, x)`` with coordinates.
    levels : mapping of str to float
        Values by the names that the legend says.
    best : (x, y), optional
        Where the cross stands.
    attrs, remark : optional
        For the note.

    Returns
    -------
    holoviews.Overlay

    Raises
    ------
    WrongData
        If the array has no two dims with coordinates.

    Examples
    --------
    >>> axis = np.linspace(-2, 2, 21)
    >>> bowl = xr.DataArray(axis[:, None] ** 2 + axis**2, {"y": axis, "x": axis}, ["y", "x"], name="growth")
    >>> level_lines(bowl, levels={"1 σ": 2.3})
    :Overlay...
    """
    from contourpy import contour_generator

    hv = loaded()
    if array.ndim != 2 or any(str(dim) not in array.coords for dim in array.dims):
        raise WrongData(f"level_lines needs an array on two dims with coordinates, not {dict(array.sizes)}")
    up, across = (array[str(dim)] for dim in array.dims)
    kdims = [dimension(across), dimension(up)]
    made = contour_generator(across.values, up.values, np.ma.masked_invalid(array.values.astype(float)))
    drawn: list[Any] = []
    for number, (name, level) in enumerate(levels.items()):
        parts = [np.asarray(part) for part in made.lines(float(level)) if part is not None and len(part) > 1]
        joined = (
            np.concatenate([np.vstack([part, [[np.nan, np.nan]]]) for part in parts]) if parts else np.empty((0, 2))
        )
        line = hv.Curve((joined[:, 0], joined[:, 1]), kdims[0], kdims[1], label=name)
        drawn.append(line.opts(backend="bokeh", color=COLOURS[number % len(COLOURS)], line_width=2))
    if best is not None:
        cross = hv.Scatter([best], kdims[0], kdims[1], label="best fit")
        drawn.append(cross.opts(backend="bokeh", marker="cross", size=12, color="#333333", line_width=2))
    ends = [(float(a.min()), float(a.max())) for a in (across, up)]
    picture = hv.Overlay(drawn).opts(
        backend="bokeh", frame_width=SIDE, frame_height=SIDE - 60, xlim=ends[0], ylim=ends[1], show_grid=True,
        gridstyle=GRID, fontsize=FONTS, legend_position="right", xlabel=kdims[0].pprint_label,
        ylabel=kdims[1].pprint_label, active_tools=["wheel_zoom"],
    )  # fmt: skip
    return note(picture, attrs if attrs is not None else array.attrs, remark=remark)


def corner(
    samples: np.ndarray,
    *,
    labels: Sequence[str],
    intervals: np.ndarray | None = None,
    attrs: Mapping[str, Any] | None = None,
    remark: str = "",
) -> Any:
    """Return draws of several parameters against each other, each alone on the diagonal.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n, parameters)
    labels : sequence of str
        Name and unit of each parameter.
    intervals : numpy.ndarray, shape (parameters, 3), optional
        Lower, middle and upper value, drawn as lines on the diagonal.
    attrs, remark : optional
        For the note.

    Returns
    -------
    holoviews.Layout
        Lines hold 68 and 95 % of the draws.

    Raises
    ------
    WrongData
        If there are not at least as many finite draws as bins, or not one label a parameter.

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(size=(500, 2))
    >>> len(corner(draws, labels=["a", "b"]))
    4
    """
    hv = loaded()
    table = np.asarray(samples, dtype=float)
    if table.ndim != 2 or table.shape[1] != len(labels):
        raise WrongData(f"corner needs draws of shape (n, {len(labels)}), one label a parameter; got {table.shape}")
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < BINS:
        raise WrongData(f"corner needs at least {BINS} draws, all finite; there are {len(table)}")
    n = table.shape[1]
    ends = [tuple(np.quantile(column, [0.001, 0.999])) for column in table.T]
    ends = [(low, high) if high > low else (low - 1, low + 1) for low, high in ends]
    panels = []
    for row in range(n):
        for column in range(n):
            last, first = row == n - 1, column == 0
            if column > row:
                panels.append(hv.Empty())
            elif column == row:
                one = _alone(table[:, row], ends[row], labels[row], None if intervals is None else intervals[row])
                panels.append(_framed(one, labels[row] if last else "", "", ends[row], None))
            else:
                both = _against(table[:, [column, row]], (ends[column], ends[row]), (labels[column], labels[row]))
                panels.append(
                    _framed(both, labels[column] if last else "", labels[row] if first else "", ends[column], ends[row])
                )
    told = {key: value for key, value in (attrs or {}).items() if key != "title"}
    below = n * (n - 1)  # a small frame has no room for a title: it goes before the remark
    words = " ".join(text for text in (f"{(attrs or {}).get('title', '')}.".lstrip("."), remark) if text)
    synthetic = {"synthetic": told.pop("synthetic", "false")}
    panels = [
        panel
        if isinstance(panel, hv.Empty)
        else note(
            panel,
            {**(synthetic if place == 0 else {}), **(told if place == below else {})},  # the first is alone in its row:
            remark=words if place == below else "",  # no neighbour is pushed down by the line over it
            said=_said(labels, place // n, place % n, str(synthetic["synthetic"]) == "true"),
        )
        for place, panel in enumerate(panels)
    ]
    return hv.Layout(panels).cols(n).opts(backend="bokeh", shared_axes=False)


def _said(labels: Sequence[str], row: int, column: int, synthetic: bool) -> list[str]:
    """What a screen reader tells of a panel, whose labels stand at the rim of all."""
    what = f"Draws of {labels[row]}" if row == column else f"Draws of {labels[row]} against {labels[column]}"
    return ["synthetic data"] * (synthetic and (row, column) != (0, 0)) + [what]


def _framed(picture: Any, across: str, up: str, x: tuple[float, float], y: tuple[float, float] | None) -> Any:
    options: dict[str, Any] = {"ylim": y} if y is not None else {}
    # labels only at the rim; the room for them is everywhere the same, so that panels stand in line
    return picture.opts(
        backend="bokeh", frame_width=SMALL, frame_height=SMALL, xlim=x, xlabel=across or " ", ylabel=up or " ",
        fontsize={"labels": "9pt", "ticks": "7pt"}, xrotation=45, show_legend=False,
        hooks=[_room], **options,
    )  # fmt: skip


def _room(plot: Any, element: Any) -> None:
    """HoloViews hook: the same room around every frame, so that rows and columns stand in line."""
    if hasattr(plot.state, "min_border_left"):
        plot.state.min_border_left, plot.state.min_border_right = 80, 12
        plot.state.min_border_bottom = 60


def _alone(values: np.ndarray, ends: tuple[float, float], label: str, interval: np.ndarray | None) -> Any:
    """A histogram, with its interval."""
    hv = loaded()
    counts, edges = np.histogram(values, BINS, ends)
    steps = hv.Curve((np.repeat(edges, 2)[1:-1], np.repeat(counts / counts.max(), 2)), label, f"{label} draws")
    parts = [steps.opts(backend="bokeh", color="#0072B2", line_width=1.5)]
    if interval is not None:
        low, middle, high = (float(v) for v in interval)
        for place, dash in ((low, "dashed"), (middle, "solid"), (high, "dashed")):
            line = hv.Curve(([place, place], [0.0, 1.05]), label, f"{label} draws")
            parts.append(line.opts(backend="bokeh", color="#D55E00", line_width=1, line_dash=dash))
    return hv.Overlay(parts)


def _against(table: np.ndarray, ends: tuple[tuple[float, float], ...], labels: tuple[str, str]) -> Any:
    """Density of draws, and lines that hold shares of them."""
    from contourpy import contour_generator

    hv = loaded()
    counts, x, y = np.histogram2d(table[:, 0], table[:, 1], bins=BINS, range=list(ends))
    smooth = _smoothed(counts).T
    centres = [(edges[:-1] + edges[1:]) / 2 for edges in (x, y)]
    order = np.sort(smooth.ravel())[::-1]
    held = np.cumsum(order) / order.sum()
    kdims = [hv.Dimension("across", label=labels[0]), hv.Dimension("up", label=labels[1])]
    bounds = (ends[0][0], ends[1][0], ends[0][1], ends[1][1])
    shade = hv.Image(smooth[::-1], kdims, f"draws of {labels[0]} and {labels[1]}", bounds=bounds)
    found = contour_generator(centres[0], centres[1], smooth)
    lines = []
    for share in SHARES:
        level = float(order[min(int(np.searchsorted(held, share)), order.size - 1)])
        lines += [np.asarray(part) for part in found.lines(level) if part is not None and len(part) > 1]
    path = hv.Path(lines, kdims=kdims).opts(backend="bokeh", color="#0072B2", line_width=1.2)
    return shade.opts(backend="bokeh", cmap="Blues", colorbar=False) * path


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """A histogram averaged with its neighbours, 1-2-1 each way and twice: lines without the noise of single draws."""
    padded = counts
    for _ in range(2):
        for axis in (0, 1):
            edge = np.pad(padded, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
            parts = [np.take(edge, range(i, i + counts.shape[axis]), axis) for i in range(3)]
            padded = (parts[0] + 2 * parts[1] + parts[2]) / 4
    return padded

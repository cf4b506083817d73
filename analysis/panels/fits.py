"""A spectrum with its model: points with errors over steps, residuals below on the same axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.panels.loading import loaded
from analysis.panels.notes import note
from analysis.panels.style import FONTS, GRID, dimension, left_border

WIDTH, HEIGHT, BELOW = 620, 330, 130
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = {"solid": "solid", "dashed": [8, 4], "dotted": [2, 4]}
DECADES = 5.0  # below the lowest point: what falls further is cut off


def fitted(
    data: xr.Dataset,
    *,
    points: str,
    error: str,
    lines: Mapping[str, tuple[str, str]],
    groups: str,
    attrs: Mapping[str, Any] | None = None,
    remark: str = "",
    corner: str = "bottom_left",
) -> Any:
    """Return points with crosses for width and error, lines in the same bins, and residuals below.

    Parameters
    ----------
    data : xarray.Dataset
        On ``bin``: ``energy_low``, ``energy_high``, ``residual``, and the variables named.
    points, error : str
        The measured values and their errors.
    lines : mapping of str to (str, str)
        Variables drawn as steps: their names in the legend and "solid", "dashed" or "dotted".
    groups : str
        Coordinate on ``bin`` whose values have a colour each.
    attrs : mapping, optional
        For the note; by default the dataset's.
    corner : str, optional
        Where the legend stands.

    Returns
    -------
    holoviews.Layout
    """
    hv = loaded()
    told = attrs if attrs is not None else data.attrs
    names = list(dict.fromkeys(np.asarray(data[groups].values).tolist()))
    x_dim, y_dim = dimension(data["energy_low"], "energy"), dimension(data[points])
    above: list[Any] = []
    below: list[Any] = []
    for number, name in enumerate(names):
        part = data.isel(bin=np.flatnonzero(data[groups].values == name))
        colour = COLOURS[number % len(COLOURS)]
        named = f" {name}" if len(names) > 1 else ""
        low, high = part["energy_low"].values, part["energy_high"].values
        middle = np.sqrt(low * high)
        for key, (label, dash) in lines.items():
            if key in part.variables and (part[key].values > 0).any():
                x, y = _steps(low, high, part[key].values)
                line = hv.Curve((x, y), x_dim, y_dim, label=f"{label}{named}")
                wide = 1.2 if dash == "dotted" else 1.8
                above.append(
                    line.opts(backend="bokeh", color=colour, line_dash=DASHES[dash], line_width=wide, alpha=0.9)
                )
        values, spread = part[points].values, part[error].values
        seen = np.isfinite(values) & (values > 0)
        crosses = hv.Segments(
            (low[seen], values[seen], high[seen], values[seen]),
            [x_dim, y_dim, f"{x_dim.name}_end", f"{y_dim.name}_end"],
        )
        above.append(crosses.opts(backend="bokeh", color=colour, line_width=1))
        bars = (middle[seen], values[seen], np.minimum(spread[seen], values[seen] * (1 - 1e-3)), spread[seen])
        ends = [y_dim, y_dim.clone(f"{y_dim.name}_below"), y_dim.clone(f"{y_dim.name}_above")]
        above.append(
            hv.ErrorBars(bars, x_dim, ends).opts(
                backend="bokeh", color=colour, line_width=1, lower_head=None, upper_head=None
            )
        )
        dots = hv.Scatter((middle[seen], values[seen]), x_dim, y_dim, label=f"data{named}")
        above.append(dots.opts(backend="bokeh", color=colour, size=4, tools=["hover"]))
        below.append(_residuals(part, middle, x_dim, colour))
    axes = {"logx": True, "fontsize": FONTS, "show_grid": True, "gridstyle": GRID, "padding": 0.03}
    axes["hooks"] = [left_border]
    ticks = _ticks(float(data["energy_low"].min()), float(data["energy_high"].max()))
    bottom, top = _limits(data, points, lines)
    if top / bottom < 100:
        axes_up: dict[str, Any] = {"yticks": _ticks(bottom, top)}
    else:
        axes_up = {}
    upper = hv.Overlay(above).opts(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, logy=True, xticks=ticks, ylim=(bottom, top), **axes_up,
        legend_position=corner, legend_opts={"click_policy": "hide", "background_fill_alpha": 0.75},
        active_tools=["wheel_zoom"], **axes,
    )  # fmt: skip
    ends = [float(data["energy_low"].min()), float(data["energy_high"].max())]
    zero = hv.Curve((ends, [0.0, 0.0]), x_dim, dimension(data["residual"]))
    zero = zero.opts(backend="bokeh", color="#555555", line_width=1)
    lower = hv.Overlay([zero, *below]).opts(
        backend="bokeh", frame_width=WIDTH, frame_height=BELOW, xticks=ticks, show_legend=False, **axes
    )
    upper = note(upper, {"title": told.get("title", ""), "synthetic": told.get("synthetic", "false")})
    lower = note(lower, {key: value for key, value in told.items() if key != "title"}, remark=remark)
    return hv.Layout([upper, lower]).cols(1).opts(backend="bokeh", shared_axes=True)


def data_and_lines(data: xr.Dataset, moving: Any, *, points: str, error: str) -> Any:
    """Return points with errors under lines that are renewed from outside: a DynamicMap of Overlays of Curves."""
    hv = loaded()
    x_dim, y_dim = dimension(data["energy_low"], "energy"), dimension(data[points])
    low, high = data["energy_low"].values, data["energy_high"].values
    values, spread = data[points].values, data[error].values
    seen = np.isfinite(values) & (values > 0)
    middle, values, spread = np.sqrt(low * high)[seen], values[seen], spread[seen]
    ends = [y_dim, y_dim.clone(f"{y_dim.name}_below"), y_dim.clone(f"{y_dim.name}_above")]
    bars = hv.ErrorBars((middle, values, np.minimum(spread, values * (1 - 1e-3)), spread), x_dim, ends)
    bars = bars.opts(backend="bokeh", color="#555555", line_width=1, lower_head=None, upper_head=None)
    dots = hv.Scatter((middle, values), x_dim, y_dim, label="data").opts(backend="bokeh", color="#555555", size=4)
    bottom, top = _limits(data, points, {})
    wide = {"line_width": 2.2, "color": hv.Cycle(["#0072B2", "#D55E00", "#009E73"])}
    lines = moving.apply(lambda drawn: drawn.opts(hv.opts.Curve(backend="bokeh", **wide)))
    picture = (bars * dots * lines).opts(
        backend="bokeh", frame_width=WIDTH - 100, frame_height=HEIGHT + 20, logx=True, logy=True, ylim=(bottom, top),
        xticks=_ticks(float(low.min()), float(high.max())), legend_position="bottom_left", fontsize=FONTS,
        show_grid=True, gridstyle=GRID, xlabel=x_dim.pprint_label, ylabel=y_dim.pprint_label,
    )  # fmt: skip
    told = {key: value for key, value in data.attrs.items() if key != "title"}
    return note(picture, told)


def _residuals(part: xr.Dataset, middle: np.ndarray, x_dim: Any, colour: str) -> Any:
    hv = loaded()
    across = dimension(part["residual"])
    values = part["residual"].values
    ones = np.ones_like(values)
    ends = [across, across.clone(f"{across.name}_below"), across.clone(f"{across.name}_above")]
    bars = hv.ErrorBars((middle, values, ones, ones), x_dim, ends)
    dots = hv.Scatter((middle, values), x_dim, across).opts(backend="bokeh", color=colour, size=3, tools=["hover"])
    return bars.opts(backend="bokeh", color=colour, line_width=0.8, lower_head=None, upper_head=None) * dots


def _steps(low: np.ndarray, high: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of steps in order of energy; what is not positive has no place on a logarithmic axis."""
    order = np.argsort(low)
    low, high, values = low[order], high[order], np.where(values[order] > 0, values[order], np.nan)
    gap = np.append(np.abs(low[1:] - high[:-1]) > 1e-3 * high[:-1], False)
    x = np.stack([low, high, high], axis=1).ravel()
    y = np.stack([values, values, np.where(gap, np.nan, values)], axis=1).ravel()
    return x, y


def _limits(data: xr.Dataset, points: str, lines: Mapping[str, tuple[str, str]]) -> tuple[float, float]:
    """Ends of the axis up: all points, and lines as far as they are near them."""
    values = data[points].values
    held = values[np.isfinite(values) & (values > 0)]
    drawn = np.concatenate([data[name].values for name in lines if name in data.variables] or [held])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    if not held.size:
        held = drawn if drawn.size else np.array([1.0])
    top = max(held.max(), drawn.max(initial=0.0))
    bottom = max(min(held.min(), drawn.min(initial=held.min())), held.min() / DECADES)
    return float(bottom / 1.6), float(top * 1.8)


def _ticks(low: float, high: float) -> Sequence[float]:
    """Energies at 1, 2 and 5 of each power of ten: Bokeh labels next to nothing over less than two decades."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    return [
        step * 10.0**power for power in powers for step in (1, 2, 5) if low / 1.1 <= step * 10.0**power <= high * 1.1
    ]

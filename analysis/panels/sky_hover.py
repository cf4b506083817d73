"""What is told of a sky under the mouse: the direction of the pixel's middle, and its value."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.panels.pointings import Pointing, rotation
from analysis.panels.projections import HOVER_CODE
from analysis.panels.sky_lines import axis_names

GNOMONIC = """
    const x = special_vars.x, y = special_vars.y, r = 180 / Math.PI;
    const l = -Math.atan(x) * r, b = Math.atan2(y, Math.sqrt(1 + x * x)) * r;
"""
PIXEL = """
    const at = special_vars.image_index;
    if (at != null && typeof source != "undefined") {
        const d = source.data, k = at.index, [rows, columns] = d.image[k].shape;
        special_vars = {x: d.x[k] + (at.i + 0.5) * d.dw[k] / columns, y: d.y[k] + (at.j + 0.5) * d.dh[k] / rows};
    }
"""


def hover_tool(value: Any, frame: str, pointing: Pointing, axes: tuple[str, np.ndarray] | None) -> Any:
    """Return a hover tool that shows the direction under the mouse, in one frame or two, and the value."""
    from bokeh.models import CustomJSHover, HoverTool

    rows = [(f"{frame} {', '.join(axis_names(frame))}".strip(), "$x{custom}")]
    codes: dict[str, Any] = {"$x": CustomJSHover(code=hover_code(pointing))}
    if axes is not None:
        rows.append((f"{axes[0]} {', '.join(axis_names(axes[0]))}", "$y{custom}"))
        codes["$y"] = CustomJSHover(code=hover_code(pointing, axes[1]))
    return HoverTool(tooltips=[*rows, (value.pprint_label, "@image")], formatters=codes)


def tell_of_pixels(plot: Any, element: Any) -> None:
    """HoloViews hook: the hover's code is given the pixels, so that direction and value are of the same place."""
    from bokeh.models import CustomJSHover, HoverTool

    for tool in plot.state.select({"type": HoverTool}):
        tool.formatters = {  # of its own: the same picture may be shown twice, each time with other pixels
            key: CustomJSHover(code=code.code, args={"source": plot.handles["source"]})
            if isinstance(code, CustomJSHover) else code
            for key, code in tool.formatters.items()
        }  # fmt: skip


def hover_code(pointing: Pointing, axes: np.ndarray | None = None) -> str:
    """Return JavaScript that turns the middle of the pixel under the mouse into "lon, lat" of the sky.

    ``axes`` is the rotation from another frame, in which they are told, to that of the map.

    Examples
    --------
    >>> "atan2" in hover_code(Pointing("gnomonic"))
    True
    """
    own = GNOMONIC if pointing.projection == "gnomonic" else HOVER_CODE[pointing.projection].rsplit("return (((", 1)[0]
    turned = rotation(pointing) if axes is None else axes.T @ rotation(pointing)
    rows = [[float(number) for number in row] for row in turned]
    return f"""{PIXEL}{own}
    const cl = Math.cos(l * Math.PI / 180), sl = Math.sin(l * Math.PI / 180);
    const cb = Math.cos(b * Math.PI / 180), sb = Math.sin(b * Math.PI / 180);
    const v = {rows}.map(m => m[0] * cb * cl + m[1] * cb * sl + m[2] * sb);
    const lon = Math.atan2(v[1], v[0]) * 180 / Math.PI, lat = Math.atan2(v[2], Math.hypot(v[0], v[1])) * 180 / Math.PI;
    return (((lon % 360) + 360) % 360).toFixed(3) + "°, " + lat.toFixed(3) + "°";"""

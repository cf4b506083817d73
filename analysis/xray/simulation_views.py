"""Pictures of what observations would tell."""

from __future__ import annotations

from typing import Any

import xarray as xr

from analysis.model import labelled


def drawn(data: xr.Dataset) -> Any | None:
    """Return the errors of a feasibility over exposure, a panel a parameter, a line an instrument; None of others."""
    if not {"instrument", "exposure", "parameter"} <= set(data.dims) or "error" not in data.data_vars:
        return None
    from analysis.panels.loading import loaded

    hv = loaded()
    names = data["parameter"].values.tolist()
    shown = [_panel(data, name, titled=name == names[0]) for name in names]
    return shown[0] if len(shown) == 1 else hv.Layout(shown).cols(1)


def _panel(data: xr.Dataset, parameter: str, *, titled: bool) -> Any:
    from analysis import panels
    from analysis.panels.loading import loaded
    from analysis.panels.style import FONTS, GRID, HEIGHT, LINES, WIDTH, dimension

    hv = loaded()
    one = data["error"].sel(parameter=parameter)
    error = labelled(
        one, f"error_{parameter}", units=str(one["parameter_unit"].item()), long_name=f"1σ error of {parameter}"
    )
    across, up = dimension(data["exposure"]), dimension(error)
    shapes = []
    for i, name in enumerate(data["instrument"].values.tolist()):
        points = (data["exposure"].values, error.sel(instrument=name).values)
        colour = LINES[i % len(LINES)]
        shapes.append(hv.Curve(points, across, up, label=name).opts(backend="bokeh", color=colour, line_width=1.3))
        shapes.append(
            hv.Scatter(points, across, up, label=name).opts(backend="bokeh", color=colour, size=5, tools=["hover"])
        )
    options: dict[str, Any] = dict(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, logx=True, logy=True, fontsize=FONTS, show_grid=True,
        gridstyle=GRID, active_tools=["wheel_zoom"], padding=0.08,
    )  # fmt: skip
    times = data["exposure"].values.tolist()
    if len(times) <= 6:  # Bokeh writes next to nothing, or everything, on less than two decades
        options["xticks"] = [(time, f"{time:g}") for time in times]
    overlay = hv.Overlay([shape.opts(**options) for shape in shapes])
    attrs = {key: text for key, text in data.attrs.items() if titled or key != "title"}
    return panels.note(overlay, attrs).opts(backend="bokeh", legend_position="right")

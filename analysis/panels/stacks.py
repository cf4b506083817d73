"""Several variables in one column that share the time axis."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import UnknownVariable, WrongData
from analysis.panels.loading import loaded
from analysis.panels.marks import Marks, events, marked, spans
from analysis.panels.meshes import spectrogram
from analysis.panels.notes import note
from analysis.panels.series import curves
from analysis.panels.stored_extremes import series_in
from analysis.panels.style import TIME_TOOLS, dimension


def time_panels(
    dataset: xr.Dataset,
    *,
    variables: Sequence[str] | None = None,
    marks: Marks | None = None,
    bands: xr.DataArray | None = None,
    extremes: str | os.PathLike[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return one panel for each variable, in a column with one time axis and a line that follows the mouse.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables over ``time``: lines for ``time[, component]``, a spectrogram for ``time, <energy>``. Flags
        named ``<name>_quality`` are marked on the variable they judge.
    variables : sequence of str, optional
        What to draw, in this order; by default all that can be drawn, and the picture says which can't.
    marks : mapping of str to time or times, optional
        Vertical lines through all panels at the times (UTC) of named events, for example
        ``{"bow shock": crossings.time}``; their names stand in the first panel's legend.
    bands : xarray.DataArray, optional
        A flag over time (CF conventions, section 3.5): each word colours its spans behind the lines of all
        panels; over spectrograms, where colour has a meaning, it is left out.
    extremes : str or path, optional
        What :func:`analysis.panels.write_extremes` wrote of these variables; long lines are there at once.
    attrs : mapping, optional
        Over the dataset's own attributes, for the note.

    Returns
    -------
    holoviews.Layout

    Raises
    ------
    UnknownVariable
        If the dataset has no such variable, or ``extremes`` hold none of its variables.
    WrongData
        If there is nothing to draw, a variable asked for has other dims, or ``bands`` is no flag over time.
    BadOption, BadTime
        If ``marks`` gives no times by name.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange("2001-03-31", "2001-04-02", dtype="datetime64[D]").astype("datetime64[ns]")
    >>> wind = xr.Dataset({"n": ("time", [5.0, 6.0]), "v": ("time", [400.0, 500.0])}, {"time": time})
    >>> len(time_panels(wind))
    2
    """
    hv = loaded()
    if not isinstance(dataset, xr.Dataset):
        raise WrongData(f"time_panels takes an xarray.Dataset, not a {type(dataset).__name__}")
    if variables is not None and (unknown := [v for v in variables if v not in dataset.data_vars]):
        raise UnknownVariable(f"the dataset has no {unknown}; it has {', '.join(map(str, dataset.data_vars))}")
    wanted = [str(v) for v in variables] if variables is not None else _drawable(dataset)
    if not wanted:
        shapes = ", ".join(f"{k} {v.dims}" for k, v in dataset.data_vars.items()) or "nothing"
        raise WrongData(f"the dataset holds no variable over time to draw; it holds {shapes}{other_times(dataset)}")
    if extremes is not None:
        refuse_others(dataset, extremes)
    known = {**dataset.attrs, **(attrs or {})}
    left_out = [str(v) for v in dataset.data_vars if v not in wanted and not _is_flag(dataset, str(v))]
    remark = f"Not drawn: {', '.join(left_out)}." if variables is None and left_out else ""
    in_legend = next((name for name in wanted if not _is_spectrogram(dataset[name])), wanted[0])
    panels = []
    for place, name in enumerate(wanted):
        first, last = place == 0, place == len(wanted) - 1
        own = {"synthetic": known.get("synthetic", "false"), "title": known.get("title", "") if first else ""}
        panel = _panel(dataset, name, own, extremes)
        panel = over_time(panel, dataset[name], marks=marks, bands=bands, legend=name == in_legend)
        if last:
            panel = note(panel, {k: v for k, v in known.items() if k != "title"}, remark=remark)
        else:
            panel = panel.opts(xlabel="", backend="bokeh")
        panels.append(panel)
    return hv.Layout(panels).cols(1).opts(backend="bokeh", shared_axes=True)


def refuse_others(dataset: xr.Dataset, extremes: str | os.PathLike[str]) -> None:
    """Refuse stored extremes that are of none of the variables."""
    if not set(held := series_in(extremes)) & set(map(str, dataset.data_vars)):
        raise UnknownVariable(
            f"{extremes} holds extremes of {', '.join(held)}; the dataset has {', '.join(map(str, dataset.data_vars))}"
        )


def over_time(
    panel: Any,
    array: xr.DataArray,
    *,
    marks: Marks | None = None,
    bands: xr.DataArray | None = None,
    legend: bool = True,
) -> Any:
    """Return a panel of an array over time with events and spans on it; arguments as for :func:`time_panels`."""
    hv = loaded()
    lines = isinstance(panel, hv.Overlay)
    under, over = spans(bands, array["time"], legend=legend), events(marks, array["time"], legend=legend)
    if panel.traverse(lambda element: element, [hv.Text]):
        return panel  # words instead of axes: there is no time to mark
    return marked(panel, under if lines else [], [*_cone(array), *over])


def _cone(array: xr.DataArray) -> list[Any]:
    """Return the line below which the edges of the series matter, of wavelet power that says where."""
    inside = array.coords.get("inside_cone")
    if inside is None or array.ndim != 2 or set(inside.dims) != set(array.dims):
        return []
    other = next(str(dim) for dim in array.dims if dim != "time")
    lowest = array[other].where(inside).min(other)
    seen = np.isfinite(lowest.values)
    if not seen.any():
        return []
    table = (array["time"].values[seen], lowest.values[seen])
    line = loaded().Curve(table, dimension(array["time"]), dimension(array[other]), label="cone of influence")
    return [line.opts(backend="bokeh", color="white", line_dash="dashed", line_width=1.5, default_tools=TIME_TOOLS)]


def other_times(data: xr.Dataset | xr.DataArray) -> str:
    """Return what to do with datetimes along a dim of another name, if there are any."""
    named = [str(dim) for dim in data.dims if dim in data.coords and data[dim].dtype.kind == "M" and dim != "time"]
    return f"; rename({named[0]}='time') makes {named[0]} the time" if named else ""


def _panel(dataset: xr.Dataset, name: str, attrs: Mapping[str, Any], extremes: str | os.PathLike[str] | None) -> Any:
    array = dataset[name]
    if _is_spectrogram(array):
        return spectrogram(array, attrs=attrs)
    companion = f"{name}_quality"
    if extremes is not None and name not in series_in(extremes):
        extremes = None
    return curves(array, quality=dataset.get(companion), extremes=extremes, attrs=attrs)


def _drawable(dataset: xr.Dataset) -> list[str]:
    """Return the variables over time and at most one other dim; flags are drawn with what they judge."""
    return [
        str(name)
        for name, array in dataset.data_vars.items()
        if "time" in array.dims and array.ndim <= 2 and array.dtype.kind in "fiu" and not _is_flag(dataset, str(name))
    ]


def _is_flag(dataset: xr.Dataset, name: str) -> bool:
    return name.endswith("_quality") and name.removesuffix("_quality") in dataset.data_vars


def _is_spectrogram(array: xr.DataArray) -> bool:
    """Return whether the dim beside time has numbers to draw along: energies, not names of components."""
    if array.ndim != 2 or "component" in array.dims:
        return False
    other = next(str(d) for d in array.dims if d != "time")
    named = [c for n, c in array.coords.items() if other in c.dims and not str(n).endswith(("_low", "_high"))]
    return any(c.dtype.kind in "fiu" for c in named)

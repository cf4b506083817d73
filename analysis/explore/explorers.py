"""The explorer of what runs over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from analysis import panels
from analysis.errors import WrongData
from analysis.explore.declarations import Choice, Picture, View
from analysis.explore.frames import Around
from analysis.explore.nodes import node_explorer
from analysis.explore.pages import linked
from analysis.explore.states import Given, told
from analysis.panels.loading import loaded

MANY = 6  # values of one variable that are written out


def time_explorer(
    data: xr.Dataset | xr.DataTree,
    *,
    view: Picture | None = None,
    attrs: Mapping[str, Any] | None = None,
    state: Given = None,
    again: Mapping[str, str] | None = None,
    around: Around | None = None,
) -> Any:
    """Return linked time panels: choose the variables, tap a time to see the values there.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataTree
        Variables over ``time``; of a tree, one node at a time, with a selector.
    view : callable, optional
        ``view(dataset, variables=[…])`` returns the picture; by default :func:`analysis.panels.time_panels`.
    attrs : mapping, optional
        Over the dataset's own attributes, for the notes.
    state, again, around : optional
        See :func:`linked`; the state of a tree has its ``node`` as well.

    Returns
    -------
    panel.Column
        Under the panels the values at the time last tapped: spectra for variables over ``time`` and one more
        numeric dim, coloured cells for two more, words for the others.

    Raises
    ------
    WrongData
        If there is nothing over time to draw.

    Examples
    --------
    >>> time = np.arange("2001-03-31", "2001-04-02", dtype="datetime64[D]").astype("datetime64[ns]")
    >>> page = time_explorer(xr.Dataset({"n": ("time", [5.0, 6.0])}, {"time": time}))
    >>> page.select(lambda part: hasattr(part, "options"))[0].options
    ['n']
    """
    if isinstance(data, xr.DataTree):
        return node_explorer(_nodes_over_time(data), partial(time_explorer, view=view, attrs=attrs, again=again), state)
    if not isinstance(data, xr.Dataset):
        raise WrongData(f"time_explorer takes an xarray Dataset or DataTree, not a {type(data).__name__}")
    known = {**data.attrs, **(attrs or {})}
    names = [str(n) for n, v in data.data_vars.items() if "time" in v.dims and not str(n).endswith("_quality")]
    if not names:
        raise WrongData(f"the dataset holds no variable over time; it has {', '.join(map(str, data.data_vars))}")
    stacked = view or partial(panels.time_panels, attrs=known)
    drawn_first = [n for n in names if data[n].ndim <= 2][:4] or names[:1]
    several = len(names) > 1

    def over_time(variables: Sequence[str]) -> Any:
        if not variables:
            raise WrongData("choose at least one variable")
        return stacked(data, variables=list(variables))

    def at_time(variables: Sequence[str], time: Any) -> Any:
        return _slices(data, list(variables), time, known)

    return linked(
        [
            View("Over time", over_time, uses=("variables",), selects={"time": "tap"}),
            View("At the time tapped", at_time, uses=("variables", "time")),
        ],
        controls=[Choice("variables", names, label="Variables", many=True, value=drawn_first)]
        if several
        else [Choice("variables", names, label="Variable", many=True, value=names)],
        title=str(known.get("title", "")),
        state=state,
        again=again,
        around=around,
    )


def _nodes_over_time(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the nodes that hold data over time, by their paths."""
    nodes = {n.path: n.to_dataset(inherit=False) for n in tree.subtree if n.has_data and "time" in n.dims}
    if not nodes:
        raise WrongData(f"no node of the tree holds data over time; it has {', '.join(map(str, tree.children))}")
    return nodes


def _slices(data: xr.Dataset, variables: list[str], time: Any, attrs: Mapping[str, Any]) -> Any:
    """Return the values at the sample nearest to a time: pictures over the other axes, or words."""
    hv = loaded()
    if time is None:
        return "Tap a place on the panels to see the values at that time."
    times = data["time"].values
    if times.dtype.kind != "M" or isinstance(time, int | float):
        raise WrongData(f"time={time!r} is no time (UTC) of the data; give one such as '2001-03-31T08:00:00'")
    at = data.isel(time=_nearest(times, np.datetime64(time, "ns")))
    when = f"{told(at['time'].values[()])} UTC"
    if not times[0] <= np.datetime64(time, "ns") <= times[-1] and times[0] <= times[-1]:
        when += ", the nearest that there is"
    pictures, lines = [], [when]
    for name in variables:
        array = at[name]
        axes = [str(d) for d in array.dims if d in array.coords and array[d].dtype.kind in "fiu"]
        title = {**attrs, "title": when}
        if array.ndim == 1 and axes and _some(array):
            positive = bool((array[axes[0]] > 0).all()), bool((array > 0).any() and not (array < 0).any())
            pictures.append(panels.points(array, x=axes[0], logx=positive[0], logy=positive[1], attrs=title))
        elif array.ndim == 2 and len(axes) == 2 and _some(array):
            up = next((a for a in axes if a == "energy"), axes[0])
            across = next(a for a in axes if a != up)
            logy = bool((array[up] > 0).all())
            pictures.append(panels.heatmap(array, x=across, y=up, logy=logy, attrs=title))
        else:
            values = np.atleast_1d(array.values).ravel()
            numbers = ", ".join([*map(_written, values[:MANY]), *(["…"] if values.size > MANY else [])])
            units = str(array.attrs.get("units", ""))
            lines.append(f"{array.attrs.get('long_name', name)}: {numbers} {units if units != '1' else ''}".rstrip())
    if pictures:
        return hv.Layout(pictures).cols(2).opts(backend="bokeh", shared_axes=False)
    return "\n".join(lines)


def _some(array: xr.DataArray) -> bool:
    return array.dtype.kind in "fiu" and bool(np.isfinite(array.values).any())


def _written(value: Any) -> str:
    """Return a value in words: whole numbers with all digits, for they may be flags."""
    return f"{float(value):.6g}" if value.dtype.kind == "f" else str(told(value))


def _nearest(times: np.ndarray, time: np.datetime64) -> int:
    """Return the place of the sample nearest to a time, in whatever order they are; the later one of two."""
    if np.isnat(times).any() or (times[1:] < times[:-1]).any():
        away = np.where(np.isnat(times), np.timedelta64(2**62, "ns"), np.abs(times - time))
        return int(np.argmin(away))
    after = min(int(np.searchsorted(times, time)), times.size - 1)
    before = max(after - 1, 0)
    return before if time - times[before] < times[after] - time else after

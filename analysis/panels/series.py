"""Time series as lines: gaps stay open, flagged samples are marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import PLAIN, bearing, words_of
from analysis.panels.loading import loaded
from analysis.panels.marks import cursor
from analysis.panels.notes import note
from analysis.panels.style import (
    FONTS,
    GRID,
    HEIGHT,
    LINES,
    TIME_TOOLS,
    WIDTH,
    axis_label,
    dimension,
    left_border,
    limits,
    merged,
    message,
    numeric,
    unit_label,
    values_of,
)

GAP = 3.5  # a step this many times the usual one is a gap: the line is not drawn across it
LONGEST = 100_000  # samples drawn one by one; of longer series the extremes of equal blocks are drawn
BLOCKS = 20_000
MOST_NAMED = 16  # lines; the names of more do not fit beside a panel
MARKS = (("#E69F00", "circle"), ("#6f6f6f", "diamond"), ("#CC79A7", "triangle"), ("#000000", "x"))


def curves(
    array: xr.DataArray,
    *,
    quality: xr.DataArray | Mapping[str, xr.DataArray] | None = None,
    logy: bool = False,
    ylim: Sequence[float] | None = None,
    marked: Sequence[str] | None = None,
    label: str = "",
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return a line over time, one for each component.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``time``, and a second one (``component`` …) for several lines.
    quality : xarray.DataArray, optional
        Flags on the same times with attrs ``flag_values`` or ``flag_masks`` and ``flag_meanings`` (CF
        conventions, section 3.5). Samples are marked and named in the legend unless they are measured, good
        or the like, or no bit is set; one with several bits gets the mark of each. Of several lines with flags
        of their own: a mapping from the name of the line to its flags.
    logy : bool, optional
        Logarithmic axis; values that are not positive are left out, and the picture says so.
    ylim : (float, float), optional
        Ends of the axis up, at first; by default those of the values.
    marked : sequence of str, optional
        The meanings to mark, instead.
    label : str, optional
        Name in the legend of a single line.
    attrs : mapping, optional
        Global attributes of the dataset, for the note (see :func:`analysis.panels.note`).

    Returns
    -------
    holoviews.Overlay
        NaN and gaps in time are left open; a sample alone between gaps is a dot. Of more than 100,000 samples
        the smallest and largest of each of 20,000 blocks are drawn, which the picture says. So it does where times
        are not in order or missing (NaT), or where there are more lines than names fit beside it.

    Raises
    ------
    WrongData
        If the array is empty, not numeric, has no dim ``time`` or more than two, lines of one name, or the flags
        don't fit it.
    BadOption
        If a meaning in ``marked`` is not among the flags', or ``ylim`` is not (low, high).

    References
    ----------
    CF Metadata Conventions 1.11, section 3.5, Flags.

    Examples
    --------
    >>> time = np.arange("2001-03-31T00", "2001-03-31T04", dtype="datetime64[h]").astype("datetime64[ns]")
    >>> dst = xr.DataArray([-50.0, np.nan, -387.0, -300.0], {"time": time}, name="dst", attrs={"units": "nT"})
    >>> curves(dst)
    :Overlay...
    """
    hv = loaded()
    array, remarks = in_order(numeric(array))
    if remarks and quality is not None:
        raise WrongData(f"the times of {array.name or 'the array'} are not in order; sort the data: sortby('time')")
    lines = _lines_of(array)
    times = array["time"].values
    if not np.isfinite(values_of(array)).any():
        nothing = f"{array.name or 'the array'} holds no value in this time range (all NaN)"
        return note(hv.Overlay([message(nothing, array)]), merged(array, attrs))
    drawn: list[Any] = []
    time_dim, value_dim = dimension(array["time"]), dimension(array)
    several = len(lines) > 1
    if crowd := len(lines) > MOST_NAMED:
        remarks.append(f"{len(lines)} lines, too many for names: choose some with sel or isel.")
    for index, (name, values) in enumerate(lines.items()):
        if logy and (values <= 0).any():
            values = np.where(values > 0, values, np.nan)
            remarks.append("Values that are not positive are left out of the logarithmic axis.")
        kept = np.arange(times.size)
        if times.size > LONGEST:
            kept = _extremes(values, BLOCKS)
            remarks.append(
                f"Of {times.size:,} samples the smallest and largest of each of {BLOCKS:,} blocks are drawn."
            )
        shown_times, shown, alone = _opened(times[kept], values[kept], whole=times)
        colour = LINES[index % len(LINES)]
        legend = "" if crowd else name if several else label
        drawn.append(
            hv.Curve((shown_times, shown), time_dim, value_dim, label=legend).opts(
                backend="bokeh",
                color=colour,
                line_width=1.2,
                **({} if crowd else _hover(array, name if several else "", first=index == 0)),
            )
        )
        if alone.any():
            dots = hv.Scatter((shown_times[alone], shown[alone]), time_dim, value_dim, label=legend)
            drawn.append(dots.opts(backend="bokeh", color=colour, size=3))
    flags = quality if isinstance(quality, Mapping) else {} if quality is None else dict.fromkeys(lines, quality)
    drawn += _marks(array, flags, lines, marked, (time_dim, value_dim))
    options = dict(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, logy=logy, ylabel=axis_label(_framed(array)),
        fontsize=FONTS, default_tools=TIME_TOOLS, active_tools=["xwheel_zoom", "xpan"], show_grid=True,
        gridstyle=GRID, hooks=[left_border, cursor], padding=(0, 0.08),
    )  # fmt: skip
    if ylim is not None:
        options["ylim"] = limits(ylim, "ylim", log=logy)
    overlay = hv.Overlay([element.opts(**options) for element in drawn])
    overlay = overlay.opts(backend="bokeh", show_legend=True, legend_position="right", legend_opts=_LEGEND)
    return note(overlay, merged(array, attrs), remark=" ".join(dict.fromkeys(remarks)))


_LEGEND = {"click_policy": "hide", "padding": 4, "spacing": 0, "background_fill_alpha": 0.7}


def _lines_of(array: xr.DataArray) -> dict[str, np.ndarray]:
    """Return the values of each line, by the name of its component."""
    if "time" not in array.dims or array.ndim > 2:
        sizes = ", ".join(f"{k}: {v}" for k, v in array.sizes.items())
        raise WrongData(f"{array.name or 'array'} has dims ({sizes}); curves need time and at most one other dim")
    if array["time"].dtype.kind != "M":
        raise WrongData(f"the time of {array.name or 'array'} is {array['time'].dtype}, not datetime64[ns] in UTC")
    if array.ndim == 1:
        return {str(array.name or "value"): values_of(array)}
    other = next(str(d) for d in array.dims if d != "time")
    table = values_of(array.transpose("time", other))
    labels = array[other].values if other in array.coords else np.arange(table.shape[1])
    names = [_component_name(other, label) for label in labels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WrongData(f"{array.name or 'the array'} has several lines named {', '.join(twice)}; name each its own")
    return {name: table[:, i] for i, name in enumerate(names)}


def _framed(array: xr.DataArray) -> xr.DataArray:
    """Return a vector with its frame in its name, unless the name says it already."""
    frame, label = str(array.attrs.get("frame", "")).strip(), str(dimension(array).label)
    if "component" not in array.dims or not frame or frame.lower() in label.lower():
        return array
    return array.assign_attrs(long_name=f"{label}, {frame}")


def in_order(array: xr.DataArray) -> tuple[xr.DataArray, list[str]]:
    """Return the array with rising times, and remarks on what was sorted or left out for that.

    Examples
    --------
    >>> times = np.array(["2020-01-02", "NaT", "2020-01-01"], "datetime64[ns]")
    >>> array, remarks = in_order(xr.DataArray([1, 2, 3], {"time": times}))
    >>> array.values, len(remarks)
    (array([3, 1]), 2)
    """
    if "time" not in array.dims or array["time"].dtype.kind != "M":
        return array, []  # refused later
    remarks, missing = [], int(np.isnat(array["time"].values).sum())
    if missing:
        remarks.append(f"{missing} of {array.sizes['time']} samples have no time (NaT) and are left out.")
        array = numeric(array.isel(time=np.flatnonzero(~np.isnat(array["time"].values))))
    times = array["time"].values
    if (times[1:] < times[:-1]).any():
        remarks.append("The samples are not in the order of time; they are drawn in it.")
        array = array.sortby("time")
    return array, remarks


def _component_name(dim: str, name: object) -> str:
    return str(name) if isinstance(name, str) else f"{dim} {name:g}"


def _extremes(values: np.ndarray, blocks: int) -> np.ndarray:
    """Return the indices of the smallest and largest value of each of equal blocks, in order."""
    edges = np.linspace(0, values.size, blocks + 1).astype(int)
    starts, size = edges[:-1], int(np.diff(edges).max())
    index = np.minimum(starts[:, None] + np.arange(size), edges[1:, None] - 1)
    table = values[index]
    low = np.where(np.isnan(table), np.inf, table).argmin(axis=1)
    high = np.where(np.isnan(table), -np.inf, table).argmax(axis=1)
    rows = np.arange(blocks)
    first_nan = index[rows, np.isnan(table).argmax(axis=1)]  # where there is none: the block's first sample
    picked = [index[rows, low], index[rows, high], first_nan, [0, values.size - 1]]
    return np.unique(np.concatenate(picked))


def _opened(times: np.ndarray, values: np.ndarray, *, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times and values with a NaN in each gap, and which samples stand alone between gaps."""
    step = np.median(np.diff(whole)) if whole.size > 2 else None
    if step is not None and times.size > 1:
        # After thinning the drawn samples are further apart than the series' own: only its own gaps count.
        usual = max(step, np.median(np.diff(times)) if times.size < whole.size else step)
        after = np.flatnonzero(np.diff(times) > GAP * usual)
        middles = times[after] + (times[after + 1] - times[after]) // 2
        times, values = np.insert(times, after + 1, middles), np.insert(values, after + 1, np.nan)
    seen = np.isfinite(values)
    left, right = np.r_[False, seen[:-1]], np.r_[seen[1:], False]
    return times, values, seen & ~left & ~right


def _hover(array: xr.DataArray, line: str, *, first: bool) -> dict[str, Any]:
    """Return options that show value and time (UTC) of the sample next to the mouse's place across.

    Of several lines only the first tells the time: boxes that all did would cover each other.
    """
    name, unit = str(array.name or "value"), unit_label(array)
    shown = (
        (line, f"@{{{name}}}{f' {unit}' if unit else ''}") if line else (dimension(array).pprint_label, f"@{{{name}}}")
    )
    return {
        "tools": ["hover"],
        "hover_mode": "vline",
        "hover_tooltips": [shown, ("UTC", "@{time}{%F %T.%3N}")] if first else [shown],
        "hover_formatters": {"@{time}": "datetime"},
    }


def _marks(
    array: xr.DataArray,
    flags: Mapping[str, xr.DataArray],
    lines: Mapping[str, np.ndarray],
    marked: Sequence[str] | None,
    dims: tuple[Any, Any],
) -> list[Any]:
    """Return open marks on the samples of each flag that is to be seen."""
    hv = loaded()
    if stray := [name for name in flags if name not in lines]:
        raise WrongData(f"flags are given for {', '.join(stray)}; the lines are {', '.join(lines)}")
    order: list[str] = []  # a look for each word, the same on all lines
    drawn = []
    for name, quality in flags.items():
        samples = bearing(quality)
        for word in _to_be_seen(array, quality, marked):
            if word not in order:
                order.append(word)
            colour, shape = MARKS[order.index(word) % len(MARKS)]
            at = np.flatnonzero(samples[word].values)
            seen = at[np.isfinite(lines[name][at])]
            if seen.size:
                table = (array["time"].values[seen], lines[name][seen])
                dots = hv.Scatter(table, *dims, label=word.replace("_", " "))
                drawn.append(
                    dots.opts(
                        backend="bokeh",
                        marker=shape,
                        size=5,
                        color=colour,
                        fill_alpha=0,
                        line_width=1.3,
                        tools=["hover"],
                    )
                )
    return drawn


def _to_be_seen(array: xr.DataArray, quality: xr.DataArray, marked: Sequence[str] | None) -> list[str]:
    """Return the words of a flag that are marked: those asked for, else those that are not for a good sample."""
    words, values, masks = words_of(quality)
    if quality.dims != ("time",) or quality.sizes["time"] != array.sizes["time"]:
        raise WrongData(
            f"the flags {quality.name} have dims {dict(quality.sizes)}; "
            f"{array.name or 'the array'} needs one flag for each of its {array.sizes['time']} times"
        )
    if marked is not None and (unknown := [m for m in marked if m not in words]):
        raise BadOption(f"marked={list(marked)}: {unknown} not among the flags {words}")
    clear = {w for w, v in zip(words, values, strict=True) if w in PLAIN or (masks is not None and v == 0)}
    return [word for word in words if (word in marked if marked is not None else word not in clear)]

"""Time series as lines: gaps stay open, flagged samples are marked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import PLAIN, bearing, words_of
from analysis.panels.clocks import Times, clock, moments_at
from analysis.panels.extremes import holds_values
from analysis.panels.following import Glyph, follow
from analysis.panels.loading import loaded
from analysis.panels.marks import cursor
from analysis.panels.notes import note
from analysis.panels.stored_extremes import stored_extremes
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
from analysis.panels.visible import all_of, series_of, whole

LONGEST = 100_000  # samples of a line that a browser holds; of more it gets what is visible
MOST_POINTS = 400_000  # of all lines together
MOST_MARKS = 20_000  # flagged samples that are marked, of each word
UP_TOOLS = ("ywheel_zoom", "ypan")
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
    color: str = "",
    extremes: str | os.PathLike[str] | None = None,
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
    color : str, optional
        Of a single line, a name or "#rrggbb": for one of two pictures in a frame, as in
        ``curves(a) * curves(b, color="red")``.
    extremes : str or path, optional
        What :func:`analysis.panels.write_extremes` wrote of this array: the first picture is there at once.
    attrs : mapping, optional
        Global attributes of the dataset, for the note (see :func:`analysis.panels.note`).

    Returns
    -------
    holoviews.Overlay
        NaN and gaps in time are left open; a sample alone between gaps is a dot. Of more than 100,000 times (or
        400,000 values) the smallest and largest sample of each pixel are drawn, which the picture says; where a
        kernel runs, pan and zoom read what is then visible, in the end every sample, and the axis up stays as it
        is. Memory maps, lazily opened files and Dask arrays are read once in parts, then only where it is looked.
        The picture says, too, where times are not in order or missing (NaT), or where there are more lines than
        names fit beside it.

    Raises
    ------
    WrongData
        If the array is empty, not numeric, has no dim ``time`` or more than two, lines of one name, or the flags
        don't fit it.
    BadOption
        If a meaning in ``marked`` is not among the flags', ``ylim`` is not (low, high), ``color`` is none or there are
        several lines, or ``extremes`` are those of another axis.
    MissingFile, UnknownFormat, UnknownVariable, CorruptFile
        If ``extremes`` are not there, something else, those of other series, or damaged. Those that don't belong
        to the array are WrongData.

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
    timed = numeric(array).coords.get("time")
    times, lines, remarks = None, None, list[str]()
    if timed is not None and timed.dims == ("time",) and timed.dtype.kind == "M":
        times, lines = (clock(timed), None) if extremes is None else stored_extremes(array, extremes, logy=logy)
    if times is None:
        array, remarks = in_order(array)
    if remarks and quality is not None:
        raise WrongData(f"the times of {array.name or 'the array'} are not in order; sort the data: sortby('time')")
    names = _names_of(array)
    if color:
        _check_colour(color, names)
    long = array.sizes["time"] > LONGEST or array.size > MOST_POINTS
    array = array if long else array.compute()
    series = series_of(array, positive=logy, times=times, lines=lines)
    left_out = sum(line.left_out for line in series.lines)
    if not any(holds_values(line) for line in series.lines):
        nothing = f"{array.name or 'the array'} holds no value in this time range (all NaN)"
        if left_out:
            nothing = f"{array.name or 'the array'} holds no positive value: a logarithmic axis can show none"
        return note(hv.Overlay([message(nothing, array)]), merged(array, attrs))
    if left_out:
        remarks.append("Values that are not positive are left out of the logarithmic axis.")
    if long:
        remarks.append(
            f"Of {array.sizes['time']:,} samples the smallest and largest of each pixel are drawn; zoom in for all."
        )
    time_dim, value_dim = dimension(array["time"]), dimension(array)
    several = len(names) > 1
    if crowd := len(names) > MOST_NAMED:
        remarks.append(f"{len(names)} lines, too many for names: choose some with sel or isel.")
    options: dict[str, Any] = dict(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, logy=logy, ylabel=axis_label(_framed(array)),
        fontsize=FONTS, default_tools=[*TIME_TOOLS, *(UP_TOOLS if long else ())], show_grid=True, gridstyle=GRID,
        active_tools=["xwheel_zoom", "xpan"], padding=(0, 0.08),
    )  # fmt: skip
    if ylim is not None:
        options["ylim"] = limits(ylim, "ylim", log=logy)
    drawn: list[Any] = []
    glyphs: list[Glyph] = []
    for index, (name, shown) in enumerate(zip(names, whole(series) if long else all_of(series), strict=True)):
        times, values, alone = shown
        look = {**options, "color": color or LINES[index % len(LINES)]}
        legend = "" if crowd else name if several else label
        hover = {} if crowd else _hover(array, name if several else "", first=index == 0)
        parts = [(hv.Curve((times, values), time_dim, value_dim, label=legend), {"line_width": 1.2, **hover})]
        if alone.any() or (long and not crowd):
            dots = hv.Scatter((times[alone], values[alone]), time_dim, value_dim, label=legend)
            parts.append((dots, {"size": 3}))
        for place, (element, own) in enumerate(parts):
            glyphs.append(Glyph(index, alone=place == 1))
            hooks = [left_border, cursor, *(glyphs[-1:] if long else ())]
            drawn.append(element.opts(**look, **own, hooks=hooks))
    if long:
        follow(series, drawn[0], glyphs)
    flags = quality if isinstance(quality, Mapping) else {} if quality is None else dict.fromkeys(names, quality)
    marks, more = _marks(array, series.times, flags, names, marked, (time_dim, value_dim), positive=logy)
    remarks += more
    drawn += [element.opts(**options, hooks=[left_border, cursor]) for element in marks]
    overlay = hv.Overlay(drawn)
    overlay = overlay.opts(backend="bokeh", show_legend=True, legend_position="right", legend_opts=_LEGEND)
    return note(overlay, merged(array, attrs), remark=" ".join(dict.fromkeys(remarks)))


_LEGEND = {"click_policy": "hide", "padding": 4, "spacing": 0, "background_fill_alpha": 0.7}


def _names_of(array: xr.DataArray) -> list[str]:
    """Return the names of the lines: those of the components."""
    if "time" not in array.dims or array.ndim > 2:
        sizes = ", ".join(f"{k}: {v}" for k, v in array.sizes.items())
        raise WrongData(f"{array.name or 'array'} has dims ({sizes}); curves need time and at most one other dim")
    if array["time"].dtype.kind != "M":
        raise WrongData(
            f"the time of {array.name or 'array'} is {array['time'].dtype}, not datetime64[ns] in UTC; numbers with "
            "units such as 'seconds since 2020-01-01' become times by xarray.decode_cf(dataset), dates of cftime by "
            "convert_calendar('standard', use_cftime=False), others by assign_coords(time=…)"
        )
    if array.ndim == 1:
        return [str(array.name or "value")]
    other = next(str(d) for d in array.dims if d != "time")
    labels = array[other].values if other in array.coords else np.arange(array.sizes[other])
    names = [_component_name(other, label) for label in labels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WrongData(f"{array.name or 'the array'} has several lines named {', '.join(twice)}; name each its own")
    return names


def _check_colour(color: object, names: Sequence[str]) -> None:
    from bokeh.core.properties import Color

    if len(names) > 1:
        raise BadOption(f"color={color!r} is for a single line; here are {len(names)}, each with a colour of its own")
    if not isinstance(color, str) or not Color().is_valid(color):
        raise BadOption(f"color={color!r} is no colour; give a name such as 'red', or '#d55e00'")


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
    if missing == array.sizes["time"]:
        raise WrongData(f"no sample of {array.name or 'the array'} has a time: all are missing (NaT)")
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
    times: Times,
    flags: Mapping[str, xr.DataArray],
    lines: Sequence[str],
    marked: Sequence[str] | None,
    dims: tuple[Any, Any],
    *,
    positive: bool,
) -> tuple[list[Any], list[str]]:
    """Return open marks on the samples of each flag that is to be seen, and remarks on marks left out."""
    hv = loaded()
    if stray := [name for name in flags if name not in lines]:
        raise WrongData(f"flags are given for {', '.join(stray)}; the lines are {', '.join(lines)}")
    order: list[str] = []  # a look for each word, the same on all lines
    drawn, remarks = [], []
    for name, quality in flags.items():
        line = array if array.ndim == 1 else array.transpose("time", ...)[:, list(lines).index(name)]
        samples = bearing(quality)
        for word in _to_be_seen(array, quality, marked):
            if word not in order:
                order.append(word)
            colour, shape = MARKS[order.index(word) % len(MARKS)]
            at = np.flatnonzero(samples[word].values)
            if at.size > MOST_MARKS:
                remarks.append(f"Of {at.size:,} samples with the flag {word}, {MOST_MARKS:,} are marked.")
                at = at[np.linspace(0, at.size - 1, MOST_MARKS).astype(np.int64)]
            values = values_of(line[at])
            seen = np.isfinite(values) & ((values > 0) | (not positive))
            if seen.any():
                table = (moments_at(times, at[seen]), values[seen])
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
    return drawn, remarks


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

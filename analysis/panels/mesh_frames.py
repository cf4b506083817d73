"""Cells of a mesh as a picture: all at once, or of a large array those of each view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, CorruptFile
from analysis.model import near
from analysis.panels.loading import loaded
from analysis.panels.notes import note
from analysis.panels.rebinning import Cells, Mesh, nothing, visible
from analysis.panels.style import (
    BACKGROUND,
    DIVERGING,
    FONTS,
    SEQUENTIAL,
    axis_label,
    colour_limits,
    dimension,
    has_both_signs,
    unit_label,
)

COLUMNS, ROWS = 800, 200  # of a view, at most: about what its frame has pixels for
CELLS = 60_000
FAR = 10  # times the highest mean from which on a view says that single values are higher
COLOUR_BAR = {"title_text_font_style": "normal", "width": 14, "padding": 4, "title_standoff": 6}


def scale_of(
    values: np.ndarray, clim: Sequence[float] | str | None, *, logz: bool | None, lowest: float | None = None
) -> dict[str, Any]:
    """Return colour map, limits and norm of values; logz None: logarithmic unless a value is negative.

    ``lowest`` is the lowest of all values where those given are means.

    Raises
    ------
    BadOption
        If ``clim`` is neither a pair of rising numbers nor "visible".

    Examples
    --------
    >>> scale_of(np.array([1.0, 10.0]), (1, 10), logz=None)["cnorm"]
    'log'
    """
    if isinstance(clim, str):
        if clim != "visible":
            raise BadOption(f"clim={clim!r} is not (low, high) nor 'visible'{near(clim, ['visible'])}")
        clim = None
    signed = has_both_signs(values)
    negative = bool((values < 0).any()) or (lowest is not None and lowest < 0)
    log = not negative if logz is None else logz and not negative
    log &= bool((values > 0).any())
    return {
        "clim": colour_limits(values, clim, log=log, diverging=signed),
        "cmap": DIVERGING if signed else SEQUENTIAL,
        "cnorm": "log" if log else "linear",
    }


def pictured(
    edges: Sequence[np.ndarray],
    values: np.ndarray,
    arrays: tuple[xr.DataArray, xr.DataArray, xr.DataArray],
    *,
    scale: Mapping[str, Any],
    logy: bool,
    counts: np.ndarray | None = None,
    joined: str | None = None,
    dims: tuple[Any, Any, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return one rectangle for each cell with a value.

    Parameters
    ----------
    edges : four numpy.ndarray
        Left, bottom, right and top, each of a shape that fits that of the values.
    values : numpy.ndarray
        NaN where there is none.
    arrays : three xarray.DataArray
        What runs across, up, and what the colour is: for names and units.
    scale : mapping
        As :func:`scale_of` returns.
    logy : bool
        Logarithmic axis up.
    counts : numpy.ndarray, optional
        How many values each is of.
    joined : "mean" or "max", optional
        What of them each value is: hover shows both. None where the cells are the array's own.
    dims : three holoviews.Dimension, optional
        Those of ``arrays`` if they have been made before.
    options : mapping, optional
        Options of the rectangles, over those that follow from the data.

    Examples
    --------
    >>> axis, value = xr.DataArray([0.5], dims="x", name="x"), xr.DataArray([[1.0]], dims=["y", "x"], name="v")
    >>> ends = [np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1))]
    >>> len(pictured(ends, value.values, (axis, axis.rename("y"), value), scale=scale_of(value.values, None, logz=None),
    ...              logy=False))
    1
    """
    hv = loaded()
    x, y, z = arrays
    left, bottom, right, top = (np.broadcast_to(edge, values.shape) for edge in edges)
    seen = (values > 0 if scale["cnorm"] == "log" else np.isfinite(values)) & np.isfinite(bottom) & np.isfinite(top)
    first, second, value = dims if dims is not None else (dimension(x), dimension(y), dimension(z))
    ends = [hv.Dimension((f"{dim.name}_end", f"{dim.label}, end"), unit=dim.unit) for dim in (first, second)]
    table, vdims = [left[seen], bottom[seen], right[seen], top[seen], values[seen]], [value]
    if not seen.any() and dims is not None:  # HoloViews finds no range of nothing: a cell without width or colour
        corner = first.soft_range[0], second.soft_range[0]
        table = [np.array([end]) for end in (*corner, *corner, np.nan)]
    if counts is not None:
        table.append(counts[seen] if seen.any() else np.zeros(1))
        vdims.append(hv.Dimension((_JOINED, "Values joined")))
    look = dict(
        color=value.name, line_color=value.name, line_width=0.6, colorbar=True, clabel=axis_label(z, fold=34),
        colorbar_opts=COLOUR_BAR, logy=logy, bgcolor=BACKGROUND, tools=["hover"], fontsize=FONTS,
        xlabel=first.pprint_label, ylabel=axis_label(y), padding=0,
    )  # fmt: skip
    look |= dict(scale) | _hover(
        (first, second), ends, value, times=x.dtype.kind == "M", fine=counts is not None, joined=joined
    )
    return hv.Rectangles(tuple(table), [first, second, *ends], vdims).opts(
        backend="bokeh", **{**look, **(options or {})}
    )


_JOINED = "joined_values"
WORDS = {"mean": "mean", "max": "highest"}  # how cells are joined, and what that is called


def checked_joined(joined: object) -> str:
    """Return how cells are joined, "mean" or "max", or refuse another word.

    Raises
    ------
    BadOption
        If it is neither.

    Examples
    --------
    >>> checked_joined("maximum")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: joined='maximum' is neither 'mean' nor 'max'; did you mean 'max'?
    """
    if not isinstance(joined, str) or joined not in WORDS:
        raise BadOption(f"joined={joined!r} is neither 'mean' nor 'max'{near(joined, WORDS)}")
    return joined


def moving(
    made: Mesh,
    arrays: tuple[xr.DataArray, xr.DataArray, xr.DataArray],
    *,
    clim: Sequence[float] | str | None,
    logz: bool | None,
    options: Mapping[str, Any],
    attrs: Mapping[str, Any],
    remarks: Sequence[str],
    joined: str = "mean",
) -> Any:
    """Return a picture of a large mesh that is made anew of what is visible, after each zoom and pan.

    The scale of colours is that of the whole, unless ``clim`` is "visible". ``options`` are those of the rectangles;
    attrs and remarks go into the note; ``joined`` says whether a cell of several is their mean or the highest.
    """
    hv = loaded()
    times = arrays[0].dtype.kind == "M"
    whole = (made.left[0], made.reach[-1]), made.ends
    rows = min(ROWS, made.array.shape[1] if made.rows is None else made.rows.size - 1)
    columns = min(COLUMNS, CELLS // rows)

    def cells(x_range: Any, y_range: Any) -> Cells:
        x, y = (_ends(given, ends) for given, ends in zip((x_range, y_range), whole, strict=True))
        return visible(made, x, y, columns=columns, rows=rows)

    first = cells(None, None)
    levels = made.levels
    scale = scale_of_all(levels.sample, _seen(first, joined), clim, logz=logz, lowest=levels.lowest, joined=joined)
    shown_ends = tuple(np.datetime64(int(end), "ns") for end in whole[0]) if times else whole[0], whole[1]
    x_dim, y_dim, value = (dimension(array) for array in arrays)
    x_dim, y_dim = (dim.clone(soft_range=ends) for dim, ends in zip((x_dim, y_dim), shown_ends, strict=True))

    def frame(x_range: Any, y_range: Any) -> Any:
        told: list[str] = []
        try:
            shown = first if x_range is None and y_range is None else cells(x_range, y_range)
        except (CorruptFile, OSError) as error:  # of a file that was moved or damaged meanwhile
            shown, told = nothing(), [f"This part could not be read: {error}"]
        values, here = _seen(shown, joined), dict(scale)
        if clim == "visible" and np.isfinite(values).any():
            here["clim"] = colour_limits(
                values, None, log=scale["cnorm"] == "log", diverging=scale["cmap"] == DIVERGING
            )
        left, right = (edge.astype("datetime64[ns]") if times else edge for edge in (shown.left, shown.right))
        picture = pictured(
            (left[:, None], shown.bottom, right[:, None], shown.top), values, arrays, scale=here, logy=made.logy,
            counts=shown.counts, joined=joined if _is_joined(shown) else None, dims=(x_dim, y_dim, value),
            options=options,
        )  # fmt: skip
        told = told or _told(shown, made, arrays, joined=joined)
        return note(picture, attrs, remark=" ".join([*remarks, *told]))

    return hv.DynamicMap(frame, streams=[hv.streams.RangeXY()])


def scale_of_all(
    sample: np.ndarray,
    first: np.ndarray,
    clim: Sequence[float] | str | None,
    *,
    logz: bool | None,
    lowest: float | None = None,
    joined: str = "mean",
) -> dict[str, Any]:
    """Return colour map, limits and norm that suit both some of an array's own values and what is drawn of the whole.

    Means of many have a narrower range than what they are of: with limits of one of both, a view of the other would
    be of one colour. Of highest values a logarithmic scale reaches to the highest of all, for these are looked for.

    Examples
    --------
    >>> scale_of_all(np.array([1.0, 100.0]), np.array([[20.0, 30.0]]), None, logz=False)["clim"]
    (1.99, 99.505)
    """
    pools = [sample, first[np.isfinite(first)]]
    scale = scale_of(np.concatenate(pools), clim, logz=logz, lowest=lowest)
    if clim is not None:
        return scale
    log = scale["cnorm"] == "log"
    each = [
        colour_limits(pool, None, log=log, diverging=scale["cmap"] == DIVERGING)
        for pool in pools
        if (pool > 0 if log else np.isfinite(pool)).any()
    ]
    if not each:
        return scale
    high = max(high for _, high in each)
    if log and joined == "max":
        high = max(high, float(np.nanmax(first)))
    return {**scale, "clim": (min(low for low, _ in each), high)}


def _seen(shown: Cells, joined: str) -> np.ndarray:
    return shown.peaks if joined == "max" else shown.values


def _is_joined(shown: Cells) -> bool:
    return shown.across > 1 or shown.up > 1 or shown.resampled


def _told(
    shown: Cells, made: Mesh, arrays: tuple[xr.DataArray, xr.DataArray, xr.DataArray], *, joined: str
) -> list[str]:
    """Return what a view says of how its cells are joined."""
    if not np.isfinite(shown.values).any():
        return ["There is no value in this view."]
    count, wide = made.array.shape
    word, said = WORDS[joined], []
    if shown.across > 1:
        what = "samples" if arrays[0].dtype.kind == "M" else "cells"
        said.append(f"Each column is the {word} of about {shown.across:.3g} {what} ({count:,} in all).")
    if shown.up > 1:
        said.append(f"Each row is the {word} of about {shown.up:.3g} cells ({wide:,} in all).")
    if shown.resampled:
        said.append("The cells' edges change: each sample gives what it holds in the middle of a row.")
    if not said:
        return ["Each cell is one of the data's own."]
    return [
        *said,
        *([] if joined == "max" else hidden(shown.values, shown.peaks, arrays[2])),
        "Zoom in for single cells.",
    ]


def hidden(means: np.ndarray, peaks: np.ndarray, array: xr.DataArray) -> list[str]:
    """Return a sentence on values that stand out far above the means that are drawn instead of them, if there are any.

    Examples
    --------
    >>> hidden(np.array([1.0, 2.0]), np.array([1.0, 50.0]), xr.DataArray(0.0, attrs={"units": "nT"}))
    ["The highest value here is 50 nT, 25 × the highest mean: joined='max' shows short peaks."]
    """
    mean, peak = float(np.nanmax(means)), float(np.nanmax(peaks))
    if not peak > FAR * mean > 0:
        return []
    value = f"{peak:.3g} {unit_label(array) or ''}".strip()
    return [f"The highest value here is {value}, {peak / mean:.2g} × the highest mean: joined='max' shows short peaks."]


def _ends(given: Any, whole: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the ends of a visible range in the mesh's own numbers; of the whole before anything was zoomed."""
    if given is None or any(end is None for end in given):
        return whole
    ends = [end for end in given]
    if isinstance(whole[0], np.integer) and any(not isinstance(end, int | float) for end in ends):
        ends = [np.datetime64(end, "ns").astype(np.int64) for end in ends]
    elif isinstance(whole[0], np.integer):
        ends = [round(end * 1e6) for end in ends]  # Bokeh's milliseconds
    low, high = min(ends), max(ends)
    return (low, high) if low < high else whole


def _hover(
    lows: Sequence[Any], highs: Sequence[Any], value: Any, *, times: bool, fine: bool, joined: str | None
) -> dict[str, Any]:
    """Return options that show from where to where a cell reaches, and its value."""
    written = [f"@{{{low.name}}} to @{{{high.name}}}" for low, high in zip(lows, highs, strict=True)]
    formatters = {}
    if times:
        clock = "%T.%3N" if fine else "%T"  # zoomed in, cells of a large array may be short
        written[0] = f"@{{{lows[0].name}}}{{%F {clock}}} to @{{{highs[0].name}}}{{{clock}}}"
        formatters = {f"@{{{dim.name}}}": "datetime" for dim in (lows[0], highs[0])}
    tooltips = [(low.pprint_label, text) for low, text in zip(lows, written, strict=True)]
    tooltips.append((value.pprint_label, f"@{{{value.name}}}"))
    if joined:
        tooltips.append((f"{WORDS[joined].capitalize()} of", f"@{{{_JOINED}}}{{0,0}} values"))
    return {"hover_tooltips": tooltips, "hover_formatters": formatters}

"""Values over two axes as coloured cells: spectrograms, and any slice of two dims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.panels.contours import contour_lines
from analysis.panels.loading import loaded
from analysis.panels.marks import cursor
from analysis.panels.notes import note
from analysis.panels.series import in_order
from analysis.panels.style import (
    BACKGROUND,
    DIVERGING,
    FONTS,
    HEIGHT,
    SEQUENTIAL,
    TIME_TOOLS,
    WIDTH,
    axis_label,
    colour_limits,
    dimension,
    has_both_signs,
    left_border,
    merged,
    message,
    numeric,
    values_of,
)
from analysis.panels.visible import GAP

MOST_COLUMNS = 2_000
MOST_CELLS = 60_000  # a browser still pans these without a wait


def spectrogram(
    array: xr.DataArray, *, clim: Sequence[float] | None = None, attrs: Mapping[str, Any] | None = None
) -> Any:
    """Return time across, energy (or any second dim) up, the value as colour.

    Parameters
    ----------
    array : xarray.DataArray
        Dims ``time`` and one other (``energy``), whose coordinate is 1-D, or 2-D where the energies change
        with time. With coordinates ``<energy>_low`` and ``<energy>_high`` these are the cells' edges; else
        they lie midway. The axis is logarithmic if energies are positive and more evenly spaced on such a one.
    clim : (float, float), optional
        Limits of the colours; by default the 1st and 99.5th percentile of what is drawn.
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Rectangles
        Logarithmic colours where all values are positive or zero. Zeros (on logarithmic colours), NaN and
        gaps in time show the grey background. More than 2,000 times, or 60,000 cells, are drawn as means over
        equal steps of time (NaN left out, zeros counted), which the picture says.

    Raises
    ------
    WrongData
        If the array is empty, not numeric or has other dims, or its energies are missing.

    Examples
    --------
    >>> time = np.arange("2012-12-01T00", "2012-12-01T03", dtype="datetime64[h]").astype("datetime64[ns]")
    >>> energy = xr.DataArray([10.0, 100.0], dims="energy", attrs={"units": "eV", "long_name": "Energy"})
    >>> flux = xr.DataArray(np.ones((3, 2)), {"time": time, "energy": energy}, ["time", "energy"])
    >>> len(spectrogram(flux))
    6
    """
    numeric(array, dims=2)
    if "time" not in array.dims:
        raise WrongData(f"{array.name or 'array'} has dims {array.dims}; a spectrogram needs time and one other")
    other = next(str(d) for d in array.dims if d != "time")
    array, remarks = in_order(array.transpose("time", other))
    times, values = array["time"].values, values_of(array)
    if not np.isfinite(values).any():
        return note(
            message(f"{array.name or 'the array'} holds no value in this time range (all NaN)", array),
            merged(array, attrs),
        )
    log = _is_logarithmic(array, other)
    low, high = _cell_edges(array, other, log=log)
    most = min(MOST_COLUMNS, max(200, MOST_CELLS // values.shape[1]))
    if times.size > most:
        remarks.append(f"Each column is the mean of about {times.size / most:.3g} samples ({times.size:,} in all).")
        starts, ends, values, low, high = _block_means(times, values, low, high, most)
    else:
        starts, ends = _time_edges(times)
    shape = values.shape
    picture = _cells(
        (np.broadcast_to(starts[:, None], shape), low, np.broadcast_to(ends[:, None], shape), high),
        values,
        (array["time"], _along(array, other), array),
        clim=clim,
        logz=None,
        logy=log,
    )
    picture = picture.opts(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, default_tools=TIME_TOOLS,
        active_tools=["xwheel_zoom", "xpan"], hooks=[left_border, cursor],
    )  # fmt: skip
    return note(picture, merged(array, attrs), remark=" ".join(remarks))


def heatmap(
    array: xr.DataArray,
    *,
    x: str,
    y: str,
    logx: bool = False,
    logy: bool = False,
    logz: bool = True,
    clim: Sequence[float] | None = None,
    equal: bool = False,
    contours: bool = False,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return two dims of an array as coloured cells, for example pitch angle across and energy up.

    Parameters
    ----------
    array : xarray.DataArray
        Dims ``x`` and ``y``, each with a 1-D numeric coordinate.
    x, y : str
        The dim across and the dim up.
    logx, logy, logz : bool, optional
        Logarithmic axes and colours; ``logz`` is not used where values are negative.
    clim : (float, float), optional
        Limits of the colours; by default the 1st and 99.5th percentile.
    equal : bool, optional
        One scale on both axes, as for two velocities; not with logarithmic axes.
    contours : bool, optional
        Lines of equal value over the cells: at powers of ten on logarithmic colours, which the picture says.
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Rectangles, with contours holoviews.Overlay
        NaN, and zeros on logarithmic colours, show the grey background.

    Raises
    ------
    WrongData
        If the array is empty, not numeric or has other dims, or a logarithmic axis has coordinates that
        aren't positive.
    BadOption
        If equal scales are asked for logarithmic axes.

    Examples
    --------
    >>> flux = xr.DataArray([[1.0, 2.0]], {"energy": [10.0], "angle": [30.0, 60.0]}, ["energy", "angle"])
    >>> len(heatmap(flux, x="angle", y="energy"))
    2
    """
    hv = loaded()
    numeric(array, dims=2)
    if {x, y} != set(array.dims):
        raise WrongData(f"{array.name or 'array'} has dims {array.dims}, not x={x!r} and y={y!r}")
    if equal and (logx or logy):
        raise BadOption("equal=True needs linear axes: leave logx and logy out")
    array = array.transpose(x, y)
    values = values_of(array)
    if not np.isfinite(values).any():
        return note(message(f"{array.name or 'the array'} holds no value (all NaN)", array), merged(array, attrs))
    left, right = _cell_edges(array, x, log=logx)
    bottom, top = _cell_edges(array, y, log=logy)
    shape = values.shape
    edges = tuple(
        np.broadcast_to(edge, shape) for edge in (left[:, None], bottom[None, :], right[:, None], top[None, :])
    )
    axes = (_along(array, x), _along(array, y), array)
    picture = _cells(edges, values, axes, clim=clim, logz=logz, logy=logy)
    options: dict[str, Any] = {"frame_width": 420, "frame_height": 300}
    if equal:
        (low_x, high_x), (low_y, high_y) = ((np.nanmin(a), np.nanmax(b)) for a, b in ((left, right), (bottom, top)))
        scale = 420 / max(high_x - low_x, high_y - low_y)
        options = {"frame_width": round((high_x - low_x) * scale), "frame_height": round((high_y - low_y) * scale)}
        options |= {"default_tools": ["pan", "wheel_zoom", "reset", "save"], "aspect": "equal"}
    remark = ""
    if contours:
        scale_of = hv.Store.lookup_options("bokeh", picture, "plot").kwargs
        lines, remark = contour_lines(
            axes[0].values, axes[1].values, values, clim=scale_of["clim"], log=scale_of["cnorm"] == "log",
            dims=picture.kdims[:2],
        )  # fmt: skip
        picture = hv.Overlay([picture, lines])
    options |= {
        "backend": "bokeh",
        "logx": logx,
        "ylabel": axis_label(axes[1], fold=44),
        "active_tools": ["wheel_zoom"],
    }
    picture = picture.opts(hv.opts.Rectangles(**options))
    return note(picture, merged(array, attrs), remark=remark)


def _cells(
    edges: Sequence[np.ndarray],
    values: np.ndarray,
    arrays: tuple[xr.DataArray, xr.DataArray, xr.DataArray],
    *,
    clim: Sequence[float] | None,
    logz: bool | None,
    logy: bool,
) -> Any:
    """Return one rectangle for each cell with a value; logz None: logarithmic unless a value is negative."""
    hv = loaded()
    x, y, z = arrays
    signed = has_both_signs(values)
    negative = bool((values < 0).any())
    log = not negative if logz is None else logz and not negative
    log &= bool((values > 0).any())
    limits = colour_limits(values, clim, log=log, diverging=signed)
    seen = (values > 0 if log else np.isfinite(values)) & np.isfinite(edges[1]) & np.isfinite(edges[3])
    first, second = dimension(x), dimension(y)
    ends = [dim.clone((f"{dim.name}_end", f"{dim.label}, end")) for dim in (first, second)]
    kdims = [first, second, *ends]
    value = dimension(z)
    table = [np.broadcast_to(edge, values.shape)[seen] for edge in edges]
    return hv.Rectangles((*table, values[seen]), kdims, value).opts(
        backend="bokeh", color=value.name, line_color=value.name, line_width=0.6, clim=limits,
        cmap=DIVERGING if signed else SEQUENTIAL, cnorm="log" if log else "linear", colorbar=True,
        clabel=axis_label(z, fold=34), colorbar_opts=COLOUR_BAR, logy=logy, bgcolor=BACKGROUND, tools=["hover"],
        fontsize=FONTS, xlabel=first.pprint_label, ylabel=axis_label(y), padding=0,
        **_hover((first, second), ends, value, times=x.dtype.kind == "M"),
    )  # fmt: skip


def _hover(lows: Sequence[Any], highs: Sequence[Any], value: Any, *, times: bool) -> dict[str, Any]:
    """Return options that show from where to where a cell reaches, and its value."""
    written = [f"@{{{low.name}}} to @{{{high.name}}}" for low, high in zip(lows, highs, strict=True)]
    formatters = {}
    if times:
        written[0] = f"@{{{lows[0].name}}}{{%F %T}} to @{{{highs[0].name}}}{{%T}}"
        formatters = {f"@{{{dim.name}}}": "datetime" for dim in (lows[0], highs[0])}
    tooltips = [(low.pprint_label, text) for low, text in zip(lows, written, strict=True)]
    shown = (value.pprint_label, f"@{{{value.name}}}")
    return {"hover_tooltips": [*tooltips, shown], "hover_formatters": formatters}


COLOUR_BAR = {"title_text_font_style": "normal", "width": 14, "padding": 4, "title_standoff": 6}


def _cell_edges(array: xr.DataArray, dim: str, *, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper edges of the cells along a dim."""
    if f"{dim}_low" in array.coords and f"{dim}_high" in array.coords:
        low, high = (np.asarray(array.coords[f"{dim}_{end}"].values, dtype=float) for end in ("low", "high"))
        if log:  # a lowest edge at zero lies nowhere on the axis: let the cell begin a step below
            low = np.where(low > 0, low, np.asarray(_along(array, dim).values, dtype=float) ** 2 / high)
    else:
        centres = np.asarray(_along(array, dim).values, dtype=float)
        if log and not np.nanmin(centres) > 0:
            raise WrongData(f"{dim} has coordinates that are not positive: no logarithmic axis can hold them")
        low, high = _midway(centres, log=log)
    if log and not np.nanmin(low) > 0:
        raise WrongData(f"{dim} has edges that are not positive: no logarithmic axis can hold them")
    return low, high


def _is_logarithmic(array: xr.DataArray, dim: str) -> bool:
    """Return whether cells lie above zero and are more even on a logarithmic axis than on a linear one."""
    values = np.asarray(_along(array, dim).values, dtype=float)
    lowest = array.coords[f"{dim}_low"].values if f"{dim}_low" in array.coords else values
    if not np.nanmin(lowest) > 0:
        return False
    if values.shape[-1] < 3:
        return True
    linear, ratio = np.abs(np.diff(values, axis=-1)), np.abs(np.diff(np.log(values), axis=-1))
    return bool(np.nanstd(ratio) / np.nanmean(ratio) < np.nanstd(linear) / np.nanmean(linear))


def _along(array: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the numeric coordinate of a dim: of its own name, or the one other that runs along it."""
    others = [c for n, c in array.coords.items() if dim in c.dims and not str(n).endswith(("_low", "_high"))]
    for coordinate in ([array.coords[dim]] if dim in array.coords else []) + others:
        if coordinate.dtype.kind in "fiu":
            return coordinate
    raise WrongData(f"{array.name or 'array'} has no numeric coordinate {dim!r} to draw along")


def _midway(centres: np.ndarray, *, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return cell edges midway between centres along the last axis, geometrically if ``log``."""
    scale = np.log(centres) if log else centres
    if centres.shape[-1] == 1:
        half = np.full_like(scale, 0.1 if log else 0.5)
        low, high = scale - half, scale + half
    else:
        middle = (scale[..., 1:] + scale[..., :-1]) / 2
        first = 2 * scale[..., :1] - middle[..., :1]
        last = 2 * scale[..., -1:] - middle[..., -1:]
        edges = np.concatenate([first, middle, last], axis=-1)
        low, high = np.minimum(edges[..., 1:], edges[..., :-1]), np.maximum(edges[..., 1:], edges[..., :-1])
    return (np.exp(low), np.exp(high)) if log else (low, high)


def _time_edges(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return start and end of each column: midway to the neighbours, but half a usual step at a gap."""
    nanoseconds = times.astype("datetime64[ns]").astype(np.int64)
    if times.size == 1:
        half = 30_000_000_000  # a lone spectrum is drawn a minute wide
        return (nanoseconds - half).astype("datetime64[ns]"), (nanoseconds + half).astype("datetime64[ns]")
    steps = np.diff(nanoseconds)
    usual = int(np.median(steps))
    half_steps = np.where(steps > GAP * usual, usual, steps) // 2
    before = np.r_[half_steps[:1], half_steps]
    after = np.r_[half_steps, half_steps[-1:]]
    return (nanoseconds - before).astype("datetime64[ns]"), (nanoseconds + after).astype("datetime64[ns]")


def _block_means(
    times: np.ndarray, values: np.ndarray, low: np.ndarray, high: np.ndarray, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return column starts, ends and means over equal steps of time; a step without samples stays empty."""
    nanoseconds = times.astype("datetime64[ns]").astype(np.int64)
    edges = np.linspace(nanoseconds[0], nanoseconds[-1] + 1, columns + 1)
    column = np.clip(np.searchsorted(edges, nanoseconds, side="right") - 1, 0, columns - 1)
    firsts = np.flatnonzero(np.r_[True, np.diff(column) > 0])

    def means(table: np.ndarray) -> np.ndarray:
        counts = np.add.reduceat(np.isfinite(table).astype(float), firsts, axis=0)
        sums = np.add.reduceat(np.nan_to_num(table), firsts, axis=0)
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)

    held = column[firsts]
    starts, ends = edges[held].astype(np.int64), edges[held + 1].astype(np.int64)
    if low.ndim == 2:
        low, high = means(low), means(high)
    return starts.astype("datetime64[ns]"), ends.astype("datetime64[ns]"), means(values), low, high

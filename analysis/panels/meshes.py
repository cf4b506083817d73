"""Values over two axes as coloured cells: spectrograms, and any slice of two dims."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.panels.contours import contour_lines
from analysis.panels.edges import along, cell_edges, is_logarithmic, time_edges
from analysis.panels.level_stores import opened, stored
from analysis.panels.levels import Allocate, Levels
from analysis.panels.loading import loaded
from analysis.panels.marks import cursor
from analysis.panels.mesh_frames import COLOUR_BAR, checked_joined, moving, pictured, scale_of
from analysis.panels.notes import note
from analysis.panels.rebinning import Mesh, mesh, visible
from analysis.panels.series import in_order
from analysis.panels.style import (
    HEIGHT,
    TIME_TOOLS,
    WIDTH,
    axis_label,
    dimension,
    left_border,
    merged,
    message,
    numeric,
    values_of,
)

MOST_COLUMNS = 2_000
MOST_CELLS = 60_000  # a browser still pans these without a wait
__all__ = ["COLOUR_BAR", "heatmap", "spectrogram", "write_levels"]


def spectrogram(
    array: xr.DataArray,
    *,
    clim: Sequence[float] | str | None = None,
    joined: str = "mean",
    levels: str | os.PathLike[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return time across, energy (or any second dim) up, the value as colour.

    Parameters
    ----------
    array : xarray.DataArray
        Dims ``time`` and one other (``energy``), whose coordinate is 1-D, or 2-D where the energies change
        with time. With coordinates ``<energy>_low`` and ``<energy>_high`` these are the cells' edges; else
        they lie midway. The axis is logarithmic if energies are positive and more evenly spaced on such a one.
    clim : (float, float) or "visible", optional
        Limits of the colours; by default the 1st and 99.5th percentile, of a large array both of its own values and
        of what is drawn at first; they stay as they are while one zooms. With "visible" they are those of each view.
    joined : "mean" or "max", optional
        What is drawn for cells that are too many for a view: their mean, or the highest of them, so that no short
        bright feature is lost.
    levels : str or path, optional
        What :func:`write_levels` made of this array: it is drawn at once, and read only where a view needs it.
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Rectangles, of a large array holoviews.DynamicMap
        Logarithmic colours where all values are positive or zero. Zeros (on logarithmic colours), NaN and
        gaps in time show the grey background. More than 2,000 times, or 60,000 cells, are joined in each view: a
        column of it is the mean over its samples (NaN left out, zeros counted, each once however wide), up to 800
        columns and 200 rows, which the picture says, as where a single value is more than ten times the highest
        mean; zoomed in one sees the array's own cells. Where energies change with time, means are
        taken of what each sample holds at the energy of a row. The array may be on disk (memmap, zarr, Dask): it is
        read once, part by part, and then only where a view needs it.

    Raises
    ------
    WrongData
        If the array is empty, not numeric or has other dims, its energies are missing, or the levels are of another.
    BadOption
        If ``clim`` or ``joined`` is none of these.
    MissingFile, UnknownFormat, CorruptFile
        If there are no levels at that path, or they are damaged.

    Examples
    --------
    >>> time = np.arange("2012-12-01T00", "2012-12-01T03", dtype="datetime64[h]").astype("datetime64[ns]")
    >>> energy = xr.DataArray([10.0, 100.0], dims="energy", attrs={"units": "eV", "long_name": "Energy"})
    >>> flux = xr.DataArray(np.ones((3, 2)), {"time": time, "energy": energy}, ["time", "energy"])
    >>> len(spectrogram(flux))
    6
    """
    joined = checked_joined(joined)
    array, other, remarks = _over_time(array)
    log, times = is_logarithmic(array, other), array["time"].values
    axes = (array["time"], along(array, other), array)
    options = {
        "frame_width": WIDTH, "frame_height": HEIGHT, "default_tools": TIME_TOOLS,
        "active_tools": ["xwheel_zoom", "xpan"], "hooks": [left_border, cursor],
    }  # fmt: skip
    nothing = f"{array.name or 'the array'} holds no value in this time range (all NaN)"
    if levels is not None or times.size > MOST_COLUMNS or array.size > MOST_CELLS:
        made = _mesh(array, other, log, levels=None if levels is None else opened(array, levels))
        if not np.isfinite(made.levels.lowest):
            return note(message(nothing, array), merged(array, attrs))
        return moving(
            made,
            axes,
            clim=clim,
            logz=None,
            options=options,
            attrs=merged(array, attrs),
            remarks=remarks,
            joined=joined,
        )
    low, high = cell_edges(array, other, log=log)
    starts, ends = time_edges(times)
    values = values_of(array)
    if not np.isfinite(values).any():
        return note(message(nothing, array), merged(array, attrs))
    edges = (starts[:, None], low, ends[:, None], high)
    picture = pictured(edges, values, axes, scale=scale_of(values, clim, logz=None), logy=log)
    return note(picture.opts(backend="bokeh", **options), merged(array, attrs), remark=" ".join(remarks))


def write_levels(array: xr.DataArray, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Return the path of a new store with which a large spectrogram is drawn at once, by ``spectrogram(levels=)``.

    The array is read once, part by part, so it may be larger than memory. The store holds sums, counts and highest
    values of blocks of 16 samples, and of 4, 16 … such blocks: about a fifth of the values as 64-bit floats, before
    they are compressed. It is written beside its place and moved there when it is whole.

    Parameters
    ----------
    array : xarray.DataArray
        As :func:`spectrogram` takes it: in memory, a memory map, a lazily opened file or a Dask array.
    path : str or path
        The store, a directory whose name ends in ``.zarr``.
    overwrite : bool, optional
        Replace levels that are there; nothing else is ever replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    WrongData
        If the array is no spectrogram.
    BadOption
        If the name does not end in ``.zarr``, or the path exists.
    MissingFile, StoreError
        If the directory above is not there, or nothing can be written to it.

    Examples
    --------
    >>> import tempfile
    >>> time = np.datetime64("2012-12-01", "ns") + np.arange(5000) * np.timedelta64(1, "s")
    >>> energy = xr.DataArray([10.0, 100.0], dims="energy", attrs={"units": "eV", "long_name": "Energy"})
    >>> flux = xr.DataArray(np.ones((5000, 2)), {"time": time, "energy": energy}, ["time", "energy"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spectrogram(flux, levels=write_levels(flux, f"{folder}/flux_levels.zarr"))
    :DynamicMap...
    """
    array, other, _ = _over_time(array)
    log = is_logarithmic(array, other)
    return stored(array, path, lambda allocate: _mesh(array, other, log, allocate=allocate).levels, overwrite=overwrite)


def _over_time(array: xr.DataArray) -> tuple[xr.DataArray, str, list[str]]:
    """Return an array over rising times and one other dim, that dim, and remarks on what was done for that."""
    numeric(array, dims=2)
    if "time" not in array.dims:
        raise WrongData(f"{array.name or 'array'} has dims {array.dims}; a spectrogram needs time and one other")
    if array["time"].dtype.kind != "M":
        raise WrongData(
            f"the times of {array.name or 'the array'} are {array['time'].dtype}, not datetimes; "
            "heatmap(array, x='time', y=...) draws numbers"
        )
    other = next(str(d) for d in array.dims if d != "time")
    array, remarks = in_order(array.transpose("time", other))
    return array, other, remarks


def _mesh(
    array: xr.DataArray, other: str, log: bool, *, levels: Levels | None = None, allocate: Allocate | None = None
) -> Mesh:
    """Return the mesh of an array over rising times; edges that change are not made before they are needed."""
    left, right = (edge.view(np.int64) for edge in time_edges(array["time"].values))
    slim = array.coords.to_dataset()
    fixed = "time" not in along(array, other).dims and "time" not in (
        slim[f"{other}_low"].dims if f"{other}_low" in slim else ()
    )

    def edges(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        return cell_edges(array.isel(time=slice(first, last)), other, log=log)

    up = edges(0, 1) if fixed else edges
    return mesh(array, left, right, up, logy=log, levels=levels, allocate=allocate)


def heatmap(
    array: xr.DataArray,
    *,
    x: str,
    y: str,
    logx: bool = False,
    logy: bool = False,
    logz: bool = True,
    clim: Sequence[float] | str | None = None,
    joined: str = "mean",
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
    clim : (float, float) or "visible", optional
        Limits of the colours; by default the 1st and 99.5th percentile, as for :func:`spectrogram`; "visible": those
        of each view of a large array.
    joined : "mean" or "max", optional
        What is drawn for cells that are too many for a view, as for :func:`spectrogram`.
    equal : bool, optional
        One scale on both axes, as for two velocities; not with logarithmic axes.
    contours : bool, optional
        Lines of equal value over the cells: at powers of ten on logarithmic colours, which the picture says.
    attrs : mapping, optional
        Global attributes of the dataset, for the note.

    Returns
    -------
    holoviews.Rectangles, with contours holoviews.Overlay, of a large array holoviews.DynamicMap
        NaN, and zeros on logarithmic colours, show the grey background. More than 60,000 cells are joined to means in
        each view, as in :func:`spectrogram`.

    Raises
    ------
    WrongData
        If the array is empty, not numeric or has other dims, or a logarithmic axis has coordinates that
        aren't positive.
    BadOption
        If equal scales are asked for logarithmic axes, or ``clim`` or ``joined`` is none of these.

    Examples
    --------
    >>> flux = xr.DataArray([[1.0, 2.0]], {"energy": [10.0], "angle": [30.0, 60.0]}, ["energy", "angle"])
    >>> len(heatmap(flux, x="angle", y="energy"))
    2
    """
    hv, joined = loaded(), checked_joined(joined)
    numeric(array, dims=2)
    if {x, y} != set(array.dims):
        raise WrongData(f"{array.name or 'array'} has dims {array.dims}, not x={x!r} and y={y!r}")
    if equal and (logx or logy):
        raise BadOption("equal=True needs linear axes: leave logx and logy out")
    array = array.transpose(x, y)
    large = array.size > MOST_CELLS
    if large:
        places_x = along(array, x).values  # NaN come last, and have no place
        array = array.isel({x: np.argsort(places_x, kind="stable")[: places_x.size - np.isnan(places_x).sum()]})
    left, right = cell_edges(array, x, log=logx)
    bottom, top = cell_edges(array, y, log=logy)
    axes = (along(array, x), along(array, y), array)
    if left.ndim != 1 or bottom.ndim != 1:
        raise WrongData(f"{x} and {y} need coordinates of one dim each")
    options: dict[str, Any] = {"frame_width": 420, "frame_height": 300}
    if equal:
        (low_x, high_x), (low_y, high_y) = ((np.nanmin(a), np.nanmax(b)) for a, b in ((left, right), (bottom, top)))
        side = 420 / max(high_x - low_x, high_y - low_y)
        options = {"frame_width": round((high_x - low_x) * side), "frame_height": round((high_y - low_y) * side)}
        options |= {"default_tools": ["pan", "wheel_zoom", "reset", "save"], "aspect": "equal"}
    options |= {"logx": logx, "ylabel": axis_label(axes[1], fold=44), "active_tools": ["wheel_zoom"]}
    known, nothing = merged(array, attrs), message(f"{array.name or 'the array'} holds no value (all NaN)", array)
    if large:
        made = mesh(array, left, right, (bottom, top), logx=logx, logy=logy)
        if not np.isfinite(made.levels.lowest):
            return note(nothing, known)
        picture = moving(made, axes, clim=clim, logz=logz, options=options, attrs=known, remarks=[], joined=joined)
        whole = visible(made, (made.left[0], made.reach[-1]), columns=200, rows=200)
        values, places = whole.values, [(whole.left + whole.right) / 2, (whole.bottom + whole.top) / 2]
    else:
        values, places = values_of(array), [axes[0].values, axes[1].values]
        if not np.isfinite(values).any():
            return note(nothing, known)
        edges, scale = (left[:, None], bottom, right[:, None], top), scale_of(values, clim, logz=logz)
        picture = pictured(edges, values, axes, scale=scale, logy=logy).opts(backend="bokeh", **options)
    if not contours:
        return picture if large else note(picture, known)
    scale = scale_of(values, clim, logz=logz)
    dims = [dimension(axis) for axis in axes[:2]]
    lines, remark = contour_lines(
        places[0], places[1], values, clim=scale["clim"], log=scale["cnorm"] == "log", dims=dims
    )
    if large:
        return picture * note(lines, known, remark=remark)
    return note(hv.Overlay([picture, lines]).opts(hv.opts.Rectangles(**options, backend="bokeh")), known, remark=remark)

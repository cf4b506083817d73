"""HEALPix maps on the sky, seen from inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.panels.loading import loaded
from analysis.panels.notes import TITLE_CHARACTER, note
from analysis.panels.projections import (
    HOVER_CODE,
    WINDOWS,
    grid_lines,
    outlines,
    plane_of,
    sky_of,
)
from analysis.panels.style import (
    DIVERGING,
    FONTS,
    SEQUENTIAL,
    colour_limits,
    dimension,
    has_both_signs,
    left_border,
    merged,
    message,
    numeric,
    values_of,
)

UNSEEN = "#a9a9a9"


def sky_map(
    array: xr.DataArray,
    *,
    projection: str = "mollweide",
    width: int = 700,
    clim: Sequence[float] | None = None,
    cmap: str | None = None,
    graticule: bool = True,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return a HEALPix map as a picture of the sky.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``cells`` with a coordinate ``cell_ids`` (HEALPix NESTED, attrs ``level`` and
        ``indexing_scheme``), of the whole sky or a part; attr ``frame``.
    projection : {"mollweide", "orthographic", "cartesian"}, optional
        Whole sky in an ellipse (equal areas), as two half spheres (centred on longitude 0° and 180°), or
        plate carrée.
    width : int, optional
        Of the sky in screen pixels, 100 to 4000.
    clim : (float, float), optional
        Limits of the colours; by default the 1st and 99.5th percentile of the map, symmetric about zero if
        the map has both signs.
    cmap : str, optional
        A colour map's name; by default one for signed and one for unsigned values, both safe for any colour
        vision.
    graticule : bool, optional
        Meridians each 60° and parallels each 30°, labelled.
    attrs : mapping, optional
        Global attributes of the dataset, for the note (and for ``frame``).

    Returns
    -------
    holoviews.Overlay
        Longitude grows to the left, (0°, 0°) is in the middle. Each pixel of the picture, two of which stand for one
        of the screen up to a width of 1000, has the value of the HEALPix cell that its centre lies in; grey is NaN or
        not covered. Hover shows the direction and the value.

    Raises
    ------
    WrongData
        If dims, ``cell_ids`` or its attrs are missing.
    BadOption
        If the projection is unknown or the width out of range.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(12), dims="cells", attrs={"level": 0, "indexing_scheme": "nested"})
    >>> sky = xr.DataArray(np.arange(12.0), {"cell_ids": ids}, ["cells"], name="t")
    >>> sky_map(sky, width=200)
    :Overlay...
    """
    hv = loaded()
    if not isinstance(projection, str) or projection not in WINDOWS:
        raise BadOption(f"projection={projection!r} is unknown; known are {', '.join(WINDOWS)}")
    if not isinstance(width, int | np.integer) or isinstance(width, bool) or not 100 <= width <= 4000:
        raise BadOption(f"width={width!r} is not a whole number of screen pixels between 100 and 4000")
    level = nested_level(numeric(array, dims=1))
    known = merged(array, attrs)
    values = values_of(array)
    if not np.isfinite(values).any():
        return note(hv.Overlay([message(f"{array.name or 'the map'} holds no value (all NaN)", array)]), known)
    signed = has_both_signs(values)
    half_width, half_height = WINDOWS[projection]
    height = round(width * half_height / half_width)
    finer = max(1, min(FINER, LARGEST // width))
    x, y = (_centres(half, finer * pixels) for half, pixels in ((half_width, width), (half_height, height)))
    lon, lat = sky_of(x[None, :], y[:, None], projection)
    pixels = _looked_up(values, array["cell_ids"].values, level, lon, lat)
    value = dimension(array)
    plane = [hv.Dimension("sky_x", label="x on the plane"), hv.Dimension("sky_y", label="y on the plane")]
    shown = hv.Image((x, y, pixels.astype(np.float32)), plane, value).opts(
        backend="bokeh", cmap=cmap or (DIVERGING if signed else SEQUENTIAL), colorbar=True,
        clabel=value.pprint_label,
        clim=colour_limits(values, clim, log=False, diverging=signed),
        tools=[_hover(value, known, projection)],
        colorbar_opts=COLOUR_BAR, colorbar_position="bottom", frame_width=width, frame_height=height,
        xaxis=None, yaxis=None, xlim=(-half_width, half_width), ylim=(-half_height, half_height),
        show_frame=False,
        active_tools=["wheel_zoom"], fontsize=FONTS, hooks=[sky_borders],
    )  # fmt: skip
    ground = hv.Polygons(outlines(projection), kdims=plane).opts(backend="bokeh", color=UNSEEN, line_alpha=0)
    edge = hv.Path(outlines(projection), kdims=plane).opts(backend="bokeh", color="black", line_width=1)
    drawn = [ground, shown, edge]
    if graticule:
        ink = "black" if signed or cmap is not None else "white"  # on the dark colours of unsigned values
        drawn[2:2] = _graticule(projection, plane, ink)
    title = str(known.get("title", "")).strip() or value.label
    frame = _frame_words(known)
    sky = hv.Overlay(drawn).opts(backend="bokeh", show_legend=False)
    return note(sky, {**known, "title": f"{title}{frame}"}, fold=max(30, int(width / TITLE_CHARACTER)))


FINER = 2  # pixels of the raster for one of the screen, so that cells have no steps where one zooms in
LARGEST = 2000  # pixels across
ABOVE = 62  # screen pixels: a title of two lines and the word SYNTHETIC
COLOUR_BAR = {
    "title_text_font_style": "normal",
    "height": 12,
    "width": 320,
    "location": "center",
    "padding": 2,
}


def sky_borders(plot: Any, element: Any) -> None:
    """HoloViews hook: room above every map, however long its title, so that maps in a row stand at one height."""
    left_border(plot, element)
    if hasattr(plot.state, "min_border_top"):
        plot.state.min_border_top = ABOVE


def nested_level(array: xr.DataArray) -> int:
    """Return the HEALPix level (log2 of nside) that the coordinate of cells states."""
    if array.dims != ("cells",) or "cell_ids" not in array.coords:
        raise WrongData(
            f"{array.name or 'array'} has dims {array.dims} and coordinates {list(map(str, array.coords))}; "
            "a sky map needs the dim cells with the coordinate cell_ids"
        )
    stated = array["cell_ids"].attrs
    if stated.get("indexing_scheme") != "nested" or "level" not in stated:
        raise WrongData(
            f"cell_ids of {array.name or 'array'} state indexing_scheme={stated.get('indexing_scheme')!r} "
            f"and level={stated.get('level')!r}; a sky map needs 'nested' and the level (log2 of nside)"
        )
    level, ids = int(stated["level"]), array["cell_ids"].values
    if not 0 <= level <= 29 or ids.min() < 0 or ids.max() >= 12 * 4**level:
        raise WrongData(
            f"cell_ids run from {ids.min()} to {ids.max()}; level {level} has the cells 0 to {12 * 4**level - 1}"
        )
    return level


def _looked_up(values: np.ndarray, ids: np.ndarray, level: int, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the value of the cell that each direction lies in, NaN where the map has none."""
    from ducc0.healpix import Healpix_Base

    inside = np.isfinite(lon)
    pointing = np.stack([np.radians(90 - lat[inside]), np.radians(lon[inside] % 360)], axis=-1)
    cells = Healpix_Base(2**level, "NESTED").ang2pix(pointing)
    result = np.full(lon.shape, np.nan)
    if ids.size == 12 * 4**level and ids[0] == 0 and (np.diff(ids) == 1).all():
        result[inside] = values[cells]
        return result
    order = np.argsort(ids, kind="stable")
    place = order[np.clip(np.searchsorted(ids[order], cells), 0, ids.size - 1)]
    result[inside] = np.where(ids[place] == cells, values[place], np.nan)
    return result


def _centres(half: float, pixels: int) -> np.ndarray:
    return (np.arange(pixels) + 0.5) * (2 * half / pixels) - half


def _graticule(projection: str, plane: list[Any], ink: str) -> list[Any]:
    """Return the lines and the labels of the graticule."""
    hv = loaded()
    lines = hv.Path(grid_lines(projection), kdims=plane).opts(
        backend="bokeh", color=ink, line_width=0.6, line_alpha=0.45 if ink == "black" else 0.7
    )
    lon = np.array([-120.0, -60.0, 0.0, 60.0, 120.0])
    if projection == "orthographic":
        lon = np.array([-60.0, 0.0, 60.0, 120.0, 180.0, 240.0])
    lat = np.array([-60.0, -30.0, 30.0, 60.0])
    x, y = plane_of(np.r_[lon, np.zeros(4)], np.r_[np.zeros(lon.size), lat], projection)
    words = [f"{v % 360:.0f}°" for v in lon] + [f"{v:+.0f}°".replace("-", "−") for v in lat]
    labels = hv.Labels((x, y, words), plane, "direction").opts(
        backend="bokeh", text_font_size="8pt", text_color="black", background_fill_color="white",
        background_fill_alpha=0.55, text_align="left", text_baseline="bottom",
        xoffset=0.005 * WINDOWS[projection][0],
    )  # fmt: skip
    return [lines, labels]


def _hover(value: Any, known: Mapping[str, Any], projection: str) -> Any:
    """Return a hover tool that shows the direction under the mouse and the map's value."""
    from bokeh.models import CustomJSHover, HoverTool

    direction = CustomJSHover(code=HOVER_CODE[projection])
    frame = str(known.get("frame", "")).strip()
    return HoverTool(
        tooltips=[(f"{frame} lon, lat".strip(), "$x{custom}"), (value.pprint_label, "@image")],
        formatters={"$x": direction},
    )


def _frame_words(known: Mapping[str, Any]) -> str:
    frame = str(known.get("frame", "")).strip()
    return f" ({frame} coordinates)" if frame else ""

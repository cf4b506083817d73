"""A sky to zoom into: each frame looks up the cells under the visible pixels, and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.panels.drapery import drapery
from analysis.panels.loading import loaded
from analysis.panels.notes import TITLE_CHARACTER, note
from analysis.panels.pointings import Pointing, direction_at, pointing_of, window
from analysis.panels.projections import outlines
from analysis.panels.pyramids import HeldSky, Pyramid, held_sky, sky_pyramid, viewport
from analysis.panels.sky import COLOUR_BAR, UNSEEN, sky_borders
from analysis.panels.sky_hover import hover_tool, tell_of_pixels
from analysis.panels.sky_lines import axis_names, mask_edges, segments, visible_graticule
from analysis.panels.style import (
    DIVERGING,
    FONTS,
    SEQUENTIAL,
    colour_limits,
    dimension,
    has_both_signs,
    merged,
    message,
)
from analysis.panels.turned_pyramids import turned_pyramids

Levels: TypeAlias = xr.DataArray | Sequence[xr.DataArray]
Span: TypeAlias = tuple[float, float]
LINES = ("segments", "drapery")
OUTLINE = (0xD5, 0x5E, 0x00)


def sky_zoom(
    array: xr.DataArray | Sequence[xr.DataArray] | HeldSky,
    *,
    projection: str = "mollweide",
    centre: Sequence[float] = (0.0, 0.0),
    field: float = 60.0,
    polarization: tuple[Levels, Levels] | tuple[Pyramid, Pyramid] | None = None,
    polconv: str | None = None,
    lines: str = "segments",
    magnetic: bool = False,
    width: int = 700,
    clim: Sequence[float] | str | None = None,
    cmap: str | None = None,
    graticule: bool = True,
    axes: tuple[str, np.ndarray] | None = None,
    outline: tuple[xr.DataArray, np.ndarray] | Any = None,
    tapped: Callable[[float, float], None] | None = None,
    part: tuple[Span, Span] | None = None,
    moved: Callable[[tuple[Span, Span]], None] | None = None,
    layers: Sequence[Any] = (),
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return a HEALPix map as a picture of the sky that grows sharper where it is zoomed into.

    Parameters
    ----------
    array : xarray.DataArray, or a sequence of them
        Dim ``cells`` with a coordinate ``cell_ids`` (HEALPix NESTED), of the whole sky or a part; attr ``frame``. A
        sequence is the same map at several resolutions, finest first, of the whole sky: only what is seen is read.
        Or a map with its pyramid (:class:`analysis.panels.pyramids.HeldSky`), which is then not made again.
    projection : {"mollweide", "orthographic", "cartesian", "gnomonic"}, optional
        Whole sky in an ellipse (equal areas), as two half spheres, plate carrée, or the tangent plane.
    centre : (float, float), optional
        Longitude and latitude in degrees of the middle (of the left half sphere).
    field : float, optional
        Degrees across of the tangent plane, up to 150.
    polarization : (Q, U), optional
        Each as ``array``, on the same cells, drawn as headless lines; ``polconv`` says how their angle counts. Or
        their pyramids, with ``polconv``.
    polconv : {"COSMO", "IAU"}, optional
        The attr of Q if left out.
    lines : {"segments", "drapery"}, optional
        Single segments, longer for larger P, or a texture of threads (line integral convolution).
    magnetic : bool, optional
        Lines across the polarization: along the magnetic field, of dust and of synchrotron.
    width : int, optional
        Of the sky in screen pixels, 100 to 4000.
    clim : (float, float) or "visible", optional
        Limits of the colours; by default from percentiles of the map, symmetric about zero if it has both signs;
        "visible": from those of what is visible, anew whenever that changes.
    cmap : str, optional
        A colour map's name.
    graticule : bool, optional
        Labelled meridians and parallels at round angles, finer as one zooms.
    axes : (str, numpy.ndarray), optional
        Name of another frame whose graticule is drawn, and the rotation matrix from it to the frame of the map.
    outline : (xarray.DataArray, numpy.ndarray), optional
        A mask (dim ``cells``) whose edge, where it passes 1/2, is drawn; and the rotation from its frame to the map's.
        Or a HoloViews Pipe of such pairs, or of None: the edge follows it.
    tapped : callable, optional
        Called with longitude (0 to 360) and latitude in degrees when a place of the sky is clicked.
    part : ((float, float), (float, float)), optional
        Ends of x and of y of the part of the plane that is shown first.
    moved : callable, optional
        Called with such ends when the picture was zoomed or panned.
    layers : sequence of HoloViews objects, optional
        On the plane, over the sky.
    attrs : mapping, optional
        Global attributes of the dataset, for the note (and for ``frame``).

    Returns
    -------
    holoviews.DynamicMap
        Longitude grows to the left. Each pixel shows the mean of the cells of about its size that its centre lies
        in, one cell where those are larger; grey is NaN or not covered. It follows zoom and pan where there is a
        kernel.

    Raises
    ------
    WrongData
        If dims, ``cell_ids`` or its attrs are missing, or Q and U state no convention.
    BadOption
        If an option is unknown or out of range.

    Examples
    --------
    >>> ids = xr.DataArray(np.arange(12), dims="cells", attrs={"level": 0, "indexing_scheme": "nested"})
    >>> sky = xr.DataArray(np.arange(12.0), {"cell_ids": ids}, ["cells"], name="t")
    >>> type(sky_zoom(sky, projection="gnomonic", centre=(120, 40), width=200)).__name__
    'DynamicMap'
    """
    hv = loaded()
    pointing = pointing_of(projection, centre, field)
    if not isinstance(width, int | np.integer) or isinstance(width, bool) or not 100 <= width <= 4000:
        raise BadOption(f"width={width!r} is not a whole number of screen pixels between 100 and 4000")
    held = array if isinstance(array, HeldSky) else held_sky(array)
    array, pyramid, sample = held.like, held.pyramid, held.sample
    known = merged(array, attrs)
    if not np.isfinite(sample).any():
        return note(hv.Overlay([message(f"{array.name or 'the map'} holds no value (all NaN)", array)]), known)
    sense = _checked_polconv(polarization, polconv)
    if lines not in LINES:
        raise BadOption(f"lines={lines!r} is unknown; known are {', '.join(LINES)}")
    signed = has_both_signs(sample)
    ink = "black" if signed or cmap is not None else "white"  # on the dark colours of unsigned values
    half_width, half_height = window(pointing)
    height = round(width * half_height / half_width)
    whole = (-half_width, half_width), (-half_height, half_height)
    first = whole if part is None else part
    follows = isinstance(clim, str)
    if follows and clim != "visible":
        raise BadOption(f"clim={clim!r} is neither (low, high) nor 'visible'")
    overall = colour_limits(sample, None if follows else clim, log=False, diverging=signed)  # type: ignore[arg-type]
    value, frame = dimension(array), str(known.get("frame", "")).strip()
    plane = [hv.Dimension("sky_x", label="x on the plane"), hv.Dimension("sky_y", label="y on the plane")]
    options = dict(
        cmap=cmap or (DIVERGING if signed else SEQUENTIAL), colorbar=True, clabel=value.pprint_label,
        clim=overall, tools=[hover_tool(value, frame, pointing, axes)],
        colorbar_opts=COLOUR_BAR, colorbar_position="bottom", frame_width=width, frame_height=height,
        xaxis=None, yaxis=None, xlim=first[0], ylim=first[1], show_frame=False, active_tools=["pan", "wheel_zoom"],
        fontsize=FONTS, hooks=[sky_borders, tell_of_pixels],
    )  # fmt: skip
    stream = hv.streams.RangeXY()

    def pixels(x_range: Any, y_range: Any) -> Any:
        x, y, shown, _ = viewport(pyramid, pointing, *_part(x_range, y_range, first), width=width, height=height)
        here = overall
        if follows and np.isfinite(shown).any():
            here = colour_limits(shown, None, log=False, diverging=signed)
        return hv.Image((x, y, shown), plane, value).opts(backend="bokeh", **options | {"clim": here})

    named_axes = (frame, np.eye(3)) if axes is None else axes

    def grid(x_range: Any, y_range: Any) -> Any:
        part = _part(x_range, y_range, first)
        found, _ = visible_graticule(pointing, *part, frame=named_axes[0], axes=named_axes[1])
        return hv.Path(found, kdims=plane).opts(
            backend="bokeh", color=ink, line_width=0.6, line_alpha=0.45 if ink == "black" else 0.7
        )

    def labels(x_range: Any, y_range: Any) -> Any:
        part = _part(x_range, y_range, first)
        _, marks = visible_graticule(pointing, *part, frame=named_axes[0], axes=named_axes[1])
        return hv.Labels(marks, plane, "direction").opts(
            backend="bokeh", text_font_size="8pt", text_color="black", background_fill_color="white",
            background_fill_alpha=0.55, text_align="left", text_baseline="bottom",
        )  # fmt: skip

    image = hv.DynamicMap(pixels, streams=[stream])
    stream.source = image
    if tapped is not None:

        def tell(x: Any, y: Any) -> None:
            where = direction_at(x, y, pointing) if x is not None and y is not None else None
            if where is not None:
                tapped(*where)

        hv.streams.Tap(source=image).add_subscriber(tell)
    if moved is not None:

        def follow(x_range: Any, y_range: Any) -> None:
            moved(_part(x_range, y_range, first))

        stream.add_subscriber(follow)
    edges = outlines(projection) if projection != "gnomonic" else [_box(whole)]
    ground = hv.Polygons(edges, kdims=plane).opts(backend="bokeh", color=UNSEEN, line_alpha=0)
    drawn = ground * image
    if polarization is not None:
        drawn = drawn * _polarized(
            polarization, pointing, first, plane, stream, sense, lines, magnetic, (width, height), ink
        )
    if graticule:
        drawn = drawn * hv.DynamicMap(grid, streams=[stream])
    if outline is not None:
        drawn = drawn * _outlined(outline, pointing, first, plane, stream, (width, height))
    if projection != "gnomonic":
        drawn = drawn * hv.Path(edges, kdims=plane).opts(backend="bokeh", color="black", line_width=1)
    if graticule:
        drawn = drawn * hv.DynamicMap(labels, streams=[stream])
    for layer in layers:
        drawn = drawn * layer
    title = str(known.get("title", "")).strip() or value.label
    named = f" ({frame} {', '.join(axis_names(frame))})" if frame else ""
    if graticule and axes is not None:
        named += f", graticule: {axes[0]} {', '.join(axis_names(axes[0]))}"
    told = {**known, "title": f"{title}{named}"}
    remark = "A pixel that holds several cells shows their mean."
    if polarization is not None:
        remark += _told(lines, magnetic, sense)
    return note(drawn, told, remark=remark, fold=max(30, int(width / TITLE_CHARACTER)))


def _finest(array: Levels) -> xr.DataArray:
    first = array if isinstance(array, xr.DataArray) else next(iter(array), None)
    if not isinstance(first, xr.DataArray):
        raise BadOption("polarization takes two DataArrays of dim cells: (q, u)")
    return first


def _told(lines: str, magnetic: bool, sense: str) -> str:
    what = {"segments": "Segments lie", "drapery": "Threads lie"}[lines]
    how = "longer for larger P" if lines == "segments" else "fainter below the median of P"
    where = "across the polarization, along the magnetic field" if magnetic else "along the polarization"
    return f" {what} {where} ({sense} Q and U), {how}."


def _polarized(
    polarization: tuple[Levels, Levels] | tuple[Pyramid, Pyramid],
    pointing: Pointing,
    first: Any,
    plane: list[Any],
    stream: Any,
    sense: str,
    lines: str,
    magnetic: bool,
    size: tuple[int, int],
    ink: str,
) -> Any:
    """Segments or drapery that follow the view."""
    hv = loaded()
    q, u = polarization
    held: tuple[Pyramid, Pyramid]
    if isinstance(q, Pyramid) and isinstance(u, Pyramid):
        held = q, u
    elif isinstance(q, xr.DataArray) and isinstance(u, xr.DataArray):
        held = turned_pyramids(q, u, polconv=sense)
    else:  # on disk each coarser map was made with Q and U carried along
        held = held_sky(q).pyramid, held_sky(u).pyramid  # type: ignore[arg-type]  # both are levels here

    def sticks(x_range: Any, y_range: Any) -> Any:
        part = _part(x_range, y_range, first)
        found = segments(*held, pointing, *part, polconv=sense, magnetic=magnetic)
        return hv.Segments(found, [*plane, "sky_x_end", "sky_y_end"]).opts(backend="bokeh", color=ink, line_width=1.3)

    def threads(x_range: Any, y_range: Any) -> Any:
        part = _part(x_range, y_range, first)
        x, y, drawn = drapery(*held, pointing, *part, width=size[0], height=size[1], polconv=sense, magnetic=magnetic)
        return _coloured(x, y, drawn, plane)

    return hv.DynamicMap(sticks if lines == "segments" else threads, streams=[stream])


def _outlined(
    outline: tuple[xr.DataArray, np.ndarray] | Any,
    pointing: Pointing,
    first: Any,
    plane: list[Any],
    stream: Any,
    size: tuple[int, int],
) -> Any:
    """The edge of a mask, which follows the view."""
    hv = loaded()
    pipe = outline if isinstance(outline, hv.streams.Pipe) else hv.streams.Pipe(data=outline)
    newest: list[Any] = [None, None]  # a mask, and its pyramid

    def edges(x_range: Any, y_range: Any, data: Any) -> Any:
        part = _part(x_range, y_range, first)
        if data is None:
            return _coloured(np.array(part[0]), np.array(part[1]), np.zeros((2, 2, 4), np.uint8), plane)
        if newest[0] is not data[0]:
            newest[:] = data[0], sky_pyramid(data[0])
        x, y, found = mask_edges(newest[1], pointing, *part, width=size[0], height=size[1], axes=data[1])
        return _coloured(x, y, found[..., None] * np.array([*OUTLINE, 255], np.uint8), plane)

    return hv.DynamicMap(edges, streams=[stream, pipe])


def _coloured(x: np.ndarray, y: np.ndarray, rgba: np.ndarray, plane: list[Any]) -> Any:
    hv = loaded()
    layers = [hv.Dimension(name, range=(0, 255)) for name in "RGBA"]
    return hv.RGB((x, y, *np.moveaxis(rgba, -1, 0)), plane, layers).opts(backend="bokeh")


def _checked_polconv(polarization: tuple[Any, Any] | None, polconv: str | None) -> str:
    if polarization is not None and all(isinstance(stokes, Pyramid) for stokes in polarization):
        if polconv not in ("COSMO", "IAU"):
            raise WrongData(f"pyramids of Q and U need polconv='COSMO' or 'IAU', not {polconv!r}")
        return polconv
    if polarization is None:
        if polconv is not None:
            raise BadOption("polconv is that of Q and U; give them with polarization=(q, u)")
        return ""
    given = [_finest(stokes) for stokes in polarization]
    if len(given) != 2:
        raise BadOption("polarization takes two DataArrays of dim cells: (q, u)")
    stated = {str(stokes.attrs.get("polconv", "")) for stokes in given} - {""}
    if polconv is not None:
        stated |= {polconv}
    if len(stated) != 1 or not stated <= {"COSMO", "IAU"}:
        told = ", ".join(sorted(stated)) or "no convention"
        raise WrongData(f"Q and U state {told}; segments need one polconv, 'COSMO' or 'IAU'")
    one, other = (stokes["cell_ids"] for stokes in given)
    stored = not all(isinstance(stokes, xr.DataArray) for stokes in polarization)  # whole skies: no need to read them
    if stored and one.attrs.get("level") == other.attrs.get("level"):
        return stated.pop()
    if one.attrs.get("level") != other.attrs.get("level") or not np.array_equal(one.values, other.values):
        raise WrongData("Q and U are not on the same cells")
    return stated.pop()


def _part(x_range: Any, y_range: Any, whole: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """The part of the plane that is visible; all of it before anything was zoomed."""
    made = []
    for given, all_of_it in zip((x_range, y_range), whole, strict=True):
        held = given if given is not None and None not in given else all_of_it
        low, high = float(min(held)), float(max(held))
        made.append((low, high) if high > low else all_of_it)
    return made[0], made[1]


def _box(whole: Any) -> np.ndarray:
    (left, right), (low, high) = whole
    return 3 * np.array([[left, low], [right, low], [right, high], [left, high], [left, low]])

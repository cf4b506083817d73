"""Skies to zoom into: a Stokes parameter, P, E or B, with the directions of polarization; and pages about them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.cmb.bands import noise_levels
from analysis.cmb.filtering import eb_maps
from analysis.cmb.maps import FACTS, nside_of, sky_array
from analysis.cmb.masks import Mask, mask_array, observed_mask
from analysis.cmb.pyramid_stores import sky_levels
from analysis.cmb.rotation import FRAMES
from analysis.cmb.stokes import polarized_intensity
from analysis.cmb.temperatures import SCALES, in_temperature_scale
from analysis.errors import BadOption, UnknownVariable, WrongData, WrongFrame
from analysis.model import in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINES = ("segments", "drapery")
MADE = {"P": "polarized_intensity", "E": "e_modes", "B": "b_modes"}


def sky_view(
    sky: xr.Dataset | xr.DataArray | xr.DataTree | str | os.PathLike[str],
    *,
    stokes: str = "I",
    projection: str = "mollweide",
    centre: Sequence[float] = (0.0, 0.0),
    field: float = 60.0,
    polarization: bool = False,
    lines: str | None = None,
    magnetic: bool = False,
    outline: Mask | None = None,
    width: int = 700,
    clim: tuple[float, float] | None = None,
    cmap: str | None = None,
    graticule: bool | str = True,
    tapped: Callable[[float, float], None] | None = None,
) -> Any:
    """Return a map as a sky that one zooms into, in any projection, with the directions of polarization over it.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map of one band, dims ``stokes, cells`` (and others of length 1), nside up to 8192, of the whole sky or a
        part. Or a pyramid, opened or its path (:func:`open_pyramid`), of I, Q, U: each picture reads the chunks that
        it shows.
    stokes : {"I", "Q", "U", "P", "E", "B"}, optional
        What the colours show: P is :func:`polarized_intensity`; E and B are those of :func:`eb_maps` (their
        ``lmax`` is 2 nside; where the sky is cut, E leaks into B near the edge).
    projection : {"mollweide", "orthographic", "cartesian", "gnomonic"}, optional
        Ellipse of equal areas, two half spheres, plate carrée, tangent plane.
    centre : (float, float), optional
        Longitude and latitude in degrees, in the frame of the map, of the middle of the picture.
    field : float, optional
        Degrees across of the tangent plane, up to 150.
    polarization : bool, optional
        Draw headless segments along the polarization, from Q and U in the map's own ``polconv``.
    lines : {"segments", "drapery"}, optional
        How to draw the polarization: as segments, or as a texture of threads (line integral convolution).
    magnetic : bool, optional
        Turn the lines by 90°, along the magnetic field on the plane of the sky, of dust and of synchrotron.
    outline : xarray.DataArray or xarray.Dataset, optional
        A mask, in any known frame and nside, whose edge (where the weights pass 1/2) is drawn.
    width : int, optional
        Of the sky in screen pixels.
    clim : (float, float), optional
        Ends of the colour scale; about zero if the map has both signs.
    cmap : str, optional
        A colour map's name.
    graticule : bool or {"galactic", "icrs", "ecliptic"}, optional
        Labelled meridians and parallels, of the map's frame or of another; "equatorial" is icrs, ecliptic of J2000.
    tapped : callable, optional
        Called with longitude (0 to 360) and latitude in degrees when a place of the sky is clicked.

    Returns
    -------
    holoviews.DynamicMap
        Longitude grows to the left. Zoomed out, a pixel is the mean of cells about its size.

    Raises
    ------
    WrongData
        If it is no map of one band.
    UnknownVariable
        If the map lacks what is asked for.
    BadOption
        If an option is unknown or out of range.
    WrongFrame
        If Q or U is needed and the map states no ``polconv``; or another frame's graticule, or a mask, and the map or
        the mask states no frame.

    References
    ----------
    Cabral & Leedom 1993, SIGGRAPH '93, 263, doi:10.1145/166117.166151 (drapery).

    Examples
    --------
    >>> from analysis import cmb
    >>> picture = sky_view(cmb.fetch("wmap7_w_iqu"), stokes="P", projection="gnomonic", centre=(185, -6), field=20)
    >>> type(picture).__name__
    'DynamicMap'
    """
    from analysis import panels

    if lines is not None and lines not in LINES:
        raise BadOption(f"lines={lines!r} is unknown; known are {', '.join(LINES)}")
    if magnetic and not (polarization or lines):
        raise BadOption("magnetic=True turns the lines of polarization; say which: lines='segments' or 'drapery'")
    if isinstance(sky, xr.DataTree | str | os.PathLike):
        levels = sky_levels(sky)
        array = sky = levels[0]
        planes = [_held_plane(level, stokes) for level in levels]
        shown: Any = planes[0]
        drawn: Any = planes
        pair: Any = None
        if polarization or lines:
            pair = tuple([_held_plane(level, label) for level in levels] for label in "QU")
    else:
        array = one_band(sky)
        drawn = shown = plane_of_map(array, sky, stokes)
        pair = None
        if polarization or lines:
            whole = sky_array(array, needs="QU")
            pair = (whole.sel(stokes="Q"), whole.sel(stokes="U"))
    known = dict(sky.attrs) | {name: array.attrs[name] for name in FACTS if name in array.attrs}
    title = str(sky.attrs.get("title", "")).strip()
    known["title"] = f"{_word(stokes)}: {title}" if title else _word(stokes)
    if shown.attrs.get("synthetic"):
        known["synthetic"] = shown.attrs["synthetic"]
    held = known.get("frame")
    edge = None
    if outline is not None:
        mask = mask_array(outline)
        edge = mask.astype(np.float32), frame_rotation(mask.attrs.get("frame"), held)
    axes = None
    if not isinstance(graticule, bool | np.bool_):
        wanted = "icrs" if graticule == "equatorial" else graticule
        axes = str(wanted), frame_rotation(wanted, held, asked=True)
    return panels.sky_zoom(
        drawn, projection=projection, centre=centre, field=field, polarization=pair, lines=lines or "segments",
        magnetic=magnetic, width=width, clim=clim, cmap=cmap, graticule=graticule is not False, axes=axes,
        outline=edge, tapped=tapped, attrs=known,
    )  # fmt: skip


def frame_rotation(start: object, end: object, *, asked: bool = False) -> NDArray:
    """Return the matrix that turns unit vectors of a frame to those of another; ``asked``: start was an option.

    Raises
    ------
    BadOption, WrongFrame
        If either is unknown.

    Examples
    --------
    >>> frame_rotation("galactic", "icrs")[:, 0].round(3).tolist()  # the Galactic centre at 266.4°, −28.9°
    [-0.055, -0.873, -0.484]
    """
    from astropy.coordinates import CartesianRepresentation, SkyCoord

    if asked and (not isinstance(start, str) or start not in FRAMES):
        near = get_close_matches(str(start).lower(), [*FRAMES, "equatorial"], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadOption(f"graticule={start!r} is none of True, False, {', '.join(FRAMES)}{hint}")
    names = [str(frame).strip().lower() for frame in (start, end)]
    if names[0] == names[1]:
        return np.eye(3)
    for name, given in zip(names, (start, end), strict=True):
        if name not in FRAMES:
            raise WrongFrame(
                f"frame={given!r} of the map or the mask is none of {', '.join(FRAMES)}; set attrs['frame']"
            )
    own = SkyCoord(CartesianRepresentation(np.eye(3)), frame=FRAMES[names[0]])
    there = own.transform_to(FRAMES[names[1]]).represent_as("unitspherical").to_cartesian()
    return np.asarray(there.xyz.value)


def _held_plane(level: xr.DataArray, stokes: str) -> xr.DataArray:
    """Return a Stokes parameter that a level of a pyramid holds; P, E and B are of one map."""
    if stokes in MADE:
        name = f"nside_{nside_of(level)}"
        raise UnknownVariable(
            f"a pyramid holds I, Q and U; {stokes} is made of one map: sky_view(tree[{name!r}].to_dataset(), …)"
        )
    return plane_of_map(level, level, stokes)


def one_band(sky: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return the array of a map with its Dataset's facts; refused if it has several bands or realizations.

    Raises
    ------
    WrongData
        If it is no map, or has dims besides ``stokes`` and ``cells``.

    Examples
    --------
    >>> one_band(xr.DataArray(np.ones((2, 1, 12)), dims=("frequency", "stokes", "cells"), name="sky"))
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: the map has the dim frequency besides stokes and cells; choose one: sky.isel(frequency=0)
    """
    if not isinstance(sky, xr.Dataset | xr.DataArray):
        raise WrongData(f"a sky is a Dataset with the variable sky, or a DataArray; not a {type(sky).__name__}")
    if isinstance(sky, xr.Dataset) and "sky" not in sky.data_vars:
        raise WrongData(f"the Dataset has no variable sky; it has {', '.join(map(str, sky.data_vars)) or 'none'}")
    array = sky["sky"] if isinstance(sky, xr.Dataset) else sky
    array = array.squeeze([dim for dim in array.dims if dim not in ("stokes", "cells") and array.sizes[dim] == 1])
    if extra := [str(dim) for dim in array.dims if dim not in ("stokes", "cells")]:
        chosen = ", ".join(f"{dim}=0" for dim in extra)
        word = "dim" if len(extra) == 1 else "dims"
        raise WrongData(
            f"the map has the {word} {', '.join(extra)} besides stokes and cells; choose one: sky.isel({chosen})"
        )
    if set(array.dims) != {"stokes", "cells"} or "stokes" not in array.coords:
        raise WrongData(f"the map has dims {', '.join(map(str, array.dims))}; it needs stokes (with labels) and cells")
    facts = {name: sky.attrs[name] for name in (*FACTS, "synthetic") if name in sky.attrs}
    return array.assign_attrs(facts | array.attrs).transpose("stokes", "cells")


def plane_of_map(array: xr.DataArray, sky: xr.Dataset | xr.DataArray, stokes: str) -> xr.DataArray:
    """Return I, Q, U as held, or P, E or B made of Q and U, on the dim ``cells``.

    Raises
    ------
    BadOption, UnknownVariable
        If there is no such quantity, or the map lacks it.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.fetch("wmap7_w_iqu")
    >>> plane_of_map(one_band(sky), sky, "P").attrs["long_name"]
    'Polarized intensity P (noise bias kept)'
    """
    held = [str(label) for label in array["stokes"].values]
    known = list(dict.fromkeys([*held, "I", "Q", "U", *MADE]))
    if not isinstance(stokes, str) or stokes not in known:
        near = get_close_matches(str(stokes).upper(), known, n=1, cutoff=0.1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadOption(f"stokes={stokes!r} is none of {', '.join(known)}{hint}")
    if stokes in held:
        one = array.sel(stokes=stokes, drop=True)
        return one.rename(f"stokes_{stokes.lower()}").assign_attrs(long_name=stokes_name(stokes, array.attrs))
    if stokes not in MADE or not {"Q", "U"} <= set(held):
        raise UnknownVariable(
            f"the map has Stokes {', '.join(held)}; {stokes} {'is not there' if stokes in 'IQU' else 'needs Q and U'}"
        )
    if stokes == "P":
        return polarized_intensity(array)
    return eb_maps(array, mask=observed_mask(array.sel(stokes=["Q", "U"])))[MADE[stokes]]


def stokes_name(stokes: str, facts: Mapping[str, Any]) -> str:
    """Return what a picture calls a Stokes parameter: with the convention of Q and U, and the scale if it is K_RJ.

    Examples
    --------
    >>> stokes_name("U", {"polconv": "IAU", "temperature_scale": "K_CMB"}), stokes_name("I", {"polconv": "IAU"})
    ('Stokes U, IAU', 'Stokes I')
    """
    told = [facts["polconv"]] if stokes in ("Q", "U") and facts.get("polconv") else []
    told += ["K_RJ"] if facts.get("temperature_scale") == "K_RJ" else []
    return ", ".join([f"Stokes {stokes}", *map(str, told)])


def _word(stokes: str) -> str:
    return {"P": "Polarized intensity", "E": "E modes", "B": "B modes"}.get(stokes, f"Stokes {stokes}")


def band_explorer(
    sky: xr.Dataset | xr.DataArray,
    *,
    stokes: str | None = None,
    projection: str = "mollweide",
    centre: Sequence[float] = (0.0, 0.0),
    field: float = 60.0,
    width: int = 640,
) -> Any:
    """Return a sky of several bands: click a cell and its values over frequency appear under it, in any scale.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        Dims ``frequency, stokes, cells``, with the coordinate ``frequency``.
    stokes : str, optional
        Of the sky; the first that the map has if left out. The spectrum of a cell shows all.
    projection, centre, field, width
        As for :func:`sky_view`.

    Returns
    -------
    panel.Column

    Raises
    ------
    WrongData
        If there is no dim ``frequency``, or it has no values.
    BadOption, UnknownVariable
        As for :func:`sky_view`.

    Examples
    --------
    >>> from analysis import cmb
    >>> bands = xr.concat([cmb.fetch(f"wmap7_{b}_iqu").sky for b in "vw"], xr.DataArray([61.0, 94.0], dims="frequency"))
    >>> type(band_explorer(bands)).__name__
    'Column'
    """
    import panel as pn

    from analysis.errors import AnalysisError
    from analysis.panels.loading import redrawing
    from analysis.panels.pointings import pointing_of

    array = sky["sky"] if isinstance(sky, xr.Dataset) and "sky" in sky.data_vars else sky
    if not isinstance(array, xr.DataArray) or "frequency" not in array.dims or "frequency" not in array.coords:
        raise WrongData("band_explorer needs a map with the dim and coordinate frequency, besides stokes and cells")
    pointing_of(projection, centre, field)
    title = str(sky.attrs.get("title", "Sky map"))
    held = [str(label) for label in array["stokes"].values]
    bands = {f"{float(nu):g} {array['frequency'].attrs.get('units', '')}".strip(): i
             for i, nu in enumerate(array["frequency"].values)}  # fmt: skip
    choice = pn.widgets.Select(label="Band", options=list(bands), width=140)
    quantity = pn.widgets.Select(
        label="Shown", options=list(dict.fromkeys([*held, *("PEB" if "Q" in held else "")])), width=100
    )
    if stokes is not None:
        quantity.value = stokes if stokes in quantity.options else _refused(stokes, quantity.options)
    own = (dict(sky.attrs) | array.attrs).get("temperature_scale")
    scale = (
        pn.widgets.Select(label="Spectrum in", options=list(SCALES), value=own, width=110) if own in SCALES else None
    )
    holder, under = pn.Column(), pn.Column("Click a cell to see its values over the bands.")
    page = pn.Column(pn.Row(*(w for w in (choice, quantity, scale) if w is not None)), pn.Column(holder, under))
    last: list[tuple[float, float]] = []

    def spectrum(lon: float, lat: float) -> None:
        last[:] = [(lon, lat)]
        with redrawing(page):
            try:
                picture = cell_spectrum(sky, lon, lat, scale=None if scale is None else scale.value)
                under.objects = [pn.pane.HoloViews(picture)]
            except AnalysisError as error:  # the page is the only place where its reader can see the reason
                under.objects = [str(error)]

    def draw(_: Any = None) -> None:
        with redrawing(page):
            try:
                band = sky.isel(frequency=bands[choice.value]).assign_attrs(title=f"{title}, band {choice.value}")
                picture = sky_view(
                    band, stokes=quantity.value, projection=projection, centre=centre, field=field, width=width,
                    tapped=spectrum,
                )  # fmt: skip
                holder.objects = [pn.pane.HoloViews(picture)]
            except AnalysisError as error:
                holder.objects = [str(error)]

    if scale is not None:
        scale.param.watch(lambda _: spectrum(*last[0]) if last else None, "value")
    choice.param.watch(draw, "value")
    quantity.param.watch(draw, "value")
    draw()
    return page


def _refused(stokes: str, known: Sequence[str]) -> str:
    raise BadOption(f"stokes={stokes!r} is none of {', '.join(known)}")


def cell_spectrum(sky: xr.Dataset | xr.DataArray, lon: float, lat: float, *, scale: str | None = None) -> Any:
    """Return the picture of a map's Stokes parameters over frequency in the cell of a direction, in degrees.

    In the scale of the map, or in ``scale``, K_CMB, K_RJ or intensity; with the noise of the cell as error bars if
    the Dataset holds ``depth``. The numbers are those of :func:`pixel_sed`, which takes whole skies only.

    Raises
    ------
    WrongData
        If it is no map of several bands, or does not cover that cell.

    Examples
    --------
    >>> from analysis import cmb
    >>> bands = xr.concat([cmb.fetch(f"wmap7_{b}_iqu").sky for b in "vw"], xr.DataArray([61.0, 94.0], dims="frequency"))
    >>> type(cell_spectrum(bands, 184.6, -5.8)).__name__
    'Layout'
    """
    import holoviews as hv
    from ducc0.healpix import Healpix_Base

    from analysis import panels

    array = sky["sky"] if isinstance(sky, xr.Dataset) else sky
    if not isinstance(array, xr.DataArray) or not {"frequency", "stokes", "cells"} <= set(array.dims):
        raise WrongData("the spectrum of a cell needs a map with the dims frequency, stokes, cells")
    nside = nside_of(array)
    cell = int(Healpix_Base(nside, "NEST").ang2pix(np.radians([[90 - lat, lon % 360]]))[0])
    place = np.flatnonzero(np.asarray(array["cell_ids"].values) == cell)
    if place.size != 1:
        raise WrongData(
            f"the map does not cover the cell {cell} (nside {nside}) at longitude {lon:.3f}°, latitude {lat:.3f}°"
        )
    row = array.isel(cells=int(place[0])).drop_vars("cell_ids")
    frequency = row["frequency"]
    row = row.assign_coords(
        frequency=frequency.assign_attrs({"long_name": "Band centre", "units": "GHz"} | frequency.attrs)
    )
    where = f"{lon:.2f}°, {lat:+.2f}°".replace("-", "−")
    known = dict(sky.attrs) if isinstance(sky, xr.Dataset) else dict(array.attrs)
    row = row.assign_attrs({name: known[name] for name in FACTS if name in known} | row.attrs)
    errors = _cell_noise(sky, array, row) if isinstance(sky, xr.Dataset) and "depth" in sky.data_vars else None
    if scale is not None:
        row = in_temperature_scale(row, scale)
        errors = None if errors is None else in_units(in_temperature_scale(errors, scale), str(row.attrs["units"]))
    centres = np.asarray(frequency.values, dtype=float)
    wide = bool(centres.min() > 0 and centres.max() / centres.min() >= 4)  # a logarithmic axis with two ticks
    drawn = []
    for label in map(str, row["stokes"].values):
        one = row.sel(stokes=label, drop=True).rename(f"stokes_{label.lower()}")
        one = one.assign_attrs(long_name=stokes_name(label, row.attrs))
        told = known | {"title": f"Stokes {label} in cell {cell} at {where}"}
        spread = None if errors is None else errors.sel(stokes=label, drop=True)
        drawn.append(panels.points(one, x="frequency", error=spread, logx=wide, attrs=told))
    return hv.Layout(drawn).cols(1).opts(shared_axes=False, backend="bokeh")


def _cell_noise(sky: xr.Dataset, array: xr.DataArray, row: xr.DataArray) -> xr.DataArray | None:
    """The standard deviation of a cell's noise in the bands, in uK of K_CMB, as ``depth`` is."""
    if row.attrs.get("temperature_scale") != "K_CMB":
        return None
    levels = noise_levels(array, None, sky)  # (stokes, frequency)
    like = row.transpose("frequency", "stokes")
    return like.copy(data=levels.T).assign_attrs(units="uK")

"""Skies to zoom into: a Stokes parameter, P, E or B, with the directions of polarization."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.cmb.filtering import eb_maps
from analysis.cmb.maps import FACTS, nside_of, sky_array
from analysis.cmb.maps_on_disk import for_pictures
from analysis.cmb.masks import Mask, mask_array, observed_mask
from analysis.cmb.pyramid_stores import sky_levels
from analysis.cmb.rotation import FRAMES
from analysis.cmb.stokes import polarized_intensity
from analysis.errors import BadOption, UnknownVariable, WrongData, WrongFrame
from analysis.model import near

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINES = ("segments", "drapery")
FINEST_MODES = 256  # nside of the level of a pyramid that E and B are made of in a moment
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
    clim: tuple[float, float] | str | None = None,
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
        What the colours show: P is :func:`polarized_intensity`, of a pyramid that of the mean Q and U of the cells
        shown; E and B are those of :func:`eb_maps` (their ``lmax`` is 2 nside; where the sky is cut, E leaks into B
        near the edge), not of a pyramid.
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
    clim : (float, float) or "visible", optional
        Ends of the colour scale; about zero if the map has both signs. "visible": from what is visible, anew at each
        zoom.
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
        raise BadOption(f"lines={lines!r} is unknown; known are {', '.join(LINES)}{near(lines, LINES)}")
    if magnetic and not (polarization or lines):
        raise BadOption("magnetic=True turns the lines of polarization; say which: lines='segments' or 'drapery'")
    if isinstance(sky, xr.DataTree | str | os.PathLike):
        levels = sky_levels(sky)
        array = sky = levels[0]
        drawn: Any = _held_plane(levels, stokes)
        shown: Any = drawn.like
        pair: Any = None
        if polarization or lines:
            pair = tuple([plane_of_map(level, level, label) for level in levels] for label in "QU")
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
        hint = near(start, [*FRAMES, "equatorial"])
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


def _held_plane(levels: Sequence[xr.DataArray], stokes: str) -> Any:
    """Return a Stokes parameter, or P, of a pyramid; E and B need coefficients of one map that is in memory."""
    from analysis.cmb.sky_bands import held_levels

    if stokes in ("E", "B"):
        name = next((f"nside_{n}" for n in map(nside_of, levels) if n <= FINEST_MODES), f"nside_{nside_of(levels[-1])}")
        raise UnknownVariable(
            f"a pyramid holds I, Q and U; {stokes} is made of one map in memory: "
            f"sky_view(open_pyramid(path)[{name!r}].to_dataset(), stokes={stokes!r}); explore(path) shows it, too"
        )
    return held_levels(levels, stokes)


def one_band(sky: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return the array of a map with its Dataset's facts; refused if it has several bands or realizations.

    Raises
    ------
    WrongData
        If it is no map, has dims besides ``stokes`` and ``cells``, or is lazy and of more than 2 GiB.

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
    return for_pictures(array.assign_attrs(facts | array.attrs).transpose("stokes", "cells"))


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
        raise BadOption(f"stokes={stokes!r} is none of {', '.join(known)}{near(stokes, known)}")
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

"""Bands of what is explored: a map, maps of several bands, a pyramid on disk, a file; and their planes, held once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from analysis.cmb.maps import degraded, nside_of
from analysis.cmb.maps_on_disk import LARGEST_READ
from analysis.cmb.pyramid_stores import sky_levels, stored_pyramid
from analysis.cmb.sky_views import one_band, plane_of_map
from analysis.cmb.stokes import SENSE
from analysis.errors import WrongData, WrongFrame

if TYPE_CHECKING:
    from analysis.panels.pyramids import HeldSky, Pyramid

Explored: TypeAlias = xr.Dataset | xr.DataArray | xr.DataTree | str | os.PathLike[str]
HARMONIC = 256  # nside of the map of which E and B are made
ANGLE = "angle"
LEVEL = "nside_"  # what the nodes of a pyramid are called


@dataclass(frozen=True, eq=False)
class Band:
    """One map: ``array`` over ``stokes, cells`` with its facts; ``levels`` if it is a pyramid, finest first."""

    name: str
    array: xr.DataArray
    levels: tuple[xr.DataArray, ...] = ()


def opened(sky: Explored) -> Explored:
    """Return the map, or tree, that a path leads to; anything else as it is.

    Raises
    ------
    WrongData
        If a tree holds no map, or several.

    Examples
    --------
    >>> from analysis import cmb
    >>> opened(cmb.collect("wmap7_w_iqu", "wmap7_mask")).sky.sizes["stokes"]
    3
    """
    if isinstance(sky, str | os.PathLike):
        path = Path(sky).expanduser()
        if path.suffix == ".zarr" or path.is_dir():
            return stored_pyramid(path)
        from analysis import formats

        if path.is_file() and path.stat().st_size > LARGEST_READ:
            raise WrongData(
                f"{path} has {path.stat().st_size / 1e9:.1f} GB; write it as a pyramid once, of which only what is "
                "seen is read: store = cmb.write_pyramid(path, 'map.zarr'), then explore(store)"
            )
        sky = formats.read(path)
    if isinstance(sky, xr.DataTree) and not any(str(name).startswith(LEVEL) for name in sky.children):
        return _only_map(sky)
    return sky


def _only_map(tree: xr.DataTree) -> xr.Dataset:
    maps = {node.path.strip("/"): node for node in tree.subtree if "sky" in node.data_vars}
    if len(maps) != 1:
        names = ", ".join(maps) or "none"
        example = f": explore(tree[{next(iter(maps))!r}])" if maps else ""
        raise WrongData(f"explore takes one map, and the maps of this tree are {names}; choose one{example}")
    return next(iter(maps.values())).to_dataset(inherit=False)


def bands_of(sky: Explored) -> dict[str, Band]:
    """Return the bands of a map by name, of what :func:`opened` gives.

    Raises
    ------
    WrongData
        If it is no map, or has dims besides ``frequency, stokes, cells``.

    Examples
    --------
    >>> from analysis import cmb
    >>> both = xr.concat([cmb.fetch(f"wmap7_{b}_iqu").sky for b in "vw"], xr.DataArray([61.0, 94.0], dims="frequency"))
    >>> list(bands_of(both))
    ['61 GHz', '94 GHz']
    """
    if isinstance(sky, xr.DataTree):
        levels = tuple(sky_levels(sky))
        return {"": Band("", levels[0], levels)}
    array = sky["sky"] if isinstance(sky, xr.Dataset) and "sky" in sky.data_vars else sky
    if not isinstance(array, xr.DataArray) or array.sizes.get("frequency", 1) < 2:
        return {"": Band("", one_band(sky))}  # type: ignore[arg-type]  # refuses what is no map
    made: dict[str, Band] = {}
    for place in range(array.sizes["frequency"]):
        name = _band_name(array, place)
        name = name if name not in made else f"{name} (band {place})"
        made[name] = Band(name, one_band(sky.isel(frequency=place)))  # type: ignore[union-attr, arg-type]
    return made


def _band_name(array: xr.DataArray, place: int) -> str:
    if "frequency" not in array.coords:
        return f"band {place}"
    value = array["frequency"].values[place]
    if array["frequency"].dtype.kind not in "fiu":
        return str(value)
    return f"{float(value):g} {array['frequency'].attrs.get('units', 'GHz')}"


def quick_map(band: Band, nside: int) -> xr.DataArray | xr.Dataset:
    """Return a band on cells no smaller than those of ``nside``, in memory.

    Examples
    --------
    >>> from analysis import cmb
    >>> quick_map(bands_of(cmb.fetch("wmap7_w_iqu"))[""], 8).sky.sizes["cells"]
    768
    """
    from analysis.panels.stored_cells import read_cells

    held = [level for level in band.levels if nside_of(level) <= nside]
    array = [*held, *band.levels[-1:], band.array][0]  # the coarsest of a pyramid that has none so coarse
    array = array.copy(data=read_cells(array.variable)) if band.levels else array
    return degraded(array, nside) if nside_of(array) > nside else array


def planes(bands: dict[str, Band]) -> tuple[Callable[[str, str], HeldSky], Callable[[str], tuple[Pyramid, Pyramid]]]:
    """Return what gives the pyramid of a band's Stokes parameter, P, angle, E or B; and of its Q and U, carried along.

    The last of each is kept. P is computed where it is seen, so that a fine map is not held twice, of a pyramid on
    disk from its Q and U. E and B are those of the map at most of nside 256.

    Examples
    --------
    >>> from analysis import cmb
    >>> shown, lines = planes(bands_of(cmb.fetch("wmap7_w_iqu")))
    >>> shown("", "P").like.attrs["long_name"], shown("", "P").pyramid.levels[-1]
    ('Polarized intensity P (noise bias kept)', 5)
    """
    from analysis.panels.pyramids import held_sky
    from analysis.panels.turned_pyramids import turned_pyramids

    @lru_cache(maxsize=1)
    def shown(name: str, stokes: str) -> HeldSky:
        band = bands[name]
        if stokes == ANGLE:
            return _angles(band.array, lines(name))
        if stokes in ("E", "B"):
            quick = quick_map(band, HARMONIC)
            return held_sky(plane_of_map(one_band(quick), quick, stokes))
        if band.levels:
            return held_levels(band.levels, stokes)
        if stokes == "P" and band.array.sizes["cells"] == 12 * nside_of(band.array) ** 2:
            return _intensity(band.array)
        return held_sky(plane_of_map(band.array, band.array, stokes))

    @lru_cache(maxsize=1)
    def lines(name: str) -> tuple[Pyramid, Pyramid]:
        band = bands[name]
        sense = band.array.attrs.get("polconv")
        if sense not in ("COSMO", "IAU"):
            raise WrongFrame(f"the map says polconv={sense!r}; lines need attrs['polconv'], 'COSMO' or 'IAU'")
        if band.levels:
            pair = [held_sky([plane_of_map(level, level, label) for level in band.levels]) for label in "QU"]
            return pair[0].pyramid, pair[1].pyramid
        return turned_pyramids(*(plane_of_map(band.array, band.array, label) for label in "QU"), polconv=sense)

    return shown, lines


def held_levels(levels: Sequence[xr.DataArray], stokes: str) -> HeldSky:
    """Return a Stokes parameter, or P, of a pyramid on disk, of which chunks are read where they are seen.

    P is that of the mean Q and U of the cells shown: zoomed out, less than the mean of the P of all the map's cells.

    Examples
    --------
    >>> from analysis import cmb
    >>> levels = sky_levels(cmb.pyramid(cmb.fetch("wmap7_w_iqu")))
    >>> held_levels(levels, "P").like.attrs["long_name"]
    'Polarized intensity P of mean Q and U (noise bias kept)'
    """
    from analysis.panels.pyramids import derived_sky, held_sky

    if stokes != "P":
        return held_sky([plane_of_map(level, level, stokes) for level in levels])
    pair = [held_levels(levels, label) for label in "QU"]
    like = pair[0].like.rename("polarized_intensity")
    return derived_sky(
        like.assign_attrs(long_name="Polarized intensity P of mean Q and U (noise bias kept)"), pair, np.hypot
    )


def _angles(array: xr.DataArray, pair: tuple[Pyramid, Pyramid]) -> HeldSky:
    """The angle of mean Q and U, in the convention of the map."""
    from analysis.panels.pyramids import HeldSky, derived_sky

    sense = str(array.attrs["polconv"])
    like = plane_of_map(array, array, "Q").rename("polarization_angle")
    like = like.assign_attrs(units="deg", long_name=f"Polarization angle, {sense}, {SENSE[sense]}")
    sample = np.ones(1)  # its colours are those of all angles
    return derived_sky(like, [HeldSky(like, one, sample) for one in pair], angle_of)


def angle_of(q: Any, u: Any) -> Any:
    """Return half of atan2(U, Q) in degrees, 0 up to 180; NaN where nothing is polarized.

    Examples
    --------
    >>> angle_of(np.array([0.0, -1.0, 0.0, 0.0]), np.array([1.0, 0.0, -1.0, 0.0]))
    array([ 45.,  90., 135.,  nan])
    """
    return np.where(np.hypot(q, u) > 0, np.degrees(np.arctan2(u, q)) / 2 % 180, np.nan)


def _intensity(array: xr.DataArray) -> HeldSky:
    """P of a whole sky, chunk by chunk."""
    from analysis.panels.pyramids import SAMPLED, HeldSky, computed_pyramid, held_sky, increasing

    q, u = (plane_of_map(array, array, label) for label in "QU")
    if not increasing(np.asarray(array["cell_ids"].values)):
        return held_sky(plane_of_map(array, array, "P"))

    def power(part: slice) -> Any:
        return np.hypot(q.values[part], u.values[part])

    pyramid = computed_pyramid(nside_of(array).bit_length() - 1, power)
    like = q.rename("polarized_intensity").assign_attrs(long_name="Polarized intensity P (noise bias kept)")
    sample = np.asarray(power(slice(None, None, max(1, q.size // SAMPLED))), dtype=float)
    if not np.isfinite(sample).any():  # a small field between cells that are not there
        seen = np.flatnonzero(np.isfinite(q.values))[:SAMPLED]
        sample = np.hypot(q.values[seen], u.values[seen]).astype(float)
    return HeldSky(like, pyramid, np.where(np.isfinite(sample), sample, np.nan))

"""Masks of point sources and of thresholds, and the algebra of masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.maps import cell_ids, checked_nside, measured, sky_array
from analysis.cmb.masks import Mask, alike, mask_array, mask_name, named_mask
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.rotation import FRAMES
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption, WrongData
from analysis.model import in_units

if TYPE_CHECKING:
    import pandas as pd
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

    Positions: TypeAlias = SkyCoord | xr.Dataset | pd.DataFrame | tuple

COLUMNS = {
    "icrs": (("ra", "dec"), ("raj2000", "dej2000"), ("ra_icrs", "de_icrs")),
    "galactic": (("glon", "glat"), ("l", "b")),
    "ecliptic": (("elon", "elat"), ("ecl_lon", "ecl_lat")),
}


def source_mask(
    nside: int,
    positions: Positions,
    *,
    radius: Angle | NDArray,
    frame: str = "galactic",
) -> xr.DataArray:
    """Return the mask that leaves out a disc around each of a list of positions.

    Parameters
    ----------
    nside : int
        Power of two.
    positions : SkyCoord, xarray.Dataset, pandas.DataFrame or tuple
        A ``SkyCoord``; a catalogue with columns ra and dec (RAJ2000 and DEJ2000, RA_ICRS and DE_ICRS), glon and glat
        (l and b), or elon and elat, in degrees or in units that they state; or a tuple of longitudes and latitudes
        in degrees, in the frame of the mask.
    radius : angle, or array of degrees
        Of the discs: of all, or one each. A cell is left out if its centre is not farther than that, and so is the
        cell that holds the position.
    frame : {"galactic", "icrs", "ecliptic"}, optional
        Of the mask.

    Returns
    -------
    xarray.DataArray
        ``mask``, bool, dim ``cells``.

    Raises
    ------
    BadOption
        If ``nside``, ``frame`` or a radius is out of range.
    WrongData
        If the positions are none, or not finite.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976.

    Examples
    --------
    >>> from analysis.cmb import sky_fraction
    >>> crab = source_mask(128, ([184.56], [-5.78]), radius="5 deg")
    >>> round(float(1 - sky_fraction(crab)), 4)  # (1 - cos 5°) / 2 is 0.0019
    0.0019
    """
    import ducc0

    nside = checked_nside(nside)
    if not isinstance(frame, str) or frame not in FRAMES:
        raise BadOption(f"frame={frame!r} is unknown; give {', '.join(FRAMES)}")
    longitude, latitude = _directions(positions, frame)
    radii = _radii(radius, longitude.size)
    base = ducc0.healpix.Healpix_Base(nside, "NEST")
    angles = np.stack([np.radians(90 - latitude), np.radians(np.mod(longitude, 360))], axis=1)
    keep = np.ones(12 * nside**2, bool)
    keep[base.ang2pix(angles)] = False
    for centre, size in zip(angles, np.radians(radii), strict=True):
        for first, last in base.query_disc(centre, size):
            keep[first:last] = False
    told = f"{radii.min():g}°" if radii.min() == radii.max() else f"{radii.min():g}° to {radii.max():g}°"
    like = xr.DataArray(keep, dims="cells", coords={"cell_ids": cell_ids(nside)}, attrs={"frame": frame})
    of = positions if isinstance(positions, xr.Dataset) else None
    name = f"Kept: farther than {told} from {longitude.size} positions"
    return named_mask(keep, like, name).assign_attrs(synthetic_attrs(of))


def _radii(radius: Angle | NDArray, count: int) -> NDArray[np.float64]:
    many = np.ndim(radius) == 1 and not isinstance(radius, str)
    if isinstance(radius, xr.DataArray) and many:
        radii = np.asarray(in_units(radius, "deg").values, dtype=float)
    elif many and hasattr(radius, "to_value"):
        radii = np.asarray(radius.to_value("deg"), dtype=float)
    elif many:
        try:
            radii = np.asarray(radius, dtype=float)
        except (TypeError, ValueError) as error:
            raise BadOption(
                f"radius={radius!r} are no numbers of degrees; give those, or [5, 20] * u.arcmin"
            ) from error
    else:
        radii = np.full(count, degrees(radius, "radius"))
    if radii.size != count:
        raise BadOption(f"radius has {radii.size} values for {count} positions; give one, or one each")
    if not ((radii > 0) & (radii < 180)).all():
        raise BadOption("a radius is not above 0 and below 180 degrees; give for example radius='30 arcmin'")
    return radii


def _directions(positions: Positions, frame: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitudes and latitudes (degrees) in a frame."""
    from astropy.coordinates import SkyCoord

    if not isinstance(positions, SkyCoord | tuple):
        positions = _of_catalogue(positions)
    if isinstance(positions, SkyCoord):
        there = positions.transform_to(FRAMES[frame]).spherical
        longitude, latitude = np.ravel(there.lon.deg), np.ravel(there.lat.deg)
    else:
        if len(positions) != 2:
            raise WrongData("positions as a tuple are (longitudes, latitudes) in degrees, in the frame of the mask")
        longitude, latitude = (np.atleast_1d(np.asarray(part, dtype=float)) for part in positions)
    if longitude.shape != latitude.shape or longitude.ndim != 1 or not longitude.size:
        raise WrongData(f"there are {longitude.size} longitudes and {latitude.size} latitudes; give as many of each")
    if not (np.isfinite(longitude) & (np.abs(latitude) <= 90)).all():
        raise WrongData("a position is not finite, or has a latitude beyond ±90°; drop it: catalogue.dropna")
    return longitude, latitude


def _of_catalogue(table: xr.Dataset | pd.DataFrame) -> SkyCoord:
    """Return the positions of a catalogue by the names of its columns."""
    from astropy.coordinates import SkyCoord

    if not hasattr(table, "columns") and not isinstance(table, xr.Dataset):
        raise WrongData(
            f"positions are a {type(table).__name__}; give a SkyCoord, a catalogue or (longitudes, latitudes)"
        )
    names = list(table.variables) if isinstance(table, xr.Dataset) else list(table.columns)
    known = {str(name).lower(): name for name in names}
    for frame, pairs in COLUMNS.items():
        for pair in pairs:
            if set(pair) <= set(known):
                columns = [table[known[name]] for name in pair]
                stated = [c.attrs.get("units") if isinstance(c, xr.DataArray) else None for c in columns]
                values = [
                    in_units(c, "deg").values if unit else np.asarray(c, dtype=float)
                    for c, unit in zip(columns, stated, strict=True)
                ]
                return SkyCoord(*values, unit="deg", frame=FRAMES[frame])
    raise WrongData(
        f"the catalogue has no ra and dec, glon and glat, or elon and elat; it has {', '.join(map(str, names))[:200]}"
    )


def threshold_mask(
    sky: xr.Dataset | xr.DataArray,
    *,
    above: float | str | Quantity | None = None,
    below: float | str | Quantity | None = None,
    fraction: float | None = None,
    stokes: str = "I",
) -> xr.DataArray:
    """Return the mask that leaves out what is above or below a value, or all but the faintest part of the sky.

    Cells that were not observed are left out.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``stokes, cells``, any unit.
    above, below : float, str or astropy.units.Quantity, optional
        Values are left out that are larger than ``above``, or smaller than ``below``: in the units of the map, or
        with their own.
    fraction : float, optional
        Instead: keep this fraction of the observed cells, the faintest ones.
    stokes : {"I", "Q", "U", "P"}, optional
        What is compared; P is the polarized intensity, with its noise bias.

    Returns
    -------
    xarray.DataArray
        ``mask``, bool, dim ``cells``, in the frame of the map.

    Raises
    ------
    BadOption
        If there is no threshold, or a fraction and a threshold, or they are out of range.
    WrongData
        If the map lacks the Stokes parameter, or nothing would be kept.
    MissingUnits
        If the map has no units.

    References
    ----------
    Planck Collaboration 2015 XIII 2016, A&A 594, A13, doi:10.1051/0004-6361/201525830 (masks of the faintest sky).

    Examples
    --------
    >>> from analysis.cmb import fetch
    >>> round(float(threshold_mask(fetch("wmap7_w_iqu"), fraction=0.8).mean()), 3)
    0.8
    """
    array = sky_array(sky, needs={"P": "QU"}.get(stokes, stokes if stokes in ("I", "Q", "U") else ""))
    if stokes not in ("I", "Q", "U", "P"):
        raise BadOption(f"stokes={stokes!r} is unknown; give 'I', 'Q', 'U' or 'P' (polarized intensity)")
    if (fraction is None) == (above is None and below is None):
        raise BadOption("give above= or below= (or both), or fraction= alone, for example above='300 uK'")
    planes = [measured(array.sel(stokes=label)) for label in ("QU" if stokes == "P" else stokes)]
    values = np.hypot(*planes) if stokes == "P" else planes[0]
    units = units_of(array)
    keep, told = ~np.isnan(values), []
    if fraction is not None:
        if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
            raise BadOption(f"fraction={fraction!r} is not between 0 and 1")
        limit = np.quantile(values[keep], fraction) if keep.any() else np.nan
        keep &= values <= limit
        told.append(f"{stokes} among the faintest {100 * fraction:g} %")
    for name, given in (("above", above), ("below", below)):
        if given is not None:
            limit = _in_map_units(given, units, name)
            keep &= values <= limit if name == "above" else values >= limit
            told.append(f"{stokes} {'≤' if name == 'above' else '≥'} {limit:g} {units}")
    if not keep.any():
        raise WrongData(
            f"no cell would be kept: {' and '.join(told)}; the map has {np.nanmin(values):g} to "
            f"{np.nanmax(values):g} {units}"
            if (~np.isnan(values)).any()
            else "no cell was observed"
        )
    return named_mask(keep, array, f"Kept: {' and '.join(told)}").assign_attrs(synthetic_attrs(sky))


def _in_map_units(given: float | str | Quantity, units: str, name: str) -> float:
    import astropy.units as u

    try:
        if isinstance(given, str | u.Quantity):
            quantity = u.Quantity(given)
            plain = quantity.unit == u.dimensionless_unscaled
            value = float(quantity.value if plain else quantity.to_value(u.Unit(units)))
        else:
            value = float(given)
    except (TypeError, ValueError) as error:
        raise BadOption(
            f"{name}={given!r} is no value in {units!r}; give a number, or text with such a unit"
        ) from error
    if not np.isfinite(value):
        raise BadOption(f"{name}={given!r} is not finite")
    return value


def union_mask(*masks: Mask) -> xr.DataArray:
    """Return the mask that keeps a cell as far as any of several does.

    Parameters
    ----------
    *masks : xarray.DataArray or xarray.Dataset
        One or more masks of one nside and frame: bool, or weights from 0 to 1.

    Returns
    -------
    xarray.DataArray
        ``mask``, dim ``cells``; bool if all are, else the largest weight.

    Raises
    ------
    BadOption
        If none is given.
    WrongData, WrongFrame
        If one is no mask, or they differ in nside or frame.

    Examples
    --------
    >>> from analysis.cmb import galactic_mask
    >>> narrow, wide = galactic_mask(4, latitude=10), galactic_mask(4, latitude=40)
    >>> bool((union_mask(narrow, wide) == narrow).all())
    True
    """
    if not masks:
        raise BadOption("union_mask needs at least one mask, for example galactic_mask(32)")
    arrays, like = alike(masks)
    values = arrays[0].values
    for array in arrays[1:]:
        values = np.maximum(values, array.values)
    names = [mask_name(mask).removeprefix("Kept: ") for mask in masks]
    return named_mask(values, like, f"Kept: {' or '.join(names)}").assign_attrs(synthetic_attrs(*arrays))


def inverted_mask(mask: Mask) -> xr.DataArray:
    """Return the mask that keeps what another leaves out: 1 minus its weights.

    Parameters
    ----------
    mask : xarray.DataArray or xarray.Dataset
        bool, or weights from 0 to 1; dim ``cells``.

    Returns
    -------
    xarray.DataArray
        ``mask``, dim ``cells``, of the same kind. Cells that the mask does not have are kept.

    Raises
    ------
    WrongData
        If it is no mask.

    Examples
    --------
    >>> from analysis.cmb import galactic_mask
    >>> plane = inverted_mask(galactic_mask(8, latitude=20))
    >>> plane.attrs["long_name"]
    'Kept: all but (|b| > 20°)'
    """
    array = mask_array(mask)
    values = ~array.values if array.dtype == bool else 1 - array.values
    name = f"Kept: all but ({mask_name(mask).removeprefix('Kept: ')})"
    return named_mask(values, array, name).assign_attrs(synthetic_attrs(array))

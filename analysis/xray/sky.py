"""Where on the sky: positions of events, a region cut out of them, and what a sky map says of a place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from analysis.errors import BadOption, Offline, OutsideCoverage, WrongData
from analysis.model import check, derived, history_with, in_units, labelled
from analysis.xray.inputs import (
    Amount,
    amount,
    as_dataset,
    node,
    synthetic_of,
    variable,
    with_nodes,
    with_region,
    without_area,
)
from analysis.xray.map_values import WAYS, bilinear, inverse_distance

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.wcs import WCS

WCS_KEYS = ("wcs_ctype", "wcs_crpix", "wcs_crval", "wcs_cdelt")
FRAMES = {"": "icrs", "ICRS": "icrs", "FK5": "fk5", "FK4": "fk4"}
WCS_PAPER = "Calabretta & Greisen (2002), A&A 395, 1077, doi:10.1051/0004-6361:20021327"
ARCSEC = np.degrees(1.0) * 3600  # of a radian
REACH = 1.5  # pixels: so far a value stands for a place whose own pixel holds none
TARGET_HELP = "'148.96 69.68' (RA Dec in degrees), '09h55m50s +69d40m47s', a name, or an astropy SkyCoord"


def sky_positions(events: xr.DataTree | xr.Dataset) -> xr.Dataset:
    """Return right ascension and declination of each event.

    Parameters
    ----------
    events : xarray.DataTree or xarray.Dataset
        A tree with the node ``events``, or that node, with ``x``, ``y`` and the sky coordinates of these
        columns (attrs ``wcs_ctype``, ``wcs_crpix``, ``wcs_crval``, ``wcs_cdelt``).

    Returns
    -------
    xarray.Dataset
        ``ra`` and ``dec`` in deg on ``event``; attr ``frame``.

    Raises
    ------
    UnknownVariable
        If the events have no positions.
    WrongData
        If the file does not say how x and y lie on the sky.

    References
    ----------
    Calabretta & Greisen (2002), A&A 395, 1077, doi:10.1051/0004-6361:20021327.

    Examples
    --------
    >>> from analysis import xray
    >>> positions = xray.sky_positions(xray.fetch("m82_acis_events"))
    >>> float(positions.ra.mean().round(1)), float(positions.dec.mean().round(1))
    (149.0, 69.7)
    """
    listed = events_of(events, "sky_positions")
    x, y = (variable(listed, name, "sky_positions").values.astype(float) for name in ("x", "y"))
    ra, dec = wcs_of(listed.attrs, "sky_positions").all_pix2world(x, y, 1)
    made = xr.Dataset(
        {
            "ra": ("event", ra, {"units": "deg", "long_name": "Right ascension"}),
            "dec": ("event", dec, {"units": "deg", "long_name": "Declination"}),
        },
        attrs={"frame": sky_frame_of(listed.attrs)},
    )
    step = "xray.sky_positions: x and y to the sky"
    return check(derived(made, listed, title="Positions of events", step=step, references=[WCS_PAPER]))


def within(events: xr.DataTree, target: str | SkyCoord, radius: Amount) -> xr.DataTree:
    """Return the events within a circle on the sky; the other nodes stay as they are.

    Parameters
    ----------
    events : xarray.DataTree
        With the node ``events`` and the sky coordinates of its ``x`` and ``y``.
    target : str or astropy.coordinates.SkyCoord
        ``"148.96 69.68"`` (ICRS, degrees), ``"09h55m50s +69d40m47s"``, or the name of an object, which is resolved
        over the network once and kept.
    radius : text, astropy Quantity or DataArray
        With its unit: ``"30 arcsec"``.

    Returns
    -------
    xarray.DataTree
        The same tree with fewer events; attr ``region`` and ``history`` of ``events`` say which, ``region_area`` the
        area of the circle, unless the list was cut to a region before.

    Raises
    ------
    BadOption
        If the target cannot be read, or the radius is not positive.
    UnknownTarget, DownloadError
        If the target is a name that nobody knows, or that cannot be asked for.
    MissingUnits
        If the radius is a bare number.
    OutsideCoverage
        If no event lies in the circle; says how far the nearest one is, or that there is none at all.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> core = xray.within(m82, "09h55m50s +69d40m47s", "10 arcsec")
    >>> core["events"].sizes["event"] < m82["events"].sizes["event"]
    True
    """
    listed = node(events, "events", "within")
    place, size = position(target), amount(radius, "deg", "radius")
    if size <= 0:
        raise BadOption(f"radius={radius!r} is not positive")
    where = sky_positions(listed)
    centre = place.transform_to(where.attrs["frame"])
    away = _separation(where["ra"].values, where["dec"].values, float(centre.ra.deg), float(centre.dec.deg))
    kept = away <= size
    region = f"circle({_said(place)}, {size * 60:.6g} arcmin)"
    if not kept.any():
        if not away.size:
            raise OutsideCoverage(f"the event list holds no events, so none lies in {region}")
        if not np.isfinite(away).any():
            raise OutsideCoverage(f"none of the {away.size} events has a position, so none lies in {region}")
        raise OutsideCoverage(
            f"no event lies within {size * 60:.3g} arcmin of {_said(place)}; "
            f"the nearest one is {float(np.nanmin(away)) * 60:.4g} arcmin away"
        )
    cut = listed.isel(event=np.flatnonzero(kept))
    step = f"xray.within: {region}, {int(kept.sum())} of {kept.size} events"
    cut.attrs = {
        **without_area(cut.attrs),
        "region": with_region(listed, region),
        "history": history_with(listed, step),
    }
    if "region" not in listed.attrs:  # of a cap of the sphere, 2π (1 - cos r)
        area = 4 * np.pi * (np.sin(np.radians(size) / 2) * ARCSEC) ** 2
        cut.attrs |= {"region_area": area, "region_area_units": "arcsec2"}
    return with_nodes(events, {"events": check(cut)})


def hydrogen_column(
    sky_map: xr.Dataset | xr.DataTree,
    target: str | SkyCoord,
    *,
    weighting: Literal["pixel", "bilinear", "inverse_distance"] = "pixel",
    radius: Amount = "1 deg",
) -> xr.DataArray:
    """Return the column density of hydrogen that a map of the sky holds at a place.

    Parameters
    ----------
    sky_map : xarray.Dataset
        Map with one two-dimensional variable in a unit like cm-2, and its sky coordinates in attrs.
    target : str or astropy.coordinates.SkyCoord
        As for :func:`within`.
    weighting : {"pixel", "bilinear", "inverse_distance"}
        The value of the pixel that holds the place; the four pixels around it, linear along both axes of the map; or
        the mean of all pixels within `radius`, each weighted by one over its distance from the place, as HEASARC's
        tool ``nh`` forms its weighted average.
    radius : text, astropy Quantity or DataArray
        Of that mean, with its unit; the other weightings take no notice of it.

    Returns
    -------
    xarray.DataArray
        ``hydrogen_column`` in cm-2. Of ``"pixel"`` a place at the rim of the sky, where a map of the whole sky has no
        pixel of its own, is given the nearest value within a pixel and a half. Attrs ``target``, ``weighting``,
        ``pixel_size`` (deg), within which the gas may well vary, of ``"pixel"`` ``pixel_distance``, from the place to
        the pixel's middle in pixels, of ``"inverse_distance"`` ``radius`` (deg) and ``pixels``, their number.

    Raises
    ------
    OutsideCoverage
        If the place is not on the map, or the map holds nothing there.
    WrongData
        If this is no such map.
    BadOption, MissingUnits
        If the weighting is unknown, or the radius of its mean is none.

    References
    ----------
    Kalberla et al. (2005), A&A 440, 775, doi:10.1051/0004-6361:20041864 (the LAB survey).

    Examples
    --------
    >>> from analysis import xray
    >>> nh = xray.hydrogen_column(xray.fetch("nh_lab"), "359.4625 -32.6239")  # NGC 7793
    >>> 1e20 < float(nh) < 1.3e20
    True
    """
    if weighting not in WAYS:
        raise BadOption(f"weighting={weighting!r} is none of {', '.join(WAYS)}")
    data = as_dataset(sky_map, "hydrogen_column")
    maps = [array for array in data.data_vars.values() if array.ndim == 2]
    if len(maps) != 1:
        raise WrongData(
            f"hydrogen_column needs a map with one image; this dataset has {list(map(str, data.data_vars))}"
        )
    values, place = in_units(maps[0], "cm-2"), position(target)
    attrs = {**data.attrs, **maps[0].attrs}
    wcs = wcs_of(attrs, "hydrogen_column")
    galactic = str(attrs["wcs_ctype"][0]).startswith("GLON")
    centre = place.galactic if galactic else place.transform_to(sky_frame_of(attrs))
    longitude, latitude = (centre.l.deg, centre.b.deg) if galactic else (centre.ra.deg, centre.dec.deg)
    x, y = (float(v) for v in wcs.all_world2pix(longitude, latitude, 0))
    told: dict[str, object] = {"target": _said(place), "weighting": weighting}
    told["pixel_size"] = float(np.abs(np.asarray(attrs["wcs_cdelt"], dtype=float)).max())
    if weighting == "pixel":
        found, distance = _nearest_value(values.values, x, y, _said(place))
        told["pixel_distance"] = round(distance, 3)
    elif weighting == "bilinear":
        found = bilinear(values.values, x, y, _said(place))
    else:
        size = amount(radius, "deg", "radius")
        if not 0 < size <= 90:
            raise BadOption(f"radius={radius!r} is none to average within; give more than 0 and at most 90 deg")
        found, told["pixels"] = inverse_distance(
            values.values, wcs, (float(longitude), float(latitude)), size, _said(place)
        )
        told["radius"] = size
    told |= synthetic_of(data)
    return labelled(
        xr.DataArray(found), "hydrogen_column", units="cm-2", long_name="Hydrogen column density", attrs=told
    )


def _nearest_value(values: np.ndarray, x: float, y: float, said: str) -> tuple[float, float]:
    """Value of the pixel at x, y, or of the nearest one that holds any within REACH; and how far its middle is.

    Zeros are no values: all-sky maps fill the corners outside the sky with them.
    """
    rows, columns = values.shape
    if not (-REACH < x < columns - 1 + REACH and -REACH < y < rows - 1 + REACH):  # NaN too
        raise OutsideCoverage(f"{said} is at pixel ({x:.1f}, {y:.1f}), outside the map of {columns} × {rows}")
    around = range(-2, 3)
    near = [(round(y) + j, round(x) + i) for j in around for i in around]
    held = [p for p in near if 0 <= p[0] < rows and 0 <= p[1] < columns and 0 < values[p] < np.inf]
    away = {p: float(np.hypot(p[0] - y, p[1] - x)) for p in held}
    own = (round(y), round(x))
    best = own if own in away else min(away, key=lambda p: away[p], default=own)
    if away.get(best, np.inf) > REACH:
        raise OutsideCoverage(f"the map holds no value at {said} (pixel {own[1]}, {own[0]}), nor next to it")
    return float(values[best]), away[best]


def position(target: str | SkyCoord) -> SkyCoord:
    """Return a place on the sky as an astropy SkyCoord; names are resolved through the archives' name service.

    Raises
    ------
    BadOption
        For more than one place, or what cannot be read.
    UnknownTarget, DownloadError
        For a name that nobody knows, or that cannot be asked for: Offline where the network is switched off.

    Examples
    --------
    >>> print(position("09h55m50s +69d40m47s").to_string(precision=3))
    148.958 69.680
    """
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    if isinstance(target, SkyCoord):
        if not target.isscalar:
            raise BadOption(f"target is one place, not {target.size}")
        return target.icrs
    if not isinstance(target, str) or not target.strip():
        raise BadOption(f"target={target!r} is not a place; write {TARGET_HELP}")
    text = target.strip().replace(",", " ")
    if re.search(r"[A-Za-z]", re.sub(r"(?<=[\d.\s])(h|m|s|d|deg)(?=[\s\d+-]|$)", "", text)):
        return _resolved(target.strip())
    in_degrees = re.fullmatch(r"[+-]?[\d.]+\s+[+-]?[\d.]+", text)
    try:
        return SkyCoord(text, unit=(u.deg if in_degrees else u.hourangle, u.deg))
    except (ValueError, TypeError, u.UnitsError) as error:
        raise BadOption(f"target={target!r} cannot be read as a place; write {TARGET_HELP}") from error


def _resolved(name: str) -> SkyCoord:
    from astropy.coordinates import SkyCoord

    from analysis.archives import names

    try:
        found = names.resolve(name)
    except Offline as error:
        raise Offline(
            f"target={name!r} is a name that was never resolved here; write {TARGET_HELP}. {error}"
        ) from error
    return SkyCoord(float(found["ra"]), float(found["dec"]), unit="deg")


def events_of(data: xr.DataTree | xr.Dataset, what: str) -> xr.Dataset:
    """Return the event list of a tree, or the list itself."""
    if isinstance(data, xr.DataTree) and not data.has_data:
        return node(data, "events", what)
    return as_dataset(data, what)


def sky_frame(listed: xr.Dataset) -> dict[str, object]:
    """Return the attributes that say how x and y lie on the sky, as far as they are known."""
    keys = [key for key in (*WCS_KEYS, "wcs_cunit", "radecsys", "equinox") if key in listed.attrs]
    return {key: listed.attrs[key] for key in keys}


def sky_frame_of(attrs: Mapping[str, object]) -> str:
    """Return astropy's name of the frame of right ascension and declination.

    Raises
    ------
    WrongData
        If the file states one that is not known here.
    """
    stated = str(attrs.get("radecsys", "")).strip().upper()
    if stated not in FRAMES:
        raise WrongData(f"the sky frame {stated!r} is unknown; known are ICRS, FK5, FK4")
    return FRAMES[stated]


def pixel_area(listed: xr.Dataset) -> tuple[float, str]:
    """Return the area of a pixel of x and y in arcsec2; 1 pix2 where the list does not say how large it is."""
    if not set(WCS_KEYS) <= set(listed.attrs):
        return 1.0, "pix2"
    import astropy.units as u

    cunit = [u.Unit(unit) for unit in listed.attrs.get("wcs_cunit", ("deg", "deg"))]
    sides = [abs(float(d)) * unit.to(u.arcsec) for d, unit in zip(listed.attrs["wcs_cdelt"], cunit, strict=True)]
    return sides[0] * sides[1], "arcsec2"


def wcs_of(attrs: Mapping[str, object], what: str) -> WCS:
    """Return the sky coordinates of an event list or map as astropy knows them; pixels count from 1.

    Raises
    ------
    WrongData
        If the file does not say them.
    """
    from astropy.wcs import WCS

    if missing := [key for key in WCS_KEYS if key not in attrs]:
        raise WrongData(f"{what} needs sky coordinates; the file does not say them (no {', '.join(missing)})")
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [str(axis) for axis in attrs["wcs_ctype"]]  # type: ignore[attr-defined]
    wcs.wcs.cunit = [str(unit) for unit in attrs.get("wcs_cunit", ("deg", "deg"))]  # type: ignore[attr-defined]
    for key, slot in (("wcs_crpix", "crpix"), ("wcs_crval", "crval"), ("wcs_cdelt", "cdelt")):
        setattr(wcs.wcs, slot, np.asarray(attrs[key], dtype=float))
    return wcs


def _separation(ra: np.ndarray, dec: np.ndarray, ra0: float, dec0: float) -> np.ndarray:
    """Angles in degrees, by the haversine, which keeps its digits for small ones."""
    lon, lat, lon0, lat0 = (np.radians(v) for v in (ra, dec, ra0, dec0))
    half = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def _said(place: SkyCoord) -> str:
    return f"RA {place.ra.deg:.5f}, Dec {place.dec.deg:+.5f} deg"

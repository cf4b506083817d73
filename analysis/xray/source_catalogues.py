"""Catalogues of X-ray sources at archives: what they have near a place, and which of their sources are in a list.

``catalogues.toml`` says which there are; the queries go over TAP, a list of one's own as an upload.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, MissingUnits, UnknownProduct, WrongData
from analysis.model import check, history_with, in_units, near, provenance_of, stamp
from analysis.xray.inputs import Amount, amount
from analysis.xray.matching import ARCSEC_IN_DEG, as_sources, matched, places_of
from analysis.xray.sky import position

if TYPE_CHECKING:
    import pandas as pd
    from astropy.coordinates import SkyCoord

# What an error column must be divided by to be the standard deviation along one axis. A circle holds 90 % of a
# two-dimensional Gaussian within sqrt(2 ln 10) sigma; an interval 95 % of one within 1.9600.
OVER = {"axis68": 1.0, "radial68": float(np.sqrt(2)), "radial90": float(np.sqrt(2 * np.log(10))), "axes95": 1.959964}
WIDEST = 5.0  # deg: a wider circle is a query for the archive's own pages
MOST = 50_000  # sources in one upload


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """One catalogue of sources as the table declares it; the field names are the TOML's keys."""

    name: str
    title: str
    mission: str
    server: str
    table: str
    columns: Mapping[str, str]
    institution: str
    references: Sequence[str]
    caveats: Sequence[str]
    flux_band: str
    position_error: str = ""


@cache
def catalogues() -> dict[str, Catalogue]:
    """Return the declared catalogues by name.

    Examples
    --------
    >>> sorted(catalogues())
    ['2rxs', '2sxps', '4xmm', '5xmm', 'csc2', 'erass1']
    """
    told = tomllib.loads((files("analysis.xray") / "catalogues.toml").read_text("utf-8"))
    return {name: Catalogue(name=name, **keys) for name, keys in told.items()}


def sources_near(target: str | SkyCoord, radius: Amount, *, catalogue: str = "4xmm") -> xr.Dataset:
    """Return the sources that a catalogue has within a circle, the nearest first.

    Parameters
    ----------
    target : str or astropy.coordinates.SkyCoord
        ``"148.96 69.68"`` (ICRS, degrees), ``"09h55m50s +69d40m47s"``, or the name of an object, which is resolved over
        the network once and kept.
    radius : text, astropy Quantity or DataArray
        With its unit: ``"5 arcmin"``; at most 5 deg.
    catalogue : {"4xmm", "5xmm", "csc2", "erass1", "2sxps", "2rxs"}
        4XMM-DR13, the newest XMM-Newton catalogue at HEASARC, Chandra Source Catalog 2.1, eRASS1, 2SXPS (Swift), 2RXS
        (ROSAT).

    Returns
    -------
    xarray.Dataset
        Dim ``source``: ``name``, ``ra``, ``dec``, ``separation`` (arcmin) and, as far as the catalogue has them,
        ``position_error`` as published, ``position_sigma`` (arcsec, 1 sigma along one axis), ``flux``, ``flux_error``,
        ``count_rate``, ``likelihood``, ``extent`` …, with the units that the archive states and what their descriptions
        say as ``long_name``. Attrs ``catalogue``, ``flux_band``, ``search_area``. No source is an answer: size 0.

    Raises
    ------
    UnknownProduct
        For another catalogue; names near ones.
    BadOption, MissingUnits, UnknownTarget
        For a place or a radius that cannot be used.
    DownloadError
        If the server cannot be asked, refuses (QueryRefused names near columns, should they have changed), or sends
        only a part (TruncatedAnswer).

    References
    ----------
    Those of the catalogue, in ``attrs["references"]``; TAP 1.1, IVOA Recommendation (2019).

    Examples
    --------
    >>> from analysis.errors import UnknownProduct
    >>> try:
    ...     sources_near("148.96 69.68", "5 arcmin", catalogue="4xmmm")
    ... except UnknownProduct as error:
    ...     print(error)
    catalogue='4xmmm' is not known; there are 4xmm, 5xmm, csc2, erass1, 2sxps, 2rxs; did you mean '4xmm' or '5xmm'?
    """
    from analysis.archives import tap

    asked = _catalogue(catalogue)
    size = amount(radius, "deg", "radius")
    if not 0 < size <= WIDEST:
        raise BadOption(f"radius={radius!r} is none to search within; give more than 0 and at most {WIDEST:g} deg")
    place = position(target)
    ra, dec = float(place.ra.deg), float(place.dec.deg)
    listed = ", ".join(f"{theirs} AS s_{ours}" for ours, theirs in asked.columns.items())
    inside = f"POINT('ICRS', {asked.columns['ra']}, {asked.columns['dec']})"
    circle = f"CIRCLE('ICRS', {ra:.9f}, {dec:.9f}, {size:.9g})"
    answer = tap.query(asked.server, f"SELECT {listed} FROM {asked.table} WHERE 1 = CONTAINS({inside}, {circle})")
    found = _sources(asked, answer, "row", "source")
    here = xr.Dataset({"ra": ("place", [ra], _DEG), "dec": ("place", [dec], _DEG)})
    away = matched(found[["ra", "dec"]], here, f"{size * 1.001} deg", which="all") if found.sizes["source"] else None
    separation = np.zeros(0) if away is None else away["separation"].values / 60
    if separation.size != found.sizes["source"]:
        raise WrongData(
            f"{asked.server} sent {found.sizes['source']} sources of {asked.title}, of which only {separation.size} "
            "lie in the circle that it was asked for; its answer cannot be trusted"
        )
    found["separation"] = ("source", separation, {"units": "arcmin", "long_name": "Separation from the target"})
    found = found.isel(source=np.argsort(separation, kind="stable"))
    area = 2 * np.pi * (1 - np.cos(np.radians(size))) * np.degrees(1) ** 2
    found.attrs |= {"target": f"RA {ra:.5f}, Dec {dec:+.5f} deg", "search_area": f"{area:.8g} deg2"}
    step = f"xray.sources_near({catalogue!r}, radius='{size * 60:.6g} arcmin'): {found.sizes['source']} sources"
    return check(_finished(asked, found, answer, step))


def cross_matched(
    sources: xr.Dataset | pd.DataFrame, radius: Amount, *, catalogue: str = "4xmm"
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the sources of a catalogue that lie near those of a list, and which belong to which.

    The list travels to the archive as an upload and is joined there, so that the catalogue stays where it is. Nothing
    but the positions is sent.

    Parameters
    ----------
    sources : xarray.Dataset or pandas.DataFrame
        As for :func:`matched`: ``ra`` and ``dec`` on one dim, at most 50,000 rows.
    radius : text, astropy Quantity or DataArray
        With its unit: ``"5 arcsec"``; at most 1 deg.
    catalogue : str
        As for :func:`sources_near`.

    Returns
    -------
    pairs : xarray.Dataset
        Dim ``pair``, as of :func:`matched` with ``which="all"``: ``first`` counts the rows of `sources`, ``second``
        those of `found`.
    found : xarray.Dataset
        Dim ``source``: each source of the catalogue that lies near one of the list, once; as of :func:`sources_near`.

    Raises
    ------
    UnknownProduct, BadOption, MissingUnits, UnknownVariable, WrongData, DownloadError
        As for :func:`matched` and :func:`sources_near`.

    References
    ----------
    TAP 1.1, IVOA Recommendation (2019), section 2.5 (uploads).

    Examples
    --------
    >>> from analysis import store
    >>> from analysis.errors import Offline
    >>> mine = xr.Dataset({"ra": ("star", [10.0], {"units": "deg"}), "dec": ("star", [20.0], {"units": "deg"})})
    >>> with store.offline():
    ...     try:
    ...         cross_matched(mine, "5 arcsec", catalogue="erass1")
    ...     except Offline:
    ...         print("the catalogue is at an archive")
    the catalogue is at an archive
    """
    from analysis.archives import tap

    asked = _catalogue(catalogue)
    size = amount(radius, "deg", "radius")
    if not 0 < size <= 1:
        raise BadOption(f"radius={radius!r} is none to match within; give more than 0 and at most 1 deg")
    mine = as_sources(sources, "sources")
    sent = _sent(mine)
    listed = ", ".join(f"c.{theirs} AS s_{ours}" for ours, theirs in asked.columns.items())
    inside = f"POINT('ICRS', c.{asked.columns['ra']}, c.{asked.columns['dec']})"
    # a little more, then cut here: servers differ in the last digits
    circle = f"CIRCLE('ICRS', m.m_ra, m.m_dec, {size + 0.01 / ARCSEC_IN_DEG:.9g})"
    adql = f"SELECT {listed} FROM {asked.table} AS c, TAP_UPLOAD.mine AS m WHERE 1 = CONTAINS({inside}, {circle})"
    answer = tap.query(asked.server, adql, uploads={"mine": sent})
    found = _once(_sources(asked, answer, "row", "source"))
    pairs = matched(mine, found, f"{size} deg", which="all")
    step = f"xray.cross_matched({catalogue!r}, '{size * ARCSEC_IN_DEG:.6g} arcsec'): {found.sizes['source']} sources"
    return pairs, check(_finished(asked, found, answer, step))


_DEG = {"units": "deg", "long_name": "Position"}


def _catalogue(name: str) -> Catalogue:
    known = catalogues()
    if name not in known:
        raise UnknownProduct(f"catalogue={name!r} is not known; there are {', '.join(known)}{near(name, known)}")
    return known[name]


def _sent(mine: xr.Dataset) -> xr.Dataset:
    """Return the positions to be sent, ICRS in degrees; those that are none stay here."""
    places = places_of(mine, "sources")
    known = np.isfinite(places.ra.deg)
    if not known.any():
        raise WrongData(f"none of the {known.size} sources has a position, so there is nothing to ask for")
    if known.sum() > MOST:
        raise BadOption(f"{int(known.sum())} sources are more than one upload holds; give at most {MOST} at a time")
    return xr.Dataset(
        {
            "m_ra": ("row", np.asarray(places.ra.deg)[known], {"units": "deg", "long_name": "Right ascension"}),
            "m_dec": ("row", np.asarray(places.dec.deg)[known], {"units": "deg", "long_name": "Declination"}),
        }
    )


def _sources(asked: Catalogue, answer: xr.Dataset, old: str, new: str) -> xr.Dataset:
    """Return the rows of an answer under our names, with the error of a position along one axis."""
    theirs = {str(name).lower(): str(name) for name in answer.variables}
    lost = [ours for ours in asked.columns if f"s_{ours}" not in theirs]
    if lost:
        raise WrongData(f"{asked.server} answered without {', '.join(lost)}; it sent {', '.join(theirs.values())}")
    kept = {ours: answer[theirs[f"s_{ours}"]].variable for ours in asked.columns}
    made = xr.Dataset(
        {ours: (new, array.values, dict(array.attrs)) for ours, array in kept.items() if array.dims == (old,)}
    )
    for ours in ("ra", "dec"):
        if made[ours].attrs.get("units") in (None, "1"):
            raise MissingUnits(f"{asked.server} states no unit of {asked.columns[ours]}; {asked.title} has degrees")
        made[ours] = in_units(made[ours], "deg").astype(float).assign_attrs(frame="ICRS")
    if asked.position_error:
        made["position_sigma"] = _sigma(made, asked)
    return made.assign({ours: made[ours].assign_attrs(band=asked.flux_band) for ours in _OF_A_BAND if ours in made})


_OF_A_BAND = ("flux", "flux_error", "photon_flux", "count_rate", "count_rate_error")


def _sigma(made: xr.Dataset, asked: Catalogue) -> xr.DataArray:
    """Return the standard deviation along one axis in arcsec; of an ellipse the root mean square of the two."""
    if made["position_error"].attrs.get("units") in (None, "1"):
        raise MissingUnits(f"{asked.server} states no unit of {asked.columns['position_error']} of {asked.title}")
    error = in_units(made["position_error"], "arcsec").astype(float)
    if asked.position_error == "axes95":
        minor = in_units(made["position_error_minor"], "arcsec").astype(float)
        error = ((error**2 + minor**2) / 2) ** 0.5
    sigma = (error / OVER[asked.position_error]).where(error > 0)
    return sigma.assign_attrs(
        units="arcsec", long_name="Position error along one axis, 1 sigma", made_of=asked.position_error
    )


def _once(found: xr.Dataset) -> xr.Dataset:
    """Return each source once: one that lies near two of a list comes twice."""
    import pandas as pd

    if not found.sizes["source"]:
        return found
    frame = pd.DataFrame({name: found[name].values.astype(str) for name in ("name", "ra", "dec")})
    return found.isel(source=np.flatnonzero(~frame.duplicated().to_numpy()))


def _finished(asked: Catalogue, found: xr.Dataset, answer: xr.Dataset, step: str) -> xr.Dataset:
    own = {key: value for key, value in found.attrs.items() if key in ("target", "search_area")}
    made = stamp(
        found.drop_attrs(deep=False),
        title=asked.title,
        institution=asked.institution,
        source=asked.mission,
        references=[*asked.references, *str(answer.attrs["references"]).splitlines()],
        license=str(answer.attrs.get("license", "not stated")),
        history=history_with(answer, step).splitlines(),
        provenance={"archive": asked.server, **provenance_of(answer)},
    )
    told = {"catalogue": asked.name, "flux_band": asked.flux_band, "caveats": "\n".join(asked.caveats)}
    return made.assign_attrs({**told, **own})

"""Where an object is: names through Sesame, the name service of CDS, which asks SIMBAD, NED and VizieR in turn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import xarray as xr

from analysis import store
from analysis.archives.servers import Server, server
from analysis.download import Limits
from analysis.errors import BadAnswer, BadOption, DownloadError, Offline, UnknownTarget
from analysis.model import check, stamp

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["resolve"]

_MIRRORS = ("sesame", "sesame_cfa")
_FRESH = 30 * 86400.0  # positions are measured anew over years
_LIMITS = Limits(connect=8, read=20, patience=20)  # so that both mirrors together fail within the minute
_LARGEST = 1 << 20
_SESAME = "https://cds.unistra.fr/cgi-bin/Sesame"
_DATABASES = {
    "S": ("SIMBAD, CDS Strasbourg", "https://doi.org/10.1051/aas:2000332"),
    "N": ("NASA/IPAC Extragalactic Database (NED)", "https://ned.ipac.caltech.edu/"),
    "V": ("VizieR, CDS Strasbourg", "https://doi.org/10.1051/aas:2000169"),
}
_HELP = "'148.96 69.68' (degrees), '09h55m50s +69d40m47s', an astropy SkyCoord, or the name of an object"


def resolve(target: str | SkyCoord, *, server: str | None = None) -> xr.Dataset:
    """Return where an object is on the sky.

    A name is looked up in SIMBAD, then NED, then VizieR; the first that knows it counts. What was found is kept for
    30 days and serves offline however old; that a name is unknown is not kept. A place passes through, with no network.

    Parameters
    ----------
    target : str or astropy.coordinates.SkyCoord
        A name (``"M 82"``), or a place: two numbers in degrees (ICRS), or hours, minutes, seconds and degrees,
        minutes, seconds.
    server : str, optional
        Short name or address of the one Sesame server to ask; by default that of CDS, then its mirror at CfA.

    Returns
    -------
    xarray.Dataset
        Scalars ``ra`` and ``dec`` in degrees, ICRS, at the epoch J2000 as the catalogues give it, with no proper
        motion applied. Attrs ``target`` (as asked), ``name`` (as the database calls it), ``resolver``,
        ``object_type`` (the database's code) and ``position_reference`` (a bibcode); empty where unknown.

    Raises
    ------
    UnknownTarget
        None of the databases knows the name. Planets, moons and asteroids are in none of them.
    BadOption
        The target is neither a name nor a place.
    BadAnswer, Unreachable, TooSlow
        No server gave an answer that can be used.
    Offline
        The network is switched off and the name was never looked up here.

    References
    ----------
    Sesame, https://cds.unistra.fr/cgi-bin/Sesame; SIMBAD: Wenger et al. 2000, A&AS 143, 9.

    Examples
    --------
    >>> place = resolve("09h55m52.4s +69d40m46.9s")
    >>> round(float(place.ra), 4), round(float(place.dec), 4)
    (148.9683, 69.6797)
    """
    if not isinstance(target, str):
        return _place(target, repr(target))
    text = " ".join(target.split())
    if not text or len(text) > 200 or not text.isprintable():
        raise BadOption(f"target={target!r:.250} is neither a name nor a place; write {_HELP}")
    return _place(text, text) if _is_place(text) else _named(text, server)


def _is_place(text: str) -> bool:
    """Return whether nothing is in a text but numbers and what stands between those of a position."""
    bare = re.sub(r"(?<=[\d.\s])(h|m|s|d|deg)(?=[\s\d,+-]|$)", "", text)
    return re.fullmatch(r"[-+\d.:,\s°'\"′″]+", bare) is not None


def _place(target: str | SkyCoord, said: str) -> xr.Dataset:
    import astropy.units as u
    from astropy.coordinates import ConvertError, SkyCoord

    wrong = f"target={said!r:.250} cannot be read as a place; write {_HELP}"
    if isinstance(target, str):
        plain = target.replace(",", " ")
        in_degrees = re.fullmatch(r"\s*[+-]?[\d.]+\s+[+-]?[\d.]+\s*", plain)
        try:
            target = SkyCoord(plain, unit=(u.deg if in_degrees else u.hourangle, u.deg))
        except (ValueError, TypeError, u.UnitsError) as error:
            raise BadOption(wrong) from error
    if not isinstance(target, SkyCoord):
        raise BadOption(wrong)
    if not target.isscalar:
        raise BadOption(f"target is one place, not {target.size}")
    try:
        place = target.icrs
    except (ConvertError, AttributeError, ValueError) as error:  # the second where an observer's place is missing
        raise BadOption(f"target={said!r:.250} cannot be turned into ICRS: {error}") from error
    ra, dec = float(place.ra.deg), float(place.dec.deg)
    if ra != ra or dec != dec:
        raise BadOption(wrong)
    data = _positions(ra, dec)
    data = data.assign_attrs(target=said, name=said, resolver="", object_type="", position_reference="")
    return check(
        stamp(
            data,
            title=f"Position {said}",
            institution="given by the caller",
            source="given by the caller",
            references=["none"],
            license="none needed",
            history=["position as given"],
            provenance={"query": {"target": said}},
        )
    )


def _positions(ra: float, dec: float) -> xr.Dataset:
    shared = {"units": "deg", "frame": "ICRS", "epoch": "J2000"}
    return xr.Dataset(
        {
            "ra": ((), ra, {**shared, "long_name": "Right ascension"}),
            "dec": ((), dec, {**shared, "long_name": "Declination"}),
        }
    )


def _named(name: str, only: str | None) -> xr.Dataset:
    """Ask the servers in turn until one gives an answer that can be used."""
    failed: list[DownloadError] = []
    for place in [server(key, "api") for key in ([only] if only else _MIRRORS)]:
        address = f"{place.url}/-ox/SNV?{quote(name, safe='')}"
        try:
            path = store.get(address, fresh_for=_FRESH, check=partial(_refuse, name=name, place=place), limits=_LIMITS)
            return _dataset(name, _found(path, name, place), address)
        except DownloadError as error:
            failed.append(error)
    told = " ".join(str(error) for error in failed)
    kind = Offline if all(isinstance(error, Offline) for error in failed) else type(failed[0])
    raise kind(f"{name!r} could not be looked up. {told}") from failed[0]


def _refuse(path: Path, name: str, place: Server) -> None:
    """Raise what is wrong with an answer, so that the store keeps none but a position."""
    _found(path, name, place)


def _found(path: Path, name: str, place: Server) -> dict[str, str]:
    """Return what the first database that has a place for the name says of it, all as text."""
    host = urlsplit(place.url).hostname
    targets = _parsed(path, f"{host}, asked for {name!r},").findall("Target")
    if len(targets) != 1:
        raise BadAnswer(f"{host}, asked for {name!r}, answered about {len(targets)} objects instead of one")
    for database in targets[0].findall("Resolver"):
        told = {item.tag: " ".join((item.text or "").split()) for item in database}
        if "jradeg" in told and "jdedeg" in told:
            if not _on_the_sky(told["jradeg"], told["jdedeg"]):
                raise BadAnswer(f"{host} puts {name!r} at {told['jradeg']} {told['jdedeg']}, which is no place")
            return {**told, "resolver": database.get("name", "")}
    remarks = [" ".join((item.text or "").split()) for item in targets[0].iter() if item.tag in ("INFO", "ERROR")]
    if any("nothing found" in remark.lower() for remark in remarks):
        raise UnknownTarget(
            f"{name!r} is known neither to SIMBAD nor to NED nor to VizieR (asked through {host}); check its spelling, "
            f"or give a place: {_HELP}. Bodies of the Solar System have no fixed place: ask JPL Horizons for them"
        )
    raise BadAnswer(
        f"{host}, asked for {name!r}, gave neither a position nor that there is none"
        + (f" ({'; '.join(remarks)})" if remarks else "")
        + "; ask again later"
    )


def _on_the_sky(ra: str, dec: str) -> bool:
    try:
        return 0 <= float(ra) < 360 and -90 <= float(dec) <= 90
    except ValueError:
        return False


class _Plain(ElementTree.TreeBuilder):
    """Builds elements, and refuses declarations: a few lines of entities unfold to gigabytes."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise BadAnswer(f"a document type {name!r:.40}")


def _parsed(path: Path, who: str) -> ElementTree.Element:
    if path.stat().st_size > _LARGEST:
        raise BadAnswer(f"{who} sent {path.stat().st_size} bytes, far more than an answer has")
    try:
        root = ElementTree.fromstring(path.read_bytes(), ElementTree.XMLParser(target=_Plain()))
    except ElementTree.ParseError as error:
        raise BadAnswer(f"{who} sent something else than an answer, or only a part of it ({error})") from error
    except BadAnswer as error:
        raise BadAnswer(f"{who} sent {error} where none belongs; it was not read") from error
    if root.tag != "Sesame":
        raise BadAnswer(f"{who} sent <{root.tag:.40}> instead of an answer; ask again later")
    return root


def _dataset(name: str, found: dict[str, str], address: str) -> xr.Dataset:
    institution, home = _DATABASES.get(found["resolver"][:1], ("CDS Strasbourg", _SESAME))
    paper = found.get("refPos", "")
    known = store.reference(address)
    when = datetime.fromtimestamp(known.retrieved, UTC).isoformat(timespec="seconds") if known else ""
    data = _positions(float(found["jradeg"]), float(found["jdedeg"])).assign_attrs(
        target=name,
        name=found.get("oname", "") or name,
        resolver=found["resolver"],
        object_type=found.get("otype", ""),
        position_reference=paper,
    )
    return check(
        stamp(
            data,
            title=f"Position of {name}",
            institution=institution,
            source=f"Sesame: {found['resolver'] or 'database not named'}",
            references=[home, _SESAME, *([f"https://ui.adsabs.harvard.edu/abs/{quote(paper)}"] if paper else [])],
            license="not stated",
            history=[f"{name} looked up through Sesame; no proper motion applied"],
            provenance={
                "query": {"target": name},
                "urls": [address],
                "sha256": [known.sha256] if known else [],
                "retrieved": when,
            },
        )
    )

"""astroquery's classes to look for observations, sources and bodies with: ordinary ones, on our session.

What astroquery's own documentation says of them holds. Their answers are never pickled, their time-outs, pauses and
retries are ours, ``store.offline()`` and the hosts' limits hold for them, and a file that they download comes through
the store. Two things remain astroquery's: an object's *name* in place of a position is resolved by astropy, past our
session; and what an archive refuses is reported by astroquery's own exceptions.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis import store
from analysis.archives._astroquery import polite, safe_tar, tar_safety_kept
from analysis.download import Limits
from analysis.errors import BadOption, UnknownServer

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SERVICES", "Service", "service", "to_dataset"]

_BY_STORE = "bring each address with store.get(url) and unpack with archives.packed.unpacked(path)"
_CLOUD = "files come from the archive itself; for S3 use archives.s3.listing and store.get(url)"


@dataclass(frozen=True, kw_only=True)
class Service:
    """One of astroquery's classes.

    Parameters
    ----------
    module, kind : str
        Where it is and what it is called; no `kind` where we do not hand it out.
    title : str
        Whose it is and what it finds.
    tested : str
        What of it was tried here, on recorded or made-up answers; no live archive was asked.
    refused : mapping of str to str
        Methods that are not offered, and why.
    """

    module: str
    kind: str
    title: str
    tested: str
    refused: Mapping[str, str] = field(default_factory=dict)


SERVICES: dict[str, Service] = {
    "esasky": Service(
        module="astroquery.esasky",
        kind="ESASkyClass",
        title="ESASky: what ESA's and other missions saw at a place",
        tested="an ADQL query on a made-up answer",
        refused={
            name: f"the addresses are in the column product_url of query_{name[4:]}: {_BY_STORE}"
            for name in ("get_maps", "get_images", "get_spectra", "get_spectra_from_table")
        },
    ),
    "gaia": Service(
        module="astroquery.gaia",
        kind="",
        title="ESA Gaia archive",
        tested="nothing",
        refused={
            "import": "importing astroquery.gaia asks the network; archives.tap.query('https://gea.esac.esa.int/"
            "tap-server/tap', adql) asks the same archive"
        },
    ),
    "heasarc": Service(
        module="astroquery.heasarc",
        kind="HeasarcClass",
        title="NASA HEASARC: high-energy missions' catalogues and observations",
        tested="an ADQL query and download_data, its tar file unpacked, on made-up answers",
        refused={"enable_cloud": _CLOUD, "_download_s3": _CLOUD},
    ),
    "irsa": Service(
        module="astroquery.ipac.irsa",
        kind="IrsaClass",
        title="IRSA: infrared catalogues, images and spectra, Planck",
        tested="an ADQL query on a made-up answer",
    ),
    "jplhorizons": Service(
        module="astroquery.jplhorizons",
        kind="HorizonsClass",
        title="JPL Horizons: positions of planets, moons, small bodies and spacecraft",
        tested="vectors, ephemerides and elements of Ceres; faults of the network",
    ),
    "jplsbdb": Service(
        module="astroquery.jplsbdb",
        kind="SBDBClass",
        title="JPL Small-Body Database: orbits, physical parameters, close approaches",
        tested="Apophis, Ceres and 67P",
    ),
    "mast": Service(
        module="astroquery.mast",
        kind="ObservationsClass",
        title="MAST: observations of Hubble, Webb, Kepler, TESS and others",
        tested="query_region; download_file",
        refused={"enable_cloud_dataset": _CLOUD},
    ),
    "mpc": Service(
        module="astroquery.mpc",
        kind="MPCClass",
        title="IAU Minor Planet Center: small bodies",
        tested="get_observatory_codes",
    ),
    "ned": Service(
        module="astroquery.ipac.ned", kind="NedClass", title="NED: galaxies and other objects", tested="query_object"
    ),
    "simbad": Service(
        module="astroquery.simbad", kind="SimbadClass", title="CDS SIMBAD: named objects", tested="an ADQL query"
    ),
    "skybot": Service(
        module="astroquery.imcce",
        kind="SkybotClass",
        title="IMCCE SkyBoT: solar-system bodies in a field of view",
        tested="cone_search",
    ),
    "vizier": Service(
        module="astroquery.vizier",
        kind="VizierClass",
        title="CDS VizieR: published catalogues",
        tested="query_region",
        refused={"get_catalog_metadata": "it asks past our session; archives.tap.query asks VizieR's TAP service"},
    ),
    "xmm": Service(
        module="astroquery.esa.xmm_newton",
        kind="XMMNewtonClass",
        title="ESA XMM-Newton Science Archive",
        tested="an ADQL query and download_data on made-up answers; get_epic_spectra's unpacking",
    ),
}


def service(name: str, *, limits: Limits | None = None) -> Any:
    """Return an object of astroquery's class for an archive, on our session.

    Parameters
    ----------
    name : str
        One of :data:`SERVICES`.
    limits : Limits, optional
        When to give up; for an archive that thinks for minutes, ``Limits(read=300, patience=600)``.

    Returns
    -------
    object
        Of a subclass of astroquery's class. ``._session.asked`` tells what it asked. One object may serve several
        threads as far as the class itself keeps nothing between calls; one for each thread is safe.

    Raises
    ------
    UnknownServer
        No such name; the message has the nearest ones.
    BadOption
        The class is not handed out; the message says why and what to use.

    Notes
    -----
    Modules of astroquery that unpack tar files, or ask past their session, are corrected for the whole process when
    their class is first asked for: the files are unpacked within their folder only, and all requests are ours.

    References
    ----------
    Ginsburg et al. (2019), astroquery, AJ 157, 98, https://doi.org/10.3847/1538-3881/aafc33.

    Examples
    --------
    >>> horizons = service("jplhorizons")
    >>> horizons(id="Ceres", id_type="smallbody", epochs=2459740.5).vectors(get_query_payload=True)["COMMAND"]
    '"Ceres;"'
    """
    if name not in SERVICES:
        close = difflib.get_close_matches(str(name).lower(), SERVICES, n=3, cutoff=0.5)
        near = f"did you mean {' or '.join(close)}? " if close else ""
        raise UnknownServer(f"no discovery service is called {name!r}: {near}There are {', '.join(sorted(SERVICES))}")
    known = SERVICES[name]
    if not known.kind:
        raise BadOption(f"{name} is not handed out: {known.refused['import']}")
    with tar_safety_kept():
        module = importlib.import_module(known.module)
        _corrected(f"{known.module}.core")
        if name == "mast":
            _corrected("astroquery.mast.utils")
    return polite(getattr(module, known.kind), name=name, limits=limits, refused=known.refused)()


def to_dataset(table: Any, origin: Any, *, title: str | None = None) -> xr.Dataset:
    """Return a table that a service gave as a dataset with units and provenance.

    Parameters
    ----------
    table : astropy.table.Table or pyvo.dal.DALResults
        The answer.
    origin : object
        What :func:`service` returned and was asked.
    title : str, optional
        What it is; the service's own by default.

    Returns
    -------
    xarray.Dataset
        Dim ``row``; NaN where the table is masked. ``provenance`` has the addresses that `origin` asked last, without
        their queries.

    Raises
    ------
    BadOption
        It is no table, or `origin` none of our services.

    Examples
    --------
    >>> from astropy.table import Table
    >>> table = Table({"ra": [10.5, 11.0]}, units={"ra": "deg"})
    >>> found = to_dataset(table, service("simbad"), title="Two stars")
    >>> found.ra.attrs["units"], found.sizes["row"], found.attrs["institution"]
    ('deg', 2, 'CDS SIMBAD')
    """
    from analysis.formats.votable import from_table

    known = SERVICES.get(getattr(origin, "_sanko_name", ""))
    if known is None:
        raise BadOption(f"a {type(origin).__name__} does not tell whose table it is; give what service(name) returned")
    asked = origin._session.asked[-20:]
    return from_table(
        table.to_table() if hasattr(table, "to_table") else table,
        title=title or known.title,
        institution=known.title.partition(":")[0],
        source=f"{known.kind} of {known.module}",
        references=["https://doi.org/10.3847/1538-3881/aafc33"],
        history=[f"asked through {known.module}"],
        provenance={
            "query": {"service": origin._sanko_name},
            "urls": list(dict.fromkeys(request.url for request in asked)),
            "retrieved": f"{asked[-1].at:%Y-%m-%dT%H:%M:%SZ}" if asked else "not asked",
        },
    )


def _corrected(module: str) -> None:
    """Replace what in one of astroquery's modules is unsafe or asks past our session."""
    known = sys.modules.get(module)
    for name in ("tarfile", "esatar"):
        if hasattr(known, name):
            setattr(known, name, safe_tar())
    if hasattr(known, "_simple_request"):
        known._simple_request = _simple_request  # type: ignore[union-attr]


def _simple_request(url: str, params: Any = None) -> Any:
    """Ask what MAST's helpers ask outside of their session: names, columns, paths."""
    response = store.session().get(url, params=params, headers={"Accept": "text/plain"})
    response.raise_for_status()
    return response

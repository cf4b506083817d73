"""Observations, granules, sources, images and links in the Virtual Observatory: its standard questions, ready made.

ObsCore and EPN-TAP are tables of standard columns that :mod:`analysis.archives.tap` is asked for; cone search, image
search and datalink are services of their own. What is found has an ``access_url``, for :func:`analysis.store.get`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

import numpy as np
import xarray as xr

from analysis import store
from analysis.archives import tap
from analysis.archives._adql import JD_OF_MJD, band, circle, identifier, interval, listed, literal, number
from analysis.archives._dal import Reply, received, stamped
from analysis.archives.servers import Server
from analysis.archives.servers import server as server_named
from analysis.errors import AnalysisWarning, BadOption, BadTime, TruncatedAnswer, UnknownProduct
from analysis.model import utc_of_clock

if TYPE_CHECKING:
    import pandas as pd

    from analysis.model.clocks import Instant

__all__ = ["granules", "images", "links", "observations", "sources"]


def observations(
    server: str,
    *,
    ra: float | None = None,
    dec: float | None = None,
    radius: float | None = None,
    start: Instant | None = None,
    stop: Instant | None = None,
    energy: tuple[float, float] | None = None,
    target: str | None = None,
    collection: str | None = None,
    instrument: str | None = None,
    product_type: str | None = None,
    limit: int | None = None,
    table: str = "ivoa.obscore",
) -> xr.Dataset:
    """Return the observations of an archive that fit, from its ObsCore table.

    Parameters
    ----------
    server : str
        Short name or address of a TAP server.
    ra, dec, radius : float, optional
        Centre (ICRS, deg) and radius (deg) of a circle in which the centre of the observation lies; all three or none.
    start, stop : time, optional
        Observations that have a part in ``[start, stop)``.
    energy : tuple of two floats, optional
        Photon energies in keV, lowest first; observations that have a part in it.
    target, collection, instrument, product_type : str, optional
        ``target_name``, ``obs_collection``, ``instrument_name``, ``dataproduct_type`` (image, cube, spectrum, sed,
        timeseries, visibility, event, measurements) as the archive spells them.
    limit : int, optional
        The first so many are enough; without it, all.
    table : str
        Where the archive keeps it.

    Returns
    -------
    xarray.Dataset
        Dim ``row``; the columns of ObsCore, and ``start``, ``stop`` (UTC) made of ``t_min``, ``t_max``, MJD whose time
        scale is taken to be UTC unless the archive states it (TT would be 69 s off).

    Raises
    ------
    BadOption, BadTime
        Before anything is asked.
    DownloadError
        As for :func:`analysis.archives.tap.query`: QueryRefused, TruncatedAnswer …

    References
    ----------
    ObsCore 1.1, IVOA Recommendation (2017).

    Examples
    --------
    >>> from analysis.errors import BadOption
    >>> try:
    ...     observations("https://example.org/tap", ra=10.0)
    ... except BadOption as error:
    ...     print(error)
    a circle needs ra, dec and radius, all three; dec, radius are missing
    """
    conditions = [*circle(ra, dec, radius), *interval(start, stop, "t_min", "t_max", 0.0), *band(energy)]
    asked = {
        "target_name": ("target", target),
        "obs_collection": ("collection", collection),
        "instrument_name": ("instrument", instrument),
        "dataproduct_type": ("product_type", product_type),
    }
    conditions += [f"{column} = {literal(text, what)}" for column, (what, text) in asked.items() if text is not None]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    found = tap.query(server, f"SELECT * FROM {identifier(table, 'table')}{where}", limit=limit)
    return _timed(found, "t_min", "t_max", 0.0, "ObsCore leaves the time scale of t_min, t_max open: taken as UTC")


def granules(
    server: str,
    *,
    target: str | None = None,
    start: Instant | None = None,
    stop: Instant | None = None,
    instrument_host: str | None = None,
    instrument: str | None = None,
    processing_level: int | None = None,
    product_type: str | None = None,
    limit: int | None = None,
    table: str | None = None,
) -> xr.Dataset:
    """Return the granules of a planetary archive that fit, from its EPN-TAP table.

    Parameters
    ----------
    server : str
        Short name or address of a TAP server.
    target : str, optional
        ``target_name``, for example "Mercury".
    start, stop : time, optional
        Granules that have a part in ``[start, stop)``.
    instrument_host, instrument : str, optional
        ``instrument_host_name`` and ``instrument_name``, for example "MPO" and "MAG".
    processing_level : int, optional
        1 to 6 as EPN-TAP counts: 2 edited, 3 calibrated, 5 derived.
    product_type : str, optional
        ``dataproduct_type``: im, ma, sp, ds, sc, pr, ts, cu, ca …
    limit : int, optional
        The first so many are enough; without it, all.
    table : str, optional
        For example "psa.epn_core"; needed where a server has several EPN-TAP tables.

    Returns
    -------
    xarray.Dataset
        Dim ``row``; the columns of EPN-TAP, and ``start``, ``stop`` (UTC) made of ``time_min``, ``time_max``, which are
        Julian dates in UTC. Names are compared without letter case, each in a list such as ``mercury#mercury orbiter``.

    Raises
    ------
    UnknownProduct
        If the server has no EPN-TAP table, or several and none is named.
    BadOption, BadTime
        Before anything is asked.
    DownloadError
        As for :func:`analysis.archives.tap.query`.

    References
    ----------
    EPN-TAP 2.0, IVOA Recommendation (2022).

    Examples
    --------
    >>> from analysis.errors import BadOption
    >>> try:
    ...     granules("https://example.org/tap", processing_level=9, table="psa.epn_core")
    ... except BadOption as error:
    ...     print(error)
    processing_level=9 does not lie between 1 and 6
    """
    conditions = interval(start, stop, "time_min", "time_max", JD_OF_MJD)
    asked = {
        "target_name": ("target", target),
        "instrument_host_name": ("instrument_host", instrument_host),
        "instrument_name": ("instrument", instrument),
        "dataproduct_type": ("product_type", product_type),
    }
    conditions += [listed(column, text, what) for column, (what, text) in asked.items() if text is not None]
    if processing_level is not None:
        conditions.append(f"processing_level = {number(processing_level, 'processing_level', 1, 6):g}")
    name = _granules_table(server) if table is None else identifier(table, "table")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    found = tap.query(server, f"SELECT * FROM {name}{where}", limit=limit)
    return _timed(found, "time_min", "time_max", JD_OF_MJD, "time_min, time_max are Julian dates in UTC")


def sources(server: str, ra: float, dec: float, radius: float) -> xr.Dataset:
    """Return the sources of a catalogue in a circle, by a simple cone search.

    Parameters
    ----------
    server : str
        Short name or address of a cone search service.
    ra, dec : float
        Centre, ICRS, in deg.
    radius : float
        In deg.

    Returns
    -------
    xarray.Dataset
        Dim ``row``; the catalogue's columns.

    Raises
    ------
    TruncatedAnswer
        If there are more sources than the service sends.
    QueryRefused, DownloadError
        As for :func:`analysis.archives.tap.query`.
    UnknownServer, BadOption
        Before anything is asked.

    References
    ----------
    Simple Cone Search 1.03, IVOA Recommendation (2008).

    Examples
    --------
    >>> from analysis.errors import BadOption
    >>> try:
    ...     sources("https://example.org/scs", ra=10.0, dec=95.0, radius=0.1)
    ... except BadOption as error:
    ...     print(error)
    dec=95.0 does not lie between -90 and 90
    """
    from pyvo.dal.scs import SCSQuery

    where = server_named(server, "scs")
    place = number(ra, "ra", 0, 360), number(dec, "dec", -90, 90)
    size = number(radius, "radius", 0, 180)
    asked = SCSQuery(where.url, pos=place, radius=size, session=store.session())
    reply = _all_of(asked, where, "ask for a smaller radius, or use tap.query")
    told = {"server": where.url, "ra": place[0], "dec": place[1], "radius": size}
    return stamped(reply, where, query=told, history=[f"vo.sources: ra {place[0]}, dec {place[1]}, radius {size} deg"])


def images(
    server: str, ra: float, dec: float, size: float, *, version: Literal[1, 2] = 2, format: str | None = "image/fits"
) -> xr.Dataset:
    """Return the images of a part of the sky, by SIA.

    Parameters
    ----------
    server : str
        Short name or address of a simple image access service.
    ra, dec : float
        Centre, ICRS, in deg.
    size : float
        In deg: the side of a square (version 1) or the diameter of a circle (version 2) that the images overlap.
    version : {1, 2}
        Of the protocol; the service's documentation says which it speaks.
    format : str, optional
        Media type of the images; None for all.

    Returns
    -------
    xarray.Dataset
        Dim ``row``; the service's columns, with ``access_url`` whatever the service calls it.

    Raises
    ------
    TruncatedAnswer
        If there are more images than the service lists.
    QueryRefused, DownloadError
        As for :func:`analysis.archives.tap.query`.
    UnknownServer, BadOption
        Before anything is asked.

    References
    ----------
    Simple Image Access 1.0 (2009) and 2.0 (2015), IVOA Recommendations.

    Examples
    --------
    >>> from analysis.errors import BadOption
    >>> try:
    ...     images("https://example.org/sia", ra=10.0, dec=5.0, size=0.1, version=3)
    ... except BadOption as error:
    ...     print(error)
    version=3 is no version of SIA; there are 1 and 2
    """
    from pyvo.dal.sia import SIAQuery
    from pyvo.dal.sia2 import SIA2Query

    if version not in (1, 2):
        raise BadOption(f"version={version!r} is no version of SIA; there are 1 and 2")
    where = server_named(server, "sia")
    place = number(ra, "ra", 0, 360), number(dec, "dec", -90, 90)
    wide, session = number(size, "size", 0, 180), store.session()
    if version == 1:
        asked = SIAQuery(where.url, pos=place, size=wide, format=format or "ALL", session=session)
    else:
        asked = SIA2Query(where.url, pos=(*place, wide / 2), res_format=format, session=session)
    reply = _all_of(asked, where, "ask for a smaller size")
    told = {"server": where.url, "ra": place[0], "dec": place[1], "size": wide, "version": version, "format": format}
    history = [f"vo.images (SIA {version}): ra {place[0]}, dec {place[1]}, size {wide} deg"]
    return stamped(reply, where, query=told, history=history, data=_with_address(reply.data))


def links(url: str) -> pd.DataFrame:
    """Return what belongs to a dataset, from its datalink document.

    Parameters
    ----------
    url : str
        Address of the document: the ``access_url`` of a row whose format says ``content=datalink``.

    Returns
    -------
    pandas.DataFrame
        ``id``, ``access_url`` ("" where the row is a service or an error), ``semantics`` (#this, #calibration,
        #preview …), ``content_type``, ``size`` (bytes, NaN where not stated), ``description``, ``service`` (a
        service's name within the document) and ``error`` (why there is no address).

    Raises
    ------
    QueryRefused, DownloadError
        As for :func:`analysis.archives.tap.query`.
    TruncatedAnswer
        If the service lists only a part.

    Warns
    -----
    AnalysisWarning
        For links that the service could not make, with its reasons.

    References
    ----------
    DataLink 1.1, IVOA Recommendation (2023).

    Examples
    --------
    >>> from analysis.errors import BadOption
    >>> try:
    ...     links("ivo://example.org/obs1")
    ... except BadOption as error:
    ...     print(error)
    'ivo://example.org/obs1' is no http or https address
    """
    import pandas as pd

    answer = store.session().get(url, stream=True)
    reply = received(answer, url)
    if reply.overflow is not None:
        raise TruncatedAnswer(
            f"{url}: only {reply.rows} links came, and there are more; ask for fewer datasets at once"
        )
    data, rows = reply.data, reply.rows
    names = {"id": "ID", "access_url": "access_url", "semantics": "semantics", "content_type": "content_type"}
    names |= {
        "size": "content_length",
        "description": "description",
        "service": "service_def",
        "error": "error_message",
    }
    frame = pd.DataFrame({ours: data[name].values if name in data else [""] * rows for ours, name in names.items()})
    size = pd.to_numeric(frame["size"], errors="coerce")
    frame["size"] = size.where(size >= 0)
    frame["access_url"] = [urljoin(answer.url, link) if link else "" for link in frame["access_url"]]
    if wrong := [f"{row.id}: {row.error}" for row in frame.itertuples() if row.error]:
        warnings.warn(
            f"{url}: {len(wrong)} of {rows} links failed: {'; '.join(wrong[:5])}", AnalysisWarning, stacklevel=2
        )
    return frame


def _granules_table(server: str) -> str:
    """Return the server's one EPN-TAP table."""
    named = [name for name in tap.tables(server)["table"] if name.lower().rpartition(".")[2] == "epn_core"]
    if len(named) == 1:
        return named[0]
    if not named:
        raise UnknownProduct(f"{server} has no EPN-TAP table; tap.tables({server!r}) lists what it has")
    raise UnknownProduct(
        f"{server} has {len(named)} EPN-TAP tables; name one: table={' or '.join(map(repr, named[:20]))}"
    )


# ------------------------------------------------------------------------------------------ answers


def _all_of(asked, where: Server, otherwise: str) -> Reply:
    """Return the answer of a service that is asked by GET, if it is whole."""
    reply = received(asked.submit(), where.title)
    if reply.overflow is not None:
        raise TruncatedAnswer(f"{where.title} sent {reply.rows} rows and says that there are more; {otherwise}")
    return reply


def _with_address(data: xr.Dataset) -> xr.Dataset:
    """Return what a service of SIA 1 found with its addresses under the name that SIA 2 has for them."""
    if "access_url" in data:
        return data
    kind = "VOX:Image_AccessReference"
    named = [key for key, variable in data.variables.items() if variable.attrs.get("ucd") == kind]
    return data.rename({named[0]: "access_url"}) if named else data


def _other_scales(found: xr.Dataset) -> str:
    """Return the time scales other than UTC that rows of EPN-TAP state."""
    stated = found["time_scale"].values.tolist() if "time_scale" in found else []
    return ", ".join(sorted({str(scale) for scale in stated if scale and str(scale).upper() != "UTC"}))


def _timed(found: xr.Dataset, lowest: str, highest: str, zero: float, line: str) -> xr.Dataset:
    """Return rows with their times also in UTC."""
    added = {}
    for name, column, what in (("start", lowest, "Start (UTC)"), ("stop", highest, "Stop (UTC)")):
        if column not in found or name in found:
            continue
        if found[column].dtype.kind == "M":  # the archive stated the scale, and the reader used it
            added[name] = ("row", found[column].values, {"long_name": what})
            continue
        if other := _other_scales(found):
            warnings.warn(f"{column} is in {other}, not in UTC: no {name}", AnalysisWarning, stacklevel=3)
            continue
        values = np.asarray(found[column].values, float) - zero
        times = np.full(values.shape, np.datetime64("NaT", "ns"))
        known = np.isfinite(values)
        try:
            times[known] = utc_of_clock(values[known], mjdref=0.0, timesys="UTC", counts="d")
        except BadTime:
            warnings.warn(
                f"{column} holds what is no date between 1678 and 2261: no {name}", AnalysisWarning, stacklevel=3
            )
            continue
        added[name] = ("row", times, {"long_name": what})
    history = f"{found.attrs['history']}\n{line}" if added else found.attrs["history"]
    return found.assign(added).assign_attrs(history=history)

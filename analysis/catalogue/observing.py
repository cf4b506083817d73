"""Which observations archives have near a place on the sky: their own lists, asked over TAP."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import xarray as xr

from analysis.catalogue.declared import Product, products
from analysis.catalogue.fetching import fetch
from analysis.catalogue.searching import COLUMNS
from analysis.errors import AnalysisWarning, DownloadError, Offline, UnknownVariable, WrongUnits
from analysis.model import in_units

# What makes one list unusable, and no reason to lose the others.
_UNUSABLE = (DownloadError, UnknownVariable, WrongUnits)
_MJD = np.datetime64("1858-11-17", "ns")
# 2099-12-31: XRISM's list has it, and nothing later, where no date of release is set.
_LATEST = 88068.0
OBSERVED = (*COLUMNS, "obsid", "target", "ra", "dec", "separation", "exposure", "public")


def observed_missions(domain: str) -> list[str]:
    """Return the missions of which a field declares a list of observations.

    Examples
    --------
    >>> "NICER" in observed_missions("xray")
    True
    """
    return sorted({found.mission for of in _lists(domain).values() for found in of})


def observations(
    domain: str, ra: float, dec: float, radius: float, *, missions: Collection[str] | None = None
) -> pd.DataFrame:
    """Return the observations in a circle, of all archives' lists that a field declares.

    Parameters
    ----------
    domain : str
        Field.
    ra, dec, radius : float
        The circle: ICRS, in degrees.
    missions : collection of str, optional
        Ask only the lists of these.

    Returns
    -------
    pandas.DataFrame
        The columns of a search, one row a product and observation, and after them ``obsid`` (what ``fetch`` takes),
        ``target``, ``ra``, ``dec`` (deg, of the pointing), ``separation`` (arcmin), ``exposure`` (s; NaN where the list
        does not say) and ``public`` (when it is or was released; NaT where the list does not say). ``start`` is when
        the observation began. ``product`` is empty where none is declared that brings it. Nearest first, then by date.

    Raises
    ------
    Offline
        If the network is switched off.

    Warns
    -----
    AnalysisWarning
        For a list that could not be asked, or whose answer is cut or of other columns; those of the other archives are
        given.
    """
    lists = {name: of for name, of in _lists(domain).items() if missions is None or of[0].mission in missions}
    circle = {"ra": ra, "dec": dec, "radius": radius}
    with ThreadPoolExecutor(max(1, len(lists)), thread_name_prefix="sanko-list") as pool:
        asked = {name: pool.submit(fetch, domain, name, fields=circle) for name in lists}
    found = []
    for name, task in asked.items():
        try:
            listed = task.result()
            assert isinstance(listed, xr.Dataset)  # a table is one
            found += [_rows(product, listed, (ra, dec)) for product in lists[name]]
        except Offline:
            raise
        except _UNUSABLE as error:
            told = f"{name} could not be asked, so observations are missing: {error}"
            warnings.warn(told, AnalysisWarning, stacklevel=3)
    frame = pd.concat(found, ignore_index=True) if found else _typed(pd.DataFrame(columns=list(OBSERVED)))
    return frame.sort_values(["separation", "start", "product"], kind="stable", ignore_index=True)


def _lists(domain: str) -> dict[str, list[Product]]:
    """Return the lists of observations by name, with the products that bring what they list, or the list itself."""
    known = products(domain, live=True)
    lists: dict[str, list[Product]] = {}
    for found in known.values():
        source = found.source
        assert source is not None  # an archive's product has one
        if source.observations:
            lists.setdefault(source.observations, []).append(found)
        elif source.archive == "tap" and "target" in source.needs and {"obsid", "ra", "dec"} <= set(found.variables):
            lists.setdefault(found.name, [])
    return {name: of or [known[name]] for name, of in lists.items()}


def _rows(found: Product, listed: xr.Dataset, place: tuple[float, float]) -> pd.DataFrame:
    """Return a row for each observation in a list."""
    assert found.source is not None
    obsids = _texts(listed["obsid"])
    names = _texts(listed["name"]) if "name" in listed else obsids
    nothing = np.full(len(obsids), np.nan)
    ra, dec = (
        in_units(listed[name], "deg").values.astype(float) if name in listed else nothing for name in ("ra", "dec")
    )
    exposure = nothing
    if "exposure" in listed and listed["exposure"].attrs.get("units") != "1":  # of an unknown unit it is no exposure
        exposure = in_units(listed["exposure"], "s").values.astype(float)
    rows = pd.DataFrame(
        {
            "product": found.name if found.source.archive != "tap" else "",
            "title": [f"{name}: {found.title}" for name in names],
            "mission": found.mission,
            "instrument": _texts(listed["instrument"]) if "instrument" in listed else found.instrument,
            "start": _moments(listed, "mjd"),
            "stop": np.datetime64("NaT", "ns"),
            "kind": found.kind,
            "where": found.source.short_name,
            "obsid": obsids,
            "target": names,
            "ra": ra,
            "dec": dec,
            "separation": _arcmin(ra, dec, place),
            "exposure": exposure,
            "public": _moments(listed, "public_mjd"),
        }
    )
    return _typed(rows.drop_duplicates(ignore_index=True))


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    times = {name: "datetime64[ns]" for name in ("start", "stop", "public")}
    return rows.astype({**times, **{name: float for name in ("ra", "dec", "separation", "exposure")}})


def _texts(values: xr.DataArray) -> list[str]:
    return [str(value).strip() for value in values.values.tolist()]


def _moments(listed: xr.Dataset, name: str) -> np.ndarray:
    """Return days as times; lists have 0 for what is yet to be, and a far day for what has no date yet."""
    if name not in listed:
        return np.full(listed.sizes["row"], np.datetime64("NaT", "ns"))
    days = listed[name].values.astype(float)
    known = (days > 0) & (days < _LATEST)
    nanoseconds = (np.where(known, days, 0) * 86_400e9).astype("timedelta64[ns]")
    return np.where(known, _MJD + nanoseconds, np.datetime64("NaT", "ns"))


def _arcmin(ra: np.ndarray, dec: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    """Return angles from a place by the haversine, which keeps its digits for small ones."""
    lon, lat, lon0, lat0 = (np.radians(angle) for angle in (ra, dec, *place))
    half = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1)))) * 60

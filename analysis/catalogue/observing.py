"""Which observations archives have near a place on the sky: their own lists, asked over TAP."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import xarray as xr

from analysis.catalogue.declared import Product, products
from analysis.catalogue.fetching import fetch
from analysis.catalogue.searching import COLUMNS
from analysis.errors import AnalysisWarning, DownloadError, Offline

_MJD = np.datetime64("1858-11-17", "ns")


def observations(domain: str, ra: float, dec: float, radius: float) -> pd.DataFrame:
    """Return the observations in a circle of which an archive's product of this field can be fetched.

    Parameters
    ----------
    domain : str
        Field.
    ra, dec, radius : float
        The circle: ICRS, in degrees.

    Returns
    -------
    pandas.DataFrame
        The columns of a search, one row a product and observation, with ``obsid`` after them: what ``fetch`` takes.
        ``start`` is when the observation began (NaT where the list does not say).

    Raises
    ------
    Offline
        If the network is switched off.

    Warns
    -----
    AnalysisWarning
        For a list that could not be asked; those of the other archives are given.
    """
    lists: dict[str, list[Product]] = {}
    for found in products(domain, live=True).values():
        if found.source is not None and found.source.observations:
            lists.setdefault(found.source.observations, []).append(found)
    circle = {"ra": ra, "dec": dec, "radius": radius}
    with ThreadPoolExecutor(max(1, len(lists)), thread_name_prefix="sanko-list") as pool:
        asked = {name: pool.submit(fetch, domain, name, fields=circle) for name in lists}
    rows: list[tuple[object, ...]] = []
    for name, task in asked.items():
        try:
            listed = task.result()
        except Offline:
            raise
        except DownloadError as error:
            told = f"{name} could not be asked, so observations are missing: {error}"
            warnings.warn(told, AnalysisWarning, stacklevel=3)
            continue
        assert isinstance(listed, xr.Dataset)  # a table is one
        rows += [row for found in lists[name] for row in _rows(found, listed)]
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "obsid"])
    return frame.astype({"start": "datetime64[ns]", "stop": "datetime64[ns]"})


def _rows(found: Product, listed: xr.Dataset) -> Iterator[tuple[object, ...]]:
    """Give a row for each observation in a list."""
    assert found.source is not None
    told = found.mission, found.instrument
    obsids = listed["obsid"].values
    names = listed["name"].values if "name" in listed else obsids
    for obsid, name, begun in zip(obsids, names, _begun(listed), strict=True):
        title = f"{str(name).strip()}: {found.title}"
        yield found.name, title, *told, begun, None, found.kind, found.source.short_name, str(obsid).strip()


def _begun(listed: xr.Dataset) -> np.ndarray:
    """Return when each observation began; lists count days, and have none of one that is yet to be made."""
    if "mjd" not in listed:
        return np.full(listed.sizes["row"], np.datetime64("NaT", "ns"))
    days = listed["mjd"].values.astype(float)
    made = days > 0
    nanoseconds = (np.where(made, days, 0) * 86_400e9).astype("timedelta64[ns]")
    return np.where(made, _MJD + nanoseconds, np.datetime64("NaT", "ns"))

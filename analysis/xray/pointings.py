"""Which observations the archives have of a place, of all missions in one table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np

from analysis.errors import BadOption
from analysis.model import near
from analysis.xray.inputs import Amount, amount
from analysis.xray.sky import position

if TYPE_CHECKING:
    import pandas as pd
    from astropy.coordinates import SkyCoord

WIDEST = 5.0  # deg
COLUMNS = (
    "mission",
    "obsid",
    "instrument",
    "target",
    "ra",
    "dec",
    "separation",
    "start",
    "exposure",
    "public",
    "products",
    "where",
)
UNITS = {"ra": "deg", "dec": "deg", "separation": "arcmin", "exposure": "s", "start": "UTC", "public": "UTC"}


def observations(
    target: str | SkyCoord,
    radius: Amount = "15 arcmin",
    *,
    mission: str | Iterable[str] | None = None,
    sort: Literal["separation", "start"] = "separation",
) -> pd.DataFrame:
    """Return the observations whose pointing lies within a circle, of all missions in one table.

    The master catalogues of HEASARC are asked over the network, one a mission, side by side: Chandra, XMM-Newton,
    NuSTAR, Swift, NICER, XRISM, Suzaku, IXPE, ROSAT, RXTE, ASCA and Hitomi.

    Parameters
    ----------
    target : str or astropy.coordinates.SkyCoord
        ``"148.96 69.68"`` (ICRS, degrees), ``"09h55m50s +69d40m47s"``, or the name of an object, which is resolved over
        the network once and kept.
    radius : text, astropy Quantity or DataArray
        With its unit, at most 5 deg. Fields of view differ: RXTE's is a degree wide, NICER's 6 arcmin.
    mission : str or iterable of str, optional
        Only these, in any letter case.
    sort : {"separation", "start"}
        Nearest pointing first, or oldest first.

    Returns
    -------
    pandas.DataFrame
        One row an observation: ``mission, obsid, instrument, target, ra, dec`` (deg), ``separation`` (arcmin),
        ``start`` (UTC; NaT if not yet made, or if the list does not say), ``exposure`` (s; of an
        observation that is listed in parts, as some of RXTE's are, their sum), ``public`` (when it is or
        was released), ``products`` (what :func:`fetch` brings of it, comma-separated; empty for none), ``where``.
        ``attrs["units"]`` says the units. No observation is an answer: an empty table.

    Raises
    ------
    UnknownTarget, BadOption, MissingUnits
        For a place, radius or mission that cannot be used.
    Offline
        If the network is switched off.

    Warns
    -----
    AnalysisWarning
        For an archive's list that could not be asked or was cut, by name: its observations are missing.

    Examples
    --------
    >>> from analysis.errors import BadOption
    >>> try:
    ...     observations("148.96 69.68", mission="nustr")
    ... except BadOption as error:
    ...     print(error)
    mission='nustr' has no list of observations here; there are ASCA, Chandra, ...; did you mean 'NuSTAR'?
    """
    from analysis import catalogue

    if sort not in ("separation", "start"):
        raise BadOption(f"sort={sort!r} is none of separation, start")
    size = amount(radius, "deg", "radius")
    if not 0 < size <= WIDEST:
        raise BadOption(f"radius={radius!r} is none to search within; give more than 0 and at most {WIDEST:g} deg")
    wanted = _missions(mission)
    place = position(target)
    seen = catalogue.observations("xray", float(place.ra.deg), float(place.dec.deg), size, missions=wanted)
    grouped = seen.groupby(["mission", "obsid"], sort=False)
    # instruments and products of an observation that several products stand for
    made = grouped.first().reset_index()
    joined = grouped.agg({"product": _joined, "instrument": _joined, "start": "min"}).reset_index()
    told = {"instrument": joined["instrument"], "start": joined["start"], "exposure": _exposures(seen, joined)}
    made = made.assign(products=joined["product"], **told)[list(COLUMNS)]
    order = ["separation", "start"] if sort == "separation" else ["start", "separation"]
    made = made.sort_values(order, kind="stable", ignore_index=True)
    made.attrs = {"units": UNITS, "target": place.to_string(precision=5), "radius": f"{size * 60:.6g} arcmin"}
    return made


def _exposures(seen: pd.DataFrame, joined: pd.DataFrame) -> np.ndarray:
    """Exposure of each observation: of one listed in parts that began at other times their sum, NaN if one has none."""
    keys = ["mission", "obsid"]
    parts = seen.groupby([*keys, "start"], sort=False, dropna=False)["exposure"].max().reset_index()
    summed = parts.groupby(keys, sort=False)["exposure"].agg(lambda part: part.sum(skipna=False))
    return summed.reindex(list(zip(joined["mission"], joined["obsid"], strict=True))).to_numpy(dtype=float)


def _joined(texts: pd.Series) -> str:
    return ", ".join(dict.fromkeys(text for text in texts if text))


def _missions(mission: str | Iterable[str] | None) -> list[str] | None:
    """Return missions as the declarations spell them."""
    from analysis import catalogue

    if mission is None:
        return None
    known = {name.lower(): name for name in catalogue.observed_missions("xray")}
    given = [mission] if isinstance(mission, str) or not isinstance(mission, Iterable) else list(mission)
    if not given:
        raise BadOption("mission is an empty list; leave it out for all missions")
    found = []
    for name in given:
        if str(name).lower() not in known:
            there = f"there are {', '.join(sorted(known.values()))}{near(name, known.values())}"
            raise BadOption(f"mission={name!r} has no list of observations here; {there}")
        found.append(known[str(name).lower()])
    return found

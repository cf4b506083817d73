"""GOES X-ray files as NASA's Solar Data Analysis Center writes them: one long row, the clock in its own way.

TIMESYS says 'MJD', TIMEZERO is the day as MJD, TIME seconds of that day in UTC; -99999 is no data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.errors import CorruptFile
from analysis.formats import _fitscolumns as columns
from analysis.formats import _fitsmeta as meta
from analysis.formats import table
from analysis.formats._fitsio import Hdu, number, text

NO_DATA = -99999.0
CHANNELS = {"xrs_a": (0.5, 4.0, "short"), "xrs_b": (1.0, 8.0, "long")}  # ångström


def holds(hdus: Sequence[Hdu]) -> bool:
    """Return whether the file is such a GOES file."""
    named = {hdu.name: hdu for hdu in hdus if hdu.kind == "table"}
    return {"EDGES", "FLUXES"} <= set(named) and text(named["FLUXES"], "TIMESYS").upper() == "MJD"


def dataset(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.Dataset:
    """Return the X-ray flux of the two GOES channels.

    Parameters
    ----------
    hdus : sequence of Hdu
        Of a file for which :func:`holds` is true.
    assume : mapping
        Nothing is left to assume.

    Returns
    -------
    xarray.Dataset
        Dim ``time`` (UTC); ``xrs_a`` (0.5–4 Å) and ``xrs_b`` (1–8 Å) in W m-2, NaN where there are no data.

    Raises
    ------
    CorruptFile
        If the channels are not these two, or times and fluxes do not fit together.

    References
    ----------
    Garcia (1994), Solar Phys. 154, 275, on the two channels.

    Examples
    --------
    >>> from analysis import sample
    >>> from analysis.formats._fitsio import opened
    >>> goes = dataset(opened(sample.path("goes15_xrs_20110607.fits")), {})
    >>> print(goes.time[int(goes.xrs_b.argmax("time"))].values)
    2011-06-07T06:41:24.118999958
    """
    named = {hdu.name: hdu for hdu in hdus}
    fluxes = named["FLUXES"]
    meta.facts(assume, (), "a GOES X-ray file", fluxes.file)
    edges = np.asarray(columns.needed(named["EDGES"], "edges"), float).reshape(-1, 2)
    seconds = np.asarray(columns.needed(fluxes, "time"), float).reshape(-1)
    flux = np.asarray(columns.needed(fluxes, "flux"))
    day = number(fluxes, "TIMEZERO")
    if flux.size != seconds.size * len(edges) or not np.isfinite(seconds).all() or day is None:
        raise CorruptFile(
            f"{fluxes.where}: {flux.size} fluxes and {seconds.size} times do not fit, or TIMEZERO is missing"
        )
    time = table.instants(fluxes, seconds, day, 0.0, "UTC")
    if not (time[1:] > time[:-1]).all():
        raise CorruptFile(f"{fluxes.where}: TIME does not increase")
    units, unknown = meta.units_of(text(fluxes, f"TUNIT{columns.columns(fluxes)['flux'].number}"), fluxes.where)
    data = xr.Dataset(coords={"time": xr.Variable("time", time, {"long_name": "Time (UTC)"})})
    by_channel = flux.reshape(seconds.size, len(edges)).T
    for name, (low, high, which) in CHANNELS.items():
        match = [values for edge, values in zip(edges, by_channel, strict=True) if np.allclose(edge, (low, high))]
        if len(match) != 1:
            raise CorruptFile(f"{fluxes.file} has no channel of {low:g} to {high:g} Å; EDGES says {edges.tolist()}")
        values, fills = meta.without_fills(np.where(match[0] == NO_DATA, np.nan, match[0]).astype(flux.dtype))
        long_name = f"X-ray irradiance, {low / 10:g}-{high / 10:g} nm (GOES {which} channel)"
        data[name] = xr.Variable("time", values, {"units": units, "long_name": long_name, **unknown, **fills})
    notes = [f"TIME is in seconds of the UTC day MJD {day:g} (TIMESYS 'MJD'); -99999 is no data"]
    if "STATUS" in named:
        notes.append(f"left out: STATUS ({columns.rows(named['STATUS'])} status words)")
    return meta.finished(data, [fluxes, hdus[0]], "X-ray flux", notes)

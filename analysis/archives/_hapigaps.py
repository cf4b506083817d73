"""Where a time series has no records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import WrongData

if TYPE_CHECKING:
    import pandas as pd

    from analysis.archives._hapiblocks import Query

FACTOR = 1.5  # times the cadence between two records is a gap
MOST = 1000
ROWS = 1 << 16  # times that are looked at together


def after_which(times: np.ndarray, cadence: int | None) -> np.ndarray:
    """Return which records a gap follows; none of a dataset without a cadence, where that is not known.

    Examples
    --------
    >>> after_which(np.array([0, 10, 50, 60], "M8[ns]"), 10)
    array([1])
    """
    if cadence is None or not len(times):
        return np.empty(0, np.intp)
    longest = np.timedelta64(cadence, "ns") * FACTOR
    return np.concatenate(
        [np.flatnonzero(np.diff(times[i : i + ROWS + 1]) > longest) + i for i in range(0, len(times), ROWS)]
    )


def of_times(times: np.ndarray, query: Query, after: np.ndarray) -> tuple[list[list[str]], str]:
    """Return the gaps of a query's records as texts, and a line of history that says how many there are.

    ``after`` is what :func:`after_which` gives.

    A dataset without a cadence has a gap only where a record's neighbours cannot be judged: before its first record
    and after its last, to the end of what was asked for.
    """
    cadence = query.dataset.info.cadence
    start = max(query.start, query.dataset.start)
    stop = min(query.stop, query.dataset.stop)
    step = np.timedelta64(cadence or 0, "ns")
    found = []
    if times[0] - start > step * FACTOR:
        found.append((start, times[0]))
    if cadence is not None:
        found += [(times[i] + step, times[i + 1]) for i in _longest(times, after)]
        if len(after) > MOST:
            line = f"{len(after)} gaps between records longer than {FACTOR} cadences; the {MOST} longest are in attrs"
        else:
            line = f"{len(after)} gaps between records longer than {FACTOR} cadences" if len(after) else ""
    else:
        line = "no cadence is stated: gaps between records are not known"
    if stop - times[-1] > step * FACTOR:
        found.append((times[-1] + step, stop))
    return [[str(low), str(high)] for low, high in found], line


def _longest(times: np.ndarray, after: np.ndarray) -> np.ndarray:
    if len(after) <= MOST:
        return after
    lengths = times[after + 1] - times[after]
    return np.sort(after[np.argsort(lengths, kind="stable")[-MOST:]])


def gaps(dataset: xr.Dataset | xr.DataArray) -> pd.DataFrame:
    """Return the intervals of a fetched dataset that have no records.

    Parameters
    ----------
    dataset : xarray.Dataset
        As :func:`data` gives it; a node of a DataTree too.

    Returns
    -------
    pandas.DataFrame
        Columns ``start`` and ``stop`` (half-open, UTC) and ``duration``. A gap begins one cadence after the record
        before it. Where there are more than a thousand between records, the longest.

    Raises
    ------
    WrongData
        If it does not say (``attrs["gaps"]``), as data that were not fetched from a HAPI server.

    Examples
    --------
    >>> gaps(xr.Dataset(attrs={"gaps": '[["2001-01-01T00:00:00", "2001-01-01T06:00:00"]]'})).duration[0]
    Timedelta('0 days 06:00:00')
    """
    import pandas as pd

    try:
        told = json.loads(dataset.attrs["gaps"])
        found = pd.DataFrame(told, columns=["start", "stop"]).astype("datetime64[ns]")
    except (KeyError, ValueError, TypeError) as error:
        raise WrongData("the data do not say where they have gaps: attrs['gaps'] is no list of intervals") from error
    return found.assign(duration=found["stop"] - found["start"])

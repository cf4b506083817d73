"""Files of nothing but good time intervals, as extractors and filters take them.

References: OGIP/93-003 (Angelini et al.), times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from analysis.formats import _fitsmeta as meta
from analysis.formats import events
from analysis.formats._fitsio import Hdu


def holds(hdus: Sequence[Hdu]) -> bool:
    """Return whether all that the file holds is good time intervals on a clock."""
    held = [h for h in hdus if h.kind != "empty"]
    clocked = all(meta.mjd_reference(h, hdus[0]) is not None for h in held)
    return bool(held) and clocked and all(events.is_gti(h) for h in held)


def tree(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    """Return good time intervals on one clock.

    Parameters
    ----------
    hdus : sequence of Hdu
        Of a file for which :func:`holds` is true.
    assume : mapping
        ``mjdref`` (days), ``timesys``, where the header leaves them out.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        ``start``, ``stop`` (s since ``mjdref``) on ``interval``; of several sets a tree of ``gti``, when all of them
        that hold for all detectors were good, and ``gti_sets`` as stored.

    Raises
    ------
    CorruptFile
        If an interval is undefined or stops before it starts.

    Examples
    --------
    >>> holds([])
    False
    """
    known = meta.facts(assume, events.FACTS[:2], "a file of good time intervals", hdus[0].file)
    nodes = events.intervals_of(hdus, next(h for h in hdus if h.kind != "empty"), known)
    known.warn(hdus[0].file)
    return nodes["gti"] if len(nodes) == 1 else xr.DataTree.from_dict(nodes)

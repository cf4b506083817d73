"""Outlines of regions on an event list's plane of pixels, for pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption
from analysis.xray.shapes import read_region
from analysis.xray.sky import events_of

if TYPE_CHECKING:
    from regions import PixelRegion

    from analysis.xray.shapes import Region2D, Shapes


def region_outlines(
    events: xr.DataTree | xr.Dataset, regions: Shapes | Mapping[str, Shapes]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the lines around regions, in the list's x and y.

    Parameters
    ----------
    events : xarray.DataTree or xarray.Dataset
        With ``x`` and ``y``, and their sky coordinates where a region is on the sky.
    regions : a region, or regions by name
        As for :func:`analysis.xray.in_region`.

    Returns
    -------
    dict of str to (x, y)
        Closed lines by name; several shapes of one region are numbered, and those cut out are called so.

    Raises
    ------
    BadOption, MissingFile, WrongData
        As :func:`analysis.xray.in_region`.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> found = region_outlines(m82, {"core": 'icrs; circle(148.958, 69.680, 20")'})
    >>> [(name, len(x) > 10) for name, (x, y) in found.items()]
    [('core', True)]
    """
    listed = events_of(events, "region_outlines")
    named = regions if isinstance(regions, Mapping) else {"region": regions}
    if not named:
        raise BadOption("regions={} names none; give for example {'source': 'icrs; circle(148.958, 69.680, 20\")'}")
    outlines: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, region in named.items():
        found = read_region(region, listed, None, "region_outlines")
        for number, shape in enumerate(found.include):
            outlines[name if number == 0 else f"{name} {number + 1}"] = _line(shape, found)
        for number, shape in enumerate(found.exclude):
            outlines[f"{name}, cut out" if number == 0 else f"{name}, cut out {number + 1}"] = _line(shape, found)
    return outlines


def _line(shape: PixelRegion, found: Region2D) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a shape as matplotlib would draw it, on the list's own axes."""
    patch = shape.as_artist()
    path = patch.get_path().transformed(patch.get_patch_transform())
    corners = [np.asarray(part) for part in path.to_polygons(closed_only=False)]
    joined = np.concatenate([np.vstack([part, [[np.nan, np.nan]]]) for part in corners])[:-1]
    return joined[:, 0] * found.step + found.start[0], joined[:, 1] * found.step + found.start[1]

"""Selections as files: JSON of ours, and regions as DS9 reads them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.errors import AnalysisError, BadOption, CorruptFile, MissingFile, StoreError, UnknownFormat
from analysis.model import span
from analysis.xray.carrying import axes_of, on_sky, steps_on_sky
from analysis.xray.plane_shapes import KINDS, PlaneShape, plane_shape
from analysis.xray.selections import Selection
from analysis.xray.sky import WCS_KEYS, pixel_area, wcs_of

FORMAT, VERSION = "sanko selection", 1
DIGITS = 12  # after the point, in DS9's text
LARGEST = 10_000_000  # bytes of a file that can be a selection


def save_selection(chosen: Selection, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Return the path of a JSON file that now holds a selection; it appears when it is whole, or not at all.

    Parameters
    ----------
    chosen : Selection
    path : str or path-like
        Ends in ``.json``.
    overwrite : bool, optional
        Whether a file that is there may be replaced.

    Raises
    ------
    BadOption
        If it is no selection, the name ends otherwise, or the file is there and may not be replaced.
    StoreError
        If there is no such folder, or it may not be written to.

    Examples
    --------
    >>> import tempfile
    >>> from analysis import xray
    >>> core = xray.selection("core", xray.fetch("m82_acis_events"), circle=(4150, 4080, 40))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     xray.read_selection(xray.save_selection(core, f"{folder}/core.json")) == core
    True
    """
    from analysis.panels.saving import write_whole

    target = Path(path)
    if not isinstance(chosen, Selection):
        raise BadOption(f"{type(chosen).__name__} is no selection; xray.selection makes one")
    if target.suffix.lower() != ".json":
        raise BadOption(f"{target}: a selection is saved as .json; xray.selection_region gives the text for DS9")
    if target.exists() and not overwrite:
        raise BadOption(f"{target} is there already; overwrite=True replaces it")
    if not target.parent.is_dir():
        raise StoreError(f"{target}: there is no folder {target.parent}")
    held = {
        "format": FORMAT,
        "version": VERSION,
        "name": chosen.name,
        "region": {"kind": chosen.shape.kind, "numbers": list(chosen.shape.numbers), "plane": chosen.plane},
        "band_kev": chosen.band,
        "time_utc": chosen.time,
        "column": chosen.column,
    }
    write_whole(target, (json.dumps(held, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    return target


def read_selection(path: str | os.PathLike[str]) -> Selection:
    """Return the selection that a file of :func:`save_selection` holds.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    MissingFile
        If there is no such file.
    UnknownFormat
        If it is no selection, or one of a later version.
    CorruptFile
        If it is damaged.

    Examples
    --------
    >>> from analysis.errors import MissingFile
    >>> try:
    ...     read_selection("nowhere.json")
    ... except MissingFile as error:
    ...     print(error)
    there is no file nowhere.json
    """
    source = Path(path)
    if not source.is_file():
        raise MissingFile(f"there is no file {source}")
    if source.stat().st_size > LARGEST:
        raise UnknownFormat(f"{source} is too large to be a selection ({source.stat().st_size} bytes)")
    try:
        held = json.loads(source.read_bytes().decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        if FORMAT.encode() in source.read_bytes()[:200]:
            raise CorruptFile(f"{source} is a selection, but damaged: {error}") from error
        raise UnknownFormat(f"{source} is no selection of xray.save_selection, which are JSON: {error}") from error
    if not isinstance(held, Mapping) or held.get("format") != FORMAT:
        raise UnknownFormat(f"{source} is JSON, but no selection of xray.save_selection")
    if held.get("version") != VERSION:
        raise UnknownFormat(f"{source} is a selection of version {held.get('version')!r}; known is {VERSION}")
    try:
        return _selection(held)
    except (KeyError, TypeError, ValueError, AttributeError, AnalysisError) as error:
        raise CorruptFile(f"{source} is a selection, but damaged: {error}") from error


def selection_region(chosen: Selection) -> str:
    """Return the region of a selection as DS9's text: on the sky (ICRS) where its pixels are, else in ``physical``.

    Parameters
    ----------
    chosen : Selection
        With a region. A box becomes a polygon of its corners. Angles of ellipses are as DS9 has them: of ``physical``
        ones from +x towards +y, on the sky 90° more than the position angle of the first axis (north through east).

    Returns
    -------
    str
        For a file of DS9, or :func:`analysis.xray.in_region`; the name is its label. DS9 leaves out events just on
        an edge that a selection holds.

    Raises
    ------
    BadOption
        If it has no region.

    References
    ----------
    Joye & Mandel (2003), ASP Conf. Ser. 295, 489 (SAOImage DS9); astropy regions.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> print(xray.selection_region(xray.selection("core", m82, circle=(4150, 4080, 40))).splitlines()[2])
    icrs
    """
    import astropy.units as u
    import xarray as xr
    from regions import (
        CirclePixelRegion,
        CircleSkyRegion,
        EllipsePixelRegion,
        EllipseSkyRegion,
        PixCoord,
        PolygonPixelRegion,
        PolygonSkyRegion,
        Regions,
    )

    if not isinstance(chosen, Selection) or not chosen.shape.kind:
        raise BadOption(f"{getattr(chosen, 'name', chosen)!r:.60} has no region: circle, ellipse, box or polygon")
    shape, plane = chosen.shape, chosen.plane
    points = np.array([shape.numbers[:2]]) if shape.kind in ("circle", "ellipse") else shape.corners
    if set(WCS_KEYS) <= set(plane):
        sky = on_sky(points, plane).icrs
        if shape.kind == "circle":
            made = CircleSkyRegion(
                sky[0], shape.numbers[2] * math.sqrt(pixel_area(xr.Dataset(attrs=plane))[0]) * u.arcsec
            )
        elif shape.kind == "ellipse":
            directions, lengths, _ = np.linalg.svd(steps_on_sky(points[0], plane) @ axes_of(shape))
            east, north = directions[:, 0]
            angle = (math.degrees(math.atan2(east, north)) + 90) % 180
            made = EllipseSkyRegion(sky[0], *(2 * lengths * u.arcsec), angle * u.deg)
        else:
            made = PolygonSkyRegion(sky)
    else:
        at = PixCoord(points[:, 0] - 1, points[:, 1] - 1)
        if shape.kind == "circle":
            made = CirclePixelRegion(at[0], shape.numbers[2])
        elif shape.kind == "ellipse":
            made = EllipsePixelRegion(at[0], 2 * shape.numbers[2], 2 * shape.numbers[3], shape.numbers[4] * u.deg)
        else:
            made = PolygonPixelRegion(at)
    made.meta["text"] = chosen.name.translate({ord("{"): "(", ord("}"): ")"})
    text = Regions([made]).serialize(format="ds9", precision=DIGITS)
    return str(text).replace("\nimage\n", "\nphysical\n")


def _selection(held: Mapping[str, Any]) -> Selection:
    """The selection that a file says, checked as one that a person gives."""
    name, region = held["name"], held["region"]
    kind, numbers, plane = region["kind"], [_number(v) for v in region["numbers"]], region["plane"]
    if kind not in KINDS or not isinstance(name, str) or not name.strip() or not isinstance(plane, dict):
        raise ValueError(f"name {name!r:.40} or region {kind!r:.40} cannot be")
    given: dict[str, Any] = {}
    if kind == "circle":
        given["circle"] = numbers
    elif kind == "ellipse":
        given["ellipse"] = numbers
    elif kind == "box":
        given |= {"x": numbers[:2], "y": numbers[2:]}
    elif kind == "polygon":
        given["polygon"] = np.array(numbers).reshape(-1, 2)
    shape = plane_shape("the file", **given)
    if list(shape.numbers) != numbers:
        raise ValueError(f"the {kind or 'whole plane'} has {len(numbers)} numbers, {len(shape.numbers)} can be used")
    if plane:
        wcs_of(plane, "the file")
    band = None if held["band_kev"] is None else tuple(_number(v) for v in held["band_kev"])
    if band is not None and (len(band) != 2 or not 0 <= band[0] < band[1]):
        raise ValueError(f"band_kev is {band}")
    time = held["time_utc"]
    if time is not None:
        start, stop = time
        span(start, stop)
        time = (start, stop)
    column = held["column"]
    if column is not None:
        title, low, high, units = column
        column = (str(title), _number(low), _number(high), str(units))
        if not column[1] < column[2]:
            raise ValueError(f"the range of {title} is {low} to {high}")
    return Selection(name, PlaneShape(kind, tuple(numbers)), plane, band, time, column)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.40} is no finite number")
    return float(value)

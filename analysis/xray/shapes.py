"""Events in regions: shapes of the regions package and DS9 files, their areas, and source against background."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from analysis.errors import BadOption, MissingFile, OutsideCoverage, WrongData
from analysis.model import check, history_with, labelled
from analysis.xray.inputs import node, synthetic_of, variable, with_nodes, with_region, without_area
from analysis.xray.sky import events_of, pixel_area, sky_frame_of, wcs_of

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from regions import PixCoord, PixelRegion, Region, Regions

    Shapes: TypeAlias = "str | Path | Region | Regions | Iterable[Region]"

EXAMPLE = "'fk5; circle(228.4818, -59.1358, 15\")', the name of a DS9 file, or an object of the regions package"
SAMPLES = 2000  # points a side of the grid on which areas of several shapes are measured
FLAT = ("point", "line", "text")  # nothing lies inside these
OFFSET = 1.0  # columns count pixels from 1 as FITS does, the regions package from 0


@dataclass(frozen=True, eq=False)
class Region2D:
    """Shapes on a plane of pixels: an event belongs if any of ``include`` (all, if none) and none of ``exclude`` does.

    ``start`` and ``step``: where pixel 0 lies in the list's x and y, and how large a pixel is in those.
    """

    include: list[PixelRegion]
    exclude: list[PixelRegion]
    start: tuple[float, float]
    step: float
    text: str


def in_region(events: xr.DataTree, region: Shapes, *, image: xr.Dataset | None = None) -> xr.DataTree:
    r"""Return the events in a region: any of its included shapes and none of its excluded ones.

    Parameters
    ----------
    events : xarray.DataTree
        With the node ``events`` (``x``, ``y``), and their sky coordinates where the region is on the sky.
    region : str, pathlib.Path or object of the regions package, or several
        DS9's text (``fk5``, ``icrs``, ``galactic``, ``physical``; shapes after a minus are cut out) or a file of it;
        or shapes of astropy's ``regions``. DS9's ``physical`` coordinates are the columns x and y; pixel regions of
        the package count from 0, so that their pixel 0 is x = 1.
    image : xarray.Dataset, optional
        Of :func:`analysis.xray.image`: which image DS9's ``image`` coordinates (and pixel regions) are of.

    Returns
    -------
    xarray.DataTree
        The same tree with fewer events. Attrs ``region`` and ``history`` say the region, ``region_area`` its area,
        which :func:`analysis.xray.event_spectrum` keeps as ``backscal``.

    Raises
    ------
    BadOption
        If the region cannot be read whole, has no inside, or is in image coordinates without ``image``.
    MissingFile
        If the file is not there.
    WrongData
        If the region is on the sky and the list does not say where its pixels lie on it.
    OutsideCoverage
        If no event lies in the region, or it lies on the far side of the sky.

    Notes
    -----
    An event belongs where ``region.to_pixel(wcs).contains`` of the regions package says so. A circle on the sky is one
    on the plane of pixels there; :func:`analysis.xray.within` takes the true circle on the sphere.

    References
    ----------
    Joye & Mandel (2003), ASP Conf. Ser. 295, 489 (SAOImage DS9); astropy regions.

    Examples
    --------
    >>> from analysis import xray
    >>> ring = 'icrs; circle(148.958, 69.680, 20") \n -circle(148.958, 69.680, 8")'
    >>> cut = xray.in_region(xray.fetch("m82_acis_events"), ring)
    >>> cut["events"].attrs["region_area_units"]
    'arcsec2'
    """
    listed = node(events, "events", "in_region")
    found = read_region(region, listed, image, "in_region")
    x, y = (variable(listed, name, "in_region").values for name in ("x", "y"))
    kept = _contains(found, x, y)
    if not kept.any():
        raise OutsideCoverage(_nothing(found, x, y))
    cut = listed.isel(event=np.flatnonzero(kept))
    step = f"xray.in_region: {found.text}, {int(kept.sum())} of {kept.size} events"
    area, units = _area(found, listed)
    attrs = {
        **without_area(cut.attrs),
        "region": with_region(listed, found.text),
        "history": history_with(listed, step),
    }
    if "region" not in listed.attrs and np.isfinite(area):
        attrs |= {"region_area": area, "region_area_units": units}
    cut.attrs = attrs
    return with_nodes(events, {"events": check(cut)})


def region_area(events: xr.DataTree | xr.Dataset, region: Shapes, *, image: xr.Dataset | None = None) -> xr.DataArray:
    """Return the area of a region on the list's plane of pixels.

    Parameters
    ----------
    events, region, image
        As for :func:`in_region`.

    Returns
    -------
    xarray.DataArray
        In arcsec2 where the list says how large its pixels are on the sky, else in pix2. One shape: its own formula;
        several: the union less what is excluded, measured on a grid of 2000 × 2000 points, which attr ``method`` says.
        What of it lies outside the field of view is not taken off.

    Raises
    ------
    BadOption, MissingFile, WrongData, OutsideCoverage
        As for :func:`in_region`; BadOption also for a region of which everything is included, which has no area.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> float(xray.region_area(m82, 'icrs; circle(148.958, 69.680, 10")').round(1))
    314.2
    """
    listed = events_of(events, "region_area")
    found = read_region(region, listed, image, "region_area")
    area, units = _area(found, listed)
    if not np.isfinite(area):
        raise BadOption(f"{found.text} only excludes, so it has no area; include a shape")
    method = "the shape's formula" if _is_one(found) else f"a grid of {SAMPLES} × {SAMPLES} points"
    attrs = {"region": found.text, "method": method, **synthetic_of(listed)}
    return labelled(xr.DataArray(area), "region_area", units=units, long_name="Area of the region", attrs=attrs)


def area_ratio(
    events: xr.DataTree | xr.Dataset, source: Shapes, background: Shapes, *, image: xr.Dataset | None = None
) -> xr.DataArray:
    """Return the area of a source region over that of its background: by this the background's counts are scaled.

    Parameters
    ----------
    events, image
        As for :func:`in_region`.
    source, background
        Regions as for :func:`in_region`.

    Returns
    -------
    xarray.DataArray
        Dimensionless: BACKSCAL of the source over BACKSCAL of the background (OGIP/92-007). Areas only; where the
        exposure differs between the two, compare an exposure map in them too.

    Raises
    ------
    BadOption, MissingFile, WrongData
        As for :func:`in_region`.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> small, large = (f'icrs; circle(148.958, 69.680, {r}")' for r in (5, 10))
    >>> float(xray.area_ratio(m82, small, large).round(6))
    0.25
    """
    ours, theirs = (region_area(events, shape, image=image) for shape in (source, background))
    attrs = {"source_region": ours.attrs["region"], "background_region": theirs.attrs["region"], **synthetic_of(ours)}
    long_name = "Area of the source region over that of the background"
    return labelled(
        xr.DataArray(float(ours) / float(theirs)), "area_ratio", units="1", long_name=long_name, attrs=attrs
    )


# ------------------------------------------------------------------------------------------ reading


def read_region(region: Shapes, listed: xr.Dataset, image: xr.Dataset | None, what: str) -> Region2D:
    """Return the shapes of a region on a list's plane of pixels; ``what`` names the caller in errors."""
    from regions import PixelRegion, Region, SkyRegion

    shapes: list[Region]
    if isinstance(region, str | Path):
        shapes, frames, text = _of_text(region)
    elif isinstance(region, Region):
        shapes, frames, text = [region], [""], _written([region])
    else:
        try:
            shapes = list(region)
        except TypeError as error:
            raise BadOption(f"region={region!r:.80} is no region; give {EXAMPLE}") from error
        frames, text = [""] * len(shapes), _written(shapes)
    if not shapes or not all(isinstance(shape, PixelRegion | SkyRegion) for shape in shapes):
        raise BadOption(f"region={region!r:.80} holds no shape that can be used; give {EXAMPLE}")
    on_image = "image" in frames or (image is not None and any(isinstance(s, PixelRegion) for s in shapes))
    if on_image and image is None:
        raise BadOption(
            "DS9's image coordinates depend on how the events were binned: give image=, the image that the region was "
            "drawn on, or save it in DS9 as physical, fk5, icrs or galactic"
        )
    if on_image and "physical" in frames:
        raise BadOption("the region mixes image and physical coordinates; save it in one of them, or as fk5")
    plane, start, step = _plane(
        listed, image if on_image else None, what, any(isinstance(s, SkyRegion) for s in shapes)
    )
    pixels = [shape if isinstance(shape, PixelRegion) else shape.to_pixel(plane) for shape in shapes]
    for shape in pixels:
        if not _is_placed(shape):
            raise OutsideCoverage(f"{what}: part of {text} lies on the far side of the sky, off the list's plane")
        name = type(shape).__name__.removesuffix("PixelRegion").lower()
        if name in FLAT:
            raise BadOption(f"a {name} has no inside, so no events lie in it ({text}); take a circle, box, polygon …")
    excluded = [str(shape.meta.get("include", 1)).lower() in ("0", "-", "false") for shape in shapes]
    sides = [[p for p, out in zip(pixels, excluded, strict=True) if out is side] for side in (False, True)]
    return Region2D(sides[0], sides[1], start, step, text)


def _of_text(region: str | Path) -> tuple[list[Region], list[str], str]:
    """Shapes of DS9's text or of a file; which pixel coordinates they are in; the text in one line."""
    from regions import PixelRegion, Regions

    told = str(region)
    if isinstance(region, Path) or not re.search(r"[(\n;]", told):
        path = Path(region)
        if not path.is_file():
            raise MissingFile(f"there is no region file {told!r}; give {EXAMPLE}")
        try:
            told = path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise BadOption(f"{path} is no text of DS9's regions; FITS regions are not read here") from error
    lines = [line.split("#")[0].strip() for line in re.split(r"[\n;]", told)]
    lines = [line for line in lines if line and not line.lower().startswith("global")]
    frames = {line.lower() for line in lines if line.lower() in ("image", "physical")}
    if len(frames) > 1:
        raise BadOption("the region mixes image and physical coordinates; save it in one of them, or as fk5")
    # the package knows no physical coordinates: of an event list they count as those of an image do
    plain = ["image" if line.lower() == "physical" else line for line in lines]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            shapes = list(Regions.parse("\n".join(plain), format="ds9"))
        except (ValueError, TypeError, IndexError, KeyError) as error:
            raise BadOption(f"the region {_short(lines)} cannot be read: {error}; give {EXAMPLE}") from error
    skipped = [str(w.message) for w in said if "skipping" in str(w.message)]
    if skipped or not shapes:
        reason = "; ".join(skipped) or "it holds no shape"
        raise BadOption(f"the region {_short(lines)} cannot be read whole: {reason}; give {EXAMPLE}")
    frame = next(iter(frames), "")
    return shapes, [frame if isinstance(s, PixelRegion) else "" for s in shapes], "; ".join(lines)


def _is_placed(shape: PixelRegion) -> bool:
    """Whether a shape has a place on the plane: half of the sky has none on a tangential one."""
    if hasattr(shape, "region1"):
        return _is_placed(shape.region1) and _is_placed(shape.region2)
    places = [getattr(shape, name) for name in ("center", "vertices", "start", "end") if hasattr(shape, name)]
    return all(np.isfinite(at.x).all() and np.isfinite(at.y).all() for at in places)


def _short(lines: list[str]) -> str:
    text = "; ".join(lines)
    return repr(text if len(text) < 120 else text[:117] + "…")


def _written(shapes: list[Region]) -> str:
    """Shapes of the package in one line."""
    parts = []
    for shape in shapes:
        text = re.sub(r"\s+", " ", repr(shape)).strip("<>")
        parts.append(
            f"-{text}" if str(getattr(shape, "meta", {}).get("include", 1)).lower() in ("0", "-", "false") else text
        )
    return "; ".join(parts)


def _plane(
    listed: xr.Dataset, image: xr.Dataset | None, what: str, on_sky: bool
) -> tuple[WCS | None, tuple[float, float], float]:
    """The sky coordinates of the plane of pixels, and where its pixel 0 lies in x and y."""
    start, step = (OFFSET, OFFSET), 1.0
    if image is not None:
        if not {"x", "y"} <= set(map(str, image.coords)) or "bin_size" not in image.attrs:
            raise WrongData(f"{what}: image= is an image as xray.image gives it, with coordinates x and y")
        start, step = (float(image["x"][0]), float(image["y"][0])), float(image.attrs["bin_size"])
    if not on_sky:
        return None, start, step
    wcs = wcs_of(listed.attrs, f"{what} with a region on the sky")
    if not str(listed.attrs["wcs_ctype"][0]).startswith("GLON"):
        frame = sky_frame_of(listed.attrs)
        wcs.wcs.radesys = frame.upper()
        if frame != "icrs":
            wcs.wcs.equinox = float(listed.attrs.get("equinox", 2000.0 if frame == "fk5" else 1950.0))
    if image is not None:
        wcs.wcs.crpix = [(c - s) / step + 1 for c, s in zip(wcs.wcs.crpix, start, strict=True)]
        wcs.wcs.cdelt = np.asarray(wcs.wcs.cdelt) * step
    return wcs, start, step


# ------------------------------------------------------------------------------------------ inside and area


def _contains(region: Region2D, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from regions import PixCoord

    at = PixCoord((x.astype(float) - region.start[0]) / region.step, (y.astype(float) - region.start[1]) / region.step)
    placed = np.isfinite(at.x) & np.isfinite(at.y)
    kept = np.zeros(x.shape, dtype=bool) if region.include else np.ones(x.shape, dtype=bool)
    for shape in region.include:
        kept |= _of_shape(shape, at)
    for shape in region.exclude:
        kept &= ~_of_shape(shape, at)
    return kept & placed


def _of_shape(shape: PixelRegion, at: PixCoord) -> np.ndarray:
    """What a shape contains, whatever its own mark of exclusion: that is ours to obey."""
    plain = shape.copy()
    plain.meta = {**plain.meta, "include": True}
    return np.asarray(plain.contains(at), dtype=bool)


def _is_one(region: Region2D) -> bool:
    return len(region.include) == 1 and not region.exclude and not hasattr(region.include[0], "operator")


def _area(region: Region2D, listed: xr.Dataset) -> tuple[float, str]:
    """Area and its unit; NaN where nothing bounds it."""
    pixel, units = pixel_area(listed)
    scale = region.step**2 * pixel
    if not region.include:
        return np.nan, units
    if _is_one(region):
        return float(region.include[0].area) * scale, units
    boxes = [shape.bounding_box for shape in region.include]
    low_x, high_x = min(b.ixmin for b in boxes) - 0.5, max(b.ixmax for b in boxes) - 0.5
    low_y, high_y = min(b.iymin for b in boxes) - 0.5, max(b.iymax for b in boxes) - 0.5
    middles = (np.arange(SAMPLES) + 0.5) / SAMPLES
    x, y = np.meshgrid(low_x + middles * (high_x - low_x), low_y + middles * (high_y - low_y))
    inside = _contains(region, x * region.step + region.start[0], y * region.step + region.start[1])
    return float(inside.mean()) * (high_x - low_x) * (high_y - low_y) * scale, units


def _nothing(region: Region2D, x: np.ndarray, y: np.ndarray) -> str:
    placed = np.isfinite(x) & np.isfinite(y)
    if not placed.any():
        return f"none of the {x.size} events has a position, so none lies in {region.text}"
    where = ""
    if region.include:
        box = region.include[0].bounding_box
        middle = [start + region.step * (low + high - 1) / 2 for start, low, high in zip(
            region.start, (box.ixmin, box.iymin), (box.ixmax, box.iymax), strict=True)]  # fmt: skip
        where = f"; its first shape lies about x = {middle[0]:.0f}, y = {middle[1]:.0f}"
    return (
        f"no event lies in {region.text}{where}; the events have x from {x[placed].min():.0f} to "
        f"{x[placed].max():.0f}, y from {y[placed].min():.0f} to {y[placed].max():.0f}"
    )

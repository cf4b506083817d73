"""Images divided by what each pixel could see: exposure maps, and vignetting that the user brings."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, MissingUnits, WrongData, WrongUnits
from analysis.model import check, derived, in_units, unit_of
from analysis.xray.inputs import as_dataset, datasets, variable
from analysis.xray.intervals import poisson_error

SAME = 1e-3  # of a pixel: so far grids may differ


def flux_image(
    image: xr.Dataset,
    exposure_map: xr.DataArray,
    *,
    vignetting: xr.DataArray | None = None,
    least: float = 0.0,
) -> xr.Dataset:
    """Return an image of counts divided by an exposure map on the same pixels.

    Parameters
    ----------
    image : xarray.Dataset
        As :func:`analysis.xray.image` gives it: ``counts`` on ``y, x``.
    exposure_map : xarray.DataArray
        On the same ``y`` and ``x``: seconds, or effective area times seconds (cm2 s). Zero and NaN are pixels that saw
        nothing.
    vignetting : xarray.DataArray, optional
        On the same pixels, the fraction of the on-axis area that is left there, 0 to 1; multiplies the exposure. For
        maps that do not hold it already.
    least : float, optional
        Pixels with less than this fraction of the greatest exposure are left out (NaN), since a few counts over next
        to nothing look like a source.

    Returns
    -------
    xarray.Dataset
        ``rate`` and ``rate_error`` on ``y, x``, in ct s-1 or ct cm-2 s-1 per pixel, NaN where nothing could be seen,
        with the image's coordinates; ``counts`` and ``exposure`` beside them. Errors: √N, 1.84 counts for N = 0.

    Raises
    ------
    WrongData
        If the grids differ, an exposure is negative, a vignetting is no fraction, or counts lie where nothing was seen.
    WrongUnits, MissingUnits
        If the map is neither in seconds nor in cm2 s.
    BadOption
        If ``least`` is no fraction.

    Examples
    --------
    >>> import xarray as xr
    >>> from analysis import xray
    >>> m82 = xray.image(xray.fetch("m82_acis_events"), bin_size=8)
    >>> even = xr.full_like(m82.counts, 900.0, dtype=float).assign_attrs(units="s", long_name="Exposure")
    >>> bool((xray.flux_image(m82, even).rate == m82.counts / 900).all())
    True
    """
    held = as_dataset(image, "flux_image")
    counts = variable(held, "counts", "flux_image")
    if counts.dims != ("y", "x"):
        raise WrongData(f"flux_image needs counts on (y, x), as xray.image gives them; these are on {counts.dims}")
    if not 0 <= least < 1:
        raise BadOption(f"least={least!r} is a fraction of the greatest exposure, 0 ≤ least < 1")
    exposure, units = _exposure(exposure_map)
    _same_grid(counts, exposure, "the exposure map")
    seconds = exposure.transpose("y", "x").values.astype(float)
    if vignetting is not None:
        _same_grid(counts, vignetting, "the vignetting")
        fraction = in_units(vignetting, "1").transpose("y", "x").values.astype(float)
        if (fraction < 0).any() or (fraction > 1).any():
            raise WrongData(
                f"a vignetting is a fraction from 0 to 1; this one reaches {np.nanmax(np.abs(fraction)):.4g}"
            )
        seconds = seconds * fraction
    if (seconds < 0).any():
        raise WrongData(f"an exposure is negative ({np.nanmin(seconds):.4g}); no pixel sees for less than nothing")
    seconds = np.where(np.isfinite(seconds), seconds, 0.0)
    n = counts.values
    if blind := int(n[seconds == 0].sum()):
        raise WrongData(
            f"{blind} counts lie in pixels that the exposure map says saw nothing; is it of this observation and grid? "
            "Cut the events to the map first, or give them NaN yourself"
        )
    seen = (
        np.where(seconds > least * seconds.max(), seconds, np.nan) if seconds.any() else np.full(seconds.shape, np.nan)
    )
    band = str(held.attrs.get("band", "all energies"))
    made = held.copy()
    rate = "ct s-1" if units == "s" else "ct cm-2 s-1"
    made["rate"] = (("y", "x"), n / seen, {"units": rate, "long_name": f"Count rate per pixel, {band}"})
    made["rate_error"] = (
        ("y", "x"),
        poisson_error(n) / seen,
        {"units": rate, "long_name": "1σ error of the count rate"},
    )
    made["exposure"] = (("y", "x"), np.nan_to_num(seconds), {"units": units, "long_name": "Exposure of the pixel"})
    left = int(np.isnan(seen).sum())
    step = f"xray.flux_image: counts over the exposure map{' times vignetting' if vignetting is not None else ''}, "
    step += f"{left} of {seen.size} pixels left out (exposure 0 or below {least:g} of the greatest)"
    title = str(held.attrs.get("title", "Image")).replace("Image", "Flux image", 1)
    return check(derived(made, held, title=title, step=step, also=datasets(exposure_map, vignetting)))


def _exposure(exposure_map: xr.DataArray) -> tuple[xr.DataArray, str]:
    if not isinstance(exposure_map, xr.DataArray):
        raise WrongData(f"exposure_map is a DataArray on y and x, not a {type(exposure_map).__name__}")
    if not str(exposure_map.attrs.get("units", "")):
        raise MissingUnits(
            "the exposure map has no unit; assign_attrs(units='s'), or 'cm2 s' with the effective area in it"
        )
    physical = unit_of(exposure_map)
    for units in ("s", "cm2 s"):
        if physical.is_equivalent(units):
            return in_units(exposure_map, units), units
    raise WrongUnits(f"the exposure map is in {exposure_map.attrs['units']!r}; it must be in s, or cm2 s")


def _same_grid(counts: xr.DataArray, other: xr.DataArray, what: str) -> None:
    if not isinstance(other, xr.DataArray) or set(other.dims) != {"y", "x"}:
        raise WrongData(f"{what} must be a DataArray on y and x, as the image is")
    for dim in ("y", "x"):
        if dim not in other.coords:
            raise WrongData(f"{what} does not say where its pixels lie: give it the image's coordinates y and x")
        ours, theirs = counts[dim].values.astype(float), other[dim].values.astype(float)
        step = float(abs(ours[1] - ours[0])) if ours.size > 1 else 1.0
        if ours.size != theirs.size or np.abs(ours - theirs).max() > SAME * step:
            raise WrongData(
                f"{what} is on another grid: its {dim} has {theirs.size} pixels from {theirs[0]:g} to {theirs[-1]:g}, "
                f"the image {ours.size} from {ours[0]:g} to {ours[-1]:g}; bin both alike"
            )

"""Lines of equal right ascension and declination over an image, and where they meet its frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from analysis.panels.loading import loaded

LINES = 5  # of each kind, about
SECOND = 15 / 3600  # degrees of right ascension in a second of time
HOURS = tuple(s * SECOND for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200))
DEGREES = tuple(
    s / 3600 for s in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000, 54000)
)
FRAMES = {"icrs": "ICRS", "fk5": "FK5", "fk4": "FK4"}


@dataclass(frozen=True)
class Graticule:
    """Lines to draw, ticks as (place, words), and what the axes are called."""

    lines: list[np.ndarray]
    xticks: list[tuple[float, str]]
    yticks: list[tuple[float, str]]
    xlabel: str
    ylabel: str


def graticule(array: xr.DataArray) -> Graticule | None:
    """Return the graticule of an image with two-dimensional coordinates ``ra`` and ``dec``; None for others.

    Parameters
    ----------
    array : xarray.DataArray
        Dims ``(y, x)`` with even coordinates.
    """
    known = [name for name in ("ra", "dec") if name in array.coords and array[name].dims == array.dims]
    if len(known) < 2 or min(array.shape) < 2:
        return None
    y, x = (
        array[str(dim)].values.astype(float) if dim in array.coords else np.arange(float(n))
        for dim, n in zip(array.dims, array.shape, strict=True)
    )
    ra, dec = (array[name].values.astype(float) for name in known)
    if not (np.isfinite(ra).any() and np.isfinite(dec).any()):
        return None
    middle = ra[ra.shape[0] // 2, ra.shape[1] // 2]
    middle = middle if np.isfinite(middle) else float(np.nanmedian(ra))
    turned = (ra - middle + 180) % 360 - 180  # no jump at 0 h inside the field
    if np.nanmax(turned) - np.nanmin(turned) > 300:
        return None  # around a pole the axes have no one right ascension each
    lines: list[np.ndarray] = []
    at_ra, step_ra = _levels(turned, HOURS, middle)
    at_dec, step_dec = _levels(dec, DEGREES, 0.0)
    xticks = _lines(lines, x, y, turned, at_ra, bottom=True)
    yticks = _lines(lines, x, y, dec, at_dec, bottom=False)
    frame = FRAMES.get(str(array["ra"].attrs.get("frame", "")).lower(), str(array["ra"].attrs.get("frame", "")))
    ending = f" ({frame})" if frame else ""
    return Graticule(
        lines,
        [(place, _hours((value + middle) % 360, step_ra)) for place, value in xticks],
        [(place, _degrees(value, step_dec)) for place, value in yticks],
        f"Right ascension{ending}",
        f"Declination{ending}",
    )


def drawn(found: Graticule, dims: list[Any]) -> Any:
    """Return a graticule's lines as a picture."""
    hv = loaded()
    style = {"color": "white", "line_width": 0.6, "line_alpha": 0.45, "line_dash": "dotted"}
    return hv.Path(found.lines, kdims=dims).opts(backend="bokeh", **style)


def _levels(values: np.ndarray, steps: tuple[float, ...], offset: float) -> tuple[np.ndarray, float]:
    """Round values within the field, about as many as wanted; ``offset`` was taken off the values."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    step = min(steps, key=lambda s: abs(np.log((high - low) / s / LINES)) if high > low else s)
    first, last = np.ceil((low + offset) / step - 1e-9), np.floor((high + offset) / step + 1e-9)
    return np.arange(first, last + 1) * step - offset, step


def _lines(
    lines: list[np.ndarray], x: np.ndarray, y: np.ndarray, values: np.ndarray, levels: np.ndarray, *, bottom: bool
) -> list[tuple[float, float]]:
    """Add the lines at these levels; return where each meets the lower (or left) edge, and its level."""
    from contourpy import contour_generator

    made = contour_generator(x, y, np.ma.masked_invalid(values))
    edge = values[0] if bottom else values[:, 0]
    along = x if bottom else y
    ticks = []
    for level in levels:
        parts = [np.asarray(part) for part in made.lines(float(level)) if part is not None and len(part) > 1]
        lines.extend(parts)
        crossing = np.flatnonzero((edge[:-1] - level) * (edge[1:] - level) <= 0)
        if crossing.size:
            i = int(crossing[0])
            span = edge[i + 1] - edge[i]
            part = (level - edge[i]) / span if span else 0.0
            ticks.append((float(along[i] + part * (along[i + 1] - along[i])), float(level)))
    return ticks


def _hours(degrees: float, step: float) -> str:
    """Write a right ascension as hours, as fine as its step."""
    fine = step < 0.999 * 60 * SECOND
    digits = 1 if step < 0.999 * SECOND else 0
    seconds = round(degrees / SECOND, digits) % 86400 if fine else round(degrees / SECOND / 60) * 60 % 86400
    hours, minutes, rest = int(seconds // 3600), int(seconds % 3600 // 60), seconds % 60
    ending = f"{rest:0{3 + digits if digits else 2}.{digits}f}ˢ" if fine else ""
    return f"{hours}ʰ{minutes:02d}ᵐ{ending}"


def _degrees(value: float, step: float) -> str:
    """Write a declination as degrees and minutes, and seconds where its step needs them."""
    sign = "−" if value < -1e-9 else "+"
    fine = step < 0.999 / 60
    digits = 1 if step < 0.999 / 3600 else 0
    seconds = round(abs(value) * 3600, digits) if fine else round(abs(value) * 60) * 60
    whole, minutes, rest = int(seconds // 3600), int(seconds % 3600 // 60), seconds % 60
    ending = f"{rest:0{3 + digits if digits else 2}.{digits}f}″" if fine else ""
    return f"{sign}{whole}°{minutes:02d}′{ending}"

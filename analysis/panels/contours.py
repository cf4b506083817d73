"""Lines of equal value over coloured cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.panels.loading import loaded

LINES = 8  # at most


def contour_lines(
    x: np.ndarray, y: np.ndarray, values: np.ndarray, *, clim: tuple[float, float], log: bool, dims: list[Any]
) -> tuple[Any, str]:
    """Return contour lines of values on a grid of centres, and words that say at which values they are.

    Parameters
    ----------
    x, y : numpy.ndarray, shapes (m,) and (n,)
    values : numpy.ndarray, shape (m, n)
        NaN, and on a logarithmic scale what is not positive, opens the lines.
    clim : (float, float)
        Lines lie within these limits.
    log : bool
        At powers of ten instead of even steps.
    dims : list of holoviews.Dimension
        Across and up.
    """
    from contourpy import contour_generator

    hv = loaded()
    with np.errstate(divide="ignore", invalid="ignore"):
        height = np.ma.masked_invalid(np.log10(np.where(values > 0, values, np.nan)) if log else values)
    levels, words = _levels(clim, log=log)
    lines = contour_generator(x, y, height.T)
    found = [part for level in levels for part in lines.lines(level) if len(part) > 1]
    drawn = hv.Path(found, kdims=dims).opts(backend="bokeh", color="white", line_width=0.9, line_alpha=0.8)
    return drawn, words if found else ""


def _levels(clim: tuple[float, float], *, log: bool) -> tuple[np.ndarray, str]:
    low, high = clim
    if log:
        first, last = np.ceil(np.log10(low) - 1e-9), np.floor(np.log10(high) + 1e-9)
        every = max(1, int(np.ceil((last - first + 1) / LINES)))
        return np.arange(first, last + 1, every), f"Lines at each factor of {10.0**every:g}."
    raw = (high - low) / LINES
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= raw)
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step, f"Lines at steps of {step:g}."

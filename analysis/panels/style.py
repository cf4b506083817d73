"""What all pictures share: sizes, colours, labels read from attrs, limits of a colour scale."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.panels.loading import loaded

WIDTH = 640  # inner width of a time panel, in screen pixels
HEIGHT = 190
BORDER = 95  # left of the frame, the same everywhere so that time axes in a column stay aligned
TIME_TOOLS = ["xwheel_zoom", "xpan", "xbox_zoom", "reset", "save"]
GRID = {"grid_line_color": "#dddddd"}
FONTS = {"title": "11pt", "labels": "10pt", "ticks": "9pt", "legend": "9pt", "clabel": "9pt", "cticks": "9pt"}
# Okabe & Ito (2008): told apart with any kind of colour vision.
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SEQUENTIAL, DIVERGING = "viridis", "coolwarm"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+")
# A whole number after a word or a bracket, with or without ^ or **; not that of 1e-22, nor of cm-0.5 or K(1/2).
EXPONENT = re.compile(r"((?<![\w.])[^\W\d]+|\))(?:\^|\*\*)?([-+]?\d+)(?![\w.(])")
MICRO = re.compile(r"(?<![\w.])u(?=(?:K|m|s|G|T|V|A|W|g|J|Jy|Pa|rad|arcsec)(?![A-Za-z_]))")
BACKGROUND = "#e8e8e8"  # where there is no value: a colour that no colour map used here holds


def unit_label(array: xr.DataArray) -> str | None:
    """Return the units as written on an axis; None for a plain number.

    Exponents are raised and the prefix micro is µ; words without exponents are joined by a dot. The attribute
    itself keeps the spelling that astropy parses.

    Examples
    --------
    >>> [unit_label(xr.DataArray(1.0, attrs={"units": units})) for units in ("nT", "1", "cm-2 s-1", "uK arcmin")]
    ['nT', None, 'cm⁻² s⁻¹', 'µK·arcmin']
    """
    units = str(array.attrs.get("units", "")).strip()
    if units in ("", "1"):
        return None
    if re.fullmatch(r"R_[A-Z][a-z]+", units):  # a planet's radii, for which astropy has no unit
        return f"{units[2:]} radii"
    text = MICRO.sub("µ", units.replace("R_earth", "R_E"))
    text = EXPONENT.sub(lambda found: found[1] + found[2].translate(RAISED), text)
    return text.replace(" ", "·") if re.fullmatch(r"[^\W\d]+( [^\W\d]+)+", text) else text


def dimension(array: xr.DataArray, name: str | None = None) -> Any:
    """Return a HoloViews dimension that carries the array's name, ``long_name`` and units.

    Examples
    --------
    >>> density = xr.DataArray([1.0], name="n", attrs={"units": "cm-3", "long_name": "Density"})
    >>> dimension(density).pprint_label
    'Density (cm⁻³)'
    """
    hv = loaded()
    key = name or str(array.name or "value")
    label = str(array.attrs.get("long_name", "")).strip() or key.replace("_", " ").capitalize()
    return hv.Dimension((key, label), unit=unit_label(array))


def axis_label(array: xr.DataArray, *, fold: int = 26) -> str:
    """Return "long name (units)", folded where it is longer than a low panel.

    Examples
    --------
    >>> axis_label(xr.DataArray(1.0, name="b", attrs={"units": "nT", "long_name": "Field"}))
    'Field (nT)'
    """
    text = dimension(array).pprint_label
    return text if len(text) <= fold + 4 else "\n".join(textwrap.wrap(text, fold))


def numeric(array: xr.DataArray, dims: int | None = None) -> xr.DataArray:
    """Return the array if it can be drawn: an xarray DataArray of numbers that is not empty.

    Raises
    ------
    WrongData
        If it is no DataArray, holds no numbers, has no elements, or has another number of dims.

    Examples
    --------
    >>> numeric(xr.DataArray([]))
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: array is empty (dims dim_0: 0): there is nothing to draw
    """
    if not isinstance(array, xr.DataArray):
        raise WrongData(f"a picture is made of an xarray.DataArray, not of a {type(array).__name__}")
    name = str(array.name or "array")
    if array.dtype.kind not in "fiub":
        raise WrongData(f"{name} holds {array.dtype}, not numbers; a picture needs real numbers")
    sizes = ", ".join(f"{k}: {v}" for k, v in array.sizes.items())
    if array.size == 0:
        raise WrongData(f"{name} is empty (dims {sizes}): there is nothing to draw")
    if dims is not None and array.ndim != dims:
        raise WrongData(f"{name} has dims ({sizes or 'none'}); this picture needs {dims}: select the others first")
    return array


def values_of(array: xr.DataArray) -> np.ndarray:
    """Return the values as 64-bit floats; infinities become NaN, for no axis can hold them."""
    values = np.asarray(array.values, dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def merged(array: xr.DataArray, attrs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the array's own attributes, and over them those of the dataset it comes from."""
    return {**array.attrs, **(attrs or {})}


def colour_limits(
    values: np.ndarray, clim: Sequence[float] | None, *, log: bool, diverging: bool = False
) -> tuple[float, float]:
    """Return limits of a colour scale that a few extreme values don't decide.

    Parameters
    ----------
    values : numpy.ndarray
        NaN where there is none.
    clim : pair of float or None
        Used as given, if given.
    log, diverging : bool
        Positive limits for a logarithmic scale; limits symmetric about zero.

    Raises
    ------
    BadOption
        If ``clim`` is not (low, high), low < high, and low > 0 on a logarithmic scale.

    Examples
    --------
    >>> colour_limits(np.array([-2.0, -2.0, 2.0]), None, log=False, diverging=True)
    (-2.0, 2.0)
    """
    if clim is not None:
        return limits(clim, "clim", log=log)
    finite = values[np.isfinite(values)]
    if log:
        finite = finite[finite > 0]
    if finite.size == 0:
        return (0.1, 1.0) if log else (0.0, 1.0)
    if diverging:
        high = float(np.percentile(np.abs(finite), 97.5)) or float(np.abs(finite).max()) or 1.0
        return -high, high
    low, high = (float(v) for v in np.percentile(finite, [1, 99.5]))
    if not low < high:
        low, high = float(finite.min()), float(finite.max())
    if not low < high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return low, high


def limits(given: object, what: str, *, log: bool = False) -> tuple[float, float]:
    """Return the ends of a scale as they were given, or refuse what is no pair of rising numbers.

    Raises
    ------
    BadOption
        If it is not (low, high), low < high, and low > 0 on a logarithmic scale.

    Examples
    --------
    >>> limits([1, 10], "ylim")
    (1.0, 10.0)
    """
    try:
        low, high = (float(end) for end in given)  # type: ignore[attr-defined]  # what is no pair is answered below
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not -np.inf < low < high < np.inf or (log and low <= 0):
        raise BadOption(
            f"{what}={given!r} is not (low, high), two numbers with {'0 < low < high' if log else 'low < high'}"
        )
    return low, high


def has_both_signs(values: np.ndarray) -> bool:
    """Return whether values lie on both sides of zero, more than a hundredth of them on each.

    Examples
    --------
    >>> has_both_signs(np.array([-1.0, 2.0])), has_both_signs(np.array([0.0, 2.0, np.nan]))
    (True, False)
    """
    finite = values[np.isfinite(values)]
    return bool(finite.size and min((finite < 0).mean(), (finite > 0).mean()) > 0.01)


def message(text: str, like: xr.DataArray, *, height: int = HEIGHT) -> Any:
    """Return a picture that says in words why there is nothing to see."""
    hv = loaded()
    words = hv.Text(0.5, 0.5, "\n".join(textwrap.wrap(text, 70)), kdims=["nothing_x", "nothing_y"])
    return words.opts(
        backend="bokeh", text_font_size="11pt", text_color="#555555", xaxis=None, yaxis=None, xlim=(0, 1),
        ylim=(0, 1), frame_width=WIDTH, frame_height=height, toolbar=None, hooks=[left_border],
        title=dimension(like).pprint_label,
    )  # fmt: skip


def left_border(plot: Any, element: Any) -> None:
    """HoloViews hook: the same room left of every frame, so that the axes of a column are aligned.

    Not so in a row: where titles differ in height, Bokeh moves the frames to one height without making room, and
    the lower edge of what it moves is cut off, labels first.
    """
    if hasattr(plot.state, "min_border_left"):
        plot.state.min_border_left = BORDER
        plot.state.frame_align = {"left": True, "right": True, "top": False, "bottom": False}

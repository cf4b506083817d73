"""HoloViews elements drawn with matplotlib, by the options that were set for Bokeh: for print, without a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from analysis.errors import BadOption
from analysis.panels.loading import loaded
from analysis.panels.style import LINES

POINT = 0.75  # of a screen pixel, in 1/72 inch
DASHES = {"solid": "-", "dashed": "--", "dotdash": "-.", "dashdot": "-.", "dotted": ":"}
MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^", "x": "x", "cross": "+", "asterisk": "*"}
MANY = 3_000  # coloured cells or segments: more are a picture inside the file, at its dpi, not one shape each
TWO_D = ("Rectangles", "Segments", "Path", "Contours", "Polygons", "Image", "Text", "Labels")


def look_of(element: Any) -> dict[str, Any]:
    """Return the Bokeh options of an element, those of style and those of the figure together."""
    hv = loaded()
    return {
        **hv.Store.lookup_options("bokeh", element, "style").kwargs,
        **hv.Store.lookup_options("bokeh", element, "plot").kwargs,
    }


def draw(axes: Any, element: Any, number: int) -> Any:
    """Draw an element and return what a colour bar is made of, None without.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    element : holoviews element
    number : int
        Its place in its overlay, for a colour where none was set.

    Raises
    ------
    BadOption
        If it is of a kind that cannot be drawn.
    """
    kind = type(element).__name__
    if kind not in DRAWN:
        raise BadOption(
            f"a picture with a {kind} cannot be saved for print; what can is {', '.join(sorted(DRAWN))}. "
            "As .html any picture can be saved"
        )
    look = {"number": number, **look_of(element)}
    return DRAWN[kind](axes, element, look)


def _colour(look: Mapping[str, Any], name: str = "color") -> Any:
    """Return the colour that was set, else one by the element's place."""
    given = look.get(name)
    if isinstance(given, str | tuple):
        return given
    return LINES[look["number"] % len(LINES)] if name == "color" else None


def _line_of(look: Mapping[str, Any]) -> dict[str, Any]:
    dash = look.get("line_dash", "solid")
    alpha = look.get("line_alpha", look.get("alpha"))
    width = float(look.get("line_width", 1.5))
    style: object = DASHES.get(dash, "-") if isinstance(dash, str) else "-"
    if isinstance(dash, list | tuple) and dash and width > 0:
        style = 0, tuple(part / width for part in dash)  # Bokeh counts pixels, matplotlib widths of the line
    return {
        "color": _colour(look),
        "linewidth": width * POINT,
        "linestyle": style,
        "alpha": alpha if isinstance(alpha, int | float) else None,
    }


def _numbers(values: np.ndarray) -> np.ndarray:
    """Return values as floats; times as matplotlib's days."""
    if values.dtype.kind == "M":
        from matplotlib.dates import date2num

        return np.asarray(date2num(values), dtype=float)
    return np.asarray(values, dtype=float)


def _columns(element: Any, count: int) -> list[np.ndarray]:
    return [_numbers(np.asarray(element.dimension_values(place))) for place in range(count)]


def _with_dates(axes: Any, element: Any) -> None:
    """Let the axis across show times where the element has them."""
    if np.asarray(element.dimension_values(0)).dtype.kind == "M":
        axes.xaxis_date()


def _curve(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    x, y = _columns(element, 2)
    _with_dates(axes, element)
    axes.plot(x, y, label=element.label or None, **_line_of(look))


def _scatter(axes: Any, element: Any, look: Mapping[str, Any]) -> Any:
    x, y = _columns(element, 2)
    _with_dates(axes, element)
    marker = look.get("marker")
    shape = MARKERS.get(marker if isinstance(marker, str) else "circle", "o")
    size = look.get("size")
    side = (float(size) if isinstance(size, int | float) else 5.0) * POINT
    norm = _scale(element, look)
    if norm is not None:
        return axes.scatter(x, y, c=norm.pop("values"), s=side**2, marker=shape, label=element.label or None, **norm)
    colour = _colour(look)
    edge = look.get("line_color")
    axes.plot(
        x, y, linestyle="none", marker=shape, markersize=side, label=element.label or None,
        markerfacecolor="none" if look.get("fill_alpha") == 0 else colour,
        markeredgecolor=edge if isinstance(edge, str) else colour,
        markeredgewidth=float(look.get("line_width", 1.0)) * POINT,
    )  # fmt: skip
    return None


def _area(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    """Fill between two lines, or down to zero."""
    x, low, *high = _columns(element, len(element.dimensions()))
    alpha = look.get("fill_alpha", look.get("alpha", 0.3))
    axes.fill_between(
        x, low, high[0] if high else 0.0, color=_colour(look), alpha=alpha, linewidth=0, label=element.label or None
    )


def _scale(element: Any, look: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return values, colour map and limits of an element that is coloured by one of its dimensions."""
    from matplotlib.colors import LogNorm, Normalize

    named = look.get("color")
    image = type(element).__name__ == "Image"
    if not image and not (isinstance(named, str) and named in [dim.name for dim in element.vdims]):
        return None
    values = element.dimension_values(2, flat=False) if image else element.dimension_values(named)
    values = np.asarray(values, dtype=float)
    low, high = look.get("clim") or (np.nanmin(values), np.nanmax(values))
    log = look.get("cnorm") == "log"
    if log and image:  # on screen what a logarithm cannot hold has the darkest colour, and NaN none
        values = np.where(values <= 0, max(low, 1e-200), values)
    norm = LogNorm(max(low, 1e-200), min(high, 1e200), clip=False) if log else Normalize(low, high, clip=False)
    cmap = look.get("cmap", "viridis")
    return {"values": values, "cmap": cmap if isinstance(cmap, str) else "viridis", "norm": norm}


def _rectangles(axes: Any, element: Any, look: Mapping[str, Any]) -> Any:
    from matplotlib.collections import PolyCollection

    left, bottom, right, top = _columns(element, 4)
    _with_dates(axes, element)
    corners: Any = np.stack(
        [np.stack(pair, axis=1) for pair in ((left, bottom), (right, bottom), (right, top), (left, top))], axis=1
    )
    norm = _scale(element, look)
    if norm is None:
        axes.add_collection(PolyCollection(corners, facecolors=_colour(look), alpha=look.get("alpha")))
        made = None
    else:
        values = norm.pop("values")
        made = PolyCollection(corners, array=values, edgecolors="face", linewidths=0.3, **norm)
        made.set_rasterized(len(values) > MANY)
        axes.add_collection(made)
    axes.autoscale_view()
    return made


def _segments(axes: Any, element: Any, look: Mapping[str, Any]) -> Any:
    from matplotlib.collections import LineCollection

    x0, y0, x1, y1 = _columns(element, 4)
    parts: Any = np.stack([np.stack([x0, y0], axis=1), np.stack([x1, y1], axis=1)], axis=1)
    norm = _scale(element, look)
    width = float(look.get("line_width", 1.5)) * POINT
    if norm is None:
        axes.add_collection(LineCollection(parts, colors=_colour(look), linewidths=width))
        return None
    values = norm.pop("values")
    made = LineCollection(parts, array=values, linewidths=width, capstyle="round", **norm)
    made.set_rasterized(len(values) > MANY)
    axes.add_collection(made)
    axes.autoscale_view()
    return made


def _path(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    for part in element.split() if len(element) else []:
        axes.plot(*_columns(part, 2), **_line_of(look))


def _polygons(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    edge = look.get("line_color")
    for part in element.split():
        axes.fill(
            *_columns(part, 2), facecolor=_colour(look), alpha=look.get("alpha"),
            edgecolor=edge if isinstance(edge, str) and look.get("line_alpha") != 0 else "none",
            linewidth=float(look.get("line_width", 0.0)) * POINT,
        )  # fmt: skip


def _image(axes: Any, element: Any, look: Mapping[str, Any]) -> Any:
    left, bottom, right, top = element.bounds.lbrt()
    norm = _scale(element, look) or {}
    values = norm.pop("values")
    return axes.imshow(
        values[::-1], extent=(left, right, bottom, top), aspect="auto", interpolation="nearest", origin="upper", **norm
    )


def _colours(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    left, bottom, right, top = element.bounds.lbrt()
    layers = [element.dimension_values(2 + i, flat=False)[::-1] for i in range(len(element.vdims))]
    axes.imshow(
        np.stack(layers, axis=-1),
        extent=(left, right, bottom, top),
        aspect="auto",
        interpolation="nearest",
        origin="upper",
    )


def _verticals(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    (x,) = _columns(element, 1)
    _with_dates(axes, element)
    for place, at in enumerate(x):
        axes.axvline(at, label=(element.label or None) if place == 0 else None, **_line_of(look))


def _spans(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    low, high = _columns(element, 2)
    _with_dates(axes, element)
    for place, ends in enumerate(zip(low, high, strict=True)):
        name = (element.label or None) if place == 0 else None
        axes.axvspan(*ends, facecolor=_colour(look), alpha=look.get("alpha"), linewidth=0, label=name)


def _level(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    axes.axhline(float(element.data), label=element.label or None, **_line_of(look))


def _error_bars(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    columns = _columns(element, len(element.dimensions()))
    x, y, below = columns[:3]
    above = columns[3] if len(columns) > 3 else below
    _with_dates(axes, element)
    width = float(look.get("line_width", 1.0)) * POINT
    colour = _colour({"color": "black", **look})
    axes.errorbar(x, y, yerr=np.stack([below, above]), fmt="none", ecolor=colour, elinewidth=width)


def _text(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    x, y, words = element.data[:3]
    axes.text(x, y, words, ha="center", va="center", color=look.get("text_color", "black"))


def _labels(axes: Any, element: Any, look: Mapping[str, Any]) -> None:
    x, y = _columns(element, 2)
    sizes = {"fontsize": str(look.get("text_font_size", "8pt")).removesuffix("pt")}
    ground = look.get("background_fill_color")
    box = {"facecolor": ground, "alpha": look.get("background_fill_alpha", 1.0), "linewidth": 0, "pad": 0.6}
    for at, up, words in zip(x, y, element.dimension_values(2), strict=True):
        axes.text(
            at + float(look.get("xoffset") or 0), up, str(words), ha=look.get("text_align", "center"),
            va={"middle": "center"}.get(look.get("text_baseline", "middle"), "bottom"),
            color=look.get("text_color", "black"), bbox=box if isinstance(ground, str) else None,
            clip_on=False, **{key: float(value) for key, value in sizes.items()},
        )  # fmt: skip


DRAWN: dict[str, Callable[[Any, Any, Mapping[str, Any]], Any]] = {
    "Area": _area,
    "Curve": _curve,
    "ErrorBars": _error_bars,
    "HLine": _level,
    "Image": _image,
    "Labels": _labels,
    "Path": _path,
    "Points": _scatter,
    "Polygons": _polygons,
    "RGB": _colours,
    "Rectangles": _rectangles,
    "Scatter": _scatter,
    "Segments": _segments,
    "Text": _text,
    "VLines": _verticals,
    "VSpans": _spans,
}

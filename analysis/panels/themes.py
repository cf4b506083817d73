"""Light and dark: the colours around what is drawn, and of lines, on either ground."""

from __future__ import annotations

from typing import Any

from analysis.errors import BadOption
from analysis.model import near
from analysis.panels.loading import loaded

THEMES = ("light", "dark")
PAGE, GROUND, INK, FAINT = "#15191c", "#20262b", "#e0e0e0", "#3d444c"
# What a colour of the light theme is in the dark one. Lines keep at least 3 : 1 from the ground, words 4.5 : 1.
DARK = {
    "black": "#f0f0f0",
    "#000000": "#f0f0f0",
    "#333333": "#d0d0d0",
    "#555555": "#a8b0b8",
    "#6f6f6f": "#a8b0b8",
    "#777777": "#a8b0b8",
    "#bbbbbb": "#5a626a",
    "#dddddd": FAINT,
    "#e8e8e8": "#44494f",
    "#f2f2f2": "#5a626a",
    "white": GROUND,
    "#ffffff": GROUND,
    "#0072b2": "#2e8bd8",
    "#009e73": "#00a87b",
    "#56b4e9": "#7cc8f5",
    "#8c5a2b": "#b98a5c",
    "#5a7d3a": "#88ad66",
    "#b2182b": "#ff8a8a",
    "#fff6ee": "#33261c",
}
PALE = "0.75"  # opacity of words less important: what is around a page may be bright or dark, whatever its pictures are
_PARTS = ("line_color", "fill_color", "text_color", "hatch_color", "background_fill_color", "border_line_color")
_chosen = ["light"]


def theme(name: str | None = None) -> str:
    """Return the theme of pictures, after choosing one for all that are made from now on.

    Parameters
    ----------
    name : {"light", "dark"}, optional
        Left out, the theme stays as it is. Pictures that are on the page already stay as they were made; what is
        saved for print (PNG, SVG, PDF) is always light.

    Raises
    ------
    BadOption
        If there is no such theme.

    Examples
    --------
    >>> theme("dark"), theme("light"), theme()
    ('dark', 'light', 'light')
    """
    if name is None:
        return _chosen[0]
    if name not in THEMES:
        raise BadOption(f"theme {name!r} is unknown; known are {', '.join(THEMES)}{near(name, THEMES)}")
    import panel as pn

    loaded()
    _chosen[:] = [name]
    pn.config.theme = "dark" if name == "dark" else "default"  # type: ignore[misc]  # a setter that its typing leaves out
    return name


def is_dark() -> bool:
    """Return whether pictures are made dark now."""
    return _chosen[0] == "dark"


def toned(colour: str) -> str:
    """Return a colour of the light theme as the chosen theme has it: for boxes that have a ground of their own.

    Examples
    --------
    >>> toned("#555555")
    '#555555'
    """
    return DARK.get(colour.lower(), colour) if is_dark() else colour


def painted(figure: Any) -> None:
    """Give a Bokeh figure the dark theme: ground, axes, words and, unless they lie on colours, lines.

    Lines over coloured cells are left alone: the colours under them are the same in both themes.

    Examples
    --------
    >>> from bokeh.plotting import figure
    >>> made = figure(title="Field")
    >>> painted(made)
    >>> made.background_fill_color, made.title.text_color
    ('#20262b', '#e0e0e0')
    """
    from bokeh.models import Axis, Grid
    from bokeh.models.annotations import ColorBar, Legend, Title

    given = figure.background_fill_color
    figure.background_fill_color = DARK.get(str(given).lower(), given) if given is not None else GROUND
    figure.border_fill_color, figure.outline_line_color = PAGE, FAINT
    if figure.title is not None:
        figure.title.text_color = INK
    coloured = False
    for part in (*figure.left, *figure.right, *figure.above, *figure.below, *figure.center):
        if isinstance(part, Axis):
            part.update(
                axis_line_color=INK, major_tick_line_color=INK, minor_tick_line_color=INK, axis_label_text_color=INK,
                major_label_text_color=INK,
            )  # fmt: skip
        elif isinstance(part, ColorBar):
            coloured = True
            part.update(
                background_fill_color=PAGE, title_text_color=INK, major_label_text_color=INK, bar_line_color=FAINT,
                major_tick_line_color=INK,
            )  # fmt: skip
        elif isinstance(part, Legend):
            part.update(background_fill_color=GROUND, label_text_color=INK, border_line_color=FAINT)
        elif isinstance(part, Grid):
            if part.grid_line_color is not None:
                part.grid_line_color = FAINT
        elif isinstance(part, Title):
            _recoloured(part)
    if coloured or any("Image" in type(r.glyph).__name__ for r in figure.renderers if hasattr(r, "glyph")):
        return
    for shown in (*figure.renderers, *figure.center):
        for name in ("glyph", "muted_glyph", "selection_glyph", "nonselection_glyph", "hover_glyph"):
            if getattr(shown, name, None) not in (None, "auto"):
                _recoloured(getattr(shown, name))
        if not hasattr(shown, "glyph") and not isinstance(shown, Grid | Legend):
            _recoloured(shown)


def _recoloured(model: Any) -> None:
    """Give a model's plain colours their dark counterparts."""
    names = model.properties()
    for part in _PARTS:
        if part in names:
            given = getattr(model, part)
            held = given.value if hasattr(given, "value") else given  # Bokeh wraps a value of a data-like property
            dark = DARK.get(held.lower()) if isinstance(held, str) else None
            if dark is not None:
                setattr(model, part, dark)

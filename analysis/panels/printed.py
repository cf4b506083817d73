"""A picture as a matplotlib figure, for print: axes, labels, colours and notes as Bokeh would show them.

HoloViews' own matplotlib backend knows nothing of options that were set for Bokeh, nor of the notes that our hooks
write; here the options are read and drawn, so that what is saved is what was seen.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.errors import BadOption
from analysis.panels.loading import loaded
from analysis.panels.notes import SYNTHETIC, noted
from analysis.panels.printed_elements import TWO_D, draw, look_of
from analysis.panels.style import WIDTH

WIDE = 7.1  # inches: both columns of a journal
AROUND = 1.55  # inches beside a frame, for labels and for a colour bar or a legend
BESIDE = 3.4  # inches of a frame that has others beside it
LETTER, SMALL = 8.0, 6.5  # points: labels, and the line of sources
BOLD = LETTER + 5  # points that bold letters of a title, LETTER + 1 high, are as wide as
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": LETTER,
    "axes.titlesize": LETTER + 1,
    "axes.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "one picture, one file",
    "pdf.fonttype": 42,
    "timezone": "UTC",
}
LEGENDS = {
    "top_left": "upper left",
    "top_right": "upper right",
    "bottom_left": "lower left",
    "bottom_right": "lower right",
}
OUTSIDE = ("right", "bottom", "left", "top")


@dataclass(frozen=True)
class _Panel:
    """One figure of a picture: its elements, and its options taken together."""

    elements: tuple[Any, ...]
    look: dict[str, Any]
    title: str
    notes: tuple[str, ...]
    synthetic: bool

    @property
    def frame(self) -> tuple[float, float]:
        wide, high = self.look.get("frame_width"), self.look.get("frame_height")
        return float(wide or WIDTH), float(high or 300)

    @property
    def over_time(self) -> bool:
        columns = (np.asarray(e.dimension_values(0)) for e in self.elements if type(e).__name__ != "Text")
        return any(column.dtype.kind == "M" for column in columns)


def figure_of(picture: Any, *, width: float | None = None) -> Any:
    """Return a picture as a matplotlib figure.

    Parameters
    ----------
    picture : HoloViews element, Overlay, Layout or DynamicMap
        Of a DynamicMap, what it shows at first.
    width : float, optional
        Inches; by default 7.1, less for a picture that is narrow on screen, more for several beside each other.
        The height follows.

    Raises
    ------
    BadOption
        If it is no picture, or holds what cannot be drawn; the message names it.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    panels, columns, shared = _panels_of(picture)
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    widest = max(panel.frame[0] for panel in panels if panel.elements)
    around = max(_beside_frame(panel) for panel in panels)
    column = (WIDE if width is None else width) / columns - around
    if width is None:
        alone = WIDE - AROUND if columns == 1 else BESIDE
        column = alone * min(1.0, widest / WIDTH)  # a picture that is narrow on screen stays so
    whole = columns * (column + around)
    if column < 0.8:
        raise BadOption(f"width={whole:g} inches is too narrow for {columns} pictures in a row")
    scale = column / widest
    panels, below = _notes_of_all(panels, columns)
    foot = "\n".join(line for text in below for line in textwrap.wrap(text, _letters(whole - AROUND, SMALL)))
    under = (8.5 * len(foot.splitlines()) + 6) / 72 if foot else 0.0
    frames, heights = [], []
    for row in range(rows):
        members = [panel for panel in panels[row * columns : (row + 1) * columns] if panel.elements]
        frames.append(max(panel.frame[1] * scale for panel in members))
        heights.append(max(panel.frame[1] * scale + _around(panel, column) for panel in members))
    high = sum(heights) + 0.15 + under
    engine = ConstrainedLayoutEngine(
        h_pad=0.03, w_pad=0.03, hspace=0.02, wspace=0.03, rect=(0, under / high, 1, 1 - under / high)
    )
    figure = Figure(figsize=(whole, high), layout=engine)
    if foot:
        place = AROUND / 2 / whole, under / high
        figure.text(
            *place, foot, ha="left", va="top", color="#555555", fontsize=SMALL, linespacing=1.25, parse_math=False
        )
    # the ratios are those of the frames: what stands around them has room of its own
    grid = figure.add_gridspec(rows, columns, height_ratios=frames)
    times = None
    for number, panel in enumerate(panels):
        if not panel.elements:
            continue
        joined = times if shared and panel.over_time else None
        axes = figure.add_subplot(grid[number // columns, number % columns], sharex=joined)
        _fill(figure, axes, panel, panel.frame[0] * scale)
        if panel.over_time and times is None:
            times = axes
    return figure


def _notes_of_all(panels: list[_Panel], columns: int) -> tuple[list[_Panel], tuple[str, ...]]:
    """Return the panels, and notes that go under all of them: those of one among several beside each other."""
    noted_ = [panel for panel in panels if panel.notes]
    if columns == 1 or len(noted_) != 1:
        return panels, ()
    return [replace(panel, notes=()) if panel is noted_[0] else panel for panel in panels], noted_[0].notes


def _panels_of(picture: Any) -> tuple[list[_Panel], int, bool]:
    """Return the figures of a picture, how many stand in a row, and whether they share their time axes."""
    hv = loaded()
    picture = _still(picture)
    if isinstance(picture, hv.Layout):
        shared = hv.Store.lookup_options("bokeh", picture, "plot").kwargs.get("shared_axes", True)
        return [_panel(_still(part)) for part in picture], int(picture._max_cols), bool(shared)
    return [_panel(picture)], 1, False


def _still(picture: Any) -> Any:
    """Return what a DynamicMap without selectors shows; anything else as it is."""
    hv = loaded()
    if not isinstance(picture, hv.DynamicMap):
        return picture
    if picture.kdims:
        raise BadOption(
            f"the picture has selectors ({', '.join(map(str, picture.kdims))}): choose one of its states first"
        )
    return picture[()]


def _panel(picture: Any) -> _Panel:
    hv = loaded()
    if isinstance(picture, hv.Overlay):
        elements = tuple(picture)
    elif isinstance(picture, hv.Empty):
        elements = ()  # a place left free in a layout
    elif isinstance(picture, hv.Element):
        elements = (picture,)
    else:
        raise BadOption(
            f"a {type(picture).__name__} is no picture that can be saved; save takes what view gives: "
            "HoloViews elements, Overlays and Layouts"
        )
    look: dict[str, Any] = {}
    notes: dict[str, None] = {}
    synthetic = False
    for element in elements:
        own = look_of(element)
        look = {**own, **look}
        below, invented = noted(own.get("hooks", []))
        notes.update(dict.fromkeys(below))
        synthetic |= invented
    if isinstance(picture, hv.Overlay):
        look.update(look_of(picture))
    title = str(look.get("title") or "")
    return _Panel(elements, look, title, tuple(notes), synthetic)


def _beside_frame(panel: _Panel) -> float:
    """Return the room left and right of a frame, in inches, for labels and a colour bar or a legend."""
    if panel.look.get("legend_position") not in OUTSIDE or panel.look.get("show_legend") is False:
        return AROUND
    longest = max((len(element.label) for element in panel.elements), default=0)
    bar = 0.8 if any("clabel" in look_of(element) for element in panel.elements) else 0.0
    return max(AROUND, 1.1 + 0.055 * longest + bar)


def _around(panel: _Panel, inches: float) -> float:
    """Return the room above and below a frame, in inches: title, labels, notes."""
    lines = sum(len(textwrap.wrap(text, _letters(inches, SMALL))) for text in panel.notes)
    title = len(_folded(panel.title, inches + 0.5, BOLD).splitlines())
    points = 30 + 12 * title + 12 * panel.synthetic + 8.5 * lines
    return points / 72


def _letters(inches: float, size: float) -> int:
    return max(12, int(inches * 72 / (0.52 * size)))


def _folded(text: str, inches: float, size: float) -> str:
    """Return text in lines that are no longer than this, but for single words."""
    return "\n".join(textwrap.wrap(" ".join(text.split()), _letters(inches * 1.1, size), break_long_words=False))


def _fill(figure: Any, axes: Any, panel: _Panel, inches: float) -> None:
    """Draw one panel with everything around it."""
    look = panel.look
    if look.get("bgcolor"):
        axes.set_facecolor(look["bgcolor"])
    if look.get("show_grid"):
        axes.grid(color="#dddddd", linewidth=0.5)
        axes.set_axisbelow(True)
    for axis in ("x", "y"):
        if look.get(f"log{axis}"):
            getattr(axes, f"set_{axis}scale")("log")
    coloured = []
    for number, element in enumerate(panel.elements):
        before = set(axes.get_children())
        coloured.append(draw(axes, element, number))
        for artist in set(axes.get_children()) - before:
            artist.set_zorder(1 + number / 100)  # in their order, whatever they are
    _axes(axes, panel, inches)
    if panel.over_time:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=max(5, int(1.7 * inches)))
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        axes.set_box_aspect(panel.frame[1] / panel.frame[0])
        axes.set_anchor("W")
    for mappable in coloured:
        if mappable is not None and look.get("colorbar", True):
            place = "bottom" if look.get("colorbar_position") == "bottom" else "right"
            if place == "right" and not _has_names_outside(axes, panel):  # beside the frame, not beyond other legends
                bar = figure.colorbar(mappable, cax=axes.inset_axes((1.015, 0.0, 0.12 / inches, 1.0)))
            else:
                bar = figure.colorbar(mappable, ax=axes, location=place, pad=0.02, fraction=0.06, aspect=25)
            length = inches if place == "bottom" else inches * panel.frame[1] / panel.frame[0]
            bar.set_label(_folded(str(look.get("clabel") or ""), length, LETTER), parse_math=False)
            bar.outline.set_linewidth(0.4)
    _legend(axes, panel)
    _words(axes, panel, inches)


def _axes(axes: Any, panel: _Panel, inches: float) -> None:
    """Set limits, directions, ticks and labels of both axes."""
    from matplotlib.ticker import NullFormatter

    look = panel.look
    first = panel.elements[0]
    named = next((e for e in panel.elements if type(e).__name__ not in ("HLine", "VLines", "VSpans", "Text")), first)
    across = named.kdims[0].pprint_label
    up = named.kdims[1] if type(named).__name__ in TWO_D else (named.vdims or named.kdims)[0]
    axes.set_xlabel(look["xlabel"] if look.get("xlabel") is not None else across, parse_math=False)
    written = look["ylabel"] if look.get("ylabel") is not None else up.pprint_label
    axes.set_ylabel(_folded(written, inches * panel.frame[1] / panel.frame[0], LETTER), parse_math=False)
    padding = look.get("padding")
    pad_x, pad_y = padding if isinstance(padding, tuple) else (padding, padding)
    axes.margins(
        x=pad_x if isinstance(pad_x, int | float) else 0.0, y=pad_y if isinstance(pad_y, int | float) else 0.05
    )
    axes.autoscale_view()
    columns = [np.asarray(e.dimension_values(0)) for e in panel.elements if type(e).__name__ != "Text"]
    times = [column for column in columns if column.dtype.kind == "M" and column.size]
    if times and min(column.min() for column in times) == max(column.max() for column in times):
        half = np.timedelta64(30, "s")  # of a single moment matplotlib would show years around it
        axes.set_xlim(times[0][0] - half, times[0][0] + half)
    for axis in ("x", "y"):
        ends = look.get(f"{axis}lim")
        if isinstance(ends, tuple) and None not in ends:
            getattr(axes, f"set_{axis}lim")(*ends)
        if look.get(f"invert_{axis}axis"):
            getattr(axes, f"invert_{axis}axis")()
        if f"{axis}axis" in look and look[f"{axis}axis"] is None:
            getattr(axes, f"{axis}axis").set_visible(False)
        ticks = look.get(f"{axis}ticks")
        if isinstance(ticks, list) and ticks and isinstance(ticks[0], tuple):  # places with words
            low, high = sorted(getattr(axes, f"get_{axis}lim")())
            kept = [(place, words) for place, words in ticks if low <= place <= high]
            getattr(axes, f"set_{axis}ticks")([place for place, _ in kept], [words for _, words in kept])
        elif isinstance(ticks, list) and look.get(f"log{axis}"):
            low, high = getattr(axes, f"get_{axis}lim")()
            inside = [tick for tick in ticks if low <= tick <= high]
            getattr(axes, f"set_{axis}ticks")(inside, [f"{tick:g}" for tick in inside], minor=False)
            getattr(axes, f"{axis}axis").set_minor_formatter(NullFormatter())  # no words between these
    turned = look.get("xrotation")
    if isinstance(turned, int | float) and turned:
        axes.tick_params(axis="x", labelrotation=turned)
    if look.get("show_frame") is False or ("xaxis" in look and look["xaxis"] is None):
        axes.set_frame_on(False)


def _has_names_outside(axes: Any, panel: _Panel) -> bool:
    """Return whether a legend will stand where a colour bar would."""
    shown = panel.look.get("show_legend") is not False and panel.look.get("legend_position") in OUTSIDE
    return shown and bool(axes.get_legend_handles_labels()[1])


def _legend(axes: Any, panel: _Panel) -> None:
    handles, names = axes.get_legend_handles_labels()
    if not names or panel.look.get("show_legend") is False:
        return
    unique = dict(zip(reversed(names), reversed(handles), strict=True))
    place = str(panel.look.get("legend_position", "top_right"))
    where: dict[str, Any] = {"loc": LEGENDS.get(place, "best")}
    if place in OUTSIDE:
        where = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axes.legend(
        [unique[name] for name in dict.fromkeys(names)], list(dict.fromkeys(names)), fontsize=LETTER - 1,
        frameon=place not in OUTSIDE, framealpha=0.7, handlelength=1.8, borderaxespad=0.4, **where,
    )  # fmt: skip


def _words(axes: Any, panel: _Panel, inches: float) -> None:
    """Write title, the word SYNTHETIC, and what stands below: remarks and sources."""
    above = 3.0
    if panel.synthetic:
        _beside(axes, SYNTHETIC, (0.0, above), up=True, color="#b2182b", fontsize=LETTER - 0.5, fontweight="bold")
        above += 11.0
    if panel.title:
        title = _folded(panel.title, inches + 0.5, BOLD)
        axes.set_title(title, loc="left", pad=above + 1, fontweight="bold", parse_math=False)
    if panel.notes:
        letters = _letters(inches, SMALL)
        lines = "\n".join(line for text in panel.notes for line in textwrap.wrap(text, letters))
        hidden = "xaxis" in panel.look and panel.look["xaxis"] is None
        _beside(axes, lines, (0.0, -4.0 if hidden else -30.0), up=False, color="#555555", fontsize=SMALL)


def _beside(axes: Any, text: str, offset: tuple[float, float], *, up: bool, **font: Any) -> None:
    axes.annotate(
        text, (0.0, 1.0 if up else 0.0), xycoords="axes fraction", xytext=offset, textcoords="offset points",
        ha="left", va="bottom" if up else "top", annotation_clip=False, linespacing=1.25, parse_math=False, **font,
    )  # fmt: skip

"""What the page is made of: its widgets, empty, and the rows as the table shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis import catalogue
from analysis.browser.finding import PLACES, Wish
from analysis.panels.themes import PALE

if TYPE_CHECKING:
    import pandas as pd

LISTED = 200  # rows sent to the browser
FILTERS = ("field", "where", "mission", "instrument", "start", "stop", "band")
COPY = "Copy the line"
_WIDTHS = {"product": 170, "title": 330, "field": 50, "mission": 100, "instrument": 110, "covers": 170, "where": 65}
# The page around the table is bright or dark, and its ink is the page's: so its own grounds let the page through.
THROUGH = """
:host { --odd: rgba(128, 128, 128, 0.14); --special: transparent; --selected: rgba(46, 139, 216, 0.3); }
.slick-row, .slick-cell, .ui-widget-content, .grid-canvas, .slick-viewport { background: transparent; color: inherit; }
.slick-row.odd, .slick-cell.bk-cell-index { background: var(--odd); color: inherit; }
.slick-row .slick-cell.selected { background: var(--selected); }
"""
# Works on pages without a secure context too; where nothing may copy, the line is there to be selected.
COPYING = """
const told = (words) => { button.label = words; setTimeout(() => { button.label = "Copy the line"; }, 2500); };
const by_hand = () => {
  const area = document.createElement("textarea");
  area.value = line.value;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.appendChild(area);
  area.select();
  let done = false;
  try { done = document.execCommand("copy"); } catch (error) { done = false; }
  area.remove();
  told(done ? "Copied" : "Select it, then Ctrl+C");
};
if (navigator.clipboard && window.isSecureContext) {
  navigator.clipboard.writeText(line.value).then(() => told("Copied"), by_hand);
} else { by_hand(); }
"""


def widgets_of(wish: Wish) -> dict[str, Any]:
    """Return the widgets by what they set, each tagged with its name; ``product`` is the row that was chosen."""
    import panel as pn

    def menu(label: str, options: Mapping[str, str], value: str, width: int) -> Any:
        return pn.widgets.Select(label=label, options=dict(options), value=value, width=width)

    def entry(label: str, hint: str, value: str) -> Any:
        return pn.widgets.TextInput(label=label, placeholder=hint, value=value, value_input=value, width=145)

    places = {"anywhere": "", "bundled": "bundled", "fetched before": "cached", "archive only": "live"}
    assert set(places.values()) == {"", *PLACES}
    hint = "words: solar wind, mms fgm burst, planck 143 GHz …"
    made = {
        "text": pn.widgets.TextInput(
            label="Search", placeholder=hint, value=wish.text, value_input=wish.text, width=600
        ),
        "field": menu("Field", {"all": "", **{one: one for one in catalogue.FIELDS}}, wish.field, 100),
        "where": menu("Where", places, wish.where, 140),
        "mission": menu("Mission", {"all": "", wish.mission or "all": wish.mission}, wish.mission, 200),
        "instrument": menu("Instrument", {"all": "", wish.instrument or "all": wish.instrument}, wish.instrument, 200),
        "start": entry("From (UTC)", "2001-03-31", wish.start),
        "stop": entry("Until (UTC)", "2001-04-01", wish.stop),
        "band": entry("Energy or frequency", "2-10 keV, 94 GHz", wish.band),
        "product": pn.widgets.StaticText(value="", visible=False),
    }
    for name, widget in made.items():
        widget.tags = [f"browse:{name}"]
    return made


def parts_of() -> dict[str, Any]:
    """Return the parts of the page that are filled as it is used."""
    import panel as pn

    return {
        "words": pn.pane.HTML("", visible=False),
        "count": pn.pane.HTML(""),
        "table": pn.widgets.DataFrame(
            table_of(None),
            show_index=False,
            disabled=True,
            height=290,
            row_height=26,
            widths=_WIDTHS,
            sizing_mode="stretch_width",
            autosize_mode="force_fit",
            stylesheets=[THROUGH],
        ),
        "facts": pn.pane.HTML("<i>Choose a row to see what is known of a product.</i>"),
        "code": pn.widgets.TextAreaInput(label="Line of code", visible=False, width=700, rows=2, max_length=10_000),
        "copy": pn.widgets.Button(label=COPY, width=190, visible=False),
        "download": pn.widgets.Button(label="Ask the archive and draw", width=190, visible=False),
        "busy": pn.pane.HTML("", visible=False),
        "note": pn.pane.HTML("", visible=False),
        "picture": pn.Column(),
        "again": pn.pane.HTML("", styles={"opacity": PALE}),
    }


def table_of(rows: pd.DataFrame | None) -> pd.DataFrame:
    """Return rows as the table shows them: texts, the coverage in one column.

    Examples
    --------
    >>> list(table_of(None))
    ['product', 'title', 'field', 'mission', 'instrument', 'covers', 'where']
    """
    import pandas as pd

    if rows is None:
        return pd.DataFrame({name: pd.Series([], dtype=object) for name in _WIDTHS})
    ends = rows["start"].dt.strftime("%Y-%m-%d"), rows["stop"].dt.strftime("%Y-%m-%d")
    covers = [
        "" if pd.isna(a) and pd.isna(b) else f"{'…' if pd.isna(a) else a} to {'now' if pd.isna(b) else b}"
        for a, b in zip(*ends, strict=True)
    ]
    return rows.assign(covers=covers, title=rows["title"].str.slice(0, 160))[list(_WIDTHS)].astype(object)

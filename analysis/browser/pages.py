"""The page itself: words and filters, the list, and what is known of the row that was chosen."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from analysis import catalogue
from analysis.browser.finding import Found, Wish, canonical, found
from analysis.browser.layout import COPYING, FILTERS, LISTED, parts_of, table_of, widgets_of
from analysis.browser.previews import Preview, busy, drawn, preview
from analysis.browser.telling import Line, facts_of, facts_with, line_of, shown
from analysis.errors import BadOption
from analysis.explore.wording import reason
from analysis.panels.loading import loaded, redrawing

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class _Page:
    """A page's widgets and parts by name, and what it shows at this moment."""

    root: Any
    widgets: Mapping[str, Any]
    parts: Mapping[str, Any]
    wish: Wish
    rows: pd.DataFrame | None = None
    chosen: tuple[str, str] | None = None
    line: Line | None = None
    settling: bool = False  # the page itself sets widgets, which is nobody's wish


def browse(
    text: str = "",
    *,
    field: str = "",
    mission: str = "",
    instrument: str = "",
    start: str = "",
    stop: str = "",
    band: str = "",
    where: str = "",
    product: str = "",
) -> Any:
    """Return the catalogue as a page: search as you type, filter, look, and copy the line that fetches.

    Choosing a row shows what is known of a product, and a picture if it ships or was fetched before. Archives are
    asked only by the button that says so.

    Parameters
    ----------
    text : str, optional
        Words to begin with, as ``search`` takes them.
    field : {"plasma", "xray", "cmb"}, optional
    mission, instrument : str, optional
        One that the catalogue has, in any letter case.
    start, stop : str, optional
        Keep what covers any of this interval, UTC.
    band : str, optional
        Keep what holds these energies or frequencies: ``"2-10 keV"``, ``"94 GHz"``.
    where : {"bundled", "cached", "live"}, optional
        On this machine from the start, fetched before, or only at an archive.
    product : str, optional
        The product to show at first.

    Returns
    -------
    panel.Column
        :func:`analysis.browser.state` gives the keywords with which it opens as it is now.

    Raises
    ------
    BadOption, BadTime
        For a keyword that cannot be understood; near names are given.
    UnknownProduct
        If no field has the product.

    Examples
    --------
    >>> import analysis
    >>> from analysis import browser
    >>> browser.state(analysis.browse("solar wind", field="plasma", where="bundled"))
    {'text': 'solar wind', 'field': 'plasma', 'where': 'bundled'}
    """
    wish = canonical(
        Wish(
            text=text,
            field=field,
            mission=mission,
            instrument=instrument,
            start=start,
            stop=stop,
            band=band,
            where=where,
        )
    )
    first = found(wish)
    if not isinstance(product, str):
        raise BadOption(f"browse takes product as text, not {product!r}")
    domain = catalogue.field_of(product) if product else ""
    if product:
        catalogue.product(domain, product)
    loaded()
    import panel as pn  # after the line above, which brings it at less cost

    page = _Page(pn.Column(sizing_mode="stretch_width"), widgets_of(wish), parts_of(), wish)
    _listen(page)
    widgets, parts = page.widgets, page.parts
    page.root.objects = [
        widgets["text"],
        pn.FlexBox(*(widgets[name] for name in FILTERS), sizing_mode="stretch_width"),
        parts["words"],
        parts["count"],
        parts["table"],
        parts["facts"],
        parts["code"],
        pn.Row(parts["copy"], parts["download"]),
        parts["busy"],
        parts["note"],
        parts["picture"],
        parts["again"],
        widgets["product"],
    ]
    _list(page, first)
    if product:
        _choose(page, domain, product)
    return page.root


def state(page: Any) -> dict[str, str]:
    """Return the keywords with which ``analysis.browse`` opens a page as this one is now.

    Raises
    ------
    BadOption
        If it is no page of ``analysis.browse``.
    """
    import panel as pn

    tagged = {t: one for one in (page.select(pn.widgets.Widget) if hasattr(page, "select") else []) for t in one.tags}
    widgets = {str(t).removeprefix("browse:"): one for t, one in tagged.items() if str(t).startswith("browse:")}
    if "text" not in widgets:
        raise BadOption("state takes a page that analysis.browse() returned")
    return _kept(widgets)


def _kept(widgets: Mapping[str, Any]) -> dict[str, str]:
    names = [*(one.name for one in fields(Wish)), "product"]
    return {name: value for name in names if (value := _value(widgets, name))}


def _value(widgets: Mapping[str, Any], name: str) -> str:
    """Return what a widget holds; of the words what is typed, which is ahead of what was entered."""
    return str(widgets[name].value_input if name == "text" else widgets[name].value).strip()


def _listen(page: _Page) -> None:
    """Do what is wished when a widget changes."""
    widgets, parts = page.widgets, page.parts

    def anew(_: Any) -> None:
        if not page.settling:
            _guarded(page, "This list", lambda: _list_anew(page))

    def chosen(event: Any) -> None:
        if event.new and not page.settling and page.rows is not None:
            row = page.rows.iloc[event.new[0]]
            _choose(page, str(row["field"]), str(row["product"]))

    def download(_: Any) -> None:
        if (line := page.line) is not None:
            _wait(page, f"Asking the archive for {line.product} …")
            _draw(page, lambda: drawn(line))

    widgets["text"].param.watch(anew, "value_input")
    for name in FILTERS:
        widgets[name].param.watch(anew, "value")
    parts["table"].param.watch(chosen, "selection")
    parts["download"].on_click(download)
    parts["copy"].js_on_click(args={"line": parts["code"], "button": parts["copy"]}, code=COPYING)


def _guarded(page: _Page, what: str, work: Callable[[], None]) -> None:
    """Do something and send what changed; what goes wrong becomes words on the page."""
    with redrawing(page.root):
        words = page.parts["words"]
        try:
            work()
            words.param.update(object="", visible=False)
        except Exception as error:  # the page is the only place where its reader can see the reason
            words.param.update(object=reason(what, error), visible=True)


def _list_anew(page: _Page) -> None:
    wish = Wish(**{one.name: _value(page.widgets, one.name) for one in fields(Wish)})
    page_found = found(wish)
    page.wish = wish
    _list(page, page_found)


def _list(page: _Page, listed: Found) -> None:
    """Show the rows of a search, how many there are, and in the menus what there would be."""
    widgets, parts = page.widgets, page.parts
    page.rows = listed.rows.head(LISTED)
    page.settling = True
    try:
        for name, counts in (("mission", listed.missions), ("instrument", listed.instruments)):
            value = widgets[name].value
            options = {"all": "", **{f"{one} ({count})": one for one, count in counts.items()}}
            if value and value not in options.values():
                options[f"{value} (0)"] = value
            if options != widgets[name].options:
                widgets[name].param.update(options=options, value=value)
        places = list(zip(page.rows["field"], page.rows["product"], strict=True))
        parts["table"].param.update(
            value=table_of(page.rows), selection=[places.index(page.chosen)] if page.chosen in places else []
        )
    finally:
        page.settling = False
    number = len(listed.rows)
    counted = "1 product" if number == 1 else f"{number:,} products"
    more = f", the first {LISTED} are listed: {number - LISTED:,} more, narrow the search" if number > LISTED else ""
    nothing = " Try fewer words or another filter." if not number else ""
    parts["count"].object = html.escape(" ".join([f"{counted}{more}.{nothing}", *listed.notes]))
    if page.chosen is not None:
        _write(page, *page.chosen)
    _remember(page)


def _write(page: _Page, domain: str, name: str) -> None:
    page.line = line_of(domain, name, page.wish)
    page.parts["code"].value = page.line.code


def _remember(page: _Page) -> None:
    told = ", ".join(f"{name}={value!r}" for name, value in _kept(page.widgets).items())
    page.parts["again"].object = f"Opens as it is now: <code>analysis.browse({html.escape(told)})</code>"


def _choose(page: _Page, domain: str, name: str) -> None:
    """Show what the catalogue has on a product, then, if it is on this machine, a picture."""
    _guarded(page, name, lambda: _tell(page, domain, name))
    if page.chosen == (domain, name) and page.parts["busy"].visible:
        _draw(page, lambda: preview(domain, name))


def _tell(page: _Page, domain: str, name: str) -> None:
    parts = page.parts
    known = catalogue.product(domain, name)
    where = _where(page, domain, name)
    here = where in ("bundled", "cached")
    page.chosen = (domain, name)
    page.widgets["product"].value = name
    parts["facts"].object = shown(known.title or name, f"{name} · {domain} · {where}", facts_of(domain, name))
    _write(page, domain, name)
    parts["code"].visible = parts["copy"].visible = True
    parts["download"].visible = known.source is not None
    parts["picture"].objects = []
    parts["busy"].param.update(object=busy(f"Drawing {name} …") if here else "", visible=here)
    words = "" if here else "A picture needs the data: the button above asks the archive for what the line says."
    parts["note"].param.update(object=words, visible=not here)
    _remember(page)


def _where(page: _Page, domain: str, name: str) -> str:
    """Return where a product is, as the catalogue's search says."""
    rows = page.rows
    if rows is not None and len(at := rows[(rows["field"] == domain) & (rows["product"] == name)]):
        return str(at["where"].iloc[0])
    listed = catalogue.search(domain, name.rpartition("/")[2])
    at = listed[listed["product"] == name]
    return str(at["where"].iloc[0]) if len(at) else name.partition("/")[0]


def _wait(page: _Page, words: str) -> None:
    with redrawing(page.root):
        page.parts["busy"].param.update(object=busy(words), visible=True)


def _draw(page: _Page, made: Callable[[], Preview]) -> None:
    """Draw a preview of the chosen product and complete what is said of it; or say why not."""
    import panel as pn

    assert page.chosen is not None
    domain, name = page.chosen
    parts = page.parts
    with redrawing(page.root):
        try:
            seen = made()
            facts = facts_with(facts_of(domain, name), seen.data)
            title = catalogue.product(domain, name).title or str(getattr(seen.data, "attrs", {}).get("title", name))
            parts["facts"].object = shown(title, f"{name} · {domain} · {_where(page, domain, name)}", facts)
            parts["picture"].objects = [] if seen.picture is None else [pn.pane.HoloViews(seen.picture)]
            words = seen.words if seen.picture is not None else f"{seen.words} It holds single numbers only.".strip()
            note = html.escape(words)
        except Exception as error:  # the page is the only place where its reader can see the reason
            parts["picture"].objects = []
            note = reason(name, error)
        parts["note"].param.update(object=note, visible=bool(note))
        parts["busy"].visible = False

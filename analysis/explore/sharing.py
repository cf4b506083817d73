"""Handing on what a page shows: its state, the code that opens it again, and its pictures as files."""

from __future__ import annotations

import html
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import xarray as xr

from analysis.errors import BadOption
from analysis.explore.states import Explored, explored_of
from analysis.model import provenance_of
from analysis.panels.loading import loaded, redrawing
from analysis.panels.saving import html_page, save, write_whole


def code_of(page: Any) -> str:
    """Return lines of Python that open an explorer's page as it is now.

    Parameters
    ----------
    page : panel.Column
        What ``explore`` gives.

    Returns
    -------
    str
        The line that gets the data again where their provenance says how, and the call with the state; what was done
        to the data since is not in it.

    Raises
    ------
    BadOption
        If it is no explorer's page.

    Examples
    --------
    >>> from analysis.explore import Choice, View, linked
    >>> page = linked([View("Moon", lambda name: name, uses=["name"])], controls=[Choice("name", ["Io", "Europa"])])
    >>> print(code_of(page))
    from analysis import explore
    <BLANKLINE>
    # page: the explorer that you opened
    explore.set_state(page, {'name': 'Io'})
    """
    return _code(explored_of(page))


def save_page(page: Any, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the pictures of an explorer's page as one HTML file that needs neither network nor kernel.

    Parameters
    ----------
    page : panel.Column
        What ``explore`` gives.
    path : str or path
        Its suffix is ``.html``. One picture as PNG, SVG or PDF is :func:`analysis.panels.save`'s.
    overwrite : bool, optional
        Replace a file of this name.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BadOption
        If it is no explorer's page, the suffix is another, or the file is there already.

    Examples
    --------
    >>> save_page("no page", "page.html")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: a str is no page of an explorer; ...
    """
    held, target = explored_of(page), Path(path)
    if target.suffix.lower() != ".html":
        raise BadOption(f"{target}: a page is saved as .html; panels.save writes one picture as .png, .svg or .pdf")
    if target.exists() and not overwrite:
        raise BadOption(f"{target} is there already; overwrite=True replaces it")
    if not target.absolute().parent.is_dir():
        raise BadOption(f"{target}: there is no folder {target.absolute().parent}")
    write_whole(target, _html(held))
    return target


def opened_again(field: str, data: Any, options: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the code that gets data again and explores them, for ``again=`` of the explorers.

    Parameters
    ----------
    field : str
        The module with ``fetch``, ``collect`` and ``explore``.
    data : xarray.Dataset, xarray.DataArray or xarray.DataTree
        Its provenance, or that of its nodes, says what was fetched or read.
    options : mapping, optional
        Further arguments of ``explore``, as written in code.

    Examples
    --------
    >>> print(opened_again("plasma", xr.Dataset())["call"])
    plasma.explore(data, state={state})
    """
    more = "".join(f", {name}={value!r}" for name, value in (options or {}).items())
    return {"field": field, "opening": _opening(field, data), "call": f"{field}.explore(data{more}, state={{state}})"}


def share_bar(page: Any, held: Explored) -> tuple[Any, Callable[[], None]]:
    """Return a button with what it unfolds (state, code, files), and a function that brings it up to date."""
    import panel as pn

    button = pn.widgets.Button(label="Share this view", width=140)
    inside = pn.Column(visible=False)
    boxes: dict[str, Any] = {}

    def renew() -> None:
        if inside.visible:
            boxes["code"].value, boxes["state"].value = _code(held), _json(held)

    def press(_: Any) -> None:
        with redrawing(page):
            if not boxes:
                inside.objects = _contents(pn, held, boxes)
            inside.visible = not inside.visible
            renew()

    button.on_click(press)
    return pn.Column(button, inside), renew


def _contents(pn: Any, held: Explored, boxes: dict[str, Any]) -> list[Any]:
    boxes["code"] = pn.widgets.TextAreaInput(label="Code that opens this view", width=680, rows=6)
    boxes["state"] = pn.widgets.TextAreaInput(label="This view as JSON", width=680, rows=3)
    said = pn.pane.Str("", styles={"font-weight": "bold"})
    stem = re.sub(r"[^\w.-]+", "_", held.title).strip("_")[:60] or "view"

    def download(label: str, name: str, make: Callable[[], bytes]) -> Any:
        def content() -> BytesIO:
            made.filename, said.object = name, ""
            try:
                return BytesIO(make())
            except Exception as error:  # the page is the only place where its reader can see the reason
                said.object = f"{name} was not saved: {str(error) or type(error).__name__}"
                made.filename = f"{name}_not_saved.txt"
                return BytesIO(str(said.object).encode())

        made = pn.widgets.FileDownload(callback=content, filename=name, label=label, auto=True, embed=False, width=150)
        return made

    def picture(name: str, kind: str) -> Callable[[], bytes]:
        return lambda: _printed(held, name, kind)

    drawn = [name for name, one in held.pictures().items() if not isinstance(one, str)]
    rows = [
        pn.Row(
            download("Save view (JSON)", f"{stem}.json", lambda: _json(held).encode()),
            download("All pictures (HTML)", f"{stem}.html", lambda: _html(held)),
        )
    ]
    for name in drawn:
        file = f"{stem}_{re.sub(r'[^A-Za-z0-9]+', '_', name).lower()}"
        files = [download(f"{kind.upper()}", f"{file}.{kind}", picture(name, kind)) for kind in ("png", "svg")]
        rows.append(pn.Row(pn.pane.Str(name, width=150), *files))
    return [boxes["code"], boxes["state"], *rows, said]


def _code(held: Explored) -> str:
    state = {name: value for name, value in held.read().items() if value is not None}
    if not held.again:
        return (
            f"from analysis import explore\n\n# page: the explorer that you opened\nexplore.set_state(page, {state!r})"
        )
    used = sorted({held.again["field"], *re.findall(r"\b(formats)\.", held.again["opening"])})
    stored = ["import xarray as xr", ""] if "= xr." in held.again["opening"] else []
    lines = [*stored, f"from analysis import {', '.join(used)}", "", held.again["opening"]]
    return "\n".join([*lines, held.again["call"].replace("{state}", repr(state))])


def _json(held: Explored) -> str:
    return json.dumps(held.read(), ensure_ascii=False)


def _opening(field: str, data: Any) -> str:
    """Return the line that gets the data, or a remark where nothing is known of how they came."""
    if not isinstance(data, xr.DataTree):
        known = _known_of(data)
        return _fetching(field, known) or _reading([known]) or "# data: what you opened this page with"
    nodes = {name: [_known_of(n) for n in child.subtree if n.attrs] for name, child in data.children.items()}
    if data.attrs:
        nodes["/"] = [_known_of(data)]
    flat = [known for listed in nodes.values() for known in listed]
    queries = {json.dumps(known.get("query"), sort_keys=True) for known in flat}
    if len(queries) == 1 and flat and (line := _fetching(field, flat[0])):
        return line
    asked = {name: listed[0].get("query") or {} for name, listed in nodes.items() if listed}
    options = [{k: v for k, v in q.items() if k not in ("domain", "product")} for q in asked.values()]
    named = all(q.get("product") == name and q.get("domain") == field for name, q in asked.items())
    if asked and named and all(one == options[0] for one in options):
        return f"data = {field}.collect({', '.join(map(repr, asked))}{_keywords(options[0])})"
    return _reading(flat) or "# data: what you opened this page with"


def _fetching(field: str, known: Mapping[str, Any]) -> str:
    query = known.get("query") or {}
    if query.get("domain") != field or "product" not in query:
        return ""
    options = {name: value for name, value in query.items() if name not in ("domain", "product")}
    return f"data = {field}.fetch({query['product']!r}{_keywords(options)})"


def _reading(known: list[Mapping[str, Any]]) -> str:
    names = {file.get("name") for one in known if not one.get("query") for file in one.get("files", [])}
    return f"data = formats.read({names.pop()!r})  # in the folder that holds it" if len(names) == 1 else ""


def _known_of(data: Any) -> Mapping[str, Any]:
    return provenance_of(data) if isinstance(data.attrs.get("provenance"), str) else {}


def _keywords(options: Mapping[str, Any]) -> str:
    plain = {name: re.sub(r"\.0+$", "", value) if isinstance(value, str) else value for name, value in options.items()}
    return "".join(f", {name}={value!r}" for name, value in plain.items() if value is not None)


def _printed(held: Explored, name: str, kind: str) -> bytes:
    """Return the bytes of one picture as PNG or SVG."""
    picture = held.pictures().get(name)
    if picture is None or isinstance(picture, str):
        raise BadOption(f"{name} shows no picture now{f': {picture}' if picture else ''}")
    with tempfile.TemporaryDirectory() as folder:
        return save(picture, Path(folder) / f"picture.{kind}", dpi=150).read_bytes()


def _html(held: Explored) -> bytes:
    """Return a page with all pictures as they are, and all scripts that it needs."""
    from bokeh.models.layouts import Column
    from bokeh.models.widgets import Div

    hv = loaded()
    state = "; ".join(f"{name}: {value}" for name, value in held.read().items() if value is not None)
    parts: list[Any] = [Div(text=f"<b>{html.escape(held.title)}</b><br>{html.escape(state)}")]
    for name, made in held.pictures().items():
        if isinstance(made, str):
            parts.append(Div(text=f"<b>{html.escape(name)}</b><pre>{html.escape(made)}</pre>"))
        else:
            parts.append(hv.render(made, backend="bokeh"))
    return html_page(Column(children=parts), held.title or "Sankō")

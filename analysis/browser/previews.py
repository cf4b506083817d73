"""A picture of a product: of one that ships or of what the store holds, without asking anybody."""

from __future__ import annotations

import contextlib
import html
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from analysis import catalogue, store
from analysis.browser.telling import Line
from analysis.catalogue import held
from analysis.catalogue.cutting import nodes_of
from analysis.errors import AnalysisWarning, Offline, WrongData

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Preview:
    """The data, their picture (a HoloViews object, or None where there is none to draw), and what to say of it."""

    data: xr.Dataset | xr.DataTree
    picture: Any
    words: str = ""


def preview(domain: str, name: str) -> Preview:
    """Return a picture of a product that ships or of which the store holds something; never asks an archive.

    Raises
    ------
    Offline
        If no answer of an archive is held whole.
    """
    if catalogue.product(domain, name).source is None:
        return drawn(Line(domain, name, {}))
    queries = held.queries(domain, name)
    if not queries:
        raise Offline(f"of {name} the store holds no answer whole; the line below asks the archive for it")
    keys = ("domain", "product", "start", "stop", "variables")
    query = queries[-1]
    told = {key: value for key, value in query.items() if key not in keys}
    with store.offline(), warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)  # said when it was fetched, and in the history
        data = catalogue.fetch(
            domain,
            name,
            start=_text(query.get("start")),
            stop=_text(query.get("stop")),
            variables=query.get("variables"),  # type: ignore[arg-type]  # as it was asked
            fields=told,  # type: ignore[arg-type]
        )
    span = [_text(query[key]) or "" for key in ("start", "stop") if key in query]
    parts = [" to ".join(text[:19] for text in span), *(f"{key} {value}" for key, value in told.items())]
    what = ", ".join(filter(None, parts))
    return _of(domain, name, data, f"Held of it: {what}." if what else "")


def drawn(line: Line) -> Preview:
    """Return a picture of what a line of code fetches, asking the archive where it must."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", AnalysisWarning)
        data = line.fetched()
    said = " ".join(str(one.message) for one in told if issubclass(one.category, AnalysisWarning))
    return _of(line.field, line.product, data, said)


def _of(domain: str, name: str, data: xr.Dataset | xr.DataTree, words: str) -> Preview:
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", AnalysisWarning)
            picture = _picture(domain, name, data)
    except WrongData:  # single numbers or events are nothing for a view
        return Preview(data, _points(data), words)
    said = [str(one.message) for one in told if issubclass(one.category, AnalysisWarning)]
    return Preview(data, picture, " ".join(filter(None, [words, *said])))


def _picture(domain: str, name: str, data: xr.Dataset | xr.DataTree) -> Any:
    """Return the field's quick look where the product declares one and the data hold it, else its view."""
    module = import_module(f"analysis.{domain}")
    if catalogue.product(domain, name).quicklook and hasattr(module, "quicklook"):
        with contextlib.suppress(WrongData):  # of what was held none is in the quick look
            return module.quicklook(data)
    return module.view(data)


def _points(data: xr.Dataset | xr.DataTree) -> Any:
    """Return the first variable over times that are not an axis of it (single events), or None."""
    from analysis.panels.loading import loaded

    hv = loaded()
    for node in nodes_of(data).values():
        for variable in node.data_vars.values():
            time = variable.coords.get("time")
            if time is not None and time.dims == variable.dims and variable.ndim == 1 and variable.dtype.kind == "f":
                name = str(variable.attrs.get("long_name", variable.name))
                axis = hv.Dimension(str(variable.name), label=name, unit=variable.attrs.get("units"))
                over = hv.Dimension("time", label="Time (UTC)")
                made = hv.Points((time.values, variable.values), [over, axis])
                return made.opts(width=700, height=300, size=5, tools=["hover"], title=str(node.attrs.get("title", "")))
    return None


def busy(words: str) -> str:
    """Return a turning ring with words beside it, as HTML."""
    return (
        "<style>@keyframes turn{to{transform:rotate(1turn)}}</style><span style='display:inline-block;width:14px;"
        "height:14px;border:3px solid #ccc;border-top-color:#0072B2;border-radius:50%;vertical-align:middle;"
        f"animation:turn 1s linear infinite'></span> {html.escape(words)}"
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)

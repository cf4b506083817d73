"""What is known of a product before it is fetched, and the line of code that fetches it."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from analysis import catalogue, sample
from analysis.browser.bands import bands_of, frequencies_of, reach
from analysis.browser.finding import Wish
from analysis.catalogue import indexed
from analysis.catalogue.cutting import nodes_of
from analysis.catalogue.declared import INDEXED, Product
from analysis.errors import UnknownProduct
from analysis.model import span
from analysis.panels.themes import PALE

if TYPE_CHECKING:
    import xarray as xr

_DAY = np.timedelta64(1, "D")
_LISTED = 40  # variables named on the page
_LABEL = f"vertical-align:top;white-space:nowrap;padding:2px 12px 2px 0;opacity:{PALE}"


@dataclass(frozen=True)
class Line:
    """A call of a field's ``fetch``, or of the catalogue's where the field's does not take what the product needs."""

    field: str
    product: str
    arguments: Mapping[str, str]

    @property
    def code(self) -> str:
        """The line as one writes it in a notebook, its import before it."""
        told = "".join(f", {key}={_quoted(value)}" for key, value in self.arguments.items())
        if self._taken:
            return f"from analysis import {self.field}\n{self.field}.fetch({_quoted(self.product)}{told})"
        fields = ", ".join(f"{_quoted(key)}: {_quoted(value)}" for key, value in self.arguments.items())
        names = f"{_quoted(self.field)}, {_quoted(self.product)}"
        return f"from analysis import catalogue\ncatalogue.fetch({names}, fields={{{fields}}})"

    def fetched(self) -> xr.Dataset | xr.DataTree:
        """What the line gives."""
        if self._taken:
            return import_module(f"analysis.{self.field}").fetch(self.product, **self.arguments)
        return catalogue.fetch(self.field, self.product, fields=self.arguments)

    @property
    def _taken(self) -> bool:
        takes = inspect.signature(import_module(f"analysis.{self.field}").fetch).parameters
        return set(self.arguments) <= set(takes)


def line_of(domain: str, name: str, wish: Wish | None = None) -> Line:
    """Return the line that fetches a product, cut to what was looked for where the product can be cut so.

    A product that ships is fetched whole unless a time is looked for. An archive's is asked for the interval looked
    for; for the example of its declaration where none is, and for one day where only one end of it is.

    Examples
    --------
    >>> print(line_of("plasma", "qin_denton_hourly", Wish(start="2001-03-31", stop="2001-04-01")).code)
    from analysis import plasma
    plasma.fetch("qin_denton_hourly", start="2001-03-31", stop="2001-04-01")
    """
    wish = wish or Wish()
    found = _product(domain, name)
    if found.source is None:
        return Line(domain, name, _cut(domain, found, wish))
    needs = catalogue.needs(domain, name)
    arguments = {key: str(value) for key, value in found.source.example.items()}
    if {"start", "stop"} <= set(needs):
        arguments |= _interval(found, wish)
    if "frequency" in needs and wish.band:
        low, high = reach(wish.band)
        fitting = [f"{ghz:g}" for ghz in frequencies_of(domain, name) if low <= reach(f"{ghz:g} GHz")[0] <= high]
        arguments |= {"frequency": fitting[0]} if fitting else {}
    return Line(domain, name, arguments)


def facts_of(domain: str, name: str) -> dict[str, str]:
    """Return what the catalogue has on a product, label → words; what is not stated has no label.

    Examples
    --------
    >>> facts_of("cmb", "litebird_channels")["Made by"]
    'LiteBIRD Collaboration'
    """
    found = _product(domain, name)
    told = {
        "Mission": " · ".join(filter(None, (found.mission, found.instrument))),
        "Covers": _coverage(found),
        "Band": _bands(domain, name),
        "Holds": _variables(found),
        **_whose(found),
        "Beware": "\n".join(found.caveats),
    }
    return {label: words for label, words in told.items() if words}


def facts_with(facts: Mapping[str, str], data: xr.Dataset | xr.DataTree) -> dict[str, str]:
    """Return the facts with what only the data tell: units and names of variables, and whose they are."""
    nodes = nodes_of(data)
    described = [
        f"{path.lstrip('/')}{'/' if path != '/' else ''}{name}: {_described(variable)}"
        for path, node in nodes.items()
        for name, variable in node.data_vars.items()
    ]

    def said(key: str) -> str:
        lines = [line for node in nodes.values() for line in str(node.attrs.get(key, "")).splitlines()]
        return "\n".join(dict.fromkeys(lines))

    read = {
        "Holds": _shortened(described),
        "Made by": said("institution"),
        "Licence": said("license"),
        "Cite": said("references"),
        "Beware": said("caveats"),
    }
    order = ("Mission", "Covers", "Band", "Holds", "Made by", "Licence", "Cite", "Beware")
    merged = {**facts, **{label: words for label, words in read.items() if words}}
    return {label: merged[label] for label in order if label in merged}


def shown(title: str, head: str, facts: Mapping[str, str]) -> str:
    """Return title and facts as HTML; addresses become links, everything else is escaped."""
    rows = "".join(
        f"<tr><td style='{_LABEL}'>{html.escape(label)}</td>"
        f"<td style='padding:2px 0'>{'<br>'.join(map(_linked, words.splitlines()))}</td></tr>"
        for label, words in facts.items()
    )
    return (
        f"<div style='max-width:900px;overflow-wrap:anywhere'><b style='font-size:115%'>{html.escape(title)}</b>"
        f"<div style='opacity:{PALE};margin:2px 0 6px'>{html.escape(head)}</div><table>{rows}</table></div>"
    )


def _product(domain: str, name: str) -> Product:
    """Return a product, with the coverage that the index has of a dataset that no table declares."""
    found = catalogue.product(domain, name)
    if found.source is None or found.source.server != INDEXED or found.start is not None:
        return found
    try:
        known = indexed.dataset(found.source.dataset)
    except UnknownProduct:  # newer than the index
        return found
    return replace(found, start=known.start, stop=known.stop)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cut(domain: str, found: Product, wish: Wish) -> dict[str, str]:
    """Return start and stop for a product that ships, as far as they take something away."""
    first, last = span(wish.start or None, wish.stop or None)
    takes = inspect.signature(import_module(f"analysis.{domain}").fetch).parameters
    if found.start is None or found.stop is None or "start" not in takes:
        return {}
    begin, end = np.datetime64(found.start, "ns"), np.datetime64(found.stop, "ns")
    outside = (first is not None and first > end) or (last is not None and last <= begin)
    cut = {"start": first if first is not None and first > begin else None}
    cut["stop"] = last if last is not None and last <= end else None
    return {} if outside else {key: _written(value) for key, value in cut.items() if value is not None}


def _interval(found: Product, wish: Wish) -> dict[str, str]:
    """Return the interval to ask an archive for, empty where the example of the declaration does."""
    first, last = span(wish.start or None, wish.stop or None)
    begin, end = np.datetime64(found.start or "NaT", "ns"), np.datetime64(found.stop or "NaT", "ns")
    if (first is None and last is None) or (first is not None and first > end) or (last is not None and last <= begin):
        return {}  # comparisons with NaT are False
    if first is None:
        assert last is not None
        last = min(last, end + np.timedelta64(1, "ns")) if not np.isnat(end) else last
        first = last - _DAY
    first = max(first, begin) if not np.isnat(begin) else first
    if last is None:
        last = first + _DAY
    elif last > end:
        last = max(end, first + np.timedelta64(1, "s"))
    return {"start": _written(first), "stop": _written(last)}


def _written(instant: np.datetime64) -> str:
    """Return an instant as short as it can be written.

    Examples
    --------
    >>> _written(np.datetime64("2001-03-31T00:00:00", "ns")), _written(np.datetime64("2001-03-31T08:00", "ns"))
    ('2001-03-31', '2001-03-31T08:00:00')
    """
    day, seconds = instant.astype("datetime64[D]"), instant.astype("datetime64[s]")
    return str(day if day == instant else seconds if seconds == instant else instant)


def _coverage(found: Product) -> str:
    if found.start is None and found.stop is None:
        return ""
    return " to ".join((found.start or "…", found.stop or "now")).replace("T", " ") + " (UTC)"


def _bands(domain: str, name: str) -> str:
    if domain == "cmb" and (centres := frequencies_of(domain, name)):
        return ", ".join(f"{ghz:g} GHz" for ghz in centres)
    return "; ".join(_band(low, high, domain) for low, high in bands_of(domain, name))


def _band(low: float, high: float, domain: str) -> str:
    """Return a band in the unit that fits it."""
    unit = "GHz" if domain == "cmb" else "MeV" if low >= 1e5 else "keV" if high >= 1e3 else "eV"
    size = reach(f"1 {unit}")[0]
    return f"{low / size:.4g} {unit}" if low == high else f"{low / size:.4g} to {high / size:.4g} {unit}"


def _variables(found: Product) -> str:
    if found.source is not None and found.source.server == INDEXED and found.names == {"": []}:
        try:
            held = indexed.dataset(found.source.dataset).parameters
        except UnknownProduct:  # newer than the index
            return ""
        return _shortened([f"{p.name}: {p.description}{f' ({p.units})' if p.units else ''}" for p in held])
    return _shortened(
        [f"{node}/{name}" if node not in ("", "*") else name for node, names in found.names.items() for name in names],
        between=", ",
    )


def _shortened(items: Sequence[str], between: str = "\n") -> str:
    more = f"{between}and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return between.join(items[:_LISTED]) + more


def _described(variable: xr.DataArray) -> str:
    units = variable.attrs.get("units", "")
    return f"{variable.attrs.get('long_name', '')}{f' ({units})' if units not in ('', '1') else ''}"


def _whose(found: Product) -> dict[str, str]:
    """Return who made it, its licence and what to cite: of the files that ship, or as the archive is declared."""
    if found.source is not None:
        cited = "\n".join(found.source.references)
        return {"Made by": found.source.institution, "Licence": found.source.license, "Cite": cited}
    entries = [sample.entry(name) for name in found.sample_files]
    lines = {
        "Made by": [one.institution for one in entries],
        "Licence": [f"{one.license}. {one.terms}" for one in entries],
        "Cite": [reference for one in entries for reference in one.references],
    }
    return {label: "\n".join(dict.fromkeys(said)) for label, said in lines.items()}


def _linked(text: str) -> str:
    """Return a line as HTML, its addresses and DOIs as links."""
    found = re.split(r"(https?://[^\s,;)]+|doi:10\.\d+/[^\s,;)]+)", text)
    made = []
    for number, piece in enumerate(found):
        safe = html.escape(piece)
        address = safe.replace("doi:", "https://doi.org/", 1) if piece.startswith("doi:") else safe
        made.append(
            f"<a href='{address}' target='_blank' rel='noopener' style='color:inherit'>{safe}</a>"
            if number % 2
            else safe
        )
    return "".join(made)

"""What is declared: products by name, and the search for them."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

import pandas as pd

from analysis.errors import AnalysisError, BadOption, UnknownProduct

FIELDS = ("plasma", "xray", "cmb")
COLUMNS = ("product", "title", "mission", "instrument", "start", "stop", "kind", "where")


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product as its TOML declares it; the field names are the TOML's keys."""

    name: str
    title: str
    mission: str
    instrument: str
    kind: Literal["dataset", "tree"]
    file: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    assume: Mapping[str, str] = field(default_factory=dict)
    attrs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    holds: Sequence[str] = ()
    start: str | None = None
    stop: str | None = None
    keywords: Sequence[str] = ()
    caveats: Sequence[str] = ()

    @property
    def sample_files(self) -> tuple[str, ...]:
        """Names of its files in the sample registry."""
        return tuple(self.files.values()) if self.files else (self.file,)

    @property
    def words(self) -> str:
        """What a search looks through, in lower case."""
        ours = [*self.holds, *self.variables, *(v for node in self.nodes.values() for v in node)]
        parts = (self.name, self.title, self.mission, self.instrument, *self.keywords, *ours)
        return " ".join((*parts, self.name.replace("_", " "))).lower()


@cache
def products(domain: str) -> dict[str, Product]:
    """Return the products that a field declares, by name.

    Raises
    ------
    AnalysisError
        If the declaration has a key that is not known or lacks one that is needed.
    """
    table = tomllib.loads((files("analysis") / domain / "products.toml").read_text("utf-8"))
    found = {}
    for name, keys in table.items():
        try:
            found[name] = Product(name=name, **keys)
        except TypeError as error:
            raise AnalysisError(f"the declaration of {domain} product {name!r} is wrong: {error}") from error
    return found


def product(domain: str, name: str) -> Product:
    """Return one declared product.

    Raises
    ------
    UnknownProduct
        Naming the near matches, or the field that has a product of this name.
    """
    known = products(domain)
    if not isinstance(name, str):
        raise UnknownProduct(
            f"a product is named by text, for example {domain}.fetch({next(iter(known))!r}), not {name!r}"
        )
    if name in known:
        return known[name]
    for other in FIELDS:
        if other != domain and name in products(other):
            raise UnknownProduct(f"{name!r} is a product of {other}: {other}.fetch({name!r})")
    close = near(name, known) or [row.name for row in _matches(known, name.replace("_", " "))]
    hint = f"; near matches: {', '.join(close)}" if close else f"; {domain}.search() lists all {len(known)}"
    raise UnknownProduct(f"{domain} has no product {name!r}{hint}")


def field_of(name: str) -> str:
    """Return the field that declares a product: plasma, xray or cmb.

    Raises
    ------
    UnknownProduct
        Naming the near matches in all fields.
    """
    known = {product: domain for domain in FIELDS for product in products(domain)}
    if name not in known:
        close = near(name, known)
        hint = f"near matches: {', '.join(close)}" if close else f"there are {len(known)}, see search()"
        raise UnknownProduct(f"no field has a product {name!r}; {hint}")
    return known[name]


def search(domain: str, text: str = "") -> pd.DataFrame:
    """Return the products in which every word of ``text`` occurs, all of them for an empty text.

    Words are looked for in names, titles, missions, instruments, variables and keywords; if nothing has them all,
    the products with similar words are given.

    Returns
    -------
    pandas.DataFrame
        One row a product: name, title, mission, instrument, first and last time (UTC, NaT where there is
        no time axis), whether ``fetch`` gives a dataset or a tree, and where it is (``bundled``).
    """
    if not isinstance(text, str):
        raise BadOption(f"search takes words, for example {domain}.search('magnetic field'), not {text!r}")
    rows = [
        (p.name, p.title, p.mission, p.instrument, pd.Timestamp(p.start), pd.Timestamp(p.stop), p.kind, "bundled")
        for p in _matches(products(domain), text)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"start": "datetime64[ns]", "stop": "datetime64[ns]"})


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the names most like one that is not known."""
    return difflib.get_close_matches(name, list(known), n=5, cutoff=0.5)


def _matches(known: Mapping[str, Product], text: str) -> list[Product]:
    words = text.lower().split()
    exact = [p for p in known.values() if all(word in p.words for word in words)]
    if exact or not words:
        return exact
    return [
        p for p in known.values() if all(difflib.get_close_matches(w, p.words.split(), n=1, cutoff=0.75) for w in words)
    ]

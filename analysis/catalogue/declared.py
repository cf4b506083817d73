"""What is declared: products by name, those that ship and those that an archive has."""

from __future__ import annotations

import difflib
import re
import string
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analysis.catalogue.looks import Look, look, wrong_look
from analysis.errors import AnalysisError, BadOption, UnknownProduct

if TYPE_CHECKING:
    from analysis.catalogue.indexed import Indexed

FIELDS = ("plasma", "xray", "cmb")
# The field whose products any dataset of a HAPI server is, named "cdaweb/AC_H0_MFI" or "https://…/hapi/AC_H0_MFI".
ADDRESSED = "plasma"
INDEXED = "cdaweb"  # the server whose datasets the index that ships lists
NEEDS = ("start", "stop", "obsid", "target", "radius", "nside", "frequency")
VECTOR = 3  # components
# What a protocol cannot do without, and the keys that say where to ask.
PROTOCOLS = {
    "hapi": (("server", "dataset"), ("start", "stop")),
    "tap": (("server", "dataset"), ()),
    "files": (("template", "templates"), ()),
    "s3": (("template", "templates"), ()),
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where an archive has a product and what it must be told; the field names are the TOML's keys.

    `observations` is the product that lists what ``obsid`` may be: a table with the variable ``obsid``. Of a table,
    `where` is a condition in ADQL that all its rows fulfil, `span` the two columns (Julian dates, UTC) between which
    a row lies, so that it can be chosen by ``start`` and ``stop``.
    """

    archive: Literal["hapi", "tap", "files", "s3"]
    server: str = ""
    dataset: str = ""
    template: str = ""
    templates: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()
    example: Mapping[str, str] = field(default_factory=dict)
    observations: str = ""
    where: str = ""
    span: Sequence[str] = ()
    references: Sequence[str] = ()
    institution: str = ""
    license: str = ""

    @property
    def short_name(self) -> str:
        """What a search says of where it is: the server's name in the table of servers, else its host."""
        from analysis.archives.servers import servers

        address = self.server or self.template or next(iter(self.templates.values()))
        if "://" not in address:
            return address
        known = [s for s in servers().values() if re.match(re.escape(s.url) + "([/?]|$)", address)]
        longest = max(known, key=lambda s: len(s.url), default=None)
        return longest.name if longest else re.sub(r"^\w+://", "", address).partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product as its TOML declares it; the field names are the TOML's keys.

    One with a `source` is asked of an archive, the others ship. ``kind`` is "either" where only the answer tells.
    `components` names the places of a variable's one axis where the archive may not: those of a vector first, then
    those that become variables of their own, ``b = ["x", "y", "z", "b_total"]``.
    """

    name: str
    title: str
    mission: str
    instrument: str
    kind: Literal["dataset", "tree", "either"]
    file: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    recorded: str = ""  # an archive's answer that a library's package carries
    source: Source | None = None
    live: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    assume: Mapping[str, str] = field(default_factory=dict)
    attrs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    components: Mapping[str, Sequence[str]] = field(default_factory=dict)
    holds: Sequence[str] = ()
    start: str | None = None
    stop: str | None = None
    keywords: Sequence[str] = ()
    caveats: Sequence[str] = ()
    quicklook: Sequence[Look] = ()

    @property
    def names(self) -> dict[str, list[str]]:
        """Its variables by node; of a dataset under the empty name, of a tree that does not say where under ``"*"``."""
        if self.nodes:
            return {node: list(variables) for node, variables in self.nodes.items()}
        return {"*" if self.kind == "tree" else "": [*self.holds, *self.variables, *self.split_off]}

    @property
    def sample_files(self) -> tuple[str, ...]:
        """Names of its files in the sample registry."""
        return tuple(self.files.values()) if self.files else (self.file,) if self.file else ()

    @property
    def split_off(self) -> dict[str, str]:
        """Variables that are one place of another one's axis: ``b_total`` is the fourth of ``b``."""
        return {one: whole for whole, places in self.components.items() for one in places[VECTOR:]}

    @property
    def words(self) -> str:
        """What a search looks through, in lower case."""
        ours = [*self.holds, *self.variables, *self.split_off, *(v for node in self.nodes.values() for v in node)]
        there = [self.source.dataset, self.source.short_name] if self.source else []
        parts = (self.name, self.title, self.mission, self.instrument, *self.keywords, *ours, *there)
        return " ".join((*parts, self.name.replace("_", " "))).lower()


def products(domain: str, *, live: bool = False) -> dict[str, Product]:
    """Return the products that a field declares, by name.

    Parameters
    ----------
    domain : str
        The field: plasma, xray or cmb.
    live : bool
        Those that archives have; by default those that ship.

    Raises
    ------
    AnalysisError
        If the declaration has a key that is not known or lacks one that is needed.
    """
    return {name: found for name, found in _declared(domain).items() if (found.source is not None) == live}


def product(domain: str, name: str) -> Product:
    """Return one product: one that ships, one of an archive, or in plasma any dataset of a HAPI server.

    Raises
    ------
    UnknownProduct
        Naming the near matches, or the field that has a product of this name.
    UnknownServer
        For ``server/dataset`` if there is no such server.
    """
    known = _declared(domain)
    if not isinstance(name, str):
        raise UnknownProduct(
            f"a product is named by text, for example {domain}.fetch({next(iter(known))!r}), not {name!r}"
        )
    if name in known:
        return known[name]
    if "/" in name and domain == ADDRESSED:
        return _addressed(name)
    for other in FIELDS:
        if other != domain and (name in _declared(other) or ("/" in name and other == ADDRESSED)):
            raise UnknownProduct(f"{name!r} is a product of {other}: {other}.fetch({name!r})")
    close = near(name, known) or [p.name for p in having(known.values(), name.replace("_", " "))][:5]
    hint = f"; near matches: {', '.join(close)}" if close else ""
    if domain == ADDRESSED and (dataset := _in_index(name)):
        hint = f"; a dataset of this name is at {INDEXED}: {domain}.fetch('{INDEXED}/{dataset.id}', start, stop)"
    raise UnknownProduct(f"{domain} has no product {name!r}{hint or f'; {domain}.search() lists all {len(known)}'}")


def twin(domain: str, name: str) -> Product:
    """Return what an archive has in place of a product that ships; an archive's product is its own twin.

    Raises
    ------
    BadOption
        If the product names none.
    UnknownProduct, UnknownServer
        As for :func:`product`.
    """
    found = product(domain, name)
    if found.source is not None:
        return found
    if not found.live:
        others = sorted(p.name for p in products(domain).values() if p.live)
        hint = f"; live=True works for {', '.join(others)}" if others else ""
        raise BadOption(f"no archive's product is declared in place of {name}: leave live=True out{hint}")
    return product(domain, found.live)


def field_of(name: str) -> str:
    """Return the field that declares a product: plasma, xray or cmb.

    Raises
    ------
    UnknownProduct
        Naming the near matches in all fields.
    """
    known = {product: domain for domain in FIELDS for product in _declared(domain)}
    if name not in known and "/" in name:
        return ADDRESSED
    if name not in known:
        close = near(name, known)
        hint = f"near matches: {', '.join(close)}" if close else f"there are {len(known)}, see search()"
        if dataset := _in_index(name):
            hint = f"a dataset of this name is at {INDEXED}: {INDEXED}/{dataset.id}"
        raise UnknownProduct(f"no field has a product {name!r}; {hint}")
    return known[name]


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the names most like one that is not known."""
    return difflib.get_close_matches(name, list(known), n=5, cutoff=0.5)


def having(known: Iterable[Product], text: str) -> list[Product]:
    """Return the products in which every word of a text occurs."""
    words = text.lower().split()
    return [found for found in known if all(word in found.words for word in words)]


def needs(domain: str, name: str, *, live: bool = False) -> tuple[str, ...]:
    """Return what a fetch of a product must be given: nothing for one that ships.

    Raises
    ------
    UnknownProduct, UnknownServer, BadOption
        As for :func:`product` and :func:`twin`.
    """
    source = (twin(domain, name) if live else product(domain, name)).source
    return needs_of(source) if source is not None else ()


def needs_of(source: Source) -> tuple[str, ...]:
    """Return what a fetch from this source must be given, by the declaration or by the protocol."""
    implied = [*PROTOCOLS[source.archive][1]]
    if any("start" in _placeholders(text) for text in (source.template, *source.templates.values())):
        implied += ["start", "stop"]
    return tuple(dict.fromkeys([*implied, *source.needs]))


@cache
def _declared(domain: str) -> dict[str, Product]:
    found: dict[str, Product] = {}
    folder = files("analysis") / domain
    for table in ("products.toml", "archives.toml"):
        if not (folder / table).is_file():
            continue
        for name, keys in tomllib.loads((folder / table).read_text("utf-8")).items():
            if name in found:
                raise AnalysisError(f"{domain} product {name!r} is declared twice")
            found[name] = declaration(name, keys, domain=domain)
    if lost := [p for p in found.values() if p.live and (p.live not in found or found[p.live].source is None)]:
        raise AnalysisError(f"{domain} product {lost[0].name!r}: live = {lost[0].live!r} is no archive's product")
    lists = {p.name: p.source.observations for p in found.values() if p.source and p.source.observations}
    if wrong := [name for name, other in lists.items() if other not in found or "obsid" not in found[other].variables]:
        raise AnalysisError(f"{domain} product {wrong[0]!r}: observations = {lists[wrong[0]]!r} lists no obsid")
    return found


def declaration(name: str, keys: Mapping[str, Any], *, domain: str) -> Product:
    """Return a product from the keys of its TOML table.

    Raises
    ------
    AnalysisError
        For a key that is not known, lacking or contradicts another; the message names it.

    Examples
    --------
    >>> keys = {"title": "Demo", "mission": "ACE", "instrument": "MFI", "kind": "dataset", "archive": "hapi",
    ...         "server": "cdaweb", "dataset": "AC_H0_MFI", "variables": {"b": "BGSEc"}}
    >>> declaration("ace_mag", keys, domain="plasma").source.short_name
    'cdaweb'
    """
    there = {f.name for f in fields(Source)}
    try:
        if "quicklook" in keys:
            keys = {**keys, "quicklook": tuple(look(panel) for panel in keys["quicklook"])}
        if "archive" in keys:
            source = Source(**{key: value for key, value in keys.items() if key in there})
            made = Product(name=name, source=source, **{k: v for k, v in keys.items() if k not in there})
        else:
            made = Product(name=name, **keys)
    except TypeError as error:
        raise AnalysisError(f"the declaration of {domain} product {name!r} is wrong: {error}") from error
    if wrong := _wrong(made):
        raise AnalysisError(f"the declaration of {domain} product {name!r} is wrong: {wrong}")
    return made


def _wrong(made: Product) -> str:
    """Return what contradicts in a declaration, empty where nothing does."""
    source = made.source
    if made.quicklook and (wrong := next(filter(None, (wrong_look(one, made.names) for one in made.quicklook)), "")):
        return wrong
    if made.kind not in ("dataset", "tree", "either"):
        return f"kind = {made.kind!r} is neither dataset nor tree"
    if source is None:
        told = [made.file, made.files, made.recorded]
        return "" if sum(map(bool, told)) == 1 else "a product that ships has one of file, files and recorded"
    if made.file or made.files or made.recorded or made.live:
        return "a product of an archive has no file, files, recorded or live"
    if source.archive not in PROTOCOLS:
        return f"archive = {source.archive!r} is none of {', '.join(PROTOCOLS)}"
    where = PROTOCOLS[source.archive][0]
    stated = [key for key in where if getattr(source, key)]
    if "server" in where and len(stated) < len(where):
        return f"archive = {source.archive!r} needs {' and '.join(where)}"
    if "template" in where and len(stated) != 1:
        return f"archive = {source.archive!r} needs either template or templates"
    if unknown := [need for need in source.needs if need not in NEEDS]:
        return f"needs {', '.join(unknown)}, but fetch takes {', '.join(NEEDS)}"
    try:
        asked = {name for text in (source.template, *source.templates.values()) for name in _placeholders(text)}
    except ValueError as error:
        return f"the address is written wrongly: {error}"
    if source.observations and "obsid" not in source.needs:
        return "observations is for a product that needs obsid"
    if (source.where or source.span) and source.archive != "tap":
        return "where and span are for archive = 'tap'"
    if source.span and len(source.span) != 2:
        return f"span = {source.span!r} is not the names of two columns"
    if lost := sorted({*made.components} - {*made.variables}):
        return f"components names {', '.join(lost)}, which is not in variables"
    if short := sorted(name for name, places in made.components.items() if len(places) < VECTOR):
        return f"components of {', '.join(short)} are fewer than {VECTOR}"
    if missing := asked - set(needs_of(source)):
        return f"the address has {{{'}, {'.join(sorted(missing))}}}, which is not in needs"
    if source.example and (missing := set(needs_of(source)) - set(source.example)):
        return f"the example lacks {', '.join(sorted(missing))}"
    return ""


def _placeholders(template: str) -> set[str]:
    """Return what is filled into an address; ``{each}`` is not filled in but looked for."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name} - {"each"}


def _addressed(name: str) -> Product:
    """Return the product that any dataset of a HAPI server is."""
    from analysis.archives.servers import server

    said = re.fullmatch(r"(https?://.+?/hapi|[^/:]+)/(.+)", name.strip("/"))
    if said is None:
        raise UnknownProduct(
            f"{name!r} is no dataset of a HAPI server: write 'cdaweb/AC_H0_MFI' or 'https://…/hapi/AC_H0_MFI'"
        )
    where = server(said[1], "hapi")
    source = Source(
        archive="hapi", server=said[1], dataset=said[2], institution=where.title, references=where.references
    )
    found = Product(name=name, title="", mission="", instrument="", kind="either", source=source)
    known = _in_index(said[2]) if said[1] == INDEXED else None
    if known is None:
        return found
    cited = [f"https://doi.org/{known.doi}"] if known.doi else []
    day = np.datetime64(known.start, "D")
    example = {"start": str(day), "stop": str(day + 1)}
    source = replace(source, references=(*cited, *where.references), example=example)
    return replace(found, title=known.title, mission=known.mission, instrument=known.instrument, source=source)


def _in_index(dataset: str) -> Indexed | None:
    """Return what the index that ships says of a dataset; None of one that it does not have, such as a newer one."""
    from analysis.catalogue import indexed

    try:
        return indexed.dataset(dataset)
    except UnknownProduct:
        return None

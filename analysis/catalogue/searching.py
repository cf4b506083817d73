"""The search for products by words: those that ship, those of archives, and the index of datasets that ships."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import pandas as pd

from analysis.catalogue import held
from analysis.catalogue.declared import ADDRESSED, INDEXED, Product, having, products
from analysis.errors import BadOption

COLUMNS = ("product", "title", "mission", "instrument", "start", "stop", "kind", "where")


def search(domain: str, text: str = "") -> pd.DataFrame:
    """Return the products in which every word of ``text`` occurs, all that are declared for an empty text.

    Words are looked for in names, titles, missions, instruments, variables and keywords; if nothing has them all,
    the products with similar words are given. In plasma the datasets of CDAWeb follow, named ``cdaweb/<dataset>``,
    from the index that ships. Nothing is asked over the network.

    Returns
    -------
    pandas.DataFrame
        One row a product: name, title, mission, instrument, first and last time (UTC, NaT where there is
        no time axis or no end), whether ``fetch`` gives a dataset or a tree (or either, as the answer has it), and
        where it is: ``bundled``, ``cached`` (an archive's, of which a part at least is held) or the archive.
    """
    if not isinstance(text, str):
        raise BadOption(f"search takes words, for example {domain}.search('magnetic field'), not {text!r}")
    words = text.lower().split()
    known = products(domain) | products(domain, live=True)
    found = having(known.values(), text)
    listed = _indexed(text) if domain == ADDRESSED and words else []
    if not found and not listed:
        found = _similar(known, words)
    names = [p.name for p in found if p.source is not None] + [row[0] for row in listed]
    cached = held.are_cached(domain, names)
    rows: list[tuple[object, ...]] = [
        (p.name, p.title, p.mission, p.instrument, p.start, p.stop, p.kind, _where(p, cached)) for p in found
    ]
    rows += [(*row, "either", "cached" if row[0] in cached else INDEXED) for row in listed]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.assign(
        **{end: pd.to_datetime(frame[end], format="ISO8601").astype("datetime64[ns]") for end in ("start", "stop")}
    )


def _where(found: Product, cached: set[str]) -> str:
    if found.source is None:
        return "bundled"
    return "cached" if found.name in cached else found.source.short_name


def _indexed(text: str) -> list[tuple[str, ...]]:
    """Return name, title, mission, instrument, start and stop of the datasets in the index that match."""
    from analysis.catalogue import indexed

    return [(f"{INDEXED}/{d.id}", d.title, d.mission, d.instrument, d.start, d.stop) for d in indexed.datasets(text)]


def _similar(known: Mapping[str, Product], words: list[str]) -> list[Product]:
    return [
        p for p in known.values() if all(difflib.get_close_matches(w, p.words.split(), n=1, cutoff=0.75) for w in words)
    ]

"""Which products are listed: the catalogue's own search over the fields, and filters on its rows."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from analysis import catalogue
from analysis.browser.bands import bands_of, reach
from analysis.catalogue import indexed
from analysis.catalogue.declared import ADDRESSED, having
from analysis.errors import BadOption
from analysis.model import span

if TYPE_CHECKING:
    import pandas as pd

PLACES = ("bundled", "cached", "live")  # live: only an archive has it


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is looked for; an empty text leaves a filter out.

    ``start`` and ``stop`` (UTC) keep products whose coverage meets the interval, ``band`` (``"2-10 keV"``,
    ``"94 GHz"``) those whose energies or frequencies do, ``where`` is bundled, cached or live.
    """

    text: str = ""
    field: str = ""
    mission: str = ""
    instrument: str = ""
    start: str = ""
    stop: str = ""
    band: str = ""
    where: str = ""


@dataclass(frozen=True)
class Found:
    """The rows of a search with the column ``field`` before them, and what a reader should know of them.

    ``missions`` and ``instruments`` say how many rows there would be of each, were that filter left out.
    """

    rows: pd.DataFrame
    missions: Mapping[str, int] = field(default_factory=dict)
    instruments: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def found(wish: Wish) -> Found:
    """Return the products that fit a wish: rows of :func:`analysis.catalogue.search`, filtered.

    With words of which no product has all, the products with similar words are given and a note says so. A product
    that states no time is left out by ``start`` and ``stop``, one that states no energy by ``band``; notes count them.

    Raises
    ------
    BadOption
        For an unknown field, mission, instrument or place (near ones are named), or a band that cannot be read.
    BadTime
        For a time that cannot be read, or if ``stop`` is not after ``start``.

    Examples
    --------
    >>> found(Wish(text="litebird", where="bundled")).rows["product"].tolist()
    ['litebird_channels']
    """
    wish = canonical(wish)
    rows, notes = _searched(wish.text, wish.field)
    if not wish.text.strip() and wish.field in ("", ADDRESSED) and wish.where in ("", "live"):
        notes = [*notes, "Type words to search the datasets of CDAWeb too."]  # how many: not worth reading the index
    timed, timeless = _timed(rows, wish)
    banded, bandless = _banded(rows, wish.band)
    masks = {
        "where": _placed(rows, wish.where),
        "time": timed,
        "band": banded,
        "mission": _named(rows, "mission", wish.mission),
        "instrument": _named(rows, "instrument", wish.instrument),
    }

    def fitting(*without: str) -> np.ndarray:
        mask: np.ndarray = np.ones(len(rows), bool)
        for name, one in masks.items():
            if name not in without:
                mask &= one
        return mask

    def kept(*without: str) -> pd.DataFrame:
        return rows[fitting(*without)]

    if silent := int(np.sum(timeless & fitting("time"))):
        notes.append(_count(silent, "states no time, so left out", "state no time, so left out"))
    if silent := int(np.sum(bandless & fitting("band"))):
        notes.append(
            _count(silent, "states no energy or frequency, so left out", "state no energy or frequency, so left out")
        )
    return Found(
        kept().reset_index(drop=True),
        missions=_counted(kept("mission", "instrument")["mission"], "mission"),
        instruments=_counted(kept("instrument")["instrument"], "instrument"),
        notes=tuple(notes),
    )


def _searched(text: str, domain: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of the fields' searches and what to say of them."""
    import pandas as pd

    domains = [domain] if domain else list(catalogue.FIELDS)
    # A field in which nothing has all the words answers with similar ones: wanted only if no field has them.
    exact = [one for one in domains if _has(one, text)]
    frames = [(one, catalogue.search(one, text)) for one in exact or domains]
    rows = pd.concat([frame.assign(field=one) for one, frame in frames], ignore_index=True)
    rows = rows[["field", *catalogue.COLUMNS]]
    if exact or not len(rows):
        return rows, []
    return rows, [f"No product has all of the words {text!r}; these have similar ones."]


def _has(domain: str, text: str) -> bool:
    known = {**catalogue.products(domain), **catalogue.products(domain, live=True)}
    return bool(having(known.values(), text) or (domain == ADDRESSED and text.strip() and indexed.datasets(text)))


def _placed(rows: pd.DataFrame, where: str) -> np.ndarray:
    if not where:
        return np.ones(len(rows), bool)
    local = rows["where"].isin(PLACES[:2])
    return np.asarray(~local if where == "live" else rows["where"] == where, dtype=bool)


def _named(rows: pd.DataFrame, column: str, name: str) -> np.ndarray:
    if not name:
        return np.ones(len(rows), bool)
    return np.array([_called(column, one) == name for one in rows[column]], dtype=bool)


def _called(column: str, name: str) -> str:
    """Return a mission without the short name that CDAWeb puts behind it, which is no other mission."""
    return re.sub(r" \([^)]*\)$", "", name) if column == "mission" else name


def _timed(rows: pd.DataFrame, wish: Wish) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows meet the interval, and which state no time; an open end reaches as far as the interval does."""
    first, last = span(wish.start or None, wish.stop or None)
    if first is None and last is None:
        return np.ones(len(rows), bool), np.zeros(len(rows), bool)
    start, stop = (rows[end].to_numpy("datetime64[ns]") for end in ("start", "stop"))
    stated = ~(np.isnat(start) & np.isnat(stop))
    early = np.zeros(len(rows), bool) if last is None else start >= last  # comparisons with NaT are False
    late = np.zeros(len(rows), bool) if first is None else stop < first
    return stated & ~early & ~late, ~stated


def _banded(rows: pd.DataFrame, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows meet the energies or frequencies, and which state none."""
    if not text:
        return np.ones(len(rows), bool), np.zeros(len(rows), bool)
    low, high = reach(text)
    held = [bands_of(domain, name) for domain, name in zip(rows["field"], rows["product"], strict=True)]
    meets = np.array([any(b <= high and t >= low for b, t in one) for one in held], dtype=bool)
    return meets, np.array([not one for one in held], dtype=bool)


def _count(number: int, one: str, many: str) -> str:
    return f"1 product {one}." if number == 1 else f"{number:,} products {many}."


def _counted(names: pd.Series, column: str) -> dict[str, int]:
    counts = Counter(_called(column, name) for name in names if name)
    return {name: counts[name] for name in sorted(counts, key=str.casefold)}


def canonical(wish: Wish) -> Wish:
    """Return the wish with mission and instrument as the catalogue spells them.

    Raises
    ------
    BadOption
        For an unknown field, mission, instrument or place; near ones are named.

    Examples
    --------
    >>> canonical(Wish(mission="litebird")).mission
    'LiteBIRD'
    """
    for one in fields(Wish):
        if not isinstance(getattr(wish, one.name), str):
            raise BadOption(f"browse takes {one.name} as text, not {getattr(wish, one.name)!r}")
    known: dict[str, Callable[[], tuple[str, ...]]] = {
        "field": lambda: catalogue.FIELDS,
        "where": lambda: PLACES,
        "mission": lambda: _known("mission"),
        "instrument": lambda: _known("instrument"),
    }
    spelled = {
        name: _spelled(name, getattr(wish, name), names()) for name, names in known.items() if getattr(wish, name)
    }
    return replace(wish, **spelled)


def _spelled(kind: str, asked: str, names: tuple[str, ...]) -> str:
    plain = {name.casefold(): name for name in names}
    key = _called(kind, asked.strip()).casefold()
    if key in plain:
        return plain[key]
    near = difflib.get_close_matches(key, list(plain), n=5, cutoff=0.5) or [one for one in plain if key in one][:5]
    hint = f"near are {', '.join(plain[one] for one in near)}" if near else f"there are {', '.join(names):.300}"
    raise BadOption(f"no {kind} is called {asked!r}; {hint}")


@cache
def _known(column: str) -> tuple[str, ...]:
    """Return every mission or instrument of the catalogue, that of the index too."""
    declared = [
        getattr(one, column)
        for domain in catalogue.FIELDS
        for live in (False, True)
        for one in catalogue.products(domain, live=live).values()
    ]
    listed = [getattr(one, column) for one in indexed.datasets()]
    return tuple(sorted({_called(column, one) for one in (*declared, *listed)} - {""}, key=str.casefold))

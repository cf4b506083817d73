"""The datasets of CDAWeb, found by words without a network: an index that ships.

``tools/make_index.py`` builds it from the dataset descriptions that the package xhelio-cdaweb carries: what CDAWeb's
master CDFs say of each parameter, and what its REST service says of titles and coverage. A search reads
``cdaweb_index.json.xz``; parameters with units and descriptions are in ``cdaweb_parameters.json.xz``.
"""

from __future__ import annotations

import difflib
import json
import lzma
import re
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from analysis.errors import AnalysisError, BadOption, UnknownProduct

__all__ = ["Indexed", "Parameter", "dataset", "datasets"]

# What people write, and what CDAWeb writes in its place. Short codes count only as a whole piece of an id ("des" is
# not meant by "description"), longer words wherever they stand.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "burst": ("brst",),
    "survey": ("srvy", "surv"),
    "magnetometer": ("mag", "fgm", "mfi", "mgf", "magnetic field"),
    "magnetic": ("mag", "fgm", "mfi", "mgf"),
    "electron": ("des", "peem", "eesa"),
    "electrons": ("des", "peem", "eesa", "electron"),
    "ion": ("dis", "peim", "iesa"),
    "ions": ("dis", "peim", "iesa", "ion"),
    "moments": ("moms", "mom", "gmom", "moment"),
    "plasma": ("swe", "swepam", "cis", "fpi", "esa"),
    "position": ("or", "orb", "ephemeris", "state", "ssc"),
    "orbit": ("or", "orb", "ephemeris", "state", "ssc"),
    "particles": ("particle", "epd", "eis", "epam", "energetic"),
    "waves": ("wav", "pwi", "emfisis", "wave"),
    "arase": ("erg",),
    "artemis": ("thb", "thc"),
    "themis": ("tha", "thb", "thc", "thd", "the"),
    "rbsp": ("rbspa", "rbspb", "van allen"),
    "psp": ("parker solar probe",),
    "solo": ("solar orbiter",),
    "maven": ("mvn",),
    "geotail": ("ge",),
    "solar wind": ("omni", "swe", "swepam", "swa", "swp", "spc", "spi", "mfi"),
}
_SHORT = (
    5  # letters below which a word must begin a word ("ace" is not meant by "space"), a synonym be a piece of an id
)


class Parameter(NamedTuple):
    """One parameter of a dataset: its name, its unit as CDAWeb writes it, and what it is."""

    name: str
    units: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """One dataset of CDAWeb, as described when the index was built.

    ``mission`` and ``instrument`` are the groups under which CDAWeb files it (OMNI is filed with Wind). ``start`` and
    ``stop`` (UTC) are what it covered then. Where a dataset has several time axes, its HAPI server offers each as
    ``id@0``, ``id@1`` …; the index has the id without the number.
    """

    id: str
    title: str
    mission: str
    instrument: str
    start: str
    stop: str
    doi: str

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters but the time, in the order of the archive."""
        return _parameters()[self.id]


class _Words(NamedTuple):
    """What a search looks through: the pieces of the id; id, title and groups; the parameters' names and words."""

    pieces: frozenset[str]
    head: str
    body: str


def datasets(text: str = "") -> list[Indexed]:
    """Return the datasets in which every word of a text occurs, the best first; all of them for an empty text.

    Words are looked for in ids, titles, missions and instruments, which count most, and in parameters' names and
    descriptions; a few common words stand for the codes in the ids (``burst`` for ``BRST``).

    Parameters
    ----------
    text : str
        Words, or an id.

    Returns
    -------
    list of Indexed
        Empty where nothing has all the words.

    Raises
    ------
    BadOption
        If ``text`` is no text.

    Examples
    --------
    >>> datasets("mms fgm burst")[0].id
    'MMS1_FGM_BRST_L2'
    """
    if not isinstance(text, str):
        raise BadOption(f"datasets takes words, for example datasets('mms fgm burst'), not {text!r}")
    if not (words := _asked(text)):
        return list(_index().values())
    found = [(marks, one) for one, searched in _searched() if (marks := _marks(searched, words))]
    return [one for _, one in sorted(found, key=lambda pair: (-pair[0], pair[1].id))]


def dataset(id: str) -> Indexed:
    """Return one dataset by its id, in any case, with or without the number of its time axis (``@0``).

    Raises
    ------
    UnknownProduct
        Naming the ids most like it.

    Examples
    --------
    >>> dataset("ac_h0_mfi").mission, dataset("MMS1_FGM_SRVY_L2@0").id
    ('ACE', 'MMS1_FGM_SRVY_L2')
    """
    if not isinstance(id, str):
        raise UnknownProduct(f"a dataset is named by text, for example 'AC_H0_MFI', not {id!r}")
    plain = re.sub(r"@\d+$", "", id.strip()).upper()
    known = _by_capitals()
    if plain in known:
        return known[plain]
    near = [known[name].id for name in difflib.get_close_matches(plain, known, n=5, cutoff=0.6)]
    hint = f"near are {', '.join(near)}" if near else f"the index has {len(known)}, datasets('words') finds them"
    raise UnknownProduct(f"CDAWeb's index has no dataset {id!r}; {hint}")


def _table(name: str) -> dict[str, list[Any]]:
    """Return the columns of one of the files."""
    path = files("analysis.catalogue") / name
    try:
        table: dict[str, list[Any]] = json.loads(lzma.decompress(path.read_bytes()))["datasets"]
    except (OSError, lzma.LZMAError, ValueError, KeyError) as error:
        raise AnalysisError(f"the index of CDAWeb's datasets cannot be read from {path}: {error}") from error
    return table


@cache
def _index() -> dict[str, Indexed]:
    return {one.id: one for one, _ in _searched()}


@cache
def _parameters() -> dict[str, tuple[Parameter, ...]]:
    table = _table("cdaweb_parameters.json.xz")
    rows = zip(table["id"], *(table[name] for name in Parameter._fields), strict=True)
    return {id: tuple(map(Parameter, *columns)) for id, *columns in rows}


@cache
def _by_capitals() -> dict[str, Indexed]:
    return {name.upper(): one for name, one in _index().items()}


@cache
def _searched() -> list[tuple[Indexed, _Words]]:
    """Return each dataset with what a search looks through."""
    table = _table("cdaweb_index.json.xz")
    keys = [one.name for one in fields(Indexed)]
    found = []
    for words, *row in zip(table["words"], *(table[key] for key in keys), strict=True):
        one = Indexed(**dict(zip(keys, row, strict=True)))
        head = plain(" ".join((one.id, one.title, one.mission, one.instrument)))
        found.append((one, _Words(frozenset(plain(one.id).split()), head, words)))
    return found


def plain(text: str) -> str:
    """Return the words of a text in lower case, a space before each.

    Examples
    --------
    >>> plain("MMS1_FGM: |B|")
    ' mms1 fgm b'
    """
    return " " + re.sub(r"[^a-z0-9+]+", " ", text.lower()).strip()


def _asked(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the words of a text, each with its synonyms; those of two words are kept together."""
    left = " ".join(text.lower().split())
    words = []
    for phrase in (name for name in SYNONYMS if " " in name):
        if phrase in left:
            words.append((phrase, SYNONYMS[phrase]))
            left = left.replace(phrase, " ")
    words += [(plain(re.sub(r"@\d+$", "", word)).strip(), SYNONYMS.get(word, ())) for word in left.split()]
    return [pair for pair in words if pair[0]]


def _marks(searched: _Words, words: list[tuple[str, tuple[str, ...]]]) -> int:
    """Return how well a dataset fits: the sum over all words, 0 where one is nowhere."""
    marks = 0
    for word, synonyms in words:
        if not (found := _mark(searched, word, synonyms)):
            return 0
        marks += found
    return marks


def _mark(searched: _Words, word: str, synonyms: tuple[str, ...]) -> int:
    pieces, head, body = searched
    if word in pieces or any(code in pieces for code in synonyms):
        return 4
    if any(piece.startswith(word) for piece in pieces):
        return 3
    sought = [word if len(word) >= _SHORT else f" {word}", *(other for other in synonyms if len(other) >= _SHORT)]
    if any(one in head for one in sought):
        return 2
    return int(any(one in body for one in sought))

"""Intervals cut on fixed edges of the calendar, so that requests which overlap share their parts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from analysis import store
from analysis.archives._hapiasking import DAY, SOON, Dataset, address, dataset_key, time_keys
from analysis.archives.parts import Part
from analysis.errors import CorruptFile
from analysis.formats._hapiinfo import Parameter
from analysis.formats._hapitimes import instant

LARGEST = 12_000_000  # bytes of a block, as far as cadence and width of a record tell
FEWEST = 1_000_000  # bytes from which a block is long enough and does not grow to ten years
MANY = 500  # blocks of a request whose dataset states no cadence, from which longer ones are taken
# Units of the calendar and how many make a block; its longest length in seconds.
RUNGS = (
    ("Y", 10, 3653 * DAY),
    ("Y", 1, 366 * DAY),
    ("M", 3, 92 * DAY),
    ("M", 1, 31 * DAY),
    ("D", 5, 5 * DAY),
    ("D", 1, DAY),
    ("h", 6, DAY / 4),
    ("h", 1, 3600.0),
    ("m", 10, 600.0),
    ("m", 1, 60.0),
    ("s", 10, 10.0),
    ("s", 1, 1.0),
)
ONE_DAY, ONE_MONTH, ONE_YEAR = 5, 3, 1
GROWS = 30 * DAY  # a dataset whose end is longer ago is not likely to get longer
TICK = np.timedelta64(1, "ms")
MOST_ANSWERED = 20_000
_answered: dict[str, float] = {}
CHARACTERS = {"csv": 11, "json": 13}  # of a number and its comma, as archives print them


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is asked of a dataset: parameters in its order, the time first, and a half-open interval."""

    dataset: Dataset
    parameters: tuple[Parameter, ...]
    start: np.datetime64
    stop: np.datetime64


@dataclass(frozen=True, kw_only=True)
class Block(Part):
    """A part with what is needed to ask for it in another way.

    Parameters
    ----------
    start, stop : numpy.datetime64
        The interval asked for.
    form : str
        Format asked for.
    beyond : bool
        The request reaches a tick beyond the coverage, so that a record at its very end comes along.
    rung : int
        Which of ``RUNGS`` it is cut on.
    """

    start: np.datetime64
    stop: np.datetime64
    form: str
    beyond: bool
    rung: int


def rung_of(query: Query, form: str) -> int:
    """Return on which rung a query is cut; it depends on the dataset and the parameters, hardly on the interval."""
    info = query.dataset.info
    longest = None if info.longest is None else info.longest / 1e9
    allowed = [i for i, rung in enumerate(RUNGS) if longest is None or rung[2] <= longest] or [len(RUNGS) - 1]
    if info.cadence is None:
        days = (query.stop - query.start) / np.timedelta64(1, "D")
        wanted = ONE_DAY if days <= MANY else ONE_MONTH if days <= 31 * MANY else ONE_YEAR
        return max(wanted, allowed[0])
    width = sum(p.bytes if form == "binary" else _characters(p, form) for p in query.parameters)
    rate = width / (info.cadence / 1e9)
    for rung in allowed:
        size = rate * RUNGS[rung][2]
        if size <= (FEWEST if rung == 0 else LARGEST):
            return rung
    return len(RUNGS) - 1


def _characters(parameter: Parameter, form: str) -> int:
    numeric = parameter.type in ("double", "integer")
    return parameter.columns * (CHARACTERS[form] if numeric else (parameter.length or 24) + 1)


def edges(start: np.datetime64, stop: np.datetime64, rung: int) -> np.ndarray:
    """Return the edges of the blocks that cover an interval, first and last edge included.

    Examples
    --------
    >>> print(*edges(np.datetime64("1969-12-31T10", "ns"), np.datetime64("1970-01-01T07", "ns"), 6).astype("M8[h]"))
    1969-12-31T06 1969-12-31T12 1969-12-31T18 1970-01-01T00 1970-01-01T06 1970-01-01T12
    """
    unit, step, _ = RUNGS[rung]
    first = start.astype(f"M8[{unit}]").astype(np.int64) // step
    last = (stop - np.timedelta64(1, "ns")).astype(f"M8[{unit}]").astype(np.int64) // step
    counts = np.arange(first, last + 2) * step
    return counts.astype(f"M8[{unit}]").astype("M8[ns]")


def blocks_of(query: Query, rung: int, form: str, *, now: float) -> list[Block]:
    """Return the parts of a query.

    The part at the end of the coverage is asked for a tick beyond it, since ``stopDate`` is the time of the last
    record on some servers and the end after it on others. A server that refuses that is asked for the coverage
    alone (:func:`within`), which is remembered by the store holding that answer.

    Parameters
    ----------
    query : Query
    rung : int
        Of ``RUNGS``.
    form : str
        binary, csv or json.
    now : float
        Seconds since 1970.
    """
    dataset = query.dataset
    end = dataset.stop + TICK
    growing = now - float(dataset.stop.astype("M8[s]").astype(np.int64)) < GROWS
    settled = _settled(dataset, now)
    found = []
    marks = edges(max(query.start, dataset.start), min(query.stop, end), rung)
    for low, high in itertools.pairwise(marks):
        start, beyond = max(low, dataset.start), bool(high > dataset.stop)
        stop = end if beyond else high
        block = Block(
            url=address_of(query, start, stop, form),
            start=start,
            stop=stop,
            form=form,
            beyond=beyond,
            rung=rung,
            fresh_for=SOON if beyond and growing else settled,
        )
        found.append(_as_known(query, block))
    return found


def _settled(dataset: Dataset, now: float) -> float:
    """Return for how long a part counts as current whose interval is over: since the dataset was last modified."""
    try:
        modified = instant(dataset.info.said.get("modificationDate"), "modificationDate")
    except CorruptFile:
        return DAY
    since = now - modified.astype("M8[s]").astype(np.int64)
    return max(DAY, float(since) - DAY)


def _as_known(query: Query, block: Block) -> Block:
    """Return the block as it was asked for in the end, where the server would not answer the first way."""
    if block.url in _answered:
        return block
    for other in variants(query, block):
        if other != block and store.reference(other.url) is not None:
            return other
    return block


def note_answered(checked: Mapping[str, float]) -> None:
    """Remember for this process the addresses that gave records, and when the server last said they are current."""
    if len(_answered) > MOST_ANSWERED:
        _answered.clear()
    _answered.update(checked)


def at_hand(block: Block, now: float) -> bool:
    """Return whether a part gave records in this process and is current still."""
    age = now - _answered.get(block.url, -np.inf)
    return block.url in _answered and (store.is_offline() or 0 <= age < block.fresh_for)


def variants(query: Query, block: Block) -> list[Block]:
    """Return the ways to ask for a block, the first that is tried first."""
    found = [block]
    if block.beyond and query.dataset.stop > block.start:
        found.append(within(query, block))
    for form in query.dataset.forms:
        if form != block.form:
            found += [in_form(query, one, form) for one in found[:2] if one.form == block.form]
    return found


def within(query: Query, block: Block) -> Block:
    """Return a block without the tick beyond the coverage."""
    stop = query.dataset.stop
    return replace(block, stop=stop, beyond=False, url=address_of(query, block.start, stop, block.form))


def in_form(query: Query, block: Block, form: str) -> Block:
    """Return a block asked for in another format."""
    return replace(block, form=form, url=address_of(query, block.start, block.stop, form))


def address_of(query: Query, start: np.datetime64, stop: np.datetime64, form: str) -> str:
    """Return the address of a part: the same for the same part, whoever asks."""
    dataset = query.dataset
    first, last = time_keys(dataset.version)
    told = {dataset_key(dataset.version): dataset.id, first: written(start), last: written(stop)}
    names = [parameter.name for parameter in query.parameters]
    if names != dataset.info.names:
        told["parameters"] = ",".join(names[1:] or names)
    return address(dataset.server, "data", told | {"format": form, "include": "header"})


@lru_cache(maxsize=4096)
def written(instant: np.datetime64) -> str:
    """Return a time as all servers read it, with no more digits than it needs beyond milliseconds.

    Examples
    --------
    >>> written(np.datetime64("2001-01-01", "ns")), written(np.datetime64("2001-01-01T00:00:00.0000015", "ns"))
    ('2001-01-01T00:00:00.000Z', '2001-01-01T00:00:00.000001500Z')
    """
    for unit in ("ms", "us"):
        if instant.astype(f"M8[{unit}]") == instant:
            return f"{np.datetime_as_string(instant, unit=unit)}Z"
    return f"{np.datetime_as_string(instant, unit='ns')}Z"


def next_rung(query: Query, rung: int, blocks: Sequence[Block]) -> int | None:
    """Return the next rung that cuts the blocks of a query into more, None if there is none."""
    for finer in range(rung + 1, len(RUNGS)):
        if len(edges(max(query.start, query.dataset.start), query.stop, finer)) - 1 > len(blocks):
            return finer
    return None

"""File trees: an address with a time or a number in it, and wildcards where the archive counts versions.

A template such as ``https://host/{start:%Y}/x_{start:%Y%m%d}_v*.cdf`` is planned into one part a day; the folder's list
(HTML of Apache, nginx and others, or S3's) tells which version is the newest and which days there are.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from analysis.archives import parts
from analysis.archives._resolving import LIST_FRESH, Cell, Lists, listed_at, nothing, resolved, some, walk
from analysis.archives._templates import Template, Value
from analysis.archives.parts import Part
from analysis.errors import AnalysisWarning, BadOption, BadTime, NotFound, OutsideCoverage
from analysis.model import span

if TYPE_CHECKING:
    import pandas as pd

    from analysis.model.clocks import Instant

__all__ = ["Plan", "brought", "listing", "observation", "plan"]


@dataclass(frozen=True)
class Plan(Sequence[Part]):
    """The parts that a request is cut into, and what the archive does not have.

    Parameters
    ----------
    parts : tuple of Part
        In order of time, or of the numbers asked for.
    missing : tuple of str
        Addresses, with wildcards where there are any, of the files that are not there: gaps.
    listed : frozenset of str
        Addresses that a folder's list names, so that they must be there.

    Examples
    --------
    >>> len(Plan(parts=(Part(url="https://example.org/a.cdf"),), missing=()))
    1
    """

    parts: tuple[Part, ...]
    missing: tuple[str, ...] = ()
    listed: frozenset[str] = frozenset()

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Part, ...]: ...
    def __getitem__(self, index: int | slice) -> Part | tuple[Part, ...]:
        return self.parts[index]

    def __len__(self) -> int:
        return len(self.parts)


def plan(
    template: str,
    *,
    start: Instant | None = None,
    stop: Instant | None = None,
    fields: Mapping[str, Value | Sequence[Value]] | None = None,
) -> Plan:
    """Return the files of a time range, a range of numbers or an observation, each as a part to get.

    Parameters
    ----------
    template : str
        An http, https or s3 address in which

        - ``{start:%Y/%m/%d}`` is the first instant of the file (``%Y %y %m %b %d %j %H``); the finest directive says
          how much time a file covers: a year, month, day or hour;
        - ``{obsid}``, ``{orbit:05d}``, ``{obsid:0>10}``, ``{obsid:[-1:]}`` is a value of `fields`, whole, formatted
          or sliced;
        - ``*`` and ``?`` in a folder's or file's name are looked up in the folder's list, and the highest version,
          by its numbers, is taken: v1.10 before v1.9;
        - ``{each}`` in the file's name stands for any text, and every text that there is makes a part of its own
          (several files a day). The last file before the range is a part too, since it may reach into it.
    start, stop : time, optional
        Half-open interval in UTC; a template without ``{start:…}`` is one file, whatever the interval.
    fields : mapping, optional
        Values by name: text or whole numbers; one of them may be a sequence, for example ``range(100, 110)``, of
        which each value makes a part.

    Returns
    -------
    Plan
        Its parts, and in ``missing`` the gaps, which an `AnalysisWarning` tells too. Parts without a wildcard are not
        looked up: :func:`brought` finds out which of them are there.

    Raises
    ------
    BadOption
        The template is written wrongly, or a field is missing, unknown or unusable.
    BadTime
        The template needs a time range and has none, or `stop` is not after `start`.
    OutsideCoverage
        None of the files is there; the message says what the folder holds.
    DownloadError, StoreError
        A list could not be brought, or is none.

    Examples
    --------
    >>> url = "https://example.org/{start:%Y}/orbit_{start:%Y%j}.cdf"
    >>> [part.url for part in plan(url, start="2019-12-31", stop="2020-01-02")]
    ['https://example.org/2019/orbit_2019365.cdf', 'https://example.org/2020/orbit_2020001.cdf']
    """
    made = Template(template)
    first, last = span(start, stop)
    cells = list(_cells(made, first, last, fields or {}))
    lists = Lists()
    lists.prefetch(cells)
    found: list[Part] = []
    missing: list[str] = []
    listed: set[str] = set()
    for cell in cells:
        urls = resolved(cell, lists)
        if walk(cell.address)[0] is not None:
            listed |= set(urls)
        found += [Part(url=url, start=cell.start, stop=cell.stop) for url in urls]
        if not urls and not cell.before:
            missing.append(cell.address)
    wanted = sum(not cell.before for cell in cells)
    if len(missing) == wanted:
        raise OutsideCoverage(nothing(template, missing, lists))
    _tell(missing, wanted)
    return Plan(tuple(found), tuple(missing), frozenset(listed))


def observation(templates: Mapping[str, str], *, fields: Mapping[str, Value]) -> dict[str, Part]:
    """Return the files of one observation by the name of the node that each becomes.

    Parameters
    ----------
    templates : mapping
        Node -> template, as :func:`plan` takes it, of one file each.
    fields : mapping
        Values by name, for example ``{"obsid": "754"}``.

    Returns
    -------
    dict of str to Part
        Without those that are not there, which an `AnalysisWarning` names.

    Raises
    ------
    BadOption
        A template is written wrongly or stands for several files, or a field is missing, unknown or unusable.
    OutsideCoverage
        None of the files is there.

    Examples
    --------
    >>> found = observation({"events": "https://example.org/{obsid:[-1:]}/{obsid}_evt.fits"}, fields={"obsid": "754"})
    >>> found["events"].url
    'https://example.org/4/754_evt.fits'
    """
    used = set()
    lists, found, missing = Lists(), {}, []
    for node, text in templates.items():
        made = Template(text)
        used |= set(made.fields)
        if made.step or made.each:
            raise BadOption(f"{node}: {text} stands for several files; an observation's node is one file")
        cell = Cell(made.filled(fields))
        if urls := resolved(cell, lists):
            found[node] = Part(url=urls[0])
        else:
            missing.append(cell.address)
    _refuse_unknown(fields, used, ", ".join(templates))
    if not found:
        told = ", ".join(f"{name} {value}" for name, value in fields.items())
        raise OutsideCoverage(nothing(f"the observation {told}", missing, lists))
    _tell(missing, len(templates))
    return found


def brought(planned: Plan, *, workers: int = 8) -> tuple[Plan, list[Path]]:
    """Bring the parts of a plan; those that the server does not have become gaps.

    Parameters
    ----------
    planned : Plan
        As :func:`plan` returns it.
    workers : int
        Transfers side by side.

    Returns
    -------
    Plan
        The parts that came, and all that is missing, which an `AnalysisWarning` tells.
    list of pathlib.Path
        A read-only file for each part that came.

    Raises
    ------
    OutsideCoverage
        None of the parts is there.
    DownloadError, StoreError
        A part is there and could not be brought.

    Examples
    --------
    >>> brought(Plan(parts=()))
    (Plan(parts=(), missing=(), listed=frozenset()), [])
    """
    found = parts.present(planned.parts, workers=workers)
    absent = [part.url for part in planned.parts if part not in found]
    if gone := [address for address in absent if address in planned.listed]:
        raise NotFound(
            f"{some(gone)}: the folder's list names what the server does not have. The archive may be replacing "
            f"files; ask again in {LIST_FRESH / 3600:.0f} h, when the list is asked for anew"
        )
    if absent and not found:
        raise OutsideCoverage(f"the server has none of the {len(absent)} files asked for: {some(absent)}")
    _tell(absent, len(planned.parts))
    came = tuple(part for part in planned.parts if part in found)
    return Plan(came, (*planned.missing, *absent), planned.listed), [found[part] for part in came]


def listing(url: str) -> pd.DataFrame:
    """Return what a folder holds.

    Parameters
    ----------
    url : str
        An http or https address of a folder that the server lists as a page, or ``s3://bucket/prefix/``.

    Returns
    -------
    pandas.DataFrame
        Columns ``name, url, size, modified, is_folder``, in the order of the list. `size` in bytes, often rounded by
        the server, and `modified`, in a time zone that the server does not tell (UTC for S3), are missing where the
        list does not tell them.

    Raises
    ------
    NotFound
        There is no such folder.
    BadAnswer
        What came is no list of a folder.
    DownloadError, StoreError
        The list could not be brought.

    Examples
    --------
    >>> from analysis import store
    >>> with store.offline():
    ...     listing("https://example.org/never-asked-for/")
    Traceback (most recent call last):
    ...
    analysis.errors.Offline: https://example.org/never-asked-for/ is not held, and Sankō is offline: ...
    """
    import pandas as pd

    rows = listed_at(url if url.endswith("/") else f"{url}/", LIST_FRESH)
    columns = ["name", "url", "size", "modified", "is_folder"]
    table = pd.DataFrame([[getattr(row, column) for column in columns] for row in rows], columns=columns)
    table["modified"] = pd.to_datetime(table["modified"]).astype("datetime64[ns]")
    return table.astype({"size": "Int64", "is_folder": bool})


def _cells(
    made: Template,
    first: np.datetime64 | None,
    last: np.datetime64 | None,
    fields: Mapping[str, Value | Sequence[Value]],
) -> Iterator[Cell]:
    """Give the files that are asked for, in order."""
    _refuse_unknown(fields, made.fields, made.text)
    many = {name: value for name, value in fields.items() if not isinstance(value, str | int | np.integer)}
    if len(many) > 1:
        raise BadOption(f"{' and '.join(many)} have several values each; one field at a time may be a sequence")
    if not all(isinstance(value, Iterable) and list(value) for value in many.values()):
        raise BadOption(f"{next(iter(many))}={next(iter(many.values()))!r:.80} holds no value")
    spans: list[tuple[np.datetime64 | None, np.datetime64 | None, bool]] = [(None, None, False)]
    if made.step:
        if first is None or last is None:
            raise BadTime(f"{made.text} needs start and stop, for example start='2015-10-16', stop='2015-10-17'")
        spans = [(begin, end, False) for begin, end in made.spans(first, last)]
        if made.each:
            before = (first.astype(f"datetime64[{made.step}]") - 1).astype("datetime64[ns]")
            spans.insert(0, (before, spans[0][0], True))
    for values in itertools.product(*([(name, value) for value in many[name]] for name in many)):
        told = {**fields, **dict(values)}
        for begin, end, early in spans:
            yield Cell(made.filled(told, begin), begin, end, early)  # type: ignore[arg-type]


def _refuse_unknown(fields: Iterable[str], known: Iterable[str], where: str) -> None:
    if unknown := [name for name in fields if name not in set(known)]:
        has = ", ".join(sorted(known)) or "no fields"
        raise BadOption(f"{where} has no field {', '.join(map(repr, unknown))}; it has {has}")


def _tell(missing: Sequence[str], wanted: int) -> None:
    if missing:
        message = f"{len(missing)} of {wanted} files are not there: {some(missing)}"
        warnings.warn(message, AnalysisWarning, stacklevel=3)

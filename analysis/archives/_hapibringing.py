"""Bring the parts of a HAPI query, and open each: whole, what was asked for, or a typed error."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from analysis import store
from analysis.archives import _hapiasking as asking
from analysis.archives import _hapiblocks as cutting
from analysis.archives import _hapikept as kept
from analysis.archives._hapiblocks import Block, Query
from analysis.archives._hapigaps import after_which
from analysis.archives._hapikept import Asked, Records
from analysis.archives.parts import bring
from analysis.errors import AnalysisError, BadAnswer, CorruptFile, DownloadError
from analysis.formats._facts import Notes
from analysis.formats._hapijoin import WORKERS, Piece, Run, check_header, joined, run_of, side_by_side
from analysis.formats._hapirecords import Answer, Table, opened

NO_DATA = 1201

_nothing_beyond: dict[str, float] = {}  # addresses of a single tick that a server refused, and when


class Changed(AnalysisError):
    """The dataset's description is another one now; the query has to be made anew."""


def answers(query: Query, *, workers: int) -> list[tuple[Block, Path]]:
    """Return the parts of a query with their files, asked for as this server answers.

    Raises
    ------
    DownloadError, OutsideCoverage, UnknownProduct, UnknownVariable, QueryRefused
        Of the first part that failed for good.
    """
    form, now = query.dataset.forms[0], time.time()
    rung = cutting.rung_of(query, form)
    blocks = _asked_for(cutting.blocks_of(query, rung, form, now=now), now)
    failed = 0
    while True:
        try:
            at_hand = all(cutting.at_hand(block, now) for block in blocks)  # threads would take longer than they save
            return list(zip(blocks, bring(blocks, workers=1 if at_hand else workers), strict=True))
        except DownloadError as error:
            source = asking.answered(error)
            place = next((i for i, b in enumerate(blocks) if source is not None and b.url == source.url), None)
            code = (asking.refusal(error) or (None, ""))[0]
            if asking.server_failed(error) and (failed := failed + 1) < asking.TRIES:
                time.sleep(asking.PAUSE * 2**failed)
                continue
            finer = cutting.next_rung(query, rung, blocks) if code == asking.TOO_MUCH else None
            if finer is not None:
                rung = finer
                blocks = _asked_for(cutting.blocks_of(query, rung, form, now=now), now)
                continue
            if place is None:
                asking.refuse(error, query.dataset.server, query.dataset.id, query.dataset)
            blocks[place : place + 1] = _otherwise(query, blocks[place], error, code)


def _asked_for(blocks: list[Block], now: float) -> list[Block]:
    """Return blocks without a tick beyond the coverage that the server would not hear of within the last day."""
    return [b for b in blocks if now - _nothing_beyond.get(b.url, -np.inf) > asking.DAY]


def _otherwise(query: Query, block: Block, error: DownloadError, code: int | None) -> list[Block]:
    """Return how to ask for a block that was refused; raise what the refusal stands for where there is no way."""
    source = asking.answered(error)
    if block.beyond and source is not None and source.status is not None and 400 <= source.status < 500:
        if query.dataset.stop > block.start:
            return [cutting.within(query, block)]
        _nothing_beyond[block.url] = time.time()
        return []
    empty = asking.is_empty(error)
    if empty or code == asking.FORM:
        left = query.dataset.forms[query.dataset.forms.index(block.form) + 1 :]
        if left:
            return [cutting.in_form(query, block, left[0])]
    if empty:
        raise BadAnswer(
            f"{block.url}: the server answered with nothing at all, not even the header asked for, in each of its "
            f"formats ({', '.join(query.dataset.forms)}): that may mean no data or a broken server. Ask again later"
        ) from error
    asking.refuse(error, query.dataset.server, query.dataset.id, query.dataset)


def runs(
    query: Query,
    brought: Sequence[tuple[Block, Path]],
    notes: Notes,
    *,
    clock: array | None = None,
    sort: bool = False,
) -> list[tuple[Block, Path, Run]]:
    """Return the wanted records of each part, checked against the dataset's description.

    Where a ``clock`` is given, the times of all go there, as integers, and nothing is kept but which records they are.

    Raises
    ------
    BadAnswer
        A part is damaged, and was so again when it was asked for anew.
    Changed
        A part's header differs from the description, and the server describes the dataset differently now.
    """

    def one(part: tuple[Block, Path]) -> tuple[tuple[Block, Path, Run] | None, Notes]:
        own = Notes(notes.file)
        sound = _sound(query, *part, own, sort=sort)
        if sound is not None and clock is not None:  # the columns are not kept open
            sound = *sound[:2], replace(sound[2], table=Table(sound[2].table.info, np.empty(0, "S1"), {}))
        return sound, own

    found = []
    some = 2 * WORKERS if clock is not None else len(brought)
    for first in range(0, len(brought), max(some, 1)):
        for sound, own in side_by_side(one, brought[first : first + some]):
            notes.history += [line for line in own.history if line not in notes.history]
            if sound is None:
                continue
            if clock is not None:
                clock.frombytes(sound[2].times.tobytes())
                sound = *sound[:2], replace(sound[2], times=sound[2].times[:0].copy())
            found.append(sound)
    return found


def records(
    query: Query, brought: Sequence[tuple[Block, Path]], notes: Notes, *, sort: bool
) -> tuple[list[Block], Records]:
    """Return the records of all parts: those kept from an earlier request if all parts are still the same.

    Raises
    ------
    BadAnswer, Changed
        As :func:`runs`.
    WrongData
        If records are out of order, or two of one time differ.
    """
    asked = _as_asked(query, brought, sort=sort)
    blocks = [block for block, _ in brought]
    known = kept.taken(asked)
    if known is None:
        own = Notes(notes.file)
        found = runs(query, brought, own, sort=sort)
        room = kept.room_for(sum(run.times.size for *_, run in found), query.parameters[1:])
        wanted = [run for *_, run in found]
        try:
            times, columns = joined(wanted, query.parameters[1:], own, sort=sort, empty=room.empty)
        except OSError:  # no memory is left for what is kept
            room = kept.Room(0)
            times, columns = joined(wanted, query.parameters[1:], own, sort=sort)
        known = Records(times, columns, tuple(own.history), after_which(times, query.dataset.info.cadence))
        if [(block, path) for block, path, _ in found] == list(brought):  # else some were brought another way
            known = kept.keep(asked, known, room)
        blocks = [block for block, *_ in found]
    for line in known.history:
        notes.line(line)
    return blocks, known


def _as_asked(query: Query, brought: Sequence[tuple[Block, Path]], *, sort: bool) -> Asked:
    """Return all that the records of these parts depend on; a file in the store has its checksum as its name."""
    return Asked(
        server=query.dataset.server.url,
        dataset=query.dataset.id,
        parameters=query.parameters,
        cadence=query.dataset.info.cadence,
        sort=sort,
        parts=tuple((path.name, block.start, block.stop, block.form) for block, path in brought),
        start=query.start,
        stop=query.stop,
    )


def _sound(query: Query, block: Block, path: Path, notes: Notes, *, sort: bool) -> tuple[Block, Path, Run] | None:
    """Return the wanted records of a part; None for a tick beyond the coverage that the server does not hear of.

    One that gives none, or gives them out of order, is asked for anew, since it may be held from a bad day.
    """
    held: Path | None = path
    anew = not store.is_offline()
    while True:
        try:
            file = held or asking.patiently(lambda url=block.url: store.get(url, fresh_for=0))
            answer = _opened(query, block, file)
            run = run_of(Piece(answer, block.start, block.stop, query.start, query.stop), notes)
            if anew and held and not sort and (run.times[1:] < run.times[:-1]).any():
                held, anew = None, False
                continue
            return block, file, run
        except CorruptFile as error:
            if not anew:
                tried = "" if store.is_offline() else " (the same when it was asked for again)"
                raise BadAnswer(f"{error}{tried}") from error
            _see_whether_changed(query, error)
            held, anew = None, False
        except DownloadError as error:
            if anew and held:
                held, anew = None, False
                continue
            others = _otherwise(query, block, error, (asking.refusal(error) or (None, ""))[0])
            if not others:
                return None
            block, held = others[0], None


def _opened(query: Query, block: Block, path: Path) -> Answer:
    if (told := _no_data(path)) is not None:
        info = replace(query.dataset.info, code=NO_DATA, message=told, format="csv", parameters=query.parameters)
        return Answer(block.url, info, b"", None, 0, None)
    answer = opened(path, block.url)
    if answer.info.code >= 1400:
        _refused(block, answer)
    check_header(answer, query.parameters)
    if answer.info.format not in (None, block.form):
        raise CorruptFile(f"{block.url}: format is {answer.info.format!r}, where {block.form} was asked for")
    return answer if answer.info.format else replace(answer, info=replace(answer.info, format=block.form))


def _no_data(path: Path) -> str | None:
    """Return what a server says that answers 1201, no data for this time, without the header that it was asked for."""
    if path.stat().st_size > 4096:
        return None
    text = b"\n".join(line.removeprefix(b"#") for line in path.read_bytes().splitlines())
    try:
        told = json.loads(text)
        status = told["status"]
        return str(status["message"]) if status["code"] == NO_DATA and "parameters" not in told else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _refused(block: Block, answer: Answer) -> NoReturn:
    """Raise the error that came with HTTP 200 as if it had come with the status that HAPI asks for."""
    body = bytes(answer.content[:8192]).replace(b"\n#", b"\n").removeprefix(b"#")
    status = 500 if answer.info.code >= 1500 else 400
    raise BadAnswer(f"{block.url}: HAPI {answer.info.code} {answer.info.message}").answered(block.url, status, body)


def _see_whether_changed(query: Query, error: CorruptFile) -> None:
    dataset = query.dataset
    now = asking.dataset_of(dataset.server, dataset.id, fresh_for=0)
    if now.info.parameters != dataset.info.parameters:
        raise Changed(f"{dataset.id} on {dataset.server.url} was changed while it was asked for") from error

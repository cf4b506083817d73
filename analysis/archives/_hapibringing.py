"""Bring the parts of a HAPI query, and open each: whole, what was asked for, or a typed error."""

from __future__ import annotations

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
from analysis.archives._hapiblocks import Block, Query
from analysis.archives.parts import bring
from analysis.errors import AnalysisError, BadAnswer, CorruptFile, DownloadError
from analysis.formats._facts import Notes
from analysis.formats._hapijoin import Piece, Run, check_header, run_of
from analysis.formats._hapirecords import Answer, Table, opened

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
            return list(zip(blocks, bring(blocks, workers=workers), strict=True))
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
    query: Query, brought: Sequence[tuple[Block, Path]], notes: Notes, *, clock: array | None = None
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
    found = []
    for block, path in brought:
        sound = _sound(query, block, path, notes)
        if sound is None:
            continue
        if clock is not None:
            run = sound[2]
            clock.frombytes(run.times.tobytes())
            none = np.empty(0, "M8[ns]")
            sound = *sound[:2], replace(run, table=Table(run.table.info, none.astype("S1"), {}), times=none)
        found.append(sound)
    return found


def _sound(query: Query, block: Block, path: Path, notes: Notes) -> tuple[Block, Path, Run] | None:
    """Return the wanted records of a part; None for a tick beyond the coverage that the server does not hear of.

    One that gives none is asked for anew, since it may be held from a bad day.
    """
    held: Path | None = path
    anew = not store.is_offline()
    while True:
        try:
            file = held or asking.patiently(lambda url=block.url: store.get(url, fresh_for=0))
            answer = _opened(query, block, file)
            return block, file, run_of(Piece(answer, block.start, block.stop, query.start, query.stop), notes)
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
    answer = opened(path, block.url)
    if answer.info.code >= 1400:
        _refused(block, answer)
    check_header(answer, query.parameters)
    if answer.info.format not in (None, block.form):
        raise CorruptFile(f"{block.url}: format is {answer.info.format!r}, where {block.form} was asked for")
    return answer if answer.info.format else replace(answer, info=replace(answer.info, format=block.form))


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

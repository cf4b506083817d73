"""The index of an explorer of events: opened, or made while the page is in use; one for each column that is shown."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from analysis.errors import AnalysisError, BadOption, StoreError
from analysis.xray.event_counters import Counter, by_cuts, by_index
from analysis.xray.index_files import of_events, open_event_index, save_event_index
from analysis.xray.tiles import event_index, with_column

MANY = 1_000_000  # events from which an index is made
PER_SECOND = 1_500_000  # events of which an index is made, about
EVERY = 0.5  # seconds between two looks at what is being made
Given = xr.Dataset | str | os.PathLike[str] | None


class Counters:
    """The counters of a page by column, from an index as soon as there is one; ``told`` says which it is."""

    def __init__(
        self,
        events: xr.DataTree,
        listed: xr.Dataset,
        given: Given,
        width: float,
        step: float | None,
    ) -> None:
        self.events, self.listed = events, listed
        self.width, self.step = width, step
        self.cuts: dict[str | None, Counter] = {}
        self.made: dict[str | None, Counter] = {}
        self.index: xr.Dataset | None = None
        self.failed: dict[str | None, str] = {}
        self.asked: str | None = None
        self.unsaved = ""
        self.making: tuple[str | None, float] | None = None
        self.path = Path(given) if isinstance(given, str | os.PathLike) else None
        if isinstance(given, xr.Dataset):
            self._take(of_events(given, events, "the index"))
        elif self.path is not None and self.path.exists():
            self._take(open_event_index(self.path, events))
        elif self.path is not None and not self.path.absolute().parent.is_dir():
            raise BadOption(f"index={str(self.path)!r}: there is no folder {self.path.parent} to keep the index in")
        self.wanted = self.path is not None or self.index is not None or listed.sizes["event"] >= MANY
        self.wanted &= {"x", "y"} <= set(map(str, listed.variables))

    def _take(self, index: xr.Dataset) -> None:
        """Use an index, with its own bins."""
        if ("spectrum_energy" in index.dims) != (self.step is not None):
            needed = "energies: xray.event_index(events, energy_step=0.05)" if self.step is not None else "channels"
            raise BadOption(
                f"the spectrum of the index is not on the axis that is shown and brushed; make it of {needed}"
            )
        self.index, self.width = index, float(index.attrs["bin_size"])
        if self.step is not None:
            edges = index["spectrum_edge"].values
            self.step = float(edges[1] - edges[0])
        self.made[index.attrs.get("column")] = by_index(index)

    def of(self, column: str | None) -> Counter:
        """Return what counts, with a histogram of this column; an index is asked for if there is none."""
        self.asked = column
        if column is None and self.made:
            return next(iter(self.made.values()))
        if column in self.made:
            return self.made[column]
        if self._missing() and self.making is None:
            self._make(column)
            if column in self.made:
                return self.made[column]
        if column not in self.cuts:
            self.cuts[column] = by_cuts(self.events, self.listed, self.width, self.step, column)
        return self.cuts[column]

    def _missing(self) -> bool:
        """Whether an index with the column that was asked for last is still to be made."""
        there = bool(self.made) if self.asked is None else self.asked in self.made
        return self.wanted and not there and not {None, self.asked} & set(self.failed)

    def _make(self, column: str | None) -> None:
        """Make an index in the background where something runs that can tell when it is there; else at once."""
        self.making = column, time.monotonic()
        if running():
            threading.Thread(target=self._work, args=(column,), daemon=True, name="event index").start()
        else:
            self._work(column)

    def _work(self, column: str | None) -> None:
        try:
            if self.index is None:
                self._take(self._kept(event_index(self.events, time_step=self.width, energy_step=self.step)))
            if column is not None and column not in self.made and self.index is not None:
                self.made[column] = by_index(with_column(self.index, self.events, column))
        except (AnalysisError, MemoryError) as error:
            why = str(error) or "there is not enough memory for an index"
            self.failed[None if self.index is None else column] = why
        finally:
            self.making = None

    def _kept(self, index: xr.Dataset) -> xr.Dataset:
        """The index in its folder, or in memory where there is none or it cannot be written."""
        if self.path is None:
            return index
        try:
            if not self.path.exists():  # another page may have made it meanwhile
                save_event_index(index, self.path)
        except StoreError as error:
            self.unsaved = f": {error}"
            return index
        return open_event_index(self.path, self.events)

    def go_on(self) -> None:
        """Make what was asked for while something else was made."""
        if self.index is not None and self._missing() and self.making is None:
            self._make(self.asked)

    def told(self) -> str:
        """Return in words what counts."""
        number = self.listed.sizes["event"]
        if self.making is not None:
            column, began = self.making
            what = f"an index of the {number:,} events" if self.index is None else f"the column {column} in the index"
            so_far, about = time.monotonic() - began, max(1.0, number / PER_SECOND)
            return (
                f"Making {what}: {so_far:.0f} s so far, about {about:.0f} s on an idle machine. Until it is there, "
                "each selection reads the whole list: the same numbers, more slowly."
            )
        for column in {None, self.asked} & set(self.failed):
            return f"Each selection reads the whole list: {self.failed[column]}"
        if self.index is None:
            return ""
        where = f"in memory{self.unsaved}" if self.path is None or self.unsaved else f"read from {self.path}"
        seconds = self.index.attrs.get("build_seconds", 0.0)
        return f"Selections are counted from an index of the {number:,} events, {where}; made in {seconds:.1f} s."


def running() -> bool:
    """Return whether an event loop runs here that can tell a page later what is ready."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def telling(counters: Counters, pane: Any, page: Callable[[], Any]) -> Callable[[], None]:
    """Return a function that says in a pane what counts, and keeps saying it while an index is made."""
    from analysis.panels.loading import redrawing

    waits = [False]

    def look() -> None:
        counters.go_on()
        words = counters.told()
        if pane.object != words:
            with redrawing(page()):
                pane.param.update(object=words, visible=bool(words))
        waits[0] = counters.making is not None and _later(look)

    def ask() -> None:
        if not waits[0]:
            look()

    return ask


def _later(run: Callable[[], None]) -> bool:
    """Run it in half a second, in the session of the page."""
    import panel as pn
    from panel.io.state import set_curdoc

    document: Any = pn.state.curdoc
    if document is not None and document.session_context is not None:

        def in_session() -> None:
            with set_curdoc(document):
                run()

        document.add_timeout_callback(in_session, int(EVERY * 1000))
        return True
    if not running():
        return False
    asyncio.get_running_loop().call_later(EVERY, run)
    return True

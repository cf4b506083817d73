"""What a page says in words: why there is no picture, what is selected, what is being drawn."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from analysis.errors import AnalysisError
from analysis.explore.states import told
from analysis.panels.loading import redrawing
from analysis.panels.themes import PALE, toned

NOTHING = "There is nothing to show for what is selected."


def heading(title: str) -> list[Any]:
    """Return the title as a list of one Panel object, of none without a title."""
    import panel as pn

    return [pn.pane.HTML(f"<b style='font-size:120%'>{html.escape(title)}</b>")] if title else []


def plain(text: str) -> str:
    """Return text as HTML, as it stands."""
    return f"<pre style='margin: 4px 0'>{html.escape(text)}</pre>"


def line(text: str) -> str:
    """Return text as HTML in the manner of a remark."""
    return f"<div style='opacity: {PALE}; white-space: pre-wrap; max-width: 1100px'>{html.escape(text)}</div>"


def reason(view: str, error: Exception) -> str:
    """Return the words shown in place of a picture that could not be made, as HTML."""
    said = str(error) or "no reason given"
    words = html.escape(said if isinstance(error, AnalysisError) else f"{type(error).__name__}: {said}")
    ground, ink = toned("#fff6ee"), toned("#333333")
    box = f"border-left: 4px solid #D55E00; padding: 6px 10px; background: {ground}; color: {ink}; max-width: 700px"
    return f"<div style='{box}'><b>{html.escape(view)}</b> cannot be shown: {words}</div>"


def selected(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the selections in words, empty if there is none."""

    def written(value: Any) -> str:
        if isinstance(value, tuple):
            return " to ".join(written(v) for v in value) if len(value) == 2 else ", ".join(map(written, value))
        if isinstance(value, np.ndarray):
            return f"a region of {len(value)} corners"
        if isinstance(value, np.datetime64):
            return f"{told(value):.23} UTC"
        return f"{value:.5g}" if isinstance(value, float) else str(told(value))[:23]

    made = [f"{name}: {written(values[name])}" for name in names if values[name] is not None]
    return "Selected " + "; ".join(made) if made else ""


def say_busy(page: Any, shown: Any, names: Sequence[str]) -> None:
    """Say on the page what is being drawn, as an update of its own."""
    if names:
        with redrawing(page):
            shown.object = f"Drawing {', '.join(names)} …"


@contextmanager
def busy(page: Any, shown: Any, names: Sequence[str]) -> Iterator[None]:
    """Say on the page what is being drawn, at once and until it is there."""
    say_busy(page, shown, names)
    try:
        yield
    finally:
        if names and str(shown.object).startswith("Drawing "):
            with redrawing(page):
                shown.object = ""

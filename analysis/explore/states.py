"""What a page of pictures shows, as a small dictionary: read, written to a file, checked and set again."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.errors import BadOption, MissingFile
from analysis.model import near
from analysis.panels.saving import write_whole

State = Mapping[str, Any]
Given = State | str | os.PathLike[str] | None
INSTANT = re.compile(r"[-+]?\d{4,}-\d\d-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?Z?")
FIRST, LAST = np.datetime64("1678-01-01", "s"), np.datetime64("2262-01-01", "s")
FAR = 1e300  # numbers beyond are none that a picture can show
DEEP = 8  # lists within lists of a state
# How many numbers each gesture's selection has; others are taken as they are.
ENDS = {"tap": 1, "range": 2, "box": 4}


@dataclass(frozen=True)
class Explored:
    """What a page tells of itself; :func:`explored_of` finds it.

    ``pictures`` makes the pictures anew, by name, so that what is saved shares nothing with what is shown.
    ``again`` holds the code that opens the page: ``opening`` gives the name ``data``, ``call`` makes the page, with
    ``{state}`` where the state goes. ``outer`` is what a selector around the page adds to its state. ``zooms`` is
    what is visible of its pictures (:class:`analysis.explore.zooms.Zooms`).
    """

    read: Callable[[], dict[str, Any]]
    write: Callable[[State], None]
    pictures: Callable[[], dict[str, Any]]
    title: str = ""
    again: dict[str, str] = field(default_factory=dict)
    outer: dict[str, Any] = field(default_factory=dict)
    zooms: Any = None


def explored_of(page: Any) -> Explored:
    """Return what a page tells of itself; refuse what is no explorer's page."""
    found = getattr(page, "explored", None)
    if not isinstance(found, Explored):
        raise BadOption(
            f"a {type(page).__name__} is no page of an explorer; those come from plasma.explore, xray.explore, "
            "cmb.explore and explore.linked"
        )
    return found


def state_of(page: Any) -> dict[str, Any]:
    """Return what is chosen and selected on an explorer's page, ready for JSON.

    Parameters
    ----------
    page : panel.Column
        What ``explore`` gives.

    Returns
    -------
    dict
        Value by name of each control and each selection; a selection that is not made is None, times are text
        (UTC). ``zoom`` has what is visible where that is not the whole: ``{picture: {axis: [low, high]}}``.

    Raises
    ------
    BadOption
        If it is no explorer's page.

    Examples
    --------
    >>> from analysis.explore import Choice, View, linked
    >>> page = linked([View("Moon", lambda name: name, uses=["name"])], controls=[Choice("name", ["Io", "Europa"])])
    >>> state_of(page)
    {'name': 'Io', 'zoom': None}
    """
    return explored_of(page).read()


def set_state(page: Any, state: State | str | os.PathLike[str]) -> None:
    """Make an explorer's page show what a state says; what the state leaves out stays.

    Parameters
    ----------
    page : panel.Column
        What ``explore`` gives.
    state : mapping, str or path
        What :func:`state_of` gave, or the path of a JSON file with it.

    Raises
    ------
    BadOption
        If the page has no control or selection of a name, or cannot take its value; nothing is changed then.
    MissingFile
        If there is no such file.

    Examples
    --------
    >>> from analysis.explore import Choice, View, linked
    >>> page = linked([View("Moon", lambda name: name, uses=["name"])], controls=[Choice("name", ["Io", "Europa"])])
    >>> set_state(page, {"name": "Europa"})
    >>> state_of(page)
    {'name': 'Europa', 'zoom': None}
    """
    explored_of(page).write(given_state(state))


def save_state(page: Any, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write what :func:`state_of` gives to a JSON file, and return its path.

    Parameters
    ----------
    page : panel.Column
        What ``explore`` gives.
    path : str or path
        A colleague opens the view with ``explore(data, state=path)``.
    overwrite : bool, optional
        Replace a file of this name.

    Raises
    ------
    BadOption
        If it is no explorer's page, or the file is there already.
    StoreError
        If it cannot be written.

    Examples
    --------
    >>> save_state("no page", "view.json")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: a str is no page of an explorer; ...
    """
    text = json.dumps(state_of(page), indent=1, ensure_ascii=False) + "\n"
    target = Path(path)
    if target.exists() and not overwrite:
        raise BadOption(f"{target} is there already; overwrite=True replaces it")
    write_whole(target, text.encode("utf-8"))
    return target


def given_state(state: Given) -> dict[str, Any]:
    """Return a state that was given as a mapping, or as the path of a JSON file."""
    if state is None:
        return {}
    if isinstance(state, Mapping):
        return dict(state)
    if not isinstance(state, str | os.PathLike):
        raise BadOption(f"state= is a {type(state).__name__}; give what explore.state_of(page) gave, or a JSON file")
    file = Path(state).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingFile(f"there is no file {file} to read a view from") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"{file} cannot be read as a view: {error}") from error
    return state_in(text, str(file))


def state_in(text: str, where: str) -> dict[str, Any]:
    """Return the state that a JSON text holds; ``where`` is what a refusal calls the text."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadOption(f"{where} is no JSON: {error}") from error
    if not _shallow(held, DEEP):
        raise BadOption(f"{where} holds no view: its lists are nested more than {DEEP} deep")
    if not isinstance(held, dict):
        raise BadOption(f'{where} holds no view: that is a JSON object such as {{"latitude": 20}}')
    return held


def refuse_unknown(state: State, names: Sequence[str]) -> None:
    """Refuse a state that names what a page does not have."""
    for name in state:
        if name not in names:
            held = ", ".join(names)
            raise BadOption(f"this page has no control or selection {name!r}; it has {held}{near(name, names)}")


def fit_option(name: str, value: Any, options: Sequence[Any], *, many: bool) -> Any:
    """Return the value of a selector, or refuse it."""
    if many and (isinstance(value, str) or not isinstance(value, Sequence)):
        raise BadOption(f"{name}={value!r}: give a list of some of {_some(options)}")
    for one in value if many else [value]:
        if one not in options:
            raise BadOption(f"{name}={one!r} is none of {_some(options)}{near(one, map(str, options))}")
    return list(value) if many else value


def fit_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Return the value of a slider, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < FAR:
        raise BadOption(f"{name}={value!r} is no number")
    if not low <= value <= high:
        raise BadOption(f"{name}={value!r} is not between {low:g} and {high:g}")
    return float(value)


def fit_selection(name: str, value: Any, gesture: str) -> Any:
    """Return a selection as a picture tells it (times as numpy has them, ends as tuples), or refuse it."""
    if value is None:
        return None
    made = _decoded(value)
    if gesture == "area":
        if isinstance(made, tuple) and made and all(isinstance(corner, tuple) for corner in made):
            return _corners(name, made)
        gesture = "box"
    if (wanted := ENDS.get(gesture)) is None:
        return made
    ends = made if isinstance(made, tuple) else (made,)
    kinds = {isinstance(end, np.datetime64) for end in ends}
    numbers = all(isinstance(e, int | float | np.datetime64) and not isinstance(e, bool) for e in ends)
    if len(ends) != wanted or not numbers or len(kinds) > 1 or (wanted > 1 and not isinstance(made, tuple)):
        right = {1: "a number or a time", 2: "[low, high]", 4: "[left, bottom, right, top]"}[wanted]
        raise BadOption(f"{name}={value!r} is no selection of this page; give {right}, or null for none")
    half = wanted // 2
    turned = half and any(low > high for low, high in zip(ends[:half], ends[half:], strict=True))
    if turned or not all(map(_finite, ends)):
        raise BadOption(f"{name}={value!r}: its ends are the wrong way round, or not numbers")
    return made if wanted > 1 else ends[0]


def _corners(name: str, made: tuple[Any, ...]) -> np.ndarray:
    """The corners that a lasso drew."""
    try:
        corners = np.array(made, dtype=float)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise BadOption(f"{name} is no drawn region; give three corners [x, y] or more, or [left, bottom, right, top]")
    return corners


def told(value: Any) -> Any:
    """Return a control's or selection's value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): told(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [told(one) for one in value]
    if isinstance(value, np.datetime64) or hasattr(value, "isoformat"):
        return re.sub(r"(\.\d*?)0+$", r"\1", str(np.datetime64(value, "ns"))).rstrip(".")
    if isinstance(value, np.generic):
        return value.item()
    return value


def _shallow(value: Any, depth: int) -> bool:
    """Return whether lists and objects are nested no deeper than this."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth >= 0 and all(_shallow(one, depth - 1) for one in inner)


def _finite(end: Any) -> bool:
    if isinstance(end, np.datetime64):
        return not np.isnat(end)
    return abs(end) < FAR


def _decoded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_decoded(one) for one in value)
    if isinstance(value, str) and INSTANT.fullmatch(value):
        try:
            made = np.datetime64(value.removesuffix("Z"))
        except ValueError as error:
            raise BadOption(f"{value!r} is no time: {error}") from error
        if not FIRST < made < LAST:  # numpy would wrap it around
            raise BadOption(f"{value!r} is not between the years 1678 and 2261, which nanoseconds reach")
        return made.astype("datetime64[ns]")
    return value


def _some(options: Sequence[Any]) -> str:
    """Return options in words, the first twenty of many."""
    listed = ", ".join(map(str, options[:20]))
    return f"{listed} and {len(options) - 20} more" if len(options) > 20 else listed

"""What a reader takes from a file, from the user's ``assume``, or has to guess; the last two leave a trace.

A fact that the file states is simply used. One from ``assume`` is a line of history. A guess is a line of history
and an :class:`AnalysisWarning`, one for all the variables it concerns.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, BadOption, UnknownUnits
from analysis.model import unit_text
from analysis.model.contract import is_fill

NOT_STATED = "not stated"
FLAGS = re.compile(r"flag|qual|status|mask|valid|mode|index|number|count|chan", re.IGNORECASE)

known_units = cache(unit_text)  # one file spells few units for many variables


NO_DATE = "counts from no stated date, kept as plain numbers under the name clock"


@dataclass
class Notes:
    """What happened on the way from file to dataset: lines of history, and guesses by what was guessed."""

    file: str
    history: list[str] = field(default_factory=list)
    guesses: dict[str, list[str]] = field(default_factory=dict)

    def line(self, text: str) -> None:
        """Add a line of history once."""
        if text not in self.history:
            self.history.append(text)

    def guess(self, what: str, name: str) -> None:
        """Add a guess about a variable; ``what`` reads on after "of a, b"."""
        names = self.guesses.setdefault(what, [])
        if name not in names:
            names.append(name)

    def lines(self) -> list[str]:
        """Return the history, guesses last."""
        return [*self.history, *(f"{what}: {', '.join(names)}" for what, names in self.guesses.items())]

    def warn(self) -> None:
        """Warn of each guess, as if from where the user called :func:`analysis.formats.read`."""
        for what, names in self.guesses.items():
            shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            warnings.warn(f"{self.file}: {what}: {shown}", AnalysisWarning, stacklevel=5)


def accepted(
    assume: Mapping[str, str],
    *,
    file: str,
    plain: Collection[str],
    named: Collection[str],
    variables: Iterable[str],
) -> None:
    """Refuse keys of ``assume`` that a reader does not understand.

    Parameters
    ----------
    assume : mapping of str to str
        As the user gave it.
    file : str
        For messages.
    plain, named : collection of str
        Keys that stand alone (``frame``), and those that take a variable's name (``units.NAME``).
    variables : iterable of str
        The names that there are.

    Raises
    ------
    BadOption
        Listing what is understood.

    Examples
    --------
    >>> accepted({"units.n": "cm-3"}, file="a.cdf", plain=["frame"], named=["units"], variables=["n"])
    """
    there = list(variables)
    for key, value in assume.items():
        word, _, name = key.partition(".")
        if not isinstance(value, str) or not value.strip():
            raise BadOption(f"{file}: assume={{{key!r}: {value!r}}} is not a word; give text such as 'nT' or 'GSE'")
        if key in plain or (word in named and name in there):
            continue
        understood = [*plain, *(f"{word}.NAME" for word in named)]
        if word in named and name:
            near = difflib.get_close_matches(name, there, n=4, cutoff=0.4) or there[:8]
            raise BadOption(f"{file}: assume names {name!r}, which is not in the file; near: {', '.join(near)}")
        raise BadOption(f"{file}: assume does not understand {key!r}; it understands {', '.join(understood)}")


def units(name: str, spelled: str | None, assume: Mapping[str, str], notes: Notes, *, whole: bool) -> dict[str, str]:
    """Return ``units`` of a variable, and ``archive_units`` where the file's own spelling is another.

    Parameters
    ----------
    name : str
        The variable.
    spelled : str or None
        What the file says; None if it says nothing.
    assume : mapping
        ``units.NAME`` is used where the file says nothing or nothing that can be read.
    notes : Notes
        Where a guess is noted: no units, or an unreadable spelling, give "1".
    whole : bool
        Whether its values are whole numbers; such are counts and flags, "1" without a guess.

    Raises
    ------
    BadOption
        If ``assume`` contradicts the file or gives what astropy cannot read.

    Examples
    --------
    >>> units("n", "#/cc", {}, Notes("a.cdf"), whole=False)
    {'units': 'cm-3', 'archive_units': '#/cc'}
    """
    import astropy.units as u

    asked = assume.get(f"units.{name}")
    try:
        wanted = None if asked is None else known_units(asked)
    except UnknownUnits as error:
        raise BadOption(f"{notes.file}: assume: {error}") from error
    try:
        stated = None if spelled is None else known_units(spelled)
    except UnknownUnits:
        if wanted is None:
            notes.guess(f"unit {spelled!r} is not understood, kept as archive_units and taken as '1'", name)
        else:
            notes.line(f"units of {name} assumed to be {wanted!r} (the file says {spelled!r})")
        return {"units": wanted or "1", "archive_units": str(spelled)}
    if stated is not None:
        if wanted is not None and u.Unit(wanted) != u.Unit(stated):
            raise BadOption(f"{notes.file}: assume says {name} is in {asked!r}, but the file says {spelled!r}")
        translated = stated != "1" and str(spelled).strip() != stated
        return {"units": stated} | ({"archive_units": str(spelled).strip()} if translated else {})
    if wanted is not None:
        notes.line(f"units of {name} assumed to be {wanted!r}")
    elif not whole and not FLAGS.search(name):
        notes.guess("no unit is stated, taken as '1' (give assume={'units.NAME': …})", name)
    return {"units": wanted or "1"}


def without_unmeasured(name: str, values: NDArray, notes: Notes) -> NDArray:
    """Return values with infinities and default fills that the file doesn't declare as NaN, and a line of history.

    Examples
    --------
    >>> without_unmeasured("n", np.array([1e55, -1e31]), Notes("a.cdf"))
    array([1.e+55,    nan])
    """
    if max(np.fmax.reduce(values, axis=None), -np.fmin.reduce(values, axis=None)) < 1e30:
        return values
    wrong = is_fill(values)
    if not wrong.any():
        return values
    notes.line(f"{int(wrong.sum())} values of {name} that are infinite or a default fill, not its own, became NaN")
    return np.where(wrong, np.nan, values).astype(values.dtype)


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return a name, with a number after it if others have it already.

    Examples
    --------
    >>> free_name("a", {"b"}), free_name("a", {"a", "a_2"})
    ('a', 'a_3')
    """
    return next(n for n in (wanted, *(f"{wanted}_{i}" for i in range(2, len(taken) + 3))) if n not in taken)


def long_name(name: str, stated: str | None, assume: Mapping[str, str], notes: Notes) -> str:
    """Return a variable's long_name: what the file says, else what ``assume`` says, else its own name.

    Raises
    ------
    BadOption
        If ``assume`` contradicts the file.

    Examples
    --------
    >>> long_name("proton_density", None, {}, Notes("a.nc"))
    'proton density'
    """
    asked = assume.get(f"long_name.{name}")
    if asked is None:
        return stated or name.replace("_", " ").strip() or name
    if stated and asked.strip() != stated:
        raise BadOption(f"{notes.file}: assume says {name} is {asked!r}, but the file says {stated!r}")
    notes.line(f"long_name of {name} assumed to be {asked!r}")
    return asked.strip()


def frame(name: str, stated: str | None, assume: Mapping[str, str], notes: Notes) -> str:
    """Return the frame of a vector: what the file says, else what ``assume`` says, else "unknown" with a warning.

    Raises
    ------
    BadOption
        If ``assume`` contradicts the file.

    Examples
    --------
    >>> frame("b", None, {"frame": "GSE"}, Notes("a.nc"))
    'GSE'
    """
    asked = assume.get(f"frame.{name}", assume.get("frame"))
    if asked is None:
        if not stated:
            notes.guess("frame is not stated, taken as 'unknown' (give assume={'frame.NAME': 'GSE'})", name)
        return stated or "unknown"
    wanted = asked.strip().upper()
    if stated and wanted != stated.upper():
        raise BadOption(f"{notes.file}: assume says {name} is in {wanted}, but the file says {stated}")
    if not stated:
        notes.line(f"frame of {name} assumed to be {wanted}")
    return stated or wanted


def is_component(name: str) -> bool:
    """Return whether a name is that of one component of a field, electric field or velocity.

    Examples
    --------
    >>> is_component("bz_gsm"), is_component("BY"), is_component("Pdyn")
    (True, True, False)
    """
    return re.fullmatch(r"[bev][xyz](_[a-z]{2,4})?", name, re.IGNORECASE) is not None

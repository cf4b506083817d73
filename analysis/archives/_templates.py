"""The language of file templates: fields, times and wildcards in an address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from urllib.parse import quote

import numpy as np

from analysis.errors import BadOption, BadTime

__all__ = ["Template", "Value", "natural", "newest"]

Value = str | int

# A directive of strftime -> the unit that it tells, from the longest to the shortest.
_UNITS = {"Y": "Y", "y": "Y", "m": "M", "b": "M", "d": "D", "j": "D", "H": "h"}
_ORDER = "YMDh"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SLICED = re.compile(r"(?P<spec>[^\[\]]*)(?:\[(?P<first>-?\d*)(?P<colon>:?)(?P<last>-?\d*)\])?")
# "?" is a wildcard, unless a name and "=" follow: then it begins a query.
_QUERY = re.compile(r"\?(?=[\w.:-]+=)")
EACH = "each"


@dataclass(frozen=True)
class Template:
    """An address with fields, times and wildcards, checked when it is made.

    Parameters
    ----------
    text : str
        ``https://host/{start:%Y}/x_{start:%Y%m%d}_v*.cdf``, ``s3://bucket/{obsid:0>10}/``, …

    Raises
    ------
    BadOption
        It is no http, https or s3 address, or a field is written wrongly; the message says what would be right.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not re.match(r"(https?|s3)://[^/{}*?\s]+/", self.text):
            raise BadOption(f"{self.text!r:.200} is no template: it begins with https://host/ or s3://bucket/")
        try:
            pieces = list(Formatter().parse(self.text))
        except ValueError as error:
            raise BadOption(f"the template {self.text} cannot be taken apart: {error}") from error
        for _, name, spec, conversion in pieces:
            if name is None:
                continue
            if not name.isidentifier() or conversion or "{" in (spec or ""):
                raise BadOption(f"the template {self.text} has the field {{{name}}}; a field is a name: {{obsid}}")
            if name == EACH and spec:
                raise BadOption(f"the template {self.text}: {{each}} stands for any text and takes nothing after ':'")
            if name not in ("start", EACH) and not _SLICED.fullmatch(spec or ""):
                raise BadOption(
                    f"the template {self.text}: {{{name}:{spec}}} is neither a format such as {{{name}:0>10}} "
                    f"nor a slice such as {{{name}:[-1:]}}"
                )
        if self.text.count("{each}") > 1 or "{each}" in self.text.rpartition("/")[0]:
            raise BadOption(f"the template {self.text}: {{each}} may stand once, in the file's name")
        _ = self.step

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names to be filled in, ``start`` and ``each`` apart."""
        names = (name for _, name, _, _ in Formatter().parse(self.text) if name)
        return tuple(dict.fromkeys(name for name in names if name not in ("start", EACH)))

    @property
    def each(self) -> bool:
        """Whether all that match are parts, not only the newest."""
        return "{each}" in self.text

    @cached_property
    def step(self) -> str:
        """How much time a file covers: ``Y``, ``M``, ``D`` or ``h``; empty if the template has no time."""
        told: set[str] = set()
        for _, name, spec, _ in Formatter().parse(self.text):
            if name == "start":
                directives = re.findall(r"%(.?)", spec or "")
                if wrong := [d for d in directives if d not in _UNITS] or not directives:
                    shown = "".join(f"%{d} " for d in wrong) if isinstance(wrong, list) else "no directive "
                    raise BadOption(
                        f"the template {self.text} has {shown}in {{start:{spec}}}; "
                        f"known are {', '.join('%' + d for d in _UNITS)}"
                    )
                told |= set(directives)
        units = {_UNITS[d] for d in told}
        if not units:
            return ""
        finest = max(units, key=_ORDER.index)
        needed = set(_ORDER[: _ORDER.index(finest)]) - units - ({"M"} if "j" in told else set())
        if needed:
            raise BadOption(
                f"the template {self.text} leaves it open which {_WORDS[max(needed, key=_ORDER.index)]} is meant"
            )
        return finest

    def spans(self, start: np.datetime64, stop: np.datetime64) -> Iterator[tuple[np.datetime64, np.datetime64]]:
        """Give the half-open intervals of the files that [start, stop) touches, in order.

        Examples
        --------
        >>> days = Template("https://example.org/{start:%Y%m%d}.cdf")
        >>> [str(a)[:10] for a, _ in days.spans(np.datetime64("2020-02-28T12"), np.datetime64("2020-03-01"))]
        ['2020-02-28', '2020-02-29']
        """
        first = start.astype(f"datetime64[{self.step}]")
        while first.astype("datetime64[ns]") < stop:
            yield first.astype("datetime64[ns]"), (first + 1).astype("datetime64[ns]")
            first += 1

    def filled(self, fields: Mapping[str, Value], start: np.datetime64 | None = None) -> str:
        """Return the address with its fields and time filled in; wildcards stay, ``{each}`` too.

        Raises
        ------
        BadOption
            A field is missing, unknown, or has a value that cannot stand in an address.

        Examples
        --------
        >>> Template("https://example.org/{obsid:[-1:]}/acisf{obsid:0>5}N*_evt2.fits").filled({"obsid": "754"})
        'https://example.org/4/acisf00754N*_evt2.fits'
        """
        if missing := [name for name in self.fields if name not in fields]:
            example = ", ".join(f"{name!r}: …" for name in self.fields)
            raise BadOption(f"the template {self.text} needs {', '.join(missing)}: fields={{{example}}}")
        made = []
        for literal, name, spec, _ in Formatter().parse(self.text):
            made.append(literal)
            if name == "start":
                if start is None:
                    raise BadTime(f"the template {self.text} needs start and stop")
                made.append(_dated(spec or "", start))
            elif name == EACH:
                made.append("{each}")
            elif name is not None:
                made.append(_valued(name, fields[name], spec or "", self.text))
        return "".join(made)


_WORDS = {"Y": "year", "M": "month", "D": "day"}


def _dated(spec: str, start: np.datetime64) -> str:
    """Return what strftime would, in English whatever the locale is."""
    year, month = start.astype("datetime64[Y]"), start.astype("datetime64[M]")
    day, hour = start.astype("datetime64[D]"), start.astype("datetime64[h]")
    number = int(year.astype(int)) + 1970
    in_year = int((month - year.astype("datetime64[M]")).astype(int))
    told = {
        "Y": f"{number:04d}",
        "y": f"{number % 100:02d}",
        "m": f"{in_year + 1:02d}",
        "b": _MONTHS[in_year],
        "d": f"{int((day - month.astype('datetime64[D]')).astype(int)) + 1:02d}",
        "j": f"{int((day - year.astype('datetime64[D]')).astype(int)) + 1:03d}",
        "H": f"{int((hour - day.astype('datetime64[h]')).astype(int)):02d}",
    }
    return re.sub("%(.)", lambda found: told[found[1]], spec)


def _valued(name: str, value: Value, spec: str, template: str) -> str:
    """Return a field's value as it stands in the address."""
    if isinstance(value, bool) or not isinstance(value, str | int | np.integer):
        raise BadOption(f"{name}={value!r:.80} is neither text nor a whole number, which {template} needs")
    found = _SLICED.fullmatch(spec)
    assert found is not None
    shape = found["spec"]
    plain: Value = value if isinstance(value, str) else int(value)
    if shape.endswith("d") and isinstance(plain, str) and plain.isascii() and plain.isdigit():
        plain = int(plain)
    if isinstance(plain, int) and shape and not shape[-1].isalpha():
        plain = str(plain)
    try:
        text = format(plain, shape)
    except ValueError as error:
        raise BadOption(
            f"{name}={value!r:.80} cannot be written as {{{name}:{shape}}} in {template}: {error}"
        ) from error
    if found["first"] or found["last"] or found["colon"]:
        first = int(found["first"]) if found["first"] else None
        if found["colon"]:
            text = text[slice(first, int(found["last"]) if found["last"] else None)]
        else:
            text = text[first : first + 1 or None] if first is not None else ""
    if not text or text.strip(".") == "" or not text.isprintable():
        raise BadOption(f"{name}={value!r:.80} leaves {text!r} in {template}, which cannot stand in an address")
    return quote(text, safe="")


def split_query(address: str) -> tuple[str, str]:
    """Return an address without its query, and the query.

    Examples
    --------
    >>> split_query("https://example.org/a?.fits?level=2")
    ('https://example.org/a?.fits', '?level=2')
    """
    found = _QUERY.search(address)
    return (address[: found.start()], address[found.start() :]) if found else (address, "")


def pattern(segment: str) -> re.Pattern[str]:
    """Return what matches the names that a segment with wildcards stands for, a group for each wildcard.

    Examples
    --------
    >>> pattern("a_v*.cdf").fullmatch("a_v1.10.cdf")[1]
    '1.10'
    """
    from urllib.parse import unquote

    made = []
    for piece in re.split(r"(\*|\?|\{each\})", segment):
        made.append({"*": "(.*)", "?": "(.)", "{each}": "(?P<each>.*)"}.get(piece) or re.escape(unquote(piece)))
    return re.compile("".join(made), re.DOTALL)


def natural(text: str) -> tuple[tuple[int, ...], int, str]:
    """Return a key that puts versions into their order: by their numbers, then plain names before longer ones.

    Examples
    --------
    >>> sorted(["1.10", "1.9", "V03", "1.9.1", "1.9_test"], key=natural)
    ['1.9_test', '1.9', '1.9.1', '1.10', 'V03']
    """
    return tuple(int(number) for number in re.findall(r"\d+", text)), -len(text), text


def newest(matches: Mapping[str, tuple[str, ...]], where: str) -> str:
    """Return the name whose wildcards stand for the highest version.

    Parameters
    ----------
    matches : mapping
        Name -> what each wildcard stands for in it.
    where : str
        The address, for the message.

    Raises
    ------
    BadOption
        Several match and no number tells which of them is meant.

    Examples
    --------
    >>> newest({"a_v1.9": ("1.9",), "a_v1.10": ("1.10",)}, "https://example.org/a_v*")
    'a_v1.10'
    """
    keys = {name: tuple(natural(text) for text in stood) for name, stood in matches.items()}
    best = max(keys, key=lambda name: (keys[name], name))
    numbers = [[part[0] for part in key] for key in keys.values()]
    if len(matches) > 1 and not any(any(told) for told in numbers):
        shown = ", ".join(sorted(matches)[:5])
        raise BadOption(
            f"{where} stands for {len(matches)} files and no number tells which: {shown}; narrow the template"
        )
    return best

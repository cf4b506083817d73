"""JPL Horizons: a grid of times, the question, and its answer as numbers, for :mod:`analysis.archives.jpl`."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.archives import discovery
from analysis.download import Limits
from analysis.download.content import title_of
from analysis.errors import (
    AnalysisError,
    BadAnswer,
    BadOption,
    OutsideCoverage,
    QueryRefused,
    TruncatedAnswer,
    UnknownTarget,
)
from analysis.model import check, labelled, span, stamp, to_utc
from analysis.model.clocks import tables_held

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = [
    "Grid", "asked", "first_words", "grid_of", "horizons", "must_say", "name_in", "numbers", "provenance", "series",
    "stamped", "times_of",
]  # fmt: skip

_MOST_ROWS = 80_000  # Horizons sends about 90,000 lines at most
_SECOND = 1 / 86400
_REFERENCES = (
    "Giorgini et al. (1996), JPL's On-Line Solar System Data Service, BAAS 28, 1158",
    "https://ssd.jpl.nasa.gov/horizons/manual.html",
)
_MONTHS = {
    month: f"{number:02d}"
    for number, month in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


class Grid:
    """Even steps through one time scale."""

    def __init__(self, first: np.datetime64, last: np.datetime64, step: np.timedelta64, scale: str):
        self.step, self.scale = step, scale
        self.count = int(-((first - last) // step))
        self.query = {"start": str(first), "stop": str(last)}
        # One step more than is wanted: Horizons refuses an interval of one instant.
        self.first, self.last = _in_scale(first, scale, step * 0), _in_scale(first, scale, step * self.count)
        minute = np.timedelta64(60, "s")
        self.words = f"{step // minute}m" if step % minute == np.timedelta64(0) else str(self.count)


def _in_scale(start: np.datetime64, scale: str, passed: np.timedelta64) -> str:
    """Return an instant as Horizons reads it, `passed` after a start in UTC, in its own time scale."""
    from astropy.time import Time

    with tables_held():
        moment = np.datetime64(getattr(Time(str(start), scale="utc"), scale).isot, "ns") + passed
    # Rounded up, so that no step lies before the start.
    return str((moment + np.timedelta64(999_999, "ns")).astype("datetime64[ms]")).replace("T", " ")


def grid_of(start: Any, stop: Any, step: str, scale: str) -> Grid:
    import astropy.units as u

    first, last = span(start, stop)
    if first is None or last is None:
        raise BadOption("Horizons needs both start and stop, for example start='2022-06-10', stop='2022-06-11'")
    try:
        width = np.timedelta64(round(u.Quantity(step).to_value(u.ns)), "ns")
    except (ValueError, TypeError, OverflowError, u.UnitConversionError) as error:
        raise BadOption(f"step={step!r} is no length of time; give, for example, '10 min', '1 h' or '10 d'") from error
    if not width >= np.timedelta64(500, "ms"):
        raise BadOption(f"step={step!r} cannot be used: Horizons' shortest is half a second")
    grid = Grid(first, last, width, scale)
    if grid.count > _MOST_ROWS:
        raise BadOption(
            f"{grid.count} steps of {step} are more than the {_MOST_ROWS} that Horizons sends at once; "
            "ask for a shorter time or a longer step"
        )
    return grid


def horizons(target: str, kind: str | None, place: str, grid: Grid, limits: Limits | None) -> Any:
    """Return astroquery's class, its question ready."""
    for what, given in (("target", target), ("the centre or observer", place)):
        if not isinstance(given, str) or not given.strip() or re.search(r"[\"'\x00-\x1f]", given):
            raise BadOption(f"{what} is text without quotes, such as '499' or '@10', not {given!r}")
    kinds = (None, "smallbody", "designation", "name", "asteroid_name", "comet_name")
    if kind not in kinds:
        raise BadOption(f"kind={kind!r} is not offered: choose from {', '.join(map(str, kinds))}")
    epochs = {"start": grid.first, "stop": grid.last, "step": grid.words}
    service = discovery.service("jplhorizons", limits=limits)
    return service(id=target.strip(), id_type=kind, location=place.strip(), epochs=epochs)


def asked(body: Any, question: str, options: Mapping[str, Any]) -> tuple[Table, str]:
    """Return Horizons' table and the text that it came in, or what is wrong with it."""
    with body._session.typed_errors():
        response = getattr(body, f"{question}_async")(**options)
    text = response.text
    if response.status_code >= 400:
        raise QueryRefused(f"Horizons refuses {body.id!r} with {response.status_code}: {first_words(text)}")
    with _their_errors(body, text):
        table = body._parse_result(response)
    if "$$EOE" not in text:
        raise TruncatedAnswer(f"Horizons' answer for {body.id!r} ends before its table does; ask again later")
    return table, text


@contextlib.contextmanager
def _their_errors(body: Any, text: str) -> Iterator[None]:
    """Turn what astroquery makes of an answer without a table into our errors."""
    try:
        yield
    except AnalysisError:
        raise
    except Exception as error:  # astropy's readers raise many kinds
        # Read from the answer itself: astroquery's own message loses a date's last digit.
        if early := re.search(r"No ephemeris for target.*", text):
            raise OutsideCoverage(f"Horizons: {early[0].strip()}") from error
        if "No matches found" in text or re.search(r"Multiple major-bodies match|Matching small-bodies", text):
            listed = "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("API "))
            raise UnknownTarget(f"Horizons does not know which body {body.id!r} is:\n{listed[:3000]}") from error
        if "$$SOE" in text and "$$EOE" not in text:
            raise TruncatedAnswer(
                f"Horizons' answer for {body.id!r} ends before its table does; ask again later"
            ) from error
        if "API SOURCE" not in text[:500]:
            page = title_of(text[:8192].encode()) or first_words(text)
            raise BadAnswer(f"{body.uri.partition('?')[0]} answered with something else: {page!r}") from error
        raise QueryRefused(f"Horizons refuses {body.id!r}: {first_words(text.partition('*****')[0])}") from error


def first_words(text: str) -> str:
    """Return the beginning of an answer on one line, without what each answer of the API begins with."""
    return " ".join(re.sub(r"API (VERSION|SOURCE):.*", "", text).split())[:300]


def name_in(text: str, what: str) -> str:
    found = re.search(rf"^{what} name: (.*?)\s*\{{source: (.*?)\}}", text, re.MULTILINE)
    return found[1] if found else "not stated"


def must_say(text: str, what: str, wanted: str) -> None:
    """Refuse an answer that says it is about something else than was asked."""
    found = re.search(rf"^{what}\s*: (.*?)\s*$", text, re.MULTILINE)
    if found is None or not found[1].startswith(wanted):
        raise BadAnswer(f"Horizons answered with {what.lower()} {found[1] if found else None!r}, not {wanted!r}")


def times_of(table: Table, grid: Grid, scale: str) -> xr.Variable:
    """Return the times of the steps asked for as UTC; the last one that came is one step too many."""
    from astropy.time import Time

    if len(table) < grid.count:
        raise TruncatedAnswer(f"Horizons sent {len(table)} of {grid.count} steps; ask again, or for a shorter time")
    said = [_iso(str(text)) for text in table["datetime_str"][: grid.count]]
    moments = Time(said, format="isot", scale=scale)
    # The day number beside it tells whether the date was cut to whole minutes.
    if np.any(np.abs(moments.jd - np.asarray(table["datetime_jd"][: grid.count], dtype=float)) > _SECOND):
        raise BadAnswer("Horizons' calendar dates and Julian days differ; ask for a step of whole minutes")
    values = to_utc(moments)
    return xr.Variable("time", values, {"long_name": "Time (UTC)"})


def _iso(text: str) -> str:
    """Return ``A.D. 2022-Jun-10 00:00:00.0000`` as ISO 8601."""
    found = re.fullmatch(r"(?:A\.D\. )?(\d{4})-([A-Z][a-z]{2})-(\d\d) (\d\d:\d\d(?::\d\d(?:\.\d+)?)?)", text.strip())
    if found is None or found[2] not in _MONTHS:
        raise BadAnswer(f"Horizons gave {text!r} where a date was expected")
    return f"{found[1]}-{_MONTHS[found[2]]}-{found[3]}T{found[4]}"


def numbers(table: Table, column: str, units: str) -> np.ndarray:
    """Return a column as numbers, NaN where Horizons has none."""
    import astropy.units as u

    values: np.ndarray = np.ma.filled(np.ma.asarray(table[column], dtype=float), np.nan)
    return (values * table[column].unit).to_value(u.Unit(units))


def series(table: Table, columns: Mapping[str, tuple[str, str, str]], keep: slice) -> dict[str, xr.DataArray]:
    """Return columns as arrays over time: ours -> (theirs, units, long_name)."""
    return {
        name: labelled(
            xr.DataArray(numbers(table, theirs, units)[keep], dims="time"), name, units=units, long_name=long_name
        )
        for name, (theirs, units, long_name) in columns.items()
    }


def provenance(query: Mapping[str, object], response: Any) -> dict[str, object]:
    return {
        "query": dict(query),
        "urls": [response.url],
        "sha256": [hashlib.sha256(response.content).hexdigest()],
        "retrieved": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def _foretold(data: xr.Dataset) -> list[str]:
    """Say of times to come that their leap seconds are not known; they are announced half a year before."""
    soon = np.datetime64("now") + np.timedelta64(180, "D")
    late = data.sizes.get("time", 0) > 0 and data["time"].values[-1] > soon
    return ["UTC of times to come: no leap second is assumed that is not announced"] if late else []


def stamped(data: xr.Dataset, body: Any, text: str, what: str, query: Mapping[str, object]) -> xr.Dataset:
    target, source = name_in(text, "Target body"), re.findall(r"\{source: (.*?)\}", text)
    stamped = stamp(
        data.assign_attrs(target=target, ephemeris=", ".join(dict.fromkeys(source))),
        title=f"{target}: {what}",
        institution="NASA/JPL Solar System Dynamics",
        source=f"JPL Horizons, {', '.join(dict.fromkeys(source)) or 'ephemeris not stated'}",
        references=_REFERENCES,
        license="not stated",
        history=[f"{what} asked of JPL Horizons through astroquery; times made UTC", *_foretold(data)],
        provenance=provenance(query, body.last_response),
    )
    return check(stamped)

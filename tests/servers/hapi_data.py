"""Datasets of a HAPI server: what is declared, what is computed from a record's number, how it is written.

Every value is a pure function of the record's number, so a test knows the truth of any interval without asking.

level = Parameter("level", units="m", fill="-1e31", values=lambda i: np.sin(i / 7))
tide = Dataset("tide", (level,), start="2001-01-01", stop="2001-01-03", cadence="PT1M", missing=((60, 120),))
tide.truth("level", "2001-01-01T00:30Z", "2001-01-01T03Z")           # times (datetime64[ns]) and values, fills as NaN
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

BLOCK = 1 << 14  # records that are in memory at once
SECOND = 1_000_000_000
# HAPI 3.3, 3.7.6: year-month-day or year-day of year, cut off anywhere; 24:00 and leap seconds are allowed.
TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?:(?P<doy>\d{3})|(?P<month>\d\d)(?:-(?P<day>\d\d))?))?"
    r"(?:T(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<part>\d+))?)?)?)?Z?",
    re.ASCII,
)
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)


def instant(text: str) -> int:
    """Return nanoseconds since 1970 of a time as HAPI writes it; digits beyond nanoseconds round up.

    Rounding up keeps both ends of a half-open interval right, since records lie on whole nanoseconds.
    """
    found = TIME.fullmatch(text)
    if not found:
        raise ValueError("not a time as HAPI writes it")
    told = found.groupdict()
    if told["hour"] and not (told["doy"] or told["day"]):
        raise ValueError("a time of day without a day")
    if told["doy"]:
        day = np.datetime64(f"{told['year']}-01-01", "D") + (int(told["doy"]) - 1)
        if int(told["doy"]) < 1 or str(day)[:4] != told["year"]:
            raise ValueError("no such day of the year")
    else:
        day = np.datetime64(f"{told['year']}-{told['month'] or '01'}-{told['day'] or '01'}", "D")
    hour, minute, second = (int(told[name] or 0) for name in ("hour", "minute", "second"))
    part = told["part"] or ""
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and (minute or second or part.strip("0"))):
        raise ValueError("no such time of day")
    nanoseconds = int(part[:9].ljust(9, "0") or 0) + bool(part[9:].strip("0"))
    return (int(day.astype(np.int64)) * 86400 + hour * 3600 + minute * 60 + second) * SECOND + nanoseconds


def duration(text: str) -> int:
    """Return nanoseconds of an ISO 8601 duration without years and months."""
    found = DURATION.fullmatch(text)
    if not found or not any(found.groups()):
        raise ValueError(f"not a duration of days, hours, minutes and seconds: {text}")
    days, hours, minutes, seconds = found.groups()
    whole, _, part = (seconds or "0").partition(".")
    count = (int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes or 0)
    return (count * 60 + int(whole)) * SECOND + int(part[:9].ljust(9, "0") or 0)


def written(times: np.ndarray, unit: str = "ms", *, day_of_year: bool = False) -> np.ndarray:
    """Return times as HAPI writes them, to ``unit`` (Y, M, D, h, m, s, ms, us, ns)."""
    texts = np.datetime_as_string(times, unit=unit)
    if not day_of_year:
        return np.char.add(texts, "Z")
    years = times.astype("M8[Y]")
    days = (times.astype("M8[D]") - years.astype("M8[D]")).astype(int) + 1
    dates = np.char.add(np.char.add(np.datetime_as_string(years), "-"), np.char.zfill(days.astype("U3"), 3))
    clock = [text[10:] + "Z" for text in texts.tolist()]
    return np.char.add(dates, clock)


@dataclass(frozen=True)
class Bins:
    """One entry of ``bins``: numbers, or the name of the parameter that has them for each record."""

    name: str
    units: str | None
    centers: list | str | dict | None = None
    ranges: list | str | dict | None = None
    label: str | None = None
    description: str | None = None

    def told(self):
        keys = ("name", "centers", "ranges", "units", "label", "description")
        told = {key: getattr(self, key) for key in keys if getattr(self, key) is not None or key == "units"}
        return told if "centers" in told or "ranges" in told else told | {"centers": None}


@dataclass(frozen=True)
class Parameter:
    """One column, or block of columns.

    ``values`` gets record numbers (int64, shape n) and returns what is served, fills included: shape (n, \\*size),
    numbers for double and integer, strings for the others. ``more`` holds further keys as the specification spells
    them: coordinateSystemName, vectorComponents, stringType, x_….
    """

    name: str
    type: str = "double"
    units: object = None
    fill: str | None = None
    size: tuple[int, ...] = ()
    length: int | None = None
    values: Callable[[np.ndarray], np.ndarray] | None = None
    bins: tuple = ()
    label: object = None
    description: str | None = None
    more: dict = field(default_factory=dict)

    def told(self):
        told = {"name": self.name, "type": self.type, "units": self.units, "fill": self.fill}
        given = {"length": self.length, "size": list(self.size) or None, "label": self.label}
        told |= {key: value for key, value in given.items() if value is not None}
        if self.description is not None:
            told["description"] = self.description
        if self.bins:
            told["bins"] = [one.told() if isinstance(one, Bins) else one for one in self.bins]
        return told | self.more

    def at(self, index: np.ndarray) -> np.ndarray:
        """Return the values of records, as served."""
        if self.values is not None:
            return np.asarray(self.values(index)).reshape(len(index), *self.size)
        count = int(np.prod(self.size, dtype=int))
        grid = index[:, None] * count + np.arange(count) + zlib.crc32(self.name.encode()) % 997
        if self.type == "double":
            made = np.sin(grid / 31)
        elif self.type == "integer":
            made = (grid * 7919) % 2001 - 1000
        else:
            made = np.char.add("s", (grid % 100).astype("U"))
        return made.reshape(len(index), *self.size)

    def dtype(self):
        kind = {"double": "<f8", "integer": "<i4"}.get(self.type, f"S{self.length}")
        return (self.name, kind, self.size)


@dataclass(frozen=True)
class Dataset:
    """Records at start, start + cadence, … before stop, without those whose number is in ``missing`` (half-open)."""

    id: str
    parameters: tuple[Parameter, ...]
    start: str = "2001-01-01"
    stop: str = "2001-01-02"
    cadence: str = "PT1S"
    time_name: str = "Time"
    time_unit: str = "ms"
    day_of_year: bool = False
    missing: tuple[tuple[int, int], ...] = ()
    title: str | None = None
    max_request: str | None = None
    tell_cadence: bool = True
    definitions: dict = field(default_factory=dict)
    more: dict = field(default_factory=dict)

    @property
    def all_parameters(self) -> tuple[Parameter, ...]:
        example = self.time_texts(np.array([0]))[0]
        time = Parameter(self.time_name, "isotime", "UTC", None, (), len(example), values=self.time_texts)
        return (time, *self.parameters)

    def told(self) -> dict:
        """Return the dataset's part of an info answer, references unresolved."""
        told = {"startDate": self.date(instant(self.start)), "stopDate": self.date(instant(self.stop))}
        if self.tell_cadence:
            told["cadence"] = self.cadence
        if self.max_request:
            told["maxRequestDuration"] = self.max_request
        if self.definitions:
            told["definitions"] = self.definitions
        return told | self.more | {"parameters": [parameter.told() for parameter in self.all_parameters]}

    @staticmethod
    def date(nanoseconds: int) -> str:
        return str(written(np.array([nanoseconds], "M8[ns]"), "ms" if nanoseconds % 1_000_000 == 0 else "ns")[0])

    def numbers(self, start: str, stop: str) -> tuple[int, int]:
        """Return the first record's number at or after start, and at or after stop, missing ones counted."""
        first, step = instant(self.start), duration(self.cadence)
        count = -((first - instant(self.stop)) // step)
        low, high = (-((first - instant(text)) // step) for text in (start, stop))
        return max(low, 0), min(max(high, 0), count)

    def there(self, index: np.ndarray) -> np.ndarray:
        for low, high in self.missing:
            index = index[(index < low) | (index >= high)]
        return index

    def blocks(self, low: int, high: int) -> Iterator[np.ndarray]:
        """Yield the numbers of the records that are there, some at a time."""
        for first in range(low, high, BLOCK):
            index = self.there(np.arange(first, min(first + BLOCK, high), dtype=np.int64))
            if len(index):
                yield index

    def times(self, index: np.ndarray) -> np.ndarray:
        return (instant(self.start) + index * duration(self.cadence)).astype("M8[ns]")

    def time_texts(self, index: np.ndarray) -> np.ndarray:
        return written(self.times(index), self.time_unit, day_of_year=self.day_of_year)

    def truth(self, name: str, start: str | None = None, stop: str | None = None):
        """Return the times and values of a parameter in an interval; a number's fill is NaN."""
        low, high = self.numbers(start or self.start, stop or self.stop)
        index = self.there(np.arange(low, high, dtype=np.int64))
        found = next(parameter for parameter in self.all_parameters if parameter.name == name)
        values = found.at(index)
        if found.fill is not None and found.type in ("double", "integer"):
            values = np.where(values == float(found.fill), np.nan, values)
        return self.times(index), values


# ------------------------------------------------------------------------------------ the three formats


def quoted(text: str) -> str:
    """Return a value as RFC 4180 wants it."""
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _columns(parameter: Parameter, values: np.ndarray) -> Iterator[list[str]]:
    flat = values.reshape(len(values), -1)
    for column in flat.T:
        if parameter.type not in ("double", "integer"):
            yield [quoted(text) for text in column.tolist()]
            continue
        texts = list(map(repr, column.tolist()))
        if parameter.type == "double":
            odd = np.isnan(column)
            for place in np.flatnonzero(odd):
                texts[place] = "NaN"
        if parameter.fill is not None:
            for place in np.flatnonzero(column == float(parameter.fill)):
                texts[place] = parameter.fill
        yield texts


def csv(parameters, index: np.ndarray, newline: str = "\n") -> bytes:
    columns = [column for parameter in parameters for column in _columns(parameter, parameter.at(index))]
    return (newline.join(map(",".join, zip(*columns, strict=True))) + newline).encode()


def binary(parameters, index: np.ndarray) -> bytes:
    records = np.zeros(len(index), np.dtype([parameter.dtype() for parameter in parameters]))
    for parameter in parameters:
        values = parameter.at(index)
        if parameter.type in ("string", "isotime"):
            values = np.char.encode(values, "utf-8")
            if values.dtype.itemsize > parameter.length:
                raise ValueError(f"{parameter.name} has {values.dtype.itemsize} bytes, declared {parameter.length}")
        records[parameter.name] = values
    return records.tobytes()


def json_records(parameters, index: np.ndarray) -> bytes:
    """Return records between commas; NaN, which JSON has not, is null."""
    columns = []
    for parameter in parameters:
        values = parameter.at(index)
        if parameter.type == "double" and np.isnan(values).any():
            values = np.where(np.isnan(values), None, values.astype(object))
        columns.append(values.tolist())
    rows = (json.dumps(row, allow_nan=False, ensure_ascii=False) for row in zip(*columns, strict=True))
    return ",\n".join(rows).encode()


# ------------------------------------------------------------------------------------ a collection to test with


def _with_fill(index):
    return np.where(index % 10 == 3, -1e31, np.sin(index / 7))


def _flags(index):
    return np.where(index % 13 == 5, -2147483648, index % 4)


def _words(index):
    choice = np.array(["sheath", "a,b", 'say "so"', "", "Bö∥", "cusp"])
    return choice[index % len(choice)]


def _other_times(index):
    texts = written((index * 1_500_000_000 + instant("1999-12-31T23:59:00Z")).astype("M8[ns]"), "ms")
    return np.where(index % 5 == 4, "0000-00-00T00:00:00.000Z", texts)


def _centers(index):
    return 10.0 * (1 + np.arange(4)) + (index // 600)[:, None]


def _ranges(index):
    return np.stack([_centers(index) - 5, _centers(index) + 5], -1)


def _nan_now_and_then(index):
    return np.where(index % 4 == 1, np.nan, index / 3)


def examples() -> tuple[Dataset, ...]:
    """Return datasets with everything that a parameter may be, an hour each at least."""
    energies = Bins("energy", "keV", centers=[15.0, 25.0, 35.0, 45.0], ranges=[[10, 20], [20, 30], [30, 40], [40, 50]])
    angles = Bins("pitch_angle", "degrees", ranges=[[0, 60], [60, 120], [120, 180]])
    gse = {"coordinateSystemName": "GSE", "vectorComponents": ["x", "y", "z"]}
    uri = {"stringType": {"uri": {"mediaType": "image/png", "scheme": "https"}}}
    moving = Bins("energy", "eV", centers="energy_centers", ranges="energy_ranges")
    flux = "1/(cm^2 s sr keV)"
    everything = (
        Parameter("scalar", units="nT", fill="-1e31", values=_with_fill, description="A sine with fills"),
        Parameter("flag", "integer", None, "-2147483648", values=_flags),
        Parameter("vector", units="nT", fill="-1e31", size=(3,), label=["Bx", "By", "Bz"], more=gse),
        Parameter("polar", units=["km", "deg", "deg"], fill="NaN", size=(3,), values=None),
        Parameter("spectrum", units=flux, fill="-1e31", size=(4,), bins=(energies,)),
        Parameter("matrix", units=flux, fill="-1e31", size=(4, 3), bins=(energies, angles)),
        Parameter("nan", units="dimensionless", fill="NaN", values=_nan_now_and_then),
        Parameter("word", "string", None, "???", length=12, values=_words),
        Parameter("other_time", "isotime", "UTC", "0000-00-00T00:00:00.000Z", length=24, values=_other_times),
        Parameter("image", "string", None, None, length=3, more=uri),
        Parameter("counts", "integer", "1", None, size=(2, 2)),
    )
    varying = (
        Parameter("flux", units=flux, fill="-1e31", size=(4,), bins=(moving,)),
        Parameter("energy_centers", units="eV", fill="-1e31", size=(4,), values=_centers),
        Parameter("energy_ranges", units="eV", fill="-1e31", size=(4, 2), values=_ranges),
    )
    shared = {"energies": energies.told(), "flux": flux}
    by_reference = tuple(
        Parameter(name, units={"$ref": "#/definitions/flux"}, size=(4,), bins=({"$ref": "#/definitions/energies"},))
        for name in ("ions", "electrons")
    )
    level = (Parameter("level", units="m", fill="-1e31"),)
    return (
        Dataset("everything", everything, stop="2001-01-01T06", title="One of each"),
        Dataset("gaps", level, cadence="PT1M", stop="2001-01-03", missing=((60, 120), (1400, 1500), (2870, 2880))),
        Dataset("varying", varying, stop="2001-01-01T02", more={"x_note": "an extension"}),
        Dataset("references", by_reference, stop="2001-01-01T01", definitions=shared),
        Dataset("short", level, cadence="PT1M", stop="2001-01-03", max_request="PT6H"),
        Dataset("days", level, cadence="P1D", stop="2003-01-01", time_unit="D", day_of_year=True, time_name="Epoch"),
        Dataset("hours", level, cadence="PT1H", stop="2001-02-01", time_unit="h"),
        Dataset("minutes", level, cadence="PT1M", time_unit="m"),
        Dataset("doy", level, cadence="PT0.5S", stop="2001-01-01T01", day_of_year=True),
        Dataset("nanoseconds", level, cadence="PT0.000000125S", stop="2001-01-01T00:00:00.001Z", time_unit="ns"),
        Dataset("path/to:α-1", (Parameter("höhe", units="m"),), cadence="PT1M"),
    )

"""Records of a HAPI answer: header, then binary, CSV or JSON; each gives times and columns, the same for all three.

Binary columns are views of the file itself; nothing is read until a part of a column is copied.
"""

from __future__ import annotations

import csv
import io
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile
from analysis.formats import _hapiinfo as hapiinfo
from analysis.formats._hapiinfo import Info, Parameter

LONGEST_HEADER = 1 << 26
TEXT = ("isotime", "string")
TIME_WIDTH = 40  # of texts whose length is not declared
MAPPED = mmap.MAP_SHARED | getattr(
    mmap, "MAP_POPULATE", 0
)  # all pages at once: one by one they cost as much as reading
NUMBERS = {"double": "<f8", "integer": "<i4"}


@dataclass(frozen=True)
class Answer:
    """A server's answer with its header: bytes (a file's, mapped), and where the records begin.

    ``rows`` holds the records of a JSON answer, which come with the header.
    """

    where: str
    info: Info
    content: Any
    path: Path | None
    at: int
    rows: list[Any] | None

    @property
    def size(self) -> int:
        """Bytes of records."""
        return len(self.content) - self.at


@dataclass(frozen=True)
class Table:
    """The records of one answer: times as texts, and a column, or block of columns, for each other parameter."""

    info: Info
    times: NDArray[np.bytes_]
    columns: Mapping[str, NDArray]


def opened(source: Path | bytes, where: str) -> Answer:
    """Return an answer, its header checked and its records untouched.

    Parameters
    ----------
    source : pathlib.Path or bytes
        A file, which is mapped, or the answer itself.
    where : str
        File or address, for messages.

    Raises
    ------
    CorruptFile
        If it does not begin with a header, or with one that breaks the specification.
    """
    path = source if isinstance(source, Path) else None
    content: Any = source
    if path is not None:
        with path.open("rb") as file:
            try:
                content = mmap.mmap(file.fileno(), 0, flags=MAPPED, prot=mmap.PROT_READ)
            except ValueError as error:
                raise CorruptFile(f"{where} is empty; get the file again") from error
    first = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first == b"{":
        told = hapiinfo.parsed(content[:], where)
        rows = told.pop("data", None)
        info = hapiinfo.info_of(told, where)
        if info.code < 1400 and rows is None and info.format in (None, "json"):
            raise CorruptFile(f"{where}: data is missing; this is a description without records")
        if rows is not None and not isinstance(rows, list):
            raise CorruptFile(f"{where}: data is no list of records")
        return Answer(where, info, content, path, len(content), rows or [])
    if content[:1] != b"#":
        begins = bytes(content[:40]).decode("ascii", "backslashreplace")
        raise CorruptFile(f"{where} does not begin with the header of a HAPI answer but with {begins!r}")
    header, at = _header(content, where)
    return Answer(where, hapiinfo.info_of_text(header, where), content, path, at, None)


def _header(content: Any, where: str) -> tuple[bytes, int]:
    """Return the JSON text of the lines that begin with '#', and where they end."""
    at, lines = 0, []
    while content[at : at + 1] == b"#":
        end = content.find(b"\n", at)
        if end < 0 or end > LONGEST_HEADER:
            raise CorruptFile(f"{where}: its header is cut off; get the file again")
        lines.append(content[at + 1 : end])
        at = end + 1
    return b"\n".join(lines), at


def table(answer: Answer) -> Table:
    """Return the records of an answer.

    Raises
    ------
    CorruptFile
        If the records are not whole, or not what the header declares.
    """
    if answer.rows is not None:
        return _of_json(answer, answer.rows)
    form = answer.info.format or _guessed(answer)
    if form == "json":
        raise CorruptFile(f"{answer.where}: format is 'json', but lines of '#' stand before the records")
    if not answer.size:
        return _empty(answer)
    return _of_binary(answer) if form == "binary" else _of_csv(answer)


def _guessed(answer: Answer) -> str:
    """Return the format of an answer whose header does not say it: binary records hold bytes that no text has."""
    start = answer.content[answer.at : answer.at + 4096]
    return "binary" if any(byte < 9 or 13 < byte < 32 for byte in start) else "csv"


def dtype_of(parameters: Sequence[Parameter], where: str) -> np.dtype:
    """Return the layout of a binary record; fields are numbered, since names may be anything.

    Raises
    ------
    CorruptFile
        If the length of a text is not declared.

    Examples
    --------
    >>> time = hapiinfo.Parameter("Time", "isotime", 24, (), "UTC", None, "", "", "", (), ())
    >>> dtype_of([time], "a.bin").itemsize
    24
    """
    fields: list[tuple[str, str, tuple[int, ...]]] = []
    for place, parameter in enumerate(parameters):
        if parameter.type in TEXT and not parameter.length:
            raise CorruptFile(
                f"{where}: {parameter.name}.length is missing, without which records cannot be told apart"
            )
        fields.append((f"f{place}", NUMBERS.get(parameter.type, f"S{parameter.length}"), parameter.size))
    return np.dtype(fields)


def _empty(answer: Answer) -> Table:
    columns = {
        p.name: np.empty((0, *p.size), NUMBERS.get(p.type, f"S{p.length or 1}")) for p in answer.info.parameters[1:]
    }
    return Table(answer.info, np.empty(0, "S24"), columns)


def _of_binary(answer: Answer) -> Table:
    parameters = answer.info.parameters
    layout = dtype_of(parameters, answer.where)
    count, rest = divmod(answer.size, layout.itemsize)
    if rest:
        raise CorruptFile(
            f"{answer.where}: {answer.size} bytes are not a whole number of records of {layout.itemsize} bytes; "
            "the answer was cut, or its header does not fit it"
        )
    records: NDArray = np.frombuffer(answer.content, layout, count, answer.at)
    columns = {parameter.name: records[f"f{i}"] for i, parameter in enumerate(parameters)}
    return Table(answer.info, columns.pop(parameters[0].name), columns)


def _of_csv(answer: Answer) -> Table:
    import pandas as pd

    parameters, where = answer.info.parameters, answer.where
    content, at = answer.content, answer.at
    if content[-1:] != b"\n":
        raise CorruptFile(f"{where}: the last record does not end in a newline; the answer was cut")
    kinds = [kind for p in parameters for kind in [_csv_type(p)] * p.columns]
    # Other words for a number that is none would be taken for text; to look for them costs a third more.
    words = content.find(b"a", at) >= 0 or content.find(b"A", at) >= 0
    numbers = [i for i, kind in enumerate(kinds) if kind is float]
    nothing = {"na_values": {i: ["NaN", "nan", "NAN"] for i in numbers}, "keep_default_na": False} if words else {}
    try:
        with answer.path.open("rb") if answer.path else io.BytesIO(content) as file:
            file.seek(at)
            frame = pd.read_csv(
                file,
                header=None,
                dtype=dict(enumerate(kinds)),
                na_filter=words,
                low_memory=False,
                encoding_errors="replace",
                **nothing,
            )
    except (ValueError, OverflowError, MemoryError, pd.errors.EmptyDataError) as error:
        told = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())[:200]
        raise CorruptFile(f"{where}: its records are not what the header declares ({told})") from error
    if frame.shape[1] != len(kinds):
        raise CorruptFile(f"{where}: records of {frame.shape[1]} values, where the header declares {len(kinds)}")
    if kinds[-1] is not float and (frame[len(kinds) - 1].to_numpy() == _nothing(kinds[-1])).any():
        _check_counts(answer, len(kinds))
    columns, place = {}, 0
    for parameter in parameters:
        columns[parameter.name] = _block(frame, place, parameter, where)
        place += parameter.columns
    return Table(answer.info, columns.pop(parameters[0].name), columns)


def _csv_type(parameter: Parameter) -> Any:
    """Return what pandas makes of a column: whole numbers through floating point, which holds all of 32 bits."""
    if parameter.type == "string":
        return str
    return f"S{(parameter.length or TIME_WIDTH) + 1}" if parameter.type == "isotime" else float


def _nothing(kind: Any) -> str | bytes:
    return "" if kind is str else b""


def _check_counts(answer: Answer, count: int) -> None:
    """Refuse records with too few values, which pandas fills up with empty texts."""
    text = io.StringIO(answer.content[answer.at :].decode("utf-8", "replace"), newline="")
    for record, values in enumerate(csv.reader(text)):
        if values and len(values) != count:
            raise CorruptFile(
                f"{answer.where}: record {record} has {len(values)} values, where the header declares {count}"
            )


def _block(frame: Any, place: int, parameter: Parameter, where: str) -> NDArray:
    """Return the columns of one parameter."""
    columns = [frame[place + i].to_numpy() for i in range(parameter.columns)]
    if parameter.type == "isotime":
        width = (parameter.length or TIME_WIDTH) + 1
        if any((c.view(np.uint8).reshape(-1, width)[:, -1] != 0).any() for c in map(np.ascontiguousarray, columns)):
            raise CorruptFile(f"{where}: a time of {parameter.name} is longer than the {width - 1} bytes declared")
    if parameter.type == "integer":
        columns = [_whole(column) for column in columns]
    values = np.stack(columns, axis=1) if parameter.size else columns[0]
    return values.reshape(len(frame), *parameter.size)


def _whole(values: NDArray) -> NDArray:
    """Return numbers as integers, of 4 bytes if they fit; as they are if one is none or too large to be exact."""
    low, high = np.min(values, initial=0), np.max(values, initial=0)
    if not (low >= -(2.0**53) and high <= 2.0**53):
        return values
    whole = values.astype(np.int32 if low >= -(2.0**31) and high < 2.0**31 else np.int64)
    return whole if (whole == values).all() else values


def _of_json(answer: Answer, rows: list[Any]) -> Table:
    parameters, where = answer.info.parameters, answer.where
    count = len(parameters)
    for record, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != count:
            raise CorruptFile(f"{where}: record {record} is no list of {count} values as the header declares")
    columns = {p.name: _json_column([row[i] for row in rows], p, where) for i, p in enumerate(parameters)}
    return Table(answer.info, columns.pop(parameters[0].name), columns)


def _json_column(values: list[Any], parameter: Parameter, where: str) -> NDArray:
    shape = (len(values), *parameter.size)
    try:
        if parameter.type in NUMBERS:
            found: NDArray = np.array(values, dtype=float)  # null, which JSON has for NaN, becomes NaN
        else:
            found = np.array(values, dtype=object)
            found[np.equal(found, np.array(None))] = ""  # null stands where there is nothing
            if not all(isinstance(value, str) for value in found.ravel()):
                raise ValueError("not all are texts")
            if parameter.type == "isotime":
                found = np.array([v.encode("ascii") for v in found.ravel()] or [b""], dtype="S")[: found.size]
                found = found.reshape(shape)
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise CorruptFile(f"{where}: values of {parameter.name} are not {parameter.type} ({error})") from error
    if found.shape != shape and found.size:
        raise CorruptFile(
            f"{where}: {parameter.name} has the shape {list(found.shape[1:])}, not {list(parameter.size)}"
        )
    found = found.reshape(shape)
    return _whole(found) if parameter.type == "integer" else found

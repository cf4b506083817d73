"""What all FITS readers share: the file's structure, checked before a number is read, and its keywords.

The walk from header to header is our own: astropy's trusts a damaged NAXIS and may not come back. astropy
reads the cards. The data are decoded in :mod:`analysis.formats._fitscolumns`, from big-endian bytes to native
arrays in one pass.
"""

from __future__ import annotations

import gzip
import math
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, CorruptFile, MissingFile, UnknownFormat

BLOCK = 2880
MOST_AXES = 999  # FITS standard 4.0, section 4.4.1
GZIP = b"\x1f\x8b"
ASTROPY_FAILS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
)


@dataclass(frozen=True, eq=False)
class Hdu:
    """One header and data unit, complete: ``cards`` are the header's bytes, ``data`` the rest, unpadded."""

    file: str
    index: int
    name: str
    kind: Literal["empty", "table", "ascii", "image", "packed"]
    header: Any
    cards: NDArray[np.uint8]
    data: NDArray[np.uint8]

    @property
    def where(self) -> str:
        """How messages name it: ``file.fits[1] (EVENTS)``."""
        return f"{self.file}[{self.index}]" + (f" ({self.name})" if self.name else "")


def opened(path: Path) -> list[Hdu]:
    """Return the HDUs of a FITS file, gzip-compressed or not, each one checked to be complete.

    Raises
    ------
    MissingFile
        If there is no file.
    CorruptFile
        If the file is cut, a header cannot be read, or bytes after the last HDU are no HDU.
    UnknownFormat
        For random groups and extensions of a type that the standard does not know.
    """
    raw, file, at = _bytes_of(path), path.name, 0
    hdus: list[Hdu] = []
    while at < raw.size and not (hdus and _is_padding(raw[at:])):
        cards, header = _header(raw, at, f"{file}[{len(hdus)}]", first=not hdus)
        hdu = _with_data(raw, at + cards.size, cards, header, file, len(hdus))
        hdus.append(hdu)
        at += cards.size + math.ceil(hdu.data.size / BLOCK) * BLOCK
    _as_many_as_announced(hdus)
    return hdus


def _is_padding(rest: NDArray[np.uint8]) -> bool:
    return bytes(rest[:1]) in (b"\0", b" ") and bool(np.isin(rest, (0, 32)).all())


def first_line(problem: object) -> str:
    """Return the first line of an error's message, or its type."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


def _bytes_of(path: Path) -> NDArray[np.uint8]:
    """Return the uncompressed bytes, memory-mapped where they are on disk as such."""
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
            if start != GZIP:
                if not start:
                    raise CorruptFile(f"{path.name} is empty")
                return np.memmap(path, np.uint8, "r")
            stream.seek(0)
            return np.frombuffer(gzip.GzipFile(fileobj=stream).read(), np.uint8)
    except FileNotFoundError as error:
        raise MissingFile(f"there is no file {path}") from error
    except (EOFError, OSError, zlib.error) as error:
        raise CorruptFile(f"{path.name} does not decompress to its end: {first_line(error)}") from error


def _header(raw: NDArray[np.uint8], at: int, where: str, *, first: bool) -> tuple[NDArray[np.uint8], Any]:
    """Return the blocks of a header, up to the one with its END card, and astropy's reading of them."""
    from astropy.io import fits

    wanted = b"SIMPLE  =" if first else b"XTENSION="
    if bytes(raw[at : at + 9]) != wanted:
        raise CorruptFile(
            f"{where}: {raw.size - at} bytes from byte {at} on are no header, which would begin with "
            f"{wanted.decode()!r}; the file is cut, damaged or not FITS"
        )
    end = at
    while True:
        block = bytes(raw[end : end + BLOCK])
        if len(block) < BLOCK:
            raise CorruptFile(f"{where} is cut: the file ends within the header")
        end += BLOCK
        if any(block[card : card + 8] == b"END     " for card in range(0, BLOCK, 80)):
            break
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return raw[at:end], fits.Header.fromstring(bytes(raw[at:end]))
    except (*ASTROPY_FAILS, fits.VerifyError) as error:
        raise CorruptFile(f"{where}: the header cannot be read: {first_line(error)}") from error


def _with_data(raw: NDArray[np.uint8], start: int, cards: NDArray[np.uint8], header: Any, file: str, index: int) -> Hdu:
    where = f"{file}[{index}]"
    name = str(value(header, "EXTNAME", where) or ("PRIMARY" if index == 0 else "")).strip().upper()
    size = _data_size(header, where)
    if start + size > raw.size:
        raise CorruptFile(
            f"{where} ({name}) is cut: its header announces {size} bytes of data, "
            f"the file holds {max(raw.size - start, 0)} of them"
        )
    return Hdu(file, index, name, _kind(header, size, where), header, cards, raw[start : start + size])


def _data_size(header: Any, where: str) -> int:
    """Bytes of the data unit without padding (FITS standard 4.0, eq. 1 and 2)."""
    count = whole(header, "NAXIS", where)
    if not 0 <= count <= MOST_AXES:
        raise CorruptFile(f"{where}: NAXIS = {count} is not between 0 and {MOST_AXES}")
    axes = [whole(header, f"NAXIS{n}", where) for n in range(1, count + 1)]
    bits = whole(header, "BITPIX", where)
    groups, extra = whole(header, "GCOUNT", where, 1), whole(header, "PCOUNT", where, 0)
    if min([groups, extra, *axes]) < 0 or bits not in (8, 16, 32, 64, -32, -64):
        raise CorruptFile(f"{where} has impossible sizes: BITPIX {bits}, axes {axes}, PCOUNT {extra}, GCOUNT {groups}")
    if value(header, "GROUPS", where) is True and axes[:1] == [0]:
        raise UnknownFormat(f"{where} holds FITS random groups (visibilities); images and tables are read")
    return abs(bits) // 8 * groups * (extra + math.prod(axes)) if axes else 0


def _kind(header: Any, size: int, where: str) -> Literal["empty", "table", "ascii", "image", "packed"]:
    if value(header, "SIMPLE", where) is False:
        raise CorruptFile(f"{where} says that it is not of standard FITS (SIMPLE = F)")
    extension = str(value(header, "XTENSION", where) or "IMAGE").strip().upper()
    if extension == "BINTABLE":
        return "packed" if value(header, "ZIMAGE", where) is True else "table"
    if extension == "TABLE":
        return "ascii"
    if extension not in ("IMAGE", "IUEIMAGE"):
        raise UnknownFormat(f"{where} is an extension of type {extension!r}; IMAGE, TABLE and BINTABLE are read")
    return "image" if size else "empty"


def _as_many_as_announced(hdus: Sequence[Hdu]) -> None:
    """Warn of a file that may be cut between two HDUs, which leaves it whole by its structure.

    No refusal: tools that take extensions out often leave NEXTEND as it was.
    """
    announced = number(hdus[0], "NEXTEND") if hdus else None
    if announced is not None and announced > len(hdus) - 1:
        warnings.warn(
            f"{hdus[0].file}: NEXTEND announces {announced:g} extensions, {len(hdus) - 1} are there; "
            "the file is cut or some were taken out",
            AnalysisWarning,
            stacklevel=4,
        )


def value(header: Any, key: str, where: str) -> Any:
    """Return a keyword's value, None where the header is silent or leaves it undefined."""
    from astropy.io.fits.card import Undefined
    from astropy.io.fits.verify import VerifyError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = header.get(key)
    except (VerifyError, ValueError, TypeError) as error:
        raise CorruptFile(f"{where}: the card of {key} cannot be read: {first_line(error)}") from error
    return None if isinstance(found, Undefined) else found


def whole(header: Any, key: str, where: str, default: int | None = None) -> int:
    """Return an integer keyword; a text such as ``'0'`` counts (NuSTAR's TLMIN).

    Raises
    ------
    CorruptFile
        If it is no whole number, or missing and there is no default.
    """
    found = value(header, key, where)
    if found is None or found == "":
        if default is None:
            raise CorruptFile(f"{where} lacks the mandatory keyword {key}")
        return default
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    try:
        if isinstance(found, bool) or float(found) != int(float(found)):
            raise ValueError
        return int(float(found))
    except (TypeError, ValueError, OverflowError) as error:
        raise CorruptFile(f"{where}: {key} = {found!r} is not a whole number") from error


def number(hdu: Hdu, key: str) -> float | None:
    """Return a numeric keyword of an HDU as a finite float, None where it is silent.

    Raises
    ------
    CorruptFile
        If the keyword is there but no number.
    """
    found = value(hdu.header, key, hdu.where)
    if found is None or isinstance(found, bool) or (isinstance(found, str) and not found.strip()):
        return None
    try:
        result = float(found)
    except (TypeError, ValueError) as error:
        raise CorruptFile(f"{hdu.where}: {key} = {found!r} is not a number") from error
    if not math.isfinite(result):
        raise CorruptFile(f"{hdu.where}: {key} = {found!r} is not finite")
    return result


def text(hdu: Hdu, key: str) -> str:
    """Return a keyword of an HDU as text, empty where it is silent."""
    found = value(hdu.header, key, hdu.where)
    return "" if found is None else str(found).strip()


def datasum_differs(hdu: Hdu) -> bool:
    """Return whether the data differ from the sum that the header keeps of them (``DATASUM``)."""
    stated = text(hdu, "DATASUM")
    if not stated.isdigit() or not hdu.data.size:
        return False
    full = hdu.data.size // 4 * 4
    total = int(hdu.data[:full].view(">u4").sum(dtype=np.uint64))
    if rest := bytes(hdu.data[full:]):
        total += int.from_bytes(rest.ljust(4, b" " if hdu.kind == "ascii" else b"\0"), "big")
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total != int(stated)

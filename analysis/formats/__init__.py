"""Bytes to xarray and back: files are recognised by their content, never by their name; there is no network here.

:func:`read` opens a user's own file, :func:`write` writes CDF, netCDF and, of X-rays and maps, FITS. A format is one
module with ``recognises(head)`` and ``read(path, assume)``; :data:`FORMATS` lists them, each imported when a file is
read.
"""

from __future__ import annotations

import difflib
import importlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import xarray as xr

from analysis.errors import AnalysisError, BadOption, CorruptFile, MissingFile, UnknownFormat
from analysis.formats import _content, _part, _writing
from analysis.formats._part import Chunks
from analysis.model import provenance_of

__all__ = ["FORMATS", "Format", "read", "write"]


@dataclass(frozen=True)
class Format:
    """What a module of this package reads, in words for messages, and whether it can read a part of a file."""

    module: str
    content: str
    parts: bool = False


FORMATS = (
    Format("cdf", "CDF", parts=True),
    Format("netcdf", "netCDF 3 and 4 and HDF5"),
    Format("votable", "VOTable (TABLEDATA, BINARY, BINARY2)"),
    Format("hapi", "answers of HAPI servers with their header"),
    Format("fits", "FITS (spectra and responses, event lists, HEALPix maps, tables, images)"),
    Format("pds", "PDS3 and PDS4 labels with their data beside them"),
    Format("spectrumtext", "power spectra as text (Planck's, CAMB's)"),
)
HASHED = 64 << 20  # bytes; SHA-256 of more takes longer than reading it, so that must be asked for


def read(
    path: str | os.PathLike[str],
    *,
    assume: Mapping[str, str] | None = None,
    variables: Iterable[str] | None = None,
    chunks: Chunks | None = None,
    checksum: bool | None = None,
) -> xr.Dataset | xr.DataTree:
    """Return what a file holds, checked against the data contract.

    Parameters
    ----------
    path : str or path-like
        A file, plain or compressed (gzip, bzip2, xz, or zip with one member); ``~`` is expanded.
    assume : mapping of str to str, optional
        Facts that the file leaves out, such as ``{"frame": "GSE"}`` or ``{"units.density": "cm-3"}``. Each format
        says which it understands when it is given another. They are written down in ``history``.
    variables : iterable of str, optional
        Only these, by the names that the result has, with their axes and quality flags. Of a CDF nothing else is
        read from the disk.
    chunks : int, "auto" or mapping of str to int, optional
        Give variables as Dask arrays, cut so (``{}``: one chunk each). Those of a CDF are read when they are first
        computed, each whole, and refused if the file has changed by then; other formats are read at once.
    checksum : bool, optional
        Whether to take the file's SHA-256, which costs thrice as much as reading its bytes. Left out, it is taken of
        files up to 64 MiB; where it is not taken, ``provenance`` has the time of the last change instead and
        ``history`` says so.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        A DataTree where there are several sets of axes. ``history`` and ``provenance`` name the file, its size and
        its SHA-256; what Sankō wrote itself with :func:`write` comes back as it was.

    Raises
    ------
    MissingFile
        If there is no such file; near names in its folder are listed.
    UnknownFormat
        If the content is of no format that is read here; the message says what it looks like.
    CorruptFile
        If it is empty, cut short or damaged.
    WrongData
        If it holds no records, or records that cannot be put in order.
    BadOption
        If an option is not understood, or ``assume`` contradicts the file.
    UnknownVariable
        If the file has no variable of a name asked for; it lists those that there are.

    Warns
    -----
    AnalysisWarning
        For what had to be guessed.

    Examples
    --------
    >>> from analysis import sample
    >>> sorted(read(sample.path("rbspa_rel04_ect-hope-PA-L3_20121201_v0.0.0.cdf")).children)
    ['ele', 'ion']
    >>> read("no_such_file.cdf")
    Traceback (most recent call last):
    ...
    analysis.errors.MissingFile: there is no file no_such_file.cdf in ...
    """
    if assume is not None and not isinstance(assume, Mapping):
        raise BadOption(f"assume={assume!r} is not a mapping; give for example assume={{'frame': 'GSE'}}")
    if checksum not in (None, True, False):
        raise BadOption(f"checksum={checksum!r} is none of True, False and None (where the file is small)")
    part = _part.Part(_part.names(variables), _part.accepted(chunks))
    file = _found(path)
    hashed = file.stat().st_size <= HASHED if checksum is None else checksum
    with ThreadPoolExecutor(1, "sanko-sha256") as beside:
        digest = beside.submit(_content.sha256, file) if hashed else None
        try:
            packing = _content.packing(_content.first_bytes(file))
            if packing is None:
                result = _read_plain(file, assume or {}, part, lazy=chunks is not None)
            else:
                with tempfile.TemporaryDirectory(prefix="sanko-") as folder:
                    plain = _content.unpacked(file, packing, Path(folder), _format_of)
                    result = _read_plain(plain, assume or {}, part, lazy=False)
        except AnalysisError as error:
            if file.name in str(error):
                raise
            raise type(error)(f"{file.name}: {error}") from error
        return _traced(_part.chunked(result, part.chunks), file, digest.result() if digest else None)


def write(
    data: xr.Dataset | xr.DataTree,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    ordering: str | None = None,
) -> Path:
    """Return the path of a file that now holds the data: CDF by the ISTP guidelines, netCDF, or FITS.

    The file appears under its name when it is whole, or not at all; :func:`read` gives back the same data.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataTree
        Data that keep the data contract, as everything does that Sankō returns. Dask arrays are computed.
    path : str or path-like
        Where to; the suffix names the format: ``.cdf``; ``.nc``; FITS by OGIP's standards as ``.pha`` or ``.pi`` (a
        spectrum), ``.arf`` or ``.mrf``, ``.rmf`` or ``.rsp``, ``.gti``, ``.evt`` (events with their good times), or
        ``.fits`` (any of these, or a HEALPix map or mask), each plain or with ``.gz``.
    overwrite : bool, optional
        Whether a file that is there may be replaced.
    ordering : {"NESTED", "RING"}, optional
        Of a HEALPix map in FITS; NESTED if left out.

    Returns
    -------
    pathlib.Path
        In a CDF, ``time`` is ``Epoch`` in TT2000, fills are FILLVAL, and what ISTP requires but the data do not say is
        "not stated"; an attribute such as ``PI_name`` or ``Discipline`` of the data says it. In a HEALPix map NaN is
        UNSEEN, part of a sky has a column PIXEL, and cells lie in ascending order.

    Raises
    ------
    BadOption
        If the suffix is another, or of another kind of X-ray file than the data are, or the file is there and may
        not be replaced.
    MissingFile, StoreError
        If there is no such folder, or it may not be written to.
    ContractBreach
        If the data do not keep the data contract; every breach is named.
    WrongData
        If the format cannot hold them: complex numbers, objects, for a CDF nothing in time or times outside TT2000,
        for FITS what is no X-ray product nor a map, a spectrum without exposure, a map without its frame.

    Examples
    --------
    >>> import tempfile
    >>> from analysis import sample
    >>> wind = read(sample.path("rbspa_rel04_ect-hope-PA-L3_20121201_v0.0.0.cdf"), variables=["FPDU"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = read(write(wind, f"{folder}/protons.cdf"))
    >>> again.identical(wind)
    True
    """
    return _writing.written(data, path, overwrite=overwrite, ordering=ordering)


def _found(path: str | os.PathLike[str]) -> Path:
    """Return a file that exists and is not empty."""
    try:
        file = Path(path).expanduser()
        is_folder, is_file = file.is_dir(), file.is_file()
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadOption(f"path={path!r} is not a path; give the name of a file") from error
    except OSError as error:
        shown = f"{file}"[:60] + ("…" if len(f"{file}") > 60 else "")
        raise MissingFile(f"{shown} cannot be looked at ({error.strerror or error})") from error
    if is_folder:
        raise BadOption(f"{file} is a folder; give one of the files in it")
    if not is_file:
        raise _absent(file)
    try:
        if file.stat().st_size == 0:
            raise CorruptFile(f"{file.name} is empty (0 bytes); get the file again")
    except OSError as error:
        raise MissingFile(f"{file} cannot be looked at ({error})") from error
    return file


def _absent(file: Path) -> AnalysisError:
    """Return the error about what is not a file: a link to nothing, a device, or nothing with names near it."""
    if file.is_symlink() and not file.exists():
        return MissingFile(f"{file} is a link to {file.readlink()}, which is not there")
    if file.exists():
        return BadOption(f"{file} is a pipe, socket or device, not a file; write what it gives to a file first")
    folder = file.parent
    if not folder.is_dir():
        return MissingFile(f"there is no file {file}, nor its folder")
    try:
        names = sorted(other.name for other in folder.iterdir())
    except OSError as error:
        return MissingFile(f"there is no file {file.name} to be seen in {folder.absolute()} ({error.strerror})")
    near = difflib.get_close_matches(file.name, names, n=5, cutoff=0.6)
    hint = f"; near: {', '.join(near)}" if near else ""
    return MissingFile(f"there is no file {file.name} in {folder.absolute()}{hint}")


def _read_plain(file: Path, assume: Mapping[str, str], part: _part.Part, *, lazy: bool) -> xr.Dataset | xr.DataTree:
    known = _format_of(_content.first_bytes(file), file.name)
    module = importlib.import_module(f"{__name__}.{known.module}")
    if known.parts:
        return module.read(file, assume, variables=part.variables, lazy=lazy)
    return _part.cut(module.read(file, assume), part.variables, file.name)


def _format_of(head: bytes, name: str) -> Format:
    """Return the first format that recognises a file's beginning."""
    if not head:
        raise CorruptFile(f"{name} is empty once it is unpacked; get the file again")
    for known in FORMATS:
        module = importlib.import_module(f"{__name__}.{known.module}")
        if module.recognises(head):
            return known
    listed = "; ".join(known.content for known in FORMATS)
    raise UnknownFormat(f"{name} is {_content.looks_like(head)}; formats that are read: {listed}")


def _traced(data: xr.Dataset | xr.DataTree, file: Path, digest: str | None) -> xr.Dataset | xr.DataTree:
    """Return the data with the file in the history and provenance of each node that has none of its own."""
    own = data.subtree if isinstance(data, xr.DataTree) else [data]
    fresh = [node for node in own if "provenance" in node.attrs and _untraced(node)]
    if not fresh:
        return data
    stat = file.stat()
    changed = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
    known: dict[str, object] = {"sha256": digest} if digest else {"changed": changed}
    found = {"name": file.name, **known, "size": stat.st_size}
    said = f"sha256 {digest}" if digest else f"{stat.st_size} bytes, last changed {changed}; no checksum taken"
    for node in fresh:
        node.attrs["history"] = f"read from {file.name} ({said})\n{node.attrs['history']}"
        node.attrs["provenance"] = json.dumps({"files": [found]}, ensure_ascii=False)
    return data


def _untraced(node: xr.Dataset | xr.DataTree) -> bool:
    known = provenance_of(node)  # type: ignore[arg-type]
    files = known.get("files", [])
    return set(known) <= {"files"} and not any({"sha256", "changed"} & set(held) for held in files)

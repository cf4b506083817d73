"""XSPEC's table models as FITS files: parameters, energies, and a spectrum for each point of a grid (OGIP/92-009)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.errors import AnalysisError, CorruptFile, MissingFile, WrongData
from analysis.xray.models import Array


@dataclass(frozen=True)
class Axis:
    """A parameter that the table is interpolated in, or (without values) a spectrum that is added times it."""

    name: str
    logarithmic: bool
    start: float
    frozen: bool
    low: float
    high: float
    search: tuple[float, float]
    units: str
    values: Array


@dataclass(frozen=True, eq=False)
class Table:
    """A table model: ``rows`` says in which row of ``spectra`` a point of the grid is."""

    name: str
    additive: bool
    redshift: bool
    axes: tuple[Axis, ...]
    added: tuple[Axis, ...]
    energy_low: Array
    energy_high: Array
    rows: np.ndarray
    spectra: tuple[np.ndarray, ...]
    beyond: tuple[float | None, float | None]
    sha256: str


def table_in(path: Path) -> Table:
    """Return a table model; its spectra stay on disk until they are needed.

    Raises
    ------
    MissingFile, CorruptFile
        If there is no such file, or it is no FITS.
    WrongData
        If it is no table model, of a kind that is not read, or contradicts itself.
    """
    from astropy.io import fits

    if not path.is_file():
        raise MissingFile(f"there is no file {path}")
    try:
        with path.open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
        with fits.open(path, memmap=True) as hdus:
            header = hdus[0].header
            named = {hdu.name.upper(): hdu for hdu in hdus[1:]}
            if missing := [name for name in ("PARAMETERS", "ENERGIES", "SPECTRA") if name not in named]:
                raise WrongData(f"{path.name} is no table model of XSPEC: it has no extension {', '.join(missing)}")
            _refuse_unread(path, header, named["PARAMETERS"].header)
            parts = {name: (hdu.header, hdu.data) for name, hdu in named.items()}
    except AnalysisError:
        raise
    except (OSError, ValueError, TypeError) as error:
        raise CorruptFile(f"{path.name} cannot be read as FITS: {error}") from error
    axes, added = _axes(path, *parts["PARAMETERS"])
    energies = [_column(path, parts["ENERGIES"][1], name).astype(float) for name in ("ENERG_LO", "ENERG_HI")]
    low, high = energies
    if low.size == 0 or not ((high > low).all() and np.allclose(low[1:], high[:-1], rtol=1e-5)):
        raise WrongData(f"{path.name}: the bins of ENERGIES do not follow each other upwards")
    low = np.concatenate([low[:1], high[:-1]])  # one number for the end of a bin and the start of the next
    spectra = parts["SPECTRA"][1]
    columns = ["INTPSPEC", *(f"ADDSP{i + 1:03d}" for i in range(len(added)))]
    values = tuple(_column(path, spectra, name) for name in columns)
    for name, column in zip(columns, values, strict=True):
        if column.reshape(len(spectra), -1).shape[1] != low.size:
            raise WrongData(f"{path.name}: {name} has {column.shape[1:]} values a row for {low.size} energies")
    return Table(
        str(header.get("MODLNAME", path.stem)).strip() or path.stem,
        bool(header.get("ADDMODEL", False)),
        bool(header.get("REDSHIFT", False)),
        axes,
        added,
        low,
        high,
        _rows(path, axes, _column(path, spectra, "PARAMVAL")),
        tuple(column.reshape(len(spectra), -1) for column in values),
        (_limit(header, "LOELIMIT"), _limit(header, "HIELIMIT")),
        digest,
    )


def _limit(header: Any, key: str) -> float | None:
    return float(header[key]) if key in header else None


def _refuse_unread(path: Path, header: Any, parameters: Any) -> None:
    """Refuse what later revisions of the format brought and what is not understood here."""
    if header.get("ESCALE") is True:
        raise WrongData(f"{path.name} scales its energies (ESCALE), which is not read; XSPEC 12.12 and later do")
    if int(header.get("NXFLTEXP", 1)) > 1:
        raise WrongData(f"{path.name} has {header['NXFLTEXP']} spectra a point for different detectors (NXFLTEXP); "
                        "one is read")  # fmt: skip
    if "ADDMODEL" not in header:
        raise WrongData(f"{path.name} does not say whether it makes photons (ADDMODEL); it is no table model of XSPEC")
    if "NINTPARM" not in parameters:
        raise WrongData(f"{path.name}: PARAMETERS does not say how many it has (NINTPARM)")


def _axes(path: Path, header: Any, data: Any) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    interpolated = int(header["NINTPARM"])
    names = [str(name).strip() for name in _column(path, data, "NAME")]
    if not 1 <= interpolated <= len(names):
        raise WrongData(f"{path.name}: NINTPARM={interpolated}, but PARAMETERS has {len(names)} rows")
    columns = {
        key: _column(path, data, key)
        for key in ("METHOD", "INITIAL", "DELTA", "MINIMUM", "BOTTOM", "TOP", "MAXIMUM", "NUMBVALS", "VALUE")
    }
    units = data["UNITS"] if "UNITS" in data.columns.names else [""] * len(names)
    made = []
    for i, name in enumerate(names):
        low, bottom, top, high, start = (
            float(columns[key][i]) for key in ("MINIMUM", "BOTTOM", "TOP", "MAXIMUM", "INITIAL")
        )
        count = int(columns["NUMBVALS"][i]) if i < interpolated else 0
        values = np.atleast_1d(columns["VALUE"][i])[:count].astype(float)
        method = int(columns["METHOD"][i])
        if i < interpolated:
            if values.size < 1 or not (np.diff(values) > 0).all() or method not in (0, 1):
                raise WrongData(f"{path.name}: parameter {name} has METHOD={method} and values {values}, which must "
                                "increase")  # fmt: skip
            if method == 1 and values[0] <= 0:
                raise WrongData(f"{path.name}: parameter {name} is to be interpolated in its logarithm; {values[0]:g} "
                                "has none")  # fmt: skip
            low, high = max(low, values[0]), min(high, values[-1])
        if not low <= high:
            raise WrongData(f"{path.name}: parameter {name} has the range {low:g} to {high:g}")
        start = min(max(start, low), high)
        search = (min(max(bottom, low), high), min(max(top, low), high))
        frozen = float(columns["DELTA"][i]) < 0 or low == high
        axis = Axis(name, method == 1, start, frozen, low, high, search, str(units[i]).strip(), values)
        made.append(axis)
    return tuple(made[:interpolated]), tuple(made[interpolated:])


def _rows(path: Path, axes: tuple[Axis, ...], points: np.ndarray) -> np.ndarray:
    """Which row of the spectra a point of the grid is in, on the axes of the grid."""
    shape = tuple(axis.values.size for axis in axes)
    points = points.reshape(len(points), -1).astype(float)
    if points.shape != (int(np.prod(shape)), len(axes)):
        raise WrongData(f"{path.name} has {len(points)} spectra for a grid of {' × '.join(map(str, shape))}")
    at = []
    for i, axis in enumerate(axes):
        nearest = np.abs(points[:, i, None] - axis.values).argmin(axis=1)
        span = max(abs(axis.values[0]), abs(axis.values[-1]))
        if (np.abs(points[:, i] - axis.values[nearest]) > 1e-5 * span).any():
            raise WrongData(f"{path.name}: SPECTRA has values of {axis.name} that PARAMETERS does not list")
        at.append(nearest)
    rows = np.full(shape, -1)
    rows[tuple(at)] = np.arange(len(points))
    if (rows < 0).any():
        raise WrongData(f"{path.name} lacks points of its grid, and has others twice")
    return rows


def _column(path: Path, table: Any, name: str) -> np.ndarray:
    known = {} if table is None else {column.upper(): column for column in table.columns.names}
    if name not in known:
        raise WrongData(f"{path.name} is no table model of XSPEC: no column {name}; it has {', '.join(known)}")
    return np.asarray(table[known[name]])

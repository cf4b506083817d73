"""Tables of angular power spectra as HEALPix tools write them: a column each, a row a multipole.

Multipoles count from 0 where no column numbers them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats import healpix
from analysis.formats._fitscolumns import Column
from analysis.formats._fitsio import Hdu, number, text
from analysis.model import unit_text

ELL = ("ell", "l", "multipole")
FACTS = ("units", "temperature_scale")
SPECTRA = {
    "TT": {"temperature", "tt", "t_t"},
    "EE": {"gradient", "electric", "ee", "e_mode", "g_g", "e_e"},
    "BB": {"curl", "magnetic", "bb", "b_mode", "c_c", "b_b"},
    "TE": {"g_t", "tg", "t_g", "te", "t_e", "e_t", "gt"},
    "TB": {"c_t", "tc", "t_c", "tb", "t_b", "b_t", "ct"},
    "EB": {"c_g", "gc", "g_c", "eb", "e_b", "b_e", "cg"},
}


def holds(hdus: Sequence[Hdu]) -> bool:
    """Return whether the file holds a table of angular power spectra."""
    return bool(_spectra(hdus))


def _spectra(hdus: Sequence[Hdu]) -> list[Hdu]:
    found = []
    for hdu in hdus:
        if hdu.kind not in ("table", "ascii") or text(hdu, "PIXTYPE") or re.search("WINDOW|BEAM", hdu.name):
            continue
        columns = table.columns(hdu)
        known = any(name in names for name in columns for names in SPECTRA.values())
        said = "POWER SPECTRUM" in hdu.name or text(hdu, "MAX-LPOL") or text(hdu, "CREATOR").lower() == "healpy"
        pairs = {"temperature", "gradient", "curl"} <= set(columns)
        if known and (said or pairs) and all(not c.shape and c.code not in "PQAX" for c in columns.values()):
            found.append(hdu)
    return found


def dataset(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.Dataset:
    """Return angular power spectra.

    Parameters
    ----------
    hdus : sequence of Hdu
        Of a file for which :func:`holds` is true.
    assume : mapping
        ``units`` (of the spectrum: ``uK2``) and ``temperature_scale``, where the header leaves them out.

    Returns
    -------
    xarray.Dataset
        ``cl`` (spectrum, ell): C_ℓ from ℓ = 0, or at the ℓ of a column ELL, L or MULTIPOLE. The
        HEALPix columns C-T and C-G are TB and EB.

    Raises
    ------
    CorruptFile
        If the multipoles are not those that MAX-LPOL announces, or are no increasing whole numbers.
    BadOption
        If a fact contradicts the header.

    Examples
    --------
    >>> from analysis import sample
    >>> from analysis.formats._fitsio import opened
    >>> planck = dataset(opened(sample.path("planck2018_lcdm_cl.fits")), {})
    >>> planck.spectrum.values.tolist(), planck.cl.attrs["units"]
    (['TT', 'EE', 'BB', 'TE'], 'uK2')
    """
    found = _spectra(hdus)
    if len(found) > 1:
        named = ", ".join(h.where for h in found)
        raise UnknownFormat(f"{found[0].file} holds {len(found)} sets of spectra ({named}); files with one are read")
    hdu, primary = found[0], hdus[0]
    known = meta.facts(assume, FACTS, "a table of power spectra", hdu.where)
    labelled = {label: column for column, label in _labels(hdu)}
    numbered, ell = _multipoles(hdu)
    values = np.stack([np.asarray(table.read(hdu, column), float) for column in labelled.values()])
    values, fills = meta.without_fills(values)
    squares = {_square(text(hdu, f"TUNIT{column.number}")) for column in labelled.values()} - {""}
    if len(squares) > 1:
        raise UnknownFormat(f"{hdu.where}: its spectra have different units: {', '.join(sorted(squares))}")
    meta.given_units(known)
    units = known.fact("units", squares.pop() if squares else None, "1", hdu.where)
    attrs = {"units": units, "long_name": "C_ℓ", **fills}
    coords = {
        "spectrum": xr.Variable("spectrum", np.array(list(labelled)), {"long_name": "Power spectrum"}),
        "ell": xr.Variable("ell", ell, {"units": "1", "long_name": "Multipole ℓ"}),
    }
    data = xr.Dataset({"cl": xr.Variable(("spectrum", "ell"), values, attrs)}, coords)
    said = [scale for c in labelled.values() if (scale := healpix.scale_of(text(hdu, f"TUNIT{c.number}")))]
    if said or "temperature_scale" in known.given:
        data.attrs["temperature_scale"] = healpix.scale(hdu, list(labelled.values()), "K", known)
    known.warn(hdu.where)
    _warn_of_negative(labelled, values, hdu.where)
    rest = [name for name, column in table.columns(hdu).items() if column not in (*labelled.values(), numbered)]
    notes = [*known.notes, *([f"left out: columns {', '.join(rest)}"] if rest else [])]
    return meta.finished(data, [hdu, primary], "Angular power spectra", notes)


def _warn_of_negative(labels: Iterable[str], values: NDArray, where: str) -> None:
    """Warn of an auto spectrum that is below zero at many multipoles, as a cross spectrum under its name would be."""
    for label, row in zip(labels, values, strict=True):
        negative, known = int((row < 0).sum()), int((np.isfinite(row) & (row != 0)).sum())
        if label[0] == label[1] and negative > known / 5:
            warnings.warn(
                f"{where}: {label} is below zero at {negative} of {known} multipoles, which the power of a sky is not: "
                "noise was subtracted, or the column holds another spectrum (as TE does, in place of EE)",
                AnalysisWarning,
                stacklevel=4,
            )


def _multipoles(hdu: Hdu) -> tuple[Column | None, NDArray[np.int64]]:
    """Return the column that numbers the rows, if there is one, and the multipole of each row."""
    columns, lmax = table.columns(hdu), number(hdu, "MAX-LPOL")
    numbered = next((columns[name] for name in ELL if name in columns), None)
    if numbered is None:
        rows = table.rows(hdu)
        if lmax is not None and rows != int(lmax) + 1:
            announced = f"MAX-LPOL = {lmax:g} announces {int(lmax) + 1} (from ℓ = 0)"
            raise CorruptFile(f"{hdu.where} has {rows} rows; {announced}")
        return None, np.arange(rows)
    name = f"{hdu.where}: {numbered.name.upper()}"
    ell = table.whole_numbers(np.asarray(table.read(hdu, numbered)), name).astype(np.int64)
    if ell.size == 0 or ell[0] < 0 or (np.diff(ell) <= 0).any():
        raise CorruptFile(f"{name} is empty, negative or does not increase from row to row")
    if lmax is not None and ell[-1] != int(lmax):
        raise CorruptFile(f"{name} ends at {ell[-1]}, MAX-LPOL = {lmax:g}")
    return numbered, ell


def _labels(hdu: Hdu) -> list[tuple[Column, str]]:
    """Each column with its label; of T × E and E × T the second has its letters the other way round."""
    found: list[tuple[Column, str]] = []
    for name, column in table.columns(hdu).items():
        for label, names in SPECTRA.items():
            if re.sub(r"_\d$", "", name) in names:
                taken = {other for _, other in found}
                found.append((column, label[::-1] if label in taken else label))
    if len({label for _, label in found}) != len(found):
        raise UnknownFormat(f"{hdu.where}: its columns repeat a spectrum: {', '.join(table.columns(hdu))}")
    return found


def _square(spelling: str) -> str:
    """The unit of a spectrum: ``uK^2``, ``(uK_CMB)^2``; empty where the map's unit is not stated (``^2``)."""
    match = re.fullmatch(r"\(?\s*([A-Za-z_]*)\s*\)?\s*(?:\^|\*\*)?\s*2", spelling.strip())
    if match is None:
        units, unknown = meta.units_of(spelling, "")
        return "" if units == "1" or unknown else units
    return f"{unit_text(match[1])}2" if match[1] and match[1].lower() not in meta.SILENT else ""

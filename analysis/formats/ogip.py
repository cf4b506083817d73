"""X-ray spectra and their responses: OGIP PHA (type I), ARF, RMF and RSP.

References: OGIP/92-007 (Arnaud, George & Tennant) for spectra; CAL/GEN/92-002 and 92-002a (George et al.) for
responses.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, BadOption, CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats import _ogipunits as columns_in
from analysis.formats._fitscolumns import Ragged
from analysis.formats._fitsio import Hdu, number, text, value, whole
from analysis.model import labelled

FACTS = {"spectrum": ("exposure",), "response": ("first_channel",), "arf": ()}
MATRICES = ("MATRIX", "SPECRESP MATRIX", "RSP_MATRIX")


def holds(hdus: Sequence[Hdu]) -> str:
    """Return what of OGIP's the file holds: "response", "spectrum", "arf" or nothing (an empty text)."""
    for what, found in (("response", _matrices(hdus)), ("spectrum", _spectra(hdus)), ("arf", _arfs(hdus))):
        if found:
            return what
    return ""


def dataset(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.Dataset:
    """Return the spectrum, effective area or response of an OGIP file.

    Parameters
    ----------
    hdus : sequence of Hdu
        Of a file for which :func:`holds` is true.
    assume : mapping
        ``exposure`` in seconds, for a spectrum whose header lacks it; ``first_channel``, for a response whose
        header does not say (TLMIN of F_CHAN) from which number F_CHAN counts.

    Returns
    -------
    xarray.Dataset
        Spectrum: dim ``channel`` (numbers as stored), ``counts`` (ct) or ``rate`` (ct s-1), ``quality``,
        ``grouping``, ``exposure`` (s), ``backscal``, ``areascal`` and what else the table has.
        Effective area: dim ``energy`` with ``energy_low``, ``energy_high`` (keV), ``effective_area`` (cm2).
        Response: these energies, dim ``channel`` with ``e_min``, ``e_max`` (keV), dim ``group`` with
        ``first_channel``, ``n_channels``, ``energy_index``, dim ``element`` with ``matrix`` (1, or cm2 where
        the effective area is included; ``response_type`` says REDIST, DETECTOR or FULL).

    Raises
    ------
    CorruptFile
        If a mandatory column or keyword is missing, or the response's pointers do not fit together.
    UnknownFormat
        For type II spectra and responses made of several matrices.
    WrongData
        If a column's unit is of another kind than the standard's.
    BadOption
        If ``exposure`` or ``first_channel`` is no number or contradicts the header.

    Examples
    --------
    >>> from analysis import sample
    >>> from analysis.formats._fitsio import opened
    >>> pn = dataset(opened(sample.path("ngc7793_ulx4_pn.pha")), {})
    >>> int((pn.quality == 1).sum()), pn.counts.attrs["units"]
    (1116, 'ct')
    """
    what = holds(hdus)
    known = meta.facts(assume, FACTS[what], f"an OGIP {what}", hdus[0].file)
    if what == "response":
        return _response(hdus, known)
    return _spectrum(hdus, known) if what == "spectrum" else _effective_area(hdus, known)


def _matrices(hdus: Sequence[Hdu]) -> list[Hdu]:
    named = [h for h in hdus if h.kind == "table" and (h.name in MATRICES or text(h, "HDUCLAS2") == "RSP_MATRIX")]
    return [h for h in named if {"n_grp", "f_chan", "n_chan", "matrix"} <= set(table.columns(h))]


def _spectra(hdus: Sequence[Hdu]) -> list[Hdu]:
    named = [h for h in hdus if h.kind == "table" and (text(h, "HDUCLAS1") == "SPECTRUM" or h.name == "SPECTRUM")]
    return [h for h in named if {"counts", "rate", "channel"} & set(table.columns(h))]


def _arfs(hdus: Sequence[Hdu]) -> list[Hdu]:
    return [h for h in hdus if h.kind == "table" and {"energ_lo", "energ_hi", "specresp"} <= set(table.columns(h))]


def _left_out(hdus: Sequence[Hdu], used: Sequence[Hdu]) -> list[str]:
    rest = [h.name for h in hdus if h not in used and h.kind != "empty"]
    return [f"left out: {', '.join(rest)}"] if rest else []


def _only(found: Sequence[Hdu], what: str) -> Hdu:
    if len(found) > 1:
        raise UnknownFormat(
            f"{found[0].file} holds {len(found)} {what} ({', '.join(h.where for h in found)}); files with one are read"
        )
    return found[0]


# ------------------------------------------------------------------------------------------------- spectra


def _spectrum(hdus: Sequence[Hdu], known: meta.Facts) -> xr.Dataset:
    hdu = _only(_spectra(hdus), "spectra")
    columns = table.columns(hdu)
    measured = next((name for name in ("counts", "rate") if name in columns), None)
    if measured is None or "channel" not in columns:
        raise CorruptFile(f"{hdu.where} lacks CHANNEL, or both COUNTS and RATE; it has {', '.join(columns)}")
    if text(hdu, "HDUCLAS4").upper() == "TYPE:II" or columns[measured].shape or columns[measured].code in "PQ":
        raise UnknownFormat(
            f"{hdu.where} is a PHA file of type II: {table.rows(hdu)} spectra, one a row; "
            "type I (one channel a row) is read, so extract one spectrum of it first"
        )
    channel = table.whole_vector(hdu, "channel")
    if channel.size == 0 or (np.diff(channel) <= 0).any():
        raise CorruptFile(f"{hdu.where}: CHANNEL is empty or does not increase from row to row")
    data = xr.Dataset(coords={"channel": _channels(channel)})
    data[measured] = _measured(hdu, measured)
    data = data.assign(_flags(hdu)).assign(_errors(hdu)).assign(_scales(hdu, known))
    data = data.assign(_further(hdu, {*map(str, data.variables), "stat_err", "sys_err"}))
    files = {"background_file": "BACKFILE", "response_file": "RESPFILE", "ancillary_file": "ANCRFILE"}
    kept = {"channel_type": text(hdu, "CHANTYPE") or "not stated"}
    if stokes := text(hdu, "XFLT0001"):
        kept["stokes"] = {"Stokes:0": "I", "Stokes:1": "Q", "Stokes:2": "U"}.get(stokes, stokes)
    poisson = value(hdu.header, "POISSERR", hdu.where)
    data.attrs = {
        **{ours: meta.basename(text(hdu, theirs)) for ours, theirs in files.items()},
        **kept,
        "hduclas2": text(hdu, "HDUCLAS2") or "not stated",  # TOTAL, NET or BKG: with or without background
        "hduclas3": text(hdu, "HDUCLAS3") or "not stated",
        "poisson_errors": str(poisson is True if isinstance(poisson, bool) else "not stated").lower(),
    }
    return meta.finished(data, [hdu, hdus[0]], "X-ray spectrum", [*known.notes, *_left_out(hdus, [hdu])])


def _channels(channel: NDArray[np.int64]) -> xr.Variable:
    return xr.Variable("channel", channel.astype(np.int32), {"units": "1", "long_name": "Channel"})


def _measured(hdu: Hdu, name: str) -> xr.Variable:
    units, long_name = {"counts": ("ct", "Counts"), "rate": ("ct s-1", "Count rate")}[name]
    return xr.Variable("channel", columns_in.values(hdu, name, units), {"units": units, "long_name": long_name})


def _flags(hdu: Hdu) -> dict[str, xr.Variable]:
    """QUALITY and GROUPING: a column, a keyword for all channels, or OGIP's default (good, not grouped)."""
    found = {}
    names = {
        "quality": ("Quality flag (0 good)", 0),
        "grouping": ("Grouping (1 starts a bin, -1 goes on)", 1),
    }
    for name, (long_name, default) in names.items():
        if name in table.columns(hdu):
            values, stated = table.whole_vector(hdu, name), "column"
        else:
            told = whole(hdu.header, name.upper(), hdu.where, default)
            stated = "keyword" if number(hdu, name.upper()) is not None else "default"
            values = np.full(table.rows(hdu), told or default)
        attrs = {"units": "1", "long_name": long_name, "stated_by": stated}
        found[name] = xr.Variable("channel", values.astype(np.int16), attrs)
    return found


def _errors(hdu: Hdu) -> dict[str, xr.Variable]:
    """STAT_ERR and SYS_ERR where the file has them; a keyword of 0 means that it has none."""
    units = "ct s-1" if "rate" in table.columns(hdu) and "counts" not in table.columns(hdu) else "ct"
    names = {
        "stat_err": ("stat_error", units, "Statistical error"),
        "sys_err": ("systematic", "1", "Systematic error as a fraction"),
    }
    found = {}
    for theirs, (ours, unit, long_name) in names.items():
        attrs = {"units": unit, "long_name": long_name}
        if theirs in table.columns(hdu):
            found[ours] = xr.Variable("channel", columns_in.values(hdu, theirs, unit), attrs)
        elif told := number(hdu, theirs.upper()):
            found[ours] = xr.Variable("channel", np.full(table.rows(hdu), told), attrs)
    return found


def _scales(hdu: Hdu, known: meta.Facts) -> dict[str, xr.DataArray | xr.Variable]:
    """Exposure, BACKSCAL and AREASCAL; the scales may be columns."""
    exposure = known.amount("exposure", number(hdu, "EXPOSURE"), hdu.where)
    if exposure is None:
        asked = "state it with assume={'exposure': '1000'} (seconds)"
        raise CorruptFile(f"{hdu.where} lacks the keyword EXPOSURE; {asked}")
    found: dict[str, xr.DataArray | xr.Variable] = {"exposure": meta.scalar(exposure, "exposure", "s", "Exposure")}
    names = {"backscal": "Background scale (extraction area)", "areascal": "Area scale"}
    for name, long_name in names.items():
        if name in table.columns(hdu):
            attrs = {"units": "1", "long_name": long_name}
            found[name] = xr.Variable("channel", table.vector(hdu, name), attrs)
        else:
            stated = number(hdu, name.upper())
            found[name] = meta.scalar(1.0 if stated is None else stated, name, "1", long_name)
    return found


def _further(hdu: Hdu, taken: set[str]) -> dict[str, xr.Variable]:
    found = {}
    for name, column in table.columns(hdu).items():
        if name not in taken:
            values = table.read(hdu, column)
            if not isinstance(values, Ragged) and values.ndim == 1:
                found[name] = meta.variable(hdu, column, values, "channel")
    return found


# ------------------------------------------------------------------------------------------ responses


def _energies(hdu: Hdu) -> dict[str, xr.Variable]:
    found = {}
    for ours, theirs, end in (("energy_low", "energ_lo", "Lower"), ("energy_high", "energ_hi", "Upper")):
        values = columns_in.values(hdu, theirs, "keV")
        found[ours] = xr.Variable("energy", values, {"units": "keV", "long_name": f"{end} edge of the energy bin"})
    low, high = found["energy_low"].values, found["energy_high"].values
    if not (low <= high).all():  # a NaN fails too
        raise CorruptFile(f"{hdu.where}: an energy bin has its edges the wrong way round or undefined")
    return found


def _effective_area(hdus: Sequence[Hdu], known: meta.Facts) -> xr.Dataset:
    hdu = _only(_arfs(hdus), "effective areas")
    values = columns_in.values(hdu, "specresp", "cm2")
    attrs = {"units": "cm2", "long_name": "Effective area"}
    kind = text(hdu, "CCNM0001") or "SPECRESP"
    if kind == "MODSPECRESP":
        attrs["long_name"] = "Modulation response (effective area × modulation factor)"
    data = xr.Dataset({**_energies(hdu), "effective_area": xr.Variable("energy", values, attrs)})
    data.attrs["response_type"] = kind
    notes = [*known.notes, *_left_out(hdus, [hdu]), *_at_zero(data)]
    return meta.finished(data, [hdu, hdus[0]], "Effective area", notes)


def _at_zero(data: xr.Dataset) -> list[str]:
    if (data["energy_low"].values <= 0).any():
        return ["the first energy bin starts at 0 keV and was left so; a model that diverges there needs more"]
    return []


def _response(hdus: Sequence[Hdu], known: meta.Facts) -> xr.Dataset:
    hdu = _only(_matrices(hdus), "matrices, whose sum is the response")
    bounds = [h for h in hdus if h.kind == "table" and {"channel", "e_min", "e_max"} <= set(table.columns(h))]
    if not bounds:
        raise CorruptFile(f"{hdu.file} has a response matrix but no extension EBOUNDS with its channels")
    ebounds = bounds[0]
    channel = table.whole_vector(ebounds, "channel")
    if channel.size == 0 or (np.diff(channel) != 1).any():
        raise CorruptFile(f"{ebounds.where}: CHANNEL is empty or does not count up by one")
    stored = _groups(hdu)
    lowest, notes = _lowest(hdu, stored[0], stored[1], channel, known)
    groups = _pruned(*stored)
    first = _as_stored(hdu, groups[0] - lowest + int(channel[0]), groups[1], channel)
    data = xr.Dataset(_energies(hdu), coords={"channel": _channels(channel)})
    for name, end in (("e_min", "Lower"), ("e_max", "Upper")):
        values = columns_in.values(ebounds, name, "keV")
        data[name] = xr.Variable(
            "channel", values, {"units": "keV", "long_name": f"{end} nominal energy of the channel"}
        )
    kind, by, remarks = columns_in.matrix_kind(hdu)
    data["first_channel"] = _of_groups(first, "First channel of the group")
    data["n_channels"] = _of_groups(groups[1], "Channels in the group")
    data["energy_index"] = _of_groups(groups[2], "Energy bin of the group")
    attrs = {"units": "cm2", "long_name": "Response × effective area"}
    if kind != "FULL":
        attrs = {"units": "1", "long_name": "Redistribution probability"}
    data["matrix"] = xr.Variable("element", columns_in.scaled(groups[3], by), attrs)
    data.attrs["response_type"] = kind
    threshold = number(hdu, "LO_THRES")
    data.attrs["lo_thres"] = 0.0 if threshold is None else threshold
    data.attrs["channel_type"] = text(hdu, "CHANTYPE") or "not stated"
    notes += [*remarks, *known.notes, *_left_out(hdus, [hdu, ebounds]), *_at_zero(data)]
    return meta.finished(data, [hdu, ebounds, hdus[0]], "Response matrix", notes)


def _of_groups(values: NDArray, long_name: str) -> xr.DataArray:
    return labelled(xr.DataArray(values.astype(np.int32), dims="group"), "g", units="1", long_name=long_name)


def _laid_out(found: NDArray | Ragged, wanted: NDArray[np.int64], what: str) -> NDArray:
    """Return the first ``wanted`` values of each row end to end, whatever way the rows are stored."""
    if isinstance(found, Ragged):
        values, counts = found.values, found.counts
    else:
        width = found.shape[1] if found.ndim == 2 else 1
        values, counts = found.reshape(-1), np.full(len(found), width)
    if (wanted < 0).any() or (wanted > counts).any():
        row = int(np.flatnonzero((wanted < 0) | (wanted > counts))[0])
        raise CorruptFile(f"{what} has {counts[row]} values in row {row + 1} where {wanted[row]} are announced")
    if (wanted == counts).all():
        return values
    starts = np.cumsum(counts) - counts
    place = np.cumsum(wanted) - wanted
    return values[np.arange(int(wanted.sum())) + np.repeat(starts - place, wanted)]


def _groups(hdu: Hdu) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return first channel, number of channels and energy index of each group, and all elements in a row."""
    n_groups = table.whole_vector(hdu, "n_grp")
    laid = {}
    for name in ("f_chan", "n_chan"):
        values = _laid_out(table.needed(hdu, name), n_groups, f"{hdu.where}: {name.upper()}")
        laid[name] = table.whole_numbers(values, f"{hdu.where}: {name.upper()}")
    if (laid["n_chan"] < 0).any():
        raise CorruptFile(f"{hdu.where}: N_CHAN has a negative number of channels")
    energy = np.repeat(np.arange(n_groups.size), n_groups)
    per_row = np.bincount(energy, laid["n_chan"], n_groups.size).astype(np.int64)
    elements = _laid_out(table.needed(hdu, "matrix"), per_row, f"{hdu.where}: MATRIX")
    if elements.dtype.kind != "f":
        elements = elements.astype(np.float64)
    if not np.isfinite(elements.sum(dtype=np.float64)):
        raise CorruptFile(f"{hdu.where}: MATRIX has values that are no finite numbers")
    return laid["f_chan"], laid["n_chan"], energy, elements


def _pruned(
    first: NDArray, n_channels: NDArray, energy: NDArray, elements: NDArray
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Drop zeros at both ends of each group, and groups of nothing but zeros; each energy keeps its sum."""
    stop = np.cumsum(n_channels)
    start = stop - n_channels
    filled = np.flatnonzero(elements)
    low, high = np.searchsorted(filled, start), np.searchsorted(filled, stop)
    kept = high > low
    left, right = filled[low[kept]], filled[high[kept] - 1] + 1
    size = right - left
    place = np.cumsum(size) - size
    chosen = elements[np.arange(int(size.sum())) + np.repeat(left - place, size)]
    return first[kept] + (left - start[kept]), size, energy[kept], chosen


def _lowest(hdu: Hdu, first: NDArray, size: NDArray, channel: NDArray, known: meta.Facts) -> tuple[int, list[str]]:
    """Return the number that F_CHAN gives the first channel: TLMIN, what the caller says, or a choice.

    The standard's default is 1. It is taken where EBOUNDS starts at 0 or 1 and has room for the groups then, else
    0; where EBOUNDS starts elsewhere, F_CHAN is taken to count as it does. No warning where default and EBOUNDS agree.
    """
    n, start = table.columns(hdu)["f_chan"].number, int(channel[0])
    stated = number(hdu, f"TLMIN{n}")
    told = known.amount("first_channel", stated, hdu.where)
    notes = []
    if stated is not None:
        lowest = whole(hdu.header, f"TLMIN{n}", hdu.where, start)
    elif told is not None:
        if told != int(told):
            raise BadOption(f"assume={{'first_channel': {told:g}}} is no whole number")
        lowest = int(told)
    else:
        held = size > 0
        low, high = (first[held].min(), (first + size)[held].max() - 1) if held.any() else (1, 1)
        likely = (1, 0) if start in (0, 1) else (start,)
        lowest = next((c for c in likely if c <= low and high < c + channel.size), start)
        notes = [f"TLMIN of F_CHAN is not stated; its first channel is taken as {lowest}"]
        if (lowest, start) != (1, 1):
            why = "the standard's default, which fits" if lowest == 1 else "the standard's default of 1 does not fit"
            warnings.warn(
                f"{hdu.where} does not state TLMIN{n}, the number from which F_CHAN counts: {lowest} taken "
                f"({why}; its groups cover {low} to {high}, EBOUNDS has {start} to {channel[-1]}); "
                f"say it with assume={{'first_channel': '{lowest}'}}",
                AnalysisWarning,
                stacklevel=4,
            )
    if lowest != start:
        notes.append(f"F_CHAN counts from {lowest}, EBOUNDS from {start}: first_channel counts as EBOUNDS does")
    return lowest, notes


def _as_stored(hdu: Hdu, first: NDArray, size: NDArray, channel: NDArray) -> NDArray:
    """Return the groups' first channels if the groups lie on the channels of EBOUNDS."""
    if first.size and (first.min() < channel[0] or (first + size - 1).max() > channel[-1]):
        raise CorruptFile(
            f"{hdu.where}: its groups reach channels {first.min()} to {(first + size - 1).max()}, "
            f"EBOUNDS has {channel[0]} to {channel[-1]}"
        )
    return first

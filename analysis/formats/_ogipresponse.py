"""Responses as OGIP files hold them: energy bins, effective areas, and matrices in groups of channels.

References: CAL/GEN/92-002 and 92-002a (George, Arnaud, Pence, Ruamsuwan & Corcoran), version of 2020 December 8,
which allows several matrices in one file.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, BadOption, CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats import _ogipparts as parts
from analysis.formats import _ogipunits as columns_in
from analysis.formats._fitscolumns import Ragged
from analysis.formats._fitsio import Hdu, number, text, whole
from analysis.model import labelled

MOST_COUNTED = 1.1  # times that the parts of one redistribution may count a photon, rounding and calibration apart


def _edges(hdu: Hdu, lower: str, upper: str) -> tuple[NDArray, NDArray, list[str]]:
    """Return two columns of energies in keV, the lower edge first, and notes."""
    low, high = (columns_in.energies(hdu, name) for name in (lower, upper))
    if low.size and (low >= high).all() and (low > high).any():
        return high, low, [f"{lower.upper()} and {upper.upper()} held each other's edges (or wavelengths): swapped"]
    return low, high, []


def _energies(hdu: Hdu) -> tuple[xr.Dataset, bool, list[str]]:
    """Return the energy bins from low to high, whether they were stored from high to low, and notes."""
    low, high, notes = _edges(hdu, "energ_lo", "energ_hi")
    if not (low <= high).all():  # a NaN fails too
        raise CorruptFile(f"{hdu.where}: an energy bin has its edges the wrong way round or undefined")
    falling = low.size > 1 and bool((np.diff(low) < 0).all())
    if falling:
        low, high = low[::-1].copy(), high[::-1].copy()
        notes.append("energy bins were stored from high to low; now from low to high")
    if (low <= 0).any():
        notes.append("the first energy bin starts at 0 keV and was left so; a model that diverges there needs more")
    named = {"energy_low": (low, "Lower"), "energy_high": (high, "Upper")}
    held = {
        ours: xr.Variable("energy", values, {"units": "keV", "long_name": f"{end} edge of the energy bin"})
        for ours, (values, end) in named.items()
    }
    return xr.Dataset(held), falling, notes


def effective_area(hdus: Sequence[Hdu], known: meta.Facts) -> xr.Dataset:
    """Return the effective area of a file that has one.

    Raises
    ------
    UnknownFormat
        For several, in extensions or one a row (an ARF of type II).
    """
    hdu = parts.only(parts.areas(hdus), "effective areas")
    column = table.columns(hdu)["specresp"]
    if column.shape or column.code in "PQ":
        raise UnknownFormat(
            f"{hdu.where} is an ARF of type II: {table.rows(hdu)} effective areas, one a row; type I (one energy bin a "
            "row) is read, so take one out into a file of its own"
        )
    values = columns_in.values(hdu, "specresp", "cm2")
    attrs = {"units": "cm2", "long_name": "Effective area"}
    kind = text(hdu, "CCNM0001") or "SPECRESP"
    if kind == "MODSPECRESP":
        attrs["long_name"] = "Modulation response (effective area × modulation factor)"
    data, falling, notes = _energies(hdu)
    data["effective_area"] = xr.Variable("energy", values[::-1].copy() if falling else values, attrs)
    data.attrs["response_type"] = kind
    notes = [*known.notes, *parts.left_out(hdus, [hdu]), *notes]
    return meta.finished(data, [hdu, hdus[0]], "Effective area", notes)


def response(hdus: Sequence[Hdu], known: meta.Facts) -> xr.Dataset | xr.DataTree:
    """Return the response of a file: a matrix, the sum of several on one energy grid, or each on its own.

    Raises
    ------
    CorruptFile
        If there is no EBOUNDS, or pointers do not fit together.
    UnknownFormat
        If the file's matrices may be alternatives (of other times, say) rather than parts of one response.
    """
    found = parts.matrices(hdus)
    bounds = parts.bounds(hdus)
    if not bounds:
        raise CorruptFile(f"{found[0].file} has a response matrix but no extension EBOUNDS with its channels")
    found = _chosen(found, known)
    ebounds = _channels_of(bounds[0])
    made = [_matrix(hdu, *ebounds, known) for hdu in found]
    if len(made) > 1:
        _refuse_alternatives(found, made, known)
        if all(_one_grid(made[0], other) for other in made[1:]):
            made = [_joined(made, found)]
    nodes = {}
    for n, data in enumerate(made):
        used = found if len(made) == 1 else [found[n]]
        notes = [*data.attrs.pop("notes"), *known.notes, *parts.left_out(hdus, [*found, bounds[0]])]
        nodes[f"matrix_{n + 1}"] = meta.finished(data, [used[0], bounds[0], hdus[0]], "Response matrix", notes)
    return nodes["matrix_1"] if len(made) == 1 else xr.DataTree.from_dict(nodes)


def _chosen(found: list[Hdu], known: meta.Facts) -> list[Hdu]:
    """Return the matrices that the caller asks for: one of them by number, or all."""
    told = known.given.get("matrices", "sum")
    if told == "sum":
        return found
    if not (told.isdigit() and 1 <= int(told) <= len(found)):
        raise BadOption(
            f"assume={{'matrices': {told!r}}}: {found[0].file} has {len(found)}; say 'sum', or '1' to '{len(found)}' "
            "for one of them"
        )
    known.notes.append(f"matrix {told} of {len(found)} taken, as stated by the caller")
    return [found[int(told) - 1]]


def _refuse_alternatives(found: Sequence[Hdu], made: Sequence[xr.Dataset], known: meta.Facts) -> None:
    """Refuse matrices that are no parts of one response (Fermi GBM's are of one time each), unless told that they are.

    Raises
    ------
    UnknownFormat
        If they are numbered or timed apart, or a photon would be counted more than once.
    """
    if len({data["matrix"].attrs["units"] for data in made}) > 1:
        raise UnknownFormat(f"{found[0].file}: some of its matrices hold the effective area and some do not")
    if "matrices" in known.given:
        return
    times = {(number(h, "TSTART"), number(h, "TSTOP"), text(h, "DATE-OBS")) for h in found}
    counted = sum(float(np.median(_sums(data)[_sums(data) > 0])) for data in made if data.sizes["element"])
    why = ""
    if any(number(h, "RSP_NUM") is not None for h in found) or len(times) > 1:
        why = "they are of different times"
    elif made[0]["matrix"].attrs["units"] == "1" and counted > MOST_COUNTED:
        why = f"their sum would count a photon {counted:.2f} times"
    if why:
        raise UnknownFormat(
            f"{found[0].file} holds {len(found)} matrices ({', '.join(h.where for h in found)}) that seem to be no "
            f"parts of one response: {why}; take one with assume={{'matrices': '1'}}, or all as parts with "
            "assume={'matrices': 'sum'}"
        )


def _sums(data: xr.Dataset) -> NDArray[np.float64]:
    owner = np.repeat(data["energy_index"].values, data["n_channels"].values)
    return np.bincount(owner, data["matrix"].values, data.sizes["energy"]).astype(np.float64)


def _one_grid(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Tell whether two matrices stand on the same energy bins, float32 rounding apart."""
    names = ("energy_low", "energy_high")
    return one.sizes["energy"] == other.sizes["energy"] and all(
        np.allclose(one[name].values, other[name].values, rtol=1e-6, atol=0) for name in names
    )


def _joined(made: Sequence[xr.Dataset], found: Sequence[Hdu]) -> xr.Dataset:
    """Return one response with the groups of all, in order of energy; where they overlap their elements add up."""
    stored = [
        [data[name].values for name in ("first_channel", "n_channels", "energy_index", "matrix")] for data in made
    ]
    groups = in_order(*(np.concatenate(part) for part in zip(*stored, strict=True)))
    data = made[0].drop_dims(["group", "element"]).assign(_grouped(groups, dict(made[0]["matrix"].attrs)))
    notes = [note for one in made for note in one.attrs["notes"]]
    summed = f"the sum of {len(made)} matrices: {', '.join(h.where for h in found)}"
    data.attrs = {**made[0].attrs, "notes": [*dict.fromkeys(notes), summed]}
    return data


def _channels_of(ebounds: Hdu) -> tuple[xr.Dataset, list[str]]:
    """Return the channels with their nominal energies, in order, and notes."""
    channel = table.whole_vector(ebounds, "channel")
    low, high, notes = _edges(ebounds, "e_min", "e_max")
    if channel.size > 1 and (np.diff(channel) == -1).all():
        channel, low, high = channel[::-1].copy(), low[::-1].copy(), high[::-1].copy()
        notes.append("EBOUNDS was stored from the last channel to the first")
    if channel.size == 0 or (np.diff(channel) != 1).any():
        raise CorruptFile(f"{ebounds.where}: CHANNEL is empty or does not count by one")
    data = xr.Dataset(coords={"channel": parts.channels(channel)})
    for name, values, end in (("e_min", low, "Lower"), ("e_max", high, "Upper")):
        attrs = {"units": "keV", "long_name": f"{end} nominal energy of the channel"}
        data[name] = xr.Variable("channel", values, attrs)
    return data, notes


def _matrix(hdu: Hdu, ebounds: xr.Dataset, remarks: Sequence[str], known: meta.Facts) -> xr.Dataset:
    """Return one extension's matrix with the channels of the file; its notes are in ``attrs["notes"]``."""
    channel = ebounds["channel"].values.astype(np.int64)
    stored = _groups(hdu)
    lowest, counted = _lowest(hdu, stored[0], stored[1], channel, known)
    first, size, energy, elements = pruned(*stored)
    first = _as_stored(hdu, first - lowest + int(channel[0]), size, channel)
    energies, falling, notes = _energies(hdu)
    if falling:
        first, size, energy, elements = in_order(first, size, energies.sizes["energy"] - 1 - energy, elements)
    kind, by, said = columns_in.matrix_kind(hdu)
    attrs = {"units": "cm2", "long_name": "Response × effective area"}
    if kind != "FULL":
        attrs = {"units": "1", "long_name": "Redistribution probability"}
    groups = first, size, energy, columns_in.scaled(elements, by)
    data = energies.assign(ebounds.variables).assign(_grouped(groups, attrs))
    threshold = number(hdu, "LO_THRES")
    data.attrs = {
        "response_type": kind,
        "lo_thres": 0.0 if threshold is None else threshold,
        "channel_type": text(hdu, "CHANTYPE") or "not stated",
        "notes": [*counted, *said, *notes, *remarks],
    }
    return data


Groups = tuple[NDArray, NDArray, NDArray, NDArray]


def _grouped(groups: Groups, attrs: dict[str, str]) -> dict[str, xr.DataArray | xr.Variable]:
    return {
        "first_channel": _of_groups(groups[0], "First channel of the group"),
        "n_channels": _of_groups(groups[1], "Channels in the group"),
        "energy_index": _of_groups(groups[2], "Energy bin of the group"),
        "matrix": xr.Variable("element", groups[3], attrs),
    }


def in_order(first: NDArray, size: NDArray, energy: NDArray, elements: NDArray) -> Groups:
    """Return groups in order of their energy bin, those of one bin as they came."""
    if (np.diff(energy) >= 0).all():
        return first, size, energy, elements
    order = np.argsort(energy, kind="stable")
    start = (np.cumsum(size) - size)[order]
    size = size[order]
    place = np.cumsum(size) - size
    return first[order], size, energy[order], elements[np.arange(int(size.sum())) + np.repeat(start - place, size)]


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


def _groups(hdu: Hdu) -> Groups:
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


def pruned(first: NDArray, n_channels: NDArray, energy: NDArray, elements: NDArray) -> Groups:
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

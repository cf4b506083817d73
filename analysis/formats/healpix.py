"""HEALPix maps, full or partial.

References: Górski et al. (2005), ApJ 622, 759; the HEALPix "Facility Manual" for the FITS keywords.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import BadOption, CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats import _healpixheader as header
from analysis.formats import _healpixorders as orders
from analysis.formats._fitscolumns import Column, Ragged
from analysis.formats._fitsio import Hdu, number, text, whole
from analysis.formats._healpixheader import Grid
from analysis.formats._rings import nested_of_ring

STOKES = {
    "I": {"temperature", "i_stokes", "i", "t", "stokes_i", "intensity", "i_map"},
    "Q": {"q_stokes", "q_polarisation", "q_polarization", "q", "stokes_q", "q_map"},
    "U": {"u_stokes", "u_polarisation", "u_polarization", "u", "stokes_u", "u_map"},
}
SCALES = {
    "K_CMB": {"thermodynamic", "cmb", "k_cmb", "kcmb"},
    "K_RJ": {"antenna", "rj", "k_rj", "krj", "rayleigh-jeans"},
    "intensity": {"intensity"},
    "none": {"none"},
}
FACTS = ("units", "frame", "polconv", "temperature_scale", "ordering", "content")
UNSEEN_FROM = 1e30  # HEALPix writes -1.6375e30 where it saw nothing; no sky is this bright
ABOUT = re.compile(r"weight|covar|noise|hits", re.IGNORECASE)  # names of tables that belong to the map of the sky
COUNTED = {"hits", "hit", "n_hits", "nhits", "n_obs", "nobs", "counts"}  # 0 and 1 are numbers of looks there


@dataclass(frozen=True, eq=False)
class Layout:
    """NESTED ids of the cells held; ``order`` that brings the file's pixels there (None: as they come).

    ``rings`` is the nside of a whole sky in RING order, else 0.
    """

    ids: NDArray[np.int64]
    order: NDArray[np.int64] | None
    rings: int


def holds(hdus: Sequence[Hdu]) -> bool:
    """Return whether the file holds a HEALPix map."""
    return bool(maps_in(hdus))


def maps_in(hdus: Sequence[Hdu]) -> list[Hdu]:
    tables = [h for h in hdus if h.kind == "table"]
    return [h for h in tables if text(h, "PIXTYPE").upper() == "HEALPIX" or _ordered(h)]


def _ordered(hdu: Hdu) -> bool:
    return bool(text(hdu, "ORDERING") and text(hdu, "NSIDE")) or header.multi_order(hdu)


def dataset(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.Dataset:
    """Return a map in NESTED order.

    Parameters
    ----------
    hdus : sequence of Hdu
        Of a file for which :func:`holds` is true.
    assume : mapping
        ``units``, ``frame``, ``polconv`` (COSMO or IAU), ``temperature_scale`` (K_CMB, K_RJ, intensity,
        none), ``ordering`` (RING or NESTED), ``content`` ("mask" or "sky"). What the header leaves out and
        the caller does not say is guessed, with a warning.

    Returns
    -------
    xarray.Dataset
        ``sky`` (stokes, cells) with the Stokes parameters, other columns (cells), coordinate ``cell_ids``
        that xdggs decodes. Where a Stokes parameter was not observed it is NaN, and ``mask`` is False. A
        mask: ``mask`` (cells), truth values, or weights if it has other values than 0 and 1. A multi-order map
        (column UNIQ) has the dim ``cell`` with ``uniq`` and ``level`` instead; ``cmb.single_order`` makes it one nside.

    Raises
    ------
    CorruptFile
        If the number of pixels does not fit NSIDE, pixel numbers are impossible, or ORDERING is not known.
    UnknownFormat
        For ranges of cells (MOC 2), several maps of the sky, pixel numbers in a column of no known name, or a COORDSYS
        that is not known where the caller does not state the frame.
    BadOption
        If a fact contradicts the header.

    Examples
    --------
    >>> from analysis import sample
    >>> from analysis.formats._fitsio import opened
    >>> stated = {"units": "mK", "frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}
    >>> w = dataset(opened(sample.path("wmap7_w_iqu_nside32.fits")), stated)
    >>> [round(float(v), 4) for v in w.sky.std("cells")]
    [0.2456, 0.0094, 0.0093]
    """
    sky, *beside = one_sky(maps_in(hdus))
    known = meta.facts(assume, FACTS, "a HEALPix map", sky.where)
    if header.multi_order(sky) and orders.is_list(sky) and not beside:
        return _of_orders(sky, hdus[0], known)
    return _map(sky, beside, hdus[0], known)


def one_sky(found: list[Hdu]) -> list[Hdu]:
    """Return the table of the sky, then those that say more about it: weights, covariances, of which WMAP has one."""
    about = [h for h in found if ABOUT.search(text(h, "EXTNAME")) or not stokes_columns(table.columns(h))]
    skies = [h for h in found if h not in about]
    if len(found) > 1 and len(skies) != 1:
        named = ", ".join(h.where for h in found)
        raise UnknownFormat(
            f"{found[0].file} holds {len(found)} maps ({named}); files with one map of the sky are read"
        )
    return [*skies, *about]


# ------------------------------------------------------------------------------------------ maps


def _map(hdu: Hdu, beside: Sequence[Hdu], primary: Hdu, known: meta.Facts) -> xr.Dataset:
    grid = header.grid(hdu, known)
    columns = table.columns(hdu)
    pixel = header.pixel_column(hdu, columns)
    layout = _layout(hdu, grid, pixel)
    named = {name: c for name, c in columns.items() if c is not pixel and c.code not in "APQX"}
    stokes = stokes_columns(named)
    coords = {"cell_ids": _cell_ids(layout.ids, grid)}
    if _is_mask(hdu, named, known):
        data, what = _mask(hdu, named, coords, layout), "Sky mask"
        attrs: dict[str, Any] = {"frame": header.frame(hdu, primary, known)}
    else:
        data, what = _sky(hdu, named, stokes, coords, layout, known), "Sky map"
        attrs = {"frame": header.frame(hdu, primary, known), **conventions(hdu, primary, data, stokes, known)}
    for other in beside:
        data = _with_more(data, other, hdu, grid, layout, known)
    known.warn(hdu.where)
    data.attrs = {**attrs, "nside": grid.nside}
    known.notes.append(f"{'NESTED' if grid.nested else 'RING'} in the file, NESTED here")
    return meta.finished(data, [hdu, primary], what, known.notes)


def _of_orders(hdu: Hdu, primary: Hdu, known: meta.Facts) -> xr.Dataset:
    """Return a map of cells of several orders, each with its own; a table of cells alone is a mask."""
    if "ordering" in known.given or "content" in known.given:
        raise BadOption(f"{hdu.where} is a multi-order map, of which assume says neither 'ordering' nor 'content'")
    columns = table.columns(hdu)
    found = table.whole_numbers(np.asarray(table.read(hdu, columns["uniq"])).reshape(-1), f"{hdu.where}: UNIQ")
    order = orders.in_order(found, hdu.where)
    layout = Layout(found[order], order, 0)
    coords = orders.coordinates(layout.ids)
    named = {name: c for name, c in columns.items() if name != "uniq" and c.code not in "APQX"}
    stokes = stokes_columns(named)
    data = _sky(hdu, named, stokes, coords, layout, known)
    if not named:
        attrs = {"units": "1", "long_name": "Covered (True)"}
        data["mask"] = xr.Variable("cells", np.ones(layout.ids.size, bool), attrs)
    data = data.rename_dims(cells="cell")
    data.attrs = {"frame": header.frame(hdu, primary, known), **conventions(hdu, primary, data, stokes, known)}
    known.warn(hdu.where)
    low, high = int(coords["level"].values.min()), int(coords["level"].values.max())
    known.notes.append(f"cells of order {low} to {high}, each with its own in the coordinate level")
    return meta.finished(data, [hdu, primary], "Multi-order sky map", known.notes)


def _with_more(data: xr.Dataset, hdu: Hdu, sky: Hdu, grid: Grid, layout: Layout, known: meta.Facts) -> xr.Dataset:
    """Add the columns of a table beside the map, under names of their own, where its pixels are the same."""
    columns = table.columns(hdu)
    pixel = header.pixel_column(hdu, columns)
    own = header.grid(hdu, known)
    there = _layout(hdu, own, pixel)
    if own.nside != grid.nside or not np.array_equal(there.ids, layout.ids):
        raise UnknownFormat(f"{hdu.where} has other pixels than {sky.where}; files with one map are read")
    prefix = re.sub(r"\W+", "_", text(hdu, "EXTNAME").lower()).strip("_") or "more"
    for name, column in columns.items():
        if column is not pixel and column.code not in "APQX":
            free = name if name not in data.variables and name not in data.dims else f"{prefix}_{name}"
            values = _values(hdu, [column], there)[0]
            if (observed := _observed(hdu, values)) is not None:
                values[~observed] = np.nan
            data[free] = meta.variable(hdu, column, values, "cells")
    known.notes.append(f"{hdu.where} beside {sky.where}: its columns are variables")
    return data


def _layout(hdu: Hdu, grid: Grid, pixel: Column | None) -> Layout:
    """Find out where in NESTED order each of the file's pixels goes."""
    from ducc0.healpix import Healpix_Base

    if pixel is None:
        first = whole(hdu.header, "FIRSTPIX", hdu.where, 0)
        last = whole(hdu.header, "LASTPIX", hdu.where, grid.cells - 1)
        if not 0 <= first <= last < grid.cells:
            raise CorruptFile(f"{hdu.where}: FIRSTPIX {first} to LASTPIX {last} do not fit NSIDE {grid.nside}")
        stored = table.rows(hdu) * _per_row(hdu)
        if text(hdu, "OBJECT").upper() == "FULLSKY" and stored != grid.cells:
            raise CorruptFile(
                f"{hdu.where} holds {stored} pixels; OBJECT = 'FULLSKY' and NSIDE = {grid.nside} announce {grid.cells}"
            )
        if stored != last - first + 1:
            announced = f"NSIDE = {grid.nside} with FIRSTPIX and LASTPIX announce {last - first + 1}"
            raise CorruptFile(f"{hdu.where} holds {stored} pixels; {announced}")
        held = np.arange(first, last + 1)
        if held.size == grid.cells:
            return Layout(held, None, 0 if grid.nested else grid.nside)
    else:
        found = np.asarray(table.read(hdu, pixel)).reshape(-1)
        held = table.whole_numbers(found, f"{hdu.where}: {pixel.name.upper()}")
    if held.size == 0 or held.min() < 0 or held.max() >= grid.cells:
        raise CorruptFile(f"{hdu.where}: pixel numbers are not all between 0 and {grid.cells - 1}")
    ids = held if grid.nested else Healpix_Base(grid.nside, "RING").ring2nest(held)
    if (ids[1:] > ids[:-1]).all():
        return Layout(ids, None, 0)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        raise CorruptFile(f"{hdu.where}: a pixel is stored twice")
    return Layout(ids, order, 0)


def _per_row(hdu: Hdu) -> int:
    sizes = {c.repeat for c in table.columns(hdu).values() if c.code not in "APQX"}
    if len(sizes) != 1:
        raise CorruptFile(f"{hdu.where}: its columns hold different numbers of pixels a row: {sorted(sizes)}")
    return sizes.pop()


def _cell_ids(ids: NDArray[np.int64], grid: Grid) -> xr.Variable:
    attrs = {"grid_name": "healpix", "level": grid.level, "indexing_scheme": "nested"}
    return xr.Variable("cells", ids, attrs)  # these alone: xdggs refuses any other attribute here


def stokes_columns(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Columns that are Stokes parameters, in the order I, Q, U; Q and U count only together."""
    found = {}
    for label, names in STOKES.items():
        match = [c for name, c in columns.items() if name in names]
        if match:
            found[label] = match[0]
    return found if ("Q" in found) == ("U" in found) else {k: v for k, v in found.items() if k == "I"}


def _is_mask(hdu: Hdu, columns: Mapping[str, Column], known: meta.Facts) -> bool:
    """Whether the caller says so, the columns' names do, or they hold nothing but 0 and 1, with no unit.

    The last is a guess. A unit, or the name of a count, says that these are measurements.
    """
    told = known.given.get("content")
    if told not in (None, "mask", "sky"):
        raise BadOption(f"assume={{'content': {told!r}}} is neither 'mask' nor 'sky'")
    if told or not columns:
        return told == "mask"
    if all("mask" in name for name in columns):
        return True
    units = {text(hdu, f"TUNIT{column.number}").lower() for column in columns.values()}
    if not units <= meta.SILENT or COUNTED & set(columns):
        return False
    for column in columns.values():
        if not table.rows(hdu) or not np.isin(table.first(hdu, column, 16), (0, 1)).all():  # most maps show it at once
            return False
        found = np.asarray(table.read(hdu, column))
        if found.min() != 0 or found.max() != 1 or not ((found == 0) | (found == 1)).all():
            return False
    known.guesses.append("content = 'mask'")
    known.notes.append("content = 'mask' guessed: it holds nothing but 0 and 1")
    return True


def _values(hdu: Hdu, columns: Sequence[Column], layout: Layout) -> NDArray:
    """Return columns in NESTED order, a row each."""
    read = []
    for column in columns:
        found = table.read(hdu, column)
        if isinstance(found, Ragged) or found.size != layout.ids.size:
            raise CorruptFile(f"{hdu.where}: column {column.name} does not hold {layout.ids.size} pixels")
        read.append(found.reshape(-1))
    placed = np.empty((len(read), layout.ids.size), np.result_type(*(values.dtype for values in read)))
    if layout.rings:
        nested_of_ring(read, layout.rings, placed)
    else:
        for row, values in zip(placed, read, strict=True):
            row[:] = values if layout.order is None else values[layout.order]
    return placed


def _observed(hdu: Hdu, found: NDArray) -> NDArray[np.bool_] | None:
    """Where a map holds a measurement (no UNSEEN, NaN or BAD_DATA); None if it does everywhere."""
    if found.dtype.kind != "f" or not found.size:
        return None
    bad = number(hdu, "BAD_DATA")
    ordinary = bad is None or abs(bad) >= UNSEEN_FROM
    if ordinary and found.min() > -UNSEEN_FROM and found.max() < UNSEEN_FROM:  # NaN makes both false
        return None
    seen = np.abs(found) < UNSEEN_FROM
    if bad is not None:
        seen &= ~np.isclose(found, bad, rtol=1e-5, atol=0.0)
    return None if seen.all() else seen


def _sky(
    hdu: Hdu,
    columns: Mapping[str, Column],
    stokes: Mapping[str, Column],
    coords: Mapping[str, xr.Variable],
    layout: Layout,
    known: meta.Facts,
) -> xr.Dataset:
    data = xr.Dataset(coords=coords)
    seen: list[NDArray[np.bool_]] = []
    if stokes:
        units, unknown = stokes_units(hdu, list(stokes.values()), known)
        sky = _values(hdu, list(stokes.values()), layout)
        for row in sky:
            if (observed := _observed(hdu, row)) is not None:
                row[~observed] = np.nan
                seen.append(observed)
        data = data.assign_coords(
            stokes=xr.Variable("stokes", np.array(list(stokes)), {"long_name": "Stokes parameter"})
        )
        data["sky"] = xr.Variable(("stokes", "cells"), sky, {"units": units, "long_name": "Sky", **unknown})
    for name, column in columns.items():
        if column not in stokes.values():
            values = _values(hdu, [column], layout)[0]
            if (observed := _observed(hdu, values)) is not None:
                values[~observed] = np.nan
                seen += [] if stokes else [observed]
            data[name] = meta.variable(hdu, column, values, "cells")
    if seen:
        attrs = {"units": "1", "long_name": "Observed (True) or not"}
        name = "mask" if "mask" not in data else "observed"
        data[name] = xr.Variable("cells", np.logical_and.reduce(seen), attrs)
    return data


def _mask(hdu: Hdu, columns: Mapping[str, Column], coords: Mapping[str, xr.Variable], layout: Layout) -> xr.Dataset:
    """Masks: truth values where a column holds only 0 and 1, weights otherwise; equal columns are one."""
    data = xr.Dataset(coords=coords)
    held = {name: _values(hdu, [column], layout)[0] for name, column in columns.items()}
    first = next(iter(held.values()), None)
    if first is None:
        raise CorruptFile(f"{hdu.where} has no column of numbers that could be a mask")
    if all(np.array_equal(values, first) for values in held.values()):
        held = {"mask": first}
    for name, values in held.items():
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise CorruptFile(f"{hdu.where}: the mask {name} has values outside 0 … 1")
        flags = ((values == 0) | (values == 1)).all()
        attrs = {
            "units": "1",
            "long_name": "Used (True) or masked" if flags else "Mask weight (0 masked, 1 used)",
        }
        data[name] = xr.Variable("cells", values.astype(bool) if flags else values, attrs)
    return data


def scale_of(spelling: str) -> str | None:
    plain = spelling.lower().replace(" ", "")
    if re.search(r"_?cmb|thermo", plain):
        return "K_CMB"
    if re.search(r"_?rj\b|antenna", plain):
        return "K_RJ"
    return "intensity" if "jy" in plain else None


def stokes_units(hdu: Hdu, columns: Sequence[Column], known: meta.Facts) -> tuple[str, dict[str, str]]:
    """The unit of the Stokes columns, which must agree; temperature scale from its spelling."""
    spellings = {text(hdu, f"TUNIT{c.number}") for c in columns}
    said = sorted(s for s in spellings if s.lower() not in meta.SILENT)
    read = [meta.units_of(s, hdu.where) for s in said]  # WMAP: "mK" for I, "mK,thermodynamic" for Q and U
    if len({units for units, _ in read}) > 1 or (len(said) > 1 and any(unknown for _, unknown in read)):
        raise UnknownFormat(f"{hdu.where}: its Stokes columns have different units: {', '.join(said)}")
    units, unknown = read[0] if read else (None, {})
    meta.given_units(known)
    return known.fact("units", None if unknown else units, "1", hdu.where), unknown


def conventions(
    hdu: Hdu, primary: Hdu, data: xr.Dataset, stokes: Mapping[str, Column], known: meta.Facts
) -> dict[str, str]:
    """Polarization convention and temperature scale of the Stokes parameters."""
    if not stokes:
        return {}
    stated = header.polconv(hdu, primary, known)
    if stated is None and "Q" not in stokes and "polconv" not in known.given:
        stated = "COSMO"  # without Q and U it has no effect
    polconv = known.fact("polconv", stated, "COSMO", hdu.where)
    return {
        "polconv": polconv,
        "temperature_scale": scale(hdu, list(stokes.values()), data["sky"].units, known),
    }


def scale(hdu: Hdu, columns: Sequence[Column], units: str, known: meta.Facts) -> str:
    said = sorted({scale for c in columns if (scale := scale_of(text(hdu, f"TUNIT{c.number}")))})
    if len(said) > 1:
        raise UnknownFormat(f"{hdu.where}: its Stokes columns have different temperature scales: {', '.join(said)}")
    stated = said[0] if said else None
    if told := known.given.get("temperature_scale"):
        match = [name for name, names in SCALES.items() if told.lower() in names]
        if not match:
            raise BadOption(f"assume={{'temperature_scale': {told!r}}} is none of {', '.join(SCALES)}")
        known.given = {**known.given, "temperature_scale": match[0]}
    if stated is None and "temperature_scale" not in known.given and not units.endswith("K"):
        return "none"
    return known.fact("temperature_scale", stated, "K_CMB", hdu.where)

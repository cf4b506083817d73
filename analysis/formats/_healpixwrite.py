"""HEALPix maps and masks to FITS tables that healpy and the HEALPix tools read.

Reference: the HEALPix "Facility Manual" and Górski et al. (2005), ApJ 622, 759, for keywords and columns.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import BadOption, WrongData
from analysis.formats import _fitsown
from analysis.formats import _fitswrite as fits
from analysis.formats import _ogipmade as made_of
from analysis.formats._fitswrite import Card, Field
from analysis.formats._healpixheader import LARGEST_LEVEL, PIXEL
from analysis.formats._healpixorders import in_order

FRAMES = {"galactic": "G", "icrs": "C", "ecliptic": "E"}
STOKES = {"I": "I_STOKES", "Q": "Q_STOKES", "U": "U_STOKES"}
UNSEEN = -1.6375e30
PER_ROW = 1024  # pixels a row of a whole sky, as HEALPix tools write them
SCALES = {"K_CMB": "_CMB", "K_RJ": "_RJ"}
ORDERINGS = ("NESTED", "RING")


def holds(nodes: Mapping[str, xr.Dataset]) -> bool:
    """Return whether the data are cells of the sky."""
    data = next(iter(nodes.values()), xr.Dataset())
    return len(nodes) == 1 and (("cells" in data.dims and "cell_ids" in data.coords) or "uniq" in data.coords)


def write(nodes: dict[str, xr.Dataset], path: Path, tree: str | None, ordering: str | None) -> None:
    """Write a map or masks of one nside, or of cells of several orders.

    Raises
    ------
    BadOption
        If the ordering is neither NESTED nor RING, or cells are of several orders and have none.
    WrongData
        If the data are no map that such a file can hold.
    """
    ((node, data),) = nodes.items()
    if ordering is not None and ordering not in ORDERINGS:
        raise BadOption(f"ordering={ordering!r} is neither 'NESTED' nor 'RING'")
    if "uniq" in data.coords:
        if ordering is not None:
            raise BadOption(f"ordering={ordering!r}: cells of several orders have none; bring them to one nside first")
        data, first, cards, place = _of_orders(data)
    else:
        data, first, cards, place = _of_one_order(data, ordering or "NESTED")
    plain = data.rename_dims(cell="cells") if "uniq" in data.coords else data
    columns = _columns(plain, place, 1 if first else _per_row(plain.sizes["cells"]))
    cards += [
        ("COORDSYS", _frame(data), "G galactic, C celestial (ICRS), E ecliptic"),
        *_polarization(data),
        ("BAD_DATA", UNSEEN, "value of pixels that were not observed"),
        *_origin(data),
    ]
    hdus = [fits.primary([*_origin(data), ("CREATOR", _fitsown.WRITER, "")])]
    history = str(data.attrs.get("history", "")).splitlines()
    hdus.append(fits.table("SKY" if "sky" in data else "MASK", [*first, *columns], cards, history))
    content = b"".join([*hdus, _fitsown.extension({node: data}, {}, hdus, tree)])
    path.write_bytes(gzip.compress(content, 6, mtime=0) if path.suffix.lower() == ".gz" else content)


def _origin(data: xr.Dataset) -> list[Card]:
    """Return the keywords of who observed what; those that say nothing are left out."""
    return [card for card in made_of.observed(data) if card[1] not in ("UNKNOWN", "NONE")]


def _of_one_order(data: xr.Dataset, ordering: str) -> tuple[xr.Dataset, list[Field], list[Card], NDArray | None]:
    """Return the data in ascending cells, a column of pixel numbers if they are not the whole sky, keywords, order."""
    from ducc0.healpix import Healpix_Base

    ids, attrs = data["cell_ids"].values, data["cell_ids"].attrs
    level = attrs.get("level")
    if attrs.get("indexing_scheme") != "nested" or not isinstance(level, int | np.integer):
        raise WrongData("the cell_ids of a map say indexing_scheme='nested' and level, the log2 of nside; these do not")
    nside = 1 << min(max(int(level), 0), LARGEST_LEVEL)
    if ids.dtype.kind not in "iu" or not ids.size or ids.min() < 0 or ids.max() >= 12 * nside**2:
        raise WrongData(f"cell_ids are not whole numbers from 0 to {12 * nside**2 - 1}, or there are none")
    order = np.argsort(ids, kind="stable")
    if (order[1:] < order[:-1]).any():
        data = data.isel(cells=order)
        ids = data["cell_ids"].values
    if (ids[1:] == ids[:-1]).any():
        raise WrongData("a cell is there twice in cell_ids")
    whole = ids.size == 12 * nside**2
    cards: list[Card] = [
        ("PIXTYPE", "HEALPIX", "HEALPix pixels"),
        ("ORDERING", ordering, "order of the pixel numbers"),
        ("NSIDE", nside, "resolution"),
        ("INDXSCHM", "IMPLICIT" if whole else "EXPLICIT", "pixels by place, or by a column of numbers"),
        *([] if whole else [("OBS_NPIX", ids.size, "pixels that are there")]),
    ]
    if whole:
        cards += [("FIRSTPIX", 0, ""), ("LASTPIX", ids.size - 1, "")]
        place = Healpix_Base(nside, "RING").ring2nest(ids) if ordering == "RING" else None
        return data, [], cards, place
    numbers = ids.astype(np.int64)
    place = None
    if ordering == "RING":
        numbers = Healpix_Base(nside, "RING").nest2ring(numbers)
        place = np.argsort(numbers)
        numbers = numbers[place]
    return data, [Field("PIXEL", _small(numbers), "", "pixel number")], cards, place


def _of_orders(data: xr.Dataset) -> tuple[xr.Dataset, list[Field], list[Card], None]:
    """Return cells of several orders as they lie on the sky, with their column and keywords."""
    uniq = np.asarray(data["uniq"].values)
    if data["uniq"].dims != ("cell",) or uniq.dtype.kind not in "iu":
        raise WrongData(f"uniq is of the type {uniq.dtype}; cells of several orders are whole numbers on the dim cell")
    data = data.isel(cell=in_order(uniq.astype(np.int64), "the data"))
    cards: list[Card] = [
        ("PIXTYPE", "HEALPIX", "HEALPix pixels"),
        ("ORDERING", "NUNIQ", "cells of several orders"),
        ("INDXSCHM", "EXPLICIT", "pixels by a column of numbers"),
        ("MOCORDER", int(data["level"].max()) if "level" in data.coords else LARGEST_LEVEL, "highest order"),
    ]
    return data, [Field("UNIQ", data["uniq"].values.astype(np.int64), "", "4*4^order + NESTED number")], cards, None


def _small(numbers: NDArray[np.int64]) -> NDArray:
    return numbers.astype(np.int32) if numbers.max() < 2**31 else numbers


def _per_row(cells: int) -> int:
    return PER_ROW if cells % PER_ROW == 0 else 1


def _columns(data: xr.Dataset, place: NDArray | None, width: int) -> list[Field]:
    """Return the columns of a map: Stokes parameters first, as healpy takes them by number, then all others."""
    fields: list[Field] = []
    for name, array in data.data_vars.items():
        if name != "sky" and array.dims != ("cells",):
            where = f" on {', '.join(map(str, array.dims))}" if array.dims else ""
            raise WrongData(f"a map in FITS has a value a cell; {name}{where} is another thing: drop it, or write .nc")
    if "sky" in data.data_vars:
        sky = data["sky"]
        if set(sky.dims) != {"stokes", "cells"} or "stokes" not in sky.coords:
            raise WrongData(
                f"a map in FITS has the dims stokes and cells, this one {', '.join(map(str, sky.dims))}; choose one of "
                "each other, for example isel(frequency=0)"
            )
        held = [str(label) for label in sky["stokes"].values]
        if held not in (["I"], ["Q", "U"], ["I", "Q", "U"]):
            raise WrongData(f"the map has Stokes {', '.join(held)}; in FITS are written I, or Q and U, or I, Q, U")
        units = _shown(sky.attrs.get("units", ""), data.attrs.get("temperature_scale", ""))
        for label in held:
            values = sky.sel(stokes=label).transpose("cells").values
            fields.append(_field(STOKES[label], values, units, f"Stokes {label}", place, width))
    for key, array in data.data_vars.items():
        if key != "sky":
            name = str(key)
            if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or name in (*PIXEL, "uniq"):
                raise WrongData(f"a column of a map cannot be called {name!r}; rename it to lower-case letters")
            units = made_of.shown_unit(array.variable)
            long_name = str(array.attrs.get("long_name", ""))
            fields.append(_field(name.upper(), array.values, units, long_name, place, width))
    if not fields:
        raise WrongData("the data have cells and nothing in them")
    return fields


def _field(name: str, values: NDArray, units: str, comment: str, place: NDArray | None, width: int) -> Field:
    if values.dtype.kind not in "fiub":
        raise WrongData(f"{name} is of the type {values.dtype}; a map in FITS has numbers, or true and false")
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    elif values.dtype.kind == "f":
        if wrong := int((np.abs(values) >= -UNSEEN / 10).sum()):
            raise WrongData(f"{wrong} values of {name} are infinite or UNSEEN (-1.6375e30): make them NaN first")
        values = np.where(np.isnan(values), values.dtype.type(UNSEEN), values)
    elif "STOKES" in name:
        values = values.astype(float)
    values = values if place is None else values[place]
    return Field(name, values.reshape(-1, width) if width > 1 else values, units, comment)


def _shown(units: str, scale: str) -> str:
    """Return a unit with the temperature scale that it is of, as HEALPix tools spell it: mK_CMB."""
    plain = str(units)  # "1" too: a sky without TUNIT would be one that does not say
    return plain + SCALES.get(str(scale), "") if re.fullmatch(r"[a-zA-Zµ]{0,2}K", plain) else plain


def _frame(data: xr.Dataset) -> str:
    said = str(data.attrs.get("frame", data["sky"].attrs.get("frame", "") if "sky" in data else "")).lower()
    if said not in FRAMES:
        raise WrongData(
            f"the map says frame={said or None!r}; FITS maps are {', '.join(FRAMES)}: set attrs['frame'], or change it"
        )
    return FRAMES[said]


def _polarization(data: xr.Dataset) -> list[Card]:
    if "sky" not in data.data_vars:
        return []
    polarized = "Q" in data["sky"]["stokes"].values
    said = data.attrs.get("polconv", data["sky"].attrs.get("polconv"))
    if polarized and said not in ("COSMO", "IAU"):
        raise WrongData(f"the map has Q and U and says polconv={said!r}; set attrs['polconv'] to 'COSMO' or 'IAU'")
    cards: list[Card] = [("POLAR", polarized, "whether polarization is there")]
    return [*cards, ("POLCCONV", str(said), "convention of U")] if polarized else cards

"""Which source of one list is which of another: pairs on the sky, and how likely one is there by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from analysis.errors import BadOption, UnknownVariable, WrongData, WrongFrame
from analysis.model import check, derived, in_units, labelled
from analysis.xray.inputs import Amount, amount, synthetic_of, variable
from analysis.xray.sky import FRAMES

if TYPE_CHECKING:
    import pandas as pd
    from astropy.coordinates import SkyCoord

WHICH = ("nearest", "all")
DOWNES = "Downes et al. (1986), MNRAS 218, 31, doi:10.1093/mnras/218.1.31"
ARCSEC_IN_DEG = 3600.0
SQUARE_DEG_IN_SKY = 4 * np.pi * np.degrees(1) ** 2


def matched(
    first: xr.Dataset | pd.DataFrame,
    second: xr.Dataset | pd.DataFrame,
    radius: Amount,
    *,
    which: Literal["nearest", "all"] = "nearest",
    area: Amount | None = None,
) -> xr.Dataset:
    """Return the pairs of two lists of sources that lie within a radius of each other.

    Parameters
    ----------
    first, second : xarray.Dataset or pandas.DataFrame
        Positions ``ra`` and ``dec`` on one dim (ICRS unless ``ra.attrs["frame"]`` is FK5 or FK4; a DataFrame's are in
        degrees), and, if known, ``position_sigma``: the error of each along one axis, 1 sigma (arcsec in a DataFrame),
        as :func:`sources_near` gives it. Rows without a position match nothing.
    radius : text, astropy Quantity or DataArray
        With its unit: ``"5 arcsec"``. At most 10 deg.
    which : {"nearest", "all"}
        Of each source of `first` the nearest of `second`, or every one.
    area : text, astropy Quantity or DataArray, optional
        Solid angle that `second` covers evenly, for the probabilities of chance: ``"0.3 deg2"``. Without it that of the
        search that `second` came from, if it is one of :func:`sources_near`.

    Returns
    -------
    xarray.Dataset
        Dim ``pair``, sorted by `first`, then separation: ``first`` and ``second`` (row numbers from 0), ``separation``
        (arcsec), ``mutual`` (whether each is the other's nearest), ``separation_sigma`` if both lists have errors (the
        separation over the two errors in quadrature; for true pairs it follows the Rayleigh distribution, 99.7 % of
        them below 3.41), ``chance_probability`` if the area is known: :func:`chance_probability` at the
        separation. Attrs ``unmatched_first``, ``unmatched_second``: rows in no pair. No pair is an answer: size 0.

    Raises
    ------
    BadOption, MissingUnits, WrongUnits
        For a radius, an area or a choice that cannot be used.
    UnknownVariable, WrongData, WrongFrame
        For a list without positions, or with some that are none.

    References
    ----------
    Downes et al. (1986), MNRAS 218, 31, doi:10.1093/mnras/218.1.31 (chance); Watson et al. (2009), A&A 493, 339,
    doi:10.1051/0004-6361:200810534 (separations over errors are Rayleigh-distributed).

    Examples
    --------
    >>> units = {"units": "deg"}
    >>> xray_list = xr.Dataset({"ra": ("source", [10.0, 11.0], units), "dec": ("source", [20.0, 20.0], units)})
    >>> optical = xr.Dataset({"ra": ("star", [11.0, 10.0005], units), "dec": ("star", [20.1, 20.0], units)})
    >>> pairs = matched(xray_list, optical, "3 arcsec")
    >>> pairs["first"].values, pairs["second"].values, pairs["separation"].values.round(3)
    (array([0]), array([1]), array([1.691]))
    """
    if which not in WHICH:
        raise BadOption(f"which={which!r} is none of {', '.join(WHICH)}")
    size = _radius(radius)
    one, other = as_sources(first, "first"), as_sources(second, "second")
    here, there = places_of(one, "first"), places_of(other, "second")
    i, j, away = _pairs(here, there, size)
    nearest = _nearest(i, away, here.size)
    back = _nearest(j, away, there.size)
    rows = np.arange(i.size)
    mutual = (nearest[i] == rows) & (back[j] == rows) if i.size else np.zeros(0, bool)
    kept = np.lexsort((away, i))
    if which == "nearest":
        kept = kept[nearest[i[kept]] == kept]
    i, j, away, mutual = i[kept], j[kept], away[kept], mutual[kept]
    plain = {"units": "1"}
    made = xr.Dataset(
        {
            "first": ("pair", i, {**plain, "long_name": "Row in the first list"}),
            "second": ("pair", j, {**plain, "long_name": "Row in the second list"}),
            "separation": ("pair", away, {"units": "arcsec", "long_name": "Separation"}),
            "mutual": ("pair", mutual, {**plain, "long_name": "Each is the other's nearest"}),
        }
    )
    if "position_sigma" in one and "position_sigma" in other:
        errors = [in_units(data["position_sigma"], "arcsec").values.astype(float) for data in (one, other)]
        made["separation_sigma"] = ("pair", _over_errors(away, errors[0][i], errors[1][j]), _SIGMA)
    covered = _covered(area, other)
    if covered is not None:
        density = float(np.isfinite(_degrees(other, "second")[0]).sum()) / covered / ARCSEC_IN_DEG**2
        made["chance_probability"] = ("pair", _chance(away, density), _CHANCE)
        made.attrs["density"] = f"{density:.6g} arcsec-2"
    made.attrs |= {
        "radius": f"{size:.6g} arcsec",
        "unmatched_first": int(here.size - np.unique(i).size),
        "unmatched_second": int(there.size - np.unique(j).size),
    }
    said = f"xray.matched(radius='{size:.6g} arcsec', which={which!r}): {i.size} pairs of {here.size} and {there.size}"
    return check(derived(made, one, title="Pairs of two source lists", step=said, references=[DOWNES], also=[other]))


_SIGMA = {"units": "1", "long_name": "Separation over the position errors in quadrature"}
_CHANCE = {"units": "1", "long_name": "Probability of an unrelated source this near"}


def chance_probability(separation: Amount | xr.DataArray, density: Amount) -> xr.DataArray:
    r"""Return how likely an unrelated source lies within a separation, :math:`1 - \exp(-\pi r^2 n)`.

    Parameters
    ----------
    separation : xarray.DataArray, text or astropy Quantity
        Any unit of angle.
    density : text, astropy Quantity or DataArray
        Unrelated sources a solid angle, spread evenly: ``"2.5 arcmin-2"``.

    Returns
    -------
    xarray.DataArray
        Dimensionless, of the shape of `separation`. It is that of one place: of a list of N, N times as many chance
        pairs are expected.

    Raises
    ------
    MissingUnits, WrongUnits, BadOption
        For what carries no unit or is negative.

    References
    ----------
    Downes et al. (1986), MNRAS 218, 31, doi:10.1093/mnras/218.1.31.

    Examples
    --------
    >>> round(float(chance_probability("10 arcsec", "1 arcmin-2")), 4)
    0.0836
    """
    given = separation if isinstance(separation, xr.DataArray) else None
    away = given if given is not None else xr.DataArray(amount(separation, "arcsec", "separation"), attrs=_ARCSEC)
    values = in_units(away, "arcsec")
    if bool((values < 0).any()):
        raise BadOption("separation has negative values")
    many = amount(density, "arcsec-2", "density")
    if many < 0:
        raise BadOption(f"density={density!r} is negative")
    made = xr.DataArray(_chance(values.values, many), dims=values.dims, coords=values.coords)
    attrs = {"density": f"{many:.6g} arcsec-2", **synthetic_of(given)}
    return labelled(made, "chance_probability", units="1", long_name=_CHANCE["long_name"], attrs=attrs)


_ARCSEC = {"units": "arcsec"}


def as_sources(data: xr.Dataset | pd.DataFrame, what: str) -> xr.Dataset:
    """Return a list of sources as a Dataset with ``ra`` and ``dec`` on one dim; columns of a DataFrame in degrees.

    Raises
    ------
    WrongData
        If it is no list.
    UnknownVariable
        If it has no positions.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        columns = {name: unit for name, unit in _COLUMNS.items() if name in data.columns}
        if lost := [name for name in ("ra", "dec") if name not in columns]:
            raise UnknownVariable(f"{what} needs {' and '.join(lost)}; it has {', '.join(map(str, data.columns))}")
        try:
            values = {name: data[name].to_numpy(dtype=float) for name in columns}
        except (TypeError, ValueError) as error:
            raise WrongData(f"{what}: {', '.join(columns)} are not all numbers: {error}") from error
        data = xr.Dataset({n: ("row", values[n], {"units": unit, "long_name": n}) for n, unit in columns.items()})
    if not isinstance(data, xr.Dataset):
        raise WrongData(f"{what} is a list of sources with ra and dec: a Dataset or a DataFrame, not {type(data)}")
    ra, dec = (variable(data, name, what) for name in ("ra", "dec"))
    if ra.ndim != 1 or ra.dims != dec.dims:
        raise WrongData(f"{what}: ra and dec lie on {ra.dims} and {dec.dims}; they must share one dim")
    if "position_sigma" in data:
        sigma = data["position_sigma"]
        if sigma.dims not in ((), ra.dims):
            raise WrongData(f"{what}: position_sigma lies on {sigma.dims}, not on {ra.dims}")
        if bool((in_units(sigma, "arcsec") < 0).any()):
            raise WrongData(f"{what}: position_sigma has negative values")
        data = data.assign(position_sigma=sigma.broadcast_like(ra).assign_attrs(sigma.attrs))
    return data


_COLUMNS = {"ra": "deg", "dec": "deg", "position_sigma": "arcsec"}  # of a DataFrame


def _radius(radius: Amount) -> float:
    size = amount(radius, "arcsec", "radius")
    if not 0 < size <= 10 * ARCSEC_IN_DEG:
        raise BadOption(f"radius={radius!r} is none to match within; give more than 0 and at most 10 deg")
    return size


def _degrees(data: xr.Dataset, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return right ascension and declination in degrees, NaN where either is missing."""
    ra, dec = (in_units(data[name], "deg").values.astype(float) for name in ("ra", "dec"))
    lost = ~(np.isfinite(ra) & np.isfinite(dec))
    if (np.abs(dec[~lost]) > 90).any():
        raise WrongData(f"{what}: dec reaches {dec[~lost][np.abs(dec[~lost]).argmax()]:g} deg, beyond the poles")
    return np.where(lost, np.nan, ra), np.where(lost, np.nan, dec)


def places_of(data: xr.Dataset, what: str) -> SkyCoord:
    """Return the positions, ICRS."""
    from astropy.coordinates import SkyCoord

    stated = {str(data[name].attrs.get("frame", data.attrs.get("frame", ""))).strip().upper() for name in ("ra", "dec")}
    if len(stated) > 1 or not stated <= set(FRAMES):
        raise WrongFrame(f"{what}: positions in the frame {' and '.join(sorted(stated))}; give ICRS, FK5 or FK4")
    ra, dec = _degrees(data, what)
    return SkyCoord(ra, dec, unit="deg", frame=FRAMES[stated.pop()]).icrs


def _pairs(here: SkyCoord, there: SkyCoord, size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of all pairs within a radius, and how far apart they are in arcsec."""
    import astropy.units as u
    from astropy.coordinates import search_around_sky

    known = [np.flatnonzero(np.isfinite(place.ra.deg)) for place in (here, there)]
    if not known[0].size or not known[1].size:
        none = np.zeros(0, int)
        return none, none, np.zeros(0)
    # a little more, then cut by the separation itself: the tree counts chords
    i, j, away, _ = search_around_sky(here[known[0]], there[known[1]], size * (1 + 1e-9) * u.arcsec)
    arcsec = away.to_value("arcsec")
    kept = arcsec <= size
    return known[0][i[kept]], known[1][j[kept]], arcsec[kept]


def _nearest(row: np.ndarray, away: np.ndarray, size: int) -> np.ndarray:
    """Return for each row the number of its nearest pair, -1 where it has none; of equals the first."""
    found = np.full(size, -1)
    order = np.lexsort((away, row))
    rows, at = np.unique(row[order], return_index=True)
    found[rows] = order[at]
    return found


def _over_errors(away: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return separations over errors; NaN where an error is not known."""
    error = np.hypot(one, other)
    return np.divide(away, error, out=np.full(away.shape, np.nan), where=error > 0)


def _chance(away: np.ndarray, density: float) -> np.ndarray:
    return -np.expm1(-np.pi * away**2 * density)


def _covered(area: Amount | None, second: xr.Dataset) -> float | None:
    """Return the solid angle in square degrees that a list covers."""
    if area is None and "search_area" not in second.attrs:
        return None
    stated: Amount = str(second.attrs["search_area"]) if area is None else area
    covered = amount(stated, "deg2", "area")
    if not 0 < covered <= SQUARE_DEG_IN_SKY * (1 + 1e-9):
        raise BadOption(f"area={stated!r} is no part of the sky; give more than 0 and at most 41253 deg2")
    return covered

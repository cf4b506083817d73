"""Sky maps: what a HEALPix map must say about itself, and the same map on larger pixels.

A map is a Dataset with the variable ``sky``, or that variable alone: dims ``[stokes,] cells``, coordinate
``cell_ids`` in the NESTED scheme, NaN where nothing was observed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.band_by_band import each_band, has_bands
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

FACTS = ("frame", "polconv", "temperature_scale")
STOKES = ("I", "Q", "U", "V")
POLCONVS = ("COSMO", "IAU")
LARGEST_NSIDE = 8192
BLOCK = 4**11  # cells of a map on disk that are looked at in one go
LARGEST_KEPT = 512  # nside up to which the order of the cells is kept in memory: 25 MB
UNSEEN = 1.6375e30  # HEALPix writes -UNSEEN where nothing was observed; a change of sign of U turns it


def checked_nside(nside: int) -> int:
    """Return ``nside`` as an int if it is a power of two that fits in memory.

    Raises
    ------
    BadOption
        If it is not a power of two between 1 and 8192.

    Examples
    --------
    >>> checked_nside(32)
    32
    """
    whole = isinstance(nside, int | np.integer) and not isinstance(nside, bool)
    if not whole or not 1 <= nside <= LARGEST_NSIDE or int(nside) & (int(nside) - 1):
        raise BadOption(f"nside={nside!r} is not a power of two between 1 and {LARGEST_NSIDE}; give 32, 64, 128 …")
    return int(nside)


def cell_ids(nside: int) -> xr.DataArray:
    """Return the coordinate ``cell_ids`` of a whole sky in the NESTED scheme, dim ``cells``.

    Its attributes are those of xdggs and no more: with any other, xdggs does not decode it.

    Examples
    --------
    >>> cell_ids(2).sizes["cells"], cell_ids(2).attrs["level"]
    (48, 1)
    """
    nside = checked_nside(nside)
    attrs = {
        "grid_name": "healpix",
        "level": nside.bit_length() - 1,
        "indexing_scheme": "nested",
    }
    return xr.DataArray(np.arange(12 * nside**2), dims="cells", attrs=attrs, name="cell_ids")


def nside_of(array: xr.DataArray, what: str = "the map") -> int:
    """Return the nside that an array's ``cell_ids`` state.

    Raises
    ------
    WrongData
        If the array has no dim ``cells`` with NESTED ``cell_ids``.

    Examples
    --------
    >>> nside_of(cell_ids(8))
    8
    """
    ids = array.coords.get("cell_ids")
    if "uniq" in array.coords:
        raise WrongData(f"{what} is of several orders; bring it to one first: cmb.single_order(data, nside)")
    if "cells" not in array.dims or (ids is None and array.name != "cell_ids"):
        raise WrongData(f"{what} has dims {tuple(map(str, array.dims))}; it needs cells, with the coordinate cell_ids")
    attrs = array.attrs if ids is None else ids.attrs
    if attrs.get("indexing_scheme") != "nested" or "level" not in attrs:
        raise WrongData(
            f"the cell_ids of {what} say indexing_scheme={attrs.get('indexing_scheme')!r}, "
            f"level={attrs.get('level')!r}; they need 'nested' and the log2 of nside"
        )
    return checked_nside(2 ** int(attrs["level"]))


def whole_sky(array: xr.DataArray, *, fill: float = np.nan, what: str = "the map") -> xr.DataArray:
    """Return an array with every cell of the sky in NESTED order, ``cells`` last.

    Parameters
    ----------
    array : xarray.DataArray
        dim ``cells`` with ``cell_ids``; part of the sky, in any order.
    fill : float
        Value of the cells that the array does not have.
    what : str
        What it is, for messages.

    Raises
    ------
    WrongData
        If an id is twice there or not of this nside.

    Examples
    --------
    >>> part = cell_ids(1).isel(cells=[3, 1]).astype(float)
    >>> whole_sky(part.assign_coords(cell_ids=part.astype(int).assign_attrs(part.attrs))).values[:4]
    array([nan,  1., nan,  3.])
    """
    nside = nside_of(array, what)
    array = array.transpose(..., "cells")
    if _is_whole(array["cell_ids"].variable, 12 * nside**2):
        return array
    ids = np.asarray(array["cell_ids"].values)
    if ids.dtype.kind not in "iu":
        raise WrongData(
            f"the cell_ids of {what} are {ids.dtype}, not whole numbers; use .astype(int), keep their attrs"
        )
    everywhere = cell_ids(nside)
    if ids.size and (ids.min() < 0 or ids.max() >= everywhere.size or np.unique(ids).size != ids.size):
        raise WrongData(f"{what} has cell_ids that are repeated or not of nside {nside}")
    values = np.full((*array.shape[:-1], everywhere.size), fill, dtype=np.result_type(array.dtype, np.float32))
    values[..., ids] = array.values
    kept = {name: c for name, c in array.coords.items() if "cells" not in c.dims}
    everywhere.attrs = {**everywhere.attrs, **array["cell_ids"].attrs}
    return xr.DataArray(values, dims=array.dims, coords={**kept, "cell_ids": everywhere}, attrs=array.attrs)


def _is_whole(ids: xr.Variable, cells: int) -> bool:
    """Whether ids are 0, 1, 2 … up to all cells; looked at part by part, for they may be on disk."""
    if ids.size != cells or ids.dtype.kind not in "iu":
        return False
    for start in range(0, cells, BLOCK):
        part = ids[start : start + BLOCK].values
        if part[0] != start or part[-1] != start + part.size - 1 or not (part[1:] > part[:-1]).all():
            return False
    return True


def sky_array(sky: xr.Dataset | xr.DataArray, *, needs: str = "", what: str = "the map") -> xr.DataArray:
    """Return a map's array, whole sky, with the facts of its Dataset in its own attrs.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map: variable ``sky``, or that variable.
    needs : str
        Stokes parameters that must be there, for example ``"QU"``.
    what : str
        What it is, for messages.

    Returns
    -------
    xarray.DataArray
        dims ``stokes, cells``; attrs ``units``, ``frame``, ``polconv``, ``temperature_scale`` as far as
        stated, and ``synthetic`` if the map is.

    Raises
    ------
    WrongData
        If it is no map, has several frequencies or lacks a Stokes parameter.
    WrongFrame
        If it holds Q or U and does not say in which convention.

    Examples
    --------
    >>> ones = xr.DataArray(np.ones((1, 12)), dims=("stokes", "cells"), attrs={"units": "K"},
    ...                     coords={"stokes": ["I"], "cell_ids": cell_ids(1)})
    >>> sky_array(xr.Dataset({"sky": ones}, attrs={"frame": "galactic"})).attrs["frame"]
    'galactic'
    """
    if isinstance(sky, xr.Dataset):
        if "sky" not in sky.data_vars:
            raise WrongData(f"{what} has no variable 'sky'; it has {', '.join(map(str, sky.data_vars)) or 'none'}")
        array = sky["sky"]
        _refuse_contradiction(sky, array, what)
        facts = {k: sky.attrs[k] for k in FACTS if k in sky.attrs} | array.attrs
        array = array.assign_attrs(facts | synthetic_attrs(sky, array))
    elif isinstance(sky, xr.DataArray):
        array = sky
    else:
        raise WrongData(f"{what} is a {type(sky).__name__}; give a map: a Dataset with 'sky', or its DataArray")
    if "frequency" in array.dims:
        if array.sizes["frequency"] != 1:
            raise WrongData(f"{what} holds {array.sizes['frequency']} frequencies; choose one with isel(frequency=0)")
        array = array.isel(frequency=0)
    if "stokes" not in array.coords:
        raise WrongData(f"{what} has no coordinate stokes, so what it holds is not known; give it 'I', 'Q', 'U'")
    if "stokes" not in array.dims:
        array = array.expand_dims("stokes")
    held = [str(label) for label in array["stokes"].values]
    if strange := [label for label in held if label not in STOKES]:
        hint = "; T is 'I' here: assign_coords(stokes=['I', …])" if "T" in strange else ""
        raise WrongData(f"{what} holds Stokes {', '.join(strange)}, which are none of {', '.join(STOKES)}{hint}")
    if len(set(held)) < len(held):
        raise WrongData(f"{what} holds Stokes {', '.join(held)}: one of them twice; choose with isel(stokes=…)")
    if missing := [label for label in needs if label not in held]:
        raise WrongData(f"{what} lacks Stokes {', '.join(missing)}; it has {', '.join(held)}")
    if {"Q", "U"} & set(held) and array.attrs.get("polconv") not in POLCONVS:
        raise WrongFrame(
            f"{what} holds Stokes {', '.join(held)} but says polconv={array.attrs.get('polconv')!r}; "
            "give the Dataset that says it, or set attrs['polconv'] to 'COSMO' or 'IAU'"
        )
    if extra := set(array.dims) - {"stokes", "cells"}:
        raise WrongData(f"{what} has the dims {sorted(map(str, extra))} besides stokes and cells; choose one of each")
    return whole_sky(array, what=what).transpose("stokes", "cells")


def _refuse_contradiction(sky: xr.Dataset, array: xr.DataArray, what: str) -> None:
    """Refuse a Dataset that says one thing of its map and the map's variable another."""
    for name in FACTS:
        told, own = sky.attrs.get(name), array.attrs.get(name)
        if told is not None and own is not None and str(told).lower() != str(own).lower():
            raise WrongFrame(
                f"{what} says {name}={told!r}, its variable 'sky' {name}={own!r}; "
                f"make them one: del sky.sky.attrs[{name!r}], if the first is right"
            )


def u_sign(array: xr.DataArray) -> int:
    """Return the factor that brings U to COSMO, the convention of the transforms: -1 for an IAU map.

    Examples
    --------
    >>> u_sign(xr.DataArray(attrs={"polconv": "IAU"}))
    -1
    """
    return -1 if array.attrs.get("polconv") == "IAU" else 1


def seen(values: NDArray) -> NDArray[np.bool_]:
    """Return where values are measurements: neither NaN, nor infinite, nor the number that HEALPix calls UNSEEN.

    Examples
    --------
    >>> seen(np.array([1.0, np.nan, np.inf, -1.6375e30])).tolist()
    [True, False, False, False]
    """
    values = np.asarray(values, dtype=float)
    return np.isfinite(values) & ~np.isclose(np.abs(values), UNSEEN, rtol=1e-6, atol=0)


def measured(array: xr.DataArray, what: str = "the map") -> NDArray[np.float64]:
    """Return a map's values; NaN says that nothing was observed, and nothing else may say so.

    Raises
    ------
    WrongData
        If a value is infinite or HEALPix's UNSEEN: a number to any arithmetic, and no measurement.

    Examples
    --------
    >>> measured(xr.DataArray([1.0, np.nan]))
    array([ 1., nan])
    """
    values = np.asarray(array.values, dtype=float)
    if wrong := int((~seen(values) & ~np.isnan(values)).sum()):
        raise WrongData(
            f"{wrong} of {values.size} values of {what} are infinite or UNSEEN (-1.6375e30), which is no measurement; "
            "leave them out: sky.assign(sky=sky.sky.where(cmb.observed_mask(sky)))"
        )
    return values


def ring_order(nside: int) -> NDArray[np.int64]:
    """Return the NESTED id of each cell in RING order: ``nested[ring_order(nside)]`` is in RING order.

    Examples
    --------
    >>> ring_order(1)
    array([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11])
    """
    return _kept_ring_order(nside) if nside <= LARGEST_KEPT else _ring_order(nside)


@lru_cache(maxsize=3)
def _kept_ring_order(nside: int) -> NDArray[np.int64]:
    order = _ring_order(nside)
    order.setflags(write=False)
    return order


def _ring_order(nside: int) -> NDArray[np.int64]:
    import ducc0

    return ducc0.healpix.Healpix_Base(nside, "RING").ring2nest(np.arange(12 * nside**2))


def held_stokes(array: xr.DataArray, done: str) -> list[str]:
    """Return the Stokes labels of a map, in which Q and U come together.

    Raises
    ------
    WrongData
        If it has only one of them.

    Examples
    --------
    >>> held_stokes(xr.DataArray([1.0], dims="stokes", coords={"stokes": ["I"]}), "averaged")
    ['I']
    """
    held = [str(label) for label in array["stokes"].values]
    if len({"Q", "U"} & set(held)) == 1:
        raise WrongData(f"the map has Stokes {', '.join(held)}; Q and U can be {done} only together")
    return held


def degraded(
    sky: xr.Dataset | xr.DataArray,
    nside: int,
    *,
    method: str = "pixels",
    least: float = 0.0,
    lmax: int | None = None,
    beam: Angle | xr.DataArray | None = None,
    new_beam: Angle | xr.DataArray | None = None,
    pixels: bool = True,
) -> xr.Dataset:
    r"""Return a map on larger HEALPix pixels.

    ``method="pixels"``: each new pixel is the mean of the observed pixels inside it. Q and U refer to the local
    meridian, so they are first carried along the great circle to the new pixel's centre (parallel transport); a
    plain mean would mix directions, most of all near the poles. What the map has beyond the new pixels' multipoles
    is aliased into them, and E into B; smooth first where that matters, or take ``method="harmonic"``: the
    coefficients up to ``lmax``, times the ratio of the new pixels' window to the old ones', and of the beams.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``[frequency,] stokes, cells``, any unit.
    nside : int
        Power of two, not larger than the map's.
    method : {"pixels", "harmonic"}, optional
        The harmonic one needs the whole sky.
    least : float, optional
        Fraction of the pixels inside a new one that must have been observed, from 0 (one of them is enough) to 1
        (all); of ``"pixels"``.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1`` of the new pixels, ``2 nside`` if left out; of ``"harmonic"``, as
        all that follow.
    beam, new_beam : angle or xarray.DataArray, optional
        Of the map and of the result, as for :func:`beam_window`; both or neither. The new one must be the wider.
    pixels : bool, optional
        Whether the map's values are means over its pixels and the result's are to be such, too.

    Returns
    -------
    xarray.Dataset
        Variable ``sky``, dims ``[frequency,] stokes, cells``; NaN where no pixel was observed. Of several bands also
        ``beam``, and ``depth`` after ``"pixels"`` of white noise that is the same everywhere.

    Raises
    ------
    BadOption
        If ``nside`` is not a power of two or larger than the map's, the method is unknown, or an option is not of it.
    WrongData
        If the map has only one of Q and U, holds infinities or UNSEEN, or is no map.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976 (the NESTED scheme, pixel windows).

    Examples
    --------
    >>> ones = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"), attrs={"units": "K"},
    ...                     coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> degraded(ones, 1).sky.sizes["cells"]
    12
    """
    from analysis.cmb.resampling import cell_means, through_harmonics

    if has_bands(sky):
        options: dict = {"method": method, "least": least, "lmax": lmax, "beam": beam, "new_beam": new_beam}
        keep = ["beam", "depth"] if method == "pixels" else ["beam"] if new_beam is None else []
        return each_band(sky, lambda band: degraded(band, nside, pixels=pixels, **options), keep=keep)
    array = sky_array(sky)
    fine, nside = nside_of(array), checked_nside(nside)
    if nside > fine:
        raise BadOption(f"nside={nside} is finer than the map's {fine}; a map holds no detail below its own pixels")
    _refuse_foreign(method, least, {"lmax": lmax, "beam": beam, "new_beam": new_beam}, pixels)
    if method == "harmonic":
        return through_harmonics(sky, nside, lmax=lmax, beam=beam, new_beam=new_beam, pixels=pixels)
    held_stokes(array, "averaged")
    coords = {"stokes": array["stokes"], "cell_ids": cell_ids(nside)}
    result = cell_means(array, nside, least)
    new = xr.DataArray(result, dims=("stokes", "cells"), coords=coords, attrs=array.attrs, name="sky")
    return means_told(map_dataset(new), sky, array, least=least)


def means_told(made: xr.Dataset, sky: xr.Dataset | xr.DataArray, array: xr.DataArray, *, least: float) -> xr.Dataset:
    """Return means over the cells of ``array``, which is that of ``sky``, stamped with what was done.

    Examples
    --------
    >>> from analysis.cmb import fetch
    >>> sky = fetch("wmap7_w_iqu")
    >>> means_told(sky, sky, sky_array(sky), least=0).attrs["history"].splitlines()[-1]
    'cmb.degraded(nside=32): mean over observed cells of nside 32, Q and U transported'
    """
    fine, nside = nside_of(array), nside_of(made["sky"])
    rule = f" (at least {least:g} of them)" if least else ""
    step = f"cmb.degraded(nside={nside}): mean over observed cells of nside {fine}{rule}, Q and U transported"
    title = f"{sky.attrs.get('title', 'Sky map')}, nside {nside}"
    return derived(made, sky, title=title, step=step, also=[array])


def _refuse_foreign(method: str, least: float, harmonic: dict[str, object], pixels: bool) -> None:
    """Refuse an unknown method, and options that are of the other one."""
    if method not in ("pixels", "harmonic"):
        raise BadOption(f"method={method!r} is unknown; give 'pixels' (means over cells) or 'harmonic'")
    number = isinstance(least, int | float | np.number) and not isinstance(least, bool)
    if not number or not 0 <= least <= 1:
        raise BadOption(f"least={least!r} is not a fraction from 0 to 1")
    given = [name for name, value in harmonic.items() if value is not None] + ([] if pixels else ["pixels"])
    if method == "pixels" and given:
        raise BadOption(f"{', '.join(given)}: only with method='harmonic'; means over cells have no such option")
    if method == "harmonic" and least:
        raise BadOption("least= is of method='pixels'; the harmonic one needs the whole sky")


def map_dataset(array: xr.DataArray) -> xr.Dataset:
    """Return a map's array as a Dataset, its facts as global attributes, with ``mask`` if cells are unknown.

    Examples
    --------
    >>> one = xr.DataArray([[1.0, np.nan]], dims=("stokes", "cells"), name="sky", attrs={"frame": "galactic"})
    >>> map_dataset(one).mask.values
    array([ True, False])
    """
    dataset = facts_moved(array)
    observed = ~np.isnan(array.values).any(axis=0)
    if not observed.all():
        dataset["mask"] = ("cells", observed, {"units": "1", "long_name": "Observed (True) or not"})
    return dataset


def facts_moved(array: xr.DataArray) -> xr.Dataset:
    """Return a map's array as a Dataset, its facts as global attributes; no value is looked at.

    Examples
    --------
    >>> facts_moved(xr.DataArray([[1.0]], dims=("stokes", "cells"), attrs={"frame": "icrs"})).attrs
    {'frame': 'icrs'}
    """
    facts = {k: array.attrs[k] for k in FACTS if k in array.attrs}
    dataset = array.assign_attrs().to_dataset(name="sky").assign_attrs(facts)
    dataset["sky"].attrs = {k: v for k, v in array.attrs.items() if k not in FACTS}
    return dataset


def labelled_map(values: NDArray, like: xr.DataArray, name: str, *, units: str, long_name: str) -> xr.DataArray:
    """Return one value a cell as a labelled array on the cells of another, synthetic if that one is.

    Examples
    --------
    >>> ids = cell_ids(1)
    >>> one = xr.DataArray(np.ones(12), dims="cells", coords={"cell_ids": ids}, attrs={"frame": "galactic"})
    >>> labelled_map(one.values, one, "two", units="1", long_name="Two").attrs["frame"]
    'galactic'
    """
    facts = {k: like.attrs[k] for k in FACTS if k in like.attrs} | synthetic_attrs(like)
    array = xr.DataArray(values, dims="cells", coords={"cell_ids": like["cell_ids"]})
    return labelled(array, name, units=units, long_name=long_name, attrs=facts)

r"""Spherical harmonic coefficients as labelled data: of maps, of theories, rotated, and back to maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.beams import beam_window, pixel_window
from analysis.cmb.estimators import HEALPIX
from analysis.cmb.fields import field_alms
from analysis.cmb.harmonics import (
    alm_to_tolerance,
    checked_iterations,
    checked_lmax,
    in_nested_order,
    in_ring_order,
    map_from_alm,
    multipoles,
)
from analysis.cmb.maps import FACTS, cell_ids, checked_nside, map_dataset, nside_of, sky_array
from analysis.cmb.masks import Mask, mask_told, weights_for
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

REINECKE = "Reinecke & Seljebotn 2013, A&A 554, A112, doi:10.1051/0004-6361/201321494"


def harmonic_coefficients(
    sky: xr.Dataset | xr.DataArray,
    *,
    mask: Mask | None = None,
    lmax: int | None = None,
    iterations: int = 3,
    ring_weights: bool = False,
    tolerance: float | None = None,
) -> xr.Dataset:
    r"""Return the coefficients :math:`a_{\ell m}` of a map: T, E and B, in the signs of HEALPix.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``stokes, cells``: I, or Q and U, or all three; any unit.
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights from 0 to 1 that multiply the map; without it every cell must have been observed.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1``; ``2 nside`` if left out.
    iterations : int, optional
        Jacobi iterations of the analysis; 0 is the plain sum over cells.
    ring_weights : bool
        Weigh each ring by a factor near 1 that makes sums over cells better integrals: ``iterations=2`` is then
        about as exact as 3 without (5 transforms, not 7) for maps without power above ``lmax``.
    tolerance : float, optional
        Fit the coefficients by least squares instead, until a step changes less than this (1e-10: as good as the
        map's own band limit).

    Returns
    -------
    xarray.Dataset
        ``coefficients``, complex, dims ``field, alm`` with coordinates ``ell`` and ``m`` (m ≥ 0, as HEALPix
        orders them), in the units of the map. attrs: ``lmax``, ``frame``, ``polconv`` (in IAU, B has
        the other sign than in COSMO).

    Raises
    ------
    BadOption
        If an option is out of range, or the tolerance is not reached.
    WrongData, WrongFrame
        As for :func:`power_spectra`.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976; Reinecke & Seljebotn 2013, A&A 554, A112,
    doi:10.1051/0004-6361/201321494 (the transform).

    Examples
    --------
    >>> sky = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"), attrs={"units": "uK", "frame": "galactic"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> round(complex(harmonic_coefficients(sky, lmax=2, iterations=0).coefficients[0, 0]).real, 9)
    3.544907702
    """
    array = sky_array(sky)
    nside = nside_of(array)
    lmax, iterations = checked_lmax(lmax, nside), checked_iterations(iterations)
    weights = weights_for(array, mask)
    if tolerance is None:
        options: dict = {"iterations": iterations, "ring_weights": ring_weights}
        alms = field_alms(array, weights, lmax=lmax, keep_monopole=True, **options)
        told = f"iterations={iterations}" + (", ring_weights=True" if ring_weights else "")
    else:
        alms, told = _to_tolerance(array, weights, lmax, tolerance)
    facts = {k: array.attrs[k] for k in FACTS if k in array.attrs} | synthetic_attrs(sky, mask)
    made = alm_dataset(np.stack(list(alms.values())), "".join(alms), lmax, units_of(array), facts)
    step = f"cmb.harmonic_coefficients(lmax={lmax}, {told}): {mask_told(mask, weights)}"
    title = f"Harmonic coefficients of {sky.attrs.get('title', 'a map')}"
    also = [] if mask is None else [mask]
    return check(derived(made, sky, title=title, step=step, references=[HEALPIX, REINECKE], also=also))


def _to_tolerance(array: xr.DataArray, weights: NDArray, lmax: int, tolerance: float) -> tuple[dict[str, NDArray], str]:
    """Coefficients by least squares, the field's B in the map's own convention."""
    if not isinstance(tolerance, float) or not 1e-15 <= tolerance < 1:
        raise BadOption(f"tolerance={tolerance!r} is not a number from 1e-15 to below 1, for example 1e-10")
    nside = nside_of(array)
    field_alms(array, weights, lmax=2, iterations=0)  # refuses what has no coefficients
    values = in_ring_order(np.where(weights > 0, np.asarray(array.values, dtype=float) * weights, 0))
    planes = dict(zip(map(str, array["stokes"].values), values, strict=True))
    sign = -1 if array.attrs.get("polconv") == "IAU" else 1
    found: dict[str, NDArray] = {}
    told = []
    for fields, parts in (("T", ["I"]), ("EB", ["Q", "U"])):
        if parts[0] in planes:
            given = np.stack([planes[part] * (sign if part == "U" else 1) for part in parts])
            alm, steps, left = alm_to_tolerance(given, nside=nside, lmax=lmax, tolerance=tolerance)
            found |= {field: alm[row] * (sign if field == "B" else 1) for row, field in enumerate(fields)}
            told.append(f"{fields} {steps} steps, {left:.1e} of the map left")
    return found, f"tolerance={tolerance:g} ({'; '.join(told)})"


def alm_dataset(values: NDArray, fields: str, lmax: int, units: str, attrs: dict) -> xr.Dataset:
    """Return coefficients, shape ([realization,] field, alm), as a Dataset.

    Examples
    --------
    >>> alm_dataset(np.zeros((1, 3), dtype=complex), "T", 1, "uK", {"frame": "galactic"}).coefficients.dims
    ('field', 'alm')
    """
    ell, m = multipoles(lmax)
    coords = {
        "field": xr.DataArray(list(fields), dims="field", attrs={"long_name": "Field"}),
        "ell": ("alm", ell.copy(), {"units": "1", "long_name": "Multipole ℓ"}),
        "m": ("alm", m.copy(), {"units": "1", "long_name": "Order m"}),
    }
    dims: tuple[str, ...] = ("field", "alm")
    if values.ndim == 3:
        number = np.arange(len(values))
        coords["realization"] = ("realization", number, {"units": "1", "long_name": "Realization"})
        dims = ("realization", *dims)
    array = xr.DataArray(values, dims=dims, coords=coords)
    array = labelled(array, "coefficients", units=units, long_name="Harmonic coefficients a_ℓm", attrs=attrs)
    return array.to_dataset().assign_attrs(attrs | {"lmax": lmax})


def alm_of(coefficients: xr.Dataset) -> tuple[xr.DataArray, int]:
    """Return the array of coefficients and its lmax.

    Raises
    ------
    WrongData
        If they are none, hold NaN, or are not a whole set in order.

    Examples
    --------
    >>> alm_of(alm_dataset(np.zeros((1, 3), dtype=complex), "T", 1, "uK", {}))[1]
    1
    """
    if not isinstance(coefficients, xr.Dataset) or "coefficients" not in coefficients.data_vars:
        raise WrongData("the coefficients are no Dataset with 'coefficients'; give what harmonic_coefficients returns")
    array = coefficients["coefficients"]
    if set(array.dims) - {"realization", "field", "alm"} or not {"ell", "m", "field"} <= set(array.coords):
        raise WrongData(f"they have dims {tuple(map(str, array.dims))}; they need field, alm, with ell and m")
    lmax = int(array["ell"].max())
    ell, m = multipoles(lmax)
    if not (np.array_equal(array["ell"].values, ell) and np.array_equal(array["m"].values, m)):
        raise WrongData(
            f"ell and m are not those of a whole set up to ell={lmax}, m by m; nothing may be cut out of it"
        )
    if not np.isfinite(array.values).all():
        raise WrongData("the coefficients hold NaN or infinities")
    return array.transpose("realization", "field", "alm", missing_dims="ignore"), lmax


def synthesized(
    coefficients: xr.Dataset,
    *,
    nside: int,
    beam: Angle | xr.DataArray | None = None,
    pixels: bool = False,
) -> xr.Dataset:
    r"""Return the map of coefficients, smoothed by a beam and by its pixels if asked.

    Parameters
    ----------
    coefficients : xarray.Dataset
        What :func:`harmonic_coefficients` or :func:`random_coefficients` returns: T gives I, E and B give Q and U;
        dim ``realization`` too.
    nside : int
        Power of two. Multipoles beyond ``3 nside - 1`` are refused.
    beam : angle or xarray.DataArray, optional
        As for :func:`beam_window`.
    pixels : bool
        Multiply by the pixel window: values are means over cells, as those of a telescope's map, not at their centres.

    Returns
    -------
    xarray.Dataset
        ``sky``, dims ``[realization,] stokes, cells``, in the units and convention of the coefficients.

    Raises
    ------
    BadOption
        If ``nside`` does not hold their multipoles or is no power of two.
    WrongData
        If they are no coefficients, or have only one of E and B.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976; Reinecke & Seljebotn 2013, A&A 554, A112,
    doi:10.1051/0004-6361/201321494 (the transform).

    Examples
    --------
    >>> from analysis.cmb import fetch, random_coefficients
    >>> sky = synthesized(random_coefficients(fetch("planck2018_lcdm"), lmax=16, seed=1), nside=8, beam="10 deg")
    >>> sky.sky.dims, sky.stokes.values.tolist(), sky.attrs["synthetic"]
    (('stokes', 'cells'), ['I', 'Q', 'U'], 'true')
    """
    array, lmax = alm_of(coefficients)
    nside = checked_nside(nside)
    if lmax > 3 * nside - 1:
        raise BadOption(
            f"the coefficients go to ell={lmax}, pixels of nside {nside} hold {3 * nside - 1}; give a larger"
        )
    held = [str(field) for field in array["field"].values]
    if len({"E", "B"} & set(held)) == 1:
        raise WrongData(f"the coefficients are of {', '.join(held)}; Q and U need E and B, be one of them zero")
    facts = {k: coefficients.attrs.get(k, array.attrs.get(k)) for k in FACTS}
    window = np.ones((3, lmax + 1))
    if beam is not None:
        window = window * beam_window(beam, lmax=lmax).values
    if pixels:
        window = window * pixel_window(nside, lmax=lmax).values
    sign = -1 if facts["polconv"] == "IAU" else 1
    factors = {"T": window[0], "E": window[1], "B": sign * window[2]}
    values = array.values.reshape(-1, len(held), array.shape[-1])
    planes = dict(zip(held, np.moveaxis(values, 1, 0), strict=True))
    ell = multipoles(lmax)[0]
    stokes: dict[str, NDArray] = {}
    for fields, labels in (("T", "I"), ("EB", "QU")):
        if fields[0] in planes:
            given = np.stack([planes[field] * factors[field][ell] for field in fields], axis=1)
            made = np.stack([map_from_alm(alm, nside=nside, lmax=lmax) for alm in given])
            stokes |= {label: made[:, row] for row, label in enumerate(labels)}
    if "U" in stokes:
        stokes["U"] = sign * stokes["U"]
    nested = in_nested_order(np.concatenate(list(stokes.values()))).reshape(len(stokes), len(values), -1).swapaxes(0, 1)
    coords = {
        "stokes": xr.DataArray(list(stokes), dims="stokes", attrs={"long_name": "Stokes parameter"}),
        "cell_ids": cell_ids(nside),
    }
    dims: tuple[str, ...] = ("stokes", "cells")
    if "realization" in array.dims:
        dims, coords["realization"] = ("realization", *dims), array["realization"]
    else:
        nested = nested[0]
    attrs = {"units": units_of(array), "long_name": "Stokes parameters"} | {k: v for k, v in facts.items() if v}
    new = xr.DataArray(nested, dims=dims, coords=coords, attrs=attrs | synthetic_attrs(coefficients), name="sky")
    smooth = [*(["the beam"] if beam is not None else []), *(["pixels"] if pixels else [])]
    step = f"cmb.synthesized(nside={nside}): smoothed by {' and '.join(smooth) or 'nothing'}"
    title = str(coefficients.attrs.get("title", "coefficients")).replace("Harmonic coefficients of", "Map of")
    made_of = map_dataset(new).assign_attrs(synthetic_attrs(coefficients))
    also = [beam] if isinstance(beam, xr.DataArray) else []
    return derived(made_of, coefficients, title=title, step=step, references=[HEALPIX, REINECKE], also=also)

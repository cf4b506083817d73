"""Maps made through harmonic space: smoothing by a beam, and E and B modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.band_by_band import each_band, has_bands
from analysis.cmb.fields import field_alms
from analysis.cmb.harmonics import (
    alm_from_map,
    checked_iterations,
    checked_lmax,
    in_nested_order,
    in_ring_order,
    map_from_alm,
    multipoles,
)
from analysis.cmb.maps import (
    FACTS,
    labelled_map,
    map_dataset,
    nside_of,
    sky_array,
    u_sign,
)
from analysis.cmb.masks import Mask, mask_told, weights_for
from analysis.cmb.origins import source_attrs, synthetic_attrs
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

NOTHING = 1e-20  # of a beam: what is multiplied by it does not show in a map of 16 digits


def eb_maps(
    sky: xr.Dataset | xr.DataArray, *, mask: Mask | None = None, lmax: int | None = None, iterations: int = 3
) -> xr.Dataset:
    r"""Return the scalar maps of E and B modes, :math:`E = \sum a^E_{\ell m} Y_{\ell m}` and B likewise.

    A mask mixes E into B near its edges; nothing is purified here. Its weights multiply Q and U and are not
    divided out afterwards. In the IAU convention B has the other sign.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map with Q and U, dims ``[frequency,] stokes, cells``, any unit.
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights from 0 to 1; without it every cell must have been observed.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1``; ``2 nside`` if left out.
    iterations : int, optional
        Jacobi iterations of the harmonic analysis.

    Returns
    -------
    xarray.Dataset
        ``e_modes`` and ``b_modes``, dims ``[frequency,] cells``, in the units of the map; NaN where the mask is 0.

    Raises
    ------
    BadOption
        If ``lmax`` or ``iterations`` is out of range.
    WrongData, WrongFrame
        If Q, U or ``polconv`` is missing, a kept cell was not observed, or the mask does not fit.

    References
    ----------
    Zaldarriaga & Seljak 1997, PRD 55, 1830, doi:10.1103/PhysRevD.55.1830; signs as in HEALPix.

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.zeros((2, 48)), dims=("stokes", "cells"),
    ...                    coords={"stokes": ["Q", "U"], "cell_ids": cell_ids(2)},
    ...                    attrs={"units": "uK", "polconv": "COSMO"})
    >>> float(abs(eb_maps(sky).b_modes).max())
    0.0
    """
    if has_bands(sky):
        options: dict = {"mask": mask, "lmax": lmax, "iterations": iterations}
        return each_band(sky, lambda band: eb_maps(band, **options), keep=["beam"])
    array = sky_array(sky, needs="QU")
    nside = nside_of(array)
    lmax, iterations = checked_lmax(lmax, nside), checked_iterations(iterations)
    array = array.sel(stokes=["Q", "U"])
    weights = weights_for(array, mask)
    alms = field_alms(array, weights, lmax=lmax, iterations=iterations)
    maps = {}
    for name in ("E", "B"):
        values = in_nested_order(map_from_alm(alms[name][None], nside=nside, lmax=lmax))[0]
        values[weights == 0] = np.nan
        modes = labelled_map(values, array, f"{name.lower()}_modes", units=units_of(array), long_name=f"{name} modes")
        origin = source_attrs(sky, f"{name} modes of {{}}") | synthetic_attrs(mask)
        maps[f"{name.lower()}_modes"] = modes.assign_attrs(origin)
    step = f"cmb.eb_maps(lmax={lmax}, iterations={iterations}): {_masked(mask, weights)}"
    facts = {k: array.attrs[k] for k in FACTS if k in array.attrs} | synthetic_attrs(sky, mask)
    also = [] if mask is None else [mask]
    return derived(xr.Dataset(maps, attrs=facts), sky, title=f"E and B modes of {_title(sky)}", step=step, also=also)


def smoothed(
    sky: xr.Dataset | xr.DataArray,
    *,
    fwhm: Angle,
    mask: Mask | None = None,
    lmax: int | None = None,
    iterations: int = 3,
    ring_weights: bool = False,
) -> xr.Dataset:
    r"""Return a map smoothed by a Gaussian beam.

    I by :math:`b_\ell = e^{-\ell(\ell+1)\sigma^2/2}`, Q and U by the beam of spin 2,
    :math:`e^{-(\ell(\ell+1)-4)\sigma^2/2}`, with :math:`\sigma = \mathrm{FWHM}/\sqrt{8\ln 2}`. Cells that a
    mask leaves out count as zero, so values near its edge are pulled towards zero; weights between 0 and 1
    multiply the map and are not divided out afterwards. Multipoles above ``lmax`` are cut off.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``[frequency,] stokes, cells``, any unit.
    fwhm : float, str, astropy.units.Quantity or xarray.DataArray
        Full width at half maximum of the beam; a number is degrees, text has a unit (``"30 arcmin"``), and an
        array too (a beam of ``fetch("litebird_channels")``).
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights from 0 to 1; without it every cell must have been observed.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1``; ``2 nside`` if left out.
    iterations : int, optional
        Jacobi iterations of the harmonic analysis.

    ring_weights : bool
        Weigh each ring by a factor near 1 that makes sums over cells better integrals: ``iterations=2`` is then
        about as exact as 3 without (5 transforms, not 7) for maps without power above ``lmax``. Off, the numbers
        are those of HEALPix.

    Returns
    -------
    xarray.Dataset
        ``sky``, dims ``[frequency,] stokes, cells``, in the units of the map; NaN where the mask is 0. Of several bands
        also ``beam``, the root of the squares' sum; no ``depth``, since noise is not white any more.

    Raises
    ------
    BadOption
        If ``fwhm`` is negative or no angle, or ``lmax`` or ``iterations`` is out of range.
    WrongData, WrongFrame
        If the map has only one of Q and U, a kept cell was not observed, or the mask does not fit.

    References
    ----------
    Challinor et al. 2000, PRD 62, 123002, doi:10.1103/PhysRevD.62.123002 (beams of polarization).

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.ones((1, 192)), dims=("stokes", "cells"), attrs={"units": "uK"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(4)})
    >>> round(float(smoothed(sky, fwhm=10).sky[0, 0]), 4)
    1.0
    """
    if has_bands(sky):
        made: dict = {"mask": mask, "lmax": lmax, "iterations": iterations, "ring_weights": ring_weights}
        result = each_band(sky, lambda band: smoothed(band, fwhm=fwhm, **made), keep=["beam"])
        return result if "beam" not in result else result.assign(beam=_wider(result["beam"], degrees(fwhm, "fwhm")))
    array = sky_array(sky)
    nside = nside_of(array)
    lmax, iterations = checked_lmax(lmax, nside), checked_iterations(iterations)
    width = degrees(fwhm, "fwhm")
    if width < 0:
        raise BadOption(
            f"fwhm={fwhm!r} is negative; give the beam's full width at half maximum, for example fwhm='5 deg'"
        )
    held = [str(label) for label in array["stokes"].values]
    if len({"Q", "U"} & set(held)) == 1:
        raise WrongData(f"the map has Stokes {', '.join(held)}; Q and U can be smoothed only together")
    weights = weights_for(array, mask)
    values = np.array(array.values, dtype=float)
    if mask is not None:
        values = np.where(weights > 0, values * weights, 0)
    if "U" in held:
        values[held.index("U")] *= u_sign(array)
    for labels in (["I"], ["V"], ["Q", "U"]):
        if labels[0] in held:
            rows = [held.index(label) for label in labels]
            options: dict = {"nside": nside, "lmax": lmax, "iterations": iterations, "ring_weights": ring_weights}
            values[rows] = _through_beam(alm_from_map(in_ring_order(values[rows]), **options), nside, lmax, width)
    if "U" in held:
        values[held.index("U")] *= u_sign(array)
    values[:, weights == 0] = np.nan
    attrs = array.attrs | synthetic_attrs(mask)
    new = map_dataset(xr.DataArray(values, dims=("stokes", "cells"), coords=array.coords, attrs=attrs, name="sky"))
    asked = f"lmax={lmax}, iterations={iterations}" + (", ring_weights=True" if ring_weights else "")
    step = f"cmb.smoothed(fwhm={width:g} deg, {asked}): {_masked(mask, weights)}"
    title, also = f"{_title(sky)}, smoothed to {width:g}°", [] if mask is None else [mask]
    return derived(new.assign_attrs(synthetic_attrs(array, mask)), sky, title=title, step=step, also=also)


def _wider(beam: xr.DataArray, width: float) -> xr.DataArray:
    """Beams after another one, Gaussian each, in the unit that they had."""
    told = str(beam.attrs.get("units", "deg"))
    own = in_units(beam, "deg")
    return in_units(own.copy(data=np.hypot(own.values, width)), told).assign_attrs(beam.attrs)


def _through_beam(alm: NDArray, nside: int, lmax: int, width: float) -> NDArray:
    """The map, NESTED, of coefficients times a beam, as far as that is not 0 beside rounding errors."""
    sigma = np.radians(width) / np.sqrt(8 * np.log(2))
    ell, spin = np.arange(lmax + 1), 2 * (len(alm) - 1)
    beam = np.exp(-(ell * (ell + 1) - spin**2) * sigma**2 / 2)
    top = max(int(np.flatnonzero(beam > NOTHING)[-1]), 2)
    each = multipoles(lmax)[0]
    return in_nested_order(map_from_alm((alm * beam[each])[:, each <= top], nside=nside, lmax=top))


def _masked(mask: Mask | None, weights: NDArray) -> str:
    return mask_told(mask, weights) + ("" if weights.all() else ", cells left out count as zero")


def _title(sky: xr.Dataset | xr.DataArray) -> str:
    return str(sky.attrs.get("title", "a map"))

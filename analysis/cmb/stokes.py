"""Stokes parameters cell by cell: polarized intensity, angle, conventions, spread."""

from __future__ import annotations

import re
from typing import TypeVar

import numpy as np
import xarray as xr

from analysis.cmb.maps import POLCONVS, labelled_map, measured, sky_array
from analysis.cmb.masks import Mask, weights_for
from analysis.cmb.origins import source_attrs, synthetic_attrs
from analysis.errors import BadOption, MissingUnits, WrongData
from analysis.model import history_with, labelled

Sky = TypeVar("Sky", xr.Dataset, xr.DataArray)
WITH_U = re.compile(r"(^|_)(iu|tu|qu|ui|ut|uq)(_|$)", re.IGNORECASE)  # covariances odd in U
SENSE = {"IAU": "north through east", "COSMO": "south through east"}


def units_of(array: xr.DataArray) -> str:
    """Return the unit that a map states.

    Raises
    ------
    MissingUnits
        If it states none.

    Examples
    --------
    >>> units_of(xr.DataArray(1.0, attrs={"units": "mK"}))
    'mK'
    """
    if not array.attrs.get("units"):
        raise MissingUnits("the map has no attrs['units']; set it to what astropy parses, for example 'uK'")
    return str(array.attrs["units"])


def polarized_intensity(sky: xr.Dataset | xr.DataArray) -> xr.DataArray:
    r"""Return polarized intensity, :math:`P = \sqrt{Q^2 + U^2}`.

    Noise adds in quadrature and never cancels: where the signal is weak against the noise σ of Q and U, P is
    biased high (pure noise gives :math:`\sigma\sqrt{\pi/2}` on average). Nothing is subtracted here.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map with Q and U, dims ``stokes, cells``, any unit.

    Returns
    -------
    xarray.DataArray
        dim ``cells``, in the units of the map. NaN where either was not observed. It names the map's source.

    Raises
    ------
    WrongData, WrongFrame, MissingUnits
        If Q or U, ``polconv`` or ``units`` is missing, or a value is infinite or UNSEEN.

    References
    ----------
    Simmons & Stewart 1985, A&A 142, 100 (the noise bias).

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.full((2, 12), [[3.0], [4.0]]), dims=("stokes", "cells"),
    ...                    coords={"stokes": ["Q", "U"], "cell_ids": cell_ids(1)},
    ...                    attrs={"units": "uK", "polconv": "COSMO"})
    >>> float(polarized_intensity(sky)[0])
    5.0
    """
    array = sky_array(sky, needs="QU")
    power = np.hypot(*(measured(array.sel(stokes=label)) for label in "QU"))
    name = "Polarized intensity P (noise bias kept)"
    result = labelled_map(power, array, "polarized_intensity", units=units_of(array), long_name=name)
    return result.assign_attrs(source_attrs(sky, "Polarized intensity of {}"))


def polarization_angle(sky: xr.Dataset | xr.DataArray, *, polconv: str | None = None) -> xr.DataArray:
    r"""Return the angle of linear polarization, :math:`\psi = \frac12\,\mathrm{atan2}(U, Q)`.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map with Q and U, dims ``stokes, cells``.
    polconv : {"COSMO", "IAU"}, optional
        Convention of the angle; that of the map if left out. IAU counts from north through east, COSMO
        (HEALPix) from south through east: :math:`\psi_{IAU} = 180° - \psi_{COSMO}`. The directions are those
        of the map's frame (Galactic north for a Galactic map).

    Returns
    -------
    xarray.DataArray
        dim ``cells``, degrees from 0 up to 180. NaN where not observed. It names the map's source.

    Raises
    ------
    BadOption
        If the convention is neither.
    WrongData, WrongFrame
        If Q, U or ``polconv`` is missing, or a value is infinite or UNSEEN.

    References
    ----------
    Hamaker & Bregman 1996, A&AS 117, 161, doi:10.1051/aas:1996147 (IAU); HEALPix primer, "Polarisation
    convention".

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.full((2, 12), [[0.0], [1.0]]), dims=("stokes", "cells"),
    ...                    coords={"stokes": ["Q", "U"], "cell_ids": cell_ids(1)},
    ...                    attrs={"units": "uK", "polconv": "COSMO"})
    >>> float(polarization_angle(sky)[0]), float(polarization_angle(sky, polconv="IAU")[0])
    (45.0, 135.0)
    """
    array = sky_array(sky, needs="QU")
    if polconv is not None and _checked_polconv(polconv) != array.attrs["polconv"]:
        array = _flipped(array, polconv)
    held = array.attrs["polconv"]
    q, u = (measured(array.sel(stokes=label)) for label in "QU")
    angle = np.mod(np.degrees(np.arctan2(u, q)) / 2, 180)
    name = f"Polarization angle, {SENSE[held]} ({held})"
    result = labelled_map(angle, array, "polarization_angle", units="deg", long_name=name)
    return result.assign_attrs(source_attrs(sky, "Polarization angle of {}"))


def to_polconv(sky: Sky, polconv: str) -> Sky:
    """Return a map with its polarization in the other convention: U changes its sign, Q does not.

    So do the covariances of U with I or Q that are beside the map (``iu_cov``, ``qu_cov``, ``qu`` and the like).

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map with U, dims ``[realization,] [frequency,] stokes, cells``.
    polconv : {"COSMO", "IAU"}
        The convention wanted; a map that has it already comes back as it is.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        As given, with ``polconv`` and history set.

    Raises
    ------
    BadOption
        If the convention is neither.
    WrongData, WrongFrame
        If the map has no U or does not say its convention.

    References
    ----------
    Hamaker & Bregman 1996, A&AS 117, 161, doi:10.1051/aas:1996147; HEALPix primer, "Polarisation convention".

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.ones((2, 12)), dims=("stokes", "cells"),
    ...                    coords={"stokes": ["Q", "U"], "cell_ids": cell_ids(1)},
    ...                    attrs={"units": "uK", "polconv": "COSMO"})
    >>> float(to_polconv(sky, "IAU").sel(stokes="U")[0])
    -1.0
    """
    first = {dim: 0 for dim in ("realization", "frequency") if dim in sky.dims}
    held = sky_array(sky.isel(first), needs="U").attrs["polconv"]
    _checked_polconv(polconv)
    if held == polconv:
        return sky
    if isinstance(sky, xr.DataArray):
        return _flipped(sky, polconv)
    mixed = [name for name in sky.data_vars if WITH_U.search(str(name))]
    turned = {name: (-sky[name]).assign_attrs(sky[name].attrs) for name in mixed}
    changed = sky.assign({"sky": _flipped(sky["sky"], polconv), **turned})
    changed.attrs = {**sky.attrs, "polconv": polconv}
    told = "".join(f", {name} too" for name in mixed)
    step = f"cmb.to_polconv({polconv!r}): U changed its sign ({held} before){told}"
    changed.attrs["history"] = history_with(sky, step)
    return changed


def _checked_polconv(polconv: str) -> str:
    if polconv not in POLCONVS:
        raise BadOption(f"polconv={polconv!r} is unknown; give 'COSMO' (HEALPix) or 'IAU'")
    return polconv


def _flipped(array: xr.DataArray, polconv: str) -> xr.DataArray:
    sign = xr.where(array["stokes"] == "U", -1, 1).astype(array.dtype if array.dtype.kind == "f" else int)
    return (array * sign).transpose(*array.dims).assign_attrs({**array.attrs, "polconv": polconv}).rename(array.name)


def standard_deviation(sky: xr.Dataset | xr.DataArray, *, mask: Mask | None = None) -> xr.DataArray:
    """Return the standard deviation over the kept cells for each Stokes parameter.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``stokes, cells``, any unit.
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights from 0 to 1; all observed cells if left out.

    Returns
    -------
    xarray.DataArray
        dim ``stokes``, in the units of the map; the weighted mean is taken off first, the divisor is the sum
        of weights.

    Raises
    ------
    WrongData, WrongFrame
        If the mask does not fit the map, or keeps cells that were not observed; without a mask, if a value is
        infinite or UNSEEN.

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray([[1.0, -1.0] * 6], dims=("stokes", "cells"), attrs={"units": "uK"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(1)})
    >>> float(standard_deviation(sky)[0])
    1.0
    """
    array = sky_array(sky)
    values = np.asarray(array.values, dtype=float)
    if mask is None:
        weights = (~np.isnan(measured(array))).astype(float)
        if not weights.any(axis=1).all():
            raise WrongData("a Stokes parameter of the map was observed in no cell at all")
    else:
        weights = np.broadcast_to(weights_for(array, mask), values.shape)
    values = np.where(weights > 0, values, 0)
    total = weights.sum(axis=1, keepdims=True)
    centred = values - (weights * values).sum(axis=1, keepdims=True) / total
    spread = np.sqrt((weights * centred**2).sum(axis=1) / total[:, 0])
    result = xr.DataArray(spread, dims="stokes", coords={"stokes": array["stokes"]})
    attrs = source_attrs(sky, "Standard deviation of {}") | synthetic_attrs(array, mask)
    name = "Standard deviation over the sky"
    return labelled(result, "standard_deviation", units=units_of(array), long_name=name, attrs=attrs)

"""Maps whose polarization is turned by an angle, one for the whole sky or one a band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.maps import POLCONVS
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import derived, in_units

if TYPE_CHECKING:
    from analysis.cmb.angles import Angle


def turned_polarization(sky: xr.Dataset, angle: Angle | xr.DataArray, *, polconv: str = "COSMO") -> xr.Dataset:
    r"""Return maps with all polarization turned by an angle: :math:`Q' + iU' = (Q + iU)\,e^{2i\psi}`.

    So does cosmic birefringence with the CMB, a detector that is mounted askew with all that it sees, and, with the
    sign changed, the correction of either. With it :math:`E' + iB' = (E + iB)\,e^{2i\psi}`.

    Parameters
    ----------
    sky : xarray.Dataset
        ``sky``, dims ``[realization,] [frequency,] stokes, cells``, with Q and U.
    angle : float, str, astropy.units.Quantity or xarray.DataArray
        By how much the polarization angle grows; degrees unless a unit is given. A DataArray may have the dim
        ``frequency`` (an angle a band, with the coordinate of the maps if it has one).
    polconv : {"COSMO", "IAU"}, optional
        In which sense the angle counts, whatever the maps' own convention: COSMO from south through east (clockwise
        on the sky is positive), IAU from north through east.

    Returns
    -------
    xarray.Dataset
        The maps, in the convention they had.

    Raises
    ------
    BadOption
        If the angle or the convention is none.
    WrongData
        If there is no Q or U, or the angles are not of these bands.
    WrongFrame
        If the maps do not say their ``polconv``, or the angle says another than ``polconv``.

    References
    ----------
    Feng et al. 2005, PLB 620, 27, doi:10.1016/j.physletb.2005.06.009; HEALPix primer, "Polarisation convention".

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("litebird", 4, seed=1)
    >>> turned = turned_polarization(sky, 45.0)  # Q' = -U, U' = Q
    >>> bool(np.allclose(turned.sky.sel(stokes="U"), sky.sky.sel(stokes="Q")))
    True
    """
    if polconv not in POLCONVS:
        raise BadOption(f"polconv={polconv!r} is unknown; give 'COSMO' (HEALPix) or 'IAU'")
    if not isinstance(sky, xr.Dataset) or "sky" not in sky.data_vars:
        raise WrongData("turned_polarization needs a Dataset with maps as 'sky', dims [frequency,] stokes, cells")
    array = sky["sky"]
    held = [str(label) for label in array["stokes"].values] if "stokes" in array.coords else []
    if not {"Q", "U"} <= set(held):
        raise WrongData(f"the map has Stokes {', '.join(held) or 'without labels'}; turning mixes Q and U: give both")
    own = array.attrs.get("polconv", sky.attrs.get("polconv"))
    if own not in POLCONVS:
        raise WrongFrame("the map does not say its polconv (COSMO or IAU), on which the sense of an angle hangs")
    if isinstance(angle, xr.DataArray) and angle.attrs.get("polconv", polconv) != polconv:
        raise WrongFrame(f"the angle counts in {angle.attrs['polconv']}, not in {polconv}; say polconv=")
    turn = np.radians(_angles(angle, array)) * (2 if own == polconv else -2)
    q, u = (array.sel(stokes=label, drop=True) for label in "QU")
    c, s = np.cos(turn), np.sin(turn)
    new = {"Q": q * c - u * s, "U": q * s + u * c}
    parts = [new[label] if label in new else array.sel(stokes=label, drop=True) for label in held]
    values = xr.concat(parts, "stokes", coords="minimal", compat="override").transpose(*array.dims)
    told = f"by {_told(angle, array)} ({polconv})"
    result = derived(
        sky.assign(sky=array.copy(data=values.data)),
        sky,
        title=f"{sky.attrs.get('title', 'Sky map')}, polarization turned",
        step=f"cmb.turned_polarization: {told}",
    )
    return result.assign_attrs(synthetic_attrs(sky))


def _angles(angle: Angle | xr.DataArray, array: xr.DataArray) -> xr.DataArray:
    """In degrees, one or one a band."""
    if not isinstance(angle, xr.DataArray) or not angle.dims:
        return xr.DataArray(degrees(angle, "angle"))
    if angle.dims != ("frequency",) or "frequency" not in array.dims:
        raise WrongData(f"the angle has dims {', '.join(map(str, angle.dims))}; one a band has the dim frequency")
    if angle.sizes["frequency"] != array.sizes["frequency"]:
        raise WrongData(f"there are {angle.size} angles for {array.sizes['frequency']} bands")
    if "frequency" in angle.coords and "frequency" in array.coords:
        ours, theirs = (np.asarray(in_units(part["frequency"], "GHz").values) for part in (array, angle))
        if not np.allclose(ours, theirs, rtol=1e-6):
            raise WrongData("the frequencies of the angles are not those of the maps, or in another order")
    values = np.asarray(in_units(angle, "deg").values, dtype=float)
    if not np.isfinite(values).all():
        raise BadOption("an angle is not finite")
    return xr.DataArray(values, dims="frequency")


def _told(angle: Angle | xr.DataArray, array: xr.DataArray) -> str:
    return ", ".join(f"{value:g}°" for value in np.atleast_1d(_angles(angle, array).values))

"""Temperature scales: thermodynamic and Rayleigh–Jeans temperature and intensity, at a frequency or over a band."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import xarray as xr

from analysis.cmb.channels import gigahertz
from analysis.errors import BadOption, WrongData, WrongUnits
from analysis.model import history_with, in_units, labelled, near

if TYPE_CHECKING:
    from astropy.units import Quantity
    from numpy.typing import NDArray

    Frequency: TypeAlias = float | str | Quantity | xr.DataArray

Sky = TypeVar("Sky", xr.Dataset, xr.DataArray)
T_CMB = 2.7255  # K, Fixsen 2009, ApJ 707, 916
SCALES = ("K_CMB", "K_RJ", "intensity")
H_OVER_K = 0.04799243073366221  # K per GHz: h/k of the SI of 2019
RJ = 0.030723583744807447  # MJy/sr per K and GHz²: 2k/c² × 1e38
IRAS_SLOPE = -1.0
SAME_BAND = 0.15  # relative: effective frequencies differ from nominal ones by less
HIGHEST = 3e4  # GHz, 10 µm: what is written in Hz lies far above


def rj_intensity(ghz: NDArray) -> NDArray:
    r"""Return :math:`2k\nu^2/c^2`, the intensity of 1 K_RJ, in MJy/sr.

    Examples
    --------
    >>> round(float(rj_intensity(np.array(353.0))), 1)
    3828.4
    """
    return RJ * np.asarray(ghz, dtype=float) ** 2


def cmb_intensity(ghz: NDArray) -> NDArray:
    r"""Return :math:`\partial B_\nu/\partial T` at 2.7255 K, the intensity of 1 K_CMB, in MJy/sr.

    Examples
    --------
    >>> round(float(cmb_intensity(np.array(217.0))), 2)
    483.64
    """
    x = H_OVER_K * np.asarray(ghz, dtype=float) / T_CMB
    return rj_intensity(ghz) * (x / (2 * np.sinh(x / 2))) ** 2


def checked_scale(scale: str, what: str = "scale") -> str:
    """Return a temperature scale if it is one of K_CMB, K_RJ and intensity.

    Raises
    ------
    BadOption
        If it is none of them.

    Examples
    --------
    >>> checked_scale("K_RJ")
    'K_RJ'
    """
    if scale not in SCALES:
        hint = near(scale, SCALES)
        raise BadOption(f"{what}={scale!r} is no temperature scale; give one of {', '.join(SCALES)}{hint}")
    return scale


def temperature_factor(
    frequency: Frequency,
    to: str,
    *,
    origin: str = "K_CMB",
    bandpass: xr.DataArray | None = None,
    slope: float = IRAS_SLOPE,
) -> xr.DataArray:
    r"""Return the factor that brings a map from one temperature scale to another.

    A detector sees :math:`\int \tau(\nu) I_\nu d\nu`. One unit of a scale gives :math:`u(\nu)`: for K_CMB
    :math:`\partial B_\nu/\partial T` at 2.7255 K, for K_RJ :math:`2k\nu^2/c^2`, for intensity
    :math:`(\nu/\nu_c)^{s}` MJy/sr, whose slope :math:`s = -1` is the convention of IRAS and Planck. The factor is
    :math:`\int\tau u_{origin} / \int\tau u_{to}`; without a bandpass both are taken at the frequency alone.

    Parameters
    ----------
    frequency : float, str or astropy.units.Quantity
        Nominal frequency :math:`\nu_c`, a number is GHz.
    to, origin : {"K_CMB", "K_RJ", "intensity"}
        Scale wanted, and scale now.
    bandpass : xarray.DataArray, optional
        Response :math:`\tau` to spectral radiance (neither to photons nor to K_RJ), any normalization, on the dim
        ``frequency`` with units; integrated by trapezia.
    slope : float, optional
        :math:`s` of the spectrum to which an intensity over a band refers.

    Returns
    -------
    xarray.DataArray
        Scalar in MJy sr-1 K-1, K sr MJy-1 or 1.

    Raises
    ------
    BadOption
        If a scale or the frequency is none.
    WrongData
        If the bandpass is not one, or its integral is not positive.

    References
    ----------
    Planck Collaboration IX 2014, A&A 571, A9, doi:10.1051/0004-6361/201321531 (eqs. 8, 32–35); Fixsen 2009,
    ApJ 707, 916, doi:10.1088/0004-637X/707/2/916.

    Examples
    --------
    >>> round(float(temperature_factor(217, "intensity")), 1)
    483.6
    """
    checked_scale(to, "to"), checked_scale(origin, "origin")
    centre = gigahertz(frequency)
    if centre > HIGHEST:
        raise BadOption(f"frequency={frequency!r} is {centre:g} GHz, beyond {HIGHEST:g}; a bare number is GHz, not Hz")
    nu, tau = (np.array([centre]), np.array([1.0])) if bandpass is None else sampled_bandpass(bandpass)
    made = {}
    for scale in {to, origin}:
        unit = _unit_intensity(scale, nu, centre, slope)
        made[scale] = float(np.trapezoid(tau * unit, nu)) if nu.size > 1 else float(unit[0])
    kinds = ("intensity" if origin == "intensity" else "K", "intensity" if to == "intensity" else "K")
    units = {("K", "intensity"): "MJy sr-1 K-1", ("intensity", "K"): "K sr MJy-1"}.get(kinds, "1")
    attrs = {"frequency": f"{centre:g} GHz"}
    value = xr.DataArray(made[origin] / made[to])
    return labelled(value, "temperature_factor", units=units, long_name=f"Factor from {origin} to {to}", attrs=attrs)


def _unit_intensity(scale: str, nu: NDArray, centre: float, slope: float) -> NDArray:
    if scale == "intensity":
        return (nu / centre) ** slope
    return cmb_intensity(nu) if scale == "K_CMB" else rj_intensity(nu)


def sampled_bandpass(bandpass: xr.DataArray) -> tuple[NDArray, NDArray]:
    """Return frequencies in GHz and responses of a bandpass, checked.

    Raises
    ------
    WrongData
        If it is none: no DataArray on ``frequency``, not finite, or without a positive integral.

    Examples
    --------
    >>> nu = xr.DataArray([9e10, 1.1e11], dims="frequency", attrs={"units": "Hz"})
    >>> sampled_bandpass(xr.DataArray([1.0, 1.0], dims="frequency", coords={"frequency": nu}))[0].tolist()
    [90.0, 110.0]
    """
    if not isinstance(bandpass, xr.DataArray) or bandpass.dims != ("frequency",) or "frequency" not in bandpass.coords:
        raise WrongData("the bandpass must be a DataArray on the one dim frequency, with that coordinate")
    nu = np.asarray(in_units(bandpass["frequency"], "GHz").values, dtype=float)
    tau = np.asarray(bandpass.values, dtype=float)
    if nu.size < 2 or not np.isfinite(tau).all() or not (np.diff(nu) > 0).all() or nu[0] <= 0:
        raise WrongData("the bandpass needs two or more finite values at positive frequencies that increase")
    if np.trapezoid(tau, nu) <= 0:
        raise WrongData("the integral of the bandpass is not positive")
    return nu, tau


def in_temperature_scale(
    sky: Sky,
    scale: str,
    *,
    frequency: Frequency | None = None,
    bandpass: xr.DataArray | None = None,
    slope: float = IRAS_SLOPE,
) -> Sky:
    """Return a map in another temperature scale: K_CMB, K_RJ or intensity.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map that states ``temperature_scale`` and units, of one band or on the dim ``frequency``.
    scale : {"K_CMB", "K_RJ", "intensity"}
        Temperatures keep their prefix (uK stays uK); intensity is MJy sr-1 and gives uK on the way back.
    frequency : float, str or astropy.units.Quantity, optional
        Of a map of one band that does not state it; a number is GHz.
    bandpass : xarray.DataArray, optional
        Of a map of one band, see :func:`temperature_factor`.
    slope : float, optional
        Of the spectrum to which an intensity over a band refers; IRAS's and Planck's -1.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        As given, lazy if it was; of a Dataset ``sky``, ``depth`` and what is in squares of its unit (covariances of
        the noise) are converted.

    Raises
    ------
    BadOption
        If the scale is none, or the frequency is not known or is that of another band than the map says.
    WrongData, WrongUnits
        If the map does not state its scale, or has units that do not fit it.

    References
    ----------
    Planck Collaboration IX 2014, A&A 571, A9, doi:10.1051/0004-6361/201321531.

    Examples
    --------
    >>> one = xr.DataArray([1.0], dims="cells", attrs={"units": "uK", "temperature_scale": "K_CMB"})
    >>> round(float(in_temperature_scale(one, "K_RJ", frequency=100)[0]), 4)
    0.7772
    """
    checked_scale(scale)
    if isinstance(sky, xr.Dataset):
        if "sky" not in sky.data_vars:
            raise WrongData(f"the map has no variable 'sky'; it has {', '.join(map(str, sky.data_vars)) or 'none'}")
        held = _stated(sky["sky"], sky)
        options = {"frequency": frequency, "bandpass": bandpass, "slope": slope}
        names = [name for name in ("sky", "depth") if name in sky.data_vars]
        made = {name: _scaled(sky[name], held, scale, sky, **options) for name in names}
        noise = [] if held == scale else _covariances(sky, held)
        made |= {name: _squared(sky[name], held, scale, sky, **options) for name in noise}
        changed = sky.assign(made)
        changed.attrs = {**sky.attrs, "temperature_scale": scale}
        if "temperature_scale" not in sky["sky"].attrs:
            changed["sky"].attrs.pop("temperature_scale", None)
        told = "".join(f", {name} too" for name in noise)
        changed.attrs["history"] = history_with(sky, f"cmb.in_temperature_scale({scale!r}): from {held}{told}")
        return changed
    return _scaled(sky, _stated(sky, sky), scale, sky, frequency=frequency, bandpass=bandpass, slope=slope)


def _stated(array: xr.DataArray, sky: xr.Dataset | xr.DataArray) -> str:
    held = array.attrs.get("temperature_scale", sky.attrs.get("temperature_scale"))
    if held not in SCALES:
        raise WrongData(
            f"the map says temperature_scale={held!r}; set attrs['temperature_scale'] to one of {', '.join(SCALES)}"
        )
    return str(held)


def _scaled(array, held, scale, sky, *, frequency, bandpass, slope):
    """Return an array times the factor of each of its bands."""
    units, per = str(array.attrs.get("units", "")).replace("µ", "u"), ""
    if array.name == "depth":
        units, per = units.replace("arcmin", "").strip(), " arcmin"
    plain = array.assign_attrs(units=units)
    base = "MJy sr-1" if held == "intensity" else units
    if held != "intensity":
        in_units(plain, "K")  # refuses what is no temperature
    plain = in_units(plain, base)
    if held == scale:
        return array
    factor = _factor(array, held, scale, sky, frequency=frequency, bandpass=bandpass, slope=slope)
    if scale == "intensity":
        plain, base = in_units(plain, "K"), "MJy sr-1"
    elif held == "intensity":
        factor, base = factor * 1e6, "uK"
    new = (plain * factor.drop_vars(list(factor.coords))).transpose(*array.dims).rename(array.name)
    new.attrs = {**array.attrs, "units": base + per, "temperature_scale": scale}
    return new


def _factor(array, held, scale, sky, *, frequency, bandpass, slope):
    """Return the factor of each band of an array, from K or MJy sr-1 to K or MJy sr-1."""
    if "frequency" in array.dims:
        if bandpass is not None or frequency is not None:
            raise BadOption("frequency= and bandpass= are for a map of one band; choose one with isel(frequency=0)")
        centres = in_units(array["frequency"], "GHz").values
        made = [float(temperature_factor(nu, scale, origin=held)) for nu in centres]
        return xr.DataArray(made, dims="frequency")
    stated = array.attrs.get("frequency", sky.attrs.get("frequency"))
    if stated is None and "frequency" in array.coords:
        stated = array["frequency"]
    if stated is None and frequency is None:
        raise BadOption("the map does not state its frequency; give it, for example frequency=143 (GHz)")
    if stated is not None and frequency is not None:
        own, told = gigahertz(stated), gigahertz(frequency)
        if abs(told / own - 1) > SAME_BAND:
            raise BadOption(f"frequency={frequency!r} is {told:g} GHz, the map says {own:g} GHz, another band")
    chosen = stated if frequency is None else frequency
    return temperature_factor(chosen, scale, origin=held, bandpass=bandpass, slope=slope)


def _squared(array, held, scale, sky, *, frequency, bandpass, slope):
    """Return a covariance of the map, in squared units, times the squared factor."""
    factor = _factor(array, held, scale, sky, frequency=frequency, bandpass=bandpass, slope=slope)
    base = str(array.attrs["units"])
    if held == "intensity":
        array, factor, base = in_units(array, "MJy2 sr-2"), factor * 1e6, "uK2"
    elif scale == "intensity":
        array, base = in_units(array, "K2"), "MJy2 sr-2"
    new = (array * factor.drop_vars(list(factor.coords)) ** 2).transpose(*array.dims).rename(array.name)
    new.attrs = {**array.attrs, "units": base}
    return new


def _covariances(sky: xr.Dataset, held: str) -> list[str]:
    """Return the names of the variables in squares of the map's unit: those of its noise."""
    import astropy.units as u

    wanted, found = u.Unit("MJy2 sr-2" if held == "intensity" else "K2"), []
    for name, array in sky.data_vars.items():
        if name not in ("sky", "depth") and "cells" in array.dims and array.dtype.kind == "f":
            units = str(array.attrs.get("units", "1"))
            if u.Unit(units, parse_strict="silent").is_equivalent(wanted):
                found.append(str(name))
    return found


def kelvin_cmb(array: xr.DataArray, what: str = "the map") -> xr.DataArray:
    """Return a map in uK if it says that it is in K_CMB; component separation works in that scale.

    Raises
    ------
    WrongUnits
        If it says another scale, or none.

    Examples
    --------
    >>> one = xr.DataArray(1.0, attrs={"units": "mK", "temperature_scale": "K_CMB"})
    >>> round(float(kelvin_cmb(one)))
    1000
    """
    held = array.attrs.get("temperature_scale")
    if held != "K_CMB":
        raise WrongUnits(
            f"{what} says temperature_scale={held!r}; this needs 'K_CMB' in every band: "
            "cmb.in_temperature_scale(sky, 'K_CMB')"
        )
    return in_units(array, "uK")

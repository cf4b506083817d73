"""The noise of channels as a spectrum: of all together, or of one that stands for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.theory import checked_multipole
from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCMIN = np.pi / 180 / 60


def noise_spectrum(channels: xr.Dataset, *, lmax: int = 600) -> xr.DataArray:
    r"""Return the noise power of all channels together, weighted by inverse variance at each multipole.

    :math:`N_\ell^{-1} = \sum_i b_{i\ell}^2 / [s_i^2 (1 + (\ell/\ell_{k,i})^{\gamma_i})]` with
    :math:`b_\ell = e^{-(\ell(\ell+1) - 4)\sigma^2/2}`: the noise of a map whose beam is taken out. No foregrounds;
    taking them out costs sensitivity.

    Parameters
    ----------
    channels : xarray.Dataset
        ``polarization_sensitivity`` (uK arcmin or what converts) and ``beam`` (FWHM; none is no beam), one value
        a channel; ``knee_multipole`` and ``knee_slope`` for 1/f noise in ℓ, if they are there.
    lmax : int, optional
        Largest multipole.

    Returns
    -------
    xarray.DataArray
        Dim ``ell`` from 0, uK2: N_ℓ of EE and of BB; NaN at ℓ = 0 and 1, and where beams leave nothing.

    Raises
    ------
    WrongData
        If there is no sensitivity, or a value is not finite and positive (a slope: negative).
    MissingUnits, WrongUnits
        If units are missing or of another kind.

    References
    ----------
    Knox 1995, PRD 52, 4307, doi:10.1103/PhysRevD.52.4307; Challinor et al. 2000, PRD 62, 123002 (beams of
    polarization).

    Examples
    --------
    >>> channels = xr.Dataset({"polarization_sensitivity": ("channel_name", [3.0, 4.0], {"units": "uK arcmin"})})
    >>> white = noise_spectrum(channels, lmax=10)
    >>> round(float(np.sqrt(white[10])) / (np.pi / 180 / 60), 6)  # back in µK arcmin
    2.4
    """
    lmax = checked_multipole(lmax, "lmax", 2, 10000)
    if not isinstance(channels, xr.Dataset) or "polarization_sensitivity" not in channels.data_vars:
        raise WrongData("the channels need a variable 'polarization_sensitivity', as instrument_channels returns it")
    depth = _values(channels, "polarization_sensitivity", "uK arcmin") * ARCMIN
    ell = np.arange(2, lmax + 1.0)
    inverse = np.tile(depth[:, None] ** -2, (1, ell.size))
    if "beam" in channels.data_vars:
        sigma = _values(channels, "beam", "rad") / np.sqrt(8 * np.log(2))
        inverse = inverse * np.exp(-(ell * (ell + 1) - 4) * sigma[:, None] ** 2)
    if "knee_multipole" in channels.data_vars:
        knee = _values(channels, "knee_multipole", "1")[:, None]
        slope = _values(channels, "knee_slope", "1", sign=-1)[:, None]
        inverse = inverse / (1 + (ell / knee) ** slope)
    total = inverse.sum(axis=0)
    power = np.full(lmax + 1, np.nan)
    seen = total > 1e-300
    power[2:][seen] = 1 / total[seen]
    attrs = {"units": "1", "long_name": "Multipole ℓ"}
    coords = {"ell": xr.DataArray(np.arange(lmax + 1), dims="ell", attrs=attrs)}
    result = xr.DataArray(np.where(power < 1e25, power, np.nan), dims="ell", coords=coords)
    marks = synthetic_attrs(channels)
    return labelled(result, "noise", units="uK2", long_name="N_ℓ of EE or BB, beams taken out", attrs=marks)


def _values(channels: xr.Dataset, name: str, units: str, *, sign: int = 1) -> NDArray[np.float64]:
    values = np.atleast_1d(np.asarray(in_units(channels[name], units).values, dtype=float)).ravel()
    if not values.size or not (np.isfinite(values) & (sign * values > 0)).all():
        raise WrongData(f"{name} must be {'positive' if sign > 0 else 'negative'} and finite in every channel")
    return values


def single_channel(noise: float, beam: float) -> xr.Dataset:
    """Return one channel of a sensitivity in µK arcmin and a beam in arcmin, as a dataset of channels.

    Raises
    ------
    BadOption
        If either is no positive number.

    Examples
    --------
    >>> single_channel(2.16, 30.0).beam.units
    'arcmin'
    """
    for name, value in (("noise", noise), ("beam", beam)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
            raise BadOption(f"{name}={value!r} is not a positive number ({'µK ' if name == 'noise' else ''}arcmin)")
    kinds = {"polarization_sensitivity": (noise, "uK arcmin", "Sensitivity"), "beam": (beam, "arcmin", "Beam FWHM")}
    made = xr.Dataset(coords={"channel_name": ["all"]})
    made["channel_name"].attrs["long_name"] = "Channel"
    for name, (value, units, long_name) in kinds.items():
        made[name] = labelled(xr.DataArray([float(value)], dims="channel_name"), name, units=units, long_name=long_name)
    told = f"{noise:g} µK arcmin, {beam:g} arcmin"
    return derived(made, xr.Dataset(), title=f"One channel: {told}", step=f"one channel of {told}")

"""Emission models, integrated over the energy bins of a response."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units, labelled
from analysis.xray.inputs import Amount, amount


def power_law(
    energy_low: xr.DataArray, energy_high: xr.DataArray, *, photon_index: float, norm: Amount
) -> xr.DataArray:
    r"""Return the photon flux of a power law in each energy bin, integrated exactly.

    .. math:: F_i = K \int_{E_i^{low}}^{E_i^{high}} (E / 1\,\mathrm{keV})^{-\Gamma} dE

    Parameters
    ----------
    energy_low, energy_high : xarray.DataArray
        Bounds of the bins, any energy unit, same dims.
    photon_index : float
        Γ; a positive one falls with energy.
    norm : float or value with units
        K, the photon flux density at 1 keV; a bare number is in ``ph cm-2 s-1 keV-1``.

    Returns
    -------
    xarray.DataArray
        ``photon_flux`` in ``ph cm-2 s-1``, on the dims of the bounds, which are its coordinates in keV.

    Raises
    ------
    WrongData
        If a bin does not end after its start, starts at zero where the integral diverges (Γ ≥ 1), or holds
        more photons than a number can say.
    BadOption
        If index or norm is not a finite number, or the norm is negative.

    References
    ----------
    Arnaud, Dorman & Gordon, *XSPEC: An X-ray Spectral Fitting Package, User's Guide* (HEASARC), ``powerlaw``.

    Examples
    --------
    >>> kev = {"units": "keV", "long_name": "Energy"}
    >>> low, high = (xr.DataArray([e], dims="energy", attrs=kev) for e in (1.0, 2.0))
    >>> round(float(power_law(low, high, photon_index=2.0, norm=1.0)[0]), 12)  # 1/1 - 1/2
    0.5
    """
    low, high = (in_units(edge, "keV").values.astype(float) for edge in (energy_low, energy_high))
    index = amount(photon_index, "1", "photon_index", bare=True)
    strength = amount(norm, "ph cm-2 s-1 keV-1", "norm", bare=True)
    if strength < 0:
        raise BadOption(f"norm={norm!r} is negative; a photon flux is not")
    if low.shape != high.shape or not ((low >= 0) & (high > low)).all():
        raise WrongData("power_law needs energy bins with 0 ≤ energy_low < energy_high")
    if index >= 1 and (low == 0).any():
        raise WrongData(
            f"a power law of photon index {index:g} has no finite integral from 0 keV; "
            "xray.response gives bounds whose first bin does not start there"
        )
    edges = {
        name: (energy_low.dims, values, {"units": "keV", "long_name": long_name})
        for name, values, long_name in (
            ("energy_low", low, "Energy"),
            ("energy_high", high, "Upper end of the bin"),
        )
    }
    with np.errstate(over="ignore", invalid="ignore"):
        photons = strength * powers_integrated(low, high, 1.0 - index)
    if not np.isfinite(photons).all():
        bad = int(np.flatnonzero(~np.isfinite(photons.ravel()))[0])
        raise WrongData(
            f"photon_index={index:g} and norm={strength:g} give no finite flux from {low.ravel()[bad]:g} to "
            f"{high.ravel()[bad]:g} keV; photon indices of X-ray sources lie between about -3 and 10"
        )
    flux = xr.DataArray(photons, coords=edges, dims=energy_low.dims)
    told = {"model": "powerlaw", "photon_index": index, "norm": strength, "norm_units": "ph cm-2 s-1 keV-1"}
    return labelled(flux, "photon_flux", units="ph cm-2 s-1", long_name="Photon flux in the bin", attrs=told)


def powers_integrated(low: np.ndarray, high: np.ndarray, power: float) -> np.ndarray:
    """Return the integral of E^(power - 1) from low to high.

    Written as low^p · (e^x - 1) / p with x = p ln(high/low): the difference of two powers loses all digits
    where p is small, this form loses none, and for p = 0 it is the logarithm.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        width = np.log(high) - np.log(low)
        exact = low**power * np.expm1(power * width) / power if power else width
    return np.where(low > 0, exact, high**power / power) if power > 0 else exact

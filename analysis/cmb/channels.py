"""The channels of an instrument: what they measure together, and choosing among them by frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import history_with, in_units, labelled

if TYPE_CHECKING:
    from astropy.units import Quantity

CLOSE = 1e-3  # relative: 94 GHz means the band at 94.0


def combined_sensitivity(channels: xr.Dataset | xr.DataArray) -> xr.DataArray:
    r"""Return the sensitivity of all channels together, :math:`(\sum_i s_i^{-2})^{-1/2}`.

    Independent white noise: no beams, no 1/f noise, and no foregrounds, whose removal costs much of it.

    Parameters
    ----------
    channels : xarray.Dataset or xarray.DataArray
        ``polarization_sensitivity``, one value a channel, in uK arcmin or what converts to it.

    Returns
    -------
    xarray.DataArray
        Scalar in uK arcmin.

    Raises
    ------
    WrongData
        If there is no such variable, or a value is not positive and finite.
    MissingUnits, WrongUnits
        If its unit is missing or of another kind.

    References
    ----------
    LiteBIRD Collaboration 2023, PTEP 2023, 042F01, doi:10.1093/ptep/ptac150.

    Examples
    --------
    >>> two = xr.DataArray([3.0, 4.0], dims="channel_name", attrs={"units": "uK arcmin"})
    >>> float(combined_sensitivity(two))
    2.4
    """
    name = "polarization_sensitivity"
    if isinstance(channels, xr.Dataset):
        if name not in channels.data_vars:
            held = ", ".join(map(str, channels.data_vars)) or "none"
            raise WrongData(f"there is no variable {name!r}; there is {held}")
        channels = channels[name].assign_attrs(synthetic_attrs(channels))
    if not isinstance(channels, xr.DataArray):
        raise WrongData(f"channels is a {type(channels).__name__}; give fetch('litebird_channels')")
    values = np.asarray(in_units(channels, "uK arcmin").values, dtype=float)
    if not values.size or not (np.isfinite(values) & (values > 0)).all():
        raise WrongData(f"{name} must be positive and finite in every channel")
    result = xr.DataArray(1 / np.sqrt((values**-2).sum()))
    long_name, attrs = "Combined polarization sensitivity", synthetic_attrs(channels)
    return labelled(result, "combined_sensitivity", units="uK arcmin", long_name=long_name, attrs=attrs)


def gigahertz(frequency: float | str | Quantity) -> float:
    """Return a frequency, a number of GHz, text or an astropy Quantity, in GHz.

    Raises
    ------
    BadOption
        If it is no positive frequency.

    Examples
    --------
    >>> gigahertz(94), gigahertz("61 GHz")
    (94.0, 61.0)
    """
    import astropy.units as u

    if isinstance(frequency, xr.DataArray):
        frequency = in_units(frequency, "GHz").values
    try:
        given = u.Quantity(frequency)
        value = float(given.value if given.unit == u.dimensionless_unscaled else given.to_value("GHz"))
    except (TypeError, ValueError) as error:  # astropy's UnitConversionError is both
        raise BadOption(f"frequency={frequency!r} is no frequency; give GHz, for example frequency=140") from error
    if not np.isfinite(value) or value <= 0:
        raise BadOption(f"frequency={frequency!r} must be positive; give GHz, for example frequency=140")
    return value


def at_frequency(data: xr.Dataset, frequency: float | str | Quantity, product: str) -> xr.Dataset:
    """Return what a product holds at one frequency: those of its channels, or all of a map of that band.

    Parameters
    ----------
    data : xarray.Dataset
        With a coordinate ``frequency``, or a map that states its band in ``attrs["frequency"]`` (GHz).
    frequency : float, str or astropy.units.Quantity
        Band centre; a number is GHz.
    product : str
        Its name, for messages.

    Raises
    ------
    BadOption
        If the product states no frequency, or what is asked for is none.
    OutsideCoverage
        If the product has other band centres; the message lists them.

    Examples
    --------
    >>> centres = xr.DataArray([40.0, 50.0], dims="channel_name", attrs={"units": "GHz"})
    >>> at_frequency(xr.Dataset(coords={"frequency": centres}), 50, "demo").sizes["channel_name"]
    1
    """
    wanted = gigahertz(frequency)
    if "frequency" in data.coords and data["frequency"].ndim == 1:
        centres = in_units(data["frequency"], "GHz").values
        held = np.isclose(centres, wanted, rtol=CLOSE)
        if held.any():
            chosen = data.isel({data["frequency"].dims[0]: np.flatnonzero(held)})
            return chosen.assign_attrs(history=history_with(data, f"channels at {wanted:g} GHz"))
    else:
        stated = [held.attrs["frequency"] for held in (data, *data.data_vars.values()) if "frequency" in held.attrs]
        if not stated:
            raise BadOption(f"{product} states no frequency to choose by; leave frequency out")
        centres = np.unique([gigahertz(value) for value in stated])
        if np.isclose(centres, wanted, rtol=CLOSE).any():
            return data
    listed = ", ".join(f"{value:g}" for value in np.unique(centres))
    raise OutsideCoverage(f"{product} has nothing at {wanted:g} GHz; its band centres are {listed} GHz")

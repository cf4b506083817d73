"""How hard the solar wind drives the magnetosphere: coupling functions of its speed and field."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption
from analysis.model import in_units
from analysis.plasma.inputs import is_number, not_negative, on_same_axes, refuse_vectors
from analysis.plasma.parameters import MU0
from analysis.plasma.series_inputs import Given, in_gsm, taken
from analysis.plasma.vectors import made

EARTH_RADIUS_M = 6371e3  # mean radius: what the papers mean by R_E
NEWELL_2007 = "Newell et al., J. Geophys. Res. 112, A01206 (2007), doi:10.1029/2006JA012015"
KAN_LEE_1979 = "Kan & Lee, Geophys. Res. Lett. 6, 577 (1979), doi:10.1029/GL006i007p00577"
AKASOFU_1981 = "Akasofu, Space Sci. Rev. 28, 121 (1981), doi:10.1007/BF00218810"
MILAN_2012 = "Milan et al., J. Geophys. Res. 117, A03226 (2012), doi:10.1029/2011JA017082"


def clock_angle(wind: xr.Dataset | None = None, *, by: Given = None, bz: Given = None) -> xr.DataArray:
    r"""Return the clock angle of the interplanetary field, :math:`\theta = \mathrm{atan2}(B_y, B_z)`.

    Parameters
    ----------
    wind : xarray.Dataset, optional
        With ``by`` and ``bz`` in GSM.
    by, bz : xarray.DataArray, optional
        The same as arrays, instead of what ``wind`` holds; any magnetic unit.

    Returns
    -------
    xarray.DataArray
        Degrees from -180 to 180: 0 is northward, 90 towards +y (dusk), ±180 southward. NaN where a component is,
        and where both are zero, for then there is no angle.

    Raises
    ------
    UnknownVariable, WrongData
        If a component is missing or a vector, or the axes differ.
    WrongFrame
        If a component does not say that it is in GSM.
    WrongUnits, MissingUnits
        If an input is no magnetic field.

    Examples
    --------
    >>> nT = {"units": "nT", "frame": "GSM"}
    >>> by, bz = xr.DataArray([0.0, 5.0, -5.0], attrs=nT), xr.DataArray([3.0, 0.0, -5.0], attrs=nT)
    >>> clock_angle(by=by, bz=bz).values
    array([   0.,   90., -135.])
    """
    y, z = _field(wind, by, bz, "clock_angle")
    angle = xr.ufuncs.degrees(xr.ufuncs.arctan2(in_units(y, "nT"), in_units(z, "nT")))
    angle = angle.where((y != 0) | (z != 0))
    return made(angle, "clock_angle", y, z, units="deg", long_name="IMF clock angle (GSM)", attrs={"frame": "GSM"})


def rectified_field(wind: xr.Dataset | None = None, *, bz: Given = None, speed: Given = None) -> xr.DataArray:
    r"""Return the rectified electric field of the solar wind, :math:`V B_s` with :math:`B_s = \max(-B_z, 0)`.

    Parameters
    ----------
    wind : xarray.Dataset, optional
        With ``bz`` in GSM and ``speed``.
    bz, speed : xarray.DataArray, optional
        The same as arrays, instead of what ``wind`` holds; any units of field and speed.

    Returns
    -------
    xarray.DataArray
        mV m-1, never negative; zero in northward field. NaN where an input is.

    Raises
    ------
    UnknownVariable, WrongData, WrongFrame, WrongUnits, MissingUnits
        As for :func:`newell_coupling`.

    References
    ----------
    Burton, McPherron & Russell, J. Geophys. Res. 80, 4204 (1975), doi:10.1029/JA080i031p04204.

    Examples
    --------
    >>> bz = xr.DataArray([-10.0, 10.0], attrs={"units": "nT", "frame": "GSM"})
    >>> rectified_field(bz=bz, speed=xr.DataArray(500.0, attrs={"units": "km s-1"})).values
    array([5., 0.])
    """
    z = in_gsm(taken(wind, bz, "bz", "rectified_field"))
    v = taken(wind, speed, "speed", "rectified_field")
    on_same_axes(bz=z, speed=v)
    refuse_vectors(bz=z, speed=v)
    south = xr.ufuncs.maximum(-in_units(z, "nT"), 0.0)
    return made(south * _flow(v) * 1e-3, "vbs", z, v, units="mV m-1", long_name="Rectified electric field V·Bs")


def newell_coupling(
    wind: xr.Dataset | None = None, *, by: Given = None, bz: Given = None, speed: Given = None
) -> xr.DataArray:
    r"""Return Newell's coupling function, :math:`V^{4/3} B_T^{2/3} \sin^{8/3}(|\theta|/2)`.

    It stands for the rate at which flux is opened at the magnetopause, without a factor that would make it Wb/s.

    Parameters
    ----------
    wind : xarray.Dataset, optional
        With ``by`` and ``bz`` in GSM and ``speed``.
    by, bz, speed : xarray.DataArray, optional
        The same as arrays, instead of what ``wind`` holds; any units of field and speed.

    Returns
    -------
    xarray.DataArray
        In (km/s)^(4/3) nT^(2/3), as the literature gives it: some thousands in an ordinary wind. NaN where an
        input is. Flags of the inputs give ``newell_coupling_quality``, the worst of them.

    Raises
    ------
    UnknownVariable, WrongData
        If an input is missing, a vector or, for the speed, negative; or if the axes differ.
    WrongFrame
        If a component does not say that it is in GSM.
    WrongUnits, MissingUnits
        If an input is no field or no speed.

    References
    ----------
    Newell et al., J. Geophys. Res. 112, A01206 (2007), doi:10.1029/2006JA012015.

    Examples
    --------
    >>> nT = {"units": "nT", "frame": "GSM"}
    >>> by, bz = xr.DataArray(0.0, attrs=nT), xr.DataArray([-8.0, 8.0], attrs=nT)
    >>> newell_coupling(by=by, bz=bz, speed=xr.DataArray(512.0, attrs={"units": "km s-1"})).values.round(6)
    array([16384.,     0.])
    """
    v, y, z, across, sine = _drivers(wind, by, bz, speed, "newell_coupling")
    rate = _flow(v) ** (4 / 3) * across ** (2 / 3) * sine ** (8 / 3)
    label = "Newell coupling function dΦ/dt"
    attrs = {"references": NEWELL_2007}
    return made(rate, "newell_coupling", y, z, v, units="km(4/3) nT(2/3) s(-4/3)", long_name=label, attrs=attrs)


def kan_lee_field(
    wind: xr.Dataset | None = None, *, by: Given = None, bz: Given = None, speed: Given = None
) -> xr.DataArray:
    r"""Return the reconnection electric field of Kan and Lee, :math:`V B_T \sin^2(\theta/2)`.

    Parameters
    ----------
    wind, by, bz, speed : optional
        As for :func:`newell_coupling`.

    Returns
    -------
    xarray.DataArray
        mV m-1. NaN where an input is.

    Raises
    ------
    UnknownVariable, WrongData, WrongFrame, WrongUnits, MissingUnits
        As for :func:`newell_coupling`.

    References
    ----------
    Kan & Lee, Geophys. Res. Lett. 6, 577 (1979), doi:10.1029/GL006i007p00577.

    Examples
    --------
    >>> nT = {"units": "nT", "frame": "GSM"}
    >>> by, bz = xr.DataArray([0.0, 10.0], attrs=nT), xr.DataArray([-10.0, 0.0], attrs=nT)
    >>> kan_lee_field(by=by, bz=bz, speed=xr.DataArray(500.0, attrs={"units": "km s-1"})).values.round(6)
    array([5. , 2.5])
    """
    v, y, z, across, sine = _drivers(wind, by, bz, speed, "kan_lee_field")
    field = _flow(v) * across * sine**2 * 1e-3
    label, attrs = "Reconnection electric field (Kan & Lee)", {"references": KAN_LEE_1979}
    return made(field, "kan_lee_field", y, z, v, units="mV m-1", long_name=label, attrs=attrs)


def akasofu_epsilon(
    wind: xr.Dataset | None = None,
    *,
    by: Given = None,
    bz: Given = None,
    b_total: Given = None,
    speed: Given = None,
    length: float = 7.0,
) -> xr.DataArray:
    r"""Return Akasofu's epsilon, :math:`\frac{4\pi}{\mu_0} V B^2 \sin^4(\theta/2)\, l_0^2`.

    Parameters
    ----------
    wind : xarray.Dataset, optional
        With ``by`` and ``bz`` in GSM, ``b_total`` (the magnitude of the whole field, x included) and ``speed``.
        Qin-Denton data have no x component and so no ``b_total``.
    by, bz, b_total, speed : xarray.DataArray, optional
        The same as arrays, instead of what ``wind`` holds.
    length : float, optional
        :math:`l_0` in R_E of 6371 km; 7 by convention.

    Returns
    -------
    xarray.DataArray
        Watts. NaN where an input is. Substorms come above about 1e11 W, big storms above 1e12 W.

    Raises
    ------
    BadOption
        If the length is not above zero.
    UnknownVariable, WrongData, WrongFrame, WrongUnits, MissingUnits
        As for :func:`newell_coupling`.

    References
    ----------
    Perreault & Akasofu, Geophys. J. R. Astron. Soc. 54, 547 (1978), doi:10.1111/j.1365-246X.1978.tb05494.x.
    Akasofu, Space Sci. Rev. 28, 121 (1981), doi:10.1007/BF00218810.

    Examples
    --------
    >>> nT = {"units": "nT", "frame": "GSM"}
    >>> by, bz = xr.DataArray(0.0, attrs=nT), xr.DataArray(-5.0, attrs=nT)
    >>> b, v = xr.DataArray(5.0, attrs=nT), xr.DataArray(400.0, attrs={"units": "km s-1"})
    >>> print(f"{akasofu_epsilon(by=by, bz=bz, b_total=b, speed=v):.3g}")
    1.99e+11
    """
    if not is_number(length) or not 0 < length < np.inf:
        raise BadOption(f"length={length!r} is no length in R_E above zero; 7 is the convention")
    v, y, z, _, sine = _drivers(wind, by, bz, speed, "akasofu_epsilon")
    whole = taken(wind, b_total, "b_total", "akasofu_epsilon")
    on_same_axes(bz=z, b_total=whole)
    refuse_vectors(b_total=whole)
    field = not_negative(in_units(whole, "T"), "b_total")
    power = 4 * np.pi / MU0 * (_flow(v) * 1e3) * field**2 * sine**4 * (length * EARTH_RADIUS_M) ** 2
    label, attrs = f"Akasofu epsilon (l₀ = {length:g} R_E)", {"references": AKASOFU_1981}
    return made(power, "akasofu_epsilon", y, z, whole, v, units="W", long_name=label, attrs=attrs)


def milan_reconnection_rate(
    wind: xr.Dataset | None = None, *, by: Given = None, bz: Given = None, speed: Given = None
) -> xr.DataArray:
    r"""Return the dayside reconnection rate of Milan et al., :math:`L V B_T \sin^{9/2}(|\theta|/2)`.

    The channel is :math:`L = 3.8 R_E (V / 4 \times 10^5 \mathrm{m/s})^{1/3}` wide. It was fitted to how fast the polar
    cap, seen by IMAGE, grows.

    Parameters
    ----------
    wind, by, bz, speed : optional
        As for :func:`newell_coupling`. The paper takes the flow's x component; the speed differs from it by less
        than one percent.

    Returns
    -------
    xarray.DataArray
        kV, which is 1000 Wb/s. NaN where an input is.

    Raises
    ------
    UnknownVariable, WrongData, WrongFrame, WrongUnits, MissingUnits
        As for :func:`newell_coupling`.

    References
    ----------
    Milan, Gosling & Hubert, J. Geophys. Res. 117, A03226 (2012), doi:10.1029/2011JA017082.

    Examples
    --------
    >>> nT = {"units": "nT", "frame": "GSM"}
    >>> by, bz = xr.DataArray(0.0, attrs=nT), xr.DataArray(-5.0, attrs=nT)
    >>> rate = milan_reconnection_rate(by=by, bz=bz, speed=xr.DataArray(400.0, attrs={"units": "km s-1"}))
    >>> round(rate.item(), 2)
    48.42
    """
    v, y, z, across, sine = _drivers(wind, by, bz, speed, "milan_reconnection_rate")
    flow = _flow(v) * 1e3
    width = 3.8 * EARTH_RADIUS_M * (flow / 4e5) ** (1 / 3)
    rate = width * flow * across * 1e-9 * sine ** (9 / 2) * 1e-3
    label, attrs = "Dayside reconnection rate (Milan et al. 2012)", {"references": MILAN_2012}
    return made(rate, "milan_reconnection_rate", y, z, v, units="kV", long_name=label, attrs=attrs)


def _field(wind: xr.Dataset | None, by: Given, bz: Given, function: str) -> tuple[xr.DataArray, xr.DataArray]:
    y, z = in_gsm(taken(wind, by, "by", function)), in_gsm(taken(wind, bz, "bz", function))
    on_same_axes(by=y, bz=z)
    refuse_vectors(by=y, bz=z)
    return y, z


def _drivers(
    wind: xr.Dataset | None, by: Given, bz: Given, speed: Given, function: str
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return speed, by and bz as they came, the field across the flow in nT, and the sine of half its clock angle."""
    y, z = _field(wind, by, bz, function)
    v = taken(wind, speed, "speed", function)
    on_same_axes(by=y, bz=z, speed=v)
    refuse_vectors(speed=v)
    in_y, in_z = in_units(y, "nT"), in_units(z, "nT")
    sine = xr.ufuncs.sin(abs(xr.ufuncs.arctan2(in_y, in_z)) / 2)
    return v, y, z, xr.ufuncs.hypot(in_y, in_z), sine


def _flow(speed: xr.DataArray) -> xr.DataArray:
    """Return the speed in km/s, refused where it is negative."""
    hint = "give the speed, which is not negative; of the x component take abs(vx)"
    return not_negative(in_units(speed, "km s-1").astype(np.float64), "speed", hint=hint)

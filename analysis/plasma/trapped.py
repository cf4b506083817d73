"""Particles trapped in the Earth's dipole: how long a bounce and a drift take; and the plasmapause they live by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import in_units, utc
from analysis.plasma.activity import broken
from analysis.plasma.dipole import REFERENCE_RADIUS, equatorial_field
from analysis.plasma.field_lines import shell_number
from analysis.plasma.inputs import named, not_negative, on_same_axes, refuse_vectors
from analysis.plasma.parameters import ION_MASSES
from analysis.plasma.series_inputs import hours_of, in_nanoseconds
from analysis.plasma.vectors import made, refuse_unknown

CHARGE = 1.602176634e-19  # C
LIGHT = 299792458.0  # m/s
ELECTRON_MASS = 9.1093837139e-31  # kg, CODATA 2022
SPECIES = {
    "electron": (ELECTRON_MASS, 1),
    "proton": (ION_MASSES["proton"], 1),
    "alpha": (ION_MASSES["alpha"], 2),
    "oxygen": (ION_MASSES["oxygen"], 1),
}
# Schulz & Lanzerotti, Particle Diffusion in the Radiation Belts (1974), eqs. 1.28 and 1.36.
T0 = 1 + np.log(2 + np.sqrt(3)) / (2 * np.sqrt(3))
T1 = np.pi * np.sqrt(2) / 6


def bounce_period(
    energy: xr.DataArray, l_shell: xr.DataArray, pitch_angle: xr.DataArray, *, species: str = "electron"
) -> xr.DataArray:
    r"""Return how long a trapped particle takes from mirror point to mirror point and back, :math:`4 L R_E T(y) / v`.

    With :math:`y = \sin\alpha_{eq}` and :math:`T(y) \approx 1.3802 - 0.3198 (y + \sqrt y)`, within one percent of
    the integral along a dipole's field line. Relativistic.

    Parameters
    ----------
    energy : xarray.DataArray
        Kinetic energy; any unit of it.
    l_shell : xarray.DataArray
        L in Earth radii.
    pitch_angle : xarray.DataArray
        At the equator, 0 to 180 degrees; any unit of angle.
    species : {"electron", "proton", "alpha", "oxygen"}, optional

    Returns
    -------
    xarray.DataArray
        Seconds. NaN where an input is. That the particle is lost in the atmosphere near 0° is not looked at.

    Raises
    ------
    BadOption
        If the species is not known.
    WrongData
        If an energy or L is not above zero, an angle outside 0 to 180 degrees, or the axes differ.
    WrongUnits, MissingUnits
        If an input is of another kind.

    References
    ----------
    Schulz & Lanzerotti, Particle Diffusion in the Radiation Belts (1974), doi:10.1007/978-3-642-65675-0, eq. 1.28.

    Examples
    --------
    >>> energy, l = xr.DataArray(1.0, attrs={"units": "MeV"}), xr.DataArray(6.6, attrs={"units": "R_earth"})
    >>> round(bounce_period(energy, l, xr.DataArray(90.0, attrs={"units": "deg"})).item(), 3)
    0.441
    """
    kinetic, shell, y, _ = _particle(energy, l_shell, pitch_angle, species)
    speed = LIGHT * xr.ufuncs.sqrt(kinetic * (kinetic + 2)) / (kinetic + 1)
    period = 4 * shell * REFERENCE_RADIUS * 1e3 * _bounce_integral(y) / speed
    label = f"Bounce period ({species})"
    return made(period, "bounce_period", energy, l_shell, pitch_angle, units="s", long_name=label)


def drift_period(
    energy: xr.DataArray,
    l_shell: xr.DataArray,
    pitch_angle: xr.DataArray,
    *,
    species: str = "electron",
    time: str = "2020-01-01",
) -> xr.DataArray:
    r"""Return how long a trapped particle takes once around the Earth by gradient and curvature drift.

    :math:`\frac{2 \pi q B_0 R_E^2}{3 m c^2 L} \frac{\gamma}{\gamma^2 - 1} \frac{T(y)}{D(y)}` with :math:`D(y) \approx
    [5.5208 - 0.4381 y - 0.6397 (y \ln y + \sqrt y)] / 12` and T as for :func:`bounce_period`: within two percent of the
    integral along a field line. Electrons drift eastward, ions westward. Electric fields and corotation are left
    out, so it does not hold below some tens of keV.

    Parameters
    ----------
    energy, l_shell, pitch_angle, species
        As for :func:`bounce_period`.
    time : str, optional
        When, for the strength of the dipole: it falls by half a percent in ten years.

    Returns
    -------
    xarray.DataArray
        Seconds. NaN where an input is.

    Raises
    ------
    BadOption, WrongData, WrongUnits, MissingUnits
        As for :func:`bounce_period`.
    OutsideCoverage
        If the time is outside 1900-2030.

    References
    ----------
    Schulz & Lanzerotti, Particle Diffusion in the Radiation Belts (1974), doi:10.1007/978-3-642-65675-0,
    eqs. 1.35 and 1.36.

    Examples
    --------
    >>> energy, l = xr.DataArray(1.0, attrs={"units": "MeV"}), xr.DataArray(6.6, attrs={"units": "R_earth"})
    >>> round(drift_period(energy, l, xr.DataArray(90.0, attrs={"units": "deg"})).item() / 60, 2)
    9.56
    """
    kinetic, shell, y, (mass, charge) = _particle(energy, l_shell, pitch_angle, species)
    strength = float(equatorial_field(np.asarray(utc(time, "time")))) * 1e-9
    scale = 2 * np.pi * charge * CHARGE * strength * (REFERENCE_RADIUS * 1e3) ** 2 / (3 * mass * LIGHT**2)
    period = scale / shell * (kinetic + 1) / (kinetic * (kinetic + 2)) * _bounce_integral(y) / _drift_integral(y)
    label = f"Drift period ({species})"
    return made(period, "drift_period", energy, l_shell, pitch_angle, units="s", long_name=label)


@dataclass(frozen=True, kw_only=True)
class Plasmapause:
    """One model: L = a - b times the largest Kp of the hours before."""

    name: str
    at_rest: float
    slope: float
    hours: float
    reference: str


PLASMAPAUSES = {
    "carpenter_1992": Plasmapause(
        name="Carpenter & Anderson 1992",
        at_rest=5.6,
        slope=0.46,
        hours=24.0,
        reference="Carpenter & Anderson, J. Geophys. Res. 97, 1097 (1992), doi:10.1029/91JA01548",
    ),
    "moldwin_2002": Plasmapause(
        name="Moldwin et al. 2002",
        at_rest=5.39,
        slope=0.382,
        hours=12.0,
        reference="Moldwin et al., J. Geophys. Res. 107, 1339 (2002), doi:10.1029/2001JA009211",
    ),
}


def plasmapause(kp: xr.DataArray, *, model: str = "carpenter_1992") -> xr.DataArray:
    r"""Return where the plasmapause is by the largest Kp of the hours before, :math:`L = a - b\,Kp_{max}`.

    Parameters
    ----------
    kp : xarray.DataArray
        Kp along ``time``, for example of :func:`three_hourly`.
    model : {"carpenter_1992", "moldwin_2002"}, optional
        5.6 - 0.46 Kp of 24 hours (found on the night side to dawn), or 5.39 - 0.382 Kp of 12 hours (all local times).

    Returns
    -------
    xarray.DataArray
        L in R_earth along ``time``. Samples stamped from those hours ago up to now count, both ends included. NaN where
        one of them is missing, and before the series has filled the hours.

    Raises
    ------
    BadOption
        If the model is not known.
    WrongData, OutsideCoverage
        If it is no series along increasing times, empty, negative or above 9 (Kp times ten, as some archives give it).
    WrongUnits, MissingUnits
        If Kp has a unit other than 1.

    References
    ----------
    Carpenter & Anderson, J. Geophys. Res. 97, 1097 (1992), doi:10.1029/91JA01548.
    Moldwin et al., J. Geophys. Res. 107, 1339 (2002), doi:10.1029/2001JA009211.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(9) * np.timedelta64(3, "h")
    >>> kp = xr.DataArray([1.0, 5, 1, 1, 1, 1, 1, 1, 1], {"time": time}, ["time"], name="kp", attrs={"units": "1"})
    >>> plasmapause(kp).values[-1].round(2), plasmapause(kp, model="moldwin_2002").values[-1].round(3)
    (np.float64(3.3), np.float64(5.008))
    """
    chosen = PLASMAPAUSES[refuse_unknown(model, PLASMAPAUSES, "plasmapause model")]
    given = named(kp, "kp")
    index = in_nanoseconds(not_negative(in_units(given, "1"), "kp"))
    refuse_vectors(kp=index)
    hours = hours_of(index, "plasmapause")
    values = index.values.astype(np.float64)
    if np.nanmax(values, initial=0.0) > 9.01:
        raise WrongData(f"kp reaches {np.nanmax(values):g}; Kp ends at 9. Is it ten times Kp, or ap?")
    first = np.searchsorted(hours, hours - chosen.hours - 1e-9)
    bounds = np.column_stack([first, np.arange(values.size) + 1]).ravel()
    highest = np.maximum.reduceat(np.append(values, 0.0), bounds)[::2]  # NaN in the window gives NaN
    gaps = np.append(0, np.cumsum(broken(hours)))
    start = np.searchsorted(hours, hours - chosen.hours + 1e-9) - 1  # the last sample at the window's beginning
    whole = (start >= 0) & (gaps == gaps[start])
    result = index.copy(data=np.where(whole, chosen.at_rest - chosen.slope * highest, np.nan))
    label, attrs = f"Plasmapause ({chosen.name})", {"references": chosen.reference}
    return made(result, "plasmapause", given, units="R_earth", long_name=label, attrs=attrs)


def _particle(
    energy: xr.DataArray, l_shell: xr.DataArray, pitch_angle: xr.DataArray, species: str
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, tuple[float, int]]:
    """Return kinetic over rest energy, L, sine of the pitch angle, and mass and charge number."""
    mass, charge = SPECIES[refuse_unknown(species, SPECIES, "species")]
    on_same_axes(energy=energy, l_shell=l_shell, pitch_angle=pitch_angle)
    refuse_vectors(energy=energy, l_shell=l_shell, pitch_angle=pitch_angle)
    kinetic = not_negative(in_units(named(energy, "energy"), "J").astype(np.float64), "energy", zero=False)
    shell = not_negative(shell_number(l_shell), "l_shell", zero=False)
    angle = in_units(named(pitch_angle, "pitch_angle"), "deg")
    if bool(((angle < 0) | (angle > 180)).any()):
        raise WrongData("pitch_angle is outside 0 to 180 degrees")
    y = xr.ufuncs.sin(xr.ufuncs.radians(angle))
    return kinetic / (mass * LIGHT**2), shell, y.clip(min=0.0), (mass, charge)


def _bounce_integral(y: xr.DataArray) -> xr.DataArray:
    return T0 - (T0 - T1) / 2 * (y + xr.ufuncs.sqrt(y))


def _drift_integral(y: xr.DataArray) -> xr.DataArray:
    logarithm = y * xr.ufuncs.log(y.where(y > 0, 1.0))
    return (4 * T0 - (3 * T0 - 5 * T1) * y - (T0 - T1) * (logarithm + xr.ufuncs.sqrt(y))) / 12

"""Characteristic lengths: inertial length, gyroradius and Debye length."""

from __future__ import annotations

import xarray as xr

from analysis.errors import BadOption
from analysis.model import in_units
from analysis.plasma.inputs import doubled, named, not_negative, on_same_axes, refuse_vectors
from analysis.plasma.parameters import energy_of, number_of, strength_of
from analysis.plasma.particles import ELEMENTARY_CHARGE, EPSILON0, LIGHT_SPEED, Species, species
from analysis.plasma.speeds import thermal_factor
from analysis.plasma.vectors import made


def inertial_length(density: xr.DataArray, *, particle: str | Species) -> xr.DataArray:
    r"""Return the inertial length (skin depth), :math:`c / \omega_p` with the angular plasma frequency.

    Parameters
    ----------
    density : xarray.DataArray
        Number density of the particle; any unit of it.
    particle : str or Species
        As for :func:`species`.

    Returns
    -------
    xarray.DataArray
        km. NaN where the density is.

    Raises
    ------
    WrongUnits, MissingUnits
        If it is no density.
    WrongData
        If it is not above zero, or a vector.
    BadOption
        If the particle is not known.

    References
    ----------
    NRL Plasma Formulary (2019), p. 28.

    Examples
    --------
    >>> n = xr.DataArray(5.0, attrs={"units": "cm-3"})
    >>> round(inertial_length(n, particle="proton").item(), 1), round(inertial_length(n, particle="electron").item(), 2)
    (101.8, 2.38)
    """
    kind = species(particle)
    refuse_vectors(density=density)
    number = number_of(density, zero=False)
    length = LIGHT_SPEED / (abs(kind.charge) * ELEMENTARY_CHARGE) * xr.ufuncs.sqrt(EPSILON0 * kind.mass / number)
    return made(length * 1e-3, "inertial_length", density, units="km", long_name=f"Inertial length ({kind.name})")


def gyroradius(
    b: xr.DataArray,
    *,
    particle: str | Species,
    temperature: xr.DataArray | None = None,
    speed: xr.DataArray | None = None,
    kind: str = "most_probable",
) -> xr.DataArray:
    r"""Return the gyroradius, :math:`m v_\perp / |q| B`, of a thermal or a given perpendicular speed.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field: its magnitude, or a vector with dim ``component``; any magnetic unit.
    particle : str or Species
        As for :func:`species`.
    temperature : xarray.DataArray, optional
        Temperature, better the perpendicular one, in K or as an energy; the speed is then
        :func:`thermal_speed` of the same ``kind``.
    speed : xarray.DataArray, optional
        Speed across the field, instead of the temperature; not a vector.
    kind : {"most_probable", "one_dimensional", "rms", "mean"}, optional
        Which thermal speed: by default :math:`\sqrt{2 k T / m}`, as in PlasmaPy.

    Returns
    -------
    xarray.DataArray
        km. NaN where an input is. Not relativistic: 1 % too small for electrons at about 5 keV.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If an input is negative, the field zero, a vector where a number belongs, or the inputs on different axes.
    BadOption
        If the particle or the kind is not known, or not exactly one of temperature and speed is given.

    References
    ----------
    NRL Plasma Formulary (2019), p. 28, which uses ``kind="one_dimensional"``.

    Examples
    --------
    >>> b, t = xr.DataArray(5.0, attrs={"units": "nT"}), xr.DataArray(10.0, attrs={"units": "eV"})
    >>> round(gyroradius(b, particle="proton", temperature=t).item(), 1)
    91.4
    """
    which = species(particle)
    if (temperature is None) == (speed is None):
        raise BadOption("gyroradius needs temperature= or speed=, and not both")
    if temperature is not None:
        on_same_axes(b=b, temperature=temperature)
        refuse_vectors(temperature=temperature)
        energy = not_negative(energy_of(named(temperature, "temperature")), "temperature")
        across = thermal_factor(kind) * xr.ufuncs.sqrt(energy / which.mass)
        given, label = temperature, f"Thermal gyroradius ({which.name}, {kind.replace('_', ' ')} speed)"
    else:
        assert speed is not None
        on_same_axes(b=b, speed=speed)
        refuse_vectors(speed=speed)
        across = not_negative(doubled(in_units(named(speed, "speed"), "m s-1")), "speed")
        given, label = speed, f"Gyroradius ({which.name})"
    field = strength_of(b, "b", "T", zero=False)
    radius = which.mass * across / (abs(which.charge) * ELEMENTARY_CHARGE * field)
    return made(radius * 1e-3, "gyroradius", b, given, units="km", long_name=label)


def debye_length(density: xr.DataArray, temperature: xr.DataArray) -> xr.DataArray:
    r"""Return the Debye length of the electrons, :math:`\sqrt{\varepsilon_0 k T_e / n_e e^2}`.

    Parameters
    ----------
    density : xarray.DataArray
        Number density of the electrons; any unit of it.
    temperature : xarray.DataArray
        Of the electrons, on the same axes, in K or as an energy.

    Returns
    -------
    xarray.DataArray
        m. NaN where either input is. The ions' share of the shielding is left out, as is usual.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If the temperature is negative, the density not above zero, one is a vector, or the axes differ.

    References
    ----------
    NRL Plasma Formulary (2019), p. 28.

    Examples
    --------
    >>> n, t = xr.DataArray(5.0, attrs={"units": "cm-3"}), xr.DataArray(10.0, attrs={"units": "eV"})
    >>> round(debye_length(n, t).item(), 2)
    10.51
    """
    on_same_axes(density=density, temperature=temperature)
    refuse_vectors(density=density, temperature=temperature)
    number = number_of(density, zero=False)
    energy = not_negative(energy_of(named(temperature, "temperature")), "temperature")
    length = xr.ufuncs.sqrt(EPSILON0 * energy / number) / ELEMENTARY_CHARGE
    return made(length, "debye_length", density, temperature, units="m", long_name="Debye length (electrons)")

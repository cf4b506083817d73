"""Plasma parameters: pressures, beta and the Alfvén speed from moments and fields."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData, WrongUnits
from analysis.model import in_units, unit_of
from analysis.plasma.inputs import doubled, is_number, named, not_negative, on_same_axes, refuse_vectors
from analysis.plasma.vectors import made

# CODATA 2022, SI; written out because importing them costs more than this module.
MU0 = 1.25663706127e-6
BOLTZMANN = 1.380649e-23
ATOMIC_MASS = 1.66053906892e-27
PROTON_MASS = 1.67262192595e-27
ALPHA_MASS = 6.6446573450e-27
ION_MASSES = {
    "proton": PROTON_MASS,
    "alpha": ALPHA_MASS,
    "oxygen": 15.9943660 * ATOMIC_MASS,  # O+, oxygen-16 without an electron (AME2020)
    "sodium": 22.9892207 * ATOMIC_MASS,  # Na+
}


def magnitude(vector: xr.DataArray) -> xr.DataArray:
    r"""Return the length of a vector, :math:`\sqrt{v_x^2 + v_y^2 + v_z^2}`.

    Parameters
    ----------
    vector : xarray.DataArray
        Dim ``component`` of size 3, and any others; any unit.

    Returns
    -------
    xarray.DataArray
        Without ``component``, in the vector's own unit. NaN where any component is.

    Raises
    ------
    WrongData
        If there is no dim ``component`` or it does not hold three components.

    Examples
    --------
    >>> b = xr.DataArray([3.0, 0.0, 4.0], dims="component", name="b", attrs={"units": "nT", "frame": "GSE"})
    >>> magnitude(b).item()
    5.0
    """
    unit_of(named(vector, "vector"))
    name = str(vector.name or "vector")
    if vector.sizes.get("component") != 3:
        raise WrongData(f"{name} has dims {dict(vector.sizes)}; a vector has the dim 'component' of size 3")
    plain = vector.astype(np.result_type(vector.dtype, np.float32)).drop_vars("component", errors="ignore")
    length = xr.ufuncs.sqrt((plain**2).sum("component", skipna=False))
    label = f"Magnitude of {vector.attrs.get('long_name', name)}"
    return made(length, f"{name}_magnitude", vector, units=str(vector.attrs["units"]), long_name=label)


def magnetic_pressure(b: xr.DataArray) -> xr.DataArray:
    r"""Return the magnetic pressure, :math:`B^2 / 2 \mu_0`.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field: its magnitude, or a vector with dim ``component``; any magnetic unit.

    Returns
    -------
    xarray.DataArray
        nPa. NaN where the field is.

    Raises
    ------
    WrongUnits, MissingUnits
        If ``b`` is not a magnetic field.
    WrongData
        If a magnitude is negative (a single component is not a magnitude).

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012).

    Examples
    --------
    >>> b = xr.DataArray(50.0, attrs={"units": "nT"})
    >>> round(magnetic_pressure(b).item(), 4)
    0.9947
    """
    field = strength_of(b, "b", "T")
    return made(field**2 / (2 * MU0) * 1e9, "magnetic_pressure", b, units="nPa", long_name="Magnetic pressure")


def thermal_pressure(density: xr.DataArray, temperature: xr.DataArray) -> xr.DataArray:
    r"""Return the thermal pressure of one species, :math:`n k_B T`.

    Parameters
    ----------
    density : xarray.DataArray
        Number density; any unit of it.
    temperature : xarray.DataArray
        On the same axes, as a temperature (K) or an energy (eV).

    Returns
    -------
    xarray.DataArray
        nPa. NaN where either input is.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If an input is negative, a vector where a number belongs, or the two are on different axes.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012).

    Examples
    --------
    >>> n = xr.DataArray(5.0, attrs={"units": "cm-3"})
    >>> kelvin, volts = xr.DataArray(1.2e5, attrs={"units": "K"}), xr.DataArray(10.34, attrs={"units": "eV"})
    >>> round(thermal_pressure(n, kelvin).item(), 5), round(thermal_pressure(n, volts).item(), 5)
    (0.00828, 0.00828)
    """
    on_same_axes(density=density, temperature=temperature)
    refuse_vectors(density=density, temperature=temperature)
    number = not_negative(in_units(named(density, "density"), "m-3"), "density")
    energy = not_negative(energy_of(temperature), "temperature")
    return made(
        number * energy * 1e9, "thermal_pressure", density, temperature, units="nPa", long_name="Thermal pressure"
    )


def dynamic_pressure(density: xr.DataArray, speed: xr.DataArray, *, helium_fraction: float = 0.0) -> xr.DataArray:
    r"""Return the dynamic pressure of the solar wind, :math:`(m_p + f m_\alpha) n v^2`.

    Parameters
    ----------
    density : xarray.DataArray
        Number density of the protons; any unit of it.
    speed : xarray.DataArray
        Speed, or a velocity vector with dim ``component``; on the same axes.
    helium_fraction : float, optional
        Alpha particles per proton, f. The default counts protons alone (1.6726e-6 nPa for 1 cm-3 and
        1 km/s). Pressures of OMNI and Qin-Denton count helium, about 2e-6 nPa, which is f = 0.0493.

    Returns
    -------
    xarray.DataArray
        nPa. NaN where either input is.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If an input is negative, a vector where a number belongs, or the two are on different axes.
    BadOption
        If the fraction is not between 0 and 1.

    References
    ----------
    Qin, Denton, Tsyganenko & Wolf, Space Weather 5, S11003 (2007), doi:10.1029/2006SW000296.

    Examples
    --------
    >>> n, v = xr.DataArray(5.0, attrs={"units": "cm-3"}), xr.DataArray(400.0, attrs={"units": "km s-1"})
    >>> protons, with_helium = dynamic_pressure(n, v), dynamic_pressure(n, v, helium_fraction=0.0493)
    >>> round(protons.item(), 4), round(with_helium.item(), 2)
    (1.3381, 1.6)
    """
    if not is_number(helium_fraction) or not 0 <= helium_fraction <= 1:
        raise BadOption(f"helium_fraction={helium_fraction!r} is not a fraction: alphas per proton, 0 to 1")
    on_same_axes(density=density, speed=speed)
    refuse_vectors(density=density)
    number = not_negative(in_units(named(density, "density"), "m-3"), "density")
    flow = strength_of(speed, "speed", "m s-1")
    mass = PROTON_MASS + float(helium_fraction) * ALPHA_MASS
    return made(
        mass * number * flow**2 * 1e9, "dynamic_pressure", density, speed, units="nPa", long_name="Dynamic pressure"
    )


def plasma_beta(pressure: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    r"""Return plasma beta, thermal over magnetic pressure, :math:`2 \mu_0 p / B^2`.

    Parameters
    ----------
    pressure : xarray.DataArray
        Scalar thermal pressure; any pressure unit.
    b : xarray.DataArray
        Magnetic field on the same axes: its magnitude, or a vector with dim ``component``; any magnetic unit.

    Returns
    -------
    xarray.DataArray
        Dimensionless. NaN where either input is.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If the pressure is negative or a vector, the field not above zero, or the two on different axes.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012).

    Examples
    --------
    >>> p = xr.DataArray(0.1, attrs={"units": "nPa"})
    >>> b = xr.DataArray(10.0, attrs={"units": "nT"})
    >>> round(plasma_beta(p, b).item(), 2)
    2.51
    """
    on_same_axes(pressure=pressure, b=b)
    refuse_vectors(pressure=pressure)
    thermal = not_negative(in_units(named(pressure, "pressure"), "Pa"), "pressure")
    field = strength_of(b, "b", "T", zero=False)
    return made(2 * MU0 * thermal / field**2, "plasma_beta", pressure, b, units="1", long_name="Plasma beta")


def alfven_speed(b: xr.DataArray, density: xr.DataArray, *, ion_mass: str | xr.DataArray = "proton") -> xr.DataArray:
    r"""Return the Alfvén speed, :math:`B / \sqrt{\mu_0 m_i n}`.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field: its magnitude, or a vector with dim ``component``; any magnetic unit.
    density : xarray.DataArray
        Number density of the ions on the same axes; any unit of it.
    ion_mass : str or xarray.DataArray, optional
        ``"proton"``, ``"alpha"``, ``"oxygen"``, ``"sodium"`` or any other of :func:`species`, or a mass with units
        (``u``, ``kg``), for example the mean mass of a mixture, on the same axes.

    Returns
    -------
    xarray.DataArray
        km s-1. NaN where an input is. The formula is not relativistic: it holds well below the speed
        of light.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If a magnitude is negative, a density or mass a vector or not above zero, or the inputs on different axes.
    BadOption
        If the ion is not known.

    References
    ----------
    Alfvén, Nature 150, 405 (1942), doi:10.1038/150405d0.
    Baumjohann & Treumann, Basic Space Plasma Physics (2012).

    Examples
    --------
    >>> b, n = xr.DataArray(5.0, attrs={"units": "nT"}), xr.DataArray(5.0, attrs={"units": "cm-3"})
    >>> round(alfven_speed(b, n).item(), 1)
    48.8
    """
    masses = {"ion_mass": ion_mass} if isinstance(ion_mass, xr.DataArray) else {}
    on_same_axes(b=b, density=density, **masses)
    refuse_vectors(density=density, **masses)
    number = not_negative(in_units(named(density, "density"), "m-3"), "density", zero=False)
    density_of_mass = mass_of(ion_mass) * number
    speed = strength_of(b, "b", "T") / xr.ufuncs.sqrt(MU0 * density_of_mass) * 1e-3
    return made(speed, "alfven_speed", b, density, *masses.values(), units="km s-1", long_name="Alfvén speed")


def total_pressure(pressure: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    r"""Return the sum of thermal and magnetic pressure, :math:`p + B^2 / 2 \mu_0`.

    Parameters
    ----------
    pressure : xarray.DataArray
        Scalar thermal pressure of all species; any pressure unit.
    b : xarray.DataArray
        Magnetic field on the same axes: its magnitude, or a vector with dim ``component``; any magnetic unit.

    Returns
    -------
    xarray.DataArray
        nPa. NaN where either input is. The dynamic pressure of the flow is not in it.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If the pressure is negative or a vector, a magnitude negative, or the two on different axes.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012).

    Examples
    --------
    >>> p, b = xr.DataArray(0.1, attrs={"units": "nPa"}), xr.DataArray(50.0, attrs={"units": "nT"})
    >>> round(total_pressure(p, b).item(), 4)
    1.0947
    """
    on_same_axes(pressure=pressure, b=b)
    refuse_vectors(pressure=pressure)
    thermal = not_negative(in_units(named(pressure, "pressure"), "nPa"), "pressure")
    magnetic = strength_of(b, "b", "T") ** 2 / (2 * MU0) * 1e9
    return made(
        thermal + magnetic, "total_pressure", pressure, b, units="nPa", long_name="Thermal and magnetic pressure"
    )


def strength_of(array: xr.DataArray, what: str, units: str, *, zero: bool = True) -> xr.DataArray:
    """Return a magnitude in the units asked for, of a vector or of what already is one."""
    converted = doubled(in_units(named(array, what), units))
    if "component" in array.dims:
        converted = magnitude(converted)
    hint = "give the magnitude, or a vector with dim 'component'; one component is no magnitude" if zero else ""
    return not_negative(converted, what, zero=zero, hint=hint)


def number_of(density: xr.DataArray, *, zero: bool = True) -> xr.DataArray:
    """Return a density in m-3, once it has been looked at."""
    return not_negative(doubled(in_units(named(density, "density"), "m-3")), "density", zero=zero)


def energy_of(temperature: xr.DataArray) -> xr.DataArray:
    """Return :math:`k_B T` in joules of a temperature in kelvin or in electronvolts."""
    unit = unit_of(temperature)
    if unit.is_equivalent("J"):
        return doubled(in_units(temperature, "J"))
    if unit.is_equivalent("K"):
        return (doubled(in_units(temperature, "K")) * BOLTZMANN).assign_attrs(units="J")
    raise WrongUnits(
        f"{temperature.name or 'temperature'} is in {temperature.attrs['units']!r}; "
        "a temperature is in kelvin or, as an energy, in eV"
    )


def mass_of(ion_mass: str | xr.DataArray) -> float | xr.DataArray:
    if isinstance(ion_mass, xr.DataArray):
        return not_negative(in_units(named(ion_mass, "ion_mass"), "kg"), "ion_mass", zero=False)
    if isinstance(ion_mass, str) and ion_mass in ION_MASSES:
        return ION_MASSES[ion_mass]
    from analysis.plasma.particles import SPECIES  # made of the constants above

    if isinstance(ion_mass, str) and ion_mass in SPECIES:
        return SPECIES[ion_mass].mass
    raise BadOption(
        f"ion_mass={ion_mass!r} is not known: give one of {', '.join(dict.fromkeys([*ION_MASSES, *SPECIES]))}, "
        "or a mass with units, for example xr.DataArray(32.0, attrs={'units': 'u'})"
    )

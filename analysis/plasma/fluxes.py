"""One distribution said in three ways: phase-space density, differential flux, differential energy flux."""

from __future__ import annotations

import xarray as xr

from analysis.errors import WrongData, WrongUnits
from analysis.model import in_units, unit_of
from analysis.plasma.inputs import named, not_negative
from analysis.plasma.particles import Species, species
from analysis.plasma.pitch_angles import with_energies
from analysis.plasma.vectors import made

DENSITY, FLUX, ENERGY_FLUX = "s3 m-6", "m-2 s-1 sr-1 J-1", "m-2 s-1 sr-1"


def phase_space_density(distribution: xr.DataArray, *, particle: str | Species) -> xr.DataArray:
    r"""Return the phase-space density, :math:`f = j \, m^2 / 2 E`.

    Parameters
    ----------
    distribution : xarray.DataArray
        Phase-space density (``s3 cm-6``, ``s3 m-6``, ``s3 km-6`` …), differential flux per energy
        (``cm-2 s-1 sr-1 keV-1`` …) or differential energy flux (``eV/(eV cm2 s sr)``, which is
        ``cm-2 s-1 sr-1``); its unit says which. Any dims, among them ``energy`` with its coordinate in a
        unit of energy (``energy_table`` where it changes in time).
    particle : str or Species
        As for :func:`species`.

    Returns
    -------
    xarray.DataArray
        s3 m-6, on the same axes, with what the attributes say of its directions. NaN where the input is.

    Raises
    ------
    WrongUnits, MissingUnits
        If the unit is none of these, or the energy's none of energy.
    WrongData
        If there is no axis of energy, or an energy is not above zero.
    BadOption
        If the particle is not known.

    Notes
    -----
    Not relativistic: electrons up to some keV, ions up to some MeV. Energies are those of the particle: where an
    instrument sorts by energy per charge, multiply them by the charge first. A flux integrated over energy has the
    unit of an energy flux, and cannot be told from one.

    References
    ----------
    Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data (1998), chapter 6.

    Examples
    --------
    >>> flux = xr.DataArray([1e7], {"energy": ("energy", [1.0], {"units": "keV"})}, attrs={"units": "eV/(eV cm2 s sr)"})
    >>> f = phase_space_density(flux, particle="proton")
    >>> f"{f.item():.4g}", f.units
    ('5.449e-12', 's3 m-6')
    >>> f"{differential_energy_flux(f, particle='proton').item():.4g}"
    '1e+07'
    """
    density = _density(distribution, species(particle))
    said = _conventions(distribution)
    return made(
        density, "phase_space_density", distribution, units=DENSITY, long_name="Phase-space density", attrs=said
    )


def differential_flux(distribution: xr.DataArray, *, particle: str | Species) -> xr.DataArray:
    r"""Return the differential directional flux, :math:`j = 2 E f / m^2`.

    Parameters
    ----------
    distribution : xarray.DataArray
        As for :func:`phase_space_density`, in any of the three ways.
    particle : str or Species
        As for :func:`species`.

    Returns
    -------
    xarray.DataArray
        cm-2 s-1 sr-1 eV-1, on the same axes, with what the attributes say of its directions. NaN where the input is.

    Raises
    ------
    WrongUnits, MissingUnits, WrongData, BadOption
        As :func:`phase_space_density`.

    References
    ----------
    Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data (1998), chapter 6.

    Examples
    --------
    >>> flux = xr.DataArray([1e7], {"energy": ("energy", [1.0], {"units": "keV"})}, attrs={"units": "eV/(eV cm2 s sr)"})
    >>> round(differential_flux(flux, particle="electron").item(), 6)
    10000.0
    """
    kind = species(particle)
    flux = _density(distribution, kind) * 2 * energies(distribution) / kind.mass**2
    label, said = "Differential flux", _conventions(distribution)
    result = made(flux, "differential_flux", distribution, units=FLUX, long_name=label, attrs=said)
    return in_units(result, "cm-2 s-1 sr-1 eV-1")


def differential_energy_flux(distribution: xr.DataArray, *, particle: str | Species) -> xr.DataArray:
    r"""Return the differential energy flux, :math:`E j = 2 E^2 f / m^2`.

    Parameters
    ----------
    distribution : xarray.DataArray
        As for :func:`phase_space_density`, in any of the three ways.
    particle : str or Species
        As for :func:`species`.

    Returns
    -------
    xarray.DataArray
        eV cm-2 s-1 sr-1 eV-1, on the same axes, with what the attributes say of its directions. NaN where the input
        is.

    Raises
    ------
    WrongUnits, MissingUnits, WrongData, BadOption
        As :func:`phase_space_density`.

    References
    ----------
    Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data (1998), chapter 6.

    Examples
    --------
    >>> energy = ("energy", [50.0], {"units": "eV"})
    >>> flux = xr.DataArray([2.0], {"energy": energy}, attrs={"units": "cm-2 s-1 sr-1 eV-1"})
    >>> round(differential_energy_flux(flux, particle="electron").item(), 9)
    100.0
    """
    kind = species(particle)
    flux = _density(distribution, kind) * 2 * (energies(distribution) / kind.mass) ** 2
    label, said = "Differential energy flux", _conventions(distribution)
    result = made(flux, "differential_energy_flux", distribution, units=ENERGY_FLUX, long_name=label, attrs=said)
    return in_units(result, "cm-2 s-1 sr-1").assign_attrs(units="eV cm-2 s-1 sr-1 eV-1")


def _conventions(distribution: xr.DataArray) -> dict[str, object]:
    """Return what a distribution says of its directions, which is as true of it said in another way."""
    return {key: distribution.attrs[key] for key in ("frame", "directions", "theta") if key in distribution.attrs}


def energies(distribution: xr.DataArray) -> xr.DataArray:
    """Return the energies of a distribution's bins in joules, without coordinates of their own.

    Raises
    ------
    WrongData
        If there is no axis of energy with a coordinate, or an energy is not above zero.

    Examples
    --------
    >>> f = xr.DataArray([1.0], {"energy": ("energy", [1.0], {"units": "eV"})}, attrs={"units": "s3 m-6"})
    >>> energies(f).values
    array([1.60217663e-19])
    """
    whole = with_energies(named(distribution, "distribution"))
    if "energy" not in whole.dims or "energy" not in whole.coords:
        raise WrongData(
            f"{whole.name} has the dims {', '.join(map(str, whole.dims))}; it needs the dim 'energy' with its "
            "coordinate in eV or keV"
        )
    bins = whole["energy"].variable
    plain = xr.DataArray(bins.astype(float) if bins.dtype != float else bins, name="energy", attrs=bins.attrs)
    return not_negative(
        in_units(plain, "J"), "energy", zero=False, hint="leave such bins out: distribution.isel(energy=slice(1, None))"
    )


def _density(distribution: xr.DataArray, kind: Species) -> xr.DataArray:
    """Return the phase-space density in s3 m-6 of a distribution said in any of the three ways."""
    unit = unit_of(named(distribution, "distribution"))
    array = distribution.astype(float)
    if unit.is_equivalent(DENSITY):
        energies(distribution)
        return in_units(array, DENSITY)
    if unit.is_equivalent(FLUX):
        return in_units(array, FLUX) * (kind.mass**2 / 2 / energies(distribution))
    if unit.is_equivalent(ENERGY_FLUX):
        return in_units(array, ENERGY_FLUX) * (kind.mass**2 / 2 / energies(distribution) ** 2)
    raise WrongUnits(
        f"{distribution.name or 'distribution'} is in {distribution.attrs['units']!r}; it is needed as phase-space "
        "density (s3 cm-6), differential flux (cm-2 s-1 sr-1 eV-1) or energy flux (eV cm-2 s-1 sr-1 eV-1)"
    )

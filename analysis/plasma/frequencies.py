"""Characteristic frequencies: of gyration, of the plasma, and the two hybrids. In hertz unless asked otherwise."""

from __future__ import annotations

from math import pi

import xarray as xr

from analysis.errors import BadOption
from analysis.plasma.inputs import on_same_axes, refuse_vectors
from analysis.plasma.parameters import number_of, strength_of
from analysis.plasma.particles import ELEMENTARY_CHARGE, EPSILON0, Species, species
from analysis.plasma.vectors import made


def gyrofrequency(b: xr.DataArray, *, particle: str | Species, angular: bool = False) -> xr.DataArray:
    r"""Return the gyrofrequency in hertz, :math:`f_c = |q| B / 2 \pi m`.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field: its magnitude, or a vector with dim ``component``; any magnetic unit.
    particle : str or Species
        As for :func:`species`.
    angular : bool, optional
        Give the angular frequency :math:`\omega = 2 \pi f` in rad s-1 instead, as textbooks and PlasmaPy do.

    Returns
    -------
    xarray.DataArray
        Hz (cycles per second), above zero for either sign of charge; ``long_name`` says which kind of
        frequency it is. NaN where the field is.

    Raises
    ------
    WrongUnits, MissingUnits
        If ``b`` is not a magnetic field.
    WrongData
        If a magnitude is negative.
    BadOption
        If the particle is not known.

    References
    ----------
    NRL Plasma Formulary (2019), p. 28.

    Examples
    --------
    >>> b = xr.DataArray(5.0, attrs={"units": "nT"})
    >>> round(gyrofrequency(b, particle="electron").item(), 2), gyrofrequency(b, particle="electron").units
    (139.96, 'Hz')
    >>> round(gyrofrequency(b, particle="electron", angular=True).item(), 1)
    879.4
    """
    kind = species(particle)
    omega = _gyration(strength_of(b, "b", "T"), kind)
    return _frequency(omega, "gyrofrequency", b, what=f"{_title(kind)} gyrofrequency", angular=angular)


def plasma_frequency(density: xr.DataArray, *, particle: str | Species, angular: bool = False) -> xr.DataArray:
    r"""Return the plasma frequency in hertz, :math:`f_p = \sqrt{n q^2 / \varepsilon_0 m} / 2 \pi`.

    Parameters
    ----------
    density : xarray.DataArray
        Number density of the particle; any unit of it.
    particle : str or Species
        As for :func:`species`.
    angular : bool, optional
        As for :func:`gyrofrequency`.

    Returns
    -------
    xarray.DataArray
        Hz (cycles per second). NaN where the density is.

    Raises
    ------
    WrongUnits, MissingUnits
        If it is no density.
    WrongData
        If it is negative, or a vector.
    BadOption
        If the particle is not known.

    References
    ----------
    NRL Plasma Formulary (2019), p. 28.

    Examples
    --------
    >>> n = xr.DataArray(5.0, attrs={"units": "cm-3"})
    >>> round(plasma_frequency(n, particle="electron").item())
    20077
    """
    kind = species(particle)
    refuse_vectors(density=density)
    number = number_of(density)
    omega = _oscillation(number, kind)
    return _frequency(omega, "plasma_frequency", density, what=f"{_title(kind)} plasma frequency", angular=angular)


def upper_hybrid_frequency(b: xr.DataArray, density: xr.DataArray, *, angular: bool = False) -> xr.DataArray:
    r"""Return the upper hybrid frequency in hertz, :math:`f_{uh} = \sqrt{f_{pe}^2 + f_{ce}^2}`.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field: its magnitude, or a vector with dim ``component``; any magnetic unit.
    density : xarray.DataArray
        Number density of the electrons on the same axes; any unit of it.
    angular : bool, optional
        As for :func:`gyrofrequency`.

    Returns
    -------
    xarray.DataArray
        Hz (cycles per second). NaN where either input is.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If an input is negative, the density a vector, or the two on different axes.

    References
    ----------
    Chen, Introduction to Plasma Physics and Controlled Fusion (2016), section 4.9.

    Examples
    --------
    >>> b, n = xr.DataArray(100.0, attrs={"units": "nT"}), xr.DataArray(0.1, attrs={"units": "cm-3"})
    >>> round(upper_hybrid_frequency(b, n).item())
    3987
    """
    field, number = _field_and_number(b, density)
    electron = species("electron")
    omega = xr.ufuncs.sqrt(_oscillation(number, electron) ** 2 + _gyration(field, electron) ** 2)
    return _frequency(omega, "upper_hybrid_frequency", b, density, what="Upper hybrid frequency", angular=angular)


def lower_hybrid_frequency(
    b: xr.DataArray, density: xr.DataArray, *, particle: str | Species = "proton", angular: bool = False
) -> xr.DataArray:
    r"""Return the lower hybrid frequency of electrons and one ion, in hertz.

    .. math:: \frac{1}{f_{lh}^2} = \frac{1}{f_{ci} f_{ce}} + \frac{1}{f_{ci}^2 + f_{pi}^2}

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field: its magnitude, or a vector with dim ``component``; any magnetic unit.
    density : xarray.DataArray
        Number density of the ions on the same axes; any unit of it.
    particle : str or Species, optional
        The ion, as for :func:`species`.
    angular : bool, optional
        As for :func:`gyrofrequency`.

    Returns
    -------
    xarray.DataArray
        Hz (cycles per second). NaN where either input is. It stands for the lower root of the cold plasma's
        resonance across the field, to about the ratio of the electron's mass to the ion's. (PlasmaPy 2025.8
        leaves out :math:`f_{ci}^2`, which matters where :math:`f_{pi}` is not far above it.)

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If an input is negative or zero, the density a vector, or the two on different axes.
    BadOption
        If the particle is not known, or no positive ion.

    References
    ----------
    Stix, Waves in Plasmas (1992), section 2-3; NRL Plasma Formulary (2019), p. 28.

    Examples
    --------
    >>> b, n = xr.DataArray(5.0, attrs={"units": "nT"}), xr.DataArray(5.0, attrs={"units": "cm-3"})
    >>> round(lower_hybrid_frequency(b, n).item(), 3)
    3.266
    """
    ion = species(particle)
    if ion.charge < 0:
        raise BadOption(f"particle={ion.name!r}: the lower hybrid is of electrons and a positive ion; name the ion")
    field, number = _field_and_number(b, density, zero=False)
    cyclotron = _gyration(field, ion)
    inverse = 1 / (cyclotron * _gyration(field, species("electron"))) + 1 / (
        cyclotron**2 + _oscillation(number, ion) ** 2
    )
    label = f"Lower hybrid frequency ({ion.name})"
    return _frequency(inverse**-0.5, "lower_hybrid_frequency", b, density, what=label, angular=angular)


def _gyration(field: xr.DataArray, kind: Species) -> xr.DataArray:
    return abs(kind.charge) * ELEMENTARY_CHARGE * field / kind.mass


def _oscillation(number: xr.DataArray, kind: Species) -> xr.DataArray:
    return abs(kind.charge) * ELEMENTARY_CHARGE * xr.ufuncs.sqrt(number / (EPSILON0 * kind.mass))


def _field_and_number(
    b: xr.DataArray, density: xr.DataArray, *, zero: bool = True
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return a field's strength in tesla and a density in m-3, once both have been looked at."""
    on_same_axes(b=b, density=density)
    refuse_vectors(density=density)
    number = number_of(density, zero=zero)
    return strength_of(b, "b", "T", zero=zero), number


def _title(kind: Species) -> str:
    return kind.name[:1].upper() + kind.name[1:]


def _frequency(omega: xr.DataArray, name: str, *origins: xr.DataArray, what: str, angular: bool) -> xr.DataArray:
    """Return an angular frequency labelled as such, or in hertz."""
    if not isinstance(angular, bool):
        raise BadOption(f"angular={angular!r} is neither True (rad s-1) nor False (Hz)")
    if angular:
        return made(omega, name, *origins, units="rad s-1", long_name=f"{what}, angular (2 pi f)")
    return made(omega / (2 * pi), name, *origins, units="Hz", long_name=f"{what}, cycles per second")

"""Characteristic speeds: thermal, of sound and of magnetosonic waves; and how many times faster a flow is."""

from __future__ import annotations

from math import pi, sqrt

import xarray as xr

from analysis.errors import BadOption
from analysis.model import in_units
from analysis.plasma.inputs import is_number, named, not_negative, on_same_axes, refuse_vectors
from analysis.plasma.parameters import energy_of, strength_of
from analysis.plasma.particles import Species, species
from analysis.plasma.vectors import made, refuse_unknown

# Each over the square root of k T / m.
THERMAL = {"most_probable": sqrt(2), "one_dimensional": 1.0, "rms": sqrt(3), "mean": sqrt(8 / pi)}


def thermal_speed(temperature: xr.DataArray, *, particle: str | Species, kind: str = "most_probable") -> xr.DataArray:
    r"""Return the thermal speed of a Maxwellian, by default the most probable one, :math:`\sqrt{2 k T / m}`.

    Parameters
    ----------
    temperature : xarray.DataArray
        In K or as an energy.
    particle : str or Species
        As for :func:`species`.
    kind : {"most_probable", "one_dimensional", "rms", "mean"}, optional
        :math:`\sqrt{2kT/m}`; the standard deviation of one component, :math:`\sqrt{kT/m}`; of all three,
        :math:`\sqrt{3kT/m}`; or the mean of the speed, :math:`\sqrt{8kT/\pi m}`. Papers and products mean any of
        them by "thermal speed".

    Returns
    -------
    xarray.DataArray
        km s-1; ``long_name`` says the kind. NaN where the temperature is. Not relativistic.

    Raises
    ------
    WrongUnits, MissingUnits
        If it is no temperature.
    WrongData
        If it is negative, or a vector.
    BadOption
        If the particle or the kind is not known.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), chapter 6.

    Examples
    --------
    >>> t = xr.DataArray(10.0, attrs={"units": "eV"})
    >>> for kind in ("most_probable", "one_dimensional", "rms", "mean"):
    ...     print(kind, round(thermal_speed(t, particle="proton", kind=kind).item(), 1))
    most_probable 43.8
    one_dimensional 30.9
    rms 53.6
    mean 49.4
    """
    which = species(particle)
    factor = thermal_factor(kind)
    refuse_vectors(temperature=temperature)
    energy = not_negative(energy_of(named(temperature, "temperature")), "temperature")
    label = f"Thermal speed ({which.name}, {kind.replace('_', ' ')})"
    speed = factor * xr.ufuncs.sqrt(energy / which.mass) * 1e-3
    return made(speed, "thermal_speed", temperature, units="km s-1", long_name=label)


def thermal_factor(kind: str) -> float:
    r"""Return a kind of thermal speed over :math:`\sqrt{k T / m}`.

    Examples
    --------
    >>> round(thermal_factor("rms") ** 2, 12)
    3.0
    """
    return THERMAL[refuse_unknown(kind, THERMAL, "kind of thermal speed")]


def sound_speed(
    ion_temperature: xr.DataArray,
    electron_temperature: xr.DataArray,
    *,
    particle: str | Species = "proton",
    gamma_ion: float = 5 / 3,
    gamma_electron: float = 5 / 3,
) -> xr.DataArray:
    r"""Return the sound speed of one ion and its electrons, :math:`\sqrt{(\gamma_i k T_i + \gamma_e Z k T_e) / m_i}`.

    Parameters
    ----------
    ion_temperature, electron_temperature : xarray.DataArray
        In K or as energies, on the same axes.
    particle : str or Species, optional
        The ion, as for :func:`species`; Z is its charge, and the electrons balance it.
    gamma_ion, gamma_electron : float, optional
        Adiabatic indices, 1 (isothermal) to 3 (one degree of freedom). The default, 5/3 for both, is the sound of
        magnetohydrodynamics, :math:`\sqrt{\gamma p / \rho}`; the ion-acoustic wave of a textbook, and PlasmaPy,
        have ``gamma_ion=3, gamma_electron=1``.

    Returns
    -------
    xarray.DataArray
        km s-1. NaN where either input is.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is no temperature.
    WrongData
        If an input is negative, a vector, or the two on different axes.
    BadOption
        If the particle is not known or no positive ion, or an index is not between 1 and 3.

    References
    ----------
    Chen, Introduction to Plasma Physics and Controlled Fusion (2016), section 4.6.

    Examples
    --------
    >>> t = xr.DataArray(10.0, attrs={"units": "eV"})
    >>> round(sound_speed(t, t).item(), 1), round(sound_speed(t, t, gamma_ion=3, gamma_electron=1).item(), 1)
    (56.5, 61.9)
    """
    ion = species(particle)
    if ion.charge < 0:
        raise BadOption(f"particle={ion.name!r}: name the positive ion, whose mass carries the wave")
    for name, gamma in (("gamma_ion", gamma_ion), ("gamma_electron", gamma_electron)):
        if not is_number(gamma) or not 1 <= gamma <= 3:
            raise BadOption(f"{name}={gamma!r} is no adiabatic index: 1 (isothermal) to 3 (one degree of freedom)")
    on_same_axes(ion_temperature=ion_temperature, electron_temperature=electron_temperature)
    refuse_vectors(ion_temperature=ion_temperature, electron_temperature=electron_temperature)
    ions = not_negative(energy_of(named(ion_temperature, "ion_temperature")), "ion_temperature")
    electrons = not_negative(energy_of(named(electron_temperature, "electron_temperature")), "electron_temperature")
    square = (float(gamma_ion) * ions + float(gamma_electron) * ion.charge * electrons) / ion.mass
    return made(
        xr.ufuncs.sqrt(square) * 1e-3,
        "sound_speed",
        ion_temperature,
        electron_temperature,
        units="km s-1",
        long_name=f"Sound speed ({ion.name}, gamma {gamma_ion:.3g} and {gamma_electron:.3g})",
    )


def fast_speed(alfven: xr.DataArray, sound: xr.DataArray, *, angle: xr.DataArray | None = None) -> xr.DataArray:
    r"""Return the phase speed of the fast magnetosonic wave.

    .. math:: v_f^2 = \frac{1}{2} \left(v_A^2 + c_s^2 + \sqrt{(v_A^2 + c_s^2)^2 - 4 v_A^2 c_s^2 \cos^2\theta}\right)

    Parameters
    ----------
    alfven, sound : xarray.DataArray
        :func:`alfven_speed` and :func:`sound_speed`, on the same axes.
    angle : xarray.DataArray, optional
        Angle :math:`\theta` between the field and the wave's direction, for a shock its normal; any unit of angle.
        By default across the field, where :math:`v_f^2 = v_A^2 + c_s^2`, the most that it can be.

    Returns
    -------
    xarray.DataArray
        km s-1. NaN where an input is.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongData
        If a speed is negative, an input a vector, or the inputs on different axes.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), chapter 9.

    Examples
    --------
    >>> alfven, sound = (xr.DataArray(value, attrs={"units": "km s-1"}) for value in (40.0, 30.0))
    >>> along = xr.DataArray(0.0, attrs={"units": "deg"})
    >>> fast_speed(alfven, sound).item(), fast_speed(alfven, sound, angle=along).item()
    (50.0, 40.0)
    """
    one, other, cosine, origins = _waves(alfven, sound, angle)
    square = (one + other + _root(one, other, cosine)) / 2
    label = "Fast magnetosonic speed" + ("" if angle is not None else ", across the field")
    return made(xr.ufuncs.sqrt(square), "fast_speed", *origins, units="km s-1", long_name=label)


def slow_speed(alfven: xr.DataArray, sound: xr.DataArray, *, angle: xr.DataArray) -> xr.DataArray:
    r"""Return the phase speed of the slow magnetosonic wave, the other root of :func:`fast_speed`.

    Parameters
    ----------
    alfven, sound : xarray.DataArray
        :func:`alfven_speed` and :func:`sound_speed`, on the same axes.
    angle : xarray.DataArray
        Angle between the field and the wave's direction; any unit of angle. Across the field the slow wave
        stands still.

    Returns
    -------
    xarray.DataArray
        km s-1. NaN where an input is, and where both speeds are zero.

    Raises
    ------
    WrongUnits, MissingUnits, WrongData
        As :func:`fast_speed`.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), chapter 9.

    Examples
    --------
    >>> alfven, sound = (xr.DataArray(value, attrs={"units": "km s-1"}) for value in (40.0, 30.0))
    >>> slow_speed(alfven, sound, angle=xr.DataArray(0.0, attrs={"units": "deg"})).item()
    30.0
    """
    one, other, cosine, origins = _waves(alfven, sound, angle)
    # the product of both roots is known, and a difference would lose the small one
    total = one + other + _root(one, other, cosine)
    square = 2 * one * other * cosine**2 / total.where(total > 0)
    return made(xr.ufuncs.sqrt(square), "slow_speed", *origins, units="km s-1", long_name="Slow magnetosonic speed")


def mach_number(flow: xr.DataArray, wave: xr.DataArray) -> xr.DataArray:
    r"""Return how many times faster a flow is than a wave: Alfvénic, sonic or magnetosonic Mach number.

    Parameters
    ----------
    flow : xarray.DataArray
        Speed, or a velocity vector with dim ``component``, in the frame that the number is for: the
        spacecraft's, or, for a shock, the shock's (then the part along its normal).
    wave : xarray.DataArray
        :func:`alfven_speed`, :func:`sound_speed`, :func:`fast_speed` or another, on the same axes.

    Returns
    -------
    xarray.DataArray
        Dimensionless, named after the wave (``alfven_mach_number``). NaN where either input is.

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is no speed.
    WrongData
        If an input is negative, the wave's speed zero or a vector, or the two on different axes.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), chapter 8.

    Examples
    --------
    >>> wind = xr.DataArray(400.0, attrs={"units": "km s-1"})
    >>> alfven = xr.DataArray(50.0, name="alfven_speed", attrs={"units": "km s-1", "long_name": "Alfvén speed"})
    >>> mach_number(wind, alfven).item(), mach_number(wind, alfven).name
    (8.0, 'alfven_mach_number')
    """
    on_same_axes(flow=flow, wave=wave)
    refuse_vectors(wave=wave)
    speed = strength_of(flow, "flow", "km s-1")
    slower = not_negative(in_units(named(wave, "wave"), "km s-1"), "wave", zero=False)
    kind = str(wave.name or "").removesuffix("_speed")
    label = f"Mach number: flow over {wave.attrs.get('long_name', wave.name or 'the wave')}"
    return made(speed / slower, f"{kind}_mach_number".lstrip("_"), flow, wave, units="1", long_name=label)


def _waves(
    alfven: xr.DataArray, sound: xr.DataArray, angle: xr.DataArray | None
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray | float, list[xr.DataArray]]:
    """Return the squares of two speeds in km2 s-2, the cosine of the angle, and what they come from."""
    given = {"alfven": alfven, "sound": sound} | ({} if angle is None else {"angle": angle})
    on_same_axes(**given)
    refuse_vectors(**given)
    squares = [not_negative(in_units(named(given[name], name), "km s-1"), name) ** 2 for name in ("alfven", "sound")]
    cosine = 0.0 if angle is None else xr.ufuncs.cos(in_units(named(angle, "angle"), "rad"))
    return squares[0], squares[1], cosine, list(given.values())


def _root(one: xr.DataArray, other: xr.DataArray, cosine: xr.DataArray | float) -> xr.DataArray:
    """Return the root of the dispersion relation, as a sum of squares so that it cannot turn imaginary."""
    return xr.ufuncs.sqrt((one - other) ** 2 + 4 * one * other * (1 - cosine**2))

"""Thermal continua: black bodies, disks of them, and bremsstrahlung."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from analysis.xray.component_parts import XSPEC, norm, of_density, redshifted, told
from analysis.xray.gaunt import gaunt_factor
from analysis.xray.models import Array, Component, Parameter

if TYPE_CHECKING:
    from scipy.interpolate import CubicHermiteSpline

# Photons of a black body of 1 km (radius) at 10 kpc, 2π keV³ / (h³ c²) (1 km / 10 kpc)² / keV, from CODATA 2018 and
# the parsec; and what XSPEC has in its place for bbodyrad, and for 1e39 erg/s at 10 kpc (exact: 8.0327).
SURFACE = 1.0380074e-3
BBODYRAD = 1.0344e-3
BBODY = 8.0525
HELIUM = 0.085  # helium nuclei for a hydrogen nucleus in XSPEC's bremss
COLDEST = 600.0  # E/kT above which a disk's photons are none


def _temperature(value: float, low: float, high: float, name: str = "kt", told: str = "Temperature") -> Parameter:
    return Parameter(name, value, "keV", low, high, (0.05, 20.0), long_name=told)


def _planck(energy: Array, kt: float) -> Array:
    return energy**2 / np.expm1(energy / kt)


def bbody() -> Component:
    """Return a black body with its luminosity over distance squared as norm."""
    return Component(
        "bbody",
        "additive",
        (_temperature(3.0, 1e-4, 200.0), norm("1e37 erg s-1 kpc-2", "L / D², 1e39 erg/s at 10 kpc")),
        on=of_density(lambda energy, pars: BBODY * _planck(energy, pars[0]) / pars[0] ** 4),
        about=told("Black body, norm by luminosity", f"{XSPEC}, bbody"),
    )


def bbodyrad() -> Component:
    """Return a black body with its apparent area as norm."""
    return Component(
        "bbodyrad",
        "additive",
        (_temperature(3.0, 1e-4, 200.0), norm("0.01 km2 kpc-2", "R² / D², 1 km at 10 kpc")),
        on=of_density(lambda energy, pars: BBODYRAD * _planck(energy, pars[0])),
        about=told("Black body, norm by area", f"{XSPEC}, bbodyrad"),
    )


def diskbb() -> Component:
    r"""Return a disk of black bodies, :math:`T \propto r^{-3/4}`.

    Photons per keV are :math:`1.0380 \times 10^{-3} \frac83 E^2 u^{-8/3} \int_u^\infty y^{5/3} / (e^y - 1) dy` with
    u = E / kT_in, the disk reaching out to where it is cold.
    """

    def density(energy: Array, pars: Array) -> Array:
        u = energy / pars[0]
        warm = np.clip(u, 1e-8, COLDEST)
        made = np.exp(_disk()(np.log(warm)) - warm)
        # below 1e-8 the integral is that from 0; u^(-8/3) keeps its course
        return np.where(u < COLDEST, SURFACE * (8 / 3) * energy**2 * u ** (-8 / 3) * made, 0.0)

    return Component(
        "diskbb",
        "additive",
        (
            _temperature(1.0, 1e-4, 1000.0, "tin", "Temperature at the inner edge"),
            norm("0.01 km2 kpc-2", "R_in² cos θ / D², 1 km at 10 kpc"),
        ),
        on=of_density(density),
        about=told("Disk of black bodies", f"{XSPEC}, diskbb; Mitsuda et al. (1984), PASJ 36, 741"),
    )


@cache
def _disk() -> CubicHermiteSpline:
    """Return u + ln of the integral of y^(5/3)/(e^y - 1) from u on, against ln u; exact to 1e-12."""
    from scipy.interpolate import CubicHermiteSpline
    from scipy.special import gamma, gammaincc, zeta

    log_u = np.linspace(np.log(1e-8), np.log(COLDEST), 12_000)
    u = np.exp(log_u)
    small, k = u < 0.5, np.arange(1, 101)[:, None]
    integral = np.empty_like(u)
    x = u[small]  # y/(e^y - 1) = 1 - y/2 + y²/12 - y⁴/720 + y⁶/30240 - y⁸/1209600
    series = zip((0, 1, 2, 4, 6, 8), (1, -1 / 2, 1 / 12, -1 / 720, 1 / 30240, -1 / 1209600), strict=True)
    lower = sum(c * x ** (n + 5 / 3) / (n + 5 / 3) for n, c in series)
    integral[small] = gamma(8 / 3) * zeta(8 / 3) - lower
    x = u[~small]
    # relative to e^-u, so that nothing underflows where u is large
    terms = gammaincc(8 / 3, k * np.minimum(x, 300.0)) * gamma(8 / 3) / k ** (8 / 3)
    integral[~small] = terms.sum(axis=0)
    logs = np.log(integral) + u
    far = u > 300.0  # e^-u u^(5/3) (1 + (5/3)/u + (5/3)(2/3)/u² + …)
    v = u[far]
    logs[far] = 5 / 3 * np.log(v) + np.log1p(5 / 3 / v * (1 + 2 / 3 / v * (1 - 1 / 3 / v * (1 - 4 / 3 / v))))
    slope = u - np.exp(8 / 3 * log_u - logs) / -np.expm1(-u)
    return CubicHermiteSpline(log_u, logs, slope)


def bremss() -> Component:
    """Return thermal bremsstrahlung of hydrogen and helium with the Gaunt factors of Kellogg et al. (1975)."""

    def density(energy: Array, pars: Array) -> Array:
        kt = pars[0]
        gaunt = gaunt_factor(energy, kt, 1) + 4 * HELIUM * gaunt_factor(energy, kt, 2)
        return gaunt * np.exp(-energy / kt) / (energy * np.sqrt(kt))

    return Component(
        "bremss",
        "additive",
        (
            _temperature(7.0, 1e-4, 200.0),
            norm("3.31126e14 cm-5", "Emission measure over 4πD², 3.02e-15 ∫ n_e n_I dV / (4πD²)"),
        ),
        on=of_density(density),
        about=told(
            "Thermal bremsstrahlung",
            f"{XSPEC}, bremss; Kellogg, Baldwin & Koch (1975), ApJ 199, 299; Karzas & Latter (1961), ApJS 6, 167",
            abundances="8.5 % helium by number",
        ),
    )


COMPONENTS: dict[str, Callable[[], Component]] = {
    "bbody": bbody,
    "bbodyrad": bbodyrad,
    "zbbody": lambda: redshifted("zbbody", bbody(), "Black body at a redshift"),
    "diskbb": diskbb,
    "bremss": bremss,
    "zbremss": lambda: redshifted("zbremss", bremss(), "Thermal bremsstrahlung at a redshift"),
}

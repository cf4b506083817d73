"""The empirical boundaries of planets: one table, to be read by eye.

Lengths are in radii of the planet, pressures in nPa. A parameter is a number, or a sum of terms
(coefficient, exponent) in the dynamic pressure of the solar wind: ((0.73, 0), (0.4, 1)) is 0.73 + 0.4 P.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Terms = float | tuple[tuple[float, float], ...]
MERCURY_RADIUS, MARS_RADIUS, JUPITER_RADIUS, SATURN_RADIUS = 2440.0, 3390.0, 71492.0, 60268.0  # km
DIPOLE_OFFSET = 0.196  # of Mercury's radius northward: Anderson et al. 2012, doi:10.1029/2012JE004159

WINSLOW = "Winslow et al., J. Geophys. Res. Space Physics 118, 2213 (2013), doi:10.1002/jgra.50237"
VIGNES = "Vignes et al., Geophys. Res. Lett. 27, 49 (2000), doi:10.1029/1999GL010703"
EDBERG = "Edberg et al., J. Geophys. Res. 113, A08206 (2008), doi:10.1029/2008JA013096"
TROTIGNON = "Trotignon et al., Planet. Space Sci. 54, 357 (2006), doi:10.1016/j.pss.2006.01.003"
JOY = "Joy et al., J. Geophys. Res. 107, 1309 (2002), doi:10.1029/2001JA009146"
KANANI = "Kanani et al., J. Geophys. Res. 115, A06207 (2010), doi:10.1029/2009JA014262"
MASTERS = "Masters et al., J. Geophys. Res. 113, A10210 (2008), doi:10.1029/2008JA013276"


@dataclass(frozen=True, kw_only=True)
class PlanetModel:
    """One published surface and what it was fitted to."""

    name: str
    body: str
    boundary: str
    form: str
    radius: float  # of the planet, km
    parameters: Mapping[str, Terms]
    driven: Mapping[str, Terms] = field(default_factory=dict)  # instead of these, where a pressure is given
    errors: Mapping[str, float] = field(default_factory=dict)  # as published, one standard deviation
    frames: tuple[str, ...]  # of positions; the first by default
    aberration: float = 0.0  # degrees, where none is given
    offset: float = 0.0  # of the model's centre northward, in radii, in the first frame
    pdyn: tuple[float, float] | None = None  # nPa, of the fit
    fitted: str  # in words
    reference: str


def _joy(**coefficients: tuple[float, float]) -> dict[str, Terms]:
    """Return the surface z² = A + Bx + Cx² + Dy + Ey² + Fxy in units of 120 radii as a quadric in radii.

    A, B and C go as c0 + c1 P^(-1/4), the others as c0 + c1 P.
    """
    scale = {"a": 120.0**2, "b": 120.0, "c": 1.0, "d": 120.0, "e": 1.0, "f": 1.0}
    power = {"a": -0.25, "b": -0.25, "c": -0.25, "d": 1.0, "e": 1.0, "f": 1.0}
    name = {"a": "constant", "b": "cx", "c": "cxx", "d": "cy", "e": "cyy", "f": "cxy"}
    terms: dict[str, Terms] = {
        name[key]: ((-scale[key] * first, 0.0), (-scale[key] * second, power[key]))
        for key, (first, second) in coefficients.items()
    }
    return {**terms, "czz": 1.0, "cz": 0.0, "cxz": 0.0, "cyz": 0.0}


PLANET_MODELS: dict[str, PlanetModel] = {
    "mercury_magnetopause_winslow_2013": PlanetModel(
        name="Winslow et al. 2013",
        body="Mercury",
        boundary="magnetopause",
        form="shue",
        radius=MERCURY_RADIUS,
        parameters={"standoff": 1.45, "flaring": 0.5},
        driven={"standoff": ((2.15, -1 / 6.75),)},
        frames=("MSO", "MSM"),
        aberration=6.75,  # the mean orbital speed, 47.36 km/s, in a wind of 400 km/s
        offset=DIPOLE_OFFSET,
        pdyn=(8.8, 21.6),
        fitted="midpoints of MESSENGER crossings, March to December 2011; mean dynamic pressure 14.3 nPa",
        reference=WINSLOW,
    ),
    # The paper writes p ε / (1 + ε cos θ), so that the semilatus rectum is p ε: 2.9 · 1.02 and 2.75 · 1.04.
    "mercury_bow_shock_winslow_2013": PlanetModel(
        name="Winslow et al. 2013",
        body="Mercury",
        boundary="bow_shock",
        form="conic",
        radius=MERCURY_RADIUS,
        parameters={"x0": 0.5, "eccentricity": 1.02, "semilatus_rectum": 2.9 * 1.02},
        frames=("MSO", "MSM"),
        aberration=6.75,
        offset=DIPOLE_OFFSET,
        fitted="the probability density of MESSENGER's crossings, March to December 2011; mean Alfvén Mach number 6.6",
        reference=WINSLOW,
    ),
    "mercury_bow_shock_winslow_2013_midpoints": PlanetModel(
        name="Winslow et al. 2013 (midpoints)",
        body="Mercury",
        boundary="bow_shock",
        form="conic",
        radius=MERCURY_RADIUS,
        parameters={"x0": 0.5, "eccentricity": 1.04, "semilatus_rectum": 2.75 * 1.04},
        frames=("MSO", "MSM"),
        aberration=6.75,
        offset=DIPOLE_OFFSET,
        fitted="midpoints of MESSENGER crossings, March to December 2011",
        reference=WINSLOW,
    ),
    "mars_bow_shock_vignes_2000": PlanetModel(
        name="Vignes et al. 2000",
        body="Mars",
        boundary="bow_shock",
        form="conic",
        radius=MARS_RADIUS,
        parameters={"x0": 0.64, "eccentricity": 1.03, "semilatus_rectum": 2.04},
        errors={"x0": 0.02, "eccentricity": 0.01, "semilatus_rectum": 0.02},
        frames=("MSO",),
        aberration=4.0,
        fitted="direct fit to crossings of the first year of Mars Global Surveyor",
        reference=VIGNES,
    ),
    "mars_mpb_vignes_2000": PlanetModel(
        name="Vignes et al. 2000",
        body="Mars",
        boundary="magnetic_pileup_boundary",
        form="conic",
        radius=MARS_RADIUS,
        parameters={"x0": 0.78, "eccentricity": 0.90, "semilatus_rectum": 0.96},
        errors={"x0": 0.01, "eccentricity": 0.01, "semilatus_rectum": 0.01},
        frames=("MSO",),
        aberration=4.0,
        fitted="direct fit to crossings of the first year of Mars Global Surveyor",
        reference=VIGNES,
    ),
    "mars_bow_shock_trotignon_2006": PlanetModel(
        name="Trotignon et al. 2006",
        body="Mars",
        boundary="bow_shock",
        form="conic",
        radius=MARS_RADIUS,
        parameters={"x0": 0.6, "eccentricity": 1.026, "semilatus_rectum": 2.081},
        frames=("MSO",),
        aberration=4.0,
        fitted="crossings of Phobos 2 and Mars Global Surveyor",
        reference=TROTIGNON,
    ),
    "mars_mpb_trotignon_2006": PlanetModel(
        name="Trotignon et al. 2006",
        body="Mars",
        boundary="magnetic_pileup_boundary",
        form="two_conics",
        radius=MARS_RADIUS,
        parameters={
            "x0": 0.64,
            "eccentricity": 0.77,
            "semilatus_rectum": 1.08,
            "night_x0": 1.60,
            "night_eccentricity": 1.009,
            "night_semilatus_rectum": 0.528,
        },
        frames=("MSO",),
        aberration=4.0,
        fitted="crossings of Phobos 2 and Mars Global Surveyor; the two conics miss each other by 0.01 radii at x = 0",
        reference=TROTIGNON,
    ),
    "mars_bow_shock_edberg_2008": PlanetModel(
        name="Edberg et al. 2008",
        body="Mars",
        boundary="bow_shock",
        form="conic",
        radius=MARS_RADIUS,
        parameters={"x0": 0.55, "eccentricity": 1.05, "semilatus_rectum": 2.10},
        errors={"x0": 0.12, "eccentricity": 0.04, "semilatus_rectum": 0.09},
        frames=("MSO",),
        aberration=4.0,
        fitted="crossings of Mars Global Surveyor before its mapping orbit",
        reference=EDBERG,
    ),
    "mars_mpb_edberg_2008": PlanetModel(
        name="Edberg et al. 2008",
        body="Mars",
        boundary="magnetic_pileup_boundary",
        form="conic",
        radius=MARS_RADIUS,
        parameters={"x0": 0.86, "eccentricity": 0.92, "semilatus_rectum": 0.90},
        errors={"x0": 0.11, "eccentricity": 0.03, "semilatus_rectum": 0.06},
        frames=("MSO",),
        aberration=4.0,
        fitted="crossings of Mars Global Surveyor before its mapping orbit",
        reference=EDBERG,
    ),
    "jupiter_magnetopause_joy_2002": PlanetModel(
        name="Joy et al. 2002",
        body="Jupiter",
        boundary="magnetopause",
        form="quadric",
        radius=JUPITER_RADIUS,
        parameters=_joy(
            a=(-0.134, 0.488),
            b=(-0.581, -0.225),
            c=(-0.186, -0.016),
            d=(-0.014, 0.096),
            e=(-0.814, -0.811),
            f=(-0.050, 0.168),
        ),
        frames=("JSS", "JSO"),  # the simulations behind it had neither tilt nor aberration
        pdyn=(0.039, 0.306),
        fitted="magnetohydrodynamic simulations; the range is that between the two most probable stand-offs, "
        "92 and 63 radii",
        reference=JOY,
    ),
    "jupiter_bow_shock_joy_2002": PlanetModel(
        name="Joy et al. 2002",
        body="Jupiter",
        boundary="bow_shock",
        form="quadric",
        radius=JUPITER_RADIUS,
        parameters=_joy(
            a=(-1.107, 1.591),
            b=(-0.566, -0.812),
            c=(0.048, -0.059),
            d=(0.077, -0.038),
            e=(-0.874, -0.299),
            f=(-0.055, 0.124),
        ),
        frames=("JSS", "JSO"),
        pdyn=(0.039, 0.306),
        fitted="magnetohydrodynamic simulations; the range is that between the magnetopause's two most probable "
        "stand-offs, 92 and 63 radii",
        reference=JOY,
    ),
    "saturn_magnetopause_kanani_2010": PlanetModel(
        name="Kanani et al. 2010",
        body="Saturn",
        boundary="magnetopause",
        form="shue",
        radius=SATURN_RADIUS,
        parameters={"standoff": ((10.3, -0.20),), "flaring": ((0.73, 0.0), (0.4, 1.0))},
        frames=("KSM",),
        fitted="Cassini crossings, June 2004 to January 2006",
        reference=KANANI,
    ),
    "saturn_bow_shock_masters_2008": PlanetModel(
        name="Masters et al. 2008",
        body="Saturn",
        boundary="bow_shock",
        form="conic",
        radius=SATURN_RADIUS,
        parameters={"x0": 0.0, "eccentricity": 1.05, "semilatus_rectum": ((2.05 * 12.3, -1 / 4.3),)},
        frames=("KSM",),
        fitted="Cassini crossings from June 2004; the stand-off is 12.3 P^(-1/4.3)",
        reference=MASTERS,
    ),
}

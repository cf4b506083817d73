r"""Empirical models of Earth's magnetopause and bow shock: which solar wind each needs and the surface it gives.

Every coefficient is that of the paper named beside it. ``surface`` takes the drivers in the units of :data:`DRIVERS`
and returns the parameters of the model's form, lengths in Earth radii.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import xarray as xr

from analysis.plasma.earth_forms import LIN, LIN_2010, OFFSET_CONIC, PARABOLA, POWER_CONIC
from analysis.plasma.forms import CONIC, SHUE

Array = xr.DataArray
Surface = Mapping[str, xr.DataArray | float]
SHUE_1997 = "Shue et al., J. Geophys. Res. 102, 9497 (1997), doi:10.1029/97JA00196"
SHUE_1998 = "Shue et al., J. Geophys. Res. 103, 17691 (1998), doi:10.1029/98JA01103"
LIN_PAPER = "Lin et al., J. Geophys. Res. 115, A04207 (2010), doi:10.1029/2009JA014235"
JELINEK = "Jelínek, Němeček & Šafránková, J. Geophys. Res. 117, A05208 (2012), doi:10.1029/2011JA017252"
CHAO = "Chao et al., COSPAR Colloquia Series 12, 127 (2002), doi:10.1016/S0964-2749(02)80212-8"
FARRIS_1991 = "Farris, Petrinec & Russell, Geophys. Res. Lett. 18, 1821 (1991), doi:10.1029/91GL02090"
FARRIS_1994 = "Farris & Russell, J. Geophys. Res. 99, 17681 (1994), doi:10.1029/94JA01020"
SPREITER = "Spreiter, Summers & Alksne, Planet. Space Sci. 14, 223 (1966), doi:10.1016/0032-0633(66)90124-3"
SLAVIN = "Slavin & Holzer, J. Geophys. Res. 86, 11401 (1981), doi:10.1029/JA086iA13p11401"
PEREDO = "Peredo et al., J. Geophys. Res. 100, 7907 (1995), doi:10.1029/94JA02545"
FORMISANO = "Formisano, Planet. Space Sci. 27, 1151 (1979), doi:10.1016/0032-0633(79)90135-1"
FAIRFIELD = "Fairfield, J. Geophys. Res. 76, 6700 (1971), doi:10.1029/JA076i028p06700"
SCHWARTZ = "Schwartz, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001, ch. 10 (1998)"


@dataclass(frozen=True, kw_only=True)
class Driver:
    """One property of the solar wind or of Earth: its unit, what it cannot be, and where it comes from."""

    units: str
    word: str  # in statements of validity
    how: str  # to compute it
    above: float | None = None  # not at or below this
    least: float | None = None  # not below this
    most: float | None = None  # nor above this
    frame: str = ""


DRIVERS = {
    "bz": Driver(units="nT", word="Bz", how="the Z component of the interplanetary field in GSM", frame="GSM"),
    "pdyn": Driver(units="nPa", word="Pdyn", how="plasma.dynamic_pressure(density, speed)", above=0),
    "magnetic_pressure": Driver(units="nPa", word="Pm", how="plasma.magnetic_pressure(b)", least=0),
    "dipole_tilt": Driver(
        units="deg",
        word="tilt",
        how="plasma.dipole_tilt(time), positive where the north leans sunward",
        least=-45,
        most=45,
    ),
    "magnetosonic_mach": Driver(
        units="1",
        word="Mms",
        how="the fast magnetosonic Mach number, plasma.mach_number(speed, plasma.fast_speed(alfven, sound))",
        least=0,
    ),
    "plasma_beta": Driver(units="1", word="beta", how="plasma.plasma_beta(pressure, b)", least=0),
}


@dataclass(frozen=True, kw_only=True)
class EarthModel:
    """One empirical model: what drives it, the parameters of its surface, and where both are said."""

    name: str
    form: str
    drivers: tuple[str, ...]
    surface: Callable[..., Surface]
    references: tuple[str, ...]
    fitted: str  # to what, in words
    frame: str = "GSE"
    mean_aberration: float = 0.0  # deg, where one angle was taken for all crossings
    needs_obstacle: bool = False  # a bow shock that stands in front of some magnetopause
    validity: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # drivers of the crossings fitted

    @property
    def said_validity(self) -> str:
        """Say in words which solar wind the model was fitted to."""
        ranges = [
            f"{low:g} < {DRIVERS[name].word} < {high:g}" + (f" {DRIVERS[name].units}" * (DRIVERS[name].units != "1"))
            for name, (low, high) in self.validity.items()
        ]
        return ", ".join(ranges) or "not stated"


def _shue_1997(bz: Array, pdyn: Array) -> Surface:
    return {
        "standoff": (11.4 + xr.where(bz < 0, 0.14, 0.013) * bz) * pdyn ** (-1 / 6.6),
        "flaring": (0.58 - 0.010 * bz) * (1 + 0.010 * pdyn),
    }


def _shue_1998(bz: Array, pdyn: Array) -> Surface:
    return {
        "standoff": (10.22 + 1.29 * xr.ufuncs.tanh(0.184 * (bz + 8.14))) * pdyn ** (-1 / 6.6),
        "flaring": (0.58 - 0.007 * bz) * (1 + 0.024 * xr.ufuncs.log(pdyn)),
    }


def _lin_2010(bz: Array, pdyn: Array, magnetic_pressure: Array, dipole_tilt: Array) -> Surface:
    """Return the coefficients of Lin et al. (2010), equation 20; a0 ... a21 as in their table 9."""
    a, pressure, tilt = LIN_2010, pdyn + magnetic_pressure, xr.ufuncs.radians(dipole_tilt)

    def growth(scale: float, rate: float, cut: float) -> Array:
        return scale * (xr.ufuncs.exp(rate * bz) - 1) / (xr.ufuncs.exp(cut * bz.clip(max=300)) + 1)

    return {
        "size": a[0] * pressure ** a[1] * (1 + growth(*a[2:5])),
        "exponent": a[6] + growth(*a[7:10]),
        "hinging": a[11] + a[12] * tilt,
        "indentation": a[14] * pressure ** a[15],
        "decay_north": a[16] + a[17] * tilt + a[18] * tilt**2,
        "decay_south": a[16] - a[17] * tilt + a[18] * tilt**2,
        "cusp_north": a[19] + a[20] * tilt,
        "cusp_south": a[19] - a[20] * tilt,
    }


def _chao_2002(bz: Array, pdyn: Array, plasma_beta: Array, magnetosonic_mach: Array) -> Surface:
    """Return r0, epsilon and alpha of Chao et al. (2002); a1 ... a14 as in their table."""
    shocked = magnetosonic_mach.where(magnetosonic_mach > 1)
    gas = ((1.3007 - 1) * shocked**2 + 2) / ((1.3007 + 1) * shocked**2)
    nose = 11.1266 * (1 + xr.where(bz >= 0, 0.0010, -0.0005) * bz) * (1 - 0.0049 * plasma_beta)
    wings = 0.8182 * (1 + xr.where(bz >= 0, 0.0231, -0.0170) * bz) * (1 - 0.0122 * pdyn)
    return {
        "standoff": nose * (1 + 2.5966 * gas) * pdyn ** (-1 / 6.047),
        "eccentricity": 1.029,
        "flaring": wings * (1 - 0.0328 * xr.ufuncs.log(1 + plasma_beta)) * (1 - 0.002 * shocked),
    }


def _farris_1994(magnetosonic_mach: Array, obstacle: Array, gamma: float) -> Surface:
    return _in_front(obstacle, shock_distance(magnetosonic_mach, gamma, "farris_russell_1994"))


def _spreiter_1966(magnetosonic_mach: Array, obstacle: Array, gamma: float) -> Surface:
    return _in_front(obstacle, shock_distance(magnetosonic_mach, gamma, "spreiter_1966"))


def _in_front(obstacle: Array, ratio: Array) -> Surface:
    """Return the conic of Farris et al. (1991), its focus at Earth's centre, at a distance from the obstacle."""
    nose = obstacle * (1 + ratio)
    return {"x0": 0.0, "eccentricity": 0.81, "semilatus_rectum": nose * (1 + 0.81)}


DISTANCES = ("farris_russell_1994", "spreiter_1966")


def shock_distance(mach: Array, gamma: float, formula: str) -> Array:
    r"""Return how far a shock stands in front of a blunt obstacle, in stand-off distances of the obstacle.

    It is 1.1 times the inverse of the density jump of Spreiter et al. (1966), whose denominator Farris & Russell
    (1994) changed so that the shock goes off to infinity as the Mach number comes down to 1. NaN below.

    Examples
    --------
    >>> mach = xr.DataArray([1.0, 2.0, 8.0])
    >>> shock_distance(mach, 5 / 3, "spreiter_1966").values.round(3)
    array([  nan, 0.481, 0.288])
    >>> shock_distance(mach, 5 / 3, "farris_russell_1994").values.round(3)
    array([  nan, 0.642, 0.292])
    """
    squared = mach.where(mach > 1) ** 2
    below = squared - 1 if formula == "farris_russell_1994" else squared
    return 1.1 * ((gamma - 1) * squared + 2) / ((gamma + 1) * below)


def _conic(eccentricity: float, semilatus_rectum: float, **focus: float) -> Callable[[], Surface]:
    """Return a surface of fixed size: L and the focus (x0, y0) in Earth radii."""
    return lambda: {**focus, "eccentricity": eccentricity, "semilatus_rectum": semilatus_rectum}


# Shue's two were fitted to the same crossings (ISEE 1 and 2, AMPTE/IRM, IMP 8); the form of 1998 was chosen so that it
# still behaves beyond them (Shue et al. 1998, section 2.1 and figures 10 and 13).
SHUE_RANGE = {"bz": (-18.0, 15.0), "pdyn": (0.5, 8.5)}
MAGNETOPAUSES = {
    "shue_1997": EarthModel(
        name="Shue et al. 1997",
        form="shue",
        drivers=("bz", "pdyn"),
        surface=_shue_1997,
        references=(SHUE_1997,),
        fitted="crossings of ISEE 1 and 2, AMPTE/IRM and IMP 8",
        frame="GSM",
        validity=SHUE_RANGE,
    ),
    "shue_1998": EarthModel(
        name="Shue et al. 1998",
        form="shue",
        drivers=("bz", "pdyn"),
        surface=_shue_1998,
        references=(SHUE_1998,),
        fitted="the crossings of 1997; the form chosen to behave beyond their range",
        frame="GSM",
        validity=SHUE_RANGE,
    ),
    "lin_2010": EarthModel(
        name="Lin et al. 2010",
        form="lin",
        drivers=("bz", "pdyn", "magnetic_pressure", "dipole_tilt"),
        surface=_lin_2010,
        references=(LIN_PAPER,),
        fitted="crossings of many spacecraft at all latitudes, cusps among them",
        frame="GSM",
    ),
    "jelinek_2012": EarthModel(
        name="Jelínek et al. 2012",
        form="parabola",
        drivers=("pdyn",),
        surface=lambda pdyn: {"standoff": 12.82 * pdyn ** (-1 / 5.26), "slimness": 1.54},
        references=(JELINEK,),
        fitted="crossings of THEMIS, in axes along the wind",
    ),
}
BOW_SHOCKS = {
    "jelinek_2012": EarthModel(
        name="Jelínek et al. 2012",
        form="parabola",
        drivers=("pdyn",),
        surface=lambda pdyn: {"standoff": 15.02 * pdyn ** (-1 / 6.55), "slimness": 1.17},
        references=(JELINEK,),
        fitted="crossings of THEMIS, in axes along the wind",
    ),
    "chao_2002": EarthModel(
        name="Chao et al. 2002",
        form="power_conic",
        drivers=("bz", "pdyn", "plasma_beta", "magnetosonic_mach"),
        surface=_chao_2002,
        references=(CHAO,),
        fitted="crossings of the shock, about the axis of the wind",
    ),
    "farris_russell_1994": EarthModel(
        name="Farris & Russell 1994",
        form="conic",
        drivers=("magnetosonic_mach",),
        surface=_farris_1994,
        references=(FARRIS_1994, FARRIS_1991),
        fitted="gas dynamics, with the right limit at low Mach numbers; the shape that of Farris et al. 1991",
        needs_obstacle=True,
    ),
    "spreiter_1966": EarthModel(
        name="Spreiter et al. 1966",
        form="conic",
        drivers=("magnetosonic_mach",),
        surface=_spreiter_1966,
        references=(SPREITER, FARRIS_1991),
        fitted="gas dynamics at high Mach numbers; the shape that of Farris et al. 1991",
        needs_obstacle=True,
    ),
    "farris_1991": EarthModel(
        name="Farris et al. 1991",
        form="conic",
        drivers=(),
        surface=_conic(0.81, 24.8, x0=0.0),
        references=(FARRIS_1991, SCHWARTZ),
        fitted="the mean shock of ISEE 1",
        mean_aberration=3.8,
    ),
    "slavin_holzer_1981": EarthModel(
        name="Slavin & Holzer 1981",
        form="conic",
        drivers=(),
        surface=_conic(1.16, 23.3, x0=3.0),
        references=(SLAVIN, SCHWARTZ),
        fitted="the mean shock, in axes along the wind",
    ),
    "peredo_1995": EarthModel(
        name="Peredo et al. 1995",
        form="offset_conic",
        drivers=(),
        surface=_conic(0.98, 26.1, x0=2.0, y0=0.3),
        references=(PEREDO, SCHWARTZ),
        fitted="the mean shock of 17 spacecraft, all Mach numbers; its section z = 0 turned about the axis",
        mean_aberration=3.2,
    ),
    "formisano_1979": EarthModel(
        name="Formisano 1979",
        form="offset_conic",
        drivers=(),
        surface=_conic(0.97, 22.8, x0=2.6, y0=1.1),
        references=(FORMISANO, SCHWARTZ),
        fitted="the mean shock, not scaled with pressure; its section z = 0 turned about the axis",
        mean_aberration=3.6,
    ),
    "fairfield_1971": EarthModel(
        name="Fairfield 1971",
        form="offset_conic",
        drivers=(),
        surface=_conic(1.02, 22.3, x0=3.4, y0=0.3),
        references=(FAIRFIELD, SCHWARTZ),
        fitted="the mean shock of crossings aberrated by 4° and turned into one plane about the axis",
        mean_aberration=4.8,
    ),
}
PARAMETERS = {
    "shue": SHUE.parameters,
    "conic": CONIC.parameters,
    "lin": LIN.parameters,
    "parabola": PARABOLA.parameters,
    "power_conic": POWER_CONIC.parameters,
    "offset_conic": OFFSET_CONIC.parameters,
}


def earth_rows() -> list[dict[str, str]]:
    """Return one row for each model of Earth's boundaries: what it is, needs and was fitted to.

    Examples
    --------
    >>> earth_rows()[0]["drivers"]
    'bz, pdyn'
    """
    tables = {"magnetopause": MAGNETOPAUSES, "bow_shock": BOW_SHOCKS}
    return [
        {
            "model": word,
            "body": "Earth",
            "boundary": boundary,
            "form": model.form,
            "drivers": ", ".join([*model.drivers, *(["obstacle"] if model.needs_obstacle else [])]),
            "parameters": ", ".join(PARAMETERS[model.form]),
            "errors": "",
            "validity": model.said_validity if model.validity else "",
            "frame": model.frame + (f", aberrated by {model.mean_aberration:g}°" if model.mean_aberration else ""),
            "fitted": model.fitted,
            "reference": "; ".join(model.references),
        }
        for boundary, table in tables.items()
        for word, model in table.items()
    ]

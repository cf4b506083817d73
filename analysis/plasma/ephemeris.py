"""Angles of the Earth and the Sun by time: precession, nutation, sidereal time, the Sun, the dipole.

Angles are numpy arrays in radians, for times as ``datetime64[ns]`` UTC. UT1 is taken as UTC, from which it is kept
within 0.9 s (0.004°).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from analysis.errors import OutsideCoverage
from analysis.plasma.rotations import Step, turned

Angles = Mapping[str, np.ndarray]

ARCSEC = np.pi / 648000
NS_PER_DAY = 86_400_000_000_000
J2000 = np.datetime64("2000-01-01T12:00", "ns").astype(np.int64)
TT_AHEAD = 69.184 / 86400  # days by which TT leads UTC since 2017; 27 s less in 1972, in which the Sun moves 0.0003°
FORMULAE = (np.datetime64("1900-01-01", "ns"), np.datetime64("2101-01-01", "ns"))  # where they were checked
# The Sun's axis in J2000: right ascension and declination. Archinal et al. (2011), doi:10.1007/s10569-010-9320-4.
SOLAR_AXIS = np.radians([286.13, 63.87])

# The dipole of IGRF-14, nT: g10, g11, h11 at 1 January of each fifth year; 2030 by the secular variation of 2025-2030.
# Alken et al., zenodo:14012302 (2024); definitive from 1945 to 2020, linear in between by definition.
IGRF_YEARS = np.arange(1900, 2031, 5)
IGRF_DIPOLE = np.array(
    [
        (-31543, -2298, 5922), (-31464, -2298, 5909), (-31354, -2297, 5898), (-31212, -2306, 5875),
        (-31060, -2317, 5845), (-30926, -2318, 5817), (-30805, -2316, 5808), (-30715, -2306, 5812),
        (-30654, -2292, 5821), (-30594, -2285, 5810), (-30554, -2250, 5815), (-30500, -2215, 5820),
        (-30421, -2169, 5791), (-30334, -2119, 5776), (-30220, -2068, 5737), (-30100, -2013, 5675),
        (-29992, -1956, 5604), (-29873, -1905, 5500), (-29775, -1848, 5406), (-29692, -1784, 5306),
        (-29619.4, -1728.2, 5186.1), (-29554.63, -1669.05, 5077.99), (-29496.57, -1586.42, 4944.26),
        (-29441.46, -1501.77, 4795.99), (-29403.41, -1451.37, 4653.35), (-29350.0, -1410.3, 4545.5),
        (-29287.0, -1360.3, 4438.0),
    ]
)  # fmt: skip

# Heliocentric longitude of the Earth, mean equinox of date: VSOP87D (Bretagnon & Francou, Astron. Astrophys. 202, 309,
# 1988), its terms above 2e-6 rad; amplitude (rad), phase (rad), frequency (rad per 1000 years), by power of time.
EARTH_LONGITUDE = (
    (
        (1.75347045673, 0.0, 0.0),
        (0.03341656453, 4.66925680415, 6283.0758499914),
        (0.00034894275, 4.62610242189, 12566.1516999828),
        (0.00003417572, 2.82886579754, 3.523118349),
        (0.00003497056, 2.74411783405, 5753.3848848968),
        (0.00003135899, 3.62767041756, 77713.7714681205),
        (0.00002676218, 4.41808345438, 7860.4193924392),
        (0.00002342691, 6.13516214446, 3930.2096962196),
        (0.00001273165, 2.03709657878, 529.6909650946),
        (0.00001324294, 0.74246341673, 11506.7697697936),
        (0.00000901854, 2.04505446477, 26.2983197998),
        (0.00001199167, 1.10962946234, 1577.3435424478),
        (0.00000857223, 3.50849152283, 398.149003408),
        (0.00000779786, 1.17882681962, 5223.6939198022),
        (0.0000099025, 5.23268072088, 5884.9268465832),
        (0.00000753141, 2.53339052847, 5507.5532386674),
        (0.00000505267, 4.58292599973, 18849.2275499742),
        (0.00000492392, 4.20505711826, 775.522611324),
        (0.00000356672, 2.91954114478, 0.0673103028),
        (0.00000284125, 1.89869240932, 796.2980068164),
        (0.00000242879, 0.34481445893, 5486.777843175),
        (0.00000317087, 5.84901948512, 11790.6290886588),
        (0.00000271112, 0.31486255375, 10977.078804699),
        (0.00000206217, 4.80646631478, 2544.3144198834),
        (0.00000205478, 1.86953770281, 5573.1428014331),
        (0.00000202318, 2.45767790232, 6069.7767545534),
    ),
    (
        (6283.31966747491, 0.0, 0.0),
        (0.00206058863, 2.67823455584, 6283.0758499914),
        (0.0000430343, 2.63512650414, 12566.1516999828),
        (0.00000425264, 1.59046980729, 3.523118349),
    ),
    ((0.0005291887, 0.0, 0.0), (0.00008719837, 1.07209665242, 6283.0758499914)),
)

# IAU 2006, arcseconds by power of Julian centuries: Capitaine, Wallace & Chapront, Astron. Astrophys. 412, 567 (2003).
PRECESSION = {
    "zeta": (2.650545, 2306.083227, 0.2988499, 0.01801828, -0.000005971, -0.0000003173),
    "z": (-2.650545, 2306.077181, 1.0927348, 0.01826837, -0.000028596, -0.0000002904),
    "theta": (0.0, 2004.191903, -0.4294934, -0.04182264, -0.000007089, -0.0000001274),
}
OBLIQUITY = (84381.406, -46.836769, -0.0001831, 0.00200340, -0.000000576, -0.0000000434)
# Sidereal less rotation angle, the same source.
SIDEREAL = (0.014506, 4612.156534, 1.3915817, -0.00000044, -0.000029956, -0.0000000368)


def angles(times: np.ndarray, needs: Collection[str]) -> dict[str, np.ndarray]:
    """Return the angles of the Earth and the Sun by name, in radians.

    Parameters
    ----------
    times : numpy.ndarray
        ``datetime64[ns]``.
    needs : collection of str
        ``"precession"`` gives ``zeta, z, theta``; ``"equator"`` ``obliquity, nutation, true_obliquity, sidereal``;
        ``"sun"`` ``obliquity, sun`` (its longitude); ``"pole"`` ``longitude, colatitude`` of the dipole in GEO;
        ``"dipole"`` ``roll, tilt`` (of the dipole about the x axis of GSE and from the z axis of GSM); ``"solar"``
        ``solar_roll, solar_tilt`` (the same of the Sun's axis).

    Raises
    ------
    OutsideCoverage
        If a time is outside 1900-2100 or, for the dipole, outside IGRF-14.

    Examples
    --------
    >>> noon = np.array("2000-01-01T12:00", dtype="datetime64[ns]")
    >>> round(float(np.degrees(angles(noon, {"equator"})["obliquity"])), 4)
    23.4393
    """
    _refuse_outside(times, *FORMULAE, "the formulae for the Sun and the equator were checked from 1900 to 2100")
    whole, rest = np.divmod(np.asarray(times, "datetime64[ns]").astype(np.int64) - J2000, NS_PER_DAY)
    turn = rest / NS_PER_DAY  # of the day: apart, so that the rotation of the Earth keeps its last digits
    days = whole + turn
    century = (days + TT_AHEAD) / 36525
    made: dict[str, np.ndarray] = {"obliquity": _polynomial(OBLIQUITY, century)}
    if {"precession", "solar"} & set(needs):
        made |= {name: _polynomial(terms, century) for name, terms in PRECESSION.items()}
    if {"sun", "dipole", "solar"} & set(needs):
        made["sun"] = _slowly(_sun_longitude, days)
    if {"equator", "dipole"} & set(needs):
        made["nutation"] = _slowly(_nutation_in_longitude, days)
        made["true_obliquity"] = made["obliquity"] + _slowly(_nutation_in_obliquity, days)
        rotation = 0.7790572732640 + 0.00273781191135448 * days + turn  # whole turns are of no matter
        mean = 2 * np.pi * (rotation % 1) + _polynomial(SIDEREAL, century)
        made["sidereal"] = mean + made["nutation"] * np.cos(made["true_obliquity"])
    if {"pole", "dipole"} & set(needs):
        made["longitude"], made["colatitude"] = _dipole_axis(times)
    to_gse = [("x", made["obliquity"]), ("z", made.get("sun", np.zeros(())))]
    if "dipole" in needs:
        axis = _unit(made["longitude"], np.pi / 2 - made["colatitude"])
        in_gei = turned(axis, [(letter, -angle) for letter, angle in reversed(equator_steps(made))])
        made["roll"], made["tilt"] = _roll_and_tilt(turned(in_gei, to_gse))
    if "solar" in needs:
        axis = turned(_unit(*SOLAR_AXIS), [*precession_steps(made), *to_gse])
        made["solar_roll"], made["solar_tilt"] = _roll_and_tilt(axis)
    return made


def precession_steps(at: Angles) -> list[Step]:
    """Return the turns from J2000 to the mean equator and equinox of date.

    Examples
    --------
    >>> [letter for letter, _ in precession_steps({"zeta": 0.0, "theta": 0.0, "z": 0.0})]
    ['z', 'y', 'z']
    """
    return [("z", -at["zeta"]), ("y", at["theta"]), ("z", -at["z"])]


def equator_steps(at: Angles) -> list[Step]:
    """Return the turns from the mean equator and equinox of date to the rotating Earth: nutation, then sidereal time.

    Examples
    --------
    >>> at = dict.fromkeys(["obliquity", "nutation", "true_obliquity", "sidereal"], np.zeros(()))
    >>> [letter for letter, _ in equator_steps(at)]
    ['x', 'z', 'x', 'z']
    """
    return [("x", at["obliquity"]), ("z", -at["nutation"]), ("x", -at["true_obliquity"]), ("z", at["sidereal"])]


def _refuse_outside(times: np.ndarray, first: np.datetime64, last: np.datetime64, why: str) -> None:
    outside = (times < first) | (times >= last)
    if np.any(outside):
        wrong = np.asarray(times)[outside]
        raise OutsideCoverage(f"{wrong.size} of the times, {wrong.min()} among them, cannot be served: {why}")


def _unit(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    across = np.cos(latitude)
    return np.stack([across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], axis=-1)


def _roll_and_tilt(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the turn about x that brings an axis into the half plane +z, and then its angle from z towards x."""
    x, y, z = axis[..., 0], axis[..., 1], axis[..., 2]
    return np.arctan2(-y, z), np.arctan2(x, np.hypot(y, z))


def _polynomial(arcseconds: tuple[float, ...], century: np.ndarray) -> np.ndarray:
    return ARCSEC * np.polynomial.polynomial.polyval(century, arcseconds)


def _dipole_axis(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and colatitude of the dipole's northern axis in GEO."""
    epochs = np.array([f"{year}-01-01" for year in IGRF_YEARS], dtype="datetime64[ns]")
    _refuse_outside(times, epochs[0], epochs[-1] + np.timedelta64(1, "ns"), "the dipole of IGRF-14 is of 1900 to 2030")
    at, knots = np.asarray(times).astype(np.int64), epochs.astype(np.int64)
    g10, g11, h11 = (np.interp(at, knots, column) for column in IGRF_DIPOLE.T)
    return np.arctan2(-h11, -g11), np.arctan2(np.hypot(g11, h11), -g10)


def _sun_longitude(days: np.ndarray) -> np.ndarray:
    """Return the geometric longitude of the Sun on the mean ecliptic and equinox of date."""
    millennium = (days + TT_AHEAD) / 365250
    total = np.zeros_like(millennium)
    for power, terms in enumerate(EARTH_LONGITUDE):
        part = sum(amplitude * np.cos(phase + frequency * millennium) for amplitude, phase, frequency in terms)
        total += part * millennium**power
    return total + np.pi


# Nutation: the four largest terms of IAU 1980, within 0.0002° together; with their arguments in Meeus, Astronomical
# Algorithms (2nd edition, 1998), chapter 22.
def _nutation_in_longitude(days: np.ndarray) -> np.ndarray:
    node, sun, moon = _arguments(days)
    terms = -17.20 * np.sin(node) - 1.32 * np.sin(2 * sun) - 0.23 * np.sin(2 * moon) + 0.21 * np.sin(2 * node)
    return ARCSEC * terms


def _nutation_in_obliquity(days: np.ndarray) -> np.ndarray:
    node, sun, moon = _arguments(days)
    terms = 9.20 * np.cos(node) + 0.57 * np.cos(2 * sun) + 0.10 * np.cos(2 * moon) - 0.09 * np.cos(2 * node)
    return ARCSEC * terms


def _arguments(days: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the node of the Moon and the mean longitudes of Sun and Moon."""
    century = (days + TT_AHEAD) / 36525
    node = 125.04452 - 1934.136261 * century
    return np.radians(node), np.radians(280.4665 + 36000.7698 * century), np.radians(218.3165 + 481267.8813 * century)


KNOTS_PER_DAY = 16


def _slowly(function: Callable[[np.ndarray], np.ndarray], days: np.ndarray) -> np.ndarray:
    """Return a slow function of time, by cubics through fixed knots where these are fewer than the times.

    Nothing here but the Earth's own rotation has a period below 13 days, so knots 1.5 h apart give the function to
    1e-13; since they stand at the same times always, a sample does not depend on which others come with it.
    """
    if days.size == 0:
        return np.zeros(days.shape)
    scaled = days * KNOTS_PER_DAY
    below = np.floor(scaled).astype(np.int64)
    first, last = int(below.min()) - 1, int(below.max()) + 2
    if last - first + 1 > days.size:
        return function(days)
    knots = function(np.arange(first, last + 1) / KNOTS_PER_DAY)
    t, n = scaled - below, below - first
    p0, p1, p2, p3 = (knots[n + shift] for shift in (-1, 0, 1, 2))
    second, third = p2 - 2 * p1 + p0, p3 - 3 * (p2 - p1) - p0
    return p1 + t * ((p2 - p1) + (t - 1) / 2 * (second + (t + 1) / 3 * third))  # Newton's form of the cubic

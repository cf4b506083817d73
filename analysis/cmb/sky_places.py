"""Places of the sky as one types them: two numbers, coordinates of a frame, names of a few objects."""

from __future__ import annotations

import re

import numpy as np

from analysis.cmb.rotation import FRAMES
from analysis.errors import BadOption, WrongFrame
from analysis.model import near

# ICRS in degrees, entered by hand and never compared with SIMBAD's answers;
# regions without a centre of their own (clouds, clusters of galaxies, fields) to 0.1°.
NAMED = {
    "galactic centre": (266.4051, -28.9362),
    "sgr a*": (266.4168, -29.0078),
    "crab": (83.6324, 22.0174),
    "cas a": (350.8584, 58.8113),
    "cyg a": (299.8682, 40.7339),
    "vir a": (187.7059, 12.3911),
    "cen a": (201.3651, -43.0191),
    "for a": (50.6738, -37.2082),
    "3c 273": (187.2779, 2.0524),
    "andromeda": (10.6847, 41.2688),
    "lmc": (80.8942, -69.7561),
    "smc": (13.1583, -72.8003),
    "orion": (83.8187, -5.3897),
    "coma": (194.95, 27.98),
    "perseus": (49.9507, 41.5117),
    "virgo": (187.7, 12.34),
    "rho oph": (246.4, -24.4),
    "taurus": (68.0, 26.8),
    "cold spot": (48.8, -19.6),
    "dipole": (167.942, -6.944),
    "bicep field": (0.0, -57.5),
}
ALIASES = {
    "m1": "crab", "tau a": "crab", "crab nebula": "crab", "galactic center": "galactic centre", "gc": "galactic centre",
    "m87": "vir a", "m31": "andromeda", "m42": "orion", "orion nebula": "orion", "ngc 5128": "cen a",
    "cassiopeia a": "cas a", "cygnus a": "cyg a", "virgo a": "vir a", "centaurus a": "cen a", "fornax a": "for a",
    "sagittarius a*": "sgr a*", "ngc 1275": "perseus", "ngc 1316": "for a", "coma cluster": "coma",
    "large magellanic cloud": "lmc", "small magellanic cloud": "smc", "3c273": "3c 273", "taurus a": "crab",
}  # fmt: skip
POLES = {
    "north galactic pole": ("galactic", 90.0), "south galactic pole": ("galactic", -90.0), "ngp": ("galactic", 90.0),
    "sgp": ("galactic", -90.0), "north ecliptic pole": ("ecliptic", 90.0), "south ecliptic pole": ("ecliptic", -90.0),
    "nep": ("ecliptic", 90.0), "sep": ("ecliptic", -90.0), "north celestial pole": ("icrs", 90.0),
    "south celestial pole": ("icrs", -90.0), "ncp": ("icrs", 90.0), "scp": ("icrs", -90.0),
}  # fmt: skip
WORDS = {"galactic": "galactic", "gal": "galactic", "icrs": "icrs", "equatorial": "icrs", "j2000": "icrs",
         "radec": "icrs", "ecliptic": "ecliptic", "ecl": "ecliptic"}  # fmt: skip
HELP = (
    "type two angles in the map's frame (184.6 -5.8), RA and Dec (5h34m32s +22d01m, or icrs 83.6 22.0), "
    "galactic or ecliptic before two angles, or a name such as Crab, Cyg A, LMC, NGP"
)


def place_of(text: str, frame: object) -> tuple[float, float]:
    """Return longitude (0 to 360) and latitude in degrees, in a map's frame, of a place as one types it.

    Two angles are of the map's frame; with hours in the first, or six numbers, they are RA and Dec (ICRS); the word
    galactic, icrs or ecliptic before them says another frame. Anything :class:`astropy.coordinates.Angle` reads is an
    angle. Names are of a short list that is here; nothing is asked of a server.

    Raises
    ------
    BadOption
        If it is no place, with what can be typed.
    WrongFrame
        If the frame of the map is not known, and needed.

    References
    ----------
    Coordinates of objects were entered by hand: good for a picture, look them up for more. Of the dipole: Planck
    2018 I, doi:10.1051/0004-6361/201833880; of the cold spot: Cruz et al. 2005, doi:10.1111/j.1365-2966.2004.08419.x.

    Examples
    --------
    >>> place_of("184.6, −5.8", "galactic")
    (184.6, -5.8)
    >>> [round(angle, 1) for angle in place_of("Crab", "galactic")]
    [184.6, -5.8]
    """
    typed = re.sub(r"[−–]", "-", str(text)).strip()
    key = re.sub(r"[\s_]+", " ", typed.lower())
    if key in POLES:
        return _turned(0.0, POLES[key][1], POLES[key][0], frame)
    if (key := ALIASES.get(key, key)) in NAMED:
        return _turned(*NAMED[key], "icrs", frame)
    head, *rest = re.split(r"[\s:]+", typed, maxsplit=1) or [""]
    given = WORDS.get(head.lower())
    body = rest[0] if given and rest else typed
    if not re.search(r"\d", body):
        raise BadOption(f"{text!r} is not known{near(key, [*NAMED, *ALIASES, *POLES])}; {HELP}")
    first, second, hours = _two_angles(body, text)
    if hours and given not in (None, "icrs"):
        raise BadOption(f"{text!r}: hours are of RA, not of {given} coordinates; {HELP}")
    lon, lat = _degrees(first, hours, text), _degrees(second, False, text)
    if abs(lat) > 90:
        raise BadOption(f"{text!r}: the latitude {lat:g}° is not from −90 to 90; {HELP}")
    return _turned(lon, lat, given or ("icrs" if hours else None), frame)


def _two_angles(body: str, text: str) -> tuple[str, str, bool]:
    """Split into two angles, and whether the first is in hours."""
    body = re.sub(r"\b(?:l|b|lon|lat|ra|dec)\s*=\s*", " ", body, flags=re.IGNORECASE).strip()
    halves = [half.strip() for half in re.split(r"[,;]", body) if half.strip()]
    if len(halves) != 2:
        parts = body.split()
        if len(parts) % 2 or not parts:
            signed = re.fullmatch(r"(\S.*?)\s*([+-]\S.*)", body)
            if signed is None:
                raise BadOption(f"{text!r} is not two angles; {HELP}")
            halves = [signed[1], signed[2]]
        else:
            middle = len(parts) // 2
            halves = [" ".join(parts[:middle]), " ".join(parts[middle:])]
    sexagesimal = any(len(re.split(r"[\s:]+", half)) == 3 and not re.search("[a-z°]", half.lower()) for half in halves)
    return halves[0], halves[1], sexagesimal or "h" in halves[0].lower()


def _degrees(angle: str, hours: bool, text: str) -> float:
    from astropy.coordinates import Angle

    try:
        found = float(angle) * (15 if hours else 1)
    except ValueError:
        try:
            found = float(Angle(angle, unit="hourangle" if hours else "deg").degree)
        except (ValueError, TypeError) as error:
            raise BadOption(f"{text!r}: {angle!r} is no angle; {HELP}") from error
    if not np.isfinite(found):
        raise BadOption(f"{text!r}: {angle!r} is no angle; {HELP}")
    return found


def _turned(lon: float, lat: float, own: str | None, frame: object) -> tuple[float, float]:
    """Return a direction of a frame (None: the map's) in the frame of the map."""
    held = str(frame or "").strip().lower()
    if own is None or own == held:
        return lon % 360, lat
    if held not in FRAMES:
        raise WrongFrame(f"the map states the frame {frame!r}, so where {own} coordinates lie on it is not known")
    return turned_direction(lon, lat, own, held)


def turned_direction(lon: float, lat: float, own: str, other: str) -> tuple[float, float]:
    """Return longitude (0 to 360) and latitude of a direction in another frame.

    Examples
    --------
    >>> [round(angle, 3) for angle in turned_direction(0.0, 0.0, "galactic", "icrs")]
    [266.405, -28.936]
    """
    from astropy.coordinates import SkyCoord

    there = SkyCoord(lon, lat, unit="deg", frame=FRAMES[own]).transform_to(FRAMES[other])
    both = there.represent_as("unitspherical")
    return float(both.lon.degree) % 360, float(both.lat.degree)

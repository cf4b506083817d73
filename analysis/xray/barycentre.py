"""Arrival times at the barycentre of the solar system: events and good times moved there, on the clock TDB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData, WrongFrame
from analysis.model import check, history_with, in_units
from analysis.model.clocks import clock_instants, tables_held
from analysis.xray.inputs import events_and_gti, node, with_nodes
from analysis.xray.intervals import clock_of
from analysis.xray.sky import position

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.time import Time
    from scipy.interpolate import CubicSpline

DIRECT = 20_000  # so many instants are computed one by one; more are interpolated between knots
KNOT = 30.0  # s between them: a satellite's light-time bends by less than 1e-9 s from a cubic through such knots
MOST_KNOTS = 5_000_000
LONGEST_STEP = 600.0  # s between an orbit's positions, above which a cubic no longer follows it
EDGE = 1.0  # s that events may lie outside the orbit's times
SUN = 4.925490947641267e-6  # G M☉ / c³ in s: nominal solar mass parameter 1.3271244e20 m³ s⁻² (IAU 2015 B3)
LIGHT = 299_792.458  # km s⁻¹
FRAMES = ("GCRS", "ICRS", "J2000", "EME2000", "FK5", "GEI_J2000", "ECI_J2000")
PAPER = "Edwards, Hobbs & Manchester (2006), MNRAS 372, 1549, doi:10.1111/j.1365-2966.2006.10870.x"


@dataclass(frozen=True, eq=False)
class Orbit:
    """Positions of a satellite from the geocentre in km, a cubic over TT seconds from the first, up to the last."""

    cubic: CubicSpline
    origin: Time
    last: float


def barycentred(
    events: xr.DataTree,
    target: str | SkyCoord,
    *,
    orbit: xr.Dataset | None = None,
    ephemeris: str | Path = "builtin",
) -> xr.DataTree:
    """Return an event list with its times, good times too, as they arrive at the barycentre of the solar system.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` and ``gti``, on a clock that can be dated (TT, UTC, TAI …).
    target : str or astropy.coordinates.SkyCoord
        Where the source is, as for :func:`analysis.xray.within`; proper motion and parallax are not looked at.
    orbit : xarray.Dataset, optional
        Where the satellite was: ``time`` (UTC, or seconds on the list's clock) and ``x``, ``y``, ``z``, or
        ``position`` with dim ``component``, from the geocentre in any unit of length; attr ``frame`` one of GCRS,
        ICRS, J2000, FK5. Left out, the satellite is taken to be at the geocentre, and ``history`` says so: for a low
        orbit that is wrong by up to 23 ms, for Chandra by up to half a second.
    ephemeris : str or pathlib.Path, optional
        ``"builtin"``, or the name of a JPL ephemeris file (.bsp; needs the package jplephem). Nothing is downloaded.

    Returns
    -------
    xarray.DataTree
        The same tree; ``time``, ``start`` and ``stop`` in TDB seconds from the same ``mjdref``, attrs ``timesys``
        "TDB" and ``timeref`` "SOLARSYSTEM". TSTART, TSTOP, dates and TIMEZERO of the header are taken out.

    Raises
    ------
    WrongData
        If the list is at the barycentre already, or orbit or clock cannot be used.
    WrongFrame
        If the orbit's frame is not of J2000.
    OutsideCoverage
        If the orbit or the ephemeris does not cover the events.
    BadOption
        If the ephemeris is neither builtin nor a file.

    Notes
    -----
    t_b = t_TDB + (r_⊕ + r_sat) · n / c + 2 G M☉ / c³ · ln(1 + n · s / s) + v_⊕ · r_sat / c²: light-time, the delay in
    the Sun's field (s from the Sun to the satellite), and how the satellite's clock differs from the geocentre's. The
    builtin Earth (ERFA epv00) is within 13.4 km of JPL's DE405 from 1900 to 2100, 45 µs, 15 µs in the mean. TDB is
    ERFA's, good to a few µs.

    References
    ----------
    Edwards, Hobbs & Manchester (2006), MNRAS 372, 1549, doi:10.1111/j.1365-2966.2006.10870.x, equations 6 to 12;
    Shapiro (1964), Phys. Rev. Lett. 13, 789; OGIP/93-003, Angelini et al. (1994).

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> moved = xray.barycentred(m82, "148.96 69.68")
    >>> round(float(moved["events"].time[0] - m82["events"].time[0]), 1), moved["events"].attrs["timesys"]
    (-92.8, 'TDB')
    """
    listed, gti = events_and_gti(events, "barycentred")
    clock = clock_of(listed)
    reference = str(listed.attrs.get("timeref", "")).upper()
    if reference.startswith(("SOLARSYSTEM", "BARYCENT", "HELIOCENT")) or clock["timesys"].upper().startswith("TDB"):
        raise WrongData(
            f"the times are at the barycentre already (TIMEREF {reference or 'not said'}, TIMESYS {clock['timesys']}); "
            "take the list as it came from the satellite"
        )
    place = position(target)
    direction = place.cartesian.xyz.value
    nodes = {"events": listed, "gti": gti}
    if any(n.name == "gti_sets" and n.has_data for n in events.subtree):
        nodes["gti_sets"] = node(events, "gti_sets", "barycentred")
    columns = {"events": ("time",), "gti": ("start", "stop"), "gti_sets": ("start", "stop")}
    known = [in_units(data[name], "s").values for key, data in nodes.items() for name in columns[key]]
    path = None if orbit is None else _orbit(orbit, listed)
    with tables_held():
        moved = _moved(np.concatenate(known), listed, direction, path, _ephemeris(ephemeris))
    said = f"RA {place.ra.deg:.6f}, Dec {place.dec.deg:+.6f} deg"
    origin = "the geocentre (no orbit given)" if orbit is None else "the satellite's orbit"
    step = f"xray.barycentred: to the solar system's barycentre from {origin}, source at {said}, ephemeris {ephemeris}"
    made, first = {}, 0
    for key, data in nodes.items():
        changed = {}
        for name in columns[key]:
            attrs = {**data[name].attrs} | ({"timesys": "TDB"} if "timesys" in data[name].attrs else {})
            changed[name] = (data[name].dims, moved[first : first + data[name].size], attrs)
            first += data[name].size
        made[key] = _on_tdb(data.assign(changed), step)
    return with_nodes(events, made)


def _on_tdb(data: xr.Dataset, step: str) -> xr.Dataset:
    gone = ("tstart", "tstop", "date_obs", "date_end", "timezero_added")
    attrs = {key: value for key, value in data.attrs.items() if key not in gone}
    cited = list(dict.fromkeys([PAPER, *str(attrs.get("references", "")).splitlines()]))
    told = {"timesys": "TDB", "timeref": "SOLARSYSTEM", "references": "\n".join(cited)}
    data.attrs = {**attrs, **told, "history": history_with(data, step)}
    return check(data)


def _moved(
    seconds: np.ndarray, listed: xr.Dataset, direction: np.ndarray, orbit: Orbit | None, ephemeris: str
) -> np.ndarray:
    """Mission seconds as TDB seconds at the barycentre, from the same reference."""
    if not seconds.size:
        return seconds
    if seconds.size <= DIRECT:
        return seconds + _shift(seconds, listed, direction, orbit, ephemeris)
    from scipy.interpolate import CubicSpline

    low, high = float(seconds.min()), float(seconds.max())
    if orbit is not None:  # an end of the orbit is refused for the events, not for a knot beyond them
        _shift(np.array([low, high]), listed, direction, orbit, ephemeris)
    number = max(8, int(np.ceil((high - low) / KNOT)) + 1)
    if number > MOST_KNOTS:
        raise BadOption(f"the times span {(high - low) / 86400:.0f} days, too long for one list; cut it by time first")
    knots = np.linspace(low, high, number)
    return seconds + CubicSpline(knots, _shift(knots, listed, direction, orbit, ephemeris))(seconds)


def _shift(
    seconds: np.ndarray, listed: xr.Dataset, direction: np.ndarray, orbit: Orbit | None, ephemeris: str
) -> np.ndarray:
    """What is added to mission seconds, in s."""
    from astropy.coordinates import get_body_barycentric, get_body_barycentric_posvel
    from astropy.time import Time

    clock = clock_of(listed)
    instants = clock_instants(seconds, clock["mjdref"], clock["mjdref_fraction"], clock["timesys"])
    tdb = instants.tdb
    reference = Time(clock["mjdref"], clock["mjdref_fraction"], format="mjd", scale="tdb")
    of_clock = (tdb - reference).sec - seconds
    try:
        earth, velocity = get_body_barycentric_posvel("earth", tdb, ephemeris=ephemeris)
        sun = get_body_barycentric("sun", tdb, ephemeris=ephemeris)
    except (ValueError, KeyError) as error:
        raise OutsideCoverage(f"the ephemeris {ephemeris} does not cover the times of the list: {error}") from error
    r, v = earth.xyz.to_value("km"), velocity.xyz.to_value("km/s")
    satellite = np.zeros_like(r) if orbit is None else _positions(orbit, instants)
    from_sun = r + satellite - sun.xyz.to_value("km")
    cosine = direction @ from_sun / np.linalg.norm(from_sun, axis=0)
    light_time = direction @ (r + satellite) / LIGHT
    topocentric = np.sum(v * satellite, axis=0) / LIGHT**2
    return of_clock + light_time + 2 * SUN * np.log1p(cosine) + topocentric


def _ephemeris(ephemeris: str | Path) -> str:
    if str(ephemeris) == "builtin":
        return "builtin"
    path = Path(ephemeris)
    if not path.is_file():
        raise BadOption(f"ephemeris={str(ephemeris)!r} is neither 'builtin' nor a file of a JPL ephemeris (.bsp)")
    try:
        import jplephem  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        raise BadOption(f"to read {path.name} the package jplephem is needed; or take ephemeris='builtin'") from error
    return path.absolute().as_uri()


def _orbit(orbit: xr.Dataset, listed: xr.Dataset) -> Orbit:
    """Return a satellite's positions as a cubic.

    Raises
    ------
    WrongData, WrongFrame, OutsideCoverage
        If they cannot be used.
    """
    from scipy.interpolate import CubicSpline

    if not isinstance(orbit, xr.Dataset) or "time" not in orbit.variables:
        raise WrongData("orbit= is a Dataset with 'time' and 'x', 'y', 'z' (or 'position' with dim 'component')")
    if {"x", "y", "z"} <= set(map(str, orbit.variables)):
        parts = [orbit[name] for name in "xyz"]
    elif "position" in orbit.variables and orbit["position"].sizes.get("component") == 3:
        parts = [orbit["position"].isel(component=i) for i in range(3)]
    else:
        raise WrongData(f"orbit= needs 'x', 'y', 'z' or 'position'; it has {', '.join(map(str, orbit.variables))}")
    frame = str(parts[0].attrs.get("frame", orbit.attrs.get("frame", ""))).upper().replace(" ", "_")
    if frame not in FRAMES:
        raise WrongFrame(
            f"the orbit's frame is {frame or 'not said'!r}; attrs['frame'] must be one of {', '.join(FRAMES)}"
        )
    xyz = np.array([in_units(part, "km").values for part in parts], dtype=float)
    times = orbit["time"].values
    if times.dtype.kind == "M":
        from astropy.time import Time

        with tables_held():
            instants = Time(times, scale="utc").tt
    else:
        clock = clock_of(listed)
        seconds = in_units(orbit["time"], "s").values
        with tables_held():
            instants = clock_instants(seconds, clock["mjdref"], clock["mjdref_fraction"], clock["timesys"]).tt
    since = np.asarray((instants - instants[0]).sec)
    if since.size < 4 or not (np.diff(since) > 0).all() or not np.isfinite(xyz).all():
        raise WrongData("orbit= needs at least four positions, finite, in order of time, none twice")
    longest = float(np.diff(since).max())
    if longest > LONGEST_STEP:
        raise WrongData(
            f"the orbit's positions are up to {longest:.0f} s apart; more than {LONGEST_STEP:.0f} s is too far"
        )
    away = np.linalg.norm(xyz, axis=0)
    if away.min() < 6300:
        raise WrongData(
            f"the orbit comes within {away.min():.0f} km of the geocentre, inside the Earth; is its unit right?"
        )
    return Orbit(CubicSpline(since, xyz, axis=1), instants[0], float(since[-1]))


def _positions(orbit: Orbit, instants: Time) -> np.ndarray:
    from astropy.time import TimeDelta

    at = np.asarray((instants.tt - orbit.origin).sec)
    if at.min() < -EDGE or at.max() > orbit.last + EDGE:
        last = orbit.origin + TimeDelta(orbit.last, format="sec")
        raise OutsideCoverage(
            f"the orbit covers {orbit.origin.utc.isot} to {last.utc.isot} UTC, the events and good times "
            f"{instants.min().utc.isot} to {instants.max().utc.isot}"
        )
    return orbit.cubic(at)

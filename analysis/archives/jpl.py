"""NASA/JPL's Solar System Dynamics: Horizons for where bodies are, the Small-Body Database for what they are.

Both are asked through astroquery's own classes on our session (:mod:`analysis.archives.discovery`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.archives import discovery
from analysis.archives._horizons import (
    asked,
    first_words,
    grid_of,
    horizons,
    must_say,
    name_in,
    numbers,
    provenance,
    series,
    stamped,
    times_of,
)
from analysis.archives._sbdb import APOPHIS_SHA256, recorded_apophis, tree_of_answer
from analysis.download import Limits
from analysis.errors import BadAnswer, BadOption, CorruptFile, MissingFile, QueryRefused

__all__ = [
    "APOPHIS_SHA256",
    "apophis",
    "ephemeris",
    "read_small_body",
    "recorded_apophis",
    "small_body",
    "state_vectors",
]

_PLANES = {"ICRF": ("earth", "ICRF"), "ECLIPJ2000": ("ecliptic", "Ecliptic of J2000.0")}
_LENGTHS = {"au": ("au", "au d-1"), "km": ("km", "km s-1")}

# ours: (Horizons' as astroquery names it, long_name)
_COLUMNS = {
    "ra": ("RA", "Astrometric right ascension, ICRF"),
    "dec": ("DEC", "Astrometric declination, ICRF"),
    "ra_rate": ("RA_rate", "Rate of right ascension times cos(declination)"),
    "dec_rate": ("DEC_rate", "Rate of declination"),
    "azimuth": ("AZ", "Azimuth, from north through east, without refraction"),
    "elevation": ("EL", "Elevation, without refraction"),
    "magnitude": ("V", "Apparent visual magnitude"),
    "total_magnitude": ("Tmag", "Apparent total magnitude of the comet"),
    "nuclear_magnitude": ("Nmag", "Apparent magnitude of the comet's nucleus"),
    "sun_distance": ("r", "Distance from the Sun"),
    "sun_distance_rate": ("r_rate", "Radial velocity from the Sun"),
    "delta": ("delta", "Distance from the observer"),
    "delta_rate": ("delta_rate", "Radial velocity from the observer"),
    "light_time": ("lighttime", "One-way light time"),
    "elongation": ("elong", "Angle Sun, observer, target"),
    "phase_angle": ("alpha", "Angle Sun, target, observer"),
}
_EPHEMERIS = {
    "quantities": "1,3,4,9,19,20,21,23,24",
    "extra_precision": True,
    "optional_settings": {"TIME_DIGITS": "FRACSEC"},  # else it cuts times to whole minutes
}


def state_vectors(
    target: str,
    start: Any,
    stop: Any,
    *,
    step: str = "1 h",
    centre: str = "@10",
    kind: str | None = None,
    frame: str = "ICRF",
    units: str = "au",
    limits: Limits | None = None,
) -> xr.Dataset:
    """Return geometric positions and velocities of a body from JPL Horizons.

    Parameters
    ----------
    target : str
        As Horizons names it: ``"499"`` (Mars), ``"-96"`` (Parker Solar Probe), ``"Ceres"`` with
        ``kind="smallbody"``.
    start, stop : str, datetime or numpy.datetime64
        Half-open interval in UTC.
    step : str, optional
        Whole minutes, or any part of a minute from half a second: ``"10 d"``, ``"1 h"``, ``"30 s"``.
    centre : str, optional
        Origin: ``"@10"`` the Sun, ``"@0"`` the solar system's barycentre, ``"@399"`` the Earth's centre.
    kind : {None, "smallbody", "designation", "name", "asteroid_name", "comet_name"}, optional
        What `target` is; None asks for planets, moons and spacecraft first.
    frame : {"ICRF", "ECLIPJ2000"}, optional
        Axes: of the ICRF, or of the ecliptic and equinox J2000 (obliquity 84381.448").
    units : {"au", "km"}, optional
        Position in au and velocity in au/d, or km and km/s.
    limits : Limits, optional
        When to give up.

    Returns
    -------
    xarray.Dataset
        ``position``, ``velocity`` (dims time, component), ``light_time``, ``distance``, ``radial_velocity`` (time).
        Horizons steps through TDB; ``time`` is that as UTC, so that it lies off an even grid by up to 3 ms, and by
        a second after a leap second.

    Raises
    ------
    UnknownTarget
        Horizons knows no such body or several; the message has its list.
    OutsideCoverage
        It has no ephemeris then.
    BadOption, BadTime
        An argument that cannot be used.
    DownloadError
        Its kinds: QueryRefused repeats what Horizons says; TruncatedAnswer, BadAnswer, Unreachable, Offline.

    References
    ----------
    Giorgini et al. (1996), BAAS 28, 1158; https://ssd.jpl.nasa.gov/horizons/manual.html

    Examples
    --------
    >>> state_vectors("499", "2022-06-10", "2022-06-11", frame="GSE")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: frame='GSE' is not offered: choose from ICRF, ECLIPJ2000
    """
    plane, said = _chosen(_PLANES, "frame", frame)
    length, speed = _chosen(_LENGTHS, "units", units)
    grid = grid_of(start, stop, step, "tdb")
    body = horizons(target, kind, centre, grid, limits)
    table, text = asked(body, "vectors", {"refplane": plane})
    must_say(text, "Reference frame", said)
    must_say(text, "Output type", "GEOMETRIC")
    time = times_of(table, grid, "tdb")
    keep = slice(0, len(time))
    vectors = {
        name: xr.DataArray(
            np.stack([numbers(table, column, unit)[keep] for column in columns], axis=1),
            dims=("time", "component"),
            attrs={"units": unit, "long_name": f"{long_name} from {name_in(text, 'Center body')}", "frame": frame},
        )
        for name, columns, unit, long_name in (
            ("position", ("x", "y", "z"), length, "Position"),
            ("velocity", ("vx", "vy", "vz"), speed, "Velocity"),
        )
    }
    scalars = {
        "light_time": ("lighttime", "s", "One-way light time"),
        "distance": ("range", length, "Distance"),
        "radial_velocity": ("range_rate", speed, "Radial velocity"),
    }
    found = xr.Dataset({**vectors, **series(table, scalars, keep)})
    components = xr.Variable("component", ["x", "y", "z"], {"long_name": "Component"})
    query = {"target": target, "centre": centre, "frame": frame, "step": step, "kind": kind}
    return stamped(
        found.assign_coords(time=time, component=components), body, text, "state vectors", {**query, **grid.query}
    )


def ephemeris(
    target: str,
    start: Any,
    stop: Any,
    *,
    step: str = "1 h",
    observer: str = "500@399",
    kind: str | None = None,
    limits: Limits | None = None,
) -> xr.Dataset:
    """Return where a body stands in an observer's sky, from JPL Horizons.

    Parameters
    ----------
    target, start, stop, step, kind, limits
        As for :func:`state_vectors`; the grid of times is even in UTC here.
    observer : str, optional
        ``"500@399"`` the Earth's centre, or an observatory's code such as ``"568"``.

    Returns
    -------
    xarray.Dataset
        Dim ``time``: ``ra``, ``dec`` (astrometric, ICRF, deg), ``ra_rate`` (times cos dec), ``dec_rate``, ``delta``,
        ``delta_rate``, ``sun_distance``, ``sun_distance_rate``, ``magnitude`` (comets: ``total_magnitude``,
        ``nuclear_magnitude``), ``elongation``, ``phase_angle``, ``light_time``; ``azimuth`` and ``elevation`` where
        the observer stands on a body's surface. What Horizons does not give (``n.a.``) is NaN.

    Raises
    ------
    UnknownTarget, OutsideCoverage, BadOption, BadTime, DownloadError
        As for :func:`state_vectors`.

    Examples
    --------
    >>> ephemeris("499", "2022-06-10", "2022-06-11", step="0.1 s")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: step='0.1 s' cannot be used: ...
    """
    grid = grid_of(start, stop, step, "utc")
    body = horizons(target, kind, observer, grid, limits)
    table, text = asked(body, "ephemerides", _EPHEMERIS)
    time = times_of(table, grid, "utc")
    units = {name: "deg" for name in ("ra", "dec")}
    columns = {
        name: (theirs, units.get(name, str(table[theirs].unit)), long_name)
        for name, (theirs, long_name) in _COLUMNS.items()
        if theirs in table.colnames and not np.all(np.ma.getmaskarray(table[theirs]))
    }
    found = xr.Dataset(series(table, columns, slice(0, len(time))))
    for name in found.data_vars.keys() & {"ra", "dec", "ra_rate", "dec_rate"}:
        found[name].attrs["frame"] = "ICRF"
    query = {"target": target, "observer": observer, "step": step, "kind": kind}
    return stamped(found.assign_coords(time=time), body, text, "ephemeris", {**query, **grid.query})


def small_body(name: str, *, limits: Limits | None = None) -> xr.DataTree:
    """Return what the JPL Small-Body Database knows of an asteroid or comet.

    Parameters
    ----------
    name : str
        Name, number or designation: ``"Apophis"``, ``"99942"``, ``"2004 MN4"``, ``"67P"``.
    limits : Limits, optional
        When to give up.

    Returns
    -------
    xarray.DataTree
        As :func:`read_small_body`.

    Raises
    ------
    UnknownTarget
        There is no such body, or several; the message lists them.
    DownloadError
        QueryRefused, BadAnswer, Unreachable, Offline.

    References
    ----------
    https://ssd-api.jpl.nasa.gov/doc/sbdb.html

    Examples
    --------
    >>> from analysis import store
    >>> with store.offline():
    ...     small_body("Apophis")
    Traceback (most recent call last):
    ...
    analysis.errors.Offline: https://ssd-api.jpl.nasa.gov/sbdb.api?… was not asked, since Sankō is offline: ...
    """
    if not isinstance(name, str) or not name.strip():
        raise BadOption(f"name={name!r} is no body's name; give, for example, 'Apophis' or '99942'")
    body = discovery.service("jplsbdb", limits=limits)
    with body._session.typed_errors():
        response = body.query_async(name.strip(), full_precision=True, phys=True, close_approach=True, discovery=True)
    if response.status_code >= 400:
        raise QueryRefused(f"JPL SBDB refuses {name!r} with {response.status_code}: {first_words(response.text)}")
    try:
        return tree_of_answer(response.text, f"the answer for {name!r}", provenance({"name": name}, response))
    except CorruptFile as error:
        raise BadAnswer(f"{error} ({first_words(response.text)})") from error


def read_small_body(path: str | Path) -> xr.DataTree:
    """Return a recorded answer of the JPL Small-Body Database, parsed by astroquery.

    Parameters
    ----------
    path : str or pathlib.Path
        JSON as the server sent it.

    Returns
    -------
    xarray.DataTree
        ``orbit`` (scalars: elements and their one-sigma uncertainties ``<name>_sigma``, heliocentric, ecliptic and
        equinox J2000), ``physical`` (scalars, each with ``reference`` in its attrs) and ``approaches`` (dim
        ``approach``: ``time`` in UTC, ``body``, ``distance`` with its three-sigma bounds, speeds); those that the
        answer has.

    Raises
    ------
    MissingFile
        There is no such file.
    CorruptFile
        It is no answer of the database.
    UnknownTarget
        It is an answer that says that there is no such body, or several.

    Examples
    --------
    >>> orbit = read_small_body(recorded_apophis())["orbit"]
    >>> f"{float(orbit['semi_major_axis']):.4f} {orbit['semi_major_axis'].attrs['units']}"
    '0.9224 au'
    """
    file = Path(path)
    try:
        raw = file.read_bytes()
    except FileNotFoundError as error:
        raise MissingFile(f"there is no file {file}") from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFile(f"{file} is no answer of the JPL Small-Body Database: it is not text") from error
    known = {"query": {}, "files": [file.name], "sha256": [hashlib.sha256(raw).hexdigest()], "retrieved": "not stated"}
    return tree_of_answer(text, str(file), known)


def apophis() -> xr.DataTree:
    """Return the Small-Body Database's answer for 99942 Apophis that astroquery's own package carries.

    Returns
    -------
    xarray.DataTree
        As :func:`read_small_body`; an orbit solution of 2017, see its ``caveats``.

    Raises
    ------
    MissingFile, CorruptFile
        The installed astroquery does not carry the recording that is known here.

    Examples
    --------
    >>> close = apophis()["approaches"].to_dataset()
    >>> nearest = close.sortby("distance").isel(approach=0)
    >>> print(nearest.body.item(), nearest.time.values.astype("datetime64[D]"), f"{float(nearest.distance):.6f}")
    Earth 2029-04-13 0.000252
    """
    tree = read_small_body(recorded_apophis())
    for node in tree.subtree:
        node.attrs["license"] = "BSD-3-Clause (astroquery, whose package carries the recording)"
        node.attrs["caveats"] = "\n".join(
            [str(node.attrs.get("caveats", "")), "A recorded answer with orbit solution 199 of 2017-08-09."]
        ).strip()
    return tree


def _chosen(choices: Mapping[str, tuple[str, str]], what: str, given: str) -> tuple[str, str]:
    if given not in choices:
        raise BadOption(f"{what}={given!r} is not offered: choose from {', '.join(choices)}")
    return choices[given]

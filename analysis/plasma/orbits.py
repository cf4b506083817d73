"""Orbits for planning and for synthetic passes: Kepler's ellipse about a planet, and where time is spent on it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, BadTime, WrongData
from analysis.model import in_units, labelled, unit_of, utc
from analysis.plasma.inputs import finite, named, synthetic_attrs
from analysis.plasma.rotations import in_order
from analysis.plasma.vectors import XYZ, component_labels, frame_of, refuse_unknown

PARK = "Park et al., Astron. J. 161, 105 (2021), doi:10.3847/1538-3881/abd414"
# GM in km3 s-2. Inner planets and the Moon: JPL's DE440 (Park et al. 2021); Mars, Jupiter, Saturn and their moons: the
# table of planetary satellites of JPL's Solar System Dynamics group (MAR097, JUP365, SAT441).
GRAVITY = {
    "Mercury": 22031.868551,
    "Venus": 324858.592,
    "Earth": 398600.435507,
    "Moon": 4902.800118,
    "Mars": 42828.37362,
    "Jupiter": 126686531.9,
    "Saturn": 37931206.23,
    "Io": 5959.91547,
    "Europa": 3202.71210,
    "Ganymede": 9887.83275,
    "Callisto": 7179.28340,
    "Titan": 8978.13710,
}
# J2 and the radius (km) it belongs to. Mercury: Mazarico et al. 2014, doi:10.1002/2014JE004675; Earth: WGS 84;
# Mars: Genova et al. 2016, doi:10.1016/j.icarus.2016.02.050.
OBLATENESS = {"Mercury": (5.0323e-5, 2440.0), "Earth": (1.08263e-3, 6378.137), "Mars": (1.9566e-3, 3396.0)}
PLANES = {"xrho": ("rho", "x"), "xy": ("y", "x"), "xz": ("z", "x"), "yz": ("z", "y")}


def keplerian_positions(
    time: xr.DataArray,
    *,
    body: str,
    periapsis: float,
    apoapsis: float,
    inclination: float = 0.0,
    ascending_node: float = 0.0,
    argument_of_periapsis: float = 0.0,
    at_periapsis: str | np.datetime64 | None = None,
    oblate: bool = False,
    frame_rate: float = 0.0,
    frame: str = "MSO",
) -> xr.DataArray:
    r"""Return positions on a Kepler ellipse about a planet or moon.

    Parameters
    ----------
    time : xarray.DataArray
        Dim ``time``, UTC, increasing; :func:`sampling_times` makes one.
    body : str
        Mercury, Venus, Earth, Moon, Mars, Jupiter, Saturn, Io, Europa, Ganymede, Callisto or Titan.
    periapsis, apoapsis : float
        Distances from the body's centre, km: an altitude and the radius.
    inclination, ascending_node, argument_of_periapsis : float, optional
        Degrees: of the plane to the x-y plane of ``frame``, of the node where z grows, from +x towards +y, and of the
        periapsis from there along the motion. They are those at ``at_periapsis``.
    at_periapsis : time, optional
        When the periapsis is passed; by default at the first time.
    oblate : bool, optional
        Let node, periapsis and mean anomaly drift as the body's flattening makes them, to first order in J2 (Mercury,
        Earth, Mars). The z axis of the frame is then taken for the body's axis.
    frame_rate : float, optional
        Degrees a day by which the frame itself turns about its z axis against the stars: 4.09 for MSO at Mercury and
        0.524 at Mars, on the mean. 0 keeps the ellipse at rest in the frame.
    frame : str, optional
        What the frame is called.

    Returns
    -------
    xarray.DataArray
        Dims ``time, component``; km; synthetic.

    Raises
    ------
    BadTime
        If the times are none, or do not increase.
    BadOption
        If the body, or its J2, is not known, the apsides are not in order or a number is none.

    Notes
    -----
    With :math:`p = a (1 - e^2)` and :math:`k = \frac{3}{2} n J_2 (R/p)^2` the drifts are :math:`-k \cos i` of the node,
    :math:`k (2 - \frac{5}{2} \sin^2 i)` of the periapsis and :math:`k \sqrt{1 - e^2} (1 - \frac{3}{2} \sin^2 i)` of the
    mean anomaly.

    References
    ----------
    Park et al., Astron. J. 161, 105 (2021), doi:10.3847/1538-3881/abd414 (DE440: the masses).
    Kozai, Astron. J. 64, 367 (1959), doi:10.1086/107957 (the drifts).

    Examples
    --------
    >>> time = xr.DataArray(np.array(["2030-01-01T00", "2030-01-01T06"], "datetime64[ns]"), dims="time")
    >>> messenger = dict(periapsis=2440 + 200, apoapsis=2440 + 15193, inclination=82.5, argument_of_periapsis=90)
    >>> keplerian_positions(time, body="Mercury", **messenger).values.round()
    array([[     0.,    345.,   2617.],
           [    -0.,  -2302., -17482.]])
    """
    refuse_unknown(body, GRAVITY, "body")
    low, high = finite(periapsis, "periapsis"), finite(apoapsis, "apoapsis")
    if not 0 < low <= high:
        raise BadOption(f"periapsis={low:g}, apoapsis={high:g}: km from the centre, 0 < periapsis <= apoapsis")
    angles = {"inclination": inclination, "ascending_node": ascending_node, "argument": argument_of_periapsis}
    tilt, node, argument = (np.radians(finite(value, name)) for name, value in angles.items())
    times = times_of_path(time)
    start = times[0] if at_periapsis is None else utc(at_periapsis)
    seconds = (times - start).astype("int64") / 1e9
    axis, eccentricity = (low + high) / 2, (high - low) / (high + low)
    motion = np.sqrt(GRAVITY[body] / axis**3)
    drifts = _drifts(body, axis, eccentricity, tilt, motion) if oblate else (0.0, 0.0, 0.0)
    anomaly = _eccentric((motion + drifts[2]) * seconds, eccentricity)
    along = axis * (np.cos(anomaly) - eccentricity)
    across = axis * np.sqrt(1 - eccentricity**2) * np.sin(anomaly)
    node = node + (drifts[0] - np.radians(finite(frame_rate, "frame_rate")) / 86400) * seconds
    argument = argument + drifts[1] * seconds
    u = along * np.cos(argument) - across * np.sin(argument)  # in the plane: from the node, and 90° ahead of it
    v = along * np.sin(argument) + across * np.cos(argument)
    x = u * np.cos(node) - v * np.cos(tilt) * np.sin(node)
    y = u * np.sin(node) + v * np.cos(tilt) * np.cos(node)
    values = np.stack([x, y, v * np.sin(tilt)], axis=-1)
    coords = {"time": ("time", times, {"long_name": "Time (UTC)"}), "component": component_labels()}
    says = {"frame": _named_frame(frame), "synthetic": "true", "source": f"a Kepler ellipse about {body}"}
    array = xr.DataArray(values, dims=("time", "component"), coords=coords)
    return labelled(array, "position", units="km", long_name="Position", attrs={**says, "references": PARK})


def residence_time(
    position: xr.DataArray, *, cell: xr.DataArray, plane: str = "xrho", where: xr.DataArray | None = None
) -> xr.DataArray:
    """Return how long a spacecraft was in each cell of a plane: a map of coverage.

    Parameters
    ----------
    position : xarray.DataArray
        Dims ``time, component`` (x, y, z); any length. Each sample stands for the time to the next one, but at most
        for twice the median step, so that gaps are not counted.
    cell : xarray.DataArray
        Side of a square cell, a number with units of length.
    plane : {"xrho", "xy", "xz", "yz"}, optional
        ``rho`` is the distance from the X axis.
    where : xarray.DataArray, optional
        Count these samples only: true or false over ``time``.

    Returns
    -------
    xarray.DataArray
        Hours, dims the second axis of the plane and the first one, with the centres of cells in the unit of ``cell``.
        NaN in cells that were never visited, so that a picture leaves them out.

    Raises
    ------
    WrongData
        If it is no trajectory of two samples at least, has times that do not increase, or the cell is no length above
        zero; or if more than a million cells would be needed.
    BadOption, WrongUnits, MissingUnits
        If the plane is not known, or an input is of another kind.

    Examples
    --------
    >>> time = np.datetime64("2030-01-01", "ns") + np.arange(5) * np.timedelta64(1, "h")
    >>> path = xr.DataArray(np.eye(5, 3), dims=["time", "component"], coords={"time": time}, attrs={"units": "R_earth"})
    >>> hours = residence_time(path, cell=xr.DataArray(0.5, attrs={"units": "R_earth"}))
    >>> float(hours.sum()), hours.dims
    (5.0, ('rho', 'x'))
    """
    second, first = PLANES[refuse_unknown(plane, PLANES, "plane")]
    path = in_order(position, "position").assign_coords(component=component_labels())
    if path.dims != ("time", "component") or path.sizes["time"] < 2 or "time" not in path.coords:
        raise WrongData(f"position has dims {dict(position.sizes)}; coverage needs a trajectory: time and component")
    unit_of(named(cell, "cell"))
    unit = str(cell.attrs["units"])
    side = in_units(cell, unit)
    if side.ndim or not 0 < float(side) < np.inf:
        raise WrongData("cell is no length above zero; give one number with units")
    x, y, z = (in_units(path, unit).sel(component=letter).values for letter in XYZ)
    parts = {"x": x, "y": y, "z": z, "rho": np.hypot(y, z)}
    hours = _hours(path["time"].values)
    use = np.isfinite(x + y + z) & (hours > 0)
    if where is not None:
        if not isinstance(where, xr.DataArray) or where.dims != ("time",) or where.dtype.kind != "b":
            raise WrongData("where is no series of true and false over time, a DataArray with the dim time")
        if "time" not in where.coords and where.size != path.sizes["time"]:
            raise WrongData(f"where has {where.size} values without times for {path.sizes['time']} positions")
        use &= where.reindex(time=path["time"], fill_value=False).values.astype(bool)
    edges = [_edges(parts[letter], float(side), letter) for letter in (second, first)]
    if (cells := (edges[0].size - 1) * (edges[1].size - 1)) > 1_000_000:
        raise WrongData(f"cell={float(side):g} {unit} needs {cells} cells; give a larger one")
    spent, *_ = np.histogram2d(parts[second][use], parts[first][use], bins=edges, weights=hours[use])
    at = str(path.attrs.get("frame", "")).upper()
    names = {"rho": "Distance from the X axis", **{letter: f"{letter.upper()} {at}".strip() for letter in XYZ}}
    centres = {
        letter: (letter, (edge[1:] + edge[:-1]) / 2, {"units": unit, "long_name": names[letter]})
        for letter, edge in zip((second, first), edges, strict=True)
    }
    counted = xr.DataArray(np.where(spent > 0, spent, np.nan), dims=(second, first), coords=centres)
    frame = {"frame": frame_of(path)} if at else {}
    attrs = {**synthetic_attrs(position), **frame}
    return labelled(counted, "residence_time", units="h", long_name="Time in the cell", attrs=attrs)


def surface_positions(radius: xr.DataArray, *, step: float = 2.0, frame: str = "MSO") -> xr.DataArray:
    """Return places all over a sphere, the centres of cells of equal steps in latitude and longitude.

    Parameters
    ----------
    radius : xarray.DataArray
        A number with units of length.
    step : float, optional
        Degrees; 180 must be a multiple of it.
    frame : str, optional
        What the frame is called. Latitude is counted from its x-y plane, longitude from +x (the Sun, in MSO) towards
        +y. A mean over the sphere is one weighted with the cosine of the latitude.

    Returns
    -------
    xarray.DataArray
        Dims ``latitude, longitude, component``, in the unit of ``radius``.

    Raises
    ------
    BadOption
        If the step does not divide 180.
    WrongData, WrongUnits, MissingUnits
        If the radius is no length above zero.

    Examples
    --------
    >>> ground = surface_positions(xr.DataArray(2440.0, attrs={"units": "km"}), step=90)
    >>> ground.sel(latitude=45, longitude=-45).values.round()
    array([ 1220., -1220.,  1725.])
    """
    unit_of(named(radius, "radius"))
    in_units(named(radius, "radius"), "km")
    size = in_units(radius, str(radius.attrs["units"]))
    if size.ndim or not 0 < float(size) < np.inf:
        raise WrongData("radius is no length above zero; give one number with units")
    wide = finite(step, "step")
    if not 0 < wide <= 180 or abs(180 / wide - round(180 / wide)) > 1e-9:
        raise BadOption(f"step={step!r} does not divide 180°")
    rows = round(180 / wide)
    north = np.radians((np.arange(rows) + 0.5) * wide - 90)[:, None]
    east = np.radians((np.arange(2 * rows) + 0.5) * wide - 180)[None, :]
    values = np.stack(
        np.broadcast_arrays(np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)), -1
    )
    says = {"units": "deg", "long_name": "Latitude"}
    coords = {
        "latitude": ("latitude", np.degrees(north[:, 0]).round(9), says),
        "longitude": ("longitude", np.degrees(east[0]).round(9), {**says, "long_name": "Longitude from the X axis"}),
        "component": component_labels(),
    }
    array = xr.DataArray(float(size) * values, dims=("latitude", "longitude", "component"), coords=coords)
    attrs = {"frame": _named_frame(frame), **synthetic_attrs(radius)}
    return labelled(array, "position", units=str(size.attrs["units"]), long_name="Place on the surface", attrs=attrs)


def _drifts(body: str, axis: float, eccentricity: float, tilt: float, motion: float) -> tuple[float, float, float]:
    """Return the drifts of node, periapsis and mean anomaly, rad/s."""
    if body not in OBLATENESS:
        raise BadOption(f"the flattening of {body} is not known here; there is that of {', '.join(OBLATENESS)}")
    j2, radius = OBLATENESS[body]
    k = 1.5 * motion * j2 * (radius / (axis * (1 - eccentricity**2))) ** 2
    squared = np.sin(tilt) ** 2
    return -k * np.cos(tilt), k * (2 - 2.5 * squared), k * np.sqrt(1 - eccentricity**2) * (1 - 1.5 * squared)


def _eccentric(mean: np.ndarray, eccentricity: float) -> np.ndarray:
    """Return the eccentric anomaly of mean ones, by Newton's method, which from π converges for every ellipse."""
    turns = np.round(mean / (2 * np.pi)) * 2 * np.pi
    rest = mean - turns
    anomaly = np.where(rest < 0, -np.pi, np.pi) if eccentricity > 0.5 else rest.copy()
    for _ in range(60):
        step = (anomaly - eccentricity * np.sin(anomaly) - rest) / (1 - eccentricity * np.cos(anomaly))
        anomaly = anomaly - step
        if np.abs(step).max(initial=0.0) < 1e-14:
            break
    return anomaly + turns


def _hours(times: np.ndarray) -> np.ndarray:
    """Return what each sample stands for."""
    if times.dtype.kind != "M" or not (times[1:] > times[:-1]).all():
        raise WrongData("the times of position do not increase; sort them first: position.sortby('time')")
    steps = np.diff(times.astype("datetime64[ns]")).astype("int64") / 3.6e12
    usual = float(np.median(steps))
    return np.append(np.where(steps > 2 * usual, usual, steps), usual)


def _edges(values: np.ndarray, side: float, letter: str) -> np.ndarray:
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise WrongData("position has no finite value")
    low = 0.0 if letter == "rho" else np.floor(finite.min() / side)
    return np.arange(low, np.floor(finite.max() / side) + 2) * side


def _named_frame(frame: object) -> str:
    if not isinstance(frame, str) or not frame.strip():
        raise BadOption(f"frame={frame!r} names no frame; for example 'MSO'")
    return frame.strip().upper()


def times_of_path(time: xr.DataArray) -> np.ndarray:
    """Return a row of UTC times that increase, or refuse it."""
    values = np.asarray(getattr(time, "values", time))
    if values.dtype.kind != "M" or values.ndim != 1 or not values.size:
        raise BadTime("time is one row of datetime64[ns], UTC: plasma.sampling_times makes one")
    values = values.astype("datetime64[ns]")
    if np.isnat(values).any() or not (values[1:] > values[:-1]).all():
        raise BadTime("times are not strictly increasing, or hold NaT")
    return values

"""Pictures in a plane: where spacecraft were, with boundaries around a planet, and how a vector turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData, WrongFrame
from analysis.model import in_units, is_synthetic
from analysis.plasma.boundary_geometry import boundary_cut
from analysis.plasma.inputs import is_number, named, refuse_empty
from analysis.plasma.planet_models import DIPOLE_OFFSET, JUPITER_RADIUS, MARS_RADIUS, MERCURY_RADIUS, SATURN_RADIUS
from analysis.plasma.surfaces import accepted_frame, form_of
from analysis.plasma.vectors import XYZ, frame_of, refuse_unknown, vector

if TYPE_CHECKING:
    from analysis.panels import Area
    from analysis.panels.marks import Marks

# Radii that the ticks count, km: those that boundary models are written in; Earth: astropy's R_earth (IAU 2015
# resolution B3); Venus and the Moon: Archinal et al. 2018, doi:10.1007/s10569-017-9805-5.
RADII = {
    "Mercury": MERCURY_RADIUS,
    "Venus": 6051.8,
    "Earth": 6378.1,
    "Moon": 1737.4,
    "Mars": MARS_RADIUS,
    "Jupiter": JUPITER_RADIUS,
    "Saturn": SATURN_RADIUS,
}
SUNWARD = ("GSE", "GSM", "MSO", "VSO", "MSM", "KSM", "KSO", "JSO")  # frames whose X axis points to the Sun
MERCURYS = ("MSM",)
EARTHS = ("GSE", "GSM", "SM", "GEO", "MAG", "GEI")  # frames about the Earth's centre
PLANES = {"xy": ("x", "y"), "xz": ("x", "z"), "yz": ("y", "z"), "xrho": ("x", "rho")}
SEEN_FROM = {"xy": "from the north", "yz": "from the Sun"}
DAY, NIGHT, UNLIT = "#f2f2f2", "#3a3a3a", "#b5b5b5"


def orbit_view(
    position: xr.DataArray | Mapping[str, xr.DataArray],
    *,
    plane: Literal["xy", "xz", "yz", "xrho"] = "xy",
    boundaries: Mapping[str, xr.Dataset] | None = None,
    marks: Marks | None = None,
    body: str | None = None,
    sun: Literal["right", "left"] = "right",
    reach: float | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return a picture of one or several orbits in a plane, with the planet and boundaries, in planetary radii.

    Parameters
    ----------
    position : xarray.DataArray or mapping of str to xarray.DataArray
        Vectors from the planet's centre (in MSM from Mercury's dipole): dims ``time, component``, or
        ``spacecraft, time, component``; any unit of length, attr ``frame``. A mapping gives spacecraft by name,
        each with times of its own.
    plane : {"xy", "xz", "yz", "xrho"}, optional
        ``rho`` is the distance from the X axis.
    boundaries : mapping of str to xarray.Dataset, optional
        By name: a boundary at one time, as :func:`magnetopause`, :func:`bow_shock` or :func:`planetary_boundary`
        give it, which is cut in this plane; or a line of one's own, variables ``x``, ``y`` and ``z`` in a unit of
        length along one dim, whose attr ``frame``, if it has one, is that of the position.
    marks : mapping of str to time or times, optional
        Events on the orbit of a single spacecraft, such as crossings: crosses where it was at these times
        (between samples on a straight line).
    body : str, optional
        Whose radii the axes count and whose disc is drawn: Mercury, Venus, Earth, Moon, Mars, Jupiter or Saturn.
        Earth by default in GSE, GSM, SM, GEO, MAG and GEI, Mercury in MSM; in other frames it must be said.
    sun : {"right", "left"}, optional
        Where the Sun is: at ``"left"`` X grows to the left and, in ``"xy"``, Y downward, so that the picture is
        still seen from the north. In ``"yz"`` the Sun is behind the reader.
    reach : float, optional
        Half width of the picture about the planet, in its radii; by default all of the orbit.
    attrs : mapping, optional
        Global attributes of the dataset, for title and source.

    Returns
    -------
    holoviews.Overlay
        Equal scales. An open circle marks where an orbit begins; hover shows place and time. The dark half of the
        disc is the night side, in frames whose X axis points to the Sun; in others the disc is grey.

    Raises
    ------
    WrongData
        If a position is no vector over time or has no value, or a boundary has no line of one dim.
    WrongFrame
        If positions and boundaries are in different frames, or the body cannot be told from the frame.
    BadOption
        If an option is not known, events are given for several spacecraft, or a boundary is of another body or,
        with ``"xrho"``, not symmetric about the X axis.
    OutsideCoverage
        If an event is before the first position or after the last.

    Examples
    --------
    >>> time = np.arange("2001-03-31T00", "2001-03-31T03", dtype="datetime64[h]").astype("datetime64[ns]")
    >>> axes = {"time": time, "component": ["x", "y", "z"]}
    >>> says = {"units": "R_earth", "frame": "GSE"}
    >>> orbit = xr.DataArray([[10.0, 0, 0], [11, 1, 0], [12, 3, 0]], axes, list(axes), name="position", attrs=says)
    >>> orbit_view(orbit, marks={"bow shock": "2001-03-31T01:30"})
    :Overlay...
    """
    from analysis import panels

    first, second = PLANES[refuse_unknown(plane, PLANES, "plane")]
    refuse_unknown(sun, ("right", "left"), "side of the Sun")
    craft = _by_name(position)
    frame = _one_frame(craft)
    body = _body(body, frame)
    radius, unit = RADII[body], "R_earth" if body == "Earth" else f"R_{body}"
    if reach is not None and (not is_number(reach) or not 0 < reach < np.inf):
        raise BadOption(f"reach={reach!r} is not a number of radii above zero")

    def axis(values: xr.DataArray, letter: str) -> xr.DataArray:
        label = "ρ" if letter == "rho" else letter.upper()
        return values.rename(letter).assign_attrs(units=unit, long_name=f"{label} {frame}")

    paths = {name: _in_plane(where, radius, (first, second), axis) for name, where in craft.items()}
    where = next(iter(craft.values()))
    cuts = {str(name): _cut(str(name), given, plane, where, body) for name, given in (boundaries or {}).items()}
    lines = {name: _line(name, cut, frame, radius, (first, second), axis) for name, cut in cuts.items()}
    dots = _events(marks, craft, radius, (first, second), axis)
    sunward = frame in SUNWARD
    flip = sun == "left" and first == "x"
    known = {**where.attrs, **(attrs or {})}
    if any(is_synthetic(where) for where in craft.values()):
        known["synthetic"] = "true"
    seen = f", seen {SEEN_FROM[plane]}" if plane in SEEN_FROM and sunward else ""
    title = str(known.get("title", "")).strip() or _called(list(craft))
    if sunward and first == "x":
        seen += f"; the Sun is to the {sun}, the dark half of {body} is night"
    return panels.plane_paths(
        paths,
        lines=lines,
        dots=dots,
        areas=_disc(plane, sunward=sunward, body=body, frame=frame),
        reach=reach,
        reverse=(flip, flip and plane == "xy"),
        remark=f"Axes in radii of {body} ({radius:,.1f} km){seen}.",
        attrs={**known, "title": title},
    )


def hodogram(
    b: xr.DataArray, *, x: str | None = None, y: str | None = None, attrs: Mapping[str, Any] | None = None
) -> Any:
    """Return the picture of one component of a vector over another as time goes by.

    Parameters
    ----------
    b : xarray.DataArray
        Vector, dims ``time, component``, for example in boundary-normal coordinates L, M, N.
    x, y : str, optional
        Components across and up; by default the second and the first, B_M and B_L.
    attrs : mapping, optional
        Global attributes of the dataset, for title and source.

    Returns
    -------
    holoviews.Overlay
        Equal scales, the time since the first sample as colour; a circle marks the first sample, a square the last.

    Raises
    ------
    WrongData
        If it is no vector over time.
    BadOption
        If there is no such component.

    Examples
    --------
    >>> time = np.arange("2015-10-16T13", "2015-10-16T15", dtype="datetime64[h]").astype("datetime64[ns]")
    >>> b = xr.DataArray([[3.0, 0, 0], [0, 3, 0]], {"time": time, "component": list("lmn")}, ["time", "component"],
    ...                  attrs={"units": "nT"})
    >>> hodogram(b)
    :Overlay...
    """
    from analysis import panels

    whole = vector(b, "b")
    if whole.dims != ("time", "component"):
        raise WrongData(f"b has dims {b.dims}; a hodogram is of one vector over time")
    refuse_empty(whole)
    letters = [str(letter) for letter in whole["component"].values]
    return panels.hodogram(whole, x=x or letters[1], y=y or letters[0], attrs=attrs)


def _by_name(position: Any) -> dict[str, xr.DataArray]:
    """Return vectors over time by the name of their spacecraft."""
    if isinstance(position, Mapping):
        given = {str(name): where for name, where in position.items()}
        if not given:
            raise WrongData("position holds no spacecraft")
    elif isinstance(position, xr.DataArray) and "spacecraft" in position.dims:
        names = (
            position["spacecraft"].values if "spacecraft" in position.coords else range(position.sizes["spacecraft"])
        )
        given = {str(name): position.isel(spacecraft=number, drop=True) for number, name in enumerate(names)}
    else:
        given = {str(getattr(position, "name", None) or "spacecraft").replace("_", " "): position}
    craft = {}
    for name, where in given.items():
        whole = vector(where, f"position of {name}" if len(given) > 1 else "position")
        if whole.dims != ("time", "component") or whole["time"].dtype.kind != "M":
            raise WrongData(f"the position of {name} has dims {where.dims}; it needs time and component")
        refuse_empty(whole)
        if sorted(map(str, whole["component"].values)) != list(XYZ):
            raise WrongData(f"the position of {name} has components {list(whole['component'].values)}, not x, y and z")
        craft[name] = whole
    return craft


def _one_frame(craft: Mapping[str, xr.DataArray]) -> str:
    frames = {name: frame_of(where, f"position of {name}") for name, where in craft.items()}
    if len(set(frames.values())) > 1:
        told = ", ".join(f"{name} in {frame}" for name, frame in frames.items())
        raise WrongFrame(f"the positions are in different frames ({told}); plasma.to_frame brings them into one")
    return next(iter(frames.values()))


def _body(body: str | None, frame: str) -> str:
    if body is not None:
        return refuse_unknown(body, RADII, "body")
    if frame in EARTHS or frame in MERCURYS:
        return "Earth" if frame in EARTHS else "Mercury"
    raise WrongFrame(f"positions in {frame} don't tell whose they are; say body=, one of {', '.join(RADII)}")


def _in_plane(
    where: xr.DataArray, radius: float, letters: Sequence[str], axis: Any
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return what runs across and up, in radii."""
    parts = in_units(where.reset_coords(drop=True), "km") / radius
    one, other = (axis(_part({k: parts.sel(component=k, drop=True) for k in XYZ}, k), k) for k in letters)
    return one, other


def _part(parts: Mapping[str, xr.DataArray], letter: str) -> xr.DataArray:
    return xr.ufuncs.hypot(parts["y"], parts["z"]) if letter == "rho" else parts[letter]


def _cut(name: str, given: Any, plane: str, position: xr.DataArray, body: str) -> xr.Dataset:
    """Return the line of a boundary in a plane; a line that was given as it is."""
    if not isinstance(given, xr.Dataset) or "form" not in given.attrs:
        return given
    form = form_of(given, f"boundary {name!r}")
    accepted_frame(given, position)
    if str(given.attrs["body"]).lower() != body.lower():
        raise BadOption(f"boundary {name!r} is of {given.attrs['body']}, the picture of {body}")
    if plane == "xrho" and (not form.axisymmetric or {"centre", "aberration"} & set(given.variables)):
        raise BadOption(
            f"boundary {name!r} ({given.attrs['model']}) is not symmetric about the X axis, so it has no one line in "
            "the plane xrho; draw xy or xz"
        )
    if given.sizes.get("time", 1) > 1:
        raise WrongData(f"boundary {name!r} has {given.sizes['time']} times; choose one: boundary.isel(time=0)")
    one = given.squeeze("time", drop=True) if "time" in given.dims else given
    cut = boundary_cut(one, "xy" if plane == "xrho" else plane)
    return cut.assign_attrs(frame=frame_of(position))


def _line(
    name: str, cut: xr.Dataset, frame: str, radius: float, letters: Sequence[str], axis: Any
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the line of a boundary in the plane, in radii."""
    wanted = [k for k in XYZ if k in letters or "rho" in letters]
    if not isinstance(cut, xr.Dataset) or any(k not in cut for k in wanted):
        raise WrongData(f"boundary {name!r} has no {', '.join(wanted)}, nor the attrs of a boundary (form, frame …)")
    stated = str(cut.attrs.get("frame", "") or cut[wanted[0]].attrs.get("frame", "")).upper()
    if stated and stated != frame:
        raise WrongFrame(f"boundary {name!r} is a line in {stated}, the position is in {frame}; plasma.to_frame helps")
    parts = {k: in_units(named(cut[k].reset_coords(drop=True), k), "km") / radius for k in wanted}
    if any(part.ndim != 1 for part in parts.values()):
        raise WrongData(f"boundary {name!r} has dims {dict(cut.sizes)}; choose one time: boundary.isel(time=0)")
    if "rho" in letters and _mirrored(*(parts[k].values for k in XYZ)):
        half = slice(parts["x"].size // 2, None)  # drawn twice, dashes would fill each other's gaps
        parts = {k: part[half] for k, part in parts.items()}
    one, other = (axis(_part(parts, k), k) for k in letters)
    return one, other


def _mirrored(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> bool:
    """Return whether the second half of a line is the first, mirrored at the X axis."""
    same: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-9, "equal_nan": True}
    return all(np.allclose(one, other, **same) for one, other in ((x, x[::-1]), (y, -y[::-1]), (z, -z[::-1])))


def _events(
    marks: Marks | None, craft: Mapping[str, xr.DataArray], radius: float, letters: Sequence[str], axis: Any
) -> dict[str, tuple[xr.DataArray, xr.DataArray]]:
    """Return the places of events on the orbit, by name."""
    from analysis.panels.marks import times_of_marks

    if marks is None:
        return {}
    if len(craft) > 1:
        raise BadOption("marks= are for the orbit of one spacecraft; draw several orbits without, or one at a time")
    (where,) = craft.values()
    first, last = where["time"].values[[0, -1]]
    dots = {}
    for name, times in times_of_marks(marks).items():
        if outside := [str(t)[:19] for t in times if not first <= t <= last]:
            raise OutsideCoverage(f"{name} at {outside[0]}: the position is known from {first!s:.19} to {last!s:.19}")
        if times.size:
            at = where.interp(time=times) if where.sizes["time"] > 1 else where
            dots[name] = _in_plane(at.assign_attrs(where.attrs), radius, letters, axis)
    return dots


def _disc(plane: str, *, sunward: bool, body: str, frame: str) -> list[Area]:
    """Return the planet: a day and a night half where the frame says where the Sun is."""
    from analysis.panels import Area

    south = DIPOLE_OFFSET if frame == "MSM" else 0.0  # MSM has its origin at Mercury's dipole, north of the centre
    if south and plane == "xrho":
        return []  # no circle about the dipole is the planet

    def arc(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        angle = np.radians(np.linspace(low, high, 181))
        return np.cos(angle), np.sin(angle) - (south if plane != "xy" else 0.0)

    span = (0.0, 180.0) if plane == "xrho" else (-180.0, 180.0)
    if not sunward:
        x, y = arc(*span)
        return [Area(x=x, y=y, colour=UNLIT, label=body)]
    if plane == "yz":
        x, y = arc(*span)
        return [Area(x=x, y=y, colour=DAY, label=f"{body}, day side")]
    day, night = ((0.0, 90.0), (90.0, 180.0)) if plane == "xrho" else ((-90.0, 90.0), (90.0, 270.0))
    corner = [0.0] if plane == "xrho" else []
    halves = []
    for ends, colour, word in ((day, DAY, "day"), (night, NIGHT, "night")):
        x, y = arc(*ends)
        halves.append(Area(x=np.r_[x, corner], y=np.r_[y, corner], colour=colour, label=f"{body}, {word}"))
    return halves


def _called(names: list[str]) -> str:
    """Return a title for orbits that have none."""
    return f"Orbits of {len(names)} spacecraft" if len(names) > 6 else f"Orbit of {', '.join(names)}"

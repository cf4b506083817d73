"""Where a trajectory crosses a boundary, and in which region each of its points is."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import derived, in_units, labelled
from analysis.plasma.boundary_geometry import boundary_normal
from analysis.plasma.forms import angles
from analysis.plasma.inputs import named, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.quality import with_worst_quality
from analysis.plasma.surfaces import (
    computed,
    flags_of,
    form_of,
    length_of,
    parameters_of,
    seen_from_centre,
    times_of,
    with_coords_of,
)
from analysis.plasma.vectors import vector

OBSTACLES = {"magnetopause": "magnetosphere", "magnetic_pileup_boundary": "induced_magnetosphere"}


def boundary_crossings(boundary: xr.Dataset, position: xr.DataArray) -> xr.Dataset:
    """Return when and where a trajectory crosses a boundary.

    Between two samples, one inside and one outside, the position, the parameters of the boundary and its aberration
    are taken to change linearly. Two crossings between the same samples are missed, and none is found next to NaN.

    Parameters
    ----------
    boundary : xarray.Dataset
        What :func:`magnetopause`, :func:`bow_shock` or :func:`planetary_boundary` returns; its parameters are
        numbers, or have times that cover those of the trajectory, to which they are interpolated linearly.
    position : xarray.DataArray
        Trajectory, dims ``time`` and ``component``, from the planet's centre in the boundary's frame; any length.

    Returns
    -------
    xarray.Dataset
        One ``time`` a crossing (none if there is no crossing): ``position`` (unit and frame of the trajectory),
        outward unit ``normal`` there, ``direction`` (1 outbound, -1 inbound), and ``step``, the seconds between the
        two samples that enclose it.

    Raises
    ------
    WrongFrame
        If the trajectory is in another frame.
    OutsideCoverage
        If the boundary is not known at a time of the trajectory.
    WrongData, WrongUnits, MissingUnits
        If it is no trajectory, its times do not increase, or an input is of another kind.

    Examples
    --------
    >>> nose = {"standoff": ((), 10.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})}
    >>> says = dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")
    >>> time = np.array(["2020-01-01T00", "2020-01-01T01"], dtype="datetime64[ns]")
    >>> path = xr.DataArray([[9.0, 0, 0], [13.0, 0, 0]], dims=["time", "component"], coords={"time": time})
    >>> out = boundary_crossings(xr.Dataset(nose, attrs=says), path.assign_attrs(units="R_earth", frame="GSM"))
    >>> out.time.values.astype("datetime64[s]"), out.position.values.round(6), out.direction.values
    (array(['2020-01-01T00:15:00'], dtype='datetime64[s]'), array([[10.,  0.,  0.]]), array([1], dtype=int8))
    """
    form = form_of(boundary)
    path = _trajectory(vector(position, "position"))
    time = times_of(path)
    where = seen_from_centre(boundary, path).compute()
    parameters = [_along_time(one, path).compute() for one in parameters_of(boundary, time)]
    given = [one.values for one in parameters]

    def outside(point: np.ndarray, of: list[np.ndarray]) -> np.ndarray:
        theta, phi = angles(*np.moveaxis(point, -1, 0))
        return np.linalg.norm(point, axis=-1) - form.radius(theta, phi, *of)

    is_out = outside(where.values, given)
    known = ~np.isnan(is_out)
    at = np.flatnonzero(((is_out[1:] >= 0) != (is_out[:-1] >= 0)) & known[1:] & known[:-1])

    def between(values: np.ndarray, part: np.ndarray) -> np.ndarray:
        share = part.reshape(-1, *([1] * (values.ndim - 1)))
        return values[at] * (1 - share) + values[at + 1] * share

    low, high = np.zeros(at.size), np.ones(at.size)
    for _ in range(60):  # bisection: it cannot leave the step
        middle = (low + high) / 2
        now = outside(between(where.values, middle), [between(values, middle) for values in given])
        still = (now >= 0) == (is_out[at] >= 0)
        low, high = np.where(still, middle, low), np.where(still, high, middle)
    step = np.diff(path["time"].values)[at].astype(np.int64)
    times = path["time"].values[at] + np.rint(high * step).astype("timedelta64[ns]")
    places = between(path.compute().values.astype(float), high)
    single = _no_touches(times)
    return _crossings(boundary, position, times[single], places[single], is_out[at][single] < 0, step[single] / 1e9)


def regions(
    position: xr.DataArray,
    *,
    magnetopause: xr.Dataset,
    bow_shock: xr.Dataset | None = None,
    tail: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return in which region of a planet's surroundings each position is, after models of its boundaries.

    Parameters
    ----------
    position : xarray.DataArray
        Vector (dim ``component``) from the planet's centre in the boundaries' frame; any unit of length.
    magnetopause : xarray.Dataset
        The obstacle's boundary: a magnetopause, or Mars' magnetic pile-up boundary.
    bow_shock : xarray.Dataset, optional
        Of the same planet. Without it, what is beyond the magnetopause is ``outside``.
    tail : xarray.DataArray, optional
        A length, negative: what is inside the magnetopause at an x (of the position's frame) below it is ``tail``.
        No such label by default; the models know no tail, so where it begins is yours to say.

    Returns
    -------
    xarray.DataArray
        Integers with CF's ``flag_values`` and ``flag_meanings``: 0 ``unknown``, where the position or a parameter is
        NaN, or the two models contradict each other (inside the magnetopause but beyond the bow shock); 1
        ``solar_wind`` (``outside`` without a bow shock); 2 ``magnetosheath``; 3 ``magnetosphere``
        (``induced_magnetosphere`` at Mars); 4 ``tail``. If parameters have flags, ``region_quality`` is the worst.

    Raises
    ------
    WrongFrame, OutsideCoverage
        If the positions are in another frame, or at times at which a boundary is not known.
    WrongData, WrongUnits, MissingUnits
        If the boundaries are of different planets or swapped, ``tail`` is no negative length, or an input is of
        another kind.

    Examples
    --------
    >>> nose = {"standoff": ((), 10.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})}
    >>> says = dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")
    >>> path = xr.DataArray([[8.0, 0, 0], [13.0, 0, 0]], dims=["time", "component"])
    >>> where = regions(path.assign_attrs(units="R_earth", frame="GSM"), magnetopause=xr.Dataset(nose, attrs=says))
    >>> where.values, where.flag_meanings
    (array([3, 1], dtype=int8), 'unknown outside magnetosphere')
    """
    inner = _is_inside(magnetopause, position, "magnetopause", tuple(OBSTACLES))
    obstacle = OBSTACLES[str(magnetopause.attrs["boundary"])]
    meanings = {0: "unknown", 1: "outside" if bow_shock is None else "solar_wind", 3: obstacle}
    known, within = inner.notnull(), inner == 1
    region = xr.where(within, 3, 1)
    if bow_shock is not None:
        meanings[2] = "magnetosheath"
        outer = _is_inside(bow_shock, position, "bow_shock", ("bow_shock",))
        if bow_shock.attrs["body"] != magnetopause.attrs["body"]:
            raise WrongData(
                f"the bow shock is that of {bow_shock.attrs['body']}, the magnetopause that of "
                f"{magnetopause.attrs['body']}; give two of one planet"
            )
        region = xr.where(within, xr.where(outer == 1, 3, 0), xr.where(outer == 1, 2, 1))
        known = known & outer.notnull()
    if tail is not None:
        meanings[4] = "tail"
        region = xr.where((region == 3) & _behind(position, tail), 4, region)
    region = with_coords_of(xr.where(known, region, 0).astype(np.int8), position)
    values = sorted(meanings)
    models = [one for one in (magnetopause, bow_shock) if one is not None]
    cited = [str(one.attrs["references"]) for one in models if "references" in one.attrs]
    attrs: dict[str, object] = {
        "flag_values": np.array(values, dtype=np.int8),
        "flag_meanings": " ".join(meanings[value] for value in values),
        **({"references": "\n".join(dict.fromkeys(cited))} if cited else {}),
        **synthetic_attrs(position, *models),
    }
    label = f"Region of {magnetopause.attrs['body']}'s surroundings"
    result = labelled(region, "region", units="1", long_name=label, attrs=attrs)
    flags = [flag for one in models for flag in flags_of(one, times_of(position))]
    return with_worst_quality(result, *flags)


def _is_inside(boundary: xr.Dataset, position: xr.DataArray, what: str, kinds: tuple[str, ...]) -> xr.DataArray:
    """Return 1 inside a boundary, 0 outside, NaN where it cannot be said."""
    form = form_of(boundary, what)
    if boundary.attrs["boundary"] not in kinds:
        raise WrongData(f"{what}= is a {boundary.attrs['boundary']}; it must be a {' or a '.join(kinds)}")
    where = seen_from_centre(boundary, position)
    parameters = parameters_of(boundary, times_of(where))
    on_same_axes(position=where.assign_attrs(units=length_of(boundary)), **{str(one.name): one for one in parameters})

    def inside(point: np.ndarray, *of: np.ndarray) -> np.ndarray:
        theta, phi = angles(*np.moveaxis(point, -1, 0))
        out = np.linalg.norm(point, axis=-1) - form.radius(theta, phi, *of)
        return np.where(np.isnan(out), np.nan, out < 0)

    return computed(inside, where, parameters, vector=False)


def _behind(position: xr.DataArray, tail: xr.DataArray) -> xr.DataArray:
    refuse_vectors(tail=tail)
    limit = in_units(named(tail, "tail"), str(position.attrs["units"]))
    if limit.ndim or not float(limit) < 0:
        raise WrongData(f"tail is {limit.values}; give one negative length, the x behind which the tail begins")
    return vector(position, "position").sel(component="x", drop=True) < float(limit)


def _trajectory(path: xr.DataArray) -> xr.DataArray:
    if set(path.dims) != {"time", "component"} or "time" not in path.coords:
        raise WrongData(
            f"position has dims {', '.join(map(str, path.dims))}; crossings need a trajectory: dims time and "
            "component, with a coordinate time"
        )
    times = path["time"].values
    if times.dtype.kind != "M":
        raise WrongData(f"the times of position are {times.dtype}, not datetime64")
    if not (times[1:] > times[:-1]).all():
        raise WrongData("the times of position do not increase; sort them first: position.sortby('time')")
    return path.assign_coords(time=times.astype("datetime64[ns]"))


def _along_time(parameter: xr.DataArray, path: xr.DataArray) -> xr.DataArray:
    if others := [str(dim) for dim in parameter.dims if dim != "time"]:
        raise WrongData(f"the boundary also has the dim {', '.join(others)}; take one of them first, with isel")
    if "time" in parameter.dims and parameter.sizes["time"] != path.sizes["time"]:
        raise WrongData("the boundary has a dim time without times; give it those of its solar wind")
    return parameter.broadcast_like(path["time"].reset_coords(drop=True))


def _no_touches(times: np.ndarray) -> np.ndarray:
    """Return which crossings stay: out and in again at one instant is none."""
    same = times[1:] == times[:-1]
    return ~(np.append(same, False) | np.append(False, same)) if times.size else np.zeros(0, dtype=bool)


def _crossings(
    boundary: xr.Dataset,
    position: xr.DataArray,
    times: np.ndarray,
    places: np.ndarray,
    outbound: np.ndarray,
    step: np.ndarray,
) -> xr.Dataset:
    says = boundary.attrs
    called = f"{str(says['boundary']).replace('_', ' ')} of {says['body']} ({says['model']})"
    time = xr.DataArray(times, dims="time", attrs={"long_name": "Time (UTC)"})
    letters = vector(position, "position")["component"]
    place = xr.DataArray(places, dims=["time", "component"], coords={"time": time, "component": letters})
    attrs = {"frame": str(position.attrs["frame"]), **synthetic_attrs(position, boundary)}
    units = str(position.attrs["units"])
    place = labelled(place, "position", units=units, long_name=f"Crossing of the {called}", attrs=attrs)
    way = xr.DataArray(np.where(outbound, 1, -1).astype(np.int8), dims="time", coords={"time": time})
    flags = {"flag_values": np.array([-1, 1], dtype=np.int8), "flag_meanings": "inbound outbound"}
    seconds = xr.DataArray(step, dims="time", coords={"time": time})
    result = xr.Dataset(
        {
            "position": place,
            "normal": boundary_normal(boundary, place, along="radius"),
            "direction": labelled(way, "direction", units="1", long_name="Direction of the crossing", attrs=flags),
            "step": labelled(seconds, "step", units="s", long_name="Time between the samples around the crossing"),
        },
        attrs={**{key: says[key] for key in ("body", "boundary", "model")}, "frame": attrs["frame"]},
    )
    references = str(says.get("references", "")).splitlines()
    title = f"Crossings of the {called}"
    return derived(
        result, position, title=title, step="plasma.boundary_crossings", references=references, also=[boundary]
    )

"""The solar wind carried from where it was measured to where it meets the magnetosphere."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import derived, in_units
from analysis.plasma.inputs import is_number, named, not_negative, on_same_axes
from analysis.plasma.rotations import in_order
from analysis.plasma.series_inputs import hours_of
from analysis.plasma.vectors import component_labels, same_frame, vector

Given = xr.DataArray | None
OMNI = "King & Papitashvili, J. Geophys. Res. 110, A02104 (2005), doi:10.1029/2004JA010649"
WEIMER_2003 = "Weimer et al., J. Geophys. Res. 108, 1026 (2003), doi:10.1029/2002JA009405"
SUNWARD = ("GSE", "GSM")  # frames whose x axis points to the Sun, so that a scalar speed has a direction


def propagated(
    wind: xr.Dataset,
    *,
    position: xr.DataArray,
    target: xr.DataArray,
    velocity: Given = None,
    normal: Given = None,
    largest_angle: float = 70.0,
) -> xr.Dataset:
    r"""Return solar wind data at the times when they arrive at another place.

    Each sample lies on a plane that the wind carries along: its delay is
    :math:`\Delta t = \mathbf{n} \cdot (\mathbf{r}_{target} - \mathbf{r}) / (\mathbf{n} \cdot \mathbf{v})`. Without
    ``normal`` the planes stand across the x axis, and the delay is the way along x over the speed along x (flat or
    ballistic propagation). Where a parcel arrives before others that were measured earlier, it has overtaken them:
    they are left out, so that arrival times increase.

    Parameters
    ----------
    wind : xarray.Dataset
        Along ``time``; with ``speed``, if ``velocity`` is not given.
    position : xarray.DataArray
        Where it was measured, in GSE or GSM: a vector (dim ``component``), along ``time`` or one for all; or its x
        alone.
    target : xarray.DataArray
        Where it goes, likewise, without ``time`` or along it; for example the nose of the bow shock.
    velocity : xarray.DataArray, optional
        Of the flow, a vector along ``time`` in the same frame. By default ``speed`` against the x axis.
    normal : xarray.DataArray, optional
        Normals of the planes, vectors along ``time`` or one for all, in the same frame and of any length and sign, for
        example of :func:`minimum_variance` over windows. Then position and target must be vectors.
    largest_angle : float, optional
        Degrees between normal and flow beyond which a plane's arrival is too uncertain to be taken; such
        samples are left out. A choice, not a law.

    Returns
    -------
    xarray.Dataset
        The same variables, ``time`` being that of arrival; coordinates ``measured_time`` and ``delay`` (s). Attrs
        ``propagated_by`` and, how many samples were left out, ``overtaken``, ``steep`` (by angle), ``unknown`` (a
        velocity, position or normal missing). Arrival is not on a regular grid; ``resample`` or ``interp`` makes one.
        The Earth's motion (30 km/s) and all change on the way are left out.

    Raises
    ------
    WrongData
        If there is no Dataset along increasing times, no speed, axes differ, a speed is negative, or a flow does not
        go away from the Sun.
    WrongFrame
        If vectors are in different frames, or position or target in none of GSE, GSM.
    OutsideCoverage
        If no sample is left.
    BadOption
        If the angle is not between 0 and 90 degrees.
    WrongUnits, MissingUnits
        If an input is of another kind.

    References
    ----------
    Weimer et al., J. Geophys. Res. 108, 1026 (2003), doi:10.1029/2002JA009405.
    King & Papitashvili, J. Geophys. Res. 110, A02104 (2005), doi:10.1029/2004JA010649, and OMNI's description of its
    one-minute data.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(60, "s")
    >>> speed = xr.DataArray([400.0, 400.0, 800.0], {"time": time}, ["time"], attrs={"units": "km s-1"})
    >>> x = xr.DataArray(1.5e6, attrs={"units": "km", "frame": "GSE"})
    >>> nose = xr.DataArray(3e5, attrs={"units": "km", "frame": "GSE"})
    >>> at_nose = propagated(xr.Dataset({"speed": speed}), position=x, target=nose)
    >>> at_nose.speed.values, at_nose.delay.values, at_nose.attrs["overtaken"]
    (array([800.]), array([1500.]), 2)
    """
    if not isinstance(wind, xr.Dataset) or "time" not in wind.dims:
        raise WrongData(f"propagated takes a Dataset along time, not {getattr(wind, 'dims', type(wind).__name__)}")
    if not is_number(largest_angle) or not 0 < largest_angle < 90:
        raise BadOption(f"largest_angle={largest_angle!r} is not between 0 and 90 degrees")
    clock = xr.zeros_like(wind["time"], dtype=np.float64).rename("wind")
    hours_of(clock.reset_coords(drop=True), "propagated")
    way, flow, front = _geometry(wind, position, target, velocity, normal)
    delay, cosine = (array.broadcast_like(clock).transpose("time").values for array in _along(way, flow, front))
    unknown = ~np.isfinite(delay) & ~np.isinf(delay)
    with np.errstate(invalid="ignore"):
        steep = ~unknown & ~(cosine >= np.cos(np.radians(largest_angle)))
    taken = np.flatnonzero(~unknown & ~steep)
    if not taken.size:
        raise OutsideCoverage(
            f"none of the {delay.size} samples can be propagated: {int(unknown.sum())} lack velocity, position or "
            f"normal, {int(steep.sum())} have a normal more than {largest_angle:g}° from the flow"
        )
    measured = wind["time"].values.astype("datetime64[ns]")
    arrival = measured[taken] + np.round(delay[taken] * 1e9).astype("timedelta64[ns]")
    ahead = np.minimum.accumulate(arrival[::-1])[::-1]  # the first arrival of this sample and all that follow
    free = np.append(arrival[:-1] < ahead[1:], True)
    kept = taken[free]
    how = "planes with given normals" if normal is not None else "planes across x"
    result = wind.isel(time=kept).assign_coords(
        time=("time", arrival[free], {"long_name": "Time of arrival (UTC)"}),
        measured_time=("time", measured[kept], {"long_name": "Time of measurement (UTC)"}),
        delay=("time", delay[kept], {"units": "s", "long_name": "Delay from measurement to arrival"}),
    )
    counts = {"overtaken": int((~free).sum()), "steep": int(steep.sum()), "unknown": int(unknown.sum())}
    told = ", ".join(f"{number} {name}" for name, number in counts.items())
    made = derived(
        result,
        wind,
        title=f"{wind.attrs.get('title', 'Solar wind')}, propagated",
        step=f"plasma.propagated(largest_angle={largest_angle:g}) by {how}; left out: {told}",
        references=[WEIMER_2003, OMNI],
        also=[array for array in (position, target, velocity, normal) if array is not None],
    )
    return made.assign_attrs(propagated_by=how, **counts)


def _geometry(
    wind: xr.Dataset, position: xr.DataArray, target: xr.DataArray, velocity: Given, normal: Given
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return the way (km), the flow (km/s) and the normal of each sample, as vectors on matching axes."""
    given = {"position": named(position, "position"), "target": named(target, "target")}
    if normal is not None:
        for name, array in given.items():
            if "component" not in array.dims:
                raise WrongData(
                    f"with normals the whole {name} counts, a vector with dim 'component'; x alone will not do"
                )
    start, goal = (_place(array, name) for name, array in given.items())
    frames = {"position": start, "target": goal}
    if velocity is None:
        if "speed" not in wind.variables:
            raise WrongData(
                f"the dataset has no speed; it has {', '.join(map(str, wind.data_vars))}; give velocity= as a vector"
            )
        hint = "give the speed, which is not negative, or velocity= as a vector"
        speed = not_negative(in_units(wind["speed"], "km s-1"), "speed", hint=hint)
        flow = _on_x(-speed.reset_coords(drop=True))
    else:
        flow = frames["velocity"] = in_units(_ordered(velocity, "velocity"), "km s-1")
    front = xr.DataArray([1.0, 0.0, 0.0], dims="component", coords={"component": ["x", "y", "z"]})
    if normal is not None:
        front = frames["normal"] = in_units(_ordered(normal, "normal"), "1")
    same_frame(**frames)
    clock = wind["time"].reset_coords(drop=True).assign_attrs(units="1")
    on_same_axes(
        wind=clock,
        position=start,
        target=goal,
        velocity=flow.assign_attrs(units="1"),
        normal=front.assign_attrs(units="1"),
    )
    return goal - start, flow, front


def _place(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return a position in km as a vector; x alone gets zeros for y and z."""
    if isinstance(array, xr.DataArray) and "component" not in array.dims:
        same_frame(**{name: array})
        array = _on_x(array)
    return in_units(_ordered(vector(array, name, frame=SUNWARD), name), "km")


def _ordered(array: xr.DataArray, name: str) -> xr.DataArray:
    return in_order(array, name).assign_coords(component=component_labels())


def _on_x(array: xr.DataArray) -> xr.DataArray:
    axis = xr.DataArray([1.0, 0.0, 0.0], dims="component", coords={"component": ["x", "y", "z"]})
    return (array * axis).assign_attrs(array.attrs)


def _along(way: xr.DataArray, flow: xr.DataArray, front: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the delay in seconds, and the cosine of the angle between flow and normal."""
    if bool((flow.sel(component="x") > 0).any()):
        raise WrongData("the flow's x component is positive: towards the Sun; is its sign or its frame another?")
    across = (front * flow).sum("component", skipna=False)
    size = (front**2).sum("component", skipna=False) ** 0.5 * (flow**2).sum("component", skipna=False) ** 0.5
    delay = (front * way).sum("component", skipna=False) / across.where(across != 0)
    return delay, abs(across) / size.where(size > 0)

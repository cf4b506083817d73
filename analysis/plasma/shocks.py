"""Shocks: normals from the states on both sides, speed, and how much jumps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import derived, in_units, span
from analysis.plasma.inputs import (
    is_number,
    named,
    not_negative,
    on_same_axes,
    refuse_other_dims,
    refuse_vectors,
    synthetic_attrs,
)
from analysis.plasma.parameters import BOLTZMANN, MU0, PROTON_MASS, energy_of
from analysis.plasma.rotations import right_handed
from analysis.plasma.vectors import refuse_unknown, same_frame

if TYPE_CHECKING:
    from analysis.model.clocks import Instant

    Interval = tuple[Instant, Instant]

SCHWARTZ = "Schwartz, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 10"
ABRAHAM = "Abraham-Shrauner & Yun, J. Geophys. Res. 81, 2097 (1976), doi:10.1029/JA081i013p02097"

# Of fields and velocities up- and downstream: the normal, not yet of unit length, its sign open.
METHODS: dict[str, Callable[..., np.ndarray]] = {
    "magnetic_coplanarity": lambda bu, bd, vu, vd: np.cross(np.cross(bd, bu), bd - bu),
    "velocity_coplanarity": lambda bu, bd, vu, vd: vd - vu,
    "mixed_1": lambda bu, bd, vu, vd: np.cross(np.cross(bu, vd - vu), bd - bu),
    "mixed_2": lambda bu, bd, vu, vd: np.cross(np.cross(bd, vd - vu), bd - bu),
    "mixed_3": lambda bu, bd, vu, vd: np.cross(np.cross(bd - bu, vd - vu), bd - bu),
}
MOST_PAIRS = 4_000


def shock_normals(
    b: xr.DataArray,
    v: xr.DataArray,
    *,
    upstream: Interval,
    downstream: Interval,
    methods: Sequence[str] = tuple(METHODS),
) -> xr.Dataset:
    r"""Return the normal of a shock by coplanarity and mixed modes, each with the scatter of its estimates.

    With :math:`\Delta` the change from up- to downstream, the normals are along
    :math:`(B_d \times B_u) \times \Delta B` (magnetic coplanarity), :math:`\Delta V` (velocity coplanarity), and
    :math:`(B_u \times \Delta V) \times \Delta B`, :math:`(B_d \times \Delta V) \times \Delta B`,
    :math:`(\Delta B \times \Delta V) \times \Delta B` (mixed modes 1 to 3).
    They point upstream, :math:`n \cdot \Delta V > 0`.

    Parameters
    ----------
    b, v : xarray.DataArray
        Magnetic field and bulk velocity with dims ``time, component`` on the same times, in the same frame.
    upstream, downstream : pair of times
        Half-open intervals in UTC. Choose them clear of the foot, ramp and overshoot.
    methods : sequence of str, optional
        Any of ``magnetic_coplanarity``, ``velocity_coplanarity``, ``mixed_1``, ``mixed_2``, ``mixed_3``.

    Returns
    -------
    xarray.Dataset
        Dim ``estimator``: ``normal`` (estimator, component) from the means of both intervals, ``angle_error`` (degrees:
        root mean square angle between it and the normals from pairs of single samples, one upstream, one
        downstream; at most 4,000 pairs, spread evenly), ``theta_bn`` (degrees, 0 to 90, between the mean upstream
        field and the normal), and ``coplanarity_angle`` (degrees, between the means of the fields: magnetic
        coplanarity fails near 0 and 180, velocity coplanarity away from 0 and 90 of ``theta_bn``).

    Raises
    ------
    WrongData
        If the axes differ or the intervals overlap.
    OutsideCoverage
        If an interval holds no sample without NaN.
    WrongFrame, WrongUnits, MissingUnits, BadTime, BadOption
        For inputs of another kind.

    References
    ----------
    Schwartz, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 10.
    Abraham-Shrauner & Yun, J. Geophys. Res. 81, 2097 (1976), doi:10.1029/JA081i013p02097.

    Examples
    --------
    >>> time = np.datetime64("2001-11-06T01:00", "ns") + np.arange(4) * np.timedelta64(60, "s")
    >>> field = xr.DataArray([[1.0, 2, 3]] * 2 + [[1.0, 5, 8]] * 2, {"time": time}, ["time", "component"],
    ...                      attrs={"units": "nT", "frame": "GSE"})
    >>> flow = xr.DataArray([[-400.0, 0, 0]] * 2 + [[-150.0, -10, -16.5]] * 2, {"time": time}, ["time", "component"],
    ...                     attrs={"units": "km s-1", "frame": "GSE"})
    >>> before, after = ("2001-11-06T01:00", "2001-11-06T01:02"), ("2001-11-06T01:02", "2001-11-06T01:05")
    >>> normals = shock_normals(field, flow, upstream=before, downstream=after).normal
    >>> normals.sel(estimator="velocity_coplanarity").values.round(2)
    array([ 1.  , -0.04, -0.07])
    """
    for word in methods:
        refuse_unknown(word, METHODS, "method")
    if not methods:
        raise BadOption(f"methods= is empty; there are {', '.join(METHODS)}")
    field, flow = _field_and_flow(b, v)
    on_same_axes(b=field, v=flow)
    frame = same_frame(b=b, v=v)
    both = xr.concat([field, flow], "which", coords="minimal", compat="override", join="override")
    values = both.transpose("time", "which", "component").values
    up, down = _sides_of(values, both["time"].values, upstream, downstream)
    mean_up, mean_down = up.mean(axis=0), down.mean(axis=0)
    pairs_up, pairs_down = _pairs(up, down)
    normals, errors = [], []
    for word in methods:
        normal = _unit(METHODS[word], mean_up, mean_down)
        scattered = _unit(METHODS[word], pairs_up, pairs_down)
        cosine = np.clip(np.abs(scattered @ normal), 0, 1)
        usable = np.isfinite(cosine)
        normals.append(normal)
        errors.append(np.sqrt(np.mean(np.arccos(cosine[usable]) ** 2)) if usable.any() else np.nan)
    table = xr.DataArray(np.array(normals), dims=["estimator", "component"])
    b_up, b_down = mean_up[0], mean_down[0]
    cosine = np.abs(np.array(normals) @ b_up) / np.linalg.norm(b_up)
    between = np.dot(b_up, b_down) / (np.linalg.norm(b_up) * np.linalg.norm(b_down))
    result = xr.Dataset(
        {
            "normal": table.assign_attrs(
                units="1", long_name="Shock normal, upstream", frame=frame, **synthetic_attrs(b, v)
            ),
            "angle_error": ("estimator", np.degrees(errors), {"units": "deg", "long_name": "Scatter of the normals"}),
            "theta_bn": (
                "estimator",
                np.degrees(np.arccos(np.clip(cosine, 0, 1))),
                {"units": "deg", "long_name": "Angle of upstream field and normal"},
            ),
            "coplanarity_angle": (
                (),
                np.degrees(np.arccos(np.clip(between, -1, 1))),
                {"units": "deg", "long_name": "Angle of the fields up- and downstream"},
            ),
        }
    ).assign_coords(
        estimator=("estimator", list(methods), {"long_name": "Method of the normal"}), component=field.component
    )
    return derived(
        result,
        b,
        title="Shock normals",
        step=f"plasma.shock_normals(upstream={_said(upstream)}, downstream={_said(downstream)})",
        references=[SCHWARTZ, ABRAHAM],
        also=[v],
    )


def shock_jump(
    b: xr.DataArray,
    v: xr.DataArray,
    density: xr.DataArray,
    *,
    normal: xr.DataArray,
    upstream: Interval,
    downstream: Interval,
    temperature: xr.DataArray | None = None,
    gamma: float = 5 / 3,
) -> xr.Dataset:
    r"""Return the speed of a shock along its normal, its Mach numbers, and the jumps across it.

    The speed in the frame of the data comes from the conservation of mass,
    :math:`V_s = [\rho v_n] / [\rho]`; the Mach numbers are of the upstream flow along the normal in the shock's frame.

    Parameters
    ----------
    b, v, density : xarray.DataArray
        Magnetic field, bulk velocity and number density of the protons on the same times.
    normal : xarray.DataArray
        Unit vector with the dim ``component`` in the frame of the field, and any others (``estimator``), for example
        ``shock_normals(…).normal``.
    upstream, downstream : pair of times
        Half-open intervals in UTC.
    temperature : xarray.DataArray, optional
        Of electrons and protons together (:math:`T_e + T_p`), K or eV; without it the sonic and fast Mach numbers and
        beta are left out.
    gamma : float, optional
        Ratio of specific heats, 5/3.

    Returns
    -------
    xarray.Dataset
        On the other dims of ``normal``: ``speed`` (km s-1, positive along the normal), ``normal_flow_upstream``
        and ``normal_flow_downstream`` (km s-1, against the normal, in the shock's frame: above zero where the normal
        points upstream), ``density_ratio``, ``field_ratio``,
        ``theta_bn`` (degrees), ``alfven_mach``, with a temperature ``sonic_mach``, ``fast_mach``, ``beta_upstream``;
        ``normal_field_jump`` (nT, of :math:`B_n`; zero across a true normal) and
        ``mass_flux_jump`` (relative, zero by construction of the speed).

    Raises
    ------
    WrongData
        If the density does not jump, so that there is no speed, or an input is on other times or negative.
    OutsideCoverage, WrongFrame, WrongUnits, MissingUnits, BadTime, BadOption
        As :func:`shock_normals`.

    References
    ----------
    Schwartz, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 10.

    Examples
    --------
    >>> time = np.datetime64("2001-11-06T01:00", "ns") + np.arange(4) * np.timedelta64(60, "s")
    >>> def series(rows, units, **more):
    ...     dims = ["time", "component"][: np.ndim(rows)]
    ...     return xr.DataArray(rows, {"time": time}, dims, attrs={"units": units, **more})
    >>> field = series([[0.0, 0, 5]] * 2 + [[0.0, 0, 15]] * 2, "nT", frame="GSE")
    >>> flow = series([[-600.0, 0, 0]] * 2 + [[-200.0, 0, 0]] * 2, "km s-1", frame="GSE")
    >>> n = series([5.0, 5, 15, 15], "cm-3")
    >>> sunward = xr.DataArray([1.0, 0, 0], dims="component", attrs={"units": "1", "frame": "GSE"})
    >>> jump = shock_jump(field, flow, n, normal=sunward, upstream=(time[0], time[2]), downstream=(time[2], "2002"))
    >>> jump.speed.item(), jump.density_ratio.item(), round(jump.alfven_mach.item(), 2)
    (0.0, 3.0, 12.3)
    """
    if not is_number(gamma) or not 1 < gamma <= 3:
        raise BadOption(f"gamma={gamma!r} is not a ratio of specific heats, above 1 and up to 3")
    scalars = {"density": density} if temperature is None else {"density": density, "temperature": temperature}
    refuse_vectors(**scalars)
    field, flow = _field_and_flow(b, v)
    on_same_axes(b=field, v=flow, **scalars)
    n = right_handed(normal, "normal")
    same_frame(b=b, v=v, normal=n)
    length = xr.ufuncs.sqrt((n**2).sum("component", skipna=False))
    if bool((abs(length - 1) > 1e-3).any()):
        raise WrongData(f"normal has a length of {float(length.max()):.4g}; a normal is a unit vector")
    number = not_negative(in_units(named(density, "density"), "cm-3"), "density", zero=False)
    parts = [field, flow, number.expand_dims(component=field.component.values[:1])]
    if temperature is not None:
        warm = not_negative(energy_of(temperature) / BOLTZMANN, "temperature")
        parts.append(warm.expand_dims(component=field.component.values[:1]))
    table = np.concatenate([part.transpose("time", "component").values for part in parts], axis=1)
    up, down = (side.mean(axis=0) for side in _sides_of(table, field["time"].values, upstream, downstream))
    b_up, b_down = _mean(up[:3], field), _mean(down[:3], field)
    n_up, n_down = up[6], down[6]
    if abs(n_down - n_up) < 1e-9 * n_up:
        raise WrongData(f"density is {n_up:g} cm-3 on both sides: without a jump there is no shock speed")
    v_up, v_down = (xr.dot(_mean(side[3:6], flow), n, dim="component") for side in (up, down))
    speed = (n_down * v_down - n_up * v_up) / (n_down - n_up)
    into_up, into_down = speed - v_up, speed - v_down
    bn_up, bn_down = xr.dot(b_up, n, dim="component"), xr.dot(b_down, n, dim="component")
    strength = float(np.linalg.norm(up[:3]))
    theta = xr.ufuncs.degrees(xr.ufuncs.arccos((abs(bn_up) / strength).clip(0, 1)))
    alfven = strength * 1e-9 / np.sqrt(MU0 * PROTON_MASS * n_up * 1e6) * 1e-3
    found = {
        "speed": (speed, "km s-1", "Shock speed along the normal"),
        "normal_flow_upstream": (into_up, "km s-1", "Upstream flow into the shock"),
        "normal_flow_downstream": (into_down, "km s-1", "Downstream flow out of the shock"),
        "density_ratio": (xr.DataArray(n_down / n_up), "1", "Density, down- over upstream"),
        "field_ratio": (
            xr.DataArray(float(np.linalg.norm(down[:3])) / strength), "1", "Field strength, down- over upstream"
        ),
        "theta_bn": (theta, "deg", "Angle of upstream field and normal"),
        "alfven_mach": (abs(into_up) / alfven, "1", "Alfvén Mach number"),
        "normal_field_jump": (bn_down - bn_up, "nT", "Jump of the field along the normal"),
        "mass_flux_jump": (n_down * into_down / (n_up * into_up) - 1, "1", "Relative jump of the mass flux"),
    }  # fmt: skip
    if temperature is not None:
        sound = np.sqrt(gamma * BOLTZMANN * up[7] / PROTON_MASS) * 1e-3
        squares = alfven**2 + sound**2
        cosine = xr.ufuncs.cos(xr.ufuncs.radians(theta))
        fast = xr.ufuncs.sqrt((squares + xr.ufuncs.sqrt(squares**2 - 4 * alfven**2 * sound**2 * cosine**2)) / 2)
        found["sonic_mach"] = abs(into_up) / sound, "1", "Sonic Mach number"
        found["fast_mach"] = abs(into_up) / fast, "1", "Fast magnetosonic Mach number"
        beta = 2 * MU0 * n_up * 1e6 * BOLTZMANN * up[7] / (strength * 1e-9) ** 2
        found["beta_upstream"] = xr.DataArray(beta), "1", "Plasma beta upstream"
    variables = {
        name: values.drop_vars("component", errors="ignore").assign_attrs(units=units, long_name=label)
        for name, (values, units, label) in found.items()
    }
    return derived(
        xr.Dataset(variables),
        b,
        title="Jump across a shock",
        step=f"plasma.shock_jump(upstream={_said(upstream)}, downstream={_said(downstream)}, gamma={gamma:.4g})",
        references=[SCHWARTZ],
        also=[v, *scalars.values()],
    )


def _field_and_flow(b: xr.DataArray, v: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return field (nT) and flow (km/s), their components in one order, over time alone."""
    field, flow = right_handed(b, "b"), right_handed(v, "v")
    for one in (field, flow):
        refuse_other_dims(one, "time", "component")
    return in_units(field, "nT"), in_units(flow, "km s-1")


def _mean(values: np.ndarray, like: xr.DataArray) -> xr.DataArray:
    return xr.DataArray(values, dims="component", coords={"component": like.component})


def _sides_of(
    values: np.ndarray, times: np.ndarray, upstream: Interval, downstream: Interval
) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples (sample, …) of both intervals without those that hold a NaN."""
    ranges = {}
    for name, interval in (("upstream", upstream), ("downstream", downstream)):
        try:
            start, stop = interval
        except (TypeError, ValueError):
            raise BadOption(f"{name}={interval!r} is not a pair of times, (start, stop)") from None
        first, last = span(start, stop)
        if first is None or last is None:
            raise BadOption(f"{name}={interval!r} needs both a start and a stop")
        ranges[name] = first, last
    one, other = ranges.values()
    if one[0] < other[1] and other[0] < one[1]:
        raise WrongData(f"upstream {_said(upstream)} and downstream {_said(downstream)} overlap")
    sides = []
    for name, (first, last) in ranges.items():
        chosen = values[(times >= first) & (times < last)]
        chosen = chosen[np.isfinite(chosen).all(axis=tuple(range(1, chosen.ndim)))]
        if not len(chosen):
            raise OutsideCoverage(
                f"{name}: no sample without NaN in [{first!s:.19}, {last!s:.19}); the data cover "
                f"{times[0]!s:.19} to {times[-1]!s:.19} (UTC)"
            )
        sides.append(chosen)
    return sides[0], sides[1]


def _pairs(up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return samples of both sides in pairs: all, or as many as are allowed, spread evenly over all."""
    number = len(up) * len(down)
    chosen = np.unique(np.linspace(0, number - 1, min(number, MOST_PAIRS)).astype(int))
    return up[chosen // len(down)], down[chosen % len(down)]


def _unit(method: Callable[..., np.ndarray], up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return unit normals of states (…, which, component), upstream; NaN where the method has none."""
    normal = method(up[..., 0, :], down[..., 0, :], up[..., 1, :], down[..., 1, :])
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        normal = normal / length
    against = np.sum(normal * (down[..., 1, :] - up[..., 1, :]), axis=-1, keepdims=True)
    return np.where(length > 0, np.where(against < 0, -normal, normal), np.nan)


def _said(interval: Interval) -> str:
    return f"({interval[0]!s:.19}, {interval[1]!s:.19})"

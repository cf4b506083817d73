"""Magnetic fields that are known exactly, to measure methods against: the field itself and its true current.

A field is a pure function of place and time. Places are in km, times in seconds after the field's epoch; a
structure has a centre, axes L, M, N (right-handed: N is the normal or the axis of a rope, L the direction that is
given, M = N x L) and moves with a constant velocity. All that comes out says that it is synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from analysis.errors import BadOption, BadTime, WrongData
from analysis.model import in_units, labelled, utc
from analysis.plasma.inputs import is_number
from analysis.plasma.parameters import MU0
from analysis.plasma.quality import with_worst_quality
from analysis.plasma.vectors import XYZ, frame_of, refuse_unknown, vector

Values = Callable[[np.ndarray, np.ndarray], np.ndarray]
Triple = Sequence[float] | np.ndarray
EPOCH = "2030-01-01T00:00:00"
CURRENT = 1e-3 / MU0  # nA m-2 for a curl of 1 nT/km
HARRIS_1962 = "Harris, Nuovo Cimento 23, 115 (1962), doi:10.1007/BF02733547"
LUNDQUIST_1950 = "Lundquist, Arkiv för Fysik 2, 361 (1950)"
BURLAGA_1988 = "Burlaga, J. Geophys. Res. 93, 7217 (1988), doi:10.1029/JA093iA07p07217"
GOLD_HOYLE_1960 = "Gold & Hoyle, Mon. Not. R. Astron. Soc. 120, 89 (1960), doi:10.1093/mnras/120.2.89"


@dataclass(frozen=True, kw_only=True)
class SyntheticField:
    """A field known exactly: B (nT) and its curl (nT/km) of places (km) and times (s), and what it was made of."""

    name: str
    title: str
    b: Values
    curl: Values
    epoch: str
    truth: Mapping[str, object]  # JSON-like; lengths in km, fields in nT, speeds in km/s, currents in nA m-2
    references: tuple[str, ...]
    waves: Mapping[str, np.ndarray] = field(default_factory=dict)


def field_at(source: SyntheticField, position: xr.DataArray) -> xr.DataArray:
    """Return the magnetic field of a synthetic field at places and times.

    Parameters
    ----------
    source : SyntheticField
        What :func:`harris_sheet`, :func:`flux_rope`, :func:`plane_waves`, :func:`alfvenic_turbulence` or
        :func:`shock_front` gives.
    position : xarray.DataArray
        Dim ``component`` and any others, any length, its ``frame`` said. With a coordinate ``time`` (UTC) each place
        has its time; without, the field is that of its epoch.

    Returns
    -------
    xarray.DataArray
        nT, on the axes and in the frame of ``position``; NaN where a component of it is. Dask-backed if it is.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits
        If ``position`` is no vector of lengths in a named frame.
    BadOption
        If ``source`` is no synthetic field.

    Examples
    --------
    >>> place = xr.DataArray([0.0, 0.0, 500.0], dims="component", attrs={"units": "km", "frame": "GSE"})
    >>> field_at(harris_sheet(lobe_field=20, half_thickness=500), place).values.round(2).tolist()
    [15.23, 0.0, 0.0]
    """
    return _evaluated(source, position, "b", 1.0, "b", "nT", "Magnetic field")


def current_at(source: SyntheticField, position: xr.DataArray) -> xr.DataArray:
    r"""Return the true current density of a synthetic field, :math:`\nabla \times B / \mu_0`, from its formula.

    Parameters
    ----------
    source, position
        As for :func:`field_at`.

    Returns
    -------
    xarray.DataArray
        nA m-2, on the axes and in the frame of ``position``; NaN where a component of it is.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, BadOption
        As for :func:`field_at`.

    Examples
    --------
    >>> place = xr.DataArray([0.0, 0.0, 0.0], dims="component", attrs={"units": "km", "frame": "GSE"})
    >>> current_at(harris_sheet(lobe_field=20, half_thickness=500), place).values.round(2).tolist()
    [0.0, 31.83, 0.0]
    """
    return _evaluated(source, position, "curl", CURRENT, "current_density", "nA m-2", "True current density")


def harris_sheet(
    *,
    lobe_field: float = 20.0,
    half_thickness: float = 500.0,
    guide_field: float = 0.0,
    normal_field: float = 0.0,
    normal: Triple = (0, 0, 1),
    direction: Triple = (1, 0, 0),
    centre: Triple = (0, 0, 0),
    velocity: Triple = (0, 0, 0),
    epoch: str = EPOCH,
) -> SyntheticField:
    r"""Return a Harris current sheet, :math:`B = B_0 \tanh(n / \lambda)\, L + B_g M + B_n N`.

    Its current is :math:`J = (B_0 / \mu_0 \lambda)\, \mathrm{sech}^2(n / \lambda)\, M` with :math:`M = N \times L`.

    Parameters
    ----------
    lobe_field, guide_field, normal_field : float, optional
        :math:`B_0`, :math:`B_g`, :math:`B_n` in nT.
    half_thickness : float, optional
        :math:`\lambda` in km.
    normal, direction : three numbers, optional
        N, and the direction that L takes as far as it is normal to N; any length.
    centre : three numbers, optional
        A point of the sheet's middle at ``epoch``, km.
    velocity : three numbers, optional
        Of the sheet, km/s.
    epoch : str, optional
        The time at which ``centre`` holds, UTC.

    Raises
    ------
    BadOption
        If the thickness is not above zero, or the normal and the direction are parallel.

    References
    ----------
    Harris, Nuovo Cimento 23, 115 (1962), doi:10.1007/BF02733547.

    Examples
    --------
    >>> round(harris_sheet(lobe_field=20, half_thickness=500).truth["peak_current"], 2)
    31.83
    """
    lobe, guide = finite(lobe_field, "lobe_field"), finite(guide_field, "guide_field")
    across = finite(normal_field, "normal_field")
    thickness = finite(half_thickness, "half_thickness", positive=True)
    axes = axes_of(normal, direction)
    place = moving(axes, centre, velocity)

    def b(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        reconnecting = lobe * np.tanh(place(r, t)[..., 2] / thickness)
        return reconnecting[..., None] * axes[0] + guide * axes[1] + across * axes[2]

    def curl(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        slope = lobe / thickness * (1 - np.tanh(place(r, t)[..., 2] / thickness) ** 2)
        return slope[..., None] * axes[1]

    truth = {
        "lobe_field": lobe,
        "guide_field": guide,
        "normal_field": across,
        "half_thickness": thickness,
        "peak_current": CURRENT * abs(lobe) / thickness,
        **motion(axes, centre, velocity),
    }
    return SyntheticField(
        name="harris_sheet", title="Harris current sheet", b=b, curl=curl, epoch=start_of(epoch), truth=truth,
        references=(HARRIS_1962,),
    )  # fmt: skip


def flux_rope(
    *,
    axial_field: float = 20.0,
    radius: float = 2000.0,
    handedness: int = 1,
    model: str = "lundquist",
    axis: Triple = (0, 1, 0),
    centre: Triple = (0, 0, 0),
    velocity: Triple = (0, 0, 0),
    epoch: str = EPOCH,
) -> SyntheticField:
    r"""Return a force-free flux rope, whose current flows along its field.

    ``lundquist``: :math:`B_a = B_0 J_0(\alpha r)`, :math:`B_\varphi = H B_0 J_1(\alpha r)`, with
    :math:`\alpha = 2.4048 / R`: the axial field is zero at the radius R and reversed beyond, where the formula goes on.
    ``gold_hoyle``: :math:`B_a = B_0 / (1 + r^2/R^2)`, :math:`B_\varphi = H B_0 (r/R) / (1 + r^2/R^2)`: all lines have
    one twist, and at R they wind by 45°.

    Parameters
    ----------
    axial_field : float, optional
        :math:`B_0` on the axis, nT.
    radius : float, optional
        R in km.
    handedness : {1, -1}, optional
        H: 1 right-handed (current along the field), -1 left-handed (against it).
    model : {"lundquist", "gold_hoyle"}, optional
    axis, centre, velocity, epoch
        Direction of the axial field, a point of the axis (km) at ``epoch``, and the rope's velocity (km/s).

    Raises
    ------
    BadOption
        If the model is not known, the radius is not above zero, or the handedness neither 1 nor -1.

    References
    ----------
    Lundquist, Arkiv för Fysik 2, 361 (1950). Burlaga, J. Geophys. Res. 93, 7217 (1988),
    doi:10.1029/JA093iA07p07217. Gold & Hoyle, Mon. Not. R. Astron. Soc. 120, 89 (1960), doi:10.1093/mnras/120.2.89.

    Examples
    --------
    >>> place = xr.DataArray([0.0, 9.0, 0.0], dims="component", attrs={"units": "km", "frame": "GSE"})
    >>> field_at(flux_rope(axial_field=20), place).values.round(2).tolist()
    [0.0, 20.0, 0.0]
    """
    refuse_unknown(model, ["lundquist", "gold_hoyle"], "flux rope model")
    strength, size = finite(axial_field, "axial_field"), finite(radius, "radius", positive=True)
    if handedness not in (1, -1):
        raise BadOption(f"handedness={handedness!r} is neither 1 (right-handed) nor -1 (left-handed)")
    axes = axes_of(axis, _any_across(axis))
    place = moving(axes, centre, velocity)

    def b(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        x, y = place(r, t)[..., 0], place(r, t)[..., 1]
        axial, over_radius, _ = _profiles(np.hypot(x, y), size, model)
        around = x[..., None] * axes[1] - y[..., None] * axes[0]  # r times the unit vector of phi
        return strength * (axial[..., None] * axes[2] + handedness * over_radius[..., None] * around)

    def curl(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        local = place(r, t)
        _, _, alpha = _profiles(np.hypot(local[..., 0], local[..., 1]), size, model)
        return handedness * alpha[..., None] * b(r, t)

    truth = {
        "axial_field": strength,
        "radius": size,
        "handedness": int(handedness),
        "model": model,
        **motion(axes, centre, velocity),
    }
    cited = (LUNDQUIST_1950, BURLAGA_1988) if model == "lundquist" else (GOLD_HOYLE_1960,)
    return SyntheticField(
        name="flux_rope", title="Force-free flux rope", b=b, curl=curl, epoch=start_of(epoch), truth=truth,
        references=cited,
    )  # fmt: skip


def _profiles(r: np.ndarray, size: float, model: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return B_axial / B0, B_phi / (B0 r) and alpha in curl B = alpha B, at distances from the axis."""
    if model == "gold_hoyle":
        falling = 1 / (1 + (r / size) ** 2)
        return falling, falling / size, 2 / size * falling
    from scipy.special import j0, j1, jn_zeros

    alpha = jn_zeros(0, 1)[0] / size
    safe = np.where(r == 0, 1.0, r)
    return j0(alpha * r), np.where(r == 0, alpha / 2, j1(alpha * safe) / safe), np.full_like(r, alpha)


def axes_of(normal: Triple, direction: Triple) -> np.ndarray:
    """Return L, M, N as rows: N along the normal, L along the direction as far as it is normal to N, M = N x L.

    Examples
    --------
    >>> axes_of((0, 0, 2), (1, 0, 1)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    n, along = triple(normal, "normal"), triple(direction, "direction")
    if not n.any() or not along.any():
        raise BadOption("a normal or direction of length zero points nowhere")
    n = n / np.linalg.norm(n)
    rest = along - (along @ n) * n
    if np.linalg.norm(rest) < 1e-9 * np.linalg.norm(along):
        raise BadOption(f"direction {along.tolist()} is parallel to the normal; give one that is not")
    first = rest / np.linalg.norm(rest)
    return np.stack([first, np.cross(n, first), n])


def moving(axes: np.ndarray, centre: Triple, velocity: Triple) -> Values:
    """Return the function that gives places along L, M, N from a centre that moves."""
    start, speed = triple(centre, "centre"), triple(velocity, "velocity")
    return lambda r, t: (r - start - t[..., None] * speed) @ axes.T


def triple(value: Triple, what: str) -> np.ndarray:
    """Return three finite numbers as an array, or refuse."""
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape != (3,) or not np.isfinite(numbers).all():
        raise BadOption(f"{what}={value!r} is not three numbers, for example (1, 0, 0)")
    return numbers


def finite(value: object, what: str, *, positive: bool = False) -> float:
    """Return a finite number as float, or refuse."""
    if not is_number(value) or not np.isfinite(value) or (positive and value <= 0):
        raise BadOption(f"{what}={value!r} is not a {'number above zero' if positive else 'finite number'}")
    return float(value)


def _any_across(axis: Triple) -> np.ndarray:
    """Return the axis of coordinates that is farthest from a direction."""
    return np.eye(3)[np.argmin(np.abs(triple(axis, "axis")))]


def start_of(epoch: str) -> str:
    """Return the epoch as ISO 8601 text, UTC."""
    return str(utc(epoch))


def motion(axes: np.ndarray, centre: Triple, velocity: Triple) -> dict[str, object]:
    """Return axes, centre and velocity as lists, for the record of what is true."""
    lists = {"L": axes[0], "M": axes[1], "N": axes[2], "centre": centre, "velocity": velocity}
    return {key: np.asarray(value, float).tolist() for key, value in lists.items()}


def _evaluated(
    source: SyntheticField, position: xr.DataArray, part: str, factor: float, name: str, units: str, label: str
) -> xr.DataArray:
    if not isinstance(source, SyntheticField):
        raise BadOption(f"a {type(source).__name__} is no synthetic field: plasma.harris_sheet() makes one")
    place = places(position)
    formula: Values = getattr(source, part)

    def evaluate(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        values = factor * formula(r, np.broadcast_to(t, r.shape[:-1]))
        return np.where(np.isfinite(r).all(axis=-1, keepdims=True), values, np.nan)

    values = xr.apply_ufunc(
        evaluate,
        place,
        _seconds(place, source.epoch),
        input_core_dims=[["component"], []],
        output_core_dims=[["component"]],
        dask="parallelized",
        output_dtypes=[float],
    ).transpose(*place.dims)
    says = {
        "frame": frame_of(position, "position"),
        "synthetic": "true",
        "source": source.title,
        "references": "\n".join(source.references),
    }
    return with_worst_quality(labelled(values, name, units=units, long_name=label, attrs=says))


def places(position: xr.DataArray) -> xr.DataArray:
    """Return positions in km, in a named frame, their components in the order x, y, z.

    Examples
    --------
    >>> place = xr.DataArray([1.0, 0, 0], dims="component", attrs={"units": "R_earth", "frame": "GSE"})
    >>> places(place).values.round(1).tolist()
    [6378.1, 0.0, 0.0]
    """
    whole = vector(position, "position")
    frame_of(whole, "position")
    if whole.dtype.kind != "f":
        raise WrongData(f"position holds {whole.dtype}, not real numbers")
    return in_order(in_units(whole, "km"))


def in_order(array: xr.DataArray) -> xr.DataArray:
    """Return a vector with its components x, y, z in this order; other letters as they are.

    Examples
    --------
    >>> in_order(xr.DataArray([3.0, 2.0, 1.0], coords={"component": ["z", "y", "x"]})).values.tolist()
    [1.0, 2.0, 3.0]
    """
    letters = [str(letter) for letter in array["component"].values]
    known = sorted(letters) == list(XYZ) and letters != list(XYZ)
    return array.sel(component=list(XYZ)) if known else array


def _seconds(position: xr.DataArray, epoch: str) -> xr.DataArray:
    """Return seconds after the epoch on the dims of the coordinate ``time``; zero where there is none."""
    if "time" in position.dims and "time" not in position.coords:
        raise BadTime("position has a dim 'time' without times; give it a coordinate time of datetime64[ns], UTC")
    if "time" not in position.coords:
        return xr.DataArray(0.0)
    time = position["time"]
    if time.dtype.kind != "M":
        raise BadTime(f"time of position is {time.dtype}, not datetime64[ns] in UTC")
    if bool(time.isnull().any()):
        raise BadTime("time of position holds NaT")
    since = (time.values.astype("datetime64[ns]") - np.datetime64(epoch, "ns")).astype("int64") / 1e9
    return xr.DataArray(since, dims=time.dims)

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
from analysis.plasma.parameters import MU0
from analysis.plasma.quality import with_worst_quality
from analysis.plasma.rotations import cartesian
from analysis.plasma.vectors import frame_of, vector

Values = Callable[[np.ndarray, np.ndarray], np.ndarray]
Triple = Sequence[float] | np.ndarray
EPOCH = "2030-01-01T00:00:00"
CURRENT = 1e-3 / MU0  # nA m-2 for a curl of 1 nT/km


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
    >>> from analysis import plasma
    >>> field_at(plasma.harris_sheet(lobe_field=20, half_thickness=500), place).values.round(2).tolist()
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
    >>> from analysis import plasma
    >>> current_at(plasma.harris_sheet(lobe_field=20, half_thickness=500), place).values.round(2).tolist()
    [0.0, 31.83, 0.0]
    """
    return _evaluated(source, position, "curl", CURRENT, "current_density", "nA m-2", "True current density")


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


def seeded(seed: object) -> np.random.Generator:
    """Return the random numbers of a seed, or refuse what is none."""
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise BadOption(f"seed={seed!r} is not a whole number of zero or more")
    return np.random.default_rng(int(seed))


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
    """Return positions in km, in a named frame, their components in right-handed order, whatever their labels.

    Examples
    --------
    >>> place = xr.DataArray([1.0, 0, 0], dims="component", attrs={"units": "R_earth", "frame": "GSE"})
    >>> places(place).values.round(1).tolist()
    [6378.1, 0.0, 0.0]
    >>> places(place.assign_coords(component=["Rz", "Ry", "Rx"])).values.round(1).tolist()
    [0.0, 0.0, 6378.1]
    """
    whole = vector(position, "position")
    whole = whole.chunk({"component": -1}) if whole.chunks is not None else whole
    frame_of(whole, "position")
    if whole.dtype.kind != "f":
        raise WrongData(f"position holds {whole.dtype}, not real numbers")
    return cartesian(in_units(whole, "km"), "position")


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

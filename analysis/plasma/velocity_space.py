"""The grid that a 3-D distribution is measured on: where its particles move, how fast, and how large its bins are.

Directions are those in which particles move. Polar angles are kept as colatitudes, from the z axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
import xarray as xr

from analysis.errors import BadOption, MissingUnits, WrongData
from analysis.model import in_units, unit_of
from analysis.plasma.fluxes import energies
from analysis.plasma.inputs import is_number, named, on_same_axes, refuse_empty
from analysis.plasma.particles import ELEMENTARY_CHARGE, Species
from analysis.plasma.pitch_angles import with_energies
from analysis.plasma.vectors import component_labels, frame_of, refuse_unknown

AXES = ("energy", "theta", "phi")
DIRECTIONS = {"flow": 1.0, "look": -1.0}
THETA = ("colatitude", "latitude")
COUNTED_FROM = {"pole": "colatitude", "equator": "latitude"}  # what the readers of files call them
GAPS = ("nan", "zero")
BLOCK = 4_000_000  # numbers that are worked on at a time


@dataclass(frozen=True)
class Sphere:
    """The directions of the bins: angles in rad, with the bins' low and high ends, and what weighs them."""

    theta: xr.DataArray  # colatitude
    theta_low: xr.DataArray
    theta_high: xr.DataArray
    theta_weight: xr.DataArray  # integral of the sine
    phi: xr.DataArray
    phi_low: xr.DataArray
    phi_high: xr.DataArray
    sign: float  # of the motion along (theta, phi): -1 where the angles say whence the particles come
    frame: str


@dataclass(frozen=True)
class Shells:
    """The speeds of the bins far from the spacecraft, m s-1, and what v² dv is in each, m3 s-3 (0: not used)."""

    speed: xr.DataArray
    weight: xr.DataArray
    energy_low: xr.DataArray  # J, as measured
    energy_high: xr.DataArray
    gained: xr.DataArray  # J, to be added to a measured energy


def looked_at(distribution: xr.DataArray) -> xr.DataArray:
    """Return a distribution with its three axes last: ``energy, theta, phi``.

    Raises
    ------
    WrongData, OutsideCoverage, MissingUnits
        If an axis or the unit is missing, or there is no record.

    Examples
    --------
    >>> looked_at(xr.DataArray(np.ones((2, 3)), dims=["elevation", "energy"]))
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: distribution has the dims elevation, energy; it needs energy, theta, phi ...
    """
    if not isinstance(distribution, xr.DataArray):
        raise MissingUnits(f"distribution is a {type(distribution).__name__}; give an xarray.DataArray with units")
    array = with_energies(named(distribution, "distribution"))
    if missing := [name for name in AXES if name not in array.dims]:
        raise WrongData(
            f"{array.name} has the dims {', '.join(map(str, array.dims))}; it needs energy, theta, phi (and time): "
            f"{', '.join(missing)} missing. Rename its own, for example .rename(elevation='theta', azimuth='phi')"
        )
    unit_of(array)
    refuse_empty(array)
    return array.transpose(..., *AXES)


def sphere(distribution: xr.DataArray, *, directions: str | None, theta: str | None) -> Sphere:
    """Return the directions of a distribution that :func:`looked_at` gave.

    Raises
    ------
    BadOption
        If nobody says whether the angles are those of motion or of looking, or what theta is measured from.
    WrongData, MissingUnits, WrongUnits, WrongFrame
        If an angle or the frame is missing, or makes no sense.
    """
    sign = DIRECTIONS[_said(distribution, directions, "directions", list(DIRECTIONS), _WHICH_WAY)]
    centre, low, high = _bins(distribution, "theta")
    if _polar(distribution, centre, theta) == "latitude":
        centre, low, high = (np.pi / 2 - angle for angle in (centre, high, low))
    low, high = low.clip(0, pi), high.clip(0, pi)
    weight = abs(xr.ufuncs.cos(low) - xr.ufuncs.cos(high))
    if (better := fejer_weights(centre.values)) is not None:
        weight = weight.copy(data=better)
    azimuth, first, last = _bins(distribution, "phi")
    extent = abs(last - first).sum("phi")
    if bool((extent > 2 * pi * (1 + 1e-6)).any()):
        raise WrongData(
            f"phi's bins cover {np.degrees(float(extent.max())):.4g}°, more than a circle; if its last direction is "
            "the first again (0° and 360°), drop one: .isel(phi=slice(None, -1))"
        )
    return Sphere(centre, low, high, weight, azimuth, first, last, sign, frame_of(distribution, "distribution"))


_WHICH_WAY = (
    "'flow' if theta and phi are where the particles move to, 'look' if they are where the instrument looks, "
    "whence the particles come; the wrong one turns every velocity round"
)


def _said(distribution: xr.DataArray, given: str | None, key: str, known: list[str], meaning: str) -> str:
    """Return a convention from the argument or the attribute of its name; they must not contradict each other."""
    attr = distribution.attrs.get(key)
    if given is None and attr is None:
        raise BadOption(f"{key} is not said: give {key}= (or {distribution.name}.attrs[{key!r}]) as {meaning}")
    word = refuse_unknown(attr if given is None else given, known, key)
    if attr is not None and attr != word:
        raise BadOption(f"{key}={word!r}, but {distribution.name}.attrs[{key!r}] says {attr!r}")
    return word


def _polar(distribution: xr.DataArray, angle: xr.DataArray, given: str | None) -> str:
    """Return what theta is measured from, as its values or the reader of its file tell where they can."""
    lowest, highest = np.degrees(float(angle.min())), np.degrees(float(angle.max()))
    told = "latitude" if lowest < 0 else "colatitude" if highest > 90 else None
    table = distribution.coords["theta" if "theta" in distribution.coords else "theta_table"]
    read = COUNTED_FROM.get(str(table.attrs.get("counted_from")))
    if read and told and read != told:
        raise WrongData(
            f"theta reaches from {lowest:.4g} to {highest:.4g}°, but its attrs['counted_from'] says "
            f"{table.attrs['counted_from']!r}, which makes it a {read}"
        )
    told = told or read
    word = told if given is None and "theta" not in distribution.attrs else None
    if word is None:
        meaning = (
            "'colatitude' if it is measured from the z axis (0 to 180°), 'latitude' if from the xy plane (-90 to 90°)"
        )
        word = _said(distribution, given, "theta", list(THETA), meaning)
    if (told and told != word) or (word == "latitude" and (lowest < -90.001 or highest > 90.001)) or highest > 180.001:
        raise WrongData(f"theta reaches from {lowest:.4g} to {highest:.4g}°, which is no {word}")
    return word


def shells(
    distribution: xr.DataArray,
    kind: Species,
    *,
    potential: xr.DataArray | None,
    energy_range: tuple[float, float] | None,
) -> Shells:
    """Return the speeds of a distribution that :func:`looked_at` gave.

    Raises
    ------
    WrongData, WrongUnits, MissingUnits, BadOption
        If the energies, the potential or the range make no sense.
    """
    centre = energies(distribution)
    _, low, high = _bins(distribution, "energy")
    gained = xr.DataArray(0.0)
    if potential is not None:
        on_same_axes(distribution=distribution, potential=potential)
        if extra := [dim for dim in potential.dims if dim not in distribution.dims or dim in AXES]:
            raise WrongData(f"potential has the dims {', '.join(map(str, extra))}; it is one number for each record")
        gained = bare(in_units(named(potential, "potential"), "V")) * (kind.charge * ELEMENTARY_CHARGE)
    free = centre + gained
    speed = xr.ufuncs.sqrt(2 * free.clip(0) / kind.mass)
    # v² dv = v E dlnE / m, whose sum over equal steps of ln E converges fast
    weight = (speed * centre * abs(xr.ufuncs.log(high / low)) / kind.mass).where(~(free <= 0), 0.0)
    if energy_range is not None:
        weight = weight.where(_inside(distribution, energy_range), 0.0)
    return Shells(speed, weight, low, high, gained)


def _inside(distribution: xr.DataArray, energy_range: tuple[float, float]) -> xr.DataArray:
    """Return which energies lie in a range, in the unit of their coordinate."""
    bins = _plain(distribution["energy"])
    unit = bins.attrs.get("units", "")
    if (
        not isinstance(energy_range, tuple | list)
        or len(energy_range) != 2
        or not all(is_number(end) for end in energy_range)
        or not 0 <= energy_range[0] < energy_range[1]
    ):
        raise BadOption(f"energy_range={energy_range!r} is no pair (low, high) of numbers in {unit}, low below high")
    inside = (bins >= energy_range[0]) & (bins <= energy_range[1])
    if not bool(inside.any()):
        raise BadOption(
            f"energy_range={energy_range!r} holds no bin: they are at {float(bins.min()):g} to "
            f"{float(bins.max()):g} {unit}"
        )
    return inside


def _plain(coordinate: xr.DataArray) -> xr.DataArray:
    """Return a coordinate as a bare array of floats on its dims."""
    variable = coordinate.variable
    return xr.DataArray(np.asarray(variable.values, float), dims=variable.dims, attrs=variable.attrs)


def _bins(distribution: xr.DataArray, axis: str) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return centres, low and high ends of an axis' bins, in rad or J; ends from its own coordinates if it has them."""
    table = axis if axis in distribution.coords else f"{axis}_table"
    if table not in distribution.coords or axis not in distribution[table].dims:
        raise WrongData(
            f"{distribution.name} has no coordinate {axis!r} on its dim {axis!r}; assign_coords gives it one "
            f"({axis}_table, where it has more dims)"
        )
    unit = "J" if axis == "energy" else "rad"
    centre = in_units(_plain(distribution[table]).rename(axis), unit).transpose(..., axis)
    given = [name for name in (f"{axis}_low", f"{axis}_high") if name in distribution.coords]
    if len(given) == 2:
        low, high = (in_units(_plain(distribution[name]).rename(name), unit).transpose(..., axis) for name in given)
        if bool((low == high).any()) or bool(((centre - low) * (centre - high) > 0).any()):
            raise WrongData(f"{axis}_low and {axis}_high do not enclose {axis} everywhere")
        return centre, low, high
    if centre.sizes[axis] < 2:
        raise WrongData(f"{axis} has one bin, whose width is not said: give the coordinates {axis}_low and {axis}_high")
    values = centre.values
    if axis == "phi":
        values = np.unwrap(values, axis=-1)
    steps = np.diff(values, axis=-1)
    if not (np.all((steps > 0) | np.isnan(steps)) or np.all((steps < 0) | np.isnan(steps))):
        raise WrongData(f"{axis} neither increases nor decreases: sort it first, distribution.sortby({axis!r})")
    edges = np.exp(midway(np.log(values))) if axis == "energy" else midway(values, circle=axis == "phi")
    ends = (centre.copy(data=edges[..., :-1]), centre.copy(data=edges[..., 1:]))
    return centre, xr.ufuncs.minimum(*ends), xr.ufuncs.maximum(*ends)


def midway(values: np.ndarray, *, circle: bool = False) -> np.ndarray:
    """Return the edges of bins that meet midway between neighbours along the last axis.

    The outermost mirror the inner ones. On a circle, where the last bin comes next to the first, they meet midway too.

    Examples
    --------
    >>> midway(np.array([1.0, 2.0, 4.0])).tolist()
    [0.5, 1.5, 3.0, 5.0]
    """
    inner = (values[..., 1:] + values[..., :-1]) / 2
    first, last = 2 * values[..., :1] - inner[..., :1], 2 * values[..., -1:] - inner[..., -1:]
    if circle:
        span = values[..., -1:] - values[..., :1]
        turn = np.copysign(2 * pi, span)
        step = np.median(np.abs(np.diff(values, axis=-1)), axis=-1, keepdims=True)
        closed = np.abs(turn - span) < 1.5 * step
        across = (values[..., :1] + values[..., -1:] - turn) / 2
        first, last = np.where(closed, across, first), np.where(closed, across + turn, last)
    return np.concatenate([first, inner, last], axis=-1)


def fejer_weights(theta: np.ndarray) -> np.ndarray | None:
    r"""Return the weights of Fejér's first rule for equal bins from pole to pole, None for any other colatitudes.

    They integrate polynomials of :math:`\cos\theta` of lower degree than the number of bins exactly over
    :math:`\sin\theta \, d\theta`, and differ little from what the bins' ends give.

    References
    ----------
    Waldvogel, BIT Numer. Math. 46, 195 (2006), doi:10.1007/s10543-006-0045-4, equation 2.3.

    Examples
    --------
    >>> angles = np.radians([22.5, 67.5, 112.5, 157.5])
    >>> float(fejer_weights(angles) @ np.cos(angles) ** 2).__round__(12)
    0.666666666667
    """
    number = theta.shape[-1]
    regular = (np.arange(number) + 0.5) * pi / number
    ordered = theta if theta.ravel()[0] < theta.ravel()[-1] else theta[..., ::-1]
    if number < 4 or not np.allclose(ordered, regular, atol=1e-3 * pi / number, rtol=0):
        return None
    j = np.arange(1, number // 2 + 1)
    series = (np.cos(2 * np.multiply.outer(regular, j)) / (4 * j**2 - 1)).sum(-1)
    return np.broadcast_to(2 / number * (1 - 2 * series), theta.shape)


def bare(array: xr.DataArray) -> xr.DataArray:
    """Return an array without any coordinate: what belongs together was looked at, and dims say the rest.

    Examples
    --------
    >>> list(bare(xr.DataArray([1.0], {"time": [0], "energy": ("time", [5.0])}, ["time"])).coords)
    []
    """
    return xr.DataArray(array.variable, name=array.name)


def letters_of(frame: str) -> xr.DataArray:
    """Return the labels of a vector's components in a frame.

    Examples
    --------
    >>> letters_of("RTN").values.tolist(), letters_of("GSE").values.tolist()
    (['r', 't', 'n'], ['x', 'y', 'z'])
    """
    return component_labels("rtn" if frame == "RTN" else "xyz")


def with_named_time(array: xr.DataArray, distribution: xr.DataArray) -> xr.DataArray:
    """Return a result with the scalar and record coordinates of the distribution that it was made of.

    Examples
    --------
    >>> f = xr.DataArray([1.0], coords={"time": np.array(["2020-01-01"], "datetime64[ns]")})
    >>> with_named_time(xr.DataArray([5.0], dims="time"), f).time.attrs["long_name"]
    'Time (UTC)'
    """
    for name in distribution.dims:
        if name in array.dims and name in distribution.indexes and name not in array.coords:
            array = array.assign_coords({name: distribution[name].variable})
    if "time" in array.coords and not array["time"].attrs.get("long_name"):
        array = array.assign_coords(time=array["time"].assign_attrs(long_name="Time (UTC)"))
    return array

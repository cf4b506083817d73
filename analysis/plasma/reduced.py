"""Distributions of fewer velocities: integrated along one or two of them, averaged over gyrophase, or cut.

Each bin of the instrument is divided into smaller cells, and what it holds is shared out among the bins of the result
that they fall into: nothing is lost between the two, and nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units
from analysis.plasma.drifts import right_handed
from analysis.plasma.fluxes import phase_space_density
from analysis.plasma.inputs import is_number, named, not_negative, on_same_axes
from analysis.plasma.particles import Species, species
from analysis.plasma.vectors import made, refuse_unknown, same_frame, vector
from analysis.plasma.velocity_moments import by_energy, field_direction, flattened, full, part, unit_vectors
from analysis.plasma.velocity_space import (
    AXES,
    BLOCK,
    GAPS,
    Shells,
    Sphere,
    bare,
    looked_at,
    shells,
    sphere,
    with_named_time,
)


@dataclass(frozen=True)
class Sorting:
    """How cells are sorted: along an axis, over a plane, by gyration, or near a plane; with the edges in m s-1."""

    way: str  # "line", "plane", "gyrotropic" or "slice"
    along: np.ndarray
    across: np.ndarray
    subdivisions: int
    sign: float
    thickness: float  # rad, of a slice
    zero: bool


def reduced_distribution(
    distribution: xr.DataArray,
    axis: xr.DataArray,
    *,
    particle: str | Species,
    second: xr.DataArray | None = None,
    directions: str | None = None,
    theta: str | None = None,
    speeds: xr.DataArray | None = None,
    bulk_velocity: xr.DataArray | None = None,
    potential: xr.DataArray | None = None,
    energy_range: tuple[float, float] | None = None,
    gaps: str = "nan",
    subdivisions: int = 3,
) -> xr.DataArray:
    r"""Return a 3-D distribution integrated over the velocities across an axis, or over that across a plane.

    .. math:: F(v_1) = \int f \, dv_2 \, dv_3 \quad \text{or} \quad F(v_1, v_2) = \int f \, dv_3

    Parameters
    ----------
    distribution : xarray.DataArray
        As for :func:`moments`.
    axis : xarray.DataArray
        Vector along :math:`v_1`, of any length and unit, in the frame and on the times of the distribution: the
        magnetic field, or one direction without time.
    particle : str or Species
        As for :func:`species`.
    second : xarray.DataArray, optional
        Vector on whose side of the axis :math:`v_2` is above zero, for example :func:`exb_drift`; what of it is
        along the axis does not count. Then the result has two velocities.
    directions, theta, potential, energy_range : optional
        As for :func:`moments`; ``directions`` must be said.
    speeds : xarray.DataArray, optional
        Edges of the bins along each velocity; by default 80 equal bins to the highest speed on either side.
    bulk_velocity : xarray.DataArray, optional
        Vector to be taken off all velocities, as :func:`moments` gives it.
    gaps : {"nan", "zero"}, optional
        As for :func:`moments`.
    subdivisions : int, optional
        Into how many cells the instrument's bins are divided along each of their three axes, 1 to 10.

    Returns
    -------
    xarray.DataArray
        s m-4 on ``v_along``, or s2 m-5 on ``v_along, v_across`` (bin centres, km s-1). Its sum times the bins' widths
        is the density that :func:`moments` gives, if the edges hold all of it. As wide as the instrument's bins blur
        it: narrower bins show no more.

    Raises
    ------
    BadOption
        If a convention is not said, or an option makes no sense.
    WrongData, WrongFrame, WrongUnits, MissingUnits
        As :func:`moments`.

    References
    ----------
    Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data (1998), chapter 6.

    Examples
    --------
    >>> from analysis.plasma import moments
    >>> axes = {"energy": ("energy", np.geomspace(1, 1000, 24), {"units": "eV"}),
    ...         "theta": ("theta", np.arange(15.0, 180, 30), {"units": "deg"}),
    ...         "phi": ("phi", np.arange(15.0, 360, 30), {"units": "deg"})}
    >>> f = xr.DataArray(np.full((24, 6, 12), 1e-12), axes, ["energy", "theta", "phi"],
    ...                  attrs={"units": "s3 m-6", "frame": "GSE", "directions": "flow"})
    >>> b = xr.DataArray([0.0, 0.0, 5.0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> line = reduced_distribution(f, b, particle="proton")
    >>> width = line.v_along.diff("v_along")[0] * 1e3
    >>> density = moments(f, particle="proton").density
    >>> line.units, f"{(line.sum() * width).item() * 1e-6:.4f} cm-3", f"{density.item():.4f} cm-3"
    ('s m-4', '0.4363 cm-3', '0.4363 cm-3')
    """
    found = _sorted(
        distribution,
        axis,
        second,
        particle=particle,
        directions=directions,
        theta=theta,
        speeds=speeds,
        bulk_velocity=bulk_velocity,
        potential=potential,
        energy_range=energy_range,
        gaps=gaps,
        subdivisions=subdivisions,
        way="line" if second is None else "plane",
    )
    units, label = ("s m-4", "over two velocities") if second is None else ("s2 m-5", "over one velocity")
    return made(
        found,
        "reduced_distribution",
        *[each for each in (distribution, axis, second, bulk_velocity) if each is not None],
        units=units,
        long_name=f"Phase-space density integrated {label} ({species(particle).name})",
    )


def gyrotropic_distribution(
    distribution: xr.DataArray,
    b: xr.DataArray,
    *,
    particle: str | Species,
    directions: str | None = None,
    theta: str | None = None,
    speeds: xr.DataArray | None = None,
    bulk_velocity: xr.DataArray | None = None,
    potential: xr.DataArray | None = None,
    energy_range: tuple[float, float] | None = None,
    subdivisions: int = 3,
) -> xr.DataArray:
    r"""Return the mean of a 3-D distribution over gyrophase, :math:`f(v_\parallel, v_\perp)`.

    Parameters
    ----------
    distribution, particle, directions, theta, bulk_velocity, potential, energy_range, subdivisions
        As for :func:`reduced_distribution`. Without the bulk velocity, gyration is seen from the spacecraft.
    b : xarray.DataArray
        Magnetic field vector, in the frame and on the times of the distribution.
    speeds : xarray.DataArray, optional
        Edges along the field; those across it are their part from 0 on.

    Returns
    -------
    xarray.DataArray
        s3 m-6, dims ``v_parallel, v_perpendicular`` (bin centres, km s-1). The mean, weighted by volume, of what was
        measured; NaN where nothing was.

    Raises
    ------
    BadOption, WrongData, WrongFrame, WrongUnits, MissingUnits
        As :func:`reduced_distribution`.

    References
    ----------
    Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data (1998), chapter 6.

    Examples
    --------
    >>> axes = {"energy": ("energy", np.geomspace(1, 1000, 24), {"units": "eV"}),
    ...         "theta": ("theta", np.arange(15.0, 180, 30), {"units": "deg"}),
    ...         "phi": ("phi", np.arange(15.0, 360, 30), {"units": "deg"})}
    >>> f = xr.DataArray(np.full((24, 6, 12), 1e-12), axes, ["energy", "theta", "phi"],
    ...                  attrs={"units": "s3 m-6", "frame": "GSE", "directions": "flow"})
    >>> b = xr.DataArray([0.0, 0.0, 5.0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> mean = gyrotropic_distribution(f, b, particle="proton")
    >>> mean.dims, f"{mean.max().item():.3g}", f"{mean.min().item():.3g}"
    (('v_parallel', 'v_perpendicular'), '1e-12', '1e-12')
    """
    found = _sorted(
        distribution,
        b,
        None,
        particle=particle,
        directions=directions,
        theta=theta,
        speeds=speeds,
        bulk_velocity=bulk_velocity,
        potential=potential,
        energy_range=energy_range,
        gaps="zero",
        subdivisions=subdivisions,
        way="gyrotropic",
    )
    return made(
        found,
        "gyrotropic_distribution",
        *[each for each in (distribution, b, bulk_velocity) if each is not None],
        units="s3 m-6",
        long_name=f"Phase-space density, mean over gyrophase ({species(particle).name})",
    )


def velocity_slice(
    distribution: xr.DataArray,
    axis: xr.DataArray,
    second: xr.DataArray,
    *,
    particle: str | Species,
    directions: str | None = None,
    theta: str | None = None,
    speeds: xr.DataArray | None = None,
    bulk_velocity: xr.DataArray | None = None,
    potential: xr.DataArray | None = None,
    energy_range: tuple[float, float] | None = None,
    thickness: float = 15.0,
    subdivisions: int = 3,
) -> xr.DataArray:
    r"""Return a cut of a 3-D distribution by the plane of two vectors, :math:`f(v_1, v_2, v_3 \approx 0)`.

    Parameters
    ----------
    distribution, axis, particle, directions, theta, speeds, bulk_velocity, potential, energy_range, subdivisions
        As for :func:`reduced_distribution`.
    second : xarray.DataArray
        Vector that spans the plane with the axis, for example :func:`exb_drift`; its side is :math:`v_2 > 0`.
    thickness : float, optional
        Cells whose velocity makes at most this angle with the plane belong to it, in degrees, above 0 to 90; less
        than the instrument's bins leaves holes.

    Returns
    -------
    xarray.DataArray
        s3 m-6, dims ``v_along, v_across`` (bin centres, km s-1). The mean, weighted by volume, of what was measured;
        NaN where nothing was.

    Raises
    ------
    BadOption, WrongData, WrongFrame, WrongUnits, MissingUnits
        As :func:`reduced_distribution`.

    References
    ----------
    Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data (1998), chapter 6.

    Examples
    --------
    >>> axes = {"energy": ("energy", np.geomspace(1, 1000, 24), {"units": "eV"}),
    ...         "theta": ("theta", np.arange(15.0, 180, 30), {"units": "deg"}),
    ...         "phi": ("phi", np.arange(15.0, 360, 30), {"units": "deg"})}
    >>> f = xr.DataArray(np.full((24, 6, 12), 1e-12), axes, ["energy", "theta", "phi"],
    ...                  attrs={"units": "s3 m-6", "frame": "GSE", "directions": "flow"})
    >>> b = xr.DataArray([0.0, 0.0, 5.0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> v = xr.DataArray([9.0, 0.0, 0.0], dims="component", attrs={"units": "km s-1", "frame": "GSE"})
    >>> velocity_slice(f, b, v, particle="proton").dims
    ('v_along', 'v_across')
    """
    found = _sorted(
        distribution,
        axis,
        second,
        particle=particle,
        directions=directions,
        theta=theta,
        speeds=speeds,
        bulk_velocity=bulk_velocity,
        potential=potential,
        energy_range=energy_range,
        gaps="zero",
        subdivisions=subdivisions,
        way="slice",
        thickness=thickness,
    )
    return made(
        found,
        "velocity_slice",
        *[each for each in (distribution, axis, second, bulk_velocity) if each is not None],
        units="s3 m-6",
        long_name=f"Phase-space density within {thickness:g}° of a plane ({species(particle).name})",
    )


def _sorted(
    distribution: xr.DataArray,
    axis: xr.DataArray,
    second: xr.DataArray | None,
    *,
    particle: str | Species,
    directions: str | None,
    theta: str | None,
    speeds: xr.DataArray | None,
    bulk_velocity: xr.DataArray | None,
    potential: xr.DataArray | None,
    energy_range: tuple[float, float] | None,
    gaps: str,
    subdivisions: int,
    way: str,
    thickness: float = 90.0,
) -> xr.DataArray:
    """Return a distribution sorted in one of the ways, on bin centres in km s-1."""
    kind = species(particle)
    refuse_unknown(gaps, GAPS, "gaps")
    if isinstance(subdivisions, bool) or not isinstance(subdivisions, int | np.integer) or not 1 <= subdivisions <= 10:
        raise BadOption(f"subdivisions={subdivisions!r} is no whole number from 1 to 10")
    if not is_number(thickness) or not 0 < thickness <= 90:
        raise BadOption(f"thickness={thickness!r} is no angle in degrees above 0 to 90")
    array = looked_at(distribution)
    directed = sphere(array, directions=directions, theta=theta)
    swept = shells(array, kind, potential=potential, energy_range=energy_range)
    f = not_negative(
        phase_space_density(array, particle=kind), str(array.name), hint="set such bins to 0 (.clip(0)) or make gaps"
    )
    along = _speed_edges(speeds, swept)
    across = np.concatenate([[0.0], along[along > 0]]) if way == "gyrotropic" else along
    sorting = Sorting(
        way, along, across, int(subdivisions), directed.sign, float(np.radians(thickness)), gaps == "zero"
    )
    values = _apply(f, directed, swept, kind, sorting, _basis_of(axis, second, array), _shift(bulk_velocity, array))
    names = ("v_parallel", "v_perpendicular") if way == "gyrotropic" else ("v_along", "v_across")
    labels = ("Velocity along the field", "Speed across the field") if way == "gyrotropic" else ("v1", "v2")
    values = values.isel(second_bin=0) if way == "line" else values.rename(second_bin=names[1])
    values = values.rename(first_bin=names[0])
    for name, label, edges in zip(names, labels, (along, across), strict=True):
        if name in values.dims:
            centres = (edges[1:] + edges[:-1]) / 2e3
            values = values.assign_coords({name: (name, centres, {"units": "km s-1", "long_name": label})})
    return with_named_time(values, array)


def _speed_edges(speeds: xr.DataArray | None, swept: Shells) -> np.ndarray:
    """Return the edges of the bins in m s-1."""
    if speeds is None:
        highest = float(swept.speed.max()) * 1.1
        return np.linspace(-highest, highest, 81)
    edges = np.asarray(in_units(named(speeds, "speeds"), "m s-1").values, float)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0):
        raise WrongData(f"speeds are edges of bins that increase, two or more; they are {edges.tolist()[:6]} m/s")
    if edges[-1] <= 0:
        raise WrongData("speeds do not reach above zero")
    return edges


def _basis_of(axis: xr.DataArray, second: xr.DataArray | None, distribution: xr.DataArray) -> xr.DataArray:
    """Return three orthogonal unit vectors, the first along the axis, as ``(…, base, component)``."""
    first = field_direction(axis, distribution, "axis")
    if second is None:
        # any direction across will do: the least of the axis' components says which base vector is far from it
        least = abs(first).fillna(0.0).argmin("component")
        other = (xr.DataArray(np.arange(3), dims="component") == least).astype(float)
    else:
        other = field_direction(second, distribution, "second")
    third = xr.cross(first, other, dim="component")
    length = xr.ufuncs.sqrt((third**2).sum("component", skipna=False))
    third = third / length.where(length > 1e-6)
    base = xr.broadcast(first, xr.cross(third, first, dim="component"), third)
    return xr.concat(base, "base").transpose(..., "base", "component")


def _shift(bulk_velocity: xr.DataArray | None, distribution: xr.DataArray) -> xr.DataArray:
    """Return the velocity to be taken off, m s-1."""
    if bulk_velocity is None:
        return xr.DataArray(np.zeros(3), dims="component")
    on_same_axes(distribution=distribution, bulk_velocity=bulk_velocity)
    same_frame(distribution=distribution, bulk_velocity=bulk_velocity)
    velocity = in_units(right_handed(vector(bulk_velocity, "bulk_velocity")), "m s-1")
    if extra := [d for d in velocity.dims if d != "component" and (d not in distribution.dims or d in AXES)]:
        raise WrongData(f"bulk_velocity has the dims {', '.join(map(str, extra))} that the distribution has not")
    return bare(velocity)


def _apply(
    f: xr.DataArray,
    directed: Sphere,
    swept: Shells,
    kind: Species,
    sorting: Sorting,
    basis: xr.DataArray,
    shift: xr.DataArray,
) -> xr.DataArray:
    ends = by_energy(
        directed.theta_low, directed.theta_high, directed.theta_weight, directed.phi_low, directed.phi_high
    )
    energies = xr.broadcast(swept.weight, swept.energy_low, swept.energy_high, swept.gained)
    return xr.apply_ufunc(
        partial(_sort, mass=kind.mass, sorting=sorting),
        bare(f),
        *ends,
        *energies,
        basis,
        shift,
        input_core_dims=[
            list(AXES),
            *(["angle_energy", str(angle.dims[-1])] for angle in ends),
            *[["energy"]] * 4,
            ["base", "component"],
            ["component"],
        ],
        output_core_dims=[["first_bin", "second_bin"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={
            "output_sizes": {
                "first_bin": sorting.along.size - 1,
                "second_bin": 1 if sorting.way == "line" else sorting.across.size - 1,
            },
            "allow_rechunk": True,
        },
    )


def _sort(
    f: np.ndarray,
    theta_low: np.ndarray,
    theta_high: np.ndarray,
    theta_weight: np.ndarray,
    phi_low: np.ndarray,
    phi_high: np.ndarray,
    weight: np.ndarray,
    energy_low: np.ndarray,
    energy_high: np.ndarray,
    gained: np.ndarray,
    basis: np.ndarray,
    shift: np.ndarray,
    *,
    mass: float,
    sorting: Sorting,
) -> np.ndarray:
    """Return the sorted distribution of each record, (…, bins along, bins across or 1)."""
    lead, k = f.shape[:-3], sorting.subdivisions
    angles = [full(array, lead, 2) for array in (theta_low, theta_high, theta_weight, phi_low, phi_high)]
    radial = [full(array, lead, 1) for array in (weight, energy_low, energy_high, gained)]
    frames = [full(basis, lead, 2), full(shift, lead, 1)]
    records = flattened(f, 3)
    result = np.empty(
        (records.shape[0], sorting.along.size - 1, 1 if sorting.way == "line" else sorting.across.size - 1)
    )
    step = max(1, BLOCK // max(1, 8 * k**3 * (records[0].size if len(records) else 1)))
    for start in range(0, records.shape[0], step):
        block = slice(start, start + step)
        at = [part(array, block) for array in (*angles, *radial, *frames)]
        result[block] = _sort_block(records[block], at, mass, sorting)
    return result.reshape(*lead, *result.shape[1:])


def _sort_block(f: np.ndarray, at: list[np.ndarray], mass: float, sorting: Sorting) -> np.ndarray:
    theta_low, theta_high, theta_weight, phi_low, phi_high, weight, low, high, gained, basis, shift = at
    k = sorting.subdivisions
    steps = (np.arange(k) + 0.5) / k
    # cells of equal cosine, azimuth and logarithm of energy
    cosines = np.cos(theta_low)[..., None] + (np.cos(theta_high) - np.cos(theta_low))[..., None] * steps
    azimuths = phi_low[..., None] + (phi_high - phi_low)[..., None] * steps
    measured = low[..., None] * (high / low)[..., None] ** steps
    free = (measured + gained[..., None]).clip(0)
    share = np.sqrt(free) * measured
    total = share.sum(-1, keepdims=True)
    share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
    volume = (weight[..., None] * share).reshape(weight.shape[0], -1)  # of cells per solid angle, summing to v² dv
    solid = theta_weight[..., :, None] * abs(phi_high - phi_low)[..., None, :] / k**2
    n = unit_vectors(
        np.arccos(cosines.reshape(*cosines.shape[:2], -1)),
        azimuths.reshape(*azimuths.shape[:2], -1),
        sign=sorting.sign,
    )
    # components of the cells' directions and of the shift along the three base vectors
    turned = np.einsum("tepqc,tbc->tbepq", *_alike(n, basis))
    moved = np.einsum("tbc,tc->tb", *_alike(basis, shift))
    count, energies, polar, azimuthal = f.shape
    speed = np.sqrt(2 * free / mass).reshape(free.shape[0], energies, k, 1)
    way = turned.reshape(*turned.shape[:3], 1, -1)

    def component(i: int) -> np.ndarray:
        values = speed * way[:, i] - moved[:, i].reshape(-1, 1, 1, 1)
        return np.broadcast_to(values, (count, energies, k, way.shape[-1]))

    cells = volume.reshape(-1, energies, k, 1) * np.broadcast_to(
        solid[:, :, None, :, None, :, None], (*solid.shape[:2], 1, polar, k, azimuthal, k)
    ).reshape(*solid.shape[:2], 1, -1)
    held = np.broadcast_to(f[:, :, None, :, None, :, None], (count, energies, 1, polar, k, azimuthal, k)).reshape(
        count, energies, 1, -1
    )
    found = _deposited(held, np.broadcast_to(cells, (count, *cells.shape[1:])), component, sorting)
    if sorting.way in ("line", "plane"):
        found[_lost(f, weight, turned, moved, sorting)] = np.nan
    return found


def _lost(f: np.ndarray, weight: np.ndarray, turned: np.ndarray, moved: np.ndarray, sorting: Sorting) -> np.ndarray:
    """Return which records have no integral: a bin, their axis, or what is taken off their velocities is missing."""
    needed = 1 if sorting.way == "line" else 2
    lost = np.isnan(turned[:, :needed]).any(axis=(1, 2, 3, 4)) | np.isnan(moved[:, :needed]).any(axis=1)
    lost = lost | np.isnan(weight).any(axis=1)
    if sorting.zero:
        return np.broadcast_to(lost, f.shape[:1])
    return lost | (np.isnan(f) & (weight != 0)[..., None, None]).any(axis=(1, 2, 3))


def _alike(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = max(one.shape[0], other.shape[0])
    return np.broadcast_to(one, (count, *one.shape[1:])), np.broadcast_to(other, (count, *other.shape[1:]))


def _deposited(
    held: np.ndarray, cells: np.ndarray, component: Callable[[int], np.ndarray], sorting: Sorting
) -> np.ndarray:
    """Return what the cells hold, in bins: over the bins' widths, or over the volume of the cells in them.

    ``held`` and ``cells`` are (records, energies, cells of energy or 1, cells of direction).
    """
    first, second = sorting.along, sorting.across
    v = [component(0)]
    index, rows, columns = _bin(v[0], first), first.size + 1, 1
    if sorting.way != "line":
        v += [component(1)] if sorting.way == "plane" else [component(1), component(2)]
        columns = second.size + 1
        index *= columns
        index += _bin(np.hypot(v[1], v[2]) if sorting.way == "gyrotropic" else v[1], second)
    index += (np.arange(held.shape[0]) * (rows * columns)).reshape(-1, 1, 1, 1)
    missing = np.isnan(held)
    if missing.any():
        held = np.where(missing, 0.0, held)
        if sorting.way in ("gyrotropic", "slice"):
            cells = np.where(missing, 0.0, cells)
    if sorting.way == "slice":
        near = np.abs(v[2]) <= np.sin(sorting.thickness) * np.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2)
        cells = np.where(near, cells, 0.0)
    size = (held.shape[0], rows, columns)

    def counted(amounts: np.ndarray) -> np.ndarray:
        # the outer rows and columns hold what is outside of the bins
        whole = np.bincount(index.ravel(), amounts.ravel(), minlength=int(np.prod(size))).reshape(size)
        return whole[:, 1:-1] if columns == 1 else whole[:, 1:-1, 1:-1]

    total = counted(held * cells)
    if sorting.way in ("line", "plane"):
        return total / (np.diff(first)[:, None] * (np.diff(second) if sorting.way == "plane" else 1.0))
    volume = counted(cells)
    return np.divide(total, volume, out=np.full(total.shape, np.nan), where=volume > 0)


def _bin(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the number of the bin that holds each value, from 1 on; 0 below all and for NaN, one more above all."""
    steps = np.diff(edges)
    if np.allclose(steps, steps[0], rtol=1e-9):
        place = (values - (edges[0] - steps[0])) * (1 / steps[0])
    else:
        place = np.searchsorted(edges, values, side="right").astype(float)
        place[np.isnan(values)] = 0.0
    np.fmin(np.fmax(place, 0.0, out=place), steps.size + 1.0, out=place)
    return place.astype(np.int64)  # cuts off, which is downwards here

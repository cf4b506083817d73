"""Cells: the bins of an instrument divided, and what they hold sorted into the bins of a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from analysis.plasma.particles import Species
from analysis.plasma.velocity_moments import by_energy, flattened, full, part, unit_vectors
from analysis.plasma.velocity_space import AXES, BLOCK, Shells, Sphere, bare


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


def sorted_cells(
    f: xr.DataArray,
    directed: Sphere,
    swept: Shells,
    kind: Species,
    sorting: Sorting,
    basis: xr.DataArray,
    shift: xr.DataArray,
) -> xr.DataArray:
    """Return a distribution in s3 m-6 sorted into bins, on the dims of its records, ``first_bin, second_bin``."""
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

"""Normals of a surface, and its point nearest to a position, for many positions at once (numpy only).

A surface is its form's ``radius`` and a list of parameters, each a number or one for each position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from analysis.plasma.forms import angles, directions

Radius = Callable[..., np.ndarray]
Parameters = Sequence[np.ndarray]
# where the search starts: every 4° from the nose, both sides of the terminator (where a surface may have an edge),
# closer and closer towards the open tail
STARTS = np.concatenate(
    [
        [np.pi / 2, np.pi / 2 + 1e-9],
        np.radians(np.arange(0.0, 161.0, 4.0)),
        np.pi - np.geomspace(np.radians(17.0), 1e-5, 40),
    ]
)


def surface_points(radius: Radius, parameters: Parameters, theta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Return points of the surface in directions, components last; NaN where it is open.

    Examples
    --------
    >>> surface_points(lambda theta, phi, r: r + 0 * theta, [2.0], np.array([0.0]), np.array([0.0]))
    array([[2., 0., 0.]])
    """
    distance = np.asarray(radius(theta, phi, *parameters))
    distance = np.where(np.isfinite(distance), distance, np.nan)
    return distance[..., None] * np.stack(np.broadcast_arrays(*directions(theta, phi)), axis=-1)


def outward_normals(radius: Radius, parameters: Parameters, theta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Return outward unit normals of the surface in directions, components last; NaN where it is open.

    The gradient of |p| - r is taken with central differences of 1e-5 rad on the sphere of directions.

    Examples
    --------
    >>> outward_normals(lambda theta, phi, r: r + 0 * theta, [2.0], np.array([np.pi / 2]), np.array([0.0])).round(9)
    array([[0., 1., 0.]])
    """
    here, sides = _basis(theta, phi)
    with np.errstate(invalid="ignore"):
        distance = radius(theta, phi, *parameters)
        normal = here
        for side in sides:
            ahead, behind = (radius(*_turned(here, side, step), *parameters) for step in (1e-5, -1e-5))
            normal = normal - ((ahead - behind) / (2e-5 * distance))[..., None] * side
        return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def nearest_directions(
    position: np.ndarray, radius: Radius, parameters: Parameters, *, axisymmetric: bool, iterations: int = 60
) -> tuple[np.ndarray, np.ndarray]:
    """Return the angles (theta, phi) at which the surface's nearest point to each position lies.

    A scan of directions finds the valley; damped Newton steps on the sphere of directions find its bottom, and where
    they fail, as at an edge of the surface, ever smaller trial steps do.

    Parameters
    ----------
    position : numpy.ndarray
        Shape (n, 3), from the model's centre.
    radius, parameters : callable, sequence of numpy.ndarray
        The surface; parameters of shape (n,).
    axisymmetric : bool
        Look only in the half-plane of the position, where the nearest point then is.
    iterations : int, optional
        Newton steps at most; fewer than ten are usual.

    Examples
    --------
    >>> sphere = lambda theta, phi, r: r + 0 * theta
    >>> theta, phi = nearest_directions(np.array([[0.0, 3.0, 0.0]]), sphere, [np.array([2.0])], axisymmetric=True)
    >>> np.degrees(theta).round(6)
    array([90.])
    """
    starts = _starts(position, radius, parameters, axisymmetric)
    theta, phi = _descended(position, radius, parameters, *starts[0], axisymmetric, iterations)
    for start in starts[1:]:
        other = _descended(position, radius, parameters, *start, axisymmetric, iterations)
        nearer = _misses(position, radius, parameters, *other) < _misses(position, radius, parameters, theta, phi)
        theta, phi = np.where(nearer, other[0], theta), np.where(nearer, other[1], phi)
    return theta, phi


def _descended(
    position: np.ndarray,
    radius: Radius,
    parameters: Parameters,
    theta: np.ndarray,
    phi: np.ndarray,
    axisymmetric: bool,
    iterations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bottom of the valley in which each start lies."""
    damping = np.full(theta.shape, 1e-3)
    active = np.flatnonzero(np.isfinite(theta))
    for _ in range(iterations):
        if not active.size:
            break
        where, of = position[active], [one[active] for one in parameters]
        now = theta[active], phi[active]
        step = _newton_step(where, radius, of, *now, damping[active], axisymmetric)
        here, sides = _basis(*now)
        tried = angles(*np.moveaxis(here + step[:, :1] * sides[0] + step[:, 1:] * sides[1], -1, 0))
        better = _misses(where, radius, of, *tried) < _misses(where, radius, of, *now)
        theta[active] = np.where(better, tried[0], now[0])
        phi[active] = np.where(better, tried[1], now[1])
        damping[active] = np.where(better, damping[active] / 10, np.maximum(damping[active], 1e-8) * 10)
        active = active[(np.abs(step).max(axis=-1) > 1e-10) & (damping[active] < 1e12)]
    stuck = np.union1d(active, np.flatnonzero(damping >= 1e3))
    if stuck.size:
        at = theta[stuck], phi[stuck]
        theta[stuck], phi[stuck] = _crept(position[stuck], radius, [one[stuck] for one in parameters], *at)
    return theta, phi


def _crept(
    position: np.ndarray, radius: Radius, parameters: Parameters, theta: np.ndarray, phi: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return directions after trial steps along and about, halved where none leads nearer (compass search)."""
    size = 0.02 * np.clip(np.pi - theta, 1e-6, 1.0)
    least = _misses(position, radius, parameters, theta, phi)
    for _ in range(60):
        here, sides = _basis(theta, phi)
        moved = np.zeros(theta.shape, dtype=bool)
        new_theta, new_phi = theta.copy(), phi.copy()
        for side in sides:
            for sign in (1.0, -1.0):
                tried = angles(*np.moveaxis(here + (sign * size)[:, None] * side, -1, 0))
                miss = _misses(position, radius, parameters, *tried)
                nearer = miss < least
                new_theta[nearer], new_phi[nearer], least[nearer] = tried[0][nearer], tried[1][nearer], miss[nearer]
                moved |= nearer
        theta, phi = new_theta, new_phi
        size = np.where(moved, size, size / 2)
    return theta, phi


def _misses(position: np.ndarray, radius: Radius, parameters: Parameters, *at: np.ndarray) -> np.ndarray:
    """Return squared distances to points of the surface, infinite where it is open."""
    squared = ((position - surface_points(radius, parameters, *at)) ** 2).sum(axis=-1)
    return np.where(np.isnan(squared), np.inf, squared)


def _starts(
    position: np.ndarray, radius: Radius, parameters: Parameters, axisymmetric: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return where to start: the nearest of a scan of directions, among them the position's own; NaN if none is known.

    Of a surface that is not axisymmetric also the nearest one on another side, a quarter turn away at least: a
    position near the axis may have a valley on either.
    """
    own_theta, own_phi = angles(*np.moveaxis(position, -1, 0))
    turns = np.radians([0.0] if axisymmetric else np.arange(0, 360, 30.0))
    theta = np.repeat(own_theta[None], turns.size, axis=0)
    phi = own_phi + turns[:, None]
    least = np.stack([_misses(position, radius, parameters, *at) for at in zip(theta, phi, strict=True)])
    reach, off_axis = (position**2).sum(axis=-1), np.hypot(position[:, 1], position[:, 2])
    for number, turn in enumerate(turns):
        for start in STARTS:  # |p - s|² = p² + s² - 2 p·s, faster than the points themselves
            distance = np.asarray(radius(start, phi[number], *parameters))
            ahead = position[:, 0] * np.cos(start) + off_axis * (np.sin(start) * np.cos(turn))
            with np.errstate(invalid="ignore"):
                miss = reach + distance * (distance - 2 * ahead)
                nearer = (miss < least[number]) & np.isfinite(distance)
            theta[number, nearer], least[number, nearer] = start, miss[nearer]
    theta[~np.isfinite(least)] = np.nan
    every, best = np.arange(own_theta.size), least.argmin(axis=0)
    starts = [(theta[best, every], phi[best, every])]
    if not axisymmetric:
        apart = np.abs((np.arange(turns.size)[:, None] - best + 6) % 12 - 6)
        second = np.where(apart >= 3, least, np.inf).argmin(axis=0)
        starts.append((theta[second, every], phi[second, every]))
    return starts


def _newton_step(
    position: np.ndarray,
    radius: Radius,
    parameters: Parameters,
    theta: np.ndarray,
    phi: np.ndarray,
    damping: np.ndarray,
    axisymmetric: bool,
) -> np.ndarray:
    """Return the damped Newton steps (rad along the two tangents, shape (n, 2)) towards the nearest point."""
    here, (along, about) = _basis(theta, phi)
    h = np.clip(np.pi - theta, 1e-4, 1.0)[:, None] * 1e-4  # an open tail changes as fast as the angle to it

    def at(one: float, other: float) -> np.ndarray:
        turned = here + one * h * along + other * h * about
        return surface_points(radius, parameters, *angles(*np.moveaxis(turned, -1, 0)))

    centre, ahead, behind = at(0, 0), at(1, 0), at(-1, 0)
    off = position - centre
    slope = (ahead - behind) / (2 * h)
    down = (off * slope).sum(axis=-1)
    curve = (slope**2).sum(axis=-1) - (off * (ahead - 2 * centre + behind)).sum(axis=-1) / h[:, 0] ** 2
    step = np.zeros((len(theta), 2))
    if axisymmetric:
        size = (slope**2).sum(axis=-1)
        step[:, 0] = down / (np.abs(curve) + damping * size)
    else:
        left, right = at(0, 1), at(0, -1)
        across = (left - right) / (2 * h)
        mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * h**2)
        hessian = np.empty((len(theta), 2, 2))
        hessian[:, 0, 0] = curve
        hessian[:, 1, 1] = (across**2).sum(axis=-1) - (off * (left - 2 * centre + right)).sum(axis=-1) / h[:, 0] ** 2
        hessian[:, 0, 1] = hessian[:, 1, 0] = (slope * across).sum(axis=-1) - (off * mixed).sum(axis=-1)
        gradient = np.stack([down, (off * across).sum(axis=-1)], axis=-1)
        known = np.isfinite(hessian).all(axis=(1, 2)) & np.isfinite(gradient).all(axis=-1)
        values, vectors = np.linalg.eigh(np.where(known[:, None, None], hessian, np.eye(2)))
        size = (slope**2).sum(axis=-1) + (across**2).sum(axis=-1)
        scaled = np.einsum("nji,nj->ni", vectors, gradient) / (np.abs(values) + (damping * size)[:, None])
        step = np.where(known[:, None], np.einsum("nij,nj->ni", vectors, scaled), 0.0)
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return np.nan_to_num(step * np.minimum(1.0, 0.3 / np.maximum(length, 1e-300)))


def _basis(theta: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the direction at two angles and the unit vectors along growing theta and growing phi."""
    here = np.stack(np.broadcast_arrays(*directions(theta, phi)), axis=-1)
    along = np.stack([-np.sin(theta), np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi)], axis=-1)
    about = np.stack([0 * theta, -np.sin(phi), np.cos(phi)], axis=-1)
    return here, (along, about)


def _turned(here: np.ndarray, side: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    return angles(*np.moveaxis(here + step * side, -1, 0))

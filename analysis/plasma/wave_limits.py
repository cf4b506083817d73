"""Which wave vectors a constellation can measure: the lattice of aliases of its tetrahedra."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import derived
from analysis.plasma.inputs import synthetic_attrs
from analysis.plasma.synthetic_fields import places
from analysis.plasma.vectors import component_labels, frame_of

NARITA_2009 = "Narita & Glassmeier, Ann. Geophys. 27, 3031 (2009), doi:10.5194/angeo-27-3031-2009"
SCHULZ_2023 = "Schulz et al., Ann. Geophys. 41, 449 (2023), doi:10.5194/angeo-41-449-2023"
AROUND = np.array(list(product((-1, 0, 1), repeat=2)))


def wave_number_limit(position: xr.DataArray) -> xr.Dataset:
    r"""Return the largest wave number that a constellation measures without ambiguity, and its aliases.

    Two wave vectors give four points the same phases if they differ by a vector of the lattice
    :math:`2\pi \sum_n m_n q_n` of the tetrahedron's reciprocal vectors. The limit is half of the shortest one: wave
    vectors below it differ from all their aliases, which are longer. Of more than four points every four are tried,
    and the four with the highest limit count: there can be no exact alias below it, since it would have to be one of
    those four too. (Seven points may do better still, and near-aliases are told apart only if noise is low.)

    Parameters
    ----------
    position : xarray.DataArray
        Dims ``spacecraft`` (4 or more), ``component`` and perhaps ``time``; any length. Averaged over time.

    Returns
    -------
    xarray.Dataset
        ``limit`` (rad/km), ``aliases`` (dims alias, component; rad/km): three shortest independent shifts of k that
        those four spacecraft (coordinate ``tetrahedron``) cannot tell apart, and ``separation`` (km): the shortest and
        the longest distance of two spacecraft.

    Raises
    ------
    WrongData
        If there are fewer than four spacecraft, or all lie in a plane.
    WrongUnits, MissingUnits, WrongFrame
        If it is no position.

    References
    ----------
    Narita & Glassmeier, Ann. Geophys. 27, 3031 (2009), doi:10.5194/angeo-27-3031-2009.
    Schulz et al., Ann. Geophys. 41, 449 (2023), doi:10.5194/angeo-41-449-2023.
    Chanteur, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001, chapter 14 (1998): reciprocal vectors.

    Examples
    --------
    >>> cube = xr.DataArray(100 * np.eye(4, 3, -1), dims=("spacecraft", "component"),
    ...                     attrs={"units": "km", "frame": "GSE"})
    >>> round(float(wave_number_limit(cube).limit), 6)  # pi / 100 km
    0.031416
    """
    place = places(position)
    if "spacecraft" not in place.dims or place.sizes["spacecraft"] < 4:
        raise WrongData(f"position has dims {dict(place.sizes)}; a wave vector needs the dim 'spacecraft' of 4 or more")
    extra = [dim for dim in place.dims if dim not in ("spacecraft", "component", "time")]
    if extra:
        raise WrongData(f"position has the dims {', '.join(map(str, extra))} too many")
    mean = place.mean("time", skipna=True) if "time" in place.dims else place
    r = mean.transpose("spacecraft", "component").values
    if not np.isfinite(r).all():
        raise WrongData("position of a spacecraft is NaN")
    distances = np.array([np.linalg.norm(r[i] - r[j]) for i, j in combinations(range(len(r)), 2)])
    best: tuple[float, list[int], np.ndarray] | None = None
    for four in map(list, combinations(range(len(r)), 4)):
        edges = r[four[1:]] - r[four[0]]
        if abs(np.linalg.det(edges)) < 1e-6 * distances.max() ** 3:
            continue
        aliases = _shortest(2 * np.pi * np.linalg.inv(edges).T)
        limit = float(np.linalg.norm(aliases[0]) / 2)
        if best is None or limit > best[0] * (1 + 1e-9):
            best = limit, four, aliases
    if best is None:
        raise WrongData("all spacecraft lie in a plane (or a line), so k across it cannot be measured")
    limit, four, aliases = best
    names = place["spacecraft"].values[four] if "spacecraft" in place.coords else np.array(four)
    says = {"frame": frame_of(position, "position"), **synthetic_attrs(position)}
    result = xr.Dataset(
        {
            "limit": xr.DataArray(limit),
            "aliases": (("alias", "component"), aliases),
            "separation": ("end", [distances.min(), distances.max()]),
        },
        coords={
            "component": component_labels(),
            "tetrahedron": ("corner", names, {"units": "1", "long_name": "Spacecraft of the tetrahedron"}),
            "end": ("end", ["shortest", "longest"], {"long_name": "Distance of two spacecraft"}),
        },
    )
    result["limit"].attrs = {"units": "rad km-1", "long_name": "Largest unambiguous wave number", **says}
    result["aliases"].attrs = {"units": "rad km-1", "long_name": "Shifts of k that are not told apart", **says}
    result["separation"].attrs = {"units": "km", "long_name": "Distance of two spacecraft", **says}
    return derived(
        result, position, title="Limit of wave numbers", step="plasma.wave_number_limit",
        references=[NARITA_2009, SCHULZ_2023],
    )  # fmt: skip


def _shortest(basis: np.ndarray) -> np.ndarray:
    """Return a basis of the same lattice as the rows, as short as can be, shortest first (Minkowski-reduced).

    In three dimensions: the second is reduced by the first, the third by the nearest vector of the lattice of both,
    until nothing gets shorter (Semaev 2001, doi:10.1007/3-540-44670-2_13).
    """
    basis = np.array(basis)
    while True:
        basis = basis[np.argsort(np.linalg.norm(basis, axis=1), kind="stable")]
        first, second, third = basis
        second = second - np.round(first @ second / (first @ first)) * first
        plane = np.array([first, second])
        nearest = np.round(np.linalg.solve(plane @ plane.T, plane @ third))
        trials = third - (nearest + AROUND) @ plane
        shortest = trials[np.argmin(np.linalg.norm(trials, axis=1))]
        reduced = np.array([first, second, shortest])
        if np.linalg.norm(reduced, axis=1).sum() >= np.linalg.norm(basis, axis=1).sum() * (1 - 1e-12):
            return basis
        basis = reduced

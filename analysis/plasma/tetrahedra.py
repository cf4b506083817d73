"""The shape of a formation: its size, elongation and planarity, and how good each of its tetrahedra is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import xarray as xr

from analysis.model import derived
from analysis.plasma.formations import HARVEY, over_samples, positions
from analysis.plasma.vectors import component_labels, made

CORE = ["spacecraft", "component"]
ROBERT = "Robert, Roux, Harvey, Dunlop, Daly & Glassmeier, chapter 13 of ISSI SR-001 (1998), ISSN 1608-280X"
DALY = "Daly, The Tetrahedron Quality Factors of CSDS, MPAE-W-100-94-27 (1994)"
REGULAR_IN_SPHERE = 2 * np.sqrt(3) / (9 * np.pi)  # volume of a regular tetrahedron over that of its circumsphere


def formation_shape(position: xr.DataArray) -> xr.Dataset:
    r"""Return size, elongation and planarity of a formation of any number of spacecraft.

    From the semi-axes :math:`a \ge b \ge c`, the roots of the eigenvalues of the volumetric tensor
    :math:`\frac1N \sum_\alpha (\mathbf r_\alpha - \mathbf r_b)(\mathbf r_\alpha - \mathbf r_b)^T`.

    Parameters
    ----------
    position : xarray.DataArray
        Dims ``spacecraft`` (four or more), ``component`` and any others such as ``time``; any length; a frame.

    Returns
    -------
    xarray.Dataset
        ``characteristic_size`` (:math:`L = 2a`, km), ``elongation`` (:math:`E = 1 - b/a`), ``planarity``
        (:math:`P = 1 - c/b`; NaN on a line), ``semi_axes`` (km, dim ``axis``), ``elongation_direction`` and
        ``planarity_normal`` (unit vectors along the longest and shortest axis, their largest component positive). NaN
        where a spacecraft has no position.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, OutsideCoverage
        As for :func:`curlometer`.

    References
    ----------
    Harvey, chapter 12, and Robert et al., chapter 13 of ISSI SR-001 (1998), ISSN 1608-280X.

    Examples
    --------
    >>> corners = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    >>> r = xr.DataArray(corners, dims=["spacecraft", "component"], attrs={"units": "km", "frame": "GSE"})
    >>> shape = formation_shape(r)
    >>> [abs(round(shape[name].item(), 6)) for name in ("characteristic_size", "elongation", "planarity")]
    [2.0, 0.0, 0.0]
    """
    where = positions(position)
    flat = over_samples(_shape, 12, where, core=[CORE])
    axes = flat.isel(part=slice(0, 3)).rename(part="axis")
    axes = axes.assign_coords(axis=("axis", ["longest", "middle", "shortest"], {"long_name": "Axis"}))
    attrs = {"frame": str(where.attrs["frame"]).upper()}
    numbers = {
        "characteristic_size": ("km", "Characteristic size of the formation", 3),
        "elongation": ("1", "Elongation of the formation", 4),
        "planarity": ("1", "Planarity of the formation", 5),
    }
    result = {
        name: made(flat.isel(part=part), name, position, units=units, long_name=label)
        for name, (units, label, part) in numbers.items()
    }
    result["semi_axes"] = made(axes, "semi_axes", position, units="km", long_name="Semi-axes of the formation")
    for name, label, part in (
        ("elongation_direction", "Direction of elongation", 6),
        ("planarity_normal", "Normal of the plane of the formation", 9),
    ):
        unit = flat.isel(part=slice(part, part + 3)).rename(part="component")
        unit = unit.assign_coords(component=component_labels(where.component.values))
        result[name] = made(unit, name, position, units="1", long_name=label, attrs=attrs)
    return derived(
        xr.Dataset(result),
        position,
        title="Shape of the formation",
        step="plasma.formation_shape",
        references=[HARVEY, ROBERT],
    )


def tetrahedron_quality(position: xr.DataArray) -> xr.Dataset:
    r"""Return size and quality of every tetrahedron that four of the spacecraft make: 1 for 4, 35 for 7.

    .. math:: Q_G = \frac{V}{V_\mathrm{ideal}} + \frac{S}{S_\mathrm{ideal}} + 1, \qquad
        Q_R = \left(\frac{9\pi}{2\sqrt3} \frac{V}{V_\mathrm{sphere}}\right)^{1/3}

    with volume V and surface S, those of the regular tetrahedron that has the mean of the six separations as its
    side, and the volume of the circumscribed sphere.

    Parameters
    ----------
    position : xarray.DataArray
        Dims ``spacecraft`` (four or more), ``component`` and any others such as ``time``; any length; a frame.

    Returns
    -------
    xarray.Dataset
        Along ``tetrahedron`` (named by its spacecraft, ``members`` holds their places in the input):
        ``separation`` (mean of the six, km), ``volume`` (km3), ``q_g`` (1 on a line, about 2 in a plane, 3 regular),
        ``q_r`` (0 in a plane, 1 regular), ``characteristic_size``, ``elongation``, ``planarity`` as of
        :func:`formation_shape`. NaN where a spacecraft has no position.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, OutsideCoverage
        As for :func:`curlometer`.

    References
    ----------
    Daly, The Tetrahedron Quality Factors of CSDS, MPAE-W-100-94-27 (1994): Q_G of vom Stein, Glassmeier & Dunlop
    (1992), Q_R of Robert & Roux (1993).
    Robert et al., chapter 13 of ISSI SR-001 (1998), ISSN 1608-280X.

    Examples
    --------
    >>> corners = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1], [0, 0, 0]]
    >>> r = xr.DataArray(corners, dims=["spacecraft", "component"], attrs={"units": "km", "frame": "GSE"})
    >>> quality = tetrahedron_quality(r.assign_coords(spacecraft=list("ABCDE")))
    >>> print(quality.q_g.to_series().round(2).head(2).to_string())
    tetrahedron
    A-B-C-D    3.00
    A-B-C-E    2.33
    """
    where = positions(position)
    count = where.sizes["spacecraft"]
    names = where.spacecraft.values if "spacecraft" in where.coords else np.arange(count)
    subsets = list(combinations(range(count), 4))
    parts = [over_samples(_quality, len(QUALITY), where.isel(spacecraft=list(four)), core=[CORE]) for four in subsets]
    labels = ["-".join(str(names[n]) for n in four) for four in subsets]
    whole = xr.concat(parts, dim="tetrahedron").assign_coords(
        tetrahedron=("tetrahedron", labels, {"long_name": "Tetrahedron"})
    )
    result = {
        name: made(whole.isel(part=part), name, position, units=units, long_name=label)
        for part, (name, units, label) in enumerate(QUALITY)
    }
    members = xr.Variable(("tetrahedron", "vertex"), subsets, {"units": "1", "long_name": "Place of each spacecraft"})
    return derived(
        xr.Dataset(result).assign_coords(members=members),
        position,
        title="Quality of the tetrahedra of the formation",
        step="plasma.tetrahedron_quality",
        references=[DALY, ROBERT],
    )


QUALITY = (
    ("separation", "km", "Mean separation of the spacecraft"),
    ("volume", "km3", "Volume of the tetrahedron"),
    ("q_g", "1", "Glassmeier's quality of the tetrahedron"),
    ("q_r", "1", "Robert's and Roux's quality of the tetrahedron"),
    ("characteristic_size", "km", "Characteristic size of the tetrahedron"),
    ("elongation", "1", "Elongation of the tetrahedron"),
    ("planarity", "1", "Planarity of the tetrahedron"),
)


def _shape(place: np.ndarray) -> np.ndarray:
    """Return semi-axes, size, elongation, planarity and the directions of the longest and shortest axis."""
    offset = place - place.mean(axis=0)
    tensor = np.einsum("sit,sjt->tij", offset, offset) / len(place)
    there = np.isfinite(tensor).all(axis=(1, 2))
    values, vectors = np.linalg.eigh(np.where(there[:, None, None], tensor, np.eye(3)))
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1, keepdims=True), axis=1)
    vectors = (vectors * np.sign(largest)).transpose(1, 2, 0)
    rounding = 1e-14 * values[:, 2:]  # below it an eigenvalue is zero
    c, b, a = np.sqrt(np.where(values > rounding, values, 0)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = np.stack([a, b, c, 2 * a, 1 - b / a, 1 - c / b, *vectors[:, 2], *vectors[:, 0]])
    return np.where(there, rows, np.nan)


def _quality(place: np.ndarray) -> np.ndarray:
    """Return the rows of QUALITY for blocks of one tetrahedron."""
    sides = np.stack([place[j] - place[i] for i, j in combinations(range(4), 2)])
    lengths = np.sqrt((sides**2).sum(axis=1))
    mean = lengths.mean(axis=0)
    to_1, to_2, to_3 = sides[:3]
    volume = np.abs((to_1 * np.cross(to_2, to_3, axis=0)).sum(axis=0)) / 6
    faces = [np.cross(place[j] - place[i], place[k] - place[i], axis=0) for i, j, k in combinations(range(4), 3)]
    surface = sum(np.sqrt((face**2).sum(axis=0)) for face in faces) / 2
    # Crelle: six times volume times circumradius is the area of a triangle with the products of opposite sides
    x, y, z = lengths[0] * lengths[5], lengths[1] * lengths[4], lengths[2] * lengths[3]
    product = np.maximum((x + y + z) * (x + y - z) * (x - y + z) * (y + z - x), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.sqrt(product) / (24 * volume)
        flat = volume <= 1e-12 * mean**3  # then it is rounding
        in_sphere = np.where(flat, 0.0, volume / (4 / 3 * np.pi * radius**3))
        q_g = volume * 6 * np.sqrt(2) / mean**3 + surface / (np.sqrt(3) * mean**2) + 1
        q_r = np.cbrt(in_sphere / REGULAR_IN_SPHERE)
    return np.stack([mean, volume, q_g, q_r, *_shape(place)[3:6]])

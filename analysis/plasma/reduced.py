"""Distributions of fewer velocities: integrated along one or two of them, averaged over gyrophase, or cut.

Each bin of the instrument is divided into smaller cells, and what it holds is shared out among the bins of the result
that they fall into: nothing is lost between the two, and nothing is interpolated.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units
from analysis.plasma.cells import Sorting, sorted_cells
from analysis.plasma.fluxes import phase_space_density
from analysis.plasma.inputs import is_number, named, not_negative, on_same_axes
from analysis.plasma.particles import Species, species
from analysis.plasma.rotations import right_handed
from analysis.plasma.vectors import made, refuse_unknown, same_frame
from analysis.plasma.velocity_moments import field_direction
from analysis.plasma.velocity_space import AXES, GAPS, Shells, bare, looked_at, shells, sphere, with_named_time


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
    values = sorted_cells(
        f, directed, swept, kind, sorting, _basis_of(axis, second, array), _shift(bulk_velocity, array)
    )
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
    velocity = in_units(right_handed(bulk_velocity, "bulk_velocity"), "m s-1")
    if extra := [d for d in velocity.dims if d != "component" and (d not in distribution.dims or d in AXES)]:
        raise WrongData(f"bulk_velocity has the dims {', '.join(map(str, extra))} that the distribution has not")
    return bare(velocity)

"""Moments of 3-D distributions: density, velocity, pressure, temperature, heat flux."""

from __future__ import annotations

from functools import partial
from math import pi

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import derived, labelled
from analysis.plasma.fluxes import phase_space_density
from analysis.plasma.inputs import not_negative, on_same_axes
from analysis.plasma.parameters import magnitude
from analysis.plasma.particles import ELEMENTARY_CHARGE, Species, species
from analysis.plasma.quality import quality_of, with_worst_quality
from analysis.plasma.rotations import right_handed
from analysis.plasma.vectors import refuse_unknown, same_frame
from analysis.plasma.velocity_space import (
    AXES,
    BLOCK,
    GAPS,
    Shells,
    Sphere,
    bare,
    letters_of,
    looked_at,
    shells,
    sphere,
    with_named_time,
)

REFERENCE = "Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 6"
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
PLACE = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])  # of each element of a tensor among the pairs


def moments(
    distribution: xr.DataArray,
    *,
    particle: str | Species,
    directions: str | None = None,
    theta: str | None = None,
    b: xr.DataArray | None = None,
    potential: xr.DataArray | None = None,
    energy_range: tuple[float, float] | None = None,
    gaps: str = "nan",
) -> xr.Dataset:
    r"""Return density, velocity, pressure, temperature and heat flux of a 3-D distribution.

    .. math:: n = \int f \, d^3v, \quad \mathbf{V} = \frac{1}{n} \int \mathbf{v} f \, d^3v, \quad
              \mathsf{P} = m \int \mathbf{w} \mathbf{w} f \, d^3v, \quad
              \mathbf{q} = \frac{m}{2} \int w^2 \mathbf{w} f \, d^3v, \quad \mathbf{w} = \mathbf{v} - \mathbf{V}

    Parameters
    ----------
    distribution : xarray.DataArray
        Phase-space density, differential flux or differential energy flux, as for :func:`phase_space_density`,
        on the dims ``energy``, ``theta``, ``phi`` and others such as ``time``, with their coordinates (or
        ``energy_table``, ``theta_table``, ``phi_table`` where they change in time, or angles with energy), and the
        attr ``frame``: the axes that the angles are measured from (phi from x towards y). Bins end midway between
        neighbours (of energies on a logarithmic scale) where no coordinates ``energy_low``, ``energy_high`` and so
        on say otherwise.
    particle : str or Species
        As for :func:`species`.
    directions : {"flow", "look"}
        Whether theta and phi say where the particles move to, or where the instrument looks, whence they come. It
        must be said, here or as ``distribution.attrs["directions"]``.
    theta : {"colatitude", "latitude"}, optional
        Whether theta is measured from the z axis or from the xy plane. It must be said where its values do not
        tell it (all of them 0 to 90°).
    b : xarray.DataArray, optional
        Magnetic field vector, in the frame and on the times of the distribution: then there are also
        temperatures along and across it.
    potential : xarray.DataArray, optional
        Of the spacecraft against the plasma, V, a number or one for each time. Energies far from it are
        :math:`E + q \Phi`: electrons lose what a positive spacecraft gave them, and those of less energy than that,
        photoelectrons, are left out; ions gain. Directions are taken to be the same.
    energy_range : tuple of two numbers, optional
        Take only bins whose measured energy lies in it, in the unit of the coordinate ``energy``.
    gaps : {"nan", "zero"}, optional
        What a NaN bin makes of its record: NaN moments, or those of the particles that were seen.

    Returns
    -------
    xarray.Dataset
        ``density`` (cm-3), ``velocity`` (km s-1, dim ``component``), ``pressure_tensor`` (nPa) and
        ``temperature_tensor`` (eV, dims ``component, component2``), ``temperature`` (eV, a third of the trace),
        ``heat_flux`` (mW m-2), ``coverage`` (the part of all directions that was measured, mean over energies), and
        with ``b`` ``t_parallel`` and ``t_perpendicular`` (eV). Where the density is 0, velocity and temperatures are
        NaN. A flag of the records stays beside each. Not relativistic; what lies beyond the energies or directions
        measured is not in it.

    Raises
    ------
    BadOption
        If a convention is not said, or an option not known.
    WrongData
        If an axis is missing or makes no sense, a value is negative, or times differ.
    WrongFrame
        If no frame is said, or that of ``b`` is another.
    WrongUnits, MissingUnits
        If an input is of another kind.

    References
    ----------
    Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data (1998), chapter 6.

    Examples
    --------
    >>> energy = ("energy", np.geomspace(1, 5000, 48), {"units": "eV"})
    >>> theta = ("theta", np.arange(5.625, 180, 11.25), {"units": "deg"})
    >>> phi = ("phi", np.arange(5.625, 360, 11.25), {"units": "deg"})
    >>> at_rest = 5e6 * (1.67262192595e-27 / (2 * np.pi * 1.602176634e-17)) ** 1.5  # protons, 5 cm-3, 100 eV
    >>> f = at_rest * np.exp(-xr.DataArray(energy[1], dims="energy") / 100)
    >>> f = f.expand_dims(theta=16, phi=32).assign_coords(energy=energy, theta=theta, phi=phi)
    >>> f.attrs = {"units": "s3 m-6", "frame": "GSE", "directions": "flow"}
    >>> found = moments(f, particle="proton")
    >>> round(found.density.item(), 2), round(found.temperature.item(), 1)
    (5.0, 100.1)
    """
    kind = species(particle)
    refuse_unknown(gaps, GAPS, "gaps")
    array = looked_at(distribution)
    directed = sphere(array, directions=directions, theta=theta)
    swept = shells(array, kind, potential=potential, energy_range=energy_range)
    field = None if b is None else field_direction(b, array)
    density = not_negative(
        phase_space_density(array, particle=kind),
        str(array.name),
        hint="counts less a background can be below zero: .clip(0) sets such bins to 0, .where(… >= 0) makes gaps",
    )
    sums = _sums(density, directed, swept, zero=gaps == "zero")
    result = _physical(sums, kind, directed.frame, field)
    flags = [flag for each in (distribution, b) if each is not None and (flag := quality_of(each)) is not None]
    of_records = [flag for flag in flags if set(flag.dims) <= set(result["density"].dims)]
    for name, values in result.data_vars.items():
        result[name] = with_worst_quality(with_named_time(values, array), *of_records)
    return derived(
        result,
        distribution,
        title=f"Moments of {distribution.attrs.get('long_name', array.name)} ({kind.name})",
        step=f"plasma.moments(particle={kind.name!r}, directions={'flow' if directed.sign > 0 else 'look'!r}, "
        f"energy_range={energy_range!r}, potential={'none' if potential is None else 'given'!r}, gaps={gaps!r})",
        references=[REFERENCE],
        also=[each for each in (b, potential) if each is not None],
    )


def field_direction(b: xr.DataArray, distribution: xr.DataArray, what: str = "b") -> xr.DataArray:
    """Return the unit vector of a field, in the frame and on the records of a distribution, without coordinates.

    Raises
    ------
    WrongFrame, WrongData, MissingUnits
        If it is in another frame, no vector, or at other times.
    """
    on_same_axes(**{"distribution": distribution, what: b})
    field = right_handed(b, what)
    same_frame(**{"distribution": distribution, what: b})
    if extra := [dim for dim in field.dims if dim != "component" and (dim not in distribution.dims or dim in AXES)]:
        raise WrongData(f"{what} has the dims {', '.join(map(str, extra))} that the distribution has not")
    length = magnitude(field)
    return bare(field / length.where(length > 0))


def _sums(f: xr.DataArray, directed: Sphere, swept: Shells, *, zero: bool) -> xr.DataArray:
    """Return the integrals of 1, v, v v and v² v over f, and the coverage, along a dim ``integral``."""
    width = abs(directed.phi_high - directed.phi_low)
    angles = by_energy(directed.theta, directed.theta_weight, directed.phi, width)
    core = [["angle_energy", str(angle.dims[-1])] for angle in angles]
    speed, weight = xr.broadcast(swept.speed, swept.weight)
    return xr.apply_ufunc(
        partial(_integrals, sign=directed.sign, zero=zero),
        bare(f),
        *angles,
        speed,
        weight,
        input_core_dims=[list(AXES), *core, ["energy"], ["energy"]],
        output_core_dims=[["integral"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"integral": 14}, "allow_rechunk": True},
    )


def by_energy(*angles: xr.DataArray) -> list[xr.DataArray]:
    """Return angles with a dim ``angle_energy`` before their own, of size 1 if all are the same at all energies.

    Examples
    --------
    >>> [angle.sizes["angle_energy"] for angle in by_energy(xr.DataArray([0.0, 1.0], dims="phi"))]
    [1]
    """
    size = max(angle.sizes.get("energy", 1) for angle in angles)
    result = []
    for angle in angles:
        own = str(next(dim for dim in angle.dims if dim in ("theta", "phi")))
        array = angle if "energy" in angle.dims else angle.expand_dims(energy=size)
        result.append(array.rename(energy="angle_energy").transpose(..., "angle_energy", own))
    return result


def flattened(array: np.ndarray, core: int) -> np.ndarray:
    """Return an array with all leading axes as one, of size 1 where there is none.

    Examples
    --------
    >>> flattened(np.ones((2, 3, 4, 5)), 2).shape, flattened(np.ones(5), 1).shape
    ((6, 4, 5), (1, 5))
    """
    return array.reshape(-1, *array.shape[array.ndim - core :])


def part(array: np.ndarray, block: slice) -> np.ndarray:
    """Return a block of records, or the one that stands for all.

    Examples
    --------
    >>> part(np.ones((1, 5)), slice(10, 20)).shape
    (1, 5)
    """
    return array if array.shape[0] == 1 else array[block]


def _integrals(
    f: np.ndarray,
    theta: np.ndarray,
    theta_weight: np.ndarray,
    phi: np.ndarray,
    phi_weight: np.ndarray,
    speed: np.ndarray,
    weight: np.ndarray,
    *,
    sign: float,
    zero: bool,
) -> np.ndarray:
    """Return 14 numbers for each record: 13 integrals, and which part of the sphere was measured."""
    lead = f.shape[:-3]
    inputs = [full(array, lead, core) for array, core in ((theta, 2), (theta_weight, 2), (phi, 2), (phi_weight, 2))]
    radial = [full(array, lead, 1) for array in (speed, weight)]
    records = flattened(f, 3)
    result = np.empty((records.shape[0], 14))
    step = max(1, BLOCK // max(1, records[0].size if len(records) else 1))
    basis = None
    for start in range(0, records.shape[0], step):
        block = slice(start, start + step)
        if basis is None or any(array.shape[0] > 1 for array in inputs):
            basis = _basis(*(part(array, block) for array in inputs), sign=sign)
        result[block] = _block(records[block], basis, *(part(array, block) for array in radial), zero=zero)
    return result.reshape(*lead, 14)


def full(array: np.ndarray, lead: tuple[int, ...], core: int) -> np.ndarray:
    """Return an array flattened to one leading axis: as long as ``lead`` says, or 1 if it is the same for all.

    Examples
    --------
    >>> full(np.ones((1, 2, 5)), (3, 2), 1).shape, full(np.ones((1, 1, 5)), (3, 2), 1).shape
    ((6, 5), (1, 5))
    """
    if all(size == 1 for size in array.shape[: array.ndim - core]):
        return flattened(array, core)
    return flattened(np.broadcast_to(array, lead + array.shape[array.ndim - core :]), core)


def _basis(
    theta: np.ndarray, theta_weight: np.ndarray, phi: np.ndarray, phi_weight: np.ndarray, *, sign: float
) -> np.ndarray:
    """Return the solid angles times 1, n and n n, as (records, energies of the angles, directions, 10)."""
    solid = theta_weight[..., :, None] * phi_weight[..., None, :]
    n = unit_vectors(theta, phi, sign=sign)
    terms = [np.ones(n.shape[:-1]), *(n[..., i] for i in range(3)), *(n[..., i] * n[..., j] for i, j in PAIRS)]
    weighted = np.stack([term * solid for term in terms], axis=-1)
    return weighted.reshape(*weighted.shape[:2], -1, 10)


def unit_vectors(theta: np.ndarray, phi: np.ndarray, *, sign: float) -> np.ndarray:
    """Return the directions of motion for colatitudes and azimuths, on their axes and one of three components.

    Examples
    --------
    >>> unit_vectors(np.array([np.pi / 2]), np.array([0.0]), sign=-1.0).round(9).tolist()
    [[[-1.0, -0.0, -0.0]]]
    """
    sine, azimuth = np.sin(theta)[..., :, None], phi[..., None, :]
    along = np.broadcast_to(np.cos(theta)[..., :, None], np.broadcast_shapes(sine.shape, azimuth.shape))
    return sign * np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), along], axis=-1)


def _block(records: np.ndarray, basis: np.ndarray, speed: np.ndarray, weight: np.ndarray, *, zero: bool) -> np.ndarray:
    f = records.reshape(*records.shape[:2], -1)
    used = weight != 0  # NaN is used
    if not used.all():
        f = np.where(used[..., None], f, 0.0)
    solid = basis[..., 0].sum(-1)  # (records or 1, energies or 1)
    share = np.broadcast_to(used * solid, f.shape[:2])
    missing = np.isnan(f)
    if missing.any():
        share = used * (solid - _over_directions(missing.astype(float), basis[..., :1])[..., 0])
        if zero:
            f = np.where(missing, 0.0, f)
    over = _over_directions(f, basis)
    powers = [weight * speed**p for p in range(4)]
    radial = [powers[0], *[powers[1]] * 3, *[powers[2]] * 6]
    sums = [np.einsum("te,te->t", np.broadcast_to(g, f.shape[:2]), over[..., k]) for k, g in enumerate(radial)]
    cubes = [np.einsum("te,te->t", np.broadcast_to(powers[3], f.shape[:2]), over[..., 1 + i]) for i in range(3)]
    coverage = share.sum(-1) / (4 * pi * np.maximum(used.sum(-1), 1))
    return np.stack([*sums, *cubes, np.broadcast_to(coverage, sums[0].shape)], axis=-1)


def _over_directions(f: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the sum over directions of (records, energies, directions) times a basis."""
    if basis.shape[1] == 1:
        return f @ basis[:, 0]
    return (f[:, :, None, :] @ basis)[:, :, 0]


def _physical(sums: xr.DataArray, kind: Species, frame: str, field: xr.DataArray | None) -> xr.Dataset:
    """Return the moments as physicists name them, from the sums in SI."""
    letters = letters_of(frame)
    other = xr.DataArray(letters.values, dims="component2", attrs={"long_name": "Second component"})
    number = sums.isel(integral=0)
    velocity = sums.isel(integral=xr.DataArray([1, 2, 3], dims="component")) / number.where(number > 0)
    mean = velocity.fillna(0.0).where(number.notnull())  # where there is nothing, its pressure is zero
    second = sums.isel(integral=4 + xr.DataArray(PLACE, dims=("component", "component2")))
    third = sums.isel(integral=10 + xr.DataArray([0, 1, 2], dims="component"))
    mean2 = mean.rename(component="component2")
    pressure = kind.mass * (second - number * mean * mean2)
    square = (mean**2).sum("component", skipna=False)
    trace = sums.isel(integral=[4, 7, 9]).sum("integral", skipna=False)
    heat = third - mean * trace - 2 * (second * mean2).sum("component2", skipna=False) + 2 * number * square * mean
    temperature = pressure / number.where(number > 0) / ELEMENTARY_CHARGE
    diagonal = xr.DataArray([0, 1, 2], dims="diagonal")
    scalar = temperature.isel(component=diagonal, component2=diagonal).sum("diagonal", skipna=False) / 3
    what = {
        "density": (number * 1e-6, "cm-3", "Number density"),
        "velocity": (velocity * 1e-3, "km s-1", "Bulk velocity"),
        "pressure_tensor": (pressure * 1e9, "nPa", "Pressure tensor"),
        "temperature_tensor": (temperature, "eV", "Temperature tensor"),
        "temperature": (scalar, "eV", "Temperature, a third of the trace"),
        "heat_flux": (kind.mass / 2 * heat * 1e3, "mW m-2", "Heat flux vector"),
        "coverage": (sums.isel(integral=13), "1", "Part of all directions that was measured"),
    }
    if field is not None:
        along = (temperature * field * field.rename(component="component2")).sum(
            ["component", "component2"], skipna=False
        )
        what["t_parallel"] = (along, "eV", "Temperature along the magnetic field")
        what["t_perpendicular"] = ((3 * scalar - along) / 2, "eV", "Temperature across the magnetic field")
    made = {}
    for name, (values, units, label) in what.items():
        vectors = [dim for dim in ("component", "component2") if dim in values.dims]
        attrs = {"frame": frame} if vectors else {}
        array = labelled(
            values.transpose(..., *vectors), name, units=units, long_name=f"{label} ({kind.name})", attrs=attrs
        )
        made[name] = (
            array.assign_coords({"component": letters, "component2": other})
            if len(vectors) == 2
            else (array.assign_coords(component=letters) if vectors else array)
        )
    return xr.Dataset(made)

"""Pitch-angle spectra: 3-D distributions sorted by the angle between the particles' motion and the field."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units
from analysis.plasma.inputs import named
from analysis.plasma.vectors import made
from analysis.plasma.velocity_moments import by_energy, field_direction, flattened, full, part, unit_vectors
from analysis.plasma.velocity_space import AXES, BLOCK, bare, looked_at, sphere, with_named_time


def pitch_angle_spectra(
    distribution: xr.DataArray,
    b: xr.DataArray,
    *,
    directions: str | None = None,
    theta: str | None = None,
    bins: int | xr.DataArray = 18,
) -> xr.DataArray:
    r"""Return a 3-D distribution against pitch angle: the mean of the directions whose centres lie in each bin.

    Parameters
    ----------
    distribution : xarray.DataArray
        As for :func:`moments`, in any unit: it is kept.
    b : xarray.DataArray
        Magnetic field vector with dim ``component``, in the frame and on the times of the distribution.
    directions : {"flow", "look"}
        As for :func:`moments`; it must be said. At 0° the particles move along the field.
    theta : {"colatitude", "latitude"}, optional
        As for :func:`moments`.
    bins : int or xarray.DataArray, optional
        Number of equal bins, or edges from 0 to 180° with a unit of angle.

    Returns
    -------
    xarray.DataArray
        Dims ``time, energy, pitch_angle``, as :func:`omnidirectional`, :func:`anisotropy` and the views take them.
        Means are weighted by solid angle, over the directions that were measured. NaN where no direction was, where
        the field is NaN, and where it is zero.

    Raises
    ------
    BadOption
        If a convention is not said, or the bins make no sense.
    WrongData, WrongFrame, WrongUnits, MissingUnits
        As :func:`moments`.

    References
    ----------
    Paschmann & Daly (eds.), Analysis Methods for Multi-Spacecraft Data (1998), chapter 6.

    Examples
    --------
    >>> axes = {"energy": ("energy", [100.0, 200.0], {"units": "eV"}),
    ...         "theta": ("theta", np.arange(15.0, 180, 30), {"units": "deg"}),
    ...         "phi": ("phi", np.arange(15.0, 360, 30), {"units": "deg"})}
    >>> flux = xr.DataArray(np.ones((2, 6, 12)), axes, ["energy", "theta", "phi"], "flux",
    ...                     {"units": "cm-2 s-1 sr-1 eV-1", "frame": "GSE", "directions": "flow"})
    >>> upward = (flux * (flux.theta < 90)).assign_attrs(flux.attrs)
    >>> b = xr.DataArray([0.0, 0.0, 5.0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> pitch_angle_spectra(upward, b, bins=6).sel(energy=100.0).values
    array([1., 1., 1., 0., 0., 0.])
    """
    array = looked_at(distribution)
    directed = sphere(array, directions=directions, theta=theta)
    field = field_direction(b, array)
    edges = _edges(bins)
    width = abs(directed.phi_high - directed.phi_low)
    angles = by_energy(directed.theta, directed.theta_weight, directed.phi, width)
    mean = xr.apply_ufunc(
        partial(_means, sign=directed.sign, cosines=np.cos(np.radians(edges))),
        bare(array.astype(float)),
        *angles,
        field,
        input_core_dims=[list(AXES), *(["angle_energy", str(angle.dims[-1])] for angle in angles), ["component"]],
        output_core_dims=[["energy", "pitch_angle"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"pitch_angle": edges.size - 1}, "allow_rechunk": True},
    )
    centres = xr.DataArray(
        (edges[1:] + edges[:-1]) / 2, dims="pitch_angle", attrs={"units": "deg", "long_name": "Pitch angle"}
    )
    result = with_named_time(mean.assign_coords(pitch_angle=centres, energy=array["energy"].variable), array)
    name = str(array.name)
    label = f"{array.attrs.get('long_name', name)} against pitch angle"
    return made(result, f"{name}_pitch_angles", distribution, b, units=str(array.attrs["units"]), long_name=label)


def _edges(bins: int | xr.DataArray) -> np.ndarray:
    """Return the edges of pitch-angle bins in degrees, 0 to 180."""
    if isinstance(bins, xr.DataArray):
        edges = np.asarray(in_units(named(bins, "bins"), "deg").values, float)
        if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0):
            raise WrongData(f"bins do not increase: {edges.tolist()}")
        if abs(edges[0]) > 1e-6 or abs(edges[-1] - 180) > 1e-6:
            raise WrongData(f"bins go from {edges[0]:g} to {edges[-1]:g}°; they are edges from 0 to 180°")
        return edges
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or not 1 <= bins <= 1800:
        raise BadOption(f"bins={bins!r} is neither a number of bins, 1 to 1800, nor a DataArray of edges with units")
    return np.linspace(0, 180, int(bins) + 1)


def _means(
    f: np.ndarray,
    theta: np.ndarray,
    theta_weight: np.ndarray,
    phi: np.ndarray,
    phi_weight: np.ndarray,
    field: np.ndarray,
    *,
    sign: float,
    cosines: np.ndarray,
) -> np.ndarray:
    """Return the means over directions, (…, energy, pitch angle)."""
    lead, number = f.shape[:-3], cosines.size - 1
    angles = [full(array, lead, 2) for array in (theta, theta_weight, phi, phi_weight)]
    field = full(field, lead, 1)
    records = flattened(f, 3)
    records = records.reshape(*records.shape[:2], -1)
    result = np.empty((*records.shape[:2], number))
    step = max(1, BLOCK // max(1, number * records.shape[-1] * max(array.shape[1] for array in angles)))
    for start in range(0, records.shape[0], step):
        block = slice(start, start + step)
        at = [part(array, block) for array in angles]
        solid = at[1][..., :, None] * at[3][..., None, :]
        solid = solid.reshape(*solid.shape[:2], -1)
        n = unit_vectors(at[0], at[2], sign=sign)
        cosine = np.einsum("tepqc,tc->tepq", *_matched(n, part(field, block))).reshape(-1, n.shape[1], solid.shape[-1])
        # bins run from 0° on, so their cosines fall; a bin holds its lower edge
        where = np.searchsorted(-cosines, -cosine.clip(-1, 1), side="right") - 1
        inside = where.clip(0, number - 1)[..., None] == np.arange(number)
        weights = np.where(np.isnan(cosine)[..., None], 0.0, inside * solid[..., None])
        result[block] = _mean(records[block], weights)
    return result.reshape(*lead, *result.shape[1:])


def _matched(n: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return directions and field with as many records as the one that has more."""
    count = max(n.shape[0], field.shape[0])
    return np.broadcast_to(n, (count, *n.shape[1:])), np.broadcast_to(field, (count, 3))


def _mean(f: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over directions of (records, energies, directions) with (…, directions, bins) of weights."""

    def summed(values: np.ndarray) -> np.ndarray:
        if weights.shape[1] == 1:
            return values @ weights[:, 0]
        return (values[:, :, None, :] @ weights)[:, :, 0]

    missing = np.isnan(f)
    if missing.any():
        total, measured = summed(np.where(missing, 0.0, f)), summed((~missing).astype(float))
    else:
        total = summed(f)
        measured = np.broadcast_to(weights.sum(-2), total.shape)
    return np.divide(total, measured, out=np.full(total.shape, np.nan), where=measured > 0)

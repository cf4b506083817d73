"""How wrong the curlometer is, where the current is known: errors over scales and places."""

from __future__ import annotations

import xarray as xr

from analysis.model import derived
from analysis.plasma.constellations import sampled
from analysis.plasma.multipoint import curlometer
from analysis.plasma.synthetic_fields import SyntheticField, current_at
from analysis.plasma.vectors import made


def current_error(source: SyntheticField, position: xr.DataArray, *, noise: float = 0.0, seed: int = 0) -> xr.Dataset:
    r"""Return how far the curlometer's current density is from the true one of a synthetic field.

    The truth is that at the barycentre of the spacecraft; a curlometer sees a mean over the formation, so some of
    the difference is that of a mean and a point, which is what the user of a current at a point wants to know.

    Parameters
    ----------
    source : SyntheticField
        The field.
    position : xarray.DataArray
        Dims ``spacecraft`` (4 or more), ``component`` and any others: times, scales, places; any length, in a named
        frame.
    noise : float, optional
        Standard deviation of white noise in each component of the field, nT.
    seed : int, optional
        Of the noise.

    Returns
    -------
    xarray.Dataset
        On the other dims: ``current_density`` and ``true_current_density`` (vectors, nA m-2), ``error``, the length of
        their difference (nA m-2), ``relative_error``, that over the length of the true one, and ``div_over_curl``
        (:math:`|\nabla\cdot B| / |\nabla\times B|`), which is all that real data have to go by. Synthetic.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, BadOption
        As for :func:`sampled` and :func:`curlometer`.

    Examples
    --------
    >>> from analysis import plasma
    >>> path = xr.DataArray([0.0, 0, 0], dims="component", attrs={"units": "km", "frame": "GSE"})
    >>> scale = xr.DataArray([10.0, 100.0, 1000.0], dims="scale", attrs={"units": "km"})
    >>> sheet = plasma.harris_sheet(half_thickness=500)
    >>> current_error(sheet, plasma.constellation(path, scale=scale)).relative_error.values.round(6)
    array([3.90000e-05, 3.86600e-03, 2.47987e-01])
    """
    data = sampled(source, position, noise=noise, seed=seed)
    found = curlometer(data.b, data.position)
    centre = data.position.mean("spacecraft", skipna=False).assign_attrs(data.position.attrs)
    truth = current_at(source, centre)
    dims = found.current_density.dims
    truth = truth.transpose(*dims).reset_coords(drop=True)
    off = (found.current_density - truth.assign_coords(component=found["component"])).drop_attrs(deep=False)
    error = xr.ufuncs.sqrt((off**2).sum("component", skipna=False))
    size = xr.ufuncs.sqrt((truth.drop_attrs(deep=False) ** 2).sum("component", skipna=False))
    frame = {"frame": found.current_density.attrs["frame"]}
    label = "True current density at the barycentre"
    truth = truth.assign_coords(component=found["component"])
    parts = {
        "true_current_density": made(
            truth, "true_current_density", data.b, units="nA m-2", long_name=label, attrs=frame
        ),
        "error": made(error, "error", data.b, units="nA m-2", long_name="Error of the current density"),
        "relative_error": made(
            error / size.where(size > 0), "relative_error", data.b, units="1", long_name="Error over the true current"
        ),
    }
    return derived(
        xr.Dataset({"current_density": found.current_density, **parts, "div_over_curl": found.div_over_curl}),
        data,
        title=f"Error of the curlometer, {data.sizes['spacecraft']} points: {source.title}",
        step="plasma.current_error",
    )

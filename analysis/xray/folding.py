"""Responses: from an RMF and an ARF to a sparse matrix, and models folded through it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import MissingUnits, WrongData
from analysis.model import check, derived, in_units, labelled
from analysis.xray.inputs import as_dataset, datasets, on, synthetic_of, variable
from analysis.xray.matrices import added_up, one_matrix, overlap

CAL_GEN = "CAL/GEN/92-002, George et al. (1998), The Calibration Requirements for Spectral Analysis"
FLUX = "ph cm-2 s-1"
FIRST_BIN = 0.01  # a first bin that starts at 0 keV is given this part of its upper end as its lower one


def response(rmf: xr.Dataset | xr.DataTree, *, arf: xr.Dataset | xr.DataTree | None = None) -> xr.Dataset:
    """Return a response as a sparse matrix from energy bins to channels, effective area multiplied in.

    Parameters
    ----------
    rmf : xarray.Dataset or xarray.DataTree
        Response with the dims ``energy, channel, group, element``, as ``formats.read`` gives an RMF. A tree of
        several matrices (XRISM Resolve) gives their sum on the finest of their energy grids.
    arf : xarray.Dataset, optional
        Effective area on the same energy bins. Left out, the matrix is taken as it is: as it should be for an
        RSP, which holds the area (``matrix`` in cm2).

    Returns
    -------
    xarray.Dataset
        ``energy_low``, ``energy_high`` (keV) and ``first_element`` on ``energy``; ``matrix`` (cm2, or 1
        without an area), ``channel_index`` on ``element``, those of an energy bin in one piece; ``e_min``,
        ``e_max`` (keV) on ``channel``. Zeros are left out, those of energies without area too. A first bin
        that starts at 0 keV starts at a hundredth of its upper end, so that a power law is finite there.

    Raises
    ------
    WrongData
        If the energy bins of ARF and RMF differ, if a response that holds the area is given an ARF, if groups point
        outside the channels, if matrices cannot be summed, or if an element or area is not finite.

    References
    ----------
    CAL/GEN/92-002, George et al. (1998), *The Calibration Requirements for Spectral Analysis* (OGIP).

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn")
    >>> xray.response(ulx["rmf"], arf=ulx["arf"]).matrix.attrs["units"]
    'cm2'
    """
    data = one_matrix(rmf, "response")
    parts = {
        name: variable(data, name, "response") for name in ("matrix", "first_channel", "n_channels", "energy_index")
    }
    n_energies, n_channels = (variable(data, name, "response").size for name in ("energy_low", "channel"))
    sizes = parts["n_channels"].values.astype(np.int64)
    energy = np.repeat(parts["energy_index"].values.astype(np.int64), sizes)
    first = parts["first_channel"].values.astype(np.int64) - int(data["channel"].values[0])
    within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    channel = np.repeat(first, sizes) + within
    elements = parts["matrix"].values.astype(float)
    if elements.size != channel.size or (channel.size and not 0 <= channel.min() <= channel.max() < n_channels):
        raise WrongData("the response's groups do not fit its elements or channels; the file is damaged or was cut")
    area, units = _area(data, arf)
    if not (np.isfinite(elements).all() and np.isfinite(area).all()):
        raise WrongData("the response has elements or areas that are not finite; every fold through it would be NaN")
    elements = elements * area[energy]
    order = np.flatnonzero(elements)
    if (np.diff(energy) < 0).any():
        order = order[np.argsort(energy[order], kind="stable")]
    energy, channel, elements = energy[order], channel[order], elements[order]
    if overlap(parts["energy_index"].values, parts["first_channel"].values, sizes):
        energy, channel, elements = added_up(energy, channel, elements, n_channels)
    low = in_units(data["energy_low"], "keV").values.astype(float)
    high = in_units(data["energy_high"], "keV").values.astype(float)
    made = xr.Dataset(
        {
            "energy_low": on("energy", np.where(low > 0, low, FIRST_BIN * high), "keV", "Lower edge of the energy bin"),
            "energy_high": on("energy", high, "keV", "Upper edge of the energy bin"),
            "first_element": on(
                "energy", np.searchsorted(energy, np.arange(n_energies)), "1", "First element of the bin"
            ),
            "channel_index": on("element", channel.astype(np.int32), "1", "Row of the element's channel"),
            "matrix": on("element", elements, units, "Response × effective area" if units == "cm2" else "Response"),
            "e_min": data["e_min"],
            "e_max": data["e_max"],
        },
        coords={"channel": data["channel"]},
    )
    step = f"xray.response: {elements.size} elements{'' if arf is None else ', effective area multiplied in'}"
    return check(derived(made, data, title="Response, sparse", step=step, references=[CAL_GEN], also=datasets(arf)))


def folded(
    photon_flux: xr.DataArray,
    *,
    rmf: xr.Dataset | xr.DataTree,
    arf: xr.Dataset | xr.DataTree | None = None,
) -> xr.DataArray:
    r"""Return the count rate that a model makes in each channel, :math:`\sum_i R_{ci} A_i F_i`.

    Parameters
    ----------
    photon_flux : xarray.DataArray
        Photons in each energy bin (integrated over it, not per keV) on the dim ``energy``: ``ph cm-2 s-1``.
    rmf : xarray.Dataset
        What :func:`response` gave, the quick way for many models; or an RMF as read.
    arf : xarray.Dataset, optional
        Effective area, if it is not in ``rmf`` yet.

    Returns
    -------
    xarray.DataArray
        ``model_rate`` on ``channel`` in ct s-1.

    Raises
    ------
    WrongData
        If the flux is no DataArray, not on the response's energy bins, or the response knows no area at all.
    WrongUnits, MissingUnits
        If the flux is per keV, or lost its units in a product.

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn")
    >>> whole = xray.response(ulx["rmf"], arf=ulx["arf"])
    >>> flux = xray.power_law(whole.energy_low, whole.energy_high, photon_index=2.0, norm=4.5e-4)
    >>> rate = xray.folded(xray.absorbed_flux(flux, "2.1e21 cm-2"), rmf=whole)
    >>> rate.sizes["channel"], rate.attrs["units"]
    (4096, 'ct s-1')
    """
    from scipy.sparse import csc_array

    if not isinstance(photon_flux, xr.DataArray):
        raise WrongData(
            f"folded needs a flux as an xarray DataArray with units, not a {type(photon_flux).__name__}; "
            "xray.power_law gives one"
        )
    whole = as_dataset(rmf, "folded")
    if "channel_index" not in whole.variables:
        whole = response(whole, arf=arf)
    elif arf is not None:
        raise WrongData(
            "this response has its effective area; give arf= to xray.response or to xray.folded, not to both"
        )
    matrix = whole.variables["matrix"]
    if matrix.attrs["units"] != "cm2":
        raise WrongData("the response holds no effective area; give arf=, or a response made with it")
    if "units" not in photon_flux.attrs:
        raise MissingUnits(
            "the flux says no units, as no product of two arrays does: multiply with xray.absorbed_flux, "
            "or say them: flux.assign_attrs(units='ph cm-2 s-1')"
        )
    flux = photon_flux if photon_flux.attrs["units"] == FLUX else in_units(photon_flux, FLUX)
    first = whole.variables["first_element"].values
    if flux.dims != ("energy",) or flux.size != first.size:
        raise WrongData(
            f"the flux has dims {dict(flux.sizes)}, the response {first.size} energy bins on 'energy'; "
            "make the model on its energy_low and energy_high"
        )
    for name in {"energy_low", "energy_high"} & set(flux.coords):
        ours, theirs = whole.variables[name].values, flux.coords.variables[name].values
        if not (np.array_equal(ours, theirs) or np.allclose(ours, theirs, rtol=1e-5, atol=1e-6)):
            raise WrongData(f"the flux was made on other energy bins than the response's ({name} differs)")
    pointers = np.append(first, matrix.size).astype(np.int32)
    n_channels = whole.sizes["channel"]
    sparse = csc_array(
        (matrix.values, whole.variables["channel_index"].values, pointers), shape=(n_channels, first.size)
    )
    rate = xr.DataArray(sparse @ flux.values, dims="channel", coords={"channel": whole.coords["channel"]})
    told = synthetic_of(photon_flux, rmf, arf)
    return labelled(rate, "model_rate", units="ct s-1", long_name="Model count rate", attrs=told)


def _area(data: xr.Dataset, arf: xr.Dataset | xr.DataTree | None) -> tuple[np.ndarray, str]:
    """Effective area of each energy bin, 1 without an ARF; and the units of matrix times area."""
    held = str(data["matrix"].attrs.get("units", "1"))
    if arf is None:
        return np.ones(data.sizes["energy"]), held
    if held == "cm2":
        raise WrongData(
            "this response says that it holds the effective area (an RSP, or HDUCLAS3 = FULL), "
            "which an ARF would count twice; if it does not, set its matrix's units to '1'"
        )
    curve = as_dataset(arf, "response: arf")
    area = in_units(variable(curve, "effective_area", "response: arf"), "cm2").values.astype(float)
    for name in ("energy_low", "energy_high"):
        ours, theirs = (in_units(variable(held_by, name, "response"), "keV").values for held_by in (data, curve))
        # two float32 roundings of one grid differ by 1e-7; a bin is a thousand times wider
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-5, atol=1e-6):
            raise WrongData(
                f"the energy bins of ARF ({theirs.size}) and RMF ({ours.size}) differ; "
                "take the two that belong together"
            )
    return area, "cm2"

"""Maps of several bands, taken through what works on one map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr


def has_bands(sky: object) -> bool:
    """Return whether a map has several frequencies, and no other dim besides ``stokes`` and ``cells``.

    Examples
    --------
    >>> one = xr.DataArray(np.ones((2, 1, 12)), dims=("frequency", "stokes", "cells"), name="sky")
    >>> has_bands(one), has_bands(one.isel(frequency=[0]))
    (True, False)
    """
    array = sky["sky"] if isinstance(sky, xr.Dataset) and "sky" in sky.data_vars else sky
    if not isinstance(array, xr.DataArray) or not set(array.dims) <= {"frequency", "stokes", "cells"}:
        return False
    return "cells" in array.dims and array.sizes.get("frequency", 1) > 1


def each_band(
    sky: xr.Dataset | xr.DataArray, make: Callable[[xr.Dataset], xr.Dataset], *, keep: Sequence[str] = ()
) -> xr.Dataset:
    """Return what ``make`` gives of each band, joined on the dim ``frequency``, with the bands' coordinates.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        dims ``frequency, stokes, cells``.
    make : callable
        Takes a Dataset of one band and returns one.
    keep : sequence of str, optional
        What else the Dataset holds for each band (``beam``, ``depth``) and is still true of the result. ``depth`` is
        that of mean hits: beside ``hits``, which no result has, it is not kept.

    Returns
    -------
    xarray.Dataset
        As of the first band, and ``mask`` (observed in every band) where cells are NaN.

    Examples
    --------
    >>> from analysis import cmb
    >>> each_band(cmb.simulated_sky("planck", 4, seed=1), lambda band: cmb.degraded(band, 2), keep=["beam"]).sky.shape
    (7, 2, 48)
    """
    whole = sky if isinstance(sky, xr.Dataset) else sky.to_dataset(name="sky").assign_attrs(sky.attrs)
    of_bands = [name for name, held in whole.variables.items() if name != "sky" and "frequency" in held.dims]
    flat = whole.drop_vars(of_bands)
    made = [make(flat.isel(frequency=n)).drop_vars("mask", errors="ignore") for n in range(whole.sizes["frequency"])]
    joined = xr.concat(
        made, "frequency", data_vars="all", coords="minimal", compat="override", join="override",
        combine_attrs="override",
    )  # fmt: skip
    joined = joined.assign_coords({name: whole.variables[name] for name in of_bands if name in whole.coords})
    kept = [name for name in keep if name in whole.data_vars and "cells" not in whole[name].dims]
    if "hits" in whole.variables:
        kept = [name for name in kept if name != "depth"]
    joined = joined.assign({name: whole.variables[name] for name in kept})
    if "sky" in joined.data_vars:
        observed = ~np.isnan(joined["sky"].values).any(axis=(0, 1))
        if not observed.all():
            joined["mask"] = ("cells", observed, {"units": "1", "long_name": "Observed in every band (True) or not"})
    return joined

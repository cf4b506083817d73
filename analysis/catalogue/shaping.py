"""Vectors of archives on the dim ``component``, where the archive does not say that they are vectors."""

from __future__ import annotations

import xarray as xr

from analysis.catalogue.declared import VECTOR, Product
from analysis.model import labelled


def with_components(wanted: Product, data: xr.Dataset, asked: list[str] | None) -> xr.Dataset:
    """Return vectors on ``component``, and what the archive sends behind a vector as variables of its own.

    A variable whose shape is not that of the declaration stays as it came. Letters that the archive itself gives
    (not "1", "2", "3", which a reader gives where it has none) stay.

    Parameters
    ----------
    wanted : Product
        Its `components` say which variables these are.
    data : xarray.Dataset
        Under our names; arrays may be Dask's.
    asked : list of str or None
        The variables to keep; a vector that travelled only for its magnitude goes.

    Examples
    --------
    >>> from analysis.catalogue.declared import product
    >>> sent = xr.Dataset({"b": (("time", "b_1"), [[3.0, 0.0, 4.0, 5.0]], {"units": "nT", "frame": "GSE"})})
    >>> made = with_components(product("plasma", "mms1_fgm_srvy"), sent, None)
    >>> made["b"].sizes["component"], made["b_total"].item(), made["component"].values.tolist()
    (3, 5.0, ['x', 'y', 'z'])
    """
    for name, places in wanted.components.items():
        if name not in data or data[name].ndim != 2 or data[name].shape[1] != len(places):
            continue
        whole = data[name]
        axis = str(whole.dims[1])
        given = [str(label) for label in whole[axis].values] if axis == "component" else ["1"]
        letters = list(places[:VECTOR]) if given[0].isdigit() else given
        apart = {
            one: labelled(
                whole.isel({axis: VECTOR + number}, drop=True),
                one,
                units=whole.attrs["units"],
                long_name=one.replace("_", " "),
            )
            for number, one in enumerate(places[VECTOR:])
        }
        vector = whole.isel({axis: slice(VECTOR)}).drop_vars(axis, errors="ignore").rename({axis: "component"})
        order = [v for old in data.data_vars for v in ([name, *apart] if old == name else [old])]
        data = data.drop_vars([name, axis], errors="ignore")
        data = data.assign_coords(component=("component", letters, {"long_name": "Component"}))
        data = data.assign({name: vector, **apart})[order]
    return data if asked is None else data.drop_vars([v for v in wanted.components if v not in asked and v in data])

"""Whose data a result was made of: sources, the histories of several maps, and whether any of it is synthetic."""

from __future__ import annotations

import json
from collections.abc import Sequence

import xarray as xr

from analysis.model import derived, is_synthetic, provenance_of

ORIGIN = ("institution", "source", "references", "license", "caveats")


def synthetic_attrs(*inputs: xr.Dataset | xr.DataArray | None) -> dict[str, str]:
    """Return what to set on a result: that it is synthetic, if any input or variable of one says so, else nothing.

    Examples
    --------
    >>> synthetic_attrs(None, xr.Dataset()), synthetic_attrs(xr.DataArray(attrs={"synthetic": "true"}))
    ({}, {'synthetic': 'true'})
    """
    given = [data for data in inputs if data is not None]
    given += [array for data in given if isinstance(data, xr.Dataset) for array in data.data_vars.values()]
    return {"synthetic": "true"} if any(is_synthetic(data) for data in given) else {}


def source_attrs(sky: xr.Dataset | xr.DataArray, title: str) -> dict[str, str]:
    """Return what an array made of a map says about its origin, so that a picture of it can name the source.

    Examples
    --------
    >>> source_attrs(xr.Dataset(attrs={"title": "W band", "source": "WMAP", "history": "read"}), "Angle of {}")
    {'source': 'WMAP', 'title': 'Angle of W band'}
    """
    held = {name: str(sky.attrs[name]) for name in ORIGIN if name in sky.attrs}
    return held | ({"title": title.format(sky.attrs["title"])} if "title" in sky.attrs else {})


def with_inputs(
    result: xr.Dataset,
    *,
    inputs: list,
    title: str,
    step: str,
    references: list[str],
    also: Sequence[xr.Dataset | xr.DataArray] = (),
) -> xr.Dataset:
    """Return a result stamped with the provenance of every map that it was made from.

    It is synthetic if any of them is, or any of ``also`` (a mask), whose caveats are kept too.

    Examples
    --------
    >>> one, two = xr.Dataset(attrs={"title": "V"}), xr.Dataset(attrs={"title": "W"})
    >>> made = with_inputs(xr.Dataset(), inputs=[one, two], title="V x W", step="demo", references=[])
    >>> len(provenance_of(made)["inputs"])
    2
    """
    result = derived(result, inputs[0], title=title, step=step, references=references, also=[*inputs[1:], *also])
    if len(inputs) == 1:
        return result
    for name in ("institution", "source", "license", "references"):
        stated = [line for data in inputs for line in str(data.attrs.get(name, "not stated")).splitlines()]
        first = references if name == "references" else []
        result.attrs[name] = "\n".join(dict.fromkeys([*first, *stated]))
    result.attrs["provenance"] = json.dumps({"inputs": [provenance_of(data) for data in inputs]}, ensure_ascii=False)
    for data in inputs[1:]:
        lines = str(data.attrs.get("history", "")).splitlines()
        told = "; ".join(lines) or "no history"
        result.attrs["history"] += f"\nsecond map ({data.attrs.get('title', 'no title')}): {told}"
    return result

"""Whose numbers these are, and how to get them again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import xarray as xr

GLOBAL_ATTRS = ("title", "institution", "source", "references", "license", "history", "provenance")


def stamp(
    dataset: xr.Dataset,
    *,
    title: str,
    institution: str,
    source: str,
    references: Sequence[str],
    license: str,
    history: Sequence[str],
    provenance: Mapping[str, object],
) -> xr.Dataset:
    """Return the dataset with the seven global attributes of the data contract set.

    Parameters
    ----------
    dataset : xarray.Dataset
    title, institution, source, license : str
        What it is, who made it, with which instrument or model, under which terms.
    references : sequence of str
        DOIs or citations.
    history : sequence of str
        One line a step, oldest first; put before the lines that are there.
    provenance : mapping
        JSON-like: ``query``, ``urls`` or ``files``, ``sha256``, ``retrieved``.

    Returns
    -------
    xarray.Dataset
        The same variables; ``attrs["provenance"]`` is JSON text (see :func:`provenance_of`).

    Examples
    --------
    >>> data = stamp(xr.Dataset(), title="Demo", institution="Us", source="a formula", references=["none"],
    ...              license="CC0", history=["made up"], provenance={"query": {"product": "demo"}})
    >>> provenance_of(data)["query"]["product"]
    'demo'
    """
    earlier = str(dataset.attrs.get("history", ""))
    lines = [*history, *(line for line in earlier.splitlines() if line)]
    return dataset.assign_attrs(
        title=title,
        institution=institution,
        source=source,
        references="\n".join(references),
        license=license,
        history="\n".join(lines),
        provenance=json.dumps(provenance, default=str, ensure_ascii=False),
    )


def provenance_of(data: xr.Dataset | xr.DataArray) -> dict:
    """Return the provenance of a dataset as a dictionary; empty if it has none.

    Examples
    --------
    >>> provenance_of(xr.Dataset())
    {}
    """
    return json.loads(data.attrs.get("provenance", "{}"))


def history_with(data: xr.Dataset | xr.DataArray, step: str) -> str:
    """Return the history of a dataset with one more line.

    Examples
    --------
    >>> history_with(xr.Dataset(attrs={"history": "read"}), "cut")
    'read\\ncut'
    """
    earlier = str(data.attrs.get("history", ""))
    return f"{earlier}\n{step}" if earlier else step


def is_synthetic(data: xr.Dataset | xr.DataArray) -> bool:
    """Return whether the data say that they are simulated (``attrs["synthetic"]``).

    Examples
    --------
    >>> is_synthetic(xr.Dataset(attrs={"synthetic": "true"}))
    True
    """
    return str(data.attrs.get("synthetic", "false")).lower() in ("true", "1", "yes")


def derived(
    result: xr.Dataset,
    origin: xr.Dataset | xr.DataArray,
    *,
    title: str,
    step: str,
    references: Sequence[str] = (),
    also: Sequence[xr.Dataset | xr.DataArray] = (),
) -> xr.Dataset:
    """Return a computed dataset stamped with where its inputs came from and what was done.

    Parameters
    ----------
    result : xarray.Dataset
        Freshly computed variables.
    origin : xarray.Dataset or xarray.DataArray
        The main input. An array that lost its global attributes gives "not stated".
    title, step : str
        What the result is; one line of history, for example ``plasma.magnetopause(model='shue_1998')``.
    references : sequence of str, optional
        Papers of the method, put before those of the data.
    also : sequence of xarray.Dataset or xarray.DataArray, optional
        Further inputs. The result is synthetic if the main input or any of these is; their caveats are added to
        those of the main input.

    Examples
    --------
    >>> wind = xr.Dataset(attrs={"institution": "NOAA", "history": "read"})
    >>> print(derived(xr.Dataset(), wind, title="Pressure", step="plasma.dynamic_pressure").attrs["history"])
    read
    plasma.dynamic_pressure
    >>> made_up = xr.DataArray(2.0, attrs={"synthetic": "true"})
    >>> derived(xr.Dataset(), wind, title="Nose", step="nose", also=[made_up]).attrs["synthetic"]
    'true'
    """
    known, inputs = origin.attrs, (origin, *also)
    cited = [*references, *(line for line in str(known.get("references", "")).splitlines() if line)]
    attrs = {
        "title": title,
        "institution": known.get("institution", "not stated"),
        "source": known.get("source", "not stated"),
        "references": "\n".join(dict.fromkeys(cited)) or "not stated",
        "license": known.get("license", "not stated"),
        "history": history_with(origin, step),
        "provenance": known.get("provenance", "{}"),
    }
    if caveats := list(dict.fromkeys(str(data.attrs["caveats"]) for data in inputs if "caveats" in data.attrs)):
        attrs["caveats"] = "\n".join(caveats)
    if "region" in known:  # a cut of the field holds for what is computed inside it
        attrs["region"] = known["region"]
    if any(is_synthetic(data) for data in inputs):
        attrs["synthetic"] = "true"
    for name, label in (("time", "Time (UTC)"), ("component", "Component")):  # a user's own arrays may be silent
        if name in result.coords and not result[name].attrs.get("long_name"):
            result = result.assign_coords({name: result[name].assign_attrs(long_name=label)})
    return result.assign_attrs({**result.attrs, **attrs})

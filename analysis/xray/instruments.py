"""Instruments to simulate with: their responses, from a user's files, from what ships, or parametric."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import near
from analysis.xray.inputs import as_dataset
from analysis.xray.parametric import parametric_response
from analysis.xray.problems import response_of

PARTS = ("rmf", "arf", "background")


def instrument(name: str, *, responses: str | Path | Iterable[str | Path] | None = None) -> xr.DataTree:
    """Return an instrument to simulate with: its response, effective area and, where there is one, background.

    Parameters
    ----------
    name : {"newathena_xifu", "newathena_wfi", "xrism_resolve", "xmm_pn"} or str
        A preset. With ``responses`` any name will do; it stands on what is made of them.
    responses : path or paths, optional
        Official files that you have: an RMF with its ARF, or an RSP, and perhaps a spectrum of the background. What
        each is is found by its content.

    Returns
    -------
    xarray.DataTree
        Nodes ``rmf``, ``arf`` (not with an RSP), ``background`` where there is one. attrs ``responses`` say "official"
        or "parametric"; parametric ones list every number with its source in ``numbers``, have ``caveats``, say so in
        their titles, and are synthetic.

    Raises
    ------
    BadOption
        For an unknown preset, or files that are not one response and one area.
    WrongData
        If the files do not belong together.

    Examples
    --------
    >>> from analysis import xray
    >>> xifu = xray.instrument("newathena_xifu")
    >>> xifu["arf"].attrs["title"], xifu["rmf"].attrs["line_width"]
    ('NewAthena X-IFU, parametric effective area', 'FWHM 4 eV at all energies')
    """
    if not isinstance(name, str) or not name.strip():
        raise BadOption(f"an instrument is named, for example 'newathena_xifu'; not {name!r}")
    held = presets()
    if responses is not None:
        return _of_files(name, responses)
    if name not in held:
        raise BadOption(
            f"{name!r} is no instrument{near(name, held)}; presets are {', '.join(held)}; others need responses=, the "
            "files of their RMF and ARF"
        )
    if "product" in held[name]:
        return _of_product(name, held[name])
    nodes = parametric_response(name, held[name], _table()["curves"][held[name]["curve"]])
    return xr.DataTree.from_dict(nodes, name=name)


def presets() -> dict[str, dict[str, Any]]:
    """Return the instruments of ``instruments.toml`` by name."""
    return {name: entry for name, entry in _table().items() if name != "curves"}


def instrument_of(given: str | xr.DataTree, what: str) -> xr.DataTree:
    """Return a tree with ``rmf`` (and ``arf``) from a preset's name, an instrument, or an observation.

    Raises
    ------
    WrongData, BadOption
        If it has none.
    """
    if isinstance(given, str):
        return instrument(given)
    if not isinstance(given, xr.DataTree):
        raise WrongData(
            f"{what} needs an instrument: a preset's name ({', '.join(presets())}), what xray.instrument gives, or a "
            f"tree with the nodes 'rmf' and 'arf'; not a {type(given).__name__}"
        )
    if "rmf" in given.children:
        return given
    inside = [node for node in given.children.values() if "rmf" in node.children]
    if len(inside) == 1:
        return inside[0]
    raise WrongData(f"{what} needs one response: a node 'rmf'; this tree has {[n.path for n in given.subtree]}")


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("analysis.xray").joinpath("instruments.toml").read_text("utf-8"))


def _of_product(name: str, preset: Mapping[str, Any]) -> xr.DataTree:
    """Real responses and background of an observation that ships."""
    from analysis import catalogue

    tree = catalogue.fetch("xray", preset["product"])
    nodes = {part: as_dataset(tree.children[part], part) for part in PARTS if part in tree.children}
    told = {"preset": name, "responses": "official", "caveats": "\n".join(preset["caveats"])}
    nodes = {part: data.assign_attrs(told) for part, data in nodes.items()}
    size = float(as_dataset(tree.children["spectrum"], "spectrum")["backscal"])
    nodes["background"] = nodes["background"].assign_attrs(source_backscal=size)
    return xr.DataTree.from_dict(nodes, name=name)


def _of_files(name: str, responses: str | Path | Iterable[str | Path]) -> xr.DataTree:
    from analysis import formats

    paths = [responses] if isinstance(responses, str | Path) else list(responses)
    nodes: dict[str, xr.Dataset] = {}
    for path in paths:
        for part, data in _parts(formats.read(path), path).items():
            if part in nodes:
                raise BadOption(f"responses= brings two of {part}: {', '.join(map(str, paths))}; give one of each")
            told = {"preset": name, "responses": "official"} if part != "background" else {"preset": name}
            nodes[part] = data.assign_attrs(told)
    if "rmf" not in nodes:
        raise BadOption(
            f"responses={[str(p) for p in paths]} holds {sorted(nodes)}; an instrument needs an RMF or an RSP"
        )
    tree = xr.DataTree.from_dict(nodes, name=name)
    response_of(name, tree)  # refuses what does not belong together, and a response without an area
    return tree


def _parts(read: xr.Dataset | xr.DataTree, path: str | Path) -> dict[str, xr.Dataset]:
    """What a file is for a simulation, by what it holds."""
    held = (
        [n.to_dataset(inherit=False) for n in read.subtree if n.has_data] if isinstance(read, xr.DataTree) else [read]
    )
    found: dict[str, xr.Dataset] = {}
    for data in held:
        names = set(map(str, data.data_vars))
        if "matrix" in names:
            found["rmf"] = data
        elif "effective_area" in names:
            found["arf"] = data
        elif "channel" in data.dims and {"counts", "rate"} & names:
            found["background"] = data
    if not found:
        raise BadOption(f"{path} holds no RMF, ARF or spectrum, which simulations are made with")
    return found

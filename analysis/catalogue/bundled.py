"""Products that ship: from files of the sample registry to datasets that say whose they are."""

from __future__ import annotations

import xarray as xr

from analysis import sample
from analysis.catalogue.cutting import Nodes, chosen, nodes_of
from analysis.catalogue.declared import Product
from analysis.errors import AnalysisError
from analysis.model import stamp


def read(wanted: Product) -> Nodes:
    """Return the datasets of a product that ships, by the path of their node.

    Raises
    ------
    AnalysisError
        If the declaration names a recording that is not known.
    CorruptFile, MissingFile
        If a file is not there or not what its checksum says.
    """
    if wanted.recorded:
        return _recorded(wanted)
    if wanted.files:
        found: Nodes = {}
        for child, filename in wanted.files.items():
            inside = _read_file(wanted, filename)
            found |= {child if path == "/" else f"{child}{path}": data for path, data in inside.items()}
        return found
    return chosen(wanted, _read_file(wanted, wanted.file), wanted.file)


def _recorded(wanted: Product) -> Nodes:
    from analysis.archives import jpl

    known = {"apophis": jpl.apophis}
    if wanted.recorded not in known:
        raise AnalysisError(f"{wanted.name}: recorded = {wanted.recorded!r} is none of {', '.join(known)}")
    return nodes_of(known[wanted.recorded]())


def _read_file(wanted: Product, filename: str) -> Nodes:
    from analysis import formats

    held = nodes_of(formats.read(sample.path(filename), assume=wanted.assume))
    return {path: _from_registry(data, filename) for path, data in held.items()}


def _from_registry(data: xr.Dataset, filename: str) -> xr.Dataset:
    """Stamp what the registry knows of a file: who made it, terms, how it came here, what to beware of."""
    entry = sample.entry(filename)
    found = {"name": filename, "sha256": entry.sha256, "size": entry.size, "obtained_from": entry.obtained_from}
    done = "" if entry.changes in data.attrs.get("history", "") else f"; changes: {entry.changes}"
    return stamp(
        data.assign_attrs(caveats="\n".join(entry.caveats)),
        title=data.attrs.get("title") or filename,
        institution=entry.institution,
        source=f"{entry.mission} / {entry.instrument}",
        references=entry.references,
        license=f"{entry.license}. {entry.terms}",
        history=[f"shipped as {filename}, copied {entry.copied}{done}"],
        provenance={"files": [found], "archive": entry.archive, "retrieved": str(entry.copied)},
    )

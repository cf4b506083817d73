"""Products of the Planetary Data System by the address of their label: NASA's nodes and ESA's PSA alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urljoin, urlsplit

import xarray as xr

from analysis import store
from analysis.archives.parts import Part, bring
from analysis.errors import AnalysisError, UnknownFormat

__all__ = ["product"]


def product(label: str, *, assume: Mapping[str, str] | None = None) -> xr.Dataset | xr.DataTree:
    """Return the product that a PDS3 or PDS4 label describes: the label and all files it points to are brought.

    Parameters
    ----------
    label : str
        Address of the label; its data files are looked for in the same folder, as both standards demand.
    assume : mapping of str to str, optional
        Facts that the label leaves out, as for :func:`analysis.formats.read`: ``frame``, ``units.NAME`` …

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        As :func:`analysis.formats.pds.read` makes it; the provenance names the addresses.

    Raises
    ------
    DownloadError
        If the label or one of its files cannot be brought.
    UnknownFormat
        If there is something else than a label at the address.
    CorruptFile
        If the files are not what the label says.

    Examples
    --------
    >>> from analysis.errors import Offline
    >>> with store.offline():
    ...     try:
    ...         product("https://example.org/DATA/MAG.LBL")
    ...     except Offline as refusal:
    ...         print(refusal)
    https://example.org/DATA/MAG.LBL is not held, and Sankō is offline: ...
    """
    from analysis.formats import pds

    held = store.get(label)
    with held.open("rb") as opened:
        if not pds.recognises(opened.read(1 << 16)):
            raise UnknownFormat(f"{label} is no PDS3 or PDS4 label; give the address of the .LBL or .xml file")
    try:
        names = pds.files_of(held)
        addresses = [urljoin(label, quote(name)) for name in names]
        found = bring([Part(url=address) for address in addresses])
        data = pds.read(held, assume or {}, beside=dict(zip(names, found, strict=True)))
    except AnalysisError as error:
        if label in str(error):
            raise
        raise type(error)(f"{label}: {error}") from error
    return _traced(data, [label, *addresses])


def _traced(data: xr.Dataset | xr.DataTree, addresses: list[str]) -> xr.Dataset | xr.DataTree:
    """Say in the provenance from which addresses, and when, the files came."""
    files = [
        {
            "name": urlsplit(address).path.rsplit("/", 1)[-1],
            "url": address,
            "sha256": known.sha256,
            "size": known.size,
            "retrieved": datetime.fromtimestamp(known.retrieved, UTC).isoformat(timespec="seconds"),
        }
        for address in addresses
        if (known := store.reference(address)) is not None
    ]
    for node in data.subtree if isinstance(data, xr.DataTree) else [data]:
        if "provenance" in node.attrs:
            node.attrs["history"] += f"\narchives.pds.product({addresses[0]!r})"
            node.attrs["provenance"] = json.dumps({"files": files}, ensure_ascii=False)
    return data

"""What an archive has of one observation: its files by what they are, and all of them as one tree.

``observatories.toml`` says where the folders of each mission are and how their files are called.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, NotFound, OutsideCoverage
from analysis.model import history_with, span
from analysis.xray.archived_missions import Observatory, number_of, observatory

if TYPE_CHECKING:
    import pandas as pd

    from analysis.catalogue import Product
    from analysis.model.clocks import Instant

KINDS = ("events", "spectra", "images")
MANY = 10  # sources whose spectra are brought unasked
COLUMNS = ("kind", "node", "camera", "source", "name", "size", "url")


def observation_files(mission: str, obsid: str | int, *, start: Instant | None = None) -> pd.DataFrame:
    """Return the event lists, spectra with what belongs to them, and images that an archive has of one observation.

    The folders are listed over the network; nothing is brought. Of several versions of a file the highest is given.

    Parameters
    ----------
    mission : {"xmm", "chandra", "nustar", "nicer", "swift", "xrism", "suzaku", "ixpe"}
        Whose; its full name does too.
    obsid : str or int
        The observation, with its leading zeros.
    start : time, optional
        An instant of the month in which the observation began, UTC; NICER's and Swift's archives are filed by it.
        Without it the mission's list of observations is asked for the date.

    Returns
    -------
    pandas.DataFrame
        One row a file: ``kind`` (events, spectra, images), ``node`` (where :func:`collect` puts it), ``camera``,
        ``source`` (number of the pipeline's source, decimal; 0 for what is of none), ``name``, ``size`` (bytes; rounded
        by some servers, missing from others), ``url``.

    Raises
    ------
    BadOption
        For an unknown mission, or what is no observation of it.
    OutsideCoverage
        If the archive has no such observation, or none of these files of it.
    DownloadError
        If the archive cannot be asked.

    Examples
    --------
    >>> from analysis.errors import BadOption
    >>> try:
    ...     observation_files("xmm", 693760401)
    ... except BadOption as error:
    ...     print(error)
    obsid=693760401 is no observation of XMM-Newton, whose numbers look like '0693760401' (10 digits)
    """
    import pandas as pd

    from analysis.archives import files

    where = observatory(mission)
    number = number_of(where, obsid)
    filled = _filled(where, number, start)
    rows, lacking = [], []
    for folder in dict.fromkeys(rule["folder"] for rule in where.files):
        address = folder.format(**filled)
        try:
            listed = files.listing(address)
        except NotFound:
            lacking.append(address)
            continue
        names = listed.loc[~listed["is_folder"]]
        for rule in (rule for rule in where.files if rule["folder"] == folder):
            rows += _found(where, rule, names)
    if not rows:
        there = f"the archive has no folder {', '.join(lacking)}" if lacking else "its folders hold none of these files"
        raise OutsideCoverage(
            f"{where.mission} observation {number}: {there}. It may not be public or processed yet, or filed elsewhere"
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(["node", "kind", "name"], ignore_index=True)
    return table.drop_duplicates(["node", "kind"], keep="last", ignore_index=True)


def collected(
    mission: str,
    obsid: str | int,
    *,
    kinds: str | Iterable[str] | None,
    source: int | Iterable[int] | None,
    start: Instant | None,
) -> xr.DataTree:
    """Return what an archive has of one observation as one tree; see :func:`analysis.xray.collect`."""
    from analysis import catalogue

    where, wanted = observatory(mission), _kinds(kinds)
    _refuse_kinds(where, kinds, wanted)
    sources = _source_numbers(where, source)
    table = observation_files(mission, obsid, start=start)
    table = table[table["kind"].isin(wanted)]
    table = _of_sources(where, table, sources, asked="spectra" in (wanted if kinds is not None else ()))
    if table.empty:
        raise OutsideCoverage(f"the archive has no {' or '.join(wanted)} of {where.mission} observation {obsid}")
    number = number_of(where, obsid)
    brought = dict(zip(table["node"], table["url"], strict=True))
    tree = catalogue.fetched("xray", _product(where, number, brought), {"obsid": number, "mission": where.name})
    assert isinstance(tree, xr.DataTree)  # as declared
    return _with_responses(where, number, tree)


def _filled(where: Observatory, number: str, start: Instant | None) -> dict[str, str]:
    """Return what is filled into a folder's address."""
    parts = {"obsid": number, "first": number[0], "last": number[-1], "two": number[:2], "middle": number[1:3]}
    if any("{month}" in rule["folder"] for rule in where.files):
        first = _begun(where, number) if start is None else span(start, None)[0]
        assert first is not None  # a start was given
        parts["month"] = str(first.astype("datetime64[M]")).replace("-", "_")
    return parts


def _begun(where: Observatory, number: str) -> np.datetime64:
    """Return when an observation began, as the mission's list has it."""
    from analysis import catalogue

    listed = catalogue.fetch("xray", where.observations, variables=["mjd"], fields={"obsid": number})
    assert isinstance(listed, xr.Dataset)  # a table is one
    days = listed["mjd"].values.astype(float) if listed.sizes["row"] else np.zeros(0)
    if not (days > 0).any():
        raise OutsideCoverage(
            f"{where.observations} has no start of {where.mission} observation {number}; give start=, the day it began"
        )
    return np.datetime64("1858-11-17", "ns") + np.timedelta64(int(days[days > 0].min() * 86400), "s")


def _found(where: Observatory, rule: Mapping[str, str], names: pd.DataFrame) -> list[tuple[object, ...]]:
    """Return the rows of the files that a rule tells."""
    from analysis.archives._templates import natural

    rows: list[tuple[object, ...]] = []
    for name, size, url in sorted(
        zip(names["name"], names["size"], names["url"], strict=True), key=lambda row: natural(str(row[0]))
    ):
        told = re.fullmatch(rule["pattern"], str(name))
        if told is None:
            continue
        groups = {key: (value or "").lower() for key, value in told.groupdict().items()}
        camera = where.cameras.get(told.groupdict().get("camera") or "", groups.get("camera", ""))
        source = int(groups["source"], 16) if "source" in groups else 0
        node = rule["node"].format(**{**groups, "camera": camera, "source": source})
        rows.append((rule["kind"], node, camera, source, str(name), size, str(url)))
    return rows


def _kinds(kinds: str | Iterable[str] | None) -> tuple[str, ...]:
    if kinds is None:
        return KINDS
    given = (kinds,) if isinstance(kinds, str) else tuple(kinds) if isinstance(kinds, Iterable) else ()
    if not given or (unknown := [kind for kind in given if kind not in KINDS]):
        raise BadOption(f"kinds={kinds!r}: {', '.join(map(repr, unknown)) if given else 'nothing'} is none of {KINDS}")
    return given


def _refuse_kinds(where: Observatory, kinds: object, wanted: Sequence[str]) -> None:
    """Refuse what an archive has of no observation, and say what to do instead."""
    has = {rule["kind"] for rule in where.files}
    if kinds is None or not (lacking := [kind for kind in wanted if kind not in has]):
        return
    instead = {
        "spectra": "make one of the events: xray.event_spectrum",
        "images": "make one of the events: xray.image",
        "events": "ask for another kind",
    }
    told = "; ".join(f"no {kind} ({instead[kind]})" for kind in lacking)
    raise OutsideCoverage(f"of {where.mission} observations there are {' and '.join(sorted(has))} here, but {told}")


def _source_numbers(where: Observatory, source: int | Iterable[int] | None) -> list[int] | None:
    if source is None:
        return None
    given: list[object] = list(source) if isinstance(source, Iterable) else [source]
    numbers = [int(one) for one in given if isinstance(one, Integral) and not isinstance(one, bool) and int(one) > 0]
    if not given or len(numbers) < len(given):
        raise BadOption(f"source={source!r} is no number of a source, or several, such as source=1 or source=[1, 2]")
    if not any("{source}" in rule["node"] for rule in where.files):
        raise BadOption(f"{where.mission}'s archive has no files of single sources; leave source={source!r} out")
    return numbers


def _of_sources(where: Observatory, table: pd.DataFrame, sources: list[int] | None, *, asked: bool) -> pd.DataFrame:
    """Return the files of the sources asked for, and of none."""
    there = sorted({int(one) for one in table["source"]} - {0})
    if sources is not None:
        if lost := [one for one in sources if one not in there]:
            listed = ", ".join(map(str, there)) or "none"
            raise OutsideCoverage(f"there are no spectra of source {', '.join(map(str, lost))}; there are of {listed}")
        return table[table["source"].isin([0, *sources])]
    if len(there) > MANY:
        listed = ", ".join(map(str, there))
        raise BadOption(
            f"there are spectra of {len(there)} sources ({listed}): say which, source={there[0]}, several, "
            f"source={there[:2]}, or take kinds='events'. xray.observation_files lists all files"
        )
    if asked and not there:
        raise OutsideCoverage(
            f"the pipeline made no spectra of this {where.mission} observation: it does for bright sources only. "
            "Make one of the events: xray.event_spectrum"
        )
    return table


def _product(where: Observatory, number: str, brought: Mapping[str, str]) -> Product:
    """Return a declaration of these files of one observation."""
    from analysis import catalogue

    return catalogue.Product(
        name=f"{where.name}_{number}",
        title=f"{where.mission} observation {number}",
        mission=where.mission,
        instrument=", ".join(dict.fromkeys(node.partition("/")[0] for node in brought)),
        kind="tree",
        caveats=where.caveats,
        source=catalogue.Source(
            archive="files",
            templates=brought,
            institution=where.institution,
            references=where.references,
            license="not stated",
        ),
    )


def _with_responses(where: Observatory, number: str, tree: xr.DataTree) -> xr.DataTree:
    """Return the tree with the canned response that each spectrum names beside it."""
    from analysis import catalogue
    from analysis.archives import parts

    if not where.responses:
        return tree
    needed: dict[str, tuple[str, list[str]]] = {}  # file -> detector, nodes of sources
    for node in tree.subtree:
        file = str(node.attrs.get("response_file") or "")
        if node.name == "spectrum" and file not in ("", "NONE", "none"):
            camera = node.path.strip("/").partition("_")[0]
            detector = (where.detectors or {}).get(camera, "")
            needed.setdefault(file, (detector, []))[1].append(str(node.path).rpartition("/")[0].strip("/"))
    found: dict[str, str] = {}
    for file, (detector, _) in needed.items():
        for template in where.responses:
            part = parts.Part(url=template.format(detector=detector, file=file))
            if parts.present([part]):
                found[file] = part.url
                break
    if lost := [file for file in needed if file not in found]:
        told = (
            f"{where.mission} {number}: the response {', '.join(lost)} that the spectra name is not where it was "
            f"looked for ({where.responses[0].partition('{')[0]} and others); give your own to xray.response"
        )
        warnings.warn(told, AnalysisWarning, stacklevel=4)
        tree = tree.map_over_datasets(
            lambda data: data.assign_attrs(history=history_with(data, told)) if data else data
        )
    nodes = {f"{node}/rmf": found[file] for file, (_, of) in needed.items() if file in found for node in of}
    if not nodes:
        return tree
    more = catalogue.fetched("xray", _product(where, number, nodes), {"obsid": number, "mission": where.name})
    assert isinstance(more, xr.DataTree)  # as declared
    held = {
        node.path: node.to_dataset(inherit=False) for part in (tree, more) for node in part.subtree if node.has_data
    }
    return xr.DataTree.from_dict(held, name=tree.name)

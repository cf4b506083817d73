"""A spectrum on the disk with the files that it names: background, response and effective area."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import TypeAlias

import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, MissingFile, WrongData
from analysis.xray.exposures import same_channels, same_instrument
from analysis.xray.folding import response
from analysis.xray.inputs import as_dataset
from analysis.xray.rows import ROWS, spectrum_of

Given: TypeAlias = "str | os.PathLike[str] | xr.Dataset | xr.DataTree"
Companion: TypeAlias = "Given | None"

NAMED = {  # node: attribute, keyword, what it must hold
    "background": ("background_file", "BACKFILE", ("counts", "rate")),
    "rmf": ("response_file", "RESPFILE", ("matrix",)),
    "arf": ("ancillary_file", "ANCRFILE", ("effective_area",)),
}
WHAT = {"background": "spectrum", "rmf": "response (RMF or RSP)", "arf": "effective area (ARF)"}
FOLLOWED = "file"
PACKED = ("", ".gz")


def spectrum_from(
    path: str | os.PathLike[str],
    *,
    number: int | None = None,
    background: Companion = FOLLOWED,
    rmf: Companion = FOLLOWED,
    arf: Companion = FOLLOWED,
) -> xr.DataTree:
    """Return a spectrum file with the background, response and effective area that it names, ready to be fitted.

    BACKFILE, RESPFILE and ANCRFILE are followed as XSPEC and sherpa do: to the folder of the spectrum, whatever folder
    they were in when it was made; packed (``.gz``) will do.

    Parameters
    ----------
    path : str or path-like
        A PHA file.
    number : int, optional
        Which spectrum of a file of type II, by ``spectrum_number``: see :func:`spectrum_of` for other ways.
    background, rmf, arf : "file", path, Dataset, or None, optional
        "file": the one that the spectrum names, if any. A path from where you are, or what ``formats.read`` gave: that
        one instead, of ``rmf`` an RSP too. None: leave it out.

    Returns
    -------
    xarray.DataTree
        ``spectrum`` and, where there are any, ``background``, ``rmf``, ``arf``: what :func:`fit` takes; named as the
        file. A response in several matrices is made one, with the area. A mapping of several such trees is fitted
        together: ``xray.fit({"pn": pn, "mos1": mos1}, …)``.

    Raises
    ------
    MissingFile
        If files that the spectrum names are not beside it; all of them are listed.
    WrongData
        If a companion is of another kind, has other channels, or is the spectrum itself.
    BadOption
        For a file of several spectra without ``number``.

    Warns
    -----
    AnalysisWarning
        If no response is named, without which nothing can be folded.

    Examples
    --------
    >>> from analysis import sample, xray
    >>> pn = xray.spectrum_from(
    ...     sample.path("ngc7793_ulx4_pn.pha"),
    ...     background=sample.path("ngc7793_ulx4_pn_background.pha"),
    ...     rmf=sample.path("ngc7793_ulx4_pn.rmf.gz"),
    ...     arf=sample.path("ngc7793_ulx4_pn.arf"),
    ... )
    >>> pn.name, list(pn.children)
    ('ngc7793_ulx4_pn', ['spectrum', 'background', 'rmf', 'arf'])
    """
    from analysis import formats

    file = Path(path).expanduser()
    read = formats.read(file)
    inside = read.children if isinstance(read, xr.DataTree) else {}
    spectrum = _spectrum(as_dataset(inside.get("spectrum", read), str(file)), file, number)
    given = {"background": background, "rmf": rmf, "arf": arf}
    nodes: dict[str, xr.Dataset | xr.DataTree] = {"spectrum": spectrum}
    missing: list[str] = []
    for part, asked in given.items():
        if asked is None:
            continue
        if isinstance(asked, str) and asked == FOLLOWED:
            name = str(spectrum.attrs.get(NAMED[part][0], "none"))
            if part in inside and name in ("none", file.name):
                nodes[part] = as_dataset(inside[part], part)
                continue
            if name.lower() == "none":
                continue
            if name == file.name:
                raise WrongData(
                    f"{file.name} names itself as {part} ({NAMED[part][1]}), which it does not hold; give {part}= "
                    "yourself, or None to leave it out"
                )
            if (found := _beside(file, name)) is None:
                missing.append(f"{part}={name!r} ({NAMED[part][1]})")
                continue
            nodes[part] = _companion(part, found, number)
        else:
            nodes[part] = _companion(part, asked, number)
    if missing:
        options = ", ".join(f"{text.partition('=')[0]}=" for text in missing)
        raise MissingFile(
            f"{file.name} names files that are not in its folder {file.parent.resolve()}: {', '.join(missing)}; put "
            f"them there, give {options} yourself, or None to leave out"
        )
    _refuse_strangers(file, nodes)
    if isinstance(parts := nodes.get("rmf"), xr.DataTree):  # several matrices: made one here
        nodes["rmf"] = response(parts, arf=nodes.pop("arf", None))
    if "rmf" not in nodes and rmf is not None:
        told = f"{file.name} names no response (RESPFILE): give rmf=, and arf= unless it is in it, to fold models"
        warnings.warn(told, AnalysisWarning, stacklevel=2)
    return xr.DataTree.from_dict(nodes, name=re.sub(r"[\[\]/]", "_", file.name.partition(".")[0]) or "spectrum")


def _spectrum(read: xr.Dataset, file: Path, number: int | None) -> xr.Dataset:
    if "channel" not in read.dims or not {"counts", "rate"} & set(map(str, read.data_vars)):
        raise WrongData(f"{file.name} holds no spectrum: no counts or rate on 'channel', but {list(read.data_vars)}")
    if ROWS not in read.dims:
        if number not in (None, 1):
            raise BadOption(f"number={number!r}: {file.name} holds one spectrum; leave number= out")
        return read
    if number is None:
        numbers = read[ROWS].values.tolist()
        raise BadOption(
            f"{file.name} holds {len(numbers)} spectra: say which, number={numbers[0]} to {numbers[-1]}; gratings can "
            "be had by arm and order from xray.spectrum_of(formats.read(path), grating=, order=)"
        )
    return spectrum_of(read, number)


def _beside(file: Path, name: str) -> Path | None:
    """The file of a name in the folder of another; what is in brackets behind it says an extension or a row."""
    plain = re.sub(r"[\[{].*$", "", name).strip()
    return next((found for end in PACKED if (found := file.parent / f"{plain}{end}").is_file()), None)


def _companion(part: str, given: Given, number: int | None) -> xr.Dataset | xr.DataTree:
    from analysis import formats

    held = given if isinstance(given, xr.Dataset | xr.DataTree) else formats.read(given)
    told = "what was given" if held is given else Path(str(given)).name
    if isinstance(held, xr.DataTree):
        if part == "rmf" and any(str(name).startswith("matrix_") for name in held.children):
            return held
        held = as_dataset(held.children.get(part, held), f"{part}= ({told})")
    if part == "background" and ROWS in held.dims:
        if number is None:
            raise BadOption(f"background: {told} holds several spectra; give one, xray.spectrum_of(…)")
        held = spectrum_of(held, number)
    names = set(map(str, held.data_vars))
    if not names & set(NAMED[part][2]):
        kind = next((WHAT[p] for p, (_, _, of) in NAMED.items() if names & set(of)), f"of {sorted(names)}")
        raise WrongData(f"{part}: {told} is no {WHAT[part]}, but {kind}")
    return held


def _refuse_strangers(file: Path, nodes: dict[str, xr.Dataset | xr.DataTree]) -> None:
    """Refuse a background of other channels; warn of another instrument. Response and area are compared when used."""
    spectrum = as_dataset(nodes["spectrum"], "spectrum")
    if "background" in nodes:
        try:
            same_channels(spectrum, as_dataset(nodes["background"], "background"))
        except WrongData as error:
            raise WrongData(f"{file.name} and its background: {error}") from error
    if isinstance(rmf := nodes.get("rmf"), xr.Dataset):
        same_instrument(spectrum, rmf)

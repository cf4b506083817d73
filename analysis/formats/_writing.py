"""Writing a dataset to a file: whole or not at all, never over another file unasked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.errors import AnalysisError, BadOption, MissingFile, StoreError, WrongData
from analysis.formats import _healpixwrite
from analysis.formats._part import nodes_of
from analysis.model import check

FITS = (".pha", ".pi", ".arf", ".mrf", ".rmf", ".rsp", ".gti", ".evt", ".fits", ".fit", ".fts")
SKIES = (".fits", ".fit", ".fts")  # suffixes of maps of the sky
Writer = Callable[[dict[str, xr.Dataset], Path, str, str | None], None]


def written(
    data: xr.Dataset | xr.DataTree, path: str | os.PathLike[str], *, overwrite: bool, ordering: str | None = None
) -> Path:
    """Write data that keep the data contract, in the format that the path's suffix names; return the path."""
    file, write = _target(path, overwrite)
    if not isinstance(data, xr.Dataset | xr.DataTree):
        raise WrongData(
            f"write takes an xarray Dataset or DataTree, not {type(data).__name__}; a DataArray with its attributes "
            "becomes one with .to_dataset(name='b')"
        )
    check(data)
    nodes = nodes_of(data)
    healpix = file.name.lower().removesuffix(".gz").endswith(SKIES) and _healpixwrite.holds(nodes)
    if file.name.lower().removesuffix(".gz").endswith(SKIES) and len(nodes) > 1 and _all_maps(nodes):
        raise WrongData(
            f"a FITS file holds one map, this tree has {', '.join(nodes)}; write each to its own, or all to .nc"
        )
    if ordering is not None and not healpix:
        raise BadOption(f"ordering={ordering!r} is of HEALPix maps in FITS; {file.name} will be none")
    for node, dataset in nodes.items():
        _refuse_unwritable(dataset, "" if node == "/" else f"{node}: ")
    try:
        with tempfile.TemporaryDirectory(prefix=".sanko-", dir=file.parent) as folder:
            made = Path(folder) / file.name
            tree = str(data.name) if isinstance(data, xr.DataTree) and data.name is not None else None
            if healpix:
                _healpixwrite.write(nodes, made, tree, ordering)
            else:
                write(nodes, made, file.stem, tree)
            with made.open("rb") as held:
                os.fsync(held.fileno())
            _moved(made, file, overwrite=overwrite)
    except AnalysisError:
        raise
    except OSError as error:
        raise StoreError(f"{file} could not be written ({error}); what was there before is unchanged") from error
    return file


def _all_maps(nodes: dict[str, xr.Dataset]) -> bool:
    return all("cells" in data.dims for data in nodes.values() if data.variables)


def _target(path: str | os.PathLike[str], overwrite: bool) -> tuple[Path, Writer]:
    """Return the file to write and what writes it; refuse what stands in the way before any work is done."""
    try:
        file = Path(path).expanduser()
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadOption(f"path={path!r} is not a path; give the name of a file") from error
    if file.suffix.lower() == ".cdf":
        from analysis.formats._cdfwrite import write
    elif file.suffix.lower() in (".nc", ".nc4"):
        from analysis.formats._netcdfwrite import write
    elif file.name.lower().removesuffix(".gz").endswith(FITS):
        from analysis.formats._ogipwrite import write
    else:
        raise BadOption(
            f"{file.name}: formats that are written are CDF (.cdf), netCDF 4 (.nc) and, for X-rays and sky maps, FITS "
            f"({', '.join(FITS)}, plain or .gz); give such a suffix"
        )
    if not file.parent.is_dir():
        raise MissingFile(f"there is no folder {file.parent.absolute()} to write {file.name} to; make it first")
    if not os.access(file.parent, os.W_OK):
        raise StoreError(f"the folder {file.parent.absolute()} may not be written to")
    if file.is_dir():
        raise BadOption(f"{file} is a folder; give the name of a file")
    if os.path.lexists(file) and not overwrite:
        raise _there(file)
    return file, write


def _there(file: Path) -> BadOption:
    return BadOption(f"{file} is there already; give overwrite=True to replace it, or another name")


def _moved(made: Path, file: Path, *, overwrite: bool) -> None:
    """Give a finished file its name in one step; without ``overwrite`` only if nobody has made one meanwhile."""
    if overwrite:
        made.replace(file)
        return
    try:
        os.link(made, file)
    except FileExistsError as error:
        raise _there(file) from error
    except OSError:  # a file system without links
        if os.path.lexists(file):
            raise _there(file) from None
        made.rename(file)


def _refuse_unwritable(data: xr.Dataset, where: str) -> None:
    """Refuse what neither format can hold."""
    import pandas as pd

    for name, variable in data.variables.items():
        if isinstance(data.indexes.get(name), pd.MultiIndex):
            raise WrongData(f"{where}{name} is an index of several levels; use .reset_index({str(name)!r}) first")
        if variable.dtype.kind == "O" and not all(isinstance(v, str) for v in variable.values.flat):
            raise WrongData(f"{where}{name} holds Python objects other than text, which no file can hold")
        if variable.dtype.kind in "Vc" or (variable.dtype.kind == "f" and variable.dtype.itemsize not in (4, 8)):
            hint = "write its real and imaginary parts" if variable.dtype.kind == "c" else "use float32 or float64"
            raise WrongData(f"{where}{name} is of the type {variable.dtype}, which is not written; {hint}")
        for key, value in variable.attrs.items():
            _refuse_attribute(f"{where}{name}", key, value)
    for key, value in data.attrs.items():
        _refuse_attribute(f"{where}the dataset", key, value)


def _refuse_attribute(owner: str, key: object, value: object) -> None:
    plain = (str, int, float, np.integer, np.floating)
    listed = value.tolist() if isinstance(value, np.ndarray) else value
    entries = list(listed) if isinstance(listed, list | tuple) else [listed]
    kinds = {isinstance(entry, str | np.str_) for entry in entries}
    fits = all(isinstance(entry, plain) and not isinstance(entry, bool) for entry in entries) and len(kinds) == 1
    fits = fits and not any(isinstance(entry, int) and not -(2**63) <= entry < 2**63 for entry in entries)
    if not (isinstance(key, str) and key and fits):
        raise WrongData(
            f"{owner}: attribute {key!r} is {value!r:.80}; files hold text, numbers and lists of one of them (for yes "
            "or no the text 'true')"
        )

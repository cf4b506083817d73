"""The public files of the BICEP2/Keck + Planck likelihood of 2015, in CosmoMC's format."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, CorruptFile, MissingFile
from analysis.model import check, labelled, stamp

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

PAPER = "BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301, doi:10.1103/PhysRevLett.114.101301"
MAPS = ("B2K_B", "P217_B", "P353_B")  # of the paper's fiducial analysis, with the first five bins
BINS = (1, 2, 3, 4, 5)
# At a commit, so that the files are always these; as the index of that repository has them, not checked against it.
ADDRESS = (
    "https://raw.githubusercontent.com/cmbant/CosmoMC/cc0ba895b37a3a2e3ae0d274dd491e26d37cc411/data/BKPlanck/"
    "BKPlanck_detset_comb_dust.dataset"
)
NEEDED = ("map_names", "map_fields", "nbins", "cl_lmin", "cl_lmax", "cl_hat_file", "cl_noise_file", "bin_window_files")


def bicep_keck_bandpowers(
    dataset: str | PathLike[str] | None = None,
    *,
    maps: Sequence[str] = MAPS,
    bins: Iterable[int] = BINS,
    live: bool = False,
) -> xr.Dataset:
    """Return bandpowers, windows, covariance and bandpasses of a BICEP/Keck likelihood in CosmoMC's format.

    Parameters
    ----------
    dataset : path
        The ``.dataset`` file; the files it names lie beside it.
    maps : sequence of str, optional
        Which maps; the paper's fiducial choice, the B modes of B2K, P217 and P353, if left out.
    bins : iterable of int, optional
        Which of the nine bandpowers, counted from 1; the first five if left out.
    live : bool, optional
        Bring the files of BICEP2/Keck + Planck 2015 that CosmoMC has (:data:`ADDRESS`); instead of a dataset.

    Returns
    -------
    xarray.Dataset
        Dims ``bin, pair, ell, map, sample``: ``bandpower`` (D_ℓ, uK2, without noise), ``noise``, ``fiducial``,
        ``window`` (on D_ℓ), ``covariance`` (bin, pair, bin_2, pair_2), ``frequency`` and ``response`` of the
        bandpasses (NaN behind their ends); coordinates ``first``, ``second`` name the maps of a pair.

    Raises
    ------
    MissingFile
        If a file is not there.
    CorruptFile
        If a file's columns are not those that the dataset announces, or its shape is another.
    BadOption
        For maps or bins that there are not; if there are both a dataset and ``live=True``, or neither.
    DownloadError
        If a file cannot be brought.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301, doi:10.1103/PhysRevLett.114.101301.

    Examples
    --------
    >>> bicep_keck_bandpowers("nowhere.dataset")
    Traceback (most recent call last):
    ...
    analysis.errors.MissingFile: there is no file nowhere.dataset
    """
    if live == (dataset is not None):
        raise BadOption("give a .dataset file, or live=True to bring BICEP2/Keck and Planck's of 2015; not both")
    if dataset is None:
        with tempfile.TemporaryDirectory(prefix="sanko-") as folder:
            urls, path = _brought(Path(folder))
            made = bicep_keck_bandpowers(path, maps=maps, bins=bins)
        query = {"files": [path.name], "urls": urls, "maps": made["map"].values.tolist()}
        return made.assign_attrs(provenance=json.dumps(query | {"bins": made["bin"].values.tolist()}))
    path = Path(dataset).expanduser()
    told = _settings(path)
    names, fields = (
        told["map_names"].split(),
        dict(zip(told["map_names"].split(), told["map_fields"].split(), strict=True)),
    )
    if unknown := [name for name in maps if name not in names]:
        raise BadOption(f"maps={unknown} are not in {path.name}; it has {', '.join(names)}")
    chosen = sorted(set(maps), key=names.index)
    count = int(told["nbins"])
    numbers = sorted(set(bins))
    if not chosen or not numbers or not all(1 <= n <= count for n in numbers):
        raise BadOption(f"bins={numbers} and maps={chosen}: give bins from 1 to {count} and at least one map")
    pairs = [(a, b) for i, a in enumerate(chosen) for b in chosen[i:]]
    tables = {
        "bandpower": _spectra(path, told, "cl_hat", pairs, count),
        "noise": _spectra(path, told, "cl_noise", pairs, count),
        "fiducial": _spectra(path, told, "cl_fiducial", pairs, count),
    }
    if told.get("cl_hat_includes_noise", "F") != "F" or told.get("cl_fiducial_includes_noise", "F") != "F":
        raise CorruptFile(f"{path} says that its bandpowers hold the noise; only files without it are read")
    rows = np.array(numbers) - 1
    made = labelled_pairs({name: table[rows] for name, table in tables.items()}, pairs, numbers)
    ell, window = _windows(path, told, pairs, numbers)
    made["window"] = _made("window", ("bin", "pair", "ell"), window, "1", "Bandpower window on D_ℓ")
    made = made.assign_coords(ell=("ell", ell, {"units": "1", "long_name": "Multipole ℓ"}))
    covariance = _covariance(path, told, pairs, count)[rows][:, :, rows]
    dims = ("bin", "pair", "bin_2", "pair_2")
    made["covariance"] = _made("covariance", dims, covariance, "uK4", "Covariance of bandpowers")
    made = made.merge(_bandpasses(path, told, chosen, fields))
    pivots = {
        "dust_pivot": float(told.get("fpivot_dust", 353)),
        "synchrotron_pivot": float(told.get("fpivot_sync", 23)),
    }
    made = stamp(
        made.assign_attrs(pivots),
        title="BICEP2/Keck Array and Planck, joint bandpowers",
        institution="BICEP2/Keck and Planck Collaborations",
        source=f"{path.name}: {', '.join(chosen)}",
        references=[PAPER],
        license="public data release, cite",
        history=[f"cmb.bicep_keck_bandpowers(maps={chosen}, bins={numbers})"],
        provenance={"files": [str(path)], "maps": chosen, "bins": numbers},
    )
    return check(made)


def _brought(folder: Path) -> tuple[list[str], Path]:
    """Bring the dataset and every file that it names into a folder; return their addresses and its path."""
    from analysis import store

    path = folder / ADDRESS.rpartition("/")[2]
    shutil.copyfile(store.get(ADDRESS, fresh_for=np.inf), path)
    told = _settings(path)
    keys = ("cl_hat_file", "cl_noise_file", "cl_fiducial_file", "covmat_fiducial")
    names = [told[key] for key in keys if key in told]
    names += [told["bin_window_files"].replace("%u", str(n)) for n in range(1, int(told["nbins"]) + 1)]
    names += [name for key, name in told.items() if key.startswith("bandpass[")]
    urls = [ADDRESS]
    for name in dict.fromkeys(names):
        if not re.fullmatch(r"(?:[\w-]+/)*[\w.-]+", name):
            raise CorruptFile(f"{ADDRESS} names the file {name!r}, which lies elsewhere")
        urls.append(f"{ADDRESS.rpartition('/')[0]}/{name}")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.get(urls[-1], fresh_for=np.inf), folder / name)
    return urls, path


def _settings(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise MissingFile(f"there is no file {path}")
    lines = [line.split("#")[0] for line in path.read_text("utf-8", errors="replace").splitlines()]
    halves = (line.partition("=") for line in lines if "=" in line)
    found = {key.strip(): value.strip() for key, _, value in halves}
    if absent := [name for name in NEEDED if name not in found]:
        raise CorruptFile(f"{path} is no CosmoMC dataset of bandpowers: it does not say {', '.join(absent)}")
    return found


def _beside(path: Path, name: str) -> Path:
    found = path.parent / name
    if not found.is_file():
        raise MissingFile(f"{path.name} names {name}, which is not beside it")
    return found


def _table(file: Path, columns: list[str], announced: str) -> NDArray[np.float64]:
    """The numbers of a file; its own last comment must name the columns that the dataset announces."""
    comments = [line[1:].split() for line in file.read_text("utf-8").splitlines() if line.startswith("#")]
    headers = [words for words in comments if sum("x" in word and "_" in word for word in words) > 1]
    if headers and headers[-1] != columns:
        wrong = next((pair for pair in zip(headers[-1], columns, strict=False) if pair[0] != pair[1]), ("", ""))
        raise CorruptFile(f"{file} says its columns hold {wrong[0]} where the dataset's {announced} says {wrong[1]}")
    try:
        table = np.loadtxt(file, dtype=float, ndmin=2)
    except ValueError as error:
        raise CorruptFile(f"{file} is no table of numbers: {error}") from error
    if bad := int((~np.isfinite(table)).sum()):
        raise CorruptFile(f"{bad} of {table.size} numbers of {file} are NaN or infinite")
    return table


def _column(order: list[str], pair: tuple[str, str], where: Path) -> int:
    for name in (f"{pair[0]}x{pair[1]}", f"{pair[1]}x{pair[0]}"):
        if name in order:
            return order.index(name)
    raise CorruptFile(f"{where} has no spectrum {pair[0]}x{pair[1]}")


def _spectra(path: Path, told: dict[str, str], key: str, pairs: list, count: int) -> NDArray[np.float64]:
    file = _beside(path, told[f"{key}_file"])
    order = told[f"{key}_order"].split()
    table = _table(file, order, f"{key}_order")
    if table.shape != (count, len(order) + 1):
        raise CorruptFile(f"{file} holds {table.shape}; {count} bins of {len(order)} spectra were announced")
    if not np.array_equal(table[:, 0], np.arange(1, count + 1)):
        raise CorruptFile(f"{file}: its bins are {', '.join(f'{n:g}' for n in table[:, 0])}, not 1 to {count} in order")
    return table[:, [1 + _column(order, pair, file) for pair in pairs]]


def _windows(path: Path, told: dict[str, str], pairs: list, numbers: list[int]) -> tuple[NDArray, NDArray]:
    order = told["bin_window_in_order"].split()
    if told.get("bin_window_out_order", told["bin_window_in_order"]).split() != order:
        raise CorruptFile(f"{path} mixes spectra in its windows; that is not read")
    low, high = int(told["cl_lmin"]), int(told["cl_lmax"])
    columns = [1 + _column(order, pair, path) for pair in pairs]
    found = []
    for number in numbers:
        file = _beside(path, told["bin_window_files"].replace("%u", str(number)))
        table = _table(file, order, "bin_window_in_order")
        table = table[(table[:, 0] >= low) & (table[:, 0] <= high)]
        if not np.array_equal(table[:, 0], np.arange(low, low + len(table))):
            raise CorruptFile(f"{file}: its multipoles have gaps")
        found.append(table[:, columns].T)
    return np.arange(low, low + found[0].shape[1]), np.stack(found)


def _covariance(path: Path, told: dict[str, str], pairs: list, count: int) -> NDArray[np.float64]:
    file = _beside(path, told["covmat_fiducial"])
    order = told["covmat_cl"].split()
    table = _table(file, order, "covmat_cl")
    size = count * len(order)
    if table.shape != (size, size):
        raise CorruptFile(f"{file} is {table.shape}; {count} bins of {len(order)} spectra make {size} x {size}")
    columns = [_column(order, pair, file) for pair in pairs]
    level = np.sqrt(np.abs(np.diagonal(table)))
    if (np.diagonal(table) <= 0).any() or (np.abs(table - table.T) > 1e-4 * np.outer(level, level)).any():
        raise CorruptFile(f"{file} is no covariance: it is not symmetric, or a variance is not above zero")
    return table.reshape(count, len(order), count, len(order))[:, columns][:, :, :, columns]


def _made(name: str, dims: tuple[str, ...], values: NDArray, units: str, long_name: str) -> xr.DataArray:
    return labelled(xr.DataArray(values, dims=dims), name, units=units, long_name=long_name)


def labelled_pairs(tables: dict[str, NDArray], pairs: list, numbers: list[int]) -> xr.Dataset:
    """Return tables of bandpowers (bin, pair), labelled with the two maps of each pair.

    Examples
    --------
    >>> made = labelled_pairs({"noise": np.ones((1, 1))}, [("a", "b")], [1])
    >>> made.pair.values.tolist(), made.first.values.tolist(), made.noise.units
    (['axb'], ['a'], 'uK2')
    """
    coords = {
        "bin": ("bin", numbers, {"units": "1", "long_name": "Bandpower"}),
        "pair": ("pair", [f"{a}x{b}" for a, b in pairs], {"long_name": "Pair of maps"}),
        "first": ("pair", [a for a, _ in pairs], {"long_name": "First map"}),
        "second": ("pair", [b for _, b in pairs], {"long_name": "Second map"}),
    }
    names = {"bandpower": "D_ℓ, noise taken off", "noise": "Noise D_ℓ", "fiducial": "D_ℓ of the fiducial model"}
    made = xr.Dataset(coords=coords)
    for name, values in tables.items():
        made[name] = _made(name, ("bin", "pair"), values, "uK2", names[name])
    return made


def _bandpasses(path: Path, told: dict[str, str], chosen: list[str], fields: dict[str, str]) -> xr.Dataset:
    found = [np.loadtxt(_beside(path, told[f"bandpass[{name}]"]), dtype=float, ndmin=2) for name in chosen]
    return bandpass_table(found, chosen, fields)


def bandpass_table(found: list[NDArray], chosen: list[str], fields: dict[str, str]) -> xr.Dataset:
    """Return bandpasses of maps, each of two columns, frequency in GHz and response, padded with NaN.

    Raises
    ------
    CorruptFile
        If a table is not that.

    Examples
    --------
    >>> bandpass_table([np.array([[149.0, 1.0], [151.0, 1.0]])], ["B2K_B"], {"B2K_B": "B"}).response.values
    array([[1., 1.]])
    """
    padded = np.full((2, len(chosen), max(map(len, found))), np.nan)
    for i, table in enumerate(found):
        if table.shape[1] != 2 or not (np.diff(table[:, 0]) > 0).all() or not table[:, 1].sum() > 0:
            raise CorruptFile(f"the bandpass of {chosen[i]} is not two columns of increasing frequency and response")
        padded[:, i, : len(table)] = table.T
    coords = {
        "map": ("map", chosen, {"long_name": "Map"}),
        "field": ("map", [fields[name] for name in chosen], {"long_name": "E or B"}),
    }
    made = xr.Dataset(coords=coords)
    made["frequency"] = _made("frequency", ("map", "sample"), padded[0], "GHz", "Frequency")
    made["response"] = _made("response", ("map", "sample"), padded[1], "1", "Bandpass")
    return made

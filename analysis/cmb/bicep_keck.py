"""The BICEP2/Keck + Planck likelihood of 2015: its public files, its foreground model, and r from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.estimates import checked_grid, posterior_of
from analysis.cmb.likelihoods import hamimeche_lewis_matrix
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, CorruptFile, MissingFile, WrongData
from analysis.model import check, derived, in_units, labelled, stamp

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

PAPER = "BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301, doi:10.1103/PhysRevLett.114.101301"
HL = "Hamimeche & Lewis 2008, PRD 77, 103013, doi:10.1103/PhysRevD.77.103013"
MAPS = ("B2K_B", "P217_B", "P353_B")  # of the paper's fiducial analysis, with the first five bins
BINS = (1, 2, 3, 4, 5)
PIVOT = 80.0  # multipole of the foreground amplitudes
GHZ_KELVIN = 6.62607015e-34 / 1.380649e-23 * 1e9
T_CMB = 2.72548
NEEDED = ("map_names", "map_fields", "nbins", "cl_lmin", "cl_lmax", "cl_hat_file", "cl_noise_file", "bin_window_files")


@dataclass(frozen=True)
class Foregrounds:
    """Dust and synchrotron as the likelihood models them; amplitudes are D_80^BB in µK² at the pivot frequencies."""

    dust: float = 0.0
    synchrotron: float = 0.0
    dust_index: float = 1.59
    synchrotron_index: float = -3.3
    dust_tilt: float = -0.42
    synchrotron_tilt: float = -0.6
    dust_temperature: float = 19.6
    correlation: float = 0.0
    dust_e_to_b: float = 2.0
    synchrotron_e_to_b: float = 2.0


def bicep_keck_bandpowers(
    dataset: str | PathLike[str], *, maps: Sequence[str] = MAPS, bins: Iterable[int] = BINS
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
        For maps or bins that there are not.

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
    path = Path(dataset)
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
    made = _dataset({name: table[rows] for name, table in tables.items()}, pairs, numbers)
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
        return np.loadtxt(file, dtype=float, ndmin=2)
    except ValueError as error:
        raise CorruptFile(f"{file} is no table of numbers: {error}") from error


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
    return table.reshape(count, len(order), count, len(order))[:, columns][:, :, :, columns]


def _made(name: str, dims: tuple[str, ...], values: NDArray, units: str, long_name: str) -> xr.DataArray:
    return labelled(xr.DataArray(values, dims=dims), name, units=units, long_name=long_name)


def _dataset(tables: dict[str, NDArray], pairs: list, numbers: list[int]) -> xr.Dataset:
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


def foreground_scaling(data: xr.Dataset, index: NDArray | float, *, temperature: float | None) -> NDArray[np.float64]:
    """Return how bright dust (with a temperature) or synchrotron (None) is in each map against the pivot.

    In K_CMB over the bandpass, shape (…, map) for indices of shape (…): a greybody
    :math:`\\nu^{3+\\beta}/(e^{h\\nu/kT} - 1)` or a power law :math:`\\nu^{2+\\beta}` of intensity.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301, sect. III; the conventions of CosmoMC.

    Examples
    --------
    >>> flat = xr.Dataset({"frequency": (("map", "sample"), [[352.0, 353.0, 354.0]]),
    ...                    "response": (("map", "sample"), [[0.0, 1.0, 0.0]])}, attrs={"dust_pivot": 353.0})
    >>> foreground_scaling(flat, 1.59, temperature=19.6).round(12)
    array([1.])
    """
    nu = data["frequency"].values
    steps = np.zeros_like(nu)
    for row, step in zip(nu, steps, strict=True):
        size = int(np.isfinite(row).sum())
        step[:size] = np.gradient(row[:size])
    weight = np.where(np.isfinite(nu), steps * data["response"].values, 0)
    nu = np.where(np.isfinite(nu), nu, 1.0)
    pivot = float(data.attrs["synchrotron_pivot" if temperature is None else "dust_pivot"])
    beta = np.asarray(index, dtype=float)[..., None, None]

    def bright(at: NDArray) -> NDArray:
        if temperature is None:
            return at ** (2 + beta)
        return at ** (3 + beta) / np.expm1(GHZ_KELVIN * at / temperature)

    def kelvin(at: NDArray) -> NDArray:
        x = GHZ_KELVIN * at / T_CMB
        return at**4 * np.exp(-x) / np.expm1(-x) ** 2

    at_pivot = np.array([[pivot]])
    intensity = (weight * bright(nu)).sum(axis=-1) / bright(at_pivot)[..., 0]
    return intensity / ((weight * kelvin(nu)).sum(axis=-1) / kelvin(at_pivot)[..., 0])


def _theory_bandpowers(theory: xr.DataArray, data: xr.Dataset) -> NDArray[np.float64]:
    """Binned D_ℓ of the CMB, (bin, pair): EE or BB, nothing where E meets B."""
    ell = data["ell"].values
    if "spectrum" not in theory.coords or np.setdiff1d(ell, theory["ell"].values).size:
        raise WrongData(
            f"theory must hold EE and BB of every ℓ from {ell[0]} to {ell[-1]}, as theory_spectra returns it"
        )
    if not str(theory.attrs.get("long_name", "C_ℓ")).startswith("C_ℓ"):
        raise WrongData(f"theory is {theory.attrs['long_name']!r}; this needs C_ℓ")
    both = in_units(theory, "uK2").sel(spectrum=["EE", "BB"], ell=ell).values * ell * (ell + 1) / (2 * np.pi)
    power = dict(zip("EB", both, strict=True)) | {"": np.zeros(ell.size)}
    return np.einsum("bpl,pl->bp", data["window"].values, np.stack([power[f] for f in _pair_fields(data)]))


def _pair_fields(data: xr.Dataset) -> list[str]:
    field = dict(zip(data["map"].values.tolist(), data["field"].values.tolist(), strict=True))
    pairs = zip(data["first"].values.tolist(), data["second"].values.tolist(), strict=True)
    return [field[a] if field[a] == field[b] else "" for a, b in pairs]


def _foreground_bandpowers(data: xr.Dataset, model: Foregrounds, dust: NDArray, sync: NDArray) -> NDArray[np.float64]:
    """Binned D_ℓ of dust and synchrotron of scalings (…, map), shape (…, bin, pair)."""
    ell = data["ell"].values / PIVOT
    place = {name: i for i, name in enumerate(data["map"].values.tolist())}
    i = [place[name] for name in data["first"].values.tolist()]
    j = [place[name] for name in data["second"].values.tolist()]
    fields = _pair_fields(data)
    dust_share = np.array([{"E": model.dust_e_to_b, "B": 1.0, "": 0.0}[f] for f in fields])
    sync_share = np.array([{"E": model.synchrotron_e_to_b, "B": 1.0, "": 0.0}[f] for f in fields])
    window = data["window"].values
    shape = {t: window @ ell**t for t in (model.dust_tilt, model.synchrotron_tilt)}
    mixed = window @ ell ** ((model.dust_tilt + model.synchrotron_tilt) / 2)
    both = dust[..., i] * sync[..., j] + sync[..., i] * dust[..., j]
    of_dust = model.dust * dust_share * (dust[..., i] * dust[..., j])
    of_sync = model.synchrotron * sync_share * (sync[..., i] * sync[..., j])
    of_both = model.correlation * np.sqrt(model.dust * model.synchrotron * dust_share * sync_share) * both
    parts = ((of_dust, shape[model.dust_tilt]), (of_sync, shape[model.synchrotron_tilt]), (of_both, mixed))
    return np.sum([amount[..., None, :] * tilt for amount, tilt in parts], axis=0)


def _log_like(model: NDArray, data: xr.Dataset) -> NDArray[np.float64]:
    """Log-likelihood of models of shape (…, bin, pair), noise not in them."""
    names = data["map"].values.tolist()
    i = [names.index(name) for name in data["first"].values.tolist()]
    j = [names.index(name) for name in data["second"].values.tolist()]

    def matrices(pairs: NDArray) -> NDArray:
        whole = np.zeros((*pairs.shape[:-1], len(names), len(names)))
        whole[..., i, j] = whole[..., j, i] = pairs
        return whole

    noise = data["noise"].values
    measured, fiducial = (matrices(data[name].values + noise) for name in ("bandpower", "fiducial"))
    x = hamimeche_lewis_matrix(measured, matrices(model + noise), fiducial)[..., i, j]
    covariance = data["covariance"].values
    size = covariance.shape[0] * covariance.shape[1]
    root = np.linalg.inv(np.linalg.cholesky(covariance.reshape(size, size)))
    return -0.5 * ((x.reshape(*x.shape[:-2], size) @ root.T) ** 2).sum(axis=-1)


def bicep_keck_log_likelihood(
    theory: xr.Dataset | xr.DataArray, data: xr.Dataset, *, foregrounds: Foregrounds | None = None
) -> xr.DataArray:
    """Return the log-likelihood of a CMB theory and foregrounds under BICEP/Keck bandpowers (Hamimeche & Lewis).

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray
        ``cl``: EE and BB with tensors and lensing, as from ``theory_spectra(r=0.05)``.
    data : xarray.Dataset
        What :func:`bicep_keck_bandpowers` returns.
    foregrounds : Foregrounds, optional
        None are counted if left out.

    Returns
    -------
    xarray.DataArray
        Log-likelihood, without priors.

    Raises
    ------
    WrongData
        If theory or data lack what is needed, or a matrix is not positive definite.
    WrongUnits, MissingUnits
        If the units of the theory do not convert to uK2.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301; Hamimeche & Lewis 2008, PRD 77, 103013.

    Examples
    --------
    >>> bicep_keck_log_likelihood(xr.DataArray(0.0), xr.Dataset())
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: data must be what cmb.bicep_keck_bandpowers returns
    """
    cl = _checked(theory, data, "cl")
    model = foregrounds or Foregrounds()
    dust = foreground_scaling(data, model.dust_index, temperature=model.dust_temperature)
    sync = foreground_scaling(data, model.synchrotron_index, temperature=None)
    power = _theory_bandpowers(cl, data) + _foreground_bandpowers(data, model, dust, sync)
    value = xr.DataArray(float(_log_like(power, data)))
    marks = synthetic_attrs(theory, data)
    return labelled(value, "log_likelihood", units="1", long_name="Log-likelihood, BICEP/Keck", attrs=marks)


def _checked(theory: xr.Dataset | xr.DataArray, data: xr.Dataset, name: str) -> xr.DataArray:
    if not isinstance(data, xr.Dataset) or not {"bandpower", "window", "response"} <= set(data.data_vars):
        raise WrongData("data must be what cmb.bicep_keck_bandpowers returns")
    array = theory[name] if isinstance(theory, xr.Dataset) and name in theory.data_vars else theory
    if not isinstance(array, xr.DataArray) or "ell" not in array.coords:
        raise WrongData(f"theory must hold C_ℓ as {name!r}, as theory_spectra returns it")
    return array


def bicep_keck_posterior(
    theory: xr.Dataset,
    data: xr.Dataset,
    r: NDArray | xr.DataArray,
    *,
    dust: NDArray | None = None,
    dust_index: tuple[float, float] = (1.59, 0.11),
) -> xr.Dataset:
    """Return the posterior of r under BICEP/Keck bandpowers, dust amplitude and index marginalised.

    Flat priors of r over the grid and of the dust amplitude over its own, a Gaussian one of the index, no
    synchrotron: the paper's fiducial analysis.

    Parameters
    ----------
    theory : xarray.Dataset
        ``lensed`` and ``tensor`` (r = 1), as from :func:`theory_spectra`; its own r does not matter.
    data : xarray.Dataset
        What :func:`bicep_keck_bandpowers` returns.
    r : array
        Increasing, for example ``np.linspace(0, 0.5, 101)``.
    dust : array, optional
        Amplitudes D_80^BB at 353 GHz, uK2; 0 to 15 as in the paper if left out.
    dust_index : (float, float), optional
        Mean and width of the prior of β; taken at eleven points within 3 widths.

    Returns
    -------
    xarray.Dataset
        ``posterior`` (r), ``upper_limit`` (95 %), ``dust_posterior`` (dust), and ``best_r``, where the
        posterior peaks.

    Raises
    ------
    BadOption
        If a grid is not increasing or the prior has no width.
    WrongData
        As for :func:`bicep_keck_log_likelihood`.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301, fig. 6: r = 0.048 +0.035 -0.032, r < 0.12 at 95 %.

    Examples
    --------
    >>> bicep_keck_posterior(xr.Dataset(), xr.Dataset(), [0, 1, 2])
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: data must be what cmb.bicep_keck_bandpowers returns
    """
    lensed, tensor = (_theory_bandpowers(_checked(theory, data, name), data) for name in ("lensed", "tensor"))
    grid = checked_grid(r)
    amount = checked_grid(np.linspace(0, 15, 76) if dust is None else dust)
    mean, width = map(float, dust_index)
    if not width > 0 or amount[0] < 0:
        raise BadOption(f"dust_index={dust_index!r} needs a positive width, and dust amplitudes must not be negative")
    offsets = np.linspace(-3, 3, 11)
    model = Foregrounds(dust=1.0)
    logs = np.empty((grid.size, amount.size, offsets.size))
    cmb = lensed + grid[:, None, None, None] * tensor
    for k, offset in enumerate(offsets):  # each is a whole plane at once
        scaling = foreground_scaling(data, mean + offset * width, temperature=model.dust_temperature)
        one = _foreground_bandpowers(data, model, scaling, np.zeros_like(scaling))
        logs[:, :, k] = _log_like(cmb + amount[:, None, None] * one, data) - offset**2 / 2
    peak = logs.max()
    weight = np.exp(logs - peak).sum(axis=-1)
    at = xr.DataArray(grid, dims="r")
    over_dust = np.log(np.trapezoid(weight, amount, axis=1))
    made = posterior_of(xr.DataArray(over_dust, dims="r", coords={"r": at}))
    of_dust = np.trapezoid(weight, grid, axis=0)
    made = made.assign_coords(dust=("dust", amount, {"units": "uK2", "long_name": "Dust D_80^BB at 353 GHz"}))
    density = of_dust / np.trapezoid(of_dust, amount)
    made["dust_posterior"] = _made(
        "dust_posterior", ("dust",), density, "uK-2", "Posterior density of the dust amplitude"
    )
    best = xr.DataArray(float(grid[over_dust.argmax()]))
    made["best_r"] = labelled(best, "best_r", units="1", long_name="r where the posterior peaks")
    stated = f"r {grid[0]:g} to {grid[-1]:g}, dust {amount[0]:g} to {amount[-1]:g} uK2, index {mean:g} ± {width:g}"
    result = derived(
        made,
        data,
        title="Posterior of r, BICEP2/Keck and Planck",
        step=f"cmb.bicep_keck_posterior: {stated}",
        references=[PAPER, HL],
        also=[theory],
    )
    return check(result)

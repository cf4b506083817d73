"""The public files of Planck's plik_lite likelihood of 2018, and its bins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, CorruptFile, MissingFile, WrongData
from analysis.model import check, in_units, labelled, stamp

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

COUNTS = {"TT": 215, "TE": 199, "EE": 199}
FIRST = 30  # the multipole that the bins count from
LARGEST = 2508
PAPER = "Planck Collaboration V 2020, A&A 641, A5, doi:10.1051/0004-6361/201936386"
FILES = ("cl_cmb_plik_v22.dat", "c_matrix_plik_v22.dat", "blmin.dat", "blmax.dat", "bweight.dat")
# What Cobaya 3 installs as planck_2018_highl_plik.TTTEEE_lite_native; as its source has it, not checked against it.
ADDRESS = "https://github.com/CobayaSampler/planck_native_data/releases/download/v1/plik_lite_2018_AL.zip"
FAR = 1e3  # a χ² per bin that no cosmology near ours has


def plik_lite_bandpowers(folder: str | PathLike[str] | None = None, *, live: bool = False) -> xr.Dataset:
    """Return the bandpowers, windows and covariance of Planck's plik_lite 2018, from its folder or its archive.

    Each spectrum is compared with Planck's best fit, so that TE in the place of EE is refused.

    Parameters
    ----------
    folder : path
        With ``cl_cmb_plik_v22.dat``, ``c_matrix_plik_v22.dat``, ``blmin.dat``, ``blmax.dat``, ``bweight.dat``; or a
        zip or tar file in which they lie in one folder.
    live : bool, optional
        Bring the archive that Cobaya takes (:data:`ADDRESS`), once; instead of a folder.

    Returns
    -------
    xarray.Dataset
        Dim ``point`` (215 TT, 199 TE, 199 EE), coordinates ``label`` and ``ell_effective``: ``bandpower`` (C_ℓ,
        uK2), ``error``, ``window`` (point, ell), ``covariance`` (point, point_2).

    Raises
    ------
    MissingFile
        If the folder or a file is not there.
    CorruptFile
        If a file is not of the size that plik_lite has, or its spectra are not what their place says.
    BadOption
        If there are both a folder and ``live=True``, or neither.
    DownloadError
        If the archive cannot be brought.

    References
    ----------
    Planck Collaboration V 2020, A&A 641, A5, doi:10.1051/0004-6361/201936386.

    Examples
    --------
    >>> plik_lite_bandpowers("nowhere")
    Traceback (most recent call last):
    ...
    analysis.errors.MissingFile: there is no folder nowhere; give that of plik_lite's cl_cmb_plik_v22.dat
    """
    place = _place(folder, live)
    if absent := [name for name in FILES if not (place / name).is_file()]:
        raise MissingFile(f"{folder} lacks {', '.join(absent)} of plik_lite 2018")
    total = sum(COUNTS.values())
    table = _numbers(place / FILES[0], 3 * total).reshape(total, 3)
    first, last = (
        _numbers(place / name, 645)[: COUNTS["TT"]].astype(int) + FIRST for name in ("blmin.dat", "blmax.dat")
    )
    weight = _numbers(place / "bweight.dat", None)
    window = np.zeros((total, LARGEST + 1))
    starts = np.cumsum([0, *COUNTS.values()])
    ell = np.arange(LARGEST + 1)
    inside = (ell >= first[:, None]) & (ell <= last[:, None])
    if weight.size < last[-1] - FIRST + 1:
        raise CorruptFile(f"{place / 'bweight.dat'} has {weight.size} weights; the bins need {last[-1] - FIRST + 1}")
    of_ell = np.concatenate([np.zeros(FIRST), weight])[: LARGEST + 1]
    rows = inside * of_ell
    for start, count in zip(starts, COUNTS.values(), strict=False):
        window[start : start + count] = rows[:count]
    made = labelled_points(table, window, _covariance(place / FILES[1], total))
    _checked_labels(made, place / FILES[0])
    made = stamp(
        made,
        title="Planck 2018 plik_lite bandpowers",
        institution="Planck Collaboration, ESA",
        source="Planck / plik_lite 2018 (PR3)",
        references=[PAPER],
        license="public, cite (ESA/Planck)",
        history=[f"cmb.plik_lite_bandpowers read {', '.join(FILES)}"],
        provenance={"files": [str(place / name) for name in FILES], **({"urls": [ADDRESS]} if live else {})},
    )
    return check(made)


def _place(folder: str | PathLike[str] | None, live: bool) -> Path:
    """The folder with the files: the one given, that inside the archive given, or that inside the one brought."""
    if live == (folder is not None):
        raise BadOption("give the folder of plik_lite's files, or live=True to bring them; not both")
    from analysis import store
    from analysis.archives import packed

    place = store.get(ADDRESS) if folder is None else Path(folder).expanduser()
    if place.is_file():
        inside = sorted(found.parent for found in packed.unpacked(place).rglob(FILES[0]))
        if len(inside) != 1:
            raise MissingFile(f"{ADDRESS if live else place} holds {len(inside)} files {FILES[0]}; plik_lite has one")
        return inside[0]
    if not place.is_dir():
        raise MissingFile(f"there is no folder {folder}; give that of plik_lite's {FILES[0]}")
    return place


def _numbers(path: Path, count: int | None) -> NDArray[np.float64]:
    try:
        found = np.loadtxt(path, dtype=float).ravel()
    except (ValueError, UnicodeDecodeError) as error:
        raise CorruptFile(f"{path} is no table of numbers: {error}") from error
    if (count is not None and found.size != count) or not np.isfinite(found).all():
        raise CorruptFile(f"{path} holds {found.size} numbers, not {count} finite ones")
    return found


def _covariance(path: Path, size: int) -> NDArray[np.float64]:
    """The record of an unformatted Fortran file; only one triangle of it is filled in."""
    content = path.read_bytes()
    length = 8 * size * size
    if len(content) != length + 8 or np.frombuffer(content[:4], "<i4")[0] != length:
        raise CorruptFile(f"{path} has {len(content)} bytes; one record of {size} x {size} numbers has {length + 8}")
    raw = np.frombuffer(content, "<f8", count=size * size, offset=4).reshape(size, size)
    lower = np.tril(raw)
    whole = lower + np.tril(raw, -1).T
    if not np.isfinite(whole).all() or not (np.diag(whole) > 0).all():
        raise CorruptFile(f"{path} holds no covariance: variances must be positive and finite")
    return whole


def labelled_points(table: NDArray, window: NDArray, covariance: NDArray) -> xr.Dataset:
    """Return bandpowers in plik_lite's order, labelled: rows of effective ℓ, C_ℓ and error; windows; covariance.

    Examples
    --------
    >>> points = labelled_points(np.ones((613, 3)), np.ones((613, 31)), np.eye(613))
    >>> points.label.values[[0, 215, 414]].tolist()
    ['TT', 'TE', 'EE']
    """
    label = np.repeat(list(COUNTS), list(COUNTS.values()))
    ell = xr.DataArray(np.arange(window.shape[1]), dims="ell", attrs={"units": "1", "long_name": "Multipole ℓ"})
    centre = {"units": "1", "long_name": "Effective multipole ℓ"}
    coords = {
        "ell": ell,
        "label": ("point", label, {"long_name": "Spectrum"}),
        "ell_effective": ("point", table[:, 0], centre),
    }
    made = xr.Dataset(coords=coords)
    for name, values, dims, units, long_name in (
        ("bandpower", table[:, 1], ("point",), "uK2", "C_ℓ, bandpower"),
        ("error", table[:, 2], ("point",), "uK2", "Error of C_ℓ"),
        ("window", window, ("point", "ell"), "1", "Bandpower window on C_ℓ"),
        ("covariance", covariance, ("point", "point_2"), "uK4", "Covariance of bandpowers"),
    ):
        made[name] = labelled(xr.DataArray(values, dims=dims), name, units=units, long_name=long_name)
    return made


def _checked_labels(made: xr.Dataset, path: Path) -> None:
    from analysis import cmb

    planck = cmb.fetch("planck2018_lcdm")
    assert isinstance(planck, xr.Dataset)
    model = binned_spectra(planck["cl"], made)
    misfit = ((made["bandpower"].values - model) / made["error"].values) ** 2
    for name in COUNTS:
        mean = float(misfit[made["label"].values == name].mean())
        if not mean < FAR:
            raise CorruptFile(f"{path}: what stands in the place of {name} is not {name} (χ² per bin {mean:.3g})")


def binned_spectra(cl: xr.DataArray, data: xr.Dataset) -> NDArray[np.float64]:
    """Return C_ℓ in uK2 averaged over the windows of the bandpowers, in their order.

    Raises
    ------
    WrongData
        If the theory lacks spectra or multipoles.

    Examples
    --------
    >>> points = labelled_points(np.ones((613, 3)), np.eye(613, 31), np.eye(613))
    >>> flat = xr.DataArray(np.ones((3, 31)), {"spectrum": ["TT", "TE", "EE"], "ell": range(31)}, ["spectrum", "ell"])
    >>> float(binned_spectra(flat.assign_attrs(units="uK2"), points)[0])
    1.0
    """
    held = {str(label) for label in cl["spectrum"].values} if "spectrum" in cl.coords else set()
    labels = data["label"].values
    if missing := set(labels.tolist()) - held:
        raise WrongData(
            f"the theory lacks {', '.join(sorted(missing))}; it has {', '.join(sorted(held)) or 'no labels'}"
        )
    used = data["ell"].values[data["window"].values.any(axis=0)]
    if np.setdiff1d(used, cl["ell"].values).size:
        raise WrongData(f"the theory must hold every ℓ from {used[0]} to {used[-1]}; theory_spectra(lmax=2508) does")
    cl = in_units(cl, "uK2")
    values = np.empty(labels.size)
    window = data["window"].sel(ell=used).values
    for name in dict.fromkeys(labels.tolist()):
        rows = labels == name
        values[rows] = window[rows] @ cl.sel(spectrum=name, ell=used).values
    return values

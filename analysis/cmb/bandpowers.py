"""The forms in which spectra are shown: D_ℓ, and means over bins of multipoles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption, WrongData
from analysis.model import derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

Spectra = TypeVar("Spectra", xr.Dataset, xr.DataArray)
WEIGHTINGS = ("modes", "equal")
FORMS = ("cl", "dl")


def d_ell(spectra: Spectra) -> Spectra:
    r"""Return :math:`D_\ell = \ell(\ell+1)\,C_\ell / 2\pi`.

    Parameters
    ----------
    spectra : xarray.Dataset or xarray.DataArray
        ``cl`` with the coordinate ``ell``, before binning; any unit.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        ``dl`` in the same units and dims; a Dataset for a Dataset.

    Raises
    ------
    WrongData
        If it is no :math:`C_\ell`, or is :math:`D_\ell` already.

    References
    ----------
    Bond & Efstathiou 1987, MNRAS 226, 655, doi:10.1093/mnras/226.3.655.

    Examples
    --------
    >>> cl = xr.DataArray([0.0, 0.0, 1.0], dims="ell", coords={"ell": [0, 1, 2]},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> round(float(d_ell(cl)[2]), 3)
    0.955
    """
    array = _cl_of(spectra)
    if "ell" not in array.dims:
        raise WrongData(f"C_ℓ has dims {tuple(map(str, array.dims))}; D_ℓ needs ell: take d_ell first, then binned")
    ell = array["ell"].astype(float)
    name = str(array.attrs["long_name"]).replace("C_ℓ", "D_ℓ")
    kept = {k: v for k, v in array.attrs.items() if k not in ("units", "long_name")}
    dl = labelled(array * ell * (ell + 1) / (2 * np.pi), "dl", units=units_of(array), long_name=name, attrs=kept)
    dl = dl.transpose(*array.dims)
    if isinstance(spectra, xr.DataArray):
        return dl
    dl = dl.assign_attrs(synthetic_attrs(spectra))
    result = dl.to_dataset().assign_attrs(spectra.attrs)
    return derived(result, spectra, title=str(spectra.attrs.get("title", "D_ℓ")), step="cmb.d_ell: ℓ(ℓ+1)C_ℓ/2π")


def _cl_of(spectra: xr.Dataset | xr.DataArray) -> xr.DataArray:
    if isinstance(spectra, xr.Dataset):
        if "cl" not in spectra.data_vars:
            raise WrongData(f"there is no variable 'cl'; there is {', '.join(map(str, spectra.data_vars)) or 'none'}")
        spectra = spectra["cl"]
    if not isinstance(spectra, xr.DataArray):
        raise WrongData(f"spectra is a {type(spectra).__name__}; give what power_spectra returns")
    if "C_ℓ" not in str(spectra.attrs.get("long_name", "")):
        raise WrongData(f"long_name {spectra.attrs.get('long_name')!r} does not say C_ℓ; D_ℓ cannot be made of it")
    return spectra


def binned(spectra: Spectra, *, width: int) -> Spectra:
    r"""Return spectra averaged over bins of multipoles from ℓ = 2, weighted by their :math:`2\ell+1` modes.

    Parameters
    ----------
    spectra : xarray.Dataset or xarray.DataArray
        ``cl`` or ``dl`` (or both) with the dim ``ell``.
    width : int
        Multipoles a bin; the last bin holds what is left.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The same variables with dim ``bin`` for ``ell``; coordinates ``ell_effective`` (the weighted mean),
        ``first_ell`` and ``last_ell`` (both inside the bin). A Dataset for a Dataset.

    Raises
    ------
    BadOption
        If ``width`` is not a positive whole number.
    WrongData
        If it is no spectra (standard deviations do not average), or there are no multipoles from 2 on.

    Examples
    --------
    >>> cl = xr.DataArray(np.ones(12), dims="ell", coords={"ell": np.arange(12)},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> binned(cl, width=4).last_ell.values
    array([ 5,  9, 11])
    """
    width = _checked_width(width)
    if isinstance(spectra, xr.DataArray):
        name = str(spectra.name or "cl")
        return binned(spectra.to_dataset(name=name), width=width)[name].rename(spectra.name)
    if not isinstance(spectra, xr.Dataset):
        raise WrongData(f"spectra is a {type(spectra).__name__}; give what power_spectra returns")
    if "ell" not in spectra.coords or "ell" not in spectra.dims or spectra["ell"].max() < 2:
        raise WrongData(f"the spectra have dims {sorted(map(str, spectra.dims))}; they need ell, up to 2 or beyond")
    for name, array in spectra.data_vars.items():
        if str(array.attrs.get("long_name", "")).startswith("Standard deviation"):
            raise WrongData(
                f"{name} is a standard deviation, and that of a mean is no mean; give knox_error(…, width=)"
            )
    kept = spectra.sel(ell=spectra["ell"] >= 2)
    ell = kept["ell"].values
    if not np.array_equal(ell, np.arange(2, 2 + ell.size)):
        raise WrongData("ell does not run 2, 3, 4 … without gaps, so bins cannot be made of it")
    starts = np.arange(0, ell.size, width)
    result = xr.Dataset({str(k): _bin_means(v, starts) for k, v in kept.data_vars.items() if "ell" in v.dims})
    centres = _bin_means(kept["ell"], starts).values
    result = result.assign_coords(
        ell_effective=_bins(centres, "Effective multipole ℓ"),
        first_ell=_bins(ell[starts], "Smallest multipole of the bin"),
        last_ell=_bins(ell[np.minimum(starts + width, ell.size) - 1], "Largest multipole of the bin"),
    )
    title = str(spectra.attrs.get("title", "Power spectra")) + f", bins of {width}"
    step = f"cmb.binned(width={width}): weights 2ℓ+1"
    return derived(result.assign_attrs(spectra.attrs), spectra, title=title, step=step)


def _bin_means(array: xr.DataArray, starts: NDArray) -> xr.DataArray:
    """Means over the runs of ell that begin at ``starts``, weighted by 2ℓ+1."""
    modes = 2.0 * array["ell"].values + 1
    array = array.transpose(..., "ell")
    means = np.add.reduceat(array.values * modes, starts, axis=-1) / np.add.reduceat(modes, starts)
    coords = {k: c for k, c in array.coords.items() if "ell" not in c.dims}
    return xr.DataArray(means, dims=(*array.dims[:-1], "bin"), coords=coords, attrs=array.attrs)


def _bins(values: NDArray, long_name: str) -> xr.DataArray:
    return xr.DataArray(values, dims="bin", attrs={"units": "1", "long_name": long_name})


@dataclass(frozen=True)
class Bins:
    """Bins of multipoles, and how the multipoles inside one are weighted and shaped.

    ``mean`` (bin, ell) makes bandpowers of :math:`C_\\ell`; ``spread`` (ell, bin) makes the :math:`C_\\ell` that is
    flat in each bin, as :math:`C_\\ell` ("cl") or :math:`D_\\ell` ("dl").
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    form: str
    told: str

    @property
    def coords(self) -> dict[str, xr.DataArray]:
        """The coordinates that ``binned`` gives too."""
        share = self.mean / np.where(self.form == "dl", _d_factor(self.mean.shape[1]), 1)
        centres = (share * np.arange(self.mean.shape[1])).sum(axis=1) / share.sum(axis=1)
        return {
            "ell_effective": _bins(centres, "Effective multipole ℓ"),
            "first_ell": _bins(self.first, "Smallest multipole of the bin"),
            "last_ell": _bins(self.last, "Largest multipole of the bin"),
        }


def bins_of(lmax: int, *, width: int | None, edges: Sequence[int] | None, weighting: str, form: str) -> Bins:
    """Return bins of a width from ℓ = 2 (10 if left out; what is left at the end is left out), or between edges.

    ``edges`` are the first multipole of each bin and, at the end, the first beyond the last.

    Raises
    ------
    BadOption
        If width or edges do not make at least one bin up to ``lmax``, or a word is unknown.

    Examples
    --------
    >>> made = bins_of(20, width=8, edges=None, weighting="equal", form="cl")
    >>> made.first, made.last, made.coords["ell_effective"].values
    (array([ 2, 10]), array([ 9, 17]), array([ 5.5, 13.5]))
    """
    for name, given, known in (("weighting", weighting, WEIGHTINGS), ("form", form, FORMS)):
        if given not in known:
            raise BadOption(f"{name}={given!r} is unknown; give {' or '.join(map(repr, known))}")
    if edges is None:
        width = _checked_width(10 if width is None else width)
        if 2 + width > lmax + 1:
            raise BadOption(f"width={width} makes no whole bin from 2 to lmax={lmax}; give at most {lmax - 1}")
        limits = np.arange(2, lmax + 2, width)
        told = f"bins of {width}"
    elif width is not None:
        raise BadOption(f"width={width!r} and edges= say the same; give one of them")
    else:
        limits = np.asarray(edges)
        whole = limits.ndim == 1 and limits.size > 1 and limits.dtype.kind in "iu"
        if not whole or limits[0] < 2 or limits[-1] > lmax + 1 or (np.diff(limits) <= 0).any():
            raise BadOption(
                f"edges={edges!r} are not increasing whole numbers from 2 to lmax + 1 = {lmax + 1}, "
                "each bin's first multipole and the first beyond the last"
            )
        told = f"{limits.size - 1} bins between edges"
    first, last = limits[:-1], limits[1:] - 1
    ell = np.arange(lmax + 1)
    inside = (ell >= first[:, None]) & (ell <= last[:, None])
    weights = inside * (2.0 * ell + 1 if weighting == "modes" else 1.0)
    mean = weights / weights.sum(axis=1, keepdims=True)
    spread = inside.T.astype(float)
    if form == "dl":
        factor = _d_factor(lmax + 1)
        mean, spread = mean * factor, spread / factor[:, None]
    shape = "D_ℓ" if form == "dl" else "C_ℓ"
    return Bins(first, last, mean, spread, form, f"{told}, weights {weighting}, flat in {shape}")


def _d_factor(size: int) -> NDArray[np.float64]:
    ell = np.arange(size)
    return np.where(ell > 0, ell * (ell + 1) / (2 * np.pi), 1)


def _checked_width(width: int) -> int:
    if not isinstance(width, int | np.integer) or isinstance(width, bool) or width < 1:
        raise BadOption(f"width={width!r} is not a positive whole number of multipoles, for example 8")
    return int(width)

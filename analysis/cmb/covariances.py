r"""How uncertain bandpowers are: Gaussian covariances under a mask, and Knox's formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bandpowers import Bins, bins_of
from analysis.cmb.coupling import checked_mask_lmax, kernels, mask_alm, transfers
from analysis.cmb.decoupling import GROUPS, SPECTRA, binned_block, refuse_narrow, spectra_array, windows_of
from analysis.cmb.harmonics import checked_iterations, checked_lmax, spectrum_of
from analysis.cmb.maps import nside_of
from analysis.cmb.masks import Mask, mask_array, mask_name
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled, unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

EFSTATHIOU = "Efstathiou 2004, MNRAS 349, 603, doi:10.1111/j.1365-2966.2004.07530.x"
GARCIA = "García-García, Alonso & Bellini 2019, JCAP 11, 043, doi:10.1088/1475-7516/2019/11/043"
KNOX = "Knox 1995, PRD 52, 4307, doi:10.1103/PhysRevD.52.4307"


def bandpower_covariance(
    theory: xr.Dataset | xr.DataArray,
    mask: Mask,
    *,
    noise: xr.Dataset | xr.DataArray | None = None,
    lmax: int | None = None,
    width: int | None = None,
    edges: Sequence[int] | None = None,
    weighting: str = "modes",
    form: str = "cl",
    beam: Angle | xr.DataArray | None = None,
    pixels: bool = False,
    iterations: int = 3,
    mask_lmax: int | None = None,
) -> xr.Dataset:
    r"""Return the covariance of a map's mask-corrected bandpowers, all fields Gaussian.

    Spectra are taken to vary little over the width of the mask's kernel: :math:`\mathrm{Cov}(\tilde C^{ab}_\ell,
    \tilde C^{cd}_{\ell'}) = (\bar C^{ac}\bar C^{bd} + \bar C^{ad}\bar C^{bc})\, \Xi_{\ell\ell'}`, products symmetrised
    in :math:`\ell, \ell'`, Ξ the coupling of the squared mask, and :math:`\bar C` the pseudo-spectra over the mean
    squared weight, so that E leaked into B counts. Good to some 10 % for bins away from the lowest; the lowest
    multipoles and steep spectra want simulations, and purified spectra always do.

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray
        :math:`C_\ell` of the sky, dims ``spectrum, ell``; what is missing is zero.
    mask : xarray.DataArray or xarray.Dataset
        Weights from 0 to 1 of I, Q and U.
    noise : xarray.Dataset or xarray.DataArray, optional
        :math:`C_\ell` of the noise in the map (no beam divided out), the same everywhere.
    lmax, width, edges, weighting, form, iterations, mask_lmax
        As for :func:`power_spectra`.
    beam : angle or xarray.DataArray, optional
        As for :func:`beam_window`: lowers the theory, and is undone in the bandpowers.
    pixels : bool
        The same of the pixel window.

    Returns
    -------
    xarray.Dataset
        ``covariance``, dims ``spectrum, bin, spectrum_2, bin_2``, and ``sigma``, dims ``spectrum, bin``, the roots of
        its diagonal.

    Raises
    ------
    BadOption
        If an option is out of range or the bins are too narrow.
    WrongData
        If theory or noise is no C_ℓ up to ``lmax``.

    References
    ----------
    Efstathiou 2004, MNRAS 349, 603, doi:10.1111/j.1365-2966.2004.07530.x; García-García, Alonso & Bellini 2019,
    JCAP 11, 043, doi:10.1088/1475-7516/2019/11/043.

    Examples
    --------
    >>> from analysis import cmb
    >>> found = cmb.bandpower_covariance(cmb.fetch("planck2018_lcdm"), cmb.galactic_mask(16), lmax=32, width=8)
    >>> found.covariance.dims, found.sigma.attrs["units"]
    (('spectrum', 'bin', 'spectrum_2', 'bin_2'), 'uK2')
    """
    array = mask_array(mask)
    nside = nside_of(array, "the mask")
    lmax, iterations = checked_lmax(lmax, nside), checked_iterations(iterations)
    mask_lmax = checked_mask_lmax(mask_lmax, lmax, nside)
    bins = bins_of(lmax, width=width, edges=edges, weighting=weighting, form=form)
    windows = windows_of([beam, beam], lmax=lmax, nside=nside if pixels else None)
    sky = spectra_array(theory, "the theory", lmax=lmax)
    units = str(sky.attrs["units"])
    total = total_spectra(sky, noise, windows)
    weights = array.values.astype(float)
    if not weights.any():
        raise WrongData("the mask keeps no cell at all; widen it")
    options: dict = {"nside": nside, "lmax": mask_lmax, "iterations": iterations}
    alm, squared = mask_alm(weights, **options), mask_alm(weights**2, **options)
    matrices = transfers(dict.fromkeys(("II", "IP", "PI", "PP"), spectrum_of(alm, alm, lmax=mask_lmax)), lmax=lmax)
    kernel = kernels(spectrum_of(squared, squared, lmax=mask_lmax), lmax)
    values = _decoupled_covariance(_effective(total, matrices, weights), kernel, matrices, bins, windows)
    letter = "D_ℓ" if form == "dl" else "C_ℓ"
    marked = synthetic_attrs(theory, noise, mask)
    result = _covariance_dataset(values, bins, units, letter, marked)
    also = [mask, *([] if noise is None else [noise]), *([beam] if isinstance(beam, xr.DataArray) else [])]
    made = result.assign_attrs(marked | {"sky_fraction": float(weights.mean())})
    title = f"Gaussian covariance of bandpowers of {theory.attrs.get('title', 'a theory')}"
    step = f"cmb.bandpower_covariance(lmax={lmax}): {mask_name(mask)}; {bins.told}"
    return check(derived(made, theory, title=title, step=step, references=[EFSTATHIOU, GARCIA], also=also))


def total_spectra(
    sky: xr.DataArray, noise: xr.Dataset | xr.DataArray | None, windows: Mapping[str, NDArray]
) -> dict[str, NDArray[np.float64]]:
    """Return the six spectra of what a map holds: a theory through a window, and noise.

    Examples
    --------
    >>> cl = xr.DataArray([[1.0, 2.0]], dims=("spectrum", "ell"), coords={"spectrum": ["TT"], "ell": [0, 1]},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> total_spectra(cl, cl, dict.fromkeys(SPECTRA, np.ones(2)))["TT"].tolist()
    [2.0, 4.0]
    """
    zero = np.zeros(sky.sizes["ell"])
    known = {str(label): sky.sel(spectrum=label).values for label in sky["spectrum"].values}
    found = {label: known.get(label, zero) * windows[label] for label in SPECTRA}
    if noise is not None:
        added = spectra_array(noise, "the noise", lmax=sky.sizes["ell"] - 1)
        if "Pseudo" in str(added.attrs["long_name"]):
            raise WrongData("the noise is pseudo-C_ℓ; C_ℓ of the whole sky are needed: they are not lowered by a mask")
        added = in_units(added, str(sky.attrs["units"]))
        for label in added["spectrum"].values:
            found[str(label)] = found[str(label)] + added.sel(spectrum=label).values
    return found


def _effective(total: Mapping[str, NDArray], matrices: Mapping, weights: NDArray) -> dict[str, NDArray]:
    found = dict.fromkeys(SPECTRA, np.zeros_like(total["TT"]))
    for (out, into), matrix in matrices.items():
        found[out] = found[out] + matrix @ total[into] / (weights**2).mean()
    return found


def _decoupled_covariance(
    effective: Mapping[str, NDArray], kernel: Mapping[str, NDArray], matrices: Mapping, bins: Bins, windows: Mapping
) -> NDArray[np.float64]:
    """Covariance of all bandpowers, shape (spectrum, bin, spectrum, bin) in the order of SPECTRA."""
    size = bins.first.size
    binned = np.empty((len(SPECTRA), size, len(SPECTRA), size))
    for i, (a, b) in enumerate(map(tuple, SPECTRA)):
        for j, (c, d) in enumerate(map(tuple, SPECTRA[: i + 1])):
            product = _symmetric(effective, a + c, b + d) + _symmetric(effective, a + d, b + c)
            spins = (_spin_kernel(kernel, a + b) + _spin_kernel(kernel, c + d)) / 2
            binned[i, :, j] = bins.mean @ (product * spins) @ bins.mean.T
            binned[j, :, i] = binned[i, :, j].T
    inverse = np.zeros_like(binned)
    for group in GROUPS:
        block = binned_block(matrices, group, bins, windows)
        refuse_narrow(block, group, bins, "")
        solved = np.linalg.inv(block).reshape(len(group), size, len(group), size)
        rows = [SPECTRA.index(label) for label in group]
        inverse[np.ix_(rows, range(size), rows, range(size))] = solved
    flat = len(SPECTRA) * size
    undone = inverse.reshape(flat, flat) @ binned.reshape(flat, flat) @ inverse.reshape(flat, flat).T
    return undone.reshape(len(SPECTRA), size, len(SPECTRA), size)


def _symmetric(spectra: Mapping[str, NDArray], first: str, second: str) -> NDArray[np.float64]:
    x, y = (spectra[name] if name in spectra else spectra[name[::-1]] for name in (first, second))
    return (np.outer(x, y) + np.outer(y, x)) / 2


def _spin_kernel(kernel: Mapping[str, NDArray], label: str) -> NDArray[np.float64]:
    return kernel[("00", "02", "22+")[sum(letter != "T" for letter in label)]]


def _covariance_dataset(values: NDArray, bins: Bins, units: str, letter: str, attrs: dict) -> xr.Dataset:
    labels = xr.DataArray(list(SPECTRA), dims="spectrum", attrs={"long_name": "Spectrum"})
    other = xr.DataArray(list(SPECTRA), dims="spectrum_2", attrs={"long_name": "Second spectrum"})
    dims = ("spectrum", "bin", "spectrum_2", "bin_2")
    coords = {"spectrum": labels, "spectrum_2": other, **bins.coords}
    squared = (unit_of(xr.DataArray(0.0, attrs={"units": units})) ** 2).to_string()
    covariance = labelled(
        xr.DataArray(values, dims=dims, coords=coords),
        "covariance", units=squared, long_name=f"Covariance of {letter} bandpowers", attrs=attrs,
    )  # fmt: skip
    number = len(SPECTRA) * bins.first.size
    diagonal = np.sqrt(np.maximum(np.diag(values.reshape(number, number)), 0)).reshape(len(SPECTRA), -1)
    sigma = xr.DataArray(diagonal, dims=dims[:2], coords={"spectrum": labels, **bins.coords})
    name = f"Standard deviation of {letter} bandpowers"
    return xr.Dataset(
        {"covariance": covariance, "sigma": labelled(sigma, "sigma", units=units, long_name=name, attrs=attrs)}
    )


def knox_error(
    theory: xr.Dataset | xr.DataArray,
    *,
    sky_fraction: float | Mask,
    noise: xr.Dataset | xr.DataArray | None = None,
    beam: Angle | xr.DataArray | None = None,
    lmax: int | None = None,
    width: int | None = None,
    edges: Sequence[int] | None = None,
) -> xr.Dataset:
    r"""Return the error of spectra by counting modes, Knox's formula.

    :math:`\sigma^2 = (C_{XX} C_{YY} + C_{XY}^2)/((2\ell+1) f_{sky})`; noise divided by the beam is part of each C.
    No coupling of multipoles, no leakage of E into B.

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray
        :math:`C_\ell`, dims ``spectrum, ell``; what is missing is zero.
    sky_fraction : float or mask
        From above 0 to 1. Of a mask :math:`\overline{w^2}^2 / \overline{w^4}`, which counts the modes of soft weights.
    noise : xarray.Dataset or xarray.DataArray, optional
        :math:`C_\ell` of the noise in the map.
    beam : angle or xarray.DataArray, optional
        As for :func:`beam_window`, divided out.
    lmax : int, optional
        Largest multipole; that of the theory if left out.
    width, edges : optional
        Average over bins, weights 2ℓ+1, as for :func:`power_spectra`; each multipole if left out.

    Returns
    -------
    xarray.Dataset
        ``sigma``, dims ``spectrum, ell`` (NaN below ℓ = 2) or ``spectrum, bin``, in the units of the theory.

    Raises
    ------
    BadOption
        If the sky fraction or an option is out of range.
    WrongData
        If theory or noise is no C_ℓ up to ``lmax``.

    References
    ----------
    Knox 1995, PRD 52, 4307, doi:10.1103/PhysRevD.52.4307; Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126, eq. 17
    (soft weights).

    Examples
    --------
    >>> from analysis import cmb
    >>> planck = cmb.fetch("planck2018_lcdm")
    >>> error = cmb.knox_error(planck, sky_fraction=0.5, lmax=200)
    >>> ratio = error.sigma.sel(spectrum="TT", ell=2) / planck.cl.sel(spectrum="TT", ell=2)
    >>> round(float(ratio), 4)  # the root of 2 / (5 x 0.5)
    0.8944
    """
    fraction = _mode_fraction(sky_fraction)
    if lmax is None:
        array = theory["cl"] if isinstance(theory, xr.Dataset) and "cl" in theory else theory
        lmax = int(array["ell"].max()) if isinstance(array, xr.DataArray) and "ell" in array.coords else 2
    if not isinstance(lmax, int | np.integer) or isinstance(lmax, bool) or lmax < 2:
        raise BadOption(f"lmax={lmax!r} is not a whole number from 2 on")
    sky = spectra_array(theory, "the theory", lmax=int(lmax))
    windows = windows_of([beam, beam], lmax=int(lmax), nside=None)
    total = total_spectra(sky, noise, windows)
    some = {label: np.where(window > 0, window, np.nan) for label, window in windows.items()}
    total = {label: values / some[label] for label, values in total.items()}
    modes = (2 * sky["ell"].values + 1.0) * fraction
    variance = np.stack([(total[s[0] * 2] * total[s[1] * 2] + total[s] ** 2) / modes for s in SPECTRA])
    marked = synthetic_attrs(theory, noise)
    labels = xr.DataArray(list(SPECTRA), dims="spectrum", attrs={"long_name": "Spectrum"})
    if width is None and edges is None:
        sigma = np.sqrt(variance)
        sigma[:, :2] = np.nan
        ell = sky["ell"].assign_attrs(units="1", long_name="Multipole ℓ")
        made = xr.DataArray(sigma, dims=("spectrum", "ell"), coords={"spectrum": labels, "ell": ell})
        told = "each multipole"
    else:
        bins = bins_of(int(lmax), width=width, edges=edges, weighting="modes", form="cl")
        variance[:, :2] = 0
        sigma = np.sqrt(variance @ (bins.mean**2).T)
        made = xr.DataArray(sigma, dims=("spectrum", "bin"), coords={"spectrum": labels, **bins.coords})
        told = bins.told
    made = labelled(made, "sigma", units=str(sky.attrs["units"]), long_name="Standard deviation of C_ℓ", attrs=marked)
    title = f"Errors by mode counting of {theory.attrs.get('title', 'a theory')}"
    step = f"cmb.knox_error(sky_fraction={fraction:.4f}, lmax={lmax}): {told}"
    dataset = made.to_dataset().assign_attrs(marked | {"sky_fraction": fraction})
    also = [] if noise is None else [noise]
    return check(derived(dataset, theory, title=title, step=step, references=[KNOX], also=also))


def _mode_fraction(sky_fraction: float | Mask) -> float:
    if isinstance(sky_fraction, xr.DataArray | xr.Dataset) and ("cells" in sky_fraction.dims):
        weights = mask_array(sky_fraction).values.astype(float)
        if not weights.any():
            raise WrongData("the mask keeps no cell at all; widen it")
        return float((weights**2).mean() ** 2 / (weights**4).mean())
    try:
        fraction = float(sky_fraction)
    except (TypeError, ValueError) as error:
        raise BadOption(f"sky_fraction={sky_fraction!r} is no number; give one above 0, up to 1, or a mask") from error
    if not 0 < fraction <= 1:
        raise BadOption(f"sky_fraction={fraction!r} must be above 0, up to 1; a mask gives its own")
    return fraction

r"""Spectra of the largest scales by the quadratic maximum-likelihood estimator, for small maps.

With the covariance :math:`C` of the kept cells and :math:`P_p = \partial C/\partial C_p`,
:math:`\hat C = F^{-1}(q - b)`, :math:`q_p = \frac12 d^T C^{-1} P_p C^{-1} d`,
:math:`F_{pp'} = \frac12 \mathrm{Tr}(C^{-1} P_p C^{-1} P_{p'})`. Each :math:`P_p` is a product of harmonics, so all
traces are sums over products of :math:`Z = Y^T C^{-1} Y`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bandpowers import Bins, bins_of
from analysis.cmb.beams import beam_window, pixel_window
from analysis.cmb.decoupling import SPECTRA, spectra_array
from analysis.cmb.harmonics import checked_lmax, map_from_alm, multipoles
from analysis.cmb.maps import nside_of, ring_order, sky_array, u_sign
from analysis.cmb.masks import Mask, mask_told, weights_for
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled, unit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

LARGEST = 16  # nside: beyond, the matrix of cells does not fit
FREE = 1e4  # variance of monopole and dipole of I over the largest of the theory: they are not measured
TEGMARK = "Tegmark & de Oliveira-Costa 2001, PRD 64, 063001, doi:10.1103/PhysRevD.64.063001"


def qml_spectra(
    sky: xr.Dataset | xr.DataArray,
    *,
    theory: xr.Dataset | xr.DataArray,
    variance: xr.Dataset | xr.DataArray,
    mask: Mask | None = None,
    lmax: int | None = None,
    width: int = 1,
    beam: Angle | xr.DataArray | None = None,
    pixels: bool = False,
) -> xr.Dataset:
    r"""Return the spectra of the largest scales with the least variance that a quadratic estimator can have.

    Unbiased whatever the fiducial theory, as long as it and the noise describe the map at its higher multipoles; the
    variance is least, and the errors right, where the theory is that of the sky. Monopole and dipole of I are
    left free. Inside a bin the departure from the theory is taken to be flat.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map of nside 16 or less, dims ``stokes, cells``: I, or Q and U, or all three.
    theory : xarray.Dataset or xarray.DataArray
        Fiducial :math:`C_\ell`, dims ``spectrum, ell``; EB and TB in the convention it states, else that of the map.
    variance : xarray.Dataset or xarray.DataArray
        Noise variance of each cell: a map with the Stokes parameters of ``sky``, or a scalar for all, in squared
        units. No correlations between cells. Some is needed: add a little white noise to a degraded map.
    mask : xarray.DataArray or xarray.Dataset, optional
        Cells of weight above 0 are used, with no weighting among them; all that there are if left out.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1``, which is taken if left out. The map must hold nothing beyond.
    width : int
        Multipoles a bin, from ℓ = 2.
    beam, pixels
        What the map was smoothed by, as for :func:`synthesized`; undone.

    Returns
    -------
    xarray.Dataset
        ``cl`` and ``sigma``, dims ``spectrum, bin``, and ``covariance``, dims ``spectrum, bin, spectrum_2, bin_2``, the
        inverse Fisher matrix at the fiducial theory.

    Raises
    ------
    BadOption
        If nside is too large or an option out of range.
    WrongData
        If noise is missing, not positive or too little to invert the covariance, or the mask leaves too little to
        tell all spectra apart.
    WrongFrame, WrongUnits
        As for :func:`power_spectra`.

    References
    ----------
    Tegmark 1997, PRD 55, 5895, doi:10.1103/PhysRevD.55.5895; Tegmark & de Oliveira-Costa 2001, PRD 64, 063001,
    doi:10.1103/PhysRevD.64.063001 (polarization).

    Examples
    --------
    >>> from analysis import cmb
    >>> planck = cmb.fetch("planck2018_lcdm")
    >>> sky = cmb.synthesized(cmb.random_coefficients(planck, lmax=11, seed=1), nside=4)
    >>> little = xr.DataArray(1e-4, attrs={"units": "uK2"})
    >>> found = cmb.qml_spectra(sky, theory=planck, variance=little, lmax=11)
    >>> found.cl.dims, found.cl.sizes["bin"]
    (('spectrum', 'bin'), 10)
    """
    array = sky_array(sky)
    nside = nside_of(array)
    if nside > LARGEST:
        raise BadOption(f"nside={nside} is too fine: all pairs of cells are needed; degrade to {LARGEST} or less")
    lmax = checked_lmax(3 * nside - 1 if lmax is None else lmax, nside)
    bins = bins_of(lmax, width=width, edges=None, weighting="modes", form="cl")
    units = units_of(array)
    square = (unit_of(xr.DataArray(0.0, attrs={"units": units})) ** 2).to_string()
    held = [str(label) for label in array["stokes"].values]
    if sorted(held) not in (["I"], ["Q", "U"], ["I", "Q", "U"]):
        raise WrongData(f"the map has Stokes {', '.join(held)}; spectra need I, or Q and U, or all three")
    array = array.sel(stokes=[label for label in "IQU" if label in held])
    weights = weights_for(array, mask)
    kept = weights > 0
    sign = u_sign(array)
    given_theory = spectra_array(theory, "the theory", lmax=lmax)
    said = theory.attrs.get("polconv", given_theory.attrs.get("polconv"))
    cl = _fiducial(in_units(given_theory, square), sign if said is None else -1 if said == "IAU" else 1)
    noise = _variance(variance, array, square, kept)
    fields = ("T" if "I" in held else "") + ("EB" if "Q" in held else "")
    basis = _harmonics(fields, nside, lmax, kept, _smoothing(beam, pixels, nside, lmax))
    data = np.array(array.values, dtype=float)
    if "U" in held:
        data[-1] *= sign
    estimate, covariance = _estimate(basis, data[:, kept].ravel(), noise, cl, fields, bins)
    labels = [s for s in SPECTRA if set(s) <= set(fields)]
    signs = np.array([sign if s in ("EB", "TB") else 1 for s in labels])
    covariance = covariance * signs[:, None, None, None] * signs[:, None]
    result = _qml_dataset(estimate * signs[:, None], covariance, labels, bins, square)
    facts = {k: array.attrs[k] for k in ("polconv", "temperature_scale") if k in array.attrs}
    given = [variance, theory, *([] if mask is None else [mask])]
    marked = synthetic_attrs(sky, variance, mask)
    attrs = facts | marked | {"sky_fraction": float(kept.mean())}
    result = result.assign({name: a.assign_attrs(facts | marked) for name, a in result.data_vars.items()})
    step = (
        f"cmb.qml_spectra(lmax={lmax}, width={width}): {mask_told(mask, kept.astype(float))}; monopole and dipole free"
    )
    title = f"Spectra (quadratic maximum likelihood) of {sky.attrs.get('title', 'a map')}"
    made = derived(result.assign_attrs(attrs), sky, title=title, step=step, references=[TEGMARK], also=given)
    if not synthetic_attrs(sky, variance, mask):
        made.attrs.pop("synthetic", None)
    return check(made)


def _fiducial(theory: xr.DataArray, sign: int) -> dict[str, NDArray[np.float64]]:
    """The six spectra in COSMO, monopole and dipole free."""
    known = {str(label): theory.sel(spectrum=label).values.copy() for label in theory["spectrum"].values}
    found = {s: known.get(s, np.zeros(theory.sizes["ell"])) * (sign if s in ("EB", "TB") else 1) for s in SPECTRA}
    for label in found:
        found[label][:2] = FREE * found["TT"].max() if label == "TT" else 0
    return found


def _variance(
    variance: xr.Dataset | xr.DataArray, array: xr.DataArray, square: str, kept: NDArray
) -> NDArray[np.float64]:
    """Noise variance of the kept cells, Stokes by Stokes."""
    if isinstance(variance, xr.DataArray) and variance.ndim == 0:
        values = np.full((array.sizes["stokes"], int(kept.sum())), float(in_units(variance, square)))
    else:
        given = sky_array(variance, needs="".join(map(str, array["stokes"].values)), what="the variance")
        if nside_of(given) != nside_of(array):
            raise WrongData(f"the variance has nside {nside_of(given)}, the map {nside_of(array)}; make them alike")
        values = in_units(given, square).sel(stokes=array["stokes"]).values[:, kept]
    if not (np.isfinite(values) & (values > 0)).all():
        raise WrongData("the noise variance must be positive and finite in every kept cell; add a little white noise")
    return values.ravel()


def _smoothing(beam: Angle | xr.DataArray | None, pixels: bool, nside: int, lmax: int) -> dict[str, NDArray]:
    window = np.ones((3, lmax + 1))
    if beam is not None:
        window = window * beam_window(beam, lmax=lmax).values
    if pixels:
        window = window * pixel_window(nside, lmax=lmax).values
    return dict(zip("TEB", window, strict=True))


def _harmonics(fields: str, nside: int, lmax: int, kept: NDArray, smoothing: dict[str, NDArray]) -> NDArray[np.float64]:
    """What each real mode of unit variance is in the kept cells, shape (field, mode, Stokes × cells)."""
    ell, m = multipoles(lmax)
    modes = np.arange(ell.size)
    rows = np.concatenate([modes, modes[m > 0]])
    phase = np.concatenate([np.where(m > 0, np.sqrt(0.5), 1), np.full((m > 0).sum(), 1j * np.sqrt(0.5))])
    unit = np.zeros((rows.size, ell.size), dtype=complex)
    unit[np.arange(rows.size), rows] = phase
    cells, order = int(kept.sum()), ring_order(nside)
    planes = "I" * ("T" in fields) + "QU" * ("E" in fields)
    result = np.zeros((len(fields), rows.size, len(planes), cells))
    for number, field in enumerate(fields):
        given = unit * smoothing[field][ell]
        nothing = np.zeros_like(given)
        parts = {"T": [given], "E": [given, nothing], "B": [nothing, given]}[field]
        made = np.stack([map_from_alm(alm, nside=nside, lmax=lmax) for alm in np.stack(parts, axis=1)])
        nested = np.empty_like(made)
        nested[..., order] = made
        first = planes.index("I" if field == "T" else "Q")
        result[number, :, first : first + len(parts)] = nested[..., kept]
    return result.reshape(len(fields), rows.size, -1)


def _estimate(
    basis: NDArray, data: NDArray, noise: NDArray, cl: dict[str, NDArray], fields: str, bins: Bins
) -> tuple[NDArray, NDArray]:
    """Estimates and their covariance, in the order of SPECTRA as far as there are fields."""
    from scipy.linalg import cho_factor, cho_solve

    ell, m = multipoles(bins.mean.shape[1] - 1)
    ells = np.concatenate([ell, ell[m > 0]])
    covariance = np.diag(noise)
    for i, x in enumerate(fields):
        for j, y in enumerate(fields):
            power = cl[x + y if x + y in cl else y + x]
            if power.any():
                covariance += (basis[i].T * power[ells]) @ basis[j]
    flat = basis.reshape(-1, basis.shape[-1])
    try:
        factor = cho_factor(covariance, lower=True, overwrite_a=True)
    except np.linalg.LinAlgError as error:
        raise WrongData(
            f"too little noise for this theory: with variances from {noise.min():.1e} on the cells' covariance is "
            "singular to rounding; add a little white noise to the map and its variance"
        ) from error
    solved = cho_solve(factor, flat.T)
    shape = (len(fields), ells.size)
    z = (flat @ solved).reshape(*shape, *shape)
    weighted = (solved.T @ data).reshape(shape)
    each = (ells == np.arange(ell.max() + 1)[:, None]).astype(float)  # which modes an ℓ has
    labels = [s for s in SPECTRA if set(s) <= set(fields)]
    pairs = {s: {(fields.index(s[0]), fields.index(s[1])), (fields.index(s[1]), fields.index(s[0]))} for s in labels}
    fisher = np.stack([[_trace(z, pairs[s], pairs[t], each) for t in labels] for s in labels])  # (s, t, ℓ, ℓ')
    mean = np.stack([sum(each @ np.diag(z[x, :, y]) for x, y in pairs[s]) / 2 for s in labels])
    found = np.stack([sum(each @ (weighted[x] * weighted[y]) for x, y in pairs[s]) / 2 for s in labels])
    inside = (bins.spread > 0).astype(float)
    matrix = np.einsum("lb,stlk,kc->sbtc", inside, fisher, inside)
    size = len(labels) * bins.first.size
    matrix = matrix.reshape(size, size)
    if not np.linalg.cond(matrix / np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))) < 1e10:
        raise WrongData(f"{bins.told} and this mask leave spectra that cannot be told apart; give a larger width=")
    inverse = np.linalg.inv(matrix)
    shape = (len(labels), bins.first.size)
    expected = np.stack([bins.mean @ cl[s] for s in labels])  # no bin holds the free multipoles
    departure = (inverse @ ((found - mean) @ inside).ravel()).reshape(shape)
    return expected + departure, inverse.reshape(*shape, *shape)


def _trace(z: NDArray, first: set, second: set, each: NDArray) -> NDArray[np.float64]:
    """Half the trace of two derivatives between inverse covariances, for each ℓ and ℓ'."""
    terms = [z[y, :, u] * z[x, :, v] for x, y in first for u, v in second]
    return each @ np.sum(terms, axis=0) @ each.T / 2


def _qml_dataset(values: NDArray, covariance: NDArray, labels: list[str], bins: Bins, units: str) -> xr.Dataset:
    spectrum = xr.DataArray(labels, dims="spectrum", attrs={"long_name": "Spectrum"})
    second = xr.DataArray(labels, dims="spectrum_2", attrs={"long_name": "Second spectrum"})
    coords = {"spectrum": spectrum, **bins.coords}
    number = values.size
    sigma = np.sqrt(np.diag(covariance.reshape(number, number))).reshape(values.shape)
    squared = (unit_of(xr.DataArray(0.0, attrs={"units": units})) ** 2).to_string()
    dims = ("spectrum", "bin")
    made = {
        "cl": (xr.DataArray(values, dims=dims, coords=coords), units, "C_ℓ, quadratic maximum likelihood"),
        "sigma": (xr.DataArray(sigma, dims=dims, coords=coords), units, "Standard deviation of C_ℓ"),
        "covariance": (
            xr.DataArray(covariance, dims=(*dims, "spectrum_2", "bin_2"), coords={**coords, "spectrum_2": second}),
            squared,
            "Covariance of C_ℓ, inverse Fisher matrix",
        ),
    }
    return xr.Dataset({k: labelled(a, k, units=u, long_name=name) for k, (a, u, name) in made.items()})

"""Internal linear combinations: the CMB as the mixture of bands with least variance, in harmonics or on needlets."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bands import band_array, noise_levels
from analysis.cmb.common_beams import FIELDS, Prepared, field_alms, prepared, stokes_values
from analysis.cmb.emission import (
    band_coords,
)
from analysis.cmb.harmonics import alm_from_map, multipoles
from analysis.cmb.maps import FACTS, map_dataset, nside_of, ring_order, seen
from analysis.cmb.masks import mask_told
from analysis.cmb.needlets import Scale, constrained_weights, needlet_maps, needlet_scales, needlet_weights
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import check, derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle
    from analysis.cmb.masks import Mask


def harmonic_ilc(
    sky: xr.Dataset,
    *,
    null: Sequence[str] = (),
    tolerance: float = 0.05,
    stokes: str = "QU",
    mask: Mask | None = None,
    beam: Angle | None = None,
    noise: xr.DataArray | None = None,
    through: xr.Dataset | None = None,
    indices: Mapping[str, float] | None = None,
    bandpass: str = "delta",
    lmax: int | None = None,
    iterations: int = 3,
) -> xr.Dataset:
    r"""Return the CMB as the combination of bands with least power in each bin of multipoles.

    With :math:`C` the covariance of the bands in a bin and :math:`F` the spectrum of the CMB (1 in K_CMB) and of what
    is nulled, the weights are :math:`w = C^{-1}F(F^TC^{-1}F)^{-1}e_1`: 1 for the CMB and 0 for those. Nothing else
    about the foregrounds is assumed. Bias: chance correlations take away about
    :math:`(n_{bands} - n_{constraints})/N_{modes}` of the power of the CMB; bins are as wide as it takes to keep this
    below ``tolerance``. Nulling costs noise, and an index that is off leaves foreground behind.

    Parameters
    ----------
    sky : xarray.Dataset
        ``sky``, dims ``frequency, stokes, cells``, in K_CMB; ``beam`` says how each band is smoothed (all alike if it
        has none).
    null : sequence of {"dust", "synchrotron"}, optional
        Components to be nulled, with the spectra of ``indices``.
    tolerance : float, optional
        Largest share of the CMB's power that may be lost.
    stokes : {"QU", "I", "IQU"}, optional
        T, E and B are combined each on its own.
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights from 0 to 1, the maps are multiplied by them and so is the result (divide soft ones out before taking
        spectra with the same mask); without it every cell must have been observed.
    beam : angle, optional
        FWHM of the result, degrees or text with a unit; the largest of the bands if left out.
    noise : xarray.DataArray, optional
        As for :func:`parametric_components`; the map's ``depth`` if left out, no ``noise_cl`` without both.
    through : xarray.Dataset, optional
        Other maps of the same bands (noise alone, foregrounds alone) to be combined with the same weights.
    indices : mapping, optional
        ``beta_dust``, ``temperature_dust``, ``beta_synchrotron`` of what is nulled.
    bandpass : {"delta", "tophat"}, optional
    lmax, iterations : int, optional
        Largest multipole, ``2 nside`` if left out; Jacobi iterations of the analysis.

    Returns
    -------
    xarray.Dataset
        ``sky`` in uK, dims ``stokes, cells``; ``weight`` (field, bin, frequency), ``bias`` (bin), the expected
        relative loss of power; ``noise_cl``, C_ℓ of the noise of the result with its beam; ``propagated`` with
        ``through``; ``beam``.

    Raises
    ------
    BadOption
        If an option is none, or a beam finer than a band's would amplify too much.
    WrongData
        If there are too few bands or modes, spectra look alike, or a kept cell was not observed.

    References
    ----------
    Tegmark, de Oliveira-Costa & Hamilton 2003, PRD 68, 123523, doi:10.1103/PhysRevD.68.123523; Remazeilles,
    Delabrouille & Cardoso 2011, MNRAS 410, 2481, doi:10.1111/j.1365-2966.2010.17624.x (constrained); Delabrouille et
    al. 2009, A&A 493, 835, doi:10.1051/0004-6361:200810514 (bias).

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("planck", 16, seed=1, beams="10 deg")
    >>> made = harmonic_ilc(sky, null=["dust"])
    >>> bool(abs(made.weight.sum("frequency") - 1).max() < 1e-9)
    True
    """
    null = [null] if isinstance(null, str) else list(null)
    ready = prepared(sky, null, stokes, mask, beam, indices, bandpass, lmax, iterations)
    edges = _edges(ready, _checked_tolerance(tolerance))
    ell, m = multipoles(ready.lmax)
    double = np.where(m > 0, 2, 1)
    fields, bands, _ = ready.alms.shape
    weights = np.zeros((fields, len(edges) - 1, bands))
    bin_of = np.clip(np.searchsorted(edges, ell, side="right") - 1, 0, len(edges) - 2)
    for field in range(fields):
        for number in range(len(edges) - 1):
            inside = (ell >= edges[number]) & (ell < edges[number + 1])
            part = ready.alms[field][:, inside]
            covariance = ((part * double[inside]) @ part.conj().T).real
            weights[field, number] = constrained_weights(covariance, ready.spectra)

    def combined(alms: NDArray) -> NDArray:
        made = np.stack([np.einsum("bn,nb->n", alms[f], weights[f][bin_of]) for f in range(fields)])
        made[:, ell < 2] = 0
        return made

    result = _map_dataset(combined(ready.alms), ready, stokes)
    if through is not None:
        result["propagated"] = _propagated(through, ready, stokes, combined, iterations)
    names = list(FIELDS[stokes])
    _label_weights(result, weights, edges, names, ready, sky)
    if noise is not None or "depth" in sky.data_vars:
        result["noise_cl"] = _noise_spectra(weights, edges, ready, noise_levels(ready.array, noise, sky), stokes)
    step = f"cmb.harmonic_ilc(null={null}, tolerance={tolerance:g}, lmax={ready.lmax})"
    also = [data for data in (mask, through) if data is not None]
    return _finished(result, sky, ready, step, "Harmonic ILC", mask, also)


def needlet_ilc(
    sky: xr.Dataset,
    *,
    null: Sequence[str] = (),
    tolerance: float = 0.05,
    peaks: Sequence[int] | None = None,
    stokes: str = "QU",
    mask: Mask | None = None,
    beam: Angle | None = None,
    through: xr.Dataset | None = None,
    indices: Mapping[str, float] | None = None,
    bandpass: str = "delta",
    lmax: int | None = None,
    iterations: int = 3,
) -> xr.Dataset:
    r"""Return the CMB as the combination of bands with least variance, in each needlet scale and place.

    Cosine needlets, :math:`\sum_j h_j^2(\ell) = 1`, cut the sky into scales; in each, covariances are averaged with a
    Gaussian about cells of nside 8 at most, within which the weights are constant. It is as wide as it takes to
    keep the expected loss of the CMB's power, :math:`(n_{bands} - n_{constraints})/N_{modes}`, below ``tolerance``, up
    to the whole sky. ``null`` makes it the constrained ILC (cILC), which lets nothing of these spectra through. Noise
    of the result: give maps of noise as ``through``.

    Parameters
    ----------
    sky, null, tolerance, stokes, mask, beam, through, indices, bandpass, lmax, iterations
        As for :func:`harmonic_ilc`.
    peaks : sequence of int, optional
        Multipoles at which the needlets peak, increasing; as close as the modes allow, and 1.4 times apart at least,
        if left out.

    Returns
    -------
    xarray.Dataset
        ``sky`` in uK, dims ``stokes, cells``; ``needlet`` (scale, ell); ``bias`` and ``domain`` (FWHM in degrees, 360
        for the whole sky) of each scale; ``propagated`` with ``through``; ``beam``.

    Raises
    ------
    BadOption, WrongData
        As for :func:`harmonic_ilc`.

    References
    ----------
    Delabrouille et al. 2009, A&A 493, 835, doi:10.1051/0004-6361:200810514; Remazeilles, Delabrouille & Cardoso 2011,
    MNRAS 410, 2481, doi:10.1111/j.1365-2966.2010.17624.x; Basak & Delabrouille 2013, MNRAS 435, 18,
    doi:10.1093/mnras/stt1158 (polarization).

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("planck", 16, seed=1, beams="10 deg")
    >>> needlet_ilc(sky, null=["dust"]).sky.sizes["cells"]
    3072
    """
    null = [null] if isinstance(null, str) else list(null)
    ready = prepared(sky, null, stokes, mask, beam, indices, bandpass, lmax, iterations)
    target = (ready.alms.shape[1] - ready.spectra.shape[1]) / _checked_tolerance(tolerance)
    enough = target / _sky_share(ready)
    scales = needlet_scales(peaks, lmax=ready.lmax, nside=ready.nside, modes=enough)
    found: list[list[tuple[NDArray, float, float]]] = []  # [scale][field]
    for scale in scales:
        row = []
        for field in range(len(ready.alms)):
            row.append(needlet_weights(ready.alms[field], scale, ready.weights, ready.spectra, target))
        found.append(row)

    def combined(alms: NDArray) -> NDArray:
        return np.stack([_needlet_sum(alms[f], scales, [row[f][0] for row in found]) for f in range(len(alms))])

    result = _map_dataset(combined(ready.alms), ready, stokes)
    if through is not None:
        result["propagated"] = _propagated(through, ready, stokes, combined, iterations)
    about = synthetic_attrs(ready.array)
    number = {"units": "1", "long_name": "Needlet scale"}
    result = result.assign_coords(
        scale=("scale", np.arange(len(scales)), number),
        ell=("ell", np.arange(ready.lmax + 1), {"units": "1", "long_name": "Multipole"}),
    )
    for name, dims, values, units, said in (
        ("needlet", ("scale", "ell"), np.stack([s.window for s in scales]), "1", "Needlet window"),
        ("bias", ("scale",), [-max(f[1] for f in row) for row in found], "1", "Expected relative change of CMB power"),
        ("domain", ("scale",), [row[0][2] for row in found], "deg", "FWHM over which covariances are averaged"),
    ):
        result[name] = labelled(xr.DataArray(values, dims=dims), name, units=units, long_name=said, attrs=about)
    worst = max(f[1] for row in found for f in row)
    if worst > 1.001 * tolerance:
        message = (
            f"even averaged over all of the sky kept, a scale loses {worst:.1%} of the CMB's power, more than asked"
        )
        warnings.warn(message, AnalysisWarning, stacklevel=2)
    step = f"cmb.needlet_ilc(null={null}, tolerance={tolerance:g}, lmax={ready.lmax}, scales={len(scales)})"
    also = [data for data in (mask, through) if data is not None]
    return _finished(result, sky, ready, step, "Needlet ILC", mask, also)


def _checked_tolerance(tolerance: float) -> float:
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 < tolerance < 0.5:
        raise BadOption(f"tolerance={tolerance!r} is no share of the CMB's power between 0 and 0.5; 0.05 is 5 %")
    return float(tolerance)


def _sky_share(ready: Prepared) -> float:
    """Return the share of all modes that a mask leaves, (Σw)² / (n Σw²)."""
    return float(ready.weights.sum() ** 2 / (ready.weights**2).sum() / ready.weights.size)


def _edges(ready: Prepared, tolerance: float) -> NDArray[np.int64]:
    """Return the edges of bins with enough modes each."""
    bands, constraints = ready.spectra.shape
    share = _sky_share(ready)
    needed = max((bands - constraints) / tolerance, bands + 1)
    edges, modes = [2], 0.0
    for ell in range(2, ready.lmax + 1):
        modes += (2 * ell + 1) * share
        if modes >= needed:
            edges.append(ell + 1)
            modes = 0.0
    if len(edges) == 1:
        raise WrongData(
            f"{bands} bands need {needed:.0f} modes to lose no more than {tolerance:g} of the CMB; up to "
            f"ℓ = {ready.lmax} there are fewer: raise tolerance or lmax, or use fewer bands"
        )
    edges[-1] = ready.lmax + 1  # what is left over joins the last bin
    return np.array(edges)


def _map_dataset(alm: NDArray, ready: Prepared, stokes: str) -> xr.Dataset:
    """Return the map of combined fields, in the convention of the input, NaN where the mask is 0."""
    values = stokes_values(alm, ready, stokes)
    attrs = {k: v for k, v in ready.array.attrs.items() if k in FACTS} | {"units": "uK"}
    attrs |= {"long_name": "Stokes parameters of the CMB"} | synthetic_attrs(ready.array)
    coords = {"stokes": ready.array["stokes"].variable, "cell_ids": ready.array["cell_ids"]}
    return map_dataset(xr.DataArray(values, dims=("stokes", "cells"), coords=coords, attrs=attrs, name="sky"))


def _propagated(through, ready, stokes, combined, iterations):
    """Return other maps of the bands, combined with the same weights."""
    other = band_array(through, stokes=stokes)
    if nside_of(other) != ready.nside or not np.array_equal(other["frequency"].values, ready.array["frequency"].values):
        raise WrongData("through= must be maps of the same bands and nside as the sky")
    for fact in FACTS:
        if other.attrs.get(fact) != ready.array.attrs.get(fact):
            raise WrongData(f"through= says {fact}={other.attrs.get(fact)!r}, the sky {ready.array.attrs.get(fact)!r}")
    known = np.asarray(seen(other.values).all(axis=(0, 1)))
    if not known[ready.weights > 0].all():
        raise WrongData("through= has kept cells that were not observed")
    alms = field_alms(other, ready.weights, ready.gains, ready.lmax, iterations)
    made = xr.DataArray(stokes_values(combined(alms), ready, stokes), dims=("stokes", "cells"))
    attrs = synthetic_attrs(through, ready.array)
    return labelled(made, "propagated", units="uK", long_name="Other maps through the same weights", attrs=attrs)


def _label_weights(result, weights, edges, names, ready, sky):
    bands, constraints = ready.spectra.shape
    share = _sky_share(ready)
    modes = np.array([(high**2 - low**2) * share for low, high in itertools.pairwise(edges)])
    about = synthetic_attrs(ready.array)
    coords = {
        "field": ("field", names, {"long_name": "Field"}),
        "ell_low": ("bin", edges[:-1], {"units": "1", "long_name": "First multipole of the bin"}),
        "ell_high": ("bin", edges[1:] - 1, {"units": "1", "long_name": "Last multipole of the bin"}),
        **band_coords(sky),
    }
    for name, value in coords.items():
        result.coords[name] = value
    made = xr.DataArray(weights, dims=("field", "bin", "frequency"))
    result["weight"] = labelled(made, "weight", units="1", long_name="Weight of the band", attrs=about)
    loss = xr.DataArray(-(bands - constraints) / modes, dims="bin")
    result["bias"] = labelled(loss, "bias", units="1", long_name="Expected relative change of CMB power", attrs=about)


def _noise_spectra(weights, edges, ready, sigma, stokes):
    """Return C_ℓ of white noise through the weights, with the common beam in it."""
    area = np.pi / (3 * ready.nside**2)
    ell = np.arange(2, ready.lmax + 1)
    bin_of = np.searchsorted(edges, ell, side="right") - 1
    made = []
    for field, name in enumerate(FIELDS[stokes]):
        level = sigma[0] if name == "T" else np.sqrt((sigma[-2:] ** 2).mean(axis=0))
        gain = ready.gains[0 if name == "T" else 1][:, ell]
        made.append((weights[field][bin_of].T ** 2 * gain**2 * (level**2 * area)[:, None]).sum(axis=0))
    labels = xr.DataArray([2 * n for n in FIELDS[stokes]], dims="spectrum", attrs={"long_name": "Spectrum"})
    number = xr.DataArray(ell, dims="ell", attrs={"units": "1", "long_name": "Multipole"})
    array = xr.DataArray(np.array(made), dims=("spectrum", "ell"), coords={"spectrum": labels, "ell": number})
    said = "C_ℓ of the noise of the result, beam in it, mask corrected"
    return labelled(array, "noise_cl", units="uK2", long_name=said, attrs=synthetic_attrs(ready.array))


def _needlet_sum(alms: NDArray, scales: list[Scale], weights: list[NDArray]) -> NDArray[np.complex128]:
    """Return the coefficients of the sum over scales of weighted needlet maps."""
    lmax = len(scales[0].window) - 1
    made = np.zeros(alms.shape[1], dtype=complex)
    for scale, weight in zip(scales, weights, strict=True):
        maps = needlet_maps(alms, scale)
        mixed = np.einsum("bpn,pb->pn", maps.reshape(len(alms), len(weight), -1), weight).ravel()
        ring = mixed[ring_order(scale.nside)][None]
        alm = alm_from_map(ring, nside=scale.nside, lmax=scale.lmax, iterations=3)[0]
        ell, m = multipoles(scale.lmax)
        place = m * (2 * lmax + 1 - m) // 2 + ell
        made[place] += alm * scale.window[ell]
    made[multipoles(lmax)[0] < 2] = 0
    return made


def _finished(result, sky, ready, step, kind, mask, also):
    beam = xr.DataArray(ready.width * 60)
    result["beam"] = labelled(beam, "beam", units="arcmin", long_name="Beam of the result, full width at half maximum")
    step += f", beam {ready.width:g} deg: " + mask_told(mask, ready.weights)
    papers = ["Delabrouille et al. 2009, A&A 493, 835, doi:10.1051/0004-6361:200810514"]
    papers += ["Remazeilles, Delabrouille & Cardoso 2011, MNRAS 410, 2481, doi:10.1111/j.1365-2966.2010.17624.x"]
    title = f"{kind} of {sky.attrs.get('title', 'a sky')}"
    return check(derived(result, sky, title=title, step=step, references=papers, also=also))

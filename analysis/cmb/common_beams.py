"""Maps of several bands through one beam: their coefficients, and the maps that come of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.bands import band_array, bands_dataset, cell_arcmin, checked_stokes, noise_levels
from analysis.cmb.emission import (
    band_coords,
    channel_bands,
    checked_components,
    checked_indices,
    checked_references,
    columns,
)
from analysis.cmb.harmonics import alm_from_map, checked_iterations, checked_lmax, map_from_alm, multipoles
from analysis.cmb.maps import FACTS, nside_of, ring_order, seen, u_sign
from analysis.cmb.masks import mask_told, weights_for
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.realizations import beam_factors
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle
    from analysis.cmb.masks import Mask

LARGEST_GAIN = 1e3  # of a beam that is divided out
SINGULAR = 1e9
FIELDS = {"I": "T", "QU": "EB", "IQU": "TEB"}


@dataclass(frozen=True, eq=False)
class Prepared:
    """Coefficients of the fields (fields, bands, coefficients) through the common beam, and what is kept."""

    alms: NDArray
    array: xr.DataArray
    weights: NDArray  # of the mask, NESTED
    nside: int
    lmax: int
    spectra: NDArray  # (bands, constraints): 1 for the CMB, then what is nulled
    gains: NDArray  # (2, bands, lmax+1): common beam over own, of T and of E, B
    width: float  # degrees


def common_resolution(
    sky: xr.Dataset,
    *,
    beam: Angle | None = None,
    mask: Mask | None = None,
    lmax: int | None = None,
    iterations: int = 3,
) -> xr.Dataset:
    r"""Return maps of several bands brought to one Gaussian beam; needed before bands are compared cell by cell.

    Each band is multiplied in harmonic space by the common beam over its own. Noise is smoothed along: it is no longer
    independent from cell to cell, and ``depth`` becomes that of white noise with the same variance in a cell.

    Parameters
    ----------
    sky : xarray.Dataset
        ``sky``, dims ``frequency, stokes, cells``, in K_CMB, and ``beam`` on ``frequency``.
    beam : angle, optional
        FWHM wanted, degrees or text with a unit; the largest of the bands if left out.
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights from 0 to 1 that multiply the maps first; without it every cell must have been observed.
    lmax, iterations : int, optional
        Largest multipole, ``2 nside`` if left out; Jacobi iterations of the analysis.

    Returns
    -------
    xarray.Dataset
        ``sky``, ``depth`` where it was known, and the common ``beam``; NaN where the mask is 0.

    Raises
    ------
    BadOption
        If the beam would amplify a band too much.
    WrongData
        If the bands' own beams are not known, or a kept cell was not observed.

    Examples
    --------
    >>> from analysis import cmb
    >>> even = common_resolution(cmb.simulated_sky("litebird", 16, seed=1))
    >>> float(even.beam.min()) == float(even.beam.max())
    True
    """
    if not isinstance(sky, xr.Dataset) or "beam" not in sky.variables:
        raise WrongData("the beams of the bands are not known; give them: sky.assign(beam=('frequency', [...]))")
    stokes = checked_stokes("".join(map(str, sky["stokes"].values)))
    ready = prepared(sky, (), stokes, mask, beam, None, "delta", lmax, iterations)
    values = np.stack([stokes_values(ready.alms[:, band], ready, stokes) for band in range(ready.alms.shape[1])])
    facts = {k: ready.array.attrs[k] for k in FACTS if k in ready.array.attrs} | synthetic_attrs(ready.array)
    made = bands_dataset(values, {**band_coords(sky), "stokes": ready.array["stokes"].variable}, facts)
    width = np.full(len(values), ready.width * 60)
    made["beam"] = ("frequency", width, {"units": "arcmin", "long_name": "Beam, full width at half maximum"})
    if "depth" in sky.data_vars:
        sigma = noise_levels(ready.array, None, sky)
        ell = np.arange(ready.lmax + 1)
        share = ((2 * ell + 1) * ready.gains**2)[..., 2:].sum(axis=-1) / (12 * ready.nside**2)
        factor = np.stack([share[0 if label == "I" else 1] for label in stokes])
        depth = (sigma * np.sqrt(factor)).T * cell_arcmin(ready.nside)
        said = "White noise with the variance of a cell"
        made["depth"] = (("frequency", "stokes"), depth, {"units": "uK arcmin", "long_name": said})
    step = f"cmb.common_resolution(beam={ready.width:g} deg, lmax={ready.lmax}): {mask_told(mask, ready.weights)}"
    title = f"{sky.attrs.get('title', 'A sky')}, beam {ready.width:g}°"
    return check(derived(made, sky, title=title, step=step, also=[] if mask is None else [mask]))


def prepared(
    sky: xr.Dataset,
    null: Sequence[str],
    stokes: str,
    mask: Mask | None,
    beam: Angle | None,
    indices: Mapping[str, float] | None,
    bandpass: str,
    lmax: int | None,
    iterations: int,
) -> Prepared:
    """Return checked maps as coefficients through the common beam, and the spectra to let through and to null.

    Raises
    ------
    BadOption, WrongData, WrongFrame, WrongUnits
        As :func:`harmonic_ilc` says.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("planck", 4, seed=1, beams=None)
    >>> prepared(sky, ["dust"], "QU", None, None, None, "delta", None, 0).spectra.shape
    (7, 2)
    """
    stokes = checked_stokes(stokes)
    nulled = checked_components(null, ("dust", "synchrotron")) if len(null) else []
    if indices and not nulled:
        raise BadOption(
            f"indices={dict(indices)!r} are those of what is nulled, and that is nothing; give null=['dust']"
        )
    array = band_array(sky, stokes=stokes, least=2 + len(nulled))
    nside = nside_of(array)
    lmax, iterations = checked_lmax(lmax, nside), checked_iterations(iterations)
    at = checked_indices(indices, nulled) if nulled else {}
    names = ["cmb", *nulled]
    spectra = columns(channel_bands(sky, bandpass), names, at, checked_references(None))[0]
    size = np.linalg.norm(spectra, axis=0)
    if not np.linalg.cond(spectra / size) < SINGULAR:
        raise WrongData(f"{', '.join(names)} have the same spectrum in these bands; null fewer")
    flat = array.isel(frequency=0).copy(data=np.where(seen(array.values).all(axis=0), array.values[0], np.nan))
    weights = weights_for(flat, mask)
    own = _own_beams(sky, array)
    width = float(own.max()) if beam is None else degrees(beam, "beam")
    gains = _gains(own, width, lmax)
    alms = field_alms(array, weights, gains, lmax, iterations)
    return Prepared(alms, array, weights, nside, lmax, spectra, gains, width)


def _own_beams(sky: xr.Dataset, array: xr.DataArray) -> NDArray[np.float64]:
    if "beam" not in sky.variables:
        return np.zeros(array.sizes["frequency"])
    own = np.broadcast_to(in_units(sky["beam"], "deg").values, (array.sizes["frequency"],)).astype(float)
    if not (np.isfinite(own) & (own >= 0)).all():
        raise WrongData("the beams of the bands must be finite and not negative")
    return own


def _gains(own: NDArray, width: float, lmax: int) -> NDArray[np.float64]:
    """Return the common beam over each band's own, (2, bands, lmax+1)."""
    wanted = beam_factors(width, lmax)[:2, None]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        gains = wanted / np.stack([beam_factors(float(one), lmax)[:2] for one in own], axis=1)
    if width < 0 or not gains.max() < LARGEST_GAIN:
        raise BadOption(
            f"a beam of {width:g} deg amplifies a band with {own.max():g} deg more than {LARGEST_GAIN:g} times at "
            f"ℓ = {lmax}; give a wider beam or a smaller lmax"
        )
    return gains


def field_alms(
    array: xr.DataArray, weights: NDArray, gains: NDArray, lmax: int, iterations: int
) -> NDArray[np.complex128]:
    """Return T, E, B as far as there are, (fields, bands, coefficients), of the maps times the mask.

    Examples
    --------
    >>> from analysis import cmb
    >>> array = band_array(cmb.simulated_sky("planck", 4, seed=1), stokes="QU")
    >>> field_alms(array, np.ones(192), np.ones((2, 7, 9)), 8, 0).shape
    (2, 7, 45)
    """
    nside = nside_of(array)
    stokes = [str(label) for label in array["stokes"].values]
    ell = multipoles(lmax)[0]
    order = ring_order(nside)
    fields = len(FIELDS["".join(stokes)])
    made = np.empty((fields, array.sizes["frequency"], ell.size), dtype=complex)
    for band in range(array.sizes["frequency"]):
        values = np.where(weights > 0, array.values[band] * weights, 0)
        if "U" in stokes:
            values[stokes.index("U")] *= u_sign(array)
        values = values[:, order]
        row = 0
        if "I" in stokes:
            alm = alm_from_map(values[:1], nside=nside, lmax=lmax, iterations=iterations)
            made[0, band] = alm[0] * gains[0, band][ell]
            row = 1
        if "Q" in stokes:
            alm = alm_from_map(values[-2:], nside=nside, lmax=lmax, iterations=iterations)
            made[row:, band] = alm * gains[1, band][ell]
    return made


def stokes_values(alm: NDArray, ready: Prepared, stokes: str) -> NDArray[np.float64]:
    """Return the Stokes maps of fields, NESTED, in the convention of the input, NaN where the mask is 0.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("planck", 4, seed=1, beams=None)
    >>> ready = prepared(sky, (), "QU", None, None, None, "delta", None, 0)
    >>> stokes_values(ready.alms[:, 0], ready, "QU").shape
    (2, 192)
    """
    parts = []
    if "I" in stokes:
        parts.append(map_from_alm(alm[:1], nside=ready.nside, lmax=ready.lmax))
    if "Q" in stokes:
        parts.append(map_from_alm(alm[-2:], nside=ready.nside, lmax=ready.lmax))
    ring = np.concatenate(parts)
    values = np.empty_like(ring)
    values[:, ring_order(ready.nside)] = ring
    if "U" in stokes:
        values[-1] *= u_sign(ready.array)
    values[:, ready.weights == 0] = np.nan
    return values

"""Angular power spectra of maps: as they are under a mask, or with the mask undone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bandpowers import bins_of
from analysis.cmb.coupling import HIVON, NAMASTER, checked_mask_lmax, mask_alm, transfers
from analysis.cmb.decoupling import SPECTRA, bandpower_dataset, decoupled, noise_taken, windows_of
from analysis.cmb.fields import Masks, Weights, checked_purify, field_alms, second_array, weights_of
from analysis.cmb.harmonics import checked_iterations, checked_lmax, spectrum_of
from analysis.cmb.maps import nside_of, sky_array
from analysis.cmb.origins import synthetic_attrs, with_inputs
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption
from analysis.model import check, labelled, unit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

HEALPIX = "Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976"
SMITH = "Smith 2006, PRD 74, 083002, doi:10.1103/PhysRevD.74.083002"


def power_spectra(
    sky: xr.Dataset | xr.DataArray,
    other: xr.Dataset | xr.DataArray | None = None,
    *,
    mask: Masks | None = None,
    other_mask: Masks | None = None,
    lmax: int | None = None,
    iterations: int = 3,
    ring_weights: bool = False,
    keep_monopole: bool = False,
    purify: str = "",
    decouple: bool = False,
    width: int | None = None,
    edges: Sequence[int] | None = None,
    weighting: str = "modes",
    form: str = "cl",
    beam: Angle | xr.DataArray | None = None,
    other_beam: Angle | xr.DataArray | None = None,
    pixels: bool = False,
    noise: xr.Dataset | xr.DataArray | None = None,
    mask_lmax: int | None = None,
) -> xr.Dataset:
    r"""Return the angular power spectra of a map, or the cross spectra of two.

    :math:`\tilde C_\ell^{XY} = \frac{1}{2\ell+1}\sum_m \mathrm{Re}(a^X_{\ell m} a^{Y*}_{\ell m})` of the masked map,
    the weighted mean of I over the kept cells taken off first. A mask lowers these pseudo-:math:`C_\ell`, couples
    multipoles and leaks E into B; beam and pixel window smooth. ``decouple=True`` undoes that in bins.
    Noise of one map biases its spectra; two maps with independent noise do not share it.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``stokes, cells``: I, or Q and U, or all three; any unit.
    other : xarray.Dataset or xarray.DataArray, optional
        A second map of the same nside, frame, ``polconv`` and temperature scale; converted to the units of
        the first. Cross spectra of unlike fields are symmetrised: TE is the mean of T₁E₂ and E₁T₂. One map may hold
        I alone and the other Q and U: that gives TE and TB.
    mask : xarray.DataArray, xarray.Dataset or mapping, optional
        Weights from 0 to 1 on the same cells, or ``{"I": mask, "P": mask}``. Without it every cell must have been
        observed.
    other_mask : xarray.DataArray, xarray.Dataset or mapping, optional
        Of the second map; that of the first if left out.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1``; ``2 nside`` if left out. Power above it, or outside
        the bins, is not in the model and leaks into the last bins: have one more than you use.
    iterations : int, optional
        Jacobi iterations of the harmonic analysis.
    ring_weights : bool
        Weigh each ring by a factor near 1 that makes sums over cells better integrals: ``iterations=2`` is then
        about as exact as 3 without (5 transforms, not 7) for maps without power above ``lmax``. Off, the numbers
        are those of ``anafast``.
    keep_monopole : bool
        Leave the mean of I in. Under a mask it leaks into all multipoles; without it the lowest lose a little power.
    purify : {"", "B", "E", "EB"}
        Fields cleaned of the modes that a mask cannot tell apart; the mask must be apodized. Values of Q and U just
        beyond the mask's edge are used: real ones are best, zeros leave some E in B, NaN are refused.
    decouple : bool
        Undo the mask and give bandpowers. The options below need it.
    width, edges : int, sequence of int, optional
        Bins from ℓ = 2 of so many multipoles, 10 if neither is given (an incomplete last one is left out); or the first
        multipole of each bin and the first beyond the last.
    weighting : {"modes", "equal"}
        Of multipoles in a bin: :math:`2\ell+1`, or equal as NaMaster has it.
    form : {"cl", "dl"}
        What is given, and taken to be flat inside a bin.
    beam, other_beam : angle or xarray.DataArray, optional
        Of the first map and of the second (that of the first if left out), as for :func:`beam_window`; undone.
    pixels : bool
        Undo the pixel window of nside too.
    noise : xarray.Dataset or xarray.DataArray, optional
        Noise to take off, ``spectrum, ell``: pseudo-C_ℓ under the same mask (their mean over noise maps, or
        :func:`noise_spectra`), or C_ℓ of noise that is statistically the same everywhere, as ``long_name`` says.
    mask_lmax : int, optional
        As for :func:`coupling_matrix`.

    Returns
    -------
    xarray.Dataset
        ``cl``, dims ``spectrum, ell``, in squared units of the map; ``spectrum`` holds TT, EE, BB, TE, EB, TB
        as far as the Stokes parameters allow. Decoupled: ``cl`` or ``dl``, dims ``spectrum, bin``, coordinates
        ``ell_effective, first_ell, last_ell``. attrs: ``sky_fraction`` (the mean weight), ``polconv`` (in
        IAU, EB and TB have the other sign than in COSMO), ``purified``.

    Raises
    ------
    BadOption
        If an option is out of range, belongs to ``decouple=True``, or bins are too narrow for the mask.
    WrongData
        If a kept cell was not observed (to be purified: any cell), nside or Stokes parameters of two maps differ, a
        mask that is to purify jumps at its edge, or noise does not fit.
    WrongFrame
        If frame or ``polconv`` is missing or differs.
    WrongUnits
        If units or temperature scales do not go together.

    References
    ----------
    Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126 (pseudo-C_ℓ); Górski et al. 2005, ApJ 622, 759,
    doi:10.1086/427976 (HEALPix, whose ``anafast`` this equals); Alonso et al. 2019, MNRAS 484, 4127,
    doi:10.1093/mnras/stz093 (NaMaster, whose bandpowers these equal); Smith 2006, PRD 74, 083002,
    doi:10.1103/PhysRevD.74.083002 (purification).

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.tile([1.0, -1.0], (1, 96)), dims=("stokes", "cells"), attrs={"units": "uK"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(4)})
    >>> spectra = power_spectra(sky, lmax=8)
    >>> spectra.cl.dims, spectra.cl.attrs["units"], spectra.spectrum.values.tolist()
    (('spectrum', 'ell'), 'uK2', ['TT'])
    """
    first = sky_array(sky)
    nside = nside_of(first)
    lmax, iterations, purify = checked_lmax(lmax, nside), checked_iterations(iterations), checked_purify(purify)
    given = {"width": width, "edges": edges, "beam": beam, "other_beam": other_beam, "noise": noise}
    given |= {"pixels": pixels or None, "mask_lmax": mask_lmax, "form": None if form == "cl" else form}
    given |= {"weighting": None if weighting == "modes" else weighting}
    needless = [name for name, value in given.items() if value is not None]
    if needless and not decouple:
        raise BadOption(f"{', '.join(needless)} need decouple=True; pseudo-C_ℓ are given as they are")
    if other is None and (other_mask is not None or other_beam is not None):
        raise BadOption("other_mask and other_beam are those of a second map, and there is none; give other=")
    bins = bins_of(lmax, width=width, edges=edges, weighting=weighting, form=form) if decouple else None
    units = squared(units_of(first))
    options: dict = {"iterations": iterations, "ring_weights": ring_weights}
    alms_of = partial(
        field_alms,
        lmax=lmax,
        iterations=iterations,
        purify=purify,
        keep_monopole=keep_monopole,
        ring_weights=ring_weights,
    )
    weights = second_weights = weights_of(first, mask)
    alms = second_alms = alms_of(first, weights)
    if other is not None:
        unscaled, second = second_array(other, first)
        if other_mask is not None or set(second["stokes"].values) != set(first["stokes"].values):
            second_weights = weights_of(unscaled, mask if other_mask is None else other_mask)
        else:
            weights_of(unscaled, mask)
        second_alms = alms_of(second, second_weights)
    values = _spectra(alms, second_alms, lmax)
    facts = {k: array.attrs[k] for array in (first,) for k in ("polconv", "temperature_scale") if k in array.attrs}
    facts |= {"purified": purify or "none"}
    asked = f"lmax={lmax}, iterations={iterations}" + (", ring_weights=True" if ring_weights else "")
    asked += f", purify={purify!r}" if purify else ""
    told = f"cmb.power_spectra({asked}): {_masked(weights, second_weights)}"
    if "T" in (alms | second_alms):
        told += f"; monopole of I {'kept' if keep_monopole else 'removed under it'}"
    if bins is None:
        result = _dataset(values, units, facts)
        told += "; not corrected for mask, beam or pixel window"
    else:
        mask_lmax = checked_mask_lmax(mask_lmax, lmax, nside)
        spectra = _mask_spectra(weights, second_weights, values, nside, mask_lmax, options)
        matrices = transfers(spectra, lmax=lmax, purify=purify)
        if noise is not None:
            values = noise_taken(values, noise, matrices, units=units, purify=purify)
        beams = [beam, beam if other_beam is None else other_beam]
        windows = windows_of(beams, lmax=lmax, nside=nside if pixels else None, fields=(alms, second_alms))
        values = decoupled(values, matrices, bins, windows, purify)
        result = bandpower_dataset(values, bins.coords, form, units, facts)
        undone = ["mask", *(["beam"] if beam is not None else []), *(["pixel window"] if pixels else [])]
        told += f"; {bins.told}, corrected for {', '.join(undone)} (mask_lmax={mask_lmax})"
        told += "" if noise is None else "; noise taken off"
    inputs = [sky] if other is None else [sky, other]
    also = [*weights.masks, *(second_weights.masks if second_weights is not weights else ())]
    also += [data for data in (noise, beam, other_beam) if isinstance(data, xr.Dataset | xr.DataArray)]
    marked = synthetic_attrs(*inputs, *also)
    name = next(iter(result.data_vars))
    result = result.assign({name: result[name].assign_attrs(marked)})
    names = " x ".join(str(data.attrs.get("title", "a map")) for data in inputs)
    return check(
        with_inputs(
            result.assign_attrs(facts | {"sky_fraction": weights.fraction} | marked),
            inputs=inputs,
            title=f"Angular power spectra of {names}",
            step=told,
            references=[HIVON, HEALPIX, *([NAMASTER] if decouple else []), *([SMITH] if purify else [])],
            also=also,
        )
    )


def _masked(weights: Weights, second: Weights) -> str:
    return weights.told + ("" if second is weights else f"; second map: {second.told}")


def _spectra(one: dict[str, NDArray], two: dict[str, NDArray], lmax: int) -> dict[str, NDArray]:
    """Each spectrum that two maps have: of X and Y the mean of X₁Y₂ and Y₁X₂, as far as there are both."""
    found = {}
    for label in SPECTRA:
        x, y = label[0], label[1]
        orders = [(a, b) for a, b in dict.fromkeys([(x, y), (y, x)]) if a in one and b in two]
        if one is two:
            orders = orders[:1]
        if orders:
            found[label] = np.mean([spectrum_of(one[a], two[b], lmax=lmax) for a, b in orders], axis=0)
    return found


def _mask_spectra(
    weights: Weights, second: Weights, labels: dict[str, NDArray], nside: int, lmax: int, options: dict
) -> dict[str, NDArray]:
    """The spectra of the masks of I and P of both maps that the spectra need, each computed once."""
    found: dict[tuple[int, int], NDArray] = {}
    alms: dict[int, NDArray] = {}
    made = {}
    needed = {"II": {"TT"}, "IP": {"TE", "TB"}, "PI": {"TE", "TB"}, "PP": {"EE", "BB", "EB"}}
    for name, spectra in needed.items():
        if not spectra & set(labels):
            continue
        pair = [
            (each.intensity if letter == "I" else each.polarization)
            for each, letter in zip((weights, second), name, strict=True)
        ]
        for values in pair:
            if id(values) not in alms:
                alms[id(values)] = mask_alm(values, nside=nside, lmax=lmax, **options)
        key = (id(pair[0]), id(pair[1]))
        if key not in found:
            found[key] = spectrum_of(alms[key[0]], alms[key[1]], lmax=lmax)
        made[name] = found[key]
    return made


def _dataset(values: dict[str, NDArray], units: str, facts: dict[str, str]) -> xr.Dataset:
    spectrum = xr.DataArray(list(values), dims="spectrum", attrs={"long_name": "Spectrum"})
    ell = np.arange(next(iter(values.values())).size)
    coords = {"spectrum": spectrum, "ell": ("ell", ell, {"units": "1", "long_name": "Multipole ℓ"})}
    cl = xr.DataArray(np.stack(list(values.values())), dims=("spectrum", "ell"), coords=coords)
    return labelled(cl, "cl", units=units, long_name="Pseudo-C_ℓ (mask not corrected)", attrs=facts).to_dataset()


def squared(units: str) -> str:
    """Return the square of a unit as text that astropy parses.

    Examples
    --------
    >>> squared("mK"), squared("MJy / sr")
    ('mK2', 'MJy2 / sr2')
    """
    return (unit_of(xr.DataArray(0.0, attrs={"units": units})) ** 2).to_string()

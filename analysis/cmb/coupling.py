r"""What a mask does to power spectra: how it couples multipoles and mixes E and B.

:math:`\langle \tilde C_\ell \rangle = \sum_{\ell'} M_{\ell\ell'} C_{\ell'}` with, for the spectrum
:math:`W_{\ell''}` of the mask,

.. math:: M_{\ell\ell'} = \frac{2\ell'+1}{4\pi} \sum_{\ell''} (2\ell''+1) W_{\ell''}
          \begin{pmatrix}\ell & \ell' & \ell''\\ s & -s & 0\end{pmatrix}
          \begin{pmatrix}\ell & \ell' & \ell''\\ s' & -s' & 0\end{pmatrix}.

For spins 2 and 2 even and odd :math:`\ell+\ell'+\ell''` are kept apart: the even ones keep E as E, the odd ones
turn E into B. Pure B needs no sums of its own: integration by parts turns its symbols into those of spin 0 with the
factor :math:`n_{\ell'}/n_\ell`, :math:`n_\ell^2 = (\ell+2)!/(\ell-2)!`, for each pure field.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.fields import checked_purify
from analysis.cmb.harmonics import (
    Fingerprinted,
    alm_from_map,
    checked_iterations,
    checked_lmax,
    fingerprinted,
    in_ring_order,
    spectrum_of,
    thread_count,
)
from analysis.cmb.maps import nside_of, ring_order
from analysis.cmb.masks import Mask, mask_array, mask_name
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.purification import refuse_steep
from analysis.cmb.wigner import nodes, wigner_d
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check, derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIVON = "Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126"
KOGUT = "Kogut et al. 2003, ApJS 148, 161, doi:10.1086/377219"
LARGEST_KEPT = 1024  # lmax up to which what follows from a mask is remembered: 34 MB of couplings a mask
NAMASTER = "Alonso et al. 2019, MNRAS 484, 4127, doi:10.1093/mnras/stz093"


def coupling_matrix(
    mask: Mask,
    other: Mask | None = None,
    *,
    lmax: int | None = None,
    mask_lmax: int | None = None,
    iterations: int = 3,
    purify: str = "",
) -> xr.Dataset:
    r"""Return how a mask couples the multipoles of power spectra, :math:`M_{\ell\ell'}`, and mixes E and B.

    Parameters
    ----------
    mask : xarray.DataArray or xarray.Dataset
        Weights from 0 to 1, dim ``cells``, of I, Q and U.
    other : xarray.DataArray or xarray.Dataset, optional
        The mask of the second map of a cross spectrum, on the same cells; the same if left out.
    lmax : int, optional
        Largest multipole of the spectra, from 2 to ``3 nside - 1``; ``2 nside`` if left out.
    mask_lmax : int, optional
        Largest multipole of the mask's spectrum that is summed over. ``2 lmax`` takes part; as far as the pixels
        hold it that is what is taken. NaMaster stops at ``lmax``.
    iterations : int, optional
        Jacobi iterations of the mask's harmonic analysis.
    purify : {"", "B", "E", "EB"}
        Which fields are pure.

    Returns
    -------
    xarray.Dataset
        ``coupling``, dims ``transfer, ell, ell_in``: what multipole ``ell`` of the first spectrum named gets from
        ``ell_in`` of the second; ``transfer`` holds "TT from TT", "TE from TE", "TB from TB", "EE from EE", "EE
        from BB", "BB from EE", "BB from BB", "EB from EB" (EB symmetrised). Polarization starts at ℓ = 2.

    Raises
    ------
    BadOption
        If an option is out of range.
    WrongData, WrongFrame
        If the masks differ in nside or frame, or jump at their edges and are to purify.

    References
    ----------
    Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126, eq. A31; Kogut et al. 2003, ApJS 148, 161,
    doi:10.1086/377219, appendix A; Alonso et al. 2019, MNRAS 484, 4127, doi:10.1093/mnras/stz093.

    Examples
    --------
    >>> from analysis.cmb.masks import galactic_mask
    >>> made = coupling_matrix(galactic_mask(8, latitude=30), lmax=8)
    >>> made.coupling.dims, round(float(made.coupling.sel(transfer="TT from TT")[4].sum()), 2)
    (('transfer', 'ell', 'ell_in'), 0.43)
    """
    first = mask_array(mask)
    nside = nside_of(first, "the mask")
    second = first if other is None else mask_array(other)
    _refuse_unlike(first, second)
    lmax, iterations, purify = checked_lmax(lmax, nside), checked_iterations(iterations), checked_purify(purify)
    mask_lmax = checked_mask_lmax(mask_lmax, lmax, nside)
    weights = [array.values.astype(float) for array in ((first,) if other is None else (first, second))]
    if not all(values.any() for values in weights):
        raise WrongData("the mask keeps no cell at all; widen it")
    if purify:
        for values in weights:
            refuse_steep(values[ring_order(nside)], nside)
    alms = [mask_alm(values, nside=nside, lmax=mask_lmax, iterations=iterations) for values in weights]
    spectrum = spectrum_of(alms[0], alms[-1], lmax=mask_lmax)
    made = transfers(dict.fromkeys(("II", "IP", "PI", "PP"), spectrum), lmax=lmax, purify=purify)
    array = xr.DataArray(
        np.stack(list(made.values())),
        dims=("transfer", "ell", "ell_in"),
        coords={
            "transfer": xr.DataArray([f"{out} from {into}" for out, into in made], dims="transfer").assign_attrs(
                long_name="Spectrum from spectrum"
            ),
            "ell": _multipole("ell", lmax, "Multipole ℓ of the masked map"),
            "ell_in": _multipole("ell_in", lmax, "Multipole ℓ' of the sky"),
        },
    )
    marked = synthetic_attrs(first, second)
    name = "Mode coupling of C_ℓ by the mask"
    result = labelled(array, "coupling", units="1", long_name=name, attrs=marked).to_dataset()
    facts = {"sky_fraction": float(first.values.mean()), "purified": purify or "none", "mask_lmax": mask_lmax}
    names = " x ".join(dict.fromkeys([mask_name(mask)] + ([] if other is None else [mask_name(other)])))
    step = f"cmb.coupling_matrix(lmax={lmax}, mask_lmax={mask_lmax}, iterations={iterations}, purify={purify!r})"
    return check(
        derived(
            result.assign_attrs(facts | marked),
            mask,
            title=f"Mode coupling by {names}",
            step=step,
            references=[HIVON, KOGUT, NAMASTER],
            also=[] if other is None else [other],
        )
    )


def _multipole(dim: str, lmax: int, long_name: str) -> xr.DataArray:
    return xr.DataArray(np.arange(lmax + 1), dims=dim, attrs={"units": "1", "long_name": long_name})


def _refuse_unlike(first: xr.DataArray, second: xr.DataArray) -> None:
    one, two = nside_of(first, "the mask"), nside_of(second, "the second mask")
    if one != two:
        raise WrongData(f"the masks have nside {one} and {two}; make both alike with degraded_mask")
    frames = [str(array.attrs.get("frame")).lower() for array in (first, second)]
    if frames[0] != frames[1]:
        raise WrongFrame(f"the masks are in the frames {frames[0]!r} and {frames[1]!r}; they must be one")


def checked_mask_lmax(mask_lmax: int | None, lmax: int, nside: int) -> int:
    """Return the largest multipole of a mask's spectrum to use: twice ``lmax`` as far as the pixels hold it.

    Raises
    ------
    BadOption
        If it is not a whole number from ``lmax`` to ``3 nside - 1``.

    Examples
    --------
    >>> checked_mask_lmax(None, 64, 32)
    95
    """
    largest = 3 * nside - 1
    if mask_lmax is None:
        return min(2 * lmax, largest)
    whole = isinstance(mask_lmax, int | np.integer) and not isinstance(mask_lmax, bool)
    if not whole or not lmax <= mask_lmax <= largest:
        raise BadOption(f"mask_lmax={mask_lmax!r} is not a whole number from lmax={lmax} to {largest}")
    return int(mask_lmax)


def mask_alm(
    weights: NDArray, *, nside: int, lmax: int, iterations: int, ring_weights: bool = False
) -> NDArray[np.complex128]:
    """Return the coefficients of weights in NESTED order; those of the last two masks are remembered.

    Examples
    --------
    >>> float(mask_alm(np.ones(48), nside=2, lmax=2, iterations=0)[0].real.round(9))
    3.544907702
    """
    if lmax <= LARGEST_KEPT:
        return _kept_mask_alm(fingerprinted(weights), nside, lmax, iterations, ring_weights)
    return _mask_alm(weights, nside, lmax, iterations, ring_weights)


@lru_cache(maxsize=2)
def _kept_mask_alm(
    weights: Fingerprinted, nside: int, lmax: int, iterations: int, ring_weights: bool
) -> NDArray[np.complex128]:
    alm = _mask_alm(weights.values, nside, lmax, iterations, ring_weights)
    alm.setflags(write=False)
    return alm


def _mask_alm(weights: NDArray, nside: int, lmax: int, iterations: int, ring_weights: bool) -> NDArray[np.complex128]:
    options: dict = {"nside": nside, "lmax": lmax, "iterations": iterations, "ring_weights": ring_weights}
    return alm_from_map(in_ring_order(weights[None]), **options)[0]


def kernels(spectrum: NDArray, lmax: int) -> dict[str, NDArray[np.float64]]:
    r"""Return the symmetric part of the coupling, without :math:`2\ell'+1`: spins 00, 02, and 22 even and odd.

    ducc0 has the sums in a module that it calls experimental; where that is not as expected they are taken as
    integrals (slower above ℓ = 1000, equal to 1e-11). Those of the last two spectra are remembered.

    Examples
    --------
    >>> whole = kernels(np.array([4 * np.pi, 0, 0, 0, 0]), 4)
    >>> np.diag(whole["22+"] * (2 * np.arange(5) + 1)).round(12).tolist()
    [0.0, 0.0, 1.0, 1.0, 1.0]
    """
    import ducc0

    if not hasattr(getattr(ducc0.misc, "experimental", None), "coupling_matrix_rect"):
        return kernels_by_quadrature(spectrum, lmax)
    return _kept_kernels(fingerprinted(spectrum), lmax) if lmax <= LARGEST_KEPT else _kernels(spectrum, lmax)


@lru_cache(maxsize=2)
def _kept_kernels(spectrum: Fingerprinted, lmax: int) -> dict[str, NDArray[np.float64]]:
    made = _kernels(spectrum.values, lmax)
    for values in made.values():
        values.setflags(write=False)
    return made


def _kernels(spectrum: NDArray, lmax: int) -> dict[str, NDArray[np.float64]]:
    import ducc0

    result = np.empty((4, lmax + 1, lmax + 1))
    three = np.stack([np.ascontiguousarray(spectrum, dtype=float)] * 3)
    options = {"optype": (0, 1, 4), "res": result, "nthreads": thread_count()}
    ducc0.misc.experimental.coupling_matrix_rect(spec=three, **options)
    return dict(zip(("00", "02", "22+", "22-"), result, strict=True))


def kernels_by_quadrature(spectrum: NDArray, lmax: int) -> dict[str, NDArray[np.float64]]:
    """Return what :func:`kernels` does, by integrals over Wigner's d functions.

    Examples
    --------
    >>> spectrum = 1 / (1.0 + np.arange(9)) ** 2
    >>> one, two = kernels(spectrum, 4), kernels_by_quadrature(spectrum, 4)
    >>> bool(max(abs(one[name] - two[name]).max() for name in one) < 1e-15)
    True
    """
    ell = np.arange(spectrum.size)
    mu, weights = nodes(spectrum.size + 2 * lmax)
    mask = ((2 * ell + 1) * spectrum / (4 * np.pi)) @ wigner_d(spectrum.size - 1, 0, 0, mu) * weights / 2
    tables = {n: wigner_d(lmax, *n, mu) for n in ((0, 0), (0, 2), (0, -2), (2, 2), (2, -2))}
    zero, same, turned = (tables[n] for n in ((0, 0), (2, 2), (2, -2)))
    alike, unlike = (same * mask) @ same.T, (turned * mask) @ turned.T
    found = {"00": (zero * mask) @ zero.T, "02": (tables[0, 2] * mask) @ tables[0, -2].T}
    return found | {"22+": (alike + unlike) / 2, "22-": (alike - unlike) / 2}


def transfers(
    spectra: dict[str, NDArray], *, lmax: int, purify: str = ""
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return the coupling matrix of each pair of spectra that a mask connects, (out, in).

    ``spectra`` are those of the masks of I and P of two maps: "II", "IP", "PI", "PP" as far as they are needed.
    TE and TB are means of both orders, each with its own masks; EB is symmetrised.

    Examples
    --------
    >>> made = transfers({"II": np.array([4 * np.pi, 0, 0, 0, 0])}, lmax=4)
    >>> list(made), float(made["TT", "TT"][3, 3].round(12))
    ([('TT', 'TT')], 1.0)
    """
    different = {id(values): values for values in spectra.values()}  # masks that are one need their sums once
    made = {key: kernels(values, lmax) for key, values in different.items()}
    of = {name: made[id(values)] for name, values in spectra.items()}
    modes, ratio = 2 * np.arange(lmax + 1.0) + 1, _pure_ratio(lmax)
    count = {"E": int("E" in purify), "B": int("B" in purify)}
    found: dict[tuple[str, str], NDArray] = {}
    if "II" in of:
        found["TT", "TT"] = of["II"]["00"]
    mixed = [of[name] for name in ("IP", "PI") if name in of]
    for letter in "EB" if mixed else "":
        each = [ratio * k["00"] if count[letter] else k["02"] for k in mixed]
        found["T" + letter, "T" + letter] = np.mean(each, axis=0)
    if "PP" in of:
        kernel, pure = of["PP"], ratio**2 * of["PP"]["00"]
        for x, y in ("EB", "BE"):
            found[x + x, x + x] = pure if count[x] else kernel["22+"]
            found[x + x, y + y] = np.zeros_like(pure) if count[x] else kernel["22-"]
        alike = kernel["22+"] - kernel["22-"], ratio * kernel["02"], pure
        found["EB", "EB"] = alike[sum(count.values())]
    return {pair: matrix * modes for pair, matrix in found.items()}


def _pure_ratio(lmax: int) -> NDArray[np.float64]:
    r""":math:`n_{\ell'} / n_\ell` with :math:`n_\ell^2 = (\ell+2)!/(\ell-2)!`, 0 below ℓ = 2."""
    ell = np.arange(lmax + 1.0)
    root = np.sqrt((ell + 2) * (ell + 1) * ell * np.maximum(ell - 1, 0))
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    return np.outer(inverse, root)

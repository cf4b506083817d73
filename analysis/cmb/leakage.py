"""What a mask makes of a theory before any map is made, E counted as B included."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.cmb.coupling import HIVON
from analysis.cmb.decoupling import SPECTRA, spectra_array
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import WrongData
from analysis.model import check, derived, labelled


def masked_spectra(theory: xr.Dataset | xr.DataArray, coupling: xr.Dataset) -> xr.Dataset:
    r"""Return the mean pseudo-:math:`C_\ell` of a theory under a mask, and what of them leaked from E to B and back.

    :math:`\langle \tilde C_\ell^X \rangle = \sum_Y \sum_{\ell'} M_{\ell\ell'}^{XY} C_{\ell'}^Y`. What the sky has
    above the ``lmax`` of the coupling is not in it: make that larger than the multipoles that you use.

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray
        :math:`C_\ell`, dims ``spectrum, ell``, lowered by the beam if the map is; spectra that it lacks count as zero.
    coupling : xarray.Dataset
        What :func:`coupling_matrix` returns.

    Returns
    -------
    xarray.Dataset
        ``cl``, dims ``spectrum, ell``, in the units of the theory, and ``leaked``, the part of it that comes from
        another spectrum: of E in BB, of B in EE, else zero.

    Raises
    ------
    WrongData
        If the theory is no :math:`C_\ell` or ends before the coupling, or that is none.

    References
    ----------
    Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126.

    Examples
    --------
    >>> from analysis import cmb
    >>> mask = cmb.galactic_mask(16, latitude=20)
    >>> made = masked_spectra(cmb.fetch("planck2018_lcdm"), cmb.coupling_matrix(mask, lmax=32))
    >>> bool(made.leaked.sel(spectrum="BB", ell=8) > 0.9 * made.cl.sel(spectrum="BB", ell=8))
    True
    """
    if not isinstance(coupling, xr.Dataset) or "coupling" not in coupling.data_vars:
        raise WrongData("coupling is not what coupling_matrix returns; give cmb.coupling_matrix(mask)")
    matrix = coupling["coupling"].transpose("transfer", "ell", "ell_in")
    cl = spectra_array(theory, "the theory", lmax=matrix.sizes["ell_in"] - 1)
    known = {str(label): cl.sel(spectrum=label).values for label in cl["spectrum"].values}
    if unknown := set(known) - set(SPECTRA):
        raise WrongData(f"the theory holds {', '.join(sorted(unknown))}; the spectra are {', '.join(SPECTRA)}")
    parts = [str(name).split(" from ") for name in matrix["transfer"].values]
    labels = [label for label in SPECTRA if label in {out for out, _ in parts}]
    whole = np.zeros((len(labels), matrix.sizes["ell"]))
    leaked = np.zeros_like(whole)
    for (out, into), values in zip(parts, matrix.values, strict=True):
        share = values @ known.get(into, np.zeros(values.shape[1]))
        whole[labels.index(out)] += share
        if out != into:
            leaked[labels.index(out)] += share
    spectrum = xr.DataArray(labels, dims="spectrum", attrs={"long_name": "Spectrum"})
    coords = {"spectrum": spectrum, "ell": matrix["ell"]}
    marked = synthetic_attrs(theory, coupling)
    named = {"cl": (whole, "Pseudo-C_ℓ expected"), "leaked": (leaked, "Pseudo-C_ℓ expected, from another spectrum")}
    made = {
        name: labelled(
            xr.DataArray(values, dims=("spectrum", "ell"), coords=coords),
            name,
            units=str(cl.attrs["units"]),
            long_name=long_name,
            attrs=marked,
        )
        for name, (values, long_name) in named.items()
    }
    facts = {name: coupling.attrs[name] for name in ("sky_fraction", "purified") if name in coupling.attrs}
    return check(
        derived(
            xr.Dataset(made).assign_attrs(facts | marked),
            theory,
            title=f"Expected pseudo-spectra of {theory.attrs.get('title', 'a theory')}",
            step="cmb.masked_spectra",
            references=[HIVON],
            also=[coupling],
        )
    )

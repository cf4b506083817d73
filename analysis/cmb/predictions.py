"""What mask-corrected bandpowers measure: their windows, and the bandpowers of a theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bandpowers import bins_of
from analysis.cmb.decoupling import (
    GROUPS,
    SPECTRA,
    bandpower_dataset,
    binned_block,
    refuse_narrow,
    spectra_array,
    windows_of,
)
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import WrongData
from analysis.model import check, derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle


def bandpower_windows(
    coupling: xr.Dataset,
    *,
    width: int | None = None,
    edges: Sequence[int] | None = None,
    weighting: str = "modes",
    form: str = "cl",
    beam: Angle | xr.DataArray | None = None,
    other_beam: Angle | xr.DataArray | None = None,
    pixels: int | None = None,
) -> xr.Dataset:
    r"""Return the windows of mask-corrected bandpowers: :math:`\langle B_b\rangle = \sum_\ell W_{b\ell} C_\ell`.

    Bandpowers assume a spectrum flat inside each bin; a theory that is not is compared through these.

    Parameters
    ----------
    coupling : xarray.Dataset
        What :func:`coupling_matrix` returns, with the mask and options of the spectra.
    width, edges, weighting, form, beam, other_beam
        As for :func:`power_spectra`.
    pixels : int, optional
        nside of the map, where its pixel window was corrected.

    Returns
    -------
    xarray.Dataset
        ``window``, dims ``transfer, bin, ell_in``; ``transfer`` as in ``coupling``. For ``form="dl"`` they make
        :math:`D_\ell` bandpowers of :math:`C_\ell`.

    Raises
    ------
    BadOption
        If an option is out of range.
    WrongData
        If it is no coupling.

    References
    ----------
    Alonso et al. 2019, MNRAS 484, 4127, doi:10.1093/mnras/stz093, eq. 20.

    Examples
    --------
    >>> from analysis.cmb.coupling import coupling_matrix
    >>> from analysis.cmb.masks import galactic_mask
    >>> windows = bandpower_windows(coupling_matrix(galactic_mask(16), lmax=32), width=8)
    >>> round(float(windows.window.sel(transfer="TT from TT", ell_in=slice(10, 17))[1].sum()), 3)
    1.0
    """
    if not isinstance(coupling, xr.Dataset) or "coupling" not in coupling.data_vars:
        raise WrongData("coupling is not what coupling_matrix returns; give cmb.coupling_matrix(mask)")
    array = coupling["coupling"]
    matrices = {_pair(str(name)): array.sel(transfer=name).values for name in array["transfer"].values}
    lmax = array.sizes["ell"] - 1
    bins = bins_of(lmax, width=width, edges=edges, weighting=weighting, form=form)
    windows = windows_of([beam, beam if other_beam is None else other_beam], lmax=lmax, nside=pixels)
    purify = str(coupling.attrs.get("purified", "none")).replace("none", "")
    made = {}
    for group in GROUPS:
        if (group[0], group[0]) in matrices:
            block = binned_block(matrices, group, bins, windows)
            refuse_narrow(block, group, bins, purify)
            rows = [[bins.mean @ (matrices[out, into] * windows[into]) for into in group] for out in group]
            solved = np.linalg.solve(block, np.block(rows))
            size = bins.first.size
            for i, out in enumerate(group):
                for j, into in enumerate(group):
                    made[out, into] = solved[i * size : (i + 1) * size, j * (lmax + 1) : (j + 1) * (lmax + 1)]
    values = xr.DataArray(
        np.stack([made[_pair(str(name))] for name in array["transfer"].values]),
        dims=("transfer", "bin", "ell_in"),
        coords={"transfer": array["transfer"], "ell_in": array["ell_in"], **bins.coords},
    )
    letter = "D_ℓ" if form == "dl" else "C_ℓ"
    marked = synthetic_attrs(coupling)
    name = f"Window of {letter} bandpowers over C_ℓ"
    result = labelled(values, "window", units="1", long_name=name, attrs=marked).to_dataset()
    facts = {"purified": purify or "none", "form": form}
    title = f"Bandpower windows, {bins.told}"
    return check(
        derived(result.assign_attrs(facts | marked), coupling, title=title, step=f"cmb.bandpower_windows: {bins.told}")
    )


def _pair(transfer: str) -> tuple[str, str]:
    out, into = transfer.split(" from ")
    return out, into


def expected_bandpowers(theory: xr.Dataset | xr.DataArray, windows: xr.Dataset) -> xr.Dataset:
    r"""Return what bandpowers a theory predicts, :math:`\sum_\ell W_{b\ell} C_\ell`, with no noise.

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray
        :math:`C_\ell`, dims ``spectrum, ell``; spectra that it lacks count as zero.
    windows : xarray.Dataset
        What :func:`bandpower_windows` returns.

    Returns
    -------
    xarray.Dataset
        ``cl`` or ``dl``, dims ``spectrum, bin``, in the units of the theory.

    Raises
    ------
    WrongData
        If the theory is no :math:`C_\ell` or ends before the windows, or those are none.

    Examples
    --------
    >>> from analysis import cmb
    >>> windows = cmb.bandpower_windows(cmb.coupling_matrix(cmb.galactic_mask(16), lmax=32), width=8)
    >>> cmb.expected_bandpowers(cmb.fetch("planck2018_lcdm"), windows).cl.dims
    ('spectrum', 'bin')
    """
    if not isinstance(windows, xr.Dataset) or "window" not in windows.data_vars:
        raise WrongData("windows is not what bandpower_windows returns; give cmb.bandpower_windows(coupling)")
    array = windows["window"]
    cl = spectra_array(theory, "the theory", lmax=array.sizes["ell_in"] - 1)
    known = {str(label): cl.sel(spectrum=label).values for label in cl["spectrum"].values}
    made: dict[str, NDArray] = {}
    for name in array["transfer"].values:
        out, into = _pair(str(name))
        given = known.get(into, np.zeros(cl.sizes["ell"]))
        made[out] = made.get(out, 0) + array.sel(transfer=name).values @ given
    labels = [label for label in SPECTRA if label in made]
    form = str(windows.attrs["form"])
    facts = {k: cl.attrs.get(k, theory.attrs.get(k)) for k in ("polconv", "temperature_scale")}
    facts = {k: v for k, v in facts.items() if v is not None} | synthetic_attrs(theory, windows)
    return check(
        derived(
            bandpower_dataset(
                {label: made[label] for label in labels}, windows.coords, form, str(cl.attrs["units"]), facts
            ).assign_attrs(facts),
            theory,
            title=f"Expected bandpowers of {theory.attrs.get('title', 'a theory')}",
            step="cmb.expected_bandpowers",
            also=[windows],
        )
    )

r"""Bandpowers with the mask undone: the pseudo-spectra's coupling inverted, bin by bin.

:math:`B_b = \sum_{b'} (\mathcal M^{-1})_{bb'} \sum_{\ell \in b'} w_\ell (\tilde C_\ell - \tilde N_\ell)`, with
:math:`\mathcal M_{bb'} = \sum_{\ell \in b} w_\ell \sum_{\ell' \in b'} M_{\ell\ell'} b^2_{\ell'} p^2_{\ell'}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bandpowers import Bins, bins_of
from analysis.cmb.beams import beam_window, pixel_window
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

    Matrices = Mapping[tuple[str, str], NDArray[np.float64]]

SPECTRA = ("TT", "EE", "BB", "TE", "EB", "TB")
GROUPS = (("TT",), ("EE", "BB"), ("TE",), ("EB",), ("TB",))
WORST = 1e7  # condition number: beyond, bandpowers are differences of nearly equal numbers


def windows_of(
    beams: Sequence[Angle | xr.DataArray | None], *, lmax: int, nside: int | None
) -> dict[str, NDArray[np.float64]]:
    """Return by what each spectrum is lowered: the beams of two maps, and pixels of ``nside`` in both.

    Examples
    --------
    >>> windows_of([None, None], lmax=4, nside=None)["EE"].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    one = {field: np.ones(lmax + 1) for field in "TEB"}
    pair = []
    for beam in beams:
        made = one if beam is None else _by_field(beam_window(beam, lmax=lmax))
        if nside is not None:
            pixels = _by_field(pixel_window(nside, lmax=lmax))
            made = {field: made[field] * pixels[field] for field in made}
        pair.append(made)
    first, second = pair
    return {s: (first[s[0]] * second[s[1]] + first[s[1]] * second[s[0]]) / 2 for s in SPECTRA}


def _by_field(window: xr.DataArray) -> dict[str, NDArray[np.float64]]:
    return {str(field): window.sel(field=field).values for field in window["field"].values}


def decoupled(
    pseudo: Mapping[str, NDArray], matrices: Matrices, bins: Bins, windows: Mapping[str, NDArray], purify: str
) -> dict[str, NDArray[np.float64]]:
    """Return the bandpowers of pseudo-spectra, noise already taken off.

    Raises
    ------
    BadOption
        If the bins are too narrow for the mask.

    Examples
    --------
    >>> bins = bins_of(8, width=2, edges=None, weighting="modes", form="cl")
    >>> whole = {("TT", "TT"): np.eye(9)}
    >>> decoupled({"TT": np.full(9, 3.0)}, whole, bins, {"TT": np.ones(9)}, "")["TT"].tolist()
    [3.0, 3.0, 3.0]
    """
    found: dict[str, NDArray] = {}
    for group in GROUPS:
        if group[0] in pseudo:
            matrix = _binned_block(matrices, group, bins, windows)
            _refuse_narrow(matrix, group, bins, purify)
            right = np.concatenate([bins.mean @ pseudo[label] for label in group])
            solved = np.linalg.solve(matrix, right).reshape(len(group), -1)
            found |= dict(zip(group, solved, strict=True))
    return {label: found[label] for label in pseudo}


def _binned_block(
    matrices: Matrices, group: Sequence[str], bins: Bins, windows: Mapping[str, NDArray]
) -> NDArray[np.float64]:
    rows = [
        [bins.mean @ (matrices[out, into] * windows[into]) @ bins.spread for into in group if (out, into) in matrices]
        for out in group
    ]
    return np.block(rows)


def _refuse_narrow(matrix: NDArray, group: Sequence[str], bins: Bins, purify: str) -> None:
    """Purified rows go as 1/ℓ² and columns as ℓ², which is no trouble and is taken out first."""
    scale = np.concatenate([bins.coords["ell_effective"].values ** (2 * sum(c in purify for c in s)) for s in group])
    condition = np.linalg.cond(matrix * scale[:, None] / scale) if np.isfinite(matrix).all() else np.inf
    if not condition < WORST:
        raise BadOption(
            f"{bins.told} are too narrow to undo this mask, beam and pixels for {', '.join(group)} (condition number "
            f"{condition:.1e}); give a larger width=, a smaller lmax=, or edges="
        )


def noise_taken(
    pseudo: Mapping[str, NDArray],
    noise: xr.Dataset | xr.DataArray,
    matrices: Matrices,
    *,
    units: str,
    purify: str,
) -> dict[str, NDArray[np.float64]]:
    """Return pseudo-spectra without the bias of noise, which is given as pseudo-C_ℓ or as C_ℓ of the whole sky.

    Raises
    ------
    WrongData
        If the noise is no spectra up to the same multipole, or its purification is another.

    Examples
    --------
    >>> noise = xr.DataArray([[1.0, 1.0]], dims=("spectrum", "ell"), coords={"spectrum": ["TT"], "ell": [0, 1]},
    ...                      attrs={"units": "uK2", "long_name": "Pseudo-C_ℓ"})
    >>> noise_taken({"TT": np.full(2, 3.0)}, noise, {}, units="uK2", purify="")["TT"].tolist()
    [2.0, 2.0]
    """
    array = spectra_array(noise, "the noise", lmax=next(iter(pseudo.values())).size - 1)
    array = in_units(array, units)
    held = {str(label): array.sel(spectrum=label).values for label in array["spectrum"].values}
    if "Pseudo" not in str(array.attrs["long_name"]):
        whole = {label: held.get(label, np.zeros(array.sizes["ell"])) for label in SPECTRA}
        held = {out: np.zeros(array.sizes["ell"]) for out, _ in matrices}
        for (out, into), matrix in matrices.items():
            held[out] = held[out] + matrix @ whole[into]
    else:
        said = str(noise.attrs.get("purified", array.attrs.get("purified", "none")))
        if said != (purify or "none"):
            raise WrongData(
                f"the noise is pseudo-C_ℓ with purify={said!r}, the map's has purify={purify!r}; purification changes "
                "noise, so make it with the same: the mean of power_spectra(noise_map, mask=…, purify=…)"
            )
    return {label: values - held.get(label, 0) for label, values in pseudo.items()}


def spectra_array(spectra: xr.Dataset | xr.DataArray, what: str, *, lmax: int) -> xr.DataArray:
    """Return C_ℓ from ℓ = 0 to ``lmax``, dims ``spectrum, ell``.

    Raises
    ------
    WrongData
        If it is no C_ℓ, lacks multipoles, or holds NaN.

    Examples
    --------
    >>> cl = xr.DataArray([[1.0, 2.0]], dims=("spectrum", "ell"), coords={"spectrum": ["TT"], "ell": [0, 1]},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> spectra_array(cl, "the theory", lmax=1).sizes["ell"]
    2
    """
    if isinstance(spectra, xr.Dataset):
        if "cl" not in spectra.data_vars:
            raise WrongData(f"{what} has no variable 'cl'; it has {', '.join(map(str, spectra.data_vars)) or 'none'}")
        spectra = spectra["cl"]
    if not isinstance(spectra, xr.DataArray) or not {"spectrum", "ell"} <= set(spectra.coords):
        raise WrongData(f"{what} is no C_ℓ with the coordinates spectrum and ell; fetch('planck2018_lcdm') is")
    if set(spectra.dims) != {"spectrum", "ell"}:
        raise WrongData(f"{what} has dims {tuple(map(str, spectra.dims))}; it needs spectrum, ell")
    if "C_ℓ" not in str(spectra.attrs.get("long_name", "")):
        raise WrongData(f"long_name {spectra.attrs.get('long_name')!r} of {what} does not say C_ℓ; give C_ℓ, not D_ℓ")
    wanted = np.arange(lmax + 1)
    if not np.isin(wanted[2:], spectra["ell"].values).all():
        ells = spectra["ell"].values
        raise WrongData(f"{what} has ell from {ells.min()} to {ells.max()}; every one from 2 to {lmax} is needed")
    array = spectra.reindex(ell=wanted, fill_value=0.0).transpose("spectrum", "ell")
    if not np.isfinite(array.values).all():
        raise WrongData(f"{what} holds NaN or infinities between ℓ = 0 and {lmax}")
    return array


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
    >>> round(float(windows.window.sel(transfer="TT from TT")[1].sum()), 3)
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
            block = _binned_block(matrices, group, bins, windows)
            _refuse_narrow(block, group, bins, purify)
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
    if unknown := set(known) - set(SPECTRA):
        raise WrongData(f"the theory holds {', '.join(sorted(unknown))}; the spectra are {', '.join(SPECTRA)}")
    made: dict[str, NDArray] = {}
    for name in array["transfer"].values:
        out, into = _pair(str(name))
        given = known.get(into, np.zeros(cl.sizes["ell"]))
        made[out] = made.get(out, 0) + array.sel(transfer=name).values @ given
    labels = [label for label in SPECTRA if label in made]
    form = str(windows.attrs["form"])
    return check(
        derived(
            bandpower_dataset(
                {label: made[label] for label in labels}, windows.coords, form, str(cl.attrs["units"])
            ).assign_attrs(synthetic_attrs(theory, windows)),
            theory,
            title=f"Expected bandpowers of {theory.attrs.get('title', 'a theory')}",
            step="cmb.expected_bandpowers",
            also=[windows],
        )
    )


def bandpower_dataset(
    values: Mapping[str, NDArray], coords: Mapping, form: str, units: str, attrs: Mapping[str, object] | None = None
) -> xr.Dataset:
    """Return bandpowers as a Dataset: ``cl`` or ``dl``, dims ``spectrum, bin``.

    Examples
    --------
    >>> bins = bins_of(8, width=2, edges=None, weighting="modes", form="cl")
    >>> bandpower_dataset({"TT": np.ones(3)}, bins.coords, "cl", "uK2").cl.attrs["long_name"]
    'C_ℓ, mask corrected'
    """
    spectrum = xr.DataArray(list(values), dims="spectrum", attrs={"long_name": "Spectrum"})
    kept = {name: coords[name] for name in ("ell_effective", "first_ell", "last_ell")}
    array = xr.DataArray(
        np.stack(list(values.values())), dims=("spectrum", "bin"), coords={"spectrum": spectrum, **kept}
    )
    letter = "D_ℓ" if form == "dl" else "C_ℓ"
    return labelled(array, form, units=units, long_name=f"{letter}, mask corrected", attrs=attrs).to_dataset()

r"""Bandpowers with the mask undone: the pseudo-spectra's coupling inverted, bin by bin.

:math:`B_b = \sum_{b'} (\mathcal M^{-1})_{bb'} \sum_{\ell \in b'} w_\ell (\tilde C_\ell - \tilde N_\ell)`, with
:math:`\mathcal M_{bb'} = \sum_{\ell \in b} w_\ell \sum_{\ell' \in b'} M_{\ell\ell'} b^2_{\ell'} p^2_{\ell'}`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bandpowers import Bins
from analysis.cmb.beams import beam_window, pixel_window
from analysis.errors import BadOption, WrongData
from analysis.model import in_units, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

    Matrices = Mapping[tuple[str, str], NDArray[np.float64]]

SPECTRA = ("TT", "EE", "BB", "TE", "EB", "TB")
GROUPS = (("TT",), ("EE", "BB"), ("TE",), ("EB",), ("TB",))
WORST = 1e7  # condition number: beyond, bandpowers are differences of nearly equal numbers


def windows_of(
    beams: Sequence[Angle | xr.DataArray | None],
    *,
    lmax: int,
    nside: int | None,
    fields: Sequence[Collection[str]] = ("TEB", "TEB"),
) -> dict[str, NDArray[np.float64]]:
    """Return by what each spectrum is lowered: the beams of two maps, and pixels of ``nside`` in both.

    Spectra of unlike fields are means over both orders, as far as the maps hold these ``fields``.

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
    found = {}
    for s in SPECTRA:
        both = [(s[0], s[1]), (s[1], s[0])]
        orders = [(a, b) for a, b in both if a in fields[0] and b in fields[1]] or both
        found[s] = np.mean([first[a] * second[b] for a, b in orders], axis=0)
    return found


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
    >>> from analysis.cmb.bandpowers import bins_of
    >>> bins = bins_of(8, width=2, edges=None, weighting="modes", form="cl")
    >>> whole = {("TT", "TT"): np.eye(9)}
    >>> decoupled({"TT": np.full(9, 3.0)}, whole, bins, {"TT": np.ones(9)}, "")["TT"].tolist()
    [3.0, 3.0, 3.0]
    """
    found: dict[str, NDArray] = {}
    for group in GROUPS:
        if group[0] in pseudo:
            matrix = binned_block(matrices, group, bins, windows)
            refuse_narrow(matrix, group, bins, purify)
            right = np.concatenate([bins.mean @ pseudo[label] for label in group])
            solved = np.linalg.solve(matrix, right).reshape(len(group), -1)
            found |= dict(zip(group, solved, strict=True))
    return {label: found[label] for label in pseudo}


def binned_block(
    matrices: Matrices, group: Sequence[str], bins: Bins, windows: Mapping[str, NDArray]
) -> NDArray[np.float64]:
    """Return the coupling of the bandpowers of spectra that mix, one block a pair.

    Examples
    --------
    >>> from analysis.cmb.bandpowers import bins_of
    >>> bins = bins_of(8, width=2, edges=None, weighting="modes", form="cl")
    >>> binned_block({("TT", "TT"): np.eye(9)}, ["TT"], bins, {"TT": np.ones(9)}).tolist()[0]
    [1.0, 0.0, 0.0]
    """
    from scipy.sparse import csr_array

    mean, spread = csr_array(bins.mean), csr_array(bins.spread)  # a bin holds few multipoles
    rows = [
        [mean @ (matrices[out, into] * windows[into]) @ spread for into in group if (out, into) in matrices]
        for out in group
    ]
    return np.block(rows)


def refuse_narrow(matrix: NDArray, group: Sequence[str], bins: Bins, purify: str) -> None:
    """Refuse bins whose coupling cannot be undone: they would be differences of nearly equal numbers.

    Purified rows go as 1/ℓ² and columns as ℓ², which is no trouble and is taken out first.

    Raises
    ------
    BadOption
        If the bins are too narrow.

    Examples
    --------
    >>> from analysis.cmb.bandpowers import bins_of
    >>> bins = bins_of(8, width=2, edges=None, weighting="modes", form="cl")
    >>> refuse_narrow(np.eye(3), ["TT"], bins, "")
    """
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
        If it is no C_ℓ, holds others than the six spectra or one twice, lacks multipoles, or holds NaN.

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
    labels = [str(label) for label in spectra["spectrum"].values]
    if set(labels) - set(SPECTRA) or len(set(labels)) < len(labels):
        raise WrongData(f"{what} holds {', '.join(labels)}; the spectra are {', '.join(SPECTRA)}, each once")
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


def bandpower_dataset(
    values: Mapping[str, NDArray], coords: Mapping, form: str, units: str, attrs: Mapping[str, object] | None = None
) -> xr.Dataset:
    """Return bandpowers as a Dataset: ``cl`` or ``dl``, dims ``spectrum, bin``.

    Examples
    --------
    >>> from analysis.cmb.bandpowers import bins_of
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

"""Component separation by spectra: amplitudes and spectral indices that fit the bands best, and what they cost."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bandpasses import Bandpass, bandpass_tables, bandpass_told
from analysis.cmb.bands import band_array, checked_stokes, hits_of, kept_cells, noise_levels
from analysis.cmb.emission import (
    COMPONENTS,
    INDICES,
    Bands,
    band_coords,
    channel_bands,
    checked_components,
    checked_indices,
    checked_references,
    columns,
    component_labels,
    labelled_mixing,
)
from analysis.cmb.maps import FACTS, checked_nside, nside_of
from analysis.cmb.masks import mask_told
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.spectral_likelihood import Solution, Statistic, maximum, weights_of
from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import check, derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.masks import Mask

STOMPOR = "Stompor et al. 2009, MNRAS 392, 216, doi:10.1111/j.1365-2966.2008.14023.x"
SINGULAR = 1e9  # condition number of the mixing matrix, columns over noise and of unit length


def parametric_components(
    sky: xr.Dataset,
    *,
    noise: xr.DataArray | None = None,
    components: Sequence[str] = COMPONENTS,
    free: Sequence[str] | None = None,
    indices: Mapping[str, float] | None = None,
    references: Mapping[str, float] | None = None,
    patches: int | None = None,
    stokes: str = "QU",
    mask: Mask | None = None,
    hits: xr.DataArray | None = None,
    bandpass: Bandpass = "delta",
) -> xr.Dataset:
    r"""Return the components that explain maps of several bands best, and their spectral indices.

    The data are :math:`d = A(\beta)s + n` in each cell. The indices maximize the spectral likelihood
    :math:`d^T N^{-1} A (A^T N^{-1} A)^{-1} A^T N^{-1} d`, summed over the cells and Stokes parameters of a patch; the
    amplitudes are then :math:`(A^T N^{-1} A)^{-1} A^T N^{-1} d`. They are unbiased where the spectra are as assumed and
    the indices constant within a patch; where not, foregrounds remain in the CMB. All bands must have one
    resolution: differing beams make differing mixtures.

    Parameters
    ----------
    sky : xarray.Dataset
        ``sky``, dims ``frequency, stokes, cells``, in K_CMB; see :func:`stacked_bands`, :func:`simulated_sky`.
    noise : xarray.DataArray, optional
        Depth (uK arcmin) or standard deviation of a cell (uK), dims ``frequency[, stokes]``; the map's ``depth`` if
        left out.
    components : sequence of {"cmb", "dust", "synchrotron"}, optional
    free : sequence of str, optional
        Indices to fit: ``beta_dust`` and ``beta_synchrotron`` as far as they apply if left out,
        ``temperature_dust`` too if named; none for ``[]``.
    indices : mapping, optional
        Values to start from (the usual ones are tried too), and of those that are not free.
    references : mapping, optional
        Frequencies in GHz at which amplitudes are given: dust 353, synchrotron 23.
    patches : int, optional
        Indices of their own for each HEALPix cell of this nside; one set for the whole sky if left out.
    stokes : {"QU", "I", "IQU"}, optional
        What is fitted, with the same indices.
    mask : xarray.DataArray or xarray.Dataset, optional
        Cells to use, True or False; those seen in every band if left out.
    hits : xarray.DataArray, optional
        Relative inverse variance of the noise of each cell, the same in all bands; the map's ``hits`` if left out.
    bandpass : {"delta", "tophat"} or tables, optional
        That of the maps, see :func:`mixing_matrix`: one frequency where bands are wide biases the indices.

    Returns
    -------
    xarray.Dataset
        ``amplitude`` (emission, stokes, cells) in uK of K_CMB, NaN outside the mask; ``amplitude_covariance`` of a cell
        of mean hits; ``value``, ``error``, ``covariance`` of the indices and ``converged``; ``mixing``;
        ``amplitude_response``, the change of amplitudes for 1 of an index; dim ``patch`` (and the map
        ``patch_of_cell``) with ``patches``. attrs ``statistic_value`` (chi2), ``dof``.

    Raises
    ------
    BadOption
        If an option is none, or there is no noise.
    WrongData
        If there are too few bands, the bands cannot tell the components apart, or the mask does not fit.
    WrongUnits, WrongFrame
        If the map is not in K_CMB, or does not say its polarization convention.

    References
    ----------
    Stompor et al. 2009, MNRAS 392, 216, doi:10.1111/j.1365-2966.2008.14023.x (eqs. 4–6); Errard, Stivoli & Stompor
    2011, PRD 84, 063005, doi:10.1103/PhysRevD.84.063005 (errors of the indices and what they leave behind).

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("litebird", 16, seed=1, beams=None)
    >>> fit = parametric_components(sky)
    >>> bool(abs(fit.value - [1.54, -3.0]).max() < 0.05)
    True
    """
    stokes = checked_stokes(stokes)
    names = checked_components(components)
    at = checked_indices(indices, names)
    chosen = _checked_free(free, at)
    array = band_array(sky, stokes=stokes)
    bands = channel_bands(sky, bandpass)
    _refuse_few(array, names, chosen)
    _refuse_beams(sky)
    sigma = noise_levels(array, noise, sky)
    kept = kept_cells(array, mask)
    if hits is None and "hits" in sky.data_vars:
        hits = sky["hits"]
    weights = hits_of(array, hits)
    if weights is not None and not (weights > 0).all():
        kept = (weights > 0) if kept is None else kept & (weights > 0)
        if not kept.any():
            raise WrongData("no cell is left that has hits and is kept by the mask")
    coarse = None if patches is None else checked_nside(patches)
    if coarse is not None and coarse > nside_of(array):
        raise BadOption(f"patches={coarse} is finer than the map's nside {nside_of(array)}")
    held = checked_references(references)
    mixing_of = _mixing(bands, names, at, chosen, held)
    _refuse_singular(columns(bands, names, at, held)[0], sigma, names)
    groups = 1 if coarse is None else 12 * coarse**2
    statistic = _statistic(array.values, sigma, kept, weights, groups)
    start = np.tile([at[name] for name in chosen], (groups, 1))
    solution = _solved(statistic, mixing_of, start, chosen)
    fit = _amplitudes(array, solution, statistic, mixing_of, names, chosen, kept)
    told = {"components": names, "free": chosen, "indices": at, "references": held, "bandpass": bandpass_told(bandpass)}
    step = f"cmb.parametric_components(stokes={stokes!r}, patches={patches}): {json.dumps(told)}; " + (
        "cells observed in every band" if mask is None else mask_told(mask, np.asarray(kept, dtype=float))
    )
    fit.attrs |= {k: array.attrs[k] for k in FACTS if k in array.attrs} | {
        "model": json.dumps(told),
        **_goodness(statistic, solution, len(names), len(chosen), array),
    }
    title, also = f"Components of {sky.attrs.get('title', 'a sky')}", [d for d in (noise, mask, hits) if d is not None]
    also += bandpass_tables(bandpass)
    return check(derived(fit, sky, title=title, step=step, references=[STOMPOR], also=also))


def _checked_free(free: Sequence[str] | None, at: dict[str, float]) -> list[str]:
    if free is None:
        return [name for name in at if name != "temperature_dust"]
    chosen = [free] if isinstance(free, str) else list(free)
    if unknown := [name for name in chosen if name not in at]:
        raise BadOption(f"free={unknown!r}: these components have the indices {', '.join(at) or 'none'}")
    return [name for name in at if name in chosen]


def _refuse_few(array: xr.DataArray, names: list[str], free: list[str]) -> None:
    distinct = np.unique(np.asarray(array["frequency"].values, dtype=float)).size
    needed = len(names) + (1 if free else 0)
    if distinct < needed:
        extra = " and free indices" if free else ""
        raise WrongData(
            f"{distinct} different bands cannot tell {len(names)} components{extra} apart; it takes {needed} or more: "
            "leave a component out, or fix the indices with free=[]"
        )


def _refuse_beams(sky: xr.Dataset) -> None:
    if "beam" not in sky.variables:
        return
    own = np.atleast_1d(np.asarray(sky["beam"].values, dtype=float))
    if not own.max() - own.min() <= 0.01 * own.max():
        raise WrongData(
            f"the bands have beams from {own.min():g} to {own.max():g} {sky['beam'].attrs.get('units', '')}, so a cell "
            "mixes different skies; bring them to one with cmb.common_resolution(sky)"
        )


def _refuse_singular(mixing: NDArray, sigma: NDArray, names: list[str]) -> None:
    whitened = mixing / sigma[0][:, None]
    condition = np.linalg.cond(whitened / np.linalg.norm(whitened, axis=0))
    if not condition < SINGULAR:
        raise WrongData(
            f"the mixing matrix of {', '.join(names)} is singular in these bands (condition {condition:.1e}): "
            "two components look alike; leave one out or change its indices"
        )


def _mixing(bands: Bands, names: list[str], at: dict[str, float], free: list[str], references: dict[str, float]):
    def mixing_of(values: NDArray) -> tuple[NDArray, list[NDArray]]:
        own: dict[str, NDArray | float] = {**at, **{name: values[:, n] for n, name in enumerate(free)}}
        own = {name: np.broadcast_to(value, len(values)) for name, value in own.items()}
        mixing, by = columns(bands, names, own, references)
        mixing = np.broadcast_to(mixing, (len(values), *mixing.shape[-2:]))
        return mixing, [by[name] for name in free]

    return mixing_of


def _statistic(values: NDArray, sigma: NDArray, kept: NDArray | None, hits: NDArray | None, groups: int) -> Statistic:
    """Return the band × band sums of each patch; cells left out count nothing."""
    bands, stokes, cells = values.shape
    if kept is not None or hits is not None:
        root = np.sqrt(np.ones(cells) if hits is None else hits)
        values = np.where(True if kept is None else kept, values, 0.0)
        values *= root if kept is None else root * kept
    split = values.reshape(bands, stokes, groups, -1).transpose(2, 1, 0, 3)
    sums = split @ np.swapaxes(split, -1, -2) / (sigma[:, :, None] * sigma[:, None, :])
    used = np.ones(cells, dtype=bool) if kept is None else kept
    return Statistic(sums, sigma, used.reshape(groups, -1).sum(axis=-1))


def _solved(statistic: Statistic, mixing_of, start: NDArray, free: list[str]) -> Solution:
    """Return the indices of each patch, NaN where it has no cells or no maximum."""
    full = statistic.count > 0
    part = Statistic(statistic.sums[full], statistic.sigma, statistic.count[full])
    found = maximum(part, mixing_of, start[full], free)
    usual = np.broadcast_to([INDICES[name] for name in free], start[full].shape)
    if not np.allclose(usual, start[full]):  # a start far off may end on a lesser maximum
        found = _better(found, maximum(part, mixing_of, usual, free))
    if not found.converged.all():
        lost = int((~found.converged).sum())
        if lost == len(found.converged):
            raise WrongData(
                f"the likelihood of {', '.join(free)} has no maximum in any patch: too noisy, or not of these "
                "components; fix an index with free=, or take larger patches"
            )
        message = f"{lost} of {len(found.converged)} patches have no maximum of the likelihood; they are NaN"
        warnings.warn(message, AnalysisWarning, stacklevel=3)
    made = [np.full((len(full), *a.shape[1:]), np.nan) for a in (found.indices, found.covariance, found.log_likelihood)]
    for whole, piece in zip(made, (found.indices, found.covariance, found.log_likelihood), strict=True):
        whole[full] = piece
    good = np.zeros(len(full), dtype=bool)
    good[full] = found.converged
    return Solution(made[0], made[1], made[2], good)


def _better(one: Solution, other: Solution) -> Solution:
    """Return for each patch the solution with the larger likelihood, of those that converged."""
    first = one.converged & (~other.converged | (one.log_likelihood >= other.log_likelihood))
    return Solution(
        np.where(first[:, None], one.indices, other.indices),
        np.where(first[:, None, None], one.covariance, other.covariance),
        np.where(first, one.log_likelihood, other.log_likelihood),
        one.converged | other.converged,
    )


def _amplitudes(
    array: xr.DataArray,
    solution: Solution,
    statistic: Statistic,
    mixing_of,
    names: list[str],
    free: list[str],
    kept: NDArray | None,
) -> xr.Dataset:
    good, groups = solution.converged, len(solution.converged)
    bands, stokes, cells = array.shape
    mixing = np.full((groups, bands, len(names)), np.nan)
    mixing[good], slopes = mixing_of(solution.indices[good])
    weights = np.full((groups, stokes, len(names), bands), np.nan)
    covariance = np.full((groups, stokes, len(names), len(names)), np.nan)
    weights[good], covariance[good] = weights_of(mixing[good], statistic.sigma)
    response = np.full((groups, stokes, len(free), len(names), len(names)), np.nan)
    for row, slope in enumerate(slopes):
        response[good, :, row] = -weights[good] @ slope[:, None]
    with np.errstate(invalid="ignore"):  # cells that were not seen may be infinite; they become NaN below
        if groups == 1:
            made = np.empty((len(names), stokes, cells))
            for row in range(stokes):
                np.matmul(weights[0, row], array.values[:, row], out=made[:, row])
        else:
            split = array.values.reshape(bands, stokes, groups, -1).transpose(2, 1, 0, 3)
            made = (weights @ split).transpose(2, 1, 0, 3).reshape(len(names), stokes, cells)
    if kept is not None:
        made[..., ~kept] = np.nan
    return _fit_dataset(array, made, covariance, response, mixing, solution, statistic, names, free)


def _fit_dataset(
    array: xr.DataArray,
    amplitude: NDArray,
    covariance: NDArray,
    response: NDArray,
    mixing: NDArray,
    solution: Solution,
    statistic: Statistic,
    names: list[str],
    free: list[str],
) -> xr.Dataset:
    alone = len(solution.converged) == 1
    patch: tuple[str, ...] = () if alone else ("patch",)

    def cut(values: NDArray) -> NDArray:
        return values[0] if alone else values

    about = synthetic_attrs(array)
    coords = {
        "emission": component_labels(names),
        "emission_other": component_labels(names, "emission_other").assign_attrs(long_name="Other component"),
        "stokes": array["stokes"].variable,
        "cell_ids": array["cell_ids"],
    }
    made = xr.Dataset(coords={**coords, **band_coords(array)})
    pairs = (*patch, "stokes", "emission", "emission_other")

    def put(name: str, dims: tuple[str, ...], values: NDArray, units: str, long_name: str) -> None:
        new = xr.DataArray(values, dims=dims)
        made[name] = labelled(new, name, units=units, long_name=long_name, attrs=about)

    put("amplitude", ("emission", "stokes", "cells"), amplitude, "uK", "Amplitude at the reference frequency")
    put("amplitude_covariance", pairs, cut(covariance), "uK2", "Covariance of amplitudes from noise, of one cell")
    made["mixing"] = labelled_mixing(cut(mixing), array, names)
    put("converged", patch, np.asarray(cut(solution.converged)), "1", "Whether the likelihood has a maximum")
    put("cells_used", patch, np.asarray(cut(statistic.count)), "1", "Cells used")
    if free:
        made = made.assign_coords(parameter=component_labels(free, "parameter").assign_attrs(long_name="Index"))
        other = component_labels(free, "parameter_other").assign_attrs(long_name="Other index")
        made = made.assign_coords(parameter_other=other)
        error = np.sqrt(np.diagonal(solution.covariance, axis1=-2, axis2=-1))
        said = "Spectral index (beta: 1, temperature: K)"
        put("value", (*patch, "parameter"), cut(solution.indices), "1", said)
        put("error", (*patch, "parameter"), cut(error), "1", "Standard error of the index")
        put(
            "covariance",
            (*patch, "parameter", "parameter_other"),
            cut(solution.covariance),
            "1",
            "Covariance of indices",
        )
        dims = (*patch, "stokes", "parameter", "emission", "emission_other")
        put(
            "amplitude_response",
            dims,
            cut(response),
            "1",
            "Change of an amplitude for 1 of an index and 1 uK of another",
        )
    if not alone:
        inside = array.sizes["cells"] // len(solution.converged)
        put("patch_of_cell", ("cells",), np.arange(array.sizes["cells"]) // inside, "1", "Patch of the cell")
    return made


def _goodness(
    statistic: Statistic, solution: Solution, components: int, free: int, array: xr.DataArray
) -> dict[str, object]:
    good = solution.converged
    total = np.trace(statistic.sums[good], axis1=-2, axis2=-1).sum() - 2 * solution.log_likelihood[good].sum()
    cells, stokes, bands = int(statistic.count[good].sum()), array.sizes["stokes"], array.sizes["frequency"]
    dof = cells * stokes * (bands - components) - free * int(good.sum())
    return {"statistic": "chi2", "statistic_value": float(total), "dof": dof, "bins": cells * stokes * bands}


def model_of(fit: xr.Dataset) -> dict[str, object]:
    """Return the model of a fit: components, free indices, starting values, references, bandpass.

    Raises
    ------
    WrongData
        If it is no result of :func:`parametric_components`.

    Examples
    --------
    >>> model_of(xr.Dataset(attrs={"model": '{"free": []}', "statistic": "chi2"}))
    {'free': []}
    """
    if not isinstance(fit, xr.Dataset) or "model" not in fit.attrs or "statistic" not in fit.attrs:
        raise WrongData("give what cmb.parametric_components returned")
    return json.loads(fit.attrs["model"])

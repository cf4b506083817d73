"""Many spectra fitted with one model: those that share a response and its bins are fitted side by side.

What they share is done once: the response is compiled, starts are folded for all of them, the sum of the spectra gives
a start; the damped steps of Fisher scoring are taken for all at once.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import xarray as xr

from analysis.download.progress import counted
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, WrongData
from analysis.model import check, derived
from analysis.xray.exposures import paired
from analysis.xray.fitting import PAPERS, changed, warn_of_empty_background
from analysis.xray.grouping import Grouping, channel_bins, summed
from analysis.xray.inputs import Amount, as_dataset, limits
from analysis.xray.likelihoods import (
    Statistic,
    Variance,
    statistic_for,
    variance_of,
)
from analysis.xray.minimizing import Minimum
from analysis.xray.models import Array, Model, about, model, refuse_unless_additive, state
from analysis.xray.problems import Problem, posed, response_of, spectra_of
from analysis.xray.sidebyside import Batch, common_starts, cut, fitted, side_by_side

BLOCK = 64  # spectra whose fluxes are held at once
NODES = ("spectrum", "background", "rmf", "arf")
Parts: TypeAlias = "dict[str, xr.Dataset]"
SHARED = {  # what must be equal in the spectra of a batch
    "rmf": (
        *("matrix", "first_channel", "n_channels", "energy_index", "energy_low", "energy_high", "e_min", "e_max"),
        *("channel", "channel_index", "first_element"),
    ),
    "arf": ("effective_area", "energy_low", "energy_high"),
    "spectrum": ("channel", "grouping", "quality", "areascal"),
    "background": ("channel",),
}


def fit_many(
    spectra: xr.DataTree | Mapping[str, xr.DataTree] | Sequence[xr.DataTree],
    source: Model | str,
    *,
    band: tuple[Amount, Amount] | None = None,
    grouping: Grouping = "file",
    min_counts: int | None = None,
    statistic: Statistic | None = None,
    errors: Variance = "data",
    values: Mapping[str, float] | None = None,
    frozen: Sequence[str] = (),
    bounds: Mapping[str, tuple[float, float]] | None = None,
    tied: Mapping[str, str] | None = None,
    starts: int = 16,
    seed: int = 0,
    chunks: int | None = None,
) -> xr.Dataset:
    """Return fits of one model to many spectra, each with parameters of its own.

    Spectra with equal responses, GROUPING and QUALITY are fitted side by side, where the cost of each falls with
    their number. With ``min_counts`` each has bins of its own and is fitted by itself.

    Parameters
    ----------
    spectra : mapping, sequence of xarray.DataTree, or xarray.DataTree
        Trees as :func:`fit` takes them. One tree whose nodes ``spectrum`` and ``background`` hold ``counts`` on
        the dims ``spectrum, channel`` is as many spectra with one response.
    source, band, grouping, min_counts, statistic, errors, values, frozen, bounds, tied
        As for :func:`fit`.
    starts, seed : int, optional
        Further starts that all spectra try.
    chunks : int, optional
        So many spectra a task of Dask, which runs where Dask's scheduler says (a distributed client's workers,
        else threads here). Left out, all are fitted here.

    Returns
    -------
    xarray.Dataset
        On ``spectrum, parameter``: ``value``, ``error``, ``at_bound``; ``covariance`` on ``spectrum, parameter,
        parameter_2``; on ``spectrum``: ``statistic_value``, ``dof``, ``bins``, ``converged``, and ``reason``: empty, or
        why a spectrum has no fit (its numbers are NaN) or one that did not converge.

    Raises
    ------
    BadOption, WrongData
        If the model or an option cannot be used, or no spectrum can be fitted.

    Warns
    -----
    AnalysisWarning
        Once, saying how many spectra were not fitted or did not converge.

    References
    ----------
    As for :func:`fit`.

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn")
    >>> found = xray.fit_many({"one": ulx, "two": ulx}, "tbabs * powerlaw", band=(0.5, 8))
    >>> found.value.sel(parameter="powerlaw.photon_index").round(2).values.tolist()
    [2.01, 2.01]
    """
    made = changed(model(source), values=values, frozen=frozen, bounds=bounds, tied=tied)
    refuse_unless_additive(made, "fit_many")
    if not made.free:
        raise BadOption(f"all parameters of {made} are frozen or tied; free one with thawed()")
    if chunks is not None and (isinstance(chunks, bool) or not isinstance(chunks, int | np.integer) or chunks < 1):
        raise BadOption(f"chunks={chunks!r} must be a whole number of spectra, 1 or more")
    if isinstance(starts, bool) or not isinstance(starts, int | np.integer) or starts < 0:
        raise BadOption(f"starts={starts!r} must be a whole number, 0 or more")
    listed = _parts(spectra)
    options = {"statistic": statistic, "errors": errors, "grouping": grouping, "min_counts": min_counts, "band": band}
    batches, reasons = _batches(listed, made, options)
    if not batches:
        first = next(iter(reasons.items()), ("", "there are none"))
        raise WrongData(f"none of the {len(listed)} spectra can be fitted; {first[0]}: {first[1]}")
    for batch in batches:
        warn_of_empty_background(side_by_side(batch), f"{len(batch.names)} spectra")
    minima = _all_fitted(batches, int(starts), seed, None if chunks is None else int(chunks))
    kept = {**options, "band": None if band is None else list(limits(band)), "starts": int(starts), "seed": seed}
    return _labelled(listed, batches, minima, reasons, kept)


def _parts(spectra: xr.DataTree | Mapping[str, xr.DataTree] | Sequence[xr.DataTree]) -> dict[str, Parts]:
    """The nodes of each spectrum by name."""
    if isinstance(spectra, xr.DataTree) and "spectrum" in spectra.children:
        node = as_dataset(spectra.children["spectrum"], "fit_many: spectrum")
        if "spectrum" in node.dims:
            return _unstacked(spectra, node)
    if isinstance(spectra, Sequence) and not isinstance(spectra, str) and len(spectra):
        spectra = {str(i): tree for i, tree in enumerate(spectra)}
    if not isinstance(spectra, xr.DataTree | Mapping):
        raise WrongData(
            "fit_many takes a mapping of names to trees, a sequence of trees, or a tree whose spectra lie on the dim "
            f"'spectrum'; not {type(spectra).__name__} {str(spectra)[:40]}"
        )
    return {
        name: {k: as_dataset(tree.children[k], f"{name}: {k}") for k in NODES if k in tree.children}
        for name, tree in spectra_of(spectra).items()
    }


def _unstacked(tree: xr.DataTree, node: xr.Dataset) -> dict[str, Parts]:
    """The spectra on the dim ``spectrum``, all with the same response."""
    known = node["spectrum"].values if "spectrum" in node.variables else np.arange(node.sizes["spectrum"])
    names = [str(name) for name in known.tolist()]
    if len(set(names)) != len(names):
        raise WrongData("names of spectra occur twice on the dim 'spectrum'")
    nodes = {k: as_dataset(tree.children[k], f"fit_many: {k}") for k in NODES if k in tree.children}
    for k, part in nodes.items():
        if part.sizes.get("spectrum", len(names)) != len(names):
            raise WrongData(f"there are {len(names)} spectra, but {part.sizes['spectrum']} in the node {k!r}")
    return {
        name: {k: part.isel(spectrum=i, drop=True) if "spectrum" in part.dims else part for k, part in nodes.items()}
        for i, name in enumerate(names)
    }


def _batches(
    spectra: Mapping[str, Parts], source: Model, options: Mapping[str, object]
) -> tuple[list[Batch], dict[str, str]]:
    """The spectra in batches, and why some are in none."""
    known: dict[tuple, tuple[Problem, xr.DataArray]] = {}
    rows: dict[tuple, list[tuple]] = {}
    reasons: dict[str, str] = {}
    digests: dict[tuple, tuple[bytes, Array]] = {}
    for name, parts in spectra.items():
        try:
            key = _key(name, parts, digests, options)
            if key not in known:
                tree = xr.DataTree.from_dict(dict(parts))
                problem = posed({name: tree}, source, **options)  # type: ignore[arg-type]
                chosen = {key: options[key] for key in ("grouping", "min_counts", "band")}
                bins = channel_bins(parts["spectrum"], rmf=response_of(name, tree), **chosen)  # type: ignore[arg-type]
                known[key], rows[key] = (problem, bins), []
                first = problem.spectra[0]
                row = first.source, first.background, first.ratio, first.variance, 1.0
            else:
                row = _row(name, parts, *known[key])
            rows[key].append((name, *row))
        except AnalysisError as error:
            reasons[name] = str(error)
    return [
        Batch(
            known[key][0],
            tuple(row[0] for row in found),
            np.array([row[1] for row in found]),
            np.array([row[2] for row in found]),
            np.array([row[3] for row in found]),
            None if found[0][4] is None else np.array([row[4] for row in found]),
            np.array([row[5] for row in found]),
        )
        for key, found in rows.items()
        if found
    ], reasons


def _key(name: str, parts: Parts, digests: dict[tuple, tuple[bytes, Array]], options: Mapping[str, object]) -> tuple:
    """What spectra must have in common to lie in one batch: equal values, wherever they are kept."""
    found: list[object] = []
    for child, words in SHARED.items():
        held = parts[child].variables if child in parts else {}
        found += [child, child in parts, *(word in held for word in ("counts", "rate", "systematic"))]
        found += [_digest(held[word].values, digests) if word in held else b"" for word in words]
        if child in ("spectrum", "background") and child in parts:
            found.append(str(parts[child].attrs.get("areascal")))
    spectrum = parts["spectrum"].variables
    alone = options["min_counts"] is not None or options["errors"] == "file" or "counts" not in spectrum
    if alone or "systematic" in spectrum:
        found.append(name)  # bins or errors of its own
    return tuple(found)


def _digest(values: Array, digests: dict[tuple, tuple[bytes, Array]]) -> bytes:
    """A few bytes that are equal for equal arrays; an array met before is not read again."""
    if values.nbytes < 1000:
        return values.tobytes()
    place = (*values.__array_interface__["data"], values.shape, values.strides, values.dtype.str)
    if place not in digests:
        # the array is kept, so that no other can come to lie at its place
        digests[place] = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest(), values
    return digests[place][0]


def _row(name: str, parts: Parts, problem: Problem, bins: xr.DataArray) -> tuple:
    """Counts, ratio, variance and scale of a spectrum that shares the bins of a batch."""
    first = problem.spectra[0]
    data, behind = parts["spectrum"], parts.get("background")
    statistic_for(name, data, behind, first.statistic)
    used = bins.values >= 0
    pair = paired(data, behind, used)
    source, background = summed(pair.source_counts, bins), summed(pair.background_counts, bins)
    time = summed(pair.source_time, bins)
    ratio = summed(pair.background_time, bins) / time
    variance = variance_of(source, background, ratio, first.errors) if first.statistic == "chi2" else None
    if variance is not None and not first.by_model and not (variance > 0).all():
        raise BadOption(f"{int((variance <= 0).sum())} bins have no error, so χ² has no weight for them")
    return source, background, ratio, variance, float((time / np.bincount(bins.values[used]) / first.time)[0])


def _all_fitted(batches: Sequence[Batch], starts: int, seed: int, chunks: int | None) -> dict[str, Minimum]:
    blocks = [part for batch in batches for part in cut(batch, chunks or BLOCK)]
    beginnings = {id(batch.problem): common_starts(batch, starts, seed) for batch in batches}
    found: dict[str, Minimum] = {}
    if chunks is not None:
        import dask

        work = dask.delayed(fitted, pure=False)
        tasks = [work(block, beginnings[id(block.problem)]) for block in blocks]
        for block, minima in zip(blocks, dask.compute(*tasks), strict=True):
            found |= dict(zip(block.names, minima, strict=True))
        return found
    with counted(sum(len(block.names) for block in blocks), "fits") as bar:
        for block in blocks:
            found |= dict(zip(block.names, fitted(block, beginnings[id(block.problem)]), strict=True))
            bar.update(len(block.names))
    return found


def _labelled(
    spectra: Mapping[str, Parts],
    batches: Sequence[Batch],
    minima: Mapping[str, Minimum],
    reasons: Mapping[str, str],
    options: Mapping[str, object],
) -> xr.Dataset:
    problem = batches[0].problem
    names, free = list(problem.parameters), list(problem.free)
    at, n = [names.index(name) for name in free], len(spectra)
    value, edge = np.full((n, len(names)), np.nan), np.zeros((n, len(names)), bool)
    covariance = np.full((n, len(names), len(names)), np.nan)
    numbers = {key: np.full(n, np.nan) for key in ("statistic_value", "dof", "bins")}
    converged, why = np.zeros(n, bool), np.array([reasons.get(name, "") for name in spectra], dtype=object)
    sizes = {name: batch.source.shape[1] for batch in batches for name in batch.names}
    for i, name in enumerate(spectra):
        best = minima.get(name)
        if best is None:
            continue
        if not np.isfinite(best.value):
            why[i] = "the statistic is finite nowhere"
            continue
        value[i] = list(problem.values(best.vector).values())
        covariance[i][np.ix_(at, at)] = best.covariance
        edge[i, at] = np.isin(free, best.at_bound)
        numbers["statistic_value"][i], converged[i] = best.value, best.converged
        numbers["bins"][i], numbers["dof"][i] = sizes[name], sizes[name] - len(free)
        if not best.converged:
            why[i] = "did not converge"
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.einsum("npp->np", covariance))
    own, one = "in the unit that parameter_unit names", {"units": "1"}
    both = ("spectrum", "parameter")
    made = xr.Dataset(
        {
            "value": (both, value, one | {"long_name": f"Value, {own}"}),
            "error": (both, error, one | {"long_name": f"1σ error from the Fisher matrix, {own}"}),
            "at_bound": (both, edge, one | {"long_name": "Whether it ended at a bound"}),
            "varied": ("parameter", np.isin(names, free), one | {"long_name": "Whether the fits varied it"}),
            "covariance": (
                (*both, "parameter_2"),
                covariance,
                one | {"long_name": "Covariance, in the product of the two parameters' units"},
            ),
            "statistic_value": ("spectrum", numbers["statistic_value"], one | {"long_name": "Least statistic"}),
            "dof": ("spectrum", numbers["dof"], one | {"long_name": "Degrees of freedom"}),
            "bins": ("spectrum", numbers["bins"], one | {"long_name": "Bins"}),
            "converged": ("spectrum", converged, one | {"long_name": "Whether the fit converged"}),
            "reason": ("spectrum", why.astype(str), {"long_name": "Why there is no fit, or none that converged"}),
        },
        coords={
            "spectrum": ("spectrum", np.array(list(spectra)), {"long_name": "Spectrum"}),
            "parameter": ("parameter", np.array(names), {"long_name": "Parameter"}),
            "parameter_2": ("parameter_2", np.array(names), {"long_name": "Parameter"}),
            "parameter_unit": (
                "parameter",
                np.array([problem.parameters[name].units for name in names]),
                {"long_name": "Unit of the parameter"},
            ),
        },
    )
    kinds = sorted({batch.problem.spectra[0].statistic for batch in batches})
    made.attrs = {
        "statistic": "+".join(kinds),
        "statistic_value": float(np.nansum(numbers["statistic_value"])),
        "dof": int(np.nansum(numbers["dof"])),
        "bins": int(np.nansum(numbers["bins"])),
        "model": str(problem.source),
        "model_state": state(problem.source),
        "options": json.dumps(dict(options)),
        "grouping": "; ".join(sorted({batch.problem.spectra[0].grouping for batch in batches})),
        "band": batches[0].problem.spectra[0].band,
        **{key: text for key, text in about(problem.source).items() if key != "references"},
    }
    _warn(made)
    told = [PAPERS[kind] for kind in kinds] + [text for text in [about(problem.source).get("references")] if text]
    nodes = [node for parts in spectra.values() for node in parts.values()]
    step = f"xray.fit_many: {problem.source}, {n} spectra, {int(converged.sum())} converged"
    title = f"Fits of {problem.source} to {n} spectra"
    return check(derived(made, nodes[0], title=title, step=step, references=told, also=nodes[1:]))


def _warn(made: xr.Dataset) -> None:
    lost = [str(text) for text in made["reason"].values if text]
    if lost:
        n = made.sizes["spectrum"]
        warnings.warn(
            f"{len(lost)} of {n} spectra have no fit, or one that did not converge (see reason); the first: {lost[0]}",
            AnalysisWarning,
            stacklevel=4,
        )

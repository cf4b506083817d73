"""Fits of models to spectra: the least statistic, by Fisher scoring from several starts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption
from analysis.model import check, derived
from analysis.xray.evaluation import Evaluator
from analysis.xray.grouping import Grouping
from analysis.xray.inputs import Amount, datasets, limits, on
from analysis.xray.likelihoods import Prepared, Statistic, Variance, terms, variance_at
from analysis.xray.minimizing import Minimum, least
from analysis.xray.models import Array, Model, about, model, refuse_unless_additive, state
from analysis.xray.problems import Problem, posed, spectra_of
from analysis.xray.statistics import REFERENCES, profiled_background

LABELS = {"wstat": "W statistic", "cstat": "C statistic", "cash": "Cash statistic", "chi2": "χ²"}
PAPERS = {**REFERENCES, "cash": REFERENCES["cstat"], "chi2": "Lampton, Margon & Bowyer (1976), ApJ 208, 177"}


def fit(
    data: xr.DataTree | Mapping[str, xr.DataTree],
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
    per_spectrum: Sequence[str] = (),
    starts: int = 16,
    seed: int = 0,
) -> xr.Dataset:
    r"""Return the parameters of a model that fit one or several spectra best.

    Parameters
    ----------
    data : xarray.DataTree or mapping
        Nodes ``spectrum``, ``rmf`` and, where there are, ``arf`` and ``background``: what :func:`fetch` gives. What
        :func:`response` gave may stand as ``rmf``: many fits of one large response then build it once.
        Several spectra are fitted together: a tree of such trees (:func:`collect`), or a mapping of names to them.
    source : Model or str
        ``"tbabs * powerlaw"``: see :func:`model`.
    band : (low, high), optional
        Energies in keV; channels that overlap it are used.
    grouping : {"file", None}, optional
        "file" obeys GROUPING and QUALITY; None takes every channel and ignores both.
    min_counts : int, optional
        Group to so many counts instead of as the file says.
    statistic : {"wstat", "cstat", "cash", "chi2"}, optional
        Left out: W for counts with a background, C for counts without, χ² for rates.
    errors : {"data", "gehrels", "churazov", "model", "file"}, optional
        Where χ² takes its variances from: the counts, Gehrels' (1986) upper errors, counts averaged over
        neighbours, the model, or STAT_ERR of the file. Rates have their own. SYS_ERR is added.
    values, frozen, bounds, tied : optional
        Start values, parameters to keep, other bounds, and ties, as the methods of :class:`Model` take them.
    per_spectrum : sequence of str, optional
        Parameters that each spectrum has for itself. Of a ``constant.factor`` the first stays as it is.
    starts, seed : int, optional
        How many further points, spread over the parameters' ranges, are tried for a better start; 0 trusts the given
        values.

    Returns
    -------
    xarray.Dataset
        On ``parameter``: ``value``, ``error`` (1σ from the Fisher matrix; NaN for those not varied or at a bound),
        ``low``, ``high``, ``varied``; coordinate ``parameter_unit``. ``covariance`` on ``parameter,
        parameter_2``. On ``bin``: the data and the model of the fit, see the variables' names; coordinate
        ``spectrum``. attrs: ``statistic``, ``statistic_value``, ``dof``, ``bins``, ``model``, and what
        repeats the fit.

    Raises
    ------
    BadOption
        If the model or a parameter is unknown, or statistic and data do not fit together.
    WrongData
        If spectrum, background and response do not belong together.
    OutsideCoverage
        If the response does not reach the band.

    Warns
    -----
    AnalysisWarning
        If the fit did not converge, a parameter ended at a bound or cannot be told from the others, or W has bins
        with counts but no background counts, where it is biased.

    References
    ----------
    Cash (1979), ApJ 228, 939; Wachter, Leach & Kellogg (1979), ApJ 230, 274; Arnaud, Dorman & Gordon, *XSPEC User's
    Guide*, Appendix B; Fisher scoring: McCullagh & Nelder, *Generalized Linear Models* (1989), section 2.5.

    Examples
    --------
    >>> from analysis import xray
    >>> best = xray.fit(xray.fetch("ngc7793_ulx4_pn"), "tbabs * powerlaw", band=(0.5, 8), grouping=None)
    >>> best.attrs["bins"], round(best.attrs["statistic_value"], 3)
    (1506, 1768.227)
    >>> round(float(best.value.sel(parameter="powerlaw.photon_index")), 3)
    2.006
    """
    made = changed(model(source), values=values, frozen=frozen, bounds=bounds, tied=tied)
    refuse_unless_additive(made, "fit")
    problem = posed(
        data,
        made,
        statistic=statistic,
        errors=errors,
        grouping=grouping,
        min_counts=min_counts,
        band=band,
        per_spectrum=per_spectrum,
    )
    if not problem.free:
        raise BadOption(f"all parameters of {made} are frozen or tied; free one with thawed()")
    if isinstance(starts, bool) or not isinstance(starts, int | np.integer) or starts < 0:
        raise BadOption(f"starts={starts!r} must be a whole number, 0 or more")
    for spectrum in problem.spectra:
        warn_of_empty_background(spectrum, spectrum.name)
    if not any(spectrum.source.any() for spectrum in problem.spectra):
        warnings.warn(
            "there is not one count in the band, so the data bound a norm from above and tell nothing else",
            AnalysisWarning,
            stacklevel=2,
        )
    best = least(problem, starts=int(starts), seed=seed)
    options = {
        "errors": errors,
        "grouping": grouping,
        "min_counts": min_counts,
        "band": None if band is None else list(limits(band)),
        "statistic": statistic,
        "per_spectrum": list(problem.own),
        "starts": int(starts),
        "seed": seed,
    }
    return labelled_fit(problem, best, data, options)


def changed(
    source: Model,
    *,
    values: Mapping[str, float] | None = None,
    frozen: Sequence[str] = (),
    bounds: Mapping[str, tuple[float, float]] | None = None,
    tied: Mapping[str, str] | None = None,
) -> Model:
    """Return a model with the changes that :func:`fit` takes as options."""
    if isinstance(frozen, str):
        frozen = (frozen,)
    made = source.bounded(bounds) if bounds else source
    made = made.with_values(values) if values else made
    made = made.frozen(*frozen) if frozen else made
    return made.tied(tied) if tied else made


def labelled_fit(
    problem: Problem, best: Minimum, data: xr.DataTree | Mapping[str, xr.DataTree], options: Mapping[str, object]
) -> xr.Dataset:
    """Return a minimum as the Dataset that :func:`fit` gives."""
    values = problem.values(best.vector)
    variables = {**_on_parameters(problem, best, values), **_on_bins(problem, best.vector)}
    names = list(problem.parameters)
    units = [problem.parameters[name].units for name in names]
    spectra = np.concatenate([np.full(s.source.size, s.name) for s in problem.spectra])
    made = xr.Dataset(
        variables,
        coords={
            "parameter": ("parameter", np.array(names), {"long_name": "Parameter"}),
            "parameter_2": ("parameter_2", np.array(names), {"long_name": "Parameter"}),
            "parameter_unit": ("parameter", np.array(units), {"long_name": "Unit of the parameter"}),
            "spectrum": ("bin", spectra, {"long_name": "Spectrum"}),
        },
    )
    kinds = {s.statistic for s in problem.spectra}
    kind = kinds.pop() if len(kinds) == 1 else "+".join(sorted(kinds))
    varied = len(problem.free)
    at_best = fitted_model(problem, values)
    made.attrs = {
        "statistic": kind,
        "statistic_value": best.value,
        "dof": sum(s.source.size for s in problem.spectra) - varied,
        "bins": sum(s.source.size for s in problem.spectra),
        "channels": sum(s.channels for s in problem.spectra),
        "model": str(problem.source),
        "model_state": state(at_best),
        "own_values": json.dumps({name: values[name] for name in names if name.endswith("]")}),
        "options": json.dumps(options),
        "grouping": "; ".join(sorted({s.grouping for s in problem.spectra})),
        "band": "; ".join(sorted({s.band for s in problem.spectra})),
        "converged": str(best.converged).lower(),
        "evaluations": best.evaluations,
        **{key: text for key, text in about(problem.source).items() if key != "references"},
    }
    _warn(problem, best)
    nodes = [node for tree in spectra_of(data).values() for node in tree.children.values() if node.has_data]
    step = f"xray.fit: {problem.source}, {kind} = {best.value:.6g} over {made.attrs['bins']} bins"
    told = [PAPERS[k] for k in sorted({s.statistic for s in problem.spectra})]
    told += [paper for paper in [about(problem.source).get("references")] if paper]
    first, *others = [node.to_dataset(inherit=False) for node in nodes]
    title = f"Fit of {problem.source}: {first.attrs.get('title', 'a spectrum')}"
    return check(derived(made, first, title=title, step=step, references=told, also=datasets(*others)))


def fitted_model(problem: Problem, values: Mapping[str, float]) -> Model:
    """Return the model with fitted values; of parameters that each spectrum has, those of the first."""
    known = problem.of(problem.spectra[0].name, values)
    source = problem.source
    free = {name: known[name] for name, p in source.parameters.items() if not p.tied}
    return source.with_values(free)


def _on_parameters(problem: Problem, best: Minimum, values: Mapping[str, float]) -> dict[str, tuple]:
    names, free = list(problem.parameters), list(problem.free)
    at = [names.index(name) for name in free]
    covariance = np.full((len(names), len(names)), np.nan)
    covariance[np.ix_(at, at)] = best.covariance
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.diag(covariance))
    own = "in the unit that parameter_unit names"
    held = problem.parameters
    return {
        "value": on("parameter", np.array([values[n] for n in names]), "1", f"Value, {own}"),
        "error": on("parameter", error, "1", f"1σ error from the Fisher matrix, {own}"),
        "low": on("parameter", _finite([held[n].low for n in names]), "1", f"Lower bound, {own}"),
        "high": on("parameter", _finite([held[n].high for n in names]), "1", f"Upper bound, {own}"),
        "varied": on("parameter", np.array([n in free for n in names]), "1", "Whether the fit varied it"),
        "covariance": (
            ("parameter", "parameter_2"),
            covariance,
            {"units": "1", "long_name": "Covariance, in the product of the two parameters' units"},
        ),
    }


def _on_bins(problem: Problem, vector: Array) -> dict[str, tuple]:
    """The spectra of a fit and its model, in the bins of the fit, end to end."""
    columns: dict[str, list[Array]] = {}
    values = problem.values(vector)
    for spectrum, expected in zip(problem.spectra, problem.expected(vector), strict=True):
        behind = background_behind(spectrum, expected)
        own = terms(spectrum, expected)
        # Cash's terms have no zero where model and data agree; C's have
        deviance = terms(replace(spectrum, statistic="cstat"), expected) if spectrum.statistic == "cash" else own
        total = expected + behind
        spread = variance_at(spectrum, expected) if spectrum.statistic == "chi2" else total
        for name, column in {
            "energy_low": spectrum.low,
            "energy_high": spectrum.high,
            "counts": spectrum.source,
            "counts_error": np.sqrt(np.maximum(spread, 0.0)),
            "background_counts": spectrum.background,
            "background_ratio": spectrum.ratio,
            "exposure": spectrum.time,
            "model_counts": expected,
            "expected_background": behind,
            "statistic_term": own,
            "residual": np.sign(spectrum.source - total) * np.sqrt(np.maximum(deviance, 0.0)),
            "model_flux": _density(problem, spectrum, values),
        }.items():
            columns.setdefault(name, []).append(column)
    told = {
        "energy_low": ("keV", "Lower nominal energy of the bin"),
        "energy_high": ("keV", "Upper nominal energy of the bin"),
        "counts": ("ct", "Counts in the source region"),
        "counts_error": ("ct", "1σ scatter of the counts: of what is expected, or for χ² of the data"),
        "background_counts": ("ct", "Counts in the background region"),
        "background_ratio": ("1", "Exposure × AREASCAL × BACKSCAL of the background over the source's"),
        "exposure": ("s", "Exposure × AREASCAL"),
        "model_counts": ("ct", "Source counts that the model expects"),
        "expected_background": ("ct", "Background counts in the source region that fit best"),
        "statistic_term": ("1", "Part of the statistic"),
        "residual": ("1", "Signed root of the bin's part of the statistic"),
        "model_flux": ("ph cm-2 s-1 keV-1", "Photon flux density of the model, mean over the bin"),
    }
    return {name: on("bin", np.concatenate(parts), *told[name]) for name, parts in columns.items()}


def background_behind(spectrum: Prepared, expected: Array) -> Array:
    """Return the background counts in the source region: of W those that fit best, else the scaled ones."""
    if spectrum.statistic == "wstat":
        return profiled_background(spectrum.source, spectrum.background, np.maximum(expected, 0), spectrum.ratio)
    return spectrum.background / np.where(spectrum.ratio > 0, spectrum.ratio, np.inf)


def _density(problem: Problem, spectrum: Prepared, values: Mapping[str, float]) -> Array:
    """The model's photon flux density in the nominal bins of a fit; NaN where a bin starts at no energy."""
    order = np.argsort(spectrum.low)
    seen = order[(spectrum.low[order] > 0) & (spectrum.high[order] > spectrum.low[order])]
    found = np.full(spectrum.low.shape, np.nan)
    if seen.size:
        low, high = spectrum.low[seen], spectrum.high[seen]
        found[seen] = Evaluator(problem.source, low, high).flux(problem.of(spectrum.name, values)) / (high - low)
    return found


def _warn(problem: Problem, best: Minimum) -> None:
    if not best.converged:
        warnings.warn(
            f"the fit of {problem.source} did not converge: the best of {best.evaluations} evaluations is given; try "
            "other values=, bounds= or more starts=",
            AnalysisWarning,
            stacklevel=4,
        )
    if best.at_bound:
        warnings.warn(
            f"{', '.join(best.at_bound)} ended at a bound, so it has no error; look at bounds= and at the model",
            AnalysisWarning,
            stacklevel=4,
        )
    if best.degenerate:
        warnings.warn(
            f"the data cannot tell {', '.join(best.degenerate)} apart; freeze or tie one of them",
            AnalysisWarning,
            stacklevel=4,
        )


def warn_of_empty_background(spectrum: Prepared, name: str) -> None:
    """Warn where more than half the bins of W have counts but no background."""
    empty = int(np.count_nonzero((spectrum.background == 0) & (spectrum.source > 0)))
    if spectrum.statistic == "wstat" and empty > spectrum.source.size / 2:
        warnings.warn(
            f"{name}: {empty} of {spectrum.source.size} bins have source counts but no background counts; there W "
            "takes the background for nothing and is biased: group so that each bin has some, or model the background",
            AnalysisWarning,
            stacklevel=3,
        )


def _finite(values: Sequence[float]) -> Array:
    """Bounds as numbers: NaN where there is none, for infinities are fills."""
    found = np.array(values, dtype=float)
    return np.where(np.isfinite(found), found, np.nan)

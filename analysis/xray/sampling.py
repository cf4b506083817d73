"""The posterior of a fit's parameters by Markov chains: emcee's affine-invariant ensemble."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from analysis.download.progress import counted
from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import check, derived, near
from analysis.xray.inputs import number
from analysis.xray.minimizing import descended, described
from analysis.xray.models import Array, Model
from analysis.xray.problems import Problem
from analysis.xray.repeating import full_name, problem_of

EMCEE = "Foreman-Mackey et al. (2013), PASP 125, 306, doi:10.1086/670067"
WALK = "Goodman & Weare (2010), CAMCoS 5, 65, doi:10.2140/camcos.2010.5.65"
RHAT = "Gelman & Rubin (1992), Statistical Science 7, 457, doi:10.1214/ss/1177011136"
ENOUGH = 50  # autocorrelation times that a chain should be long, as emcee's authors advise
SHAPES = ("uniform", "log_uniform", "gaussian")

# ("uniform", low, high), ("log_uniform", low, high), ("gaussian", mean, sigma)
Prior = tuple[Literal["uniform", "log_uniform", "gaussian"], float, float]


@dataclass(frozen=True)
class Priors:
    """Priors of the free parameters: shape and two numbers each, and the bounds that hold besides."""

    shapes: tuple[str, ...]
    first: Array
    second: Array
    low: Array
    high: Array

    def log(self, rows: Array) -> Array:
        """Return the logarithm of the density of each row, up to a constant; -inf outside."""
        inside = ((rows >= self.low) & (rows <= self.high)).all(axis=1)
        total = np.zeros(len(rows))
        for k, shape in enumerate(self.shapes):
            x = rows[:, k]
            if shape == "gaussian":
                total -= 0.5 * ((x - self.first[k]) / self.second[k]) ** 2
                continue
            inside &= (x >= self.first[k]) & (x <= self.second[k])
            if shape == "log_uniform":
                total -= np.log(np.where(x > 0, x, 1.0))
        return np.where(inside, total, -np.inf)


def posterior(
    data: xr.DataTree | Mapping[str, xr.DataTree],
    best: xr.Dataset,
    *,
    priors: Mapping[str, Prior] | None = None,
    walkers: int | None = None,
    steps: int = 1000,
    burn: int | None = None,
    thin: int = 1,
    seed: int = 0,
    components: Mapping[str, Model] | None = None,
) -> xr.Dataset:
    """Return draws from the posterior of a fit's parameters: likelihood exp(-statistic / 2) times the priors.

    Parameters
    ----------
    data, best, components
        As for :func:`confidence_intervals`.
    priors : mapping, optional
        ``{"nh": ("gaussian", 0.2, 0.05), "norm": ("log_uniform", 1e-6, 1)}``; also ``("uniform", low, high)``.
        Of the others, uniform between the parameter's bounds. Bounds hold for all.
    walkers : int, optional
        An even number, at least twice that of the parameters; left out, four times and at least 32.
    steps : int, optional
        Steps that are kept, of each walker.
    burn : int, optional
        Steps before those; left out, a half of ``steps``.
    thin : int, optional
        Keep each so-manieth step.
    seed : int, optional
        Where the random numbers start.

    Returns
    -------
    xarray.Dataset
        ``sample`` on ``chain, draw, parameter``, ``log_probability`` on ``chain, draw``; on ``parameter``: ``median``,
        ``lower`` and ``upper`` (central 68.27 %), ``mean``, ``standard_deviation``, ``autocorrelation_time`` (steps),
        ``r_hat`` (of half chains; walkers of an ensemble are not independent, so below 1.01 is needed but no proof).
        ``acceptance`` on ``chain``. attrs: ``priors``, ``seed``.

    Raises
    ------
    BadOption
        If a prior or a number makes no sense, or the best values lie where a prior is zero.
    WrongData
        If the data are not those of the fit, or the statistic is no likelihood (W, C, Cash and χ² with errors
        that do not depend on the model are).

    Warns
    -----
    AnalysisWarning
        If the chains are shorter than 50 autocorrelation times, ``r_hat`` exceeds 1.05, or hardly a step is accepted.

    References
    ----------
    Foreman-Mackey et al. (2013), doi:10.1086/670067; Goodman & Weare (2010), doi:10.2140/camcos.2010.5.65;
    Gelman & Rubin (1992), doi:10.1214/ss/1177011136. W profiles the background out instead of integrating over it.
    """
    import emcee

    problem, start = problem_of(data, best, components=components)
    if any(s.by_model for s in problem.spectra):
        raise WrongData("χ² with errors='model' is no likelihood; fit with statistic='cstat' or 'wstat'")
    n = len(problem.free)
    kept, spent = _whole(steps, "steps", 2), _whole(steps // 2 if burn is None else burn, "burn", 0)
    every = _whole(thin, "thin", 1)
    crowd = max(32, 4 * n) if walkers is None else _whole(walkers, "walkers", 2 * n)
    if crowd % 2:
        raise BadOption(f"walkers={walkers!r} must be even: the ensemble moves by halves")
    if kept // every < 4:
        raise BadOption(f"steps={steps!r} with thin={thin!r} keep fewer than four; take more steps")
    before = _priors(problem, priors or {})
    _, x, _, _ = descended(problem, start)
    random = np.random.default_rng(seed)
    crowd_start = _spread(problem, before, x, crowd, random)

    def log_probability(rows: Array) -> Array:
        found = before.log(rows)
        inside = np.isfinite(found)
        found[inside] -= problem.statistics(rows[inside]) / 2
        return found

    sampler = emcee.EnsembleSampler(crowd, n, log_probability, vectorize=True)
    sampler.random_state = np.random.RandomState(random.integers(2**31)).get_state()
    with counted(spent + kept, "posterior") as bar:
        state = crowd_start
        if spent:
            for here in sampler.sample(crowd_start, iterations=spent, skip_initial_state_check=True):
                state = here
                bar.update()
            sampler.reset()
        for _ in sampler.sample(state, iterations=kept, skip_initial_state_check=True):
            bar.update()
    chain = sampler.get_chain()
    times = np.array([_time(chain[:, :, k]) for k in range(n)])
    made = _labelled_chains(
        problem, chain[::every], sampler.get_log_prob()[::every], times, sampler.acceptance_fraction
    )
    made.attrs = {
        "model": best.attrs["model"],
        "statistic": best.attrs["statistic"],
        "statistic_value": best.attrs["statistic_value"],
        "dof": best.attrs["dof"],
        "bins": best.attrs["bins"],
        "priors": json.dumps(_told_priors(problem, before)),
        "seed": str(seed),
        "burn": spent,
        "thin": every,
    }
    _warn_of_chains(made, kept)
    step = f"xray.posterior: emcee, {crowd} walkers, {spent} + {kept} steps, seed {seed}"
    title = f"Posterior of {best.attrs['model']}"
    return check(derived(made, best, title=title, step=step, references=[EMCEE, WALK, RHAT]))


def _priors(problem: Problem, asked: Mapping[str, Prior]) -> Priors:
    shapes = {
        name: ("uniform", low, high) for name, low, high in zip(problem.free, problem.low, problem.high, strict=True)
    }
    for name, prior in asked.items():
        full = full_name(problem, name)
        if not isinstance(prior, tuple | list) or len(prior) != 3 or prior[0] not in SHAPES:
            word = prior[0] if isinstance(prior, tuple | list) and prior else prior
            raise BadOption(
                f"the prior of {name}, {prior!r}, must be ('uniform', low, high), ('log_uniform', low, high) or "
                f"('gaussian', mean, sigma){near(str(word), SHAPES) if word not in SHAPES else ''}"
            )
        one, two = number(prior[1], f"prior of {name}"), number(prior[2], f"prior of {name}")
        if prior[0] == "gaussian" and two <= 0:
            raise BadOption(f"the prior of {name} needs a σ above 0, not {two!r}")
        if prior[0] != "gaussian" and not one < two:
            raise BadOption(f"the prior of {name} must be from low to high, not {one!r} to {two!r}")
        if prior[0] == "log_uniform" and one <= 0:
            raise BadOption(f"the prior of {name} must begin above 0 to be uniform in its logarithm")
        shapes[full] = (prior[0], one, two)
    made = Priors(
        tuple(shape for shape, _, _ in shapes.values()),
        np.array([one for _, one, _ in shapes.values()], dtype=float),
        np.array([two for _, _, two in shapes.values()], dtype=float),
        problem.low,
        problem.high,
    )
    if not np.isfinite(made.log(problem.start[None])[0]):
        values = ", ".join(f"{name}={value:g}" for name, value in zip(problem.free, problem.start, strict=True))
        raise BadOption(f"the priors exclude the best values of the fit ({values}); widen them")
    return made


def _told_priors(problem: Problem, before: Priors) -> dict[str, list]:
    finite = [[s, *(float(v) if np.isfinite(v) else str(v) for v in pair)] for s, *pair in _listed(before)]
    return dict(zip(problem.free, finite, strict=True))


def _listed(before: Priors) -> list[tuple[str, float, float]]:
    return list(zip(before.shapes, before.first, before.second, strict=True))


def _spread(problem: Problem, before: Priors, x: Array, crowd: int, random: np.random.Generator) -> Array:
    """Walkers about the best values, as far as the errors reach, where the priors let them."""
    sigma = np.sqrt(np.diag(described(problem, x, True, 0).covariance))
    sigma = np.where(np.isfinite(sigma), sigma, 1e-2 * np.maximum(np.abs(x), 1e-6))
    rows = np.zeros((0, x.size))
    for shrink in (0.5, 0.5, 0.1, 0.1, 0.01, 1e-3):
        tried = x + shrink * sigma * random.standard_normal((4 * crowd, x.size))
        at_edge = (tried < problem.low) | (tried > problem.high)
        tried = np.where(at_edge, 2 * x - tried, tried)  # best values at a bound: to the inner side
        rows = np.vstack([rows, tried[np.isfinite(before.log(tried))]])
        if len(rows) >= crowd:
            return rows[:crowd]
    raise BadOption("the priors leave hardly any room about the best values of the fit; widen them")


def _time(chain: Array) -> float:
    """The integrated autocorrelation time of an ensemble, steps × walkers."""
    from emcee.autocorr import integrated_time

    if np.ptp(chain) == 0:
        return np.nan
    return float(integrated_time(chain[:, :, None], quiet=True, tol=0)[0])


def _r_hat(chain: Array) -> float:
    """Gelman and Rubin's ratio over the halves of each walker's chain, steps × walkers."""
    half = chain.shape[0] // 2
    parts = np.concatenate([chain[:half], chain[half : 2 * half]], axis=1)
    inner = parts.var(axis=0, ddof=1).mean()
    between = parts.mean(axis=0).var(ddof=1)
    return float(np.sqrt((half - 1) / half + between / inner)) if inner > 0 else np.nan


def _labelled_chains(problem: Problem, chain: Array, log: Array, times: Array, accepted: Array) -> xr.Dataset:
    own = "in the unit that parameter_unit names"
    flat = chain.reshape(-1, chain.shape[-1])
    lower, median, upper = np.quantile(flat, [0.158655253931457, 0.5, 0.841344746068543], axis=0)
    columns = {
        "median": (median, f"Median, {own}"),
        "lower": (lower, f"Lower end of the central 68.27 %, {own}"),
        "upper": (upper, f"Upper end of the central 68.27 %, {own}"),
        "mean": (flat.mean(axis=0), f"Mean, {own}"),
        "standard_deviation": (flat.std(axis=0, ddof=1), f"Standard deviation, {own}"),
        "autocorrelation_time": (times, "Integrated autocorrelation time in steps"),
        "r_hat": (np.array([_r_hat(chain[:, :, k]) for k in range(chain.shape[-1])]), "R-hat of half chains"),
    }
    units = [problem.parameters[name].units for name in problem.free]
    return xr.Dataset(
        {
            "sample": (
                ("chain", "draw", "parameter"),
                chain.transpose(1, 0, 2),
                {"units": "1", "long_name": f"Draws, {own}"},
            ),
            "log_probability": (
                ("chain", "draw"),
                log.T,
                {"units": "1", "long_name": "Logarithm of the posterior density, up to a constant"},
            ),
            "acceptance": ("chain", accepted, {"units": "1", "long_name": "Part of the steps accepted"}),
            **{k: ("parameter", v, {"units": "1", "long_name": text}) for k, (v, text) in columns.items()},
        },
        coords={
            "parameter": ("parameter", np.array(problem.free), {"long_name": "Parameter"}),
            "parameter_unit": ("parameter", np.array(units), {"long_name": "Unit of the parameter"}),
        },
    )


def _warn_of_chains(made: xr.Dataset, steps: int) -> None:
    slowest = float(np.nanmax(made["autocorrelation_time"].values))
    said = []
    if not steps >= ENOUGH * slowest:
        said.append(f"{steps} steps are only {steps / slowest:.0f} autocorrelation times; take {ENOUGH * slowest:.0f}")
    if (worst := float(made["r_hat"].max())) > 1.05:
        said.append(f"R-hat is {worst:.3f}")
    if (accepted := float(made["acceptance"].mean())) < 0.1:
        said.append(f"only {accepted:.0%} of the steps were accepted")
    if said:
        warnings.warn(f"the chains are not to be trusted yet: {'; '.join(said)}", AnalysisWarning, stacklevel=3)


def _whole(value: int, what: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise BadOption(f"{what}={value!r} must be a whole number, {least} or more")
    return int(value)

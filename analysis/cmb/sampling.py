"""The posterior of any parameters by Markov chains: emcee's affine-invariant ensemble on a log-likelihood of ours."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.errors import AnalysisWarning, BadOption, UnknownUnits, WrongData
from analysis.model import check, derived, near, stamp, unit_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

EMCEE = "Foreman-Mackey et al. 2013, PASP 125, 306, doi:10.1086/670067"
WALK = "Goodman & Weare 2010, CAMCoS 5, 65, doi:10.2140/camcos.2010.5.65"
ENOUGH = 50  # autocorrelation times that a chain should be long, as emcee's authors advise
CENTRAL = (0.158655253931457, 0.5, 0.841344746068543)


def posterior_samples(
    log_likelihood: Callable[..., Any],
    bounds: Mapping[str, tuple[float, float]],
    *,
    priors: Mapping[str, tuple[float, float]] | None = None,
    units: Mapping[str, str] | None = None,
    data: xr.Dataset | xr.DataArray | None = None,
    start: Mapping[str, float] | None = None,
    walkers: int | None = None,
    steps: int = 2000,
    burn: int | None = None,
    seed: int = 0,
    vectorized: bool = False,
    too_short: str = "warn",
) -> xr.Dataset:
    r"""Return draws from the posterior of parameters: the likelihood times flat or Gaussian priors inside bounds.

    Parameters
    ----------
    log_likelihood : callable
        Takes the parameters by name, ``lambda r, dust: cmb.bicep_keck_log_likelihood(…)``, and returns one number, or
        a DataArray that holds one. Minus infinity excludes a place; NaN is an error.
    bounds : mapping of str to (float, float)
        Lowest and highest value of each parameter; the prior is flat between them.
    priors : mapping of str to (float, float), optional
        Mean and standard deviation of parameters with a Gaussian prior, cut at the bounds.
    units : mapping of str to str, optional
        Of the parameters; "1" if left out.
    data : xarray.Dataset or xarray.DataArray, optional
        What the likelihood is of: its source, history and whether it is synthetic go into the result.
    start : mapping of str to float, optional
        About where the walkers begin, within a hundredth of the bounds; left out, they begin all over the bounds.
    walkers : int, optional
        An even number, at least twice that of the parameters; left out, eight times and at least 32.
    steps, burn : int, optional
        Steps of each walker that are kept, and those before them; left out, a half of ``steps``.
    seed : int, optional
        Where the random numbers start; the same seed gives the same draws.
    vectorized : bool, optional
        Whether the likelihood takes arrays, one value a walker, and returns an array; much faster.
    too_short : {"warn", "refuse"}, optional
        What to do if chains are shorter than 50 autocorrelation times or hardly a step is accepted.

    Returns
    -------
    xarray.Dataset
        ``sample`` (chain, draw, parameter), ``log_probability`` (chain, draw), ``acceptance`` (chain); on
        ``parameter``: ``median``, ``lower`` and ``upper`` (central 68.27 %), ``upper_limit`` (95 % below it), ``mean``,
        ``standard_deviation``, ``autocorrelation_time`` (steps) and ``effective_draws``.

    Raises
    ------
    BadOption
        If bounds, priors or numbers make no sense, or the likelihood does not take these parameters.
    WrongData
        If the likelihood gives NaN or no number, is zero nearly everywhere, or, with ``too_short="refuse"``, the
        chains are too short.

    Warns
    -----
    AnalysisWarning
        If the chains are too short.

    References
    ----------
    Foreman-Mackey et al. 2013, PASP 125, 306, doi:10.1086/670067; Goodman & Weare 2010, doi:10.2140/camcos.2010.5.65.

    Examples
    --------
    >>> found = posterior_samples(lambda x, y: -(x**2 + y**2 / 4) / 2, {"x": (-9, 9), "y": (0, 20)}, vectorized=True)
    >>> dict(found.sample.sizes)
    {'chain': 32, 'draw': 2000, 'parameter': 2}
    >>> [round(float(v), 1) for v in found.upper_limit]  # 1.645, and 1.96 x 2 of half a Gaussian
    [1.6, 3.9]
    """
    import emcee

    names, ends = _checked_bounds(bounds)
    gaussian = _checked_priors(priors or {}, names)
    spelled = _checked_units(units or {}, names)
    n = len(names)
    kept, spent = _whole(steps, "steps", 100), _whole(steps // 2 if burn is None else burn, "burn", 0)
    crowd = max(32, 8 * n) if walkers is None else _whole(walkers, "walkers", 2 * n)
    if crowd % 2:
        raise BadOption(f"walkers={walkers!r} must be even: the ensemble moves by halves")
    if too_short not in ("warn", "refuse"):
        raise BadOption(f"too_short={too_short!r} is neither 'warn' nor 'refuse'")
    random = np.random.default_rng(_whole(seed, "seed", 0))
    log_probability = _log_probability(log_likelihood, names, ends, gaussian, vectorized)
    places = _places(log_probability, ends, _checked_start(start, names, ends), crowd, random)
    sampler = emcee.EnsembleSampler(crowd, n, log_probability, vectorize=True)
    sampler.random_state = np.random.RandomState(random.integers(2**31)).get_state()
    state = sampler.run_mcmc(places, spent, skip_initial_state_check=True) if spent else places
    sampler.reset()
    sampler.run_mcmc(state, kept, skip_initial_state_check=True)
    made = _labelled_chains(names, spelled, sampler)
    _judged(made, kept, too_short)
    told = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in zip(names, ends, strict=True))
    walk = f"{crowd} walkers, {spent} + {kept} steps, seed {seed}"
    step = f"cmb.posterior_samples: emcee {emcee.__version__}, {walk}, {told}"
    bins = int(data["bandpower"].size) if isinstance(data, xr.Dataset) and "bandpower" in data else None
    made.attrs = {
        "statistic": "-2 log posterior, up to a constant",
        "statistic_value": -2 * float(made["log_probability"].max()),
        "bins": "not stated" if bins is None else bins,
        "dof": "not stated" if bins is None else bins + len(gaussian) - n,
        "priors": json.dumps({name: list(gaussian.get(name, ())) or "flat" for name in names}),
        "bounds": json.dumps({name: [float(v) for v in pair] for name, pair in zip(names, ends, strict=True)}),
        "seed": str(seed),
        "burn": spent,
    }
    title = f"Posterior of {', '.join(names)}"
    if data is not None:
        made.attrs |= synthetic_attrs(data)
        return check(derived(made, data, title=title, step=step, references=[EMCEE, WALK]))
    return check(
        stamp(
            made,
            title=title,
            institution="not stated",
            source="a log-likelihood of the caller",
            references=[EMCEE, WALK],
            license="not stated",
            history=[step],
            provenance={"query": {"parameters": names}},
        )
    )


def _checked_bounds(bounds: Mapping[str, tuple[float, float]]) -> tuple[list[str], NDArray[np.float64]]:
    if not isinstance(bounds, Mapping) or not bounds:
        raise BadOption(f"bounds={bounds!r} must name each parameter, for example {{'r': (0, 0.5)}}")
    return list(bounds), np.array([_pair(pair, f"bounds of {name}", rising=True) for name, pair in bounds.items()])


def _pair(pair: tuple[float, float], what: str, *, rising: bool = False) -> tuple[float, float]:
    try:
        first, second = (float(value) for value in pair)
    except (TypeError, ValueError) as error:
        raise BadOption(f"the {what}, {pair!r}, must be two numbers") from error
    if not np.isfinite([first, second]).all() or (rising and not first < second):
        raise BadOption(f"the {what}, {pair!r}, must be two finite numbers{', rising' if rising else ''}")
    return first, second


def _known(names: list[str], given: Mapping[str, Any], what: str) -> None:
    for name in given:
        if name not in names:
            raise BadOption(f"{what} names {name!r}, which is none of {', '.join(names)}{near(name, names)}")


def _checked_priors(priors: Mapping[str, tuple[float, float]], names: list[str]) -> dict[str, tuple[float, float]]:
    _known(names, priors, "priors")
    found = {name: _pair(pair, f"prior of {name}") for name, pair in priors.items()}
    for name, (mean, width) in found.items():
        if not width > 0:
            raise BadOption(f"the prior of {name}, {mean:g} ± {width:g}, needs a width above 0")
    return found


def _checked_units(units: Mapping[str, str], names: list[str]) -> list[str]:
    _known(names, units, "units")
    try:
        return [unit_text(units.get(name, "1"), name) for name in names]
    except UnknownUnits as error:
        raise BadOption(str(error)) from error


def _checked_start(start: Mapping[str, float] | None, names: list[str], ends: NDArray) -> NDArray | None:
    if start is None:
        return None
    _known(names, start, "start")
    if absent := [name for name in names if name not in start]:
        raise BadOption(f"start lacks {', '.join(absent)}")
    found = np.array([float(start[name]) for name in names])
    if not ((found >= ends[:, 0]) & (found <= ends[:, 1])).all():
        raise BadOption(f"start={dict(start)!r} lies outside the bounds")
    return found


def _log_probability(
    log_likelihood: Callable[..., Any],
    names: list[str],
    ends: NDArray,
    gaussian: Mapping[str, tuple[float, float]],
    vectorized: bool,
) -> Callable[[NDArray], NDArray]:
    """The posterior's logarithm of rows of parameters; -inf outside the bounds, where the likelihood is not asked."""

    def asked(rows: NDArray) -> NDArray:
        try:
            if vectorized:
                found = log_likelihood(**dict(zip(names, rows.T, strict=True)))
            else:
                found = [float(log_likelihood(**dict(zip(names, map(float, row), strict=True)))) for row in rows]
            values = np.asarray(found, dtype=float)
        except TypeError as error:
            given = ", ".join(names)
            raise BadOption(f"the likelihood does not take {given} by name and give a number: {error}") from error
        if values.shape != (len(rows),):
            raise WrongData(f"the vectorized likelihood gives {values.shape} for {len(rows)} places; one number each")
        if np.isnan(values).any() or (values == np.inf).any():
            row = rows[np.flatnonzero(~(values < np.inf))[0]]
            where = ", ".join(f"{name}={value:g}" for name, value in zip(names, row, strict=True))
            raise WrongData(f"the log-likelihood is NaN or infinite at {where}; -inf excludes a place")
        return values

    def total(rows: NDArray) -> NDArray:
        inside = ((rows >= ends[:, 0]) & (rows <= ends[:, 1])).all(axis=1)
        found = np.full(len(rows), -np.inf)
        if inside.any():
            found[inside] = asked(rows[inside])
            for name, (mean, width) in gaussian.items():
                found[inside] -= 0.5 * ((rows[inside, names.index(name)] - mean) / width) ** 2
        return found

    return total


def _places(
    log_probability: Callable[[NDArray], NDArray],
    ends: NDArray,
    start: NDArray | None,
    crowd: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Where the walkers begin: likely places of many tried all over the bounds, or about the start."""
    low, width = ends[:, 0], np.diff(ends, axis=1)[:, 0]
    if start is None:
        tried = low + width * random.random((8 * crowd, low.size))
    else:
        spread = start + 1e-2 * width * random.standard_normal((8 * crowd, low.size))
        tried = low + width - np.abs(width - np.abs(spread - low))  # mirrored at the bounds
    found = log_probability(tried)
    allowed = np.flatnonzero(np.isfinite(found))
    if allowed.size < crowd:
        raise WrongData(
            f"the likelihood is zero in {found.size - allowed.size} of {found.size} places tried; give start= or "
            "narrower bounds"
        )
    best = allowed[np.argsort(found[allowed])[::-1]] if start is None else allowed
    return tried[best[:crowd]]


def _labelled_chains(names: list[str], units: list[str], sampler: Any) -> xr.Dataset:
    from emcee.autocorr import integrated_time

    chain = sampler.get_chain()  # draw, chain, parameter
    times = np.array(
        [
            float(integrated_time(chain[:, :, k : k + 1], quiet=True, tol=0)[0]) if np.ptp(chain[:, :, k]) else np.nan
            for k in range(len(names))
        ]
    )
    flat = chain.reshape(-1, len(names))
    lower, median, upper = np.quantile(flat, CENTRAL, axis=0)
    own = "in the unit that parameter_unit names"
    columns = {
        "median": (median, f"Median, {own}"),
        "lower": (lower, f"Lower end of the central 68.27 %, {own}"),
        "upper": (upper, f"Upper end of the central 68.27 %, {own}"),
        "upper_limit": (np.quantile(flat, 0.95, axis=0), f"95 % of the draws lie below, {own}"),
        "mean": (flat.mean(axis=0), f"Mean, {own}"),
        "standard_deviation": (flat.std(axis=0, ddof=1), f"Standard deviation, {own}"),
        "autocorrelation_time": (times, "Integrated autocorrelation time in steps"),
        "effective_draws": (len(flat) / times, "Draws over the autocorrelation time"),
    }
    numbers = {"units": "1"}
    return xr.Dataset(
        {
            "sample": (
                ("chain", "draw", "parameter"),
                chain.transpose(1, 0, 2),
                numbers | {"long_name": f"Draws, {own}"},
            ),
            "log_probability": (
                ("chain", "draw"),
                sampler.get_log_prob().T,
                numbers | {"long_name": "Logarithm of the posterior density, up to a constant"},
            ),
            "acceptance": ("chain", sampler.acceptance_fraction, numbers | {"long_name": "Part of the steps accepted"}),
            **{key: ("parameter", values, numbers | {"long_name": text}) for key, (values, text) in columns.items()},
        },
        coords={
            "parameter": ("parameter", np.array(names), {"long_name": "Parameter"}),
            "parameter_unit": ("parameter", np.array(units), {"long_name": "Unit of the parameter"}),
        },
    )


def _judged(made: xr.Dataset, steps: int, too_short: str) -> None:
    times = made["autocorrelation_time"].values
    said = []
    if np.isnan(times).any():
        said.append(f"{made.parameter.values[np.isnan(times)].tolist()} did not move")
    elif not steps >= ENOUGH * times.max():
        slowest = float(times.max())
        said.append(
            f"{steps} steps are {steps / slowest:.0f} autocorrelation times; take {ENOUGH * slowest:.0f} or more"
        )
    if (accepted := float(made["acceptance"].mean())) < 0.1:
        said.append(f"only {accepted:.0%} of the steps were accepted")
    if not said:
        return
    message = f"the chains are not to be trusted yet: {'; '.join(said)}"
    if too_short == "refuse":
        raise WrongData(message)
    warnings.warn(message, AnalysisWarning, stacklevel=3)


def _whole(value: int, what: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise BadOption(f"{what}={value!r} must be a whole number, {least} or more")
    return int(value)

"""How good a fit is: what its statistic should be if the model were true, by exact sums and by simulation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from analysis.download.progress import counted
from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import check, derived
from analysis.xray.likelihoods import Prepared, variance_of
from analysis.xray.minimizing import descended, least
from analysis.xray.models import Array, Model
from analysis.xray.problems import Problem
from analysis.xray.repeating import problem_of, refuse_unless_fit
from analysis.xray.statistics import profiled_background, x_log_ratio

KAASTRA = "Kaastra (2017), A&A 605, A51, doi:10.1051/0004-6361/201629319"
PROTASSOV = "Protassov et al. (2002), ApJ 571, 545, doi:10.1086/339856"
AKAIKE = "Akaike (1974), IEEE Trans. Automatic Control 19, 716, doi:10.1109/TAC.1974.1100705"
SCHWARZ = "Schwarz (1978), Annals of Statistics 6, 461, doi:10.1214/aos/1176344136"
MANY = 400.0  # counts: from here on the series does
SUMMED = 200_000  # terms of a sum held at once
EQUAL = 1e-6  # gains that differ by less are the same, the rest is rounding


def expected_c_statistic(expected: Array) -> tuple[Array, Array]:
    """Return the mean and the variance of each bin's part of C for the counts that a model expects.

    Sums over the Poisson distribution, for 400 counts and more their asymptotic series,
    1 + 1/(6μ) + 1/(6μ²) and 2 + 2/(3μ) + 4/(3μ²), good to 1e-8.
    """
    from scipy.special import gammaln

    mu = np.asarray(expected, dtype=float)
    mean, variance = np.zeros_like(mu), np.zeros_like(mu)
    large = mu >= MANY
    mean[large] = 1 + 1 / (6 * mu[large]) + 1 / (6 * mu[large] ** 2)
    variance[large] = 2 + 2 / (3 * mu[large]) + 4 / (3 * mu[large] ** 2)
    some = np.flatnonzero((mu > 0) & ~large)
    order = some[np.argsort(mu[some])]
    while order.size:
        # bins of like size share a range of counts
        top = int(np.ceil(mu[order[0]] * 1.5 + 12 * np.sqrt(mu[order[0]]) + 30))
        fits = np.ceil(mu[order] + 10 * np.sqrt(mu[order]) + 25) <= top
        part = order[fits][: max(1, SUMMED // top)]
        counts = np.arange(top + 1.0)
        one = mu[part, None]
        chance = np.exp(counts * np.log(one) - one - gammaln(counts + 1))
        terms = 2 * (one - counts + x_log_ratio(counts, counts, one))
        mean[part] = (chance * terms).sum(axis=1)
        variance[part] = (chance * (terms - mean[part, None]) ** 2).sum(axis=1)
        order = order[part.size :]
    return mean, variance


def expected_statistic(best: xr.Dataset) -> xr.Dataset:
    r"""Return what C should be if the model of a fit were true, and how far the observed C is from it.

    For each bin with μ expected counts, with :math:`P_k(\mu)` Poisson's,

    .. math:: C_e = 2 \sum_k P_k(\mu) \left[\mu - k + k \ln\frac{k}{\mu}\right], \quad
              C_v = 4 \sum_k P_k(\mu) \left[\mu - k + k \ln\frac{k}{\mu}\right]^2 - C_e^2

    Parameters
    ----------
    best : xarray.Dataset
        What :func:`fit` gave, with the C statistic or with χ².

    Returns
    -------
    xarray.Dataset
        ``expected``, ``sigma``, ``observed``, ``z`` = (observed - expected) / sigma, all numbers for the whole fit.
        For χ², ``expected`` is the number of bins and ``sigma`` √(2 bins). Fitting takes about 1 off the
        expectation for each varied parameter (attrs ``varied``), which is not done here, as in Kaastra.

    Raises
    ------
    BadOption
        For W: its expectation depends on the unknown background, so take :func:`goodness`. For Cash, which
        has an arbitrary zero: fit with ``statistic="cstat"``.

    References
    ----------
    Kaastra (2017), A&A 605, A51, doi:10.1051/0004-6361/201629319, section 4.

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn").drop_nodes("background")
    >>> best = xray.fit(ulx, "tbabs * powerlaw", band=(0.5, 8), grouping=None)
    >>> found = xray.expected_statistic(best)
    >>> round(float(found.expected)), round(float(found.sigma))
    (1689, 48)
    """
    refuse_unless_fit(best)
    kind = best.attrs["statistic"]
    if kind == "wstat":
        raise BadOption(
            "the expectation of W depends on the background, which is not known; xray.goodness(data, fit) simulates it"
        )
    if kind not in ("cstat", "chi2"):
        raise BadOption(f"{kind} has no expectation that means something; fit with statistic='cstat'")
    bins = int(best.attrs["bins"])
    if kind == "cstat":
        means, variances = expected_c_statistic(best["model_counts"].values)
        mean, variance = float(means.sum()), float(variances.sum())
    else:
        mean, variance = float(bins), 2.0 * bins
    observed, sigma = float(best.attrs["statistic_value"]), float(np.sqrt(variance))
    made = xr.Dataset(
        {
            "expected": _number(mean, f"Expectation of {kind} if the model is true"),
            "sigma": _number(sigma, f"Standard deviation of {kind} if the model is true"),
            "observed": _number(observed, f"Observed {kind}"),
            "z": _number((observed - mean) / sigma, "Observed less expected, in standard deviations"),
        },
        attrs={"statistic": kind, "bins": bins, "varied": int(best["varied"].sum()), "model": best.attrs["model"]},
    )
    title = f"Expectation of {kind}: {best.attrs['model']}"
    return check(derived(made, best, title=title, step="xray.expected_statistic", references=[KAASTRA]))


def goodness(
    data: xr.DataTree | Mapping[str, xr.DataTree],
    best: xr.Dataset,
    *,
    simulations: int = 500,
    seed: int = 0,
    refit: bool = False,
    components: Mapping[str, Model] | None = None,
) -> xr.Dataset:
    """Return how often data simulated from the model of a fit give a lower statistic than the real ones.

    Source and background are drawn from Poisson's distribution in the bins of the fit (rates from Gauss's);
    for W the background that is drawn from is the one that fits best beside the model.

    Parameters
    ----------
    data, best, components
        As for :func:`confidence_intervals`.
    simulations, seed : int, optional
        How many, and where the random numbers start.
    refit : bool, optional
        Fit each simulation. Without it each is compared with the model as it is, so that the simulated statistics
        are larger, by about 1 a parameter, than those of fits: the fraction is then a little too low.

    Returns
    -------
    xarray.Dataset
        ``simulated_statistic`` on ``simulation``; ``fraction_below``, near 1 for a model that is wrong, and
        ``p_value``, (1 + those at least as large) / (1 + all). Synthetic.

    Raises
    ------
    WrongData, BadOption
        As :func:`confidence_intervals`.

    Warns
    -----
    AnalysisWarning
        If bins of W have no background counts: the background there is simulated as none.

    References
    ----------
    The ``goodness`` of XSPEC: Arnaud, Dorman & Gordon, *XSPEC User's Guide* (HEASARC); p-values that cannot be 0:
    Davison & Hinkley, *Bootstrap Methods* (1997), section 4.2.
    """
    problem, x = problem_of(data, best, components=components)
    number = _whole(simulations, "simulations")
    _warn_of_no_background(problem)
    random = np.random.default_rng(seed)
    found = np.empty(number)
    with counted(number, "goodness") as bar:
        for i in range(number):
            again = drawn(problem, x, random)
            found[i] = descended(again, x)[0] if refit else again.statistic(x)
            bar.update()
    observed = float(best.attrs["statistic_value"])
    kind = best.attrs["statistic"]
    made = xr.Dataset(
        {
            "simulated_statistic": ("simulation", found, {"units": "1", "long_name": f"{kind} of simulated data"}),
            "fraction_below": _number(float(np.mean(found < observed)), "Part of the simulations below the observed"),
            "p_value": _number((1 + int(np.sum(found >= observed))) / (1 + number), "Chance of so large a statistic"),
        },
        attrs={
            "statistic": kind,
            "statistic_value": observed,
            "seed": str(seed),
            "refit": str(bool(refit)).lower(),
            "model": best.attrs["model"],
            "synthetic": "true",
        },
    )
    step = f"xray.goodness: {number} simulations, {'each fitted' if refit else 'not fitted'}, seed {seed}"
    title = f"Goodness of fit by simulation: {best.attrs['model']}"
    return check(derived(made, best, title=title, step=step).assign_attrs(synthetic="true"))


def likelihood_ratio(
    data: xr.DataTree | Mapping[str, xr.DataTree],
    simple: xr.Dataset,
    rich: xr.Dataset,
    *,
    simulations: int = 200,
    seed: int = 0,
    starts: int = 8,
    components: Mapping[str, Model] | None = None,
) -> xr.Dataset:
    """Return how often the simpler of two models, if true, would let the richer one win by as much as it does.

    The difference of two statistics follows χ² only where the simpler model lies inside the richer one and not on
    an edge of it: adding a line with a norm ≥ 0 breaks this (Protassov et al. 2002). Data simulated from the
    simpler model are fitted with both instead.

    Parameters
    ----------
    data : xarray.DataTree or mapping
        What both were fitted to.
    simple, rich : xarray.Dataset
        What :func:`fit` gave for the two models, the same bins and statistic.
    simulations, seed : int, optional
        How many, and where the random numbers start.
    starts : int, optional
        Further starts of each fit of the richer model: where its best place may be anywhere (the energy of a
        line), too few make the test think too much of what it found.
    components : mapping, optional
        Components of your own in the models.

    Returns
    -------
    xarray.Dataset
        ``simulated_gain`` on ``simulation``, ``gain`` observed (statistic of simple less that of rich), ``p_value`` =
        (1 + simulations that gain as much) / (1 + all). Synthetic.

    Raises
    ------
    WrongData
        If the two are not fits of these data.

    References
    ----------
    Protassov et al. (2002), ApJ 571, 545, doi:10.1086/339856.
    """
    known, at_simple = problem_of(data, simple, components=components)
    other, at_rich = problem_of(data, rich, components=components)
    _refuse_other_bins([simple, rich])
    number = _whole(simulations, "simulations")
    _warn_of_no_background(known)
    random = np.random.default_rng(seed)
    gains = np.empty(number)
    with counted(number, "likelihood ratio") as bar:
        for i in range(number):
            simulated = drawn(known, at_simple, random)
            again = replace(other, spectra=simulated.spectra)
            poor, _, _, _ = descended(simulated, at_simple)
            good = least(again, starts=starts, seed=i).value
            gains[i] = poor - good
            bar.update()
    gain = float(simple.attrs["statistic_value"]) - float(rich.attrs["statistic_value"])
    made = xr.Dataset(
        {
            "simulated_gain": ("simulation", gains, {"units": "1", "long_name": "Gain if the simpler model is true"}),
            "gain": _number(gain, "Statistic of the simpler model less that of the richer"),
            "p_value": _number((1 + int(np.sum(gains >= gain - EQUAL))) / (1 + number), "Chance of so large a gain"),
        },
        attrs={
            "statistic": simple.attrs["statistic"],
            "simple": simple.attrs["model"],
            "rich": rich.attrs["model"],
            "seed": str(seed),
            "synthetic": "true",
        },
    )
    step = f"xray.likelihood_ratio: {simple.attrs['model']} and {rich.attrs['model']}, {number} simulations"
    title = f"Likelihood ratio by simulation: {simple.attrs['model']} and {rich.attrs['model']}"
    made = derived(made, simple, title=title, step=step, references=[PROTASSOV], also=[rich])
    return check(made.assign_attrs(synthetic="true"))


def compared(*fits: xr.Dataset, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a table of fits of the same data, by how much each explains for its number of parameters.

    Parameters
    ----------
    *fits : xarray.Dataset
        What :func:`fit` gave.
    names : sequence of str, optional
        What to call them; left out, their models.

    Returns
    -------
    pandas.DataFrame
        One row a fit, in the order given: ``model, statistic, bins, varied, aic, bic, delta_aic, delta_bic``. AIC =
        statistic + 2k, BIC = statistic + k ln(bins), both up to the same constant; the best has a delta of 0.
        They weigh models against each other; whether any is good says :func:`goodness`.

    Raises
    ------
    WrongData
        If they are not fits of the same bins with the same statistic.

    References
    ----------
    Akaike (1974), doi:10.1109/TAC.1974.1100705; Schwarz (1978), doi:10.1214/aos/1176344136; on what
    F-tests and χ² cannot decide: Protassov et al. (2002), doi:10.1086/339856.

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn")
    >>> fits = [xray.fit(ulx, words, band=(0.5, 8), min_counts=30) for words in ("powerlaw", "tbabs * powerlaw")]
    >>> xray.compared(*fits).varied.tolist()
    [2, 3]
    """
    if not fits:
        raise BadOption("compared() needs fits: compared(one, two)")
    for one in fits:
        refuse_unless_fit(one)
    _refuse_other_bins(fits)
    if names is not None and len(names) != len(fits):
        raise BadOption(f"names={list(names)!r} must be {len(fits)}, one for each fit")
    rows = []
    for i, one in enumerate(fits):
        k, bins, value = int(one["varied"].sum()), int(one.attrs["bins"]), float(one.attrs["statistic_value"])
        rows.append(
            {
                "model": names[i] if names is not None else one.attrs["model"],
                "statistic": value,
                "bins": bins,
                "varied": k,
                "aic": value + 2 * k,
                "bic": value + k * np.log(bins),
            }
        )
    table = pd.DataFrame(rows)
    for name in ("aic", "bic"):
        table[f"delta_{name}"] = table[name] - table[name].min()
    return table


def drawn(problem: Problem, x: Array, random: np.random.Generator) -> Problem:
    """Return a problem with data drawn from its model at a vector, in the bins of the fit.

    Raises
    ------
    WrongData
        If the model expects less than nothing in a bin, or simulated counts leave χ² without a variance.
    """
    spectra = tuple(_drawn(s, e, random) for s, e in zip(problem.spectra, problem.expected(x), strict=True))
    return replace(problem, spectra=spectra)


def _drawn(spectrum: Prepared, expected: Array, random: np.random.Generator) -> Prepared:
    if spectrum.statistic == "chi2" and (spectrum.errors == "file" or not spectrum.counted):
        assert spectrum.variance is not None
        scale = np.where(spectrum.ratio > 0, 1 / np.where(spectrum.ratio > 0, spectrum.ratio, 1), 0.0)
        mean = expected + scale * spectrum.background
        return replace(spectrum, source=random.normal(mean, np.sqrt(spectrum.variance)))
    if (expected < 0).any():
        raise WrongData(f"the model expects less than no counts in {int((expected < 0).sum())} bins; none can be drawn")
    ratio = spectrum.ratio
    if spectrum.statistic == "wstat":
        behind = profiled_background(spectrum.source, spectrum.background, expected, ratio)
    else:
        behind = np.where(ratio > 0, spectrum.background / np.where(ratio > 0, ratio, 1), 0.0)
    source = random.poisson(expected + behind).astype(float)
    background = random.poisson(behind * ratio).astype(float)
    if spectrum.statistic != "chi2":
        return replace(spectrum, source=source, background=background)
    variance = variance_of(source, background, ratio, spectrum.errors) + spectrum.systematic
    if not spectrum.by_model and not (variance > 0).all():
        raise WrongData(
            f"simulated counts are 0 in {int((variance <= 0).sum())} bins of {spectrum.name}, where χ² then has no "
            "variance; group to more counts, or fit with errors='model', 'gehrels' or a Poisson statistic"
        )
    return replace(spectrum, source=source, background=background, variance=variance)


def _warn_of_no_background(problem: Problem) -> None:
    for s in problem.spectra:
        if s.statistic == "wstat" and (empty := int(((s.background == 0) & (s.source > 0)).sum())) > s.source.size / 2:
            warnings.warn(
                f"{s.name}: {empty} of {s.source.size} bins have no background counts, so mostly none are simulated "
                "there; group so that each bin has some",
                AnalysisWarning,
                stacklevel=3,
            )


def _refuse_other_bins(fits: Sequence[xr.Dataset]) -> None:
    first = fits[0]
    for other in fits[1:]:
        if other.attrs["statistic"] != first.attrs["statistic"]:
            raise WrongData(
                f"the fits used {first.attrs['statistic']} and {other.attrs['statistic']}; only the same statistic "
                "can be compared"
            )
        same = other.sizes["bin"] == first.sizes["bin"] and all(
            np.array_equal(other[name].values, first[name].values) for name in ("counts", "background_counts")
        )
        if not same:
            raise WrongData(
                f"the fits of {first.attrs['model']} and {other.attrs['model']} are not of the same counts in the same "
                "bins; fit both with the same data, band and grouping"
            )


def _whole(number: int, what: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise BadOption(f"{what}={number!r} must be a whole number, 1 or more")
    return int(number)


def _number(value: float, long_name: str) -> tuple[tuple[()], float, dict[str, str]]:
    return (), float(value), {"units": "1", "long_name": long_name}

"""How good a fit is: what its statistic should be if the model were true, by exact sums and by simulation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from analysis.download.progress import counted
from analysis.errors import BadOption
from analysis.model import check, derived
from analysis.xray.minimizing import descended
from analysis.xray.models import Array, Model
from analysis.xray.repeating import problem_of, refuse_unless_fit
from analysis.xray.replicas import drawn, warn_of_no_background
from analysis.xray.statistics import x_log_ratio

KAASTRA = "Kaastra (2017), A&A 605, A51, doi:10.1051/0004-6361/201629319"
MANY = 400.0  # counts: from here on the series does
SUMMED = 200_000  # terms of a sum held at once


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
    (1615, 52)
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
            "expected": single_number(mean, f"Expectation of {kind} if the model is true"),
            "sigma": single_number(sigma, f"Standard deviation of {kind} if the model is true"),
            "observed": single_number(observed, f"Observed {kind}"),
            "z": single_number((observed - mean) / sigma, "Observed less expected, in standard deviations"),
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
    number = whole_number(simulations, "simulations")
    warn_of_no_background(problem)
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
            "fraction_below": single_number(
                float(np.mean(found < observed)), "Part of the simulations below the observed"
            ),
            "p_value": single_number(
                (1 + int(np.sum(found >= observed))) / (1 + number), "Chance of so large a statistic"
            ),
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


def whole_number(number: int, what: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise BadOption(f"{what}={number!r} must be a whole number, 1 or more")
    return int(number)


def single_number(value: float, long_name: str) -> tuple[tuple[()], float, dict[str, str]]:
    return (), float(value), {"units": "1", "long_name": long_name}

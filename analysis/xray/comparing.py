"""Models compared: by simulated likelihood ratios, and by what information criteria make of their statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from analysis.download.progress import counted
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived
from analysis.xray.judging import single_number, whole_number
from analysis.xray.minimizing import descended, least
from analysis.xray.models import Model
from analysis.xray.repeating import problem_of, refuse_unless_fit
from analysis.xray.replicas import drawn, warn_of_no_background

PROTASSOV = "Protassov et al. (2002), ApJ 571, 545, doi:10.1086/339856"
EQUAL = 1e-6  # gains that differ by less are the same, the rest is rounding


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
        If the two are not fits of these data, or the richer one fits worse.

    References
    ----------
    Protassov et al. (2002), ApJ 571, 545, doi:10.1086/339856.
    """
    known, at_simple = problem_of(data, simple, components=components)
    other, _ = problem_of(data, rich, components=components)
    _refuse_other_bins([simple, rich])
    gain = float(simple.attrs["statistic_value"]) - float(rich.attrs["statistic_value"])
    if gain < -EQUAL:
        raise WrongData(
            f"the richer model, {rich.attrs['model']}, fits worse than the simpler one by {-gain:.4g}: give the "
            "simpler fit first, or fit the richer model again with more starts="
        )
    number = whole_number(simulations, "simulations")
    warn_of_no_background(known)
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
    made = xr.Dataset(
        {
            "simulated_gain": ("simulation", gains, {"units": "1", "long_name": "Gain if the simpler model is true"}),
            "gain": single_number(gain, "Statistic of the simpler model less that of the richer"),
            "p_value": single_number(
                (1 + int(np.sum(gains >= gain - EQUAL))) / (1 + number), "Chance of so large a gain"
            ),
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

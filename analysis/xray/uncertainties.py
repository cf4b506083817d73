"""Errors from the likelihood itself: intervals and contours where the statistic has grown, all else fitted again.

For the −2 ln L of Poisson counts and for χ² the region where the least statistic over all other parameters stays
below its minimum + Δ holds the truth with a probability that Δ sets (Wilks 1938): Δ is the quantile of χ² with as many
degrees of freedom as parameters are looked at together.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.download.progress import counted
from analysis.errors import AnalysisWarning, BadOption
from analysis.model import check, derived
from analysis.xray.inputs import number
from analysis.xray.minimizing import descended, described
from analysis.xray.models import Array, Model
from analysis.xray.problems import Problem
from analysis.xray.repeating import full_name, pinned, problem_of

BETTER = 1e-3  # a statistic so much smaller is another minimum, not a better digit
AGAIN = 5  # how often intervals are begun anew about a better minimum
FAR = 60  # steps outwards before a side is given up as open
WILKS = "Wilks (1938), Annals of Mathematical Statistics 9, 60, doi:10.1214/aoms/1177732360"
CASH = "Cash (1976), A&A 52, 307"
LAMPTON = "Lampton, Margon & Bowyer (1976), ApJ 208, 177, doi:10.1086/154592"


@dataclass(frozen=True)
class Side:
    """One end of an interval: where it is, whether Δ was reached there, and a better minimum if one was met."""

    end: float
    reached: bool
    better: Array | None = None


def confidence_intervals(
    data: xr.DataTree | Mapping[str, xr.DataTree],
    best: xr.Dataset,
    *,
    parameters: Sequence[str] | None = None,
    level: float = 0.6827,
    delta: float | None = None,
    joint: int = 1,
    components: Mapping[str, Model] | None = None,
) -> xr.Dataset:
    r"""Return intervals of the parameters of a fit by profile likelihood: XSPEC's ``error``, sherpa's ``conf``.

    Each parameter is moved away from its best value while all others are fitted again, until the statistic has
    grown by Δ.

    Parameters
    ----------
    data : xarray.DataTree or mapping
        What was fitted.
    best : xarray.Dataset
        What :func:`fit` gave.
    parameters : sequence of str, optional
        Names; left out, all that the fit varied.
    level : float, optional
        Probability: 0.6827 is Δ = 1, 0.90 is Δ = 2.706.
    delta : float, optional
        Δ itself, in place of ``level``.
    joint : int, optional
        How many parameters the level is for together: 2 is Δ = 2.296 for 0.6827.
    components : mapping, optional
        Components of your own in the model.

    Returns
    -------
    xarray.Dataset
        On ``parameter``: ``value``, ``lower``, ``upper``, ``error_minus``, ``error_plus`` (both positive), and
        ``lower_reached``, ``upper_reached``: whether the statistic grew by Δ there. Where it did not, the end is the
        parameter's bound: an upper or lower limit by the model; NaN where there is none. attrs: ``delta``,
        ``level``, ``joint``.

    Raises
    ------
    WrongData
        If the data are not those of the fit.
    BadOption
        If a parameter is unknown or was not varied, or level or delta make no sense.

    Warns
    -----
    AnalysisWarning
        If a better minimum is met: intervals are then those about it; if a side is open.

    References
    ----------
    Wilks (1938), doi:10.1214/aoms/1177732360; Cash (1976), A&A 52, 307; Lampton, Margon & Bowyer (1976),
    doi:10.1086/154592.

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn")
    >>> best = xray.fit(ulx, "tbabs * powerlaw", band=(0.5, 8), min_counts=30)
    >>> found = xray.confidence_intervals(ulx, best, parameters=["photon_index"])
    >>> round(float(found.error_minus[0]), 2), round(float(found.error_plus[0]), 2)
    (0.03, 0.03)
    """
    problem, x = problem_of(data, best, components=components)
    names = problem.free if parameters is None else _listed(problem, parameters)
    growth = growth_at(level, delta, joint)
    x, least = polished(problem, x, best)
    for _ in range(AGAIN):
        ends, better = _all_sides(problem, names, x, least, growth)
        if better is None:
            break
        x, least = polished(problem, better, best)
    else:
        raise BadOption(f"better minima were met {AGAIN} times in turn; fit with more starts=, or bound the parameters")
    at = [problem.free.index(name) for name in names]
    made = _intervals(problem, names, x[at], ends)
    made.attrs |= {
        "statistic": best.attrs["statistic"],
        "statistic_value": least,
        "dof": best.attrs["dof"],
        "bins": best.attrs["bins"],
        "delta": growth,
        "level": float(level) if delta is None else _level_of(growth, joint),
        "joint": int(joint),
        "model": best.attrs["model"],
    }
    _warn_of_open(made)
    step = f"xray.confidence_intervals: Δ{best.attrs['statistic']} = {growth:.6g}"
    title = f"Intervals of {best.attrs['model']}"
    return check(derived(made, best, title=title, step=step, references=[WILKS, CASH, LAMPTON]))


def _listed(problem: Problem, names: Sequence[str]) -> tuple[str, ...]:
    listed = (names,) if isinstance(names, str) else tuple(names)
    if not listed:
        raise BadOption(f"parameters=() names none; leave it out for all of {', '.join(problem.free)}")
    return tuple(dict.fromkeys(full_name(problem, name) for name in listed))


def growth_at(level: float, delta: float | None, joint: int) -> float:
    from scipy.stats import chi2

    if delta is not None:
        growth = number(delta, "delta")
        if growth <= 0:
            raise BadOption(f"delta={delta!r} must be above 0")
        return growth
    if isinstance(joint, bool) or not isinstance(joint, int | np.integer) or joint < 1:
        raise BadOption(f"joint={joint!r} must be a whole number of parameters, 1 or more")
    if not 0 < number(level, "level") < 1:
        hint = f"; {level} % is level={level / 100:g}" if 1 < level < 100 else ""
        raise BadOption(f"level={level!r} must be a probability between 0 and 1{hint}")
    return float(chi2.ppf(level, joint))


def _level_of(growth: float, joint: int) -> float:
    from scipy.stats import chi2

    return float(chi2.cdf(growth, joint))


def polished(problem: Problem, x: Array, best: xr.Dataset) -> tuple[Array, float]:
    """The minimum next to a point; a warning if it is lower than the fit's."""
    least, at, _, _ = descended(problem, x)
    if least < float(best.attrs["statistic_value"]) - BETTER:
        warn_of_better(best, least)
    return at, least


def _all_sides(
    problem: Problem, names: Sequence[str], x: Array, least: float, growth: float
) -> tuple[list[tuple[Side, Side]], Array | None]:
    covariance = described(problem, x, True, 0).covariance
    ends: list[tuple[Side, Side]] = []
    with counted(2 * len(names), "confidence intervals") as bar:
        for name in names:
            pair = []
            for sign in (-1, 1):
                side = _side(problem, name, x, least, covariance, growth, sign)
                bar.update()
                if side.better is not None:
                    return ends, side.better
                pair.append(side)
            ends.append((pair[0], pair[1]))
    return ends, None


def _side(problem: Problem, name: str, x: Array, least: float, covariance: Array, growth: float, sign: int) -> Side:
    """Walk outwards until the statistic has grown enough, then find where it has grown by just so much."""
    from scipy.optimize import brentq

    i = problem.free.index(name)
    bound = problem.high[i] if sign > 0 else problem.low[i]
    if x[i] == bound:
        return Side(float(bound), False)
    others = np.delete(x, i)
    tilt = np.delete(covariance[i], i) / covariance[i, i]
    tilt = np.where(np.isfinite(tilt), tilt, 0.0)
    sigma = float(np.sqrt(covariance[i, i]))
    if not (np.isfinite(sigma) and sigma > 0):
        sigma = 0.01 * max(abs(x[i]), 1e-6)
    near_by: list[tuple[float, Array]] = [(float(x[i]), others)]
    better: list[Array] = []

    def excess(value: float) -> float:
        known, best = min(near_by, key=lambda pair: abs(pair[0] - value))
        found, at, _, _ = descended(pinned(problem, {name: value}), best + tilt * (value - known))
        if len(near_by) > 1 or not np.isfinite(found):
            again = descended(pinned(problem, {name: value}), best)
            found, at = min((found, at), (again[0], again[1]), key=lambda pair: pair[0])
        near_by.append((value, at))
        if found < least - BETTER:
            better.append(np.insert(at, i, value))
        # the root of the growth is nearly a straight line
        return float(np.sqrt(max(found - least, 0.0)) - np.sqrt(growth))

    inner, step = float(x[i]), sigma * np.sqrt(growth)
    for _ in range(FAR):
        outer = inner + sign * step
        clipped = bool(sign * (outer - bound) >= 0)
        outer = float(bound) if clipped else outer
        beyond = excess(outer)
        if better:
            return Side(outer, False, better[0])
        if beyond >= 0:
            end = brentq(excess, min(inner, outer), max(inner, outer), xtol=1e-5 * sigma, rtol=1e-12)
            return Side(float(end), True, better[0] if better else None)
        if clipped:
            return Side(float(bound), False)
        # from how far the growth came, a guess how far it has to go
        grown = (beyond + np.sqrt(growth)) / np.sqrt(growth)
        inner, step = outer, abs(outer - x[i]) * float(np.clip(1.1 / max(grown, 1e-3) - 1, 0.2, 2.0))
    return Side(np.nan, False)


def _intervals(problem: Problem, names: Sequence[str], values: Array, ends: list[tuple[Side, Side]]) -> xr.Dataset:
    lower, upper = (np.array([pair[k].end for pair in ends]) for k in (0, 1))
    lower, upper = (np.where(np.isfinite(end), end, np.nan) for end in (lower, upper))
    own = "in the unit that parameter_unit names"
    columns = {
        "value": (values, f"Value, {own}"),
        "lower": (lower, f"Lower end of the interval, {own}"),
        "upper": (upper, f"Upper end of the interval, {own}"),
        "error_minus": (values - lower, f"Distance to the lower end, {own}"),
        "error_plus": (upper - values, f"Distance to the upper end, {own}"),
        "lower_reached": (np.array([p[0].reached for p in ends]), "Whether the statistic grew by delta there"),
        "upper_reached": (np.array([p[1].reached for p in ends]), "Whether the statistic grew by delta there"),
    }
    units = [problem.parameters[name].units for name in names]
    return xr.Dataset(
        {key: ("parameter", column, {"units": "1", "long_name": text}) for key, (column, text) in columns.items()},
        coords={
            "parameter": ("parameter", np.array(names), {"long_name": "Parameter"}),
            "parameter_unit": ("parameter", np.array(units), {"long_name": "Unit of the parameter"}),
        },
    )


def warn_of_better(best: xr.Dataset, least: float) -> None:
    warnings.warn(
        f"a better minimum was met: {best.attrs['statistic']} = {least:.6g} instead of "
        f"{float(best.attrs['statistic_value']):.6g}; this is about the better one, but fit again with more starts=",
        AnalysisWarning,
        stacklevel=4,
    )


def _warn_of_open(made: xr.Dataset) -> None:
    ends = (made["lower"].values, made["upper"].values)
    open_ = [str(n) for n, low, high in zip(made["parameter"].values, *ends, strict=True) if not low < high]
    if open_:
        warnings.warn(
            f"no end was found to a side of {', '.join(open_)}: the data do not bound it; set bounds=",
            AnalysisWarning,
            stacklevel=3,
        )

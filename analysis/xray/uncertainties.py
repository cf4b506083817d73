"""Errors from the likelihood itself: intervals and contours where the statistic has grown, all else fitted again.

For the −2 ln L of Poisson counts and for χ² the region where the least statistic over all other parameters stays
below its minimum + Δ holds the truth with a probability that Δ sets (Wilks 1938): Δ is the quantile of χ² with as many
degrees of freedom as parameters are looked at together.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
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
LEVELS = (0.68, 0.90, 0.99)


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
    growth = _growth(level, delta, joint)
    x, least = _polished(problem, x, best)
    for _ in range(AGAIN):
        ends, better = _all_sides(problem, names, x, least, growth)
        if better is None:
            break
        x, least = _polished(problem, better, best)
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


def contours(
    data: xr.DataTree | Mapping[str, xr.DataTree],
    best: xr.Dataset,
    *,
    x: str,
    y: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    steps: int = 25,
    components: Mapping[str, Model] | None = None,
) -> xr.Dataset:
    r"""Return how much the statistic grows over a grid of two parameters, all others fitted again at each point.

    Parameters
    ----------
    data, best, components
        As for :func:`confidence_intervals`.
    x, y : str
        Names of two parameters that the fit varied.
    x_range, y_range : (low, high), optional
        Ends of the grid in the parameter's unit; left out, 3.5 σ to each side, within bounds.
    steps : int, optional
        Points along each axis.

    Returns
    -------
    xarray.Dataset
        ``delta_statistic`` on ``y, x``; ``threshold`` on ``level``: Δ of the contours that hold 68, 90 and 99 % for
        two parameters together (2.28, 4.61, 9.21). attrs: ``x``, ``y``, ``x_best``, ``y_best``.

    Raises
    ------
    WrongData, BadOption
        As :func:`confidence_intervals`; and if a range leaves the parameter's bounds, or has no σ to be chosen by.

    Warns
    -----
    AnalysisWarning
        If the grid meets a smaller statistic than the fit's; growth is then counted from there.

    References
    ----------
    As for :func:`confidence_intervals`.
    """
    problem, start = problem_of(data, best, components=components)
    first, second = full_name(problem, x), full_name(problem, y)
    if first == second:
        raise BadOption(f"x={x!r} and y={y!r} are the same parameter; contours need two")
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or not 3 <= steps <= 1000:
        raise BadOption(f"steps={steps!r} must be a whole number, 3 to 1000")
    at, least = _polished(problem, start, best)
    sigma = np.sqrt(np.diag(described(problem, at, True, 0).covariance))
    across = _axis(problem, first, at, sigma, x_range, int(steps), "x_range")
    along = _axis(problem, second, at, sigma, y_range, int(steps), "y_range")
    grid = _grid(problem, (first, second), (across, along), at)
    lowest = float(np.nanmin(grid))
    if lowest < least - BETTER:
        _warn_of_better(best, lowest)
        least = lowest
    spots = {name: float(at[problem.free.index(name)]) for name in (first, second)}
    made = xr.Dataset(
        {
            "delta_statistic": (
                ("y", "x"),
                np.maximum(grid - least, 0.0),
                {"units": "1", "long_name": f"Growth of {best.attrs['statistic']}"},
            ),
            "threshold": (
                "level",
                np.array([_growth(level, None, 2) for level in LEVELS]),
                {"units": "1", "long_name": "Growth at the contour of this probability, two parameters together"},
            ),
        },
        coords={
            "x": ("x", across, _axis_attrs(problem, first)),
            "y": ("y", along, _axis_attrs(problem, second)),
            "level": ("level", np.array(LEVELS), {"units": "1", "long_name": "Probability inside the contour"}),
        },
        attrs={
            "x": first,
            "y": second,
            "x_best": spots[first],
            "y_best": spots[second],
            "statistic": best.attrs["statistic"],
            "statistic_value": least,
            "model": best.attrs["model"],
        },
    )
    step = f"xray.contours: {first}, {second}, {steps} × {steps}"
    title = f"Contours of {first} and {second}: {best.attrs['model']}"
    return check(derived(made, best, title=title, step=step, references=[WILKS, CASH, LAMPTON]))


def _listed(problem: Problem, names: Sequence[str]) -> tuple[str, ...]:
    listed = (names,) if isinstance(names, str) else tuple(names)
    if not listed:
        raise BadOption(f"parameters=() names none; leave it out for all of {', '.join(problem.free)}")
    return tuple(dict.fromkeys(full_name(problem, name) for name in listed))


def _growth(level: float, delta: float | None, joint: int) -> float:
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


def _polished(problem: Problem, x: Array, best: xr.Dataset) -> tuple[Array, float]:
    """The minimum next to a point; a warning if it is lower than the fit's."""
    least, at, _, _ = descended(problem, x)
    if least < float(best.attrs["statistic_value"]) - BETTER:
        _warn_of_better(best, least)
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


def _warn_of_better(best: xr.Dataset, least: float) -> None:
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


def _axis(
    problem: Problem,
    name: str,
    at: Array,
    sigma: Array,
    ends: tuple[float, float] | None,
    steps: int,
    what: str,
) -> Array:
    i = problem.free.index(name)
    low, high = float(problem.low[i]), float(problem.high[i])
    if ends is None:
        if not np.isfinite(sigma[i]):
            raise BadOption(f"the fit gives {name} no error, so {what}=(low, high) must be said")
        reach = 3.5 * float(sigma[i])
        return np.linspace(max(at[i] - reach, low), min(at[i] + reach, high), steps)
    if isinstance(ends, str) or not hasattr(ends, "__len__") or len(ends) != 2:
        raise BadOption(f"{what}={ends!r} is not a pair (low, high)")
    below, above = number(ends[0], what), number(ends[1], what)
    if not low <= below < above <= high:
        raise BadOption(f"{what}={ends!r} must be (low, high) within the bounds of {name}, {low:g} to {high:g}")
    return np.linspace(below, above, steps)


def _axis_attrs(problem: Problem, name: str) -> dict[str, str]:
    held = problem.parameters[name]
    return {"units": held.units, "long_name": f"{held.long_name} ({name})" if held.long_name else name}


def _walk(shape: tuple[int, int], start: tuple[int, int]) -> Iterator[tuple[int, int, tuple[int, int] | None]]:
    """Grid points from one outwards, each with the neighbour that was done before it."""
    rows, columns = shape
    row, column = start
    for j in [*range(column, columns), *range(column - 1, -1, -1)]:
        before = None if j == column else (row, j - 1 if j > column else j + 1)
        yield row, j, before
        for i in range(row + 1, rows):
            yield i, j, (i - 1, j)
        for i in range(row - 1, -1, -1):
            yield i, j, (i + 1, j)


def _grid(problem: Problem, names: tuple[str, str], axes: tuple[Array, Array], at: Array) -> Array:
    """The least statistic at each point of a grid, each point begun where its neighbour ended."""
    chosen = [problem.free.index(name) for name in names]
    across, along = axes
    shape = along.size, across.size
    middle = int(np.abs(along - at[chosen[1]]).argmin()), int(np.abs(across - at[chosen[0]]).argmin())
    grid = np.full(shape, np.nan)
    ended: dict[tuple[int, int], Array] = {}
    others = np.delete(at, chosen)
    with counted(across.size * along.size, "contours") as bar:
        for i, j, before in _walk(shape, middle):
            held = pinned(problem, {names[0]: float(across[j]), names[1]: float(along[i])})
            start = others if before is None else ended[before]
            found, there, _, _ = descended(held, start)
            if not np.isfinite(found):
                found, there, _, _ = descended(held, others)
            grid[i, j], ended[i, j] = found if np.isfinite(found) else np.nan, there
            bar.update()
    return grid

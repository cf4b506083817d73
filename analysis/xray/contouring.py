"""Contours: how the statistic grows over two parameters, all others fitted again at each point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from analysis.download.progress import counted
from analysis.errors import BadOption
from analysis.model import check, derived
from analysis.xray.inputs import number
from analysis.xray.minimizing import descended, described
from analysis.xray.models import Array, Model
from analysis.xray.problems import Problem
from analysis.xray.repeating import full_name, pinned, problem_of
from analysis.xray.uncertainties import BETTER, CASH, LAMPTON, WILKS, growth_at, polished, warn_of_better

LEVELS = (0.68, 0.90, 0.99)


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
    at, least = polished(problem, start, best)
    sigma = np.sqrt(np.diag(described(problem, at, True, 0).covariance))
    across = _axis(problem, first, at, sigma, x_range, int(steps), "x_range")
    along = _axis(problem, second, at, sigma, y_range, int(steps), "y_range")
    grid = _grid(problem, (first, second), (across, along), at)
    lowest = float(np.nanmin(grid))
    if lowest < least - BETTER:
        warn_of_better(best, lowest)
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
                np.array([growth_at(level, None, 2) for level in LEVELS]),
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

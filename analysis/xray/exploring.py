"""A model on sliders over a spectrum: what the explorer of fits draws, one fold a frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption
from analysis.xray.fitted import fitted_spectrum, joined_bins
from analysis.xray.fitting import background_behind, fit
from analysis.xray.grouping import Grouping
from analysis.xray.inputs import Amount
from analysis.xray.models import Array, Model, Parameter, model
from analysis.xray.problems import Problem, posed, spectra_of

DECADE = 10.0


def model_explorer(
    data: xr.DataTree,
    source: Model | str,
    *,
    band: tuple[Amount, Amount] | None,
    grouping: Grouping,
    min_counts: int | None,
    state: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    again: Mapping[str, str] | None = None,
) -> Any:
    """Return a page with a slider for each free parameter over the spectrum that the model is to fit."""
    from analysis import panels
    from analysis.explore import Dial, following

    if len(spectra_of(data)) != 1:
        raise BadOption(
            f"the explorer shows one spectrum; this tree has {', '.join(spectra_of(data))}: give one of them"
        )
    start = fit(data, source, band=band, grouping=grouping, min_counts=min_counts, starts=0)
    made = model(source).with_values(dict(zip(start.parameter.values.tolist(), start["value"].values, strict=True)))
    problem = posed(data, made, grouping=grouping, min_counts=min_counts, band=band)
    shown = fitted_spectrum(start)
    bins = _Bins(problem, start, shown)

    def vector(values: Mapping[str, float]) -> Array:
        return np.array([values[name] for name in problem.free])

    def words(values: Mapping[str, float]) -> str:
        told = ", ".join(f"{name} = {value:.5g}" for name, value in values.items())
        return (
            f"{start.attrs['statistic']} = {problem.statistic(vector(values)):.2f}, {start.attrs['bins']} bins. {told}"
        )

    def settled(values: Mapping[str, float]) -> dict[str, float]:
        found = fit(data, made, band=band, grouping=grouping, min_counts=min_counts, values=values, starts=0)
        return dict(zip(found.parameter.values.tolist(), map(float, found["value"].values), strict=True))

    dials = [Dial(name, *_range(problem.parameters[name])) for name in problem.free]
    return following(
        [Dial(d.name, d.low, d.high, d.value, _label(problem.parameters[d.name], d.name), d.log) for d in dials],
        lambda values: bins.lines(vector(values)),
        picture=lambda moving: panels.data_and_lines(shown, moving, points="rate", error="rate_error"),
        words=words,
        settle=settled,
        title=str(start.attrs["title"]),
        state=state,
        again=again,
    )


class _Bins:
    """From the bins of the fit to the joined ones on the screen, computed once."""

    def __init__(self, problem: Problem, start: xr.Dataset, shown: xr.Dataset) -> None:
        self.problem = problem
        self.group = joined_bins(start)
        width = (start["energy_high"] - start["energy_low"]).values
        total = np.bincount(self.group, width)
        time = np.bincount(self.group, start["exposure"].values * width) / total
        self.per = 1 / (time * total)
        self.x = np.stack([shown["energy_low"], shown["energy_high"]], axis=1).ravel()
        self.seen = bool((shown["background_rate"].values > 0).any())

    def lines(self, vector: Array) -> dict[str, tuple[Array, Array]]:
        """Return the steps of the model, and of the model with the background, for these parameters."""
        expected = self.problem.expected(vector)[0]
        made = {"model": (self.x, self._steps(expected))}
        if not self.seen:
            return made
        total = expected + background_behind(self.problem.spectra[0], expected)
        return {**made, "model + background": (self.x, self._steps(total))}

    def _steps(self, counts: Array) -> Array:
        return np.repeat(np.bincount(self.group, counts) * self.per, 2)


def _range(p: Parameter) -> tuple[float, float, float, str, bool]:
    """Low, high, value, no label yet, and whether the slider goes by factors."""
    if p.name == "norm" and p.value > 0:
        return p.value / DECADE, p.value * DECADE, p.value, "", True
    low, high = p.search or (p.value - 1, p.value + 1)
    if low > 0 and high / low > 100 and p.value > 0:
        return low, high, p.value, "", True
    if p.value > 0 and high > 20 * p.value:
        high = 5 * p.value
    return min(low, p.value), max(high, p.value), p.value, "", False


def _label(p: Parameter, name: str) -> str:
    return name if p.units == "1" else f"{name} ({p.units})"

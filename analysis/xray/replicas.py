"""Data drawn from the model of a fit, in its bins: what simulations and bootstraps stand on."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from analysis.errors import AnalysisWarning, WrongData
from analysis.xray.likelihoods import Prepared, variance_of
from analysis.xray.models import Array
from analysis.xray.problems import Problem
from analysis.xray.statistics import profiled_background


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


def warn_of_no_background(problem: Problem) -> None:
    for s in problem.spectra:
        if s.statistic == "wstat" and (empty := int(((s.background == 0) & (s.source > 0)).sum())) > s.source.size / 2:
            warnings.warn(
                f"{s.name}: {empty} of {s.source.size} bins have no background counts, so mostly none are simulated "
                "there; group so that each bin has some",
                AnalysisWarning,
                stacklevel=3,
            )

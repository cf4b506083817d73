"""What an observation would tell: errors of parameters from the Fisher matrix, checked by simulated fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check as checked
from analysis.model import derived, near
from analysis.xray.fitting import changed
from analysis.xray.grouping import channel_bins, is_whole
from analysis.xray.inputs import Amount, datasets, named_band
from analysis.xray.instruments import instrument_of
from analysis.xray.minimizing import descended, described, least
from analysis.xray.models import Array, Model, about, labels, model, refuse_unless_additive, state, told_parameters
from analysis.xray.problems import Problem, posed
from analysis.xray.simulation import NOT_SIMULATED, Background, Expected, expectation, generators, seconds

REFERENCES = (
    "Fisher (1935), J. R. Stat. Soc. 98, 39; Tegmark, Taylor & Heavens (1997), ApJ 480, 22 (Fisher matrices)",
    "Cowan, Cranmer, Gross & Vitells (2011), EPJC 71, 1554, doi:10.1140/epjc/s10052-011-1554-0 (the Asimov data set)",
)


@dataclass(frozen=True)
class Check:
    """What fits of simulations say of the errors: see :func:`feasibility`."""

    scatter: Array
    scatter_error: Array
    bias: Array
    bias_error: Array
    failed: int


@dataclass(frozen=True)
class Found:
    """What one observation would tell; ``lost`` is None without a component, ``check`` without simulations."""

    error: Array
    covariance: Array
    counts: float
    background: float
    bins: int
    statistic: str
    lost: float | None
    check: Check | None


def feasibility(
    source: Model | str,
    instruments: str | Sequence[str] | Mapping[str, str | xr.DataTree],
    exposures: Amount | Sequence[Amount],
    *,
    band: tuple[Amount, Amount] | None = None,
    background: Background | Mapping[str, Background] = "instrument",
    min_counts: int | None = None,
    values: Mapping[str, float] | None = None,
    frozen: Sequence[str] = (),
    component: str | None = None,
    check: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    r"""Return the errors that parameters would have, for each instrument and exposure.

    No fit is done: the errors are those of the Fisher matrix at the model's own values, with the weights of
    the statistic that :func:`fit` would use (C; W where there is a background, which is profiled out).

    .. math:: F_{ij} = \sum_c \frac{\partial_i s_c\, \partial_j s_c}{s_c + b_c + b_c / r}

    with the expected counts s of the source and b of the background in the source region, and r the ratio of the
    background region's exposure × AREASCAL × BACKSCAL to the source's.

    Parameters
    ----------
    source : Model or str
        With the values that are taken for true. Its free parameters are those of the result.
    instruments : str, sequence of str, or mapping
        Presets by name, or names of your own to what :func:`simulated_spectrum` takes.
    exposures : float or value with units, or several
        Bare numbers are in seconds.
    band : (low, high), optional
        Energies in keV.
    background : as for :func:`simulated_spectrum`, or a mapping from instruments to such
    min_counts : int, optional
        Channels are grouped to so many expected counts. The Fisher matrix hardly minds; fits with W and an empty
        background do.
    values, frozen : optional
        As for :func:`fit`.
    component : str, optional
        A component whose detection is asked for: ``detection_statistic`` is how much worse the best fit without it is
        to the expected counts (its norm 0, the others free).
    check : int, optional
        How many spectra are drawn and fitted, from the true values, to check the errors: 100 or more say something.
    seed : int, optional
        Of these.

    Returns
    -------
    xarray.Dataset
        ``value`` on ``parameter``; ``error`` (1σ) on ``instrument, exposure, parameter``, ``covariance``;
        ``expected_counts`` and ``expected_background`` in the band, ``bins``. With ``check``: ``scatter_ratio``
        (standard deviation of the fitted values over the error) and ``bias`` (mean less truth, over the error), each
        with ``_error``, and ``failed``, the fits that did not converge. With ``component``: ``detection_statistic``,
        and ``detection_sigma``, its root: for one more parameter, at an energy known beforehand.

    Raises
    ------
    BadOption
        If parameters cannot be told apart, have no effect or stand at a bound, none is free, or an exposure is not
        positive.
    OutsideCoverage
        If an instrument does not reach the band.

    Notes
    -----
    The errors hold where the statistic is nearly a parabola over them: not for weak lines, nor near a bound.
    ``check`` tells. Systematic errors of the response are not in them.

    References
    ----------
    Fisher (1935), J. R. Stat. Soc. 98, 39; Tegmark, Taylor & Heavens (1997), ApJ 480, 22; Cowan et al. (2011),
    EPJC 71, 1554.

    Examples
    --------
    >>> from analysis import xray
    >>> made = xray.feasibility("powerlaw(photon_index=2, norm=1e-4)", ["newathena_wfi"], ["10 ks", "40 ks"])
    >>> ratio = made.error.isel(exposure=0) / made.error.isel(exposure=1)
    >>> ratio.squeeze().values.round(6).tolist()  # no background: with the root of the exposure
    [2.0, 2.0]
    """
    made = changed(model(source), values=values, frozen=frozen)
    refuse_unless_additive(made, "feasibility")
    named = _instruments(instruments)
    times = _exposures(exposures)
    if not made.free:
        raise BadOption(f"all parameters of {made} are frozen or tied; free one with thawed()")
    if not is_whole(check, least=0) or check == 1:
        raise BadOption(f"check={check!r} must be a whole number of simulations, 2 or more, or 0 for none")
    without = None if component is None else _without(made, component)
    streams = iter(generators(seed, len(named) * len(times)))
    rows: list[list[Found]] = []
    inputs: list[xr.Dataset | xr.DataArray] = []
    for name, tree in named.items():
        behind = _background_of(background, name, named)
        row = []
        for time in times:
            expected = expectation(made, tree, time, background=behind)
            row.append(_found(name, made, expected, band, min_counts, without, int(check), next(streams)))
        inputs += [*datasets(*expected.nodes.values())]
        rows.append(row)
    return _labelled(made, list(named), times, rows, inputs, band, seed, int(check), component)


def _found(
    name: str,
    source: Model,
    expected: Expected,
    band: tuple[Amount, Amount] | None,
    min_counts: int | None,
    without: Model | None,
    number: int,
    rng: np.random.Generator,
) -> Found:
    tree = _asimov(name, expected, band, min_counts)
    grouping = "file" if min_counts is not None else None
    problem = posed(tree, source, band=band, grouping=grouping)  # type: ignore[arg-type]
    least_of = described(problem, problem.start, True, 0)
    told = f"{name}, {expected.time:g} s"
    if least_of.at_bound:
        raise BadOption(
            f"{told}: {', '.join(least_of.at_bound)} stands at a bound, where it has no error; give another value, or "
            "freeze it"
        )
    if least_of.degenerate:
        raise BadOption(
            f"{told}: {', '.join(least_of.degenerate)} cannot be told apart or have no effect on what is counted; "
            "freeze or tie one of them, or choose another band="
        )
    error = np.sqrt(np.diag(least_of.covariance))
    spectrum = problem.spectra[0]
    counts = float(problem.expected(problem.start)[0].sum())
    lost = None
    if without is not None:
        bare = posed(tree, without, band=band, grouping=grouping)  # type: ignore[arg-type]
        worse = least(bare, starts=0, seed=0).value if bare.free else bare.statistic(bare.start)
        lost = max(worse - problem.statistic(problem.start), 0.0)
    return Found(
        error,
        least_of.covariance,
        counts,
        max(float(spectrum.source.sum() - counts), 0.0),
        spectrum.source.size,
        spectrum.statistic,
        lost,
        _checked(problem, error, number, rng) if number else None,
    )


def _checked(problem: Problem, error: Array, number: int, rng: np.random.Generator) -> Check:
    """Scatter and bias of the fits of simulated spectra, in errors, and how many did not converge."""
    spectrum, truth = problem.spectra[0], problem.start
    found, failed = [], 0
    for _ in range(number):
        drawn = replace(
            spectrum,
            source=rng.poisson(spectrum.source).astype(float),
            background=rng.poisson(spectrum.background).astype(float),
        )
        _, vector, converged, _ = descended(replace(problem, spectra=(drawn,)), truth)
        if converged:
            found.append(vector)
        else:
            failed += 1
    if len(found) < 2:
        nothing = np.full(truth.size, np.nan)
        return Check(nothing, nothing, nothing, nothing, failed)
    off = (np.array(found) - truth) / error
    ratio = off.std(axis=0, ddof=1)
    return Check(ratio, ratio / np.sqrt(2 * (len(found) - 1)), off.mean(axis=0), ratio / np.sqrt(len(found)), failed)


def _asimov(name: str, expected: Expected, band: tuple[Amount, Amount] | None, min_counts: int | None) -> xr.DataTree:
    """The observation that has exactly what is expected in each channel, ready for a fit."""

    def spectrum(counts: Array, time: float, sizes: Array, areas: Array) -> xr.Dataset:
        return xr.Dataset(
            {
                "counts": ("channel", counts, {"units": "ct", "long_name": "Counts"}),
                "exposure": ((), time, {"units": "s", "long_name": "Exposure"}),
                "backscal": ("channel", sizes, {"units": "1", "long_name": "BACKSCAL"}),
                "areascal": ("channel", areas, {"units": "1", "long_name": "AREASCAL"}),
            },
            coords={"channel": expected.whole["channel"]},
        )

    own = spectrum(expected.source + expected.behind, expected.time, expected.backscal, expected.areascal)
    if min_counts is not None:
        bins = channel_bins(own, grouping=None, min_counts=min_counts, band=band, rmf=expected.whole).values
        if not (bins >= 0).any():
            raise BadOption(
                f"{name}, {expected.time:g} s: fewer than min_counts={min_counts} counts are expected; ask for less"
            )
        start = np.r_[True, bins[1:] != bins[:-1]]
        flag = {"units": "1", "long_name": "Flag"}
        own["grouping"] = ("channel", np.where(start, 1, -1), flag)
        own["quality"] = ("channel", np.where(bins >= 0, 0, 2), flag)
    nodes = {"spectrum": own, "rmf": expected.whole}
    if expected.beside is not None:
        nodes["background"] = spectrum(
            expected.beside, expected.beside_time, expected.beside_backscal, expected.beside_areascal
        )
    return xr.DataTree.from_dict(nodes, name=name.replace("[", "(").replace("]", ")"))


def _instruments(given: str | Sequence[str] | Mapping[str, str | xr.DataTree]) -> dict[str, xr.DataTree]:
    if isinstance(given, xr.DataTree):
        raise BadOption("instruments= of your own need names: instruments={'mine': tree}")
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Mapping):
        pairs = {str(name): tree for name, tree in given.items()}
    else:
        if bad := [name for name in given if not isinstance(name, str)]:
            raise BadOption(
                f"instruments= of your own need names: instruments={{'mine': …}}, not {type(bad[0]).__name__}"
            )
        pairs = {name: name for name in given}
    if not pairs:
        raise BadOption("instruments= is empty; name at least one, for example ['newathena_xifu']")
    return {name: instrument_of(tree, "feasibility") for name, tree in pairs.items()}


def _exposures(given: Amount | Sequence[Amount]) -> list[float]:
    if isinstance(given, xr.DataArray) and given.ndim == 1:
        units = given.attrs.get("units", "s")
        given = [f"{value} {units}" for value in given.values.tolist()]
    several = list(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else [given]
    if not several:
        raise BadOption("exposures= is empty; give at least one, for example ['10 ks', '100 ks']")
    found = [seconds(one, "exposures") for one in several]
    if len(set(found)) < len(found):
        raise BadOption(f"exposures={several} names one exposure twice")
    return found


def _background_of(
    background: Background | Mapping[str, Background], name: str, known: Mapping[str, object]
) -> Background:
    if isinstance(background, Mapping) and not isinstance(background, xr.Dataset | xr.DataTree):
        if unknown := [key for key in background if key not in known]:
            raise BadOption(f"background= names {unknown[0]!r}, which is none of the instruments {', '.join(known)}")
        return background.get(name, "instrument")
    return background


def _without(source: Model, component: str) -> Model:
    """The model with the norm of a component 0, and the rest of it frozen."""
    known = list(labels(source.term))
    if component not in known:
        raise BadOption(f"{source} has no component {component!r}{near(component, known)}; it has {', '.join(known)}")
    own = [f"{component}.{p.name}" for p in source.parts[component].parameters]
    norm = f"{component}.norm"
    if norm not in own:
        raise BadOption(f"component={component!r} has no norm that could be 0; name one that makes photons")
    if followers := [name for name, p in source.parameters.items() if p.tied in own]:
        raise BadOption(f"component={component!r} cannot be left out: {', '.join(followers)} follow it")
    return source.bounded({norm: (0.0, np.inf)}).with_values({norm: 0.0}).frozen(*own)


def _labelled(
    source: Model,
    names: list[str],
    times: list[float],
    rows: list[list[Found]],
    inputs: list[xr.Dataset | xr.DataArray],
    band: tuple[Amount, Amount] | None,
    seed: int,
    number: int,
    component: str | None,
) -> xr.Dataset:
    free = source.free
    known = source.parameters
    grid, per, own = ("instrument", "exposure"), ("instrument", "exposure", "parameter"), "in parameter_unit"

    def of(field: str) -> Array:
        return np.array([[attrgetter(field)(found) for found in row] for row in rows], dtype=float)

    variables: dict[str, tuple] = {
        "value": ("parameter", np.array([known[n].value for n in free]), "1", f"Value taken for true, {own}"),
        "error": (per, of("error"), "1", f"1σ error from the Fisher matrix, {own}"),
        "covariance": ((*per, "parameter_2"), of("covariance"), "1", "Covariance, in the two parameters' units"),
        "expected_counts": (grid, of("counts"), "ct", "Counts of the source expected in the band"),
        "expected_background": (grid, of("background"), "ct", "Counts of the background expected in the source region"),
        "bins": (grid, of("bins").astype(np.int64), "1", "Bins"),
    }
    if number:
        variables |= {
            "scatter_ratio": (per, of("check.scatter"), "1", "Scatter of fitted values over the error"),
            "scatter_ratio_error": (per, of("check.scatter_error"), "1", "1σ of the ratio, for so many simulations"),
            "bias": (per, of("check.bias"), "1", "Mean of fitted values less the truth, in errors"),
            "bias_error": (per, of("check.bias_error"), "1", "1σ of the bias, for so many simulations"),
            "failed": (grid, of("check.failed").astype(np.int64), "1", "Simulated fits that did not converge"),
        }
    if component is not None:
        variables["detection_statistic"] = (grid, of("lost"), "1", f"Statistic that leaving out {component} costs")
        variables["detection_sigma"] = (
            grid,
            np.sqrt(of("lost")),
            "1",
            f"Root of the statistic that {component} is worth",
        )
    made = xr.Dataset(
        {
            key: (dims, data, {"units": units, "long_name": told})
            for key, (dims, data, units, told) in variables.items()
        },
        coords={
            "instrument": ("instrument", np.array(names), {"long_name": "Instrument"}),
            "exposure": ("exposure", np.array(times), {"units": "s", "long_name": "Exposure"}),
            "parameter": ("parameter", np.array(free), {"long_name": "Parameter"}),
            "parameter_2": ("parameter_2", np.array(free), {"long_name": "Parameter"}),
            "parameter_unit": (
                "parameter",
                np.array([known[n].units for n in free]),
                {"long_name": "Unit of the parameter"},
            ),
        },
    )
    bins = max(found.bins for row in rows for found in row)
    made.attrs = {
        "statistic": "+".join(sorted({found.statistic for row in rows for found in row})),
        "statistic_value": 0.0,
        "bins": bins,
        "dof": bins - len(free),
        "model": str(source),
        "model_state": state(source),
        "band": named_band(band),
        "seed": int(seed),
        "simulations": number,
        **{key: text for key, text in about(source).items() if key != "references"},
    }
    parametric = sorted({str(i.attrs["preset"]) for i in inputs if i.attrs.get("responses") == "parametric"})
    if parametric:
        made.attrs["parametric"] = ", ".join(parametric)
    ending = f" (parametric responses: {', '.join(parametric)})" if parametric else ""
    step = f"xray.feasibility: {told_parameters(source)}; {number} simulations, seed {seed}"
    first, *others = inputs
    done = derived(made, first, title=f"Feasibility of {source}{ending}", step=step, references=REFERENCES, also=others)
    sources = dict.fromkeys(str(i.attrs.get("source", "not stated")) for i in inputs)
    cited = "\n".join(dict.fromkeys(line for i in (done, *inputs) for line in str(i.attrs["references"]).splitlines()))
    caveats = "\n".join(text for text in (done.attrs.get("caveats"), NOT_SIMULATED) if text)
    done = done.assign_attrs(source="; ".join(sources), references=cited, caveats=caveats, synthetic="true")
    if not np.isfinite(done["error"].values).all():
        raise WrongData(f"{source}: errors are not finite; the expected counts are too few to tell anything")
    return checked(done)
